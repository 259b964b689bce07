/* memtable: a log segment made searchable: hash lines over its records, the list of its keys, its range
 * deletes, and, late, their order (store/order.h). It holds no second copy of any record.
 *
 *   key --hash--> line --tag, position--> newest record --prev/jump--> older versions
 *   keys[]        one entry a key, in order of first appearance: slot of its line, first position
 *
 * Who sees what: a reader brings `limit`, an offset in the segment; records that start at or beyond it do
 * not exist for him. The newest position may lie beyond: links lead back to what he may see.
 *
 * Threads: one writer adds, under the engine's write mutex; readers look at any time inside an epoch slot.
 * Publication: record bytes, then place (release), then count (release), then the engine's visible LSN
 * (release). A reader loads in the opposite order with acquire. One of the three places of lock-free
 * code; tests/c/test_memtable.c is its model test.
 *
 * Lines stay under 60 % load: the writer asks lk_memtable_full first and seals instead. A key
 * whose lines (at most LK_LINE_SPILL in a row) have no free slot also means: seal. */
#ifndef LK_STORE_MEMTABLE_H
#define LK_STORE_MEMTABLE_H

#include "format/line.h"
#include "format/record.h"
#include "store/epoch.h"
#include "store/held.h"
#include "store/ranges.h"
#include "store/segment.h"
#include "store/values.h"
#include "util/hash.h"
#include "util/sort.h"

struct lk_order;

/* One range delete of the segment; keys are borrowed from its bytes. */
struct lk_mem_range {
    struct lk_slice start, stop;
    int open_end;
    uint32_t position; /* byte offset of its record */
};
/* Immutable list, replaced whole by each range delete. */
struct lk_mem_ranges {
    struct lk_ranges merged;   /* all of them, disjoint */
    uint32_t count;
    struct lk_mem_range at[];  /* in log order */
};
enum { LK_MEM_RANGES_MAX = 1024 };

struct lk_mem_key {
    uint32_t slot, position;
}; /* line * 16 + slot; first position (units) */

struct lk_memtable {
    struct lk_segment *segment;  /* owned */
    struct lk_hash_seed seed;
    struct lk_epochs *epochs;    /* borrowed: retires orders and range lists */
    struct lk_line *lines;       /* owned reservation, with keys behind them */
    uint32_t line_count, key_cap;
    struct lk_mem_key *keys;     /* in the same reservation; [0, key_count) constant once published */
    _Atomic uint32_t key_count;
    _Atomic(struct lk_mem_ranges *) ranges; /* NULL: none */
    struct lk_mutex order_mutex; /* makers of order */
    _Atomic(struct lk_order *) order;
    _Atomic int order_final;     /* sealed, and the order covers every key */
    /* Writer's, statistics. */
    _Atomic uint64_t records, tombstones, payload;
    _Atomic uint64_t expiring; /* records with an expiry; any thread */
    _Atomic int sealed;
    struct lk_value_uses uses;    /* under the engine's write mutex: the value segments its records refer to */
    _Atomic uint64_t value_bytes; /* what they take there */
    int crowded; /* the writer's: a key found its lines full; no more writes, seal */
    _Atomic uint32_t references;
    struct lk_held held; /* since a flush has taken its place */
};

/* Takes the segment over (also on failure). expected_keys sizes the lines: so many different keys fit. */
LK_MUST_CHECK int lk_memtable_new(struct lk_segment *segment, struct lk_hash_seed seed, uint32_t expected_keys,
                                  struct lk_epochs *epochs, struct lk_memtable **out);
void lk_memtable_ref(struct lk_memtable *memtable);
void lk_memtable_unref(struct lk_memtable *memtable); /* frees lines, order and segment with the last */

/* ---- the writer ---- */

/* 1 when `more` further keys may not fit: seal first. */
int lk_memtable_full(const struct lk_memtable *memtable, uint32_t more);

/* Encode `record` at `to` (inside the segment's frame under construction, aligned to 1 << shift by the
 * caller) with its link, index it. hash is of the key; for range deletes it is not used. Returns the
 * byte after the record; NULL when its lines are full (nothing was changed: seal) or memory ran out
 * for a range list (lk_error tells: status NOMEM). */
uint8_t *lk_memtable_add(struct lk_memtable *memtable, uint8_t *to, struct lk_record *record, uint64_t hash);
/* Index a record that already stands in the segment (replay). 0, NOMEM, or CORRUPT (it cannot be a record
 * this writer made). */
LK_MUST_CHECK int lk_memtable_index(struct lk_memtable *memtable, const uint8_t *at, struct lk_record *record,
                                    uint64_t hash);
/* Forget everything indexed and begin again with lines for `expected_keys`. Before anybody reads it. */
LK_MUST_CHECK int lk_memtable_restart(struct lk_memtable *memtable, uint32_t expected_keys);
/* Take back every record that starts in [from, to) (bytes), of a frame that was not completed. wait: when it
 * returns no reader looks at those bytes any more, so they may be erased (never inside an epoch slot). 0, or
 * NOMEM: the memtable must take no more writes. */
LK_MUST_CHECK int lk_memtable_undo(struct lk_memtable *memtable, uint64_t from, uint64_t to, int wait);
/* Upper bound of what add writes for `record`, with alignment. */
static inline uint64_t lk_memtable_room(const struct lk_memtable *memtable, const struct lk_record *record)
{
    return lk_record_bytes(record) + LK_RECORD_LINK_BYTES + ((uint64_t)1 << memtable->segment->shift) - 1;
}

/* ---- readers, inside an epoch slot ---- */

static inline void lk_memtable_prefetch(const struct lk_memtable *memtable, uint64_t hash)
{
    __builtin_prefetch(&memtable->lines[lk_line_first(hash, memtable->line_count)]);
}

/* The newest record of `key` that starts below `limit`, range deletes of this segment applied: 0 and a put
 * or delete (a put under a newer range delete comes back as a delete); NOTFOUND: ask older sources. */
int lk_memtable_find(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, uint64_t limit,
                     struct lk_record *record, uint32_t *lines, uint32_t *records);

/* Was the key written, or covered by a range delete, by a record that starts in [from, to)? `from` ends a frame. */
int lk_memtable_changed(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, uint64_t from,
                        uint64_t to);

/* From a key's slot: the newest record below limit. 0 or NOTFOUND. */
int lk_memtable_version(const struct lk_memtable *memtable, uint32_t position, uint64_t limit, struct lk_record *record,
                        uint64_t *at);
/* Does a range delete that starts in (after, limit) cover key? `after` = offset of the record in question. */
int lk_memtable_covered(const struct lk_memtable *memtable, struct lk_slice key, uint64_t after, uint64_t limit);
/* Where the newest range delete starts; 0: there is none. */
uint64_t lk_memtable_last_range(const struct lk_memtable *memtable);
/* Append the range deletes below limit to *out, merged. 0 or NOMEM. */
LK_MUST_CHECK int lk_memtable_ranges(const struct lk_memtable *memtable, uint64_t limit, struct lk_ranges *out);

/* Of lines and key list together, a key of a full memtable. */
enum { LK_MEMTABLE_KEY_BYTES = 17 };
uint64_t lk_memtable_index_bytes(const struct lk_memtable *memtable); /* lines and key list */
/* The same and the log: what goes with it. */
uint64_t lk_memtable_held_bytes(const struct lk_memtable *memtable);
uint64_t lk_memtable_memory(const struct lk_memtable *memtable); /* anonymous bytes of index and order */

#endif
