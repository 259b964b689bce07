/* namespace: other key spaces of the same store, as stores of their own; and one of them seen through a snapshot, a
 * transaction or a batch. */
#ifndef LSM_PY_NAMESPACE_H
#define LSM_PY_NAMESPACE_H

#include "py/call.h"

PyObject *lsm_store_namespace(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_store_namespaces(PyObject *self, PyObject *unused);
PyObject *lsm_store_drop_namespace(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

/* Snapshot.namespace(ns) and Transaction.namespace(ns). */
PyObject *lsm_source_namespace(PyObject *self, PyObject *of);

/* `of` as a namespace, or the default one, of the store that `store` belongs to: borrowed; NULL with an exception. */
struct lsm_store *lsm_same_store(const struct lsm_store *store, PyObject *of);

/* Add a namespace to the list at *spaces (NULL: there is none yet): a batch or a transaction that writes to it needs it
 * open at its end, and tx.namespace(db.namespace("n"))[k] = v leaves that object to nobody else. 0, or -1. */
int lsm_keep_space(PyObject **spaces, struct lsm_store *space);

PyDoc_STRVAR(
    lsm_namespace_doc,
    "namespace($self, name, /, *, key='bytes', value='bytes', ttl=None, create=True)\n--\n\n"
    "The namespace called name: an LSM of its own, whose keys meet no others, in the same store.\n\n"
    "key and value are its codecs, ttl its default time to live in seconds; they are stored when it is made and\n"
    "must agree later (ttl=None: whatever it is). create=False raises KeyError when it is not there. Batches, "
    "snapshots and transactions\n"
    "reach across: tx.namespace(ns). flush(), stats() and the like are the whole store's. Closing the store\n"
    "closes it. Cost: one lookup; one small write when it is made.\n\n"
    ">>> users = db.namespace(\"users\", key=\"i64\", value=\"json\")\n"
    ">>> users[7] = {\"name\": \"Ada\"}\n"
    ">>> len(db), dict(users)\n"
    "(0, {7: {'name': 'Ada'}})");
PyDoc_STRVAR(lsm_namespaces_doc,
             "namespaces($self, /)\n--\n\n"
             "A dict of the namespaces there are: name -> {'key', 'value', 'ttl', 'id'}. The id is how the keys of\n"
             "levels tell namespaces apart; no other one gets it. Cost: a scan over the names.\n\n"
             ">>> ns = db.namespace(\"cache\", value=\"str\", ttl=60)\n"
             ">>> db.namespaces()\n"
             "{'cache': {'key': 'bytes', 'value': 'str', 'ttl': 60.0, 'id': 1}}");
PyDoc_STRVAR(
    lsm_drop_namespace_doc,
    "drop_namespace($self, name, /, *, sync=None)\n--\n\n"
    "Remove a namespace and all that is in it; KeyError when there is none of that name.\n\n"
    "Objects that stand for it are closed. Cost: two records, whatever it holds; the space comes back when runs\n"
    "are merged.");
PyDoc_STRVAR(
    lsm_derived_namespace_doc,
    "namespace($self, ns, /)\n--\n\n"
    "The same moment, or transaction, seen in the namespace ns: what db.namespace() gave, or db itself.\nCost: none.");

#define LSM_NAMESPACE_METHODS                                                                                       \
    {"namespace", LSM_FAST(lsm_store_namespace), METH_FASTCALL | METH_KEYWORDS, lsm_namespace_doc},                 \
        {"namespaces", lsm_store_namespaces, METH_NOARGS, lsm_namespaces_doc},                                      \
    {                                                                                                               \
        "drop_namespace", LSM_FAST(lsm_store_drop_namespace), METH_FASTCALL | METH_KEYWORDS, lsm_drop_namespace_doc \
    }

#define LSM_DERIVED_NAMESPACE_METHOD {"namespace", lsm_source_namespace, METH_O, lsm_derived_namespace_doc}

#endif
