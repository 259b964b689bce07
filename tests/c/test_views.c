/* Values lent for as long as one likes: through merges, closing, the end of the handle and of the store. */
#include "check.h"
#include "store_kit.h"

#include <pthread.h>

#include "engine/background.h"
#include "store/granules.h"

struct lent {
    struct lsmkv_slice value;
    lsmkv_view *view;
};

static int try_lend(const char *key, const lsmkv_snapshot *snapshot, struct lent *lent)
{
    return lsmkv_view_begin(store.db, snapshot, key, strlen(key), &lent->value, &lent->view);
}

static struct lent lend(const char *key)
{
    struct lent lent = {0};
    if (!CHECK_EQ(try_lend(key, NULL, &lent), 0))
        fprintf(stderr, "  %s\n", lsmkv_last_error()->text);
    return lent;
}

static int shows(const struct lent *lent, const char *value)
{
    return CHECK(lent->value.size == strlen(value) && memcmp(lent->value.data, value, lent->value.size) == 0);
}

/* Is it the record's own place, and not a copy? */
static int in_place(const struct lent *lent)
{
    struct lk_version *version = atomic_load(&engine()->version);
    const uint8_t *at = lent->value.data;
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        const struct lk_segment *segment = version->memtables[i]->segment;
        if (at >= segment->base && at < segment->base + segment->capacity)
            return 1;
    }
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++) {
            const struct lk_granules *granules = &version->runs[i]->tables[j]->granules;
            if (at >= granules->base && at < granules->base + granules->bytes)
                return 1;
        }
    return 0;
}

/* Enough to rotate, flush and merge whatever is there away. */
static void bury(void)
{
    for (uint32_t round = 0; round < 3; round++) {
        put_numbers(0, 300, "buried under this");
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    }
}

TEST(a_view_is_the_records_own_bytes)
{
    struct lent lent;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "value");
    put("empty", "");
    lent = lend("k");
    CHECK(in_place(&lent)); /* in the active segment */
    shows(&lent, "value");
    lsmkv_view_end(lent.view);
    CHECK_EQ(lk_background_seal(engine()), 0);
    lent = lend("k");
    CHECK(in_place(&lent)); /* in a sealed one */
    lsmkv_view_end(lent.view);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    lent = lend("k");
    CHECK(in_place(&lent)); /* in a mapped table */
    shows(&lent, "value");
    lsmkv_view_end(lent.view);
    lent = lend("empty");
    shows(&lent, "");
    CHECK(lent.value.data != NULL);
    lsmkv_view_end(lent.view);
    CHECK_EQ(try_lend("missing", NULL, &lent), LSMKV_NOTFOUND);
    CHECK(lent.view == NULL && lent.value.data == NULL);
    lsmkv_view_end(NULL);
    store_free();
}

TEST(it_stays_through_writes_flushes_and_merges)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "in the log");
    struct lent log = lend("k"), again = lend("k");
    CHECK(log.value.data == again.value.data);
    put("k", "overwritten");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct lent table = lend("k");
    bury();
    erase("k");
    bury();
    shows(&log, "in the log");
    shows(&table, "overwritten");
    lsmkv_view_end(log.view);
    shows(&again, "in the log"); /* each has its own hold */
    lsmkv_view_end(again.view);
    shows(&table, "overwritten");
    lsmkv_view_end(table.view);
    store_free();
}

TEST(it_pins_its_file_and_gives_it_back)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "v");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct store_names tables = store_names(".tbl");
    CHECK_EQ(tables.count, 1);
    struct lent lent = lend("k");
    put("k", "overwritten"); /* or a merge might move the table as it is */
    bury();
    CHECK(store_has(tables.at[0]));
    lsmkv_view_end(lent.view);
    CHECK(!store_has(tables.at[0]));
    store_free();
}

TEST(snapshots_lend_what_they_see)
{
    lsmkv_snapshot *snapshot = NULL;
    struct lent lent;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "then");
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    put("k", "now");
    put("new", "1");
    CHECK_EQ(try_lend("k", snapshot, &lent), 0);
    shows(&lent, "then");
    struct lent missing;
    CHECK_EQ(try_lend("new", snapshot, &missing), LSMKV_NOTFOUND);
    lsmkv_snapshot_free(snapshot);
    bury();
    shows(&lent, "then");
    lsmkv_view_end(lent.view);
    store_free();
}

/* Granules of a table that is read are evicted: what was lent must not be theirs. */
TEST(of_a_table_that_is_read_it_is_a_copy)
{
    store_new(LSMKV_SYNC_OS);
    store.options.table_source = LSMKV_SOURCE_READ;
    store.options.cache_bytes = 64 << 10;
    store_open();
    put_numbers(0, 2000, "some value");
    put("k", "kept");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    expect("k", "kept"); /* its granule is ready */
    struct lent lent = lend("k");
    CHECK(!in_place(&lent));
    expect_numbers(0, 2000, "some value"); /* the cache turns over */
    shows(&lent, "kept");
    lsmkv_view_end(lent.view);
    store_free();
}

/* Larger than the cache and than any granule. */
static void check_large(int source)
{
    enum { BYTES = 3 << 20 };
    char *large = malloc(BYTES);
    struct lent lent;
    store_new_real(LSMKV_SYNC_OS);
    store.options.table_source = source;
    store.options.segment_bytes = 1 << 20;
    store.options.cache_bytes = 64 << 10;
    store_open();
    for (size_t i = 0; i < BYTES; i++)
        large[i] = (char)(i * 7 >> 3);
    CHECK_EQ(lsmkv_put(store.db, "k", 1, large, BYTES, -1, NULL), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    store_close();
    store_open(); /* nothing is verified yet */
    CHECK_EQ(try_lend("k", NULL, &lent), 0);
    CHECK_EQ(in_place(&lent), source == LSMKV_SOURCE_MAPPED);
    CHECK(lent.value.size == BYTES && memcmp(lent.value.data, large, BYTES) == 0);
    lsmkv_view_end(lent.view);
    store_free();
    free(large);
}

TEST(large_values_are_verified_whole)
{
    check_large(LSMKV_SOURCE_MAPPED);
    check_large(LSMKV_SOURCE_READ);
}

TEST(damaged_bytes_are_not_lent)
{
    struct lent lent;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "value");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct store_names tables = store_names(".tbl");
    store_close();
    store_damage(tables.at[0], 70, 1, 0);
    store_open();
    CHECK_EQ(try_lend("k", NULL, &lent), LSMKV_CORRUPT);
    CHECK(lent.view == NULL);
    CHECK_STR(lsmkv_last_error()->file, tables.at[0]);
    store_free();
}

TEST(a_namespace_lends_its_own)
{
    struct lsmkv_namespace_options options = {.struct_bytes = sizeof options, .create = 1};
    struct lsmkv_slice value;
    lsmkv_view *view = NULL;
    lsmkv *space = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "default");
    CHECK_EQ(lsmkv_namespace_open(store.db, "a", 1, &options, &space), 0);
    CHECK_EQ(lsmkv_view_begin(space, NULL, "k", 1, &value, &view), LSMKV_NOTFOUND);
    CHECK_EQ(lsmkv_put(space, "k", 1, "a's", 3, -1, NULL), 0);
    CHECK_EQ(lsmkv_view_begin(space, NULL, "k", 1, &value, &view), 0);
    CHECK_EQ(lsmkv_namespace_drop(store.db, "a", 1, -1), 0);
    lsmkv_release(space);
    bury();
    CHECK(value.size == 3 && memcmp(value.data, "a's", 3) == 0);
    lsmkv_view_end(view);
    store_free();
}

/* ---- closing ---------------------------------------------------------------------------------- */

/* Views of the active segment, a sealed one and a table, after the engine has ended, another one has opened the store
 * and merged everything away, and the store has been destroyed. */
static void check_end(int durability, int log_source, int table_source)
{
    store_new_real(durability);
    store.options.log_source = log_source;
    store.options.table_source = table_source;
    store_open();
    put("table", "in a table");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct lent table = lend("table");
    put("sealed", "in a sealed segment");
    CHECK_EQ(lk_background_seal(engine()), 0);
    struct lent sealed = lend("sealed");
    put("active", "in the active segment");
    struct lent active = lend("active");
    store_close();
    struct lent none;
    shows(&table, "in a table");
    shows(&sealed, "in a sealed segment");
    shows(&active, "in the active segment");
    store_open();
    expect("active", "in the active segment");
    CHECK_EQ(try_lend("table", NULL, &none), 0);
    lsmkv_view_end(none.view);
    bury();
    store_close();
    shows(&table, "in a table");
    shows(&sealed, "in a sealed segment");
    shows(&active, "in the active segment");
    CHECK_EQ(lsmkv_destroy(store.path), 0);
    shows(&table, "in a table");
    shows(&sealed, "in a sealed segment");
    shows(&active, "in the active segment");
    store_open(); /* in its place a new one: its files are not touched by what the old views let go */
    put_numbers(0, 300, "new");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    lsmkv_view_end(active.view);
    lsmkv_view_end(table.view);
    lsmkv_view_end(sealed.view);
    store_close();
    store_open();
    expect_numbers(0, 300, "new");
    store_free();
}

TEST(it_outlives_the_engine_and_the_store)
{
    check_end(LSMKV_SYNC_OS, LSMKV_SOURCE_MAPPED, LSMKV_SOURCE_MAPPED);
    check_end(LSMKV_SYNC_OS, LSMKV_SOURCE_READ, LSMKV_SOURCE_READ);
    check_end(LSMKV_SYNC_ALWAYS, LSMKV_SOURCE_AUTO, LSMKV_SOURCE_MAPPED);
    check_end(LSMKV_SYNC_NONE, LSMKV_SOURCE_AUTO, LSMKV_SOURCE_MAPPED);
}

TEST(closed_handles_lend_nothing)
{
    struct lent lent;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "v");
    lsmkv *db = store.db;
    CHECK_EQ(lsmkv_close(db), 0);
    CHECK_EQ(try_lend("k", NULL, &lent), LSMKV_CLOSED);
    CHECK(lent.view == NULL);
    lsmkv_release(db);
    store.db = NULL;
    store_free();
}

/* What a view (or a snapshot) pins at the close may include an active segment without a frame. Its name goes at once:
 * the next engine counts on every segment it finds, and must not lose one when the view ends. */
TEST(an_empty_segment_that_is_pinned_does_not_join_the_next_log)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("k", "1");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct store_names before = store_names(".log");
    struct lent lent = lend("k");
    lsmkv_snapshot *snapshot = NULL;
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    store_close();
    CHECK_EQ(store_names(".log").count, 0);
    CHECK_EQ(before.count, 1);
    store_open();
    put("l", "2");
    shows(&lent, "1");
    lsmkv_view_end(lent.view);
    lsmkv_snapshot_free(snapshot);
    store_kill();
    store_open();
    expect("k", "1");
    expect("l", "2");
    store_free();
}

static void *close_it(void *db)
{
    CHECK_EQ(lsmkv_close(db), 0);
    return NULL;
}

/* For TSan: the keeper ends while readers ask whether there is one. */
TEST(snapshots_are_left_while_the_store_closes)
{
    for (int i = 0; i < 30; i++) {
        lsmkv_snapshot *snapshot[20];
        pthread_t thread;
        store_new_real(LSMKV_SYNC_OS);
        store.options.threads = 2;
        store_open();
        for (int j = 0; j < 20; j++) {
            put("a", "1");
            CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot[j]), 0);
            CHECK_EQ(lsmkv_flush(store.db), 0);
        }
        CHECK_EQ(pthread_create(&thread, NULL, close_it, store.db), 0);
        for (int j = 0; j < 20; j++)
            usleep(60), lsmkv_snapshot_free(snapshot[j]);
        pthread_join(thread, NULL);
        lsmkv_release(store.db);
        store.db = NULL;
        store_free();
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
