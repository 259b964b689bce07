/* Leaps: queues, whose first keys are deleted again and again, and readers for whom a gap is none. */
#include <pthread.h>

#include "store_kit.h"

enum { MS = 1000000, QUEUE = 4000, ROW = 3 * LK_GAP_LEAST };

static _Atomic uint64_t now_ns;

static uint64_t clock_of(void *context)
{
    return atomic_load((_Atomic uint64_t *)context);
}

static void prepare(void)
{
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.segment_bytes = 1 << 16;
    atomic_store(&now_ns, 1000 * (uint64_t)MS);
    store.options.wall_ns = clock_of;
    store.options.wall_context = &now_ns;
}

static void begin(void)
{
    prepare();
    store_open();
}

/* The first key, or the last; "" when there is none. Valid until the next call. */
static const char *end_key_at(const lsmkv_snapshot *snapshot, int reverse)
{
    static _Thread_local char text[64];
    struct lsmkv_range range = {.reverse = reverse};
    struct lsmkv_pair pair;
    lsmkv_iter *iter = NULL;
    size_t count = 0;
    int rc = lsmkv_iter_new(store.db, snapshot, &range, &iter);
    text[0] = 0;
    if (rc == 0)
        rc = lsmkv_iter_begin(iter, 1, 1 << 20, &pair, &count);
    if (rc == 0) {
        snprintf(text, sizeof text, "%.*s", (int)pair.key.size, (const char *)pair.key.data);
        lsmkv_iter_end(iter);
    } else {
        CHECK_EQ(rc, LSMKV_NOTFOUND);
    }
    lsmkv_iter_free(iter);
    return text;
}

static const char *end_key(int reverse)
{
    return end_key_at(NULL, reverse);
}

static void erase_numbers(uint32_t from, uint32_t to)
{
    for (; from < to; from++)
        erase(number(from));
}

/* Keys 0 .. ROW - 1 are dead, and a walk has met them. */
static void begin_with_gap(void)
{
    begin();
    put_numbers(0, 2 * ROW, "v");
    erase_numbers(0, ROW);
    CHECK_STR(end_key(0), number(ROW));
    CHECK_EQ(engine()->gaps.count, 1);
    CHECK_EQ(stats().leaps, 0);
    CHECK_STR(end_key(0), number(ROW));
    CHECK_EQ(stats().leaps, 1);
}

static void take_all(int reverse)
{
    begin();
    put_numbers(0, QUEUE, "v");
    for (uint32_t i = 0; i < QUEUE; i++) {
        uint32_t n = reverse ? QUEUE - 1 - i : i;
        if (!CHECK_STR(end_key(reverse), number(n)))
            break;
        erase(number(n));
        if (i % 1000 == 999)
            CHECK_EQ(lsmkv_flush(store.db), 0); /* dead keys in tables are dead keys */
    }
    CHECK_STR(end_key(reverse), "");
    CHECK(stats().leaps >
          QUEUE - 8 * LK_GAP_LEAST); /* after each flush and merge the first walks have none to leap over */
    store_free();
}

TEST(who_takes_the_first_key_again_and_again_leaps_over_those_that_were_taken)
{
    take_all(0);
}

TEST(and_so_does_who_takes_the_last)
{
    take_all(1);
}

TEST(what_is_put_into_a_gap_is_seen_at_once)
{
    begin_with_gap();
    put(number(ROW / 2), "again");
    CHECK_STR(end_key(0), number(ROW / 2));
    expect_count(ROW + 1);
    lsmkv_batch *batch;
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    CHECK_EQ(lsmkv_batch_put(batch, number(ROW / 2 - 1), 6, "b", 1), 0);
    CHECK_EQ(lsmkv_batch_delete(batch, number(ROW / 2), 6), 0);
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), 0);
    lsmkv_batch_free(batch);
    CHECK_STR(end_key(0), number(ROW / 2 - 1));
    expect_count(ROW + 1);
    store_free();
}

TEST(an_older_snapshot_meets_what_died_after_it)
{
    lsmkv_snapshot *old = NULL;
    begin();
    put_numbers(0, 3 * ROW, "v");
    erase_numbers(0, ROW); /* so that its walk, too, comes to ask */
    CHECK_EQ(lsmkv_snapshot_new(store.db, &old), 0);
    erase_numbers(ROW, 2 * ROW);
    CHECK_STR(end_key(0), number(2 * ROW));
    CHECK_EQ(engine()->gaps.count, 1);
    CHECK_EQ(count_pairs(old, 0), 2 * ROW);
    CHECK_EQ(count_pairs(old, 1), 2 * ROW);
    CHECK_STR(end_key_at(old, 0), number(ROW));
    CHECK_EQ(stats().leaps, 0);
    lsmkv_snapshot_free(old);
    store_free();
}

/* One key of two is deleted, the other one expires: no row is of deleted keys alone. */
TEST(a_reader_whose_clock_is_behind_meets_what_has_expired_since)
{
    lsmkv_snapshot *old = NULL;
    begin();
    put_numbers(0, ROW, "v");
    erase_numbers(0, ROW);
    for (uint32_t i = ROW; i < 2 * ROW; i++)
        CHECK_EQ(lsmkv_put_until(store.db, number(i), 6, "v", 1, 1010 * (uint64_t)MS, -1, NULL), 0);
    put("x", "stays");
    CHECK_EQ(lsmkv_snapshot_new(store.db, &old), 0);
    atomic_store(&now_ns, 1020 * (uint64_t)MS);
    CHECK_STR(end_key(0), "x");
    CHECK_STR(end_key(0), "x");
    CHECK_EQ(stats().leaps, 1);
    CHECK_EQ(count_pairs(old, 0), ROW + 1);
    CHECK_STR(end_key_at(old, 0), number(ROW));
    lsmkv_snapshot_free(old);
    atomic_store(&now_ns, 1005 * (uint64_t)MS); /* a clock that is set back shows them, as it always did */
    CHECK_STR(end_key(0), number(ROW));
    store_free();
}

TEST(what_has_expired_in_a_gap_that_was_leapt_over_counts_for_what_is_told)
{
    begin();
    put_numbers(0, ROW, "v");
    erase_numbers(0, ROW);
    for (uint32_t i = ROW; i < 2 * ROW; i++)
        CHECK_EQ(lsmkv_put_until(store.db, number(i), 6, "v", 1, 1010 * (uint64_t)MS, -1, NULL), 0);
    put_numbers(2 * ROW, 3 * ROW, "v");
    put("x", "stays");
    atomic_store(&now_ns, 1020 * (uint64_t)MS);
    CHECK_STR(end_key(0), number(2 * ROW));
    put(number(2 * ROW - 1), "ends the gap");
    erase_numbers(2 * ROW - 1, 3 * ROW);
    CHECK_STR(end_key(0), "x"); /* leaps over what has expired, and walks over what is deleted */
    CHECK_EQ(stats().leaps, 1);
    CHECK_EQ(engine()->gaps.count, 1);
    atomic_store(&now_ns, 1005 * (uint64_t)MS);
    CHECK_STR(end_key(0), number(ROW));
    store_free();
}

static void steps(void)
{
    struct lsmkv_step did;
    int rc;
    while ((rc = lsmkv_step(store.db, &did)) == 0)
        ;
    CHECK_EQ(rc, LSMKV_NOTFOUND);
}

/* A key that the present has lost without a write, between many that are deleted; `old` has it yet. */
static void check_lost(const lsmkv_snapshot *old, const char *next, int64_t pairs)
{
    CHECK_STR(get("000500"), NULL);
    CHECK_STR(end_key(0), next);
    CHECK_STR(end_key(0), next);
    CHECK_EQ(stats().leaps, 1);
    CHECK_STR(end_key_at(old, 0), "000500");
    CHECK_EQ(count_pairs(old, 0), pairs);
    CHECK_EQ(count_pairs(old, 1), pairs);
    CHECK_EQ(stats().leaps, 1);
}

static void erase_around(uint32_t kept)
{
    erase_numbers(kept - ROW, kept);
    erase_numbers(kept + 1, kept + ROW);
}

TEST(an_older_version_meets_what_fifo_has_dropped_since)
{
    lsmkv_snapshot *old = NULL;
    prepare();
    store.options.merge_policy = LSMKV_MERGE_FIFO;
    store.options.fifo_age_ms = 10000;
    store_open();
    put("000500", "in the oldest run");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    atomic_store(&now_ns, 5000 * (uint64_t)MS);
    put("y", "in a younger one");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    erase_around(500);
    put("x", "stays");
    CHECK_EQ(lsmkv_snapshot_new(store.db, &old), 0);
    atomic_store(&now_ns, 12000 * (uint64_t)MS);
    steps();
    check_lost(old, "x", 3);
    lsmkv_snapshot_free(old);
    store_free();
}

TEST(an_older_version_meets_what_had_expired_when_it_was_merged_away)
{
    lsmkv_snapshot *old = NULL;
    begin();
    CHECK_EQ(lsmkv_pause(store.db), 0);
    for (int run = 0; run < 12; run++) {
        CHECK_EQ(lsmkv_put_until(store.db, "000500", 6, "e", 1, 2000 * (uint64_t)MS, -1, NULL), 0);
        put_numbers(1000, 1100, "v");
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    erase_around(500);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &old), 0);
    atomic_store(&now_ns, 3000 * (uint64_t)MS);
    CHECK_EQ(lsmkv_resume(store.db), 0);
    steps();
    check_lost(old, "001000", 101);
    lsmkv_snapshot_free(old);
    store_free();
}

/* The first walk ends on a living key with a leap, and goes on into the next row. */
TEST(a_row_ends_at_a_living_key_that_a_leap_has_reached)
{
    begin();
    put_numbers(0, 3 * ROW, "v");
    erase_numbers(0, ROW);
    CHECK_STR(end_key(0), number(ROW));
    erase_numbers(ROW + 1, 2 * ROW);
    expect_count(ROW + 1);
    CHECK_STR(end_key(0), number(ROW));
    expect_count(ROW + 1);
    CHECK(stats().leaps > 2);
    store_free();
}

TEST(a_transaction_meets_its_own_keys_in_a_gap)
{
    lsmkv_txn *txn = NULL;
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pair;
    size_t count = 0;
    begin_with_gap();
    CHECK_EQ(lsmkv_txn_new(store.db, &txn), 0);
    CHECK_EQ(lsmkv_txn_put(txn, store.db, number(ROW - 1), 6, "own", 3, LSMKV_EXPIRY_DEFAULT), 0);
    CHECK_EQ(lsmkv_iter_new(store.db, lsmkv_txn_snapshot(txn), NULL, &iter), 0);
    CHECK_EQ(lsmkv_iter_begin(iter, 1, 1 << 20, &pair, &count), 0);
    CHECK(count == 1 && pair.key.size == 6 && memcmp(pair.key.data, number(ROW - 1), 6) == 0);
    lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    lsmkv_txn_free(txn);
    store_free();
}

TEST(what_lies_before_and_behind_a_gap_is_not_leapt_over)
{
    begin_with_gap();
    put("", "before all");
    CHECK_STR(end_key(0), "");
    expect_count(ROW + 1);
    erase_numbers(ROW, 2 * ROW);
    put("000000a", "between two that were deleted");
    expect_count(2);
    erase("");
    CHECK_STR(end_key(0), "000000a");
    erase("000000a");
    expect_count(0);
    put("7", "behind all");
    expect_count(1);
    store_free();
}

/* ---- two threads ------------------------------------------------------------------------------- */

static void *produce(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < QUEUE; i++)
        CHECK_EQ(try_to_put(number(i), "v", -1), 0);
    return NULL;
}

TEST(nothing_is_lost_between_one_who_puts_and_one_who_takes)
{
    pthread_t producer;
    store_new_real(LSMKV_SYNC_OS);
    store.options.segment_bytes = 1 << 16;
    store.options.threads = 2;
    store_open();
    CHECK_EQ(pthread_create(&producer, NULL, produce, NULL), 0);
    for (uint32_t taken = 0; taken < QUEUE && check_failures == 0;) {
        const char *first = end_key(0);
        if (!*first)
            continue;
        CHECK_STR(first, number(taken));
        erase(number(taken++));
    }
    pthread_join(producer, NULL);
    CHECK_STR(end_key(0), "");
    CHECK(stats().leaps > 0);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
