/* lab_model: T5's C twin. Random histories on the engine, each step compared with a sorted array.
 *
 *   lab_model [operations [first seed [processes [only this option set]]]]
 *
 * One seed is one history (twin/history.h): a universe of keys and a row of operations in three namespaces. It is played
 * under all fixed option sets and some random ones; every answer must be the model's, so it must be the same under all of
 * them. Snapshots, iterators, views and transactions are held across writes, flushes, merges; namespaces are dropped and
 * made again; in every second history some puts expire, by a clock of the history's own. The store is closed and opened
 * again, killed, and cut from power after a sync. The simulated disk (engine without threads) and /dev/shm (with and
 * without) take turns. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/db.h"
#include "engine/handle.h"
#include "twin/transacting.h"

enum { HISTORY = 600, RANDOM_SETS = 8, MISTAKES_MOST = 5 };

/* ---- option sets -------------------------------------------------------------------------------- */

enum { A = LSMKV_SOURCE_AUTO, M = LSMKV_SOURCE_MAPPED, R = LSMKV_SOURCE_READ };
enum { NONE = LSMKV_SYNC_NONE, OS = LSMKV_SYNC_OS, INTERVAL = LSMKV_SYNC_INTERVAL, ALWAYS = LSMKV_SYNC_ALWAYS };

enum { AUTO = LSMKV_COMPRESSION_AUTO, LZ4 = LSMKV_COMPRESSION_LZ4, ZSTD = LSMKV_COMPRESSION_ZSTD };

static const struct set fixed[] = {
    /* segment  table   page l0 runs  durability log tables threads simulated compression apart */
    {4096, 512, 64, 1, 1, OS, M, M, 0, 1, 0, 16},        {4096, 512, 64, 1, 2, INTERVAL, M, R, 0, 1, 0, 0},
    {4096, 1024, 128, 2, 3, ALWAYS, A, M, 0, 1, 0, 16},  {4096, 4096, 512, 3, 3, NONE, A, R, 0, 1, 0, 40},
    {4096, 512, 256, 1, 1, OS, R, R, 0, 1, 0, 24},       {8192, 2048, 64, 2, 1, INTERVAL, R, M, 0, 1, 0, 0},
    {8192, 512, 64, 3, 4, ALWAYS, R, R, 0, 1, 0, 0},     {8192, 65536, 2048, 1, 1, NONE, A, M, 0, 1, LZ4, 0},
    {65536, 4096, 128, 2, 2, OS, M, M, 0, 1, 0, 0},      {65536, 512, 4096, 1, 3, ALWAYS, A, R, 0, 1, 0, 16},
    {16384, 1024, 64, 8, 8, INTERVAL, M, M, 0, 1, 0, 0}, {4096, 700, 65536, 1, 32, OS, M, R, 0, 1, 0, 64},
    {4096, 512, 64, 1, 1, OS, M, M, 0, 0, 0, 0},         {4096, 512, 64, 1, 2, INTERVAL, M, R, 0, 0, 0, 16},
    {8192, 4096, 512, 2, 3, OS, R, R, 0, 0, LZ4, 0},     {65536, 65536, 2048, 3, 4, INTERVAL, A, A, 0, 0, AUTO, 0},
    {4096, 512, 64, 1, 1, OS, M, M, 2, 0, 0, 16},        {4096, 512, 64, 1, 2, INTERVAL, M, R, 2, 0, 0, 40},
    {4096, 1024, 128, 2, 3, ALWAYS, A, M, 2, 0, 0, 24},  {4096, 4096, 512, 3, 3, NONE, A, R, 2, 0, 0, 0},
    {4096, 512, 64, 1, 1, OS, R, R, 2, 0, ZSTD, 16},     {8192, 2048, 64, 2, 1, INTERVAL, R, M, 2, 0, AUTO, 200},
    {65536, 4096, 128, 2, 2, OS, M, R, 2, 0, LZ4, 0},    {1 << 20, 1 << 20, 2048, 3, 4, INTERVAL, A, A, 2, 0, ZSTD, 0},
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
                        .simulated = random_below(&random, 4) < 3,
                        .compression = (int)random_below(&random, 4),
                        .apart = random_below(&random, 2) ? 16u << random_below(&random, 5) : 0};
}

/* ---- upkeep -------------------------------------------------------------------------------------- */

static void do_flush(struct history *h)
{
    expect(h, lsmkv_flush(h->handles[0]), 0, "flush");
}

static void do_step(struct history *h)
{
    struct lsmkv_step did;
    int rc = lsmkv_step(h->handles[0], &did);
    if (rc != LSMKV_NOTFOUND)
        expect(h, rc, 0, "step");
}

static void do_compact(struct history *h)
{
    struct span span;
    unsigned space = any_space(h);
    any_span(h, &span);
    int all = random_below(&h->random, 2) != 0;
    if (!all && span.none)
        return;
    expect(h, lsmkv_compact(h->handles[space], all ? NULL : &span.from, all || span.open ? NULL : &span.to, NULL, NULL),
           0, "compact");
}

/* Left paused now and then; whatever is asked for goes on, and the end of the handle ends it. */
static void do_pause(struct history *h)
{
    expect(h, lsmkv_pause(h->handles[0]), 0, "pause");
    if (random_below(&h->random, 4))
        do_step(h);
    if (random_below(&h->random, 4))
        expect(h, lsmkv_resume(h->handles[0]), 0, "resume");
}

static void do_sync(struct history *h)
{
    expect(h, lsmkv_sync(h->handles[0]), 0, "sync");
}

static void do_verify(struct history *h)
{
    struct lsmkv_stats stats;
    expect(h, lsmkv_verify(h->handles[0], NULL, NULL, NULL), 0, "verify");
    expect(h, lsmkv_get_stats(h->handles[0], &stats), 0, "stats");
    if (stats.failed || stats.lsn_durable > stats.lsn_visible)
        wrong(h, "stats: failed %d, durable %" PRIx64 ", visible %" PRIx64, stats.failed, stats.lsn_durable,
              stats.lsn_visible);
}

static void do_explain(struct history *h)
{
    struct lsmkv_probe probes[64];
    size_t count = 0;
    unsigned space = any_space(h), index = any_index(h);
    int found = -1;
    expect(
        h,
        lsmkv_explain(h->handles[space], key_at(h, index)->bytes, key_at(h, index)->size, probes, 64, &count, &found),
        0, "explain");
    for (size_t i = 0; i < count; i++)
        if (probes[i].verdict == 6)
            return; /* not looked at: nothing is known */
    if ((found == 1) != (model_salt(&h->world.spaces[space], index, h->world.now) != 0))
        wrong(h, "explain: key %u found %d", index, found);
}

static void do_time(struct history *h)
{
    set_clock(h, h->world.now + 1 + (uint32_t)random_below(&h->random, 40));
}

/* ---- namespaces ---------------------------------------------------------------------------------- */

static const char *const names[SPACES] = {NULL, "one", "two"};

static struct lk_env *env_of(const struct history *h)
{
    return h->sim ? sim_env(h->sim) : lk_env_posix();
}

static const char *codec_of(const struct history *h, unsigned space)
{
    static const char *const codecs[] = {"bytes", "(str,desc(i64))", "u64"};
    return codecs[(h->seed + space) % 3];
}

/* wanted: 0, or NOTFOUND. */
static void open_space(struct history *h, unsigned space, int create, int wanted)
{
    struct lsmkv_namespace_options options = {
        .struct_bytes = sizeof options, .create = create, .ttl_ms = create ? h->ttl[space] : 0};
    options.key_codec = options.value_codec = create ? codec_of(h, space) : NULL;
    int rc = lsmkv_namespace_open(h->handles[0], names[space], strlen(names[space]), &options, &h->handles[space]);
    expect(h, rc, wanted, "namespace_open");
    if (rc == 0 && (strcmp(lsmkv_key_codec(h->handles[space]), codec_of(h, space)) != 0 ||
                    strcmp(lsmkv_value_codec(h->handles[space]), codec_of(h, space)) != 0))
        wrong(h, "namespace %u has codecs %s and %s", space, lsmkv_key_codec(h->handles[space]),
              lsmkv_value_codec(h->handles[space]));
}

/* The handle is closed, or about to be: what hangs on it. */
static void forget_space(struct history *h, unsigned space)
{
    for (int i = 0; i < ITERATORS; i++)
        if (h->walks[i].iter && h->walks[i].space == space)
            walk_end(&h->walks[i]);
    for (int i = 0; i < TRANSACTIONS; i++)
        h->txns[i].closed |= h->txns[i].home == space || h->txns[i].used[space];
}

static void close_space(struct history *h, unsigned space)
{
    forget_space(h, space);
    expect(h, lsmkv_close(h->handles[space]), 0, "close of a namespace");
    lsmkv_release(h->handles[space]);
    h->handles[space] = NULL;
}

/* From then on a namespace of that name is another one, in which older states hold nothing. */
static void turn_space(struct history *h, unsigned space)
{
    h->turns[space]++;
    model_erase(&h->world.spaces[space], 0, MODEL_KEYS);
    memset(h->written[space], 0, sizeof h->written[space]);
    for (int i = 0; i < SNAPSHOTS; i++)
        model_erase(&h->held[i].world.spaces[space], 0, MODEL_KEYS);
    for (int i = 0; i < SIGHTS; i++)
        if (h->sights[i].space == space)
            h->sights[i].seen = 0;
}

static void drop_space(struct history *h, unsigned space, int sync)
{
    lsmkv *old = h->handles[space];
    unsigned through = random_below(&h->random, 2) ? space : 0; /* its own handle does, too */
    lsmkv_batch_reset(h->batch);
    expect(h, lsmkv_batch_use(h->batch, old), 0, "batch use");
    expect(h, lsmkv_batch_put(h->batch, "late", 4, "", 0), 0, "batch put");
    expect(h, lsmkv_namespace_drop(h->handles[through], names[space], strlen(names[space]), sync), 0, "drop");
    forget_space(h, space);
    turn_space(h, space);
    expect(h, lsmkv_put(old, "late", 4, "", 0, -1, NULL), LSMKV_CLOSED, "put into a dropped namespace");
    expect(h, lsmkv_write(h->handles[0], h->batch, -1, NULL), LSMKV_CLOSED, "a batch into a dropped namespace");
    lsmkv_batch_reset(h->batch);
    lsmkv_release(old);
    h->handles[space] = NULL;
    if (random_below(&h->random, 4) == 0)
        open_space(h, space, 0, LSMKV_NOTFOUND);
}

static void check_names(struct history *h)
{
    struct lsmkv_namespace_info *list;
    size_t count = 0, wanted = 0;
    expect(h, lsmkv_namespaces(h->handles[0], &list, &count), 0, "namespaces");
    for (unsigned space = 1; space < SPACES; space++)
        wanted += h->handles[space] != NULL;
    if (count != wanted)
        wrong(h, "%zu namespaces are listed, wanted %zu", count, wanted);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].key_codec, list[i].value_codec) != 0)
            wrong(h, "namespace %s is listed with codecs %s and %s", (const char *)list[i].name.data, list[i].key_codec,
                  list[i].value_codec);
    lsmkv_namespaces_free(list, count);
}

static void do_namespace(struct history *h)
{
    unsigned space = 1 + (unsigned)random_below(&h->random, SPACES - 1);
    uint64_t what = random_below(&h->random, 4);
    int sync = any_sync(h);
    if (!h->handles[space]) {
        open_space(h, space, 1, 0);
        turn_space(h, space);
    } else if (what < 2) {
        drop_space(h, space, sync);
    } else if (what == 2) {
        close_space(h, space);
        open_space(h, space, 0, 0);
    }
    check_names(h);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void open_store(struct history *h, const int there[SPACES])
{
    /* All but fifo, which loses data. */
    static const int policies[] = {LSMKV_MERGE_DEFAULT, LSMKV_MERGE_LEVELED, LSMKV_MERGE_TIERED, LSMKV_MERGE_NONE};
    lsmkv *db = NULL;
    h->options.merge_policy = policies[(h->seed + h->opens++) % 4];
    h->options.space_limit = 1.05 + (double)(h->seed % 5) / 10;
    expect(h, lk_open_in(env_of(h), h->path, &h->options, &db), 0, "open");
    h->handles[0] = db;
    if (db)
        db->db->gap_least = 1 + (uint32_t)(h->seed % 3); /* rows of dead keys are short here */
    h->options.key_codec = NULL; /* from now on whatever the store says */
    if (db && strcmp(lsmkv_key_codec(db), codec_of(h, 0)) != 0)
        wrong(h, "the store has the codec %s", lsmkv_key_codec(db));
    for (unsigned space = 1; db && space < SPACES; space++)
        if (there[space])
            open_space(h, space, 0, 0);
    if (db)
        check_names(h);
}

/* Everything held answers CLOSED, and goes. Views show what they showed. */
static void let_go(struct history *h, int closed)
{
    struct lsmkv_pair pair;
    size_t count, size;
    void *value;
    for (int i = 0; i < SNAPSHOTS; i++) {
        if (h->held[i].snapshot && closed)
            expect(h, lsmkv_get(h->handles[0], h->held[i].snapshot, "", 0, &value, &size), LSMKV_CLOSED,
                   "get at a dead snapshot");
        lsmkv_snapshot_free(h->held[i].snapshot);
        h->held[i].snapshot = NULL;
    }
    for (int i = 0; i < ITERATORS; i++) {
        if (h->walks[i].iter && closed)
            expect(h, lsmkv_iter_begin(h->walks[i].iter, 1, 1, &pair, &count), LSMKV_CLOSED, "fill of a dead iterator");
        walk_end(&h->walks[i]);
    }
    for (int i = 0; i < TRANSACTIONS; i++) {
        if (h->txns[i].txn && closed)
            expect(h, lsmkv_txn_commit(h->txns[i].txn, -1, NULL), LSMKV_CLOSED, "commit after the close");
        txn_end(&h->txns[i]);
    }
}

static void end_views(struct history *h)
{
    for (int i = 0; i < VIEWS; i++)
        end_view(h, &h->lent[i]);
}

/* The namespaces' handles go first or last: the engine ends with the last of them. there: which there were. */
static void end_store(struct history *h, int alive, int there[SPACES])
{
    int before = (int)random_below(&h->random, 2); /* what is held goes before the close, or after */
    int last = (int)random_below(&h->random, 2);
    if (before)
        let_go(h, 0);
    for (unsigned i = 0; i < SPACES; i++) {
        unsigned space = last ? i : SPACES - 1 - i;
        there[space] = h->handles[space] != NULL;
        int rc = there[space] ? lsmkv_close(h->handles[space]) : 0;
        if (alive)
            expect(h, rc, 0, "close");
    }
    let_go(h, 1);
    for (unsigned space = 0; space < SPACES; space++) {
        lsmkv_release(h->handles[space]);
        h->handles[space] = NULL;
    }
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
    int there[SPACES];
    if (!h->sim) {
        end_store(h, 1, there);
        end_views(h); /* as below, so that all sets hold the same */
        open_store(h, there);
        return;
    }
    sim_stop_now(h->sim, how);
    uint64_t systematic = sim_image_systematic(h->sim) + 16;
    struct sim *image = how == SIM_KILL ? sim_kill_image(h->sim) : sim_image_at(h->sim, which % systematic, seed);
    end_store(h, 0, there);
    end_views(h); /* they hold what that machine has mapped, and the batch its handles */
    lsmkv_batch_reset(h->batch);
    check_sim(h, h->sim);
    if (sim_free(h->sim))
        wrong(h, "files were left open");
    h->sim = image;
    open_store(h, there);
}

static void do_life(struct history *h)
{
    uint64_t what = random_below(&h->random, 4);
    int there[SPACES];
    if (what == 3 || h->set.durability == NONE)
        do_sync(h);
    if (what == 3)
        crash(h, SIM_POWER);
    else if (what == 2)
        crash(h, SIM_KILL);
    else {
        end_store(h, 1, there);
        open_store(h, there);
    }
    if (h->handles[0] && h->mistakes == 0)
        check_all(h, what % 2);
}

/* ---- playing ------------------------------------------------------------------------------------- */

static const struct {
    void (*play)(struct history *h);
    unsigned weight;
} verbs[] = {
    {do_put, 300}, {do_delete, 50},   {do_remove, 40},    {do_delete_range, 14}, {do_batch, 60},    {do_write_if, 40},
    {do_txn, 60},  {do_get, 250},     {do_read_many, 50}, {do_scan, 30},         {do_walk, 80},     {do_count, 20},
    {do_view, 15}, {do_snapshot, 20}, {do_flush, 6},      {do_step, 12},         {do_compact, 5},   {do_sync, 8},
    {do_pause, 4}, {do_verify, 3},    {do_explain, 10},   {do_time, 12},         {do_namespace, 6}, {do_life, 4},
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

/* In every second history keys expire: in half of these now and then some, and then the files are without them again; in
 * others all do, but those who say otherwise. */
static void begin_world(struct history *h)
{
    h->expiring = h->seed % 2 ? 1 + (int)(h->seed / 2 % 2) : 0;
    for (unsigned space = 0; h->expiring == 1 && space < SPACES; space++)
        h->ttl[space] = (h->seed >> (2 + space)) % 4 == 0 ? 60 + 40 * space : 0;
    set_clock(h, 1000);
    h->options.wall_ns = clock_of;
    h->options.ttl_ms = h->ttl[0];
    h->options.key_codec = codec_of(h, 0);
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
    h->options.compression = set->compression;
    if (!lsmkv_feature(set->compression == ZSTD ? "zstd" : "lz4"))
        h->options.compression = LSMKV_COMPRESSION_NONE;
    h->options.log_source = set->log;
    h->options.table_source = set->tables;
    h->options.threads = set->simulated ? 0 : set->threads;
    h->options.cache_bytes = 64 << 10;
    h->options.large_value_bytes = set->apart;
    h->options.sync_interval_ms = 1 + seed % 20;
    struct sim_config config = {.seed = seed, .file_bytes = 4 << 20, .no_history = 1, .trace = getenv("TRACE") != NULL};
    h->sim = set->simulated ? sim_new(&config) : NULL;
    snprintf(h->path, sizeof h->path, "/dev/shm/lsmkv-model-%d", (int)getpid());
    expect(h, lsmkv_batch_new(&h->batch), 0, "batch_new");
    begin_world(h);
    open_store(h, (const int[SPACES]){1});
}

static void end(struct history *h)
{
    int there[SPACES];
    if (h->handles[0]) {
        check_all(h, 0);
        check_all(h, 1);
        end_store(h, 1, there);
    }
    end_views(h);
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
    while (h->operation < HISTORY && h->mistakes == 0 && h->handles[0]) {
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
            fprintf(stderr, "again: lab_model 1 %" PRIu64 " 1 %d\n", seed, i);
    }
}

/* ---- processes ---------------------------------------------------------------------------------- */

struct tally {
    uint64_t histories, operations, mistakes;
};

/* Every so many-th seed, until the share is done. */
static struct tally work(uint64_t seed, unsigned step, uint64_t share, int only)
{
    uint64_t histories = 0;
    for (; operations < share && mistakes < MISTAKES_MOST; seed += step, histories++)
        play_all(seed, only);
    return (struct tally){histories, operations, mistakes};
}

/* What all of them did; one that did not end well is a mistake. */
static struct tally deal(uint64_t seed, unsigned processes, uint64_t wanted, int only)
{
    int pipes[2], status;
    struct tally all = {0}, part;
    if (pipe(pipes) != 0)
        abort();
    for (unsigned i = 0; i < processes; i++)
        if (fork() == 0) {
            part = work(seed + i, processes, wanted / processes + 1, only);
            exit(write(pipes[1], &part, sizeof part) != sizeof part); /* and leaks are looked for */
        }
    close(pipes[1]);
    while (read(pipes[0], &part, sizeof part) == sizeof part)
        all = (struct tally){all.histories + part.histories, all.operations + part.operations,
                             all.mistakes + part.mistakes};
    while (wait(&status) > 0)
        all.mistakes += status != 0;
    close(pipes[0]);
    return all;
}

int main(int argc, char **argv)
{
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
             seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned processes = argc > 3 && atoi(argv[3]) > 1 ? (unsigned)atoi(argv[3]) : 1;
    int only = argc > 4 ? atoi(argv[4]) : -1;
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    struct tally all = processes > 1 ? deal(seed, processes, wanted, only) : work(seed, 1, wanted, only);
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%" PRIu64 " histories under %d option sets each, %.1f s by %u processes\n", all.histories,
           only < 0 ? FIXED + RANDOM_SETS : 1,
           (double)(now.tv_sec - began.tv_sec) + (double)(now.tv_nsec - began.tv_nsec) / 1e9, processes);
    printf("T5: %" PRIu64 " cases, %" PRIu64 " violations\n", all.operations, all.mistakes);
    return all.mistakes != 0;
}
