/* table_window: what a table cursor may look at: the table itself where it is ready, or a private piece.
 *
 *   in place    bytes = the table's range, bytes_at = 0; readiness is asked for once a page
 *   streaming   | .... window: up to 256 KiB of verified bytes .... |
 *               ^ bytes_at, a multiple of a granule    [page] inside
 *
 * A streaming window that cannot be read whole is read again as the page alone, so that damage ends a
 * walk at the page it is in and not a quarter of a megabyte before.
 *
 * Fences are claims: the bounds of a page are checked each time they are used. One thread a cursor. */
#include "format/space.h"
#include "store/table_cursor.h"
#include "util/buf.h"

enum {
    WINDOW = 256 * 1024,
    IN_PLACE_AHEAD = 128 * 1024,
    HEAD_AND_KEY = LK_RECORD_HEAD_MAX + (int)LK_KEY_MAX,
    NOT_FAR = HEAD_AND_KEY + LK_FAR_MIN /* a page with more bytes has a far value */
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int missing(struct lk_table_cursor *cursor, uint64_t offset, uint64_t bytes, uint64_t ahead, int rc)
{
    cursor->missing = (struct lk_missing){cursor->table, offset, bytes, ahead};
    return rc;
}

/* ---- fences --------------------------------------------------------------------------------- */

static uint64_t fence_bytes(const struct lk_table *table)
{
    return (uint64_t)table->footer.fence_count * 12 + 4;
}

static int fences_in_place(struct lk_table_cursor *cursor)
{
    struct lk_table *table = cursor->table;
    if (!atomic_load_explicit(&table->fences_ready, memory_order_acquire)) {
        if (!lk_granules_ready(&table->granules, table->footer.fences_at, fence_bytes(table)))
            return missing(cursor, table->footer.fences_at, fence_bytes(table), 0, LSMKV_WOULDBLOCK);
        if (table->granules.mapped) /* never evicted */
            atomic_store_explicit(&table->fences_ready, 1, memory_order_release);
    }
    cursor->fences = table->fences;
    return 0;
}

static int fences_copied(struct lk_table_cursor *cursor)
{
    struct lk_table *table = cursor->table;
    uint32_t count = table->footer.fence_count;
    uint64_t bytes = fence_bytes(table);

    lk_buf_reset(&cursor->fence_bytes);
    int rc = lk_buf_reserve(&cursor->fence_bytes, (size_t)bytes);
    if (rc == 0)
        rc = lk_granules_copy(&table->granules, table->footer.fences_at, bytes, cursor->fence_bytes.at);
    if (rc < 0)
        return missing(cursor, table->footer.fences_at, bytes, 0, rc);
    const uint64_t *heads = (const uint64_t *)(const void *)cursor->fence_bytes.at;
    struct lk_fences fences = {heads, (const uint32_t *)(const void *)(heads + count), count};
    if (!lk_fences_sound(&fences, LK_TABLE_HEAD, table->pages_end))
        return missing(cursor, table->footer.fences_at, bytes, 0,
                       lk_table_corrupt(table, table->footer.fences_at, "the fences are out of order"));
    cursor->fences = fences;
    return 0;
}

int lk_window_fences(struct lk_table_cursor *cursor)
{
    if (!cursor->streaming)
        return fences_in_place(cursor); /* asked for at every seek: it may be another slot */
    return cursor->fences.offset ? 0 : fences_copied(cursor);
}

/* ---- pages ---------------------------------------------------------------------------------- */

/* Read [from, to) into the window, both multiples of a granule. */
static int window_read(struct lk_table_cursor *cursor, uint64_t from, uint64_t to)
{
    struct lk_buf *window = &cursor->window;
    lk_buf_reset(window);
    int rc = lk_buf_reserve(window, (size_t)(to - from));
    if (rc == 0)
        rc = lk_granules_copy(&cursor->table->granules, from, to - from, window->at);
    if (rc == 0) {
        window->len = (size_t)(to - from);
        cursor->bytes = window->at;
        cursor->bytes_at = from;
    }
    return rc;
}

static int window_cover(struct lk_table_cursor *cursor, uint64_t start, uint64_t need, enum lk_ahead ahead)
{
    const uint64_t mask = LK_GRANULE - 1;
    uint64_t from = start & ~mask, to = (start + need + mask) & ~mask, wide_from = from, wide_to = to;
    uint64_t pages_end = ((uint64_t)cursor->table->pages_end + mask) & ~mask;

    if (cursor->window.len && start >= cursor->bytes_at && start - cursor->bytes_at <= cursor->window.len &&
        need <= cursor->window.len - (start - cursor->bytes_at))
        return 0;
    if (ahead == LK_AHEAD_ON && to - from < WINDOW)
        wide_to = least(from + WINDOW, pages_end);
    if (ahead == LK_AHEAD_BACK && to - from < WINDOW)
        wide_from = to > WINDOW ? to - WINDOW : 0;
    int rc = window_read(cursor, wide_from, wide_to);
    if (rc < 0 && rc != LSMKV_NOMEM && (wide_from != from || wide_to != to))
        rc = window_read(cursor, from, to);
    return rc;
}

static int page_in_place(struct lk_table_cursor *cursor, uint64_t start, uint64_t need, enum lk_ahead ahead)
{
    struct lk_granules *granules = &cursor->table->granules;
    if (lk_granules_ready(granules, start, need))
        return 0;
    uint64_t most = IN_PLACE_AHEAD, left = cursor->table->pages_end - (start + need);
    if (!granules->mapped)
        most = least(most, granules->cache->budget / 16);
    return missing(cursor, start, need, ahead == LK_AHEAD_ON ? least(most, left) : 0, LSMKV_WOULDBLOCK);
}

int lk_window_page(struct lk_table_cursor *cursor, uint32_t page, enum lk_ahead ahead)
{
    const struct lk_table *table = cursor->table;
    uint64_t start = cursor->fences.offset[page], end = cursor->fences.offset[page + 1];
    int rc;

    if (start < LK_TABLE_HEAD || start >= end || end > table->pages_end)
        return missing(cursor, table->footer.fences_at, fence_bytes(table), 0,
                       lk_table_corrupt(cursor->table, table->footer.fences_at, "a fence names no page"));
    cursor->page = page;
    cursor->next_at = start;
    cursor->page_end = end;
    cursor->single = end - start > LK_PAGE_MAX;
    if (!cursor->streaming)
        return page_in_place(cursor, start, cursor->single ? least(end - start, HEAD_AND_KEY) : end - start, ahead);
    rc = window_cover(cursor, start, least(end - start, NOT_FAR), ahead);
    return rc < 0 ? missing(cursor, start, end - start, 0, rc) : 0;
}

int lk_window_whole(struct lk_table_cursor *cursor)
{
    uint64_t bytes = cursor->page_end - cursor->at;
    if (cursor->streaming || lk_granules_ready(&cursor->table->granules, cursor->at, bytes))
        return 0;
    return missing(cursor, cursor->at, bytes, 0, LSMKV_WOULDBLOCK);
}
