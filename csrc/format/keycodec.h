/* keycodec: keys that are not bytes, as bytes in the same order.
 *
 *   name     = "bytes" "str" "i64" "u64" "f64" "bool" "uuid" "datetime"
 *            | "(" name { "," name } ")"          a tuple: its elements one after the other, nothing around them
 *            | "desc(" name ")"                   every byte of what is inside inverted
 *
 *   i64      8 bytes big-endian, sign bit flipped            -1        ->  7f ff ff ff ff ff ff ff
 *   u64      8 bytes big-endian                              1         ->  00 00 00 00 00 00 00 01
 *   f64      8 bytes big-endian of the IEEE 754 bits, all    1.0       ->  bf f0 00 00 00 00 00 00
 *            flipped when negative, else the sign bit;       -1.0      ->  40 0f ff ff ff ff ff ff
 *            -0.0 is stored as 0.0, NaN is refused           0.0       ->  80 00 00 00 00 00 00 00
 *   bool     1 byte, 0 or 1
 *   uuid     its 16 bytes
 *   datetime i64 of microseconds since 1970 UTC,             1970 + 1 s -> 80 00 00 00 00 0f 42 40
 *            years 1 to 9999
 *   bytes    alone in the name: verbatim                     61 00     ->  61 00
 *   str        (str is UTF-8)                                "cat"     ->  63 61 74
 *            elsewhere: each byte, 00 as 01 01 and 01 as     61 00     ->  61 01 01 00
 *            01 02, then 00                                  "cat"     ->  63 61 74 00
 *
 *   (str,i64)   ("cat", -1)      ->  63 61 74 00 7f ff ff ff ff ff ff ff
 *   desc(str)   "cat"            ->  9c 9e 8b ff
 *
 * Why it is in order. Call the bytes an element becomes its word.
 *   1. No word of an element in a tuple or in desc() begins another word of the same type. Fixed sizes: clear. Delimited:
 *      bytes become the symbols 01 01, 01 02, 02, 03 .. ff and the end is 00; no symbol begins another, none begins with
 *      the end, so at the first difference of two strings their words differ too, within those symbols.
 *   2. There the order is right: the symbols ascend as the bytes do, and the end is below them all, as a prefix is below
 *      what it begins. Words of a fixed size compare as their values by the table above; UTF-8 as its code points.
 *   3. So two tuples that differ first in element n have equal bytes before it and differ inside its two words, whatever
 *      follows; by 1 neither tuple's bytes begin the other's. That makes a tuple an element.
 *   4. Inverting all bytes turns the order at the first difference around, and by 1 there is one. That makes desc(x) an element.
 * And one key has one encoding: the decoder refuses everything that the encoder does not write.
 *
 * Pure bytes, any thread. */
#ifndef LK_FORMAT_KEYCODEC_H
#define LK_FORMAT_KEYCODEC_H

#include "util/bytes.h"
#include "util/status.h"

/* Nesting is gone: tuples are concatenation, and each element knows whether an odd number of desc() is around it. */
struct lk_keyfield {
    uint8_t type;     /* enum lsmkv_field_type */
    uint8_t of;       /* TUPLE: number of direct elements, else 0 */
    uint8_t mask;     /* 00, or ff: bytes are inverted */
    uint8_t verbatim; /* bytes or str that is the whole key */
};

struct lk_keycodec {
    uint32_t count;
    struct lk_keyfield fields[LSMKV_CODEC_FIELDS_MAX]; /* in the order of the name */
    char name[LSMKV_CODEC_NAME_MAX + 1];               /* in its one spelling */
};

/* 0, or INVALID with words: *out is then undefined. */
LK_MUST_CHECK int lk_keycodec_parse(struct lk_keycodec *out, const char *name, size_t bytes);
const char *lk_keycodec_type_name(int type);

/* As lsmkv_codec_put and lsmkv_codec_get. */
LK_MUST_CHECK int lk_keycodec_put(const struct lk_keycodec *codec, size_t field, const union lsmkv_element *element,
                                  uint8_t *key, size_t room, size_t *at);
LK_MUST_CHECK int lk_keycodec_get(const struct lk_keycodec *codec, size_t field, struct lk_slice key, size_t *at,
                                  uint8_t *scratch, union lsmkv_element *out);

/* UTF-8 in its shortest form, without surrogates, up to U+10FFFF. */
int lk_utf8_check(struct lk_slice text);

#endif
