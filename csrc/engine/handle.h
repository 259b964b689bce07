/* handle: what a caller of lsmkv.h holds. Several handles may share one engine.
 *
 *   lsmkv_open --> open --lsmkv_close--> closing --> closed --lsmkv_release--> gone
 *
 * Two kinds of calls come in. A `try` call claims an epoch slot of the engine, looks whether the handle is
 * still open, and leaves within the call. A call that may wait is counted in `calls` instead. Closing sets the
 * flag, then waits until the slots of that moment are left and the count is zero. The engine's struct stays in
 * memory until the last handle is released, so a late `try` call finds slots to claim and then sees the flag.
 *
 * A handle on a namespace is a handle like any other. It is closed by whoever drops the namespace, too; who works on
 * namespaces is therefore never counted in the calls of such a handle, or two of them could wait for each other. */
#ifndef LK_ENGINE_HANDLE_H
#define LK_ENGINE_HANDLE_H

#include "engine/db.h"
#include "format/catalog.h"

struct lsmkv {
    struct lk_db *db;            /* shared: counted in db->references */
    _Atomic int state;           /* enum lk_handle_state */
    _Atomic uint32_t calls;      /* waiting calls in flight */
    _Atomic uint32_t references; /* the caller's, and one for each snapshot, iterator */
    _Atomic uint32_t pauses;     /* its part of db->pauses */
    int readonly;
    uint64_t ttl_ns;             /* how long puts live that name no expiry; 0: for ever */
    const char *key_codec, *value_codec; /* borrowed: the engine's, or from */
    char *names;                 /* owned; NULL on the default namespace */
    uint32_t space;              /* where its keys lie: LK_SPACE_DEFAULT, or the id of a namespace */
    struct lsmkv *next;          /* of a namespace, open or closing: the engine's list; under the registry mutex */
};

enum lk_handle_state { LK_HANDLE_OPEN, LK_HANDLE_CLOSING, LK_HANDLE_CLOSED };

/* 0, CLOSED or FORKED. */
static inline int lk_handle_check(const struct lsmkv *handle)
{
    if (handle->db->fork_generation != lk_fork_generation)
        return LSMKV_FORKED;
    return atomic_load(&handle->state) == LK_HANDLE_OPEN ? 0 : LSMKV_CLOSED;
}

/* The words for CLOSED and FORKED; returns the status. */
int lk_handle_refuse(const struct lsmkv *handle, int status);

/* A waiting call begins / ends. enter: 0, or refused with words. */
LK_MUST_CHECK int lk_handle_enter(struct lsmkv *handle);
void lk_handle_leave(struct lsmkv *handle);

/* A call that works on namespaces begins / ends: *through is `handle`, or stands in for it when that is on a namespace
 * itself. leave: rc, or what ending the engine answers when rc is 0 and everybody else has closed meanwhile. */
LK_MUST_CHECK int lk_handle_enter_store(struct lsmkv *handle, struct lsmkv **through);
LK_MUST_CHECK int lk_handle_leave_store(struct lsmkv *handle, struct lsmkv *through, int rc);

/* Another handle on the engine of `of`: on the namespace the entry names, or on the default one (NULL). Owned by the
 * caller: end it, or give it to whoever closes and releases it. 0, CLOSED, FORKED, NOMEM. */
LK_MUST_CHECK int lk_handle_share(struct lsmkv *of, const struct lk_catalog_entry *entry, struct lsmkv **out);
/* Close and release, without making anything durable unless the engine ends with it. */
int lk_handle_end(struct lsmkv *handle);
/* Close all handles on that namespace; when it returns nothing goes on through any of them. Not within a call
 * through one. */
void lk_handle_close_space(struct lk_db *db, uint32_t space);

/* A try call begins: the slot, or a status: WOULDBLOCK (no slot free), CLOSED, FORKED. */
static inline int lk_handle_slot(struct lsmkv *handle, int *status)
{
    if (handle->db->fork_generation != lk_fork_generation) {
        *status = lk_handle_refuse(handle, LSMKV_FORKED);
        return -1;
    }
    int slot = lk_epoch_enter(&handle->db->epochs);
    if (slot < 0) {
        *status = LSMKV_WOULDBLOCK;
        return -1;
    }
    if (atomic_load_explicit(&handle->state, memory_order_relaxed) != LK_HANDLE_OPEN) {
        lk_epoch_leave(&handle->db->epochs, slot);
        *status = lk_handle_refuse(handle, LSMKV_CLOSED);
        return -1;
    }
    return slot;
}

void lk_handle_ref(struct lsmkv *handle);
void lk_handle_unref(struct lsmkv *handle);

#endif
