/* The view over several sealed memtables: one walk that tells what they tell one after the other. */
#include "mem_kit.h"
#include "random.h"
#include "store/view.h"

enum { KEYS = 300, MOST = 6 };

/* What the newest memtable that knows a key says; memtables newest first. */
struct answer {
    int known, put;
    uint32_t salt;
};

static struct mem mems[MOST];
static struct lk_memtable *tables[MOST];
static struct answer answers[KEYS];

static void key_text(char to[32], uint32_t key)
{
    snprintf(to, 32, key % 2 ? "%03u" : "%03u shares its first eight bytes", key);
}

static void write_some(struct mem *mem, struct random *random, int count)
{
    for (int i = 0; i < count; i++) {
        char key[32], stop[32];
        uint8_t value[4];
        uint32_t n = (uint32_t)random_below(random, KEYS), salt = (uint32_t)random_next(random) | 1;
        struct lk_record record = {.flags = LK_PUT, .value = lk_slice(value, 4)};
        uint64_t what = random_below(random, 25);
        key_text(key, n);
        lk_store32(value, salt);
        record.key = lk_slice(key, strlen(key));
        if (what == 0) {
            uint32_t end = n + 1 + (uint32_t)random_below(random, 12);
            key_text(stop, end);
            record =
                (struct lk_record){.flags = LK_RANGE_DELETE, .key = record.key, .value = lk_slice(stop, strlen(stop))};
            for (uint32_t k = n; k < end && k < KEYS; k++)
                answers[k] = (struct answer){0};
        } else {
            if (what < 5)
                record = (struct lk_record){.flags = LK_DELETE, .key = record.key};
            answers[n] = (struct answer){1, what >= 5, salt};
        }
        mem_add(mem, record);
    }
}

static void check_at(const struct lk_cursor *cursor, uint32_t key)
{
    char text[32];
    key_text(text, key);
    if (!CHECK(cursor->valid) || !CHECK(lk_equal(cursor->record.key, lk_slice(text, strlen(text)))))
        return;
    CHECK_EQ(cursor->head, lk_head(cursor->record.key, 0));
    CHECK_EQ(lk_record_kind(&cursor->record), answers[key].put ? LK_PUT : LK_DELETE);
    if (answers[key].put)
        CHECK_EQ(lk_load32(cursor->record.value.at), answers[key].salt);
}

static void walk(const struct lk_view *view, uint32_t from, int skip, int backward)
{
    struct lk_view_cursor cursor;
    struct lk_cursor *base = &cursor.cursor;
    char text[32];
    key_text(text, from);
    struct lk_slice key = lk_slice(text, strlen(text));
    lk_view_cursor_init(&cursor, view);
    if (backward)
        base->ops->seek_back(base, from == KEYS ? NULL : &key, skip);
    else
        base->ops->seek(base, from == KEYS ? NULL : &key, skip);
    int64_t at = from == KEYS ? (backward ? KEYS - 1 : 0) : (int64_t)from + (skip ? (backward ? -1 : 1) : 0);
    for (; at >= 0 && at < KEYS && !check_failures; at += backward ? -1 : 1) {
        if (!answers[at].known)
            continue;
        check_at(base, (uint32_t)at);
        if (base->valid)
            backward ? base->ops->prev(base) : base->ops->next(base);
    }
    CHECK(!base->valid);
    CHECK_EQ(base->status, 0);
    base->ops->deinit(base);
}

TEST(it_tells_what_they_tell)
{
    struct random random = {41};
    struct lk_epochs *epochs = aligned_alloc(64, sizeof *epochs);
    for (int round = 0; round < 60 && !check_failures; round++) {
        uint32_t count = 1 + (uint32_t)random_below(&random, MOST);
        struct lk_view *view = NULL;
        lk_epochs_init(epochs);
        memset(answers, 0, sizeof answers);
        for (uint32_t i = count; i-- > 0;) { /* oldest first; [0] is the newest */
            mem_new_in(&mems[i], epochs, 10 - i, 1 << 20, 2000);
            write_some(&mems[i], &random, (int)random_below(&random, round % 3 ? 100 : 800));
            if (round % 2)
                CHECK_EQ(lk_order_update(mems[i].table, UINT32_MAX, 1), 0); /* several chunks, later one */
            write_some(&mems[i], &random, (int)random_below(&random, 40));
            atomic_store(&mems[i].table->sealed, 1);
            tables[i] = mems[i].table;
        }
        CHECK_EQ(lk_view_new(tables, count, &view), 0);
        CHECK_EQ(view->memtable_count, count);
        CHECK_EQ(lk_view_memory(view), view->count * sizeof view->at[0]);
        walk(view, KEYS, 0, 0);
        walk(view, KEYS, 0, 1);
        for (int i = 0; i < 20; i++)
            walk(view, (uint32_t)random_below(&random, KEYS), i % 2, i / 2 % 2);
        lk_view_ref(view);
        lk_view_unref(view);
        lk_view_unref(view);
        for (uint32_t i = 0; i < count; i++)
            mem_free(&mems[i]);
        lk_epochs_deinit(epochs);
    }
    free(epochs);
}

/* The newest entry of a key is hidden by its own memtable's range delete: an older one must not shine through. */
TEST(hidden_stays_hidden)
{
    struct lk_epochs *epochs = aligned_alloc(64, sizeof *epochs);
    struct lk_view *view = NULL;
    struct lk_view_cursor cursor;
    lk_epochs_init(epochs);
    mem_new_in(&mems[1], epochs, 1, 1 << 16, 100);
    mem_put(&mems[1], "a", "1");
    mem_put(&mems[1], "b", "1");
    mem_put(&mems[1], "c", "1");
    mem_new_in(&mems[0], epochs, 2, 1 << 16, 100);
    mem_put(&mems[0], "b", "2");
    mem_delete_range(&mems[0], "b", "c");
    tables[0] = mems[0].table;
    tables[1] = mems[1].table;
    CHECK_EQ(lk_view_new(tables, 2, &view), 0);
    CHECK_EQ(view->ranges.count, 1);
    lk_view_cursor_init(&cursor, view);
    cursor.cursor.ops->seek(&cursor.cursor, NULL, 0);
    CHECK(cursor.cursor.valid && cursor.cursor.record.key.at[0] == 'a');
    cursor.cursor.ops->next(&cursor.cursor);
    CHECK(cursor.cursor.valid && cursor.cursor.record.key.at[0] == 'c');
    cursor.cursor.ops->next(&cursor.cursor);
    CHECK(!cursor.cursor.valid);
    lk_view_unref(view);
    CHECK(lk_view_memory(NULL) == 0);
    lk_view_unref(NULL);
    mem_free(&mems[0]);
    mem_free(&mems[1]);
    lk_epochs_deinit(epochs);
    free(epochs);
}

TEST(a_view_of_nothing)
{
    struct lk_epochs *epochs = aligned_alloc(64, sizeof *epochs);
    struct lk_view *view = NULL;
    struct lk_view_cursor cursor;
    lk_epochs_init(epochs);
    mem_new_in(&mems[0], epochs, 1, 1 << 16, 100);
    tables[0] = mems[0].table;
    CHECK_EQ(lk_view_new(tables, 1, &view), 0);
    lk_view_cursor_init(&cursor, view);
    cursor.cursor.ops->seek(&cursor.cursor, NULL, 0);
    CHECK(!cursor.cursor.valid);
    cursor.cursor.ops->seek_back(&cursor.cursor, NULL, 0);
    CHECK(!cursor.cursor.valid);
    lk_view_unref(view);
    mem_free(&mems[0]);
    lk_epochs_deinit(epochs);
    free(epochs);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
