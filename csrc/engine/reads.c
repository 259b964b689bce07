/* reads: the hash set and its ranges. */
#include "engine/reads.h"

#include "util/alloc.h"

enum { FIRST_SLOTS = 16 };

int lk_reads_new(struct lk_reads **out)
{
    struct lk_reads *reads = *out = lk_alloc_zero(sizeof *reads);
    if (!reads)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a transaction began");
    atomic_store(&reads->references, 1);
    return 0;
}

void lk_reads_ref(struct lk_reads *reads)
{
    atomic_fetch_add_explicit(&reads->references, 1, memory_order_relaxed);
}

void lk_reads_unref(struct lk_reads *reads)
{
    if (!reads || atomic_fetch_sub_explicit(&reads->references, 1, memory_order_acq_rel) != 1)
        return;
    lk_ranges_deinit(&reads->ranges);
    lk_buf_deinit(&reads->bytes);
    lk_free(reads->slots);
    lk_free(reads);
}

int lk_reads_enter(struct lk_reads *reads)
{
    if (atomic_exchange_explicit(&reads->busy, 1, memory_order_acquire))
        return lk_fail(LSMKV_BUSY, "the transaction is in use by another thread: give each thread its own");
    if (!atomic_load(&reads->over))
        return 0;
    lk_reads_leave(reads);
    return lk_fail(LSMKV_INVALID, "the transaction is over: begin another one");
}

void lk_reads_leave(struct lk_reads *reads)
{
    atomic_store_explicit(&reads->busy, 0, memory_order_release);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The key's slot, or the free one where it would go. */
static struct lk_read_key *slot_of(const struct lk_reads *reads, struct lk_slice key, uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash & (reads->slot_count - 1);; i = (i + 1) & (reads->slot_count - 1)) {
        struct lk_read_key *slot = &reads->slots[i];
        if (!slot->taken || (slot->hash == hash && lk_equal(lk_slice(reads->bytes.at + slot->at, slot->len), key)))
            return slot;
    }
}

static int make_room(struct lk_reads *reads)
{
    if (reads->key_count < reads->slot_count / 2)
        return 0;
    uint32_t count = reads->slot_count ? 2 * reads->slot_count : FIRST_SLOTS, mask = count - 1;
    struct lk_read_key *slots = count ? lk_alloc_zero(count * sizeof *slots) : NULL;
    if (!slots)
        return lk_fail(LSMKV_NOMEM, "memory ran out: a transaction that looked at %u keys cannot remember one more",
                       reads->key_count);
    for (uint32_t i = 0; i < reads->slot_count; i++) {
        uint32_t to = (uint32_t)reads->slots[i].hash & mask;
        while (reads->slots[i].taken && slots[to].taken)
            to = (to + 1) & mask;
        if (reads->slots[i].taken)
            slots[to] = reads->slots[i];
    }
    lk_free(reads->slots);
    reads->slots = slots;
    reads->slot_count = count;
    return 0;
}

int lk_reads_key(struct lk_reads *reads, struct lk_slice key, uint64_t hash)
{
    if (lk_reads_have(reads, key, hash))
        return 0;
    int rc = make_room(reads);
    if (rc == 0)
        rc = lk_buf_append(&reads->bytes, key.at, key.len);
    if (rc < 0)
        return rc;
    *slot_of(reads, key, hash) = (struct lk_read_key){hash, reads->bytes.len - key.len, (uint32_t)key.len, 1};
    reads->key_count++;
    return 0;
}

int lk_reads_range(struct lk_reads *reads, struct lk_slice start, const struct lk_slice *stop)
{
    return lk_ranges_add(&reads->ranges, start, stop);
}

int lk_reads_have(const struct lk_reads *reads, struct lk_slice key, uint64_t hash)
{
    return (reads->slot_count && slot_of(reads, key, hash)->taken) ||
           (reads->ranges.count && lk_ranges_find(&reads->ranges, key));
}
