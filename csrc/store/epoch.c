/* epoch: slots, stamps and the list of what waits for readers to leave. See epoch.h for the argument. */
#include "store/epoch.h"

#include <string.h>

#include "util/alloc.h"

/* The full fence of the argument in epoch.h. The thread sanitizer knows no fences; for it, the same order by
 * read-modify-writes of one word, which every two threads do one after the other. */
static inline void fence(struct lk_epochs *epochs)
{
#ifdef __SANITIZE_THREAD__
    atomic_fetch_add(&epochs->now, 0);
#else
    (void)epochs;
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

static _Thread_local unsigned favourite; /* the slot this thread got last: mostly free again */

void lk_epochs_init(struct lk_epochs *epochs)
{
    memset(epochs, 0, sizeof *epochs);
    atomic_store(&epochs->now, 1);
    lk_mutex_init(&epochs->mutex);
}

void lk_epochs_deinit(struct lk_epochs *epochs)
{
    for (struct lk_retired *note = epochs->retired, *next; note; note = next) {
        next = note->next;
        note->release(note->object);
        lk_free(note);
    }
    epochs->retired = NULL;
    for (int i = 0; i < LK_EPOCH_SLOTS; i++)
        lk_scratch_deinit(&epochs->slots[i].scratch);
    lk_mutex_deinit(&epochs->mutex);
}

int lk_epoch_enter(struct lk_epochs *epochs)
{
    for (unsigned tried = 0, at = favourite; tried < LK_EPOCH_SLOTS; tried++, at = (at + 1) % LK_EPOCH_SLOTS) {
        _Atomic uint64_t *slot = &epochs->slots[at].stamp;
        uint64_t empty = 0;
        if (atomic_load_explicit(slot, memory_order_relaxed) != 0)
            continue;
        if (atomic_compare_exchange_strong(slot, &empty, atomic_load(&epochs->now))) {
            fence(epochs);
            favourite = at;
            return (int)at;
        }
    }
    return -1;
}

void lk_epoch_leave(struct lk_epochs *epochs, int slot)
{
    atomic_store_explicit(&epochs->slots[slot].stamp, 0, memory_order_release);
}

uint64_t lk_epoch_stamp(struct lk_epochs *epochs)
{
    fence(epochs); /* after the swap the caller just made */
    return atomic_fetch_add(&epochs->now, 1);
}

int lk_epoch_passed(struct lk_epochs *epochs, uint64_t stamp)
{
    fence(epochs);
    for (unsigned at = 0; at < LK_EPOCH_SLOTS; at++) {
        uint64_t inside = atomic_load_explicit(&epochs->slots[at].stamp, memory_order_acquire);
        if (inside != 0 && inside <= stamp)
            return 0;
    }
    return 1;
}

void lk_epoch_wait(struct lk_epochs *epochs, uint64_t stamp)
{
    while (!lk_epoch_passed(epochs, stamp))
        lk_thread_yield();
}

void lk_epoch_retire(struct lk_epochs *epochs, void *object, void (*release)(void *object))
{
    uint64_t stamp = lk_epoch_stamp(epochs);
    struct lk_retired *note = lk_epoch_passed(epochs, stamp) ? NULL : lk_alloc(sizeof *note);
    if (!note) {
        lk_epoch_wait(epochs, stamp);
        release(object);
        return;
    }
    *note = (struct lk_retired){.object = object, .release = release, .stamp = stamp};
    lk_mutex_lock(&epochs->mutex);
    note->next = epochs->retired;
    epochs->retired = note;
    atomic_fetch_add_explicit(&epochs->retired_count, 1, memory_order_relaxed);
    lk_mutex_unlock(&epochs->mutex);
}

/* Unlink the notes that are due. */
static struct lk_retired *take_due(struct lk_epochs *epochs)
{
    struct lk_retired *due = NULL;
    lk_mutex_lock(&epochs->mutex);
    for (struct lk_retired **link = &epochs->retired, *note; (note = *link) != NULL;) {
        if (!lk_epoch_passed(epochs, note->stamp)) {
            link = &note->next;
            continue;
        }
        *link = note->next;
        note->next = due;
        due = note;
        atomic_fetch_sub_explicit(&epochs->retired_count, 1, memory_order_relaxed);
    }
    lk_mutex_unlock(&epochs->mutex);
    return due;
}

void lk_epoch_reclaim(struct lk_epochs *epochs)
{
    if (atomic_load_explicit(&epochs->retired_count, memory_order_relaxed) == 0)
        return;
    for (struct lk_retired *note = take_due(epochs), *next; note; note = next) {
        next = note->next;
        note->release(note->object); /* may retire or free anything: no lock is held */
        lk_free(note);
    }
}
