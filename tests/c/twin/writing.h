/* writing: puts, deletes, batches, conditional writes. */
#ifndef LK_TESTS_TWIN_WRITING_H
#define LK_TESTS_TWIN_WRITING_H

#include "twin/history.h"

/* ---- one key ------------------------------------------------------------------------------------- */

/* The plain calls when the expiry is the default one. try first, perhaps. */
static inline int put_one(struct history *h, unsigned space, unsigned index, uint32_t salt, uint64_t expiry)
{
    int sync = any_sync(h), trying = random_below(&h->random, 2) != 0, rc = LSMKV_WOULDBLOCK;
    const struct model_key *key = key_at(h, index);
    struct lsmkv_slice value = model_value(&h->universe, salt);
    lsmkv *db = h->handles[space];
    if (expiry == LSMKV_EXPIRY_DEFAULT) {
        if (trying)
            rc = lsmkv_try_put(db, key->bytes, key->size, value.data, value.size, sync, NULL);
        return rc == LSMKV_WOULDBLOCK ? lsmkv_put(db, key->bytes, key->size, value.data, value.size, sync, NULL) : rc;
    }
    if (trying)
        rc = lsmkv_try_put_until(db, key->bytes, key->size, value.data, value.size, expiry, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_put_until(db, key->bytes, key->size, value.data, value.size, expiry, sync, NULL);
    return rc;
}

static inline void do_put(struct history *h)
{
    unsigned space = any_space(h), index = any_index(h);
    uint32_t salt = new_salt(h), until;
    uint64_t expiry = any_expiry(h, space, &until);
    expect(h, put_one(h, space, index, salt, expiry), 0, "put");
    wrote(h, space, index, salt, until);
}

static inline void do_delete(struct history *h)
{
    unsigned space = any_space(h), index = any_index(h);
    int sync = any_sync(h), trying = random_below(&h->random, 2) != 0, rc = LSMKV_WOULDBLOCK;
    const struct model_key *key = key_at(h, index);
    if (trying)
        rc = lsmkv_try_delete(h->handles[space], key->bytes, key->size, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_delete(h->handles[space], key->bytes, key->size, sync, NULL);
    expect(h, rc, 0, "delete");
    wrote(h, space, index, 0, 0);
}

static inline void do_remove(struct history *h)
{
    unsigned space = any_space(h), index = any_index(h);
    int sync = any_sync(h), trying = random_below(&h->random, 2) != 0, rc = LSMKV_WOULDBLOCK;
    const struct model_key *key = key_at(h, index);
    int there = model_salt(&h->world.spaces[space], index, h->world.now) != 0;
    if (trying)
        rc = lsmkv_try_remove(h->handles[space], key->bytes, key->size, sync, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_remove(h->handles[space], key->bytes, key->size, sync, NULL);
    expect(h, rc, there ? 0 : LSMKV_NOTFOUND, "remove");
    if (there)
        wrote(h, space, index, 0, 0);
}

static inline void do_delete_range(struct history *h)
{
    struct span span;
    unsigned space = any_space(h);
    any_span(h, &span);
    int rc = lsmkv_delete_range(h->handles[space], &span.from, span.open ? NULL : &span.to, any_sync(h), NULL);
    if (span.none)
        return; /* an empty range: refused or nothing */
    expect(h, rc, 0, "delete_range");
    wrote_range(h, space, span.low, span.high);
}

/* ---- batches ------------------------------------------------------------------------------------- */

static inline void batch_put(struct history *h, unsigned index, uint32_t salt, uint64_t expiry)
{
    const struct model_key *key = key_at(h, index);
    struct lsmkv_slice value = model_value(&h->universe, salt);
    int rc = expiry == LSMKV_EXPIRY_DEFAULT
                 ? lsmkv_batch_put(h->batch, key->bytes, key->size, value.data, value.size)
                 : lsmkv_batch_put_until(h->batch, key->bytes, key->size, value.data, value.size, expiry);
    expect(h, rc, 0, "batch put");
}

static inline void batch_one(struct history *h, unsigned space)
{
    unsigned index = any_index(h);
    const struct model_key *key = key_at(h, index);
    uint64_t what = random_below(&h->random, 16);
    if (what < 12) {
        uint32_t salt = new_salt(h), until;
        batch_put(h, index, salt, any_expiry(h, space, &until));
        wrote(h, space, index, salt, until);
    } else if (what < 15) {
        expect(h, lsmkv_batch_delete(h->batch, key->bytes, key->size), 0, "batch delete");
        wrote(h, space, index, 0, 0);
    } else {
        struct span span;
        any_span(h, &span);
        if (span.none)
            return;
        expect(h, lsmkv_batch_delete_range(h->batch, &span.from, span.open ? NULL : &span.to), 0, "batch delete_range");
        wrote_range(h, space, span.low, span.high);
    }
}

static inline int write_batch(struct history *h)
{
    int sync = any_sync(h), rc = lsmkv_try_write(h->handles[0], h->batch, sync, NULL);
    return rc == LSMKV_WOULDBLOCK ? lsmkv_write(h->handles[0], h->batch, sync, NULL) : rc;
}

/* Through several handles: now and then it goes on in another namespace. */
static inline void do_batch(struct history *h)
{
    uint64_t count = random_below(&h->random, 16) ? random_below(&h->random, 8) : random_below(&h->random, 200);
    unsigned space = 0;
    lsmkv_batch_reset(h->batch);
    for (uint64_t i = 0; i < count; i++) {
        if (i == 0 || random_below(&h->random, 4) == 0) {
            space = any_space(h);
            expect(h, lsmkv_batch_use(h->batch, h->handles[space]), 0, "batch use");
        }
        batch_one(h, space);
    }
    expect(h, write_batch(h), 0, "write");
    operations += count;
}

/* ---- conditional writes -------------------------------------------------------------------------- */

struct change { /* salt 0: a deletion */
    unsigned space, index;
    uint32_t salt, until;
    uint64_t expiry;
};

static inline int change_if(struct history *h, const struct change *change, uint64_t seen, int trying)
{
    const struct model_key *key = key_at(h, change->index);
    struct lsmkv_slice value = model_value(&h->universe, change->salt);
    lsmkv *db = h->handles[change->space];
    int rc = LSMKV_WOULDBLOCK;
    if (change->salt == 0) {
        if (trying)
            rc = lsmkv_try_delete_if(db, seen, key->bytes, key->size, -1, NULL);
        return rc == LSMKV_WOULDBLOCK ? lsmkv_delete_if(db, seen, key->bytes, key->size, -1, NULL) : rc;
    }
    if (trying)
        rc = lsmkv_try_put_if(db, seen, key->bytes, key->size, value.data, value.size, change->expiry, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_put_if(db, seen, key->bytes, key->size, value.data, value.size, change->expiry, -1, NULL);
    return rc;
}

static inline uint64_t seen_now(struct history *h, unsigned space, unsigned index)
{
    struct lsmkv_answer answer;
    const struct model_key *key = key_at(h, index);
    int there = model_salt(&h->world.spaces[space], index, h->world.now) != 0;
    expect(h, lsmkv_get_answer(h->handles[space], NULL, key->bytes, key->size, &answer), there ? 0 : LSMKV_NOTFOUND,
           "get_answer");
    lsmkv_free(answer.value);
    return answer.seen;
}

/* Reading again until it holds: nobody else writes, so the second time at the latest. */
static inline void change_anyhow(struct history *h, const struct change *change, int trying)
{
    int rc = LSMKV_CONFLICT;
    for (int tries = 0; rc == LSMKV_CONFLICT && tries < 2; tries++)
        rc = change_if(h, change, seen_now(h, change->space, change->index), trying);
    expect(h, rc, 0, "a conditional write by the only writer");
    wrote(h, change->space, change->index, change->salt, change->until);
}

/* With what was seen a while ago. Since then written: refused. Not written: done, or it cannot be told any more. */
static inline void do_write_if(struct history *h)
{
    struct sight *sight = &h->sights[random_below(&h->random, SIGHTS)];
    int trying = random_below(&h->random, 2) != 0, old = random_below(&h->random, 4) && sight->seen;
    struct change change = {.space = old ? sight->space : any_space(h), .index = old ? sight->index : any_index(h)};
    if (random_below(&h->random, 4)) {
        change.salt = new_salt(h);
        change.expiry = any_expiry(h, change.space, &change.until);
    }
    if (!old) {
        change_anyhow(h, &change, trying);
        return;
    }
    int stale = h->written[change.space][change.index] > sight->stamp;
    int rc = change_if(h, &change, sight->seen, trying);
    sight->seen = 0;
    if (stale) {
        expect(h, rc, LSMKV_CONFLICT, "a write that rests on what was overwritten");
    } else if (rc == LSMKV_CONFLICT) {
        change_anyhow(h, &change, trying);
    } else {
        expect(h, rc, 0, "write_if");
        wrote(h, change.space, change.index, change.salt, change.until);
    }
}

#endif
