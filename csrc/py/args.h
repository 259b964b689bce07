/* args: from Python arguments to bytes, flags and bounds. Everything here may run Python code, so it
 * comes before a method enters the store. */
#ifndef LSM_PY_ARGS_H
#define LSM_PY_ARGS_H

#include "py/module.h"

/* Values above this are copied, and written, without the interpreter lock. */
#define LSM_COPY_MAX ((size_t)64 << 10)

/* ---- bytes ------------------------------------------------------------------------------ */

/* The bytes of an argument that outlives the call: those of an exact bytes object itself, else of a
 * private copy, since somebody else might change the original meanwhile. */
struct lsm_bytes {
    const char *data; /* borrowed from the argument or from `copy` */
    size_t size;
    PyObject *copy; /* owned, or NULL */
};

/* A new exact bytes object with the content of `object`, or `object` itself. `what` is "key", "value". */
PyObject *lsm_to_bytes(PyObject *object, const char *what);
int lsm_bytes_copy(struct lsm_bytes *bytes, PyObject *object, const char *what);

/* 0, or -1 with an exception (nothing to drop then). */
static inline int lsm_bytes_take(struct lsm_bytes *bytes, PyObject *object, const char *what)
{
    if (!PyBytes_CheckExact(object))
        return lsm_bytes_copy(bytes, object, what);
    *bytes = (struct lsm_bytes){PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object), NULL};
    return 0;
}

static inline void lsm_bytes_drop(struct lsm_bytes *bytes)
{
    Py_CLEAR(bytes->copy);
}

/* A new bytes object that holds a copy of `size` bytes at `data`, which nobody else may free or
 * change meanwhile. Gives up the interpreter lock when there is much to copy. */
PyObject *lsm_bytes_from(const void *data, size_t size);

/* ---- argument lists --------------------------------------------------------------------- */

/* A method's parameters: `names` of all of them in order, "" for one that goes by position only.
 * The first `by_position` may be given by position, the first `required` must be given. */
struct lsm_params {
    const char *method;
    int by_position, required, count;
    const char *names[6];
};

/* Sorts METH_FASTCALL arguments into out[0 .. count): borrowed, NULL where not given. 0 or -1. */
int lsm_params_read(const struct lsm_params *params, PyObject *const *args, Py_ssize_t count, PyObject *keywords,
                    PyObject **out);

/* sync=: None or absent -1, false 0, true 1; words are refused. 0 or -1. */
int lsm_to_sync(PyObject *object, int *sync);

/* A flag that is absent (NULL) or has a truth. 0 or -1. */
int lsm_to_flag(PyObject *object, int absent, int *flag);

#endif
