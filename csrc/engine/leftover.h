/* leftover: files in the directory that the store no longer names. Strangers are never touched. */
#ifndef LK_ENGINE_LEFTOVER_H
#define LK_ENGINE_LEFTOVER_H

#include "engine/recovery.h"

/* Once the new manifest is durable: unreferenced files are removed when the old manifest ended cleanly, else
 * set aside under another name (x.aside); log segments that were not reached are always set aside. */
LK_MUST_CHECK int lk_leftover_tidy(struct lk_db *db, const struct lk_listing *listing,
                                   const struct lk_recovered *recovered, int ended_cleanly);
/* Remove every file of the engine but LOCK, CURRENT first. EXISTS, and nothing removed, when strangers are there. */
LK_MUST_CHECK int lk_leftover_clear(struct lk_env *env, struct lk_dir *dir, const char *path,
                                    const struct lk_listing *listing);

#endif
