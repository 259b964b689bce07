/* canary: a function that mishandles failures on purpose, in the way its argument names. */
#ifndef LSM_FAULTS_CANARY_H
#define LSM_FAULTS_CANARY_H

PyObject *lsm_canary(PyObject *self, PyObject *how);

#endif
