/* read: a value is lent in place, copied once into the new bytes object, and given back. Between
 * the two only untracked memory is made: no collection and so no Python code can run. */
#include "py/read.h"

#include <string.h>

#include "py/range.h"

/* ---- one key ---------------------------------------------------------------------------- */

/* Small values of a codec are decoded from the stack: one copy, and no bytes object in between. */
enum { STACK_BYTES = 512 };

/* Ends `read`. A large value is copied without the interpreter lock, and given back before the lock
 * is asked for again. */
static PyObject *copy_lent(struct lsmkv_read *read)
{
    const size_t size = read->value.size;
    if (size <= LSM_COPY_MAX) {
        PyObject *value = PyBytes_FromStringAndSize(read->value.data, (Py_ssize_t)size);
        lsmkv_read_end(read);
        return value;
    }
    PyObject *value = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!value) {
        lsmkv_read_end(read);
        return NULL;
    }
    char *into = PyBytes_AS_STRING(value);
    Py_BEGIN_ALLOW_THREADS memcpy(into, read->value.data, size);
    lsmkv_read_end(read);
    Py_END_ALLOW_THREADS return value;
}

/* Steals the bytes object `raw`. */
static PyObject *decode(struct lsm_codec *codec, PyObject *raw)
{
    if (!codec || !raw)
        return raw;
    PyObject *value = lsm_value_object(codec, PyBytes_AS_STRING(raw), (size_t)PyBytes_GET_SIZE(raw));
    Py_DECREF(raw);
    return value;
}

/* Ends `read`. */
static PyObject *value_lent(struct lsm_codec *codec, struct lsmkv_read *read)
{
    char stack[STACK_BYTES];
    const size_t size = read->value.size;
    if (!codec || size > sizeof stack)
        return decode(codec, copy_lent(read));
    memcpy(stack, read->value.data, size);
    lsmkv_read_end(read);
    return lsm_value_object(codec, stack, size);
}

/* The engine's answer, as lsmkv_read_begin gives it when it must wait. */
static int answer_waiting(struct lsm_source *source, const struct lsm_bytes *key, struct lsmkv_answer *answer)
{
    int rc;
    lsm_pin(source);
    lsmkv *db = source->store->db;
    const lsmkv_snapshot *snapshot = source->snapshot;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_get_answer(db, snapshot, key->data, key->size, answer);
    Py_END_ALLOW_THREADS if (rc < 0) lsm_fail(source, rc);
    lsm_unpin(source);
    return rc < 0 ? -1 : rc == 0;
}

static PyObject *take_answer(struct lsmkv_answer *answer)
{
    PyObject *raw = lsm_bytes_from(answer->value, answer->value_bytes);
    lsmkv_free(answer->value);
    return raw;
}

static int read_waiting(struct lsm_source *source, const struct lsm_bytes *key, PyObject **value)
{
    struct lsmkv_answer answer = {0};
    int found = answer_waiting(source, key, &answer);
    if (found > 0)
        *value = decode(source->store->value_codec, take_answer(&answer));
    return found > 0 && !*value ? -1 : found;
}

int lsm_read(struct lsm_source *source, const struct lsm_bytes *key, PyObject **value)
{
    struct lsmkv_read read;
    *value = NULL;
    if (lsm_enter(source) < 0)
        return -1;
    int rc = lsmkv_read_begin(source->store->db, source->snapshot, key->data, key->size, &read);
    if (rc == 0) {
        *value = value_lent(source->store->value_codec, &read);
        return *value ? 1 : -1;
    }
    if (rc == LSMKV_WOULDBLOCK)
        return read_waiting(source, key, value);
    if (rc < 0)
        lsm_fail(source, rc);
    return rc < 0 ? -1 : 0;
}

int lsm_read_record(struct lsm_source *source, const struct lsm_bytes *key, struct lsm_record *record)
{
    struct lsmkv_read read;
    struct lsmkv_answer answer = {0};
    *record = (struct lsm_record){0};
    if (lsm_enter(source) < 0)
        return -1;
    int rc = lsmkv_read_begin(source->store->db, source->snapshot, key->data, key->size, &read);
    if (rc == LSMKV_WOULDBLOCK) {
        int found = answer_waiting(source, key, &answer);
        *record = (struct lsm_record){found > 0 ? take_answer(&answer) : NULL, answer.expiry_ns, answer.seen};
        return found > 0 && !record->raw ? -1 : found;
    }
    if (rc < 0)
        return lsm_fail(source, rc), -1;
    *record = (struct lsm_record){NULL, read.expiry_ns, read.seen};
    if (rc == 0)
        record->raw = copy_lent(&read);
    return rc == 0 ? (record->raw ? 1 : -1) : 0;
}

static int has_waiting(struct lsm_source *source, const struct lsm_bytes *key)
{
    int rc;
    lsm_pin(source);
    lsmkv *db = source->store->db;
    const lsmkv_snapshot *snapshot = source->snapshot;
    Py_BEGIN_ALLOW_THREADS rc = lsmkv_exists(db, snapshot, key->data, key->size);
    Py_END_ALLOW_THREADS if (rc < 0) lsm_fail(source, rc);
    lsm_unpin(source);
    return rc < 0 ? -1 : rc == 0;
}

int lsm_has(struct lsm_source *source, const struct lsm_bytes *key)
{
    struct lsmkv_read read;
    if (lsm_enter(source) < 0)
        return -1;
    int rc = lsmkv_read_begin(source->store->db, source->snapshot, key->data, key->size, &read);
    if (rc == 0)
        lsmkv_read_end(&read);
    else if (rc == LSMKV_WOULDBLOCK)
        return has_waiting(source, key);
    else if (rc < 0)
        lsm_fail(source, rc);
    return rc < 0 ? -1 : rc == 0;
}

static struct lsm_codec *key_codec(PyObject *self)
{
    return ((struct lsm_source *)self)->store->key_codec;
}

int lsm_source_contains(PyObject *self, PyObject *object)
{
    struct lsm_bytes key;
    if (lsm_key_take(&key, key_codec(self), object) < 0)
        return -1;
    int has = lsm_has((struct lsm_source *)self, &key);
    lsm_bytes_drop(&key);
    return has;
}

PyObject *lsm_source_subscript(PyObject *self, PyObject *object)
{
    struct lsm_bytes key;
    PyObject *value;
    if (PySlice_Check(object))
        return lsm_source_slice(self, object);
    if (lsm_key_take(&key, key_codec(self), object) < 0)
        return NULL;
    if (lsm_read((struct lsm_source *)self, &key, &value) == 0)
        PyErr_SetObject(PyExc_KeyError, object);
    lsm_bytes_drop(&key);
    return value;
}

PyObject *lsm_source_get(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct lsm_bytes key;
    PyObject *value;
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "get() takes a key and at most one default (%zd arguments given)", count);
        return NULL;
    }
    if (lsm_key_take(&key, key_codec(self), args[0]) < 0)
        return NULL;
    int found = lsm_read((struct lsm_source *)self, &key, &value);
    lsm_bytes_drop(&key);
    return found == 0 ? Py_NewRef(count == 2 ? args[1] : Py_None) : value;
}

/* ---- many keys -------------------------------------------------------------------------- */

struct group {
    int count;
    struct lsm_bytes keys[LSMKV_READ_MANY];
    PyObject *objects[LSMKV_READ_MANY]; /* owned: what the keys may be borrowed from */
    PyObject *values[LSMKV_READ_MANY]; /* owned: NULL where absent */
};

static void group_clear(struct group *group)
{
    for (int i = 0; i < group->count; i++) {
        lsm_bytes_drop(&group->keys[i]);
        Py_CLEAR(group->objects[i]);
        Py_CLEAR(group->values[i]);
    }
    group->count = 0;
}

/* Takes up to sixteen keys from the iterator. 0 or -1. */
static int group_fill(struct group *group, struct lsm_codec *codec, PyObject *iterator)
{
    while (group->count < LSMKV_READ_MANY) {
        PyObject *object = PyIter_Next(iterator);
        if (!object)
            return PyErr_Occurred() ? -1 : 0;
        if (lsm_key_take(&group->keys[group->count], codec, object) < 0) {
            Py_DECREF(object);
            return -1;
        }
        group->objects[group->count] = object;
        group->values[group->count++] = NULL;
    }
    return 0;
}

/* What memory answers at once. again[i] is set where the key is to be asked for by itself: it would
 * block, is large, or failed, which that call then explains. 0 or -1. */
static int group_lend(struct lsm_source *source, struct group *group, char *again)
{
    struct lsmkv_slice keys[LSMKV_READ_MANY], lent[LSMKV_READ_MANY];
    int results[LSMKV_READ_MANY];
    struct lsmkv_read read;
    for (int i = 0; i < group->count; i++) {
        keys[i] = (struct lsmkv_slice){group->keys[i].data, group->keys[i].size};
        again[i] = 1;
    }
    if (lsm_enter(source) < 0)
        return -1;
    int rc =
        lsmkv_read_many_begin(source->store->db, source->snapshot, keys, (size_t)group->count, lent, results, &read);
    if (rc == LSMKV_WOULDBLOCK)
        return 0;
    if (rc != 0)
        return lsm_fail(source, rc), -1;
    for (int i = 0; i < group->count && rc == 0; i++) {
        again[i] = results[i] < 0 || results[i] == LSMKV_WOULDBLOCK || (results[i] == 0 && lent[i].size > LSM_COPY_MAX);
        if (results[i] != 0 || again[i])
            continue;
        group->values[i] = PyBytes_FromStringAndSize(lent[i].data, (Py_ssize_t)lent[i].size);
        rc = group->values[i] ? 0 : -1;
    }
    lsmkv_read_end(&read);
    return rc;
}

static int group_read(struct lsm_source *source, struct group *group)
{
    char again[LSMKV_READ_MANY];
    if (group_lend(source, group, again) < 0)
        return -1;
    for (int i = 0; i < group->count; i++) {
        if (again[i]) {
            if (lsm_read(source, &group->keys[i], &group->values[i]) < 0)
                return -1;
        } else if (group->values[i] && source->store->value_codec) {
            group->values[i] = decode(source->store->value_codec, group->values[i]);
            if (!group->values[i])
                return -1;
        }
    }
    return 0;
}

static int group_append(const struct group *group, PyObject *list, PyObject *absent)
{
    for (int i = 0; i < group->count; i++) {
        if (PyList_Append(list, group->values[i] ? group->values[i] : absent) < 0)
            return -1;
    }
    return 0;
}

static int append_all(struct lsm_source *source, PyObject *iterator, PyObject *list, PyObject *absent)
{
    struct group group = {0};
    struct lsm_pacer pacer = {0};
    int rc, more = 1;
    do {
        rc = group_fill(&group, source->store->key_codec, iterator);
        more = group.count > 0;
        if (rc == 0 && more)
            rc = group_read(source, &group);
        if (rc == 0)
            rc = group_append(&group, list, absent);
        group_clear(&group);
        if (rc == 0)
            rc = lsm_pace(&pacer);
    } while (rc == 0 && more);
    return rc;
}

PyObject *lsm_source_get_many(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"get_many", 2, 1, 2, {"keys", "default"}};
    PyObject *given[2];
    if (lsm_params_read(&params, args, count, keywords, given) < 0)
        return NULL;
    PyObject *iterator = PyObject_GetIter(given[0]), *list = NULL;
    if (iterator && lsm_enter((struct lsm_source *)self) == 0)
        list = PyList_New(0);
    if (list && append_all((struct lsm_source *)self, iterator, list, given[1] ? given[1] : Py_None) < 0)
        Py_CLEAR(list);
    Py_XDECREF(iterator);
    return list;
}

/* ---- codecs ----------------------------------------------------------------------------- */

static PyObject *codec_name(PyObject *self, const char *(*name_of)(const lsmkv *))
{
    struct lsm_source *source = (struct lsm_source *)self;
    return lsm_enter(source) < 0 ? NULL : PyUnicode_FromString(name_of(source->store->db));
}

PyObject *lsm_source_key_codec(PyObject *self, void *Py_UNUSED(unused))
{
    return codec_name(self, lsmkv_key_codec);
}

PyObject *lsm_source_value_codec(PyObject *self, void *Py_UNUSED(unused))
{
    return codec_name(self, lsmkv_value_codec);
}
