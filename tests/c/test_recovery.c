/* Recovery: what is found again after a kill, a power cut, or damage, and what is said about it. */
#include "store_kit.h"

#include "engine/background.h"
#include "engine/spare.h"

static const char *only(const char *suffix, uint32_t count, uint32_t index)
{
    static char text[2][40];
    static unsigned turn;
    struct store_names names = store_names(suffix);
    CHECK_EQ(names.count, count);
    return strcpy(text[turn++ % 2], names.at[index]);
}

/* ---- ends --------------------------------------------------------------------------------------- */

TEST(clean_and_unclean)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    CHECK_EQ(stats().clean_open, 1); /* it is new */
    put("a", "1");
    store_close();
    store_open();
    CHECK_EQ(stats().clean_open, 1);
    CHECK_EQ(stats().recovered_records, 1);
    expect("a", "1");
    store_close(); /* nothing was written */
    store_open();
    CHECK_EQ(stats().clean_open, 1);
    expect("a", "1");
    put("b", "2");
    store_kill();
    store_open();
    CHECK_EQ(stats().clean_open, 0);
    CHECK_EQ(stats().recovered_records, 2);
    expect("a", "1");
    expect("b", "2");
    expect_count(2);
    store_close();
    store_open();
    CHECK_EQ(stats().clean_open, 1);
    expect_count(2);
    store_free();
}

TEST(scenario_02_killed_again_and_again)
{
    store_new(LSMKV_SYNC_OS);
    for (uint32_t life = 0; life < 12; life++) {
        store_open();
        CHECK_EQ(stats().clean_open, life == 0);
        expect_numbers(0, life * 7, "value");
        expect_count(life * 7);
        put_numbers(life * 7, life * 7 + 7, "value");
        store_kill();
    }
    store_open();
    CHECK_EQ(expect_prefix(100), 84);
    store_free();
}

/* The power goes at once after opening, before anything is written: that is no corruption. */
TEST(power_goes_right_after_open)
{
    for (int unclean = 0; unclean < 2; unclean++)
        for (int how = 0; how < SIM_HOWS; how++)
            for (uint64_t i = 0; i < 8; i++) {
                store_new(LSMKV_SYNC_OS);
                store_open();
                put("a", "1");
                put_synced("b", "2");
                if (unclean)
                    store_kill();
                else
                    store_close();
                store_open();
                if (how != SIM_MIXED && i >= sim_image_count(store.sim, (enum sim_how)how)) {
                    store_free();
                    break;
                }
                store_power((enum sim_how)how, i);
                store_open();
                expect("a", "1");
                expect("b", "2");
                store_free();
            }
}

/* A synced write proves what an unclean open had recovered: it was written anew. */
TEST(scenario_02_recovered_records_are_rewritten_before_a_synced_write)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 10, "value");
    store_kill();
    store_open();
    CHECK_EQ(atomic_load(&engine()->unsettled), 1);
    CHECK_EQ(stats().runs, 0);
    put_numbers(10, 12, "value");
    CHECK_EQ(stats().runs, 0);
    put_synced(number(12), "value");
    CHECK_EQ(stats().runs, 1);
    CHECK_EQ(stats().table_records, 10);
    CHECK_EQ(atomic_load(&engine()->unsettled), 0);
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(expect_prefix(100), 13);
    store_free();
}

/* Its sync too: lsmkv_sync and the interval's. */
TEST(scenario_02_recovered_records_are_rewritten_before_a_sync)
{
    for (int interval = 0; interval < 2; interval++) {
        store_new(interval ? LSMKV_SYNC_INTERVAL : LSMKV_SYNC_OS);
        store_open();
        put_numbers(0, 10, "value");
        store_kill();
        store_open();
        if (interval) {
            sim_advance(store.sim, 3000000000u);
            put(number(10), "value");
        } else {
            put(number(10), "value");
            CHECK_EQ(lsmkv_sync(store.db), 0);
        }
        store_power(SIM_NOTHING, 0);
        store_open();
        CHECK_EQ(expect_prefix(100), 11);
        store_free();
    }
}

/* ---- torn tails --------------------------------------------------------------------------------- */

TEST(a_torn_tail_is_the_end_of_the_log)
{
    for (uint32_t cut = 0; cut < 24; cut++) {
        uint64_t frames[512], end = 0;
        store_new(LSMKV_SYNC_OS);
        store_open();
        put_numbers(0, 10, "some value");
        store_kill();
        const char *log = only(".log", 1, 0);
        CHECK_EQ(store_frames(log, frames, &end), 10);
        if (cut < 12)
            store_damage(log, frames[7] + cut * 3 / 2, 2, 0); /* in the head or the body */
        else
            store_damage(log, frames[7], end - frames[7] - cut, 1); /* the beginning did not arrive */
        store_open();
        CHECK_EQ(expect_prefix(20), 7);
        put(number(7), "new");
        store_kill();
        store_open();
        CHECK_EQ(expect_prefix(20), 8);
        CHECK(store_has(log)); /* never truncated */
        store_close();
        store_open();
        CHECK_EQ(expect_prefix(20), 8);
        store_free();
    }
}

/* What follows a log that ends earlier than it once did belongs to another story. */
TEST(segments_that_are_not_reached_are_set_aside)
{
    uint64_t frames[512], end = 0;
    char first[40], second[40], aside[48];
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; store_names(".log").count < 3; i++)
        put(number(i), "some value to fill a segment with");
    strcpy(first, only(".log", 3, 0));
    strcpy(second, only(".log", 3, 1));
    store_kill();
    uint32_t count = store_frames(first, frames, &end);
    store_damage(first, frames[count - 2], end - frames[count - 2], 1);
    store_open();
    CHECK_EQ(expect_prefix(400), count - 2);
    CHECK(store_has(first));
    CHECK(!store_has(second));
    snprintf(aside, sizeof aside, "%s.aside", second);
    CHECK(store_has(aside));
    CHECK_EQ(store_names(".aside").count, 2);
    put(number(count - 2), "after");
    store_kill();
    store_open();
    CHECK_EQ(expect_prefix(400), count - 1);
    CHECK_EQ(store_names(".aside").count, 2);
    store_free();
}

/* Its name was durable before its first record, and it leaves only after an edit says so: no crash takes it away. */
TEST(a_missing_segment_is_damage)
{
    char lost[40];
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; store_names(".log").count < 3; i++)
        put(number(i), "some value to fill a segment with");
    store_kill();
    strcpy(lost, only(".log", 3, 1));
    store_remove(lost);
    uint64_t hash = sim_image_hash(store.sim);
    CHECK_EQ(store_try_open(), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, lost);
    CHECK_EQ(sim_image_hash(store.sim), hash); /* nothing was touched */
    store_free();
}

/* ---- proofs ------------------------------------------------------------------------------------- */

static void expect_corrupt(const char *file, uint64_t offset)
{
    uint64_t hash = sim_image_hash(store.sim);
    CHECK_EQ(store_try_open(), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, file);
    CHECK_EQ(lsmkv_last_error()->offset, offset);
    CHECK(strstr(lsmkv_last_error()->text, "damaged") != NULL);
    CHECK(store.db == NULL);
    CHECK_EQ(sim_image_hash(store.sim), hash); /* nothing was touched */
}

TEST(scenario_03_a_mark_proves)
{
    uint64_t frames[512], end = 0;
    for (int how = 0; how < 4; how++) {
        store_new(LSMKV_SYNC_OS);
        store_open();
        put_numbers(0, 5, "value");
        put_synced(number(5), "value");
        put_numbers(6, 9, "value"); /* the first of them has the mark before it */
        store_kill();
        const char *log = only(".log", 1, 0);
        CHECK_EQ(store_frames(log, frames, &end), 10);
        switch (how) {
        case 0:
            store_damage(log, frames[2] + 20, 1, 0);
            expect_corrupt(log, frames[2]);
            break;
        case 1: /* a length that leads nowhere: the mark is found all the same */
            store_damage(log, frames[4] + 4, 4, 0);
            expect_corrupt(log, frames[4]);
            break;
        case 2: /* all of it before the mark */
            store_damage(log, LK_FILE_HEAD, frames[6] - LK_FILE_HEAD, 1);
            expect_corrupt(log, LK_FILE_HEAD);
            break;
        case 3: /* behind what is proven: torn */
            store_damage(log, frames[8], end - frames[8], 0);
            store_open();
            CHECK_EQ(expect_prefix(20), 7);
            break;
        }
        store_free();
    }
}

TEST(scenario_03_the_manifest_proves)
{
    uint64_t frames[512], end = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 5, "value");
    store_close();
    const char *log = only(".log", 1, 0);
    CHECK_EQ(store_frames(log, frames, &end), 5);
    store_damage(log, frames[4] + 16, 1, 0);
    expect_corrupt(log, frames[4]);
    store_free();
}

TEST(a_mark_in_a_later_segment_proves)
{
    uint64_t frames[512], end = 0;
    char first[40];
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (uint32_t i = 0; store_names(".log").count < 2; i++)
        put(number(i), "some value to fill a segment with");
    put_synced("x", "1");
    put("y", "2");
    strcpy(first, only(".log", 2, 0));
    store_kill();
    CHECK(store_frames(first, frames, &end) > 10);
    store_damage(first, frames[3] + 1, 1, 0);
    expect_corrupt(first, frames[3]);
    store_free();
}

TEST(a_missing_segment_with_proof)
{
    for (uint32_t which = 0; which < 2; which++) {
        char last[40];
        store_new(LSMKV_SYNC_OS);
        store_open();
        for (uint32_t i = 0; store_names(".log").count < 2; i++)
            put(number(i), "some value to fill a segment with");
        put("z", "1");
        strcpy(last, only(".log", 2, which));
        store_close();
        store_remove(last);
        uint64_t hash = sim_image_hash(store.sim);
        CHECK_EQ(store_try_open(), LSMKV_CORRUPT);
        CHECK_EQ(sim_image_hash(store.sim), hash);
        store_free();
    }
}

/* A read error is never the end of the log. */
TEST(a_read_error_is_an_error)
{
    for (uint64_t nth = 1; nth < 4; nth++) {
        store_new(LSMKV_SYNC_OS);
        store_open();
        put_numbers(0, 5, "value");
        store_kill();
        sim_fail(store.sim, &(struct sim_fault){.call = SIM_READ, .nth = nth, .err = EIO, .only = ".log"});
        int rc = store_try_open();
        if (sim_fired(store.sim) == 0) {
            CHECK(nth > 1);
            CHECK_EQ(rc, 0);
        } else {
            CHECK_EQ(rc, LSMKV_IO);
            CHECK_EQ(lsmkv_last_error()->os_errno, EIO);
            sim_fail_none(store.sim);
            store_open();
        }
        expect_prefix(5);
        store_free();
    }
}

/* ---- what else lies about ----------------------------------------------------------------------- */

TEST(a_spare_that_was_never_used)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    CHECK_EQ(lk_spare_step(engine()), 0);
    char spare[40];
    strcpy(spare, only(".log", 2, 1));
    store_kill();
    CHECK(store_has(spare));
    store_open();
    CHECK(!store_has(spare));
    CHECK_EQ(store_names(".aside").count, 0);
    expect("a", "1");
    put("b", "2");
    CHECK_EQ(lk_spare_step(engine()), 0);
    store_close();
    CHECK_EQ(store_names(".log").count, 1); /* what was recovered is in a table; the spare went at close */
    store_open();
    expect_count(2);
    store_free();
}

TEST(temporary_files_go_and_strangers_stay)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    store_close();
    sim_put(store.sim, store.path, "000099.tmp", "half", 4);
    sim_put(store.sim, store.path, "000077.tbl", "half a table", 12);
    sim_put(store.sim, store.path, "notes.txt", "mine", 4);
    store_open();
    CHECK(!store_has("000099.tmp"));
    CHECK(!store_has("000077.tbl"));
    CHECK(store_has("notes.txt"));
    CHECK(atomic_load(&engine()->number_next) > 99); /* never given out again */
    expect_count(1);
    store_free();
}

TEST(a_log_of_another_store)
{
    uint64_t bytes = 0;
    char log[40];
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    store_kill();
    strcpy(log, only(".log", 1, 0));
    const unsigned char *at = sim_look(store.sim, store.path, log, &bytes);
    unsigned char *copy = malloc(bytes);
    memcpy(copy, at, bytes);
    sim_free(store.sim);
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.seed = 99, .file_bytes = 8 << 20});
    store_open();
    put("b", "1");
    store_kill();
    CHECK_STR(only(".log", 1, 0), log);
    sim_put(store.sim, store.path, log, copy, bytes);
    CHECK_EQ(store_try_open(), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, log);
    free(copy);
    store_free();
}

TEST(reading_only_changes_nothing)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 60, "some value");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_numbers(60, 90, "some value");
    erase(number(89));
    store_kill();
    uint64_t hash = sim_image_hash(store.sim);
    store.options.flags = LSMKV_OPEN_READONLY;
    store_open();
    CHECK_EQ(expect_prefix(100), 89);
    CHECK_EQ(try_to_put("a", "1", -1), LSMKV_READONLY);
    CHECK_EQ(lsmkv_flush(store.db), LSMKV_READONLY);
    store_close();
    CHECK_EQ(sim_image_hash(store.sim), hash);
    store.options.flags = LSMKV_OPEN_CREATE;
    store_open();
    CHECK_EQ(expect_prefix(100), 89);
    store_free();
}

/* Many more keys than lines were guessed for. */
TEST(a_large_segment_of_small_records)
{
    store_new(LSMKV_SYNC_OS);
    store.options.segment_bytes = 1 << 20;
    store_open();
    for (uint32_t i = 0; i < 3000; i++)
        put(number(i), "");
    store_kill();
    store_open();
    CHECK_EQ(stats().recovered_records, 3000);
    expect_count(3000);
    for (uint32_t i = 0; i < 3000; i += 37)
        expect(number(i), "");
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
