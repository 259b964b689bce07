/* errors: from statuses to exceptions, in one place. */
#ifndef LSM_PY_ERRORS_H
#define LSM_PY_ERRORS_H

#include "py/module.h"

/* Creates the exception types in module->errors and adds them to `self`. 0 or -1. */
int lsm_errors_init(PyObject *self, struct lsm_module *module);

/* Raises what the calling thread's latest failure says. `path` is the store's, may be NULL. Must
 * come before any other engine call of this thread. Always NULL. */
PyObject *lsm_raise(struct lsm_module *module, int status, PyObject *path);

/* A new CorruptionError for one damaged place, not raised. `path`: of the store, which it will name; may be NULL. */
PyObject *lsm_new_corruption(struct lsm_module *module, const struct lsmkv_error *damage, PyObject *path);

/* Raises an OptionsError with this text. Always -1. */
int lsm_refuse_option(struct lsm_module *module, const char *format, ...);

#endif
