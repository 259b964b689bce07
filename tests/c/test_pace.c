/* What writers pay for the work they leave behind: debts, prices, pauses. */
#include <pthread.h>

#include "slow_kit.h"

#include "engine/background.h"
#include "engine/pace.h"
#include "engine/rotate.h"
#include "engine/spare.h"

static struct lsmkv_options standard(void)
{
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    return options;
}

/* ---- debts -------------------------------------------------------------------------------------- */

TEST(the_price_rises_with_fullness_and_has_a_ceiling)
{
    uint64_t before = 0;
    CHECK_EQ(lk_pace_price(-1, 0), 0);
    CHECK_EQ(lk_pace_price(0, 0), 0);
    for (double fullness = 0.01; fullness < 1; fullness += 0.01) {
        uint64_t price = lk_pace_price(fullness, 0);
        CHECK(price >= before && price > 0);
        before = price;
    }
    CHECK(lk_pace_price(0.5, 0) > 10000 && lk_pace_price(0.5, 0) < 10500); /* 100 MB/s */
    CHECK_EQ(lk_pace_price(1, 0), lk_pace_price(1000, 0));
    CHECK(lk_pace_price(1, UINT64_MAX) <=
          11000000); /* ns a KiB, on any machine: small writes are never far below a pause */
}

TEST(the_price_follows_what_flushes_take)
{
    uint64_t unit = 0;
    CHECK_EQ(lk_pace_unit(unit, 4096, 1000000000), unit); /* nothing but its syncs */
    unit = lk_pace_unit(unit, 64 * MIB, (uint64_t)64 * 1024 * 50000);
    CHECK_EQ(unit, 50000);
    CHECK_EQ(lk_pace_price(0.5, unit), 50001);
    CHECK(lk_pace_unit(unit, 64 * MIB, (uint64_t)64 * 1024 * 10000) < unit);
    CHECK_EQ(lk_pace_price(0.5, 1), lk_pace_price(0.5, 0)); /* a fast one changes nothing */
    CHECK_EQ(lk_pace_price(0.5, UINT64_MAX), lk_pace_price(0.5, (uint64_t)1 << 40));
}

/* Writers are left alone until a flush is due and late; they are slow before L0 is full; all of it follows the options. */
TEST(scenario_31_fullness_of_l0_follows_the_options)
{
    for (uint32_t segments = 1; segments <= 8; segments++) {
        struct lsmkv_options options = standard();
        options.l0_segments = segments;
        double before = -1000;
        uint32_t sealed = 0;
        for (; sealed < 40; sealed++) {
            struct lk_l0 l0 = {.sealed = sealed, .bytes = sealed * options.segment_bytes, .memory_most = UINT64_MAX};
            if (lk_pace_l0_is_full(&options, &l0))
                break;
            l0.active_bytes = options.segment_bytes;
            double fullness = lk_pace_fullness(&options, &l0);
            CHECK(fullness >= before);
            CHECK(sealed > segments || fullness <= 0);
            before = fullness;
        }
        CHECK(sealed > segments + 2 && sealed < 40);
        CHECK(before >= 0.99); /* who meets the stop was slowed down before */
    }
}

TEST(scenario_31_memory_is_what_counts_of_small_records)
{
    struct lsmkv_options options = standard();
    struct lk_l0 l0 = {
        .sealed = 2, .bytes = 2 * MIB, .memory = 20 * MIB, .active_memory = 4 * MIB, .memory_most = 24 * MIB};
    CHECK(lk_pace_l0_is_full(&options, &l0));
    CHECK(lk_pace_fullness(&options, &l0) >= 1);
    l0.sealed = 0; /* nothing that a flush could take away */
    CHECK(!lk_pace_l0_is_full(&options, &l0));
    l0.sealed = 2;
    l0.memory = 8 * MIB;
    CHECK(!lk_pace_l0_is_full(&options, &l0));
    CHECK(lk_pace_fullness(&options, &l0) <= 0);
}

/* Scenario 29: the larger of L0 debt and space debt. */
TEST(scenario_29_runs_that_wait_to_be_merged_slow_writers)
{
    struct lk_shape shape = {.segment_bytes = 32 * MIB, .l0_segments = 3, .run_limit = 4, .run_count = 1};
    shape.runs[0].bytes = (uint64_t)1 << 40;
    CHECK(lk_pace_space(&shape) <= 0); /* one run owes nothing, however large */
    shape.run_count = 5;
    for (int i = 0; i < 4; i++)
        shape.runs[i].bytes = 96 * MIB;
    shape.runs[4].bytes = (uint64_t)1 << 40;
    CHECK(lk_pace_space(&shape) <= 0);
    shape.runs[4].bytes = 96 * MIB;
    CHECK(lk_pace_space(&shape) <= 0); /* a store that has just begun */
    for (int i = 0; i < 4; i++)
        shape.runs[i].bytes = (uint64_t)1 << 40;
    CHECK(lk_pace_space(&shape) <= 0); /* no garbage that anybody has measured: no merge is owed */
    shape.policy = LSMKV_MERGE_LEVELED;
    CHECK(lk_pace_space(&shape) >= 1);
    shape.policy = LSMKV_MERGE_DEFAULT;
    shape.run_count = 54;
    for (int i = 0; i < 54; i++)
        shape.runs[i].bytes = 1;
    CHECK(lk_pace_space(&shape) > 0.5); /* many small ones, which every get pays for */
}

/* Overwriting at full speed: garbage that nobody has the time to merge slows whoever makes it. */
TEST(garbage_slows_writers)
{
    struct lk_shape shape = {
        .segment_bytes = 32 * MIB, .l0_segments = 3, .run_limit = 8, .run_count = 2, .space_limit = 1.25};
    shape.runs[0] = (struct lk_shape_run){.id = 2, .bytes = 1000 * MIB, .records = 1000};
    shape.runs[1] = (struct lk_shape_run){.id = 1, .bytes = 1000 * MIB, .records = 1000, .shadowed = 400};
    CHECK(lk_pace_space(&shape) <= 0); /* 400 MiB are allowed, and a flush */
    double before = 0;
    for (uint64_t shadowed = 500; shadowed <= 800; shadowed += 100) {
        shape.runs[1].shadowed = shadowed;
        CHECK(lk_pace_space(&shape) > before);
        before = lk_pace_space(&shape);
    }
    CHECK(before >= 1);
    shape.space_limit = 0; /* no limit, and nothing is owed */
    CHECK(lk_pace_space(&shape) <= 0);
    shape.space_limit = 1.25;
    shape.policy = LSMKV_MERGE_TIERED; /* which does not merge for it */
    CHECK(lk_pace_space(&shape) <= 0);
    shape.policy = LSMKV_MERGE_DEFAULT;
    shape.runs[0].damaged = 1; /* nobody can */
    CHECK(lk_pace_space(&shape) <= 0);
}

/* ---- a writer and a compactor, on paper ---------------------------------------------------------- */

/* The writer never rests; merges always wait to be done, a step at a time, and only what writers want goes before them. */
struct paper {
    struct lsmkv_options options;
    struct lk_l0 l0;
    uint64_t unit, now, busy_until, flushing_bytes; /* 0: a merge step */
    uint64_t flush_ns, step_ns, log_in_one; /* a KiB, a step, a segment */
    double memory_of_log, most;
    uint32_t flushes, stops;
};

static void paper_flush(struct paper *paper)
{
    uint64_t done = paper->flushing_bytes;
    paper->l0.sealed -= (uint32_t)(done / paper->log_in_one);
    paper->l0.bytes -= done;
    paper->l0.memory = (uint64_t)((double)paper->l0.bytes * paper->memory_of_log);
    paper->unit = lk_pace_unit(paper->unit, done, done / 1024 * paper->flush_ns);
    paper->flushes++;
}

static void paper_compactor(struct paper *paper)
{
    while (paper->now >= paper->busy_until) {
        if (paper->flushing_bytes)
            paper_flush(paper);
        paper->flushing_bytes = lk_pace_wants_flush(&paper->options, &paper->l0) ? paper->l0.bytes : 0;
        paper->busy_until =
            paper->now + (paper->flushing_bytes ? paper->flushing_bytes / 1024 * paper->flush_ns : paper->step_ns);
    }
}

static void paper_writer(struct paper *paper)
{
    enum { PIECE = 64 };
    double fullness = lk_pace_fullness(&paper->options, &paper->l0);
    paper->most = fullness > paper->most ? fullness : paper->most;
    paper->now += PIECE * (3000 + lk_pace_price(fullness, paper->unit));
    paper->l0.active_bytes += PIECE * 1024;
    if (paper->l0.active_bytes >= paper->log_in_one) {
        paper->stops += (uint32_t)lk_pace_l0_is_full(&paper->options, &paper->l0);
        paper->l0.bytes += paper->l0.active_bytes;
        paper->l0.sealed++;
        paper->l0.active_bytes = 0;
    }
    paper->l0.memory = (uint64_t)((double)paper->l0.bytes * paper->memory_of_log);
    paper->l0.active_memory = (uint64_t)((double)paper->l0.active_bytes * paper->memory_of_log);
}

/* small: records so small that memory bounds L0, five and a half segments of it. */
static struct paper paper_run(uint32_t segments, uint64_t flush_ns, int small)
{
    struct paper paper = {.options = standard(), .flush_ns = flush_ns, .step_ns = 32 * 1024 * flush_ns};
    paper.options.l0_segments = segments;
    paper.unit = lk_pace_unit(0, 8 * MIB, 8 * 1024 * flush_ns); /* the first flushes are small: segments grow */
    paper.log_in_one = small ? 24 * MIB : 32 * MIB;
    paper.memory_of_log = small ? 0.25 : 0.01;
    paper.l0.memory_most = (2 * (segments + 1) + 2) * (uint64_t)4 * MIB;
    while (paper.flushes < 20) {
        paper_compactor(&paper);
        paper_writer(&paper);
    }
    return paper;
}

TEST(scenario_31_a_writer_never_meets_the_stop_while_the_compactor_goes_on)
{
    for (uint64_t rate = 5; rate <= 1280; rate *= 2) /* MB/s */
        for (uint32_t segments = 1; segments <= 8; segments++)
            for (int small = 0; small < 2; small++) {
                struct paper paper = paper_run(segments, 1024 * 1000 / rate, small);
                CHECK_EQ(paper.stops, 0);
                CHECK(paper.most < 1);
            }
}

/* What the planner hears of it. */
TEST(scenario_31_writers_who_pay_for_l0_want_its_flush)
{
    struct lk_shape shape;
    open_slow_of(LSMKV_SYNC_OS, 4 * MIB);
    lk_background_shape(engine(), 0, &shape);
    CHECK(!shape.flush_wanted);
    uint32_t sealed = 0;
    for (uint32_t i = 0; sealed < 14 && !shape.flush_wanted; i++) {
        CHECK_EQ(lsmkv_put(store.db, number(i), strlen(number(i)), "", 0, -1, NULL), 0);
        if (i % 100 == 0)
            lk_background_shape(engine(), 0, &shape);
        sealed = shape.sealed;
    }
    CHECK(shape.flush_wanted);
    struct lk_job job = lk_background_next(engine());
    CHECK_EQ(job.kind, LK_JOB_FLUSH);
    CHECK_EQ(stats_now().stall_memtable, 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    lk_background_shape(engine(), 0, &shape);
    CHECK(!shape.flush_wanted);
    store_free();
}

/* ---- pauses ------------------------------------------------------------------------------------- */

static void *put_many(void *count)
{
    char value[1000] = {0};
    for (uint32_t i = 0; i < *(uint32_t *)count; i++)
        CHECK_EQ(lsmkv_put(store.db, number(i), strlen(number(i)), value, sizeof value, -1, NULL), 0);
    return NULL;
}

TEST(writers_are_held_to_the_price_in_short_pauses)
{
    uint32_t count = 2000;
    open_slow();
    atomic_store(&engine()->pace_space, 500); /* 100 MB/s */
    put_many(&count);
    uint64_t paid = atomic_load(&slow.slept), bytes = stats_now().user_bytes;
    CHECK(paid > bytes * 8 && paid < bytes * 12); /* 10 ns a byte, but for what was bought before */
    CHECK(atomic_load(&slow.longest) < 1000000);
    CHECK_EQ(stats_now().stall_pacing_ns, paid);
    CHECK(stats_now().stall_pacing_longest_ns < 1000000);
    CHECK(stats_now().stalls >= stats_now().stall_pacing);
    atomic_store(&engine()->pace_space, 0);
    uint64_t before = stats_now().stall_pacing;
    put_many(&count);
    CHECK(stats_now().stall_pacing <= before + 1);
    store_free();
}

/* The interpreter lock is given up for a pause: a try call never sleeps. */
TEST(a_try_call_answers_wouldblock_when_a_pause_is_due)
{
    char value[1000] = {0};
    int rc = 0, refused = 0;
    open_slow();
    engine()->segment_bytes_next = 1 << 20; /* room for all of it: a full segment is another reason */
    CHECK_EQ(lsmkv_put(store.db, "k", 1, value, sizeof value, -1, NULL), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    while (lk_spare_step(engine()) == 0)
        ; /* what the keeper would have done */
    atomic_store(&engine()->pace_space, 1000);
    for (uint32_t i = 0; i < 1000 && !refused; i++) {
        rc = lsmkv_try_put(store.db, "k", 1, value, sizeof value, 0, NULL);
        refused = rc == LSMKV_WOULDBLOCK && engine()->pace_credit < sizeof value;
    }
    CHECK(refused);
    CHECK_EQ(atomic_load(&slow.slept), 0);
    CHECK_EQ(lsmkv_put(store.db, "k", 1, value, sizeof value, -1, NULL), 0);
    CHECK(atomic_load(&slow.slept) > 0);
    store_free();
}

/* Two intervals without a sync are to be expected of a slow disk; more, and the log must not run away from it. */
TEST(scenario_24_writers_slow_down_when_the_sync_is_behind)
{
    uint32_t count = 500;
    open_slow_with(LSMKV_SYNC_INTERVAL);
    engine()->last_sync_ns = slow.now;
    slow.now += 2 * (uint64_t)store.options.sync_interval_ms * 1000000;
    put_many(&count);
    CHECK_EQ(atomic_load(&slow.slept), 0);
    slow.now += 2 * (uint64_t)store.options.sync_interval_ms * 1000000;
    put_many(&count);
    CHECK(atomic_load(&slow.slept) > 0);
    uint64_t slept = slow.slept;
    engine()->last_sync_ns = slow.now;
    engine()->pace_credit = 0;
    put_many(&count);
    CHECK_EQ(atomic_load(&slow.slept), slept);
    store_free();
}

/* However large a write is, it is kept waiting for less than a second. */
TEST(a_large_write_pays_for_a_part_of_itself)
{
    static char value[24 * MIB];
    open_slow();
    atomic_store(&engine()->pace_space, 1000);
    CHECK_EQ(lsmkv_put(store.db, "k", 1, value, sizeof value, -1, NULL), 0);
    CHECK(atomic_load(&slow.slept) > 0 && atomic_load(&slow.slept) < 1000000000);
    CHECK(atomic_load(&slow.longest) < 1000000);
    store_free();
}

/* Nor do small writes, which take all that is bought, keep it waiting. */
TEST(a_large_write_comes_forward_beside_small_ones)
{
    uint64_t owed = 4 * MIB, small, pauses = 0;
    open_slow();
    atomic_store(&engine()->pace_space, 500);
    lk_mutex_lock(&engine()->write_mutex);
    while (lk_pace_due(engine(), &owed) && CHECK(pauses < 1000)) {
        for (small = 1024; lk_pace_due(engine(), &small) == 0; small = 1024)
            ;
        CHECK(!lk_pace_try(engine(), 1024));
        slow.now += 500000;
        pauses++;
    }
    CHECK_EQ(owed, 0);
    CHECK(pauses > 10);
    lk_mutex_unlock(&engine()->write_mutex);
    store_free();
}

TEST(who_pauses_holds_no_lock_and_close_waits_for_him)
{
    pthread_t writer;
    uint32_t count = 1000;
    lsmkv *other = NULL;
    open_slow();
    CHECK_EQ(lk_open_in(&slow.env, store.path, &store.options, &other), 0);
    atomic_store(&engine()->pace_space, 1000);
    atomic_store(&slow.gate, 1);
    CHECK_EQ(pthread_create(&writer, NULL, put_many, &count), 0);
    while (atomic_load(&slow.at_gate) == 0)
        lk_thread_yield();
    CHECK(lk_mutex_try(&engine()->write_mutex)); /* nothing is held while he sleeps */
    lk_mutex_unlock(&engine()->write_mutex);
    CHECK_EQ(lsmkv_exists(other, NULL, "absent", 6), LSMKV_NOTFOUND);
    atomic_store(&slow.gate, 0);
    CHECK_EQ(lsmkv_close(other), 0);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    lsmkv_release(other);
    expect_count(1000);
    store_free();
}

/* Who comes near the end of a segment slows down while the keeper makes the next. */
TEST(a_spare_that_is_late_slows_writers)
{
    open_slow();
    put("a", "1");
    struct lk_segment *active = engine()->active->segment;
    uint64_t end = active->end;
    active->end = active->capacity / 4 * 3;
    CHECK(lk_pace_spare(engine()) <= 0); /* there is no keeper */
    atomic_store(&engine()->keeping, 1);
    CHECK(lk_pace_spare(engine()) > 0.4 && lk_pace_spare(engine()) < 0.5);
    active->end = active->capacity;
    CHECK(lk_pace_spare(engine()) > 0.8 && lk_pace_spare(engine()) < 1);
    active->end = end;
    CHECK(lk_pace_spare(engine()) <= 0);
    active->end = active->capacity;
    while (!engine()->spare)
        CHECK_EQ(lk_spare_step(engine()), 0);
    CHECK(lk_pace_spare(engine()) <= 0);
    active->end = end;
    store_free();
}

/* ---- the spare ---------------------------------------------------------------------------------- */

static void open_mapped(uint64_t segment_bytes)
{
    store_new(LSMKV_SYNC_OS);
    store.options.segment_bytes = segment_bytes;
    store.options.log_source = LSMKV_SOURCE_MAPPED;
    store_open();
}

TEST(a_spare_is_published_before_it_is_prefaulted)
{
    open_mapped(2 * MIB);
    int steps = 0;
    while (!engine()->spare && steps < 20) {
        CHECK_EQ(lk_spare_step(engine()), 0);
        steps++;
    }
    CHECK(engine()->spare != NULL);
    CHECK_EQ(atomic_load(&engine()->spare->segment->ready), 0);
    while (lk_spare_step(engine()) == 0 && steps < 40)
        steps++;
    CHECK_EQ(lk_spare_step(engine()), LSMKV_NOTFOUND);
    struct lk_segment *active = engine()->active->segment, *spare = engine()->spare->segment;
    CHECK_EQ(atomic_load(&active->ready), active->capacity);
    CHECK_EQ(atomic_load(&spare->ready), spare->capacity);
    CHECK(steps > 1);
    store_free();
}

static void *take(void *unused)
{
    (void)unused;
    CHECK_EQ(lsmkv_flush(store.db), 0);
    return NULL;
}

/* A writer does not make another segment beside the one that is about to be there. */
TEST(a_writer_waits_for_a_spare_under_way)
{
    pthread_t writer;
    struct lk_memtable *made = NULL;
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    engine()->spare_making = 1;
    CHECK_EQ(lk_rotate_make(engine(), lk_rotate_size(engine()), &made), 0);
    CHECK_EQ(pthread_create(&writer, NULL, take, NULL), 0);
    while (lk_mutex_try(&engine()->write_mutex)) { /* until he holds it and waits */
        lk_mutex_unlock(&engine()->write_mutex);
        lk_thread_yield();
    }
    lk_mutex_lock(&engine()->state_mutex);
    engine()->spare = made;
    engine()->spare_making = 0;
    lk_cond_wake_all(&engine()->state_changed);
    lk_mutex_unlock(&engine()->state_mutex);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    CHECK(engine()->active == made);
    CHECK(engine()->spare == NULL);
    store_free();
}

/* Numbers follow the order of use: a spare that is too small, or came too late, goes with its file. */
TEST(a_spare_that_was_passed_over_goes)
{
    static char large[64 << 10];
    char name[40];
    open_mapped(4096);
    put("a", "1");
    while (!engine()->spare)
        CHECK_EQ(lk_spare_step(engine()), 0);
    strcpy(name, engine()->spare->segment->name);
    CHECK(store_has(name));
    CHECK_EQ(lsmkv_put(store.db, "b", 1, large, sizeof large, -1, NULL), 0);
    CHECK(engine()->spare == NULL && engine()->void_spare == NULL);
    CHECK(!store_has(name));
    store_kill();
    store_open();
    expect_count(2);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
