/* budget: the division. */
#include "engine/budget.h"

enum { WINDOW_LEAST = 16 * 1024, WINDOW_MOST = 256 * 1024 };

struct lk_budget lk_budget_of(const struct lsmkv_options *options, int map_tables)
{
    uint64_t all = options->memory_bytes;
    struct lk_budget budget = {.writer = all / 16 * 3, .sources = all / 16, .cache = all / 8 * 3};
    int beside = map_tables || options->cache_bytes; /* who names the cache's size wants it beside the rest */
    budget.log = all - budget.writer - budget.sources - (beside ? 0 : budget.cache);
    budget.cache = options->cache_bytes ? options->cache_bytes : budget.cache;
    /* Of l0_segments: index and order, two parts each; of the segments that fill meanwhile one each. */
    budget.segment = budget.log / (2 * (options->l0_segments + 1) + 2);
    return budget;
}

uint32_t lk_budget_window(const struct lk_budget *budget, uint32_t count)
{
    uint64_t window = budget->sources / (count ? count : 1);
    window = window < WINDOW_MOST ? window : WINDOW_MOST;
    return (uint32_t)(window < WINDOW_LEAST ? WINDOW_LEAST : window) & ~(uint32_t)4095;
}
