/* Slices against a model: keys are overwritten, deleted, deleted in ranges and expire, while slices, flushes and merges go
 * on, snapshots are held, ranges are settled, the disk is full now and then, and the store is closed, is killed, or loses
 * power in the middle of a slice. */
#include "engine/background.h"
#include "store_kit.h"

enum { KEYS = 4000, MS = 1000000, SHOTS = 3, VALUE = 230, LARGE = 400 };

struct fact {
    uint32_t stamp; /* of the value; 0: deleted */
    uint64_t expiry; /* 0: never */
};

struct shot {
    lsmkv_snapshot *snapshot; /* owned; NULL: none */
    uint64_t taken_ns; /* the moment that decides about expiry */
    struct fact facts[KEYS];
};

static struct fact model[KEYS];
static struct shot shots[SHOTS];
static _Atomic uint64_t now_ns;
static uint32_t stamp;

static uint64_t held(void *context)
{
    return atomic_load((_Atomic uint64_t *)context);
}

static const struct lk_version *version(void)
{
    return atomic_load(&engine()->version);
}

static void begin(uint32_t large)
{
    memset(model, 0, sizeof model);
    memset(shots, 0, sizeof shots);
    stamp = 0;
    store_new_in(LSMKV_SYNC_OS, &(struct sim_config){.file_bytes = 4 << 20, .no_history = 1});
    store.options.l0_segments = 1;
    store.options.run_count = 4;
    store.options.segment_bytes = 1 << 19;
    store.options.table_bytes = 65536;
    store.options.page_bytes = 512;
    store.options.space_limit = 1.2;
    store.options.large_value_bytes = large;
    atomic_store(&now_ns, 1000 * (uint64_t)MS);
    store.options.wall_ns = held;
    store.options.wall_context = &now_ns;
    store_open();
}

/* ---- the model ---------------------------------------------------------------------------------- */

static int is_there(const struct fact *fact, uint64_t now)
{
    return fact->stamp && (!fact->expiry || fact->expiry > now);
}

static const char *value_of(uint32_t number)
{
    static char text[LARGE + 1];
    memset(text, 'a' + (char)(number % 26), LARGE);
    snprintf(text, sizeof text, "%08u", number);
    text[8] = '.';
    text[number % 20 ? VALUE : LARGE] = 0;
    return text;
}

static void agree(const lsmkv_snapshot *snapshot, const struct fact *facts, uint64_t now)
{
    int64_t there = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        const char *got = get_at(snapshot, number(key));
        there += is_there(&facts[key], now);
        int same = is_there(&facts[key], now) ? got && strcmp(got, value_of(facts[key].stamp)) == 0 : !got;
        if (CHECK(same))
            continue;
        fprintf(stderr, "  key %u: %.20s, want %u until %llu\n", key, got ? got : "nothing", facts[key].stamp,
                (unsigned long long)facts[key].expiry);
        return;
    }
    CHECK_EQ(count_pairs(snapshot, 0), there);
    CHECK_EQ(count_pairs(snapshot, 1), there);
    uint64_t counted = 0;
    CHECK_EQ(lsmkv_count(store.db, snapshot, NULL, NULL, &counted), 0);
    CHECK_EQ((int64_t)counted, there);
}

static void agree_all(void)
{
    CHECK_EQ(lk_version_check(version()), 0);
    agree(NULL, model, atomic_load(&now_ns));
    for (uint32_t i = 0; i < SHOTS; i++)
        if (shots[i].snapshot)
            agree(shots[i].snapshot, shots[i].facts, shots[i].taken_ns);
}

/* ---- what is done ------------------------------------------------------------------------------- */

static int may_fail(int rc, int full)
{
    return CHECK(rc == 0 || rc == LSMKV_NOTFOUND || (full && rc == LSMKV_FULL)) && rc == 0;
}

static void write_some(struct random *random, uint32_t from, uint32_t keys, int lives, int full)
{
    for (uint32_t i = (uint32_t)random_below(random, 1600); i > 0; i--) {
        uint32_t key = from + (uint32_t)random_below(random, keys);
        const char *name = number(key);
        if (random_below(random, 5) == 0) {
            if (may_fail(lsmkv_delete(store.db, name, 6, -1, NULL), full))
                model[key] = (struct fact){0};
            continue;
        }
        struct fact fact = {++stamp, 0};
        if (lives && random_below(random, 8) == 0)
            fact.expiry = atomic_load(&now_ns) + (1 + random_below(random, 50)) * MS;
        if (may_fail(lsmkv_put_until(store.db, name, 6, value_of(stamp), strlen(value_of(stamp)),
                                     fact.expiry ? fact.expiry : LSMKV_EXPIRY_NEVER, -1, NULL),
                     full))
            model[key] = fact;
    }
}

static void erase_range(struct random *random, int full)
{
    uint32_t from = (uint32_t)random_below(random, KEYS), most = random_below(random, 40) ? 60 : KEYS / 3;
    uint32_t to = from + 1 + (uint32_t)random_below(random, most);
    to = to < KEYS ? to : KEYS;
    struct lsmkv_slice start = {number(from), 6}, stop = {number(to), 6};
    if (may_fail(lsmkv_delete_range(store.db, &start, &stop, -1, NULL), full))
        memset(model + from, 0, (to - from) * sizeof *model);
}

static void settle_range(struct random *random, int full)
{
    uint32_t from = (uint32_t)random_below(random, KEYS), to = from + 1 + (uint32_t)random_below(random, KEYS / 4);
    struct lsmkv_slice start = {number(from), 6}, stop = {number(to), 6};
    (void)may_fail(lsmkv_compact(store.db, &start, &stop, NULL, NULL), full);
}

static void turn_shot(struct shot *shot)
{
    if (shot->snapshot) {
        agree(shot->snapshot, shot->facts, shot->taken_ns);
        lsmkv_snapshot_free(shot->snapshot);
        shot->snapshot = NULL;
    } else {
        CHECK_EQ(lsmkv_snapshot_new(store.db, &shot->snapshot), 0);
        shot->taken_ns = atomic_load(&now_ns);
        memcpy(shot->facts, model, sizeof model);
    }
}

static void drop_shots(void)
{
    for (uint32_t i = 0; i < SHOTS; i++) {
        if (shots[i].snapshot)
            lsmkv_snapshot_free(shots[i].snapshot);
        shots[i].snapshot = NULL;
    }
}

/* The power goes while slices are merged; what was written before is synced. */
static void cut_power(struct random *random)
{
    CHECK_EQ(lsmkv_sync(store.db), 0);
    sim_stop_at(store.sim, sim_boundaries(store.sim) + random_below(random, 80), SIM_POWER);
    for (int i = 0; i < 8 && !sim_stopped(store.sim); i++)
        (void)!lsmkv_step(store.db, NULL);
    sim_stop_now(store.sim, SIM_POWER);
    store_continue(sim_image(store.sim, SIM_MIXED, random_next(random)));
}

static void reopen(struct random *random, int policies)
{
    static const int all[] = {LSMKV_MERGE_DEFAULT, LSMKV_MERGE_DEFAULT, LSMKV_MERGE_LEVELED, LSMKV_MERGE_TIERED,
                              LSMKV_MERGE_NONE};
    drop_shots();
    switch (random_below(random, 3)) {
    case 0:
        store_kill();
        break;
    case 1:
        cut_power(random);
        break;
    default:
        store_close();
    }
    if (policies)
        store.options.merge_policy = all[random_below(random, 5)];
    store_open();
}

/* Steps until there is nothing to do, or `most` of them; how many were slices. */
static uint32_t work(uint32_t most, int full)
{
    struct lsmkv_step did;
    uint32_t slices = 0, steps = 0;
    int rc = 0;
    while (steps++ < most && (rc = lsmkv_step(store.db, &did)) == 0)
        slices += strcmp(did.what, "slice step") == 0;
    CHECK(rc == 0 || rc == LSMKV_NOTFOUND || (full && rc == LSMKV_FULL));
    CHECK(most < 2000 || rc == LSMKV_NOTFOUND);
    return slices;
}

static uint32_t play(uint64_t seed, uint32_t large, int policies, int lives, int fills)
{
    struct random random = {seed};
    uint32_t slices = 0;
    begin(large);
    for (uint32_t key = 0; key < KEYS; key++) {
        model[key].stamp = ++stamp;
        CHECK_EQ(lsmkv_put(store.db, number(key), 6, value_of(stamp), strlen(value_of(stamp)), -1, NULL), 0);
    }
    for (int round = 0; round < 150 && !check_failures; round++) {
        int full = fills && random_below(&random, 6) == 0;
        if (full)
            sim_fail(store.sim, &(struct sim_fault){.call = random_below(&random, 2) ? SIM_WRITE : SIM_CREATE,
                                                    .nth = 1 + random_below(&random, 40),
                                                    .err = ENOSPC,
                                                    .forever = 1,
                                                    .only = ".tbl"});
        uint32_t part = random_below(&random, 2) ? KEYS : KEYS / 8;
        write_some(&random, (uint32_t)random_below(&random, KEYS - part + 1), part, lives, full);
        if (random_below(&random, 6) == 0)
            erase_range(&random, full);
        if (random_below(&random, 30) == 0)
            settle_range(&random, full);
        if (random_below(&random, 2) == 0)
            (void)may_fail(lsmkv_flush(store.db), full);
        slices += work((uint32_t)random_below(&random, 16), full);
        sim_fail_none(store.sim);
        if (lives)
            atomic_fetch_add(&now_ns, random_below(&random, 4) * MS);
        if (random_below(&random, 8) == 0)
            turn_shot(&shots[random_below(&random, SHOTS)]);
        if (random_below(&random, 15) == 0)
            reopen(&random, policies);
        if (round % 20 == 19)
            agree_all();
        if (round % 50 == 49)
            slices += work(2000, 0);
    }
    slices += work(2000, 0);
    agree_all();
    drop_shots();
    store_free();
    return slices;
}

/* So many slices, if all agreed. */
static uint32_t play_twice(uint64_t seed, uint32_t large, int policies, int lives, int fills)
{
    uint32_t slices = 0;
    for (uint32_t i = 0; i < 2 && !check_failures; i++) {
        slices += play(seed + i, large, policies, lives, fills);
        if (check_failures)
            fprintf(stderr, "  seed %llu\n", (unsigned long long)(seed + i));
    }
    printf("%u slices\n", slices);
    return slices;
}

TEST(everything_at_random)
{
    CHECK(play_twice(100, 0, 0, 0, 0) >= 5);
}

TEST(with_expiry)
{
    CHECK(play_twice(200, 0, 0, 1, 0) >= 5);
}

TEST(with_values_apart)
{
    CHECK(play_twice(300, 300, 0, 1, 0) >= 5);
}

TEST(with_a_full_disk)
{
    CHECK(play_twice(400, 0, 0, 0, 1) >= 5);
}

TEST(with_other_policies)
{
    CHECK(play_twice(500, 0, 1, 1, 1) >= 2);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
