/* rmw: read, think, write if nothing changed meanwhile; else again. The one conditional write serves all of these.
 *
 *   read key ---> value, seen ---> Python code may run ---> put_if / delete_if (seen)
 *      ^                                                        | somebody has written the key
 *      +--------------------------------------------------------+
 *
 * In a transaction the second half never fails here: what was read is looked at when it commits. Nothing is held
 * while Python code runs, which may use the same store. */
#ifndef LSM_PY_RMW_H
#define LSM_PY_RMW_H

#include "py/write.h"

PyObject *lsm_target_pop(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *lsm_target_popitem(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *lsm_target_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_discard(PyObject *self, PyObject *key);
PyObject *lsm_target_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_merge(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_incr(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_target_touch(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *lsm_target_persist(PyObject *self, PyObject *key);

/* A callable: `op` itself or what lsmkv.operators knows under that name. A new reference. */
PyObject *lsm_merge_function(PyObject *op);
/* merge(), by that callable. */
PyObject *lsm_merge_by(PyObject *self, PyObject *key, PyObject *operand, PyObject *function);

PyDoc_STRVAR(lsm_pop_doc,
             "pop($self, key, default=..., /)\n--\n\n"
             "Remove key and return its value; when it is absent default, or KeyError when none was given.\n\n"
             "Atomic against every other writer. Cost: one lookup and one write.\n\n"
             ">>> db[\"apple\"] = \"red\"\n"
             ">>> db.pop(\"apple\"), db.pop(\"apple\", None)\n"
             "('red', None)");
PyDoc_STRVAR(lsm_popitem_doc,
             "popitem($self, /, *, last=True)\n--\n\n"
             "Remove and return the (key, value) with the largest key, or with the smallest. KeyError when empty.\n\n"
             "Atomic against every other writer. Cost: one seek and one write.\n\n"
             ">>> db.update(a=\"1\", b=\"2\", c=\"3\")\n"
             ">>> db.popitem(), db.popitem(last=False)\n"
             "(('c', '3'), ('a', '1'))");
PyDoc_STRVAR(lsm_setdefault_doc,
             "setdefault($self, key, default, /)\n--\n\n"
             "The value of key; when it is absent, default is stored and returned.\n\n"
             "Atomic against every other writer. Cost: one lookup, and one write when it was absent.\n\n"
             ">>> db.setdefault(\"apple\", \"red\"), db.setdefault(\"apple\", \"green\")\n"
             "('red', 'red')");
PyDoc_STRVAR(lsm_add_doc,
             "add($self, key, value, /, *, ttl=None)\n--\n\n"
             "Store value under key only if key is absent; True when it was. Atomic. Cost: one lookup, one write.\n\n"
             ">>> db.add(\"apple\", \"red\"), db.add(\"apple\", \"green\")\n"
             "(True, False)");
PyDoc_STRVAR(lsm_discard_doc,
             "discard($self, key, /)\n--\n\n"
             "Remove key if it is there; True when it was. Atomic. Cost: one lookup, and one write if it is there.\n\n"
             ">>> db[\"apple\"] = \"red\"\n"
             ">>> db.discard(\"apple\"), db.discard(\"apple\")\n"
             "(True, False)");
PyDoc_STRVAR(
    lsm_compare_and_set_doc,
    "compare_and_set($self, key, old, new, /, *, ttl=None)\n--\n\n"
    "Store new under key only if its value equals old; True when it did.\n\n"
    "ABSENT stands for no value: as old, key must be absent; as new, key is removed. Values are compared with ==,\n"
    "as the store's codec gives them back. Atomic against every other writer. Cost: one lookup and one write.\n\n"
    ">>> db.compare_and_set(\"apple\", lsmkv.ABSENT, \"red\")\n"
    "True\n"
    ">>> db.compare_and_set(\"apple\", \"green\", \"black\")\n"
    "False");
PyDoc_STRVAR(
    lsm_merge_doc,
    "merge($self, key, operand, /, *, op)\n--\n\n"
    "Replace the value of key by op(value, operand), or by operand when key is absent, and return the new one.\n\n"
    "op is a callable, or \"add\", \"concat\", \"min\", \"max\", \"or\" (| of sets, dicts, numbers). It is called "
    "again when\n"
    "another writer came between, so it must have no other effect. An expiry stays. Atomic. Cost: one lookup and\n"
    "one write.\n\n"
    ">>> db.merge(\"log\", \"a\", op=\"concat\"), db.merge(\"log\", \"b\", op=lambda old, new: old + new)\n"
    "('a', 'ab')");
PyDoc_STRVAR(
    lsm_incr_doc,
    "incr($self, key, delta=1, /)\n--\n\n"
    "Add delta to the number under key, 0 when it is absent, and return the sum. Atomic.\n\n"
    "With bytes or str values the number is kept as decimal text (b\"42\"); other codecs give and take numbers.\n"
    "Raises ValueError when the value is no whole number in such text. An expiry stays. Cost: one lookup and one "
    "write.\n\n"
    ">>> db.incr(\"visits\"), db.incr(\"visits\", 41), db[\"visits\"]\n"
    "(1, 42, '42')");
PyDoc_STRVAR(lsm_touch_doc, "touch($self, key, ttl, /)\n--\n\n"
                            "Let key expire ttl seconds from now; True when it is there, else False. The value stays "
                            "as it is. Atomic.\nCost: one lookup and one write.\n\n"
                            ">>> db[\"session\"] = \"token\"\n"
                            ">>> db.touch(\"session\", 60), round(db.ttl(\"session\"))\n"
                            "(True, 60)");
PyDoc_STRVAR(lsm_persist_doc, "persist($self, key, /)\n--\n\n"
                              "Let key live for ever; True when it is there, else False. The value stays as it is. "
                              "Atomic.\nCost: one lookup, and one write when it expires.");

#define LSM_RMW_METHODS                                                                            \
    {"pop", LSM_FAST(lsm_target_pop), METH_FASTCALL, lsm_pop_doc},                                 \
        {"popitem", LSM_FAST(lsm_target_popitem), METH_FASTCALL | METH_KEYWORDS, lsm_popitem_doc}, \
        {"setdefault", LSM_FAST(lsm_target_setdefault), METH_FASTCALL, lsm_setdefault_doc},        \
        {"add", LSM_FAST(lsm_target_add), METH_FASTCALL | METH_KEYWORDS, lsm_add_doc},             \
        {"discard", lsm_target_discard, METH_O, lsm_discard_doc},                                  \
        {"compare_and_set", LSM_FAST(lsm_target_compare_and_set), METH_FASTCALL | METH_KEYWORDS,   \
         lsm_compare_and_set_doc},                                                                 \
        {"merge", LSM_FAST(lsm_target_merge), METH_FASTCALL | METH_KEYWORDS, lsm_merge_doc},       \
        {"incr", LSM_FAST(lsm_target_incr), METH_FASTCALL | METH_KEYWORDS, lsm_incr_doc},          \
        {"touch", LSM_FAST(lsm_target_touch), METH_FASTCALL, lsm_touch_doc},                       \
    {                                                                                              \
        "persist", lsm_target_persist, METH_O, lsm_persist_doc                                     \
    }

#endif
