/* compact: flush and merge to the end, a step at a time. */
#include "engine/compact.h"

#include <string.h>

#include "engine/background.h"
#include "engine/compaction.h"
#include "engine/events.h"
#include "engine/inspect.h"
#include "engine/install.h"
#include "engine/pin.h"
#include "engine/rate.h"

/* Let the caller know, holding nothing. 0, CANCELLED, CLOSED, FORKED. */
static int tell(struct lsmkv *handle, lsmkv_progress progress, void *context, uint64_t done, uint64_t total)
{
    if (!progress)
        return 0;
    lk_handle_leave(handle);
    int stop = progress(context, done, total < done ? done : total);
    int rc = lk_handle_enter(handle);
    if (rc != 0)
        return rc;
    return stop ? lk_fail(LSMKV_CANCELLED, "the operation was cancelled; the store is sound, and it can go on later")
                : 0;
}

static uint64_t bytes_to_merge(const struct lk_shape *shape)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < shape->run_count; i++)
        bytes += shape->runs[i].bytes;
    return bytes;
}

/* One step towards a single run. 0, NOTFOUND: there. */
static int step(struct lk_db *db, struct lsmkv_step *did, uint64_t *left)
{
    struct lk_shape shape;
    lk_rate_lock_work(db);
    lk_background_shape(db, 0, &shape);
    shape.sealed = 0;
    shape.sealed_bytes = 0;
    shape.paused = 0;
    shape.merge_wanted = 1;
    *left = bytes_to_merge(&shape);
    struct lk_job job = lk_plan(&shape);
    int rc = job.kind == LK_JOB_MERGE ? lk_merge_step_run(db, &job, did) : LSMKV_NOTFOUND;
    lk_rate_unlock_work(db);
    lk_epoch_reclaim(&db->epochs);
    lk_pin_expire(db);
    return rc;
}

/* Bytes of tables that have something in the span. */
static uint64_t bytes_in_span(const struct lk_version *version, const struct lk_span *span)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++)
            bytes += lk_span_meets(span, version->runs[i]->tables[j]) ? version->runs[i]->tables[j]->meta.bytes : 0;
    return bytes;
}

/* One step towards a span that lies in one run. Merges under way end first: no run belongs to two jobs. */
static int step_span(struct lk_db *db, const struct lk_span *span, struct lsmkv_step *did, uint64_t *left)
{
    struct lk_shape shape;
    struct lk_stretch stretch;
    int rc = LSMKV_NOTFOUND;
    lk_rate_lock_work(db);
    lk_background_shape(db, 0, &shape);
    shape.sealed = 0;
    shape.paused = 0;
    shape.policy = LSMKV_MERGE_NONE;
    struct lk_job job = lk_plan(&shape);
    struct lk_version *version = lk_install_present(db);
    *left = bytes_in_span(version, span);
    lk_version_unref(version);
    if (job.kind == LK_JOB_MERGE)
        rc = lk_merge_step_run(db, &job, did);
    else
        for (uint32_t from = 0; rc == LSMKV_NOTFOUND && lk_plan_stretch(&shape, from, &stretch);
             from = stretch.last + 1)
            rc = lk_span_step(db, span, stretch.first, stretch.last, did);
    lk_rate_unlock_work(db);
    lk_epoch_reclaim(&db->epochs);
    return rc;
}

static int name_damage(const struct lk_table *table, uint32_t run, uint32_t runs)
{
    uint64_t offset = atomic_load(&table->damaged) - 1;
    int rc = lk_fail_corrupt(
        table->name, offset,
        "%s is damaged at byte %llu: run %u of %u was left alone from there on, and with it what was to be merged "
        "into it; nothing is lost by that; `lsmkv verify` names every such place; keys outside them can be read "
        "and written",
        table->name, (unsigned long long)offset, run, runs);
    lk_error()->recoverable = 1;
    return rc;
}

/* A damaged run is left alone; whoever asked for one run hears of it. */
static int check_whole(struct lk_db *db, const struct lk_span *span)
{
    struct lk_version *version = lk_install_present(db);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < version->run_count; i++)
        for (uint32_t j = 0; rc == 0 && j < version->runs[i]->count; j++)
            if (atomic_load(&version->runs[i]->tables[j]->damaged) &&
                (!span || lk_span_meets(span, version->runs[i]->tables[j])))
                rc = name_damage(version->runs[i]->tables[j], i + 1, version->run_count);
    struct lsmkv_error saved = *lk_error();
    lk_version_unref(version);
    lk_error_restore(&saved);
    return rc;
}

static int compact(struct lsmkv *handle, const struct lk_span *span, lsmkv_progress progress, void *context)
{
    struct lsmkv_step did = {0};
    uint64_t done = 0, left = 0, total = 0;
    int rc = tell(handle, progress, context, 0, 0);
    if (rc == 0)
        rc = lk_background_flush(handle->db);
    while (rc == 0 && (rc = span ? step_span(handle->db, span, &did, &left) : step(handle->db, &did, &left)) == 0) {
        total = total ? total : left;
        done += did.bytes_in;
        lk_event_step(handle->db, &did);
        rc = tell(handle, progress, context, done, total);
        memset(&did, 0, sizeof did);
    }
    if (rc == LSMKV_NOTFOUND)
        rc = tell(handle, progress, context, done, done);
    if (rc == 0 && !span)
        rc = lk_background_shrink(handle->db);
    if (rc == 0)
        rc = check_whole(handle->db, span);
    int closed = rc == LSMKV_CANCELLED && atomic_load(&handle->db->closing);
    if (rc != LSMKV_CLOSED && rc != LSMKV_FORKED) /* those say that it is no longer entered */
        lk_handle_leave(handle);
    return closed ? lk_handle_refuse(handle, LSMKV_CLOSED) : rc;
}

int lk_compact(struct lsmkv *handle, const struct lk_span *span, lsmkv_progress progress, void *context)
{
    int rc = lk_handle_enter(handle);
    return rc == 0 ? compact(handle, span, progress, context) : rc;
}

/* ---- verify ----------------------------------------------------------------------------------- */

struct report {
    struct lsmkv *handle;
    lsmkv_found found;
    lsmkv_progress progress;
    void *context;
    int refused; /* the store was closed under the walk */
};

static void found_one(void *arg, const struct lsmkv_error *damage)
{
    struct report *report = arg;
    report->found(report->context, damage);
}

static int went_on(void *arg, uint64_t done, uint64_t total)
{
    struct report *report = arg;
    int rc = tell(report->handle, report->progress, report->context, done, total);
    if (rc == LSMKV_CLOSED || rc == LSMKV_FORKED)
        report->refused = rc;
    return rc != 0;
}

int lk_verify_handle(struct lsmkv *handle, lsmkv_found found, lsmkv_progress progress, void *context)
{
    struct report report = {handle, found, progress, context, 0};
    int rc = lk_handle_enter(handle);
    if (rc != 0)
        return rc;
    rc = lk_verify(handle->db, found ? found_one : NULL, went_on, &report);
    if (report.refused)
        return lk_handle_refuse(handle, report.refused);
    lk_handle_leave(handle);
    return rc;
}
