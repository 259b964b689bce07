/* rmw: each method is a thought, `think`, that is given what stands under the key and says what shall. */
#include "py/rmw.h"

#include <string.h>

#include "py/expiry.h"
#include "py/iter_type.h"
#include "py/range.h"
#include "py/txn_type.h"

enum verdict { FAILED = -1, LEAVE, PUT, DELETE };

/* One attempt: what was read, and what is to be written and answered. */
struct attempt {
    struct lsm_source *source; /* borrowed */
    PyObject *key;             /* borrowed: as it was given */
    PyObject *raw;             /* borrowed: the value's bytes; NULL: absent */
    uint64_t expiry_ns; /* of the value read; of the value written, which keeps it unless think says otherwise */
    PyObject *wanted; /* owned: PUT: the object to be stored, unless `bytes`: these bytes */
    int bytes;
    PyObject *answer; /* owned */
};

typedef enum verdict (*thought)(struct attempt *attempt, void *context);

static PyObject *decode(const struct attempt *attempt)
{
    PyObject *raw = attempt->raw;
    struct lsm_codec *codec = attempt->source->store->value_codec;
    return codec ? lsm_value_object(codec, PyBytes_AS_STRING(raw), (size_t)PyBytes_GET_SIZE(raw)) : Py_NewRef(raw);
}

/* ---- the loop ---------------------------------------------------------------------------- */

static int put(const struct attempt *attempt, const struct lsm_bytes *key, uint64_t seen)
{
    struct lsm_bytes value;
    struct lsm_codec *codec = attempt->bytes ? NULL : attempt->source->store->value_codec;
    if (lsm_value_take(&value, codec, attempt->wanted) < 0)
        return -1;
    int done = lsm_put_if(attempt->source, seen, key, &value, attempt->expiry_ns);
    lsm_bytes_drop(&value);
    return done;
}

/* 1 done, 0 to be tried again, -1 with an exception. */
static int try_once(struct attempt *attempt, const struct lsm_bytes *key, thought think, void *context)
{
    struct lsm_record record;
    int found = lsm_read_record(attempt->source, key, &record);
    if (found < 0)
        return -1;
    attempt->raw = record.raw;
    attempt->expiry_ns = found ? record.expiry_ns : LSMKV_EXPIRY_DEFAULT;
    enum verdict verdict = think(attempt, context);
    int done = verdict == LEAVE ? 1 : -1;
    if (verdict == PUT)
        done = put(attempt, key, record.seen);
    else if (verdict == DELETE)
        done = lsm_delete_if(attempt->source, record.seen, key);
    attempt->raw = NULL;
    Py_XDECREF(record.raw);
    Py_CLEAR(attempt->wanted);
    return done;
}

/* The answer of the attempt that succeeded: a new reference, or NULL with an exception. */
static PyObject *until_done(PyObject *self, PyObject *key_object, thought think, void *context)
{
    struct attempt attempt = {.source = (struct lsm_source *)self, .key = key_object};
    struct lsm_bytes key;
    int done = 0;
    if (lsm_key_take(&key, attempt.source->store->key_codec, key_object) < 0)
        return NULL;
    while (done == 0) {
        Py_CLEAR(attempt.answer);
        attempt.bytes = 0;
        done = PyErr_CheckSignals() < 0 ? -1 : try_once(&attempt, &key, think, context);
    }
    lsm_bytes_drop(&key);
    if (done < 0)
        Py_CLEAR(attempt.answer);
    return attempt.answer;
}

static enum verdict answer(struct attempt *attempt, PyObject *owned, enum verdict verdict)
{
    attempt->answer = owned;
    return owned ? verdict : FAILED;
}

/* ---- popitem ----------------------------------------------------------------------------- */

/* The first pair of `range` leaves the source: 1 and it, 0 when there is none, -1 with an exception. */
static int take_first(struct lsm_source *source, const struct lsm_range *range, PyObject **pair)
{
    struct lsm_bytes key;
    PyObject *value = NULL, *object = NULL;
    *pair = NULL;
    PyObject *raw = lsm_iter_first(source, LSM_RAW_KEYS, range);
    if (!raw || raw == Py_None) {
        Py_XDECREF(raw);
        return raw ? 0 : -1;
    }
    key = (struct lsm_bytes){PyBytes_AS_STRING(raw), (size_t)PyBytes_GET_SIZE(raw), NULL};
    if (lsm_read(source, &key, &value) > 0 && lsm_delete(source, &key, -1, NULL) == 0)
        object =
            source->store->key_codec ? lsm_key_object(source->store->key_codec, key.data, key.size) : Py_NewRef(raw);
    if (object)
        *pair = PyTuple_Pack(2, object, value);
    Py_XDECREF(object);
    Py_XDECREF(value);
    Py_DECREF(raw);
    return *pair ? 1 : -1;
}

/* In a transaction of its own: that this pair is the first one is looked at too. */
static int take_first_of_store(struct lsm_store *store, const struct lsm_range *range, PyObject **pair)
{
    int found = 0, committed = 0;
    while (committed == 0) {
        struct lsm_source *txn = PyErr_CheckSignals() < 0 ? NULL : lsm_txn_begin(store);
        if (!txn)
            return -1;
        found = take_first(txn, range, pair);
        committed = found > 0 ? lsm_txn_commit(txn, -1, NULL) : 1;
        if (committed <= 0)
            Py_CLEAR(*pair);
        lsm_source_end(txn);
        Py_DECREF(txn);
    }
    return committed < 0 ? -1 : found;
}

PyObject *lsm_target_popitem(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"popitem", 0, 0, 1, {"last"}};
    struct lsm_source *source = (struct lsm_source *)self;
    struct lsm_range range = {0};
    PyObject *given[1], *pair;
    if (lsm_params_read(&params, args, count, keywords, given) < 0 || lsm_to_flag(given[0], 1, &range.reverse) < 0 ||
        lsm_enter(source) < 0) /* a transaction outside its block has no snapshot and is no store either */
        return NULL;
    int found = source == &source->store->head ? take_first_of_store(source->store, &range, &pair)
                                               : take_first(source, &range, &pair);
    if (found == 0)
        PyErr_SetString(PyExc_KeyError, "popitem(): nothing is stored");
    return found > 0 ? pair : NULL;
}

/* ---- pop, setdefault, add, discard ------------------------------------------------------- */

static enum verdict think_pop(struct attempt *attempt, void *fallback)
{
    if (attempt->raw)
        return answer(attempt, decode(attempt), DELETE);
    if (!fallback)
        PyErr_SetObject(PyExc_KeyError, attempt->key);
    return answer(attempt, Py_XNewRef((PyObject *)fallback), LEAVE);
}

PyObject *lsm_target_pop(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "pop() takes a key and at most one default (%zd arguments given)", count);
        return NULL;
    }
    return until_done(self, args[0], think_pop, count == 2 ? args[1] : NULL);
}

static enum verdict think_setdefault(struct attempt *attempt, void *fallback)
{
    if (attempt->raw)
        return answer(attempt, decode(attempt), LEAVE);
    attempt->wanted = Py_NewRef((PyObject *)fallback);
    return answer(attempt, Py_NewRef((PyObject *)fallback), PUT);
}

PyObject *lsm_target_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 2) {
        PyErr_Format(PyExc_TypeError, "setdefault() takes a key and a default (%zd arguments given)", count);
        return NULL;
    }
    return until_done(self, args[0], think_setdefault, count == 2 ? args[1] : Py_None);
}

struct stored {
    PyObject *value; /* borrowed */
    PyObject *old; /* borrowed: compare_and_set */
    uint64_t expiry_ns;
};

static enum verdict think_add(struct attempt *attempt, void *context)
{
    const struct stored *stored = context;
    if (attempt->raw)
        return answer(attempt, Py_NewRef(Py_False), LEAVE);
    attempt->wanted = Py_NewRef(stored->value);
    attempt->expiry_ns = stored->expiry_ns;
    return answer(attempt, Py_NewRef(Py_True), PUT);
}

PyObject *lsm_target_add(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"add", 2, 2, 3, {"", "", "ttl"}};
    PyObject *given[3];
    struct stored stored = {0};
    if (lsm_params_read(&params, args, count, keywords, given) < 0 ||
        lsm_to_expiry((struct lsm_source *)self, given[2], &stored.expiry_ns) < 0)
        return NULL;
    stored.value = given[1];
    return until_done(self, given[0], think_add, &stored);
}

/* Nothing to think about: whatever the value is, and however large, it goes. */
PyObject *lsm_target_discard(PyObject *self, PyObject *object)
{
    struct lsm_source *source = (struct lsm_source *)self;
    struct lsm_bytes key;
    if (lsm_key_take(&key, source->store->key_codec, object) < 0)
        return NULL;
    int removed = lsm_remove(source, &key);
    lsm_bytes_drop(&key);
    return removed < 0 ? NULL : PyBool_FromLong(removed);
}

/* ---- compare_and_set --------------------------------------------------------------------- */

/* 1, 0, or -1 with an exception. */
static int equals_old(struct attempt *attempt, PyObject *old)
{
    PyObject *absent = attempt->source->module->absent;
    if (old == absent || !attempt->raw)
        return old == absent && !attempt->raw;
    PyObject *present = decode(attempt);
    int equal = present ? PyObject_RichCompareBool(present, old, Py_EQ) : -1;
    Py_XDECREF(present);
    return equal;
}

static enum verdict think_compare(struct attempt *attempt, void *context)
{
    const struct stored *stored = context;
    int equal = equals_old(attempt, stored->old);
    if (equal <= 0)
        return equal < 0 ? FAILED : answer(attempt, Py_NewRef(Py_False), LEAVE);
    attempt->answer = Py_NewRef(Py_True);
    if (stored->value == attempt->source->module->absent)
        return attempt->raw ? DELETE : LEAVE;
    attempt->wanted = Py_NewRef(stored->value);
    attempt->expiry_ns = stored->expiry_ns;
    return PUT;
}

PyObject *lsm_target_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"compare_and_set", 3, 3, 4, {"", "", "", "ttl"}};
    PyObject *given[4];
    struct stored stored = {0};
    if (lsm_params_read(&params, args, count, keywords, given) < 0 ||
        lsm_to_expiry((struct lsm_source *)self, given[3], &stored.expiry_ns) < 0)
        return NULL;
    stored.old = given[1];
    stored.value = given[2];
    return until_done(self, given[0], think_compare, &stored);
}

/* ---- merge, incr ------------------------------------------------------------------------- */

struct operation {
    PyObject *function, *operand; /* borrowed */
};

static enum verdict think_merge(struct attempt *attempt, void *context)
{
    const struct operation *operation = context;
    PyObject *before = attempt->raw ? decode(attempt) : NULL;
    if (attempt->raw && !before)
        return FAILED;
    attempt->wanted = before ? PyObject_CallFunctionObjArgs(operation->function, before, operation->operand, NULL)
                             : Py_NewRef(operation->operand);
    Py_XDECREF(before);
    return answer(attempt, Py_XNewRef(attempt->wanted), PUT);
}

PyObject *lsm_merge_function(PyObject *op)
{
    if (!PyUnicode_Check(op)) {
        if (PyCallable_Check(op))
            return Py_NewRef(op);
        PyErr_Format(PyExc_TypeError, "op must be a callable (value, operand) or the name of one, not %.100s",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    PyObject *operators = PyImport_ImportModule("lsmkv.operators");
    PyObject *function = operators ? PyObject_CallMethod(operators, "named", "O", op) : NULL;
    Py_XDECREF(operators);
    return function;
}

PyObject *lsm_merge_by(PyObject *self, PyObject *key, PyObject *operand, PyObject *function)
{
    struct operation operation = {function, operand};
    return until_done(self, key, think_merge, &operation);
}

PyObject *lsm_target_merge(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"merge", 2, 3, 3, {"", "", "op"}};
    PyObject *given[3];
    if (lsm_params_read(&params, args, count, keywords, given) < 0)
        return NULL;
    PyObject *function = lsm_merge_function(given[2]);
    PyObject *merged = function ? lsm_merge_by(self, given[0], given[1], function) : NULL;
    Py_XDECREF(function);
    return merged;
}

static int keeps_text(const struct lsm_codec *codec)
{
    return !codec || codec->kind == LSM_CODEC_STR;
}

/* The number under the key; 0 when it is absent. */
static PyObject *number_of(const struct attempt *attempt)
{
    if (!attempt->raw)
        return PyLong_FromLong(0);
    if (!keeps_text(attempt->source->store->value_codec))
        return decode(attempt);
    const char *text = PyBytes_AS_STRING(attempt->raw);
    PyObject *number = NULL;
    if (strlen(text) == (size_t)PyBytes_GET_SIZE(attempt->raw))
        number = PyLong_FromString(text, NULL, 10);
    if (number || (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_ValueError)))
        return number;
    PyErr_Format(PyExc_ValueError, "the value of %R is not a whole number in decimal text: it stays as it is",
                 attempt->key);
    return NULL;
}

static PyObject *text_of(PyObject *number)
{
    PyObject *text = PyObject_Str(number);
    PyObject *bytes = text ? PyUnicode_AsUTF8String(text) : NULL;
    Py_XDECREF(text);
    return bytes;
}

static enum verdict think_incr(struct attempt *attempt, void *delta)
{
    PyObject *before = number_of(attempt);
    PyObject *sum = before ? PyNumber_Add(before, delta) : NULL;
    Py_XDECREF(before);
    attempt->bytes = keeps_text(attempt->source->store->value_codec);
    if (sum)
        attempt->wanted = attempt->bytes ? text_of(sum) : Py_NewRef(sum);
    attempt->answer = sum;
    return attempt->wanted ? PUT : FAILED;
}

PyObject *lsm_target_incr(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    static const struct lsm_params params = {"incr", 2, 1, 2, {"", "delta"}};
    PyObject *given[2];
    if (lsm_params_read(&params, args, count, keywords, given) < 0)
        return NULL;
    if (given[1] && keeps_text(((struct lsm_source *)self)->store->value_codec) && !PyLong_Check(given[1])) {
        PyErr_Format(PyExc_TypeError, "delta must be an int for a number kept as decimal text, not %.100s",
                     Py_TYPE(given[1])->tp_name);
        return NULL;
    }
    PyObject *delta = given[1] ? Py_NewRef(given[1]) : PyLong_FromLong(1);
    PyObject *sum = delta ? until_done(self, given[0], think_incr, delta) : NULL;
    Py_XDECREF(delta);
    return sum;
}

/* ---- touch, persist ---------------------------------------------------------------------- */

static enum verdict think_touch(struct attempt *attempt, void *expiry_ns)
{
    if (!attempt->raw)
        return answer(attempt, Py_NewRef(Py_False), LEAVE);
    attempt->wanted = Py_NewRef(attempt->raw);
    attempt->bytes = 1;
    attempt->expiry_ns = *(uint64_t *)expiry_ns;
    return answer(attempt, Py_NewRef(Py_True), PUT);
}

PyObject *lsm_target_touch(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    uint64_t expiry_ns;
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "touch() takes a key and a ttl (%zd arguments given)", count);
        return NULL;
    }
    if (args[1] == Py_None) {
        PyErr_SetString(PyExc_TypeError, "touch() needs a number of seconds; persist() lets a key live for ever");
        return NULL;
    }
    if (lsm_to_expiry((struct lsm_source *)self, args[1], &expiry_ns) < 0)
        return NULL;
    return until_done(self, args[0], think_touch, &expiry_ns);
}

PyObject *lsm_target_persist(PyObject *self, PyObject *key)
{
    uint64_t never = LSMKV_EXPIRY_NEVER;
    return until_done(self, key, think_touch, &never);
}
