/* counted: keeping the state. Counting is count.c. */
#include "engine/counted.h"

#include "engine/read.h"

/* ---- life ------------------------------------------------------------------------------------ */

void lk_counted_init(struct lk_counted *counted)
{
    lk_mutex_init(&counted->mutex);
    counted->now = (struct lk_counted_state){.turn = 1};
}

void lk_counted_state_deinit(struct lk_counted_state *state)
{
    lk_version_unref(state->version);
    lk_tally_deinit(&state->live);
    *state = (struct lk_counted_state){0};
}

void lk_counted_deinit(struct lk_counted *counted)
{
    lk_counted_state_deinit(&counted->now);
    lk_mutex_deinit(&counted->mutex);
}

/* ---- under the mutex --------------------------------------------------------------------------- */

/* What the present version holds up to `lsn`. NULL: it does not hold that segment any more, or memory ran out. */
static struct lk_version *pin(struct lk_db *db, uint64_t lsn)
{
    struct lk_snapshot now;
    struct lk_version *made = NULL;
    if (lk_snapshot_take(db, &now) < 0)
        return NULL;
    uint32_t index = lk_version_find(now.version, lk_lsn_number(lsn));
    if (index < now.version->memtable_count)
        made = lk_version_from(now.version, index);
    lk_snapshot_drop(&now);
    return made;
}

/* Forget the state; what it held is given back once the mutex is free. */
static void forget(struct lk_counted_state *now, struct lk_counted_state *gone)
{
    *gone = *now;
    *now = (struct lk_counted_state){.turn = gone->turn + 1};
}

int lk_counted_follows(const struct lk_db *db, const struct lk_version *version)
{
    return db->options.merge_policy != LSMKV_MERGE_FIFO && !lk_version_expires(version);
}

/* ---- verbs ------------------------------------------------------------------------------------- */

int lk_counted_copy(struct lk_db *db, struct lk_counted_state *out)
{
    struct lk_counted *counted = &db->counted;
    *out = (struct lk_counted_state){0};
    lk_mutex_lock(&counted->mutex);
    int rc = counted->now.known ? lk_tally_join(&out->live, &counted->now.live, 1) : LSMKV_NOTFOUND;
    if (rc == 0) {
        out->known = counted->now.known;
        out->turn = counted->now.turn;
        out->lsn = counted->now.lsn;
        out->version = counted->now.version;
        lk_version_ref(out->version);
    }
    lk_mutex_unlock(&counted->mutex);
    return rc;
}

void lk_counted_move(struct lk_db *db, const struct lk_counted_state *from, uint64_t lsn, const struct lk_tally *change)
{
    struct lk_counted_state *now = &db->counted.now;
    struct lk_version *version = NULL;
    lk_mutex_lock(&db->counted.mutex);
    if (now->turn == from->turn && now->lsn == from->lsn)
        version = pin(db, lsn);
    if (version && lk_tally_join(&now->live, change, 1) == 0) {
        struct lk_version *old = now->version;
        now->version = version;
        now->lsn = lsn;
        version = old;
    }
    lk_mutex_unlock(&db->counted.mutex);
    lk_version_unref(version);
}

uint64_t lk_counted_begin(struct lk_db *db, const struct lk_snapshot *at)
{
    struct lk_counted_state *now = &db->counted.now;
    uint64_t turn = 0;
    lk_mutex_lock(&db->counted.mutex);
    struct lk_version *version = now->known ? NULL : pin(db, at->lsn);
    if (version) {
        turn = now->turn + 1;
        *now = (struct lk_counted_state){.known = LK_COUNTED_SINCE, .turn = turn, .version = version, .lsn = at->lsn};
    }
    lk_mutex_unlock(&db->counted.mutex);
    return turn;
}

void lk_counted_end(struct lk_db *db, uint64_t turn, const struct lk_tally *live)
{
    struct lk_counted_state *now = &db->counted.now, gone = {0};
    lk_mutex_lock(&db->counted.mutex);
    if (now->turn == turn) {
        if (live && lk_tally_join(&now->live, live, 1) == 0)
            now->known = LK_COUNTED_WHOLE;
        else
            forget(now, &gone);
    }
    lk_mutex_unlock(&db->counted.mutex);
    lk_counted_state_deinit(&gone);
}

void lk_counted_set(struct lk_db *db, const struct lk_snapshot *at, const struct lk_tally *live)
{
    struct lk_counted_state *now = &db->counted.now, gone = {0};
    struct lk_counted_state made = {.known = LK_COUNTED_WHOLE, .lsn = at->lsn};
    lk_mutex_lock(&db->counted.mutex);
    if ((now->known == LK_COUNTED_NOT || now->lsn < at->lsn) && (made.version = pin(db, at->lsn)) != NULL &&
        lk_tally_join(&made.live, live, 1) == 0) {
        forget(now, &gone);
        made.turn = now->turn;
        *now = made;
    } else {
        gone = made;
    }
    lk_mutex_unlock(&db->counted.mutex);
    lk_counted_state_deinit(&gone);
}

void lk_counted_drop(struct lk_db *db)
{
    struct lk_counted_state gone = {0};
    lk_mutex_lock(&db->counted.mutex);
    if (db->counted.now.known)
        forget(&db->counted.now, &gone);
    lk_mutex_unlock(&db->counted.mutex);
    lk_counted_state_deinit(&gone);
}

void lk_counted_repin(struct lk_db *db)
{
    struct lk_counted_state *now = &db->counted.now, gone = {0};
    lk_mutex_lock(&db->counted.mutex);
    struct lk_version *version = now->known ? pin(db, now->lsn) : NULL;
    if (version) {
        gone.version = now->version;
        now->version = version;
    } else if (now->known) {
        forget(now, &gone);
    }
    lk_mutex_unlock(&db->counted.mutex);
    lk_counted_state_deinit(&gone);
}

/* ---- in the manifest --------------------------------------------------------------------------- */

/* Where the newest frame of the state ends that is still in the log when the memtables through that number are in
 * tables. Offset LK_FILE_HEAD: nowhere. 0: the state is older than that, or its log is not kept. */
static uint64_t place_of(const struct lk_counted_state *state, uint32_t through)
{
    const struct lk_version *version = state->version;
    if (lk_lsn_number(state->lsn) <= through)
        return 0;
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        const struct lk_segment *segment = version->memtables[i]->segment;
        uint64_t end = i == 0 ? lk_lsn_offset(state->lsn) : atomic_load_explicit(&segment->end, memory_order_acquire);
        if (segment->number > through && end > LK_FILE_HEAD)
            return segment->kind == LK_SEGMENT_NONE ? 0 : lk_lsn(segment->number, end);
    }
    return lk_lsn(lk_lsn_number(state->lsn), LK_FILE_HEAD);
}

/* No namespace has fewer keys than none. What a manifest said may have been wrong, and is not to be said again. */
static int is_sound(const struct lk_tally *live)
{
    for (uint32_t i = 0; i < live->count; i++)
        if (live->at[i].keys < 0)
            return 0;
    return 1;
}

static int put_counts(const struct lk_tally *live, uint64_t place, struct lk_buf *edit)
{
    int rc = lk_edit_count(edit, LK_SPACE_DEFAULT, (uint64_t)lk_tally_of(live, LK_SPACE_DEFAULT), place);
    for (uint32_t i = 0; rc == 0 && i < live->count; i++)
        if (live->at[i].space != LK_SPACE_DEFAULT && live->at[i].keys)
            rc = lk_edit_count(edit, live->at[i].space, (uint64_t)live->at[i].keys, place);
    return rc;
}

int lk_counted_edit(struct lk_db *db, uint32_t through, struct lk_buf *edit)
{
    int rc = 0;
    lk_mutex_lock(&db->counted.mutex);
    const struct lk_counted_state *now = &db->counted.now;
    uint64_t place = now->known == LK_COUNTED_WHOLE && is_sound(&now->live) ? place_of(now, through) : 0;
    if (place)
        rc = put_counts(&now->live, place, edit);
    lk_mutex_unlock(&db->counted.mutex);
    return rc;
}

/* Does a frame end there? */
static int is_boundary(const struct lk_segment *segment, uint64_t offset)
{
    struct lk_frame frame;
    uint64_t at = LK_FILE_HEAD;
    while (at < offset && lk_frame_peek(segment->base, offset, at, &frame))
        at += frame.total;
    return at == offset;
}

/* The index of the memtable in which the count's state ends, and the LSN there. memtable_count: it is not to be found. */
static uint32_t find_place(const struct lk_version *version, const struct lk_manifest_state *state, uint64_t *lsn)
{
    uint32_t none = version->memtable_count, index = none - 1, offset = lk_lsn_offset(state->counted_lsn);
    const struct lk_segment *segment = version->memtables[index]->segment;
    if (offset == LK_FILE_HEAD) { /* in the tables alone: and no flush came after it */
        *lsn = lk_lsn(segment->number, LK_FILE_HEAD);
        return state->counted_first == state->log_first ? index : none;
    }
    *lsn = state->counted_lsn;
    index = lk_version_find(version, lk_lsn_number(*lsn));
    if (index == none)
        return none;
    segment = version->memtables[index]->segment;
    return offset <= atomic_load(&segment->end) && is_boundary(segment, offset) ? index : none;
}

void lk_counted_recover(struct lk_db *db, const struct lk_manifest_state *state)
{
    struct lk_version *version = atomic_load(&db->version);
    struct lk_counted_state made = {.known = LK_COUNTED_WHOLE, .turn = db->counted.now.turn};
    if (state->counted_lsn == 0 || !lk_counted_follows(db, version))
        return;
    uint32_t index = find_place(version, state, &made.lsn);
    if (index < version->memtable_count)
        made.version = lk_version_from(version, index);
    if (made.version && lk_tally_join(&made.live, &state->live, 1) == 0)
        db->counted.now = made;
    else
        lk_counted_state_deinit(&made); /* the next count begins anew */
}
