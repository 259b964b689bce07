/* write: one frame into the active segment.
 *
 *   put: copy into the frame -> index (line prefetched by the hash) -> checksum the copy -> visible -> LSN
 *
 * `try` functions touch memory only and answer WOULDBLOCK before any side effect; the others may rotate to
 * the next segment, wait for a sync, pause for pacing. sync: 1 the write is acknowledged only when durable. */
#ifndef LK_ENGINE_WRITE_H
#define LK_ENGINE_WRITE_H

#include "engine/db.h"
#include "store/batch.h"

/* What must hold when the frame is appended. `holds` is asked with write_mutex held, right before, and again after
 * everything that let go of the mutex; it looks at memory only. 0: append. CONFLICT: nothing is written. WOULDBLOCK:
 * memory does not tell, nothing is written. A failure: the same. */
struct lk_guard {
    int (*holds)(struct lk_db *db, void *context);
    void *context; /* borrowed */
};

/* One put or delete. record->flags hold the kind. *lsn may be NULL. */
LK_MUST_CHECK int lk_write_try(struct lk_db *db, struct lk_record *record, uint64_t *lsn);
LK_MUST_CHECK int lk_write(struct lk_db *db, struct lk_record *record, int sync, uint64_t *lsn);

/* A whole batch in one frame. */
LK_MUST_CHECK int lk_write_batch_try(struct lk_db *db, const struct lk_batch *batch, uint64_t *lsn);
LK_MUST_CHECK int lk_write_batch(struct lk_db *db, const struct lk_batch *batch, int sync, uint64_t *lsn);

/* The same under a guard; what it refuses with comes back. What the refusal rests on is visible then, so whoever
 * reads again sees it. */
LK_MUST_CHECK int lk_write_batch_if(struct lk_db *db, const struct lk_batch *batch, const struct lk_guard *guard,
                                    int sync, uint64_t *lsn);

/* One put or delete, if nobody has written its key since a reader saw the store at `seen`. CONFLICT: somebody has, or
 * it can no longer be told: read again. A writer who is alone succeeds the second time at the latest. */
LK_MUST_CHECK int lk_write_if_try(struct lk_db *db, uint64_t seen, struct lk_record *record, uint64_t *lsn);
LK_MUST_CHECK int lk_write_if(struct lk_db *db, uint64_t seen, struct lk_record *record, int sync, uint64_t *lsn);
/* Has `key` been written since `seen`? 0; 1: it has, or its segment is sealed and it can no longer be told.
 * write_mutex held. */
int lk_write_changed(const struct lk_db *db, uint64_t seen, struct lk_slice key, uint64_t hash);

/* Delete a key that is there: a read and one conditional write. NOTFOUND when absent. */
LK_MUST_CHECK int lk_write_remove_try(struct lk_db *db, int slot, struct lk_slice key, uint64_t *lsn);
LK_MUST_CHECK int lk_write_remove(struct lk_db *db, struct lk_slice key, int sync, uint64_t *lsn);

#endif
