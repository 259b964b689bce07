/* test_keycodec: names, and keys whose bytes are in the order of what they stand for. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/keycodec.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define NO_BYTES (const uint8_t *)"", 0

static const int64_t second = 1000000;

static union lsmkv_element text(const char *words)
{
    return (union lsmkv_element){.bytes = {words, strlen(words)}};
}
static union lsmkv_element i64(int64_t number)
{
    return (union lsmkv_element){.i64 = number};
}
static union lsmkv_element u64(uint64_t number)
{
    return (union lsmkv_element){.u64 = number};
}
static union lsmkv_element f64(double number)
{
    return (union lsmkv_element){.f64 = number};
}

static lsmkv_codec *make(const char *name)
{
    lsmkv_codec *codec = NULL;
    CHECK_EQ(lsmkv_codec_new(name, strlen(name), &codec), 0);
    return codec;
}

/* ---- names ------------------------------------------------------------------------------------ */

static void check_name(const char *given, const char *canonical, size_t fields)
{
    lsmkv_codec *codec = make(given), *again;
    NEED(codec != NULL);
    CHECK_STR(lsmkv_codec_name(codec), canonical);
    CHECK_EQ(lsmkv_codec_fields(codec), fields);
    again = make(lsmkv_codec_name(codec));
    CHECK_STR(lsmkv_codec_name(again), canonical);
    lsmkv_codec_free(again);
    lsmkv_codec_free(codec);
}

TEST(a_name_has_one_spelling)
{
    static const char *const elements[] = {"bytes", "str", "i64", "u64", "f64", "bool", "uuid", "datetime"};
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        check_name(elements[i], elements[i], 1);
    check_name("(str)", "(str)", 2);
    check_name(" ( str , desc ( datetime ),(i64,( bool ) ) ) ", "(str,desc(datetime),(i64,(bool)))", 7);
    check_name("desc(desc(str))", "desc(desc(str))", 1);
}

TEST(what_is_no_name_is_refused_where_it_stops_being_one)
{
    static const struct {
        const char *name, *says;
    } wrong[] = {
        {"", "lacks an element (position 0)"},
        {"()", "lacks an element (position 1)"},
        {"(str", "lacks a comma or a closing parenthesis (position 4)"},
        {"(str,)", "lacks an element (position 5)"},
        {"(str i64)", "lacks a comma or a closing parenthesis (position 5)"},
        {"str,i64", "goes on behind its end (position 3)"},
        {"(str))", "goes on behind its end (position 5)"},
        {"i32", "names an unknown element (position 0)"},
        {"(str,tuple)", "names an unknown element (position 5)"},
        {"desc", "lacks the parenthesis behind desc (position 4)"},
        {"desc(str", "lacks a closing parenthesis (position 8)"},
        {"desc(str,i64)", "lacks a closing parenthesis (position 8)"},
        {"desc()", "lacks an element (position 5)"},
        {"STR", "lacks an element (position 0)"},
        {"str\n", "goes on behind its end (position 3)"},
        {"i\xff", "names an unknown element (position 0)"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lsmkv_codec *codec;
        CHECK_EQ(lsmkv_codec_new(wrong[i].name, strlen(wrong[i].name), &codec), LSMKV_INVALID);
        CHECK(codec == NULL);
        if (!CHECK(strstr(lsmkv_last_error()->text, wrong[i].says)))
            fprintf(stderr, "  '%s' says: %s\n", wrong[i].name, lsmkv_last_error()->text);
    }
}

static int accepts(const char *name, size_t bytes)
{
    lsmkv_codec *codec;
    int rc = lsmkv_codec_new(name, bytes, &codec);
    lsmkv_codec_free(codec);
    return rc == 0;
}

TEST(names_have_bounds)
{
    char name[1026];
    size_t at = 0;
    memset(name, ' ', sizeof name);
    memcpy(name, "i64", 3);
    CHECK(accepts(name, 1024));
    CHECK(!accepts(name, 1025));

    CHECK(accepts("((((((((i64))))))))", 19));
    CHECK(!accepts("(((((((((i64)))))))))", 21));
    CHECK(accepts("desc(desc(desc(desc(desc(desc(desc(desc(i64))))))))", 51));
    CHECK(!accepts("(desc(desc(desc(desc(desc(desc(desc(desc(i64)))))))))", 53));

    at = 0;
    for (int i = 0; i < 63; i++, at += 4)
        memcpy(name + at, i ? ",i64" : "(i64", 4);
    name[at] = ')';
    CHECK(accepts(name, at + 1)); /* the tuple and its 63 */
    memcpy(name + at, ",i64)", 5);
    CHECK(!accepts(name, at + 5));
    CHECK(!accepts("i64\0", 4));
}

TEST(fields_are_in_the_order_of_the_name)
{
    static const int types[] = {LSMKV_FIELD_TUPLE, LSMKV_FIELD_STR,  LSMKV_FIELD_TUPLE,
                                LSMKV_FIELD_BOOL,  LSMKV_FIELD_UUID, LSMKV_FIELD_DATETIME};
    static const size_t consists[] = {3, 0, 2, 0, 0, 0};
    lsmkv_codec *codec = make("(str,desc((bool,uuid)),datetime)");
    size_t of;
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQ(lsmkv_codec_field(codec, i, &of), types[i]);
        CHECK_EQ(of, consists[i]);
    }
    CHECK_EQ(lsmkv_codec_field(codec, 6, &of), 0);
    lsmkv_codec_free(codec);
}

/* ---- bytes ------------------------------------------------------------------------------------ */

/* A whole key of the elements; tuples among the fields are skipped. Its size, or 0 when one was refused. */
static size_t encode(const lsmkv_codec *codec, const union lsmkv_element *elements, uint8_t *key, size_t room)
{
    size_t at = 0, of, next = 0;
    for (size_t i = 0; i < lsmkv_codec_fields(codec); i++) {
        int is_tuple = lsmkv_codec_field(codec, i, &of) == LSMKV_FIELD_TUPLE;
        if (lsmkv_codec_put(codec, i, &elements[next], key, room, &at) < 0)
            return 0;
        next += !is_tuple;
    }
    return at;
}

static void check_bytes(const char *name, const union lsmkv_element *elements, const uint8_t *wanted, size_t bytes)
{
    uint8_t key[256];
    lsmkv_codec *codec = make(name);
    CHECK_EQ(encode(codec, elements, key, bytes), bytes); /* exactly that much room is enough */
    CHECK_MEM(key, wanted, bytes);
    CHECK(bytes == 0 || encode(codec, elements, key, bytes - 1) == 0);
    lsmkv_codec_free(codec);
}
#define ELEMENTS(...) ((const union lsmkv_element[]){__VA_ARGS__})

TEST(the_worked_examples_are_these_bytes)
{
    check_bytes("i64", ELEMENTS(i64(-1)), BYTES(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    check_bytes("u64", ELEMENTS(u64(1)), BYTES(0, 0, 0, 0, 0, 0, 0, 1));
    check_bytes("f64", ELEMENTS(f64(1.0)), BYTES(0xbf, 0xf0, 0, 0, 0, 0, 0, 0));
    check_bytes("f64", ELEMENTS(f64(-1.0)), BYTES(0x40, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    check_bytes("f64", ELEMENTS(f64(0.0)), BYTES(0x80, 0, 0, 0, 0, 0, 0, 0));
    check_bytes("f64", ELEMENTS(f64(-0.0)), BYTES(0x80, 0, 0, 0, 0, 0, 0, 0));
    check_bytes("bool", ELEMENTS(u64(1)), BYTES(1));
    check_bytes("datetime", ELEMENTS(i64(second)), BYTES(0x80, 0, 0, 0, 0, 0x0f, 0x42, 0x40));
    check_bytes("bytes", ELEMENTS({.bytes = {"a\0", 2}}), BYTES(0x61, 0));
    check_bytes("str", ELEMENTS(text("cat")), BYTES(0x63, 0x61, 0x74));
    check_bytes("str", ELEMENTS(text("")), NO_BYTES);
    check_bytes("(bytes)", ELEMENTS({.bytes = {"a\0", 2}}), BYTES(0x61, 1, 1, 0));
    check_bytes("(bytes)", ELEMENTS({.bytes = {"\1\2", 2}}), BYTES(1, 2, 2, 0));
    check_bytes("(str,i64)", ELEMENTS(text("cat"), i64(-1)),
                BYTES(0x63, 0x61, 0x74, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    check_bytes("desc(str)", ELEMENTS(text("cat")), BYTES(0x9c, 0x9e, 0x8b, 0xff));
    check_bytes("desc(desc(str))", ELEMENTS(text("cat")), BYTES(0x63, 0x61, 0x74, 0));
    check_bytes("desc((bool,desc(bool)))", ELEMENTS(u64(1), u64(1)), BYTES(0xfe, 1));
    check_bytes("uuid", ELEMENTS(text("0123456789abcdef")), (const uint8_t *)"0123456789abcdef", 16);
}

static int takes(const char *name, union lsmkv_element element)
{
    static uint8_t key[1 << 18];
    lsmkv_codec *codec = make(name);
    size_t at = 0;
    int rc = lsmkv_codec_put(codec, lsmkv_codec_fields(codec) - 1, &element, key, sizeof key, &at);
    CHECK(rc == 0 || (rc == LSMKV_INVALID && at == 0));
    lsmkv_codec_free(codec);
    return rc == 0;
}

TEST(elements_out_of_bounds_are_refused)
{
    static char long_text[65537];
    const int64_t first = INT64_C(-62135596800000000), last = INT64_C(253402300799999999);
    CHECK(!takes("f64", f64(__builtin_nan(""))) && takes("f64", f64(__builtin_inf())));
    CHECK(takes("datetime", i64(first)) && !takes("datetime", i64(first - 1)));
    CHECK(takes("datetime", i64(last)) && !takes("datetime", i64(last + 1)));
    CHECK(!takes("bool", u64(2)) && !takes("uuid", text("too short")));
    memset(long_text, 0, 65536);
    CHECK(takes("(bytes)", (union lsmkv_element){.bytes = {long_text, 65535}}));
    CHECK(!takes("(bytes)", (union lsmkv_element){.bytes = {long_text, 65536}}));
    CHECK(!takes("bytes", (union lsmkv_element){.bytes = {long_text, 65536}}));
}

TEST(text_is_utf8)
{
    static const char *const good[] = {"",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "eight ascii bytes"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2\x41",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xe1\x80",
                                      "\xe1\x80\x41",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf1\x80\x80",
                                      "\xff",
                                      "eight ascii bytes\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(takes("str", text(good[i])) && takes("(str)", text(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!takes("str", text(bad[i])) && !takes("(str)", text(bad[i])) && takes("bytes", text(bad[i])));
}

/* The bytes, at the end of what may be looked at. 1 when they are a key. */
static int decodes(const char *name, const uint8_t *bytes, size_t size)
{
    lsmkv_codec *codec = make(name);
    uint8_t *copy = malloc(size ? size : 1), *scratch = malloc(size ? size : 1);
    union lsmkv_element element;
    size_t at = 0;
    int rc = 0;
    if (size)
        memcpy(copy, bytes, size);
    for (size_t i = 0; rc == 0 && i < lsmkv_codec_fields(codec); i++)
        rc = lsmkv_codec_get(codec, i, copy, size, &at, scratch, &element);
    CHECK(rc == 0 || rc == LSMKV_INVALID);
    free(copy);
    free(scratch);
    lsmkv_codec_free(codec);
    return rc == 0;
}

TEST(what_no_encoder_wrote_is_no_key)
{
    CHECK(!decodes("i64", BYTES(0, 0, 0, 0, 0, 0, 0)));
    CHECK(!decodes("i64", BYTES(0, 0, 0, 0, 0, 0, 0, 0, 0)));
    CHECK(!decodes("i64", NO_BYTES));
    CHECK(!decodes("bool", BYTES(2)));
    CHECK(!decodes("desc(bool)", BYTES(0)));
    CHECK(!decodes("f64", BYTES(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))); /* -0.0 */
    CHECK(!decodes("f64", BYTES(0xff, 0xf0, 0, 0, 0, 0, 0, 1)));                   /* NaN */
    CHECK(!decodes("f64", BYTES(0, 0, 0, 0, 0, 0, 0, 0)));                         /* NaN */
    CHECK(!decodes("datetime", BYTES(0xff, 0, 0, 0, 0, 0, 0, 0)));
    CHECK(!decodes("(str)", BYTES('a')));
    CHECK(!decodes("(str)", BYTES('a', 0, 0)));
    CHECK(!decodes("(bytes)", BYTES(1)));
    CHECK(!decodes("(bytes)", BYTES(1, 0)));
    CHECK(!decodes("(bytes)", BYTES(1, 3, 0)));
    CHECK(!decodes("desc(bytes)", BYTES(0xfe, 0xff)));
    CHECK(!decodes("(str)", BYTES(0xff, 0)));
    CHECK(!decodes("str", BYTES(0xff)));
    CHECK(decodes("str", NO_BYTES) && decodes("bytes", NO_BYTES) && decodes("(bytes)", BYTES(1, 1, 1, 2, 0)));
}

/* ---- order and back, on random keys ----------------------------------------------------------- */

static const char *const names[] = {
    "bytes",
    "str",
    "i64",
    "u64",
    "f64",
    "bool",
    "uuid",
    "datetime",
    "desc(bytes)",
    "desc(f64)",
    "(bytes,bytes)",
    "(str,i64)",
    "(i64,desc(bytes))",
    "(desc(bytes),bool,desc((bytes,f64)))",
    "((bytes,desc(str)),(bool,bytes),desc((uuid,desc(datetime))))",
    "desc(desc((bytes,u64)))",
};

enum { LEAVES = 8, TEXT = 6 };

struct sample {
    union lsmkv_element elements[LEAVES];
    uint8_t room[LEAVES][16];
    uint8_t key[512];
    size_t bytes;
};

static uint64_t edge(struct random *random)
{
    static const uint64_t edges[] = {0, 1, 255, 256, 0x7fffffffffffffff, 0x8000000000000000, ~0ull};
    return random_below(random, 2) ? random_next(random) >> random_below(random, 64)
                                   : edges[random_below(random, 7)] + random_below(random, 3) - 1;
}

static double random_double(struct random *random)
{
    static const double edges[] = {0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7e308, 2.0, -2.0};
    double value;
    uint64_t bits = random_next(random);
    memcpy(&value, &bits, 8);
    if (value != value || random_below(random, 2))
        value = edges[random_below(random, 10)];
    return random_below(random, 20) ? value : (random_below(random, 2) ? 1 : -1) * __builtin_inf();
}

static void random_element(struct random *random, int type, uint8_t room[16], union lsmkv_element *out)
{
    static const uint8_t bytes[] = {0, 0, 1, 1, 2, 0x41, 0x7f, 0xfe, 0xff, 0xff};
    size_t size = type == LSMKV_FIELD_UUID ? 16 : random_below(random, TEXT);
    for (size_t i = 0; i < size; i++)
        room[i] = bytes[random_below(random, type == LSMKV_FIELD_STR ? 7 : 10)];
    *out = (union lsmkv_element){.bytes = {room, size}};
    if (type == LSMKV_FIELD_BOOL)
        *out = u64(random_below(random, 2));
    else if (type == LSMKV_FIELD_I64 || type == LSMKV_FIELD_U64)
        *out = u64(edge(random));
    else if (type == LSMKV_FIELD_DATETIME)
        *out = i64((int64_t)edge(random) % INT64_C(62135596800000000));
    else if (type == LSMKV_FIELD_F64)
        *out = f64(random_double(random));
}

static int sign_of(int order)
{
    return (order > 0) - (order < 0);
}

static int compare_elements(int type, const union lsmkv_element *a, const union lsmkv_element *b)
{
    switch (type) {
    case LSMKV_FIELD_I64:
    case LSMKV_FIELD_DATETIME:
        return (a->i64 > b->i64) - (a->i64 < b->i64);
    case LSMKV_FIELD_U64:
    case LSMKV_FIELD_BOOL:
        return (a->u64 > b->u64) - (a->u64 < b->u64);
    case LSMKV_FIELD_F64:
        return (a->f64 > b->f64) - (a->f64 < b->f64);
    default:
        return sign_of(lk_compare(lk_slice(a->bytes.data, a->bytes.size), lk_slice(b->bytes.data, b->bytes.size)));
    }
}

/* The order of two samples by the name: each element's own, turned around where it stands in desc(). */
static int compare(const struct lk_keycodec *codec, const struct sample *a, const struct sample *b)
{
    size_t next = 0;
    for (size_t i = 0; i < codec->count; i++) {
        if (codec->fields[i].type == LSMKV_FIELD_TUPLE)
            continue;
        int order = compare_elements(codec->fields[i].type, &a->elements[next], &b->elements[next]);
        if (order)
            return codec->fields[i].mask ? -order : order;
        next++;
    }
    return 0;
}

static void fill(struct random *random, const lsmkv_codec *codec, struct sample *sample, const struct sample *like)
{
    size_t next = 0, of;
    for (size_t i = 0; i < lsmkv_codec_fields(codec); i++) {
        int type = lsmkv_codec_field(codec, i, &of);
        if (type == LSMKV_FIELD_TUPLE)
            continue;
        if (like && random_below(random, 3))
            sample->elements[next] = like->elements[next];
        else
            random_element(random, type, sample->room[next], &sample->elements[next]);
        next++;
    }
    sample->bytes = encode(codec, sample->elements, sample->key, sizeof sample->key);
}

static void check_back(const lsmkv_codec *codec, const struct sample *sample)
{
    size_t at = 0, next = 0, of;
    uint8_t *scratch = malloc(sample->bytes + 1), *key = malloc(sample->bytes + 1);
    memcpy(key, sample->key, sample->bytes);
    for (size_t i = 0; i < lsmkv_codec_fields(codec); i++) {
        union lsmkv_element element;
        int type = lsmkv_codec_field(codec, i, &of);
        CHECK_EQ(lsmkv_codec_get(codec, i, key, sample->bytes, &at, scratch, &element), 0);
        if (type != LSMKV_FIELD_TUPLE)
            CHECK_EQ(compare_elements(type, &element, &sample->elements[next++]), 0);
    }
    CHECK_EQ(at, sample->bytes);
    free(scratch);
    free(key);
}

static int begins(const struct sample *a, const struct sample *b)
{
    return a->bytes < b->bytes && memcmp(a->key, b->key, a->bytes) == 0;
}

TEST(bytes_are_in_the_order_of_the_elements_and_come_back)
{
    struct random random = {21};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct lk_keycodec parsed;
        lsmkv_codec *codec = make(names[n]);
        NEED(lk_keycodec_parse(&parsed, names[n], strlen(names[n])) == 0);
        for (int round = 0; round < 20000; round++) {
            static struct sample a, b;
            fill(&random, codec, &a, NULL);
            fill(&random, codec, &b, &a);
            int order = lk_compare(lk_slice(a.key, a.bytes), lk_slice(b.key, b.bytes));
            if (!CHECK_EQ(sign_of(order), compare(&parsed, &a, &b)))
                fprintf(stderr, "  %s, round %d\n", names[n], round);
            CHECK(parsed.fields[0].verbatim || (!begins(&a, &b) && !begins(&b, &a)));
            if (round % 16 == 0)
                check_back(codec, &a);
        }
        lsmkv_codec_free(codec);
    }
}

TEST(the_first_fields_are_what_keys_with_these_values_begin_with)
{
    lsmkv_codec *codec = make("(str,(i64,bytes),bool)");
    struct random random = {22};
    for (int round = 0; round < 1000; round++) {
        static struct sample whole;
        uint8_t prefix[512];
        size_t at = 0, of, next = 0;
        fill(&random, codec, &whole, NULL);
        for (size_t i = 0; i < lsmkv_codec_fields(codec); i++) {
            int is_tuple = lsmkv_codec_field(codec, i, &of) == LSMKV_FIELD_TUPLE;
            CHECK_EQ(lsmkv_codec_put(codec, i, &whole.elements[next], prefix, sizeof prefix, &at), 0);
            next += !is_tuple;
            CHECK(at <= whole.bytes && memcmp(prefix, whole.key, at) == 0);
        }
    }
    lsmkv_codec_free(codec);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
