/* Values in files of their own: where they go, what keeps them, what a crash and damage do, and what collects them. */
#include "check.h"
#include "store_kit.h"

#include "engine/background.h"
#include "engine/collect.h"
#include "format/frame.h"

enum { LEAST = 64 };

static uint8_t big[1 << 16];

static struct lk_slice value_of(uint32_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        big[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
    return lk_slice(big, bytes);
}

static void values_new(int durability)
{
    store_new(durability);
    store.options.large_value_bytes = LEAST;
}

static int set(uint32_t key, uint32_t number, size_t bytes)
{
    char name[16];
    int length = snprintf(name, sizeof name, "key%04u", key);
    struct lk_slice value = value_of(number, bytes);
    return lsmkv_put(store.db, name, (size_t)length, value.at, value.len, -1, NULL);
}

static int holds(uint32_t key, uint32_t number, size_t bytes)
{
    char name[16];
    void *got = NULL;
    size_t size = 0;
    int length = snprintf(name, sizeof name, "key%04u", key);
    int rc = lsmkv_get(store.db, NULL, name, (size_t)length, &got, &size);
    int same = rc == 0 && size == bytes && memcmp(got, value_of(number, bytes).at, bytes) == 0;
    lsmkv_free(got);
    if (!same)
        fprintf(stderr, "  key %u: %d, %zu bytes: %s\n", key, rc, size, rc < 0 ? lsmkv_last_error()->text : "");
    return same;
}

struct found {
    uint32_t files, last;
};

static int note_values(void *arg, const char *name)
{
    struct found *found = arg;
    uint32_t number;
    if (lk_file_name_get(name, &number) == LK_FILE_VALUES) {
        found->files++;
        found->last = number > found->last ? number : found->last;
    }
    return 0;
}

static struct found value_files(void)
{
    struct found found = {0};
    struct lk_dir *dir;
    struct lk_env *env = store_env();
    if (CHECK_EQ(env->ops->dir_open(env, store.path, 0, &dir), 0)) {
        CHECK_EQ(env->ops->dir_list(dir, note_values, &found), 0);
        env->ops->dir_close(dir);
    }
    return found;
}

static void flush(void)
{
    CHECK_EQ(lsmkv_flush(store.db), 0);
}

static void compact(void)
{
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
}

/* Until nothing is to be done any more; a planner that never has enough fails. */
static void settle(void)
{
    struct lsmkv_step did = {0};
    int steps = 0;
    while (steps < 200 && lsmkv_step(store.db, &did) == 0)
        steps++;
    if (!CHECK(steps < 200))
        fprintf(stderr, "  %s: %s\n", did.what, did.why);
}

/* ---- the format ------------------------------------------------------------------------------- */

TEST(a_reference_is_read_as_it_was_written)
{
    struct lk_reference made = {.offset = 64 * 12345ull, .number = 13, .bytes = 4096, .sum = 0x01020304}, got = {0};
    uint8_t bytes[LK_REFERENCE];
    lk_reference_put(bytes, &made);
    CHECK_EQ(lk_reference_get(lk_slice(bytes, sizeof bytes), &got), 0);
    CHECK_EQ(got.offset, made.offset);
    CHECK_EQ(got.number, made.number);
    CHECK_EQ(got.bytes, made.bytes);
    CHECK_EQ(got.sum, made.sum);
    CHECK_EQ(lk_reference_get(lk_slice(bytes, sizeof bytes - 1), &got), -1);
}

TEST(a_reference_that_cannot_be_is_none)
{
    static const struct lk_reference wrong[] = {{.offset = 64, .number = 0, .bytes = 1},
                                                {.offset = 64, .number = 1, .bytes = 0},
                                                {.offset = 64, .number = 1, .bytes = (1u << 30) + 1},
                                                {.offset = 0, .number = 1, .bytes = 1},
                                                {.offset = 65, .number = 1, .bytes = 1},
                                                {.offset = UINT64_MAX - 63, .number = 1, .bytes = 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t bytes[LK_REFERENCE];
        struct lk_reference got;
        lk_reference_put(bytes, &wrong[i]);
        CHECK_EQ(lk_reference_get(lk_slice(bytes, sizeof bytes), &got), -1);
    }
}

TEST(a_record_with_a_reference_is_a_put)
{
    struct lk_reference made = {.offset = 64, .number = 13, .bytes = 4096};
    uint8_t reference[LK_REFERENCE], bytes[64];
    lk_reference_put(reference, &made);
    struct lk_record record = {.flags = LK_PUT | LK_RECORD_APART,
                               .key = lk_text("cat"),
                               .value = lk_slice(reference, sizeof reference)},
                     got;
    uint8_t *end = lk_record_put(bytes, &record);
    CHECK(lk_record_get(bytes, end, &got) == end && (got.flags & LK_RECORD_APART));
    bytes[0] = LK_DELETE | LK_RECORD_APART;
    CHECK(lk_record_get(bytes, end, &got) == NULL);
    bytes[0] = LK_PUT | LK_RECORD_APART;
    end[-20] = 0; /* the number */
    CHECK(lk_record_get(bytes, end, &got) == NULL);
}

/* ---- writing and reading ------------------------------------------------------------------------ */

static void round_trip(void)
{
    store_open();
    for (uint32_t i = 0; i < 40; i++)
        CHECK_EQ(set(i, i, 10 + i * 37), 0);
    for (uint32_t i = 0; i < 40; i++)
        CHECK(holds(i, i, 10 + i * 37));
    flush();
    for (uint32_t i = 0; i < 40; i++)
        CHECK(holds(i, i, 10 + i * 37));
    CHECK_EQ(lsmkv_verify(store.db, NULL, NULL, NULL), 0);
    store_close();
    store_open();
    for (uint32_t i = 0; i < 40; i++)
        CHECK(holds(i, i, 10 + i * 37));
    CHECK(value_files().files > 0);
    store_free();
}

TEST(large_values_are_read_back_mapped)
{
    values_new(LSMKV_SYNC_OS);
    store.options.table_source = LSMKV_SOURCE_MAPPED;
    round_trip();
}

TEST(large_values_are_read_back_by_calls)
{
    values_new(LSMKV_SYNC_OS);
    store.options.table_source = LSMKV_SOURCE_READ;
    round_trip();
}

TEST(large_values_survive_without_a_log)
{
    values_new(LSMKV_SYNC_NONE);
    round_trip();
}

TEST(synced_values_are_logged_whole_and_leave_the_log_with_a_flush)
{
    values_new(LSMKV_SYNC_ALWAYS);
    store_open();
    for (uint32_t i = 0; i < 10; i++)
        CHECK_EQ(set(i, i, 500), 0);
    CHECK_EQ(value_files().files, 0);
    flush();
    CHECK(value_files().files > 0);
    for (uint32_t i = 0; i < 10; i++)
        CHECK(holds(i, i, 500));
    store_free();
}

TEST(a_value_larger_than_a_segment_gets_one_of_its_own)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 50000), 0);
    CHECK_EQ(set(2, 2, 100), 0);
    CHECK(holds(1, 1, 50000));
    CHECK(holds(2, 2, 100));
    CHECK_EQ(value_files().files, 2);
    store_kill();
    store_open();
    CHECK(holds(1, 1, 50000));
    CHECK(holds(2, 2, 100));
    store_free();
}

TEST(a_value_is_written_once_whatever_merges_do)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < 60; i++)
        CHECK_EQ(set(i, i, 1000), 0);
    uint64_t written = atomic_load(&engine()->values.written);
    flush();
    compact();
    for (uint32_t i = 60; i < 70; i++)
        CHECK_EQ(set(i, i, 1000), 0);
    compact();
    CHECK_EQ(atomic_load(&engine()->values.written), written + 10 * lk_value_footprint(1000));
    CHECK_EQ(atomic_load(&engine()->values.moved), 0);
    CHECK(atomic_load(&engine()->counters.merge_bytes) < 60 * 1000);
    store_free();
}

TEST(scans_bring_values_and_keys_alone_do_not_read_them)
{
    struct lsmkv_range keys = {.keys_only = 1};
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter;
    size_t count = 0, seen = 0;
    values_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < 30; i++)
        CHECK_EQ(set(i, i, 200), 0);
    flush();
    store_close();
    store_open();
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    while (lsmkv_iter_begin(iter, 64, 1000, pairs, &count) == 0) {
        for (size_t i = 0; i < count; i++, seen++)
            CHECK(pairs[i].value.size == 200 &&
                  memcmp(pairs[i].value.data, value_of((uint32_t)seen, 200).at, 200) == 0);
        lsmkv_iter_end(iter);
    }
    CHECK_EQ(seen, 30);
    lsmkv_iter_free(iter);
    seen = 0;
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, &keys, &iter), 0);
    while (lsmkv_iter_begin(iter, 64, 1000, pairs, &count) == 0) {
        for (size_t i = 0; i < count; i++, seen++)
            CHECK(pairs[i].value.size == 0 && pairs[i].key.size == 7);
        lsmkv_iter_end(iter);
    }
    CHECK_EQ(seen, 30);
    lsmkv_iter_free(iter);
    store_free();
}

TEST(batches_and_transactions_write_values_apart)
{
    lsmkv_batch *batch;
    lsmkv_txn *txn;
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "key0001", 7, value_of(1, 900).at, 900), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "key0002", 7, value_of(2, 9).at, 9), 0);
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), 0);
    lsmkv_batch_free(batch);
    CHECK_EQ(lsmkv_txn_new(store.db, &txn), 0);
    CHECK_EQ(lsmkv_txn_put(txn, store.db, "key0003", 7, value_of(3, 700).at, 700, LSMKV_EXPIRY_NEVER), 0);
    CHECK_EQ(lsmkv_txn_commit(txn, -1, NULL), 0);
    lsmkv_txn_free(txn);
    CHECK_EQ(atomic_load(&engine()->values.written), lk_value_footprint(900) + lk_value_footprint(700));
    store_kill();
    store_open();
    CHECK(holds(1, 1, 900));
    CHECK(holds(2, 2, 9));
    CHECK(holds(3, 3, 700));
    store_free();
}

/* ---- what keeps a file -------------------------------------------------------------------------- */

TEST(overwritten_values_are_collected)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t round = 0; round < 60; round++)
        for (uint32_t i = 0; i < 20; i++)
            CHECK_EQ(set((i * 7 + round) % 40, round, 400), 0);
    compact();
    settle();
    struct lk_value_facts facts;
    lk_collect_facts(engine(), atomic_load(&engine()->version), &facts);
    CHECK_EQ(facts.live, 40 * lk_value_footprint(400));
    CHECK(facts.bytes <= facts.live + facts.live / 8 + 3 * 4096);
    CHECK(atomic_load(&engine()->values.moved) > 0);
    CHECK_EQ(lsmkv_verify(store.db, NULL, NULL, NULL), 0);
    uint32_t files = value_files().files;
    CHECK_EQ(files, facts.files);
    store_close();
    CHECK(value_files().files <= files);
    store_open();
    CHECK_EQ(lsmkv_verify(store.db, NULL, NULL, NULL), 0);
    store_free();
}

TEST(deleted_values_take_their_files_along)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < 40; i++)
        CHECK_EQ(set(i, i, 1000), 0);
    flush();
    CHECK(value_files().files > 5);
    CHECK_EQ(lsmkv_delete_range(store.db, &(struct lsmkv_slice){"key", 3}, NULL, -1, NULL), 0);
    compact();
    CHECK(value_files().files <= 1); /* the one that is being written */
    store_close();
    CHECK_EQ(value_files().files, 0);
    store_free();
}

static void overwrite_everything(void)
{
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 20; i++)
            CHECK_EQ(set(i, 100 + round, 900), 0);
        compact();
    }
    settle();
}

TEST(a_snapshot_keeps_the_values_it_sees)
{
    lsmkv_snapshot *snapshot;
    void *got;
    size_t size;
    values_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < 20; i++)
        CHECK_EQ(set(i, i, 900), 0);
    flush();
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    overwrite_everything();
    uint32_t before = value_files().files;
    CHECK_EQ(lsmkv_get(store.db, snapshot, "key0007", 7, &got, &size), 0);
    CHECK(size == 900 && memcmp(got, value_of(7, 900).at, 900) == 0);
    lsmkv_free(got);
    lsmkv_snapshot_free(snapshot);
    CHECK(value_files().files < before);
    store_free();
}

TEST(a_lent_value_stays_through_collection_and_close)
{
    struct lsmkv_slice lent;
    lsmkv_view *view;
    values_new(LSMKV_SYNC_OS);
    store.options.table_source = LSMKV_SOURCE_MAPPED;
    store_open();
    for (uint32_t i = 0; i < 20; i++)
        CHECK_EQ(set(i, i, 900), 0);
    flush();
    store_close();
    store_open(); /* so that it has to be verified first */
    CHECK_EQ(lsmkv_view_begin(store.db, NULL, "key0007", 7, &lent, &view), 0);
    overwrite_everything();
    CHECK(lent.size == 900 && memcmp(lent.data, value_of(7, 900).at, 900) == 0);
    CHECK_EQ(lsmkv_close(store.db), 0);
    CHECK(lent.size == 900 && memcmp(lent.data, value_of(7, 900).at, 900) == 0);
    lsmkv_view_end(view);
    store_free();
}

/* ---- damage ------------------------------------------------------------------------------------- */

static void damage_values(uint32_t number, uint64_t offset)
{
    struct lk_env *env = store_env();
    struct lk_dir *dir;
    struct lk_file *file;
    char name[LK_FILE_NAME];
    uint8_t byte;
    lk_file_name(name, LK_FILE_VALUES, number);
    CHECK_EQ(env->ops->dir_open(env, store.path, 0, &dir), 0);
    CHECK_EQ(env->ops->open(dir, name, LK_OPEN_WRITE, 0, &file), 0);
    CHECK_EQ(env->ops->read(file, offset, &byte, 1), 1);
    byte ^= 4;
    CHECK_EQ(env->ops->write(file, offset, &byte, 1), 0);
    CHECK_EQ(env->ops->close(file), 0);
    env->ops->dir_close(dir);
}

static int status_of(uint32_t key)
{
    char name[16];
    void *got = NULL;
    size_t size;
    int length = snprintf(name, sizeof name, "key%04u", key);
    int rc = lsmkv_get(store.db, NULL, name, (size_t)length, &got, &size);
    lsmkv_free(got);
    return rc;
}

TEST(a_damaged_value_is_an_error_for_its_key_alone)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < 3; i++)
        CHECK_EQ(set(i, i, 900), 0);
    flush();
    store_close();
    uint32_t number = value_files().last;
    uint64_t second = LK_FILE_HEAD + lk_value_footprint(900);
    damage_values(number, second + LK_VALUE_HEAD + 5);
    store_open();
    CHECK(holds(0, 0, 900));
    CHECK_EQ(status_of(1), LSMKV_CORRUPT);
    char name[LK_FILE_NAME];
    lk_file_name(name, LK_FILE_VALUES, number);
    CHECK_STR(lsmkv_last_error()->file, name);
    CHECK_EQ(lsmkv_last_error()->offset, second);
    CHECK(holds(2, 2, 900));
    CHECK_EQ(lsmkv_verify(store.db, NULL, NULL, NULL), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, name);
    for (uint32_t round = 0; round < 30; round++) /* and it stays one, whatever is collected around it */
        CHECK_EQ(set(2, round, 900), 0);
    compact();
    settle();
    CHECK_EQ(status_of(1), LSMKV_CORRUPT);
    CHECK(holds(0, 0, 900));
    CHECK(holds(2, 29, 900));
    store_free();
}

TEST(a_missing_value_segment_is_told_at_open)
{
    struct lk_env *env;
    struct lk_dir *dir;
    char name[LK_FILE_NAME];
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 900), 0);
    flush();
    store_close();
    env = store_env();
    lk_file_name(name, LK_FILE_VALUES, value_files().last);
    CHECK_EQ(env->ops->dir_open(env, store.path, 0, &dir), 0);
    CHECK_EQ(env->ops->remove(dir, name), 0);
    env->ops->dir_close(dir);
    CHECK_EQ(lk_open_in(env, store.path, &store.options, &store.db), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, name);
    store.db = NULL;
    store_free();
}

/* Scenario 3, of values: the log was on the disk, and so its values were. */
TEST(scenario_3_a_value_that_was_durable_and_is_not_there_is_corruption)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 900), 0);
    CHECK_EQ(lsmkv_sync(store.db), 0);
    CHECK_EQ(set(2, 2, 9), 0); /* the next frame says that the sync was done */
    CHECK_EQ(set(3, 3, 900), 0);
    store_kill();
    damage_values(value_files().last, LK_FILE_HEAD + LK_VALUE_HEAD + 5);
    CHECK_EQ(lk_open_in(store_env(), store.path, &store.options, &store.db), LSMKV_CORRUPT);
    CHECK_EQ(lsmkv_last_error()->offset, LK_FILE_HEAD);
    store.db = NULL;
    store_free();
}

TEST(a_value_that_was_not_durable_ends_the_log)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 900), 0);
    CHECK_EQ(lsmkv_sync(store.db), 0);
    CHECK_EQ(set(2, 2, 900), 0);
    CHECK_EQ(set(3, 3, 9), 0);
    store_kill();
    damage_values(value_files().last, LK_FILE_HEAD + lk_value_footprint(900) + LK_VALUE_HEAD + 5);
    store_open();
    CHECK(holds(1, 1, 900));
    CHECK_EQ(status_of(2), LSMKV_NOTFOUND);
    CHECK_EQ(status_of(3), LSMKV_NOTFOUND);
    store_free();
}

TEST(files_that_nothing_refers_to_go_at_open)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 900), 0);
    CHECK_EQ(set(1, 2, 5000), 0); /* a file of its own */
    store_kill();
    store_open();
    uint32_t files = value_files().files;
    CHECK_EQ(lsmkv_delete(store.db, "key0001", 7, -1, NULL), 0);
    compact();
    store_close();
    CHECK(files > 0 && value_files().files == 0);
    store_free();
}

/* ---- without space ------------------------------------------------------------------------------ */

TEST(a_value_that_does_not_fit_the_disk_is_not_written)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 900), 0);
    struct sim_fault full = {.call = SIM_WRITE, .nth = 1, .err = ENOSPC, .part = 100, .only = ".val"};
    sim_fail(store.sim, &full);
    CHECK_EQ(set(1, 2, 901), LSMKV_FULL);
    sim_fail_none(store.sim);
    CHECK(holds(1, 1, 900));
    CHECK_EQ(set(2, 3, 700), 0);
    CHECK(holds(2, 3, 700));
    store_kill();
    store_open();
    CHECK(holds(1, 1, 900));
    CHECK(holds(2, 3, 700));
    store_free();
}

TEST(a_failed_sync_of_values_is_sticky)
{
    values_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(set(1, 1, 900), 0);
    struct sim_fault fails = {.call = SIM_SYNC, .nth = 1, .err = EIO, .only = ".val"};
    sim_fail(store.sim, &fails);
    CHECK(lsmkv_sync(store.db) < 0);
    sim_fail_none(store.sim);
    CHECK_EQ(lsmkv_sync(store.db), LSMKV_FAILED);
    CHECK_EQ(set(2, 2, 900), LSMKV_FAILED);
    CHECK(holds(1, 1, 900));
    CHECK_EQ(lsmkv_close(store.db), LSMKV_FAILED);
    store_abandon();
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
