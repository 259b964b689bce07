/* Tables of small records: which index they get, how large it is, and what it costs to ask for a key that is not there.
 * That everything is found, walked and verified with a filter is shown by all table tests, which run once more with
 * filters everywhere (table_kit.h). */
#include "format/filter.h"
#include "table_kit.h"

/* Keys of 8 bytes, all different, in no order. */
static struct model numbers(size_t count, uint32_t value_bytes)
{
    struct model model = {0};
    for (uint64_t i = 0; i < count; i++) {
        uint64_t key = __builtin_bswap64(i * 3 + 1);
        model_add(&model, &key, sizeof key, value_bytes);
    }
    return model;
}

static struct lk_footer footer_of(size_t count, uint32_t value_bytes)
{
    struct kit kit;
    kit_open(&kit, 64u << 20);
    struct model model = numbers(count, value_bytes);
    struct lk_table *table = kit_table(&kit, &model);
    struct lk_footer footer = table->footer;
    lk_table_unref(table);
    model_free(&model);
    kit_close(&kit);
    return footer;
}

static double index_part(const struct lk_footer *footer)
{
    uint64_t index = footer->fence_count * 12ull + 4 + footer->line_count * 64ull + footer->milestone_bytes;
    return (double)index / (double)footer->file_bytes;
}

TEST(the_index_is_at_most_a_tenth)
{
    static const uint32_t values[] = {0, 4, 8, 16, 24, 32, 36};
    if (kit_codec || kit_filtered)
        return; /* packing makes pages smaller, not what leads to them */
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct lk_footer footer = footer_of(60000, values[i]);
        CHECK_EQ(footer.features, LK_FEATURE_FILTER);
        if (!CHECK(index_part(&footer) <= 0.10))
            fprintf(stderr, "8 + %u bytes: %.3f\n", values[i], index_part(&footer));
    }
}

TEST(the_choice_is_by_size_and_number)
{
    if (kit_codec || kit_filtered)
        return;
    struct lk_footer small = footer_of(2000, LK_SMALL_BYTES - 8 - 3 - 1),
                     large = footer_of(2000, LK_SMALL_BYTES - 8 - 3);
    CHECK_EQ(small.features, LK_FEATURE_FILTER);
    CHECK_EQ(large.features, 0);
    CHECK_EQ(large.milestone_bytes, 0);
    CHECK_EQ(footer_of(LK_SMALL_RECORDS, 8).features, LK_FEATURE_FILTER);
    CHECK_EQ(footer_of(LK_SMALL_RECORDS - 1, 8).features, 0);
    CHECK(small.fence_count > 2 * large.fence_count); /* smaller pages */
    CHECK_EQ(footer_of(2000, 116 - 8).fence_count, 2000 / (2048 / 119) + 1);
}

TEST(absent_keys_cost_one_line)
{
    struct kit kit;
    struct lk_missing missing;
    struct lk_record record;
    unsigned passed = 0, asked = 0;
    kit_open(&kit, 64u << 20);
    struct model model = numbers(40000, 8);
    struct lk_table *table = kit_table(&kit, &model);
    NEED(table != NULL && lk_table_filtered(table));
    NEED(lk_granules_fill(&table->granules, 0, table->granules.bytes) == 0);
    for (uint64_t i = 0; i < 40000 - 1; i++, asked++) {
        uint64_t key = __builtin_bswap64(i * 3 + 2);
        struct lk_slice slice = lk_slice(&key, sizeof key);
        struct lk_probe_cost cost = {0};
        kit_scratch.used = 0;
        CHECK_EQ(lk_table_find(table, kit_hash(slice), slice, &record, &missing, &kit_scratch, &cost), LSMKV_NOTFOUND);
        passed += cost.records != 0;
        CHECK(cost.lines >= 1 && (cost.records != 0 || cost.lines == 1));
    }
    CHECK(passed < asked / 30); /* 1 in 76 with 9.5 bits a key; packed pages leave 8: 1 in 43 */
    lk_table_unref(table);
    model_free(&model);
    kit_close(&kit);
}

/* What is read for an absent key of a table that nothing is known of: the granule of its filter line. */
TEST(absent_keys_read_one_granule)
{
    struct kit kit;
    struct lk_record record;
    kit_open(&kit, 64u << 20);
    kit.mapped = 0;
    struct model model = numbers(60000, 8);
    struct lk_table *table = kit_table(&kit, &model);
    NEED(table != NULL && lk_table_filtered(table));
    uint64_t before = atomic_load(&kit.cache.read_bytes), filter = table->footer.line_count * 64ull;
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t key = __builtin_bswap64(i * 60 + 2);
        CHECK_EQ(kit_find(table, lk_slice(&key, sizeof key), &record), LSMKV_NOTFOUND);
    }
    uint64_t read = atomic_load(&kit.cache.read_bytes) - before;
    CHECK(read <= filter + 2 * LK_GRANULE + 2000 / 30 * (uint64_t)(4 * LK_GRANULE));
    lk_table_unref(table);
    model_free(&model);
    kit_close(&kit);
}

static void ask_all(struct kit *kit, const struct model *model)
{
    struct lk_buf bytes = {0};
    struct lk_record record;
    struct lk_table_meta meta;
    NEED(kit_write(kit, model, &meta) == 0);
    for (kit->mapped = 0; kit->mapped < 2; kit->mapped++) {
        struct lk_table *table;
        NEED(kit_load(kit, &meta, &table) == 0);
        CHECK(lk_table_filtered(table));
        for (size_t i = 0; i < model->count; i++) {
            struct lk_slice key = model->rows[i].key, beside = lk_slice(key.at, key.len - 1);
            if (!CHECK_EQ(kit_find(table, key, &record), 0) || !CHECK(row_is(&model->rows[i], &record)))
                break;
            CHECK_EQ(lk_table_find_copy(table, kit_hash(key), key, &bytes, &record), 0);
            CHECK(row_is(&model->rows[i], &record));
            if (i && !model_find(model, beside))
                CHECK_EQ(kit_find(table, beside, &record), LSMKV_NOTFOUND);
        }
        CHECK_EQ(lk_table_verify(table, NULL, NULL, NULL), 0);
        lk_table_unref(table);
    }
    lk_table_meta_deinit(&meta);
    lk_buf_deinit(&bytes);
}

/* Where the table's common prefix leaves all heads alike, milestones take more off; and where even that is not
 * enough, the first keys of pages decide. */
TEST(keys_alike_in_their_heads)
{
    static const char *const shapes[] = {"%c/equal-in-many-bytes/%06u", "%c%06u", "%c/%06u/equal-in-many-bytes"};
    for (unsigned shape = 0; shape < 3; shape++) {
        struct kit kit;
        struct model model = {0};
        kit_open(&kit, 256u << 10);
        for (unsigned i = 0; i < 9000; i++) {
            char key[48];
            int bytes = snprintf(key, sizeof key, shapes[shape], i % 3 ? 'b' : 'a', i);
            model_add(&model, key, (size_t)bytes, i % 7);
        }
        model_settle(&model);
        ask_all(&kit, &model);
        model_free(&model);
        kit_close(&kit);
    }
}

/* A few large records among many small ones: pages of their own, of which a lookup asks for no more than it needs. */
TEST(large_records_among_small_ones)
{
    struct kit kit;
    struct model model = {0};
    kit_open(&kit, 4u << 20);
    for (unsigned i = 0; i < 30000; i++) {
        char key[48];
        int bytes = snprintf(key, sizeof key, "%s%05u", i % 3000 == 7 ? "equal-in-many-bytes" : "e", i);
        model_add(&model, key, (size_t)bytes, i % 3000 == 7 ? 70000 : i % 9);
    }
    model_settle(&model);
    ask_all(&kit, &model);
    model_free(&model);
    kit_close(&kit);
}

TEST(a_filter_has_what_was_added)
{
    uint8_t line[LK_FILTER_LINE] = {0};
    unsigned others = 0;
    for (uint64_t i = 1; i <= 50; i++) {
        CHECK(i > 1 || !lk_filter_has(line, i * 0x9e3779b97f4a7c15u));
        lk_filter_add(line, i * 0x9e3779b97f4a7c15u);
    }
    for (uint64_t i = 1; i <= 50; i++)
        CHECK(lk_filter_has(line, i * 0x9e3779b97f4a7c15u));
    for (uint64_t i = 51; i <= 10050; i++)
        others += (unsigned)lk_filter_has(line, i * 0x9e3779b97f4a7c15u);
    CHECK(others > 20 && others < 400); /* 50 keys in 512 bits: 0.8 % */
    CHECK_EQ(lk_filter_lines(0, 0), 1);
    CHECK_EQ(lk_filter_lines(64, 0), 1);
    CHECK_EQ(lk_filter_lines(65, 0), 2); /* 8 bits at least */
    CHECK_EQ(lk_filter_lines(1 << 20, 1u << 24), 1u << 14); /* a sixteenth */
    CHECK_EQ(lk_filter_lines(1024, 1u << 30), 40); /* 20 bits at most */
}

int main(int argc, char **argv)
{
    return kit_check_run(argc, argv, LK_PACK_LZ4);
}
