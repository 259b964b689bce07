/* clock: the one wall clock that expiry goes by: the caller's (options.wall_ns), or the system's. Readers, snapshots,
 * scans, flushes and merges all ask here, so a test or a simulation can hold the time. Any thread. */
#ifndef LK_ENGINE_CLOCK_H
#define LK_ENGINE_CLOCK_H

#include "engine/db.h"

static inline uint64_t lk_wall_ns(const struct lk_db *db)
{
    return db->options.wall_ns ? db->options.wall_ns(db->options.wall_context) : db->env->ops->wall_ns(db->env);
}

/* Lengths of time and moments beyond what 64 bits hold are "for ever" (LSMKV_EXPIRY_NEVER). */
static inline uint64_t lk_ns_of_ms(uint64_t ms)
{
    return ms > UINT64_MAX / 1000000 ? UINT64_MAX : ms * 1000000;
}

static inline uint64_t lk_wall_after(const struct lk_db *db, uint64_t ns)
{
    uint64_t now = lk_wall_ns(db);
    return ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
}

#endif
