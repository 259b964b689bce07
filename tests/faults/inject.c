/* inject: _faults, the module that arms the sites of tests/faults/include/Python.h. It lies in the same shared object
 * as lsmkv._core, so that the import of that one can fail too.
 *
 *   faults.sites()               [(file, line, function, call), ...]
 *   faults.arm(site, n, mode)    the n-th execution from now on fails: ONCE, its site for EVER, or every site AFTER it
 *                                too; site -1: none, only count
 *   faults.run(True | False)     only while running are executions counted and made to fail
 *   faults.fired() seen() failed()   how often since arm(); executions by site since arm(); failures by site so far
 *   faults.meanwhile(callable)   is called once, when the interpreter lock is next given up, as another thread might
 *   faults.result()              what came of it: its value, or its exception
 *
 * Counters lie in shared memory: a forked child counts for its parent. */
#define LSM_FAULTS_THEMSELVES
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "canary.h"

enum { SITES_MAX = 4096 };
enum mode { ONCE, EVER, AFTER };

extern struct lsm_fault_site *__start_lsm_faults[], *__stop_lsm_faults[];

static struct control {
    int running, armed, mode; /* armed: a site, or -1 */
    uint32_t nth, fired;
    uint32_t seen[SITES_MAX], failed[SITES_MAX];
} *control; /* shared between processes */

static PyObject *injected_error; /* owned */
static PyObject *meanwhile, *result, *error; /* owned */

PyTypeObject lsm_fault_vast_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "vast",
    .tp_basicsize = PY_SSIZE_T_MAX - 4096,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
};

static Py_ssize_t site_count(void)
{
    return __stop_lsm_faults - __start_lsm_faults;
}

/* ---- at a site --------------------------------------------------------------------------- */

static void set_exception(const struct lsm_fault_site *site)
{
    PyObject *kinds[] = {PyExc_MemoryError, injected_error, PyExc_KeyboardInterrupt, PyExc_ResourceWarning};
    if (site->kind < LSM_FAULT_PLAIN)
        PyErr_Format(kinds[site->kind], "injected into %s", site->call);
}

static int is_to_fail(const struct lsm_fault_site *site, uint32_t nth)
{
    if (control->fired && control->mode == AFTER)
        return 1;
    return site->index == control->armed && (control->mode == EVER ? nth >= control->nth : nth == control->nth);
}

int lsm_fault_reached(struct lsm_fault_site *site)
{
    if (!control || !control->running)
        return 0;
    uint32_t nth = __atomic_add_fetch(&control->seen[site->index], 1, __ATOMIC_RELAXED);
    if (!is_to_fail(site, nth))
        return 0;
    control->fired++;
    control->failed[site->index]++;
    set_exception(site);
    return 1;
}

void lsm_fault_meanwhile(void)
{
    PyObject *call = meanwhile, *type, *value, *traceback;
    if (!call)
        return;
    meanwhile = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    Py_XSETREF(result, PyObject_CallNoArgs(call));
    if (!result) {
        PyObject *kind, *back;
        PyErr_Fetch(&kind, &error, &back);
        PyErr_NormalizeException(&kind, &error, &back);
        Py_XDECREF(kind);
        Py_XDECREF(back);
    }
    Py_DECREF(call);
    PyErr_Restore(type, value, traceback);
}

/* ---- functions --------------------------------------------------------------------------- */

static PyObject *faults_sites(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < site_count(); i++) {
        const struct lsm_fault_site *site = __start_lsm_faults[i];
        PyObject *one = Py_BuildValue("(siss)", site->file, site->line, site->function, site->call);
        if (!one || PyList_Append(list, one) < 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

static PyObject *faults_arm(PyObject *Py_UNUSED(self), PyObject *args)
{
    int armed, mode;
    unsigned nth;
    if (!PyArg_ParseTuple(args, "iIi", &armed, &nth, &mode))
        return NULL;
    control->running = 0;
    control->armed = armed;
    control->nth = nth;
    control->mode = mode;
    control->fired = 0;
    memset(control->seen, 0, sizeof control->seen);
    Py_RETURN_NONE;
}

/* An exception that is set here was left behind by a call that did not report it. */
static PyObject *faults_run(PyObject *Py_UNUSED(self), PyObject *on)
{
    PyObject *type, *value, *traceback;
    control->running = on == Py_True;
    PyErr_Fetch(&type, &value, &traceback);
    if (!type)
        Py_RETURN_NONE;
    PyErr_Format(PyExc_SystemError, "a value came back and an exception stayed set: %R", value ? value : type);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return NULL;
}

static PyObject *faults_fired(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLong(control->fired);
}

static PyObject *numbers(const uint32_t *of)
{
    PyObject *list = PyList_New(site_count());
    for (Py_ssize_t i = 0; list && i < site_count(); i++)
        PyList_SET_ITEM(list, i, PyLong_FromUnsignedLong(of[i]));
    return list;
}

static PyObject *faults_seen(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    return numbers(control->seen);
}

static PyObject *faults_failed(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    return numbers(control->failed);
}

static PyObject *faults_meanwhile(PyObject *Py_UNUSED(self), PyObject *callable)
{
    Py_XSETREF(meanwhile, callable == Py_None ? NULL : Py_NewRef(callable));
    Py_CLEAR(result);
    Py_CLEAR(error);
    Py_RETURN_NONE;
}

static PyObject *faults_result(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    PyObject *value = result, *raised = error;
    result = error = NULL;
    if (raised) {
        PyErr_SetObject((PyObject *)Py_TYPE(raised), raised);
        Py_DECREF(raised);
    } else if (!value) {
        PyErr_SetString(PyExc_AssertionError, "the interpreter lock was not given up");
    }
    return value;
}

/* ---- the module -------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"sites", faults_sites, METH_NOARGS, NULL},
    {"arm", faults_arm, METH_VARARGS, NULL},
    {"run", faults_run, METH_O, NULL},
    {"fired", faults_fired, METH_NOARGS, NULL},
    {"seen", faults_seen, METH_NOARGS, NULL},
    {"failed", faults_failed, METH_NOARGS, NULL},
    {"meanwhile", faults_meanwhile, METH_O, NULL},
    {"result", faults_result, METH_NOARGS, NULL},
    {"canary", lsm_canary, METH_O, NULL},
    {0},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_faults",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__faults(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (!module || site_count() > SITES_MAX)
        return module ? PyErr_Format(PyExc_SystemError, "%zd sites: SITES_MAX is too small", site_count()) : NULL;
    for (Py_ssize_t i = 0; i < site_count(); i++)
        __start_lsm_faults[i]->index = (int)i;
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED)
        return control = NULL, PyErr_SetFromErrno(PyExc_OSError);
    control->armed = -1;
    PyModule_AddIntMacro(module, ONCE);
    PyModule_AddIntMacro(module, EVER);
    PyModule_AddIntMacro(module, AFTER);
    injected_error = PyErr_NewException("_faults.InjectedError", NULL, NULL);
    if (!injected_error || PyModule_AddObjectRef(module, "InjectedError", injected_error) < 0)
        Py_CLEAR(module);
    return module;
}
