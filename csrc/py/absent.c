/* absent: one object of a type of its own, so that it can be named in annotations, shown and pickled.
 *
 * The module holds the object, the object its type, the type the module: the collector has to see all three, or none
 * of them ever goes. */
#include "py/absent.h"

static PyObject *absent_repr(PyObject *Py_UNUSED(self))
{
    return PyUnicode_FromString("lsmkv.ABSENT");
}

/* Pickled by its name: there is one in each interpreter. */
static PyObject *absent_reduce(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused))
{
    return PyUnicode_FromString("ABSENT");
}

static int absent_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void absent_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {{"__reduce__", absent_reduce, METH_NOARGS, NULL}, {0}};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Stands for no value: as old or new of compare_and_set(), where None may be a value like any other."},
    {Py_tp_dealloc, absent_dealloc},
    {Py_tp_traverse, absent_traverse},
    {Py_tp_repr, absent_repr},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "lsmkv.Absent",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int lsm_absent_init(PyObject *self, struct lsm_module *module)
{
    module->absent_type = (PyTypeObject *)PyType_FromModuleAndSpec(self, &spec, NULL);
    if (!module->absent_type || PyModule_AddType(self, module->absent_type) < 0)
        return -1;
    module->absent = module->absent_type->tp_alloc(module->absent_type, 0);
    return module->absent ? PyModule_AddObjectRef(self, "ABSENT", module->absent) : -1;
}
