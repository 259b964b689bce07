/* policy: what is merged without being asked. Pure: any thread.
 *
 *   default   garbage over the space limit, a slice at a time; runs that scans have paid for, or, while nobody writes, gets;
 *             tombstones that scans step over; more runs than allowed: those of like size, or, while nobody reads, the cheapest few
 *   leveled   each run at least LEVEL times as large as the next newer one; garbage; as few runs as that leaves
 *   tiered    more runs than allowed, those of like size first, and nothing else
 *   fifo      the oldest runs leave the store, data and all, by size or by age; nothing is merged
 *   none      nothing
 *
 * Prices. Reading and writing a byte of a merge costs MERGE_NS, and a merge at least MERGE_LEAST (its syncs). A scan
 * pays SCAN_NS for each run beyond the first, and STEP_NS for each tombstone, a sixteenth of which it may meet. A merge is
 * worth it when scans have paid its price since the last one: then, whatever comes, at most twice the best is
 * spent. The first half of the way, down to two runs, is taken at a quarter of it: memtable, view and two runs make
 * four sources. A get pays GET_NS for each run beyond the first, for one more line in flight. Until gets have paid a quarter of
 * what merging everything costs, and while nobody scans, PATIENCE times as many runs are allowed: a load that nobody reads is not
 * written twice. While nobody writes, the core that merges has nothing else to do, and takes all runs of which gets and
 * scans together have paid a part, one IDLE-th. */
#include "engine/planner.h"

enum { LEVEL = 8, MERGE_NS = 5, MERGE_LEAST = 3000000, SCAN_NS = 1000, STEP_NS = 16, STEPPED = 16, EAGER = 4 };
enum { GET_NS = 25, PATIENCE = 4, IDLE = 16 };

/* A store of fewer slices is merged whole. */
enum { SLICES_LEAST = 4 };

/* Garbage below this part of a segment is left alone. */
enum { SMALL_PART = 32 };

/* ---- space ------------------------------------------------------------------------------------- */

/* Bytes of run `index` that a merge would not write again. What shadows the newest of its inputs stays outside;
 * tombstones leave with the bottom only. */
static double garbage_of(const struct lk_shape *shape, uint32_t index, int newest, int bottom)
{
    const struct lk_shape_run *run = &shape->runs[index];
    uint64_t records = (newest ? 0 : run->shadowed) + (bottom ? run->tombstones : 0);

    if (run->records == 0)
        return bottom ? (double)run->bytes : 0;
    return (double)run->bytes * (records < run->records ? (double)records / (double)run->records : 1);
}

/* What is shadowed from outside the stretch stays: at most a record of it for each of theirs. */
static double shadowed_from_outside(const struct lk_shape *shape, const struct lk_stretch *stretch)
{
    double records = 0, above = 0;

    for (uint32_t i = stretch->first; i <= stretch->last; i++)
        records += (double)shape->runs[i].records;
    for (uint32_t i = 0; i < stretch->first; i++)
        above += (double)shape->runs[i].records;
    return records > 0 ? above / records * (double)stretch->bytes : 0;
}

static double garbage_until(const struct lk_shape *shape, const struct lk_stretch *stretch, uint32_t last)
{
    double garbage = -shadowed_from_outside(shape, stretch);
    for (uint32_t i = stretch->first; i <= last; i++)
        garbage += garbage_of(shape, i, i == stretch->first, last + 1 == shape->run_count);
    return garbage;
}

double lk_policy_garbage(const struct lk_shape *shape)
{
    struct lk_stretch all = {.last = shape->run_count - 1};
    double garbage = shape->run_count ? garbage_until(shape, &all, all.last) : 0;
    return garbage > 0 ? garbage : 0;
}

static double ratio(uint64_t bytes, double live)
{
    return (double)bytes < 999 * live ? (double)bytes / live : 999;
}

/* One slice of everything, where that frees at least as much for each byte written as merging the newest runs would. */
static int plan_slice(const struct lk_shape *shape, const struct lk_stretch *stretch, double freed, uint64_t cost,
                      double garbage, struct lk_job *job)
{
    if (stretch->first > 0 || stretch->last + 1 != shape->run_count || shape->slices < SLICES_LEAST ||
        shape->slice_garbage <= 0 || shape->slice_garbage * (double)cost < freed * (double)shape->slice_bytes)
        return 0;
    double unit = LK_UNIT(stretch->bytes);
    return lk_plan_decide(
        job, LK_JOB_SLICE, shape->slice_from, shape->slice_to,
        "%.1f %s of %.1f are shadowed or deleted, %.2f times what lives is allowed: of %u slices the one "
        "that gives most, %.1f of %.1f",
        garbage / unit, LK_UNIT_NAME(stretch->bytes), (double)stretch->bytes / unit, shape->space_limit, shape->slices,
        (double)shape->slice_garbage / unit, (double)shape->slice_bytes / unit);
}

/* Too much of a stretch is garbage: merge as much of it, from the newest run on, as brings it below the limit. */
static int plan_space(const struct lk_shape *shape, struct lk_job *job)
{
    struct lk_stretch stretch;

    if (shape->space_limit <= 1)
        return 0;
    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1) {
        double garbage = garbage_until(shape, &stretch, stretch.last), live = (double)stretch.bytes - garbage;
        double allowed = (shape->space_limit - 1) * live, small = (double)shape->segment_bytes / SMALL_PART;
        if (garbage <= (allowed > small ? allowed : small))
            continue;
        double unit = LK_UNIT(stretch.bytes);
        uint32_t last = stretch.first + (stretch.last > stretch.first);
        while (last < stretch.last && garbage - garbage_until(shape, &stretch, last) > allowed)
            last++;
        if (plan_slice(shape, &stretch, garbage_until(shape, &stretch, last), lk_plan_bytes(shape, stretch.first, last),
                       garbage, job))
            return 1;
        return lk_plan_decide(job, LK_JOB_MERGE, stretch.first, last,
                              "%.1f %s of %.1f are shadowed or deleted: %.2f times what lives, %.2f allowed",
                              garbage / unit, LK_UNIT_NAME(stretch.bytes), (double)stretch.bytes / unit,
                              ratio(stretch.bytes, live), shape->space_limit);
    }
    return 0;
}

/* ---- reads ------------------------------------------------------------------------------------- */

static double price(uint64_t bytes)
{
    return MERGE_LEAST + MERGE_NS * (double)bytes;
}

/* Scans have paid for runs: for all of them, or for those above the oldest. */
static int plan_reads(const struct lk_shape *shape, struct lk_job *job)
{
    double paid = (double)shape->scans * SCAN_NS * (shape->run_count - 1.0);
    struct lk_stretch stretch;

    if (shape->run_count < 2)
        return 0;
    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1) {
        uint32_t last = stretch.last;
        uint64_t bytes = stretch.bytes;
        double due = price(bytes);
        if (paid < due && shape->run_count > 2) {
            last -= last + 1 == shape->run_count;
            bytes = last < stretch.last ? bytes - shape->runs[stretch.last].bytes : bytes;
            due = price(bytes) / EAGER;
        }
        if (paid >= due && last > stretch.first && last <= stretch.last)
            return lk_plan_decide(job, LK_JOB_MERGE, stretch.first, last,
                                  "%llu scans have paid %.1f ms for %u runs; merging %u (%.1f %s) is due at %.1f",
                                  (unsigned long long)shape->scans, paid / 1e6, shape->run_count,
                                  last - stretch.first + 1, LK_SHOWN(bytes), due / 1e6);
    }
    return 0;
}

/* The core is idle, and reads pay for runs. */
static int plan_idle(const struct lk_shape *shape, struct lk_job *job)
{
    double reads = (double)shape->scans * SCAN_NS + (double)shape->gets * GET_NS,
           paid = reads * (shape->run_count - 1.0);
    struct lk_stretch stretch;

    if (!shape->quiet || shape->run_count < 2)
        return 0;
    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1) {
        double due = price(stretch.bytes) / IDLE;
        if (paid >= due && stretch.last > stretch.first)
            return lk_plan_decide(
                job, LK_JOB_MERGE, stretch.first, stretch.last,
                "nobody writes, and %llu gets and %llu scans have paid %.1f ms for %u runs; merging %u "
                "(%.1f %s) is due at %.1f",
                (unsigned long long)shape->gets, (unsigned long long)shape->scans, paid / 1e6, shape->run_count,
                stretch.last - stretch.first + 1, LK_SHOWN(stretch.bytes), due / 1e6);
    }
    return 0;
}

/* Half of a run are tombstones, and scans step over them. */
static int plan_tombstones(const struct lk_shape *shape, struct lk_job *job)
{
    struct lk_stretch stretch;

    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1) {
        for (uint32_t i = stretch.first; stretch.last + 1 == shape->run_count && i <= stretch.last; i++) {
            const struct lk_shape_run *run = &shape->runs[i];
            double paid = (double)shape->scans * (double)run->tombstones * STEP_NS / STEPPED;
            if (run->tombstones == 0 || run->tombstones * 2 < run->records ||
                paid < price(lk_plan_bytes(shape, i, stretch.last)))
                continue;
            return lk_plan_decide(job, LK_JOB_MERGE, i, stretch.last,
                                  "%llu of %llu records of a run are tombstones; %llu scans have paid %.1f ms for them",
                                  (unsigned long long)run->tombstones, (unsigned long long)run->records,
                                  (unsigned long long)shape->scans, paid / 1e6);
        }
    }
    return 0;
}

/* ---- how many runs ----------------------------------------------------------------------------- */

/* Have gets paid for fewer runs? They have, when they have paid a part of what merging everything costs. */
static int gets_have_paid(const struct lk_shape *shape)
{
    double paid = (double)shape->gets * GET_NS * (shape->run_count - 1.0);
    return shape->run_count > 1 && paid >= price(lk_plan_bytes(shape, 0, shape->run_count - 1)) / EAGER;
}

static int is_patient(const struct lk_shape *shape)
{
    return shape->policy == LSMKV_MERGE_DEFAULT && !shape->scans && !gets_have_paid(shape);
}

static uint32_t limit_times(const struct lk_shape *shape, uint32_t times)
{
    int counts = shape->policy != LSMKV_MERGE_NONE && shape->policy != LSMKV_MERGE_FIFO;
    return counts && shape->run_limit * times < LK_PLAN_CEILING ? shape->run_limit * times : LK_PLAN_CEILING;
}

uint32_t lk_policy_most(const struct lk_shape *shape)
{
    return limit_times(shape, shape->policy == LSMKV_MERGE_DEFAULT ? PATIENCE : 1);
}

uint32_t lk_policy_limit(const struct lk_shape *shape)
{
    return limit_times(shape, is_patient(shape) ? PATIENCE : 1);
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
    struct lk_stretch stretch;

    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1)
        for (uint32_t first = stretch.first; first < stretch.last; first++) {
            uint32_t last = tier_from(shape, first, stretch.last);
            if (last > first)
                return lk_plan_decide(job, LK_JOB_MERGE, first, last, "%u runs, %u allowed: %u of like size, %.1f %s",
                                      lk_plan_free(shape), lk_policy_limit(shape), last - first + 1,
                                      LK_SHOWN(lk_plan_bytes(shape, first, last)));
        }
    return 0;
}

/* Of all rows of at most so many neighbours the one that costs least for each run that it takes away. */
static int plan_cheapest(const struct lk_shape *shape, uint32_t most, struct lk_job *job)
{
    struct lk_stretch stretch;
    uint32_t best = 0, runs = 0;
    double least = 0;

    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1)
        for (uint32_t i = stretch.first; i < stretch.last; i++)
            for (uint32_t j = i + 1; j <= stretch.last && j - i < most; j++) {
                double cost = (double)lk_plan_bytes(shape, i, j) / (j - i);
                if (runs && cost >= least)
                    continue;
                best = i;
                runs = j - i + 1;
                least = cost;
            }
    if (!runs)
        return 0;
    return lk_plan_decide(job, LK_JOB_MERGE, best, best + runs - 1, "%u runs, %u allowed: the cheapest %u, %.1f %s",
                          lk_plan_free(shape), lk_policy_limit(shape), runs,
                          LK_SHOWN(lk_plan_bytes(shape, best, best + runs - 1)));
}

int lk_policy_count(const struct lk_shape *shape, struct lk_job *job)
{
    if (lk_plan_free(shape) <= lk_policy_limit(shape))
        return 0;
    if (is_patient(shape))
        return plan_cheapest(shape, shape->run_limit + 1, job);
    return plan_tier(shape, job) || plan_cheapest(shape, 2, job);
}

/* From the newest run that is too large for the next older one, as deep as that goes on. */
static int plan_levels(const struct lk_shape *shape, struct lk_job *job)
{
    struct lk_stretch stretch;

    for (uint32_t from = 0; lk_plan_stretch(shape, from, &stretch); from = stretch.last + 1)
        for (uint32_t first = stretch.first; first < stretch.last; first++) {
            uint64_t taken = shape->runs[first].bytes;
            uint32_t last = first;
            while (last < stretch.last && shape->runs[last + 1].bytes < LEVEL * taken)
                taken += shape->runs[++last].bytes;
            if (last > first)
                return lk_plan_decide(job, LK_JOB_MERGE, first, last,
                                      "levels: a run of %.1f %s above one of %.1f %s, less than %d times as large",
                                      LK_SHOWN(shape->runs[first].bytes), LK_SHOWN(shape->runs[first + 1].bytes),
                                      LEVEL);
        }
    return 0;
}

/* ---- first in, first out ------------------------------------------------------------------------ */

/* Runs whose data may leave. What the catalog says is carried on into a run of its own, the oldest (drop_runs.c). */
static uint32_t may_leave(const struct lk_shape *shape)
{
    return shape->run_count - (shape->run_count && shape->runs[shape->run_count - 1].catalog);
}

/* The oldest runs, from `first` on, as far as none of them is part of a merge. */
static int drop_from(const struct lk_shape *shape, uint32_t first)
{
    for (uint32_t i = first; i < shape->run_count; i++) {
        if (shape->runs[i].into)
            return 0;
        for (uint32_t j = 0; j < shape->run_count; j++)
            if (shape->runs[j].into == shape->runs[i].id)
                return 0;
    }
    return first < may_leave(shape);
}

/* Of a run that is being merged values are left out: some of them count in its output already. */
static uint64_t weight_of(const struct lk_shape_run *run)
{
    return run->bytes + (run->into ? 0 : run->value_bytes);
}

/* By size the newest run stays whatever it weighs; by age every run goes in its time. */
static int plan_fifo(const struct lk_shape *shape, struct lk_job *job)
{
    uint64_t stay = 0, all = 0;
    uint32_t first = 0, count = may_leave(shape);

    if (count == 0)
        return 0;
    while (first < count && (first == 0 || stay + weight_of(&shape->runs[first]) <= shape->fifo_bytes))
        stay += weight_of(&shape->runs[first++]);
    for (uint32_t i = 0; i < count; i++)
        all += weight_of(&shape->runs[i]);
    if (shape->fifo_bytes && drop_from(shape, first))
        return lk_plan_decide(job, LK_JOB_DROP, first, count - 1,
                              "fifo: %.1f %s in tables and values, %.1f %s allowed: %u of %u runs, the oldest, leave",
                              LK_SHOWN(all), LK_SHOWN(shape->fifo_bytes), count - first, count);
    for (first = count; first > 0; first--) {
        uint64_t written = shape->runs[first - 1].written_ns;
        if (written > shape->now_ns || shape->now_ns - written <= shape->fifo_age_ns)
            break;
    }
    if (shape->fifo_age_ns && drop_from(shape, first))
        return lk_plan_decide(job, LK_JOB_DROP, first, count - 1,
                              "fifo: %u of %u runs, written more than %.1f s ago, leave", count - first, count,
                              (double)shape->fifo_age_ns / 1e9);
    return 0;
}

/* ---- the policies ------------------------------------------------------------------------------ */

int lk_policy_ask(const struct lk_shape *shape, struct lk_job *job)
{
    switch (shape->policy) {
    case LSMKV_MERGE_DEFAULT:
        return plan_space(shape, job) || plan_reads(shape, job) || plan_idle(shape, job) ||
               plan_tombstones(shape, job) || lk_policy_count(shape, job);
    case LSMKV_MERGE_LEVELED:
        return plan_levels(shape, job) || plan_space(shape, job) || lk_policy_count(shape, job);
    case LSMKV_MERGE_FIFO:
        return plan_fifo(shape, job) || lk_policy_count(shape, job);
    default: /* tiered, none: they differ in how many runs they allow */
        return lk_policy_count(shape, job);
    }
}
