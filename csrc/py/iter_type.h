/* iter_type: Iterator, a scan at a snapshot taken when it was made. */
#ifndef LSM_PY_ITER_TYPE_H
#define LSM_PY_ITER_TYPE_H

#include "py/range.h"

enum lsm_kind {
    LSM_KEYS,
    LSM_VALUES,
    LSM_ITEMS,
    LSM_RANGE,   /* a view of keys; see view_type.h */
    LSM_RAW_KEYS /* keys as they are stored: exact bytes, whatever the codec */
};

extern PyType_Spec lsm_iter_spec;

/* A new iterator, or NULL with an exception. limit -1: to the end of the range. */
PyObject *lsm_iter_new(struct lsm_source *source, enum lsm_kind kind, const struct lsm_range *range, Py_ssize_t limit);

PyObject *lsm_iter_next(PyObject *iterator);

/* What it would yield first, or None. */
PyObject *lsm_iter_first(struct lsm_source *source, enum lsm_kind kind, const struct lsm_range *range);

/* Whether it would yield anything: 1, 0, or -1 with an exception. */
int lsm_iter_any(struct lsm_source *source, const struct lsm_range *range);

#endif
