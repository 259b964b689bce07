/* canary: each of these makes a mistake when its list cannot be made. family.py must notice every one of them, or
 * it notices nothing. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <unistd.h>

#include "canary.h"

static PyObject *made_a_list(void)
{
    PyObject *list = PyList_New(0);
    Py_XDECREF(list);
    return list ? Py_NewRef(Py_None) : NULL;
}

static PyObject *fail(const char *how, PyObject *argument)
{
    static void *volatile kept;
    static volatile int descriptor;
    switch (how[0]) {
    case 's': /* swallows the error */
        PyErr_Clear();
        return Py_NewRef(Py_None);
    case 'n': /* NULL without an exception */
        PyErr_Clear();
        return NULL;
    case 'b': /* a value and an exception, both */
        return Py_NewRef(Py_None);
    case 'o': /* another exception over it */
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "something else");
        return NULL;
    case 'r': /* a reference too many */
        Py_INCREF(argument);
        return NULL;
    case 'm': /* memory of C */
        kept = malloc(1000);
        return kept ? NULL : NULL;
    case 'd': /* a descriptor */
        descriptor = dup(0);
        return descriptor ? NULL : NULL;
    default: /* a crash */
        abort();
    }
}

PyObject *lsm_canary(PyObject *self, PyObject *how)
{
    PyObject *answer = made_a_list();
    (void)self;
    return answer || !PyUnicode_Check(how) ? answer : fail(PyUnicode_DATA(how), how);
}
