/* table_window: what a table cursor may look at: the table itself where it is ready, a private piece, or a page
 * that was unpacked.
 *
 *   in place    bytes = the table's range; readiness is asked for once a page
 *   streaming   | .... window: up to 256 KiB of verified bytes .... |      or window_most
 *               ^ window_at, a multiple of a granule    [page] inside
 *   beside      the same, for a long walk in place (table_walk.c)
 *   unpacked    | records of one page |     in the cursor's scratch, out of any of these
 *
 * A place is what a line would name: in a table of raw pages the file offset, otherwise page << shift | offset among
 * the page's records. `bytes` stands at place bytes_at, `shift` leads from places to file offsets.
 *
 * A streaming window that cannot be read whole is read again as the page alone, so that damage ends a
 * walk at the page it is in and not a quarter of a megabyte before.
 *
 * Fences are claims: the bounds of a page are checked each time they are used. One thread a cursor. */
#include "format/space.h"
#include "store/table_cursor.h"
#include "store/table_packed.h"
#include "util/buf.h"

enum {
    IN_PLACE_AHEAD = 128 * 1024,
    HEAD_AND_KEY = LK_PAGE_HEAD + LK_RECORD_HEAD_MAX + (int)LK_KEY_MAX,
    NOT_FAR = HEAD_AND_KEY + LK_FAR_MIN /* a page with more bytes has a far value */
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int missing(struct lk_table_cursor *cursor, uint64_t offset, uint64_t bytes, uint64_t ahead, int rc)
{
    cursor->missing = (struct lk_missing){cursor->table, offset, bytes, ahead};
    cursor->beside_from = cursor->beside_to = 0;
    return rc;
}

/* ---- fences --------------------------------------------------------------------------------- */

static int fences_in_place(struct lk_table_cursor *cursor)
{
    struct lk_table *table = cursor->table;
    if (!atomic_load_explicit(&table->fences_ready, memory_order_acquire)) {
        if (!lk_granules_ready(&table->granules, table->footer.fences_at, lk_table_fence_bytes(table)))
            return missing(cursor, table->footer.fences_at, lk_table_fence_bytes(table), 0, LSMKV_WOULDBLOCK);
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
    uint64_t bytes = lk_table_fence_bytes(table);

    lk_buf_reset(&cursor->fence_bytes);
    int rc = lk_buf_reserve(&cursor->fence_bytes, (size_t)bytes);
    if (rc == 0)
        rc = lk_granules_copy(&table->granules, table->footer.fences_at, bytes, cursor->fence_bytes.at);
    if (rc < 0)
        return missing(cursor, table->footer.fences_at, bytes, 0, rc);
    const uint64_t *heads = (const uint64_t *)(const void *)cursor->fence_bytes.at;
    struct lk_fences fences = {heads, (const uint32_t *)(const void *)(heads + count), count};
    if (!lk_fences_sound(&fences, LK_TABLE_HEAD, table->pages_end, lk_table_filtered(table) ? LK_MILE : count))
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
static int window_read(struct lk_table_cursor *cursor, struct lk_file *file, uint64_t from, uint64_t to)
{
    struct lk_buf *window = &cursor->window;
    lk_walk_leaves(cursor, file, from);
    lk_buf_reset(window);
    cursor->window_of = cursor->table;
    int rc = lk_buf_reserve(window, (size_t)(to - from));
    if (rc == 0)
        rc = lk_granules_copy_through(&cursor->table->granules, file, from, to - from, window->at);
    if (rc == 0) {
        window->len = (size_t)(to - from);
        cursor->window_at = from;
    }
    return rc;
}

int lk_window_has(const struct lk_table_cursor *cursor, uint64_t start, uint64_t need)
{
    return cursor->window_of == cursor->table && cursor->window.len && start >= cursor->window_at &&
           start - cursor->window_at <= cursor->window.len && need <= cursor->window.len - (start - cursor->window_at);
}

int lk_window_cover(struct lk_table_cursor *cursor, uint64_t start, uint64_t need, enum lk_ahead ahead)
{
    const uint64_t mask = LK_GRANULE - 1;
    uint64_t from = start & ~mask, to = (start + need + mask) & ~mask, wide_from = from, wide_to = to;
    uint64_t pages_end = ((uint64_t)cursor->table->pages_end + mask) & ~mask;
    uint64_t most = cursor->window_most ? cursor->window_most : LK_WINDOW;

    if (lk_window_has(cursor, start, need))
        return 0;
    if (ahead == LK_AHEAD_ON && to - from < most)
        wide_to = least(from + most, pages_end);
    if (ahead == LK_AHEAD_BACK && to - from < most)
        wide_from = to > most ? to - most : 0;
    struct lk_file *file = ahead == LK_AHEAD_ON ? lk_walk_file(cursor) : cursor->table->file;
    int rc = window_read(cursor, file, wide_from, wide_to);
    if (rc < 0 && rc != LSMKV_NOMEM && (wide_from != from || wide_to != to))
        rc = window_read(cursor, file, from, to);
    return rc;
}

static int page_in_place(struct lk_table_cursor *cursor, uint64_t start, uint64_t end, uint64_t need,
                         enum lk_ahead ahead)
{
    struct lk_granules *granules = &cursor->table->granules;
    int walks = cursor->tells && ahead == LK_AHEAD_ON;
    cursor->beside = lk_window_has(cursor, start, end - start);
    if (cursor->beside)
        return 0;
    /* after each chunk a walk begins anew in the page before */
    uint64_t from = cursor->fences.offset[cursor->page ? cursor->page - 1 : 0];
    int fits = walks && lk_walk_fits(cursor, from, end);
    uint64_t tell = walks ? lk_walk_tells(cursor, start, start + need, fits) : 0;
    int beside = fits && lk_walk_goes_beside(cursor, start);
    if (tell)
        return missing(cursor, cursor->told_to, 0, tell, LSMKV_WOULDBLOCK);
    if (!(beside && granules->mapped) && lk_granules_ready(granules, start, need))
        return 0;
    uint64_t most = IN_PLACE_AHEAD, left = cursor->table->pages_end - (start + need);
    if (!granules->mapped)
        most = least(most, granules->cache->budget / 16);
    int rc = missing(cursor, start, need, ahead == LK_AHEAD_ON ? least(most, left) : 0, LSMKV_WOULDBLOCK);
    if (beside) {
        cursor->beside_from = from;
        cursor->beside_to = end;
    }
    return rc;
}

/* Make the stored bytes of a page readable, those of a single large record as far as its value. */
static int page_stored(struct lk_table_cursor *cursor, uint64_t start, uint64_t end, int large, enum lk_ahead ahead)
{
    if (!cursor->streaming)
        return page_in_place(cursor, start, end, large ? least(end - start, HEAD_AND_KEY) : end - start, ahead);
    int rc = lk_window_cover(cursor, start, least(end - start, NOT_FAR), ahead);
    return rc < 0 ? missing(cursor, start, end - start, 0, rc) : 0;
}

static const uint8_t *stored_at(const struct lk_table_cursor *cursor, uint64_t start)
{
    return cursor->streaming || cursor->beside ? cursor->window.at + (start - cursor->window_at)
                                               : cursor->table->granules.base + start;
}

static int page_wrong(struct lk_table_cursor *cursor, uint64_t start, const char *what)
{
    return missing(cursor, start, 1, 0, lk_table_corrupt(cursor->table, start, what));
}

/* The page's records into the scratch. */
static int unpack(struct lk_table_cursor *cursor, const struct lk_packed_page *page)
{
    struct lk_scratch *scratch = &cursor->scratch;
    uint8_t *to;
    size_t made;
    cursor->scratch_page = 0;
    int rc = lk_scratch_room(scratch, page->unpacked, 1u << cursor->table->footer.page_shift, &to);
    if (rc != 0)
        return rc;
    rc = lk_unpack(&scratch->packer, cursor->table->footer.codec, stored_at(cursor, page->start) + LK_PAGE_HEAD,
                   (size_t)(page->end - page->start) - LK_PAGE_HEAD, to, page->unpacked, page->unpacked, &made);
    if (rc == 1)
        return page_wrong(cursor, page->start, "a packed page does not unpack");
    cursor->scratch_page = rc == 0 ? cursor->page + 1 : 0;
    cursor->scratch_bytes = page->unpacked;
    return rc;
}

static void show_unpacked(struct lk_table_cursor *cursor)
{
    cursor->bytes = cursor->scratch.at;
    cursor->bytes_at = cursor->page_at;
    cursor->page_end = cursor->page_at + cursor->scratch_bytes;
    cursor->unpacked = 1;
    cursor->single = 0;
}

/* Records that stand as they are behind the page's head. */
static void show_stored(struct lk_table_cursor *cursor, const struct lk_packed_page *page)
{
    cursor->bytes = stored_at(cursor, page->start) + LK_PAGE_HEAD;
    cursor->bytes_at = cursor->page_at;
    cursor->page_end = cursor->page_at + (page->end - page->start - LK_PAGE_HEAD);
    cursor->shift = page->start + LK_PAGE_HEAD - cursor->page_at;
    cursor->unpacked = 0;
    cursor->single = cursor->page_end - cursor->page_at > LK_PAGE_MAX;
}

static int page_with_head(struct lk_table_cursor *cursor, uint64_t start, uint64_t end, enum lk_ahead ahead)
{
    const struct lk_table *table = cursor->table;
    struct lk_packed_page page = {start, end, 0};
    cursor->page_at = cursor->next_at = (uint64_t)cursor->page << table->footer.page_shift;
    if (cursor->scratch_page == cursor->page + 1) { /* from the last visit */
        show_unpacked(cursor);
        return 0;
    }
    const char *wrong = lk_packed_bounds_wrong(table, &page);
    if (wrong)
        return page_wrong(cursor, table->footer.fences_at, wrong);
    int rc = page_stored(cursor, start, end, end - start > LK_PAGE_HEAD + LK_PAGE_MAX, ahead);
    if (rc != 0)
        return rc;
    page.unpacked = lk_load32(stored_at(cursor, start));
    wrong = lk_packed_head_wrong(&page);
    if (wrong)
        return page_wrong(cursor, start, wrong);
    if (page.unpacked == 0) {
        show_stored(cursor, &page);
        return 0;
    }
    rc = unpack(cursor, &page);
    if (rc == 0)
        show_unpacked(cursor);
    return rc;
}

int lk_window_page(struct lk_table_cursor *cursor, uint32_t page, enum lk_ahead ahead)
{
    const struct lk_table *table = cursor->table;
    uint64_t start = cursor->fences.offset[page], end = cursor->fences.offset[page + 1];

    if (start < LK_TABLE_HEAD || start >= end || end > table->pages_end)
        return missing(cursor, table->footer.fences_at, lk_table_fence_bytes(table), 0,
                       lk_table_corrupt(cursor->table, table->footer.fences_at, "a fence names no page"));
    cursor->page = page;
    cursor->page_file = start;
    if (table->footer.codec)
        return page_with_head(cursor, start, end, ahead);
    cursor->page_at = cursor->next_at = start;
    cursor->page_end = end;
    cursor->single = end - start > LK_PAGE_MAX;
    int rc = page_stored(cursor, start, end, cursor->single, ahead);
    if (rc == 0) {
        cursor->bytes = stored_at(cursor, start);
        cursor->bytes_at = start;
    }
    return rc;
}

int lk_window_whole(struct lk_table_cursor *cursor)
{
    uint64_t bytes = cursor->page_end - cursor->at, offset = lk_window_file(cursor, cursor->at);
    if (cursor->streaming || cursor->beside || lk_granules_ready(&cursor->table->granules, offset, bytes))
        return 0;
    return missing(cursor, offset, bytes, 0, LSMKV_WOULDBLOCK);
}
