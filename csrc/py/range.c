/* range: bounds compared bytewise, as the store orders its keys. */
#include "py/range.h"

#include <string.h>

#include "py/iter_type.h"
#include "py/view_type.h"

void lsm_range_clear(struct lsm_range *range)
{
    Py_CLEAR(range->start);
    Py_CLEAR(range->stop);
}

void lsm_range_copy(struct lsm_range *to, const struct lsm_range *from)
{
    *to = *from;
    Py_XINCREF(to->start);
    Py_XINCREF(to->stop);
}

int lsm_range_is_everything(const struct lsm_range *range)
{
    return !range->start && !range->stop;
}

static int compare(const char *a, size_t a_size, PyObject *bound)
{
    size_t b_size = (size_t)PyBytes_GET_SIZE(bound);
    int order = memcmp(a, PyBytes_AS_STRING(bound), a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_bounds(PyObject *a, PyObject *b)
{
    return compare(PyBytes_AS_STRING(a), (size_t)PyBytes_GET_SIZE(a), b);
}

int lsm_range_is_empty(const struct lsm_range *range)
{
    if (!range->start || !range->stop)
        return range->stop && PyBytes_GET_SIZE(range->stop) == 0 && !range->include_stop;
    int order = compare_bounds(range->start, range->stop);
    return order > 0 || (order == 0 && (range->exclude_start || !range->include_stop));
}

int lsm_range_holds(const struct lsm_range *range, const struct lsm_bytes *key)
{
    if (range->start) {
        int order = compare(key->data, key->size, range->start);
        if (order < 0 || (order == 0 && range->exclude_start))
            return 0;
    }
    if (range->stop) {
        int order = compare(key->data, key->size, range->stop);
        if (order > 0 || (order == 0 && !range->include_stop))
            return 0;
    }
    return 1;
}

static struct lsmkv_slice lend(PyObject *bound)
{
    return bound ? (struct lsmkv_slice){PyBytes_AS_STRING(bound), (size_t)PyBytes_GET_SIZE(bound)}
                 : (struct lsmkv_slice){NULL, 0};
}

void lsm_range_lend(const struct lsm_range *range, struct lsmkv_range *out)
{
    *out = (struct lsmkv_range){
        .start = lend(range->start),
        .stop = lend(range->stop),
        .has_start = range->start != NULL,
        .has_stop = range->stop != NULL,
        .exclude_start = range->exclude_start,
        .include_stop = range->include_stop,
        .reverse = range->reverse,
    };
}

void lsm_range_narrow(struct lsm_range *range, PyObject *start, PyObject *stop)
{
    if (start && (!range->start || compare_bounds(start, range->start) > 0)) {
        Py_XSETREF(range->start, Py_NewRef(start));
        range->exclude_start = 0;
    }
    if (stop && (!range->stop || compare_bounds(stop, range->stop) <= 0)) {
        Py_XSETREF(range->stop, Py_NewRef(stop));
        range->include_stop = 0;
    }
}

int lsm_slice_bounds(const struct lsm_source *source, PyObject *slice, PyObject **start, PyObject **stop)
{
    PySliceObject *parts = (PySliceObject *)slice;
    *start = *stop = NULL;
    if (parts->step != Py_None) {
        PyErr_SetString(PyExc_ValueError, "a range of keys has no step: use reversed(d[a:b]) for the other order and "
                                          "d[a:b].limit(n) for the first n");
        return -1;
    }
    if (lsm_key_bound(source->store->key_codec, parts->start, start) < 0 ||
        lsm_key_bound(source->store->key_codec, parts->stop, stop) < 0) {
        Py_CLEAR(*start);
        return -1;
    }
    return 0;
}

/* p < every longer key with that prefix < *successor. NULL without an exception: there is no end. */
static PyObject *prefix_end(PyObject *prefix)
{
    const char *data = PyBytes_AS_STRING(prefix);
    Py_ssize_t size = PyBytes_GET_SIZE(prefix);
    while (size > 0 && (unsigned char)data[size - 1] == 0xff)
        size--;
    if (size == 0)
        return NULL;
    PyObject *end = PyBytes_FromStringAndSize(NULL, size); /* a fresh one: short ones are shared */
    if (!end)
        return NULL;
    memcpy(PyBytes_AS_STRING(end), data, (size_t)size);
    PyBytes_AS_STRING(end)[size - 1]++;
    return end;
}

/* ---- of a source ------------------------------------------------------------------------ */

PyObject *lsm_source_slice(PyObject *self, PyObject *slice)
{
    struct lsm_range range = {0};
    struct lsm_source *source = (struct lsm_source *)self;
    if (lsm_slice_bounds(source, slice, &range.start, &range.stop) < 0)
        return NULL;
    return lsm_view_new(source, LSM_RANGE, &range, -1);
}

PyObject *lsm_source_iter(PyObject *self)
{
    const struct lsm_range everything = {0};
    return lsm_iter_new((struct lsm_source *)self, LSM_KEYS, &everything, -1);
}

PyObject *lsm_source_reversed(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const struct lsm_range backwards = {.reverse = 1};
    return lsm_iter_new((struct lsm_source *)self, LSM_KEYS, &backwards, -1);
}

int lsm_source_bool(PyObject *self)
{
    const struct lsm_range everything = {0};
    return lsm_iter_any((struct lsm_source *)self, &everything);
}

static PyObject *whole_view(PyObject *self, enum lsm_kind kind)
{
    struct lsm_range everything = {0};
    return lsm_view_new((struct lsm_source *)self, kind, &everything, -1);
}

PyObject *lsm_source_keys(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return whole_view(self, LSM_KEYS);
}

PyObject *lsm_source_values(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return whole_view(self, LSM_VALUES);
}

PyObject *lsm_source_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return whole_view(self, LSM_ITEMS);
}

PyObject *lsm_source_range(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {
        "range", 2, 0, 5, {"start", "stop", "include_start", "include_stop", "reverse"}};
    PyObject *given[5];
    struct lsm_range range = {0};
    int include_start = 1;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_flag(given[2], 1, &include_start) < 0 ||
        lsm_to_flag(given[3], 0, &range.include_stop) < 0 || lsm_to_flag(given[4], 0, &range.reverse) < 0)
        return NULL;
    range.exclude_start = !include_start;
    struct lsm_source *source = (struct lsm_source *)self;
    if (lsm_key_bound(source->store->key_codec, given[0], &range.start) < 0 ||
        lsm_key_bound(source->store->key_codec, given[1], &range.stop) < 0) {
        lsm_range_clear(&range);
        return NULL;
    }
    return lsm_view_new(source, LSM_RANGE, &range, -1);
}

PyObject *lsm_source_prefix(PyObject *self, PyObject *object)
{
    struct lsm_range range = {0};
    struct lsm_bytes prefix;
    if (lsm_key_prefix(&prefix, ((struct lsm_source *)self)->store->key_codec, object) < 0)
        return NULL;
    range.start = PyBytes_FromStringAndSize(prefix.data, (Py_ssize_t)prefix.size);
    lsm_bytes_drop(&prefix);
    if (!range.start)
        return NULL;
    range.stop = prefix_end(range.start);
    if (!range.stop && PyErr_Occurred()) {
        lsm_range_clear(&range);
        return NULL;
    }
    return lsm_view_new((struct lsm_source *)self, LSM_RANGE, &range, -1);
}

PyObject *lsm_source_first(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const struct lsm_range everything = {0};
    return lsm_iter_first((struct lsm_source *)self, LSM_ITEMS, &everything);
}

PyObject *lsm_source_last(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const struct lsm_range backwards = {.reverse = 1};
    return lsm_iter_first((struct lsm_source *)self, LSM_ITEMS, &backwards);
}

/* ---- the nearest key --------------------------------------------------------------------- */

/* The first pair from `object` on, upwards or downwards, itself included or not; or None. */
static PyObject *nearest(PyObject *self, PyObject *object, int upwards, int include)
{
    struct lsm_source *source = (struct lsm_source *)self;
    struct lsm_range range = {.reverse = !upwards, .exclude_start = !include, .include_stop = include};
    if (object == Py_None) { /* no bound it is for ranges only */
        PyErr_SetString(PyExc_TypeError, "None is not a key: first() and last() need none");
        return NULL;
    }
    if (lsm_key_bound(source->store->key_codec, object, upwards ? &range.start : &range.stop) < 0)
        return NULL;
    PyObject *pair = lsm_iter_first(source, LSM_ITEMS, &range);
    lsm_range_clear(&range);
    return pair;
}

PyObject *lsm_source_floor(PyObject *self, PyObject *key)
{
    return nearest(self, key, 0, 1);
}

PyObject *lsm_source_lower(PyObject *self, PyObject *key)
{
    return nearest(self, key, 0, 0);
}

PyObject *lsm_source_ceiling(PyObject *self, PyObject *key)
{
    return nearest(self, key, 1, 1);
}

PyObject *lsm_source_higher(PyObject *self, PyObject *key)
{
    return nearest(self, key, 1, 0);
}
