/* scan_sources: a scan opens what it reads, and lets go of it. */
#include "engine/leave.h"
#include "engine/scan_inner.h"
#include "util/alloc.h"

static int allocate(struct lk_scan *scan)
{
    const struct lk_version *version = scan->at.version;
    uint32_t memtables = version->view ? version->view_from : version->memtable_count;
    scan->memtables = lk_alloc_zero((memtables + 1) * sizeof *scan->memtables);
    scan->ranges = lk_alloc_zero((memtables + 1) * sizeof *scan->ranges);
    scan->runs = lk_alloc_zero((version->run_count + 1) * sizeof *scan->runs);
    scan->sources = lk_alloc_zero((memtables + version->run_count + 2) * sizeof *scan->sources);
    if (!scan->memtables || !scan->ranges || !scan->runs || !scan->sources)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    scan->memtable_count = memtables;
    return 0;
}

static void add_source(struct lk_scan *scan, struct lk_cursor *cursor, const struct lk_ranges *ranges)
{
    scan->sources[scan->source_count++] =
        (struct lk_merge_source){.cursor = cursor, .ranges = ranges && ranges->count ? ranges : NULL};
}

static int open_sources(struct lk_scan *scan)
{
    const struct lk_version *version = scan->at.version;
    const struct lk_present present = lk_present_of(&scan->at);
    int rc = allocate(scan), slot = lk_read_enter(scan->db); /* lists of range deletes are replaced at any time */
    for (uint32_t i = 0; rc == 0 && i < scan->memtable_count; i++) {
        uint64_t limit = lk_present_limit(&present, i);
        struct lk_memtable *memtable = version->memtables[i];
        if (atomic_load_explicit(&memtable->key_count, memory_order_relaxed) == 0 &&
            !atomic_load_explicit(&memtable->ranges, memory_order_relaxed))
            continue;
        rc = lk_memtable_ranges(memtable, limit, &scan->ranges[i]);
        lk_memtable_cursor_init(&scan->memtables[i], memtable, limit);
        add_source(scan, &scan->memtables[i].cursor, &scan->ranges[i]);
    }
    lk_epoch_leave(&scan->db->epochs, slot);
    if (rc == 0 && version->view) {
        lk_view_cursor_init(&scan->view, version->view);
        add_source(scan, &scan->view.cursor, &version->view->ranges);
    }
    for (uint32_t i = 0; rc == 0 && i < version->run_count; i++, scan->run_count++)
        add_source(scan, lk_run_source_open(&scan->runs[i], version->runs[i], 0), &version->runs[i]->ranges);
    lk_merge_init(&scan->merge, scan->sources, scan->source_count);
    return rc;
}

static int copy_bounds(struct lk_scan *scan, const struct lsmkv_range *range)
{
    if (!range)
        return 0;
    scan->has_start = range->has_start;
    scan->has_stop = range->has_stop;
    scan->exclude_start = range->exclude_start;
    scan->include_stop = range->include_stop;
    scan->reverse = range->reverse;
    scan->keys_only = range->keys_only;
    int rc = range->has_start ? lk_buf_copy(&scan->start, lk_slice(range->start.data, range->start.size)) : 0;
    if (rc == 0 && range->has_stop)
        rc = lk_buf_copy(&scan->stop, lk_slice(range->stop.data, range->stop.size));
    return rc;
}

int lk_scan_new(struct lk_db *db, const struct lk_snapshot *snapshot, const struct lsmkv_range *range,
                struct lk_scan **out)
{
    *out = NULL;
    struct lk_scan *scan = lk_alloc_zero(sizeof *scan);
    if (!scan)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    scan->db = db;
    scan->slot = -1;
    lk_scan_row_begins(scan);
    int rc = 0;
    if (snapshot) {
        lk_snapshot_share(snapshot, &scan->at);
    } else {
        rc = lk_snapshot_take(db, &scan->at);
    }
    if (rc == 0)
        rc = copy_bounds(scan, range);
    if (rc == 0)
        rc = open_sources(scan);
    if (rc < 0) {
        lk_scan_free(scan);
        return rc;
    }
    *out = scan;
    return 0;
}

void lk_scan_free(struct lk_scan *scan)
{
    if (!scan)
        return;
    lk_scan_end(scan);
    for (uint32_t i = 0; i < scan->run_count; i++) {
        struct lk_file *file = lk_table_cursor_take_file(&scan->runs[i].run.inner);
        if (file)
            lk_leave_file(scan->db, file);
        scan->runs[i].run.cursor.ops->deinit(&scan->runs[i].run.cursor);
    }
    for (uint32_t i = 0; scan->ranges && i < scan->memtable_count; i++)
        lk_ranges_deinit(&scan->ranges[i]);
    lk_free(scan->memtables);
    lk_free(scan->ranges);
    lk_free(scan->runs);
    lk_free(scan->sources);
    lk_buf_deinit(&scan->start);
    lk_buf_deinit(&scan->stop);
    lk_buf_deinit(&scan->last);
    lk_buf_deinit(&scan->copy);
    lk_buf_deinit(&scan->apart);
    lk_buf_deinit(&scan->fetched);
    lk_buf_deinit(&scan->shelf);
    lk_buf_deinit(&scan->from);
    lk_buf_deinit(&scan->to);
    lk_buf_deinit(&scan->row.from);
    lk_buf_deinit(&scan->row.to);
    if (scan->at.version)
        lk_leave_snapshot(&scan->at);
    lk_free(scan);
}

uint64_t lk_scan_lsn(const struct lk_scan *scan)
{
    return scan->at.lsn;
}
