/* update: many records from anywhere; what LSM and Transaction share. */
#ifndef LSM_PY_UPDATE_H
#define LSM_PY_UPDATE_H

#include "py/call.h"

PyObject *lsm_target_update(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *lsm_target_set_many(PyObject *self, PyObject *pairs);
PyObject *lsm_target_delete_many(PyObject *self, PyObject *keys);
PyObject *lsm_target_or_update(PyObject *self, PyObject *other); /* |= */

PyDoc_STRVAR(
    lsm_update_doc,
    "update($self, other=(), /, **names)\n--\n\n"
    "Store every pair of a mapping or of an iterable of (key, value) pairs.\n\n"
    "The source is read first and written in chunks of at most 1 MiB, each of them whole or not at all. If\n"
    "the source raises, earlier chunks stay and the pairs of the present one are not written. All or\n"
    "nothing is batch(). Keyword arguments are pairs too where keys are str. Cost: one copy, and one lock taken\n"
    "a chunk.\n\n"
    ">>> db.update({\"a\": \"1\"}, b=\"2\")\n"
    ">>> db.update([(\"c\", \"3\")])\n"
    ">>> list(db)\n"
    "['a', 'b', 'c']");
PyDoc_STRVAR(
    lsm_set_many_doc,
    "set_many($self, pairs, /)\n--\n\n"
    "Store every (key, value) of an iterable, in chunks as update() does.\n\n"
    "TypeError for a mapping, which iterates over its keys: update() takes it. And for an element that is str or\n"
    "bytes: one of length two is a pair to update(), as to that of a dict, and none here. Cost: as for update().");
PyDoc_STRVAR(
    lsm_delete_many_doc,
    "delete_many($self, keys, /)\n--\n\n"
    "Delete every key of an iterable, there or not, in chunks as update() writes them.\nCost: one record a key.");

#define LSM_UPDATE_METHODS                                                                 \
    {"update", LSM_FAST(lsm_target_update), METH_VARARGS | METH_KEYWORDS, lsm_update_doc}, \
        {"set_many", lsm_target_set_many, METH_O, lsm_set_many_doc},                       \
    {                                                                                      \
        "delete_many", lsm_target_delete_many, METH_O, lsm_delete_many_doc                 \
    }

#endif
