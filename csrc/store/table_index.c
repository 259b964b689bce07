/* table_index: what a lookup in the table begins with: lines, or for small records a filter and milestones. One thread.
 *
 *   lines    6.4 bytes a record     one look says where the record is
 *   filter   a sixteenth            of what the records take; where the record is the fences say, whose pages are
 *                                   smaller then: a 43rd. Together under a tenth of the table
 *
 * Lines are a tenth of a table of records of some 60 bytes, and a quarter of one of 19. Which of the two it will be is
 * decided when the records are written, from their number and size. Until then both are prepared for: the position of
 * each record for lines, and for each page its head behind what the keys of a milestone share:
 *
 *   first keys of the present milestone's pages | user:0001:a | user:0003:c | ...      held until the next one begins:
 *                                                 only then is it known what all of them share */
#include "store/table_build.h"

#include "format/filter.h"
#include "format/milestone.h"
#include "os/large.h"

enum {
    PAGE_PART = 4, /* pages are so much smaller, but for those below */
    PAGE_LEAST = 512,
    TINY = 16, /* bytes: fences of pages that small would be too many */
    PLACEMENT_TRIES = 8
};

/* ---- small or not --------------------------------------------------------------------------- */

uint32_t lk_index_page_bytes(const struct lk_table_writer *writer, uint64_t bytes)
{
    uint32_t whole = writer->page_bytes, part = whole / PAGE_PART;

    if (writer->item_count == 0 || bytes >= (uint64_t)writer->item_count * writer->plan.small_bytes)
        return whole;
    part = part > PAGE_LEAST ? part : PAGE_LEAST;
    part = bytes < (uint64_t)writer->item_count * TINY ? 2 * part : part;
    return part < whole ? part : whole;
}

static int wants_filter(const struct lk_table_writer *writer, const struct lk_footer *footer)
{
    uint64_t bytes = writer->codec ? writer->unpacked : footer->pages_end - LK_TABLE_HEAD;
    return writer->item_count && writer->item_count >= writer->plan.small_records &&
           bytes < (uint64_t)writer->item_count * writer->plan.small_bytes;
}

/* ---- milestones ----------------------------------------------------------------------------- */

/* The milestone whose pages are the last ones noted is complete. key_last is the last key of its last page. */
static int close_mile(struct lk_table_writer *writer)
{
    uint32_t first = (writer->page_count - 1) / LK_MILE * LK_MILE, count = writer->page_count - first;
    struct lk_slice key = lk_slice(writer->mile_keys.at, writer->mile_lens[0]);
    uint32_t shared = lk_shared_bytes(key, lk_buf_slice(&writer->key_last));
    uint8_t head[LK_MILESTONE_HEAD_MAX];
    const uint8_t *at = writer->mile_keys.at;

    for (uint32_t i = 0; i < count; at += writer->mile_lens[i++])
        writer->pages[first + i].local = lk_head(lk_slice(at, writer->mile_lens[i]), shared);
    int rc =
        lk_buf_append(&writer->milestones, head, (size_t)(lk_milestone_put(head, shared, (uint32_t)key.len) - head));
    if (rc == 0)
        rc = lk_buf_append(&writer->milestones, key.at, key.len);
    lk_buf_reset(&writer->mile_keys);
    return rc;
}

int lk_index_page(struct lk_table_writer *writer, struct lk_slice key)
{
    uint32_t index = writer->page_count % LK_MILE;
    int rc = index == 0 && writer->page_count ? close_mile(writer) : 0;
    writer->mile_lens[index] = (uint32_t)key.len;
    return rc < 0 ? rc : lk_buf_append(&writer->mile_keys, key.at, key.len);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static uint64_t lines_bytes(uint32_t count)
{
    return (uint64_t)count * sizeof(struct lk_line);
}

/* `count` lines and what they hold. 0; 1 when there is no placement; NOMEM. *out is owned. */
static int build_lines(const struct lk_table_writer *writer, uint32_t count, struct lk_line **out)
{
    struct lk_env *env = writer->plan.env;
    uint64_t scratch = (uint64_t)count * LK_LINE_SLOTS * sizeof(uint32_t);
    struct lk_line *lines = lk_large_new(env, lines_bytes(count));
    uint32_t *item_of = lk_large_new(env, scratch);
    int rc = LSMKV_NOMEM;

    if (lines && item_of)
        rc = lk_lines_build(lines, count, writer->items, writer->item_count, item_of);
    else
        lk_fail(rc, "memory ran out: no room to place %u keys", writer->item_count);
    lk_large_free(env, item_of, scratch);
    if (rc == 0) {
        *out = lines;
        return 0;
    }
    lk_large_free(env, lines, lines_bytes(count));
    return rc;
}

static int put_lines(struct lk_table_writer *writer, struct lk_footer *footer)
{
    struct lk_line *lines = NULL;
    uint32_t count = lk_lines_wanted(writer->item_count);
    int rc = 1;

    for (int tries = 0; rc == 1 && tries < PLACEMENT_TRIES; tries++) {
        rc = build_lines(writer, count, &lines);
        footer->line_count = count;
        count += count / 8 + 1;
    }
    if (rc == 1)
        return lk_fail(LSMKV_INVALID, "no placement for %u keys was found in %u lines: their hashes are alike",
                       writer->item_count, footer->line_count);
    if (rc == 0)
        rc = lk_table_output_put(&writer->output, lines, lines_bytes(footer->line_count));
    lk_large_free(writer->plan.env, lines, lines_bytes(footer->line_count));
    return rc;
}

/* ---- a filter ------------------------------------------------------------------------------- */

static int put_filter(struct lk_table_writer *writer, struct lk_footer *footer)
{
    uint32_t count = lk_filter_lines(footer->records, footer->pages_end - LK_TABLE_HEAD);
    size_t bytes = (size_t)count * LK_FILTER_LINE;
    struct lk_env *env = writer->plan.env;
    uint8_t *lines = lk_large_new(env, bytes);

    if (lines == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room for the filter of %u keys", writer->item_count);
    memset(lines, 0, bytes);
    for (uint32_t i = 0; i < writer->item_count; i++) {
        uint64_t hash = writer->items[i].hash;
        lk_filter_add(lines + (size_t)lk_line_first(hash, count) * LK_FILTER_LINE, hash);
    }
    footer->line_count = count;
    int rc = lk_table_output_put(&writer->output, lines, bytes);
    lk_large_free(env, lines, bytes);
    return rc;
}

int lk_index_choose(struct lk_table_writer *writer, struct lk_footer *footer)
{
    int rc = writer->page_count ? close_mile(writer) : 0;
    if (rc < 0 || !wants_filter(writer, footer) || writer->milestones.len > UINT32_MAX)
        return rc;
    footer->features |= LK_FEATURE_FILTER;
    footer->milestone_bytes = (uint32_t)writer->milestones.len;
    return 0;
}

int lk_index_put(struct lk_table_writer *writer, struct lk_footer *footer)
{
    return lk_footer_filtered(footer) ? put_filter(writer, footer) : put_lines(writer, footer);
}
