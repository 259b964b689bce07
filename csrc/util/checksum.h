/* checksum: CRC-32C (Castagnoli), by instruction where the processor has it, by table elsewhere.
 * Detects every error of up to 32 adjacent bits. `seed` enters as the initial value, so the same
 * bytes under another seed (another file, another offset) never pass: the map from seed to result
 * is one-to-one for a given input. */
#ifndef LK_UTIL_CHECKSUM_H
#define LK_UTIL_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t lk_checksum(uint32_t seed, const void *at, size_t len);
/* Continue: lk_checksum(lk_checksum(s, a), b) == lk_checksum(s, a followed by b). */

/* The same value, always by table: what the tests compare the instruction with. */
uint32_t lk_checksum_by_table(uint32_t seed, const void *at, size_t len);

/* A 32-bit seed from a file's identity and a place in it. */
static inline uint32_t lk_checksum_seed(uint64_t identity, uint64_t place)
{
    uint64_t x = (identity ^ (place * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
    return (uint32_t)(x >> 32) ^ (uint32_t)x;
}

const char *lk_checksum_kind(void); /* "sse4.2" or "table" */

#endif
