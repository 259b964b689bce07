/* writing: one record, a range, a sync. */
#include "engine/engine.h"
#include "engine/write.h"
#include "lobby/lobby.h"

/* A record under its stored key. The clock is asked while the engine is known to run. */
static int try_stored(lsmkv *db, struct lk_record *record, uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    int rc = lk_lobby_sizes(0, record->value.len);
    if (rc == 0)
        rc = lk_lobby_writable(db);
    if (rc != 0)
        return rc;
    if (lk_lobby_syncs(db, sync) || record->value.len > LK_TRY_COPY_MAX)
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    lk_lobby_expire(db, expiry_ns, record);
    rc = lk_write_try(db->db, record, lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

static __attribute__((noinline)) int try_prefixed(lsmkv *db, struct lk_record *record, uint64_t expiry_ns, int sync,
                                                  uint64_t *lsn)
{
    struct lk_lobby_key key;
    int rc = lk_lobby_key_take(db, record->key.at, record->key.len, &key);
    if (rc != 0)
        return rc;
    record->key = key.key;
    rc = try_stored(db, record, expiry_ns, sync, lsn);
    lk_lobby_key_drop(&key);
    return rc;
}

/* The record's key is the caller's. */
static int try_record(lsmkv *db, struct lk_record *record, uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    if (lk_lobby_key_is_plain(db->space, record->key.at, record->key.len))
        return try_stored(db, record, expiry_ns, sync, lsn);
    return try_prefixed(db, record, expiry_ns, sync, lsn);
}

static int wait_record(lsmkv *db, struct lk_record *record, uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    struct lk_lobby_key key;
    int rc = lk_lobby_sizes(0, record->value.len);
    if (rc == 0)
        rc = lk_lobby_key_take(db, record->key.at, record->key.len, &key);
    if (rc != 0)
        return rc;
    record->key = key.key;
    rc = lk_handle_enter(db);
    if (rc == 0) {
        rc = lk_lobby_writable(db);
        lk_lobby_expire(db, expiry_ns, record);
        if (rc == 0)
            rc = lk_write(db->db, record, lk_lobby_syncs(db, sync), lsn);
        lk_handle_leave(db);
    }
    lk_lobby_key_drop(&key);
    return rc;
}

int lsmkv_try_put(lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes, int sync,
                  uint64_t *lsn)
{
    return lsmkv_try_put_until(db, key, key_bytes, value, value_bytes, LSMKV_EXPIRY_DEFAULT, sync, lsn);
}

int lsmkv_put(lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes, int sync,
              uint64_t *lsn)
{
    return lsmkv_put_until(db, key, key_bytes, value, value_bytes, LSMKV_EXPIRY_DEFAULT, sync, lsn);
}

int lsmkv_try_put_until(lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                        uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    struct lk_record record = lk_lobby_put(key, key_bytes, value, value_bytes);
    return try_record(db, &record, expiry_ns, sync, lsn);
}

int lsmkv_put_until(lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                    uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    struct lk_record record = lk_lobby_put(key, key_bytes, value, value_bytes);
    return wait_record(db, &record, expiry_ns, sync, lsn);
}

int lsmkv_try_delete(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    return try_record(db, &record, LSMKV_EXPIRY_NEVER, sync, lsn);
}

int lsmkv_delete(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    struct lk_record record = {.key = lk_slice(key, key_bytes), .flags = LK_DELETE};
    return wait_record(db, &record, LSMKV_EXPIRY_NEVER, sync, lsn);
}

/* ---- on a condition ------------------------------------------------------------------------ */

static int try_if(lsmkv *db, uint64_t seen, struct lk_record *record, uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    int rc = lk_lobby_writable(db);
    if (rc != 0)
        return rc;
    if (lk_lobby_syncs(db, sync) || record->value.len > LK_TRY_COPY_MAX)
        return LSMKV_WOULDBLOCK;
    int slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    lk_lobby_expire(db, expiry_ns, record);
    rc = lk_write_if_try(db->db, seen, record, lsn);
    lk_epoch_leave(&db->db->epochs, slot);
    return rc;
}

static int wait_if(lsmkv *db, uint64_t seen, struct lk_record *record, uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(db);
    lk_lobby_expire(db, expiry_ns, record);
    if (rc == 0)
        rc = lk_write_if(db->db, seen, record, lk_lobby_syncs(db, sync), lsn);
    lk_handle_leave(db);
    return rc;
}

/* A put or, value NULL, a delete. */
static int write_if(lsmkv *db, int wait, uint64_t seen, struct lsmkv_slice key, const struct lsmkv_slice *value,
                    uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    struct lk_lobby_key taken;
    int rc = lk_lobby_sizes(0, value ? value->size : 0);
    if (rc == 0)
        rc = lk_lobby_key_take(db, key.data, key.size, &taken);
    if (rc != 0)
        return rc;
    struct lk_record record = {.flags = value ? LK_PUT : LK_DELETE, .key = taken.key};
    if (value)
        record.value = lk_slice(value->data, value->size);
    else
        expiry_ns = LSMKV_EXPIRY_NEVER;
    rc = wait ? wait_if(db, seen, &record, expiry_ns, sync, lsn) : try_if(db, seen, &record, expiry_ns, sync, lsn);
    lk_lobby_key_drop(&taken);
    return rc;
}

int lsmkv_try_put_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                     uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    struct lsmkv_slice put = {value, value_bytes};
    return write_if(db, 0, seen, (struct lsmkv_slice){key, key_bytes}, &put, expiry_ns, sync, lsn);
}

int lsmkv_put_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                 uint64_t expiry_ns, int sync, uint64_t *lsn)
{
    struct lsmkv_slice put = {value, value_bytes};
    return write_if(db, 1, seen, (struct lsmkv_slice){key, key_bytes}, &put, expiry_ns, sync, lsn);
}

int lsmkv_try_delete_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    return write_if(db, 0, seen, (struct lsmkv_slice){key, key_bytes}, NULL, 0, sync, lsn);
}

int lsmkv_delete_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    return write_if(db, 1, seen, (struct lsmkv_slice){key, key_bytes}, NULL, 0, sync, lsn);
}

int lsmkv_try_remove(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    struct lk_lobby_key wanted;
    int rc = lk_lobby_key_take(db, key, key_bytes, &wanted);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(db);
    if (rc == 0 && lk_lobby_syncs(db, sync))
        rc = LSMKV_WOULDBLOCK;
    int slot = rc == 0 ? lk_handle_slot(db, &rc) : -1;
    if (slot >= 0) {
        rc = lk_write_remove_try(db->db, slot, wanted.key, lsn);
        lk_epoch_leave(&db->db->epochs, slot);
    }
    lk_lobby_key_drop(&wanted);
    return rc;
}

int lsmkv_remove(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn)
{
    struct lk_lobby_key wanted;
    int rc = lk_lobby_key_take(db, key, key_bytes, &wanted);
    if (rc != 0)
        return rc;
    rc = lk_handle_enter(db);
    if (rc == 0) {
        rc = lk_lobby_writable(db);
        if (rc == 0)
            rc = lk_write_remove(db->db, wanted.key, lk_lobby_syncs(db, sync), lsn);
        lk_handle_leave(db);
    }
    lk_lobby_key_drop(&wanted);
    return rc;
}

static int delete_range(lsmkv *db, const struct lk_lobby_range *range, int sync, uint64_t *lsn)
{
    struct lk_batch batch = {0};
    int rc = lk_lobby_writable(db);
    if (rc == 0 && lsn)
        *lsn = lk_commit_appended(db->db);
    if (rc == 0 && !lk_lobby_range_is_empty(range)) {
        rc = lk_batch_add(&batch, &range->record);
        if (rc == 0)
            rc = lk_write_batch(db->db, &batch, lk_lobby_syncs(db, sync), lsn);
        lk_batch_deinit(&batch);
    }
    return rc;
}

int lsmkv_delete_range(lsmkv *db, const struct lsmkv_slice *start, const struct lsmkv_slice *stop, int sync,
                       uint64_t *lsn)
{
    struct lk_lobby_range range;
    int rc = lk_lobby_range_take(db->space, start, stop, &range);
    if (rc != 0)
        return rc;
    rc = lk_handle_enter(db);
    if (rc == 0) {
        rc = delete_range(db, &range, sync, lsn);
        lk_handle_leave(db);
    }
    lk_lobby_range_drop(&range);
    return rc;
}

int lsmkv_sync(lsmkv *db)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = db->readonly ? 0 : lk_engine_settle(db->db);
    lk_handle_leave(db);
    return rc == LSMKV_CANCELLED ? lk_handle_refuse(db, LSMKV_CLOSED) : rc; /* without a log it is a flush */
}
