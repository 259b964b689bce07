/* The garbage account: what engine/shadow.h counts against what lies there, and what the planner makes of it with a
 * whole engine. */
#include "house.h"
#include "store/table_cursor.h"

/* Does a run newer than `run` hold the key, or delete it? */
static int is_shadowed(uint32_t run, struct lk_slice key)
{
    uint64_t hash = lk_hash(house.db.seed, key.at, key.len);
    struct lk_buf bytes = {0};
    struct lk_record record;
    int shadowed = 0;

    for (uint32_t i = 0; i < run && !shadowed; i++) {
        struct lk_table *table = lk_run_table(house_version()->runs[i], key);
        if (!table)
            continue;
        shadowed = lk_table_find_copy(table, hash, key, &bytes, &record) == 0;
    }
    lk_buf_deinit(&bytes);
    return shadowed;
}

/* What is counted, and what is there, of run `index`. */
static uint64_t counted(uint32_t index)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < house_version()->runs[index]->count; i++)
        sum += atomic_load(&house_version()->runs[index]->tables[i]->shadowed);
    return sum;
}

static uint64_t there(uint32_t index)
{
    struct lk_run *run = house_version()->runs[index];
    struct lk_run_cursor cursor;
    uint64_t sum = 0;

    lk_run_cursor_init(&cursor, run->tables, run->count, 1);
    for (cursor.cursor.ops->seek(&cursor.cursor, NULL, 0); cursor.cursor.valid; cursor.cursor.ops->next(&cursor.cursor))
        sum += !(run->into && lk_compare(cursor.cursor.record.key, run->bound) < 0) &&
               is_shadowed(index, cursor.cursor.record.key);
    CHECK_EQ(cursor.cursor.status, 0);
    cursor.cursor.ops->deinit(&cursor.cursor);
    return sum;
}

/* One tag in a thousand lies: then a record is counted that is not there, and one that lies deeper is not. */
static void account_holds(void)
{
    for (uint32_t i = 0; i < house_version()->run_count; i++) {
        uint64_t got = counted(i), want = there(i);
        if (house_version()->runs[i]->into == 0 && !CHECK(got + 6 >= want && got <= want + 6))
            fprintf(stderr, "run %u of %u: %llu counted, %llu there\n", i, house_version()->run_count,
                    (unsigned long long)got, (unsigned long long)want);
    }
}

static void write_some(struct random *random, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t key = (uint32_t)random_below(random, HOUSE_KEYS);
        if (random_below(random, 5) == 0)
            house_delete(key);
        else
            house_put(key);
        if (random_below(random, 50) == 0)
            house_seal();
    }
    house_seal();
    CHECK_EQ(house_flush(), 0);
}

TEST(flushes_and_merges_keep_the_account)
{
    struct random random = {11};
    for (int life = 0; life < 3; life++) {
        house_new();
        for (int turn = 0; turn < 30; turn++) {
            uint32_t runs = house_version()->run_count;
            if (random_below(&random, 2) == 0 || runs < 2) {
                write_some(&random, 1 + (int)random_below(&random, 200));
            } else if (random_below(&random, 5) == 0) {
                house_reopen();
            } else {
                uint32_t first = (uint32_t)random_below(&random, runs);
                (void)house_merge(first, first + (uint32_t)random_below(&random, runs - first));
            }
            account_holds();
        }
        house_free();
    }
}

/* Keys that were never there shadow nothing; the same keys again shadow all, and only the newest below. */
TEST(each_record_is_counted_once)
{
    house_new();
    for (int run = 0; run < 4; run++) {
        for (uint32_t key = 0; key < 200; key++)
            house_put(key);
        house_seal();
        CHECK_EQ(house_flush(), 0);
    }
    CHECK_EQ(counted(0), 0);
    for (uint32_t run = 1; run < 4; run++)
        CHECK_EQ(counted(run), 200);
    for (uint32_t key = 200; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK(counted(1) <= 3);
    house_free();
}

/* A range delete counts whole tables exactly and the pages it covers of others. */
TEST(range_deletes_count_what_they_cover)
{
    house_new();
    house.db.options.table_bytes = 1 << 20;
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    house_delete_range(100, 300);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK(counted(1) > 180 && counted(1) <= 200);
    house_delete_range(0, HOUSE_KEYS);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(counted(2), HOUSE_KEYS);
    house_free();
}

/* Invariant 7: flushing never needs old runs, so what cannot be read is not counted, and no more. */
TEST(an_unreadable_table_is_not_counted_and_no_failure)
{
    house_new();
    house.db.options.table_bytes = 1 << 20;
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    house_reopen(); /* nothing of it has been looked at */
    char path[320];
    struct lk_table *table = house_version()->runs[0]->tables[0];
    snprintf(path, sizeof path, "%s/%s", house.path, table->name);
    FILE *file = fopen(path, "r+");
    CHECK_EQ(fseek(file, (long)table->footer.lines_at, SEEK_SET), 0);
    CHECK_EQ(fwrite("damage", 1, 6, file), 6);
    CHECK_EQ(fclose(file), 0);
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK_EQ(counted(1), 0);
    house_agrees();
    CHECK_EQ(house.unreadable, 0); /* all of it was written anew */
    house_free();
}

/* ---- the oldest runs leave ---------------------------------------------------------------------- */

TEST(dropped_runs_leave_with_their_data_and_files)
{
    house_new();
    for (uint32_t run = 0; run < 3; run++) {
        for (uint32_t key = run * 100; key < run * 100 + 150; key++)
            house_put(key);
        house_seal();
        CHECK_EQ(house_flush(), 0);
    }
    struct lk_job job = {.kind = LK_JOB_DROP, .first = 1, .last = 2, .why = "the test says so"};
    lk_mutex_lock(&house.db.work_mutex);
    CHECK_EQ(lk_drop_runs(&house.db, &job, &house.did), 0);
    lk_mutex_unlock(&house.db.work_mutex);
    CHECK_EQ(house.did.records_in, 300);
    CHECK_EQ(house_version()->run_count, 1);
    for (uint32_t key = 0; key < 200; key++)
        house.salt[key] = 0;
    house_agrees();
    house_is_sound();
    house_reopen();
    CHECK_EQ(house_version()->run_count, 1);
    house_agrees();
    house_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
