/* ranges: a sorted list of disjoint intervals of keys. One thread builds, then any thread looks.
 *
 * Invariant: start < stop < next start; so touching intervals have become one, only the last can be
 * open, and both the starts and the stops ascend. */
#include "store/ranges.h"

#include "util/alloc.h"

enum { FIRST_CAP = 4 };

int lk_key_copy(struct lk_slice from, struct lk_slice *to)
{
    uint8_t *at = lk_alloc(from.len);
    if (at == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: a key of %zu bytes could not be copied", from.len);
    if (from.len)
        memcpy(at, from.at, from.len);
    *to = lk_slice(at, from.len);
    return 0;
}

void lk_key_free(struct lk_slice *key)
{
    lk_free((void *)(uintptr_t)key->at);
    *key = (struct lk_slice){0};
}

void lk_ranges_deinit(struct lk_ranges *ranges)
{
    for (uint32_t i = 0; i < ranges->count; i++) {
        lk_key_free(&ranges->at[i].start);
        lk_key_free(&ranges->at[i].stop);
    }
    lk_free(ranges->at);
    *ranges = (struct lk_ranges){0};
}

/* ---- looking -------------------------------------------------------------------------------- */

/* How many intervals start at or before `key`. */
static uint32_t starts_through(const struct lk_ranges *ranges, struct lk_slice key)
{
    uint32_t low = 0, high = ranges->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (lk_compare(ranges->at[middle].start, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many intervals stop before `key`; one that stops at it touches and does not count. */
static uint32_t stops_before(const struct lk_ranges *ranges, struct lk_slice key)
{
    uint32_t low = 0, high = ranges->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!ranges->at[middle].open_end && lk_compare(ranges->at[middle].stop, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct lk_interval *lk_ranges_find(const struct lk_ranges *ranges, struct lk_slice key)
{
    uint32_t through = starts_through(ranges, key);
    if (through == 0)
        return NULL;
    const struct lk_interval *interval = &ranges->at[through - 1];
    return interval->open_end || lk_compare(key, interval->stop) < 0 ? interval : NULL;
}

int lk_ranges_meet(const struct lk_ranges *ranges, struct lk_slice start, const struct lk_slice *stop)
{
    uint32_t i = stops_before(ranges, start);
    if (i < ranges->count && !ranges->at[i].open_end && lk_equal(ranges->at[i].stop, start))
        i++; /* it only touches */
    return i < ranges->count && (!stop || lk_compare(ranges->at[i].start, *stop) < 0);
}

int lk_ranges_sound(const struct lk_ranges *ranges)
{
    for (uint32_t i = 0; i < ranges->count; i++) {
        const struct lk_interval *interval = &ranges->at[i];
        int last = i + 1 == ranges->count;
        if (interval->open_end ? !last : lk_compare(interval->start, interval->stop) >= 0)
            return 0;
        if (!last && lk_compare(interval->stop, interval[1].start) >= 0)
            return 0;
    }
    return 1;
}

/* ---- building ------------------------------------------------------------------------------- */

static int make_room(struct lk_ranges *ranges)
{
    if (ranges->count < ranges->cap)
        return 0;
    uint32_t cap = ranges->cap ? 2 * ranges->cap : FIRST_CAP;
    struct lk_interval *at = lk_realloc(ranges->at, (size_t)cap * sizeof *at);
    if (at == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: a list of %u intervals could not grow", ranges->count);
    ranges->at = at;
    ranges->cap = cap;
    return 0;
}

/* Put `fresh` in the place of intervals first..last - 1. Room for one more is there; keys that `fresh`
 * took over from them stay, the others are given back. */
static void replace(struct lk_ranges *ranges, uint32_t first, uint32_t last, struct lk_interval fresh)
{
    for (uint32_t i = first; i < last; i++) {
        if (ranges->at[i].start.at != fresh.start.at)
            lk_key_free(&ranges->at[i].start);
        if (ranges->at[i].stop.at != fresh.stop.at)
            lk_key_free(&ranges->at[i].stop);
    }
    memmove(ranges->at + first + 1, ranges->at + last, (ranges->count - last) * sizeof *ranges->at);
    ranges->at[first] = fresh;
    ranges->count = ranges->count + 1 - (last - first);
}

int lk_ranges_add(struct lk_ranges *ranges, struct lk_slice start, const struct lk_slice *stop)
{
    if (stop && lk_compare(start, *stop) >= 0)
        return 0;
    /* Intervals first..last - 1 overlap or touch [start, stop). */
    uint32_t first = stops_before(ranges, start), last = stop ? starts_through(ranges, *stop) : ranges->count;
    struct lk_interval fresh = {.open_end = stop == NULL};
    int own_start = 1, own_stop = stop != NULL, rc = make_room(ranges);

    if (rc < 0)
        return rc;
    if (first < last && lk_compare(ranges->at[first].start, start) <= 0) {
        fresh.start = ranges->at[first].start;
        own_start = 0;
    }
    if (stop && first < last) {
        const struct lk_interval *end = &ranges->at[last - 1];
        if (end->open_end || lk_compare(end->stop, *stop) >= 0) {
            fresh.stop = end->stop;
            fresh.open_end = end->open_end;
            own_stop = 0;
        }
    }
    if (own_start)
        rc = lk_key_copy(start, &fresh.start);
    if (rc == 0 && own_stop)
        rc = lk_key_copy(*stop, &fresh.stop);
    if (rc == 0)
        replace(ranges, first, last, fresh);
    else if (own_start)
        lk_key_free(&fresh.start);
    return rc;
}

int lk_ranges_clip(const struct lk_ranges *ranges, struct lk_slice lo, const struct lk_slice *hi, struct lk_ranges *out)
{
    int rc = 0;
    for (uint32_t i = stops_before(ranges, lo); rc == 0 && i < ranges->count; i++) {
        const struct lk_interval *interval = &ranges->at[i];
        if (hi && lk_compare(interval->start, *hi) >= 0)
            break;
        struct lk_slice start = lk_compare(interval->start, lo) > 0 ? interval->start : lo;
        int cut = hi && (interval->open_end || lk_compare(*hi, interval->stop) < 0);
        rc = lk_ranges_add(out, start, cut ? hi : interval->open_end ? NULL : &interval->stop);
    }
    return rc;
}
