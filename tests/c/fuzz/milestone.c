/* fuzz milestone: bytes as the milestones of a table. What is decoded lies inside them and is encoded to the same. */
#include "fuzz.h"

#include "format/milestone.h"
#include "format/space.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *at = data, *end = data + bytes;
    struct lk_milestone milestone;

    while (at < end) {
        const uint8_t *after = lk_milestone_get(at, end, &milestone);
        if (after == NULL)
            break;
        fuzz_accepted++;
        FUZZ_CHECK(after > at && after <= end && milestone.key.at + milestone.key.len == after);
        FUZZ_CHECK(milestone.shared <= milestone.key.len && milestone.key.len <= LK_KEY_MAX);
        uint8_t head[LK_MILESTONE_HEAD_MAX];
        size_t head_bytes = (size_t)(lk_milestone_put(head, milestone.shared, (uint32_t)milestone.key.len) - head);
        FUZZ_CHECK(head_bytes <= (size_t)(milestone.key.at - at)); /* a number may have been written longer */

        uint64_t heads[3] = {1, 5, 5};
        struct lk_fences fences = {heads, NULL, 3};
        uint32_t through,
            from = lk_milestone_find(&milestone, &fences, lk_slice(data, bytes < 40 ? bytes : 40), &through);
        FUZZ_CHECK(from <= through && through < 3);
        at = after;
    }
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    uint8_t *at = to;
    for (uint64_t count = 1 + random_below(random, 6); count; count--) {
        uint32_t key_bytes = (uint32_t)random_below(random, 40);
        if ((size_t)(to + room - at) < LK_MILESTONE_HEAD_MAX + key_bytes)
            break;
        at = lk_milestone_put(at, (uint32_t)random_below(random, key_bytes + 1), key_bytes);
        random_fill(random, at, key_bytes);
        at += key_bytes;
    }
    return (size_t)(at - to);
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data;
    (void)bytes;
}
