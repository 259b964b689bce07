/* value_view: the exporter behind the memoryview that get_view() returns. It needs nothing of the store. */
#include "py/value_view.h"

struct lsm_value_view {
    PyObject_HEAD struct lsmkv_slice value; /* lent by: */
    lsmkv_view *view;                       /* owned */
    unsigned generation;                    /* lsm_fork_generation when it was lent */
};

/* 1, 0 when the key is absent, -1 with an exception. */
static int lend(struct lsm_source *source, const struct lsm_bytes *key, struct lsm_value_view *out)
{
    int rc;
    if (lsm_enter(source) < 0)
        return -1;
    lsm_pin(source);
    lsmkv *db = source->store->db;
    const lsmkv_snapshot *snapshot = source->snapshot;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_view_begin(db, snapshot, key->data, key->size, &out->value, &out->view);
    Py_END_ALLOW_THREADS if (rc < 0) lsm_fail(source, rc);
    lsm_unpin(source);
    return rc < 0 ? -1 : rc == 0;
}

PyObject *lsm_source_get_view(PyObject *self, PyObject *object)
{
    struct lsm_source *source = (struct lsm_source *)self;
    PyTypeObject *type = source->module->value_view_type;
    struct lsm_bytes key;
    if (lsm_key_take(&key, source->store->key_codec, object) < 0)
        return NULL;
    struct lsm_value_view *lent = (struct lsm_value_view *)type->tp_alloc(type, 0);
    int found = -1;
    if (lent) {
        lent->generation = lsm_fork_generation;
        found = lend(source, &key, lent);
    }
    lsm_bytes_drop(&key);
    PyObject *view = found > 0 ? PyMemoryView_FromObject((PyObject *)lent) : NULL;
    Py_XDECREF(lent);
    return found == 0 ? Py_NewRef(Py_None) : view;
}

static int get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    struct lsm_value_view *lent = (struct lsm_value_view *)self;
    return PyBuffer_FillInfo(buffer, self, (void *)lent->value.data, (Py_ssize_t)lent->value.size, 1, flags);
}

static void view_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_value_view *lent = (struct lsm_value_view *)self;
    if (lent->view && lent->generation == lsm_fork_generation)
        lsmkv_view_end(lent->view);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "What a memoryview that get_view() returned keeps."},
    {Py_tp_dealloc, view_dealloc},
    {Py_bf_getbuffer, get_buffer},
    {0, NULL},
};

PyType_Spec lsm_value_view_spec = {
    .name = "lsmkv.ValueView",
    .basicsize = sizeof(struct lsm_value_view),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
