/* lab_model: T5's C twin. Random histories on the engine, each step compared with a sorted array.
 *
 *   lab_model [operations [first seed [only this option set]]]
 *
 * One seed is one history: a universe of keys and a row of operations. It is played under all fixed option
 * sets and some random ones; every answer must be the model's, so it must be the same under all of them.
 * Snapshots and iterators are held across writes, flushes, merges; the store is closed and opened again, killed,
 * and cut from power after a sync. The simulated disk (engine without threads) and /dev/shm (with and without)
 * take turns. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/open.h"
#include "model.h"
#include "sim/sim.h"

enum { HISTORY = 600, SNAPSHOTS = 3, ITERATORS = 3, RANDOM_SETS = 8, MISTAKES_MOST = 5 };

/* ---- option sets -------------------------------------------------------------------------------- */

struct set {
    uint32_t segment, table, page, l0, runs;
    int durability, log, tables, threads, simulated;
};

enum { A = LSMKV_SOURCE_AUTO, M = LSMKV_SOURCE_MAPPED, R = LSMKV_SOURCE_READ };
enum { NONE = LSMKV_SYNC_NONE, OS = LSMKV_SYNC_OS, INTERVAL = LSMKV_SYNC_INTERVAL, ALWAYS = LSMKV_SYNC_ALWAYS };

static const struct set fixed[] = {
    /* segment  table   page l0 runs  durability log tables threads simulated */
    {4096, 512, 64, 1, 1, OS, M, M, 0, 1},         {4096, 512, 64, 1, 2, INTERVAL, M, R, 0, 1},
    {4096, 1024, 128, 2, 3, ALWAYS, A, M, 0, 1},   {4096, 4096, 512, 3, 3, NONE, A, R, 0, 1},
    {4096, 512, 256, 1, 1, OS, R, R, 0, 1},        {8192, 2048, 64, 2, 1, INTERVAL, R, M, 0, 1},
    {8192, 512, 64, 3, 4, ALWAYS, R, R, 0, 1},     {8192, 65536, 2048, 1, 1, NONE, A, M, 0, 1},
    {65536, 4096, 128, 2, 2, OS, M, M, 0, 1},      {65536, 512, 4096, 1, 3, ALWAYS, A, R, 0, 1},
    {16384, 1024, 64, 8, 8, INTERVAL, M, M, 0, 1}, {4096, 700, 65536, 1, 32, OS, M, R, 0, 1},
    {4096, 512, 64, 1, 1, OS, M, M, 0, 0},         {4096, 512, 64, 1, 2, INTERVAL, M, R, 0, 0},
    {8192, 4096, 512, 2, 3, OS, R, R, 0, 0},       {65536, 65536, 2048, 3, 4, INTERVAL, A, A, 0, 0},
    {4096, 512, 64, 1, 1, OS, M, M, 2, 0},         {4096, 512, 64, 1, 2, INTERVAL, M, R, 2, 0},
    {4096, 1024, 128, 2, 3, ALWAYS, A, M, 2, 0},   {4096, 4096, 512, 3, 3, NONE, A, R, 2, 0},
    {4096, 512, 64, 1, 1, OS, R, R, 2, 0},         {8192, 2048, 64, 2, 1, INTERVAL, R, M, 2, 0},
    {65536, 4096, 128, 2, 2, OS, M, R, 2, 0},      {1 << 20, 1 << 20, 2048, 3, 4, INTERVAL, A, A, 2, 0},
};
enum { FIXED = sizeof fixed / sizeof fixed[0] };

static struct set random_set(uint64_t seed)
{
    struct random random = {seed ^ 0x5e75};
    return (struct set){.segment = 4096u << random_below(&random, 5),
                        .table = 512u << random_below(&random, 6),
                        .page = 64u << random_below(&random, 6),
                        .l0 = 1 + (uint32_t)random_below(&random, 8),
                        .runs = 1 + (uint32_t)random_below(&random, 8),
                        .durability = (int)random_below(&random, 4),
                        .log = (int)random_below(&random, 3),
                        .tables = (int)random_below(&random, 3),
                        .threads = random_below(&random, 4) ? 0 : 2,
                        .simulated = random_below(&random, 4) < 3};
}

/* ---- a history ----------------------------------------------------------------------------------- */

struct held { /* a snapshot and what it must show */
    lsmkv_snapshot *snapshot; /* owned; NULL: free place */
    struct model model;
};

struct walk { /* an iterator and what it must still bring */
    lsmkv_iter *iter; /* owned; NULL: free place */
    struct model model;
    unsigned low, high; /* indices still to come: low <= i < high */
    int reverse;
};

struct history {
    uint64_t seed;
    struct set set;
    struct lsmkv_options options;
    struct model_universe universe;
    struct random random;
    struct model model;
    struct held held[SNAPSHOTS];
    struct walk walks[ITERATORS];
    struct sim *sim; /* owned; NULL: the real environment */
    char path[64];
    lsmkv *db; /* owned */
    lsmkv_batch *batch; /* owned */
    uint32_t next_salt;
    uint64_t operation, digest;
    unsigned mistakes;
};

static uint64_t operations, mistakes;

__attribute__((format(printf, 2, 3))) static void wrong(struct history *h, const char *format, ...)
{
    va_list args;
    fprintf(stderr,
            "seed %" PRIu64 ", operation %" PRIu64 ", set {segment %u table %u page %u l0 %u runs %u durability %d "
            "log %d tables %d threads %d simulated %d}: ",
            h->seed, h->operation, h->set.segment, h->set.table, h->set.page, h->set.l0, h->set.runs, h->set.durability,
            h->set.log, h->set.tables, h->set.threads, h->set.simulated);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    h->mistakes++;
}

static void expect(struct history *h, int got, int wanted, const char *what)
{
    if (got != wanted)
        wrong(h, "%s: %s (%s), wanted %s", what, lsmkv_status_name(got), got < 0 ? lsmkv_last_error()->text : "",
              lsmkv_status_name(wanted));
}

/* Answers of one operation may come in any order. */
static void saw(struct history *h, uint64_t what)
{
    h->digest += model_mix(model_mix(h->operation) ^ what);
}

static struct lk_env *env_of(const struct history *h)
{
    return h->sim ? sim_env(h->sim) : lk_env_posix();
}

static const struct model_key *key_at(const struct history *h, unsigned index)
{
    return &h->universe.keys[index];
}

/* Hot keys are half of all. */
static unsigned any_index(struct history *h)
{
    return (unsigned)random_below(&h->random, random_below(&h->random, 2) ? MODEL_KEYS : 12);
}

/* ---- writing ------------------------------------------------------------------------------------- */

static uint32_t new_salt(struct history *h)
{
    return ++h->next_salt;
}

static int any_sync(struct history *h)
{
    return random_below(&h->random, 24) == 0 ? 1 : -1;
}

static void do_put(struct history *h)
{
    unsigned index = any_index(h);
    uint32_t salt = new_salt(h);
    int sync = any_sync(h), trying = random_below(&h->random, 2) != 0, rc = LSMKV_WOULDBLOCK;
    const struct model_key *key = key_at(h, index);
    struct lsmkv_slice value = model_value(&h->universe, salt);
    if (trying)
        rc = lsmkv_try_put(h->db, key->bytes, key->size, value.data, value.size, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_put(h->db, key->bytes, key->size, value.data, value.size, sync, NULL);
    expect(h, rc, 0, "put");
    h->model.salts[index] = salt;
}

static void do_delete(struct history *h)
{
    unsigned index = any_index(h);
    int sync = any_sync(h), trying = random_below(&h->random, 2) != 0, rc = LSMKV_WOULDBLOCK;
    const struct model_key *key = key_at(h, index);
    if (trying)
        rc = lsmkv_try_delete(h->db, key->bytes, key->size, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_delete(h->db, key->bytes, key->size, sync, NULL);
    expect(h, rc, 0, "delete");
    h->model.salts[index] = 0;
}

static void do_remove(struct history *h)
{
    unsigned index = any_index(h);
    int sync = any_sync(h), trying = random_below(&h->random, 2) != 0, rc = LSMKV_WOULDBLOCK;
    const struct model_key *key = key_at(h, index);
    if (trying)
        rc = lsmkv_try_remove(h->db, key->bytes, key->size, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_remove(h->db, key->bytes, key->size, sync, NULL);
    expect(h, rc, h->model.salts[index] ? 0 : LSMKV_NOTFOUND, "remove");
    h->model.salts[index] = 0;
}

/* A bound: a key of the universe, sometimes a byte longer. low: the first index at or above it. */
struct bound {
    uint8_t bytes[MODEL_KEY_MOST + 1];
    size_t size;
    unsigned low;
};

static void any_bound(struct history *h, struct bound *bound)
{
    const struct model_key *key = key_at(h, (unsigned)random_below(&h->random, MODEL_KEYS));
    memcpy(bound->bytes, key->bytes, key->size);
    bound->size = key->size;
    if (random_below(&h->random, 4) == 0)
        bound->bytes[bound->size++] = (uint8_t)random_below(&h->random, 2);
    bound->low = model_lower(&h->universe, bound->bytes, bound->size);
}

/* start < stop, mostly close together; open: no stop. The indices covered. */
static void any_span(struct history *h, struct bound *start, struct bound *stop, int *open, unsigned covered[2])
{
    any_bound(h, start);
    any_bound(h, stop);
    *open = random_below(&h->random, 24) == 0;
    if (random_below(&h->random, 4)) {
        unsigned near = start->low + 1 + (unsigned)random_below(&h->random, 8);
        const struct model_key *key = key_at(h, near < MODEL_KEYS ? near : MODEL_KEYS - 1);
        memcpy(stop->bytes, key->bytes, key->size);
        stop->size = key->size;
    }
    if (model_compare(start->bytes, start->size, stop->bytes, stop->size) > 0) {
        struct bound other = *start;
        *start = *stop;
        *stop = other;
    }
    start->low = model_lower(&h->universe, start->bytes, start->size);
    stop->low = model_lower(&h->universe, stop->bytes, stop->size);
    covered[0] = start->low;
    covered[1] = *open ? MODEL_KEYS : stop->low;
}

static void do_delete_range(struct history *h)
{
    struct bound start, stop;
    unsigned covered[2];
    int open;
    any_span(h, &start, &stop, &open, covered);
    struct lsmkv_slice from = {start.bytes, start.size}, to = {stop.bytes, stop.size};
    int none = !open && model_compare(from.data, from.size, to.data, to.size) >= 0;
    int rc = lsmkv_delete_range(h->db, &from, open ? NULL : &to, any_sync(h), NULL);
    if (none)
        return; /* an empty range: refused or nothing */
    expect(h, rc, 0, "delete_range");
    model_erase(&h->model, covered[0], covered[1]);
}

static void batch_one(struct history *h, struct model *after)
{
    unsigned index = any_index(h);
    const struct model_key *key = key_at(h, index);
    uint64_t what = random_below(&h->random, 16);
    if (what < 12) {
        uint32_t salt = new_salt(h);
        struct lsmkv_slice value = model_value(&h->universe, salt);
        expect(h, lsmkv_batch_put(h->batch, key->bytes, key->size, value.data, value.size), 0, "batch put");
        after->salts[index] = salt;
    } else if (what < 15) {
        expect(h, lsmkv_batch_delete(h->batch, key->bytes, key->size), 0, "batch delete");
        after->salts[index] = 0;
    } else {
        struct bound start, stop;
        unsigned covered[2];
        int open;
        any_span(h, &start, &stop, &open, covered);
        struct lsmkv_slice from = {start.bytes, start.size}, to = {stop.bytes, stop.size};
        if (!open && model_compare(from.data, from.size, to.data, to.size) >= 0)
            return;
        expect(h, lsmkv_batch_delete_range(h->batch, &from, open ? NULL : &to), 0, "batch delete_range");
        model_erase(after, covered[0], covered[1]);
    }
}

static void do_batch(struct history *h)
{
    struct model after = h->model;
    uint64_t count = random_below(&h->random, 16) ? random_below(&h->random, 8) : random_below(&h->random, 200);
    lsmkv_batch_reset(h->batch);
    for (uint64_t i = 0; i < count; i++)
        batch_one(h, &after);
    int sync = any_sync(h), rc = lsmkv_try_write(h->db, h->batch, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_write(h->db, h->batch, sync, NULL);
    expect(h, rc, 0, "write");
    h->model = after;
    operations += count;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static void check_value(struct history *h, const struct model *model, unsigned index, int rc, const void *value,
                        size_t size, const char *what)
{
    uint32_t salt = model->salts[index];
    expect(h, rc, salt ? 0 : LSMKV_NOTFOUND, what);
    if (rc == 0 && salt && !model_value_is(&h->universe, salt, value, size))
        wrong(h, "%s: key %u has a wrong value of %zu bytes, salt %u wanted", what, index, size, salt);
    saw(h, (uint64_t)rc << 32 | size);
}

/* The present, or one of the snapshots. */
static const struct model *any_view(struct history *h, lsmkv_snapshot **snapshot)
{
    struct held *held = &h->held[random_below(&h->random, SNAPSHOTS)];
    int present = random_below(&h->random, 2) || !held->snapshot;
    *snapshot = present ? NULL : held->snapshot;
    return present ? &h->model : &held->model;
}

static void get_waiting(struct history *h, const struct model *model, lsmkv_snapshot *snapshot, unsigned index)
{
    const struct model_key *key = key_at(h, index);
    void *value = NULL;
    size_t size = 0;
    int rc = lsmkv_get(h->db, snapshot, key->bytes, key->size, &value, &size);
    check_value(h, model, index, rc, value, size, "get");
    lsmkv_free(value);
}

static void do_get(struct history *h)
{
    lsmkv_snapshot *snapshot;
    const struct model *model = any_view(h, &snapshot);
    unsigned index = any_index(h);
    const struct model_key *key = key_at(h, index);
    struct lsmkv_read read;
    int way = (int)random_below(&h->random, 4);
    if (way == 0) {
        expect(h, lsmkv_exists(h->db, snapshot, key->bytes, key->size), model->salts[index] ? 0 : LSMKV_NOTFOUND,
               "exists");
        return;
    }
    int rc = way == 1 ? LSMKV_WOULDBLOCK : lsmkv_read_begin(h->db, snapshot, key->bytes, key->size, &read);
    if (rc == LSMKV_WOULDBLOCK) {
        get_waiting(h, model, snapshot, index);
        return;
    }
    check_value(h, model, index, rc, rc == 0 ? read.value.data : NULL, rc == 0 ? read.value.size : 0, "read");
    if (rc == 0)
        lsmkv_read_end(&read);
}

static void do_read_many(struct history *h)
{
    lsmkv_snapshot *snapshot;
    const struct model *model = any_view(h, &snapshot);
    struct lsmkv_slice keys[LSMKV_READ_MANY], values[LSMKV_READ_MANY];
    unsigned indices[LSMKV_READ_MANY];
    int results[LSMKV_READ_MANY];
    struct lsmkv_read read;
    size_t count = 1 + (size_t)random_below(&h->random, LSMKV_READ_MANY);
    for (size_t i = 0; i < count; i++) {
        indices[i] = any_index(h);
        keys[i] = (struct lsmkv_slice){key_at(h, indices[i])->bytes, key_at(h, indices[i])->size};
    }
    int rc = lsmkv_read_many_begin(h->db, snapshot, keys, count, values, results, &read);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (results[i] != LSMKV_WOULDBLOCK)
            check_value(h, model, indices[i], results[i], results[i] == 0 ? values[i].data : NULL,
                        results[i] == 0 ? values[i].size : 0, "read_many");
    if (rc == 0)
        lsmkv_read_end(&read);
    else
        expect(h, rc, LSMKV_WOULDBLOCK, "read_many");
    for (size_t i = 0; i < count; i++)
        if (rc != 0 || results[i] == LSMKV_WOULDBLOCK)
            get_waiting(h, model, snapshot, indices[i]);
    operations += count - 1;
}

/* ---- scanning ------------------------------------------------------------------------------------ */

static unsigned next_wanted(struct walk *walk)
{
    if (walk->reverse) {
        while (walk->high > walk->low && !walk->model.salts[walk->high - 1])
            walk->high--;
        return walk->high > walk->low ? --walk->high : MODEL_KEYS;
    }
    while (walk->low < walk->high && !walk->model.salts[walk->low])
        walk->low++;
    return walk->low < walk->high ? walk->low++ : MODEL_KEYS;
}

static void walk_end(struct walk *walk)
{
    lsmkv_iter_free(walk->iter);
    walk->iter = NULL;
}

/* One fill, which may bring less than asked. The number of pairs; 0: the walk is over. */
static size_t walk_fill(struct history *h, struct walk *walk, size_t most, size_t most_bytes, int try)
{
    struct lsmkv_pair pairs[64];
    size_t count = 0;
    int rc = try ? lsmkv_try_iter_begin(walk->iter, most, most_bytes, pairs, &count) : LSMKV_WOULDBLOCK;
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_iter_begin(walk->iter, most, most_bytes, pairs, &count);
    if (rc != 0) {
        expect(h, rc, LSMKV_NOTFOUND, "fill");
        unsigned left = next_wanted(walk);
        if (rc == LSMKV_NOTFOUND && left != MODEL_KEYS)
            wrong(h, "the scan is over, but key %u was still to come", left);
        return 0;
    }
    if (count == 0 || count > most)
        wrong(h, "a fill brought %zu pairs of at most %zu", count, most);
    for (size_t i = 0; i < count && h->mistakes == 0; i++) {
        unsigned wanted = next_wanted(walk), is = model_index(&h->universe, pairs[i].key.data, pairs[i].key.size);
        if (wanted != is)
            wrong(h, "the scan%s brought key %u, wanted %u", walk->reverse ? " (reverse)" : "", is, wanted);
        else if (!model_value_is(&h->universe, walk->model.salts[is], pairs[i].value.data, pairs[i].value.size))
            wrong(h, "the scan brought a wrong value for key %u", is);
    }
    lsmkv_iter_end(walk->iter);
    return h->mistakes ? 0 : count;
}

static void walk_start(struct history *h, struct walk *walk)
{
    lsmkv_snapshot *snapshot;
    struct lsmkv_range range = {0};
    struct bound start, stop;
    unsigned covered[2];
    int open;
    walk->model = *any_view(h, &snapshot);
    any_span(h, &start, &stop, &open, covered);
    uint64_t bounds = random_below(&h->random, 8);
    range.has_start = bounds < 5;
    range.has_stop = bounds < 4 || bounds == 5;
    range.start = (struct lsmkv_slice){start.bytes, start.size};
    range.stop = (struct lsmkv_slice){stop.bytes, stop.size};
    range.exclude_start = random_below(&h->random, 4) == 0;
    range.include_stop = random_below(&h->random, 4) == 0;
    range.reverse = walk->reverse = random_below(&h->random, 2) != 0;
    int plain = random_below(&h->random, 8) == 0;
    walk->low = range.has_start && !plain ? start.low : 0;
    walk->high = range.has_stop && !plain ? stop.low : MODEL_KEYS;
    if (!plain && range.has_start && range.exclude_start &&
        model_index(&h->universe, start.bytes, start.size) < MODEL_KEYS)
        walk->low++;
    if (!plain && range.has_stop && range.include_stop && model_index(&h->universe, stop.bytes, stop.size) < MODEL_KEYS)
        walk->high++;
    if (plain)
        walk->reverse = 0;
    expect(h, lsmkv_iter_new(h->db, snapshot, plain ? NULL : &range, &walk->iter), 0, "iter_new");
}

static void do_scan(struct history *h)
{
    struct walk walk = {0};
    size_t most = 1 + (size_t)random_below(&h->random, 64), bytes = random_below(&h->random, 2) ? 1 << 20 : 100;
    int limit = random_below(&h->random, 2) ? 2 : 1000, try = (int)random_below(&h->random, 2);
    walk_start(h, &walk);
    while (walk.iter && limit-- > 0 && walk_fill(h, &walk, most, bytes, try))
        ;
    walk_end(&walk);
}

/* An iterator that is held: made, moved on a little, or given up. */
static void do_walk(struct history *h)
{
    struct walk *walk = &h->walks[random_below(&h->random, ITERATORS)];
    size_t most = 1 + (size_t)random_below(&h->random, 6);
    int give_up = random_below(&h->random, 12) == 0;
    if (!walk->iter) {
        walk_start(h, walk);
        return;
    }
    for (size_t some = 0; most && !give_up; most -= some) {
        some = walk_fill(h, walk, most, 1 << 20, most % 2 == 0);
        give_up = some == 0;
    }
    if (give_up)
        walk_end(walk);
}

static void check_all(struct history *h, int reverse)
{
    struct walk walk = {.model = h->model, .low = 0, .high = MODEL_KEYS, .reverse = reverse};
    struct lsmkv_range range = {.reverse = reverse};
    expect(h, lsmkv_iter_new(h->db, NULL, &range, &walk.iter), 0, "iter_new");
    while (walk.iter && walk_fill(h, &walk, 64, 1 << 20, 0))
        ;
    walk_end(&walk);
}

/* ---- snapshots ----------------------------------------------------------------------------------- */

static void do_snapshot(struct history *h)
{
    struct held *held = &h->held[random_below(&h->random, SNAPSHOTS)];
    if (held->snapshot) {
        lsmkv_snapshot_free(held->snapshot);
        held->snapshot = NULL;
        return;
    }
    expect(h, lsmkv_snapshot_new(h->db, &held->snapshot), 0, "snapshot_new");
    held->model = h->model;
}

/* ---- upkeep -------------------------------------------------------------------------------------- */

static void do_flush(struct history *h)
{
    expect(h, lsmkv_flush(h->db), 0, "flush");
}

static void do_step(struct history *h)
{
    struct lsmkv_step did;
    int rc = lsmkv_step(h->db, &did);
    if (rc != LSMKV_NOTFOUND)
        expect(h, rc, 0, "step");
}

static void do_compact(struct history *h)
{
    struct bound start, stop;
    unsigned covered[2];
    int open;
    any_span(h, &start, &stop, &open, covered);
    struct lsmkv_slice from = {start.bytes, start.size}, to = {stop.bytes, stop.size};
    int all = random_below(&h->random, 2) != 0;
    int none = !open && model_compare(from.data, from.size, to.data, to.size) >= 0;
    if (!all && none)
        return;
    expect(h, lsmkv_compact(h->db, all ? NULL : &from, all || open ? NULL : &to, NULL, NULL), 0, "compact");
}

static void do_sync(struct history *h)
{
    expect(h, lsmkv_sync(h->db), 0, "sync");
}

static void do_verify(struct history *h)
{
    struct lsmkv_stats stats;
    expect(h, lsmkv_verify(h->db, NULL, NULL, NULL), 0, "verify");
    expect(h, lsmkv_get_stats(h->db, &stats), 0, "stats");
    if (stats.failed || stats.lsn_durable > stats.lsn_visible)
        wrong(h, "stats: failed %d, durable %" PRIx64 ", visible %" PRIx64, stats.failed, stats.lsn_durable,
              stats.lsn_visible);
}

static void do_explain(struct history *h)
{
    struct lsmkv_probe probes[64];
    size_t count = 0;
    unsigned index = any_index(h);
    int found = -1;
    expect(h, lsmkv_explain(h->db, key_at(h, index)->bytes, key_at(h, index)->size, probes, 64, &count, &found), 0,
           "explain");
    for (size_t i = 0; i < count; i++)
        if (probes[i].verdict == 6)
            return; /* not looked at: nothing is known */
    if ((found == 1) != (h->model.salts[index] != 0))
        wrong(h, "explain: key %u found %d", index, found);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void open_store(struct history *h)
{
    expect(h, lk_open_in(env_of(h), h->path, &h->options, &h->db), 0, "open");
}

/* Everything held answers CLOSED, and goes. */
static void let_go(struct history *h, int closed)
{
    struct lsmkv_pair pair;
    size_t count, size;
    void *value;
    for (int i = 0; i < SNAPSHOTS; i++) {
        if (h->held[i].snapshot && closed)
            expect(h, lsmkv_get(h->db, h->held[i].snapshot, "", 0, &value, &size), LSMKV_CLOSED,
                   "get at a dead snapshot");
        lsmkv_snapshot_free(h->held[i].snapshot);
        h->held[i].snapshot = NULL;
    }
    for (int i = 0; i < ITERATORS; i++) {
        if (h->walks[i].iter && closed)
            expect(h, lsmkv_iter_begin(h->walks[i].iter, 1, 1, &pair, &count), LSMKV_CLOSED, "fill of a dead iterator");
        lsmkv_iter_free(h->walks[i].iter);
        h->walks[i].iter = NULL;
    }
}

static void end_store(struct history *h, int alive)
{
    int before = (int)random_below(&h->random, 2); /* what is held goes before the close, or after */
    if (before)
        let_go(h, 0);
    int rc = lsmkv_close(h->db);
    if (alive)
        expect(h, rc, 0, "close");
    let_go(h, 1);
    lsmkv_release(h->db);
    h->db = NULL;
}

static void check_sim(struct history *h, struct sim *sim)
{
    if (sim_check(sim))
        wrong(h, "order of durability: %s", sim_check(sim));
    if (sim_check(sim))
        fputs(sim_trace(sim), stderr);
}

/* The machine stops; what is left goes on. A synced store loses nothing at a power cut. */
static void crash(struct history *h, enum sim_stop how)
{
    uint64_t which = random_next(&h->random), seed = random_next(&h->random);
    if (!h->sim) {
        end_store(h, 1);
        open_store(h);
        return;
    }
    sim_stop_now(h->sim, how);
    uint64_t systematic = sim_image_systematic(h->sim) + 16;
    struct sim *image = how == SIM_KILL ? sim_kill_image(h->sim) : sim_image_at(h->sim, which % systematic, seed);
    end_store(h, 0);
    check_sim(h, h->sim);
    if (sim_free(h->sim))
        wrong(h, "files were left open");
    h->sim = image;
    open_store(h);
}

static void do_life(struct history *h)
{
    uint64_t what = random_below(&h->random, 4);
    if (what == 3 || h->set.durability == NONE)
        do_sync(h);
    if (what == 3)
        crash(h, SIM_POWER);
    else if (what == 2)
        crash(h, SIM_KILL);
    else {
        end_store(h, 1);
        open_store(h);
    }
    if (h->db)
        check_all(h, what % 2);
}

/* ---- playing ------------------------------------------------------------------------------------- */

static const struct {
    void (*play)(struct history *h);
    unsigned weight;
} verbs[] = {
    {do_put, 300},      {do_delete, 50}, {do_remove, 40}, {do_delete_range, 14}, {do_batch, 60}, {do_get, 250},
    {do_read_many, 50}, {do_scan, 30},   {do_walk, 80},   {do_snapshot, 20},     {do_flush, 6},  {do_step, 12},
    {do_compact, 3},    {do_sync, 8},    {do_verify, 3},  {do_explain, 10},      {do_life, 4},
};

static void play_one(struct history *h, uint64_t dice)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; dice -= verbs[i++].weight)
        if (dice < verbs[i].weight) {
            verbs[i].play(h);
            return;
        }
}

static uint64_t weights(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        sum += verbs[i].weight;
    return sum;
}

static void begin(struct history *h, uint64_t seed, const struct set *set)
{
    memset(h, 0, sizeof *h);
    h->seed = seed;
    h->set = *set;
    h->random.state = model_mix(seed);
    h->universe.large_one_in = seed % 3 ? 200 : 0;
    model_universe_make(&h->universe, seed);
    lsmkv_options_init(&h->options);
    h->options.segment_bytes = set->segment;
    h->options.table_bytes = set->table;
    h->options.page_bytes = set->page;
    h->options.l0_segments = set->l0;
    h->options.run_count = set->runs;
    h->options.durability = set->durability;
    h->options.log_source = set->log;
    h->options.table_source = set->tables;
    h->options.threads = set->simulated ? 0 : set->threads;
    h->options.cache_bytes = 64 << 10;
    h->options.sync_interval_ms = 1 + seed % 20;
    struct sim_config config = {.seed = seed, .file_bytes = 4 << 20, .no_history = 1, .trace = getenv("TRACE") != NULL};
    h->sim = set->simulated ? sim_new(&config) : NULL;
    snprintf(h->path, sizeof h->path, "/dev/shm/lsmkv-model-%d", (int)getpid());
    expect(h, lsmkv_batch_new(&h->batch), 0, "batch_new");
    open_store(h);
}

static void end(struct history *h)
{
    if (h->db) {
        check_all(h, 0);
        check_all(h, 1);
        end_store(h, 1);
    }
    lsmkv_batch_free(h->batch);
    if (h->sim) {
        check_sim(h, h->sim);
        if (sim_free(h->sim))
            wrong(h, "files were left open");
    } else {
        expect(h, lsmkv_destroy(h->path), 0, "destroy");
    }
}

/* The digest of all that was answered; 0 when something was wrong. */
static uint64_t play(uint64_t seed, const struct set *set)
{
    static struct history history;
    struct history *h = &history;
    uint64_t sum = weights();
    begin(h, seed, set);
    while (h->operation < HISTORY && h->mistakes == 0 && h->db) {
        h->operation++;
        play_one(h, random_below(&h->random, sum));
    }
    operations += h->operation;
    if (h->mistakes == 0)
        end(h);
    mistakes += h->mistakes;
    return h->mistakes ? 0 : h->digest | 1;
}

static void play_all(uint64_t seed, int only)
{
    uint64_t first = 0;
    for (int i = 0; i < FIXED + RANDOM_SETS && mistakes < MISTAKES_MOST; i++) {
        struct set set = i < FIXED ? fixed[i] : random_set(seed * RANDOM_SETS + (uint64_t)i);
        if (only >= 0 && only != i)
            continue;
        uint64_t digest = play(seed, &set);
        if (first && digest && digest != first) {
            fprintf(stderr, "seed %" PRIu64 ": option set %d looks different\n", seed, i);
            mistakes++;
        }
        first = first ? first : digest;
        if (digest == 0)
            fprintf(stderr, "again: lab_model 1 %" PRIu64 " %d\n", seed, i);
    }
}

int main(int argc, char **argv)
{
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
             seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    int only = argc > 3 ? atoi(argv[3]) : -1;
    uint64_t first = seed;
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (; operations < wanted && mistakes < MISTAKES_MOST; seed++)
        play_all(seed, only);
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%" PRIu64 " histories under %d option sets each, %.1f s\n", seed - first,
           only < 0 ? FIXED + RANDOM_SETS : 1,
           (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9);
    printf("T5: %" PRIu64 " cases, %" PRIu64 " violations\n", operations, mistakes);
    return mistakes != 0;
}
