/* batch_merge: a transaction of its own, run until nobody comes between. */
#include "py/batch_merge.h"

#include "py/namespace.h"
#include "py/rmw.h"
#include "py/txn_type.h"

static void step_clear(struct lsm_merge_step *step)
{
    lsmkv_batch_free(step->before);
    step->before = NULL;
    Py_CLEAR(step->store);
    Py_CLEAR(step->key);
    Py_CLEAR(step->operand);
    Py_CLEAR(step->function);
}

void lsm_merge_steps_clear(struct lsm_merge_steps *steps)
{
    struct lsm_merge_steps gone = *steps; /* dropping them may run Python code */
    *steps = (struct lsm_merge_steps){0};
    for (Py_ssize_t i = 0; i < gone.count; i++)
        step_clear(&gone.at[i]);
    PyMem_Free(gone.at);
}

int lsm_merge_steps_traverse(const struct lsm_merge_steps *steps, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < steps->count; i++) {
        Py_VISIT(steps->at[i].store);
        Py_VISIT(steps->at[i].key);
        Py_VISIT(steps->at[i].operand);
        Py_VISIT(steps->at[i].function);
    }
    return 0;
}

int lsm_merge_steps_add(struct lsm_merge_steps *steps, lsmkv_batch *before, struct lsm_store *store, PyObject *key,
                        PyObject *operand, PyObject *function)
{
    if (steps->count == steps->room) {
        Py_ssize_t room = steps->room ? 2 * steps->room : 4;
        struct lsm_merge_step *grown = PyMem_Realloc(steps->at, (size_t)room * sizeof *grown);
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        steps->at = grown;
        steps->room = room;
    }
    steps->at[steps->count++] = (struct lsm_merge_step){before, (struct lsm_store *)Py_NewRef(store), Py_NewRef(key),
                                                        Py_NewRef(operand), Py_NewRef(function)};
    return 0;
}

/* ---- applying ------------------------------------------------------------------------------ */

static int write_batch(struct lsm_source *txn, const lsmkv_batch *batch)
{
    int rc;
    if (lsm_enter(txn) < 0)
        return -1;
    lsm_pin(txn);
    lsmkv_txn *body = txn->txn;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_txn_write(body, batch);
    Py_END_ALLOW_THREADS if (rc != 0) lsm_fail(txn, rc);
    lsm_unpin(txn);
    return rc == 0 ? 0 : -1;
}

static int merge_one(struct lsm_source *txn, const struct lsm_merge_step *step)
{
    PyObject *seen = lsm_source_namespace((PyObject *)txn, (PyObject *)step->store);
    PyObject *merged = seen ? lsm_merge_by(seen, step->key, step->operand, step->function) : NULL;
    Py_XDECREF(seen);
    Py_XDECREF(merged);
    return merged ? 0 : -1;
}

/* 1 committed, 0 conflict, -1 with an exception. */
static int apply_once(const struct lsm_merge_steps *steps, const lsmkv_batch *after, struct lsm_source *txn, int sync)
{
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < steps->count; i++) {
        rc = write_batch(txn, steps->at[i].before);
        if (rc == 0)
            rc = merge_one(txn, &steps->at[i]);
    }
    if (rc == 0)
        rc = write_batch(txn, after);
    return rc < 0 ? -1 : lsm_txn_commit(txn, sync, NULL);
}

int lsm_merge_steps_apply(const struct lsm_merge_steps *steps, const lsmkv_batch *after, struct lsm_store *store,
                          int sync)
{
    int committed = 0;
    while (committed == 0) {
        struct lsm_source *txn = PyErr_CheckSignals() < 0 ? NULL : lsm_txn_begin(store);
        if (!txn)
            return -1;
        committed = apply_once(steps, after, txn, sync);
        lsm_source_end(txn);
        Py_DECREF(txn);
    }
    return committed < 0 ? -1 : 0;
}
