/* merge: the least of n cursors, again and again. What the stream is stands in store/merge.h.
 *
 *      winner   e=1                 the current record
 *      second   e=0   (tied)        the least of the others: older, so it is stepped over with the winner
 *      others   g=4   k=2           nobody looks at them while the winner's head is ahead of second_head
 *
 * Invariants, while valid:
 *   1. (key, index) of the winner is least among all live sources, that of `second` is next.
 *   2. tied is set exactly when those two stand on the same key; then the winner is the newer one.
 *   3. No range delete of a source newer than the winner covers the current key.
 *   4. second_head is the head of `second`; with no second it is the last head in the direction of the walk.
 * "Least" is greatest in a backward walk. */
#include "store/merge.h"

/* A seek in place costs about as much as this many steps. */
enum { LEAP_AFTER = 16 };

void lk_merge_init(struct lk_merge *merge, struct lk_merge_source *sources, uint32_t count)
{
    *merge = (struct lk_merge){.sources = sources, .count = count, .hiders = count, .live = count};
    merge->leap_after = LEAP_AFTER;
    for (uint32_t i = count; i-- > 0;) {
        sources[i].passed = 0;
        sources[i].leapt = 0;
        if (sources[i].ranges && sources[i].ranges->count)
            merge->hiders = i;
    }
}

/* ---- order ------------------------------------------------------------------------------------ */

/* Whole keys; eight further bytes at once before memcmp, since keys often share their first eight. */
static inline int compare_keys(const struct lk_cursor *a, const struct lk_cursor *b)
{
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    if (a->record.key.len >= 16 && b->record.key.len >= 16) {
        uint64_t more_a = __builtin_bswap64(lk_load64(a->record.key.at + 8));
        uint64_t more_b = __builtin_bswap64(lk_load64(b->record.key.at + 8));
        if (more_a != more_b)
            return more_a < more_b ? -1 : 1;
    }
    return lk_compare(a->record.key, b->record.key);
}

/* < 0: source a comes first in the direction of the walk; 0: same key. Both are valid. */
static inline int compare_sources(const struct lk_merge *merge, uint32_t a, uint32_t b)
{
    int order = compare_keys(merge->sources[a].cursor, merge->sources[b].cursor);
    return merge->backward ? -order : order;
}

/* The first of the live sources other than `but`; count when none has a record. Of equals the newest. */
static uint32_t least_but(const struct lk_merge *merge, uint32_t but)
{
    uint32_t least = merge->count;

    for (uint32_t i = 0; i < merge->live; i++) {
        if (i == but || !merge->sources[i].cursor->valid)
            continue;
        if (least == merge->count || compare_sources(merge, i, least) < 0)
            least = i;
    }
    return least;
}

static void set_second(struct lk_merge *merge, uint32_t second)
{
    merge->second = second;
    merge->second_head = second < merge->count ? merge->sources[second].cursor->head : merge->backward ? 0 : UINT64_MAX;
}

/* ---- moving ----------------------------------------------------------------------------------- */

/* Moves one source on. 0 when it failed: the stream has ended. An exhausted source is no failure. */
static inline int advance(struct lk_merge *merge, uint32_t index)
{
    struct lk_cursor *cursor = merge->sources[index].cursor;

    if (merge->backward)
        cursor->ops->prev(cursor);
    else
        cursor->ops->next(cursor);
    if (__builtin_expect(!cursor->valid && cursor->status != 0, 0)) {
        merge->valid = 0;
        merge->status = cursor->status;
        merge->failed = index;
        return 0;
    }
    return 1;
}

/* Step over the winner's key in every other source. 0 when one failed. */
static int pass_equals(struct lk_merge *merge)
{
    for (uint32_t i = 0; i < merge->live; i++) {
        if (i == merge->winner || !merge->sources[i].cursor->valid || compare_sources(merge, i, merge->winner) != 0)
            continue;
        merge->sources[i].passed++;
        if (!advance(merge, i))
            return 0;
    }
    merge->tied = 0;
    set_second(merge, least_but(merge, merge->winner));
    return 1;
}

/* Leave the current key behind in all sources. 0 when one failed. */
static inline int pass_key(struct lk_merge *merge)
{
    if (merge->tied && !pass_equals(merge))
        return 0;
    return advance(merge, merge->winner);
}

/* The winner's cursor has moved, or this is a new walk: find winner, second and whether they are tied. 0 when no
 * source has a record. */
static int elect(struct lk_merge *merge)
{
    uint32_t count = merge->count;
    int order;

    if (!merge->sources[merge->winner].cursor->valid || merge->winner >= merge->live) {
        merge->winner = least_but(merge, count);
        if (merge->winner == count)
            return 0;
        set_second(merge, least_but(merge, merge->winner));
    }
    order = merge->second < count ? compare_sources(merge, merge->winner, merge->second) : -1;
    if (order > 0 || (order == 0 && merge->second < merge->winner)) {
        merge->winner = merge->second;
        set_second(merge, least_but(merge, merge->winner));
        order = merge->second < count ? compare_sources(merge, merge->winner, merge->second) : -1;
    }
    merge->tied = order == 0;
    return 1;
}

/* ---- range deletes ---------------------------------------------------------------------------- */

/* The interval that hides the current record and the source it belongs to; NULL when it may be seen. */
static const struct lk_interval *hidden_by(const struct lk_merge *merge, uint32_t *hider)
{
    struct lk_slice key = merge->sources[merge->winner].cursor->record.key;

    for (uint32_t i = merge->hiders; i < merge->winner; i++) {
        const struct lk_ranges *ranges = merge->sources[i].ranges;
        const struct lk_interval *interval = ranges && ranges->count ? lk_ranges_find(ranges, key) : NULL;
        if (interval) {
            *hider = i;
            return interval;
        }
    }
    return NULL;
}

/* Is the source inside the interval? It is known not to lie before the current key, which is. */
static int inside(const struct lk_merge *merge, const struct lk_cursor *cursor, const struct lk_interval *interval)
{
    if (!cursor->valid)
        return 0;
    if (merge->backward)
        return lk_compare(cursor->record.key, interval->start) >= 0;
    return interval->open_end || lk_compare(cursor->record.key, interval->stop) < 0;
}

/* Carry every source older than the hider to the far side of the interval. 0 when one failed. */
static int leap(struct lk_merge *merge, const struct lk_interval *interval, uint32_t hider)
{
    uint32_t live = merge->live;

    if (interval->open_end && !merge->backward)
        merge->live = hider + 1; /* and nothing of the older sources is seen again in this walk */
    for (uint32_t i = hider + 1; i < live; i++) {
        struct lk_cursor *cursor = merge->sources[i].cursor;
        if (!inside(merge, cursor, interval))
            continue;
        merge->sources[i].leapt = 1;
        if (i >= merge->live)
            continue;
        if (merge->backward)
            cursor->ops->seek_back(cursor, &interval->start, 1);
        else
            cursor->ops->seek(cursor, &interval->stop, 0);
        if (!cursor->valid && cursor->status != 0) {
            merge->status = cursor->status;
            merge->failed = i;
            return 0;
        }
    }
    merge->winner = least_but(merge, merge->count);
    if (merge->winner < merge->count)
        set_second(merge, least_but(merge, merge->winner));
    else
        merge->winner = 0; /* nobody is left: elect says so */
    return 1;
}

/* ---- the walk --------------------------------------------------------------------------------- */

/* From the sources as they stand to the next record that may be seen. */
static void settle(struct lk_merge *merge)
{
    const struct lk_interval *before = NULL, *interval;
    uint32_t hider = 0, steps = 0;

    merge->valid = 0;
    while (elect(merge)) {
        interval = merge->winner > merge->hiders ? hidden_by(merge, &hider) : NULL;
        if (!interval) {
            merge->valid = 1;
            return;
        }
        steps = interval == before ? steps + 1 : 0;
        before = interval;
        if (steps >= merge->leap_after) {
            if (!leap(merge, interval, hider))
                return;
            continue;
        }
        merge->sources[merge->winner].passed++;
        if (!pass_key(merge))
            return;
    }
}

void lk_merge_step(struct lk_merge *merge)
{
    if (!pass_key(merge))
        return;

    const struct lk_cursor *cursor = merge->sources[merge->winner].cursor;
    int ahead = merge->backward ? cursor->head > merge->second_head : cursor->head < merge->second_head;
    if (__builtin_expect(cursor->valid && ahead && merge->winner <= merge->hiders, 1))
        return;
    settle(merge);
}

/* All cursors have been moved: start from there. */
static void begin(struct lk_merge *merge, int backward)
{
    merge->backward = backward;
    merge->live = merge->count;
    merge->valid = merge->status = merge->tied = 0;
    for (uint32_t i = 0; i < merge->count; i++) {
        const struct lk_cursor *cursor = merge->sources[i].cursor;
        if (!cursor->valid && cursor->status != 0) {
            merge->status = cursor->status;
            merge->failed = i;
            return;
        }
    }
    merge->winner = least_but(merge, merge->count);
    if (merge->winner == merge->count)
        return;
    set_second(merge, least_but(merge, merge->winner));
    settle(merge);
}

void lk_merge_seek(struct lk_merge *merge, const struct lk_slice *key, int after)
{
    for (uint32_t i = 0; i < merge->count; i++)
        merge->sources[i].cursor->ops->seek(merge->sources[i].cursor, key, after);
    begin(merge, 0);
}

void lk_merge_seek_back(struct lk_merge *merge, const struct lk_slice *key, int before)
{
    for (uint32_t i = 0; i < merge->count; i++)
        merge->sources[i].cursor->ops->seek_back(merge->sources[i].cursor, key, before);
    begin(merge, 1);
}
