/* oracle: what a store holds, and whether it may.
 *
 * A timeline is the row of contents a store went through, one for each commit, as hashes:
 *
 *     states    0 -- put --> 1 -- batch --> 2 -- put --> 3 (in flight)
 *     durable                ^ a synced write, flush, sync or close was acknowledged here
 *     acknowledged                          ^
 *
 * After a power cut the content must be one of the states durable .. count - 1; after a kill, of a store that
 * has a log, one of acknowledged .. count - 1. Nothing else, and never an error. */
#ifndef LK_TESTS_CRASH_ORACLE_H
#define LK_TESTS_CRASH_ORACLE_H

#include <stdio.h>

#include "engine/open.h"
#include "model.h"

enum { TIMELINE_MOST = 512, USED_KEYS = 40 };

struct timeline {
    uint64_t states[TIMELINE_MOST];
    unsigned count;        /* states there are */
    unsigned durable;      /* index: nothing before it may come back */
    unsigned acknowledged; /* index */
};

static inline void timeline_init(struct timeline *timeline, uint64_t state)
{
    *timeline = (struct timeline){.states = {state}, .count = 1};
}

static inline void timeline_push(struct timeline *timeline, uint64_t state)
{
    if (timeline->count == TIMELINE_MOST)
        abort(); /* the script is too long */
    timeline->states[timeline->count++] = state;
}

/* The index of the first state from `from` on that is this one; count: none. */
static inline unsigned timeline_find(const struct timeline *timeline, unsigned from, uint64_t state)
{
    while (from < timeline->count && timeline->states[from] != state)
        from++;
    return from;
}

/* ---- contents ----------------------------------------------------------------------------------- */

/* Of every key of the universe, the hash of its value; 0: absent. */
struct content {
    uint64_t values[MODEL_KEYS];
};

static inline uint64_t value_hash(const void *value, size_t size)
{
    const uint8_t *at = value;
    uint64_t hash = size * 0x9e3779b97f4a7c15u + 1, word = 0;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        hash = (hash ^ word) * 0xd6e8feb86659fd93u;
        hash ^= hash >> 32;
    }
    word = 0;
    if (size)
        memcpy(&word, at, size);
    return model_mix(hash ^ word) | 1;
}

static inline uint64_t pair_hash(unsigned index, uint64_t value)
{
    return value ? model_mix(value ^ model_mix(index + 1)) : 0;
}

static inline uint64_t content_hash(const struct content *content)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        sum += pair_hash(i, content->values[i]);
    return sum;
}

/* The keys that stories write: every third. Their neighbours are asked for and never there. */
static inline unsigned used_key(uint64_t number)
{
    return (unsigned)(number % USED_KEYS) * (MODEL_KEYS / USED_KEYS) + 1;
}

/* ---- looking at a store --------------------------------------------------------------------------- */

static inline const char *complain(char *text, size_t bytes, const char *what, int rc)
{
    snprintf(text, bytes, "%s: %s (%.300s)", what, lsmkv_status_name(rc), rc < 0 ? lsmkv_last_error()->text : "");
    return text;
}

/* One scan. NULL, or what is wrong; *rc is the failure it met, if it met one. */
static inline const char *scan_content(lsmkv *db, const struct model_universe *universe, int reverse,
                                       struct content *content, int *failure)
{
    static char text[400];
    struct lsmkv_range range = {.reverse = reverse};
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter = NULL;
    const char *wrong = NULL;
    unsigned last = MODEL_KEYS;
    memset(content, 0, sizeof *content);
    int rc = lsmkv_iter_new(db, NULL, &range, &iter);
    for (size_t count = 0; rc == 0 && (rc = lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count)) == 0;) {
        for (size_t i = 0; i < count && !wrong; i++) {
            unsigned index = model_index(universe, pairs[i].key.data, pairs[i].key.size);
            if (index == MODEL_KEYS)
                wrong = "a scan brought a key that was never written";
            else if (last != MODEL_KEYS && (reverse ? index >= last : index <= last))
                wrong = "a scan brought keys out of order";
            else
                content->values[last = index] = value_hash(pairs[i].value.data, pairs[i].value.size);
        }
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    *failure = rc < 0 ? rc : 0;
    return rc < 0 && !wrong ? complain(text, sizeof text, reverse ? "reverse scan" : "scan", rc) : wrong;
}

static inline const char *get_content(lsmkv *db, const struct model_universe *universe, const struct content *content,
                                      int *failure)
{
    static char text[400];
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        const struct model_key *key = &universe->keys[i];
        void *value = NULL;
        size_t size = 0;
        if (i % (MODEL_KEYS / USED_KEYS) == 2)
            continue;
        int rc = lsmkv_get(db, NULL, key->bytes, key->size, &value, &size);
        uint64_t hash = rc == 0 ? value_hash(value, size) : 0;
        lsmkv_free(value);
        *failure = rc < 0 ? rc : 0;
        if (rc < 0)
            return complain(text, sizeof text, "get", rc);
        if (hash != content->values[i]) {
            snprintf(text, sizeof text, "get and scan differ: key %u, %s by get, %s by scan", i,
                     hash ? "there" : "absent", content->values[i] ? "there" : "absent");
            return text;
        }
    }
    return NULL;
}

/* Everything, by scan, reverse scan and gets, which must agree. NULL, or what is wrong. */
static inline const char *store_content(lsmkv *db, const struct model_universe *universe, struct content *content,
                                        int *failure)
{
    struct content reverse;
    const char *wrong = scan_content(db, universe, 0, content, failure);
    if (!wrong)
        wrong = scan_content(db, universe, 1, &reverse, failure);
    if (!wrong && memcmp(content, &reverse, sizeof reverse) != 0)
        wrong = "a scan and its reverse differ";
    return wrong ? wrong : get_content(db, universe, content, failure);
}

#endif
