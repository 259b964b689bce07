/* namespace: names are str here and UTF-8 in the store. */
#include "py/namespace.h"

#include <math.h>

#include "py/args.h"
#include "py/codec_choice.h"
#include "py/errors.h"
#include "py/lsm_type.h"

static struct lsm_store *as_store(PyObject *self)
{
    return (struct lsm_store *)self;
}

/* ---- opening ------------------------------------------------------------------------------- */

struct wish {
    const char *name; /* borrowed from the str */
    Py_ssize_t name_bytes;
    struct lsm_codec_choice codecs; /* owned */
    struct lsmkv_namespace_options options;
};

static int take_name(PyObject *object, const char **name, Py_ssize_t *bytes)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "the name of a namespace is a str, not %.100s", Py_TYPE(object)->tp_name);
        return -1;
    }
    *name = PyUnicode_AsUTF8AndSize(object, bytes);
    return *name ? 0 : -1;
}

static int take_ttl(PyObject *ttl, uint64_t *ttl_ms)
{
    double seconds = ttl && ttl != Py_None ? PyFloat_AsDouble(ttl) : INFINITY;
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    if (!(seconds > 0)) {
        PyErr_Format(PyExc_ValueError, "ttl=%R: it is a number of seconds above 0, or None for ever", ttl);
        return -1;
    }
    double milliseconds = ceil(seconds * 1e3);
    *ttl_ms = milliseconds < 9e15 ? (uint64_t)milliseconds : 0;
    return 0;
}

static int wish_read(struct lsm_module *module, struct wish *wish, PyObject *const *given)
{
    int create;
    if (take_name(given[0], &wish->name, &wish->name_bytes) < 0 || take_ttl(given[3], &wish->options.ttl_ms) < 0 ||
        lsm_to_flag(given[4], 1, &create) < 0 || lsm_codec_choice_take(&wish->codecs, module, given[1], given[2]) < 0)
        return -1;
    wish->options.struct_bytes = sizeof wish->options;
    wish->options.create = create;
    wish->options.key_codec = wish->codecs.key_name;
    wish->options.value_codec = wish->codecs.value_name;
    return 0;
}

PyObject *lsm_store_namespace(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"namespace", 1, 1, 5, {"", "key", "value", "ttl", "create"}};
    struct lsm_store *store = as_store(self), *made = NULL;
    struct wish wish = {0};
    PyObject *given[5];
    lsmkv *db = NULL;
    int rc = lsm_params_read(&params, args, count, keywords, given);
    if (rc == 0)
        rc = wish_read(store->head.module, &wish, given);
    if (rc == 0)
        rc = lsm_enter(&store->head);
    if (rc == 0) {
        Py_BEGIN_ALLOW_THREADS rc =
            lsmkv_namespace_open(store->db, wish.name, (size_t)wish.name_bytes, &wish.options, &db);
        Py_END_ALLOW_THREADS if (rc < 0) lsm_fail(&store->head, rc);
        if (rc == LSMKV_NOTFOUND)
            PyErr_SetObject(PyExc_KeyError, given[0]);
    }
    if (rc == 0)
        rc = lsm_codec_choice_find(&wish.codecs, store->head.module, db);
    if (rc == 0)
        made = lsm_store_adopt(store, db, given[0], wish.codecs.key, wish.codecs.value);
    else if (db)
        lsmkv_release(db);
    lsm_codec_choice_clear(&wish.codecs);
    return (PyObject *)made;
}

/* ---- listing, dropping --------------------------------------------------------------------- */

static PyObject *describe(const struct lsmkv_namespace_info *info)
{
    PyObject *ttl = info->ttl_ms ? PyFloat_FromDouble((double)info->ttl_ms / 1e3) : Py_NewRef(Py_None);
    PyObject *made =
        ttl ? Py_BuildValue("{s:s,s:s,s:O}", "key", info->key_codec, "value", info->value_codec, "ttl", ttl) : NULL;
    Py_XDECREF(ttl);
    return made;
}

static PyObject *describe_all(const struct lsmkv_namespace_info *list, size_t count)
{
    PyObject *all = PyDict_New();
    for (size_t i = 0; all && i < count; i++) {
        PyObject *name = PyUnicode_DecodeUTF8(list[i].name.data, (Py_ssize_t)list[i].name.size, "backslashreplace");
        PyObject *description = name ? describe(&list[i]) : NULL;
        if (!description || PyDict_SetItem(all, name, description) < 0)
            Py_CLEAR(all);
        Py_XDECREF(name);
        Py_XDECREF(description);
    }
    return all;
}

PyObject *lsm_store_namespaces(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_store *store = as_store(self);
    struct lsmkv_namespace_info *list = NULL;
    size_t count = 0;
    int rc;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_namespaces(store->db, &list, &count);
    Py_END_ALLOW_THREADS if (rc != 0) return lsm_fail(&store->head, rc);
    PyObject *all = describe_all(list, count);
    lsmkv_namespaces_free(list, count);
    return all;
}

PyObject *lsm_store_drop_namespace(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"drop_namespace", 1, 1, 2, {"", "sync"}};
    struct lsm_store *store = as_store(self);
    PyObject *given[2];
    const char *name;
    Py_ssize_t bytes;
    int sync, rc;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[1], &sync) < 0 ||
        take_name(given[0], &name, &bytes) < 0 || lsm_enter(&store->head) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_namespace_drop(store->db, name, (size_t)bytes, sync);
    Py_END_ALLOW_THREADS if (rc == LSMKV_NOTFOUND) PyErr_SetObject(PyExc_KeyError, given[0]);
    if (rc == LSMKV_NOTFOUND)
        return NULL;
    return rc == 0 ? Py_NewRef(Py_None) : lsm_fail(&store->head, rc);
}

/* ---- through a snapshot or a transaction ----------------------------------------------------- */

static const struct lsm_store *root_of(const struct lsm_store *store)
{
    return store->parent ? store->parent : store;
}

struct lsm_store *lsm_same_store(const struct lsm_store *store, PyObject *of)
{
    struct lsm_store *wanted = as_store(of);
    if (!PyObject_TypeCheck(of, store->head.module->store_type)) {
        PyErr_Format(PyExc_TypeError, "a namespace as db.namespace() gives it is needed, not %.100s",
                     Py_TYPE(of)->tp_name);
        return NULL;
    }
    if (lsm_enter(&wanted->head) < 0)
        return NULL;
    if (root_of(wanted) == root_of(store))
        return wanted;
    PyErr_Format(PyExc_ValueError, "%R belongs to another store object than %R", of, root_of(store));
    return NULL;
}

int lsm_namespace_hold(PyObject **set, struct lsm_store *store)
{
    if (!store->parent) /* everything that comes from a store holds it anyway */
        return 0;
    if (!*set)
        *set = PySet_New(NULL);
    return *set ? PySet_Add(*set, (PyObject *)store) : -1;
}

PyObject *lsm_source_namespace(PyObject *self, PyObject *of)
{
    struct lsm_source *source = (struct lsm_source *)self, *base = source->base ? source->base : source;
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_store *wanted = lsm_enter(source) < 0 ? NULL : lsm_same_store(source->store, of);
    struct lsm_source *seen = wanted ? (struct lsm_source *)type->tp_alloc(type, 0) : NULL;
    if (!seen)
        return NULL;
    seen->module = source->module;
    seen->store = (struct lsm_store *)Py_NewRef(wanted);
    seen->base = (struct lsm_source *)Py_NewRef(base);
    seen->snapshot = base->snapshot;
    seen->txn = base->txn;
    seen->state = LSM_OPEN;
    if (lsm_enter(seen) < 0 /* making it may have run Python code */ ||
        (base->txn && lsm_namespace_hold(&base->reached, wanted) < 0))
        Py_CLEAR(seen);
    return (PyObject *)seen;
}
