/* codec_key_read: from the bytes of a key to the object, field by field; codec_key.c goes the other way. */
#include "py/codec.h"
#include "py/codec_foreign.h"
#include "py/errors.h"

struct reader {
    struct lsm_codec *codec; /* borrowed, like data */
    const void *data;
    size_t size, at, field;
    void *scratch;
};

enum { SHOWN_MAX = 64 };

/* The key escaped, and cut. */
static PyObject *decode_failed(const struct lsm_codec *codec, const void *data, size_t size, const char *why)
{
    const int cut = size > SHOWN_MAX;
    PyObject *shown = PyBytes_FromStringAndSize(data, cut ? SHOWN_MAX : (Py_ssize_t)size);
    if (shown)
        PyErr_Format(codec->module->errors.decode, "key codec '%U' cannot decode the key %R%s of %zu bytes: %s",
                     codec->name, shown, cut ? "..." : "", size, why);
    Py_XDECREF(shown);
    return NULL;
}

static PyObject *new_uuid(struct lsm_codec *codec, struct lsmkv_slice bytes)
{
    struct lsm_foreign *foreign = &codec->module->foreign;
    PyObject *content =
        lsm_need_uuid(foreign) < 0 ? NULL : PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
    PyObject *made = content ? PyObject_CallFunctionObjArgs(foreign->uuid, Py_None, content, NULL) : NULL;
    Py_XDECREF(content);
    return made;
}

static PyObject *new_datetime(struct lsm_codec *codec, int64_t microseconds)
{
    struct lsm_foreign *foreign = &codec->module->foreign;
    if (lsm_need_datetime(foreign) < 0)
        return NULL;
    PyObject *delta = PyObject_CallFunction(foreign->timedelta, "iiL", 0, 0, (long long)microseconds);
    PyObject *made = delta ? PyNumber_Add(foreign->epoch, delta) : NULL;
    Py_XDECREF(delta);
    return made;
}

static PyObject *new_element(struct lsm_codec *codec, int type, const union lsmkv_element *element)
{
    switch (type) {
    case LSMKV_FIELD_BYTES:
        return PyBytes_FromStringAndSize(element->bytes.data, (Py_ssize_t)element->bytes.size);
    case LSMKV_FIELD_STR:
        return PyUnicode_DecodeUTF8(element->bytes.data, (Py_ssize_t)element->bytes.size, NULL);
    case LSMKV_FIELD_I64:
        return PyLong_FromLongLong(element->i64);
    case LSMKV_FIELD_U64:
        return PyLong_FromUnsignedLongLong(element->u64);
    case LSMKV_FIELD_F64:
        return PyFloat_FromDouble(element->f64);
    case LSMKV_FIELD_BOOL:
        return PyBool_FromLong((long)element->u64);
    case LSMKV_FIELD_UUID:
        return new_uuid(codec, element->bytes);
    default:
        return new_datetime(codec, element->i64);
    }
}

static PyObject *read_field(struct reader *reader);

static PyObject *read_tuple(struct reader *reader, size_t of)
{
    PyObject *tuple = PyTuple_New((Py_ssize_t)of);
    for (size_t i = 0; tuple && i < of; i++) {
        PyObject *element = read_field(reader);
        if (element)
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, element);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *read_field(struct reader *reader)
{
    struct lsm_codec *codec = reader->codec;
    union lsmkv_element element;
    size_t of, field = reader->field++;
    int type = lsmkv_codec_field(codec->fields, field, &of);
    if (type == LSMKV_FIELD_TUPLE)
        return read_tuple(reader, of);
    if (lsmkv_codec_get(codec->fields, field, reader->data, reader->size, &reader->at, reader->scratch, &element) < 0)
        return decode_failed(codec, reader->data, reader->size, lsmkv_last_error()->text);
    return new_element(codec, type, &element);
}

static PyObject *read_key(struct lsm_codec *codec, const void *data, size_t size)
{
    uint8_t small[256];
    struct reader reader = {.codec = codec, .data = data, .size = size, .scratch = small};
    if (size > sizeof small && !(reader.scratch = PyMem_Malloc(size)))
        return PyErr_NoMemory();
    PyObject *made = read_field(&reader);
    if (reader.scratch != small)
        PyMem_Free(reader.scratch);
    return made;
}

PyObject *lsm_key_object(struct lsm_codec *codec, const void *data, size_t size)
{
    if (!codec || codec->kind == LSM_CODEC_BYTES)
        return PyBytes_FromStringAndSize(data, (Py_ssize_t)size);
    if (codec->makes_tracked)
        return read_key(codec, data, size);
    /* The bytes may be lent, and an exception is a tracked object. */
    int collects = PyGC_Disable();
    PyObject *made = read_key(codec, data, size);
    if (collects)
        PyGC_Enable();
    return made;
}
