/* planner: which job next, and why. A pure function of measured facts; never touches disk, clock or locks.
 *
 *   (run sizes in MiB, newest first; limit 4 runs)
 *   sealed 3 of 3                      -> flush
 *   sealed 0  runs 30 32 31 30         -> no job
 *   sealed 0  runs 30 32 31 30 900     -> merge 0..3       alike; the big one is left alone
 *   sealed 0  runs 30 32 31 30 120     -> merge 0..4       the newer ones exceed half of the bottom
 *   sealed 0  runs 1 30 32 31 900      -> merge 1..3       the newest that are alike
 *   sealed 0  runs 30>9 32>9 9:40 ...  -> merge 0..1       a merge under way is finished first
 *   a damaged run is never an input, nor is the output of a merge under way; only neighbours are merged. */
#ifndef LK_ENGINE_PLANNER_H
#define LK_ENGINE_PLANNER_H

#include <stdint.h>

enum { LK_SHAPE_RUNS = 64 };

struct lk_shape_run {
    uint32_t id, into;   /* into != 0: a merge into that run is under way */
    uint64_t bytes, records, tombstones;
    uint64_t values;     /* bytes in value segments that it refers to */
    int damaged;
};

struct lk_shape {
    uint32_t sealed;          /* sealed segments */
    uint64_t sealed_bytes;
    uint64_t segment_bytes;   /* option: full size of a segment */
    uint32_t l0_segments;     /* option */
    uint32_t run_limit;       /* option */
    int flush_wanted;         /* somebody asked */
    int merge_wanted;         /* somebody asked for everything in one run */
    uint64_t value_garbage;   /* bytes of value segments that nothing refers to, of those that could be emptied */
    uint32_t run_count;
    struct lk_shape_run runs[LK_SHAPE_RUNS]; /* newest first */
};

enum lk_job_kind { LK_JOB_NONE, LK_JOB_FLUSH, LK_JOB_MERGE };

struct lk_job {
    enum lk_job_kind kind;
    uint32_t first, last; /* merge: indices into runs */
    int collect;          /* merge: value segments are chosen first, and their values moved */
    char why[160];
};

struct lk_job lk_plan(const struct lk_shape *shape);
/* planner_values.c: the last rule. 1 when it has decided. */
int lk_plan_values(const struct lk_shape *shape, struct lk_job *job);

#endif
