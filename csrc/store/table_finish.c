/* table_finish: from pages to a table: fences, index (table_index.c), checks, properties, footer, sync. One thread.
 *
 * What open will check when the table is read is checked here before it is written: keys and range
 * deletes lie in the interval, range deletes are in order. */
#include "store/table_build.h"

#include "util/alloc.h"
#include "util/checksum.h"

struct interval {
    struct lk_slice lo;
    const struct lk_slice *hi;
};

static int inside(const struct interval *interval, struct lk_slice key)
{
    return lk_compare(interval->lo, key) <= 0 && (interval->hi == NULL || lk_compare(key, *interval->hi) < 0);
}

static int ranges_inside(const struct interval *interval, const struct lk_ranges *ranges)
{
    if (ranges == NULL || ranges->count == 0)
        return 1;
    const struct lk_interval *last = &ranges->at[ranges->count - 1];
    int ends =
        last->open_end ? interval->hi == NULL : interval->hi == NULL || lk_compare(last->stop, *interval->hi) <= 0;
    return ends && lk_compare(interval->lo, ranges->at[0].start) <= 0 && lk_ranges_sound(ranges);
}

static int check_inside(const struct lk_table_writer *writer, const struct interval *interval,
                        const struct lk_ranges *ranges)
{
    int keys = writer->item_count == 0 ||
               (inside(interval, lk_buf_slice(&writer->key_min)) && inside(interval, lk_buf_slice(&writer->key_last)));
    if (keys && ranges_inside(interval, ranges))
        return 0;
    return lk_fail_corrupt("", 0, "the records for table %u lie outside its interval; the table was not made",
                           writer->plan.number);
}

/* ---- fences --------------------------------------------------------------------------------- */

/* lk_head(first key of the page, prefix), from what was kept of that key. prefix <= page->shared. */
static uint64_t fence_head(const struct lk_table_writer *writer, const struct lk_page_start *page, uint32_t prefix)
{
    uint32_t left = page->shared - prefix;
    uint64_t head = lk_head(lk_slice(writer->key_min.at, page->shared), prefix);
    return left < 8 ? head | page->next >> 8 * left : head;
}

static int put_fences(struct lk_table_writer *writer, const struct lk_footer *footer)
{
    uint8_t bytes[8];
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < writer->page_count; i++) {
        const struct lk_page_start *page = &writer->pages[i];
        lk_store64(bytes, lk_footer_filtered(footer) ? page->local : fence_head(writer, page, footer->prefix));
        rc = lk_table_output_put(&writer->output, bytes, 8);
    }
    for (uint32_t i = 0; rc == 0 && i < writer->page_count; i++) {
        lk_store32(bytes, writer->pages[i].offset);
        rc = lk_table_output_put(&writer->output, bytes, 4);
    }
    lk_store32(bytes, (uint32_t)footer->pages_end);
    return rc < 0 ? rc : lk_table_output_put(&writer->output, bytes, 4);
}

/* ---- the tail: checks, properties, footer --------------------------------------------------- */

static int append_range(struct lk_buf *tail, const struct lk_interval *interval)
{
    struct lk_record record = {.key = interval->start, .value = interval->stop, .flags = LK_RANGE_DELETE};
    if (interval->open_end) {
        record.flags |= LK_RECORD_OPEN_END;
        record.value = (struct lk_slice){0};
    }
    size_t bytes = lk_record_bytes(&record);
    int rc = lk_buf_reserve(tail, bytes);
    if (rc < 0)
        return rc;
    lk_record_put(tail->at + tail->len, &record);
    tail->len += bytes;
    return 0;
}

static int append_properties(const struct lk_table_writer *writer, const struct lk_ranges *ranges,
                             struct lk_footer *footer, struct lk_buf *tail)
{
    int rc = lk_buf_append(tail, writer->key_min.at, writer->key_min.len);
    if (rc == 0)
        rc = lk_buf_append(tail, writer->key_last.at, writer->key_last.len);
    size_t before = tail->len;
    for (uint32_t i = 0; rc == 0 && ranges && i < ranges->count; i++)
        rc = append_range(tail, &ranges->at[i]);
    if (rc == 0 && tail->len - before > UINT32_MAX)
        rc = lk_fail(LSMKV_INVALID, "table %u: its range deletes take more than 4 GiB", writer->plan.number);

    footer->range_bytes = (uint32_t)(tail->len - before);
    before = tail->len;
    if (rc == 0)
        rc = lk_value_uses_put(&writer->uses, tail);
    footer->use_bytes = (uint32_t)(tail->len - before);
    if (rc == 0 && lk_footer_filtered(footer))
        rc = lk_buf_append(tail, writer->milestones.at, writer->milestones.len);
    footer->key_min_bytes = (uint32_t)writer->key_min.len;
    footer->key_max_bytes = (uint32_t)writer->key_last.len;
    footer->range_deletes = ranges ? ranges->count : 0;
    return rc;
}

static int put_tail(struct lk_table_writer *writer, const struct lk_ranges *ranges, struct lk_footer *footer)
{
    const struct lk_table_output *output = &writer->output;
    struct lk_buf tail = {0};
    int rc = lk_buf_reserve(&tail, (size_t)output->check_count * 4);

    for (uint32_t i = 0; rc == 0 && i < output->check_count; i++, tail.len += 4)
        lk_store32(tail.at + tail.len, output->checks[i]);
    footer->check_count = output->check_count;
    if (rc == 0)
        rc = append_properties(writer, ranges, footer, &tail);
    if (rc == 0)
        rc = lk_buf_reserve(&tail, LK_FOOTER);
    if (rc == 0) {
        footer->tail_sum = lk_checksum(lk_checksum_seed(footer->identity, footer->checks_at), tail.at, tail.len);
        footer->file_bytes = footer->checks_at + tail.len + LK_FOOTER;
        lk_footer_put(tail.at + tail.len, footer);
        tail.len += LK_FOOTER;
        rc = lk_io_write(writer->plan.env, writer->file, writer->name, footer->checks_at, tail.at, tail.len);
    }
    lk_buf_deinit(&tail);
    return rc;
}

/* ---- finish --------------------------------------------------------------------------------- */

static int put_sections(struct lk_table_writer *writer, const struct lk_ranges *ranges, struct lk_footer *footer)
{
    struct lk_table_output *output = &writer->output;
    int rc = lk_table_output_pad(output, 64);
    footer->fences_at = lk_table_output_offset(output);
    if (rc == 0)
        rc = put_fences(writer, footer);
    if (rc == 0)
        rc = lk_table_output_pad(output, 64);
    footer->lines_at = lk_table_output_offset(output);
    if (rc == 0)
        rc = lk_index_put(writer, footer);
    if (rc == 0)
        rc = lk_table_output_pad(output, LK_GRANULE);
    footer->checks_at = lk_table_output_offset(output);
    if (rc == 0)
        rc = lk_table_output_flush(output);
    return rc < 0 ? rc : put_tail(writer, ranges, footer);
}

/* What is looked at first, lines and fences, stays in memory. */
static int close_synced(struct lk_table_writer *writer, uint64_t pages_end)
{
    struct lk_file *file = writer->file;
    int rc = lk_io_sync(writer->plan.env, file, writer->name);
    if (rc < 0)
        return rc;
    if (writer->plan.leaves)
        writer->plan.env->ops->forget(file, 0, pages_end);
    writer->file = NULL;
    return lk_io_close(writer->plan.env, file, writer->name);
}

static int fill_meta(const struct lk_table_writer *writer, const struct lk_footer *footer,
                     const struct interval *interval, struct lk_table_meta *meta)
{
    struct lk_table_meta facts = {
        .run = writer->plan.run,
        .number = footer->number,
        .range_deletes = footer->range_deletes,
        .identity = footer->identity,
        .bytes = footer->file_bytes,
        .records = footer->records,
        .tombstones = footer->tombstones,
        .payload = footer->payload,
        .expiring = footer->expiring,
        .lsn_min = footer->lsn_min,
        .lsn_max = footer->lsn_max,
        .hi_open = interval->hi == NULL,
        .lo = interval->lo,
        .key_min = lk_buf_slice(&writer->key_min),
        .key_max = lk_buf_slice(&writer->key_last),
    };
    if (interval->hi)
        facts.hi = *interval->hi;
    return lk_table_meta_copy(meta, &facts);
}

int lk_table_writer_finish(struct lk_table_writer *writer, struct lk_slice lo, const struct lk_slice *hi,
                           const struct lk_ranges *ranges, uint64_t lsn_min, uint64_t lsn_max,
                           struct lk_table_meta *meta)
{
    struct interval interval = {lo, hi};
    struct lk_footer footer = {
        .identity = writer->output.identity,
        .number = writer->plan.number,
        .fence_count = writer->page_count,
        .records = writer->item_count,
        .tombstones = writer->tombstones,
        .payload = writer->payload,
        .expiring = writer->expiring,
        .lsn_min = lsn_min,
        .lsn_max = lsn_max,
        .hash_a = writer->plan.seed.a,
        .hash_b = writer->plan.seed.b,
    };

    if (writer->status)
        return lk_table_build_repeat(writer);
    footer.prefix = lk_shared_bytes(lk_buf_slice(&writer->key_min), lk_buf_slice(&writer->key_last));
    int rc = check_inside(writer, &interval, ranges);
    if (rc == 0)
        rc = lk_pages_end(writer);
    footer.pages_end = lk_table_output_offset(&writer->output);
    writer->output.leaves = 0;
    if (writer->codec && writer->page_count) {
        footer.codec = writer->codec;
        footer.page_shift = writer->page_shift;
        footer.unpacked = (uint32_t)writer->unpacked;
    }
    if (rc == 0)
        rc = lk_index_choose(writer, &footer);
    if (rc == 0)
        rc = put_sections(writer, ranges, &footer);
    if (rc == 0)
        rc = close_synced(writer, footer.pages_end);
    if (rc == 0)
        rc = fill_meta(writer, &footer, &interval, meta);
    if (rc < 0)
        return lk_table_build_fail(writer, rc);
    lk_table_build_release(writer);
    return 0;
}
