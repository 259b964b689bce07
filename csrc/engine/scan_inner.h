/* scan_inner: between scan.c, which waits and lends, scan_sources.c, which opens and closes, scan_pairs.c, which walks
 * and takes, and scan_leap.c, which leaps over dead keys. Nobody else includes it. */
#ifndef LK_ENGINE_SCAN_INNER_H
#define LK_ENGINE_SCAN_INNER_H

#include "engine/run_source.h"
#include "engine/scan.h"
#include "store/view.h"

/* Dead keys that a walk has met in a row (scan_leap.c). */
struct lk_dead_row {
    struct lk_buf from, to; /* owned: the first that counts; scratch */
    uint64_t wall_ns; /* 0, or the scan's: some had expired */
    uint32_t count, ask_at; /* of them, since the last leap; at how many a gap is asked for */
    int marked, leapt; /* `from` is set; a gap was leapt over */
};

struct lk_scan {
    struct lk_db *db;
    struct lk_snapshot at; /* own reference to the version */
    struct lk_buf start, stop, last; /* owned */
    int has_start, has_stop, exclude_start, include_stop, reverse, keys_only;
    int started, ordered, over, status, slot;
    struct lsmkv_error error; /* with status */
    struct lk_memtable_cursor *memtables; /* owned */
    struct lk_view_cursor view;
    struct lk_run_source *runs; /* owned */
    struct lk_merge_source *sources; /* owned */
    struct lk_ranges *ranges; /* owned: one for each memtable cursor */
    struct lk_merge merge;
    uint32_t memtable_count, run_count, source_count;
    struct lk_buf copy; /* owned: pairs of a waiting chunk */
    struct lk_buf apart, fetched; /* owned: indices of its pairs that are references yet; what they refer to */
    struct lk_buf shelf; /* owned: pairs of the present chunk that did not stay where they were */
    struct lk_buf from, to; /* owned: what was walked, for a transaction to remember */
    struct lk_dead_row row;
};

/* The key, or the first one after it. 0 or NOMEM. */
static inline int lk_scan_bound(struct lk_buf *to, struct lk_slice key, int after)
{
    int rc = lk_buf_copy(to, key);
    return rc == 0 && after ? lk_buf_append(to, "", 1) : rc;
}

/* Walk on from where the last chunk ended. 0: *count pairs, perhaps none when patience ran out; NOTFOUND: over;
 * WOULDBLOCK: nothing found and a source needs bytes, or, without `defer`, a value that lives apart does; a failure.
 * defer: such a value's reference stands in its pair until lk_scan_fetch. Inside a slot. */
LK_MUST_CHECK int lk_scan_collect(struct lk_scan *scan, struct lk_merge *merge, int defer, size_t most,
                                  size_t most_bytes, struct lsmkv_pair *pairs, size_t *count);

/* A row of dead keys begins with the next one. */
void lk_scan_row_begins(struct lk_scan *scan);
/* Where a walk stands on a dead key. 1: it has leapt, and stands somewhere else. Inside a slot. */
int lk_scan_leap(struct lk_scan *scan, struct lk_merge *merge);
/* The row ends: at `key`, which is alive or outside of the range, or, NULL, because there are no more keys, after the dead
 * key `last`. Inside a slot. */
void lk_scan_row_ends(struct lk_scan *scan, const struct lk_slice *key, struct lk_slice last);

/* Copy lent pairs into the scan's own memory. 0 or NOMEM. */
LK_MUST_CHECK int lk_scan_keep(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t count);
/* Read what the references among the *found kept pairs refer to. One that cannot be read ends the chunk before it (*found
 * is less, and the walk goes on there) or, as the first, is the failure. No slot held. */
LK_MUST_CHECK int lk_scan_fetch(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t *found);

#endif
