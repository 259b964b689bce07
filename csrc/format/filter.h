/* filter: "this key is not here" for tables of small records, in place of lines, which would be a large part of such a
 * table. A line of 64 bytes again, and the key's first line (format/line.h) is its only one:
 *
 *   | bit 0 ... bit 511 |     six bits of the line are set for each key; a key with one of its bits at 0 is not there
 *
 *   mixed = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9
 *   bits    the top 9 bits of mixed, the next 9, ... : six numbers below 512; bit b is bit b % 8 of byte b / 8
 *
 * So a key that is not there costs one cache line, or one granule where even that is not in memory. Where a record is, a
 * filter does not say: fences do. How many lines there are is the writer's choice. Pure bytes: any thread. */
#ifndef LK_FORMAT_FILTER_H
#define LK_FORMAT_FILTER_H

#include <stdint.h>

enum { LK_FILTER_LINE = 64, LK_FILTER_BITS = 6 };

/* The `index`-th bit of the hash, a number below 512. */
static inline uint32_t lk_filter_bit(uint64_t hash, unsigned index)
{
    uint64_t mixed = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u;
    return (uint32_t)(mixed >> (55 - 9 * index)) & 511;
}

/* 0: no key with this hash was added to the line. */
static inline int lk_filter_has(const uint8_t line[LK_FILTER_LINE], uint64_t hash)
{
    unsigned all = 1;
    for (unsigned i = 0; i < LK_FILTER_BITS; i++) {
        uint32_t bit = lk_filter_bit(hash, i);
        all &= (unsigned)line[bit >> 3] >> (bit & 7);
    }
    return (int)(all & 1);
}

static inline void lk_filter_add(uint8_t line[LK_FILTER_LINE], uint64_t hash)
{
    for (unsigned i = 0; i < LK_FILTER_BITS; i++) {
        uint32_t bit = lk_filter_bit(hash, i);
        line[bit >> 3] = (uint8_t)(line[bit >> 3] | 1u << (bit & 7));
    }
}

/* Lines for the filter of `records` records that take `bytes` bytes in the file: a sixteenth of those, but no less than
 * 8 bits a record (one key in fifty that is not there passes) and no more than 20 (one in three thousand). At least 1. */
uint32_t lk_filter_lines(uint64_t records, uint64_t bytes);

#endif
