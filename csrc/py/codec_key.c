/* codec_key: keys field by field, in the order of the codec's name. This file writes, codec_key_read.c reads.
 *
 *   ("cat", 7)  -- pen -->  63 61 74 00  80 00 00 00 00 00 00 07  -- reader -->  ("cat", 7)
 *
 * Fields of Python's own modules (uuid, datetime) go through these modules' public operations (codec_foreign.h). */
#include "py/codec.h"
#include "py/codec_foreign.h"
#include "py/errors.h"

/* ---- refusing a key ----------------------------------------------------------------------- */

/* A key that is being written. */
struct pen {
    struct lsm_codec *codec; /* borrowed */
    size_t field;            /* the next */
    uint8_t *at;             /* `small`, or owned */
    size_t room, used;
    int depth;
    Py_ssize_t path[LSMKV_CODEC_DEPTH_MAX]; /* where in the tuples */
    uint8_t small[256];
};

/* "a key", or "key[1][0]". */
static PyObject *place_of(const struct pen *pen)
{
    PyObject *place = PyUnicode_FromString(pen->depth ? "key" : "a key");
    for (int i = 0; place && i < pen->depth; i++) {
        PyObject *longer = PyUnicode_FromFormat("%U[%zd]", place, pen->path[i]);
        Py_SETREF(place, longer);
    }
    return place;
}

static const char *const expected[] = {
    [LSMKV_FIELD_TUPLE] = "a tuple",
    [LSMKV_FIELD_BYTES] = "bytes or another buffer object",
    [LSMKV_FIELD_STR] = "str",
    [LSMKV_FIELD_I64] = "int",
    [LSMKV_FIELD_U64] = "int",
    [LSMKV_FIELD_F64] = "float or int",
    [LSMKV_FIELD_BOOL] = "bool",
    [LSMKV_FIELD_UUID] = "uuid.UUID",
    [LSMKV_FIELD_DATETIME] = "datetime.datetime",
};

/* What the caller most likely wants to write instead. */
static const char *remedy(int type, PyObject *given, int depth)
{
    switch (type) {
    case LSMKV_FIELD_TUPLE:
        return ": use tuple() or a pair of parentheses";
    case LSMKV_FIELD_BYTES:
        return PyUnicode_Check(given) ? ": use .encode()" : "";
    case LSMKV_FIELD_STR:
        return !PyBytes_Check(given) ? ": use str()"
               : depth               ? ": use .decode()"
                                     : ": use .decode(), or key=\"bytes\" for a store of bytes";
    case LSMKV_FIELD_I64:
    case LSMKV_FIELD_U64:
        return ": use int()";
    case LSMKV_FIELD_F64:
        return ": use float()";
    case LSMKV_FIELD_BOOL:
        return ": use bool()";
    case LSMKV_FIELD_UUID:
        return ": use uuid.UUID()";
    default:
        return PyUnicode_Check(given) ? ": use datetime.datetime.fromisoformat()" : "";
    }
}

static int refuse_type(const struct pen *pen, int type, PyObject *given)
{
    PyObject *place = place_of(pen);
    if (place)
        PyErr_Format(PyExc_TypeError, "%U of codec '%U' must be %s, not %.100s%s", place, pen->codec->name,
                     expected[type], Py_TYPE(given)->tp_name, remedy(type, given, pen->depth));
    Py_XDECREF(place);
    return -1;
}

static int refuse_value(const struct pen *pen, const char *why)
{
    PyObject *place = place_of(pen);
    if (place)
        PyErr_Format(PyExc_ValueError, "%U of codec '%U' cannot be encoded: %s", place, pen->codec->name, why);
    Py_XDECREF(place);
    return -1;
}

/* ---- writing ------------------------------------------------------------------------------ */

static int reserve(struct pen *pen, size_t more)
{
    if (more <= pen->room - pen->used)
        return 0;
    size_t room = 2 * pen->room + more;
    uint8_t *grown = PyMem_Realloc(pen->at == pen->small ? NULL : pen->at, room);
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    if (pen->at == pen->small)
        memcpy(grown, pen->small, pen->used);
    pen->at = grown;
    pen->room = room;
    return 0;
}

/* `text` bytes of variable length are in the element, or 0. */
static int put(struct pen *pen, const union lsmkv_element *element, size_t text)
{
    const size_t more = text > LSMKV_KEY_MAX ? 0 : 2 * text + 16; /* what is too long is refused by its length */
    if (reserve(pen, more) < 0)
        return -1;
    if (lsmkv_codec_put(pen->codec->fields, pen->field, element, pen->at, pen->room, &pen->used) < 0)
        return refuse_value(pen, lsmkv_last_error()->text);
    pen->field++;
    return 0;
}

static int put_slice(struct pen *pen, const char *data, Py_ssize_t size)
{
    const union lsmkv_element element = {.bytes = {data, (size_t)size}};
    return put(pen, &element, (size_t)size);
}

static int put_bytes(struct pen *pen, PyObject *object)
{
    if (!PyObject_CheckBuffer(object))
        return refuse_type(pen, LSMKV_FIELD_BYTES, object);
    PyObject *bytes = lsm_to_bytes(object, "key");
    int rc = bytes ? put_slice(pen, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes)) : -1;
    Py_XDECREF(bytes);
    return rc;
}

/* The UTF-8 of a str: borrowed from it. NULL with an exception. */
static const char *utf8_of(const struct pen *pen, PyObject *object, Py_ssize_t *size)
{
    if (!PyUnicode_Check(object))
        return refuse_type(pen, LSMKV_FIELD_STR, object), NULL;
    const char *data = PyUnicode_AsUTF8AndSize(object, size);
    if (!data && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        refuse_value(pen,
                     "it has a lone surrogate, which UTF-8 cannot express; os.fsencode() makes bytes of a file name");
    }
    return data;
}

static int put_str(struct pen *pen, PyObject *object)
{
    Py_ssize_t size;
    const char *data = utf8_of(pen, object, &size);
    return data ? put_slice(pen, data, size) : -1;
}

/* A new reference to an int: the object itself, or what its __index__ says. A bool is none. */
static PyObject *to_int(const struct pen *pen, int type, PyObject *object)
{
    if (PyBool_Check(object) || !PyIndex_Check(object))
        return refuse_type(pen, type, object), NULL;
    return PyLong_Check(object) ? Py_NewRef(object) : PyNumber_Index(object);
}

static int put_i64(struct pen *pen, PyObject *object)
{
    PyObject *number = to_int(pen, LSMKV_FIELD_I64, object);
    int overflow = 0;
    union lsmkv_element element = {.i64 = number ? PyLong_AsLongLongAndOverflow(number, &overflow) : 0};
    Py_XDECREF(number);
    if (!number)
        return -1;
    return overflow ? refuse_value(pen, "an i64 is from -2**63 to 2**63 - 1") : put(pen, &element, 0);
}

static int put_u64(struct pen *pen, PyObject *object)
{
    PyObject *number = to_int(pen, LSMKV_FIELD_U64, object);
    union lsmkv_element element = {.u64 = number ? PyLong_AsUnsignedLongLong(number) : 0};
    Py_XDECREF(number);
    if (!number)
        return -1;
    if (!PyErr_Occurred())
        return put(pen, &element, 0);
    if (!PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    return refuse_value(pen, "a u64 is from 0 to 2**64 - 1");
}

/* An int only where a float can be exactly it: two keys must not become one. 1 or 0 or -1. */
static int int_to_double(PyObject *number, double *out)
{
    *out = PyLong_AsDouble(number);
    if (*out == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *back = PyFloat_FromDouble(*out);
    int same = back ? PyObject_RichCompareBool(back, number, Py_EQ) : -1;
    Py_XDECREF(back);
    return same;
}

static int put_f64(struct pen *pen, PyObject *object)
{
    union lsmkv_element element;
    if (PyFloat_Check(object)) {
        element.f64 = PyFloat_AS_DOUBLE(object);
        return put(pen, &element, 0);
    }
    PyObject *number = to_int(pen, LSMKV_FIELD_F64, object);
    int exact = number ? int_to_double(number, &element.f64) : -1;
    Py_XDECREF(number);
    if (exact < 0)
        return -1;
    return exact ? put(pen, &element, 0) : refuse_value(pen, "no float is exactly this int");
}

static int put_bool(struct pen *pen, PyObject *object)
{
    const union lsmkv_element element = {.u64 = object == Py_True};
    return PyBool_Check(object) ? put(pen, &element, 0) : refuse_type(pen, LSMKV_FIELD_BOOL, object);
}

static void store_big_endian(uint8_t *to, unsigned long long number)
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        to[i] = (uint8_t)number;
}

/* The 128 bits of uuid.int. 0 or -1. */
static int uuid_bytes(PyObject *uuid, uint8_t to[16])
{
    PyObject *low = PyObject_GetAttrString(uuid, "int");
    PyObject *shift = low ? PyLong_FromLong(64) : NULL;
    PyObject *high = shift ? PyNumber_Rshift(low, shift) : NULL;
    if (high) {
        store_big_endian(to, PyLong_AsUnsignedLongLong(high));
        store_big_endian(to + 8, PyLong_AsUnsignedLongLongMask(low));
    }
    Py_XDECREF(low);
    Py_XDECREF(shift);
    Py_XDECREF(high);
    return PyErr_Occurred() ? -1 : 0;
}

static int put_uuid(struct pen *pen, PyObject *object)
{
    struct lsm_foreign *foreign = &pen->codec->module->foreign;
    uint8_t bytes[16];
    int is = lsm_need_uuid(foreign) < 0 ? -1 : PyObject_IsInstance(object, foreign->uuid);
    if (is <= 0)
        return is < 0 ? -1 : refuse_type(pen, LSMKV_FIELD_UUID, object);
    return uuid_bytes(object, bytes) < 0 ? -1 : put_slice(pen, (const char *)bytes, 16);
}

static int refuse_naive(const struct pen *pen)
{
    return refuse_value(pen, "a datetime without a time zone is no moment in time: use .astimezone() if it is local "
                             "time, .replace(tzinfo=datetime.timezone.utc) if it is UTC");
}

/* Microseconds since 1970 UTC: a new int. NULL with an exception. */
static PyObject *microseconds_of(const struct pen *pen, PyObject *object)
{
    const struct lsm_foreign *foreign = &pen->codec->module->foreign;
    PyObject *zone = PyObject_GetAttrString(object, "tzinfo");
    if (zone == Py_None)
        refuse_naive(pen);
    PyObject *delta = zone && zone != Py_None ? PyNumber_Subtract(object, foreign->epoch) : NULL;
    PyObject *micros = delta ? PyNumber_FloorDivide(delta, foreign->microsecond) : NULL;
    Py_XDECREF(zone);
    Py_XDECREF(delta);
    return micros;
}

static int put_datetime(struct pen *pen, PyObject *object)
{
    struct lsm_foreign *foreign = &pen->codec->module->foreign;
    union lsmkv_element element;
    int is = lsm_need_datetime(foreign) < 0 ? -1 : PyObject_IsInstance(object, foreign->datetime);
    if (is <= 0)
        return is < 0 ? -1 : refuse_type(pen, LSMKV_FIELD_DATETIME, object);
    PyObject *micros = microseconds_of(pen, object);
    if (!micros)
        return -1;
    element.i64 = PyLong_AsLongLong(micros);
    Py_DECREF(micros);
    return element.i64 == -1 && PyErr_Occurred() ? -1 : put(pen, &element, 0);
}

static int put_field(struct pen *pen, PyObject *object);

static int put_elements(struct pen *pen, PyObject *tuple)
{
    int rc = 0;
    pen->field++;
    pen->depth++;
    for (Py_ssize_t i = 0; rc == 0 && i < PyTuple_GET_SIZE(tuple); i++) {
        pen->path[pen->depth - 1] = i;
        rc = put_field(pen, PyTuple_GET_ITEM(tuple, i));
    }
    pen->depth--;
    return rc;
}

static int refuse_count(const struct pen *pen, size_t wanted, Py_ssize_t given, const char *at_most)
{
    PyObject *place = place_of(pen);
    if (place)
        PyErr_Format(PyExc_TypeError, "%U of codec '%U' must be a tuple of %s%zu, not of %zd", place, pen->codec->name,
                     at_most, wanted, given);
    Py_XDECREF(place);
    return -1;
}

static int put_tuple(struct pen *pen, PyObject *object, size_t wanted)
{
    if (!PyTuple_Check(object))
        return refuse_type(pen, LSMKV_FIELD_TUPLE, object);
    if ((size_t)PyTuple_GET_SIZE(object) != wanted)
        return refuse_count(pen, wanted, PyTuple_GET_SIZE(object), "");
    return put_elements(pen, object);
}

static int put_field(struct pen *pen, PyObject *object)
{
    size_t of;
    switch (lsmkv_codec_field(pen->codec->fields, pen->field, &of)) {
    case LSMKV_FIELD_TUPLE:
        return put_tuple(pen, object, of);
    case LSMKV_FIELD_BYTES:
        return put_bytes(pen, object);
    case LSMKV_FIELD_STR:
        return put_str(pen, object);
    case LSMKV_FIELD_I64:
        return put_i64(pen, object);
    case LSMKV_FIELD_U64:
        return put_u64(pen, object);
    case LSMKV_FIELD_F64:
        return put_f64(pen, object);
    case LSMKV_FIELD_BOOL:
        return put_bool(pen, object);
    case LSMKV_FIELD_UUID:
        return put_uuid(pen, object);
    default:
        return put_datetime(pen, object);
    }
}

static void pen_init(struct pen *pen, struct lsm_codec *codec)
{
    pen->codec = codec;
    pen->at = pen->small;
    pen->room = sizeof pen->small;
    pen->field = pen->used = 0;
    pen->depth = 0;
}

/* What was written becomes a bytes object, if all went well. 0 or -1. */
static int pen_finish(struct pen *pen, int rc, struct lsm_bytes *out)
{
    PyObject *made = rc < 0 ? NULL : PyBytes_FromStringAndSize((const char *)pen->at, (Py_ssize_t)pen->used);
    if (pen->at != pen->small)
        PyMem_Free(pen->at);
    if (!made)
        return -1;
    *out = (struct lsm_bytes){PyBytes_AS_STRING(made), (size_t)PyBytes_GET_SIZE(made), made};
    return 0;
}

static int take_str(struct lsm_bytes *out, const struct pen *pen, PyObject *key)
{
    Py_ssize_t size;
    const char *data = utf8_of(pen, key, &size);
    if (!data)
        return -1;
    *out = (struct lsm_bytes){data, (size_t)size, NULL};
    return 0;
}

int lsm_key_encode(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *key)
{
    struct pen pen;
    if (!codec || codec->kind == LSM_CODEC_BYTES)
        return lsm_bytes_take(out, key, "key");
    pen_init(&pen, codec);
    if (codec->kind == LSM_CODEC_STR)
        return take_str(out, &pen, key);
    return pen_finish(&pen, put_field(&pen, key), out);
}

int lsm_key_prefix(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *prefix)
{
    struct pen pen;
    size_t of;
    if (!codec || codec->kind != LSM_CODEC_FIELDS)
        return lsm_key_take(out, codec, prefix);
    pen_init(&pen, codec);
    if (lsmkv_codec_field(codec->fields, 0, &of) != LSMKV_FIELD_TUPLE) {
        PyErr_Format(PyExc_TypeError, "keys of codec '%U' have no prefix: use a range", codec->name);
        return -1;
    }
    if (!PyTuple_Check(prefix))
        return refuse_type(&pen, LSMKV_FIELD_TUPLE, prefix);
    if ((size_t)PyTuple_GET_SIZE(prefix) > of)
        return refuse_count(&pen, of, PyTuple_GET_SIZE(prefix), "at most ");
    return pen_finish(&pen, put_elements(&pen, prefix), out);
}

PyObject *lsm_key_bytes(struct lsm_codec *codec, PyObject *key)
{
    struct lsm_bytes bytes;
    if (!codec || codec->kind == LSM_CODEC_BYTES)
        return lsm_to_bytes(key, "key");
    if (lsm_key_take(&bytes, codec, key) < 0)
        return NULL;
    return bytes.copy ? bytes.copy : PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
}

/* A shorter tuple stands before every tuple that begins with it, here as in Python: it may bound a range. Not where
 * all of it is turned around. */
static int takes_shorter(const struct lsm_codec *codec, PyObject *object)
{
    return codec && codec->kind == LSM_CODEC_FIELDS && PyTuple_Check(object) &&
           PyUnicode_READ_CHAR(codec->name, 0) == '(';
}

int lsm_key_bound(struct lsm_codec *codec, PyObject *object, PyObject **bound)
{
    struct lsm_bytes prefix;
    *bound = NULL;
    if (!object || object == Py_None)
        return 0;
    if (!takes_shorter(codec, object)) {
        *bound = lsm_key_bytes(codec, object);
        return *bound ? 0 : -1;
    }
    if (lsm_key_prefix(&prefix, codec, object) < 0)
        return -1;
    *bound = PyBytes_FromStringAndSize(prefix.data, (Py_ssize_t)prefix.size);
    lsm_bytes_drop(&prefix);
    return *bound ? 0 : -1;
}
