/* hash: a keyed 64-bit hash of a key's bytes, secret per store, so that a crafted key set cannot
 * degrade the index. Multiply-and-fold over 16-byte blocks, each operand masked by the secret.
 *
 *   fold(x, y) = high(x * y) ^ low(x * y) ^ x ^ y        128-bit product; an operand of zero loses nothing
 *
 *   up to 16 bytes   fold(first ^ A, last ^ B)           first and last eight bytes, overlapping as they must
 *   more             fold over each 16 bytes, then over the last 16, which may overlap
 *   always           fold with the length and the secret again, so that every bit of the result
 *                    depends on every bit of the key: the high half chooses a line, the low 14 bits
 *                    are what the line remembers of the key
 *
 * The result is stored in table files: what it is for given bytes and seed never changes. */
#ifndef LK_UTIL_HASH_H
#define LK_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

struct lk_hash_seed {
    uint64_t a, b;
};

/* Two numbers without structure, half of their bits set: a seed of zeros still hashes well. */
#define LK_HASH_A 0x8d1f3b5647c2e9a5u
#define LK_HASH_B 0x3ca6e5914d72b87bu

static inline uint64_t lk_hash_fold(uint64_t x, uint64_t y)
{
    unsigned __int128 product = (unsigned __int128)x * y;
    return (uint64_t)(product >> 64) ^ (uint64_t)product ^ x ^ y;
}

uint64_t lk_hash_long(struct lk_hash_seed seed, const uint8_t *at, size_t len); /* len > 16 */

/* Cost: two dependent multiplications up to 16 bytes. */
static inline uint64_t lk_hash(struct lk_hash_seed seed, const void *key, size_t len)
{
    const uint8_t *at = (const uint8_t *)key;
    uint64_t first = 0, last = 0;

    if (__builtin_expect(len > 16, 0))
        return lk_hash_long(seed, at, len);
    if (len >= 8) {
        first = lk_load64(at);
        last = lk_load64(at + len - 8);
    } else if (len >= 4) {
        first = lk_load32(at);
        last = lk_load32(at + len - 4);
    } else if (len > 0) {
        first = (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
    }
    uint64_t once = lk_hash_fold(first ^ seed.a ^ LK_HASH_A, last ^ seed.b ^ LK_HASH_B);
    return lk_hash_fold(once ^ seed.b, len * LK_HASH_B ^ seed.a ^ LK_HASH_A);
}

#endif
