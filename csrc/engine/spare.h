/* spare: the segment that is used next, made before it is needed.
 *
 *   keeper    file made, reserved, its name durable -> published -> prefaulted in steps, in use already or not
 *   writer    takes what is published; waits while one is being made; makes one itself otherwise
 *
 * It is published early because to make it is what takes long (a sync of the directory), and whoever overtakes the
 * prefaulting only faults a little by himself. Writer and keeper share it by a reference, so it may be sealed and
 * flushed while the keeper still prefaults. Numbers follow the order of use: a spare that a writer passed over is void. */
#ifndef LK_ENGINE_SPARE_H
#define LK_ENGINE_SPARE_H

#include "engine/db.h"

/* The keeper's: one step. 0: there may be more to do; NOTFOUND: everything is ready; a failure. No lock held. */
LK_MUST_CHECK int lk_spare_step(struct lk_db *db);

/* write_mutex held. The spare, if there is one with so much capacity and lines for so many keys; owned by the caller.
 * NULL: there is none. */
struct lk_memtable *lk_spare_take(struct lk_db *db, uint64_t capacity, uint32_t keys);

/* Remove a memtable that was never used, and its file. NULL is fine. */
void lk_spare_drop(struct lk_memtable *memtable);

#endif
