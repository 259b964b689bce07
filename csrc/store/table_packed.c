/* table_packed: from a position to a record in a table with a codec.
 *
 *   position 7 << 11 | 130      page 7, 130 bytes behind the beginning of its unpacked records
 *      fences.offset[7], [8] -> | unpacked | bytes | -> unpack the first 130 + reach -> record
 *
 * `reach` is where most records of the table have ended; one that has not is unpacked again with the whole page.
 * What is found moves to the front of the scratch's free room, so that sixteen lent values need room for their
 * records and one page, not for sixteen pages. */
#include "store/table_packed.h"

#include "util/buf.h"

enum { FETCH_MAX = 4096 };

static int miss(struct lk_missing *missing, struct lk_table *table, uint64_t offset, uint64_t bytes)
{
    *missing = (struct lk_missing){.table = table, .offset = offset, .bytes = bytes};
    return LSMKV_WOULDBLOCK;
}

static uint32_t least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

static int no_record(const struct lk_table *table, const struct lk_packed_page *page)
{
    return lk_table_corrupt(table, page->start, "there is no record where a line names one");
}

/* ---- the page ------------------------------------------------------------------------------- */

/* Which page, and where its two offsets stand in the file. -1: there is no such page. */
static int page_of(const struct lk_table *table, uint32_t position, uint32_t *page, uint64_t *offsets_at)
{
    if (table->footer.page_shift == 0)
        return -1;
    *page = position >> table->footer.page_shift;
    *offsets_at = table->footer.fences_at + (uint64_t)table->footer.fence_count * 8 + (uint64_t)*page * 4;
    return *page < table->footer.fence_count ? 0 : -1;
}

static int no_page(const struct lk_table *table)
{
    return lk_table_corrupt(table, table->footer.lines_at, "a line names a position outside the pages");
}

static uint32_t inside(const struct lk_table *table, uint32_t position)
{
    return position & ((1u << table->footer.page_shift) - 1);
}

/* ---- in place ------------------------------------------------------------------------------- */

/* Bounds and head, in place, of the page between two offsets. 0, WOULDBLOCK, CORRUPT. */
static int locate(struct lk_table *table, const uint32_t offsets[2], struct lk_packed_page *page,
                  struct lk_missing *missing)
{
    *page = (struct lk_packed_page){offsets[0], offsets[1], 0};
    const char *wrong = lk_packed_bounds_wrong(table, page);
    if (wrong)
        return lk_table_corrupt(table, table->footer.fences_at, wrong);
    uint64_t all = page->end - page->start, some = all <= LK_PAGE_HEAD + LK_PAGE_MAX ? all : LK_PAGE_HEAD;
    if (!lk_granules_ready(&table->granules, page->start, some))
        return miss(missing, table, page->start, some);
    page->unpacked = lk_load32(table->granules.base + page->start);
    wrong = lk_packed_head_wrong(page);
    return wrong ? lk_table_corrupt(table, page->start, wrong) : 0;
}

static int unpack(struct lk_table *table, const struct lk_packed_page *page, struct lk_scratch *scratch, uint8_t *to,
                  uint32_t wanted, size_t *made, struct lk_probe_cost *cost)
{
    const uint8_t *from = table->granules.base + page->start + LK_PAGE_HEAD;
    size_t bytes = (size_t)(page->end - page->start) - LK_PAGE_HEAD;
    int rc = lk_unpack(&scratch->packer, table->footer.codec, from, bytes, to, wanted, page->unpacked, made);
    if (cost && rc == 0) {
        cost->pages++;
        cost->unpacked += (uint32_t)*made;
    }
    return rc == 1 ? lk_table_corrupt(table, page->start, "a packed page does not unpack") : rc;
}

/* The record at at + in, taken: it stands at `at` now. */
static void take(struct lk_scratch *scratch, uint8_t *at, uint32_t in, size_t total, struct lk_record *record)
{
    memmove(at, at + in, total);
    record->key.at -= in;
    record->value.at -= in;
    scratch->used += (uint32_t)total;
}

/* All lines at once, before the first is waited for. Inlined always: gcc takes a function that only prefetches for one
 * without effect. */
static inline __attribute__((always_inline)) void fetch(const struct lk_table *table, const struct lk_packed_page *page)
{
    const uint8_t *at = table->granules.base + page->start;
    for (uint64_t line = 0; line < page->end - page->start && line < FETCH_MAX; line += 64)
        __builtin_prefetch(at + line);
}

static int find_unpacked(struct lk_table *table, const struct lk_packed_page *page, uint32_t in, struct lk_slice key,
                         struct lk_record *record, struct lk_missing *missing, struct lk_scratch *scratch,
                         struct lk_probe_cost *cost)
{
    uint8_t *at;
    size_t made;
    if (in >= page->unpacked)
        return no_record(table, page);
    fetch(table, page);
    int rc = lk_scratch_room(scratch, page->unpacked, LK_SCRATCH_BYTES, &at);
    if (rc != 0)
        return rc > 0 ? miss(missing, table, page->start, page->end - page->start) : rc;
    rc = unpack(table, page, scratch, at, least(page->unpacked, (uint64_t)in + table->reach), &made, cost);
    const uint8_t *after = rc == 0 ? lk_table_record_get(at + in, at + made, record) : NULL;
    if (rc == 0 && !after && made < page->unpacked) {
        rc = unpack(table, page, scratch, at, page->unpacked, &made, cost);
        after = rc == 0 ? lk_table_record_get(at + in, at + made, record) : NULL;
    }
    if (rc != 0)
        return rc;
    if (!after)
        return no_record(table, page);
    if (!lk_equal(record->key, key))
        return LSMKV_NOTFOUND;
    take(scratch, at, in, (size_t)(after - at) - in, record);
    return 0;
}

int lk_packed_find(struct lk_table *table, uint32_t position, struct lk_slice key, struct lk_record *record,
                   struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    struct lk_packed_page page = {0};
    uint64_t offsets_at;
    uint32_t index, in = inside(table, position);
    if (page_of(table, position, &index, &offsets_at) < 0)
        return no_page(table);
    if (!lk_granules_ready(&table->granules, offsets_at, 8))
        return miss(missing, table, offsets_at, 8);
    int rc = locate(table, &table->fences.offset[index], &page, missing);
    if (rc != 0)
        return rc;
    if (page.unpacked)
        return find_unpacked(table, &page, in, key, record, missing, scratch, cost);
    if (page.end - page.start - LK_PAGE_HEAD <= in)
        return no_record(table, &page);
    return lk_table_compare_far(table, page.start + LK_PAGE_HEAD + in, page.end, key, record, missing);
}

int lk_packed_show(struct lk_table *table, const uint32_t offsets[2], struct lk_page_view *view,
                   struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    struct lk_packed_page page = {0};
    uint8_t *at;
    size_t made;
    int rc = locate(table, offsets, &page, missing);
    if (rc != 0)
        return rc;
    view->file = page.start + LK_PAGE_HEAD;
    view->at = table->granules.base + view->file;
    view->bytes = page.end - view->file;
    view->unpacked = page.unpacked != 0;
    if (!view->unpacked)
        return 0;
    fetch(table, &page);
    rc = lk_scratch_room(scratch, page.unpacked, LK_SCRATCH_BYTES, &at);
    if (rc != 0)
        return rc > 0 ? miss(missing, table, page.start, page.end - page.start) : rc;
    view->at = at;
    view->bytes = page.unpacked;
    return unpack(table, &page, scratch, at, page.unpacked, &made, cost);
}

void lk_packed_take(struct lk_scratch *scratch, const struct lk_page_view *view, const uint8_t *at,
                    const uint8_t *after, struct lk_record *record)
{
    take(scratch, scratch->at + scratch->used, (uint32_t)(at - view->at), (size_t)(after - at), record);
}

/* ---- by private reads ----------------------------------------------------------------------- */

static int locate_copy(struct lk_table *table, const uint32_t offsets[2], struct lk_packed_page *page)
{
    uint8_t bytes[LK_PAGE_HEAD];
    *page = (struct lk_packed_page){offsets[0], offsets[1], 0};
    const char *wrong = lk_packed_bounds_wrong(table, page);
    if (wrong)
        return lk_table_corrupt(table, table->footer.fences_at, wrong);
    int rc = lk_granules_copy(&table->granules, page->start, LK_PAGE_HEAD, bytes);
    if (rc < 0)
        return rc;
    page->unpacked = lk_load32(bytes);
    wrong = lk_packed_head_wrong(page);
    return wrong ? lk_table_corrupt(table, page->start, wrong) : 0;
}

/* The whole page into *bytes. 0 or a failure. */
static int unpack_copy(struct lk_table *table, const struct lk_packed_page *page, struct lk_buf *bytes)
{
    size_t stored = (size_t)(page->end - page->start) - LK_PAGE_HEAD, made = 0;
    struct lk_packer packer = {0};
    struct lk_buf from = {0};
    int rc = lk_buf_reserve(&from, stored);
    lk_buf_reset(bytes);
    if (rc == 0)
        rc = lk_buf_reserve(bytes, page->unpacked);
    if (rc == 0)
        rc = lk_granules_copy(&table->granules, page->start + LK_PAGE_HEAD, stored, from.at);
    if (rc == 0) {
        rc = lk_unpack(&packer, table->footer.codec, from.at, stored, bytes->at, page->unpacked, page->unpacked, &made);
        if (rc == 1)
            rc = lk_table_corrupt(table, page->start, "a packed page does not unpack");
    }
    bytes->len = made;
    lk_packer_deinit(&packer);
    lk_buf_deinit(&from);
    return rc;
}

int lk_packed_find_copy(struct lk_table *table, uint32_t position, struct lk_slice key, struct lk_buf *bytes,
                        struct lk_record *out)
{
    struct lk_packed_page page = {0};
    uint64_t offsets_at;
    uint32_t index, offsets[2];
    if (page_of(table, position, &index, &offsets_at) < 0)
        return no_page(table);
    int rc = lk_granules_copy(&table->granules, offsets_at, sizeof offsets, offsets);
    if (rc == 0)
        rc = locate_copy(table, offsets, &page);
    if (rc != 0)
        return rc;
    uint32_t in = inside(table, position), all = page.unpacked;
    if (!all && page.end - page.start - LK_PAGE_HEAD > in)
        return lk_table_compare_copy(table, page.start + LK_PAGE_HEAD + in, page.end, key, bytes, out);
    if (in >= all)
        return no_record(table, &page);
    rc = unpack_copy(table, &page, bytes);
    if (rc != 0)
        return rc;
    if (!lk_table_record_get(bytes->at + in, bytes->at + bytes->len, out))
        return no_record(table, &page);
    return lk_equal(out->key, key) ? 0 : LSMKV_NOTFOUND;
}

int lk_packed_show_copy(struct lk_table *table, const uint32_t offsets[2], struct lk_page_view *view,
                        struct lk_buf *bytes)
{
    struct lk_packed_page page = {0};
    int rc = locate_copy(table, offsets, &page);
    if (rc != 0)
        return rc;
    view->file = page.start + LK_PAGE_HEAD;
    view->bytes = page.unpacked ? page.unpacked : page.end - view->file;
    view->unpacked = page.unpacked != 0;
    if (view->unpacked)
        rc = unpack_copy(table, &page, bytes);
    view->at = view->unpacked ? bytes->at : NULL;
    return rc;
}
