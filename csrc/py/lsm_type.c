/* lsm_type: the life of a store object.
 *
 *   NEVER_OPENED --__init__--> OPENING --> OPEN --close(), exit hook, finalizer--> CLOSED
 *        ^                        |
 *        +------- failed ---------+
 *
 * The engine's handle stays until the object dies, so a call that raced with close() only finds it
 * closed. Snapshots, iterators and batches own a reference to the store and die before it. In the
 * child of a fork nothing here touches the engine: the handle belongs to the parent. */
#include "py/lsm_type.h"

#include "py/batch_type.h"
#include "py/errors.h"
#include "py/range.h"
#include "py/read.h"
#include "py/snapshot_type.h"

static struct lsm_store *as_store(PyObject *self)
{
    return (struct lsm_store *)self;
}

/* ---- the module's list of open stores ---------------------------------------------------- */

static void list_add(struct lsm_store *store)
{
    struct lsm_module *module = store->head.module;
    store->after = module->stores;
    if (store->after)
        store->after->before = store;
    module->stores = store;
}

static void list_remove(struct lsm_store *store)
{
    struct lsm_module *module = store->head.module;
    if (store->before)
        store->before->after = store->after;
    else if (module->stores == store)
        module->stores = store->after;
    if (store->after)
        store->after->before = store->before;
    store->before = store->after = NULL;
}

/* ---- open and close ---------------------------------------------------------------------- */

static PyObject *store_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
    struct lsm_module *module = lsm_module_of(type);
    struct lsm_store *store = module ? (struct lsm_store *)type->tp_alloc(type, 0) : NULL;
    if (!store)
        return NULL;
    store->head.module = module;
    store->head.store = store;
    store->generation = lsm_fork_generation;
    store->counted = -1;
    return (PyObject *)store;
}

/* The engine is open, but memory ran out before the object was: the exception that says so stays. */
static void close_half_open(struct lsm_store *store)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    lsm_store_close(store);
    PyErr_Restore(type, value, traceback);
}

static int store_init(PyObject *self, PyObject *args, PyObject *keywords)
{
    struct lsm_store *store = as_store(self);
    if (store->head.state != LSM_NEVER_OPENED) {
        PyErr_SetString(PyExc_RuntimeError, "LSM.__init__ was called before on this object: make another one");
        return -1;
    }
    store->head.state = LSM_OPENING;
    int rc = lsm_store_open(store, args, keywords);
    store->head.state = rc == 0 ? LSM_OPEN : LSM_NEVER_OPENED;
    if (rc == 0)
        list_add(store);
    else if (store->db)
        close_half_open(store);
    return rc;
}

/* Removes the directory of a temporary store; the first to close does it. */
static int remove_temporary(struct lsm_store *store)
{
    PyObject *path = store->temporary;
    int rc = 0;
    store->temporary = NULL;
    if (path) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_destroy(PyBytes_AS_STRING(path));
        Py_END_ALLOW_THREADS Py_DECREF(path);
    }
    return rc == LSMKV_LOCKED ? 0 : rc; /* another handle is at work there; it stays */
}

int lsm_store_close(struct lsm_store *store)
{
    int rc;
    store->head.state = LSM_CLOSED; /* from now on, also while we wait */
    list_remove(store);
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_close(store->db);
    Py_END_ALLOW_THREADS return rc == 0 ? remove_temporary(store) : rc;
}

static PyObject *store_close(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    if (store->head.state < LSM_OPEN || !lsm_is_ours(store))
        return lsm_raise_unusable(&store->head), NULL;
    int rc = lsm_store_close(store);
    if (rc != 0)
        return lsm_raise(store->head.module, rc, store->path);
    Py_RETURN_NONE;
}

/* Closes without raising: what goes wrong is shown as an unraisable exception. */
static void close_quietly(struct lsm_store *store)
{
    int rc = lsm_store_close(store);
    if (rc == 0 || rc == LSMKV_FORKED)
        return;
    lsm_raise(store->head.module, rc, store->path);
    PyErr_WriteUnraisable((PyObject *)store);
}

PyObject *lsm_close_all(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_module *module = PyModule_GetState(self);
    while (module->stores) {
        struct lsm_store *store = (struct lsm_store *)Py_NewRef(module->stores);
        if (lsm_is_ours(store))
            close_quietly(store);
        else
            list_remove(store);
        Py_DECREF(store);
    }
    Py_RETURN_NONE;
}

static void store_finalize(PyObject *self)
{
    struct lsm_store *store = as_store(self);
    PyObject *type, *value, *traceback;
    if (store->head.state != LSM_OPEN || !lsm_is_ours(store))
        return;
    PyErr_Fetch(&type, &value, &traceback);
    close_quietly(store);
    if (PyErr_ResourceWarning(self, 1, "unclosed store %R: call close() or use `with`", store->path) < 0)
        PyErr_WriteUnraisable(self);
    PyErr_Restore(type, value, traceback);
}

static void store_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_store *store = as_store(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0)
        return;
    PyObject_GC_UnTrack(self);
    if (store->head.weakrefs)
        PyObject_ClearWeakRefs(self);
    list_remove(store);
    if (store->db && lsm_is_ours(store))
        lsmkv_release(store->db); /* closed by now: it only frees */
    Py_CLEAR(store->path);
    Py_CLEAR(store->temporary);
    Py_CLEAR(store->options);
    type->tp_free(self);
    Py_DECREF(type);
}

static int store_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_store(self)->options);
    return 0;
}

/* ---- with, repr, properties -------------------------------------------------------------- */

static PyObject *store_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return lsm_enter(&as_store(self)->head) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *store_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(count))
{
    return store_close(self, NULL);
}

static PyObject *store_repr(PyObject *self)
{
    const struct lsm_store *store = as_store(self);
    const char *name = Py_TYPE(self)->tp_name;
    if (store->head.state < LSM_OPEN || !store->path)
        return PyUnicode_FromFormat("<%s, never opened>", name);
    if (!lsm_is_ours(store))
        return PyUnicode_FromFormat("<%s %R, of the parent process>", name, store->path);
    if (store->head.state == LSM_CLOSED)
        return PyUnicode_FromFormat("<%s %R, closed>", name, store->path);
    return PyUnicode_FromFormat("<%s %R, durability %s>", name, store->path, store->durability);
}

static PyObject *store_closed(PyObject *self, void *Py_UNUSED(unused))
{
    return PyBool_FromLong(!lsm_is_usable(&as_store(self)->head));
}

static PyObject *store_path(PyObject *self, void *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    if (!store->path)
        return lsm_raise_unusable(&store->head), NULL;
    return Py_NewRef(store->path);
}

static PyObject *store_options(PyObject *self, void *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    if (!store->options)
        return lsm_raise_unusable(&store->head), NULL;
    return PyDict_Copy(store->options);
}

static PyObject *store_snapshot(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return (PyObject *)lsm_snapshot_take(as_store(self));
}

static PyObject *store_batch(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"batch", 0, 0, 1, {"sync"}};
    PyObject *given[1];
    int sync;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[0], &sync) < 0)
        return NULL;
    return lsm_batch_new(as_store(self), sync);
}

/* ---- the type ---------------------------------------------------------------------------- */

PyDoc_STRVAR(
    doc, "LSM(path, flag='c', *, options=None, **overrides)\n--\n\n"
         "A persistent sorted mapping of bytes to bytes, in a directory.\n\n"
         "path is the directory, as str, bytes or PathLike; None makes a temporary one that close() removes.\n"
         "flag is \"r\" (read only, no lock), \"w\" (must exist), \"c\" (create if missing) or \"n\" (always new).\n"
         "options is an Options or the name of a preset; overrides are single fields of it.\n\n"
         "It behaves as a dict whose keys are sorted: d[k], d[k] = v, del d[k], k in d, len(d), for k in d,\n"
         "d[a:b] for a range. Any buffer is taken, bytes comes back. == is identity. len(d) walks over all keys\n"
         "once for each state of the store; bool(d) is one seek. Iteration sees the content of the moment it\n"
         "began. Every method may be called from any thread.\n\n"
         "Raises FileNotFoundError, PermissionError and NotADirectoryError, each also a StorageError; LockedError\n"
         "when another process writes to it; CorruptionError, FormatError, OptionsError.");
PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "Wait for calls in flight, make everything acknowledged durable, end the handle. Again is fine.\n"
             "Raises StorageError when the last sync fails. Every other method then raises ClosedError.");
PyDoc_STRVAR(snapshot_doc,
             "snapshot($self, /)\n--\n\nThe content of this moment, to be read at leisure; use it in a `with`. "
             "Cost: none until\nthings are merged, which it then keeps on the disk.");
PyDoc_STRVAR(batch_doc,
             "batch($self, /, *, sync=None)\n--\n\n"
             "A context manager that collects writes: `with db.batch() as b: b[k] = v`. They are applied all\n"
             "together on a clean exit and dropped on an exception. sync as for put().");
PyDoc_STRVAR(generic_doc, "__class_getitem__($type, item, /)\n--\n\nLSM[bytes, bytes], for annotations.");

static PyMethodDef methods[] = {
    LSM_READ_METHODS,
    LSM_RANGE_METHODS,
    LSM_WRITE_METHODS,
    LSM_UPDATE_METHODS,
    LSM_UPKEEP_METHODS,
    LSM_INSPECT_METHODS,
    LSM_REFUSE_PICKLING,
    {"snapshot", store_snapshot, METH_NOARGS, snapshot_doc},
    {"batch", LSM_FAST(store_batch), METH_FASTCALL | METH_KEYWORDS, batch_doc},
    {"close", store_close, METH_NOARGS, close_doc},
    {"__enter__", store_enter, METH_NOARGS, NULL},
    {"__exit__", LSM_FAST(store_exit), METH_FASTCALL, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, generic_doc},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_store, head.weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"closed", store_closed, NULL, "True once the store cannot be used through this object any more.", NULL},
    {"path", store_path, NULL, "The directory, as it was given.", NULL},
    {"options", store_options, NULL, "The options in effect: a dict, as they were when it was opened.", NULL},
    {"lsn", lsm_store_lsn, NULL, "The position in the log up to which writes are visible: segment << 32 | offset.",
     NULL},
    {"levels", lsm_store_levels, NULL, "Where records live, newest first: a list of Level. No file access.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, store_new},
    {Py_tp_init, store_init},
    {Py_tp_finalize, store_finalize},
    {Py_tp_dealloc, store_dealloc},
    {Py_tp_traverse, store_traverse},
    {Py_tp_repr, store_repr},
    {Py_tp_iter, lsm_source_iter},
    {Py_nb_bool, lsm_source_bool},
    {Py_nb_inplace_or, lsm_store_or_update},
    {Py_mp_length, lsm_source_len},
    {Py_mp_subscript, lsm_source_subscript},
    {Py_mp_ass_subscript, lsm_store_assign},
    {Py_sq_contains, lsm_source_contains},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec lsm_store_spec = {
    .name = "lsmkv.LSM",
    .basicsize = sizeof(struct lsm_store),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MAPPING,
    .slots = slots,
};
