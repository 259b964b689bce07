/* apart: large values on their way into value segments, and back from them at replay.
 *
 *      put (key, 1 MiB)  --> value segment, then  record (key, reference)  --> log
 *      put (key, 10 B)   -->                      record (key, 10 B)       --> log
 *
 * What is written apart is held by `uses` until a memtable holds it, so that its file stays meanwhile. */
#ifndef LK_ENGINE_APART_H
#define LK_ENGINE_APART_H

#include "engine/db.h"
#include "store/batch.h"

/* Up to so many bytes a synced write goes into the log whole: two files would cost two syncs. */
enum { LK_APART_SYNCED = 64 * 1024 };

struct lk_apart {
    struct lk_record record;       /* what is to be logged instead */
    const struct lk_batch *batch;  /* borrowed: the same, the caller's or `made` */
    struct lk_batch made;          /* owned */
    struct lk_value_uses uses;     /* owned: what was written */
    uint8_t reference[LK_REFERENCE];
};

/* Does a write of this value, or a batch with this largest value, have to go through here? */
static inline int lk_apart_wanted(const struct lk_db *db, size_t value_bytes)
{
    return lk_values_wants(&db->values, value_bytes);
}

/* File access; no lock held. lk_apart_end in either case. */
LK_MUST_CHECK int lk_apart_record(struct lk_db *db, const struct lk_record *record, int sync, struct lk_apart *apart);
LK_MUST_CHECK int lk_apart_batch(struct lk_db *db, const struct lk_batch *batch, int sync, struct lk_apart *apart);
void lk_apart_end(struct lk_apart *apart);

/* Of a replayed record: attach its value's segment to *uses. trusted: the log was closed cleanly behind it; otherwise the
 * value is read. 0; 1: it is not there, or not whole (lk_error tells); a failure. */
LK_MUST_CHECK int lk_apart_replayed(struct lk_db *db, const struct lk_record *record, int trusted,
                                    struct lk_value_uses *uses);

/* Let the engine remove the files of value segments that nothing refers to, or not. */
void lk_apart_keep(struct lk_db *db, int keep);

#endif
