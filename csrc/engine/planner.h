/* planner: which job next, and why. A pure function of measured facts; never touches disk, clock or locks.
 *
 *   (run sizes in MiB, newest first; limit 4 runs, 1.25 times what lives)
 *   sealed 3 of 3                      -> flush
 *   sealed 0  runs 30 32 31 30         -> no job
 *   sealed 0  runs 30 32 31 30 900     -> merge 0..3       alike; the big one is left alone
 *   sealed 0  runs 60 100s50%          -> merge 0..1       half of the older is shadowed: 1.45 times what lives
 *   sealed 0  runs 60 100s50%, slices  -> slice            the stretch of keys with most garbage in it, in all runs
 *   sealed 0  runs 1 30 32 31 900      -> merge 1..3       the newest that are alike
 *   sealed 0  runs 30 900, many scans  -> merge 0..1       they have paid for a second run what a merge costs
 *   sealed 0  runs 30 900, many gets   -> merge 0..1       the same, once nobody writes: at a part of the price
 *   sealed 0  runs 30>9 32>9 9:40 ...  -> merge 0..1       a merge under way is finished first
 *   a damaged run is never an input, nor is the output of a merge under way; only neighbours are merged.
 *
 * planner.c has the order of the rules and those that every policy shares, policy.c those that differ. */
#ifndef LK_ENGINE_PLANNER_H
#define LK_ENGINE_PLANNER_H

#include <stdint.h>

#include "include/lsmkv.h"

enum { LK_SHAPE_RUNS = 64 };

struct lk_shape_run {
    uint32_t id, into;   /* into != 0: a merge into that run is under way */
    uint64_t bytes, records, tombstones;
    uint64_t value_bytes; /* that its records refer to in value segments */
    uint64_t shadowed;   /* records that a newer run holds too, or deletes */
    uint64_t written_ns; /* when its newest table was written, by the wall clock */
    int damaged;
    int catalog;         /* nothing but names of namespaces */
};

struct lk_shape {
    uint32_t sealed;          /* sealed segments */
    uint64_t sealed_bytes;
    uint64_t segment_bytes;   /* option: full size of a segment */
    uint32_t l0_segments;     /* option */
    uint32_t run_limit;       /* option */
    int policy;               /* option: enum lsmkv_merge_policy */
    double space_limit;       /* option: bytes of tables for each byte of what lives in them; 0: no limit */
    uint64_t fifo_bytes, fifo_age_ns; /* options; 0: no limit */
    uint64_t now_ns;          /* the wall clock */
    uint64_t scans, gets;     /* seeks of scans, and gets, since a merge last ended */
    int quiet;                /* nobody has written for a while: the core that merges is idle */
    int paused;               /* nothing but flushes */
    int flush_wanted;         /* writers are slowed for what L0 holds (engine/pace.h) */
    int merge_wanted;         /* somebody asked for everything in one run */
    /* Value segments, as engine/collect.h counts them. */
    uint64_t value_garbage, value_live, value_excess;
    uint64_t value_portion;   /* a value segment is about so large; 0: there is none */
    uint64_t sealed_values;   /* bytes of values that sealed segments refer to */
    /* Slices of the key space (engine/slice.h), and the one that has most garbage for its size. */
    uint32_t slices, slice_from, slice_to; /* tables [from, to) of the bottom */
    uint64_t slice_bytes; /* of all runs */
    double slice_garbage; /* bytes of them */
    uint32_t run_count;
    struct lk_shape_run runs[LK_SHAPE_RUNS]; /* newest first */
};

enum lk_job_kind { LK_JOB_NONE, LK_JOB_FLUSH, LK_JOB_MERGE, LK_JOB_SLICE, LK_JOB_DROP };

struct lk_job {
    enum lk_job_kind kind;
    uint32_t first, last; /* merge, drop: indices into runs; slice: of the bottom's tables, all runs being free */
    int collect;          /* merge: value segments are chosen first, and their values moved */
    char why[160];
};

struct lk_job lk_plan(const struct lk_shape *shape);
/* planner_values.c: the last rule. 1 when it has decided. */
int lk_plan_values(const struct lk_shape *shape, struct lk_job *job);
/* Is so much garbage in value segments worth a merge of all tables? */
int lk_plan_values_worth(const struct lk_shape *shape, uint64_t garbage);

/* ---- between planner.c and policy.c --------------------------------------------------------- */

/* A row of free neighbours, as long as it goes. A run is free when it is not damaged, not being merged and not the
 * output of a merge; what is not free divides the list, and no job spans it. */
struct lk_stretch {
    uint32_t first, last;
    uint64_t bytes;
};

/* Sizes in reasons: those of a small store in KiB. LK_SHOWN is two arguments, for "%.1f %s". */
#define LK_UNIT(bytes) ((bytes) < 1 << 20 ? 1 << 10 : 1 << 20)
#define LK_UNIT_NAME(bytes) ((bytes) < 1 << 20 ? "KiB" : "MiB")
#define LK_SHOWN(bytes) (double)(bytes) / LK_UNIT(bytes), LK_UNIT_NAME(bytes)

/* The first stretch that begins at `from` or later. 0: there is none. */
int lk_plan_stretch(const struct lk_shape *shape, uint32_t from, struct lk_stretch *out);
uint32_t lk_plan_free(const struct lk_shape *shape);
uint64_t lk_plan_bytes(const struct lk_shape *shape, uint32_t first, uint32_t last);
/* Note the job and its reason. 1, so that rules can be asked one after another; 0 for NONE. */
__attribute__((format(printf, 5, 6))) int lk_plan_decide(struct lk_job *job, enum lk_job_kind kind, uint32_t first,
                                                         uint32_t last, const char *why, ...);

/* Runs that the policy allows, and that it would allow if nobody read. */
uint32_t lk_policy_limit(const struct lk_shape *shape);
uint32_t lk_policy_most(const struct lk_shape *shape);
/* Bytes in tables that merging everything would not write again. */
double lk_policy_garbage(const struct lk_shape *shape);
/* More than that: those of like size, else the cheapest. 1: *job is it. */
int lk_policy_count(const struct lk_shape *shape, struct lk_job *job);
/* What the policy merges or drops of its own accord. 1: *job is it. */
int lk_policy_ask(const struct lk_shape *shape, struct lk_job *job);
/* So many runs are allowed at most, whatever the policy: every reader looks at each. */
enum { LK_PLAN_CEILING = 48 };

#endif
