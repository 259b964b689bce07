/* install: the one way in which the set of sources changes.
 *
 *      data synced -> directory synced -> edit appended and synced -> new version -> old files go
 *
 * Under work_mutex (all), and for the swap under write_mutex, so that rotation (which adds a memtable) and
 * installs never lose each other's change. */
#ifndef LK_ENGINE_INSTALL_H
#define LK_ENGINE_INSTALL_H

#include "engine/db.h"
#include "engine/shadow.h"

struct lk_change {
    /* Memtables that leave: those whose segment number is <= this (never the active one). 0: none. */
    uint32_t memtables_through;
    /* The complete new list of runs, newest first (references are taken). */
    struct lk_run *const *runs;
    uint32_t run_count;
    /* Tables in runs that the manifest does not know yet. */
    struct lk_table *const *added;
    uint32_t added_count;
    /* Tables it knows that are in no run any more: marked obsolete once the edit is durable. */
    struct lk_table *const *dropped;
    uint32_t dropped_count;
    /* A table that leaves its run and is among those added, opened anew under another interval; NULL: none. */
    const struct lk_table *moved;
    int loses; /* data leaves the store with the dropped tables, so no earlier count holds */
    /* What the added tables shadow in others; NULL: nothing. */
    const struct lk_shadow *shadow;
    uint64_t lsn_named; /* the change names data up to this LSN; 0 when the log need not be durable for it */
};

/* Make the change durable, then visible. work_mutex held. On failure nothing changed in memory; a
 * manifest failure is sticky (db->manifest.failed). */
LK_MUST_CHECK int lk_install(struct lk_db *db, const struct lk_change *change);

/* The present version, shared. Takes write_mutex. */
struct lk_version *lk_install_present(struct lk_db *db);

/* The complete first edit of a manifest, from the present version. work_mutex held. closed: 1 to state a
 * clean close at the appended LSN. */
LK_MUST_CHECK int lk_install_complete(struct lk_db *db, struct lk_buf *out, int closed);

#endif
