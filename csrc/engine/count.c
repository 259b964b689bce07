/* count: which way is the cheapest, and that way. */
#include "engine/count.h"

#include "engine/events.h"
#include "engine/layer.h"

enum {
    DEAR = 8, /* looking a key up costs about as much as walking over so many */
    TRY_BYTES = 32 << 10,
    CLOSE_BYTES = 4 << 20,
    TRIES = 4
};

static struct lk_snapshot snapshot_of(struct lk_db *db, struct lk_version *version, uint64_t lsn)
{
    return (struct lk_snapshot){.db = db, .version = version, .lsn = lsn, .limit = lk_lsn_offset(lsn)};
}

/* ---- what it would cost ------------------------------------------------------------------------ */

static uint64_t end_of(const struct lk_version *version, uint32_t index, uint64_t lsn)
{
    return index ? atomic_load_explicit(&version->memtables[index]->segment->end, memory_order_acquire)
                 : lk_lsn_offset(lsn);
}

/* Bytes of log between two states of a version, and about how many records they hold. */
static uint64_t bytes_between(const struct lk_version *version, uint64_t from, uint64_t lsn, uint64_t *records)
{
    uint32_t index = lk_version_find(version, lk_lsn_number(from));
    uint64_t bytes = 0, at = lk_lsn_offset(from);
    *records = 0;
    for (uint32_t i = index + 1; i-- > 0; at = LK_FILE_HEAD) {
        const struct lk_memtable *memtable = version->memtables[i];
        uint64_t end = end_of(version, i, lsn), all = atomic_load(&memtable->segment->end) - LK_FILE_HEAD;
        uint64_t part = end > at ? end - at : 0;
        bytes += part;
        if (all)
            *records += (uint64_t)((double)atomic_load(&memtable->records) * (double)part / (double)all);
    }
    return bytes;
}

static uint64_t records_in(const struct lk_version *version)
{
    uint64_t records = 0;
    for (uint32_t i = 0; i < version->memtable_count; i++)
        records += atomic_load_explicit(&version->memtables[i]->key_count, memory_order_relaxed);
    for (uint32_t i = 0; i < version->run_count; i++)
        records += version->runs[i]->records;
    return records;
}

static int is_dear(uint64_t lookups, uint64_t keys)
{
    return lookups > 1024 && lookups > keys / DEAR;
}

/* ---- from one state to another ----------------------------------------------------------------- */

/* What [from, to) of memtable `index` changed. */
static int add_layer(struct lk_db *db, const struct lk_version *version, uint32_t index, uint64_t from, uint64_t to,
                     const struct lk_tally *known, struct lk_watch *watch, struct lk_tally *change)
{
    struct lk_memtable *memtable = version->memtables[index];
    struct lk_version *below = lk_version_from(version, index);
    if (!below)
        return lk_fail(LSMKV_NOMEM, "memory ran out while keys were counted");
    struct lk_layer layer = {.db = db,
                             .below = snapshot_of(db, below, lk_lsn(memtable->segment->number, from)),
                             .known = known,
                             .change = change,
                             .watch = watch};
    int rc = lk_layer_log(&layer, memtable, from, to);
    lk_version_unref(below);
    return rc;
}

/* By how many keys the state at `lsn` of this version differs from an older one, whose segment it still holds. live NULL:
 * the older state's keys are not known; else they are, and afterwards those of the newer one. */
static int advance(struct lk_db *db, const struct lk_version *version, uint64_t from, uint64_t lsn,
                   struct lk_tally *live, struct lk_watch *watch, struct lk_tally *change)
{
    uint64_t at = lk_lsn_offset(from);
    int rc = 0;
    for (uint32_t i = lk_version_find(version, lk_lsn_number(from)) + 1; rc == 0 && i-- > 0; at = LK_FILE_HEAD) {
        struct lk_tally part = {0};
        uint64_t end = end_of(version, i, lsn);
        if (end > at)
            rc = add_layer(db, version, i, at, end, live, watch, &part);
        if (rc == 0 && live)
            rc = lk_tally_join(live, &part, 1);
        if (rc == 0)
            rc = lk_tally_join(change, &part, 1);
        lk_tally_deinit(&part);
    }
    return rc;
}

static int holds(const struct lk_version *version, uint64_t lsn)
{
    return lk_version_find(version, lk_lsn_number(lsn)) < version->memtable_count;
}

/* ---- from the counted state -------------------------------------------------------------------- */

/* 0 with the keys at `at` in *live; NOTFOUND: there is no way, or a dear one. */
static int count_from(struct lk_db *db, struct lk_counted_state *state, const struct lk_snapshot *at,
                      struct lk_watch *watch, struct lk_tally *live)
{
    struct lk_tally change = {0};
    int back = at->lsn < state->lsn;
    const struct lk_version *version = back ? state->version : at->version;
    uint64_t from = back ? at->lsn : state->lsn, to = back ? state->lsn : at->lsn, lookups = 0;
    if (!holds(version, from))
        return LSMKV_NOTFOUND;
    (void)bytes_between(version, from, to, &lookups);
    if (is_dear(lookups, records_in(version)))
        return LSMKV_NOTFOUND;
    watch->total = lookups;
    int rc = lk_tally_join(live, &state->live, 1);
    if (rc == 0)
        rc = advance(db, version, from, to, back ? NULL : live, watch, &change);
    if (rc == 0 && back)
        rc = lk_tally_join(live, &change, -1);
    else if (rc == 0 && at->lsn > state->lsn)
        lk_counted_move(db, state, at->lsn, &change);
    lk_tally_deinit(&change);
    return rc;
}

static int walk_all(struct lk_db *db, const struct lk_snapshot *at, struct lk_watch *watch, struct lk_tally *live)
{
    lk_tally_deinit(live);
    watch->done = 0;
    watch->total = records_in(at->version);
    return lk_walk(db, at, NULL, 1, live, watch);
}

static int count_again(struct lk_db *db, struct lk_counted_state *state, const struct lk_snapshot *at,
                       struct lk_watch *watch, struct lk_tally *live)
{
    int rc = count_from(db, state, at, watch, live);
    if (rc != LSMKV_NOTFOUND)
        return rc;
    rc = walk_all(db, at, watch, live);
    if (rc == 0)
        lk_counted_set(db, at, live);
    return rc;
}

/* ---- the first time ---------------------------------------------------------------------------- */

/* The keys of a run in which each record is one, by namespace. 0; NOTFOUND: it is not to be told without looking. */
static int count_bottom(const struct lk_run *bottom, struct lk_tally *live)
{
    int rc = bottom->tombstones || bottom->ranges.count || bottom->into ? LSMKV_NOTFOUND : 0;
    for (uint32_t i = 0; rc == 0 && i < bottom->count; i++) {
        const struct lk_table_meta *meta = &bottom->tables[i]->meta;
        size_t prefix;
        if (lk_space_of(meta->key_min, &prefix) != lk_space_of(meta->key_max, &prefix))
            return LSMKV_NOTFOUND;
        rc = lk_tally_key(live, meta->key_min, (int64_t)meta->records);
    }
    return rc;
}

/* What run `index` changes of what lies below it. */
static int add_run(struct lk_db *db, const struct lk_version *version, uint32_t index, struct lk_watch *watch,
                   struct lk_tally *live)
{
    struct lk_version *below =
        lk_version_new(NULL, 0, version->runs + index + 1, version->run_count - index - 1, version->installs);
    struct lk_tally change = {0};
    if (!below)
        return lk_fail(LSMKV_NOMEM, "memory ran out while keys were counted");
    struct lk_layer layer = {
        .db = db, .below = snapshot_of(db, below, 0), .known = live, .change = &change, .watch = watch};
    int rc = lk_layer_run(&layer, version->runs[index]);
    if (rc == 0)
        rc = lk_tally_join(live, &change, 1);
    lk_tally_deinit(&change);
    lk_version_unref(below);
    return rc;
}

/* From the bottom run upwards. NOTFOUND: it does not count itself, or too much lies above it. */
static int count_upwards(struct lk_db *db, const struct lk_snapshot *at, struct lk_watch *watch, struct lk_tally *live)
{
    const struct lk_version *version = at->version;
    struct lk_tally change = {0};
    uint64_t all = records_in(version);
    if (version->run_count == 0)
        return LSMKV_NOTFOUND;
    const struct lk_run *bottom = version->runs[version->run_count - 1];
    watch->total = all - bottom->records;
    int rc = is_dear(watch->total, all) ? LSMKV_NOTFOUND : count_bottom(bottom, live);
    for (uint32_t i = version->run_count - 1; rc == 0 && i-- > 0;)
        rc = add_run(db, version, i, watch, live);
    const struct lk_segment *oldest = version->memtables[version->memtable_count - 1]->segment;
    if (rc == 0)
        rc = advance(db, version, lk_lsn(oldest->number, LK_FILE_HEAD), at->lsn, live, watch, &change);
    lk_tally_deinit(&change);
    return rc;
}

static int count_anew(struct lk_db *db, const struct lk_snapshot *at, struct lk_watch *watch, struct lk_tally *live)
{
    uint64_t turn = lk_counted_begin(db, at);
    int rc = count_upwards(db, at, watch, live);
    if (rc == LSMKV_NOTFOUND)
        rc = walk_all(db, at, watch, live);
    if (turn)
        lk_counted_end(db, turn, rc == 0 ? live : NULL);
    return rc;
}

/* ---- by a walk over one namespace ---------------------------------------------------------------- */

static int walk_space(struct lk_db *db, const struct lk_snapshot *at, uint32_t space, struct lk_watch *watch,
                      uint64_t *out)
{
    uint8_t start[LK_SPACE_PREFIX_BYTES], stop[LK_SPACE_PREFIX_BYTES];
    struct lsmkv_range range = {.has_start = 1,
                                .has_stop = 1,
                                .start = {start, lk_space_start(space, start)},
                                .stop = {stop, lk_space_stop(space, stop)}};
    struct lk_tally live = {0};
    watch->done = 0;
    watch->total = records_in(at->version);
    int rc = lk_walk(db, at, &range, 1, &live, watch);
    *out = (uint64_t)lk_tally_of(&live, space);
    lk_tally_deinit(&live);
    return rc;
}

/* ---- from outside -------------------------------------------------------------------------------- */

/* The limit of a snapshot whose version has been sealed since lies beyond its segment, that of an empty one before it:
 * here states are told apart by their LSN. */
static struct lk_snapshot exact(const struct lk_snapshot *at)
{
    struct lk_snapshot same = *at;
    const struct lk_segment *segment = at->version->memtables[0]->segment;
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_acquire);
    same.limit = at->limit > end ? end : at->limit < LK_FILE_HEAD ? LK_FILE_HEAD : at->limit;
    same.lsn = lk_lsn(segment->number, same.limit);
    return same;
}

int lk_count(struct lk_db *db, const struct lk_snapshot *at, uint32_t space, struct lk_watch *watch, uint64_t *out)
{
    struct lk_snapshot wanted = exact(at);
    struct lk_counted_state state;
    struct lk_tally live = {0};
    if (at->reads || !lk_counted_follows(db, at->version))
        return walk_space(db, at, space, watch, out);
    int rc = lk_counted_copy(db, &state);
    if (rc == 0 && state.known == LK_COUNTED_WHOLE)
        rc = count_again(db, &state, &wanted, watch, &live);
    else if (rc >= 0)
        rc = count_anew(db, &wanted, watch, &live);
    if (rc == 0 && lk_tally_of(&live, space) < 0) { /* the manifest's count was wrong */
        lk_counted_drop(db);
        rc = walk_all(db, &wanted, watch, &live);
    }
    *out = (uint64_t)lk_tally_of(&live, space);
    lk_counted_state_deinit(&state);
    lk_tally_deinit(&live);
    return rc;
}

/* What was written since the counted state, which is the same memtable's, is added to it in place. The mutex is held. */
static int keep_up(struct lk_db *db, struct lk_counted_state *now, const struct lk_present *present)
{
    struct lk_tally change = {0};
    uint64_t from = lk_lsn_offset(now->lsn);
    struct lk_layer layer = {
        .db = db, .below = snapshot_of(db, now->version, now->lsn), .known = &now->live, .change = &change};
    if (present->limit - from > TRY_BYTES)
        return LSMKV_WOULDBLOCK;
    int rc = lk_layer_log(&layer, now->version->memtables[0], from, present->limit);
    if (rc == 0)
        rc = lk_tally_join(&now->live, &change, 1);
    if (rc == 0)
        now->lsn = present->lsn;
    lk_tally_deinit(&change);
    return rc;
}

static int count_locked(struct lk_db *db, const struct lk_snapshot *at, uint32_t space, uint64_t *out)
{
    struct lk_counted_state *now = &db->counted.now;
    if (now->known != LK_COUNTED_WHOLE)
        return LSMKV_WOULDBLOCK;
    struct lk_present present = lk_read_present(db);
    uint64_t wanted = at ? at->lsn : present.lsn;
    if ((at && at->reads) || !lk_counted_follows(db, at ? at->version : present.version))
        return LSMKV_WOULDBLOCK;
    if (!at && now->lsn < wanted && now->version->memtables[0] == present.version->memtables[0]) {
        int rc = keep_up(db, now, &present);
        if (rc != 0)
            return rc;
    }
    if (now->lsn != wanted || lk_tally_of(&now->live, space) < 0)
        return LSMKV_WOULDBLOCK;
    *out = (uint64_t)lk_tally_of(&now->live, space);
    return 0;
}

int lk_count_try(struct lk_db *db, const struct lk_snapshot *at, uint32_t space, uint64_t *out)
{
    if (!lk_mutex_try(&db->counted.mutex))
        return LSMKV_WOULDBLOCK;
    int rc = count_locked(db, at, space, out);
    lk_mutex_unlock(&db->counted.mutex);
    return rc;
}

/* ---- in the background --------------------------------------------------------------------------- */

static int unless_closing(void *arg, uint64_t done, uint64_t total)
{
    struct lk_db *db = arg;
    (void)done, (void)total;
    return atomic_load_explicit(&db->closing, memory_order_relaxed)
               ? lk_fail(LSMKV_CANCELLED, "the store closes: keys are not counted any further")
               : 0;
}

/* Move the counted state to `lsn` of the version. */
static int follow(struct lk_db *db, struct lk_counted_state *state, const struct lk_version *version, uint64_t lsn)
{
    struct lk_watch watch = {.went_on = unless_closing, .context = db};
    struct lk_tally change = {0};
    int rc = holds(version, state->lsn) && lk_counted_follows(db, version) ? 0 : LSMKV_NOTFOUND;
    if (rc == 0)
        rc = advance(db, version, state->lsn, lsn, state->known == LK_COUNTED_WHOLE ? &state->live : NULL, &watch,
                     &change);
    if (rc == 0)
        lk_counted_move(db, state, lsn, &change);
    else if (rc < 0)
        lk_event(db, "count", "the number of keys is not followed any further: %.160s", lk_error()->text);
    lk_tally_deinit(&change);
    return rc;
}

void lk_count_before_flush(struct lk_db *db, const struct lk_version *version)
{
    uint64_t lsn = lk_lsn(version->memtables[0]->segment->number, LK_FILE_HEAD);
    struct lk_counted_state state = {0};
    int rc = 0;
    for (int tries = 0; rc == 0 && tries < TRIES; tries++) { /* a count may have moved it meanwhile, not far enough */
        rc = lk_counted_copy(db, &state);
        if (rc == 0 && state.lsn < lsn)
            rc = follow(db, &state, version, lsn);
        else
            tries = TRIES;
        if (rc != 0 && state.known)
            lk_counted_drop(db);
        lk_counted_state_deinit(&state);
    }
}

void lk_count_at_close(struct lk_db *db)
{
    struct lk_version *version = atomic_load(&db->version);
    struct lk_counted_state state = {0};
    uint64_t lsn = atomic_load(&db->lsn_visible), records;
    int rc = lk_counted_copy(db, &state);
    if (rc == 0 && state.known == LK_COUNTED_WHOLE && holds(version, state.lsn) &&
        bytes_between(version, state.lsn, lsn, &records) <= CLOSE_BYTES)
        rc = follow(db, &state, version, lsn);
    lk_counted_state_deinit(&state);
}
