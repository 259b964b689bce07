/* lab_bytes: makes the worked bytes of docs/format.md with the engine's own encoders and prints them.
 *
 *   make -C csrc && build/c/release/lab_bytes
 *
 * Rows of sixteen zero bytes are left out. */
#include <stdio.h>
#include <stdlib.h>

#include "format/edit.h"
#include "format/footer.h"
#include "format/frame.h"
#include "format/keycodec.h"
#include "format/line.h"
#include "format/page.h"
#include "util/checksum.h"
#include "util/hash.h"

static const uint64_t STORE = 0x0102030405060708, LOG = 0x1111111111111111, MANIFEST = 0x2222222222222222,
                      TABLE = 0x3333333333333333;
static const struct lk_hash_seed SEED = {0x0123456789abcdef, 0xfedcba9876543210};

static struct lk_slice text(const char *words)
{
    return lk_slice(words, strlen(words));
}

static int all_zero(const uint8_t *at, size_t bytes)
{
    while (bytes > 0 && at[bytes - 1] == 0)
        bytes--;
    return bytes == 0;
}

static void dump(const char *title, const uint8_t *at, size_t from, size_t to)
{
    printf("\n%s\n", title);
    for (size_t row = from; row < to; row += 16) {
        size_t bytes = to - row < 16 ? to - row : 16;
        if (all_zero(at + row, bytes))
            continue;
        printf("  %04zx  ", row);
        for (size_t i = 0; i < 16; i++) {
            if (i < bytes)
                printf("%02x ", at[row + i]);
            else
                printf("   ");
            printf("%s", i == 7 ? " " : "");
        }
        printf(" |");
        for (size_t i = 0; i < bytes; i++)
            putchar(at[row + i] >= 32 && at[row + i] < 127 ? at[row + i] : '.');
        printf("|\n");
    }
}

static uint8_t *put(uint8_t *to, uint8_t flags, const char *key, const char *value)
{
    struct lk_record record = {.key = text(key), .value = text(value), .flags = flags};
    return lk_record_put(to, &record);
}

/* cat = 1 and dog = 2 in one batch; then cat = 3, linked to the first; then a mark that both are durable. */
static void show_log(void)
{
    static uint8_t file[256];
    struct lk_file_head head = {
        .identity = LOG, .store = STORE, .number = 12, .prev = 11, .prev_end = 0x1000, .capacity = 0x100000};
    uint64_t at = LK_FILE_HEAD, body = at + LK_FRAME_HEAD;

    lk_file_head_put(file, "lsmkvLOG", &head);
    uint32_t first = (uint32_t)body;
    uint8_t *end = put(put(file + body, LK_PUT, "cat", "1"), LK_PUT, "dog", "2");
    uint32_t bytes = (uint32_t)(end - (file + body));
    lk_frame_seal(file + at, LK_FRAME_RECORDS, bytes, LOG, at);
    at += lk_frame_bytes(bytes);

    struct lk_record again = {.key = text("cat"),
                              .value = text("3"),
                              .flags = LK_PUT | LK_RECORD_LINK,
                              .prev = first,
                              .jump = first,
                              .depth = 1};
    bytes = (uint32_t)lk_record_bytes(&again);
    lk_record_put(file + at + LK_FRAME_HEAD, &again);
    lk_frame_seal(file + at, LK_FRAME_RECORDS, bytes, LOG, at);
    at += lk_frame_bytes(bytes);

    lk_store64(file + at + LK_FRAME_HEAD, (uint64_t)12 << 32 | at);
    lk_frame_seal(file + at, LK_FRAME_SYNC_MARK, 8, LOG, at);
    dump("000012.log", file, 0, at + lk_frame_bytes(8));
}

static void must(int rc)
{
    if (rc != 0)
        abort();
}

static void show_manifest(void)
{
    static uint8_t file[512];
    struct lk_file_head head = {.identity = MANIFEST, .store = STORE, .number = 7};
    struct lk_run_meta run = {.id = 1};
    struct lk_table_meta table = {.run = 1,
                                  .number = 14,
                                  .identity = TABLE,
                                  .bytes = 0x10ce,
                                  .records = 3,
                                  .tombstones = 1,
                                  .payload = 11,
                                  .lsn_min = (uint64_t)12 << 32 | 64,
                                  .lsn_max = (uint64_t)12 << 32 | 160,
                                  .hi_open = 1,
                                  .key_min = text("cat"),
                                  .key_max = text("emu"),
                                  .range_deletes = 1};
    struct lk_buf edit = {0};

    must(lk_edit_store(&edit, STORE, SEED.a, SEED.b, 0, text(""), text("")));
    must(lk_edit_next(&edit, 16));
    must(lk_edit_log(&edit, 13, 0, 0, text("")));
    must(lk_edit_durable(&edit, (uint64_t)12 << 32 | 160));
    must(lk_edit_runs(&edit, &run, 1));
    must(lk_edit_table(&edit, &table));
    lk_file_head_put(file, "lsmkvMAN", &head);
    memcpy(file + LK_FILE_HEAD + LK_FRAME_HEAD, edit.at, edit.len);
    lk_frame_seal(file + LK_FILE_HEAD, LK_FRAME_EDIT, (uint32_t)edit.len, MANIFEST, LK_FILE_HEAD);
    dump("MANIFEST-000007", file, 0, LK_FILE_HEAD + lk_frame_bytes(edit.len));
    lk_buf_deinit(&edit);

    char current[LK_CURRENT_BYTES];
    lk_current_put(current, 7);
    dump("CURRENT", (const uint8_t *)current, 0, sizeof current);
}

static size_t align(size_t at, size_t to)
{
    return (at + to - 1) / to * to;
}

/* cat = 3, dog deleted, emu = 4, in two pages; one range delete ["x", end). */
static void show_table(void)
{
    static uint8_t file[8192];
    static struct lk_line line;
    static const char *const keys[] = {"cat", "dog", "emu"};
    struct lk_line_item items[3];
    uint32_t item_of[LK_LINE_SLOTS], starts[3];
    struct lk_footer f = {.identity = TABLE,
                          .number = 14,
                          .fence_count = 2,
                          .line_count = 1,
                          .check_count = 1,
                          .records = 3,
                          .tombstones = 1,
                          .range_deletes = 1,
                          .payload = 11,
                          .hash_a = SEED.a,
                          .hash_b = SEED.b,
                          .key_min_bytes = 3,
                          .key_max_bytes = 3,
                          .lsn_min = (uint64_t)12 << 32 | 64,
                          .lsn_max = (uint64_t)12 << 32 | 160};

    lk_table_head_put(file, 14, TABLE);
    starts[0] = LK_TABLE_HEAD;
    starts[1] = (uint32_t)(put(file + starts[0], LK_PUT, "cat", "3") - file);
    starts[2] = (uint32_t)(put(file + starts[1], LK_DELETE, "dog", "") - file);
    f.pages_end = (uint64_t)(put(file + starts[2], LK_PUT, "emu", "4") - file);

    f.fences_at = align(f.pages_end, 64);
    uint8_t *at = file + f.fences_at;
    lk_store64(at, lk_head(text("cat"), 0));
    lk_store64(at + 8, lk_head(text("emu"), 0));
    lk_store32(at + 16, starts[0]);
    lk_store32(at + 20, starts[2]);
    lk_store32(at + 24, (uint32_t)f.pages_end);

    f.lines_at = align(f.fences_at + 28, 64);
    for (int i = 0; i < 3; i++) {
        items[i] = (struct lk_line_item){lk_hash(SEED, keys[i], 3), starts[i]};
        printf("hash of %s: %016llx\n", keys[i], (unsigned long long)items[i].hash);
    }
    must(lk_lines_build(&line, 1, items, 3, item_of));
    memcpy(file + f.lines_at, (void *)&line, 64);

    f.checks_at = align(f.lines_at + 64, LK_GRANULE);
    at = file + f.checks_at;
    lk_store32(at, lk_checksum(lk_checksum_seed(TABLE, 0), file, LK_GRANULE));
    memcpy(at + 4, "catemu", 6);
    uint8_t *end = put(at + 10, LK_RANGE_DELETE | LK_RECORD_OPEN_END, "x", "");
    f.range_bytes = (uint32_t)(end - (at + 10));
    f.tail_sum = lk_checksum(lk_checksum_seed(TABLE, f.checks_at), at, (size_t)(end - at));
    f.file_bytes = (uint64_t)(end - file) + LK_FOOTER;
    lk_footer_put(end, &f);
    dump("000014.tbl", file, 0, f.file_bytes);
    printf("  fences at %04llx, line at %04llx, checks at %04llx, footer at %04llx, %llu bytes\n",
           (unsigned long long)f.fences_at, (unsigned long long)f.lines_at, (unsigned long long)f.checks_at,
           (unsigned long long)f.file_bytes - LK_FOOTER, (unsigned long long)f.file_bytes);

    const char *what;
    must(lk_footer_get(end, f.file_bytes, &f, &what));
}

static void show_records(void)
{
    static const char *const titles[] = {"put cat = 1", "delete cat", "delete [a, c)", "delete [a, end)"};
    uint8_t bytes[4][32], *end[4];
    end[0] = put(bytes[0], LK_PUT, "cat", "1");
    end[1] = put(bytes[1], LK_DELETE, "cat", "");
    end[2] = put(bytes[2], LK_RANGE_DELETE, "a", "c");
    end[3] = put(bytes[3], LK_RANGE_DELETE | LK_RECORD_OPEN_END, "a", "");
    for (int i = 0; i < 4; i++)
        dump(titles[i], bytes[i], 0, (size_t)(end[i] - bytes[i]));
    struct lk_record expiring = {
        .key = text("cat"), .value = text("1"), .flags = LK_PUT | LK_RECORD_EXPIRY, .expiry = 1767225600000000000};
    dump("put cat = 1 until 2026-01-01", bytes[0], 0, (size_t)(lk_record_put(bytes[0], &expiring) - bytes[0]));
}

static void show_key(const char *name, const char *title, const union lsmkv_element *elements)
{
    uint8_t key[64];
    char words[64];
    struct lk_keycodec codec;
    size_t at = 0, next = 0;
    must(lk_keycodec_parse(&codec, name, strlen(name)));
    for (size_t i = 0; i < codec.count; i++) {
        must(lk_keycodec_put(&codec, i, &elements[next], key, sizeof key, &at));
        next += codec.fields[i].type != LSMKV_FIELD_TUPLE;
    }
    snprintf(words, sizeof words, "%s as %s", title, name);
    dump(words, key, 0, at);
}

static void show_keys(void)
{
    const union lsmkv_element minus_one = {.i64 = -1}, one = {.u64 = 1}, second = {.i64 = 1000000};
    const union lsmkv_element floats[] = {{.f64 = 1.0}, {.f64 = -1.0}, {.f64 = 0.0}};
    const union lsmkv_element cat = {.bytes = {"cat", 3}}, zero = {.bytes = {"a\0", 2}};
    const union lsmkv_element pair[] = {cat, minus_one};
    show_key("i64", "-1", &minus_one);
    show_key("u64", "1", &one);
    show_key("f64", "1.0", &floats[0]);
    show_key("f64", "-1.0", &floats[1]);
    show_key("f64", "0.0", &floats[2]);
    show_key("bool", "true", &one);
    show_key("datetime", "1970-01-01 00:00:01", &second);
    show_key("str", "cat", &cat);
    show_key("(str)", "cat", &cat);
    show_key("(bytes)", "61 00", &zero);
    show_key("(str,i64)", "(cat, -1)", pair);
    show_key("desc(str)", "cat", &cat);
}

int main(void)
{
    show_records();
    show_keys();
    show_log();
    show_manifest();
    show_table();
    return 0;
}
