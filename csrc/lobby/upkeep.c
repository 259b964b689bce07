/* upkeep: flush, compact, step, pause, verify. */
#include "engine/background.h"
#include "engine/compact.h"
#include "engine/inspect.h"
#include "engine/wake.h"
#include "lobby/lobby.h"

/* Whoever works for a store that is being closed hears that it is closed. */
static int leave(lsmkv *db, int rc)
{
    lk_handle_leave(db);
    return rc == LSMKV_CANCELLED ? lk_handle_refuse(db, LSMKV_CLOSED) : rc;
}

int lsmkv_flush(lsmkv *db)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(db);
    if (rc == 0)
        rc = lk_background_flush(db->db);
    return leave(db, rc);
}

int lsmkv_compact(lsmkv *db, const struct lsmkv_slice *start, const struct lsmkv_slice *stop, lsmkv_progress progress,
                  void *context)
{
    struct lk_lobby_range range;
    int rc = lk_lobby_writable(db);
    if (rc != 0)
        return rc;
    if (!start && !stop)
        return lk_compact(db, NULL, progress, context);
    rc = lk_lobby_range_take(db->space, start, stop, &range);
    if (rc != 0)
        return rc;
    struct lk_span span = {.start = range.record.key, .stop = range.record.value};
    rc = lk_lobby_range_is_empty(&range) ? lsmkv_flush(db) : lk_compact(db, &span, progress, context);
    lk_lobby_range_drop(&range);
    return rc;
}

int lsmkv_step(lsmkv *db, struct lsmkv_step *did)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(db);
    if (rc == 0)
        rc = lk_background_step(db->db, did);
    return leave(db, rc);
}

int lsmkv_pause(lsmkv *db)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    atomic_fetch_add(&db->pauses, 1);
    atomic_fetch_add(&db->db->pauses, 1);
    lk_handle_leave(db);
    return 0;
}

int lsmkv_resume(lsmkv *db)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    uint32_t mine = atomic_load(&db->pauses);
    while (mine && !atomic_compare_exchange_weak(&db->pauses, &mine, mine - 1))
        ;
    if (!mine)
        rc = lk_fail(LSMKV_INVALID, "this handle has paused no merges");
    else if (atomic_fetch_sub(&db->db->pauses, 1) == 1)
        lk_wake(db->db);
    lk_handle_leave(db);
    return rc;
}

uint32_t lsmkv_pending(lsmkv *db)
{
    if (db->readonly || lk_handle_enter(db) != 0)
        return 0;
    struct lk_job job = lk_background_next(db->db);
    lk_handle_leave(db);
    return job.kind != LK_JOB_NONE;
}

int lsmkv_verify(lsmkv *db, lsmkv_found found, lsmkv_progress progress, void *context)
{
    return lk_verify_handle(db, found, progress, context);
}
