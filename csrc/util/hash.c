/* hash: keys of more than 16 bytes. Two chains side by side, because one multiplication waits for
 * the one before it: four operands of eight bytes per round. */
#include "util/hash.h"

uint64_t lk_hash_long(struct lk_hash_seed seed, const uint8_t *at, size_t len)
{
    const uint64_t a = seed.a ^ LK_HASH_A, b = seed.b ^ LK_HASH_B;
    const uint64_t a2 = a ^ LK_HASH_B << 1, b2 = b ^ LK_HASH_A << 1;
    const uint8_t *last = at + len - 16;
    uint64_t one = b, two = b2;

    for (size_t left = len; left > 32; left -= 32, at += 32) {
        one = lk_hash_fold(lk_load64(at) ^ a, lk_load64(at + 8) ^ one);
        two = lk_hash_fold(lk_load64(at + 16) ^ a2, lk_load64(at + 24) ^ two);
    }
    if (last > at)
        one = lk_hash_fold(lk_load64(at) ^ a, lk_load64(at + 8) ^ one);
    two = lk_hash_fold(lk_load64(last) ^ a2, lk_load64(last + 8) ^ two);
    return lk_hash_fold(lk_hash_fold(one ^ a2, two ^ b) ^ b2, len * LK_HASH_B ^ a);
}
