/* story: a workload on a simulated machine, told in letters, and its timeline.
 *
 *   p put   h put a hot key   s put, synced   v V large value, V synced   d delete   m remove   r delete a range
 *   b batch   B large batch   a batch, synced   f flush   c compact   t step   y sync   o close and open
 *   n snapshot   N free it   i scan   w wait for more than the interval   l count, and keep the count
 *   e put that soon expires   E put that expires late   k the wall clock goes on   q put that rests on a read
 *   M make the other namespace   D drop it   u put there   U put there, synced   R delete a range there   j batch in both
 *   T transaction   S transaction, synced   C transaction that somebody else spoils
 *   g put the next key in order   G compact a range
 *   x no space from here on   X space again   z the next write of the log finds half the space it needs
 *
 * The merge policy changes with every open; O opens with the default one. A number repeats the letter behind it: "12p f 3h". A story is played from its beginning up to a boundary of
 * the simulator, again and again; the same seed is the same story. */
#ifndef LK_TESTS_CRASH_STORY_H
#define LK_TESTS_CRASH_STORY_H

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

#include "crash/oracle.h"
#include "sim/sim.h"

#define STORE "/store"

struct story_set {
    const char *name;
    uint32_t segment, table, page, l0, runs;
    int durability, log, tables, cannot_map, tear_words;
    int compression; /* when this build has it */
    uint32_t apart; /* values of so many bytes live in value segments; 0: none */
};

static const struct story_set story_sets[] = {
    {"os, mapped", 4096, 512, 64, 1, 1, LSMKV_SYNC_OS, 1, 1, 0, 0, 0, 0},
    {"interval, mapped, torn words", 4096, 512, 64, 1, 2, LSMKV_SYNC_INTERVAL, 1, 2, 0, 1, 0, 0},
    {"always", 4096, 1024, 128, 2, 3, LSMKV_SYNC_ALWAYS, 0, 1, 0, 0, 0, 0},
    {"none", 4096, 4096, 512, 3, 3, LSMKV_SYNC_NONE, 0, 2, 0, 0, 0, 0},
    {"os, written", 4096, 512, 256, 1, 1, LSMKV_SYNC_OS, 2, 2, 0, 0, 0, 0},
    {"interval, cannot map", 8192, 2048, 64, 2, 1, LSMKV_SYNC_INTERVAL, 0, 0, 1, 0, 0, 0},
    {"os, mapped, larger", 8192, 1024, 512, 3, 2, LSMKV_SYNC_OS, 1, 2, 0, 1, 0, 0},
    {"os, lz4", 4096, 4096, 512, 1, 2, LSMKV_SYNC_OS, 1, 1, 0, 0, LSMKV_COMPRESSION_LZ4, 0},
    {"always, zstd, read", 8192, 4096, 512, 2, 1, LSMKV_SYNC_ALWAYS, 0, 2, 0, 0, LSMKV_COMPRESSION_ZSTD, 0},
    {"os, mapped, apart", 4096, 512, 64, 1, 1, LSMKV_SYNC_OS, 1, 1, 0, 0, 0, 16},
    {"interval, torn words, apart", 4096, 512, 64, 1, 2, LSMKV_SYNC_INTERVAL, 1, 2, 0, 1, 0, 20},
    {"none, apart", 4096, 2048, 256, 2, 2, LSMKV_SYNC_NONE, 0, 2, 0, 0, 0, 16},
    {"os, written, apart", 4096, 512, 64, 1, 1, LSMKV_SYNC_OS, 2, 1, 0, 0, 0, 16},
    {"always, apart", 4096, 1024, 128, 2, 3, LSMKV_SYNC_ALWAYS, 0, 1, 0, 0, 0, 16},
};
enum { STORY_SETS = sizeof story_sets / sizeof story_sets[0] };

static const char *const story_scripts[] = {
    "",
    "24p",
    "60h",
    "6s 4p 6s",
    "3p 6b 2p 2b",
    "2a 3p 2a b",
    "4p B 4p B",
    "12p r 6p r 4p",
    "16p f 8p f",
    "10p f f 4p f",
    "12p f 12h f 6d c 4p",
    "20p t 20p t t",
    "10p o 6p o 4p",
    "6s o 3s o 2p",
    "o o p o o s o",
    "4p v 4p v 3p",
    "3p V 3p V s",
    "v v v o v",
    "10p n 14h f 10h c N 4p",
    "16p i 16p i f i 4p",
    "16p 16d f 8p c 4d",
    "12p 12m f 4m 3p o 3m",
    "6p w 6p w 6p y 4p",
    "y p y f y o y c y",
    "12p x 6p X 12p",
    "10p z 6p z 6p s z s",
    "8p r f 8p r f r c 4p",
    "30p f 30h f 30p f t t t t c",
    "5p s 5p s f 5p s c 5p s o 5p s",
    "6b f 6b c r 6b o 2a",
    "4p M 6u 2U 4p D 2p M 3u",
    "M 8u f 6u f D f 3p c",
    "M U D M U D s M 3u o u",
    "4p M l 4j f l 6j f l c 2d l 3j o l 2u",
    "8p l 6p f l 8h f d l r l o 4p l o p",
    "6s l f 4s f c l 6d f l 3s o l",
    "3e 4p 3E f 4e k k k 3p f c i 3E",
    "6p l f 2e f 6p k k k c o l",
    "4E 3e o k k k i 4p f 2e c o p",
    "M 2e 4u 4T S 2T f 3T c S",
    "4p 2T C 3p f C T M C 2T o T",
    "5q f 5q r 3q k q o 3q",
    "M 4u l R f l 4u D l M 2u l o l 2T l",
    "60p f 60p c 30h c o 20p c",
    "40p f 30p n c 20h c N c o c",
    "12v f 12v c 4V o 8v c",
    "16g f 16g f 16g f c 4p",
    "12g f 12g f 3p f t t o t t t 4g c s",
    "20g f 8g f n 12g f t t t t N 6d f t t t c o",
    "24g f 12p f 3G 8d r f 2G 4p",
    "20p f 20p f n G 6d f G N o 2G c s",
    "O 99g c 12g f 3t s",
    "O 3B c 16g f 3t s 12d f 3t c",
    "O 3B c 8g 8d f t n 16g f 3t N s",
    "O 3B c 20g f t O 20g f 3t s o",
};
enum { STORY_SCRIPTS = sizeof story_scripts / sizeof story_scripts[0], STORY_RANDOM = 16 };
enum { STORIES = STORY_SETS * (STORY_SCRIPTS + STORY_RANDOM) };
enum { STORY_BOUNDARIES = 400 }; /* a longer one ends here, or it would count for too much of the whole */

struct story {
    const struct story_set *set;
    const char *script; /* borrowed */
    char made[256];     /* a random script */
    uint64_t seed;
    int stays_open; /* at the end of the script the store is not closed */
    struct lsmkv_options options;
    struct model_universe universe;
    /* While it is played. */
    struct sim *sim; /* owned */
    lsmkv *db;       /* owned */
    lsmkv *side;     /* owned; the other namespace, NULL: it is not there */
    uint32_t side_next; /* the number it gets next */
    uint32_t in_order;  /* keys put in order so far */
    uint32_t opens;
    lsmkv_snapshot *snapshot; /* owned */
    lsmkv_batch *batch; /* owned */
    struct random random;
    struct content now;
    struct timeline timeline;
    uint64_t lsns[TIMELINE_MOST]; /* of the states; 0: not known any more */
    uint64_t times[TIMELINE_MOST]; /* when they were acknowledged */
    struct content *contents; /* borrowed, TIMELINE_MOST of them, filled with the states; NULL: nobody asks */
    unsigned slices; /* merged before STORY_BOUNDARIES */
    unsigned proven; /* the state that was durable before the newest commit: a mark in the log says so */
    char wrong[400]; /* "" while all is well */
};

/* ---- which stories there are ---------------------------------------------------------------------- */

static inline void story_random_script(struct story *story, uint64_t seed)
{
    /* Where records expire no count is kept: half of the stories have none of them. */
    static const char plain[] = "pppphhsvdmrbBaffcGGtyyonNiwzplllMMDuuUuRjjjTTSCqq",
                      expiring[] = "ppphhsvdmrbBaffcGGtyyonNiwzeeeEEEkkklMMDuuUjjTTSCq";
    const char *letters = seed % 2 ? plain : expiring;
    struct random random = {seed};
    size_t at = 0;
    for (unsigned words = 6 + (unsigned)random_below(&random, 14); words > 0; words--)
        at += (size_t)snprintf(story->made + at, sizeof story->made - at, "%u%c ",
                               1 + (unsigned)random_below(&random, 8), letters[random_below(&random, strlen(letters))]);
    story->script = story->made;
}

static inline int story_compression(int wanted)
{
    int here = wanted != LSMKV_COMPRESSION_ZSTD ? lsmkv_feature("lz4") != NULL : lsmkv_feature("zstd") != NULL;
    return here ? wanted : LSMKV_COMPRESSION_NONE;
}

static inline void story_init(struct story *story, unsigned number)
{
    unsigned script = number / STORY_SETS;
    memset(story, 0, sizeof *story);
    story->set = &story_sets[number % STORY_SETS];
    story->seed = number * 7919u + 1;
    if (script < STORY_SCRIPTS)
        story->script = story_scripts[script];
    else
        story_random_script(story, number);
    story->universe.large_one_in = 0;
    model_universe_make(&story->universe, story->seed);
    lsmkv_options_init(&story->options);
    story->options.segment_bytes = story->set->segment;
    story->options.table_bytes = story->set->table;
    story->options.page_bytes = story->set->page;
    story->options.l0_segments = story->set->l0;
    story->options.run_count = story->set->runs;
    story->options.durability = story->set->durability;
    story->options.log_source = story->set->log;
    story->options.table_source = story->set->tables;
    story->options.compression = story_compression(story->set->compression);
    story->options.threads = 0;
    story->options.large_value_bytes = story->set->apart;
    story->options.cache_bytes = 64 << 10;
    story->options.sync_interval_ms = 5;
    story->options.key_codec = KEY_CODEC;
    story->options.value_codec = VALUE_CODEC;
    story->options.wall_ns = story_clock;
}

/* ---- playing ------------------------------------------------------------------------------------- */

static inline void story_wrong(struct story *story, const char *what, int rc)
{
    if (!story->wrong[0] && !sim_stopped(story->sim))
        complain(story->wrong, sizeof story->wrong, what, rc);
}

/* What the engine calls durable must be. */
static inline void story_believe(struct story *story)
{
    struct lsmkv_stats stats;
    struct timeline *timeline = &story->timeline;
    if (!story->db || sim_stopped(story->sim) || lsmkv_get_stats(story->db, &stats) != 0)
        return;
    for (unsigned i = timeline->durable + 1; i <= timeline->acknowledged; i++)
        if (story->lsns[i] && story->lsns[i] <= stats.lsn_durable && story->set->durability != LSMKV_SYNC_NONE)
            timeline->durable = i;
}

static inline uint64_t story_now_ns(const struct story *story)
{
    return sim_env(story->sim)->ops->monotonic_ns(sim_env(story->sim));
}

/* With the interval level nothing that was acknowledged two intervals ago waits for its sync, once a write asked. */
static inline void story_punctual(struct story *story)
{
    const struct timeline *timeline = &story->timeline;
    unsigned oldest = timeline->durable + 1;
    if (!story->db || sim_stopped(story->sim) || story->set->durability != LSMKV_SYNC_INTERVAL ||
        oldest >= timeline->acknowledged || story->lsns[oldest] == 0)
        return;
    if (story->times[timeline->acknowledged] > story->times[oldest] + 2000000ull * story->options.sync_interval_ms)
        snprintf(story->wrong, sizeof story->wrong, "state %u waits for its sync longer than the interval", oldest);
}

/* Something that makes all durable has ended. */
static inline void story_settled(struct story *story, const char *what, int rc)
{
    if (sim_stopped(story->sim))
        return;
    if (rc == 0)
        story->timeline.durable = story->timeline.acknowledged;
    else if (rc != LSMKV_FULL)
        story_wrong(story, what, rc);
}

/* A commit that leads to `after` has ended. */
static inline void story_committed(struct story *story, const struct content *after, int sync, const char *what, int rc,
                                   uint64_t lsn)
{
    int stopped = sim_stopped(story->sim);
    if (!stopped && rc == LSMKV_FULL)
        return;
    if (!stopped && rc != 0) {
        story_wrong(story, what, rc);
        return;
    }
    story->now = *after;
    story->proven = story->timeline.durable;
    timeline_push(&story->timeline, content_hash(after));
    if (story->contents)
        story->contents[story->timeline.count - 1] = *after;
    if (stopped)
        return;
    story->timeline.acknowledged = story->timeline.count - 1;
    story->lsns[story->timeline.acknowledged] = lsn;
    story->times[story->timeline.acknowledged] = story_now_ns(story);
    if ((sync == 1 || story->set->durability == LSMKV_SYNC_ALWAYS) && story->set->durability != LSMKV_SYNC_NONE)
        story->timeline.durable = story->timeline.acknowledged;
}

static inline struct lsmkv_slice story_value(struct story *story, int large)
{
    uint64_t dice = random_next(&story->random);
    size_t size = large           ? 4200 + (size_t)(dice % 6000)
                  : dice % 8 == 0 ? (size_t)(dice >> 8) % 300
                                  : (size_t)(dice >> 8) % 30;
    return (struct lsmkv_slice){model_text() + (dice >> 32) % (MODEL_TEXT - MODEL_VALUE_MOST), size};
}

static inline struct lsmkv_slice story_key(const struct story *story, unsigned index)
{
    return (struct lsmkv_slice){story->universe.keys[index].bytes, story->universe.keys[index].size};
}

/* space 1: the other namespace, which is there. */
static inline lsmkv *story_handle(const struct story *story, unsigned space)
{
    return space ? story->side : story->db;
}

static inline void story_put_until(struct story *story, unsigned space, unsigned index, int large, uint64_t expiry_ns,
                                   int sync)
{
    struct content after = story->now;
    struct lsmkv_slice value = story_value(story, large), key = story_key(story, index);
    uint64_t lsn = 0;
    content_set(&after, space, index, value_hash(value.data, value.size), expiry_ns);
    int rc =
        lsmkv_put_until(story_handle(story, space), key.data, key.size, value.data, value.size, expiry_ns, sync, &lsn);
    story_committed(story, &after, sync, "put", rc, lsn);
}

static inline void story_put(struct story *story, unsigned index, int large, int sync)
{
    story_put_until(story, 0, index, large, LSMKV_EXPIRY_NEVER, sync);
}

/* If nobody has written the key since it was looked at, and nobody has; a full segment makes it unknown once. */
static inline void story_put_if(struct story *story, unsigned index)
{
    struct content after = story->now;
    struct lsmkv_slice value = story_value(story, 0), key = story_key(story, index);
    uint64_t lsn = 0;
    int rc = LSMKV_CONFLICT;
    content_set(&after, 0, index, value_hash(value.data, value.size), LSMKV_EXPIRY_NEVER);
    for (int tries = 0; tries < 2 && rc == LSMKV_CONFLICT; tries++) {
        struct lsmkv_answer answer;
        rc = lsmkv_get_answer(story->db, NULL, key.data, key.size, &answer);
        lsmkv_free(answer.value);
        if (rc >= 0)
            rc = lsmkv_put_if(story->db, answer.seen, key.data, key.size, value.data, value.size, LSMKV_EXPIRY_NEVER,
                              -1, &lsn);
    }
    story_committed(story, &after, -1, "put_if", rc, lsn);
}

static inline int story_sees(const struct story *story, unsigned space, unsigned index)
{
    const struct content *now = &story->now;
    return now->values[space][index] || (story_clock_ns < BRIEF && now->brief[space][index]);
}

static inline void story_delete(struct story *story, unsigned index, int only_there)
{
    struct content after = story->now;
    const struct model_key *key = &story->universe.keys[index];
    uint64_t lsn = 0;
    content_set(&after, 0, index, 0, LSMKV_EXPIRY_NEVER);
    int rc = only_there ? lsmkv_remove(story->db, key->bytes, key->size, -1, &lsn)
                        : lsmkv_delete(story->db, key->bytes, key->size, -1, &lsn);
    if (only_there && !sim_stopped(story->sim) && (rc == LSMKV_NOTFOUND) != !story_sees(story, 0, index))
        story_wrong(story, "remove", rc);
    if (only_there && rc == LSMKV_NOTFOUND)
        return;
    story_committed(story, &after, -1, "delete", rc, lsn);
}

static inline void story_span(struct story *story, unsigned *from, unsigned *to)
{
    *from = (unsigned)random_below(&story->random, MODEL_KEYS - 1);
    *to = *from + 1 + (unsigned)random_below(&story->random, 24);
}

static inline void story_delete_range(struct story *story, unsigned space)
{
    struct content after = story->now;
    unsigned from, to;
    uint64_t lsn = 0;
    story_span(story, &from, &to);
    int open = to >= MODEL_KEYS;
    struct lsmkv_slice start = story_key(story, from), stop = story_key(story, open ? 0 : to);
    for (unsigned i = from; i < MODEL_KEYS && i < to; i++)
        content_set(&after, space, i, 0, LSMKV_EXPIRY_NEVER);
    int rc = lsmkv_delete_range(story_handle(story, space), &start, open ? NULL : &stop, -1, &lsn);
    story_committed(story, &after, -1, "delete_range", rc, lsn);
}

/* Into the batch and into `after`. */
static inline int story_batch_one(struct story *story, unsigned space, struct content *after)
{
    unsigned index = used_key(random_next(&story->random));
    struct lsmkv_slice key = story_key(story, index), value = story_value(story, 0);
    int gone = random_below(&story->random, 5) == 0;
    content_set(after, space, index, gone ? 0 : value_hash(value.data, value.size), LSMKV_EXPIRY_NEVER);
    return gone ? lsmkv_batch_delete(story->batch, key.data, key.size)
                : lsmkv_batch_put(story->batch, key.data, key.size, value.data, value.size);
}

/* both: every second one goes into the other namespace. */
static inline void story_batch(struct story *story, unsigned count, int both, int sync)
{
    struct content after = story->now;
    uint64_t lsn = 0;
    int rc = 0;
    lsmkv_batch_reset(story->batch);
    for (unsigned i = 0; i < count && rc == 0; i++) {
        unsigned space = both && story->side ? i % 2 : 0;
        if (both)
            rc = lsmkv_batch_use(story->batch, story_handle(story, space));
        if (rc == 0)
            rc = story_batch_one(story, space, &after);
    }
    if (rc == 0)
        rc = lsmkv_write(story->db, story->batch, sync, &lsn);
    lsmkv_batch_reset(story->batch);
    story_committed(story, &after, sync, "write", rc, lsn);
}

/* ---- the other namespace ------------------------------------------------------------------------- */

static inline void story_make_side(struct story *story)
{
    struct content after = story->now;
    struct lsmkv_namespace_options options = {
        .struct_bytes = sizeof options, .key_codec = SIDE_KEY_CODEC, .value_codec = SIDE_VALUE_CODEC, .create = 1};
    if (story->side)
        return;
    after.side = story->side_next;
    int rc = lsmkv_namespace_open(story->db, SIDE, strlen(SIDE), &options, &story->side);
    if (rc == 0)
        story->side_next++;
    story_committed(story, &after, -1, "namespace_open", rc, 0);
}

static inline void story_drop_side(struct story *story)
{
    struct content after = story->now;
    if (!story->side)
        return;
    after.side = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        content_set(&after, 1, i, 0, LSMKV_EXPIRY_NEVER);
    int rc = lsmkv_namespace_drop(story->db, SIDE, strlen(SIDE), -1);
    lsmkv_release(story->side); /* it is closed, whatever came of it */
    story->side = NULL;
    story_committed(story, &after, -1, "namespace_drop", rc, 0);
    if (rc == LSMKV_FULL && lsmkv_namespace_open(story->db, SIDE, strlen(SIDE), NULL, &story->side) != 0)
        story->side = NULL;
}

/* ---- transactions -------------------------------------------------------------------------------- */

/* A few puts and deletes into both namespaces. */
static inline int story_txn_writes(struct story *story, lsmkv_txn *txn, struct content *after)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 3; i++) {
        unsigned space = story->side ? (unsigned)random_below(&story->random, 2) : 0;
        unsigned index = used_key(random_next(&story->random));
        struct lsmkv_slice key = story_key(story, index), value = story_value(story, 0);
        int gone = random_below(&story->random, 4) == 0;
        rc = gone ? lsmkv_txn_delete(txn, story_handle(story, space), key.data, key.size)
                  : lsmkv_txn_put(txn, story_handle(story, space), key.data, key.size, value.data, value.size,
                                  LSMKV_EXPIRY_NEVER);
        content_set(after, space, index, gone ? 0 : value_hash(value.data, value.size), LSMKV_EXPIRY_NEVER);
    }
    return rc;
}

static inline int story_txn_look(struct story *story, lsmkv_txn *txn, unsigned index)
{
    struct lsmkv_slice key = story_key(story, index);
    int rc = lsmkv_exists(story->db, lsmkv_txn_snapshot(txn), key.data, key.size);
    return rc < 0 ? rc : 0;
}

/* Reads, writes, and more writes that are taken back. */
static inline void story_transaction(struct story *story, int sync)
{
    struct content after = story->now, undone;
    lsmkv_txn *txn = NULL;
    uint64_t lsn = 0;
    int rc = lsmkv_txn_new(story->db, &txn);
    if (rc == 0)
        rc = story_txn_look(story, txn, used_key(random_next(&story->random)));
    if (rc == 0)
        rc = story_txn_writes(story, txn, &after);
    undone = after;
    if (rc == 0)
        rc = lsmkv_txn_save(txn);
    if (rc == 0)
        rc = story_txn_writes(story, txn, &undone);
    if (rc == 0)
        rc = lsmkv_txn_undo(txn);
    if (rc == 0)
        rc = lsmkv_txn_commit(txn, sync, &lsn);
    lsmkv_txn_free(txn);
    story_committed(story, &after, sync, "commit", rc, lsn);
}

/* What it looked at is written to before the commit: nothing of it may take effect. */
static inline void story_conflict(struct story *story)
{
    struct content after = story->now;
    unsigned index = used_key(random_next(&story->random));
    uint64_t before = story->now.values[0][index];
    lsmkv_txn *txn = NULL;
    int rc = lsmkv_txn_new(story->db, &txn);
    if (rc == 0)
        rc = story_txn_look(story, txn, index);
    if (rc == 0)
        rc = story_txn_writes(story, txn, &after);
    if (rc != 0)
        story_wrong(story, "transaction", rc);
    if (txn)
        story_put(story, index, 0, -1);
    if (txn && !sim_stopped(story->sim) && !story->now.brief[0][index] && story->now.values[0][index] != before) {
        rc = lsmkv_txn_commit(txn, -1, NULL);
        if (rc != LSMKV_CONFLICT)
            story_wrong(story, "commit of what is no longer so", rc);
    }
    lsmkv_txn_free(txn);
}

/* ---- life ---------------------------------------------------------------------------------------- */

/* All but fifo, which loses data. */
static inline void story_policy(struct story *story)
{
    static const int policies[] = {LSMKV_MERGE_DEFAULT, LSMKV_MERGE_LEVELED, LSMKV_MERGE_TIERED, LSMKV_MERGE_NONE};
    story->options.merge_policy = policies[(story->seed + story->opens++) % 4];
    story->options.space_limit = 1.05;
}

static inline void story_open(struct story *story)
{
    story_policy(story);
    int rc = lk_open_in(sim_env(story->sim), STORE, &story->options, &story->db);
    if (rc != 0 && rc != LSMKV_FULL) /* without space a store can be opened for reading only; the story ends */
        story_wrong(story, "open", rc);
    if (rc == 0 && story->now.side) {
        rc = lsmkv_namespace_open(story->db, SIDE, strlen(SIDE), NULL, &story->side);
        if (rc != 0)
            story_wrong(story, "namespace_open", rc);
    }
    memset(story->lsns, 0, sizeof story->lsns); /* they are not asked about again */
}

/* How many slices have been merged since the store was opened; what comes behind the last boundary does not count. */
static inline void story_count_slices(struct story *story)
{
    static struct lsmkv_event events[64];
    size_t count = 64;
    for (uint64_t from = 0; count == 64; from = events[63].number + 1) {
        if (lsmkv_get_events(story->db, from, events, 64, &count) != 0)
            return;
        for (size_t i = 0; i < count; i++)
            story->slices += strcmp(events[i].what, "slice step") == 0;
    }
}

static inline void story_close(struct story *story)
{
    lsmkv_snapshot_free(story->snapshot);
    story->snapshot = NULL;
    if (!story->db)
        return;
    lsmkv_release(story->side);
    story->side = NULL;
    if (sim_boundaries(story->sim) <= STORY_BOUNDARIES)
        story_count_slices(story);
    int rc = lsmkv_close(story->db);
    story_settled(story, "close", rc);
    lsmkv_release(story->db);
    story->db = NULL;
}

static inline void story_scan(struct story *story)
{
    struct content content, wanted = story->now;
    int rc = 0;
    if (story_clock_ns < BRIEF)
        content_early(&wanted);
    const char *wrong = store_content(story->db, &story->universe, &content, &rc);
    if (sim_stopped(story->sim))
        return;
    if (!wrong && content_hash(&content) != content_hash(&wanted))
        wrong = "the content is not what was written";
    if (wrong)
        snprintf(story->wrong, sizeof story->wrong, "%.390s", wrong);
}

static inline void story_count(struct story *story)
{
    uint64_t count = 0, wanted = 0;
    unsigned space = story->side ? (unsigned)random_below(&story->random, 2) : 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        wanted += (uint64_t)story_sees(story, space, i);
    int rc = lsmkv_count(story_handle(story, space), NULL, NULL, NULL, &count);
    if (rc != 0)
        story_wrong(story, "count", rc);
    else if (count != wanted && !sim_stopped(story->sim))
        snprintf(story->wrong, sizeof story->wrong, "the store counts %" PRIu64 " keys, %" PRIu64 " were written",
                 count, wanted);
}

static inline void story_snapshot(struct story *story, int take)
{
    lsmkv_snapshot_free(story->snapshot);
    story->snapshot = NULL;
    int rc = take ? lsmkv_snapshot_new(story->db, &story->snapshot) : 0;
    if (rc != 0)
        story_wrong(story, "snapshot", rc);
}

static inline void story_compact_range(struct story *story)
{
    unsigned from, to;
    story_span(story, &from, &to);
    struct lsmkv_slice start = story_key(story, from), stop = story_key(story, to < MODEL_KEYS ? to : 0);
    story_settled(story, "compact of a range",
                  lsmkv_compact(story->db, &start, to < MODEL_KEYS ? &stop : NULL, NULL, NULL));
}

static inline void story_step(struct story *story)
{
    struct lsmkv_step did;
    int rc = lsmkv_step(story->db, &did);
    if (rc < 0 && rc != LSMKV_FULL)
        story_wrong(story, "step", rc);
}

static inline void story_fault(struct story *story, char letter)
{
    struct sim_fault no_space = {.call = SIM_ALLOCATE, .nth = 1, .err = ENOSPC, .forever = 1};
    struct sim_fault half = {.call = SIM_WRITE, .nth = 1, .err = ENOSPC, .part = 11, .only = ".log"};
    sim_fail_none(story->sim);
    if (letter == 'X')
        return;
    sim_fail(story->sim, letter == 'x' ? &no_space : &half);
    if (letter == 'x') {
        no_space.call = SIM_CREATE;
        sim_fail(story->sim, &no_space);
    }
}

/* What this letter does, if it is one of those about namespaces, expiry, counts and transactions. */
static inline int story_new_letter(struct story *story, char letter, unsigned any, unsigned hot)
{
    switch (letter) {
    case 'e':
        story_put_until(story, story->side && any % 2, any, 0, BRIEF, -1);
        return 1;
    case 'E':
        story_put_until(story, story->side && any % 2, any, 0, FAR, -1);
        return 1;
    case 'k':
        story_clock_ns = story_clock_ns + 200 < LOOK ? story_clock_ns + 200 : story_clock_ns;
        return 1;
    case 'l':
        story_count(story);
        return 1;
    case 'q':
        story_put_if(story, hot);
        return 1;
    case 'M':
        story_make_side(story);
        return 1;
    case 'D':
        story_drop_side(story);
        return 1;
    case 'u':
    case 'U':
        if (story->side)
            story_put_until(story, 1, any, 0, LSMKV_EXPIRY_NEVER, letter == 'U' ? 1 : -1);
        return 1;
    case 'R':
        if (story->side)
            story_delete_range(story, 1);
        return 1;
    case 'j':
        story_batch(story, 2 + (unsigned)random_below(&story->random, 5), 1, -1);
        return 1;
    case 'T':
    case 'S':
        story_transaction(story, letter == 'S' ? 1 : -1);
        return 1;
    case 'C':
        story_conflict(story);
        return 1;
    default:
        return 0;
    }
}

static inline void story_letter(struct story *story, char letter)
{
    unsigned any = used_key(random_next(&story->random)), hot = used_key(random_below(&story->random, 4));
    switch (letter) {
    case 'p':
        story_put(story, any, 0, -1);
        break;
    case 'g':
        story_put(story, used_key(story->in_order++), 0, -1);
        break;
    case 'h':
        story_put(story, hot, 0, -1);
        break;
    case 's':
        story_put(story, any, 0, 1);
        break;
    case 'v':
        story_put(story, any, 1, -1);
        break;
    case 'V':
        story_put(story, any, 1, 1);
        break;
    case 'd':
        story_delete(story, any, 0);
        break;
    case 'm':
        story_delete(story, any, 1);
        break;
    case 'r':
        story_delete_range(story, 0);
        break;
    case 'b':
        story_batch(story, 1 + (unsigned)random_below(&story->random, 5), 0, -1);
        break;
    case 'a':
        story_batch(story, 1 + (unsigned)random_below(&story->random, 5), 0, 1);
        break;
    case 'B':
        story_batch(story, 150, 0, -1);
        break;
    case 'f':
        story_settled(story, "flush", lsmkv_flush(story->db));
        break;
    case 'c':
        story_settled(story, "compact", lsmkv_compact(story->db, NULL, NULL, NULL, NULL));
        break;
    case 'G':
        story_compact_range(story);
        break;
    case 'y':
        story_settled(story, "sync", lsmkv_sync(story->db));
        break;
    case 't':
        story_step(story);
        break;
    case 'O':
        story->opens += 4 - (story->seed + story->opens) % 4;
        /* fall through */
    case 'o':
        story_close(story);
        story_open(story);
        break;
    case 'n':
    case 'N':
        story_snapshot(story, letter == 'n');
        break;
    case 'i':
        story_scan(story);
        break;
    case 'w':
        sim_advance(story->sim, 6000000);
        break;
    case 'x':
    case 'X':
    case 'z':
        story_fault(story, letter);
        break;
    default:
        if (!story_new_letter(story, letter, any, hot))
            snprintf(story->wrong, sizeof story->wrong, "the script has a letter '%c'", letter);
    }
}

static inline int story_goes_on(const struct story *story)
{
    return story->db && !sim_stopped(story->sim) && !story->wrong[0] && sim_boundaries(story->sim) < STORY_BOUNDARIES;
}

/* From the beginning to the boundary, or the end. Leaves the machine stopped and the store open. */
static inline void story_play(struct story *story, uint64_t boundary)
{
    struct sim_config config = {.seed = story->seed,
                                .file_bytes = 512 << 10,
                                .cannot_map = story->set->cannot_map,
                                .tear_words = story->set->tear_words,
                                .trace = getenv("TRACE") != NULL};
    story->sim = sim_new(&config);
    story->random.state = model_mix(story->seed);
    story_clock_ns = 0;
    story->side = NULL;
    story->side_next = 1;
    story->in_order = story->opens = story->slices = 0;
    memset(&story->now, 0, sizeof story->now);
    timeline_init(&story->timeline, 0);
    story->proven = 0;
    story->wrong[0] = '\0';
    if (lsmkv_batch_new(&story->batch) != 0)
        abort();
    sim_stop_at(story->sim, boundary, SIM_POWER);
    story_open(story);
    for (const char *at = story->script; *at && story_goes_on(story); at++) {
        char *end;
        unsigned long times = isdigit((unsigned char)*at) ? strtoul(at, &end, 10) : 1;
        at = isdigit((unsigned char)*at) ? end : at;
        for (; times > 0 && *at != ' ' && story_goes_on(story); times--) {
            story_letter(story, *at);
            story_believe(story);
            story_punctual(story);
        }
    }
    if (story->db && !story->wrong[0] && !story->stays_open)
        story_close(story);
    sim_stop_now(story->sim, SIM_POWER);
    story_clock_ns = LOOK;
}

/* What order checker and leak checker say at the end goes into story->wrong too. */
static inline void story_end(struct story *story)
{
    story_close(story);
    lsmkv_batch_free(story->batch);
    story->batch = NULL;
    if (!story->wrong[0] && sim_check(story->sim))
        snprintf(story->wrong, sizeof story->wrong, "order of durability: %.300s", sim_check(story->sim));
    if (sim_free(story->sim) && !story->wrong[0])
        snprintf(story->wrong, sizeof story->wrong, "files were left open");
    story->sim = NULL;
}

#endif
