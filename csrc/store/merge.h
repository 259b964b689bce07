/* merge: several sources, newest first, seen as one ordered stream of newest records.
 *
 *      source 0 (newest)   b=1        d=del
 *      source 1            b=0  c=5            range delete [e, g)
 *      source 2 (oldest)   a=7        d=4      f=3
 *      ----------------------------------------------
 *      stream              a=7  b=1  c=5  d=del            f is hidden: a newer source deletes [e, g)
 *
 * For each key the record of the newest source that has it; older ones are stepped over. A record is hidden
 * when a range delete of a strictly newer source covers it (a source's own range deletes against its own
 * records are the source's business). Tombstones are passed on: the reader's rule (store/visible.h) skips
 * them, the rewriter's rule (store/drop.h) may keep them.
 *
 * Finding the least of n cursors: heads are compared first; winner and runner-up are remembered, so
 * while the winner stays ahead a step costs one comparison. No heap: n is at most a handful.
 *
 * Sources on the current key are stepped over when the stream moves on, not before: a failure in an older
 * source never takes away a record that a newer one has already given. One thread, the one of its cursors. */
#ifndef LK_STORE_MERGE_H
#define LK_STORE_MERGE_H

#include "store/cursor.h"
#include "store/ranges.h"

struct lk_merge_source {
    struct lk_cursor *cursor;       /* borrowed */
    const struct lk_ranges *ranges; /* borrowed; NULL: none. They hide records of sources after this one */
    uint64_t passed;                /* records of this source stepped over: older than another, or hidden */
    int leapt;                      /* hidden records were also leapt over, and not counted */
};

struct lk_merge {
    struct lk_merge_source *sources; /* borrowed array, newest first */
    uint32_t count;
    int backward;
    uint32_t winner;   /* index; meaningful while valid */
    uint32_t second;   /* index of the least other source, or count */
    int valid;         /* sources[winner].cursor is the current record */
    int status;        /* the first source failure or WOULDBLOCK; ends the stream */
    uint32_t failed;   /* which source */
    uint32_t leap_after; /* hidden records of one interval stepped over before the rest of it is leapt over; the
                            caller may change it after init: what a seek costs differs between cursors */
    /* The rest is merge.c's business. */
    int tied;             /* the second source stands on the winner's key */
    uint64_t second_head; /* while the winner's head is ahead of it, the winner stays */
    uint32_t hiders;      /* index of the newest source with range deletes, or count */
    uint32_t live;        /* sources from here on are hidden to the end of the walk */
};

void lk_merge_init(struct lk_merge *merge, struct lk_merge_source *sources, uint32_t count);
/* As in cursor.h, for all sources. */
void lk_merge_seek(struct lk_merge *merge, const struct lk_slice *key, int after);
void lk_merge_seek_back(struct lk_merge *merge, const struct lk_slice *key, int before);
/* To the next record in the direction of the seek. Only while valid. */
void lk_merge_step(struct lk_merge *merge);
static inline struct lk_cursor *lk_merge_current(const struct lk_merge *merge)
{
    return merge->sources[merge->winner].cursor;
}

#endif
