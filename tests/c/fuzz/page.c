/* fuzz page: fences over bytes, and the walk through the pages they name.
 *
 *   | count:1 | head:8 x count | offset:4 x (count + 1) | pages ... |       offsets count from `pages` */
#include "fuzz.h"

#include "format/page.h"

enum { PAGE_FENCES = 64 };

static void fences_check(const struct lk_fences *fences, uint64_t head)
{
    uint32_t through = ~0u, from = lk_fences_find(fences, head, &through), below = 0, upto = 0;

    for (uint32_t i = 0; i < fences->count; i++) {
        below = fences->head[i] < head ? i : below;
        upto = fences->head[i] <= head ? i : upto;
    }
    FUZZ_CHECK(from == below && through == upto && from <= through);
}

static void page_walk(const uint8_t *at, const uint8_t *end)
{
    struct lk_record record, before = {0};
    int first = 1;

    while (at < end && (at = lk_record_get(at, end, &record)) != NULL) {
        FUZZ_CHECK(at <= end);
        if ((record.flags & LK_RECORD_LINK) || lk_record_kind(&record) == LK_RANGE_DELETE)
            return; /* no record of a page */
        if (!first && lk_compare(before.key, record.key) >= 0)
            return;
        before = record;
        first = 0;
        fuzz_accepted++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint64_t heads[PAGE_FENCES];
    uint32_t offsets[PAGE_FENCES + 1], count = bytes ? data[0] % (PAGE_FENCES + 1) : 0;
    size_t fence_bytes = 1 + 12u * count + 4;

    if (bytes < fence_bytes)
        return 0;
    memcpy(heads, data + 1, 8u * count);
    memcpy(offsets, data + 1 + 8u * count, 4u * (count + 1));
    struct lk_fences fences = {heads, offsets, count};
    const uint8_t *pages = data + fence_bytes;
    uint32_t page_bytes = (uint32_t)(bytes - fence_bytes), any;

    (void)lk_fences_find(&fences, lk_load32(data), &any); /* whatever the order of the heads */
    FUZZ_CHECK(any <= count);
    if (!lk_fences_sound(&fences, 0, page_bytes, fences.count))
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        FUZZ_CHECK(offsets[i] < offsets[i + 1] && offsets[i + 1] <= page_bytes);
        fences_check(&fences, heads[i]);
        fences_check(&fences, heads[i] + 1);
        fences_check(&fences, heads[i] - 1);
        page_walk(pages + offsets[i], pages + offsets[i + 1]);
    }
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    uint8_t pages[2048], *at = pages;
    uint32_t count = (uint32_t)random_below(random, 12), number = 0;
    uint8_t *heads = to + 1, *offsets = heads + 8u * count;

    FUZZ_CHECK(room >= 1 + 12 * 12 + 4 + sizeof pages);
    to[0] = (uint8_t)count;
    lk_store32(offsets, 0);
    for (uint32_t i = 0; i < count; i++) {
        for (uint64_t left = 1 + random_below(random, 5); left > 0; left--) {
            char key[24];
            number += 1 + (uint32_t)random_below(random, 3);
            struct lk_record record = {.key = lk_slice(key, (size_t)snprintf(key, sizeof key, "key%06u", number)),
                                       .value = lk_slice("value", random_below(random, 6)),
                                       .flags = LK_PUT};
            if (left == 1)
                lk_store64(heads + 8u * i, number / 4);
            at = lk_record_put(at, &record);
        }
        lk_store32(offsets + 4u * (i + 1), (uint32_t)(at - pages));
    }
    size_t fence_bytes = 1 + 12u * count + 4;
    memcpy(to + fence_bytes, pages, (size_t)(at - pages));
    return fence_bytes + (size_t)(at - pages);
}

/* What a checksum would have kept out is let in: the ends of the tiling are set right. */
void fuzz_repair(uint8_t *data, size_t bytes)
{
    uint32_t count = bytes ? data[0] % (PAGE_FENCES + 1) : 0;
    size_t fence_bytes = 1 + 12u * count + 4;

    if (bytes < fence_bytes)
        return;
    lk_store32(data + 1 + 8u * count, 0);
    lk_store32(data + 1 + 8u * count + 4u * count, (uint32_t)(bytes - fence_bytes));
}
