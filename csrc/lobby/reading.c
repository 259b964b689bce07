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

static uint64_t expiry_of(uint64_t stored)
{
    return stored ? stored : LSMKV_EXPIRY_NEVER;
}

/* One that has to be repeated is counted when it ends. */
static inline void count_get(struct lk_epoch_slot *held, int rc)
{
    if (rc == 0 || rc == LSMKV_NOTFOUND)
        lk_epoch_count(&held->gets);
    if (rc == LSMKV_NOTFOUND)
        lk_epoch_count(&held->misses);
}

static int read_begin(lsmkv *db, const lsmkv_snapshot *snapshot, struct lk_slice wanted, struct lsmkv_read *read)
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
    uint64_t hash = lk_hash(engine->seed, wanted.at, wanted.len);
    struct lk_present present = present_for(engine, snapshot);
    present.scratch = lk_read_scratch(engine, slot);
    struct lk_missing missing;
    struct lk_record record;
    lk_read_prefetch(&present, wanted, hash);
    rc = lk_read_find(engine, &present, wanted, hash, &record, &missing);
    if (rc == 0)
        rc = lk_values_show(&engine->values, &record);
    lk_lobby_looked(snapshot); /* what is lent stays: the slot holds versions that the transaction replaces */
    struct lk_epoch_slot *held = hold_of(engine, slot);
    read->seen = present.lsn;
    count_get(held, rc);
    if (rc == 0) {
        read->value = (struct lsmkv_slice){record.value.at, record.value.len};
        read->expiry_ns = expiry_of(record.expiry);
        read->hold = held;
        return 0;
    }
    lk_epoch_leave(&engine->epochs, slot);
    return rc;
}

static __attribute__((noinline)) int read_begin_prefixed(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key,
                                                         size_t key_bytes, struct lsmkv_read *read)
{
    struct lk_lobby_key wanted;
    int rc = lk_lobby_key_take(db, key, key_bytes, &wanted);
    if (rc != 0)
        return rc;
    rc = read_begin(db, snapshot, wanted.key, read);
    lk_lobby_key_drop(&wanted);
    return rc;
}

int lsmkv_read_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes,
                     struct lsmkv_read *read)
{
    if (lk_lobby_key_is_plain(db->space, key, key_bytes))
        return read_begin(db, snapshot, lk_slice(key, key_bytes), read);
    return read_begin_prefixed(db, snapshot, key, key_bytes, read);
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
    struct lk_lobby_key wanted[LSMKV_READ_MANY];
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
    present.scratch = lk_read_scratch(engine, slot);
    count = count < LSMKV_READ_MANY ? count : LSMKV_READ_MANY;
    for (size_t i = 0; i < count; i++) {
        results[i] = lk_lobby_key_take(db, keys[i].data, keys[i].size, &wanted[i]);
        if (results[i] != 0)
            continue;
        hashes[i] = lk_hash(engine->seed, wanted[i].key.at, wanted[i].key.len);
        lk_read_prefetch(&present, wanted[i].key, hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct lk_missing missing;
        struct lk_record record;
        if (results[i] != 0)
            continue;
        results[i] = lk_read_find(engine, &present, wanted[i].key, hashes[i], &record, &missing);
        lk_lobby_key_drop(&wanted[i]);
        if (results[i] == 0)
            results[i] = lk_values_show(&engine->values, &record);
        if (results[i] == 0)
            values[i] = (struct lsmkv_slice){record.value.at, record.value.len};
        count_get(held, results[i]);
    }
    lk_lobby_looked(snapshot);
    *read = (struct lsmkv_read){.hold = held, .seen = present.lsn};
    return 0;
}

/* value NULL: only whether it is there. */
static int get_copy(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes, struct lk_buf *value,
                    struct lk_answer *answer)
{
    struct lk_lobby_key wanted;
    *answer = (struct lk_answer){0};
    int rc = lk_lobby_key_take(db, key, key_bytes, &wanted);
    if (rc != 0)
        return rc;
    rc = lk_handle_enter(db);
    if (rc == 0) {
        rc = lk_lobby_look(snapshot);
        if (rc == 0) {
            rc = lk_read_answer(db->db, snapshot ? &snapshot->at : NULL, wanted.key, value, answer);
            lk_lobby_looked(snapshot);
            int slot = lk_read_enter(db->db);
            count_get(hold_of(db->db, slot), rc);
            lk_epoch_leave(&db->db->epochs, slot);
        }
        lk_handle_leave(db);
    }
    lk_lobby_key_drop(&wanted);
    return rc;
}

int lsmkv_get_answer(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes,
                     struct lsmkv_answer *out)
{
    struct lk_buf copy = {0};
    struct lk_answer answer;
    int rc = get_copy(db, snapshot, key, key_bytes, &copy, &answer);
    if (rc == 0)
        rc = lk_buf_reserve(&copy, 1); /* an empty value has an address too */
    *out = (struct lsmkv_answer){.seen = answer.seen};
    if (rc != 0) {
        lk_buf_deinit(&copy);
        return rc;
    }
    out->value = copy.at;
    out->value_bytes = copy.len;
    out->expiry_ns = expiry_of(answer.expiry);
    return 0;
}

int lsmkv_get(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes, void **value,
              size_t *value_bytes)
{
    struct lsmkv_answer answer;
    int rc = lsmkv_get_answer(db, snapshot, key, key_bytes, &answer);
    *value = answer.value;
    *value_bytes = answer.value_bytes;
    return rc;
}

int lsmkv_exists(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes)
{
    struct lsmkv_read read;
    struct lk_answer answer;
    int rc = lsmkv_read_begin(db, snapshot, key, key_bytes, &read);
    if (rc == 0)
        lsmkv_read_end(&read);
    if (rc != LSMKV_WOULDBLOCK)
        return rc;
    return get_copy(db, snapshot, key, key_bytes, NULL, &answer);
}

void lsmkv_free(void *owned)
{
    lk_free(owned);
}
