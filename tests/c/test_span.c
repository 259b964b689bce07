/* A range of keys settled in one run: engine/span.h, in a hand-made engine. */
#include "engine/span.h"
#include "house.h"

enum { NUMBERS = 512 };

static struct lk_span span_of(uint32_t first, uint32_t stop, char from[32], char to[32])
{
    struct lk_span span = {.start = house_key(first, from), .open_end = stop == HOUSE_KEYS};
    if (!span.open_end)
        span.stop = house_key(stop, to);
    return span;
}

/* To the end. Steps, or a failure. */
static int settle(uint32_t first, uint32_t stop)
{
    char from[32], to[32];
    struct lk_span span = span_of(first, stop, from, to);
    for (int steps = 0; steps < 1000; steps++) {
        lk_mutex_lock(&house.db.work_mutex);
        uint32_t runs = house_version()->run_count;
        int rc = runs ? lk_span_step(&house.db, &span, 0, runs - 1, &house.did) : LSMKV_NOTFOUND;
        lk_mutex_unlock(&house.db.work_mutex);
        CHECK_EQ(lk_version_check(house_version()), 0);
        if (rc != 0)
            return rc == LSMKV_NOTFOUND ? steps : rc;
    }
    return -1;
}

/* Of the newer runs nothing is left in the range, and of the oldest no tombstone. */
static void is_settled(uint32_t first, uint32_t stop)
{
    char from[32], to[32];
    struct lk_span span = span_of(first, stop, from, to);
    const struct lk_version *version = house_version();
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++) {
            const struct lk_table *table = version->runs[i]->tables[j];
            if (lk_span_meets(&span, table))
                CHECK(i + 1 == version->run_count && table->meta.tombstones == 0);
        }
}

static uint32_t numbers(uint32_t to[NUMBERS], const struct lk_span *away_from)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < house_version()->run_count; i++)
        for (uint32_t j = 0; j < house_version()->runs[i]->count && CHECK(count < NUMBERS); j++) {
            const struct lk_table_meta *meta = &house_version()->runs[i]->tables[j]->meta;
            int meets = (meta->hi_open || lk_compare(meta->hi, away_from->start) > 0) &&
                        (away_from->open_end || lk_compare(meta->lo, away_from->stop) < 0);
            if (!meets)
                to[count++] = meta->number;
        }
    return count;
}

static int is_there(uint32_t number)
{
    for (uint32_t i = 0; i < house_version()->run_count; i++)
        for (uint32_t j = 0; j < house_version()->runs[i]->count; j++)
            if (house_version()->runs[i]->tables[j]->meta.number == number)
                return 1;
    return 0;
}

static void write_run(struct random *random, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t key = (uint32_t)random_below(random, HOUSE_KEYS), width = (uint32_t)random_below(random, 60);
        switch (random_below(random, 20)) {
        case 0:
            house_delete_range(key, key + width < HOUSE_KEYS ? key + width + 1 : HOUSE_KEYS);
            break;
        case 1:
        case 2:
        case 3:
            house_delete(key);
            break;
        case 4:
            house_put_until(key, 0, 5);
            break;
        default:
            house_put(key);
        }
    }
    house_seal();
    CHECK_EQ(house_flush(), 0);
}

TEST(only_tables_that_meet_the_range_are_written)
{
    struct random random = {5};
    for (int round = 0; round < 6; round++) {
        uint32_t before[NUMBERS], first = (uint32_t)random_below(&random, 300), stop = first + 60;
        char from[32], to[32];
        house_new();
        for (int run = 0; run < 4; run++) {
            for (uint32_t key = (uint32_t)run; key < HOUSE_KEYS; key += 1 + (uint32_t)run)
                house_put(key);
            house_seal();
            CHECK_EQ(house_flush(), 0);
        }
        struct lk_span span = span_of(first, stop, from, to);
        uint32_t count = numbers(before, &span);
        CHECK(count > 4);
        CHECK(settle(first, stop) > 0);
        for (uint32_t i = 0; i < count; i++)
            CHECK(is_there(before[i]));
        CHECK_EQ(house_version()->run_count, 4);
        is_settled(first, stop);
        house_agrees();
        house_is_sound();
        CHECK_EQ(settle(first, stop), 0);
        house_reopen();
        house_agrees();
        house_is_sound();
        house_free();
    }
}

/* A range that holds everything leaves one run. */
TEST(the_whole_key_space_is_a_range_too)
{
    struct random random = {6};
    house_new();
    for (int run = 0; run < 5; run++)
        write_run(&random, 150);
    CHECK(settle(0, HOUSE_KEYS) > 0);
    CHECK_EQ(house_version()->run_count, 1);
    is_settled(0, HOUSE_KEYS);
    house_agrees();
    house_is_sound();
    house_free();
}

TEST(what_was_deleted_in_the_range_is_gone_from_it)
{
    house_new();
    for (uint32_t key = 0; key < HOUSE_KEYS; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    house_delete_range(100, 200);
    for (uint32_t key = 250; key < 300; key++)
        house_delete(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK(settle(50, 320) > 0);
    CHECK_EQ(house_version()->run_count, 1);
    CHECK_EQ(house_version()->runs[0]->records, HOUSE_KEYS - 150);
    CHECK_EQ(house_version()->runs[0]->tombstones, 0);
    house_agrees();
    house_is_sound();
    house_free();
}

/* Ranges, whole merges, flushes and reopening, in any order. */
TEST(a_long_life)
{
    struct random random = {7};
    for (int life = 0; life < 5; life++) {
        house_new();
        for (int turn = 0; turn < 40; turn++) {
            uint32_t runs = house_version()->run_count, first = (uint32_t)random_below(&random, HOUSE_KEYS - 1);
            uint32_t stop = first + 1 + (uint32_t)random_below(&random, HOUSE_KEYS - first);
            switch (random_below(&random, 8)) {
            case 0:
            case 1:
            case 2:
                write_run(&random, 1 + (int)random_below(&random, 150));
                break;
            case 3:
                house_reopen();
                break;
            case 4:
                if (runs > 1)
                    CHECK(house_merge(0, (uint32_t)random_below(&random, runs)) > 0);
                break;
            default:
                CHECK(settle(first, stop > HOUSE_KEYS ? HOUSE_KEYS : stop) >= 0);
                is_settled(first, stop > HOUSE_KEYS ? HOUSE_KEYS : stop);
            }
            house_agrees();
            house_is_sound();
        }
        house_free();
    }
}

/* Whatever call of the environment fails on the way, nothing has changed, and no file is left over. */
TEST(a_failed_step_changes_nothing)
{
    for (int nth = 0, fired = 1; fired; nth++) {
        struct random random = {9};
        house_new();
        for (int run = 0; run < 3; run++)
            write_run(&random, 40);
        house.fail_after = nth;
        int rc = settle(100, 250);
        fired = house.fail_after < 0;
        house.fail_after = -1;
        CHECK(fired ? rc < 0 : rc > 0);
        house_agrees();
        if (!house.db.manifest.failed) { /* else nobody knows what it names, and the outputs stay */
            house_is_sound();
            CHECK(settle(100, 250) >= 0);
            house_is_sound();
        }
        house_agrees();
        house_free();
        if (!CHECK(nth < 300))
            break;
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
