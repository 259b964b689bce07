/* frame: both pens of the drawings in format/frame.h. Pure bytes: any thread. */
#include "format/frame.h"

#include "util/checksum.h"

enum { SYNC_MARK_BODY = 8 };

static int all_zero(const uint8_t *at, size_t bytes)
{
    uint8_t any = 0;
    while (bytes--)
        any |= *at++;
    return any == 0;
}

/* ---- frames --------------------------------------------------------------------------------- */

void lk_frame_seal(uint8_t *frame, enum lk_frame_kind kind, uint32_t body_bytes, uint64_t identity, uint64_t offset)
{
    uint64_t used = LK_FRAME_HEAD + (uint64_t)body_bytes;
    uint32_t seed = lk_checksum_seed(identity, offset);

    memset(frame + used, 0, lk_frame_bytes(body_bytes) - used);
    lk_store32(frame + 4, body_bytes);
    lk_store32(frame + 8, (uint32_t)kind);
    lk_store32(frame + 12, lk_checksum(seed, frame + LK_FRAME_HEAD, body_bytes));
    lk_store32(frame, lk_checksum(seed, frame + 4, 12));
}

/* A sound header at `head`, of which 16 bytes are there. The cheap questions come first: almost all
 * offsets that a resynchronisation looks at fail them. */
static int head_sound(const uint8_t *head, uint32_t seed)
{
    uint32_t kind = lk_load32(head + 8), body_bytes = lk_load32(head + 4); /* kind: with its three zeros */

    if (kind < LK_FRAME_RECORDS || kind > LK_FRAME_EDIT || body_bytes > LK_FRAME_BODY_MAX)
        return 0;
    if (kind == LK_FRAME_SYNC_MARK && body_bytes != SYNC_MARK_BODY)
        return 0;
    return lk_load32(head) == lk_checksum(seed, head + 4, 12);
}

enum lk_frame_verdict lk_frame_get(const uint8_t *base, uint64_t bytes, uint64_t offset, uint64_t identity,
                                   struct lk_frame *out)
{
    if (offset > bytes || bytes - offset < LK_FRAME_HEAD)
        return LK_FRAME_END;

    const uint8_t *head = base + offset;
    uint32_t seed = lk_checksum_seed(identity, offset);
    if (!head_sound(head, seed))
        return all_zero(head, LK_FRAME_HEAD) ? LK_FRAME_END : LK_FRAME_BAD_HEAD;

    uint32_t body_bytes = lk_load32(head + 4); /* at most LK_FRAME_BODY_MAX: no sum below can wrap */
    uint64_t total = lk_frame_bytes(body_bytes), used = LK_FRAME_HEAD + (uint64_t)body_bytes;
    if (bytes - offset < total)
        return LK_FRAME_BAD_BODY;
    if (lk_checksum(seed, head + LK_FRAME_HEAD, body_bytes) != lk_load32(head + 12))
        return LK_FRAME_BAD_BODY;
    if (!all_zero(head + used, total - used))
        return LK_FRAME_BAD_BODY;

    out->kind = (enum lk_frame_kind)head[8];
    out->body = lk_slice(head + LK_FRAME_HEAD, body_bytes);
    out->total = total;
    return LK_FRAME_GOOD;
}

uint64_t lk_frame_resync(const uint8_t *base, uint64_t bytes, uint64_t from, uint64_t identity)
{
    if (from > bytes)
        return bytes;
    /* Round up by what is missing: from + 7 could wrap. */
    uint64_t missing = -from & 7;
    if (bytes - from < missing)
        return bytes;
    for (uint64_t offset = from + missing; bytes - offset >= LK_FRAME_HEAD; offset += 8)
        if (head_sound(base + offset, lk_checksum_seed(identity, offset)))
            return offset;
    return bytes;
}

/* ---- file heads ----------------------------------------------------------------------------- */

/* Where each field of the drawing begins. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_NUMBER = 12,
    AT_IDENTITY = 16,
    AT_STORE = 24,
    AT_PREV = 32,
    AT_PREV_END = 36,
    AT_SHIFT = 40,
    AT_CAPACITY = 44,
    AT_ZERO = 52,
    AT_CHECK = 60
};

void lk_file_head_put(uint8_t to[LK_FILE_HEAD], const char magic[8], const struct lk_file_head *head)
{
    memset(to, 0, LK_FILE_HEAD);
    memcpy(to + AT_MAGIC, magic, 8);
    lk_store32(to + AT_VERSION, LK_FORMAT_VERSION);
    lk_store32(to + AT_NUMBER, head->number);
    lk_store64(to + AT_IDENTITY, head->identity);
    lk_store64(to + AT_STORE, head->store);
    lk_store32(to + AT_PREV, head->prev);
    lk_store32(to + AT_PREV_END, head->prev_end);
    to[AT_SHIFT] = head->shift;
    lk_store64(to + AT_CAPACITY, head->capacity);
    lk_store32(to + AT_CHECK, lk_checksum(0, to, AT_CHECK));
}

int lk_file_head_get(const uint8_t from[LK_FILE_HEAD], const char magic[8], struct lk_file_head *out, uint32_t *version)
{
    if (all_zero(from, LK_FILE_HEAD))
        return 0;
    /* The check comes before the version: a flipped bit in the version is damage, not a newer format.
     * So magic, version and check keep their places in every version to come. */
    if (memcmp(from + AT_MAGIC, magic, 8) != 0 || lk_load32(from + AT_CHECK) != lk_checksum(0, from, AT_CHECK))
        return -1;
    *version = lk_load32(from + AT_VERSION);
    if (*version != LK_FORMAT_VERSION)
        return -2;
    if (!all_zero(from + AT_SHIFT + 1, 3) || !all_zero(from + AT_ZERO, 8) || from[AT_SHIFT] > 31)
        return -1;

    out->number = lk_load32(from + AT_NUMBER);
    out->identity = lk_load64(from + AT_IDENTITY);
    out->store = lk_load64(from + AT_STORE);
    out->prev = lk_load32(from + AT_PREV);
    out->prev_end = lk_load32(from + AT_PREV_END);
    out->shift = from[AT_SHIFT];
    out->capacity = lk_load64(from + AT_CAPACITY);
    return 1;
}
