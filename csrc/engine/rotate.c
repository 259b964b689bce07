/* rotate: spare, start, swap. */
#include "engine/rotate.h"

#include "engine/stall.h"
#include "engine/wake.h"
#include "store/view.h"
#include "util/alloc.h"

enum {
    FIRST_SEGMENT = 1024 * 1024,
    GROWTH = 4,
    RECORD_LEAST = 32,
    RECORD_GUESS = 96,
    SEALED_MAX = 14,
    SEALED_SPARE = 3,
    SMALL_SEGMENT = 4096,
    KEYS_MAX = 512 * 1024 /* of an ordinary segment: bounds its index, whatever the size of records */
};

int lk_rotate_l0_is_full(const struct lk_db *db, const struct lk_version *version)
{
    uint64_t bytes = 0, index = 0, most = (db->options.l0_segments + SEALED_SPARE) * db->options.segment_bytes;
    for (uint32_t i = 1; i < version->memtable_count; i++) {
        bytes += atomic_load_explicit(&version->memtables[i]->segment->end, memory_order_relaxed);
        index += lk_memtable_index_bytes(version->memtables[i]);
    }
    return version->memtable_count > SEALED_MAX || bytes >= most || index >= LK_L0_INDEX_MAX;
}

static uint64_t ordinary_bytes(const struct lk_db *db)
{
    uint64_t first = db->options.segment_bytes < FIRST_SEGMENT ? db->options.segment_bytes : FIRST_SEGMENT;
    return db->segment_bytes_next ? db->segment_bytes_next : first;
}

/* Capacity that holds one frame of `body_bytes` with its records aligned to the shift that follows from it. */
static uint64_t capacity_for(const struct lk_db *db, uint64_t body_bytes, uint32_t keys)
{
    uint64_t need = LK_FILE_HEAD + 64 + lk_frame_bytes(body_bytes), ordinary = ordinary_bytes(db);
    if (need <= ordinary)
        return ordinary;
    for (int i = 0; i < 3; i++) {
        uint64_t unit = (uint64_t)1 << lk_segment_shift(need);
        need = LK_FILE_HEAD + 64 + lk_frame_bytes(body_bytes + (unit - 1) * ((uint64_t)keys + 1));
    }
    return (need + 4095) & ~(uint64_t)4095;
}

int lk_rotate_possible(struct lk_db *db, uint64_t body_bytes, uint32_t keys)
{
    lk_mutex_lock(&db->write_mutex);
    uint64_t capacity = capacity_for(db, body_bytes, keys);
    lk_mutex_unlock(&db->write_mutex);
    uint64_t unit = (uint64_t)1 << lk_segment_shift(capacity);
    return capacity <= UINT32_MAX - 4096 && body_bytes + (unit - 1) * keys <= LK_FRAME_BODY_MAX;
}

static uint32_t keys_for(const struct lk_db *db, uint64_t capacity, uint32_t keys)
{
    uint32_t average = db->record_bytes_average ? db->record_bytes_average : RECORD_GUESS;
    uint64_t expected = capacity / (average < RECORD_LEAST ? RECORD_LEAST : average);
    expected = expected < KEYS_MAX ? expected : KEYS_MAX;
    uint64_t least = (uint64_t)keys * (db->batch_keys_factor ? db->batch_keys_factor : 1) + 1;
    expected = expected < least ? least : expected;
    return expected > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)expected;
}

/* A new segment with a durable name. */
static int make(struct lk_db *db, uint64_t capacity, struct lk_segment **out)
{
    uint32_t number = atomic_fetch_add(&db->number_next, 1);
    int rc = lk_segment_create(db->env, db->dir, number, capacity, db->segment_kind, db->options.mode & 0666, out);
    if (rc == 0 && db->segment_kind != LK_SEGMENT_NONE)
        rc = lk_io_dir_sync(db->env, db->dir);
    if (rc < 0 && *out) {
        atomic_store(&(*out)->obsolete, 1);
        lk_segment_free(*out);
        *out = NULL;
    }
    return rc;
}

int lk_rotate_prepare(struct lk_db *db)
{
    lk_mutex_lock(&db->write_mutex);
    uint64_t capacity = ordinary_bytes(db);
    lk_mutex_unlock(&db->write_mutex);
    lk_mutex_lock(&db->state_mutex);
    int have = db->spare != NULL;
    lk_mutex_unlock(&db->state_mutex);
    if (have || db->segment_kind == LK_SEGMENT_NONE)
        return 0;
    struct lk_segment *spare = NULL;
    int rc = make(db, capacity, &spare);
    if (rc == 0 && spare->kind == LK_SEGMENT_MAPPED)
        rc = lk_segment_prefault(spare, spare->capacity);
    if (rc < 0) {
        if (spare)
            atomic_store(&spare->obsolete, 1);
        lk_segment_free(spare);
        return rc;
    }
    lk_mutex_lock(&db->state_mutex);
    db->spare = spare;
    lk_mutex_unlock(&db->state_mutex);
    return 0;
}

/* The spare when it is large enough, else a new one. */
static int take_segment(struct lk_db *db, uint64_t body_bytes, uint32_t keys, struct lk_segment **out)
{
    uint64_t capacity = capacity_for(db, body_bytes, keys);
    lk_mutex_lock(&db->state_mutex);
    struct lk_segment *spare = db->spare;
    if (spare && db->active && spare->number < db->active->segment->number) {
        /* A writer was faster than the keeper: numbers follow the order of use, so this one is void. */
        atomic_store(&spare->obsolete, 1);
        lk_segment_free(spare);
        spare = db->spare = NULL;
    }
    if (spare && spare->capacity >= LK_FILE_HEAD + 64 + lk_frame_bytes(body_bytes) &&
        capacity <= db->options.segment_bytes)
        db->spare = NULL;
    else
        spare = NULL;
    lk_mutex_unlock(&db->state_mutex);
    *out = spare;
    if (spare)
        return 0;
    uint64_t began = lk_stall_now(db);
    int rc = make(db, capacity, out);
    while (rc == LSMKV_FULL && capacity / GROWTH >= SMALL_SEGMENT &&
           capacity / GROWTH > lk_frame_bytes(body_bytes) + SMALL_SEGMENT / 2) {
        capacity /= GROWTH; /* little space is left: what fits into it may still be written */
        rc = make(db, capacity, out);
    }
    if (db->active && db->segment_kind != LK_SEGMENT_NONE)
        lk_stall_count(db, LK_STALL_segment, began);
    return rc;
}

static int prefault(struct lk_db *db, struct lk_segment *segment)
{
    uint64_t began = lk_stall_now(db);
    int rc = lk_segment_prefault(segment, LK_PREFAULT_AHEAD);
    if (db->active)
        lk_stall_count(db, LK_STALL_prefault, began);
    return rc;
}

static int start(struct lk_db *db, uint64_t body_bytes, uint32_t keys, uint32_t prev, uint32_t prev_end,
                 struct lk_memtable **out)
{
    struct lk_segment *segment = NULL;
    int rc = take_segment(db, body_bytes, keys, &segment);
    if (rc == 0 && segment->kind == LK_SEGMENT_MAPPED && atomic_load(&segment->ready) < LK_FILE_HEAD)
        rc = prefault(db, segment);
    if (rc == 0)
        rc = lk_segment_start(segment, db->store, prev, prev_end);
    if (rc < 0) {
        if (segment)
            atomic_store(&segment->obsolete, 1);
        lk_segment_free(segment);
        return rc;
    }
    /* Its head is written: should it not be used after all, the file must go, or replay would follow it. */
    atomic_store(&segment->obsolete, 1);
    rc = lk_memtable_new(segment, db->seed, keys_for(db, segment->capacity, keys), &db->epochs, out);
    if (rc == 0)
        atomic_store(&segment->obsolete, 0);
    return rc;
}

int lk_rotate_first(struct lk_db *db, uint32_t prev, uint32_t prev_end, struct lk_memtable **out)
{
    return start(db, 0, 1, prev, prev_end, out);
}

/* Remember what the sealed segment taught: how large records are, and that more room is wanted. */
static void learn(struct lk_db *db, const struct lk_memtable *sealed)
{
    uint64_t records = atomic_load_explicit(&sealed->records, memory_order_relaxed);
    uint64_t end = atomic_load_explicit(&sealed->segment->end, memory_order_relaxed);
    if (records > 16)
        db->record_bytes_average = (uint32_t)((end - LK_FILE_HEAD) / records);
    uint64_t next = ordinary_bytes(db) * GROWTH;
    db->segment_bytes_next = next < db->options.segment_bytes ? next : db->options.segment_bytes;
}

static int swap(struct lk_db *db, struct lk_memtable *fresh)
{
    struct lk_version *old = atomic_load(&db->version);
    struct lk_memtable **list = lk_alloc((old->memtable_count + 1) * sizeof *list);
    struct lk_version *made = NULL;
    if (list) {
        list[0] = fresh;
        for (uint32_t i = 0; i < old->memtable_count; i++)
            list[i + 1] = old->memtables[i];
        made = lk_version_new(list, old->memtable_count + 1, old->runs, old->run_count);
    }
    lk_free(list);
    if (!made)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a log segment was sealed");
    if (old->view) {
        lk_view_ref(old->view);
        made->view = old->view;
        made->view_from = old->view_from + 1;
    }
    atomic_store_explicit(&db->active->sealed, 1, memory_order_release);
    atomic_store_explicit(&db->version, made, memory_order_release);
    db->active = fresh;
    db->lsn_appended = lk_lsn(fresh->segment->number, LK_FILE_HEAD);
    atomic_store_explicit(&db->lsn_visible, db->lsn_appended, memory_order_release);
    lk_epoch_retire(&db->epochs, old, lk_version_release);
    return 0;
}

int lk_rotate(struct lk_db *db, uint64_t body_bytes, uint32_t keys)
{
    struct lk_segment *old = db->active->segment;
    struct lk_memtable *fresh = NULL;
    uint32_t end = (uint32_t)atomic_load_explicit(&old->end, memory_order_relaxed);
    if (atomic_load_explicit(&db->lsn_visible, memory_order_relaxed) != db->lsn_appended)
        return LSMKV_WOULDBLOCK;
    if (lk_rotate_l0_is_full(db, atomic_load(&db->version)))
        return LSMKV_NOTFOUND;
    int rc = start(db, body_bytes, keys, old->number, end, &fresh);
    if (rc < 0)
        return rc;
    struct lk_memtable *sealed = db->active;
    if (db->segment_kind != LK_SEGMENT_NONE)
        lk_env_note(db->env, LK_NOTE_SEGMENT_NEW, fresh->segment->number, old->number);
    rc = swap(db, fresh);
    if (rc < 0)
        atomic_store(&fresh->segment->obsolete, 1);
    else
        learn(db, sealed);
    atomic_store_explicit(&db->scans_since_seal, 0, memory_order_relaxed);
    lk_memtable_unref(fresh); /* the version holds it now */
    db->rotated = 1;
    return rc;
}

void lk_rotate_unlock(struct lk_db *db)
{
    int rotated = db->rotated;
    db->rotated = 0;
    lk_mutex_unlock(&db->write_mutex);
    if (rotated)
        lk_wake(db);
}
