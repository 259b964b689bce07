/* Slices (engine/slice.h): found where no table is cut, merged one at a time, with the garbage where it is thickest first. */
#include "engine/background.h"
#include "engine/slice.h"
#include "store_kit.h"

enum { KEYS = 12000, VALUE = 1000 };

static char values[2][VALUE + 1]; /* what is loaded, and what overwrites it */
static uint8_t model[KEYS]; /* which of them each key has; 2: none */

static const struct lk_version *version(void)
{
    return atomic_load(&engine()->version);
}

static void begin(double space)
{
    for (int i = 0; i < 2; i++)
        memset(values[i], 'a' + i, VALUE);
    memset(model, 0, sizeof model);
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 16 << 20, .no_history = 1});
    store.options.l0_segments = 2;
    store.options.run_count = 8;
    store.options.segment_bytes = 1 << 20;
    store.options.table_bytes = 1 << 20;
    store.options.page_bytes = 2048;
    store.options.space_limit = space;
    store_open();
    put_numbers(0, KEYS, values[0]);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(version()->run_count, 1);
    CHECK(version()->runs[0]->count >= 10);
}

static void overwrite(struct random *random, uint32_t count, uint32_t from, uint32_t keys)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = from + (uint32_t)random_below(random, keys);
        put(number(key), values[1]);
        model[key] = 1;
    }
}

/* Every step that is ready; how many were slices. */
static uint32_t settle(void)
{
    struct lsmkv_step did;
    uint32_t slices = 0;
    CHECK_EQ(lsmkv_flush(store.db), 0);
    for (uint32_t steps = 0; lsmkv_step(store.db, &did) == 0 && CHECK(steps < 10000); steps++)
        slices += strcmp(did.what, "slice step") == 0;
    CHECK_EQ(lsmkv_pending(store.db), 0);
    return slices;
}

static void agree(void)
{
    uint32_t there = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        const char *got = get(number(key));
        there += model[key] < 2;
        if (!CHECK(model[key] == 2 ? !got : got && got[0] == values[model[key]][0]))
            return;
    }
    CHECK_EQ(count_pairs(NULL, 0), there);
    CHECK_EQ(lk_version_check(version()), 0);
}

/* Nobody keeps a run of nothing, nor two tables of nothing side by side. */
static void nothing_is_left_over(void)
{
    for (uint32_t i = 0; i < version()->run_count; i++) {
        const struct lk_run *run = version()->runs[i];
        CHECK(run->records > 0 || run->ranges.count > 0);
        for (uint32_t j = 1; j < run->count; j++)
            CHECK(run->tables[j - 1]->meta.records || run->tables[j - 1]->ranges.count ||
                  run->tables[j]->meta.records || run->tables[j]->ranges.count);
    }
}

static struct lk_shape shape(void)
{
    struct lk_shape found;
    lk_background_shape(engine(), 1, &found);
    return found;
}

/* ---- how much is written ------------------------------------------------------------------------ */

/* Merging everything whenever a quarter is garbage writes four bytes for each that is overwritten. */
TEST(even_overwriting_costs_half_of_what_whole_merges_do)
{
    struct random random = {1};
    uint32_t slices = 0;
    begin(1.25);
    uint64_t live = stats().table_bytes;
    for (int round = 0; round < 36; round++) { /* until it is steady */
        overwrite(&random, KEYS / 12, 0, KEYS);
        slices += settle();
        CHECK((double)stats().table_bytes < 1.35 * (double)live);
    }
    uint64_t merged = stats().merge_bytes, flushed = stats().flush_bytes;
    for (int round = 0; round < 36; round++) {
        overwrite(&random, KEYS / 12, 0, KEYS);
        slices += settle();
        CHECK((double)stats().table_bytes < 1.35 * (double)live);
        nothing_is_left_over();
    }
    double times = (double)(stats().merge_bytes - merged) / (double)(stats().flush_bytes - flushed);
    printf("%u slices; each byte that overwrites is merged %.2f times\n", slices, times);
    CHECK(slices > 50);
    CHECK(times < 2.6);
    agree();
    store_free();
}

/* A tenth of the keys is overwritten again and again: what lies elsewhere stays as it is. */
TEST(what_nobody_writes_to_is_not_written_again)
{
    struct random random = {2};
    uint32_t same = 0;
    begin(1.25);
    uint32_t last = version()->runs[0]->tables[version()->runs[0]->count - 1]->meta.number;
    uint64_t merged = stats().merge_bytes, flushed = stats().flush_bytes;
    for (int round = 0; round < 20; round++) {
        overwrite(&random, KEYS / 4, 0, KEYS / 10);
        settle();
    }
    const struct lk_run *bottom = version()->runs[version()->run_count - 1];
    for (uint32_t i = 0; i < bottom->count; i++)
        same += bottom->tables[i]->meta.number <= last;
    CHECK(same >= 8);
    CHECK(stats().merge_bytes - merged < stats().flush_bytes - flushed);
    agree();
    store_free();
}

/* ---- where they are ----------------------------------------------------------------------------- */

/* Nothing of the table lies on both sides of the key. */
static int on_one_side(const struct lk_table_meta *meta, struct lk_slice key)
{
    return lk_compare(meta->key_max, key) < 0 || lk_compare(meta->key_min, key) >= 0;
}

TEST(a_slice_ends_where_no_table_is_cut)
{
    struct random random = {3};
    begin(4);
    overwrite(&random, KEYS / 4, 0, KEYS);
    settle();
    const struct lk_version *now = version();
    const struct lk_run *bottom = now->runs[now->run_count - 1];
    struct lk_shape found = shape();
    CHECK(now->run_count >= 2 && found.slices >= 6);
    for (uint32_t i = 0; i + 1 < now->run_count; i++)
        for (uint32_t j = 0; j < now->runs[i]->count; j++) {
            CHECK(on_one_side(&now->runs[i]->tables[j]->meta, bottom->tables[found.slice_from]->meta.lo));
            if (found.slice_to < bottom->count)
                CHECK(on_one_side(&now->runs[i]->tables[j]->meta, bottom->tables[found.slice_to]->meta.lo));
        }
    store_free();
}

/* A range delete that reaches across ends no slice. */
TEST(a_range_delete_joins_slices)
{
    begin(4);
    put(number(KEYS / 2), values[0]);
    settle();
    uint32_t before = shape().slices;
    struct lsmkv_slice start = {number(KEYS / 4), 6}, stop = {number(KEYS * 3 / 4), 6};
    CHECK_EQ(lsmkv_delete_range(store.db, &start, &stop, -1, NULL), 0);
    settle();
    CHECK_EQ(version()->run_count, 3);
    CHECK(shape().slices < before);
    for (uint32_t key = KEYS / 4; key < KEYS * 3 / 4; key++)
        model[key] = 2;
    agree();
    store_free();
}

/* ---- what else may happen ----------------------------------------------------------------------- */

TEST(deleted_and_overwritten_at_random_between_reopens)
{
    struct random random = {4};
    uint32_t slices = 0;
    begin(1.2);
    for (int round = 0; round < 30; round++) {
        overwrite(&random, KEYS / 4, (uint32_t)random_below(&random, KEYS / 4), KEYS * 3 / 4);
        for (int i = 0; i < 200; i++) {
            uint32_t key = (uint32_t)random_below(&random, KEYS);
            erase(number(key));
            model[key] = 2;
        }
        uint32_t from = (uint32_t)random_below(&random, KEYS - 40);
        struct lsmkv_slice start = {number(from), 6}, stop = {number(from + 40), 6};
        CHECK_EQ(lsmkv_delete_range(store.db, &start, &stop, -1, NULL), 0);
        memset(model + from, 2, 40);
        slices += settle();
        nothing_is_left_over();
        if (round % 10 == 9) {
            store_close();
            store_open();
        }
    }
    CHECK(slices > 5);
    agree();
    store_free();
}

/* A snapshot of before sees what was, whatever slices have been merged since. */
TEST(a_snapshot_keeps_what_it_saw)
{
    struct random random = {5};
    lsmkv_snapshot *before = NULL;
    begin(1.25);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &before), 0);
    for (int round = 0; round < 6; round++) {
        overwrite(&random, KEYS / 4, 0, KEYS);
        settle();
    }
    for (uint32_t key = 0; key < KEYS; key += 7) {
        const char *got = get_at(before, number(key));
        CHECK(got && got[0] == values[0][0]);
    }
    lsmkv_snapshot_free(before);
    agree();
    store_free();
}

/* Counts of garbage that are not so are forgotten: otherwise the same slice would be asked for for ever. */
TEST(garbage_that_is_not_there)
{
    begin(1.25);
    put(number(0), values[0]);
    settle(); /* a newer run, which has nothing in most slices */
    CHECK_EQ(version()->run_count, 2);
    const struct lk_run *bottom = version()->runs[1];
    for (uint32_t i = 0; i < bottom->count; i++)
        atomic_store(&bottom->tables[i]->shadowed, bottom->tables[i]->meta.records / 2);
    CHECK(lsmkv_pending(store.db) > 0);
    struct lsmkv_step did;
    for (int i = 0; i < 100; i++)
        CHECK(lsmkv_step(store.db, &did) >= 0);
    CHECK_EQ(lsmkv_pending(store.db), 0);
    agree();
    store_free();
}

static void damage(const char *name)
{
    struct lk_dir *dir = store_dir();
    struct lk_file *file = NULL;
    CHECK_EQ(store_env()->ops->open(dir, name, LK_OPEN_WRITE, 0, &file), 0);
    CHECK_EQ(store_env()->ops->write(file, 5000, "?", 1), 0);
    CHECK_EQ(store_env()->ops->sync(file), 0);
    CHECK_EQ(store_env()->ops->close(file), 0);
    store_env()->ops->dir_close(dir);
}

/* A damaged table of the bottom: its slice fails once, its run is left alone, and the store comes to rest. */
TEST(damage_in_a_slice_ends_it_and_nothing_else)
{
    struct random random = {6};
    uint32_t lost = 0;
    begin(1.25);
    char name[32];
    strcpy(name, version()->runs[0]->tables[3]->name);
    store_close();
    damage(name);
    store_open();
    for (int round = 0; round < 8; round++) {
        overwrite(&random, KEYS / 8, 0, KEYS);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        struct lsmkv_step did;
        uint32_t steps = 0;
        for (int rc = 0; rc != LSMKV_NOTFOUND && CHECK(steps < 1000); steps++) {
            rc = lsmkv_step(store.db, &did);
            CHECK(rc == 0 || rc == LSMKV_NOTFOUND || rc == LSMKV_CORRUPT);
        }
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        const char *got = get(number(key));
        int corrupt = got && strcmp(got, "CORRUPT") == 0;
        lost += (uint32_t)corrupt;
        if (!CHECK(corrupt ? model[key] == 0 : got && got[0] == values[model[key]][0]))
            break;
    }
    CHECK(lost < 20);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
