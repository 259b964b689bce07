/* lobby: where calls of lsmkv.h come in. Each file checks arguments and the handle, calls the engine, nothing else.
 * This header: what the handles are, and the checks the files share. */
#ifndef LK_LOBBY_LOBBY_H
#define LK_LOBBY_LOBBY_H

#include "include/lsmkv.h"

#include "engine/clock.h"
#include "engine/commit.h"
#include "engine/handle.h"
#include "engine/pin.h"
#include "engine/read.h"
#include "format/space.h"
#include "store/batch.h"
#include "util/alloc.h"

struct lsmkv_snapshot {
    struct lsmkv *handle; /* shared */
    struct lk_snapshot at;
    struct lk_pin *pin; /* owned; NULL: it never expires */
    _Atomic uint64_t counted; /* keys of the handle's namespace and one; 0: not counted */
};

/* handles.c: the handles of one store that a batch or a transaction went through, each once. They must still be open
 * when it takes effect: a namespace that was dropped meanwhile must not be written to. */
struct lk_lobby_handles {
    struct lsmkv **at; /* owned array of shared */
    uint32_t count, cap;
};
/* 0; INVALID for a handle of another store; NOMEM. */
LK_MUST_CHECK int lk_lobby_handles_add(struct lk_lobby_handles *handles, struct lsmkv *db);
/* INVALID when `db` is of another store. */
LK_MUST_CHECK int lk_lobby_handles_agree(const struct lk_lobby_handles *handles, const struct lsmkv *db);
/* Within a slot: 0, or the first that is closed refuses. Whoever closes one waits for the slot to be left. */
LK_MUST_CHECK int lk_lobby_handles_check(const struct lk_lobby_handles *handles);
/* Enter all of them, so that none is closed meanwhile; *entered of them must be left again, also on failure. */
LK_MUST_CHECK int lk_lobby_handles_enter(const struct lk_lobby_handles *handles, uint32_t *entered);
void lk_lobby_handles_leave(const struct lk_lobby_handles *handles, uint32_t entered);
void lk_lobby_handles_drop(struct lk_lobby_handles *handles); /* empties, keeps memory */
void lk_lobby_handles_deinit(struct lk_lobby_handles *handles);

struct lsmkv_batch {
    struct lk_batch records;
    struct lsmkv *through; /* borrowed from `used`; NULL: what is added now goes into the default space, for ever */
    struct lk_lobby_handles used;
};

/* A call reads at `snapshot` (NULL: the present): look before, looked after. A transaction's serves one thread at a time.
 * look: 0, BUSY, INVALID when it is over, or EXPIRED. */
static inline int lk_lobby_look(const lsmkv_snapshot *snapshot)
{
    if (snapshot && snapshot->pin)
        return lk_pin_use(snapshot->pin);
    return snapshot && snapshot->at.reads ? lk_reads_enter(snapshot->at.reads) : 0;
}
static inline void lk_lobby_looked(const lsmkv_snapshot *snapshot)
{
    if (snapshot && snapshot->pin)
        lk_pin_unuse(snapshot->pin);
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
    uint8_t *large; /* owned, or NULL */
    uint8_t small[128];
};
/* keys.c: a key that gets a prefix; and where a space begins or ends. */
LK_MUST_CHECK int lk_lobby_key_prefix(uint32_t space, const void *key, size_t key_bytes, struct lk_lobby_key *out);

/* Is it stored as it is? Most are: hot calls ask, and go on with the caller's bytes and without a struct lk_lobby_key. */
static inline int lk_lobby_key_is_plain(uint32_t space, const void *key, size_t key_bytes)
{
    return space == LK_SPACE_DEFAULT && key_bytes - 1 < LSMKV_KEY_MAX && *(const uint8_t *)key != LK_SPACE_ESCAPE;
}

/* Checks the size. 0; INVALID or NOMEM, and nothing to drop. */
static inline int lk_lobby_key_in(uint32_t space, const void *key, size_t key_bytes, struct lk_lobby_key *out)
{
    out->large = NULL;
    out->key = lk_slice(key, key_bytes);
    if (key_bytes > LSMKV_KEY_MAX)
        return lk_lobby_sizes(key_bytes, 0);
    if (space == LK_SPACE_DEFAULT && (key_bytes == 0 || *(const uint8_t *)key != LK_SPACE_ESCAPE))
        return 0;
    return lk_lobby_key_prefix(space, key, key_bytes, out);
}
static inline int lk_lobby_key_take(const lsmkv *db, const void *key, size_t key_bytes, struct lk_lobby_key *out)
{
    return lk_lobby_key_in(db->space, key, key_bytes, out);
}
static inline void lk_lobby_key_drop(struct lk_lobby_key *key)
{
    if (key->large)
        lk_free(key->large);
}

/* Give the put its expiry, as the caller named it. LSMKV_EXPIRY_DEFAULT: what the handle says; db NULL: never.
 * The clock is the caller's: within a call that is counted, or a slot. */
static inline void lk_lobby_expire(const lsmkv *db, uint64_t expiry_ns, struct lk_record *record)
{
    if (expiry_ns == LSMKV_EXPIRY_DEFAULT)
        expiry_ns = db && db->ttl_ns ? lk_wall_after(db->db, db->ttl_ns) : LSMKV_EXPIRY_NEVER;
    if (expiry_ns == LSMKV_EXPIRY_NEVER)
        return;
    record->expiry = expiry_ns;
    record->flags |= LK_RECORD_EXPIRY;
}

/* keys.c: start <= key < stop, with the ends of the space where the caller names none (NULL), as the range delete it
 * would be. The same results. */
struct lk_lobby_range {
    struct lk_record record; /* key and value borrowed from: */
    struct lk_lobby_key start, stop;
};
LK_MUST_CHECK int lk_lobby_range_take(uint32_t space, const struct lsmkv_slice *start, const struct lsmkv_slice *stop,
                                      struct lk_lobby_range *out);
void lk_lobby_range_drop(struct lk_lobby_range *range);
static inline int lk_lobby_range_is_empty(const struct lk_lobby_range *range)
{
    return lk_compare(range->record.key, range->record.value) >= 0;
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

#endif
