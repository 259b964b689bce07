/* checksum: CRC-32C, polynomial 0x1edc6f41, bit-reflected, inverted before and after, so that
 * seed 0 gives the published values ("123456789" -> e3069283).
 *
 * The instruction takes eight bytes and three cycles, but a new one can start in every cycle. So the
 * bytes are cut into three streams of n words that run side by side, and joined at the end:
 *
 *   | n words, state A | n words, state B | n words, state C |  rest
 *
 *   joined = A * x^(2n words) + B * x^(n words) + C      modulo the polynomial
 *
 * A multiplication by x^(n words) is one carry-less product with a constant. The product of two
 * reflected 32-bit numbers, fed to the crc instruction as a word, comes out multiplied by x^33 too
 * many, so the constant is x^(64 n - 33): for n = 1 it is x^31, the number 1, and each one after it
 * is the one before moved on by a word of zeros.
 *
 * The tables are built before main by a constructor and never change after: any thread. */
#include "util/checksum.h"

#include "util/bytes.h"

#define POLYNOMIAL 0x82f63b78u

/* ---- by table: eight bytes a step ------------------------------------------------------- */

static uint32_t table[8][256]; /* [k][byte]: the byte followed by k zero bytes */

static void table_build(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t state = byte;
        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ (state & 1 ? POLYNOMIAL : 0);
        table[0][byte] = state;
    }
    for (int k = 1; k < 8; k++)
        for (int byte = 0; byte < 256; byte++)
            table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 0xff];
}

static uint32_t by_table(uint32_t state, const uint8_t *at, size_t len)
{
    for (; len >= 8; len -= 8, at += 8) {
        uint64_t word = lk_load64(at) ^ state;
        state = table[7][word & 0xff] ^ table[6][word >> 8 & 0xff] ^ table[5][word >> 16 & 0xff] ^
                table[4][word >> 24 & 0xff] ^ table[3][word >> 32 & 0xff] ^ table[2][word >> 40 & 0xff] ^
                table[1][word >> 48 & 0xff] ^ table[0][word >> 56];
    }
    while (len--)
        state = state >> 8 ^ table[0][(state ^ *at++) & 0xff];
    return state;
}

/* ---- by instruction ----------------------------------------------------------------------- */

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>

#define BY_INSTRUCTION __attribute__((target("sse4.2,pclmul")))

enum {
    STREAM_MIN = 4,   /* words; below that the joining costs more than it saves */
    STREAM_MAX = 170, /* words; three of them are a 4 KiB granule but for two words */
};

static uint32_t power[2 * STREAM_MAX + 1]; /* power[n] = x^(64 n - 33) */
static int have_instruction;

BY_INSTRUCTION static void power_build(void)
{
    power[1] = 1u << 0;
    for (int n = 2; n <= 2 * STREAM_MAX; n++)
        power[n] = (uint32_t)_mm_crc32_u64(power[n - 1], 0);
}

BY_INSTRUCTION static inline uint64_t product(uint64_t state, uint32_t by)
{
    __m128i a = _mm_cvtsi64_si128((int64_t)state), b = _mm_cvtsi64_si128((int64_t)(uint64_t)by);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(a, b, 0));
}

/* Three streams of n words each, n in STREAM_MIN..STREAM_MAX. */
BY_INSTRUCTION static uint64_t three_streams(uint64_t state, const uint8_t *at, size_t n)
{
    const uint8_t *a = at, *b = at + 8 * n, *c = at + 16 * n;
    uint64_t second = 0, third = 0;

    for (const uint8_t *end = b; a < end; a += 8, b += 8, c += 8) {
        state = _mm_crc32_u64(state, lk_load64(a));
        second = _mm_crc32_u64(second, lk_load64(b));
        third = _mm_crc32_u64(third, lk_load64(c));
    }
    return third ^ _mm_crc32_u64(0, product(state, power[2 * n]) ^ product(second, power[n]));
}

BY_INSTRUCTION static uint32_t by_instruction(uint32_t start, const uint8_t *at, size_t len)
{
    uint64_t state = start;

    while (len >= 24 * STREAM_MIN) {
        size_t n = len / 24 < STREAM_MAX ? len / 24 : STREAM_MAX;
        state = three_streams(state, at, n);
        at += 24 * n;
        len -= 24 * n;
    }
    for (; len >= 8; len -= 8, at += 8)
        state = _mm_crc32_u64(state, lk_load64(at));
    if (len & 4) {
        state = _mm_crc32_u32((uint32_t)state, lk_load32(at));
        at += 4;
    }
    for (len &= 3; len; len--)
        state = _mm_crc32_u8((uint32_t)state, *at++);
    return (uint32_t)state;
}
#endif

/* ---- choice --------------------------------------------------------------------------------- */

/* The lowest number open to programs: before any other constructor that might want a checksum. */
__attribute__((constructor(101))) static void choose(void)
{
    table_build();
#if defined(__x86_64__)
    __builtin_cpu_init();
    have_instruction = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
    if (have_instruction)
        power_build();
#endif
}

uint32_t lk_checksum(uint32_t seed, const void *at, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_expect(have_instruction, 1))
        return ~by_instruction(~seed, (const uint8_t *)at, len);
#endif
    return ~by_table(~seed, (const uint8_t *)at, len);
}

uint32_t lk_checksum_by_table(uint32_t seed, const void *at, size_t len)
{
    return ~by_table(~seed, (const uint8_t *)at, len);
}

const char *lk_checksum_kind(void)
{
#if defined(__x86_64__)
    if (have_instruction)
        return "sse4.2";
#endif
    return "table";
}
