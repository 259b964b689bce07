/* Counting when memory runs out, at every allocation in turn: a count fails or is right, a flush that cannot take the
 * count along forgets it, and the next count is right. Linked with alloc_fail.c in the place of util/alloc.c. */
#include "alloc_fail.h"
#include "store_kit.h"

static uint32_t next, live;

static int count_work(void)
{
    uint64_t count = 0;
    int rc = lsmkv_count(store.db, NULL, NULL, NULL, &count);
    if (rc == 0)
        CHECK_EQ(count, live);
    return rc;
}

static int flush_work(void)
{
    return lsmkv_flush(store.db);
}

/* New keys, old keys, deletes of absent ones, and a range delete now and then. */
static void write_some(int with_range)
{
    for (uint32_t i = 0; i < 20; i++, live++)
        put(number(next++), "value");
    put(number(next - 1), "other");
    erase("absent");
    erase(number(next - 2));
    live--;
    if (with_range) {
        struct lsmkv_slice start = {number(next - 10), 6}, stop = {number(next - 5), 6};
        CHECK_EQ(lsmkv_delete_range(store.db, &start, &stop, -1, NULL), 0);
        live -= 5;
    }
}

static void fail_every_allocation(int (*work)(void), int anew)
{
    next = live = 0;
    store_new(LSMKV_SYNC_OS);
    store.options.run_count = 32;
    store_open();
    CHECK_EQ(count_work(), 0);
    for (uint64_t nth = 1; nth < 3000; nth++) {
        write_some(nth % 3 == 0);
        if (anew)
            lk_counted_drop(engine());
        alloc_fail_at(nth, 0);
        int rc = work(), fired = alloc_fail_fired() != 0;
        alloc_fail_at(0, 0);
        CHECK(rc == 0 || (rc == LSMKV_NOMEM && fired));
        CHECK_EQ(count_work(), 0);
        if (engine()->manifest.failed) {
            store_close();
            store_open();
        }
        CHECK_EQ(count_work(), 0);
        if (!fired)
            break;
        CHECK(nth < 2999);
    }
    CHECK_EQ(count_pairs(NULL, 0), live);
    store_free();
    CHECK_EQ(alloc_fail_live(), 0);
}

TEST(a_count)
{
    fail_every_allocation(count_work, 0);
}

TEST(a_first_count)
{
    fail_every_allocation(count_work, 1);
}

TEST(a_flush_that_takes_the_count_along)
{
    fail_every_allocation(flush_work, 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
