/* read: looking keys up in a source, and the methods LSM, Snapshot and Transaction share because of it. */
#ifndef LSM_PY_READ_H
#define LSM_PY_READ_H

#include "py/args.h"
#include "py/call.h"
#include "py/codec.h"

/* 1 and the value as an object, 0 when the key is absent, -1 with an exception. */
int lsm_read(struct lsm_source *source, const struct lsm_bytes *key, PyObject **value);

/* What is stored: the value's bytes, until when, and the LSN at which that held. */
struct lsm_record {
    PyObject *raw; /* owned: exact bytes; NULL when absent */
    uint64_t expiry_ns, seen;
};
/* As lsm_read, undecoded. `seen` is set when the key is absent too. */
int lsm_read_record(struct lsm_source *source, const struct lsm_bytes *key, struct lsm_record *record);

/* 1, 0, or -1 with an exception. The value is not looked at. */
int lsm_has(struct lsm_source *source, const struct lsm_bytes *key);

/* Slots, methods and properties; self is a struct lsm_source. */
PyObject *lsm_source_key_codec(PyObject *self, void *unused);
PyObject *lsm_source_value_codec(PyObject *self, void *unused);
#define LSM_CODEC_PROPERTIES                                                                                   \
    {"key_codec", lsm_source_key_codec, NULL, "The name of the codec of keys, as it is stored.", NULL},        \
    {                                                                                                          \
        "value_codec", lsm_source_value_codec, NULL, "The name of the codec of values, as it is stored.", NULL \
    }

int lsm_source_contains(PyObject *self, PyObject *key);
PyObject *lsm_source_subscript(PyObject *self, PyObject *key);
PyObject *lsm_source_get(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *lsm_source_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);

PyDoc_STRVAR(lsm_source_get_doc,
             "get($self, key, default=None, /)\n--\n\n"
             "The value of key, or default when it is absent.\n\n"
             "Cost: two cache misses in memory, however many tables there are; one page read when it is not\n"
             "resident. Raises TypeError for a key the codec does not take, CorruptionError, ClosedError.\n\n"
             ">>> db[\"apple\"] = \"red\"\n"
             ">>> db.get(\"apple\"), db.get(\"kiwi\", \"?\")\n"
             "('red', '?')");
PyDoc_STRVAR(lsm_source_get_many_doc,
             "get_many($self, keys, default=None)\n--\n\n"
             "The values of an iterable of keys, as a list in their order; default stands for an absent one.\n\n"
             "Cost: sixteen lookups are in flight together, so about a third of as many get() calls. Writes by\n"
             "others between two groups of sixteen are seen; call it on a snapshot() where that matters.\n\n"
             ">>> db[\"apple\"] = \"red\"\n"
             ">>> db.get_many([\"apple\", \"kiwi\"])\n"
             "['red', None]");

#define LSM_READ_METHODS                                                                                  \
    {"get", LSM_FAST(lsm_source_get), METH_FASTCALL, lsm_source_get_doc},                                 \
    {                                                                                                     \
        "get_many", LSM_FAST(lsm_source_get_many), METH_FASTCALL | METH_KEYWORDS, lsm_source_get_many_doc \
    }

#endif
