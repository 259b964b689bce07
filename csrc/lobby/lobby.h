/* lobby: where calls of lsmkv.h come in. Each file checks arguments and the handle, calls the engine, nothing else.
 * This header: what the handles are, and the checks the files share. */
#ifndef LK_LOBBY_LOBBY_H
#define LK_LOBBY_LOBBY_H

#include "include/lsmkv.h"

#include "engine/commit.h"
#include "engine/handle.h"
#include "engine/read.h"
#include "store/batch.h"
#include "util/alloc.h"

struct lsmkv_snapshot {
    struct lsmkv *handle; /* shared */
    struct lk_snapshot at;
};

struct lsmkv_batch {
    struct lk_batch records;
};

/* A call reads at `snapshot` (NULL: the present): look before, looked after. A transaction's serves one thread at a time.
 * look: 0, BUSY, or INVALID when it is over. */
static inline int lk_lobby_look(const lsmkv_snapshot *snapshot)
{
    return snapshot && snapshot->at.reads ? lk_reads_enter(snapshot->at.reads) : 0;
}
static inline void lk_lobby_looked(const lsmkv_snapshot *snapshot)
{
    if (snapshot && snapshot->at.reads)
        lk_reads_leave(snapshot->at.reads);
}

/* Beyond this a copy takes longer than the interpreter lock should be held. */
enum { LK_TRY_COPY_MAX = 64 * 1024 };

static inline int lk_lobby_sizes(size_t key_bytes, size_t value_bytes)
{
    if (key_bytes > LSMKV_KEY_MAX)
        return lk_fail(LSMKV_INVALID, "the key has %zu bytes; at most %u are possible", key_bytes, LSMKV_KEY_MAX);
    if (value_bytes > LSMKV_VALUE_MAX)
        return lk_fail(LSMKV_INVALID, "the value has %zu bytes; at most %u are possible", value_bytes, LSMKV_VALUE_MAX);
    return 0;
}

/* ---- keys: from the user's to the stored one, and back ------------------------------------ */

/* A key as logs and tables hold it (format/space.h). Usually the caller's own bytes; else a copy behind its prefix. */
struct lk_lobby_key {
    struct lk_slice key; /* borrowed from the caller, or from one of: */
    uint8_t small[128];
    uint8_t *large; /* owned, or NULL */
};
/* Checks the size. 0; INVALID or NOMEM, and nothing to drop. */
static inline int lk_lobby_key_take(const lsmkv *db, const void *key, size_t key_bytes, struct lk_lobby_key *out)
{
    (void)db;
    out->large = NULL;
    out->key = lk_slice(key, key_bytes);
    return lk_lobby_sizes(key_bytes, 0);
}
static inline void lk_lobby_key_drop(struct lk_lobby_key *key)
{
    lk_free(key->large);
}

static inline int lk_lobby_writable(const lsmkv *db)
{
    return db->readonly
               ? lk_fail(LSMKV_READONLY, "the store was opened for reading only: open it with flag=\"w\" to write")
               : 0;
}

static inline int lk_lobby_syncs(const lsmkv *db, int sync)
{
    return sync < 0 ? db->db->options.durability == LSMKV_SYNC_ALWAYS : sync;
}

static inline struct lk_record lk_lobby_put(const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    return (struct lk_record){.key = lk_slice(key, key_bytes), .value = lk_slice(value, value_bytes), .flags = LK_PUT};
}

/* What an expiry of lsmkv.h says about a put. */
static inline void lk_lobby_expiry(const lsmkv *db, uint64_t expiry_ns, struct lk_record *record)
{
    (void)db;
    if (expiry_ns == LSMKV_EXPIRY_DEFAULT || expiry_ns == LSMKV_EXPIRY_NEVER)
        return;
    record->flags |= LK_RECORD_EXPIRY;
    record->expiry = expiry_ns;
}

static inline int lk_lobby_range(const struct lsmkv_slice *start, const struct lsmkv_slice *stop, struct lk_record *out)
{
    *out = (struct lk_record){.flags = LK_RANGE_DELETE};
    out->key = start ? lk_slice(start->data, start->size) : lk_slice("", 0);
    if (stop)
        out->value = lk_slice(stop->data, stop->size);
    else
        out->flags |= LK_RECORD_OPEN_END;
    int rc = lk_lobby_sizes(out->key.len, 0);
    return rc == 0 && stop ? lk_lobby_sizes(stop->size, 0) : rc;
}

static inline int lk_lobby_range_is_empty(const struct lk_record *record)
{
    return !(record->flags & LK_RECORD_OPEN_END) && lk_compare(record->key, record->value) >= 0;
}

#endif
