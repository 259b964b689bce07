/* planner: facts in, job out. The order in which the rules are asked is lk_plan at the end; the cases are
 * tests/data/planner. Pure: any thread.
 *
 * Words. A run is free when it is not damaged, not being merged and not the output of a merge. A stretch is
 * a row of free neighbours, as long as it goes: what is not free divides the list, and no job spans it. */
#include "engine/planner.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    L0_FULL = 8,       /* sealed segments that no job may keep waiting */
    CROWD = 4,         /* times run_limit: so many runs that merges go before flushes */
    BOTTOM_COUNTS = 8  /* a bottom of fewer full segments is not worth a merge for its space alone */
};

#define MIB(bytes) ((double)(bytes) / (1 << 20))

struct stretch {
    uint32_t first, last;
    uint64_t bytes;
};

__attribute__((format(printf, 5, 6))) static int decide(struct lk_job *job, enum lk_job_kind kind, uint32_t first,
                                                        uint32_t last, const char *why, ...)
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

static uint64_t bytes_of(const struct lk_shape *shape, uint32_t first, uint32_t last)
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

static uint32_t free_count(const struct lk_shape *shape)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < shape->run_count; i++)
        count += (uint32_t)is_free(shape, i);
    return count;
}

/* The first stretch that begins at `from` or later. 0: there is none. */
static int next_stretch(const struct lk_shape *shape, uint32_t from, struct stretch *out)
{
    while (from < shape->run_count && !is_free(shape, from))
        from++;
    if (from == shape->run_count)
        return 0;
    *out = (struct stretch){from, from, shape->runs[from].bytes};
    while (out->last + 1 < shape->run_count && is_free(shape, out->last + 1))
        out->bytes += shape->runs[++out->last].bytes;
    return 1;
}

/* ---- the rules --------------------------------------------------------------------------------- */

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
            return decide(job, LK_JOB_MERGE, first, last,
                          "the merge of %u runs into run %u goes on, %.1f MiB left or less", last - first + 1, into,
                          MIB(bytes_of(shape, first, last)));
    }
    return 0;
}

static int plan_flush(const struct lk_shape *shape, struct lk_job *job)
{
    double mib = MIB(shape->sealed_bytes);

    if (shape->sealed == 0)
        return 0;
    if (shape->flush_wanted)
        return decide(job, LK_JOB_FLUSH, 0, 0, "a flush was asked for: %u sealed segments, %.1f MiB", shape->sealed,
                      mib);
    if (shape->sealed >= shape->l0_segments && shape->sealed_bytes >= shape->segment_bytes)
        return decide(job, LK_JOB_FLUSH, 0, 0, "%u sealed segments (%.1f MiB), a flush is due at %u and %.1f MiB",
                      shape->sealed, mib, shape->l0_segments, MIB(shape->segment_bytes));
    if (shape->sealed >= L0_FULL)
        return decide(job, LK_JOB_FLUSH, 0, 0, "%u sealed segments (%.1f MiB), a flush is due at %u of any size",
                      shape->sealed, mib, L0_FULL);
    return 0;
}

/* Everything into one run, as far as what is not free allows. A single run is worth it only as the bottom,
 * where its tombstones can go. */
static int plan_everything(const struct lk_shape *shape, struct lk_job *job)
{
    struct stretch stretch;

    for (uint32_t from = 0; next_stretch(shape, from, &stretch); from = stretch.last + 1) {
        const struct lk_shape_run *only = &shape->runs[stretch.first];
        if (stretch.last > stretch.first)
            return decide(job, LK_JOB_MERGE, stretch.first, stretch.last, "one run was asked for: %u runs, %.1f MiB",
                          stretch.last - stretch.first + 1, MIB(stretch.bytes));
        if (stretch.first + 1 == shape->run_count && only->tombstones)
            return decide(job, LK_JOB_MERGE, stretch.first, stretch.last,
                          "one run was asked for, and the bottom holds %llu tombstones",
                          (unsigned long long)only->tombstones);
    }
    return 0;
}

/* What lies above the bottom may make up to half of it garbage. More: all into one. */
static int plan_space(const struct lk_shape *shape, struct lk_job *job, int count_too)
{
    struct stretch stretch;

    for (uint32_t from = 0; next_stretch(shape, from, &stretch); from = stretch.last + 1) {
        uint64_t bottom = shape->runs[stretch.last].bytes, newer = stretch.bytes - bottom;
        if (stretch.last + 1 < shape->run_count || newer <= bottom / 2)
            continue;
        if (count_too || bottom >= BOTTOM_COUNTS * shape->segment_bytes)
            return decide(job, LK_JOB_MERGE, stretch.first, stretch.last,
                          "runs above the bottom: %u, together %.1f MiB, more than half of its %.1f MiB",
                          stretch.last - stretch.first, MIB(newer), MIB(bottom));
    }
    return 0;
}

/* From `first` on, take in each older neighbour that is at most 1.5 times what has been taken: the sizes of the
 * inputs are alike, so each byte is rewritten a logarithmic number of times. */
static uint32_t tier_from(const struct lk_shape *shape, uint32_t first, uint32_t end)
{
    uint64_t taken = shape->runs[first].bytes;
    uint32_t last = first;

    while (last < end && shape->runs[last + 1].bytes <= taken + taken / 2)
        taken += shape->runs[++last].bytes;
    return last;
}

static int plan_tier(const struct lk_shape *shape, struct lk_job *job)
{
    struct stretch stretch;

    for (uint32_t from = 0; next_stretch(shape, from, &stretch); from = stretch.last + 1)
        for (uint32_t first = stretch.first; first < stretch.last; first++) {
            uint32_t last = tier_from(shape, first, stretch.last);
            if (last > first)
                return decide(job, LK_JOB_MERGE, first, last, "%u runs, %u allowed: %u of like size, %.1f MiB",
                              free_count(shape), shape->run_limit, last - first + 1, MIB(bytes_of(shape, first, last)));
        }
    return 0;
}

/* Sizes that differ so much that nothing is alike: the two neighbours that cost least. */
static int plan_cheapest(const struct lk_shape *shape, struct lk_job *job)
{
    uint32_t best = 0;
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i + 1 < shape->run_count; i++) {
        uint64_t bytes = bytes_of(shape, i, i + 1);
        if (bytes >= least || !is_free(shape, i) || !is_free(shape, i + 1))
            continue;
        best = i;
        least = bytes;
    }
    if (least == UINT64_MAX)
        return 0;
    return decide(job, LK_JOB_MERGE, best, best + 1, "%u runs, %u allowed, none alike: the cheapest two, %.1f MiB",
                  free_count(shape), shape->run_limit, MIB(least));
}

static int plan_count(const struct lk_shape *shape, struct lk_job *job)
{
    return free_count(shape) > shape->run_limit &&
           (plan_space(shape, job, 1) || plan_tier(shape, job) || plan_cheapest(shape, job));
}

/* ---- the order of the rules -------------------------------------------------------------------- */

struct lk_job lk_plan(const struct lk_shape *shape)
{
    struct lk_job job = {.kind = LK_JOB_NONE};
    int crowded = shape->run_count > (uint64_t)CROWD * shape->run_limit;
    int full = shape->flush_wanted || shape->sealed >= L0_FULL;

    /* A flush takes all of L0 at once and then leaves merges alone for as long as it takes to fill again, so
     * neither starves the other. Only a crowd of runs, which every get pays for, is merged before it. */
    if (!crowded && full && plan_flush(shape, &job))
        return job;
    if (plan_under_way(shape, &job) || (crowded && plan_count(shape, &job)) || plan_flush(shape, &job) ||
        (shape->merge_wanted && plan_everything(shape, &job)) || plan_count(shape, &job) || plan_space(shape, &job, 0) ||
        lk_plan_values(shape, &job))
        return job;
    decide(&job, LK_JOB_NONE, 0, 0, "nothing to do: %u of %u sealed segments, %u of %u runs", shape->sealed,
           shape->l0_segments, shape->run_count, shape->run_limit);
    return job;
}
