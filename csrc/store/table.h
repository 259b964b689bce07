/* table: an open immutable sorted file. Shared and counted; the file of a table that has been marked
 * obsolete is removed when the last reference goes.
 *
 *      hash --first line--> tag matches? --position--> record (compare the key)
 *            (second line only when the first is marked)
 *      key --fences--> page --walk--> record                         for seeks
 *
 * In a table with a codec a position names a page and a place among its unpacked records: one look at the fences
 * more, and unpacking as far as the record goes. Such a record stands in the caller's scratch.
 *
 * In a table of small records a filter stands in for the lines (format/filter.h), and the fences lead:
 *
 *      hash --its line--> all bits? --> key --milestone--> fences --> page --walk--> record
 *
 * Everything but the granule states and the count is constant after open. */
#ifndef LK_STORE_TABLE_H
#define LK_STORE_TABLE_H

#include "format/edit.h"
#include "format/footer.h"
#include "format/line.h"
#include "format/milestone.h"
#include "store/granules.h"
#include "store/held.h"
#include "store/ranges.h"
#include "store/scratch.h"
#include "store/values.h"
#include "util/hash.h"

struct lk_table {
    /* What a lookup looks at, on one cache line with the first three fields of granules. */
    const struct lk_line *lines;/* into granules.base: look only where ready; filtered: of the filter */
    uint64_t head_min, head_max;/* lk_head of key_min and key_max; 1 and 0 without records */
    uint64_t head_lo;           /* lk_head of meta.lo */
    uint32_t line_count;
    uint32_t raw_end;           /* where raw pages end; 0: the pages have a codec; 1: filtered, raw or not */
    struct lk_granules granules;

    struct lk_env *env;
    struct lk_dir *dir;         /* borrowed: outlives every table */
    struct lk_file *file;       /* owned */
    char name[24];
    struct lk_table_meta meta;  /* slices owned */
    struct lk_footer footer;
    struct lk_fences fences;    /* into granules.base: look only where ready */
    _Atomic int fences_ready;   /* 1: ready for good, the mapped source only */
    struct lk_fences miles;     /* filtered: heads of the milestones, behind the table's prefix */
    struct lk_milestone *milestones; /* owned, one block with all they refer to */
    uint32_t pages_end;
    uint32_t reach;             /* packed pages: how far behind its beginning a record mostly ends */
    struct lk_ranges ranges;    /* the table's range deletes, clipped to its interval */
    struct lk_value_uses uses;  /* owned: the value segments its records refer to */
    struct lk_hash_seed seed;
    _Atomic uint32_t references;
    _Atomic int obsolete;       /* remove the file with the last reference */
    struct lk_held held;        /* since it is obsolete */
    _Atomic uint64_t shadowed;  /* records that a newer run holds too: engine/shadow.h */
    int leaves;                 /* its unused pages leave soon: engine/beyond.h; under work_mutex */
    _Atomic uint64_t damaged;   /* 1 + offset of what a merge could not read: its run is left alone until reopen */
};

/* Open table meta->number and check that it is the one the manifest means: identity, size, record
 * counts, keys. Reads the footer, checks and properties; pages, fences and lines on first touch.
 * *out has one reference. FORMAT for a version or codec this build lacks; CORRUPT with file and
 * offset; IO (a missing file too). `seed` is the store's; a table of another seed is a FORMAT error. */
LK_MUST_CHECK int lk_table_open(struct lk_env *env, struct lk_dir *dir, const struct lk_table_meta *meta,
                                struct lk_hash_seed seed, struct lk_cache *cache, int mapped, struct lk_table **out);
void lk_table_ref(struct lk_table *table);
void lk_table_unref(struct lk_table *table);

/* Where a lookup needs bytes that are not ready. */
struct lk_missing {
    struct lk_table *table; /* borrowed from the version */
    uint64_t offset, bytes;     /* wanted */
    uint64_t ahead;             /* bytes after these that will be wanted soon: filled as far as they can be */
};

/* Prefetch the first line that would answer for `hash`. No side effect, any time inside a slot. */
static inline __attribute__((always_inline)) void lk_table_prefetch(const struct lk_table *table, uint64_t hash)
{
    __builtin_prefetch(&table->lines[lk_line_first(hash, table->line_count)]);
}

/* Is key between key_min and key_max, and so inside the table's interval? Never in a table without
 * records. Whole keys are compared only where their heads do not decide. */
static inline int lk_table_spans(const struct lk_table *table, struct lk_slice key)
{
    uint64_t head = lk_head(key, 0);
    if (head <= table->head_min || head >= table->head_max) {
        if (head < table->head_min || head > table->head_max)
            return 0;
        return lk_compare(table->meta.key_min, key) <= 0 && lk_compare(key, table->meta.key_max) <= 0;
    }
    return 1;
}

enum { LK_TABLE_FILTERED = 1 }; /* in raw_end */

static inline int lk_table_filtered(const struct lk_table *table)
{
    return table->raw_end == LK_TABLE_FILTERED;
}

struct lk_probe_cost {
    uint32_t lines, records, pages, unpacked; /* pages unpacked, and how many bytes came out */
}; /* may be NULL; filled for explain */

/* The point record of `key`, in place. 0 found (*record borrowed, puts and deletes alike), NOTFOUND,
 * WOULDBLOCK with *missing set, CORRUPT (bytes that verify but make no sense, e.g. a position outside
 * the pages). Memory only. Two dependent cache misses. Range deletes are not looked at. A record of a packed page
 * stands in *scratch, behind what was used of it before; without room there the answer is WOULDBLOCK too. */
LK_MUST_CHECK int lk_table_find(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_record *record,
                                struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost);
/* Make ready what a lookup missed; may block. Called outside an epoch slot with the table pinned. A failure
 * is about what was wanted, never about what lies ahead of it. */
LK_MUST_CHECK int lk_table_fill(const struct lk_missing *missing);
/* The same answer as lk_table_find, by private reads: for values larger than a cache should hold, and
 * when a small budget keeps evicting. 0: *out is a put or delete whose slices lie in *bytes. May block. */
LK_MUST_CHECK int lk_table_find_copy(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_buf *bytes,
                                     struct lk_record *out);

/* Read and verify everything: granules, fences and lines sound, keys strictly ascending and inside the
 * interval, every record found through its line, counts as the footer says. found is called for each
 * damaged place (it may be NULL: stop at the first). progress(context, bytes) after each piece; a
 * non-zero answer stops with CANCELLED. Private reads only. */
LK_MUST_CHECK int lk_table_verify(struct lk_table *table, lsmkv_found found, int (*progress)(void *, uint64_t),
                                  void *context);

/* ---- between the table_....c files ---------------------------------------------------------- */

/* The footer, and the checks and properties before it, as they stand in the file now: read, and verified by their
 * checksums. *tail is owned by the caller, also on failure. 0, CORRUPT, FORMAT, IO, NOMEM. */
LK_MUST_CHECK int lk_table_read_tail(struct lk_env *env, struct lk_file *file, const char *name, uint64_t bytes,
                                     struct lk_footer *footer, struct lk_buf *tail);

/* The pages behind one milestone. */
struct lk_mile {
    const struct lk_milestone *milestone; /* borrowed */
    uint32_t first, pages;
};
/* Those where the key would be; it lies between the first and the last one of the table, which is filtered. */
void lk_table_mile(const struct lk_table *table, struct lk_slice key, struct lk_mile *out);
/* Which pages can hold the key: as lk_fences_find, with `fences` those of the table or a copy of them. The key lies
 * between the first and the last one of the table. */
uint32_t lk_table_pages(const struct lk_table *table, const struct lk_fences *fences, struct lk_slice key,
                        uint32_t *through);
/* How many bytes of its first key the head of a page skips. */
static inline uint32_t lk_table_skipped(const struct lk_table *table, uint32_t page)
{
    return lk_table_filtered(table) ? table->milestones[page / LK_MILE].shared : table->footer.prefix;
}
/* The milestones out of the table's properties. 0, CORRUPT, NOMEM. */
LK_MUST_CHECK int lk_table_read_milestones(struct lk_table *table, const uint8_t *at, const uint8_t *end);

/* lk_table_find and lk_table_find_copy in a table with a filter. */
LK_MUST_CHECK int lk_filtered_find(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_record *record,
                                   struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost);
LK_MUST_CHECK int lk_filtered_find_copy(struct lk_table *table, uint64_t hash, struct lk_slice key,
                                        struct lk_buf *bytes, struct lk_record *out);

/* Sound bytes that make no sense. Always CORRUPT; other keys stay readable. */
int lk_table_corrupt(const struct lk_table *table, uint64_t offset, const char *what);

/* A reference may name any number: one that the table does not list, nobody holds for its readers. Every record that
 * leaves the table_....c files has passed here. 0 or CORRUPT. */
LK_MUST_CHECK int lk_table_refers(const struct lk_table *table, const struct lk_record *record);
LK_MUST_CHECK static inline int lk_table_shows(const struct lk_table *table, const struct lk_record *record)
{
    return __builtin_expect(record->flags & LK_RECORD_APART, 0) ? lk_table_refers(table, record) : 0;
}

/* Pages hold puts and deletes, with or without expiry, and nothing else. */
static inline int lk_table_flags_wrong(uint8_t flags)
{
    return (flags & ~(LK_RECORD_KIND | LK_RECORD_EXPIRY | LK_RECORD_APART)) != 0 ||
           (flags & LK_RECORD_KIND) == LK_RANGE_DELETE;
}

/* Decode one record of a page from [at, end): as lk_record_get, and NULL for what pages do not hold.
 * Looks at no byte of the value. */
static inline const uint8_t *lk_table_record_get(const uint8_t *at, const uint8_t *end, struct lk_record *out)
{
    if (at >= end || lk_table_flags_wrong(*at))
        return NULL;
    return lk_record_get(at, end, out);
}

/* A record by its head alone, before the rest of it may be looked at: its key begins at `key_at`. */
struct lk_outline {
    uint64_t key_at, total;
    uint32_t key_bytes;
};
/* 0; -1 when no record of a page begins at `at`. */
static inline int lk_outline_get(const uint8_t *at, const uint8_t *end, struct lk_outline *out)
{
    if (at >= end || lk_table_flags_wrong(*at))
        return -1;
    out->key_at = lk_record_peek(at, end, &out->total);
    return out->key_at && lk_varint_get(at + 1, end, &out->key_bytes) ? 0 : -1;
}

#endif
