/* memtable_find: the reader's half of a memtable. Inside an epoch slot, no lock; loads in the opposite
 * order of the writer's stores: visible LSN (the caller's limit), count, place, record. */
#include "store/memtable.h"

static const uint8_t *record_at(const struct lk_segment *segment, uint64_t offset, struct lk_record *out)
{
    if (offset >= segment->capacity)
        return NULL;
    return lk_record_get(segment->base + offset, segment->base + segment->capacity, out);
}

int lk_memtable_version(const struct lk_memtable *memtable, uint32_t position, uint64_t limit, struct lk_record *record,
                        uint64_t *at)
{
    const struct lk_segment *segment = memtable->segment;
    uint64_t offset = (uint64_t)position << segment->shift;
    if (!record_at(segment, offset, record))
        return LSMKV_NOTFOUND;
    while (offset >= limit) {
        if (!(record->flags & LK_RECORD_LINK) || record->prev >= offset || record->jump > record->prev)
            return LSMKV_NOTFOUND; /* born after what the reader may see */
        offset = record->jump >= limit ? record->jump : record->prev;
        if (!record_at(segment, offset, record))
            return LSMKV_NOTFOUND;
    }
    *at = offset;
    return 0;
}

static int holds(const struct lk_mem_range *range, struct lk_slice key)
{
    return lk_compare(range->start, key) <= 0 && (range->open_end || lk_compare(key, range->stop) < 0);
}

int lk_memtable_covered(const struct lk_memtable *memtable, struct lk_slice key, uint64_t after, uint64_t limit)
{
    const struct lk_mem_ranges *ranges = atomic_load_explicit(&memtable->ranges, memory_order_acquire);
    if (!ranges || !lk_ranges_find(&ranges->merged, key))
        return 0;
    for (uint32_t i = ranges->count; i-- > 0 && ranges->at[i].position > after;)
        if (ranges->at[i].position < limit && holds(&ranges->at[i], key))
            return 1;
    return 0;
}

uint64_t lk_memtable_last_range(const struct lk_memtable *memtable)
{
    const struct lk_mem_ranges *ranges = atomic_load_explicit(&memtable->ranges, memory_order_acquire);
    return ranges ? ranges->at[ranges->count - 1].position : 0;
}

int lk_memtable_ranges(const struct lk_memtable *memtable, uint64_t limit, struct lk_ranges *out)
{
    const struct lk_mem_ranges *ranges = atomic_load_explicit(&memtable->ranges, memory_order_acquire);
    int rc = 0;
    for (uint32_t i = 0; ranges && rc == 0 && i < ranges->count && ranges->at[i].position < limit; i++)
        rc = lk_ranges_add(out, ranges->at[i].start, ranges->at[i].open_end ? NULL : &ranges->at[i].stop);
    return rc;
}

/* The key's newest visible point record in one line: 0, or NOTFOUND. */
static int find_in_line(const struct lk_memtable *memtable, const struct lk_line *line, uint64_t hash,
                        struct lk_slice key, uint64_t limit, struct lk_record *record, uint64_t *at, uint32_t *records)
{
    unsigned count = atomic_load_explicit(&line->count, memory_order_acquire);
    for (uint32_t mask = lk_line_match(line, hash, count); mask; mask &= mask - 1) {
        uint32_t place = atomic_load_explicit(&line->place[__builtin_ctz(mask)], memory_order_acquire);
        struct lk_record newest;
        if (records)
            ++*records;
        if (!record_at(memtable->segment, (uint64_t)lk_place_position(place) << memtable->segment->shift, &newest) ||
            !lk_equal(newest.key, key))
            continue;
        *record = newest;
        *at = (uint64_t)lk_place_position(place) << memtable->segment->shift;
        return *at < limit ? 0 : lk_memtable_version(memtable, lk_place_position(place), limit, record, at);
    }
    return LSMKV_NOTFOUND;
}

/* The key's newest point record below limit, and where it stands: 0, or NOTFOUND. */
static int find_point(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, uint64_t limit,
                      struct lk_record *record, uint64_t *offset, uint32_t *lines, uint32_t *records)
{
    uint32_t at = lk_line_first(hash, memtable->line_count);
    int rc = LSMKV_NOTFOUND;
    for (unsigned spill = 0; rc != 0 && spill < LK_LINE_SPILL; spill++) {
        const struct lk_line *line = &memtable->lines[at];
        if (lines)
            ++*lines;
        rc = find_in_line(memtable, line, hash, key, limit, record, offset, records);
        if (!(atomic_load_explicit(&line->marks, memory_order_acquire) & LK_LINE_MARK))
            break;
        at = at + 1 < memtable->line_count ? at + 1 : 0;
    }
    return rc;
}

int lk_memtable_find(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, uint64_t limit,
                     struct lk_record *record, uint32_t *lines, uint32_t *records)
{
    uint64_t offset = 0;
    int rc = find_point(memtable, hash, key, limit, record, &offset, lines, records);
    if (atomic_load_explicit(&memtable->ranges, memory_order_relaxed) &&
        lk_memtable_covered(memtable, key, rc == 0 ? offset : 0, limit)) {
        *record = (struct lk_record){.key = key, .flags = LK_DELETE};
        return 0;
    }
    return rc;
}

int lk_memtable_changed(const struct lk_memtable *memtable, uint64_t hash, struct lk_slice key, uint64_t from,
                        uint64_t to)
{
    struct lk_record record;
    uint64_t offset = 0;
    if (find_point(memtable, hash, key, to, &record, &offset, NULL, NULL) == 0 && offset >= from)
        return 1;
    return lk_memtable_covered(memtable, key, from, to);
}
