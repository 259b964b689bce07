/* background: choosing and running jobs. */
#include "engine/background.h"

#include <stdio.h>
#include <string.h>

#include "engine/collect.h"
#include "engine/commit.h"
#include "engine/compaction.h"
#include "engine/events.h"
#include "engine/install.h"
#include "engine/pace.h"
#include "engine/pin.h"
#include "engine/rate.h"
#include "engine/rotate.h"
#include "engine/span.h"
#include "engine/stall.h"
#include "engine/wake.h"
#include "store/view.h"

enum { RETRY_NS = 1000000000 };

/* ---- the pace that follows from L0 ---------------------------------------------- */

/* What L0 weighs: its log, or, for tiny records, the memory of its index: what a segment may have of it stands for a
 * whole segment of log. */
uint64_t lk_background_l0_bytes(const struct lk_db *db, const struct lk_version *version)
{
    double whole = (double)db->segment_most / (double)db->budget.segment;
    uint64_t bytes = 0;
    for (uint32_t i = 1; i < version->memtable_count; i++) {
        uint64_t log = atomic_load(&version->memtables[i]->segment->end);
        uint64_t index = lk_memtable_index_bytes(version->memtables[i]);
        uint64_t weight = (uint64_t)((double)index * whole);
        bytes += index > db->budget.segment / 2 && weight > log ? weight : log;
        bytes += atomic_load(&version->memtables[i]->value_bytes); /* which a flush is the first to tell from garbage */
    }
    return bytes;
}

static void set_pace(struct lk_db *db)
{
    struct lk_shape shape;
    lk_background_shape(db, 0, &shape);
    double space = lk_pace_space(&shape);
    atomic_store(&db->pace_space, space <= 0 ? 0 : space < 1 ? (uint32_t)(space * 1000) : 1000);
}

struct lk_job lk_background_next(struct lk_db *db)
{
    struct lk_shape shape;
    lk_background_shape(db, 1, &shape);
    return lk_plan(&shape);
}

/* ---- the scan view ------------------------------------------------------------------------------ */

/* Somebody scans while sealed segments lie about that no view covers. */
static int view_wanted(struct lk_db *db)
{
    struct lk_version *version = lk_install_present(db);
    uint32_t sealed = version->memtable_count - 1;
    int wanted = sealed >= 2 && sealed <= LK_VIEW_MEMTABLES && atomic_load(&db->scans_since_seal) > 0 &&
                 (!version->view || version->view_from > 1);
    struct lk_l0 l0 = lk_pace_l0(db, version);
    for (uint32_t i = 1; wanted && i < version->memtable_count; i++)
        l0.memory += atomic_load(&version->memtables[i]->key_count) * sizeof(struct lk_view_entry);
    lk_version_unref(version);
    return wanted && l0.memory + l0.active_memory <= l0.memory_most; /* without one a scan has more sources */
}

/* Put the view into the present version. Sealed segments leave only under work_mutex, which is held; new ones
 * may have come in front. */
static int install_view(struct lk_db *db, struct lk_view *view)
{
    lk_mutex_lock(&db->write_mutex);
    struct lk_version *old = atomic_load(&db->version);
    struct lk_version *made =
        lk_version_new(old->memtables, old->memtable_count, old->runs, old->run_count, old->installs);
    if (made) {
        made->view = view;
        made->view_from = old->memtable_count - view->memtable_count;
        atomic_store_explicit(&db->version, made, memory_order_release);
    }
    lk_mutex_unlock(&db->write_mutex);
    if (!made) {
        lk_view_unref(view);
        return lk_fail(LSMKV_NOMEM, "memory ran out while a scan view was installed");
    }
    lk_epoch_retire(&db->epochs, old, lk_version_release);
    return 0;
}

static int make_view(struct lk_db *db, struct lsmkv_step *did)
{
    struct lk_version *version = lk_install_present(db);
    struct lk_view *view = NULL;
    uint32_t sealed = version->memtable_count - 1;
    int rc = lk_view_new(version->memtables + 1, sealed, &view);
    if (rc == 0) {
        did->records_in = did->records_out = view->count;
        snprintf(did->what, sizeof did->what, "scan view");
        snprintf(did->why, sizeof did->why, "scans go on over %u sealed segment%s", sealed, sealed == 1 ? "" : "s");
        rc = install_view(db, view);
    }
    lk_version_unref(version);
    return rc;
}

/* ---- jobs --------------------------------------------------------------------------------------- */

/* Flush, and let writers know how fast that is. What a limit on background work slept, they do not pay for. */
static int flush_paced(struct lk_db *db, struct lsmkv_step *did)
{
    uint64_t limited = atomic_load(&db->counters.limited_ns), began = lk_stall_now(db);
    int rc = lk_flush_l0(db, did);
    uint64_t took = lk_stall_now(db) - began - (atomic_load(&db->counters.limited_ns) - limited);
    if (rc == 0)
        db->pace_unit = lk_pace_unit(db->pace_unit, did->bytes_in, took);
    return rc;
}

/* Flush all of L0. What stands in tables is on the disk, whatever became of its log. work_mutex held. */
static int flush_l0(struct lk_db *db, struct lsmkv_step *did)
{
    struct lk_version *version = lk_install_present(db);
    const struct lk_segment *newest = version->memtable_count > 1 ? version->memtables[1]->segment : NULL;
    uint64_t through = newest ? lk_lsn(newest->number, atomic_load(&newest->end)) : 0;
    lk_version_unref(version);
    int rc = flush_paced(db, did);
    if (rc < 0)
        return rc;
    lk_mutex_lock(&db->sync_mutex);
    if (atomic_load(&db->unsettled) && db->lsn_settled > through)
        through = db->lsn_settled;
    if (through > atomic_load(&db->lsn_durable))
        atomic_store(&db->lsn_durable, through);
    atomic_store(&db->unsettled, 0);
    lk_mutex_unlock(&db->sync_mutex);
    return rc;
}

int lk_background_flush_locked(struct lk_db *db)
{
    struct lsmkv_step did = {0};
    int rc = flush_l0(db, &did);
    if (rc == 0)
        lk_event_step(db, &did);
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}

static int run_job(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did)
{
    int rc = job->kind == LK_JOB_FLUSH   ? flush_l0(db, did)
             : job->kind == LK_JOB_DROP  ? lk_drop_runs(db, job, did)
             : job->kind == LK_JOB_SLICE ? lk_span_slice(db, job, did)
                                         : lk_merge_step_run(db, job, did);
    if (rc == 0 && job->kind == LK_JOB_FLUSH)
        snprintf(did->why, sizeof did->why, "%s", job->why);
    if (rc == 0)
        lk_event_step(db, did);
    return rc;
}

/* Run one ready job; `lock` takes work_mutex. */
static int step(struct lk_db *db, struct lsmkv_step *did, void (*lock)(struct lk_db *))
{
    struct lsmkv_step own;
    did = did ? did : &own;
    memset(did, 0, sizeof *did);
    if (db->manifest.failed)
        return lk_fail(db->manifest.failed,
                       "the manifest could not be written: no more flushes and merges until the store is "
                       "opened again");
    lock(db);
    struct lk_job job = lk_background_next(db);
    int rc = LSMKV_NOTFOUND;
    if (job.kind != LK_JOB_NONE)
        rc = run_job(db, &job, did);
    if (rc == LSMKV_NOTFOUND && view_wanted(db))
        rc = make_view(db, did);
    lk_rate_unlock_work(db);
    set_pace(db);
    if (rc == 0)
        lk_wake(db);
    lk_epoch_reclaim(&db->epochs);
    lk_pin_expire(db);
    return rc;
}

int lk_background_step(struct lk_db *db, struct lsmkv_step *did)
{
    return step(db, did, lk_rate_lock_work);
}

int lk_background_settle(struct lk_db *db)
{
    if (!db->unsettled)
        return 0;
    lk_rate_lock_work(db);
    int rc = db->unsettled ? lk_background_flush_locked(db) : 0;
    lk_rate_unlock_work(db);
    return rc;
}

int lk_background_seal(struct lk_db *db)
{
    for (;;) {
        int rc = 0;
        lk_mutex_lock(&db->write_mutex);
        uint64_t appended = db->lsn_appended;
        if (atomic_load(&db->active->segment->end) > LK_FILE_HEAD)
            rc = lk_rotate(db, 0, 1);
        lk_rotate_unlock(db);
        if (rc == LSMKV_WOULDBLOCK)
            rc = lk_commit_visible(db, appended);
        else if (rc == LSMKV_NOTFOUND)
            rc = lk_background_relieve(db);
        else
            return rc;
        if (rc < 0)
            return rc;
    }
}

static int flush_sealed(struct lk_db *db)
{
    lk_rate_lock_work(db);
    int rc = lk_background_flush_locked(db);
    lk_rate_unlock_work(db);
    return rc;
}

int lk_background_flush(struct lk_db *db)
{
    int rc = lk_background_seal(db);
    if (rc == LSMKV_FULL && flush_sealed(db) == 0)
        rc = lk_background_seal(db); /* what was sealed already has left, and so made room for another segment */
    if (rc == 0)
        rc = flush_sealed(db);
    set_pace(db);
    lk_wake(db);
    lk_epoch_reclaim(&db->epochs);
    lk_pin_expire(db);
    return rc;
}

int lk_background_shrink(struct lk_db *db)
{
    struct lk_shape shape;
    uint64_t stored = 0;
    lk_background_shape(db, 0, &shape);
    for (uint32_t i = 0; i < shape.run_count; i++)
        stored += shape.runs[i].bytes;
    if (shape.value_live == 0) {
        lk_values_end_lanes(&db->values); /* the segment that is written keeps nothing */
        lk_values_shed(&db->values);
    }
    int rc = lk_rotate_small(db, stored + shape.value_live);
    if (rc == 0)
        return flush_sealed(db);
    return rc == LSMKV_NOTFOUND || rc == LSMKV_WOULDBLOCK || rc == LSMKV_FULL ? 0 : rc;
}

int lk_background_relieve(struct lk_db *db)
{
    uint64_t began = lk_stall_now(db);
    int rc = 0;
    lk_rate_lock_work(db);
    struct lk_version *version = lk_install_present(db);
    struct lk_l0 l0 = lk_pace_l0(db, version);
    int full = lk_pace_l0_is_full(&db->options, &l0);
    lk_version_unref(version);
    if (full)
        rc = lk_background_flush_locked(db);
    lk_rate_unlock_work(db);
    lk_stall_count(db, LK_STALL_memtable, began);
    set_pace(db);
    return rc;
}

int lk_background_sync_due(struct lk_db *db)
{
    uint64_t now = db->env->ops->monotonic_ns(db->env);
    if (db->options.durability != LSMKV_SYNC_INTERVAL || atomic_load(&db->failed) ||
        now - db->last_sync_ns < (uint64_t)db->options.sync_interval_ms * 1000000)
        return LSMKV_NOTFOUND;
    db->last_sync_ns = now;
    uint64_t pending = lk_commit_pending(db);
    if (pending <= atomic_load(&db->lsn_durable))
        return LSMKV_NOTFOUND;
    int rc = lk_background_settle(db);
    return rc == 0 ? lk_commit_through(db, pending) : rc;
}

int lk_background_inline(struct lk_db *db)
{
    int rc = lk_background_sync_due(db);
    lk_mutex_lock(&db->state_mutex);
    int changed = db->work_generation != db->inline_seen;
    db->inline_seen = db->work_generation;
    lk_mutex_unlock(&db->state_mutex);
    while (changed && (rc == 0 || rc == LSMKV_NOTFOUND))
        if ((rc = lk_background_step(db, NULL)) != 0)
            break;
    /* The write itself stands; what failed behind it is kept as an event and shows at flush, sync or close. */
    if (rc < 0)
        lk_event(db, "failure", "%.200s", lk_error()->text);
    return 0;
}

/* ---- threads ------------------------------------------------------------------------------------ */

static void compactor_run(void *arg)
{
    struct lk_db *db = arg;
    int complained = 0;
    while (!atomic_load(&db->closing)) {
        int rc = step(db, NULL, lk_rate_lock_work_limited);
        if (rc < 0 && rc != LSMKV_CANCELLED && !complained)
            lk_event(db, "failure", "%.200s", lk_error()->text);
        complained = rc < 0;
        if (rc != 0)
            lk_wake_wait(db, RETRY_NS);
    }
}

int lk_background_start(struct lk_db *db)
{
    if (db->options.threads == 0)
        return 0;
    int rc = db->env->ops->thread_start(db->env, "lsmkv-keeper", lk_keeper_run, db, &db->keeper);
    if (rc == 0)
        rc = db->env->ops->thread_start(db->env, "lsmkv-compactor", compactor_run, db, &db->compactor);
    return rc < 0 ? lk_fail_os(-rc, "start a thread for", "") : 0;
}

void lk_background_stop(struct lk_db *db)
{
    lk_wake_hurry(db);
    if (db->compactor)
        db->env->ops->thread_join(db->compactor);
    if (db->keeper)
        db->env->ops->thread_join(db->keeper);
    lk_mutex_lock(&db->state_mutex); /* whoever leaves a version asks whether there is a keeper (leave.c) */
    db->compactor = db->keeper = NULL;
    lk_mutex_unlock(&db->state_mutex);
}
