/* write: one record each. Four beats: take the arguments, enter, try, and only then wait. */
#include "py/write.h"

#include "py/expiry.h"
#include "py/range.h"

static int finish(struct lsm_source *source, int rc)
{
    return rc == 0 ? 0 : (lsm_fail(source, rc), -1);
}

/* A conditional write's answer. */
static int decide(struct lsm_source *source, int rc)
{
    if (rc < 0)
        lsm_fail(source, rc);
    return rc < 0 ? -1 : rc == 0;
}

/* ---- into a transaction -------------------------------------------------------------------- */

static int txn_put(struct lsm_source *source, const struct lsm_bytes *key, const struct lsm_bytes *value,
                   uint64_t expiry_ns)
{
    lsmkv *db = source->store->db;
    lsmkv_txn *txn = source->txn;
    int rc;
    if (value->size <= LSM_COPY_MAX)
        return finish(source, lsmkv_txn_put(txn, db, key->data, key->size, value->data, value->size, expiry_ns));
    lsm_pin(source);
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_txn_put(txn, db, key->data, key->size, value->data, value->size, expiry_ns);
    Py_END_ALLOW_THREADS rc = finish(source, rc);
    lsm_unpin(source);
    return rc;
}

/* ---- one record ---------------------------------------------------------------------------- */

int lsm_put(struct lsm_source *source, const struct lsm_bytes *key, const struct lsm_bytes *value, uint64_t expiry_ns,
            int sync, uint64_t *lsn)
{
    if (lsm_enter(source) < 0)
        return -1;
    if (source->snapshot)
        return txn_put(source, key, value, expiry_ns);
    lsmkv *db = source->store->db;
    int rc = lsmkv_try_put_until(db, key->data, key->size, value->data, value->size, expiry_ns, sync, lsn);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc =
            lsmkv_put_until(db, key->data, key->size, value->data, value->size, expiry_ns, sync, lsn);
        Py_END_ALLOW_THREADS
    }
    return finish(source, rc);
}

int lsm_delete(struct lsm_source *source, const struct lsm_bytes *key, int sync, uint64_t *lsn)
{
    if (lsm_enter(source) < 0)
        return -1;
    lsmkv *db = source->store->db;
    if (source->snapshot)
        return finish(source, lsmkv_txn_delete(source->txn, db, key->data, key->size));
    int rc = lsmkv_try_delete(db, key->data, key->size, sync, lsn);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_delete(db, key->data, key->size, sync, lsn);
        Py_END_ALLOW_THREADS
    }
    return finish(source, rc);
}

int lsm_remove(struct lsm_source *source, const struct lsm_bytes *key)
{
    if (source->snapshot) {
        int there = lsm_has(source, key);
        return there > 0 && lsm_delete(source, key, -1, NULL) < 0 ? -1 : there;
    }
    if (lsm_enter(source) < 0)
        return -1;
    lsmkv *db = source->store->db;
    int rc = lsmkv_try_remove(db, key->data, key->size, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_remove(db, key->data, key->size, -1, NULL);
        Py_END_ALLOW_THREADS
    }
    return decide(source, rc);
}

int lsm_delete_between(struct lsm_source *source, PyObject *start, PyObject *stop, int sync, uint64_t *lsn)
{
    const struct lsm_range range = {.start = start, .stop = stop};
    struct lsmkv_range lent;
    int rc;
    if (lsm_enter(source) < 0)
        return -1;
    lsm_range_lend(&range, &lent);
    const struct lsmkv_slice *end = lent.has_stop ? &lent.stop : NULL;
    lsmkv *db = source->store->db;
    if (source->snapshot)
        return finish(source, lsmkv_txn_delete_range(source->txn, db, &lent.start, end));
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_delete_range(db, &lent.start, end, sync, lsn);
    Py_END_ALLOW_THREADS return finish(source, rc);
}

/* ---- conditional --------------------------------------------------------------------------- */

int lsm_put_if(struct lsm_source *source, uint64_t seen, const struct lsm_bytes *key, const struct lsm_bytes *value,
               uint64_t expiry_ns)
{
    if (source->snapshot)
        return lsm_put(source, key, value, expiry_ns, -1, NULL) < 0 ? -1 : 1;
    if (lsm_enter(source) < 0)
        return -1;
    lsmkv *db = source->store->db;
    int rc = lsmkv_try_put_if(db, seen, key->data, key->size, value->data, value->size, expiry_ns, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc =
            lsmkv_put_if(db, seen, key->data, key->size, value->data, value->size, expiry_ns, -1, NULL);
        Py_END_ALLOW_THREADS
    }
    return decide(source, rc);
}

int lsm_delete_if(struct lsm_source *source, uint64_t seen, const struct lsm_bytes *key)
{
    if (source->snapshot)
        return lsm_delete(source, key, -1, NULL) < 0 ? -1 : 1;
    if (lsm_enter(source) < 0)
        return -1;
    lsmkv *db = source->store->db;
    int rc = lsmkv_try_delete_if(db, seen, key->data, key->size, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_delete_if(db, seen, key->data, key->size, -1, NULL);
        Py_END_ALLOW_THREADS
    }
    return decide(source, rc);
}

/* ---- d[...] ------------------------------------------------------------------------------ */

int lsm_set_item(struct lsm_source *source, PyObject *key_object, PyObject *value_object, uint64_t expiry_ns, int sync,
                 uint64_t *lsn)
{
    struct lsm_bytes key, value;
    if (lsm_key_take(&key, source->store->key_codec, key_object) < 0)
        return -1;
    int rc = lsm_value_take(&value, source->store->value_codec, value_object);
    if (rc == 0) {
        rc = lsm_put(source, &key, &value, expiry_ns, sync, lsn);
        lsm_bytes_drop(&value);
    }
    lsm_bytes_drop(&key);
    return rc;
}

static int delete_item(struct lsm_source *source, PyObject *object)
{
    struct lsm_bytes key;
    if (lsm_key_take(&key, source->store->key_codec, object) < 0)
        return -1;
    int removed = lsm_remove(source, &key);
    lsm_bytes_drop(&key);
    if (removed == 0)
        PyErr_SetObject(PyExc_KeyError, object);
    return removed > 0 ? 0 : -1;
}

static int delete_slice(struct lsm_source *source, PyObject *slice)
{
    PyObject *start, *stop;
    if (lsm_slice_bounds(source, slice, &start, &stop) < 0)
        return -1;
    int rc = lsm_delete_between(source, start, stop, -1, NULL);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return rc;
}

int lsm_target_assign(PyObject *self, PyObject *key, PyObject *value)
{
    struct lsm_source *source = (struct lsm_source *)self;
    if (!PySlice_Check(key))
        return value ? lsm_set_item(source, key, value, LSMKV_EXPIRY_DEFAULT, -1, NULL) : delete_item(source, key);
    if (!value)
        return delete_slice(source, key);
    PyErr_SetString(PyExc_TypeError, "a range of keys cannot be assigned to: use update(), and del d[a:b] to clear it");
    return -1;
}

/* ---- methods ----------------------------------------------------------------------------- */

PyObject *lsm_target_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"put", 2, 2, 4, {"", "", "ttl", "sync"}};
    struct lsm_source *source = (struct lsm_source *)self;
    PyObject *given[4];
    uint64_t lsn = 0, expiry_ns;
    int sync;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[3], &sync) < 0 ||
        lsm_to_expiry(source, given[2], &expiry_ns) < 0 ||
        lsm_set_item(source, given[0], given[1], expiry_ns, sync, &lsn) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(lsn);
}

PyObject *lsm_target_delete(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"delete", 1, 1, 2, {"", "sync"}};
    struct lsm_source *source = (struct lsm_source *)self;
    PyObject *given[2];
    struct lsm_bytes key;
    uint64_t lsn = 0;
    int sync;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[1], &sync) < 0 ||
        lsm_key_take(&key, source->store->key_codec, given[0]) < 0)
        return NULL;
    int rc = lsm_delete(source, &key, sync, &lsn);
    lsm_bytes_drop(&key);
    return rc == 0 ? PyLong_FromUnsignedLongLong(lsn) : NULL;
}

PyObject *lsm_target_delete_range(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"delete_range", 2, 2, 3, {"", "", "sync"}};
    struct lsm_source *source = (struct lsm_source *)self;
    PyObject *given[3], *start = NULL, *stop = NULL;
    uint64_t lsn = 0;
    int sync, rc = -1;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[2], &sync) < 0)
        return NULL;
    if (lsm_key_bound(source->store->key_codec, given[0], &start) == 0 &&
        lsm_key_bound(source->store->key_codec, given[1], &stop) == 0)
        rc = lsm_delete_between(source, start, stop, sync, &lsn);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return rc == 0 ? PyLong_FromUnsignedLongLong(lsn) : NULL;
}

PyObject *lsm_target_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (lsm_delete_between((struct lsm_source *)self, NULL, NULL, -1, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}
