/* catalog: what a store keeps about its namespaces: ordinary records of space 0 (format/space.h).
 *
 *   key                          value
 *   FF 01 00000000               | next:4 |                 the lowest number that was never given to a namespace
 *   FF 01 00000000 | name        | id:4 | ttl_ms:8 | key_codec:str | value_codec:str |
 *
 *   str = bytes:varint in its shortest form, then that many bytes; a codec's name (format/codec_name.h)
 *
 *   "log", number 3, a second to live, keys "str", values "json", in a store that has given out three numbers:
 *   FF 01 00 00 00 00            ->  04 00 00 00
 *   FF 01 00 00 00 00 6C 6F 67   ->  03 00 00 00  E8 03 00 00 00 00 00 00  03 73 74 72  04 6A 73 6F 6E
 *
 * Names are 1 to 255 bytes without a NUL, numbers at least 1 and below LK_SPACE_DEFAULT. Pure bytes: any thread. */
#ifndef LK_FORMAT_CATALOG_H
#define LK_FORMAT_CATALOG_H

#include "format/space.h"
#include "util/buf.h"

enum { LK_CATALOG_NEXT_BYTES = 4 };

struct lk_catalog_entry {
    uint32_t id;
    uint64_t ttl_ms;                         /* 0: for ever */
    struct lk_slice key_codec, value_codec; /* borrowed */
};

int lk_catalog_name_sound(struct lk_slice name);

/* Append the value of a name's record. 0 or NOMEM. */
LK_MUST_CHECK int lk_catalog_put(struct lk_buf *out, const struct lk_catalog_entry *entry);
/* Trusting nothing: 0, or -1 when the value is none. */
LK_MUST_CHECK int lk_catalog_get(struct lk_slice value, struct lk_catalog_entry *out);

void lk_catalog_next_put(uint8_t to[LK_CATALOG_NEXT_BYTES], uint32_t next);
LK_MUST_CHECK int lk_catalog_next_get(struct lk_slice value, uint32_t *next);

#endif
