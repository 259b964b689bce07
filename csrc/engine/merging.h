/* merging: a merge of neighbouring runs, during one step. Between the files that do it:
 *
 *   compaction.c   which runs; a table written, up to damage; the account
 *   move.c         a table that needs no writing
 *   merging.c      the version that the step leads to
 *
 * One thread, work_mutex held. The picture is in engine/compaction.h. */
#ifndef LK_ENGINE_MERGING_H
#define LK_ENGINE_MERGING_H

#include "engine/rewrite.h"
#include "store/table_cursor.h"

struct lk_merging {
    struct lk_db *db;              /* borrowed */
    struct lk_version *version;    /* owned reference */
    uint32_t first, last;          /* the inputs, indices into version->runs */
    const struct lk_run *output;   /* borrowed; NULL: this is the first step */
    uint32_t output_id;
    struct lk_slice bound;         /* borrowed from an input; "" in the first step */
    struct lk_run_cursor *cursors; /* owned, one for each input */
    uint32_t open_count;           /* cursors to deinit */
    struct lk_buf next;            /* owned: where the step ends */
    int ended;                     /* the inputs are exhausted */
    struct lk_table *movable; /* borrowed: the first table that can be moved; the step ends before it. NULL: none */
    uint32_t movable_of; /* its run: an index into version->runs */
    int moved; /* the step moves it: rewrite holds it, opened anew */
    struct lk_rewrite rewrite;
    struct lk_shadow shadow; /* over the runs newer than the inputs */
};

/* Where the step may stop to move a table: sets movable. Looks at no file. */
void lk_move_find(struct lk_merging *merging);
/* Is the movable table what comes next, with nothing before it to write? */
int lk_move_is_next(const struct lk_merging *merging);
/* Take it for the output: opened with its new interval, from the bound to the next key of any input. */
LK_MUST_CHECK int lk_move_take(struct lk_merging *merging);

/* Install what the step has made. 0 or a failure, and then nothing has changed. */
LK_MUST_CHECK int lk_merging_install(const struct lk_merging *merging);

#endif
