/* Scenarios of tests/SCENARIOS.md about the log: order, durability, visibility, recovery. */
#include "gate_kit.h"
#include "store_kit.h"

#include "engine/commit.h"
#include "engine/rotate.h"

static const char filler[] = "some value to fill a segment with, again and again";

/* Every systematic image of the stopped machine, thinned to about `most`, and as many random ones. */
static void for_images(uint64_t most, void (*look)(void))
{
    sim_stop_now(store.sim, SIM_POWER);
    struct sim *machine = store.sim;
    store_abandon();
    uint64_t systematic = sim_image_systematic(machine), stride = systematic / most + 1;
    for (uint64_t i = 0; i < systematic + most && !check_failures; i += i < systematic ? stride : 1) {
        store.sim = sim_image_at(machine, i, 77);
        look();
        if (check_failures)
            fprintf(stderr, "  image %s\n", sim_image_name(store.sim));
        store_abandon();
        CHECK_EQ(sim_free(store.sim), 0);
    }
    store.sim = machine;
}

/* ---- 1 ------------------------------------------------------------------------------------------ */

static uint32_t one_least;

static void one_look(void)
{
    store_open();
    CHECK(expect_prefix(300) >= one_least);
}

/* A flush makes records durable that came after records which are not. */
TEST(scenario_01_tables_never_overtake_the_log)
{
    for (int steps = 0; steps < 3; steps++) {
        store_new(LSMKV_SYNC_OS);
        store_open();
        put_numbers(0, 150, filler); /* several segments, none of them synced */
        CHECK(stats().sealed_segments >= 2);
        if (steps > 0)
            CHECK_EQ(lsmkv_flush(store.db), 0);
        one_least = steps > 0 ? 150 : 0;
        put_numbers(150, 250, filler);
        if (steps > 1) {
            CHECK_EQ(lsmkv_flush(store.db), 0);
            CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
            one_least = 250;
            put_numbers(250, 290, filler);
        }
        for_images(60, one_look);
        store_free();
    }
}

/* Without a log L0 leaves in one edit: all of it is there, or nothing of it. */
TEST(scenario_01_without_a_log_a_flush_is_all_or_nothing)
{
    for (uint64_t boundary = 0;; boundary++) {
        store_new(LSMKV_SYNC_NONE);
        store_open();
        put_numbers(0, 200, filler);
        CHECK(stats().sealed_segments >= 2);
        sim_stop_at(store.sim, sim_boundaries(store.sim) + boundary, SIM_POWER);
        int rc = lsmkv_flush(store.db);
        int over = !sim_stopped(store.sim);
        for (int how = 0; how < 2; how++) {
            sim_stop_now(store.sim, SIM_POWER);
            struct sim *image = sim_image(store.sim, how ? SIM_EVERYTHING : SIM_NOTHING, 0), *machine = store.sim;
            store_abandon();
            store.sim = image;
            store_open();
            uint32_t found = expect_prefix(210);
            CHECK(found == 0 || found == 200);
            CHECK(rc != 0 || !over || found == 200);
            store_abandon();
            CHECK_EQ(sim_free(image), 0);
            store.sim = machine;
        }
        store_free();
        if (over || check_failures)
            break;
    }
}

/* ---- 2 ------------------------------------------------------------------------------------------ */

/* kill -9 in mid-copy, twice: what was written in between is found by the third life. */
TEST(scenario_02_second_reopen_loses_nothing)
{
    store_new(LSMKV_SYNC_OS);
    for (uint32_t life = 0; life < 5; life++) {
        store_open();
        CHECK_EQ(expect_prefix(100), life * 5);
        put_numbers(life * 5, life * 5 + 5, "value");
        char log[40];
        strcpy(log, engine()->active->segment->name);
        put("torn", "this one was being copied");
        store_kill();
        uint64_t frames[512], end = 0;
        uint32_t count = store_frames(log, frames, &end);
        store_damage(log, frames[count - 1] + LK_FRAME_HEAD + 9, end - frames[count - 1] - LK_FRAME_HEAD - 9, 1);
    }
    store_open();
    CHECK_EQ(expect_prefix(100), 25);
    store_free();
}

/* What the dead process failed to sync nobody knows: it is written anew before a synced write says "durable". */
TEST(scenario_02_a_dead_predecessors_sync_is_not_believed)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 5, "value");
    sim_fail(store.sim, &(struct sim_fault){.call = SIM_MAP_SYNC, .nth = 1, .err = EIO, .kernel = SIM_KEPT});
    CHECK(try_to_put(number(5), "value", 1) < 0);
    CHECK_EQ(sim_fired(store.sim), 1);
    store_kill(); /* the cache says it is clean */
    store_open();
    CHECK_EQ(expect_prefix(10), 6); /* never acknowledged, but it may be there */
    put_synced(number(6), "value");
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(expect_prefix(10), 7);
    store_free();
}

/* A log sequence number is given out once: the segment's name is durable before its first record. */
TEST(scenario_02_numbers_are_never_given_twice)
{
    uint64_t last = 0;
    store_new(LSMKV_SYNC_OS);
    for (uint32_t life = 0; life < 6; life++) {
        uint64_t lsn = 0;
        store_open();
        for (uint32_t i = 0; i < 80; i++) {
            CHECK_EQ(lsmkv_put(store.db, "k", 1, filler, sizeof filler, i == 40, &lsn), 0);
            CHECK(lsn > last);
            last = lsn;
        }
        store_power(SIM_NOTHING, 0);
    }
    store_free();
}

/* ---- 3 ------------------------------------------------------------------------------------------ */

/* A sealed segment need not be synced: that it tears while a later one survives is no corruption. */
TEST(scenario_03_no_false_alarm_about_sealed_segments)
{
    uint64_t frames[512], end = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_synced("a", "1");
    put_numbers(0, 200, filler);
    struct store_names logs = store_names(".log");
    CHECK(logs.count >= 3);
    store_kill();
    uint32_t count = store_frames(logs.at[1], frames, &end);
    store_damage(logs.at[1], frames[count / 2], 16, 1);
    store_open();
    expect("a", "1");
    uint32_t n = 0;
    while (get(number(n)))
        n++;
    CHECK(n > 0 && n < 200);
    expect_count(n + 1);
    store_free();
}

/* After a length that leads astray, the mark behind it is found by one linear scan, and proves. */
TEST(scenario_03_marks_are_found_behind_any_damage)
{
    for (uint32_t byte = 0; byte < 16; byte += 3)
        for (uint32_t which = 0; which < 6; which++) {
            uint64_t frames[512], end = 0;
            char log[40];
            store_new(LSMKV_SYNC_OS);
            store_open();
            put_numbers(0, 6, filler);
            CHECK_EQ(lsmkv_sync(store.db), 0);
            put_numbers(6, 8, filler);
            strcpy(log, engine()->active->segment->name);
            store_kill();
            CHECK_EQ(store_frames(log, frames, &end), 9); /* eight and a mark */
            store_damage(log, frames[which] + byte, 1, 0);
            CHECK_EQ(store_try_open(), LSMKV_CORRUPT);
            CHECK_STR(lsmkv_last_error()->file, log);
            CHECK_EQ(lsmkv_last_error()->offset, frames[which]);
            store_free();
        }
}

/* ---- 4 ------------------------------------------------------------------------------------------ */

static struct {
    const char *key;
    int sync, rc;
    _Atomic int done;
} writers[2];

static void *write_one(void *at)
{
    unsigned i = (unsigned)(uintptr_t)at;
    writers[i].rc = try_to_put(writers[i].key, "1", writers[i].sync);
    atomic_store(&writers[i].done, 1);
    if (writers[i].rc == 0)
        expect(writers[i].key, "1"); /* its own write, from the moment it has returned */
    return NULL;
}

static int rotate_now(void)
{
    lk_mutex_lock(&engine()->write_mutex);
    int rc = lk_rotate(engine(), 0, 1);
    lk_mutex_unlock(&engine()->write_mutex);
    return rc;
}

/* A is synced and waits; B is not, and comes after it. */
static void a_waits_b_follows(int durability, int failure)
{
    pthread_t a, b;
    lsmkv_snapshot *before = NULL, *during = NULL;
    store_new_real(durability);
    store.env = gate_env();
    store_open();
    CHECK_EQ(try_to_put("z", "0", 0), 0);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &before), 0);
    memset(writers, 0, sizeof writers);
    writers[0].key = "a";
    writers[0].sync = 1;
    writers[1].key = "b";
    gate_close();
    CHECK_EQ(pthread_create(&a, NULL, write_one, (void *)0), 0);
    gate_await(1);
    uint64_t end_of_a = lk_commit_appended(engine());
    expect("a", NULL);
    CHECK_EQ(pthread_create(&b, NULL, write_one, (void *)1), 0);
    while (lk_commit_appended(engine()) == end_of_a)
        usleep(100);
    CHECK_EQ(lsmkv_snapshot_new(store.db, &during), 0);
    CHECK(lsmkv_snapshot_lsn(during) < end_of_a);
    expect("a", NULL);
    expect("b", NULL); /* not before A: that would change what a snapshot in between has seen */
    expect("z", "0");
    CHECK_EQ(count_pairs(NULL, 0), 1);
    CHECK_EQ(rotate_now(), LSMKV_WOULDBLOCK); /* sealed only when wholly visible */
    usleep(20000);
    CHECK_EQ(atomic_load(&writers[0].done) + atomic_load(&writers[1].done), 0);
    gate_open(failure);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    if (failure) {
        CHECK(writers[0].rc < 0 && writers[1].rc < 0);
        expect("a", NULL);
        expect("b", NULL);
        expect("z", "0");
        CHECK_EQ(try_to_put("c", "1", 0), LSMKV_FAILED);
    } else {
        CHECK_EQ(writers[0].rc, 0);
        CHECK_EQ(writers[1].rc, 0);
        CHECK_EQ(count_pairs(NULL, 0), 3);
        CHECK_EQ(rotate_now(), 0);
    }
    CHECK_EQ(count_pairs(before, 0), 1);
    CHECK_EQ(count_pairs(during, 0), 1);
    CHECK(get_at(during, "a") == NULL && get_at(during, "b") == NULL);
    lsmkv_snapshot_free(before);
    lsmkv_snapshot_free(during);
    gate_open(0);
    if (failure)
        CHECK_EQ(lsmkv_close(store.db), LSMKV_FAILED);
    store_abandon();
    store_free();
}

TEST(scenario_04_visibility_advances_in_order)
{
    a_waits_b_follows(LSMKV_SYNC_OS, 0);
    a_waits_b_follows(LSMKV_SYNC_ALWAYS, 0);
}

TEST(scenario_04_a_failed_sync_shows_nothing)
{
    a_waits_b_follows(LSMKV_SYNC_OS, EIO);
    a_waits_b_follows(LSMKV_SYNC_ALWAYS, EIO);
}

/* A snapshot's LSN lies in the active segment of its own version, whatever was sealed. */
TEST(scenario_04_a_snapshot_lies_in_its_own_segment)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; i < 400; i++) {
        lsmkv_snapshot *snapshot = NULL;
        put(number(i), filler);
        CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
        CHECK_EQ(lk_lsn_number(lsmkv_snapshot_lsn(snapshot)), engine()->active->segment->number);
        CHECK_EQ(count_pairs(snapshot, (int)i % 2), i + 1);
        lsmkv_snapshot_free(snapshot);
    }
    store_free();
}

/* ---- 16 ----------------------------------------------------------------------------------------- */

/* The bytes that map_sync was asked for on logs, and how often, since `from` of the trace. */
static uint64_t synced_bytes(size_t from, uint64_t *calls)
{
    uint64_t sum = 0;
    *calls = 0;
    for (const char *at = sim_trace(store.sim) + from; (at = strstr(at, " MAP_SYNC ")) != NULL; at++) {
        unsigned long long offset = 0, bytes = 0;
        char name[64];
        if (sscanf(at, " MAP_SYNC %63s %llu %llu", name, &offset, &bytes) == 3 && strstr(name, ".log")) {
            sum += bytes;
            ++*calls;
        }
    }
    return sum;
}

TEST(scenario_16_a_sync_covers_what_is_not_yet_durable)
{
    store_new(LSMKV_SYNC_OS);
    store.options.segment_bytes = 4 << 20;
    store_open();
    CHECK_EQ(lk_segment_prefault(engine()->active->segment, 256 << 10), 0); /* the keeper's doing */
    for (uint32_t i = 0; i < 40; i++) {
        size_t before = strlen(sim_trace(store.sim));
        uint64_t calls, log = stats().log_bytes;
        put_numbers(i * 20, i * 20 + 1 + i % 20, filler);
        CHECK_EQ(lsmkv_sync(store.db), 0);
        uint64_t bytes = synced_bytes(before, &calls), written = stats().log_bytes - log;
        CHECK_EQ(calls, 1);
        if (!CHECK(bytes >= written && bytes <= written + 2 * 4096 + 24))
            fprintf(stderr, "  %llu bytes for %llu\n", (unsigned long long)bytes, (unsigned long long)written);
    }
    size_t before = strlen(sim_trace(store.sim));
    uint64_t calls, log = stats().log_bytes;
    CHECK_EQ(lsmkv_sync(store.db), 0); /* nothing new */
    CHECK_EQ(synced_bytes(before, &calls), 0);
    CHECK_EQ(stats().log_bytes, log);
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(expect_numbers(0, 1, filler), 1);
    expect(number(39 * 20), filler);
    store_free();
}

/* What the keeper brings to the disk while it is written is not carried again, whole pages only; nothing is claimed. */
TEST(scenario_16_what_was_synced_ahead_is_not_synced_again)
{
    enum { STEP = 16 << 10 };
    uint64_t calls, all = 0, steps = 0;
    store_new(LSMKV_SYNC_INTERVAL);
    store.options.segment_bytes = 4 << 20;
    store.options.sync_interval_ms = 86400000;
    store_open();
    put_numbers(0, 1000, filler);
    uint64_t durable = stats().lsn_durable, end = atomic_load(&engine()->active->segment->end);
    size_t before = strlen(sim_trace(store.sim));
    while (steps < 1000 && lk_commit_ahead(engine(), STEP) == 0)
        steps++;
    all = synced_bytes(before, &calls);
    CHECK_EQ(calls, steps);
    CHECK_EQ(steps, end / STEP);
    CHECK_EQ(all, steps * STEP);
    CHECK_EQ(stats().lsn_durable, durable);
    before = strlen(sim_trace(store.sim));
    CHECK_EQ(lsmkv_sync(store.db), 0);
    CHECK(synced_bytes(before, &calls) <= STEP);
    CHECK(stats().lsn_durable > durable);
    CHECK_EQ(lk_commit_ahead(engine(), STEP), LSMKV_NOTFOUND);
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(expect_prefix(1001), 1000);
    store_free();
}

/* A failed sync is sticky, whoever met it. */
TEST(scenario_28_a_sync_ahead_that_fails_is_a_failed_sync)
{
    store_new(LSMKV_SYNC_INTERVAL);
    store.options.segment_bytes = 4 << 20;
    store.options.sync_interval_ms = 86400000;
    store_open();
    put_numbers(0, 1000, filler);
    sim_fail(store.sim, &(struct sim_fault){.call = SIM_MAP_SYNC, .nth = 1, .err = EIO});
    CHECK_EQ(lk_commit_ahead(engine(), 4096), LSMKV_IO);
    CHECK_EQ(lsmkv_put(store.db, "x", 1, "1", 1, -1, NULL), LSMKV_FAILED);
    CHECK_EQ(lk_commit_ahead(engine(), 4096), LSMKV_NOTFOUND);
    CHECK_EQ(expect_prefix(1001), 1000);
    CHECK_EQ(lsmkv_close(store.db), LSMKV_FAILED);
    store_abandon();
    store_free();
}

/* Synced commits go by write: nothing is prefaulted that a sync would have to carry. */
TEST(scenario_16_always_prefaults_nothing)
{
    store_new(LSMKV_SYNC_ALWAYS);
    store_open();
    put_numbers(0, 100, filler);
    CHECK_EQ(sim_calls(store.sim, SIM_MAP_PREFAULT), 0);
    CHECK(sim_calls(store.sim, SIM_SYNC) >= 100);
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(expect_prefix(101), 100);
    store_free();
}

/* ---- 22 ----------------------------------------------------------------------------------------- */

static lsmkv_batch *large_batch(uint32_t from, uint32_t count)
{
    lsmkv_batch *batch = NULL;
    CHECK_EQ(lsmkv_batch_new(&batch), 0);
    for (uint32_t i = from; i < from + count; i++)
        CHECK_EQ(lsmkv_batch_put(batch, number(i), 6, filler, sizeof filler), 0);
    return batch;
}

/* One oversize segment, one frame: after a power cut at any boundary all of it is there, or nothing. */
TEST(scenario_22_a_batch_above_a_segment_is_whole)
{
    lsmkv_batch *batch = large_batch(10, 500);
    for (uint64_t boundary = 0;; boundary++) {
        store_new(LSMKV_SYNC_OS);
        store_open();
        for (uint32_t i = 0; i < 10; i++)
            CHECK_EQ(lsmkv_put(store.db, number(i), 6, filler, sizeof filler, -1, NULL), 0);
        sim_stop_at(store.sim, sim_boundaries(store.sim) + boundary, SIM_POWER);
        int rc = lsmkv_write(store.db, batch, 1, NULL), over = !sim_stopped(store.sim);
        if (over) {
            CHECK_EQ(rc, 0);
            CHECK(engine()->active->segment->capacity > 500 * sizeof filler);
            CHECK_EQ(count_pairs(NULL, 0), 510);
        }
        store_power(boundary % 3 == 0   ? SIM_EVERYTHING
                    : boundary % 3 == 1 ? SIM_NOTHING
                                        : SIM_MIXED,
                    boundary % 3 == 2 ? boundary : 0);
        store_open();
        int64_t found = count_pairs(NULL, 0);
        CHECK(over ? found == 510 : found <= 10 || found == 510);
        store_free();
        if (over || check_failures)
            break;
    }
    lsmkv_batch_free(batch);
}

TEST(scenario_22_a_batch_has_a_cap)
{
    struct lk_batch batch = {.bytes = {.len = LSMKV_BATCH_MAX - 8}};
    struct lk_record record = {.flags = LK_PUT, .key = lk_slice("key", 3), .value = lk_slice("value", 5)};
    CHECK_EQ(lk_batch_add(&batch, &record), LSMKV_INVALID);
    CHECK_EQ(batch.bytes.len, LSMKV_BATCH_MAX - 8);
    CHECK_EQ(batch.count, 0);
    CHECK(strstr(lsmkv_last_error()->text, "parts") != NULL);
}

/* ---- 24 ----------------------------------------------------------------------------------------- */

/* After a power cut at most the interval's writes are missing, counted from the first unsynced one. */
TEST(scenario_24_at_most_the_interval_is_lost)
{
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct random random = {seed};
        static uint64_t at[400];
        store_new(LSMKV_SYNC_INTERVAL);
        store.options.sync_interval_ms = 100;
        store_open();
        uint32_t count = 50 + (uint32_t)random_below(&random, 200);
        for (uint32_t i = 0; i < count; i++) {
            sim_advance(store.sim, random_below(&random, random_below(&random, 20) ? 10000000 : 400000000));
            at[i] = store_env()->ops->monotonic_ns(store_env());
            put(number(i), filler);
        }
        uint64_t now = store_env()->ops->monotonic_ns(store_env());
        store_power(SIM_NOTHING, 0);
        store_open();
        uint32_t kept = expect_prefix(400);
        if (kept < count)
            CHECK(now - at[kept] <= 110000000); /* the first lost one is no older than the interval */
        store_free();
    }
}

/* ---- 28 ----------------------------------------------------------------------------------------- */

TEST(scenario_28_a_full_disk_at_a_sync_is_a_failed_sync)
{
    for (int durability = LSMKV_SYNC_OS; durability <= LSMKV_SYNC_ALWAYS; durability += 2) {
        store_new(durability);
        store_open();
        put_synced("a", "1");
        enum sim_call call = durability == LSMKV_SYNC_ALWAYS ? SIM_SYNC : SIM_MAP_SYNC;
        sim_fail(store.sim, &(struct sim_fault){.call = call, .nth = 1, .err = ENOSPC});
        int rc = try_to_put("b", "2", 1);
        CHECK_EQ(sim_fired(store.sim), 1);
        CHECK_EQ(rc, LSMKV_FAILED); /* not FULL: the record may be found again */
        sim_fail_none(store.sim);
        CHECK_EQ(try_to_put("c", "3", 0), LSMKV_FAILED); /* no retry */
        CHECK_EQ(lsmkv_sync(store.db), LSMKV_FAILED);
        expect("a", "1");
        expect("b", NULL);
        CHECK_EQ(stats().failed, 1);
        CHECK_EQ(lsmkv_close(store.db), LSMKV_FAILED);
        store_abandon();
        store_open();
        expect("a", "1");
        const char *b = get("b");
        CHECK(!b || strcmp(b, "2") == 0);
        put_synced("c", "3");
        store_free();
    }
}

/* Space that is missing before the write was made is another thing: nothing happened, and it resumes. */
TEST(scenario_28_a_full_disk_before_the_write_is_full)
{
    store_new_in(LSMKV_SYNC_ALWAYS, &(struct sim_config){.space_bytes = 40000, .file_bytes = 8 << 20});
    store_open();
    uint32_t n = 0;
    int rc;
    while ((rc = try_to_put(number(n), filler, -1)) == 0 && n < 2000)
        n++;
    CHECK_EQ(rc, LSMKV_FULL);
    CHECK(n > 50);
    CHECK_EQ(expect_prefix(n + 2), n);
    CHECK_EQ(stats().failed, 0);
    store_power(SIM_EVERYTHING, 0);
    store_abandon();
    store.options.flags = LSMKV_OPEN_READONLY;
    store_open();
    CHECK_EQ(expect_prefix(n + 2), n);
    store_close();
    store_free();
}

/* ---- 33 ----------------------------------------------------------------------------------------- */

/* Where a reservation is not a promise, logs are written and tables are read. */
TEST(scenario_33_unknown_file_systems_get_the_written_source)
{
    for (int cannot = 0; cannot < 2; cannot++) {
        store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.cannot_map = cannot, .file_bytes = 8 << 20});
        store_open();
        CHECK_EQ(engine()->segment_kind, cannot ? LK_SEGMENT_WRITTEN : LK_SEGMENT_MAPPED);
        put_numbers(0, 200, filler);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        put_numbers(200, 220, filler);
        CHECK_EQ(expect_prefix(230), 220);
        store_kill(); /* a killed process loses nothing either way */
        store_open();
        CHECK_EQ(expect_prefix(230), 220);
        CHECK(cannot ? sim_calls(store.sim, SIM_MAP) == 0 : sim_calls(store.sim, SIM_MAP) > 0);
        store_free();
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
