/* Where the keys of a namespace lie (format/space.h). */
#include "check.h"

#include "format/space.h"
#include "random.h"

struct stored {
    uint8_t at[64];
    size_t len;
};

static struct stored store(uint32_t space, const void *key, size_t bytes)
{
    struct stored out;
    out.len = lk_space_prefix(space, key, bytes, out.at);
    if (bytes)
        memcpy(out.at + out.len, key, bytes);
    out.len += bytes;
    return out;
}

static struct lk_slice slice_of(const struct stored *stored)
{
    return lk_slice(stored->at, stored->len);
}

#define IS(expression, ...)                                                      \
    do {                                                                         \
        static const uint8_t want[] = {__VA_ARGS__};                             \
        struct stored got = expression;                                          \
        CHECK(got.len == sizeof want && memcmp(got.at, want, sizeof want) == 0); \
    } while (0)

TEST(keys_lie_where_the_drawing_says)
{
    IS(store(LK_SPACE_DEFAULT, "cat", 3), 'c', 'a', 't');
    IS(store(LK_SPACE_DEFAULT,
             "\xff"
             "x",
             2),
       0xff, 0, 0xff, 'x');
    IS(store(7, "cat", 3), 0xff, 1, 0, 0, 0, 7, 'c', 'a', 't');
    IS(store(0x01020304, "", 0), 0xff, 1, 1, 2, 3, 4);
    IS(store(LK_SPACE_CATALOG, "n", 1), 0xff, 1, 0, 0, 0, 0, 'n');
    CHECK_EQ(store(LK_SPACE_DEFAULT, NULL, 0).len, 0);
}

TEST(a_stored_key_leads_back)
{
    static const uint32_t spaces[] = {LK_SPACE_DEFAULT, LK_SPACE_CATALOG, 1, 2, 0xff, 0xff00ff, LK_SPACE_DEFAULT - 1};
    static const char *const keys[] = {"", "a", "\xff", "\xff\xff", "\xff\x01", "\xfe\xff", "abc"};
    for (size_t s = 0; s < sizeof spaces / sizeof *spaces; s++)
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            struct stored stored = store(spaces[s], keys[k], strlen(keys[k]));
            size_t prefix;
            CHECK_EQ(lk_space_of(slice_of(&stored), &prefix), spaces[s]);
            CHECK_EQ(stored.len - prefix, strlen(keys[k]));
            CHECK_MEM(stored.at + prefix, keys[k], strlen(keys[k]));
        }
}

TEST(what_no_writer_makes_is_the_catalogs_and_all_prefix)
{
    static const struct stored odd[] = {
        {{0xff}, 1},       {{0xff, 0}, 2},          {{0xff, 1}, 2},
        {{0xff, 2}, 2},    {{0xff, 1, 0, 0, 0}, 5}, {{0xff, 2, 0, 0, 0, 0, 'x'}, 7},
        {{0xff, 0xff}, 2}, {{0xff, 3, 0xff}, 3},    {{0xff, 1, 0xff, 0xff, 0xff, 0xff, 'x'}, 7}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        size_t prefix;
        CHECK_EQ(lk_space_of(slice_of(&odd[i]), &prefix), LK_SPACE_CATALOG);
        CHECK_EQ(prefix, odd[i].len);
    }
}

static struct stored bound(size_t (*put)(uint32_t, uint8_t *), uint32_t space)
{
    struct stored out;
    out.len = put(space, out.at);
    return out;
}

TEST(spaces_are_intervals_that_do_not_touch_each_other)
{
    static const uint32_t ascending[] = {LK_SPACE_DEFAULT, LK_SPACE_CATALOG, 1, 2, 255, 256, LK_SPACE_DEFAULT - 1};
    struct stored last = {0};
    for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
        struct stored start = bound(lk_space_start, ascending[i]), stop = bound(lk_space_stop, ascending[i]);
        struct stored low = store(ascending[i], "", 0), high = store(ascending[i], "\xff\xff\xff\xff", 4);
        CHECK(lk_compare(slice_of(&last), slice_of(&start)) <= 0);
        CHECK(lk_compare(slice_of(&start), slice_of(&stop)) < 0);
        CHECK(lk_compare(slice_of(&start), slice_of(&low)) <= 0);
        CHECK(lk_compare(slice_of(&high), slice_of(&stop)) < 0);
        last = stop;
    }
    IS(bound(lk_space_start, LK_SPACE_CATALOG), 0xff, 1, 0, 0, 0, 0);
    IS(bound(lk_space_stop, LK_SPACE_CATALOG), 0xff, 1, 0, 0, 0, 1);
    IS(bound(lk_space_stop, LK_SPACE_DEFAULT), 0xff, 1);
    IS(bound(lk_space_stop, LK_SPACE_DEFAULT - 1), 0xff, 2);
}

TEST(order_in_a_space_is_that_of_the_users_keys)
{
    struct random random = {7};
    for (int i = 0; i < 200000; i++) {
        uint8_t a[6], b[6];
        size_t a_len = random_below(&random, 7), b_len = random_below(&random, 7);
        uint32_t space = random_below(&random, 2) ? LK_SPACE_DEFAULT : (uint32_t)random_below(&random, 300);
        for (size_t k = 0; k < 6; k++) {
            a[k] = (uint8_t)(random_below(&random, 2) ? 0xff : random_below(&random, 3));
            b[k] = random_below(&random, 4) ? a[k] : (uint8_t)random_next(&random);
        }
        struct stored x = store(space, a, a_len), y = store(space, b, b_len);
        int want = lk_compare(lk_slice(a, a_len), lk_slice(b, b_len)), got = lk_compare(slice_of(&x), slice_of(&y));
        if (!CHECK((want > 0) - (want < 0) == (got > 0) - (got < 0)))
            break;
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
