/* ranges: a sorted list of disjoint key intervals [start, stop) that a source's range deletes cover.
 *
 *   add ["c","f")      c====f
 *   add ["e","h")      c=======h            overlapping and touching intervals become one
 *   add ["k", end)     c=======h   k=====>
 *
 * Owned keys. Built by one thread, then immutable and shared. */
#ifndef LK_STORE_RANGES_H
#define LK_STORE_RANGES_H

#include "util/bytes.h"
#include "util/status.h"

struct lk_interval {
    struct lk_slice start, stop; /* owned by the list */
    int open_end;                /* no stop */
};

struct lk_ranges {
    struct lk_interval *at; /* owned */
    uint32_t count, cap;
};

/* A key with memory of its own, and back. copy: 0 or NOMEM (*to unchanged). free: leaves an empty slice. */
LK_MUST_CHECK int lk_key_copy(struct lk_slice from, struct lk_slice *to);
void lk_key_free(struct lk_slice *key);

void lk_ranges_deinit(struct lk_ranges *ranges);
/* stop NULL: to the end. 0 or NOMEM (unchanged). An empty interval adds nothing. Copies the keys. */
LK_MUST_CHECK int lk_ranges_add(struct lk_ranges *ranges, struct lk_slice start, const struct lk_slice *stop);
/* The interval that holds `key`, NULL when none does. log2(count) comparisons. */
const struct lk_interval *lk_ranges_find(const struct lk_ranges *ranges, struct lk_slice key);
/* Does [start, stop) have a key in common with an interval? stop NULL: to the end. log2(count) comparisons. */
int lk_ranges_meet(const struct lk_ranges *ranges, struct lk_slice start, const struct lk_slice *stop);
/* Add to *out what of `ranges` lies in lo <= key < hi (hi NULL: no end). 0 or NOMEM. */
LK_MUST_CHECK int lk_ranges_clip(const struct lk_ranges *ranges, struct lk_slice lo, const struct lk_slice *hi,
                                 struct lk_ranges *out);
/* 1 when sorted, disjoint, none empty, none touching the next. */
int lk_ranges_sound(const struct lk_ranges *ranges);

#endif
