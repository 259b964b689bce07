/* Upkeep with a whole engine: space, policies, pauses, ranges, and how fast it stops. */
#include "engine/background.h"
#include "engine/rewrite.h"
#include "store_kit.h"

static const char filler[] = "a value of some forty bytes, like many others";

static void begin(int policy)
{
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.l0_segments = 2;
    store.options.run_count = 3;
    store.options.merge_policy = policy;
    store_open();
}

/* Flush, and every job that is ready. Ends, or the test does. */
static uint32_t settle(void)
{
    struct lsmkv_step did;
    uint32_t steps = 0;
    CHECK_EQ(lsmkv_flush(store.db), 0);
    while (lsmkv_step(store.db, &did) == 0 && CHECK(steps < 10000))
        steps++;
    CHECK_EQ(lsmkv_pending(store.db), 0);
    return steps;
}

static uint64_t bytes_on_disk(void)
{
    static const char *const suffixes[] = {".tbl", ".log"};
    uint64_t sum = 0;
    for (int i = 0; i < 2; i++) {
        struct store_names names = store_names(suffixes[i]);
        for (uint32_t j = 0; j < names.count; j++) {
            struct lk_file *file = NULL;
            uint64_t bytes = 0;
            struct lk_dir *dir = store_dir();
            CHECK_EQ(lk_io_open(store_env(), dir, names.at[j], LK_OPEN_READ, 0, &file), 0);
            CHECK_EQ(lk_io_size(store_env(), file, names.at[j], &bytes), 0);
            CHECK_EQ(lk_io_close(store_env(), file, names.at[j]), 0);
            store_env()->ops->dir_close(dir);
            sum += bytes;
        }
    }
    return sum;
}

/* ---- space -------------------------------------------------------------------------------------- */

TEST(deleting_everything_gives_the_space_back)
{
    for (int way = 0; way < 2; way++) {
        begin(LSMKV_MERGE_DEFAULT);
        put_numbers(0, 3000, filler);
        settle();
        CHECK(stats().table_bytes > 3000 * sizeof filler);
        for (uint32_t i = 0; way == 0 && i < 3000; i++)
            erase(number(i));
        if (way == 1)
            CHECK_EQ(lsmkv_delete_range(store.db, NULL, NULL, -1, NULL), 0);
        settle();
        CHECK_EQ(stats().runs, 0);
        expect_count(0);
        store_close();
        CHECK(bytes_on_disk() < 20000);
        store_open();
        store_free();
    }
}

TEST(steady_space_stays_within_its_limit)
{
    static const double limits[] = {1.1, 1.25, 2};
    for (int i = 0; i < 3; i++) {
        struct random random = {(uint64_t)i};
        store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
        store.options.l0_segments = 2;
        store.options.run_count = 8;
        store.options.segment_bytes = 64 << 10; /* so that what every table has beside its records counts for little */
        store.options.table_bytes = 64 << 10;
        store.options.space_limit = limits[i];
        store_open();
        put_numbers(0, 4000, filler);
        settle();
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
        uint64_t live = stats().table_bytes;
        for (int round = 0; round < 20; round++) {
            for (int j = 0; j < 400; j++)
                put(number((uint32_t)random_below(&random, 4000)), filler);
            settle();
            CHECK((double)stats().table_bytes < (limits[i] + 0.1) * (double)live);
        }
        store_free();
    }
}

/* A store at rest stays at rest, also when it is closed and opened. */
TEST(rest_is_rest)
{
    for (int policy = LSMKV_MERGE_DEFAULT; policy <= LSMKV_MERGE_NONE; policy++)
        for (uint64_t seed = 0; policy != LSMKV_MERGE_FIFO && seed < 6; seed++) {
            struct random random = {seed};
            begin(policy);
            for (int i = 0; i < 4000; i++) {
                uint32_t key = (uint32_t)random_below(&random, 1 + (seed + 1) * 300);
                if (random_below(&random, 4) == 0)
                    erase(number(key));
                else
                    put(number(key), filler);
                if (random_below(&random, 400) == 0)
                    CHECK_EQ(lsmkv_flush(store.db), 0);
            }
            settle();
            CHECK_EQ(settle(), 0);
            store_close();
            store_open();
            CHECK_EQ(settle(), 0);
            store_free();
        }
}

/* Gets pay for runs. They are merged when nobody has written for a second, not before. */
TEST(an_idle_store_merges_what_gets_pay_for)
{
    struct lsmkv_step did;
    begin(LSMKV_MERGE_DEFAULT);
    store.options.run_count = 8;
    store_close();
    store_open();
    for (uint32_t round = 0; round < 3; round++) {
        put_numbers(round * 100, round * 100 + 100, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    CHECK_EQ(stats().runs, 3);
    for (uint32_t i = 0; i < 20000; i++)
        expect(number(i % 300), filler);
    CHECK_EQ(lsmkv_pending(store.db), 0);
    sim_advance(store.sim, 900000000u);
    CHECK_EQ(lsmkv_pending(store.db), 0);
    put(number(0), filler);
    sim_advance(store.sim, 900000000u); /* since the write was not seen before, it counts from now */
    CHECK_EQ(lsmkv_pending(store.db), 0);
    sim_advance(store.sim, 1000000000u);
    CHECK_EQ(lsmkv_step(store.db, &did), 0);
    CHECK(strstr(did.why, "nobody writes") != NULL);
    settle();
    CHECK(stats().runs <= 2); /* the last put is another */
    expect_numbers(0, 300, filler);
    store_free();
}

static uint64_t clock_shows;

static uint64_t show_clock(struct lk_env *env)
{
    (void)env;
    return clock_shows;
}

static int quiet_at(uint64_t ns)
{
    struct lk_shape shape;
    clock_shows = ns;
    lk_background_shape(engine(), 0, &shape);
    return shape.quiet;
}

/* Who has read the clock before another thread saw the log grow comes to no conclusion from that. */
TEST(quiet_begins_in_one_thread_and_is_asked_for_in_another)
{
    struct lk_env_ops ops = *lk_env_posix()->ops;
    struct lk_env env = {.ops = &ops};
    ops.monotonic_ns = show_clock;
    clock_shows = 5000000000u;
    store_new_real(LSMKV_SYNC_OS);
    store.env = &env;
    store_open();
    put(number(0), filler);
    CHECK_EQ(quiet_at(6000000000u), 0);
    CHECK_EQ(quiet_at(5999999999u), 0);
    CHECK_EQ(quiet_at(6999999999u), 0);
    CHECK_EQ(quiet_at(7000000000u), 1);
    put(number(1), filler);
    CHECK_EQ(quiet_at(9000000000u), 0);
    CHECK_EQ(quiet_at(8000000000u), 0);
    store_free();
}

/* ---- policies ----------------------------------------------------------------------------------- */

TEST(a_store_changes_its_policy_when_it_is_opened)
{
    static const int order[] = {LSMKV_MERGE_NONE,   LSMKV_MERGE_DEFAULT, LSMKV_MERGE_TIERED, LSMKV_MERGE_LEVELED,
                                LSMKV_MERGE_TIERED, LSMKV_MERGE_NONE,    LSMKV_MERGE_DEFAULT};
    begin(LSMKV_MERGE_NONE);
    for (uint32_t turn = 0; turn < 7; turn++) {
        store_close();
        store.options.merge_policy = order[turn];
        store_open();
        for (uint32_t round = 0; round < 6; round++) {
            for (uint32_t i = round; i < 300; i += 3)
                put(number(i + turn * 100), filler);
            CHECK_EQ(lsmkv_flush(store.db), 0);
        }
        uint64_t before = stats().runs;
        settle();
        CHECK(order[turn] == LSMKV_MERGE_NONE ? stats().runs == before : stats().runs <= 3);
        CHECK(order[turn] != LSMKV_MERGE_NONE || before >= 6);
        expect_numbers(0, 300 + turn * 100, filler);
    }
    store_free();
}

TEST(fifo_drops_the_oldest_and_nothing_else)
{
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.merge_policy = LSMKV_MERGE_FIFO;
    store.options.fifo_bytes = 64 << 10;
    store.options.l0_segments = 2;
    store_open();
    for (uint32_t i = 0; i < 6000; i++)
        put(number(i), filler);
    settle();
    CHECK(stats().table_bytes <= 64 << 10);
    CHECK_EQ(stats().merge_bytes, 0);
    int64_t left = count_pairs(NULL, 0);
    CHECK(left > 300 && left < 1500);
    expect_numbers(6000 - (uint32_t)left, 6000, filler);
    uint64_t count = 0;
    CHECK_EQ(lsmkv_count(store.db, NULL, NULL, NULL, &count), 0);
    CHECK_EQ((int64_t)count, left);
    lsmkv_snapshot *snapshot = NULL;
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    put_numbers(6000, 9000, filler);
    settle();
    CHECK_EQ(count_pairs(snapshot, 0), left); /* it keeps what it saw */
    lsmkv_snapshot_free(snapshot);
    CHECK_EQ(lsmkv_count(store.db, NULL, NULL, NULL, &count), 0);
    CHECK_EQ((int64_t)count, count_pairs(NULL, 0));
    store_close();
    store_open();
    CHECK_EQ(lsmkv_count(store.db, NULL, NULL, NULL, &count), 0);
    CHECK_EQ((int64_t)count, count_pairs(NULL, 0));
    store_free();
}

static uint64_t count_at(const lsmkv_snapshot *snapshot)
{
    uint64_t count = 0;
    CHECK_EQ(lsmkv_count(store.db, snapshot, NULL, NULL, &count), 0);
    return count;
}

/* No write comes between what was counted and what is left, so an LSN does not tell one from the other. */
TEST(fifo_leaves_no_count_behind)
{
    for (int way = 0; way < 4; way++) { /* counted before it or through a snapshot; told by memory or by the manifest */
        store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
        store.options.l0_segments = 2;
        store_open();
        lsmkv_snapshot *snapshot = NULL;
        for (uint32_t i = 0; i < 6; i++) {
            put_numbers(500 * i, 500 * (i + 1), filler);
            if (way & 1)
                CHECK_EQ(count_at(NULL), 500 * (i + 1));
            CHECK_EQ(lsmkv_flush(store.db), 0);
        }
        store_close();
        store.options.merge_policy = LSMKV_MERGE_FIFO;
        store.options.fifo_bytes = 64 << 10;
        store_open();
        CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
        settle();
        CHECK_EQ(count_at(snapshot), 3000);
        lsmkv_snapshot_free(snapshot);
        if (way & 2) {
            store_close();
            store.options.merge_policy = LSMKV_MERGE_DEFAULT;
            store.options.fifo_bytes = 0;
            store_open();
        }
        int64_t left = count_pairs(NULL, 0);
        CHECK(left > 300 && left < 1500);
        CHECK_EQ((int64_t)count_at(NULL), left);
        store_free();
    }
}

static lsmkv *space(const char *name)
{
    const struct lsmkv_namespace_options options = {.struct_bytes = sizeof options, .create = 1};
    lsmkv *made = NULL;
    CHECK_EQ(lsmkv_namespace_open(store.db, name, strlen(name), &options, &made), 0);
    return made;
}

/* What the catalog says is no data: no number is given out twice, and a namespace is found under its name. */
TEST(fifo_keeps_the_names_of_namespaces)
{
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.merge_policy = LSMKV_MERGE_FIFO;
    store.options.fifo_bytes = 64 << 10;
    store.options.l0_segments = 2;
    store_open();
    lsmkv *cats = space("cats");
    uint64_t count = 0;
    for (uint32_t i = 0; i < 6000; i++) {
        CHECK_EQ(lsmkv_put(cats, number(i % 500), 6, filler, strlen(filler), -1, NULL), 0);
        if (i % 1000 == 999)
            settle(); /* ends: a run that cannot leave is not dropped again and again */
    }
    CHECK(stats().table_bytes <= 80 << 10);
    lsmkv *dogs = space("dogs");
    CHECK_EQ(lsmkv_count(dogs, NULL, NULL, NULL, &count), 0);
    CHECK_EQ(count, 0);
    CHECK_EQ(lsmkv_close(dogs), 0);
    lsmkv_release(dogs);
    CHECK_EQ(lsmkv_close(cats), 0);
    lsmkv_release(cats);
    CHECK_EQ(lsmkv_namespace_drop(store.db, "dogs", 4, 0), 0);
    put_numbers(0, 3000, filler);
    settle();
    store_close();
    store_open();
    struct lsmkv_namespace_info *list = NULL;
    size_t names = 0;
    CHECK_EQ(lsmkv_namespaces(store.db, &list, &names), 0);
    CHECK_EQ(names, 1);
    CHECK(names == 1 && list[0].name.size == 4 && memcmp(list[0].name.data, "cats", 4) == 0);
    lsmkv_namespaces_free(list, names);
    store_free();
}

TEST(fifo_needs_a_bound)
{
    store_new(LSMKV_SYNC_OS);
    store.options.merge_policy = LSMKV_MERGE_FIFO;
    CHECK_EQ(store_try_open(), LSMKV_OPTIONS);
    CHECK(strstr(lsmkv_last_error()->text, "fifo_bytes") != NULL);
    store_free();
}

static _Atomic uint64_t now_ns;

static uint64_t held_clock(void *context)
{
    (void)context;
    return atomic_load(&now_ns);
}

TEST(fifo_by_age_goes_by_the_clock_of_the_store)
{
    store_new(LSMKV_SYNC_OS);
    store.options.merge_policy = LSMKV_MERGE_FIFO;
    store.options.fifo_age_ms = 10000;
    store.options.wall_ns = held_clock;
    atomic_store(&now_ns, 1000000000);
    store_open();
    put("old", "1");
    settle();
    atomic_store(&now_ns, 9000000000);
    put("new", "2");
    settle();
    CHECK_EQ(stats().runs, 2);
    atomic_store(&now_ns, 12000000000);
    store_close(); /* when a run was written is known after a reopen, too */
    store_open();
    settle();
    expect("old", NULL);
    expect("new", "2");
    atomic_store(&now_ns, 20000000000);
    settle();
    CHECK_EQ(stats().runs, 0);
    expect("new", NULL);
    store_free();
}

/* ---- pauses ------------------------------------------------------------------------------------- */

TEST(paused_flushes_go_on_and_merges_do_not)
{
    begin(LSMKV_MERGE_TIERED);
    CHECK_EQ(lsmkv_resume(store.db), LSMKV_INVALID);
    CHECK_EQ(lsmkv_pause(store.db), 0);
    CHECK_EQ(lsmkv_pause(store.db), 0);
    for (uint32_t round = 0; round < 8; round++) {
        put_numbers(0, 200, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    CHECK_EQ(lsmkv_pending(store.db), 0);
    uint64_t runs = stats().runs;
    CHECK(runs >= 8);
    CHECK_EQ(lsmkv_resume(store.db), 0);
    CHECK_EQ(lsmkv_step(store.db, NULL), LSMKV_NOTFOUND); /* the other one goes on */
    CHECK_EQ(lsmkv_resume(store.db), 0);
    CHECK_EQ(lsmkv_resume(store.db), LSMKV_INVALID);
    CHECK(settle() > 0);
    CHECK(stats().runs <= 3);
    expect_numbers(0, 200, filler);
    store_free();
}

TEST(what_is_asked_for_is_done_in_a_pause_too)
{
    begin(LSMKV_MERGE_NONE);
    CHECK_EQ(lsmkv_pause(store.db), 0);
    for (uint32_t round = 0; round < 4; round++) {
        put_numbers(0, 200, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats().runs, 1);
    store_free();
}

/* A merge under way rests in the middle, and goes on from there; a handle's pauses end with it. */
TEST(a_merge_rests_between_two_tables)
{
    begin(LSMKV_MERGE_NONE);
    for (uint32_t round = 0; round < 5; round++) {
        put_numbers(0, 400, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    struct lsmkv *other = NULL;
    engine()->options.merge_policy = LSMKV_MERGE_TIERED;
    CHECK_EQ(lsmkv_step(store.db, NULL), 0);
    CHECK(stats().runs > 5); /* inputs and output */
    CHECK_EQ(lk_open_in(store_env(), store.path, NULL, &other), 0);
    CHECK_EQ(lsmkv_pause(other), 0);
    CHECK_EQ(lsmkv_step(store.db, NULL), LSMKV_NOTFOUND);
    expect_numbers(0, 400, filler);
    lsmkv_release(other);
    CHECK(settle() > 0);
    CHECK_EQ(stats().runs, 1);
    expect_numbers(0, 400, filler);
    store_free();
}

/* ---- ranges ------------------------------------------------------------------------------------- */

static uint32_t table_numbers(uint32_t numbers[512], const char *below)
{
    struct lsmkv_level *levels = NULL;
    size_t count = 0;
    uint32_t found = 0;
    CHECK_EQ(lsmkv_get_levels(store.db, &levels, &count), 0);
    for (size_t i = 0; i < count && CHECK(found < 512); i++)
        if (levels[i].kind == LSMKV_LEVEL_TABLE &&
            memcmp(levels[i].key_max.data, below,
                   levels[i].key_max.size < strlen(below) ? levels[i].key_max.size : strlen(below)) < 0)
            numbers[found++] = levels[i].number;
    lsmkv_levels_free(levels, count);
    return found;
}

TEST(a_range_is_compacted_and_the_rest_left_alone)
{
    uint32_t before[512], after[512];
    begin(LSMKV_MERGE_NONE);
    for (uint32_t round = 0; round < 4; round++) {
        put_numbers(0, 2000, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    const char *below = number(900);
    char limit[32];
    strcpy(limit, below);
    uint32_t count = table_numbers(before, limit);
    struct lsmkv_slice start = {"", 0}, stop = {"", 0};
    char from[32], to[32];
    strcpy(from, number(1000));
    strcpy(to, number(1400));
    start = (struct lsmkv_slice){from, strlen(from)};
    stop = (struct lsmkv_slice){to, strlen(to)};
    uint64_t merged = stats().merge_bytes, all = stats().table_bytes;
    CHECK_EQ(lsmkv_compact(store.db, &start, &stop, NULL, NULL), 0);
    CHECK(stats().merge_bytes > merged && stats().merge_bytes - merged < all / 3);
    CHECK(count > 20);
    CHECK_EQ(table_numbers(after, limit), count);
    CHECK(memcmp(before, after, count * sizeof before[0]) == 0);
    CHECK(stats().table_bytes < all);
    expect_numbers(0, 2000, filler);
    CHECK_EQ(lsmkv_compact(store.db, &stop, &start, NULL, NULL), 0); /* empty */
    CHECK_EQ(lsmkv_verify(store.db, NULL, NULL, NULL), 0);
    store_free();
}

/* ---- close -------------------------------------------------------------------------------------- */

static uint64_t walked;
static struct lk_db *watched;

static void count_seek(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    static uint8_t name[8];
    (void)key, (void)after;
    cursor->valid = 1;
    cursor->record = (struct lk_record){.flags = LK_PUT, .key = lk_slice(name, 8), .value = lk_slice("v", 1)};
    cursor->head = lk_head(cursor->record.key, 0);
}

/* A million records; in the middle of them the store begins to close. */
static void count_next(struct lk_cursor *cursor)
{
    uint8_t *name = (uint8_t *)cursor->record.key.at;
    walked++;
    for (int i = 0; i < 8; i++)
        name[i] = (uint8_t)(walked >> (56 - 8 * i));
    cursor->head = lk_head(cursor->record.key, 0);
    cursor->valid = walked < 1000000;
    if (walked == 20000)
        atomic_store(&watched->closing, 1);
}

static void count_deinit(struct lk_cursor *cursor)
{
    (void)cursor;
}

TEST(a_rewrite_gives_up_a_few_thousand_records_after_close_began)
{
    static const struct lk_cursor_ops ops = {.seek = count_seek, .next = count_next, .deinit = count_deinit};
    struct lk_cursor cursor = {.ops = &ops};
    struct lk_rewrite rewrite;
    struct lk_buf next = {0};
    int ended = 0;
    store_new_real(LSMKV_SYNC_OS);
    store.options.table_bytes = 64 << 20;
    store_open();
    watched = engine();
    walked = 0;
    CHECK_EQ(lk_rewrite_begin(&rewrite, watched, 1), 0);
    rewrite.sources[0] = (struct lk_merge_source){.cursor = &cursor};
    rewrite.run = 1;
    lk_rewrite_seek(&rewrite, lk_slice("", 0));
    CHECK_EQ(lk_rewrite_table(&rewrite, lk_slice("", 0), 0, &next, &ended), LSMKV_CANCELLED);
    CHECK(walked >= 20000 && walked < 20000 + 5000);
    lk_rewrite_end(&rewrite, 0);
    lk_buf_deinit(&next);
    CHECK_EQ(store_names(".tbl").count, 0);
    atomic_store(&watched->closing, 0);
    store_free();
}

/* Without a log, durable means flushed; and the close gives flushes up for whoever waits for one. */
TEST(whoever_waits_for_a_flush_is_told_that_the_store_is_closed)
{
    store_new(LSMKV_SYNC_NONE);
    store_open();
    put_synced("a", "1");
    atomic_store(&engine()->closing, 1); /* as the last handle does before it waits for calls */
    CHECK_EQ(try_to_put("b", "2", 1), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_sync(store.db), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_flush(store.db), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), LSMKV_CLOSED);
    atomic_store(&engine()->closing, 0);
    store_close();
    store_open();
    expect("a", "1");
    expect("b", "2"); /* the close itself flushed */
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
