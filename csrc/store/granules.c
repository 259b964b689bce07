/* granules: readiness, filling, private copies.
 *
 * Memory order. The filler's copy happens before its release store of "ready"; whoever loads "ready"
 * with acquire sees the bytes. Nobody but the claimer writes to a granule's bytes, and the claim needs
 * the state absent, which comes only after all readers of the bytes before have left (cache.c).
 *
 * In the mapped source every granule is hot from its filling on; only the read source clears the bit. */
#include "store/granules.h"

#include "util/alloc.h"
#include "util/checksum.h"

enum { RUN_MAX = 32, COPY_MAX = 64 }; /* granules read at once: filled, copied */

/* ---- open, close ---------------------------------------------------------------------------- */

static int open_range(struct lk_granules *granules, int mapped)
{
    const struct lk_env_ops *ops = granules->env->ops;
    void *at = NULL;
    int rc = -1;

    if (mapped)
        rc = ops->map(granules->file, granules->bytes, 0, &at);
    granules->mapped = rc == 0;
    if (rc < 0)
        rc = ops->reserve(granules->env, granules->bytes, &at);
    if (rc < 0)
        return lk_fail_os(-rc, "reserve address space", granules->name);
    granules->base = at;
    granules->mapped_bytes = granules->bytes;
    return 0;
}

int lk_granules_open(struct lk_granules *granules, struct lk_cache *cache, struct lk_file *file, const char *name,
                     uint64_t identity, uint64_t bytes, uint32_t *checks, int mapped)
{
    *granules = (struct lk_granules){.bytes = bytes,
                                     .cache = cache,
                                     .env = cache->env,
                                     .file = file,
                                     .name = name,
                                     .identity = identity,
                                     .checks = checks,
                                     .index_from = UINT32_MAX,
                                     .count = (uint32_t)(bytes >> LK_GRANULE_SHIFT)};
    granules->state = lk_alloc_zero(granules->count);
    int rc = granules->state ? open_range(granules, mapped)
                             : lk_fail(LSMKV_NOMEM, "memory ran out: no room for the states of %s", name);
    if (rc < 0) {
        lk_granules_close(granules);
        return rc;
    }
    if (!granules->mapped)
        lk_cache_join(cache, granules);
    return 0;
}

void lk_granules_close(struct lk_granules *granules)
{
    if (granules->mapped_bytes && granules->mapped)
        granules->env->ops->unmap(granules->env, (void *)(uintptr_t)granules->base, granules->mapped_bytes);
    if (granules->mapped_bytes && !granules->mapped) {
        lk_cache_leave(granules->cache, granules);
        granules->env->ops->unreserve(granules->env, (void *)(uintptr_t)granules->base, granules->mapped_bytes);
    }
    lk_free((void *)(uintptr_t)granules->state);
    lk_free(granules->checks);
    *granules = (struct lk_granules){0};
}

/* ---- ready ---------------------------------------------------------------------------------- */

/* Exchanged and not stored: it may become evicting under our hand, and then it is not ready. */
static int touch(struct lk_granules *granules, uint64_t index)
{
    uint8_t state = atomic_load_explicit(&granules->state[index], memory_order_acquire);
    return state == LK_GRANULE_HOT ||
           (state == LK_GRANULE_READY &&
            (atomic_compare_exchange_strong_explicit(&granules->state[index], &state, LK_GRANULE_HOT,
                                                     memory_order_acquire, memory_order_acquire) ||
             state == LK_GRANULE_HOT));
}

int lk_granules_ready_slow(struct lk_granules *granules, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++)
        if (!touch(granules, i))
            return 0;
    return 1;
}

/* ---- reading and verifying ------------------------------------------------------------------ */

static int verify(const struct lk_granules *granules, uint32_t index, const uint8_t *bytes)
{
    uint32_t seed = lk_checksum_seed(granules->identity, index);
    if (lk_checksum(seed, bytes, LK_GRANULE) == granules->checks[index])
        return 0;
    uint64_t offset = (uint64_t)index << LK_GRANULE_SHIFT;
    int rc = lk_fail_corrupt(granules->name, offset,
                             "%s: the 4096 bytes at offset %llu fail their checksum; other keys stay readable",
                             granules->name, (unsigned long long)offset);
    lk_error()->recoverable = 1;
    return rc;
}

/* `count` whole granules into `to`, unverified. */
static int read_run(struct lk_granules *granules, struct lk_file *file, uint32_t first, uint32_t count, uint8_t *to)
{
    uint64_t bytes = (uint64_t)count << LK_GRANULE_SHIFT;
    int rc = lk_io_read(granules->env, file, granules->name, (uint64_t)first << LK_GRANULE_SHIFT, to, (size_t)bytes);
    atomic_fetch_add_explicit(&granules->cache->read_bytes, bytes, memory_order_relaxed);
    return rc;
}

/* ---- fill ----------------------------------------------------------------------------------- */

/* Claim absent granules from `first` on, up to `most`. Returns how many are ours now. */
static uint32_t claim(struct lk_granules *granules, uint32_t first, uint32_t most)
{
    uint32_t count = 0;
    for (; count < most; count++) {
        uint8_t absent = LK_GRANULE_ABSENT;
        if (!atomic_compare_exchange_strong_explicit(&granules->state[first + count], &absent, LK_GRANULE_FILLING,
                                                     memory_order_acquire, memory_order_relaxed))
            break;
    }
    return count;
}

/* Where the bytes of claimed granules are read to. The read source has pages there of its own, and nobody looks at them
 * before they are sound; many at once cost less than a fault for each. */
static uint8_t *room_for(struct lk_granules *granules, uint32_t first, uint32_t count, uint8_t *scratch)
{
    uint8_t *at = (uint8_t *)(uintptr_t)granules->base + ((uint64_t)first << LK_GRANULE_SHIFT);
    if (granules->mapped)
        return scratch;
    if (count > 1) /* a refusal leaves it to the faults */
        (void)granules->env->ops->map_prefault(granules->env, at, (uint64_t)count << LK_GRANULE_SHIFT);
    return at;
}

/* The bytes are sound: readers may look. */
static void publish(struct lk_granules *granules, uint32_t index)
{
    const uint8_t *at = granules->base + ((uint64_t)index << LK_GRANULE_SHIFT);
    if (granules->mapped) {
        (void)*(volatile const uint8_t *)at; /* the fault comes here and not in a reader's slot */
    } else {
        atomic_fetch_add_explicit(&granules->cache->used, LK_GRANULE, memory_order_relaxed);
        if (index >= granules->index_from)
            atomic_fetch_add_explicit(&granules->cache->used_index, LK_GRANULE, memory_order_relaxed);
    }
    atomic_store_explicit(&granules->state[index], LK_GRANULE_HOT, memory_order_release);
}

/* Pages that wrong bytes were read to: nobody counts them. Where a page holds several granules, others may be ready. */
static void give_back(struct lk_granules *granules, uint32_t index)
{
    uint8_t *at = (uint8_t *)(uintptr_t)granules->base + ((uint64_t)index << LK_GRANULE_SHIFT);
    if (!granules->mapped && granules->cache->unit == 1)
        (void)granules->env->ops->discard(granules->env, at, LK_GRANULE);
}

/* Fill what we have claimed. What is sound before the first that is not becomes ready; the rest is
 * absent again. */
static int fill_run(struct lk_granules *granules, uint32_t first, uint32_t count, uint8_t *scratch)
{
    uint8_t *to = room_for(granules, first, count, scratch);
    int failed = 0, rc = read_run(granules, granules->file, first, count, to);

    for (uint32_t i = 0; i < count; i++) {
        int bad = rc < 0 || failed ? -1 : verify(granules, first + i, to + ((size_t)i << LK_GRANULE_SHIFT));
        if (bad == 0) {
            publish(granules, first + i);
            continue;
        }
        failed = failed ? failed : bad;
        give_back(granules, first + i);
        atomic_store_explicit(&granules->state[first + i], LK_GRANULE_ABSENT, memory_order_release);
    }
    lk_cache_wake(granules->cache);
    return rc < 0 ? rc : failed;
}

static uint32_t count_unready(const struct lk_granules *granules, uint32_t first, uint32_t last)
{
    uint32_t count = 0;
    for (uint32_t i = first; i <= last; i++)
        count += lk_granule_state(granules, i) != LK_GRANULE_READY;
    return count;
}

static int fill_all(struct lk_granules *granules, uint32_t first, uint32_t last, uint8_t *scratch, uint32_t run_max)
{
    int rc = 0;
    for (uint32_t i = first; rc == 0 && i <= last;) {
        uint32_t left = last - i + 1, ours = claim(granules, i, left < run_max ? left : run_max);
        if (ours) {
            rc = fill_run(granules, i, ours, scratch);
            i += ours;
            continue;
        }
        switch (lk_granule_state(granules, i)) {
        case LK_GRANULE_READY:
            i += (uint32_t)touch(granules, i);
            break;
        case LK_GRANULE_FILLING:
            lk_cache_wait(granules->cache, granules, i);
            break;
        case LK_GRANULE_EVICTING:
            lk_cache_rescue(granules->cache, granules, i);
            break;
        }
    }
    return rc;
}

int lk_granules_fill(struct lk_granules *granules, uint64_t offset, uint64_t bytes)
{
    uint8_t one[LK_GRANULE], *many = NULL;
    uint32_t first = (uint32_t)(offset >> LK_GRANULE_SHIFT);
    uint32_t last = (uint32_t)((offset + bytes - 1) >> LK_GRANULE_SHIFT), unready;

    if (bytes == 0 || (unready = count_unready(granules, first, last)) == 0)
        return 0;
    if (!granules->mapped)
        lk_cache_make_room(granules->cache, (uint64_t)unready << LK_GRANULE_SHIFT);
    if (unready > 1 && granules->mapped)
        many = lk_alloc((size_t)RUN_MAX << LK_GRANULE_SHIFT); /* none: one by one, then */
    int rc = fill_all(granules, first, last, many ? many : one, many || !granules->mapped ? RUN_MAX : 1);
    lk_free(many);
    return rc;
}

/* ---- copy ----------------------------------------------------------------------------------- */

static int copy_part(struct lk_granules *granules, struct lk_file *file, uint64_t offset, size_t bytes, uint8_t *to)
{
    uint8_t scratch[LK_GRANULE];
    uint32_t index = (uint32_t)(offset >> LK_GRANULE_SHIFT);
    int rc = read_run(granules, file, index, 1, scratch);
    if (rc == 0)
        rc = verify(granules, index, scratch);
    if (rc == 0)
        memcpy(to, scratch + (offset & (LK_GRANULE - 1)), bytes);
    return rc;
}

static int copy_whole(struct lk_granules *granules, struct lk_file *file, uint64_t offset, uint32_t count, uint8_t *to)
{
    uint32_t first = (uint32_t)(offset >> LK_GRANULE_SHIFT);
    int rc = read_run(granules, file, first, count, to);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = verify(granules, first + i, to + ((size_t)i << LK_GRANULE_SHIFT));
    return rc;
}

int lk_granules_copy(struct lk_granules *granules, uint64_t offset, uint64_t bytes, void *to)
{
    return lk_granules_copy_through(granules, granules->file, offset, bytes, to);
}

int lk_granules_copy_through(struct lk_granules *granules, struct lk_file *file, uint64_t offset, uint64_t bytes,
                             void *to)
{
    uint8_t *at = to;
    int rc = 0;

    if (offset > granules->bytes || bytes > granules->bytes - offset)
        return lk_fail_corrupt(granules->name, offset, "%s: %llu bytes at offset %llu lie outside the table",
                               granules->name, (unsigned long long)bytes, (unsigned long long)offset);
    while (rc == 0 && bytes) {
        uint64_t skip = offset & (LK_GRANULE - 1), piece = LK_GRANULE - skip;
        if (skip || bytes < LK_GRANULE) {
            piece = piece < bytes ? piece : bytes;
            rc = copy_part(granules, file, offset, (size_t)piece, at);
        } else {
            uint64_t count = bytes >> LK_GRANULE_SHIFT;
            count = count < COPY_MAX ? count : COPY_MAX;
            piece = count << LK_GRANULE_SHIFT;
            rc = copy_whole(granules, file, offset, (uint32_t)count, at);
        }
        offset += piece;
        bytes -= piece;
        at += piece;
    }
    return rc;
}
