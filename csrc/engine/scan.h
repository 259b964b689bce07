/* scan: a range at a snapshot, a chunk at a time.
 *
 * Each chunk seeks anew to just past the last key looked at, under an epoch slot of its own: between chunks
 * a scan holds a counted version, and of a long walk a window and an open file for each run (store/table_walk.c), so
 * a forgotten iterator stops nobody: who finds no window left to borrow walks as if it were short. In a chunk,
 *
 *   source 0      the active memtable, through its order, up to the snapshot's limit
 *   source 1..    sealed memtables: one view over all of them when there is one, else each through its order
 *   then          one cursor for each run
 *   merge -> reader's rule -> pairs in place
 *
 * One thread at a time. */
#ifndef LK_ENGINE_SCAN_H
#define LK_ENGINE_SCAN_H

#include "engine/read.h"
#include "store/merge.h"

struct lk_scan;

/* bounds are copied. The scan takes its own snapshot when `snapshot` is NULL, else shares it. No slot held. */
LK_MUST_CHECK int lk_scan_new(struct lk_db *db, const struct lk_snapshot *snapshot, const struct lsmkv_range *range,
                              struct lk_scan **out);
void lk_scan_free(struct lk_scan *scan);

/* The next pairs, lent until lk_scan_end. wait 0: WOULDBLOCK instead of file access, long sorting, or long
 * stretches of deleted keys. NOTFOUND: over. A failure is latched. */
LK_MUST_CHECK int lk_scan_begin(struct lk_scan *scan, int wait, size_t most, size_t most_bytes,
                                struct lsmkv_pair *pairs, size_t *count);
void lk_scan_end(struct lk_scan *scan);
uint64_t lk_scan_lsn(const struct lk_scan *scan);

#endif
