/* fuzz record: bytes as a sequence of records, as a page or a frame body holds them. What decodes must
 * lie inside, keep the rules of its kind and encode to the same bytes again. */
#include "fuzz.h"

#include "format/record.h"
#include "format/space.h"
#include "include/lsmkv.h"

static void record_check(const uint8_t *at, const uint8_t *after, const uint8_t *end, const struct lk_record *record)
{
    uint8_t again[FUZZ_ROOM];
    struct lk_record twice;
    uint64_t total = 0;
    size_t bytes = (size_t)(after - at), head = lk_record_peek(at, end, &total);
    unsigned kind = lk_record_kind(record);

    FUZZ_CHECK(after > at && after <= end);
    FUZZ_CHECK(record->key.at >= at && record->key.at + record->key.len == record->value.at);
    FUZZ_CHECK(record->value.at + record->value.len == after);
    FUZZ_CHECK(record->key.len <= LK_KEY_MAX && record->value.len <= LSMKV_VALUE_MAX);
    FUZZ_CHECK(kind != 0 && (record->flags & 0xb0) == 0);
    FUZZ_CHECK(kind != LK_DELETE || record->value.len == 0);
    FUZZ_CHECK(!(record->flags & LK_RECORD_OPEN_END) || (kind == LK_RANGE_DELETE && record->value.len == 0));
    FUZZ_CHECK(kind != LK_RANGE_DELETE || (record->flags & LK_RECORD_OPEN_END) ||
               lk_compare(record->key, record->value) < 0);
    FUZZ_CHECK(total == bytes && head == bytes - record->key.len - record->value.len && head <= LK_RECORD_HEAD_MAX);
    FUZZ_CHECK(lk_record_bytes(record) == bytes);
    FUZZ_CHECK(lk_record_get_any(at, end, &twice) == after && twice.flags == record->flags);
    FUZZ_CHECK(lk_record_get(at, after - 1, &twice) == NULL);
    if (bytes <= sizeof again) {
        FUZZ_CHECK(lk_record_put(again, record) == again + bytes);
        FUZZ_CHECK(memcmp(again, at, bytes) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *at = data, *end = data + bytes;
    struct lk_record record;
    uint64_t total;

    while (at < end) {
        const uint8_t *after = lk_record_get(at, end, &record);
        if (after) {
            fuzz_accepted++;
            record_check(at, after, end, &record);
        } else if (lk_record_peek(at, end, &total) > 0) {
            /* A sound head and yet no record: too few bytes, a stop that is not above its start, or no reference. */
            FUZZ_CHECK(total > (uint64_t)(end - at) || (*at & LK_RECORD_KIND) == LK_RANGE_DELETE ||
                       (*at & LK_RECORD_APART));
        }
        at = after ? after : at + 1;
    }
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    static const uint8_t flags[] = {1, 1, 1, 2, 3, 0x43, 5, 9, 13, 6, 7, 0x4f};
    uint8_t *at = to, bytes[400];
    size_t records = 1 + random_below(random, 6);

    for (size_t i = 0; i < records; i++) {
        struct lk_record record = {.flags = flags[random_below(random, sizeof flags)],
                                   .prev = (uint32_t)random_next(random),
                                   .jump = 5,
                                   .depth = 6,
                                   .expiry = 7};
        random_fill(random, bytes, sizeof bytes);
        record.key = lk_slice(bytes, random_below(random, random_below(random, 4) ? 20 : 160));
        record.value = lk_slice(bytes, record.key.len + random_below(random, random_below(random, 4) ? 60 : 200));
        if (lk_record_kind(&record) == LK_DELETE || (record.flags & LK_RECORD_OPEN_END))
            record.value.len = 0;
        if (lk_record_bytes(&record) > room - (size_t)(at - to))
            break;
        at = lk_record_put(at, &record);
        if (random_below(random, 5) == 0 && (size_t)(at - to) < room)
            *at++ = 0; /* padding */
    }
    return (size_t)(at - to);
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data; /* records carry no checksum of their own */
    (void)bytes;
}
