/* order: making it, and walking a memtable by it. */
#include "store/order.h"

#include <string.h>

#include "os/large.h"
#include "util/alloc.h"
#include "util/sort.h"

enum { TOP_MAX = 512, MIDDLE_MAX = 16 * 1024, AHEAD = 8, FEW = 16 };

static void record_at(const struct lk_memtable *memtable, uint32_t position, struct lk_record *out)
{
    const struct lk_segment *segment = memtable->segment;
    uint64_t offset = (uint64_t)position << segment->shift;
    if (offset >= segment->capacity || !lk_record_get(segment->base + offset, segment->base + segment->capacity, out))
        *out = (struct lk_record){.flags = LK_DELETE}; /* cannot be: only sound records are indexed */
}

static int compare_entries(void *context, const struct lk_entry *a, const struct lk_entry *b)
{
    struct lk_record left, right;
    record_at(context, a->position, &left);
    record_at(context, b->position, &right);
    return lk_compare(left.key, right.key);
}

/* ---- chunks ------------------------------------------------------------------------------ */

static uint64_t chunk_bytes(uint32_t count)
{
    return sizeof(struct lk_chunk) + (uint64_t)count * sizeof(struct lk_entry);
}

static struct lk_chunk *chunk_new(struct lk_env *env, uint32_t count)
{
    struct lk_chunk *chunk = lk_large_new(env, chunk_bytes(count));
    if (chunk) {
        chunk->env = env;
        atomic_init(&chunk->references, 1);
        chunk->count = count;
    }
    return chunk;
}

static void chunk_unref(struct lk_chunk *chunk)
{
    if (chunk && atomic_fetch_sub_explicit(&chunk->references, 1, memory_order_acq_rel) == 1)
        lk_large_free(chunk->env, chunk, chunk_bytes(chunk->count));
}

/* keys[from, to) of the memtable, sorted. NULL: memory ran out. */
static struct lk_chunk *chunk_of_keys(struct lk_memtable *memtable, uint32_t from, uint32_t to)
{
    uint32_t count = to - from;
    struct lk_env *env = memtable->segment->env;
    struct lk_chunk *chunk = chunk_new(env, count);
    struct lk_entry *scratch = lk_large_new(env, (uint64_t)count * sizeof *scratch);
    if (!chunk || !scratch) {
        chunk_unref(chunk);
        lk_large_free(env, scratch, (uint64_t)count * sizeof *scratch);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct lk_mem_key *key = &memtable->keys[from + i];
        struct lk_record record;
        if (i + AHEAD < count)
            __builtin_prefetch(memtable->segment->base + ((uint64_t)key[AHEAD].position << memtable->segment->shift));
        record_at(memtable, key->position, &record);
        chunk->at[i] = (struct lk_entry){lk_head(record.key, 0), key->position, key->slot};
    }
    lk_sort_entries(chunk->at, scratch, count, compare_entries, memtable);
    lk_large_free(env, scratch, (uint64_t)count * sizeof *scratch);
    return chunk;
}

static int entry_before(struct lk_memtable *memtable, const struct lk_entry *a, const struct lk_entry *b)
{
    return a->head != b->head ? a->head < b->head : compare_entries(memtable, a, b) < 0;
}

/* The first entry of the chunk from `low` on that is not before `entry`. */
static uint32_t first_from(struct lk_memtable *memtable, const struct lk_chunk *chunk, uint32_t low,
                           const struct lk_entry *entry)
{
    uint32_t high = chunk->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_before(memtable, &chunk->at[middle], entry))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Few among many: their places are looked for, and what lies between is copied. */
static void merge_few(struct lk_memtable *memtable, const struct lk_chunk *many, const struct lk_chunk *few,
                      struct lk_entry *to)
{
    uint32_t from = 0;
    for (uint32_t i = 0; i < few->count; i++) {
        uint32_t place = first_from(memtable, many, from, &few->at[i]);
        memcpy(to, &many->at[from], (place - from) * sizeof *to);
        to += place - from;
        *to++ = few->at[i];
        from = place;
    }
    memcpy(to, &many->at[from], (many->count - from) * sizeof *to);
}

static void merge_like(struct lk_memtable *memtable, const struct lk_chunk *a, const struct lk_chunk *b,
                       struct lk_entry *to)
{
    uint32_t i = 0, j = 0;
    while (i < a->count || j < b->count) {
        int left = j == b->count || (i < a->count && entry_before(memtable, &a->at[i], &b->at[j]));
        *to++ = left ? a->at[i++] : b->at[j++];
    }
}

/* a and b in one; takes both over (also on failure). b may be NULL. */
static struct lk_chunk *chunk_merge(struct lk_memtable *memtable, struct lk_chunk *a, struct lk_chunk *b)
{
    if (!a || !b)
        return a ? a : b;
    struct lk_chunk *both = chunk_new(memtable->segment->env, a->count + b->count);
    if (both && b->count < a->count / FEW)
        merge_few(memtable, a, b, both->at);
    else if (both)
        merge_like(memtable, a, b, both->at);
    chunk_unref(a);
    chunk_unref(b);
    return both;
}

/* ---- orders ------------------------------------------------------------------------------ */

void lk_order_free(struct lk_order *order)
{
    for (int i = 0; order && i < LK_ORDER_CHUNKS; i++)
        chunk_unref(order->chunk[i]);
    lk_free(order);
}

static void free_order(void *order)
{
    lk_order_free(order);
}

/* A new order: `fresh` (taken over) joined with the smallest chunks of `old` that it outgrows. limits[i]
 * is the most that chunk i may hold. NULL: memory ran out. */
static struct lk_order *order_with(struct lk_memtable *memtable, const struct lk_order *old, struct lk_chunk *fresh,
                                   uint32_t covered, const uint32_t limits[LK_ORDER_CHUNKS])
{
    struct lk_order *order = lk_alloc_zero(sizeof *order);
    struct lk_chunk *carry = fresh;
    for (int i = LK_ORDER_CHUNKS - 1; order && i >= 0; i--) {
        struct lk_chunk *have = old ? old->chunk[i] : NULL;
        uint32_t both = (have ? have->count : 0) + (carry ? carry->count : 0);
        if (have)
            atomic_fetch_add_explicit(&have->references, 1, memory_order_relaxed);
        if (!carry) {
            order->chunk[i] = have;
            continue;
        }
        carry = chunk_merge(memtable, have, carry);
        if (!carry)
            break;
        if (i == 0 || both <= limits[i]) {
            order->chunk[i] = carry;
            carry = NULL;
        }
    }
    uint32_t total = 0;
    for (int i = 0; order && i < LK_ORDER_CHUNKS; i++)
        total += order->chunk[i] ? order->chunk[i]->count : 0;
    if (order)
        order->covered = covered;
    if (!order || total != covered) {
        chunk_unref(carry);
        lk_order_free(order);
        return NULL;
    }
    return order;
}

/* Keys of complete frames. Those of the frame under construction may yet be taken back (undo waits for
 * order_mutex, which is held), and no reader's limit shows them. */
static uint32_t complete_keys(const struct lk_memtable *memtable)
{
    const struct lk_segment *segment = memtable->segment;
    uint32_t count = atomic_load_explicit(&memtable->key_count, memory_order_acquire);
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_acquire);
    while (count && (uint64_t)memtable->keys[count - 1].position << segment->shift >= end)
        count--;
    return count;
}

static int update(struct lk_memtable *memtable, uint32_t patience, const uint32_t limits[LK_ORDER_CHUNKS])
{
    int sealed = atomic_load_explicit(&memtable->sealed, memory_order_acquire); /* before the keys are counted */
    struct lk_order *old = atomic_load_explicit(&memtable->order, memory_order_relaxed);
    uint32_t from = old ? old->covered : 0, to = complete_keys(memtable);
    if (to == from && old) {
        atomic_store_explicit(&memtable->order_final, sealed, memory_order_release);
        return 0;
    }
    if (to - from > patience)
        return LSMKV_WOULDBLOCK;
    struct lk_chunk *fresh = to > from ? chunk_of_keys(memtable, from, to) : NULL;
    struct lk_order *order = to > from && !fresh ? NULL : order_with(memtable, old, fresh, to, limits);
    if (!order)
        return lk_fail(LSMKV_NOMEM, "memory ran out while %u keys were put in order", to - from);
    atomic_store_explicit(&memtable->order, order, memory_order_release);
    if (old)
        lk_epoch_retire(memtable->epochs, old, free_order);
    return 0;
}

int lk_order_update(struct lk_memtable *memtable, uint32_t patience, int wait)
{
    static const uint32_t limits[LK_ORDER_CHUNKS] = {UINT32_MAX, MIDDLE_MAX, TOP_MAX};
    if (atomic_load_explicit(&memtable->order_final, memory_order_acquire))
        return 0; /* nothing to make, no lock */
    if (wait)
        lk_mutex_lock(&memtable->order_mutex);
    else if (!lk_mutex_try(&memtable->order_mutex))
        return LSMKV_WOULDBLOCK;
    int rc = update(memtable, patience, limits);
    lk_mutex_unlock(&memtable->order_mutex);
    return rc;
}

int lk_order_seal(struct lk_memtable *memtable)
{
    static const uint32_t limits[LK_ORDER_CHUNKS] = {UINT32_MAX, 0, 0};
    lk_mutex_lock(&memtable->order_mutex);
    int rc = update(memtable, UINT32_MAX, limits);
    lk_mutex_unlock(&memtable->order_mutex);
    return rc;
}

/* ---- walking ----------------------------------------------------------------------------- */

static const struct lk_entry *entry_of(const struct lk_memtable_cursor *cursor, int chunk, int forward)
{
    const struct lk_chunk *part = cursor->order->chunk[chunk];
    uint32_t index = cursor->index[chunk];
    if (!part || (forward ? index >= part->count : index == 0))
        return NULL;
    return &part->at[forward ? index : index - 1];
}

/* The next entry in the direction over all chunks, taken; NULL: none left. */
static const struct lk_entry *take(struct lk_memtable_cursor *cursor, int forward)
{
    const struct lk_entry *best = NULL;
    int from = 0;
    for (int i = 0; i < LK_ORDER_CHUNKS; i++) {
        const struct lk_entry *entry = entry_of(cursor, i, forward);
        if (entry && (!best || entry_before(cursor->memtable, entry, best) == forward)) {
            best = entry;
            from = i;
        }
    }
    if (!best)
        return NULL;
    cursor->index[from] += forward ? 1 : (uint32_t)-1;
    return best;
}

/* always_inline: a function that only prefetches has no effect the compiler believes in, and calls to it go. */
__attribute__((always_inline)) static inline void prefetch(const struct lk_memtable_cursor *cursor, int forward)
{
    const struct lk_chunk *part = cursor->order->chunk[0];
    uint32_t index = cursor->index[0];
    if (!part || (forward ? index + AHEAD >= part->count : index <= AHEAD))
        return;
    const struct lk_entry *entry = &part->at[forward ? index + AHEAD : index - AHEAD];
    __builtin_prefetch(&cursor->memtable->lines[entry->extra >> 4]);
    const uint8_t *record =
        cursor->memtable->segment->base + ((uint64_t)entry->position << cursor->memtable->segment->shift);
    __builtin_prefetch(record);
    __builtin_prefetch(record + 64);
}

static void step(struct lk_memtable_cursor *cursor, int forward)
{
    struct lk_memtable *memtable = cursor->memtable;
    const struct lk_entry *entry;
    while ((entry = take(cursor, forward)) != NULL) {
        const struct lk_line *line = &memtable->lines[entry->extra >> 4];
        uint32_t place = atomic_load_explicit(&line->place[entry->extra & 15], memory_order_acquire);
        prefetch(cursor, forward);
        if (lk_memtable_version(memtable, lk_place_position(place), cursor->limit, &cursor->cursor.record,
                                &cursor->at) != 0)
            continue; /* born after the reader's limit */
        if (atomic_load_explicit(&memtable->ranges, memory_order_relaxed) &&
            lk_memtable_covered(memtable, cursor->cursor.record.key, cursor->at, cursor->limit))
            continue; /* the list of range deletes speaks for it */
        cursor->cursor.head = entry->head;
        cursor->cursor.valid = 1;
        return;
    }
    cursor->cursor.valid = 0;
}

/* Number of entries of a chunk before `key` (`past`: or equal to it). */
static uint32_t rank(const struct lk_memtable_cursor *cursor, const struct lk_chunk *chunk, struct lk_slice key,
                     int past)
{
    uint64_t head = lk_head(key, 0);
    uint32_t low = 0, high = chunk->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct lk_entry *entry = &chunk->at[middle];
        int before = entry->head < head;
        if (entry->head == head) {
            struct lk_record record;
            record_at(cursor->memtable, entry->position, &record);
            int order = lk_compare(record.key, key);
            before = order < 0 || (past && order == 0);
        }
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void start(struct lk_memtable_cursor *cursor, const struct lk_slice *key, int past, int forward)
{
    cursor->order = atomic_load_explicit(&cursor->memtable->order, memory_order_acquire);
    cursor->cursor.valid = 0;
    if (!cursor->order)
        return;
    for (int i = 0; i < LK_ORDER_CHUNKS; i++) {
        const struct lk_chunk *chunk = cursor->order->chunk[i];
        cursor->index[i] = !chunk ? 0 : key ? rank(cursor, chunk, *key, past) : forward ? 0 : chunk->count;
    }
    step(cursor, forward);
}

static void seek(struct lk_cursor *base, const struct lk_slice *key, int after)
{
    start((struct lk_memtable_cursor *)base, key, after, 1);
}

static void seek_back(struct lk_cursor *base, const struct lk_slice *key, int before)
{
    start((struct lk_memtable_cursor *)base, key, !before, 0);
}

static void next(struct lk_cursor *base)
{
    step((struct lk_memtable_cursor *)base, 1);
}

static void prev(struct lk_cursor *base)
{
    step((struct lk_memtable_cursor *)base, 0);
}

static void deinit(struct lk_cursor *base)
{
    (void)base;
}

void lk_memtable_cursor_init(struct lk_memtable_cursor *cursor, struct lk_memtable *memtable, uint64_t limit)
{
    static const struct lk_cursor_ops ops = {
        .seek = seek, .seek_back = seek_back, .next = next, .prev = prev, .deinit = deinit};
    *cursor = (struct lk_memtable_cursor){.cursor = {.ops = &ops}, .memtable = memtable, .limit = limit};
}
