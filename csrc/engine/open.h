/* open: from a path to a running engine. lsmkv_open is this with the real environment; tests bring their own. */
#ifndef LK_ENGINE_OPEN_H
#define LK_ENGINE_OPEN_H

#include "include/lsmkv.h"
#include "os/env.h"

/* As lsmkv_open, in environment `env` (which must outlive the handle). options->threads 0 for the simulator. */
LK_MUST_CHECK int lk_open_in(struct lk_env *env, const char *path, const struct lsmkv_options *options, lsmkv **out);

/* As lsmkv_destroy, in environment `env`. */
LK_MUST_CHECK int lk_destroy(struct lk_env *env, const char *path);

#endif
