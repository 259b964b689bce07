/* conflict: has anything that a transaction looked at been changed by somebody else?
 *
 *      base            through                       end
 *      |---------------|-----------------------------|
 *      | nothing that was looked at has changed      | frames that came since
 *
 * The commit's frame is appended under a guard that carries `through` to the end of the log, under write_mutex and by
 * memory alone: nothing was appended; or the keys' newest records are older; or the frames since then are few and
 * none of them touches what was looked at. When the guard cannot tell (the segment was sealed, the frames are many),
 * `resolve` carries `through` on to a new snapshot without any lock, and the append is tried again:
 *
 *   by the log      all that was written since `through` still lies in memtables: exact
 *   by comparing    what was looked at says the same at the base and at the new snapshot. A value that went and came
 *                   back is no conflict then: the transaction might have begun there, so an order exists in which
 *                   everybody ran alone
 *
 * One thread at a time: whoever has entered the reads. */
#ifndef LK_ENGINE_CONFLICT_H
#define LK_ENGINE_CONFLICT_H

#include "engine/read.h"

struct lk_conflict {
    const struct lk_reads *reads;   /* borrowed */
    const struct lk_snapshot *base; /* borrowed: the state of the beginning, without what the transaction wrote */
    uint64_t through;               /* an LSN; the base's to begin with */
};

/* A guard (engine/write.h); context is the struct lk_conflict. */
int lk_conflict_guard(struct lk_db *db, void *context);
/* After a WOULDBLOCK of the guard. No lock, no slot; may read files. 0, CONFLICT, or a failure. */
LK_MUST_CHECK int lk_conflict_resolve(struct lk_db *db, struct lk_conflict *conflict);

#endif
