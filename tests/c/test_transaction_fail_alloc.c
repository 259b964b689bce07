/* Transactions when memory runs out, at every allocation in turn: each call fails without a trace or succeeds, the
 * commit is whole or absent, nothing leaks. Linked with alloc_fail.c in the place of util/alloc.c. */
#include "alloc_fail.h"
#include "store_kit.h"

enum { NUMBERS = 700 };

static int tput(lsmkv_txn *txn, const char *key, const char *value)
{
    return lsmkv_txn_put(txn, store.db, key, strlen(key), value, strlen(value), LSMKV_EXPIRY_NEVER);
}

static int look(lsmkv_txn *txn, const char *key)
{
    void *value = NULL;
    size_t bytes;
    int rc = lsmkv_get(store.db, lsmkv_txn_snapshot(txn), key, strlen(key), &value, &bytes);
    lsmkv_free(value);
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}

static int walk(lsmkv_txn *txn, int reverse)
{
    struct lsmkv_range range = {.start = {"b", 1}, .has_start = 1, .reverse = reverse};
    struct lsmkv_pair pairs[4];
    lsmkv_iter *iter = NULL;
    size_t count;
    int rc = lsmkv_iter_new(store.db, lsmkv_txn_snapshot(txn), &range, &iter);
    while (rc == 0 && (rc = lsmkv_iter_begin(iter, 4, 1 << 20, pairs, &count)) == 0)
        lsmkv_iter_end(iter);
    if (rc < 0 && iter) /* it stays failed: what it could not remember it does not show */
        CHECK_EQ(lsmkv_iter_begin(iter, 4, 1 << 20, pairs, &count), rc);
    lsmkv_iter_free(iter);
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}

static int write_some(lsmkv_txn *txn)
{
    struct lsmkv_slice from = {"d", 1}, to = {"e", 1};
    int rc = lsmkv_txn_save(txn);
    for (uint32_t i = 0; rc == 0 && i < NUMBERS; i++) {
        if (i % 50 == 0)
            rc = lsmkv_txn_save(txn);
        if (rc == 0)
            rc = tput(txn, number(i), "a value of some length");
        if (rc == 0 && i % 50 == 49)
            rc = lsmkv_txn_keep(txn);
    }
    if (rc == 0)
        rc = lsmkv_txn_keep(txn);
    if (rc == 0)
        rc = lsmkv_txn_save(txn);
    if (rc == 0)
        rc = tput(txn, "a", "undone");
    if (rc == 0)
        rc = lsmkv_txn_undo(txn);
    if (rc == 0)
        rc = lsmkv_txn_delete_range(txn, store.db, &from, &to);
    return rc == 0 ? lsmkv_txn_delete(txn, store.db, "f", 1) : rc;
}

static int story(lsmkv_txn *txn)
{
    int rc = look(txn, "a");
    for (uint32_t i = 0; rc == 0 && i < 20; i++)
        rc = look(txn, number(i));
    if (rc == 0)
        rc = walk(txn, 0);
    if (rc == 0)
        rc = write_some(txn);
    if (rc == 0)
        rc = walk(txn, 1);
    if (rc == 0)
        rc = try_to_put("Z", "theirs", -1);
    if (rc == 0)
        rc = lsmkv_flush(store.db); /* the log is gone: the commit has to compare */
    return rc == 0 ? lsmkv_txn_commit(txn, 1, NULL) : rc;
}

static void prepare(void)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    for (const char *key = "abcdef"; *key; key++)
        put((char[]){*key, 0}, "0");
    CHECK_EQ(lsmkv_flush(store.db), 0);
}

static void check_state(int rc)
{
    int whole = get(number(0)) != NULL;
    CHECK(rc != 0 || whole);
    expect(number(NUMBERS - 1), whole ? "a value of some length" : NULL);
    expect("a", "0");
    expect("d", whole ? NULL : "0");
    expect("f", whole ? NULL : "0");
    erase("Z");
    expect_count(whole ? 4 + NUMBERS : 6);
}

TEST(at_every_allocation)
{
    uint64_t nth = 1;
    for (int fired = 1; fired && !check_failures; nth++) {
        lsmkv_txn *txn = NULL;
        prepare();
        alloc_fail_at(nth, 0);
        int rc = lsmkv_txn_new(store.db, &txn);
        CHECK((rc == 0) == (txn != NULL));
        if (rc == 0)
            rc = story(txn);
        fired = alloc_fail_fired() != 0;
        alloc_fail_at(0, 0);
        CHECK(rc == 0 || (rc == LSMKV_NOMEM && fired));
        lsmkv_txn_free(txn);
        store_close(); /* an edit whose memory failed is caught up with */
        store_open();
        check_state(rc);
        store_free();
        if (!CHECK_EQ(alloc_fail_live(), 0))
            alloc_fail_list(stderr);
    }
    CHECK(nth > 100);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
