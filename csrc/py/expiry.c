/* expiry: a wall clock time in nanoseconds; what lies beyond the clock's range is for ever. */
#include "py/expiry.h"

#include <math.h>

#include "py/write.h"

#define SECOND_NS 1e9
#define FAR_NS 9.2e18 /* the year 2261 */

/* A number above 0: 0, or -1 with an exception. What else raises while it becomes one stays. */
static int to_seconds(PyObject *ttl, double *seconds, const char *endless)
{
    int is_number = !PyBool_Check(ttl) && (PyFloat_Check(ttl) || PyNumber_Check(ttl));
    *seconds = is_number ? PyFloat_AsDouble(ttl) : 0;
    if (*seconds == -1 && PyErr_Occurred())
        return -1;
    if (is_number && *seconds > 0)
        return 0;
    PyErr_Format(is_number ? PyExc_ValueError : PyExc_TypeError, "ttl=%R: it is a number of seconds above 0; %s", ttl,
                 endless);
    return -1;
}

int lsm_to_expiry(const struct lsm_source *source, PyObject *ttl, uint64_t *expiry_ns)
{
    *expiry_ns = LSMKV_EXPIRY_DEFAULT;
    if (!ttl || ttl == Py_None)
        return 0;
    double seconds = 0;
    if (to_seconds(ttl, &seconds, "math.inf is for ever") < 0)
        return -1;
    if (lsm_enter(source) < 0)
        return -1;
    double at = (double)lsmkv_wall_ns(source->store->db) + seconds * SECOND_NS;
    *expiry_ns = at < FAR_NS ? lsmkv_wall_ns(source->store->db) + (uint64_t)(seconds * SECOND_NS) : LSMKV_EXPIRY_NEVER;
    return 0;
}

int lsm_to_ttl(PyObject *ttl, uint64_t *milliseconds)
{
    double seconds = INFINITY;
    *milliseconds = 0;
    if (ttl && ttl != Py_None && to_seconds(ttl, &seconds, "None is for ever") < 0)
        return -1;
    double exact = seconds * 1e3, near = round(exact);
    double rounded = fabs(exact - near) <= near * 1e-12 ? near : ceil(exact); /* 2.007 s are 2007.0000000000002 ms */
    *milliseconds = rounded < 9e15 ? (uint64_t)rounded : 0;
    return 0;
}

/* When the key that is there expires: 0, or -1 with an exception, KeyError too. */
static int find_expiry(struct lsm_source *source, PyObject *object, uint64_t *expiry_ns)
{
    struct lsm_bytes key;
    struct lsm_record record;
    if (lsm_key_take(&key, source->store->key_codec, object) < 0)
        return -1;
    int found = lsm_read_record(source, &key, &record);
    lsm_bytes_drop(&key);
    Py_XDECREF(record.raw);
    *expiry_ns = record.expiry_ns;
    if (found == 0)
        PyErr_SetObject(PyExc_KeyError, object);
    return found > 0 ? 0 : -1;
}

PyObject *lsm_source_ttl(PyObject *self, PyObject *object)
{
    struct lsm_source *source = (struct lsm_source *)self;
    uint64_t expiry_ns;
    if (find_expiry(source, object, &expiry_ns) < 0 || lsm_enter(source) < 0)
        return NULL;
    if (expiry_ns == LSMKV_EXPIRY_NEVER)
        Py_RETURN_NONE;
    uint64_t now = lsmkv_wall_ns(source->store->db);
    return PyFloat_FromDouble(expiry_ns > now ? (double)(expiry_ns - now) / SECOND_NS : 0.0);
}

/* ---- the moment itself ----------------------------------------------------------------------- */

static int is_source(const struct lsm_module *module, PyObject *object)
{
    return PyObject_TypeCheck(object, module->store_type) || PyObject_TypeCheck(object, module->snapshot_type) ||
           PyObject_TypeCheck(object, module->txn_type);
}

static int to_moment(PyObject *object, uint64_t *expiry_ns)
{
    *expiry_ns = LSMKV_EXPIRY_NEVER;
    if (object == Py_None)
        return 0;
    unsigned long long given = PyLong_AsUnsignedLongLong(object);
    if (given == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    if (given == LSMKV_EXPIRY_DEFAULT || given == LSMKV_EXPIRY_NEVER) {
        PyErr_SetString(PyExc_ValueError, "an expiry is a number of nanoseconds since 1970, or None for ever");
        return -1;
    }
    *expiry_ns = given;
    return 0;
}

PyObject *lsm_expires_at(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    const struct lsm_module *module = PyModule_GetState(self);
    uint64_t expiry_ns;
    if (count != 2 || !is_source(module, args[0])) {
        PyErr_SetString(PyExc_TypeError, "expires_at() takes a store, a snapshot or a transaction, and a key");
        return NULL;
    }
    if (find_expiry((struct lsm_source *)args[0], args[1], &expiry_ns) < 0)
        return NULL;
    return expiry_ns == LSMKV_EXPIRY_NEVER ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(expiry_ns);
}

PyObject *lsm_put_until(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    const struct lsm_module *module = PyModule_GetState(self);
    uint64_t expiry_ns;
    if (count != 4 || !is_source(module, args[0]) || PyObject_TypeCheck(args[0], module->snapshot_type)) {
        PyErr_SetString(PyExc_TypeError, "put_until() takes a store or a transaction, a key, a value and an expiry");
        return NULL;
    }
    if (to_moment(args[3], &expiry_ns) < 0 ||
        lsm_set_item((struct lsm_source *)args[0], args[1], args[2], expiry_ns, -1, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}
