/* stall: what writers wait for, counted by its cause (LSMKV_STALL_TABLE in lsmkv.h).
 *
 * The clock is read only where somebody waits: a write that goes straight through pays nothing. Any thread, no lock. */
#ifndef LK_ENGINE_STALL_H
#define LK_ENGINE_STALL_H

#include "engine/db.h"

static inline uint64_t lk_stall_now(const struct lk_db *db)
{
    return db->env->ops->monotonic_ns(db->env);
}

/* Somebody waited from `began_ns` until now. */
void lk_stall_count(struct lk_db *db, enum lk_stall_cause cause, uint64_t began_ns);

/* Take write_mutex to write; a wait for it is counted. */
void lk_stall_lock(struct lk_db *db);

#endif
