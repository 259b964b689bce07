/* Walks over tables and runs against a sorted array: both directions, both kinds of cursor, both sources. */
#include "format/space.h"
#include "table_kit.h"

/* Keys over a small alphabet, so that heads collide, prefixes are shared and neighbours are close. */
static struct model dense_model(uint64_t seed, size_t count, unsigned prefix, unsigned letters, uint32_t value_bytes)
{
    struct random random = {seed};
    struct model model = {0};
    for (size_t i = 0; i < count; i++) {
        uint8_t key[96];
        size_t len = random_below(&random, 16);
        memset(key, 'p', prefix);
        for (size_t j = 0; j < len; j++)
            key[prefix + j] = (uint8_t)(random_below(&random, letters) * 0x55);
        model_add(&model, key, prefix + len, (uint32_t)random_below(&random, value_bytes));
    }
    model_settle(&model);
    return model;
}

static int shows(const struct lk_cursor *cursor, const struct model *model, size_t at)
{
    if (at >= model->count)
        return CHECK_EQ(cursor->valid, 0) && CHECK_EQ(cursor->status, 0);
    return CHECK_EQ(cursor->status, 0) && CHECK(cursor->valid) && CHECK(row_is(&model->rows[at], &cursor->record)) &&
           CHECK(cursor->head == lk_head(model->rows[at].key, 0));
}

/* A value piece by piece, where it is far. */
static int far_value_is(struct lk_cursor *cursor, const struct row *row)
{
    static uint8_t piece[10000];
    for (uint64_t offset = 0; offset < row->value_bytes; offset += sizeof piece) {
        uint64_t left = row->value_bytes - offset, bytes = left < sizeof piece ? left : sizeof piece;
        if (!CHECK_EQ(cursor->ops->value_piece(cursor, offset, piece, bytes), 0) ||
            !CHECK(value_is(row, offset, piece, bytes)))
            return 0;
    }
    return 1;
}

static void walk_all(struct drive *drive, const struct model *model, int back)
{
    struct lk_cursor *cursor = drive->cursor;
    drive_seek(drive, NULL, 0, back);
    for (size_t i = 0; i < model->count; i++) {
        size_t at = back ? model->count - 1 - i : i;
        if (!shows(cursor, model, at) || !far_value_is(cursor, &model->rows[at]))
            return;
        drive_move(drive, back);
    }
    shows(cursor, model, model->count);
}

/* Seeks for keys near those of the model, and a few steps from there. */
static void seek_about(struct drive *drive, const struct model *model, unsigned times, uint64_t seed)
{
    struct random random = {seed};
    for (unsigned i = 0; i < times; i++) {
        uint8_t bytes[400];
        size_t len = random_below(&random, 20);
        random_fill(&random, bytes, len);
        if (model->count && random_below(&random, 8)) {
            struct lk_slice near = model->rows[random_below(&random, model->count)].key;
            len = near.len < sizeof bytes - 1 ? near.len : sizeof bytes - 1;
            if (len)
                memcpy(bytes, near.at, len);
            unsigned how = (unsigned)random_below(&random, 4);
            if (how == 1 && len)
                bytes[len - 1] ^= (uint8_t)(1 + random_below(&random, 3));
            if (how == 2 && len)
                len--;
            if (how == 3)
                bytes[len++] = (uint8_t)random_below(&random, 2);
        }
        struct lk_slice key = lk_slice(bytes, len);
        int strict = (int)random_below(&random, 2), back = (int)random_below(&random, 2);
        size_t at = model_seek(model, key, back ? !strict : strict) - (size_t)back;
        drive_seek(drive, &key, strict, back);
        for (unsigned step = 0; step < 4; step++) {
            if (!shows(drive->cursor, model, at))
                return;
            if (at >= model->count)
                break;
            drive_move(drive, back);
            at = back ? at - 1 : at + 1;
        }
    }
}

static void check_table(struct kit *kit, const struct model *model, unsigned seeks)
{
    for (kit->mapped = 0; kit->mapped < 2; kit->mapped++) {
        struct lk_table *table = kit_table(kit, model);
        NEED(table != NULL);
        for (int streaming = 0; streaming < 2; streaming++) {
            struct lk_table_cursor cursor;
            lk_table_cursor_init(&cursor, table, streaming);
            struct drive drive = {&cursor.cursor, &cursor.missing, {0}};
            walk_all(&drive, model, 0);
            walk_all(&drive, model, 1);
            seek_about(&drive, model, seeks, 7);
            cursor.cursor.ops->deinit(&cursor.cursor);
            lk_buf_deinit(&drive.last);
        }
        lk_table_unref(table);
    }
}

static void check_shape(size_t count, unsigned prefix, unsigned letters, uint32_t value_bytes, uint32_t page_bytes,
                        unsigned seeks)
{
    struct kit kit;
    kit_open(&kit, 4u << 20);
    kit.page_bytes = page_bytes;
    struct model model = dense_model(count + prefix, count, prefix, letters, value_bytes);
    check_table(&kit, &model, seeks);
    model_free(&model);
    kit_close(&kit);
}

TEST(no_record)
{
    check_shape(0, 0, 4, 10, 2048, 100);
}

TEST(one_record)
{
    check_shape(1, 0, 4, 10, 2048, 100);
}

TEST(ten_records)
{
    check_shape(10, 0, 4, 10, 64, 1000);
}

TEST(a_page_a_record)
{
    check_shape(3000, 0, 4, 100, 64, 20000);
}

TEST(ordinary_pages)
{
    check_shape(50000, 0, 4, 100, 2048, 20000);
}

TEST(long_prefix)
{
    check_shape(5000, 80, 3, 50, 512, 20000);
}

TEST(heads_that_hardly_differ)
{
    check_shape(20000, 0, 2, 20, 256, 20000);
}

TEST(pages_of_64_kib)
{
    check_shape(5000, 3, 4, 3000, 64 * 1024, 2000);
}

TEST(a_long_common_start_inside_the_table)
{
    struct kit kit;
    struct model model = {0};
    char key[200];
    kit_open(&kit, 4u << 20);
    kit.page_bytes = 256;
    memset(key, 'm', sizeof key); /* many pages have one head: eight times m behind an empty prefix */
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key + 100, 100, "%06u", i * 3);
        model_add(&model, key, 106, 20);
    }
    model_add(&model, "a", 1, 5);
    model_add(&model, "z", 1, 5);
    model_settle(&model);
    check_table(&kit, &model, 20000);
    model_free(&model);
    kit_close(&kit);
}

TEST(records_larger_than_pages)
{
    static const uint32_t sizes[] = {10, 70000, 20, 30, 65000, 65537, 1 << 20, 3, 140000, 300000, 5, 3 << 20};
    static uint8_t key[LK_KEY_MAX];
    struct kit kit;
    struct model model = {0};
    kit_open(&kit, 16u << 20);
    memset(key, 'x', sizeof key);
    for (unsigned i = 0; i < 36; i++) {
        key[0] = (uint8_t)('a' + i);
        model_add(&model, key, i % 5 == 0 ? LK_KEY_MAX : i % 5 == 1 ? 30000 : 5, sizes[i % 12]);
        model.rows[i].expiry = i % 3 ? 0 : 99;
    }
    model_settle(&model);
    check_table(&kit, &model, 300);
    model_free(&model);
    kit_close(&kit);
}

/* ---- runs --------------------------------------------------------------------------------------- */

enum { TABLES = 12 };

/* Cut the model into TABLES intervals at random keys, some of them empty. */
static uint32_t write_run(struct kit *kit, const struct model *model, uint64_t seed, struct lk_table **tables)
{
    struct random random = {seed};
    size_t cuts[TABLES + 1] = {0};
    for (unsigned i = 1; i < TABLES; i++)
        cuts[i] = random_below(&random, model->count + 1);
    cuts[5] = cuts[6]; /* one without records */
    cuts[TABLES] = model->count;
    for (unsigned i = 1; i < TABLES; i++)
        for (unsigned j = i; j > 1 && cuts[j] < cuts[j - 1]; j--) {
            size_t swap = cuts[j];
            cuts[j] = cuts[j - 1];
            cuts[j - 1] = swap;
        }
    uint32_t count = 0;
    struct lk_slice lo = lk_slice("", 0);
    for (unsigned i = 0; i < TABLES; i++) {
        struct lk_table_meta meta;
        int last = i + 1 == TABLES || cuts[i + 1] == model->count;
        struct lk_slice hi = last ? lo : model->rows[cuts[i + 1]].key;
        if (!last && i && lk_compare(lo, hi) >= 0)
            continue; /* an interval without any key */
        if (!CHECK_EQ(kit_write_part(kit, model, cuts[i], cuts[i + 1], lo, last ? NULL : &hi, NULL, &meta), 0))
            return 0;
        CHECK_EQ(kit_load(kit, &meta, &tables[count++]), 0);
        lk_table_meta_deinit(&meta);
        if (last)
            break;
        lo = hi;
    }
    return count;
}

TEST(a_run_is_walked_as_one)
{
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct kit kit;
        struct lk_table *tables[TABLES];
        kit_open(&kit, 4u << 20);
        kit.page_bytes = 128;
        kit.mapped = (int)(seed & 1);
        struct model model = dense_model(seed, seed == 5 ? 20 : 2000, (unsigned)seed, 4, 60);
        uint32_t count = write_run(&kit, &model, seed, tables);
        NEED(count > 1);
        for (int streaming = 0; streaming < 2; streaming++) {
            struct lk_run_cursor cursor;
            lk_run_cursor_init(&cursor, tables, count, streaming);
            struct drive drive = {&cursor.cursor, &cursor.inner.missing, {0}};
            walk_all(&drive, &model, 0);
            walk_all(&drive, &model, 1);
            seek_about(&drive, &model, 5000, seed);
            cursor.cursor.ops->deinit(&cursor.cursor);
            lk_buf_deinit(&drive.last);
        }
        for (size_t i = 0; i < model.count; i++) {
            uint32_t at = lk_run_find(tables, count, model.rows[i].key);
            CHECK(at < count && lk_table_spans(tables[at], model.rows[i].key));
            lk_run_prefetch(tables, count, model.rows[i].key);
        }
        for (uint32_t i = 0; i < count; i++)
            lk_table_unref(tables[i]);
        model_free(&model);
        kit_close(&kit);
    }
}

TEST(tables_without_records_are_passed_over)
{
    static const char *const bounds[] = {"", "b", "c", "d", "p", "q", "r", "s", NULL};
    static const size_t rows[] = {0, 0, 0, 0, 2, 2, 2, 2, 2}; /* both rows in [d, p) */
    struct kit kit;
    struct model model = {0};
    struct lk_table *tables[8];
    kit_open(&kit, 4u << 20);
    model_add(&model, "d", 1, 10);
    model_add(&model, "e", 1, 10);
    for (unsigned i = 0; i < 8; i++) {
        struct lk_table_meta meta;
        struct lk_slice lo = lk_slice(bounds[i], strlen(bounds[i])), hi = lo;
        if (bounds[i + 1])
            hi = lk_slice(bounds[i + 1], 1);
        NEED(kit_write_part(&kit, &model, rows[i], rows[i + 1], lo, bounds[i + 1] ? &hi : NULL, NULL, &meta) == 0);
        NEED(kit_load(&kit, &meta, &tables[i]) == 0);
        lk_table_meta_deinit(&meta);
    }
    for (int streaming = 0; streaming < 2; streaming++) {
        struct lk_run_cursor cursor;
        lk_run_cursor_init(&cursor, tables, 8, streaming);
        struct drive drive = {&cursor.cursor, &cursor.inner.missing, {0}};
        walk_all(&drive, &model, 0);
        walk_all(&drive, &model, 1);
        seek_about(&drive, &model, 1000, 3);
        cursor.cursor.ops->deinit(&cursor.cursor);
        lk_buf_deinit(&drive.last);
    }
    for (unsigned i = 0; i < 8; i++)
        lk_table_unref(tables[i]);
    model_free(&model);
    kit_close(&kit);
}

TEST(a_run_of_no_table_is_empty)
{
    struct lk_run_cursor cursor;
    struct lk_slice key = lk_slice("k", 1);
    lk_run_cursor_init(&cursor, NULL, 0, 0);
    cursor.cursor.ops->seek(&cursor.cursor, &key, 0);
    CHECK(!cursor.cursor.valid && cursor.cursor.status == 0);
    cursor.cursor.ops->seek_back(&cursor.cursor, NULL, 0);
    CHECK(!cursor.cursor.valid && cursor.cursor.status == 0);
    CHECK_EQ(lk_run_find(NULL, 0, key), 0);
    cursor.cursor.ops->deinit(&cursor.cursor);
}

int main(int argc, char **argv)
{
    return kit_check_run(argc, argv, LK_PACK_LZ4);
}
