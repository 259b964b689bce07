/* value_segment: one file of values. Values are appended and never changed; format/value.h has the drawing.
 *
 *   | head:64 | value | value | value | ...          written by write calls, read through a mapping or by read calls
 *             known:  1       1       0              one bit a unit of 64 bytes: the value that begins there was
 *                                       ^ end        written by this process, or has been verified
 *
 * Mapped: what is known is lent in place. A value that is not is first read by read calls, so that a media error is an
 * error and not a signal. Not mapped: every read is a read call and verifies.
 *
 * Shared and counted. The last reference closes it and removes the file of one that is obsolete.
 * Threads: one writer at a time, the caller's business; bytes below `end` are constant; readers any time. */
#ifndef LK_STORE_VALUE_SEGMENT_H
#define LK_STORE_VALUE_SEGMENT_H

#include <stdatomic.h>

#include "format/edit.h"
#include "format/value.h"
#include "os/env.h"
#include "store/held.h"
#include "util/buf.h"

struct lk_value_segment {
    struct lk_env *env;
    struct lk_dir *dir;              /* borrowed: outlives it */
    struct lk_file *file;            /* owned */
    const uint8_t *base;             /* owned mapping of `mapped` bytes; NULL: read calls only */
    _Atomic uint64_t *known;         /* owned; with the mapping */
    uint64_t identity, mapped, capacity;
    uint32_t number;
    char name[LK_FILE_NAME];
    _Atomic uint64_t end;            /* where the next value goes; loaded: what the file holds */
    _Atomic int dirty;               /* written since it was last synced; store/values.c */
    _Atomic int damaged;             /* a value could not be read: never collected again */
    _Atomic int chosen;              /* merges copy its values elsewhere */
    _Atomic int current;             /* a lane writes to it */
    _Atomic uint32_t writers;        /* who wrote a value to it that is on its way into a memtable or table */
    int settled; /* nobody will write another reference to it; under the mutex of store/values.c */
    _Atomic int obsolete; /* the file goes with the last reference */
    struct lk_held held; /* since no version refers to it; under the mutex of store/values.c */
    _Atomic uint32_t references; /* store/values.c */
};

/* Make the file, its name NOT yet durable. Room for values that take `capacity` bytes with the head. */
LK_MUST_CHECK int lk_value_segment_create(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t capacity,
                                          uint64_t store, int mapped, uint32_t mode, struct lk_value_segment **out);
/* Open an existing file for reading. CORRUPT, FORMAT; NOTFOUND (with CORRUPT's words): missing. */
LK_MUST_CHECK int lk_value_segment_load(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t store,
                                        int mapped, struct lk_value_segment **out);
void lk_value_segment_free(struct lk_value_segment *segment); /* closes; removes the file when obsolete */

static inline int lk_value_segment_fits(const struct lk_value_segment *segment, uint64_t bytes)
{
    return lk_value_footprint(bytes) <= segment->capacity - atomic_load_explicit(&segment->end, memory_order_relaxed);
}
/* Append a value; *out refers to it. `scratch` has LK_VALUE_SCRATCH bytes. On failure nothing counts of it. */
enum { LK_VALUE_SCRATCH = 64 * 1024 };
LK_MUST_CHECK int lk_value_segment_append(struct lk_value_segment *segment, struct lk_slice value, uint8_t *scratch,
                                          struct lk_reference *out);
/* The same with a value that comes in pieces: `piece(context, offset, to, bytes)` is asked for each in turn. */
LK_MUST_CHECK int lk_value_segment_append_far(struct lk_value_segment *segment, uint64_t bytes,
                                              int (*piece)(void *, uint64_t, void *, size_t), void *context,
                                              uint8_t *scratch, struct lk_reference *out);
LK_MUST_CHECK int lk_value_segment_sync(struct lk_value_segment *segment);

/* The value in place; NULL: not mapped, or not known to be sound. CORRUPT is not found out here. Memory only. */
const uint8_t *lk_value_segment_lend(const struct lk_value_segment *segment, const struct lk_reference *reference);
/* Read and verify: appended to *to. CORRUPT with file and offset; IO; NOMEM. */
LK_MUST_CHECK int lk_value_segment_read(struct lk_value_segment *segment, const struct lk_reference *reference,
                                        struct lk_buf *to);
/* Verify it, head too, by read calls of bounded size. What verifies is known from then on. */
LK_MUST_CHECK int lk_value_segment_check(struct lk_value_segment *segment, const struct lk_reference *reference);
/* Does it lie inside the file? 0 or CORRUPT. */
LK_MUST_CHECK int lk_value_segment_holds(const struct lk_value_segment *segment, const struct lk_reference *reference);

#endif
