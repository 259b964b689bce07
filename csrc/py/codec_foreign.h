/* codec_foreign: what the codecs need of Python's own modules, imported when the first such key comes by. */
#ifndef LSM_PY_CODEC_FOREIGN_H
#define LSM_PY_CODEC_FOREIGN_H

#include "py/module.h"

/* Afterwards the fields of `foreign` for a uuid or a datetime are there. Runs Python code. 0 or -1. */
int lsm_need_uuid(struct lsm_foreign *foreign);
int lsm_need_datetime(struct lsm_foreign *foreign);

#endif
