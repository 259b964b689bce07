/* A store that is larger than the memory its process may have: what flushes and merges read and write leaves it. */
#include "store_kit.h"

static const char filler[] = "a value of some forty bytes, like many others";

enum { RECORDS = 20000, LIMIT = 1 << 19, FILES = 64 };

/* An environment that notes what is forgotten: of files that are read in order, and of those that were written. */
static struct {
    struct lk_env_ops ops;
    struct lk_env env;
    uint64_t limit, read, written;
    struct lk_file *in_order[FILES]; /* open now, in any order; NULL: free */
} seen;

static void note_in_order(struct lk_file *file, struct lk_file *as)
{
    for (uint32_t i = 0; i < FILES; i++)
        if (seen.in_order[i] == file) {
            seen.in_order[i] = as;
            return;
        }
    CHECK(file != NULL); /* there is room */
}

static int is_in_order(const struct lk_file *file)
{
    for (uint32_t i = 0; i < FILES; i++)
        if (seen.in_order[i] == file)
            return 1;
    return 0;
}

static void seen_will_read(struct lk_file *file, enum lk_pattern how)
{
    if (how == LK_IN_ORDER)
        note_in_order(NULL, file);
    lk_env_posix()->ops->will_read(file, how);
}

static int seen_close(struct lk_file *file)
{
    if (is_in_order(file))
        note_in_order(file, NULL);
    return lk_env_posix()->ops->close(file);
}

static void seen_forget(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    uint64_t *sum = is_in_order(file) ? &seen.read : &seen.written;
    *sum += bytes;
    lk_env_posix()->ops->forget(file, offset, bytes);
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
    seen.ops.will_read = seen_will_read;
    seen.ops.close = seen_close;
    seen.ops.forget = seen_forget;
    seen.ops.memory_limit = seen_limit;
    seen.env.ops = &seen.ops;
    store_new_real(LSMKV_SYNC_OS);
    store.env = &seen.env;
    store.options.merge_policy = LSMKV_MERGE_NONE;
    store.options.segment_bytes = store.options.table_bytes = 8 << 20;
    store.options.page_bytes = 4096;
    store_open();
}

/* One run, of which the pages of records are nearly everything. */
static uint64_t flush(uint32_t from)
{
    uint64_t before = stats().table_bytes;
    put_numbers(from, from + RECORDS, filler);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    return stats().table_bytes - before;
}

TEST(a_store_that_fits_keeps_in_memory_what_it_writes)
{
    begin(UINT64_MAX);
    flush(0), flush(RECORDS);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(seen.read + seen.written, 0);
    store_free();
}

TEST(tables_leave_memory_once_the_store_is_larger)
{
    begin(LIMIT);
    uint64_t first = flush(0);
    CHECK(first > LIMIT);
    CHECK_EQ(seen.written, 0); /* it was not larger before */
    uint64_t second = flush(RECORDS);
    CHECK(seen.written > second / 2 && seen.written <= second);
    CHECK_EQ(seen.read, 0);
    expect_numbers(0, 2 * RECORDS, filler);
    store_free();
}

TEST(a_merge_beyond_memory_leaves_neither_what_it_reads_nor_what_it_writes)
{
    begin(LIMIT);
    uint64_t given = flush(0) + flush(RECORDS);
    seen.written = 0;
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(stats().runs, 1);
    CHECK(seen.written > given / 2);
    CHECK(seen.read > given / 4 && seen.read <= given); /* but for the last window of each table, of 256 KiB */
    expect_numbers(0, 2 * RECORDS, filler);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
