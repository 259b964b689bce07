/* fuzz pack: stored bytes of a packed page, unpacked into a bounded place.
 *
 *   | codec:1 | whole:2 | wanted:2 | stored bytes ... | */
#include "fuzz.h"

#include "store/pack.h"
#include "util/bytes.h"

enum { PACK_HEAD = 5, PACK_GUARD = 64, PACK_MARK = 0xa5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t first[65536 + PACK_GUARD], second[65536 + PACK_GUARD];
    static struct lk_packer packer;
    if (bytes <= PACK_HEAD)
        return 0;
    uint32_t codec = LK_PACK_LZ4 + data[0] % 2;
    size_t whole = 1 + (size_t)lk_load16(data + 1), wanted = lk_load16(data + 3) % (whole + 1), part = 0, all = 0;
    memset(first + whole, PACK_MARK, PACK_GUARD);
    memset(second + whole, PACK_MARK, PACK_GUARD);
    int rc = lk_unpack(&packer, codec, data + PACK_HEAD, bytes - PACK_HEAD, first, wanted, whole, &part);
    int full = lk_unpack(&packer, codec, data + PACK_HEAD, bytes - PACK_HEAD, second, whole, whole, &all);
    for (size_t i = 0; i < PACK_GUARD; i++)
        FUZZ_CHECK(first[whole + i] == PACK_MARK && second[whole + i] == PACK_MARK);
    FUZZ_CHECK(rc == 0 || rc == 1);
    FUZZ_CHECK(full == 0 || full == 1);
    FUZZ_CHECK(rc != 0 || (part >= wanted && part <= whole));
    if (full != 0)
        return 0;
    FUZZ_CHECK(all == whole); /* what a forged match of distance 0 copies is anybody's guess, so nothing is compared */
    fuzz_accepted++;
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    uint8_t from[2048];
    struct lk_packer packer = {0};
    size_t whole = 64 + random_below(random, sizeof from - 64), made = 0;
    uint32_t codec = LK_PACK_LZ4 + (uint32_t)random_below(random, 2);
    for (size_t i = 0; i < whole; i++)
        from[i] = i % 50 < 25 ? (uint8_t)random_below(random, 256) : (uint8_t)(i / 100);
    to[0] = (uint8_t)(codec - LK_PACK_LZ4);
    lk_store16(to + 1, (uint16_t)(whole - 1));
    lk_store16(to + 3, (uint16_t)random_below(random, whole + 1));
    FUZZ_CHECK(lk_pack(&packer, codec, from, whole, to + PACK_HEAD, room - PACK_HEAD, &made) == 0);
    lk_packer_deinit(&packer);
    return PACK_HEAD + (made ? made : 1); /* without the library: anything */
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data;
    (void)bytes;
}
