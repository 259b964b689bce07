/* What writers wait for is counted by its cause: how often, how long, and the longest. */
#include <pthread.h>

#include "gate_kit.h"
#include "store_kit.h"

static struct lsmkv_stats stats_now(void)
{
    struct lsmkv_stats stats;
    CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
    return stats;
}

static void *put_one(void *unused)
{
    (void)unused;
    CHECK_EQ(lsmkv_put(store.db, "a", 1, "1", 1, -1, NULL), 0);
    return NULL;
}

static void *put_one_synced(void *unused)
{
    (void)unused;
    CHECK_EQ(lsmkv_put(store.db, "b", 1, "2", 1, 1, NULL), 0);
    return NULL;
}

/* The real environment, with a clock that tells when it is asked for. */
static struct {
    struct lk_env_ops ops;
    struct lk_env env;
    _Atomic uint64_t asked;
} watched;

static uint64_t asked_for(struct lk_env *env)
{
    atomic_fetch_add(&watched.asked, 1);
    return lk_env_posix()->ops->monotonic_ns(env);
}

static struct lk_env *watched_env(void)
{
    watched.ops = *lk_env_posix()->ops;
    watched.ops.monotonic_ns = asked_for;
    watched.env.ops = &watched.ops;
    return &watched.env;
}

TEST(a_put_that_waits_for_nothing_counts_nothing_and_asks_for_no_time)
{
    store_new_real(LSMKV_SYNC_OS);
    store.env = watched_env();
    store.options.threads = 0;
    store_open();
    uint64_t asked = atomic_load(&watched.asked);
    put("a", "1");
    CHECK(atomic_load(&watched.asked) <= asked + 1); /* threads=0: is a sync due? */
    struct lsmkv_stats stats = stats_now();
    CHECK_EQ(stats.stalls, 0);
    CHECK_EQ(stats.stall_ns, 0);
    CHECK_EQ(stats.stall_sync, 0);
    store_free();
}

TEST(a_wait_for_the_writer_lock_is_counted)
{
    pthread_t writer;
    store_new_real(LSMKV_SYNC_OS);
    store.env = watched_env();
    store.options.threads = 0;
    store_open();
    lk_mutex_lock(&engine()->write_mutex);
    uint64_t asked = atomic_load(&watched.asked);
    CHECK_EQ(pthread_create(&writer, NULL, put_one, NULL), 0);
    while (atomic_load(&watched.asked) == asked) /* he asks for the time when he begins to wait */
        lk_thread_yield();
    lk_mutex_unlock(&engine()->write_mutex);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    struct lsmkv_stats stats = stats_now();
    CHECK_EQ(stats.stall_lock, 1);
    CHECK_EQ(stats.stalls, 1);
    CHECK(stats.stall_lock_ns > 0 && stats.stall_lock_ns == stats.stall_lock_longest_ns);
    CHECK_EQ(stats.stall_ns, stats.stall_lock_ns);
    store_free();
}

TEST(a_wait_for_a_sync_is_counted_by_itself)
{
    pthread_t writer;
    store_new_real(LSMKV_SYNC_OS);
    store.env = gate_env();
    store.options.threads = 0;
    store_open();
    gate_close();
    CHECK_EQ(pthread_create(&writer, NULL, put_one_synced, NULL), 0);
    gate_await(1);
    gate_open(0);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    struct lsmkv_stats stats = stats_now();
    CHECK_EQ(stats.stall_sync, 1);
    CHECK(stats.stall_sync_ns > 0);
    CHECK_EQ(stats.stalls, 0); /* it was asked for */
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
