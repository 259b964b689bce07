/* lsm_write: one record each. Four beats: take the arguments, enter, try, and only then wait. */
#include "py/lsm_type.h"
#include "py/range.h"

int lsm_store_put(struct lsm_store *store, const struct lsm_bytes *key, const struct lsm_bytes *value, int sync,
                  uint64_t *lsn)
{
    if (lsm_enter(&store->head) < 0)
        return -1;
    int rc = lsmkv_try_put(store->db, key->data, key->size, value->data, value->size, sync, lsn);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_put(store->db, key->data, key->size, value->data, value->size, sync, lsn);
        Py_END_ALLOW_THREADS
    }
    return rc == 0 ? 0 : (lsm_fail(&store->head, rc), -1);
}

/* Blind. */
static int delete_key(struct lsm_store *store, const struct lsm_bytes *key, int sync, uint64_t *lsn)
{
    if (lsm_enter(&store->head) < 0)
        return -1;
    int rc = lsmkv_try_delete(store->db, key->data, key->size, sync, lsn);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_delete(store->db, key->data, key->size, sync, lsn);
        Py_END_ALLOW_THREADS
    }
    return rc == 0 ? 0 : (lsm_fail(&store->head, rc), -1);
}

/* Only what is there: 1, 0 when it is not, -1 with an exception. */
static int remove_key(struct lsm_store *store, const struct lsm_bytes *key)
{
    if (lsm_enter(&store->head) < 0)
        return -1;
    int rc = lsmkv_try_remove(store->db, key->data, key->size, -1, NULL);
    if (rc == LSMKV_WOULDBLOCK) {
        Py_BEGIN_ALLOW_THREADS rc = lsmkv_remove(store->db, key->data, key->size, -1, NULL);
        Py_END_ALLOW_THREADS
    }
    if (rc < 0)
        lsm_fail(&store->head, rc);
    return rc < 0 ? -1 : rc == 0;
}

/* start and stop: exact bytes or NULL. */
static int delete_between(struct lsm_store *store, PyObject *start, PyObject *stop, int sync, uint64_t *lsn)
{
    const struct lsm_range range = {.start = start, .stop = stop};
    struct lsmkv_range lent;
    int rc;
    if (lsm_enter(&store->head) < 0)
        return -1;
    lsm_range_lend(&range, &lent);
    Py_BEGIN_ALLOW_THREADS rc =
        lsmkv_delete_range(store->db, &lent.start, lent.has_stop ? &lent.stop : NULL, sync, lsn);
    Py_END_ALLOW_THREADS return rc == 0 ? 0 : (lsm_fail(&store->head, rc), -1);
}

/* ---- d[...] ------------------------------------------------------------------------------ */

static int set_item(struct lsm_store *store, PyObject *key_object, PyObject *value_object)
{
    struct lsm_bytes key, value;
    if (lsm_bytes_take(&key, key_object, "key") < 0)
        return -1;
    int rc = lsm_bytes_take(&value, value_object, "value");
    if (rc == 0) {
        rc = lsm_store_put(store, &key, &value, -1, NULL);
        lsm_bytes_drop(&value);
    }
    lsm_bytes_drop(&key);
    return rc;
}

static int delete_item(struct lsm_store *store, PyObject *object)
{
    struct lsm_bytes key;
    if (lsm_bytes_take(&key, object, "key") < 0)
        return -1;
    int removed = remove_key(store, &key);
    lsm_bytes_drop(&key);
    if (removed == 0)
        PyErr_SetObject(PyExc_KeyError, object);
    return removed > 0 ? 0 : -1;
}

static int delete_slice(struct lsm_store *store, PyObject *slice)
{
    PyObject *start, *stop;
    if (lsm_slice_bounds(slice, &start, &stop) < 0)
        return -1;
    int rc = delete_between(store, start, stop, -1, NULL);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return rc;
}

int lsm_store_assign(PyObject *self, PyObject *key, PyObject *value)
{
    struct lsm_store *store = (struct lsm_store *)self;
    if (!PySlice_Check(key))
        return value ? set_item(store, key, value) : delete_item(store, key);
    if (!value)
        return delete_slice(store, key);
    PyErr_SetString(PyExc_TypeError, "a range of keys cannot be assigned to: use update(), and del d[a:b] to clear it");
    return -1;
}

/* ---- methods ----------------------------------------------------------------------------- */

PyObject *lsm_store_put_method(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"put", 2, 2, 3, {"", "", "sync"}};
    PyObject *given[3];
    struct lsm_bytes key, value;
    uint64_t lsn = 0;
    int sync;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[2], &sync) < 0 ||
        lsm_bytes_take(&key, given[0], "key") < 0)
        return NULL;
    int rc = lsm_bytes_take(&value, given[1], "value");
    if (rc == 0) {
        rc = lsm_store_put((struct lsm_store *)self, &key, &value, sync, &lsn);
        lsm_bytes_drop(&value);
    }
    lsm_bytes_drop(&key);
    return rc == 0 ? PyLong_FromUnsignedLongLong(lsn) : NULL;
}

PyObject *lsm_store_delete(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"delete", 1, 1, 2, {"", "sync"}};
    PyObject *given[2];
    struct lsm_bytes key;
    uint64_t lsn = 0;
    int sync;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[1], &sync) < 0 ||
        lsm_bytes_take(&key, given[0], "key") < 0)
        return NULL;
    int rc = delete_key((struct lsm_store *)self, &key, sync, &lsn);
    lsm_bytes_drop(&key);
    return rc == 0 ? PyLong_FromUnsignedLongLong(lsn) : NULL;
}

PyObject *lsm_store_delete_range(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"delete_range", 2, 2, 3, {"", "", "sync"}};
    PyObject *given[3], *start = NULL, *stop = NULL;
    uint64_t lsn = 0;
    int sync, rc = -1;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_sync(given[2], &sync) < 0)
        return NULL;
    if (lsm_to_bound(given[0], &start) == 0 && lsm_to_bound(given[1], &stop) == 0)
        rc = delete_between((struct lsm_store *)self, start, stop, sync, &lsn);
    Py_XDECREF(start);
    Py_XDECREF(stop);
    return rc == 0 ? PyLong_FromUnsignedLongLong(lsn) : NULL;
}

PyObject *lsm_store_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (delete_between((struct lsm_store *)self, NULL, NULL, -1, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}
