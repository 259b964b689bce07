/* keycodec: elements in and out. The drawing is in the header. */
#include "format/keycodec.h"

enum { END = 0, ESCAPE = 1 }; /* 00 is written as 01 01, 01 as 01 02 */

static const int64_t datetime_min = INT64_C(-62135596800000000); /* 0001-01-01 00:00 */
static const int64_t datetime_max = INT64_C(253402300799999999); /* 9999-12-31 23:59:59.999999 */
static const uint64_t sign = UINT64_C(1) << 63;

/* ---- UTF-8 ------------------------------------------------------------------------------ */

/* Bytes of the character at `at`, 0 when there is none. The ranges of the second byte leave out overlong forms,
 * surrogates and what lies above U+10FFFF. */
static size_t character(const uint8_t *at, size_t left)
{
    const uint8_t first = at[0];
    size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (len < 2 || len > left)
        return len > left ? 0 : len;
    const uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

int lk_utf8_check(struct lk_slice text)
{
    size_t at = 0;
    while (at < text.len) {
        if (text.len - at >= 8 && !(lk_load64(text.at + at) & UINT64_C(0x8080808080808080))) {
            at += 8;
            continue;
        }
        size_t len = character(text.at + at, text.len - at);
        if (len == 0)
            return 0;
        at += len;
    }
    return 1;
}

/* ---- numbers ---------------------------------------------------------------------------- */

static uint64_t bits_of(double value)
{
    uint64_t bits;
    if (value == 0)
        value = 0; /* -0.0 */
    memcpy(&bits, &value, 8);
    return bits & sign ? ~bits : bits | sign;
}

static double double_of(uint64_t ordered)
{
    double value;
    ordered = ordered & sign ? ordered ^ sign : ~ordered;
    memcpy(&value, &ordered, 8);
    return value;
}

static int is_datetime(int64_t microseconds)
{
    return microseconds >= datetime_min && microseconds <= datetime_max;
}

/* ---- writing ---------------------------------------------------------------------------- */

static int refuse(const struct lk_keycodec *codec, size_t field, const char *what)
{
    const char *type = lk_keycodec_type_name(field < codec->count ? codec->fields[field].type : 0);
    return lk_fail(LSMKV_INVALID, "field %zu (%s): %s", field, type, what);
}

static size_t delimited_bytes(struct lk_slice from)
{
    size_t bytes = from.len + 1;
    for (size_t i = 0; i < from.len; i++)
        bytes += from.at[i] <= ESCAPE;
    return bytes;
}

static void put_delimited(uint8_t *to, struct lk_slice from, uint8_t mask)
{
    for (size_t i = 0; i < from.len; i++) {
        if (from.at[i] <= ESCAPE)
            *to++ = ESCAPE ^ mask;
        *to++ = (uint8_t)(from.at[i] + (from.at[i] <= ESCAPE)) ^ mask;
    }
    *to = END ^ mask;
}

static void put_bytes(uint8_t *to, struct lk_slice from, uint8_t mask)
{
    for (size_t i = 0; i < from.len; i++)
        to[i] = from.at[i] ^ mask;
}

static void put_number(uint8_t *to, uint64_t number, uint8_t mask)
{
    number = __builtin_bswap64(mask ? ~number : number);
    memcpy(to, &number, 8);
}

static int put_text(const struct lk_keycodec *codec, size_t field, struct lk_slice text, uint8_t *key, size_t room,
                    size_t *at)
{
    const struct lk_keyfield *of = &codec->fields[field];
    if (text.len > LSMKV_KEY_MAX)
        return lk_fail(LSMKV_INVALID, "field %zu (%s): %zu bytes, and a key has at most %u", field,
                       lk_keycodec_type_name(of->type), text.len, LSMKV_KEY_MAX);
    if (of->type == LSMKV_FIELD_STR && !lk_utf8_check(text))
        return refuse(codec, field, "the text is not valid UTF-8");
    const size_t bytes = of->verbatim ? text.len : delimited_bytes(text);
    if (bytes > room - *at)
        return refuse(codec, field, "it does not fit into the room given");
    if (!of->verbatim)
        put_delimited(key + *at, text, of->mask);
    else if (text.len)
        memcpy(key + *at, text.at, text.len);
    *at += bytes;
    return 0;
}

/* The eight bytes of an element that is a number, before they are inverted. 0 or -1. */
static int number_of(int type, const union lsmkv_element *element, uint64_t *number)
{
    switch (type) {
    case LSMKV_FIELD_U64:
        *number = element->u64;
        return 0;
    case LSMKV_FIELD_F64:
        *number = bits_of(element->f64);
        return element->f64 == element->f64 ? 0 : -1;
    case LSMKV_FIELD_DATETIME:
        *number = (uint64_t)element->i64 ^ sign;
        return is_datetime(element->i64) ? 0 : -1;
    default:
        *number = (uint64_t)element->i64 ^ sign;
        return 0;
    }
}

static size_t fixed_bytes(int type)
{
    return type == LSMKV_FIELD_BOOL ? 1 : type == LSMKV_FIELD_UUID ? 16 : 8;
}

int lk_keycodec_put(const struct lk_keycodec *codec, size_t field, const union lsmkv_element *element, uint8_t *key,
                    size_t room, size_t *at)
{
    uint64_t number;
    if (field >= codec->count || *at > room)
        return refuse(codec, field, "there is no such field, or no such place");
    const struct lk_keyfield *of = &codec->fields[field];
    if (of->type == LSMKV_FIELD_TUPLE)
        return 0;
    if (of->type == LSMKV_FIELD_BYTES || of->type == LSMKV_FIELD_STR)
        return put_text(codec, field, lk_slice(element->bytes.data, element->bytes.size), key, room, at);
    const size_t bytes = fixed_bytes(of->type);
    if (bytes > room - *at)
        return refuse(codec, field, "it does not fit into the room given");
    if (of->type == LSMKV_FIELD_UUID) {
        if (element->bytes.size != bytes)
            return refuse(codec, field, "a uuid has 16 bytes");
        put_bytes(key + *at, lk_slice(element->bytes.data, bytes), of->mask);
    } else if (of->type == LSMKV_FIELD_BOOL) {
        if (element->u64 > 1)
            return refuse(codec, field, "a bool is 0 or 1");
        key[*at] = (uint8_t)element->u64 ^ of->mask;
    } else if (number_of(of->type, element, &number) == 0) {
        put_number(key + *at, number, of->mask);
    } else {
        return refuse(codec, field,
                      of->type == LSMKV_FIELD_F64 ? "NaN has no place in an order"
                                                  : "a datetime is in the years 1 to 9999 UTC");
    }
    *at += bytes;
    return 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* The content of a delimited element. It stays where it is while it is there as it is. Bytes taken, 0 when they are none. */
static size_t get_delimited(struct lk_slice from, uint8_t mask, uint8_t *scratch, struct lk_slice *out)
{
    size_t i = 0, n = 0;
    while (!mask && i < from.len && from.at[i] > ESCAPE)
        i++;
    if (!mask && i < from.len && from.at[i] == END) {
        *out = lk_slice(from.at, i);
        return i + 1;
    }
    if (i)
        memcpy(scratch, from.at, i);
    for (n = i; i < from.len; i++) {
        uint8_t byte = from.at[i] ^ mask;
        if (byte == END) {
            *out = lk_slice(scratch, n);
            return i + 1;
        }
        if (byte == ESCAPE) {
            if (++i == from.len)
                return 0;
            byte = (uint8_t)((from.at[i] ^ mask) - 1);
            if (byte > ESCAPE)
                return 0;
        }
        scratch[n++] = byte;
    }
    return 0;
}

static int get_text(const struct lk_keycodec *codec, size_t field, struct lk_slice key, size_t *at, uint8_t *scratch,
                    union lsmkv_element *out)
{
    const struct lk_keyfield *of = &codec->fields[field];
    struct lk_slice rest = lk_slice(key.at + *at, key.len - *at), text = rest;
    const size_t bytes = of->verbatim ? rest.len : get_delimited(rest, of->mask, scratch, &text);
    if (bytes == 0 && !of->verbatim)
        return refuse(codec, field, "its end is missing, or an escape in it is none");
    if (of->type == LSMKV_FIELD_STR && !lk_utf8_check(text))
        return refuse(codec, field, "its bytes are not UTF-8");
    out->bytes = (struct lsmkv_slice){text.at, text.len};
    *at += bytes;
    return 0;
}

static uint64_t get_number(const uint8_t *at, uint8_t mask)
{
    uint64_t number = __builtin_bswap64(lk_load64(at));
    return mask ? ~number : number;
}

/* A number that is an element of this type. 0 or -1. */
static int number_get(int type, uint64_t number, union lsmkv_element *out)
{
    switch (type) {
    case LSMKV_FIELD_U64:
        out->u64 = number;
        return 0;
    case LSMKV_FIELD_F64:
        out->f64 = double_of(number);
        return out->f64 == out->f64 && bits_of(out->f64) == number ? 0 : -1;
    default:
        out->i64 = (int64_t)(number ^ sign);
        return type != LSMKV_FIELD_DATETIME || is_datetime(out->i64) ? 0 : -1;
    }
}

static int get_fixed(const struct lk_keycodec *codec, size_t field, struct lk_slice key, size_t *at, uint8_t *scratch,
                     union lsmkv_element *out)
{
    const struct lk_keyfield *of = &codec->fields[field];
    const size_t bytes = fixed_bytes(of->type), left = key.len - *at;
    const uint8_t *from = key.at + *at;
    if (left < bytes)
        return lk_fail(LSMKV_INVALID, "field %zu (%s): %zu bytes are left, and it has %zu", field,
                       lk_keycodec_type_name(of->type), left, bytes);
    if (of->type == LSMKV_FIELD_UUID) {
        put_bytes(scratch, lk_slice(from, bytes), of->mask);
        out->bytes = (struct lsmkv_slice){scratch, bytes};
    } else if (of->type == LSMKV_FIELD_BOOL) {
        out->u64 = *from ^ of->mask;
        if (out->u64 > 1)
            return refuse(codec, field, "its byte is neither 0 nor 1");
    } else if (number_get(of->type, get_number(from, of->mask), out) < 0) {
        return refuse(codec, field,
                      of->type == LSMKV_FIELD_F64 ? "its bits are those of NaN or of -0.0"
                                                  : "it is outside the years 1 to 9999");
    }
    *at += bytes;
    return 0;
}

int lk_keycodec_get(const struct lk_keycodec *codec, size_t field, struct lk_slice key, size_t *at, uint8_t *scratch,
                    union lsmkv_element *out)
{
    if (field >= codec->count || *at > key.len)
        return refuse(codec, field, "there is no such field, or no such place");
    const int type = codec->fields[field].type;
    if (type == LSMKV_FIELD_TUPLE)
        return 0;
    int rc = type == LSMKV_FIELD_BYTES || type == LSMKV_FIELD_STR ? get_text(codec, field, key, at, scratch, out)
                                                                  : get_fixed(codec, field, key, at, scratch, out);
    if (rc == 0 && field + 1 == codec->count && *at != key.len)
        return lk_fail(LSMKV_INVALID, "%zu bytes are left behind the last field", key.len - *at);
    return rc;
}
