/* The number of live keys against a model: of each namespace, at the present and at snapshots, through flushes, merges,
 * clean and unclean ends, range deletes and expiries. Keys of namespaces are made by hand, so that nothing but the engine
 * is asked. */
#include "store_kit.h"

#include "engine/background.h"
#include "engine/count.h"

enum { KEYS = 120, SPACES = 3, HELD = 3, NEVER = 0 };

static const uint32_t SPACE[SPACES] = {LK_SPACE_DEFAULT, 7, 9};

/* live[s][n]: is key n of namespace s there? */
struct content {
    uint8_t live[SPACES][KEYS];
};

static struct content content;

/* ---- keys and records ---------------------------------------------------------------------------- */

struct key {
    uint8_t bytes[64];
    size_t size;
};

/* Every seventh key of the default namespace begins with FF, and so has a prefix of its own. n KEYS: behind all keys. */
static struct key key_of(uint32_t s, uint32_t n)
{
    struct key key = {.size = 0};
    char text[40];
    int length = snprintf(text, sizeof text, n % 5 ? "%s%03u" : "%s%03u with a longer tail",
                          SPACE[s] == LK_SPACE_DEFAULT && n >= KEYS / 7 * 6 ? "\xff" : "k", n);
    key.size = lk_space_prefix(SPACE[s], text, (size_t)length, key.bytes);
    memcpy(key.bytes + key.size, text, (size_t)length);
    key.size += (size_t)length;
    return key;
}

static int add(struct lk_batch *batch, uint32_t s, uint32_t n, uint8_t kind, uint64_t expiry)
{
    struct key key = key_of(s, n);
    struct lk_record record = {.key = lk_slice(key.bytes, key.size), .flags = kind};
    if (kind == LK_PUT)
        record.value = lk_slice("some value", 1 + n % 10);
    if (expiry) {
        record.flags |= LK_RECORD_EXPIRY;
        record.expiry = expiry;
    }
    content.live[s][n] = kind == LK_PUT;
    return lk_batch_add(batch, &record);
}

static int apply(struct lk_batch *batch)
{
    int rc = lk_write_batch(engine(), batch, 0, NULL);
    lk_batch_deinit(batch);
    return rc;
}

static int write_one(uint32_t s, uint32_t n, uint8_t kind, uint64_t expiry)
{
    struct lk_batch batch = {0};
    CHECK_EQ(add(&batch, s, n, kind, expiry), 0);
    return apply(&batch);
}

static int try_range(struct lk_slice start, const struct lk_slice *stop)
{
    struct lk_batch batch = {0};
    struct lk_record record = {.key = start, .flags = LK_RANGE_DELETE};
    if (stop)
        record.value = *stop;
    else
        record.flags |= LK_RECORD_OPEN_END;
    CHECK_EQ(lk_batch_add(&batch, &record), 0);
    return apply(&batch);
}

/* Keys first .. stop - 1 of a namespace, in the order in which they are stored, which is that of n. */
static int erase_some(uint32_t s, uint32_t first, uint32_t stop)
{
    struct key from = key_of(s, first), to = key_of(s, stop);
    struct lk_slice end = lk_slice(to.bytes, to.size);
    if (first >= stop)
        return 0;
    memset(content.live[s] + first, 0, stop - first);
    return try_range(lk_slice(from.bytes, from.size), &end);
}

static int erase_space(uint32_t s)
{
    uint8_t start[LK_SPACE_PREFIX_BYTES], stop[LK_SPACE_PREFIX_BYTES];
    struct lk_slice end = lk_slice(stop, lk_space_stop(SPACE[s], stop));
    memset(content.live[s], 0, KEYS);
    return try_range(lk_slice(start, lk_space_start(SPACE[s], start)), &end);
}

static int erase_all(void)
{
    memset(&content, 0, sizeof content);
    return try_range(lk_slice("", 0), NULL);
}

/* ---- the question -------------------------------------------------------------------------------- */

static int go_on(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    CHECK(done < total);
    return 0;
}

/* As lsmkv.h does it: first without waiting. */
static int64_t count_of(const struct lk_snapshot *snapshot, uint32_t s)
{
    struct lk_watch watch = {.went_on = go_on};
    struct lk_snapshot now;
    uint64_t count = 0;
    int slot = lk_epoch_enter(&engine()->epochs);
    int rc = lk_count_try(engine(), snapshot, SPACE[s], &count);
    lk_epoch_leave(&engine()->epochs, slot);
    if (rc == LSMKV_WOULDBLOCK && snapshot)
        rc = lk_count(engine(), snapshot, SPACE[s], &watch, &count);
    else if (rc == LSMKV_WOULDBLOCK && (rc = lk_snapshot_take(engine(), &now)) == 0) {
        rc = lk_count(engine(), &now, SPACE[s], &watch, &count);
        lk_snapshot_drop(&now);
    }
    return rc == 0 ? (int64_t)count : rc;
}

static int64_t wanted(const struct content *of, uint32_t s)
{
    int64_t sum = 0;
    for (uint32_t n = 0; n < KEYS; n++)
        sum += of->live[s][n];
    return sum;
}

static int agrees_at(const struct lk_snapshot *snapshot, const struct content *of)
{
    int good = 1;
    for (uint32_t s = 0; s < SPACES; s++)
        good &= CHECK_EQ(count_of(snapshot, s), wanted(of, s));
    return good;
}

static int agrees(void)
{
    return agrees_at(NULL, &content);
}

static enum lk_counted_known known(void)
{
    return engine()->counted.now.known;
}

/* What the store itself says is there becomes the model: after a power cut nobody else knows. */
static void learn(void)
{
    for (uint32_t s = 0; s < SPACES; s++)
        for (uint32_t n = 0; n < KEYS; n++) {
            struct key key = key_of(s, n);
            int rc = lk_read_copy(engine(), NULL, lk_slice(key.bytes, key.size), NULL);
            CHECK(rc == 0 || rc == LSMKV_NOTFOUND);
            content.live[s][n] = rc == 0;
        }
}

static void begin(int durability)
{
    memset(&content, 0, sizeof content);
    store_new(durability);
    store.options.l0_segments = 2;
    store_open();
}

/* ---- stories ------------------------------------------------------------------------------------- */

TEST(nobody_asked_nothing_is_kept)
{
    begin(LSMKV_SYNC_OS);
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(0, n, LK_PUT, NEVER), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(known(), LK_COUNTED_NOT);
    store_close();
    store_open();
    CHECK_EQ(known(), LK_COUNTED_NOT);
    agrees();
    CHECK_EQ(known(), LK_COUNTED_WHOLE);
    store_free();
}

TEST(scenario_20_the_count_survives_what_happens_to_files)
{
    begin(LSMKV_SYNC_OS);
    agrees();
    for (uint32_t round = 0; round < 6; round++) {
        for (uint32_t n = round; n < KEYS; n += 1 + round)
            CHECK_EQ(write_one(n % SPACES, n, round % 2 ? LK_DELETE : LK_PUT, NEVER), 0);
        agrees();
        if (round % 3 == 0)
            CHECK_EQ(lsmkv_flush(store.db), 0);
        if (round == 2)
            CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
        if (round == 3)
            store_close();
        else if (round > 3)
            store_kill();
        if (round >= 3)
            store_open();
        CHECK_EQ(known(), LK_COUNTED_WHOLE);
        agrees();
    }
    store_free();
}

static uint64_t read_bytes(void)
{
    return stats().read_bytes;
}

/* Once it has settled, and after opening again, the number is known without a look at a table. */
TEST(scenario_20_a_settled_count_reads_nothing)
{
    begin(LSMKV_SYNC_OS);
    store_close();
    store.options.table_source = LSMKV_SOURCE_READ;
    store_open();
    for (uint32_t n = 0; n < KEYS * SPACES; n++)
        CHECK_EQ(write_one(n % SPACES, n / SPACES, LK_PUT, NEVER), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    agrees();
    for (int round = 0; round < 2; round++) {
        for (uint32_t n = 0; n < KEYS; n += 3)
            CHECK_EQ(write_one(n % SPACES, n, round ? LK_PUT : LK_DELETE, NEVER), 0);
        CHECK_EQ(lsmkv_flush(store.db), 0); /* this looks up what was written, the count after it nothing */
        uint64_t before = read_bytes();
        agrees();
        CHECK_EQ(read_bytes(), before);
        store_close();
        store_open();
        before = read_bytes();
        agrees();
        CHECK_EQ(read_bytes(), before);
    }
    store_free();
}

/* The bottom run counts itself: of a store that was never counted, only what lies above it is looked up. */
TEST(the_first_count_does_not_walk_over_the_bottom)
{
    begin(LSMKV_SYNC_OS);
    store.options.run_count = 32;
    store.options.table_source = LSMKV_SOURCE_READ;
    store_close();
    store_open();
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(0, n, LK_PUT, NEVER), 0);
    CHECK_EQ(lsmkv_flush(store.db), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    uint64_t before = read_bytes();
    agrees();
    CHECK_EQ(read_bytes(), before);
    store_free();
}

TEST(the_first_count_resolves_upper_runs_and_their_range_deletes)
{
    begin(LSMKV_SYNC_OS);
    store.options.run_count = 32;
    store_close();
    store_open();
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(0, n, LK_PUT, NEVER), 0);
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    for (uint32_t run = 0; run < 3; run++) {
        CHECK_EQ(erase_some(0, 30 + run, 40 + 9 * run), 0);
        for (uint32_t n = 25; n < 80; n += 3 + run)
            CHECK_EQ(write_one(0, n, n % 2 ? LK_PUT : LK_DELETE, NEVER), 0);
        CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    CHECK(stats().runs > 2);
    CHECK_EQ(write_one(0, 3, LK_DELETE, NEVER), 0);
    CHECK_EQ(known(), LK_COUNTED_NOT);
    agrees();
    CHECK_EQ(known(), LK_COUNTED_WHOLE);
    store_free();
}

/* So much was written since that a walk is cheaper; and what it found is kept. */
TEST(a_walk_when_most_is_new)
{
    begin(LSMKV_SYNC_OS);
    store.options.segment_bytes = 1 << 20;
    store_close();
    store_open();
    agrees();
    for (uint32_t round = 0; round < 40; round++)
        for (uint32_t n = 0; n < KEYS; n++)
            CHECK_EQ(write_one(n % SPACES, n, round % 3 ? LK_PUT : LK_DELETE, NEVER), 0);
    agrees();
    uint64_t turn = engine()->counted.now.turn;
    CHECK(turn > 2); /* known anew */
    CHECK_EQ(write_one(0, 0, LK_DELETE, NEVER), 0);
    agrees();
    CHECK_EQ(engine()->counted.now.turn, turn);
    store_free();
}

TEST(range_deletes_of_all_of_a_namespace_and_of_parts)
{
    begin(LSMKV_SYNC_OS);
    agrees();
    for (int round = 0; round < 8; round++) {
        for (uint32_t n = 0; n < KEYS; n += 2)
            CHECK_EQ(write_one((n + (uint32_t)round) % SPACES, n, LK_PUT, NEVER), 0);
        if (round % 2)
            agrees();
        CHECK_EQ(round % 4 == 0   ? erase_space((uint32_t)round / 4)
                 : round % 4 == 3 ? erase_all()
                                  : erase_some((uint32_t)round % SPACES, 10, KEYS / 2),
                 0);
        CHECK_EQ(write_one(1, 11, LK_PUT, NEVER), 0);
        CHECK_EQ(write_one(0, 12, LK_DELETE, NEVER), 0);
        agrees();
        if (round % 3 == 0)
            CHECK_EQ(lsmkv_flush(store.db), 0);
        agrees();
    }
    store_free();
}

/* ---- expiry -------------------------------------------------------------------------------------- */

TEST(scenario_20_expiring_keys_are_counted_anew_each_time)
{
    begin(LSMKV_SYNC_OS);
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(n % SPACES, n, LK_PUT, NEVER), 0);
    agrees();
    uint64_t soon = store_env()->ops->wall_ns(store_env()) + 3600000000000u;
    CHECK_EQ(write_one(0, 1, LK_PUT, soon), 0);
    CHECK_EQ(write_one(1, 2, LK_PUT, soon), 0);
    agrees();
    sim_advance(store.sim, 7200000000000u);
    content.live[0][1] = content.live[1][2] = 0; /* without a write */
    agrees();
    for (int life = 0; life < 2; life++) {
        CHECK_EQ(write_one(2, 3, LK_PUT, store_env()->ops->wall_ns(store_env()) + 3600000000000u), 0);
        CHECK_EQ(lsmkv_flush(store.db), 0);
        CHECK_EQ(known(), LK_COUNTED_NOT);
        store_close();
        store_open(); /* the tables remember that there are some */
        CHECK_EQ(known(), LK_COUNTED_NOT);
        agrees();
        CHECK_EQ(known(), LK_COUNTED_NOT);
        sim_advance(store.sim, 7200000000000u);
        content.live[2][3] = 0;
        agrees();
        CHECK_EQ(write_one(0, 5, LK_PUT, NEVER), 0);
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0); /* and now there are none */
        agrees();
        CHECK_EQ(known(), LK_COUNTED_WHOLE);
    }
    store_free();
}

/* ---- counts under way ---------------------------------------------------------------------------- */

static int writes_left;

/* While a count goes on, the world does too. */
static int meddle(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    if (writes_left > 0) {
        uint32_t n = (uint32_t)writes_left-- % KEYS;
        CHECK_EQ(write_one(n % SPACES, n, n % 3 ? LK_DELETE : LK_PUT, NEVER), 0);
        if (n % 4 == 0)
            CHECK_EQ(lsmkv_flush(store.db), 0);
    }
    return 0;
}

TEST(a_first_count_while_writes_and_flushes_go_on)
{
    for (int walk = 0; walk < 2; walk++) {
        struct lk_watch watch = {.went_on = meddle};
        struct lk_snapshot then;
        uint64_t count;
        begin(LSMKV_SYNC_OS);
        for (uint32_t round = 0; round < (walk ? 12 : 2); round++)
            for (uint32_t n = 0; n < KEYS; n++)
                CHECK_EQ(write_one(n % SPACES, n, LK_PUT, NEVER), 0);
        struct content before = content;
        CHECK_EQ(lk_snapshot_take(engine(), &then), 0);
        writes_left = 60;
        CHECK_EQ(lk_count(engine(), &then, SPACE[1], &watch, &count), 0);
        CHECK_EQ((int64_t)count, wanted(&before, 1));
        CHECK_EQ(known(), LK_COUNTED_WHOLE); /* the flushes took it along */
        agrees_at(&then, &before);
        agrees();
        lk_snapshot_drop(&then);
        store_free();
    }
}

static int cancel(void *context, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    return --*(int *)context == 0;
}

TEST(a_cancelled_count_leaves_nothing_behind)
{
    begin(LSMKV_SYNC_OS);
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(0, n, LK_PUT, NEVER), 0);
    for (int calls = 1; calls < 5; calls++) {
        int left = calls;
        uint64_t count = 77;
        int rc = lsmkv_count(store.db, NULL, cancel, &left, &count);
        CHECK_EQ(rc, left == 0 ? LSMKV_CANCELLED : 0);
        CHECK_EQ(known(), left == 0 ? LK_COUNTED_NOT : LK_COUNTED_WHOLE);
        lk_counted_drop(engine());
    }
    agrees();
    store_free();
}

static int close_store(void *context, uint64_t done, uint64_t total)
{
    (void)context, (void)done, (void)total;
    CHECK_EQ(lsmkv_close(store.db), 0);
    return 0;
}

TEST(a_store_may_be_closed_under_a_count)
{
    uint64_t count;
    begin(LSMKV_SYNC_OS);
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(0, n, LK_PUT, NEVER), 0);
    CHECK_EQ(lsmkv_count(store.db, NULL, close_store, NULL, &count), LSMKV_CLOSED);
    CHECK_EQ(lsmkv_try_count(store.db, NULL, &count), LSMKV_CLOSED);
    store_abandon();
    store_open();
    agrees();
    store_free();
}

static int64_t count_through(const lsmkv_snapshot *snapshot)
{
    uint64_t count = 0;
    int rc = lsmkv_try_count(store.db, snapshot, &count);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_count(store.db, snapshot, NULL, NULL, &count);
    return rc == 0 ? (int64_t)count : rc;
}

TEST(a_transaction_counts_its_own_writes_and_has_read_what_it_counted)
{
    lsmkv_txn *txn;
    begin(LSMKV_SYNC_OS);
    put_numbers(0, 50, "value");
    CHECK_EQ(count_through(NULL), 50);
    CHECK_EQ(lsmkv_txn_new(store.db, &txn), 0);
    CHECK_EQ(count_through(lsmkv_txn_snapshot(txn)), 50);
    CHECK_EQ(lsmkv_txn_put(txn, store.db, "a", 1, "b", 1, LSMKV_EXPIRY_NEVER), 0);
    CHECK_EQ(lsmkv_txn_put(txn, store.db, number(7), 6, "b", 1, LSMKV_EXPIRY_NEVER), 0);
    CHECK_EQ(count_through(lsmkv_txn_snapshot(txn)), 51);
    CHECK_EQ(lsmkv_txn_delete(txn, store.db, number(8), 6), 0);
    CHECK_EQ(count_through(lsmkv_txn_snapshot(txn)), 50);
    CHECK_EQ(count_through(NULL), 50);
    put("another", "1");
    CHECK_EQ(lsmkv_txn_commit(txn, 0, NULL), LSMKV_CONFLICT);
    lsmkv_txn_free(txn);
    CHECK_EQ(count_through(NULL), 51);
    store_free();
}

TEST(a_snapshot_is_counted_once)
{
    lsmkv_snapshot *snapshot;
    uint64_t count = 0;
    begin(LSMKV_SYNC_OS);
    put_numbers(0, 30, "value");
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    put_numbers(30, 300, "value");
    CHECK_EQ(count_through(NULL), 300);
    CHECK_EQ(lsmkv_try_count(store.db, snapshot, &count), LSMKV_WOULDBLOCK);
    CHECK_EQ(count_through(snapshot), 30);
    CHECK_EQ(lsmkv_try_count(store.db, snapshot, &count), 0);
    CHECK_EQ(count, 30);
    lsmkv_snapshot_free(snapshot);
    store_free();
}

/* ---- threads ------------------------------------------------------------------------------------- */

enum { BESIDE_KEYS = 6000, COUNTERS = 2 };

static _Atomic int writing;

static void *count_all_the_time(void *unused)
{
    int64_t before = 0;
    (void)unused;
    while (atomic_load(&writing)) {
        int64_t now = count_through(NULL);
        CHECK(now >= before); /* keys are only added */
        before = now;
    }
    return NULL;
}

TEST(beside_a_writer_flushes_and_merges)
{
    pthread_t counters[COUNTERS];
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = 16 << 10;
    store.options.l0_segments = 1;
    store_open();
    atomic_store(&writing, 1);
    for (int i = 0; i < COUNTERS; i++)
        CHECK_EQ(pthread_create(&counters[i], NULL, count_all_the_time, NULL), 0);
    for (uint32_t n = 0; n < BESIDE_KEYS; n++)
        put(number(n * 7919 % BESIDE_KEYS), "value");
    atomic_store(&writing, 0);
    for (int i = 0; i < COUNTERS; i++)
        pthread_join(counters[i], NULL);
    CHECK_EQ(count_through(NULL), BESIDE_KEYS);
    CHECK_EQ(count_pairs(NULL, 0), BESIDE_KEYS);
    store_close();
    store_open();
    CHECK_EQ(count_through(NULL), BESIDE_KEYS);
    store_free();
}

/* ---- ends ---------------------------------------------------------------------------------------- */

TEST(opened_for_reading)
{
    begin(LSMKV_SYNC_OS);
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(n % SPACES, n, LK_PUT, NEVER), 0);
    agrees();
    CHECK_EQ(lsmkv_flush(store.db), 0);
    for (uint32_t n = 0; n < KEYS; n += 4)
        CHECK_EQ(write_one(n % SPACES, n, LK_DELETE, NEVER), 0);
    store_kill();
    store.options.flags = LSMKV_OPEN_READONLY;
    store_open();
    CHECK_EQ(known(), LK_COUNTED_WHOLE);
    agrees();
    store_free();
}

/* A count ahead of what the power cut has left of the log is not believed: all of its segment is lost, or its end. */
static void lose_the_end(int some_synced)
{
    begin(LSMKV_SYNC_OS);
    store.options.segment_bytes = 64 << 10;
    store_close();
    store_open();
    for (uint32_t n = 0; n < KEYS; n++)
        CHECK_EQ(write_one(n % SPACES, n, LK_PUT, NEVER), 0);
    CHECK_EQ(lk_background_seal(engine()), 0);
    if (some_synced) {
        CHECK_EQ(write_one(0, 0, LK_PUT, NEVER), 0);
        CHECK_EQ(lsmkv_sync(store.db), 0);
    }
    for (uint32_t n = 0; n < KEYS; n += 2)
        CHECK_EQ(write_one(n % SPACES, n, LK_DELETE, NEVER), 0);
    agrees(); /* the counted state lies in the active segment, whose end is not synced */
    lk_mutex_lock(&engine()->work_mutex);
    CHECK_EQ(lk_background_flush_locked(engine()), 0);
    lk_mutex_unlock(&engine()->work_mutex);
    store_power(SIM_NOTHING, 0);
    store_open();
    CHECK_EQ(stats().recovered_records, (uint64_t)some_synced);
    CHECK_EQ(known(), LK_COUNTED_NOT);
    learn();
    CHECK_EQ(wanted(&content, 0), KEYS / SPACES);
    agrees();
    store_free();
}

TEST(power_goes_and_the_log_ends_before_the_count)
{
    lose_the_end(0);
    lose_the_end(1);
}

/* ---- any order of anything ----------------------------------------------------------------------- */

static struct held {
    struct lk_snapshot at; /* version NULL: none */
    struct content content;
} held[HELD];

static void let_go(struct held *one)
{
    if (one->at.version)
        lk_snapshot_drop(&one->at);
    one->at.version = NULL;
}

static void let_all_go(void)
{
    for (int i = 0; i < HELD; i++)
        let_go(&held[i]);
}

static int write_random(struct random *random)
{
    struct lk_batch batch = {0};
    uint32_t s = (uint32_t)random_below(random, SPACES), n = (uint32_t)random_below(random, KEYS);
    uint64_t what = random_below(random, 60);
    if (what == 0)
        return erase_space(s);
    if (what == 1 && random_below(random, 4) == 0)
        return erase_all();
    if (what < 4)
        return erase_some(s, n, n + 1 + (uint32_t)random_below(random, KEYS - n - 1 ? KEYS - n - 1 : 1) % 30);
    uint64_t count = what < 8 ? 1 + random_below(random, 40) : 1;
    for (uint64_t i = 0; i < count; i++)
        CHECK_EQ(add(&batch, (uint32_t)random_below(random, SPACES), (uint32_t)random_below(random, KEYS),
                     random_below(random, 3) ? LK_PUT : LK_DELETE, NEVER),
                 0);
    return apply(&batch);
}

static void hold_or_ask(struct random *random)
{
    struct held *one = &held[random_below(random, HELD)];
    if (one->at.version) {
        agrees_at(&one->at, &one->content);
        if (random_below(random, 3) == 0)
            let_go(one);
        return;
    }
    CHECK_EQ(lk_snapshot_take(engine(), &one->at), 0);
    one->content = content;
}

static void end_and_open(struct random *random)
{
    uint64_t how = random_below(random, 4);
    let_all_go();
    if (how < 2) {
        store_close();
    } else if (how == 2) {
        store_kill();
    } else {
        enum sim_how image = (enum sim_how)random_below(random, SIM_HOWS);
        uint64_t count = sim_image_count(store.sim, image);
        if (count == 0)
            return;
        store_power(image, random_below(random, count));
    }
    store_open();
    if (how == 3 || (how == 2 && store.options.durability == LSMKV_SYNC_NONE))
        learn();
}

static void any_step(struct random *random)
{
    struct lsmkv_step did;
    uint64_t what = random_below(random, 200);
    int rc = 0;
    if (what < 150)
        rc = write_random(random);
    else if (what < 165)
        agrees();
    else if (what < 180)
        hold_or_ask(random);
    else if (what < 184)
        rc = lk_background_seal(engine());
    else if (what < 188)
        rc = lsmkv_flush(store.db);
    else if (what < 196)
        rc = lsmkv_step(store.db, &did);
    else if (what == 196)
        rc = lsmkv_compact(store.db, NULL, NULL, NULL, NULL);
    else if (what == 197)
        lk_counted_drop(engine());
    else
        end_and_open(random);
    CHECK(rc == 0 || rc == LSMKV_NOTFOUND);
}

TEST(scenario_20_whatever_happens_the_count_is_exact)
{
    static const int durabilities[] = {LSMKV_SYNC_OS, LSMKV_SYNC_ALWAYS, LSMKV_SYNC_INTERVAL, LSMKV_SYNC_NONE};
    for (uint32_t seed = 0; seed < 24; seed++) {
        struct random random = {seed};
        begin(durabilities[seed % 4]);
        store.options.run_count = 1 + seed % 5;
        store.options.table_source = seed % 3 ? LSMKV_SOURCE_MAPPED : LSMKV_SOURCE_READ;
        store.options.table_bytes = seed % 2 ? 600 : 4096;
        store_close();
        store_open();
        for (int step = 0; step < 1500; step++)
            any_step(&random);
        let_all_go();
        if (!agrees())
            fprintf(stderr, "  seed %u\n", seed);
        store_free();
    }
}

/* ---- stopped anywhere ---------------------------------------------------------------------------- */

static void short_story(void)
{
    struct random random = {5};
    struct lsmkv_step did;
    int rc = 0; /* after the stop everything may fail */
    (void)count_of(NULL, 0);
    for (int step = 0; step < 160; step++) {
        struct lk_batch batch = {0};
        for (int i = 0; i < 4; i++)
            CHECK_EQ(add(&batch, (uint32_t)random_below(&random, SPACES), (uint32_t)random_below(&random, KEYS),
                         random_below(&random, 3) ? LK_PUT : LK_DELETE, NEVER),
                     0);
        rc |= apply(&batch);
        if (step % 16 == 3)
            (void)count_of(NULL, 1);
        if (step % 25 == 9)
            rc |= erase_some(0, 20, 60);
        if (step % 40 == 20)
            rc |= lsmkv_flush(store.db);
        if (step % 10 == 7)
            rc |= lsmkv_step(store.db, &did);
        if (step == 90) {
            rc |= lsmkv_close(store.db);
            store_abandon();
            if (store_try_open() != 0)
                return;
        }
    }
    CHECK(rc >= 0 || sim_stopped(store.sim));
}

static void look_at(struct sim *image)
{
    store_continue(image);
    store.db = NULL;
    store_open();
    learn();
    if (!agrees())
        fprintf(stderr, "  of %s\n", sim_image_name(store.sim));
    store_free();
}

TEST(scenario_20_stopped_at_every_call)
{
    begin(LSMKV_SYNC_OS);
    short_story();
    uint64_t last = sim_boundaries(store.sim);
    store_free();
    for (uint64_t at = 0; at < last; at += 2)
        for (uint64_t image = 0; image < 5; image++) {
            begin(LSMKV_SYNC_OS);
            uint64_t from = sim_boundaries(store.sim);
            if (at < from) {
                store_free();
                break;
            }
            sim_stop_at(store.sim, at, SIM_POWER);
            short_story();
            store_abandon();
            look_at(image == 0   ? sim_kill_image(store.sim)
                    : image == 1 ? sim_image(store.sim, SIM_NOTHING, 0)
                    : image == 2 ? sim_image(store.sim, SIM_EVERYTHING, 0)
                                 : sim_image(store.sim, SIM_MIXED, at * 7 + image));
        }
}

/* A manifest may say anything; here, that there are no keys. Fewer than none is noticed, and never written down: the
 * store would not open again. */
TEST(a_count_that_the_manifest_had_wrong_never_falls_below_none)
{
    uint64_t count = 0;
    store_new(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 3, "1");
    CHECK_EQ(lsmkv_count(store.db, NULL, NULL, NULL, &count), 0);
    CHECK_EQ(count, 3);
    engine()->counted.now.live.at[0].keys = 0;
    store_close();
    store_open();
    erase(number(0));
    CHECK_EQ(lsmkv_count(store.db, NULL, NULL, NULL, &count), 0);
    CHECK_EQ(count, 2);
    store_close();
    store_open();
    engine()->counted.now.live.at[0].keys = -1;
    CHECK_EQ(lsmkv_flush(store.db), 0);
    store_close();
    store_open();
    CHECK_EQ(lsmkv_count(store.db, NULL, NULL, NULL, &count), 0);
    CHECK_EQ(count, 2);
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
