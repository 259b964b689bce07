/* Scans against a sorted array: bounds and directions, states held while everything moves under them. */
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
} told;

static void tell(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    (void)file, (void)offset;
    told.bytes += bytes;
}

/* A long walk tells the system ahead of time, once for each byte, what it will read; a short one does not. */
TEST(walks_tell_what_they_will_read)
{
    static char value[500];
    enum { RECORDS = 9000, BYTES = RECORDS * sizeof value };
    for (int source = LSMKV_SOURCE_MAPPED; source <= LSMKV_SOURCE_READ; source++) {
        store_new_real(LSMKV_SYNC_OS);
        told.ops = *lk_env_posix()->ops;
        told.ops.will_need = tell;
        told.env.ops = &told.ops;
        store.env = &told.env;
        store.options.table_source = source;
        store.options.table_bytes = 2 << 20;
        store_open();
        for (uint32_t i = 0; i < RECORDS; i++)
            CHECK_EQ(lsmkv_put(store.db, number(i), strlen(number(i)), value, sizeof value, -1, NULL), 0);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
        for (int turn = 0; turn < 2; turn++) {
            told.bytes = 0;
            CHECK_EQ(count_pairs(NULL, 0), RECORDS);
            CHECK(told.bytes > BYTES - (512 << 10) && told.bytes < BYTES + BYTES / 8);
            told.bytes = 0;
            const char *first = number(RECORDS / 2), *last = number(RECORDS / 2 + 20);
            struct lsmkv_range few = {.has_start = 1, .has_stop = 1};
            few.start = (struct lsmkv_slice){first, strlen(first)};
            few.stop = (struct lsmkv_slice){last, strlen(last)};
            CHECK(count_range(few) != 0);
            CHECK_EQ(told.bytes, 0);
        }
        store_free();
    }
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

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
