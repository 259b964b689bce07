/* scanning: iterators. */
#include "engine/scan.h"
#include "engine/wake.h"
#include "lobby/lobby.h"

struct lsmkv_iter {
    struct lsmkv *handle; /* shared */
    struct lk_scan *scan; /* owned */
    _Atomic int busy;     /* a thread is between begin and end */
};

int lsmkv_iter_new(lsmkv *db, const lsmkv_snapshot *snapshot, const struct lsmkv_range *range, lsmkv_iter **out)
{
    *out = NULL;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lsmkv_iter *iter = lk_alloc_zero(sizeof *iter);
    rc = iter ? lk_lobby_look(snapshot) : lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    if (rc == 0) {
        rc = lk_scan_new(db->db, snapshot ? &snapshot->at : NULL, range, &iter->scan);
        lk_lobby_looked(snapshot);
    }
    if (rc == 0) {
        lk_handle_ref(db);
        iter->handle = db;
        atomic_fetch_add(&db->db->counters.live_iterators, 1);
        atomic_fetch_add_explicit(&db->db->counters.scans, 1, memory_order_relaxed);
        if (atomic_fetch_add_explicit(&db->db->scans_since_seal, 1, memory_order_relaxed) == 0)
            lk_wake_try(db->db);
        *out = iter;
    } else {
        lk_free(iter);
    }
    lk_handle_leave(db);
    return rc;
}

void lsmkv_iter_free(lsmkv_iter *iter)
{
    if (!iter || iter->handle->db->fork_generation != lk_fork_generation)
        return;
    atomic_fetch_sub(&iter->handle->db->counters.live_iterators, 1);
    lk_scan_free(iter->scan);
    lk_handle_unref(iter->handle);
    lk_free(iter);
}

static int iter_begin(lsmkv_iter *iter, int wait, size_t most, size_t most_bytes, struct lsmkv_pair *pairs,
                      size_t *count)
{
    *count = 0;
    if (iter->handle->db->fork_generation != lk_fork_generation)
        return lk_handle_refuse(iter->handle, LSMKV_FORKED);
    if (atomic_exchange(&iter->busy, 1))
        return lk_fail(LSMKV_BUSY, "the iterator is in use by another thread: give each thread its own");
    int rc = lk_handle_enter(iter->handle);
    if (rc == 0) {
        rc = lk_scan_begin(iter->scan, wait, most, most_bytes, pairs, count);
        lk_handle_leave(iter->handle);
    }
    if (rc != 0)
        atomic_store(&iter->busy, 0);
    return rc;
}

int lsmkv_try_iter_begin(lsmkv_iter *iter, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    return iter_begin(iter, 0, most, most_bytes, pairs, count);
}

int lsmkv_iter_begin(lsmkv_iter *iter, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    return iter_begin(iter, 1, most, most_bytes, pairs, count);
}

void lsmkv_iter_end(lsmkv_iter *iter)
{
    lk_scan_end(iter->scan);
    atomic_store(&iter->busy, 0);
}
