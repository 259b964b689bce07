/* milestone: the first key of every 64th page of a table with a filter, kept whole and in memory, so that a lookup goes
 * straight to the fences that it needs.
 *
 *   milestones   user:0001 (9)          user:0417 (6)          first keys; how many bytes all keys up to the next share
 *   pages        0 ............... 63   64 .............. 127
 *   fences       heads taken behind 9   heads taken behind 6   bytes: so they tell pages apart where the whole table's
 *                bytes of the key                              common prefix leaves them all alike
 *
 *   section      for each: | shared:varint | key_bytes:varint | key |
 *
 * Pure bytes: any thread. */
#ifndef LK_FORMAT_MILESTONE_H
#define LK_FORMAT_MILESTONE_H

#include "format/page.h"

enum { LK_MILE = 64 }; /* pages */

struct lk_milestone {
    struct lk_slice key; /* borrowed */
    uint32_t shared; /* at most the key's length */
};

static inline uint32_t lk_milestones_of(uint32_t pages)
{
    return pages / LK_MILE + (pages % LK_MILE != 0);
}

enum { LK_MILESTONE_HEAD_MAX = 10 };
/* The head of one, at most so many bytes; the key follows. Returns the byte after it. */
uint8_t *lk_milestone_put(uint8_t *to, uint32_t shared, uint32_t key_bytes);
/* Decode the next from [at, end). The byte after it, or NULL. */
const uint8_t *lk_milestone_get(const uint8_t *at, const uint8_t *end, struct lk_milestone *out);

/* Which of the fences of one milestone: as lk_fences_find. key >= milestone->key, unless the milestone is the first. */
uint32_t lk_milestone_find(const struct lk_milestone *milestone, const struct lk_fences *fences, struct lk_slice key,
                           uint32_t *through);

#endif
