/* write: appending frames. */
#include "engine/write.h"

#include <string.h>

#include "engine/apart.h"
#include "engine/background.h"
#include "engine/commit.h"
#include "engine/pace.h"
#include "engine/read.h"
#include "engine/rotate.h"
#include "engine/stall.h"

enum { MARK_BYTES = 24, TOO_MANY_TRIES = 10, PREFAULT_BYTES = 64 * 1024 };

/* What is to be appended, one record or a batch, and on what condition. */
struct op {
    struct lk_record *record;
    const struct lk_batch *batch;
    const struct lk_guard *guard; /* NULL: none */
    const struct lk_value_uses *uses; /* NULL: none. What its references refer to */
    uint32_t keys;
    uint64_t payload;
};

/* Statistics that only the holder of write_mutex adds to. */
static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}

/* Most body bytes the op takes in `memtable`. */
static uint64_t room_for(const struct lk_memtable *memtable, const struct op *op)
{
    if (op->record)
        return lk_memtable_room(memtable, op->record);
    uint64_t each = LK_RECORD_LINK_BYTES + ((uint64_t)1 << memtable->segment->shift) - 1;
    return op->batch->bytes.len + op->batch->count * each;
}

/* What an unclean open has to read is bounded, and what a flush is the first to tell from garbage: a segment with many values is sealed. */
static int values_full(const struct lk_db *db, const struct lk_memtable *memtable, const struct op *op)
{
    uint64_t held = atomic_load_explicit(&memtable->value_bytes, memory_order_relaxed);
    return op->uses && held && held + lk_value_uses_bytes(op->uses) > lk_values_portion(&db->values);
}

static int fits(const struct lk_db *db, const struct lk_memtable *memtable, const struct op *op)
{
    const struct lk_segment *segment = memtable->segment;
    uint64_t left = segment->capacity - atomic_load_explicit(&segment->end, memory_order_relaxed);
    uint64_t room = room_for(memtable, op);
    return room <= LK_FRAME_BODY_MAX && lk_frame_bytes(room) + MARK_BYTES <= left &&
           !lk_memtable_full(memtable, op->keys) && !values_full(db, memtable, op);
}

/* ---- under the mutex --------------------------------------------------------------------- */

static void advance(struct lk_db *db, struct lk_segment *segment, uint32_t body_bytes)
{
    lk_segment_advance(segment, body_bytes);
    count(&db->counters.log_bytes, lk_frame_bytes(body_bytes));
    db->lsn_appended = lk_lsn(segment->number, atomic_load_explicit(&segment->end, memory_order_relaxed));
}

/* A sync that succeeded is stated in the log before the next frame, so that recovery has the proof. */
static int append_mark(struct lk_db *db)
{
    struct lk_segment *segment = db->active->segment;
    uint64_t durable = atomic_load_explicit(&db->lsn_durable, memory_order_acquire);
    if (durable <= db->lsn_marked || segment->kind == LK_SEGMENT_NONE)
        return 0;
    lk_store64(lk_segment_body(segment), durable);
    int rc = lk_segment_commit(segment, LK_FRAME_SYNC_MARK, 8);
    if (rc < 0) {
        lk_segment_erase(segment, 8);
        return rc;
    }
    advance(db, segment, 8);
    db->lsn_marked = durable;
    return 0;
}

/* Copy and index the batch's records, with the lines of the next ones on their way. The byte after them, or
 * NULL. */
static uint8_t *add_batch(struct lk_memtable *memtable, const struct lk_batch *batch, uint8_t *to)
{
    enum { FLIGHT = 16 };
    const uint8_t *ahead = batch->bytes.at, *end = ahead + batch->bytes.len;
    struct lk_record records[FLIGHT];
    uint64_t hashes[FLIGHT];
    while (ahead < end) {
        uint32_t some = 0;
        for (; some < FLIGHT && ahead < end; some++) {
            ahead = lk_record_get(ahead, end, &records[some]);
            hashes[some] = lk_hash(memtable->seed, records[some].key.at, records[some].key.len);
            lk_memtable_prefetch(memtable, hashes[some]);
        }
        for (uint32_t i = 0; i < some; i++) {
            to = lk_memtable_add(memtable, to, &records[i], hashes[i]);
            if (!to)
                return NULL;
        }
    }
    return to;
}

/* Take an uncompleted frame back. The status to return: `rc`, or what is worse. After WOULDBLOCK (lines full) the
 * segment takes no more frames: its sixteen zero bytes at `end` stand before whatever was added behind them, so
 * nothing needs erasing and no reader needs waiting for. */
static int take_back(struct lk_db *db, uint64_t from, uint64_t to, int rc)
{
    struct lk_memtable *memtable = db->active;
    struct lsmkv_error saved = *lk_error();
    int full = rc == LSMKV_WOULDBLOCK;
    memtable->crowded |= full;
    int undone = lk_memtable_undo(memtable, from, to, !full);
    if (undone < 0) {
        db->failure = *lk_error();
        atomic_store(&db->failed, undone);
        return undone;
    }
    if (!full)
        lk_segment_erase(memtable->segment, (uint32_t)(to - from));
    lk_error_restore(&saved);
    return rc;
}

static void count_op(struct lk_db *db, const struct op *op)
{
    struct lk_counters *counters = &db->counters;
    uint32_t deletes = op->record ? lk_record_kind(op->record) == LK_DELETE : op->batch->deletes;
    uint32_t ranges = op->record ? 0 : op->batch->ranges;
    count(&counters->puts, (op->record ? 1 : op->batch->count) - deletes - ranges);
    if (deletes)
        count(&counters->deletes, deletes);
    if (ranges)
        count(&counters->range_deletes, ranges);
    count(&counters->user_bytes, op->payload);
}

/* The memtable's own references, before its frame names the values. Should that frame fail, too much is counted until
 * the memtable goes. */
static int hold_values(struct lk_memtable *memtable, const struct lk_value_uses *uses)
{
    int rc = lk_values_join(&memtable->uses, uses);
    if (rc == 0)
        atomic_fetch_add_explicit(&memtable->value_bytes, lk_value_uses_bytes(uses), memory_order_relaxed);
    return rc;
}

/* Before it is visible: where something is put there is no gap. */
static void tell_gaps(struct lk_db *db, const struct op *op)
{
    const uint8_t *at = op->record ? NULL : op->batch->bytes.at, *end = op->record ? NULL : at + op->batch->bytes.len;
    struct lk_record record;
    if (op->record && lk_record_kind(op->record) == LK_PUT)
        lk_gaps_put(&db->gaps, op->record->key);
    while (at < end && db->gaps.count) {
        at = lk_record_get(at, end, &record);
        if (lk_record_kind(&record) == LK_PUT)
            lk_gaps_put(&db->gaps, record.key);
    }
}

/* Append the op as one frame. WOULDBLOCK: its lines are full, nothing was changed, seal first. */
static int append(struct lk_db *db, const struct op *op, uint64_t hash, int sync)
{
    struct lk_memtable *memtable = db->active;
    struct lk_segment *segment = memtable->segment;
    int rc = append_mark(db);
    if (rc == 0 && op->uses)
        rc = hold_values(memtable, op->uses);
    if (rc < 0)
        return rc;
    uint8_t *body = lk_segment_body(segment);
    uint64_t from = (uint64_t)(body - segment->base), room = room_for(memtable, op);
    uint8_t *end =
        op->record ? lk_memtable_add(memtable, body, op->record, hash) : add_batch(memtable, op->batch, body);
    if (!end && op->record && lk_error()->status == LSMKV_WOULDBLOCK) {
        memtable->crowded = 1; /* nothing was added */
        return LSMKV_WOULDBLOCK;
    }
    if (!end)
        return take_back(db, from, from + room, lk_error()->status);
    uint32_t body_bytes = (uint32_t)(end - body);
    rc = lk_segment_commit(segment, LK_FRAME_RECORDS, body_bytes);
    if (rc < 0)
        return take_back(db, from, from + body_bytes, rc);
    advance(db, segment, body_bytes);
    count_op(db, op);
    if (sync)
        db->lsn_sync_wanted = db->lsn_appended;
    if (db->gaps.count)
        tell_gaps(db, op);
    lk_commit_publish(db);
    return 0;
}

/* May it be appended, as far as its guard is concerned? */
static int allowed(struct lk_db *db, const struct op *op)
{
    return op->guard ? op->guard->holds(db, op->guard->context) : 0;
}

/* ---- without waiting ---------------------------------------------------------------------- */

/* May the op be appended right now, by memory stores alone? write_mutex held. */
static int calm(const struct lk_db *db, const struct op *op)
{
    const struct lk_segment *segment = db->active->segment;
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_relaxed);
    uint64_t ready = atomic_load_explicit(&segment->ready, memory_order_acquire);
    return segment->kind != LK_SEGMENT_WRITTEN && fits(db, db->active, op) &&
           end + lk_frame_bytes(room_for(db->active, op)) + MARK_BYTES <= ready &&
           db->lsn_sync_wanted <= atomic_load_explicit(&db->lsn_visible, memory_order_relaxed) &&
           atomic_load_explicit(&db->failed, memory_order_relaxed) == 0;
}

static int try_op(struct lk_db *db, const struct op *op, uint64_t hash, uint64_t *lsn)
{
    if (db->options.threads == 0 || !lk_mutex_try(&db->write_mutex))
        return LSMKV_WOULDBLOCK; /* without threads, every write asks what is due */
    int rc = calm(db, op) ? allowed(db, op) : LSMKV_WOULDBLOCK; /* calm: all that refuses is visible */
    if (rc == 0 && !lk_pace_try(db, op->payload))
        rc = LSMKV_WOULDBLOCK;
    if (rc == 0) {
        rc = append(db, op, hash, 0);
        if (rc == 0 && lsn)
            *lsn = db->lsn_appended;
    }
    lk_rotate_unlock(db);
    return rc;
}

int lk_write_try(struct lk_db *db, struct lk_record *record, uint64_t *lsn)
{
    if (lk_apart_wanted(db, record->value.len))
        return LSMKV_WOULDBLOCK;
    struct op op = {.record = record, .keys = 1, .payload = record->key.len + record->value.len};
    uint64_t hash = lk_hash(db->seed, record->key.at, record->key.len);
    return try_op(db, &op, hash, lsn);
}

int lk_write_batch_try(struct lk_db *db, const struct lk_batch *batch, uint64_t *lsn)
{
    struct op op = {.batch = batch, .keys = batch->count, .payload = batch->payload};
    return batch->ranges || lk_apart_wanted(db, batch->largest) ? LSMKV_WOULDBLOCK : try_op(db, &op, 0, lsn);
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* Wait until everything through `lsn` is visible: behind somebody's sync. */
static int visible(struct lk_db *db, uint64_t lsn)
{
    if (atomic_load_explicit(&db->lsn_visible, memory_order_acquire) >= lsn)
        return 0;
    uint64_t began = lk_stall_now(db);
    int rc = lk_commit_visible(db, lsn);
    lk_stall_count(db, LK_STALL_sync, began);
    return rc;
}

/* Make room by sealing; the mutex is released when it has to wait. 0: try again; a failure: released. */
static int make_room(struct lk_db *db, const struct op *op, int *held)
{
    uint64_t room = op->record ? lk_record_bytes(op->record) + LK_RECORD_LINK_BYTES
                               : op->batch->bytes.len + (uint64_t)op->batch->count * LK_RECORD_LINK_BYTES;
    int rc = lk_rotate(db, room, op->keys); /* which adds what the new segment's alignment takes */
    uint64_t appended = db->lsn_appended;
    if (rc == 0)
        return 0;
    lk_rotate_unlock(db);
    *held = 0;
    if (rc == LSMKV_WOULDBLOCK)
        return visible(db, appended);
    return rc == LSMKV_NOTFOUND ? lk_background_relieve(db) : rc;
}

/* The keeper is behind: a little more than is needed now, so that the next writers need not come here too. */
static int prefault(struct lk_db *db, const struct op *op)
{
    struct lk_segment *segment = db->active->segment;
    uint64_t wanted = atomic_load_explicit(&segment->end, memory_order_relaxed) +
                      lk_frame_bytes(room_for(db->active, op)) + MARK_BYTES;
    if (wanted <= atomic_load_explicit(&segment->ready, memory_order_relaxed))
        return 0;
    uint64_t began = lk_stall_now(db);
    int rc = lk_segment_prefault(segment, wanted + PREFAULT_BYTES);
    lk_stall_count(db, LK_STALL_prefault, began);
    return rc;
}

/* The guard has said no: give the mutex back, and return once all it may have looked at is visible. */
static int refuse(struct lk_db *db, int rc)
{
    uint64_t appended = db->lsn_appended;
    lk_rotate_unlock(db);
    int seen = rc < 0 ? 0 : visible(db, appended);
    return seen < 0 ? seen : rc;
}

/* Append, whatever it takes, unless the guard refuses. While the mutex is held its word stands, through a rotation
 * too: so a writer who is alone is never refused because he had to rotate. */
static int push(struct lk_db *db, const struct op *op, uint64_t hash, int sync, uint64_t *lsn)
{
    uint64_t owed = op->payload;
    int rc = 0, held = 0, tries = 0;
    for (;;) {
        if (!held) {
            lk_stall_lock(db);
            held = 1;
            if (atomic_load(&db->failed)) {
                lk_rotate_unlock(db);
                return lk_commit_failed(db);
            }
            rc = allowed(db, op);
            if (rc != 0)
                return refuse(db, rc);
        }
        uint64_t pause = owed ? lk_pace_due(db, &owed) : 0;
        if (pause) {
            lk_rotate_unlock(db);
            lk_pace_wait(db, pause);
            held = 0;
            continue;
        }
        if (fits(db, db->active, op)) {
            rc = prefault(db, op);
            if (rc == 0)
                rc = append(db, op, hash, sync);
            if (rc != LSMKV_WOULDBLOCK)
                break;
            db->batch_keys_factor = db->batch_keys_factor ? db->batch_keys_factor * 2 : 2;
            if (++tries == TOO_MANY_TRIES) {
                rc = lk_fail(LSMKV_INVALID, "the keys of one batch collide in the index beyond what it can hold");
                break;
            }
        }
        rc = make_room(db, op, &held);
        if (rc < 0) {
            if (!held)
                return rc;
            break;
        }
    }
    db->batch_keys_factor = 0;
    *lsn = db->lsn_appended;
    lk_rotate_unlock(db);
    return rc;
}

/* What the caller was promised: durable, or visible. Without a log only a flush makes durable. */
static int confirm(struct lk_db *db, uint64_t end, int sync)
{
    if (!sync)
        return visible(db, end);
    uint64_t began = lk_stall_now(db);
    int rc = db->segment_kind == LK_SEGMENT_NONE ? lk_background_flush(db) : lk_commit_through(db, end);
    lk_stall_count(db, LK_STALL_sync, began);
    return rc;
}

static int write_op(struct lk_db *db, const struct op *op, uint64_t hash, int sync, uint64_t *lsn)
{
    uint64_t end = 0;
    int rc = sync ? lk_background_settle(db) : 0;
    if (rc == 0)
        rc = push(db, op, hash, sync, &end);
    if (rc == 0)
        rc = confirm(db, end, sync);
    if (rc == LSMKV_CANCELLED) /* the flush that it waited for: the last handle is being closed */
        return lk_fail(LSMKV_CLOSED, "the store is closed: open it again");
    if (rc == 0 && lsn)
        *lsn = end;
    if (rc == 0 && db->options.threads == 0)
        rc = lk_background_inline(db);
    return rc;
}

/* The record, its value written apart first if it is large. op: all but the record. */
static int write_record(struct lk_db *db, struct op *op, const struct lk_record *record, uint64_t hash, int sync,
                        uint64_t *lsn)
{
    struct lk_apart apart;
    int rc = lk_apart_record(db, record, sync, &apart);
    op->record = &apart.record;
    op->uses = apart.uses.count ? &apart.uses : NULL;
    if (rc == 0)
        rc = write_op(db, op, hash, sync, lsn);
    lk_apart_end(&apart);
    return rc;
}

int lk_write(struct lk_db *db, struct lk_record *record, int sync, uint64_t *lsn)
{
    struct op op = {.keys = 1, .payload = record->key.len + record->value.len};
    return write_record(db, &op, record, lk_hash(db->seed, record->key.at, record->key.len), sync, lsn);
}

/* The batch as it is to be logged. */
static int write_batch(struct lk_db *db, struct op *op, int sync, uint64_t *lsn)
{
    const struct lk_batch *batch = op->batch;
    if (!lk_rotate_possible(db, batch->bytes.len + (uint64_t)batch->count * LK_RECORD_LINK_BYTES, batch->count))
        return lk_fail(LSMKV_INVALID, "the batch's %u records do not fit into one log segment; write it in parts",
                       batch->count);
    return write_op(db, op, 0, sync, lsn);
}

int lk_write_batch_if(struct lk_db *db, const struct lk_batch *batch, const struct lk_guard *guard, int sync,
                      uint64_t *lsn)
{
    struct lk_apart apart;
    if (batch->ranges > LK_MEM_RANGES_MAX)
        return lk_fail(LSMKV_INVALID, "the batch holds %u range deletes; at most %u are possible", batch->ranges,
                       LK_MEM_RANGES_MAX);
    int rc = lk_apart_batch(db, batch, sync, &apart);
    struct op op = {.batch = apart.batch,
                    .guard = guard,
                    .uses = apart.uses.count ? &apart.uses : NULL,
                    .keys = batch->count,
                    .payload = batch->payload};
    if (rc == 0)
        rc = write_batch(db, &op, sync, lsn);
    lk_apart_end(&apart);
    return rc;
}

int lk_write_batch(struct lk_db *db, const struct lk_batch *batch, int sync, uint64_t *lsn)
{
    return lk_write_batch_if(db, batch, NULL, sync, lsn);
}

/* ---- on a condition ------------------------------------------------------------------------ */

/* Writes since `seen` can only lie in the active segment, as long as that is still the reader's. */
int lk_write_changed(const struct lk_db *db, uint64_t seen, struct lk_slice key, uint64_t hash)
{
    if (seen == db->lsn_appended)
        return 0; /* nothing was written at all */
    return lk_lsn_number(seen) != db->active->segment->number || seen > db->lsn_appended ||
           lk_memtable_changed(db->active, hash, key, lk_lsn_offset(seen), UINT64_MAX);
}

/* The guard of a single key. */
struct sight {
    uint64_t seen, hash;
    struct lk_slice key; /* borrowed */
};

static int unchanged(struct lk_db *db, void *context)
{
    const struct sight *sight = context;
    return lk_write_changed(db, sight->seen, sight->key, sight->hash) ? LSMKV_CONFLICT : 0;
}

static int write_if(struct lk_db *db, uint64_t seen, struct lk_record *record, int wait, int sync, uint64_t *lsn)
{
    uint64_t hash = lk_hash(db->seed, record->key.at, record->key.len);
    struct sight sight = {seen, hash, record->key};
    struct lk_guard guard = {unchanged, &sight};
    struct op op = {.record = record, .guard = &guard, .keys = 1, .payload = record->key.len + record->value.len};
    if (wait)
        return write_record(db, &op, record, hash, sync, lsn);
    return lk_apart_wanted(db, record->value.len) ? LSMKV_WOULDBLOCK : try_op(db, &op, hash, lsn);
}

int lk_write_if_try(struct lk_db *db, uint64_t seen, struct lk_record *record, uint64_t *lsn)
{
    return write_if(db, seen, record, 0, 0, lsn);
}

int lk_write_if(struct lk_db *db, uint64_t seen, struct lk_record *record, int sync, uint64_t *lsn)
{
    return write_if(db, seen, record, 1, sync, lsn);
}

int lk_write_remove_try(struct lk_db *db, int slot, struct lk_slice key, uint64_t *lsn)
{
    struct lk_record record = {.flags = LK_DELETE, .key = key};
    uint64_t seen = 0;
    int rc = lk_read_exists_try(db, slot, key, &seen);
    if (rc == 0)
        rc = write_if(db, seen, &record, 0, 0, lsn);
    return rc == LSMKV_CONFLICT ? LSMKV_WOULDBLOCK : rc; /* the waiting form reads again */
}

int lk_write_remove(struct lk_db *db, struct lk_slice key, int sync, uint64_t *lsn)
{
    struct lk_record record = {.flags = LK_DELETE, .key = key};
    uint64_t seen = 0;
    int rc;
    do {
        rc = lk_read_exists_wait(db, key, &seen);
        if (rc == 0)
            rc = write_if(db, seen, &record, 1, sync, lsn);
    } while (rc == LSMKV_CONFLICT);
    return rc;
}
