/* test_util: buffers, integers of variable length, key heads, hash, checksum, sort. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "util/buf.h"
#include "util/checksum.h"
#include "util/hash.h"
#include "util/sort.h"

/* ---- buf ------------------------------------------------------------------------------------ */

TEST(a_buffer_grows_and_keeps_what_it_has)
{
    struct lk_buf buf = {0};
    for (int i = 0; i < 1000; i++)
        NEED(lk_buf_append(&buf, &(uint8_t){(uint8_t)i}, 1) == 0);
    CHECK_EQ(buf.len, 1000);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(buf.at[i], (uint8_t)i);
    lk_buf_deinit(&buf);
    CHECK(buf.at == NULL && buf.len == 0 && buf.cap == 0);
}

TEST(reserve_makes_room_without_changing_the_length)
{
    struct lk_buf buf = {0};
    NEED(lk_buf_reserve(&buf, 0) == 0);
    CHECK(buf.at == NULL);
    NEED(lk_buf_reserve(&buf, 100) == 0);
    CHECK(buf.cap >= 100);
    CHECK_EQ(buf.len, 0);
    size_t cap = buf.cap;
    NEED(lk_buf_append(&buf, "abc", 3) == 0);
    NEED(lk_buf_reserve(&buf, cap - 3) == 0);
    CHECK_EQ(buf.cap, cap);
    lk_buf_reset(&buf);
    CHECK_EQ(buf.len, 0);
    CHECK_EQ(buf.cap, cap);
    lk_buf_deinit(&buf);
}

TEST(a_request_beyond_the_address_space_is_no_memory_and_changes_nothing)
{
    struct lk_buf buf = {0};
    NEED(lk_buf_append(&buf, "abc", 3) == 0);
    CHECK_EQ(lk_buf_reserve(&buf, SIZE_MAX), LSMKV_NOMEM);
    CHECK_EQ(lk_buf_reserve(&buf, SIZE_MAX - 3), LSMKV_NOMEM);
    CHECK_EQ(buf.len, 3);
    CHECK_MEM(buf.at, "abc", 3);
    lk_buf_deinit(&buf);
}

TEST(appending_nothing_from_nowhere_is_fine)
{
    struct lk_buf buf = {0};
    CHECK_EQ(lk_buf_append(&buf, NULL, 0), 0);
    CHECK_EQ(lk_buf_copy(&buf, lk_slice(NULL, 0)), 0);
    CHECK_EQ(buf.len, 0);
    lk_buf_deinit(&buf);
}

TEST(a_buffer_becomes_a_copy_even_of_a_part_of_itself)
{
    struct lk_buf buf = {0};
    NEED(lk_buf_copy(&buf, lk_slice("0123456789", 10)) == 0);
    NEED(lk_buf_copy(&buf, lk_slice(buf.at + 2, 7)) == 0);
    CHECK(lk_equal(lk_buf_slice(&buf), lk_slice("2345678", 7)));
    NEED(lk_buf_copy(&buf, lk_slice("x", 1)) == 0);
    CHECK(lk_equal(lk_buf_slice(&buf), lk_slice("x", 1)));
    lk_buf_deinit(&buf);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

TEST(a_varint_comes_back_and_takes_the_bytes_it_says)
{
    static const uint32_t edge[] = {0,       1,       127,       128,       16383,    16384,     65535,
                                    2097151, 2097152, 268435455, 268435456, 1u << 30, UINT32_MAX};
    static const size_t wanted[] = {1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5};
    for (size_t i = 0; i < sizeof edge / sizeof *edge; i++) {
        uint8_t bytes[5];
        uint32_t back = ~edge[i];
        size_t len = (size_t)(lk_varint_put(bytes, edge[i]) - bytes);
        CHECK_EQ(len, wanted[i]);
        CHECK_EQ(lk_varint_bytes(edge[i]), wanted[i]);
        CHECK(lk_varint_get(bytes, bytes + len, &back) == bytes + len);
        CHECK_EQ(back, edge[i]);
        for (size_t cut = 0; cut < len; cut++)
            CHECK(lk_varint_get(bytes, bytes + cut, &back) == NULL);
    }
}

TEST(a_varint_over_32_bits_is_refused)
{
    uint32_t v;
    const uint8_t over[] = {0xff, 0xff, 0xff, 0xff, 0x10}, longer[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    CHECK(lk_varint_get(over, over + sizeof over, &v) == NULL);
    CHECK(lk_varint_get(longer, longer + sizeof longer, &v) == NULL);
}

TEST(a_head_orders_as_the_bytes_do)
{
    struct random random = {1};
    for (int i = 0; i < 20000; i++) {
        uint8_t a[12], b[12];
        random_fill(&random, a, sizeof a);
        memcpy(b, a, sizeof b);
        b[random_below(&random, sizeof b)] ^= (uint8_t)random_below(&random, 3);
        struct lk_slice one = lk_slice(a, random_below(&random, 13)), two = lk_slice(b, random_below(&random, 13));
        int order = lk_compare(one, two);
        uint64_t first = lk_head(one, 0), second = lk_head(two, 0);
        CHECK(first == second || (first < second) == (order < 0));
        CHECK(lk_equal(one, two) == (order == 0));
        CHECK_EQ(lk_compare(two, one) < 0, order > 0);
    }
    CHECK_EQ(lk_head(lk_slice("abcdefghi", 9), 0), 0x6162636465666768);
    CHECK_EQ(lk_head(lk_slice("abc", 3), 2), 0x6300000000000000);
    CHECK_EQ(lk_head(lk_slice("abc", 3), 3), 0);
    CHECK_EQ(lk_head(lk_slice("abc", 3), 100), 0);
}

/* ---- checksum ------------------------------------------------------------------------------- */

/* One bit at a time, from the definition. */
static uint32_t by_bit(uint32_t seed, const uint8_t *at, size_t len)
{
    uint32_t state = ~seed;
    while (len--) {
        state ^= *at++;
        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ (state & 1 ? 0x82f63b78u : 0);
    }
    return ~state;
}

TEST(the_checksum_has_the_published_values)
{
    uint8_t bytes[32];
    CHECK_EQ(lk_checksum(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(lk_checksum(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    CHECK_EQ(lk_checksum(0, bytes, 32), 0x62a8ab43);
    CHECK_EQ(lk_checksum(7, "", 0), 7);
    CHECK(strcmp(lk_checksum_kind(), "sse4.2") == 0 || strcmp(lk_checksum_kind(), "table") == 0);
}

TEST(instruction_table_and_definition_agree_at_every_length_and_alignment)
{
    static uint8_t bytes[20000];
    struct random random = {2};
    random_fill(&random, bytes, sizeof bytes);
    for (size_t len = 0; len < 600; len++) {
        uint32_t seed = (uint32_t)random_next(&random), want = by_bit(seed, bytes + len % 9, len);
        CHECK_EQ(lk_checksum(seed, bytes + len % 9, len), want);
        CHECK_EQ(lk_checksum_by_table(seed, bytes + len % 9, len), want);
    }
    static const size_t lengths[] = {1023, 1024, 1025, 4079, 4080, 4081, 4095, 4096, 4097, 8160, 8161, 12345, 19992};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint32_t want = by_bit(99, bytes + i % 8, lengths[i]);
        CHECK_EQ(lk_checksum(99, bytes + i % 8, lengths[i]), want);
        CHECK_EQ(lk_checksum_by_table(99, bytes + i % 8, lengths[i]), want);
    }
}

TEST(a_checksum_can_be_continued)
{
    uint8_t bytes[5000];
    struct random random = {3};
    random_fill(&random, bytes, sizeof bytes);
    uint32_t whole = lk_checksum(5, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 1 + cut / 7)
        CHECK_EQ(lk_checksum(lk_checksum(5, bytes, cut), bytes + cut, sizeof bytes - cut), whole);
}

TEST(every_flipped_bit_and_every_other_seed_changes_the_checksum)
{
    uint8_t bytes[4096];
    struct random random = {4};
    random_fill(&random, bytes, sizeof bytes);
    uint32_t sum = lk_checksum(0, bytes, sizeof bytes);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit += 1 + bit % 3) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(lk_checksum(0, bytes, sizeof bytes) != sum);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (uint32_t seed = 1; seed < 2000; seed++)
        CHECK(lk_checksum(seed, bytes, sizeof bytes) != sum);
    for (uint64_t place = 1; place < 2000; place++)
        CHECK(lk_checksum_seed(42, place) != lk_checksum_seed(42, 0));
}

/* ---- hash ----------------------------------------------------------------------------------- */

static const struct lk_hash_seed SEED = {0x0123456789abcdefu, 0xfedcba9876543210u};

TEST(the_hash_is_the_one_written_into_files)
{
    uint8_t bytes[100];
    for (int i = 0; i < 100; i++)
        bytes[i] = (uint8_t)i;
    /* From a second implementation, in another language, of the drawing in util/hash.h. */
    CHECK_EQ(lk_hash(SEED, "", 0), 0x064ee217765b5302);
    CHECK_EQ(lk_hash(SEED, "a", 1), 0xb4247004469d0887);
    CHECK_EQ(lk_hash(SEED, "cat", 3), 0x87a6f5874cec6192);
    CHECK_EQ(lk_hash(SEED, "catalog", 7), 0xee0fe7b8097f6925);
    CHECK_EQ(lk_hash(SEED, "key:00000042", 12), 0xf587d2f333df87a6);
    CHECK_EQ(lk_hash(SEED, "0123456789abcdef", 16), 0x07088c0539bd22c4);
    CHECK_EQ(lk_hash(SEED, "0123456789abcdefg", 17), 0xa7a7660ce64bc7dc);
    CHECK_EQ(lk_hash(SEED, "0123456789abcdef0123456789abcdef", 32), 0x6effca21691f9ef1);
    CHECK_EQ(lk_hash(SEED, "0123456789abcdef0123456789abcdefX", 33), 0x5b2e5af418a15bdd);
    CHECK_EQ(lk_hash(SEED, bytes, 100), 0xa4388b98ecaf7f37);
    CHECK_EQ(lk_hash((struct lk_hash_seed){0, 0}, "cat", 3), 0x007054abdfe12fd6);
}

/* Chi-square of n draws over `cells` equally likely cells, as distance from its mean in standard deviations. */
static double deviation(const uint32_t *cell, unsigned cells, unsigned n)
{
    double mean = (double)n / cells, sum = 0, spread = 1;
    for (unsigned i = 0; i < cells; i++)
        sum += ((double)cell[i] - mean) * ((double)cell[i] - mean) / mean;
    for (int i = 0; i < 40; i++) /* the square root of 2 (cells - 1) */
        spread = (spread + 2.0 * (cells - 1) / spread) / 2;
    return (sum - (cells - 1)) / spread;
}

typedef size_t (*key_maker)(uint8_t *key, uint64_t index);

static size_t decimal_key(uint8_t *key, uint64_t index)
{
    return (size_t)snprintf((char *)key, 64, "user%012llu", (unsigned long long)index);
}

static size_t binary_key(uint8_t *key, uint64_t index)
{
    lk_store64(key, index);
    lk_store64(key + 8, 0);
    return 16;
}

static size_t swapped_key(uint8_t *key, uint64_t index)
{
    lk_store64(key, __builtin_bswap64(index));
    return 8;
}

static size_t short_key(uint8_t *key, uint64_t index)
{
    lk_store32(key, (uint32_t)index);
    return 3;
}

static size_t stepping_key(uint8_t *key, uint64_t index)
{
    lk_store64(key, index << 40);
    lk_store64(key + 8, index << 40);
    return 16;
}

static size_t long_key(uint8_t *key, uint64_t index)
{
    memset(key, 'x', 40);
    lk_store32(key + 18, (uint32_t)index);
    return 40;
}

TEST(line_and_tag_bits_of_sequential_keys_are_uniform)
{
    static const key_maker makers[] = {decimal_key, binary_key, swapped_key, short_key, stepping_key, long_key};
    static const struct lk_hash_seed seeds[] = {{0, 0}, {1, 0}, {0, 1}, {~0ull, ~0ull}, {0x123456789abcdef, 77}};
    enum { KEYS = 200000, CELLS = 1 << 14 };
    static uint32_t tag[CELLS], line[CELLS], both[CELLS];

    for (size_t m = 0; m < sizeof makers / sizeof *makers; m++)
        for (size_t s = 0; s < sizeof seeds / sizeof *seeds; s++) {
            memset(tag, 0, sizeof tag);
            memset(line, 0, sizeof line);
            memset(both, 0, sizeof both);
            for (uint64_t i = 0; i < KEYS; i++) {
                uint8_t key[64];
                uint64_t hash = lk_hash(seeds[s], key, makers[m](key, i));
                tag[hash & (CELLS - 1)]++;
                line[hash >> 50]++;
                both[(hash >> 57) << 7 | (hash & 127)]++;
            }
            CHECK(deviation(tag, CELLS, KEYS) < 6 && deviation(tag, CELLS, KEYS) > -6);
            CHECK(deviation(line, CELLS, KEYS) < 6 && deviation(line, CELLS, KEYS) > -6);
            CHECK(deviation(both, CELLS, KEYS) < 6 && deviation(both, CELLS, KEYS) > -6);
        }
}

TEST(every_bit_of_a_key_moves_every_bit_of_its_hash_half_of_the_time)
{
    static const size_t lengths[] = {2, 3, 4, 7, 8, 12, 16, 17, 24, 32, 33, 48, 64, 70};
    enum { ROUNDS = 600 };
    struct random random = {5};

    for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++)
        for (size_t bit = 0; bit < lengths[n] * 8; bit++) {
            uint32_t moved[64] = {0};
            for (int round = 0; round < ROUNDS; round++) {
                uint8_t key[80];
                random_fill(&random, key, lengths[n]);
                uint64_t before = lk_hash(SEED, key, lengths[n]);
                key[bit / 8] ^= (uint8_t)(1 << bit % 8);
                uint64_t difference = before ^ lk_hash(SEED, key, lengths[n]);
                for (int i = 0; i < 64; i++)
                    moved[i] += difference >> i & 1;
            }
            for (int i = 0; i < 64; i++) /* 12.2 is one standard deviation */
                CHECK(moved[i] > ROUNDS / 2 - 80 && moved[i] < ROUNDS / 2 + 80);
        }
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

TEST(no_two_of_many_similar_keys_share_a_hash)
{
    enum { EACH = 60000 };
    static const key_maker makers[] = {decimal_key, binary_key, swapped_key, stepping_key, long_key};
    enum { MAKERS = sizeof makers / sizeof *makers };
    uint64_t *hashes = malloc(sizeof *hashes * EACH * MAKERS);
    size_t count = 0;
    for (size_t m = 0; m < MAKERS; m++)
        for (uint64_t i = 1; i <= EACH; i++) {
            uint8_t key[64];
            hashes[count++] = lk_hash(SEED, key, makers[m](key, i));
        }
    qsort(hashes, count, sizeof *hashes, compare_u64);
    for (size_t i = 1; i < count; i++)
        CHECK(hashes[i] != hashes[i - 1]);
    free(hashes);
}

TEST(length_seed_and_each_byte_matter)
{
    uint8_t zeros[80] = {0};
    for (size_t len = 0; len < sizeof zeros; len++) {
        for (size_t other = 0; other < len; other++)
            CHECK(lk_hash(SEED, zeros, len) != lk_hash(SEED, zeros, other));
        CHECK(lk_hash(SEED, zeros, len) != lk_hash((struct lk_hash_seed){SEED.a ^ 1, SEED.b}, zeros, len));
        CHECK(lk_hash(SEED, zeros, len) != lk_hash((struct lk_hash_seed){SEED.a, SEED.b ^ 1}, zeros, len));
    }
}

/* ---- sort ----------------------------------------------------------------------------------- */

static size_t comparisons;

/* Equal heads are told apart by `extra`; `position` is where the entry stood before. */
static int by_extra(void *context, const struct lk_entry *a, const struct lk_entry *b)
{
    comparisons += context == NULL;
    return (a->extra > b->extra) - (a->extra < b->extra);
}

static void check_sorted(const struct lk_entry *entries, size_t count)
{
    uint64_t positions = 0;
    for (size_t i = 0; i < count; i++) {
        positions += entries[i].position;
        if (i == 0)
            continue;
        const struct lk_entry *a = &entries[i - 1], *b = &entries[i];
        CHECK(a->head < b->head ||
              (a->head == b->head && (a->extra < b->extra || (a->extra == b->extra && a->position < b->position))));
    }
    CHECK_EQ(positions, count ? (uint64_t)count * (count - 1) / 2 : 0);
}

enum shape { RANDOM, ASCENDING, DESCENDING, FEW_HEADS, ONE_HEAD, ONE_BYTE, DIGITS, NEARLY, SHAPES };

static uint64_t head_of(enum shape shape, struct random *random, size_t i)
{
    switch (shape) {
    case ASCENDING:
        return i;
    case DESCENDING:
        return ~(uint64_t)i;
    case FEW_HEADS:
        return random_below(random, 10) << 33;
    case ONE_HEAD:
        return 0x6162636465666768;
    case ONE_BYTE:
        return 0x6162006465666768 | random_below(random, 256) << 40;
    case DIGITS:
        return 0x3030303030303030 | (random_next(random) & 0x0707070707070707);
    case NEARLY:
        return random_below(random, 100) ? i : random_below(random, 1000);
    default:
        return random_next(random);
    }
}

TEST(entries_of_every_shape_and_size_are_sorted_and_stable)
{
    static const size_t counts[] = {0, 1, 2, 3, 15, 16, 17, 31, 33, 100, 511, 512, 513, 1000, 5000, 70000};
    struct random random = {6};
    struct lk_entry *entries = malloc(70000 * sizeof *entries), *scratch = malloc(70000 * sizeof *entries);

    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (enum shape shape = RANDOM; shape < SHAPES; shape++) {
            for (size_t i = 0; i < counts[c]; i++)
                entries[i] =
                    (struct lk_entry){head_of(shape, &random, i), (uint32_t)i, (uint32_t)random_below(&random, 4)};
            lk_sort_entries(entries, scratch, counts[c], by_extra, NULL);
            check_sorted(entries, counts[c]);
        }
    free(entries);
    free(scratch);
}

TEST(what_is_in_order_needs_no_comparison_of_keys_with_different_heads)
{
    enum { COUNT = 10000 };
    static struct lk_entry entries[COUNT], scratch[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        entries[i] = (struct lk_entry){i * 3u, i, 0};
    comparisons = 0;
    lk_sort_entries(entries, scratch, COUNT, by_extra, NULL);
    check_sorted(entries, COUNT);
    CHECK_EQ(comparisons, 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
