/* lsmkv: the lobby. Checks arguments and the handle, calls the engine, nothing else. */
#include "include/lsmkv.h"

#include <string.h>

#include "engine/background.h"
#include "engine/commit.h"
#include "engine/compact.h"
#include "engine/engine.h"
#include "engine/handle.h"
#include "engine/inspect.h"
#include "engine/open.h"
#include "engine/scan.h"
#include "engine/wake.h"
#include "engine/write.h"
#include "util/alloc.h"
#include "util/checksum.h"

struct lsmkv_snapshot {
    struct lsmkv *handle; /* shared */
    struct lk_snapshot at;
};

struct lsmkv_iter {
    struct lsmkv *handle; /* shared */
    struct lk_scan *scan; /* owned */
    _Atomic int busy;     /* a thread is between begin and end */
};

struct lsmkv_batch {
    struct lk_batch records;
};

/* ---- options, open ------------------------------------------------------------------------- */

void lsmkv_options_init(struct lsmkv_options *options)
{
    *options = (struct lsmkv_options){.struct_bytes = sizeof *options,
                                      .flags = LSMKV_OPEN_CREATE,
                                      .durability = LSMKV_SYNC_INTERVAL,
                                      .sync_interval_ms = 1000,
                                      .threads = 2,
                                      .segment_bytes = 32u << 20,
                                      .table_bytes = 64u << 20,
                                      .page_bytes = 2048,
                                      .l0_segments = 3,
                                      .run_count = 4,
                                      .cache_bytes = 32u << 20,
                                      .mode = 0700};
}

int lsmkv_open(const char *path, const struct lsmkv_options *options, lsmkv **out)
{
    return lk_open_in(lk_env_posix(), path, options, out);
}

void lsmkv_release(lsmkv *db)
{
    if (!db)
        return;
    if (db->db->fork_generation == lk_fork_generation && !lsmkv_is_closed(db))
        (void)lsmkv_close(db);
    lk_handle_unref(db);
}

int lsmkv_is_closed(const lsmkv *db)
{
    return atomic_load(&db->state) != LK_HANDLE_OPEN;
}

void lsmkv_get_options(const lsmkv *db, struct lsmkv_options *out)
{
    *out = db->db->options;
}

int lsmkv_destroy(const char *path)
{
    return lk_destroy(lk_env_posix(), path);
}

/* ---- arguments ------------------------------------------------------------------------------ */

static int check_sizes(size_t key_bytes, size_t value_bytes)
{
    if (key_bytes > LSMKV_KEY_MAX)
        return lk_fail(LSMKV_INVALID, "the key has %zu bytes; at most %u are possible", key_bytes, LSMKV_KEY_MAX);
    if (value_bytes > LSMKV_VALUE_MAX)
        return lk_fail(LSMKV_INVALID, "the value has %zu bytes; at most %u are possible", value_bytes, LSMKV_VALUE_MAX);
    return 0;
}

static int check_writable(const lsmkv *db)
{
    return db->readonly
               ? lk_fail(LSMKV_READONLY, "the store was opened for reading only: open it with flag=\"w\" to write")
               : 0;
}

static int syncs(const lsmkv *db, int sync)
{
    return sync < 0 ? db->db->options.durability == LSMKV_SYNC_ALWAYS : sync;
}

static struct lk_record put_of(const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    return (struct lk_record){.key = lk_slice(key, key_bytes), .value = lk_slice(value, value_bytes), .flags = LK_PUT};
}

static int range_of(const struct lsmkv_slice *start, const struct lsmkv_slice *stop, struct lk_record *out)
{
    *out = (struct lk_record){.flags = LK_RANGE_DELETE};
    out->key = start ? lk_slice(start->data, start->size) : lk_slice("", 0);
    if (stop)
        out->value = lk_slice(stop->data, stop->size);
    else
        out->flags |= LK_RECORD_OPEN_END;
    int rc = check_sizes(out->key.len, 0);
    return rc == 0 && stop ? check_sizes(stop->size, 0) : rc;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Beyond this a copy takes longer than the interpreter lock should be held. */
enum { COPY_MAX = 64 * 1024 };

static int try_record(lsmkv *db, struct lk_record *record, int sync, uint64_t *lsn)
{
    int rc = check_sizes(record->key.len, record->value.len);
    if (rc == 0)
        rc = check_writable(db);
    if (rc != 0)
        return rc;
    if (syncs(db, sync) || record->value.len > COPY_MAX)
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    rc = lk_write_try(db->db, record, lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

static int wait_record(lsmkv *db, struct lk_record *record, int sync, uint64_t *lsn)
{
    int rc = check_sizes(record->key.len, record->value.len);
    if (rc == 0)
        rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = check_writable(db);
    if (rc == 0)
        rc = lk_write(db->db, record, syncs(db, sync), lsn);
    lk_handle_leave(db);
    return rc;
}

int lsmkv_try_put(lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes, int sync,
                  uint64_t *lsn)
{
    struct lk_record record = put_of(key, key_bytes, value, value_bytes);
    return try_record(db, &record, sync, lsn);
}

int lsmkv_put(lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes, int sync,
              uint64_t *lsn)
{
    struct lk_record record = put_of(key, key_bytes, value, value_bytes);
    return wait_record(db, &record, sync, lsn);
}

int lsmkv_try_delete(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    return try_record(db, &record, sync, lsn);
}

int lsmkv_delete(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    return wait_record(db, &record, sync, lsn);
}

int lsmkv_try_remove(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    int rc = check_sizes(key_bytes, 0);
    if (rc == 0)
        rc = check_writable(db);
    if (rc != 0)
        return rc;
    if (syncs(db, sync))
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    rc = lk_write_remove_try(db->db, lk_slice(key, key_bytes), lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

int lsmkv_remove(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    int rc = check_sizes(key_bytes, 0);
    if (rc == 0)
        rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = check_writable(db);
    if (rc == 0)
        rc = lk_write_remove(db->db, lk_slice(key, key_bytes), syncs(db, sync), lsn);
    lk_handle_leave(db);
    return rc;
}

static int empty_range(const struct lk_record *record)
{
    return !(record->flags & LK_RECORD_OPEN_END) && lk_compare(record->key, record->value) >= 0;
}

int lsmkv_delete_range(lsmkv *db, const struct lsmkv_slice *start, const struct lsmkv_slice *stop, int sync,
                       uint64_t *lsn)
{
    struct lk_record record;
    struct lk_batch batch = {0};
    int rc = range_of(start, stop, &record);
    if (rc == 0)
        rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = check_writable(db);
    if (rc == 0 && lsn)
        *lsn = lk_commit_appended(db->db);
    if (rc == 0 && !empty_range(&record)) {
        rc = lk_batch_add(&batch, &record);
        if (rc == 0)
            rc = lk_write_batch(db->db, &batch, syncs(db, sync), lsn);
        lk_batch_deinit(&batch);
    }
    lk_handle_leave(db);
    return rc;
}

int lsmkv_batch_new(lsmkv_batch **out)
{
    *out = lk_alloc_zero(sizeof **out);
    return *out ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while a batch was made");
}

void lsmkv_batch_free(lsmkv_batch *batch)
{
    if (batch)
        lk_batch_deinit(&batch->records);
    lk_free(batch);
}

void lsmkv_batch_reset(lsmkv_batch *batch)
{
    lk_batch_reset(&batch->records);
}

int lsmkv_batch_put(lsmkv_batch *batch, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    struct lk_record record = put_of(key, key_bytes, value, value_bytes);
    int rc = check_sizes(key_bytes, value_bytes);
    return rc == 0 ? lk_batch_add(&batch->records, &record) : rc;
}

int lsmkv_batch_delete(lsmkv_batch *batch, const void *key, size_t key_bytes)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    int rc = check_sizes(key_bytes, 0);
    return rc == 0 ? lk_batch_add(&batch->records, &record) : rc;
}

int lsmkv_batch_delete_range(lsmkv_batch *batch, const struct lsmkv_slice *start, const struct lsmkv_slice *stop)
{
    struct lk_record record;
    int rc = range_of(start, stop, &record);
    return rc == 0 && !empty_range(&record) ? lk_batch_add(&batch->records, &record) : rc;
}

size_t lsmkv_batch_count(const lsmkv_batch *batch)
{
    return batch->records.count;
}

size_t lsmkv_batch_bytes(const lsmkv_batch *batch)
{
    return (size_t)batch->records.payload;
}

int lsmkv_try_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    int rc = check_writable(db);
    if (rc != 0)
        return rc;
    if (batch->records.count == 0 || syncs(db, sync) || batch->records.bytes.len > COPY_MAX)
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    rc = lk_write_batch_try(db->db, &batch->records, lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

int lsmkv_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = check_writable(db);
    if (rc == 0 && batch->records.count)
        rc = lk_write_batch(db->db, &batch->records, syncs(db, sync), lsn);
    else if (rc == 0 && lsn)
        *lsn = lk_commit_appended(db->db);
    lk_handle_leave(db);
    return rc;
}

int lsmkv_sync(lsmkv *db)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = db->readonly ? 0 : lk_engine_settle(db->db);
    lk_handle_leave(db);
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What a lent value holds on to: the slot, and the epochs it belongs to. */
static void *hold_of(struct lk_db *db, int slot)
{
    return &db->epochs.slots[slot];
}

static struct lk_present present_for(struct lk_db *db, const lsmkv_snapshot *snapshot)
{
    if (!snapshot)
        return lk_read_present(db);
    return (struct lk_present){snapshot->at.version, snapshot->at.lsn, snapshot->at.limit, snapshot->at.wall_ns};
}

int lsmkv_read_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes,
                     struct lsmkv_read *read)
{
    int rc = 0, slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    struct lk_db *engine = db->db;
    struct lk_slice wanted = lk_slice(key, key_bytes);
    uint64_t hash = lk_hash(engine->seed, key, key_bytes);
    struct lk_present present = present_for(engine, snapshot);
    struct lk_missing missing;
    struct lk_record record;
    lk_read_prefetch(&present, wanted, hash);
    rc = lk_read_find(engine, &present, wanted, hash, &record, &missing);
    struct lk_epoch_slot *held = hold_of(engine, slot);
    if (rc == 0) {
        lk_epoch_count(&held->gets);
        read->value = (struct lsmkv_slice){record.value.at, record.value.len};
        read->hold = held;
        return 0;
    }
    if (rc == LSMKV_NOTFOUND) {
        lk_epoch_count(&held->gets);
        lk_epoch_count(&held->misses);
    }
    lk_epoch_leave(&engine->epochs, slot);
    return rc;
}

void lsmkv_read_end(struct lsmkv_read *read)
{
    struct lk_epoch_slot *slot = read->hold;
    read->hold = NULL;
    if (slot)
        atomic_store_explicit(&slot->stamp, 0, memory_order_release);
}

int lsmkv_read_many_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const struct lsmkv_slice *keys, size_t count,
                          struct lsmkv_slice *values, int *results, struct lsmkv_read *read)
{
    uint64_t hashes[LSMKV_READ_MANY];
    int rc = 0, slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    struct lk_db *engine = db->db;
    struct lk_epoch_slot *held = hold_of(engine, slot);
    struct lk_present present = present_for(engine, snapshot);
    count = count < LSMKV_READ_MANY ? count : LSMKV_READ_MANY;
    for (size_t i = 0; i < count; i++) {
        hashes[i] = lk_hash(engine->seed, keys[i].data, keys[i].size);
        lk_read_prefetch(&present, lk_slice(keys[i].data, keys[i].size), hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct lk_missing missing;
        struct lk_record record;
        results[i] = lk_read_find(engine, &present, lk_slice(keys[i].data, keys[i].size), hashes[i], &record, &missing);
        if (results[i] == 0)
            values[i] = (struct lsmkv_slice){record.value.at, record.value.len};
        lk_epoch_count(&held->gets);
        if (results[i] == LSMKV_NOTFOUND)
            lk_epoch_count(&held->misses);
    }
    *read = (struct lsmkv_read){.hold = held};
    return 0;
}

static int get_copy(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes, struct lk_buf *value)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_read_copy(db->db, snapshot ? &snapshot->at : NULL, lk_slice(key, key_bytes), value);
    lk_handle_leave(db);
    return rc;
}

int lsmkv_get(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes, void **value,
              size_t *value_bytes)
{
    struct lk_buf copy = {0};
    *value = NULL;
    *value_bytes = 0;
    int rc = get_copy(db, snapshot, key, key_bytes, &copy);
    if (rc == 0)
        rc = lk_buf_reserve(&copy, 1); /* an empty value has an address too */
    if (rc != 0) {
        lk_buf_deinit(&copy);
        return rc;
    }
    *value = copy.at;
    *value_bytes = copy.len;
    return 0;
}

int lsmkv_exists(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes)
{
    struct lsmkv_read read;
    struct lk_buf copy = {0};
    int rc = lsmkv_read_begin(db, snapshot, key, key_bytes, &read);
    if (rc == 0)
        lsmkv_read_end(&read);
    if (rc != LSMKV_WOULDBLOCK)
        return rc;
    rc = get_copy(db, snapshot, key, key_bytes, &copy);
    lk_buf_deinit(&copy);
    return rc;
}

void lsmkv_free(void *owned)
{
    lk_free(owned);
}

int lsmkv_snapshot_new(lsmkv *db, lsmkv_snapshot **out)
{
    *out = NULL;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lsmkv_snapshot *snapshot = lk_alloc_zero(sizeof *snapshot);
    rc = snapshot ? lk_snapshot_take(db->db, &snapshot->at)
                  : lk_fail(LSMKV_NOMEM, "memory ran out while a snapshot was taken");
    if (rc == 0) {
        lk_handle_ref(db);
        snapshot->handle = db;
        atomic_fetch_add(&db->db->counters.live_snapshots, 1);
        *out = snapshot;
    } else {
        lk_free(snapshot);
    }
    lk_handle_leave(db);
    return rc;
}

void lsmkv_snapshot_free(lsmkv_snapshot *snapshot)
{
    if (!snapshot || snapshot->handle->db->fork_generation != lk_fork_generation)
        return; /* in the child of a fork nothing of the parent's is touched */
    atomic_fetch_sub(&snapshot->handle->db->counters.live_snapshots, 1);
    lk_snapshot_drop(&snapshot->at);
    lk_handle_unref(snapshot->handle);
    lk_free(snapshot);
}

uint64_t lsmkv_snapshot_lsn(const lsmkv_snapshot *snapshot)
{
    return snapshot->at.lsn;
}

uint64_t lsmkv_snapshot_taken_ns(const lsmkv_snapshot *snapshot)
{
    return snapshot->at.taken_ns;
}

/* ---- scanning ------------------------------------------------------------------------------- */

int lsmkv_iter_new(lsmkv *db, const lsmkv_snapshot *snapshot, const struct lsmkv_range *range, lsmkv_iter **out)
{
    *out = NULL;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lsmkv_iter *iter = lk_alloc_zero(sizeof *iter);
    rc = iter ? lk_scan_new(db->db, snapshot ? &snapshot->at : NULL, range, &iter->scan)
              : lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    if (rc == 0) {
        lk_handle_ref(db);
        iter->handle = db;
        atomic_fetch_add(&db->db->counters.live_iterators, 1);
        atomic_fetch_add_explicit(&db->db->counters.scans, 1, memory_order_relaxed);
        if (atomic_fetch_add_explicit(&db->db->scans_since_seal, 1, memory_order_relaxed) == 0)
            lk_wake_try(db->db);
        *out = iter;
    } else {
        lk_free(iter);
    }
    lk_handle_leave(db);
    return rc;
}

void lsmkv_iter_free(lsmkv_iter *iter)
{
    if (!iter || iter->handle->db->fork_generation != lk_fork_generation)
        return;
    atomic_fetch_sub(&iter->handle->db->counters.live_iterators, 1);
    lk_scan_free(iter->scan);
    lk_handle_unref(iter->handle);
    lk_free(iter);
}

static int iter_begin(lsmkv_iter *iter, int wait, size_t most, size_t most_bytes, struct lsmkv_pair *pairs,
                      size_t *count)
{
    *count = 0;
    if (iter->handle->db->fork_generation != lk_fork_generation)
        return lk_handle_refuse(iter->handle, LSMKV_FORKED);
    if (atomic_exchange(&iter->busy, 1))
        return lk_fail(LSMKV_BUSY, "the iterator is in use by another thread: give each thread its own");
    int rc = lk_handle_enter(iter->handle);
    if (rc == 0) {
        rc = lk_scan_begin(iter->scan, wait, most, most_bytes, pairs, count);
        lk_handle_leave(iter->handle);
    }
    if (rc != 0)
        atomic_store(&iter->busy, 0);
    return rc;
}

int lsmkv_try_iter_begin(lsmkv_iter *iter, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    return iter_begin(iter, 0, most, most_bytes, pairs, count);
}

int lsmkv_iter_begin(lsmkv_iter *iter, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    return iter_begin(iter, 1, most, most_bytes, pairs, count);
}

void lsmkv_iter_end(lsmkv_iter *iter)
{
    lk_scan_end(iter->scan);
    atomic_store(&iter->busy, 0);
}

/* ---- upkeep --------------------------------------------------------------------------------- */

int lsmkv_flush(lsmkv *db)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = check_writable(db);
    if (rc == 0)
        rc = lk_background_flush(db->db);
    lk_handle_leave(db);
    return rc;
}

int lsmkv_compact(lsmkv *db, const struct lsmkv_slice *start, const struct lsmkv_slice *stop, lsmkv_progress progress,
                  void *context)
{
    int rc = check_writable(db);
    (void)start; /* runs are merged whole: at least the range is settled */
    (void)stop;
    return rc == 0 ? lk_compact(db, progress, context) : rc;
}

int lsmkv_step(lsmkv *db, struct lsmkv_step *did)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = check_writable(db);
    if (rc == 0)
        rc = lk_background_step(db->db, did);
    lk_handle_leave(db);
    return rc;
}

uint32_t lsmkv_pending(lsmkv *db)
{
    if (db->readonly || lk_handle_enter(db) != 0)
        return 0;
    struct lk_job job = lk_background_next(db->db);
    lk_handle_leave(db);
    return job.kind != LK_JOB_NONE;
}

int lsmkv_verify(lsmkv *db, lsmkv_found found, lsmkv_progress progress, void *context)
{
    return lk_verify_handle(db, found, progress, context);
}

/* ---- inspection ----------------------------------------------------------------------------- */

int lsmkv_get_stats(lsmkv *db, struct lsmkv_stats *out)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lk_inspect_stats(db->db, out);
    lk_handle_leave(db);
    return 0;
}

int lsmkv_get_levels(lsmkv *db, struct lsmkv_level **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_inspect_levels(db->db, out, count);
    lk_handle_leave(db);
    return rc;
}

void lsmkv_levels_free(struct lsmkv_level *levels, size_t count)
{
    for (size_t i = 0; levels && i < count; i++) {
        lk_free((void *)levels[i].key_min.data);
        lk_free((void *)levels[i].key_max.data);
    }
    lk_free(levels);
}

int lsmkv_get_events(lsmkv *db, uint64_t from, struct lsmkv_event *out, size_t most, size_t *count)
{
    *count = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    *count = lk_inspect_events(db->db, from, out, most);
    lk_handle_leave(db);
    return 0;
}

int lsmkv_explain(lsmkv *db, const void *key, size_t key_bytes, struct lsmkv_probe *out, size_t most, size_t *count,
                  int *found)
{
    *count = 0;
    *found = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_inspect_explain(db->db, lk_slice(key, key_bytes), out, most, count, found);
    lk_handle_leave(db);
    return rc;
}

const char *lsmkv_feature(const char *name)
{
    if (strcmp(name, "version") == 0)
        return LSMKV_VERSION;
    if (strcmp(name, "checksum") == 0)
        return lk_checksum_kind();
    if (strcmp(name, "mapped") == 0)
        return "ext4, xfs, tmpfs, overlay over one of these";
    if (strcmp(name, "read") == 0)
        return "every file system";
#ifdef LSMKV_HAVE_LZ4
    if (strcmp(name, "lz4") == 0)
        return "found when this was built; tables are written raw so far";
#endif
#ifdef LSMKV_HAVE_ZSTD
    if (strcmp(name, "zstd") == 0)
        return "found when this was built; tables are written raw so far";
#endif
    if (strcmp(name, "codecs") == 0)
        return "raw";
#ifdef LSMKV_BUILD_STAMP
    if (strcmp(name, "build") == 0)
        return LSMKV_BUILD_STAMP;
#endif
    return NULL;
}
