/* pin: snapshots that live, so that the oldest can be given up when all of them keep too much.
 *
 *   state    uses (calls under way)      ENDED: its owner has freed it      EXPIRED: its version was taken away
 *
 *   owner                                  whoever expires (background, pin_mutex)
 *   new: pushed on a list                  takes the list over, sweeps what has ended
 *   use: +1; EXPIRED? refused              0 -> EXPIRED: retires the version
 *   end: 0 -> ENDED: drops the version
 *
 * Both go from 0 by exchange, so exactly one of them drops the version; and only a snapshot in which no call goes on
 * expires. What a call lent stays until its slot is left, because the version is retired through the epochs. Iterators,
 * views and transactions have references of their own: they count as pinning, and nobody takes theirs away.
 *
 * Snapshots are made and ended with the interpreter lock held: so the owner's side waits for nothing. Without a limit
 * (options.max_pinned_bytes 0) there are no pins. */
#ifndef LK_ENGINE_PIN_H
#define LK_ENGINE_PIN_H

#include "engine/read.h"

struct lk_pin;

/* For a snapshot with a reference to its version. NULL: there is no limit, or no memory: it never expires then. */
struct lk_pin *lk_pin_new(struct lk_db *db, const struct lk_snapshot *at);
/* A call begins to read at the snapshot: 0 and unuse must follow, or EXPIRED with words. */
LK_MUST_CHECK int lk_pin_use(struct lk_pin *pin);
void lk_pin_unuse(struct lk_pin *pin);
/* The snapshot ends; no call goes on in it. 1: the caller drops the version; 0: it is gone already. */
LK_MUST_CHECK int lk_pin_end(struct lk_pin *pin);

/* Background work's, after something left the version: give up the oldest snapshot if more is pinned than may be. No lock
 * held. */
void lk_pin_expire(struct lk_db *db);
/* The end of the engine: nobody is left. */
void lk_pin_deinit(struct lk_db *db);

#endif
