/* batches: writes collected, then applied whole. A batch reaches across namespaces: it remembers the handles that
 * its records were added through, and all of them must still be open when it is written. */
#include "engine/write.h"
#include "lobby/lobby.h"

int lsmkv_batch_new(lsmkv_batch **out)
{
    *out = lk_alloc_zero(sizeof **out);
    return *out ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while a batch was made");
}

void lsmkv_batch_free(lsmkv_batch *batch)
{
    if (!batch)
        return;
    lk_lobby_handles_deinit(&batch->used);
    lk_batch_deinit(&batch->records);
    lk_free(batch);
}

void lsmkv_batch_reset(lsmkv_batch *batch)
{
    lk_lobby_handles_drop(&batch->used);
    batch->through = NULL;
    lk_batch_reset(&batch->records);
}

int lsmkv_batch_use(lsmkv_batch *batch, lsmkv *db)
{
    int rc = lk_handle_check(db);
    if (rc != 0)
        return lk_handle_refuse(db, rc);
    rc = lk_lobby_handles_add(&batch->used, db);
    if (rc == 0)
        batch->through = db;
    return rc;
}

static uint32_t space_of(const lsmkv_batch *batch)
{
    return batch->through ? batch->through->space : LK_SPACE_DEFAULT;
}

/* ---- adding ----------------------------------------------------------------------------------- */

/* The record's key is the caller's; it goes in as the stored one. */
static int add(lsmkv_batch *batch, struct lk_record *record)
{
    struct lk_lobby_key key;
    int rc = lk_lobby_key_in(space_of(batch), record->key.at, record->key.len, &key);
    if (rc != 0)
        return rc;
    record->key = key.key;
    rc = lk_batch_add(&batch->records, record);
    lk_lobby_key_drop(&key);
    return rc;
}

int lsmkv_batch_put(lsmkv_batch *batch, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    return lsmkv_batch_put_until(batch, key, key_bytes, value, value_bytes, LSMKV_EXPIRY_DEFAULT);
}

int lsmkv_batch_put_until(lsmkv_batch *batch, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                          uint64_t expiry_ns)
{
    struct lk_record record = lk_lobby_put(key, key_bytes, value, value_bytes);
    int rc = lk_lobby_sizes(0, value_bytes),
        asks = expiry_ns == LSMKV_EXPIRY_DEFAULT && batch->through && batch->through->ttl_ns;
    if (rc == 0 && asks)
        rc = lk_handle_enter(batch->through); /* for the clock */
    if (rc != 0)
        return rc;
    lk_lobby_expire(batch->through, expiry_ns, &record);
    if (asks)
        lk_handle_leave(batch->through);
    return add(batch, &record);
}

int lsmkv_batch_delete(lsmkv_batch *batch, const void *key, size_t key_bytes)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    return add(batch, &record);
}

int lsmkv_batch_delete_range(lsmkv_batch *batch, const struct lsmkv_slice *start, const struct lsmkv_slice *stop)
{
    struct lk_lobby_range range;
    int rc = lk_lobby_range_take(space_of(batch), start, stop, &range);
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

/* ---- writing ---------------------------------------------------------------------------------- */

int lsmkv_try_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    int rc = lk_lobby_writable(db);
    if (rc == 0)
        rc = lk_lobby_handles_agree(&batch->used, db);
    if (rc != 0)
        return rc;
    if (batch->records.count == 0 || lk_lobby_syncs(db, sync) || batch->records.bytes.len > LK_TRY_COPY_MAX)
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    rc = lk_lobby_handles_check(&batch->used);
    if (rc == 0)
        rc = lk_write_batch_try(db->db, &batch->records, lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

static int write_entered(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    int rc = lk_lobby_writable(db);
    if (rc == 0)
        rc = lk_lobby_handles_agree(&batch->used, db);
    if (rc == 0 && batch->records.count)
        return lk_write_batch(db->db, &batch->records, lk_lobby_syncs(db, sync), lsn);
    if (rc == 0 && lsn)
        *lsn = lk_commit_appended(db->db);
    return rc;
}

int lsmkv_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn)
{
    uint32_t entered = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_handles_enter(&batch->used, &entered);
    if (rc == 0)
        rc = write_entered(db, batch, sync, lsn);
    lk_lobby_handles_leave(&batch->used, entered);
    lk_handle_leave(db);
    return rc;
}
