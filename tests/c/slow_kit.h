/* slow_kit: a store in the real environment whose clock only sleeping moves, without keeper and compactor: nobody but the
 * test says what is owed, and how long was slept is known to the nanosecond.
 *
 *   open_slow();  ...  slow.slept, slow.longest      slow.gate = 1: sleepers stay until it is 0 (slow.at_gate: how many came) */
#ifndef LK_TESTS_SLOW_KIT_H
#define LK_TESTS_SLOW_KIT_H

#include <pthread.h>

#include "store_kit.h"

enum { MIB = 1 << 20 };

static inline struct lsmkv_stats stats_now(void)
{
    struct lsmkv_stats stats;
    CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
    return stats;
}

/* A clock that only sleeping moves, and what was slept. */
static struct {
    struct lk_env_ops ops;
    struct lk_env env;
    _Atomic uint64_t now, slept, longest;
    _Atomic int at_gate, gate; /* gate: sleepers stay until it is 0 */
} slow;

static inline uint64_t slow_now(struct lk_env *env)
{
    (void)env;
    return atomic_load(&slow.now);
}

static inline void slow_sleep(struct lk_env *env, uint64_t ns)
{
    (void)env;
    atomic_fetch_add(&slow.now, ns);
    atomic_fetch_add(&slow.slept, ns);
    if (ns > atomic_load(&slow.longest))
        atomic_store(&slow.longest, ns);
    atomic_fetch_add(&slow.at_gate, 1);
    while (atomic_load(&slow.gate))
        lk_thread_yield();
}

/* No keeper and no compactor: nobody but the test says what is owed. */
static inline int start_none(struct lk_env *env, const char *name, void (*run)(void *), void *arg,
                             struct lk_thread **out)
{
    (void)env, (void)name, (void)run, (void)arg;
    *out = NULL;
    return 0;
}

static inline void open_slow_of(int durability, uint64_t memory)
{
    memset(&slow, 0, sizeof slow);
    slow.now = 1000000000;
    slow.ops = *lk_env_posix()->ops;
    slow.ops.monotonic_ns = slow_now;
    slow.ops.sleep_ns = slow_sleep;
    slow.ops.thread_start = start_none;
    slow.env.ops = &slow.ops;
    store_new_real(durability);
    store.env = &slow.env;
    store.options.threads = 2;
    store.options.segment_bytes = 32 * MIB;
    store.options.table_bytes = 32 * MIB;
    if (memory)
        store.options.memory_bytes = memory;
    store_open();
}

static inline void open_slow_with(int durability)
{
    open_slow_of(durability, 0);
}

static inline void open_slow(void)
{
    open_slow_with(LSMKV_SYNC_OS);
}

#endif
