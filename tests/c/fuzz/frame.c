/* fuzz frame: a log or manifest file as replay reads it: the head, then frame after frame with the
 * records or edits inside, and after damage on to the next sound header.
 *
 *   | file head:64 | frames ... |          the frames' identity is the one in the head */
#include "fuzz.h"

#include "format/edit.h"
#include "format/frame.h"
#include "format/record.h"
#include "util/checksum.h"

static void frame_body_walk(const struct lk_frame *frame)
{
    const uint8_t *at = frame->body.at, *end = at + frame->body.len;
    struct lk_record record;
    struct lk_edit_field field;

    if (frame->kind == LK_FRAME_SYNC_MARK) {
        FUZZ_CHECK(frame->body.len == 8);
        fuzz_accepted += lk_load64(at) != 0;
        return;
    }
    while (at && at < end) {
        if (frame->kind == LK_FRAME_EDIT)
            at = lk_edit_get(at, end, &field);
        else if (*at == 0)
            at++;
        else
            at = lk_record_get(at, end, &record);
        fuzz_accepted += at != NULL;
    }
}

static void frame_check(const uint8_t *base, uint64_t bytes, uint64_t offset, uint64_t identity,
                        const struct lk_frame *frame)
{
    uint8_t again[FUZZ_ROOM + 64];

    FUZZ_CHECK(frame->total % 8 == 0 && frame->total <= bytes - offset);
    FUZZ_CHECK(frame->body.at == base + offset + LK_FRAME_HEAD);
    FUZZ_CHECK(frame->total == lk_frame_bytes(frame->body.len));
    FUZZ_CHECK(frame->kind >= LK_FRAME_RECORDS && frame->kind <= LK_FRAME_EDIT);
    if (frame->total > sizeof again)
        return;
    memcpy(again + LK_FRAME_HEAD, frame->body.at, frame->body.len);
    lk_frame_seal(again, frame->kind, (uint32_t)frame->body.len, identity, offset);
    FUZZ_CHECK(memcmp(again, base + offset, frame->total) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct lk_file_head head = {0};
    uint32_t version;
    uint64_t offset = LK_FILE_HEAD;

    if (bytes < LK_FILE_HEAD)
        return 0;
    if (lk_file_head_get(data, "lsmkvLOG", &head, &version) != 1 &&
        lk_file_head_get(data, "lsmkvMAN", &head, &version) != 1)
        return 0;
    while (offset < bytes) {
        struct lk_frame frame;
        enum lk_frame_verdict verdict = lk_frame_get(data, bytes, offset, head.identity, &frame);
        if (verdict == LK_FRAME_GOOD) {
            frame_check(data, bytes, offset, head.identity, &frame);
            frame_body_walk(&frame);
            offset += frame.total;
            continue;
        }
        uint64_t next = lk_frame_resync(data, bytes, offset + 1, head.identity);
        FUZZ_CHECK(next > offset && next <= bytes && (next == bytes || next % 8 == 0));
        FUZZ_CHECK(next == bytes || lk_frame_get(data, bytes, next, head.identity, &frame) != LK_FRAME_BAD_HEAD);
        offset = next;
    }
    return 0;
}

static uint32_t frame_body_seed(struct random *random, uint8_t *to, enum lk_frame_kind kind)
{
    struct lk_buf edit = {0};
    struct lk_record record = {.key = lk_slice("keykeykey", random_below(random, 9)),
                               .value = lk_slice("valuevalue", random_below(random, 10)),
                               .flags = LK_PUT};
    uint8_t *at = to;

    if (kind == LK_FRAME_SYNC_MARK) {
        lk_store64(to, random_next(random));
        return 8;
    }
    if (kind == LK_FRAME_RECORDS) {
        for (uint64_t i = random_below(random, 5); i > 0; i--)
            at = lk_record_put(at, &record);
        return (uint32_t)(at - to);
    }
    int rc = lk_edit_log(&edit, 1, 2, 3, record.key);
    if (rc == 0)
        rc = lk_edit_next(&edit, 17);
    FUZZ_CHECK(rc == 0);
    memcpy(to, edit.at, edit.len);
    uint32_t bytes = (uint32_t)edit.len;
    lk_buf_deinit(&edit);
    return bytes;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    struct lk_file_head head = {
        .identity = random_next(random), .store = 2, .number = 3, .prev = 1, .prev_end = 64, .capacity = 4096};
    size_t end = LK_FILE_HEAD, frames = random_below(random, 8);

    memset(to, 0, room);
    lk_file_head_put(to, random_below(random, 2) ? "lsmkvLOG" : "lsmkvMAN", &head);
    for (size_t i = 0; i < frames && end + 256 < room; i++) {
        enum lk_frame_kind kind = (enum lk_frame_kind)(1 + random_below(random, 3));
        uint32_t body_bytes = frame_body_seed(random, to + end + LK_FRAME_HEAD, kind);
        lk_frame_seal(to + end, kind, body_bytes, head.identity, end);
        end += lk_frame_bytes(body_bytes);
    }
    return end + 8 * random_below(random, 6); /* some zeros that were never written */
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    if (bytes < LK_FILE_HEAD)
        return;
    lk_store32(data + 60, lk_checksum(0, data, 60));
    uint64_t identity = lk_load64(data + 16);
    for (size_t offset = LK_FILE_HEAD; bytes - offset >= LK_FRAME_HEAD;) {
        uint8_t *frame = data + offset;
        uint32_t body_bytes = lk_load32(frame + 4), seed = lk_checksum_seed(identity, offset);
        int fits = body_bytes <= bytes - offset - LK_FRAME_HEAD;
        if (fits)
            lk_store32(frame + 12, lk_checksum(seed, frame + LK_FRAME_HEAD, body_bytes));
        lk_store32(frame, lk_checksum(seed, frame + 4, 12));
        if (!fits || lk_frame_bytes(body_bytes) > bytes - offset)
            return;
        offset += lk_frame_bytes(body_bytes);
    }
}
