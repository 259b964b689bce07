/* errors: the only mapping from what the engine answers to what Python raises.
 *
 *   NOMEM  MemoryError      INVALID  ValueError      BUSY  RuntimeError
 *   IO, ABSENT, EXISTS      a StorageError that is also the OSError subclass of its errno
 *   FULL   DiskFullError    LOCKED   LockedError     FAILED  StorageError
 *   the others              the class of the same name */
#include "py/errors.h"

#include <errno.h>
#include <string.h>

static PyObject *new_class(const char *name, PyObject *from, PyObject *also, const char *doc)
{
    char full[64];
    PyOS_snprintf(full, sizeof full, "lsmkv.%s", name);
    PyObject *bases = from && also ? PyTuple_Pack(2, from, also) : PyTuple_Pack(1, from ? from : also);
    PyObject *made = bases ? PyErr_NewExceptionWithDoc(full, doc, bases, NULL) : NULL;
    Py_XDECREF(bases);
    return made;
}

/* So that an error somebody else made has the attributes too. */
static int set_defaults(struct lsm_errors *errors)
{
    static const char *const corruption[] = {"file", "offset", "recoverable", "damage"};
    int rc = PyObject_SetAttrString(errors->locked, "pid", Py_None);
    for (size_t i = 0; rc == 0 && i < sizeof corruption / sizeof *corruption; i++)
        rc = PyObject_SetAttrString(errors->corruption, corruption[i], Py_None);
    return rc;
}

int lsm_errors_init(PyObject *self, struct lsm_module *module)
{
    struct lsm_errors *errors = &module->errors;
#define X(field, name, from, also, doc)                                         \
    errors->field = new_class(name, errors->from, also, doc);                   \
    if (!errors->field || PyModule_AddObjectRef(self, name, errors->field) < 0) \
        return -1;
    LSM_ERROR_TABLE(X)
#undef X
    return set_defaults(errors);
}

/* ---- choosing the class ---------------------------------------------------------------- */

static PyObject *class_of_errno(const struct lsm_errors *errors, int os_errno)
{
    switch (os_errno) {
    case EACCES:
    case EPERM:
        return errors->no_permission;
    case ENOTDIR:
        return errors->not_a_directory;
    case EEXIST:
    case ENOTEMPTY:
        return errors->taken;
    default:
        return errors->storage;
    }
}

/* The errno an OSError shows: the system's, or the nearest in meaning. */
static int errno_of(const struct lsmkv_error *error)
{
    if (error->os_errno)
        return error->os_errno;
    switch (error->status) {
    case LSMKV_ABSENT:
        return ENOENT;
    case LSMKV_EXISTS:
        return EEXIST;
    case LSMKV_LOCKED:
        return EAGAIN;
    case LSMKV_FULL:
        return ENOSPC;
    default:
        return EIO;
    }
}

static PyObject *class_of(const struct lsm_errors *errors, const struct lsmkv_error *error)
{
    switch (error->status) {
    case LSMKV_NOMEM:
        return PyExc_MemoryError;
    case LSMKV_INVALID:
        return PyExc_ValueError;
    case LSMKV_BUSY:
        return PyExc_RuntimeError;
    case LSMKV_ABSENT: /* only this: a file of a store that is there may be missing, and who makes it anew loses the rest */
        return errors->not_found;
    case LSMKV_IO:
    case LSMKV_EXISTS:
        return class_of_errno(errors, errno_of(error));
    case LSMKV_FAILED:
        return errors->storage;
    case LSMKV_FULL:
        return errors->disk_full;
    case LSMKV_LOCKED:
        return errors->locked;
    case LSMKV_CORRUPT:
        return errors->corruption;
    case LSMKV_FORMAT:
        return errors->format;
    case LSMKV_READONLY:
        return errors->read_only;
    case LSMKV_CLOSED:
        return errors->closed;
    case LSMKV_FORKED:
        return errors->forked;
    case LSMKV_OPTIONS:
        return errors->options;
    case LSMKV_CONFLICT:
        return errors->conflict;
    case LSMKV_EXPIRED:
        return errors->expired;
    case LSMKV_MISMATCH:
        return errors->codec_mismatch;
    default:
        return errors->base;
    }
}

/* ---- making the instance --------------------------------------------------------------- */

/* Steals `value`. */
static int set_attribute(PyObject *exception, const char *name, PyObject *value)
{
    int rc = value ? PyObject_SetAttrString(exception, name, value) : -1;
    Py_XDECREF(value);
    return rc;
}

static PyObject *text_of(const struct lsmkv_error *error)
{
    const char *text = error->text[0] ? error->text : lsmkv_status_words(error->status);
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

/* Of a process's many stores, which? Only an OSError has a place of its own for that. Takes `text`, may give another. */
static PyObject *name_store(PyObject *text, const struct lsmkv_error *error, PyObject *path)
{
    if (!text || !path ||
        (error->status != LSMKV_CORRUPT && error->status != LSMKV_FORMAT && error->status != LSMKV_READONLY))
        return text;
    PyObject *name = NULL, *both = PyUnicode_FSDecoder(path, &name) ? PyUnicode_FromFormat("%U: %U", name, text) : NULL;
    Py_XDECREF(name);
    Py_DECREF(text);
    return both;
}

static int set_facts(struct lsm_module *module, PyObject *exception, const struct lsmkv_error *error)
{
    if (error->status == LSMKV_LOCKED && error->pid)
        return set_attribute(exception, "pid", PyLong_FromLong(error->pid));
    if (error->status != LSMKV_CORRUPT || !PyObject_TypeCheck(exception, (PyTypeObject *)module->errors.corruption))
        return 0;
    if (set_attribute(exception, "file", PyUnicode_DecodeFSDefault(error->file)) < 0 ||
        set_attribute(exception, "offset", PyLong_FromUnsignedLongLong(error->offset)) < 0)
        return -1;
    return set_attribute(exception, "recoverable", PyBool_FromLong(error->recoverable));
}

static PyObject *new_exception(struct lsm_module *module, const struct lsmkv_error *error, PyObject *path)
{
    PyObject *class = class_of(&module->errors, error);
    if (!class) /* the module is being taken down */
        class = PyExc_RuntimeError;
    PyObject *text = name_store(text_of(error), error, path), *exception = NULL;
    if (text && PyType_IsSubtype((PyTypeObject *)class, (PyTypeObject *)PyExc_OSError))
        exception = PyObject_CallFunction(class, "iOO", errno_of(error), text, path ? path : Py_None);
    else if (text)
        exception = PyObject_CallOneArg(class, text);
    Py_XDECREF(text);
    if (exception && set_facts(module, exception, error) < 0)
        Py_CLEAR(exception);
    return exception;
}

PyObject *lsm_raise(struct lsm_module *module, int status, PyObject *path)
{
    struct lsmkv_error error = *lsmkv_last_error(); /* a copy: making the exception may run Python code */
    if (error.status != status) /* an answer that came without words */
        error = (struct lsmkv_error){.status = status};
    PyObject *exception = new_exception(module, &error, path);
    if (exception) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

PyObject *lsm_new_corruption(struct lsm_module *module, const struct lsmkv_error *damage, PyObject *path)
{
    struct lsmkv_error error = *damage;
    error.status = LSMKV_CORRUPT;
    return new_exception(module, &error, path);
}

int lsm_refuse_option(struct lsm_module *module, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyErr_FormatV(module->errors.options, format, arguments);
    va_end(arguments);
    return -1;
}
