/* batch_type: WriteBatch, writes collected in a `with` block and applied together at its end. */
#ifndef LSM_PY_BATCH_TYPE_H
#define LSM_PY_BATCH_TYPE_H

#include "py/call.h"

extern PyType_Spec lsm_batch_spec;

PyObject *lsm_batch_new(struct lsm_store *store, int sync);

#endif
