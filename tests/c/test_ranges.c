/* Interval lists against a bit for each point of a small key space. */
#include "check.h"
#include "random.h"
#include "store/ranges.h"

enum { POINTS = 64 };

static struct lk_slice point(unsigned i)
{
    static uint8_t bytes[POINTS + 2][2];
    bytes[i][0] = (uint8_t)('a' + i / 8);
    bytes[i][1] = (uint8_t)('0' + i % 8);
    return i == 0 ? lk_slice("", 0) : lk_slice(bytes[i], 2);
}

static int holds(const struct lk_ranges *ranges, uint64_t bits)
{
    for (unsigned i = 0; i < POINTS; i++)
        if ((lk_ranges_find(ranges, point(i)) != NULL) != (bits >> i & 1))
            return 0;
    return lk_ranges_sound(ranges);
}

static uint64_t bits_between(unsigned from, unsigned to)
{
    uint64_t below_to = to >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << to) - 1;
    return from >= to ? 0 : below_to & ~(((uint64_t)1 << from) - 1);
}

static void add(struct lk_ranges *ranges, uint64_t *bits, unsigned from, unsigned to)
{
    to = to < POINTS ? to : POINTS;
    struct lk_slice stop = point(to);
    CHECK_EQ(lk_ranges_add(ranges, point(from), to < POINTS ? &stop : NULL), 0);
    *bits |= bits_between(from, to);
}

TEST(touching_and_overlapping_intervals_become_one)
{
    struct lk_ranges ranges = {0};
    uint64_t bits = 0;
    add(&ranges, &bits, 3, 6);
    add(&ranges, &bits, 5, 8);
    CHECK_EQ(ranges.count, 1);
    add(&ranges, &bits, 8, 9);
    CHECK_EQ(ranges.count, 1);
    add(&ranges, &bits, 11, POINTS);
    CHECK_EQ(ranges.count, 2);
    CHECK(ranges.at[1].open_end);
    CHECK(holds(&ranges, bits));
    lk_ranges_deinit(&ranges);
}

TEST(empty_and_inverted_intervals_add_nothing)
{
    struct lk_ranges ranges = {0};
    uint64_t bits = 0;
    add(&ranges, &bits, 5, 5);
    add(&ranges, &bits, 7, 5);
    CHECK_EQ(ranges.count, 0);
    CHECK(lk_ranges_find(&ranges, point(5)) == NULL);
    lk_ranges_deinit(&ranges);
}

TEST(random_lists_cover_what_was_added)
{
    struct random random = {1};
    for (unsigned round = 0; round < 3000; round++) {
        struct lk_ranges ranges = {0};
        uint64_t bits = 0;
        unsigned adds = 1 + (unsigned)random_below(&random, 12), span = 1 + (unsigned)random_below(&random, 30);
        for (unsigned i = 0; i < adds; i++) {
            unsigned from = (unsigned)random_below(&random, POINTS);
            add(&ranges, &bits, from, from + (unsigned)random_below(&random, span));
        }
        if (!CHECK(holds(&ranges, bits)))
            round = 3000;
        lk_ranges_deinit(&ranges);
    }
}

TEST(clipping_keeps_what_lies_inside)
{
    struct random random = {2};
    for (unsigned round = 0; round < 3000; round++) {
        struct lk_ranges ranges = {0}, clipped = {0};
        uint64_t bits = 0;
        for (unsigned i = 0; i < 5; i++) {
            unsigned from = (unsigned)random_below(&random, POINTS);
            add(&ranges, &bits, from, from + (unsigned)random_below(&random, 9));
        }
        unsigned lo = (unsigned)random_below(&random, POINTS), hi = lo + (unsigned)random_below(&random, 40);
        if (hi > POINTS)
            hi = POINTS;
        struct lk_slice end = point(hi);
        CHECK_EQ(lk_ranges_clip(&ranges, point(lo), hi < POINTS ? &end : NULL, &clipped), 0);
        if (!CHECK(holds(&clipped, bits & bits_between(lo, hi))))
            round = 3000;
        lk_ranges_deinit(&ranges);
        lk_ranges_deinit(&clipped);
    }
}

TEST(meeting_is_having_a_point_in_common)
{
    struct random random = {3};
    for (unsigned round = 0; round < 3000; round++) {
        struct lk_ranges ranges = {0};
        uint64_t bits = 0;
        for (unsigned i = 0; i < 4; i++) {
            unsigned from = (unsigned)random_below(&random, POINTS);
            add(&ranges, &bits, from, from + (unsigned)random_below(&random, 9));
        }
        unsigned lo = (unsigned)random_below(&random, POINTS), hi = lo + 1 + (unsigned)random_below(&random, 20);
        struct lk_slice end = point(hi < POINTS ? hi : POINTS);
        int meets = lk_ranges_meet(&ranges, point(lo), hi < POINTS ? &end : NULL);
        if (!CHECK_EQ(meets, (bits & bits_between(lo, hi)) != 0))
            round = 3000;
        lk_ranges_deinit(&ranges);
    }
}

TEST(unsound_lists_are_told)
{
    struct lk_interval at[2] = {{point(3), point(5), 0}, {point(5), point(7), 0}};
    struct lk_ranges ranges = {at, 2, 2};
    CHECK(!lk_ranges_sound(&ranges)); /* touching */
    at[1].start = point(6);
    CHECK(lk_ranges_sound(&ranges));
    at[0].open_end = 1;
    CHECK(!lk_ranges_sound(&ranges));
    at[0] = (struct lk_interval){point(5), point(5), 0};
    CHECK(!lk_ranges_sound(&ranges));
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
