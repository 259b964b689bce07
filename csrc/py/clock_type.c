/* clock_type: the engine's threads read the time without the interpreter lock, so it lives in a block of its own.
 *
 * An engine may outlive every object that Python has of it, and a clock is eight bytes: the block of one that a store
 * was opened with is never freed. */
#include "py/clock_type.h"

#include <stdatomic.h>

#define START_S 1e9 /* 2001-09-09: an expiry of 0 would mean none */
#define LAST_S 9e9

struct time {
    _Atomic uint64_t ns; /* since 1970 */
};

struct lsm_clock {
    PyObject_HEAD struct time *time; /* owned until a store uses it */
    int lent;
};

static uint64_t read_time(void *time)
{
    return atomic_load_explicit(&((struct time *)time)->ns, memory_order_relaxed);
}

int lsm_to_clock(struct lsm_module *module, PyObject *object, struct lsmkv_options *options)
{
    if (!object || object == Py_None)
        return 0;
    if (!PyObject_TypeCheck(object, module->clock_type)) {
        PyErr_Format(PyExc_TypeError,
                     "clock must be an lsmkv.ManualClock or None, not %.100s: background threads ask it",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    struct lsm_clock *clock = (struct lsm_clock *)object;
    clock->lent = 1;
    options->wall_ns = read_time;
    options->wall_context = clock->time;
    return 0;
}

/* ---- the type ------------------------------------------------------------------------------ */

static int set_time(struct lsm_clock *clock, double seconds)
{
    if (!(seconds > 0 && seconds <= LAST_S)) {
        PyErr_SetString(PyExc_ValueError, "a clock shows seconds since 1970, above 0 and at most 9e9");
        return -1;
    }
    atomic_store_explicit(&clock->time->ns, (uint64_t)(seconds * 1e9), memory_order_relaxed);
    return 0;
}

static PyObject *clock_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"start", NULL};
    double start = START_S;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|d:ManualClock", names, &start))
        return NULL;
    struct lsm_clock *clock = (struct lsm_clock *)type->tp_alloc(type, 0);
    if (!clock)
        return NULL;
    clock->time = PyMem_RawCalloc(1, sizeof *clock->time);
    if (!clock->time)
        PyErr_NoMemory();
    if (!clock->time || set_time(clock, start) < 0)
        Py_CLEAR(clock);
    return (PyObject *)clock;
}

static void clock_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_clock *clock = (struct lsm_clock *)self;
    if (!clock->lent)
        PyMem_RawFree(clock->time);
    type->tp_free(self);
    Py_DECREF(type);
}

static double seconds_of(PyObject *self)
{
    return (double)read_time(((struct lsm_clock *)self)->time) / 1e9;
}

static PyObject *clock_time(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyFloat_FromDouble(seconds_of(self));
}

static PyObject *clock_set(PyObject *self, PyObject *object)
{
    double seconds = PyFloat_AsDouble(object);
    if ((seconds == -1 && PyErr_Occurred()) || set_time((struct lsm_clock *)self, seconds) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *clock_advance(PyObject *self, PyObject *object)
{
    double seconds = PyFloat_AsDouble(object);
    if ((seconds == -1 && PyErr_Occurred()) || set_time((struct lsm_clock *)self, seconds_of(self) + seconds) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *clock_repr(PyObject *self)
{
    PyObject *seconds = PyFloat_FromDouble(seconds_of(self));
    PyObject *text = seconds ? PyUnicode_FromFormat("lsmkv.ManualClock(%R)", seconds) : NULL;
    Py_XDECREF(seconds);
    return text;
}

PyDoc_STRVAR(doc,
             "ManualClock(start=1e9)\n--\n\n"
             "A wall clock that moves only when it is told to: lsmkv.open(path, clock=clock). Expiry goes by it.\n\n"
             "start is in seconds since 1970. Every thread may move it.");
PyDoc_STRVAR(time_doc, "time($self, /)\n--\n\nThe time it shows, in seconds since 1970. Cost: none.");
PyDoc_STRVAR(set_doc, "set($self, seconds, /)\n--\n\nShow this time, in seconds since 1970. ValueError unless it is "
                      "above 0 and at most 9e9.");
PyDoc_STRVAR(
    advance_doc,
    "advance($self, seconds, /)\n--\n\nMove on by so many seconds, or back. ValueError when that is before 1970.");

static PyMethodDef methods[] = {
    {"time", clock_time, METH_NOARGS, time_doc},
    {"set", clock_set, METH_O, set_doc},
    {"advance", clock_advance, METH_O, advance_doc},
    LSM_REFUSE_PICKLING,
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc}, {Py_tp_new, clock_new},   {Py_tp_dealloc, clock_dealloc},
    {Py_tp_repr, clock_repr}, {Py_tp_methods, methods}, {0, NULL},
};

PyType_Spec lsm_clock_spec = {
    .name = "lsmkv.ManualClock",
    .basicsize = sizeof(struct lsm_clock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
