/* table_cursor: the life of a table cursor, its far values, and its face as an ordinary cursor. What it
 * may look at is the business of table_window.c, how it moves that of table_moves.c. One thread a cursor. */
#include "store/table_cursor.h"

#include "util/alloc.h"
#include "util/buf.h"

int lk_table_cursor_piece(struct lk_table_cursor *cursor, const struct lk_cursor *face, uint64_t offset, void *to,
                          size_t bytes)
{
    struct lk_slice value = face->record.value;
    if (offset > value.len || bytes > value.len - offset)
        return lk_fail(LSMKV_INVALID, "a piece of a value was asked for that lies outside it");
    if (value.at == NULL)
        return lk_granules_copy(&cursor->table->granules, lk_window_file(cursor, cursor->next_at - value.len + offset),
                                bytes, to);
    if (bytes)
        memcpy(to, value.at + offset, bytes);
    return 0;
}

void lk_table_cursor_reuse(struct lk_table_cursor *cursor, struct lk_table *table)
{
    cursor->table = table;
    cursor->fences = (struct lk_fences){0};
    cursor->scratch_page = 0;
    cursor->walk_from = cursor->told_to = cursor->gone_to = 0;
    cursor->walks_on = cursor->stays = 0;
    cursor->bytes = table->granules.base;
    cursor->bytes_at = cursor->shift = 0;
    cursor->unpacked = cursor->beside = 0;
    cursor->start_count = cursor->start_index = 0;
}

void lk_table_cursor_release(struct lk_table_cursor *cursor)
{
    lk_walk_end(cursor);
    lk_buf_deinit(&cursor->fence_bytes);
    lk_scratch_deinit(&cursor->scratch);
    cursor->scratch_page = 0;
    lk_free(cursor->starts);
    cursor->starts = NULL;
    cursor->start_cap = 0;
    cursor->cursor.valid = 0;
}

static struct lk_table_cursor *of(struct lk_cursor *cursor)
{
    return (struct lk_table_cursor *)(void *)cursor;
}

static void seek_op(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    lk_table_cursor_seek(of(cursor), cursor, key, after);
}

static void seek_back_op(struct lk_cursor *cursor, const struct lk_slice *key, int before)
{
    lk_table_cursor_seek_back(of(cursor), cursor, key, before);
}

static void next_op(struct lk_cursor *cursor)
{
    lk_table_cursor_next(of(cursor), cursor);
}

static void prev_op(struct lk_cursor *cursor)
{
    lk_table_cursor_prev(of(cursor), cursor);
}

static int piece_op(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes)
{
    return lk_table_cursor_piece(of(cursor), cursor, offset, to, bytes);
}

static void deinit_op(struct lk_cursor *cursor)
{
    lk_table_cursor_release(of(cursor));
}

void lk_table_cursor_init(struct lk_table_cursor *cursor, struct lk_table *table, int streaming)
{
    static const struct lk_cursor_ops ops = {.seek = seek_op,
                                             .seek_back = seek_back_op,
                                             .next = next_op,
                                             .prev = prev_op,
                                             .value_piece = piece_op,
                                             .deinit = deinit_op};
    *cursor = (struct lk_table_cursor){.cursor.ops = &ops, .streaming = streaming};
    lk_table_cursor_reuse(cursor, table);
}
