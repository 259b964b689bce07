/* destroy: a whole store goes.
 *
 *   made anew (an empty store, by one rename of CURRENT) -> closed -> CURRENT -> the rest -> LOCK -> the directory
 *
 * Emptying it first means that a crash at any point leaves the old store, an empty one, or none: never half of one. */
#include "engine/engine.h"
#include "engine/leftover.h"
#include "engine/open.h"

static int check(struct lk_env *env, const char *path)
{
    struct lsmkv_options options;
    struct lk_listing listing;
    struct lk_dir *dir;
    uint64_t id[2];
    lsmkv_options_init(&options);
    options.flags = LSMKV_OPEN_READONLY;
    int rc = lk_engine_directory(env, path, &options, &dir, id);
    if (rc < 0)
        return rc;
    if (lk_registry_open_here(env, id))
        rc = lk_fail(LSMKV_LOCKED, "%s is open in this process: close it before it is destroyed", path);
    if (rc == 0)
        rc = lk_listing_read(env, dir, &listing);
    if (rc == 0) {
        if (!listing.current && !listing.manifests.count && !listing.logs.count && !listing.tables.count &&
            !listing.values.count)
            rc = lk_fail(LSMKV_ABSENT, "there is no store in %s: name the directory of one", path);
        else if (listing.strangers)
            rc = lk_fail(LSMKV_EXISTS,
                         "%s holds files that are not lsmkv's (%s, for one): nothing was removed; move them "
                         "away first",
                         path, listing.stranger);
        lk_listing_deinit(&listing);
    }
    env->ops->dir_close(dir);
    return rc;
}

static int empty(struct lk_env *env, const char *path)
{
    struct lsmkv_options options;
    lsmkv *db = NULL;
    lsmkv_options_init(&options);
    options.flags = LSMKV_OPEN_CREATE | LSMKV_OPEN_ANEW;
    options.durability = LSMKV_SYNC_OS;
    options.threads = 0;
    int rc = lk_open_in(env, path, &options, &db);
    if (rc == 0)
        rc = lsmkv_close(db);
    lsmkv_release(db);
    return rc;
}

static int remove_rest(struct lk_env *env, const char *path)
{
    struct lsmkv_options options;
    struct lk_listing listing = {0};
    struct lk_file *lock = NULL;
    struct lk_dir *dir;
    uint64_t id[2];
    int pid = 0;
    lsmkv_options_init(&options);
    options.flags = 0;
    int rc = lk_engine_directory(env, path, &options, &dir, id);
    if (rc < 0)
        return rc;
    if (env->ops->lock(dir, "LOCK", &lock, &pid) < 0)
        rc = lk_fail(LSMKV_LOCKED, "%s was opened in another process (pid %d) meanwhile: it was emptied, and stays",
                     path, pid);
    if (rc == 0)
        rc = lk_listing_read(env, dir, &listing);
    if (rc == 0)
        rc = lk_leftover_clear(env, dir, path, &listing);
    if (rc == 0)
        rc = lk_io_remove(env, dir, "LOCK");
    lk_listing_deinit(&listing);
    if (lock)
        (void)env->ops->close(lock);
    env->ops->dir_close(dir);
    return rc;
}

int lk_destroy(struct lk_env *env, const char *path)
{
    int rc = check(env, path);
    if (rc == 0)
        rc = empty(env, path);
    if (rc == LSMKV_FULL)
        rc = 0; /* no room for an empty store: then it goes as it is, CURRENT first */
    if (rc == 0)
        rc = remove_rest(env, path);
    if (rc == 0) {
        int removed = env->ops->dir_remove(env, path);
        rc = removed < 0 ? lk_fail_os(-removed, "remove the directory", path) : 0;
    }
    return rc;
}
