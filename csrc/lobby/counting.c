/* counting: how many keys there are. */
#include "engine/count.h"
#include "engine/leave.h"
#include "lobby/lobby.h"

/* A long count lets close in between any two groups of keys. */
struct count_call {
    struct lsmkv *handle;
    lsmkv_progress progress;
    void *context;
    int refused; /* the store was closed under the count: it is no longer entered */
};

static int went_on(void *arg, uint64_t done, uint64_t total)
{
    struct count_call *call = arg;
    lk_handle_leave(call->handle);
    int stop = call->progress ? call->progress(call->context, done, total) : 0;
    int rc = lk_handle_enter(call->handle);
    if (rc < 0)
        return call->refused = rc;
    return stop ? lk_fail(LSMKV_CANCELLED, "counting was cancelled; the store is as it was") : 0;
}

/* A snapshot never changes, so what was counted once through its own namespace is kept with it. Not a transaction's. */
static int is_kept(const struct lsmkv *db, const lsmkv_snapshot *snapshot)
{
    return snapshot && !snapshot->at.reads && db->space == snapshot->handle->space;
}

static uint64_t kept(const struct lsmkv *db, const lsmkv_snapshot *snapshot)
{
    return is_kept(db, snapshot) ? atomic_load((_Atomic uint64_t *)&snapshot->counted) : 0;
}

int lsmkv_try_count(lsmkv *db, const lsmkv_snapshot *snapshot, uint64_t *out)
{
    int rc = 0, slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    struct lk_pin *pin = snapshot ? snapshot->pin : NULL;
    rc = pin ? lk_pin_use(pin) : 0;
    if (rc == 0) {
        uint64_t known = kept(db, snapshot);
        if (known)
            *out = known - 1;
        else
            rc = lk_count_try(db->db, snapshot ? &snapshot->at : NULL, db->space, out);
        if (pin)
            lk_pin_unuse(pin);
    }
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

/* The state to be counted, shared: a transaction's may be another one after its next write. */
static int pin(struct lsmkv *db, const lsmkv_snapshot *snapshot, struct lk_snapshot *out)
{
    if (!snapshot)
        return lk_snapshot_take(db->db, out);
    int rc = lk_lobby_look(snapshot);
    if (rc != 0)
        return rc;
    lk_snapshot_share(&snapshot->at, out);
    lk_lobby_looked(snapshot);
    return 0;
}

static int count(struct count_call *call, const lsmkv_snapshot *snapshot, uint64_t *out)
{
    struct lk_watch watch = {.went_on = went_on, .context = call};
    struct lk_snapshot at;
    int rc = pin(call->handle, snapshot, &at);
    if (rc != 0)
        return rc;
    rc = lk_count(call->handle->db, &at, call->handle->space, &watch, out);
    lk_leave_snapshot(&at);
    return call->refused ? lk_handle_refuse(call->handle, call->refused) : rc;
}

int lsmkv_count(lsmkv *db, const lsmkv_snapshot *snapshot, lsmkv_progress progress, void *context, uint64_t *out)
{
    struct count_call call = {.handle = db, .progress = progress, .context = context};
    uint64_t known = kept(db, snapshot);
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lk_handle_ref(db); /* what was pinned is given back after the store may have been closed */
    if (known)
        *out = known - 1;
    else
        rc = count(&call, snapshot, out);
    if (rc == 0 && is_kept(db, snapshot))
        atomic_store((_Atomic uint64_t *)&snapshot->counted, *out + 1);
    if (!call.refused)
        lk_handle_leave(db);
    lk_handle_unref(db);
    return rc;
}
