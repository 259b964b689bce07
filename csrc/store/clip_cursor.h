/* clip_cursor: the records of a run with from <= key < to, streaming and forwards only: what a rewrite of a part of the
 * key space reads. One thread, as the cursor beneath. */
#ifndef LK_STORE_CLIP_CURSOR_H
#define LK_STORE_CLIP_CURSOR_H

#include "store/table_cursor.h"

struct lk_clip_cursor {
    struct lk_cursor cursor; /* first: a pointer to it is a pointer to the whole */
    struct lk_run_cursor inner;
    struct lk_slice from, to; /* borrowed */
    int open_end; /* there is no `to` */
};

/* to NULL: to the end. tables: pinned by the caller. */
void lk_clip_cursor_init(struct lk_clip_cursor *cursor, struct lk_table *const *tables, uint32_t count,
                         struct lk_slice from, const struct lk_slice *to);

#endif
