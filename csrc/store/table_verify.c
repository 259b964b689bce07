/* table_verify: everything about one table that can be checked without another file. One thread; only
 * private reads, so readers, states and the budget are left alone.
 *
 *   1  tail       footer, checks and properties once more from the disk, and still what they were
 *   2  granules   every byte before the checks, by its checksum
 *   3  order      pages and records: each record in place, keys strictly ascending from key_min to
 *                 key_max, each page beginning with its fence's head, counts as the footer says, value
 *                 segments as listed
 *   4  lines      each line sound; each record in one of its two lines; as many slots as records, so
 *                 that no line names anything else. Or the filter is that of the keys, and the milestones are the
 *                 first keys of their pages and share with the rest what they say
 *   5  padding    zero between the sections, and the head as it should be
 *
 * Damage found in 2 is reported granule by granule; 3 to 5 then say nothing that is not known. */
#include "format/filter.h"
#include "store/table_cursor.h"
#include "util/alloc.h"
#include "util/buf.h"

enum { PIECE = 64 * LK_GRANULE };

struct verify {
    struct lk_table *table;
    lsmkv_found found;
    int (*progress)(void *context, uint64_t bytes);
    void *context;
    int damage;                /* the first damage's status; its words below */
    struct lsmkv_error first;
};

/* A failure was found: `rc`. 0 when verification goes on. */
static int report(struct verify *verify, int rc)
{
    if (rc != LSMKV_CORRUPT && rc != LSMKV_IO && rc != LSMKV_FORMAT)
        return rc;
    if (verify->damage == 0) {
        verify->damage = rc;
        verify->first = *lk_error();
    }
    if (verify->found == NULL)
        return rc;
    verify->found(verify->context, lk_error());
    return 0;
}

static int advance(struct verify *verify, uint64_t bytes)
{
    if (verify->progress && verify->progress(verify->context, bytes))
        return lk_fail(LSMKV_CANCELLED, "verification of %s was cancelled", verify->table->name);
    return 0;
}

/* ---- tail and granules ---------------------------------------------------------------------- */

static int check_tail(const struct verify *verify)
{
    struct lk_table *table = verify->table;
    struct lk_footer footer;
    struct lk_buf tail = {0};
    uint64_t bytes = 0;
    int rc = lk_io_size(table->env, table->file, table->name, &bytes);

    if (rc == 0 && bytes != table->footer.file_bytes)
        rc = lk_table_corrupt(table, bytes, "the file ends elsewhere than when it was opened");
    if (rc == 0)
        rc = lk_table_read_tail(table->env, table->file, table->name, bytes, &footer, &tail);
    if (rc == 0 && (footer.identity != table->footer.identity || footer.tail_sum != table->footer.tail_sum ||
                    footer.check_count != table->granules.count ||
                    memcmp(tail.at, table->granules.checks, (size_t)footer.check_count * 4) != 0))
        rc = lk_table_corrupt(table, bytes - LK_FOOTER, "the footer is not the one that was opened");
    lk_buf_deinit(&tail);
    return rc;
}

/* One failed piece again, granule by granule, so that each damaged one is named. */
static int check_each(struct verify *verify, uint64_t offset, uint64_t bytes, uint8_t *scratch)
{
    int rc = 0;
    for (uint64_t done = 0; rc == 0 && done < bytes; done += LK_GRANULE) {
        int bad = lk_granules_copy(&verify->table->granules, offset + done, LK_GRANULE, scratch);
        if (bad < 0)
            rc = report(verify, bad);
    }
    return rc;
}

static int check_granules(struct verify *verify)
{
    struct lk_granules *granules = &verify->table->granules;
    uint8_t *scratch = lk_alloc(PIECE);
    int rc = scratch ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out: no buffer to verify %s", verify->table->name);

    for (uint64_t offset = 0; rc == 0 && offset < granules->bytes; offset += PIECE) {
        uint64_t left = granules->bytes - offset, piece = left < PIECE ? left : PIECE;
        if (lk_granules_copy(granules, offset, piece, scratch) < 0)
            rc = check_each(verify, offset, piece, scratch);
        if (rc == 0)
            rc = advance(verify, piece);
    }
    lk_free(scratch);
    return rc;
}

/* ---- records and lines ---------------------------------------------------------------------- */

struct walk {
    struct lk_table_cursor cursor;
    struct lk_line *lines; /* owned private copy; filtered: of the filter */
    uint8_t *filter;       /* owned; filtered: made anew from the keys */
    struct lk_buf before;  /* the key before the current one */
    uint64_t records, tombstones, expiring, payload, pages, unpacked;
    uint64_t since; /* bytes since progress was told */
    struct lk_value_uses uses;
};

static int walk_init(struct walk *walk, struct lk_table *table)
{
    uint64_t bytes = (uint64_t)table->line_count * sizeof *walk->lines;
    *walk = (struct walk){0};
    lk_table_cursor_init(&walk->cursor, table, 1);
    walk->lines = lk_alloc_aligned(64, (size_t)bytes);
    if (lk_table_filtered(table))
        walk->filter = lk_alloc_zero((size_t)bytes);
    if (walk->lines == NULL || (lk_table_filtered(table) && walk->filter == NULL))
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room for the lines of %s", table->name);
    return lk_granules_copy(&table->granules, table->footer.lines_at, bytes, walk->lines);
}

static void walk_deinit(struct walk *walk)
{
    lk_table_cursor_release(&walk->cursor);
    lk_buf_deinit(&walk->before);
    lk_value_uses_deinit(&walk->uses);
    lk_free(walk->lines);
    lk_free(walk->filter);
}

static int line_has(const struct lk_line *line, uint64_t hash, uint64_t position)
{
    for (uint32_t match = lk_line_match(line, hash, line->count); match; match &= match - 1)
        if (lk_place_position(line->place[__builtin_ctz(match)]) == position)
            return 1;
    return 0;
}

/* The filter lets the key pass, and its milestone is right about it. */
static const char *filtered_wrong(struct walk *walk, struct lk_slice key, uint64_t hash)
{
    const struct lk_table *table = walk->cursor.table;
    const struct lk_milestone *mile = &table->milestones[walk->cursor.page / LK_MILE];
    int begins = walk->cursor.at == walk->cursor.page_at && walk->cursor.page % LK_MILE == 0;

    uint32_t line = lk_line_first(hash, table->line_count);

    lk_filter_add(walk->filter + (size_t)line * LK_FILTER_LINE, hash);
    if (!lk_filter_has((const uint8_t *)&walk->lines[line], hash))
        return "the filter denies the record";
    if (begins && !lk_equal(mile->key, key))
        return "a milestone is not the first key of its page";
    if (key.len < mile->shared || (mile->shared && memcmp(key.at, mile->key.at, mile->shared) != 0))
        return "the record shares less with its milestone than that says";
    return NULL;
}

static const char *record_wrong(struct walk *walk)
{
    const struct lk_table *table = walk->cursor.table;
    struct lk_slice key = walk->cursor.cursor.record.key;
    uint64_t hash = lk_hash(table->seed, key.at, key.len);
    const struct lk_line *line = &walk->lines[lk_line_first(hash, table->line_count)];

    if (walk->records ? lk_compare(lk_buf_slice(&walk->before), key) >= 0 : !lk_equal(key, table->meta.key_min))
        return "the keys do not ascend from the first one";
    if (lk_table_filtered(table))
        return filtered_wrong(walk, key, hash);
    if (line_has(line, hash, walk->cursor.at))
        return NULL;
    if ((line->marks & LK_LINE_MARK) == 0 ||
        !line_has(&walk->lines[lk_line_second(hash, table->line_count)], hash, walk->cursor.at))
        return "no line leads to the record";
    return NULL;
}

static int walk_record(struct verify *verify, struct walk *walk)
{
    const struct lk_record *record = &walk->cursor.cursor.record;
    const char *wrong = record_wrong(walk);
    if (wrong)
        return lk_table_corrupt(verify->table, lk_window_file(&walk->cursor, walk->cursor.at), wrong);
    walk->records++;
    walk->tombstones += lk_record_kind(record) == LK_DELETE;
    walk->expiring += record->expiry != 0;
    walk->payload += record->key.len + record->value.len;
    if (walk->cursor.at == walk->cursor.page_at) {
        walk->pages++;
        walk->unpacked += walk->cursor.page_end - walk->cursor.page_at;
    }
    walk->since += walk->cursor.next_at - walk->cursor.at;
    int rc = lk_buf_copy(&walk->before, record->key);
    struct lk_reference reference;
    if (rc == 0 && (record->flags & LK_RECORD_APART) && lk_reference_get(record->value, &reference) == 0)
        rc = lk_value_uses_add(&walk->uses, reference.number, 1, lk_value_footprint(reference.bytes));
    if (rc == 0 && walk->since >= PIECE) {
        walk->since = 0;
        rc = advance(verify, 0);
    }
    return rc;
}

static int check_totals(const struct walk *walk)
{
    const struct lk_footer *footer = &walk->cursor.table->footer;
    int filtered = lk_footer_filtered(footer);
    uint64_t slots = filtered ? footer->records : 0;

    for (uint32_t i = 0; !filtered && i < footer->line_count; i++) {
        slots += walk->lines[i].count;
        if (!lk_line_sound(&walk->lines[i]))
            return lk_table_corrupt(walk->cursor.table, footer->lines_at + (uint64_t)i * sizeof *walk->lines,
                                    "a line is out of shape");
    }
    if (filtered && memcmp(walk->lines, walk->filter, (size_t)footer->line_count * LK_FILTER_LINE) != 0)
        return lk_table_corrupt(walk->cursor.table, footer->lines_at, "the filter is not that of the keys");
    if (walk->records != footer->records || walk->tombstones != footer->tombstones ||
        walk->expiring != footer->expiring || walk->payload != footer->payload || walk->pages != footer->fence_count ||
        slots != footer->records || (footer->codec && walk->unpacked != footer->unpacked) ||
        !lk_value_uses_equal(&walk->uses, &walk->cursor.table->uses))
        return lk_table_corrupt(walk->cursor.table, footer->file_bytes - LK_FOOTER, "the counts are wrong");
    if (footer->records && !lk_equal(lk_buf_slice(&walk->before), walk->cursor.table->meta.key_max))
        return lk_table_corrupt(walk->cursor.table, footer->pages_end, "the last key is not the one named");
    return 0;
}

static int check_records(struct verify *verify)
{
    struct walk walk;
    struct lk_cursor *cursor = &walk.cursor.cursor;
    int rc = walk_init(&walk, verify->table);

    if (rc == 0)
        rc = lk_window_fences(&walk.cursor);
    if (rc == 0)
        cursor->ops->seek(cursor, NULL, 0);
    while (rc == 0 && cursor->valid) {
        rc = walk_record(verify, &walk);
        if (rc == 0)
            cursor->ops->next(cursor);
    }
    if (rc == 0)
        rc = cursor->status;
    if (rc == 0)
        rc = check_totals(&walk);
    walk_deinit(&walk);
    return rc;
}

/* ---- padding -------------------------------------------------------------------------------- */

static int check_zeros(struct lk_table *table, uint64_t from, uint64_t to)
{
    uint8_t bytes[LK_GRANULE];
    int rc = lk_granules_copy(&table->granules, from, to - from, bytes);
    for (uint64_t i = 0; rc == 0 && i < to - from; i++)
        if (bytes[i])
            rc = lk_table_corrupt(table, from + i, "there is something between the sections");
    return rc;
}

static int check_padding(struct lk_table *table)
{
    const struct lk_footer *footer = &table->footer;
    uint64_t fences_end = footer->fences_at + (uint64_t)footer->fence_count * 12 + 4;
    uint64_t lines_end = footer->lines_at + (uint64_t)footer->line_count * sizeof(struct lk_line);
    uint8_t head[LK_TABLE_HEAD], want[LK_TABLE_HEAD];

    lk_table_head_put(want, footer->number, footer->identity);
    int rc = lk_granules_copy(&table->granules, 0, sizeof head, head);
    if (rc == 0 && memcmp(head, want, sizeof head) != 0)
        rc = lk_table_corrupt(table, 0, "the file does not begin as this table does");
    if (rc == 0)
        rc = check_zeros(table, footer->pages_end, footer->fences_at);
    if (rc == 0)
        rc = check_zeros(table, fences_end, footer->lines_at);
    return rc ? rc : check_zeros(table, lines_end, footer->checks_at);
}

/* ---- all ------------------------------------------------------------------------------------ */

int lk_table_verify(struct lk_table *table, lsmkv_found found, int (*progress)(void *, uint64_t), void *context)
{
    struct verify verify = {.table = table, .found = found, .progress = progress, .context = context};
    int rc = check_tail(&verify);

    if (rc < 0)
        rc = report(&verify, rc);
    if (rc == 0)
        rc = check_granules(&verify);
    if (rc == 0 && verify.damage == 0) {
        rc = check_records(&verify);
        if (rc == 0)
            rc = check_padding(table);
        if (rc < 0)
            rc = report(&verify, rc);
    }
    if (rc == 0 && verify.damage) {
        lk_error_restore(&verify.first);
        rc = verify.damage;
    }
    return rc;
}
