/* footer: how a table file is cut, and the check that vouches for it.
 *
 *   | head:64 | pages ... | 0.. | fences | 0.. | index | 0.. | checks | properties | footer:192 |
 *                         to 64        to 64     to 4096
 *
 *   head        "lsmkvTBL" version:4 number:4 identity:8 zero:40
 *   fences      format/page.h, starts at a multiple of 64
 *   index       lines of format/line.h, or with the feature `filter` those of format/filter.h; starts at a multiple of 64
 *   checks      starts at a multiple of 4096: one checksum (4 bytes) for each granule of 4096 bytes
 *               before it, seeded by (identity, granule number)
 *   properties  | key_min | key_max | range deletes | uses | milestones |, lengths in the footer; range deletes are
 *               records of format/record.h, sorted by start, disjoint, clipped to the table's interval; uses are
 *               | number:4 | values:8 | bytes:8 | for each value segment that records refer to, numbers ascending;
 *               milestones (format/milestone.h) are there with the feature `filter` only
 *   footer      the last 192 bytes of the file:
 *     magic:8 "lsmkvTBF"  version:4  number:4  identity:8  file_bytes:8
 *     codec:4 (0 raw, 1 lz4, 2 zstd)  features:4 (bit 0: filter; unknown bits: not readable)  prefix:4  fence_count:4
 *     pages_end:8  fences_at:8  lines_at:8  line_count:4  page_shift:1 (0: raw)  zero:3
 *     checks_at:8  check_count:4  key_min_bytes:4  key_max_bytes:4  range_bytes:4
 *     records:8  tombstones:8  range_deletes:4  unpacked:4 (bytes of all records; raw: 0)
 *     lsn_min:8  lsn_max:8  hash_a:8  hash_b:8
 *     payload:8 (key and value bytes)  expiring:8 (records with an expiry)  use_bytes:4  milestone_bytes:4
 *     tail_sum:4  checksum of [checks_at, footer), seed (identity, checks_at)
 *     check:4     checksum of the 188 bytes before it, seed (identity, file_bytes)
 *
 * So every byte is vouched for: the footer by itself, checks and properties by the footer, all the
 * rest by the checks. A granule or table read from a wrong place or an older file fails its seed. */
#ifndef LK_FORMAT_FOOTER_H
#define LK_FORMAT_FOOTER_H

#include "format/page.h"

enum { LK_GRANULE = 4096, LK_FOOTER = 192, LK_TABLE_HEAD = 64, LK_CODEC_MAX = 2 };
enum { LK_FEATURE_FILTER = 1 };

struct lk_footer {
    uint64_t identity, file_bytes, pages_end, fences_at, lines_at, checks_at;
    uint64_t records, tombstones, lsn_min, lsn_max, hash_a, hash_b, payload, expiring;
    uint32_t number, codec, features, prefix, fence_count, line_count, check_count;
    uint32_t key_min_bytes, key_max_bytes, range_bytes, range_deletes, use_bytes, milestone_bytes, tail_sum;
    uint32_t page_shift, unpacked;
};

/* A filter and milestones instead of lines. */
static inline int lk_footer_filtered(const struct lk_footer *footer)
{
    return (footer->features & LK_FEATURE_FILTER) != 0;
}

void lk_table_head_put(uint8_t to[LK_TABLE_HEAD], uint32_t number, uint64_t identity);
void lk_footer_put(uint8_t to[LK_FOOTER], const struct lk_footer *footer);

/* 0 sound; -1 not a footer or damaged; -2 another version, codec or feature (*what tells in words).
 * Checks every relation between the fields by subtraction against file_bytes, so that afterwards each
 * section is known to lie inside the file, in order, aligned, with its counts fitting: pages_end <=
 * fences_at, fence_count * 12 + 4 inside [fences_at, lines_at), line_count * 64 == ..., check_count ==
 * checks_at / 4096, lengths of properties summing to the bytes between checks and footer. */
int lk_footer_get(const uint8_t from[LK_FOOTER], uint64_t file_bytes, struct lk_footer *out, const char **what);

#endif
