/* reading: gets, scans, iterators and snapshots that are held, views, counts. */
#ifndef LK_TESTS_TWIN_READING_H
#define LK_TESTS_TWIN_READING_H

#include "twin/history.h"

/* ---- one key ------------------------------------------------------------------------------------- */

static inline void check_value(struct history *h, uint32_t salt, unsigned index, int rc, const void *value, size_t size,
                               const char *what)
{
    expect(h, rc, salt ? 0 : LSMKV_NOTFOUND, what);
    if (rc == 0 && salt && !model_value_is(&h->universe, salt, value, size))
        wrong(h, "%s: key %u has a wrong value of %zu bytes, salt %u wanted", what, index, size, salt);
    saw(h, (uint64_t)rc << 32 | size);
}

static inline void check_expiry(struct history *h, const struct model *model, unsigned index, uint64_t expiry_ns)
{
    uint64_t wanted = model->until[index] ? (uint64_t)model->until[index] * TICK_NS : LSMKV_EXPIRY_NEVER;
    if (expiry_ns != wanted)
        wrong(h, "key %u expires at %" PRIu64 ", wanted %" PRIu64, index, expiry_ns, wanted);
}

/* Waiting if need be. When it was looked at, for a conditional write. */
static inline uint64_t get_waiting(struct history *h, const struct world *world, const lsmkv_snapshot *snapshot,
                                   unsigned space, unsigned index)
{
    const struct model_key *key = key_at(h, index);
    struct lsmkv_answer answer;
    int rc = lsmkv_get_answer(h->handles[space], snapshot, key->bytes, key->size, &answer);
    check_value(h, model_salt(&world->spaces[space], index, world->now), index, rc, answer.value, answer.value_bytes,
                "get");
    if (rc == 0)
        check_expiry(h, &world->spaces[space], index, answer.expiry_ns);
    lsmkv_free(answer.value);
    return answer.seen;
}

static inline uint64_t get_lent(struct history *h, const struct world *world, const lsmkv_snapshot *snapshot,
                                unsigned space, unsigned index)
{
    const struct model_key *key = key_at(h, index);
    struct lsmkv_read read;
    int rc = lsmkv_read_begin(h->handles[space], snapshot, key->bytes, key->size, &read);
    if (rc == LSMKV_WOULDBLOCK)
        return get_waiting(h, world, snapshot, space, index);
    check_value(h, model_salt(&world->spaces[space], index, world->now), index, rc, rc == 0 ? read.value.data : NULL,
                rc == 0 ? read.value.size : 0, "read");
    if (rc != 0)
        return read.seen;
    check_expiry(h, &world->spaces[space], index, read.expiry_ns);
    lsmkv_read_end(&read);
    return read.seen;
}

/* 0, or when it was looked at. */
static inline uint64_t get_somehow(struct history *h, const struct world *world, const lsmkv_snapshot *snapshot,
                                   unsigned space, unsigned index)
{
    const struct model_key *key = key_at(h, index);
    uint64_t way = random_below(&h->random, 4);
    if (way == 0) {
        expect(h, lsmkv_exists(h->handles[space], snapshot, key->bytes, key->size),
               model_salt(&world->spaces[space], index, world->now) ? 0 : LSMKV_NOTFOUND, "exists");
        return 0;
    }
    return way == 1 ? get_waiting(h, world, snapshot, space, index) : get_lent(h, world, snapshot, space, index);
}

static inline void do_get(struct history *h)
{
    lsmkv_snapshot *snapshot;
    struct held *held = &h->held[random_below(&h->random, SNAPSHOTS)];
    int present = random_below(&h->random, 2) || !held->snapshot;
    unsigned space = any_space(h), index = any_index(h);
    struct sight *sight = &h->sights[random_below(&h->random, SIGHTS)];
    snapshot = present ? NULL : held->snapshot;
    uint64_t seen = get_somehow(h, present ? &h->world : &held->world, snapshot, space, index);
    if (seen)
        *sight = (struct sight){seen, present ? h->stamp : held->stamp, space, index};
}

static inline void read_many(struct history *h, const struct world *world, const lsmkv_snapshot *snapshot,
                             unsigned space, const unsigned *indices, size_t count)
{
    struct lsmkv_slice keys[LSMKV_READ_MANY], values[LSMKV_READ_MANY];
    int results[LSMKV_READ_MANY];
    struct lsmkv_read read;
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct lsmkv_slice){key_at(h, indices[i])->bytes, key_at(h, indices[i])->size};
    int rc = lsmkv_read_many_begin(h->handles[space], snapshot, keys, count, values, results, &read);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (results[i] != LSMKV_WOULDBLOCK)
            check_value(h, model_salt(&world->spaces[space], indices[i], world->now), indices[i], results[i],
                        results[i] == 0 ? values[i].data : NULL, results[i] == 0 ? values[i].size : 0, "read_many");
    if (rc == 0)
        lsmkv_read_end(&read);
    else
        expect(h, rc, LSMKV_WOULDBLOCK, "read_many");
    for (size_t i = 0; i < count; i++)
        if (rc != 0 || results[i] == LSMKV_WOULDBLOCK)
            (void)get_waiting(h, world, snapshot, space, indices[i]);
}

static inline void do_read_many(struct history *h)
{
    lsmkv_snapshot *snapshot;
    const struct world *world = any_state(h, &snapshot);
    unsigned indices[LSMKV_READ_MANY], space = any_space(h);
    size_t count = 1 + (size_t)random_below(&h->random, LSMKV_READ_MANY);
    for (size_t i = 0; i < count; i++)
        indices[i] = any_index(h);
    read_many(h, world, snapshot, space, indices, count);
    operations += count - 1;
}

/* ---- scans --------------------------------------------------------------------------------------- */

static inline unsigned next_wanted(struct walk *walk)
{
    if (walk->reverse) {
        while (walk->high > walk->low && !model_salt(&walk->model, walk->high - 1, walk->now))
            walk->high--;
        return walk->high > walk->low ? --walk->high : MODEL_KEYS;
    }
    while (walk->low < walk->high && !model_salt(&walk->model, walk->low, walk->now))
        walk->low++;
    return walk->low < walk->high ? walk->low++ : MODEL_KEYS;
}

static inline void walk_end(struct walk *walk)
{
    lsmkv_iter_free(walk->iter);
    walk->iter = NULL;
}

static inline void check_pair(struct history *h, struct walk *walk, const struct lsmkv_pair *pair)
{
    unsigned wanted = next_wanted(walk), is = model_index(&h->universe, pair->key.data, pair->key.size);
    if (wanted != is)
        wrong(h, "the scan%s of namespace %u brought key %u, wanted %u", walk->reverse ? " (reverse)" : "", walk->space,
              is, wanted);
    else if (!model_value_is(&h->universe, walk->model.salts[is], pair->value.data, pair->value.size))
        wrong(h, "the scan brought a wrong value for key %u", is);
}

/* One fill, which may bring less than asked. The number of pairs; 0: the walk is over. */
static inline size_t walk_fill(struct history *h, struct walk *walk, size_t most, size_t most_bytes, int try)
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
            wrong(h, "the scan of namespace %u is over, but key %u was still to come", walk->space, left);
        return 0;
    }
    if (count == 0 || count > most)
        wrong(h, "a fill brought %zu pairs of at most %zu", count, most);
    for (size_t i = 0; i < count && h->mistakes == 0; i++)
        check_pair(h, walk, &pairs[i]);
    lsmkv_iter_end(walk->iter);
    return h->mistakes ? 0 : count;
}

/* An iterator over a random range of one namespace of that world. */
static inline void walk_start(struct history *h, struct walk *walk, const struct world *world,
                              const lsmkv_snapshot *snapshot, unsigned space)
{
    struct lsmkv_range range = {0};
    struct span span;
    walk->model = world->spaces[space];
    walk->now = world->now;
    walk->space = space;
    any_span(h, &span);
    uint64_t bounds = random_below(&h->random, 8);
    range.has_start = bounds < 5;
    range.has_stop = bounds < 4 || bounds == 5;
    range.start = (struct lsmkv_slice){span.start.bytes, span.start.size};
    range.stop = (struct lsmkv_slice){span.stop.bytes, span.stop.size};
    range.exclude_start = random_below(&h->random, 4) == 0;
    range.include_stop = random_below(&h->random, 4) == 0;
    range.reverse = walk->reverse = random_below(&h->random, 2) != 0;
    int plain = random_below(&h->random, 8) == 0;
    walk->low = range.has_start && !plain ? span.start.low : 0;
    walk->high = range.has_stop && !plain ? span.stop.low : MODEL_KEYS;
    if (!plain && range.has_start && range.exclude_start &&
        model_index(&h->universe, span.start.bytes, span.start.size) < MODEL_KEYS)
        walk->low++;
    if (!plain && range.has_stop && range.include_stop &&
        model_index(&h->universe, span.stop.bytes, span.stop.size) < MODEL_KEYS)
        walk->high++;
    if (plain)
        walk->reverse = 0;
    expect(h, lsmkv_iter_new(h->handles[space], snapshot, plain ? NULL : &range, &walk->iter), 0, "iter_new");
}

static inline void do_scan(struct history *h)
{
    struct walk walk = {0};
    lsmkv_snapshot *snapshot;
    const struct world *world = any_state(h, &snapshot);
    size_t most = 1 + (size_t)random_below(&h->random, 64), bytes = random_below(&h->random, 2) ? 1 << 20 : 100;
    int limit = random_below(&h->random, 2) ? 2 : 1000, try = (int)random_below(&h->random, 2);
    walk_start(h, &walk, world, snapshot, any_space(h));
    while (walk.iter && limit-- > 0 && walk_fill(h, &walk, most, bytes, try))
        ;
    walk_end(&walk);
}

/* An iterator that is held: made, moved on a little, or given up. */
static inline void do_walk(struct history *h)
{
    struct walk *walk = &h->walks[random_below(&h->random, ITERATORS)];
    size_t most = 1 + (size_t)random_below(&h->random, 6);
    int give_up = random_below(&h->random, 12) == 0;
    if (!walk->iter) {
        lsmkv_snapshot *snapshot;
        const struct world *world = any_state(h, &snapshot);
        walk_start(h, walk, world, snapshot, any_space(h));
        return;
    }
    for (size_t some = 0; most && !give_up; most -= some) {
        some = walk_fill(h, walk, most, 1 << 20, most % 2 == 0);
        give_up = some == 0;
    }
    if (give_up)
        walk_end(walk);
}

/* ---- counts -------------------------------------------------------------------------------------- */

static inline void check_count(struct history *h, const struct world *world, const lsmkv_snapshot *snapshot,
                               unsigned space, int try)
{
    uint64_t count = UINT64_MAX, wanted = model_count(&world->spaces[space], world->now);
    int rc = try ? lsmkv_try_count(h->handles[space], snapshot, &count) : LSMKV_WOULDBLOCK;
    int waited = rc == LSMKV_WOULDBLOCK;
    if (waited)
        rc = lsmkv_count(h->handles[space], snapshot, NULL, NULL, &count);
    expect(h, rc, 0, "count");
    if (rc == 0 && count != wanted)
        wrong(h, "%s%s says that namespace %u has %" PRIu64 " keys, wanted %" PRIu64, waited ? "count" : "try_count",
              snapshot ? " at a snapshot" : "", space, count, wanted);
    saw(h, count);
}

static inline void do_count(struct history *h)
{
    lsmkv_snapshot *snapshot;
    const struct world *world = any_state(h, &snapshot);
    check_count(h, world, snapshot, any_space(h), random_below(&h->random, 4) != 0);
}

/* Everything there is, by counts and scans. */
static inline void check_all(struct history *h, int reverse)
{
    struct lsmkv_range range = {.reverse = reverse};
    for (unsigned space = 0; space < SPACES; space++) {
        struct walk walk = {.model = h->world.spaces[space],
                            .now = h->world.now,
                            .space = space,
                            .low = 0,
                            .high = MODEL_KEYS,
                            .reverse = reverse};
        if (!h->handles[space])
            continue;
        check_count(h, &h->world, NULL, space, reverse);
        expect(h, lsmkv_iter_new(h->handles[space], NULL, &range, &walk.iter), 0, "iter_new");
        while (walk.iter && walk_fill(h, &walk, 64, 1 << 20, 0))
            ;
        walk_end(&walk);
    }
}

/* ---- snapshots ----------------------------------------------------------------------------------- */

static inline void do_snapshot(struct history *h)
{
    struct held *held = &h->held[random_below(&h->random, SNAPSHOTS)];
    unsigned space = any_space(h);
    if (held->snapshot) {
        lsmkv_snapshot_free(held->snapshot);
        held->snapshot = NULL;
        return;
    }
    expect(h, lsmkv_snapshot_new(h->handles[space], &held->snapshot), 0, "snapshot_new");
    held->world = h->world;
    held->stamp = h->stamp;
}

/* ---- views --------------------------------------------------------------------------------------- */

static inline void end_view(struct history *h, struct lent *lent)
{
    if (lent->view && !model_value_is(&h->universe, lent->salt, lent->value.data, lent->value.size))
        wrong(h, "a view shows another value than it was given, salt %u wanted", lent->salt);
    lsmkv_view_end(lent->view);
    lent->view = NULL;
}

static inline void do_view(struct history *h)
{
    struct lent *lent = &h->lent[random_below(&h->random, VIEWS)];
    lsmkv_snapshot *snapshot;
    const struct world *world = any_state(h, &snapshot);
    unsigned space = any_space(h), index = any_index(h);
    const struct model_key *key = key_at(h, index);
    int keep = random_below(&h->random, 2) != 0;
    if (lent->view && keep)
        return;
    end_view(h, lent);
    lent->salt = model_salt(&world->spaces[space], index, world->now);
    int rc = lsmkv_view_begin(h->handles[space], snapshot, key->bytes, key->size, &lent->value, &lent->view);
    check_value(h, lent->salt, index, rc, lent->value.data, lent->value.size, "view");
}

#endif
