/* epoch: lets readers look at shared objects without a lock, and tells writers when the last one that
 * may still look has gone.
 *
 *   reader                                writer
 *   slot = now  (claim, full fence)       swap the pointer
 *   load pointer, read ...                stamp = now, now += 1
 *   slot = 0                              free the old object once no slot holds 1..stamp
 *
 * Memory order. The claim is a read-modify-write followed by a full fence; the swap is followed by a
 * full fence before `now` is advanced. So either the writer's scan sees the reader's slot, or the
 * reader's load comes after the swap and finds the new pointer. One of the three places of lock-free
 * code in the engine; tests/c/test_epoch.c is its model test.
 *
 * Rules. A slot is held within one call, never while blocking, never while Python can run. What must
 * live longer holds a counted reference taken inside a slot. */
#ifndef LK_STORE_EPOCH_H
#define LK_STORE_EPOCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "os/thread.h"
#include "store/scratch.h"
#include "util/status.h"

enum { LK_EPOCH_SLOTS = 64 };

struct lk_epoch_slot {
    _Atomic uint64_t stamp;
    _Atomic uint64_t gets, misses; /* statistics of whoever holds the slot: no sharing, no locked add */
    struct lk_scratch scratch;     /* of whoever holds the slot: where packed pages are unpacked */
    uint8_t pad[8];
};
_Static_assert(sizeof(struct lk_epoch_slot) == 64, "a slot is a cache line");

static inline void lk_epoch_count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

struct lk_retired {
    struct lk_retired *next;
    void *object;
    void (*release)(void *object);
    uint64_t stamp;
};

struct lk_epochs {
    _Alignas(64) struct lk_epoch_slot slots[LK_EPOCH_SLOTS];
    _Alignas(64) _Atomic uint64_t now; /* from 1 */
    struct lk_mutex mutex;             /* the list below */
    struct lk_retired *retired;        /* owned */
    _Atomic uint32_t retired_count;
};

void lk_epochs_init(struct lk_epochs *epochs);
/* No reader may be inside. Releases everything retired. */
void lk_epochs_deinit(struct lk_epochs *epochs);

/* Claim a slot; its index, or -1 when all are taken (the caller would have to wait). */
int lk_epoch_enter(struct lk_epochs *epochs);
void lk_epoch_leave(struct lk_epochs *epochs, int slot);

/* Name the present moment / has every reader inside at that moment left? */
uint64_t lk_epoch_stamp(struct lk_epochs *epochs);
int lk_epoch_passed(struct lk_epochs *epochs, uint64_t stamp);
/* Wait until it has. Never call inside a slot. */
void lk_epoch_wait(struct lk_epochs *epochs, uint64_t stamp);

/* Call release(object) once every present reader has left: perhaps now, perhaps in a later call. When
 * memory for the note is lacking, waits instead. Never call inside a slot. */
void lk_epoch_retire(struct lk_epochs *epochs, void *object, void (*release)(void *object));
/* Release what is due. */
void lk_epoch_reclaim(struct lk_epochs *epochs);

#endif
