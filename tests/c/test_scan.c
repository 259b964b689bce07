/* Scans against a sorted array: bounds and directions, states held while everything moves under them. */
#include <pthread.h>

#include "store_kit.h"

#include "engine/background.h"

enum { KEYS = 260, HELD = 4 };

/* content[k]: the salt of key k's value, 0: absent. */
struct content {
    uint32_t salt[KEYS];
};

static struct content content;
static uint32_t next_salt;
static int large_values;

static size_t key_text(char to[48], uint32_t key)
{
    return (size_t)snprintf(to, 48, key % 3 ? "%03u" : "%03u with a longer tail of text", key);
}

static size_t value_text(uint32_t salt, char **to)
{
    static char value[70000];
    size_t bytes = large_values && salt % 17 == 0 ? 60000 + salt % 1000 : salt % 41;
    memset(value, 'a' + (int)(salt % 26), bytes);
    *to = value;
    return bytes;
}

static void write_random(struct random *random, int count)
{
    for (int i = 0; i < count; i++) {
        char key[48], stop[48], *value;
        uint32_t n = (uint32_t)random_below(random, KEYS);
        size_t key_bytes = key_text(key, n);
        uint64_t what = random_below(random, 40);
        if (what == 0) {
            uint32_t end = n + 1 + (uint32_t)random_below(random, 30);
            struct lsmkv_slice from = {key, key_bytes}, to = {stop, key_text(stop, end)};
            CHECK_EQ(lsmkv_delete_range(store.db, &from, end < KEYS ? &to : NULL, -1, NULL), 0);
            for (; n < end && n < KEYS; n++)
                content.salt[n] = 0;
        } else if (what < 8) {
            CHECK_EQ(lsmkv_delete(store.db, key, key_bytes, -1, NULL), 0);
            content.salt[n] = 0;
        } else {
            size_t bytes = value_text(++next_salt, &value);
            CHECK_EQ(lsmkv_put(store.db, key, key_bytes, value, bytes, -1, NULL), 0);
            content.salt[n] = next_salt;
        }
    }
}

/* ---- one scan and what it must bring ------------------------------------------------------------- */

struct walk {
    lsmkv_iter *iter; /* owned; NULL: none */
    struct content content;
    int64_t at, end;  /* the next key and the one after the last, in the direction of the scan */
    int step;
};

static void open_walk(struct walk *walk, const lsmkv_snapshot *snapshot, const struct content *of,
                      struct random *random)
{
    char low[48], high[48];
    uint32_t a = (uint32_t)random_below(random, KEYS), b = (uint32_t)random_below(random, KEYS + 1);
    struct lsmkv_range range = {.has_start = random_below(random, 3) > 0,
                                .has_stop = random_below(random, 3) > 0,
                                .exclude_start = (int)random_below(random, 2),
                                .include_stop = (int)random_below(random, 2),
                                .reverse = (int)random_below(random, 2)};
    range.start = (struct lsmkv_slice){low, key_text(low, a)};
    range.stop = (struct lsmkv_slice){high, key_text(high, b)};
    int64_t from = range.has_start ? (int64_t)a + range.exclude_start : 0;
    int64_t to = range.has_stop ? (int64_t)b + (range.include_stop && b < KEYS) : KEYS;
    to = to > KEYS ? KEYS : to;
    from = from > to ? to : from;
    *walk = (struct walk){.content = *of, .step = range.reverse ? -1 : 1};
    walk->at = range.reverse ? to - 1 : from;
    walk->end = range.reverse ? from - 1 : to;
    CHECK_EQ(lsmkv_iter_new(store.db, snapshot, &range, &walk->iter), 0);
    memset(low, '#', sizeof low); /* the bounds were copied */
    memset(high, '#', sizeof high);
}

static int same_pair(const struct lsmkv_pair *pair, uint32_t key, uint32_t salt)
{
    char text[48], *value;
    size_t bytes = key_text(text, key);
    if (!CHECK(pair->key.size == bytes && memcmp(pair->key.data, text, bytes) == 0)) {
        fprintf(stderr, "  key %.*s instead of %s\n", (int)pair->key.size, (const char *)pair->key.data, text);
        return 0;
    }
    bytes = value_text(salt, &value);
    return CHECK(pair->value.size == bytes && (bytes == 0 || memcmp(pair->value.data, value, bytes) == 0));
}

/* One chunk further. 0: the walk is over. */
static int walk_on(struct walk *walk, size_t most, int patient)
{
    struct lsmkv_pair pairs[64];
    size_t count = 0;
    int rc = patient ? LSMKV_WOULDBLOCK : lsmkv_try_iter_begin(walk->iter, most, 1 << 20, pairs, &count);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_iter_begin(walk->iter, most, 1 << 20, pairs, &count);
    if (rc == 0) {
        CHECK(count > 0 && count <= most);
        for (size_t i = 0; i < count && !check_failures; i++, walk->at += walk->step) {
            while (walk->at != walk->end && walk->content.salt[walk->at] == 0)
                walk->at += walk->step;
            if (!CHECK(walk->at != walk->end))
                break;
            same_pair(&pairs[i], (uint32_t)walk->at, walk->content.salt[walk->at]);
        }
        lsmkv_iter_end(walk->iter);
        return !check_failures;
    }
    CHECK_EQ(rc, LSMKV_NOTFOUND);
    for (; walk->at != walk->end; walk->at += walk->step)
        if (!CHECK_EQ(walk->content.salt[walk->at], 0))
            break;
    CHECK_EQ(lsmkv_iter_begin(walk->iter, most, 1 << 20, pairs, &count), LSMKV_NOTFOUND); /* and stays so */
    lsmkv_iter_free(walk->iter);
    walk->iter = NULL;
    return 0;
}

static void walk_whole(const lsmkv_snapshot *snapshot, const struct content *of, struct random *random)
{
    struct walk walk;
    open_walk(&walk, snapshot, of, random);
    while (walk_on(&walk, 1 + random_below(random, 60), (int)random_below(random, 2)))
        ;
    lsmkv_iter_free(walk.iter);
}

/* ---- histories ---------------------------------------------------------------------------------- */

static void move(struct random *random)
{
    switch (random_below(random, 6)) {
    case 0:
        CHECK_EQ(lk_background_seal(engine()), 0);
        break;
    case 1:
        CHECK_EQ(lsmkv_flush(store.db), 0);
        break;
    case 2:
        if (random_below(random, 4) == 0)
            CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
        break;
    default:
        (void)!lsmkv_step(store.db, NULL);
        break;
    }
}

/* Iterators and snapshots of any age, while segments are sealed, flushed and merged away under them. */
static void history(uint64_t seed, int turns)
{
    struct random random = {seed};
    static struct walk walks[HELD];
    static struct {
        lsmkv_snapshot *at;
        struct content content;
    } held[HELD];
    memset(&content, 0, sizeof content);
    memset(walks, 0, sizeof walks);
    memset(held, 0, sizeof held);
    for (int turn = 0; turn < turns && !check_failures; turn++) {
        unsigned which = (unsigned)random_below(&random, HELD);
        write_random(&random, (int)random_below(&random, 40));
        move(&random);
        if (!walks[which].iter)
            open_walk(&walks[which], NULL, &content, &random);
        else
            walk_on(&walks[which], 1 + random_below(&random, 40), (int)random_below(&random, 2));
        if (!held[which].at) {
            held[which].content = content;
            CHECK_EQ(lsmkv_snapshot_new(store.db, &held[which].at), 0);
        } else {
            walk_whole(held[which].at, &held[which].content, &random);
            if (random_below(&random, 4) == 0) {
                lsmkv_snapshot_free(held[which].at);
                held[which].at = NULL;
            }
        }
        walk_whole(NULL, &content, &random);
    }
    for (unsigned i = 0; i < HELD; i++) {
        lsmkv_iter_free(walks[i].iter);
        lsmkv_snapshot_free(held[i].at);
    }
}

TEST(against_a_sorted_array)
{
    for (int source = LSMKV_SOURCE_MAPPED; source <= LSMKV_SOURCE_READ; source++) {
        store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
        store.options.table_source = source;
        store.options.table_bytes = 1024;
        store.options.page_bytes = 128;
        store.options.run_count = 3;
        large_values = 0;
        store_open();
        history(51 + (uint64_t)source, 220);
        store_free();
    }
}

/* Values larger than the cache holds, and a cache of next to nothing. */
TEST(large_values_and_a_tiny_cache)
{
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 16 << 20, .no_history = 1});
    store.options.table_source = LSMKV_SOURCE_READ;
    store.options.cache_bytes = 64 << 10;
    store.options.table_bytes = 256 << 10;
    store.options.segment_bytes = 256 << 10;
    large_values = 1;
    store_open();
    history(61, 80);
    large_values = 0;
    store_free();
}

TEST(without_a_log)
{
    store_new_in(LSMKV_SYNC_NONE, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store_open();
    history(71, 60);
    store_free();
}

/* ---- single cases ------------------------------------------------------------------------------- */

static int64_t count_range(struct lsmkv_range range)
{
    struct lsmkv_pair pairs[8];
    lsmkv_iter *iter = NULL;
    int64_t sum = 0;
    size_t count;
    int rc = lsmkv_iter_new(store.db, NULL, &range, &iter);
    while (rc == 0 && (rc = lsmkv_iter_begin(iter, 8, 1 << 20, pairs, &count)) == 0) {
        sum += (int64_t)count;
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    return rc == LSMKV_NOTFOUND ? sum : rc;
}

static struct {
    struct lk_env_ops ops;
    struct lk_env env;
    uint64_t bytes;
    _Atomic uint64_t opened; /* to be read; the keeper makes segments meanwhile */
    _Atomic uint64_t hot;
} told;

static void tell(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    (void)file, (void)offset;
    told.bytes += bytes;
}

static int open_and_count(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    told.opened += how == LK_OPEN_READ;
    return lk_env_posix()->ops->open(dir, name, how, mode, out);
}

static int64_t nothing_resident(struct lk_env *env, const void *at, uint64_t bytes)
{
    (void)env, (void)at, (void)bytes;
    return 0;
}

static void count_hot(struct lk_env *env, void *at, uint64_t bytes)
{
    told.hot++;
    lk_env_posix()->ops->map_hot(env, at, bytes);
}

/* A store, not open yet, whose environment counts what is told, opened and marked as hot. */
static void new_told_store(uint32_t source)
{
    store_new_real(LSMKV_SYNC_OS);
    told.hot = 0;
    told.ops = *lk_env_posix()->ops;
    told.ops.will_need = tell;
    told.ops.open = open_and_count;
    told.ops.map_hot = count_hot;
    told.env.ops = &told.ops;
    store.env = &told.env;
    store.options.table_source = source;
}

enum { WALKED = 9000, WALKED_VALUE = 500, WALKED_BYTES = WALKED * WALKED_VALUE };

/* A settled store of a few tables. */
static void walked_store(uint32_t source, uint32_t cache_bytes)
{
    static char value[WALKED_VALUE];
    new_told_store(source);
    store.options.table_bytes = 2 << 20;
    store.options.cache_bytes = cache_bytes;
    store_open();
    for (uint32_t i = 0; i < WALKED; i++)
        CHECK_EQ(lsmkv_put(store.db, number(i), strlen(number(i)), value, sizeof value, -1, NULL), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
}

static uint64_t walk_some(uint32_t from, uint32_t to)
{
    char first[32], last[32];
    strcpy(first, number(from)), strcpy(last, number(to));
    struct lsmkv_range range = {.has_start = 1, .has_stop = 1};
    range.start = (struct lsmkv_slice){first, strlen(first)};
    range.stop = (struct lsmkv_slice){last, strlen(last)};
    int64_t count = count_range(range);
    CHECK(count > 0);
    return (uint64_t)count;
}

/* A long walk of mapped tables tells the system ahead of time, once for each byte, what it will read; a short one does not. */
TEST(walks_tell_what_they_will_read)
{
    walked_store(LSMKV_SOURCE_MAPPED, 0);
    for (int turn = 0; turn < 2; turn++) {
        told.bytes = 0;
        CHECK_EQ(count_pairs(NULL, 0), WALKED);
        CHECK(told.bytes > WALKED_BYTES - (512 << 10) && told.bytes < WALKED_BYTES + WALKED_BYTES / 8);
        told.bytes = 0;
        walk_some(WALKED / 2, WALKED / 2 + 20);
        CHECK_EQ(told.bytes, 0);
    }
    store_free();
}

/* Bytes that eight short walks read. */
static uint64_t read_by_short_walks(void)
{
    struct lsmkv_stats before, after;
    CHECK_EQ(lsmkv_get_stats(store.db, &before), 0);
    for (uint32_t i = 1; i <= 8; i++)
        walk_some(i * 1000, i * 1000 + 20);
    CHECK_EQ(lsmkv_get_stats(store.db, &after), 0);
    return after.read_bytes - before.read_bytes;
}

/* One over tables that are read opens each of them once, for itself, so that the system sees a file that is read in order;
 * what was in the cache is mostly there still when it ends. */
TEST(long_walks_go_beside_the_cache)
{
    walked_store(LSMKV_SOURCE_READ, 4 << 20);
    uint64_t all = read_by_short_walks();
    CHECK(all >= 8 * 4096);
    struct lsmkv_stats stats;
    CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
    CHECK(stats.tables > 1);
    told.bytes = told.opened = 0;
    for (int turn = 0; turn < 2; turn++) {
        CHECK_EQ(count_pairs(NULL, 0), WALKED);
        CHECK_EQ(told.opened, stats.tables);
        CHECK_EQ(told.bytes, 0);
        told.bytes = told.opened = 0;
        CHECK(read_by_short_walks() <= all / 4);
        CHECK_EQ(told.opened, 0);
    }
    store_free();
}

/* Nor does one over mapped tables wait for pages one by one when these have left memory. */
TEST(long_walks_go_beside_a_mapping_that_left_memory)
{
    struct lsmkv_stats stats;
    walked_store(LSMKV_SOURCE_MAPPED, 0);
    CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
    CHECK(stats.tables > 1);
    CHECK(told.hot >= stats.tables); /* the lines of each */
    told.ops.map_resident = nothing_resident;
    for (int turn = 0; turn < 2; turn++) {
        told.opened = 0;
        CHECK_EQ(count_pairs(NULL, 0), WALKED);
        CHECK_EQ(told.opened, stats.tables);
        walk_some(100, 120);
        CHECK_EQ(told.opened, stats.tables);
    }
    store_free();
}

/* A page that is too large for a window is met where it lies, told of ahead, and so are its neighbours. */
TEST(long_walks_over_large_values)
{
    enum { LARGE = 300000, COUNT = 60 };
    static char value[LARGE];
    struct lsmkv_stats stats;
    for (int mixed = 0; mixed < 2; mixed++) {
        new_told_store(LSMKV_SOURCE_MAPPED);
        store.options.table_bytes = 8 << 20;
        store.options.segment_bytes = 8 << 20;
        store_open();
        for (uint32_t i = 0; i < COUNT * 10; i++)
            if (mixed || i % 10 == 0)
                CHECK_EQ(lsmkv_put(store.db, number(i), strlen(number(i)), value, i % 10 ? 500 : LARGE, -1, NULL), 0);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
        told.ops.map_resident = nothing_resident;
        CHECK_EQ(count_pairs(NULL, 0), mixed ? COUNT * 10 : COUNT); /* all bytes are verified now */
        CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
        told.opened = told.bytes = 0;
        CHECK_EQ(count_pairs(NULL, 0), mixed ? COUNT * 10 : COUNT);
        CHECK(told.opened <= stats.tables);
        CHECK(told.bytes >= COUNT * LARGE / 2);
        store_free();
    }
}

/* Pairs before a walk fails, which has to be at this place. */
static uint64_t walk_into(const char *file, uint64_t offset)
{
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter = NULL;
    size_t count;
    uint64_t sum = 0;
    int rc;
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    while ((rc = lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count)) == 0) {
        for (size_t i = 0; i < count; i++, sum++)
            CHECK(pairs[i].key.size == strlen(number((uint32_t)sum)) &&
                  memcmp(pairs[i].key.data, number((uint32_t)sum), pairs[i].key.size) == 0);
        lsmkv_iter_end(iter);
    }
    CHECK_EQ(rc, LSMKV_CORRUPT);
    CHECK(strcmp(lsmkv_last_error()->file, file) == 0);
    CHECK_EQ(lsmkv_last_error()->offset, offset);
    lsmkv_iter_free(iter);
    return sum;
}

/* A damaged page ends a walk that reads beside cache or mapping where it ends one that does not, and is named. */
TEST(long_walks_end_at_the_page_that_is_damaged)
{
    enum { AT = 1 << 20 };
    for (int source = LSMKV_SOURCE_MAPPED; source <= LSMKV_SOURCE_READ; source++) {
        walked_store((uint32_t)source, 4 << 20);
        told.ops.map_resident = nothing_resident;
        if (source == LSMKV_SOURCE_MAPPED)
            CHECK_EQ(count_pairs(NULL, 0), WALKED); /* the mapping counts as verified */
        struct store_names tables = store_names(".tbl");
        NEED(CHECK(tables.count > 2));
        struct lk_dir *dir = store_dir();
        struct lk_file *file = NULL;
        uint8_t byte;
        CHECK_EQ(store_env()->ops->open(dir, tables.at[1], LK_OPEN_WRITE, 0, &file), 0);
        CHECK_EQ(store_env()->ops->read(file, AT + 77, &byte, 1), 1);
        byte ^= 1;
        CHECK_EQ(store_env()->ops->write(file, AT + 77, &byte, 1), 0);
        CHECK_EQ(store_env()->ops->close(file), 0);
        store_env()->ops->dir_close(dir);
        told.opened = 0;
        uint64_t beside = walk_into(tables.at[1], AT);
        CHECK(told.opened > 0);
        store_close();
        store.options.table_source = LSMKV_SOURCE_READ;
        store.options.cache_bytes = 64 << 10; /* no windows */
        store_open();
        uint64_t through = walk_into(tables.at[1], AT);
        CHECK_EQ(beside, through);
        CHECK(beside > 0 && beside < WALKED);
        store_free();
    }
}

static struct {
    pthread_t caller;
    _Atomic uint32_t here, elsewhere; /* files closed by the caller, and by others */
} closes;

static int close_and_count(struct lk_file *file)
{
    atomic_fetch_add(pthread_equal(closes.caller, pthread_self()) ? &closes.here : &closes.elsewhere, 1);
    return lk_env_posix()->ops->close(file);
}

/* Who ends an iterator touches memory only: what a long walk has opened, the keeper closes, and without one it is closed at
 * once. */
TEST(an_iterator_ends_without_the_file_system)
{
    struct lsmkv_pair pairs[64];
    size_t count;
    for (uint32_t threads = 0; threads < 2; threads++) {
        lsmkv_iter *iter = NULL;
        walked_store(LSMKV_SOURCE_READ, 4 << 20);
        store_close();
        store.options.threads = threads;
        told.ops.close = close_and_count;
        closes.caller = pthread_self();
        store_open();
        told.opened = 0;
        CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
        while (told.opened == 0 && CHECK_EQ(lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count), 0))
            lsmkv_iter_end(iter);
        closes.here = closes.elsewhere = 0;
        lsmkv_iter_free(iter);
        CHECK_EQ(closes.here, threads ? 0 : 1);
        for (int i = 0; threads && closes.elsewhere == 0 && i < 2000; i++)
            usleep(1000);
        CHECK(closes.elsewhere >= threads); /* the keeper closes others too */
        store_free();
    }
}

/* Windows are of the cache's budget: who has none left goes through the cache. All get every pair. */
TEST(many_long_walks_at_once)
{
    enum { WALKS = 40, BUDGET = 1 << 20 };
    struct lsmkv_pair pairs[8];
    lsmkv_iter *walks[WALKS];
    struct lsmkv_range all = {0};
    struct lsmkv_stats stats;
    size_t count, sums[WALKS] = {0};
    walked_store(LSMKV_SOURCE_READ, BUDGET);
    for (int i = 0; i < WALKS; i++)
        CHECK_EQ(lsmkv_iter_new(store.db, NULL, &all, &walks[i]), 0);
    for (int over = 0; over < WALKS;) {
        over = 0;
        for (int i = 0; i < WALKS; i++) {
            int rc = lsmkv_iter_begin(walks[i], 8, 1 << 20, pairs, &count);
            CHECK(rc == 0 || rc == LSMKV_NOTFOUND);
            sums[i] += rc == 0 ? count : 0;
            over += rc != 0;
            lsmkv_iter_end(walks[i]);
        }
        CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
        CHECK(stats.anonymous_bytes <= BUDGET + (64 << 10));
    }
    for (int i = 0; i < WALKS; i++) {
        CHECK_EQ(sums[i], WALKED);
        lsmkv_iter_free(walks[i]);
    }
    store_free();
}

TEST(bounds)
{
    static const struct lsmkv_slice nothing = {"", 0}, b = {"b", 1}, d = {"d", 1};
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(count_range((struct lsmkv_range){0}), 0); /* of an empty store */
    CHECK_EQ(count_range((struct lsmkv_range){.reverse = 1}), 0);
    put("", "the empty key");
    put("a", "1");
    put("b", "1");
    put("c", "1");
    put("d", "1");
    put("d\x01", "1");
    for (int when = 0; when < 2; when++) {
        for (int reverse = 0; reverse < 2; reverse++) {
            struct lsmkv_range range = {.reverse = reverse};
            CHECK_EQ(count_range(range), 6);
            range.has_start = range.has_stop = 1;
            range.start = b;
            range.stop = d;
            CHECK_EQ(count_range(range), 2);
            range.exclude_start = 1;
            CHECK_EQ(count_range(range), 1);
            range.include_stop = 1;
            CHECK_EQ(count_range(range), 2);
            range.exclude_start = 0;
            CHECK_EQ(count_range(range), 3);
            range.start = d; /* one point */
            CHECK_EQ(count_range(range), 1);
            range.include_stop = 0;
            CHECK_EQ(count_range(range), 0);
            range.stop = b; /* the wrong way round */
            CHECK_EQ(count_range(range), 0);
            range.start = range.stop = nothing;
            CHECK_EQ(count_range(range), 0);
            range.include_stop = 1;
            CHECK_EQ(count_range(range), 1); /* the empty key */
            range.has_stop = 0;
            CHECK_EQ(count_range(range), 6);
            range.exclude_start = 1;
            CHECK_EQ(count_range(range), 5);
        }
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    store_free();
}

/* Deleted keys by the thousand between two that live: `try` gives up, the other goes on. */
TEST(a_long_stretch_of_nothing)
{
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pairs[4];
    size_t count = 0;
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.segment_bytes = 4 << 20;
    store_open();
    put("000000", "first");
    for (uint32_t i = 1; i < 30000; i++)
        erase(number(i));
    put("999999", "last");
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    CHECK_EQ(lsmkv_try_iter_begin(iter, 4, 1000, pairs, &count), LSMKV_WOULDBLOCK); /* too much to put in order */
    CHECK_EQ(lsmkv_iter_begin(iter, 1, 1000, pairs, &count), 0);
    CHECK_EQ(count, 1);
    lsmkv_iter_end(iter);
    CHECK_EQ(lsmkv_try_iter_begin(iter, 4, 1000, pairs, &count), LSMKV_WOULDBLOCK); /* too far */
    CHECK_EQ(lsmkv_iter_begin(iter, 4, 1000, pairs, &count), 0);
    CHECK_EQ(count, 1);
    CHECK(pairs[0].key.size == 6 && memcmp(pairs[0].key.data, "999999", 6) == 0);
    lsmkv_iter_end(iter);
    CHECK_EQ(lsmkv_iter_begin(iter, 4, 1000, pairs, &count), LSMKV_NOTFOUND);
    lsmkv_iter_free(iter);
    expect_count(2);
    store_free();
}

TEST(chunks_have_two_limits)
{
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pairs[64];
    size_t count = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 50, "ten bytes!");
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    CHECK_EQ(lsmkv_iter_begin(iter, 64, 1, pairs, &count), 0);
    CHECK_EQ(count, 1); /* at least one */
    lsmkv_iter_end(iter);
    CHECK_EQ(lsmkv_iter_begin(iter, 64, 160, pairs, &count), 0);
    CHECK_EQ(count, 10);
    lsmkv_iter_end(iter);
    CHECK_EQ(lsmkv_iter_begin(iter, 7, 1 << 20, pairs, &count), 0);
    CHECK_EQ(count, 7);
    lsmkv_iter_end(iter);
    CHECK_EQ(lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count), 0);
    CHECK_EQ(count, 32);
    lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    store_free();
}

/* A failure ends a scan, and is repeated. */
TEST(a_failure_is_latched)
{
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pairs[8];
    size_t count = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 100, "value");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    store_close();
    store_open();
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    sim_fail(store.sim, &(struct sim_fault){.call = SIM_READ, .nth = 1, .err = EIO, .only = ".tbl"});
    CHECK_EQ(lsmkv_iter_begin(iter, 8, 1000, pairs, &count), LSMKV_IO);
    CHECK_EQ(sim_fired(store.sim), 1);
    sim_fail_none(store.sim);
    CHECK_EQ(lsmkv_iter_begin(iter, 8, 1000, pairs, &count), LSMKV_IO);
    CHECK_EQ(lsmkv_try_iter_begin(iter, 8, 1000, pairs, &count), LSMKV_IO);
    CHECK_EQ(lsmkv_last_error()->os_errno, EIO);
    lsmkv_iter_free(iter);
    expect_count(100); /* another scan is another try */
    store_free();
}

/* A pair of a packed page is lent from a shelf of the scan's own; nothing of it is nowhere. */
TEST(an_empty_pair_is_lent_from_somewhere)
{
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pair = {0};
    size_t count = 0;
    if (!lsmkv_feature("lz4"))
        return;
    store_new(LSMKV_SYNC_OS);
    store.options.compression = LSMKV_COMPRESSION_LZ4;
    store_open();
    put("", "");
    put_numbers(0, 100, "the same again and again and again");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    expect_count(101); /* all that is needed is in memory now */
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    CHECK_EQ(lsmkv_try_iter_begin(iter, 1, 1 << 20, &pair, &count), 0);
    CHECK(count == 1 && pair.key.size == 0 && pair.value.size == 0);
    CHECK(pair.key.data != NULL && pair.value.data != NULL);
    lsmkv_iter_free(iter);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
