/* The manifest: what was appended is what is loaded, whatever failed or tore in between. On the simulated disk. */
#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "engine/manifest.h"
#include "format/frame.h"
#include "sim/sim.h"
#include "store/table_writer.h"

#define STORE "/store"

static struct sim *sim;
static struct lk_env *env;
static struct lk_dir *dir;
static struct lk_manifest manifest;

static void begin_on(struct sim *machine)
{
    sim = machine;
    env = sim_env(sim);
    CHECK_EQ(env->ops->dir_open(env, STORE, 0700, &dir), 0);
    manifest = (struct lk_manifest){.env = env, .dir = dir, .mode = 0600};
}

static void begin(void)
{
    begin_on(sim_new(NULL));
}

static void finish(void)
{
    lk_manifest_close(&manifest);
    env->ops->dir_close(dir);
    if (!CHECK_EQ(sim_violations(sim), 0))
        fprintf(stderr, "  %s\n", sim_check(sim));
    CHECK_EQ(sim_free(sim), 0);
}

/* ---- edits -------------------------------------------------------------------------------------- */

static const char lo[] = "apple", hi[] = "pear";

static struct lk_table_meta table_meta(uint32_t number, uint32_t run)
{
    return (struct lk_table_meta){.run = run,
                                  .number = number,
                                  .identity = number * 11,
                                  .bytes = number * 1000,
                                  .records = 5,
                                  .tombstones = 1,
                                  .range_deletes = 2,
                                  .payload = 99,
                                  .lsn_min = 1,
                                  .lsn_max = 2,
                                  .lo = lk_slice(lo, 5),
                                  .hi = lk_slice(hi, 4),
                                  .key_min = lk_slice(lo, 5),
                                  .key_max = lk_slice("orange", 6)};
}

/* The first edit: complete. Runs 3 and 1, table 10 in run 1. */
static struct lk_buf complete(void)
{
    struct lk_buf edit = {0};
    struct lk_run_meta runs[2] = {{3, 0, lk_slice("", 0)}, {1, 0, lk_slice("", 0)}};
    struct lk_table_meta table = table_meta(10, 1);
    CHECK_EQ(lk_edit_store(&edit, 77, 5, 6, 0, lk_slice("str", 3), lk_slice("bytes", 5)), 0);
    CHECK_EQ(lk_edit_next(&edit, 50), 0);
    CHECK_EQ(lk_edit_log(&edit, 12, 0, 0, lk_slice("", 0)), 0);
    CHECK_EQ(lk_edit_durable(&edit, 1234), 0);
    CHECK_EQ(lk_edit_table(&edit, &table), 0);
    CHECK_EQ(lk_edit_runs(&edit, runs, 2), 0);
    return edit;
}

static void create(uint32_t number)
{
    struct lk_buf edit = complete();
    CHECK_EQ(lk_manifest_create(&manifest, number, 77, &edit), 0);
    lk_buf_deinit(&edit);
}

/* Appends take the buffer. */
static int append(struct lk_buf edit)
{
    int rc = lk_manifest_append(&manifest, &edit);
    lk_buf_deinit(&edit);
    return rc;
}

static struct lk_buf next_edit(uint32_t number)
{
    struct lk_buf edit = {0};
    CHECK_EQ(lk_edit_next(&edit, number), 0);
    return edit;
}

static uint32_t loaded_next(void)
{
    struct lk_manifest_state state;
    if (!CHECK_EQ(lk_manifest_load(env, dir, &state), 0))
        return 0;
    uint32_t next = state.next_number;
    CHECK_EQ(state.store, 77);
    lk_manifest_state_deinit(&state);
    return next;
}

/* ---- what is written is what is read ------------------------------------------------------------ */

TEST(no_manifest)
{
    struct lk_manifest_state state;
    begin();
    CHECK_EQ(lk_manifest_load(env, dir, &state), LSMKV_NOTFOUND);
    finish();
}

TEST(every_field_arrives)
{
    struct lk_manifest_state state;
    struct lk_buf edit = {0};
    begin();
    create(7);
    CHECK_EQ(lk_manifest_load(env, dir, &state), 0);
    CHECK_EQ(state.store, 77);
    CHECK_EQ(state.seed.a, 5);
    CHECK_EQ(state.seed.b, 6);
    CHECK_STR(state.key_codec, "str");
    CHECK_STR(state.value_codec, "bytes");
    CHECK_EQ(state.manifest_number, 7);
    CHECK_EQ(state.next_number, 50);
    CHECK_EQ(state.log_first, 12);
    CHECK_EQ(state.durable_lsn, 1234);
    CHECK_EQ(state.closed_lsn, 0);
    CHECK_EQ(state.ended_cleanly, 1);
    CHECK_EQ(state.run_count, 2);
    CHECK_EQ(state.runs[0].id, 3);
    CHECK_EQ(state.table_count, 1);
    CHECK_EQ(state.tables[0].identity, 110);
    CHECK_EQ(state.tables[0].records, 5);
    CHECK_EQ(state.tables[0].range_deletes, 2);
    CHECK(lk_equal(state.tables[0].hi, lk_slice("pear", 4)));
    CHECK(lk_equal(state.tables[0].key_max, lk_slice("orange", 6)));
    lk_manifest_state_deinit(&state);

    /* Run 1 moves into run 4, a table comes, the other goes. */
    struct lk_run_meta runs[3] = {{3, 0, lk_slice("", 0)}, {1, 4, lk_slice("kiwi", 4)}, {4, 0, lk_slice("", 0)}};
    struct lk_table_meta table = table_meta(51, 4);
    CHECK_EQ(lk_edit_next(&edit, 52), 0);
    CHECK_EQ(lk_edit_log(&edit, 20, 0, 0, lk_slice("", 0)), 0);
    CHECK_EQ(lk_edit_table(&edit, &table), 0);
    CHECK_EQ(lk_edit_drop(&edit, 10), 0);
    CHECK_EQ(lk_edit_runs(&edit, runs, 3), 0);
    CHECK_EQ(append(edit), 0);
    edit = (struct lk_buf){0};
    CHECK_EQ(lk_edit_durable(&edit, 5678), 0);
    CHECK_EQ(lk_edit_closed(&edit, 5678), 0);
    CHECK_EQ(append(edit), 0);
    CHECK_EQ(manifest.edits, 3);
    CHECK_EQ(lk_manifest_load(env, dir, &state), 0);
    CHECK_EQ(state.log_first, 20);
    CHECK_EQ(state.durable_lsn, 5678);
    CHECK_EQ(state.closed_lsn, 5678);
    CHECK_EQ(state.run_count, 3);
    CHECK_EQ(state.runs[1].into, 4);
    CHECK(lk_equal(state.runs[1].bound, lk_slice("kiwi", 4)));
    CHECK_EQ(state.table_count, 1);
    CHECK_EQ(state.tables[0].number, 51);
    lk_manifest_state_deinit(&state);

    CHECK_EQ(append(next_edit(60)), 0); /* whatever comes after a close: it is open again */
    CHECK_EQ(lk_manifest_load(env, dir, &state), 0);
    CHECK_EQ(state.closed_lsn, 0);
    CHECK_EQ(state.next_number, 60);
    lk_manifest_state_deinit(&state);
    finish();
}

TEST(an_appended_edit_is_durable)
{
    begin();
    create(7);
    for (uint32_t i = 100; i < 120; i++)
        CHECK_EQ(append(next_edit(i)), 0);
    sim_stop_now(sim, SIM_POWER);
    struct sim *image = sim_image(sim, SIM_NOTHING, 0);
    finish();
    begin_on(image);
    CHECK_EQ(loaded_next(), 119);
    finish();
}

/* ---- torn and damaged --------------------------------------------------------------------------- */

static unsigned char *copy_of(const char *name, uint64_t *bytes)
{
    const unsigned char *at = sim_look(sim, STORE, name, bytes);
    unsigned char *copy = malloc(*bytes + 1);
    memcpy(copy, at, *bytes);
    return copy;
}

/* Cut anywhere in the last edit: the state before it, and it is said that it did not end cleanly. */
TEST(a_torn_tail)
{
    struct lk_manifest_state state;
    uint64_t bytes = 0;
    begin();
    create(7);
    CHECK_EQ(append(next_edit(100)), 0);
    uint64_t before = manifest.end;
    struct lk_buf edit = next_edit(200);
    CHECK_EQ(lk_edit_durable(&edit, 9), 0);
    CHECK_EQ(append(edit), 0);
    unsigned char *whole = copy_of("MANIFEST-000007", &bytes);
    CHECK_EQ(bytes, manifest.end);
    for (uint64_t cut = before; cut <= bytes; cut++) {
        sim_put(sim, STORE, "MANIFEST-000007", whole, cut);
        CHECK_EQ(lk_manifest_load(env, dir, &state), 0);
        CHECK_EQ(state.next_number, cut == bytes ? 200 : 100);
        CHECK_EQ(state.ended_cleanly, cut == before || cut == bytes);
        lk_manifest_state_deinit(&state);
    }
    for (uint64_t at = before; at < bytes; at++) { /* or damaged there: nobody can tell */
        whole[at] ^= 0x10;
        sim_put(sim, STORE, "MANIFEST-000007", whole, bytes);
        whole[at] ^= 0x10;
        CHECK_EQ(lk_manifest_load(env, dir, &state), 0);
        CHECK_EQ(state.next_number, 100);
        CHECK_EQ(state.ended_cleanly, 0);
        lk_manifest_state_deinit(&state);
    }
    free(whole);
    finish();
}

/* A bad frame with a good one behind it, or no good first one: damage, and where. */
TEST(a_damaged_middle)
{
    struct lk_manifest_state state;
    uint64_t bytes = 0;
    begin();
    create(7);
    uint64_t first = manifest.end;
    CHECK_EQ(append(next_edit(100)), 0);
    uint64_t second = manifest.end;
    CHECK_EQ(append(next_edit(200)), 0);
    unsigned char *whole = copy_of("MANIFEST-000007", &bytes);
    for (uint64_t at = 0; at < second; at++) {
        whole[at] ^= 0x10;
        sim_put(sim, STORE, "MANIFEST-000007", whole, bytes);
        whole[at] ^= 0x10;
        int rc = lk_manifest_load(env, dir, &state);
        if (at >= 8 && at < 12) { /* the version */
            CHECK_EQ(rc, LSMKV_CORRUPT);
            continue;
        }
        if (!CHECK_EQ(rc, LSMKV_CORRUPT))
            continue;
        CHECK_STR(lsmkv_last_error()->file, "MANIFEST-000007");
        CHECK_EQ(lsmkv_last_error()->offset, at < LK_FILE_HEAD ? 0 : at < first ? LK_FILE_HEAD : first);
    }
    free(whole);
    finish();
}

TEST(a_bad_pointer)
{
    struct lk_manifest_state state;
    uint64_t bytes = 0;
    begin();
    create(7);
    unsigned char *current = copy_of("CURRENT", &bytes);
    CHECK_EQ(bytes, LK_CURRENT_BYTES);
    for (uint64_t at = 0; at < bytes; at++) {
        current[at] ^= 1;
        sim_put(sim, STORE, "CURRENT", current, bytes);
        current[at] ^= 1;
        CHECK_EQ(lk_manifest_load(env, dir, &state), LSMKV_CORRUPT);
        CHECK_STR(lsmkv_last_error()->file, "CURRENT");
    }
    for (uint64_t length = 0; length < bytes; length++) {
        sim_put(sim, STORE, "CURRENT", current, length);
        CHECK_EQ(lk_manifest_load(env, dir, &state), LSMKV_CORRUPT);
    }
    sim_put(sim, STORE, "CURRENT", current, bytes);
    CHECK_EQ(env->ops->remove(dir, "MANIFEST-000007"), 0);
    CHECK_EQ(lk_manifest_load(env, dir, &state), LSMKV_CORRUPT); /* and no word that there is no store */
    CHECK_STR(lsmkv_last_error()->file, "MANIFEST-000007");
    CHECK_EQ(lsmkv_last_error()->recoverable, 0);
    free(current);
    finish();
}

/* Sound frames whose edits make no sense. */
TEST(edits_that_make_no_sense)
{
    struct lk_manifest_state state;
    for (int what = 0; what < 6; what++) {
        struct lk_buf edit = {0};
        struct lk_table_meta table = table_meta(what == 1 ? 99 : 11, what == 0 ? 9 : 1);
        begin();
        create(7);
        switch (what) {
        case 0: /* of a run that is not listed */
        case 1: /* with a number that was never given out */
            CHECK_EQ(lk_edit_table(&edit, &table), 0);
            break;
        case 2: /* a table that is not there leaves */
            CHECK_EQ(lk_edit_drop(&edit, 33), 0);
            break;
        case 3: /* a half-consumed segment: this build makes none */
            CHECK_EQ(lk_edit_log(&edit, 12, 13, 3, lk_slice("m", 1)), 0);
            break;
        case 4:
            CHECK_EQ(lk_buf_copy(&edit, lk_slice("\x7fnonsense", 9)), 0);
            break;
        case 5: /* a codec without a printable name */
            CHECK_EQ(lk_edit_store(&edit, 77, 5, 6, 0, lk_slice("bytes", 5), lk_slice("\x01", 1)), 0);
            break;
        }
        CHECK_EQ(append(edit), 0);
        CHECK_EQ(lk_manifest_load(env, dir, &state), LSMKV_CORRUPT);
        CHECK_STR(lsmkv_last_error()->file, "MANIFEST-000007");
        finish();
    }
}

TEST(the_first_edit_must_be_complete)
{
    struct lk_manifest_state state;
    struct lk_buf edit = next_edit(50);
    begin();
    CHECK_EQ(lk_manifest_create(&manifest, 7, 77, &edit), 0);
    CHECK_EQ(lk_manifest_load(env, dir, &state), LSMKV_CORRUPT);
    lk_buf_deinit(&edit);
    finish();
}

/* ---- beginning anew ----------------------------------------------------------------------------- */

TEST(rewrite)
{
    begin();
    create(7);
    CHECK_EQ(append(next_edit(100)), 0);
    CHECK_EQ(lk_manifest_wants_rewrite(&manifest), 0);
    create(8);
    CHECK_EQ(loaded_next(), 50);
    CHECK_EQ(manifest.number, 8);
    CHECK_EQ(append(next_edit(300)), 0);
    CHECK_EQ(loaded_next(), 300);
    manifest.end = (1 << 20) + 1;
    CHECK_EQ(lk_manifest_wants_rewrite(&manifest), 1);
    manifest.first_bytes = manifest.end / 4 + 1;
    CHECK_EQ(lk_manifest_wants_rewrite(&manifest), 0);
    finish();
}

/* Whatever call fails: the old manifest or the new one, never none; and after a doubt nothing is written any more. */
TEST(a_failed_rewrite)
{
    for (uint64_t nth = 1;; nth++) {
        struct lk_buf edit = complete();
        begin();
        create(7);
        CHECK_EQ(append(next_edit(100)), 0);
        sim_fail(sim, &(struct sim_fault){.call = SIM_CALLS, .nth = nth, .err = EIO});
        int rc = lk_manifest_create(&manifest, 8, 77, &edit), fired = sim_fired(sim) > 0;
        sim_fail_none(sim);
        lk_buf_deinit(&edit);
        uint32_t next = loaded_next();
        if (rc == 0) {
            CHECK_EQ(next, 50);
        } else {
            CHECK(next == 100 || manifest.failed || manifest.number == 8); /* 8: only closing the old one failed */
            int again = append(next_edit(200));
            CHECK_EQ(again != 0, manifest.failed != 0);
            CHECK(again != 0 || loaded_next() == 200);
        }
        sim_stop_now(sim, SIM_POWER);
        for (int how = 0; how < 2; how++) {
            struct sim *image = sim_image(sim, how ? SIM_EVERYTHING : SIM_NOTHING, 0), *machine = sim;
            struct lk_dir *before = dir;
            struct lk_manifest kept = manifest;
            begin_on(image);
            next = loaded_next();
            CHECK(next == 50 || next == 100 || next == 200);
            CHECK(rc != 0 || next == 50);
            finish();
            sim = machine;
            env = sim_env(sim);
            dir = before;
            manifest = kept;
        }
        finish();
        if (!fired)
            break;
        CHECK(nth < 100);
    }
}

TEST(a_failed_rename_or_directory_sync_is_sticky)
{
    for (int call = 0; call < 2; call++) {
        struct lk_buf edit = complete();
        begin();
        create(7);
        sim_fail(sim, &(struct sim_fault){.call = call ? SIM_DIR_SYNC : SIM_RENAME, .nth = call ? 2 : 1, .err = EIO});
        CHECK_EQ(lk_manifest_create(&manifest, 8, 77, &edit), LSMKV_IO);
        CHECK_EQ(sim_fired(sim), 1);
        sim_fail_none(sim);
        CHECK(manifest.failed < 0);
        CHECK(append(next_edit(100)) < 0);
        CHECK(append(next_edit(100)) < 0);
        lk_buf_deinit(&edit);
        CHECK_EQ(loaded_next(), 50);
        finish();
    }
}

/* A failed sync of an edit is sticky; a full disk before it is not. */
TEST(a_failed_append)
{
    begin();
    create(7);
    sim_fail(sim, &(struct sim_fault){.call = SIM_WRITE, .nth = 1, .err = ENOSPC, .part = 10});
    CHECK_EQ(append(next_edit(100)), LSMKV_FULL);
    sim_fail_none(sim);
    CHECK_EQ(manifest.failed, 0);
    CHECK_EQ(loaded_next(), 50);
    CHECK_EQ(append(next_edit(200)), 0); /* in the same place */
    CHECK_EQ(loaded_next(), 200);
    sim_fail(sim, &(struct sim_fault){.call = SIM_SYNC, .nth = 1, .err = EIO});
    CHECK_EQ(append(next_edit(300)), LSMKV_IO);
    sim_fail_none(sim);
    CHECK(append(next_edit(400)) < 0);
    uint32_t next = loaded_next();
    CHECK(next == 200 || next == 300); /* nobody knows, and nothing came behind it */
    finish();
}

/* `count` namespaces from `from` on, `step` apart, behind the default one. */
static int load_counts(uint32_t from, int step, uint32_t count, uint64_t live)
{
    struct lk_manifest_state state;
    struct lk_buf edit = {0};
    begin();
    create(7);
    CHECK_EQ(lk_edit_count(&edit, LK_SPACE_DEFAULT, live, 99), 0);
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQ(lk_edit_count(&edit, from + (uint32_t)((int)i * step), live, 99), 0);
    CHECK_EQ(append(edit), 0);
    int rc = lk_manifest_load(env, dir, &state);
    if (rc == 0) {
        CHECK_EQ(state.counted_lsn, 99);
        CHECK_EQ(state.live.count, count + 1);
        CHECK_EQ(lk_tally_of(&state.live, from), count ? (int64_t)live : 0);
        lk_manifest_state_deinit(&state);
    }
    finish();
    return rc;
}

/* A count that was made up costs no more than it is long, and no sum of it overflows. */
TEST(counts_come_in_order_and_are_bounded)
{
    CHECK_EQ(load_counts(5, 0, 0, 3), 0);
    CHECK_EQ(load_counts(5, 1, 3, INT64_MAX / 2), 0);
    CHECK_EQ(load_counts(1, 1, 20000, 3), 0);
    CHECK_EQ(load_counts(5, 1, 3, (uint64_t)INT64_MAX / 2 + 1), LSMKV_CORRUPT);
    CHECK_EQ(load_counts(5, 0, 2, INT64_MAX / 2), LSMKV_CORRUPT);
    CHECK_EQ(load_counts(20000, -1, 20000, 3), LSMKV_CORRUPT);
    CHECK_EQ(load_counts(LK_SPACE_DEFAULT, 1, 1, 3), LSMKV_CORRUPT);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
