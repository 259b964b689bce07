/* read: one key, newest place first.
 *
 *   hash -> slot -> prefetch the line of every source that may hold the key -> newest to oldest -> lend in place
 *
 * What a reader sees is a version and a limit: the LSN visible to him, as an offset in the version's active
 * segment. Everything else in the version he sees wholly. */
#ifndef LK_ENGINE_READ_H
#define LK_ENGINE_READ_H

#include "engine/db.h"
#include "engine/reads.h"

/* A frozen state. Shared. */
struct lk_snapshot {
    struct lk_db *db;              /* borrowed: the handle keeps it */
    struct lk_version *version;    /* shared */
    uint64_t lsn, limit, wall_ns, taken_ns;
    /* Of a transaction (engine/transaction.h); else zero. */
    uint64_t own_limit;            /* how much of memtables[0] is seen */
    uint32_t own;                  /* its memtables: the first so many of the version */
    struct lk_reads *reads;        /* shared: what is looked up is remembered there */
};

/* Where the present stands: the version (valid within the slot) and the limits that go with it. */
struct lk_present {
    struct lk_version *version;
    uint64_t lsn, limit, wall_ns;
    uint64_t own_limit;            /* as in a snapshot */
    uint32_t own;
    struct lk_reads *reads;        /* borrowed */
    struct lk_scratch *scratch;    /* borrowed: where records of packed pages are unpacked to */
};

/* How much is seen of the version's i-th memtable: the active segment up to the LSN, what a transaction wrote up to
 * the moment, all of the others. */
static inline uint64_t lk_present_limit(const struct lk_present *present, uint32_t i)
{
    return i == present->own ? present->limit : i == 0 ? present->own_limit : UINT64_MAX;
}

static inline struct lk_present lk_present_of(const struct lk_snapshot *snapshot)
{
    return (struct lk_present){.version = snapshot->version,
                               .lsn = snapshot->lsn,
                               .limit = snapshot->limit,
                               .wall_ns = snapshot->wall_ns,
                               .own_limit = snapshot->own_limit,
                               .own = snapshot->own,
                               .reads = snapshot->reads};
}

/* Inside an epoch slot. The version is loaded first, then the LSN, clipped to the version's active segment. */
static inline struct lk_present lk_read_present(struct lk_db *db)
{
    struct lk_present present = {0};
    present.version = atomic_load_explicit(&db->version, memory_order_acquire);
    uint64_t lsn = atomic_load_explicit(&db->lsn_visible, memory_order_acquire);
    uint32_t number = present.version->memtables[0]->segment->number;
    present.limit = lk_lsn_number(lsn) == number ? lk_lsn_offset(lsn) : lk_lsn_number(lsn) > number ? UINT32_MAX : 0;
    present.lsn = lk_lsn(number, present.limit);
    return present; /* wall_ns: asked for only when a record has an expiry */
}

/* The slot's scratch, with nothing in it: what is lent stays until the slot is left. */
static inline struct lk_scratch *lk_read_scratch(struct lk_db *db, int slot)
{
    struct lk_scratch *scratch = &db->epochs.slots[slot].scratch;
    scratch->used = 0;
    return scratch;
}

/* Look `key` up. Inside an epoch slot. 0 and *record in place; NOTFOUND; WOULDBLOCK with *missing; a failure.
 * present->reads remembers the key unless the transaction's own writes answer. A record of a packed page stands in
 * present->scratch; when that has no room left the answer is WOULDBLOCK. */
LK_MUST_CHECK int lk_read_find(struct lk_db *db, const struct lk_present *present, struct lk_slice key, uint64_t hash,
                               struct lk_record *record, struct lk_missing *missing);
/* Start fetching what lk_read_find will look at. */
void lk_read_prefetch(const struct lk_present *present, struct lk_slice key, uint64_t hash);

/* What is known of an answer beside the value: when it expires (0: never, also when there is none), and the LSN at which
 * it held. */
struct lk_answer {
    uint64_t expiry, seen;
};
/* May wait. *out is a private copy of the value; NULL: only whether it is there. snapshot NULL: the present. */
LK_MUST_CHECK int lk_read_answer(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key,
                                 struct lk_buf *out, struct lk_answer *answer);
LK_MUST_CHECK int lk_read_copy(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key,
                               struct lk_buf *out);

/* Does the key say the same in both states, its expiry included? 1, 0, or a failure. May wait. */
LK_MUST_CHECK int lk_read_same(struct lk_db *db, const struct lk_snapshot *a, const struct lk_snapshot *b,
                               struct lk_slice key);

/* Is the key there now? 0 or NOTFOUND; *seen is the LSN at which that held. try: inside an epoch slot, WOULDBLOCK
 * possible. wait: outside. */
LK_MUST_CHECK int lk_read_exists_try(struct lk_db *db, int slot, struct lk_slice key, uint64_t *seen);
LK_MUST_CHECK int lk_read_exists_wait(struct lk_db *db, struct lk_slice key, uint64_t *seen);

/* Claim a slot, waiting for one if need be. */
int lk_read_enter(struct lk_db *db);

/* snapshot.c */
LK_MUST_CHECK int lk_snapshot_take(struct lk_db *db, struct lk_snapshot *out); /* no slot held */
void lk_snapshot_share(const struct lk_snapshot *snapshot, struct lk_snapshot *out);
void lk_snapshot_drop(struct lk_snapshot *snapshot);

#endif
