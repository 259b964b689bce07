/* bytes: slices, little-endian loads and stores, variable-length integers, key heads. */
#ifndef LK_UTIL_BYTES_H
#define LK_UTIL_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct lk_slice {
    const uint8_t *at; /* borrowed */
    size_t len;
};

static inline struct lk_slice lk_slice(const void *at, size_t len)
{
    return (struct lk_slice){at, len};
}

/* Without the NUL at its end. */
static inline struct lk_slice lk_text(const char *text)
{
    return lk_slice(text, strlen(text));
}

static inline uint16_t lk_load16(const void *at)
{
    uint16_t v;
    memcpy(&v, at, 2);
    return v;
}
static inline uint32_t lk_load32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return v;
}
static inline uint64_t lk_load64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return v;
}
static inline void lk_store16(void *at, uint16_t v)
{
    memcpy(at, &v, 2);
}
static inline void lk_store32(void *at, uint32_t v)
{
    memcpy(at, &v, 4);
}
static inline void lk_store64(void *at, uint64_t v)
{
    memcpy(at, &v, 8);
}

/* Bytewise order; a prefix is smaller. */
static inline int lk_compare(struct lk_slice a, struct lk_slice b)
{
    size_t both = a.len < b.len ? a.len : b.len;
    int order = both ? memcmp(a.at, b.at, both) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static inline int lk_equal(struct lk_slice a, struct lk_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* The first eight bytes of a key from `skip` on as a number that compares as the bytes do; missing
 * bytes count as zero, so equal heads decide nothing. */
static inline uint64_t lk_head(struct lk_slice key, size_t skip)
{
    uint64_t v = 0;
    size_t left = key.len > skip ? key.len - skip : 0;
    if (left >= 8)
        memcpy(&v, key.at + skip, 8);
    else if (left)
        memcpy(&v, key.at + skip, left);
    return __builtin_bswap64(v);
}

/* LEB128, at most 5 bytes for 32 bits. */
static inline size_t lk_varint_bytes(uint32_t v)
{
    return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : v < 1u << 28 ? 4 : 5;
}

static inline uint8_t *lk_varint_put(uint8_t *to, uint32_t v)
{
    while (v >= 0x80) {
        *to++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *to++ = (uint8_t)v;
    return to;
}

/* Reads from [at, end). Returns the byte after it, NULL when it runs past the end or over 32 bits. */
static inline const uint8_t *lk_varint_get(const uint8_t *at, const uint8_t *end, uint32_t *out)
{
    uint32_t v = 0;
    for (unsigned shift = 0; at < end && shift <= 28; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 28 && byte > 0x0f)
            return NULL;
        v |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return at;
        }
    }
    return NULL;
}

#endif
