/* Scenarios of tests/SCENARIOS.md about a store's life: background work, files, other processes. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "store_kit.h"

#include "engine/background.h"
#include "engine/pin.h"
#include "engine/rotate.h"
#include "store/view.h"

static const char filler[] = "some value to fill a table with, again and again";

static const struct lk_version *version(void)
{
    return atomic_load(&engine()->version);
}

/* ---- 15 ----------------------------------------------------------------------------------------- */

/* Iterators that were begun and forgotten hold counted versions, not epoch slots: everybody else goes on, and old
 * versions are given back. */
TEST(scenario_15_forgotten_iterators_stop_nobody)
{
    enum { FORGOTTEN = 200 };
    static lsmkv_iter *iters[FORGOTTEN];
    struct lsmkv_pair pairs[4];
    size_t count;
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < FORGOTTEN; i++) {
        put(number(i), filler);
        CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iters[i]), 0);
        CHECK_EQ(lsmkv_iter_begin(iters[i], 4, 1 << 20, pairs, &count), 0);
        lsmkv_iter_end(iters[i]);
    }
    int slots[LK_EPOCH_SLOTS];
    for (int i = 0; i < LK_EPOCH_SLOTS; i++) {
        slots[i] = lk_epoch_enter(&engine()->epochs);
        CHECK(slots[i] >= 0);
    }
    for (int i = 0; i < LK_EPOCH_SLOTS; i++)
        lk_epoch_leave(&engine()->epochs, slots[i]);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_numbers(0, FORGOTTEN, "new");
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    lk_epoch_reclaim(&engine()->epochs);
    CHECK_EQ(atomic_load(&engine()->epochs.retired_count), 0);
    for (uint32_t i = 0; i < FORGOTTEN; i += 50) { /* each still sees what it saw */
        uint32_t seen = i + 1 < 4 ? i + 1 : 4;
        int rc;
        while ((rc = lsmkv_iter_begin(iters[i], 4, 1 << 20, pairs, &count)) == 0) {
            for (size_t j = 0; j < count; j++)
                CHECK_EQ(pairs[j].value.size, strlen(filler));
            seen += (uint32_t)count;
            lsmkv_iter_end(iters[i]);
        }
        CHECK_EQ(rc, LSMKV_NOTFOUND);
        CHECK_EQ(seen, i + 1);
    }
    CHECK(store_names(".log").count > 1); /* pinned by them */
    for (uint32_t i = 0; i < FORGOTTEN; i++)
        lsmkv_iter_free(iters[i]);
    put("x", "1");
    lk_epoch_reclaim(&engine()->epochs);
    CHECK_EQ(store_names(".log").count, 1);
    CHECK_EQ(store_names(".tbl").count, stats().tables);
    store_free();
}

/* ---- 19 ----------------------------------------------------------------------------------------- */

static uint32_t sources(void)
{
    const struct lk_version *now = version();
    return (now->view ? now->view_from + 1 : now->memtable_count) + now->run_count;
}

static void step_while_there_is_work(void)
{
    struct lsmkv_step did;
    int rc;
    for (int i = 0; i < 100 && (rc = lsmkv_step(store.db, &did)) == 0; i++)
        ;
    CHECK_EQ(rc, LSMKV_NOTFOUND);
}

/* The memtable, one view over all of L0, and the runs: that is all a scan merges while scans go on. */
TEST(scenario_19_few_sources_while_scans_go_on)
{
    uint32_t n = 0, most_with = 0, most_without = 0;
    store_new(LSMKV_SYNC_OS);
    store.options.run_count = 2;
    store_open();
    for (int round = 0; round < 40; round++) {
        int scanning = round >= 20;
        uint32_t active = engine()->active->segment->number;
        while (engine()->active->segment->number == active)
            put(number(n++), filler);
        if (scanning) {
            CHECK_EQ(count_pairs(NULL, round % 2), n);
            step_while_there_is_work();
            CHECK(version()->memtable_count <= 2 || (version()->view && version()->view_from == 1));
        }
        uint32_t now = sources();
        most_with = scanning && now > most_with ? now : most_with;
        most_without = !scanning && now > most_without ? now : most_without;
        CHECK_EQ(count_pairs(NULL, round % 2), n);
    }
    CHECK(most_with <= 4);
    CHECK(most_without > 4); /* the view made the difference */
    store_free();
}

/* Through the view a scan sees what it would see without it: overwritten, deleted, covered by range deletes. */
TEST(scenario_19_the_view_tells_the_same)
{
    struct random random = {19};
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 40; i++) {
            uint32_t key = (uint32_t)random_below(&random, 120);
            struct lsmkv_slice start = {number(key), 6}, stop = {number(key + 5), 6};
            uint64_t what = random_below(&random, 30);
            if (what == 0)
                CHECK_EQ(lsmkv_delete_range(store.db, &start, &stop, -1, NULL), 0);
            else if (what < 6)
                erase(number(key));
            else
                put(number(key), filler);
        }
        int64_t there = 0;
        for (uint32_t key = 0; key < 130; key++)
            there += get(number(key)) != NULL;
        expect_count(there);
        step_while_there_is_work();
        expect_count(there);
    }
    store_free();
}

/* ---- 23 ----------------------------------------------------------------------------------------- */

static void damage_in_place(const char *name, uint64_t offset)
{
    struct lk_dir *dir = store_dir();
    struct lk_file *file = NULL;
    uint8_t byte = 0;
    CHECK_EQ(store_env()->ops->open(dir, name, LK_OPEN_WRITE, 0, &file), 0);
    CHECK_EQ(store_env()->ops->read(file, offset, &byte, 1), 1);
    byte ^= 0x20;
    CHECK_EQ(store_env()->ops->write(file, offset, &byte, 1), 0);
    CHECK_EQ(store_env()->ops->sync(file), 0); /* the disk did it, not we */
    CHECK_EQ(store_env()->ops->close(file), 0);
    store_env()->ops->dir_close(dir);
}

/* One bad page: keys in it are an error, never absent and never an older value; all else goes on for ever. */
TEST(scenario_23_a_bad_page_stops_only_its_own_keys)
{
    store_new(LSMKV_SYNC_OS);
    store.options.run_count = 2;
    store.options.l0_segments = 2;
    store.options.segment_bytes = 32 << 10;
    store.options.table_bytes = 64 << 10;
    store_open();
    put_numbers(0, 300, "old");
    put_numbers(1000, 1900, filler);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    put_numbers(0, 300, filler);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(version()->run_count, 2);
    char victim[32];
    strcpy(victim, version()->runs[0]->tables[0]->name);
    store_close();
    damage_in_place(victim, 6000);
    store_open();
    uint32_t lost = 0, fresh = 0;
    for (int round = 0; round < 60; round++) { /* many times what fits into L0 */
        for (int i = 0; i < 100; i++)
            if (!CHECK_EQ(try_to_put(number(10000 + fresh++), filler, -1), 0))
                break;
        CHECK(stats().sealed_segments < 16);
    }
    CHECK(stats().runs < 20);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    for (uint32_t i = 0; i < 300; i++) {
        const char *got = get(number(i));
        int corrupt = got && strcmp(got, "CORRUPT") == 0;
        lost += (uint32_t)corrupt;
        CHECK(corrupt || (got && strcmp(got, filler) == 0));
    }
    CHECK(lost > 0 && lost < 150);
    expect_numbers(1000, 1900, filler);
    expect_numbers(10000, 10000 + fresh, filler);
    CHECK_EQ(count_pairs(NULL, 0), LSMKV_CORRUPT); /* a scan over it says so, and does not skip it */
    store_free();
}

/* ---- 25 ----------------------------------------------------------------------------------------- */

/* What a reader in another process must find: 0 .. n - 1 and nothing else. */
static int look_from_outside(void)
{
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter = NULL;
    size_t count;
    uint32_t next = 0;
    int rc = store_try_open();
    if (rc != 0) {
        fprintf(stderr, "  reader: %s\n", lsmkv_last_error()->text);
        return 1;
    }
    rc = lsmkv_iter_new(store.db, NULL, NULL, &iter);
    while (rc == 0 && (rc = lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count)) == 0) {
        for (size_t i = 0; i < count; i++)
            if (memcmp(pairs[i].key.data, number(next++), 6) != 0)
                rc = -100;
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    store_abandon();
    if (rc != LSMKV_NOTFOUND)
        fprintf(stderr, "  reader: after %u keys: %d %s\n", next, rc,
                rc == -100 ? "a key is missing" : lsmkv_last_error()->text);
    return rc != LSMKV_NOTFOUND;
}

static void be_the_reader(int looks, int over)
{
    char byte;
    int wrong = 0;
    fcntl(over, F_SETFL, O_NONBLOCK);
    store.options.flags = LSMKV_OPEN_READONLY;
    while (read(over, &byte, 1) != 0 && !wrong) {
        wrong = look_from_outside();
        if (write(looks, "x", 1) != 1)
            break;
    }
    _exit(wrong);
}

/* A writer that rotates, flushes and merges all the time, and a reader that opens all the time: files vanish under
 * him, frames are being copied, and he is never told of damage. */
TEST(scenario_25_a_reader_beside_a_writer)
{
    int looks[2], over[2], status = 0;
    uint32_t n = 0, seen = 0;
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 16 << 10;
    store.options.table_bytes = 32 << 10;
    store.options.l0_segments = 2;
    store.options.run_count = 2;
    CHECK_EQ(pipe(looks) | pipe(over), 0);
    store.options.threads = 0;
    store_open();
    put(number(n++), filler);
    store_close(); /* there is a store before anybody looks */
    pid_t reader = fork();
    if (reader == 0) {
        close(over[1]);
        be_the_reader(looks[1], over[0]);
    }
    close(looks[1]);
    close(over[0]);
    fcntl(looks[0], F_SETFL, O_NONBLOCK);
    store.options.threads = 2;
    store_open();
    for (uint32_t i = 1; (seen < 40 || i < 4000) && i < 1000000; i++) {
        char bytes[16];
        put(number(n < 4000 ? n++ : i % n), filler); /* first they grow, then they are overwritten */
        if (i % (i < 4000 ? 500 : 4000) == 0)
            CHECK_EQ(lsmkv_flush(store.db), 0);
        ssize_t some = i % 64 == 0 ? read(looks[0], bytes, sizeof bytes) : -1;
        if (some == 0)
            break;
        seen += some > 0 ? (uint32_t)some : 0;
        if (i > 4000 && i % 32 == 0)
            usleep(1000); /* the reader is at it still */
    }
    CHECK(seen >= 40);
    CHECK(stats().flush_bytes > 0);
    close(over[1]);
    CHECK_EQ(waitpid(reader, &status, 0), reader);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(looks[0]);
    store_free();
}

/* ---- 26 ----------------------------------------------------------------------------------------- */

/* A last edit that is damaged looks torn, and the tables it named look unreferenced. `whole`: the log that the edit
 * let go is still there, as it is when the power fails before the edit is on the disk: the store opens, and what the
 * manifest does not explain is set aside. Otherwise the log is gone, so the edit must have been durable: an error, and
 * nothing is touched. */
static void damage_last_edit(int cut, int whole)
{
    static uint8_t log[1 << 16];
    char manifest[40] = "", aside[48];
    uint64_t before = 0, after = 0, log_bytes = 0;
    store_new(LSMKV_SYNC_OS);
    store.options.run_count = 32;
    store_open();
    put_numbers(0, 30, filler);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct store_names names = store_names("");
    for (uint32_t i = 0; i < names.count; i++)
        if (strncmp(names.at[i], "MANIFEST", 8) == 0)
            strcpy(manifest, names.at[i]);
    (void)sim_look(store.sim, store.path, manifest, &before);
    put_numbers(30, 60, filler);
    struct store_names logs = store_names(".log");
    CHECK_EQ(logs.count, 1);
    const unsigned char *bytes = sim_look(store.sim, store.path, logs.at[0], &log_bytes);
    CHECK(bytes && log_bytes <= sizeof log);
    memcpy(log, bytes, log_bytes);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    (void)sim_look(store.sim, store.path, manifest, &after);
    CHECK(after > before);
    struct store_names tables = store_names(".tbl");
    store_kill();
    if (whole)
        sim_put(store.sim, store.path, logs.at[0], log, log_bytes);
    if (cut)
        store_cut(manifest, after - 5);
    else
        store_damage(manifest, before + 40, 1, 0);
    if (!whole) {
        CHECK_EQ(store_try_open(), LSMKV_CORRUPT);
        CHECK(strstr(lsmkv_last_error()->text, logs.at[0]) != NULL);
        for (uint32_t i = 0; i < tables.count; i++)
            CHECK(store_has(tables.at[i]));
        CHECK_EQ(store_names(".aside").count, 0);
        store_free();
        return;
    }
    store_open();
    CHECK_EQ(expect_prefix(70), 60);
    for (uint32_t i = 0; i < tables.count; i++) {
        snprintf(aside, sizeof aside, "%s.aside", tables.at[i]);
        CHECK(store_has(tables.at[i]) || store_has(aside));
    }
    CHECK(store_names(".tbl.aside").count >= 1);
    snprintf(aside, sizeof aside, "%s.aside", manifest);
    CHECK(store_has(aside)); /* the evidence */
    uint32_t kept = store_names(".aside").count;
    put_numbers(60, 65, filler);
    store_close();
    store_open();
    CHECK_EQ(expect_prefix(70), 65);
    CHECK_EQ(store_names(".aside").count, kept);
    store_free();
}

TEST(scenario_26_nothing_is_removed_on_the_word_of_a_torn_manifest)
{
    for (int cut = 0; cut < 2; cut++)
        for (int whole = 0; whole < 2; whole++)
            damage_last_edit(cut, whole);
}

TEST(scenario_26_orphans_of_a_clean_store_go)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 30, filler);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    store_close();
    sim_put(store.sim, store.path, "000999.tbl", "no table", 8);
    store_open();
    CHECK(!store_has("000999.tbl"));
    CHECK_EQ(store_names(".aside").count, 0);
    CHECK_EQ(expect_prefix(40), 30);
    store_free();
}

/* A named file that is missing: the store does not open, and nothing is touched. */
TEST(scenario_26_a_missing_table_changes_nothing)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 30, filler);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    store_close();
    store_remove(store_names(".tbl").at[0]);
    sim_put(store.sim, store.path, "000999.tbl", "no table", 8);
    uint64_t hash = sim_image_hash(store.sim);
    int rc = store_try_open();
    CHECK(rc == LSMKV_IO || rc == LSMKV_CORRUPT);
    CHECK(store.db == NULL);
    CHECK_EQ(sim_image_hash(store.sim), hash);
    store_free();
}

/* ---- 29 ----------------------------------------------------------------------------------------- */

/* A writer that fills L0 again as soon as it is emptied. One merge step moves `step` bytes of its inputs. */
static void run_planner(struct lk_shape *shape, uint64_t step, uint32_t jobs, uint64_t *flushes, uint64_t *merges,
                        uint32_t *most, uint64_t *longest)
{
    uint32_t next_id = 1;
    uint64_t under_way = 0;
    for (uint32_t job_count = 0; job_count < jobs; job_count++) {
        shape->sealed = shape->l0_segments + 5;
        shape->sealed_bytes = shape->sealed * shape->segment_bytes;
        struct lk_job job = lk_plan(shape);
        under_way++;
        if (job.kind == LK_JOB_FLUSH) {
            if (!CHECK(shape->run_count < LK_SHAPE_RUNS - 1))
                return;
            memmove(shape->runs + 1, shape->runs, shape->run_count++ * sizeof shape->runs[0]);
            shape->runs[0] = (struct lk_shape_run){.id = next_id++, .bytes = shape->sealed_bytes, .records = 1000};
            ++*flushes;
        } else if (CHECK_EQ(job.kind, LK_JOB_MERGE)) {
            uint32_t output = job.last + 1;
            if (shape->runs[job.first].into == 0) {
                memmove(shape->runs + output + 1, shape->runs + output,
                        (shape->run_count++ - output) * sizeof shape->runs[0]);
                shape->runs[output] = (struct lk_shape_run){.id = next_id};
                for (uint32_t i = job.first; i <= job.last; i++)
                    shape->runs[i].into = next_id;
                next_id++;
            }
            uint64_t left = step;
            for (uint32_t i = job.first; i <= job.last; i++) {
                uint64_t take = shape->runs[i].bytes < left ? shape->runs[i].bytes : left;
                shape->runs[i].bytes -= take;
                shape->runs[output].bytes += take;
                left -= take;
            }
            if (left > 0) { /* the inputs are exhausted */
                memmove(shape->runs + job.first, shape->runs + output,
                        (shape->run_count - output) * sizeof shape->runs[0]);
                shape->run_count -= output - job.first;
                *longest = under_way > *longest ? under_way : *longest;
                under_way = 0;
            }
            ++*merges;
        }
        *most = shape->run_count > *most ? shape->run_count : *most;
    }
}

TEST(scenario_29_a_full_l0_does_not_stall_a_bottom_merge)
{
    for (uint32_t limit = 1; limit <= 8; limit++) {
        struct lk_shape shape = {.l0_segments = 3, .run_limit = limit, .segment_bytes = 32 << 20, .run_count = 1};
        uint64_t flushes = 0, merges = 0, longest = 0;
        uint32_t most = 0;
        shape.runs[0] = (struct lk_shape_run){.id = 1000000, .bytes = (uint64_t)20 << 30, .records = 1000};
        run_planner(&shape, 64 << 20, 3000, &flushes, &merges, &most, &longest);
        CHECK(flushes > 50 && merges > 1000); /* neither starves the other */
        CHECK(most < 56); /* engine/pace.h stops writers there */
        CHECK(longest > 0 && longest < 2000); /* the long merge ended */
    }
}

/* With the engine: a stream of writes leaves few runs behind it at any time. */
TEST(scenario_29_runs_stay_few_under_a_stream_of_writes)
{
    struct random random = {29};
    uint64_t most = 0;
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.l0_segments = 2;
    store.options.run_count = 3;
    store.options.table_bytes = 32 << 10;
    store_open();
    for (uint32_t i = 0; i < 12000; i++) {
        put(number((uint32_t)random_below(&random, 3000)), filler);
        if (i % 50 == 0) {
            uint64_t runs = stats().runs;
            most = runs > most ? runs : most;
        }
    }
    CHECK(most > 1 && most <= 4 * 3 + 4); /* nobody reads */
    CHECK(stats().table_bytes < 3 * 3000 * (sizeof filler + 16)); /* old versions were merged away */
    store_free();
}

/* ---- 30 ----------------------------------------------------------------------------------------- */

/* Everything is written anew and merged, so whatever was there is kept by readers alone. */
static void another_generation(uint32_t n)
{
    char value[900];
    memset(value, 'a' + (int)(n % 26), sizeof value - 1);
    value[sizeof value - 1] = 0;
    put_numbers(0, 40, value);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
}

static int first_is(const lsmkv_snapshot *snapshot, char letter)
{
    void *value = NULL;
    size_t bytes = 0;
    int rc = lsmkv_get(store.db, snapshot, number(0), strlen(number(0)), &value, &bytes);
    if (rc == 0)
        CHECK_EQ(*(const char *)value, letter);
    lsmkv_free(value);
    return rc;
}

TEST(scenario_30_what_snapshots_pin_is_counted)
{
    lsmkv_snapshot *snapshot = NULL, *twin = NULL;
    store_new(LSMKV_SYNC_OS);
    store_open();
    another_generation(0);
    CHECK_EQ(stats().pinned_bytes, 0);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &twin), 0);
    CHECK_EQ(stats().pinned_bytes, 0); /* nothing the store would not have itself */
    uint64_t bytes = stats().table_bytes;
    another_generation(1);
    CHECK(stats().pinned_bytes >= bytes / 2); /* what a merge moved as it was counts once, with its new place */
    lsmkv_snapshot_free(snapshot);
    CHECK(stats().pinned_bytes >= bytes / 2);
    /* what a merge moved as it was counts once, with its new place */ /* the twin */
    CHECK_EQ(first_is(twin, 'a'), 0);
    lsmkv_snapshot_free(twin);
    CHECK_EQ(stats().pinned_bytes, 0);
    store_free();
}

TEST(scenario_30_the_oldest_snapshot_expires)
{
    enum { SNAPSHOTS = 12 };
    lsmkv_snapshot *snapshots[SNAPSHOTS];
    lsmkv_iter *iter = NULL;
    lsmkv_view *view = NULL;
    struct lsmkv_slice lent;
    struct lsmkv_pair pair;
    size_t count = 0;
    uint64_t counted = 0;
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20});
    store.options.max_pinned_bytes = 400 << 10;
    store_open();
    another_generation(0);
    for (uint32_t i = 0; i < SNAPSHOTS; i++) {
        CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshots[i]), 0);
        if (i == 0) {
            CHECK_EQ(lsmkv_iter_new(store.db, snapshots[0], NULL, &iter), 0);
            CHECK_EQ(lsmkv_view_begin(store.db, snapshots[0], number(0), strlen(number(0)), &lent, &view), 0);
        }
        another_generation(i + 1);
    }
    uint32_t expired = (uint32_t)stats().expired_snapshots;
    CHECK(expired > 1 && expired < SNAPSHOTS);
    CHECK(stats().pinned_bytes <= 400 << 10);
    for (uint32_t i = 0; i < SNAPSHOTS; i++) /* the oldest, and nobody else */
        CHECK_EQ(first_is(snapshots[i], (char)('a' + i)), i < expired ? LSMKV_EXPIRED : 0);
    CHECK_EQ(first_is(snapshots[0], 'a'), LSMKV_EXPIRED);
    CHECK(strstr(lsmkv_last_error()->text, "max_pinned_bytes") != NULL);
    lsmkv_iter *none = NULL;
    lsmkv_view *nothing = NULL;
    struct lsmkv_slice value;
    CHECK_EQ(lsmkv_exists(store.db, snapshots[0], "x", 1), LSMKV_EXPIRED);
    CHECK_EQ(lsmkv_iter_new(store.db, snapshots[0], NULL, &none), LSMKV_EXPIRED);
    CHECK_EQ(lsmkv_view_begin(store.db, snapshots[0], "x", 1, &value, &nothing), LSMKV_EXPIRED);
    CHECK_EQ(lsmkv_try_count(store.db, snapshots[0], &counted), LSMKV_EXPIRED);
    CHECK_EQ(lsmkv_count(store.db, snapshots[0], NULL, NULL, &counted), LSMKV_EXPIRED);
    /* What was made from it goes on. */
    CHECK_EQ(*(const char *)lent.data, 'a');
    CHECK_EQ(lsmkv_iter_begin(iter, 1, 1 << 20, &pair, &count), 0);
    CHECK_EQ(*(const char *)pair.value.data, 'a');
    lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    lsmkv_view_end(view);
    for (uint32_t i = 0; i < SNAPSHOTS; i++)
        lsmkv_snapshot_free(snapshots[i]);
    CHECK_EQ(stats().pinned_bytes, 0);
    CHECK_EQ(stats().live_snapshots, 0);
    store_free();
}

/* A snapshot that a call is using stays; so does one of the present, which pins nothing. */
TEST(scenario_30_who_is_read_from_does_not_expire)
{
    lsmkv_snapshot *used = NULL, *idle = NULL;
    struct lk_pin *pin;
    store_new(LSMKV_SYNC_OS);
    store.options.max_pinned_bytes = 1;
    store_open();
    another_generation(0);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &used), 0);
    struct lk_snapshot at;
    CHECK_EQ(lk_snapshot_take(engine(), &at), 0);
    pin = lk_pin_new(engine(), &at);
    CHECK_EQ(lk_pin_use(pin), 0);
    another_generation(1);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &idle), 0);
    lk_pin_expire(engine());
    lk_pin_expire(engine());
    CHECK_EQ(stats().expired_snapshots, 1); /* the first */
    CHECK_EQ(first_is(used, 'a'), LSMKV_EXPIRED);
    CHECK_EQ(first_is(idle, 'b'), 0);
    lk_pin_unuse(pin);
    lk_pin_expire(engine());
    CHECK_EQ(stats().expired_snapshots, 2);
    CHECK_EQ(lk_pin_use(pin), LSMKV_EXPIRED);
    CHECK_EQ(lk_pin_end(pin), 0);
    CHECK_EQ(stats().pinned_bytes, 0);
    lsmkv_snapshot_free(used);
    lsmkv_snapshot_free(idle);
    store_free();
}

static _Atomic int reading_is_over;

static void *take_and_read(void *refused)
{
    while (!atomic_load(&reading_is_over)) {
        lsmkv_snapshot *snapshot = NULL;
        CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
        for (int i = 0; i < 20; i++) {
            struct lsmkv_read read;
            int rc = lsmkv_read_begin(store.db, snapshot, number(0), strlen(number(0)), &read);
            if (rc == 0) {
                const char *value = read.value.data;
                CHECK_EQ(value[0], value[read.value.size - 1]); /* lent in place, though it may expire now */
                lsmkv_read_end(&read);
            } else if (rc == LSMKV_EXPIRED) {
                atomic_fetch_add((_Atomic uint32_t *)refused, 1);
                break;
            } else {
                CHECK_EQ(rc, LSMKV_WOULDBLOCK);
            }
            lk_thread_yield();
        }
        lsmkv_snapshot_free(snapshot);
    }
    return NULL;
}

TEST(scenario_30_snapshots_expire_beside_readers)
{
    pthread_t readers[3];
    _Atomic uint32_t refused = 0;
    store_new_real(LSMKV_SYNC_OS);
    store.options.max_pinned_bytes = 1;
    store_open();
    another_generation(0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&readers[i], NULL, take_and_read, &refused), 0);
    for (uint32_t i = 1; i < 2000 && (i < 60 || !atomic_load(&refused)); i++) {
        put(number(0), i & 1 ? "bbbb" : "cccc");
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    atomic_store(&reading_is_over, 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(readers[i], NULL), 0);
    CHECK(stats().expired_snapshots > 0);
    CHECK_EQ(stats().live_snapshots, 0);
    store_free();
}

/* ---- 31 ----------------------------------------------------------------------------------------- */

TEST(scenario_31_segments_grow_and_shrink)
{
    enum { CEILING = 8 << 20 };
    uint64_t capacity = 0, first = 0;
    uint32_t n = 0;
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 16 << 20, .no_history = 1});
    store.options.segment_bytes = CEILING;
    store_open();
    first = engine()->active->segment->capacity;
    CHECK(first <= 1 << 20); /* small for a small store */
    while (capacity < CEILING && n < 400000) {
        uint64_t now = engine()->active->segment->capacity;
        CHECK(now >= capacity);
        capacity = now;
        put(number(n++), filler);
        struct lsmkv_stats seen = n % 512 == 0 ? stats() : (struct lsmkv_stats){0};
        CHECK(seen.anonymous_bytes <= (seen.sealed_segments + 1) * CEILING); /* index, not log */
    }
    CHECK_EQ(capacity, CEILING);
    CHECK(stats().log_bytes < 4 * CEILING); /* it did not take long */
    char log[40];
    strcpy(log, engine()->active->segment->name);
    uint64_t end = atomic_load(&engine()->active->segment->end), bytes = 0;
    store_close();
    CHECK(sim_look(store.sim, store.path, log, &bytes) != NULL);
    CHECK_EQ(bytes, end);
    store_open();
    CHECK_EQ(count_pairs(NULL, 0), n);
    store_free();
}

/* The smallest records: the index stays in proportion to the log. */
TEST(scenario_31_tiny_records_do_not_blow_up_the_index)
{
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 8 << 20, .no_history = 1});
    store.options.segment_bytes = 256 << 10;
    store_open();
    for (uint32_t i = 0; i < 60000; i++) {
        put(number(i), "");
        struct lsmkv_stats seen = i % 512 == 0 ? stats() : (struct lsmkv_stats){0};
        if (!CHECK(seen.anonymous_bytes <= 2 * (seen.sealed_segments + 1) * (256 << 10)))
            break;
    }
    CHECK_EQ(count_pairs(NULL, 0), 60000);
    store_free();
}

/* ---- 32 ----------------------------------------------------------------------------------------- */

/* In the child of a fork the store is nobody's: every call says so, no file is touched, the parent goes on. */
TEST(scenario_32_a_child_has_no_store)
{
    int status = 0;
    lsmkv_snapshot *snapshot = NULL;
    lsmkv_iter *iter = NULL;
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    CHECK_EQ(lsmkv_iter_new(store.db, NULL, NULL, &iter), 0);
    pid_t child = fork();
    if (child == 0) {
        struct lsmkv_pair pairs[4];
        struct lsmkv_read read;
        size_t count;
        check_failures = 0;
        CHECK_EQ(try_to_put("b", "2", -1), LSMKV_FORKED);
        CHECK_EQ(lsmkv_try_put(store.db, "b", 1, "2", 1, 0, NULL), LSMKV_FORKED);
        CHECK_EQ(lsmkv_read_begin(store.db, NULL, "a", 1, &read), LSMKV_FORKED);
        CHECK_STR(get("a"), "FORKED");
        CHECK_EQ(lsmkv_iter_begin(iter, 4, 1 << 20, pairs, &count), LSMKV_FORKED);
        CHECK_EQ(lsmkv_flush(store.db), LSMKV_FORKED);
        CHECK_EQ(lsmkv_close(store.db), LSMKV_FORKED);
        lsmkv_iter_free(iter);
        lsmkv_snapshot_free(snapshot);
        lsmkv_release(store.db);
        CHECK_EQ(store_try_open(), LSMKV_LOCKED); /* the parent's */
        CHECK_EQ(lsmkv_last_error()->pid, getppid());
        _exit(check_failures != 0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    put("b", "2");
    CHECK_STR(get_at(snapshot, "a"), "1");
    expect_count(2);
    lsmkv_iter_free(iter);
    lsmkv_snapshot_free(snapshot);
    store_close();
    store_open();
    expect_count(2);
    store_free();
}

/* The owner dies while a worker it forked lives on: the lock died with the owner. */
TEST(scenario_32_the_lock_dies_with_its_owner)
{
    int alive[2], over[2];
    char byte;
    store_new_real(LSMKV_SYNC_OS);
    CHECK_EQ(pipe(alive) | pipe(over), 0);
    pid_t owner = fork();
    if (owner == 0) {
        store_open();
        put("a", "1");
        if (fork() == 0) { /* the worker: until the test lets go */
            close(over[1]);
            byte = 'w';
            if (write(alive[1], &byte, 1) == 1 && read(over[0], &byte, 1) == 0)
                _exit(0);
            _exit(1);
        }
        close(over[1]);
        close(alive[1]);
        for (;;)
            pause();
    }
    close(over[0]);
    CHECK_EQ(read(alive[0], &byte, 1), 1);
    CHECK_EQ(store_try_open(), LSMKV_LOCKED);
    CHECK_EQ(lsmkv_last_error()->pid, owner);
    kill(owner, SIGKILL);
    CHECK_EQ(waitpid(owner, NULL, 0), owner);
    store_open(); /* the worker still lives */
    expect("a", "1");
    close(over[1]);
    close(alive[0]);
    close(alive[1]);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
