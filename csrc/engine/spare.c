/* spare: made by the keeper, taken by a writer. See engine/spare.h. */
#include "engine/spare.h"

#include "engine/install.h"
#include "engine/rotate.h"
#include "engine/stall.h"

enum {
    STEP = 1 << 20,  /* bytes prefaulted at once */
    AHEAD = 16 << 20 /* of the active segment: before anything else */
};

void lk_spare_drop(struct lk_memtable *memtable)
{
    if (!memtable)
        return;
    atomic_store(&memtable->segment->obsolete, 1);
    lk_memtable_unref(memtable);
}

/* ---- the keeper -------------------------------------------------------------------------------- */

/* Prefault some of [ready, limit). 0, NOTFOUND: it is all ready, or a failure. */
static int prefault(struct lk_segment *segment, uint64_t limit)
{
    uint64_t ready = atomic_load_explicit(&segment->ready, memory_order_relaxed);
    limit = limit < segment->capacity ? limit : segment->capacity;
    if (segment->kind != LK_SEGMENT_MAPPED || ready >= limit)
        return LSMKV_NOTFOUND;
    return lk_segment_prefault(segment, ready + STEP < limit ? ready + STEP : limit);
}

static int make(struct lk_db *db)
{
    struct lk_memtable *made = NULL;
    struct lk_rotate_size size = lk_rotate_size(db);
    lk_mutex_lock(&db->state_mutex);
    db->spare_making = 1;
    lk_mutex_unlock(&db->state_mutex);
    int rc = lk_rotate_make(db, size, &made);
    lk_mutex_lock(&db->state_mutex);
    db->spare = made;
    db->spare_making = 0;
    lk_cond_wake_all(&db->state_changed);
    lk_mutex_unlock(&db->state_mutex);
    return rc;
}

/* A reference to the spare; NULL: there is none. */
static struct lk_memtable *share(struct lk_db *db)
{
    lk_mutex_lock(&db->state_mutex);
    struct lk_memtable *spare = db->spare;
    if (spare)
        lk_memtable_ref(spare);
    lk_mutex_unlock(&db->state_mutex);
    return spare;
}

int lk_spare_step(struct lk_db *db)
{
    if (db->segment_kind == LK_SEGMENT_NONE)
        return LSMKV_NOTFOUND;
    struct lk_version *version = lk_install_present(db);
    struct lk_segment *active = version->memtables[0]->segment;
    struct lk_memtable *spare = share(db);
    int rc = prefault(active, atomic_load_explicit(&active->end, memory_order_relaxed) + AHEAD);
    if (rc == LSMKV_NOTFOUND && !spare)
        rc = make(db);
    else if (rc == LSMKV_NOTFOUND)
        rc = prefault(active, UINT64_MAX);
    if (rc == LSMKV_NOTFOUND && spare)
        rc = prefault(spare->segment, UINT64_MAX);
    lk_memtable_unref(spare);
    lk_version_unref(version);
    return rc;
}

/* ---- the writer -------------------------------------------------------------------------------- */

struct lk_memtable *lk_spare_take(struct lk_db *db, uint64_t capacity, uint32_t keys)
{
    uint64_t began = 0;
    lk_mutex_lock(&db->state_mutex);
    while (db->spare_making) {
        began = began ? began : lk_stall_now(db);
        lk_cond_wait(&db->state_changed, &db->state_mutex);
    }
    struct lk_memtable *spare = db->spare;
    db->spare = NULL;
    lk_mutex_unlock(&db->state_mutex);
    if (began)
        lk_stall_count(db, LK_STALL_segment, began);
    int late = spare && db->active && spare->segment->number < db->active->segment->number;
    if (!spare || (!late && spare->segment->capacity >= capacity && spare->key_cap >= keys))
        return spare;
    lk_spare_drop(db->void_spare);
    db->void_spare = spare;
    return NULL;
}
