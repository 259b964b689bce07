/* planner_values: when value segments hold too much that is not needed.
 *
 *   runs     3 . 5        value bytes they refer to (MiB)
 *   bottom   800          garbage 20          -> no job
 *   runs     60 . 70
 *   bottom   800          garbage 20          -> merge all        newer values may replace an eighth of the bottom's
 *   bottom   900          garbage 150         -> merge, collect   an eighth of what is referred to is garbage
 *
 * Merging comes first, because only a merge of both records tells that the older value is garbage. References are
 * small beside what they refer to, so both cost little; a store whose tables are mostly other records is left alone. */
#include "engine/planner.h"

#include <stdio.h>

enum { SHARE = 8, SHARE_WANTED = 16, WORTH = 4 };

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

int lk_plan_values(const struct lk_shape *shape, struct lk_job *job)
{
    uint64_t bytes = 0, values = 0, newer = 0;
    int left_alone = shape->policy == LSMKV_MERGE_FIFO || (shape->policy == LSMKV_MERGE_NONE && !shape->merge_wanted);
    if (shape->run_count == 0 || left_alone)
        return 0;
    for (uint32_t i = 0; i < shape->run_count; i++) {
        if (shape->runs[i].into || shape->runs[i].damaged)
            return 0;
        bytes += shape->runs[i].bytes;
        values += shape->runs[i].values;
        newer += i + 1 < shape->run_count ? shape->runs[i].values : 0;
    }
    uint64_t garbage = shape->value_garbage, slack = shape->merge_wanted ? 0 : shape->segment_bytes / 4;
    uint64_t share = shape->merge_wanted ? SHARE_WANTED : SHARE;
    if (!shape->merge_wanted && bytes / WORTH > garbage + newer)
        return 0;
    *job = (struct lk_job){.kind = LK_JOB_MERGE, .last = shape->run_count - 1};
    if (newer > (values - newer) / SHARE + slack)
        snprintf(job->why, sizeof job->why, "%.1f MiB of newer values may replace some of the bottom's %.1f MiB",
                 mib(newer), mib(values - newer));
    else if ((job->collect = garbage > values / share + slack))
        snprintf(job->why, sizeof job->why, "value segments hold %.1f MiB of garbage beside %.1f MiB of values",
                 mib(garbage), mib(values));
    else
        job->kind = LK_JOB_NONE;
    return job->kind != LK_JOB_NONE;
}
