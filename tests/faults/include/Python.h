/* Python.h as csrc/py sees it in the build for faults (LSMKV_FAULTS=1): each call of an API function that can
 * fail becomes a site, and a site can be told to fail.
 *
 *   PyList_New(0)   ->   a site, told to fail   ?   MemoryError is set, NULL
 *                                               :   (PyList_New)(0)
 *
 * A function is wrapped here or listed in cannot_fail.txt, with the reason; tests/test_faults.py accepts nothing else.
 * A call that is made to fail is not made, and its arguments are not evaluated: a function that takes a
 * reference over even when it fails needs more than the macros below. */
#include_next <Python.h>

#ifndef LSM_FAULTS_PYTHON_H
#define LSM_FAULTS_PYTHON_H

/* What is set when a call is made to fail. */
enum lsm_fault_kind {
    LSM_FAULT_MEMORY,    /* MemoryError */
    LSM_FAULT_CODE,      /* _faults.InjectedError: what Python code it runs could raise */
    LSM_FAULT_INTERRUPT, /* KeyboardInterrupt, from a signal handler */
    LSM_FAULT_WARNING,   /* ResourceWarning, turned into an error */
    LSM_FAULT_PLAIN,     /* MemoryError without our text: Python itself raises it */
    LSM_FAULT_SILENT     /* nothing: the caller has to say it */
};

struct lsm_fault_site {
    const char *file, *function, *call;
    int line;
    enum lsm_fault_kind kind;
    int index; /* among all of them, once they have been counted */
};

/* Whether this execution of the site is to fail; the exception is set then. */
int lsm_fault_reached(struct lsm_fault_site *site);

/* The interpreter lock is about to be given up: what another thread would do now (faults.meanwhile). */
void lsm_fault_meanwhile(void);

#ifndef LSM_FAULTS_THEMSELVES

#define LSM_FAULT_REACHED(kind, call)                                                              \
    ({                                                                                             \
        static struct lsm_fault_site site = {__FILE__, __func__, call, __LINE__, kind, 0};         \
        static struct lsm_fault_site *listed __attribute__((section("lsm_faults"), used)) = &site; \
        lsm_fault_reached(&site);                                                                  \
    })
#define LSM_FAULT(kind, failure, name, ...) LSM_FAULT_AS(kind, failure, #name, (name), __VA_ARGS__)
#define LSM_FAULT_AS(kind, failure, call, function, ...) \
    (__builtin_expect(LSM_FAULT_REACHED(kind, call), 0) ? (failure) : function(__VA_ARGS__))

/* What PY_SSIZE_T_CLEAN makes of these names is not lost. */
static __typeof__(Py_BuildValue) *const lsm_build_value __attribute__((unused)) = Py_BuildValue;
static __typeof__(PyObject_CallFunction) *const lsm_call_function __attribute__((unused)) = PyObject_CallFunction;
static __typeof__(PyObject_CallMethod) *const lsm_call_method __attribute__((unused)) = PyObject_CallMethod;
static __typeof__(PyArg_ParseTuple) *const lsm_parse_tuple __attribute__((unused)) = PyArg_ParseTuple;
static __typeof__(PyArg_ParseTupleAndKeywords) *const lsm_parse_keywords __attribute__((unused)) =
    PyArg_ParseTupleAndKeywords;
#undef Py_BuildValue
#undef PyObject_CallFunction
#undef PyObject_CallMethod
#undef PyArg_ParseTuple
#undef PyArg_ParseTupleAndKeywords

/* By what a failure looks like: NULL or -1; 0 for converters; nothing. First those that only need memory. */
#define LSM_NULL(name, ...) LSM_FAULT(LSM_FAULT_MEMORY, NULL, name, __VA_ARGS__)
#define LSM_MINUS(name, ...) LSM_FAULT(LSM_FAULT_MEMORY, -1, name, __VA_ARGS__)
#define LSM_VOID(name, ...) LSM_FAULT(LSM_FAULT_MEMORY, (void)0, name, __VA_ARGS__)
#define LSM_SILENT(name, ...) LSM_FAULT(LSM_FAULT_SILENT, NULL, name, __VA_ARGS__)
/* Then those that may run somebody's code. */
#define LSM_CODE_NULL(name, ...) LSM_FAULT(LSM_FAULT_CODE, NULL, name, __VA_ARGS__)
#define LSM_CODE_MINUS(name, ...) LSM_FAULT(LSM_FAULT_CODE, -1, name, __VA_ARGS__)
#define LSM_CODE_ZERO(name, ...) LSM_FAULT(LSM_FAULT_CODE, 0, name, __VA_ARGS__)

/* ---- bytes, str, numbers ----------------------------------------------------------------- */

#define PyBytes_FromStringAndSize(...) LSM_NULL(PyBytes_FromStringAndSize, __VA_ARGS__)
#define PyFloat_FromDouble(...) LSM_NULL(PyFloat_FromDouble, __VA_ARGS__)
#define PyLong_FromLong(...) LSM_NULL(PyLong_FromLong, __VA_ARGS__)
#define PyLong_FromLongLong(...) LSM_NULL(PyLong_FromLongLong, __VA_ARGS__)
#define PyLong_FromSize_t(...) LSM_NULL(PyLong_FromSize_t, __VA_ARGS__)
#define PyLong_FromSsize_t(...) LSM_NULL(PyLong_FromSsize_t, __VA_ARGS__)
#define PyLong_FromUnsignedLong(...) LSM_NULL(PyLong_FromUnsignedLong, __VA_ARGS__)
#define PyLong_FromUnsignedLongLong(...) LSM_NULL(PyLong_FromUnsignedLongLong, __VA_ARGS__)
#define PyLong_FromString(...) LSM_NULL(PyLong_FromString, __VA_ARGS__)
#define PyUnicode_AsUTF8(...) LSM_NULL(PyUnicode_AsUTF8, __VA_ARGS__)
#define PyUnicode_AsUTF8AndSize(...) LSM_NULL(PyUnicode_AsUTF8AndSize, __VA_ARGS__)
#define PyUnicode_AsUTF8String(...) LSM_NULL(PyUnicode_AsUTF8String, __VA_ARGS__)
#define PyUnicode_DecodeFSDefault(...) LSM_NULL(PyUnicode_DecodeFSDefault, __VA_ARGS__)
#define PyUnicode_DecodeUTF8(...) LSM_NULL(PyUnicode_DecodeUTF8, __VA_ARGS__)
#define PyUnicode_FromString(...) LSM_NULL(PyUnicode_FromString, __VA_ARGS__)
#define PyLong_AsUnsignedLongLong(...) \
    LSM_FAULT(LSM_FAULT_CODE, (unsigned long long)-1, PyLong_AsUnsignedLongLong, __VA_ARGS__)
#define PyLong_AsUnsignedLongLongMask(...) \
    LSM_FAULT(LSM_FAULT_CODE, (unsigned long long)-1, PyLong_AsUnsignedLongLongMask, __VA_ARGS__)
#define PyFloat_AsDouble(...) LSM_CODE_MINUS(PyFloat_AsDouble, __VA_ARGS__)
#define PyLong_AsDouble(...) LSM_CODE_MINUS(PyLong_AsDouble, __VA_ARGS__)
#define PyLong_AsLongLong(...) LSM_CODE_MINUS(PyLong_AsLongLong, __VA_ARGS__)
#define PyNumber_Add(...) LSM_CODE_NULL(PyNumber_Add, __VA_ARGS__)
#define PyNumber_AsSsize_t(...) LSM_CODE_MINUS(PyNumber_AsSsize_t, __VA_ARGS__)
#define PyNumber_FloorDivide(...) LSM_CODE_NULL(PyNumber_FloorDivide, __VA_ARGS__)
#define PyNumber_Index(...) LSM_CODE_NULL(PyNumber_Index, __VA_ARGS__)
#define PyNumber_Rshift(...) LSM_CODE_NULL(PyNumber_Rshift, __VA_ARGS__)
#define PyNumber_Subtract(...) LSM_CODE_NULL(PyNumber_Subtract, __VA_ARGS__)
#define PyNumber_Xor(...) LSM_CODE_NULL(PyNumber_Xor, __VA_ARGS__)
#define PyOS_FSPath(...) LSM_CODE_NULL(PyOS_FSPath, __VA_ARGS__)
#define PyUnicode_FSDecoder(...) LSM_CODE_ZERO(PyUnicode_FSDecoder, __VA_ARGS__)
#define PyUnicode_FSConverter(...) LSM_CODE_ZERO(PyUnicode_FSConverter, __VA_ARGS__)
#define PyUnicode_FromFormat(...) LSM_CODE_NULL(PyUnicode_FromFormat, __VA_ARGS__)

/* ---- containers -------------------------------------------------------------------------- */

#define PyDict_Copy(...) LSM_NULL(PyDict_Copy, __VA_ARGS__)
#define PyDict_New(...) LSM_NULL(PyDict_New, __VA_ARGS__)
#define PyDict_SetItemString(...) LSM_MINUS(PyDict_SetItemString, __VA_ARGS__)
#define PyList_Append(...) LSM_MINUS(PyList_Append, __VA_ARGS__)
#define PyList_New(...) LSM_NULL(PyList_New, __VA_ARGS__)
#define PyStructSequence_New(...) LSM_NULL(PyStructSequence_New, __VA_ARGS__)
#define PyTuple_New(...) LSM_NULL(PyTuple_New, __VA_ARGS__)
#define PyTuple_Pack(...) LSM_NULL(PyTuple_Pack, __VA_ARGS__)
#define PyDict_DelItem(...) LSM_CODE_MINUS(PyDict_DelItem, __VA_ARGS__)
#define PyDict_GetItemWithError(...) LSM_CODE_NULL(PyDict_GetItemWithError, __VA_ARGS__)
#define PyDict_SetItem(...) LSM_CODE_MINUS(PyDict_SetItem, __VA_ARGS__)
#define PySequence_Contains(...) LSM_CODE_MINUS(PySequence_Contains, __VA_ARGS__)
#define PySequence_Fast(...) LSM_CODE_NULL(PySequence_Fast, __VA_ARGS__)
#define PySet_Add(...) LSM_CODE_MINUS(PySet_Add, __VA_ARGS__)
#define PySet_Discard(...) LSM_CODE_MINUS(PySet_Discard, __VA_ARGS__)
#define PySet_New(...) LSM_CODE_NULL(PySet_New, __VA_ARGS__)
#define Py_BuildValue(...) LSM_FAULT_AS(LSM_FAULT_MEMORY, NULL, "Py_BuildValue", lsm_build_value, __VA_ARGS__)

/* ---- objects and calls ------------------------------------------------------------------- */

#define PyArg_ParseTuple(...) LSM_FAULT_AS(LSM_FAULT_CODE, 0, "PyArg_ParseTuple", lsm_parse_tuple, __VA_ARGS__)
#define PyArg_ParseTupleAndKeywords(...) \
    LSM_FAULT_AS(LSM_FAULT_CODE, 0, "PyArg_ParseTupleAndKeywords", lsm_parse_keywords, __VA_ARGS__)
#define PyArg_UnpackTuple(...) LSM_CODE_ZERO(PyArg_UnpackTuple, __VA_ARGS__)
#undef PyCFunction_New
#define PyCFunction_New(...) LSM_NULL(PyCFunction_New, __VA_ARGS__)
#define PyBuffer_FillInfo(...) LSM_MINUS(PyBuffer_FillInfo, __VA_ARGS__)
#define PyMemoryView_FromObject(...) LSM_NULL(PyMemoryView_FromObject, __VA_ARGS__)
#define PyIter_Next(...) LSM_CODE_NULL(PyIter_Next, __VA_ARGS__)
#define PyObject_CallFunctionObjArgs(...) LSM_CODE_NULL(PyObject_CallFunctionObjArgs, __VA_ARGS__)
#define PyObject_CallOneArg(...) LSM_CODE_NULL(PyObject_CallOneArg, __VA_ARGS__)
#define PyObject_GetAttrString(...) LSM_CODE_NULL(PyObject_GetAttrString, __VA_ARGS__)
#define PyObject_GetBuffer(...) LSM_CODE_MINUS(PyObject_GetBuffer, __VA_ARGS__)
#define PyObject_GetItem(...) LSM_CODE_NULL(PyObject_GetItem, __VA_ARGS__)
#define PyObject_GetIter(...) LSM_CODE_NULL(PyObject_GetIter, __VA_ARGS__)
#define PyObject_Hash(...) LSM_CODE_MINUS(PyObject_Hash, __VA_ARGS__)
#define PyObject_IsInstance(...) LSM_CODE_MINUS(PyObject_IsInstance, __VA_ARGS__)
#define PyObject_IsTrue(...) LSM_CODE_MINUS(PyObject_IsTrue, __VA_ARGS__)
#define PyObject_Repr(...) LSM_CODE_NULL(PyObject_Repr, __VA_ARGS__)
#define PyObject_RichCompare(...) LSM_CODE_NULL(PyObject_RichCompare, __VA_ARGS__)
#define PyObject_RichCompareBool(...) LSM_CODE_MINUS(PyObject_RichCompareBool, __VA_ARGS__)
#define PyObject_SetAttrString(...) LSM_CODE_MINUS(PyObject_SetAttrString, __VA_ARGS__)
#define PyObject_Size(...) LSM_CODE_MINUS(PyObject_Size, __VA_ARGS__)
#define PyObject_Str(...) LSM_CODE_NULL(PyObject_Str, __VA_ARGS__)
#define PyObject_CallFunction(...) \
    LSM_FAULT_AS(LSM_FAULT_CODE, NULL, "PyObject_CallFunction", lsm_call_function, __VA_ARGS__)
#define PyObject_CallMethod(...) LSM_FAULT_AS(LSM_FAULT_CODE, NULL, "PyObject_CallMethod", lsm_call_method, __VA_ARGS__)

/* A slot, not a function: told to fail it is asked for an object larger than memory. */
extern PyTypeObject lsm_fault_vast_type;
#define tp_alloc(type, count) \
    tp_alloc(LSM_FAULT_REACHED(LSM_FAULT_PLAIN, "tp_alloc") ? &lsm_fault_vast_type : (type), count)

/* ---- modules and types ------------------------------------------------------------------- */

#define PyErr_NewExceptionWithDoc(...) LSM_NULL(PyErr_NewExceptionWithDoc, __VA_ARGS__)
#define PyImport_ImportModule(...) LSM_CODE_NULL(PyImport_ImportModule, __VA_ARGS__)
#define PyModuleDef_Init(...) LSM_NULL(PyModuleDef_Init, __VA_ARGS__)
#define PyModule_AddObjectRef(...) LSM_MINUS(PyModule_AddObjectRef, __VA_ARGS__)
#define PyModule_AddStringConstant(...) LSM_MINUS(PyModule_AddStringConstant, __VA_ARGS__)
#define PyModule_AddType(...) LSM_MINUS(PyModule_AddType, __VA_ARGS__)
#define PyStructSequence_NewType(...) LSM_NULL(PyStructSequence_NewType, __VA_ARGS__)
#define PyType_FromModuleAndSpec(...) LSM_NULL(PyType_FromModuleAndSpec, __VA_ARGS__)
#define PyType_GetModule(...) LSM_CODE_NULL(PyType_GetModule, __VA_ARGS__)

/* ---- errors, signals, memory ------------------------------------------------------------- */

/* To raise is to make an exception: where that fails, another one is set. The answer is always NULL. */
#define PyErr_Format(...)                                        \
    ({                                                           \
        PyObject *nothing = LSM_NULL(PyErr_Format, __VA_ARGS__); \
        nothing;                                                 \
    })
#define PyErr_FormatV(...) ((void)LSM_NULL(PyErr_FormatV, __VA_ARGS__))
#define PyErr_SetString(...) LSM_VOID(PyErr_SetString, __VA_ARGS__)
#define PyErr_SetObject(...) LSM_VOID(PyErr_SetObject, __VA_ARGS__)
#define PyErr_CheckSignals(...) LSM_FAULT(LSM_FAULT_INTERRUPT, -1, PyErr_CheckSignals, __VA_ARGS__)
#define PyErr_ResourceWarning(...) LSM_FAULT(LSM_FAULT_WARNING, -1, PyErr_ResourceWarning, __VA_ARGS__)

#define PyMem_Calloc(...) LSM_SILENT(PyMem_Calloc, __VA_ARGS__)
#define PyMem_Malloc(...) LSM_SILENT(PyMem_Malloc, __VA_ARGS__)
#define PyMem_RawCalloc(...) LSM_SILENT(PyMem_RawCalloc, __VA_ARGS__)
#define PyMem_Realloc(...) LSM_SILENT(PyMem_Realloc, __VA_ARGS__)
#define PyMem_RawRealloc(...) LSM_SILENT(PyMem_RawRealloc, __VA_ARGS__)

#undef Py_BEGIN_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS \
    {                          \
        PyThreadState *_save;  \
        lsm_fault_meanwhile(); \
        _save = PyEval_SaveThread();

#endif
#endif
