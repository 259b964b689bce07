/* args: exact bytes first, the buffer protocol second, nothing else. */
#include "py/args.h"

#include <string.h>

/* ---- bytes ------------------------------------------------------------------------------ */

static void refuse(PyObject *object, const char *what)
{
    if (PyUnicode_Check(object))
        PyErr_Format(PyExc_TypeError, "a %s must be bytes, not str: use %s.encode(), or open the store with %s=\"str\"",
                     what, what, what);
    else
        PyErr_Format(PyExc_TypeError, "a %s must be bytes or another buffer object, not %.100s", what,
                     Py_TYPE(object)->tp_name);
}

/* `to` is a fresh bytes object nobody else knows. The source stays where it is, though others may
 * write to it: what is copied is then some mixture, but it is copied once. */
static void copy_out(PyObject *to, const void *data, size_t size)
{
    char *into = PyBytes_AS_STRING(to);
    if (size <= LSM_COPY_MAX) {
        memcpy(into, data, size);
        return;
    }
    Py_BEGIN_ALLOW_THREADS memcpy(into, data, size);
    Py_END_ALLOW_THREADS
}

PyObject *lsm_bytes_from(const void *data, size_t size)
{
    PyObject *made = PyBytes_FromStringAndSize(size <= LSM_COPY_MAX ? data : NULL, (Py_ssize_t)size);
    if (made && size > LSM_COPY_MAX)
        copy_out(made, data, size);
    return made;
}

PyObject *lsm_to_bytes(PyObject *object, const char *what)
{
    if (PyBytes_CheckExact(object))
        return Py_NewRef(object);
    if (!PyObject_CheckBuffer(object)) {
        refuse(object, what);
        return NULL;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *made = lsm_bytes_from(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return made;
}

int lsm_bytes_copy(struct lsm_bytes *bytes, PyObject *object, const char *what)
{
    PyObject *copy = lsm_to_bytes(object, what);
    if (!copy)
        return -1;
    *bytes = (struct lsm_bytes){PyBytes_AS_STRING(copy), (size_t)PyBytes_GET_SIZE(copy), copy};
    return 0;
}

/* ---- argument lists --------------------------------------------------------------------- */

static int refuse_count(const struct lsm_params *params, Py_ssize_t count)
{
    if (params->by_position == 0 && params->count)
        PyErr_Format(PyExc_TypeError, "%s() takes no positional arguments (%zd given): name it, as in %s(%s=...)",
                     params->method, count, params->method, params->names[0]);
    else
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional argument%s (%zd given)", params->method,
                     params->by_position, params->by_position == 1 ? "" : "s", count);
    return -1;
}

static int take_keyword(const struct lsm_params *params, PyObject *name, PyObject *value, PyObject **out)
{
    for (int i = 0; i < params->count; i++) {
        if (!params->names[i][0] || PyUnicode_CompareWithASCIIString(name, params->names[i]) != 0)
            continue;
        if (out[i]) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", params->method, name);
            return -1;
        }
        out[i] = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", params->method, name);
    return -1;
}

int lsm_params_read(const struct lsm_params *params, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                    PyObject **out)
{
    if (count > params->by_position)
        return refuse_count(params, count);
    for (int i = 0; i < params->count; i++)
        out[i] = i < count ? args[i] : NULL;
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
        if (take_keyword(params, PyTuple_GET_ITEM(keywords, i), args[count + i], out) < 0)
            return -1;
    }
    for (int i = 0; i < params->required; i++) {
        if (out[i])
            continue;
        PyErr_Format(PyExc_TypeError, "%s() is missing its required argument %s%s(pos %d)", params->method,
                     params->names[i], params->names[i][0] ? " " : "", i + 1);
        return -1;
    }
    return 0;
}

int lsm_to_flag(PyObject *object, int absent, int *flag)
{
    *flag = absent;
    if (!object)
        return 0;
    int truth = PyObject_IsTrue(object);
    if (truth < 0)
        return -1;
    *flag = truth;
    return 0;
}

int lsm_to_sync(PyObject *object, int *sync)
{
    if (object && (PyUnicode_Check(object) || PyBytes_Check(object))) { /* "no" would be true */
        PyErr_Format(PyExc_TypeError, "sync=%R: it is True, False, or None for what the store's durability says",
                     object);
        return -1;
    }
    return lsm_to_flag(object == Py_None ? NULL : object, -1, sync);
}
