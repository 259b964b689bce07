/* values: lanes, syncs, and who holds what. Finding and reading is values_find.c. */
#include "store/values.h"

#include "format/frame.h"
#include "include/lsmkv.h"
#include "util/alloc.h"

enum { PORTIONS = 64, PORTION_LEAST = 1 << 20 };

void lk_values_init(struct lk_values *values)
{
    *values = (struct lk_values){.least = UINT32_MAX, .keep = 1};
    lk_mutex_init(&values->mutex);
    lk_mutex_init(&values->sync_mutex);
    for (int i = 0; i < LK_LANES; i++)
        lk_mutex_init(&values->lanes[i].mutex);
}

void lk_values_deinit(struct lk_values *values)
{
    lk_values_end_lanes(values);
    while (values->dirty_count)
        lk_values_release(values, values->dirty[--values->dirty_count]);
    for (int i = 0; i < LK_LANES; i++) {
        lk_free(values->lanes[i].scratch);
        lk_mutex_deinit(&values->lanes[i].mutex);
    }
    lk_free(values->dirty);
    lk_free(atomic_load(&values->list));
    lk_mutex_deinit(&values->mutex);
    lk_mutex_deinit(&values->sync_mutex);
}

/* ---- dirty -------------------------------------------------------------------------------- */

/* Room for one more dirty segment, so that noting it cannot fail. mutex held. */
static int dirty_reserve(struct lk_values *values)
{
    if (values->dirty_count < values->dirty_cap)
        return 0;
    uint32_t cap = values->dirty_cap ? 2 * values->dirty_cap : 8;
    void *more = lk_realloc(values->dirty, cap * sizeof *values->dirty);
    if (!more)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a value segment was noted for a sync");
    values->dirty = more;
    values->dirty_cap = cap;
    return 0;
}

int lk_values_note(struct lk_values *values, struct lk_value_segment *segment)
{
    lk_mutex_lock(&values->mutex);
    int rc = atomic_load(&segment->dirty) ? 0 : dirty_reserve(values);
    if (rc == 0 && !atomic_exchange(&segment->dirty, 1)) {
        atomic_fetch_add(&segment->references, 1);
        values->dirty[values->dirty_count++] = segment;
    }
    lk_mutex_unlock(&values->mutex);
    return rc;
}

/* The whole list, taken: what is written from now on is noted anew. */
static struct lk_value_segment **take_dirty(struct lk_values *values, uint32_t *count)
{
    lk_mutex_lock(&values->mutex);
    struct lk_value_segment **taken = values->dirty;
    *count = values->dirty_count;
    for (uint32_t i = 0; i < *count; i++)
        atomic_store(&taken[i]->dirty, 0);
    values->dirty = NULL;
    values->dirty_count = values->dirty_cap = 0;
    lk_mutex_unlock(&values->mutex);
    return taken;
}

/* Those that nothing but this list holds any more: nobody refers to them, and nobody will. */
void lk_values_shed(struct lk_values *values)
{
    struct lk_value_segment *gone;
    do {
        gone = NULL;
        lk_mutex_lock(&values->mutex);
        for (uint32_t i = 0; !gone && i < values->dirty_count; i++)
            if (atomic_load(&values->dirty[i]->references) == 1) {
                gone = values->dirty[i];
                values->dirty[i] = values->dirty[--values->dirty_count];
                atomic_store(&gone->dirty, 0);
            }
        lk_mutex_unlock(&values->mutex);
        if (gone)
            lk_values_release(values, gone);
    } while (gone);
}

int lk_values_sync(struct lk_values *values)
{
    uint32_t count = 0;
    lk_mutex_lock(&values->sync_mutex);
    int rc = values->sync_failed;
    if (rc < 0)
        (void)lk_fail(rc, "an earlier sync of a value segment failed: nothing further is called durable; close the "
                          "store, see to the disk, and open it again");
    struct lk_value_segment **taken = rc == 0 ? take_dirty(values, &count) : NULL;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        if (atomic_load(&taken[i]->references) > 1) /* otherwise nobody refers to it, and nobody will */
            rc = lk_value_segment_sync(taken[i]);
    values->sync_failed = rc;
    lk_mutex_unlock(&values->sync_mutex);
    struct lsmkv_error saved = *lk_error();
    for (uint32_t i = 0; i < count; i++)
        lk_values_release(values, taken[i]);
    lk_free(taken);
    lk_error_restore(&saved);
    return rc;
}

/* ---- lanes -------------------------------------------------------------------------------- */

/* How large the next one is to be. */
static uint64_t portion_of(struct lk_values *values)
{
    uint64_t bytes = 0;
    lk_mutex_lock(&values->mutex);
    const struct lk_value_list *list = atomic_load(&values->list);
    for (uint32_t i = 0; list && i < list->count; i++)
        bytes += list->at[i].segment ? atomic_load_explicit(&list->at[i].segment->end, memory_order_relaxed) : 0;
    lk_mutex_unlock(&values->mutex);
    uint64_t portion = bytes / PORTIONS > PORTION_LEAST ? bytes / PORTIONS : PORTION_LEAST;
    return portion < values->segment_bytes ? portion : values->segment_bytes;
}

/* A new segment with a durable name. */
static int make(struct lk_values *values, uint64_t bytes, struct lk_value_segment **out)
{
    uint32_t number = atomic_fetch_add(values->number_next, 1);
    uint64_t capacity = LK_FILE_HEAD + lk_value_footprint(bytes);
    uint64_t portion = portion_of(values);
    atomic_store(&values->portion, portion);
    capacity = capacity < portion ? portion : capacity;
    int rc = lk_value_segment_create(values->env, values->dir, number, capacity, values->store, values->mapped,
                                     values->mode, out);
    if (rc == 0) {
        atomic_store(&(*out)->current, 1); /* before anybody finds it */
        rc = lk_io_dir_sync(values->env, values->dir);
        if (rc == 0)
            rc = lk_values_add(values, *out);
        if (rc < 0) {
            struct lsmkv_error saved = *lk_error();
            atomic_store(&(*out)->obsolete, 1);
            lk_value_segment_free(*out);
            *out = NULL;
            lk_error_restore(&saved);
        }
    }
    return rc;
}

static int prepare(struct lk_values *values, struct lk_value_lane_state *lane, uint64_t bytes)
{
    if (!lane->scratch)
        lane->scratch = lk_alloc(LK_VALUE_SCRATCH);
    if (!lane->scratch)
        return lk_fail(LSMKV_NOMEM, "memory ran out before a value was written");
    if (lane->segment && lk_value_segment_fits(lane->segment, bytes))
        return 0;
    struct lk_value_segment *fresh = NULL;
    int rc = make(values, bytes, &fresh);
    if (rc < 0)
        return rc;
    if (lane->segment) {
        atomic_store(&lane->segment->current, 0);
        lk_values_release(values, lane->segment);
    }
    lane->segment = fresh;
    return 0;
}

/* Count the value, whose segment is lane->segment. */
static int hold(struct lk_values *values, struct lk_value_lane_state *lane, uint64_t bytes, struct lk_value_uses *uses)
{
    struct lk_value_segment *segment = lane->segment;
    int rc = lk_value_uses_add(uses, segment->number, 1, lk_value_footprint(bytes));
    if (rc < 0)
        return rc;
    struct lk_value_use *use = lk_value_uses_find(uses, segment->number);
    uses->values = values;
    if (!use->segment) {
        atomic_fetch_add(&segment->references, 1);
        atomic_fetch_add(&segment->writers, 1); /* while it is current still */
        use->segment = segment;
        uses->writing = 1;
    }
    return 0;
}

struct far {
    int (*piece)(void *, uint64_t, void *, size_t);
    void *context;
};

/* far NULL: the value is in memory. */
static int write_value(struct lk_values *values, enum lk_value_lane number, struct lk_slice value,
                       const struct far *far, struct lk_value_uses *uses, struct lk_reference *out)
{
    struct lk_value_lane_state *lane = &values->lanes[number];
    lk_mutex_lock(&lane->mutex);
    int rc = prepare(values, lane, value.len);
    if (rc == 0)
        rc = hold(values, lane, value.len, uses);
    if (rc == 0)
        rc = far ? lk_value_segment_append_far(lane->segment, value.len, far->piece, far->context, lane->scratch, out)
                 : lk_value_segment_append(lane->segment, value, lane->scratch, out);
    if (rc == 0) /* behind the bytes: a sync that runs before holds none of them, and would take an earlier note */
        rc = lk_values_note(values, lane->segment);
    if (rc == 0)
        atomic_fetch_add_explicit(number == LK_LANE_USER ? &values->written : &values->moved,
                                  lk_value_footprint(value.len), memory_order_relaxed);
    lk_mutex_unlock(&lane->mutex);
    return rc;
}

int lk_values_write(struct lk_values *values, enum lk_value_lane lane, struct lk_slice value,
                    struct lk_value_uses *uses, struct lk_reference *out)
{
    return write_value(values, lane, value, NULL, uses, out);
}

int lk_values_write_far(struct lk_values *values, enum lk_value_lane lane, uint64_t bytes,
                        int (*piece)(void *, uint64_t, void *, size_t), void *context, struct lk_value_uses *uses,
                        struct lk_reference *out)
{
    struct far far = {piece, context};
    return write_value(values, lane, lk_slice(NULL, (size_t)bytes), &far, uses, out);
}

void lk_values_end_lanes(struct lk_values *values)
{
    for (int i = 0; i < LK_LANES; i++) {
        struct lk_value_lane_state *lane = &values->lanes[i];
        lk_mutex_lock(&lane->mutex);
        struct lk_value_segment *segment = lane->segment;
        lane->segment = NULL;
        lk_mutex_unlock(&lane->mutex);
        if (segment) {
            atomic_store(&segment->current, 0);
            lk_values_release(values, segment);
        }
    }
}
