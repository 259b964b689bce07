/* frame: what a log appends at once. Atomic: all of its records or none. The manifest uses it too.
 *
 *   | check:4 | body_bytes:4 | kind:1 zero:3 | body_sum:4 | body | zeros to a multiple of 8 |
 *     body_sum  = checksum of the body, seeded by (file identity, offset of the frame)
 *     check     = checksum of the 12 bytes after it, body_sum among them, under the same seed
 *
 * Offsets of frames are multiples of 8, so after damage a linear scan over aligned offsets finds
 * the next good header: the seed makes a false one as unlikely as 2^-32 each.
 * kind 1 records: one or more records. kind 2 sync mark: lsn:8, everything below which was
 * durable before the mark was written; its body is never of another length. kind 3 manifest edit.
 * A header of 16 zero bytes is the end of what was written. */
#ifndef LK_FORMAT_FRAME_H
#define LK_FORMAT_FRAME_H

#include "util/bytes.h"

enum lk_frame_kind { LK_FRAME_RECORDS = 1, LK_FRAME_SYNC_MARK = 2, LK_FRAME_EDIT = 3 };
enum { LK_FRAME_HEAD = 16 };
#define LK_FRAME_BODY_MAX (0x7fffff00u)

struct lk_frame {
    enum lk_frame_kind kind;
    struct lk_slice body; /* borrowed */
    uint64_t total;       /* bytes with head and padding */
};

static inline uint64_t lk_frame_bytes(uint64_t body_bytes)
{
    return (LK_FRAME_HEAD + body_bytes + 7) & ~(uint64_t)7;
}

/* Seal a frame whose body already stands at frame + LK_FRAME_HEAD: checksums the copy, writes head
 * and padding. `offset` is the frame's place in its file. */
void lk_frame_seal(uint8_t *frame, enum lk_frame_kind kind, uint32_t body_bytes, uint64_t identity, uint64_t offset);

enum lk_frame_verdict {
    LK_FRAME_GOOD = 0,
    LK_FRAME_END,      /* sixteen zero bytes, or fewer than 16 bytes left */
    LK_FRAME_BAD_HEAD, /* the header's check fails, or its kind is unknown, its zero bytes are not, or its
                          length cannot be */
    LK_FRAME_BAD_BODY  /* a sound header whose body runs past the end, fails its sum, or padding is not zero */
};
/* Decode the frame at `offset` of a file of which [base, base + bytes) is in memory. */
enum lk_frame_verdict lk_frame_get(const uint8_t *base, uint64_t bytes, uint64_t offset, uint64_t identity,
                                   struct lk_frame *out);
/* The same where that has been done before, as in a log that is indexed: by the head alone, which is believed. 0 when
 * the frame does not end by `bytes`. */
static inline int lk_frame_peek(const uint8_t *base, uint64_t bytes, uint64_t offset, struct lk_frame *out)
{
    if (offset > bytes || bytes - offset < LK_FRAME_HEAD)
        return 0;
    uint32_t body_bytes = lk_load32(base + offset + 4);
    out->kind = (enum lk_frame_kind)base[offset + 8];
    out->body = lk_slice(base + offset + LK_FRAME_HEAD, body_bytes);
    out->total = lk_frame_bytes(body_bytes);
    return out->total <= bytes - offset;
}
/* The next 8-aligned offset >= from with a sound header; `bytes` when there is none. */
uint64_t lk_frame_resync(const uint8_t *base, uint64_t bytes, uint64_t from, uint64_t identity);

/* The 64-byte head of a log segment or manifest file.
 *
 *   | magic:8 | version:4 | number:4 | identity:8 | store:8 |
 *   | prev:4 | prev_end:4 | shift:1 zero:3 | capacity:8 | zero:8 | check:4 |
 *
 *   magic "lsmkvLOG" or "lsmkvMAN". identity: random, seeds every check in the file. store: the store's
 *   own identity. prev, prev_end: the log segment before this one and the offset at which its valid
 *   frames ended; 0 for none. shift: records start at multiples of 1 << shift (0 but in oversize
 *   segments). check: checksum of the 60 bytes before it, seed 0.
 * A head of 64 zero bytes is a segment prepared but never used. */
enum { LK_FILE_HEAD = 64 };
struct lk_file_head {
    uint64_t identity, store, capacity;
    uint32_t number, prev, prev_end;
    uint8_t shift;
};
#define LK_FORMAT_VERSION 1u
void lk_file_head_put(uint8_t to[LK_FILE_HEAD], const char magic[8], const struct lk_file_head *head);
/* 1 good, 0 all zero, -1 not such a head, -2 of another format version (*version tells). */
int lk_file_head_get(const uint8_t from[LK_FILE_HEAD], const char magic[8], struct lk_file_head *out,
                     uint32_t *version);

#endif
