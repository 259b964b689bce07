/* run_cursor: one table cursor led through the tables of a run. One thread a cursor.
 *
 *     run   [ .. c) [c .. m) [m .. s) [s .. ]        tables tile the key space, some without records
 *                      ^ inner                        at its end: on to the first record of the next
 *
 * The inner cursor shows its record through the run's own face, so nothing is copied from one to the
 * other. */
#include "store/table_cursor.h"

/* How many tables begin at or before `key`. */
static uint32_t begin_through(struct lk_table *const *tables, uint32_t count, struct lk_slice key)
{
    uint64_t head = lk_head(key, 0);
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct lk_table *table = tables[middle];
        int before = table->head_lo != head ? table->head_lo < head : lk_compare(table->meta.lo, key) <= 0;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t lk_run_find(struct lk_table *const *tables, uint32_t count, struct lk_slice key)
{
    uint32_t through = begin_through(tables, count, key);
    if (through == 0)
        return count;
    const struct lk_table_meta *meta = &tables[through - 1]->meta;
    return meta->hi_open || lk_compare(key, meta->hi) < 0 ? through - 1 : count;
}

static inline __attribute__((always_inline)) void prefetch_fences(const struct lk_table *table)
{
    const struct lk_fences *fences = &table->fences;
    __builtin_prefetch(fences->head + fences->count / 2);
    __builtin_prefetch(fences->head + fences->count / 4);
    __builtin_prefetch(fences->head + fences->count - fences->count / 4);
}

void lk_run_prefetch(struct lk_table *const *tables, uint32_t count, struct lk_slice key)
{
    uint32_t through = begin_through(tables, count, key);
    if (through)
        prefetch_fences(tables[through - 1]);
}

/* ---- moves ---------------------------------------------------------------------------------- */

static struct lk_run_cursor *of(struct lk_cursor *cursor)
{
    return (struct lk_run_cursor *)(void *)cursor;
}

static void enter(struct lk_run_cursor *run, uint32_t index)
{
    run->index = index;
    lk_table_cursor_reuse(&run->inner, run->tables[index]);
}

/* While the inner cursor stands at its table's end and nothing failed: the next table that has a record. */
static void skip_on(struct lk_run_cursor *run)
{
    while (!run->cursor.valid && run->cursor.status == 0 && run->index + 1 < run->count) {
        enter(run, run->index + 1);
        run->inner.walks_on = 1;
        lk_table_cursor_seek(&run->inner, &run->cursor, NULL, 0);
    }
}

static void skip_back(struct lk_run_cursor *run)
{
    while (!run->cursor.valid && run->cursor.status == 0 && run->index > 0) {
        enter(run, run->index - 1);
        lk_table_cursor_seek_back(&run->inner, &run->cursor, NULL, 0);
    }
}

/* 0 with an inner cursor at the table where a seek for `key` begins, -1 when the run has no table. */
static int begin(struct lk_run_cursor *run, uint32_t index)
{
    run->cursor.valid = 0;
    run->cursor.status = 0;
    if (run->count == 0)
        return -1;
    if (run->index == index && run->inner.table == run->tables[index])
        return 0;
    enter(run, index);
    return 0;
}

static void seek(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    struct lk_run_cursor *run = of(cursor);
    uint32_t through = key ? begin_through(run->tables, run->count, *key) : 0;
    if (begin(run, through ? through - 1 : 0) < 0)
        return;
    lk_table_cursor_seek(&run->inner, cursor, key, after);
    skip_on(run);
}

static void seek_back(struct lk_cursor *cursor, const struct lk_slice *key, int before)
{
    struct lk_run_cursor *run = of(cursor);
    uint32_t through = key ? begin_through(run->tables, run->count, *key) : run->count;
    if (through == 0) {
        cursor->valid = 0;
        cursor->status = 0;
        return;
    }
    (void)begin(run, through - 1);
    lk_table_cursor_seek_back(&run->inner, cursor, key, before);
    skip_back(run);
}

/* Near the end of a table the beginning of the next is fetched: its fences and its first page. */
static inline __attribute__((always_inline)) void fetch_next_table(const struct lk_run_cursor *run)
{
    if (run->inner.streaming || run->index + 1 >= run->count)
        return;
    const struct lk_table *table = run->tables[run->index + 1];
    __builtin_prefetch(table->fences.offset);
    __builtin_prefetch(table->granules.base + LK_TABLE_HEAD);
}

static void next(struct lk_cursor *cursor)
{
    struct lk_run_cursor *run = of(cursor);
    lk_table_cursor_next(&run->inner, cursor);
    if (__builtin_expect(!cursor->valid, 0))
        skip_on(run);
    else if (__builtin_expect(run->inner.page + 1 == run->inner.fences.count, 0))
        fetch_next_table(run);
}

static void prev(struct lk_cursor *cursor)
{
    struct lk_run_cursor *run = of(cursor);
    lk_table_cursor_prev(&run->inner, cursor);
    if (!cursor->valid)
        skip_back(run);
}

static int value_piece(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes)
{
    return lk_table_cursor_piece(&of(cursor)->inner, cursor, offset, to, bytes);
}

static void deinit(struct lk_cursor *cursor)
{
    lk_table_cursor_release(&of(cursor)->inner);
    cursor->valid = 0;
}

void lk_run_cursor_init(struct lk_run_cursor *cursor, struct lk_table *const *tables, uint32_t count, int streaming)
{
    static const struct lk_cursor_ops ops = {
        .seek = seek, .seek_back = seek_back, .next = next, .prev = prev, .value_piece = value_piece, .deinit = deinit};
    *cursor = (struct lk_run_cursor){
        .cursor.ops = &ops, .tables = tables, .count = count, .index = count, .inner.streaming = streaming};
}
