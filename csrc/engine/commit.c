/* commit: group commit and visibility. */
#include "engine/commit.h"

#include "engine/install.h"

enum { PAGE = 4096 };

void lk_commit_publish(struct lk_db *db)
{
    uint64_t durable = atomic_load_explicit(&db->lsn_durable, memory_order_acquire);
    uint64_t visible = atomic_load_explicit(&db->lsn_visible, memory_order_relaxed);
    uint64_t may = db->lsn_sync_wanted <= durable ? db->lsn_appended : durable;
    if (db->lsn_sync_wanted <= visible)
        may = db->lsn_appended;
    if (may > visible)
        atomic_store_explicit(&db->lsn_visible, may, memory_order_release);
}

uint64_t lk_commit_appended(struct lk_db *db)
{
    lk_mutex_lock(&db->write_mutex);
    uint64_t lsn = db->lsn_appended;
    lk_mutex_unlock(&db->write_mutex);
    return lsn;
}

uint64_t lk_commit_pending(struct lk_db *db)
{
    lk_mutex_lock(&db->write_mutex);
    uint64_t lsn = db->lsn_appended;
    if (lk_lsn_offset(lsn) == LK_FILE_HEAD && atomic_load(&db->version)->memtable_count == 1)
        lsn = 0;
    lk_mutex_unlock(&db->write_mutex);
    return lsn;
}

int lk_commit_failed(struct lk_db *db)
{
    int status = atomic_load_explicit(&db->failed, memory_order_acquire);
    if (status == 0)
        return 0;
    lk_mutex_lock(&db->sync_mutex);
    *lk_error() = db->failure;
    lk_mutex_unlock(&db->sync_mutex);
    return lk_fail(LSMKV_FAILED,
                   "an earlier sync failed (%.300s): what was committed can be read, nothing more can be "
                   "written; close the store, see to the disk, and open it again",
                   lk_error()->text);
}

/* Sync the values that frames name, then every segment of the present version, oldest first, up to what was appended.
 * Pins the version. */
static int sync_segments(struct lk_db *db, uint64_t *through)
{
    lk_mutex_lock(&db->write_mutex);
    struct lk_version *version = atomic_load(&db->version);
    lk_version_ref(version);
    *through = db->lsn_appended;
    lk_mutex_unlock(&db->write_mutex);
    int rc = lk_values_sync(&db->values);
    for (uint32_t i = version->memtable_count; rc == 0 && i-- > 0;) {
        struct lk_segment *segment = version->memtables[i]->segment;
        uint64_t end =
            segment->number == lk_lsn_number(*through) ? lk_lsn_offset(*through) : atomic_load(&segment->end);
        rc = lk_segment_sync(segment, end);
    }
    lk_version_unref(version);
    atomic_fetch_add_explicit(&db->counters.syncs, 1, memory_order_relaxed);
    return rc;
}

/* Sync the oldest `most` bytes of what is not durable, if there are so many, or a sealed segment's last ones. Whole
 * pages: a page that is still written to would have to fault again. 0; NOTFOUND: there is less. Pins the version. */
static int sync_some(struct lk_db *db, uint64_t most)
{
    struct lk_version *version = lk_install_present(db);
    int rc = LSMKV_NOTFOUND;
    for (uint32_t i = version->memtable_count; rc == LSMKV_NOTFOUND && i-- > 0;) {
        struct lk_segment *segment = version->memtables[i]->segment;
        uint64_t from = atomic_load(&segment->synced), end = atomic_load(&segment->end);
        uint64_t part = (from & ~(uint64_t)(PAGE - 1)) + most;
        if (segment->kind != LK_SEGMENT_MAPPED || from >= end || (i == 0 && part > end))
            continue;
        rc = lk_segment_sync(segment, part < end ? part : end);
    }
    lk_version_unref(version);
    return rc;
}

/* The end of a sync that has made everything up to `through` durable, or nothing in particular (0). */
static void conclude(struct lk_db *db, int rc, uint64_t through)
{
    lk_mutex_lock(&db->write_mutex);
    lk_mutex_lock(&db->sync_mutex);
    if (rc == 0) {
        if (through > atomic_load(&db->lsn_durable))
            atomic_store_explicit(&db->lsn_durable, through, memory_order_release);
        lk_commit_publish(db);
    } else if (!atomic_load(&db->failed)) {
        db->failure = *lk_error();
        atomic_store_explicit(&db->failed, rc, memory_order_release);
    }
    db->syncing = 0;
    lk_cond_wake_all(&db->sync_done);
    lk_mutex_unlock(&db->sync_mutex);
    lk_mutex_unlock(&db->write_mutex);
}

/* The leader's part: called with sync_mutex held and `syncing` clear, returns so. */
static void lead(struct lk_db *db)
{
    uint64_t through = 0;
    db->syncing = 1;
    lk_mutex_unlock(&db->sync_mutex);
    int rc = sync_segments(db, &through);
    conclude(db, rc, through);
    lk_mutex_lock(&db->sync_mutex);
}

int lk_commit_ahead(struct lk_db *db, uint64_t most)
{
    lk_mutex_lock(&db->sync_mutex);
    int busy = db->syncing || atomic_load(&db->failed);
    db->syncing |= !busy;
    lk_mutex_unlock(&db->sync_mutex);
    if (busy)
        return LSMKV_NOTFOUND;
    int rc = sync_some(db, most);
    conclude(db, rc < 0 ? rc : 0, 0);
    return rc;
}

/* Until *position >= lsn. */
static int wait_for(struct lk_db *db, _Atomic uint64_t *position, uint64_t lsn)
{
    lk_mutex_lock(&db->sync_mutex);
    while (atomic_load_explicit(position, memory_order_acquire) < lsn && !atomic_load(&db->failed)) {
        if (db->syncing)
            lk_cond_wait(&db->sync_done, &db->sync_mutex);
        else
            lead(db);
    }
    int done = atomic_load_explicit(position, memory_order_acquire) >= lsn;
    lk_mutex_unlock(&db->sync_mutex);
    return done ? 0 : lk_commit_failed(db);
}

int lk_commit_through(struct lk_db *db, uint64_t lsn)
{
    int rc = wait_for(db, &db->lsn_durable, lsn);
    if (rc == 0)
        lk_env_note(db->env, LK_NOTE_ACK_SYNCED, lsn, 0);
    return rc;
}

int lk_commit_visible(struct lk_db *db, uint64_t lsn)
{
    if (atomic_load_explicit(&db->lsn_visible, memory_order_acquire) >= lsn)
        return 0;
    return wait_for(db, &db->lsn_visible, lsn);
}
