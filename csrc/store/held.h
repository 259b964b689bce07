/* held: bytes that count as pinned from when the engine has no use for them any more until their last reader lets go.
 * Begun by the one who takes them out of the version, ended by whoever drops the last reference. */
#ifndef LK_STORE_HELD_H
#define LK_STORE_HELD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct lk_held {
    _Atomic uint64_t *sum; /* borrowed; NULL: still in use */
    uint64_t bytes;
};

static inline void lk_held_begin(struct lk_held *held, _Atomic uint64_t *sum, uint64_t bytes)
{
    *held = (struct lk_held){sum, bytes};
    atomic_fetch_add_explicit(sum, bytes, memory_order_relaxed);
}

static inline void lk_held_end(struct lk_held *held)
{
    if (held->sum)
        atomic_fetch_sub_explicit(held->sum, held->bytes, memory_order_relaxed);
    held->sum = NULL;
}

#endif
