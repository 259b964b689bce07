/* rotate: the active segment is sealed and the next one takes its place.
 *
 * A segment is sealed only when wholly visible, so a snapshot's LSN always lies in the active segment of its
 * own version. The next segment's name is durable before its first record, so an LSN is never issued twice.
 * Its head names the segment before it and where that one ended. */
#ifndef LK_ENGINE_ROTATE_H
#define LK_ENGINE_ROTATE_H

#include "engine/db.h"

/* write_mutex held; file access, so not for holders of the interpreter lock. Room for a frame of `body_bytes`
 * with `keys` keys afterwards. 0; WOULDBLOCK: something must become visible first (lk_commit_visible);
 * NOTFOUND: L0 is full, a flush must come first; a failure (FULL: the store is as it was). */
LK_MUST_CHECK int lk_rotate(struct lk_db *db, uint64_t body_bytes, uint32_t keys);

/* Can a frame of `body_bytes` with `keys` records be written at all? */
int lk_rotate_possible(struct lk_db *db, uint64_t body_bytes, uint32_t keys);

/* The store holds `stored` bytes outside of the log. Is that less than one segment, and the active one empty, one of the
 * first size takes its place, and growth begins anew. No lock held; file access. 0: what was sealed waits for a flush;
 * NOTFOUND: nothing to do; WOULDBLOCK: somebody writes; a failure (the store is as it was). */
LK_MUST_CHECK int lk_rotate_small(struct lk_db *db, uint64_t stored);

/* Unlock write_mutex after a possible rotation, and then tell the background threads of it: woken earlier they
 * would only run into the mutex. */
void lk_rotate_unlock(struct lk_db *db);

/* How large an ordinary segment is to be now, and for how many keys. No lock held. */
struct lk_rotate_size {
    uint64_t capacity;
    uint32_t keys;
};
struct lk_rotate_size lk_rotate_size(struct lk_db *db);
/* A memtable over a new segment, its name durable. Any thread. */
LK_MUST_CHECK int lk_rotate_make(struct lk_db *db, struct lk_rotate_size size, struct lk_memtable **out);

/* The first segment of an engine: successor of prev, which ended at prev_end. No lock needed yet. */
LK_MUST_CHECK int lk_rotate_first(struct lk_db *db, uint32_t prev, uint32_t prev_end, struct lk_memtable **out);

#endif
