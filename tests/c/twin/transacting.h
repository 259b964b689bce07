/* transacting: transactions beside writes of others.
 *
 *      looked at, and another value now           the commit must answer CONFLICT
 *      looked at, and written to                  it may: by the log it is one, by comparing it is none
 *      anything else                              it must succeed
 *
 * A commit that may conflict and does is done again without having looked at anything, so that all option sets go on from
 * the same content. What only expires is no change; where files have forgotten it, it may look like one. */
#ifndef LK_TESTS_TWIN_TRANSACTING_H
#define LK_TESTS_TWIN_TRANSACTING_H

#include "twin/reading.h"
#include "twin/writing.h"

/* ---- life ---------------------------------------------------------------------------------------- */

static inline void txn_begin(struct history *h, struct held_txn *held)
{
    unsigned space = any_space(h);
    memset(held, 0, sizeof *held);
    expect(h, lsmkv_txn_new(h->handles[space], &held->txn), 0, "txn_new");
    held->home = space;
    held->base = held->seen = h->world;
    held->stamp = h->stamp;
    memcpy(held->turns, h->turns, sizeof held->turns);
}

static inline void txn_end(struct held_txn *held)
{
    lsmkv_txn_free(held->txn);
    held->txn = NULL;
}

/* A namespace that is still the one it was when the transaction began. */
static inline unsigned txn_space(struct history *h, const struct held_txn *held)
{
    unsigned space = any_space(h);
    return h->turns[space] == held->turns[space] ? space : 0;
}

/* ---- looking ------------------------------------------------------------------------------------- */

static inline void txn_looked(struct held_txn *held, unsigned space, unsigned index)
{
    if (!held->wrote.at[space][index])
        held->looked.at[space][index] = 1;
}

static inline void txn_get(struct history *h, struct held_txn *held)
{
    unsigned space = txn_space(h, held), index = any_index(h);
    (void)get_somehow(h, &held->seen, lsmkv_txn_snapshot(held->txn), space, index);
    txn_looked(held, space, index);
}

static inline void txn_get_many(struct history *h, struct held_txn *held)
{
    unsigned indices[LSMKV_READ_MANY], space = txn_space(h, held);
    size_t count = 1 + (size_t)random_below(&h->random, 4);
    for (size_t i = 0; i < count; i++)
        indices[i] = any_index(h);
    read_many(h, &held->seen, lsmkv_txn_snapshot(held->txn), space, indices, count);
    for (size_t i = 0; i < count; i++)
        txn_looked(held, space, indices[i]);
}

/* A range, to its end or not: what lies behind the last key that came may count as looked at. */
static inline void txn_scan(struct history *h, struct held_txn *held)
{
    struct walk walk = {0};
    unsigned space = txn_space(h, held);
    int limit = random_below(&h->random, 2) ? 1 : 1000, over = 0;
    walk_start(h, &walk, &held->seen, lsmkv_txn_snapshot(held->txn), space);
    unsigned low = walk.low, high = walk.high;
    while (walk.iter && limit-- > 0 && !over)
        over = walk_fill(h, &walk, 4, 1 << 20, 0) == 0;
    walk_end(&walk);
    for (unsigned i = low; i < high; i++) {
        int past = over || (walk.reverse ? i >= walk.high : i < walk.low);
        (past ? held->looked.at : held->perhaps.at)[space][i] = 1;
    }
    held->walked[space] = 1;
}

static inline void txn_count(struct history *h, struct held_txn *held)
{
    unsigned space = txn_space(h, held);
    check_count(h, &held->seen, lsmkv_txn_snapshot(held->txn), space, 1);
    memset(held->looked.at[space], 1, MODEL_KEYS);
    held->walked[space] = 1;
}

/* ---- writing ------------------------------------------------------------------------------------- */

static inline void txn_wrote(struct held_txn *held, unsigned space, unsigned index, uint32_t salt, uint32_t until)
{
    model_put(&held->seen.spaces[space], index, salt, until);
    held->wrote.at[space][index] = 1;
}

/* The record was added: counted, and the handle must stay open. */
static inline void txn_added(struct held_txn *held, unsigned space)
{
    held->used[space] = 1;
    held->writes++;
}

static inline void txn_put(struct history *h, struct held_txn *held)
{
    unsigned space = txn_space(h, held), index = any_index(h);
    uint32_t salt = new_salt(h), until;
    uint64_t expiry = any_expiry(h, space, &until);
    const struct model_key *key = key_at(h, index);
    struct lsmkv_slice value = model_value(&h->universe, salt);
    expect(h, lsmkv_txn_put(held->txn, h->handles[space], key->bytes, key->size, value.data, value.size, expiry), 0,
           "txn_put");
    txn_wrote(held, space, index, salt, until);
    txn_added(held, space);
}

static inline void txn_delete(struct history *h, struct held_txn *held)
{
    unsigned space = txn_space(h, held), index = any_index(h);
    const struct model_key *key = key_at(h, index);
    expect(h, lsmkv_txn_delete(held->txn, h->handles[space], key->bytes, key->size), 0, "txn_delete");
    txn_wrote(held, space, index, 0, 0);
    txn_added(held, space);
}

static inline void txn_delete_range(struct history *h, struct held_txn *held)
{
    unsigned space = txn_space(h, held);
    struct span span;
    any_span(h, &span);
    int rc = lsmkv_txn_delete_range(held->txn, h->handles[space], &span.from, span.open ? NULL : &span.to);
    expect(h, rc, 0, "txn_delete_range");
    if (span.none)
        return;
    for (unsigned i = span.low; i < span.high; i++)
        txn_wrote(held, space, i, 0, 0);
    txn_added(held, space);
}

static inline void txn_write(struct history *h, struct held_txn *held)
{
    unsigned space = txn_space(h, held);
    uint64_t count = random_below(&h->random, 5);
    lsmkv_batch_reset(h->batch);
    expect(h, lsmkv_batch_use(h->batch, h->handles[space]), 0, "batch use");
    held->used[space] = 1;
    for (uint64_t i = 0; i < count; i++) {
        unsigned index = any_index(h);
        uint32_t salt = new_salt(h), until;
        batch_put(h, index, salt, any_expiry(h, space, &until));
        txn_wrote(held, space, index, salt, until);
        txn_added(held, space);
    }
    expect(h, lsmkv_txn_write(held->txn, h->batch), 0, "txn_write");
}

/* ---- savepoints ---------------------------------------------------------------------------------- */

static inline void txn_save(struct history *h, struct held_txn *held)
{
    if (held->saved_count == SAVEPOINTS)
        return;
    expect(h, lsmkv_txn_save(held->txn), 0, "txn_save");
    held->saved[held->saved_count++] = (struct savepoint){held->seen, held->wrote, held->writes};
}

static inline void txn_settle(struct history *h, struct held_txn *held)
{
    int undo = random_below(&h->random, 2) != 0;
    int rc = undo ? lsmkv_txn_undo(held->txn) : lsmkv_txn_keep(held->txn);
    expect(h, rc, held->saved_count ? 0 : LSMKV_INVALID, undo ? "txn_undo" : "txn_keep");
    if (held->saved_count == 0)
        return;
    const struct savepoint *saved = &held->saved[--held->saved_count];
    if (!undo)
        return;
    held->seen = saved->seen;
    held->wrote = saved->wrote;
    held->writes = saved->writes;
}

/* ---- commit -------------------------------------------------------------------------------------- */

/* What is there at present as the transaction's namespace has it; nothing when that was dropped. */
static inline uint32_t salt_now(const struct history *h, const struct held_txn *held, unsigned space, unsigned index,
                                uint32_t now)
{
    return h->turns[space] == held->turns[space] ? model_salt(&h->world.spaces[space], index, now) : 0;
}

static inline int differ(const struct history *h, uint32_t a, uint32_t b)
{
    struct lsmkv_slice value = model_value(&h->universe, a);
    return (a == 0) != (b == 0) || (a && !model_value_is(&h->universe, b, value.data, value.size));
}

enum verdict { MUST_NOT, MAY, MUST };

static inline enum verdict verdict_of_key(const struct history *h, const struct held_txn *held, unsigned space,
                                          unsigned index)
{
    const struct model *base = &held->base.spaces[space];
    int looked = held->looked.at[space][index], dropped = h->turns[space] != held->turns[space];
    if (!looked && !held->perhaps.at[space][index])
        return MUST_NOT;
    if (h->written[space][index] <= held->stamp && !dropped)
        return base->until[index] ? MAY : MUST_NOT;
    uint32_t then = model_salt(base, index, held->base.now);
    int changed = differ(h, then, salt_now(h, held, space, index, held->base.now)) &&
                  differ(h, then, salt_now(h, held, space, index, h->world.now));
    return looked && changed ? MUST : MAY;
}

static inline enum verdict verdict_of(const struct history *h, const struct held_txn *held)
{
    enum verdict worst = MUST_NOT;
    if (held->writes == 0)
        return MUST_NOT; /* all it looked at was one state */
    for (unsigned space = 0; space < SPACES; space++) {
        if (held->walked[space] && h->ranged[space] > held->stamp)
            worst = worst > MAY ? worst : MAY; /* a range delete may meet a range between its keys */
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            enum verdict verdict = verdict_of_key(h, held, space, i);
            worst = verdict > worst ? verdict : worst;
        }
    }
    return worst;
}

/* The same once more as a batch. */
static inline void commit_blindly(struct history *h, const struct held_txn *held)
{
    lsmkv_batch_reset(h->batch);
    for (unsigned space = 0; space < SPACES; space++) {
        if (h->handles[space])
            expect(h, lsmkv_batch_use(h->batch, h->handles[space]), 0, "batch use");
        for (unsigned i = 0; i < MODEL_KEYS; i++) {
            const struct model *seen = &held->seen.spaces[space];
            if (!held->wrote.at[space][i])
                continue;
            if (seen->salts[i])
                batch_put(h, i, seen->salts[i],
                          seen->until[i] ? (uint64_t)seen->until[i] * TICK_NS : LSMKV_EXPIRY_NEVER);
            else
                expect(h, lsmkv_batch_delete(h->batch, key_at(h, i)->bytes, key_at(h, i)->size), 0, "batch delete");
        }
    }
    expect(h, lsmkv_write(h->handles[0], h->batch, -1, NULL), 0, "write");
}

static inline void txn_took_effect(struct history *h, const struct held_txn *held)
{
    for (unsigned space = 0; space < SPACES; space++)
        for (unsigned i = 0; i < MODEL_KEYS; i++)
            if (held->wrote.at[space][i])
                wrote(h, space, i, held->seen.spaces[space].salts[i], held->seen.spaces[space].until[i]);
}

static inline void txn_commit(struct history *h, struct held_txn *held)
{
    enum verdict verdict = verdict_of(h, held);
    if (lsmkv_txn_writes(held->txn) != held->writes)
        wrong(h, "the transaction has %zu writes, wanted %" PRIu64, lsmkv_txn_writes(held->txn), held->writes);
    int rc = lsmkv_txn_commit(held->txn, any_sync(h), NULL);
    if (held->closed) {
        expect(h, rc, LSMKV_CLOSED, "commit into a namespace that was closed");
        return;
    }
    if (verdict != MAY)
        expect(h, rc, verdict == MUST ? LSMKV_CONFLICT : 0, "commit");
    else if (rc == LSMKV_CONFLICT)
        commit_blindly(h, held);
    else
        expect(h, rc, 0, "commit");
    if (verdict != MUST)
        txn_took_effect(h, held);
    expect(h, lsmkv_txn_save(held->txn), LSMKV_INVALID, "a savepoint after the commit");
}

/* A few words of one transaction. */
static inline void do_txn(struct history *h)
{
    struct held_txn *held = &h->txns[random_below(&h->random, TRANSACTIONS)];
    static void (*const verbs[])(struct history *, struct held_txn *) = {
        txn_get,    txn_get,          txn_get_many, txn_scan, txn_put,  txn_put,
        txn_delete, txn_delete_range, txn_write,    txn_save, txn_save, txn_settle,
    };
    uint64_t what = random_below(&h->random, 8);
    if (!held->txn) {
        txn_begin(h, held);
    } else if (what == 0 || held->closed) {
        txn_commit(h, held);
        txn_end(held);
    } else if (what == 1 && random_below(&h->random, 4) == 0) {
        txn_end(held);
    } else if (what == 2 && random_below(&h->random, 4) == 0) {
        txn_count(h, held);
    } else {
        for (uint64_t more = 1 + random_below(&h->random, 4); more > 0; more--, operations++)
            verbs[random_below(&h->random, sizeof verbs / sizeof verbs[0])](h, held);
    }
}

#endif
