/* stall: counting. See engine/stall.h. */
#include "engine/stall.h"

void lk_stall_count(struct lk_db *db, enum lk_stall_cause cause, uint64_t began_ns)
{
    struct lk_stalls *stalls = &db->counters.stalls[cause];
    uint64_t now = lk_stall_now(db), took = now > began_ns ? now - began_ns : 0;
    uint64_t longest = atomic_load_explicit(&stalls->longest_ns, memory_order_relaxed);

    atomic_fetch_add_explicit(&stalls->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&stalls->ns, took, memory_order_relaxed);
    while (took > longest && !atomic_compare_exchange_weak_explicit(&stalls->longest_ns, &longest, took,
                                                                    memory_order_relaxed, memory_order_relaxed))
        ;
}

void lk_stall_lock(struct lk_db *db)
{
    if (lk_mutex_try(&db->write_mutex))
        return;
    uint64_t began = lk_stall_now(db);
    lk_mutex_lock(&db->write_mutex);
    lk_stall_count(db, LK_STALL_lock, began);
}
