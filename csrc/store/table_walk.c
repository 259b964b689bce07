/* table_walk: what a walk that goes on does so as to meet its pages.
 *
 * Table files are marked as read at random: a get brings no neighbours along, and the system does not guess
 * (LK_AT_RANDOM). So who walks reads through an open file of his own, marked as read as it lies: the system reads on by
 * itself. That takes it a quarter of the work that the same bytes take when it is told of them (measured: 140 ns a KiB
 * instead of 550): it makes larger pieces of memory for them. By that mark it reads on twice as far.
 *
 *   streaming      all windows
 *   read source    what is not in the cache, once a walk is long. What passes by once does not go through the cache, and no
 *                  page of memory is made for it and given back.
 *   mapped         a long walk asks which part of what comes next is in memory, as much as it has walked, 2 MiB at most, always
 *                  ahead of where it is. Once that has mostly left memory, it reads the rest of the table beside the
 *                  mapping, where it would come back by 4 KiB; before, the system is told of it.
 *
 *                      | walked ........ | asked for, told |
 *                      ^ walk_from       ^ page            ^ told_to
 *
 * Who walks for a merge of a store beyond memory has what he passed leave it, 4 MiB at a time. The system keeps it in pieces of
 * up to some MiB, and lets go of those that lie wholly in what it is told: so each time begins 4 MiB before the last.
 *
 * The window of a walk in place is lent by the cache, and so is part of its budget. Where the cache has none to lend, or
 * the page is too large for it, the walk goes as if it were short; over a mapping it stays there for the rest of the table,
 * of which the system is told: where pages are as large as that, faults are few, and what is told of is not read twice.
 *
 * Threads: as the cursor's. lk_walk_tells and lk_walk_goes_beside inside a slot, the rest outside. */
#include "store/table_cursor.h"
#include "util/buf.h"

enum {
    LEAVE = 4 * 1024 * 1024, /* bytes that leave memory at once */
    TELL_LEAST = 256 * 1024,
    TELL_MOST = 2 * 1024 * 1024,
    SHARE = 16,              /* of the cache, the most that one window takes, and */
    WINDOW_LEAST = 64 * 1024 /* its least: else there is none */
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* Of the window that a walk in place has, or would have. */
static uint64_t window_bytes(const struct lk_table_cursor *cursor)
{
    return least(LK_WINDOW, cursor->table->granules.cache->budget / SHARE) & ~(uint64_t)(LK_GRANULE - 1);
}

/* Fences are claims: `from` may be anything. What is read begins and ends with a granule. */
int lk_walk_fits(const struct lk_table_cursor *cursor, uint64_t from, uint64_t end)
{
    uint64_t most = window_bytes(cursor);
    return most >= WINDOW_LEAST && from < end && end - from <= most - LK_GRANULE;
}

/* A window for a walk in place. 0: there is none. */
static int borrow(struct lk_table_cursor *cursor)
{
    struct lk_cache *cache = cursor->table->granules.cache;
    uint64_t bytes = window_bytes(cursor);
    if (cursor->lender)
        return 1;
    if (bytes < WINDOW_LEAST || !lk_cache_lend(cache, bytes))
        return 0;
    cursor->lender = cache;
    cursor->window_most = (uint32_t)bytes;
    return 1;
}

/* ---- telling -------------------------------------------------------------------------------- */

uint64_t lk_walk_tells(struct lk_table_cursor *cursor, uint64_t start, uint64_t end, int fits)
{
    if (cursor->table->granules.mapped && !fits && !cursor->stays) {
        cursor->told_to = cursor->gone_to ? start : cursor->told_to;
        cursor->gone_to = 0;
        cursor->stays = 1;
    }
    if (start < cursor->walk_from || start > cursor->told_to) {
        cursor->walk_from = start;
        cursor->told_to = cursor->walks_on ? start : start + TELL_LEAST;
    }
    uint64_t walked = cursor->walks_on ? TELL_MOST : least(end - cursor->walk_from, TELL_MOST);
    if (!cursor->table->granules.mapped) { /* nobody is told: a place within reach goes on with the walk */
        cursor->told_to = end + TELL_LEAST;
        return 0;
    }
    if (cursor->told_to >= cursor->table->pages_end || end + walked <= cursor->told_to)
        return 0;
    return least(walked < TELL_LEAST ? TELL_LEAST : walked, cursor->table->pages_end - cursor->told_to);
}

void lk_table_cursor_advise(struct lk_table_cursor *cursor)
{
    struct lk_granules *granules = &cursor->table->granules;
    const struct lk_footer *footer = &cursor->table->footer;
    if (cursor->told_to <= cursor->walk_from + TELL_LEAST) /* each chunk seeks, by the fences */
        granules->env->ops->will_need(granules->file, footer->fences_at, lk_table_fence_bytes(cursor->table));
    uint64_t from = cursor->missing.offset, bytes = cursor->missing.ahead;
    cursor->told_to = from + bytes;
    int64_t resident = granules->env->ops->map_resident(granules->env, granules->base + from, bytes);
    if (!cursor->stays && resident >= 0 && (uint64_t)resident < bytes / 2 && borrow(cursor))
        cursor->gone_to = cursor->told_to = cursor->table->pages_end;
    else
        granules->env->ops->will_need(granules->file, from, bytes);
}

/* ---- beside the cache ----------------------------------------------------------------------- */

int lk_walk_goes_beside(const struct lk_table_cursor *cursor, uint64_t start)
{
    if (cursor->table->granules.mapped)
        return start < cursor->gone_to;
    return cursor->walks_on || start - cursor->walk_from >= TELL_LEAST;
}

/* What was passed before and with the window, up to `end`. */
static void leave(const struct lk_table_cursor *cursor, struct lk_file *file, uint64_t end)
{
    uint64_t passed = cursor->window_at / LEAVE, from = passed ? (passed - 1) * LEAVE : 0;
    if (end > from)
        cursor->table->env->ops->forget(file, from, end - from);
}

/* The rest of the table that was read last: up to its end, or where a walk ends before, up to where another will begin. */
static void leave_table(const struct lk_table_cursor *cursor, int done)
{
    if (cursor->leaves && cursor->file && cursor->file_of == cursor->window_of)
        leave(cursor, cursor->file, done ? cursor->file_end : cursor->window_at);
}

void lk_walk_leaves(const struct lk_table_cursor *cursor, struct lk_file *file, uint64_t from)
{
    if (cursor->window_of != cursor->table)
        leave_table(cursor, 1);
    else if (cursor->leaves && from / LEAVE > cursor->window_at / LEAVE)
        leave(cursor, file, from);
}

static void close_file(struct lk_table_cursor *cursor)
{
    if (cursor->file) /* it was read: there is nothing that closing could lose */
        (void)cursor->table->env->ops->close(cursor->file);
    cursor->file = NULL;
    cursor->file_of = NULL;
}

struct lk_file *lk_table_cursor_take_file(struct lk_table_cursor *cursor)
{
    struct lk_file *file = cursor->file;
    cursor->file = NULL;
    cursor->file_of = NULL;
    return file;
}

struct lk_file *lk_walk_file(struct lk_table_cursor *cursor)
{
    struct lk_table *table = cursor->table;
    if (cursor->file && cursor->file_of == table)
        return cursor->file;
    leave_table(cursor, 1);
    close_file(cursor);
    if (table->env->ops->open(table->dir, table->name, LK_OPEN_READ, 0, &cursor->file) < 0) {
        cursor->file = NULL;
        return table->file; /* there are too many: slower, and as good */
    }
    table->env->ops->will_read(cursor->file, LK_IN_ORDER);
    cursor->file_of = table;
    cursor->file_end = table->pages_end;
    return cursor->file;
}

int lk_table_cursor_fill(struct lk_table_cursor *cursor)
{
    uint64_t from = cursor->beside_from, bytes = cursor->beside_to - from;
    if (bytes && borrow(cursor)) {
        int rc = lk_window_cover(cursor, from, bytes, LK_AHEAD_ON);
        if (rc == 0)
            return 0; /* else it may be the page before that cannot be read */
    }
    return lk_table_fill(&cursor->missing);
}

void lk_walk_end(struct lk_table_cursor *cursor)
{
    leave_table(cursor, 0);
    close_file(cursor);
    if (cursor->lender)
        lk_cache_take_back(cursor->lender, cursor->window_most);
    cursor->lender = NULL;
    cursor->window_of = NULL;
    lk_buf_deinit(&cursor->window);
}
