/* count: how many keys a range holds, found by walking over them; no Python object is made.
 *
 * A short count is made with the interpreter lock held. A longer one gives it up and comes back
 * every 25 ms to let signal handlers run, so Ctrl-C ends it. */
#include "py/range.h"

enum { CHUNK_PAIRS = 256, CHUNK_BYTES = 64 << 10, SHORT_CHUNKS = 4, AWAY_NS = 25000000 };

struct counter {
    lsmkv_iter *scan; /* owned */
    Py_ssize_t count, limit;
};

/* One chunk. 0, NOTFOUND at the end or the limit, WOULDBLOCK only if `may_wait` is false. */
static int count_chunk(struct counter *counter, int may_wait)
{
    struct lsmkv_pair pairs[CHUNK_PAIRS];
    size_t most = CHUNK_PAIRS, got = 0;
    if (counter->limit >= 0 && counter->limit - counter->count < CHUNK_PAIRS)
        most = (size_t)(counter->limit - counter->count);
    if (most == 0)
        return LSMKV_NOTFOUND;
    int rc = lsmkv_try_iter_begin(counter->scan, most, CHUNK_BYTES, pairs, &got);
    if (rc == LSMKV_WOULDBLOCK && may_wait)
        rc = lsmkv_iter_begin(counter->scan, most, CHUNK_BYTES, pairs, &got);
    if (rc == 0) {
        counter->count += (Py_ssize_t)got;
        lsmkv_iter_end(counter->scan);
    }
    return rc;
}

static int count_briefly(struct counter *counter)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < SHORT_CHUNKS; i++)
        rc = count_chunk(counter, 0);
    return rc == LSMKV_WOULDBLOCK ? 0 : rc;
}

/* 0: there is more to count. */
static int count_away(struct counter *counter)
{
    int rc = 0;
    Py_BEGIN_ALLOW_THREADS int64_t until = lsm_now_ns() + AWAY_NS;
    while (rc == 0 && lsm_now_ns() < until)
        rc = count_chunk(counter, 1);
    Py_END_ALLOW_THREADS return rc;
}

static Py_ssize_t count_at(struct lsm_source *source, const lsmkv_snapshot *snapshot, const struct lsm_range *range,
                           Py_ssize_t limit)
{
    struct counter counter = {.limit = limit};
    struct lsmkv_range lent;
    if (lsm_range_is_empty(range))
        return 0;
    lsm_range_lend(range, &lent);
    int rc = lsmkv_iter_new(source->store->db, snapshot, &lent, &counter.scan);
    if (rc != 0)
        return lsm_fail(source, rc), -1;
    rc = count_briefly(&counter);
    while (rc == 0 && PyErr_CheckSignals() == 0 && lsm_enter(source) == 0)
        rc = count_away(&counter);
    if (rc < 0)
        lsm_fail(source, rc);
    lsmkv_iter_free(counter.scan);
    return rc == LSMKV_NOTFOUND ? counter.count : -1;
}

Py_ssize_t lsm_count(struct lsm_source *source, const struct lsm_range *range, Py_ssize_t limit)
{
    if (lsm_enter(source) < 0)
        return -1;
    lsm_pin(source);
    Py_ssize_t count = count_at(source, source->snapshot, range, limit);
    lsm_unpin(source);
    return count;
}

/* The number of keys at one LSN never changes, so it is counted once. */
static Py_ssize_t count_everything(struct lsm_source *source, const lsmkv_snapshot *snapshot)
{
    const struct lsm_range everything = {0};
    struct lsm_store *store = source->store;
    uint64_t lsn = lsmkv_snapshot_lsn(snapshot);
    if (store->counted >= 0 && store->counted_lsn == lsn)
        return store->counted;
    Py_ssize_t count = count_at(source, snapshot, &everything, -1);
    if (count >= 0) {
        store->counted_lsn = lsn;
        store->counted = count;
    }
    return count;
}

Py_ssize_t lsm_source_len(PyObject *self)
{
    struct lsm_source *source = (struct lsm_source *)self;
    lsmkv_snapshot *now = NULL;
    if (lsm_enter(source) < 0)
        return -1;
    int rc = source->snapshot ? 0 : lsmkv_snapshot_new(source->store->db, &now);
    if (rc != 0)
        return lsm_fail(source, rc), -1;
    lsm_pin(source);
    Py_ssize_t count = count_everything(source, now ? now : source->snapshot);
    lsm_unpin(source);
    if (now)
        lsmkv_snapshot_free(now);
    return count;
}
