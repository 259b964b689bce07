/* start: from a directory to a running engine.
 *
 *   lock -> manifest -> tables -> log -> first segment -> new manifest -> what is left over goes -> threads
 *
 * Nothing is truncated or rewritten in place. Every writable open begins a new manifest file, so a torn end of
 * the old one is never written behind. */
#include <errno.h>
#include <string.h>

#include "engine/apart.h"
#include "engine/background.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/install.h"
#include "engine/leftover.h"
#include "engine/recovery.h"
#include "engine/rotate.h"
#include "format/codec_name.h"
#include "util/alloc.h"

/* What start carries from step to step. */
struct start {
    struct lk_db *db;
    struct lk_listing listing;
    struct lk_manifest_state state;
    struct lk_recovered recovered;
    struct lk_run **runs; /* owned references */
    uint32_t run_count;
    int fresh;
};

/* ---- the struct ------------------------------------------------------------------------------ */

static uint64_t cache_stamp(void *epochs)
{
    return lk_epoch_stamp(epochs);
}

static int cache_passed(void *epochs, uint64_t stamp)
{
    return lk_epoch_passed(epochs, stamp);
}

static struct lk_db *db_new(struct lk_env *env, const char *path, struct lk_dir *dir, const uint64_t id[2],
                            const struct lsmkv_options *options)
{
    struct lk_db *db = lk_alloc_aligned(64, (sizeof *db + 63) & ~(size_t)63);
    size_t length = strlen(path);
    char *copy = lk_alloc(length + 1);
    if (!db || !copy) {
        lk_free(db);
        lk_free(copy);
        return NULL;
    }
    memset(db, 0, sizeof *db);
    db->path = memcpy(copy, path, length + 1);
    db->env = env;
    db->dir = dir;
    db->options = *options;
    db->id[0] = id[0];
    db->id[1] = id[1];
    db->fork_generation = lk_fork_generation;
    db->readonly = (options->flags & LSMKV_OPEN_READONLY) != 0;
    db->gap_least = LK_GAP_LEAST;
    db->manifest = (struct lk_manifest){.env = env, .dir = dir, .mode = options->mode & 0666};
    lk_epochs_init(&db->epochs);
    lk_mutex_init(&db->write_mutex);
    lk_mutex_init(&db->sync_mutex);
    lk_cond_init(&db->sync_done);
    lk_mutex_init(&db->work_mutex);
    lk_mutex_init(&db->namespace_mutex);
    lk_mutex_init(&db->state_mutex);
    lk_cond_init(&db->state_changed);
    lk_mutex_init(&db->event_mutex);
    lk_mutex_init(&db->pin_mutex);
    lk_counted_init(&db->counted);
    lk_values_init(&db->values);
    if (lk_cache_init(&db->cache, env, 0, cache_stamp, cache_passed, &db->epochs) < 0) {
        db->cache.env = NULL;
        lk_engine_free(db);
        return NULL;
    }
    uint64_t page = env->ops->page_bytes(env);
    db->cache.unit = page > LK_GRANULE ? (uint32_t)(page / LK_GRANULE) : 1;
    return db;
}

static void choose_sources(struct lk_db *db)
{
    int can = db->env->ops->dir_can_map(db->dir) == 1;
    const struct lsmkv_options *options = &db->options;
    if (options->durability == LSMKV_SYNC_NONE)
        db->segment_kind = LK_SEGMENT_NONE;
    else if (options->log_source == LSMKV_SOURCE_READ || options->durability == LSMKV_SYNC_ALWAYS ||
             (options->log_source == LSMKV_SOURCE_AUTO && !can))
        db->segment_kind = LK_SEGMENT_WRITTEN;
    else
        db->segment_kind = LK_SEGMENT_MAPPED;
    db->map_tables =
        options->table_source == LSMKV_SOURCE_MAPPED || (options->table_source == LSMKV_SOURCE_AUTO && can);
}

static void divide_memory(struct lk_db *db)
{
    uint64_t anonymous;
    db->memory_limit = db->env->ops->memory_limit(db->env);
    db->budget = lk_budget_of(&db->options, db->map_tables);
    db->cache.budget = db->budget.cache;
    anonymous = db->budget.log / (2 * db->options.l0_segments + 2); /* a log in memory counts as its index does */
    db->segment_most = db->options.segment_bytes;
    if (db->segment_kind != LK_SEGMENT_MAPPED && anonymous < db->segment_most)
        db->segment_most = anonymous & ~(uint64_t)4095;
}

/* ---- steps ------------------------------------------------------------------------------------ */

static int take_lock(struct lk_db *db)
{
    int pid = 0;
    int rc = db->env->ops->lock(db->dir, "LOCK", &db->lock, &pid);
    if (rc == 0)
        return 0;
    db->lock = NULL;
    if (rc != -EWOULDBLOCK)
        return lk_fail_os(-rc, "it cannot be opened for writing; to read, use flag=\"r\"", "LOCK");
    rc = lk_fail(LSMKV_LOCKED,
                 "%s is open for writing in another process (pid %d): reading works (flag=\"r\"); to write, "
                 "close it there first",
                 db->path, pid);
    lk_error()->pid = pid;
    return rc;
}

/* Is this a store, a place for a new one, or something else? */
static int classify(struct start *start)
{
    struct lk_db *db = start->db;
    const struct lk_listing *listing = &start->listing;
    start->fresh = !listing->current;
    if (!start->fresh)
        return 0;
    if (listing->logs.count || listing->tables.count || listing->values.count)
        return lk_fail_corrupt("CURRENT", 0,
                               "%s holds logs, tables or values of a store, but CURRENT is missing: restore it or a "
                               "backup; nothing was changed",
                               db->path);
    if (db->readonly)
        return lk_fail(LSMKV_ABSENT, "there is no store in %s: name the directory of one", db->path);
    if (listing->strangers)
        return lk_fail(LSMKV_EXISTS,
                       "%s is a directory with other things in it (%s, for one) and no store: name an empty "
                       "or a new directory",
                       db->path, listing->stranger);
    if (!(db->options.flags & LSMKV_OPEN_CREATE))
        return lk_fail(LSMKV_ABSENT, "there is no store in %s: open it with flag=\"c\" to make one", db->path);
    return 0;
}

/* A new store's codec names: as the caller says. */
static int name_codecs(struct start *start)
{
    const struct lsmkv_options *options = &start->db->options;
    struct lk_manifest_state *state = &start->state;
    state->key_codec = lk_codec_name_copy(lk_text(options->key_codec ? options->key_codec : LK_CODEC_NAME_DEFAULT));
    state->value_codec =
        lk_codec_name_copy(lk_text(options->value_codec ? options->value_codec : LK_CODEC_NAME_DEFAULT));
    return state->key_codec && state->value_codec
               ? 0
               : lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", start->db->path);
}

/* The first manifest of a new store: complete, and CURRENT durable, before any log or table exists. */
static int create(struct start *start)
{
    struct lk_db *db = start->db;
    struct lk_buf edit = {0};
    uint64_t chance[3] = {0};
    int rc = db->env->ops->random(db->env, chance, sizeof chance);
    if (rc < 0)
        return lk_fail_os(-rc, "draw random numbers for", "a new store");
    start->state.store = chance[0] | 1;
    start->state.seed = (struct lk_hash_seed){chance[1], chance[2]};
    start->state.next_number = start->listing.highest + 2;
    start->state.log_first = start->state.next_number;
    start->state.ended_cleanly = 1;
    rc = name_codecs(start);
    if (rc == 0)
        rc = lk_edit_store(&edit, start->state.store, chance[1], chance[2], 0, lk_text(start->state.key_codec),
                           lk_text(start->state.value_codec));
    if (rc == 0)
        rc = lk_edit_next(&edit, start->state.next_number);
    if (rc == 0)
        rc = lk_edit_log(&edit, start->state.log_first, 0, 0, lk_slice("", 0));
    if (rc == 0)
        rc = lk_edit_runs(&edit, NULL, 0);
    if (rc == 0)
        rc = lk_edit_closed(&edit, LK_FILE_HEAD);
    if (rc == 0)
        rc = lk_manifest_create(&db->manifest, start->listing.highest + 1, start->state.store, &edit);
    lk_buf_deinit(&edit);
    start->state.closed_lsn = LK_FILE_HEAD;
    return rc;
}

static int by_lo(const struct lk_table_meta *a, const struct lk_table_meta *b)
{
    return lk_compare(a->lo, b->lo);
}

/* The tables of one run, ascending. */
static int open_run(struct start *start, const struct lk_run_meta *run)
{
    struct lk_db *db = start->db;
    const struct lk_manifest_state *state = &start->state;
    struct lk_table **tables = lk_alloc((state->table_count + 1) * sizeof *tables);
    const struct lk_table_meta **metas = lk_alloc((state->table_count + 1) * sizeof *metas);
    uint32_t count = 0, opened = 0;
    int rc = tables && metas ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", db->path);
    for (uint32_t i = 0; rc == 0 && i < state->table_count; i++) {
        if (state->tables[i].run != run->id)
            continue;
        uint32_t at = count++;
        for (; at > 0 && by_lo(metas[at - 1], &state->tables[i]) > 0; at--)
            metas[at] = metas[at - 1];
        metas[at] = &state->tables[i];
    }
    for (; rc == 0 && opened < count; opened += tables[opened] != NULL) {
        tables[opened] = NULL;
        rc = lk_table_open(db->env, db->dir, metas[opened], db->seed, &db->cache, db->map_tables, &tables[opened]);
        if (rc == 0)
            rc = lk_values_attach(&db->values, &tables[opened]->uses, 0);
    }
    if (rc == 0) {
        start->runs[start->run_count] = lk_run_new(run->id, tables, count, run->into, run->bound);
        if (start->runs[start->run_count])
            start->run_count++;
        else
            rc = lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", db->path);
    }
    for (uint32_t i = 0; i < opened; i++)
        lk_table_unref(tables[i]);
    lk_free(tables);
    lk_free(metas);
    return rc;
}

static int open_runs(struct start *start)
{
    start->runs = lk_alloc_zero((start->state.run_count + 1) * sizeof *start->runs);
    if (!start->runs)
        return lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", start->db->path);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < start->state.run_count; i++) {
        rc = open_run(start, &start->state.runs[i]);
        if (start->state.runs[i].id >= start->db->run_id_next)
            start->db->run_id_next = start->state.runs[i].id + 1;
    }
    return rc;
}

/* The active memtable. Read-only stores get an empty one that no file stands behind. */
static int first_memtable(struct start *start, struct lk_memtable **out)
{
    struct lk_db *db = start->db;
    uint32_t prev = start->recovered.last_number, prev_end = start->recovered.last_end;
    if (db->readonly)
        db->segment_kind = LK_SEGMENT_NONE;
    return lk_rotate_first(db, prev, prev ? prev_end : LK_FILE_HEAD, out);
}

static int first_version(struct start *start)
{
    struct lk_db *db = start->db;
    const struct lk_recovered *recovered = &start->recovered;
    struct lk_memtable *active = NULL, **list = lk_alloc((recovered->count + 1) * sizeof *list);
    int rc =
        list ? first_memtable(start, &active) : lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", db->path);
    if (rc == 0) {
        list[0] = active;
        for (uint32_t i = 0; i < recovered->count; i++)
            list[i + 1] = recovered->memtables[recovered->count - 1 - i];
        struct lk_version *version = lk_version_new(list, recovered->count + 1, start->runs, start->run_count, 0);
        rc = version ? lk_version_check(version) : lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", db->path);
        if (rc < 0)
            lk_version_unref(version);
        else
            atomic_store(&db->version, version);
        if (rc < 0)
            atomic_store(&active->segment->obsolete, 1);
        db->active = active;
        db->lsn_appended = lk_lsn(active->segment->number, LK_FILE_HEAD);
        lk_memtable_unref(active);
    }
    lk_free(list);
    return rc;
}

static void set_positions(struct start *start)
{
    struct lk_db *db = start->db;
    const struct lk_recovered *recovered = &start->recovered;
    db->clean_open = start->state.closed_lsn != 0 && recovered->data_end <= start->state.closed_lsn;
    /* Also a segment without a record: later ones are found through its head, which may not be on the disk yet. */
    uint64_t arrived = recovered->count ? lk_lsn(recovered->last_number, recovered->last_end) : 0;
    atomic_store(&db->unsettled, arrived > start->state.closed_lsn);
    atomic_store(&db->lsn_visible, db->lsn_appended);
    db->lsn_recovered = recovered->proven;
    /* Not the head of the active segment: a power cut may still take that. */
    db->lsn_settled = arrived > recovered->proven ? arrived : recovered->proven;
    atomic_store(&db->lsn_durable, atomic_load(&db->unsettled) ? db->lsn_recovered : db->lsn_settled);
    db->lsn_marked = atomic_load(&db->lsn_durable);
    db->lsn_sync_wanted = 0;
    db->last_sync_ns = db->env->ops->monotonic_ns(db->env);
    atomic_store(&db->counters.recovered_bytes, recovered->bytes);
    atomic_store(&db->counters.recovered_records, recovered->records);
}

static int new_manifest(struct start *start)
{
    struct lk_db *db = start->db;
    struct lk_buf edit = {0};
    int rc = lk_install_complete(db, &edit, 0);
    if (rc == 0)
        rc = lk_manifest_create(&db->manifest, atomic_fetch_add(&db->number_next, 1), db->store, &edit);
    lk_buf_deinit(&edit);
    return rc;
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* The names become the engine's. Until now `options` named the caller's, which end with the call. */
static void take_codecs(struct lk_db *db, struct lk_manifest_state *state)
{
    lk_free(db->key_codec);
    lk_free(db->value_codec);
    db->options.key_codec = db->key_codec = state->key_codec;
    db->options.value_codec = db->value_codec = state->value_codec;
    state->key_codec = state->value_codec = NULL;
}

static int read_state(struct start *start)
{
    struct lk_db *db = start->db;
    int rc = lk_listing_read(db->env, db->dir, &start->listing);
    int anew = (db->options.flags & LSMKV_OPEN_ANEW) && !db->readonly;
    if (rc == 0 && !anew)
        rc = classify(start);
    start->fresh |= anew; /* a new manifest beside the old files, which tidying up then removes */
    if (rc == 0)
        rc = start->fresh ? create(start) : lk_manifest_load(db->env, db->dir, &start->state);
    if (rc == LSMKV_NOTFOUND)
        rc = lk_fail(LSMKV_IO, "CURRENT of %s vanished while it was opened: try again", db->path);
    if (rc < 0)
        return rc;
    rc = lk_codec_names_agree(db->path, &(struct lk_codec_names){start->state.key_codec, start->state.value_codec},
                              &(struct lk_codec_names){db->options.key_codec, db->options.value_codec});
    if (rc < 0)
        return rc;
    take_codecs(db, &start->state);
    db->store = db->values.store = start->state.store;
    db->seed = start->state.seed;
    uint32_t next = start->state.next_number;
    atomic_store(&db->number_next, next > start->listing.highest ? next : start->listing.highest + 1);
    if (start->fresh && atomic_load(&db->number_next) <= db->manifest.number)
        atomic_store(&db->number_next, db->manifest.number + 1);
    return 0;
}

/* A directory that is not for us is left as it is, without even a LOCK in it. */
static int look_before_locking(struct start *start)
{
    struct lk_db *db = start->db;
    int rc = lk_listing_read(db->env, db->dir, &start->listing);
    if (rc == 0 && (db->options.flags & LSMKV_OPEN_ANEW) && start->listing.strangers)
        rc = lk_fail(LSMKV_EXISTS,
                     "%s holds files that are not lsmkv's (%s, for one): nothing was removed; move them away "
                     "first",
                     db->path, start->listing.stranger);
    else if (rc == 0 && !(db->options.flags & LSMKV_OPEN_ANEW))
        rc = classify(start);
    lk_listing_deinit(&start->listing);
    return rc;
}

static void prepare_values(struct lk_db *db)
{
    struct lk_values *values = &db->values;
    values->env = db->env;
    values->dir = db->dir;
    values->epochs = &db->epochs;
    values->number_next = &db->number_next;
    values->segment_bytes = db->options.segment_bytes;
    values->mode = db->options.mode & 0666;
    values->mapped = db->map_tables;
    values->least = db->options.large_value_bytes;
}

/* A value that a reader misses may have been collected meanwhile, and its record with it: then the manifest has moved on. */
static int look_again(struct start *start)
{
    struct lk_manifest_state now = {0};
    int rc = lk_manifest_load(start->db->env, start->db->dir, &now);
    int moved = rc != 0 || now.next_number != start->state.next_number || now.log_first != start->state.log_first;
    lk_manifest_state_deinit(&now);
    return moved ? lk_fail(LSMKV_IO, "%s changed while it was opened: try again", start->db->path) : 0;
}

static int steps(struct start *start)
{
    struct lk_db *db = start->db;
    db->run_id_next = 1;
    choose_sources(db);
    divide_memory(db);
    prepare_values(db);
    int rc = db->readonly ? 0 : look_before_locking(start);
    if (rc == 0 && !db->readonly)
        rc = take_lock(db);
    if (rc == 0)
        rc = read_state(start);
    if (rc == 0)
        rc = open_runs(start);
    if (rc == 0)
        rc = lk_recover(db, &start->state, &start->listing, &start->recovered);
    if (rc == 0 && db->readonly && start->recovered.value_lost)
        rc = look_again(start);
    /* CURRENT may have been put in place by a process that died before the sync: no new file before its name is
     * durable, or a power cut leaves a log without a store. */
    if (rc == 0 && !db->readonly && !start->fresh)
        rc = lk_io_dir_sync(db->env, db->dir);
    if (rc == 0)
        rc = first_version(start);
    if (rc < 0)
        return rc;
    set_positions(start);
    lk_counted_recover(db, &start->state);
    if (db->readonly)
        return 0;
    if (!start->fresh)
        rc = new_manifest(start);
    if (rc == 0)
        rc = lk_leftover_tidy(db, &start->listing, &start->recovered, start->state.ended_cleanly);
    if (rc == 0)
        lk_event(db, "open", "%s, %llu records of log replayed, %u tables in %u runs",
                 db->clean_open ? "clean" : "unclean", (unsigned long long)start->recovered.records,
                 start->state.table_count, start->run_count);
    if (rc < 0)
        return rc;
    lk_apart_keep(db, 0);
    return lk_background_start(db);
}

static void start_deinit(struct start *start)
{
    for (uint32_t i = 0; i < start->run_count; i++)
        lk_run_unref(start->runs[i]);
    lk_free(start->runs);
    lk_recovered_deinit(&start->recovered);
    lk_manifest_state_deinit(&start->state);
    lk_listing_deinit(&start->listing);
}

/* Another process may replace files while a reader opens: then it looks again, and goes on looking as long as the
 * manifest tells of new files each time. */
enum { READ_TRIES = 5, READ_TRIES_MOST = 200 };

int lk_engine_start(struct lk_env *env, const char *path, struct lk_dir *dir, const uint64_t id[2],
                    const struct lsmkv_options *options, struct lk_db **out)
{
    *out = NULL;
    struct start start = {.db = db_new(env, path, dir, id, options)};
    if (!start.db) {
        env->ops->dir_close(dir);
        return lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", path);
    }
    *out = start.db;
    int rc = steps(&start);
    uint32_t seen = 0; /* the next file's number, as the try before this one had it */
    for (int i = 1; start.db->readonly && (rc == LSMKV_CORRUPT || rc == LSMKV_IO); i++) {
        if (i >= READ_TRIES_MOST || (i >= READ_TRIES && start.state.next_number == seen))
            break;
        seen = start.state.next_number;
        start_deinit(&start);
        start = (struct start){.db = start.db};
        env->ops->sleep_ns(env, 2000000);
        rc = steps(&start);
    }
    struct lsmkv_error saved = *lk_error();
    start_deinit(&start);
    if (rc < 0) {
        *out = NULL;
        lk_background_stop(start.db);
        lk_engine_free(start.db);
        lk_error_restore(&saved);
        return rc;
    }
    return 0;
}
