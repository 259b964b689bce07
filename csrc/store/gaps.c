/* gaps: cut by puts, found by walks, made longer. See gaps.h. */
#include "store/gaps.h"

static int order(struct lk_slice key, const struct lk_gap_bound *bound)
{
    return lk_compare(key, lk_gap_key(bound));
}

/* The key, or a shorter one before it: where a bound may be too small. */
static void at_most(struct lk_gap_bound *bound, struct lk_slice key)
{
    bound->set = 1;
    bound->bytes = (uint16_t)(key.len < LK_GAP_KEY ? key.len : LK_GAP_KEY);
    if (bound->bytes)
        memcpy(bound->at, key.at, bound->bytes);
}

/* The least key after `key`. 0: it is too long, and the bound as it was. */
static int just_after(struct lk_gap_bound *bound, struct lk_slice key)
{
    if (key.len >= LK_GAP_KEY)
        return 0;
    at_most(bound, key);
    bound->at[bound->bytes++] = 0;
    return 1;
}

static int is_empty(const struct lk_gap *gap)
{
    return order(lk_gap_key(&gap->from), &gap->to) >= 0;
}

static void drop(struct lk_gaps *gaps, uint32_t index)
{
    gaps->at[index] = gaps->at[--gaps->count];
}

/* A place for one more: a free one, or that of the one that has been of no use for longest. */
static struct lk_gap *place(struct lk_gaps *gaps)
{
    struct lk_gap *worst = gaps->at;
    if (gaps->count < LK_GAPS)
        return &gaps->at[gaps->count++];
    for (uint32_t i = 1; i < gaps->count; i++)
        if (gaps->at[i].unused > worst->unused)
            worst = &gaps->at[i];
    return worst;
}

/* ---- puts ------------------------------------------------------------------------------------ */

/* The key lies in the gap: [from, key) remains, and what is after it becomes one of its own. */
static void cut(struct lk_gaps *gaps, struct lk_gap *gap, struct lk_slice key)
{
    struct lk_gap right = *gap;
    int at_start = order(key, &gap->from) == 0, more = just_after(&right.from, key) && !is_empty(&right);

    right.below = right.from;
    at_most(&gap->to, key);
    gap->above = gap->to;
    if (more)
        *(at_start ? gap : place(gaps)) = right;
}

/* 0: it has been of no use for too long. */
static int note_put(struct lk_gaps *gaps, struct lk_gap *gap, struct lk_slice key)
{
    if (++gap->unused > LK_GAP_UNUSED)
        return 0;
    if (order(key, &gap->to) >= 0) {
        if (!gap->above.set || order(key, &gap->above) < 0)
            at_most(&gap->above, key);
    } else if (order(key, &gap->from) >= 0) {
        cut(gaps, gap, key);
    } else if (!gap->below.set || order(key, &gap->below) >= 0) {
        if (!just_after(&gap->below, key))
            gap->below = gap->from; /* as if it had been put right there */
    }
    return 1;
}

void lk_gaps_put(struct lk_gaps *gaps, struct lk_slice key)
{
    for (uint32_t i = gaps->count; i-- > 0;) /* what is cut off does not hold the key, whether it is looked at or not */
        if (!note_put(gaps, &gaps->at[i], key))
            drop(gaps, i);
}

/* ---- walks ----------------------------------------------------------------------------------- */

const struct lk_gap *lk_gaps_find(struct lk_gaps *gaps, struct lk_gap_view view, struct lk_slice key)
{
    for (uint32_t i = 0; i < gaps->count; i++) {
        struct lk_gap *gap = &gaps->at[i];
        int sees = view.lsn >= gap->proved && view.installs >= gap->installs && view.wall_ns >= gap->wall_ns;
        if (!sees || order(key, &gap->from) < 0 || order(key, &gap->to) >= 0)
            continue;
        gap->unused = 0;
        return gap;
    }
    return NULL;
}

/* Was nothing put between [from, to) and the gap, and do they reach to one another? */
static int may_grow(const struct lk_gap *gap, struct lk_slice from, struct lk_slice to)
{
    int lower = order(from, &gap->from) < 0, higher = order(to, &gap->to) > 0;

    return (!lower || !gap->below.set || order(from, &gap->below) >= 0) &&
           (!higher || !gap->above.set || order(to, &gap->above) <= 0) &&
           (is_empty(gap) || (order(from, &gap->to) <= 0 && order(to, &gap->from) >= 0));
}

/* Those that lie in gap `own` have become needless. */
static void drop_inside(struct lk_gaps *gaps, uint32_t own)
{
    for (uint32_t i = gaps->count; i-- > 0;) {
        const struct lk_gap *gap = &gaps->at[own], *other = &gaps->at[i];
        if (i == own || order(lk_gap_key(&gap->from), &other->from) > 0 || order(lk_gap_key(&gap->to), &other->to) < 0)
            continue;
        drop(gaps, i);
        if (own == gaps->count) /* it was the last, and stands in the other's place */
            own = i;
    }
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void grow(struct lk_gaps *gaps, struct lk_gap *gap, struct lk_gap_view view, const struct lk_gap_bound *from,
                 const struct lk_gap_bound *to)
{
    int empty = is_empty(gap);

    if (empty || order(lk_gap_key(from), &gap->from) < 0)
        gap->from = *from;
    if (empty || order(lk_gap_key(to), &gap->to) > 0)
        gap->to = *to;
    gap->proved = most(empty ? 0 : gap->proved, view.lsn);
    gap->installs = most(empty ? 0 : gap->installs, view.installs);
    gap->wall_ns = most(empty ? 0 : gap->wall_ns, view.wall_ns);
    gap->unused = 0;
    drop_inside(gaps, (uint32_t)(gap - gaps->at));
}

void lk_gaps_walked(struct lk_gaps *gaps, struct lk_gap_view view, struct lk_slice from, struct lk_slice to,
                    uint64_t written)
{
    struct lk_gap_bound low, high;

    if (from.len > LK_GAP_KEY)
        return;
    at_most(&low, from);
    at_most(&high, to);
    if (order(from, &high) >= 0) /* rounding has left nothing, or the walk has gone back */
        return;
    for (uint32_t i = 0; i < gaps->count; i++) {
        struct lk_gap *gap = &gaps->at[i];
        if (!may_grow(gap, from, lk_gap_key(&high)))
            continue;
        if (view.lsn >= gap->since)
            grow(gaps, gap, view, &low, &high);
        return; /* else the next walk may */
    }
    struct lk_gap *fresh = place(gaps);
    *fresh = (struct lk_gap){.from = low, .to = low, .since = written};
    if (view.lsn >= written)
        grow(gaps, fresh, view, &low, &high);
}
