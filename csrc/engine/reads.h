/* reads: what a transaction has looked at, so that its commit can ask whether it still stands.
 *
 *   keys     looked up one by one        a hash set with copies of the keys
 *   ranges   walked by iterators         disjoint intervals (store/ranges.h), as far as they were walked
 *
 * Memory only. Shared by the transaction and its iterators, which may outlive it; then it is over and takes nothing
 * more. One thread at a time: whoever uses it enters first and is turned away (BUSY) while another is in. */
#ifndef LK_ENGINE_READS_H
#define LK_ENGINE_READS_H

#include <stdatomic.h>

#include "store/ranges.h"
#include "util/buf.h"

struct lk_read_key {
    uint64_t hash;
    size_t at;      /* of the key in `bytes` */
    uint32_t len;
    uint32_t taken; /* 0: the slot is free */
};

struct lk_reads {
    _Atomic uint32_t references;
    _Atomic int busy, over;
    struct lk_read_key *slots; /* owned; slot_count is a power of two, at most half of them taken */
    uint32_t slot_count, key_count;
    struct lk_buf bytes;       /* owned: the keys */
    struct lk_ranges ranges;   /* owned */
};

LK_MUST_CHECK int lk_reads_new(struct lk_reads **out);
void lk_reads_ref(struct lk_reads *reads);
void lk_reads_unref(struct lk_reads *reads); /* NULL is fine */

/* 0, and lk_reads_leave must follow; BUSY; INVALID when the transaction is over. */
LK_MUST_CHECK int lk_reads_enter(struct lk_reads *reads);
void lk_reads_leave(struct lk_reads *reads);

/* ---- inside ---- */

/* Remember. 0 or NOMEM. Copies. What is there already costs a look. stop NULL: to the end. */
LK_MUST_CHECK int lk_reads_key(struct lk_reads *reads, struct lk_slice key, uint64_t hash);
LK_MUST_CHECK int lk_reads_range(struct lk_reads *reads, struct lk_slice start, const struct lk_slice *stop);

static inline int lk_reads_nothing(const struct lk_reads *reads)
{
    return reads->key_count == 0 && reads->ranges.count == 0;
}
/* Was the key looked at, by itself or in a range? */
int lk_reads_have(const struct lk_reads *reads, struct lk_slice key, uint64_t hash);
/* The key in slot i < slot_count, and its hash; NULL when the slot is free. */
static inline const struct lk_read_key *lk_reads_at(const struct lk_reads *reads, uint32_t i, struct lk_slice *key)
{
    const struct lk_read_key *slot = &reads->slots[i];
    *key = lk_slice(reads->bytes.at + slot->at, slot->len);
    return slot->taken ? slot : NULL;
}

#endif
