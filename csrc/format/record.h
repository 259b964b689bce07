/* record: one put, delete or range delete; the same bytes in logs and in tables.
 *
 *   | flags:1 | key_bytes:varint | value_bytes:varint | [link:12] | [expiry:8] | key | value |
 *
 *   flags  bits 0-1  kind: 1 put, 2 delete, 3 range delete (key = start, value = stop)
 *          bit 2     link present: prev:4 jump:4 depth:4, logs only (see below)
 *          bit 3     expiry present: wall clock, ns since 1970
 *          bit 4     reserved: zero
 *          bit 5     the value lives in a value segment: what stands here is a reference (format/value.h); puts only
 *          bit 6     range delete without a stop: to the end of the key space; value is empty
 *          bit 7     reserved: zero
 *   A flags byte of zero is padding: one byte, skipped. A delete has an empty value.
 *   Lengths are LEB128 in their shortest form, so one record has one encoding.
 *
 *   put "cat" = "1"      ->  01 03 01 63 61 74 31
 *   delete "cat"         ->  02 03 00 63 61 74
 *   delete ["a", "c")    ->  03 01 01 61 63
 *
 * Link: in a log, a record whose key already stands in the same segment names the position of the
 * version before it (prev), so that a snapshot can find what it may see. Depth counts versions from
 * 0; jump is the position of the version whose depth is depth & (depth - 1), so that a walk over n
 * versions takes O(log^2 n) steps. Both lie before this record in the file. */
#ifndef LK_FORMAT_RECORD_H
#define LK_FORMAT_RECORD_H

#include "util/bytes.h"

enum lk_kind { LK_PUT = 1, LK_DELETE = 2, LK_RANGE_DELETE = 3 };
enum { LK_RECORD_KIND = 3, LK_RECORD_LINK = 4, LK_RECORD_EXPIRY = 8, LK_RECORD_APART = 32, LK_RECORD_OPEN_END = 64 };
enum { LK_RECORD_LINK_BYTES = 12, LK_RECORD_HEAD_MAX = 1 + 3 + 5 + 12 + 8 };

struct lk_record {
    struct lk_slice key, value; /* borrowed */
    uint64_t expiry;            /* 0: never */
    uint32_t prev, jump, depth; /* valid with LK_RECORD_LINK */
    uint8_t flags;              /* as stored */
};

static inline enum lk_kind lk_record_kind(const struct lk_record *record)
{
    return (enum lk_kind)(record->flags & LK_RECORD_KIND);
}

/* Bytes that encoding `record` takes. flags must already tell link and expiry. */
size_t lk_record_bytes(const struct lk_record *record);
/* Encode into [to, to + lk_record_bytes). Returns the byte after. */
uint8_t *lk_record_put(uint8_t *to, const struct lk_record *record);

/* Decode from [at, end), at <= end, trusting nothing. Returns the byte after the record, NULL when the
 * bytes are not a record (or are padding): kind 0, a reserved bit, a length not written in its shortest
 * form, a key over 65 541 bytes (LK_KEY_MAX in format/space.h), a value over 1 GiB, a value on a delete, an open end on anything but a
 * range delete or beside a stop, a stop that is not above its start, bit 5 without a reference, or too few bytes. Lengths are
 * compared by subtraction with what remains. *out is written only where a record is returned. */
static inline const uint8_t *lk_record_get(const uint8_t *at, const uint8_t *end, struct lk_record *out);
const uint8_t *lk_record_get_any(const uint8_t *at, const uint8_t *end, struct lk_record *out);

/* The head only: enough to know how many bytes the whole record takes before they are verified.
 * Returns bytes of the head (through link and expiry), 0 when more than `end - at` bytes are needed
 * or the bytes are no record; *total is the record's whole size. LK_RECORD_HEAD_MAX bytes are always
 * enough. All checks of lk_record_get but those of a range delete's stop and of a reference. */
size_t lk_record_peek(const uint8_t *at, const uint8_t *end, uint64_t *total);

/* Most records are plain puts with both lengths in one byte each: decoded in place, without a call. */
static inline const uint8_t *lk_record_get(const uint8_t *at, const uint8_t *end, struct lk_record *out)
{
    if (end - at < 3 || at[0] != LK_PUT || ((at[1] | at[2]) & 0x80))
        return lk_record_get_any(at, end, out);

    size_t key_bytes = at[1], value_bytes = at[2];
    if ((size_t)(end - at) - 3 < key_bytes + value_bytes)
        return NULL;
    out->key = lk_slice(at + 3, key_bytes);
    out->value = lk_slice(at + 3 + key_bytes, value_bytes);
    out->expiry = 0;
    out->prev = out->jump = out->depth = 0;
    out->flags = LK_PUT;
    return at + 3 + key_bytes + value_bytes;
}

#endif
