/* snapshot_type: Snapshot, the content of a store at one moment; it reads as a store does. */
#ifndef LSM_PY_SNAPSHOT_TYPE_H
#define LSM_PY_SNAPSHOT_TYPE_H

#include "py/call.h"

extern PyType_Spec lsm_snapshot_spec;

/* A new Snapshot of `store` now, or NULL with an exception. */
struct lsm_source *lsm_snapshot_take(struct lsm_store *store);

/* `source` itself when it is frozen already, else a new Snapshot of it. A new reference; NULL with an exception. */
struct lsm_source *lsm_snapshot_of(struct lsm_source *source);

#endif
