/* A store that is larger than the memory its process may have: what leaves it, and when. */
#include "engine/install.h"
#include "store_kit.h"

enum { RECORDS = 15000, LIMIT = 1 << 20, FILES = 2048, NUMBERS = 4096 };

/* An environment that notes what is forgotten. An open file is read in order (a walk's own), at random (a table's), or
 * neither: it is written. */
enum kind { WRITTEN, IN_ORDER, AT_RANDOM };

struct opened {
    struct lk_file *file; /* NULL: it is closed */
    uint32_t table;       /* its number */
    enum kind kind;
    uint64_t to;          /* forgotten, from 0 to here; each time from where it had been, or before */
    uint32_t calls;
};

static struct {
    struct lk_env_ops ops;
    struct lk_env env;
    uint64_t limit;
    struct opened files[FILES];
    uint32_t file_count, calls;
    struct {
        uint32_t number;
        uint64_t pages_end;
    } tables[FILES];
    uint32_t table_count;
    uint64_t left[NUMBERS]; /* by a table's number: how far what was read in order has been forgotten */
    uint32_t read_again;    /* reads in order that began before that */
} seen;

static struct opened *find(const struct lk_file *file)
{
    for (uint32_t i = 0; i < seen.file_count; i++)
        if (seen.files[i].file == file)
            return &seen.files[i];
    return NULL;
}

static int seen_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    int rc = lk_env_posix()->ops->open(dir, name, how, mode, out);
    if (rc == 0 && strstr(name, ".tbl") && CHECK(seen.file_count < FILES))
        seen.files[seen.file_count++] = (struct opened){.file = *out, .table = (uint32_t)atoi(name)};
    return rc;
}

static void seen_will_read(struct lk_file *file, enum lk_pattern how)
{
    find(file)->kind = how == LK_IN_ORDER ? IN_ORDER : AT_RANDOM;
    lk_env_posix()->ops->will_read(file, how);
}

static int seen_close(struct lk_file *file)
{
    struct opened *opened = find(file);
    if (opened)
        opened->file = NULL;
    return lk_env_posix()->ops->close(file);
}

static void seen_forget(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    struct opened *opened = find(file);
    if (CHECK(opened != NULL)) {
        CHECK(offset <= opened->to && bytes > 0);
        opened->to = offset + bytes > opened->to ? offset + bytes : opened->to;
        opened->calls++;
        if (opened->kind == IN_ORDER)
            seen.left[opened->table] = opened->to;
    }
    seen.calls++;
    lk_env_posix()->ops->forget(file, offset, bytes);
}

static int64_t seen_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    struct opened *opened = find(file);
    seen.read_again += opened && opened->kind == IN_ORDER && offset < seen.left[opened->table];
    return lk_env_posix()->ops->read(file, offset, to, bytes);
}

static uint64_t seen_limit(struct lk_env *env)
{
    (void)env;
    return seen.limit;
}

static void begin(uint64_t limit)
{
    memset(&seen, 0, sizeof seen);
    seen.limit = limit;
    seen.ops = *lk_env_posix()->ops;
    seen.ops.open = seen_open;
    seen.ops.will_read = seen_will_read;
    seen.ops.close = seen_close;
    seen.ops.forget = seen_forget;
    seen.ops.read = seen_read;
    seen.ops.memory_limit = seen_limit;
    seen.env.ops = &seen.ops;
    store_new_real(LSMKV_SYNC_OS);
    store.env = &seen.env;
    store.options.merge_policy = LSMKV_MERGE_NONE;
    store.options.segment_bytes = store.options.table_bytes = 64 << 20;
    store.options.page_bytes = 4096;
    store_open();
}

/* Where the pages of the present tables end. */
static void note_tables(void)
{
    struct lk_version *version = lk_install_present(engine());
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count && CHECK(seen.table_count < FILES); j++) {
            const struct lk_table *table = version->runs[i]->tables[j];
            seen.tables[seen.table_count].number = table->meta.number;
            seen.tables[seen.table_count++].pages_end = table->pages_end;
        }
    lk_version_unref(version);
}

/* A run of some 15 MiB. */
static void flush(uint32_t from)
{
    static char value[1000];
    memset(value, 'v', sizeof value - 1);
    put_numbers(from, from + RECORDS, value);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    note_tables();
}

static uint64_t pages_end_of(uint32_t number)
{
    for (uint32_t i = 0; i < seen.table_count; i++)
        if (seen.tables[i].number == number)
            return seen.tables[i].pages_end;
    CHECK(!"a table that was noted");
    return 0;
}

/* The files of a kind of which something was forgotten: their pages, all of them but for the last window. How many files;
 * *calls for them together. */
static uint32_t forgotten(enum kind kind, uint64_t window, uint32_t *calls)
{
    uint32_t count = 0;
    *calls = 0;
    for (uint32_t i = 0; i < seen.file_count; i++) {
        const struct opened *opened = &seen.files[i];
        if (opened->kind != kind || opened->calls == 0)
            continue;
        uint64_t end = pages_end_of(opened->table);
        CHECK(opened->to <= end && opened->to + window >= end);
        *calls += opened->calls;
        count++;
    }
    return count;
}

TEST(a_store_that_fits_keeps_in_memory_what_it_writes)
{
    begin(UINT64_MAX);
    flush(0), flush(RECORDS);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(seen.calls, 0);
    store_free();
}

/* Who reads what is newest has time to show that he does. */
TEST(what_a_flush_wrote_leaves_when_the_next_job_begins)
{
    uint32_t calls;
    begin(LIMIT);
    flush(0), flush(RECORDS);
    CHECK_EQ(seen.calls, 0); /* the store was not larger before the first; the second may be read still */
    flush(2 * RECORDS);
    CHECK_EQ(forgotten(AT_RANDOM, 0, &calls), 1);
    flush(3 * RECORDS);
    CHECK_EQ(forgotten(AT_RANDOM, 0, &calls), 2);
    CHECK(calls == 2 && seen.calls == 2); /* nothing is told of twice, and nothing else */
    store_free();
}

TEST(a_merge_beyond_memory_leaves_neither_what_it_reads_nor_what_it_writes)
{
    uint32_t calls;
    begin(LIMIT);
    flush(0), flush(RECORDS);
    uint32_t inputs = (uint32_t)stats().tables;
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    note_tables();
    CHECK_EQ(stats().tables, 1);
    CHECK_EQ(forgotten(IN_ORDER, 256 << 10, &calls), inputs);
    CHECK_EQ(seen.read_again, 0);
    CHECK(calls >= inputs + 3);
    CHECK_EQ(forgotten(WRITTEN, 0, &calls), 1);
    CHECK(calls >= 7);
    CHECK_EQ(forgotten(AT_RANDOM, 0, &calls), 1);
    store_free();
}

/* Keys take turns in all inputs, and a step ends with each table of the output: in the midst of its inputs. */
TEST(the_next_step_of_a_merge_finds_what_it_goes_on_with)
{
    enum { RUNS = 8, EACH = 5000 };
    static char value[1000];
    uint32_t files = 0;
    memset(value, 'v', sizeof value - 1);
    begin(LIMIT);
    store_close();
    store.options.table_bytes = 4 << 20;
    store_open();
    for (uint32_t run = 0; run < RUNS; run++) {
        for (uint32_t i = 0; i < EACH; i++)
            put(number(i * RUNS + run), value);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    for (uint32_t i = 0; i < seen.file_count; i++)
        files += seen.files[i].kind == IN_ORDER && seen.files[i].calls;
    CHECK(files > RUNS);
    CHECK(seen.read_again <= files / 8); /* a step begins in the page before */
    store_free();
}

TEST(a_merge_of_a_part_does_the_same)
{
    begin(LIMIT);
    flush(0), flush(RECORDS / 2);
    uint32_t calls[3] = {0};
    struct lsmkv_slice from = {number(RECORDS / 2), strlen(number(0))}, to = {number(RECORDS), strlen(number(0))};
    CHECK_EQ(lsmkv_compact(store.db, &from, &to, NULL, NULL), 0);
    for (uint32_t i = 0; i < seen.file_count; i++)
        calls[seen.files[i].kind] += seen.files[i].calls;
    CHECK(calls[WRITTEN] > 0 && calls[IN_ORDER] > 0);
    store_free();
}

TEST(values_that_stand_apart_are_part_of_the_store)
{
    for (int larger = 0; larger < 2; larger++) {
        begin(larger ? 4 << 20 : 64 << 20);
        store_close();
        store.options.large_value_bytes = 500;
        store_open();
        flush(0), flush(RECORDS), flush(2 * RECORDS);
        CHECK(stats().table_bytes < 4 << 20);
        CHECK_EQ(seen.calls > 0, larger);
        store_free();
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
