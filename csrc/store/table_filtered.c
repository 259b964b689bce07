/* table_filtered: from a key to its record in a table with a filter, in place or by private reads.
 *
 *   filter line -> all six bits? -> fences behind one milestone -> page -> walk it
 *
 * What the fences and the page take are two dependent cache misses: the milestones are hot, the fences behind one of
 * them are fetched together, and so is the page. A key that is not there costs its filter line, nearly always.
 *
 * A walk compares for equality only, so it finds what is there whatever the order of what it passes. Keys that are
 * alike in the eight bytes of a head leave several pages: their first keys decide.
 *
 * Nothing read is believed: the bounds of a page are held against the pages', what stands in it against the rules of a
 * record. Threads: as table_find.c. */
#include "format/filter.h"
#include "format/space.h"
#include "store/table_packed.h"
#include "util/buf.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

enum { FETCH_MAX = 4096 };

static int miss(struct lk_missing *missing, struct lk_table *table, uint64_t offset, uint64_t bytes)
{
    *missing = (struct lk_missing){.table = table, .offset = offset, .bytes = bytes};
    return LSMKV_WOULDBLOCK;
}

/* Inlined always: gcc takes a function that only prefetches for one without effect. */
static inline __attribute__((always_inline)) void fetch(const void *at, uint64_t bytes)
{
    for (uint64_t line = 0; line < bytes && line < FETCH_MAX; line += 64)
        __builtin_prefetch((const uint8_t *)at + line);
}

/* ---- fences --------------------------------------------------------------------------------- */

static uint64_t heads_at(const struct lk_table *table, const struct lk_mile *mile)
{
    return table->footer.fences_at + (uint64_t)mile->first * sizeof(uint64_t);
}

static uint64_t offsets_at(const struct lk_table *table, const struct lk_mile *mile)
{
    return table->footer.fences_at + (uint64_t)table->footer.fence_count * sizeof(uint64_t) +
           (uint64_t)mile->first * sizeof(uint32_t);
}

/* In place. 0 or WOULDBLOCK. */
static int fences_of(struct lk_table *table, const struct lk_mile *mile, struct lk_fences *out,
                     struct lk_missing *missing)
{
    struct lk_granules *granules = &table->granules;
    uint64_t heads = heads_at(table, mile), offsets = offsets_at(table, mile);
    uint64_t head_bytes = (uint64_t)mile->pages * 8, offset_bytes = (uint64_t)mile->pages * 4 + 4;

    if (!lk_granules_ready(granules, heads, head_bytes))
        return miss(missing, table, heads, head_bytes);
    if (!lk_granules_ready(granules, offsets, offset_bytes))
        return miss(missing, table, offsets, offset_bytes);
    *out = (struct lk_fences){table->fences.head + mile->first, table->fences.offset + mile->first, mile->pages};
    return 0;
}

/* ---- one page ------------------------------------------------------------------------------- */

static int bounds_wrong(const struct lk_table *table, const uint32_t offsets[2])
{
    return offsets[0] < LK_TABLE_HEAD || offsets[0] >= offsets[1] || offsets[1] > table->pages_end;
}

static int no_page(const struct lk_table *table)
{
    return lk_table_corrupt(table, table->footer.fences_at, "a fence names no page");
}

static int no_record(const struct lk_table *table, const struct lk_page_view *view)
{
    return lk_table_corrupt(table, view->file, "there is no record where a page has one");
}

static int single(const struct lk_page_view *view)
{
    return view->bytes > LK_PAGE_MAX;
}

/* The end of a record without expiry whose lengths take one byte each, as nearly all of a small-record table have;
 * NULL for any other, and for one that passes `end`. */
static inline const uint8_t *plain_end(const uint8_t *at, const uint8_t *end)
{
    if ((size_t)(end - at) < 4)
        return NULL;
    uint32_t head = lk_load32(at), bytes = 3 + (head >> 8 & 0xff) + (head >> 16 & 0xff);
    int plain = (head & 0x808000) == 0 && ((head & 0xff) == LK_PUT || (head & 0xff) == LK_DELETE);
    return LIKELY(plain && bytes <= (size_t)(end - at)) ? at + bytes : NULL;
}

/* Find the record of `key`: *at is where it begins, the byte after it is returned. NULL and *at at the end of the
 * page: it is not there; elsewhere: no record stands at *at. The last eight bytes of two keys tell them apart soonest. */
static const uint8_t *walk(const struct lk_page_view *view, struct lk_slice key, struct lk_record *record,
                           const uint8_t **at, struct lk_probe_cost *cost)
{
    const uint8_t *here = view->at, *end = here + view->bytes, *after;
    size_t back = key.len < 8 ? key.len : 8;
    uint64_t tail = back == 8 ? lk_load64(key.at + key.len - 8) : 0;

    for (; here < end; here = after) {
        if (cost)
            cost->records++;
        after = plain_end(here, end);
        if (LIKELY(after != NULL) && (here[1] != key.len || (back == 8 && lk_load64(here + key.len - 5) != tail)))
            continue;
        after = lk_table_record_get(here, end, record);
        if (after == NULL || lk_equal(record->key, key))
            break;
    }
    *at = here;
    return here < end ? after : NULL;
}

/* ---- in place ------------------------------------------------------------------------------- */

/* The page between two offsets, all of it ready but for one that is a single large record. 0, WOULDBLOCK, CORRUPT. */
static int show(struct lk_table *table, const uint32_t offsets[2], struct lk_page_view *view,
                struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    if (table->footer.codec)
        return lk_packed_show(table, offsets, view, missing, scratch, cost);
    if (bounds_wrong(table, offsets))
        return no_page(table);
    *view = (struct lk_page_view){table->granules.base + offsets[0], offsets[1] - offsets[0], offsets[0], 0};
    if (!LIKELY(!single(view)))
        return 0;
    fetch(view->at, view->bytes);
    return lk_granules_ready(&table->granules, view->file, view->bytes) ? 0
                                                                        : miss(missing, table, view->file, view->bytes);
}

/* Does the page begin behind the key? 1, 0, WOULDBLOCK, CORRUPT. */
static int begins_behind(struct lk_table *table, const struct lk_page_view *view, struct lk_slice key,
                         struct lk_missing *missing)
{
    uint64_t most = LK_RECORD_HEAD_MAX + (uint64_t)LK_KEY_MAX, some = view->bytes < most ? view->bytes : most;
    struct lk_outline outline;

    if (single(view) && !lk_granules_ready(&table->granules, view->file, some))
        return miss(missing, table, view->file, some);
    if (lk_outline_get(view->at, view->at + some, &outline) < 0 || outline.total > view->bytes ||
        outline.key_at + outline.key_bytes > some)
        return no_record(table, view);
    return lk_compare(lk_slice(view->at + outline.key_at, outline.key_bytes), key) > 0;
}

/* Of pages low to high, whose heads are the key's, the last one that does not begin behind it. 0 or as above. */
static int narrow(struct lk_table *table, const struct lk_fences *fences, uint32_t *low, uint32_t high,
                  struct lk_slice key, struct lk_missing *missing, struct lk_scratch *scratch,
                  struct lk_probe_cost *cost)
{
    struct lk_page_view view;
    while (*low < high) {
        uint32_t middle = *low + (high - *low + 1) / 2;
        int rc = show(table, &fences->offset[middle], &view, missing, scratch, cost);
        if (rc == 0)
            rc = begins_behind(table, &view, key, missing);
        if (rc < 0 || rc == LSMKV_WOULDBLOCK)
            return rc;
        if (rc)
            high = middle - 1;
        else
            *low = middle;
    }
    return 0;
}

static int find_in_page(struct lk_table *table, const uint32_t offsets[2], struct lk_slice key,
                        struct lk_record *record, struct lk_missing *missing, struct lk_scratch *scratch,
                        struct lk_probe_cost *cost)
{
    struct lk_page_view view;
    const uint8_t *at;
    int rc = show(table, offsets, &view, missing, scratch, cost);
    if (rc != 0)
        return rc;
    if (!LIKELY(!single(&view))) {
        if (cost)
            cost->records++;
        return lk_table_compare_far(table, view.file, view.file + view.bytes, key, record, missing);
    }
    const uint8_t *after = walk(&view, key, record, &at, cost);
    if (after == NULL)
        return at == view.at + view.bytes ? LSMKV_NOTFOUND : no_record(table, &view);
    if (view.unpacked)
        lk_packed_take(scratch, &view, at, after, record);
    return 0;
}

int lk_filtered_find(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_record *record,
                     struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    const struct lk_line *line = &table->lines[lk_line_first(hash, table->line_count)];
    uint64_t offset = (uint64_t)((const uint8_t *)line - table->granules.base);
    struct lk_fences fences;
    struct lk_mile mile;
    uint32_t page, through;

    lk_table_mile(table, key, &mile); /* while the filter's line is on its way */
    if (!lk_granules_ready(&table->granules, offset, LK_FILTER_LINE))
        return miss(missing, table, offset, LK_FILTER_LINE);
    if (cost)
        cost->lines++;
    if (!lk_filter_has((const uint8_t *)line, hash))
        return LSMKV_NOTFOUND;

    fetch(table->fences.head + mile.first, mile.pages * 8);
    fetch(table->fences.offset + mile.first, mile.pages * 4 + 4);
    int rc = fences_of(table, &mile, &fences, missing);
    if (rc != 0)
        return rc;
    if (cost)
        cost->lines += (mile.pages * 12 + 63) / 64;
    page = lk_milestone_find(mile.milestone, &fences, key, &through);
    rc = narrow(table, &fences, &page, through, key, missing, scratch, cost);
    return rc ? rc : find_in_page(table, &fences.offset[page], key, record, missing, scratch, cost);
}

/* ---- by private reads ----------------------------------------------------------------------- */

/* The page between two offsets; into *bytes, but for a single large record. 0 or a failure. */
static int show_copy(struct lk_table *table, const uint32_t offsets[2], struct lk_page_view *view, struct lk_buf *bytes)
{
    *view = (struct lk_page_view){NULL, offsets[1] - offsets[0], offsets[0], 0};
    if (!table->footer.codec && bounds_wrong(table, offsets))
        return no_page(table);
    int rc = table->footer.codec ? lk_packed_show_copy(table, offsets, view, bytes) : 0;
    if (rc < 0 || view->at || single(view))
        return rc;
    lk_buf_reset(bytes);
    rc = lk_buf_reserve(bytes, (size_t)view->bytes);
    if (rc == 0)
        rc = lk_granules_copy(&table->granules, view->file, view->bytes, bytes->at);
    bytes->len = rc == 0 ? (size_t)view->bytes : 0;
    view->at = bytes->at;
    return rc;
}

static int begins_behind_copy(struct lk_table *table, const uint32_t offsets[2], struct lk_slice key,
                              struct lk_buf *bytes)
{
    struct lk_page_view view;
    struct lk_outline outline;
    int rc = show_copy(table, offsets, &view, bytes);
    if (rc < 0)
        return rc;
    uint64_t most = LK_RECORD_HEAD_MAX + (uint64_t)LK_KEY_MAX, some = view.bytes < most ? view.bytes : most;
    if (view.at == NULL) {
        lk_buf_reset(bytes);
        rc = lk_buf_reserve(bytes, (size_t)some);
        if (rc == 0)
            rc = lk_granules_copy(&table->granules, view.file, some, bytes->at);
        if (rc < 0)
            return rc;
        view.at = bytes->at;
    }
    if (lk_outline_get(view.at, view.at + some, &outline) < 0 || outline.key_at + outline.key_bytes > some)
        return no_record(table, &view);
    return lk_compare(lk_slice(view.at + outline.key_at, outline.key_bytes), key) > 0;
}

static int find_in_page_copy(struct lk_table *table, const uint32_t offsets[2], struct lk_slice key,
                             struct lk_buf *bytes, struct lk_record *out)
{
    struct lk_page_view view;
    const uint8_t *at;
    int rc = show_copy(table, offsets, &view, bytes);
    if (rc < 0)
        return rc;
    if (view.at == NULL)
        return lk_table_compare_copy(table, view.file, view.file + view.bytes, key, bytes, out);
    if (walk(&view, key, out, &at, NULL))
        return 0;
    return at == view.at + view.bytes ? LSMKV_NOTFOUND : no_record(table, &view);
}

int lk_filtered_find_copy(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_buf *bytes,
                          struct lk_record *out)
{
    struct lk_granules *granules = &table->granules;
    uint64_t heads[LK_MILE], index = lk_line_first(hash, table->line_count);
    uint32_t offsets[LK_MILE + 1], through;
    uint8_t line[LK_FILTER_LINE];
    struct lk_mile mile;

    int rc = lk_granules_copy(granules, table->footer.lines_at + index * LK_FILTER_LINE, sizeof line, line);
    if (rc < 0)
        return rc;
    if (!lk_filter_has(line, hash))
        return LSMKV_NOTFOUND;
    lk_table_mile(table, key, &mile);
    rc = lk_granules_copy(granules, heads_at(table, &mile), (uint64_t)mile.pages * 8, heads);
    if (rc == 0)
        rc = lk_granules_copy(granules, offsets_at(table, &mile), (uint64_t)mile.pages * 4 + 4, offsets);
    if (rc < 0)
        return rc;
    struct lk_fences fences = {heads, offsets, mile.pages};
    uint32_t low = lk_milestone_find(mile.milestone, &fences, key, &through);
    while (low < through) {
        uint32_t middle = low + (through - low + 1) / 2;
        rc = begins_behind_copy(table, &offsets[middle], key, bytes);
        if (rc < 0)
            return rc;
        if (rc)
            through = middle - 1;
        else
            low = middle;
    }
    return find_in_page_copy(table, &offsets[low], key, bytes, out);
}
