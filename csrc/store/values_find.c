/* values_find: the list of open value segments, references to them, and reading through it. */
#include "include/lsmkv.h"
#include "store/values.h"
#include "util/alloc.h"

enum { TELL_MOST = 2 << 20 }; /* of one value: the rest is read in order, and the system sees that */

/* ---- the list ----------------------------------------------------------------------------- */

static void free_list(void *list)
{
    lk_free(list);
}

/* The list with one more, and without those that have gone. mutex held. */
static int replace(struct lk_values *values, struct lk_value_segment *more)
{
    struct lk_value_list *old = atomic_load_explicit(&values->list, memory_order_relaxed);
    uint32_t count = old ? old->count : 0, kept = 0;
    struct lk_value_list *list = lk_alloc(sizeof *list + ((size_t)count + 1) * sizeof list->at[0]);
    if (!list)
        return lk_fail(LSMKV_NOMEM, "memory ran out while value segments were listed");
    for (uint32_t i = 0; i < count; i++) {
        if (more && more->number < old->at[i].number) {
            list->at[kept].number = more->number;
            list->at[kept++].segment = more;
            more = NULL;
        }
        if (old->at[i].segment)
            list->at[kept++] = old->at[i];
    }
    if (more) {
        list->at[kept].number = more->number;
        list->at[kept++].segment = more;
    }
    list->count = kept;
    atomic_store_explicit(&values->list, list, memory_order_release);
    if (old)
        lk_epoch_retire(values->epochs, old, free_list);
    return 0;
}

int lk_values_add(struct lk_values *values, struct lk_value_segment *segment)
{
    lk_mutex_lock(&values->mutex);
    int rc = replace(values, segment);
    lk_mutex_unlock(&values->mutex);
    return rc;
}

static struct lk_value_segment *find(struct lk_values *values, uint32_t number)
{
    const struct lk_value_list *list = atomic_load_explicit(&values->list, memory_order_acquire);
    uint32_t low = 0, high = list ? list->count : 0;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (list->at[middle].number == number)
            return list->at[middle].segment;
        if (list->at[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

struct lk_value_segment *lk_values_find(struct lk_values *values, uint32_t number)
{
    return find(values, number);
}

/* ---- references ----------------------------------------------------------------------------- */

/* One more, unless its last holder has let go of it. mutex held. */
static struct lk_value_segment *take_open(struct lk_values *values, uint32_t number)
{
    struct lk_value_segment *segment = find(values, number);
    uint32_t held = segment ? atomic_load(&segment->references) : 0;
    while (held && !atomic_compare_exchange_weak(&segment->references, &held, held + 1))
        ;
    return held ? segment : NULL;
}

static int load(struct lk_values *values, uint32_t number, int unsynced, struct lk_value_segment **out)
{
    int rc = lk_value_segment_load(values->env, values->dir, number, values->store, values->mapped, out);
    if (rc == 0)
        rc = lk_values_add(values, *out);
    if (rc < 0 && *out) {
        lk_value_segment_free(*out);
        *out = NULL;
    }
    if (rc == 0 && unsynced) {
        rc = lk_values_note(values, *out);
        if (rc < 0) {
            lk_values_release(values, *out);
            *out = NULL;
        }
    }
    return rc;
}

int lk_values_take(struct lk_values *values, uint32_t number, int unsynced, struct lk_value_segment **out)
{
    lk_mutex_lock(&values->mutex);
    *out = take_open(values, number);
    lk_mutex_unlock(&values->mutex);
    return *out ? 0 : load(values, number, unsynced, out);
}

int lk_values_attach(struct lk_values *values, struct lk_value_uses *uses, int unsynced)
{
    int rc = 0;
    uses->values = values;
    for (uint32_t i = 0; rc == 0 && i < uses->count; i++)
        if (!uses->at[i].segment)
            rc = lk_values_take(values, uses->at[i].number, unsynced, &uses->at[i].segment);
    return rc == LSMKV_NOTFOUND ? LSMKV_CORRUPT : rc;
}

/* Who looks at a place in a slot has a number from a record that its version's table or memtable lists, and holds the
 * segment of (lk_table_shows), so nobody looks at this one meanwhile. The list
 * gets shorter with the next one that is added. mutex held. */
static void forget(struct lk_values *values, const struct lk_value_segment *segment)
{
    struct lk_value_list *list = atomic_load_explicit(&values->list, memory_order_relaxed);
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].segment == segment)
            list->at[i].segment = NULL;
}

void lk_values_release(struct lk_values *values, struct lk_value_segment *segment)
{
    if (atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) != 1)
        return;
    lk_mutex_lock(&values->mutex);
    forget(values, segment);
    lk_held_end(&segment->held);
    lk_mutex_unlock(&values->mutex);
    if (!atomic_load(&values->keep))
        atomic_store(&segment->obsolete, 1);
    if (atomic_load(&segment->chosen))
        atomic_fetch_sub(&values->chosen, 1);
    lk_value_segment_free(segment);
}

void lk_values_release_uses(struct lk_value_uses *uses)
{
    for (uint32_t i = 0; i < uses->count; i++) {
        struct lk_value_segment *segment = uses->at[i].segment;
        if (segment && uses->writing)
            atomic_fetch_sub(&segment->writers, 1);
        if (segment)
            lk_values_release(uses->values, segment);
    }
    lk_value_uses_deinit(uses);
}

int lk_values_join(struct lk_value_uses *to, const struct lk_value_uses *more)
{
    int rc = 0;
    to->values = more->values;
    for (uint32_t i = 0; rc == 0 && i < more->count; i++) {
        rc = lk_value_uses_add(to, more->at[i].number, more->at[i].values, more->at[i].bytes);
        struct lk_value_use *use = rc == 0 ? lk_value_uses_find(to, more->at[i].number) : NULL;
        if (use && !use->segment) {
            atomic_fetch_add(&more->at[i].segment->references, 1);
            use->segment = more->at[i].segment;
        }
    }
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* What is lost with it is one value: other keys stay readable. */
static int one_value(int rc)
{
    if (rc == LSMKV_CORRUPT)
        lk_error()->recoverable = 1;
    return rc;
}

/* What a reference is about, held over the read: the caller lets go of it. */
static int open_reference(struct lk_values *values, struct lk_slice bytes, struct lk_reference *reference,
                          struct lk_value_segment **out)
{
    char name[LK_FILE_NAME];
    lk_mutex_lock(&values->mutex); /* instead of an epoch slot, which is not to be held over reads */
    *out = lk_reference_get(bytes, reference) == 0 ? take_open(values, reference->number) : NULL;
    lk_mutex_unlock(&values->mutex);
    if (*out)
        return 0;
    lk_file_name(name, LK_FILE_VALUES, reference->number);
    return one_value(
        lk_fail_corrupt(name, 0, "a record refers to %s, which its table does not name: the value is lost", name));
}

static int close_reference(struct lk_values *values, struct lk_value_segment *segment, int rc)
{
    lk_values_release(values, segment); /* fails silently, if it has a file to remove at all */
    return one_value(rc);
}

int lk_values_show_apart(struct lk_values *values, struct lk_record *record)
{
    struct lk_reference reference;
    struct lk_value_segment *segment;
    int sound = lk_reference_get(record->value, &reference) == 0;
    const uint8_t *at = NULL;
    if (sound && (segment = find(values, reference.number)) != NULL)
        at = lk_value_segment_lend(segment, &reference);
    if (!at)
        return LSMKV_WOULDBLOCK; /* and whoever reads it will say what is wrong with it */
    record->value = lk_slice(at, reference.bytes);
    return 0;
}

uint64_t lk_values_expect(struct lk_values *values, struct lk_slice bytes)
{
    struct lk_reference reference = {0};
    struct lk_value_segment *segment;
    int rc = open_reference(values, bytes, &reference, &segment);
    if (rc < 0)
        return 0;
    rc = lk_value_segment_holds(segment, &reference);
    uint64_t taken = lk_value_footprint(reference.bytes);
    if (rc == 0)
        values->env->ops->will_need(segment->file, reference.offset, taken < TELL_MOST ? taken : TELL_MOST);
    return close_reference(values, segment, rc) == 0 ? reference.bytes : 0;
}

int lk_values_read(struct lk_values *values, struct lk_slice bytes, struct lk_buf *to)
{
    struct lk_reference reference = {0};
    struct lk_value_segment *segment;
    int rc = open_reference(values, bytes, &reference, &segment);
    if (rc == 0)
        rc = close_reference(values, segment, lk_value_segment_read(segment, &reference, to));
    return rc;
}

int lk_values_check(struct lk_values *values, struct lk_slice bytes)
{
    struct lk_reference reference = {0};
    struct lk_value_segment *segment;
    int rc = open_reference(values, bytes, &reference, &segment);
    return rc == 0 ? close_reference(values, segment, lk_value_segment_check(segment, &reference)) : rc;
}
