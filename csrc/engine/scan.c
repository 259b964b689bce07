/* scan: a chunk is lent where it lies, or waited for and kept. */
#include "engine/scan.h"

#include <string.h>

#include "engine/scan_inner.h"
#include "store/order.h"
#include "store/table_cursor.h"
#include "util/alloc.h"

enum { PATIENCE_KEYS = 4096, FILLS_BEFORE_STREAM = 8 };

/* ---- a chunk ------------------------------------------------------------------------------- */

/* Bring the orders of all memtables of the scan up to its snapshot. Not inside a slot. */
static int order(struct lk_scan *scan, int wait)
{
    for (uint32_t i = 0; !scan->ordered && i < scan->memtable_count; i++) {
        int rc = lk_order_update(scan->at.version->memtables[i], wait ? UINT32_MAX : PATIENCE_KEYS, wait);
        if (rc != 0)
            return rc;
    }
    scan->ordered = 1;
    return 0;
}

static int latch(struct lk_scan *scan, int rc)
{
    if (rc < 0) {
        scan->status = rc;
        scan->error = *lk_error();
    }
    return rc;
}

static int begin_try(struct lk_scan *scan, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    int rc = order(scan, 0);
    if (rc != 0)
        return rc;
    scan->slot = lk_epoch_enter(&scan->db->epochs);
    if (scan->slot < 0)
        return LSMKV_WOULDBLOCK;
    rc = lk_scan_collect(scan, &scan->merge, 0, most, most_bytes, pairs, count);
    if (rc == 0 && *count > 0)
        return 0;
    lk_scan_end(scan);
    return rc == 0 ? LSMKV_WOULDBLOCK : rc; /* a long stretch of deleted keys goes on without the caller's locks */
}

/* What stopped the merge: its failed source, which is a run. */
static struct lk_table_cursor *stopped(struct lk_scan *scan)
{
    uint32_t first_run = scan->source_count - scan->run_count;
    return &scan->runs[scan->merge.failed - first_run].run.inner;
}

/* One pair through private reads, when the cache cannot hold what the scan needs. The slot is held over those
 * reads, because the active memtable's order is looked at meanwhile: reclaiming waits for it, nothing else does. */
static int collect_private(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t *count)
{
    const struct lk_version *version = scan->at.version;
    struct lk_run_source *runs = lk_alloc_zero((scan->run_count + 1) * sizeof *runs);
    struct lk_merge_source *sources = lk_alloc_zero((scan->source_count + 1) * sizeof *sources);
    struct lk_merge merge;
    uint32_t first_run = scan->source_count - scan->run_count, opened = 0;
    int rc = runs && sources ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while a scan went on");
    for (uint32_t i = 0; rc == 0 && i < scan->source_count; i++) {
        sources[i] = scan->sources[i];
        if (i >= first_run)
            sources[i].cursor = lk_run_source_open(&runs[opened], version->runs[opened], 1), opened++;
    }
    if (rc == 0) {
        lk_merge_init(&merge, sources, scan->source_count);
        rc = lk_scan_collect(scan, &merge, 1, 1, 1, pairs, count);
    }
    if (rc == 0 && *count && pairs->value.size && !pairs->value.data) {
        struct lk_cursor *cursor = lk_merge_current(&merge);
        lk_buf_reset(&scan->copy);
        rc = lk_buf_reserve(&scan->copy, pairs->key.size + pairs->value.size);
        if (rc == 0)
            rc = cursor->ops->value_piece(cursor, 0, scan->copy.at + pairs->key.size, pairs->value.size);
        if (rc == 0 && pairs->key.size)
            memcpy(scan->copy.at, pairs->key.data, pairs->key.size);
        if (rc == 0)
            *pairs = (struct lsmkv_pair){{scan->copy.at, pairs->key.size},
                                         {scan->copy.at + pairs->key.size, pairs->value.size}};
    } else if (rc == 0) {
        rc = lk_scan_keep(scan, pairs, *count);
    }
    for (uint32_t i = 0; i < opened; i++)
        runs[i].run.cursor.ops->deinit(&runs[i].run.cursor);
    lk_free(runs);
    lk_free(sources);
    return rc;
}

/* Advice is good for a walk and never needed for one. After each the walk begins anew where something was last found,
 * perhaps in the table before, and would ask again: so the chunk does without, once there was enough of it. */
static void advise(struct lk_scan *scan, uint32_t times)
{
    lk_table_cursor_advise(stopped(scan));
    for (uint32_t i = 0; times > 2 * scan->run_count && i < scan->run_count; i++)
        scan->runs[i].run.inner.tells = 0;
}

static int begin_wait(struct lk_scan *scan, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    int rc = order(scan, 1), fills = 0;
    uint32_t told = 0;
    if (rc != 0)
        return rc;
    for (;;) {
        int slot = lk_read_enter(scan->db);
        rc = lk_scan_collect(scan, &scan->merge, 1, most, most_bytes, pairs, count);
        struct lk_missing missing = rc == LSMKV_WOULDBLOCK ? stopped(scan)->missing : (struct lk_missing){0};
        if (rc == 0 && *count)
            rc = lk_scan_keep(scan, pairs, *count);
        lk_epoch_leave(&scan->db->epochs, slot);
        if (rc == 0 && *count == 0)
            continue; /* deleted keys only: go on */
        if (rc != LSMKV_WOULDBLOCK)
            return rc == 0 ? lk_scan_fetch(scan, pairs, count) : rc;
        if (lk_table_wants_advice(&missing)) {
            advise(scan, ++told);
            continue;
        }
        if (++fills > FILLS_BEFORE_STREAM + 2 * (int)scan->run_count || missing.bytes > scan->db->budget.cache / 8) {
            slot = lk_read_enter(scan->db);
            rc = collect_private(scan, pairs, count);
            lk_epoch_leave(&scan->db->epochs, slot);
            if (rc == 0 && *count)
                rc = lk_scan_fetch(scan, pairs, count);
            if (rc != 0 || *count)
                return rc;
            fills = 0;
            continue;
        }
        rc = lk_table_cursor_fill(stopped(scan));
        if (rc < 0)
            return rc;
    }
}

/* Tell the transaction how far its range was walked. */
static int remember(struct lk_scan *scan)
{
    int forward = !scan->reverse, open_end = scan->over || !forward ? !scan->has_stop : 0, rc = 0;
    if (!scan->over && !scan->started)
        return 0;
    lk_buf_reset(&scan->from);
    if (!forward && !scan->over)
        rc = lk_scan_bound(&scan->from, lk_buf_slice(&scan->last), 0);
    else if (scan->has_start)
        rc = lk_scan_bound(&scan->from, lk_buf_slice(&scan->start), scan->exclude_start);
    if (rc == 0 && forward && !scan->over)
        rc = lk_scan_bound(&scan->to, lk_buf_slice(&scan->last), 1);
    else if (rc == 0 && scan->has_stop)
        rc = lk_scan_bound(&scan->to, lk_buf_slice(&scan->stop), scan->include_stop);
    struct lk_slice stop = lk_buf_slice(&scan->to);
    return rc == 0 ? lk_reads_range(scan->at.reads, lk_buf_slice(&scan->from), open_end ? NULL : &stop) : rc;
}

/* A chunk of a transaction's range. */
static int begin_remembered(struct lk_scan *scan, int wait, size_t most, size_t most_bytes, struct lsmkv_pair *pairs,
                            size_t *count)
{
    int rc = wait ? begin_wait(scan, most, most_bytes, pairs, count) : begin_try(scan, most, most_bytes, pairs, count);
    int kept = rc == 0 || rc == LSMKV_NOTFOUND ? remember(scan) : 0;
    if (kept == 0)
        return rc;
    lk_scan_end(scan); /* what is not remembered is not shown */
    *count = 0;
    return kept;
}

int lk_scan_begin(struct lk_scan *scan, int wait, size_t most, size_t most_bytes, struct lsmkv_pair *pairs,
                  size_t *count)
{
    *count = 0;
    if (scan->status < 0) {
        lk_error_restore(&scan->error);
        return scan->status;
    }
    if (scan->over)
        return LSMKV_NOTFOUND;
    for (uint32_t i = 0; i < scan->run_count; i++)
        scan->runs[i].run.inner.tells = 1;
    if (scan->at.reads) {
        int rc = lk_reads_enter(scan->at.reads);
        if (rc < 0)
            return rc;
        rc = latch(scan, begin_remembered(scan, wait, most, most_bytes, pairs, count));
        lk_reads_leave(scan->at.reads);
        return rc;
    }
    return latch(scan, wait ? begin_wait(scan, most, most_bytes, pairs, count)
                            : begin_try(scan, most, most_bytes, pairs, count));
}

void lk_scan_end(struct lk_scan *scan)
{
    if (scan->slot >= 0)
        lk_epoch_leave(&scan->db->epochs, scan->slot);
    scan->slot = -1;
}
