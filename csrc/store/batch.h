/* batch: records waiting to be written as one frame, in the order given. Private copies. One thread. */
#ifndef LK_STORE_BATCH_H
#define LK_STORE_BATCH_H

#include "format/record.h"
#include "util/buf.h"

struct lk_batch {
    struct lk_buf bytes; /* owned; records without links */
    uint32_t count, deletes, ranges;
    uint64_t payload;    /* key and value bytes */
    size_t largest;      /* of its values */
};

/* 0; INVALID when it grew past LSMKV_BATCH_MAX (unchanged); NOMEM. */
LK_MUST_CHECK int lk_batch_add(struct lk_batch *batch, const struct lk_record *record);
void lk_batch_reset(struct lk_batch *batch);
void lk_batch_deinit(struct lk_batch *batch);

#endif
