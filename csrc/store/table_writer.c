/* table_writer: records in, pages out. table_finish.c makes them a table. One thread.
 *
 * What the failing call left in lk_error is kept, so that every later call repeats it. */
#include "format/space.h"
#include "store/table_build.h"

#include "os/large.h"
#include "util/alloc.h"

enum {
    RECORDS_MAX = 1 << 20,
    RECORD_BYTES = 24, /* of memory: an item, and at the end its part of the lines and of their scratch */
    PAGE_MIN = 64,
    LZ4_PARTS = 2,        /* pages for LZ4 that make one of the plan's size */
    ZSTD_PAGES = 4,       /* pages of the plan's size that make one for zstd */
    PIECE = 64 * 1024,
    ITEM_BYTES = 7,       /* of lines, per record, for the estimate of the file's size */
    FENCE_BYTES = 12
};

/* ---- open, end ------------------------------------------------------------------------------ */

static uint64_t items_bytes(const struct lk_table_writer *writer)
{
    return (uint64_t)writer->item_most * sizeof *writer->items;
}

void lk_table_build_release(struct lk_table_writer *writer)
{
    lk_table_output_deinit(&writer->output);
    lk_buf_deinit(&writer->milestones);
    lk_buf_deinit(&writer->mile_keys);
    lk_buf_deinit(&writer->key_min);
    lk_buf_deinit(&writer->key_last);
    lk_buf_deinit(&writer->held);
    lk_buf_deinit(&writer->packed);
    lk_packer_deinit(&writer->packer);
    lk_free(writer->pages);
    if (writer->items)
        lk_large_free(writer->plan.env, writer->items, items_bytes(writer));
    lk_free(writer->piece);
    lk_value_uses_deinit(&writer->uses);
    lk_free(writer);
}

/* Room for all the items there will ever be: memory comes when it is touched. */
static int make_items(struct lk_table_writer *writer)
{
    uint64_t most = writer->plan.memory_bytes / RECORD_BYTES;
    writer->item_most = most && most < RECORDS_MAX ? (uint32_t)most : RECORDS_MAX;
    writer->items = lk_large_new(writer->plan.env, items_bytes(writer));
    return writer->items ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out: no room for the keys of %s", writer->name);
}

static int start(struct lk_table_writer *writer, struct lk_env *env)
{
    uint8_t head[LK_TABLE_HEAD];
    uint64_t identity;
    int rc = env->ops->random(env, &identity, sizeof identity);

    if (rc < 0)
        return lk_fail_os(-rc, "random number", writer->name);
    rc = lk_table_output_init(&writer->output, env, writer->file, writer->name, identity);
    if (rc < 0)
        return rc;
    writer->output.leaves = writer->plan.leaves;
    lk_table_head_put(head, writer->plan.number, identity);
    return lk_table_output_put(&writer->output, head, sizeof head);
}

/* A get unpacks half a page on the average, so pages for LZ4 are smaller than raw ones. zstd is for space: larger pages
 * show it more of what repeats. */
static void plan_pages(struct lk_table_writer *writer)
{
    uint32_t bytes = writer->plan.page_bytes;
    writer->codec = writer->plan.codec;
    writer->sampling = writer->codec && writer->plan.sample;
    if (writer->codec == LK_PACK_LZ4)
        bytes = bytes / LZ4_PARTS > PAGE_MIN ? bytes / LZ4_PARTS : PAGE_MIN;
    if (writer->codec == LK_PACK_ZSTD)
        bytes = bytes > LK_PAGE_MAX / ZSTD_PAGES ? LK_PAGE_MAX : bytes * ZSTD_PAGES;
    writer->page_bytes = bytes;
    for (writer->page_shift = writer->codec ? LK_PAGE_SHIFT_MIN : 0; writer->codec && bytes > 1u << writer->page_shift;)
        writer->page_shift++;
}

int lk_table_writer_open(const struct lk_table_plan *plan, struct lk_table_writer **out)
{
    struct lk_table_writer *writer = lk_alloc_zero(sizeof *writer);

    *out = NULL;
    if (writer == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no writer for table %u", plan->number);
    writer->plan = *plan;
    if (writer->plan.page_bytes < PAGE_MIN)
        writer->plan.page_bytes = PAGE_MIN;
    if (writer->plan.page_bytes > LK_PAGE_MAX)
        writer->plan.page_bytes = LK_PAGE_MAX;
    plan_pages(writer);
    lk_file_name(writer->name, LK_FILE_TABLE, plan->number);

    int rc = lk_io_open(plan->env, plan->dir, writer->name, LK_OPEN_CREATE, plan->file_mode, &writer->file);
    if (rc < 0) {
        lk_table_build_release(writer);
        return rc;
    }
    rc = make_items(writer);
    if (rc == 0)
        rc = start(writer, plan->env);
    if (rc < 0) {
        lk_table_writer_abandon(writer);
        return rc;
    }
    *out = writer;
    return 0;
}

void lk_table_writer_abandon(struct lk_table_writer *writer)
{
    if (writer == NULL)
        return;
    struct lsmkv_error saved = *lk_error(); /* why we are here matters more than what fails now */
    struct lk_env *env = writer->plan.env;
    if (writer->file)
        (void)env->ops->close(writer->file);
    (void)env->ops->remove(writer->plan.dir, writer->name);
    lk_error_restore(&saved);
    lk_table_build_release(writer);
}

/* ---- facts ---------------------------------------------------------------------------------- */

uint64_t lk_table_writer_bytes(const struct lk_table_writer *writer)
{
    return lk_table_output_offset(&writer->output) + writer->held.len + (uint64_t)writer->item_count * ITEM_BYTES +
           (uint64_t)writer->page_count * FENCE_BYTES;
}

uint64_t lk_table_writer_records(const struct lk_table_writer *writer)
{
    return writer->item_count;
}

static int no_position(const struct lk_table_writer *writer)
{
    return writer->item_count >= writer->item_most || lk_table_output_offset(&writer->output) > LK_LINE_POSITION_MAX ||
           (writer->codec && lk_pages_full(writer));
}

int lk_table_writer_full(const struct lk_table_writer *writer, uint64_t record_bytes)
{
    if (writer->item_count == 0)
        return 0;
    return no_position(writer) || lk_table_writer_bytes(writer) + record_bytes + ITEM_BYTES > writer->plan.table_bytes;
}

/* ---- add ------------------------------------------------------------------------------------ */

/* Room for one more element of `each` bytes in *at. 0 or NOMEM. */
static int grow(void **at, uint32_t *cap, uint32_t count, size_t each)
{
    if (count < *cap)
        return 0;
    uint32_t wanted = *cap ? 2 * *cap : 64;
    void *grown = lk_realloc(*at, wanted * each);
    if (grown == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: a table under construction cannot grow past %u entries", count);
    *at = grown;
    *cap = wanted;
    return 0;
}

int lk_pages_note(struct lk_table_writer *writer, struct lk_slice key, uint64_t offset)
{
    void *pages = writer->pages;
    int rc = grow(&pages, &writer->page_cap, writer->page_count, sizeof *writer->pages);
    writer->pages = pages;
    if (rc == 0)
        rc = lk_index_page(writer, key);
    if (rc < 0)
        return rc;
    uint32_t shared = lk_shared_bytes(lk_buf_slice(&writer->key_min), key);
    writer->pages[writer->page_count++] =
        (struct lk_page_start){.next = lk_head(key, shared), .offset = (uint32_t)offset, .shared = shared};
    return 0;
}

/* Where the record goes: into the present page while that stays within its size; a large one stands alone. */
static int place(struct lk_table_writer *writer, struct lk_slice key, uint64_t bytes, uint32_t *position)
{
    uint64_t offset = lk_table_output_offset(&writer->output);

    if (writer->codec)
        return lk_pages_place(writer, key, bytes, position);
    *position = (uint32_t)offset;
    if (writer->page_count) {
        uint64_t filled = offset - writer->pages[writer->page_count - 1].offset;
        if (filled + bytes <= lk_index_page_bytes(writer, offset - LK_TABLE_HEAD))
            return 0;
    }
    return lk_pages_note(writer, key, offset);
}

static int note_key(struct lk_table_writer *writer, struct lk_slice key, uint32_t position)
{
    uint64_t hash = lk_hash(writer->plan.seed, key.at, key.len);
    writer->items[writer->item_count++] = (struct lk_line_item){hash, position};
    return lk_buf_copy(&writer->key_last, key);
}

static int note_use(struct lk_table_writer *writer, const struct lk_record *record)
{
    struct lk_reference reference;
    if (lk_reference_get(record->value, &reference) < 0)
        return lk_fail_corrupt("", 0, "a record for table %u refers to no value that can be; the table was not made",
                               writer->plan.number);
    return lk_value_uses_add(&writer->uses, reference.number, 1, lk_value_footprint(reference.bytes));
}

static int check_record(struct lk_table_writer *writer, const struct lk_record *record, uint64_t head)
{
    enum lk_kind kind = lk_record_kind(record);

    if (record->key.len > LK_KEY_MAX || record->value.len > LSMKV_VALUE_MAX)
        return lk_fail(LSMKV_INVALID, "a table takes no key of %zu bytes with a value of %zu", record->key.len,
                       record->value.len);
    if (kind != LK_PUT && (kind != LK_DELETE || record->value.len))
        return lk_fail(LSMKV_INVALID, "a table's pages take puts and deletes only");
    if (no_position(writer))
        return lk_fail(LSMKV_INVALID, "table %u takes no further record", writer->plan.number);
    if (writer->item_count && head <= writer->key_head && lk_compare(record->key, lk_buf_slice(&writer->key_last)) <= 0)
        return lk_fail_corrupt("", 0,
                               "the records for table %u are not in key order: record %u; a source is damaged or "
                               "was read wrongly, and the table was not made",
                               writer->plan.number, writer->item_count);
    return 0;
}

/* A record's head. Returns the byte after. */
static uint8_t *head_at(uint8_t *to, const struct lk_record *record)
{
    *to++ = record->flags;
    to = lk_varint_put(to, (uint32_t)record->key.len);
    to = lk_varint_put(to, (uint32_t)record->value.len);
    if (record->flags & LK_RECORD_EXPIRY) {
        lk_store64(to, record->expiry);
        to += 8;
    }
    return to;
}

/* The record with all but its value; for records that do not fit the rest of the buffer. */
static int put_head(struct lk_table_writer *writer, const struct lk_record *record)
{
    uint8_t head[LK_RECORD_HEAD_MAX];
    const uint8_t *to = head_at(head, record);
    int rc = lk_table_output_put(&writer->output, head, (uint64_t)(to - head));
    return rc < 0 ? rc : lk_table_output_put(&writer->output, record->key.at, record->key.len);
}

static int put_far(struct lk_table_writer *writer, struct lk_cursor *cursor, uint64_t bytes)
{
    int rc = 0;
    if (writer->piece == NULL && (writer->piece = lk_alloc(PIECE)) == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no buffer for a large value");
    for (uint64_t offset = 0; rc == 0 && offset < bytes;) {
        size_t piece = bytes - offset < PIECE ? (size_t)(bytes - offset) : PIECE;
        rc = cursor->ops->value_piece(cursor, offset, writer->piece, piece);
        if (rc == 0)
            rc = lk_table_output_put(&writer->output, writer->piece, piece);
        offset += piece;
    }
    return rc;
}

static int put_record(struct lk_table_writer *writer, const struct lk_record *record, uint64_t bytes,
                      struct lk_cursor *cursor)
{
    int far = record->value.at == NULL && record->value.len;
    uint8_t *place = far ? NULL : lk_table_output_place(&writer->output, bytes);

    if (place) {
        lk_record_put(place, record);
        return 0;
    }
    int rc = put_head(writer, record);
    if (rc < 0)
        return rc;
    return far ? put_far(writer, cursor, record->value.len)
               : lk_table_output_put(&writer->output, record->value.at, record->value.len);
}

/* The record into the page that is held. */
static int hold_record(struct lk_table_writer *writer, const struct lk_record *record, uint64_t bytes,
                       struct lk_cursor *cursor)
{
    struct lk_buf *held = &writer->held;
    int rc = lk_buf_reserve(held, (size_t)bytes);
    if (rc < 0)
        return rc;
    uint8_t *to = held->at + held->len;
    held->len += (size_t)bytes;
    if (record->value.at || !record->value.len) {
        lk_record_put(to, record);
        return 0;
    }
    to = head_at(to, record);
    memcpy(to, record->key.at, record->key.len);
    return cursor->ops->value_piece(cursor, 0, to + record->key.len, record->value.len);
}

int lk_table_writer_add(struct lk_table_writer *writer, struct lk_cursor *cursor)
{
    struct lk_record record = cursor->record;
    uint64_t head = lk_head(record.key, 0);
    uint32_t position = 0;

    if (writer->status)
        return lk_table_build_repeat(writer);
    record.flags &= LK_RECORD_KIND | LK_RECORD_EXPIRY | LK_RECORD_APART;
    int rc = check_record(writer, &record, head);
    if (rc < 0)
        return lk_table_build_fail(writer, rc);

    uint64_t bytes = lk_record_bytes(&record);
    if (writer->item_count == 0)
        rc = lk_buf_copy(&writer->key_min, record.key);
    if (rc == 0)
        rc = place(writer, record.key, bytes, &position);
    if (rc == 0 && (record.flags & LK_RECORD_APART))
        rc = note_use(writer, &record);
    if (rc == 0)
        rc = note_key(writer, record.key, position);
    if (rc == 0 && writer->codec && bytes <= LK_PAGE_MAX)
        rc = hold_record(writer, &record, bytes, cursor);
    else if (rc == 0)
        rc = put_record(writer, &record, bytes, cursor);
    writer->key_head = head;
    writer->tombstones += lk_record_kind(&record) == LK_DELETE;
    writer->expiring += (record.flags & LK_RECORD_EXPIRY) && record.expiry != 0;
    writer->payload += record.key.len + record.value.len;
    return lk_table_build_fail(writer, rc);
}
