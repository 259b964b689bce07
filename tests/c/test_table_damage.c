/* Damaged and crafted tables: an answer is the right one or a typed failure, for every bit and every length;
 * and bytes that verify but make no sense never crash and never keep a walk from ending. */
#include "forge_kit.h"
#include "table_kit.h"

enum { ROWS = 60 };

/* Values over a few pages, a record over two granules, an expiry, a tombstone, a range delete. */
static struct model small_model(void)
{
    struct model model = {0};
    for (unsigned i = 0; i < ROWS; i++) {
        char key[24];
        snprintf(key, sizeof key, "user:%04u", i * 37 % 1000);
        model_add(&model, key, 9, i == 20 ? 1500 : i % 40);
        model.rows[i].expiry = i % 7 == 0 ? 55 : 0;
        model.rows[i].deleted = i % 11 == 5;
        if (model.rows[i].deleted)
            model.rows[i].value_bytes = 0;
    }
    model_settle(&model);
    return model;
}

struct subject {
    struct kit kit;
    struct model model;
    struct lk_ranges ranges;
    struct lk_table_meta meta;
    struct lk_file *file;
    char name[24];
};

static int subject_open(struct subject *subject)
{
    struct lk_slice stop = lk_slice("user:0777", 9);
    kit_open(&subject->kit, 1u << 20);
    subject->kit.page_bytes = 256;
    subject->model = small_model();
    subject->ranges = (struct lk_ranges){0};
    CHECK_EQ(lk_ranges_add(&subject->ranges, lk_slice("user:0500", 9), &stop), 0);
    CHECK_EQ(kit_write_part(&subject->kit, &subject->model, 0, subject->model.count, lk_slice("u", 1), NULL,
                            &subject->ranges, &subject->meta),
             0);
    lk_file_name(subject->name, LK_FILE_TABLE, subject->meta.number);
    return CHECK_EQ(subject->kit.env->ops->open(subject->kit.dir, subject->name, LK_OPEN_WRITE, 0, &subject->file), 0);
}

static void subject_close(struct subject *subject)
{
    subject->kit.env->ops->close(subject->file);
    lk_table_meta_deinit(&subject->meta);
    lk_ranges_deinit(&subject->ranges);
    model_free(&subject->model);
    kit_close(&subject->kit);
}

static void put(struct subject *subject, uint64_t offset, const void *from, size_t bytes)
{
    CHECK_EQ(subject->kit.env->ops->write(subject->file, offset, from, bytes), 0);
}

static uint8_t *contents(struct subject *subject)
{
    uint8_t *bytes = malloc(subject->meta.bytes);
    CHECK_EQ(subject->kit.env->ops->read(subject->file, 0, bytes, subject->meta.bytes), (int64_t)subject->meta.bytes);
    return bytes;
}

static int typed(int rc)
{
    const struct lsmkv_error *error = lk_error();
    return (rc == LSMKV_CORRUPT || rc == LSMKV_FORMAT) && error->status == rc && error->text[0] &&
           (rc == LSMKV_FORMAT || error->file[0]);
}

/* ---- asking everything ------------------------------------------------------------------------------ */

/* honest: answers must be those of the model. Otherwise they only have to come. Returns failures met. */
static unsigned find_all(struct lk_table *table, const struct model *model, int honest)
{
    struct lk_buf bytes = {0};
    struct lk_record record;
    unsigned failures = 0;
    for (size_t i = 0; i < model->count; i++)
        for (int copy = 0; copy < 2; copy++) {
            struct lk_slice key = model->rows[i].key;
            int rc =
                copy ? lk_table_find_copy(table, kit_hash(key), key, &bytes, &record) : kit_find(table, key, &record);
            if (rc < 0)
                failures += CHECK(typed(rc)) ? 1u : 1000u;
            else if (honest)
                CHECK(rc == 0 && row_is(&model->rows[i], &record));
        }
    for (unsigned i = 0; i < 20; i++) {
        char key[24];
        snprintf(key, sizeof key, "user:%04u", i * 50 + 2001);
        int rc = kit_find(table, lk_slice(key, 9), &record);
        failures += rc < 0;
        CHECK(rc == LSMKV_NOTFOUND || typed(rc));
    }
    lk_buf_deinit(&bytes);
    return failures;
}

static unsigned walk(struct lk_table *table, const struct model *model, int streaming, int back, int honest)
{
    struct lk_table_cursor cursor;
    lk_table_cursor_init(&cursor, table, streaming);
    struct drive drive = {&cursor.cursor, &cursor.missing, {0}};
    uint64_t steps = 0;
    drive_seek(&drive, NULL, 0, back);
    for (; cursor.cursor.valid; steps++) {
        if (honest) {
            size_t at = back ? model->count - 1 - steps : steps;
            if (!CHECK(at < model->count) || !CHECK(row_is(&model->rows[at], &cursor.cursor.record)))
                break;
        }
        if (!CHECK(steps < table->pages_end))
            break;
        drive_move(&drive, back);
    }
    int rc = cursor.cursor.status;
    if (rc < 0)
        CHECK(typed(rc));
    else if (honest)
        CHECK_EQ(steps, model->count);
    cursor.cursor.ops->deinit(&cursor.cursor);
    lk_buf_deinit(&drive.last);
    return rc < 0;
}

static unsigned seek_all(struct lk_table *table, const struct model *model, int honest)
{
    unsigned failures = 0;
    struct lk_table_cursor cursor;
    lk_table_cursor_init(&cursor, table, 0);
    struct drive drive = {&cursor.cursor, &cursor.missing, {0}};
    for (size_t i = 0; i < model->count; i += 5) {
        drive_seek(&drive, &model->rows[i].key, 0, (int)(i & 1));
        if (cursor.cursor.status < 0)
            failures += CHECK(typed(cursor.cursor.status)) ? 1u : 1000u;
        else if (honest)
            CHECK(cursor.cursor.valid && row_is(&model->rows[i], &cursor.cursor.record));
    }
    cursor.cursor.ops->deinit(&cursor.cursor);
    lk_buf_deinit(&drive.last);
    return failures;
}

/* Returns how many of all questions failed, the verification last: open counts too. */
static unsigned ask_all(struct subject *subject, int honest, int *verified)
{
    struct lk_table *table;
    int rc = kit_load(&subject->kit, &subject->meta, &table);
    *verified = -1;
    if (rc < 0) {
        CHECK(table == NULL && typed(rc));
        return 1;
    }
    unsigned failures = find_all(table, &subject->model, honest) + seek_all(table, &subject->model, honest);
    for (int how = 0; how < 4; how++)
        failures += walk(table, &subject->model, how & 1, how >> 1, honest);
    *verified = lk_table_verify(table, NULL, NULL, NULL);
    if (*verified)
        CHECK(typed(*verified));
    lk_table_unref(table);
    return failures + (*verified != 0);
}

/* Neither opened nor found sound. */
static int is_refused(struct subject *subject)
{
    struct lk_table *table;
    int rc = kit_load(&subject->kit, &subject->meta, &table);
    if (rc == 0) {
        rc = lk_table_verify(table, NULL, NULL, NULL);
        lk_table_unref(table);
    }
    return rc < 0 && CHECK(typed(rc));
}

/* ---- damage ------------------------------------------------------------------------------------------ */

TEST(undamaged)
{
    struct subject subject;
    int verified;
    NEED(subject_open(&subject));
    for (subject.kit.mapped = 0; subject.kit.mapped < 2; subject.kit.mapped++) {
        CHECK_EQ(ask_all(&subject, 1, &verified), 0);
        CHECK_EQ(verified, 0);
    }
    subject_close(&subject);
}

/* Opening or verifying finds it: the questions besides, each with the right answer or none, are one bit of a byte's. */
TEST(every_single_bit)
{
    struct subject subject;
    int verified;
    NEED(subject_open(&subject));
    uint8_t *bytes = contents(&subject);
    for (uint64_t bit = 0; bit < 8 * subject.meta.bytes; bit++) {
        uint64_t at = bit / 8;
        uint8_t flipped = (uint8_t)(bytes[at] ^ 1 << bit % 8);
        put(&subject, at, &flipped, 1);
        subject.kit.mapped = at & 1;
        int found = bit % 8 == at / 2 % 8 ? ask_all(&subject, 1, &verified) > 0 && verified != 0 : is_refused(&subject);
        put(&subject, at, &bytes[at], 1);
        if (!CHECK(found)) {
            fprintf(stderr, "bit %llu\n", (unsigned long long)bit);
            break;
        }
    }
    free(bytes);
    subject_close(&subject);
}

TEST(every_length)
{
    struct subject subject;
    NEED(subject_open(&subject));
    const struct lk_env_ops *ops = subject.kit.env->ops;
    uint8_t *bytes = contents(&subject);
    struct lk_table_meta meta = subject.meta;
    for (uint64_t length = 0; length < subject.meta.bytes; length++) {
        struct lk_table *table;
        CHECK_EQ(ops->truncate(subject.file, length), 0);
        if (!CHECK_EQ(kit_load(&subject.kit, &subject.meta, &table), LSMKV_CORRUPT))
            break;
        subject.meta.bytes = length; /* even when the manifest believes it */
        if (!CHECK_EQ(kit_load(&subject.kit, &subject.meta, &table), LSMKV_CORRUPT))
            break;
        subject.meta = meta;
        put(&subject, 0, bytes, meta.bytes);
    }
    put(&subject, meta.bytes, "x", 1);
    struct lk_table *table;
    CHECK_EQ(kit_load(&subject.kit, &subject.meta, &table), LSMKV_CORRUPT);
    free(bytes);
    subject_close(&subject);
}

TEST(truncated_while_open)
{
    struct subject subject;
    struct lk_table *table;
    NEED(subject_open(&subject));
    subject.kit.mapped = 0;
    NEED(kit_load(&subject.kit, &subject.meta, &table) == 0);
    CHECK_EQ(subject.kit.env->ops->truncate(subject.file, 100), 0);
    CHECK(find_all(table, &subject.model, 1) > 2 * ROWS - 10);
    CHECK_EQ(lk_table_verify(table, NULL, NULL, NULL), LSMKV_CORRUPT);
    lk_table_unref(table);
    subject_close(&subject);
}

static void count_damage(void *context, const struct lsmkv_error *damage)
{
    unsigned *found = context;
    CHECK_EQ(damage->status, LSMKV_CORRUPT);
    CHECK_EQ(damage->offset & 4095, 0);
    ++*found;
}

TEST(verify_names_each_damaged_granule_and_a_walk_stops_at_the_first)
{
    struct subject subject;
    struct lk_table *table;
    unsigned found = 0;
    subject.kit.page_bytes = 0;
    kit_open(&subject.kit, 1u << 20);
    subject.ranges = (struct lk_ranges){0};
    subject.model = (struct model){0};
    for (unsigned i = 0; i < 6000; i++) {
        char key[8];
        snprintf(key, sizeof key, "%06u", i);
        model_add(&subject.model, key, 6, 91); /* 100 bytes with head and key */
    }
    NEED(kit_write(&subject.kit, &subject.model, &subject.meta) == 0);
    lk_file_name(subject.name, LK_FILE_TABLE, 1);
    NEED(subject.kit.env->ops->open(subject.kit.dir, subject.name, LK_OPEN_WRITE, 0, &subject.file) == 0);
    put(&subject, 20 * 4096 + 100, "damage", 6);
    put(&subject, 30 * 4096 + 100, "damage", 6);
    NEED(kit_load(&subject.kit, &subject.meta, &table) == 0);
    CHECK_EQ(lk_table_verify(table, count_damage, NULL, &found), LSMKV_CORRUPT);
    CHECK_EQ(found, 2);
    CHECK_EQ(lk_error()->offset, 20 * 4096);
    CHECK_STR(lk_error()->file, "000001.tbl");

    struct lk_table_cursor cursor;
    size_t seen = 0;
    lk_table_cursor_init(&cursor, table, 1);
    for (cursor.cursor.ops->seek(&cursor.cursor, NULL, 0); cursor.cursor.valid; seen++)
        cursor.cursor.ops->next(&cursor.cursor);
    CHECK_EQ(cursor.cursor.status, LSMKV_CORRUPT);
    CHECK_EQ(lk_error()->offset, 20 * 4096);
    if (kit_codec == 0)
        CHECK(seen > 20 * 4096 / 100 - 40 && seen <= 20 * 4096 / 100); /* all pages before it */
    CHECK(seen > 20 * 4096 / 100 - 40);
    CHECK(cursor.missing.table == table && cursor.missing.offset <= 20 * 4096 &&
          cursor.missing.offset + cursor.missing.bytes > 20 * 4096);
    cursor.cursor.ops->deinit(&cursor.cursor);
    lk_table_unref(table);
    subject_close(&subject);
}

static int cancel(void *context, uint64_t bytes)
{
    (void)bytes;
    return ++*(int *)context > 0;
}

TEST(verify_can_be_cancelled)
{
    struct subject subject;
    struct lk_table *table;
    int calls = 0;
    NEED(subject_open(&subject));
    NEED(kit_load(&subject.kit, &subject.meta, &table) == 0);
    CHECK_EQ(lk_table_verify(table, NULL, cancel, &calls), LSMKV_CANCELLED);
    CHECK_EQ(calls, 1);
    lk_table_unref(table);
    subject_close(&subject);
}

/* ---- crafted ------------------------------------------------------------------------------------------- */

static void garble(struct random *random, uint8_t *at, uint64_t length)
{
    static const uint8_t odd[] = {0, 1, 2, 3, 4, 8, 12, 0x40, 0x7f, 0x80, 0xff};
    uint64_t offset = random_below(random, length), run = 1 + random_below(random, 4);
    for (uint64_t i = offset; i < offset + run && i < length; i++)
        at[i] = random_below(random, 2) ? odd[random_below(random, sizeof odd)] : (uint8_t)random_next(random);
}

TEST(crafted_sections)
{
    struct subject subject;
    struct random random = {11};
    const char *what;
    struct lk_footer footer;
    int verified;
    NEED(subject_open(&subject));
    uint64_t length = subject.meta.bytes;
    uint8_t *sound = contents(&subject), *bytes = malloc(length);
    NEED(lk_footer_get(sound + length - LK_FOOTER, length, &footer, &what) == 0);
    struct {
        uint64_t at, end;
    } parts[] = {
        {0, footer.pages_end},
        {footer.fences_at, footer.fences_at + footer.fence_count * 12 + 4},
        {footer.lines_at, footer.lines_at + footer.line_count * 64},
        {footer.checks_at + footer.check_count * 4, length - LK_FOOTER},
        {footer.pages_end, footer.fences_at},
    };
    for (unsigned round = 0; round < 4000; round++) {
        memcpy(bytes, sound, length);
        unsigned part = round % 5;
        if (parts[part].end > parts[part].at)
            for (uint64_t times = 1 + random_below(&random, 3); times; times--)
                garble(&random, bytes + parts[part].at, parts[part].end - parts[part].at);
        forge_table(bytes, length, &footer);
        put(&subject, 0, bytes, length);
        subject.kit.mapped = round & 1;
        ask_all(&subject, 0, &verified);
        if (part && part != 3 && memcmp(bytes, sound, footer.checks_at) != 0)
            CHECK(verified != 0); /* pages may hold other values, and ranges other keys; the rest is determined */
    }
    free(bytes);
    free(sound);
    subject_close(&subject);
}

TEST(a_crafted_slot_or_bit_too_many)
{
    struct subject subject;
    const char *what;
    struct lk_footer footer;
    struct lk_table *table;
    NEED(subject_open(&subject));
    uint64_t length = subject.meta.bytes;
    uint8_t *bytes = contents(&subject);
    NEED(lk_footer_get(bytes + length - LK_FOOTER, length, &footer, &what) == 0);
    CHECK_EQ(lk_footer_filtered(&footer), kit_filtered);
    uint8_t *line = bytes + footer.lines_at;
    while (line[0] >= LK_LINE_SLOTS && !kit_filtered)
        line += 64;
    line[0]++; /* names the file's head; in a filter: takes a bit and gives one */
    forge_table(bytes, length, &footer);
    put(&subject, 0, bytes, length);
    NEED(kit_load(&subject.kit, &subject.meta, &table) == 0);
    CHECK_EQ(lk_table_verify(table, NULL, NULL, NULL), LSMKV_CORRUPT);
    lk_table_unref(table);
    free(bytes);
    subject_close(&subject);
}

TEST(a_crafted_large_page_of_several_records)
{
    struct subject subject = {0};
    const char *what;
    struct lk_footer footer;
    struct lk_table *table;
    kit_open(&subject.kit, 1u << 20);
    model_add(&subject.model, "k", 1, 80000);
    NEED(kit_write(&subject.kit, &subject.model, &subject.meta) == 0);
    lk_file_name(subject.name, LK_FILE_TABLE, 1);
    NEED(subject.kit.env->ops->open(subject.kit.dir, subject.name, LK_OPEN_WRITE, 0, &subject.file) == 0);
    uint64_t length = subject.meta.bytes;
    uint8_t *bytes = contents(&subject);
    NEED(lk_footer_get(bytes + length - LK_FOOTER, length, &footer, &what) == 0);
    CHECK_EQ(bytes[64 + 2] & 0x7f, 80000 & 0x7f); /* flags, key length, value length in three bytes */
    bytes[64 + 2] -= 5;
    forge_table(bytes, length, &footer);
    put(&subject, 0, bytes, length);
    NEED(kit_load(&subject.kit, &subject.meta, &table) == 0);
    for (int how = 0; how < 4; how++)
        CHECK_EQ(walk(table, &subject.model, how & 1, how >> 1, 0), 1);
    CHECK_EQ(lk_table_verify(table, NULL, NULL, NULL), LSMKV_CORRUPT);
    lk_table_unref(table);
    free(bytes);
    subject_close(&subject);
}

/* However well summed, and although the manifest says the same. */
TEST(a_crafted_count_of_records_is_refused_at_open)
{
    struct subject subject;
    struct lk_table *table;
    struct lk_footer footer;
    const char *what;
    NEED(subject_open(&subject));
    uint64_t length = subject.meta.bytes;
    uint8_t *bytes = contents(&subject);
    NEED(lk_footer_get(bytes + length - LK_FOOTER, length, &footer, &what) == 0);
    subject.meta.records = footer.records = (uint64_t)1 << 40;
    forge_table(bytes, length, &footer);
    put(&subject, 0, bytes, length);
    CHECK_EQ(kit_load(&subject.kit, &subject.meta, &table), LSMKV_CORRUPT);
    CHECK_STR(lk_error()->file, subject.name);
    CHECK_EQ(lk_error()->offset, length - LK_FOOTER);
    CHECK(strstr(lk_error()->text, kit_filtered ? "no room for so many records" : "more records than slots") != NULL);
    free(bytes);
    subject_close(&subject);
}

TEST(crafted_footers)
{
    struct subject subject;
    struct random random = {12};
    const char *what;
    struct lk_footer footer;
    int verified;
    NEED(subject_open(&subject));
    uint64_t length = subject.meta.bytes;
    uint8_t *sound = contents(&subject), *bytes = malloc(length);
    NEED(lk_footer_get(sound + length - LK_FOOTER, length, &footer, &what) == 0);
    for (unsigned round = 0; round < 4000; round++) {
        struct lk_footer crafted = footer;
        uint64_t *wide[] = {&crafted.pages_end, &crafted.fences_at,  &crafted.lines_at, &crafted.checks_at,
                            &crafted.records,   &crafted.tombstones, &crafted.payload,  &crafted.file_bytes};
        uint32_t *narrow[] = {&crafted.prefix,      &crafted.fence_count,    &crafted.line_count,
                              &crafted.check_count, &crafted.key_min_bytes,  &crafted.key_max_bytes,
                              &crafted.range_bytes, &crafted.range_deletes,  &crafted.codec,
                              &crafted.features,    &crafted.milestone_bytes};
        for (uint64_t times = 1 + random_below(&random, 3); times; times--) {
            uint64_t delta = random_below(&random, 3) == 0
                                 ? random_next(&random) >> random_below(&random, 64)
                                 : (random_below(&random, 9) - 4) * 64 / (1 + 63 * random_below(&random, 2));
            if (random_below(&random, 2))
                *wide[random_below(&random, 8)] += delta;
            else
                *narrow[random_below(&random, 11)] += (uint32_t)delta;
        }
        memcpy(bytes, sound, length);
        forge_table(bytes, length, &crafted);
        put(&subject, 0, bytes, length);
        struct lk_table_meta meta = subject.meta; /* a manifest that goes along with it */
        subject.meta.records = crafted.records;
        subject.meta.tombstones = crafted.tombstones;
        subject.meta.payload = crafted.payload;
        subject.meta.range_deletes = crafted.range_deletes;
        subject.kit.mapped = round & 1;
        ask_all(&subject, 0, &verified);
        CHECK(verified != 0 || memcmp(bytes, sound, length) == 0);
        subject.meta = meta;
    }
    free(bytes);
    free(sound);
    subject_close(&subject);
}

TEST(another_tables_file_under_this_name)
{
    struct subject subject;
    struct lk_table_meta other;
    struct lk_table *table;
    NEED(subject_open(&subject));
    NEED(kit_write(&subject.kit, &subject.model, &other) == 0);
    CHECK_EQ(subject.kit.env->ops->rename(subject.kit.dir, "000002.tbl", "000001.tbl"), 0);
    subject.meta.bytes = other.bytes;
    CHECK_EQ(kit_load(&subject.kit, &subject.meta, &table), LSMKV_CORRUPT);
    lk_table_meta_deinit(&other);
    subject_close(&subject);
}

TEST(another_stores_seed)
{
    struct subject subject;
    struct lk_table *table;
    struct lk_hash_seed other = {1, 2};
    NEED(subject_open(&subject));
    CHECK_EQ(lk_table_open(subject.kit.env, subject.kit.dir, &subject.meta, other, &subject.kit.cache, 1, &table),
             LSMKV_FORMAT);
    CHECK_EQ(subject.kit.env->ops->remove(subject.kit.dir, subject.name), 0);
    CHECK_EQ(kit_load(&subject.kit, &subject.meta, &table), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, subject.name);
    CHECK(table == NULL);
    subject_close(&subject);
}

int main(int argc, char **argv)
{
    return kit_check_run(argc, argv, LK_PACK_LZ4);
}
