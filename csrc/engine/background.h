/* background: jobs, and who runs them. A job is decided by the planner from the present shape and run under
 * work_mutex; callers of flush, compact and step run jobs in their own thread, the compactor in its own. */
#ifndef LK_ENGINE_BACKGROUND_H
#define LK_ENGINE_BACKGROUND_H

#include "engine/db.h"
#include "engine/planner.h"

/* Start the keeper and the compactor (options.threads > 0). */
LK_MUST_CHECK int lk_background_start(struct lk_db *db);
/* Stop them; returns within about 100 ms. */
void lk_background_stop(struct lk_db *db);

/* Run one ready job. 0, NOTFOUND: none, or a failure. No lock held. */
LK_MUST_CHECK int lk_background_step(struct lk_db *db, struct lsmkv_step *did);
/* What lk_background_step would run. */
struct lk_job lk_background_next(struct lk_db *db);

/* Seal the active segment if it holds anything and flush all of L0. No lock held. */
LK_MUST_CHECK int lk_background_flush(struct lk_db *db);
/* Make sure that recovered segments have been rewritten before anything is called durable. No lock held. */
LK_MUST_CHECK int lk_background_settle(struct lk_db *db);
/* Flush the sealed segments. work_mutex held. */
LK_MUST_CHECK int lk_background_flush_locked(struct lk_db *db);
/* After a compact(): a store that holds little keeps little log ready. 0, also when there is nothing to do, or a failure.
 * No lock held. */
LK_MUST_CHECK int lk_background_shrink(struct lk_db *db);
/* L0 is full: return when a flush made room. No lock held. */
LK_MUST_CHECK int lk_background_relieve(struct lk_db *db);
/* threads=0: run what became due. Called after a blocking write, no lock held. */
LK_MUST_CHECK int lk_background_inline(struct lk_db *db);

/* Sync when the interval is over (INTERVAL durability). 0, NOTFOUND: nothing was due, or a failure. No lock. */
LK_MUST_CHECK int lk_background_sync_due(struct lk_db *db);
/* Seal the active segment if it holds anything. No lock held. */
LK_MUST_CHECK int lk_background_seal(struct lk_db *db);

/* The keeper's loop; keeper.c. */
void lk_keeper_run(void *db);

/* The present shape for the planner; shape.c. */
void lk_background_shape(struct lk_db *db, struct lk_shape *shape);
/* A merge has ended: what readers pay for begins anew. */
void lk_shape_merged(struct lk_db *db);
/* What the sealed memtables of a version weigh. */
uint64_t lk_background_l0_bytes(const struct lk_db *db, const struct lk_version *version);

#endif
