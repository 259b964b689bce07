/* pack: LZ4 and zstd, each only where this was built with its library.
 *
 * LZ4 stops where the caller's want is met, so a record in the first half of a page costs half a page. zstd has
 * no such call; it unpacks the whole page. */
#include "store/pack.h"

#ifdef LSMKV_HAVE_LZ4
#include <lz4.h>
#endif
#ifdef LSMKV_HAVE_ZSTD
#define ZSTD_STATIC_LINKING_ONLY /* for contexts in memory of our own */
#include <zstd.h>
#include <zstd_errors.h>
#endif

#include "util/alloc.h"

enum { ZSTD_LEVEL = 1 };

const char *lk_pack_name(uint32_t codec)
{
    static const char *const names[] = {"raw", "lz4", "zstd"};
    return codec < LK_PACK_CODECS ? names[codec] : "unknown";
}

const char *lk_pack_version(uint32_t codec)
{
    switch (codec) {
    case LK_PACK_RAW:
        return "";
#ifdef LSMKV_HAVE_LZ4
    case LK_PACK_LZ4:
        return LZ4_versionString();
#endif
#ifdef LSMKV_HAVE_ZSTD
    case LK_PACK_ZSTD:
        return ZSTD_versionString();
#endif
    default:
        return NULL;
    }
}

/* ---- lz4 ------------------------------------------------------------------------------------ */

#ifdef LSMKV_HAVE_LZ4
static int lz4_pack(const void *from, size_t bytes, void *to, size_t room, size_t *made)
{
    int packed = LZ4_compress_default(from, to, (int)bytes, (int)room);
    *made = packed > 0 ? (size_t)packed : 0;
    return 0;
}

static int lz4_unpack(const void *from, size_t bytes, void *to, size_t wanted, size_t whole, size_t *made)
{
    int out = wanted < whole ? LZ4_decompress_safe_partial(from, to, (int)bytes, (int)wanted, (int)whole)
                             : LZ4_decompress_safe(from, to, (int)bytes, (int)whole);
    if (out < 0 || (size_t)out < wanted || (size_t)out > whole)
        return 1;
    *made = (size_t)out;
    return 0;
}
#endif

/* ---- zstd ----------------------------------------------------------------------------------- */

#ifdef LSMKV_HAVE_ZSTD
static void *zstd_alloc(void *context, size_t bytes)
{
    (void)context;
    return lk_alloc(bytes);
}

static void zstd_free(void *context, void *at)
{
    (void)context;
    lk_free(at);
}

static const ZSTD_customMem memory = {zstd_alloc, zstd_free, NULL};

static int zstd_pack(struct lk_packer *packer, const void *from, size_t bytes, void *to, size_t room, size_t *made)
{
    if (!packer->pack)
        packer->pack = ZSTD_createCCtx_advanced(memory);
    if (!packer->pack)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room to pack pages with zstd");
    size_t packed = ZSTD_compressCCtx(packer->pack, to, room, from, bytes, ZSTD_LEVEL);
    if (ZSTD_isError(packed) && ZSTD_getErrorCode(packed) == ZSTD_error_memory_allocation)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room to pack pages with zstd");
    *made = ZSTD_isError(packed) ? 0 : packed;
    return 0;
}

static int zstd_unpack(struct lk_packer *packer, const void *from, size_t bytes, void *to, size_t whole, size_t *made)
{
    if (!packer->unpack)
        packer->unpack = ZSTD_createDCtx_advanced(memory);
    if (!packer->unpack)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room to unpack pages with zstd");
    size_t out = ZSTD_decompressDCtx(packer->unpack, to, whole, from, bytes);
    if (ZSTD_isError(out) || out != whole)
        return 1;
    *made = out;
    return 0;
}
#endif

/* ---- whichever ------------------------------------------------------------------------------ */

void lk_packer_deinit(struct lk_packer *packer)
{
#ifdef LSMKV_HAVE_ZSTD
    ZSTD_freeCCtx(packer->pack);
    ZSTD_freeDCtx(packer->unpack);
#endif
    *packer = (struct lk_packer){0};
}

int lk_pack(struct lk_packer *packer, uint32_t codec, const void *from, size_t bytes, void *to, size_t room,
            size_t *made)
{
    *made = 0;
    switch (codec) {
#ifdef LSMKV_HAVE_LZ4
    case LK_PACK_LZ4:
        return lz4_pack(from, bytes, to, room, made);
#endif
#ifdef LSMKV_HAVE_ZSTD
    case LK_PACK_ZSTD:
        return zstd_pack(packer, from, bytes, to, room, made);
#endif
    default:
        (void)packer, (void)from, (void)bytes, (void)to, (void)room;
        return 0;
    }
}

int lk_unpack(struct lk_packer *packer, uint32_t codec, const void *from, size_t bytes, void *to, size_t wanted,
              size_t whole, size_t *made)
{
    switch (codec) {
#ifdef LSMKV_HAVE_LZ4
    case LK_PACK_LZ4:
        return lz4_unpack(from, bytes, to, wanted, whole, made);
#endif
#ifdef LSMKV_HAVE_ZSTD
    case LK_PACK_ZSTD:
        return zstd_unpack(packer, from, bytes, to, whole, made);
#endif
    default:
        (void)packer, (void)from, (void)bytes, (void)to, (void)wanted, (void)whole, (void)made;
        return 1;
    }
}
