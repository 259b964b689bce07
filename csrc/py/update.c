/* update: pairs from anywhere, staged before the store is entered.
 *
 *   source --next()--> key, value --copied--> chunk (a batch, private) --one write--> store
 *
 * The source may be a generator that reads, writes or closes this very store: nothing is held while
 * it runs. A transaction needs no chunks: its own memory is one. A chunk is written when the next pair would take it over 1 MiB; a value too large to be
 * worth a second copy goes by itself, after the chunk before it. */
#include "py/update.h"

#include "py/write.h"

enum { CHUNK_BYTES = 1 << 20, PACE_RECORDS = 256 };

struct stage {
    struct lsm_source *source; /* borrowed */
    lsmkv_batch *chunk;        /* owned; NULL in a transaction */
    Py_ssize_t taken;        /* records so far, for messages */
    int pairs_only;          /* set_many: text is no pair, though it can be taken apart into two */
    struct lsm_pacer pacer;
};

/* ---- writing ----------------------------------------------------------------------------- */

static int write_chunk(struct stage *stage)
{
    struct lsm_source *source = stage->source;
    if (lsm_enter(source) < 0)
        return -1;
    if (!stage->chunk)
        return lsm_pace(&stage->pacer);
    lsmkv *db = source->store->db;
    int rc = lsmkv_try_write(db, stage->chunk, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_write(db, stage->chunk, -1, NULL);
        Py_END_ALLOW_THREADS
    }
    if (rc != 0)
        return lsm_fail(source, rc), -1;
    lsmkv_batch_reset(stage->chunk);
    rc = lsmkv_batch_use(stage->chunk, db);
    return rc == 0 ? lsm_pace(&stage->pacer) : (lsm_fail(source, rc), -1);
}

/* 0 when the chunk has room for so many bytes. */
static int make_room(struct stage *stage, size_t bytes, int by_itself)
{
    size_t held = lsmkv_batch_bytes(stage->chunk);
    return held > 0 && (by_itself || held + bytes > CHUNK_BYTES) ? write_chunk(stage) : 0;
}

/* After a record went into a transaction, where no chunk is ever written: signal handlers and others have their turn. */
static int done(struct stage *stage, int rc)
{
    return rc < 0 || stage->taken % PACE_RECORDS ? rc : lsm_pace(&stage->pacer);
}

static int add_bytes(struct stage *stage, const struct lsm_bytes *key, const struct lsm_bytes *value)
{
    int large = value->size > LSM_COPY_MAX;
    if (stage->chunk && make_room(stage, key->size + value->size, large) < 0)
        return -1;
    if (!stage->chunk || large)
        return done(stage, lsm_put(stage->source, key, value, LSMKV_EXPIRY_DEFAULT, -1, NULL));
    int rc = lsmkv_batch_put(stage->chunk, key->data, key->size, value->data, value->size);
    return rc == 0 ? 0 : (lsm_fail(stage->source, rc), -1);
}

static int add_delete(struct stage *stage, const struct lsm_bytes *key)
{
    if (!stage->chunk)
        return done(stage, lsm_delete(stage->source, key, -1, NULL));
    if (make_room(stage, key->size, 0) < 0)
        return -1;
    int rc = lsmkv_batch_delete(stage->chunk, key->data, key->size);
    return rc == 0 ? 0 : (lsm_fail(stage->source, rc), -1);
}

static int add(struct stage *stage, PyObject *key_object, PyObject *value_object)
{
    struct lsm_bytes key, value;
    const struct lsm_store *store = stage->source->store;
    if (lsm_key_take(&key, store->key_codec, key_object) < 0)
        return -1;
    int rc = lsm_value_take(&value, store->value_codec, value_object);
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
    if (stage->pairs_only && (PyUnicode_Check(item) || PyBytes_Check(item) || PyByteArray_Check(item))) {
        PyErr_Format(PyExc_TypeError, "element #%zd is not a (key, value) pair but %.100s", stage->taken,
                     Py_TYPE(item)->tp_name);
        return -1;
    }
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

static int add_deletes(struct stage *stage, PyObject *keys)
{
    PyObject *iterator = PyObject_GetIter(keys), *object;
    int rc = iterator ? 0 : -1;
    while (rc == 0 && (object = PyIter_Next(iterator)) != NULL) {
        struct lsm_bytes key;
        rc = lsm_key_take(&key, stage->source->store->key_codec, object);
        if (rc == 0) {
            rc = add_delete(stage, &key);
            lsm_bytes_drop(&key);
        }
        stage->taken++;
        Py_DECREF(object);
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
           Py_IS_TYPE(mapping, module->snapshot_type) || Py_IS_TYPE(mapping, module->range_type) ||
           Py_IS_TYPE(mapping, module->txn_type);
}

static int add_source(struct stage *stage, PyObject *source)
{
    PyObject *keys = NULL;
    if (has_one_pass(stage->source->module, source))
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

/* Pairs and nothing else: what iterates over its keys is refused before anything of it is stored. */
static int add_pairs_only(struct stage *stage, PyObject *source)
{
    PyObject *keys = PyObject_GetAttrString(source, "keys");
    stage->pairs_only = 1;
    if (keys) {
        Py_DECREF(keys);
        PyErr_Format(
            PyExc_TypeError,
            "set_many() takes (key, value) pairs, and iterating %.100s gives keys: use update(), or its items()",
            Py_TYPE(source)->tp_name);
        return -1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    return add_pairs(stage, source);
}

/* ---- methods ----------------------------------------------------------------------------- */

static int open_chunk(struct stage *stage)
{
    if (lsm_enter(stage->source) < 0)
        return -1;
    int rc = stage->source->snapshot ? 0 : lsmkv_batch_new(&stage->chunk);
    if (rc == 0 && stage->chunk)
        rc = lsmkv_batch_use(stage->chunk, stage->source->store->db);
    return rc == 0 ? 0 : (lsm_fail(stage->source, rc), -1);
}

static int write_all(PyObject *self, PyObject *from, int (*add_from)(struct stage *, PyObject *))
{
    struct stage stage = {.source = (struct lsm_source *)self};
    int rc = open_chunk(&stage);
    if (rc == 0)
        rc = add_from(&stage, from);
    if (rc == 0)
        rc = write_chunk(&stage); /* also when it is empty: the store must still be open */
    lsmkv_batch_free(stage.chunk);
    return rc;
}

static PyObject *none_or_null(int rc)
{
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

/* update(a=1): names are str, so only a store of str keys can take them. */
static int check_keywords(PyObject *self, PyObject *keywords)
{
    const struct lsm_codec *codec = ((struct lsm_source *)self)->store->key_codec;
    if (!keywords || PyDict_GET_SIZE(keywords) == 0 || (codec && codec->kind == LSM_CODEC_STR))
        return 0;
    PyErr_SetString(PyExc_TypeError, "update() takes keyword arguments only when keys are str: their names are. Use "
                                     "update({key: value})");
    return -1;
}

PyObject *lsm_target_update(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *source = NULL;
    if (!PyArg_UnpackTuple(args, "update", 0, 1, &source) || check_keywords(self, keywords) < 0)
        return NULL;
    int rc = source ? write_all(self, source, add_source) : lsm_enter((struct lsm_source *)self);
    if (rc == 0 && keywords && PyDict_GET_SIZE(keywords) > 0)
        rc = write_all(self, keywords, add_source);
    return none_or_null(rc);
}

PyObject *lsm_target_set_many(PyObject *self, PyObject *pairs)
{
    return none_or_null(write_all(self, pairs, add_pairs_only));
}

PyObject *lsm_target_delete_many(PyObject *self, PyObject *keys)
{
    return none_or_null(write_all(self, keys, add_deletes));
}

PyObject *lsm_target_or_update(PyObject *self, PyObject *other)
{
    if (!Py_TYPE(other)->tp_iter && !PySequence_Check(other))
        Py_RETURN_NOTIMPLEMENTED;
    return write_all(self, other, add_source) < 0 ? NULL : Py_NewRef(self);
}
