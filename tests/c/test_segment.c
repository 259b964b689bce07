/* One log file: made, written in three ways, synced, taken back, shrunk, loaded. On the simulated disk. */
#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "format/edit.h"
#include "sim/sim.h"
#include "store/segment.h"

#define STORE "/store"
enum { CAPACITY = 76 << 10, ID = 77 };

static struct sim *sim;
static struct lk_env *env;
static struct lk_dir *dir;

static void begin_on(struct sim *machine)
{
    sim = machine;
    env = sim_env(sim);
    CHECK_EQ(env->ops->dir_open(env, STORE, 0700, &dir), 0);
}

static void begin(void)
{
    begin_on(sim_new(&(struct sim_config){.trace = 1}));
}

static void finish(void)
{
    env->ops->dir_close(dir);
    CHECK_EQ(sim_violations(sim), 0);
    CHECK_EQ(sim_free(sim), 0);
}

static struct lk_segment *make(enum lk_segment_kind kind)
{
    struct lk_segment *segment = NULL;
    CHECK_EQ(lk_segment_create(env, dir, 7, CAPACITY, kind, 0600, &segment), 0);
    CHECK_EQ(env->ops->dir_sync(dir), 0);
    if (kind == LK_SEGMENT_MAPPED)
        CHECK_EQ(lk_segment_prefault(segment, 8192), 0);
    CHECK_EQ(lk_segment_start(segment, ID, 6, 4242), 0);
    return segment;
}

static int append(struct lk_segment *segment, const char *text)
{
    uint32_t bytes = (uint32_t)strlen(text);
    CHECK(lk_segment_fits(segment, bytes));
    memcpy(lk_segment_body(segment), text, bytes);
    int rc = lk_segment_commit(segment, LK_FRAME_RECORDS, bytes);
    if (rc == 0)
        lk_segment_advance(segment, bytes);
    else
        lk_segment_erase(segment, bytes);
    return rc;
}

/* The frames of a segment are these texts, and nothing more. */
static void holds(const struct lk_segment *segment, int count, const char *const texts[])
{
    uint64_t at = LK_FILE_HEAD;
    struct lk_frame frame;
    for (int i = 0; i < count; i++, at += frame.total) {
        if (!CHECK_EQ(lk_frame_get(segment->base, segment->capacity, at, segment->identity, &frame), LK_FRAME_GOOD))
            return;
        CHECK_EQ(frame.body.len, strlen(texts[i]));
        CHECK_MEM(frame.body.at, texts[i], frame.body.len);
    }
    CHECK(lk_frame_get(segment->base, segment->capacity, at, segment->identity, &frame) != LK_FRAME_GOOD);
}

static const char *const three[] = {"first", "the second one", "3"};

/* On what the power left (or the kill), as a later process loads it. */
static void loads(struct sim *machine, int expected, int count)
{
    struct sim *before = sim;
    struct lk_dir *before_dir = dir;
    struct lk_segment *segment = NULL;
    begin_on(machine);
    for (int mapped = 0; mapped < 2; mapped++) {
        CHECK_EQ(lk_segment_load(env, dir, 7, ID, mapped, &segment), expected);
        CHECK((segment != NULL) == (expected == 0));
        if (segment) {
            CHECK_EQ(segment->prev, 6);
            CHECK_EQ(segment->prev_end, 4242);
            CHECK_EQ(segment->kind, LK_SEGMENT_LOADED);
            holds(segment, count, three);
        }
        lk_segment_free(segment);
    }
    finish();
    sim = before;
    env = sim_env(sim);
    dir = before_dir;
}

TEST(three_ways_to_write)
{
    for (int kind = LK_SEGMENT_MAPPED; kind <= LK_SEGMENT_NONE; kind++) {
        begin();
        struct lk_segment *segment = make((enum lk_segment_kind)kind);
        CHECK_EQ(atomic_load(&segment->end), LK_FILE_HEAD);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(append(segment, three[i]), 0);
        holds(segment, 3, three);
        CHECK_EQ(lk_segment_sync(segment, atomic_load(&segment->end)), 0);
        sim_stop_now(sim, SIM_POWER);
        uint64_t bytes = 0;
        if (kind == LK_SEGMENT_NONE)
            CHECK(sim_look(sim, STORE, "000007.log", &bytes) == NULL);
        else
            loads(sim_image(sim, SIM_NOTHING, 0), 0, 3);
        lk_segment_free(segment);
        finish();
    }
}

TEST(a_kill_loses_nothing_and_the_power_what_was_not_synced)
{
    for (int kind = LK_SEGMENT_MAPPED; kind <= LK_SEGMENT_WRITTEN; kind++) {
        begin();
        struct lk_segment *segment = make((enum lk_segment_kind)kind);
        CHECK_EQ(append(segment, three[0]), 0);
        CHECK_EQ(lk_segment_sync(segment, atomic_load(&segment->end)), 0);
        CHECK_EQ(append(segment, three[1]), 0);
        sim_stop_now(sim, SIM_KILL);
        loads(sim_kill_image(sim), 0, 2);
        loads(sim_image(sim, SIM_NOTHING, 0), 0, 1);
        lk_segment_free(segment);
        finish();
    }
}

/* A name without a head, or with half of one: prepared, and never durably used. */
TEST(heads_that_never_arrived)
{
    begin();
    struct lk_segment *segment = NULL;
    CHECK_EQ(lk_segment_create(env, dir, 7, CAPACITY, LK_SEGMENT_MAPPED, 0600, &segment), 0);
    CHECK_EQ(env->ops->dir_sync(dir), 0);
    sim_stop_now(sim, SIM_POWER);
    loads(sim_image(sim, SIM_NOTHING, 0), LSMKV_NOTFOUND, 0);
    loads(sim_image(sim, SIM_EVERYTHING, 0), LSMKV_NOTFOUND, 0);
    lk_segment_free(segment);
    finish();

    uint8_t whole[CAPACITY] = {0}, torn[CAPACITY];
    begin();
    segment = make(LK_SEGMENT_WRITTEN);
    memcpy(whole, segment->base, LK_FILE_HEAD);
    lk_segment_free(segment);
    for (unsigned mask = 0; mask < 256; mask++) { /* each aligned word new, or still zero */
        memset(torn, 0, sizeof torn);
        for (unsigned word = 0; word < 8; word++)
            if (mask >> word & 1)
                memcpy(torn + word * 8, whole + word * 8, 8);
        static const uint8_t zeros[LK_FILE_HEAD];
        int none = memcmp(torn, zeros, LK_FILE_HEAD) == 0, all = memcmp(torn, whole, LK_FILE_HEAD) == 0;
        sim_put(sim, STORE, "000007.log", torn, sizeof torn);
        int rc = lk_segment_load(env, dir, 7, ID, 0, &segment);
        CHECK_EQ(rc, all ? 0 : none ? LSMKV_NOTFOUND : LSMKV_WOULDBLOCK);
        lk_segment_free(segment);
    }
    finish();
}

TEST(heads_that_are_wrong)
{
    struct lk_segment *segment = NULL;
    uint8_t whole[CAPACITY] = {0};
    begin();
    segment = make(LK_SEGMENT_WRITTEN);
    memcpy(whole, segment->base, LK_FILE_HEAD);
    lk_segment_free(segment);
    for (unsigned byte = 0; byte < LK_FILE_HEAD; byte++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            whole[byte] ^= (uint8_t)(1 << bit);
            sim_put(sim, STORE, "000007.log", whole, sizeof whole);
            int rc = lk_segment_load(env, dir, 7, ID, 1, &segment);
            CHECK(rc == LSMKV_CORRUPT || rc == LSMKV_FORMAT);
            CHECK(segment == NULL);
            whole[byte] ^= (uint8_t)(1 << bit);
        }
    sim_put(sim, STORE, "000007.log", whole, sizeof whole);
    CHECK_EQ(lk_segment_load(env, dir, 7, ID + 1, 1, &segment), LSMKV_CORRUPT); /* of another store */
    CHECK_STR(lsmkv_last_error()->file, "000007.log");
    sim_put(sim, STORE, "000008.log", whole, sizeof whole);
    CHECK_EQ(lk_segment_load(env, dir, 8, ID, 1, &segment), LSMKV_CORRUPT); /* under another name */
    CHECK_EQ(lk_segment_load(env, dir, 9, ID, 1, &segment), LSMKV_IO);      /* not there */
    sim_put(sim, STORE, "000007.log", whole, 10);
    CHECK_EQ(lk_segment_load(env, dir, 7, ID, 1, &segment), LSMKV_WOULDBLOCK); /* it ends in mid-head */
    CHECK(segment == NULL);
    sim_put(sim, STORE, "000007.log", whole, 0);
    CHECK_EQ(lk_segment_load(env, dir, 7, ID, 1, &segment), LSMKV_NOTFOUND);
    CHECK(segment == NULL);
    finish();
}

TEST(prefault_goes_ahead)
{
    begin();
    struct lk_segment *segment = NULL;
    CHECK_EQ(lk_segment_create(env, dir, 7, CAPACITY, LK_SEGMENT_MAPPED, 0600, &segment), 0);
    CHECK_EQ(atomic_load(&segment->ready), 0);
    CHECK_EQ(lk_segment_prefault(segment, 100), 0);
    CHECK(atomic_load(&segment->ready) >= 100);
    CHECK_EQ(lk_segment_prefault(segment, 9000), 0);
    uint64_t calls = sim_calls(sim, SIM_MAP_PREFAULT), ready = atomic_load(&segment->ready);
    CHECK(ready >= 9000);
    CHECK_EQ(lk_segment_prefault(segment, ready), 0);
    CHECK_EQ(sim_calls(sim, SIM_MAP_PREFAULT), calls); /* it is there */
    CHECK_EQ(lk_segment_prefault(segment, UINT64_MAX), 0);
    CHECK_EQ(atomic_load(&segment->ready), CAPACITY);
    sim_fail(sim, &(struct sim_fault){.call = SIM_MAP_PREFAULT, .nth = 1, .err = ENOMEM});
    CHECK_EQ(lk_segment_prefault(segment, UINT64_MAX), 0); /* nothing to do */
    CHECK_EQ(sim_fired(sim), 0);
    lk_segment_free(segment);
    finish();
}

/* Only what is not durable yet, to whole pages. */
TEST(sync_takes_the_rest)
{
    begin();
    struct lk_segment *segment = make(LK_SEGMENT_MAPPED);
    char text[3001];
    uint64_t last = 0;
    memset(text, 'x', sizeof text - 1);
    text[3000] = 0;
    for (int i = 0; i < 12; i++) {
        CHECK_EQ(append(segment, text), 0);
        uint64_t end = atomic_load(&segment->end);
        size_t trace = strlen(sim_trace(sim));
        CHECK_EQ(lk_segment_sync(segment, end), 0);
        CHECK_EQ(atomic_load(&segment->synced), end);
        unsigned long long offset = 0, bytes = 0;
        const char *line = strstr(sim_trace(sim) + trace, " MAP_SYNC 000007.log ");
        if (CHECK(line != NULL))
            CHECK_EQ(sscanf(line, " MAP_SYNC 000007.log %llu %llu", &offset, &bytes), 2);
        CHECK_EQ(offset, last & ~4095ull);
        CHECK_EQ(offset + bytes, end);
        last = end;
        uint64_t calls = sim_calls(sim, SIM_MAP_SYNC);
        CHECK_EQ(lk_segment_sync(segment, end), 0);
        CHECK_EQ(sim_calls(sim, SIM_MAP_SYNC), calls);
    }
    sim_fail(sim, &(struct sim_fault){.call = SIM_MAP_SYNC, .nth = 1, .err = EIO});
    CHECK_EQ(append(segment, "one more"), 0);
    CHECK_EQ(lk_segment_sync(segment, atomic_load(&segment->end)), LSMKV_IO);
    CHECK_EQ(atomic_load(&segment->synced), last);
    lk_segment_free(segment);
    finish();
}

/* No space: no segment, and no file of it. */
TEST(no_space_no_file)
{
    for (int kind = LK_SEGMENT_MAPPED; kind <= LK_SEGMENT_WRITTEN; kind++) {
        begin_on(sim_new(&(struct sim_config){.space_bytes = CAPACITY / 2}));
        struct lk_segment *segment = NULL;
        uint64_t bytes = 0;
        CHECK_EQ(lk_segment_create(env, dir, 7, CAPACITY, (enum lk_segment_kind)kind, 0600, &segment), LSMKV_FULL);
        CHECK(segment == NULL);
        CHECK(sim_look(sim, STORE, "000007.log", &bytes) == NULL);
        CHECK_EQ(lk_segment_create(env, dir, 8, CAPACITY / 4, (enum lk_segment_kind)kind, 0600, &segment), 0);
        lk_segment_free(segment);
        finish();
    }
}

/* Whatever else fails while one is made. */
TEST(a_failed_creation_leaves_nothing)
{
    for (int kind = LK_SEGMENT_MAPPED; kind <= LK_SEGMENT_NONE; kind++)
        for (uint64_t nth = 1;; nth++) {
            struct lk_segment *segment = NULL;
            uint64_t bytes = 0;
            begin();
            sim_fail(sim, &(struct sim_fault){.call = SIM_CALLS, .nth = nth, .err = EIO});
            int rc = lk_segment_create(env, dir, 7, CAPACITY, (enum lk_segment_kind)kind, 0600, &segment);
            int fired = sim_fired(sim) > 0;
            CHECK(rc < 0 || segment != NULL);
            CHECK(rc == 0 || segment == NULL);
            if (rc < 0)
                CHECK(sim_look(sim, STORE, "000007.log", &bytes) == NULL);
            lk_segment_free(segment);
            finish();
            if (!fired)
                break;
        }
}

/* The name is taken: that file is somebody's, and stays as it is. */
TEST(an_existing_file_is_not_touched)
{
    begin();
    struct lk_segment *segment = NULL;
    uint64_t bytes = 0;
    sim_put(sim, STORE, "000007.log", "precious", 8);
    CHECK_EQ(lk_segment_create(env, dir, 7, CAPACITY, LK_SEGMENT_WRITTEN, 0600, &segment), LSMKV_IO);
    const unsigned char *at = sim_look(sim, STORE, "000007.log", &bytes);
    CHECK(at && bytes == 8 && memcmp(at, "precious", 8) == 0);
    finish();
}

/* A write that fails half-way is taken back: in memory and, best effort, in the file. */
TEST(a_failed_write_is_erased)
{
    for (uint64_t part = 0; part < 40; part += 7) {
        begin();
        struct lk_segment *segment = make(LK_SEGMENT_WRITTEN);
        CHECK_EQ(append(segment, three[0]), 0);
        uint64_t end = atomic_load(&segment->end);
        sim_fail(sim, &(struct sim_fault){.call = SIM_WRITE, .nth = 1, .err = ENOSPC, .part = part});
        CHECK_EQ(append(segment, "a record that does not fit any more"), LSMKV_FULL);
        CHECK_EQ(atomic_load(&segment->end), end);
        holds(segment, 1, three);
        sim_fail_none(sim);
        CHECK_EQ(append(segment, three[1]), 0);
        sim_stop_now(sim, SIM_KILL);
        loads(sim_kill_image(sim), 0, 2);
        lk_segment_free(segment);
        finish();
    }
}

TEST(shrink_and_remove)
{
    begin();
    uint64_t bytes = 0;
    struct lk_segment *segment = make(LK_SEGMENT_MAPPED);
    CHECK_EQ(append(segment, three[0]), 0);
    uint64_t end = atomic_load(&segment->end);
    lk_segment_shrink(segment);
    lk_segment_free(segment);
    CHECK(sim_look(sim, STORE, "000007.log", &bytes) != NULL);
    CHECK_EQ(bytes, end);
    CHECK_EQ(lk_segment_load(env, dir, 7, ID, 1, &segment), 0);
    holds(segment, 1, three);
    lk_segment_shrink(segment); /* a loaded one is never written */
    CHECK(sim_look(sim, STORE, "000007.log", &bytes) != NULL && bytes == end);
    atomic_store(&segment->obsolete, 1);
    lk_segment_free(segment);
    CHECK(sim_look(sim, STORE, "000007.log", &bytes) == NULL);
    lk_segment_free(NULL);
    finish();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
