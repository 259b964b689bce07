/* line: looking into one line, and placing the keys of a table into its lines.
 *
 * Placement runs over the items twice. First every item goes into its first line while there is room
 * there; at ten items a line on average, one line in five overflows. Then each item that found no room
 * goes into its second line. If that one is full too, somebody in the first line moves to his own
 * other line, for that line is marked anyway: one with room there if any has it, else one drawn at
 * random, and so on from where he lands. So as few lines as can be are marked, and a look at one line
 * answers most questions.
 *
 *   line 3 [a b c d e f g h i j k l]   m wants 3, then 7; line 7 is full
 *                 |                    d wants 3, then 9; line 9 has room
 *   line 9 [s t u d . . . . . . . .]   d moves there, m takes its slot
 *
 * Nothing remembers which items overflowed: the twelfth item that a line took in the first pass does.
 * Of the items whose first line it is, those after the twelfth are the ones. */
#include "format/line.h"

#include <string.h>

#define PREFETCH_WRITE(at) __builtin_prefetch((at), 1)

enum {
    OVERFLOWED = 2, /* in marks, while building: some items found no room in the first pass */
    AHEAD = 12,     /* items whose lines are fetched before their turn */
    WALK_MAX = 2000 /* moves for one item; at 83 % load the longest of 200 000 random sets was 2 */
};

/* ---- one line ------------------------------------------------------------------------------- */

uint32_t lk_line_match_plain(const struct lk_line *line, uint64_t hash, unsigned count)
{
    uint32_t found = 0, want = (uint32_t)(hash >> 8) & 0x3f;

    for (unsigned i = 0; i < count && i < LK_LINE_SLOTS; i++)
        if (line->tag[i] == (uint8_t)hash && atomic_load_explicit(&line->place[i], memory_order_relaxed) >> 26 == want)
            found |= 1u << i;
    return found;
}

int lk_line_sound(const struct lk_line *line)
{
    unsigned count = line->count;
    uint32_t unused = 0;

    if (count > LK_LINE_SLOTS || (line->marks & ~LK_LINE_MARK) != 0 || line->zero != 0)
        return 0;
    for (unsigned i = count; i < LK_LINE_SLOTS; i++)
        unused |= line->tag[i] | line->place[i];
    return unused == 0;
}

/* ---- placement ------------------------------------------------------------------------------ */

struct build {
    struct lk_line *lines;
    const struct lk_line_item *items;
    uint32_t *item_of; /* [line * 12 + slot]: which item lives there */
    uint32_t line_count, item_count;
    uint64_t random;
};

static inline unsigned count_of(const struct lk_line *line)
{
    return atomic_load_explicit(&line->count, memory_order_relaxed);
}

static inline unsigned marks_of(const struct lk_line *line)
{
    return atomic_load_explicit(&line->marks, memory_order_relaxed);
}

static inline void mark(struct lk_line *line, unsigned bits)
{
    atomic_store_explicit(&line->marks, (uint8_t)(marks_of(line) | bits), memory_order_relaxed);
}

static inline void settle(struct build *build, uint32_t at, unsigned slot, uint32_t item)
{
    struct lk_line *line = &build->lines[at];
    const struct lk_line_item *settled = &build->items[item];

    line->tag[slot] = (uint8_t)settled->hash;
    atomic_store_explicit(&line->place[slot], lk_line_place(settled->hash, settled->position), memory_order_relaxed);
    build->item_of[(size_t)at * LK_LINE_SLOTS + slot] = item;
    if (lk_line_first(settled->hash, build->line_count) != at)
        mark(&build->lines[lk_line_first(settled->hash, build->line_count)], LK_LINE_MARK);
}

static inline int settle_if_room(struct build *build, uint32_t at, uint32_t item)
{
    unsigned slot = count_of(&build->lines[at]);
    if (slot == LK_LINE_SLOTS)
        return 0;
    settle(build, at, slot, item);
    atomic_store_explicit(&build->lines[at].count, (uint8_t)(slot + 1), memory_order_relaxed);
    return 1;
}

static void first_pass(struct build *build)
{
    for (uint32_t i = 0; i < build->item_count; i++) {
        if (i + AHEAD < build->item_count) {
            uint32_t soon = lk_line_first(build->items[i + AHEAD].hash, build->line_count);
            PREFETCH_WRITE(&build->lines[soon]);
            PREFETCH_WRITE(&build->item_of[(size_t)soon * LK_LINE_SLOTS]);
        }
        uint32_t at = lk_line_first(build->items[i].hash, build->line_count);
        if (!settle_if_room(build, at, i))
            mark(&build->lines[at], OVERFLOWED);
    }
}

/* Where the item in `slot` of line `at` could live instead. */
static uint32_t other_line(const struct build *build, uint32_t at, unsigned slot)
{
    uint64_t hash = build->items[build->item_of[(size_t)at * LK_LINE_SLOTS + slot]].hash;
    uint32_t first = lk_line_first(hash, build->line_count);
    return first != at ? first : lk_line_second(hash, build->line_count);
}

/* Slots that may be emptied: all, but for the last of an overflowed line, which remembers. */
static unsigned movable(const struct build *build, uint32_t at)
{
    return marks_of(&build->lines[at]) & OVERFLOWED ? LK_LINE_SLOTS - 1 : LK_LINE_SLOTS;
}

static unsigned draw(struct build *build, unsigned below)
{
    build->random = build->random * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
    return (unsigned)((build->random >> 33) % below);
}

/* Settle `item` in the full line `at` by moving others. 1 when the walk does not end. */
static int walk(struct build *build, uint32_t at, uint32_t item)
{
    for (unsigned moves = 0; moves < WALK_MAX; moves++) {
        unsigned slots = movable(build, at), slot = 0;
        while (slot < slots && count_of(&build->lines[other_line(build, at, slot)]) == LK_LINE_SLOTS)
            slot++;
        int ends = slot < slots;
        if (!ends)
            slot = draw(build, slots);

        uint32_t to = other_line(build, at, slot);
        uint32_t moved = build->item_of[(size_t)at * LK_LINE_SLOTS + slot];
        settle(build, at, slot, item);
        if (ends)
            return !settle_if_room(build, to, moved);
        at = to;
        item = moved;
    }
    return 1;
}

static int second_pass(struct build *build)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < build->item_count; i++) {
        uint64_t hash = build->items[i].hash;
        uint32_t at = lk_line_first(hash, build->line_count);
        if (!(marks_of(&build->lines[at]) & OVERFLOWED))
            continue;
        if (i <= build->item_of[(size_t)at * LK_LINE_SLOTS + LK_LINE_SLOTS - 1])
            continue; /* it was there in time */
        if (!settle_if_room(build, lk_line_second(hash, build->line_count), i))
            rc = walk(build, at, i);
    }
    return rc;
}

int lk_lines_build(struct lk_line *lines, uint32_t line_count, const struct lk_line_item *items, uint32_t item_count,
                   uint32_t *item_of)
{
    struct build build = {lines, items, item_of, line_count, item_count, 0x9e3779b97f4a7c15u};

    memset((void *)lines, 0, (size_t)line_count * sizeof *lines);
    if (item_count > (uint64_t)line_count * LK_LINE_SLOTS)
        return 1;
    first_pass(&build);
    int rc = second_pass(&build);
    for (uint32_t i = 0; i < line_count; i++)
        atomic_store_explicit(&lines[i].marks, (uint8_t)(marks_of(&lines[i]) & LK_LINE_MARK), memory_order_relaxed);
    return rc;
}

uint32_t lk_lines_wanted(uint32_t items)
{
    return items / 10 + (items % 10 != 0) + (items == 0);
}
