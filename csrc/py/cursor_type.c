/* cursor_type: an iterator in one direction, and the pair it gave last.
 *
 *   ... k3  k4 [k5] k6  k7 ...        pair = k5; a move on in the same direction is a step of the iterator,
 *       <-- prev    next -->          a turn is a seek to just beyond the present key
 *
 * Off either end, and before the first move, it is at no key: `valid` is False. */
#include "py/cursor_type.h"

#include "py/snapshot_type.h"

struct lsm_cursor {
    PyObject_HEAD struct lsm_source *source; /* owned: frozen; NULL when closed */
    PyObject *steps;                         /* owned: an iterator of pairs, or NULL */
    PyObject *pair;                          /* owned: where it stands, or NULL */
    int reverse;                             /* the direction of `steps` */
    PyObject *weakrefs;
};

static struct lsm_cursor *as_cursor(PyObject *self)
{
    return (struct lsm_cursor *)self;
}

PyObject *lsm_source_cursor(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_source *source = (struct lsm_source *)self;
    PyTypeObject *type = source->module->cursor_type;
    struct lsm_source *frozen = lsm_enter(source) < 0 ? NULL : lsm_snapshot_of(source);
    struct lsm_cursor *cursor = frozen ? (struct lsm_cursor *)type->tp_alloc(type, 0) : NULL;
    if (cursor)
        cursor->source = frozen;
    else
        Py_XDECREF(frozen);
    return (PyObject *)cursor;
}

/* ---- moving ------------------------------------------------------------------------------ */

static int refuse_closed(const struct lsm_cursor *cursor)
{
    if (cursor->source)
        return lsm_enter(cursor->source);
    PyErr_SetString(PyExc_ValueError, "this cursor is closed: take another one with cursor()");
    return -1;
}

/* To the next pair of the present direction: whether there is one. */
static PyObject *step(struct lsm_cursor *cursor)
{
    PyObject *steps = Py_XNewRef(cursor->steps);
    PyObject *pair = steps ? lsm_iter_next(steps) : NULL;
    Py_XDECREF(steps);
    if (!pair && PyErr_Occurred())
        return NULL;
    if (refuse_closed(cursor) < 0) { /* meanwhile, by a codec's Python code or another thread */
        Py_XDECREF(pair);
        return NULL;
    }
    Py_XSETREF(cursor->pair, pair);
    return PyBool_FromLong(cursor->pair != NULL);
}

/* Making an iterator may run Python code, which may close the cursor: the source is held meanwhile. */
static PyObject *steps_over(struct lsm_cursor *cursor, const struct lsm_range *range)
{
    struct lsm_source *source = refuse_closed(cursor) < 0 ? NULL : (struct lsm_source *)Py_NewRef(cursor->source);
    PyObject *steps = source ? lsm_iter_new(source, LSM_ITEMS, range, -1) : NULL;
    Py_XDECREF(source);
    if (steps && refuse_closed(cursor) < 0)
        Py_CLEAR(steps);
    return steps;
}

/* To the first pair of `range` in its direction. Takes the bounds over. */
static PyObject *place(struct lsm_cursor *cursor, struct lsm_range *range)
{
    PyObject *steps = steps_over(cursor, range);
    lsm_range_clear(range);
    if (!steps)
        return NULL;
    cursor->reverse = range->reverse;
    Py_XSETREF(cursor->steps, steps);
    return step(cursor);
}

/* As lsm_key_bound. Encoding may run Python code, which may close the cursor: the codec's store is held meanwhile. */
static int bound(const struct lsm_cursor *cursor, PyObject *key, PyObject **out)
{
    struct lsm_store *store = (struct lsm_store *)Py_NewRef(cursor->source->store);
    int rc = lsm_key_bound(store->key_codec, key, out);
    Py_DECREF(store);
    return rc;
}

static PyObject *cursor_first(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_range range = {0};
    return place(as_cursor(self), &range);
}

static PyObject *cursor_last(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_range range = {.reverse = 1};
    return place(as_cursor(self), &range);
}

static PyObject *seek(PyObject *self, PyObject *object, int reverse)
{
    struct lsm_cursor *cursor = as_cursor(self);
    struct lsm_range range = {.reverse = reverse, .include_stop = reverse};
    if (refuse_closed(cursor) < 0)
        return NULL;
    if (object == Py_None) { /* no bound it is for ranges only */
        PyErr_SetString(PyExc_TypeError, "None is not a key: first() and last() need none");
        return NULL;
    }
    if (bound(cursor, object, reverse ? &range.stop : &range.start) < 0)
        return NULL;
    return place(cursor, &range);
}

static PyObject *cursor_seek(PyObject *self, PyObject *key)
{
    return seek(self, key, 0);
}

static PyObject *cursor_seek_for_prev(PyObject *self, PyObject *key)
{
    return seek(self, key, 1);
}

static PyObject *move(struct lsm_cursor *cursor, int reverse)
{
    struct lsm_range range = {.reverse = reverse, .exclude_start = !reverse};
    if (refuse_closed(cursor) < 0)
        return NULL;
    if (!cursor->pair)
        Py_RETURN_FALSE;
    if (cursor->reverse == reverse)
        return step(cursor);
    PyObject *key = Py_NewRef(PyTuple_GET_ITEM(cursor->pair, 0));
    int rc = bound(cursor, key, reverse ? &range.stop : &range.start);
    Py_DECREF(key);
    return rc < 0 ? NULL : place(cursor, &range);
}

static PyObject *cursor_next(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return move(as_cursor(self), 0);
}

static PyObject *cursor_prev(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return move(as_cursor(self), 1);
}

/* ---- where it stands --------------------------------------------------------------------- */

static PyObject *pair_of(PyObject *self)
{
    struct lsm_cursor *cursor = as_cursor(self);
    if (refuse_closed(cursor) < 0)
        return NULL;
    if (!cursor->pair)
        PyErr_SetString(PyExc_ValueError, "this cursor stands at no key: move it with first(), last() or seek(key)");
    return cursor->pair;
}

static PyObject *cursor_item(PyObject *self, void *Py_UNUSED(unused))
{
    return Py_XNewRef(pair_of(self));
}

static PyObject *part_of(PyObject *self, Py_ssize_t part)
{
    PyObject *pair = pair_of(self);
    return pair ? Py_NewRef(PyTuple_GET_ITEM(pair, part)) : NULL;
}

static PyObject *cursor_key(PyObject *self, void *Py_UNUSED(unused))
{
    return part_of(self, 0);
}

static PyObject *cursor_value(PyObject *self, void *Py_UNUSED(unused))
{
    return part_of(self, 1);
}

static PyObject *cursor_valid(PyObject *self, void *Py_UNUSED(unused))
{
    const struct lsm_cursor *cursor = as_cursor(self);
    return PyBool_FromLong(cursor->source && lsm_is_usable(cursor->source) && cursor->pair);
}

/* ---- its end ----------------------------------------------------------------------------- */

static int cursor_clear(PyObject *self)
{
    struct lsm_cursor *cursor = as_cursor(self);
    Py_CLEAR(cursor->pair);
    Py_CLEAR(cursor->steps);
    Py_CLEAR(cursor->source);
    return 0;
}

static PyObject *cursor_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    cursor_clear(self);
    Py_RETURN_NONE;
}

static PyObject *cursor_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return refuse_closed(as_cursor(self)) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *cursor_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return cursor_close(self, NULL);
}

static int cursor_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_cursor(self)->source);
    Py_VISIT(as_cursor(self)->steps);
    Py_VISIT(as_cursor(self)->pair);
    return 0;
}

static void cursor_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_cursor(self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    cursor_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *cursor_repr(PyObject *self)
{
    const struct lsm_cursor *cursor = as_cursor(self);
    if (!cursor->source)
        return PyUnicode_FromString("<lsmkv.Cursor, closed>");
    PyObject *path = Py_NewRef(cursor->source->store->path); /* held: a key's repr may run Python code */
    PyObject *pair = Py_XNewRef(cursor->pair);
    PyObject *text = pair ? PyUnicode_FromFormat("<lsmkv.Cursor of %R at %R>", path, PyTuple_GET_ITEM(pair, 0))
                          : PyUnicode_FromFormat("<lsmkv.Cursor of %R, at no key>", path);
    Py_XDECREF(pair);
    Py_DECREF(path);
    return text;
}

PyDoc_STRVAR(
    doc, "A place among the keys of a store at one moment, made by cursor().\n\n"
         "Each move returns whether there is a key to stand at; key, value and item raise ValueError when there is\n"
         "none. Off either end first(), last() or seek() place it again. It pins its moment until close(), or the\n"
         "end of its `with` block.");
PyDoc_STRVAR(first_doc, "first($self, /)\n--\n\nMove to the smallest key. Cost: one seek.");
PyDoc_STRVAR(last_doc, "last($self, /)\n--\n\nMove to the largest key. Cost: one seek.");
PyDoc_STRVAR(seek_doc, "seek($self, key, /)\n--\n\nMove to the smallest key >= key. Cost: one seek.");
PyDoc_STRVAR(seek_for_prev_doc, "seek_for_prev($self, key, /)\n--\n\nMove to the largest key <= key. Cost: one seek.");
PyDoc_STRVAR(next_doc, "next($self, /)\n--\n\nMove to the next larger key. Cost: one step; a seek after prev().");
PyDoc_STRVAR(prev_doc, "prev($self, /)\n--\n\nMove to the next smaller key. Cost: one step; a seek after next().");
PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nUnpin what it stands on. Again is fine. Cost: none.");

static PyMethodDef methods[] = {
    {"first", cursor_first, METH_NOARGS, first_doc},
    {"last", cursor_last, METH_NOARGS, last_doc},
    {"seek", cursor_seek, METH_O, seek_doc},
    {"seek_for_prev", cursor_seek_for_prev, METH_O, seek_for_prev_doc},
    {"next", cursor_next, METH_NOARGS, next_doc},
    {"prev", cursor_prev, METH_NOARGS, prev_doc},
    {"close", cursor_close, METH_NOARGS, close_doc},
    LSM_REFUSE_PICKLING,
    LSM_GENERIC,
    {"__enter__", cursor_enter, METH_NOARGS, NULL},
    {"__exit__", LSM_FAST(cursor_exit), METH_FASTCALL, NULL},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_cursor, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"valid", cursor_valid, NULL, "True while it stands at a key.", NULL},
    {"key", cursor_key, NULL, "The key it stands at.", NULL},
    {"value", cursor_value, NULL, "The value of that key.", NULL},
    {"item", cursor_item, NULL, "The (key, value) it stands at.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},    {Py_tp_dealloc, cursor_dealloc}, {Py_tp_traverse, cursor_traverse},
    {Py_tp_clear, cursor_clear}, {Py_tp_repr, cursor_repr},       {Py_tp_methods, methods},
    {Py_tp_members, members},    {Py_tp_getset, properties},      {0, NULL},
};

PyType_Spec lsm_cursor_spec = {
    .name = "lsmkv.Cursor",
    .basicsize = sizeof(struct lsm_cursor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
