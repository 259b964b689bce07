/* record: both pens of the drawing in format/record.h. Pure bytes: any thread. */
#include "format/record.h"

#include "format/space.h"
#include "format/value.h"
#include "include/lsmkv.h"

enum {
    KNOWN = LK_RECORD_KIND | LK_RECORD_LINK | LK_RECORD_EXPIRY | LK_RECORD_APART | LK_RECORD_OPEN_END,
    EXPIRY_BYTES = 8
};

static size_t extras_bytes(uint8_t flags)
{
    return (flags & LK_RECORD_LINK ? LK_RECORD_LINK_BYTES : 0u) + (flags & LK_RECORD_EXPIRY ? EXPIRY_BYTES : 0u);
}

/* ---- encode --------------------------------------------------------------------------------- */

size_t lk_record_bytes(const struct lk_record *record)
{
    return 1 + lk_varint_bytes((uint32_t)record->key.len) + lk_varint_bytes((uint32_t)record->value.len) +
           extras_bytes(record->flags) + record->key.len + record->value.len;
}

static uint8_t *slice_put(uint8_t *to, struct lk_slice from)
{
    if (from.len)
        memcpy(to, from.at, from.len);
    return to + from.len;
}

uint8_t *lk_record_put(uint8_t *to, const struct lk_record *record)
{
    *to++ = record->flags;
    to = lk_varint_put(to, (uint32_t)record->key.len);
    to = lk_varint_put(to, (uint32_t)record->value.len);
    if (record->flags & LK_RECORD_LINK) {
        lk_store32(to, record->prev);
        lk_store32(to + 4, record->jump);
        lk_store32(to + 8, record->depth);
        to += LK_RECORD_LINK_BYTES;
    }
    if (record->flags & LK_RECORD_EXPIRY) {
        lk_store64(to, record->expiry);
        to += EXPIRY_BYTES;
    }
    to = slice_put(to, record->key);
    return slice_put(to, record->value);
}

/* ---- decode --------------------------------------------------------------------------------- */

struct head {
    uint8_t flags;
    uint32_t key_bytes, value_bytes;
};

/* A length in its shortest form. */
static const uint8_t *length_get(const uint8_t *at, const uint8_t *end, uint32_t *out)
{
    const uint8_t *after = lk_varint_get(at, end, out);
    return after && (size_t)(after - at) == lk_varint_bytes(*out) ? after : NULL;
}

static int head_allowed(const struct head *head)
{
    unsigned kind = head->flags & LK_RECORD_KIND;
    int open_end = (head->flags & LK_RECORD_OPEN_END) != 0;

    if (head->key_bytes > LK_KEY_MAX || head->value_bytes > LSMKV_VALUE_MAX)
        return 0;
    if (open_end && kind != LK_RANGE_DELETE)
        return 0;
    if (head->flags & LK_RECORD_APART)
        return kind == LK_PUT && head->value_bytes == LK_REFERENCE;
    if (kind == LK_DELETE || open_end)
        return head->value_bytes == 0;
    if (kind == LK_RANGE_DELETE)
        return head->value_bytes <= LK_KEY_MAX; /* a stop is a key */
    return 1;
}

/* Flags and lengths. Returns the first byte of link, expiry or key; NULL when they are not sound. */
static const uint8_t *head_get(const uint8_t *at, const uint8_t *end, struct head *head)
{
    if (at == end)
        return NULL;
    head->flags = *at++;
    if ((head->flags & LK_RECORD_KIND) == 0 || (head->flags & ~KNOWN) != 0)
        return NULL;
    at = length_get(at, end, &head->key_bytes);
    if (at)
        at = length_get(at, end, &head->value_bytes);
    return at && head_allowed(head) ? at : NULL;
}

static const uint8_t *extras_get(const uint8_t *at, struct lk_record *record)
{
    record->prev = record->jump = record->depth = 0;
    record->expiry = 0;
    if (record->flags & LK_RECORD_LINK) {
        record->prev = lk_load32(at);
        record->jump = lk_load32(at + 4);
        record->depth = lk_load32(at + 8);
        at += LK_RECORD_LINK_BYTES;
    }
    if (record->flags & LK_RECORD_EXPIRY) {
        record->expiry = lk_load64(at);
        at += EXPIRY_BYTES;
    }
    return at;
}

const uint8_t *lk_record_get_any(const uint8_t *at, const uint8_t *end, struct lk_record *out)
{
    struct head head;
    struct lk_record record;

    at = head_get(at, end, &head);
    if (at == NULL)
        return NULL;
    /* All three are bounded by now: 20 bytes, 64 KiB, 1 GiB. */
    uint64_t rest = (uint64_t)extras_bytes(head.flags) + head.key_bytes + head.value_bytes;
    if ((uint64_t)(end - at) < rest)
        return NULL;

    record.flags = head.flags;
    at = extras_get(at, &record);
    record.key = lk_slice(at, head.key_bytes);
    record.value = lk_slice(at + head.key_bytes, head.value_bytes);
    if (lk_record_kind(&record) == LK_RANGE_DELETE && !(record.flags & LK_RECORD_OPEN_END) &&
        lk_compare(record.key, record.value) >= 0)
        return NULL;
    struct lk_reference reference;
    if ((record.flags & LK_RECORD_APART) && lk_reference_get(record.value, &reference) < 0)
        return NULL;
    *out = record;
    return record.value.at + record.value.len;
}

size_t lk_record_peek(const uint8_t *at, const uint8_t *end, uint64_t *total)
{
    struct head head;
    const uint8_t *after = head_get(at, end, &head);

    if (after == NULL || (size_t)(end - after) < extras_bytes(head.flags))
        return 0;
    size_t head_bytes = (size_t)(after - at) + extras_bytes(head.flags);
    *total = (uint64_t)head_bytes + head.key_bytes + head.value_bytes;
    return head_bytes;
}
