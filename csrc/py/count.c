/* count: how many keys there are, and how many a range holds; no Python object is made.
 *
 * The whole is counted by the engine (lsmkv_count). A range is walked over: a short count is made with the interpreter
 * lock held; a longer one gives it up and comes back every 25 ms to let signal handlers run, so Ctrl-C ends it. */
#include "py/progress.h"
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
    lent.keys_only = 1;
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

/* ---- len ---------------------------------------------------------------------------------- */

/* Without the interpreter lock, which comes back for signal handlers. */
static int count_everything_away(struct lsm_source *source, uint64_t *count)
{
    struct lsm_progress progress;
    lsm_progress_begin(&progress, NULL, "count");
    int rc = lsmkv_count(source->store->db, source->snapshot, lsm_progress_report, &progress, count);
    lsm_progress_end(&progress);
    if (progress.raised)
        return -1;
    return rc == 0 ? 0 : (lsm_fail(source, rc), -1);
}

/* The engine keeps the number, and follows it. */
Py_ssize_t lsm_source_len(PyObject *self)
{
    struct lsm_source *source = (struct lsm_source *)self;
    uint64_t count = 0;
    if (lsm_enter(source) < 0)
        return -1;
    lsm_pin(source);
    int rc = lsmkv_try_count(source->store->db, source->snapshot, &count);
    if (rc == LSMKV_WOULDBLOCK)
        rc = count_everything_away(source, &count);
    else if (rc < 0)
        lsm_fail(source, rc);
    lsm_unpin(source);
    return rc == 0 ? (Py_ssize_t)count : -1;
}
