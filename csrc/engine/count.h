/* count: how many keys a namespace has, exactly.
 *
 *      counted state ----- log since ----- wanted state          looked up: keys written since (engine/layer.h)
 *      wanted state ------ log since ------ counted state        the same, backwards
 *      bottom run + upper runs + log                             the first time: the bottom without tombstones counts itself
 *      everything                                                by a walk, when that is cheaper, for expiries, and in
 *                                                                a transaction, which remembers what was looked at
 *
 * The first use makes the store keep a counted state (engine/counted.h), and from then on counts go from there. */
#ifndef LK_ENGINE_COUNT_H
#define LK_ENGINE_COUNT_H

#include "engine/walk.h"

/* Memory only, inside an epoch slot. at NULL: the present. 0, or WOULDBLOCK: more than a little is to be done. */
LK_MUST_CHECK int lk_count_try(struct lk_db *db, const struct lk_snapshot *at, uint32_t space, uint64_t *out);
/* No slot held. */
LK_MUST_CHECK int lk_count(struct lk_db *db, const struct lk_snapshot *at, uint32_t space, struct lk_watch *watch,
                           uint64_t *out);

/* Before the memtables behind the version's first one are flushed: let the counted state pass them. work_mutex held. */
void lk_count_before_flush(struct lk_db *db, const struct lk_version *version);
/* Before the store states that it is closed: to the end of the log, when that is not far. Nobody else is inside. */
void lk_count_at_close(struct lk_db *db);

#endif
