/* image: one crash image opened, looked at, written to, closed, and opened again.
 *
 *   image --open--> content must be in the timeline --puts, one synced--> close --open--> exactly that
 *
 * A session may itself be cut at a boundary of its own; its timeline then says what the next one may find:
 *
 *   before          durable ..  k  .. count          k: what this session found
 *   after           durable ..  k, put, synced put, put
 */
#ifndef LK_TESTS_CRASH_IMAGE_H
#define LK_TESTS_CRASH_IMAGE_H

#include "crash/story.h"

/* One pair through the public door. The content after it. */
static inline int session_put(const struct story *story, lsmkv *db, unsigned number, int sync, struct content *content)
{
    unsigned index = used_key(number);
    struct lsmkv_slice key = story_key(story, index);
    uint64_t value = model_mix(number + 0xabc);
    content_set(content, 0, index, value_hash(&value, sizeof value), LSMKV_EXPIRY_NEVER);
    return lsmkv_put(db, key.data, key.size, &value, sizeof value, sync, NULL);
}

/* found: before->count when nobody has looked. What was durable still is, and only that: a power cut after a kill
 * takes what the kernel had not written. */
static inline void session_after(const struct timeline *before, unsigned from, unsigned found, struct timeline *after)
{
    after->count = 0;
    after->durable = 0;
    for (unsigned i = before->durable; i <= found && i < before->count; i++)
        timeline_push(after, before->states[i]);
    after->acknowledged = (found < before->count ? found : from) - before->durable;
}

/* What a stopped machine did after its stop is nobody's promise. */
static inline const char *session_writes(const struct story *story, struct sim *sim, lsmkv *db, unsigned salt,
                                         struct content *content, struct timeline *after)
{
    static char text[400];
    for (unsigned i = 0; i < 3; i++) {
        int sync = i == 1 ? 1 : -1, rc = session_put(story, db, salt + i * 3, sync, content);
        if (rc != 0 && !sim_stopped(sim))
            return complain(text, sizeof text, "put after recovery", rc);
        timeline_push(after, content_hash(content));
        if (sim_stopped(sim))
            return NULL;
        after->acknowledged = after->count - 1;
        if ((i == 1 || story->set->durability == LSMKV_SYNC_ALWAYS) && story->set->durability != LSMKV_SYNC_NONE)
            after->durable = after->acknowledged;
    }
    return NULL;
}

static inline const char *session_found(const struct story *story, struct sim *sim, lsmkv *db,
                                        const struct timeline *before, unsigned from, unsigned salt,
                                        struct timeline *after)
{
    static char text[500];
    struct content content;
    int rc = 0;
    const char *wrong = store_content(db, &story->universe, &content, &rc);
    if (sim_stopped(sim)) { /* in the middle of looking: as if it had not been opened */
        session_after(before, from, before->count, after);
        return NULL;
    }
    uint64_t hash = content_hash(&content);
    unsigned found = timeline_find(before, from, hash);
    if (!wrong && found == before->count) {
        unsigned lost = timeline_find(before, 0, hash);
        snprintf(text, sizeof text, "the content is %s (state %u; from %u of %u is right)",
                 lost < before->count ? "older than what was promised" : "no state the store ever had", lost, from,
                 before->count);
        wrong = text;
    }
    if (wrong)
        return wrong;
    session_after(before, from, found, after);
    return session_writes(story, sim, db, salt, &content, after);
}

/* Open, look, write, close; the machine may stop anywhere. NULL, or what is wrong. */
static inline const char *session(const struct story *story, struct sim *sim, const struct timeline *before,
                                  unsigned from, unsigned salt, struct timeline *after)
{
    static char text[400];
    lsmkv *db = NULL;
    const char *wrong = NULL;
    int rc = lk_open_in(sim_env(sim), STORE, &story->options, &db);
    session_after(before, from, before->count, after);
    if (rc != 0)
        return sim_stopped(sim) ? NULL : complain(text, sizeof text, "open", rc);
    wrong = session_found(story, sim, db, before, from, salt, after);
    rc = lsmkv_close(db);
    if (!wrong && rc != 0 && !sim_stopped(sim))
        wrong = complain(text, sizeof text, "close", rc);
    if (!sim_stopped(sim))
        after->durable = after->count - 1;
    lsmkv_release(db);
    if (!wrong && sim_check(sim))
        wrong = sim_check(sim);
    return wrong;
}

/* The store holds exactly the last state. */
static inline const char *image_again(const struct story *story, struct sim *sim, const struct timeline *timeline)
{
    static char text[400];
    struct content content;
    lsmkv *db = NULL;
    int rc = lk_open_in(sim_env(sim), STORE, &story->options, &db), failure = 0;
    if (rc != 0)
        return complain(text, sizeof text, "open again", rc);
    const char *wrong = store_content(db, &story->universe, &content, &failure);
    if (!wrong && content_hash(&content) != timeline->states[timeline->count - 1])
        wrong = "the content changed between close and open";
    if (!wrong && timeline->states[timeline->count - 1] % 8 == 0 && lsmkv_verify(db, NULL, NULL, NULL) != 0)
        wrong = complain(text, sizeof text, "verify of a sound store", lsmkv_last_error()->status);
    rc = lsmkv_close(db);
    lsmkv_release(db);
    if (!wrong && rc != 0)
        wrong = complain(text, sizeof text, "close again", rc);
    return wrong ? wrong : sim_check(sim);
}

/* A reader sees the same and changes nothing. */
static inline const char *image_read_only(const struct story *story, struct sim *sim, const struct timeline *timeline,
                                          unsigned from)
{
    static char text[400];
    struct lsmkv_options options = story->options;
    struct content content;
    lsmkv *db = NULL;
    uint64_t hash = sim_image_hash(sim);
    int failure = 0;
    options.flags = LSMKV_OPEN_READONLY;
    int rc = lk_open_in(sim_env(sim), STORE, &options, &db);
    if (rc == LSMKV_ABSENT && from == 0)
        return NULL;
    if (rc != 0)
        return complain(text, sizeof text, "open for reading", rc);
    const char *wrong = store_content(db, &story->universe, &content, &failure);
    if (!wrong && timeline_find(timeline, from, content_hash(&content)) == timeline->count)
        wrong = "a reader sees what it must not see";
    rc = lsmkv_close(db);
    lsmkv_release(db);
    if (!wrong && rc != 0)
        wrong = complain(text, sizeof text, "close of a reader", rc);
    return !wrong && sim_image_hash(sim) != hash ? "a reader changed files" : wrong;
}

/* All of it. Takes the image over. */
static inline const char *image_check(const struct story *story, struct sim *image, const struct timeline *timeline,
                                      unsigned from, unsigned salt)
{
    struct timeline after;
    const char *wrong = salt % 8 == 0 ? image_read_only(story, image, timeline, from) : NULL;
    if (!wrong)
        wrong = session(story, image, timeline, from, salt, &after);
    if (!wrong)
        wrong = image_again(story, image, &after);
    static char text[600]; /* the simulator's words go with it */
    if (wrong)
        snprintf(text, sizeof text, "%s", wrong);
    unsigned held = sim_free(image);
    return wrong ? text : held ? "files were left open" : NULL;
}

/* From which state on the image must be. */
static inline unsigned image_from(const struct story *story, const struct timeline *timeline, int killed)
{
    return killed && story->set->durability != LSMKV_SYNC_NONE ? timeline->acknowledged : timeline->durable;
}

/* Image number 0 is that of a kill. */
static inline struct sim *image_make(struct sim *sim, uint64_t index, uint64_t seed)
{
    return index == 0 ? sim_kill_image(sim) : sim_image_at(sim, index - 1, seed);
}

#endif
