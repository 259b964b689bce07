/* table_pages: the pages of a table with a codec, on their way from records to the file. One thread.
 *
 *   records -> | page | page | present page |      held
 *                  |                               a page leaves when the next one begins
 *                  +--> packed, when that saves an eighth of it --> file
 *
 * With `sample`, pages are held until 64 KiB of them show whether packing pays. When it saves less than a quarter,
 * the table becomes one of raw pages: what was held goes to the file as it is, and the positions that were given
 * out are changed into file offsets. */
#include "store/table_build.h"

#include "util/alloc.h"

enum {
    SAMPLE_BYTES = 64 * 1024,
    SAMPLE_SAVES = 4, /* the table: a quarter */
    PAGE_SAVES = 8    /* a page: an eighth */
};

static uint32_t held_bytes(const struct lk_table_writer *writer, uint32_t page)
{
    size_t end = page + 1 < writer->page_count ? writer->pages[page + 1].offset : writer->held.len;
    return (uint32_t)(end - writer->pages[page].offset);
}

/* *made: bytes that stand in writer->packed; 0: packing does not save an eighth. */
static int pack(struct lk_table_writer *writer, uint32_t page, size_t *made)
{
    uint32_t bytes = held_bytes(writer, page);
    lk_buf_reset(&writer->packed);
    int rc = lk_buf_reserve(&writer->packed, bytes);
    if (rc < 0)
        return rc;
    return lk_pack(&writer->packer, writer->codec, writer->held.at + writer->pages[page].offset, bytes,
                   writer->packed.at, bytes - bytes / PAGE_SAVES, made);
}

static int put_page(struct lk_table_writer *writer, uint32_t page)
{
    uint32_t bytes = held_bytes(writer, page);
    uint8_t head[LK_PAGE_HEAD];
    size_t made = 0;
    int rc = pack(writer, page, &made);
    const uint8_t *stored = made ? writer->packed.at : writer->held.at + writer->pages[page].offset;
    lk_store32(head, made ? bytes : 0);
    writer->pages[page].offset = (uint32_t)lk_table_output_offset(&writer->output);
    writer->unpacked += bytes;
    if (rc == 0)
        rc = lk_table_output_put(&writer->output, head, sizeof head);
    return rc < 0 ? rc : lk_table_output_put(&writer->output, stored, made ? made : bytes);
}

/* All pages that are held, to the file. */
static int put_held(struct lk_table_writer *writer)
{
    int rc = 0;
    for (uint32_t page = writer->held_from; rc == 0 && page < writer->page_count; page++)
        rc = put_page(writer, page);
    writer->held_from = writer->page_count;
    lk_buf_reset(&writer->held);
    return rc;
}

/* The table has raw pages after all. */
static int become_raw(struct lk_table_writer *writer)
{
    uint32_t base = (uint32_t)lk_table_output_offset(&writer->output), mask = (1u << writer->page_shift) - 1;
    for (uint32_t page = writer->held_from; page < writer->page_count; page++)
        writer->pages[page].offset += base;
    for (uint32_t i = 0; i < writer->item_count; i++) {
        uint32_t position = writer->items[i].position;
        writer->items[i].position = writer->pages[position >> writer->page_shift].offset + (position & mask);
    }
    int rc = lk_table_output_put(&writer->output, writer->held.at, writer->held.len);
    lk_buf_deinit(&writer->held);
    writer->codec = writer->page_shift = 0;
    writer->page_bytes = writer->plan.page_bytes;
    return rc;
}

/* What is held is the sample: all of the table so far. */
static int decide(struct lk_table_writer *writer)
{
    size_t after = 0, made = 0;
    int rc = 0;
    writer->sampling = 0;
    for (uint32_t page = 0; rc == 0 && page < writer->page_count; page++) {
        rc = pack(writer, page, &made);
        after += LK_PAGE_HEAD + (made ? made : held_bytes(writer, page));
    }
    if (rc < 0)
        return rc;
    int pays = after && after <= writer->held.len - writer->held.len / SAMPLE_SAVES;
    return pays ? 0 : become_raw(writer);
}

int lk_pages_end(struct lk_table_writer *writer)
{
    int rc = writer->sampling ? decide(writer) : 0;
    return rc == 0 && writer->codec ? put_held(writer) : rc;
}

int lk_pages_full(const struct lk_table_writer *writer)
{
    return writer->page_count >= (LK_LINE_POSITION_MAX + 1) >> writer->page_shift ||
           writer->unpacked + writer->held.len > LK_LINE_POSITION_MAX;
}

/* The present page takes no more. */
static int close_page(struct lk_table_writer *writer)
{
    writer->page_closed = 0;
    if (writer->sampling && writer->held.len < SAMPLE_BYTES)
        return 0;
    return lk_pages_end(writer);
}

static int is_room(const struct lk_table_writer *writer, uint64_t bytes)
{
    if (writer->page_count == 0 || writer->page_closed)
        return 0;
    return held_bytes(writer, writer->page_count - 1) + bytes <= writer->page_bytes;
}

int lk_pages_place(struct lk_table_writer *writer, struct lk_slice key, uint64_t bytes, uint32_t *position)
{
    static const uint8_t as_it_is[LK_PAGE_HEAD];
    int large = bytes > LK_PAGE_MAX;

    if (is_room(writer, bytes)) {
        *position = (writer->page_count - 1) << writer->page_shift | held_bytes(writer, writer->page_count - 1);
        return 0;
    }
    int rc = large ? lk_pages_end(writer) : close_page(writer);
    uint64_t offset = lk_table_output_offset(&writer->output);
    writer->page_closed = large;
    *position = writer->codec ? writer->page_count << writer->page_shift : (uint32_t)offset;
    if (rc == 0)
        rc = lk_pages_note(writer, key, large || !writer->codec ? offset : writer->held.len);
    if (rc < 0 || !large || !writer->codec)
        return rc;
    writer->held_from = writer->page_count;
    writer->unpacked += bytes;
    return lk_table_output_put(&writer->output, as_it_is, sizeof as_it_is);
}
