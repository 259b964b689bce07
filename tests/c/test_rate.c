/* How fast background work may write, and what goes before that. */
#include "slow_kit.h"

#include "engine/background.h"
#include "engine/rate.h"

static void open_limited(uint64_t rate)
{
    open_slow();
    engine()->options.background_bytes_per_second = rate;
}

static void pay_limited(uint64_t bytes, uint32_t times)
{
    lk_rate_lock_work_limited(engine());
    while (times-- > 0)
        lk_rate_pay(engine(), bytes);
    lk_rate_unlock_work(engine());
}

TEST(background_work_keeps_to_the_limit)
{
    open_limited(MIB);
    pay_limited(MIB / 4, 16); /* 4 s, less a burst */
    CHECK(slow.slept > 3900000000 && slow.slept <= 4000000000);
    CHECK_EQ(stats_now().limited_ns, slow.slept);
    slow.now += 3600000000000; /* an hour in which nothing was written buys no more than a burst */
    uint64_t before = slow.slept;
    pay_limited(MIB, 2);
    CHECK(slow.slept - before > 1900000000);
    store_free();
}

TEST(no_limit_and_no_wait_for_what_a_caller_runs)
{
    open_limited(0);
    pay_limited(MIB, 4);
    engine()->options.background_bytes_per_second = 1;
    lk_rate_lock_work(engine());
    lk_rate_pay(engine(), MIB);
    lk_rate_unlock_work(engine());
    put("a", "1");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(slow.slept, 0);
    store_free();
}

static void *flush(void *unused)
{
    (void)unused;
    CHECK_EQ(lsmkv_flush(store.db), 0);
    return NULL;
}

static void *pay_for_ever(void *unused)
{
    (void)unused;
    pay_limited(MIB, 1); /* at a byte a second */
    return NULL;
}

TEST(a_caller_who_waits_cuts_the_wait)
{
    pthread_t background, caller;
    open_limited(1);
    put("a", "1");
    slow.gate = 1;
    CHECK_EQ(pthread_create(&background, NULL, pay_for_ever, NULL), 0);
    while (atomic_load(&slow.at_gate) == 0)
        lk_thread_yield();
    CHECK_EQ(pthread_create(&caller, NULL, flush, NULL), 0);
    while (atomic_load(&engine()->hurry) == 0)
        lk_thread_yield();
    slow.gate = 0;
    CHECK_EQ(pthread_join(background, NULL), 0);
    CHECK_EQ(pthread_join(caller, NULL), 0);
    CHECK_EQ(atomic_load(&slow.at_gate), 1); /* the nap that was begun, and none after it */
    store_free();
}

TEST(closing_cuts_the_wait)
{
    open_limited(1);
    atomic_store(&engine()->closing, 1);
    pay_limited(MIB, 4);
    CHECK_EQ(slow.slept, 0);
    atomic_store(&engine()->closing, 0);
    store_free();
}

TEST(memory_goes_before_the_limit)
{
    static char value[MIB];
    uint32_t sealed = 0;
    open_limited(1);
    engine()->options.segment_bytes = engine()->segment_most = MIB;
    engine()->options.l0_segments = 2;
    for (uint32_t i = 0; i < 40 && sealed < 5; i++) {
        CHECK_EQ(lsmkv_put(store.db, number(i), 6, value, sizeof value, -1, NULL), 0);
        sealed = (uint32_t)stats_now().sealed_segments;
    }
    CHECK_EQ(sealed, 5);
    uint64_t before = slow.slept;
    pay_limited(MIB, 4);
    CHECK_EQ(slow.slept, before);
    store_free();
}

/* With a keeper and a compactor that may write a byte a second: everything ends all the same. */
TEST(a_store_with_a_tiny_limit_goes_on)
{
    static char value[2000];
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.l0_segments = 2;
    store.options.background_bytes_per_second = 1;
    store_open();
    for (uint32_t i = 0; i < 200; i++)
        CHECK_EQ(lsmkv_put(store.db, number(i), 6, value, sizeof value, -1, NULL), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    for (uint32_t i = 0; i < 60; i++)
        CHECK_EQ(lsmkv_put(store.db, number(i), 6, value, sizeof value, -1, NULL), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats_now().runs, 1);
    expect_count(200);
    store_free();
}

/* What a flush moves into value segments is paid for like the tables it writes, to the last table. */
TEST(moved_values_count)
{
    static char value[2000];
    enum { VALUES = 600 };
    open_limited(MIB);
    engine()->options.table_bytes = 4096;
    for (uint32_t i = 0; i < VALUES; i++)
        CHECK_EQ(lsmkv_put(store.db, number(i), 6, value, sizeof value, -1, NULL), 0);
    engine()->values.least = 1000;
    CHECK_EQ(lk_background_seal(engine()), 0);
    lk_rate_lock_work_limited(engine());
    CHECK_EQ(lk_background_flush_locked(engine()), 0);
    lk_rate_unlock_work(engine());
    struct lsmkv_stats now = stats_now();
    CHECK(now.tables > 3);
    CHECK_EQ(now.value_moved_bytes, VALUES * 2048);
    uint64_t owed = (uint64_t)((double)(now.value_moved_bytes + now.flush_bytes) * 1e9 / MIB);
    CHECK(slow.slept + 60000000 > owed && slow.slept < owed + 10000000); /* less a burst, and a nap more */
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
