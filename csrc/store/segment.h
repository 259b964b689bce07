/* segment: one log file and its address range. Frames are appended and never changed.
 *
 *   | head:64 | frame | frame | ... | zeros up to capacity |
 *               ^ 64          ^ end
 *
 * Three ways to write (design: one door to the kernel):
 *   mapped   the file itself, space reserved, pages prefaulted ahead up to `ready`: a store is the
 *            commit to the kernel, so a killed process loses nothing
 *   written  anonymous memory, and one write call per frame
 *   none     anonymous memory alone: durability "none"
 *
 * Threads: one writer appends, under the engine's write mutex. Bytes below a published end are
 * constant. `ready` is advanced by the keeper. */
#ifndef LK_STORE_SEGMENT_H
#define LK_STORE_SEGMENT_H

#include <stdatomic.h>

#include "format/frame.h"
#include "os/env.h"

enum lk_segment_kind { LK_SEGMENT_MAPPED, LK_SEGMENT_WRITTEN, LK_SEGMENT_NONE, LK_SEGMENT_LOADED };

struct lk_segment {
    struct lk_env *env;
    struct lk_dir *dir;      /* borrowed */
    struct lk_file *file;    /* owned; NULL for NONE */
    uint8_t *base;           /* owned mapping or reservation of `capacity` bytes */
    uint64_t identity, capacity;
    uint32_t number, prev, prev_end;
    uint8_t shift;           /* record positions count units of 1 << shift */
    enum lk_segment_kind kind;
    int file_mapped;         /* base is the file's mapping, not a reservation */
    char name[24];
    _Atomic uint64_t ready;  /* mapped: stores below are cheap; else capacity */
    _Atomic uint64_t end;    /* where the next frame goes */
    _Atomic uint64_t synced; /* bytes known to be on the disk; under the sync mutex */
    _Atomic int obsolete;    /* remove the file when closed */
};

static inline uint64_t lk_lsn(uint32_t number, uint64_t offset)
{
    return (uint64_t)number << 32 | offset;
}
static inline uint32_t lk_lsn_number(uint64_t lsn)
{
    return (uint32_t)(lsn >> 32);
}
static inline uint32_t lk_lsn_offset(uint64_t lsn)
{
    return (uint32_t)lsn;
}

/* Smallest shift with which every position in `capacity` bytes fits 26 bits. */
uint8_t lk_segment_shift(uint64_t capacity);

/* Make the file of segment `number`: reserved, extended, its name NOT yet durable (the caller syncs the
 * directory before the first record). The head is all zeros until lk_segment_start. */
LK_MUST_CHECK int lk_segment_create(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t capacity,
                                    enum lk_segment_kind kind, uint32_t mode, struct lk_segment **out);
/* Advance `ready` towards `wanted`; may take page faults, not for holders of the interpreter lock. Any thread, several
 * at once too. */
LK_MUST_CHECK int lk_segment_prefault(struct lk_segment *segment, uint64_t wanted);
/* Write the head: from now on it is the successor of segment prev, which ended at prev_end. */
LK_MUST_CHECK int lk_segment_start(struct lk_segment *segment, uint64_t store, uint32_t prev, uint32_t prev_end);
/* Room for a frame of `body_bytes`? */
static inline int lk_segment_fits(const struct lk_segment *segment, uint64_t body_bytes)
{
    return lk_frame_bytes(body_bytes) <= segment->capacity - atomic_load_explicit(&segment->end, memory_order_relaxed);
}
/* Where the next frame's body goes. The caller fills it, then commits. */
static inline uint8_t *lk_segment_body(struct lk_segment *segment)
{
    return segment->base + atomic_load_explicit(&segment->end, memory_order_relaxed) + LK_FRAME_HEAD;
}
/* Seal the frame whose body was filled in and hand it to the kernel (a write call for WRITTEN). Does not
 * advance `end`: lk_segment_advance does, once the frame is indexed. */
LK_MUST_CHECK int lk_segment_commit(struct lk_segment *segment, enum lk_frame_kind kind, uint32_t body_bytes);
void lk_segment_advance(struct lk_segment *segment, uint32_t body_bytes);
/* After a failed commit: the bytes at end are zeros again, in memory and (best effort) in the file. */
void lk_segment_erase(struct lk_segment *segment, uint32_t body_bytes);
/* Make [0, through) durable: only what is not yet. Any thread but one at a time. */
LK_MUST_CHECK int lk_segment_sync(struct lk_segment *segment, uint64_t through);
/* Give back the space behind `end` (only at close, of a sealed or active segment). Best effort. */
void lk_segment_shrink(struct lk_segment *segment);

/* Open an existing file for replay; it is never written. Every byte is first read with read calls, so that
 * a media error is an error (IO) and not a signal; then mapped read-only (`mapped`), or kept as a private
 * copy. 0; NOTFOUND for an all-zero head (prepared, never used); WOULDBLOCK for a half-written one (never durable); CORRUPT, FORMAT, IO. */
LK_MUST_CHECK int lk_segment_load(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t store, int mapped,
                                  struct lk_segment **out);
/* Closes, unmaps, removes the file when obsolete, frees. NULL is fine. */
void lk_segment_free(struct lk_segment *segment);

#endif
