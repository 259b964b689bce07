/* expiry: a wall clock time in nanoseconds; what lies beyond the clock's range is for ever. */
#include "py/expiry.h"

#include <math.h>

#define SECOND_NS 1e9
#define FAR_NS 9.2e18 /* the year 2261 */

int lsm_to_expiry(const struct lsm_source *source, PyObject *ttl, uint64_t *expiry_ns)
{
    *expiry_ns = LSMKV_EXPIRY_DEFAULT;
    if (!ttl || ttl == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(ttl);
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    if (!(seconds > 0)) {
        PyErr_Format(PyExc_ValueError, "ttl=%R: it is a number of seconds above 0; math.inf is for ever", ttl);
        return -1;
    }
    if (lsm_enter(source) < 0)
        return -1;
    double at = (double)lsmkv_wall_ns(source->store->db) + seconds * SECOND_NS;
    *expiry_ns = at < FAR_NS ? lsmkv_wall_ns(source->store->db) + (uint64_t)(seconds * SECOND_NS) : LSMKV_EXPIRY_NEVER;
    return 0;
}

int lsm_to_ttl(PyObject *ttl, uint64_t *milliseconds)
{
    double seconds = ttl && ttl != Py_None ? PyFloat_AsDouble(ttl) : INFINITY;
    *milliseconds = 0;
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    if (!(seconds > 0)) {
        PyErr_Format(PyExc_ValueError, "ttl=%R: it is a number of seconds above 0, or None for ever", ttl);
        return -1;
    }
    double rounded = ceil(seconds * 1e3);
    *milliseconds = rounded < 9e15 ? (uint64_t)rounded : 0;
    return 0;
}

PyObject *lsm_source_ttl(PyObject *self, PyObject *object)
{
    struct lsm_source *source = (struct lsm_source *)self;
    struct lsm_bytes key;
    struct lsm_record record;
    if (lsm_key_take(&key, source->store->key_codec, object) < 0)
        return NULL;
    int found = lsm_read_record(source, &key, &record);
    lsm_bytes_drop(&key);
    Py_XDECREF(record.raw);
    if (found == 0)
        PyErr_SetObject(PyExc_KeyError, object);
    if (found <= 0 || lsm_enter(source) < 0)
        return NULL;
    if (record.expiry_ns == LSMKV_EXPIRY_NEVER)
        Py_RETURN_NONE;
    uint64_t now = lsmkv_wall_ns(source->store->db);
    return PyFloat_FromDouble(record.expiry_ns > now ? (double)(record.expiry_ns - now) / SECOND_NS : 0.0);
}
