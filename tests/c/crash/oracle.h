/* oracle: what a store holds, and whether it may.
 *
 * A timeline is the row of contents a store went through, one for each commit, as hashes:
 *
 *     states    0 -- put --> 1 -- batch --> 2 -- put --> 3 (in flight)
 *     durable                ^ a synced write, flush, sync or close was acknowledged here
 *     acknowledged                          ^
 *
 * After a power cut the content must be one of the states durable .. count - 1; after a kill, of a store that
 * has a log, one of acknowledged .. count - 1. Nothing else, and never an error.
 *
 * A content is that of two namespaces, the default one and "side", which may not be there. Images are looked at when the
 * clock says LOOK: what expires at BRIEF is gone then, what expires at FAR is not. What the store counts must be what a
 * scan brings. */
#ifndef LK_TESTS_CRASH_ORACLE_H
#define LK_TESTS_CRASH_ORACLE_H

#include <inttypes.h>
#include <stdio.h>

#include "engine/open.h"
#include "model.h"

enum { TIMELINE_MOST = 512, USED_KEYS = 40, SPACES = 2 };
enum { BRIEF = 500, LOOK = 1000, FAR = 2000 }; /* the wall clock, ns; stories begin at 0 */

#define KEY_CODEC "(str,desc(i64))"
#define VALUE_CODEC "json"
#define SIDE "side"
#define SIDE_KEY_CODEC "u64"
#define SIDE_VALUE_CODEC "raw"

static uint64_t story_clock_ns;

static inline uint64_t story_clock(void *context)
{
    (void)context;
    return story_clock_ns;
}

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

/* Of every key of the universe, the hash of its value and expiry; 0: absent. */
struct content {
    uint64_t values[SPACES][MODEL_KEYS]; /* at LOOK */
    uint64_t brief[SPACES][MODEL_KEYS];  /* what the key has until BRIEF; 0: the same. For stories' own looks */
    uint32_t side;                       /* number of the namespace; 0: it is not there */
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

/* With the expiry the value has. */
static inline uint64_t expiring_hash(uint64_t hash, uint64_t expiry_ns)
{
    return expiry_ns == LSMKV_EXPIRY_NEVER ? hash : model_mix(hash ^ expiry_ns) | 1;
}

static inline uint64_t pair_hash(unsigned index, uint64_t value)
{
    return value ? model_mix(value ^ model_mix(index + 1)) : 0;
}

static inline uint64_t content_hash(const struct content *content)
{
    uint64_t sum = content->side ? model_mix(content->side) : 0;
    for (unsigned space = 0; space < SPACES; space++)
        for (unsigned i = 0; i < MODEL_KEYS; i++)
            sum += pair_hash(space * MODEL_KEYS + i, content->values[space][i]);
    return sum;
}

static inline void content_set(struct content *content, unsigned space, unsigned index, uint64_t value,
                               uint64_t expiry_ns)
{
    uint64_t hash = value ? expiring_hash(value, expiry_ns) : 0;
    content->values[space][index] = expiry_ns > LOOK ? hash : 0;
    content->brief[space][index] = expiry_ns > LOOK ? 0 : hash;
}

/* What a reader sees before BRIEF. */
static inline void content_early(struct content *content)
{
    for (unsigned space = 0; space < SPACES; space++)
        for (unsigned i = 0; i < MODEL_KEYS; i++)
            if (content->brief[space][i])
                content->values[space][i] = content->brief[space][i];
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

/* One scan of a namespace into values[]. NULL, or what is wrong; *failure is what it met, if it met one. */
static inline const char *scan_space(lsmkv *db, const struct model_universe *universe, int reverse, uint64_t *values,
                                     int *failure)
{
    static char text[400];
    struct lsmkv_range range = {.reverse = reverse};
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter = NULL;
    const char *wrong = NULL;
    unsigned last = MODEL_KEYS;
    memset(values, 0, MODEL_KEYS * sizeof *values);
    int rc = lsmkv_iter_new(db, NULL, &range, &iter);
    for (size_t count = 0; rc == 0 && (rc = lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count)) == 0;) {
        for (size_t i = 0; i < count && !wrong; i++) {
            unsigned index = model_index(universe, pairs[i].key.data, pairs[i].key.size);
            if (index == MODEL_KEYS)
                wrong = "a scan brought a key that was never written";
            else if (last != MODEL_KEYS && (reverse ? index >= last : index <= last))
                wrong = "a scan brought keys out of order";
            else
                values[last = index] = value_hash(pairs[i].value.data, pairs[i].value.size);
        }
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    *failure = rc < 0 ? rc : 0;
    return rc < 0 && !wrong ? complain(text, sizeof text, reverse ? "reverse scan" : "scan", rc) : wrong;
}

/* Gets of the used keys and others; values[] gets the expiries, too. */
static inline const char *get_space(lsmkv *db, const struct model_universe *universe, uint64_t *values, int *failure)
{
    static char text[400];
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        const struct model_key *key = &universe->keys[i];
        struct lsmkv_answer answer;
        if (i % (MODEL_KEYS / USED_KEYS) == 2)
            continue;
        int rc = lsmkv_get_answer(db, NULL, key->bytes, key->size, &answer);
        uint64_t hash = rc == 0 ? value_hash(answer.value, answer.value_bytes) : 0;
        lsmkv_free(answer.value);
        *failure = rc < 0 ? rc : 0;
        if (rc < 0)
            return complain(text, sizeof text, "get", rc);
        if (hash != values[i]) {
            snprintf(text, sizeof text, "get and scan differ: key %u, %s by get, %s by scan", i,
                     hash ? "there" : "absent", values[i] ? "there" : "absent");
            return text;
        }
        if (rc == 0)
            values[i] = expiring_hash(hash, answer.expiry_ns);
    }
    return NULL;
}

static inline const char *count_space(lsmkv *db, const uint64_t *values, int *failure)
{
    static char text[400];
    uint64_t count = 0, wanted = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        wanted += values[i] != 0;
    int rc = lsmkv_count(db, NULL, NULL, NULL, &count);
    *failure = rc < 0 ? rc : 0;
    if (rc < 0)
        return complain(text, sizeof text, "count", rc);
    if (count == wanted)
        return NULL;
    snprintf(text, sizeof text, "the store counts %" PRIu64 " keys, a scan brings %" PRIu64, count, wanted);
    return text;
}

/* One namespace, by scan, reverse scan, gets and count, which must agree. */
static inline const char *space_content(lsmkv *db, const struct model_universe *universe, uint64_t *values,
                                        int *failure)
{
    uint64_t reverse[MODEL_KEYS];
    const char *wrong = scan_space(db, universe, 0, values, failure);
    if (!wrong)
        wrong = scan_space(db, universe, 1, reverse, failure);
    if (!wrong && memcmp(values, reverse, sizeof reverse) != 0)
        wrong = "a scan and its reverse differ";
    if (!wrong)
        wrong = count_space(db, values, failure);
    return wrong ? wrong : get_space(db, universe, values, failure);
}

/* What the catalog says of the one namespace there may be. */
static inline const char *side_described(lsmkv *db, uint32_t *id, int *failure)
{
    static char text[400];
    struct lsmkv_namespace_info *list;
    size_t count;
    int rc = lsmkv_namespaces(db, &list, &count);
    *failure = rc < 0 ? rc : 0;
    *id = 0;
    if (rc < 0)
        return complain(text, sizeof text, "namespaces", rc);
    int sound = count == 0 ||
                (count == 1 && list->name.size == strlen(SIDE) && memcmp(list->name.data, SIDE, strlen(SIDE)) == 0 &&
                 strcmp(list->key_codec, SIDE_KEY_CODEC) == 0 && strcmp(list->value_codec, SIDE_VALUE_CODEC) == 0 &&
                 list->ttl_ms == 0);
    if (count)
        *id = list->id;
    lsmkv_namespaces_free(list, count);
    return sound ? NULL : "the catalog says what was never written";
}

static inline const char *codecs_kept(const lsmkv *db)
{
    return strcmp(lsmkv_key_codec(db), KEY_CODEC) == 0 && strcmp(lsmkv_value_codec(db), VALUE_CODEC) == 0
               ? NULL
               : "the store has forgotten the names of its codecs";
}

static inline const char *side_content(lsmkv *db, const struct model_universe *universe, struct content *content,
                                       int *failure)
{
    static char text[400];
    lsmkv *side = NULL;
    const char *wrong = side_described(db, &content->side, failure);
    if (wrong || content->side == 0)
        return wrong;
    int rc = lsmkv_namespace_open(db, SIDE, strlen(SIDE), NULL, &side);
    *failure = rc < 0 ? rc : 0;
    if (rc != 0)
        return complain(text, sizeof text, "open of a namespace that is there", rc);
    wrong = space_content(side, universe, content->values[1], failure);
    rc = lsmkv_close(side);
    lsmkv_release(side);
    if (rc != 0 && !wrong) {
        *failure = rc;
        return complain(text, sizeof text, "close of a namespace", rc);
    }
    return wrong;
}

/* Everything. NULL, or what is wrong. */
static inline const char *store_content(lsmkv *db, const struct model_universe *universe, struct content *content,
                                        int *failure)
{
    memset(content, 0, sizeof *content);
    *failure = 0;
    const char *wrong = codecs_kept(db);
    if (!wrong)
        wrong = space_content(db, universe, content->values[0], failure);
    return wrong ? wrong : side_content(db, universe, content, failure);
}

#endif
