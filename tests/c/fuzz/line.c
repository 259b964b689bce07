/* fuzz line: arbitrary bytes as a line, and arbitrary hashes to place.
 *
 *   | line:64 | hash:8 | count:1 | lines:1 | hash bits:2 each item ... |     few bits: many collisions */
#include "fuzz.h"

#include "format/line.h"
#include "util/bytes.h"

enum { LINE_ITEMS = 512, LINE_LINES = 64, LINE_HEAD = 64 + 8 + 1 + 1 };

static int line_holds(const struct lk_line *line, const struct lk_line_item *item)
{
    uint32_t found = lk_line_match(line, item->hash, line->count);
    for (; found; found &= found - 1)
        if (lk_place_position(line->place[__builtin_ctz(found)]) == item->position)
            return 1;
    return 0;
}

static void placement_check(const struct lk_line *lines, uint32_t line_count, const struct lk_line_item *items,
                            uint32_t item_count)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < line_count; i++) {
        FUZZ_CHECK(lk_line_sound(&lines[i]));
        slots += lines[i].count;
    }
    FUZZ_CHECK(slots == item_count);
    for (uint32_t i = 0; i < item_count; i++) {
        uint32_t first = lk_line_first(items[i].hash, line_count), second = lk_line_second(items[i].hash, line_count);
        FUZZ_CHECK(line_holds(&lines[first], &items[i]) ||
                   (lines[first].marks == LK_LINE_MARK && line_holds(&lines[second], &items[i])));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct lk_line line, lines[LINE_LINES];
    static struct lk_line_item items[LINE_ITEMS];
    static uint32_t item_of[LINE_LINES * LK_LINE_SLOTS];

    if (bytes < LINE_HEAD)
        return 0;
    memcpy((void *)&line, data, sizeof line);
    uint64_t hash = lk_load64(data + 64);
    uint32_t found = lk_line_match(&line, hash, data[72]);
    FUZZ_CHECK(found < 1u << LK_LINE_SLOTS && found == lk_line_match_plain(&line, hash, data[72]));
    if (lk_line_sound(&line)) {
        fuzz_accepted++;
        FUZZ_CHECK(line.count <= LK_LINE_SLOTS);
    }

    uint32_t line_count = 1 + data[73] % LINE_LINES, item_count = 0;
    for (size_t at = LINE_HEAD; at + 2 <= bytes && item_count < LINE_ITEMS; at += 2, item_count++) {
        uint64_t few = lk_load16(data + at);
        items[item_count] = (struct lk_line_item){few << 48 | few, item_count};
    }
    if (lk_lines_build(lines, line_count, items, item_count, item_of) == 0) {
        fuzz_accepted++;
        placement_check(lines, line_count, items, item_count);
    }
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    struct lk_line line;
    uint64_t hash = random_next(random);
    size_t items = random_below(random, 400);

    FUZZ_CHECK(room >= LINE_HEAD + 800);
    memset((void *)&line, 0, sizeof line);
    line.count = (uint8_t)random_below(random, LK_LINE_SLOTS + 1);
    line.marks = (uint8_t)random_below(random, 2);
    for (unsigned i = 0; i < line.count; i++) {
        uint64_t other = random_below(random, 3) ? random_next(random) : hash;
        line.tag[i] = (uint8_t)other;
        line.place[i] = lk_line_place(other, i * 100);
    }
    memcpy(to, (void *)&line, 64);
    lk_store64(to + 64, hash);
    to[72] = line.count;
    to[73] = (uint8_t)(items / 10);
    random_fill(random, to + LINE_HEAD, 2 * items);
    return LINE_HEAD + 2 * items;
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    if (bytes >= LINE_HEAD) /* what a granule's checksum would have kept out */
        data[2] = data[3] = 0;
}
