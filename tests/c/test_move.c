/* Tables that a merge takes over without writing them: engine/move.h's picture, told in a hand-made engine. */
#include "house.h"

enum { NUMBERS = 256 };

/* Keys first..stop-1, flushed as a run of their own. */
static void run_of(uint32_t first, uint32_t stop)
{
    for (uint32_t key = first; key < stop; key++)
        house_put(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
}

/* The file numbers of all tables, sorted by nothing; how many. */
static uint32_t numbers(uint32_t to[NUMBERS])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < house_version()->run_count; i++)
        for (uint32_t j = 0; j < house_version()->runs[i]->count && CHECK(count < NUMBERS); j++)
            to[count++] = house_version()->runs[i]->tables[j]->meta.number;
    return count;
}

static uint32_t kept(const uint32_t *before, uint32_t count)
{
    uint32_t now[NUMBERS], now_count = numbers(now), same = 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < now_count; j++)
            same += before[i] == now[j];
    return same;
}

static uint64_t merged_bytes(void)
{
    return atomic_load(&house.db.counters.merge_bytes);
}

/* A small last table may be written together with its neighbours; here none is. */
static void all_moves(void)
{
    uint32_t before[NUMBERS], count = numbers(before);
    CHECK(count > 6);
    CHECK(house_merge(0, house_version()->run_count - 1) > 0);
    CHECK_EQ(house_version()->run_count, 1);
    CHECK_EQ(kept(before, count), count);
    CHECK_EQ(merged_bytes(), 0);
    house_agrees();
    house_is_sound();
    house_reopen();
    CHECK_EQ(kept(before, count), count);
    house_agrees();
    house_is_sound();
}

TEST(an_ascending_load_is_merged_without_a_byte)
{
    house_new();
    for (uint32_t run = 0; run < 4; run++)
        run_of(run * 100, run * 100 + 100);
    all_moves();
    house_free();
}

TEST(a_descending_load_too)
{
    house_new();
    for (uint32_t run = 4; run-- > 0;)
        run_of(run * 100, run * 100 + 100);
    all_moves();
    house_free();
}

/* Newer runs in the gaps of older ones, ends that touch nothing. */
TEST(interleaved_stretches_keep_their_tables)
{
    house_new();
    run_of(0, 90);
    run_of(200, 290);
    run_of(100, 190);
    run_of(300, 390);
    all_moves();
    house_free();
}

TEST(only_what_overlaps_is_written)
{
    uint32_t before[NUMBERS], count;
    house_new();
    run_of(0, HOUSE_KEYS);
    run_of(180, 220);
    count = numbers(before);
    CHECK(house_merge(0, 1) > 0);
    CHECK_EQ(house_version()->run_count, 1);
    uint32_t same = kept(before, count);
    CHECK(same >= count - 8 && same < count);
    CHECK(merged_bytes() > 0);
    house_agrees();
    house_is_sound();
    house_reopen();
    house_agrees();
    house_free();
}

/* Into the bottom: what would be dropped there is dropped, not moved. */
TEST(tombstones_do_not_move_into_the_bottom)
{
    house_new();
    run_of(0, 100);
    for (uint32_t key = 200; key < 300; key++)
        house_delete(key);
    house_seal();
    CHECK_EQ(house_flush(), 0); /* nothing older holds them */
    run_of(300, HOUSE_KEYS);
    for (uint32_t key = 0; key < 100; key += 10)
        house_delete(key);
    house_seal();
    CHECK_EQ(house_flush(), 0);
    CHECK(house_merge(0, house_version()->run_count - 1) > 0);
    for (uint32_t i = 0; i < house_version()->runs[0]->count; i++)
        CHECK_EQ(house_version()->runs[0]->tables[i]->meta.tombstones, 0);
    house_agrees();
    house_is_sound();
    house_free();
}

/* Range deletes hide what lies between tables: nothing moves before the last of them is behind. */
TEST(range_deletes_forbid_moves)
{
    house_new();
    run_of(0, 200);
    house_delete_range(50, 350);
    run_of(300, HOUSE_KEYS);
    uint32_t before[NUMBERS], count = numbers(before);
    CHECK(house_merge(0, 1) > 0);
    CHECK(kept(before, count) <= 2);
    CHECK_EQ(lk_compare(house_version()->runs[0]->tables[0]->meta.lo, lk_slice("", 0)), 0);
    house_agrees();
    house_is_sound();
    house_free();
}

/* A version from before goes on reading a table that has moved, and one that has been dropped since. */
TEST(old_versions_keep_what_they_see)
{
    house_new();
    run_of(0, 100);
    run_of(100, 200);
    struct lk_version *old = house_version();
    lk_version_ref(old);
    CHECK(house_merge(0, 1) > 0);
    run_of(0, 200);
    CHECK(house_merge(0, 1) > 0); /* the moved tables are dropped */
    for (uint32_t i = 0; i < old->run_count; i++)
        for (uint32_t j = 0; j < old->runs[i]->count; j++)
            CHECK_EQ(lk_table_verify(old->runs[i]->tables[j], NULL, NULL, NULL), 0);
    lk_version_unref(old);
    house_agrees();
    house_is_sound();
    house_free();
}

/* Whatever call of the environment fails on the way, the file stays, and the merge can be done later. */
TEST(a_failed_move_leaves_the_table_where_it_was)
{
    for (int nth = 0, fired = 1; fired; nth++) {
        house_new();
        run_of(0, 100);
        run_of(100, 200);
        house.fail_after = nth;
        int rc = house_step(0, 1);
        fired = house.fail_after < 0;
        house.fail_after = -1;
        CHECK_EQ(rc < 0, fired);
        house_agrees();
        house_is_sound();
        if (!house.db.manifest.failed)
            CHECK(house_merge(0, house_version()->run_count - 1) > 0);
        house_agrees();
        house_reopen();
        house_agrees();
        house_free();
        if (!CHECK(nth < 50))
            break;
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
