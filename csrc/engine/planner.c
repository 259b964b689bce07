/* planner: facts in, job out. The order in which the rules are asked is lk_plan at the end; the cases are
 * tests/data/planner. Pure: any thread. */
#include "engine/planner.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    L0_FULL = 8, /* sealed segments that no job may keep waiting */
    CROWD = 4    /* times the runs allowed while nobody reads: then merges go before flushes */
};

int lk_plan_decide(struct lk_job *job, enum lk_job_kind kind, uint32_t first, uint32_t last, const char *why, ...)
{
    va_list rest;

    job->kind = kind;
    job->first = first;
    job->last = last;
    va_start(rest, why);
    vsnprintf(job->why, sizeof job->why, why, rest);
    va_end(rest);
    return kind != LK_JOB_NONE;
}

uint64_t lk_plan_bytes(const struct lk_shape *shape, uint32_t first, uint32_t last)
{
    uint64_t bytes = 0;
    for (uint32_t i = first; i <= last; i++)
        bytes += shape->runs[i].bytes;
    return bytes;
}

/* ---- which runs are free ----------------------------------------------------------------------- */

static int is_free(const struct lk_shape *shape, uint32_t index)
{
    const struct lk_shape_run *run = &shape->runs[index];

    if (run->damaged || run->into)
        return 0;
    for (uint32_t i = 0; i < shape->run_count; i++)
        if (shape->runs[i].into == run->id)
            return 0;
    return 1;
}

uint32_t lk_plan_free(const struct lk_shape *shape)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < shape->run_count; i++)
        count += (uint32_t)is_free(shape, i);
    return count;
}

int lk_plan_stretch(const struct lk_shape *shape, uint32_t from, struct lk_stretch *out)
{
    while (from < shape->run_count && !is_free(shape, from))
        from++;
    if (from == shape->run_count)
        return 0;
    *out = (struct lk_stretch){from, from, shape->runs[from].bytes};
    while (out->last + 1 < shape->run_count && is_free(shape, out->last + 1))
        out->bytes += shape->runs[++out->last].bytes;
    return 1;
}

/* ---- the rules that every policy shares -------------------------------------------------------- */

/* A merge under way is finished first: until then its keys cost readers both its inputs and its output. A
 * damaged input has stopped it for good. */
static int plan_under_way(const struct lk_shape *shape, struct lk_job *job)
{
    for (uint32_t first = 0, last; first < shape->run_count; first = last + 1) {
        uint32_t into = shape->runs[first].into;
        int sound = into != 0;
        for (last = first; into && last + 1 < shape->run_count && shape->runs[last + 1].into == into; last++)
            ;
        for (uint32_t i = first; i <= last; i++)
            sound &= !shape->runs[i].damaged;
        if (sound)
            return lk_plan_decide(job, LK_JOB_MERGE, first, last, "the merge of %u runs goes on, %.1f %s left or less",
                                  last - first + 1, LK_SHOWN(lk_plan_bytes(shape, first, last)));
    }
    return 0;
}

static int plan_flush(const struct lk_shape *shape, struct lk_job *job)
{
    if (shape->sealed == 0)
        return 0;
    const char *s = shape->sealed == 1 ? "" : "s";
    if (shape->flush_wanted)
        return lk_plan_decide(job, LK_JOB_FLUSH, 0, 0, "writers are slowed for L0: %u sealed segment%s, %.1f %s",
                              shape->sealed, s, LK_SHOWN(shape->sealed_bytes));
    if (shape->sealed >= shape->l0_segments && shape->sealed_bytes >= shape->segment_bytes)
        return lk_plan_decide(job, LK_JOB_FLUSH, 0, 0,
                              "%u sealed segment%s (%.1f %s), a flush is due at %u and %.1f %s", shape->sealed, s,
                              LK_SHOWN(shape->sealed_bytes), shape->l0_segments, LK_SHOWN(shape->segment_bytes));
    if (shape->value_portion && shape->sealed_values >= shape->value_portion)
        return lk_plan_decide(job, LK_JOB_FLUSH, 0, 0,
                              "%u sealed segment%s with %.1f %s of values: a flush tells which others they replace",
                              shape->sealed, s, LK_SHOWN(shape->sealed_values));
    if (shape->sealed >= L0_FULL)
        return lk_plan_decide(job, LK_JOB_FLUSH, 0, 0, "%u sealed segments (%.1f %s), a flush is due at %u of any size",
                              shape->sealed, LK_SHOWN(shape->sealed_bytes), L0_FULL);
    return 0;
}

/* Everything into one run, as far as what is not free allows. A single run is worth it only as the bottom,
 * where its tombstones can go. */
static int plan_everything(const struct lk_shape *shape, struct lk_job *job)
{
    struct lk_stretch stretch;

    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1) {
        const struct lk_shape_run *only = &shape->runs[stretch.first];
        if (stretch.last > stretch.first)
            return lk_plan_decide(job, LK_JOB_MERGE, stretch.first, stretch.last,
                                  "one run was asked for: %u runs, %.1f %s", stretch.last - stretch.first + 1,
                                  LK_SHOWN(stretch.bytes));
        if (stretch.first + 1 == shape->run_count && only->tombstones)
            return lk_plan_decide(job, LK_JOB_MERGE, stretch.first, stretch.last,
                                  "one run was asked for, and the bottom holds %llu tombstones",
                                  (unsigned long long)only->tombstones);
    }
    return 0;
}

/* ---- the order of the rules -------------------------------------------------------------------- */

struct lk_job lk_plan(const struct lk_shape *shape)
{
    struct lk_job job = {.kind = LK_JOB_NONE};
    uint32_t limit = lk_policy_limit(shape), most = lk_policy_most(shape);
    uint32_t crowd = CROWD * most < LK_PLAN_CEILING ? CROWD * most : LK_PLAN_CEILING;
    int crowded = shape->run_count > crowd && !shape->paused;
    int full = shape->flush_wanted || shape->sealed >= L0_FULL;

    /* A flush takes all of L0 at once and then leaves merges alone for as long as it takes to fill again, so
     * neither starves the other. Only a crowd of runs, which every get pays for, is merged before it. */
    if (!crowded && full && plan_flush(shape, &job))
        return job;
    if (!shape->paused && (plan_under_way(shape, &job) || (crowded && lk_policy_count(shape, &job))))
        return job;
    if (plan_flush(shape, &job))
        return job;
    if (!shape->paused && ((shape->merge_wanted && plan_everything(shape, &job)) || lk_policy_ask(shape, &job) ||
                           lk_plan_values(shape, &job)))
        return job;
    lk_plan_decide(&job, LK_JOB_NONE, 0, 0, "nothing to do: %u of %u sealed segments, %u of %u runs%s", shape->sealed,
                   shape->l0_segments, shape->run_count, limit, shape->paused ? ", merges are paused" : "");
    return job;
}
