/* test_format_line: looking into lines, and placing keys into them. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/line.h"
#include "util/alloc.h"
#include "util/hash.h"

static uint64_t with_tag(uint64_t hash, unsigned bits)
{
    return (hash & ~(uint64_t)0x3fff) | bits;
}

TEST(the_worked_example_is_these_bytes)
{
    uint64_t hash = 0x9e3779b97f4a2a5c;
    struct lk_line line;
    memset((void *)&line, 0, sizeof line);
    line.count = 1;
    line.tag[0] = (uint8_t)hash;
    line.place[0] = lk_line_place(hash, 0x1234);
    const uint8_t *bytes = (const uint8_t *)&line;
    static const uint8_t wanted[20] = {1, 0, 0, 0, 0x5c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 0, 0xa8};
    CHECK_MEM(bytes, wanted, 20);
    CHECK_EQ(lk_line_place(hash, 0x1234), 0x2au << 26 | 0x1234);
    CHECK_EQ(lk_place_position(line.place[0]), 0x1234);
    CHECK_EQ(lk_line_match(&line, hash, 1), 1);
    CHECK_EQ(lk_line_match(&line, hash, 0), 0);
    CHECK_EQ(lk_place_position(lk_line_place(~0ull, LK_LINE_POSITION_MAX)), LK_LINE_POSITION_MAX);
    CHECK_EQ(lk_place_position(lk_line_place(~0ull, 0)), 0);
}

TEST(a_match_takes_all_fourteen_bits_and_only_used_slots)
{
    struct random random = {31};
    struct lk_line line;
    for (int round = 0; round < 100000; round++) {
        uint64_t hash = random_next(&random);
        uint32_t want = 0;
        unsigned count = (unsigned)random_below(&random, 14);
        random_fill(&random, (void *)&line, sizeof line);
        for (unsigned i = 0; i < LK_LINE_SLOTS; i++) {
            uint64_t other = hash;
            if (random_below(&random, 2))
                other = with_tag(hash, (unsigned)((hash & 0x3fff) ^ 1u << random_below(&random, 14)));
            line.tag[i] = (uint8_t)other;
            line.place[i] = lk_line_place(other, (uint32_t)random_below(&random, LK_LINE_POSITION_MAX + 1u));
            if (other == hash && i < count)
                want |= 1u << i;
        }
        CHECK_EQ(lk_line_match(&line, hash, count), want);
        CHECK_EQ(lk_line_match_plain(&line, hash, count), want);
    }
}

TEST(any_bytes_are_safe_to_match_and_both_ways_agree)
{
    struct random random = {32};
    for (int round = 0; round < 100000; round++) {
        struct lk_line *line = malloc(sizeof *line);
        random_fill(&random, (void *)line, sizeof *line);
        uint64_t hash = random_next(&random);
        unsigned count = (unsigned)random_next(&random);
        uint32_t found = lk_line_match(line, hash, count);
        CHECK_EQ(found, lk_line_match_plain(line, hash, count));
        CHECK(found < 1u << LK_LINE_SLOTS);
        free(line);
    }
}

TEST(a_line_is_sound_when_counts_marks_and_unused_slots_are)
{
    struct lk_line line;
    memset((void *)&line, 0, sizeof line);
    CHECK(lk_line_sound(&line));
    line.marks = LK_LINE_MARK;
    CHECK(lk_line_sound(&line));
    line.marks = 2;
    CHECK(!lk_line_sound(&line));
    line.marks = 0;
    line.zero = 1;
    CHECK(!lk_line_sound(&line));
    line.zero = 0;
    line.count = 13;
    CHECK(!lk_line_sound(&line));
    for (unsigned count = 0; count <= LK_LINE_SLOTS; count++) {
        memset((void *)&line, 0, sizeof line);
        line.count = (uint8_t)count;
        for (unsigned i = 0; i < LK_LINE_SLOTS; i++) {
            line.tag[i] = 1;
            CHECK_EQ(lk_line_sound(&line), i < count);
            line.tag[i] = 0;
            line.place[i] = 1u << 31;
            CHECK_EQ(lk_line_sound(&line), i < count);
            line.place[i] = 0;
        }
    }
}

TEST(first_and_second_line_are_in_range_and_differ)
{
    struct random random = {33};
    static const uint32_t counts[] = {2, 3, 4, 5, 7, 100, 65536, 100000, UINT32_MAX};
    CHECK_EQ(lk_line_first(~0ull, 1), 0);
    CHECK_EQ(lk_line_second(~0ull, 1), 0);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (int round = 0; round < 20000; round++) {
            uint64_t hash = round == 0 ? 0 : round == 1 ? ~0ull : random_next(&random);
            uint32_t first = lk_line_first(hash, counts[c]), second = lk_line_second(hash, counts[c]);
            CHECK(first < counts[c] && second < counts[c] && first != second);
        }
}

TEST(lines_are_wanted_for_ten_items_each)
{
    CHECK_EQ(lk_lines_wanted(0), 1);
    CHECK_EQ(lk_lines_wanted(1), 1);
    CHECK_EQ(lk_lines_wanted(10), 1);
    CHECK_EQ(lk_lines_wanted(11), 2);
    CHECK_EQ(lk_lines_wanted(600000), 60000);
    CHECK_EQ(lk_lines_wanted(UINT32_MAX), 429496730);
}

/* ---- placement ------------------------------------------------------------------------------ */

struct table {
    uint32_t line_count, item_count, *item_of;
    struct lk_line *lines;
    struct lk_line_item *items;
};

static struct table table_new(uint32_t items, uint32_t lines)
{
    return (struct table){
        .line_count = lines,
        .item_count = items,
        .item_of = lk_alloc(sizeof(uint32_t) * LK_LINE_SLOTS * lines),
        .lines = lk_alloc_aligned(64, sizeof(struct lk_line) * lines),
        .items = lk_alloc(sizeof(struct lk_line_item) * (items + 1)),
    };
}

static void table_free(struct table *table)
{
    lk_free(table->item_of);
    lk_free(table->lines);
    lk_free(table->items);
}

static int table_build(struct table *table)
{
    memset((void *)table->lines, 0xee, sizeof *table->lines * table->line_count);
    return lk_lines_build(table->lines, table->line_count, table->items, table->item_count, table->item_of);
}

static void random_items(struct table *table, uint64_t seed)
{
    struct random random = {seed};
    for (uint32_t i = 0; i < table->item_count; i++)
        table->items[i] = (struct lk_line_item){random_next(&random), i};
}

static int holds(const struct lk_line *line, const struct lk_line_item *item)
{
    uint32_t found = lk_line_match(line, item->hash, line->count);
    for (; found; found &= found - 1)
        if (lk_place_position(line->place[__builtin_ctz(found)]) == item->position)
            return 1;
    return 0;
}

/* Every item is where a reader looks, nothing else is anywhere, and every mark has a reason. */
static int table_right(const struct table *table)
{
    uint64_t slots = 0;
    uint8_t *needed = lk_alloc_zero(table->line_count);
    int right = 1;

    for (uint32_t i = 0; i < table->line_count; i++) {
        right &= lk_line_sound(&table->lines[i]);
        slots += table->lines[i].count;
    }
    right &= slots == table->item_count;
    for (uint32_t i = 0; i < table->item_count; i++) {
        const struct lk_line_item *item = &table->items[i];
        uint32_t first = lk_line_first(item->hash, table->line_count);
        if (holds(&table->lines[first], item))
            continue;
        needed[first] = 1;
        right &= holds(&table->lines[lk_line_second(item->hash, table->line_count)], item);
        right &= table->lines[first].marks == LK_LINE_MARK;
    }
    lk_free(needed);
    return right;
}

static void check_places(uint32_t items, uint64_t seed)
{
    struct table table = table_new(items, lk_lines_wanted(items));
    random_items(&table, seed);
    CHECK_EQ(table_build(&table), 0);
    CHECK(table_right(&table));
    table_free(&table);
}

TEST(every_number_of_keys_up_to_a_thousand_is_placed_at_83_percent)
{
    for (uint32_t items = 0; items <= 1000; items++)
        for (uint64_t seed = 0; seed < (items < 200 ? 40 : 3); seed++)
            check_places(items, seed * 7919 + items);
}

TEST(many_random_sets_of_every_size_are_placed_at_83_percent)
{
    struct random random = {34};
    for (int round = 0; round < 150; round++)
        check_places((uint32_t)random_below(&random, 1000 << random_below(&random, 6)), random_next(&random));
    check_places(100000, 1);
    check_places(600000, 2);
}

TEST(real_keys_under_real_hashes_are_placed)
{
    struct table table = table_new(200000, lk_lines_wanted(200000));
    for (uint32_t i = 0; i < table.item_count; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "key:%012u", i);
        table.items[i] = (struct lk_line_item){lk_hash((struct lk_hash_seed){1, 2}, key, (size_t)len), i};
    }
    CHECK_EQ(table_build(&table), 0);
    CHECK(table_right(&table));
    table_free(&table);
}

TEST(few_lines_are_marked)
{
    struct table table = table_new(100000, lk_lines_wanted(100000));
    uint32_t marked = 0;
    random_items(&table, 5);
    CHECK_EQ(table_build(&table), 0);
    for (uint32_t i = 0; i < table.line_count; i++)
        marked += table.lines[i].marks;
    CHECK(marked < table.line_count * 23 / 100); /* lines of ten items on average that would hold over twelve: 20.8 % */
    table_free(&table);
}

TEST(the_same_items_give_the_same_bytes)
{
    struct table one = table_new(5000, 500), two = table_new(5000, 500);
    random_items(&one, 6);
    random_items(&two, 6);
    CHECK_EQ(table_build(&one), 0);
    CHECK_EQ(table_build(&two), 0);
    CHECK_MEM((void *)one.lines, (void *)two.lines, 500 * 64);
    table_free(&one);
    table_free(&two);
}

TEST(loads_up_to_ninety_percent_still_find_a_place)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct table table = table_new(20000, 1850);
        random_items(&table, seed);
        CHECK_EQ(table_build(&table), 0);
        CHECK(table_right(&table));
        table_free(&table);
    }
}

TEST(what_cannot_be_placed_is_said_and_not_tried_for_ever)
{
    struct table table = table_new(25, 100);
    for (uint32_t i = 0; i < 25; i++)
        table.items[i] = (struct lk_line_item){0x123456789abcdef0, i};
    CHECK_EQ(table_build(&table), 1);
    table.item_count = 24;
    CHECK_EQ(table_build(&table), 0);
    CHECK(table_right(&table));
    table_free(&table);

    table = table_new(13, 1);
    random_items(&table, 7);
    CHECK_EQ(table_build(&table), 1);
    table.item_count = 12;
    CHECK_EQ(table_build(&table), 0);
    CHECK(table_right(&table));
    table_free(&table);

    table = table_new(1201, 100);
    random_items(&table, 8);
    CHECK_EQ(table_build(&table), 1);
    table_free(&table);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
