/* transactions: reads and writes that take effect together. */
#include "engine/transaction.h"
#include "lobby/lobby.h"

struct lsmkv_txn {
    struct lsmkv_snapshot seen; /* what its reads see */
    struct lk_transaction body;
    struct lk_lobby_handles used; /* that it wrote through */
};

int lsmkv_txn_new(lsmkv *db, lsmkv_txn **out)
{
    *out = NULL;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lsmkv_txn *txn = lk_alloc_zero(sizeof *txn);
    rc = txn ? lk_transaction_begin(db->db, &txn->seen.at, &txn->body)
             : lk_fail(LSMKV_NOMEM, "memory ran out while a transaction began");
    if (rc == 0) {
        lk_handle_ref(db);
        txn->seen.handle = db;
        atomic_fetch_add(&db->db->counters.live_snapshots, 1);
        *out = txn;
    } else {
        lk_free(txn);
    }
    lk_handle_leave(db);
    return rc;
}

void lsmkv_txn_free(lsmkv_txn *txn)
{
    if (!txn || txn->seen.handle->db->fork_generation != lk_fork_generation)
        return; /* in the child of a fork nothing of the parent's is touched */
    atomic_fetch_sub(&txn->seen.handle->db->counters.live_snapshots, 1);
    lk_transaction_end(&txn->body);
    lk_lobby_handles_deinit(&txn->used);
    lk_handle_unref(txn->seen.handle);
    lk_free(txn);
}

const lsmkv_snapshot *lsmkv_txn_snapshot(const lsmkv_txn *txn)
{
    return &txn->seen;
}

size_t lsmkv_txn_writes(const lsmkv_txn *txn)
{
    return (size_t)txn->body.writes;
}

/* A call of the transaction through handle `db` begins: 0 and `leave` must follow, or refused with words. */
static int enter(lsmkv_txn *txn, lsmkv *db)
{
    if (db->db != txn->seen.handle->db)
        return lk_fail(LSMKV_INVALID, "the handle is of another store than the transaction");
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_reads_enter(txn->seen.at.reads);
    if (rc != 0)
        lk_handle_leave(db);
    return rc;
}

static void leave(lsmkv_txn *txn, lsmkv *db)
{
    lk_reads_leave(txn->seen.at.reads);
    lk_handle_leave(db);
}

/* ---- writes ----------------------------------------------------------------------------------- */

static int write_record(lsmkv_txn *txn, lsmkv *db, struct lk_record *record, uint64_t expiry_ns)
{
    int rc = enter(txn, db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(db);
    lk_lobby_expire(db, expiry_ns, record);
    if (rc == 0)
        rc = lk_lobby_handles_add(&txn->used, db);
    if (rc == 0)
        rc = lk_transaction_write(&txn->body, record);
    leave(txn, db);
    return rc;
}

int lsmkv_txn_put(lsmkv_txn *txn, lsmkv *db, const void *key, size_t key_bytes, const void *value, size_t value_bytes,
                  uint64_t expiry_ns)
{
    struct lk_lobby_key taken;
    int rc = lk_lobby_sizes(0, value_bytes);
    if (rc == 0)
        rc = lk_lobby_key_take(db, key, key_bytes, &taken);
    if (rc != 0)
        return rc;
    struct lk_record record = lk_lobby_put(taken.key.at, taken.key.len, value, value_bytes);
    rc = write_record(txn, db, &record, expiry_ns);
    lk_lobby_key_drop(&taken);
    return rc;
}

int lsmkv_txn_delete(lsmkv_txn *txn, lsmkv *db, const void *key, size_t key_bytes)
{
    struct lk_lobby_key taken;
    int rc = lk_lobby_key_take(db, key, key_bytes, &taken);
    if (rc != 0)
        return rc;
    struct lk_record record = {.key = taken.key, .flags = LK_DELETE};
    rc = write_record(txn, db, &record, LSMKV_EXPIRY_NEVER);
    lk_lobby_key_drop(&taken);
    return rc;
}

int lsmkv_txn_delete_range(lsmkv_txn *txn, lsmkv *db, const struct lsmkv_slice *start, const struct lsmkv_slice *stop)
{
    struct lk_lobby_range range;
    int rc = lk_lobby_range_take(db->space, start, stop, &range);
    if (rc != 0)
        return rc;
    if (!lk_lobby_range_is_empty(&range))
        rc = write_record(txn, db, &range.record, LSMKV_EXPIRY_NEVER);
    lk_lobby_range_drop(&range);
    return rc;
}

/* The batch's records are stored keys already. */
static int write_records(lsmkv_txn *txn, const lsmkv_batch *batch)
{
    const uint8_t *at = batch->records.bytes.at, *end = at + batch->records.bytes.len;
    int rc = lk_lobby_writable(txn->seen.handle);
    for (uint32_t i = 0; rc == 0 && i < batch->used.count; i++)
        rc = lk_lobby_handles_add(&txn->used, batch->used.at[i]);
    while (rc == 0 && at < end) {
        struct lk_record record;
        at = lk_record_get(at, end, &record);
        rc = lk_transaction_write(&txn->body, &record);
    }
    return rc;
}

int lsmkv_txn_write(lsmkv_txn *txn, const lsmkv_batch *batch)
{
    lsmkv *db = txn->seen.handle;
    int rc = lk_lobby_handles_agree(&batch->used, db);
    if (rc == 0)
        rc = enter(txn, db);
    if (rc != 0)
        return rc;
    rc = write_records(txn, batch);
    leave(txn, db);
    return rc;
}

/* ---- savepoints, commit ----------------------------------------------------------------------- */

static int with_body(lsmkv_txn *txn, int (*verb)(struct lk_transaction *))
{
    lsmkv *db = txn->seen.handle;
    int rc = enter(txn, db);
    if (rc != 0)
        return rc;
    rc = verb(&txn->body);
    leave(txn, db);
    return rc;
}

int lsmkv_txn_save(lsmkv_txn *txn)
{
    return with_body(txn, lk_transaction_save);
}

int lsmkv_txn_keep(lsmkv_txn *txn)
{
    return with_body(txn, lk_transaction_keep);
}

int lsmkv_txn_undo(lsmkv_txn *txn)
{
    return with_body(txn, lk_transaction_undo);
}

int lsmkv_txn_commit(lsmkv_txn *txn, int sync, uint64_t *lsn)
{
    lsmkv *db = txn->seen.handle;
    uint32_t entered;
    int rc = enter(txn, db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_handles_enter(&txn->used, &entered);
    if (rc == 0)
        rc = lk_transaction_commit(&txn->body, lk_lobby_syncs(db, sync), lsn);
    lk_lobby_handles_leave(&txn->used, entered);
    leave(txn, db);
    return rc;
}
