/* fuzz value: a reference, the head of the value it is about, and a list of uses.
 *
 *   | reference:20 | head:16 | identity:8 | uses ... |       whatever is accepted is written again as it was read */
#include "fuzz.h"

#include "format/value.h"
#include "store/value_uses.h"

enum { VALUE_HEADS = LK_REFERENCE + LK_VALUE_HEAD + 8 };

static void uses_check(const uint8_t *data, size_t bytes)
{
    struct lk_value_uses uses = {0};
    struct lk_buf again = {0};
    int rc = lk_value_uses_get(&uses, data, bytes);
    FUZZ_CHECK(rc == 0 || rc == 1);
    if (rc == 0) {
        FUZZ_CHECK(lk_value_uses_put(&uses, &again) == 0);
        FUZZ_CHECK(again.len == bytes && (bytes == 0 || memcmp(again.at, data, bytes) == 0));
        for (uint32_t i = 1; i < uses.count; i++)
            FUZZ_CHECK(uses.at[i - 1].number < uses.at[i].number);
    }
    lk_buf_deinit(&again);
    lk_value_uses_deinit(&uses);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct lk_reference reference;
    uint8_t again[LK_REFERENCE], head[LK_VALUE_HEAD];
    if (bytes < VALUE_HEADS)
        return 0;
    uses_check(data + VALUE_HEADS, bytes - VALUE_HEADS);
    if (lk_reference_get(lk_slice(data, LK_REFERENCE), &reference) < 0)
        return 0;
    fuzz_accepted++;
    FUZZ_CHECK(reference.number && reference.bytes && reference.bytes <= 1u << 30);
    FUZZ_CHECK(reference.offset >= 64 && reference.offset + lk_value_footprint(reference.bytes) > reference.offset);
    lk_reference_put(again, &reference);
    FUZZ_CHECK(memcmp(again, data, LK_REFERENCE) == 0);
    uint64_t identity = lk_load64(data + LK_REFERENCE + LK_VALUE_HEAD);
    lk_value_head_put(head, identity, &reference);
    FUZZ_CHECK(lk_value_head_is(data + LK_REFERENCE, identity, &reference) ==
               (memcmp(head, data + LK_REFERENCE, LK_VALUE_HEAD) == 0));
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    struct lk_reference made = {.offset = 64 * (1 + random_below(random, 1u << 20)),
                                .number = 1 + (uint32_t)random_below(random, 1000),
                                .bytes = 1 + (uint32_t)random_below(random, 1u << random_below(random, 31)),
                                .sum = (uint32_t)random_next(random)};
    size_t at = VALUE_HEADS;
    uint32_t number = 0;
    FUZZ_CHECK(room >= VALUE_HEADS + 4 * LK_USE_BYTES);
    lk_reference_put(to, &made);
    lk_store64(to + LK_REFERENCE + LK_VALUE_HEAD, 77);
    lk_value_head_put(to + LK_REFERENCE, 77, &made);
    for (uint64_t i = random_below(random, 4); i > 0; i--, at += LK_USE_BYTES) {
        uint64_t values = 1 + random_below(random, 100);
        lk_store32(to + at, number += 1 + (uint32_t)random_below(random, 9));
        lk_store64(to + at + 4, values);
        lk_store64(to + at + 12, values * 64 * (1 + random_below(random, 70)));
    }
    return at;
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    struct lk_reference reference;
    if (bytes < VALUE_HEADS || lk_reference_get(lk_slice(data, LK_REFERENCE), &reference) < 0)
        return;
    lk_value_head_put(data + LK_REFERENCE, lk_load64(data + LK_REFERENCE + LK_VALUE_HEAD), &reference);
}
