/* run_source: the run's own cursor, or one that stops at the bound. */
#include "engine/run_source.h"

#include <stddef.h>

static struct lk_run_source *source_of(struct lk_cursor *clipped)
{
    return (struct lk_run_source *)((char *)clipped - offsetof(struct lk_run_source, clipped));
}

static void reflect(struct lk_run_source *source)
{
    const struct lk_cursor *inner = &source->run.cursor;
    source->clipped.valid = inner->valid && lk_compare(inner->record.key, source->bound) >= 0;
    source->clipped.status = inner->status;
    source->clipped.head = inner->head;
    source->clipped.fleeting = inner->fleeting;
    source->clipped.record = inner->record;
}

static void clipped_seek(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    struct lk_run_source *source = source_of(cursor);
    int below = !key || lk_compare(*key, source->bound) < 0;
    source->run.cursor.ops->seek(&source->run.cursor, below ? &source->bound : key, below ? 0 : after);
    reflect(source);
}

static void clipped_seek_back(struct lk_cursor *cursor, const struct lk_slice *key, int before)
{
    struct lk_run_source *source = source_of(cursor);
    source->run.cursor.ops->seek_back(&source->run.cursor, key, before);
    reflect(source);
}

static void clipped_next(struct lk_cursor *cursor)
{
    struct lk_run_source *source = source_of(cursor);
    source->run.cursor.ops->next(&source->run.cursor);
    reflect(source);
}

static void clipped_prev(struct lk_cursor *cursor)
{
    struct lk_run_source *source = source_of(cursor);
    source->run.cursor.ops->prev(&source->run.cursor);
    reflect(source);
}

static int clipped_piece(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes)
{
    struct lk_run_source *source = source_of(cursor);
    return source->run.cursor.ops->value_piece(&source->run.cursor, offset, to, bytes);
}

static void clipped_deinit(struct lk_cursor *cursor)
{
    struct lk_run_source *source = source_of(cursor);
    source->run.cursor.ops->deinit(&source->run.cursor);
}

static const struct lk_cursor_ops clipped_ops = {.seek = clipped_seek,
                                                 .seek_back = clipped_seek_back,
                                                 .next = clipped_next,
                                                 .prev = clipped_prev,
                                                 .value_piece = clipped_piece,
                                                 .deinit = clipped_deinit};

struct lk_cursor *lk_run_source_open(struct lk_run_source *source, const struct lk_run *run, int streaming)
{
    lk_run_cursor_init(&source->run, run->tables, run->count, streaming);
    source->run.inner.tells = 1;
    if (!run->into)
        return &source->run.cursor;
    source->bound = run->bound;
    source->clipped = (struct lk_cursor){.ops = &clipped_ops};
    return &source->clipped;
}
