/* table_cursor, run_cursor: ordered walks over one table, and over the tables of a run, whose intervals
 * tile the key space so that at most one table is walked at a time.
 *
 * In place: under an epoch slot, status WOULDBLOCK with `missing` set when bytes are not ready. After
 * lk_table_cursor_fill outside the slot, seek again (next and prev cannot be repeated). What was shown stays where it is
 * until the slot is left, and what stands in the cursor's window until it is filled.
 * Streaming: private reads in pieces of 256 KiB (verified), values over 64 KiB are far (cursor.h). A
 * damaged place ends the walk with CORRUPT or IO after all records before it; `missing` then tells the
 * table and the page, lk_error() the granule.
 *
 * A cursor may be copied or moved while it lies still; what it owns then belongs to the copy. */
#ifndef LK_STORE_TABLE_CURSOR_H
#define LK_STORE_TABLE_CURSOR_H

#include "store/cursor.h"
#include "store/table.h"

struct lk_table_cursor {
    struct lk_cursor cursor;   /* first: a pointer to it is a pointer to the whole */
    struct lk_table *table;    /* borrowed: pinned by the caller */
    struct lk_missing missing; /* in place, when status is WOULDBLOCK; the page where a failure ended the walk */
    int streaming;
    uint32_t window_most;      /* bytes read at once; 0: 256 KiB. Less for who walks many tables, or borrows it */
    int leaves;                /* streaming: what was walked over leaves memory, see table_walk.c */
    int tells;                 /* in place: a long walk asks for lk_table_cursor_advise, see table_walk.c */
    /* the rest is the business of table_....c */
    int single;                /* the page is one record larger than LK_PAGE_MAX */
    const uint8_t *bytes;      /* what stands at place bytes_at, and on: see table_window.c */
    uint64_t bytes_at;
    uint64_t page_at, at, next_at, page_end; /* places: the page's beginning, the current record, the one after it */
    uint64_t page_file;        /* file offset of the page's beginning, in its head when it has one */
    uint64_t shift;            /* file offset of a place minus the place; unpacked: all places are at page_file */
    int unpacked;              /* the page's records stand in `scratch` */
    struct lk_fences fences;   /* in the table, or in fence_bytes; offset NULL: not looked at yet */
    uint64_t walk_from, told_to; /* file offsets: where this walk began, how far the system was told */
    uint64_t gone_to;          /* mapped: up to there the walk goes beside what has left memory */
    uint64_t beside_from, beside_to; /* what `missing` is to be read beside the cache for; 0, 0: it is not */
    int stays;                 /* mapped: a page was too large for the window, the rest of the table is told of */
    int beside;                /* in place: the page stands in the window, not in the table's range */
    struct lk_cache *lender;   /* borrowed: in place, who lent the window; NULL: there is none */
    int walks_on;              /* the walk comes from another table of the run: there is no doubt about it */
    uint32_t page;
    uint32_t scratch_page;     /* which page stands in `scratch`: its number + 1; 0: none */
    uint32_t scratch_bytes;    /* of its records */
    struct lk_scratch scratch; /* owned */
    struct lk_buf window;      /* owned; begins at file offset window_at of window_of */
    uint64_t window_at;
    const struct lk_table *window_of; /* for comparison only */
    struct lk_file *file;      /* owned, NULL: none; that of table file_of, opened by the walk itself */
    const struct lk_table *file_of; /* for comparison only */
    uint64_t file_end;         /* where the pages of that table end */
    struct lk_buf fence_bytes; /* streaming: owned private copy of the fences */
    uint32_t *starts;          /* backwards: owned; offsets of the page's records */
    uint32_t start_count, start_cap, start_index;
};

void lk_table_cursor_init(struct lk_table_cursor *cursor, struct lk_table *table, int streaming);
/* Make readable what the cursor missed; may block. Outside a slot, with the table pinned. */
LK_MUST_CHECK int lk_table_cursor_fill(struct lk_table_cursor *cursor);
/* `missing` may want no bytes, only that the system is told what will be read: outside the slot, instead of
 * lk_table_cursor_fill. Only a cursor with `tells` asks for it. */
static inline int lk_table_wants_advice(const struct lk_missing *missing)
{
    return missing->bytes == 0;
}
void lk_table_cursor_advise(struct lk_table_cursor *cursor);

/* The file that a walk has opened for itself becomes the caller's, who may not wait for its closing. NULL: none. */
struct lk_file *lk_table_cursor_take_file(struct lk_table_cursor *cursor);

struct lk_run_cursor {
    struct lk_cursor cursor;
    struct lk_table *const *tables; /* borrowed, ascending by interval, count of them */
    uint32_t count, index;          /* index: the table walked; count before a seek and after the end */
    struct lk_table_cursor inner;   /* inner.missing, as above */
};

void lk_run_cursor_init(struct lk_run_cursor *cursor, struct lk_table *const *tables, uint32_t count, int streaming);
/* Prefetches what a seek for `key` will touch first. Optional; no side effect, inside a slot. */
void lk_run_prefetch(struct lk_table *const *tables, uint32_t count, struct lk_slice key);
/* Index of the table whose interval holds `key`; count when none does (a run under construction may
 * not cover everything). */
uint32_t lk_run_find(struct lk_table *const *tables, uint32_t count, struct lk_slice key);

/* ---- between table_window.c, table_walk.c, table_moves.c, table_cursor.c and run_cursor.c --------- */

enum { LK_WINDOW = 256 * 1024 };

static inline uint64_t lk_table_fence_bytes(const struct lk_table *table)
{
    return (uint64_t)table->footer.fence_count * 12 + 4;
}

enum lk_ahead { LK_AHEAD_NONE, LK_AHEAD_ON, LK_AHEAD_BACK }; /* what a move will want after this page */

/* Make the fences readable / the page readable, next_at at its first record. 0, WOULDBLOCK with `missing`, or a
 * failure. Of a page that is one large record only head and key are made readable in place, and what a value
 * that is not far needs when streaming. */
LK_MUST_CHECK int lk_window_fences(struct lk_table_cursor *cursor);
LK_MUST_CHECK int lk_window_page(struct lk_table_cursor *cursor, uint32_t page, enum lk_ahead ahead);
/* In place: the whole of the current record. 0 or WOULDBLOCK. */
LK_MUST_CHECK int lk_window_whole(struct lk_table_cursor *cursor);

/* Does the window hold so many bytes of the cursor's table? / See to it, outside a slot: 0 or a failure. */
int lk_window_has(const struct lk_table_cursor *cursor, uint64_t start, uint64_t need);
LK_MUST_CHECK int lk_window_cover(struct lk_table_cursor *cursor, uint64_t start, uint64_t need, enum lk_ahead ahead);

/* A walk enters [start, end), and would read [from, end) into its window. Does the window take as much? / How much the
 * system is to be told of behind told_to, 0: nothing / 1 when it reads into its window what is not there and fits. */
int lk_walk_fits(const struct lk_table_cursor *cursor, uint64_t from, uint64_t end);
uint64_t lk_walk_tells(struct lk_table_cursor *cursor, uint64_t start, uint64_t end, int fits);
int lk_walk_goes_beside(const struct lk_table_cursor *cursor, uint64_t start);
/* The window goes on to `from`, read through this file: what lies behind leaves memory, where it is to. */
void lk_walk_leaves(const struct lk_table_cursor *cursor, struct lk_file *file, uint64_t from);
/* The file to read in order; borrowed until the walk ends or comes to another table. Never NULL. */
struct lk_file *lk_walk_file(struct lk_table_cursor *cursor);
/* Give back window and file. */
void lk_walk_end(struct lk_table_cursor *cursor);

/* The bytes at a place of the page / the file offset of a place, for messages: of an unpacked record that of its page. */
static inline const uint8_t *lk_window_at(const struct lk_table_cursor *cursor, uint64_t place)
{
    return cursor->bytes + (place - cursor->bytes_at);
}

static inline uint64_t lk_window_file(const struct lk_table_cursor *cursor, uint64_t place)
{
    return cursor->unpacked ? cursor->page_file : place + cursor->shift;
}

enum { LK_FAR_MIN = 64 * 1024 }; /* a streaming value longer than this is far */

/* The four moves and value_piece on behalf of `face`, the cursor that the caller sees: its valid, status, head and
 * record are set instead of the table cursor's own. */
void lk_table_cursor_seek(struct lk_table_cursor *cursor, struct lk_cursor *face, const struct lk_slice *key,
                          int after);
/* To the first record of a page, whatever is before it: behind the page where damage ended a walk (cursor->page + 1) all
 * others can be read still. Not valid, with status 0, when there is no such page. */
void lk_table_cursor_seek_page(struct lk_table_cursor *cursor, struct lk_cursor *face, uint32_t page);
void lk_table_cursor_seek_back(struct lk_table_cursor *cursor, struct lk_cursor *face, const struct lk_slice *key,
                               int before);
void lk_table_cursor_next(struct lk_table_cursor *cursor, struct lk_cursor *face);
void lk_table_cursor_prev(struct lk_table_cursor *cursor, struct lk_cursor *face);
LK_MUST_CHECK int lk_table_cursor_piece(struct lk_table_cursor *cursor, const struct lk_cursor *face, uint64_t offset,
                                        void *to, size_t bytes);
/* To another table, keeping the memory / give the memory back. */
void lk_table_cursor_reuse(struct lk_table_cursor *cursor, struct lk_table *table);
void lk_table_cursor_release(struct lk_table_cursor *cursor);

#endif
