/* registry: the engines of this process, found by device and inode; handles on them; fork.
 *
 * One mutex, held while an engine is opened or closed, so that two openers of one directory meet. In the child of
 * a fork everything here is forgotten: the lock descriptors are closed, so that the parent's lock ends with the
 * parent; memory, threads and files of the parent's engines are left alone. */
#include <string.h>

#include "engine/background.h"
#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/handle.h"
#include "engine/open.h"
#include "engine/wake.h"
#include "format/codec_name.h"
#include "util/alloc.h"

static struct lk_mutex registry_mutex = {PTHREAD_MUTEX_INITIALIZER};
static struct lk_db *registry; /* borrowed: engines that run, or are being stopped */
static struct lk_db *starting; /* borrowed: the one that is being opened */

static void on_child(void)
{
    for (struct lk_db *db = registry; db; db = db->registry_next)
        if (db->lock)
            (void)db->env->ops->close(db->lock);
    if (starting && starting->lock)
        (void)starting->env->ops->close(starting->lock);
    registry = starting = NULL;
    lk_mutex_init(&registry_mutex);
}

/* ---- finding and starting --------------------------------------------------------------------- */

static struct lk_db *find(const struct lk_env *env, const uint64_t id[2])
{
    for (struct lk_db *db = registry; db; db = db->registry_next)
        if (db->env == env && db->id[0] == id[0] && db->id[1] == id[1] && !db->readonly)
            return db;
    return NULL;
}

static int differs(uint64_t have, uint64_t wanted, uint64_t standard)
{
    return wanted != standard && wanted != have; /* only what the caller named is compared */
}

static int same_options(const struct lk_db *db, const struct lsmkv_options *wanted)
{
    struct lsmkv_options standard;
    const struct lsmkv_options *have = &db->options;
    const char *which = NULL;
    lsmkv_options_init(&standard);
    if (differs((uint64_t)have->durability, (uint64_t)wanted->durability, (uint64_t)standard.durability))
        which = "durability";
    else if (differs(have->sync_interval_ms, wanted->sync_interval_ms, standard.sync_interval_ms))
        which = "sync_interval_ms";
    else if (differs((uint64_t)have->threads, (uint64_t)wanted->threads, (uint64_t)standard.threads))
        which = "threads";
    else if (differs(have->segment_bytes, wanted->segment_bytes, standard.segment_bytes))
        which = "segment_bytes";
    else if (differs(have->table_bytes, wanted->table_bytes, standard.table_bytes))
        which = "table_bytes";
    else if (differs(have->page_bytes, wanted->page_bytes, standard.page_bytes))
        which = "page_bytes";
    else if (differs(have->l0_segments, wanted->l0_segments, standard.l0_segments))
        which = "l0_segments";
    else if (differs(have->run_count, wanted->run_count, standard.run_count))
        which = "run_count";
    else if (differs(have->max_pinned_bytes, wanted->max_pinned_bytes, 0))
        which = "max_pinned_bytes";
    else if (differs(have->background_bytes_per_second, wanted->background_bytes_per_second, 0))
        which = "background_bytes_per_second";
    else if (differs((uint64_t)have->merge_policy, (uint64_t)wanted->merge_policy, (uint64_t)standard.merge_policy))
        which = "merge_policy";
    else if (wanted->space_limit != standard.space_limit && wanted->space_limit != have->space_limit)
        which = "space_limit";
    else if (differs(have->fifo_bytes, wanted->fifo_bytes, standard.fifo_bytes))
        which = "fifo_bytes";
    else if (differs(have->fifo_age_ms, wanted->fifo_age_ms, standard.fifo_age_ms))
        which = "fifo_age";
    else if (differs(have->memory_bytes, wanted->memory_bytes, standard.memory_bytes))
        which = "memory_bytes";
    else if (differs(have->cache_bytes, wanted->cache_bytes, standard.cache_bytes))
        which = "cache_bytes";
    else if (differs(have->large_value_bytes, wanted->large_value_bytes, standard.large_value_bytes))
        which = "large_value_bytes";
    else if (differs((uint64_t)have->table_source, (uint64_t)wanted->table_source, (uint64_t)standard.table_source))
        which = "table_source";
    else if (differs((uint64_t)have->compression, (uint64_t)wanted->compression, (uint64_t)standard.compression))
        which = "compression";
    else if (differs((uint64_t)have->log_source, (uint64_t)wanted->log_source, (uint64_t)standard.log_source))
        which = "log_source";
    else if (wanted->wall_ns && (wanted->wall_ns != have->wall_ns || wanted->wall_context != have->wall_context))
        which = "wall_ns";
    if (!which)
        return 0;
    return lk_fail(LSMKV_OPTIONS,
                   "%s is open in this process with another value of %s: close it first, or leave that "
                   "option out to share the open engine",
                   db->path, which);
}

static int find_or_start(struct lk_env *env, const char *path, const struct lsmkv_options *options, struct lk_db **out)
{
    struct lk_dir *dir = NULL;
    uint64_t id[2];
    int rc = lk_engine_directory(env, path, options, &dir, id);
    if (rc < 0)
        return rc;
    struct lk_db *db = find(env, id);
    if (!db) {
        if (options->flags & LSMKV_OPEN_READONLY) { /* shared with nobody, and it may have to look again and again */
            lk_mutex_unlock(&registry_mutex);
            rc = lk_engine_start(env, path, dir, id, options, out);
            lk_mutex_lock(&registry_mutex);
            return rc;
        }
        rc = lk_engine_start(env, path, dir, id, options, &starting); /* takes dir over */
        *out = starting;
        starting = NULL;
        if (rc == 0 && !(*out)->readonly) {
            (*out)->registry_next = registry;
            registry = *out;
        }
        return rc;
    }
    env->ops->dir_close(dir);
    if (db->dying)
        return LSMKV_WOULDBLOCK;
    if (options->flags & LSMKV_OPEN_ANEW)
        return lk_fail(LSMKV_LOCKED, "%s is open in this process: close it before it is made anew", path);
    rc = lk_codec_names_agree(path, &(struct lk_codec_names){db->key_codec, db->value_codec},
                              &(struct lk_codec_names){options->key_codec, options->value_codec});
    if (rc == 0)
        rc = same_options(db, options);
    if (rc == 0)
        *out = db;
    return rc;
}

static void forget(struct lk_db *db)
{
    for (struct lk_db **link = &registry; *link; link = &(*link)->registry_next)
        if (*link == db) {
            *link = db->registry_next;
            return;
        }
}

int lk_open_in(struct lk_env *env, const char *path, const struct lsmkv_options *options, lsmkv **out)
{
    struct lsmkv_options full;
    *out = NULL;
    int rc = lk_engine_options(options, &full);
    if (rc < 0)
        return rc;
    if (lk_fork_watch(on_child) < 0)
        return lk_fail(LSMKV_NOMEM, "the process cannot be told about forks");
    struct lsmkv *handle = lk_alloc_zero(sizeof *handle);
    if (!handle)
        return lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", path);
    lk_mutex_lock(&registry_mutex);
    while ((rc = find_or_start(env, path, &full, &handle->db)) == LSMKV_WOULDBLOCK) {
        lk_mutex_unlock(&registry_mutex); /* its last handle is being closed: let that come to its end */
        env->ops->sleep_ns(env, 1000000);
        lk_mutex_lock(&registry_mutex);
    }
    if (rc == 0) {
        handle->db->handles++;
        atomic_fetch_add(&handle->db->references, 1);
    }
    lk_mutex_unlock(&registry_mutex);
    if (rc < 0) {
        lk_free(handle);
        return rc;
    }
    atomic_store(&handle->references, 1);
    handle->readonly = handle->db->readonly || (full.flags & LSMKV_OPEN_READONLY);
    handle->space = LK_SPACE_DEFAULT;
    handle->key_codec = handle->db->key_codec;
    handle->value_codec = handle->db->value_codec;
    handle->ttl_ns = lk_ns_of_ms(full.ttl_ms);
    *out = handle;
    return 0;
}

int lk_registry_open_here(const struct lk_env *env, const uint64_t id[2])
{
    lk_mutex_lock(&registry_mutex);
    int here = find(env, id) != NULL;
    lk_mutex_unlock(&registry_mutex);
    return here;
}

/* ---- handles ----------------------------------------------------------------------------------- */

int lk_handle_refuse(const struct lsmkv *handle, int status)
{
    if (status == LSMKV_FORKED)
        return lk_fail(status, "%s was opened in the parent of this process: open it again here", handle->db->path);
    if (handle->space != LK_SPACE_DEFAULT)
        return lk_fail(status, "this namespace was dropped, or it was closed with its store: open it again");
    return lk_fail(status, "the store is closed: open it again");
}

int lk_handle_enter(struct lsmkv *handle)
{
    int status = lk_handle_check(handle);
    if (status < 0)
        return lk_handle_refuse(handle, status);
    atomic_fetch_add(&handle->calls, 1);
    status = lk_handle_check(handle);
    if (status == 0)
        return 0;
    atomic_fetch_sub(&handle->calls, 1);
    return lk_handle_refuse(handle, status);
}

void lk_handle_leave(struct lsmkv *handle)
{
    atomic_fetch_sub(&handle->calls, 1);
}

void lk_handle_ref(struct lsmkv *handle)
{
    atomic_fetch_add(&handle->references, 1);
}

void lk_handle_unref(struct lsmkv *handle)
{
    if (atomic_fetch_sub(&handle->references, 1) != 1)
        return;
    struct lk_db *db = handle->db;
    int forked = db->fork_generation != lk_fork_generation;
    lk_free(handle->names);
    lk_free(handle);
    if (!forked && atomic_fetch_sub(&db->references, 1) == 1)
        lk_engine_free(db);
}

static void leave_list(struct lsmkv *handle)
{
    for (struct lsmkv **link = &handle->db->namespaces; *link; link = &(*link)->next)
        if (*link == handle) {
            *link = handle->next;
            return;
        }
}

/* settle: also make durable what was acknowledged, when the engine goes on. */
static int close_handle(struct lsmkv *handle, int settle)
{
    int open = LK_HANDLE_OPEN, rc = 0;
    if (handle->db->fork_generation != lk_fork_generation)
        return lk_handle_refuse(handle, LSMKV_FORKED);
    struct lk_db *db = handle->db;
    if (!atomic_compare_exchange_strong(&handle->state, &open, LK_HANDLE_CLOSING)) {
        while (atomic_load(&handle->state) != LK_HANDLE_CLOSED)
            db->env->ops->sleep_ns(db->env, 100000); /* another thread is closing it */
        return 0;
    }
    lk_mutex_lock(&registry_mutex);
    int last = db->dying = db->handles == 1;
    lk_mutex_unlock(&registry_mutex);
    if (last)
        lk_wake_hurry(db);
    lk_epoch_wait(&db->epochs, lk_epoch_stamp(&db->epochs));
    while (atomic_load(&handle->calls))
        db->env->ops->sleep_ns(db->env, 50000);
    atomic_fetch_sub(&db->pauses, atomic_exchange(&handle->pauses, 0));
    lk_mutex_lock(&registry_mutex);
    leave_list(handle);
    if (--db->handles == 0) {
        rc = lk_engine_stop(db);
        forget(db);
    } else if (settle && !handle->readonly) {
        rc = lk_engine_settle(db);
    }
    lk_mutex_unlock(&registry_mutex);
    atomic_store(&handle->state, LK_HANDLE_CLOSED);
    return rc;
}

int lsmkv_close(lsmkv *handle)
{
    return close_handle(handle, 1);
}

int lk_handle_end(struct lsmkv *handle)
{
    int rc = close_handle(handle, 0);
    lk_handle_unref(handle);
    return rc;
}

/* ---- several handles on one engine ------------------------------------------------------------- */

/* The codec names of a namespace, in one block. */
static int take_names(struct lsmkv *handle, const struct lk_catalog_entry *entry)
{
    struct lk_slice key = entry->key_codec, value = entry->value_codec;
    handle->names = lk_alloc_zero(key.len + value.len + 2);
    if (!handle->names)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a namespace was opened");
    handle->key_codec = memcpy(handle->names, key.at, key.len);
    handle->value_codec = memcpy(handle->names + key.len + 1, value.at, value.len);
    return 0;
}

/* While `of` is open it is among db->handles, so the engine runs; and a `last` handle that is being closed has told so
 * in db->dying. */
static int join(const struct lsmkv *of, struct lsmkv *handle)
{
    struct lk_db *db = of->db;
    lk_mutex_lock(&registry_mutex);
    int rc = db->dying ? LSMKV_CLOSED : lk_handle_check(of);
    if (rc == 0) {
        db->handles++;
        atomic_fetch_add(&db->references, 1);
        if (handle->space != LK_SPACE_DEFAULT) {
            handle->next = db->namespaces;
            db->namespaces = handle;
        }
    }
    lk_mutex_unlock(&registry_mutex);
    return rc == 0 ? 0 : lk_handle_refuse(of, rc);
}

int lk_handle_share(struct lsmkv *of, const struct lk_catalog_entry *entry, struct lsmkv **out)
{
    struct lsmkv *handle = lk_alloc_zero(sizeof *handle);
    *out = NULL;
    if (!handle)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a handle was made");
    handle->db = of->db;
    atomic_store(&handle->references, 1);
    handle->readonly = of->readonly;
    handle->space = entry ? entry->id : LK_SPACE_DEFAULT;
    handle->ttl_ns = entry ? lk_ns_of_ms(entry->ttl_ms) : 0;
    handle->key_codec = of->db->key_codec;
    handle->value_codec = of->db->value_codec;
    int rc = entry ? take_names(handle, entry) : 0;
    if (rc == 0)
        rc = join(of, handle);
    if (rc != 0) {
        lk_free(handle->names);
        lk_free(handle);
        return rc;
    }
    *out = handle;
    return 0;
}

int lk_handle_enter_store(struct lsmkv *handle, struct lsmkv **through)
{
    int rc = lk_handle_check(handle);
    if (rc != 0)
        return lk_handle_refuse(handle, rc);
    *through = handle;
    if (handle->space == LK_SPACE_DEFAULT)
        return lk_handle_enter(handle);
    rc = lk_handle_share(handle, NULL, through);
    if (rc == 0)
        atomic_fetch_add(&(*through)->calls, 1); /* nobody else knows it: it is open */
    return rc;
}

int lk_handle_leave_store(struct lsmkv *handle, struct lsmkv *through, int rc)
{
    lk_handle_leave(through);
    if (through == handle)
        return rc;
    struct lsmkv_error saved = *lk_error();
    int ended = lk_handle_end(through);
    if (rc != 0)
        lk_error_restore(&saved);
    return rc == 0 ? ended : rc;
}

void lk_handle_close_space(struct lk_db *db, uint32_t space)
{
    struct lsmkv *handle;
    do {
        lk_mutex_lock(&registry_mutex);
        for (handle = db->namespaces; handle && handle->space != space;)
            handle = handle->next;
        if (handle)
            lk_handle_ref(handle); /* it may be released while it is closed */
        lk_mutex_unlock(&registry_mutex);
        if (handle)
            (void)lk_handle_end(handle); /* with our reference; not the last: the caller's is open */
    } while (handle);
}
