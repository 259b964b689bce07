/* codec_type: the types KeyCodec and ValueCodec: one struct, two types, equal by name. And how one is chosen.
 *
 * Names of value codecs that lsmkv gives a meaning to are reserved: a file in which one stands is decoded by lsmkv.codecs
 * and nobody else. A file never chooses pickle. */
#include "py/codec.h"

#include <string.h>

static struct lsm_codec *as_codec(PyObject *self)
{
    return (struct lsm_codec *)self;
}

static int is_key(PyObject *self)
{
    return Py_TYPE(self) == as_codec(self)->module->key_codec_type;
}

/* ---- making one --------------------------------------------------------------------------- */

static struct lsm_codec *new_codec(struct lsm_module *module, PyTypeObject *type, enum lsm_codec_kind kind,
                                   const char *name)
{
    struct lsm_codec *made = (struct lsm_codec *)type->tp_alloc(type, 0);
    if (!made)
        return NULL;
    made->module = module;
    made->kind = (char)kind;
    made->makes_tracked = kind == LSM_CODEC_PYTHON;
    made->name = PyUnicode_FromString(name);
    if (!made->name)
        Py_CLEAR(made);
    return made;
}

static int has_tracked_field(const lsmkv_codec *fields)
{
    int tracked = 0;
    size_t of;
    for (size_t i = 0; i < lsmkv_codec_fields(fields); i++) {
        int type = lsmkv_codec_field(fields, i, &of);
        tracked |= type == LSMKV_FIELD_TUPLE || type == LSMKV_FIELD_UUID || type == LSMKV_FIELD_DATETIME;
    }
    return tracked;
}

static enum lsm_codec_kind kind_of(const char *name)
{
    return strcmp(name, "bytes") == 0 ? LSM_CODEC_BYTES : strcmp(name, "str") == 0 ? LSM_CODEC_STR : LSM_CODEC_FIELDS;
}

static struct lsm_codec *new_key_codec(struct lsm_module *module, PyObject *name)
{
    Py_ssize_t size;
    lsmkv_codec *fields;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    if (!text)
        return NULL;
    int rc = lsmkv_codec_new(text, (size_t)size, &fields);
    if (rc != 0)
        return PyErr_SetString(rc == LSMKV_NOMEM ? PyExc_MemoryError : PyExc_ValueError, lsmkv_last_error()->text),
               NULL;
    const char *canonical = lsmkv_codec_name(fields);
    struct lsm_codec *made = new_codec(module, module->key_codec_type, kind_of(canonical), canonical);
    if (!made) {
        lsmkv_codec_free(fields);
        return NULL;
    }
    made->fields = fields;
    made->makes_tracked = (char)has_tracked_field(fields);
    return made;
}

static PyObject *key_codec_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *name;
    static char *names[] = {"", NULL};
    struct lsm_module *module = lsm_module_of(type);
    if (!module || !PyArg_ParseTupleAndKeywords(args, keywords, "U:KeyCodec", names, &name))
        return NULL;
    return (PyObject *)new_key_codec(module, name);
}

static int is_reserved(const char *name)
{
    static const char *const reserved[] = {"bytes", "str", "json", "msgspec", "pickle"};
    int found = strncmp(name, "struct:", 7) == 0;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        found |= strcmp(name, reserved[i]) == 0;
    return found;
}

/* A name that a store takes: 1 to 1024 characters of printable ASCII. NULL with ValueError. */
static const char *value_name(PyObject *name)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(name, &size);
    int fit = text && size > 0 && size <= (Py_ssize_t)LSMKV_CODEC_NAME_MAX;
    for (Py_ssize_t i = 0; fit && i < size; i++)
        fit = text[i] >= ' ' && text[i] < 0x7f;
    if (text && !fit)
        PyErr_Format(PyExc_ValueError, "%R is no name for a codec: it is 1 to %u characters of printable ASCII", name,
                     LSMKV_CODEC_NAME_MAX);
    return fit ? text : NULL;
}

static struct lsm_codec *new_value_codec(struct lsm_module *module, const char *name, PyObject *encode,
                                         PyObject *decode)
{
    enum lsm_codec_kind kind = encode == Py_None ? kind_of(name) : LSM_CODEC_PYTHON;
    struct lsm_codec *made = new_codec(module, module->value_codec_type, kind, name);
    if (made && kind == LSM_CODEC_PYTHON) {
        made->encode = Py_NewRef(encode);
        made->decode = Py_NewRef(decode);
    }
    return made;
}

static PyObject *value_codec_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    PyObject *name_object, *encode, *decode;
    static char *names[] = {"", "", "", NULL};
    struct lsm_module *module = lsm_module_of(type);
    if (!module ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "UOO:ValueCodec", names, &name_object, &encode, &decode))
        return NULL;
    const char *name = value_name(name_object);
    if (!name)
        return NULL;
    if (is_reserved(name))
        return PyErr_Format(PyExc_ValueError,
                            "the name '%s' is lsmkv's own: codecs.value('%s') makes that codec; give yours "
                            "another name",
                            name, name);
    if (!PyCallable_Check(encode) || !PyCallable_Check(decode))
        return PyErr_Format(PyExc_TypeError, "encode and decode of value codec '%s' must be callable", name);
    return (PyObject *)new_value_codec(module, name, encode, decode);
}

const char lsm_make_value_codec_doc[] =
    "value_codec(name, encode, decode, remake, /)\n--\n\n"
    "A ValueCodec of lsmkv's own. encode and decode None: in C. remake: what __reduce__ answers.";

PyObject *lsm_make_value_codec(PyObject *self, PyObject *args)
{
    PyObject *name_object, *encode, *decode, *remake;
    if (!PyArg_ParseTuple(args, "UOOO!:value_codec", &name_object, &encode, &decode, &PyTuple_Type, &remake))
        return NULL;
    const char *name = value_name(name_object);
    if (!name)
        return NULL;
    if (!is_reserved(name))
        return PyErr_Format(PyExc_ValueError, "'%s' is none of lsmkv's own names: use ValueCodec", name);
    struct lsm_codec *made = new_value_codec(PyModule_GetState(self), name, encode, decode);
    if (made)
        made->remake = Py_NewRef(remake);
    return (PyObject *)made;
}

/* ---- choosing one ------------------------------------------------------------------------- */

/* Steals `made`; bytes need no codec. 0, or -1 when it is NULL. */
static int choose(struct lsm_codec *made, struct lsm_codec **out)
{
    *out = made;
    if (made && made->kind == LSM_CODEC_BYTES)
        Py_CLEAR(*out);
    return made ? 0 : -1;
}

int lsm_key_codec_from(struct lsm_module *module, PyObject *given, struct lsm_codec **out)
{
    *out = NULL;
    if (!given || given == Py_None)
        return 0;
    if (PyUnicode_Check(given))
        return choose(new_key_codec(module, given), out);
    if (Py_TYPE(given) == module->key_codec_type)
        return choose((struct lsm_codec *)Py_NewRef(given), out);
    PyErr_Format(PyExc_TypeError,
                 "key= must be the name of a key codec, such as \"str\", or one of lsmkv.codecs, not %.200R", given);
    return -1;
}

/* codecs.value(name): the one place that knows the names. */
static struct lsm_codec *value_codec_named(struct lsm_module *module, PyObject *name)
{
    PyObject *codecs = PyImport_ImportModule("lsmkv.codecs");
    PyObject *made = codecs ? PyObject_CallMethod(codecs, "value", "O", name) : NULL;
    Py_XDECREF(codecs);
    if (made && Py_TYPE(made) != module->value_codec_type) {
        PyErr_Format(PyExc_TypeError, "lsmkv.codecs.value() made %.100s", Py_TYPE(made)->tp_name);
        Py_CLEAR(made);
    }
    return (struct lsm_codec *)made;
}

int lsm_value_codec_from(struct lsm_module *module, PyObject *given, struct lsm_codec **out)
{
    *out = NULL;
    if (!given || given == Py_None)
        return 0;
    if (PyUnicode_Check(given))
        return choose(value_codec_named(module, given), out);
    if (Py_TYPE(given) == module->value_codec_type)
        return choose((struct lsm_codec *)Py_NewRef(given), out);
    if (Py_TYPE(given) == module->key_codec_type && as_codec(given)->kind != LSM_CODEC_FIELDS)
        return choose(value_codec_named(module, as_codec(given)->name), out); /* bytes and str are both */
    PyErr_Format(PyExc_TypeError,
                 "value= must be the name of a value codec, such as \"json\", or one of lsmkv.codecs, not %.200R",
                 given);
    return -1;
}

int lsm_value_codec_stored(struct lsm_module *module, const char *name, struct lsm_codec **out)
{
    *out = NULL;
    if (strcmp(name, "pickle") == 0) {
        PyErr_SetString(module->errors.codec_mismatch,
                        "the values were written with codec 'pickle', and reading them runs whatever code was stored: "
                        "open the store with value=\"pickle\" if you trust who wrote it, or with value=\"raw\" for the "
                        "bytes as they lie there");
        return -1;
    }
    if (!is_reserved(name)) {
        PyErr_Format(
            module->errors.codec_mismatch,
            "the values were written with codec '%s', which only its author has: open the store with value= that "
            "ValueCodec",
            name);
        return -1;
    }
    PyObject *object = PyUnicode_FromString(name);
    int rc = object ? lsm_value_codec_from(module, object, out) : -1;
    Py_XDECREF(object);
    return rc;
}

const char *lsm_codec_name(const struct lsm_codec *codec)
{
    return codec ? PyUnicode_AsUTF8(codec->name) : "bytes";
}

/* ---- methods ------------------------------------------------------------------------------ */

static PyObject *codec_encode(PyObject *self, PyObject *object)
{
    return is_key(self) ? lsm_key_bytes(as_codec(self), object) : lsm_value_bytes(as_codec(self), object);
}

static PyObject *codec_decode(PyObject *self, PyObject *object)
{
    struct lsm_bytes bytes;
    struct lsm_codec *codec = as_codec(self);
    if (lsm_bytes_take(&bytes, object, is_key(self) ? "key" : "value") < 0)
        return NULL;
    PyObject *made =
        is_key(self) ? lsm_key_object(codec, bytes.data, bytes.size) : lsm_value_object(codec, bytes.data, bytes.size);
    lsm_bytes_drop(&bytes);
    return made;
}

static PyObject *key_codec_prefix(PyObject *self, PyObject *object)
{
    struct lsm_bytes bytes;
    if (lsm_key_prefix(&bytes, as_codec(self), object) < 0)
        return NULL;
    return bytes.copy ? bytes.copy : PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.size);
}

static PyObject *codec_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    struct lsm_codec *codec = as_codec(self);
    if (codec->remake)
        return Py_NewRef(codec->remake);
    if (is_key(self))
        return Py_BuildValue("O(O)", Py_TYPE(self), codec->name);
    return Py_BuildValue("O(OOO)", Py_TYPE(self), codec->name, codec->encode, codec->decode);
}

static PyObject *codec_repr(PyObject *self)
{
    if (is_key(self))
        return PyUnicode_FromFormat("lsmkv.codecs.key(%R)", as_codec(self)->name);
    if (as_codec(self)->remake)
        return PyUnicode_FromFormat("lsmkv.codecs.value(%R)", as_codec(self)->name);
    return PyUnicode_FromFormat("<lsmkv.codecs.ValueCodec %R>", as_codec(self)->name);
}

static Py_hash_t codec_hash(PyObject *self)
{
    return PyObject_Hash(as_codec(self)->name);
}

static PyObject *codec_compare(PyObject *self, PyObject *other, int operator)
{
    if ((operator!= Py_EQ && operator!= Py_NE) || Py_TYPE(self) != Py_TYPE(other))
        Py_RETURN_NOTIMPLEMENTED;
    return PyObject_RichCompare(as_codec(self)->name, as_codec(other)->name, operator);
}

static int codec_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_codec(self)->encode);
    Py_VISIT(as_codec(self)->decode);
    Py_VISIT(as_codec(self)->remake);
    return 0;
}

static void codec_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    struct lsm_codec *codec = as_codec(self);
    PyObject_GC_UnTrack(self);
    if (codec->weakrefs)
        PyObject_ClearWeakRefs(self);
    lsmkv_codec_free(codec->fields);
    Py_CLEAR(codec->name);
    Py_CLEAR(codec->encode);
    Py_CLEAR(codec->decode);
    Py_CLEAR(codec->remake);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- the types ---------------------------------------------------------------------------- */

PyDoc_STRVAR(
    key_doc,
    "KeyCodec(name, /)\n--\n\n"
    "How keys become bytes, in the same order: of lsmkv.codecs, or by name.\n\n"
    "name: bytes, str, i64, u64, f64, bool, uuid, datetime, a tuple of these such as \"(str,i64)\", or desc(...)\n"
    "around any of them. ValueError says what is wrong with another. Codecs of one name are equal.");
PyDoc_STRVAR(value_doc,
             "ValueCodec(name, encode, decode, /)\n--\n\n"
             "How values become bytes: one of your own. lsmkv.codecs has those that are there.\n\n"
             "name: str, stored in the store: it can be opened with a codec of that name only. encode(object) returns\n"
             "bytes, decode(bytes) the object. What decode raises becomes the cause of a DecodeError.");
PyDoc_STRVAR(encode_doc, "encode($self, object, /)\n--\n\n"
                         "The bytes that stand for the object. TypeError or ValueError when none do.");
PyDoc_STRVAR(decode_doc, "decode($self, data, /)\n--\n\n"
                         "The object that the bytes stand for. DecodeError, a ValueError, when they stand for none.");

PyDoc_STRVAR(prefix_doc, "prefix($self, object, /)\n--\n\n"
                         "The bytes that all keys with this prefix begin with: of bytes or str themselves, of tuples\n"
                         "the first elements, as a shorter tuple. TypeError for keys that have none.");

#define CODEC_METHODS                                                                                        \
    {"encode", codec_encode, METH_O, encode_doc}, {"decode", codec_decode, METH_O, decode_doc}, LSM_GENERIC, \
    {                                                                                                        \
        "__reduce__", codec_reduce, METH_NOARGS, NULL                                                        \
    }

static PyMethodDef key_methods[] = {CODEC_METHODS, {"prefix", key_codec_prefix, METH_O, prefix_doc}, {0}};
static PyMethodDef value_methods[] = {CODEC_METHODS, {0}};

static PyMemberDef members[] = {
    {"name", T_OBJECT_EX, offsetof(struct lsm_codec, name), READONLY, "What a store keeps of the codec."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct lsm_codec, weakrefs), READONLY, NULL},
    {0},
};

#define CODEC_SLOTS(doc, new, methods)                                                                            \
    {Py_tp_doc, (void *)doc}, {Py_tp_new, new}, {Py_tp_dealloc, codec_dealloc}, {Py_tp_traverse, codec_traverse}, \
        {Py_tp_repr, codec_repr}, {Py_tp_hash, codec_hash}, {Py_tp_richcompare, codec_compare},                   \
        {Py_tp_methods, methods}, {Py_tp_members, members},                                                       \
    {                                                                                                             \
        0, NULL                                                                                                   \
    }

static PyType_Slot key_slots[] = {CODEC_SLOTS(key_doc, key_codec_new, key_methods)};
static PyType_Slot value_slots[] = {CODEC_SLOTS(value_doc, value_codec_new, value_methods)};

enum { FLAGS = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE };

PyType_Spec lsm_key_codec_spec = {
    .name = "lsmkv.codecs.KeyCodec", .basicsize = sizeof(struct lsm_codec), .flags = FLAGS, .slots = key_slots};

PyType_Spec lsm_value_codec_spec = {
    .name = "lsmkv.codecs.ValueCodec", .basicsize = sizeof(struct lsm_codec), .flags = FLAGS, .slots = value_slots};
