/* write: one record each, to a store or into a transaction; and the methods LSM and Transaction share because of it.
 *
 *   source->txn NULL     the store itself, at once; try, and only then wait
 *   else                 the transaction's private memory, until its block ends */
#ifndef LSM_PY_WRITE_H
#define LSM_PY_WRITE_H

#include "py/read.h"

/* 0, or -1 with an exception. expiry_ns and sync as in lsmkv_put_until (a transaction has no sync of its own writes, and
 * no LSN before it commits: 0). lsn may be NULL. */
int lsm_put(struct lsm_source *source, const struct lsm_bytes *key, const struct lsm_bytes *value, uint64_t expiry_ns,
            int sync, uint64_t *lsn);
/* The same with objects. */
int lsm_set_item(struct lsm_source *source, PyObject *key, PyObject *value, uint64_t expiry_ns, int sync,
                 uint64_t *lsn);
/* Blind. */
int lsm_delete(struct lsm_source *source, const struct lsm_bytes *key, int sync, uint64_t *lsn);
/* Only what is there: 1, 0 when it is not, -1 with an exception. The value is not looked at. */
int lsm_remove(struct lsm_source *source, const struct lsm_bytes *key);
/* start and stop: exact bytes or NULL. */
int lsm_delete_between(struct lsm_source *source, PyObject *start, PyObject *stop, int sync, uint64_t *lsn);

/* Only if nobody has written the key since `seen`: 1, 0 when somebody has (read again), -1 with an exception. In a
 * transaction always 1: what was read is looked at when it commits. */
int lsm_put_if(struct lsm_source *source, uint64_t seen, const struct lsm_bytes *key, const struct lsm_bytes *value,
               uint64_t expiry_ns);
int lsm_delete_if(struct lsm_source *source, uint64_t seen, const struct lsm_bytes *key);

/* d[k] = v, del d[k], del d[a:b]. */
int lsm_target_assign(PyObject *self, PyObject *key, PyObject *value);
PyObject *lsm_target_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_delete(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_delete_range(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_clear(PyObject *self, PyObject *unused);

PyDoc_STRVAR(lsm_put_doc,
             "put($self, key, value, /, *, ttl=None, sync=None)\n--\n\n"
             "Store value under key, as self[key] = value does, and return the write's LSN (0 in a transaction).\n\n"
             "ttl is a number of seconds after which the key is absent; None follows the store, math.inf is for ever.\n"
             "sync=True returns once it is on the disk, sync=False does not wait for that even where the store's\n"
             "durability is \"always\", None follows the store. Cost: one copy of the value into the log in memory; no "
             "system call.\n"
             "Raises TypeError, ValueError (a key above 65535 bytes, a value above 1 GiB), ReadOnlyError,\n"
             "DiskFullError, StorageError, ClosedError.\n\n"
             ">>> lsn = db.put(\"session\", \"token\", ttl=3600, sync=True)");
PyDoc_STRVAR(lsm_delete_doc,
             "delete($self, key, /, *, sync=None)\n--\n\n"
             "Delete key without asking whether it is there, and return the write's LSN. del self[key] asks, and\n"
             "raises KeyError. sync and cost as for put().");
PyDoc_STRVAR(
    lsm_delete_range_doc,
    "delete_range($self, start, stop, /, *, sync=None)\n--\n\n"
    "Delete every key with start <= key < stop, as del self[start:stop] does, and return the LSN. None is no\n"
    "bound. Cost: one record, however many keys it covers; their space comes back when that has been flushed (in\n"
    "time, or by flush()) and runs are merged.\n\n"
    ">>> db.update(a=\"1\", b=\"2\", c=\"3\")\n"
    ">>> lsn = db.delete_range(\"a\", \"c\")\n"
    ">>> list(db)\n"
    "['c']");
PyDoc_STRVAR(lsm_clear_doc, "clear($self, /)\n--\n\nDelete everything. Cost: one record, as for delete_range().");

#define LSM_WRITE_METHODS                                                                                         \
    {"put", LSM_FAST(lsm_target_put), METH_FASTCALL | METH_KEYWORDS, lsm_put_doc},                                \
        {"delete", LSM_FAST(lsm_target_delete), METH_FASTCALL | METH_KEYWORDS, lsm_delete_doc},                   \
        {"delete_range", LSM_FAST(lsm_target_delete_range), METH_FASTCALL | METH_KEYWORDS, lsm_delete_range_doc}, \
    {                                                                                                             \
        "clear", lsm_target_clear, METH_NOARGS, lsm_clear_doc                                                     \
    }

#endif
