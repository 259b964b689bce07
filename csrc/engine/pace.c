/* pace: debts, their price, and the pause. See engine/pace.h. */
#include "engine/pace.h"

#include "engine/stall.h"
#include "store/view.h"

enum {
    LOOK_BYTES = 64 * 1024,      /* a writer that is left alone looks again after so many */
    CREDIT_MOST = 256 * 1024,    /* that a long pause can buy */
    PAID_MOST = 4 * 1024 * 1024, /* of one write, and */
    PAID_NS = 800000000,         /* of its time: the largest is kept waiting for less than a second */
    PAUSE_NS = 500000,
    UNIT = 10240,                /* ns a KiB: 100 MB/s, until flushes have shown how fast they are */
    UNIT_MOST = 1024000,
    STEEP = 100,
    PRICE_MOST = 10240000, /* the price at the end: so many units, and not more */
    LEARN_BYTES = 4 * 1024 * 1024, /* a smaller flush is mostly syncs */
    SEALED_MAX = 14,             /* segments that one scan view covers, less the active one */
    RUNS_MERGED = 2,             /* one more than allowed, and what they become */
    RUNS_MOST = 3,               /* times the runs allowed, and */
    RUNS_BAND = 8                /* at least so many below LK_PLAN_CEILING, where merges go before flushes */
};

/* Earlier, merges under way go on: L0 that is flushed at every chance leaves them no time, and runs pile up. */
static const double FLUSH_AT = 0.5;
/* Who gets there makes a segment himself, or waits for one: a syncing of the directory, not a flush. */
static const double SPARE_MOST = 0.9;

/* ---- debts ------------------------------------------------------------------------------------- */

static double share(double debt, double begins, double most)
{
    return most > begins ? (debt - begins) / (most - begins) : debt >= most;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* A flush will make it, and has to have room for it. Counted with every key, so that sealing a segment adds nothing. */
static uint64_t order_to_come(const struct lk_memtable *memtable)
{
    uint64_t keys = atomic_load_explicit(&memtable->key_count, memory_order_relaxed);
    return atomic_load_explicit(&memtable->order, memory_order_relaxed) ? 0 : keys * sizeof(struct lk_entry);
}

struct lk_l0 lk_pace_l0(const struct lk_db *db, const struct lk_version *version)
{
    struct lk_l0 l0 = {.sealed = version->memtable_count - 1, .memory_most = db->budget.log};
    l0.memory = lk_view_memory(version->view);
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        const struct lk_memtable *memtable = version->memtables[i];
        uint64_t end = atomic_load_explicit(&memtable->segment->end, memory_order_relaxed);
        uint64_t memory =
            lk_memtable_memory(memtable) + order_to_come(memtable); /* a few thousand keys touch all lines */
        *(i ? &l0.bytes : &l0.active_bytes) += end;
        *(i ? &l0.memory : &l0.active_memory) += memory;
    }
    return l0;
}

/* A flush is due at l0_segments; meanwhile one more may fill, and as many again until it must have ended. */
static double of_bytes(const struct lsmkv_options *options, uint64_t bytes)
{
    double due = (double)options->segment_bytes * options->l0_segments, one = (double)options->segment_bytes;
    return share((double)bytes, due + one, 2 * (due + one));
}

static double of_memory(const struct lk_l0 *l0)
{
    double most = (double)l0->memory_most;
    return share((double)(l0->memory + l0->active_memory), most / 2, most);
}

double lk_pace_fullness(const struct lsmkv_options *options, const struct lk_l0 *l0)
{
    double filled = share((double)l0->active_bytes, 0, (double)options->segment_bytes);
    double sealed = share(l0->sealed + (filled < 1 ? filled : 1), options->l0_segments + 2, SEALED_MAX);
    double bytes = of_bytes(options, l0->bytes + l0->active_bytes);
    return larger(larger(sealed, bytes), of_memory(l0));
}

int lk_pace_l0_is_full(const struct lsmkv_options *options, const struct lk_l0 *l0)
{
    return l0->sealed >= SEALED_MAX || of_bytes(options, l0->bytes) >= 1 || (l0->sealed && of_memory(l0) >= 1);
}

int lk_pace_wants_flush(const struct lsmkv_options *options, const struct lk_l0 *l0)
{
    return l0->sealed && lk_pace_fullness(options, l0) >= FLUSH_AT;
}

static int is_sound(const struct lk_shape *shape)
{
    for (uint32_t i = 0; i < shape->run_count; i++)
        if (shape->runs[i].damaged)
            return 0;
    return 1;
}

/* Values are written faster than collected. A damaged run ends that for good, and waiting would not help. */
static double of_values(const struct lk_shape *shape)
{
    double allowed = (double)shape->value_live * (shape->space_limit - 1), part = (double)shape->segment_bytes / 32;
    if (!is_sound(shape) || shape->value_excess == 0 || shape->run_count == 0 || shape->space_limit <= 1 ||
        !lk_plan_values_worth(shape, shape->value_excess)) /* nobody collects: waiting would not make it less */
        return 0;
    return share((double)shape->value_excess, allowed * 0.3 + part, allowed * 0.6 + part);
}

/* Tables fill with garbage faster than they are merged: from a flush above what is allowed, to twice that. What is damaged is
 * not merged, and waiting would not help. */
static double of_garbage(const struct lk_shape *shape, double flushed)
{
    double bytes = shape->run_count ? (double)lk_plan_bytes(shape, 0, shape->run_count - 1) : 0;
    double garbage = lk_policy_garbage(shape), allowed = (bytes - garbage) * (shape->space_limit - 1);
    int merges = shape->policy == LSMKV_MERGE_DEFAULT || shape->policy == LSMKV_MERGE_LEVELED;
    if (!merges || shape->space_limit <= 1 || !is_sound(shape))
        return 0;
    return share(garbage, allowed + flushed, 2 * (allowed + flushed));
}

double lk_pace_space(const struct lk_shape *shape)
{
    double newer = 0, bottom = shape->run_count ? (double)shape->runs[shape->run_count - 1].bytes : 0;
    double limit = lk_policy_most(shape); /* what readers pay for is no debt of writers */
    double flushed = (double)shape->l0_segments * (double)shape->segment_bytes;
    if (shape->paused || shape->policy == LSMKV_MERGE_NONE || shape->policy == LSMKV_MERGE_FIFO)
        return 0; /* waiting would not make it less */
    for (uint32_t i = 0; i + 1 < shape->run_count; i++)
        newer += (double)shape->runs[i].bytes;
    double calm = larger(bottom, 2 * flushed * limit);
    double begins = smaller(limit + RUNS_MERGED, LK_PLAN_CEILING - RUNS_BAND);
    double runs = share(shape->run_count, begins, smaller(RUNS_MOST * limit + RUNS_MERGED, LK_PLAN_CEILING));
    /* Only one policy owes a merge for what merely stands above the bottom. */
    return larger(shape->policy == LSMKV_MERGE_LEVELED ? share(newer, calm, 3 * calm) : 0,
                  larger(larger(runs, of_garbage(shape, flushed)), of_values(shape)));
}

/* Nothing below two intervals without a sync; then the further behind, the slower. */
static double of_sync(const struct lk_db *db, uint64_t now)
{
    double interval = (double)db->options.sync_interval_ms * 1e6;
    uint64_t began = atomic_load_explicit(&db->last_sync_ns, memory_order_relaxed);
    if (db->options.durability != LSMKV_SYNC_INTERVAL || began == 0 || now <= began)
        return 0;
    return share((double)(now - began), 2 * interval, 6 * interval);
}

double lk_pace_spare(const struct lk_db *db)
{
    const struct lk_segment *segment = db->active->segment;
    double end = (double)atomic_load_explicit(&segment->end, memory_order_relaxed), all = (double)segment->capacity;
    if (segment->kind == LK_SEGMENT_NONE || !atomic_load_explicit(&db->keeping, memory_order_relaxed) ||
        atomic_load_explicit(&db->spare, memory_order_relaxed))
        return 0;
    return share(end, all / 2, all) * SPARE_MOST;
}

uint64_t lk_pace_price(double fullness, uint64_t unit)
{
    if (fullness <= 0)
        return 0;
    double at_half = unit < UNIT ? UNIT : unit < UNIT_MOST ? (double)unit : UNIT_MOST;
    double most = at_half * STEEP < PRICE_MOST ? at_half * STEEP : PRICE_MOST;
    double price = fullness < 1 ? at_half * fullness / (1 - fullness) : most;
    return (uint64_t)(price < most ? price : most) + 1;
}

uint64_t lk_pace_unit(uint64_t unit, uint64_t bytes, uint64_t ns)
{
    if (bytes < LEARN_BYTES)
        return unit;
    uint64_t met = (uint64_t)((double)ns * 1024 / (double)bytes);
    return unit ? (unit + met) / 2 : met;
}

/* ---- paying ------------------------------------------------------------------------------------ */

/* write_mutex held: the version stays. */
static uint64_t price_now(struct lk_db *db, uint64_t now)
{
    struct lk_l0 l0 = lk_pace_l0(db, atomic_load_explicit(&db->version, memory_order_relaxed));
    double space = atomic_load_explicit(&db->pace_space, memory_order_relaxed) / 1000.0;
    uint64_t unit = atomic_load_explicit(&db->pace_unit, memory_order_relaxed);
    double debt =
        larger(larger(lk_pace_fullness(&db->options, &l0), space), larger(of_sync(db, now), lk_pace_spare(db)));
    return lk_pace_price(debt, unit);
}

/* Buy with the time since the last purchase. */
static uint64_t buy(struct lk_db *db, uint64_t price, uint64_t now)
{
    uint64_t since = now > db->pace_since_ns ? now - db->pace_since_ns : 0;
    db->pace_since_ns = now;
    if (price == 0)
        return LOOK_BYTES;
    return since < price * (CREDIT_MOST / 1024) ? since * 1024 / price : CREDIT_MOST;
}

/* Bytes of a write that are paid for. */
static uint64_t charge(const struct lk_db *db, uint64_t bytes)
{
    if (db->options.threads == 0)
        return 0;
    return bytes < PAID_MOST ? bytes : PAID_MOST;
}

/* See to it that there is credit for so many bytes, as far as there can be. The price; 0: there is. */
static uint64_t provide(struct lk_db *db, uint64_t bytes)
{
    if (db->pace_credit >= bytes)
        return 0;
    uint64_t now = lk_stall_now(db), price = price_now(db, now);
    db->pace_credit += buy(db, price, now) + (price ? 0 : bytes);
    return db->pace_credit >= bytes ? 0 : price;
}

uint64_t lk_pace_due(struct lk_db *db, uint64_t *owed)
{
    *owed = charge(db, *owed);
    uint64_t price = provide(db, *owed), paid = price ? db->pace_credit : *owed;
    db->pace_credit -= paid;
    *owed -= paid;
    if (price && *owed > (uint64_t)PAID_NS * 1024 / price)
        *owed = (uint64_t)PAID_NS * 1024 / price;
    uint64_t pause = price * (CREDIT_MOST / 1024);
    return pause < PAUSE_NS ? pause : PAUSE_NS;
}

int lk_pace_try(struct lk_db *db, uint64_t bytes)
{
    bytes = charge(db, bytes);
    if (provide(db, bytes))
        return 0;
    db->pace_credit -= bytes;
    return 1;
}

void lk_pace_wait(struct lk_db *db, uint64_t ns)
{
    uint64_t began = lk_stall_now(db);
    db->env->ops->sleep_ns(db->env, ns);
    lk_stall_count(db, LK_STALL_pacing, began);
}
