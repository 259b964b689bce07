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

/* One put or delete. record->flags hold the kind. *lsn may be NULL. */
LK_MUST_CHECK int lk_write_try(struct lk_db *db, struct lk_record *record, uint64_t *lsn);
LK_MUST_CHECK int lk_write(struct lk_db *db, struct lk_record *record, int sync, uint64_t *lsn);

/* A whole batch in one frame. */
LK_MUST_CHECK int lk_write_batch_try(struct lk_db *db, const struct lk_batch *batch, uint64_t *lsn);
LK_MUST_CHECK int lk_write_batch(struct lk_db *db, const struct lk_batch *batch, int sync, uint64_t *lsn);

/* Delete a key that is there: read outside the mutex, validate and append inside. NOTFOUND when absent. */
LK_MUST_CHECK int lk_write_remove_try(struct lk_db *db, struct lk_slice key, uint64_t *lsn);
LK_MUST_CHECK int lk_write_remove(struct lk_db *db, struct lk_slice key, int sync, uint64_t *lsn);

#endif
