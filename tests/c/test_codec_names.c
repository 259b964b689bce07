/* The names of the codecs: kept with the store, compared by whoever opens it. */
#include "check.h"
#include "store_kit.h"

#include "format/codec_name.h"

TEST(a_name_is_printable_and_not_too_long)
{
    static char longest[LK_CODEC_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    CHECK(lk_codec_name_sound(lk_text("bytes")));
    CHECK(lk_codec_name_sound(lk_text("tuple(str, desc(i64)) ~")));
    CHECK(lk_codec_name_sound(lk_text("")));
    CHECK(lk_codec_name_sound(lk_slice(longest, LK_CODEC_NAME_MAX)));
    CHECK(!lk_codec_name_sound(lk_slice(longest, LK_CODEC_NAME_MAX + 1)));
    CHECK(!lk_codec_name_sound(lk_slice("a\0b", 3)));
    CHECK(!lk_codec_name_sound(lk_text("a\n")));
    CHECK(!lk_codec_name_sound(lk_text("a\x7f")));
    CHECK(!lk_codec_name_sound(lk_text("caf\xc3\xa9")));
}

static void name(const char *key, const char *value)
{
    store.options.key_codec = key;
    store.options.value_codec = value;
}

static void expect_names(const lsmkv *db, const char *key, const char *value)
{
    struct lsmkv_options effective;
    CHECK_STR(lsmkv_key_codec(db), key);
    CHECK_STR(lsmkv_value_codec(db), value);
    lsmkv_get_options(db, &effective);
    CHECK_STR(effective.key_codec, key);
    CHECK_STR(effective.value_codec, value);
}

TEST(a_new_store_has_bytes_where_nobody_says_otherwise)
{
    store_new(LSMKV_SYNC_OS);
    store_open();
    expect_names(store.db, "bytes", "bytes");
    store_close();
    name("bytes", "bytes");
    store_open();
    store_close();
    name("str", NULL);
    CHECK_EQ(store_try_open(), LSMKV_MISMATCH);
    store_free();
}

TEST(names_are_kept_and_compared)
{
    char key[] = "str", value[] = "json";
    store_new(LSMKV_SYNC_OS);
    name(key, value);
    store_open();
    memset(key, '?', 3); /* they were borrowed for the call only */
    memset(value, '?', 4);
    expect_names(store.db, "str", "json");
    put("k", "v");
    store_close();
    for (int round = 0; round < 3; round++) { /* each open writes the manifest anew */
        name(round == 1 ? "str" : NULL, round == 2 ? "json" : NULL);
        store_open();
        expect_names(store.db, "str", "json");
        expect("k", "v");
        store_kill();
    }
    name("i64", NULL);
    CHECK_EQ(store_try_open(), LSMKV_MISMATCH);
    CHECK(store.db == NULL);
    const char *text = lsmkv_last_error()->text;
    CHECK(strstr(text, "key=\"str\"") && strstr(text, "\"i64\"") && strstr(text, store.path));
    name("str", "bytes");
    CHECK_EQ(store_try_open(), LSMKV_MISMATCH);
    CHECK(strstr(text, "value=\"json\"") && strstr(text, "\"bytes\""));
    name(NULL, NULL);
    store_open();
    expect("k", "v");
    store_free();
}

TEST(handles_of_one_engine_agree)
{
    lsmkv *second = NULL;
    store_new(LSMKV_SYNC_OS);
    name("str", NULL);
    store_open();
    struct lsmkv_options other = store.options;
    other.key_codec = "bytes";
    CHECK_EQ(lk_open_in(store_env(), store.path, &other, &second), LSMKV_MISMATCH);
    CHECK(second == NULL);
    other.key_codec = NULL;
    other.value_codec = "bytes";
    CHECK_EQ(lk_open_in(store_env(), store.path, &other, &second), 0);
    expect_names(second, "str", "bytes");
    CHECK_EQ(lsmkv_close(second), 0);
    expect_names(second, "str", "bytes"); /* as long as the handle is not released */
    lsmkv_release(second);
    store_free();
}

TEST(readers_compare_too_and_a_store_made_anew_does_not)
{
    store_new(LSMKV_SYNC_OS);
    name("str", "json");
    store_open();
    store_close();
    store.options.flags = LSMKV_OPEN_READONLY;
    name("bytes", NULL);
    CHECK_EQ(store_try_open(), LSMKV_MISMATCH);
    name(NULL, NULL);
    store_open();
    expect_names(store.db, "str", "json");
    store_close();
    store.options.flags = LSMKV_OPEN_CREATE | LSMKV_OPEN_ANEW;
    name("i64", NULL);
    store_open();
    expect_names(store.db, "i64", "bytes");
    store_free();
}

TEST(names_that_are_none_are_refused)
{
    static char longest[LK_CODEC_NAME_MAX + 2];
    static const char *const bad[] = {"", "a\tb", "\xff", longest};
    memset(longest, 'x', LK_CODEC_NAME_MAX + 1);
    store_new(LSMKV_SYNC_OS);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        name(bad[i], NULL);
        CHECK_EQ(store_try_open(), LSMKV_OPTIONS);
        name(NULL, bad[i]);
        CHECK_EQ(store_try_open(), LSMKV_OPTIONS);
    }
    longest[LK_CODEC_NAME_MAX] = 0;
    name(longest, longest);
    store_open();
    store_close();
    store_open();
    expect_names(store.db, longest, longest);
    store_close();
    name("other", NULL);
    CHECK_EQ(store_try_open(), LSMKV_MISMATCH); /* in a text that has an end */
    store_free();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
