/* test_format_edit: edits of the manifest, CURRENT, and file names. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/edit.h"
#include "format/space.h"
#include "include/lsmkv.h"

static struct lk_slice text(const char *words)
{
    return lk_slice(words, strlen(words));
}

/* Decode one field from a copy that ends where the bytes end. NULL or the number of bytes it took. */
static size_t take(const uint8_t *bytes, size_t len, struct lk_edit_field *field)
{
    uint8_t *copy = calloc(1, len ? len : 1);
    memcpy(copy, bytes, len);
    const uint8_t *after = lk_edit_get(copy, copy + len, field);
    size_t taken = after ? (size_t)(after - copy) : 0;
    free(copy);
    return taken;
}

/* The buffer holds exactly one field: these bytes, refused at every shorter length. Empties it. */
static void check_field(struct lk_buf *buf, const void *wanted, size_t len)
{
    struct lk_edit_field field;
    if (CHECK_EQ(buf->len, len))
        CHECK_MEM(buf->at, wanted, len);
    CHECK_EQ(take(buf->at, buf->len, &field), buf->len);
    for (size_t cut = 0; cut < buf->len; cut++)
        CHECK_EQ(take(buf->at, cut, &field), 0);
    lk_buf_reset(buf);
}

#define SAME(...) check_field(&buf, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

TEST(the_worked_examples_are_these_bytes)
{
    struct lk_buf buf = {0};
    struct lk_run_meta runs[2] = {{.id = 3, .into = 4, .bound = text("m")}, {.id = 4}};

    CHECK_EQ(lk_edit_store(&buf, 0x1122334455667788, 1, 2, 0, text("i64"), text("")), 0);
    SAME(1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
         0, 0, 0, 0, 3, 'i', '6', '4', 0);
    CHECK_EQ(lk_edit_next(&buf, 16), 0);
    SAME(2, 16, 0, 0, 0);
    CHECK_EQ(lk_edit_log(&buf, 12, 13, 4, text("m")), 0);
    SAME(3, 12, 0, 0, 0, 13, 0, 0, 0, 4, 0, 0, 0, 1, 'm');
    CHECK_EQ(lk_edit_durable(&buf, (uint64_t)12 << 32 | 88), 0);
    SAME(4, 88, 0, 0, 0, 12, 0, 0, 0);
    CHECK_EQ(lk_edit_runs(&buf, runs, 2), 0);
    SAME(5, 2, 3, 0, 0, 0, 4, 0, 0, 0, 1, 'm', 4, 0, 0, 0, 0, 0, 0, 0, 0);
    CHECK_EQ(lk_edit_drop(&buf, 14), 0);
    SAME(7, 14, 0, 0, 0);
    CHECK_EQ(lk_edit_closed(&buf, (uint64_t)13 << 32 | 64), 0);
    SAME(8, 64, 0, 0, 0, 13, 0, 0, 0);
    lk_buf_deinit(&buf);
}

static const struct lk_table_meta META = {
    .run = 4,
    .number = 14,
    .range_deletes = 5,
    .identity = 6,
    .bytes = 7,
    .records = 8,
    .tombstones = 9,
    .payload = 10,
    .expiring = 3,
    .lsn_min = 11,
    .lsn_max = 12,
    .hi_open = 0,
    .lo = {(const uint8_t *)"a", 1},
    .hi = {(const uint8_t *)"mm", 2},
    .key_min = {(const uint8_t *)"b", 1},
    .key_max = {(const uint8_t *)"lll", 3},
};

TEST(a_table_field_is_these_bytes)
{
    struct lk_buf buf = {0};
    CHECK_EQ(lk_edit_table(&buf, &META), 0);
    SAME(6, 4, 0, 0, 0, 14, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0,
         0, 0, 0, 0, 5, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0,
         0, 0, 0, 0, 0, 1, 'a', 2, 'm', 'm', 1, 'b', 3, 'l', 'l', 'l');
    lk_buf_deinit(&buf);
}

TEST(a_table_comes_back_and_an_open_end_has_no_bound)
{
    struct lk_buf buf = {0};
    struct lk_edit_field field;
    struct lk_table_meta meta = META;

    CHECK_EQ(lk_edit_table(&buf, &meta), 0);
    CHECK(lk_edit_get(buf.at, buf.at + buf.len, &field) == buf.at + buf.len);
    CHECK_EQ(field.tag, LK_EDIT_TABLE);
    CHECK(field.table.run == 4 && field.table.number == 14 && field.table.range_deletes == 5);
    CHECK(field.table.identity == 6 && field.table.bytes == 7 && field.table.records == 8);
    CHECK(field.table.tombstones == 9 && field.table.payload == 10 && field.table.expiring == 3);
    CHECK(field.table.lsn_min == 11 && field.table.lsn_max == 12 && field.table.hi_open == 0);
    CHECK(lk_equal(field.table.lo, meta.lo) && lk_equal(field.table.hi, meta.hi));
    CHECK(lk_equal(field.table.key_min, meta.key_min) && lk_equal(field.table.key_max, meta.key_max));

    lk_buf_reset(&buf);
    meta.hi_open = 1;
    CHECK_EQ(lk_edit_table(&buf, &meta), 0);
    CHECK(lk_edit_get(buf.at, buf.at + buf.len, &field) == buf.at + buf.len);
    CHECK_EQ(field.table.hi_open, 1);
    CHECK_EQ(field.table.hi.len, 0);

    buf.at[1 + 4 + 4 + 4 * 8 + 4 + 4 * 8] = 2; /* neither open nor closed */
    CHECK(lk_edit_get(buf.at, buf.at + buf.len, &field) == NULL);
    lk_buf_reset(&buf);
    meta.hi_open = 0;
    CHECK_EQ(lk_edit_table(&buf, &meta), 0);
    buf.at[1 + 4 + 4 + 4 * 8 + 4 + 4 * 8] = 1; /* open, and yet a bound */
    CHECK(lk_edit_get(buf.at, buf.at + buf.len, &field) == NULL);
    lk_buf_deinit(&buf);
}

TEST(an_edit_is_a_sequence_of_fields_in_the_order_written)
{
    struct lk_buf buf = {0};
    struct lk_edit_field field;
    static const enum lk_edit_tag order[] = {LK_EDIT_STORE, LK_EDIT_LOG, LK_EDIT_TABLE, LK_EDIT_DROP, LK_EDIT_CLOSED};

    CHECK_EQ(lk_edit_store(&buf, 1, 2, 3, 4, text("key"), text("value")), 0);
    CHECK_EQ(lk_edit_log(&buf, 5, 6, 7, text("bound")), 0);
    CHECK_EQ(lk_edit_table(&buf, &META), 0);
    CHECK_EQ(lk_edit_drop(&buf, 8), 0);
    CHECK_EQ(lk_edit_closed(&buf, 9), 0);
    const uint8_t *at = buf.at, *end = buf.at + buf.len;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        NEED((at = lk_edit_get(at, end, &field)) != NULL);
        CHECK_EQ(field.tag, order[i]);
        if (field.tag == LK_EDIT_STORE)
            CHECK(field.store.identity == 1 && field.store.hash_a == 2 && field.store.hash_b == 3 &&
                  field.store.features == 4 && lk_equal(field.store.key_codec, text("key")) &&
                  lk_equal(field.store.value_codec, text("value")));
        if (field.tag == LK_EDIT_LOG)
            CHECK(field.log.first == 5 && field.log.last_bound == 6 && field.log.into == 7 &&
                  lk_equal(field.log.bound, text("bound")));
        if (field.tag == LK_EDIT_DROP)
            CHECK_EQ(field.drop, 8);
        if (field.tag == LK_EDIT_CLOSED)
            CHECK_EQ(field.lsn, 9);
    }
    CHECK(at == end);
    lk_buf_deinit(&buf);
}

TEST(runs_of_any_number_come_back_newest_first)
{
    static const uint32_t counts[] = {0, 1, 2, 127, 128, 300};
    struct lk_run_meta runs[300];
    char bounds[300][8];
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(bounds[i], sizeof bounds[i], "%u", i * i);
        runs[i] = (struct lk_run_meta){.id = 1000 - i, .into = i % 3, .bound = text(i % 3 ? bounds[i] : "")};
    }
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct lk_buf buf = {0};
        struct lk_edit_field field;
        struct lk_run_meta run;
        CHECK_EQ(lk_edit_runs(&buf, runs, counts[c]), 0);
        NEED(lk_edit_get(buf.at, buf.at + buf.len, &field) == buf.at + buf.len);
        NEED(CHECK_EQ(field.runs.count, counts[c]));
        const uint8_t *at = field.runs.at;
        for (uint32_t i = 0; i < counts[c]; i++) {
            NEED((at = lk_edit_next_run(at, field.runs.end, &run)) != NULL);
            CHECK(run.id == runs[i].id && run.into == runs[i].into && lk_equal(run.bound, runs[i].bound));
        }
        CHECK(at == field.runs.end);
        CHECK(lk_edit_next_run(at, field.runs.end, &run) == NULL);
        lk_buf_deinit(&buf);
    }
}

TEST(counts_and_lengths_are_bounded_by_what_is_there)
{
    struct lk_edit_field field;
    static const uint8_t runs[] = {5, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t bound[] = {3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'};
    CHECK_EQ(take(runs, sizeof runs, &field), 0);
    CHECK_EQ(take(bound, sizeof bound, &field), 0);

    uint8_t *edit = calloc(1, 70000);
    edit[0] = LK_EDIT_LOG;
    lk_varint_put(edit + 13, LK_KEY_MAX);
    CHECK_EQ(take(edit, 70000, &field), 1 + 12 + 3 + LK_KEY_MAX);
    lk_varint_put(edit + 13, LK_KEY_MAX + 1);
    CHECK_EQ(take(edit, 70000, &field), 0);
    free(edit);
}

TEST(a_length_has_one_encoding)
{
    struct lk_edit_field field;
    static const uint8_t overlong[] = {3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0x00, 'x'};
    CHECK_EQ(take(overlong, sizeof overlong, &field), 0);
}

TEST(unknown_tags_are_refused)
{
    struct lk_edit_field field;
    uint8_t bytes[200] = {0};
    for (unsigned tag = 0; tag < 256; tag++) {
        bytes[0] = (uint8_t)tag;
        int known = (tag >= LK_EDIT_STORE && tag <= LK_EDIT_COUNT) || tag == LK_EDIT_FACTS;
        CHECK_EQ(take(bytes, sizeof bytes, &field) > 0, known);
    }
    CHECK_EQ(take(bytes, 0, &field), 0);
}

TEST(a_count_field_is_these_bytes_and_comes_back)
{
    struct lk_buf buf = {0};
    struct lk_edit_field field;
    CHECK_EQ(lk_edit_count(&buf, 7, 5, (uint64_t)13 << 32 | 64), 0);
    SAME(9, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 13, 0, 0, 0);
    CHECK_EQ(lk_edit_count(&buf, 7, 5, 6), 0);
    CHECK(lk_edit_get(buf.at, buf.at + buf.len, &field) == buf.at + buf.len);
    CHECK(field.count.space == 7 && field.count.live == 5 && field.count.lsn == 6);
    lk_buf_deinit(&buf);
}

TEST(a_facts_field_is_these_bytes_and_comes_back)
{
    struct lk_buf buf = {0};
    struct lk_edit_field field;
    CHECK_EQ(lk_edit_facts(&buf, 7, 5, (uint64_t)13 << 32 | 64), 0);
    SAME(16, 7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 13, 0, 0, 0);
    CHECK_EQ(lk_edit_facts(&buf, 7, 5, 6), 0);
    CHECK(lk_edit_get(buf.at, buf.at + buf.len, &field) == buf.at + buf.len);
    CHECK(field.facts.number == 7 && field.facts.shadowed == 5 && field.facts.written_ns == 6);
    lk_buf_deinit(&buf);
}

TEST(a_string_too_long_for_the_manifest_is_refused_and_leaves_no_trace)
{
    struct lk_buf buf = {0};
    static uint8_t long_key[LK_KEY_MAX + 1];
    CHECK_EQ(lk_edit_next(&buf, 1), 0);
    CHECK_EQ(lk_edit_log(&buf, 1, 2, 3, lk_slice(long_key, LK_KEY_MAX + 1)), LSMKV_INVALID);
    CHECK_EQ(buf.len, 5);
    CHECK_EQ(lk_edit_log(&buf, 1, 2, 3, lk_slice(long_key, LK_KEY_MAX)), 0);
    lk_buf_deinit(&buf);
}

/* ---- CURRENT -------------------------------------------------------------------------------- */

TEST(current_is_one_line_of_29_bytes)
{
    char line[LK_CURRENT_BYTES];
    lk_current_put(line, 7);
    CHECK_MEM(line, "MANIFEST-000007     e47b06bb\n", 29);
    lk_current_put(line, 1234567);
    CHECK_MEM(line, "MANIFEST-1234567    dd7f1312\n", 29);
    lk_current_put(line, UINT32_MAX);
    CHECK_MEM(line, "MANIFEST-4294967295 7b628de6\n", 29);
}

TEST(every_manifest_number_comes_back_through_current)
{
    struct random random = {61};
    for (int round = 0; round < 20000; round++) {
        char line[LK_CURRENT_BYTES];
        uint32_t in = 1 + (uint32_t)random_next(&random) % (UINT32_MAX >> random_below(&random, 32)), out = 0;
        lk_current_put(line, in);
        CHECK_EQ(lk_current_get(line, sizeof line, &out), 0);
        CHECK_EQ(out, in);
    }
}

TEST(every_flipped_bit_and_every_other_length_of_current_is_refused)
{
    static const uint32_t numbers[] = {1, 7, 999999, 1000000, UINT32_MAX};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        char line[LK_CURRENT_BYTES + 2];
        uint32_t number;
        lk_current_put(line, numbers[n]);
        line[LK_CURRENT_BYTES] = line[LK_CURRENT_BYTES + 1] = '\n';
        for (size_t bit = 0; bit < LK_CURRENT_BYTES * 8; bit++) {
            line[bit / 8] ^= (char)(1 << bit % 8);
            CHECK_EQ(lk_current_get(line, LK_CURRENT_BYTES, &number), -1);
            line[bit / 8] ^= (char)(1 << bit % 8);
        }
        for (size_t len = 0; len < sizeof line; len++) {
            char *copy = calloc(1, len ? len : 1);
            memcpy(copy, line, len);
            CHECK_EQ(lk_current_get(copy, len, &number), len == LK_CURRENT_BYTES ? 0 : -1);
            free(copy);
        }
    }
    CHECK_EQ(lk_current_get("MANIFEST-000000     00000000\n", 29, &(uint32_t){0}), -1);
}

/* ---- file names ----------------------------------------------------------------------------- */

TEST(files_are_named_by_numbers)
{
    char name[LK_FILE_NAME], aside[LK_FILE_NAME_ASIDE];
    lk_file_name(name, LK_FILE_LOCK, 5);
    CHECK_STR(name, "LOCK");
    lk_file_name(name, LK_FILE_CURRENT, 5);
    CHECK_STR(name, "CURRENT");
    lk_file_name(name, LK_FILE_MANIFEST, 7);
    CHECK_STR(name, "MANIFEST-000007");
    lk_file_name(name, LK_FILE_LOG, 12);
    CHECK_STR(name, "000012.log");
    lk_file_name(name, LK_FILE_TABLE, 14);
    CHECK_STR(name, "000014.tbl");
    lk_file_name(name, LK_FILE_VALUES, 13);
    CHECK_STR(name, "000013.val");
    lk_file_name(name, LK_FILE_TEMP, UINT32_MAX);
    CHECK_STR(name, "4294967295.tmp");
    lk_file_name(name, LK_FILE_ASIDE, 3);
    CHECK_STR(name, "");
    lk_file_name(name, LK_FILE_NONE, 3);
    CHECK_STR(name, "");
    lk_file_name_aside(aside, LK_FILE_LOG, 12);
    CHECK_STR(aside, "000012.log.aside");
    lk_file_name_aside(aside, LK_FILE_MANIFEST, UINT32_MAX);
    CHECK_STR(aside, "MANIFEST-4294967295.aside");
}

TEST(every_name_the_engine_writes_it_reads)
{
    static const uint32_t numbers[] = {1, 9, 999999, 1000000, 1234567, UINT32_MAX};
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
        for (enum lk_file_type type = LK_FILE_LOCK; type < LK_FILE_ASIDE; type++) {
            char name[LK_FILE_NAME], aside[LK_FILE_NAME_ASIDE];
            uint32_t number = 77;
            int numbered = type >= LK_FILE_MANIFEST;
            lk_file_name(name, type, numbers[n]);
            CHECK_EQ(lk_file_name_get(name, &number), type);
            CHECK_EQ(number, numbered ? numbers[n] : 0);
            lk_file_name_aside(aside, type, numbers[n]);
            CHECK_EQ(lk_file_name_get(aside, &number), numbered ? LK_FILE_ASIDE : LK_FILE_NONE);
            CHECK_EQ(number, numbered ? numbers[n] : 0);
        }
}

TEST(names_of_strangers_are_left_to_strangers)
{
    static const char *const strangers[] = {
        "",
        "lock",
        "LOCK ",
        "LOCKED",
        "CURRENT.tmp",
        "CURRENT.aside",
        "LOCK.aside",
        "MANIFEST",
        "MANIFEST-",
        "MANIFEST-7",
        "MANIFEST-0000007",
        "MANIFEST-000000",
        "MANIFEST-00000x",
        "MANIFEST-4294967296",
        "MANIFEST--00001",
        "MANIFEST-000007.log",
        "000012",
        "000012.",
        "000012.lo",
        "000012.logs",
        "000012.LOG",
        "00012.log",
        "0000012.log",
        "000000.log",
        "4294967296.log",
        "18446744073709551628.log",
        "99999999999999999999999999999999.tbl",
        "+00012.log",
        "-00012.log",
        " 000012.log",
        "000012 .log",
        "000012.log.aside.aside",
        ".aside",
        "x.aside",
        "000012.aside",
        "000012.vals",
        "a/000012.log",
        "../000012.log",
        "000012.log/",
        ".",
        "..",
        "notes.txt",
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        uint32_t number = 5;
        if (!CHECK_EQ(lk_file_name_get(strangers[i], &number), LK_FILE_NONE))
            fprintf(stderr, "  for \"%s\"\n", strangers[i]);
        CHECK_EQ(number, 0);
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
