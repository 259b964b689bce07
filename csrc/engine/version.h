/* version: the immutable, ordered list of everything a reader has to look at, newest first:
 *
 *      memtables[0]  the active segment
 *      memtables[1..]  sealed segments (L0), newest first
 *      runs[0..]     sorted runs, newest first; the last is the bottom
 *
 * Replaced as a whole by one pointer swap. Readers find it inside an epoch slot; what outlives the slot
 * holds a reference. A change is made from the present version by lk_version_change, which shares all
 * that stays. Runs and their tables are shared and counted too.
 *
 * While runs are being merged, inputs name the run their smaller keys have moved to (`into`) and the bound
 * below which they no longer count; the output run covers exactly the keys below that bound. */
#ifndef LK_ENGINE_VERSION_H
#define LK_ENGINE_VERSION_H

#include "store/memtable.h"
#include "store/table.h"

struct lk_view;

struct lk_run {
    _Atomic uint32_t references;
    uint32_t id;
    uint32_t into;          /* 0, or the run that has taken over keys < bound */
    struct lk_slice bound;  /* owned; meaningful when into != 0 */
    uint32_t count;
    struct lk_table **tables; /* owned array of shared tables, ascending by interval */
    uint64_t *heads; /* owned: of each table the first eight bytes of meta.lo (lk_head), side by side in few lines */
    struct lk_ranges ranges; /* owned: the range deletes of all tables, from the bound on */
    uint64_t records, tombstones, expiring; /* of all tables */
};

struct lk_version {
    _Atomic uint32_t references;
    uint32_t memtable_count, run_count;
    uint64_t installs; /* of runs, before it and by it: each may have taken away what had expired, or the oldest data */
    struct lk_memtable **memtables; /* owned array of shared */
    struct lk_run **runs; /* owned array of shared */
    struct lk_view *view; /* shared; NULL: none. One order over memtables[view_from..] */
    uint32_t view_from;
    struct lk_version *left_next; /* nobody's any more: in the keeper's list */
};

/* A run of `count` tables (references are taken). bound is copied. NULL: memory ran out. */
struct lk_run *lk_run_new(uint32_t id, struct lk_table *const *tables, uint32_t count, uint32_t into,
                          struct lk_slice bound);
void lk_run_ref(struct lk_run *run);
void lk_run_unref(struct lk_run *run);
uint64_t lk_run_bytes(const struct lk_run *run);
uint64_t lk_run_value_bytes(const struct lk_run *run); /* of value segments that its tables refer to */
/* The table of the run that answers for `key`; NULL: none (moved, or not covered). */
static inline struct lk_table *lk_run_table(const struct lk_run *run, struct lk_slice key)
{
    if (run->into && lk_compare(key, run->bound) < 0)
        return NULL;
    uint64_t head = lk_head(key, 0);
    uint32_t low = 0, high = run->count; /* the last table with lo <= key */
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (run->heads[middle] < head ||
            (run->heads[middle] == head && lk_compare(run->tables[middle]->meta.lo, key) <= 0))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    struct lk_table *table = run->tables[low - 1];
    return table->meta.hi_open || lk_compare(key, table->meta.hi) < 0 ? table : NULL;
}

/* A version with these memtables and runs, in this order; references are taken. NULL: memory ran out. */
struct lk_version *lk_version_new(struct lk_memtable *const *memtables, uint32_t memtable_count,
                                  struct lk_run *const *runs, uint32_t run_count, uint64_t installs);
/* The part of a version that stood when its memtable `index` was the active one: that and older ones, all runs, no
 * view. NULL: memory ran out. */
struct lk_version *lk_version_from(const struct lk_version *version, uint32_t index);
/* Index of the memtable over this segment; memtable_count when it is not there. */
uint32_t lk_version_find(const struct lk_version *version, uint32_t segment);
/* Does it hold a record with an expiry? */
int lk_version_expires(const struct lk_version *version);
void lk_version_ref(struct lk_version *version);
void lk_version_unref(struct lk_version *version);
/* The two halves of unref: 1 when that was the last reference, and the caller must see to it that it is freed. Freeing
 * may unmap and remove files. */
LK_MUST_CHECK int lk_version_let_go(struct lk_version *version);
void lk_version_free(struct lk_version *version);
void lk_version_release(void *version); /* the same, as lk_epoch_retire wants it */

/* 0 when runs are sorted and disjoint, intervals tile, no number repeats, `into` names a present run, and
 * no input overlaps the run its keys went to; else a CORRUPT failure that tells why. */
LK_MUST_CHECK int lk_version_check(const struct lk_version *version);

#endif
