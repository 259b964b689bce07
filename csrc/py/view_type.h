/* view_type: KeysView, ValuesView, ItemsView and RangeView: descriptions of a range of a source. A view
 * holds no data and pins nothing; each iter() of it is a scan at that moment. */
#ifndef LSM_PY_VIEW_TYPE_H
#define LSM_PY_VIEW_TYPE_H

#include "py/iter_type.h"

struct lsm_view {
    PyObject_HEAD struct lsm_source *source; /* owned */
    struct lsm_range range;    /* owns its bounds */
    Py_ssize_t limit;          /* -1: none */
    enum lsm_kind kind;
    PyObject *weakrefs;
};

extern PyType_Spec lsm_range_spec, lsm_keys_spec, lsm_values_spec, lsm_items_spec;

/* Steals the bounds of `range`, also when it fails: NULL with an exception. */
PyObject *lsm_view_new(struct lsm_source *source, enum lsm_kind kind, struct lsm_range *range, Py_ssize_t limit);

PyObject *lsm_view_iter(PyObject *view);
Py_ssize_t lsm_view_count(struct lsm_view *view);
int lsm_view_contains(PyObject *view, PyObject *item);

/* ---- set operations of keys and items (view_sets.c) -------------------------------------- */

PyObject *lsm_view_compare(PyObject *self, PyObject *other, int operation);
PyObject *lsm_view_and(PyObject *left, PyObject *right);
PyObject *lsm_view_or(PyObject *left, PyObject *right);
PyObject *lsm_view_subtract(PyObject *left, PyObject *right);
PyObject *lsm_view_xor(PyObject *left, PyObject *right);
PyObject *lsm_view_isdisjoint(PyObject *self, PyObject *other);

#endif
