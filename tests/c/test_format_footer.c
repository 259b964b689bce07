/* test_format_footer: the footer that vouches for a table, and the table's head. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/footer.h"
#include "format/space.h"
#include "util/checksum.h"

/* A table of 3 records in one page of 60 bytes: head 64, page to 124, fences at 128, line at 192. */
static struct lk_footer small(void)
{
    return (struct lk_footer){
        .identity = 0x1122334455667788,
        .file_bytes = 4096 + 4 + 3 + 5 + 0 + LK_FOOTER,
        .pages_end = 124,
        .fences_at = 128,
        .lines_at = 192,
        .checks_at = 4096,
        .records = 3,
        .tombstones = 1,
        .lsn_min = (uint64_t)12 << 32 | 64,
        .lsn_max = (uint64_t)12 << 32 | 200,
        .hash_a = 1,
        .hash_b = 2,
        .payload = 40,
        .number = 14,
        .prefix = 2,
        .fence_count = 1,
        .line_count = 1,
        .check_count = 1,
        .key_min_bytes = 3,
        .key_max_bytes = 5,
        .tail_sum = 0xdeadbeef,
    };
}

static int get(const struct lk_footer *footer, const char **what)
{
    uint8_t bytes[LK_FOOTER];
    struct lk_footer out;
    lk_footer_put(bytes, footer);
    return lk_footer_get(bytes, footer->file_bytes, &out, what);
}

static void check_refused(const struct lk_footer *footer)
{
    const char *what = NULL;
    CHECK_EQ(get(footer, &what), -1);
    CHECK(what != NULL);
}

TEST(the_worked_table_head_is_these_bytes)
{
    static const uint8_t wanted[64] = {'l', 's', 'm', 'k', 'v',  'T',  'B',  'L',  1,    0,    0,    0,
                                       14,  0,   0,   0,   0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
    uint8_t head[LK_TABLE_HEAD];
    memset(head, 0xee, sizeof head);
    lk_table_head_put(head, 14, 0x1122334455667788);
    CHECK_MEM(head, wanted, 64);
}

TEST(each_field_stands_where_the_drawing_says)
{
    struct lk_footer f = {
        .number = 0x0c0d0e0f,
        .identity = 0x1011121314151617,
        .file_bytes = 0x18191a1b1c1d1e1f,
        .codec = 0x20212223,
        .features = 0x24252627,
        .prefix = 0x28292a2b,
        .fence_count = 0x2c2d2e2f,
        .pages_end = 0x3031323334353637,
        .fences_at = 0x38393a3b3c3d3e3f,
        .lines_at = 0x4041424344454647,
        .line_count = 0x48494a4b,
        .checks_at = 0x5051525354555657,
        .check_count = 0x58595a5b,
        .key_min_bytes = 0x5c5d5e5f,
        .key_max_bytes = 0x60616263,
        .range_bytes = 0x64656667,
        .records = 0x68696a6b6c6d6e6f,
        .tombstones = 0x7071727374757677,
        .range_deletes = 0x78797a7b,
        .lsn_min = 0x8081828384858687,
        .lsn_max = 0x88898a8b8c8d8e8f,
        .hash_a = 0x9091929394959697,
        .hash_b = 0x98999a9b9c9d9e9f,
        .payload = 0xa0a1a2a3a4a5a6a7,
        .expiring = 0xa8a9aaabacadaeaf,
        .use_bytes = 0xb0b1b2b3,
        .milestone_bytes = 0xb4b5b6b7,
        .tail_sum = 0xb8b9babb,
        .page_shift = 0x4c4d4e4f,
        .unpacked = 0x7c7d7e7f,
    };
    uint8_t bytes[LK_FOOTER];
    lk_footer_put(bytes, &f);
    CHECK_MEM(bytes, "lsmkvTBF\1\0\0\0", 12);
    static const uint8_t wide[] = {16, 24, 48, 56, 64, 80, 104, 112, 128, 136, 144, 152, 160, 168};
    static const uint8_t narrow[] = {12, 32, 36, 40, 44, 72, 76, 88, 92, 96, 100, 120, 124, 176, 180, 184};
    for (size_t i = 0; i < sizeof wide; i++) /* every byte was set to its own offset, most significant first */
        for (int b = 0; b < 8; b++)
            CHECK_EQ(bytes[wide[i] + 7 - b], wide[i] + b);
    for (size_t i = 0; i < sizeof narrow; i++)
        for (int b = 0; b < 4; b++)
            CHECK_EQ(bytes[narrow[i] + 3 - b], narrow[i] + b);
    CHECK_EQ(lk_load32(bytes + 188), lk_checksum(lk_checksum_seed(f.identity, f.file_bytes), bytes, 188));
}

TEST(a_footer_comes_back)
{
    struct lk_footer in = small(), out;
    uint8_t bytes[LK_FOOTER], again[LK_FOOTER];
    const char *what = "unset";
    lk_footer_put(bytes, &in);
    NEED(CHECK_EQ(lk_footer_get(bytes, in.file_bytes, &out, &what), 0));
    lk_footer_put(again, &out);
    CHECK_MEM(bytes, again, LK_FOOTER);
    CHECK(out.tombstones == 1 && out.tail_sum == 0xdeadbeef && out.key_max_bytes == 5 && out.prefix == 2);
}

TEST(every_flipped_bit_is_damage)
{
    struct lk_footer in = small(), out;
    uint8_t bytes[LK_FOOTER];
    const char *what;
    lk_footer_put(bytes, &in);
    for (size_t bit = 0; bit < LK_FOOTER * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_EQ(lk_footer_get(bytes, in.file_bytes, &out, &what), -1);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

TEST(a_file_of_another_length_does_not_have_this_footer)
{
    struct lk_footer in = small(), out;
    uint8_t bytes[LK_FOOTER];
    const char *what;
    lk_footer_put(bytes, &in);
    for (uint64_t bytes_long = 0; bytes_long < 9000; bytes_long++)
        if (bytes_long != in.file_bytes)
            CHECK_EQ(lk_footer_get(bytes, bytes_long, &out, &what), -1);
}

static int get_patched(size_t at, uint32_t value, const char **what)
{
    struct lk_footer in = small(), out;
    uint8_t bytes[LK_FOOTER];
    lk_footer_put(bytes, &in);
    lk_store32(bytes + at, value);
    lk_store32(bytes + 188, lk_checksum(lk_checksum_seed(in.identity, in.file_bytes), bytes, 188));
    return lk_footer_get(bytes, in.file_bytes, &out, what);
}

TEST(what_this_build_does_not_know_is_told_apart_from_damage)
{
    const char *what = NULL;
    CHECK_EQ(get_patched(8, 2, &what), -2);
    CHECK_STR(what, "the table is of another format version");
    CHECK_EQ(get_patched(32, 3, &what), -2);
    CHECK_STR(what, "the table uses a codec this build does not know");
    CHECK_EQ(get_patched(36, 0x80000000, &what), -2);
    CHECK_STR(what, "the table uses a feature this build does not know");
}

TEST(what_is_said_of_packed_pages_must_fit_them)
{
    const char *what = NULL;
    struct lk_footer f = small(), out;
    uint8_t bytes[LK_FOOTER];
    CHECK_EQ(get_patched(32, 1, &what), -1); /* packed, and no shift */
    CHECK_STR(what, "the pages have more positions than a line can name");
    CHECK_EQ(get_patched(76, 11, &what), -1); /* a shift, and not packed */
    CHECK_STR(what, "a table of raw pages tells how they are packed");
    f.codec = 2;
    f.unpacked = 60;
    for (f.page_shift = 0; f.page_shift < 40; f.page_shift++) {
        lk_footer_put(bytes, &f);
        CHECK_EQ(lk_footer_get(bytes, f.file_bytes, &out, &what), f.page_shift >= 6 && f.page_shift <= 16 ? 0 : -1);
    }
}

TEST(bytes_that_must_be_zero_must_be_zero)
{
    static const size_t zeros[] = {76, 124, 176, 180};
    const char *what;
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        CHECK_EQ(get_patched(zeros[i], 1, &what), -1);
        CHECK_EQ(get_patched(zeros[i], 1u << 31, &what), -1);
    }
}

#define REFUSED(change)               \
    do {                              \
        struct lk_footer f = small(); \
        change;                       \
        check_refused(&f);            \
    } while (0)

TEST(sections_out_of_place_are_refused_however_well_summed)
{
    const char *what;
    struct lk_footer sound = small();
    CHECK_EQ(get(&sound, &what), 0);

    REFUSED(f.file_bytes = 0);
    REFUSED(f.file_bytes = 255);
    REFUSED(f.file_bytes = UINT64_MAX);
    REFUSED(f.pages_end = 63);
    REFUSED(f.pages_end = 129);
    REFUSED(f.pages_end = 64); /* a fence without a page */
    REFUSED(f.pages_end = UINT64_MAX);
    REFUSED(f.pages_end = (uint64_t)1 << 32);
    REFUSED(f.fences_at = 127);
    REFUSED(f.fences_at = 192);
    REFUSED(f.fences_at = UINT64_MAX & ~63ull);
    REFUSED(f.lines_at = 191);
    REFUSED(f.lines_at = 128);
    REFUSED(f.lines_at = 256);
    REFUSED(f.lines_at = UINT64_MAX & ~63ull);
    REFUSED(f.checks_at = 8192);
    REFUSED(f.checks_at = 0);
    REFUSED(f.checks_at = 4095);
    REFUSED(f.checks_at = UINT64_MAX & ~4095ull);
    REFUSED(f.check_count = 0);
    REFUSED(f.check_count = 2);
    REFUSED(f.check_count = UINT32_MAX);
    REFUSED(f.fence_count = 0);
    REFUSED(f.fence_count = 6);
    REFUSED(f.fence_count = UINT32_MAX);
    REFUSED(f.line_count = 0);
    REFUSED(f.line_count = 62);
    REFUSED(f.line_count = UINT32_MAX);
    REFUSED(f.key_min_bytes = 4);
    REFUSED(f.key_min_bytes = UINT32_MAX);
    REFUSED(f.key_max_bytes = 4);
    REFUSED(f.range_bytes = 1);
    REFUSED(f.range_bytes = UINT32_MAX);
    REFUSED(f.key_min_bytes = UINT32_MAX; f.key_max_bytes = 9);
    REFUSED(f.prefix = LK_KEY_MAX + 1);
    REFUSED(f.records = 13);
    REFUSED(f.records = UINT64_MAX);
    REFUSED(f.lsn_min = f.lsn_max + 1);
}

/* Where no line has a slot for each, the pages alone bound them. */
static struct lk_footer small_filtered(void)
{
    struct lk_footer f = small();
    f.features = LK_FEATURE_FILTER;
    f.milestone_bytes = 5;
    f.file_bytes += 5;
    return f;
}

static void check_words(const struct lk_footer *footer, const char *wanted)
{
    const char *what = NULL;
    CHECK_EQ(get(footer, &what), wanted ? -1 : 0);
    if (wanted)
        CHECK_STR(what, wanted);
}

TEST(pages_hold_no_more_records_than_they_have_bytes)
{
    static const char no_room[] = "the pages have no room for so many records";
    struct lk_footer f = small_filtered();
    f.payload = 0;
    for (f.records = 0; f.records <= 20; f.records++) /* 60 bytes */
        check_words(&f, NULL);
    check_words(&f, no_room);
    f.records = UINT64_MAX;
    check_words(&f, no_room);
    f.records = 10;
    f.payload = 30;
    check_words(&f, NULL);
    f.payload = 31;
    check_words(&f, no_room);
    f.payload = UINT64_MAX;
    check_words(&f, no_room);
}

TEST(packed_pages_hold_no_more_records_than_they_unpack_to)
{
    struct lk_footer f = small_filtered();
    f.codec = 1;
    f.page_shift = 11;
    f.unpacked = 60 + LK_PAGE_MAX;
    f.records = (60 + LK_PAGE_MAX) / 3;
    f.payload = 0;
    check_words(&f, NULL);
    f.records++;
    check_words(&f, "the pages have no room for so many records");
    f.unpacked++;
    check_words(&f, "the pages do not unpack to so many bytes");
}

TEST(keys_over_the_limit_are_refused_and_keys_at_it_are_not)
{
    const char *what;
    struct lk_footer f = small();
    f.key_max_bytes = LK_KEY_MAX;
    f.file_bytes = 4096 + 4 + 3 + LK_KEY_MAX + LK_FOOTER;
    CHECK_EQ(get(&f, &what), 0);
    f.key_max_bytes = LK_KEY_MAX + 1;
    f.file_bytes++;
    check_refused(&f);
}

TEST(a_table_of_range_deletes_alone_has_no_page)
{
    const char *what;
    struct lk_footer f = small();
    f.pages_end = 64;
    f.fences_at = 64;
    f.lines_at = 128;
    f.fence_count = 0;
    f.records = f.tombstones = f.payload = f.prefix = f.key_min_bytes = f.key_max_bytes = 0;
    f.range_deletes = 1;
    f.range_bytes = 5;
    f.file_bytes = 4096 + 4 + 5 + LK_FOOTER;
    CHECK_EQ(get(&f, &what), 0);
}

TEST(random_layouts_are_accepted_and_random_fields_never_lie_outside)
{
    struct random random = {51};
    unsigned accepted = 0;
    for (int round = 0; round < 200000; round++) {
        struct lk_footer f = small();
        uint64_t pages = random_below(&random, 100000);
        f.pages_end = LK_TABLE_HEAD + pages;
        f.records = pages < 60 ? 0 : f.records;
        f.payload = pages < 60 ? 0 : f.payload;
        f.fence_count = (uint32_t)random_below(&random, pages + 1);
        f.fences_at = (f.pages_end + 63) & ~63ull;
        f.lines_at = (f.fences_at + 12ull * f.fence_count + 4 + 63) & ~63ull;
        f.line_count = (uint32_t)random_below(&random, 5000);
        f.checks_at = (f.lines_at + 64ull * f.line_count + 4095) & ~4095ull;
        f.check_count = (uint32_t)(f.checks_at / 4096);
        f.file_bytes = f.checks_at + 4ull * f.check_count + 8 + LK_FOOTER;
        int right = f.line_count > 0 && (f.fence_count > 0) == (pages > 0);
        const char *what;
        CHECK_EQ(get(&f, &what), right ? 0 : -1);
        accepted += right;

        uint64_t *wide[] = {&f.pages_end, &f.fences_at, &f.lines_at, &f.checks_at, &f.file_bytes};
        uint32_t *narrow[] = {&f.fence_count, &f.line_count, &f.check_count, &f.key_min_bytes, &f.range_bytes};
        if (random_below(&random, 2))
            *wide[random_below(&random, 5)] ^= 1ull << random_below(&random, 64);
        else
            *narrow[random_below(&random, 5)] ^= 1u << random_below(&random, 32);
        if (get(&f, &what) == 0) { /* still right: a change that alters nothing but padding */
            CHECK(f.pages_end <= f.fences_at && f.fences_at < f.lines_at && f.lines_at < f.checks_at);
            CHECK(f.fences_at + 12ull * f.fence_count + 4 <= f.lines_at);
            CHECK(f.lines_at + 64ull * f.line_count <= f.checks_at);
            CHECK(f.checks_at + 4ull * f.check_count + f.key_min_bytes + f.key_max_bytes + f.range_bytes + LK_FOOTER ==
                  f.file_bytes);
        }
    }
    CHECK(accepted > 100000);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
