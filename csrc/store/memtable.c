/* memtable: the writer's half. The reader's half is memtable_find.c. */
#include "store/memtable.h"

#include <string.h>

#include "store/order.h"
#include "util/alloc.h"

enum { LOAD_PERCENT = 60, LINES_MIN = 8 };

/* ---- life ------------------------------------------------------------------------------- */

/* Lines, then keys: one reservation. */
static uint64_t index_bytes(const struct lk_memtable *memtable)
{
    return (uint64_t)memtable->line_count * sizeof(struct lk_line) +
           (uint64_t)memtable->key_cap * sizeof(struct lk_mem_key);
}

static int reserve(struct lk_memtable *memtable, uint32_t expected_keys)
{
    struct lk_env *env = memtable->segment->env;
    uint64_t lines = (uint64_t)expected_keys * 100 / (LOAD_PERCENT * LK_LINE_SLOTS) + LINES_MIN;
    if (lines > 1u << 26)
        lines = 1u << 26;
    memtable->line_count = (uint32_t)lines;
    memtable->key_cap = (uint32_t)(lines * LK_LINE_SLOTS * LOAD_PERCENT / 100);
    void *at = NULL;
    int rc = env->ops->reserve(env, index_bytes(memtable), &at);
    memtable->lines = rc == 0 ? at : NULL;
    memtable->keys = rc == 0 ? (struct lk_mem_key *)(memtable->lines + lines) : NULL;
    return rc < 0 ? lk_fail(LSMKV_NOMEM, "memory ran out while a memtable of %u keys was made", expected_keys) : 0;
}

int lk_memtable_new(struct lk_segment *segment, struct lk_hash_seed seed, uint32_t expected_keys,
                    struct lk_epochs *epochs, struct lk_memtable **out)
{
    *out = NULL;
    struct lk_memtable *memtable = lk_alloc_zero(sizeof *memtable);
    if (!memtable) {
        lk_segment_free(segment);
        return lk_fail(LSMKV_NOMEM, "memory ran out while a memtable was made");
    }
    memtable->segment = segment;
    memtable->seed = seed;
    memtable->epochs = epochs;
    atomic_store(&memtable->references, 1);
    lk_mutex_init(&memtable->order_mutex);
    int rc = reserve(memtable, expected_keys);
    if (rc < 0) {
        lk_memtable_unref(memtable);
        return rc;
    }
    *out = memtable;
    return 0;
}

static void release_index(struct lk_memtable *memtable)
{
    struct lk_env *env = memtable->segment->env;
    if (memtable->lines)
        env->ops->unreserve(env, memtable->lines, index_bytes(memtable));
    memtable->lines = NULL;
    memtable->keys = NULL;
}

void lk_memtable_ref(struct lk_memtable *memtable)
{
    atomic_fetch_add_explicit(&memtable->references, 1, memory_order_relaxed);
}

static void free_ranges(void *object)
{
    struct lk_mem_ranges *ranges = object;
    if (ranges)
        lk_ranges_deinit(&ranges->merged);
    lk_free(ranges);
}

void lk_memtable_unref(struct lk_memtable *memtable)
{
    if (!memtable || atomic_fetch_sub_explicit(&memtable->references, 1, memory_order_acq_rel) != 1)
        return;
    lk_held_end(&memtable->held);
    release_index(memtable);
    free_ranges(atomic_load(&memtable->ranges));
    lk_order_free(atomic_load(&memtable->order));
    lk_mutex_deinit(&memtable->order_mutex);
    lk_segment_free(memtable->segment);
    lk_values_release_uses(&memtable->uses);
    lk_free(memtable);
}

int lk_memtable_restart(struct lk_memtable *memtable, uint32_t expected_keys)
{
    release_index(memtable);
    free_ranges(atomic_load(&memtable->ranges));
    atomic_store(&memtable->ranges, NULL);
    atomic_store(&memtable->key_count, 0);
    atomic_store(&memtable->records, 0);
    atomic_store(&memtable->tombstones, 0);
    atomic_store(&memtable->payload, 0);
    atomic_store(&memtable->expiring, 0);
    return reserve(memtable, expected_keys);
}

uint64_t lk_memtable_index_bytes(const struct lk_memtable *memtable)
{
    return index_bytes(memtable);
}

uint64_t lk_memtable_held_bytes(const struct lk_memtable *memtable)
{
    return index_bytes(memtable) + memtable->segment->capacity;
}

uint64_t lk_memtable_memory(const struct lk_memtable *memtable)
{
    uint32_t keys = atomic_load_explicit(&memtable->key_count, memory_order_relaxed);
    uint64_t bytes =
        (uint64_t)memtable->line_count * sizeof(struct lk_line) + (uint64_t)keys * sizeof(struct lk_mem_key);
    if (atomic_load_explicit(&memtable->order, memory_order_relaxed))
        bytes += (uint64_t)keys * sizeof(struct lk_entry);
    if (memtable->segment->kind != LK_SEGMENT_MAPPED && !memtable->segment->file_mapped)
        bytes += atomic_load_explicit(&memtable->segment->end, memory_order_relaxed);
    return bytes;
}

int lk_memtable_full(const struct lk_memtable *memtable, uint32_t more)
{
    const struct lk_mem_ranges *ranges = atomic_load_explicit(&memtable->ranges, memory_order_relaxed);
    uint32_t keys = atomic_load_explicit(&memtable->key_count, memory_order_relaxed);
    return memtable->crowded || more > memtable->key_cap - keys || (ranges && ranges->count >= LK_MEM_RANGES_MAX);
}

/* ---- index ------------------------------------------------------------------------------ */

static const uint8_t *record_at(const struct lk_memtable *memtable, uint64_t offset, struct lk_record *out)
{
    const struct lk_segment *segment = memtable->segment;
    if (offset >= segment->capacity)
        return NULL;
    return lk_record_get(segment->base + offset, segment->base + segment->capacity, out);
}

/* Where a key stands, or would go. */
struct place {
    uint32_t line, slot;
    uint32_t first;         /* the key's first line: lines from there to `line` get marked */
    int found;
    uint64_t old;           /* found: offset of its newest record */
    struct lk_record record;/* found: that record */
};

/* 1 when the key stands in this line; place and record are filled. */
static int search_line(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, struct place *place)
{
    const struct lk_line *line = &memtable->lines[place->line];
    unsigned count = atomic_load_explicit(&line->count, memory_order_relaxed);
    for (uint32_t mask = lk_line_match(line, hash, count); mask; mask &= mask - 1) {
        place->slot = (uint32_t)__builtin_ctz(mask);
        uint32_t at = atomic_load_explicit(&line->place[place->slot], memory_order_relaxed);
        place->old = (uint64_t)lk_place_position(at) << memtable->segment->shift;
        if (record_at(memtable, place->old, &place->record) && lk_equal(place->record.key, key))
            return 1;
    }
    return 0;
}

/* 0, or 1 when there is no free slot in the key's lines. */
static int find_place(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, struct place *place)
{
    uint32_t at = lk_line_first(hash, memtable->line_count), room_line = 0, room_slot = LK_LINE_SLOTS;
    place->first = at;
    place->found = 0;
    for (unsigned spill = 0; spill < LK_LINE_SPILL; spill++, at = at + 1 < memtable->line_count ? at + 1 : 0) {
        const struct lk_line *line = &memtable->lines[at];
        place->line = at;
        if (search_line(memtable, hash, key, place)) {
            place->found = 1;
            return 0;
        }
        unsigned count = atomic_load_explicit(&line->count, memory_order_relaxed);
        if (room_slot == LK_LINE_SLOTS && count < LK_LINE_SLOTS) {
            room_line = at;
            room_slot = count;
        }
        if (!(atomic_load_explicit(&line->marks, memory_order_relaxed) & LK_LINE_MARK) && room_slot < LK_LINE_SLOTS)
            break;
    }
    place->line = room_line;
    place->slot = room_slot;
    return room_slot == LK_LINE_SLOTS;
}

/* Give `record` its link to the version before it. 0, or -1 when the chain makes no sense. */
static int link_to(const struct lk_memtable *memtable, const struct place *place, struct lk_record *record)
{
    struct lk_record older = place->record;
    uint64_t at = place->old;
    uint32_t depth = older.flags & LK_RECORD_LINK ? older.depth : 0;
    record->flags |= LK_RECORD_LINK;
    record->prev = (uint32_t)at;
    record->depth = depth + 1;
    uint32_t wanted = record->depth & depth; /* depth & (depth - 1) of the new one */
    while (depth > wanted) {
        if (!(older.flags & LK_RECORD_LINK) || older.jump >= at)
            return -1;
        depth &= depth - 1;
        at = older.jump;
        if (!record_at(memtable, at, &older))
            return -1;
    }
    record->jump = (uint32_t)at;
    return 0;
}

static void count_record(struct lk_memtable *memtable, const struct lk_record *record)
{
    atomic_fetch_add_explicit(&memtable->records, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&memtable->payload, record->key.len + record->value.len, memory_order_relaxed);
    if (lk_record_kind(record) == LK_DELETE)
        atomic_fetch_add_explicit(&memtable->tombstones, 1, memory_order_relaxed);
    if (record->flags & LK_RECORD_EXPIRY)
        atomic_fetch_add_explicit(&memtable->expiring, 1, memory_order_relaxed);
}

/* Make the record at `offset` the key's newest. */
static void publish(struct lk_memtable *memtable, const struct place *place, uint64_t hash, uint64_t offset)
{
    struct lk_line *line = &memtable->lines[place->line];
    uint32_t position = (uint32_t)(offset >> memtable->segment->shift), at = lk_line_place(hash, position);
    atomic_store_explicit(&line->place[place->slot], at, memory_order_release);
    if (place->found)
        return;
    line->tag[place->slot] = (uint8_t)hash;
    uint32_t keys = atomic_load_explicit(&memtable->key_count, memory_order_relaxed);
    memtable->keys[keys] = (struct lk_mem_key){place->line << 4 | place->slot, position};
    atomic_store_explicit(&line->count, (uint8_t)(place->slot + 1), memory_order_release);
    for (uint32_t mark = place->first; mark != place->line; mark = mark + 1 < memtable->line_count ? mark + 1 : 0)
        atomic_fetch_or_explicit(&memtable->lines[mark].marks, LK_LINE_MARK, memory_order_release);
    atomic_store_explicit(&memtable->key_count, keys + 1, memory_order_release);
}

/* ---- range deletes ---------------------------------------------------------------------- */

static int range_of(const struct lk_record *record, uint64_t offset, struct lk_mem_range *out)
{
    *out = (struct lk_mem_range){.start = record->key,
                                 .stop = record->value,
                                 .open_end = (record->flags & LK_RECORD_OPEN_END) != 0,
                                 .position = (uint32_t)offset};
    return 0;
}

/* A list of the first `keep` of `old` and, when given, one more. */
static struct lk_mem_ranges *copy_ranges(const struct lk_mem_ranges *old, uint32_t keep,
                                         const struct lk_mem_range *more)
{
    struct lk_mem_ranges *list = lk_alloc_zero(sizeof *list + (keep + 1) * sizeof *list->at);
    if (!list)
        return NULL;
    if (keep)
        memcpy(list->at, old->at, keep * sizeof *list->at);
    list->count = keep;
    if (more)
        list->at[list->count++] = *more;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct lk_mem_range *range = &list->at[i];
        if (lk_ranges_add(&list->merged, range->start, range->open_end ? NULL : &range->stop) < 0) {
            free_ranges(list);
            return NULL;
        }
    }
    return list;
}

static int add_range(struct lk_memtable *memtable, const struct lk_record *record, uint64_t offset)
{
    struct lk_mem_ranges *old = atomic_load_explicit(&memtable->ranges, memory_order_relaxed);
    struct lk_mem_range range;
    range_of(record, offset, &range);
    struct lk_mem_ranges *list = copy_ranges(old, old ? old->count : 0, &range);
    if (!list)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a range delete was indexed");
    atomic_store_explicit(&memtable->ranges, list, memory_order_release);
    if (old)
        lk_epoch_retire(memtable->epochs, old, free_ranges);
    return 0;
}

/* ---- add, index, undo -------------------------------------------------------------------- */

static uint64_t align(uint64_t offset, uint8_t shift)
{
    uint64_t unit = (uint64_t)1 << shift;
    return (offset + unit - 1) & ~(unit - 1);
}

uint8_t *lk_memtable_add(struct lk_memtable *memtable, uint8_t *to, struct lk_record *record, uint64_t hash)
{
    struct lk_segment *segment = memtable->segment;
    uint64_t from = (uint64_t)(to - segment->base), offset = align(from, segment->shift);
    struct place place;
    record->flags &= (uint8_t)~LK_RECORD_LINK;
    if (lk_record_kind(record) != LK_RANGE_DELETE) {
        if (find_place(memtable, hash, record->key, &place) != 0 ||
            (place.found && link_to(memtable, &place, record) < 0)) {
            (void)lk_fail(LSMKV_WOULDBLOCK, "the key's lines are full");
            return NULL;
        }
    }
    memset(to, 0, offset - from);
    uint8_t *end = lk_record_put(segment->base + offset, record);
    if (lk_record_kind(record) != LK_RANGE_DELETE) {
        publish(memtable, &place, hash, offset);
    } else {
        struct lk_record copy; /* its keys are the segment's own bytes */
        if (!record_at(memtable, offset, &copy) || add_range(memtable, &copy, offset) < 0)
            return NULL;
    }
    count_record(memtable, record);
    return end;
}

int lk_memtable_index(struct lk_memtable *memtable, const uint8_t *at, struct lk_record *record, uint64_t hash)
{
    struct lk_segment *segment = memtable->segment;
    uint64_t offset = (uint64_t)(at - segment->base);
    if (offset & (((uint64_t)1 << segment->shift) - 1))
        return lk_fail_corrupt(segment->name, offset, "a record of %s does not stand where records may", segment->name);
    if (lk_record_kind(record) == LK_RANGE_DELETE) {
        int rc = add_range(memtable, record, offset);
        if (rc == 0)
            count_record(memtable, record);
        return rc;
    }
    struct place place;
    struct lk_record linked = *record;
    if (find_place(memtable, hash, record->key, &place) != 0)
        return LSMKV_WOULDBLOCK;
    linked.flags &= (uint8_t)~LK_RECORD_LINK;
    if (place.found && link_to(memtable, &place, &linked) < 0)
        linked.flags = 0xff;
    if (linked.flags != record->flags ||
        (place.found && (linked.prev != record->prev || linked.jump != record->jump || linked.depth != record->depth)))
        return lk_fail_corrupt(segment->name, offset, "a record of %s links to versions that are not there",
                               segment->name);
    publish(memtable, &place, hash, offset);
    count_record(memtable, record);
    return 0;
}

/* Restore the places of keys that have a version before `from`. */
static void undo_places(struct lk_memtable *memtable, uint64_t from, uint64_t to)
{
    const struct lk_segment *segment = memtable->segment;
    const uint8_t *at = segment->base + from, *end = segment->base + to;
    while (at < end) {
        struct lk_record record, older;
        const uint8_t *next = *at ? lk_record_get(at, end, &record) : at + 1;
        if (!next)
            return;
        uint64_t offset = (uint64_t)(at - segment->base), hash;
        at = next;
        if (next == segment->base + offset + 1 || lk_record_kind(&record) == LK_RANGE_DELETE)
            continue;
        hash = lk_hash(memtable->seed, record.key.at, record.key.len);
        struct place place;
        for (older = record; offset >= from && (older.flags & LK_RECORD_LINK);) {
            offset = older.prev;
            if (!record_at(memtable, offset, &older))
                break;
        }
        if (offset < from && find_place(memtable, hash, record.key, &place) == 0 && place.found)
            atomic_store_explicit(&memtable->lines[place.line].place[place.slot],
                                  lk_line_place(hash, (uint32_t)(offset >> segment->shift)), memory_order_release);
    }
}

/* Take away the slots of keys that first appeared at or after `from`: the last ones of their lines. */
static void undo_keys(struct lk_memtable *memtable, uint64_t from)
{
    uint32_t keys = atomic_load_explicit(&memtable->key_count, memory_order_relaxed);
    while (keys && (uint64_t)memtable->keys[keys - 1].position << memtable->segment->shift >= from) {
        uint32_t slot = memtable->keys[--keys].slot;
        struct lk_line *line = &memtable->lines[slot >> 4];
        atomic_store_explicit(&line->count, (uint8_t)(slot & 15), memory_order_release);
    }
    atomic_store_explicit(&memtable->key_count, keys, memory_order_release);
}

/* Whoever makes an order may have seen the keys that went; he does not name them (store/order.c), but he may look. */
static void await_order(struct lk_memtable *memtable)
{
    lk_mutex_lock(&memtable->order_mutex);
    lk_mutex_unlock(&memtable->order_mutex);
}

int lk_memtable_undo(struct lk_memtable *memtable, uint64_t from, uint64_t to, int wait)
{
    struct lk_mem_ranges *old = atomic_load_explicit(&memtable->ranges, memory_order_relaxed);
    uint32_t keep = old ? old->count : 0;
    undo_places(memtable, from, to);
    undo_keys(memtable, from);
    if (wait)
        await_order(memtable);
    while (keep && old->at[keep - 1].position >= from)
        keep--;
    if (old && keep < old->count) {
        struct lk_mem_ranges *list = keep ? copy_ranges(old, keep, NULL) : NULL;
        if (keep && !list)
            return lk_fail(LSMKV_NOMEM, "memory ran out while a failed write was taken back");
        atomic_store_explicit(&memtable->ranges, list, memory_order_release);
        lk_epoch_retire(memtable->epochs, old, free_ranges);
    }
    if (wait)
        lk_epoch_wait(memtable->epochs, lk_epoch_stamp(memtable->epochs));
    return 0;
}
