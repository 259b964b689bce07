/* lsm_open: what LSM(path, flag, options=..., **overrides) means.
 *
 * Which options exist, their presets and their bounds are policy: lsmkv/options.py resolves what it
 * is given into a plain dict of the fields below, and this file carries it over into the struct. */
#include "py/lsm_type.h"

#include <string.h>
#include <unistd.h>

#include "py/clock_type.h"
#include "py/codec_choice.h"
#include "py/errors.h"
#include "py/expiry.h"

/* ---- options ----------------------------------------------------------------------------- */

enum kind {
    U32,
    U64,
    INT,
    RATIO,
    WORD,
    LARGE,  /* 0 here is LSMKV_LARGE_NEVER there */
    SECONDS /* None or a number here; milliseconds there, 0 for None */
};

static const char *const durabilities[] = {"none", "os", "interval", "always", NULL};
static const char *const merge_policies[] = {"default", "leveled", "tiered", "fifo", "none", NULL};
static const char *const log_sources[] = {"auto", "mapped", "written", NULL};
static const char *const table_sources[] = {"auto", "mapped", "read", NULL};
static const char *const compressions[] = {"none", "auto", "lz4", "zstd", NULL};

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
    {"merge_policy", WORD, offsetof(struct lsmkv_options, merge_policy), merge_policies},
    {"space_limit", RATIO, offsetof(struct lsmkv_options, space_limit), NULL},
    {"fifo_bytes", U64, offsetof(struct lsmkv_options, fifo_bytes), NULL},
    {"fifo_age", SECONDS, offsetof(struct lsmkv_options, fifo_age_ms), NULL},
    {"memory_bytes", U64, offsetof(struct lsmkv_options, memory_bytes), NULL},
    {"cache_bytes", U64, offsetof(struct lsmkv_options, cache_bytes), NULL},
    {"large_value_bytes", LARGE, offsetof(struct lsmkv_options, large_value_bytes), NULL},
    {"max_pinned_bytes", U64, offsetof(struct lsmkv_options, max_pinned_bytes), NULL},
    {"background_bytes_per_second", U64, offsetof(struct lsmkv_options, background_bytes_per_second), NULL},
    {"log_source", WORD, offsetof(struct lsmkv_options, log_source), log_sources},
    {"table_source", WORD, offsetof(struct lsmkv_options, table_source), table_sources},
    {"compression", WORD, offsetof(struct lsmkv_options, compression), compressions},
    {"ttl", SECONDS, offsetof(struct lsmkv_options, ttl_ms), NULL},
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
    if (field->kind == LARGE && narrow == 0)
        narrow = LSMKV_LARGE_NEVER;
    if (field->kind == U64)
        memcpy((char *)options + field->offset, &(uint64_t){number}, sizeof(uint64_t));
    else
        memcpy((char *)options + field->offset, &narrow, sizeof narrow);
    return 0;
}

static int put_seconds(struct lsmkv_options *options, const struct field *field, PyObject *value)
{
    uint64_t milliseconds = 0;
    if (lsm_to_ttl(value, &milliseconds) < 0)
        return -1;
    memcpy((char *)options + field->offset, &milliseconds, sizeof milliseconds);
    return 0;
}

static int put_ratio(struct lsmkv_options *options, const struct field *field, PyObject *value)
{
    double ratio = PyFloat_AsDouble(value);
    if (ratio == -1 && PyErr_Occurred())
        return -1;
    memcpy((char *)options + field->offset, &ratio, sizeof ratio);
    return 0;
}

static int put_field(struct lsm_module *module, struct lsmkv_options *options, const struct field *field,
                     PyObject *value)
{
    switch (field->kind) {
    case WORD:
        return put_word(module, options, field, value);
    case SECONDS:
        return put_seconds(options, field, value);
    case RATIO:
        return put_ratio(options, field, value);
    default:
        return put_number(module, options, field, value);
    }
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
        rc = put_field(module, options, field, value);
    }
    return rc;
}

static PyObject *get_field(const struct lsmkv_options *options, const struct field *field)
{
    uint64_t wide = 0;
    int is_wide = field->kind == U64 || field->kind == SECONDS || field->kind == RATIO;
    memcpy(&wide, (const char *)options + field->offset, is_wide ? sizeof wide : sizeof(uint32_t)); /* little-endian */
    if (field->kind == WORD)
        return PyUnicode_FromString(wide < 5 ? field->words[wide] : "?");
    if (field->kind == RATIO) {
        double ratio;
        memcpy(&ratio, &wide, sizeof ratio);
        return PyFloat_FromDouble(ratio);
    }
    if (field->kind == LARGE && wide == LSMKV_LARGE_NEVER)
        wide = 0;
    if (field->kind == SECONDS)
        return wide ? PyFloat_FromDouble((double)wide / 1e3) : Py_NewRef(Py_None);
    return PyLong_FromUnsignedLongLong(wide);
}

/* A new dict: every field, as the engine has it. */
static PyObject *options_dict(const struct lsmkv_options *options)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < sizeof fields / sizeof *fields; i++) {
        PyObject *value = get_field(options, &fields[i]);
        if (!value || PyDict_SetItemString(dict, fields[i].name, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    return dict;
}

/* ---- arguments --------------------------------------------------------------------------- */

struct request {
    PyObject *path; /* owned: str or bytes */
    PyObject *encoded; /* owned: bytes, as the system wants it */
    int temporary; /* the directory was made here and is ours to remove */
    struct lsm_codec_choice codecs; /* owned */
    struct lsmkv_options options; /* its codec names are borrowed from these */
};

static void request_clear(struct request *request)
{
    Py_CLEAR(request->path);
    Py_CLEAR(request->encoded);
    lsm_codec_choice_clear(&request->codecs);
}

/* Its name as bytes first: with them it can be removed, whatever fails. */
static int make_directory(struct request *request)
{
    PyObject *tempfile = PyImport_ImportModule("tempfile");
    request->encoded = tempfile ? PyObject_CallMethod(tempfile, "mkdtemp", "yy", ".db", "lsmkv-") : NULL;
    Py_XDECREF(tempfile);
    if (request->encoded && !PyBytes_Check(request->encoded)) {
        PyErr_SetString(PyExc_TypeError, "tempfile.mkdtemp(b\".db\", b\"lsmkv-\") must return bytes");
        Py_CLEAR(request->encoded);
    }
    request->temporary = request->encoded != NULL;
    if (request->temporary)
        request->path = PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(request->encoded));
    return request->path ? 0 : -1;
}

static int take_path(struct lsm_module *module, struct request *request, PyObject *path)
{
    if (path == Py_None && !(request->options.flags & LSMKV_OPEN_CREATE))
        return lsm_refuse_option(module,
                                 "path=None makes a temporary store, which is new and empty: leave flag= out, or name "
                                 "the directory of a store that is there");
    if (path == Py_None)
        return make_directory(request);
    request->path = PyOS_FSPath(path);
    if (!request->path || !PyUnicode_FSConverter(request->path, &request->encoded))
        return -1;
    if (PyBytes_GET_SIZE(request->encoded))
        return 0;
    return lsm_refuse_option(module,
                             "path=%R: it names the directory of a store; \".\" is the present one, and None makes a "
                             "temporary store",
                             request->path);
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

static int take_codecs(struct lsm_module *module, struct request *request, PyObject *key, PyObject *value)
{
    if (lsm_codec_choice_take(&request->codecs, module, key, value) < 0)
        return -1;
    request->options.key_codec = request->codecs.key_name;
    request->options.value_codec = request->codecs.value_name;
    return 0;
}

static int take_options(struct lsm_module *module, struct request *request, PyObject *options, PyObject *overrides)
{
    if ((!options || options == Py_None) && PyDict_GET_SIZE(overrides) == 0 && !request->temporary)
        return 0; /* nothing named: the import of the policy would be most of what opening a small store costs */
    PyObject *policy = PyImport_ImportModule("lsmkv.options");
    PyObject *resolved = policy ? PyObject_CallMethod(policy, "resolve", "OOi", options ? options : Py_None, overrides,
                                                      request->temporary)
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
    static const char *const names[] = {"options", "key", "value", "clock"};
    PyObject *named[4] = {NULL}, *path = NULL, *flag = NULL;
    PyObject *overrides = keywords ? PyDict_Copy(keywords) : PyDict_New();
    int rc = overrides ? split(args, overrides, &path, &flag) : -1;
    for (int i = 0; rc == 0 && i < 4; i++)
        rc = take_out(overrides, names[i], &named[i]);
    lsmkv_options_init(&request->options);
    if (rc == 0)
        rc = take_codecs(module, request, named[1], named[2]);
    if (rc == 0)
        rc = lsm_to_clock(module, named[3], &request->options);
    if (rc == 0)
        rc = take_flag(module, request, flag);
    if (rc == 0)
        rc = take_path(module, request, path);
    if (rc == 0)
        rc = take_options(module, request, named[0], overrides);
    for (int i = 0; i < 4; i++)
        Py_XDECREF(named[i]);
    Py_XDECREF(path);
    Py_XDECREF(flag);
    Py_XDECREF(overrides);
    return rc;
}

/* ---- opening ----------------------------------------------------------------------------- */

/* 0, or -1 with an exception: store->db is set when the engine is open nevertheless. */
static int open_engine(struct lsm_store *store, struct request *request)
{
    store->readonly = (request->options.flags & LSMKV_OPEN_READONLY) != 0;
    lsmkv *db = NULL;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_open(PyBytes_AS_STRING(request->encoded), &request->options, &db);
    Py_END_ALLOW_THREADS if (rc != 0) return lsm_raise(store->head.module, rc, request->path), -1;
    store->db = db; /* from now on close_again() ends it, whatever fails */
    store->generation = lsm_fork_generation;
    store->path = Py_NewRef(request->path);
    store->temporary = request->temporary ? Py_NewRef(request->encoded) : NULL;
    if (lsm_codec_choice_find(&request->codecs, store->head.module, db) < 0)
        return -1;
    lsmkv_get_options(db, &request->options);
    store->key_codec = (struct lsm_codec *)Py_XNewRef(request->codecs.key);
    store->value_codec = (struct lsm_codec *)Py_XNewRef(request->codecs.value);
    store->durability = durabilities[request->options.durability & 3];
    store->options = options_dict(&request->options);
    return store->options ? 0 : -1;
}

/* The engine is open, but the object will never be. The exception on its way stays. */
static void close_again(struct lsm_store *store, const struct request *request)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_BEGIN_ALLOW_THREADS int rc = lsmkv_close(store->db);
    if (rc == 0 && request->temporary)
        rc = lsmkv_destroy(PyBytes_AS_STRING(request->encoded));
    lsmkv_release(store->db);
    (void)rc; /* what went wrong first is on its way */
    Py_END_ALLOW_THREADS store->db = NULL; /* as before: __init__ may be called again */
    Py_CLEAR(store->path);
    Py_CLEAR(store->temporary);
    Py_CLEAR(store->options);
    Py_CLEAR(store->key_codec);
    Py_CLEAR(store->value_codec);
    PyErr_Restore(type, value, traceback);
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
    if (rc < 0 && store->db)
        close_again(store, &request);
    else if (rc < 0 && request.temporary)
        rmdir(PyBytes_AS_STRING(request.encoded));
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
