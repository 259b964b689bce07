/* Values apart: what a sync may be said to hold, beside other syncs, after one that failed, and in the eyes of a reader
 * who opens meanwhile. */
#include <stdlib.h>

#include "engine/planner.h"

#include "check.h"
#include "engine/apart.h"
#include "engine/pace.h"
#include "store_kit.h"

enum { LARGE = 60000 };

static struct lk_env_ops hooked;
static const struct lk_env_ops *real_ops;
static lsmkv *writer; /* of the store that is opened once more */
static int armed;
static char bytes_of_value[100000];

/* A new store that keeps values of 1000 bytes and more apart. */
static void store_apart(int durability, uint64_t segment_bytes)
{
    store_new(durability);
    store.options.large_value_bytes = 1000;
    store.options.segment_bytes = segment_bytes;
    store_open();
    memset(bytes_of_value, 'v', sizeof bytes_of_value);
    armed = 0;
}

static struct lk_env_ops *hook(void)
{
    struct lk_env *env = sim_env(store.sim);
    real_ops = env->ops;
    hooked = *real_ops;
    env->ops = &hooked;
    return &hooked;
}

static void unhook(void)
{
    sim_env(store.sim)->ops = real_ops;
}

static void put_value(lsmkv *db, const char *key, size_t bytes, int sync)
{
    CHECK_EQ(lsmkv_put(db, key, strlen(key), bytes_of_value, bytes, sync, NULL), 0);
}

static void has_value(lsmkv *db, const char *key, size_t bytes)
{
    void *got = NULL;
    size_t size = 0;
    CHECK_EQ(lsmkv_get(db, NULL, key, strlen(key), &got, &size), 0);
    CHECK_EQ(size, bytes);
    lsmkv_free(got);
}

/* What the keeper, or another thread's synced write, may do right before a value's bytes are written. */
static int sync_first(struct lk_file *file, uint64_t offset, const void *from, size_t bytes)
{
    if (armed && bytes > 32768) {
        armed = 0;
        CHECK_EQ(lsmkv_sync(store.db), 0);
    }
    return real_ops->write(file, offset, from, bytes);
}

static void survives_power(const char *key, size_t bytes)
{
    CHECK_EQ(armed, 0);
    unhook();
    store_power(SIM_NOTHING, 0);
    if (CHECK_EQ(store_try_open(), 0))
        has_value(store.db, key, bytes);
    store_abandon();
    store_free();
}

TEST(a_synced_value_is_durable_whoever_else_syncs_while_it_is_written)
{
    store_apart(LSMKV_SYNC_OS, 32 << 20);
    put("a", "1");
    hook()->write = sync_first;
    armed = 1;
    put_value(store.db, "big", sizeof bytes_of_value, 1);
    survives_power("big", sizeof bytes_of_value);
}

TEST(a_flush_keeps_what_it_moves_whoever_else_syncs_meanwhile)
{
    store_apart(LSMKV_SYNC_OS, 1 << 20);
    put_value(store.db, "big", LARGE, 1); /* small enough to be synced in the log */
    hook()->write = sync_first;
    armed = 1;
    CHECK_EQ(lsmkv_flush(store.db), 0);
    survives_power("big", LARGE);
}

/* The kernel keeps what it could not write and calls it clean: no further sync of that file writes it. */
TEST(what_a_failed_sync_left_in_the_cache_is_written_anew)
{
    struct sim_fault fails = {.call = SIM_SYNC, .nth = 1, .err = EIO, .kernel = SIM_KEPT, .only = ".val"};
    store_apart(LSMKV_SYNC_OS, 32 << 20);
    put("a", "1");
    put_value(store.db, "big", 3000, 0);
    sim_fail(store.sim, &fails);
    CHECK(lsmkv_sync(store.db) < 0);
    sim_fail_none(store.sim);
    store_kill();
    store_open();
    put_synced("b", "2"); /* and so all before it */
    survives_power("big", 3000);
}

static int collect_first(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    if (armed && how == LK_OPEN_READ && strstr(name, ".val")) {
        armed = 0;
        put_value(writer, "k0", 30000, -1);
        put_value(writer, "k1", 30000, -1);
        CHECK_EQ(lsmkv_flush(writer), 0);
        CHECK_EQ(lsmkv_compact(writer, NULL, NULL, NULL, NULL), 0);
    }
    return real_ops->open(dir, name, how, mode, out);
}

TEST(a_reader_who_opens_beside_a_collecting_writer_sees_everything)
{
    lsmkv *reader = NULL;
    store_apart(LSMKV_SYNC_OS, 1 << 16);
    put_value(store.db, "k0", 5000, -1);
    put("s0", "small");
    put_value(store.db, "k1", 5000, -1);
    put("s1", "small");
    writer = store.db;
    hook()->open = collect_first;
    armed = 1;
    struct lsmkv_options options = store.options;
    options.flags |= LSMKV_OPEN_READONLY;
    engine()->id[0] ^= 1; /* as if the writer were another process */
    int rc = lk_open_in(store_env(), store.path, &options, &reader);
    engine()->id[0] ^= 1;
    unhook();
    CHECK_EQ(armed, 0);
    if (CHECK_EQ(rc, 0)) {
        has_value(reader, "k0", 30000);
        has_value(reader, "k1", 30000);
        has_value(reader, "s0", 5);
        has_value(reader, "s1", 5);
        CHECK_EQ(lsmkv_close(reader), 0);
        lsmkv_release(reader);
    }
    store_free();
}

static void queue_like(int durability)
{
    store_apart(durability, 1 << 16);
    for (int i = 0; i < 300; i++) {
        put_value(store.db, "job", 20000, -1);
        CHECK_EQ(lsmkv_delete(store.db, "job", 3, -1, NULL), 0);
    }
    CHECK(stats().value_files < 10);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats().value_files, 0);
    store_free();
}

/* Nobody syncs, so nothing but rotations and flushes lets go of what waits for a sync. */
TEST(values_that_came_and_went_leave_no_files)
{
    queue_like(LSMKV_SYNC_OS);
    queue_like(LSMKV_SYNC_NONE);
}

TEST(nobody_waits_for_a_collection_that_is_not_worth_it)
{
    struct lk_shape shape = {.segment_bytes = 32 << 20,
                             .l0_segments = 3,
                             .run_limit = 8,
                             .space_limit = 1.25,
                             .run_count = 1,
                             .value_live = 100ull << 20,
                             .value_garbage = 200ull << 20,
                             .value_excess = 200ull << 20,
                             .value_portion = 1 << 20};
    shape.runs[0] = (struct lk_shape_run){.id = 1, .bytes = 10ull << 30, .records = 100000000};
    CHECK_EQ(lk_plan(&shape).kind, LK_JOB_NONE);
    CHECK(lk_pace_space(&shape) <= 0);
}

TEST(a_walk_shows_what_stands_before_a_damaged_value)
{
    struct lsmkv_pair pairs[64];
    uint64_t bytes = 0;
    size_t count = 0, seen = 0;
    lsmkv_iter *iter = NULL;
    int rc;
    store_apart(LSMKV_SYNC_OS, 1 << 20);
    for (int i = 0; i < 10; i++)
        put_value(store.db, (char[]){'k', (char)('0' + i), 0}, 2000, -1);
    store_close();
    const unsigned char *at = sim_look(store.sim, store.path, "000003.val", &bytes);
    unsigned char *copy = at ? malloc(bytes) : NULL;
    if (!CHECK(copy != NULL))
        return;
    memcpy(copy, at, bytes);
    copy[64 + 2048 * 6 + 500] ^= 1; /* the seventh */
    sim_put(store.sim, store.path, "000003.val", copy, bytes);
    free(copy);
    store_open();
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    while ((rc = lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count)) == 0) {
        seen += count;
        lsmkv_iter_end(iter);
    }
    CHECK_EQ(rc, LSMKV_CORRUPT);
    CHECK_EQ(lsmkv_last_error()->recoverable, 1);
    CHECK_EQ(seen, 6);
    lsmkv_iter_free(iter);
    store_free();
}

static int told, reads_before_all_was_told;

static void count_told(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    told += bytes == lk_value_footprint(2000);
    real_ops->will_need(file, offset, bytes);
}

static int64_t count_early(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    reads_before_all_was_told += bytes == 2000 && told < 10;
    return real_ops->read(file, offset, to, bytes);
}

/* Values lie in the order in which they came, not in that of their keys: read one by one each would be waited for. */
TEST(a_walk_tells_the_system_of_all_values_of_a_chunk_before_it_reads_one)
{
    store_apart(LSMKV_SYNC_OS, 1 << 20);
    for (int i = 0; i < 10; i++)
        put_value(store.db, (char[]){'k', (char)('9' - i), 0}, 2000, -1);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    store_close();
    store_open();
    told = reads_before_all_was_told = 0;
    hook()->will_need = count_told;
    hooked.read = count_early;
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pairs[64];
    size_t count = 0;
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    CHECK_EQ(lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count), 0);
    CHECK_EQ(count, 10);
    lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    unhook();
    CHECK_EQ(told, 10);
    CHECK_EQ(reads_before_all_was_told, 0);
    store_free();
}

static struct lk_value_uses last_uses;

static int64_t let_go_first(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    if (armed) {
        armed = 0;
        lk_values_release_uses(&last_uses);
    }
    return real_ops->read(file, offset, to, bytes);
}

/* Whoever reads by a number alone, as a check of the log does, which believes what stands in the file. */
TEST(a_value_segment_stays_over_a_read_although_its_last_holder_lets_go)
{
    struct lk_reference made;
    struct lk_buf got = {0};
    uint8_t reference[LK_REFERENCE];
    store_apart(LSMKV_SYNC_OS, 1 << 20);
    struct lk_values *values = &engine()->values;
    CHECK_EQ(lk_values_write(values, LK_LANE_USER, lk_slice(bytes_of_value, LARGE), &last_uses, &made), 0);
    lk_reference_put(reference, &made);
    lk_values_end_lanes(values);
    CHECK_EQ(lk_values_sync(values), 0);
    hook()->read = let_go_first;
    armed = 1;
    CHECK_EQ(lk_values_read(values, lk_slice(reference, sizeof reference), &got), 0);
    unhook();
    CHECK_EQ(armed, 0);
    CHECK_EQ(got.len, LARGE);
    CHECK(lk_values_find(values, made.number) == NULL);
    lk_buf_deinit(&got);
    store_free();
}

/* Between its two files, while others fill the value segment and a flush looks at what is left of it. */
TEST(a_value_on_its_way_into_the_log_is_not_pinned)
{
    struct lk_apart apart;
    struct lk_record record = {.key = lk_slice("k", 1), .value = lk_slice(bytes_of_value, 5000), .flags = LK_PUT};
    store_apart(LSMKV_SYNC_OS, 1 << 20);
    put("a", "1");
    CHECK_EQ(lk_apart_record(engine(), &record, 0, &apart), 0);
    CHECK(apart.record.flags & LK_RECORD_APART);
    lk_values_end_lanes(&engine()->values);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(stats().value_files, 1);
    CHECK_EQ(stats().pinned_bytes, 0);
    lk_apart_end(&apart);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
