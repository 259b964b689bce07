/* rotate: the active segment is sealed and the next one takes its place.
 *
 * A segment is sealed only when wholly visible, so a snapshot's LSN always lies in the active segment of its
 * own version. The next segment's name is durable before its first record, so an LSN is never issued twice.
 * Its head names the segment before it and where that one ended. */
#ifndef LK_ENGINE_ROTATE_H
#define LK_ENGINE_ROTATE_H

#include "engine/db.h"

/* Sealed segments' hash lines and key lists together: at this much writers wait for a flush. */
enum { LK_L0_INDEX_MAX = 32 << 20 };

/* Pages of a mapped segment are prefaulted so far ahead when the keeper has not done all of it. */
enum { LK_PREFAULT_AHEAD = 8 << 20 };

/* write_mutex held; file access, so not for holders of the interpreter lock. Room for a frame of `body_bytes`
 * with `keys` keys afterwards. 0; WOULDBLOCK: something must become visible first (lk_commit_visible);
 * NOTFOUND: L0 is full, a flush must come first; a failure (FULL: the store is as it was). */
LK_MUST_CHECK int lk_rotate(struct lk_db *db, uint64_t body_bytes, uint32_t keys);

/* Can a frame of `body_bytes` with `keys` records be written at all? */
int lk_rotate_possible(struct lk_db *db, uint64_t body_bytes, uint32_t keys);

/* Unlock write_mutex after a possible rotation, and then tell the background threads of it: woken earlier they
 * would only run into the mutex. */
void lk_rotate_unlock(struct lk_db *db);

/* The keeper's part: have a spare segment ready, its name durable, its pages prefaulted. No lock held. */
LK_MUST_CHECK int lk_rotate_prepare(struct lk_db *db);

/* The first segment of an engine: successor of prev, which ended at prev_end. No lock needed yet. */
LK_MUST_CHECK int lk_rotate_first(struct lk_db *db, uint32_t prev, uint32_t prev_end, struct lk_memtable **out);

/* Is L0 so full that writers must wait? Many segments, or a few too many full ones. */
int lk_rotate_l0_is_full(const struct lk_db *db, const struct lk_version *version);

#endif
