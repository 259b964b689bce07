/* span_parts: one step of settling a range of keys, between span.c, which writes, and span_install.c.
 *
 *   piece   tables that are written anew for one run: what is merged, and what is left of tables that are cut
 *   cut     of one run: the tables [from, to) leave, up to two pieces take their place and interval
 *
 * One thread, work_mutex held. */
#ifndef LK_ENGINE_SPAN_PARTS_H
#define LK_ENGINE_SPAN_PARTS_H

#include "engine/span.h"
#include "store/clip_cursor.h"

struct lk_span_piece {
    struct lk_rewrite rewrite;
    struct lk_clip_cursor *clips; /* owned, one for each source */
    struct lk_ranges *ranges;     /* owned, the same */
    uint32_t open_count;
};

struct lk_span_cut {
    uint32_t from, to;            /* tables that leave; equal: none */
    struct lk_span_piece pieces[2];
    uint32_t piece_count;
};

struct lk_span_parts {
    struct lk_db *db;             /* borrowed */
    const struct lk_span *span;   /* borrowed */
    struct lk_version *version;   /* owned reference */
    uint32_t first, last;
    uint32_t tables;              /* of the oldest run, at most */
    struct lk_slice lo, hi;       /* borrowed: the interval of the oldest run's tables */
    int hi_open;
    struct lk_slice from, to;     /* borrowed: of it and the range; newer runs give what lies here */
    int to_open;
    struct lk_span_cut *cuts;             /* owned: of the runs first..last */
};

/* One edit and the version it leads to. 0 or a failure, and then nothing has changed. */
LK_MUST_CHECK int lk_span_install(const struct lk_span_parts *step);

#endif
