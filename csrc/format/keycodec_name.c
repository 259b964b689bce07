/* keycodec_name: the grammar of codec names. Recursion is bounded by the depth of parentheses. */
#include "format/keycodec.h"

#include <stdio.h>

static const char *const type_names[] = {NULL,  "tuple", "bytes", "str",  "i64",
                                         "u64", "f64",   "bool",  "uuid", "datetime"};

enum { TYPES = sizeof type_names / sizeof *type_names };

const char *lk_keycodec_type_name(int type)
{
    return type > 0 && type < TYPES ? type_names[type] : "nothing";
}

struct parser {
    const char *name; /* borrowed */
    size_t bytes, at, written;
    struct lk_keycodec *out;
};

static int refuse(const struct parser *parser, const char *what)
{
    char shown[61];
    size_t n = 0;
    for (; n < sizeof shown - 1 && n < parser->bytes; n++)
        shown[n] = parser->name[n] >= ' ' && parser->name[n] <= '~' ? parser->name[n] : '?';
    shown[n] = 0;
    return lk_fail(
        LSMKV_INVALID,
        "the key codec '%s%s' %s (position %zu); a codec is one of bytes, str, i64, u64, f64, bool, uuid, datetime, "
        "a tuple like (str,i64), or desc(...) of one of these",
        shown, n < parser->bytes ? "..." : "", what, parser->at);
}

/* The next character that is no space; 0 at the end. */
static char peek(struct parser *parser)
{
    while (parser->at < parser->bytes && parser->name[parser->at] == ' ')
        parser->at++;
    return parser->at < parser->bytes ? parser->name[parser->at] : 0;
}

/* What is accepted is copied: never more than was read. */
static int accept(struct parser *parser, char wanted)
{
    if (peek(parser) != wanted)
        return 0;
    parser->out->name[parser->written++] = wanted;
    parser->at++;
    return 1;
}

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static struct lk_slice word(struct parser *parser)
{
    peek(parser);
    const size_t from = parser->at;
    while (parser->at < parser->bytes && is_word(parser->name[parser->at]))
        parser->at++;
    const struct lk_slice found = lk_slice(parser->name + from, parser->at - from);
    if (found.len)
        memcpy(parser->out->name + parser->written, found.at, found.len);
    parser->written += found.len;
    return found;
}

static int is(struct lk_slice word, const char *text)
{
    return lk_equal(word, lk_slice(text, strlen(text)));
}

/* NULL, with words, when there are too many. */
static struct lk_keyfield *add_field(struct parser *parser, int type, uint8_t mask)
{
    struct lk_keycodec *out = parser->out;
    if (out->count == LSMKV_CODEC_FIELDS_MAX)
        return (void)refuse(parser, "has more than 64 fields"), NULL;
    struct lk_keyfield *field = &out->fields[out->count++];
    *field = (struct lk_keyfield){.type = (uint8_t)type, .mask = mask};
    return field;
}

static int parse_name(struct parser *parser, unsigned depth, uint8_t mask);

/* Behind the parenthesis that opened a tuple. */
static int parse_tuple(struct parser *parser, unsigned depth, uint8_t mask)
{
    struct lk_keyfield *tuple = add_field(parser, LSMKV_FIELD_TUPLE, mask);
    while (tuple) {
        int rc = parse_name(parser, depth, mask);
        if (rc < 0)
            return rc;
        tuple->of++;
        if (accept(parser, ')'))
            return 0;
        if (!accept(parser, ','))
            return refuse(parser, "lacks a comma or a closing parenthesis");
    }
    return LSMKV_INVALID;
}

static int parse_desc(struct parser *parser, unsigned depth, uint8_t mask)
{
    if (!accept(parser, '('))
        return refuse(parser, "lacks the parenthesis behind desc");
    int rc = parse_name(parser, depth, (uint8_t)~mask);
    if (rc == 0 && !accept(parser, ')'))
        rc = refuse(parser, "lacks a closing parenthesis");
    return rc;
}

static int parse_element(struct parser *parser, struct lk_slice word, uint8_t mask)
{
    for (int type = LSMKV_FIELD_BYTES; type < TYPES; type++) {
        if (is(word, type_names[type]))
            return add_field(parser, type, mask) ? 0 : LSMKV_INVALID;
    }
    parser->at -= word.len;
    return refuse(parser, word.len ? "names an unknown element" : "lacks an element");
}

static int parse_name(struct parser *parser, unsigned depth, uint8_t mask)
{
    int opens = accept(parser, '(');
    struct lk_slice found = opens ? lk_slice(NULL, 0) : word(parser);
    if (!opens && !is(found, "desc"))
        return parse_element(parser, found, mask);
    if (depth == LSMKV_CODEC_DEPTH_MAX)
        return refuse(parser, "is nested more than 8 deep");
    return opens ? parse_tuple(parser, depth + 1, mask) : parse_desc(parser, depth + 1, mask);
}

int lk_keycodec_parse(struct lk_keycodec *out, const char *name, size_t bytes)
{
    struct parser parser = {.name = name, .bytes = bytes, .out = out};
    out->count = 0;
    if (bytes > LSMKV_CODEC_NAME_MAX)
        return refuse(&parser, "has a name of more than 1024 bytes");
    int rc = parse_name(&parser, 0, 0);
    if (rc == 0 && (peek(&parser), parser.at < bytes))
        rc = refuse(&parser, "goes on behind its end");
    if (rc < 0)
        return rc;
    out->name[parser.written] = 0;
    out->fields[0].verbatim = strcmp(out->name, "bytes") == 0 || strcmp(out->name, "str") == 0;
    return 0;
}
