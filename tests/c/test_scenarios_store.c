/* Scenarios of tests/SCENARIOS.md about tables, merges, lines and granules. */
#include <pthread.h>

#include "store_kit.h"

#include "engine/background.h"
#include "engine/compaction.h"
#include "format/line.h"
#include "util/alloc.h"

static const char filler[] = "some value to fill a table with, again and again";

/* Turn bytes over in the file as it is, under whoever has it open. */
static void damage_in_place(const char *name, uint64_t offset)
{
    struct lk_dir *dir = store_dir();
    struct lk_file *file = NULL;
    uint8_t byte = 0;
    CHECK_EQ(store_env()->ops->open(dir, name, LK_OPEN_WRITE, 0, &file), 0);
    CHECK_EQ(store_env()->ops->read(file, offset, &byte, 1), 1);
    byte ^= 0x20;
    CHECK_EQ(store_env()->ops->write(file, offset, &byte, 1), 0);
    CHECK_EQ(store_env()->ops->close(file), 0);
    store_env()->ops->dir_close(dir);
}

static const struct lk_version *version(void)
{
    return atomic_load(&engine()->version);
}

/* ---- 5 ------------------------------------------------------------------------------------------ */

/* A granule that was verified, evicted, and read again is verified again, and so is the tail of a page that began
 * in another one. */
TEST(scenario_05_what_is_read_again_is_verified_again)
{
    enum { KEYS = 2500 };
    char value[200];
    store_new(LSMKV_SYNC_OS);
    store.options.segment_bytes = 4 << 20;
    store.options.table_bytes = 4 << 20;
    store.options.page_bytes = 3000; /* most pages span two granules */
    store.options.table_source = LSMKV_SOURCE_READ;
    store.options.cache_bytes = 64 << 10;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    store_open();
    put_numbers(0, KEYS, value);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    for (uint32_t i = 0; i < KEYS; i += 7)
        expect(number(i), value); /* all of it verified once; most of it evicted since */
    const struct lk_table *table = version()->runs[0]->tables[0];
    uint64_t granules = table->footer.pages_end / LK_GRANULE;
    CHECK(granules > 100);
    for (uint64_t i = 1; i < granules; i += 2)
        damage_in_place(table->name, i * LK_GRANULE + 50); /* every second one, near its beginning */
    uint32_t right = 0, corrupt = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        const char *got = get(number(i));
        int same = got && strcmp(got, value) == 0, refused = got && strcmp(got, "CORRUPT") == 0;
        right += (uint32_t)same;
        corrupt += (uint32_t)refused;
        if (!CHECK(same || refused)) /* never a wrong value, never absent */
            break;
    }
    CHECK(right > KEYS / 4 && corrupt > KEYS / 4);
    CHECK_EQ(count_pairs(NULL, 0), LSMKV_CORRUPT);
    store_free();
}

/* ---- 6 ------------------------------------------------------------------------------------------ */

enum { RACE_KEYS = 4000, RACERS = 4, LOOKS = 1500 };
static _Atomic uint32_t race_wrong;

static void *race_read(void *seed)
{
    struct random random = {(uintptr_t)seed};
    char want[256];
    for (int i = 0; i < LOOKS; i++) {
        uint32_t n = (uint32_t)random_below(&random, RACE_KEYS);
        char key[32];
        struct lsmkv_read read;
        snprintf(key, sizeof key, "%06u", n);
        snprintf(want, sizeof want, "value of %-200u", n);
        int rc = lsmkv_read_begin(store.db, NULL, key, 6, &read);
        if (rc == 0) { /* lent in place, while others evict */
            for (int looks = 0; looks < 3; looks++) {
                if (read.value.size != strlen(want) || memcmp(read.value.data, want, read.value.size) != 0)
                    atomic_fetch_add(&race_wrong, 1);
                lk_thread_yield();
            }
            lsmkv_read_end(&read);
        } else {
            void *value = NULL;
            size_t bytes = 0;
            rc = lsmkv_get(store.db, NULL, key, 6, &value, &bytes);
            if (rc != 0 || bytes != strlen(want) || memcmp(value, want, bytes) != 0)
                atomic_fetch_add(&race_wrong, 1);
            lsmkv_free(value);
        }
    }
    return NULL;
}

/* Many threads fill and evict the granules of a cache that is far too small. */
TEST(scenario_06_readers_fill_and_evict_together)
{
    pthread_t threads[RACERS];
    char value[256];
    store_new_real(LSMKV_SYNC_OS);
    store.options.segment_bytes = 1 << 20;
    store.options.table_bytes = 1 << 20;
    store.options.table_source = LSMKV_SOURCE_READ;
    store.options.cache_bytes = 64 << 10;
    store_open();
    for (uint32_t i = 0; i < RACE_KEYS; i++) {
        snprintf(value, sizeof value, "value of %-200u", i);
        put(number(i), value);
    }
    CHECK_EQ(lsmkv_flush(store.db), 0);
    atomic_store(&race_wrong, 0);
    for (uintptr_t i = 0; i < RACERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, race_read, (void *)(i + 1)), 0);
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&race_wrong), 0);
    CHECK(stats().read_bytes > 2 * stats().table_bytes); /* it was evicted, and read again */
    CHECK(stats().anonymous_bytes < (1 << 20));
    store_free();
}

/* ---- 8 ------------------------------------------------------------------------------------------ */

/* Every file that is made has a number no file had before it, in this life or an earlier one. */
TEST(scenario_08_numbers_are_never_used_again)
{
    static uint8_t used[100000];
    uint32_t made = 0;
    memset(used, 0, sizeof used);
    store_new(LSMKV_SYNC_OS);
    for (int life = 0; life < 6; life++) {
        store_open();
        for (uint32_t i = 0; i < 200; i++)
            put(number(i), filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        for (uint32_t i = 0; i < 200; i++)
            erase(number(i));
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0); /* and so the highest numbers are gone again */
        for (const char *at = sim_trace(store.sim); (at = strstr(at, " CREATE ")) != NULL; at++) {
            uint32_t n = 0;
            char name[64] = "";
            sscanf(at, " CREATE %63s", name);
            enum lk_file_type type = lk_file_name_get(name, &n);
            if (type == LK_FILE_LOCK || type == LK_FILE_TEMP) /* a temporary file has its manifest's number */
                continue;
            if (CHECK(n > 0 && n < sizeof used) && !CHECK_EQ(used[n]++, 0))
                fprintf(stderr, "  %s\n", name);
            made++;
        }
        if (life % 2)
            store_kill();
        else
            store_power(SIM_NOTHING, 0);
    }
    CHECK(made > 60);
    store_free();
}

/* ---- 11 ----------------------------------------------------------------------------------------- */

/* A life in which everything is durable, so that nothing may be lost or come back, wherever the work is cut. */
static void write_durable_history(void)
{
    store.options.table_bytes = 1024;
    store_open();
    for (uint32_t round = 0; round < 3; round++) {
        put_numbers(0, 60, filler);
        for (uint32_t i = round; i < 60; i += 4)
            erase(number(i));
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    for (uint32_t i = 0; i < 60; i += 2)
        erase(number(i));
    put("last", "one");
    CHECK_EQ(lsmkv_sync(store.db), 0);
}

static void expect_durable_history(void)
{
    int64_t there = 0;
    for (uint32_t i = 0; i < 60; i++) {
        int alive = i % 2 && i % 4 != 2;
        there += alive;
        if (!expect(number(i), alive ? filler : NULL))
            break;
    }
    expect("last", "one");
    expect_count(there + 1);
}

static int flush_it(void)
{
    return lsmkv_flush(store.db);
}
static int merge_it(void)
{
    return lsmkv_compact(store.db, NULL, NULL, NULL, NULL);
}

static void cut_at_every_boundary(int (*work)(void))
{
    uint64_t boundary = 0;
    for (int over = 0; !over && !check_failures; boundary++) {
        store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 1 << 20});
        write_durable_history();
        sim_stop_at(store.sim, sim_boundaries(store.sim) + boundary, SIM_POWER);
        (void)work();
        over = !sim_stopped(store.sim);
        sim_stop_now(store.sim, SIM_POWER);
        struct sim *machine = store.sim;
        store_abandon();
        for (int i = 0; i < 4; i++) {
            store.sim = sim_image(machine,
                                  i == 0   ? SIM_NOTHING
                                  : i == 1 ? SIM_EVERYTHING
                                           : SIM_MIXED,
                                  i < 2 ? 0 : boundary * 2 + (uint64_t)i);
            store_open();
            expect_durable_history();
            store_close();
            store_open(); /* and once more */
            expect_durable_history();
            if (check_failures)
                fprintf(stderr, "  boundary %llu, image %s\n", (unsigned long long)boundary, sim_image_name(store.sim));
            store_close();
            CHECK_EQ(sim_free(store.sim), 0);
        }
        store.sim = machine;
        store_free();
    }
    CHECK(boundary > 20);
}

TEST(scenario_11_a_cut_flush_brings_nothing_back)
{
    cut_at_every_boundary(flush_it);
}

TEST(scenario_11_a_cut_merge_brings_nothing_back)
{
    cut_at_every_boundary(merge_it);
}

/* ---- 12 ----------------------------------------------------------------------------------------- */

/* A key in the gap between two tables finds no record there, but the range delete that covers it. */
TEST(scenario_12_range_deletes_cover_the_gaps_between_tables)
{
    static char large[400];
    memset(large, 'x', sizeof large - 1);
    for (int open_end = 0; open_end < 2; open_end++) {
        store_new(LSMKV_SYNC_OS);
        store.options.table_bytes = 512; /* one or two of the large values */
        store.options.run_count = 32; /* nothing is merged unasked */
        store_open();
        put_numbers(0, 200, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        struct lsmkv_slice start = {number(40), 6}, stop = {number(160), 6};
        CHECK_EQ(lsmkv_delete_range(store.db, &start, open_end ? NULL : &stop, -1, NULL), 0);
        for (uint32_t i = 0; i < 200; i += 10)
            put(number(i), large);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        CHECK_EQ(version()->run_count, 2);
        CHECK(version()->runs[0]->count >= 10);
        for (int when = 0; when < 5; when++) {
            int64_t there = 0;
            for (uint32_t i = 0; i < 200; i++) {
                const char *want = i % 10 == 0 ? large : i < 40 || (!open_end && i >= 160) ? filler : NULL;
                there += want != NULL;
                if (!expect(number(i), want))
                    break;
            }
            expect_count(there);
            expect("000090x", NULL);
            if (when == 0) { /* a table's interval begins where the one before it ends: every key has one */
                CHECK_EQ(lk_version_check(version()), 0);
                for (uint32_t i = 0; i < 400; i++)
                    CHECK(lk_run_table(version()->runs[0], lk_slice(number(i), 6)) != NULL);
            } else if (when == 1) {
                store_close();
                store_open();
            } else if (when == 2) { /* a merge under way: one step */
                struct lk_job job = {.kind = LK_JOB_MERGE, .last = 1, .why = "the test says so"};
                struct lsmkv_step did;
                lk_mutex_lock(&engine()->work_mutex);
                CHECK_EQ(lk_merge_step_run(engine(), &job, &did), 0);
                lk_mutex_unlock(&engine()->work_mutex);
                CHECK_EQ(version()->run_count, 3);
            } else if (when == 3) {
                CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
                CHECK_EQ(version()->run_count, 1);
                CHECK_EQ(stats().table_records, (uint64_t)there);
            }
        }
        store_free();
    }
}

/* ---- 13 ----------------------------------------------------------------------------------------- */

static uint64_t wall(void)
{
    return store_env()->ops->wall_ns(store_env());
}

static void put_until(const char *key, const char *value, uint64_t expiry)
{
    struct lk_record record = {.flags = LK_PUT | LK_RECORD_EXPIRY,
                               .expiry = expiry,
                               .key = lk_slice(key, strlen(key)),
                               .value = lk_slice(value, strlen(value))};
    CHECK_EQ(lk_write(engine(), &record, 0, NULL), 0);
}

static const uint64_t second = 1000000000u;

TEST(scenario_13_expired_is_deleted)
{
    store_new(LSMKV_SYNC_OS);
    store.options.run_count = 32;
    store_open();
    put("k", "old");
    put("other", "1");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    uint64_t expiry = wall() + 10 * second;
    put_until("k", "new", expiry);
    put_until("later", "x", expiry + 3600 * second);
    expect("k", "new");
    lsmkv_snapshot *snapshot = NULL;
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    for (int when = 0; when < 6; when++) {
        expect("k", when == 0 ? "new" : NULL); /* never "old" again */
        expect("later", "x");
        expect_count(when == 0 ? 3 : 2);
        /* A snapshot is a version, an LSN and a time: the running clock does not change it. */
        const char *then = get_at(snapshot, "k");
        CHECK_STR(then ? then : "nothing", "new");
        CHECK_EQ(count_pairs(snapshot, when % 2), 3);
        switch (when) {
        case 0: /* in the memtable */
            sim_advance(store.sim, 11 * second);
            break;
        case 1: /* in a segment, then in a table above an older one: there it stays as a tombstone */
            CHECK_EQ(lk_background_seal(engine()), 0);
            break;
        case 2:
            CHECK_EQ(lsmkv_flush(store.db), 0);
            CHECK_EQ(version()->run_count, 2);
            CHECK_EQ(stats().table_tombstones, 1);
            break;
        case 3:
            put("k2", "x");
            erase("k2");
            CHECK_EQ(lsmkv_flush(store.db), 0);
            break;
        case 4: /* into the bottom: both go */
            CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
            CHECK_EQ(stats().table_records, 2);
            CHECK_EQ(stats().table_tombstones, 0);
            break;
        }
    }
    lsmkv_snapshot_free(snapshot);
    store_close();
    store_open();
    expect("k", NULL);
    expect_count(2);
    store_free();
}

/* An expired record is overtaken like any other, and a put after it is a put. */
TEST(scenario_13_life_after_expiry)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_until("k", "first", wall() + second);
    sim_advance(store.sim, 2 * second);
    expect("k", NULL);
    CHECK_EQ(lsmkv_remove(store.db, "k", 1, -1, NULL), LSMKV_NOTFOUND);
    put("k", "second");
    expect("k", "second");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_until("k", "third", wall() + second);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    expect("k", "third");
    sim_advance(store.sim, 2 * second);
    expect("k", NULL);
    CHECK_EQ(lsmkv_remove(store.db, "k", 1, -1, NULL), LSMKV_NOTFOUND);
    store_kill();
    store_open();
    sim_advance(store.sim, 10 * second);
    expect("k", NULL);
    store_free();
}

/* ---- 17 ----------------------------------------------------------------------------------------- */

/* Two-choice placement at 83 % load: no failure, at most two lines, and the second only where the first is marked. */
TEST(scenario_17_table_lines_never_fail_at_their_load)
{
    struct random random = {17};
    static const uint32_t sizes[] = {1, 2, 9, 10, 11, 100, 1000, 9999, 60000};
    for (unsigned size = 0; size < sizeof sizes / sizeof sizes[0]; size++)
        for (int round = 0; round < (sizes[size] > 5000 ? 3 : 60); round++) {
            uint32_t count = sizes[size], lines = lk_lines_wanted(count), marked = 0;
            struct lk_line_item *items = malloc(count * sizeof *items);
            struct lk_line *at = lk_alloc_aligned(64, (size_t)lines * sizeof *at);
            uint32_t *scratch = malloc((size_t)lines * 12 * sizeof *scratch);
            for (uint32_t i = 0; i < count; i++)
                items[i] = (struct lk_line_item){random_next(&random), i};
            CHECK(lines * 12ull * 83 <= count * 100ull + 12 * 100); /* no more lines than that load needs */
            CHECK_EQ(lk_lines_build(at, lines, items, count, scratch), 0);
            for (uint32_t i = 0; i < count; i++) {
                const struct lk_line *first = &at[lk_line_first(items[i].hash, lines)];
                const struct lk_line *second_line = &at[lk_line_second(items[i].hash, lines)];
                int found = 0;
                for (int which = 0; which < 2; which++) {
                    const struct lk_line *line = which ? second_line : first;
                    uint32_t mask = lk_line_match(line, items[i].hash, line->count);
                    for (; mask; mask &= mask - 1)
                        found |= lk_place_position(line->place[__builtin_ctz(mask)]) == items[i].position;
                    if (found || !(line->marks & LK_LINE_MARK))
                        break;
                }
                if (!CHECK(found))
                    break;
            }
            for (uint32_t i = 0; i < lines; i++)
                marked += at[i].marks & LK_LINE_MARK;
            CHECK(lines < 100 || marked < lines / 2); /* a miss looks at one line, mostly */
            lk_free(at);
            free(items);
            free(scratch);
        }
}

/* Keys that an adversary chose for one line: the segment seals instead of spilling without end. */
TEST(scenario_17_segments_seal_rather_than_spill)
{
    enum { WANTED = 300 };
    static char keys[WANTED][32];
    uint32_t found = 0;
    store_new(LSMKV_SYNC_OS);
    store.options.segment_bytes = 1 << 20;
    store_open();
    uint32_t lines = engine()->active->line_count;
    for (uint32_t i = 0; found < WANTED && i < 50000000; i++) {
        char key[32];
        size_t bytes = (size_t)snprintf(key, sizeof key, "evil%u", i);
        if (lk_line_first(lk_hash(engine()->seed, key, bytes), lines) == 5)
            strcpy(keys[found++], key);
    }
    CHECK_EQ(found, WANTED);
    for (uint32_t i = 0; i < WANTED; i++)
        put(keys[i], keys[i]);
    CHECK(stats().sealed_segments + stats().runs > 0); /* long before it was full */
    for (uint32_t i = 0; i < version()->memtable_count; i++)
        CHECK(lk_memtable_memory(version()->memtables[i]) < (4 << 20));
    for (uint32_t i = 0; i < WANTED; i++)
        if (!expect(keys[i], keys[i]))
            break;
    expect_count(WANTED);
    for (uint32_t i = 0; i < WANTED; i++) { /* a lookup reads at most four lines of a segment */
        struct lsmkv_probe probes[16];
        size_t count = 0;
        int there = 0;
        CHECK_EQ(lsmkv_explain(store.db, keys[i], strlen(keys[i]), probes, 16, &count, &there), 0);
        for (size_t j = 0; j < count; j++)
            CHECK(probes[j].lines <= LK_LINE_SPILL);
    }
    store_kill();
    store_open();
    expect_count(WANTED);
    store_free();
}

/* ---- 18 ----------------------------------------------------------------------------------------- */

/* A hundred thousand versions of one key: it is one key to scans, and every snapshot sees its own. The steps of a
 * lookup are counted in test_memtable. */
TEST(scenario_18_a_hot_key_stays_one_key)
{
    enum { VERSIONS = 100000, HELD = 10 };
    lsmkv_snapshot *held[HELD] = {0};
    char value[32];
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 16 << 20, .no_history = 1});
    store.options.segment_bytes = 16 << 20;
    store_open();
    engine()->segment_bytes_next = 16 << 20;
    CHECK_EQ(lk_background_seal(engine()), 0);
    put("a", "1");
    CHECK_EQ(lk_background_seal(engine()), 0);
    for (uint32_t i = 0; i < VERSIONS; i++) {
        snprintf(value, sizeof value, "%u", i);
        put("hot", value);
        if (i % (VERSIONS / HELD) == 77)
            CHECK_EQ(lsmkv_snapshot_new(store.db, &held[i / (VERSIONS / HELD)]), 0);
    }
    put("z", "1");
    CHECK_EQ(stats().memtable_keys, 2);
    CHECK(stats().anonymous_bytes < (64 << 20));
    expect_count(3);
    for (uint32_t i = 0; i < HELD; i++) {
        snprintf(value, sizeof value, "%u", i * (VERSIONS / HELD) + 77);
        const char *got = get_at(held[i], "hot");
        CHECK_STR(got ? got : "nothing", value);
        CHECK_EQ(count_pairs(held[i], (int)i % 2), 2);
        lsmkv_snapshot_free(held[i]);
    }
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(stats().table_records, 3);
    store_free();
}

/* ---- 27 ----------------------------------------------------------------------------------------- */

/* The first touch of table bytes is a read call also under the mapped source: a medium that fails is an error for
 * the keys there, not a signal, and is asked again. */
TEST(scenario_27_a_media_error_is_an_error)
{
    for (int source = LSMKV_SOURCE_MAPPED; source <= LSMKV_SOURCE_READ; source++) {
        store_new(LSMKV_SYNC_OS);
        store.options.table_source = source;
        store_open();
        put_numbers(0, 400, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        put_numbers(400, 410, filler);
        store_close();
        store_open();
        uint64_t reads = sim_calls(store.sim, SIM_READ);
        sim_fail(store.sim, &(struct sim_fault){.call = SIM_READ, .nth = 1, .err = EIO, .forever = 1, .only = ".tbl"});
        const char *got = get(number(200));
        CHECK_STR(got ? got : "nothing", "IO");
        CHECK(sim_fired(store.sim) > 0 && sim_calls(store.sim, SIM_READ) > reads);
        expect(number(405), filler); /* elsewhere all is well */
        put("new", "1");
        sim_fail_none(store.sim);
        expect(number(200), filler);
        CHECK_EQ(count_pairs(NULL, 0), 411);
        store_free();
    }
}

/* Sealed segments are read through the same door when they are loaded. */
TEST(scenario_27_a_media_error_in_a_log)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 20, filler);
    store_close();
    CHECK_EQ(store_names(".log").count, 1);
    sim_fail(store.sim, &(struct sim_fault){.call = SIM_READ, .nth = 2, .err = EIO, .only = ".log"}); /* not its head */
    CHECK_EQ(store_try_open(), LSMKV_IO);
    CHECK_EQ(sim_fired(store.sim), 1);
    sim_fail_none(store.sim);
    store_open();
    CHECK_EQ(expect_prefix(30), 20);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
