/* Group commit: who syncs for whom, what is visible when, and what a failed sync ends. */
#include "gate_kit.h"
#include "store_kit.h"

#include "engine/commit.h"
#include "engine/read.h"

/* ---- the group ---------------------------------------------------------------------------------- */

enum { CROWD = 8 };
static struct {
    int rc;
    uint64_t lsn;
} member[CROWD];

static void *synced_put(void *at)
{
    unsigned i = (unsigned)(uintptr_t)at;
    char key[16];
    snprintf(key, sizeof key, "member%u", i);
    member[i].rc = lsmkv_put(store.db, key, strlen(key), "1", 1, 1, &member[i].lsn);
    return NULL;
}

/* One leads; all who come while it syncs are served by one sync more. */
static void crowd(int durability, int failure)
{
    pthread_t threads[CROWD];
    store_new_real(durability);
    store.env = gate_env();
    store_open();
    put_synced("before", "1");
    memset(member, 0, sizeof member);
    gate_close();
    CHECK_EQ(pthread_create(&threads[0], NULL, synced_put, (void *)0), 0);
    gate_await(1);
    uint64_t syncs = atomic_load(&gate.syncs);
    for (uintptr_t i = 1; i < CROWD; i++) {
        uint64_t appended = lk_commit_appended(engine());
        CHECK_EQ(pthread_create(&threads[i], NULL, synced_put, (void *)i), 0);
        while (lk_commit_appended(engine()) == appended)
            usleep(50);
    }
    CHECK_EQ(count_pairs(NULL, 0), 1);
    gate_open(failure);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(member[i].rc, failure ? LSMKV_FAILED : 0);
        CHECK(failure || i == 0 || member[i].lsn > member[i - 1].lsn); /* they came one after the other */
    }
    CHECK_EQ(atomic_load(&gate.syncs) - syncs, failure ? 0 : 2);
    CHECK_EQ(count_pairs(NULL, 0), failure ? 1 : 1 + CROWD);
    if (!failure)
        CHECK(stats().lsn_durable >= member[CROWD - 1].lsn);
    gate_open(0);
    CHECK_EQ(lsmkv_close(store.db), failure ? LSMKV_FAILED : 0);
    store_abandon();
    store_open();
    int64_t found = count_pairs(NULL, 0);
    CHECK(failure ? found >= 1 && found <= 1 + CROWD : found == 1 + CROWD);
    store_free();
}

TEST(one_sync_for_all_who_came_meanwhile)
{
    crowd(LSMKV_SYNC_OS, 0);
    crowd(LSMKV_SYNC_ALWAYS, 0);
}

TEST(one_failure_for_all_who_came_meanwhile)
{
    crowd(LSMKV_SYNC_OS, EIO);
    crowd(LSMKV_SYNC_ALWAYS, EIO);
}

/* ---- order, beside readers ---------------------------------------------------------------------- */

enum { WRITERS = 4, TURNS = 300 };
static _Atomic int over;
static _Atomic uint32_t mistakes;
static _Atomic uint32_t returned[WRITERS]; /* the newest turn that has returned */

static uint32_t turn_of(const lsmkv_snapshot *snapshot, unsigned writer)
{
    char key[16];
    void *value = NULL;
    size_t bytes = 0;
    uint32_t turn = 0;
    snprintf(key, sizeof key, "w%u", writer);
    if (lsmkv_get(store.db, snapshot, key, strlen(key), &value, &bytes) == 0) {
        memcpy(&turn, value, sizeof turn);
        lsmkv_free(value);
    }
    return turn;
}

/* Each turn is a batch of two keys; some of them wait for a sync. */
static void *write_turns(void *at)
{
    unsigned writer = (unsigned)(uintptr_t)at;
    char key[16], twin[16];
    lsmkv_batch *batch = NULL;
    snprintf(key, sizeof key, "w%u", writer);
    snprintf(twin, sizeof twin, "twin%u", writer);
    if (lsmkv_batch_new(&batch) != 0)
        return NULL;
    uint64_t last = 0, lsn = 0;
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        lsmkv_batch_reset(batch);
        int rc = lsmkv_batch_put(batch, key, strlen(key), &turn, sizeof turn);
        if (rc == 0)
            rc = lsmkv_batch_put(batch, twin, strlen(twin), &turn, sizeof turn);
        if (rc == 0)
            rc = lsmkv_write(store.db, batch, (turn + writer) % 7 == 0, &lsn);
        if (rc != 0 || lsn <= last || turn_of(NULL, writer) != turn) /* its own write, at once */
            atomic_fetch_add(&mistakes, 1);
        last = lsn;
        atomic_store(&returned[writer], turn);
    }
    lsmkv_batch_free(batch);
    return NULL;
}

static void *watch(void *unused)
{
    uint32_t seen[WRITERS] = {0};
    while (!atomic_load(&over)) {
        lsmkv_snapshot *snapshot = NULL;
        uint32_t floor[WRITERS], turns[WRITERS];
        for (unsigned i = 0; i < WRITERS; i++)
            floor[i] = atomic_load(&returned[i]);
        if (lsmkv_snapshot_new(store.db, &snapshot) != 0)
            continue;
        for (unsigned i = 0; i < WRITERS; i++) {
            turns[i] = turn_of(snapshot, i);
            if (turns[i] < floor[i] || turns[i] < seen[i]) /* what has returned is there, and nothing goes back */
                atomic_fetch_add(&mistakes, 1);
            seen[i] = turns[i];
        }
        for (unsigned i = 0; i < WRITERS; i++) {
            char twin[16];
            void *value = NULL;
            size_t bytes = 0;
            uint32_t other = 0;
            snprintf(twin, sizeof twin, "twin%u", i);
            if (lsmkv_get(store.db, snapshot, twin, strlen(twin), &value, &bytes) == 0) {
                memcpy(&other, value, sizeof other);
                lsmkv_free(value);
            }
            if (other != turns[i] || turn_of(snapshot, i) != turns[i]) /* batches whole, snapshots still */
                atomic_fetch_add(&mistakes, 1);
        }
        lsmkv_snapshot_free(snapshot);
    }
    return unused;
}

static void writers_and_watcher(int durability, int threads)
{
    pthread_t writers[WRITERS], watcher;
    store_new_real(durability);
    store.options.threads = threads;
    store.options.segment_bytes = 8192; /* it rotates and flushes all the time */
    store.options.l0_segments = 2;
    store_open();
    atomic_store(&over, 0);
    atomic_store(&mistakes, 0);
    for (unsigned i = 0; i < WRITERS; i++)
        atomic_store(&returned[i], 0);
    CHECK_EQ(pthread_create(&watcher, NULL, watch, NULL), 0);
    for (uintptr_t i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_create(&writers[i], NULL, write_turns, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&over, 1);
    pthread_join(watcher, NULL);
    CHECK_EQ(atomic_load(&mistakes), 0);
    store_close();
    store_open();
    for (unsigned i = 0; i < WRITERS; i++)
        CHECK_EQ(turn_of(NULL, i), TURNS);
    store_free();
}

TEST(writers_and_a_watcher)
{
    writers_and_watcher(LSMKV_SYNC_OS, 0);
    writers_and_watcher(LSMKV_SYNC_INTERVAL, 0);
    writers_and_watcher(LSMKV_SYNC_OS, 2);
    writers_and_watcher(LSMKV_SYNC_INTERVAL, 2);
}

/* A reader loads the version and then the LSN; a rotation may come in between. What he may see of the version's own
 * active segment: all of it when that was sealed meanwhile, nothing when the LSN still lies before it. */
TEST(the_lsn_is_clipped_to_the_version)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "1");
    struct lk_db *db = engine();
    uint64_t visible = atomic_load(&db->lsn_visible);
    uint32_t active = db->active->segment->number;
    CHECK_EQ(lk_lsn_number(visible), active);
    CHECK_EQ(lk_read_present(db).limit, lk_lsn_offset(visible));
    CHECK_EQ(lk_read_present(db).lsn, visible);
    atomic_store(&db->lsn_visible, lk_lsn(active + 1, LK_FILE_HEAD));
    CHECK_EQ(lk_read_present(db).limit, UINT32_MAX);
    CHECK_EQ(lk_lsn_number(lk_read_present(db).lsn), active);
    expect("a", "1");
    atomic_store(&db->lsn_visible, lk_lsn(active - 1, 99999));
    CHECK_EQ(lk_read_present(db).limit, 0);
    expect("a", NULL);
    atomic_store(&db->lsn_visible, visible);
    store_free();
}

/* ---- what sync promises ------------------------------------------------------------------------- */

TEST(a_synced_write_covers_all_before_it)
{
    for (int durability = LSMKV_SYNC_OS; durability <= LSMKV_SYNC_ALWAYS; durability++) {
        store_new(durability);
        store_open();
        put_numbers(0, 150, "some value, and some more of it, so that segments fill");
        put_synced(number(150), "x");
        put_numbers(151, 155, "y");
        store_power(SIM_NOTHING, 0);
        store_open();
        CHECK(expect_prefix(200) >= 151);
        store_free();
    }
}

TEST(sync_covers_everything_so_far)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 150, "some value, and some more of it, so that segments fill");
    CHECK_EQ(lsmkv_sync(store.db), 0);
    CHECK_EQ(stats().lsn_durable, stats().lsn_visible);
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(expect_prefix(200), 150);
    store_free();
}

/* A failed sync is said once and for all: no retry, and reads go on. */
TEST(a_failed_sync_is_sticky)
{
    for (int kernel = SIM_KEPT; kernel <= SIM_REVERTED; kernel++) {
        store_new(LSMKV_SYNC_ALWAYS);
        store_open();
        put("a", "1");
        uint64_t syncs = sim_calls(store.sim, SIM_SYNC);
        sim_fail(store.sim,
                 &(struct sim_fault){
                     .call = SIM_SYNC, .nth = 1, .err = EIO, .kernel = (enum sim_kernel)kernel, .only = ".log"});
        CHECK_EQ(try_to_put("b", "2", -1), LSMKV_FAILED);
        CHECK_EQ(sim_fired(store.sim), 1);
        sim_fail_none(store.sim);
        CHECK_EQ(lsmkv_sync(store.db), LSMKV_FAILED);
        CHECK_EQ(try_to_put("c", "3", 0), LSMKV_FAILED);
        CHECK(strstr(lsmkv_last_error()->text, "earlier sync failed") != NULL);
        CHECK_EQ(lsmkv_remove(store.db, "a", 1, -1, NULL), LSMKV_FAILED);
        CHECK_EQ(sim_calls(store.sim, SIM_SYNC), syncs + 1); /* no retry */
        expect("a", "1");
        expect_count(1);
        CHECK_EQ(stats().failed, 1);
        CHECK_EQ(lsmkv_close(store.db), LSMKV_FAILED);
        CHECK_EQ(lsmkv_close(store.db), 0); /* it is closed */
        store_abandon();
        store_open();
        expect("a", "1");
        CHECK_EQ(stats().clean_open, 0);
        put_synced("c", "3");
        store_power(SIM_NOTHING, 0);
        store_open();
        expect("a", "1");
        expect("c", "3");
        store_free();
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
