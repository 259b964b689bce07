/* Values apart when memory runs out, at every allocation in turn, and when a call on their files fails, each in turn:
 * every call fails without a trace or succeeds, what was there stays readable, nothing leaks. Linked with alloc_fail.c
 * in the place of util/alloc.c. */
#include "alloc_fail.h"
#include "store_kit.h"

enum { KEYS = 6 };

static char text[3000];

static const char *value_of(unsigned turn, unsigned key)
{
    memset(text, 'a' + (int)(turn + key) % 26, sizeof text - 1);
    text[80 + 50 * key] = 0;
    return text;
}

static const char *name_of(unsigned key)
{
    static char name[8];
    snprintf(name, sizeof name, "k%u", key);
    return name;
}

static void prepare(void)
{
    store_new(LSMKV_SYNC_OS);
    store.options.large_value_bytes = 64;
    store.options.run_count = 1;
    store_open();
    for (unsigned key = 0; key < KEYS; key++)
        put(name_of(key), value_of(0, key));
    CHECK_EQ(lsmkv_flush(store.db), 0);
}

static int scan(void)
{
    struct lsmkv_pair pairs[4];
    lsmkv_iter *iter = NULL;
    size_t count;
    int rc = lsmkv_iter_new(store.db, NULL, NULL, &iter);
    while (rc == 0 && (rc = lsmkv_iter_begin(iter, 4, 1000, pairs, &count)) == 0)
        lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}

static int look(unsigned key)
{
    struct lsmkv_slice lent;
    lsmkv_view *view = NULL;
    void *got = NULL;
    size_t bytes;
    int rc = lsmkv_get(store.db, NULL, name_of(key), 2, &got, &bytes);
    lsmkv_free(got);
    if (rc == 0)
        rc = lsmkv_view_begin(store.db, NULL, name_of(key), 2, &lent, &view);
    lsmkv_view_end(view);
    return rc;
}

static int list_levels(void)
{
    struct lsmkv_level *levels = NULL;
    size_t count = 0;
    int rc = lsmkv_get_levels(store.db, &levels, &count);
    if (rc == 0)
        CHECK(count >= 2 && levels[count - 1].kind == LSMKV_LEVEL_VALUES);
    lsmkv_levels_free(levels, count);
    return rc;
}

static int story(void)
{
    lsmkv_batch *batch = NULL;
    int rc = look(3);
    if (rc == 0)
        rc = list_levels();
    for (unsigned key = 0; rc == 0 && key < KEYS; key++)
        rc = try_to_put(name_of(key), value_of(1, key), -1);
    if (rc == 0)
        rc = lsmkv_batch_new(&batch);
    if (rc == 0)
        rc = lsmkv_batch_put(batch, "k1", 2, value_of(2, 1), strlen(text));
    if (rc == 0)
        rc = lsmkv_write(store.db, batch, -1, NULL);
    lsmkv_batch_free(batch);
    if (rc == 0)
        rc = lsmkv_sync(store.db);
    if (rc == 0)
        rc = lsmkv_compact(store.db, NULL, NULL, NULL, NULL);
    return rc == 0 ? scan() : rc;
}

/* Each key has its first or its second value, or the one of the batch. */
static void check_state(void)
{
    for (unsigned key = 0; key < KEYS; key++) {
        const char *got = get(name_of(key));
        int known = got && (strcmp(got, value_of(0, key)) == 0 || strcmp(got, value_of(1, key)) == 0 ||
                            (key == 1 && strcmp(got, value_of(2, key)) == 0));
        if (!CHECK(known))
            fprintf(stderr, "  key %u: %.20s\n", key, got ? got : "absent");
    }
    CHECK_EQ(lsmkv_verify(store.db, NULL, NULL, NULL), 0);
}

TEST(at_every_allocation)
{
    uint64_t nth = 1;
    for (int fired = 1; fired && !check_failures; nth++) {
        prepare();
        alloc_fail_at(nth, 0);
        int rc = story();
        fired = alloc_fail_fired() != 0;
        alloc_fail_at(0, 0);
        CHECK(rc == 0 || (rc == LSMKV_NOMEM && fired) || rc == LSMKV_FAILED);
        (void)lsmkv_close(store.db); /* may say that a sync failed for want of memory */
        store_abandon();
        store_open();
        check_state();
        store_free();
        if (!CHECK_EQ(alloc_fail_live(), 0))
            alloc_fail_list(stderr);
    }
    CHECK(nth > 100);
}

TEST(at_every_allocation_of_an_open)
{
    uint64_t nth = 1;
    for (int fired = 1; fired && !check_failures; nth++) {
        prepare();
        CHECK_EQ(try_to_put("k1", value_of(1, 1), -1), 0); /* something to replay */
        store_kill();
        alloc_fail_at(nth, 0);
        int rc = store_try_open();
        fired = alloc_fail_fired() != 0;
        alloc_fail_at(0, 0);
        CHECK(rc == 0 || (rc == LSMKV_NOMEM && fired));
        if (rc != 0)
            store_open();
        check_state();
        store_free();
        if (!CHECK_EQ(alloc_fail_live(), 0))
            alloc_fail_list(stderr);
    }
    CHECK(nth > 30);
}

/* Every call on a value segment fails once, of each kind and with each of these errors. */
TEST(at_every_call)
{
    static const enum sim_call calls[] = {SIM_CREATE, SIM_OPEN, SIM_WRITE, SIM_SYNC, SIM_READ, SIM_MAP};
    static const int errors[] = {EIO, ENOSPC};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (size_t e = 0; e < sizeof errors / sizeof *errors; e++)
            for (uint64_t nth = 1; nth < 40 && !check_failures; nth++) {
                struct sim_fault fault = {.call = calls[c], .nth = nth, .err = errors[e], .only = ".val"};
                prepare();
                sim_fail(store.sim, &fault);
                int rc = story();
                sim_fail_none(store.sim);
                CHECK(rc == 0 || rc == LSMKV_IO || rc == LSMKV_FULL || rc == LSMKV_FAILED);
                (void)lsmkv_close(store.db);
                store_abandon();
                store_open();
                check_state();
                store_free();
            }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
