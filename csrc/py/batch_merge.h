/* batch_merge: merges within a batch. Each is read and thought about when the batch is applied, in its place.
 *
 *   writes | merge | writes | merge | writes        applied in one transaction, again when somebody came between
 *
 * A batch without merges never comes here. */
#ifndef LSM_PY_BATCH_MERGE_H
#define LSM_PY_BATCH_MERGE_H

#include "py/call.h"

/* One merge, and the writes before it. */
struct lsm_merge_step {
    lsmkv_batch *before;     /* owned */
    struct lsm_store *store; /* owned: the namespace of the key */
    PyObject *key, *operand, *function; /* owned */
};

struct lsm_merge_steps {
    struct lsm_merge_step *at; /* owned */
    Py_ssize_t count, room;
};

/* Takes `before` over when it succeeds. Runs no Python code. 0 or -1. */
int lsm_merge_steps_add(struct lsm_merge_steps *steps, lsmkv_batch *before, struct lsm_store *store, PyObject *key,
                        PyObject *operand, PyObject *function);
/* Apply the steps and what comes `after` them to the store of `store`, atomically. 0 or -1. */
int lsm_merge_steps_apply(const struct lsm_merge_steps *steps, const lsmkv_batch *after, struct lsm_store *store,
                          int sync);
int lsm_merge_steps_traverse(const struct lsm_merge_steps *steps, visitproc visit, void *arg);
void lsm_merge_steps_clear(struct lsm_merge_steps *steps);

#endif
