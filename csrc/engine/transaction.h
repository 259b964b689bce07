/* transaction: a private version.
 *
 *      own[1]  own[0]  |  active  sealed ...  runs         newest first, as in every version
 *      what it wrote   |  the state of its beginning
 *      limit ^            ^ limit
 *
 * Its writes go into small memtables of its own, segments of memory alone, before the memtables of the snapshot taken
 * at its beginning; a larger one is stacked on the newest when that is full. So lookups, scans and cursors are those
 * of any snapshot, and what has begun before a write does not see it: each brings its limit. A savepoint is the depth
 * of the stack: writes after it go into a new memtable, undoing drops what lies above, keeping folds what has
 * become too many. Versions that are replaced are retired through the epochs like the engine's.
 *
 * A commit copies the stack, oldest first, into one batch and appends it as one frame, under the guard of
 * engine/conflict.h. What is looked at is remembered in reads (engine/reads.h), which also keeps threads apart: all
 * functions but begin and end are called by whoever has entered it. */
#ifndef LK_ENGINE_TRANSACTION_H
#define LK_ENGINE_TRANSACTION_H

#include "engine/read.h"
#include "store/batch.h"

struct lk_savepoint {
    uint32_t depth;  /* own memtables then */
    uint64_t writes;
};

struct lk_transaction {
    struct lk_db *db;        /* borrowed: the handle keeps it */
    struct lk_snapshot *at;  /* borrowed: what its reads see; changed by writes. Its content is owned */
    struct lk_snapshot base; /* owned: the beginning */
    struct lk_savepoint *saved; /* owned */
    uint32_t saved_count, saved_cap;
    uint64_t writes;
};

/* Begin at the present. *at is the caller's storage, which stays where it is. No slot held. */
LK_MUST_CHECK int lk_transaction_begin(struct lk_db *db, struct lk_snapshot *at, struct lk_transaction *out);
/* Nothing of it is seen any more but by iterators that still run. */
void lk_transaction_end(struct lk_transaction *transaction);

/* A put, delete or range delete. 0, or a failure that changed nothing. Memory only. */
LK_MUST_CHECK int lk_transaction_write(struct lk_transaction *transaction, struct lk_record *record);
LK_MUST_CHECK int lk_transaction_save(struct lk_transaction *transaction);
/* keep, undo: INVALID when there is no savepoint. */
LK_MUST_CHECK int lk_transaction_keep(struct lk_transaction *transaction);
LK_MUST_CHECK int lk_transaction_undo(struct lk_transaction *transaction);

/* 0, CONFLICT, or a failure. The transaction is over, whichever. */
LK_MUST_CHECK int lk_transaction_commit(struct lk_transaction *transaction, int sync, uint64_t *lsn);

#endif
