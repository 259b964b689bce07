/* The bytes that say what a namespace is (format/catalog.h). */
#include "check.h"

#include "format/catalog.h"
#include "format/codec_name.h"

#define BYTES(...) lk_slice((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static int decodes(struct lk_slice value)
{
    struct lk_catalog_entry entry;
    return lk_catalog_get(value, &entry) == 0;
}

TEST(the_drawings_example)
{
    struct lk_catalog_entry entry = {3, 1000, lk_text("str"), lk_text("json")}, back;
    struct lk_buf buf = {0};
    struct lk_slice want = BYTES(3, 0, 0, 0, 0xe8, 3, 0, 0, 0, 0, 0, 0, 3, 's', 't', 'r', 4, 'j', 's', 'o', 'n');
    uint8_t next[LK_CATALOG_NEXT_BYTES];
    CHECK_EQ(lk_catalog_put(&buf, &entry), 0);
    CHECK(lk_equal(lk_buf_slice(&buf), want));
    CHECK_EQ(lk_catalog_get(lk_buf_slice(&buf), &back), 0);
    CHECK_EQ(back.id, 3);
    CHECK_EQ(back.ttl_ms, 1000);
    CHECK(lk_equal(back.key_codec, entry.key_codec) && lk_equal(back.value_codec, entry.value_codec));
    lk_catalog_next_put(next, 4);
    CHECK(lk_equal(lk_slice(next, sizeof next), BYTES(4, 0, 0, 0)));
    lk_buf_deinit(&buf);
}

TEST(every_shortening_and_lengthening_is_refused)
{
    struct lk_catalog_entry entry = {7, UINT64_MAX, lk_text("bytes"), lk_text("")};
    struct lk_buf buf = {0};
    CHECK_EQ(lk_catalog_put(&buf, &entry), 0);
    for (size_t len = 0; len < buf.len; len++)
        CHECK(!decodes(lk_slice(buf.at, len)));
    CHECK(decodes(lk_buf_slice(&buf)));
    CHECK_EQ(lk_buf_append(&buf, "", 1), 0);
    CHECK(!decodes(lk_buf_slice(&buf)));
    lk_buf_deinit(&buf);
}

TEST(numbers_that_no_namespace_has_are_refused)
{
    CHECK(decodes(BYTES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
    CHECK(!decodes(BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
    CHECK(!decodes(BYTES(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
    CHECK(decodes(BYTES(0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)));
}

TEST(codec_names_are_printable_bounded_and_written_one_way)
{
    CHECK(!decodes(BYTES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0)));
    CHECK(!decodes(BYTES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0, 'a', 0)));
    CHECK(!decodes(BYTES(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f)));
    static char longest[LK_CODEC_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    for (int more = 0; more < 2; more++) {
        struct lk_catalog_entry entry = {1, 0, lk_text("a"), lk_slice(longest, LK_CODEC_NAME_MAX + (size_t)more)};
        struct lk_buf buf = {0};
        CHECK_EQ(lk_catalog_put(&buf, &entry), 0);
        CHECK_EQ(decodes(lk_buf_slice(&buf)), !more);
        lk_buf_deinit(&buf);
    }
}

TEST(the_next_number)
{
    uint32_t next = 99;
    CHECK_EQ(lk_catalog_next_get(BYTES(5, 0, 0, 0), &next), 0);
    CHECK_EQ(next, 5);
    CHECK_EQ(lk_catalog_next_get(BYTES(0xff, 0xff, 0xff, 0xff), &next), 0); /* all are given out */
    CHECK(lk_catalog_next_get(BYTES(0, 0, 0, 0), &next) < 0);
    CHECK(lk_catalog_next_get(BYTES(5, 0, 0), &next) < 0);
    CHECK(lk_catalog_next_get(BYTES(5, 0, 0, 0, 0), &next) < 0);
    CHECK(lk_catalog_next_get(lk_slice(NULL, 0), &next) < 0);
}

TEST(names)
{
    static char longest[257];
    memset(longest, 0xff, 256);
    CHECK(lk_catalog_name_sound(lk_text("a")));
    CHECK(lk_catalog_name_sound(lk_text("any \x01\xff bytes")));
    CHECK(lk_catalog_name_sound(lk_slice(longest, 255)));
    CHECK(!lk_catalog_name_sound(lk_slice(longest, 256)));
    CHECK(!lk_catalog_name_sound(lk_text("")));
    CHECK(!lk_catalog_name_sound(lk_slice("a\0b", 3)));
    CHECK(!lk_catalog_name_sound(lk_slice("\0", 1)));
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
