/* value_view: a value lent without a copy, for as long as somebody holds it. */
#ifndef LSM_PY_VALUE_VIEW_H
#define LSM_PY_VALUE_VIEW_H

#include "py/read.h"

extern PyType_Spec lsm_value_view_spec;

PyObject *lsm_source_get_view(PyObject *self, PyObject *key);

PyDoc_STRVAR(
    lsm_get_view_doc,
    "get_view($self, key, /)\n--\n\n"
    "The stored bytes of key as a read-only memoryview, or None when it is absent; no copy is made.\n\n"
    "It stays what it is as long as it is held, whatever is written, merged or closed meanwhile. Until then it keeps\n"
    "what the store consisted of, as a snapshot does: all its files and the memory of its log, not only the file that\n"
    "the value is in; stats()[\"pinned_bytes\"] counts what is kept for it alone. bytes(view) is a copy to keep for\n"
    "long. It shows bytes, whatever the value codec. Cost: one lookup.\n\n"
    ">>> db[\"apple\"] = \"red\"\n"
    ">>> bytes(db.get_view(\"apple\"))\n"
    "b'red'");

#define LSM_VIEW_METHOD {"get_view", lsm_source_get_view, METH_O, lsm_get_view_doc}

#endif
