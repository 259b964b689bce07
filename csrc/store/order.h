/* order: the keys of a memtable, sorted late.
 *
 * Nothing is kept in order while records go in. When somebody scans, the keys that came since the last
 * scan are sorted and merged into at most three immutable chunks, small before large:
 *
 *      keys[]   | covered by the order ............ | new since |
 *      chunks   base (most)   middle (<= 16 K)   top (<= 512)
 *
 * so opening a scan costs in proportion to the writes since the last one, not to the memtable. An order
 * is immutable; a newer one is published by one swap, the older retired through the epochs. Entries name
 * keys, not versions: head, slot of the hash line (where the newest position stands), first position. */
#ifndef LK_STORE_ORDER_H
#define LK_STORE_ORDER_H

#include "store/cursor.h"
#include "store/memtable.h"

struct lk_chunk {
    struct lk_env *env; /* gives and takes its memory */
    _Atomic uint32_t references;
    uint32_t count;
    struct lk_entry at[]; /* head, position = first position, extra = slot */
};

enum { LK_ORDER_CHUNKS = 3 };

struct lk_order {
    uint32_t covered;                         /* keys[0 .. covered) */
    struct lk_chunk *chunk[LK_ORDER_CHUNKS];  /* shared; NULL: empty; [0] the largest */
};

/* Bring the order up to the memtable's present keys. patience: most new keys to sort here and now; more:
 * WOULDBLOCK and nothing done (0xffffffff: no limit). wait: 0 answers WOULDBLOCK when another thread is
 * at it. 0, WOULDBLOCK, NOMEM. Not inside an epoch slot (the old order is retired). */
LK_MUST_CHECK int lk_order_update(struct lk_memtable *memtable, uint32_t patience, int wait);
/* The same into one single chunk, for a sealed memtable. */
LK_MUST_CHECK int lk_order_seal(struct lk_memtable *memtable);
void lk_order_free(struct lk_order *order);

/* Walks one memtable through its order as it is now. In place; never blocks, never fails. */
struct lk_memtable_cursor {
    struct lk_cursor cursor;
    struct lk_memtable *memtable;  /* borrowed */
    const struct lk_order *order;  /* borrowed: valid within the slot, or while a sealed memtable is pinned */
    uint64_t limit;
    uint32_t index[LK_ORDER_CHUNKS];  /* forward: next unread; backward: entries left */
    uint64_t at;                   /* offset of the current record */
};
void lk_memtable_cursor_init(struct lk_memtable_cursor *cursor, struct lk_memtable *memtable, uint64_t limit);

#endif
