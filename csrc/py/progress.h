/* progress: lets Python run in the middle of a long engine call, which is made without the interpreter
 * lock:
 *
 *     struct lsm_progress progress;
 *     lsm_progress_begin(&progress, callable, "compact");
 *     rc = lsmkv_compact(..., lsm_progress_report, &progress);
 *     lsm_progress_end(&progress);
 *
 * The engine holds nothing while it reports, so a handler or the callable may close the store. */
#ifndef LSM_PY_PROGRESS_H
#define LSM_PY_PROGRESS_H

#include "py/call.h"

struct lsm_progress {
    PyThreadState *thread; /* while the interpreter lock is given up */
    PyObject *callable;    /* borrowed, or NULL */
    const char *phase;
    int64_t reported_ns;
    int raised; /* an exception is set: the call is to end */
};

/* progress=: NULL or None, or a callable. 0 or -1 with a TypeError. */
int lsm_progress_check(PyObject *object);

/* begin gives up the interpreter lock, end takes it back. */
void lsm_progress_begin(struct lsm_progress *progress, PyObject *callable, const char *phase);
void lsm_progress_end(struct lsm_progress *progress);

/* A lsmkv_progress; context is a struct lsm_progress. */
int lsm_progress_report(void *context, uint64_t done, uint64_t total);

#endif
