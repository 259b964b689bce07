/* module: lsmkv._core. What it holds: the types, the exceptions, destroy, feature, and the hook that
 * closes open stores when the interpreter exits. */
#include "py/module.h"

#include <pthread.h>

#include "py/absent.h"
#include "py/batch_type.h"
#include "py/clock_type.h"
#include "py/codec.h"
#include "py/cursor_type.h"
#include "py/errors.h"
#include "py/expiry.h"
#include "py/lsm_type.h"
#include "py/snapshot_type.h"
#include "py/txn_type.h"
#include "py/value_view.h"
#include "py/view_type.h"

#ifndef LSMKV_BUILD_STAMP
#define LSMKV_BUILD_STAMP LSMKV_VERSION "+unknown"
#endif

static struct PyModuleDef definition;

/* ---- fork -------------------------------------------------------------------------------- */

unsigned lsm_fork_generation; /* changes only while a child has one thread */

static void in_child(void)
{
    lsm_fork_generation++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

/* ---- state ------------------------------------------------------------------------------- */

/* CPython 3.10 has no PyType_GetModuleByDef. */
static struct lsm_module *module_of_exactly(PyObject *type)
{
    if (!PyType_HasFeature((PyTypeObject *)type, Py_TPFLAGS_HEAPTYPE))
        return NULL;
    PyObject *module = ((PyHeapTypeObject *)type)->ht_module;
    return module && PyModule_Check(module) && PyModule_GetDef(module) == &definition ? PyModule_GetState(module)
                                                                                      : NULL;
}

struct lsm_module *lsm_module_of(PyTypeObject *type)
{
    PyObject *bases = type->tp_mro;
    for (Py_ssize_t i = 0; bases && i < PyTuple_GET_SIZE(bases); i++) {
        struct lsm_module *module = module_of_exactly(PyTuple_GET_ITEM(bases, i));
        if (module)
            return module;
    }
    PyErr_Format(PyExc_TypeError, "%.100s is not a type of lsmkv._core", type->tp_name);
    return NULL;
}

int lsm_module_expect_exit(struct lsm_module *module)
{
    static PyMethodDef hook_method = {"close_all_stores", lsm_close_all, METH_NOARGS, NULL};
    if (module->has_exit_hook)
        return 0;
    PyObject *self = PyType_GetModule(module->store_type);
    PyObject *hook = self ? PyCFunction_New(&hook_method, self) : NULL;
    PyObject *atexit = hook ? PyImport_ImportModule("atexit") : NULL;
    PyObject *registered = atexit ? PyObject_CallMethod(atexit, "register", "O", hook) : NULL;
    module->has_exit_hook = registered != NULL;
    Py_XDECREF(registered);
    Py_XDECREF(atexit);
    Py_XDECREF(hook);
    return module->has_exit_hook ? 0 : -1;
}

const char lsm_generic_doc[] =
    "__class_getitem__($type, item, /)\n--\n\nFor annotations: LSM[str, int], KeysView[str].";

PyObject *lsm_refuse_pickling(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyErr_Format(PyExc_TypeError,
                 "cannot pickle or copy a %.100s: it is a handle on an open store. Pass the path on and open it there",
                 Py_TYPE(self)->tp_name);
    return NULL;
}

/* ---- functions --------------------------------------------------------------------------- */

static PyObject *feature(PyObject *Py_UNUSED(self), PyObject *name)
{
    const char *utf8 = PyUnicode_AsUTF8(name);
    const char *value = utf8 ? lsmkv_feature(utf8) : NULL;
    if (!utf8)
        return NULL;
    if (!value)
        Py_RETURN_NONE;
    return PyUnicode_FromString(value);
}

PyDoc_STRVAR(destroy_doc,
             "destroy(path, /)\n--\n\n"
             "Remove the store at path: its files, then the directory.\n\n"
             "Raises FileNotFoundError when there is none, FileExistsError when a file of somebody else lies\n"
             "in the directory (nothing is removed then), LockedError while it is open anywhere.");
PyDoc_STRVAR(feature_doc, "feature(name, /)\n--\n\nWhat this build says about a feature, as text, or None.");

static PyMethodDef functions[] = {
    {"destroy", lsm_destroy, METH_O, destroy_doc},
    {"expires_at", LSM_FAST(lsm_expires_at), METH_FASTCALL, lsm_expires_at_doc},
    {"feature", feature, METH_O, feature_doc},
    {"put_until", LSM_FAST(lsm_put_until), METH_FASTCALL, lsm_put_until_doc},
    {"value_codec", lsm_make_value_codec, METH_VARARGS, lsm_make_value_codec_doc},
    {0},
};

/* ---- birth and death --------------------------------------------------------------------- */

static int add_type(PyObject *self, PyType_Spec *spec, PyTypeObject **type)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(self, spec, NULL);
    return *type ? PyModule_AddType(self, *type) : -1;
}

static int add_record(PyObject *self, const char *name, PyStructSequence_Desc *desc, PyTypeObject **type)
{
    *type = PyStructSequence_NewType(desc);
    return *type ? PyModule_AddObjectRef(self, name, (PyObject *)*type) : -1;
}

static int execute(PyObject *self)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct lsm_module *module = PyModule_GetState(self);
    pthread_once(&once, watch_forks);
    if (lsm_errors_init(self, module) < 0 || add_type(self, &lsm_store_spec, &module->store_type) < 0 ||
        add_type(self, &lsm_snapshot_spec, &module->snapshot_type) < 0 ||
        add_type(self, &lsm_batch_spec, &module->batch_type) < 0 ||
        add_type(self, &lsm_iter_spec, &module->iter_type) < 0 ||
        add_type(self, &lsm_range_spec, &module->range_type) < 0 ||
        add_type(self, &lsm_keys_spec, &module->keys_type) < 0 ||
        add_type(self, &lsm_values_spec, &module->values_type) < 0 ||
        add_type(self, &lsm_items_spec, &module->items_type) < 0 ||
        add_type(self, &lsm_txn_spec, &module->txn_type) < 0 ||
        add_type(self, &lsm_cursor_spec, &module->cursor_type) < 0 ||
        add_type(self, &lsm_clock_spec, &module->clock_type) < 0 ||
        add_type(self, &lsm_value_view_spec, &module->value_view_type) < 0 || lsm_absent_init(self, module) < 0 ||
        add_type(self, &lsm_key_codec_spec, &module->key_codec_type) < 0 ||
        add_type(self, &lsm_value_codec_spec, &module->value_codec_type) < 0 ||
        add_record(self, "Level", &lsm_level_desc, &module->level_type) < 0 ||
        add_record(self, "Probe", &lsm_probe_desc, &module->probe_type) < 0)
        return -1;
    return PyModule_AddStringConstant(self, "VERSION", LSMKV_VERSION) < 0
               ? -1
               : PyModule_AddStringConstant(self, "BUILD_STAMP", LSMKV_BUILD_STAMP);
}

/* Every object reference of the state, for the two walks below. */
#define FOR_EACH_OBJECT(DO, module)  \
    DO((module)->store_type);        \
    DO((module)->snapshot_type);     \
    DO((module)->batch_type);        \
    DO((module)->iter_type);         \
    DO((module)->range_type);        \
    DO((module)->keys_type);         \
    DO((module)->values_type);       \
    DO((module)->items_type);        \
    DO((module)->level_type);        \
    DO((module)->probe_type);        \
    DO((module)->txn_type);          \
    DO((module)->cursor_type);       \
    DO((module)->clock_type);        \
    DO((module)->value_view_type);   \
    DO((module)->absent_type);       \
    DO((module)->absent);            \
    DO((module)->key_codec_type);    \
    DO((module)->value_codec_type);  \
    DO((module)->foreign.uuid);      \
    DO((module)->foreign.datetime);  \
    DO((module)->foreign.timedelta); \
    DO((module)->foreign.epoch);     \
    DO((module)->foreign.microsecond)

static int module_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct lsm_module *module = PyModule_GetState(self);
    FOR_EACH_OBJECT(Py_VISIT, module);
#define X(field, name, from, also, doc) Py_VISIT(module->errors.field);
    LSM_ERROR_TABLE(X)
#undef X
    return 0;
}

static int module_clear(PyObject *self)
{
    struct lsm_module *module = PyModule_GetState(self);
    FOR_EACH_OBJECT(Py_CLEAR, module);
#define X(field, name, from, also, doc) Py_CLEAR(module->errors.field);
    LSM_ERROR_TABLE(X)
#undef X
    return 0;
}

static void module_free(void *self)
{
    module_clear(self);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "lsmkv._core",
    .m_doc = "The engine of lsmkv. Import lsmkv instead.",
    .m_size = sizeof(struct lsm_module),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
