/* engine: a running engine's beginning and end. Called by registry.c, under its mutex. */
#ifndef LK_ENGINE_ENGINE_H
#define LK_ENGINE_ENGINE_H

#include "engine/db.h"

/* Fill in defaults and check bounds. 0 or OPTIONS. */
LK_MUST_CHECK int lk_engine_options(const struct lsmkv_options *given, struct lsmkv_options *out);
/* Open (or make) the directory; *dir is owned by the caller. ABSENT, EXISTS, IO. */
LK_MUST_CHECK int lk_engine_directory(struct lk_env *env, const char *path, const struct lsmkv_options *options,
                                      struct lk_dir **dir, uint64_t id[2]);
/* Recover and run. Takes dir over, also on failure. *out is set early, for the child of a fork, and is NULL again
 * on failure. */
LK_MUST_CHECK int lk_engine_start(struct lk_env *env, const char *path, struct lk_dir *dir, const uint64_t id[2],
                                  const struct lsmkv_options *options, struct lk_db **out);
/* Make everything acknowledged durable. The engine goes on. */
LK_MUST_CHECK int lk_engine_settle(struct lk_db *db);
/* Stop threads, settle, state the clean close, unlock. The struct stays, for references that are out. */
LK_MUST_CHECK int lk_engine_stop(struct lk_db *db);
/* The last reference is gone. */
void lk_engine_free(struct lk_db *db);

int lk_registry_open_here(const struct lk_env *env, const uint64_t id[2]);

#endif
