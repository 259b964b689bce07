/* rewrite: the loop that flush and merge share. See engine/rewrite.h. */
#include "engine/rewrite.h"

#include "engine/beyond.h"
#include "engine/clock.h"
#include "engine/collect.h"
#include "engine/rate.h"
#include "store/drop.h"
#include "store/table_writer.h"
#include "util/alloc.h"

enum {
    LOOK_UP = 4096,   /* records between two looks at db->closing */
    PAY_BYTES = 256 * 1024, /* between two looks at what was written */
    FIRST_PART = 16, /* of table_bytes: a table of the first run; */
    FIRST_LEAST = 1 << 20, /* not less than this */
    SMALL_PART = 32, /* of table_bytes: no table that a guide ends is smaller; */
    LEAST = 65536,   /* nor than this, or than half of table_bytes: a table has 4 to 8 KiB beside its records */
    LEAP_AFTER = 4096 /* hidden records that cost about as much to step over as a streaming cursor's seek */
};

/* ---- begin and end ---------------------------------------------------------------------------- */

int lk_rewrite_begin(struct lk_rewrite *rewrite, struct lk_db *db, uint32_t source_count)
{
    *rewrite = (struct lk_rewrite){.db = db, .source_count = source_count, .most = UINT64_MAX};
    rewrite->now_ns = lk_wall_ns(db);
    rewrite->leaves = lk_beyond_memory(db);
    rewrite->began_ns = db->env->ops->monotonic_ns(db->env);
    rewrite->sources = lk_alloc_zero((source_count + 1) * sizeof *rewrite->sources);
    rewrite->met = lk_alloc_zero((source_count + 1) * sizeof *rewrite->met);
    if (!rewrite->sources || !rewrite->met)
        return lk_fail(LSMKV_NOMEM, "memory ran out before %u sources could be merged", source_count);
    return 0;
}

void lk_rewrite_note_age(struct lk_rewrite *rewrite, const struct lk_run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct lk_table_meta *meta = &run->tables[i]->meta;
        if (rewrite->lsn_min == 0 || meta->lsn_min < rewrite->lsn_min)
            rewrite->lsn_min = meta->lsn_min;
        if (meta->lsn_max > rewrite->lsn_max)
            rewrite->lsn_max = meta->lsn_max;
        if (meta->written_ns > rewrite->written_ns)
            rewrite->written_ns = meta->written_ns;
    }
}

void lk_rewrite_seek(struct lk_rewrite *rewrite, struct lk_slice from)
{
    lk_merge_init(&rewrite->merge, rewrite->sources, rewrite->source_count);
    rewrite->merge.leap_after = LEAP_AFTER;
    lk_merge_seek(&rewrite->merge, &from, 0);
}

static void remove_output(struct lk_rewrite *rewrite, const struct lk_table_meta *meta)
{
    char name[LK_FILE_NAME];

    lk_file_name(name, LK_FILE_TABLE, meta->number);
    lk_env_note(rewrite->db->env, LK_NOTE_REMOVE, meta->number, 0);
    (void)rewrite->db->env->ops->remove(rewrite->db->dir, name);
}

void lk_rewrite_end(struct lk_rewrite *rewrite, int installed)
{
    struct lsmkv_error saved = *lk_error(); /* why we are here matters more than what fails now */

    for (uint32_t i = 0; i < rewrite->meta_count; i++) {
        if (i < rewrite->table_count) {
            atomic_store(&rewrite->tables[i]->obsolete, !installed && !rewrite->borrowed);
            lk_table_unref(rewrite->tables[i]);
        } else if (!installed && !rewrite->borrowed) {
            remove_output(rewrite, &rewrite->metas[i]);
        }
        lk_table_meta_deinit(&rewrite->metas[i]);
    }
    lk_free(rewrite->metas);
    lk_free(rewrite->tables);
    lk_free(rewrite->sources);
    lk_free(rewrite->met);
    lk_values_release_uses(&rewrite->moved);
    *rewrite = (struct lk_rewrite){0};
    lk_error_restore(&saved);
}

/* ---- which records survive -------------------------------------------------------------------- */

static int older_may_hold(const struct lk_rewrite *rewrite, struct lk_slice key)
{
    for (uint32_t i = 0; i < rewrite->older_count; i++) {
        const struct lk_table *table = lk_run_table(rewrite->older[i], key);
        if (table && lk_table_spans(table, key))
            return 1;
    }
    return 0;
}

static enum lk_fate fate_of(const struct lk_rewrite *rewrite, const struct lk_record *record)
{
    if (lk_record_visible(record, rewrite->now_ns))
        return LK_FATE_WRITE;
    return lk_drop_fate(record, rewrite->now_ns, older_may_hold(rewrite, record->key));
}

/* ---- one table -------------------------------------------------------------------------------- */

/* "auto" packs what a merge made that leaves nothing older below: it will be read more often than written again. */
static void choose_codec(const struct lk_rewrite *rewrite, struct lk_table_plan *plan)
{
    switch (rewrite->db->options.compression) {
    case LSMKV_COMPRESSION_AUTO:
        plan->sample = 1;
        plan->codec = !rewrite->young && !rewrite->older_count ? LK_PACK_LZ4 : LK_PACK_RAW;
        break;
    case LSMKV_COMPRESSION_LZ4:
        plan->codec = LK_PACK_LZ4;
        break;
    case LSMKV_COMPRESSION_ZSTD:
        plan->codec = LK_PACK_ZSTD;
        break;
    }
    if (!lk_pack_version(plan->codec))
        plan->codec = LK_PACK_RAW;
}

/* `part`, but not less than `least`, unless `most` is still less. */
static uint64_t part_of_table(uint64_t part, uint64_t least, uint64_t most)
{
    return part > least || part > most ? part : least < most ? least : most;
}

/* Where nothing lies below, small tables: later runs end theirs where these end. */
static uint64_t first_bytes(uint64_t table_bytes)
{
    return part_of_table(table_bytes / FIRST_PART, FIRST_LEAST, table_bytes);
}

/* That a guide ends: not too small. */
static uint64_t guided_bytes(uint64_t table_bytes)
{
    return part_of_table(table_bytes / SMALL_PART, LEAST, table_bytes / 2);
}

static int open_writer(struct lk_rewrite *rewrite, struct lk_table_writer **writer)
{
    struct lk_db *db = rewrite->db;
    struct lk_table_plan plan = {
        .env = db->env,
        .dir = db->dir,
        .number = atomic_fetch_add(&db->number_next, 1),
        .run = rewrite->run,
        .file_mode = db->options.mode & 0666,
        .table_bytes =
            rewrite->young && !rewrite->older_count ? first_bytes(db->options.table_bytes) : db->options.table_bytes,
        .memory_bytes = db->budget.writer / 8 * 7, /* the rest: its buffer, its fences */
        .page_bytes = db->options.page_bytes,
        .leaves = rewrite->leaves && !rewrite->young,
        .small_bytes = LK_SMALL_BYTES,
        .small_records = LK_SMALL_RECORDS,
        .seed = db->seed,
    };
    rewrite->asked = rewrite->paid = 0;
    choose_codec(rewrite, &plan);
    return lk_table_writer_open(&plan, writer);
}

/* The table has grown to so many bytes. */
static void pay(struct lk_rewrite *rewrite, uint64_t bytes)
{
    if (bytes > rewrite->paid)
        lk_rate_pay(rewrite->db, bytes - rewrite->paid);
    rewrite->paid = bytes;
    rewrite->asked = 0;
}

static int write_record(struct lk_table_writer *writer, struct lk_cursor *cursor, enum lk_fate fate)
{
    struct lk_cursor tombstone;

    if (fate == LK_FATE_WRITE)
        return lk_table_writer_add(writer, cursor);
    tombstone = *cursor;
    tombstone.record = (struct lk_record){.key = cursor->record.key, .flags = LK_DELETE};
    return lk_table_writer_add(writer, &tombstone);
}

/* The current record to where it belongs. 1: it does not fit any more, the table is full. */
static int place(struct lk_rewrite *rewrite, struct lk_table_writer **writer)
{
    struct lk_cursor *cursor = lk_merge_current(&rewrite->merge);
    const struct lk_record *record = &cursor->record;
    enum lk_fate fate = fate_of(rewrite, record);
    struct lk_moved moved;
    int rc = 0, moves = fate == LK_FATE_WRITE && lk_move_wanted(rewrite, record);

    if (fate == LK_FATE_DROP) {
        rewrite->dropped++;
        return 0;
    }
    if (!*writer)
        rc = open_writer(rewrite, writer);
    else if (lk_table_writer_full(*writer,
                                  LK_RECORD_HEAD_MAX + record->key.len + (moves ? LK_REFERENCE : record->value.len)) ||
             (moves && rewrite->moved_bytes >= LK_MOVED_MOST))
        return 1;
    if (rc == 0 && moves) {
        rc = lk_move(rewrite, cursor, &moved);
        cursor = &moved.cursor;
    }
    if (rc == 0)
        rc = write_record(*writer, cursor, fate);
    rewrite->asked += record->key.len + record->value.len;
    if (rc == 0 && rewrite->asked >= PAY_BYTES)
        pay(rewrite, lk_table_writer_bytes(*writer));
    if (rc == 0 && rewrite->shadow)
        lk_shadow_note(rewrite->shadow, record->key);
    rewrite->written += rc == 0;
    return rc;
}

/* Has the guide a table that ends between the records of this one and `key`, and is this one large enough to end there? */
static int ends_here(struct lk_rewrite *rewrite, const struct lk_table_writer *writer, struct lk_slice key)
{
    const struct lk_run *guide = rewrite->older[rewrite->older_count - 1];
    uint32_t before = rewrite->guided;

    while (rewrite->guided < guide->count && !guide->tables[rewrite->guided]->meta.hi_open &&
           lk_compare(key, guide->tables[rewrite->guided]->meta.hi) >= 0)
        rewrite->guided++;
    return writer && rewrite->guided > before &&
           lk_table_writer_bytes(writer) >= guided_bytes(rewrite->db->options.table_bytes);
}

/* From where the sources stand until the table is full (1), the sources are exhausted or `most` records have
 * been met (0), or a failure. */
static int fill(struct lk_rewrite *rewrite, struct lk_table_writer **writer)
{
    struct lk_merge *merge = &rewrite->merge;
    uint64_t until = rewrite->seen; /* a table may have few records, and a job many tables */
    int rc = 0;

    while (rc == 0 && merge->valid && rewrite->seen < rewrite->most) {
        uint32_t source = merge->winner;
        struct lk_slice key = lk_merge_current(merge)->record.key;
        if ((rewrite->stop && lk_compare(key, *rewrite->stop) >= 0) ||
            (rewrite->older_count && ends_here(rewrite, *writer, key)))
            return 0;
        rewrite->seen++;
        rc = place(rewrite, writer);
        if (rc != 0)
            break;
        rewrite->met[source]++;
        lk_merge_step(merge);
        if (rewrite->seen < until)
            continue;
        until = rewrite->seen + LOOK_UP;
        if (atomic_load_explicit(&rewrite->db->closing, memory_order_relaxed))
            rc = lk_fail(LSMKV_CANCELLED, "the store closes: the job was given up and its tables are removed");
    }
    return rc == 0 ? merge->status : rc;
}

static int unite_ranges(const struct lk_rewrite *rewrite, struct lk_slice lo, const struct lk_slice *hi,
                        struct lk_ranges *out)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && rewrite->older_count && i < rewrite->source_count; i++)
        if (rewrite->sources[i].ranges && rewrite->sources[i].ranges->count)
            rc = lk_ranges_clip(rewrite->sources[i].ranges, lo, hi, out);
    return rc;
}

/* Room for the facts of one more table, so that none is made that could not be told of. */
static int reserve(struct lk_rewrite *rewrite)
{
    if (rewrite->meta_count < rewrite->cap)
        return 0;
    uint32_t cap = rewrite->cap ? 2 * rewrite->cap : 4;
    void *metas = lk_realloc(rewrite->metas, cap * sizeof *rewrite->metas);
    if (metas)
        rewrite->metas = metas;
    void *tables = metas ? lk_realloc(rewrite->tables, cap * sizeof *rewrite->tables) : NULL;
    if (!tables)
        return lk_fail(LSMKV_NOMEM, "memory ran out after %u tables", rewrite->meta_count);
    rewrite->tables = tables;
    rewrite->cap = cap;
    return 0;
}

static int finish(struct lk_rewrite *rewrite, struct lk_table_writer **writer, struct lk_slice lo,
                  const struct lk_slice *hi, int ended, int close)
{
    struct lk_ranges ranges = {0};
    int rc = unite_ranges(rewrite, lo, hi, &ranges);

    if (rc == 0 && !*writer && ended && (ranges.count || close))
        rc = open_writer(rewrite, writer);
    if (rc == 0 && *writer)
        rc = reserve(rewrite);
    if (rc == 0 && *writer) {
        struct lk_table_meta *meta = &rewrite->metas[rewrite->meta_count];
        rc = lk_table_writer_finish(*writer, lo, hi, &ranges, rewrite->lsn_min, rewrite->lsn_max, meta);
        if (rc == 0) {
            *writer = NULL;
            meta->shadowed = 0;
            meta->written_ns = rewrite->written_ns;
            rewrite->meta_count++;
            rewrite->bytes_out += meta->bytes;
            pay(rewrite, meta->bytes);
            lk_move_pay(rewrite);
        }
    }
    lk_ranges_deinit(&ranges);
    return rc;
}

int lk_rewrite_table(struct lk_rewrite *rewrite, struct lk_slice lo, int close, struct lk_buf *next, int *ended)
{
    struct lk_table_writer *writer = NULL;
    rewrite->moved_bytes = 0;
    int rc = fill(rewrite, &writer);

    *ended = 0;
    if (rc >= 0) {
        *ended = !rewrite->merge.valid;
        rc = *ended ? 0 : lk_buf_copy(next, lk_merge_current(&rewrite->merge)->record.key);
    }
    struct lk_slice hi = lk_buf_slice(next);
    if (rc == 0 && rewrite->shadow)
        lk_shadow_drain(rewrite->shadow);
    if (rc == 0)
        rc = finish(rewrite, &writer, lo, *ended ? rewrite->end : &hi, *ended, close);
    lk_table_writer_abandon(writer);
    return rc;
}

/* ---- the account ------------------------------------------------------------------------------ */

uint64_t lk_rewrite_given(const struct lk_rewrite *rewrite, uint32_t index)
{
    return rewrite->met[index] + rewrite->sources[index].passed;
}

int lk_rewrite_check(const struct lk_rewrite *rewrite)
{
    uint64_t met = 0, stand = 0;

    for (uint32_t i = 0; i < rewrite->source_count; i++)
        met += rewrite->met[i];
    for (uint32_t i = 0; i < rewrite->meta_count; i++)
        stand += rewrite->metas[i].records;
    if (met == rewrite->written + rewrite->dropped && stand == rewrite->written)
        return 0;
    return lk_fail(LSMKV_CORRUPT, "merge lost records: %llu met, %llu dropped, %llu written, %llu in the new tables",
                   (unsigned long long)met, (unsigned long long)rewrite->dropped, (unsigned long long)rewrite->written,
                   (unsigned long long)stand);
}

int lk_rewrite_check_source(const struct lk_rewrite *rewrite, uint32_t index, uint64_t least, uint64_t most)
{
    uint64_t given = lk_rewrite_given(rewrite, index);

    if (rewrite->sources[index].leapt)
        least = 0; /* what was leapt over was not counted */
    if (given >= least && given <= most)
        return 0;
    return lk_fail(LSMKV_CORRUPT, "merge lost records: source %u gave %llu, and holds %llu to %llu", index,
                   (unsigned long long)given, (unsigned long long)least, (unsigned long long)most);
}

/* ---- from files to tables --------------------------------------------------------------------- */

int lk_rewrite_seal(struct lk_rewrite *rewrite)
{
    struct lk_db *db = rewrite->db;
    int rc = rewrite->meta_count ? lk_io_dir_sync(db->env, db->dir) : 0;
    uint64_t apart = 0;

    while (rc == 0 && rewrite->table_count < rewrite->meta_count) {
        uint32_t index = rewrite->table_count;
        rc = lk_table_open(db->env, db->dir, &rewrite->metas[index], db->seed, &db->cache, db->map_tables,
                           &rewrite->tables[index]);
        rewrite->table_count += rc == 0;
        if (rc == 0)
            rewrite->tables[index]->leaves = rewrite->leaves && rewrite->young;
        if (rc == 0)
            rc = lk_values_attach(&db->values, &rewrite->tables[index]->uses, 0);
        apart += rc == 0 ? rewrite->tables[index]->uses.count : 0;
    }
    if (rc == 0 && apart) /* the edit will name tables that refer to them */
        rc = lk_values_sync(&db->values);
    return rc;
}

void lk_rewrite_report(const struct lk_rewrite *rewrite, struct lsmkv_step *did)
{
    did->records_in = 0;
    for (uint32_t i = 0; i < rewrite->source_count; i++)
        did->records_in += lk_rewrite_given(rewrite, i);
    did->records_out = rewrite->written;
    did->bytes_out = rewrite->bytes_out;
    did->nanoseconds = rewrite->db->env->ops->monotonic_ns(rewrite->db->env) - rewrite->began_ns;
}
