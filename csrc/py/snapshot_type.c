/* snapshot_type: a struct lsm_source whose `snapshot` is set. close() ends it for every method and
 * iterator at once; the engine's part goes with the last call or iterator that still uses it. */
#include "py/snapshot_type.h"

#include "py/cursor_type.h"
#include "py/errors.h"
#include "py/expiry.h"
#include "py/namespace.h"
#include "py/range.h"
#include "py/read.h"
#include "py/value_view.h"

static struct lsm_source *as_source(PyObject *self)
{
    return (struct lsm_source *)self;
}

struct lsm_source *lsm_snapshot_take(struct lsm_store *store)
{
    PyTypeObject *type = store->head.module->snapshot_type;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    struct lsm_source *taken = (struct lsm_source *)type->tp_alloc(type, 0);
    if (!taken) /* making it may have run Python code: enter again */
        return NULL;
    taken->module = store->head.module;
    taken->store = (struct lsm_store *)Py_NewRef(store);
    int rc = lsm_enter(&store->head) < 0 ? -1 : lsmkv_snapshot_new(store->db, &taken->snapshot);
    if (rc != 0 && !PyErr_Occurred())
        lsm_fail(&store->head, rc);
    if (rc != 0)
        Py_CLEAR(taken);
    else
        taken->state = LSM_OPEN;
    return taken;
}

struct lsm_source *lsm_snapshot_of(struct lsm_source *source)
{
    return source->snapshot ? (struct lsm_source *)Py_NewRef(source) : lsm_snapshot_take(source->store);
}

static PyObject *snapshot_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_source *source = as_source(self);
    if (!lsm_is_ours(source->store))
        return lsm_raise_unusable(source), NULL;
    lsm_source_end(source);
    Py_RETURN_NONE;
}

static PyObject *snapshot_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return lsm_enter(as_source(self)) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *snapshot_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return snapshot_close(self, NULL);
}

static PyObject *snapshot_closed(PyObject *self, void *Py_UNUSED(unused))
{
    return PyBool_FromLong(!lsm_is_open(as_source(self)));
}

static PyObject *snapshot_lsn(PyObject *self, void *Py_UNUSED(unused))
{
    if (lsm_enter(as_source(self)) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(lsmkv_snapshot_lsn(as_source(self)->snapshot));
}

static double age_of(const struct lsm_source *source)
{
    return (double)(lsm_now_ns() - (int64_t)lsmkv_snapshot_taken_ns(source->snapshot)) / 1e9;
}

static PyObject *snapshot_age(PyObject *self, void *Py_UNUSED(unused))
{
    return lsm_enter(as_source(self)) < 0 ? NULL : PyFloat_FromDouble(age_of(as_source(self)));
}

static PyObject *snapshot_repr(PyObject *self)
{
    const struct lsm_source *source = as_source(self);
    char age[32];
    if (!lsm_is_open(source))
        return PyUnicode_FromFormat("<lsmkv.Snapshot of %R, closed>", source->store->path);
    unsigned long long lsn = lsmkv_snapshot_lsn(source->snapshot);
    PyOS_snprintf(age, sizeof age, "%.1f", age_of(source));
    return PyUnicode_FromFormat("<lsmkv.Snapshot of %R at %llu:%llu, %s s old, used by %u iterators and calls>",
                                source->store->path, lsn >> 32, lsn & 0xffffffffu, age, (unsigned)source->pins);
}

/* ---- the type ---------------------------------------------------------------------------- */

PyDoc_STRVAR(doc,
             "The content of a store at one moment, made by LSM.snapshot(): every read method of LSM.\n\n"
             "It pins what it sees, on disk too, until close() or the end of its `with` block. Iterators made from\n"
             "it end with it.");
PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nUnpin what the snapshot sees. Again is fine. Cost: none.");

static PyMethodDef methods[] = {
    LSM_READ_METHODS,
    LSM_RANGE_METHODS,
    LSM_CURSOR_METHOD,
    LSM_VIEW_METHOD,
    LSM_EXPIRY_METHODS,
    LSM_DERIVED_NAMESPACE_METHOD,
    LSM_REFUSE_PICKLING,
    {"close", snapshot_close, METH_NOARGS, close_doc},
    {"__enter__", snapshot_enter, METH_NOARGS, NULL},
    {"__exit__", LSM_FAST(snapshot_exit), METH_FASTCALL, NULL},
    LSM_GENERIC,
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_source, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    LSM_CODEC_PROPERTIES,
    {"closed", snapshot_closed, NULL, "True once the snapshot, or its store, is closed.", NULL},
    {"lsn", snapshot_lsn, NULL, "The position in the log up to which writes are seen.", NULL},
    {"age", snapshot_age, NULL, "Seconds since it was taken.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_dealloc, lsm_source_dealloc},
    {Py_tp_traverse, lsm_source_traverse},
    {Py_tp_repr, snapshot_repr},
    {Py_tp_iter, lsm_source_iter},
    {Py_nb_bool, lsm_source_bool},
    {Py_mp_length, lsm_source_len},
    {Py_mp_subscript, lsm_source_subscript},
    {Py_sq_contains, lsm_source_contains},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec lsm_snapshot_spec = {
    .name = "lsmkv.Snapshot",
    .basicsize = sizeof(struct lsm_source),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_MAPPING,
    .slots = slots,
};
