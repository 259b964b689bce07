/* line: a 64-byte hash bucket, one cache line, used by log segments and tables alike.
 *
 *   | count:1 | marks:1 | zero:2 | tag:1 x 12 | place:4 x 12 |
 *
 *   tag[i]    8 bits of the key's hash (bits 0-7)
 *   place[i]  bits 26-31: 6 more bits of the hash (bits 8-13); bits 0-25: position, where the record
 *             starts, in units of 1 << shift of its file
 *   count     slots in use, filled from 0 up; unused slots are zero
 *   marks     bit 0: some key whose first line this is lies elsewhere: in its second line (tables),
 *             in the lines after this one (segments, at most LK_LINE_SPILL of them in a row)
 *
 * 14 hash bits say "not here" for the price of a filter probe; when they say yes they say where.
 * The line itself is chosen by the hash's high 32 bits, the second line by other bits (lk_line_second).
 *
 * Example: hash ...2a5c, record at byte 0x1234: tag 5c, place = (0x2a << 26) | 0x1234.
 *
 * In a segment one writer adds while readers look: slot first, then count with release order. A newer
 * version of a key replaces its place by one atomic store. Tables are immutable. */
#ifndef LK_FORMAT_LINE_H
#define LK_FORMAT_LINE_H

#include <stdatomic.h>
#include <stdint.h>

/* The thread sanitizer knows nothing of sixteen bytes read at once beside a writer of one of them. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#define LK_LINE_SSE2 1
#include <emmintrin.h>
#endif

enum { LK_LINE_SLOTS = 12, LK_LINE_MARK = 1, LK_LINE_SPILL = 4 };
#define LK_LINE_POSITION_MAX ((1u << 26) - 1)

struct lk_line {
    _Atomic uint8_t count, marks;
    uint16_t zero;
    uint8_t tag[LK_LINE_SLOTS];
    _Atomic uint32_t place[LK_LINE_SLOTS];
};
_Static_assert(sizeof(struct lk_line) == 64, "a line is a cache line");

static inline uint32_t lk_line_first(uint64_t hash, uint32_t lines)
{
    return (uint32_t)(((hash >> 32) * lines) >> 32);
}

/* Never the first line when there are at least two. */
static inline uint32_t lk_line_second(uint64_t hash, uint32_t lines)
{
    uint64_t mixed = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u;
    uint32_t first = lk_line_first(hash, lines), second = (uint32_t)(((mixed >> 32) * lines) >> 32);
    return second != first ? second : second + 1 < lines ? second + 1 : 0;
}

static inline uint32_t lk_line_place(uint64_t hash, uint32_t position)
{
    return (uint32_t)((hash >> 8) & 0x3f) << 26 | position;
}

static inline uint32_t lk_place_position(uint32_t place)
{
    return place & LK_LINE_POSITION_MAX;
}

/* Bit i set: slot i of the first `count` slots carries the 14 hash bits. `count` is clipped to 12, so
 * any bytes are safe to look at. The same answer, one slot at a time: lk_line_match_plain. */
static inline uint32_t lk_line_match(const struct lk_line *line, uint64_t hash, unsigned count);
uint32_t lk_line_match_plain(const struct lk_line *line, uint64_t hash, unsigned count);

#ifdef LK_LINE_SSE2
/* All slots at once and no branch: tags by bytes, the six bits on top of the places by words. A place
 * is read whole (aligned four bytes), so a slot being replaced shows its old or its new place, and
 * both carry the same hash bits; slots from `count` on may change under the look and are masked. */
static inline uint32_t lk_line_match(const struct lk_line *line, uint64_t hash, unsigned count)
{
    const __m128i *at = (const __m128i *)(const void *)line;
    __m128i tags = _mm_cmpeq_epi8(_mm_loadu_si128(at), _mm_set1_epi8((char)hash));
    __m128i more = _mm_set1_epi32((int)((hash >> 8) & 0x3f));
    __m128i a = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_loadu_si128(at + 1), 26), more);
    __m128i b = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_loadu_si128(at + 2), 26), more);
    __m128i c = _mm_cmpeq_epi32(_mm_srli_epi32(_mm_loadu_si128(at + 3), 26), more);
    __m128i places = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, c));

    uint32_t used = (1u << (count < LK_LINE_SLOTS ? count : LK_LINE_SLOTS)) - 1;
    return (uint32_t)_mm_movemask_epi8(tags) >> 4 & (uint32_t)_mm_movemask_epi8(places) & used;
}
#else
static inline uint32_t lk_line_match(const struct lk_line *line, uint64_t hash, unsigned count)
{
    return lk_line_match_plain(line, hash, count);
}
#endif

/* Structure of one table line: count and marks in range, unused slots zero. 1 when sound. */
int lk_line_sound(const struct lk_line *line);

/* Placement for a table under construction: every hash gets a slot in its first or second line. */
struct __attribute__((packed, aligned(4))) lk_line_item {
    uint64_t hash;
    uint32_t position;
}; /* 12 bytes: a table under construction holds one for each record */
/* Fill lines[0..lines) (cleared here) from items. 0 on success, 1 when no placement was found (try
 * more lines; more than 24 keys with one hash never fit). Deterministic: the same items in the same
 * order give the same bytes. Cost: linear; a short random walk for the last few. Memory: none
 * beyond `item_of`, borrowed scratch of lines * 12 uint32. */
int lk_lines_build(struct lk_line *lines, uint32_t line_count, const struct lk_line_item *items, uint32_t item_count,
                   uint32_t *item_of);
/* Lines for `items` keys at 83 % load, at least 1. */
uint32_t lk_lines_wanted(uint32_t items);

#endif
