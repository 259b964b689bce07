/* scanning: iterators. */
#include "engine/scan.h"
#include "engine/wake.h"
#include "lobby/lobby.h"

struct lsmkv_iter {
    struct lsmkv *handle; /* shared */
    struct lk_scan *scan; /* owned */
    _Atomic int busy;     /* a thread is between begin and end */
    int reverse;
};

/* The range with stored keys, bounded by the handle's space where the caller set no bound. A bound of that kind has
 * neither of the two extras: the space's first key belongs to it, and the first one behind it does not. */
static struct lsmkv_range bounds_of(const struct lsmkv_range *range, const struct lk_lobby_range *keys)
{
    struct lsmkv_range stored = {
        .has_start = 1, .has_stop = 1, .reverse = range->reverse, .keys_only = range->keys_only};
    stored.start = (struct lsmkv_slice){keys->record.key.at, keys->record.key.len};
    stored.stop = (struct lsmkv_slice){keys->record.value.at, keys->record.value.len};
    stored.exclude_start = range->has_start && range->exclude_start;
    stored.include_stop = range->has_stop && range->include_stop;
    if (keys->record.key.len == 0 && !stored.exclude_start)
        stored.has_start = 0; /* before everything: nothing needs comparing */
    return stored;
}

static int open_scan(lsmkv *db, const lsmkv_snapshot *snapshot, const struct lsmkv_range *range, struct lk_scan **out)
{
    struct lk_lobby_range keys;
    int rc = lk_lobby_range_take(db->space, range->has_start ? &range->start : NULL,
                                 range->has_stop ? &range->stop : NULL, &keys);
    if (rc != 0)
        return rc;
    struct lsmkv_range stored = bounds_of(range, &keys);
    rc = lk_scan_new(db->db, snapshot ? &snapshot->at : NULL, &stored, out);
    lk_lobby_range_drop(&keys);
    return rc;
}

/* From stored keys to the user's. In the default space only the greatest keys have a prefix: when the greatest of
 * the chunk has none, no other one has. */
static void strip(const lsmkv_iter *iter, struct lsmkv_pair *pairs, size_t count)
{
    const struct lsmkv_slice *greatest = &pairs[iter->reverse ? 0 : count - 1].key;
    if (iter->handle->space == LK_SPACE_DEFAULT &&
        (greatest->size == 0 || *(const uint8_t *)greatest->data != LK_SPACE_ESCAPE))
        return;
    for (size_t i = 0; i < count; i++) {
        size_t prefix;
        (void)lk_space_of(lk_slice(pairs[i].key.data, pairs[i].key.size), &prefix);
        pairs[i].key.data = (const uint8_t *)pairs[i].key.data + prefix;
        pairs[i].key.size -= prefix;
    }
}

int lsmkv_iter_new(lsmkv *db, const lsmkv_snapshot *snapshot, const struct lsmkv_range *range, lsmkv_iter **out)
{
    static const struct lsmkv_range everything = {0};
    range = range ? range : &everything;
    *out = NULL;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lsmkv_iter *iter = lk_alloc_zero(sizeof *iter);
    rc = iter ? lk_lobby_look(snapshot) : lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    if (rc == 0) {
        rc = open_scan(db, snapshot, range, &iter->scan);
        lk_lobby_looked(snapshot);
    }
    if (rc == 0) {
        lk_handle_ref(db);
        iter->handle = db;
        iter->reverse = range->reverse;
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
    if (rc == 0)
        strip(iter, pairs, *count);
    else
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
