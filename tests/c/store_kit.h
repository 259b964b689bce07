/* store_kit: a whole engine for a story, on the simulated disk or in a real temporary directory.
 *
 *   store_new(LSMKV_SYNC_OS);             simulated, threads=0, segments of 4 KiB, not opened yet
 *   store_open();
 *   put("a", "1"); put_synced("b", "2"); expect("a", "1"); expect("c", NULL);
 *   store_kill();                         kill -9: the machine goes on, the process does not
 *   store_power(SIM_NOTHING, 0);          the power goes: of what was not synced, nothing is left
 *   store_open(); ... store_free();       store_free checks handles, memory of the simulator, and order
 *
 * One store at a time; engine() lets a test look inside. */
#ifndef LK_TESTS_STORE_KIT_H
#define LK_TESTS_STORE_KIT_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "engine/db.h"
#include "engine/handle.h"
#include "engine/open.h"
#include "engine/write.h"
#include "format/edit.h"
#include "random.h"
#include "scratch.h"
#include "sim/sim.h"

static struct store {
    struct sim *sim; /* owned; NULL: a real environment */
    struct lk_env *env; /* borrowed; the one to use then; NULL: lk_env_posix() */
    lsmkv *db;       /* owned; NULL: not open */
    struct lsmkv_options options;
    char path[256];
} store;

static inline struct lk_env *store_env(void)
{
    return store.sim ? sim_env(store.sim) : store.env ? store.env : lk_env_posix();
}

static inline struct lk_db *engine(void)
{
    return store.db->db;
}

/* ---- life --------------------------------------------------------------------------------------- */

static inline void store_options(int durability)
{
    lsmkv_options_init(&store.options);
    store.options.durability = durability;
    store.options.threads = 0;
    store.options.segment_bytes = 4096;
    store.options.table_bytes = 4096;
    store.options.page_bytes = 256;
    store.options.l0_segments = 8;
}

static inline void store_new_in(int durability, const struct sim_config *config)
{
    memset(&store, 0, sizeof store);
    store_options(durability);
    store.sim = sim_new(config);
    strcpy(store.path, "/store");
}

static inline void store_new(int durability)
{
    static const struct sim_config config = {.trace = 1, .file_bytes = 8 << 20};
    store_new_in(durability, &config);
}

static inline void store_new_real(int durability)
{
    memset(&store, 0, sizeof store);
    store_options(durability);
    snprintf(store.path, sizeof store.path, "%s/lsmkv-store-XXXXXX", scratch_base());
    CHECK(mkdtemp(store.path) != NULL);
}

static inline int store_try_open(void)
{
    return lk_open_in(store_env(), store.path, &store.options, &store.db);
}

static inline void store_open(void)
{
    if (!CHECK_EQ(store_try_open(), 0)) {
        fprintf(stderr, "  %s\n", lsmkv_last_error()->text);
        abort(); /* every later line stands on it */
    }
}

static inline void store_close(void)
{
    CHECK_EQ(lsmkv_close(store.db), 0);
    lsmkv_release(store.db);
    store.db = NULL;
}

/* The handle, whatever state the engine is in. */
static inline void store_abandon(void)
{
    if (store.db)
        lsmkv_release(store.db);
    store.db = NULL;
}

/* From a machine that has stopped to an image of it, which is taken over. */
static inline void store_continue(struct sim *image)
{
    store_abandon();
    CHECK_EQ(sim_violations(store.sim), 0);
    if (sim_check(store.sim))
        fprintf(stderr, "  %s\n", sim_check(store.sim));
    CHECK_EQ(sim_free(store.sim), 0);
    store.sim = image;
}

static inline void store_kill(void)
{
    sim_stop_now(store.sim, SIM_KILL);
    store_continue(sim_kill_image(store.sim));
}

static inline void store_power(enum sim_how how, uint64_t argument)
{
    sim_stop_now(store.sim, SIM_POWER);
    struct sim *image = sim_image(store.sim, how, argument);
    store_continue(image);
}

static inline void store_free(void)
{
    char command[320];
    if (store.db)
        store_close();
    if (store.sim) {
        CHECK_EQ(sim_violations(store.sim), 0);
        if (sim_check(store.sim))
            fprintf(stderr, "  %s\n", sim_check(store.sim));
        CHECK_EQ(sim_free(store.sim), 0);
    } else {
        snprintf(command, sizeof command, "rm -r %s", store.path);
        CHECK_EQ(system(command), 0);
    }
}

static inline struct lsmkv_stats stats(void)
{
    struct lsmkv_stats stats = {0};
    CHECK_EQ(lsmkv_get_stats(store.db, &stats), 0);
    return stats;
}

/* ---- reading and writing ------------------------------------------------------------------------ */

static inline int try_to_put(const char *key, const char *value, int sync)
{
    return lsmkv_put(store.db, key, strlen(key), value, strlen(value), sync, NULL);
}
static inline void put(const char *key, const char *value)
{
    CHECK_EQ(try_to_put(key, value, -1), 0);
}
static inline void put_synced(const char *key, const char *value)
{
    CHECK_EQ(try_to_put(key, value, 1), 0);
}
static inline void erase(const char *key)
{
    CHECK_EQ(lsmkv_delete(store.db, key, strlen(key), -1, NULL), 0);
}

static inline const char *number(uint32_t n)
{
    static _Thread_local char text[4][32];
    static _Thread_local unsigned turn;
    char *to = text[turn++ % 4];
    snprintf(to, sizeof text[0], "%06u", n);
    return to;
}

/* Keys from .. to - 1, values `value`. */
static inline void put_numbers(uint32_t from, uint32_t to, const char *value)
{
    for (; from < to; from++)
        put(number(from), value);
}

/* The value; NULL when absent; the status in words when it failed. Valid until the next call. */
static inline const char *get_at(const lsmkv_snapshot *snapshot, const char *key)
{
    static _Thread_local char text[512];
    void *value;
    size_t bytes;
    int rc = lsmkv_get(store.db, snapshot, key, strlen(key), &value, &bytes);
    if (rc == LSMKV_NOTFOUND)
        return NULL;
    if (rc != 0)
        return lsmkv_status_name(rc);
    snprintf(text, sizeof text, "%.*s", (int)bytes, (const char *)value);
    lsmkv_free(value);
    return text;
}

static inline const char *get(const char *key)
{
    return get_at(NULL, key);
}

static inline int expect(const char *key, const char *value)
{
    const char *got = get(key);
    int same = got && value ? strcmp(got, value) == 0 : got == value;
    if (!CHECK(same))
        fprintf(stderr, "  key %s: got %s, want %s\n", key, got ? got : "nothing", value ? value : "nothing");
    return same;
}

static inline int expect_numbers(uint32_t from, uint32_t to, const char *value)
{
    for (; from < to; from++)
        if (!expect(number(from), value))
            return 0;
    return 1;
}

/* How many pairs a scan brings, forward or backward; a failure is negative. */
static inline int64_t count_pairs(const lsmkv_snapshot *snapshot, int reverse)
{
    struct lsmkv_range range = {.reverse = reverse};
    struct lsmkv_pair pairs[7];
    lsmkv_iter *iter = NULL;
    int64_t sum = 0;
    size_t count;
    int rc = lsmkv_iter_new(store.db, snapshot, &range, &iter);
    while (rc == 0 && (rc = lsmkv_iter_begin(iter, 7, 1 << 20, pairs, &count)) == 0) {
        sum += (int64_t)count;
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    return rc == LSMKV_NOTFOUND ? sum : rc;
}

/* The store holds what is named and nothing else, whichever way one looks. */
static inline void expect_count(int64_t count)
{
    CHECK_EQ(count_pairs(NULL, 0), count);
    CHECK_EQ(count_pairs(NULL, 1), count);
}

/* Numbers 0 .. n - 1 are there and no others; n. */
static inline uint32_t expect_prefix(uint32_t most)
{
    uint32_t n = 0;
    while (n < most && get(number(n)))
        n++;
    for (uint32_t i = n; i < most; i++)
        if (!expect(number(i), NULL))
            break;
    expect_count(n);
    return n;
}

/* ---- files of the simulated disk ---------------------------------------------------------------- */

static inline struct lk_dir *store_dir(void)
{
    struct lk_dir *dir = NULL;
    CHECK_EQ(store_env()->ops->dir_open(store_env(), store.path, 0, &dir), 0);
    return dir;
}

struct store_names {
    char at[64][40];
    uint32_t count;
};

static inline int store_note_name(void *arg, const char *name)
{
    struct store_names *names = arg;
    if (names->count < 64)
        snprintf(names->at[names->count++], sizeof names->at[0], "%s", name);
    return 0;
}

static inline int store_by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Names that end with `suffix`, in order. */
static inline struct store_names store_names(const char *suffix)
{
    struct store_names all = {0}, some = {0};
    struct lk_dir *dir = store_dir();
    (void)store_env()->ops->dir_list(dir, store_note_name, &all);
    store_env()->ops->dir_close(dir);
    for (uint32_t i = 0; i < all.count; i++) {
        size_t length = strlen(all.at[i]), tail = strlen(suffix);
        if (length >= tail && strcmp(all.at[i] + length - tail, suffix) == 0)
            memcpy(some.at[some.count++], all.at[i], sizeof all.at[0]);
    }
    qsort(some.at, some.count, sizeof some.at[0], store_by_name);
    return some;
}

static inline int store_has(const char *name)
{
    uint64_t bytes;
    return sim_look(store.sim, store.path, name, &bytes) != NULL;
}

static inline void store_remove(const char *name)
{
    struct lk_dir *dir = store_dir();
    CHECK_EQ(store_env()->ops->remove(dir, name), 0);
    CHECK_EQ(store_env()->ops->dir_sync(dir), 0);
    store_env()->ops->dir_close(dir);
}

/* Bytes [from, from + count) of a file become zeros, or are turned over. */
static inline void store_damage(const char *name, uint64_t from, uint64_t count, int zero)
{
    uint64_t bytes = 0;
    const unsigned char *at = sim_look(store.sim, store.path, name, &bytes);
    if (!CHECK(at != NULL) || !CHECK(from + count <= bytes))
        return;
    unsigned char *copy = malloc(bytes);
    memcpy(copy, at, bytes);
    for (uint64_t i = from; i < from + count; i++)
        copy[i] = zero ? 0 : copy[i] ^ 0x5a;
    sim_put(store.sim, store.path, name, copy, bytes);
    free(copy);
}

static inline void store_cut(const char *name, uint64_t length)
{
    uint64_t bytes = 0;
    const unsigned char *at = sim_look(store.sim, store.path, name, &bytes);
    if (!CHECK(at != NULL) || !CHECK(length <= bytes))
        return;
    unsigned char *copy = malloc(bytes + 1);
    memcpy(copy, at, bytes);
    sim_put(store.sim, store.path, name, copy, length);
    free(copy);
}

/* Where the frames of a log file lie; *end is where they end. */
static inline uint32_t store_frames(const char *name, uint64_t at[512], uint64_t *end)
{
    static const char magic[8] = {'l', 's', 'm', 'k', 'v', 'L', 'O', 'G'};
    uint64_t bytes = 0, offset = LK_FILE_HEAD;
    const unsigned char *base = sim_look(store.sim, store.path, name, &bytes);
    struct lk_file_head head;
    struct lk_frame frame;
    uint32_t version, count = 0;
    if (!CHECK(base != NULL) || !CHECK_EQ(lk_file_head_get(base, magic, &head, &version), 1))
        return 0;
    while (count < 512 && lk_frame_get(base, bytes, offset, head.identity, &frame) == LK_FRAME_GOOD) {
        at[count++] = offset;
        offset += frame.total;
    }
    *end = offset;
    return count;
}

#endif
