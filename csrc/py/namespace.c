/* namespace: names are str here and UTF-8 in the store. */
#include "py/namespace.h"

#include "py/args.h"
#include "py/codec_choice.h"
#include "py/errors.h"
#include "py/expiry.h"
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

static int wish_read(struct lsm_module *module, struct wish *wish, PyObject *const *given)
{
    int create;
    if (take_name(given[0], &wish->name, &wish->name_bytes) < 0 || lsm_to_ttl(given[3], &wish->options.ttl_ms) < 0 ||
        lsm_to_flag(given[4], 1, &create) < 0 || lsm_codec_choice_take(&wish->codecs, module, given[1], given[2]) < 0)
        return -1;
    wish->options.struct_bytes = sizeof wish->options;
    wish->options.create = create;
    wish->options.key_codec = wish->codecs.key_name;
    wish->options.value_codec = wish->codecs.value_name;
    return 0;
}

/* A ttl that was asked for is the one that is stored. */
static int agree(const struct lsm_store *store, const struct wish *wish, lsmkv *db, PyObject *name)
{
    struct lsmkv_options present;
    lsmkv_get_options(db, &present);
    if (wish->options.ttl_ms == 0 || wish->options.ttl_ms == present.ttl_ms)
        return 0;
    char made[48] = "without a ttl: its keys live for ever";
    if (present.ttl_ms)
        PyOS_snprintf(made, sizeof made, "with a ttl of %.10g s", (double)present.ttl_ms / 1e3);
    char asked[24];
    PyOS_snprintf(asked, sizeof asked, "%.10g", (double)wish->options.ttl_ms / 1e3);
    PyErr_Format(store->head.module->errors.options,
                 "namespace %R of %R was made %s; it is opened with ttl=%s: leave that out; nothing was changed", name,
                 store->path, made, asked);
    return -1;
}

/* A handle that did not become an object: its end may wait for the disk. */
static void release(lsmkv *db)
{
    Py_BEGIN_ALLOW_THREADS lsmkv_release(db);
    Py_END_ALLOW_THREADS
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
        rc = agree(store, &wish, db, given[0]);
    if (rc == 0)
        rc = lsm_codec_choice_find(&wish.codecs, store->head.module, db);
    if (rc == 0)
        made = lsm_store_adopt(store, db, given[0], wish.codecs.key, wish.codecs.value);
    else if (db)
        release(db);
    lsm_codec_choice_clear(&wish.codecs);
    return (PyObject *)made;
}

/* ---- listing, dropping --------------------------------------------------------------------- */

static PyObject *describe(const struct lsmkv_namespace_info *info)
{
    PyObject *ttl = info->ttl_ms ? PyFloat_FromDouble((double)info->ttl_ms / 1e3) : Py_NewRef(Py_None);
    PyObject *made = ttl ? Py_BuildValue("{s:s,s:s,s:O,s:I}", "key", info->key_codec, "value", info->value_codec, "ttl",
                                         ttl, "id", (unsigned int)info->id)
                         : NULL;
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
    while (store->parent) /* a namespace may have been opened from another one */
        store = store->parent;
    return store;
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

int lsm_keep_space(PyObject **spaces, struct lsm_store *space)
{
    if (!*spaces)
        *spaces = PyList_New(0);
    if (!*spaces)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(*spaces); i++)
        if (PyList_GET_ITEM(*spaces, i) == (PyObject *)space)
            return 0;
    return PyList_Append(*spaces, (PyObject *)space);
}

PyObject *lsm_source_namespace(PyObject *self, PyObject *of)
{
    struct lsm_source *source = (struct lsm_source *)self, *base = source->base ? source->base : source;
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_store *wanted = lsm_enter(source) < 0 ? NULL : lsm_same_store(source->store, of);
    if (!wanted || (base->txn && lsm_keep_space(&base->spaces, wanted) < 0))
        return NULL;
    struct lsm_source *seen = (struct lsm_source *)type->tp_alloc(type, 0);
    if (!seen)
        return NULL;
    seen->module = source->module;
    seen->store = (struct lsm_store *)Py_NewRef(wanted);
    seen->base = (struct lsm_source *)Py_NewRef(base);
    seen->snapshot = base->snapshot;
    seen->txn = base->txn;
    seen->state = LSM_OPEN;
    if (lsm_enter(seen) < 0) /* making it may have run Python code */
        Py_CLEAR(seen);
    return (PyObject *)seen;
}
