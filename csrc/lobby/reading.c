/* reading: a key, or sixteen. */
#include "lobby/lobby.h"

/* What a lent value holds on to: the slot, and the epochs it belongs to. */
static void *hold_of(struct lk_db *db, int slot)
{
    return &db->epochs.slots[slot];
}

static struct lk_present present_for(struct lk_db *db, const lsmkv_snapshot *snapshot)
{
    return snapshot ? lk_present_of(&snapshot->at) : lk_read_present(db);
}

int lsmkv_read_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes,
                     struct lsmkv_read *read)
{
    int rc = 0, slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    struct lk_db *engine = db->db;
    rc = lk_lobby_look(snapshot);
    if (rc != 0) {
        lk_epoch_leave(&engine->epochs, slot);
        return rc;
    }
    struct lk_slice wanted = lk_slice(key, key_bytes);
    uint64_t hash = lk_hash(engine->seed, key, key_bytes);
    struct lk_present present = present_for(engine, snapshot);
    struct lk_missing missing;
    struct lk_record record;
    read->seen = present.lsn;
    lk_read_prefetch(&present, wanted, hash);
    rc = lk_read_find(engine, &present, wanted, hash, &record, &missing);
    lk_lobby_looked(snapshot); /* what is lent stays: the slot holds versions that the transaction replaces */
    struct lk_epoch_slot *held = hold_of(engine, slot);
    if (rc == 0) {
        lk_epoch_count(&held->gets);
        read->value = (struct lsmkv_slice){record.value.at, record.value.len};
        read->hold = held;
        return 0;
    }
    if (rc == LSMKV_NOTFOUND) {
        lk_epoch_count(&held->gets);
        lk_epoch_count(&held->misses);
    }
    lk_epoch_leave(&engine->epochs, slot);
    return rc;
}

void lsmkv_read_end(struct lsmkv_read *read)
{
    struct lk_epoch_slot *slot = read->hold;
    read->hold = NULL;
    if (slot)
        atomic_store_explicit(&slot->stamp, 0, memory_order_release);
}

int lsmkv_read_many_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const struct lsmkv_slice *keys, size_t count,
                          struct lsmkv_slice *values, int *results, struct lsmkv_read *read)
{
    uint64_t hashes[LSMKV_READ_MANY];
    int rc = 0, slot = lk_handle_slot(db, &rc);
    if (slot < 0)
        return rc;
    struct lk_db *engine = db->db;
    rc = lk_lobby_look(snapshot);
    if (rc != 0) {
        lk_epoch_leave(&engine->epochs, slot);
        return rc;
    }
    struct lk_epoch_slot *held = hold_of(engine, slot);
    struct lk_present present = present_for(engine, snapshot);
    count = count < LSMKV_READ_MANY ? count : LSMKV_READ_MANY;
    for (size_t i = 0; i < count; i++) {
        hashes[i] = lk_hash(engine->seed, keys[i].data, keys[i].size);
        lk_read_prefetch(&present, lk_slice(keys[i].data, keys[i].size), hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct lk_missing missing;
        struct lk_record record;
        results[i] = lk_read_find(engine, &present, lk_slice(keys[i].data, keys[i].size), hashes[i], &record, &missing);
        if (results[i] == 0)
            values[i] = (struct lsmkv_slice){record.value.at, record.value.len};
        lk_epoch_count(&held->gets);
        if (results[i] == LSMKV_NOTFOUND)
            lk_epoch_count(&held->misses);
    }
    lk_lobby_looked(snapshot);
    *read = (struct lsmkv_read){.seen = present.lsn, .hold = held};
    return 0;
}

static int get_copy(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes, struct lk_buf *value)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_lobby_look(snapshot);
    if (rc == 0) {
        rc = lk_read_copy(db->db, snapshot ? &snapshot->at : NULL, lk_slice(key, key_bytes), value);
        lk_lobby_looked(snapshot);
    }
    lk_handle_leave(db);
    return rc;
}

int lsmkv_get(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes, void **value,
              size_t *value_bytes)
{
    struct lk_buf copy = {0};
    *value = NULL;
    *value_bytes = 0;
    int rc = get_copy(db, snapshot, key, key_bytes, &copy);
    if (rc == 0)
        rc = lk_buf_reserve(&copy, 1); /* an empty value has an address too */
    if (rc != 0) {
        lk_buf_deinit(&copy);
        return rc;
    }
    *value = copy.at;
    *value_bytes = copy.len;
    return 0;
}

int lsmkv_exists(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes)
{
    struct lsmkv_read read;
    struct lk_buf copy = {0};
    int rc = lsmkv_read_begin(db, snapshot, key, key_bytes, &read);
    if (rc == 0)
        lsmkv_read_end(&read);
    if (rc != LSMKV_WOULDBLOCK)
        return rc;
    rc = get_copy(db, snapshot, key, key_bytes, &copy);
    lk_buf_deinit(&copy);
    return rc;
}

void lsmkv_free(void *owned)
{
    lk_free(owned);
}
