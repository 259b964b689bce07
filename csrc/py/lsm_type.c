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
#include "py/cursor_type.h"
#include "py/errors.h"
#include "py/expiry.h"
#include "py/namespace.h"
#include "py/range.h"
#include "py/rmw.h"
#include "py/snapshot_type.h"
#include "py/txn_type.h"
#include "py/update.h"
#include "py/value_view.h"

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
    return (PyObject *)store;
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
    return rc;
}

struct lsm_store *lsm_store_adopt(struct lsm_store *parent, lsmkv *db, PyObject *name, struct lsm_codec *key_codec,
                                  struct lsm_codec *value_codec)
{
    struct lsm_store *store = as_store(store_new(parent->head.module->store_type, NULL, NULL));
    if (!store) {
        lsmkv_release(db);
        return NULL;
    }
    store->db = db;
    store->path = Py_NewRef(parent->path);
    store->name = Py_NewRef(name);
    store->options = Py_NewRef(parent->options);
    store->durability = parent->durability;
    store->readonly = parent->readonly;
    store->parent = (struct lsm_store *)Py_NewRef(parent);
    store->key_codec = (struct lsm_codec *)Py_XNewRef(key_codec);
    store->value_codec = (struct lsm_codec *)Py_XNewRef(value_codec);
    store->head.state = LSM_OPEN;
    list_add(store);
    if (lsm_enter(&parent->head) == 0)
        return store;
    Py_DECREF(store); /* the parent was closed meanwhile: so is this */
    return NULL;
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

/* The first open namespace of a store that is being closed; borrowed, or NULL. */
static struct lsm_store *namespace_of(const struct lsm_store *store)
{
    struct lsm_store *other = store->head.module->stores;
    while (other && other->parent != store)
        other = other->after;
    return other;
}

static void close_namespaces(struct lsm_store *store)
{
    struct lsm_store *child;
    while ((child = namespace_of(store)) != NULL) {
        Py_INCREF(child);
        (void)lsm_store_close(child); /* the last handle of the engine reports */
        Py_DECREF(child);
    }
}

int lsm_store_close(struct lsm_store *store)
{
    int rc;
    close_namespaces(store);
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
    if (!store->parent && /* a namespace ends with its store: nobody has to close it */
        PyErr_ResourceWarning(self, 1, "unclosed store %R: call close() or use `with`", store->path) < 0)
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
    Py_CLEAR(store->name);
    Py_CLEAR(store->key_codec);
    Py_CLEAR(store->value_codec);
    Py_CLEAR(store->parent);
    type->tp_free(self);
    Py_DECREF(type);
}

static int store_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_store(self)->options);
    Py_VISIT(as_store(self)->parent);
    Py_VISIT(as_store(self)->key_codec);
    Py_VISIT(as_store(self)->value_codec);
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

/* "'fruit.db'", or with its namespace. */
static PyObject *name_text(const struct lsm_store *store)
{
    return store->name ? PyUnicode_FromFormat("%R, namespace %R", store->path, store->name)
                       : PyObject_Repr(store->path);
}

static PyObject *codecs_text(const struct lsm_store *store)
{
    if (!store->key_codec && !store->value_codec)
        return PyUnicode_FromString("");
    const char *key = lsm_codec_name(store->key_codec), *value = key ? lsm_codec_name(store->value_codec) : NULL;
    return value ? PyUnicode_FromFormat(", %s to %s", key, value) : NULL;
}

static PyObject *store_repr(PyObject *self)
{
    const struct lsm_store *store = as_store(self);
    const char *type = Py_TYPE(self)->tp_name;
    if (store->head.state < LSM_OPEN || !store->path)
        return PyUnicode_FromFormat("<%s, never opened>", type);
    PyObject *name = name_text(store), *codecs = name ? codecs_text(store) : NULL, *text = NULL;
    if (codecs && !lsm_is_ours(store))
        text = PyUnicode_FromFormat("<%s %U, of the parent process>", type, name);
    else if (codecs && !lsm_is_open(&store->head))
        text = PyUnicode_FromFormat("<%s %U, closed>", type, name);
    else if (codecs)
        text = store->readonly
                   ? PyUnicode_FromFormat("<%s %U%U, for reading only>", type, name, codecs)
                   : PyUnicode_FromFormat("<%s %U%U, durability %s>", type, name, codecs, store->durability);
    Py_XDECREF(name);
    Py_XDECREF(codecs);
    return text;
}

static PyObject *store_closed(PyObject *self, void *Py_UNUSED(unused))
{
    return PyBool_FromLong(!lsm_is_open(&as_store(self)->head));
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

static PyObject *store_name(PyObject *self, void *Py_UNUSED(unused))
{
    return as_store(self)->name ? Py_NewRef(as_store(self)->name) : Py_NewRef(Py_None);
}

static PyObject *store_transaction(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"transaction", 0, 0, 1, {"sync"}};
    PyObject *given[1];
    int sync;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[0], &sync) < 0)
        return NULL;
    return lsm_txn_new(as_store(self), sync);
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
    doc,
    "LSM(path, flag='c', *, key='bytes', value='bytes', options=None, clock=None,\n"
    "    **overrides)\n--\n\n"
    "A persistent sorted mapping, in a directory.\n\n"
    "path is the directory, as str, bytes or PathLike; None makes a temporary one that close() removes, in\n"
    "tempfile.gettempdir() and with durability=\"os\", where the call names no other.\n"
    "flag is \"r\" (read only, no lock), \"w\" (must exist), \"c\" (create if missing) or \"n\" (always new).\n"
    "key and value are codecs: what keys and values are, as a name (\"str\", \"i64\", \"(str,i64)\", \"json\") or an\n"
    "object of lsmkv.codecs; they are stored when the store is made and must agree later. \"stored\" takes what\n"
    "the store says. options is an Options or the name of a preset; overrides are single fields of it. clock is\n"
    "a ManualClock that expiry goes by.\n\n"
    "It behaves as a dict whose keys are sorted: d[k], d[k] = v, del d[k], k in d, len(d), for k in d,\n"
    "d[a:b] for a range. With bytes any buffer is taken, and bytes comes back. == is identity. len(d) is exact\n"
    "and looks only at what was written since it was asked last; bool(d) is one seek. Iteration sees the\n"
    "content of the moment it began. Every method may be called from any thread.\n\n"
    "Raises FileNotFoundError, PermissionError and NotADirectoryError, each also a StorageError; LockedError\n"
    "when another process writes to it; CodecMismatchError, CorruptionError, FormatError, OptionsError.");
PyDoc_STRVAR(close_doc,
             "close($self, /)\n--\n\n"
             "Wait for calls in flight, make everything acknowledged durable, end the handle. Again is fine.\n"
             "Raises StorageError when the last sync fails. Every other method then raises ClosedError.");
PyDoc_STRVAR(snapshot_doc,
             "snapshot($self, /)\n--\n\nThe content of this moment, to be read at leisure; use it in a `with`. "
             "Cost: none until\nthings are merged, which it then keeps on the disk.\n\n"
             ">>> with db.snapshot() as then:\n"
             "...     db[\"apple\"] = \"red\"\n"
             "...     len(db), len(then)\n"
             "(1, 0)");
PyDoc_STRVAR(
    transaction_doc,
    "transaction($self, /, *, sync=None)\n--\n\n"
    "A context manager: `with db.transaction() as tx` reads and writes through tx, all or nothing, as if alone.\n"
    "ConflictError at its end when another writer has changed what it read. sync as for put().\n\n"
    ">>> db.update(a=\"1\", b=\"2\")\n"
    ">>> with db.transaction() as tx:\n"
    "...     tx[\"a\"], tx[\"b\"] = tx[\"b\"], tx[\"a\"]\n"
    ">>> dict(db)\n"
    "{'a': '2', 'b': '1'}");
PyDoc_STRVAR(
    transact_doc,
    "transact($self, fn, /, retries=8, *, sync=None)\n--\n\n"
    "Run fn(tx) in a transaction and return what it returns; run it again, up to retries times, when another\n"
    "writer came between. Raises ConflictError when that was not enough, and what fn raises: nothing is written\n"
    "then. fn may run several times, so it must have no other effect.\n\n"
    ">>> db[\"from\"] = \"7\"\n"
    ">>> db.transact(lambda tx: tx.setdefault(\"to\", tx.pop(\"from\")))\n"
    "'7'");
PyDoc_STRVAR(
    batch_doc,
    "batch($self, /, *, sync=None)\n--\n\n"
    "A context manager that collects writes: `with db.batch() as b: b[k] = v`. They are applied all\n"
    "together on a clean exit and dropped on an exception. sync as for put().\nCost: one write, whatever it holds.\n\n"
    ">>> with db.batch() as b:\n"
    "...     b[\"apple\"], b[\"pear\"] = \"red\", \"green\"\n"
    ">>> len(db)\n"
    "2");

static PyMethodDef methods[] = {
    LSM_READ_METHODS,
    LSM_RANGE_METHODS,
    LSM_CURSOR_METHOD,
    LSM_VIEW_METHOD,
    LSM_EXPIRY_METHODS,
    LSM_WRITE_METHODS,
    LSM_UPDATE_METHODS,
    LSM_RMW_METHODS,
    LSM_NAMESPACE_METHODS,
    LSM_UPKEEP_METHODS,
    LSM_INSPECT_METHODS,
    LSM_REFUSE_PICKLING,
    {"snapshot", store_snapshot, METH_NOARGS, snapshot_doc},
    {"batch", LSM_FAST(store_batch), METH_FASTCALL | METH_KEYWORDS, batch_doc},
    {"transaction", LSM_FAST(store_transaction), METH_FASTCALL | METH_KEYWORDS, transaction_doc},
    {"transact", LSM_FAST(lsm_store_transact), METH_FASTCALL | METH_KEYWORDS, transact_doc},
    {"close", store_close, METH_NOARGS, close_doc},
    {"__enter__", store_enter, METH_NOARGS, NULL},
    {"__exit__", LSM_FAST(store_exit), METH_FASTCALL, NULL},
    LSM_GENERIC,
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_store, head.weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"closed", store_closed, NULL, "True once the store cannot be used through this object any more.", NULL},
    {"path", store_path, NULL, "The directory, as it was given.", NULL},
    {"name", store_name, NULL, "The name of the namespace; None: the default one.", NULL},
    LSM_CODEC_PROPERTIES,
    {"options", store_options, NULL, "The options in effect: a dict, as they were when it was opened.", NULL},
    {"lsn", lsm_store_lsn, NULL, "The position in the log up to which writes are visible: segment << 32 | offset.",
     NULL},
    {"levels", lsm_store_levels, NULL,
     "Where records live, newest first, and then the files of large values: a list of Level that shows itself as a\n"
     "table, in a notebook as a map of the key ranges, and draws itself with svg(). No file access.",
     NULL},
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
    {Py_nb_inplace_or, lsm_target_or_update},
    {Py_mp_length, lsm_source_len},
    {Py_mp_subscript, lsm_source_subscript},
    {Py_mp_ass_subscript, lsm_target_assign},
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
