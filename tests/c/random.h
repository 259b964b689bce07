/* random: a small generator for tests and fuzzers. The same seed gives the same numbers everywhere. */
#ifndef LK_TESTS_RANDOM_H
#define LK_TESTS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t x = random->state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* 0 <= result < below; 0 for below 0. */
static inline uint64_t random_below(struct random *random, uint64_t below)
{
    return below ? random_next(random) % below : 0;
}

static inline void random_fill(struct random *random, void *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)at)[i] = (uint8_t)random_next(random);
}

#endif
