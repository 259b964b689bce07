/* clip_cursor: one more look at each key. */
#include "store/clip_cursor.h"

static struct lk_clip_cursor *of(struct lk_cursor *cursor)
{
    return (struct lk_clip_cursor *)cursor;
}

/* What the run's cursor shows, as far as it lies before `to`. */
static void show(struct lk_clip_cursor *clip)
{
    const struct lk_cursor *inner = &clip->inner.cursor;

    clip->cursor.status = inner->status;
    clip->cursor.valid = inner->valid && (clip->open_end || lk_compare(inner->record.key, clip->to) < 0);
    clip->cursor.head = inner->head;
    clip->cursor.record = inner->record;
}

static void clip_seek(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    struct lk_clip_cursor *clip = of(cursor);
    int inside = key && lk_compare(*key, clip->from) >= 0;

    clip->inner.cursor.ops->seek(&clip->inner.cursor, inside ? key : &clip->from, inside && after);
    show(clip);
}

static void clip_next(struct lk_cursor *cursor)
{
    struct lk_clip_cursor *clip = of(cursor);

    clip->inner.cursor.ops->next(&clip->inner.cursor);
    show(clip);
}

static int clip_piece(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes)
{
    struct lk_cursor *inner = &of(cursor)->inner.cursor;

    return inner->ops->value_piece(inner, offset, to, bytes);
}

static void clip_deinit(struct lk_cursor *cursor)
{
    struct lk_cursor *inner = &of(cursor)->inner.cursor;

    inner->ops->deinit(inner);
}

void lk_clip_cursor_init(struct lk_clip_cursor *cursor, struct lk_table *const *tables, uint32_t count,
                         struct lk_slice from, const struct lk_slice *to)
{
    static const struct lk_cursor_ops ops = {
        .seek = clip_seek, .next = clip_next, .value_piece = clip_piece, .deinit = clip_deinit};

    *cursor = (struct lk_clip_cursor){.cursor.ops = &ops, .from = from, .open_end = to == NULL};
    if (to)
        cursor->to = *to;
    lk_run_cursor_init(&cursor->inner, tables, count, 1);
}
