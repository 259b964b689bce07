/* progress: at most every 50 ms, and always for the first and the last report. */
#include "py/progress.h"

enum { APART_NS = 50000000 };

int lsm_progress_check(PyObject *object)
{
    if (!object || object == Py_None || PyCallable_Check(object))
        return 0;
    PyErr_Format(PyExc_TypeError, "progress must be None or a callable (done, total, unit, phase), not %.100s",
                 Py_TYPE(object)->tp_name);
    return -1;
}

void lsm_progress_begin(struct lsm_progress *progress, PyObject *callable, const char *phase)
{
    *progress = (struct lsm_progress){.callable = callable == Py_None ? NULL : callable, .phase = phase};
    progress->thread = PyEval_SaveThread();
}

void lsm_progress_end(struct lsm_progress *progress)
{
    PyEval_RestoreThread(progress->thread);
}

static int call(const struct lsm_progress *progress, uint64_t done, uint64_t total)
{
    PyObject *answer = PyObject_CallFunction(progress->callable, "KKss", (unsigned long long)done,
                                             (unsigned long long)total, "bytes", progress->phase);
    Py_XDECREF(answer);
    return answer ? 0 : -1;
}

int lsm_progress_report(void *context, uint64_t done, uint64_t total)
{
    struct lsm_progress *progress = context;
    int64_t now = lsm_now_ns();
    if (progress->raised)
        return 1;
    if (progress->reported_ns && done < total && now - progress->reported_ns < APART_NS)
        return 0;
    PyEval_RestoreThread(progress->thread);
    progress->raised = PyErr_CheckSignals() < 0 || (progress->callable && call(progress, done, total) < 0);
    progress->thread = PyEval_SaveThread(); /* an exception stays set meanwhile */
    progress->reported_ns = lsm_now_ns();
    return progress->raised;
}
