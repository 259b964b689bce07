/* Transactions: what they see, what they remember, when they conflict, what a commit leaves behind. */
#include "store_kit.h"

#include <pthread.h>

#include "engine/conflict.h"
#include "lobby/lobby.h"

/* ---- one at a time, by name ---------------------------------------------------------------------- */

static lsmkv_txn *txn;

static void begin(void)
{
    CHECK_EQ(lsmkv_txn_new(store.db, &txn), 0);
}

static int commit(void)
{
    int rc = lsmkv_txn_commit(txn, -1, NULL);
    lsmkv_txn_free(txn);
    txn = NULL;
    return rc;
}

static void drop(void)
{
    lsmkv_txn_free(txn);
    txn = NULL;
}

static const lsmkv_snapshot *seen(void)
{
    return lsmkv_txn_snapshot(txn);
}

static void tput(const char *key, const char *value)
{
    CHECK_EQ(lsmkv_txn_put(txn, store.db, key, strlen(key), value, strlen(value), LSMKV_EXPIRY_DEFAULT), 0);
}

static void terase(const char *key)
{
    CHECK_EQ(lsmkv_txn_delete(txn, store.db, key, strlen(key)), 0);
}

static void tclear(const char *start, const char *stop)
{
    struct lsmkv_slice from = {start, strlen(start)}, to = {stop, strlen(stop)};
    CHECK_EQ(lsmkv_txn_delete_range(txn, store.db, &from, &to), 0);
}

static void clear(const char *start, const char *stop)
{
    struct lsmkv_slice from = {start, strlen(start)}, to = {stop, strlen(stop)};
    CHECK_EQ(lsmkv_delete_range(store.db, &from, &to, -1, NULL), 0);
}

static int same(const char *got, const char *want)
{
    return got && want ? strcmp(got, want) == 0 : got == want;
}

#define SEES(key, value) CHECK(same(get_at(seen(), key), value))

/* The keys start <= key < stop (NULL: the end) in one word each, at most `most` of them. */
static const char *walk_of(const lsmkv_snapshot *at, const char *start, const char *stop, int reverse, size_t most)
{
    static char text[2][4096];
    static unsigned turn;
    char *out = text[turn++ % 2];
    struct lsmkv_range range = {.has_start = start != NULL, .has_stop = stop != NULL, .reverse = reverse};
    struct lsmkv_pair pairs[3];
    lsmkv_iter *iter = NULL;
    size_t count, used = 0;
    if (start)
        range.start = (struct lsmkv_slice){start, strlen(start)};
    if (stop)
        range.stop = (struct lsmkv_slice){stop, strlen(stop)};
    out[0] = 0;
    int rc = lsmkv_iter_new(store.db, at, &range, &iter);
    while (rc == 0 && most > 0) {
        rc = lsmkv_try_iter_begin(iter, most < 3 ? most : 3, 1 << 20, pairs, &count);
        if (rc == LSMKV_WOULDBLOCK)
            rc = lsmkv_iter_begin(iter, most < 3 ? most : 3, 1 << 20, pairs, &count);
        for (size_t i = 0; rc == 0 && i < count; i++, most--)
            used += (size_t)snprintf(out + used, sizeof text[0] - used, "%.*s=%.*s ", (int)pairs[i].key.size,
                                     (const char *)pairs[i].key.data, (int)pairs[i].value.size,
                                     (const char *)pairs[i].value.data);
        if (rc == 0)
            lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    return rc == 0 || rc == LSMKV_NOTFOUND ? out : lsmkv_status_name(rc);
}

static const char *walk(const char *start, const char *stop)
{
    return walk_of(seen(), start, stop, 0, SIZE_MAX);
}

static void letters(void)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (const char *key = "abcdef"; *key; key++)
        put((char[]){*key, 0}, "0");
}

/* ---- what it sees -------------------------------------------------------------------------------- */

TEST(its_own_writes_lie_over_the_state_of_its_beginning)
{
    letters();
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put("g", "0");
    begin();
    tput("b", "1");
    terase("c");
    tput("h", "1");
    put("a", "later");
    put("i", "later");
    SEES("a", "0");
    SEES("b", "1");
    SEES("c", NULL);
    SEES("g", "0");
    SEES("i", NULL);
    CHECK_STR(walk(NULL, NULL), "a=0 b=1 d=0 e=0 f=0 g=0 h=1 ");
    CHECK_STR(walk_of(seen(), "b", "f", 1, SIZE_MAX), "e=0 d=0 b=1 ");
    tclear("d", "h");
    tput("e", "2");
    SEES("d", NULL);
    SEES("e", "2");
    CHECK_STR(walk(NULL, NULL), "a=0 b=1 e=2 h=1 ");
    expect("b", "0");
    CHECK_EQ(lsmkv_txn_writes(txn), 5);
    drop();
    expect("b", "0");
    expect_count(8);
    store_free();
}

TEST(a_commit_is_one_frame_and_the_end)
{
    uint64_t lsn = 0;
    letters();
    begin();
    SEES("a", "0");
    tput("a", "1");
    tput("a", "2");
    tclear("b", "d");
    tput("c", "1");
    terase("f");
    CHECK_EQ(lsmkv_txn_commit(txn, -1, &lsn), 0);
    CHECK_EQ(lsn, stats().lsn_visible);
    CHECK_EQ(lsmkv_txn_put(txn, store.db, "x", 1, "", 0, 0), LSMKV_INVALID);
    CHECK_EQ(lsmkv_txn_commit(txn, -1, &lsn), LSMKV_INVALID);
    CHECK_STR(get_at(seen(), "a"), "INVALID");
    CHECK_STR(walk(NULL, NULL), "INVALID");
    drop();
    CHECK_STR(walk_of(NULL, NULL, NULL, 0, SIZE_MAX), "a=2 c=1 d=0 e=0 ");
    store_free();
}

TEST(an_iterator_sees_what_was_there_when_it_began)
{
    struct lsmkv_pair pairs[2];
    lsmkv_iter *iter = NULL;
    size_t count = 0;
    letters();
    begin();
    tput("aa", "1");
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    tput("bb", "1");
    CHECK_EQ(lsmkv_iter_new(store.db, seen(), NULL, &iter), 0);
    CHECK_EQ(lsmkv_iter_begin(iter, 2, 1 << 20, pairs, &count), 0);
    CHECK(count == 2 && memcmp(pairs[1].key.data, "aa", 2) == 0);
    lsmkv_iter_end(iter);
    tput("bb", "2"); /* into the memtable it walks */
    tput("bc", "2");
    CHECK_STR(walk("b", "c"), "b=0 bb=2 bc=2 ");
    for (int i = 0; i < 2000; i++)
        tput(number((uint32_t)i), "many");
    tput("c", "1");
    tput("bb", "3");
    tclear("d", "z");
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    char text[64] = "";
    for (;;) {
        int rc = lsmkv_iter_begin(iter, 2, 1 << 20, pairs, &count);
        if (rc != 0) {
            CHECK_EQ(rc, LSMKV_NOTFOUND);
            break;
        }
        for (size_t i = 0; i < count; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s=%.*s ", (int)pairs[i].key.size,
                     (const char *)pairs[i].key.data, (int)pairs[i].value.size, (const char *)pairs[i].value.data);
        lsmkv_iter_end(iter);
    }
    CHECK_STR(text, "b=0 bb=1 c=0 d=0 e=0 f=0 ");
    CHECK_STR(walk(NULL, NULL), "a=0 aa=1 b=0 c=0 d=0 e=0 f=0 ");
    drop();
    lsmkv_iter_free(iter); /* outlives it */
    store_free();
}

TEST(sixteen_keys_at_once)
{
    struct lsmkv_slice keys[4] = {{"a", 1}, {"b", 1}, {"c", 1}, {"x", 1}}, values[4];
    int results[4];
    struct lsmkv_read read;
    letters();
    begin();
    tput("b", "own");
    terase("c");
    CHECK_EQ(lsmkv_read_many_begin(store.db, seen(), keys, 4, values, results, &read), 0);
    CHECK(results[0] == 0 && results[1] == 0 && results[2] == LSMKV_NOTFOUND && results[3] == LSMKV_NOTFOUND);
    CHECK(values[1].size == 3);
    lsmkv_read_end(&read);
    tput("z", "1");
    put("b", "theirs"); /* answered by its own writes: not looked at */
    put("c", "theirs");
    CHECK_EQ(commit(), 0);
    begin();
    CHECK_EQ(lsmkv_read_many_begin(store.db, seen(), keys, 4, values, results, &read), 0);
    lsmkv_read_end(&read);
    tput("z", "2");
    put("x", "theirs"); /* absent was an answer */
    CHECK_EQ(commit(), LSMKV_CONFLICT);
    expect("z", "1");
    store_free();
}

/* ---- savepoints ---------------------------------------------------------------------------------- */

TEST(savepoints_nest)
{
    letters();
    begin();
    CHECK_EQ(lsmkv_txn_keep(txn), LSMKV_INVALID);
    CHECK_EQ(lsmkv_txn_undo(txn), LSMKV_INVALID);
    tput("a", "1");
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    tput("a", "2");
    tput("b", "2");
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    tput("a", "3");
    tclear("b", "e");
    SEES("b", NULL);
    CHECK_EQ(lsmkv_txn_writes(txn), 5);
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    CHECK_EQ(lsmkv_txn_writes(txn), 3);
    SEES("a", "2");
    SEES("b", "2");
    SEES("d", "0");
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    tput("c", "4");
    CHECK_EQ(lsmkv_txn_keep(txn), 0);
    CHECK_EQ(lsmkv_txn_keep(txn), 0);
    SEES("c", "4");
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    CHECK_STR(walk(NULL, NULL), "a=1 b=0 c=0 d=0 e=0 f=0 ");
    CHECK_EQ(lsmkv_txn_undo(txn), LSMKV_INVALID);
    tput("f", "5");
    CHECK_EQ(commit(), 0);
    CHECK_STR(walk_of(NULL, NULL, NULL, 0, SIZE_MAX), "a=1 b=0 c=0 d=0 e=0 f=5 ");
    store_free();
}

/* What comes after a savepoint may fill many memtables. */
TEST(undo_reaches_through_every_memtable_on_top)
{
    letters();
    begin();
    for (uint32_t i = 0; i < 3000; i++)
        tput(number(i), "first");
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    for (uint32_t i = 0; i < 9000; i++)
        i % 3 ? tput(number(i), "second") : terase(number(i));
    CHECK_EQ(count_pairs(seen(), 0), 6 + 6000);
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    CHECK_EQ(count_pairs(seen(), 1), 6 + 3000);
    SEES(number(1), "first");
    SEES(number(8999), NULL);
    CHECK_EQ(commit(), 0);
    expect_count(6 + 3000);
    store_free();
}

/* Kept savepoints do not slow down what follows: their memtables are folded, and say the same. */
TEST(a_thousand_kept_savepoints)
{
    letters();
    begin();
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        CHECK_EQ(lsmkv_txn_save(txn), 0);
        tput(number(i), "kept");
        tput("a", number(i));
        if (i && i % 7 == 0)
            tclear(number(i / 2), number(i / 2 + 1));
        CHECK_EQ(lsmkv_txn_keep(txn), 0);
        SEES(number(i), "kept");
    }
    CHECK(seen()->at.own < 20);
    SEES("a", number(999));
    CHECK_EQ(count_pairs(seen(), 0), 6 + 1000 - 142);
    CHECK_EQ(lsmkv_txn_writes(txn), 2142);
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    CHECK_EQ(count_pairs(seen(), 0), 6);
    drop();
    store_free();
}

/* ---- conflicts ----------------------------------------------------------------------------------- */

TEST(a_key_that_was_read_and_changed_conflicts)
{
    letters();
    begin();
    SEES("a", "0");
    tput("z", "1");
    put("b", "1");
    CHECK_EQ(commit(), 0); /* another key is another matter */
    begin();
    SEES("a", "0");
    tput("z", "2");
    put("a", "1");
    CHECK_EQ(commit(), LSMKV_CONFLICT);
    expect("z", "1");
    begin();
    SEES("nothing", NULL);
    tput("z", "3");
    erase("nothing"); /* still absent, but written */
    CHECK_EQ(commit(), LSMKV_CONFLICT);
    begin();
    SEES("c", "0");
    tput("z", "4");
    clear("b", "d");
    CHECK_EQ(commit(), LSMKV_CONFLICT);
    expect("z", "1");
    store_free();
}

TEST(blind_writes_do_not_conflict)
{
    letters();
    begin();
    tput("a", "1");
    terase("b");
    tclear("c", "e");
    SEES("a", "1");
    SEES("b", NULL);
    SEES("d", NULL);
    put("a", "theirs");
    put("b", "theirs");
    put("d", "theirs");
    CHECK_EQ(commit(), 0);
    CHECK_STR(walk_of(NULL, NULL, NULL, 0, SIZE_MAX), "a=1 e=0 f=0 ");
    store_free();
}

TEST(without_writes_there_is_nothing_to_conflict)
{
    uint64_t lsn = 0;
    letters();
    begin();
    CHECK_STR(walk(NULL, NULL), "a=0 b=0 c=0 d=0 e=0 f=0 ");
    tput("g", "1");
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    put("a", "1");
    CHECK_EQ(lsmkv_txn_writes(txn), 1);
    drop();
    begin();
    CHECK_STR(walk(NULL, NULL), "a=1 b=0 c=0 d=0 e=0 f=0 ");
    put("a", "2");
    CHECK_EQ(lsmkv_txn_commit(txn, 1, &lsn), 0);
    CHECK_EQ(lsn, lsmkv_snapshot_lsn(seen()));
    drop();
    store_free();
}

/* A range is remembered as far as it was walked, whichever way, with what was not there. */
TEST(phantoms_conflict)
{
    static const struct {
        const char *start, *stop, *theirs;
        int reverse;
        size_t most;
        int rc;
    } cases[] = {
        {"b", "e", "cc", 0, SIZE_MAX, LSMKV_CONFLICT},
        {"b", "e", "bb", 1, SIZE_MAX, LSMKV_CONFLICT},
        {"b", "e", "e", 0, SIZE_MAX, 0},
        {"b", "e", "aa", 0, SIZE_MAX, 0},
        {"b", "e", "b", 0, SIZE_MAX, LSMKV_CONFLICT},
        {"b", NULL, "zz", 0, SIZE_MAX, LSMKV_CONFLICT},
        {NULL, "c", "", 1, SIZE_MAX, LSMKV_CONFLICT},
        {"x", "y", "xx", 0, SIZE_MAX, LSMKV_CONFLICT},
        {NULL, NULL, "b", 0, 2, LSMKV_CONFLICT},
        {NULL, NULL, "bb", 0, 2, 0},
        {NULL, NULL, "aa", 0, 2, LSMKV_CONFLICT},
        {NULL, NULL, "ee", 1, 2, LSMKV_CONFLICT},
        {NULL, NULL, "e", 1, 2, LSMKV_CONFLICT},
        {NULL, NULL, "dd", 1, 2, 0},
        {NULL, NULL, "zz", 1, 2, LSMKV_CONFLICT},
        {NULL, NULL, "zz", 0, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int flushed = 0; flushed < 2; flushed++) {
            letters();
            begin();
            (void)walk_of(seen(), cases[i].start, cases[i].stop, cases[i].reverse, cases[i].most);
            tput("own", "1");
            put(cases[i].theirs, "1");
            if (flushed)
                CHECK_EQ(lsmkv_flush(store.db), 0);
            if (!CHECK_EQ(commit(), cases[i].rc))
                fprintf(stderr, "  case %zu, flushed %d\n", i, flushed);
            store_free();
        }
    }
}

TEST(range_deletes_beside_ranges)
{
    static const struct {
        const char *from, *to;
        int rc;
    } theirs[] = {{"a", "c", 0},
                  {"a", "cc", LSMKV_CONFLICT},
                  {"dd", "de", LSMKV_CONFLICT},
                  {"e", "f", 0},
                  {"a", "z", LSMKV_CONFLICT}};
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++) {
        letters();
        begin();
        CHECK_STR(walk("c", "e"), "c=0 d=0 ");
        tput("own", "1");
        clear(theirs[i].from, theirs[i].to);
        if (!CHECK_EQ(commit(), theirs[i].rc))
            fprintf(stderr, "  case %zu\n", i);
        store_free();
    }
}

/* Each reads what the other writes: one of them has to go. */
TEST(write_skew_is_prevented)
{
    lsmkv_txn *one, *two;
    letters();
    begin(), one = txn;
    begin(), two = txn;
    txn = one;
    SEES("a", "0");
    tput("b", "1");
    txn = two;
    SEES("b", "0");
    tput("a", "1");
    txn = one;
    CHECK_EQ(commit(), 0);
    txn = two;
    CHECK_EQ(commit(), LSMKV_CONFLICT);
    expect("a", "0");
    expect("b", "1");
    store_free();
}

TEST(what_was_undone_was_still_read)
{
    letters();
    begin();
    CHECK_EQ(lsmkv_txn_save(txn), 0);
    SEES("a", "0");
    CHECK_EQ(lsmkv_txn_undo(txn), 0);
    tput("b", "1");
    put("a", "1");
    CHECK_EQ(commit(), LSMKV_CONFLICT);
    store_free();
}

/* ---- 9 ------------------------------------------------------------------------------------------- */

/* Others write, or do not, what was read as a key and as a range; then the log goes: sealed, flushed, merged, or all
 * of it between other tables. */
static void after_the_log(int key_changes, int range_changes, int how)
{
    letters();
    CHECK_EQ(lsmkv_flush(store.db), 0);
    begin();
    SEES("a", "0");
    SEES("absent", NULL);
    CHECK_STR(walk("d", NULL), "d=0 e=0 f=0 ");
    tput("own", "1");
    put("b", "theirs");
    if (key_changes == 1)
        put("a", "theirs");
    else if (key_changes == 2)
        put("absent", "theirs");
    else if (key_changes == 3)
        clear("a", "b");
    if (range_changes == 1)
        put("ee", "theirs");
    else if (range_changes == 2)
        erase("e");
    else if (range_changes == 3)
        put("f", "theirs");
    if (how == 0) /* sealed: in the log still */
        put_numbers(0, 200, "filler of a segment, filler of a segment");
    if (how >= 1)
        CHECK_EQ(lsmkv_flush(store.db), 0);
    if (how == 2)
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    if (how == 3) {
        put("b", "again");
        CHECK_EQ(lsmkv_flush(store.db), 0);
        put("b", "and again");
    }
    if (!CHECK_EQ(commit(), key_changes || range_changes ? LSMKV_CONFLICT : 0))
        fprintf(stderr, "  key %d, range %d, how %d\n", key_changes, range_changes, how);
    expect("own", key_changes || range_changes ? NULL : "1");
    store_free();
}

TEST(scenario_09_conflicts_are_found_after_merges)
{
    for (int how = 0; how < 4; how++)
        for (int key = 0; key < 4; key++)
            for (int range = 0; range < 4; range++)
                after_the_log(key, range, how);
}

/* The same value in another file is the same. */
TEST(scenario_09_a_rewritten_value_is_no_conflict_once_the_log_is_gone)
{
    letters();
    begin();
    SEES("a", "0");
    CHECK_STR(walk("d", NULL), "d=0 e=0 f=0 ");
    tput("own", "1");
    put("a", "1");
    put("a", "0");
    CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
    CHECK_EQ(commit(), 0);
    expect("own", "1");
    store_free();
}

static void walk_numbers(uint32_t stop)
{
    struct lsmkv_range range = {.stop = {number(stop), 6}, .has_stop = 1};
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter = NULL;
    size_t count, sum = 0;
    CHECK_EQ(lsmkv_iter_new(store.db, seen(), &range, &iter), 0);
    while (lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count) == 0) {
        sum += count;
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    CHECK_EQ(sum, stop);
}

/* Time alone changes nothing that a transaction has seen: for it, it stands still. */
TEST(scenario_09_what_has_only_expired_nobody_has_changed)
{
    struct lk_env *env;
    uint64_t lsn;
    letters();
    env = store_env();
    lsn = stats().lsn_visible;
    CHECK_EQ(lsmkv_put_if(store.db, lsn, "t", 1, "1", 1, env->ops->wall_ns(env) + 1000000000, -1, NULL), 0);
    begin();
    SEES("t", "1");
    CHECK_STR(walk("e", "z"), "e=0 f=0 t=1 ");
    tput("own", "1");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    env->ops->sleep_ns(env, 2000000000);
    put("a", "theirs");
    expect("t", NULL);
    SEES("t", "1");
    CHECK_EQ(commit(), 0);
    expect("own", "1");
    store_free();
}

/* More keys than are asked for one by one under the mutex, more frames than are walked there; then so few again that
 * they are walked. */
TEST(many_reads_beside_many_writes)
{
    for (int kind = 0; kind < 8; kind++) {
        store_new_real(LSMKV_SYNC_OS);
        store.options.segment_bytes = 8 << 20;
        store_open();
        for (uint32_t i = 0; i < 3000; i++)
            put(number(i), "0");
        begin();
        if (kind % 2)
            walk_numbers(3000);
        else
            for (uint32_t i = 0; i < 3000; i++)
                SEES(number(i), "0");
        tput("own", "1");
        for (uint32_t i = 0; i < (kind / 4 ? 100 : 6000); i++)
            put(number(3000 + i), "nobody read that, nobody read that, nobody read that");
        if (kind / 2 % 2)
            put(number(1500), "theirs");
        CHECK_EQ(commit(), kind / 2 % 2 ? LSMKV_CONFLICT : 0);
        store_free();
    }
}

/* ---- against a model ----------------------------------------------------------------------------- */

enum { KEYS = 24, DEPTH = 6, NONE = -1, GONE = 0 };

static struct model {
    int base[KEYS], now[KEYS];      /* 0: absent */
    int own[DEPTH][KEYS];           /* NONE: not written by the transaction */
    uint64_t writes[DEPTH];
    int depth;
    int read[KEYS], written[KEYS];  /* looked at and not answered by itself; written by others */
} model;

static const char *model_key(int key)
{
    return number((uint32_t)key * 10);
}

static int model_sees(int key)
{
    int own = model.own[model.depth][key];
    return own == NONE ? model.base[key] : own;
}

static void model_write(struct random *random, int salt)
{
    int key = (int)random_below(random, KEYS), stop = key + 1 + (int)random_below(random, 5);
    int *own = model.own[model.depth];
    model.writes[model.depth]++;
    switch (random_below(random, 6)) {
    case 0:
        tclear(model_key(key), model_key(stop));
        for (; key < stop && key < KEYS; key++)
            own[key] = GONE;
        break;
    case 1:
        terase(model_key(key));
        own[key] = GONE;
        break;
    default:
        tput(model_key(key), number((uint32_t)salt));
        own[key] = salt;
    }
}

static void model_read(struct random *random)
{
    int key = (int)random_below(random, KEYS), want = model_sees(key);
    SEES(model_key(key), want ? number((uint32_t)want) : NULL);
    model.read[key] |= model.own[model.depth][key] == NONE;
}

static void model_walk(struct random *random)
{
    char want[4096] = "";
    int from = (int)random_below(random, KEYS), to = from + (int)random_below(random, KEYS),
        reverse = (int)random_below(random, 2);
    to = to > KEYS ? KEYS : to;
    for (int i = from; i < to; i++) {
        int key = reverse ? to - 1 - (i - from) : i, sees = model_sees(key);
        model.read[key] = 1;
        if (sees)
            snprintf(want + strlen(want), sizeof want - strlen(want), "%s=%s ", model_key(key), number((uint32_t)sees));
    }
    CHECK_STR(walk_of(seen(), model_key(from), model_key(to), reverse, SIZE_MAX), want);
}

static void model_savepoint(struct random *random)
{
    if (model.depth + 1 < DEPTH && random_below(random, 2)) {
        CHECK_EQ(lsmkv_txn_save(txn), 0);
        memcpy(model.own[model.depth + 1], model.own[model.depth], sizeof model.own[0]);
        model.writes[model.depth + 1] = model.writes[model.depth];
        model.depth++;
    } else if (model.depth && random_below(random, 2)) {
        CHECK_EQ(lsmkv_txn_keep(txn), 0);
        memcpy(model.own[model.depth - 1], model.own[model.depth], sizeof model.own[0]);
        model.writes[model.depth - 1] = model.writes[model.depth];
        model.depth--;
    } else if (model.depth) {
        CHECK_EQ(lsmkv_txn_undo(txn), 0);
        model.depth--;
    }
}

static void model_others(struct random *random, int salt)
{
    int key = (int)random_below(random, KEYS), stop = key + 1 + (int)random_below(random, 3);
    switch (random_below(random, 8)) {
    case 0:
        CHECK_EQ(lsmkv_flush(store.db), 0);
        return;
    case 1:
        CHECK_EQ(lsmkv_compact(store.db, NULL, NULL, NULL, NULL), 0);
        return;
    case 2:
        clear(model_key(key), model_key(stop));
        for (; key < stop && key < KEYS; key++)
            model.now[key] = 0, model.written[key] = 1;
        return;
    case 3:
        put_numbers(1000, 1050, "nobody looks at that");
        clear(number(1000), number(1050));
        return;
    default:
        put(model_key(key), number((uint32_t)salt));
        model.now[key] = salt;
        model.written[key] = 1;
    }
}

/* It must conflict when what it looked at says something else now, and must not when nobody wrote there; between the
 * two (written, and the same again) either is right. */
static uint32_t committed, refused;

static void model_commit(uint64_t seed)
{
    int touched = 0, differs = 0, wrote = model.writes[model.depth] > 0;
    for (int key = 0; key < KEYS; key++) {
        touched |= model.read[key] && model.written[key];
        differs |= model.read[key] && model.now[key] != model.base[key];
    }
    CHECK_EQ(lsmkv_txn_writes(txn), model.writes[model.depth]);
    int rc = commit();
    if (!CHECK(rc == 0 ? !differs || !wrote : rc == LSMKV_CONFLICT && touched && wrote))
        fprintf(stderr, "  seed %llu: rc %d\n", (unsigned long long)seed, rc);
    committed += rc == 0;
    refused += rc == LSMKV_CONFLICT;
    for (int key = 0; key < KEYS; key++) {
        int own = model.own[model.depth][key];
        if (rc == 0 && own != NONE)
            model.now[key] = own;
        expect(model_key(key), model.now[key] ? number((uint32_t)model.now[key]) : NULL);
    }
}

TEST(agrees_with_a_model)
{
    committed = refused = 0;
    for (uint64_t seed = 1; seed <= 60 && !check_failures; seed++) {
        struct random random = {seed};
        int salt = 1;
        memset(&model, 0, sizeof model);
        store_new(LSMKV_SYNC_OS);
        store_open();
        for (int turn = 0; turn < 12; turn++) {
            memcpy(model.base, model.now, sizeof model.base);
            memset(model.own, 0xff, sizeof model.own);
            memset(model.writes, 0, sizeof model.writes);
            memset(model.read, 0, sizeof model.read);
            memset(model.written, 0, sizeof model.written);
            model.depth = 0;
            begin();
            uint64_t others = random_below(&random, 3) * random_below(&random, 3);
            for (uint64_t step = random_below(&random, 40); step > 0; step--, salt++)
                switch (random_below(&random, 8)) {
                case 0:
                    model_walk(&random);
                    break;
                case 1:
                    model_savepoint(&random);
                    break;
                case 2:
                case 3:
                    model_read(&random);
                    break;
                case 4:
                    if (others && others--)
                        model_others(&random, salt);
                    break;
                default:
                    model_write(&random, salt);
                }
            model_commit(seed);
        }
        store_free();
    }
    CHECK_EQ(committed + refused, 60 * 12);
    CHECK(committed > 100 && refused > 100);
}

/* ---- size ---------------------------------------------------------------------------------------- */

TEST(a_large_transaction)
{
    static char value[300000];
    store_new_real(LSMKV_SYNC_OS);
    store.options.segment_bytes = 1 << 20;
    store_open();
    begin();
    memset(value, 'v', sizeof value);
    for (uint32_t i = 0; i < 60000; i++)
        tput(number(i % 50000), i < 50000 ? "1" : "2");
    for (uint32_t i = 0; i < 8; i++)
        CHECK_EQ(lsmkv_txn_put(txn, store.db, number(100000 + i), 6, value, sizeof value, 0), 0);
    CHECK_EQ(count_pairs(seen(), 0), 50008);
    SEES(number(1), "2");
    CHECK_EQ(lsmkv_txn_writes(txn), 60008);
    CHECK_EQ(commit(), 0);
    expect_count(50008);
    expect(number(9999), "2");
    expect(number(10000), "1");
    store_close();
    store_open();
    expect_count(50008);
    store_free();
}

/* More range deletes than one memtable holds are possible, more than one batch holds are not. */
TEST(too_many_range_deletes_are_refused_at_the_commit)
{
    letters();
    begin();
    for (uint32_t i = 0; i < LK_MEM_RANGES_MAX + 1; i++)
        tclear(number(i), number(i + 1));
    tclear("b", "d");
    CHECK_STR(walk(NULL, NULL), "a=0 d=0 e=0 f=0 ");
    CHECK_EQ(commit(), LSMKV_INVALID);
    expect_count(6);
    store_free();
}

/* ---- handles and threads ------------------------------------------------------------------------- */

TEST(handles_of_the_same_store_only)
{
    struct lsmkv_options options;
    lsmkv *other = NULL, *second = NULL;
    letters();
    lsmkv_options_init(&options);
    options.threads = 0;
    CHECK_EQ(lk_open_in(store_env(), store.path, &store.options, &second), 0);
    CHECK_EQ(lk_open_in(store_env(), "/other", &options, &other), 0);
    begin();
    CHECK_EQ(lsmkv_txn_put(txn, second, "s", 1, "1", 1, 0), 0);
    CHECK_EQ(lsmkv_txn_put(txn, other, "o", 1, "1", 1, 0), LSMKV_INVALID);
    CHECK_EQ(lsmkv_close(second), 0);
    CHECK_EQ(lsmkv_txn_put(txn, second, "s", 1, "2", 1, 0), LSMKV_CLOSED);
    CHECK_EQ(commit(), LSMKV_CLOSED); /* what it wrote through has ended, perhaps because its namespace was dropped */
    expect("s", NULL);
    begin();
    tput("s", "3");
    CHECK_EQ(lsmkv_close(store.db), 0);
    CHECK_EQ(lsmkv_txn_save(txn), LSMKV_CLOSED);
    CHECK_STR(get_at(seen(), "s"), "CLOSED");
    CHECK_EQ(commit(), LSMKV_CLOSED);
    lsmkv_release(second);
    CHECK_EQ(lsmkv_close(other), 0);
    lsmkv_release(other);
    store_free();
}

TEST(a_read_only_store_has_transactions_that_read)
{
    letters();
    store_close();
    store.options.flags = LSMKV_OPEN_READONLY;
    store_open();
    begin();
    SEES("a", "0");
    CHECK_EQ(lsmkv_txn_put(txn, store.db, "a", 1, "1", 1, 0), LSMKV_READONLY);
    CHECK_EQ(commit(), 0);
    store_free();
}

static _Atomic int go_on;
static _Atomic uint32_t busy, fine, mistakes;

/* Whatever two threads do to one transaction at once, each call is done or refused. */
static void *misuse(void *at)
{
    struct random random = {(uintptr_t)at};
    while (atomic_load(&go_on)) {
        const char *key = number((uint32_t)random_below(&random, 50));
        struct lsmkv_pair pairs[4];
        struct lsmkv_read read;
        lsmkv_iter *iter = NULL;
        size_t count;
        int rc;
        switch (random_below(&random, 6)) {
        case 0:
            rc = lsmkv_read_begin(store.db, seen(), key, 6, &read);
            if (rc == 0)
                lsmkv_read_end(&read);
            break;
        case 1:
            rc = lsmkv_exists(store.db, seen(), key, 6);
            break;
        case 2:
            rc = lsmkv_iter_new(store.db, seen(), NULL, &iter);
            if (rc == 0) {
                rc = lsmkv_iter_begin(iter, 4, 1 << 20, pairs, &count);
                if (rc == 0)
                    lsmkv_iter_end(iter);
            }
            lsmkv_iter_free(iter);
            break;
        case 3:
            rc = lsmkv_txn_save(txn);
            break;
        case 4:
            rc = random_below(&random, 2) ? lsmkv_txn_undo(txn) : lsmkv_txn_keep(txn);
            break;
        default:
            rc = lsmkv_txn_put(txn, store.db, key, 6, "value", 5, 0);
        }
        atomic_fetch_add(rc == LSMKV_BUSY ? &busy : &fine, 1);
        if (rc < 0 && rc != LSMKV_BUSY && rc != LSMKV_INVALID)
            atomic_fetch_add(&mistakes, 1);
    }
    return NULL;
}

TEST(two_threads_in_one_transaction_are_told_so)
{
    pthread_t threads[2];
    store_new_real(LSMKV_SYNC_OS);
    store_open();
    put_numbers(0, 50, "0");
    begin();
    atomic_store(&go_on, 1);
    for (uintptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, misuse, (void *)(i + 1)), 0);
    while (atomic_load(&fine) < 3000 || atomic_load(&busy) == 0)
        usleep(100);
    atomic_store(&go_on, 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&mistakes), 0);
    CHECK_EQ(commit(), 0);
    expect_count(50);
    store_free();
}

/* ---- the bank ------------------------------------------------------------------------------------ */

enum { ACCOUNTS = 12, TELLERS = 4, TRANSFERS = 250, MONEY = 100, PADDING = 200 };

/* An account: how much there is, and how often it was written. */
struct account {
    int64_t money;
    uint64_t version;
    char padding[PADDING];
};
static uint64_t transferred[TELLERS][ACCOUNTS]; /* writes that were committed */

static int account_get(lsmkv_txn *of, int account, struct account *out)
{
    void *value = NULL;
    size_t bytes = 0;
    int rc = lsmkv_get(store.db, lsmkv_txn_snapshot(of), model_key(account), 6, &value, &bytes);
    if (rc == 0)
        memcpy(out, value, sizeof *out);
    lsmkv_free(value);
    return rc;
}

static int account_put(lsmkv_txn *of, int account, struct account *now)
{
    now->version++;
    return lsmkv_txn_put(of, store.db, model_key(account), 6, now, sizeof *now, 0);
}

static int transfer(lsmkv_txn *of, int from, int to, int64_t sum)
{
    struct account a, b;
    int rc = account_get(of, from, &a);
    if (rc == 0)
        rc = account_get(of, to, &b);
    a.money -= sum;
    b.money += sum;
    if (rc == 0)
        rc = account_put(of, from, &a);
    return rc == 0 ? account_put(of, to, &b) : rc;
}

/* All the money there is, in one scan of a transaction. */
static int64_t total(lsmkv_txn *of)
{
    struct lsmkv_pair pairs[5];
    lsmkv_iter *iter = NULL;
    int64_t sum = 0;
    size_t count;
    int rc = lsmkv_iter_new(store.db, lsmkv_txn_snapshot(of), NULL, &iter);
    while (rc == 0 && (rc = lsmkv_iter_begin(iter, 5, 1 << 20, pairs, &count)) == 0) {
        for (size_t i = 0; i < count; i++) {
            struct account account;
            memcpy(&account, pairs[i].value.data, sizeof account);
            sum += account.money;
        }
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    return rc == LSMKV_NOTFOUND ? sum : -1;
}

static void *teller(void *at)
{
    unsigned who = (unsigned)(uintptr_t)at;
    struct random random = {who + 1};
    for (int done = 0; done < TRANSFERS;) {
        lsmkv_txn *own = NULL;
        int from = (int)random_below(&random, ACCOUNTS),
            to = (from + 1 + (int)random_below(&random, ACCOUNTS - 1)) % ACCOUNTS;
        int rc = lsmkv_txn_new(store.db, &own), audits = random_below(&random, 8) == 0;
        if (rc == 0)
            rc = transfer(own, from, to, (int64_t)random_below(&random, 50));
        if (audits && total(own) != ACCOUNTS * MONEY)
            atomic_fetch_add(&mistakes, 1);
        if (rc == 0)
            rc = lsmkv_txn_commit(own, random_below(&random, 16) == 0, NULL);
        lsmkv_txn_free(own);
        if (rc == 0) {
            transferred[who][from]++;
            transferred[who][to]++;
            done++;
        } else if (rc != LSMKV_CONFLICT) {
            atomic_fetch_add(&mistakes, 1);
            return NULL;
        }
    }
    return NULL;
}

static void *janitor(void *unused)
{
    (void)unused;
    while (atomic_load(&go_on))
        if (lsmkv_flush(store.db) != 0 || lsmkv_compact(store.db, NULL, NULL, NULL, NULL) != 0)
            atomic_fetch_add(&mistakes, 1);
    return NULL;
}

/* Money neither comes nor goes, in any transaction; and each account was written as often as transfers were committed
 * on it: so each of them began where another one ended. */
static void bank(int with_janitor)
{
    pthread_t threads[TELLERS], cleaner;
    struct account account = {MONEY, 0, ""};
    store_new_real(LSMKV_SYNC_OS);
    store.options.threads = 2;
    store.options.segment_bytes = with_janitor ? 16 << 10 : 256 << 10;
    store_open();
    for (int i = 0; i < ACCOUNTS; i++)
        CHECK_EQ(lsmkv_put(store.db, model_key(i), 6, &account, sizeof account, -1, NULL), 0);
    memset(transferred, 0, sizeof transferred);
    atomic_store(&mistakes, 0);
    atomic_store(&go_on, 1);
    if (with_janitor)
        CHECK_EQ(pthread_create(&cleaner, NULL, janitor, NULL), 0);
    for (uintptr_t i = 0; i < TELLERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, teller, (void *)i), 0);
    for (int i = 0; i < TELLERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&go_on, 0);
    if (with_janitor)
        pthread_join(cleaner, NULL);
    CHECK_EQ(atomic_load(&mistakes), 0);
    begin();
    CHECK_EQ(total(txn), ACCOUNTS * MONEY);
    for (int i = 0; i < ACCOUNTS; i++) {
        uint64_t want = 0;
        for (int who = 0; who < TELLERS; who++)
            want += transferred[who][i];
        CHECK_EQ(account_get(txn, i, &account), 0);
        CHECK_EQ(account.version, want);
    }
    drop();
    store_free();
}

TEST(a_bank)
{
    bank(0);
}

TEST(a_bank_whose_log_is_always_gone)
{
    bank(1);
}

/* ---- the power goes ------------------------------------------------------------------------------ */

/* Wherever it goes, in whatever state the disk is then: a transaction is whole or absent, and there if it was
 * acknowledged as synced. */
TEST(a_commit_is_whole_or_absent_after_a_power_cut)
{
    for (uint64_t boundary = 0; !check_failures; boundary++) {
        store_new(LSMKV_SYNC_OS);
        store_open();
        put_synced("a", "0");
        begin();
        SEES("a", "0");
        for (uint32_t i = 0; i < 60; i++)
            tput(number(i), "some value, so that it does not fit behind what is there already, some value");
        tput("a", "1");
        sim_stop_at(store.sim, sim_boundaries(store.sim) + boundary, SIM_POWER);
        int rc = lsmkv_txn_commit(txn, 1, NULL), over = !sim_stopped(store.sim);
        drop();
        sim_stop_now(store.sim, SIM_POWER);
        struct sim *machine = store.sim;
        store_abandon();
        for (uint64_t i = 0; i < 40 && !check_failures; i++) {
            uint64_t systematic = sim_image_systematic(machine);
            store.sim = sim_image_at(machine, i < 20 ? i * systematic / 20 : systematic + i, 7);
            store_open();
            int whole = same(get("a"), "1");
            expect("a", whole ? "1" : "0");
            CHECK_EQ(count_pairs(NULL, 0), whole ? 61 : 1);
            CHECK(whole || rc != 0 || !over);
            store_abandon();
            CHECK_EQ(sim_free(store.sim), 0);
        }
        store.sim = machine;
        store_free();
        if (over)
            break;
    }
}

/* Its LSN lies before the head of the new segment: the version is there already, what is visible not yet. */
TEST(a_beginning_at_the_moment_of_a_rotation_is_no_conflict)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "0");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    struct lk_reads *reads;
    CHECK_EQ(lk_reads_new(&reads), 0);
    struct lk_slice stop = {(const uint8_t *)"d", 1};
    CHECK_EQ(lk_reads_range(reads, lk_slice("a", 1), &stop), 0);
    struct lk_snapshot base;
    CHECK_EQ(lk_snapshot_take(engine(), &base), 0);
    struct lk_conflict conflict = {reads, &base, lk_lsn(engine()->active->segment->number, 0)};
    put("x", "0");
    CHECK_EQ(lk_conflict_guard(engine(), &conflict), 0);
    conflict.through = lk_lsn(engine()->active->segment->number, 0);
    CHECK_EQ(lk_conflict_resolve(engine(), &conflict), 0);
    lk_snapshot_drop(&base);
    lk_reads_unref(reads);
    store_free();
}

/* Only a range delete that is newer than what has been validated asks for a look at each of many keys. */
TEST(many_reads_beside_an_old_range_delete_are_validated_under_the_mutex)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    put("a", "0");
    clear("r", "s");
    struct lk_reads *reads;
    CHECK_EQ(lk_reads_new(&reads), 0);
    for (int i = 0; i < 2000; i++) {
        char key[16];
        size_t bytes = (size_t)snprintf(key, sizeof key, "%06d", i);
        CHECK_EQ(lk_reads_key(reads, lk_slice(key, bytes), lk_hash(engine()->seed, key, bytes)), 0);
    }
    struct lk_snapshot base;
    CHECK_EQ(lk_snapshot_take(engine(), &base), 0);
    struct lk_conflict conflict = {reads, &base, base.lsn};
    put("x", "0");
    CHECK_EQ(lk_conflict_guard(engine(), &conflict), 0);
    clear("t", "u");
    CHECK_EQ(lk_conflict_guard(engine(), &conflict), LSMKV_WOULDBLOCK);
    CHECK_EQ(lk_conflict_resolve(engine(), &conflict), 0);
    clear("0", "1");
    CHECK_EQ(lk_conflict_resolve(engine(), &conflict), LSMKV_CONFLICT);
    lk_snapshot_drop(&base);
    lk_reads_unref(reads);
    store_free();
}

/* The frames are walked whatever kind of log they are in. */
TEST(a_range_that_nobody_touched_in_every_durability)
{
    for (int durability = LSMKV_SYNC_NONE; durability <= LSMKV_SYNC_ALWAYS; durability++) {
        store_new(durability);
        store_open();
        put("a", "0");
        begin();
        CHECK_STR(walk("a", "d"), "a=0 ");
        tput("c", "1");
        put("x", "0");
        CHECK_EQ(commit(), 0);
        store_free();
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
