/* value_uses: a short sorted list. */
#include "store/value_uses.h"

#include "util/alloc.h"

/* The first entry whose number is not below. */
static uint32_t place_of(const struct lk_value_uses *uses, uint32_t number)
{
    uint32_t low = 0, high = uses->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (uses->at[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct lk_value_use *lk_value_uses_find(const struct lk_value_uses *uses, uint32_t number)
{
    uint32_t at = place_of(uses, number);
    return at < uses->count && uses->at[at].number == number ? &uses->at[at] : NULL;
}

int lk_value_uses_add(struct lk_value_uses *uses, uint32_t number, uint64_t values, uint64_t bytes)
{
    uint32_t at = place_of(uses, number);
    if (at == uses->count || uses->at[at].number != number) {
        if (uses->count == uses->cap) {
            uint32_t cap = uses->cap ? 2 * uses->cap : 4;
            void *more = lk_realloc(uses->at, cap * sizeof *uses->at);
            if (!more)
                return lk_fail(LSMKV_NOMEM, "memory ran out: no room to count the uses of value segment %u", number);
            uses->at = more;
            uses->cap = cap;
        }
        memmove(uses->at + at + 1, uses->at + at, (uses->count - at) * sizeof *uses->at);
        uses->at[at] = (struct lk_value_use){.number = number};
        uses->count++;
    }
    uses->at[at].values += values;
    uses->at[at].bytes += bytes;
    return 0;
}

int lk_value_uses_equal(const struct lk_value_uses *a, const struct lk_value_uses *b)
{
    int equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = a->at[i].number == b->at[i].number && a->at[i].values == b->at[i].values &&
                a->at[i].bytes == b->at[i].bytes;
    return equal;
}

uint64_t lk_value_uses_bytes(const struct lk_value_uses *uses)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < uses->count; i++)
        bytes += uses->at[i].bytes;
    return bytes;
}

int lk_value_uses_put(const struct lk_value_uses *uses, struct lk_buf *out)
{
    int rc = lk_buf_reserve(out, (size_t)uses->count * LK_USE_BYTES);
    for (uint32_t i = 0; rc == 0 && i < uses->count; i++, out->len += LK_USE_BYTES) {
        lk_store32(out->at + out->len, uses->at[i].number);
        lk_store64(out->at + out->len + 4, uses->at[i].values);
        lk_store64(out->at + out->len + 12, uses->at[i].bytes);
    }
    return rc;
}

int lk_value_uses_get(struct lk_value_uses *uses, const uint8_t *at, uint64_t bytes)
{
    uint32_t before = 0;
    if (bytes % LK_USE_BYTES)
        return 1;
    for (; bytes; at += LK_USE_BYTES, bytes -= LK_USE_BYTES) {
        uint32_t number = lk_load32(at);
        uint64_t values = lk_load64(at + 4), taken = lk_load64(at + 12);
        if (number <= before || values == 0 || taken > INT64_MAX / 2 || taken / 64 < values)
            return 1;
        int rc = lk_value_uses_add(uses, number, values, taken);
        if (rc < 0)
            return rc;
        before = number;
    }
    return 0;
}

void lk_value_uses_deinit(struct lk_value_uses *uses)
{
    lk_free(uses->at);
    *uses = (struct lk_value_uses){0};
}
