/* lsm_update: pairs from anywhere, staged before the store is entered.
 *
 *   source --next()--> key, value --copied--> chunk (a batch, private) --one write--> store
 *
 * The source may be a generator that reads, writes or closes this very store: nothing is held while
 * it runs. A chunk is written when the next pair would take it over 1 MiB; a value too large to be
 * worth a second copy goes by itself, after the chunk before it. */
#include "py/lsm_type.h"

enum { CHUNK_BYTES = 1 << 20 };

struct stage {
    struct lsm_store *store; /* borrowed */
    lsmkv_batch *chunk;      /* owned */
    Py_ssize_t taken;        /* pairs so far, for messages */
    struct lsm_pacer pacer;
};

/* ---- writing ----------------------------------------------------------------------------- */

static int write_chunk(struct stage *stage)
{
    struct lsm_store *store = stage->store;
    if (lsm_enter(&store->head) < 0)
        return -1;
    int rc = lsmkv_try_write(store->db, stage->chunk, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_write(store->db, stage->chunk, -1, NULL);
        Py_END_ALLOW_THREADS
    }
    if (rc != 0)
        return lsm_fail(&store->head, rc), -1;
    lsmkv_batch_reset(stage->chunk);
    return lsm_pace(&stage->pacer);
}

static int add_bytes(struct stage *stage, const struct lsm_bytes *key, const struct lsm_bytes *value)
{
    size_t held = lsmkv_batch_bytes(stage->chunk);
    if (held > 0 && (value->size > LSM_COPY_MAX || held + key->size + value->size > CHUNK_BYTES) &&
        write_chunk(stage) < 0)
        return -1;
    if (value->size > LSM_COPY_MAX)
        return lsm_store_put(stage->store, key, value, -1, NULL);
    int rc = lsmkv_batch_put(stage->chunk, key->data, key->size, value->data, value->size);
    return rc == 0 ? 0 : (lsm_fail(&stage->store->head, rc), -1);
}

static int add(struct stage *stage, PyObject *key_object, PyObject *value_object)
{
    struct lsm_bytes key, value;
    if (lsm_bytes_take(&key, key_object, "key") < 0)
        return -1;
    int rc = lsm_bytes_take(&value, value_object, "value");
    if (rc == 0) {
        rc = add_bytes(stage, &key, &value);
        lsm_bytes_drop(&value);
    }
    lsm_bytes_drop(&key);
    stage->taken++;
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------- */

static int add_sequence(struct stage *stage, PyObject *item)
{
    PyObject *pair = PySequence_Fast(item, "");
    if (!pair) {
        if (PyErr_ExceptionMatches(PyExc_TypeError))
            PyErr_Format(PyExc_TypeError, "element #%zd is not a (key, value) pair but %.100s", stage->taken,
                         Py_TYPE(item)->tp_name);
        return -1;
    }
    int rc = -1;
    if (PySequence_Fast_GET_SIZE(pair) == 2) {
        PyObject *key = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 0));
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(pair, 1));
        rc = add(stage, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    } else {
        PyErr_Format(PyExc_ValueError, "element #%zd has length %zd; 2 is required: (key, value)", stage->taken,
                     PySequence_Fast_GET_SIZE(pair));
    }
    Py_DECREF(pair);
    return rc;
}

static int add_item(struct stage *stage, PyObject *item)
{
    if (PyTuple_CheckExact(item) && PyTuple_GET_SIZE(item) == 2)
        return add(stage, PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1));
    return add_sequence(stage, item);
}

static int add_pairs(struct stage *stage, PyObject *pairs)
{
    PyObject *iterator = PyObject_GetIter(pairs), *item;
    int rc = iterator ? 0 : -1;
    while (rc == 0 && (item = PyIter_Next(iterator)) != NULL) {
        rc = add_item(stage, item);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    return rc == 0 && PyErr_Occurred() ? -1 : rc;
}

/* A mapping of a kind we know: its items() is one pass. */
static int add_items_of(struct stage *stage, PyObject *mapping)
{
    PyObject *items = PyObject_CallMethod(mapping, "items", NULL);
    int rc = items ? add_pairs(stage, items) : -1;
    Py_XDECREF(items);
    return rc;
}

/* Any other mapping, as dict.update reads it: keys(), then [key] for each. */
static int add_mapping(struct stage *stage, PyObject *mapping)
{
    PyObject *keys = PyObject_CallMethod(mapping, "keys", NULL);
    PyObject *iterator = keys ? PyObject_GetIter(keys) : NULL, *key;
    int rc = iterator ? 0 : -1;
    while (rc == 0 && (key = PyIter_Next(iterator)) != NULL) {
        PyObject *value = PyObject_GetItem(mapping, key);
        rc = value ? add(stage, key, value) : -1;
        Py_XDECREF(value);
        Py_DECREF(key);
    }
    Py_XDECREF(iterator);
    Py_XDECREF(keys);
    return rc == 0 && PyErr_Occurred() ? -1 : rc;
}

static int has_one_pass(const struct lsm_module *module, PyObject *mapping)
{
    return PyDict_CheckExact(mapping) || Py_IS_TYPE(mapping, module->store_type) ||
           Py_IS_TYPE(mapping, module->snapshot_type) || Py_IS_TYPE(mapping, module->range_type);
}

static int add_source(struct stage *stage, PyObject *source)
{
    PyObject *keys = NULL;
    if (has_one_pass(stage->store->head.module, source))
        return add_items_of(stage, source);
    keys = PyObject_GetAttrString(source, "keys");
    if (keys) {
        Py_DECREF(keys);
        return add_mapping(stage, source);
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return add_pairs(stage, source);
}

/* ---- methods ----------------------------------------------------------------------------- */

static int write_all(struct lsm_store *store, PyObject *source, int (*add_from)(struct stage *, PyObject *))
{
    struct stage stage = {.store = store};
    if (lsm_enter(&store->head) < 0)
        return -1;
    int rc = lsmkv_batch_new(&stage.chunk);
    if (rc != 0)
        return lsm_fail(&store->head, rc), -1;
    rc = add_from(&stage, source);
    if (rc == 0)
        rc = write_chunk(&stage); /* also when it is empty: the store must still be open */
    lsmkv_batch_free(stage.chunk);
    return rc;
}

PyObject *lsm_store_update(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *source = NULL;
    if (keywords && PyDict_GET_SIZE(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "update() takes no keyword arguments: their names are str and keys are bytes. "
                                         "Use update({b\"name\": value})");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "update", 0, 1, &source) ||
        (!source ? lsm_enter((struct lsm_source *)self) : write_all((struct lsm_store *)self, source, add_source)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *lsm_store_set_many(PyObject *self, PyObject *pairs)
{
    if (write_all((struct lsm_store *)self, pairs, add_pairs) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *lsm_store_or_update(PyObject *self, PyObject *other)
{
    if (!Py_TYPE(other)->tp_iter && !PySequence_Check(other))
        Py_RETURN_NOTIMPLEMENTED;
    return write_all((struct lsm_store *)self, other, add_source) < 0 ? NULL : Py_NewRef(self);
}
