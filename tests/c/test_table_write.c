/* What is written into a table is found in it, and nothing else is: every size, both sources. */
#include "format/space.h"
#include "table_kit.h"

enum { SOURCES = 2 }; /* read, mapped */

/* ---- models ----------------------------------------------------------------------------------- */

/* count keys of 1 to 24 bytes with values around value_bytes; some deleted, some expiring. */
static struct model random_model(uint64_t seed, size_t count, uint32_t value_bytes)
{
    struct random random = {seed};
    struct model model = {0};
    for (size_t i = 0; i < count; i++) {
        uint8_t key[24];
        random_fill(&random, key, sizeof key);
        model_add(&model, key, 1 + random_below(&random, sizeof key),
                  (uint32_t)random_below(&random, 2 * value_bytes + 1));
        struct row *row = &model.rows[model.count - 1];
        row->deleted = random_below(&random, 10) == 0;
        row->value_bytes = row->deleted ? 0 : row->value_bytes;
        row->expiry = random_below(&random, 10) == 0 ? 1 + random_next(&random) / 2 : 0;
    }
    model_settle(&model);
    return model;
}

static void check_finds(struct lk_table *table, const struct model *model)
{
    struct lk_record record;
    for (size_t i = 0; i < model->count; i++) {
        int rc = kit_find(table, model->rows[i].key, &record);
        if (!CHECK_EQ(rc, 0) || !CHECK(row_is(&model->rows[i], &record)))
            return;
        CHECK(lk_table_spans(table, model->rows[i].key));
    }
}

static void check_copies(struct lk_table *table, const struct model *model, size_t step)
{
    struct lk_buf bytes = {0};
    struct lk_record record;
    for (size_t i = 0; i < model->count; i += step) {
        struct lk_slice key = model->rows[i].key;
        if (!CHECK_EQ(lk_table_find_copy(table, kit_hash(key), key, &bytes, &record), 0) ||
            !CHECK(row_is(&model->rows[i], &record)))
            break;
    }
    lk_buf_deinit(&bytes);
}

static void check_absent(struct lk_table *table, const struct model *model, size_t count)
{
    struct random random = {99};
    struct lk_buf bytes = {0};
    struct lk_record record;
    for (size_t i = 0; i < count; i++) {
        uint8_t key[12];
        random_fill(&random, key, sizeof key);
        struct lk_slice absent = lk_slice(key, sizeof key);
        if (model_find(model, absent))
            continue;
        if (!CHECK_EQ(kit_find(table, absent, &record), LSMKV_NOTFOUND))
            break;
        if (i % 1000 == 0)
            CHECK_EQ(lk_table_find_copy(table, kit_hash(absent), absent, &bytes, &record), LSMKV_NOTFOUND);
    }
    lk_buf_deinit(&bytes);
}

/* Everything about one model, in both sources. */
static void check_model(struct kit *kit, const struct model *model, size_t absent)
{
    struct lk_table_meta meta;
    NEED(kit_write(kit, model, &meta) == 0);
    CHECK_EQ(meta.records, model->count);
    for (kit->mapped = 0; kit->mapped < SOURCES; kit->mapped++) {
        struct lk_table *table;
        NEED(kit_load(kit, &meta, &table) == 0);
        check_finds(table, model);
        check_copies(table, model, 1 + model->count / 1000);
        check_absent(table, model, absent);
        if (!CHECK_EQ(lk_table_verify(table, NULL, NULL, NULL), 0))
            fprintf(stderr, "%s\n", lk_error()->text);
        lk_table_unref(table);
    }
    CHECK_EQ(atomic_load(&kit->cache.used), 0);
    lk_table_meta_deinit(&meta);
}

static void round_trip(size_t count, uint32_t value_bytes, uint32_t page_bytes, size_t absent)
{
    struct kit kit;
    kit_open(&kit, 64u << 20);
    kit.page_bytes = page_bytes;
    struct model model = random_model(count + value_bytes, count, value_bytes);
    check_model(&kit, &model, absent);
    model_free(&model);
    kit_close(&kit);
}

/* ---- tests ------------------------------------------------------------------------------------ */

TEST(no_record)
{
    round_trip(0, 0, 2048, 100);
}

TEST(one_record)
{
    round_trip(1, 40, 2048, 100);
}

TEST(ten_records)
{
    round_trip(10, 40, 2048, 1000);
}

TEST(sixty_thousand_records)
{
    round_trip(60000, 60, 2048, 60000);
}

TEST(pages_of_64_bytes)
{
    round_trip(5000, 20, 64, 5000);
}

TEST(keys_of_every_size)
{
    static uint8_t bytes[LK_KEY_MAX];
    static const size_t sizes[] = {0,    1,    7,     8,     9,     127,   128,   4000,
                                   4096, 5000, 16383, 16384, 65000, 65534, 65535, LK_KEY_MAX};
    struct kit kit;
    struct model model = {0};
    kit_open(&kit, 64u << 20);
    memset(bytes, 'k', sizeof bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int last = 'j'; last <= 'k' && (sizes[i] || last == 'k'); last++) {
            if (sizes[i])
                bytes[sizes[i] - 1] = (uint8_t)last;
            model_add(&model, bytes, sizes[i], (uint32_t)(i * 50));
            memset(bytes, 'k', sizeof bytes);
        }
    model_settle(&model);
    check_model(&kit, &model, 100);
    model_free(&model);
    kit_close(&kit);
}

TEST(values_of_every_size)
{
    static const uint32_t sizes[] = {0,      1,      127,    128,     3900,    4095,         4096,   4097,
                                     16383,  16384,  65500,  65536,   65537,   100 * 1024,   102401, 262100,
                                     262144, 262145, 300000, 1 << 20, 3 << 20, (3 << 20) + 1};
    struct kit kit;
    struct model model = {0};
    kit_open(&kit, 64u << 20);
    for (uint32_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%05u", i * 7919 % 10000);
        model_add(&model, key, 8, sizes[i / 2]);
        model.rows[i].expiry = i & 1 ? 12345 : 0;
    }
    model_settle(&model);
    check_model(&kit, &model, 100);
    model_free(&model);
    kit_close(&kit);
}

TEST(a_value_of_70_mib_between_small_ones)
{
    struct kit kit;
    struct model model = {0};
    kit_open(&kit, 1u << 20);
    model_add(&model, "a", 1, 10);
    model_add(&model, "b", 1, 70u << 20);
    model_settle(&model);
    check_model(&kit, &model, 10);
    model_free(&model);
    kit_close(&kit);
}

TEST(nothing_may_follow_the_first_64_mib)
{
    struct kit kit;
    struct model model = {0};
    struct lk_table_writer *writer;
    kit_open(&kit, 1u << 20);
    model_add(&model, "b", 1, 70u << 20);
    model_add(&model, "c", 1, 10);
    struct lk_table_plan plan = kit_plan(&kit);
    plan.table_bytes = (uint64_t)1 << 40;
    struct model_cursor cursor = {.model = &model, .far_min = 4096};
    NEED(lk_table_writer_open(&plan, &writer) == 0);
    CHECK(!lk_table_writer_full(writer, 80u << 20));
    model_show(&cursor);
    CHECK_EQ(lk_table_writer_add(writer, &cursor.cursor), 0);
    CHECK(lk_table_writer_full(writer, 1));
    cursor.at = 1;
    model_show(&cursor);
    CHECK_EQ(lk_table_writer_add(writer, &cursor.cursor), LSMKV_INVALID);
    lk_table_writer_abandon(writer);
    free(cursor.value);
    model_free(&model);
    kit_close(&kit);
}

TEST(keys_that_share_a_long_prefix)
{
    struct kit kit;
    struct model model = {0};
    struct random random = {5};
    char key[300];
    kit_open(&kit, 16u << 20);
    memset(key, 'p', sizeof key);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned n = (unsigned)random_below(&random, 100000);
        snprintf(key + 250, 50, "%u/%u", n, n % 7);
        model_add(&model, key, 250 + strlen(key + 250), 30);
    }
    model_settle(&model);
    check_model(&kit, &model, 1000);
    model_free(&model);
    kit_close(&kit);
}

TEST(small_tables_are_cut_where_they_are_full)
{
    struct kit kit;
    kit_open(&kit, 1u << 20);
    kit.table_bytes = 512;
    kit.page_bytes = 64;
    struct model model = random_model(3, 1000, 20);
    struct lk_table_plan plan = kit_plan(&kit);
    struct lk_table_writer *writer;
    struct model_cursor cursor = {.model = &model, .far_min = 4096};
    NEED(lk_table_writer_open(&plan, &writer) == 0);
    for (; cursor.at < model.count; cursor.at++) {
        model_show(&cursor);
        if (lk_table_writer_full(writer, lk_record_bytes(&cursor.cursor.record)))
            break;
        CHECK_EQ(lk_table_writer_add(writer, &cursor.cursor), 0);
    }
    CHECK(cursor.at > 3 && cursor.at < 40);
    CHECK_EQ(lk_table_writer_records(writer), cursor.at);
    CHECK(lk_table_writer_bytes(writer) <= 512);
    lk_table_writer_abandon(writer);
    free(cursor.value);
    model_free(&model);
    kit_close(&kit);
}

TEST(keys_out_of_order_stop_the_writer_for_good)
{
    struct kit kit;
    struct model model = {0};
    struct lk_table_writer *writer;
    struct lk_table_meta meta;
    struct lk_file *file;
    kit_open(&kit, 1u << 20);
    model_add(&model, "b", 1, 3);
    model_add(&model, "b", 1, 3);
    model_add(&model, "c", 1, 3);
    struct lk_table_plan plan = kit_plan(&kit);
    struct model_cursor cursor = {.model = &model, .far_min = 4096};
    NEED(lk_table_writer_open(&plan, &writer) == 0);
    model_show(&cursor);
    CHECK_EQ(lk_table_writer_add(writer, &cursor.cursor), 0);
    cursor.at = 1;
    model_show(&cursor);
    CHECK_EQ(lk_table_writer_add(writer, &cursor.cursor), LSMKV_CORRUPT);
    lk_fail(LSMKV_IO, "something else");
    cursor.at = 2;
    model_show(&cursor);
    CHECK_EQ(lk_table_writer_add(writer, &cursor.cursor), LSMKV_CORRUPT);
    CHECK_EQ(lk_table_writer_finish(writer, lk_slice("", 0), NULL, NULL, 1, 2, &meta), LSMKV_CORRUPT);
    CHECK(strstr(lk_error()->text, "not in key order") != NULL);
    lk_table_writer_abandon(writer);
    CHECK_EQ(kit.env->ops->open(kit.dir, "000001.tbl", LK_OPEN_READ, 0, &file), -2); /* ENOENT: it was removed */
    free(cursor.value);
    model_free(&model);
    kit_close(&kit);
}

TEST(a_writer_leaves_a_strangers_file_alone)
{
    struct kit kit;
    struct lk_file *file;
    struct lk_table_writer *writer;
    kit_open(&kit, 1u << 20);
    NEED(kit.env->ops->open(kit.dir, "000001.tbl", LK_OPEN_CREATE, 0600, &file) == 0);
    kit.env->ops->close(file);
    struct lk_table_plan plan = kit_plan(&kit);
    CHECK_EQ(lk_table_writer_open(&plan, &writer), LSMKV_IO);
    CHECK(writer == NULL);
    CHECK_EQ(kit.env->ops->open(kit.dir, "000001.tbl", LK_OPEN_READ, 0, &file), 0);
    kit.env->ops->close(file);
    kit_close(&kit);
}

TEST(range_deletes_alone_make_a_table)
{
    struct kit kit;
    struct model model = {0};
    struct lk_ranges ranges = {0};
    struct lk_table_meta meta;
    struct lk_slice f = lk_slice("f", 1), x = lk_slice("x", 1);
    kit_open(&kit, 1u << 20);
    CHECK_EQ(lk_ranges_add(&ranges, lk_slice("c", 1), &f), 0);
    CHECK_EQ(lk_ranges_add(&ranges, lk_slice("k", 1), &x), 0);
    NEED(kit_write_part(&kit, &model, 0, 0, lk_slice("b", 1), &x, &ranges, &meta) == 0);
    for (kit.mapped = 0; kit.mapped < SOURCES; kit.mapped++) {
        struct lk_table *table;
        struct lk_record record;
        NEED(kit_load(&kit, &meta, &table) == 0);
        CHECK_EQ(table->ranges.count, 2);
        CHECK(lk_ranges_find(&table->ranges, lk_slice("d", 1)) != NULL);
        CHECK(lk_ranges_find(&table->ranges, f) == NULL);
        CHECK(!lk_table_spans(table, lk_slice("d", 1)));
        CHECK(!lk_table_spans(table, lk_slice("", 0)));
        CHECK(!lk_table_spans(table, lk_slice("\0\0\0\0\0\0\0\1", 8)));
        CHECK_EQ(kit_find(table, lk_slice("d", 1), &record), LSMKV_NOTFOUND);
        CHECK_EQ(lk_table_verify(table, NULL, NULL, NULL), 0);
        for (int streaming = 0; streaming < 2; streaming++) {
            struct lk_table_cursor cursor;
            lk_table_cursor_init(&cursor, table, streaming);
            cursor.cursor.ops->seek(&cursor.cursor, NULL, 0);
            CHECK(!cursor.cursor.valid && cursor.cursor.status == 0);
            cursor.cursor.ops->seek_back(&cursor.cursor, &f, 0);
            CHECK(!cursor.cursor.valid && cursor.cursor.status == 0);
            cursor.cursor.ops->deinit(&cursor.cursor);
        }
        lk_table_unref(table);
    }
    lk_table_meta_deinit(&meta);
    lk_ranges_deinit(&ranges);
    kit_close(&kit);
}

TEST(an_open_range_delete_needs_an_open_interval)
{
    struct kit kit;
    struct model model = {0};
    struct lk_ranges ranges = {0};
    struct lk_table_meta meta;
    struct lk_slice x = lk_slice("x", 1);
    struct lk_table *table;
    kit_open(&kit, 1u << 20);
    model_add(&model, "m", 1, 5);
    CHECK_EQ(lk_ranges_add(&ranges, lk_slice("k", 1), NULL), 0);
    CHECK_EQ(kit_write_part(&kit, &model, 0, 1, lk_slice("b", 1), &x, &ranges, &meta), LSMKV_CORRUPT);
    CHECK_EQ(kit_write_part(&kit, &model, 0, 1, lk_slice("l", 1), NULL, &ranges, &meta), LSMKV_CORRUPT);
    CHECK_EQ(kit_write_part(&kit, &model, 0, 1, x, NULL, NULL, &meta), LSMKV_CORRUPT);
    NEED(kit_write_part(&kit, &model, 0, 1, lk_slice("b", 1), NULL, &ranges, &meta) == 0);
    NEED(kit_load(&kit, &meta, &table) == 0);
    CHECK(table->ranges.count == 1 && table->ranges.at[0].open_end);
    lk_table_unref(table);
    lk_table_meta_deinit(&meta);
    lk_ranges_deinit(&ranges);
    model_free(&model);
    kit_close(&kit);
}

TEST(an_obsolete_table_goes_with_its_last_user)
{
    struct kit kit;
    struct lk_file *file;
    kit_open(&kit, 1u << 20);
    struct model model = random_model(1, 10, 10);
    struct lk_table *table = kit_table(&kit, &model);
    NEED(table != NULL);
    lk_table_ref(table);
    atomic_store(&table->obsolete, 1);
    lk_table_unref(table);
    check_finds(table, &model);
    lk_table_unref(table);
    CHECK(kit.env->ops->open(kit.dir, "000001.tbl", LK_OPEN_READ, 0, &file) < 0);
    model_free(&model);
    kit_close(&kit);
}

int main(int argc, char **argv)
{
    return kit_check_run(argc, argv, LK_PACK_ZSTD);
}
