/* sort: key order made late. Entries are sorted by 8-byte head with a radix sort; runs of equal
 * heads are then settled by comparing whole keys through a callback that cannot fail. */
#ifndef LK_UTIL_SORT_H
#define LK_UTIL_SORT_H

#include <stddef.h>
#include <stdint.h>

/* 16 bytes: the key's head, and two numbers of the caller's (position, slot). */
struct lk_entry {
    uint64_t head;
    uint32_t position;
    uint32_t extra;
};

/* Full key comparison of two entries whose heads are equal: <0, 0, >0. */
typedef int (*lk_entry_compare)(void *context, const struct lk_entry *a, const struct lk_entry *b);

/* Sort in place. scratch: borrowed room for `count` entries, contents lost. Stable. Cost: linear in
 * count times the number of head bytes that differ, plus comparisons within equal heads. */
void lk_sort_entries(struct lk_entry *entries, struct lk_entry *scratch, size_t count, lk_entry_compare compare,
                     void *context);

#endif
