/* pack: pages made smaller, and their bytes back. The only place that knows a compression library.
 *
 *      records of a page --lk_pack--> stored bytes --lk_unpack--> the same records
 *
 * A codec's number stands in a table's footer (format/footer.h) and means the same in every build; whether
 * this build has its library is another question. Stored bytes are trusted as little as any: what comes out
 * is bounded by what the caller said before, and anything odd about them is 1.
 *
 * Threads: a packer serves one at a time. */
#ifndef LK_STORE_PACK_H
#define LK_STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "util/status.h"

enum lk_pack_codec { LK_PACK_RAW = 0, LK_PACK_LZ4 = 1, LK_PACK_ZSTD = 2, LK_PACK_CODECS = 3 };

/* What a codec keeps between pages. Zero-filled is empty; lk_packer_deinit. */
struct lk_packer {
    void *pack, *unpack; /* owned; contexts of zstd */
};
void lk_packer_deinit(struct lk_packer *packer);

/* "raw", "lz4", "zstd"; "unknown". Static storage. */
const char *lk_pack_name(uint32_t codec);
/* Version of the library in this build, NULL when it has none. Raw is always here: "". Static storage. */
const char *lk_pack_version(uint32_t codec);

/* Pack into [to, to + room). *made: bytes written, 0 when they do not fit. 0 or NOMEM. */
LK_MUST_CHECK int lk_pack(struct lk_packer *packer, uint32_t codec, const void *from, size_t bytes, void *to,
                          size_t room, size_t *made);
/* Unpack at least the first `wanted` of the `whole` bytes these were made of into `to`, which has room for
 * `whole`. *made: how many stand there now. 0; 1: the stored bytes are not what a packer makes of `whole` bytes,
 * as far as it was looked; NOMEM. Nothing is written behind to + whole. */
LK_MUST_CHECK int lk_unpack(struct lk_packer *packer, uint32_t codec, const void *from, size_t bytes, void *to,
                            size_t wanted, size_t whole, size_t *made);

#endif
