/* module: the state of one lsmkv._core, and what every file of the binding includes first.
 *
 * Rules of this folder (docs/architecture.md tells the story):
 *   1. Nothing that lsmkv_close() waits for is held while Python code can run: converting an
 *      argument, calling back, checking signals, dropping a foreign object, making a tracked one.
 *   2. A lsmkv_try_ call is made with the interpreter lock held; anything that may wait is made
 *      without it. The lock is never asked for between a `..._begin` and its `..._end`.
 *   3. No static Python object: several interpreters may each have a module and a lock.
 *   4. Objects are zero-filled at birth and have one destructor; every pointer says owned or
 *      borrowed. Every object keeps its module state: borrowed, its type keeps it alive.
 *   5. What an object refers to never changes, so like a tuple it needs no tp_clear: every cycle
 *      goes through something that has one. Children therefore always die before their store. */
#ifndef LSM_PY_MODULE_H
#define LSM_PY_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include "include/lsmkv.h"

/* The exceptions: field, Python name, base of ours, base among the builtins, documentation. A base
 * stands before what derives from it. */
#define LSM_ERROR_TABLE(X)                                                                                             \
    X(base, "LsmkvError", none, PyExc_Exception, "Anything lsmkv raises about a store.")                               \
    X(storage, "StorageError", base, PyExc_OSError,                                                                    \
      "The file system reported an error. An OSError too: errno, strerror, filename.")                                 \
    X(locked, "LockedError", storage, NULL,                                                                            \
      "Somebody else holds the store; pid is the holder's process when it is known.")                                  \
    X(disk_full, "DiskFullError", storage, NULL,                                                                       \
      "No space is left. The failed write is neither visible nor stored; reading goes on.")                            \
    X(not_found, "StoreNotFoundError", storage, PyExc_FileNotFoundError, "There is no store here.")                    \
    X(no_permission, "StorePermissionError", storage, PyExc_PermissionError, "The file system does not allow it.")     \
    X(not_a_directory, "StoreNotADirectoryError", storage, PyExc_NotADirectoryError,                                   \
      "A store is a directory; this path is something else.")                                                          \
    X(taken, "StoreExistsError", storage, PyExc_FileExistsError, "The directory holds something that is not a store.") \
    X(corruption, "CorruptionError", base, NULL,                                                                       \
      "Stored bytes fail verification: file and offset say where, recoverable whether other keys "                     \
      "stay readable, damage (from verify) lists every place.")                                                        \
    X(format, "FormatError", base, NULL, "The files are not a store this build can read.")                             \
    X(read_only, "ReadOnlyError", base, PyExc_TypeError, "The store was opened with flag \"r\".")                      \
    X(closed, "ClosedError", base, PyExc_ValueError, "The store, or the snapshot, has been closed.")                   \
    X(options, "OptionsError", base, PyExc_ValueError,                                                                 \
      "An option is unknown, out of bounds, or in conflict with an open handle.")                                      \
    X(forked, "ForkedError", base, PyExc_RuntimeError,                                                                 \
      "The store was opened in the parent of this process; open it again here.")                                       \
    X(conflict, "ConflictError", base, NULL,                                                                           \
      "What the write rests on was changed meanwhile, and nothing was written: read again and retry.")                 \
    X(expired, "SnapshotExpiredError", base, NULL,                                                                     \
      "The snapshot was the oldest when more than max_pinned_bytes were kept for readers; take a new one.")            \
    X(codec_mismatch, "CodecMismatchError", base, PyExc_TypeError,                                                     \
      "The store was written with another codec than the one given; the message names both.")                          \
    X(decode, "DecodeError", base, PyExc_ValueError,                                                                   \
      "Stored bytes are not what the store's codec writes: somebody wrote them without it.")

struct lsm_errors {
    PyObject *none; /* always NULL: "no base of ours" in the table */
#define X(field, name, from, also, doc) PyObject *field;
    LSM_ERROR_TABLE(X)
#undef X
};

struct lsm_store;

/* What keys of Python's own types are made of; imported when the first such key comes by. */
struct lsm_foreign {
    PyObject *uuid;                                      /* uuid.UUID */
    PyObject *datetime, *timedelta, *epoch, *microsecond; /* of datetime; 1970 UTC; timedelta(microseconds=1) */
};

struct lsm_module {
    struct lsm_errors errors; /* owned, like the types */
    PyTypeObject *store_type, *snapshot_type, *batch_type, *iter_type;
    PyTypeObject *range_type, *keys_type, *values_type, *items_type;
    PyTypeObject *level_type, *probe_type;
    PyTypeObject *txn_type, *cursor_type, *clock_type, *value_view_type, *absent_type;
    PyObject *absent; /* owned: ABSENT */
    PyTypeObject *key_codec_type, *value_codec_type;
    struct lsm_foreign foreign; /* owned; NULL before they are needed */
    struct lsm_store *stores; /* borrowed: the open ones, for the exit hook */
    int has_exit_hook;
};

/* Of the module that defined `type` or one of its bases: works for subclasses. NULL with TypeError. */
struct lsm_module *lsm_module_of(PyTypeObject *type);

/* Called once per opened store; registers the exit hook the first time. 0 or -1 with an exception. */
int lsm_module_expect_exit(struct lsm_module *module);

/* Bumped in the child by fork(): a store opened under another number belongs to the parent. */
extern unsigned lsm_fork_generation;

/* What pickle and copy get to hear: every type of the module has it as __reduce__. */
PyObject *lsm_refuse_pickling(PyObject *self, PyObject *unused);
#define LSM_REFUSE_PICKLING {"__reduce__", lsm_refuse_pickling, METH_NOARGS, NULL}

/* What makes LSM[str, int] an annotation, and the like of every type that is generic in the stub. */
extern const char lsm_generic_doc[];
#define LSM_GENERIC {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, lsm_generic_doc}

#define LSM_FAST(function) ((PyCFunction)(void (*)(void))(function))

#endif
