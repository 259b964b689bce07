/* compact: the long calls that report progress. Between any two steps nothing is held that lsmkv_close waits
 * for, so the callback may do anything, close the store included. */
#ifndef LK_ENGINE_COMPACT_H
#define LK_ENGINE_COMPACT_H

#include "engine/handle.h"
#include "engine/span.h"

/* Flush, then merge all runs into one; span NULL: everything. Of a range: until all that lies in it is in the oldest
 * run, or in as many as damage leaves. */
LK_MUST_CHECK int lk_compact(struct lsmkv *handle, const struct lk_span *span, lsmkv_progress progress, void *context);
/* lk_verify for a handle. */
LK_MUST_CHECK int lk_verify_handle(struct lsmkv *handle, lsmkv_found found, lsmkv_progress progress, void *context);

#endif
