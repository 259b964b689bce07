/* rotate: take, start, swap. */
#include "engine/rotate.h"

#include "engine/pace.h"
#include "engine/spare.h"
#include "engine/stall.h"
#include "engine/wake.h"
#include "store/view.h"
#include "util/alloc.h"

enum {
    FIRST_SEGMENT = 256 * 1024,
    GROWTH = 4,
    RECORD_LEAST = 32,
    RECORD_GUESS = 96,
    SMALL_SEGMENT = 4096,
    PREFAULT_FIRST = 64 * 1024, /* of a segment that no keeper had seen */
    ROOM_FOR_SMALLER = 4 /* of a capacity that follows from the average record: a quarter more */
};

/* Of an ordinary segment: its index keeps within its part of the budget, whatever the size of records. */
static uint64_t keys_most(const struct lk_db *db)
{
    return db->budget.segment / LK_MEMTABLE_KEY_BYTES;
}

static uint64_t first_bytes(const struct lk_db *db)
{
    return db->segment_most < FIRST_SEGMENT ? db->segment_most : FIRST_SEGMENT;
}

static uint64_t ordinary_bytes(const struct lk_db *db)
{
    return db->segment_bytes_next ? db->segment_bytes_next : first_bytes(db);
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
    expected = expected < keys_most(db) ? expected : keys_most(db);
    uint64_t least = (uint64_t)keys * (db->batch_keys_factor ? db->batch_keys_factor : 1) + 1;
    expected = expected < least ? least : expected;
    return expected > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)expected;
}

struct lk_rotate_size lk_rotate_size(struct lk_db *db)
{
    lk_mutex_lock(&db->write_mutex);
    uint64_t capacity = ordinary_bytes(db);
    struct lk_rotate_size size = {capacity, keys_for(db, capacity, 1)};
    lk_mutex_unlock(&db->write_mutex);
    return size;
}

int lk_rotate_make(struct lk_db *db, struct lk_rotate_size size, struct lk_memtable **out)
{
    uint32_t number = atomic_fetch_add(&db->number_next, 1);
    struct lk_segment *segment = NULL;
    *out = NULL;
    int rc =
        lk_segment_create(db->env, db->dir, number, size.capacity, db->segment_kind, db->options.mode & 0666, &segment);
    if (rc < 0)
        return rc;
    atomic_store(&segment->obsolete, 1); /* should it come no further, the file goes with it */
    if (db->segment_kind != LK_SEGMENT_NONE)
        rc = lk_io_dir_sync(db->env, db->dir);
    if (rc < 0) {
        lk_segment_free(segment);
        return rc;
    }
    rc = lk_memtable_new(segment, db->seed, size.keys, &db->epochs, out);
    if (rc == 0)
        atomic_store(&segment->obsolete, 0);
    return rc;
}

/* The spare when it is large enough, else a new one. */
static int take(struct lk_db *db, uint64_t body_bytes, uint32_t keys, struct lk_memtable **out)
{
    struct lk_rotate_size size = {capacity_for(db, body_bytes, keys), 0};
    size.keys = keys_for(db, size.capacity, keys);
    uint64_t least = LK_FILE_HEAD + 64 + lk_frame_bytes(body_bytes), lines = (uint64_t)keys * db->batch_keys_factor;
    *out = size.capacity > db->segment_most
               ? lk_spare_take(db, UINT64_MAX, 0) /* none is so large, and those there are will be too old */
               : lk_spare_take(db, least, (uint32_t)(lines > keys ? lines : keys));
    if (*out)
        return 0;
    uint64_t began = lk_stall_now(db);
    int rc = lk_rotate_make(db, size, out);
    while (rc == LSMKV_FULL && size.capacity / GROWTH >= SMALL_SEGMENT &&
           size.capacity / GROWTH > lk_frame_bytes(body_bytes) + SMALL_SEGMENT / 2) {
        size.capacity /= GROWTH; /* little space is left: what fits into it may still be written */
        size.keys = keys_for(db, size.capacity, keys);
        rc = lk_rotate_make(db, size, out);
    }
    if (db->active && db->segment_kind != LK_SEGMENT_NONE)
        lk_stall_count(db, LK_STALL_segment, began);
    return rc;
}

/* The first pages, if the keeper has not got to them. */
static int prefault(struct lk_db *db, struct lk_segment *segment)
{
    if (segment->kind != LK_SEGMENT_MAPPED || atomic_load(&segment->ready) >= PREFAULT_FIRST)
        return 0;
    uint64_t began = lk_stall_now(db);
    int rc = lk_segment_prefault(segment, PREFAULT_FIRST);
    if (db->active)
        lk_stall_count(db, LK_STALL_prefault, began);
    return rc;
}

static int start(struct lk_db *db, uint64_t body_bytes, uint32_t keys, uint32_t prev, uint32_t prev_end,
                 struct lk_memtable **out)
{
    int rc = take(db, body_bytes, keys, out);
    if (rc == 0)
        rc = prefault(db, (*out)->segment);
    if (rc == 0)
        rc = lk_segment_start((*out)->segment, db->store, prev, prev_end);
    if (rc < 0) { /* its head may be written: the file must go, or replay would follow it */
        struct lsmkv_error saved = *lk_error();
        lk_spare_drop(*out);
        *out = NULL;
        lk_error_restore(&saved);
    }
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
    uint64_t next = ordinary_bytes(db) * GROWTH, most = keys_most(db) * db->record_bytes_average,
             values = atomic_load_explicit(&sealed->value_bytes, memory_order_relaxed);
    most = (most + most / ROOM_FOR_SMALLER + 4095) & ~(uint64_t)4095; /* more would be prefaulted and never written */
    if (db->record_bytes_average && next > most)
        next = most > FIRST_SEGMENT ? most : FIRST_SEGMENT;
    if (values > end) /* it was sealed for what it refers to: the room behind its end was never wanted */
        next = end * GROWTH > FIRST_SEGMENT ? end * GROWTH : FIRST_SEGMENT;
    db->segment_bytes_next = next < db->segment_most ? next : db->segment_most;
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
        made = lk_version_new(list, old->memtable_count + 1, old->runs, old->run_count, old->installs);
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
    struct lk_l0 l0 = lk_pace_l0(db, atomic_load(&db->version));
    if (lk_pace_l0_is_full(&db->options, &l0))
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

int lk_rotate_small(struct lk_db *db, uint64_t stored)
{
    int rc = LSMKV_NOTFOUND;
    lk_mutex_lock(&db->write_mutex);
    const struct lk_segment *active = db->active->segment;
    if (active->kind != LK_SEGMENT_NONE && active->capacity > first_bytes(db) && stored < active->capacity &&
        atomic_load(&active->end) == LK_FILE_HEAD) {
        db->segment_bytes_next = first_bytes(db);
        (void)lk_spare_take(db, UINT64_MAX, 0); /* it is as large: it goes */
        rc = lk_rotate(db, 0, 1);
        if (rc == 0)
            db->segment_bytes_next = first_bytes(db); /* an empty one taught nothing */
    }
    lk_rotate_unlock(db);
    return rc;
}

void lk_rotate_unlock(struct lk_db *db)
{
    int rotated = db->rotated;
    struct lk_memtable *late = db->void_spare;
    db->rotated = 0;
    db->void_spare = NULL;
    lk_mutex_unlock(&db->write_mutex);
    if (rotated)
        lk_wake(db);
    lk_spare_drop(late);
}
