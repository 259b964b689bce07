/* codec_value: bytes and str here; everything else by the codec's own Python code. */
#include "py/codec.h"

/* ---- to bytes ----------------------------------------------------------------------------- */

static int take_str(struct lsm_bytes *out, PyObject *value)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "a value of codec 'str' must be str, not %.100s%s", Py_TYPE(value)->tp_name,
                     PyBytes_Check(value) ? ": use .decode(), or value=\"bytes\" for a store of bytes" : ": use str()");
        return -1;
    }
    const char *data = PyUnicode_AsUTF8AndSize(value, &size);
    if (!data && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "a value of codec 'str' has a lone surrogate, which UTF-8 cannot express");
    }
    if (!data)
        return -1;
    *out = (struct lsm_bytes){data, (size_t)size, NULL};
    return 0;
}

static int take_encoded(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *value)
{
    int rc = -1;
    PyObject *encoded = PyObject_CallOneArg(codec->encode, value);
    if (encoded && PyObject_CheckBuffer(encoded)) {
        rc = lsm_bytes_copy(out, encoded, "value"); /* owns: it is nobody else's */
    } else if (encoded) {
        PyErr_Format(PyExc_TypeError, "encode() of value codec '%U' must return bytes, not %.100s", codec->name,
                     Py_TYPE(encoded)->tp_name);
    }
    Py_XDECREF(encoded);
    return rc;
}

int lsm_value_take(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *value)
{
    if (!codec || codec->kind == LSM_CODEC_BYTES)
        return lsm_bytes_take(out, value, "value");
    return codec->kind == LSM_CODEC_STR ? take_str(out, value) : take_encoded(out, codec, value);
}

PyObject *lsm_value_bytes(struct lsm_codec *codec, PyObject *value)
{
    struct lsm_bytes bytes;
    if (!codec || codec->kind == LSM_CODEC_BYTES)
        return lsm_to_bytes(value, "value");
    if (lsm_value_take(&bytes, codec, value) < 0)
        return NULL;
    return bytes.copy ? bytes.copy : lsm_bytes_from(bytes.data, bytes.size);
}

/* ---- from bytes --------------------------------------------------------------------------- */

/* The exception that is set becomes the cause of a DecodeError, which tells nothing of the value. A KeyError out of a
 * decoder would otherwise look like a key that is not there. Not for what has nothing to do with the bytes. */
static PyObject *decode_failed(const struct lsm_codec *codec, size_t size)
{
    const struct lsm_errors *errors = &codec->module->errors;
    PyObject *kind, *cause, *trace, *error;
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError) ||
        PyErr_ExceptionMatches(errors->base))
        return NULL;
    PyErr_Fetch(&kind, &cause, &trace);
    PyErr_NormalizeException(&kind, &cause, &trace);
    if (trace)
        PyException_SetTraceback(cause, trace);
    PyErr_Format(errors->decode, "value codec '%U' cannot decode a value of %zu bytes (%s)", codec->name, size,
                 ((PyTypeObject *)kind)->tp_name);
    Py_DECREF(kind);
    Py_XDECREF(trace);
    PyErr_Fetch(&kind, &error, &trace);
    PyErr_NormalizeException(&kind, &error, &trace);
    PyException_SetContext(error, Py_NewRef(cause));
    PyException_SetCause(error, cause);
    PyErr_Restore(kind, error, trace);
    return NULL;
}

static PyObject *decoded_str(const struct lsm_codec *codec, const void *data, size_t size)
{
    /* The bytes may be lent, and an exception is a tracked object. */
    int collects = PyGC_Disable();
    PyObject *made = PyUnicode_DecodeUTF8(data, (Py_ssize_t)size, NULL);
    if (!made)
        decode_failed(codec, size);
    if (collects)
        PyGC_Enable();
    return made;
}

PyObject *lsm_value_object(struct lsm_codec *codec, const void *data, size_t size)
{
    if (!codec || codec->kind == LSM_CODEC_BYTES)
        return PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    if (codec->kind == LSM_CODEC_STR)
        return decoded_str(codec, data, size);
    PyObject *bytes = lsm_bytes_from(data, size);
    PyObject *made = bytes ? PyObject_CallOneArg(codec->decode, bytes) : NULL;
    Py_XDECREF(bytes);
    if (!made && PyErr_Occurred() && bytes)
        decode_failed(codec, size);
    return made;
}
