/* snapshots: a frozen state. */
#include "engine/leave.h"
#include "lobby/lobby.h"

int lsmkv_snapshot_new(lsmkv *db, lsmkv_snapshot **out)
{
    *out = NULL;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lsmkv_snapshot *snapshot = lk_alloc_zero(sizeof *snapshot);
    rc = snapshot ? lk_snapshot_take(db->db, &snapshot->at)
                  : lk_fail(LSMKV_NOMEM, "memory ran out while a snapshot was taken");
    if (rc == 0) {
        lk_handle_ref(db);
        snapshot->handle = db;
        snapshot->pin = lk_pin_new(db->db, &snapshot->at);
        atomic_fetch_add(&db->db->counters.live_snapshots, 1);
        *out = snapshot;
    } else {
        lk_free(snapshot);
    }
    lk_handle_leave(db);
    return rc;
}

void lsmkv_snapshot_free(lsmkv_snapshot *snapshot)
{
    if (!snapshot || snapshot->handle->db->fork_generation != lk_fork_generation)
        return; /* in the child of a fork nothing of the parent's is touched */
    atomic_fetch_sub(&snapshot->handle->db->counters.live_snapshots, 1);
    if (snapshot->pin && !lk_pin_end(snapshot->pin))
        snapshot->at.version = NULL;
    lk_leave_snapshot(&snapshot->at);
    lk_handle_unref(snapshot->handle);
    lk_free(snapshot);
}

uint64_t lsmkv_snapshot_lsn(const lsmkv_snapshot *snapshot)
{
    return snapshot->at.lsn;
}

uint64_t lsmkv_snapshot_taken_ns(const lsmkv_snapshot *snapshot)
{
    return snapshot->at.taken_ns;
}
