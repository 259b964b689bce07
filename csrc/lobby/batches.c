/* batches: writes collected, then applied whole. */
#include "engine/write.h"
#include "lobby/lobby.h"

int lsmkv_batch_new(lsmkv_batch **out)
{
    *out = lk_alloc_zero(sizeof **out);
    if (!*out)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a batch was made");
    (*out)->space = LK_SPACE_DEFAULT;
    return 0;
}

void lsmkv_batch_free(lsmkv_batch *batch)
{
    if (batch)
        lk_batch_deinit(&batch->records);
    lk_free(batch);
}

void lsmkv_batch_reset(lsmkv_batch *batch)
{
    lk_batch_reset(&batch->records);
}

/* The record's key is the caller's; it goes in as the stored one. */
static int add(lsmkv_batch *batch, struct lk_record *record)
{
    struct lk_lobby_key key;
    int rc = lk_lobby_key_in(batch->space, record->key.at, record->key.len, &key);
    if (rc != 0)
        return rc;
    record->key = key.key;
    rc = lk_batch_add(&batch->records, record);
    lk_lobby_key_drop(&key);
    return rc;
}

int lsmkv_batch_put(lsmkv_batch *batch, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    struct lk_record record = lk_lobby_put(key, key_bytes, value, value_bytes);
    int rc = lk_lobby_sizes(0, value_bytes);
    return rc == 0 ? add(batch, &record) : rc;
}

int lsmkv_batch_delete(lsmkv_batch *batch, const void *key, size_t key_bytes)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    return add(batch, &record);
}

int lsmkv_batch_delete_range(lsmkv_batch *batch, const struct lsmkv_slice *start, const struct lsmkv_slice *stop)
{
    struct lk_lobby_range range;
    int rc = lk_lobby_range_take(batch->space, start, stop, &range);
    if (rc != 0)
        return rc;
    if (!lk_lobby_range_is_empty(&range))
        rc = lk_batch_add(&batch->records, &range.record);
    lk_lobby_range_drop(&range);
    return rc;
}

size_t lsmkv_batch_count(const lsmkv_batch *batch)
{
    return batch->records.count;
}

size_t lsmkv_batch_bytes(const lsmkv_batch *batch)
{
    return (size_t)batch->records.payload;
}

int lsmkv_try_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    int rc = lk_lobby_writable(db);
    if (rc != 0)
        return rc;
    if (batch->records.count == 0 || lk_lobby_syncs(db, sync) || batch->records.bytes.len > LK_TRY_COPY_MAX)
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    rc = lk_write_batch_try(db->db, &batch->records, lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

int lsmkv_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(db);
    if (rc == 0 && batch->records.count)
        rc = lk_write_batch(db->db, &batch->records, lk_lobby_syncs(db, sync), lsn);
    else if (rc == 0 && lsn)
        *lsn = lk_commit_appended(db->db);
    lk_handle_leave(db);
    return rc;
}
