/* The budget's parts, and the windows of a merge. */
#include "check.h"
#include "engine/budget.h"

static struct lk_budget of(uint64_t memory_bytes, uint64_t cache_bytes, int map_tables)
{
    struct lsmkv_options options = {.memory_bytes = memory_bytes, .cache_bytes = cache_bytes, .l0_segments = 3};
    return lk_budget_of(&options, map_tables);
}

TEST(the_parts_are_no_more_than_the_whole)
{
    for (uint64_t all = LK_MEMORY_LEAST; all <= 1u << 30; all = all * 3 / 2) {
        struct lk_budget mapped = of(all, 0, 1), read = of(all, 0, 0), named = of(all, 1 << 20, 0);
        CHECK(mapped.writer + mapped.sources + mapped.log <= all);
        CHECK(read.writer + read.sources + read.cache + read.log <= all);
        CHECK(named.writer + named.sources + named.log <= all); /* its cache stands beside */
        CHECK_EQ(named.cache, 1 << 20);
        CHECK(mapped.segment > 0 && mapped.segment < mapped.log);
    }
}

TEST(the_windows_of_a_merge_share_their_part)
{
    struct lk_budget budget = of(8 << 20, 0, 1);
    CHECK_EQ(lk_budget_window(&budget, 1), 256 << 10);
    for (uint32_t count = 1; count <= 32; count++) {
        uint32_t window = lk_budget_window(&budget, count);
        CHECK((uint64_t)window * count <= budget.sources);
        CHECK_EQ(window % 4096, 0);
    }
    CHECK_EQ(lk_budget_window(&budget, 1000), 16 << 10); /* the least, whatever it comes to */
    budget = of(44 << 20, 0, 1);
    CHECK_EQ(lk_budget_window(&budget, 11), 256 << 10);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
