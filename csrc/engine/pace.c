/* pace: debts, their price, and the pause. See engine/pace.h. */
#include "engine/pace.h"

#include "engine/stall.h"
#include "store/view.h"

enum {
    LOOK_BYTES = 64 * 1024,      /* a writer that is left alone looks again after so many */
    CREDIT_MOST = 256 * 1024,    /* that a long pause can buy */
    PAID_MOST = 4 * 1024 * 1024, /* of one write: the largest is kept waiting for less than a second */
    PAUSE_NS = 500000,
    PRICE_AT_HALF = 10240,       /* ns a KiB: 100 MB/s */
    PRICE_MOST = 102400,
    SEALED_MAX = 14,             /* segments that one scan view covers, less the active one */
    RUNS_CALM = 2,
    RUNS_MOST = 6, /* times the runs allowed; */
    RUNS_END = 56                 /* at most, and then they are calm up to LK_PLAN_CEILING */
};

/* ---- debts ------------------------------------------------------------------------------------- */

static double share(double debt, double begins, double most)
{
    return most > begins ? (debt - begins) / (most - begins) : debt >= most;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* A flush will make it, and has to have room for it. */
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
        if (i > 0) {
            l0.bytes += end;
            l0.memory += lk_memtable_memory(memtable) + order_to_come(memtable);
            continue;
        }
        l0.active_bytes = end;
        l0.active_memory = lk_memtable_memory(memtable); /* a few thousand keys touch all of the lines */
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

/* Values are written faster than collected. A damaged run ends that for good, and waiting would not help. */
static double of_values(const struct lk_shape *shape)
{
    double allowed = (double)shape->value_live * (shape->space_limit - 1), part = (double)shape->segment_bytes / 32;
    for (uint32_t i = 0; i < shape->run_count; i++)
        if (shape->runs[i].damaged)
            return 0;
    if (shape->value_excess == 0 || shape->run_count == 0 || shape->space_limit <= 1 ||
        !lk_plan_values_worth(shape, shape->value_excess)) /* nobody collects: waiting would not make it less */
        return 0;
    return share((double)shape->value_excess, allowed * 0.3 + part, allowed * 0.6 + part);
}

double lk_pace_space(const struct lk_shape *shape)
{
    double newer = 0, bottom = shape->run_count ? (double)shape->runs[shape->run_count - 1].bytes : 0;
    double limit = lk_policy_most(shape); /* what readers pay for is no debt of writers */
    double flushed = (double)shape->l0_segments * (double)shape->segment_bytes * limit;
    if (shape->paused || shape->policy == LSMKV_MERGE_NONE || shape->policy == LSMKV_MERGE_FIFO)
        return 0; /* waiting would not make it less */
    for (uint32_t i = 0; i + 1 < shape->run_count; i++)
        newer += (double)shape->runs[i].bytes;
    double calm = larger(bottom, 2 * flushed);
    double begins = RUNS_CALM * limit < LK_PLAN_CEILING ? RUNS_CALM * limit : LK_PLAN_CEILING;
    double runs = share(shape->run_count, begins, RUNS_MOST * limit < RUNS_END ? RUNS_MOST * limit : RUNS_END);
    /* Only one policy owes a merge for what merely stands above the bottom. */
    return larger(shape->policy == LSMKV_MERGE_LEVELED ? share(newer, calm, 3 * calm) : 0,
                  larger(runs, of_values(shape)));
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

uint64_t lk_pace_price(double fullness)
{
    if (fullness <= 0)
        return 0;
    double price = fullness < 1 ? PRICE_AT_HALF * fullness / (1 - fullness) : PRICE_MOST;
    return price < PRICE_MOST ? (uint64_t)price + 1 : PRICE_MOST;
}

/* ---- paying ------------------------------------------------------------------------------------ */

/* write_mutex held: the version stays. */
static uint64_t price_now(struct lk_db *db, uint64_t now)
{
    struct lk_l0 l0 = lk_pace_l0(db, atomic_load_explicit(&db->version, memory_order_relaxed));
    double space = atomic_load_explicit(&db->pace_space, memory_order_relaxed) / 1000.0;
    return lk_pace_price(larger(larger(lk_pace_fullness(&db->options, &l0), space), of_sync(db, now)));
}

/* Buy with the time since the last purchase. */
static uint64_t buy(struct lk_db *db, uint64_t price, uint64_t now)
{
    uint64_t since = now > db->pace_since_ns ? now - db->pace_since_ns : 0;
    db->pace_since_ns = now;
    if (price == 0)
        return LOOK_BYTES;
    since = since < (uint64_t)CREDIT_MOST * PRICE_MOST / 1024 ? since : (uint64_t)CREDIT_MOST * PRICE_MOST / 1024;
    uint64_t bought = since * 1024 / price;
    return bought < CREDIT_MOST ? bought : CREDIT_MOST;
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
