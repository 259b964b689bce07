/* Expiry by the calls of lsmkv.h, with a clock that the test holds. */
#include "check.h"
#include "store_kit.h"

enum { MS = 1000000 };

static _Atomic uint64_t now_ns;

static uint64_t held(void *context)
{
    return atomic_load((_Atomic uint64_t *)context);
}

static void hold_clock(void)
{
    atomic_store(&now_ns, 1000 * (uint64_t)MS);
    store.options.wall_ns = held;
    store.options.wall_context = &now_ns;
}

static void begin(uint64_t ttl_ms)
{
    store_new(LSMKV_SYNC_OS);
    store.options.run_count = 32;
    store.options.merge_policy = LSMKV_MERGE_NONE; /* nothing unasked */
    store.options.ttl_ms = ttl_ms;
    hold_clock();
    store_open();
}

static void advance_ms(uint64_t ms)
{
    atomic_fetch_add(&now_ns, ms * MS);
}

static void put_for(const char *key, const char *value, uint64_t ms)
{
    CHECK_EQ(
        lsmkv_put_until(store.db, key, strlen(key), value, strlen(value), atomic_load(&now_ns) + ms * MS, -1, NULL), 0);
}

/* The expiry a reader is told; 0: the key is absent. Both ways of reading must agree. */
static uint64_t expiry_of(const lsmkv_snapshot *snapshot, const char *key)
{
    struct lsmkv_answer answer;
    struct lsmkv_read read;
    int rc = lsmkv_get_answer(store.db, snapshot, key, strlen(key), &answer);
    int tried = lsmkv_read_begin(store.db, snapshot, key, strlen(key), &read);
    if (tried == 0) {
        CHECK_EQ(read.expiry_ns, answer.expiry_ns);
        CHECK_EQ(read.value.size, answer.value_bytes);
        lsmkv_read_end(&read);
    }
    if (tried != LSMKV_WOULDBLOCK) {
        CHECK_EQ(tried, rc);
        CHECK_EQ(read.seen, answer.seen);
    }
    CHECK(rc == 0 || (rc == LSMKV_NOTFOUND && !answer.value && !answer.expiry_ns));
    lsmkv_free(answer.value);
    return rc == 0 ? answer.expiry_ns : 0;
}

TEST(the_clock_is_the_callers)
{
    begin(0);
    CHECK_EQ(lsmkv_wall_ns(store.db), 1000 * MS);
    advance_ms(5);
    CHECK_EQ(lsmkv_wall_ns(store.db), 1005 * MS);
    struct lsmkv_options effective;
    lsmkv_get_options(store.db, &effective);
    CHECK(effective.wall_ns == held && effective.wall_context == &now_ns);
    CHECK_EQ(lsmkv_close(store.db), 0);
    CHECK(lsmkv_wall_ns(store.db) != 1005 * MS); /* it is not asked after the end of the engine */
    lsmkv_release(store.db);
    store.db = NULL;
    store_free();
}

TEST(scenario_13_a_put_lives_until_the_moment_it_names)
{
    begin(0);
    put("k", "older");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_for("k", "v", 10);
    put("stays", "1");
    CHECK_EQ(expiry_of(NULL, "k"), 1010 * MS);
    CHECK_EQ(expiry_of(NULL, "stays"), LSMKV_EXPIRY_NEVER);
    atomic_store(&now_ns, 1010 * (uint64_t)MS - 1);
    expect("k", "v");
    CHECK_EQ(lsmkv_exists(store.db, NULL, "k", 1), 0);
    expect_count(2);
    atomic_fetch_add(&now_ns, 1);
    expect("k", NULL); /* from the very nanosecond; and "older" does not come back */
    CHECK_EQ(lsmkv_exists(store.db, NULL, "k", 1), LSMKV_NOTFOUND);
    CHECK_EQ(lsmkv_remove(store.db, "k", 1, -1, NULL), LSMKV_NOTFOUND);
    CHECK_EQ(expiry_of(NULL, "k"), 0);
    expect_count(1);
    atomic_store(&now_ns, 1); /* clocks are set back: what has not been merged away lives again */
    expect("k", "v");
    store_free();
}

TEST(a_handle_has_a_time_to_live_and_a_put_may_say_otherwise)
{
    begin(50);
    put("default", "1");
    put_for("named", "1", 80);
    CHECK_EQ(lsmkv_put_until(store.db, "never", 5, "1", 1, LSMKV_EXPIRY_NEVER, -1, NULL), 0);
    CHECK_EQ(expiry_of(NULL, "default"), 1050 * MS);
    CHECK_EQ(expiry_of(NULL, "named"), 1080 * MS);
    CHECK_EQ(expiry_of(NULL, "never"), LSMKV_EXPIRY_NEVER);
    struct lsmkv_options effective;
    lsmkv_get_options(store.db, &effective);
    CHECK_EQ(effective.ttl_ms, 50);

    struct lsmkv_options other = store.options; /* the same engine, another handle, another time */
    lsmkv *second = NULL;
    other.ttl_ms = 0;
    CHECK_EQ(lk_open_in(store_env(), store.path, &other, &second), 0);
    CHECK_EQ(lsmkv_put(second, "for ever", 8, "1", 1, -1, NULL), 0);
    CHECK_EQ(expiry_of(NULL, "for ever"), LSMKV_EXPIRY_NEVER);
    CHECK_EQ(lsmkv_close(second), 0);
    lsmkv_release(second);
    advance_ms(50);
    expect("default", NULL);
    expect("named", "1");
    advance_ms(1000);
    expect("named", NULL);
    expect_count(2);
    store_free();
}

TEST(times_beyond_what_a_clock_can_show_are_for_ever)
{
    static const uint64_t forever[] = {UINT64_MAX, UINT64_MAX / MS, UINT64_MAX / MS + 1,
                                       (UINT64_MAX - 1000ull * MS) / MS + 1};
    for (size_t i = 0; i < sizeof forever / sizeof *forever; i++) {
        begin(forever[i]);
        put("k", "v");
        CHECK_EQ(expiry_of(NULL, "k"), LSMKV_EXPIRY_NEVER);
        store_free();
    }
    begin((UINT64_MAX - 1000ull * MS) / MS);
    put("k", "v");
    CHECK(expiry_of(NULL, "k") < LSMKV_EXPIRY_NEVER);
    store_free();
}

TEST(a_batch_has_the_time_of_the_handle_it_goes_through)
{
    begin(50);
    lsmkv_batch *batch = NULL;
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "a", 1, "1", 1), 0); /* through none */
    CHECK_EQ(lsmkv_batch_put_until(batch, "b", 1, "1", 1, 1070 * MS), 0);
    CHECK_EQ(lsmkv_batch_use(batch, store.db), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "c", 1, "1", 1), 0);
    CHECK_EQ(lsmkv_batch_put_until(batch, "d", 1, "1", 1, LSMKV_EXPIRY_NEVER), 0);
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), 0);
    CHECK_EQ(expiry_of(NULL, "a"), LSMKV_EXPIRY_NEVER);
    CHECK_EQ(expiry_of(NULL, "b"), 1070 * MS);
    CHECK_EQ(expiry_of(NULL, "c"), 1050 * MS);
    CHECK_EQ(expiry_of(NULL, "d"), LSMKV_EXPIRY_NEVER);
    lsmkv_batch_free(batch);
    store_free();
}

TEST(scenario_13_a_snapshot_keeps_its_time_and_iterators_theirs)
{
    begin(0);
    put_for("a", "1", 10);
    put_for("b", "2", 20);
    lsmkv_snapshot *snapshot = NULL;
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pairs[8];
    size_t count = 0;
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    advance_ms(15);
    expect_count(1);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(expiry_of(snapshot, "a"), 1010 * MS);
    CHECK_EQ(count_pairs(snapshot, 0), 2);
    CHECK_EQ(lsmkv_iter_begin(iter, 8, 1 << 20, pairs, &count), 0);
    CHECK_EQ(count, 2);
    lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    lsmkv_snapshot_free(snapshot);
    CHECK_EQ(stats().table_records, 1);
    store_free();
}

/* The clock that decides about reads decides about merges: not the system's. */
TEST(scenario_13_merges_go_by_the_same_clock)
{
    begin(0);
    put("k", "older");
    put("l", "older");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_for("k", "v", 10);
    put_for("l", "v", 1000);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(stats().table_tombstones, 0); /* not expired: written as they are */
    CHECK_EQ(expiry_of(NULL, "k"), 1010 * MS);
    put_for("m", "v", 10);
    advance_ms(10);
    CHECK_EQ(lsmkv_flush(store.db), 0); /* "m" is gone by now, and nothing older holds it */
    CHECK_EQ(stats().table_records, 4);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats().table_records, 1);
    atomic_store(&now_ns, 1); /* what was merged away does not come back, whatever the clock says */
    expect("k", NULL);
    expect("l", "v");
    CHECK_EQ(expiry_of(NULL, "l"), 2000 * MS);
    store_free();
}

TEST(scenario_13_expiry_survives_a_reopen_and_a_kill)
{
    begin(0);
    put_for("log", "1", 30);
    put_for("table", "1", 30);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_for("log", "2", 40);
    store_kill();
    store_open();
    CHECK_EQ(expiry_of(NULL, "log"), 1040 * MS);
    CHECK_EQ(expiry_of(NULL, "table"), 1030 * MS);
    advance_ms(30);
    store_close();
    store_open();
    expect("table", NULL);
    expect("log", "2");
    expect_count(1);
    advance_ms(10);
    expect("log", NULL);
    expect_count(0);
    store_free();
}

TEST(another_clock_for_an_open_engine_is_a_conflict)
{
    static _Atomic uint64_t other_ns;
    begin(0);
    struct lsmkv_options other = store.options;
    lsmkv *second = NULL;
    other.wall_context = &other_ns;
    CHECK_EQ(lk_open_in(store_env(), store.path, &other, &second), LSMKV_OPTIONS);
    CHECK(strstr(lsmkv_last_error()->text, "wall_ns") != NULL);
    other.wall_ns = NULL; /* not named: whatever the engine has */
    CHECK_EQ(lk_open_in(store_env(), store.path, &other, &second), 0);
    CHECK_EQ(lsmkv_wall_ns(second), 1000 * MS);
    lsmkv_release(second);
    store_free();
}

/* Without waiting, on a store with threads: the same rules. */
TEST(a_try_has_expiry_too)
{
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 1 << 20;
    store.options.ttl_ms = 50;
    hold_clock();
    store_open();
    int rc = LSMKV_WOULDBLOCK;
    while (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_try_put(store.db, "k", 1, "v", 1, -1, NULL);
    CHECK_EQ(rc, 0);
    for (rc = LSMKV_WOULDBLOCK; rc == LSMKV_WOULDBLOCK;)
        rc = lsmkv_try_put_until(store.db, "l", 1, "v", 1, 1020 * MS, -1, NULL);
    CHECK_EQ(rc, 0);
    CHECK_EQ(expiry_of(NULL, "k"), 1050 * MS);
    CHECK_EQ(expiry_of(NULL, "l"), 1020 * MS);
    advance_ms(20);
    expect("l", NULL);
    expect_count(1);
    store_free();
}

static unsigned asked;

static uint64_t counting(void *context)
{
    (void)context;
    asked++;
    return 1000 * MS;
}

/* The caller's clock ends with the engine: a write that is refused does not ask it. */
TEST(the_clock_is_not_asked_once_the_store_is_closed)
{
    lsmkv_txn *txn;
    store_new(LSMKV_SYNC_OS);
    store.options.wall_ns = counting;
    store.options.ttl_ms = 5;
    store_open();
    CHECK_EQ(lsmkv_txn_new(store.db, &txn), 0);
    CHECK_EQ(lsmkv_close(store.db), 0);
    asked = 0;
    CHECK_EQ(lsmkv_put(store.db, "a", 1, "b", 1, -1, NULL), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_try_put(store.db, "a", 1, "b", 1, -1, NULL), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_put_if(store.db, 1, "a", 1, "b", 1, LSMKV_EXPIRY_DEFAULT, -1, NULL), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_try_put_if(store.db, 1, "a", 1, "b", 1, LSMKV_EXPIRY_DEFAULT, -1, NULL), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_txn_put(txn, store.db, "a", 1, "b", 1, LSMKV_EXPIRY_DEFAULT), LSMKV_CLOSED);
    CHECK_EQ(asked, 0);
    lsmkv_txn_free(txn);
    store_abandon();
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
