/* Opening, sharing, locking, closing, destroying: one directory, many who want it. */
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_kit.h"

#include "engine/install.h"

/* What `work` returns in a child process that has nothing of this one's but memory. */
static int in_child(int (*work)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(work() & 0xff);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? (int8_t)WEXITSTATUS(status) : -100;
}

static int open_elsewhere(void)
{
    lsmkv *db = NULL;
    int rc = lsmkv_open(store.path, &store.options, &db);
    if (rc == LSMKV_LOCKED && lsmkv_last_error()->pid != getppid())
        return -99;
    if (db)
        lsmkv_release(db);
    return rc;
}

static int destroy_elsewhere(void)
{
    int rc = lsmkv_destroy(store.path);
    return rc == LSMKV_LOCKED && lsmkv_last_error()->pid != getppid() ? -99 : rc;
}

static void plant(const char *name)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", store.path, name);
    FILE *file = fopen(path, "w");
    if (CHECK(file != NULL))
        fclose(file);
}

static void unplant(const char *name)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", store.path, name);
    CHECK_EQ(unlink(path), 0);
}

/* ---- sharing ------------------------------------------------------------------------------------ */

TEST(handles_of_one_process_share_the_engine)
{
    lsmkv *other = NULL;
    char around[300];
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    snprintf(around, sizeof around, "%s/../%s/.", store.path, strrchr(store.path, '/') + 1);
    CHECK_EQ(lsmkv_open(around, NULL, &other), 0); /* found by device and inode, not by name */
    CHECK(other != store.db && other->db == store.db->db);
    CHECK_EQ(lsmkv_exists(other, NULL, "a", 1), 0);
    CHECK_EQ(lsmkv_put(other, "b", 1, "2", 1, -1, NULL), 0);
    expect("b", "2");
    CHECK_EQ(lsmkv_close(other), 0);
    CHECK_EQ(lsmkv_is_closed(other), 1);
    CHECK_EQ(lsmkv_put(other, "c", 1, "3", 1, -1, NULL), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_close(other), 0);
    put("c", "3"); /* the other handle goes on */
    CHECK_EQ(in_child(open_elsewhere), LSMKV_LOCKED);
    lsmkv_release(other);
    store_close();
    CHECK_EQ(in_child(open_elsewhere), 0);
    store_open();
    expect_count(3);
    store_free();
}

TEST(a_handle_for_reading_shares_too)
{
    struct lsmkv_options options;
    lsmkv *reader = NULL;
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    options = store.options;
    options.flags = LSMKV_OPEN_READONLY;
    CHECK_EQ(lsmkv_open(store.path, &options, &reader), 0);
    CHECK_EQ(lsmkv_put(reader, "b", 1, "2", 1, -1, NULL), LSMKV_READONLY);
    put("b", "2");
    CHECK_EQ(lsmkv_exists(reader, NULL, "b", 1), 0); /* the present, not a copy of it */
    lsmkv_release(reader);
    expect_count(2);
    store_free();
}

TEST(options_that_conflict_are_named)
{
    static const char *const names[] = {"durability",       "sync_interval_ms",
                                        "threads",          "segment_bytes",
                                        "table_bytes",      "page_bytes",
                                        "l0_segments",      "run_count",
                                        "cache_bytes",      "table_source",
                                        "log_source",       "merge_policy",
                                        "space_limit",      "background_bytes_per_second",
                                        "max_pinned_bytes", "memory_bytes"};
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct lsmkv_options options;
        lsmkv *other = NULL;
        lsmkv_options_init(&options);
        switch (i) {
        case 0:
            options.durability = LSMKV_SYNC_ALWAYS;
            break;
        case 1:
            options.sync_interval_ms = 5;
            break;
        case 2:
            options.threads = 1;
            break;
        case 3:
            options.segment_bytes = 1 << 20;
            break;
        case 4:
            options.table_bytes = 1 << 20;
            break;
        case 5:
            options.page_bytes = 1024;
            break;
        case 6:
            options.l0_segments = 2;
            break;
        case 7:
            options.run_count = 9;
            break;
        case 8:
            options.cache_bytes = 1 << 20;
            break;
        case 9:
            options.table_source = LSMKV_SOURCE_READ;
            break;
        case 10:
            options.log_source = LSMKV_SOURCE_READ;
            break;
        case 11:
            options.merge_policy = LSMKV_MERGE_TIERED;
            break;
        case 12:
            options.space_limit = 2;
            break;
        case 13:
            options.background_bytes_per_second = 1 << 20;
            break;
        case 14:
            options.max_pinned_bytes = 1 << 20;
            break;
        case 15:
            options.memory_bytes = 8 << 20;
            break;
        }
        CHECK_EQ(lsmkv_open(store.path, &options, &other), LSMKV_OPTIONS);
        CHECK(other == NULL);
        CHECK(strstr(lsmkv_last_error()->text, names[i]) != NULL);
    }
    lsmkv *other = NULL;
    struct lsmkv_options same = store.options;
    CHECK_EQ(lsmkv_open(store.path, &same, &other), 0);
    lsmkv_release(other);
    store_free();
}

TEST(limits_of_fifo_that_conflict_are_named)
{
    store_new_real(LSMKV_SYNC_OS);
    store.options.merge_policy = LSMKV_MERGE_FIFO;
    store.options.fifo_bytes = 1 << 20;
    store.options.fifo_age_ms = 1000;
    store_open();
    struct lsmkv_options bytes = store.options, age = store.options, alone = store.options;
    lsmkv *other = NULL;
    bytes.fifo_bytes = 1 << 21;
    CHECK_EQ(lsmkv_open(store.path, &bytes, &other), LSMKV_OPTIONS);
    CHECK(strstr(lsmkv_last_error()->text, "another value of fifo_bytes") != NULL);
    age.fifo_age_ms = 2000;
    CHECK_EQ(lsmkv_open(store.path, &age, &other), LSMKV_OPTIONS);
    CHECK(strstr(lsmkv_last_error()->text, "another value of fifo_age") != NULL);
    alone.merge_policy = LSMKV_MERGE_DEFAULT; /* a limit without the policy is a mistake wherever it is made */
    CHECK_EQ(lsmkv_open(store.path, &alone, &other), LSMKV_OPTIONS);
    CHECK(strstr(lsmkv_last_error()->text, "go with merge_policy fifo") != NULL && other == NULL);
    store_free();
}

/* ---- the lock ----------------------------------------------------------------------------------- */

TEST(one_writing_process)
{
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(in_child(open_elsewhere), LSMKV_LOCKED); /* with this process's number */
    store.options.flags = LSMKV_OPEN_READONLY;
    CHECK_EQ(in_child(open_elsewhere), 0); /* reading needs no lock */
    store.options.flags = LSMKV_OPEN_CREATE;
    put("b", "2");
    store_close();
    CHECK_EQ(in_child(open_elsewhere), 0);
    store_free();
}

static int own_store(void)
{
    struct store parents = store; /* closed in the parent's time, not here */
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("child", "1");
    store_free();
    int rc = lsmkv_put(parents.db, "x", 1, "y", 1, -1, NULL);
    lsmkv_release(parents.db);
    return rc == LSMKV_FORKED && check_failures == 0 ? 0 : 1;
}

TEST(a_child_may_have_a_store_of_its_own)
{
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(in_child(own_store), 0);
    put("b", "2");
    expect_count(2);
    store_free();
}

/* ---- where a store may be ----------------------------------------------------------------------- */

TEST(what_is_no_place_for_a_store)
{
    lsmkv *db = NULL;
    char path[300];
    struct stat about;
    store_new_real(LSMKV_SYNC_OS);
    store.options.flags = 0;
    CHECK_EQ(store_try_open(), LSMKV_ABSENT); /* an empty directory */
    store.options.flags = LSMKV_OPEN_READONLY | LSMKV_OPEN_CREATE;
    CHECK_EQ(store_try_open(), LSMKV_ABSENT);
    store.options.flags = LSMKV_OPEN_CREATE;
    plant("somebody.txt");
    CHECK_EQ(store_try_open(), LSMKV_EXISTS);
    snprintf(path, sizeof path, "%s/somebody.txt", store.path);
    CHECK_EQ(lsmkv_open(path, &store.options, &db), LSMKV_EXISTS); /* a file */
    snprintf(path, sizeof path, "%s/no/such/place", store.path);
    CHECK(lsmkv_open(path, &store.options, &db) < 0);
    CHECK(db == NULL);
    unplant("somebody.txt");
    CHECK_EQ(rmdir(store.path), 0);
    store.options.flags = 0;
    CHECK_EQ(store_try_open(), LSMKV_ABSENT); /* no directory */
    store.options.flags = LSMKV_OPEN_CREATE;
    store_open();
    CHECK_EQ(stat(store.path, &about), 0);
    CHECK_EQ(about.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/CURRENT", store.path);
    CHECK_EQ(stat(path, &about), 0);
    CHECK_EQ(about.st_mode & 0777, 0600);
    store_free();
}

TEST(anew)
{
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    store.options.flags = LSMKV_OPEN_CREATE | LSMKV_OPEN_ANEW;
    lsmkv *other = NULL;
    CHECK_EQ(lsmkv_open(store.path, &store.options, &other), LSMKV_LOCKED); /* somebody has it */
    expect("a", "1");
    store_close();
    plant("somebody.txt");
    CHECK_EQ(store_try_open(), LSMKV_EXISTS);
    unplant("somebody.txt");
    store.options.flags = LSMKV_OPEN_CREATE;
    store_open();
    expect("a", "1"); /* nothing was removed */
    store_close();
    store.options.flags = LSMKV_OPEN_CREATE | LSMKV_OPEN_ANEW;
    store_open();
    expect_count(0);
    put("b", "2");
    store_close();
    store.options.flags = LSMKV_OPEN_ANEW; /* needs leave to create */
    CHECK_EQ(store_try_open(), LSMKV_OPTIONS);
    store.options.flags = LSMKV_OPEN_CREATE;
    store_open();
    expect_count(1);
    store_free();
}

TEST(destroy)
{
    store_new_real(LSMKV_SYNC_OS);
    CHECK_EQ(lsmkv_destroy(store.path), LSMKV_ABSENT); /* an empty directory is no store */
    store_open();
    put_numbers(0, 200, "some value to fill a segment with");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_destroy(store.path), LSMKV_LOCKED);
    CHECK_EQ(in_child(destroy_elsewhere), LSMKV_LOCKED);
    expect(number(7), "some value to fill a segment with");
    store_close();
    plant("somebody.txt");
    CHECK_EQ(lsmkv_destroy(store.path), LSMKV_EXISTS);
    store_open();
    CHECK_EQ(count_pairs(NULL, 0), 200);
    store_close();
    unplant("somebody.txt");
    plant("000099.log.aside"); /* that one is ours */
    CHECK_EQ(lsmkv_destroy(store.path), 0);
    CHECK_EQ(access(store.path, F_OK), -1);
    CHECK_EQ(lsmkv_destroy(store.path), LSMKV_ABSENT);
    store_open();
    expect_count(0);
    store_free();
}

/* ---- closing ------------------------------------------------------------------------------------ */

TEST(what_outlives_its_handle_answers_closed)
{
    lsmkv_snapshot *snapshot = NULL;
    lsmkv_iter *iter = NULL;
    struct lsmkv_pair pairs[4];
    size_t count;
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    lsmkv *db = store.db;
    CHECK_EQ(lsmkv_close(db), 0);
    CHECK_STR(get_at(snapshot, "a"), "CLOSED");
    CHECK_EQ(lsmkv_iter_begin(iter, 4, 100, pairs, &count), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_try_iter_begin(iter, 4, 100, pairs, &count), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_flush(db), LSMKV_CLOSED);
    lsmkv_release(db);
    store.db = NULL;
    lsmkv_iter_free(iter);
    lsmkv_snapshot_free(snapshot);
    store_open();
    expect_count(1);
    store_free();
}

enum { OPENERS = 4, TIMES = 25 };
static _Atomic int wrong;

static void *open_and_close(void *seed)
{
    for (int i = 0; i < TIMES; i++) {
        lsmkv *db = NULL;
        char key[32];
        snprintf(key, sizeof key, "%u-%d", (unsigned)(uintptr_t)seed, i);
        int rc = lsmkv_open(store.path, &store.options, &db);
        if (rc == 0)
            rc = lsmkv_put(db, key, strlen(key), "v", 1, i % 8 == 0, NULL);
        if (rc == 0)
            rc = lsmkv_exists(db, NULL, key, strlen(key));
        if (rc == 0)
            rc = lsmkv_close(db);
        if (rc != 0)
            atomic_fetch_add(&wrong, 1);
        lsmkv_release(db);
    }
    return NULL;
}

/* Some open while others close: now the engine is shared, now it is the last handle's to stop. */
TEST(opened_and_closed_by_many)
{
    pthread_t threads[OPENERS];
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    atomic_store(&wrong, 0);
    for (uintptr_t i = 0; i < OPENERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, open_and_close, (void *)i), 0);
    for (int i = 0; i < OPENERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&wrong), 0);
    store_open();
    expect_count(OPENERS * TIMES);
    store_free();
}

static _Atomic int writing_over;

static void *write_on(void *unused)
{
    for (uint32_t i = 0; !atomic_load(&writing_over); i++) {
        if (lsmkv_put(store.db, number(i % 500), 6, "some value to fill a segment with", 33, -1, NULL) != 0)
            atomic_fetch_add(&wrong, 1);
        if (i % 32 == 0)
            usleep(20); /* a mutex is not fair: let the other have it */
    }
    return unused;
}

/* A handle is closed while another one's writer rotates: settling looks at a version that is being replaced. */
TEST(a_handle_closes_beside_a_writer)
{
    pthread_t writer;
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store_open();
    atomic_store(&wrong, 0);
    atomic_store(&writing_over, 0);
    CHECK_EQ(pthread_create(&writer, NULL, write_on, NULL), 0);
    for (int i = 0; i < 20; i++) {
        lsmkv *other = NULL;
        CHECK_EQ(lsmkv_open(store.path, NULL, &other), 0);
        CHECK_EQ(lsmkv_close(other), 0);
        lsmkv_release(other);
    }
    atomic_store(&writing_over, 1);
    pthread_join(writer, NULL);
    CHECK_EQ(atomic_load(&wrong), 0);
    store_free();
}

/* The manifest is rewritten while a writer rotates: what it names is a version that is being replaced. */
TEST(the_account_is_complete_beside_a_writer)
{
    pthread_t writer;
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.table_bytes = 512; /* many to name */
    store_open();
    put_numbers(0, 500, "some value to fill a segment with");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    atomic_store(&wrong, 0);
    atomic_store(&writing_over, 0);
    CHECK_EQ(pthread_create(&writer, NULL, write_on, NULL), 0);
    for (int i = 0; i < 200; i++) {
        struct lk_buf complete = {0};
        lk_mutex_lock(&engine()->work_mutex);
        CHECK_EQ(lk_install_complete(engine(), &complete, 0), 0);
        lk_mutex_unlock(&engine()->work_mutex);
        const uint8_t *at = complete.at, *end = at + complete.len;
        struct lk_edit_field field;
        while (at && at < end)
            at = lk_edit_get(at, end, &field);
        CHECK(at == end && complete.len > 0);
        lk_buf_deinit(&complete);
    }
    atomic_store(&writing_over, 1);
    pthread_join(writer, NULL);
    CHECK_EQ(atomic_load(&wrong), 0);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
