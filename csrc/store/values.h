/* values: the value segments of a store: which are open, where the next value goes, who holds them.
 *
 *      list       12.val  13.val  17.val  18.val      every open one, by number; replaced as a whole
 *                    ^       ^       ^       ^
 *      held by    tables, memtables,  lane  lane      counted references; the last one closes the file, and removes
 *                 writers on the way  0     1         it while `keep` is 0: nothing in any version refers to it
 *
 * Lane 0 takes the values of writers, lane 1 those that merges and flushes move. A segment that is full, or too small
 * for a value, leaves its lane; a value larger than any gets a segment of its own.
 *
 * Threads: any. A lane's mutex is held across its write calls, sync_mutex across syncs, `mutex` for a few stores only.
 * Order: a lane's mutex > mutex; sync_mutex > mutex. Readers find a segment inside an epoch slot, pinned by whatever
 * version gave them the reference: a table shows no reference to a segment that it does not list (lk_table_shows), and
 * replay takes every one that it meets. Over a read the segment is held besides. */
#ifndef LK_STORE_VALUES_H
#define LK_STORE_VALUES_H

#include "format/record.h"
#include "os/thread.h"
#include "store/epoch.h"
#include "store/value_segment.h"
#include "store/value_uses.h"

struct lk_value_list {
    uint32_t count;
    struct {
        uint32_t number;
        struct lk_value_segment *segment; /* its holders keep it; NULL once the last one has let go */
    } at[];
};

enum lk_value_lane { LK_LANE_USER, LK_LANE_MOVED, LK_LANES };

struct lk_values {
    /* Constant after lk_values_open. */
    struct lk_env *env;
    struct lk_dir *dir;            /* borrowed */
    struct lk_epochs *epochs;      /* borrowed */
    _Atomic uint32_t *number_next; /* borrowed: file numbers */
    uint64_t store, segment_bytes;
    uint32_t mode, least;          /* least: values of so many bytes go apart; UINT32_MAX: none */
    int mapped;

    struct lk_mutex mutex;
    _Atomic(struct lk_value_list *) list;
    struct lk_value_segment **dirty; /* owned array of shared: written since they were last synced */
    uint32_t dirty_count, dirty_cap;

    struct lk_value_lane_state {
        struct lk_mutex mutex;
        struct lk_value_segment *segment; /* shared; NULL: none */
        uint8_t *scratch;                 /* owned */
    } lanes[LK_LANES];

    struct lk_mutex sync_mutex;
    int sync_failed;               /* sticky: under sync_mutex */
    _Atomic int keep;              /* files stay: the store opens, closes, is read-only, or its manifest failed */
    _Atomic uint64_t written, moved; /* bytes written to lane 0, lane 1 */
    _Atomic uint64_t portion;      /* a new segment is about so large: a small part of all there is */
    _Atomic uint32_t chosen;       /* segments that are to be emptied: 0 makes lk_values_leaves cheap */
};

void lk_values_init(struct lk_values *values);
/* Nobody holds a segment any more but the lanes. */
void lk_values_deinit(struct lk_values *values);

static inline int lk_values_wants(const struct lk_values *values, size_t bytes)
{
    return bytes >= values->least;
}

/* What a segment holds, and so what a log segment may refer to: little beside the whole, so that what is not yet known to be
 * garbage is little too. */
static inline uint64_t lk_values_portion(const struct lk_values *values)
{
    return atomic_load_explicit(&values->portion, memory_order_relaxed);
}

/* Write a value and attach its segment to *uses, counted there. File access. */
LK_MUST_CHECK int lk_values_write(struct lk_values *values, enum lk_value_lane lane, struct lk_slice value,
                                  struct lk_value_uses *uses, struct lk_reference *out);
/* The same with a value that comes in pieces. */
LK_MUST_CHECK int lk_values_write_far(struct lk_values *values, enum lk_value_lane lane, uint64_t bytes,
                                      int (*piece)(void *, uint64_t, void *, size_t), void *context,
                                      struct lk_value_uses *uses, struct lk_reference *out);
/* Make durable all that was written so far. A failure is sticky. */
LK_MUST_CHECK int lk_values_sync(struct lk_values *values);
/* Let go of what is only waiting for a sync and referred to by nobody. File access. */
void lk_values_shed(struct lk_values *values);
/* The lanes let go of their segments: the next value begins a new one. */
void lk_values_end_lanes(struct lk_values *values);

/* A counted reference to the segment of that number, opened if need be. NOTFOUND: it is missing (lk_error has CORRUPT's
 * words); CORRUPT, FORMAT, IO, NOMEM. unsynced: what is in it may not be on the disk. */
LK_MUST_CHECK int lk_values_take(struct lk_values *values, uint32_t number, int unsynced,
                                 struct lk_value_segment **out);
/* References for every use that has none yet. A missing file is CORRUPT. */
LK_MUST_CHECK int lk_values_attach(struct lk_values *values, struct lk_value_uses *uses, int unsynced);
void lk_values_release(struct lk_values *values, struct lk_value_segment *segment);
/* Release what is attached, and empty the list. */
void lk_values_release_uses(struct lk_value_uses *uses);
/* Count *more in *to, with references. 0 or NOMEM: then perhaps some of it. */
LK_MUST_CHECK int lk_values_join(struct lk_value_uses *to, const struct lk_value_uses *more);

/* ---- between values.c and values_find.c ---- */
LK_MUST_CHECK int lk_values_add(struct lk_values *values, struct lk_value_segment *segment); /* into the list */
LK_MUST_CHECK int lk_values_note(struct lk_values *values, struct lk_value_segment *segment); /* as dirty */

/* ---- readers ---- */

/* The segment a pinned record refers to; NULL: it is not open. Inside an epoch slot, or while nobody else is there. */
struct lk_value_segment *lk_values_find(struct lk_values *values, uint32_t number);
/* Inside an epoch slot: replace a reference by the value in place. 0; WOULDBLOCK: it must be read first. */
LK_MUST_CHECK int lk_values_show_apart(struct lk_values *values, struct lk_record *record);
LK_MUST_CHECK static inline int lk_values_show(struct lk_values *values, struct lk_record *record)
{
    return __builtin_expect(record->flags & LK_RECORD_APART, 0) ? lk_values_show_apart(values, record) : 0;
}
/* Read the value of a record that a version pins: appended to *to. `reference` is the record's value. File access. */
LK_MUST_CHECK int lk_values_read(struct lk_values *values, struct lk_slice reference, struct lk_buf *to);
/* It will be read soon, after others: the system is told, so that it reads them side by side. How many bytes that will
 * bring: 0 when its segment does not hold so many, and the read will say that. Before memory is reserved by what a reference
 * claims. */
uint64_t lk_values_expect(struct lk_values *values, struct lk_slice reference);
/* Copy it into lane LK_LANE_MOVED, verified: *to is the new reference, *uses counts it. On CORRUPT and IO of the old place
 * (*lost is then 1) its segment is not collected any more. */
LK_MUST_CHECK int lk_values_move(struct lk_values *values, struct lk_slice reference, struct lk_value_uses *uses,
                                 uint8_t to[LK_REFERENCE], int *lost);
/* Is that segment chosen to be emptied? */
int lk_values_leaves(struct lk_values *values, uint32_t number);
/* Verify it, so that it is known. */
LK_MUST_CHECK int lk_values_check(struct lk_values *values, struct lk_slice reference);

#endif
