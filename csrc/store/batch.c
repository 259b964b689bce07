/* batch: collecting records. */
#include "store/batch.h"

int lk_batch_add(struct lk_batch *batch, const struct lk_record *record)
{
    size_t bytes = lk_record_bytes(record);
    if (bytes > LSMKV_BATCH_MAX - batch->bytes.len)
        return lk_fail(LSMKV_INVALID, "the batch would pass %u bytes; write it in parts, or load in bulk with update()",
                       LSMKV_BATCH_MAX);
    int rc = lk_buf_reserve(&batch->bytes, bytes);
    if (rc < 0)
        return rc;
    lk_record_put(batch->bytes.at + batch->bytes.len, record);
    batch->bytes.len += bytes;
    batch->count++;
    batch->deletes += lk_record_kind(record) == LK_DELETE;
    batch->ranges += lk_record_kind(record) == LK_RANGE_DELETE;
    batch->payload += record->key.len + record->value.len;
    batch->largest = record->value.len > batch->largest ? record->value.len : batch->largest;
    return 0;
}

void lk_batch_reset(struct lk_batch *batch)
{
    lk_buf_reset(&batch->bytes);
    batch->count = batch->deletes = batch->ranges = 0;
    batch->payload = 0;
    batch->largest = 0;
}

void lk_batch_deinit(struct lk_batch *batch)
{
    lk_buf_deinit(&batch->bytes);
    batch->count = batch->ranges = 0;
}
