/* Namespaces: several key spaces in one store that never see each other; made, opened, dropped, by many. */
#include <pthread.h>

#include "check.h"
#include "store_kit.h"

#include "engine/background.h"
#include "format/catalog.h"

/* ---- verbs ------------------------------------------------------------------------------------ */

static int try_space(lsmkv *db, const char *name, int create, lsmkv **out)
{
    struct lsmkv_namespace_options options = {.struct_bytes = sizeof options, .create = create};
    return lsmkv_namespace_open(db, name, strlen(name), &options, out);
}

static lsmkv *space(const char *name)
{
    lsmkv *out = NULL;
    if (!CHECK_EQ(try_space(store.db, name, 1, &out), 0)) {
        fprintf(stderr, "  %s\n", lsmkv_last_error()->text);
        abort();
    }
    return out;
}

static void done(lsmkv *db)
{
    CHECK_EQ(lsmkv_close(db), 0);
    lsmkv_release(db);
}

static int drop(const char *name)
{
    return lsmkv_namespace_drop(store.db, name, strlen(name), -1);
}

static void put_in(lsmkv *db, const char *key, const char *value)
{
    CHECK_EQ(lsmkv_put(db, key, strlen(key), value, strlen(value), -1, NULL), 0);
}

static const char *get_in(lsmkv *db, const char *key)
{
    lsmkv *present = store.db;
    store.db = db;
    const char *value = get(key);
    store.db = present;
    return value;
}

static int64_t count_in(lsmkv *db, const lsmkv_snapshot *snapshot, int reverse)
{
    lsmkv *present = store.db;
    store.db = db;
    int64_t count = count_pairs(snapshot, reverse);
    store.db = present;
    return count;
}

/* The names there are, with a space after each. */
static const char *names(lsmkv *db)
{
    static char text[512];
    struct lsmkv_namespace_info *list = NULL;
    size_t count = 0, at = 0;
    if (!CHECK_EQ(lsmkv_namespaces(db, &list, &count), 0))
        fprintf(stderr, "  %s\n", lsmkv_last_error()->text);
    text[0] = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(strlen((const char *)list[i].name.data), list[i].name.size);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s:%u ", (const char *)list[i].name.data, list[i].id);
    }
    lsmkv_namespaces_free(list, count);
    return text;
}

/* ---- life ------------------------------------------------------------------------------------- */

TEST(a_namespace_is_made_once_and_found_again)
{
    lsmkv *db = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(try_space(store.db, "a", 0, &db), LSMKV_NOTFOUND);
    CHECK(db == NULL);
    CHECK_STR(names(store.db), "");
    lsmkv *first = space("a"), *second = space("a"), *other = space("b");
    CHECK_STR(names(store.db), "a:1 b:2 ");
    CHECK_STR(names(other), "a:1 b:2 "); /* the store's, whichever handle is asked */
    put_in(first, "k", "1");
    CHECK_STR(get_in(second, "k"), "1");
    CHECK(get_in(other, "k") == NULL);
    expect("k", NULL);
    expect_count(0);
    done(first);
    CHECK_STR(get_in(second, "k"), "1");
    first = space("a");
    CHECK_STR(get_in(first, "k"), "1");
    done(first);
    done(second);
    done(other);
    store_free();
}

TEST(it_keeps_the_engine_open)
{
    lsmkv *again = NULL, *inner = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    lsmkv *db = space("a");
    store_close();
    put_in(db, "k", "1");
    CHECK_EQ(lsmkv_flush(db), 0);
    CHECK_EQ(try_space(db, "inner", 1, &inner), 0); /* a namespace has none in it: they are the store's */
    CHECK(get_in(inner, "k") == NULL);
    CHECK_EQ(lk_open_in(store_env(), store.path, &store.options, &again), 0);
    CHECK_STR(names(again), "a:1 inner:2 ");
    done(again);
    done(inner);
    done(db);
    store_open();
    db = space("a");
    CHECK_STR(get_in(db, "k"), "1");
    done(db);
    store_free();
}

TEST(names_and_options_are_checked)
{
    char longest[257];
    lsmkv *db = NULL;
    struct lsmkv_namespace_options options = {.struct_bytes = sizeof options, .create = 1};
    memset(longest, 'n', sizeof longest);
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(lsmkv_namespace_open(store.db, "", 0, &options, &db), LSMKV_INVALID);
    CHECK_EQ(lsmkv_namespace_open(store.db, longest, 256, &options, &db), LSMKV_INVALID);
    CHECK_EQ(lsmkv_namespace_open(store.db, "a\0b", 3, &options, &db), LSMKV_INVALID);
    CHECK_EQ(lsmkv_namespace_drop(store.db, "", 0, -1), LSMKV_INVALID);
    CHECK_EQ(lsmkv_namespace_open(store.db, longest, 255, &options, &db), 0);
    done(db);
    CHECK_EQ(lsmkv_namespace_open(store.db, longest, 255, NULL, &db), 0); /* without options: what is there */
    done(db);
    CHECK_EQ(lsmkv_namespace_open(store.db, "a", 1, NULL, &db), LSMKV_NOTFOUND);
    options.key_codec = "\n";
    CHECK_EQ(lsmkv_namespace_open(store.db, "a", 1, &options, &db), LSMKV_OPTIONS);
    options.key_codec = NULL;
    options.struct_bytes--;
    CHECK_EQ(lsmkv_namespace_open(store.db, "a", 1, &options, &db), LSMKV_OPTIONS);
    CHECK(db == NULL);
    store_free();
}

TEST(codec_names_and_time_to_live_are_its_own)
{
    struct lsmkv_namespace_options wish = {
        .struct_bytes = sizeof wish, .key_codec = "i64", .value_codec = "json", .ttl_ms = 5000, .create = 1};
    struct lsmkv_namespace_info *list = NULL;
    struct lsmkv_options effective;
    lsmkv *db = NULL;
    size_t count = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(lsmkv_namespace_open(store.db, "n", 1, &wish, &db), 0);
        CHECK_STR(lsmkv_key_codec(db), "i64");
        CHECK_STR(lsmkv_value_codec(db), "json");
        CHECK_STR(lsmkv_key_codec(store.db), "bytes");
        lsmkv_get_options(db, &effective);
        CHECK_EQ(effective.ttl_ms, 5000);
        CHECK_STR(effective.key_codec, "i64");
        struct lsmkv_answer answer;
        uint64_t before = lsmkv_wall_ns(db);
        put_in(db, "k", "v");
        CHECK_EQ(lsmkv_get_answer(db, NULL, "k", 1, &answer), 0);
        CHECK(answer.expiry_ns >= before + 5000000000u && answer.expiry_ns <= lsmkv_wall_ns(db) + 5000000000u);
        lsmkv_free(answer.value);
        done(db);
        wish.key_codec = wish.value_codec = NULL; /* as stored */
        wish.ttl_ms = 1;                          /* is asked for at creation only */
        store_close();
        store_open();
    }
    wish.value_codec = "bytes";
    CHECK_EQ(lsmkv_namespace_open(store.db, "n", 1, &wish, &db), LSMKV_MISMATCH);
    CHECK(db == NULL);
    CHECK(strstr(lsmkv_last_error()->text, "\"n\"") && strstr(lsmkv_last_error()->text, "\"json\"") &&
          strstr(lsmkv_last_error()->text, "\"bytes\""));
    CHECK_EQ(lsmkv_namespaces(store.db, &list, &count), 0);
    CHECK_EQ(count, 1);
    CHECK_STR(list[0].key_codec, "i64");
    CHECK_STR(list[0].value_codec, "json");
    CHECK_EQ(list[0].ttl_ms, 5000);
    lsmkv_namespaces_free(list, count);
    sim_advance(store.sim, 6000000000u);
    CHECK_EQ(lsmkv_namespace_open(store.db, "n", 1, NULL, &db), 0);
    CHECK(get_in(db, "k") == NULL);
    done(db);
    store_free();
}

TEST(readers_open_what_is_there)
{
    lsmkv *db = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    db = space("a");
    put_in(db, "k", "1");
    done(db);
    store_close();
    store.options.flags = LSMKV_OPEN_READONLY;
    store_open();
    CHECK_STR(names(store.db), "a:1 ");
    CHECK_EQ(try_space(store.db, "a", 1, &db), 0);
    CHECK_STR(get_in(db, "k"), "1");
    CHECK_EQ(lsmkv_put(db, "k", 1, "2", 1, -1, NULL), LSMKV_READONLY);
    done(db);
    CHECK_EQ(try_space(store.db, "b", 0, &db), LSMKV_NOTFOUND);
    CHECK_EQ(try_space(store.db, "b", 1, &db), LSMKV_READONLY);
    CHECK_EQ(drop("a"), LSMKV_READONLY);
    store_free();
}

/* ---- dropping --------------------------------------------------------------------------------- */

TEST(drop_takes_the_keys_the_name_and_the_handles)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    lsmkv *a = space("a"), *also = space("a"), *b = space("b");
    for (uint32_t i = 0; i < 100; i++) {
        put_in(a, number(i), "1");
        put_in(b, number(i), "2");
        put(number(i), "3");
        if (i == 50)
            CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    lsmkv_snapshot *snapshot = NULL;
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    CHECK_EQ(drop("a"), 0);
    CHECK_EQ(drop("a"), LSMKV_NOTFOUND);
    CHECK(lsmkv_is_closed(a) && lsmkv_is_closed(also) && !lsmkv_is_closed(b));
    CHECK_EQ(lsmkv_put(a, "k", 1, "v", 1, -1, NULL), LSMKV_CLOSED);
    CHECK(strstr(lsmkv_last_error()->text, "closed") != NULL);
    CHECK_EQ(lsmkv_close(also), 0); /* as after any close */
    lsmkv_release(a);
    lsmkv_release(also);
    CHECK_STR(names(store.db), "b:2 ");
    CHECK_EQ(count_in(b, NULL, 0), 100);
    expect_count(100);
    lsmkv *anew = space("a");
    CHECK_STR(names(store.db), "a:3 b:2 "); /* a new number */
    CHECK_EQ(count_in(anew, NULL, 0), 0);
    CHECK_EQ(count_in(anew, NULL, 1), 0);
    put_in(anew, "k", "new");
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats().table_records, 100 + 100 + 1 + 3); /* keys, and the catalog's: next, a, b */
    CHECK_STR(get_in(anew, "k"), "new");
    CHECK_EQ(count_in(b, snapshot, 0), 100); /* a snapshot still has what was */
    lsmkv_snapshot_free(snapshot);
    done(anew);
    done(b);
    store_free();
}

TEST(whoever_drops_may_hold_a_handle_on_it)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    lsmkv *a = space("a"), *b = NULL;
    put_in(a, "k", "1");
    CHECK_EQ(lsmkv_namespace_drop(a, "a", 1, -1), 0); /* through itself */
    CHECK(lsmkv_is_closed(a));
    CHECK_EQ(lsmkv_namespace_drop(a, "a", 1, -1), LSMKV_CLOSED);
    CHECK_EQ(try_space(a, "a", 1, &b), LSMKV_CLOSED);
    lsmkv_release(a);
    a = space("a");
    CHECK_EQ(count_in(a, NULL, 0), 0);
    store_close(); /* the last handle is on what is dropped: the engine ends with that */
    CHECK_EQ(lsmkv_namespace_drop(a, "a", 1, -1), 0);
    CHECK(lsmkv_is_closed(a));
    lsmkv_release(a);
    store_open();
    CHECK_EQ(engine()->clean_open, 1);
    CHECK_STR(names(store.db), "");
    store_free();
}

TEST(iterators_and_batches_of_a_dropped_namespace_say_closed)
{
    lsmkv_iter *iter = NULL;
    lsmkv_batch *batch = NULL;
    struct lsmkv_pair pairs[4];
    size_t count;
    store_new(LSMKV_SYNC_OS);
    store_open();
    lsmkv *a = space("a");
    put_in(a, "k", "1");
    CHECK_EQ(lsmkv_iter_new(a, NULL, NULL, &iter), 0);
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    CHECK_EQ(lsmkv_batch_use(batch, a), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "b", 1, "1", 1), 0);
    CHECK_EQ(lsmkv_batch_use(batch, store.db), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "b", 1, "1", 1), 0);
    CHECK_EQ(drop("a"), 0);
    lsmkv_release(a);
    CHECK_EQ(lsmkv_iter_begin(iter, 4, 1 << 20, pairs, &count), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), LSMKV_CLOSED); /* whole or not at all */
    expect("b", NULL);
    lsmkv_batch_reset(batch);
    CHECK_EQ(lsmkv_batch_put(batch, "b", 1, "1", 1), 0);
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), 0);
    expect("b", "1");
    lsmkv_iter_free(iter);
    lsmkv_batch_free(batch);
    store_free();
}

/* ---- batches ---------------------------------------------------------------------------------- */

TEST(a_batch_reaches_across)
{
    lsmkv_batch *batch = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    lsmkv *a = space("a"), *b = space("b");
    put_in(b, "gone", "1");
    put("gone", "1");
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "k", 1, "default", 7), 0);
    CHECK_EQ(lsmkv_batch_use(batch, a), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "k", 1, "a", 1), 0);
    CHECK_EQ(lsmkv_batch_use(batch, b), 0);
    CHECK_EQ(lsmkv_batch_delete_range(batch, NULL, NULL), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "k", 1, "b", 1), 0);
    CHECK_EQ(lsmkv_batch_use(batch, a), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "l", 1, "a", 1), 0);
    CHECK_EQ(lsmkv_write(a, batch, -1, NULL), 0); /* the handle it is written through is another matter */
    expect("k", "default");
    expect("gone", "1");
    CHECK_STR(get_in(a, "k"), "a");
    CHECK_STR(get_in(a, "l"), "a");
    CHECK_STR(get_in(b, "k"), "b");
    CHECK(get_in(b, "gone") == NULL);
    CHECK_EQ(count_in(b, NULL, 0), 1);
    lsmkv_batch_free(batch);
    done(a);
    done(b);
    store_free();
}

TEST(a_batch_belongs_to_one_store)
{
    lsmkv_batch *batch = NULL;
    lsmkv *other = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(lk_open_in(store_env(), "/other", &store.options, &other), 0);
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    CHECK_EQ(lsmkv_batch_use(batch, store.db), 0);
    CHECK_EQ(lsmkv_batch_put(batch, "k", 1, "1", 1), 0);
    CHECK_EQ(lsmkv_batch_use(batch, other), LSMKV_INVALID);
    CHECK_EQ(lsmkv_write(other, batch, -1, NULL), LSMKV_INVALID);
    CHECK_EQ(lsmkv_try_write(other, batch, -1, NULL), LSMKV_INVALID);
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), 0);
    done(other);
    lsmkv_batch_free(batch);
    store_free();
}

/* ---- keys of every kind ----------------------------------------------------------------------- */

enum { KEYS = 26, SPACES = 4, STEPS = 3000 };

static struct universe {
    struct lk_slice key[KEYS]; /* in order */
    uint32_t value[SPACES][KEYS]; /* 0: absent */
    lsmkv *db[SPACES];            /* the first is the default one */
    struct random random;
    uint32_t writes;
} universe;

static int by_key(const void *a, const void *b)
{
    return lk_compare(*(const struct lk_slice *)a, *(const struct lk_slice *)b);
}

/* Keys that look like prefixes, bounds and neighbours of what is stored. */
static void make_keys(void)
{
    static uint8_t longest[3][LSMKV_KEY_MAX];
    static const struct lk_slice some[] = {
#define K(text) {(const uint8_t *)(text), sizeof(text) - 1}
        K(""),
        K("\0"),
        K("a"),
        K("a\0"),
        K("b"),
        K("n"),
        K("\x7f"),
        K("\xfe"),
        K("\xfe\xff\xff"),
        K("\xff"),
        K("\xff\0"),
        K("\xff\0\xff"),
        K("\xff\x01"),
        K("\xff\x01\0\0"),
        K("\xff\x01\0\0\0\0"),
        K("\xff\x01\0\0\0\x01"),
        K("\xff\x01\0\0\0\x01"
          "a"),
        K("\xff\x01\0\0\0\x02"),
        K("\xff\x01\xff\xff\xff\xff"),
        K("\xff\x02"),
        K("\xff\xfe"),
        K("\xff\xff"),
        K("\xff\xff\xff\xff\xff\xff\xff"),
#undef K
    };
    memset(longest[0], 'a', sizeof longest[0]);
    memset(longest[1], 0xff, sizeof longest[1]);
    memset(longest[2], 0xff, sizeof longest[2]);
    longest[2][1] = 1;
    memset(&universe, 0, sizeof universe);
    memcpy(universe.key, some, sizeof some);
    for (size_t i = 0; i < 3; i++)
        universe.key[KEYS - 3 + i] = lk_slice(longest[i], sizeof longest[i]);
    qsort(universe.key, KEYS, sizeof *universe.key, by_key);
    universe.random.state = 5;
}

static void open_universe(void)
{
    static const char *const of[] = {NULL, "a", "b", "\xff"};
    store_open();
    universe.db[0] = store.db;
    for (int s = 1; s < SPACES; s++)
        universe.db[s] = space(of[s]);
}

static void close_universe(void)
{
    for (int s = 1; s < SPACES; s++)
        done(universe.db[s]);
}

static uint32_t pick(uint32_t below)
{
    return (uint32_t)random_below(&universe.random, below);
}

/* The longest are rare: they are slow. */
static uint32_t pick_key(void)
{
    uint32_t k = pick(KEYS);
    return universe.key[k].len < 1000 || pick(8) == 0 ? k : pick(KEYS);
}

static struct lsmkv_slice user_key(uint32_t k)
{
    return (struct lsmkv_slice){universe.key[k].at, universe.key[k].len};
}

static void step_put(lsmkv_batch *batch, uint32_t s, uint32_t k)
{
    uint32_t value = ++universe.writes;
    struct lsmkv_slice key = user_key(k);
    if (batch) {
        CHECK_EQ(lsmkv_batch_use(batch, universe.db[s]), 0);
        CHECK_EQ(lsmkv_batch_put(batch, key.data, key.size, &value, sizeof value), 0);
    } else {
        CHECK_EQ(lsmkv_put(universe.db[s], key.data, key.size, &value, sizeof value, -1, NULL), 0);
    }
    universe.value[s][k] = value;
}

static void step_delete(uint32_t s, uint32_t k)
{
    struct lsmkv_slice key = user_key(k);
    if (pick(2)) {
        CHECK_EQ(lsmkv_delete(universe.db[s], key.data, key.size, -1, NULL), 0);
    } else {
        CHECK_EQ(lsmkv_remove(universe.db[s], key.data, key.size, -1, NULL), universe.value[s][k] ? 0 : LSMKV_NOTFOUND);
    }
    universe.value[s][k] = 0;
}

static void step_delete_range(uint32_t s)
{
    uint32_t from = pick(KEYS), to = pick(KEYS), open_start = pick(4) == 0, open_stop = pick(4) == 0;
    struct lsmkv_slice start = user_key(from), stop = user_key(to);
    if (!CHECK_EQ(lsmkv_delete_range(universe.db[s], open_start ? NULL : &start, open_stop ? NULL : &stop, -1, NULL),
                  0))
        fprintf(stderr, "  %s\n", lsmkv_last_error()->text);
    for (uint32_t k = open_start ? 0 : from; k < (open_stop ? KEYS : to); k++)
        universe.value[s][k] = 0;
}

static void step_batch(void)
{
    lsmkv_batch *batch = NULL;
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    for (uint32_t i = 0; i < 8; i++)
        step_put(batch, pick(SPACES), pick_key());
    CHECK_EQ(lsmkv_write(store.db, batch, -1, NULL), 0);
    lsmkv_batch_free(batch);
}

static void check_get(uint32_t s, uint32_t k)
{
    struct lsmkv_slice key = user_key(k);
    uint32_t want = universe.value[s][k];
    struct lsmkv_answer answer;
    int rc = lsmkv_get_answer(universe.db[s], NULL, key.data, key.size, &answer);
    CHECK_EQ(rc, want ? 0 : LSMKV_NOTFOUND);
    CHECK_EQ(lsmkv_exists(universe.db[s], NULL, key.data, key.size), rc);
    if (rc == 0)
        CHECK(answer.value_bytes == sizeof want && memcmp(answer.value, &want, sizeof want) == 0);
    lsmkv_free(answer.value);
}

/* All keys of one space, sixteen at a time. */
static void check_many(uint32_t s)
{
    struct lsmkv_slice keys[KEYS], values[LSMKV_READ_MANY];
    int results[LSMKV_READ_MANY];
    struct lsmkv_read read;
    for (uint32_t k = 0; k < KEYS; k++)
        keys[k] = user_key(k);
    for (uint32_t from = 0; from < KEYS; from += LSMKV_READ_MANY) {
        uint32_t some = KEYS - from < LSMKV_READ_MANY ? KEYS - from : LSMKV_READ_MANY;
        CHECK_EQ(lsmkv_read_many_begin(universe.db[s], NULL, keys + from, some, values, results, &read), 0);
        for (uint32_t i = 0; i < some; i++) {
            uint32_t want = universe.value[s][from + i];
            if (results[i] == LSMKV_WOULDBLOCK)
                continue;
            CHECK_EQ(results[i], want ? 0 : LSMKV_NOTFOUND);
            if (results[i] == 0)
                CHECK(values[i].size == sizeof want && memcmp(values[i].data, &want, sizeof want) == 0);
        }
        lsmkv_read_end(&read);
    }
}

static int in_range(const struct lsmkv_range *range, uint32_t from, uint32_t to, uint32_t k)
{
    int above = !range->has_start || (range->exclude_start ? k > from : k >= from);
    int below = !range->has_stop || (range->include_stop ? k <= to : k < to);
    return above && below;
}

static void check_scan_of(uint32_t s, const struct lsmkv_range *range, uint32_t from, uint32_t to)
{
    struct lsmkv_pair pairs[5];
    lsmkv_iter *iter = NULL;
    size_t count = 0, at = 0;
    int rc = lsmkv_iter_new(universe.db[s], NULL, range, &iter);
    for (uint32_t i = 0; i < KEYS && rc == 0; i++) {
        uint32_t k = range->reverse ? KEYS - 1 - i : i;
        if (!universe.value[s][k] || !in_range(range, from, to, k))
            continue;
        if (at == count) {
            if (count)
                lsmkv_iter_end(iter);
            at = 0;
            if (!CHECK_EQ(rc = lsmkv_iter_begin(iter, 5, 1 << 20, pairs, &count), 0))
                break;
        }
        CHECK(lk_equal(lk_slice(pairs[at].key.data, pairs[at].key.size), universe.key[k]));
        CHECK(pairs[at].value.size == 4 && memcmp(pairs[at].value.data, &universe.value[s][k], 4) == 0);
        at++;
    }
    CHECK_EQ(at, count); /* nothing that should not be there */
    if (count)
        lsmkv_iter_end(iter);
    if (rc == 0)
        CHECK_EQ(lsmkv_iter_begin(iter, 5, 1 << 20, pairs, &count), LSMKV_NOTFOUND);
    lsmkv_iter_free(iter);
}

/* Every kind of bound, also the extras of a bound that is not there. */
static void check_scans(uint32_t s)
{
    for (unsigned kind = 0; kind < 32; kind++) {
        uint32_t from = pick(KEYS), to = pick(KEYS);
        struct lsmkv_range range = {.start = user_key(from),
                                    .stop = user_key(to),
                                    .has_start = kind & 1,
                                    .has_stop = kind >> 1 & 1,
                                    .exclude_start = kind >> 2 & 1,
                                    .include_stop = kind >> 3 & 1,
                                    .reverse = kind >> 4 & 1};
        check_scan_of(s, &range, from, to);
    }
}

static void check_universe(void)
{
    for (uint32_t s = 0; s < SPACES; s++) {
        for (uint32_t k = 0; k < KEYS; k++)
            check_get(s, k);
        check_many(s);
        check_scans(s);
    }
    CHECK_STR(names(store.db), "a:1 b:2 \xff:3 "); /* whatever was deleted: not the catalog */
}

static void walk_universe(uint32_t steps)
{
    for (uint32_t step = 0; step < steps && check_failures == 0; step++) {
        uint32_t s = pick(SPACES), what = pick(100);
        if (what < 60)
            step_put(NULL, s, pick_key());
        else if (what < 80)
            step_delete(s, pick(KEYS));
        else if (what < 90)
            step_delete_range(s);
        else
            step_batch();
        if (pick(200) == 0)
            CHECK_EQ(pick(3) ? lsmkv_flush(universe.db[s]) : lsmkv_compact(universe.db[s], NULL, NULL, NULL, NULL), 0);
        if (pick(150) == 0)
            check_universe();
        if (pick(300) == 0) {
            close_universe();
            if (pick(2) && store.sim)
                store_kill();
            else
                store_close();
            open_universe();
        }
    }
    check_universe();
}

TEST(spaces_never_see_each_other)
{
    static const struct sim_config config = {.no_history = 1};
    store_new_in(LSMKV_SYNC_OS, &config);
    store.options.table_bytes = 64 << 10; /* keys of that size stand in the manifest too */
    make_keys();
    open_universe();
    walk_universe(STEPS / 2);
    close_universe();
    store_free();
}

TEST(nor_on_a_real_disk_with_threads)
{
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 256 << 10;
    store.options.table_source = LSMKV_SOURCE_READ;
    store.options.cache_bytes = 64 << 10;
    make_keys();
    open_universe();
    walk_universe(STEPS);
    close_universe();
    store_free();
}

/* ---- crashes ---------------------------------------------------------------------------------- */

/* Stop at any call while a namespace is made, filled and dropped: afterwards it is there whole, or not at all, and no
 * number was given out twice. */
TEST(wherever_it_is_cut_a_namespace_is_whole_or_not_there)
{
    for (uint64_t stop = 1;; stop++) {
        static const struct sim_config config = {.trace = 1, .file_bytes = 8 << 20};
        lsmkv *a = NULL, *b = NULL;
        store_new_in(LSMKV_SYNC_ALWAYS, &config);
        store_open();
        sim_stop_at(store.sim, sim_boundaries(store.sim) + stop, SIM_POWER);
        int made = try_space(store.db, "a", 1, &a);
        int filled = made == 0 ? lsmkv_put(a, "k", 1, "v", 1, -1, NULL) : -1;
        int dropped = filled == 0 ? drop("a") : -1;
        int again = dropped == 0 ? try_space(store.db, "a", 1, &b) : -1;
        int ended = again == 0;
        lsmkv_release(a);
        lsmkv_release(b);
        store_power(SIM_NOTHING, 0);
        store_open();
        const char *there = names(store.db);
        int first = strstr(there, "a:1 ") != NULL, second = strstr(there, "a:2 ") != NULL;
        CHECK(first + second <= 1);
        if (made == 0 && filled != 0)
            CHECK(first);
        if (again == 0)
            CHECK(second);
        if (dropped == 0)
            CHECK(!first);
        CHECK_EQ(try_space(store.db, "a", 1, &a), 0);
        if (filled == 0 && first)
            CHECK_STR(get_in(a, "k"), "v");
        if (!first)
            CHECK(get_in(a, "k") == NULL);
        done(a);
        expect_count(0);
        store_free();
        if (ended || check_failures)
            break;
    }
}

/* ---- threads ---------------------------------------------------------------------------------- */

enum { CREATORS = 4, ROUNDS = 60 };

static pthread_barrier_t barrier;
static uint32_t made_id[CREATORS];

static void *create_one(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        lsmkv *db = NULL;
        pthread_barrier_wait(&barrier);
        CHECK_EQ(try_space(store.db, number((uint32_t)round), 1, &db), 0);
        made_id[me] = db ? db->space : 0;
        if (db)
            done(db);
        pthread_barrier_wait(&barrier);
        for (int other = 0; other < CREATORS; other++)
            CHECK_EQ(made_id[other], made_id[me]);
    }
    return NULL;
}

TEST(who_make_one_name_at_once_get_one_number)
{
    pthread_t threads[CREATORS];
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 1 << 20;
    store_open();
    pthread_barrier_init(&barrier, NULL, CREATORS);
    for (uintptr_t i = 0; i < CREATORS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, create_one, (void *)i), 0);
    for (int i = 0; i < CREATORS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    struct lsmkv_namespace_info *list = NULL;
    size_t count = 0;
    CHECK_EQ(lsmkv_namespaces(store.db, &list, &count), 0);
    CHECK_EQ(count, ROUNDS);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(list[i].id, i + 1);
    lsmkv_namespaces_free(list, count);
    store_free();
}

static _Atomic int stop_working;
static _Atomic uint64_t drops;

/* Opens the namespace, writes (puts, batches across), reads, and bears that somebody drops it at any moment. */
static void *work_in_it(void *arg)
{
    lsmkv_batch *batch = NULL;
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    while (!atomic_load(&stop_working)) {
        lsmkv *db = NULL;
        size_t bytes;
        int rc = try_space(store.db, "shared", 1, &db);
        CHECK_EQ(rc, 0);
        for (int i = 0; rc == 0 && i < 200; i++) {
            void *value = NULL;
            const char *key = number((uint32_t)i);
            if (i % 3 == 0)
                rc = lsmkv_put(db, key, strlen(key), "v", 1, -1, NULL);
            else if (i % 3 == 1)
                rc = lsmkv_try_put(db, key, strlen(key), "v", 1, -1, NULL);
            else if ((rc = lsmkv_batch_use(batch, db)) == 0 && (rc = lsmkv_batch_put(batch, key, 6, "v", 1)) == 0)
                rc = lsmkv_write(store.db, batch, -1, NULL);
            lsmkv_batch_reset(batch);
            if (rc == 0 && (rc = lsmkv_get(db, NULL, key, strlen(key), &value, &bytes)) == 0)
                lsmkv_free(value);
            rc = rc == LSMKV_WOULDBLOCK ? 0 : rc;
        }
        CHECK(rc == 0 || rc == LSMKV_CLOSED);
        if (rc == 0 && arg && atomic_fetch_add(&drops, 1) % 2)
            CHECK((rc = lsmkv_namespace_drop(db, "shared", 6, -1)) == 0 || rc == LSMKV_CLOSED || rc == LSMKV_NOTFOUND);
        lsmkv_release(db);
    }
    lsmkv_batch_free(batch);
    return NULL;
}

TEST(dropping_beside_those_who_work_in_it)
{
    pthread_t threads[3];
    uint64_t dropped = 0;
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 1 << 20;
    store_open();
    atomic_store(&stop_working, 0);
    atomic_store(&drops, 0);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, work_in_it, (void *)i), 0);
    while (dropped < 200 && check_failures == 0) {
        int rc = drop("shared");
        CHECK(rc == 0 || rc == LSMKV_NOTFOUND);
        dropped += rc == 0;
    }
    atomic_store(&stop_working, 1);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(drop("shared") >= 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats().table_records, 1); /* the next number: nobody wrote behind a drop */
    store_free();
}

/* ---- damage ----------------------------------------------------------------------------------- */

TEST(a_catalog_that_makes_no_sense_is_corruption)
{
    lsmkv *db = NULL;
    struct lsmkv_namespace_info *list = NULL;
    size_t count = 0;
    uint8_t key[LK_SPACE_PREFIX_BYTES + 1];
    store_new(LSMKV_SYNC_OS);
    store_open();
    done(space("good"));
    size_t prefix = lk_space_prefix(LK_SPACE_CATALOG, "b", 1, key);
    key[prefix] = 'b';
    struct lk_record record = {.flags = LK_PUT, .key = lk_slice(key, prefix + 1), .value = lk_text("nonsense")};
    CHECK_EQ(lk_write(engine(), &record, 0, NULL), 0);
    CHECK_EQ(try_space(store.db, "b", 1, &db), LSMKV_CORRUPT);
    CHECK(strstr(lsmkv_last_error()->text, "\"b\"") != NULL);
    CHECK_EQ(drop("b"), LSMKV_CORRUPT);
    CHECK_EQ(lsmkv_namespaces(store.db, &list, &count), LSMKV_CORRUPT);
    CHECK(list == NULL && count == 0);
    done(space("good"));
    record.key = lk_slice(key, prefix); /* the next number */
    CHECK_EQ(lk_write(engine(), &record, 0, NULL), 0);
    CHECK_EQ(try_space(store.db, "new", 1, &db), LSMKV_CORRUPT);
    uint8_t last[LK_CATALOG_NEXT_BYTES];
    lk_catalog_next_put(last, LK_SPACE_DEFAULT);
    record.value = lk_slice(last, sizeof last);
    CHECK_EQ(lk_write(engine(), &record, 0, NULL), 0);
    CHECK_EQ(try_space(store.db, "new", 1, &db), LSMKV_FULL);
    CHECK(db == NULL);
    done(space("good"));
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
