/* txn_type:
 *
 *   NEVER_OPENED --with--> OPEN --clean end--> commit --> CLOSED
 *                           |  ^                 ConflictError when something it read has changed
 *                           |  +-- with ... end: a savepoint, kept or undone
 *                           +--exception--> dropped --> CLOSED
 *
 * The engine's transaction begins with the block, so that is the state it sees. */
#include "py/txn_type.h"

#include "py/cursor_type.h"
#include "py/errors.h"
#include "py/expiry.h"
#include "py/namespace.h"
#include "py/range.h"
#include "py/rmw.h"
#include "py/update.h"
#include "py/value_view.h"

enum { RETRIES = 8 };

struct lsm_transaction {
    struct lsm_source head;
    int sync;
    uint32_t depth; /* blocks that are open: 1, and one more a savepoint */
};

static struct lsm_source *as_source(PyObject *self)
{
    return (struct lsm_source *)self;
}

/* ---- its life ---------------------------------------------------------------------------- */

static struct lsm_transaction *allocate(struct lsm_store *store)
{
    PyTypeObject *type = store->head.module->txn_type;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    struct lsm_transaction *txn = (struct lsm_transaction *)type->tp_alloc(type, 0);
    if (!txn)
        return NULL;
    txn->head.module = store->head.module;
    txn->head.store = (struct lsm_store *)Py_NewRef(store);
    txn->sync = -1;
    return txn;
}

PyObject *lsm_txn_new(struct lsm_store *store, int sync)
{
    struct lsm_transaction *txn = allocate(store);
    if (txn)
        txn->sync = sync;
    return (PyObject *)txn;
}

static int begin(struct lsm_source *source)
{
    if (lsm_enter(&source->store->head) < 0) /* making it may have run Python code */
        return -1;
    int rc = lsmkv_txn_new(source->store->db, &source->txn);
    if (rc != 0)
        return lsm_fail(source, rc), -1;
    source->snapshot = (lsmkv_snapshot *)lsmkv_txn_snapshot(source->txn);
    source->state = LSM_OPEN;
    return 0;
}

struct lsm_source *lsm_txn_begin(struct lsm_store *store)
{
    struct lsm_source *source = (struct lsm_source *)allocate(store);
    if (source && begin(source) < 0)
        Py_CLEAR(source);
    return source;
}

int lsm_txn_commit(struct lsm_source *source, int sync, uint64_t *lsn)
{
    lsmkv_txn *txn = source->txn;
    int rc;
    if (lsm_enter(source) < 0)
        return -1;
    lsm_pin(source);
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_txn_commit(txn, sync, lsn);
    Py_END_ALLOW_THREADS if (rc < 0) lsm_fail(source, rc);
    lsm_unpin(source);
    return rc < 0 ? -1 : rc == 0;
}

static int raise_conflict(const struct lsm_source *source)
{
    PyErr_Format(source->module->errors.conflict,
                 "something this transaction on %R has read was changed by another writer meanwhile; nothing of it was "
                 "written. Run it again, or let transact() do so",
                 source->store->path);
    return -1;
}

/* ---- with -------------------------------------------------------------------------------- */

static PyObject *txn_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_transaction *txn = (struct lsm_transaction *)self;
    struct lsm_source *source = &txn->head;
    if (source->base) {
        PyErr_SetString(PyExc_ValueError, "this is a namespace of a transaction: its block is the transaction's own");
        return NULL;
    }
    if (source->state == LSM_NEVER_OPENED) {
        if (begin(source) < 0)
            return NULL;
    } else {
        if (lsm_enter(source) < 0)
            return NULL;
        int rc = lsmkv_txn_save(source->txn);
        if (rc != 0)
            return lsm_fail(source, rc);
    }
    txn->depth++;
    return Py_NewRef(self);
}

/* The end of a block within the block. */
static int leave_savepoint(struct lsm_source *source, int clean)
{
    if (lsm_enter(source) < 0)
        return clean ? -1 : (PyErr_Clear(), 0); /* the exception on its way says more */
    lsmkv_txn *txn = source->txn;
    int rc; /* keeping may copy megabytes, undoing free them */
    lsm_pin(source);
    Py_BEGIN_ALLOW_THREADS rc = clean ? lsmkv_txn_keep(txn) : lsmkv_txn_undo(txn);
    Py_END_ALLOW_THREADS if (rc != 0) lsm_fail(source, rc);
    lsm_unpin(source);
    return rc == 0 ? 0 : -1;
}

static PyObject *txn_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct lsm_transaction *txn = (struct lsm_transaction *)self;
    int clean = count < 1 || args[0] == Py_None, rc = 0;
    if (txn->depth == 0)
        return lsm_raise_unusable(&txn->head), NULL;
    if (--txn->depth > 0) {
        rc = leave_savepoint(&txn->head, clean);
    } else {
        int committed = clean ? lsm_txn_commit(&txn->head, txn->sync, NULL) : 1;
        lsm_source_end(&txn->head);
        rc = committed < 0 ? -1 : committed == 0 ? raise_conflict(&txn->head) : 0;
    }
    return rc < 0 ? NULL : Py_NewRef(Py_False);
}

/* ---- transact ---------------------------------------------------------------------------- */

/* One run of the function: 1 and its answer, 0 conflict, -1 with an exception. */
static int run_once(struct lsm_store *store, PyObject *function, int sync, PyObject **answer)
{
    struct lsm_transaction *txn = (struct lsm_transaction *)lsm_txn_begin(store);
    if (!txn)
        return -1;
    txn->depth = 1;
    *answer = PyObject_CallOneArg(function, (PyObject *)txn);
    int committed = *answer ? lsm_txn_commit(&txn->head, sync, NULL) : -1;
    if (!*answer && PyErr_ExceptionMatches(store->head.module->errors.conflict)) {
        PyErr_Clear(); /* it asked for another run itself */
        committed = 0;
    }
    if (committed <= 0)
        Py_CLEAR(*answer);
    txn->depth = 0;
    lsm_source_end(&txn->head);
    Py_DECREF(txn);
    return committed;
}

PyObject *lsm_store_transact(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"transact", 2, 1, 3, {"fn", "retries", "sync"}};
    struct lsm_store *store = (struct lsm_store *)self;
    PyObject *given[3], *answer = NULL;
    int sync, done = 0;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[2], &sync) < 0)
        return NULL;
    Py_ssize_t retries = given[1] ? PyNumber_AsSsize_t(given[1], PyExc_OverflowError) : RETRIES;
    if (retries < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "retries is a number of further runs, 0 or more");
        return NULL;
    }
    for (Py_ssize_t run = 0; done == 0 && run <= retries; run++)
        done = PyErr_CheckSignals() < 0 ? -1 : run_once(store, given[0], sync, &answer);
    if (done == 0)
        PyErr_Format(store->head.module->errors.conflict,
                     "the transaction on %R met another writer in each of %zd runs; nothing of it was written",
                     store->path, retries + 1);
    return answer;
}

/* ---- the type ---------------------------------------------------------------------------- */

static PyObject *txn_closed(PyObject *self, void *Py_UNUSED(unused))
{
    return PyBool_FromLong(!lsm_is_open(as_source(self)));
}

static Py_ssize_t writes_of(struct lsm_source *source)
{
    const lsmkv_txn *txn = source->base ? source->base->txn : source->txn;
    return lsm_is_usable(source) ? (Py_ssize_t)lsmkv_txn_writes(txn) : 0;
}

static PyObject *txn_writes(PyObject *self, void *Py_UNUSED(unused))
{
    return PyLong_FromSsize_t(writes_of(as_source(self)));
}

static PyObject *txn_repr(PyObject *self)
{
    struct lsm_source *source = as_source(self);
    const char *state = source->state == LSM_NEVER_OPENED ? "not begun" : lsm_is_open(source) ? "open" : "over";
    return PyUnicode_FromFormat("<lsmkv.Transaction on %R, %s, %zd writes>", source->store->path, state,
                                writes_of(source));
}

PyDoc_STRVAR(
    doc, "Reads and writes that take effect together or not at all: with db.transaction() as tx: ...\n\n"
         "It behaves as the store does: every read sees the state of its beginning and its own writes over it. At\n"
         "a clean end of the block all writes are applied at once, unless something it read has been changed by\n"
         "another writer: then nothing is, and ConflictError is raised (transact() runs it again). An exception in\n"
         "the block drops it. Entering it again within its block makes a savepoint: an exception in the inner\n"
         "block undoes what was written there, and only that. Writes alone never conflict.\n\n"
         "It serves one thread at a time. Cost: a look at each key it read, and at each range as far as it was\n"
         "walked, when it commits; nothing is locked meanwhile.");

static PyMethodDef methods[] = {
    LSM_READ_METHODS,
    LSM_RANGE_METHODS,
    LSM_CURSOR_METHOD,
    LSM_VIEW_METHOD,
    LSM_EXPIRY_METHODS,
    LSM_WRITE_METHODS,
    LSM_UPDATE_METHODS,
    LSM_RMW_METHODS,
    LSM_DERIVED_NAMESPACE_METHOD,
    LSM_REFUSE_PICKLING,
    {"__enter__", txn_enter, METH_NOARGS, NULL},
    {"__exit__", LSM_FAST(txn_exit), METH_FASTCALL, NULL},
    LSM_GENERIC,
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_source, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    LSM_CODEC_PROPERTIES,
    {"closed", txn_closed, NULL, "True before its block has begun and once it has ended.", NULL},
    {"writes", txn_writes, NULL, "The number of records it would write now.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_dealloc, lsm_source_dealloc},
    {Py_tp_traverse, lsm_source_traverse},
    {Py_tp_repr, txn_repr},
    {Py_tp_iter, lsm_source_iter},
    {Py_nb_bool, lsm_source_bool},
    {Py_nb_inplace_or, lsm_target_or_update},
    {Py_mp_length, lsm_source_len},
    {Py_mp_subscript, lsm_source_subscript},
    {Py_mp_ass_subscript, lsm_target_assign},
    {Py_sq_contains, lsm_source_contains},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec lsm_txn_spec = {
    .name = "lsmkv.Transaction",
    .basicsize = sizeof(struct lsm_transaction),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_MAPPING,
    .slots = slots,
};
