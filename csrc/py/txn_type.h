/* txn_type: Transaction, a struct lsm_source whose reads are remembered and whose writes wait for its end. */
#ifndef LSM_PY_TXN_TYPE_H
#define LSM_PY_TXN_TYPE_H

#include "py/call.h"

extern PyType_Spec lsm_txn_spec;

/* LSM.transaction(): not begun yet. */
PyObject *lsm_txn_new(struct lsm_store *store, int sync);
/* A transaction that has begun, outside any block; NULL with an exception. */
struct lsm_source *lsm_txn_begin(struct lsm_store *store);
/* 1 committed, 0 conflict, -1 with an exception. lsn may be NULL. The caller ends the source in either case. */
int lsm_txn_commit(struct lsm_source *source, int sync, uint64_t *lsn);

/* LSM.transact(fn, retries=8, *, sync=None). */
PyObject *lsm_store_transact(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

#endif
