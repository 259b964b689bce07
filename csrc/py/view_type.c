/* view_type: the four view types differ in what they yield and in which dict manners they have.
 *
 *                  yields     `in`          set-like   [a:b], [k]   len
 *   KeysView       keys       a lookup      yes                     whole store only
 *   ValuesView     values     a full scan                           whole store only
 *   ItemsView      pairs      a lookup      yes                     whole store only
 *   RangeView      keys       a lookup                 yes          never: .count() is explicit */
#include "py/view_type.h"

#include "py/read.h"
#include "py/snapshot_type.h"

static struct lsm_view *as_view(PyObject *self)
{
    return (struct lsm_view *)self;
}

static PyTypeObject *type_of(const struct lsm_module *module, enum lsm_kind kind)
{
    switch (kind) {
    case LSM_KEYS:
        return module->keys_type;
    case LSM_VALUES:
        return module->values_type;
    case LSM_ITEMS:
        return module->items_type;
    default:
        return module->range_type;
    }
}

PyObject *lsm_view_new(struct lsm_source *source, enum lsm_kind kind, struct lsm_range *range, Py_ssize_t limit)
{
    struct lsm_view *view = NULL;
    if (lsm_enter(source) == 0) {
        PyTypeObject *type = type_of(source->module, kind);
        view = (struct lsm_view *)type->tp_alloc(type, 0);
    }
    if (!view) {
        lsm_range_clear(range);
        return NULL;
    }
    view->source = (struct lsm_source *)Py_NewRef(source);
    view->range = *range;
    view->limit = limit;
    view->kind = kind;
    return (PyObject *)view;
}

static PyObject *derive(const struct lsm_view *view, enum lsm_kind kind, Py_ssize_t limit)
{
    struct lsm_range range;
    lsm_range_copy(&range, &view->range);
    return lsm_view_new(view->source, kind, &range, limit);
}

/* ---- iterating --------------------------------------------------------------------------- */

PyObject *lsm_view_iter(PyObject *self)
{
    struct lsm_view *view = as_view(self);
    return lsm_iter_new(view->source, view->kind, &view->range, view->limit);
}

/* The stored key that `view`, which has a limit, yields last: 1 and a new reference, 0 when it yields none. */
static int last_key(struct lsm_view *view, struct lsm_source *source, PyObject **key)
{
    PyObject *scan = lsm_iter_new(source, LSM_RAW_KEYS, &view->range, view->limit), *next;
    *key = NULL;
    if (!scan)
        return -1;
    while ((next = lsm_iter_next(scan)) != NULL)
        Py_XSETREF(*key, next);
    Py_DECREF(scan);
    if (!PyErr_Occurred())
        return *key != NULL;
    Py_CLEAR(*key);
    return -1;
}

/* The entries of a limited view from its last to its first: found forwards, walked backwards, both at
 * one snapshot. */
static PyObject *reversed_limited(struct lsm_view *view, struct lsm_source *frozen)
{
    PyObject *key;
    struct lsm_range range;
    int found = last_key(view, frozen, &key);
    if (found < 0)
        return NULL;
    lsm_range_copy(&range, &view->range);
    range.reverse = !range.reverse;
    if (found && range.reverse) {
        Py_XSETREF(range.stop, key);
        range.include_stop = 1;
    } else if (found) {
        Py_XSETREF(range.start, key);
        range.exclude_start = 0;
    }
    PyObject *scan = lsm_iter_new(frozen, view->kind, &range, found ? view->limit : 0);
    lsm_range_clear(&range);
    return scan;
}

static PyObject *view_reversed(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_view *view = as_view(self);
    if (view->limit >= 0) {
        struct lsm_source *source = view->source;
        if (lsm_enter(source) < 0)
            return NULL;
        struct lsm_source *frozen = lsm_snapshot_of(source);
        PyObject *scan = frozen ? reversed_limited(view, frozen) : NULL;
        Py_XDECREF(frozen);
        return scan;
    }
    struct lsm_range range = view->range; /* borrowed */
    range.reverse = !range.reverse;
    return lsm_iter_new(view->source, view->kind, &range, -1);
}

/* What a reversed or a plain iterator yields first, or None. */
static PyObject *first_of(PyObject *scan)
{
    PyObject *first = scan ? lsm_iter_next(scan) : NULL;
    Py_XDECREF(scan);
    return first || PyErr_Occurred() ? first : Py_NewRef(Py_None);
}

static PyObject *view_first(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_view *view = as_view(self);
    enum lsm_kind kind = view->kind == LSM_RANGE ? LSM_ITEMS : view->kind;
    return first_of(lsm_iter_new(view->source, kind, &view->range, view->limit == 0 ? 0 : 1));
}

static PyObject *view_last(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_view *view = as_view(self);
    PyObject *pairs = derive(view, view->kind == LSM_RANGE ? LSM_ITEMS : view->kind, view->limit);
    PyObject *last = pairs ? first_of(view_reversed(pairs, NULL)) : NULL;
    Py_XDECREF(pairs);
    return last;
}

static int view_bool(PyObject *self)
{
    struct lsm_view *view = as_view(self);
    if (view->limit == 0)
        return lsm_enter(view->source);
    return lsm_iter_any(view->source, &view->range);
}

/* ---- counting ---------------------------------------------------------------------------- */

static int is_whole(const struct lsm_view *view)
{
    return view->limit < 0 && lsm_range_is_everything(&view->range) && view->kind != LSM_RANGE;
}

Py_ssize_t lsm_view_count(struct lsm_view *view)
{
    if (is_whole(view))
        return lsm_source_len((PyObject *)view->source);
    return lsm_count(view->source, &view->range, view->limit);
}

static PyObject *view_count(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Py_ssize_t count = lsm_view_count(as_view(self));
    return count < 0 ? NULL : PyLong_FromSsize_t(count);
}

static Py_ssize_t view_len(PyObject *self)
{
    if (is_whole(as_view(self)))
        return lsm_source_len((PyObject *)as_view(self)->source);
    PyErr_Format(PyExc_TypeError,
                 "an %s over a range has no len(): its keys would have to be counted one by one. Use .count()",
                 Py_TYPE(self)->tp_name);
    return -1;
}

/* ---- looking up -------------------------------------------------------------------------- */

/* Whether the limit lets `key` through: it is among the first `limit` keys. */
static int within_limit(struct lsm_view *view, const struct lsm_bytes *key)
{
    struct lsm_range before;
    PyObject *bound = PyBytes_FromStringAndSize(key->data, (Py_ssize_t)key->size);
    if (!bound)
        return -1;
    lsm_range_copy(&before, &view->range);
    if (view->range.reverse) { /* the keys that come before it */
        Py_XSETREF(before.start, bound);
        before.exclude_start = 1;
    } else {
        Py_XSETREF(before.stop, bound);
        before.include_stop = 0;
    }
    Py_ssize_t ahead = lsm_count(view->source, &before, view->limit);
    lsm_range_clear(&before);
    return ahead < 0 ? -1 : ahead < view->limit;
}

/* 1 and the value (unless `value` is NULL), 0, or -1 with an exception. */
static int find(struct lsm_view *view, PyObject *object, PyObject **value)
{
    struct lsm_bytes key;
    int found = 0;
    if (lsm_key_take(&key, view->source->store->key_codec, object) < 0)
        return -1;
    if (lsm_enter(view->source) < 0)
        found = -1;
    else if (lsm_range_holds(&view->range, &key))
        found = view->limit < 0 ? 1 : within_limit(view, &key);
    if (found > 0)
        found = value ? lsm_read(view->source, &key, value) : lsm_has(view->source, &key);
    lsm_bytes_drop(&key);
    return found;
}

static int contains_pair(struct lsm_view *view, PyObject *item)
{
    PyObject *value = NULL;
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2)
        return lsm_enter(view->source);
    int found = find(view, PyTuple_GET_ITEM(item, 0), &value);
    if (found > 0)
        found = PyObject_RichCompareBool(value, PyTuple_GET_ITEM(item, 1), Py_EQ);
    Py_XDECREF(value);
    return found;
}

static int contains_value(PyObject *self, PyObject *value)
{
    PyObject *scan = lsm_view_iter(self), *next;
    int found = scan ? 0 : -1;
    while (found == 0 && (next = lsm_iter_next(scan)) != NULL) {
        found = PyObject_RichCompareBool(next, value, Py_EQ);
        Py_DECREF(next);
    }
    Py_XDECREF(scan);
    return found == 0 && PyErr_Occurred() ? -1 : found;
}

int lsm_view_contains(PyObject *self, PyObject *item)
{
    struct lsm_view *view = as_view(self);
    if (view->kind == LSM_ITEMS)
        return contains_pair(view, item);
    return view->kind == LSM_VALUES ? contains_value(self, item) : find(view, item, NULL);
}

/* ---- RangeView ----------------------------------------------------------------------------- */

static PyObject *narrow(struct lsm_view *view, PyObject *slice)
{
    PyObject *start, *stop;
    struct lsm_range range;
    if (view->limit >= 0) {
        PyErr_SetString(PyExc_ValueError, "a limited view cannot be narrowed: narrow first, then .limit(n)");
        return NULL;
    }
    if (lsm_slice_bounds(view->source, slice, &start, &stop) < 0)
        return NULL;
    lsm_range_copy(&range, &view->range);
    lsm_range_narrow(&range, start, stop);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return lsm_view_new(view->source, LSM_RANGE, &range, -1);
}

static PyObject *range_subscript(PyObject *self, PyObject *key)
{
    PyObject *value = NULL;
    if (PySlice_Check(key))
        return narrow(as_view(self), key);
    if (find(as_view(self), key, &value) == 0)
        PyErr_SetObject(PyExc_KeyError, key);
    return value;
}

static PyObject *range_keys(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return derive(as_view(self), LSM_KEYS, as_view(self)->limit);
}

static PyObject *range_values(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return derive(as_view(self), LSM_VALUES, as_view(self)->limit);
}

static PyObject *range_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return derive(as_view(self), LSM_ITEMS, as_view(self)->limit);
}

static PyObject *view_limit(PyObject *self, PyObject *object)
{
    struct lsm_view *view = as_view(self);
    Py_ssize_t limit = PyNumber_AsSsize_t(object, PyExc_OverflowError);
    if (limit == -1 && PyErr_Occurred())
        return NULL;
    if (limit < 0) {
        PyErr_SetString(PyExc_ValueError, "a limit is a number of entries, 0 or more");
        return NULL;
    }
    return derive(view, view->kind, view->limit >= 0 && view->limit < limit ? view->limit : limit);
}

/* ---- in pieces ----------------------------------------------------------------------------- */

static PyObject *call_policy(const char *function, PyObject *self, PyObject *argument)
{
    PyObject *policy = PyImport_ImportModule("lsmkv.ranges");
    PyObject *answer = policy ? PyObject_CallMethod(policy, function, "OO", self, argument) : NULL;
    Py_XDECREF(policy);
    return answer;
}

static PyObject *view_chunks(PyObject *self, PyObject *size)
{
    return call_policy("chunks", self, size);
}

static PyObject *range_split(PyObject *self, PyObject *parts)
{
    if (as_view(self)->limit < 0)
        return call_policy("split", self, parts);
    PyErr_SetString(PyExc_ValueError, "a limited view cannot be split: split first, or use .chunks(n)");
    return NULL;
}

/* ---- the types --------------------------------------------------------------------------- */

static int view_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_view(self)->source);
    return 0;
}

static void view_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_view(self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    lsm_range_clear(&as_view(self)->range);
    Py_CLEAR(as_view(self)->source);
    type->tp_free(self);
    Py_DECREF(type);
}

/* A bound as the codec shows it; a prefix of a tuple is no key, and is shown as it is stored. */
static PyObject *bound_text(struct lsm_codec *codec, PyObject *bound, const char *absent)
{
    if (!bound)
        return PyUnicode_FromString(absent);
    PyObject *key = codec ? lsm_key_object(codec, PyBytes_AS_STRING(bound), (size_t)PyBytes_GET_SIZE(bound)) : NULL;
    if (codec && !key) {
        if (!PyErr_ExceptionMatches(codec->module->errors.decode))
            return NULL;
        PyErr_Clear();
    }
    PyObject *text = PyObject_Repr(key ? key : bound);
    Py_XDECREF(key);
    return text;
}

static PyObject *view_repr(PyObject *self)
{
    const struct lsm_view *view = as_view(self);
    struct lsm_codec *codec = view->source->store->key_codec;
    PyObject *start = bound_text(codec, view->range.start, "the first"), *stop = NULL, *limit = NULL, *text = NULL;
    if (start)
        stop = bound_text(codec, view->range.stop, "the last");
    if (stop)
        limit = view->limit < 0 ? PyUnicode_FromString("") : PyUnicode_FromFormat(", limit %zd", view->limit);
    if (limit)
        text = PyUnicode_FromFormat("<%s of %R: %s%U to %U%s%s%U>", Py_TYPE(self)->tp_name, view->source->store->path,
                                    view->range.exclude_start ? "after " : "", start, stop,
                                    !view->range.stop || view->range.include_stop ? "" : " (not included)",
                                    view->range.reverse ? ", reversed" : "", limit);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    Py_XDECREF(limit);
    return text;
}

static PyObject *view_mapping(PyObject *self, void *Py_UNUSED(unused))
{
    return Py_NewRef(as_view(self)->source);
}

PyDoc_STRVAR(
    limit_doc,
    "limit($self, n, /)\n--\n\nA view of the first n entries, in this view's order. Cost: none until it is used.");
PyDoc_STRVAR(count_doc, "count($self, /)\n--\n\nThe number of entries. Cost: a walk over all of them, some 20 ns each; "
                        "Ctrl-C ends it.");
PyDoc_STRVAR(first_doc, "first($self, /)\n--\n\nThe first entry in this view's order, or None. Cost: one seek.");
PyDoc_STRVAR(last_doc,
             "last($self, /)\n--\n\nThe last entry in this view's order, or None. Cost: one seek; with a limit, a "
             "walk to it.");
PyDoc_STRVAR(chunks_doc, "chunks($self, n, /)\n--\n\nAn iterator over lists of n entries each, the last one perhaps "
                         "shorter. Cost: one scan.\n\n"
                         ">>> db.update(a=\"1\", b=\"2\", c=\"3\")\n"
                         ">>> list(db.range().chunks(2))\n"
                         "[['a', 'b'], ['c']]");
PyDoc_STRVAR(split_doc,
             "split($self, n, /)\n--\n\n"
             "At most n RangeViews one after another, of about as many keys each, which together are this one:\n"
             "for threads and processes. Cost: a walk over the keys, twice.\n\n"
             ">>> db.update(a=\"1\", b=\"2\", c=\"3\", d=\"4\")\n"
             ">>> [list(part) for part in db.range().split(2)]\n"
             "[['a', 'b'], ['c', 'd']]");
PyDoc_STRVAR(reversed_doc, "__reversed__($self, /)\n--\n\nAn iterator over the same entries in the other order.");
PyDoc_STRVAR(isdisjoint_doc, "isdisjoint($self, other, /)\n--\n\nTrue when no element of the iterable other is in this "
                             "view. Cost: one lookup each.");
PyDoc_STRVAR(range_keys_doc,
             "keys($self, /)\n--\n\nA set-like view of the keys in the range. Cost: none until it is used.");
PyDoc_STRVAR(range_values_doc, "values($self, /)\n--\n\nA view of the values in the range, in the order of their keys. "
                               "Cost: none until it is used.");
PyDoc_STRVAR(
    range_items_doc,
    "items($self, /)\n--\n\nA set-like view of the (key, value) pairs in the range. Cost: none until it is used.");

#define VIEW_METHODS                                                                                \
    LSM_REFUSE_PICKLING, LSM_GENERIC, {"__reversed__", view_reversed, METH_NOARGS, reversed_doc},   \
        {"limit", view_limit, METH_O, limit_doc}, {"count", view_count, METH_NOARGS, count_doc},    \
        {"first", view_first, METH_NOARGS, first_doc}, {"chunks", view_chunks, METH_O, chunks_doc}, \
    {                                                                                               \
        "last", view_last, METH_NOARGS, last_doc                                                    \
    }

static PyMethodDef values_methods[] = {VIEW_METHODS, {0}};

static PyMethodDef set_methods[] = {
    VIEW_METHODS,
    {"isdisjoint", lsm_view_isdisjoint, METH_O, isdisjoint_doc},
    {0},
};

static PyMethodDef range_methods[] = {
    VIEW_METHODS,
    {"keys", range_keys, METH_NOARGS, range_keys_doc},
    {"values", range_values, METH_NOARGS, range_values_doc},
    {"items", range_items, METH_NOARGS, range_items_doc},
    {"split", range_split, METH_O, split_doc},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_view, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"mapping", view_mapping, NULL, "The store or snapshot this is a view of.", NULL},
    {0},
};

#define VIEW_SLOTS                                                                           \
    {Py_tp_dealloc, view_dealloc}, {Py_tp_traverse, view_traverse}, {Py_tp_repr, view_repr}, \
        {Py_tp_iter, lsm_view_iter}, {Py_nb_bool, view_bool}, {Py_sq_length, view_len},      \
        {Py_sq_contains, lsm_view_contains}, {Py_tp_members, members},                       \
    {                                                                                        \
        Py_tp_getset, properties                                                             \
    }

#define SET_SLOTS                                                                                                \
    {Py_tp_richcompare, lsm_view_compare}, {Py_tp_hash, PyObject_HashNotImplemented}, {Py_nb_and, lsm_view_and}, \
        {Py_nb_or, lsm_view_or}, {Py_nb_subtract, lsm_view_subtract}, {Py_nb_xor, lsm_view_xor},                 \
    {                                                                                                            \
        Py_tp_methods, set_methods                                                                               \
    }

#define VIEW_SPEC(type_name, type_slots)                                                                              \
    {.name = "lsmkv." type_name,                                                                                      \
     .basicsize = sizeof(struct lsm_view),                                                                            \
     .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, \
     .slots = type_slots}

PyDoc_STRVAR(keys_doc,
             "The keys of a store, a snapshot or a range of them, in order; set-like, as a dict's keys are.\n\n"
             "len() of a view over a range is a TypeError: .count() walks over it.");
PyDoc_STRVAR(values_doc, "The values of a store, a snapshot or a range of them, in the order of their keys.");
PyDoc_STRVAR(items_doc, "The (key, value) pairs of a store, a snapshot or a range of them, in order; set-like.\n\n"
                        "`pair in view` is one lookup.");
PyDoc_STRVAR(range_doc,
             "A range of keys: d[a:b], d.range(...), d.prefix(p). It is a description and holds no data: each\n"
             "iter() of it sees the content of that moment.\n\n"
             "Iterating yields keys; .items() and .values() follow. view[a:b] narrows by key, never by\n"
             "position; view[k] looks up; .limit(n) bounds; .count() counts: there is no len().");

static PyType_Slot keys_slots[] = {{Py_tp_doc, (void *)keys_doc}, VIEW_SLOTS, SET_SLOTS, {0, NULL}};
static PyType_Slot items_slots[] = {{Py_tp_doc, (void *)items_doc}, VIEW_SLOTS, SET_SLOTS, {0, NULL}};
static PyType_Slot values_slots[] = {
    {Py_tp_doc, (void *)values_doc}, VIEW_SLOTS, {Py_tp_methods, values_methods}, {0, NULL}};
static PyType_Slot range_slots[] = {{Py_tp_doc, (void *)range_doc},
                                    VIEW_SLOTS,
                                    {Py_tp_methods, range_methods},
                                    {Py_mp_subscript, range_subscript},
                                    {0, NULL}};

PyType_Spec lsm_keys_spec = VIEW_SPEC("KeysView", keys_slots);
PyType_Spec lsm_values_spec = VIEW_SPEC("ValuesView", values_slots);
PyType_Spec lsm_items_spec = VIEW_SPEC("ItemsView", items_slots);
PyType_Spec lsm_range_spec = VIEW_SPEC("RangeView", range_slots);
