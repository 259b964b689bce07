/* test_format_record: one record, in and out. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/record.h"
#include "format/space.h"
#include "include/lsmkv.h"
#include "util/alloc.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static struct lk_slice text(const char *words)
{
    return lk_slice(words, strlen(words));
}

/* The bytes, copied to where a sanitizer sees the first one read too far. 1 when they are a record. */
static int decodes(const uint8_t *bytes, size_t len)
{
    struct lk_record record;
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    const uint8_t *after = lk_record_get(copy, copy + len, &record);
    free(copy);
    return after != NULL;
}

static void check_encoding(const struct lk_record *record, const uint8_t *wanted, size_t len)
{
    uint8_t bytes[64];
    struct lk_record back;

    NEED(CHECK_EQ(lk_record_bytes(record), len));
    CHECK(lk_record_put(bytes, record) == bytes + len);
    CHECK_MEM(bytes, wanted, len);
    NEED(lk_record_get(bytes, bytes + len, &back) == bytes + len);
    CHECK(lk_equal(back.key, record->key) && lk_equal(back.value, record->value));
    CHECK_EQ(back.flags, record->flags);
    CHECK_EQ(back.expiry, record->expiry);
    CHECK_EQ(back.prev, record->prev);
    CHECK_EQ(back.jump, record->jump);
    CHECK_EQ(back.depth, record->depth);
}

TEST(the_worked_examples_are_these_bytes)
{
    struct lk_record put = {.key = text("cat"), .value = text("1"), .flags = LK_PUT};
    struct lk_record del = {.key = text("cat"), .flags = LK_DELETE};
    struct lk_record range = {.key = text("a"), .value = text("c"), .flags = LK_RANGE_DELETE};
    struct lk_record open = {.key = text("a"), .flags = LK_RANGE_DELETE | LK_RECORD_OPEN_END};

    check_encoding(&put, BYTES(0x01, 0x03, 0x01, 0x63, 0x61, 0x74, 0x31));
    check_encoding(&del, BYTES(0x02, 0x03, 0x00, 0x63, 0x61, 0x74));
    check_encoding(&range, BYTES(0x03, 0x01, 0x01, 0x61, 0x63));
    check_encoding(&open, BYTES(0x43, 0x01, 0x00, 0x61));
}

TEST(link_and_expiry_stand_between_lengths_and_key)
{
    struct lk_record linked = {.key = text("cat"),
                               .value = text("2"),
                               .flags = LK_PUT | LK_RECORD_LINK,
                               .prev = 0x40,
                               .jump = 0x20,
                               .depth = 3};
    struct lk_record expiring = {
        .key = text("cat"), .value = text("2"), .flags = LK_PUT | LK_RECORD_EXPIRY, .expiry = 0x0102030405060708};
    struct lk_record both = {.key = text("k"),
                             .flags = LK_DELETE | LK_RECORD_LINK | LK_RECORD_EXPIRY,
                             .prev = 1,
                             .jump = 2,
                             .depth = 3,
                             .expiry = 4};

    check_encoding(&linked, BYTES(0x05, 3, 1, 0x40, 0, 0, 0, 0x20, 0, 0, 0, 3, 0, 0, 0, 'c', 'a', 't', '2'));
    check_encoding(&expiring, BYTES(0x09, 3, 1, 8, 7, 6, 5, 4, 3, 2, 1, 'c', 'a', 't', '2'));
    check_encoding(&both, BYTES(0x0e, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 'k'));
}

static const size_t key_edges[] = {0, 1, 7, 127, 128, 16383, 16384, 65535, LK_KEY_MAX};
static const size_t value_edges[] = {0, 1, 127, 128, 16383, 16384, 65535, 65536, 2097151, 2097152};

TEST(lengths_at_every_edge_come_back)
{
    uint8_t *key = lk_alloc_zero(LK_KEY_MAX), *value = lk_alloc_zero(2097152);
    uint8_t *bytes = lk_alloc(LK_RECORD_HEAD_MAX + LK_KEY_MAX + 2097152);
    for (size_t k = 0; k < sizeof key_edges / sizeof *key_edges; k++)
        for (size_t v = 0; v < sizeof value_edges / sizeof *value_edges; v++) {
            struct lk_record record = {.key = {key, key_edges[k]}, .value = {value, value_edges[v]}, .flags = LK_PUT};
            struct lk_record back;
            uint64_t total = 0;
            size_t len = lk_record_bytes(&record);
            CHECK(lk_record_put(bytes, &record) == bytes + len);
            CHECK(lk_record_get(bytes, bytes + len, &back) == bytes + len);
            CHECK_EQ(back.key.len, key_edges[k]);
            CHECK_EQ(back.value.len, value_edges[v]);
            CHECK(lk_record_get(bytes, bytes + len - 1, &back) == NULL);
            CHECK_EQ(lk_record_peek(bytes, bytes + LK_RECORD_HEAD_MAX, &total), len - key_edges[k] - value_edges[v]);
            CHECK_EQ(total, len);
        }
    lk_free(key);
    lk_free(value);
    lk_free(bytes);
}

TEST(a_head_is_enough_to_know_the_size_up_to_a_gibibyte)
{
    uint8_t head[16] = {LK_PUT, 1};
    uint64_t total = 0;
    size_t len = 2 + (size_t)(lk_varint_put(head + 2, LSMKV_VALUE_MAX) - (head + 2));
    CHECK_EQ(len, 7);
    CHECK_EQ(lk_record_peek(head, head + len, &total), 7);
    CHECK_EQ(total, 7 + 1 + (uint64_t)LSMKV_VALUE_MAX);
    CHECK_EQ(lk_record_peek(head, head + len - 1, &total), 0);

    struct lk_record record = {.key = {head, 1}, .value = {head, LSMKV_VALUE_MAX}, .flags = LK_PUT};
    CHECK_EQ(lk_record_bytes(&record), 7 + 1 + (uint64_t)LSMKV_VALUE_MAX);
    CHECK(!decodes(head, len));

    lk_varint_put(head + 2, LSMKV_VALUE_MAX + 1);
    CHECK_EQ(lk_record_peek(head, head + sizeof head, &total), 0);
}

TEST(a_peek_needs_link_and_expiry_but_no_key)
{
    struct lk_record record = {
        .key = text("cat"), .value = text("dog"), .flags = LK_PUT | LK_RECORD_LINK | LK_RECORD_EXPIRY};
    uint8_t bytes[64];
    uint64_t total = 0;
    lk_record_put(bytes, &record);
    for (size_t len = 0; len < 23; len++)
        CHECK_EQ(lk_record_peek(bytes, bytes + len, &total), 0);
    CHECK_EQ(lk_record_peek(bytes, bytes + 23, &total), 23);
    CHECK_EQ(total, lk_record_bytes(&record));
}

TEST(padding_is_no_record)
{
    CHECK(!decodes(BYTES(0, 0, 0, 0)));
    CHECK(!decodes((const uint8_t *)"", 0));
}

TEST(reserved_bits_and_kind_zero_are_refused)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        uint8_t bytes[40] = {(uint8_t)flags, 1, 0};
        int known = (flags & 3) != 0 && (flags & 0xb0) == 0;
        /* With no value only an open range delete is a range delete. */
        int allowed = known && ((flags & 64) != 0) == ((flags & 3) == LK_RANGE_DELETE);
        CHECK_EQ(decodes(bytes, sizeof bytes), allowed);
    }
}

TEST(what_a_kind_does_not_allow_is_refused)
{
    CHECK(!decodes(BYTES(0x02, 1, 1, 'a', 'b')));  /* a delete with a value */
    CHECK(!decodes(BYTES(0x43, 1, 1, 'a', 'b')));  /* an open end and a stop */
    CHECK(!decodes(BYTES(0x41, 1, 0, 'a')));       /* an open end on a put */
    CHECK(!decodes(BYTES(0x42, 1, 0, 'a')));       /* an open end on a delete */
    CHECK(!decodes(BYTES(0x03, 1, 1, 'b', 'a')));  /* stop below start */
    CHECK(!decodes(BYTES(0x03, 1, 1, 'a', 'a')));  /* stop at start */
    CHECK(!decodes(BYTES(0x03, 1, 0, 'a')));       /* stop empty */
    CHECK(!decodes(BYTES(0x03, 0, 0)));            /* start and stop empty */
    CHECK(decodes(BYTES(0x03, 0, 1, 'a')));        /* from the very first key */
    CHECK(decodes(BYTES(0x03, 1, 2, 'a', 'a', 0))); /* exactly the key "a" */
    CHECK(decodes(BYTES(0x43, 0, 0)));             /* everything */
}

TEST(keys_and_values_out_of_bounds_are_refused)
{
    uint8_t *bytes = lk_alloc_zero(1 << 18);
    struct lk_record record;

    bytes[0] = LK_PUT;
    uint8_t *to = lk_varint_put(bytes + 1, LK_KEY_MAX + 1);
    *to = 0;
    CHECK(lk_record_get(bytes, bytes + (1 << 18), &record) == NULL);

    bytes[0] = LK_RANGE_DELETE; /* a stop is a key */
    bytes[1] = 0;
    lk_varint_put(bytes + 2, LK_KEY_MAX + 1);
    CHECK(lk_record_get(bytes, bytes + (1 << 18), &record) == NULL);
    lk_varint_put(bytes + 2, LK_KEY_MAX);
    CHECK(lk_record_get(bytes, bytes + (1 << 18), &record) != NULL);
    lk_free(bytes);
}

TEST(a_length_has_one_encoding)
{
    CHECK(decodes(BYTES(0x01, 1, 1, 'a', 'b')));
    CHECK(!decodes(BYTES(0x01, 0x81, 0x00, 1, 'a', 'b')));
    CHECK(!decodes(BYTES(0x01, 1, 0x81, 0x80, 0x00, 'a', 'b')));
}

static struct lk_record random_record(struct random *random, uint8_t *payload)
{
    static const uint8_t kinds[] = {LK_PUT,    LK_PUT,          LK_PUT,
                                    LK_DELETE, LK_RANGE_DELETE, LK_RANGE_DELETE | LK_RECORD_OPEN_END};
    uint8_t kind = kinds[random_below(random, sizeof kinds)];
    struct lk_record record = {.flags = kind};

    record.key = lk_slice(payload, random_below(random, random_below(random, 4) ? 24 : 300));
    record.value = lk_slice(payload + 300, random_below(random, random_below(random, 4) ? 130 : 20000));
    random_fill(random, payload, 300 + 30);
    if (kind == LK_RANGE_DELETE && lk_compare(record.key, record.value) >= 0)
        record.value = lk_slice(payload, record.key.len + 1);
    if (kind == LK_DELETE || (kind & LK_RECORD_OPEN_END))
        record.value.len = 0;
    if (random_below(random, 4) == 0) {
        record.flags |= LK_RECORD_LINK;
        record.prev = (uint32_t)random_next(random);
        record.jump = (uint32_t)random_next(random);
        record.depth = (uint32_t)random_next(random);
    }
    if (random_below(random, 4) == 0) {
        record.flags |= LK_RECORD_EXPIRY;
        record.expiry = random_next(random);
    }
    return record;
}

static int same(const struct lk_record *a, const struct lk_record *b)
{
    return a->flags == b->flags && lk_equal(a->key, b->key) && lk_equal(a->value, b->value) && a->expiry == b->expiry &&
           a->prev == b->prev && a->jump == b->jump && a->depth == b->depth;
}

TEST(random_records_come_back_and_every_truncation_is_refused)
{
    static uint8_t payload[301 + 20000];
    struct random random = {11};
    for (int round = 0; round < 4000; round++) {
        struct lk_record record = random_record(&random, payload), back;
        size_t len = lk_record_bytes(&record);
        uint8_t *bytes = malloc(len);
        NEED(lk_record_put(bytes, &record) == bytes + len);
        NEED(lk_record_get(bytes, bytes + len, &back) == bytes + len);
        CHECK(same(&record, &back));
        for (size_t cut = 0; cut < len; cut += cut < 64 || cut + 3 > len ? 1 : 1 + random_below(&random, 1000))
            CHECK(lk_record_get(bytes, bytes + cut, &back) == NULL);
        free(bytes);
    }
}

TEST(whatever_decodes_encodes_to_the_same_bytes)
{
    struct random random = {12};
    unsigned decoded = 0;
    for (int round = 0; round < 400000; round++) {
        uint8_t bytes[48], again[48];
        struct lk_record record;
        uint64_t total = 0;
        size_t len = random_below(&random, sizeof bytes + 1);
        random_fill(&random, bytes, len);
        if (len > 2) {
            bytes[0] &= random_below(&random, 3) ? 0x4f : 0xff;
            bytes[1] %= 20;
            bytes[2] %= 20;
        }
        const uint8_t *after = lk_record_get(bytes, bytes + len, &record);
        if (after == NULL)
            continue;
        decoded++;
        CHECK(after > bytes && after <= bytes + len);
        CHECK_EQ(lk_record_bytes(&record), after - bytes);
        CHECK(lk_record_put(again, &record) == again + (after - bytes));
        CHECK_MEM(again, bytes, (size_t)(after - bytes));
        CHECK(lk_record_peek(bytes, bytes + len, &total) > 0);
        CHECK_EQ(total, after - bytes);
    }
    CHECK(decoded > 20000);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
