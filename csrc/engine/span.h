/* span: a range of keys settled in the oldest of some neighbouring runs, in one edit. What compact(start, stop) does.
 *
 *                     start     stop
 *      run 3   | ####   |##  ###  |  ##  |            | ####   |         |  ##  |       the rest of a table that is cut
 *      run 2   |   #### | #### |   ##### |     -->    |   #### |         | #### |       is written anew
 *      run 1   | #### | ######## | ##### |            | #### |###########| #### |       whole tables of the oldest
 *
 * A step takes a few neighbouring tables of the oldest run, and of the newer runs what lies inside both their interval and the
 * range. Only tables whose interval meets the range are written. The merge with a watermark (engine/compaction.h)
 * would have to write everything before the range; a table referred to through a narrower interval than it was written for
 * would make every cursor ask where it ends, and cut in its middle it would have to be referred to twice.
 *
 * The planner settles a slice (engine/slice.h) in the same way: there no table is cut, so nothing but what is merged is written.
 *
 * Each step is whole: between two of them the store is what it always is. work_mutex held, no epoch slot. */
#ifndef LK_ENGINE_SPAN_H
#define LK_ENGINE_SPAN_H

#include "engine/planner.h"
#include "engine/rewrite.h"

struct lk_span {
    struct lk_slice start, stop; /* borrowed */
    int open_end;                /* there is no stop */
};

/* Does the table have a record or a range delete in the span? */
int lk_span_meets(const struct lk_span *span, const struct lk_table *table);
/* One step in the runs first..last of the present version, all free (engine/planner.h). 0; NOTFOUND: nothing is left to
 * do; or a failure, and then nothing has changed. */
LK_MUST_CHECK int lk_span_step(struct lk_db *db, const struct lk_span *span, uint32_t first, uint32_t last,
                               struct lsmkv_step *did);
/* The same for the bottom's tables [job->first, job->last) and what all newer runs have there; all runs are free. A damaged
 * input is left alone from then on (engine/compaction.h). */
LK_MUST_CHECK int lk_span_slice(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did);

#endif
