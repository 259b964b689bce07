/* inspect: what can be seen from outside. Walks a pinned version; no file access but verify. */
#ifndef LK_ENGINE_INSPECT_H
#define LK_ENGINE_INSPECT_H

#include "engine/read.h"

void lk_inspect_stats(struct lk_db *db, struct lsmkv_stats *out);
LK_MUST_CHECK int lk_inspect_levels(struct lk_db *db, struct lsmkv_level **out, size_t *count);
size_t lk_inspect_events(struct lk_db *db, uint64_t from, struct lsmkv_event *out, size_t most);
/* Memory only: what is not verified yet is told as such. */
LK_MUST_CHECK int lk_inspect_explain(struct lk_db *db, struct lk_slice key, struct lsmkv_probe *out, size_t most,
                                     size_t *count, int *found);

/* verify.c: every byte of every file of the present version. keep_on(context) non-zero: stop (CANCELLED). */
LK_MUST_CHECK int lk_verify(struct lk_db *db, lsmkv_found found, int (*progress)(void *, uint64_t, uint64_t),
                            void *context);

#endif
