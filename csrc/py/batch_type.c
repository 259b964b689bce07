/* batch_type: NEW --__enter__--> COLLECTING --__exit__--> DONE.
 *
 * batch.namespace(ns) is another object with another store, whose writes go to the first one, its base.
 *
 * Outside its `with` block a batch refuses writes: nobody would ever apply them. `busy` is set while
 * a call is away without the interpreter lock or merges run: another call then raises. */
#include "py/batch_type.h"

#include "py/batch_merge.h"
#include "py/codec.h"
#include "py/expiry.h"
#include "py/namespace.h"
#include "py/range.h"
#include "py/rmw.h"

enum phase { NEW, COLLECTING, DONE };

struct lsm_write_batch {
    PyObject_HEAD struct lsm_store *store; /* owned */
    struct lsm_write_batch *base; /* owned: where the writes are; NULL: here */
    PyObject *spaces; /* owned: list of the namespaces it was seen in, which must not close before it ends; or NULL */
    lsmkv_batch *writes;     /* owned; NULL with a base */
    const lsmkv *used;       /* borrowed, to compare: the handle that `writes` goes through now */
    struct lsm_merge_steps merges; /* owned: merges, and the writes before each; `writes` come after all of them */
    int sync;
    char phase; /* enum phase */
    char busy;
    PyObject *weakrefs;
};

static struct lsm_write_batch *as_batch(PyObject *self)
{
    return (struct lsm_write_batch *)self;
}

static struct lsm_write_batch *root_of(struct lsm_write_batch *batch)
{
    return batch->base ? batch->base : batch;
}

PyObject *lsm_batch_new(struct lsm_store *store, int sync)
{
    PyTypeObject *type = store->head.module->batch_type;
    if (lsm_enter(&store->head) < 0)
        return NULL;
    struct lsm_write_batch *batch = (struct lsm_write_batch *)type->tp_alloc(type, 0);
    if (!batch)
        return NULL;
    batch->store = (struct lsm_store *)Py_NewRef(store);
    batch->sync = sync;
    int rc = lsmkv_batch_new(&batch->writes);
    if (rc != 0) {
        lsm_fail(&store->head, rc);
        Py_CLEAR(batch);
    }
    return (PyObject *)batch;
}

static int done(struct lsm_write_batch *batch, int rc)
{
    return rc == 0 ? 0 : (lsm_fail(&batch->store->head, rc), -1);
}

/* The writes, going through the batch's handle; NULL with an exception when none may be added. */
static lsmkv_batch *collecting(struct lsm_write_batch *batch)
{
    struct lsm_write_batch *root = root_of(batch);
    if (lsm_enter(&batch->store->head) < 0 || lsm_enter(&root->store->head) < 0)
        return NULL;
    if (root->busy)
        PyErr_SetString(PyExc_RuntimeError, "this batch is in use: by another thread, or by the merge that is calling");
    else if (root->phase == NEW)
        PyErr_SetString(PyExc_ValueError, "a batch collects writes inside its block: with db.batch() as b: ...");
    else if (root->phase == DONE)
        PyErr_SetString(PyExc_ValueError, "this batch is over: its block has ended. Take another one with db.batch()");
    else if (root->used == batch->store->db || done(batch, lsmkv_batch_use(root->writes, batch->store->db)) == 0) {
        root->used = batch->store->db;
        return root->writes;
    }
    return NULL;
}

/* ---- collecting -------------------------------------------------------------------------- */

static int put_bytes(struct lsm_write_batch *batch, const struct lsm_bytes *key, const struct lsm_bytes *value,
                     uint64_t expiry_ns)
{
    int rc;
    lsmkv_batch *writes = collecting(batch);
    if (!writes)
        return -1;
    if (value->size <= LSM_COPY_MAX)
        return done(batch, lsmkv_batch_put_until(writes, key->data, key->size, value->data, value->size, expiry_ns));
    struct lsm_write_batch *root = root_of(batch);
    root->busy = 1;
    Py_BEGIN_ALLOW_THREADS rc =
        lsmkv_batch_put_until(writes, key->data, key->size, value->data, value->size, expiry_ns);
    Py_END_ALLOW_THREADS root->busy = 0;
    return done(batch, rc);
}

static int put(struct lsm_write_batch *batch, PyObject *key_object, PyObject *value_object, uint64_t expiry_ns)
{
    const struct lsm_store *store = batch->store;
    struct lsm_bytes key, value;
    if (lsm_key_take(&key, store->key_codec, key_object) < 0)
        return -1;
    int rc = lsm_value_take(&value, store->value_codec, value_object);
    if (rc == 0) {
        rc = put_bytes(batch, &key, &value, expiry_ns);
        lsm_bytes_drop(&value);
    }
    lsm_bytes_drop(&key);
    return rc;
}

static int delete(struct lsm_write_batch *batch, PyObject *object)
{
    struct lsm_bytes key;
    if (lsm_key_take(&key, batch->store->key_codec, object) < 0)
        return -1;
    lsmkv_batch *writes = collecting(batch);
    int rc = writes ? done(batch, lsmkv_batch_delete(writes, key.data, key.size)) : -1;
    lsm_bytes_drop(&key);
    return rc;
}

/* start and stop: exact bytes or NULL; takes them over. */
static int delete_between(struct lsm_write_batch *batch, PyObject *start, PyObject *stop)
{
    const struct lsm_range range = {.start = start, .stop = stop};
    struct lsmkv_range lent;
    lsm_range_lend(&range, &lent);
    lsmkv_batch *writes = collecting(batch);
    int rc =
        writes ? done(batch, lsmkv_batch_delete_range(writes, &lent.start, lent.has_stop ? &lent.stop : NULL)) : -1;
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return rc;
}

static int batch_assign(PyObject *self, PyObject *key, PyObject *value)
{
    PyObject *start, *stop;
    if (value && PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "a range of keys cannot be assigned to");
        return -1;
    }
    if (value)
        return put(as_batch(self), key, value, LSMKV_EXPIRY_DEFAULT);
    if (!PySlice_Check(key))
        return delete (as_batch(self), key);
    if (lsm_slice_bounds(&as_batch(self)->store->head, key, &start, &stop) < 0)
        return -1;
    return delete_between(as_batch(self), start, stop);
}

static PyObject *none_if(int rc)
{
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *batch_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"put", 2, 2, 3, {"", "", "ttl"}};
    PyObject *given[3];
    uint64_t expiry_ns;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 ||
        lsm_to_expiry(&as_batch(self)->store->head, given[2], &expiry_ns) < 0)
        return NULL;
    return none_if(put(as_batch(self), given[0], given[1], expiry_ns));
}

static PyObject *batch_delete(PyObject *self, PyObject *key)
{
    return none_if(delete (as_batch(self), key));
}

static PyObject *batch_delete_range(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct lsm_codec *codec = as_batch(self)->store->key_codec;
    PyObject *start = NULL, *stop = NULL;
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "delete_range() takes a start and a stop (%zd arguments given)", count);
        return NULL;
    }
    if (lsm_key_bound(codec, args[0], &start) < 0 || lsm_key_bound(codec, args[1], &stop) < 0) {
        Py_XDECREF(start);
        return NULL;
    }
    return none_if(delete_between(as_batch(self), start, stop));
}

/* The writes so far go before the merge, and new ones begin. */
static int add_merge(struct lsm_write_batch *batch, PyObject *key, PyObject *operand, PyObject *function)
{
    struct lsm_write_batch *root = root_of(batch);
    lsmkv_batch *fresh = NULL;
    if (!collecting(batch) || done(batch, lsmkv_batch_new(&fresh)) < 0)
        return -1;
    if (lsm_merge_steps_add(&root->merges, root->writes, batch->store, key, operand, function) < 0) {
        lsmkv_batch_free(fresh);
        return -1;
    }
    root->writes = fresh;
    root->used = NULL;
    return 0;
}

static PyObject *batch_merge(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"merge", 2, 3, 3, {"", "", "op"}};
    PyObject *given[3];
    if (lsm_params_read(&params, args, count, keywords, given) < 0)
        return NULL;
    PyObject *function = lsm_merge_function(given[2]); /* may run Python code, so it comes first */
    int rc = function ? add_merge(as_batch(self), given[0], given[1], function) : -1;
    Py_XDECREF(function);
    return none_if(rc);
}

static PyObject *batch_namespace(PyObject *self, PyObject *of)
{
    struct lsm_write_batch *root = root_of(as_batch(self));
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_store *wanted = lsm_same_store(root->store, of);
    if (!wanted || lsm_keep_space(&root->spaces, wanted) < 0)
        return NULL;
    struct lsm_write_batch *seen = (struct lsm_write_batch *)type->tp_alloc(type, 0);
    if (!seen)
        return NULL;
    seen->store = (struct lsm_store *)Py_NewRef(wanted);
    seen->base = (struct lsm_write_batch *)Py_NewRef(root);
    return (PyObject *)seen;
}

/* ---- with -------------------------------------------------------------------------------- */

static PyObject *batch_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_write_batch *batch = as_batch(self);
    if (lsm_enter(&batch->store->head) < 0)
        return NULL;
    if (batch->base) {
        PyErr_SetString(PyExc_ValueError, "this is a namespace of a batch: its block is the batch's own");
        return NULL;
    }
    if (batch->phase != NEW) {
        PyErr_SetString(PyExc_ValueError, "a batch has one block: take another one with db.batch()");
        return NULL;
    }
    batch->phase = COLLECTING;
    return Py_NewRef(self);
}

static int apply(struct lsm_write_batch *batch)
{
    struct lsm_store *store = batch->store;
    if (batch->merges.count) {
        batch->busy = 1; /* op may be any code: it must not end this batch meanwhile, nor may another thread */
        int applied = lsm_merge_steps_apply(&batch->merges, batch->writes, store, batch->sync);
        batch->busy = 0;
        return applied;
    }
    int rc = lsmkv_try_write(store->db, batch->writes, batch->sync, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        batch->busy = 1;
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_write(store->db, batch->writes, batch->sync, NULL);
        Py_END_ALLOW_THREADS batch->busy = 0;
    }
    return done(batch, rc);
}

static PyObject *batch_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct lsm_write_batch *batch = as_batch(self);
    int clean = count < 1 || args[0] == Py_None;
    if (batch->base || (clean && !collecting(batch)))
        return batch->base ? batch_enter(self, NULL) : NULL;
    if (!batch->busy && batch->phase != DONE) { /* DONE: perhaps it is being applied, and this is called by a merge */
        batch->phase = DONE;
        if (clean && apply(batch) < 0)
            return NULL;
        lsmkv_batch_reset(batch->writes);
        lsm_merge_steps_clear(&batch->merges);
        Py_CLEAR(batch->spaces);
    }
    Py_RETURN_FALSE;
}

static size_t sum(PyObject *self, size_t (*of)(const lsmkv_batch *), size_t each_merge)
{
    const struct lsm_write_batch *root = root_of(as_batch(self));
    if (root->busy)
        return 0;
    size_t total = of(root->writes);
    for (Py_ssize_t i = 0; i < root->merges.count; i++)
        total += of(root->merges.at[i].before) + each_merge;
    return total;
}

static Py_ssize_t batch_len(PyObject *self)
{
    return (Py_ssize_t)sum(self, lsmkv_batch_count, 1);
}

static PyObject *batch_nbytes(PyObject *self, void *Py_UNUSED(unused))
{
    return PyLong_FromSize_t(sum(self, lsmkv_batch_bytes, 0));
}

/* ---- the type ---------------------------------------------------------------------------- */

static int batch_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_batch(self)->store);
    Py_VISIT(as_batch(self)->base);
    Py_VISIT(as_batch(self)->spaces);
    return lsm_merge_steps_traverse(&as_batch(self)->merges, visit, arg);
}

/* What is merged may lead back here with nothing in between that has a tp_clear: b.merge(k, (b,), op=f). */
static int batch_clear(PyObject *self)
{
    lsm_merge_steps_clear(&as_batch(self)->merges);
    return 0;
}

static void batch_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (as_batch(self)->weakrefs)
        PyObject_ClearWeakRefs(self);
    if (as_batch(self)->writes)
        lsmkv_batch_free(as_batch(self)->writes);
    lsm_merge_steps_clear(&as_batch(self)->merges);
    Py_CLEAR(as_batch(self)->spaces);
    Py_CLEAR(as_batch(self)->base);
    Py_CLEAR(as_batch(self)->store);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *batch_repr(PyObject *self)
{
    static const char *const phases[] = {"not entered", "collecting", "over"};
    const struct lsm_write_batch *batch = as_batch(self);
    return PyUnicode_FromFormat("<lsmkv.WriteBatch on %R, %s, %zd writes>", batch->store->path,
                                phases[(int)root_of(as_batch(self))->phase], batch_len(self));
}

PyDoc_STRVAR(doc,
             "Writes to a store that are applied all together or not at all: `with db.batch() as b: b[k] = v`.\n\n"
             "They are applied, in their order, at a clean end of the block and dropped on an exception. Deleting\n"
             "does not ask whether the key is there. It serves one thread at a time.");
PyDoc_STRVAR(
    put_doc,
    "put($self, key, value, /, *, ttl=None)\n--\n\n"
    "Add a write of value under key, as b[key] = value does. ttl counts from now, in seconds.\nCost: one copy.");
PyDoc_STRVAR(merge_doc,
             "merge($self, key, operand, /, *, op)\n--\n\n"
             "Add a merge, as merge() of the store: the value is read, and op called, when the batch is applied, in\n"
             "the place where this stands. The whole batch is then one transaction. Cost: one lookup more a merge.");
PyDoc_STRVAR(namespace_doc, "namespace($self, ns, /)\n--\n\n"
                            "The same batch, writing into the namespace ns: what db.namespace() gave, or db "
                            "itself.\nCost: none. Raises ValueError for a namespace of another store.");
PyDoc_STRVAR(delete_doc,
             "delete($self, key, /)\n--\n\nAdd a deletion of key, as del b[key] does. Cost: one copy of the key.");
PyDoc_STRVAR(delete_range_doc,
             "delete_range($self, start, stop, /)\n--\n\n"
             "Add a deletion of every key with start <= key < stop, as del b[start:stop] does. It covers\n"
             "writes of this batch that come before it. Cost: one record.");

static PyMethodDef methods[] = {
    LSM_REFUSE_PICKLING,
    LSM_GENERIC,
    {"put", LSM_FAST(batch_put), METH_FASTCALL | METH_KEYWORDS, put_doc},
    {"merge", LSM_FAST(batch_merge), METH_FASTCALL | METH_KEYWORDS, merge_doc},
    {"namespace", batch_namespace, METH_O, namespace_doc},
    {"delete", batch_delete, METH_O, delete_doc},
    {"delete_range", LSM_FAST(batch_delete_range), METH_FASTCALL, delete_range_doc},
    {"__enter__", batch_enter, METH_NOARGS, NULL},
    {"__exit__", LSM_FAST(batch_exit), METH_FASTCALL, NULL},
    {0},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_write_batch, weakrefs), READONLY, NULL},
    {0},
};

static PyGetSetDef properties[] = {
    {"nbytes", batch_nbytes, NULL, "Bytes of keys and values collected.", NULL},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_traverse, batch_traverse},
    {Py_tp_clear, batch_clear},
    {Py_tp_repr, batch_repr},
    {Py_mp_length, batch_len},
    {Py_mp_ass_subscript, batch_assign},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec lsm_batch_spec = {
    .name = "lsmkv.WriteBatch",
    .basicsize = sizeof(struct lsm_write_batch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
