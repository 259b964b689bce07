/* view: one order over several sealed memtables, so that a scan walks one source instead of one for each.
 *
 *   memtables   newest  ...  oldest              view entry: head, first position of the key in its memtable,
 *   orders      b d     a b c   a d              and which memtable and slot; of equal keys only the newest
 *   view        a2 b1 c2 d1
 *
 * A key that its own memtable hides behind a range delete stays in the view and is found hidden when walked;
 * the older memtables' entries for it are then hidden by that same range delete, so none is lost by keeping
 * only the newest. Immutable, shared and counted; it borrows the memtables, which the version pins. */
#ifndef LK_STORE_VIEW_H
#define LK_STORE_VIEW_H

#include "store/order.h"

enum { LK_VIEW_MEMTABLES = 15 };

struct lk_view {
    _Atomic uint32_t references;
    struct lk_env *env; /* gives and takes what `at` names */
    uint32_t memtable_count;
    struct lk_memtable *memtables[LK_VIEW_MEMTABLES]; /* borrowed, newest first, all sealed */
    struct lk_ranges ranges;  /* owned: all their range deletes */
    uint32_t count, cap;
    struct lk_view_entry *at; /* owned: room for cap */
};

struct lk_view_entry {
    uint64_t head;
    uint32_t position;  /* of the key's first record in its memtable */
    uint32_t slot : 28; /* line * 16 + slot */
    uint32_t memtable : 4;
};

/* Merge the orders of sealed memtables (brought up to date here). 0, NOMEM. One reference. The memtables
 * must stay pinned as long as the view lives: a version holds both. */
LK_MUST_CHECK int lk_view_new(struct lk_memtable *const *memtables, uint32_t count, struct lk_view **out);
void lk_view_ref(struct lk_view *view);
void lk_view_unref(struct lk_view *view); /* NULL is fine */
uint64_t lk_view_memory(const struct lk_view *view);

/* Walks the view. In place; never blocks, never fails. */
struct lk_view_cursor {
    struct lk_cursor cursor;
    const struct lk_view *view; /* borrowed */
    uint32_t index;
};
void lk_view_cursor_init(struct lk_view_cursor *cursor, const struct lk_view *view);

#endif
