/* model: what a store ought to hold, and how keys and values of the random tests come to be.
 *
 * A universe is a sorted array of MODEL_KEYS keys of all shapes, the empty one included. A content is one
 * salt for each of them; salt 0 is absence, and what has expired is as absent. The value of a salt is a piece of one
 * long random text, so it is compared without being made: model_value(salt) is borrowed and constant.
 *
 *   universe   ""   00   00 00   "a"   "shared/long/prefix/00017"   FF 01 "3"   ...        ascending
 *   content     0    7     0      12             7                      9                  salts
 *               -    0     -      40             0                      0                  the tick it expires at; 0: never
 */
#ifndef LK_TESTS_MODEL_H
#define LK_TESTS_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "include/lsmkv.h"
#include "random.h"

enum { MODEL_KEYS = 128, MODEL_KEY_MOST = 80, MODEL_TEXT = 1 << 17, MODEL_VALUE_MOST = 12000 };

struct model_key {
    uint8_t bytes[MODEL_KEY_MOST];
    uint8_t size;
};

struct model_universe {
    struct model_key keys[MODEL_KEYS]; /* ascending, distinct */
    uint32_t large_one_in; /* of so many values one is of thousands of bytes; 0: none */
};

struct model {
    uint32_t salts[MODEL_KEYS];
    uint32_t until[MODEL_KEYS]; /* ticks of a clock; 0: for ever */
};

static inline uint64_t model_mix(uint64_t x)
{
    struct random random = {x};
    return random_next(&random);
}

/* ---- keys ------------------------------------------------------------------------------------- */

static inline int model_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t least = a_size < b_size ? a_size : b_size;
    int order = least ? memcmp(a, b, least) : 0;
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static inline int model_by_key(const void *a, const void *b)
{
    const struct model_key *x = a, *y = b;
    return model_compare(x->bytes, x->size, y->bytes, y->size);
}

static inline void model_make_key(struct random *random, struct model_key *key)
{
    static const char prefix[] = "shared/by/a/lot/of/keys/";
    uint64_t shape = random_below(random, 8), number = random_next(random);
    size_t at = 0;
    if (shape < 2) { /* a few bytes of few values: prefixes of one another */
        key->size = (uint8_t)random_below(random, 5);
        for (; at < key->size; at++)
            key->bytes[at] = (uint8_t)(random_below(random, 3) * 127 + random_below(random, 2));
        return;
    }
    if (shape < 5)
        memcpy(key->bytes, prefix, at = sizeof prefix - 1);
    if (shape == 6) { /* what the default namespace stores behind a prefix; FF 01 is also how others' keys begin */
        key->bytes[at++] = 0xff;
        key->bytes[at++] = (uint8_t)(number >> 32 & 3);
    }
    for (unsigned i = 0; i < 2 + shape % 4; i++, number /= 10)
        key->bytes[at++] = (uint8_t)('0' + number % 10);
    if (shape == 7)
        for (size_t most = at + random_below(random, MODEL_KEY_MOST - 8); at < most;)
            key->bytes[at++] = (uint8_t)random_next(random);
    key->size = (uint8_t)at;
}

static inline void model_universe_make(struct model_universe *universe, uint64_t seed)
{
    struct random random = {seed};
    unsigned count = 0;
    while (count < MODEL_KEYS) {
        model_make_key(&random, &universe->keys[count++]);
        if (count < MODEL_KEYS)
            continue;
        qsort(universe->keys, count, sizeof universe->keys[0], model_by_key);
        unsigned distinct = 1;
        for (unsigned i = 1; i < count; i++)
            if (model_by_key(&universe->keys[i], &universe->keys[distinct - 1]) != 0)
                universe->keys[distinct++] = universe->keys[i];
        count = distinct;
    }
}

/* The first key that is not smaller; MODEL_KEYS: there is none. */
static inline unsigned model_lower(const struct model_universe *universe, const void *key, size_t size)
{
    unsigned low = 0, high = MODEL_KEYS;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (model_compare(universe->keys[middle].bytes, universe->keys[middle].size, key, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The index of a key; MODEL_KEYS: it is none of the universe's. */
static inline unsigned model_index(const struct model_universe *universe, const void *key, size_t size)
{
    unsigned at = model_lower(universe, key, size);
    int is = at < MODEL_KEYS && universe->keys[at].size == size && memcmp(universe->keys[at].bytes, key, size) == 0;
    return is ? at : MODEL_KEYS;
}

/* ---- values ----------------------------------------------------------------------------------- */

/* First bytes that are all different, then as many that are made of 64 words: those can be packed. */
static inline const uint8_t *model_text(void)
{
    static uint8_t text[2 * MODEL_TEXT];
    static int ready;
    if (!ready) {
        struct random random = {0x7e47};
        random_fill(&random, text, MODEL_TEXT);
        for (size_t i = MODEL_TEXT; i < sizeof text; i += 16)
            memcpy(text + i, text + 16 * random_below(&random, 64), 16);
        ready = 1;
    }
    return text;
}

static inline struct lsmkv_slice model_value(const struct model_universe *universe, uint32_t salt)
{
    uint64_t dice = model_mix(salt);
    uint64_t at = (dice >> 32) % (MODEL_TEXT - MODEL_VALUE_MOST), size = dice % 28;
    if (universe->large_one_in && (dice >> 8) % universe->large_one_in == 0)
        size = 2500 + (dice >> 16) % (MODEL_VALUE_MOST - 2500);
    else if ((dice >> 8) % 16 == 1)
        size = 60 + (dice >> 16) % 500;
    return (struct lsmkv_slice){model_text() + at + (size < 60 ? 0 : MODEL_TEXT), (size_t)size};
}

static inline int model_value_is(const struct model_universe *universe, uint32_t salt, const void *value, size_t size)
{
    struct lsmkv_slice wanted = model_value(universe, salt);
    return wanted.size == size && (size == 0 || memcmp(wanted.data, value, size) == 0);
}

/* ---- content ---------------------------------------------------------------------------------- */

/* The salt of what a reader sees whose clock says `now`. */
static inline uint32_t model_salt(const struct model *model, unsigned index, uint32_t now)
{
    return model->until[index] == 0 || model->until[index] > now ? model->salts[index] : 0;
}

static inline void model_put(struct model *model, unsigned index, uint32_t salt, uint32_t until)
{
    model->salts[index] = salt;
    model->until[index] = until;
}

static inline uint64_t model_count(const struct model *model, uint32_t now)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        count += model_salt(model, i, now) != 0;
    return count;
}

static inline void model_erase(struct model *model, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        model_put(model, i, 0, 0);
}

#endif
