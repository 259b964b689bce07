/* absent: ABSENT, which stands for "no value" where None might be one. */
#ifndef LSM_PY_ABSENT_H
#define LSM_PY_ABSENT_H

#include "py/module.h"

/* Makes it and puts it into the module, with its type. 0 or -1. */
int lsm_absent_init(PyObject *self, struct lsm_module *module);

#endif
