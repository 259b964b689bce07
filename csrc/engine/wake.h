/* wake: how threads tell each other that something has changed: a segment was sealed, a job has ended, the engine
 * closes. One condition; whoever wakes looks for himself what there is to do. */
#ifndef LK_ENGINE_WAKE_H
#define LK_ENGINE_WAKE_H

#include "engine/db.h"

/* Let whoever waits look. Any thread, any lock but state_mutex. */
void lk_wake(struct lk_db *db);
/* The same for a caller that may hold the interpreter lock: only if it need not wait. */
void lk_wake_try(struct lk_db *db);
/* Wait until something changes, at most so long; not at all when the engine closes. */
void lk_wake_wait(struct lk_db *db, uint64_t ns);
/* The engine is about to close: jobs under way give up within 100 ms. */
void lk_wake_hurry(struct lk_db *db);

#endif
