/* cursor: an ordered walk over one source of records. Accessors cannot fail; a failure ends the walk
 * and is latched in `status`, to be asked for when `valid` is 0.
 *
 * Records come one per key, in key order: puts and deletes as stored, range deletes never (a source
 * lists those apart, store/ranges.h). A cursor goes one way after a seek: next after seek, prev after
 * seek_back.
 *
 * Lifetime: a cursor that reads in place lives within one call of the engine, under an epoch slot;
 * what it points at stays valid until the slot is left, or, where `fleeting` is set (a packed page was
 * unpacked into the cursor's own memory), until the cursor moves. A streaming cursor reads
 * through a private buffer, may block, and may live as long as its source is pinned. */
#ifndef LK_STORE_CURSOR_H
#define LK_STORE_CURSOR_H

#include "format/record.h"
#include "util/status.h"

struct lk_cursor;

struct lk_cursor_ops {
    /* To the first record with key >= `key` (`after`: > key). key NULL: the first record. */
    void (*seek)(struct lk_cursor *cursor, const struct lk_slice *key, int after);
    /* To the last record with key <= `key` (`before`: < key). key NULL: the last record. */
    void (*seek_back)(struct lk_cursor *cursor, const struct lk_slice *key, int before);
    void (*next)(struct lk_cursor *cursor); /* only while valid */
    void (*prev)(struct lk_cursor *cursor);
    /* Copy a piece of the current record's value when record.value.at is NULL although its len is
     * not 0 ("far": a large value of a streaming cursor). 0 or a failure. NULL op: never far. */
    int (*value_piece)(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes);
    void (*deinit)(struct lk_cursor *cursor); /* gives back what the cursor owns, not the struct */
};

struct lk_cursor {
    const struct lk_cursor_ops *ops;
    int valid;               /* record is set */
    int status;              /* 0; LSMKV_WOULDBLOCK (in place: bytes not ready); a failure */
    int fleeting;            /* what record points at goes when the cursor moves, in place as well */
    uint64_t head;           /* lk_head(record.key, 0) */
    struct lk_record record; /* borrowed from the source */
};

#endif
