/* Conditional writes: a read, a thought and a write that takes effect only if nobody was there in between. */
#include "gate_kit.h"
#include "store_kit.h"

#include "engine/commit.h"

/* What the key says, and when: the value's number, 0 when absent. */
static uint32_t look(const char *key, uint64_t *seen)
{
    lsmkv_snapshot *now = NULL;
    uint32_t found = 0;
    CHECK_EQ(lsmkv_snapshot_new(store.db, &now), 0);
    *seen = lsmkv_snapshot_lsn(now);
    const char *value = get_at(now, key);
    if (value)
        found = (uint32_t)strtoul(value, NULL, 10);
    lsmkv_snapshot_free(now);
    return found;
}

static int put_if(uint64_t seen, const char *key, const char *value)
{
    return lsmkv_put_if(store.db, seen, key, strlen(key), value, strlen(value), LSMKV_EXPIRY_DEFAULT, -1, NULL);
}

static int try_put_if(uint64_t seen, const char *key, const char *value)
{
    return lsmkv_try_put_if(store.db, seen, key, strlen(key), value, strlen(value), LSMKV_EXPIRY_NEVER, 0, NULL);
}

static int delete_if(uint64_t seen, const char *key)
{
    return lsmkv_delete_if(store.db, seen, key, strlen(key), -1, NULL);
}

/* ---- what counts as a change -------------------------------------------------------------------- */

TEST(only_the_first_of_two_who_saw_the_same)
{
    uint64_t seen, later;
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(look("a", &seen), 0);
    CHECK_EQ(put_if(seen, "a", "1"), 0); /* absent is something one can have seen */
    CHECK_EQ(put_if(seen, "a", "2"), LSMKV_CONFLICT);
    CHECK_EQ(delete_if(seen, "a"), LSMKV_CONFLICT);
    CHECK_EQ(look("a", &later), 1);
    CHECK_EQ(delete_if(later, "a"), 0);
    CHECK_EQ(delete_if(later, "a"), LSMKV_CONFLICT);
    expect("a", NULL);
    store_free();
}

TEST(other_keys_are_none_of_its_business)
{
    uint64_t seen;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(look("a", &seen), 1);
    put("b", "2");
    CHECK_EQ(lsmkv_delete_range(store.db, &(struct lsmkv_slice){"b", 1}, NULL, -1, NULL), 0);
    CHECK_EQ(put_if(seen, "a", "3"), 0);
    expect("a", "3");
    store_free();
}

TEST(a_change_and_back_is_a_change)
{
    uint64_t seen;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(look("a", &seen), 1);
    put("a", "2");
    put("a", "1");
    CHECK_EQ(put_if(seen, "a", "3"), LSMKV_CONFLICT);
    store_free();
}

TEST(a_range_delete_is_a_change)
{
    uint64_t there, absent;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(look("a", &there), 1);
    CHECK_EQ(look("b", &absent), 0);
    CHECK_EQ(lsmkv_delete_range(store.db, NULL, &(struct lsmkv_slice){"c", 1}, -1, NULL), 0);
    CHECK_EQ(put_if(there, "a", "2"), LSMKV_CONFLICT);
    CHECK_EQ(put_if(absent, "b", "2"), LSMKV_CONFLICT); /* of nothing, but who knows that */
    expect_count(0);
    store_free();
}

TEST(what_can_no_longer_be_told_is_a_conflict)
{
    uint64_t seen;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(look("a", &seen), 1);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(put_if(seen, "a", "2"), LSMKV_CONFLICT);
    CHECK_EQ(put_if(UINT64_MAX, "a", "2"), LSMKV_CONFLICT); /* from another store */
    CHECK_EQ(put_if(0, "a", "2"), LSMKV_CONFLICT);
    CHECK_EQ(look("a", &seen), 1);
    CHECK_EQ(put_if(seen, "a", "2"), 0);
    store_close();
    store_open();
    CHECK_EQ(put_if(seen, "a", "3"), LSMKV_CONFLICT);
    expect("a", "2");
    store_free();
}

/* ---- the arguments ------------------------------------------------------------------------------ */

TEST(a_lent_value_tells_when_it_was_seen)
{
    struct lsmkv_read read = {0};
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(lsmkv_read_begin(store.db, NULL, "a", 1, &read), 0);
    lsmkv_read_end(&read);
    CHECK_EQ(put_if(read.seen, "a", "2"), 0);
    CHECK_EQ(lsmkv_read_begin(store.db, NULL, "b", 1, &read), LSMKV_NOTFOUND);
    CHECK_EQ(put_if(read.seen, "b", "1"), 0);
    CHECK_EQ(put_if(read.seen, "a", "3"), 0);
    CHECK_EQ(put_if(read.seen, "b", "3"), LSMKV_CONFLICT);
    store_free();
}

TEST(bounds_and_handles_are_checked)
{
    static char large[LSMKV_KEY_MAX + 1];
    uint64_t lsn = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(lsmkv_put_if(store.db, 0, large, sizeof large, "", 0, 0, -1, &lsn), LSMKV_INVALID);
    CHECK_EQ(lsmkv_put_if(store.db, 0, "a", 1, large, (size_t)LSMKV_VALUE_MAX + 1, 0, -1, &lsn), LSMKV_INVALID);
    CHECK_EQ(lsmkv_try_delete_if(store.db, 0, large, sizeof large, 0, &lsn), LSMKV_INVALID);
    put("a", "1");
    store_close();
    store.options.flags = LSMKV_OPEN_READONLY;
    store_open();
    CHECK_EQ(put_if(0, "a", "2"), LSMKV_READONLY);
    CHECK_EQ(lsmkv_try_delete_if(store.db, 0, "a", 1, 0, &lsn), LSMKV_READONLY);
    CHECK_EQ(lsmkv_close(store.db), 0);
    CHECK_EQ(put_if(0, "a", "2"), LSMKV_CLOSED);
    CHECK_EQ(lsn, 0);
    store_free();
}

/* ---- alone -------------------------------------------------------------------------------------- */

/* A segment that is full between the read and the write costs one more read, never more. */
TEST(alone_the_second_try_succeeds)
{
    char value[1100];
    uint64_t seen;
    uint32_t refused = 0, start = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    start = engine()->active->segment->number;
    for (uint32_t i = 1; i <= 400; i++) {
        snprintf(value, sizeof value, "%u %0*d", i, (int)(i * 37 % 1000 + 1), 0);
        int rc = LSMKV_CONFLICT, tries = 0;
        for (; rc == LSMKV_CONFLICT && tries < 3; tries++) {
            CHECK_EQ(look("a", &seen), i - 1);
            rc = put_if(seen, "a", value);
        }
        refused += (uint32_t)tries - 1;
        NEED(rc == 0 && tries <= 2);
    }
    CHECK(engine()->active->segment->number > start + 20);
    CHECK(refused < 400 / 2);
    store_free();
}

/* The write that has to seal the segment itself is not refused for it. */
TEST(its_own_rotation_is_no_conflict)
{
    char value[3000];
    uint64_t seen;
    store_new(LSMKV_SYNC_OS);
    store.options.l0_segments = 2;
    store_open();
    for (uint32_t i = 1; i <= 40; i++) {
        uint32_t before = engine()->active->segment->number;
        snprintf(value, sizeof value, "%u %02900d", i, 0);
        CHECK_EQ(look("a", &seen), i - 1);
        NEED(put_if(seen, "a", value) == 0);
        CHECK(i == 1 || engine()->active->segment->number > before);
    }
    store_free();
}

/* ---- beside a sync ------------------------------------------------------------------------------ */

static void *synced_put(void *at)
{
    *(int *)at = try_to_put("a", "2", 1);
    return NULL;
}

static uint64_t before_it;

static uint32_t after_it;

static void *refused_put(void *at)
{
    uint64_t seen;
    *(int *)at = put_if(before_it, "a", "3");
    after_it = look("a", &seen);
    return NULL;
}

static void *allowed_put(void *at)
{
    *(int *)at = put_if(before_it, "b", "3");
    return NULL;
}

/* A write that waits for its sync is not visible, and whoever read before it is refused only when it is: else he
 * would read the same again and again. */
TEST(what_refuses_is_visible_when_it_has_refused)
{
    pthread_t threads[3];
    int rc[3] = {-1, -1, -1};
    uint64_t seen;
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.env = gate_env();
    store_open();
    put("a", "1");
    CHECK_EQ(look("a", &before_it), 1);
    gate_close();
    uint64_t appended = lk_commit_appended(engine());
    CHECK_EQ(pthread_create(&threads[0], NULL, synced_put, &rc[0]), 0);
    while (lk_commit_appended(engine()) == appended)
        usleep(50);
    CHECK_EQ(look("a", &seen), 1);
    CHECK_EQ(seen, before_it);
    CHECK_EQ(try_put_if(seen, "a", "3"), LSMKV_WOULDBLOCK);
    CHECK_EQ(try_put_if(seen, "b", "3"), LSMKV_WOULDBLOCK);
    CHECK_EQ(pthread_create(&threads[1], NULL, refused_put, &rc[1]), 0);
    appended = lk_commit_appended(engine());
    CHECK_EQ(pthread_create(&threads[2], NULL, allowed_put, &rc[2]), 0);
    while (lk_commit_appended(engine()) == appended)
        usleep(50);
    gate_await(1);
    gate_open(0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(rc[0], 0);
    CHECK_EQ(rc[1], LSMKV_CONFLICT);
    CHECK_EQ(after_it, 2);
    CHECK_EQ(rc[2], 0);
    expect("a", "2");
    expect("b", "3");
    store_free();
}

/* ---- among others ------------------------------------------------------------------------------- */

enum { ADDERS = 4, TURNS = 1500 };
static _Atomic uint32_t mistakes;

/* Now without waiting, now with. */
static int add_one(const char *key, int turn)
{
    char value[80];
    uint64_t seen;
    uint32_t now = look(key, &seen);
    snprintf(value, sizeof value, "%u %050d", now + 1, 0);
    int rc = LSMKV_WOULDBLOCK;
    if (turn % 2)
        rc = try_put_if(seen, key, value);
    return rc == LSMKV_WOULDBLOCK ? put_if(seen, key, value) : rc;
}

static void *adder(void *at)
{
    for (int turn = 0; turn < TURNS; turn++) {
        int rc;
        while ((rc = add_one(turn % 3 ? "shared" : (const char *)at, turn)) == LSMKV_CONFLICT)
            ;
        if (rc != 0)
            atomic_fetch_add(&mistakes, 1);
    }
    return NULL;
}

static void *upkeeper(void *stop)
{
    while (!atomic_load((_Atomic int *)stop))
        if (lsmkv_flush(store.db) != 0 || lsmkv_compact(store.db, NULL, NULL, NULL, NULL) != 0)
            atomic_fetch_add(&mistakes, 1);
    return NULL;
}

/* Many add to one number, while segments are sealed, flushed and merged: not one is lost, and there is nothing in
 * any file but values. */
TEST(scenario_10_reading_changing_and_writing_is_one_write)
{
    static const char *const own[ADDERS] = {"w0", "w1", "w2", "w3"};
    pthread_t threads[ADDERS], upkeep;
    _Atomic int stop = 0;
    uint64_t seen;
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 16 << 10;
    store_open();
    atomic_store(&mistakes, 0);
    CHECK_EQ(pthread_create(&upkeep, NULL, upkeeper, &stop), 0);
    for (int i = 0; i < ADDERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, adder, (void *)own[i]), 0);
    for (int i = 0; i < ADDERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&stop, 1);
    pthread_join(upkeep, NULL);
    CHECK_EQ(atomic_load(&mistakes), 0);
    CHECK_EQ(look("shared", &seen), ADDERS * TURNS * 2 / 3);
    for (int i = 0; i < ADDERS; i++)
        CHECK_EQ(look(own[i], &seen), TURNS / 3);
    expect_count(1 + ADDERS);
    store_close();
    store_open();
    CHECK_EQ(look("shared", &seen), ADDERS * TURNS * 2 / 3);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
