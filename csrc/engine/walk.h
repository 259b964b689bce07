/* walk: counting keys by looking at each of them; and who watches long counts. */
#ifndef LK_ENGINE_WALK_H
#define LK_ENGINE_WALK_H

#include "engine/read.h"
#include "engine/tally.h"

/* Told of every few hundred keys. No lock and no epoch slot is held then. */
struct lk_watch {
    int (*went_on)(void *context, uint64_t done, uint64_t total); /* 0, or a failure that ends the count */
    void *context;
    uint64_t done, total; /* keys; total is an estimate, and never reached before the end */
};
LK_MUST_CHECK int lk_watch_tell(struct lk_watch *watch, uint64_t more);

/* Add `times` for each key of the range (NULL: all) that is visible in `at`. May wait. */
LK_MUST_CHECK int lk_walk(struct lk_db *db, const struct lk_snapshot *at, const struct lsmkv_range *range,
                          int64_t times, struct lk_tally *tally, struct lk_watch *watch);

#endif
