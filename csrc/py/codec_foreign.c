/* codec_foreign: uuid.UUID, datetime.datetime and what is made of them once. Any implementation of these modules will do:
 * only their public operations are used. */
#include "py/codec_foreign.h"

static PyObject *imported(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *found = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return found;
}

/* Importing runs Python code, which may have come here meanwhile: the first to arrive stays. */
static int keep(PyObject **place, PyObject *made)
{
    if (!*place)
        *place = made;
    else
        Py_XDECREF(made);
    return *place ? 0 : -1;
}

int lsm_need_uuid(struct lsm_foreign *foreign)
{
    return foreign->uuid ? 0 : keep(&foreign->uuid, imported("uuid", "UUID"));
}

static PyObject *new_epoch(const struct lsm_foreign *foreign)
{
    PyObject *timezone = imported("datetime", "timezone");
    PyObject *utc = timezone ? PyObject_GetAttrString(timezone, "utc") : NULL;
    PyObject *epoch = utc ? PyObject_CallFunction(foreign->datetime, "iiiiiiiO", 1970, 1, 1, 0, 0, 0, 0, utc) : NULL;
    Py_XDECREF(timezone);
    Py_XDECREF(utc);
    return epoch;
}

int lsm_need_datetime(struct lsm_foreign *foreign)
{
    if (foreign->epoch) /* the last to be made */
        return 0;
    if (keep(&foreign->datetime, imported("datetime", "datetime")) < 0 ||
        keep(&foreign->timedelta, imported("datetime", "timedelta")) < 0 ||
        keep(&foreign->microsecond, PyObject_CallFunction(foreign->timedelta, "iii", 0, 0, 1)) < 0)
        return -1;
    return keep(&foreign->epoch, new_epoch(foreign));
}
