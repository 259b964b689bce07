/* range: an interval of keys, and what LSM, Snapshot and Transaction do with one.
 *
 *   d[a:b]       a <= key <  b          start a, stop b
 *   d.prefix(p)  p <= key <  p + 1      "p + 1": p without trailing 0xff, its last byte one larger
 *   range(a, b, include_start=False, include_stop=True)      a < key <= b
 *
 * reverse turns the order of iteration, never the meaning of start and stop. */
#ifndef LSM_PY_RANGE_H
#define LSM_PY_RANGE_H

#include "py/args.h"
#include "py/call.h"
#include "py/codec.h"

struct lsm_range {
    PyObject *start, *stop; /* owned: exact bytes; NULL: unbounded on that side */
    int exclude_start, include_stop, reverse;
};

void lsm_range_clear(struct lsm_range *range);
void lsm_range_copy(struct lsm_range *to, const struct lsm_range *from);
int lsm_range_is_everything(const struct lsm_range *range);
int lsm_range_is_empty(const struct lsm_range *range); /* no key could lie in it */
int lsm_range_holds(const struct lsm_range *range, const struct lsm_bytes *key);
void lsm_range_lend(const struct lsm_range *range, struct lsmkv_range *out); /* borrows the bounds */

/* The part of `range` with start <= key < stop (NULL: unbounded). Takes new references. */
void lsm_range_narrow(struct lsm_range *range, PyObject *start, PyObject *stop);

/* The bounds of a slice: new references or NULL. A step is a ValueError. 0 or -1. */
int lsm_slice_bounds(const struct lsm_source *source, PyObject *slice, PyObject **start, PyObject **stop);

/* ---- of a source ------------------------------------------------------------------------ */

/* The number of keys in `range`, at most `limit` of them (-1: no limit); -1 with an exception. */
Py_ssize_t lsm_count(struct lsm_source *source, const struct lsm_range *range, Py_ssize_t limit);

/* Slots and methods; self is a struct lsm_source. */
PyObject *lsm_source_slice(PyObject *self, PyObject *slice);
PyObject *lsm_source_iter(PyObject *self);
int lsm_source_bool(PyObject *self);
Py_ssize_t lsm_source_len(PyObject *self);
PyObject *lsm_source_reversed(PyObject *self, PyObject *unused);
PyObject *lsm_source_keys(PyObject *self, PyObject *unused);
PyObject *lsm_source_values(PyObject *self, PyObject *unused);
PyObject *lsm_source_items(PyObject *self, PyObject *unused);
PyObject *lsm_source_range(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords);
PyObject *lsm_source_prefix(PyObject *self, PyObject *prefix);
PyObject *lsm_source_first(PyObject *self, PyObject *unused);
PyObject *lsm_source_last(PyObject *self, PyObject *unused);
PyObject *lsm_source_floor(PyObject *self, PyObject *key);
PyObject *lsm_source_lower(PyObject *self, PyObject *key);
PyObject *lsm_source_ceiling(PyObject *self, PyObject *key);
PyObject *lsm_source_higher(PyObject *self, PyObject *key);

PyDoc_STRVAR(
    lsm_source_reversed_doc,
    "__reversed__($self, /)\n--\n\nAn iterator over the keys from the last to the first. Cost: one seek, then one "
    "step a key.");
PyDoc_STRVAR(lsm_source_keys_doc,
             "keys($self, /)\n--\n\nA view of the keys in order, as a dict has: re-iterable, reversible, set-like.\n\n"
             "Each iter() of it sees the content of that moment. Cost: none until it is used.\n\n"
             ">>> db.update(pear=\"green\", apple=\"red\")\n"
             ">>> list(db.keys()), db.keys() & {\"apple\", \"fig\"}\n"
             "(['apple', 'pear'], {'apple'})");
PyDoc_STRVAR(lsm_source_values_doc, "values($self, /)\n--\n\nA view of the values in the order of their keys. Cost: "
                                    "one seek, then one\nstep a value; `in` reads them all.");
PyDoc_STRVAR(lsm_source_items_doc,
             "items($self, /)\n--\n\nA view of (key, value) pairs in the order of their keys; set-like.\n\n"
             "Each iter() of it sees the content of that moment. Cost: one seek, then one step a pair.\n\n"
             ">>> db.update(pear=\"green\", apple=\"red\")\n"
             ">>> list(db.items())\n"
             "[('apple', 'red'), ('pear', 'green')]");
PyDoc_STRVAR(lsm_source_range_doc,
             "range($self, start=None, stop=None, *, include_start=True, include_stop=False,\n"
             "      reverse=False)\n--\n\n"
             "A RangeView of the keys from start to stop; None is no bound. reverse turns the order of iteration\n"
             "and nothing else. Iterating the view yields keys; .items() and .values() follow.\n\n"
             "Cost: none until it is used; then one seek, and one step a key.\n\n"
             ">>> db.update(a=\"1\", b=\"2\", c=\"3\")\n"
             ">>> list(db.range(\"a\", \"c\", reverse=True)), list(db[\"b\":].values())\n"
             "(['b', 'a'], ['2', '3'])");
PyDoc_STRVAR(lsm_source_prefix_doc,
             "prefix($self, prefix, /)\n--\n\nA RangeView of the keys that begin with prefix. Cost: as for range().\n\n"
             ">>> db.update({\"word/a\": \"1\", \"word/b\": \"2\", \"z\": \"3\"})\n"
             ">>> list(db.prefix(\"word/\"))\n"
             "['word/a', 'word/b']");
PyDoc_STRVAR(lsm_source_first_doc,
             "first($self, /)\n--\n\nThe (key, value) with the smallest key, or None. Cost: one seek.\n\n"
             ">>> db.update(pear=\"green\", apple=\"red\")\n"
             ">>> db.first()\n"
             "('apple', 'red')");
PyDoc_STRVAR(lsm_source_last_doc,
             "last($self, /)\n--\n\nThe (key, value) with the largest key, or None. Cost: one seek.");
PyDoc_STRVAR(lsm_source_floor_doc,
             "floor($self, key, /)\n--\n\nThe (key, value) with the largest key <= key, or None. Cost: one seek.\n\n"
             ">>> db.update(apple=\"red\", pear=\"green\")\n"
             ">>> db.floor(\"fig\"), db.floor(\"a\")\n"
             "(('apple', 'red'), None)");
PyDoc_STRVAR(lsm_source_lower_doc,
             "lower($self, key, /)\n--\n\nThe (key, value) with the largest key < key, or None. Cost: one seek.");
PyDoc_STRVAR(lsm_source_ceiling_doc,
             "ceiling($self, key, /)\n--\n\nThe (key, value) with the smallest key >= key, or None. Cost: one seek.");
PyDoc_STRVAR(lsm_source_higher_doc,
             "higher($self, key, /)\n--\n\nThe (key, value) with the smallest key > key, or None. Cost: one seek.\n\n"
             ">>> db.update(apple=\"red\", pear=\"green\")\n"
             ">>> db.higher(\"apple\")\n"
             "('pear', 'green')");

#define LSM_RANGE_METHODS                                                                           \
    {"__reversed__", lsm_source_reversed, METH_NOARGS, lsm_source_reversed_doc},                    \
        {"keys", lsm_source_keys, METH_NOARGS, lsm_source_keys_doc},                                \
        {"values", lsm_source_values, METH_NOARGS, lsm_source_values_doc},                          \
        {"items", lsm_source_items, METH_NOARGS, lsm_source_items_doc},                             \
        {"range", LSM_FAST(lsm_source_range), METH_FASTCALL | METH_KEYWORDS, lsm_source_range_doc}, \
        {"prefix", lsm_source_prefix, METH_O, lsm_source_prefix_doc},                               \
        {"first", lsm_source_first, METH_NOARGS, lsm_source_first_doc},                             \
        {"floor", lsm_source_floor, METH_O, lsm_source_floor_doc},                                  \
        {"lower", lsm_source_lower, METH_O, lsm_source_lower_doc},                                  \
        {"ceiling", lsm_source_ceiling, METH_O, lsm_source_ceiling_doc},                            \
        {"higher", lsm_source_higher, METH_O, lsm_source_higher_doc},                               \
    {                                                                                               \
        "last", lsm_source_last, METH_NOARGS, lsm_source_last_doc                                   \
    }

#endif
