/* Flush and merge, told with a hand-made engine: tests/c/house.h. */
#include "house.h"

static const uint64_t an_hour = 3600000000000u;

static uint64_t now(void)
{
    return house.db.env->ops->wall_ns(house.db.env);
}

static uint64_t in_runs(uint64_t (*of)(const struct lk_table *))
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < house_version()->run_count; i++)
        for (uint32_t j = 0; j < house_version()->runs[i]->count; j++)
            sum += of(house_version()->runs[i]->tables[j]);
    return sum;
}
static uint64_t records(const struct lk_table *table)
{
    return table->meta.records;
}
static uint64_t tombstones(const struct lk_table *table)
{
    return table->meta.tombstones;
}
static uint64_t range_deletes(const struct lk_table *table)
{
    return table->meta.range_deletes;
}

static uint64_t live(void)
{
    uint64_t count = 0;
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        count += house.salt[key] != 0;
    return count;
}

/* A run of its own: `count` random writes, sealed in several segments, flushed. */
static void write_run(struct random *random, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t key = (uint32_t)random_below(random, HOUSE_KEYS), width = (uint32_t)random_below(random, 60);
        switch (random_below(random, 20)) {
        case 0:
            house_delete_range(key, key + width < HOUSE_KEYS ? key + width + 1 : HOUSE_KEYS);
            break;
        case 1:
            house_put_until(key, 0, random_below(random, 2) ? 5 : now() + an_hour);
            break;
        case 2:
        case 3:
        case 4:
            house_delete(key);
            break;
        default:
            house_put(key);
        }
        if (random_below(random, 50) == 0)
            house_seal();
    }
    house_seal();
    CHECK_EQ(house_flush(), 0);
}

/* ---- flush -------------------------------------------------------------------------------------- */

TEST(nothing_to_flush)
{
    house_new();
    CHECK_EQ(house_flush(), LSMKV_NOTFOUND);
    house_put(1);
    CHECK_EQ(house_flush(), LSMKV_NOTFOUND); /* not sealed */
    house_free();
}

TEST(all_sealed_segments_become_one_run)
{
    house_new();
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t key = round; key < HOUSE_KEYS; key += 3 - round)
            house_put(key);
        house_seal();
    }
    house_put(3); /* stays in the active one */
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(house_version()->memtable_count, 1);
    CHECK_EQ(house_version()->run_count, 1);
    CHECK(house_version()->runs[0]->count > 2);
    CHECK_EQ(in_runs(records), HOUSE_KEYS);
    CHECK_EQ(house.did.records_out, HOUSE_KEYS);
    CHECK(house.did.records_in > HOUSE_KEYS && house.did.bytes_out > 0 && house.did.bytes_in > 0);
    CHECK_STR(house.did.what, "flush step");
    const struct lk_run *run = house_version()->runs[0];
    CHECK_EQ(run->tables[0]->meta.lsn_min, lk_lsn(2, LK_FILE_HEAD)); /* number 1 is the manifest */
    CHECK_EQ(lk_lsn_number(run->tables[0]->meta.lsn_max), 4);
    house_agrees();
    house_is_sound();
    house_free();
}

TEST(a_flush_of_nothing_that_survives_makes_no_table)
{
    house_new();
    house_put(1);
    house_delete(1);
    house_put_until(2, 0, 5);
    house_delete_range(10, HOUSE_KEYS);
    house_seal();
    CHECK_EQ(house_flush(), 0); /* into the bottom: neither tombstones nor range deletes are needed */
    CHECK_EQ(house_version()->run_count, 0);
    CHECK_EQ(house_version()->memtable_count, 1);
    house_seal();
    CHECK_EQ(house_flush(), 0); /* an empty segment */
    house_is_sound();
    house_free();
}

TEST(a_range_delete_alone_is_kept)
{
    house_new();
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    house_delete_range(100, HOUSE_KEYS);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(house_version()->run_count, 2);
    CHECK_EQ(house_version()->runs[0]->tables[0]->meta.records, 0);
    house_agrees();
    house_is_sound();
    house_reopen();
    house_agrees();
    CHECK(house_merge(0, 1) > 0);
    CHECK_EQ(in_runs(records), 100);
    CHECK_EQ(in_runs(range_deletes), 0);
    house_agrees();
    house_is_sound();
    house_free();
}

/* ---- merge -------------------------------------------------------------------------------------- */

TEST(everything_into_one_run)
{
    struct random random = {1};
    house_new();
    for (int run = 0; run < 5; run++)
        write_run(&random, 300);
    house_agrees();
    uint32_t before = house_version()->run_count;
    CHECK(before > 3);
    CHECK(house_merge(0, before - 1) > 2);
    CHECK_EQ(house_version()->run_count, 1);
    CHECK_EQ(in_runs(tombstones) + in_runs(range_deletes), 0);
    CHECK_EQ(in_runs(records), live());
    house_agrees();
    house_is_sound();
    house_free();
}

TEST(what_hides_older_records_stays_above_the_bottom)
{
    house_new();
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    house_delete(7);
    house_put_until(8, 0, 5);
    house_delete_range(20, 30);
    house_delete_range(390, HOUSE_KEYS); /* no point key comes after it */
    house_seal();
    CHECK_EQ(house_flush(), 0);
    house_put(9);
    house_delete(395);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK(house_merge(0, 1) > 0);
    CHECK_EQ(house_version()->run_count, 2);
    CHECK(in_runs(tombstones) >= 2);
    CHECK_EQ(in_runs(range_deletes), 2);
    house_agrees();
    house_is_sound();
    CHECK(house_merge(0, 1) > 0);
    CHECK_EQ(in_runs(tombstones) + in_runs(range_deletes), 0);
    house_agrees();
    house_free();
}

TEST(a_merge_of_which_nothing_is_left)
{
    house_new();
    for (int run = 0; run < 2; run++) {
        for (uint32_t key = 0; key < HOUSE_KEYS; key++)
            run ? house_delete(key) : house_put(key);
        house_seal();
        CHECK_EQ(house_flush(), 0);
    }
    CHECK_EQ(house_merge(0, 1), 1);
    CHECK_EQ(house_version()->run_count, 0);
    CHECK_EQ(house_step(0, 0), LSMKV_NOTFOUND);
    house_agrees();
    house_is_sound();
    house_free();
}

/* Records that expire between two steps: the output is closed by a table without records. */
TEST(the_rest_expires_in_mid_merge)
{
    house_new();
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put_until(key, 0, key < 10 ? now() + an_hour : now() + 300000000);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(house_step(0, 0), 0);
    house_is_sound();
    house.db.env->ops->sleep_ns(house.db.env, 350000000);
    for (uint32_t key = 10; key < HOUSE_KEYS; key++)
        house.salt[key] = 0;
    CHECK_EQ(house_step(0, 0), 0);
    CHECK_EQ(house_version()->run_count, 1);
    CHECK_EQ(house_version()->runs[0]->count, 2);
    CHECK_EQ(house_version()->runs[0]->tables[1]->meta.records, 0);
    house_agrees();
    house_is_sound();
    house_free();
}

/* Any group, any number of steps, new runs above it meanwhile, reopening whenever. */
TEST(a_long_life)
{
    struct random random = {2};
    for (int life = 0; life < 6; life++) {
        house_new();
        for (int turn = 0; turn < 60; turn++) {
            uint32_t runs = house_version()->run_count;
            if (random_below(&random, 3) == 0 || runs == 0)
                write_run(&random, 1 + (int)random_below(&random, 200));
            else if (random_below(&random, 6) == 0)
                house_reopen();
            else {
                uint32_t first = (uint32_t)random_below(&random, runs);
                uint32_t last = first + (uint32_t)random_below(&random, runs - first);
                for (uint64_t steps = 1 + random_below(&random, 12); steps; steps--)
                    if (house_step(first, last < house_version()->run_count ? last : house_version()->run_count - 1))
                        break;
            }
            house_is_sound();
            house_agrees();
        }
        house_free();
    }
}

TEST(the_planner_keeps_house)
{
    struct random random = {3};
    uint32_t most = 0;
    house_new();
    for (int turn = 0; turn < 60; turn++) {
        write_run(&random, 100);
        for (int steps = 0; steps < 200; steps++) {
            const struct lk_version *version = house_version();
            struct lk_shape shape = {
                .segment_bytes = HOUSE_SEGMENT, .l0_segments = 3, .run_limit = 4, .run_count = version->run_count};
            for (uint32_t i = 0; i < version->run_count; i++)
                shape.runs[i] = (struct lk_shape_run){.id = version->runs[i]->id,
                                                      .into = version->runs[i]->into,
                                                      .bytes = lk_run_bytes(version->runs[i])};
            struct lk_job job = lk_plan(&shape);
            if (job.kind == LK_JOB_NONE)
                break;
            CHECK_EQ(house_step(job.first, job.last), 0);
        }
        most = house_version()->run_count > most ? house_version()->run_count : most;
    }
    CHECK(most > 4 && most <= 4 * 4); /* nobody reads */
    house_agrees();
    house_is_sound();
    house_free();
}

TEST(large_values_are_carried_in_pieces)
{
    house_new();
    house.db.options.table_bytes = 1 << 20;
    for (int run = 0; run < 3; run++) {
        for (uint32_t key = (uint32_t)run; key < HOUSE_KEYS; key += 13)
            house_put_until(key, key % 5 == 0, 0);
        house_seal();
        CHECK_EQ(house_flush(), 0);
    }
    CHECK(house_merge(0, 2) > 1);
    house_agrees();
    house_is_sound();
    house_free();
}

/* ---- what goes wrong ---------------------------------------------------------------------------- */

/* Whatever call of the environment fails: nothing has changed, and the next try succeeds. */
static void fail_at_every_call(int (*work)(void))
{
    for (int call = 0; call < 2000; call++) {
        const struct lk_version *before = house_version();
        house.fail_after = call;
        int rc = work();
        int failed = house.fail_after < 0;
        house.fail_after = -1;
        if (!failed) {
            CHECK_EQ(rc, 0);
            CHECK(call > 3);
            return;
        }
        if (rc < 0)
            CHECK(house_version() == before);
        if (house.db.manifest.failed || rc == 0)
            return; /* the edit may be durable: the store is only read until it is opened again */
        house_is_sound();
        house_agrees();
    }
}

static int flush_work(void)
{
    return house_flush();
}
static int merge_work(void)
{
    return house_step(0, house_version()->run_count - 1);
}

TEST(a_flush_that_fails_leaves_nothing_behind)
{
    struct random random = {4};
    house_new();
    write_run(&random, 200);
    for (int i = 0; i < 200; i++)
        house_put((uint32_t)random_below(&random, HOUSE_KEYS));
    house_seal();
    fail_at_every_call(flush_work);
    house_agrees();
    house_free();
}

TEST(a_merge_that_fails_leaves_nothing_behind)
{
    struct random random = {5};
    house_new();
    for (int run = 0; run < 3; run++)
        write_run(&random, 200);
    fail_at_every_call(merge_work);
    house_agrees();
    house_free();
}

/* Keys that the dict knows nothing of: many, for what happens only every few thousand records. */
static void put_crowd(uint32_t count)
{
    char name[32];
    for (uint32_t i = 0; i < count; i++) {
        struct lk_record record = {.flags = LK_PUT};
        record.key = lk_slice(name, (size_t)snprintf(name, sizeof name, "x%07u", i));
        house_append(&record);
        if (i % 1000 == 999)
            house_seal();
    }
    house_seal();
}

TEST(closing_cancels)
{
    house_new();
    house.db.options.table_bytes = 1 << 20;
    put_crowd(6000);
    const struct lk_version *before = house_version();
    atomic_store(&house.db.closing, 1);
    CHECK_EQ(house_flush(), LSMKV_CANCELLED);
    CHECK(house_version() == before);
    house_is_sound();
    atomic_store(&house.db.closing, 0);
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(in_runs(records), 6000);
    atomic_store(&house.db.closing, 1);
    CHECK_EQ(house_step(0, 0), LSMKV_CANCELLED);
    house_is_sound();
    house_free();
}

/* What a range delete hides is leapt over, not read. */
TEST(a_large_hole_is_leapt_over)
{
    house_new();
    put_crowd(12000);
    CHECK_EQ(house_flush(), 0);
    house_put(1);
    house_append(&(struct lk_record){
        .flags = LK_RANGE_DELETE, .key = lk_slice("x0000010", 8), .value = lk_slice("x0011990", 8)});
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(house_step(0, 1), 0);
    CHECK_EQ(house_version()->run_count, 1);
    CHECK_EQ(in_runs(records), 21);
    CHECK(house.did.records_in < 6000);
    house_is_sound();
    house_free();
}

/* Turn one byte of a table's file. */
static void damage(const struct lk_table *table, uint64_t offset)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", house.path, table->name);
    FILE *file = fopen(path, "r+");
    if (!CHECK(file != NULL))
        return;
    fseek(file, (long)offset, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, (long)offset, SEEK_SET);
    fputc(byte ^ 0x40, file);
    fclose(file);
}

static uint32_t damaged_runs(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < house_version()->run_count; i++)
        for (uint32_t j = 0; j < house_version()->runs[i]->count; j++)
            count += house_version()->runs[i]->tables[j]->damaged != 0;
    return count;
}

/* Scenario 23. The merge ends before the damage, the group is left alone, everything else goes on. */
TEST(s23_a_merge_stops_before_damage)
{
    for (int where = 0; where < 8; where++) {
        house_new();
        house.db.options.table_bytes = 64 << 10; /* several granules */
        house.db.options.page_bytes = 512;
        for (int run = 0; run < 3; run++) {
            for (int round = 0; round < 2; round++)
                for (uint32_t key = (uint32_t)run; key < HOUSE_KEYS; key += 1 + (uint32_t)run)
                    house_put(key);
            house_seal();
            CHECK_EQ(house_flush(), 0);
        }
        house.db.options.table_bytes = 4 << 10;
        const struct lk_run *victim = house_version()->runs[(unsigned)where % 3];
        const struct lk_table *table = victim->tables[victim->count / 2];
        uint64_t pages = table->footer.pages_end - LK_TABLE_HEAD;
        damage(table, LK_TABLE_HEAD + pages * (unsigned)where / 8);

        int steps = 0;
        while (steps < 100 && house_step(0, 2) == 0)
            steps++;
        CHECK(steps < 100 && steps > 0);
        CHECK_EQ(damaged_runs(), 1);
        CHECK_EQ(house_step(0, 2), LSMKV_NOTFOUND);
        house_is_sound();
        house_agrees();
        CHECK(house.unreadable < 250);
        CHECK(house.db.event_count == 1);

        house_put(1); /* L0 and new runs go on */
        house_seal();
        CHECK_EQ(house_flush(), 0);
        house_agrees();
        int unreadable = house.unreadable;

        house_reopen(); /* the mark is gone: one more try, which installs nothing */
        for (steps = 0; steps < 100 && house_step(1, 3) == 0; steps++)
            CHECK_EQ(house.did.records_out, 0);
        CHECK_EQ(steps, 1);
        CHECK_EQ(damaged_runs(), 1);
        house_agrees();
        CHECK_EQ(house.unreadable, unreadable);
        house_free();
    }
}

/* Five values that are copied piece by piece; damage in each of them, at its beginning and further in. */
TEST(s23_damage_in_a_large_value)
{
    for (uint32_t where = 0; where < 10; where++) {
        house_new();
        house.db.options.table_bytes = 64 << 20; /* one table */
        for (uint32_t key = 0; key < 40; key++)
            house_put_until(key, key >= 20 && key < 25, 0);
        house_seal();
        CHECK_EQ(house_flush(), 0);
        damage(house_version()->runs[0]->tables[0], 4096 + 50000 * where);
        house_put(30);
        house_seal();
        CHECK_EQ(house_flush(), 0);
        int steps = 0;
        while (steps < 10 && house_step(0, 1) == 0)
            steps++;
        CHECK_EQ(steps, 1);
        CHECK_EQ(house_version()->run_count, 3);
        uint64_t moved = house_version()->runs[2]->tables[0]->meta.records;
        CHECK(moved + 2 >= 20 + where / 2 && moved <= 20 + where / 2);
        CHECK_EQ(damaged_runs(), 1);
        house_agrees();
        CHECK(house.unreadable == 1 || house.unreadable == 2); /* a granule may hold the end of one and the next */
        house_is_sound();
        house_free();
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
