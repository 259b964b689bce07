/* expiry: from seconds to the moment at which a key is gone, and the methods about it. */
#ifndef LSM_PY_EXPIRY_H
#define LSM_PY_EXPIRY_H

#include "py/read.h"

/* ttl=: None or NULL is the store's default, math.inf never, else a number of seconds above 0 from now on the store's
 * clock. Runs Python code; the store need not be open. 0 or -1. */
int lsm_to_expiry(const struct lsm_source *source, PyObject *ttl, uint64_t *expiry_ns);

/* A default time to live: None or NULL is 0, for ever; else seconds above 0, in milliseconds. 0 or -1. */
int lsm_to_ttl(PyObject *ttl, uint64_t *milliseconds);

PyObject *lsm_source_ttl(PyObject *self, PyObject *key);

/* Functions of the module, for a dump that loses nothing: seconds from now would. */
PyObject *lsm_expires_at(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *lsm_put_until(PyObject *module, PyObject *const *args, Py_ssize_t count);

PyDoc_STRVAR(lsm_source_ttl_doc,
             "ttl($self, key, /)\n--\n\n"
             "Seconds until key expires, a float; None when it never does. Raises KeyError when it is absent.\n\n"
             "Cost: one lookup.\n\n"
             ">>> db.put(\"session\", \"token\", ttl=3600) and round(db.ttl(\"session\"))\n"
             "3600");

PyDoc_STRVAR(lsm_expires_at_doc,
             "expires_at(source, key, /)\n--\n\n"
             "When key of a store, snapshot or transaction expires, in nanoseconds since 1970; None: never. KeyError\n"
             "when it is absent.");
PyDoc_STRVAR(
    lsm_put_until_doc,
    "put_until(target, key, value, expires_at, /)\n--\n\n"
    "Store value under key in a store or transaction, until a moment as expires_at() gives it. One that is past\n"
    "leaves the key absent.");

#define LSM_EXPIRY_METHODS {"ttl", lsm_source_ttl, METH_O, lsm_source_ttl_doc}

#endif
