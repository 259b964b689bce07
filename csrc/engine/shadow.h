/* shadow: how many records of other runs a rewrite's records stand before or behind. That is the garbage the planner
 * counts (engine/planner.h): a record is shadowed when a newer run holds its key, or deletes it.
 *
 *   flush      k=3                for each record written, the first older run that holds its key: what lies
 *   run 2      k=2  <- counted    there was not shadowed yet, and is now. So each record is counted once.
 *   run 1      k=1     (was, when run 2 was written)
 *
 *   merge      runs 2 and 1 below a run 3: a survivor is shadowed when any newer run holds its key
 *
 * Only hash lines are looked at, never records: 14 bits and at most 24 slots, so about one key in a thousand is counted
 * that is not there. Sixteen keys are in flight at once. Where the other runs hold more than a million records, only
 * every sixteenth key is asked for: those whose hash is small, and so whose lines lie in the first sixteenth of every
 * table's lines. So beyond memory too a flush reads little and in order.
 *
 * An account, not a promise: what cannot be read is not counted, and a flush never fails for it. work_mutex held, the
 * runs pinned by the caller's version, no epoch slot. */
#ifndef LK_ENGINE_SHADOW_H
#define LK_ENGINE_SHADOW_H

#include "engine/version.h"
#include "store/epoch.h"
#include "util/buf.h"

enum { LK_SHADOW_BATCH = 16 };

struct lk_shadow {
    struct lk_epochs *epochs;   /* borrowed */
    struct lk_hash_seed seed;
    struct lk_run *const *runs; /* borrowed: asked in this order */
    uint32_t run_count;
    uint32_t *at;               /* owned: of each run, the table where the last key fell. Keys ascend */
    uint32_t *first;            /* owned: of each run, where its tables begin in hits */
    uint64_t *hits;             /* owned: of each table, records shadowed; UNREADABLE: it is asked no more */
    uint32_t *tables;           /* owned: for each key in flight and each run, the table to ask or NO_TABLE */
    uint64_t hashes[LK_SHADOW_BATCH];
    uint32_t pending, every;    /* keys in flight; one key in so many is asked for */
    uint64_t total;             /* keys found, all runs */
};

/* 0 or NOMEM. deinit in either case. */
LK_MUST_CHECK int lk_shadow_begin(struct lk_shadow *shadow, struct lk_epochs *epochs, struct lk_hash_seed seed,
                                  struct lk_run *const *runs, uint32_t run_count);
void lk_shadow_deinit(struct lk_shadow *shadow);
/* The rewrite has written this key. */
void lk_shadow_note(struct lk_shadow *shadow, struct lk_slice key);
/* The last keys in flight. */
void lk_shadow_drain(struct lk_shadow *shadow);
/* The rewrite has written these range deletes: what they cover in older runs, to a page. */
void lk_shadow_cover(struct lk_shadow *shadow, const struct lk_ranges *ranges);
/* The facts of the tables whose count has risen, as they are now; and then make it so. */
LK_MUST_CHECK int lk_shadow_edit(const struct lk_shadow *shadow, struct lk_buf *edit);
void lk_shadow_apply(const struct lk_shadow *shadow);

#endif
