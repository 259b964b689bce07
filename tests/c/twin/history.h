/* history: one random history on the engine and its twin, a world of sorted arrays.
 *
 *      handles[0] default namespace   [1] "one"   [2] "two"           the engine
 *      world.spaces[0]                     [1]         [2]            what it must hold, and the clock's tick
 *
 * A snapshot, an iterator, a transaction is held beside a copy of the world it must go on showing. What a choice depends on
 * is the same under every option set, so all sets play the same history.
 *
 * The clock is the history's own: a tick is a millisecond, and passes only when somebody says so. */
#ifndef LK_TESTS_TWIN_HISTORY_H
#define LK_TESTS_TWIN_HISTORY_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "engine/open.h"
#include "model.h"
#include "sim/sim.h"

enum { SPACES = 3, SNAPSHOTS = 3, ITERATORS = 3, VIEWS = 4, SIGHTS = 8, TRANSACTIONS = 2, SAVEPOINTS = 3 };
enum { TICK_NS = 1000000 };

struct set {
    uint32_t segment, table, page, l0, runs;
    int durability, log, tables, threads, simulated, compression;
    uint32_t apart; /* values of so many bytes live in value segments; 0: none */
};

struct world {
    struct model spaces[SPACES];
    uint32_t now; /* tick */
};

struct held { /* a snapshot and what it must show */
    lsmkv_snapshot *snapshot; /* owned; NULL: free place */
    uint64_t stamp; /* writes that came before */
    struct world world;
};

struct walk { /* an iterator and what it must still bring */
    lsmkv_iter *iter; /* owned; NULL: free place */
    struct model model;
    uint32_t now;
    unsigned space;
    unsigned low, high; /* indices still to come: low <= i < high */
    int reverse;
};

struct lent { /* a view and what it must go on showing */
    lsmkv_view *view; /* owned; NULL: free place */
    struct lsmkv_slice value;
    uint32_t salt;
};

struct sight { /* when a key was looked at, for a conditional write */
    uint64_t seen, stamp;
    unsigned space, index;
};

struct marks { /* of keys */
    uint8_t at[SPACES][MODEL_KEYS];
};

struct savepoint {
    struct world seen;
    struct marks wrote;
    uint64_t writes;
};

struct held_txn {
    lsmkv_txn *txn; /* owned; NULL: free place */
    uint64_t stamp; /* writes of others that came before */
    uint32_t turns[SPACES]; /* of the namespaces, at its beginning */
    struct world base, seen; /* at its beginning; with its own writes */
    struct marks wrote;
    struct marks looked, perhaps; /* looked at; it may count as looked at */
    int walked[SPACES];   /* a range was */
    int used[SPACES];     /* written through that handle */
    unsigned home;        /* of the handle it was begun through */
    int closed;           /* that handle is closed, or one it wrote through */
    uint64_t writes;
    struct savepoint saved[SAVEPOINTS];
    unsigned saved_count;
};

struct history {
    uint64_t seed, opens;
    struct set set;
    struct lsmkv_options options;
    struct model_universe universe;
    struct random random;
    struct world world;
    struct held held[SNAPSHOTS];
    struct walk walks[ITERATORS];
    struct lent lent[VIEWS];
    struct sight sights[SIGHTS]; /* seen 0: free place */
    struct held_txn txns[TRANSACTIONS];
    struct sim *sim; /* owned; NULL: the real environment */
    char path[64];
    lsmkv *handles[SPACES]; /* owned; NULL: there is no such namespace; [0]: the store is not open */
    uint32_t turns[SPACES]; /* how often the namespace was made or dropped */
    uint32_t ttl[SPACES];   /* ticks; 0: for ever */
    int expiring;           /* 1: some puts have an expiry; 2: now and then some have */
    lsmkv_batch *batch; /* owned */
    uint32_t next_salt;
    uint64_t stamp;                         /* counts writes */
    uint64_t written[SPACES][MODEL_KEYS];   /* the stamp of the newest */
    uint64_t ranged[SPACES];                /* of the newest range delete */
    uint64_t operation, digest;
    unsigned mistakes;
};

static uint64_t operations, mistakes; /* of all histories */
static _Atomic uint64_t clock_ns;     /* asked by threads of the engine, too */

static inline uint64_t clock_of(void *context)
{
    (void)context;
    return atomic_load(&clock_ns);
}

static inline void set_clock(struct history *h, uint32_t tick)
{
    h->world.now = tick;
    atomic_store(&clock_ns, (uint64_t)tick * TICK_NS);
}

/* ---- complaints ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static inline void wrong(struct history *h, const char *format, ...)
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

static inline void expect(struct history *h, int got, int wanted, const char *what)
{
    if (got != wanted)
        wrong(h, "%s: %s (%s), wanted %s", what, lsmkv_status_name(got), got < 0 ? lsmkv_last_error()->text : "",
              lsmkv_status_name(wanted));
}

/* Answers of one operation may come in any order. */
static inline void saw(struct history *h, uint64_t what)
{
    h->digest += model_mix(model_mix(h->operation) ^ what);
}

/* ---- choices ------------------------------------------------------------------------------------- */

static inline const struct model_key *key_at(const struct history *h, unsigned index)
{
    return &h->universe.keys[index];
}

/* Hot keys are half of all. */
static inline unsigned any_index(struct history *h)
{
    return (unsigned)random_below(&h->random, random_below(&h->random, 2) ? MODEL_KEYS : 12);
}

/* Half of all goes into the default namespace. */
static inline unsigned any_space(struct history *h)
{
    unsigned space = (unsigned)random_below(&h->random, 4);
    return space < SPACES && h->handles[space] ? space : 0;
}

static inline int any_sync(struct history *h)
{
    return random_below(&h->random, 24) == 0 ? 1 : -1;
}

/* The present, or one of the snapshots. */
static inline const struct world *any_state(struct history *h, lsmkv_snapshot **snapshot)
{
    struct held *held = &h->held[random_below(&h->random, SNAPSHOTS)];
    int present = random_below(&h->random, 2) || !held->snapshot;
    *snapshot = present ? NULL : held->snapshot;
    return present ? &h->world : &held->world;
}

static inline uint32_t new_salt(struct history *h)
{
    return ++h->next_salt;
}

/* An expiry as the caller names it, and the tick the key of that namespace then has. */
static inline uint64_t any_expiry(struct history *h, unsigned space, uint32_t *until)
{
    int may = h->expiring == 1 || (h->expiring == 2 && h->operation % 150 < 20);
    uint64_t what = may ? random_below(&h->random, 8) : 7;
    if (what == 0) {
        *until = h->world.now + 1 + (uint32_t)random_below(&h->random, 150);
        return (uint64_t)*until * TICK_NS;
    }
    *until = what == 1 || h->ttl[space] == 0 ? 0 : h->world.now + h->ttl[space];
    return what == 1 ? LSMKV_EXPIRY_NEVER : LSMKV_EXPIRY_DEFAULT;
}

/* ---- ranges -------------------------------------------------------------------------------------- */

/* A bound: a key of the universe, sometimes a byte longer. low: the first index at or above it. */
struct bound {
    uint8_t bytes[MODEL_KEY_MOST + 1];
    size_t size;
    unsigned low;
};

/* start < stop, mostly close together; open: no stop. The indices covered. */
struct span {
    struct bound start, stop;
    struct lsmkv_slice from, to; /* the same, as slices */
    int open, none;              /* none: it covers nothing */
    unsigned low, high;
};

static inline void any_bound(struct history *h, struct bound *bound)
{
    const struct model_key *key = key_at(h, (unsigned)random_below(&h->random, MODEL_KEYS));
    memcpy(bound->bytes, key->bytes, key->size);
    bound->size = key->size;
    if (random_below(&h->random, 4) == 0)
        bound->bytes[bound->size++] = (uint8_t)random_below(&h->random, 2);
    bound->low = model_lower(&h->universe, bound->bytes, bound->size);
}

static inline void any_span(struct history *h, struct span *span)
{
    struct bound *start = &span->start, *stop = &span->stop;
    any_bound(h, start);
    any_bound(h, stop);
    span->open = random_below(&h->random, 24) == 0;
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
    span->from = (struct lsmkv_slice){start->bytes, start->size};
    span->to = (struct lsmkv_slice){stop->bytes, stop->size};
    span->none = !span->open && model_compare(start->bytes, start->size, stop->bytes, stop->size) >= 0;
    span->low = start->low;
    span->high = span->open ? MODEL_KEYS : stop->low;
}

/* ---- what was written ---------------------------------------------------------------------------- */

/* salt 0: deleted. */
static inline void wrote(struct history *h, unsigned space, unsigned index, uint32_t salt, uint32_t until)
{
    model_put(&h->world.spaces[space], index, salt, until);
    h->written[space][index] = ++h->stamp;
}

static inline void wrote_range(struct history *h, unsigned space, unsigned low, unsigned high)
{
    model_erase(&h->world.spaces[space], low, high);
    h->ranged[space] = ++h->stamp;
    for (unsigned i = low; i < high; i++)
        h->written[space][i] = h->stamp;
}

#endif
