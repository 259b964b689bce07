/* rate: background work writes so many bytes a second at most (options.background_bytes_per_second).
 *
 *   free_ns   when what was written so far is paid for        now ---- BURST ----|
 *             writing moves it on by bytes / rate; behind it, background work sleeps
 *
 * It sleeps between two buffers of a table, in naps, under work_mutex alone. The limit is for the compactor: work that a
 * caller runs in his own thread (flush, compact, step; threads=0) is not slowed, nor is the compactor while a caller
 * waits for it, or while the engine closes. And memory goes before the limit: it ends where writers would have to be
 * slowed down much instead (engine/pace.h). */
#ifndef LK_ENGINE_RATE_H
#define LK_ENGINE_RATE_H

#include "engine/db.h"

/* So many bytes were written to tables. work_mutex held; may sleep. */
void lk_rate_pay(struct lk_db *db, uint64_t bytes);

/* Take work_mutex for a caller: until he has it, and while he has it, nothing is slowed. */
void lk_rate_lock_work(struct lk_db *db);
/* The same for the compactor. */
void lk_rate_lock_work_limited(struct lk_db *db);
void lk_rate_unlock_work(struct lk_db *db);

#endif
