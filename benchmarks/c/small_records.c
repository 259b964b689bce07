/* One table of small records, each size with lines and with a filter: the index' part of the file, and what is asked of
 * it. Records stand in memory, verified. Times are processor times of the thread, medians of five turns that the two
 * take by turns.
 * small_records FOLDER RECORDS */
#include "bench.h"

#include "store/table_cursor.h"
#include "store/table_writer.h"

enum { TURNS = 5, LAYOUTS = 2, KEY = 8, RECORDS_MOST = 1 << 20, FILE_MOST = 60 << 20, PER_RECORD = 12 };

static const char *const layouts[LAYOUTS] = {"lines", "filter"};

/* ---- one table ------------------------------------------------------------------------------ */

struct rows { /* a cursor for the writer */
    struct lk_cursor cursor;
    uint64_t at, count;
    uint8_t key[KEY], value[256];
};

static void row_key(uint64_t i, uint8_t key[KEY])
{
    uint64_t big = __builtin_bswap64(2 * i * 0x10001);
    memcpy(key, &big, KEY);
}

static void show(struct rows *rows, uint32_t value_bytes)
{
    row_key(rows->at, rows->key);
    memcpy(rows->value, &rows->at, sizeof rows->at);
    rows->cursor.record = (struct lk_record){
        .key = lk_slice(rows->key, KEY), .value = lk_slice(rows->value, value_bytes), .flags = LK_PUT};
}

static uint64_t stamp(void *context)
{
    (void)context;
    return 0;
}

static int passed(void *context, uint64_t at)
{
    (void)context;
    return at == 0;
}

static const struct lk_hash_seed seed = {0x1234567890abcdefu, 0xfedcba0987654321u};

static struct lk_table *make(struct lk_env *env, struct lk_dir *dir, struct lk_cache *cache, uint32_t number,
                             int filter, uint32_t value_bytes, uint64_t records)
{
    struct lk_table_plan plan = {.env = env,
                                 .dir = dir,
                                 .number = number,
                                 .file_mode = 0600,
                                 .table_bytes = 1u << 30,
                                 .page_bytes = 2048,
                                 .seed = seed,
                                 .small_bytes = filter ? UINT32_MAX : 0};
    struct lk_table_writer *writer;
    struct lk_table_meta meta;
    struct lk_table *table = NULL;
    struct rows rows = {.count = records};
    must(lk_table_writer_open(&plan, &writer) == 0, "a writer");
    for (; rows.at < records; rows.at++) {
        show(&rows, value_bytes);
        must(lk_table_writer_add(writer, &rows.cursor) == 0, "a record");
    }
    must(lk_table_writer_finish(writer, lk_slice("", 0), NULL, NULL, 1, 2, &meta) == 0, "a table");
    must(lk_table_open(env, dir, &meta, seed, cache, 1, &table) == 0, "open");
    must(lk_granules_fill(&table->granules, 0, table->granules.bytes) == 0, "verification");
    lk_table_meta_deinit(&meta);
    return table;
}

/* ---- questions ------------------------------------------------------------------------------ */

static int ask(struct lk_table *table, struct lk_slice key, struct lk_record *record)
{
    struct lk_missing missing;
    uint64_t hash = lk_hash(seed, key.at, key.len);
    lk_table_prefetch(table, hash);
    return lk_table_find(table, hash, key, record, &missing, NULL, NULL);
}

static void hits(struct lk_table *table, uint64_t records)
{
    struct lk_record record;
    uint8_t key[KEY];
    for (uint64_t i = 0; i < records; i++) {
        row_key(shuffled(i, records), key);
        must(ask(table, lk_slice(key, KEY), &record) == 0, "a hit");
    }
}

static void misses(struct lk_table *table, uint64_t records)
{
    struct lk_record record;
    uint8_t key[KEY];
    for (uint64_t i = 0; i < records; i++) {
        row_key(shuffled(i, records), key);
        key[KEY - 1] |= 1;
        must(ask(table, lk_slice(key, KEY), &record) == LSMKV_NOTFOUND, "a miss");
    }
}

static void scan(struct lk_table *table, uint64_t records)
{
    struct lk_table_cursor cursor;
    uint64_t count = 0;
    lk_table_cursor_init(&cursor, table, 0);
    struct lk_cursor *face = &cursor.cursor;
    for (face->ops->seek(face, NULL, 0); face->valid; face->ops->next(face))
        count++;
    must(count == records, "a scan");
    face->ops->deinit(face);
}

/* ---- measuring ------------------------------------------------------------------------------ */

static uint64_t thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void of_size(struct lk_env *env, struct lk_dir *dir, struct lk_cache *cache, uint32_t bytes, uint64_t records)
{
    static void (*const questions[])(struct lk_table *, uint64_t) = {hits, misses, scan};
    static const char *const names[] = {"get, ns", "get of no key, ns", "scan, ns a record"};
    uint64_t times[LAYOUTS][3][TURNS], made[LAYOUTS];
    struct lk_table *tables[LAYOUTS];
    char row[64], column[64];
    uint64_t most = FILE_MOST / (bytes + PER_RECORD);

    records = records < most ? records : most;
    snprintf(row, sizeof row, "%u bytes", bytes);
    for (int layout = 0; layout < LAYOUTS; layout++) {
        uint64_t began = thread_ns();
        tables[layout] = make(env, dir, cache, (uint32_t)layout + 1, layout, bytes - KEY, records);
        made[layout] = thread_ns() - began;
        scan(tables[layout], records);
        hits(tables[layout], records);
    }
    for (int turn = 0; turn < TURNS; turn++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            for (int what = 0; what < 3; what++) {
                uint64_t began = thread_ns();
                questions[what](tables[layout], records);
                times[layout][what][turn] = thread_ns() - began;
            }
    for (int layout = 0; layout < LAYOUTS; layout++) {
        const struct lk_footer *footer = &tables[layout]->footer;
        uint64_t index = footer->fence_count * 12ull + 4 + footer->line_count * 64ull + footer->milestone_bytes;
        snprintf(column, sizeof column, "%s: index, %% of the file", layouts[layout]);
        result("small records", row, column, 100.0 * (double)index / (double)footer->file_bytes);
        for (int what = 0; what < 3; what++) {
            qsort(times[layout][what], TURNS, sizeof times[layout][what][0], by_size);
            snprintf(column, sizeof column, "%s: %s", layouts[layout], names[what]);
            result("small records", row, column, (double)times[layout][what][TURNS / 2] / (double)records);
        }
        snprintf(column, sizeof column, "%s: written, ns a record", layouts[layout]);
        result("small records", row, column, (double)made[layout] / (double)records);
        lk_table_unref(tables[layout]);
        (void)env->ops->remove(dir, layout ? "000002.tbl" : "000001.tbl");
    }
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {12, 16, 24, 32, 40, 60, 116};
    must(argc == 3, "small_records FOLDER RECORDS");
    uint64_t records = strtoull(argv[2], NULL, 10);
    struct lk_env *env = lk_env_posix();
    struct lk_dir *dir;
    struct lk_cache cache;
    records = records < RECORDS_MOST ? records : RECORDS_MOST;
    must(env->ops->dir_open(env, argv[1], 1, &dir) == 0, "the folder");
    must(lk_cache_init(&cache, env, 1u << 30, stamp, passed, NULL) == 0, "a cache");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        of_size(env, dir, &cache, sizes[i], records);
    lk_cache_deinit(&cache);
    env->ops->dir_close(dir);
    return 0;
}
