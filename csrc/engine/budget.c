/* budget: the division. */
#include "engine/budget.h"

struct lk_budget lk_budget_of(const struct lsmkv_options *options, int map_tables)
{
    uint64_t all = options->memory_bytes;
    struct lk_budget budget = {.writer = all / 4, .cache = all / 8 * 3};
    int beside = map_tables || options->cache_bytes; /* who names the cache's size wants it beside the rest */
    budget.log = all - budget.writer - (beside ? 0 : budget.cache);
    budget.cache = options->cache_bytes ? options->cache_bytes : budget.cache;
    /* Of l0_segments: index and order, two parts each; of the segments that fill meanwhile one each. */
    budget.segment = budget.log / (2 * (options->l0_segments + 1) + 2);
    return budget;
}
