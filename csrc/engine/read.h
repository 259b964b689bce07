/* read: one key, newest place first.
 *
 *   hash -> slot -> prefetch the line of every source that may hold the key -> newest to oldest -> lend in place
 *
 * What a reader sees is a version and a limit: the LSN visible to him, as an offset in the version's active
 * segment. Everything else in the version he sees wholly. */
#ifndef LK_ENGINE_READ_H
#define LK_ENGINE_READ_H

#include "engine/db.h"

/* A frozen state. Shared. */
struct lk_snapshot {
    struct lk_db *db;              /* borrowed: the handle keeps it */
    struct lk_version *version;    /* shared */
    uint64_t lsn, limit, wall_ns, taken_ns;
};

/* Where the present stands: the version (valid within the slot) and the limit that goes with it. */
struct lk_present {
    struct lk_version *version;
    uint64_t lsn, limit, wall_ns;
};

/* Inside an epoch slot. The version is loaded first, then the LSN, clipped to the version's active segment. */
static inline struct lk_present lk_read_present(struct lk_db *db)
{
    struct lk_present present;
    present.version = atomic_load_explicit(&db->version, memory_order_acquire);
    uint64_t lsn = atomic_load_explicit(&db->lsn_visible, memory_order_acquire);
    uint32_t number = present.version->memtables[0]->segment->number;
    present.limit = lk_lsn_number(lsn) == number ? lk_lsn_offset(lsn) : lk_lsn_number(lsn) > number ? UINT32_MAX : 0;
    present.lsn = lk_lsn(number, present.limit);
    present.wall_ns = 0; /* asked for only when a record has an expiry */
    return present;
}

/* Look `key` up. Inside an epoch slot. 0 and *record in place; NOTFOUND; WOULDBLOCK with *missing; a failure. */
LK_MUST_CHECK int lk_read_find(struct lk_db *db, const struct lk_present *present, struct lk_slice key, uint64_t hash,
                               struct lk_record *record, struct lk_missing *missing);
/* Start fetching what lk_read_find will look at. */
void lk_read_prefetch(const struct lk_present *present, struct lk_slice key, uint64_t hash);

/* May wait. *out is a private copy of the value; out NULL: only whether it is there. snapshot NULL: the present. */
LK_MUST_CHECK int lk_read_copy(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key,
                               struct lk_buf *out);

/* Is the key there now? 0 or NOTFOUND; *seen is the LSN at which that held. try: inside an epoch slot, WOULDBLOCK
 * possible. wait: outside. */
LK_MUST_CHECK int lk_read_exists_try(struct lk_db *db, struct lk_slice key, uint64_t *seen);
LK_MUST_CHECK int lk_read_exists_wait(struct lk_db *db, struct lk_slice key, uint64_t *seen);

/* Claim a slot, waiting for one if need be. */
int lk_read_enter(struct lk_db *db);

/* snapshot.c */
LK_MUST_CHECK int lk_snapshot_take(struct lk_db *db, struct lk_snapshot *out); /* no slot held */
void lk_snapshot_drop(struct lk_snapshot *snapshot);

#endif
