/* clock_type: ManualClock, a wall clock that stands still until it is told to move; for tests and lessons. */
#ifndef LSM_PY_CLOCK_TYPE_H
#define LSM_PY_CLOCK_TYPE_H

#include "py/module.h"

extern PyType_Spec lsm_clock_spec;

/* clock=: None (or NULL) leaves the system's, a ManualClock is put into the options. 0 or -1. */
int lsm_to_clock(struct lsm_module *module, PyObject *clock, struct lsmkv_options *options);

#endif
