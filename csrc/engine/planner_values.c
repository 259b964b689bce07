/* planner_values: when value segments hold too much that is not needed.
 *
 *   live 900   garbage 80          -> no job
 *   live 900   garbage 110         -> merge all, collect     more than two fifths of what the space limit leaves
 *   live 900   garbage 60, asked   -> merge all, collect     more than a sixteenth
 *
 * The merge drops the records that were taken for garbage, and moves what is live out of the segments chosen. What it
 * moves stands twice until it ends, values that come meanwhile are on top of it, and what they replace shows at their
 * flush: the rest of the limit is for these. References are small beside what they refer to, so a merge costs little; a
 * store whose tables are mostly other records is left alone. */
#include "engine/planner.h"

#include <stdio.h>

enum {
    WANTED_SHARE = 16, /* of what is live: so little garbage is left to a merge that somebody asked for */
    SMALL_PART = 32,   /* of a log segment: less garbage is not worth a merge */
    WORTH = 4          /* garbage is at least so large a part of the tables */
};

static uint64_t allowed(const struct lk_shape *shape)
{
    if (shape->merge_wanted)
        return shape->value_live / WANTED_SHARE;
    return (uint64_t)((double)shape->value_live * (shape->space_limit - 1) * 0.4) + shape->segment_bytes / SMALL_PART;
}

int lk_plan_values_worth(const struct lk_shape *shape, uint64_t garbage)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < shape->run_count; i++)
        bytes += shape->runs[i].bytes;
    return bytes / WORTH <= garbage;
}

int lk_plan_values(const struct lk_shape *shape, struct lk_job *job)
{
    int left_alone = shape->policy == LSMKV_MERGE_FIFO || shape->policy == LSMKV_MERGE_NONE || shape->space_limit <= 1;

    if (shape->run_count == 0 || shape->value_garbage == 0 || (left_alone && !shape->merge_wanted))
        return 0;
    for (uint32_t i = 0; i < shape->run_count; i++)
        if (shape->runs[i].into || shape->runs[i].damaged)
            return 0;
    if (shape->value_garbage <= allowed(shape) ||
        (!shape->merge_wanted && !lk_plan_values_worth(shape, shape->value_garbage)))
        return 0;
    job->collect = 1;
    return lk_plan_decide(job, LK_JOB_MERGE, 0, shape->run_count - 1,
                          "value segments hold %.1f %s of garbage beside %.1f %s of values",
                          LK_SHOWN(shape->value_garbage), LK_SHOWN(shape->value_live));
}
