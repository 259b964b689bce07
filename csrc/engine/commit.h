/* commit: from appended to visible, and from visible to durable.
 *
 *      appended ----------------------------------------------> A   frames in the log
 *      visible  advances over whole frames, in LSN order; it stops before a frame that must be synced
 *      durable  advances with each sync; frames up to it become visible
 *
 *      put          put         put(sync)     put
 *      |            |           | sync ......|...........done    the last put is appended at once but
 *      visible      visible                              both    returns with the synced one before it
 *
 * One thread at a time syncs (the leader); all who came meanwhile are served by the next sync together. A
 * failed sync is sticky: no retry, no further acknowledgement (kernels may have dropped what failed). */
#ifndef LK_ENGINE_COMMIT_H
#define LK_ENGINE_COMMIT_H

#include "engine/db.h"

/* After frames were appended up to db->lsn_appended: make visible what may be. write_mutex held. */
void lk_commit_publish(struct lk_db *db);

/* Return once everything up to `lsn` is durable. 0 or the failure of the sync. No lock held but work_mutex. */
LK_MUST_CHECK int lk_commit_through(struct lk_db *db, uint64_t lsn);

/* Bring the oldest `most` bytes that no sync has reached to the disk, so that the next one finds little left and nobody
 * waits for it long. Acknowledges nothing. 0; NOTFOUND: there is less, or somebody syncs; a failure, sticky as any. */
LK_MUST_CHECK int lk_commit_ahead(struct lk_db *db, uint64_t most);

/* Return once `lsn` is visible: at once unless a synced frame before it waits for its sync. */
LK_MUST_CHECK int lk_commit_visible(struct lk_db *db, uint64_t lsn);

/* The end of the newest frame: all that was acknowledged lies before it. */
uint64_t lk_commit_appended(struct lk_db *db);
/* The same, or 0 when the log holds no frame that no table has. */
uint64_t lk_commit_pending(struct lk_db *db);

/* The sticky failure as this thread's error; its status. 0 when there is none. */
LK_MUST_CHECK int lk_commit_failed(struct lk_db *db);

#endif
