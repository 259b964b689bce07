/* conflict: by the log, and by comparing. */
#include "engine/conflict.h"

#include "engine/scan.h"
#include "util/alloc.h"

enum {
    FEW_KEYS = 1024,         /* are asked one by one under the mutex */
    FEW_BYTES = 256 * 1024,  /* of frames are walked under the mutex */
    MANY_BYTES = 64 << 20,   /* are not walked for ranges: comparing is cheaper */
    CHUNK = 32,
    CHUNK_BYTES = 64 * 1024
};

/* ---- by the log -------------------------------------------------------------------------------- */

/* Has a record or range delete of `memtable` in [from, to) touched a key that was looked up? Inside an epoch slot, or
 * write_mutex held. */
static int keys_changed(const struct lk_reads *reads, const struct lk_memtable *memtable, uint64_t from, uint64_t to)
{
    struct lk_slice key;
    for (uint32_t i = 0; i < reads->slot_count; i++) {
        const struct lk_read_key *slot = lk_reads_at(reads, i, &key);
        if (slot && lk_memtable_changed(memtable, slot->hash, key, from, to))
            return 1;
    }
    return 0;
}

/* The same for keys under range deletes alone. */
static int keys_covered(const struct lk_reads *reads, const struct lk_memtable *memtable, uint64_t from, uint64_t to)
{
    struct lk_slice key;
    if (lk_memtable_last_range(memtable) < from)
        return 0;
    for (uint32_t i = 0; i < reads->slot_count; i++)
        if (lk_reads_at(reads, i, &key) && lk_memtable_covered(memtable, key, from, to))
            return 1;
    return 0;
}

static int touches(const struct lk_reads *reads, struct lk_hash_seed seed, const struct lk_record *record)
{
    if (lk_record_kind(record) != LK_RANGE_DELETE)
        return lk_reads_have(reads, record->key, lk_hash(seed, record->key.at, record->key.len));
    return lk_ranges_meet(&reads->ranges, record->key, record->flags & LK_RECORD_OPEN_END ? NULL : &record->value);
}

/* Does a frame in [from, to) touch what was looked at? Range deletes: the ranges only. What does not decode counts as
 * touching. */
static int frames_touch(const struct lk_reads *reads, const struct lk_memtable *memtable, uint64_t from, uint64_t to)
{
    const struct lk_segment *segment = memtable->segment;
    struct lk_frame frame;
    from = from < LK_FILE_HEAD ? LK_FILE_HEAD : from; /* a snapshot of the very moment of a rotation lies before it */
    for (; from < to; from += frame.total) {
        if (lk_frame_get(segment->base, to, from, segment->identity, &frame) != LK_FRAME_GOOD)
            return 1;
        if (frame.kind != LK_FRAME_RECORDS)
            continue;
        const uint8_t *at = frame.body.at, *end = at + frame.body.len;
        while (at < end) {
            struct lk_record record = {0};
            const uint8_t *next = *at ? lk_record_get(at, end, &record) : at + 1; /* or padding */
            if (!next || (*at && touches(reads, memtable->seed, &record)))
                return 1;
            at = next;
        }
    }
    return 0;
}

int lk_conflict_guard(struct lk_db *db, void *context)
{
    struct lk_conflict *conflict = context;
    const struct lk_reads *reads = conflict->reads;
    const struct lk_memtable *active = db->active;
    uint64_t from = lk_lsn_offset(conflict->through), to = lk_lsn_offset(db->lsn_appended);
    if (conflict->through == db->lsn_appended)
        return 0;
    if (lk_lsn_number(conflict->through) != active->segment->number || from > to)
        return LSMKV_WOULDBLOCK;
    if (reads->ranges.count == 0 && reads->key_count <= FEW_KEYS) {
        if (keys_changed(reads, active, from, to))
            return LSMKV_CONFLICT;
    } else {
        if (to - from > FEW_BYTES || (reads->key_count > FEW_KEYS && lk_memtable_last_range(active) >= from))
            return LSMKV_WOULDBLOCK;
        if (frames_touch(reads, active, from, to) || keys_covered(reads, active, from, to))
            return LSMKV_CONFLICT;
    }
    conflict->through = db->lsn_appended;
    return 0;
}

/* The memtables of `now` that hold what was written from `through` on, the last of them from there on only: how many,
 * and 0 when one of them is gone. */
static uint32_t memtables_since(const struct lk_snapshot *now, uint64_t through, uint64_t *bytes)
{
    const struct lk_version *version = now->version;
    *bytes = 0;
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        const struct lk_segment *segment = version->memtables[i]->segment;
        *bytes += atomic_load_explicit(&segment->end, memory_order_acquire);
        if (segment->number <= lk_lsn_number(through))
            return segment->number == lk_lsn_number(through) ? i + 1 : 0;
    }
    return 0;
}

static int logs_touch(struct lk_db *db, const struct lk_conflict *conflict, const struct lk_snapshot *now,
                      uint32_t memtables)
{
    const struct lk_reads *reads = conflict->reads;
    int slot = lk_read_enter(db), changed = 0; /* lists of range deletes are replaced at any time */
    for (uint32_t i = 0; !changed && i < memtables; i++) {
        const struct lk_memtable *memtable = now->version->memtables[i];
        uint64_t end = atomic_load_explicit(&memtable->segment->end, memory_order_acquire);
        uint64_t from = i + 1 == memtables ? lk_lsn_offset(conflict->through) : LK_FILE_HEAD;
        uint64_t to = i == 0 && now->limit < end ? now->limit : end;
        if (from >= to)
            continue;
        if (reads->ranges.count == 0)
            changed = keys_changed(reads, memtable, from, to);
        else
            changed = frames_touch(reads, memtable, from, to) || keys_covered(reads, memtable, from, to);
    }
    lk_epoch_leave(&db->epochs, slot);
    return changed;
}

/* ---- by comparing ------------------------------------------------------------------------------ */

/* One of two scans side by side. */
struct side {
    struct lk_scan *scan; /* owned */
    struct lsmkv_pair pairs[CHUNK];
    size_t at, count;
};

/* The next pair: 0, NOTFOUND, or a failure. */
static int next(struct side *side, struct lsmkv_pair *pair)
{
    if (side->at == side->count) {
        lk_scan_end(side->scan);
        side->at = side->count = 0;
        int rc = lk_scan_begin(side->scan, 1, CHUNK, CHUNK_BYTES, side->pairs, &side->count);
        if (rc != 0)
            return rc;
    }
    *pair = side->pairs[side->at++];
    return 0;
}

static int equal(const struct lsmkv_slice *a, const struct lsmkv_slice *b)
{
    return lk_equal(lk_slice(a->data, a->size), lk_slice(b->data, b->size));
}

/* 0, CONFLICT, or a failure. */
static int compare_range(struct lk_db *db, const struct lk_interval *interval, const struct lk_snapshot *then,
                         const struct lk_snapshot *now)
{
    struct lsmkv_range range = {.start = {interval->start.at, interval->start.len},
                                .stop = {interval->stop.at, interval->stop.len},
                                .has_start = 1,
                                .has_stop = !interval->open_end};
    struct side a = {0}, b = {0};
    struct lsmkv_pair left, right;
    int rc = lk_scan_new(db, then, &range, &a.scan);
    if (rc == 0)
        rc = lk_scan_new(db, now, &range, &b.scan);
    while (rc == 0) {
        int other;
        rc = next(&a, &left);
        if (rc < 0)
            break;
        other = next(&b, &right);
        if (other < 0)
            rc = other;
        else if (rc != other || (rc == 0 && (!equal(&left.key, &right.key) || !equal(&left.value, &right.value))))
            rc = LSMKV_CONFLICT;
    }
    lk_scan_free(a.scan);
    lk_scan_free(b.scan);
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}

static int compare(struct lk_db *db, const struct lk_conflict *conflict, const struct lk_snapshot *now)
{
    const struct lk_reads *reads = conflict->reads;
    struct lk_slice key;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < reads->slot_count; i++) {
        if (!lk_reads_at(reads, i, &key))
            continue;
        int same = lk_read_same(db, conflict->base, now, key);
        rc = same < 0 ? same : same ? 0 : LSMKV_CONFLICT;
    }
    for (uint32_t i = 0; rc == 0 && i < reads->ranges.count; i++)
        rc = compare_range(db, &reads->ranges.at[i], conflict->base, now);
    return rc;
}

int lk_conflict_resolve(struct lk_db *db, struct lk_conflict *conflict)
{
    struct lk_snapshot now;
    uint64_t bytes;
    int rc = lk_snapshot_take(db, &now);
    if (rc < 0)
        return rc;
    now.wall_ns = conflict->base->wall_ns; /* what has only expired meanwhile nobody has changed */
    uint32_t memtables = memtables_since(&now, conflict->through, &bytes);
    if (memtables && (conflict->reads->ranges.count == 0 || bytes <= MANY_BYTES))
        rc = logs_touch(db, conflict, &now, memtables) ? LSMKV_CONFLICT : 0;
    else
        rc = compare(db, conflict, &now);
    if (rc == 0)
        conflict->through = now.lsn;
    lk_snapshot_drop(&now);
    return rc;
}
