/* env: the operations of an environment with error text, for the engine.
 *
 * Each wrapper turns a negative errno into a status and leaves the words in lk_error(). */
#include "os/env.h"

#include <errno.h>
#include <string.h>

static const char *of_directory = "";

int lk_io_read(struct lk_env *env, struct lk_file *file, const char *name, uint64_t offset, void *to, size_t bytes)
{
    int64_t got = env->ops->read(file, offset, to, bytes);
    if (got < 0)
        return lk_fail_os((int)-got, "read", name);
    if ((uint64_t)got < bytes)
        return lk_fail_corrupt(name, offset + (uint64_t)got,
                               "%s: ends early: %zu bytes wanted at offset %llu, %lld are there", name, bytes,
                               (unsigned long long)offset, (long long)got);
    return 0;
}

int lk_io_write(struct lk_env *env, struct lk_file *file, const char *name, uint64_t offset, const void *from,
                size_t bytes)
{
    int rc = env->ops->write(file, offset, from, bytes);
    return rc < 0 ? lk_fail_os(-rc, "write", name) : 0;
}

int lk_io_sync(struct lk_env *env, struct lk_file *file, const char *name)
{
    int rc = env->ops->sync(file);
    return rc < 0 ? lk_fail_os(-rc, "sync", name) : 0;
}

int lk_io_dir_sync(struct lk_env *env, struct lk_dir *dir)
{
    int rc = env->ops->dir_sync(dir);
    return rc < 0 ? lk_fail_os(-rc, "sync", of_directory) : 0;
}

int lk_io_open(struct lk_env *env, struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode,
               struct lk_file **out)
{
    int rc = env->ops->open(dir, name, how, mode, out);
    if (rc >= 0)
        return 0;
    *out = NULL;
    if (rc == -ELOOP || rc == -EISDIR || rc == -ENODEV || rc == -ENXIO)
        return lk_fail_os(-rc, "open, which takes regular files only", name);
    return lk_fail_os(-rc, how == LK_OPEN_CREATE ? "create" : "open", name);
}

int lk_io_close(struct lk_env *env, struct lk_file *file, const char *name)
{
    int rc = file ? env->ops->close(file) : 0;
    return rc < 0 ? lk_fail_os(-rc, "close", name) : 0;
}

int lk_io_size(struct lk_env *env, struct lk_file *file, const char *name, uint64_t *out)
{
    int rc = env->ops->size(file, out);
    return rc < 0 ? lk_fail_os(-rc, "read the size", name) : 0;
}

int lk_io_remove(struct lk_env *env, struct lk_dir *dir, const char *name)
{
    int rc = env->ops->remove(dir, name);
    return rc < 0 ? lk_fail_os(-rc, "remove", name) : 0;
}

int lk_io_rename(struct lk_env *env, struct lk_dir *dir, const char *from, const char *to)
{
    int rc = env->ops->rename(dir, from, to);
    return rc < 0 ? lk_fail_os(-rc, "rename", from) : 0;
}
