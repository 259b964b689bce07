/* stop: the end of an engine, and the options and directory it begins with. */
#include <errno.h>
#include <string.h>

#include "engine/apart.h"
#include "engine/background.h"
#include "engine/commit.h"
#include "engine/count.h"
#include "engine/engine.h"
#include "engine/install.h"
#include "engine/leave.h"
#include "engine/pin.h"
#include "engine/spare.h"
#include "format/codec_name.h"
#include "util/alloc.h"

/* ---- settling and stopping ---------------------------------------------------------------------- */

int lk_engine_settle(struct lk_db *db)
{
    if (atomic_load(&db->failed))
        return lk_commit_failed(db);
    if (db->segment_kind == LK_SEGMENT_NONE)
        return lk_background_flush(db);
    int rc = lk_background_settle(db);
    uint64_t pending = lk_commit_pending(db);
    return rc == 0 && pending ? lk_commit_through(db, pending) : rc;
}

/* An active segment without a frame leaves no file. Its name goes now and not with the last reference: a snapshot or a
 * view may hold that for long, and the next engine would make the file a part of its log. */
static void remove_empty(struct lk_segment *active)
{
    if (atomic_load(&active->end) > LK_FILE_HEAD || !active->file)
        return;
    lk_env_note(active->env, LK_NOTE_REMOVE, active->number, 0);
    (void)active->env->ops->remove(active->dir, active->name);
}

/* State that the log ends here. Give back what it does not need, and an active segment without frames. */
static int state_closed(struct lk_db *db)
{
    struct lk_version *version = atomic_load(&db->version);
    struct lk_buf edit = {0};
    uint64_t end = LK_FILE_HEAD;
    int rc = 0;
    for (uint32_t i = version->memtable_count; i-- > 0;) {
        struct lk_segment *segment = version->memtables[i]->segment;
        if (atomic_load(&segment->end) > LK_FILE_HEAD && segment->kind != LK_SEGMENT_NONE)
            end = lk_lsn(segment->number, atomic_load(&segment->end));
        lk_segment_shrink(segment);
    }
    rc = lk_edit_next(&edit, atomic_load(&db->number_next));
    if (rc == 0)
        rc = lk_edit_durable(&edit, end);
    if (rc == 0)
        rc = lk_counted_edit(db, 0, &edit);
    if (rc == 0)
        rc = lk_edit_closed(&edit, end);
    if (rc == 0)
        rc = lk_manifest_append(&db->manifest, &edit);
    lk_buf_deinit(&edit);
    if (rc == 0)
        remove_empty(db->active->segment);
    return rc;
}

int lk_engine_stop(struct lk_db *db)
{
    int rc = 0;
    lk_background_stop(db);
    if (!db->readonly) {
        atomic_store(&db->closing, 0); /* the last flush is not to be cancelled */
        rc = lk_engine_settle(db);
        lk_values_end_lanes(&db->values);
        if (rc == 0)
            rc = lk_values_sync(&db->values); /* what nobody refers to goes with it */
        lk_apart_keep(db, 1);
        if (rc == 0 && !db->manifest.failed) {
            lk_count_at_close(db);
            rc = state_closed(db);
        }
        lk_spare_drop(db->spare);
        db->spare = NULL;
    }
    lk_counted_drop(db);
    lk_epoch_reclaim(&db->epochs);
    lk_leave_free(db);
    struct lk_version *version = atomic_exchange(&db->version, NULL);
    lk_version_unref(version);
    lk_manifest_close(&db->manifest);
    struct lk_file *lock = db->lock;
    db->lock = NULL; /* before it is closed: the child of a fork must not close it again */
    int closed = lock ? db->env->ops->close(lock) : 0;
    if (rc == 0 && closed < 0)
        rc = lk_fail_os(-closed, "unlock", "LOCK");
    return rc;
}

void lk_engine_free(struct lk_db *db)
{
    lk_spare_drop(db->spare);
    lk_counted_deinit(&db->counted);
    lk_apart_keep(db, 1);
    lk_version_unref(atomic_exchange(&db->version, NULL));
    lk_epochs_deinit(&db->epochs);
    lk_values_deinit(&db->values); /* after the versions that waited there */
    lk_manifest_close(&db->manifest);
    if (db->lock)
        (void)db->env->ops->close(db->lock);
    if (db->cache.env)
        lk_cache_deinit(&db->cache);
    if (db->dir)
        db->env->ops->dir_close(db->dir);
    lk_mutex_deinit(&db->write_mutex);
    lk_mutex_deinit(&db->sync_mutex);
    lk_cond_deinit(&db->sync_done);
    lk_mutex_deinit(&db->work_mutex);
    lk_mutex_deinit(&db->namespace_mutex);
    lk_mutex_deinit(&db->state_mutex);
    lk_cond_deinit(&db->state_changed);
    lk_mutex_deinit(&db->event_mutex);
    lk_pin_deinit(db);
    lk_free(db->key_codec);
    lk_free(db->value_codec);
    lk_free(db->path);
    lk_free(db);
}

/* ---- directory and options ---------------------------------------------------------------------- */

int lk_engine_directory(struct lk_env *env, const char *path, const struct lsmkv_options *options, struct lk_dir **dir,
                        uint64_t id[2])
{
    int create = (options->flags & LSMKV_OPEN_CREATE) && !(options->flags & LSMKV_OPEN_READONLY);
    int rc = env->ops->dir_open(env, path, create ? options->mode : 0, dir);
    if (rc == 0) {
        rc = env->ops->dir_id(*dir, id);
        if (rc < 0)
            env->ops->dir_close(*dir);
    }
    if (rc == 0)
        return 0;
    *dir = NULL;
    int status;
    if (rc == -ENOENT)
        status = create ? lk_fail(LSMKV_ABSENT,
                                  "%s cannot be made: the directory that is to hold it does not exist; make that first",
                                  path)
                 : options->flags & LSMKV_OPEN_READONLY
                     ? lk_fail(LSMKV_ABSENT, "there is no directory %s: name that of a store", path)
                     : lk_fail(LSMKV_ABSENT, "there is no directory %s: open it with flag=\"c\" to make a store", path);
    else if (rc == -ENOTDIR)
        status = lk_fail(LSMKV_EXISTS, "%s is not a directory: a store is a directory; name another path", path);
    else
        status = lk_fail_os(
            -rc, create ? "the directory can be neither opened nor made" : "the directory cannot be opened", path);
    lk_error()->os_errno = -rc;
    return status;
}

static int outside(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least || value > most;
}

#define LK_FIFO_AGE_MAX_MS 1000000000000u

static void fill_in(struct lsmkv_options *options)
{
    struct lsmkv_options standard;
    lsmkv_options_init(&standard);
    options->sync_interval_ms = options->sync_interval_ms ? options->sync_interval_ms : standard.sync_interval_ms;
    options->segment_bytes = options->segment_bytes ? options->segment_bytes : standard.segment_bytes;
    options->table_bytes = options->table_bytes ? options->table_bytes : standard.table_bytes;
    options->page_bytes = options->page_bytes ? options->page_bytes : standard.page_bytes;
    options->l0_segments = options->l0_segments ? options->l0_segments : standard.l0_segments;
    options->run_count = options->run_count ? options->run_count : standard.run_count;
    options->space_limit = options->space_limit > 0 ? options->space_limit : standard.space_limit;
    options->memory_bytes = options->memory_bytes ? options->memory_bytes : standard.memory_bytes;
    options->mode = options->mode ? options->mode : standard.mode;
    options->large_value_bytes = options->large_value_bytes ? options->large_value_bytes : standard.large_value_bytes;
}

int lk_engine_options(const struct lsmkv_options *given, struct lsmkv_options *out)
{
    lsmkv_options_init(out);
    if (given && given->struct_bytes != sizeof *given)
        return lk_fail(LSMKV_OPTIONS,
                       "the options are %zu bytes, this build's are %zu: lsmkv_options_init was not called, or "
                       "header and library differ",
                       given->struct_bytes, sizeof *given);
    if (given)
        *out = *given;
    fill_in(out);
    const char *what = NULL;
    if (out->durability < LSMKV_SYNC_NONE || out->durability > LSMKV_SYNC_ALWAYS)
        what = "durability is none of the four levels";
    else if (out->threads < 0 || out->threads > 2)
        what = "threads is 0 (all work inline) or 1 or 2 (keeper and compactor)";
    else if (outside(out->segment_bytes, 4096, 1u << 30))
        what = "segment_bytes lies between 4 KiB and 1 GiB";
    else if (outside(out->table_bytes, 512, 64u << 20))
        what = "table_bytes lies between 512 B and 64 MiB";
    else if (outside(out->page_bytes, 64, 64u << 10))
        what = "page_bytes lies between 64 B and 64 KiB";
    else if (outside(out->l0_segments, 1, 8))
        what = "l0_segments lies between 1 and 8";
    else if (outside(out->run_count, 1, 32))
        what = "run_count lies between 1 and 32";
    else if (out->large_value_bytes < 16)
        what = "large_value_bytes is at least 16";
    else if (outside((uint64_t)out->merge_policy, LSMKV_MERGE_DEFAULT, LSMKV_MERGE_NONE))
        what = "merge_policy is none of the five";
    else if (!(out->space_limit >= 1.05 && out->space_limit <= 1000))
        what = "space_limit lies between 1.05 and 1000";
    else if (out->merge_policy == LSMKV_MERGE_FIFO && !out->fifo_bytes && !out->fifo_age_ms)
        what = "merge_policy fifo deletes the oldest data: give fifo_bytes or fifo_age, or both";
    else if (out->merge_policy != LSMKV_MERGE_FIFO && (out->fifo_bytes || out->fifo_age_ms))
        what = "fifo_bytes and fifo_age go with merge_policy fifo alone, which deletes the oldest data: choose it, or "
               "leave them out";
    else if (out->fifo_age_ms > LK_FIFO_AGE_MAX_MS)
        what = "fifo_age is at most 31 years";
    else if (out->memory_bytes < LK_MEMORY_LEAST)
        what = "memory_bytes is at least 4194304 (4 MiB)";
    else if (out->cache_bytes && out->cache_bytes < 64u << 10)
        what = "cache_bytes is at least 65536 (64 KiB), or 0 for a part of memory_bytes";
    else if (outside((uint64_t)out->log_source, 0, 2) || outside((uint64_t)out->table_source, 0, 2))
        what = "a source is auto, mapped or read";
    else if (outside((uint64_t)out->compression, 0, 3))
        what = "compression is none, auto, lz4 or zstd";
    else if (out->compression == LSMKV_COMPRESSION_LZ4 && !lk_pack_version(LK_PACK_LZ4))
        what = "this build has no lz4: choose another compression, or build lsmkv where liblz4 is installed";
    else if (out->compression == LSMKV_COMPRESSION_ZSTD && !lk_pack_version(LK_PACK_ZSTD))
        what = "this build has no zstd: choose another compression, or build lsmkv where libzstd is installed";
    else if ((out->flags & LSMKV_OPEN_ANEW) && !(out->flags & LSMKV_OPEN_CREATE))
        what = "to make a store anew needs leave to create it";
    if (what)
        return lk_fail(LSMKV_OPTIONS, "%s", what);
    return lk_codec_names_check(&(struct lk_codec_names){out->key_codec, out->value_codec});
}
