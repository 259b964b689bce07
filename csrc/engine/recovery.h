/* recovery: from the log files of a directory back to memtables.
 *
 *   12.log |frame|frame|frame|  torn        arrived at 12:700, and no later proof says more was durable
 *   13.log  head: prev 12, prev_end 900     not reached: it follows a 12 that no longer is; set aside
 *   14.log  head: prev 12, prev_end 700     reached: written after an earlier recovery that ended here
 *
 * The tail rule. Replay stops at the first bad frame. When a sync mark anywhere behind it, or the manifest,
 * proves that a later LSN was durable, that is corruption; otherwise it is the end of the log. A read error is
 * never the end of the log. Nothing is written here. */
#ifndef LK_ENGINE_RECOVERY_H
#define LK_ENGINE_RECOVERY_H

#include "engine/db.h"

/* What a directory holds, by kind; owned arrays, numbers ascending. */
struct lk_listing {
    struct lk_numbers {
        uint32_t *at;
        uint32_t count, cap;
    } logs, tables, values, manifests, temps;
    uint32_t strangers, highest; /* files that are not the engine's; the highest number in use */
    char stranger[64];           /* one of them */
    int current;                 /* CURRENT is there */
};
LK_MUST_CHECK int lk_listing_read(struct lk_env *env, struct lk_dir *dir, struct lk_listing *out);
void lk_listing_deinit(struct lk_listing *listing);

struct lk_recovered {
    int value_lost; /* replay ended before a frame whose value is not there */
    struct lk_memtable **memtables; /* owned references, oldest first */
    uint32_t count;
    uint32_t last_number, last_end; /* where the next segment follows on; 0, 0: there was no log */
    uint64_t data_end;              /* end of the last segment that holds frames; LK_FILE_HEAD when none does */
    uint64_t proven;                /* newest LSN known to have been durable */
    struct lk_numbers stale;        /* segments that were not reached: evidence */
    struct lk_numbers unused;       /* segments that were prepared and never used */
    uint64_t bytes, records;
};

/* Replay the segments from state->log_first on. 0, CORRUPT, FORMAT, IO, NOMEM. */
LK_MUST_CHECK int lk_recover(struct lk_db *db, const struct lk_manifest_state *state, const struct lk_listing *listing,
                             struct lk_recovered *out);
void lk_recovered_deinit(struct lk_recovered *recovered);

LK_MUST_CHECK int lk_numbers_add(struct lk_numbers *numbers, uint32_t number);

#endif
