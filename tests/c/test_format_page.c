/* test_format_page: fences, and walking the records of a page. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/page.h"

/* By definition: the last page whose head is below, and the last whose head is not above. */
static void plain_find(const struct lk_fences *fences, uint64_t head, uint32_t *from, uint32_t *through)
{
    *from = *through = 0;
    for (uint32_t i = 0; i < fences->count; i++) {
        if (fences->head[i] < head)
            *from = i;
        if (fences->head[i] <= head)
            *through = i;
    }
}

static void check_find(const struct lk_fences *fences, uint64_t head)
{
    uint32_t from, through, through_found = ~0u;
    plain_find(fences, head, &from, &through);
    CHECK_EQ(lk_fences_find(fences, head, &through_found), from);
    CHECK_EQ(through_found, through);
}

TEST(the_pages_that_can_hold_a_key_are_found)
{
    static const uint64_t heads[] = {10, 20, 20, 20, 30};
    struct lk_fences fences = {heads, NULL, 5};
    uint32_t through;
    CHECK_EQ(lk_fences_find(&fences, 5, &through), 0); /* below all: only the first page could */
    CHECK_EQ(through, 0);
    CHECK_EQ(lk_fences_find(&fences, 15, &through), 0);
    CHECK_EQ(through, 0);
    CHECK_EQ(lk_fences_find(&fences, 20, &through), 0); /* its key may stand at the end of page 0 */
    CHECK_EQ(through, 3);
    CHECK_EQ(lk_fences_find(&fences, 30, &through), 3);
    CHECK_EQ(through, 4);
    CHECK_EQ(lk_fences_find(&fences, 99, &through), 4);
    CHECK_EQ(through, 4);
}

TEST(finding_agrees_with_a_plain_search_for_all_sizes)
{
    struct random random = {41};
    for (uint32_t count = 0; count < 200; count++) {
        uint64_t *heads = malloc(sizeof *heads * (count + 1)), head = random_below(&random, 3);
        for (uint32_t i = 0; i < count; i++, head += random_below(&random, 3))
            heads[i] = head;
        struct lk_fences fences = {heads, NULL, count};
        for (uint64_t wanted = 0; wanted <= head + 2; wanted++)
            check_find(&fences, wanted);
        check_find(&fences, UINT64_MAX);
        if (count) {
            heads[count - 1] = UINT64_MAX;
            check_find(&fences, UINT64_MAX);
            check_find(&fences, UINT64_MAX - 1);
        }
        free(heads);
    }
}

TEST(all_heads_alike_span_all_pages)
{
    uint64_t heads[100];
    struct lk_fences fences = {heads, NULL, 100};
    static const uint64_t values[] = {0, 7, UINT64_MAX};
    for (size_t v = 0; v < 3; v++) {
        for (int i = 0; i < 100; i++)
            heads[i] = values[v];
        check_find(&fences, 0);
        check_find(&fences, 7);
        check_find(&fences, UINT64_MAX);
    }
}

TEST(fences_are_sound_when_heads_ascend_and_offsets_tile_the_pages)
{
    uint64_t heads[] = {1, 1, 5};
    uint32_t offsets[] = {64, 100, 101, 300};
    struct lk_fences fences = {heads, offsets, 3};
    CHECK(lk_fences_sound(&fences, 64, 300, fences.count));
    CHECK(!lk_fences_sound(&fences, 63, 300, fences.count));
    CHECK(!lk_fences_sound(&fences, 64, 301, fences.count));
    offsets[2] = 100;
    CHECK(!lk_fences_sound(&fences, 64, 300, fences.count));
    offsets[2] = 301;
    CHECK(!lk_fences_sound(&fences, 64, 300, fences.count));
    offsets[2] = 101;
    heads[1] = 6;
    CHECK(!lk_fences_sound(&fences, 64, 300, fences.count));
}

TEST(a_table_without_pages_has_one_offset)
{
    uint32_t offset = 64, through = 9;
    struct lk_fences fences = {NULL, &offset, 0};
    CHECK(lk_fences_sound(&fences, 64, 64, fences.count));
    CHECK(!lk_fences_sound(&fences, 64, 65, fences.count));
    CHECK_EQ(lk_fences_find(&fences, 3, &through), 0);
    CHECK_EQ(through, 0);
}

TEST(a_key_is_found_by_fence_and_walk_whatever_the_page_size)
{
    enum { KEYS = 500 };
    static uint8_t pages[KEYS * 40];
    struct random random = {42};

    for (uint32_t per_page = 1; per_page < 40; per_page += 3) {
        uint64_t heads[KEYS];
        uint32_t offsets[KEYS + 1], count = 0;
        uint8_t *to = pages;
        for (uint32_t i = 0; i < KEYS; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%07u%03u", i / 7, i % 7); /* heads repeat, keys do not */
            struct lk_record record = {.key = lk_slice(key, strlen(key)), .value = lk_slice(&i, 4), .flags = LK_PUT};
            if (i % per_page == 0) {
                heads[count] = lk_head(record.key, 0);
                offsets[count++] = (uint32_t)(to - pages);
            }
            to = lk_record_put(to, &record);
        }
        offsets[count] = (uint32_t)(to - pages);
        struct lk_fences fences = {heads, offsets, count};
        CHECK(lk_fences_sound(&fences, 0, (uint32_t)(to - pages), fences.count));

        for (int round = 0; round < 300; round++) {
            uint32_t wanted = (uint32_t)random_below(&random, KEYS), through, found = KEYS;
            char key[16];
            snprintf(key, sizeof key, "k%07u%03u", wanted / 7, wanted % 7);
            struct lk_slice slice = lk_slice(key, strlen(key));
            uint32_t page = lk_fences_find(&fences, lk_head(slice, 0), &through);
            const uint8_t *at = pages + offsets[page], *end = pages + offsets[through + 1];
            struct lk_record record;
            while (at < end && (at = lk_record_get(at, end, &record)) != NULL)
                if (lk_equal(record.key, slice))
                    found = lk_load32(record.value.at);
            CHECK(at == end);
            CHECK_EQ(found, wanted);
        }
    }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
