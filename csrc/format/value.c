/* value: both pens of the drawing in format/value.h. */
#include "format/value.h"

#include "format/frame.h"
#include "include/lsmkv.h"
#include "util/checksum.h"

enum { AT_NUMBER = 0, AT_OFFSET = 4, AT_BYTES = 12, AT_SUM = 16 };
enum { HEAD_CHECK = 0, HEAD_SUM = 4, HEAD_BYTES = 8, HEAD_ZERO = 12 };

void lk_reference_put(uint8_t to[LK_REFERENCE], const struct lk_reference *reference)
{
    lk_store32(to + AT_NUMBER, reference->number);
    lk_store64(to + AT_OFFSET, reference->offset);
    lk_store32(to + AT_BYTES, reference->bytes);
    lk_store32(to + AT_SUM, reference->sum);
}

int lk_reference_get(struct lk_slice from, struct lk_reference *out)
{
    if (from.len != LK_REFERENCE)
        return -1;
    struct lk_reference found = {.offset = lk_load64(from.at + AT_OFFSET),
                                 .number = lk_load32(from.at + AT_NUMBER),
                                 .bytes = lk_load32(from.at + AT_BYTES),
                                 .sum = lk_load32(from.at + AT_SUM)};
    if (found.number == 0 || found.bytes == 0 || found.bytes > LSMKV_VALUE_MAX || found.offset < LK_FILE_HEAD ||
        found.offset > INT64_MAX / 2 || found.offset % LK_VALUE_UNIT != 0)
        return -1;
    *out = found;
    return 0;
}

uint32_t lk_value_seed(uint64_t identity, uint64_t offset)
{
    return lk_checksum_seed(identity, offset);
}

void lk_value_head_put(uint8_t to[LK_VALUE_HEAD], uint64_t identity, const struct lk_reference *reference)
{
    lk_store32(to + HEAD_SUM, reference->sum);
    lk_store32(to + HEAD_BYTES, reference->bytes);
    lk_store32(to + HEAD_ZERO, 0);
    lk_store32(to + HEAD_CHECK,
               lk_checksum(lk_value_seed(identity, reference->offset), to + HEAD_SUM, LK_VALUE_HEAD - HEAD_SUM));
}

int lk_value_head_is(const uint8_t from[LK_VALUE_HEAD], uint64_t identity, const struct lk_reference *reference)
{
    uint8_t wanted[LK_VALUE_HEAD];
    lk_value_head_put(wanted, identity, reference);
    return memcmp(wanted, from, LK_VALUE_HEAD) == 0;
}
