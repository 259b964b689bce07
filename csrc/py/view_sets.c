/* view_sets: & | - ^ and comparisons of keys and items, as collections.abc.Set defines them. Results
 * are plain sets. What can be answered by looking up the other side's elements is. */
#include "py/view_type.h"

static int is_ours(PyObject *object)
{
    return Py_TYPE(object)->tp_richcompare == lsm_view_compare;
}

static int is_iterable(PyObject *object)
{
    return Py_TYPE(object)->tp_iter || PySequence_Check(object);
}

/* ---- walks ------------------------------------------------------------------------------- */

/* Calls visit(item, context) for each item until it answers non-zero, and answers that; 0 at the end,
 * -1 with an exception. */
static int for_each(PyObject *iterable, int (*visit)(PyObject *item, void *context), void *context)
{
    struct lsm_pacer pacer = {0};
    PyObject *iterator = PyObject_GetIter(iterable), *item;
    int rc = iterator ? 0 : -1;
    while (rc == 0 && (item = PyIter_Next(iterator)) != NULL) {
        rc = visit(item, context);
        Py_DECREF(item);
        if (rc == 0)
            rc = lsm_pace(&pacer);
    }
    Py_XDECREF(iterator);
    return rc == 0 && PyErr_Occurred() ? -1 : rc;
}

static int is_outside(PyObject *item, void *container)
{
    int inside = PySequence_Contains(container, item);
    return inside < 0 ? -1 : !inside;
}

static int is_inside(PyObject *item, void *container)
{
    return PySequence_Contains(container, item);
}

struct filter {
    PyObject *view, *result; /* borrowed */
};

static int add_if_inside(PyObject *item, void *context)
{
    struct filter *filter = context;
    int inside = PySequence_Contains(filter->view, item);
    return inside > 0 ? PySet_Add(filter->result, item) : inside;
}

static int remove_from(PyObject *item, void *result)
{
    return PySet_Discard(result, item) < 0 ? -1 : 0;
}

/* ---- comparisons ------------------------------------------------------------------------- */

static int is_set(PyObject *object)
{
    if (PyAnySet_Check(object) || PyDictViewSet_Check(object) || is_ours(object))
        return 1;
    PyObject *abc = PyImport_ImportModule("collections.abc");
    PyObject *set = abc ? PyObject_GetAttrString(abc, "Set") : NULL;
    int is = set ? PyObject_IsInstance(object, set) : -1;
    Py_XDECREF(set);
    Py_XDECREF(abc);
    return is;
}

static Py_ssize_t size_of(PyObject *object)
{
    return is_ours(object) ? lsm_view_count((struct lsm_view *)object) : PyObject_Size(object);
}

/* Every element of a is in b: 1, 0, or -1 with an exception. */
static int is_subset(PyObject *a, PyObject *b)
{
    int outside = for_each(a, is_outside, b);
    return outside < 0 ? -1 : !outside;
}

static int compare(PyObject *self, PyObject *other, int operation)
{
    Py_ssize_t mine = size_of(self), theirs = mine < 0 ? -1 : size_of(other);
    if (theirs < 0)
        return -1;
    switch (operation) {
    case Py_EQ:
        return mine == theirs ? is_subset(self, other) : 0;
    case Py_LT:
        return mine < theirs ? is_subset(self, other) : 0;
    case Py_LE:
        return mine <= theirs ? is_subset(self, other) : 0;
    case Py_GT:
        return mine > theirs ? is_subset(other, self) : 0;
    default:
        return mine >= theirs ? is_subset(other, self) : 0;
    }
}

PyObject *lsm_view_compare(PyObject *self, PyObject *other, int operation)
{
    int comparable = is_set(other);
    if (comparable < 0)
        return NULL;
    if (!comparable)
        Py_RETURN_NOTIMPLEMENTED;
    int answer = compare(self, other, operation == Py_NE ? Py_EQ : operation);
    if (answer < 0)
        return NULL;
    return PyBool_FromLong(operation == Py_NE ? !answer : answer);
}

PyObject *lsm_view_isdisjoint(PyObject *self, PyObject *other)
{
    int common = for_each(other, is_inside, self);
    return common < 0 ? NULL : PyBool_FromLong(!common);
}

/* ---- & | - ^ ----------------------------------------------------------------------------- */

PyObject *lsm_view_and(PyObject *left, PyObject *right)
{
    PyObject *view = is_ours(left) ? left : right, *other = view == left ? right : left;
    if (!is_iterable(other))
        Py_RETURN_NOTIMPLEMENTED;
    struct filter filter = {view, PySet_New(NULL)};
    if (filter.result && for_each(other, add_if_inside, &filter) < 0)
        Py_CLEAR(filter.result);
    return filter.result;
}

static int add_to(PyObject *item, void *result)
{
    return PySet_Add(result, item);
}

PyObject *lsm_view_or(PyObject *left, PyObject *right)
{
    if (!is_iterable(left) || !is_iterable(right))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *result = PySet_New(left);
    if (result && for_each(right, add_to, result) < 0)
        Py_CLEAR(result);
    return result;
}

PyObject *lsm_view_subtract(PyObject *left, PyObject *right)
{
    if (!is_iterable(left) || !is_iterable(right))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *result = PySet_New(left);
    if (result && for_each(right, remove_from, result) < 0)
        Py_CLEAR(result);
    return result;
}

PyObject *lsm_view_xor(PyObject *left, PyObject *right)
{
    if (!is_iterable(left) || !is_iterable(right))
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *ours = PySet_New(left), *theirs = ours ? PySet_New(right) : NULL;
    PyObject *result = theirs ? PyNumber_Xor(ours, theirs) : NULL;
    Py_XDECREF(ours);
    Py_XDECREF(theirs);
    return result;
}
