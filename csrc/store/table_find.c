/* table_find: from a key's hash to its record, in place or into private memory.
 *
 * In place is the hot path: the line, a tag match, the record, one comparison of keys; each of the two
 * behind one look at a granule's state. A record that lies in one ready granule, as most do, is decoded
 * at once; lk_table_compare_far takes the others in steps, so that no byte is looked at before it is ready and
 * a value is not asked for before its key is known to be the wanted one.
 *
 * A position out of a line is a claim and nothing more: it is held against the pages' bounds, and what
 * stands there against the rules of a record. */
#include "store/table_packed.h"
#include "util/buf.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

static int miss(struct lk_missing *missing, struct lk_table *table, uint64_t offset, uint64_t bytes)
{
    *missing = (struct lk_missing){.table = table, .offset = offset, .bytes = bytes};
    return LSMKV_WOULDBLOCK;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The one granule at `offset` is ready, and the clock hand knows that it is used. */
static inline int hot(const struct lk_granules *granules, uint64_t offset)
{
    return atomic_load_explicit(&granules->state[offset >> LK_GRANULE_SHIFT], memory_order_acquire) == LK_GRANULE_HOT;
}

/* ---- in place ------------------------------------------------------------------------------- */

__attribute__((noinline)) int lk_table_compare_far(struct lk_table *table, uint64_t position, uint64_t end,
                                                   struct lk_slice key, struct lk_record *record,
                                                   struct lk_missing *missing)
{
    const uint8_t *at = table->granules.base + position;
    uint64_t left = end - position, head = least(left, LK_RECORD_HEAD_MAX);
    struct lk_outline outline;

    if (!lk_granules_ready(&table->granules, position, head))
        return miss(missing, table, position, head);
    if (lk_outline_get(at, at + head, &outline) < 0 || outline.total > left)
        return lk_table_corrupt(table, position, "there is no record where a line names one");
    if (outline.key_bytes != key.len)
        return LSMKV_NOTFOUND;

    uint64_t upto = outline.key_at + key.len;
    if (!lk_granules_ready(&table->granules, position, upto))
        return miss(missing, table, position, upto);
    if (key.len && memcmp(at + outline.key_at, key.at, key.len) != 0)
        return LSMKV_NOTFOUND;
    if (!lk_granules_ready(&table->granules, position, outline.total))
        return miss(missing, table, position, outline.total);
    if (lk_table_record_get(at, at + outline.total, record) == NULL)
        return lk_table_corrupt(table, position, "there is no record where a line names one");
    return 0;
}

/* Is the record at `position` the one of `key`? 0, NOTFOUND, WOULDBLOCK, CORRUPT. Only raw pages have positions
 * below raw_end. */
static inline int compare(struct lk_table *table, uint32_t position, struct lk_slice key, struct lk_record *record,
                          struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    struct lk_granules *granules = &table->granules;
    uint32_t raw_end = table->raw_end;

    if (!LIKELY(position >= LK_TABLE_HEAD && position < raw_end))
        return lk_packed_find(table, position, key, record, missing, scratch, cost);
    if (LIKELY(hot(granules, position))) {
        uint64_t granule_end = ((uint64_t)(position >> LK_GRANULE_SHIFT) + 1) << LK_GRANULE_SHIFT;
        const uint8_t *end = granules->base + least(granule_end, raw_end);
        if (LIKELY(lk_table_record_get(granules->base + position, end, record) != NULL))
            return lk_equal(record->key, key) ? 0 : LSMKV_NOTFOUND;
    }
    return lk_table_compare_far(table, position, raw_end, key, record, missing);
}

static inline int find_by_lines(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_record *record,
                                struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    uint32_t index = lk_line_first(hash, table->line_count);

    for (int second = 0;; second = 1) {
        const struct lk_line *line = &table->lines[index];
        uint64_t offset = (uint64_t)((const uint8_t *)line - table->granules.base);
        if (!LIKELY(hot(&table->granules, offset)) && !lk_granules_ready(&table->granules, offset, sizeof *line))
            return miss(missing, table, offset, sizeof *line);
        if (cost)
            cost->lines++;
        unsigned count = atomic_load_explicit(&line->count, memory_order_relaxed);
        uint32_t match = lk_line_match(line, hash, count);

        for (; match; match &= match - 1) {
            uint32_t place = atomic_load_explicit(&line->place[__builtin_ctz(match)], memory_order_relaxed);
            int rc = compare(table, lk_place_position(place), key, record, missing, scratch, cost);
            if (cost)
                cost->records++;
            if (rc != LSMKV_NOTFOUND)
                return rc;
        }
        if (second || !(atomic_load_explicit(&line->marks, memory_order_relaxed) & LK_LINE_MARK))
            return LSMKV_NOTFOUND;
        index = lk_line_second(hash, table->line_count);
    }
}

int lk_table_find(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_record *record,
                  struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost)
{
    int rc = LIKELY(!lk_table_filtered(table)) ? find_by_lines(table, hash, key, record, missing, scratch, cost)
                                               : lk_filtered_find(table, hash, key, record, missing, scratch, cost);
    return rc == 0 ? lk_table_shows(table, record) : rc;
}

int lk_table_fill(const struct lk_missing *missing)
{
    struct lk_granules *granules = &missing->table->granules;
    int rc = lk_granules_fill(granules, missing->offset, missing->bytes);
    if (rc == 0 && missing->ahead) {
        struct lsmkv_error saved = *lk_error();
        if (lk_granules_fill(granules, missing->offset + missing->bytes, missing->ahead) < 0)
            lk_error_restore(&saved);
    }
    return rc;
}

/* ---- into private memory -------------------------------------------------------------------- */

/* Replace *bytes by the file's [offset, offset + length), of which the first `have` stand there already. */
static int copy_to(struct lk_table *table, uint64_t offset, uint64_t have, uint64_t length, struct lk_buf *bytes)
{
    bytes->len = (size_t)have;
    int rc = lk_buf_reserve(bytes, (size_t)(length - have));
    if (rc == 0)
        rc = lk_granules_copy(&table->granules, offset + have, length - have, bytes->at + have);
    if (rc == 0)
        bytes->len = (size_t)length;
    return rc;
}

int lk_table_compare_copy(struct lk_table *table, uint64_t position, uint64_t end, struct lk_slice key,
                          struct lk_buf *bytes, struct lk_record *out)
{
    struct lk_outline outline;
    uint64_t left = end - position, first = least(left, LK_RECORD_HEAD_MAX + key.len);
    int rc = copy_to(table, position, 0, first, bytes);
    if (rc < 0)
        return rc;
    if (lk_outline_get(bytes->at, bytes->at + first, &outline) < 0 || outline.total > left)
        return lk_table_corrupt(table, position, "there is no record where a line names one");
    if (outline.key_bytes != key.len || (key.len && memcmp(bytes->at + outline.key_at, key.at, key.len) != 0))
        return LSMKV_NOTFOUND;
    if (outline.total > first)
        rc = copy_to(table, position, first, outline.total, bytes);
    if (rc == 0 && lk_table_record_get(bytes->at, bytes->at + outline.total, out) == NULL)
        rc = lk_table_corrupt(table, position, "there is no record where a line names one");
    return rc;
}

static int compare_copy(struct lk_table *table, uint32_t position, struct lk_slice key, struct lk_buf *bytes,
                        struct lk_record *out)
{
    if (position < LK_TABLE_HEAD || position >= table->raw_end)
        return lk_packed_find_copy(table, position, key, bytes, out);
    return lk_table_compare_copy(table, position, table->raw_end, key, bytes, out);
}

static int copy_by_lines(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_buf *bytes,
                         struct lk_record *out)
{
    uint32_t index = lk_line_first(hash, table->line_count);
    struct lk_line line;

    for (int second = 0;; second = 1) {
        uint64_t offset = table->footer.lines_at + (uint64_t)index * sizeof line;
        int rc = lk_granules_copy(&table->granules, offset, sizeof line, &line);
        if (rc < 0)
            return rc;
        for (uint32_t match = lk_line_match(&line, hash, line.count); match; match &= match - 1) {
            rc = compare_copy(table, lk_place_position(line.place[__builtin_ctz(match)]), key, bytes, out);
            if (rc != LSMKV_NOTFOUND)
                return rc;
        }
        if (second || !(line.marks & LK_LINE_MARK))
            return LSMKV_NOTFOUND;
        index = lk_line_second(hash, table->line_count);
    }
}

int lk_table_find_copy(struct lk_table *table, uint64_t hash, struct lk_slice key, struct lk_buf *bytes,
                       struct lk_record *out)
{
    int rc = lk_table_filtered(table) ? lk_filtered_find_copy(table, hash, key, bytes, out)
                                      : copy_by_lines(table, hash, key, bytes, out);
    return rc == 0 ? lk_table_shows(table, out) : rc;
}
