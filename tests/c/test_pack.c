/* Pages packed and unpacked, and a build that lacks a codec. */
#include <stdlib.h>

#include "check.h"
#include "random.h"
#include "store/pack.h"
#include "util/bytes.h"

enum { MOST = 65536, GUARD = 64 };

static uint8_t page[MOST], stored[MOST], back[MOST + GUARD];

/* Half of it repeats. */
static void fill_page(size_t bytes, uint64_t seed)
{
    struct random random = {seed};
    for (size_t i = 0; i < bytes; i++)
        page[i] = i / 40 % 2 ? (uint8_t)random_below(&random, 256) : (uint8_t)(i % 40);
}

TEST(what_was_packed_comes_back_in_whole_and_in_part)
{
    for (uint32_t codec = LK_PACK_LZ4; codec < LK_PACK_CODECS; codec++) {
        struct lk_packer packer = {0};
        struct random random = {codec};
        for (unsigned round = 0; lk_pack_version(codec) && round < 300; round++) {
            size_t bytes = 200 + random_below(&random, round % 10 ? 4000 : MOST - 200), made, out;
            size_t wanted = random_below(&random, bytes + 1);
            fill_page(bytes, round);
            CHECK_EQ(lk_pack(&packer, codec, page, bytes, stored, bytes - bytes / 8, &made), 0);
            NEED(made > 0 && made <= bytes - bytes / 8);
            memset(back, 0, sizeof back);
            CHECK_EQ(lk_unpack(&packer, codec, stored, made, back, wanted, bytes, &out), 0);
            CHECK(out >= wanted && out <= bytes && memcmp(back, page, out) == 0);
            CHECK_EQ(lk_unpack(&packer, codec, stored, made, back, bytes, bytes, &out), 0);
            CHECK(out == bytes && memcmp(back, page, bytes) == 0 && back[bytes] == 0);
        }
        lk_packer_deinit(&packer);
    }
}

TEST(what_does_not_fit_is_said_to_be_nothing)
{
    struct random random = {7};
    random_fill(&random, page, 2048);
    for (uint32_t codec = 0; codec < LK_PACK_CODECS + 1; codec++) {
        struct lk_packer packer = {0};
        size_t made = 9;
        CHECK_EQ(lk_pack(&packer, codec, page, 2048, stored, 2048 - 256, &made), 0);
        CHECK_EQ(made, 0);
        lk_packer_deinit(&packer);
    }
}

TEST(another_length_than_it_had_is_refused_and_nothing_is_written_behind)
{
    for (uint32_t codec = LK_PACK_LZ4; codec < LK_PACK_CODECS; codec++) {
        struct lk_packer packer = {0};
        size_t made = 0, out;
        fill_page(2000, codec);
        CHECK_EQ(lk_pack(&packer, codec, page, 2000, stored, MOST, &made), 0);
        for (size_t said = 1; made && said < 2100; said += said > 1900 ? 1 : 50) {
            memset(back, 0xa5, sizeof back);
            CHECK_EQ(lk_unpack(&packer, codec, stored, made, back, said, said, &out), said == 2000 ? 0 : 1);
            CHECK(back[said] == 0xa5 && back[said + GUARD - 1] == 0xa5);
        }
        for (size_t cut = 1; cut < made; cut += 37) {
            uint8_t *exact = malloc(cut); /* so that a sanitizer sees a read behind it */
            memcpy(exact, stored, cut);
            CHECK_EQ(lk_unpack(&packer, codec, exact, cut, back, 2000, 2000, &out), 1);
            free(exact);
        }
        lk_packer_deinit(&packer);
    }
}

TEST(each_codec_has_a_name_and_an_unknown_one_has_no_version)
{
    CHECK_STR(lk_pack_name(0), "raw");
    CHECK_STR(lk_pack_name(1), "lz4");
    CHECK_STR(lk_pack_name(2), "zstd");
    CHECK_STR(lk_pack_name(3), "unknown");
    CHECK_STR(lk_pack_version(0), "");
    CHECK(lk_pack_version(3) == NULL);
    for (uint32_t codec = 1; codec < LK_PACK_CODECS; codec++)
        if (lk_pack_version(codec) == NULL)
            printf("skipped: this build has no %s\n", lk_pack_name(codec));
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
