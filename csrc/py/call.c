/* call: what is too rare to be inline. */
#include "py/call.h"

#include <time.h>

#include "py/errors.h"

enum { HOLD_MAX_NS = 5000000 };

int lsm_raise_unusable(const struct lsm_source *source)
{
    const struct lsm_store *store = source->store;
    const struct lsm_errors *errors = &source->module->errors;
    PyObject *closed = errors->closed ? errors->closed : PyExc_ValueError;

    if (!store || store->head.state < LSM_OPEN)
        PyErr_SetString(closed, "this store was never opened: LSM.__init__ has not succeeded");
    else if (!lsm_is_ours(store))
        PyErr_Format(errors->forked ? errors->forked : PyExc_RuntimeError,
                     "the store %R was opened in the parent of this process; it is unharmed there. "
                     "Open it again here with lsmkv.open(), once the parent has closed it",
                     store->path);
    else if (store->head.state == LSM_CLOSED && store->parent && store->parent->head.state == LSM_OPEN)
        PyErr_Format(closed, "the namespace %R of %R is closed; open it again with namespace()", store->name,
                     store->path);
    else if (store->head.state == LSM_CLOSED)
        PyErr_Format(closed, "the store %R is closed; open it again with lsmkv.open()", store->path);
    else if (!Py_IS_TYPE(source, source->module->txn_type))
        PyErr_Format(closed, "this snapshot of %R is closed; take another one with snapshot()", store->path);
    else if (source->state < LSM_OPEN)
        PyErr_SetString(closed, "a transaction works inside its block: with db.transaction() as tx: ...");
    else
        PyErr_Format(closed,
                     "this transaction on %R is over: its block has ended. Begin another one with transaction()",
                     store->path);
    return -1;
}

PyObject *lsm_fail(const struct lsm_source *source, int status)
{
    if (status == LSMKV_CLOSED && source->store->head.state == LSM_CLOSED) {
        lsm_raise_unusable(source);
        return NULL;
    }
    return lsm_raise(source->module, status, source->store->path);
}

/* What `source` owns goes with its last user. */
static void release(struct lsm_source *source)
{
    lsmkv_snapshot *snapshot = source->snapshot;
    lsmkv_txn *txn = source->txn;
    if (source->pins > 0 || source->state != LSM_CLOSED || source->base || !snapshot)
        return;
    source->snapshot = NULL;
    source->txn = NULL;
    if (!lsm_is_ours(source->store))
        return; /* in the child of a fork nothing of the parent's is touched */
    if (txn)
        lsmkv_txn_free(txn);
    else
        lsmkv_snapshot_free(snapshot);
}

void lsm_unpin(struct lsm_source *source)
{
    struct lsm_source *base = source->base;
    source->pins--;
    release(source);
    if (base) {
        base->pins--;
        release(base);
    }
}

void lsm_source_end(struct lsm_source *source)
{
    source->state = LSM_CLOSED;
    release(source);
}

int lsm_source_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct lsm_source *source = (struct lsm_source *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(source->store);
    Py_VISIT(source->base);
    Py_VISIT(source->spaces);
    return 0;
}

void lsm_source_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_source *source = (struct lsm_source *)self;
    PyObject_GC_UnTrack(self);
    if (source->weakrefs)
        PyObject_ClearWeakRefs(self);
    if (source->store) /* else it was never finished */
        lsm_source_end(source);
    Py_CLEAR(source->spaces);
    Py_CLEAR(source->base);
    Py_CLEAR(source->store);
    type->tp_free(self);
    Py_DECREF(type);
}

int64_t lsm_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int lsm_pace(struct lsm_pacer *pacer)
{
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (!pacer->started) {
        pacer->started = 1;
        return 0;
    }
    int64_t now = lsm_now_ns();
    if (pacer->since_ns == 0 || now - pacer->since_ns < HOLD_MAX_NS) {
        pacer->since_ns = pacer->since_ns ? pacer->since_ns : now;
        return 0;
    }
    Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS pacer->since_ns = lsm_now_ns();
    return 0;
}
