/* codec: what stands between a Python object and the bytes of a key or a value.
 *
 *   object  -- lsm_key_take, lsm_value_take -->  struct lsm_bytes  -->  store
 *   object  <-- lsm_key_object, lsm_value_object --  bytes, lent or owned  <--  store
 *
 * A store without codecs has NULL in place of one: bytes are bytes, and nothing is asked. A codec object never
 * changes, so any thread may use it.
 *
 * Python code may run in every call, with one exception: lsm_key_object and lsm_value_object of a codec for which
 * lsm_codec_makes_tracked() is 0. They make untracked objects, and the exception they may have to make is made with
 * the collector off. So memory that is lent may be decoded, and is to be given back before the exception travels on.
 *
 * codec_type.c: the types KeyCodec and ValueCodec, and how one is chosen. codec_key.c, codec_value.c: the two ways. */
#ifndef LSM_PY_CODEC_H
#define LSM_PY_CODEC_H

#include "py/args.h"

enum lsm_codec_kind {
    LSM_CODEC_BYTES, /* kept as they are; a store has NULL instead */
    LSM_CODEC_STR,   /* UTF-8 */
    LSM_CODEC_FIELDS, /* a key of any other name: `fields` knows */
    LSM_CODEC_PYTHON  /* a value: `encode` and `decode` know */
};

/* A KeyCodec or a ValueCodec. */
struct lsm_codec {
    PyObject_HEAD struct lsm_module *module; /* borrowed */
    PyObject *name;                          /* owned: str, in its one spelling */
    lsmkv_codec *fields;                     /* owned; KeyCodec only */
    PyObject *encode, *decode;               /* owned: callables; LSM_CODEC_PYTHON only */
    PyObject *remake;                        /* owned: what __reduce__ answers, or NULL */
    PyObject *weakrefs;
    char kind; /* enum lsm_codec_kind */
    char makes_tracked;
};

extern PyType_Spec lsm_key_codec_spec, lsm_value_codec_spec;

/* lsmkv._core.value_codec, with which lsmkv.codecs makes those of its own. */
PyObject *lsm_make_value_codec(PyObject *self, PyObject *args);
extern const char lsm_make_value_codec_doc[];

/* ---- choosing ----------------------------------------------------------------------------- */

/* What a caller gives as key= or value=: None and "bytes" are NULL, a str is a name, a KeyCodec or ValueCodec is itself.
 * *out is owned, or NULL. 0, or -1 with TypeError or ValueError. */
int lsm_key_codec_from(struct lsm_module *module, PyObject *given, struct lsm_codec **out);
int lsm_value_codec_from(struct lsm_module *module, PyObject *given, struct lsm_codec **out);
/* The same for a name that a file has chosen: one whose decoding runs code of the file's author (pickle), or that only
 * the caller can know, is CodecMismatchError. */
int lsm_value_codec_stored(struct lsm_module *module, const char *name, struct lsm_codec **out);

/* The name in UTF-8, for struct lsmkv_options: borrowed from the codec; "bytes" for NULL. NULL with an exception. */
const char *lsm_codec_name(const struct lsm_codec *codec);

/* Decoding may run Python code or make tracked objects: it must not happen while anything is lent. */
static inline int lsm_codec_makes_tracked(const struct lsm_codec *codec)
{
    return codec && codec->makes_tracked;
}

/* ---- keys --------------------------------------------------------------------------------- */

/* The bytes of a key, as lsm_bytes_take: borrowed from `key` where they can be. TypeError for a key that is not of the
 * codec's type, ValueError for one out of its bounds. 0 or -1 (nothing to drop then). */
int lsm_key_encode(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *key);

static inline int lsm_key_take(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *key)
{
    if (!codec)
        return lsm_bytes_take(out, key, "key");
    if (codec->kind == LSM_CODEC_STR && PyUnicode_CheckExact(key)) {
        Py_ssize_t size;
        const char *data = PyUnicode_AsUTF8AndSize(key, &size);
        if (data) {
            *out = (struct lsm_bytes){data, (size_t)size, NULL};
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return -1;
        PyErr_Clear(); /* lsm_key_encode says it in words */
    }
    return lsm_key_encode(out, codec, key);
}

/* The same as a new bytes object of its own, which may be kept. */
PyObject *lsm_key_bytes(struct lsm_codec *codec, PyObject *key);
/* None (or NULL) or a key, or the first elements of a tuple: a new bytes object or NULL in *bound. 0 or -1. */
int lsm_key_bound(struct lsm_codec *codec, PyObject *object, PyObject **bound);
/* What all keys of a prefix begin with: bytes or str themselves; of tuples the leading elements, as a shorter tuple. */
int lsm_key_prefix(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *prefix);

/* The key that `size` bytes at `data` stand for. NULL with DecodeError when they stand for none. */
PyObject *lsm_key_object(struct lsm_codec *codec, const void *data, size_t size);

/* ---- values ------------------------------------------------------------------------------- */

/* The bytes of a value, as lsm_bytes_take. What the codec's own code raises goes through. 0 or -1. */
int lsm_value_take(struct lsm_bytes *out, struct lsm_codec *codec, PyObject *value);
PyObject *lsm_value_bytes(struct lsm_codec *codec, PyObject *value);
/* The value that the bytes stand for. NULL with DecodeError, which names the codec and never shows the value. */
PyObject *lsm_value_object(struct lsm_codec *codec, const void *data, size_t size);

#endif
