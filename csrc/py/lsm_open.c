/* lsm_open: what LSM(path, flag, options=..., **overrides) means.
 *
 * Which options exist, their presets and their bounds are policy: lsmkv/options.py resolves what it
 * is given into a plain dict of the fields below, and this file carries it over into the struct. */
#include "py/lsm_type.h"

#include <string.h>

#include "py/errors.h"

/* ---- options ----------------------------------------------------------------------------- */

enum kind { U32, U64, INT, WORD };

static const char *const durabilities[] = {"none", "os", "interval", "always", NULL};
static const char *const log_sources[] = {"auto", "mapped", "written", NULL};
static const char *const table_sources[] = {"auto", "mapped", "read", NULL};

static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *const *words; /* WORD: an int counts them from 0 */
} fields[] = {
    {"durability", WORD, offsetof(struct lsmkv_options, durability), durabilities},
    {"sync_interval_ms", U32, offsetof(struct lsmkv_options, sync_interval_ms), NULL},
    {"threads", INT, offsetof(struct lsmkv_options, threads), NULL},
    {"segment_bytes", U64, offsetof(struct lsmkv_options, segment_bytes), NULL},
    {"table_bytes", U64, offsetof(struct lsmkv_options, table_bytes), NULL},
    {"page_bytes", U32, offsetof(struct lsmkv_options, page_bytes), NULL},
    {"l0_segments", U32, offsetof(struct lsmkv_options, l0_segments), NULL},
    {"run_count", U32, offsetof(struct lsmkv_options, run_count), NULL},
    {"cache_bytes", U64, offsetof(struct lsmkv_options, cache_bytes), NULL},
    {"log_source", WORD, offsetof(struct lsmkv_options, log_source), log_sources},
    {"table_source", WORD, offsetof(struct lsmkv_options, table_source), table_sources},
    {"mode", U32, offsetof(struct lsmkv_options, mode), NULL},
};

static const struct field *field_named(PyObject *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, fields[i].name) == 0)
            return &fields[i];
    }
    return NULL;
}

static int put_word(struct lsm_module *module, struct lsmkv_options *options, const struct field *field,
                    PyObject *value)
{
    for (int i = 0; PyUnicode_Check(value) && field->words[i]; i++) {
        if (PyUnicode_CompareWithASCIIString(value, field->words[i]) != 0)
            continue;
        memcpy((char *)options + field->offset, &i, sizeof i);
        return 0;
    }
    return lsm_refuse_option(module, "%s=%R is not a word this build knows", field->name, value);
}

static int put_number(struct lsm_module *module, struct lsmkv_options *options, const struct field *field,
                      PyObject *value)
{
    unsigned long long number = PyLong_AsUnsignedLongLong(value);
    uint32_t narrow = (uint32_t)number;
    if (PyErr_Occurred())
        return -1;
    if (field->kind != U64 && number > INT32_MAX)
        return lsm_refuse_option(module, "%s=%R is too large", field->name, value);
    if (field->kind == U64)
        memcpy((char *)options + field->offset, &(uint64_t){number}, sizeof(uint64_t));
    else
        memcpy((char *)options + field->offset, &narrow, sizeof narrow);
    return 0;
}

static int put_all(struct lsm_module *module, struct lsmkv_options *options, PyObject *resolved)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    int rc = 0;
    while (rc == 0 && PyDict_Next(resolved, &at, &name, &value)) {
        const struct field *field = field_named(name);
        if (!field)
            return lsm_refuse_option(module, "%R is not an option of this build", name);
        rc = field->kind == WORD ? put_word(module, options, field, value) : put_number(module, options, field, value);
    }
    return rc;
}

/* A new dict: every field, as the engine has it. */
static PyObject *options_dict(const struct lsmkv_options *options)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < sizeof fields / sizeof *fields; i++) {
        const char *at = (const char *)options + fields[i].offset;
        uint64_t wide = 0;
        memcpy(&wide, at, fields[i].kind == U64 ? sizeof wide : sizeof(uint32_t)); /* little-endian */
        PyObject *value = fields[i].kind == WORD ? PyUnicode_FromString(wide < 4 ? fields[i].words[wide] : "?")
                                                 : PyLong_FromUnsignedLongLong(wide);
        if (!value || PyDict_SetItemString(dict, fields[i].name, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    return dict;
}

/* ---- arguments --------------------------------------------------------------------------- */

struct request {
    PyObject *path;      /* owned: str or bytes */
    PyObject *temporary; /* owned: the same, when the directory is ours to remove */
    PyObject *encoded;   /* owned: bytes, as the system wants it */
    struct lsmkv_options options;
};

static void request_clear(struct request *request)
{
    Py_CLEAR(request->path);
    Py_CLEAR(request->temporary);
    Py_CLEAR(request->encoded);
}

static PyObject *make_directory(void)
{
    PyObject *tempfile = PyImport_ImportModule("tempfile");
    PyObject *made = tempfile ? PyObject_CallMethod(tempfile, "mkdtemp", "ss", ".db", "lsmkv-") : NULL;
    Py_XDECREF(tempfile);
    return made;
}

static int take_path(struct request *request, PyObject *path)
{
    if (path == Py_None) {
        request->temporary = make_directory();
        request->path = Py_XNewRef(request->temporary);
    } else {
        request->path = PyOS_FSPath(path);
    }
    return request->path && PyUnicode_FSConverter(request->path, &request->encoded) ? 0 : -1;
}

static int take_flag(struct lsm_module *module, struct request *request, PyObject *flag)
{
    static const struct {
        const char *letter;
        uint32_t flags;
    } known[] = {
        {"r", LSMKV_OPEN_READONLY},
        {"w", 0},
        {"c", LSMKV_OPEN_CREATE},
        {"n", LSMKV_OPEN_CREATE | LSMKV_OPEN_ANEW},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (flag && (!PyUnicode_Check(flag) || PyUnicode_CompareWithASCIIString(flag, known[i].letter) != 0))
            continue;
        request->options.flags = flag ? known[i].flags : LSMKV_OPEN_CREATE;
        return 0;
    }
    return lsm_refuse_option(module,
                             "flag=%R: it is \"r\" (read only), \"w\" (must exist), \"c\" (create if missing) or "
                             "\"n\" (always new)",
                             flag);
}

static int take_options(struct lsm_module *module, struct request *request, PyObject *options, PyObject *overrides)
{
    PyObject *policy = PyImport_ImportModule("lsmkv.options");
    PyObject *resolved = policy ? PyObject_CallMethod(policy, "resolve", "OOi", options ? options : Py_None, overrides,
                                                      request->temporary != NULL)
                                : NULL;
    int rc = -1;
    if (resolved && PyDict_Check(resolved))
        rc = put_all(module, &request->options, resolved);
    else if (resolved)
        PyErr_SetString(PyExc_TypeError, "lsmkv.options.resolve() must return a dict");
    Py_XDECREF(resolved);
    Py_XDECREF(policy);
    return rc;
}

/* Takes `name` out of the dict: a new reference in *value, NULL when it is absent. 0 or -1. */
static int take_out(PyObject *dict, const char *name, PyObject **value)
{
    PyObject *key = PyUnicode_FromString(name);
    *value = key ? Py_XNewRef(PyDict_GetItemWithError(dict, key)) : NULL;
    if (*value && PyDict_DelItem(dict, key) < 0)
        Py_CLEAR(*value);
    Py_XDECREF(key);
    return PyErr_Occurred() ? -1 : 0;
}

/* (path, flag) by position or by name, options by name, the rest is `overrides`. */
static int split(PyObject *args, PyObject *overrides, PyObject **path, PyObject **flag)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    PyObject **targets[] = {path, flag};
    const char *const names[] = {"path", "flag"};
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "LSM() takes a path and a flag by position (%zd arguments given)", count);
        return -1;
    }
    for (Py_ssize_t i = 0; i < 2; i++) {
        PyObject *named;
        if (take_out(overrides, names[i], &named) < 0)
            return -1;
        if (named && i < count) {
            Py_DECREF(named);
            PyErr_Format(PyExc_TypeError, "LSM() got multiple values for argument '%s'", names[i]);
            return -1;
        }
        *targets[i] = i < count ? Py_NewRef(PyTuple_GET_ITEM(args, i)) : named;
    }
    if (*path)
        return 0;
    PyErr_SetString(PyExc_TypeError, "LSM() is missing its required argument 'path' (None makes a temporary store)");
    return -1;
}

static int request_read(struct lsm_module *module, struct request *request, PyObject *args, PyObject *keywords)
{
    PyObject *overrides = keywords ? PyDict_Copy(keywords) : PyDict_New(), *path = NULL, *flag = NULL, *options = NULL;
    int rc = overrides ? split(args, overrides, &path, &flag) : -1;
    if (rc == 0)
        rc = take_out(overrides, "options", &options);
    lsmkv_options_init(&request->options);
    if (rc == 0)
        rc = take_flag(module, request, flag);
    if (rc == 0)
        rc = take_path(request, path);
    if (rc == 0)
        rc = take_options(module, request, options, overrides);
    Py_XDECREF(options);
    Py_XDECREF(path);
    Py_XDECREF(flag);
    Py_XDECREF(overrides);
    return rc;
}

/* ---- opening ----------------------------------------------------------------------------- */

static void remove_directory(PyObject *path)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *done = os ? PyObject_CallMethod(os, "rmdir", "O", path) : NULL;
    if (!done)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(os);
}

/* The engine's answer, with the store filled in when it is 0. */
static int open_engine(struct lsm_store *store, struct request *request)
{
    store->readonly = (request->options.flags & LSMKV_OPEN_READONLY) != 0;
    lsmkv *db = NULL;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_open(PyBytes_AS_STRING(request->encoded), &request->options, &db);
    Py_END_ALLOW_THREADS if (rc != 0) return lsm_raise(store->head.module, rc, request->path), -1;
    lsmkv_get_options(db, &request->options);
    store->db = db;
    store->generation = lsm_fork_generation;
    store->path = Py_NewRef(request->path);
    store->temporary = Py_XNewRef(request->temporary);
    store->durability = durabilities[request->options.durability & 3];
    store->options = options_dict(&request->options);
    return store->options ? 0 : -1;
}

int lsm_store_open(struct lsm_store *store, PyObject *args, PyObject *keywords)
{
    struct lsm_module *module = store->head.module;
    struct request request = {0};
    int rc = request_read(module, &request, args, keywords);
    if (rc == 0)
        rc = lsm_module_expect_exit(module);
    if (rc == 0)
        rc = open_engine(store, &request);
    if (rc < 0 && request.temporary && !store->db) {
        PyObject *type, *value, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        remove_directory(request.temporary);
        PyErr_Restore(type, value, traceback);
    }
    request_clear(&request);
    return rc;
}

PyObject *lsm_destroy(PyObject *self, PyObject *object)
{
    PyObject *path = PyOS_FSPath(object), *encoded = NULL;
    int rc = -1;
    if (path && PyUnicode_FSConverter(path, &encoded)) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_destroy(PyBytes_AS_STRING(encoded));
        Py_END_ALLOW_THREADS if (rc != 0) lsm_raise(PyModule_GetState(self), rc, path);
    }
    Py_XDECREF(encoded);
    Py_XDECREF(path);
    return rc == 0 ? Py_NewRef(Py_None) : NULL;
}
