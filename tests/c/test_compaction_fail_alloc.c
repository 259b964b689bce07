/* Flush and merge when memory runs out, at every allocation in turn: nothing has changed, nothing leaks, and the
 * next try succeeds. Linked with alloc_fail.c in the place of util/alloc.c. */
#include "alloc_fail.h"
#include "house.h"

static int flush_work(void)
{
    return house_flush();
}
static int merge_work(void)
{
    return house_step(0, house_version()->run_count - 1);
}

static void write_some(struct random *random)
{
    for (int i = 0; i < 120; i++) {
        uint32_t key = (uint32_t)random_below(random, HOUSE_KEYS - 20);
        if (i % 30 == 0)
            house_delete_range(key, key + 20);
        else if (i % 4 == 0)
            house_delete(key);
        else
            house_put(key);
    }
    house_seal();
}

static void prepare_flush(uint64_t round)
{
    if (house_version()->memtable_count == 8)
        return;
    house_put((uint32_t)(round % HOUSE_KEYS));
    house_seal(); /* nothing stays in the active one: a reopened house has only what was flushed */
}

static void prepare_merge(uint64_t round)
{
    while (house_version()->run_count < 3) {
        house_put((uint32_t)(round++ % HOUSE_KEYS));
        house_seal();
        CHECK_EQ(house_flush(), 0);
    }
}

static void fail_every_allocation(void (*prepare)(uint64_t), int (*work)(void))
{
    for (uint64_t nth = 1; nth < 5000; nth++) {
        prepare(nth);
        const struct lk_version *before = house_version();
        alloc_fail_at(nth, 0);
        int rc = work();
        int fired = alloc_fail_fired() != 0;
        alloc_fail_at(0, 0);
        CHECK_EQ(rc == 0, house_version() != before);
        CHECK(rc == 0 || (rc == LSMKV_NOMEM && fired));
        if (house.db.manifest.failed) /* the edit is durable, memory is behind it */
            house_reopen();
        house_is_sound();
        house_agrees();
        if (!fired)
            return;
    }
    CHECK(!"it needs fewer allocations");
}

TEST(flush)
{
    struct random random = {1};
    house_new();
    write_some(&random);
    write_some(&random);
    CHECK_EQ(house_flush(), 0);
    write_some(&random);
    fail_every_allocation(prepare_flush, flush_work);
    house_free();
    CHECK_EQ(alloc_fail_live(), 0);
}

TEST(merge)
{
    struct random random = {2};
    house_new();
    for (int run = 0; run < 3; run++) {
        write_some(&random);
        CHECK_EQ(house_flush(), 0);
    }
    fail_every_allocation(prepare_merge, merge_work);
    house_free();
    CHECK_EQ(alloc_fail_live(), 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
