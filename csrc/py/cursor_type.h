/* cursor_type: Cursor, a place among the keys of a frozen state that can be moved both ways. */
#ifndef LSM_PY_CURSOR_TYPE_H
#define LSM_PY_CURSOR_TYPE_H

#include "py/iter_type.h"

extern PyType_Spec lsm_cursor_spec;

PyObject *lsm_source_cursor(PyObject *self, PyObject *unused);

PyDoc_STRVAR(lsm_source_cursor_doc, "cursor($self, /)\n--\n\n"
                                    "A Cursor over the state of this moment: seek(key), first(), last(), next(), "
                                    "prev(), then key, value, item.\nCost: none until it moves.\n\n"
                                    ">>> db.update(a=\"1\", c=\"3\")\n"
                                    ">>> with db.cursor() as cursor:\n"
                                    "...     cursor.seek(\"b\"), cursor.key, cursor.next()\n"
                                    "(True, 'c', False)");

#define LSM_CURSOR_METHOD {"cursor", lsm_source_cursor, METH_NOARGS, lsm_source_cursor_doc}

#endif
