/* span_parts: one step of settling a range of keys, between span.c, span_piece.c, which writes, and span_install.c.
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

/* A piece for the run of that index, with so many sources; the first failure ends it. lk_span_end_piece in any case. */
LK_MUST_CHECK int lk_span_begin_piece(struct lk_span_parts *step, struct lk_span_piece *piece, uint32_t run,
                                      uint32_t sources);
/* What the run has in [from, to); to NULL: no end. Both borrowed as long as the piece is. */
LK_MUST_CHECK int lk_span_add_source(struct lk_span_piece *piece, const struct lk_run *run, struct lk_slice from,
                                     const struct lk_slice *to);
/* Write the piece's tables; they tile [lo, hi). close: even when nothing survives. */
LK_MUST_CHECK int lk_span_write_piece(struct lk_span_piece *piece, struct lk_slice lo, const struct lk_slice *hi,
                                      int close);
void lk_span_end_piece(struct lk_span_piece *piece, int installed);
/* What is known of the garbage in the tables that the cut takes from the run, less `gone`, to those written for them. */
void lk_span_carry_shadowed(const struct lk_run *run, const struct lk_span_cut *cut, struct lk_rewrite *rewrite,
                            uint64_t gone);

/* One edit and the version it leads to. 0 or a failure, and then nothing has changed. */
LK_MUST_CHECK int lk_span_install(const struct lk_span_parts *step);

#endif
