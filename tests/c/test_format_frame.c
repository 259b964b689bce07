/* test_format_frame: frames of a log, and the heads of log and manifest files. */
#include "check.h"
#include "random.h"

#include <stdlib.h>

#include "format/frame.h"
#include "util/checksum.h"

static const uint64_t IDENTITY = 0x1122334455667788;
static const uint8_t CAT[] = {0x01, 0x03, 0x01, 0x63, 0x61, 0x74, 0x31};

/* A frame at `offset` of `file`. Returns the offset after it. */
static uint64_t add(uint8_t *file, uint64_t offset, enum lk_frame_kind kind, const void *body, uint32_t bytes)
{
    if (bytes)
        memcpy(file + offset + LK_FRAME_HEAD, body, bytes);
    lk_frame_seal(file + offset, kind, bytes, IDENTITY, offset);
    return offset + lk_frame_bytes(bytes);
}

TEST(the_worked_examples_are_these_bytes)
{
    /* From a second implementation, in another language, of the drawing in format/frame.h. */
    static const uint8_t put[24] = {0x0e, 0x0b, 0xb4, 0x60, 0x07, 0,    0,    0,    0x01, 0,    0,    0,
                                    0x24, 0xd3, 0x01, 0xdf, 0x01, 0x03, 0x01, 0x63, 0x61, 0x74, 0x31, 0};
    static const uint8_t mark[24] = {0x61, 0x8f, 0xb7, 0xc4, 0x08, 0, 0, 0, 0x02, 0, 0, 0,
                                     0x25, 0x36, 0xb4, 0xc6, 0x58, 0, 0, 0, 0x0c, 0, 0, 0};
    uint8_t file[128], lsn[8];
    memset(file, 0xee, sizeof file);
    lk_store64(lsn, (uint64_t)12 << 32 | 0x58);
    CHECK_EQ(add(file, 64, LK_FRAME_RECORDS, CAT, sizeof CAT), 88);
    CHECK_EQ(add(file, 88, LK_FRAME_SYNC_MARK, lsn, 8), 112);
    CHECK_MEM(file + 64, put, 24);
    CHECK_MEM(file + 88, mark, 24);
    CHECK_EQ(file[112], 0xee);
}

TEST(a_frame_takes_a_multiple_of_eight_bytes)
{
    CHECK_EQ(lk_frame_bytes(0), 16);
    CHECK_EQ(lk_frame_bytes(1), 24);
    CHECK_EQ(lk_frame_bytes(8), 24);
    CHECK_EQ(lk_frame_bytes(9), 32);
    CHECK_EQ(lk_frame_bytes(LK_FRAME_BODY_MAX), (uint64_t)LK_FRAME_BODY_MAX + 16);
}

static enum lk_frame_kind kind_for(uint32_t bytes)
{
    return bytes == 8 ? LK_FRAME_SYNC_MARK : bytes % 2 ? LK_FRAME_EDIT : LK_FRAME_RECORDS;
}

TEST(frames_of_every_size_and_kind_come_back_one_after_the_other)
{
    struct random random = {21};
    static uint8_t file[1 << 16], body[600];
    random_fill(&random, body, sizeof body);
    uint64_t end = LK_FILE_HEAD;
    for (uint32_t bytes = 0; bytes < 300; bytes++)
        end = add(file, end, kind_for(bytes), body, bytes);
    NEED(end < sizeof file);
    uint64_t at = LK_FILE_HEAD;
    for (uint32_t bytes = 0; bytes < 300; bytes++) {
        struct lk_frame frame;
        NEED(CHECK_EQ(lk_frame_get(file, end, at, IDENTITY, &frame), LK_FRAME_GOOD));
        CHECK(lk_equal(frame.body, lk_slice(body, bytes)));
        CHECK_EQ(frame.kind, kind_for(bytes));
        CHECK_EQ(frame.total, lk_frame_bytes(bytes));
        at += frame.total;
    }
    CHECK_EQ(at, end);
}

TEST(what_was_never_written_is_the_end)
{
    uint8_t file[64] = {0};
    struct lk_frame frame;
    CHECK_EQ(lk_frame_get(file, 64, 0, IDENTITY, &frame), LK_FRAME_END);
    CHECK_EQ(lk_frame_get(file, 64, 48, IDENTITY, &frame), LK_FRAME_END);
    memset(file, 0xff, sizeof file);
    CHECK_EQ(lk_frame_get(file, 64, 56, IDENTITY, &frame), LK_FRAME_END); /* fewer than 16 bytes left */
    CHECK_EQ(lk_frame_get(file, 64, 64, IDENTITY, &frame), LK_FRAME_END);
    CHECK_EQ(lk_frame_get(file, 64, 72, IDENTITY, &frame), LK_FRAME_END);
    CHECK_EQ(lk_frame_get(file, 64, UINT64_MAX & ~7ull, IDENTITY, &frame), LK_FRAME_END);
    CHECK_EQ(lk_frame_get(file, 0, 0, IDENTITY, &frame), LK_FRAME_END);
    CHECK_EQ(lk_frame_get(file, 64, 0, IDENTITY, &frame), LK_FRAME_BAD_HEAD);
}

TEST(every_flipped_bit_is_found)
{
    uint8_t file[128] = {0};
    struct lk_frame frame;
    static const uint32_t sizes[] = {0, 1, 7, 8, 13, 64};
    static const char body[] = "0123456789012345678901234567890123456789012345678901234567890123";
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint64_t total = add(file, 0, LK_FRAME_RECORDS, body, sizes[s]);
        for (size_t bit = 0; bit < total * 8; bit++) {
            file[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum lk_frame_verdict verdict = lk_frame_get(file, total, 0, IDENTITY, &frame);
            CHECK_EQ(verdict, bit < LK_FRAME_HEAD * 8 ? LK_FRAME_BAD_HEAD : LK_FRAME_BAD_BODY);
            file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        CHECK_EQ(lk_frame_get(file, total, 0, IDENTITY, &frame), LK_FRAME_GOOD);
    }
}

TEST(a_frame_cut_short_is_never_good)
{
    uint8_t file[64];
    struct lk_frame frame;
    uint64_t total = add(file, 0, LK_FRAME_RECORDS, CAT, sizeof CAT);
    for (uint64_t bytes = 0; bytes < total; bytes++) {
        uint8_t *copy = malloc(bytes ? bytes : 1);
        memcpy(copy, file, bytes);
        CHECK_EQ(lk_frame_get(copy, bytes, 0, IDENTITY, &frame), bytes < 16 ? LK_FRAME_END : LK_FRAME_BAD_BODY);
        free(copy);
    }
}

TEST(a_frame_from_another_place_or_file_is_not_taken)
{
    uint8_t file[256] = {0};
    struct lk_frame frame;
    add(file, 64, LK_FRAME_RECORDS, CAT, sizeof CAT);
    memcpy(file + 128, file + 64, 24);
    CHECK_EQ(lk_frame_get(file, 256, 64, IDENTITY, &frame), LK_FRAME_GOOD);
    CHECK_EQ(lk_frame_get(file, 256, 128, IDENTITY, &frame), LK_FRAME_BAD_HEAD);
    CHECK_EQ(lk_frame_get(file, 256, 64, IDENTITY + 1, &frame), LK_FRAME_BAD_HEAD);
}

TEST(unknown_kinds_and_marks_of_another_length_are_refused_however_well_summed)
{
    uint8_t file[64];
    struct lk_frame frame;
    add(file, 0, (enum lk_frame_kind)4, CAT, sizeof CAT);
    CHECK_EQ(lk_frame_get(file, 64, 0, IDENTITY, &frame), LK_FRAME_BAD_HEAD);
    add(file, 0, (enum lk_frame_kind)0, CAT, sizeof CAT);
    CHECK_EQ(lk_frame_get(file, 64, 0, IDENTITY, &frame), LK_FRAME_BAD_HEAD);
    add(file, 0, (enum lk_frame_kind)0x101, CAT, sizeof CAT);
    CHECK_EQ(lk_frame_get(file, 64, 0, IDENTITY, &frame), LK_FRAME_BAD_HEAD);
    add(file, 0, LK_FRAME_SYNC_MARK, CAT, sizeof CAT);
    CHECK_EQ(lk_frame_get(file, 64, 0, IDENTITY, &frame), LK_FRAME_BAD_HEAD);
}

TEST(resynchronisation_finds_the_next_sound_header_and_no_other)
{
    static uint8_t file[1 << 16];
    struct random random = {22};
    random_fill(&random, file, sizeof file);
    CHECK_EQ(lk_frame_resync(file, sizeof file, 0, IDENTITY), sizeof file);

    uint64_t first = 4096, second = add(file, first, LK_FRAME_RECORDS, CAT, sizeof CAT);
    add(file, second, LK_FRAME_EDIT, CAT, 5);
    for (uint64_t from = 0; from <= first; from += 61)
        CHECK_EQ(lk_frame_resync(file, sizeof file, from, IDENTITY), first);
    CHECK_EQ(lk_frame_resync(file, sizeof file, first + 1, IDENTITY), second);
    CHECK_EQ(lk_frame_resync(file, sizeof file, second + 8, IDENTITY), sizeof file);
    CHECK_EQ(lk_frame_resync(file, sizeof file, 0, IDENTITY ^ 1), sizeof file);
    file[first + LK_FRAME_HEAD] ^= 1; /* the header stays sound: the body is judged by lk_frame_get */
    CHECK_EQ(lk_frame_resync(file, sizeof file, 0, IDENTITY), first);
    CHECK_EQ(lk_frame_resync(file, first + 15, 0, IDENTITY), first + 15);
    CHECK_EQ(lk_frame_resync(file, first + 16, 0, IDENTITY), first);
    CHECK_EQ(lk_frame_resync(file, 100, 101, IDENTITY), 100);
    CHECK_EQ(lk_frame_resync(file, 100, UINT64_MAX, IDENTITY), 100);
    CHECK_EQ(lk_frame_resync(file, 0, 0, IDENTITY), 0);
}

/* ---- file heads ----------------------------------------------------------------------------- */

static const struct lk_file_head HEAD = {.number = 12,
                                         .identity = 0x1122334455667788,
                                         .store = 0x0102030405060708,
                                         .prev = 11,
                                         .prev_end = 0x1000,
                                         .shift = 0,
                                         .capacity = 1 << 20};

TEST(the_worked_file_head_is_these_bytes)
{
    static const uint8_t wanted[64] = {
        'l',  's',  'm',  'k', 'v', 'L', 'O', 'G', 1, 0, 0,    0, 0x0c, 0, 0, 0,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33,
        0x22, 0x11, 8,    7,   6,   5,   4,   3,   2, 1, 0x0b, 0, 0,    0, 0, 0x10, 0,    0,    0,    0,    0,    0,
        0,    0,    0x10, 0,   0,   0,   0,   0,   0, 0, 0,    0, 0,    0, 0, 0,    0x4a, 0x48, 0xcb, 0x10,
    };
    uint8_t head[LK_FILE_HEAD];
    memset(head, 0xee, sizeof head);
    lk_file_head_put(head, "lsmkvLOG", &HEAD);
    CHECK_MEM(head, wanted, 64);
}

TEST(a_file_head_comes_back)
{
    uint8_t head[LK_FILE_HEAD];
    struct random random = {23};
    for (int round = 0; round < 1000; round++) {
        struct lk_file_head in = {.identity = random_next(&random),
                                  .store = random_next(&random),
                                  .capacity = random_next(&random),
                                  .number = (uint32_t)random_next(&random),
                                  .prev = (uint32_t)random_next(&random),
                                  .prev_end = (uint32_t)random_next(&random),
                                  .shift = (uint8_t)random_below(&random, 32)};
        struct lk_file_head out;
        uint32_t version = 0;
        lk_file_head_put(head, "lsmkvMAN", &in);
        NEED(CHECK_EQ(lk_file_head_get(head, "lsmkvMAN", &out, &version), 1));
        CHECK_EQ(version, LK_FORMAT_VERSION);
        CHECK(in.identity == out.identity && in.store == out.store && in.capacity == out.capacity);
        CHECK(in.number == out.number && in.prev == out.prev && in.prev_end == out.prev_end && in.shift == out.shift);
    }
}

TEST(every_flipped_bit_of_a_file_head_is_damage_and_not_another_version)
{
    uint8_t head[LK_FILE_HEAD];
    struct lk_file_head out;
    uint32_t version;
    lk_file_head_put(head, "lsmkvLOG", &HEAD);
    for (size_t bit = 0; bit < LK_FILE_HEAD * 8; bit++) {
        head[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), -1);
        head[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), 1);
    CHECK_EQ(lk_file_head_get(head, "lsmkvMAN", &out, &version), -1);
}

TEST(a_head_of_zeros_is_a_file_never_used_and_a_newer_version_tells_its_number)
{
    uint8_t head[LK_FILE_HEAD] = {0};
    struct lk_file_head out;
    uint32_t version = 0;
    CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), 0);
    for (size_t byte = 0; byte < LK_FILE_HEAD; byte++) {
        head[byte] = 1;
        CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), -1);
        head[byte] = 0;
    }
    lk_file_head_put(head, "lsmkvLOG", &HEAD);
    lk_store32(head + 8, 7);
    lk_store32(head + 60, lk_checksum(0, head, 60));
    CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), -2);
    CHECK_EQ(version, 7);
}

TEST(well_summed_heads_with_bytes_set_that_must_be_zero_are_refused)
{
    static const size_t zeros[] = {41, 42, 43, 52, 53, 54, 55, 56, 57, 58, 59};
    uint8_t head[LK_FILE_HEAD];
    struct lk_file_head out;
    uint32_t version;
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++) {
        lk_file_head_put(head, "lsmkvLOG", &HEAD);
        head[zeros[i]] = 1;
        lk_store32(head + 60, lk_checksum(0, head, 60));
        CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), -1);
    }
    lk_file_head_put(head, "lsmkvLOG", &HEAD);
    head[40] = 32; /* no shift of a 32-bit offset */
    lk_store32(head + 60, lk_checksum(0, head, 60));
    CHECK_EQ(lk_file_head_get(head, "lsmkvLOG", &out, &version), -1);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
