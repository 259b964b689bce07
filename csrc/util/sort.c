/* sort: stable, in three gaits.
 *
 *   already in order      one look at every entry and nothing else: keys often arrive sorted
 *   few entries           merge sort from blocks sorted by insertion
 *   many entries          one pass counts the bytes of all heads, then one pass per byte that is not
 *                         the same in all heads moves the entries, lowest byte first; afterwards each
 *                         run of equal heads is settled by merge sort
 *
 * Equal heads decide nothing, so every gait ends in whole(): head first, then the caller's comparison. */
#include "util/sort.h"

#include <string.h>

enum { BLOCK = 16, RADIX_MIN = 512 };

struct order {
    lk_entry_compare compare;
    void *context;
};

static inline int whole(const struct order *order, const struct lk_entry *a, const struct lk_entry *b)
{
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return order->compare(order->context, a, b);
}

static void insertion(struct lk_entry *entries, size_t count, const struct order *order)
{
    for (size_t i = 1; i < count; i++) {
        struct lk_entry entry = entries[i];
        size_t to = i;
        for (; to > 0 && whole(order, &entries[to - 1], &entry) > 0; to--)
            entries[to] = entries[to - 1];
        entries[to] = entry;
    }
}

/* The sorted from[0..left) and from[left..count) become the sorted to[0..count). */
static void merge(struct lk_entry *to, const struct lk_entry *from, size_t left, size_t count,
                  const struct order *order)
{
    const struct lk_entry *a = from, *a_end = from + left, *b = a_end, *b_end = from + count;

    if (left >= count || whole(order, a_end - 1, b) <= 0) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    while (a < a_end && b < b_end)
        *to++ = whole(order, b, a) < 0 ? *b++ : *a++;
    memcpy(to, a, (size_t)(a_end - a) * sizeof *to);
    memcpy(to + (a_end - a), b, (size_t)(b_end - b) * sizeof *to);
}

static void merge_sort(struct lk_entry *entries, struct lk_entry *scratch, size_t count, const struct order *order)
{
    struct lk_entry *from = entries, *to = scratch;

    for (size_t at = 0; at < count; at += BLOCK)
        insertion(entries + at, count - at < BLOCK ? count - at : BLOCK, order);
    for (size_t width = BLOCK; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t both = count - at < 2 * width ? count - at : 2 * width;
            merge(to + at, from + at, both < width ? both : width, both, order);
        }
        struct lk_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries)
        memcpy(entries, from, count * sizeof *entries);
}

/* Bits in which some two heads differ; *ascending tells whether the heads are in order already. */
static uint64_t differing(const struct lk_entry *entries, size_t count, int *ascending)
{
    uint64_t bits = 0;
    int descents = 0;
    for (size_t i = 1; i < count; i++) {
        bits |= entries[i].head ^ entries[i - 1].head;
        descents |= entries[i].head < entries[i - 1].head;
    }
    *ascending = !descents;
    return bits;
}

/* All eight histograms in one pass over the heads. */
static void count_bytes(uint32_t counts[8][256], const struct lk_entry *entries, size_t count)
{
    memset(counts, 0, 8 * 256 * sizeof counts[0][0]);
    for (size_t i = 0; i < count; i++)
        for (unsigned byte = 0; byte < 8; byte++)
            counts[byte][entries[i].head >> 8 * byte & 0xff]++;
}

static void spread(struct lk_entry *to, const struct lk_entry *from, size_t count, const uint32_t counts[256],
                   unsigned shift)
{
    struct lk_entry *place[256];
    for (unsigned byte = 0; byte < 256; byte++) {
        place[byte] = to;
        to += counts[byte];
    }
    for (size_t i = 0; i < count; i++)
        *place[from[i].head >> shift & 0xff]++ = from[i];
}

static void radix_sort(struct lk_entry *entries, struct lk_entry *scratch, size_t count, uint64_t bits)
{
    uint32_t counts[8][256];
    struct lk_entry *from = entries, *to = scratch;

    count_bytes(counts, entries, count);
    for (unsigned byte = 0; byte < 8; byte++) {
        if ((bits >> 8 * byte & 0xff) == 0)
            continue;
        spread(to, from, count, counts[byte], 8 * byte);
        struct lk_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries)
        memcpy(entries, from, count * sizeof *entries);
}

static void settle_equal_heads(struct lk_entry *entries, struct lk_entry *scratch, size_t count,
                               const struct order *order)
{
    for (size_t at = 0, end; at < count; at = end) {
        for (end = at + 1; end < count && entries[end].head == entries[at].head; end++)
            ;
        if (end - at > 1)
            merge_sort(entries + at, scratch, end - at, order);
    }
}

void lk_sort_entries(struct lk_entry *entries, struct lk_entry *scratch, size_t count, lk_entry_compare compare,
                     void *context)
{
    struct order order = {compare, context};
    int ascending;

    if (count < RADIX_MIN || count > UINT32_MAX) {
        merge_sort(entries, scratch, count, &order);
        return;
    }
    uint64_t bits = differing(entries, count, &ascending);
    if (!ascending)
        radix_sort(entries, scratch, count, bits);
    settle_equal_heads(entries, scratch, count, &order);
}
