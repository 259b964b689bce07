/* space: where the keys of a namespace lie among all keys of a store. One tree holds them all.
 *
 *   key of the user                          key in logs and tables
 *   default namespace, first byte not FF     key                              as it is: nothing is copied
 *   default namespace, first byte FF         FF 00 | key
 *   namespace `id`                           FF 01 | id:4 big-endian | key
 *
 *   "cat"             ->  63 61 74
 *   FF "x"            ->  FF 00 FF 78
 *   "cat" in 7        ->  FF 01 00 00 00 07 63 61 74
 *
 * So each namespace is one interval of the key space, in which order is that of the user's keys, and the user's key
 * is always the tail of the stored one. Namespace 0 belongs to the engine: its keys are names, its values say what
 * the namespace is (format/catalog.h). The default namespace is the interval below FF 01. Pure: any thread. */
#ifndef LK_FORMAT_SPACE_H
#define LK_FORMAT_SPACE_H

#include "util/bytes.h"

enum { LK_SPACE_ESCAPE = 0xff, LK_SPACE_DEFAULT_BYTES = 2, LK_SPACE_PREFIX_BYTES = 6 };

/* The default namespace has no id of its own in stored keys; inside the engine this stands for it. 0 is the
 * catalog, so ids of namespaces begin at 1 and end below this. */
#define LK_SPACE_DEFAULT UINT32_MAX
#define LK_SPACE_CATALOG 0u

/* Longest stored key: a user's longest and a prefix. */
#define LK_KEY_MAX (65535u + LK_SPACE_PREFIX_BYTES)

/* The prefix a key of `space` gets: written to `to`, its length returned (0 to 6). key may be NULL when it is empty. */
size_t lk_space_prefix(uint32_t space, const void *key, size_t key_bytes, uint8_t to[LK_SPACE_PREFIX_BYTES]);
/* The namespace of a stored key, and how many of its bytes are prefix. A key that begins with FF and is none of the above
 * (no writer makes one) counts as the catalog's, with nothing but prefix. */
uint32_t lk_space_of(struct lk_slice stored, size_t *prefix_bytes);
/* The first stored key of the interval; and the first one behind it (never empty: FF 02 is behind all). */
size_t lk_space_start(uint32_t space, uint8_t to[LK_SPACE_PREFIX_BYTES]);
size_t lk_space_stop(uint32_t space, uint8_t to[LK_SPACE_PREFIX_BYTES]);

#endif
