/* table_kit: rows in memory, tables made of them, and the same questions asked of both.
 *
 * A model is a sorted array of rows. kit_write makes a table of it, kit_open opens that, kit_find and
 * the drive_... verbs do what an engine does: ask in place, fill what is missing, ask again. */
#ifndef LK_TESTS_TABLE_KIT_H
#define LK_TESTS_TABLE_KIT_H

#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "random.h"
#include "scratch.h"
#include "store/table_cursor.h"
#include "store/table_writer.h"
#include "util/alloc.h"
#include "util/buf.h"

/* ---- rows ------------------------------------------------------------------------------------- */

struct row {
    struct lk_slice key;
    uint32_t value_bytes, salt;
    uint64_t expiry;
    int deleted;
};

struct model {
    struct row *rows;
    size_t count, cap;
    uint64_t lsn;
};

static inline void model_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free((void *)(uintptr_t)model->rows[i].key.at);
    free(model->rows);
    *model = (struct model){0};
}

static inline void model_add(struct model *model, const void *key, size_t len, uint32_t value_bytes)
{
    if (model->count == model->cap) {
        model->cap = model->cap ? 2 * model->cap : 64;
        model->rows = realloc(model->rows, model->cap * sizeof *model->rows);
    }
    uint8_t *copy = malloc(len + 1);
    if (len)
        memcpy(copy, key, len);
    model->rows[model->count++] =
        (struct row){.key = lk_slice(copy, len), .value_bytes = value_bytes, .salt = (uint32_t)model->count};
}

static int row_order(const void *a, const void *b)
{
    return lk_compare(((const struct row *)a)->key, ((const struct row *)b)->key);
}

/* Sorted, each key once. */
static inline void model_settle(struct model *model)
{
    size_t kept = 0;
    if (model->count == 0)
        return;
    qsort(model->rows, model->count, sizeof *model->rows, row_order);
    for (size_t i = 0; i < model->count; i++) {
        if (kept && lk_equal(model->rows[kept - 1].key, model->rows[i].key))
            free((void *)(uintptr_t)model->rows[i].key.at);
        else
            model->rows[kept++] = model->rows[i];
    }
    model->count = kept;
}

/* The first row whose key is >= key (after: > key). */
static inline size_t model_seek(const struct model *model, struct lk_slice key, int after)
{
    size_t low = 0, high = model->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = lk_compare(model->rows[middle].key, key);
        if (order < 0 || (order == 0 && after))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline const struct row *model_find(const struct model *model, struct lk_slice key)
{
    size_t at = model_seek(model, key, 0);
    return at < model->count && lk_equal(model->rows[at].key, key) ? &model->rows[at] : NULL;
}

/* The value of a row is a function of its salt: nothing that large is kept. Of 64 rows in a row some pack, and some
 * do not. */
static inline uint8_t value_byte(const struct row *row, uint64_t offset)
{
    offset = row->salt & 64 ? offset / 16 : offset;
    return (uint8_t)((offset * 7 + (offset >> 11) * 13) ^ row->salt * 31);
}

static inline void value_fill(const struct row *row, uint64_t offset, uint8_t *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = value_byte(row, offset + i);
}

static inline int value_is(const struct row *row, uint64_t offset, const uint8_t *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != value_byte(row, offset + i))
            return 0;
    return 1;
}

static inline int row_is(const struct row *row, const struct lk_record *record)
{
    enum lk_kind kind = row->deleted ? LK_DELETE : LK_PUT;
    return lk_equal(row->key, record->key) && lk_record_kind(record) == kind && record->expiry == row->expiry &&
           record->value.len == row->value_bytes &&
           (record->value.at == NULL || value_is(row, 0, record->value.at, record->value.len));
}

/* ---- a cursor over a model, for the writer ------------------------------------------------------ */

struct model_cursor {
    struct lk_cursor cursor;
    const struct model *model;
    size_t at;
    uint8_t *value; /* owned, by malloc: not among the allocations that are made to fail */
    uint32_t far_min;
};

static inline int model_piece(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes)
{
    const struct model_cursor *self = (const struct model_cursor *)(const void *)cursor;
    value_fill(&self->model->rows[self->at], offset, to, bytes);
    return 0;
}

static inline void model_show(struct model_cursor *self)
{
    static const struct lk_cursor_ops ops = {.value_piece = model_piece};
    const struct row *row = &self->model->rows[self->at];
    struct lk_record *record = &self->cursor.record;

    self->cursor.ops = &ops;
    *record = (struct lk_record){.key = row->key,
                                 .expiry = row->expiry,
                                 .flags = (uint8_t)((row->deleted ? LK_DELETE : LK_PUT) |
                                                    (row->expiry ? LK_RECORD_EXPIRY : 0) | LK_RECORD_LINK)};
    record->prev = 77;
    record->value.len = row->value_bytes;
    self->cursor.head = lk_head(row->key, 0);
    if (row->value_bytes > self->far_min)
        return;
    free(self->value);
    self->value = malloc(row->value_bytes + 1u);
    value_fill(row, 0, self->value, row->value_bytes);
    record->value.at = self->value;
}

/* ---- a place to work ---------------------------------------------------------------------------- */

static const struct lk_hash_seed kit_seed = {0x1234567890abcdefu, 0xfedcba0987654321u};

/* How the kit's tables are packed and indexed: kit_check_run runs all tests once for each way up to `last` that this
 * build knows, and once more with filters. */
static uint32_t kit_codec;
static int kit_filtered; /* a filter in every table that has a record; otherwise where the engine would make one */
static struct lk_scratch kit_scratch;

static inline int kit_check_run(int argc, char **argv, uint32_t last)
{
    int failed = 0;
    for (kit_codec = 0; kit_codec <= last; kit_codec++)
        for (kit_filtered = 0; kit_filtered < 2; kit_filtered++) {
            const char *name = lk_pack_name(kit_codec), *filters = kit_filtered ? ", filters" : "";
            int known = lk_pack_version(kit_codec) != NULL;
            printf("%s%s%s\n", name, filters, known ? ":" : ": skipped, not in this build");
            if (known)
                failed |= check_run(argc, argv);
        }
    lk_scratch_deinit(&kit_scratch);
    return failed;
}

struct kit {
    struct lk_env *env;
    struct lk_dir *dir;
    char path[256];
    struct lk_cache cache;
    uint32_t next;
    uint32_t page_bytes;
    uint64_t table_bytes;
    int mapped;
};

/* The trivial epoch: nobody is ever inside a slot when the cache asks. */
static inline uint64_t kit_stamp(void *context)
{
    (void)context;
    return 0;
}

static inline int kit_passed(void *context, uint64_t stamp)
{
    (void)context;
    (void)stamp;
    return 1;
}

static inline void kit_open(struct kit *kit, uint64_t budget)
{
    *kit = (struct kit){.env = lk_env_posix(), .next = 1, .page_bytes = 2048, .table_bytes = 64u << 20, .mapped = 1};
    snprintf(kit->path, sizeof kit->path, "%s/lsmkv-table-XXXXXX", scratch_base());
    if (mkdtemp(kit->path) == NULL || kit->env->ops->dir_open(kit->env, kit->path, 0, &kit->dir) < 0 ||
        lk_cache_init(&kit->cache, kit->env, budget, kit_stamp, kit_passed, NULL) < 0)
        abort();
}

static inline int kit_remove_one(void *arg, const char *name)
{
    struct kit *kit = arg;
    (void)kit->env->ops->remove(kit->dir, name);
    return 0;
}

static inline void kit_close(struct kit *kit)
{
    (void)kit->env->ops->dir_list(kit->dir, kit_remove_one, kit);
    kit->env->ops->dir_close(kit->dir);
    (void)rmdir(kit->path);
    lk_cache_deinit(&kit->cache);
}

static inline struct lk_table_plan kit_plan(struct kit *kit)
{
    return (struct lk_table_plan){.env = kit->env,
                                  .dir = kit->dir,
                                  .number = kit->next++,
                                  .run = 3,
                                  .file_mode = 0600,
                                  .table_bytes = kit->table_bytes,
                                  .page_bytes = kit->page_bytes,
                                  .codec = kit_codec,
                                  .small_bytes = kit_filtered ? UINT32_MAX : LK_SMALL_BYTES,
                                  .small_records = kit_filtered ? 0 : LK_SMALL_RECORDS,
                                  .seed = kit_seed};
}

/* Rows [from, to) become a table over [lo, hi). 0 or the failure; abandons on failure. */
static inline int kit_write_part(struct kit *kit, const struct model *model, size_t from, size_t to, struct lk_slice lo,
                                 const struct lk_slice *hi, const struct lk_ranges *ranges, struct lk_table_meta *meta)
{
    struct lk_table_plan plan = kit_plan(kit);
    struct lk_table_writer *writer = NULL;
    struct model_cursor cursor = {.model = model, .far_min = 100 * 1024};
    int rc = lk_table_writer_open(&plan, &writer);

    for (cursor.at = from; rc == 0 && cursor.at < to; cursor.at++) {
        model_show(&cursor);
        rc = lk_table_writer_add(writer, &cursor.cursor);
    }
    if (rc == 0)
        rc = lk_table_writer_finish(writer, lo, hi, ranges, 1000, 2000, meta);
    if (rc < 0)
        lk_table_writer_abandon(writer);
    free(cursor.value);
    return rc;
}

static inline int kit_write(struct kit *kit, const struct model *model, struct lk_table_meta *meta)
{
    return kit_write_part(kit, model, 0, model->count, lk_slice("", 0), NULL, NULL, meta);
}

static inline int kit_load(struct kit *kit, const struct lk_table_meta *meta, struct lk_table **out)
{
    return lk_table_open(kit->env, kit->dir, meta, kit_seed, &kit->cache, kit->mapped, out);
}

/* Write and open in one. NULL after a failed check. */
static inline struct lk_table *kit_table(struct kit *kit, const struct model *model)
{
    struct lk_table_meta meta;
    struct lk_table *table = NULL;
    if (!CHECK_EQ(kit_write(kit, model, &meta), 0))
        return NULL;
    CHECK_EQ(kit_load(kit, &meta, &table), 0);
    lk_table_meta_deinit(&meta);
    return table;
}

/* ---- asking --------------------------------------------------------------------------------------- */

static inline uint64_t kit_hash(struct lk_slice key)
{
    return lk_hash(kit_seed, key.at, key.len);
}

/* In place, filling what is missing. What a packed page gave stays until the next call. */
static inline int kit_find(struct lk_table *table, struct lk_slice key, struct lk_record *record)
{
    struct lk_missing missing;
    for (int tries = 0; tries < 1000; tries++) {
        kit_scratch.used = 0;
        int rc = lk_table_find(table, kit_hash(key), key, record, &missing, &kit_scratch, NULL);
        if (rc != LSMKV_WOULDBLOCK)
            return rc;
        rc = lk_table_fill(&missing);
        if (rc < 0)
            return rc;
    }
    return LSMKV_BUSY;
}

/* The missing bytes of a table or run cursor. */
struct drive {
    struct lk_cursor *cursor;
    struct lk_missing *missing;
    struct lk_buf last; /* the key before, to seek again from */
};

static inline void drive_seek(struct drive *drive, const struct lk_slice *key, int strict, int back)
{
    struct lk_cursor *cursor = drive->cursor;
    for (int tries = 0; tries < 1000; tries++) {
        if (back)
            cursor->ops->seek_back(cursor, key, strict);
        else
            cursor->ops->seek(cursor, key, strict);
        if (cursor->status != LSMKV_WOULDBLOCK)
            return;
        int rc = lk_table_fill(drive->missing);
        if (rc < 0) {
            cursor->status = rc;
            return;
        }
    }
    cursor->status = LSMKV_BUSY;
}

static inline void drive_move(struct drive *drive, int back)
{
    struct lk_cursor *cursor = drive->cursor;
    if (lk_buf_copy(&drive->last, cursor->record.key) < 0)
        abort();
    if (back)
        cursor->ops->prev(cursor);
    else
        cursor->ops->next(cursor);
    if (cursor->status == LSMKV_WOULDBLOCK) {
        struct lk_slice last = lk_buf_slice(&drive->last);
        int rc = lk_table_fill(drive->missing);
        if (rc < 0)
            cursor->status = rc;
        else
            drive_seek(drive, &last, 1, back);
    }
}

#endif
