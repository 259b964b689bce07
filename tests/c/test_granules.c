/* Granules: what is ready stays ready for who looks, the budget is kept, failures are answered, and two
 * threads that fill, evict and read the same few granules only ever see verified bytes. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "table_kit.h"
#include "util/checksum.h"

enum { COUNT = 64, IDENTITY = 77 };

/* ---- an environment whose reads can be made to fail ------------------------------------------- */

static struct lk_env_ops patched_ops;
static struct lk_env patched = {&patched_ops};
static _Atomic uint64_t fail_from, fail_to; /* reads that touch [fail_from, fail_to) fail */
static _Atomic unsigned reads, slow, discards;
static _Atomic uint64_t discarded;

static int64_t patched_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    atomic_fetch_add(&reads, 1);
    if (atomic_load(&slow))
        lk_env_posix()->ops->sleep_ns(lk_env_posix(), 2000000);
    if (offset < atomic_load(&fail_to) && offset + bytes > atomic_load(&fail_from))
        return -EIO;
    return lk_env_posix()->ops->read(file, offset, to, bytes);
}

static int patched_discard(struct lk_env *env, void *at, uint64_t bytes)
{
    (void)env;
    atomic_fetch_add(&discards, 1);
    atomic_fetch_add(&discarded, bytes);
    return lk_env_posix()->ops->discard(lk_env_posix(), at, bytes);
}

static struct lk_env *patched_env(void)
{
    patched_ops = *lk_env_posix()->ops;
    patched_ops.read = patched_read;
    patched_ops.discard = patched_discard;
    atomic_store(&discards, 0);
    atomic_store(&discarded, 0);
    atomic_store(&fail_from, 0);
    atomic_store(&fail_to, 0);
    atomic_store(&reads, 0);
    atomic_store(&slow, 0);
    return &patched;
}

/* ---- a file of granules ------------------------------------------------------------------------- */

struct bed {
    struct kit kit;
    struct lk_cache cache;
    struct lk_granules granules;
    struct lk_file *file;
    uint8_t bytes[COUNT * LK_GRANULE];
};

static int readers_inside; /* what the epoch of the single-threaded tests says */

static int nobody_inside(void *context, uint64_t stamp)
{
    (void)context;
    (void)stamp;
    return !readers_inside;
}

static int bed_open(struct bed *bed, uint64_t budget, int mapped, uint32_t unit)
{
    struct random random = {3};
    uint32_t *checks = lk_alloc(COUNT * sizeof *checks);
    kit_open(&bed->kit, 0);
    random_fill(&random, bed->bytes, sizeof bed->bytes);
    for (unsigned i = 0; i < COUNT; i++)
        checks[i] = lk_checksum(lk_checksum_seed(IDENTITY, i), bed->bytes + i * LK_GRANULE, LK_GRANULE);
    CHECK_EQ(bed->kit.env->ops->open(bed->kit.dir, "000009.tbl", LK_OPEN_CREATE, 0600, &bed->file), 0);
    CHECK_EQ(bed->kit.env->ops->write(bed->file, 0, bed->bytes, sizeof bed->bytes), 0);
    readers_inside = 0;
    CHECK_EQ(lk_cache_init(&bed->cache, patched_env(), budget, kit_stamp, nobody_inside, NULL), 0);
    bed->cache.unit = unit;
    return CHECK_EQ(lk_granules_open(&bed->granules, &bed->cache, bed->file, "000009.tbl", IDENTITY, sizeof bed->bytes,
                                     checks, mapped),
                    0);
}

static void bed_close(struct bed *bed)
{
    lk_granules_close(&bed->granules);
    CHECK_EQ(atomic_load(&bed->cache.used), 0);
    CHECK_EQ(bed->cache.evicting_count, 0);
    lk_cache_deinit(&bed->cache);
    bed->kit.env->ops->close(bed->file);
    kit_close(&bed->kit);
}

static int same(struct bed *bed, uint64_t offset, uint64_t bytes)
{
    return memcmp(bed->granules.base + offset, bed->bytes + offset, bytes) == 0;
}

static uint64_t ready_bytes(struct bed *bed)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        bytes += lk_granule_state(&bed->granules, i) == LK_GRANULE_READY ? LK_GRANULE : 0;
    return bytes;
}

/* ---- one thread ------------------------------------------------------------------------------------ */

/* What says where records are leaves last, unless it takes the room of the records itself. */
TEST(the_index_stays_while_records_come_and_go)
{
    static struct bed bed;
    for (uint32_t from = COUNT - 8; from; from = from > 8 ? 8 : 0) {
        NEED(bed_open(&bed, 16 * LK_GRANULE, 0, 1));
        bed.granules.index_from = from;
        for (uint64_t i = from; i < COUNT; i++)
            CHECK_EQ(lk_granules_fill(&bed.granules, i * LK_GRANULE, 1), 0);
        for (uint64_t turn = 0; turn < 3; turn++)
            for (uint64_t i = 0; i < from; i++)
                CHECK_EQ(lk_granules_fill(&bed.granules, i * LK_GRANULE, 1), 0);
        CHECK(ready_bytes(&bed) <= 16 * LK_GRANULE);
        for (uint32_t i = COUNT - 8; from == COUNT - 8 && i < COUNT; i++)
            CHECK_EQ(lk_granule_state(&bed.granules, i), LK_GRANULE_READY);
        CHECK(atomic_load(&bed.cache.used_index) <= 12 * LK_GRANULE);
        bed_close(&bed);
        CHECK_EQ(atomic_load(&bed.cache.used_index), 0);
    }
}

/* Nor do the index and what is lent to long walks take it together. */
TEST(records_have_room_beside_the_index_and_windows)
{
    static struct bed bed;
    NEED(bed_open(&bed, 16 * LK_GRANULE, 0, 1));
    bed.granules.index_from = 16;
    for (uint64_t i = 16; i < COUNT; i++)
        CHECK_EQ(lk_granules_fill(&bed.granules, i * LK_GRANULE, 1), 0);
    CHECK_EQ(lk_cache_lend(&bed.cache, 4 * LK_GRANULE), 1);
    CHECK_EQ(lk_cache_lend(&bed.cache, LK_GRANULE), 0);
    for (uint64_t turn = 0; turn < 3; turn++)
        for (uint64_t i = 0; i < 4; i++) {
            CHECK_EQ(lk_granules_fill(&bed.granules, i * LK_GRANULE, 1), 0);
            CHECK(atomic_load(&bed.cache.used) <= bed.cache.budget);
        }
    for (uint64_t i = 0; i < 4; i++)
        CHECK_EQ(lk_granule_state(&bed.granules, (uint32_t)i), LK_GRANULE_READY);
    lk_cache_take_back(&bed.cache, 4 * LK_GRANULE);
    bed_close(&bed);
    CHECK_EQ(atomic_load(&bed.cache.lent), 0);
}

TEST(absent_until_filled)
{
    static struct bed bed;
    for (int mapped = 0; mapped < 2; mapped++) {
        NEED(bed_open(&bed, 1u << 20, mapped, 1));
        CHECK_EQ(bed.granules.mapped, mapped);
        CHECK(!lk_granules_ready(&bed.granules, 0, 1));
        CHECK_EQ(lk_granules_fill(&bed.granules, 5000, 100), 0);
        CHECK(lk_granules_ready(&bed.granules, 4096, 4096));
        CHECK(!lk_granules_ready(&bed.granules, 4095, 2));
        CHECK(!lk_granules_ready(&bed.granules, 4096, 4097));
        CHECK(same(&bed, 4096, 4096));
        CHECK_EQ(lk_granules_fill(&bed.granules, 0, sizeof bed.bytes), 0);
        CHECK(lk_granules_ready(&bed.granules, 0, sizeof bed.bytes));
        CHECK(same(&bed, 0, sizeof bed.bytes));
        CHECK_EQ(atomic_load(&bed.cache.used), mapped ? 0 : sizeof bed.bytes);
        CHECK_EQ(atomic_load(&bed.cache.read_bytes), sizeof bed.bytes);
        bed_close(&bed);
    }
}

TEST(copies_of_every_alignment)
{
    static struct bed bed;
    static uint8_t to[sizeof bed.bytes];
    struct random random = {8};
    NEED(bed_open(&bed, 1u << 20, 0, 1));
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t from = random_below(&random, sizeof to), left = sizeof to - from;
        uint64_t bytes = random_below(&random, (i & 1 ? left : left < 9000 ? left : 9000) + 1);
        if (!CHECK_EQ(lk_granules_copy(&bed.granules, from, bytes, to), 0) || !CHECK_MEM(to, bed.bytes + from, bytes))
            break;
    }
    CHECK_EQ(ready_bytes(&bed), 0);
    CHECK_EQ(lk_granules_copy(&bed.granules, sizeof to - 10, 11, to), LSMKV_CORRUPT);
    CHECK_EQ(lk_granules_copy(&bed.granules, sizeof to + 1, 0, to), LSMKV_CORRUPT);
    CHECK_EQ(lk_granules_copy(&bed.granules, 8, UINT64_MAX - 4, to), LSMKV_CORRUPT);
    bed_close(&bed);
}

TEST(a_failed_fill_leaves_absent_and_says_what)
{
    static struct bed bed;
    for (int mapped = 0; mapped < 2; mapped++) {
        NEED(bed_open(&bed, 1u << 20, mapped, 1));
        CHECK_EQ(bed.kit.env->ops->write(bed.file, 7 * 4096 + 9, "x", 1), 0);
        CHECK_EQ(lk_granules_fill(&bed.granules, 5 * 4096, 5 * 4096), LSMKV_CORRUPT);
        CHECK_EQ(lk_error()->offset, 7 * 4096);
        CHECK_STR(lk_error()->file, "000009.tbl");
        CHECK_EQ(lk_error()->recoverable, 1);
        CHECK_EQ(lk_granule_state(&bed.granules, 7), LK_GRANULE_ABSENT);
        CHECK(lk_granules_ready(&bed.granules, 5 * 4096, 2 * 4096));
        CHECK_EQ(lk_granules_fill(&bed.granules, 8 * 4096, 2 * 4096), 0);

        atomic_store(&fail_from, 20 * 4096);
        atomic_store(&fail_to, 20 * 4096 + 1);
        CHECK_EQ(lk_granules_fill(&bed.granules, 20 * 4096, 10), LSMKV_IO);
        CHECK_EQ(lk_error()->os_errno, EIO);
        CHECK_EQ(lk_granule_state(&bed.granules, 20), LK_GRANULE_ABSENT);
        atomic_store(&fail_to, 0);
        CHECK_EQ(lk_granules_fill(&bed.granules, 20 * 4096, 10), 0);
        bed_close(&bed);
    }
}

TEST(what_lies_ahead_may_fail)
{
    static struct bed bed;
    NEED(bed_open(&bed, 1u << 20, 0, 1));
    struct lk_table table = {.granules = bed.granules};
    struct lk_missing missing = {&table, 4096, 4096, 10 * 4096};
    atomic_store(&fail_from, 4 * 4096);
    atomic_store(&fail_to, 5 * 4096);
    lk_fail(LSMKV_INVALID, "what was said before");
    CHECK_EQ(lk_table_fill(&missing), 0);
    CHECK_STR(lk_error()->text, "what was said before");
    CHECK(lk_granules_ready(&bed.granules, 4096, 4096));
    atomic_store(&fail_to, 0);
    CHECK_EQ(lk_table_fill(&missing), 0);
    CHECK(lk_granules_ready(&bed.granules, 4096, 11 * 4096));
    bed_close(&bed);
}

TEST(the_budget_is_kept_and_a_fill_always_succeeds)
{
    static struct bed bed;
    struct random random = {4};
    for (uint32_t unit = 1; unit <= 4; unit *= 4) {
        NEED(bed_open(&bed, 16 * 4096, 0, unit));
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t bytes = 1 + random_below(&random, 3 * 4096),
                     offset = random_below(&random, sizeof bed.bytes - bytes);
            if (!lk_granules_ready(&bed.granules, offset, bytes))
                CHECK_EQ(lk_granules_fill(&bed.granules, offset, bytes), 0);
            if (!CHECK(lk_granules_ready(&bed.granules, offset, bytes)) || !CHECK(same(&bed, offset, bytes)))
                break;
            CHECK(atomic_load(&bed.cache.used) <= (16 + 4) * 4096); /* one fill may pass it */
            CHECK_EQ(ready_bytes(&bed), atomic_load(&bed.cache.used));
        }
        bed_close(&bed);
    }
}

/* A walk that fills a cache anew asks the system once for each step, not once for each granule. */
TEST(neighbours_leave_in_one_call)
{
    static struct bed bed;
    NEED(bed_open(&bed, 16 * LK_GRANULE, 0, 1));
    for (uint64_t at = 0; at < COUNT; at += 16)
        CHECK_EQ(lk_granules_fill(&bed.granules, at * LK_GRANULE, 16 * LK_GRANULE), 0);
    CHECK_EQ(atomic_load(&reads), 4);
    CHECK_EQ(atomic_load(&discards), 3);
    CHECK_EQ(atomic_load(&discarded), 48 * LK_GRANULE);
    CHECK_EQ(ready_bytes(&bed), 16 * LK_GRANULE);
    CHECK(same(&bed, 48 * LK_GRANULE, 16 * LK_GRANULE));
    bed_close(&bed);
}

/* Wrong bytes were read to where they would belong. */
TEST(what_fails_its_checksum_takes_no_memory)
{
    static struct bed bed;
    uint8_t wrong = 0;
    NEED(bed_open(&bed, COUNT * LK_GRANULE, 0, 1));
    CHECK_EQ(bed.kit.env->ops->write(bed.file, 5 * LK_GRANULE + 7, &wrong, 1), 0);
    CHECK_EQ(lk_granules_fill(&bed.granules, 0, 8 * LK_GRANULE), LSMKV_CORRUPT);
    CHECK_EQ(ready_bytes(&bed), 5 * LK_GRANULE);
    CHECK_EQ(atomic_load(&discarded), 3 * LK_GRANULE);
    CHECK(same(&bed, 0, 5 * LK_GRANULE));
    CHECK(!lk_granules_ready(&bed.granules, 5 * LK_GRANULE, 1));
    CHECK_EQ(bed.granules.base[5 * LK_GRANULE + 8], 0);
    bed_close(&bed);
}

TEST(touched_granules_stay)
{
    static struct bed bed;
    NEED(bed_open(&bed, 16 * 4096, 0, 1));
    for (unsigned i = 0; i < 32 * COUNT; i++) {
        if (!lk_granules_ready(&bed.granules, 0, 1)) /* used all the time */
            CHECK_EQ(lk_granules_fill(&bed.granules, 0, 1), 0);
        CHECK_EQ(lk_granules_fill(&bed.granules, (1 + i % (COUNT - 1)) * 4096, 1), 0);
    }
    CHECK(atomic_load(&reads) < 32 * COUNT * 11 / 10); /* of sixteen places it has one */
    bed_close(&bed);
}

TEST(nothing_leaves_while_a_reader_is_inside)
{
    static struct bed bed;
    for (uint32_t unit = 1; unit <= 8; unit *= 8) {
        NEED(bed_open(&bed, 16 * 4096, 0, unit));
        CHECK_EQ(lk_granules_fill(&bed.granules, 0, 16 * 4096), 0);
        readers_inside = 1;
        CHECK_EQ(lk_granules_fill(&bed.granules, 16 * 4096, 8 * 4096), 0);
        CHECK(bed.cache.evicting_count > 0);
        CHECK(!lk_granules_ready(&bed.granules, 0, 16 * 4096)); /* nobody new sees those that go */
        CHECK(same(&bed, 0, 24 * 4096));                        /* who saw them before still reads them */

        unsigned before = atomic_load(&reads);
        CHECK_EQ(lk_granules_fill(&bed.granules, 0, 16 * 4096), 0); /* wanted again: no read is needed */
        CHECK_EQ(atomic_load(&reads), before);
        CHECK(lk_granules_ready(&bed.granules, 0, 16 * 4096));
        CHECK_EQ(bed.cache.evicting_count, 0);

        readers_inside = 0;
        CHECK_EQ(lk_granules_fill(&bed.granules, 40 * 4096, 4096), 0);
        CHECK(atomic_load(&bed.cache.used) <= 16 * 4096);
        bed_close(&bed);
    }
}

TEST(a_table_may_be_closed_in_the_middle_of_leaving)
{
    static struct bed bed;
    NEED(bed_open(&bed, 8 * 4096, 0, 1));
    readers_inside = 1;
    CHECK_EQ(lk_granules_fill(&bed.granules, 0, 8 * 4096), 0);
    CHECK_EQ(lk_granules_fill(&bed.granules, 8 * 4096, 8 * 4096), 0);
    CHECK(bed.cache.evicting_count > 0);
    bed_close(&bed);
}

/* ---- threads --------------------------------------------------------------------------------------- */

enum { THREADS = 2 };
static _Atomic uint64_t epoch_now, epoch_slot[THREADS + 1];

static void slot_enter(unsigned thread)
{
    atomic_store(&epoch_slot[thread], atomic_load(&epoch_now));
    atomic_fetch_add(&epoch_now, 0); /* the full fence, in a form that the thread sanitizer knows */
}

static void slot_leave(unsigned thread)
{
    atomic_store_explicit(&epoch_slot[thread], 0, memory_order_release);
}

static uint64_t slot_stamp(void *context)
{
    (void)context;
    return atomic_fetch_add(&epoch_now, 1) + 1;
}

static int slot_passed(void *context, uint64_t stamp)
{
    (void)context;
    for (unsigned i = 0; i < THREADS; i++) {
        uint64_t seen = atomic_load(&epoch_slot[i]);
        if (seen && seen < stamp)
            return 0;
    }
    return 1;
}

struct job {
    struct lk_table *table;
    const struct model *model;
    unsigned thread, finds, found, copies, wrong, failed;
    struct lk_scratch scratch;
};

static void find_one(struct job *job, const struct row *row, struct lk_buf *bytes)
{
    struct lk_missing missing;
    struct lk_record record;
    for (unsigned tries = 0; tries < 50; tries++) {
        slot_enter(job->thread);
        job->scratch.used = 0;
        int rc = lk_table_find(job->table, kit_hash(row->key), row->key, &record, &missing, &job->scratch, NULL);
        if (rc == 0) {
            int right = row_is(row, &record);
            if (++job->found % 64 == 0)
                sched_yield(); /* let the other thread evict beneath us */
            job->wrong += !right || !row_is(row, &record);
            slot_leave(job->thread);
            return;
        }
        slot_leave(job->thread);
        job->wrong += rc != LSMKV_WOULDBLOCK;
        if (rc != LSMKV_WOULDBLOCK)
            return;
        job->failed += lk_table_fill(&missing) < 0;
    }
    job->copies++;
    int rc = lk_table_find_copy(job->table, kit_hash(row->key), row->key, bytes, &record);
    job->wrong += rc != 0 || !row_is(row, &record);
}

static void walk_some(struct job *job, struct random *random)
{
    struct lk_table_cursor cursor;
    size_t at = random_below(random, job->model->count);
    lk_table_cursor_init(&cursor, job->table, 0);
    for (unsigned tries = 0; tries < 50; tries++) {
        slot_enter(job->thread);
        cursor.cursor.ops->seek(&cursor.cursor, &job->model->rows[at].key, 0);
        for (unsigned i = 0; i < 30 && at < job->model->count && cursor.cursor.valid; i++, at++) {
            job->wrong += !row_is(&job->model->rows[at], &cursor.cursor.record);
            cursor.cursor.ops->next(&cursor.cursor);
        }
        slot_leave(job->thread);
        if (cursor.cursor.status != LSMKV_WOULDBLOCK || at >= job->model->count)
            break;
        job->failed += lk_table_fill(&cursor.missing) < 0;
    }
    job->wrong += cursor.cursor.status < 0;
    cursor.cursor.ops->deinit(&cursor.cursor);
}

static void *run_job(void *arg)
{
    struct job *job = arg;
    struct random random = {job->thread + 1};
    struct lk_buf bytes = {0};
    for (unsigned i = 0; i < job->finds; i++) {
        find_one(job, &job->model->rows[random_below(&random, job->model->count)], &bytes);
        if (i % 50 == 0)
            walk_some(job, &random);
    }
    lk_buf_deinit(&bytes);
    return NULL;
}

#ifdef __SANITIZE_THREAD__
enum { FINDS = 5000 }; /* each byte compared is watched */
#else
enum { FINDS = 15000 };
#endif

TEST(two_threads_in_64_kib)
{
    for (uint32_t unit = 1; unit <= 2; unit++) {
        struct kit kit;
        struct model model = {0};
        pthread_t threads[THREADS];
        struct job jobs[THREADS];
        kit_open(&kit, 64 * 1024);
        kit.cache.stamp = slot_stamp;
        kit.cache.passed = slot_passed;
        kit.cache.unit = unit;
        kit.mapped = 0;
        atomic_store(&epoch_now, 1);
        for (unsigned i = 0; i < 4000; i++) {
            char key[16];
            snprintf(key, sizeof key, "key%07u", i * 13);
            model_add(&model, key, 10, i % 100 == 0 ? 5000 : 300);
        }
        struct lk_table *table = kit_table(&kit, &model);
        NEED(table != NULL);
        for (unsigned i = 0; i < THREADS; i++) {
            jobs[i] = (struct job){.table = table, .model = &model, .thread = i, .finds = FINDS};
            CHECK_EQ(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            CHECK_EQ(jobs[i].wrong, 0);
            CHECK_EQ(jobs[i].failed, 0);
            lk_scratch_deinit(&jobs[i].scratch);
        }
        lk_cache_make_room(&kit.cache, 0); /* everybody has left: back to the budget */
        CHECK(atomic_load(&kit.cache.used) <= 64 * 1024);
        CHECK(atomic_load(&kit.cache.read_bytes) > 10 * table->meta.bytes); /* there was eviction */
        lk_table_unref(table);
        CHECK_EQ(atomic_load(&kit.cache.used), 0);
        model_free(&model);
        kit_close(&kit);
    }
}

static void *fill_same(void *arg)
{
    return (void *)(intptr_t)lk_granules_fill(arg, 10 * 4096, 100);
}

TEST(one_reads_and_the_others_wait_and_all_get_the_answer)
{
    static struct bed bed;
    pthread_t threads[8];
    for (int broken = 0; broken < 2; broken++) {
        NEED(bed_open(&bed, 1u << 20, 1, 1));
        atomic_store(&slow, 1);
        atomic_store(&fail_from, 10 * 4096);
        atomic_store(&fail_to, broken ? 11 * 4096 : 0);
        for (unsigned i = 0; i < 8; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, fill_same, &bed.granules), 0);
        for (unsigned i = 0; i < 8; i++) {
            void *answer;
            pthread_join(threads[i], &answer);
            CHECK_EQ((intptr_t)answer, broken ? LSMKV_IO : 0);
        }
        CHECK_EQ(atomic_load(&reads), broken ? 8 : 1);
        CHECK_EQ(bed.cache.waiting, 0);
        bed_close(&bed);
    }
}

int main(int argc, char **argv)
{
    return kit_check_run(argc, argv, LK_PACK_LZ4);
}
