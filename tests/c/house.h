/* house: an engine made by hand, with a dict beside it. No threads, no log files, no open: memtables in
 * memory, tables and manifest in a temporary directory, and verbs that tell a story:
 *
 *   house_put(7, 1); house_delete_range(3, 9); house_seal(); house_flush(); house_merge(0, 2); house_agrees();
 *
 * Keys are numbers below HOUSE_KEYS; a value is told by its salt, and salt 0 is absence. */
#ifndef LK_TESTS_HOUSE_H
#define LK_TESTS_HOUSE_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "engine/compaction.h"
#include "engine/install.h"
#include "random.h"
#include "scratch.h"
#include "store/table_writer.h"
#include "store/visible.h"
#include "util/alloc.h"
#include "util/buf.h"

enum { HOUSE_KEYS = 400, HOUSE_SEGMENT = 8 << 20, HOUSE_LARGE = 100000 };

static struct house {
    struct lk_db db;
    char path[256];
    uint32_t salt[HOUSE_KEYS], large[HOUSE_KEYS]; /* the dict; large: the value has HOUSE_LARGE bytes more */
    uint32_t next_salt;
    int unreadable; /* keys that failed with CORRUPT in the last house_agrees */
    int fail_after; /* calls of the environment until one fails; -1: never */
    struct lsmkv_step did;
} house;

/* ---- an environment that fails once ----------------------------------------------------------- */

static struct lk_env_ops house_ops;
static struct lk_env house_env = {&house_ops};

static inline int house_fails(void)
{
    return house.fail_after >= 0 && house.fail_after-- == 0;
}

static inline int house_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes)
{
    return house_fails() ? -28 /* ENOSPC */ : lk_env_posix()->ops->write(file, offset, from, bytes);
}
static inline int house_sync(struct lk_file *file)
{
    return house_fails() ? -5 /* EIO */ : lk_env_posix()->ops->sync(file);
}
static inline int house_dir_sync(struct lk_dir *dir)
{
    return house_fails() ? -5 : lk_env_posix()->ops->dir_sync(dir);
}
static inline int house_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode,
                             struct lk_file **out)
{
    return house_fails() ? -24 /* EMFILE */ : lk_env_posix()->ops->open(dir, name, how, mode, out);
}
static inline int64_t house_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    return house_fails() ? -5 : lk_env_posix()->ops->read(file, offset, to, bytes);
}

/* ---- life ------------------------------------------------------------------------------------- */

static inline uint64_t house_stamp(void *epochs)
{
    return lk_epoch_stamp(epochs);
}
static inline int house_passed(void *epochs, uint64_t stamp)
{
    return lk_epoch_passed(epochs, stamp);
}

static inline struct lk_memtable *house_memtable(void)
{
    struct lk_segment *segment = NULL;
    struct lk_memtable *memtable = NULL;
    uint32_t number = atomic_fetch_add(&house.db.number_next, 1);

    CHECK_EQ(lk_segment_create(house.db.env, house.db.dir, number, HOUSE_SEGMENT, LK_SEGMENT_NONE, 0600, &segment), 0);
    CHECK_EQ(lk_segment_start(segment, house.db.store, 0, 0), 0);
    CHECK_EQ(lk_memtable_new(segment, house.db.seed, 4 * HOUSE_KEYS, &house.db.epochs, &memtable), 0);
    return memtable;
}

/* What opening does before any file is looked at. */
static inline void house_begin(void)
{
    struct lk_db *db = &house.db;

    memset(db, 0, sizeof *db);
    house_ops = *lk_env_posix()->ops;
    house_ops.write = house_write;
    house_ops.sync = house_sync;
    house_ops.dir_sync = house_dir_sync;
    house_ops.open = house_open;
    house_ops.read = house_read;
    house.fail_after = -1;
    db->env = &house_env;
    db->store = 77;
    db->memory_limit = UINT64_MAX;
    db->key_codec = db->value_codec = (char *)(uintptr_t)"bytes";
    db->seed = (struct lk_hash_seed){1, 2};
    db->options = (struct lsmkv_options){.mode = 0700, .table_bytes = 2048, .page_bytes = 64};
    lk_epochs_init(&db->epochs);
    lk_mutex_init(&db->write_mutex);
    lk_mutex_init(&db->sync_mutex);
    lk_mutex_init(&db->work_mutex);
    lk_mutex_init(&db->state_mutex);
    lk_mutex_init(&db->event_mutex);
    lk_counted_init(&db->counted);
    lk_values_init(&db->values);
    lk_cond_init(&db->sync_done);
    lk_cond_init(&db->state_changed);
    CHECK_EQ(lk_cache_init(&db->cache, db->env, 1 << 20, house_stamp, house_passed, &db->epochs), 0);
    CHECK_EQ(db->env->ops->dir_open(db->env, house.path, 0, &db->dir), 0);
    db->manifest = (struct lk_manifest){.env = db->env, .dir = db->dir, .mode = 0600};
    db->run_id_next = 1;
    atomic_store(&db->number_next, 1);
}

static inline void house_start(struct lk_run *const *runs, uint32_t run_count)
{
    struct lk_db *db = &house.db;
    struct lk_buf complete = {0};
    uint32_t number = atomic_fetch_add(&db->number_next, 1);

    db->active = house_memtable();
    atomic_store(&db->version, lk_version_new(&db->active, 1, runs, run_count, 0));
    lk_memtable_unref(db->active); /* the version has it */
    CHECK_EQ(lk_install_complete(db, &complete, 0), 0);
    CHECK_EQ(lk_manifest_create(&db->manifest, number, db->store, &complete), 0);
    lk_buf_deinit(&complete);
}

static inline void house_new(void)
{
    memset(&house, 0, sizeof house);
    snprintf(house.path, sizeof house.path, "%s/lsmkv-house-XXXXXX", scratch_base());
    CHECK(mkdtemp(house.path) != NULL);
    house_begin();
    house_start(NULL, 0);
}

static inline void house_stop(void)
{
    struct lk_db *db = &house.db;

    lk_counted_deinit(&db->counted);
    lk_version_unref(atomic_load(&db->version));
    lk_epochs_deinit(&db->epochs);
    lk_values_deinit(&db->values);
    lk_manifest_close(&db->manifest);
    lk_cache_deinit(&db->cache);
    db->env->ops->dir_close(db->dir);
}

static inline void house_free(void)
{
    char command[320];

    house_stop();
    snprintf(command, sizeof command, "rm -r %s", house.path);
    CHECK_EQ(system(command), 0);
}

/* ---- from the manifest -------------------------------------------------------------------------- */

static inline int house_by_lo(const void *a, const void *b)
{
    return lk_compare((*(struct lk_table *const *)a)->meta.lo, (*(struct lk_table *const *)b)->meta.lo);
}

static inline struct lk_run *house_run(const struct lk_manifest_state *state, const struct lk_run_meta *meta)
{
    struct lk_table *tables[512];
    uint32_t count = 0;

    for (uint32_t i = 0; i < state->table_count; i++)
        if (state->tables[i].run == meta->id && CHECK(count < 512)) {
            if (CHECK_EQ(lk_table_open(house.db.env, house.db.dir, &state->tables[i], house.db.seed, &house.db.cache,
                                       count % 2, &tables[count]),
                         0))
                count++;
        }
    qsort(tables, count, sizeof tables[0], house_by_lo);
    struct lk_run *run = lk_run_new(meta->id, tables, count, meta->into, meta->bound);
    for (uint32_t i = 0; i < count; i++)
        lk_table_unref(tables[i]);
    return run;
}

/* Close and open again: what was only in memtables is lost, so flush first. */
static inline void house_reopen(void)
{
    struct lk_manifest_state state = {0};
    struct lk_run *runs[LK_SHAPE_RUNS];

    house_stop();
    house_begin();
    CHECK_EQ(lk_manifest_load(house.db.env, house.db.dir, &state), 0);
    atomic_store(&house.db.number_next, state.next_number);
    for (uint32_t i = 0; i < state.run_count; i++) {
        runs[i] = house_run(&state, &state.runs[i]);
        if (runs[i]->id >= house.db.run_id_next)
            house.db.run_id_next = runs[i]->id + 1;
    }
    house.db.manifest.number = state.manifest_number;
    house_start(runs, state.run_count);
    for (uint32_t i = 0; i < state.run_count; i++)
        lk_run_unref(runs[i]);
    lk_manifest_state_deinit(&state);
}

/* ---- writes ------------------------------------------------------------------------------------- */

static inline struct lk_slice house_key(uint32_t key, char to[32])
{
    return lk_slice(to, (size_t)snprintf(to, 32, key % 3 ? "k%04u" : "k%04u long tail", key));
}

static inline size_t house_value(uint32_t salt, int large, char **out)
{
    static char value[HOUSE_LARGE + 64];
    size_t len = (large ? HOUSE_LARGE : 0) + 16 + salt % 23;
    memset(value, 'a' + (int)(salt % 26), len);
    memcpy(value, &salt, sizeof salt);
    *out = value;
    return len;
}

static inline void house_append(struct lk_record *record)
{
    struct lk_segment *segment = house.db.active->segment;
    uint8_t *body = lk_segment_body(segment);
    uint64_t hash = lk_hash(house.db.seed, record->key.at, record->key.len);
    uint8_t *end = lk_memtable_add(house.db.active, body, record, hash);

    if (!CHECK(end != NULL))
        return;
    CHECK_EQ(lk_segment_commit(segment, LK_FRAME_RECORDS, (uint32_t)(end - body)), 0);
    lk_segment_advance(segment, (uint32_t)(end - body));
}

/* expiry: 0 never; otherwise nanoseconds since 1970. Expired already: absent to the dict. */
static inline void house_put_until(uint32_t key, int large, uint64_t expiry)
{
    char name[32], *value;
    struct lk_record record = {.flags = expiry ? LK_PUT | LK_RECORD_EXPIRY : LK_PUT, .expiry = expiry};

    record.key = house_key(key, name);
    record.value.len = house_value(++house.next_salt, large, &value);
    record.value.at = (const uint8_t *)value;
    house_append(&record);
    house.salt[key] = expiry && expiry < 1000000 ? 0 : house.next_salt;
    house.large[key] = (uint32_t)large;
}

static inline void house_put(uint32_t key)
{
    house_put_until(key, 0, 0);
}

static inline void house_delete(uint32_t key)
{
    char name[32];
    house_append(&(struct lk_record){.flags = LK_DELETE, .key = house_key(key, name)});
    house.salt[key] = 0;
}

/* first <= key < stop; stop HOUSE_KEYS: to the end of the key space. */
static inline void house_delete_range(uint32_t first, uint32_t stop)
{
    char from[32], to[32];
    struct lk_record record = {.flags = LK_RANGE_DELETE, .key = house_key(first, from)};

    if (stop == HOUSE_KEYS)
        record.flags |= LK_RECORD_OPEN_END;
    else
        record.value = house_key(stop, to);
    house_append(&record);
    for (uint32_t key = first; key < stop; key++)
        house.salt[key] = 0;
}

/* ---- work --------------------------------------------------------------------------------------- */

static inline void house_release(void *version)
{
    lk_version_unref(version);
}

static inline void house_seal(void)
{
    struct lk_version *old = atomic_load(&house.db.version);
    struct lk_memtable *list[64] = {house_memtable()};

    if (!CHECK(old->memtable_count < 63))
        return;
    memcpy(list + 1, old->memtables, old->memtable_count * sizeof list[0]);
    atomic_store(&house.db.active->sealed, 1);
    house.db.active = list[0];
    atomic_store(&house.db.version,
                 lk_version_new(list, old->memtable_count + 1, old->runs, old->run_count, old->installs));
    lk_memtable_unref(list[0]);
    lk_epoch_retire(&house.db.epochs, old, house_release);
}

static inline struct lk_version *house_version(void)
{
    return atomic_load(&house.db.version);
}

static inline int house_flush(void)
{
    lk_mutex_lock(&house.db.work_mutex);
    int rc = lk_flush_l0(&house.db, &house.did);
    lk_mutex_unlock(&house.db.work_mutex);
    return rc;
}

static inline int house_step(uint32_t first, uint32_t last)
{
    struct lk_job job = {.kind = LK_JOB_MERGE, .first = first, .last = last, .why = "the test says so"};

    lk_mutex_lock(&house.db.work_mutex);
    int rc = lk_merge_step_run(&house.db, &job, &house.did);
    lk_mutex_unlock(&house.db.work_mutex);
    CHECK_EQ(lk_version_check(house_version()), 0);
    return rc;
}

/* Merge runs first..last to the end. Steps taken, or a failure. */
static inline int house_merge(uint32_t first, uint32_t last)
{
    uint32_t output = house.db.run_id_next;
    for (int steps = 1; steps < 10000; steps++) {
        int rc = house_step(first, last), under_way = 0;
        if (rc != 0)
            return rc;
        for (uint32_t i = 0; i < house_version()->run_count; i++)
            under_way |= house_version()->runs[i]->into == output;
        if (!under_way)
            return steps;
    }
    return -1;
}

/* ---- questions ---------------------------------------------------------------------------------- */

/* 0 with the record, NOTFOUND, or a failure: newest first, one source after the other. */
static inline int house_find(struct lk_slice key, struct lk_buf *bytes, struct lk_record *record)
{
    const struct lk_version *version = house_version();
    uint64_t hash = lk_hash(house.db.seed, key.at, key.len);

    for (uint32_t i = 0; i < version->memtable_count; i++) {
        uint64_t limit = atomic_load(&version->memtables[i]->segment->end);
        if (lk_memtable_find(version->memtables[i], hash, key, limit, record, NULL, NULL) == 0)
            return 0;
        if (lk_memtable_covered(version->memtables[i], key, 0, limit))
            return LSMKV_NOTFOUND;
    }
    for (uint32_t i = 0; i < version->run_count; i++) {
        struct lk_table *table = lk_run_table(version->runs[i], key);
        int rc = table ? lk_table_find_copy(table, hash, key, bytes, record) : LSMKV_NOTFOUND;
        if (rc != LSMKV_NOTFOUND)
            return rc;
        if (table && lk_ranges_find(&table->ranges, key))
            return LSMKV_NOTFOUND;
    }
    return LSMKV_NOTFOUND;
}

/* Every key answers as the dict does. Keys in damaged places may fail, and are counted. */
static inline void house_agrees(void)
{
    struct lk_buf bytes = {0};
    struct lk_record record;
    uint64_t now = house.db.env->ops->wall_ns(house.db.env);

    house.unreadable = 0;
    for (uint32_t key = 0; key < HOUSE_KEYS; key++) {
        char name[32], *value;
        int rc = house_find(house_key(key, name), &bytes, &record);
        if (rc == LSMKV_CORRUPT) {
            house.unreadable++;
            continue;
        }
        int there = rc == 0 && lk_record_visible(&record, now);
        if (!CHECK_EQ(there, house.salt[key] != 0))
            fprintf(stderr, "key %u\n", key);
        if (!there || !house.salt[key])
            continue;
        size_t len = house_value(house.salt[key], (int)house.large[key], &value);
        if (!CHECK(record.value.len == len && memcmp(record.value.at, value, len) == 0))
            fprintf(stderr, "key %u: salt %u instead of %u\n", key, lk_load32(record.value.at), house.salt[key]);
    }
    lk_buf_deinit(&bytes);
}

/* Every table verifies, runs tile, and the directory holds the tables of the version and no others. */
static inline void house_is_sound(void)
{
    const struct lk_version *version = house_version();
    uint32_t tables = 0, files = 0;

    CHECK_EQ(lk_version_check(version), 0);
    for (uint32_t i = 0; i < version->run_count; i++) {
        const struct lk_run *run = version->runs[i];
        int whole = 1; /* unless it is the output of a merge under way */
        for (uint32_t j = 0; j < version->run_count; j++)
            whole &= version->runs[j]->into != run->id;
        CHECK(run->count > 0 && run->tables[run->count - 1]->meta.hi_open == whole);
        CHECK(run->into || run->tables[0]->meta.lo.len == 0);
        if (run->into && run->tables[0]->meta.hi.len) /* nothing is kept that lies wholly behind the bound */
            CHECK(lk_compare(run->tables[0]->meta.hi, run->bound) > 0);
        for (uint32_t j = 0; j < run->count; j++, tables++)
            if (!run->tables[j]->damaged)
                CHECK_EQ(lk_table_verify(run->tables[j], NULL, NULL, NULL), 0);
    }
    lk_epoch_reclaim(&house.db.epochs);
    DIR *dir = opendir(house.path);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
        files += strstr(entry->d_name, ".tbl") != NULL;
    closedir(dir);
    CHECK_EQ(files, tables);
}

#endif
