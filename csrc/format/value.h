/* value: values in a file of their own, and what refers to them.
 *
 *   value segment   | file head:64 | value | value | ... |          head: format/frame.h, magic "lsmkvVAL"
 *   value           | check:4 | sum:4 | bytes:4 | zero:4 | the value | zeros to a multiple of 64 |
 *                     check  checksum of the twelve bytes after it, seed (file identity, offset of the value's head)
 *                     sum    checksum of the value, the same seed
 *   reference       | number:4 | offset:8 | bytes:4 | sum:4 |       the value of a record with flag 5:
 *                     file, place of the head, length, and the sum again
 *
 * A reference alone is enough to read and to verify; heads are for whoever examines the file. Offsets are multiples
 * of 64. Pure bytes: any thread. */
#ifndef LK_FORMAT_VALUE_H
#define LK_FORMAT_VALUE_H

#include "util/bytes.h"

enum { LK_VALUE_UNIT = 64, LK_VALUE_HEAD = 16, LK_REFERENCE = 20 };

struct lk_reference {
    uint64_t offset;
    uint32_t number, bytes, sum;
};

/* Bytes of the file that a value takes. */
static inline uint64_t lk_value_footprint(uint64_t bytes)
{
    return (LK_VALUE_HEAD + bytes + LK_VALUE_UNIT - 1) & ~(uint64_t)(LK_VALUE_UNIT - 1);
}

void lk_reference_put(uint8_t to[LK_REFERENCE], const struct lk_reference *reference);
/* 0, or -1: no reference, whatever file it may be about (length, number, place or size cannot be). */
int lk_reference_get(struct lk_slice from, struct lk_reference *out);

/* The head of the value that `reference` is about, in the file of that identity. */
void lk_value_head_put(uint8_t to[LK_VALUE_HEAD], uint64_t identity, const struct lk_reference *reference);
/* 1 when this is that head. */
int lk_value_head_is(const uint8_t from[LK_VALUE_HEAD], uint64_t identity, const struct lk_reference *reference);

/* Continue the sum of a value, begun with lk_value_seed, by its next bytes: lk_checksum. */
uint32_t lk_value_seed(uint64_t identity, uint64_t offset);

#endif
