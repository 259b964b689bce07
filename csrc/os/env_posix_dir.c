/* env_posix_dir: directories, the names in them, and the lock file. Any thread.
 *
 * The lock belongs to the open file description (OFD, else flock): it is not lost when some other
 * descriptor of the file is closed, as a POSIX record lock would be. */
#include "os/env_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/alloc.h"

/* A descriptor of `path`, or a negative errno. */
static int open_directory(int at, const char *path)
{
    int fd;
    do
        fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int sync_directory(int fd)
{
    while (fsync(fd) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int sync_parent(int fd)
{
    int parent = open_directory(fd, ".."), rc;
    if (parent < 0)
        return parent;
    rc = sync_directory(parent);
    close(parent);
    return rc;
}

static int say_stop(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 1;
}

/* The directory was there before us. When it is empty, whoever made it may have died before the
 * parent was synced; what we put into it must not vanish with its name. */
static int adopt_directory(struct lk_dir *dir)
{
    int rc = lk_posix_dir_list(dir, say_stop, NULL);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = sync_parent(dir->fd);
    return rc == -EACCES ? 0 : rc; /* made for us where we may not look */
}

int lk_posix_dir_open(struct lk_env *env, const char *path, uint32_t create_mode, struct lk_dir **out)
{
    struct lk_dir *dir = lk_alloc(sizeof *dir);
    int made = 0, rc = 0;

    (void)env;
    *out = NULL;
    if (!dir)
        return -ENOMEM;
    dir->fd = open_directory(AT_FDCWD, path);
    if (dir->fd == -ENOENT && create_mode != 0) {
        made = mkdir(path, (mode_t)create_mode) == 0;
        if (!made && errno != EEXIST)
            rc = -errno;
        else
            dir->fd = open_directory(AT_FDCWD, path);
    }
    if (rc == 0 && dir->fd < 0)
        rc = dir->fd;
    if (rc == 0 && create_mode != 0)
        rc = made ? sync_parent(dir->fd) : adopt_directory(dir);
    if (rc == 0) {
        *out = dir;
        return 0;
    }
    if (dir->fd >= 0)
        close(dir->fd);
    if (made)
        rmdir(path); /* or the next open would find it and not know that its name may vanish */
    lk_free(dir);
    return rc;
}

void lk_posix_dir_close(struct lk_dir *dir)
{
    close(dir->fd); /* nothing was written through it: there is no result to lose */
    lk_free(dir);
}

int lk_posix_dir_sync(struct lk_dir *dir)
{
    return sync_directory(dir->fd);
}

static int list_stream(DIR *stream, int (*each)(void *arg, const char *name), void *arg)
{
    for (;;) {
        struct dirent *entry;
        int rc;

        errno = 0;
        entry = readdir(stream);
        if (!entry)
            return -errno; /* 0 at the end */
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        rc = each(arg, entry->d_name);
        if (rc != 0)
            return rc;
    }
}

int lk_posix_dir_list(struct lk_dir *dir, int (*each)(void *arg, const char *name), void *arg)
{
    int fd = open_directory(dir->fd, "."), rc; /* its own position: listings do not disturb each other */
    DIR *stream;

    if (fd < 0)
        return fd;
    stream = fdopendir(fd);
    if (!stream) {
        rc = -errno;
        close(fd);
        return rc;
    }
    rc = list_stream(stream, each, arg);
    closedir(stream);
    return rc;
}

int lk_posix_dir_id(struct lk_dir *dir, uint64_t id[2])
{
    struct stat facts;
    if (fstat(dir->fd, &facts) < 0)
        return -errno;
    id[0] = (uint64_t)facts.st_dev;
    id[1] = (uint64_t)facts.st_ino;
    return 0;
}

int lk_posix_rename(struct lk_dir *dir, const char *from, const char *to)
{
    return renameat(dir->fd, from, dir->fd, to) < 0 ? -errno : 0;
}

int lk_posix_remove(struct lk_dir *dir, const char *name)
{
    return unlinkat(dir->fd, name, 0) < 0 ? -errno : 0;
}

int lk_posix_dir_remove(struct lk_env *env, const char *path)
{
    (void)env;
    return rmdir(path) < 0 ? -errno : 0;
}

/* ---- the lock file ------------------------------------------------------------------------ */

static int take_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* l_len 0: to the end, however it grows */

    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES)
        return -EWOULDBLOCK;
    if (errno != EINVAL)
        return -errno;
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0; /* no such locks here */
}

static int read_holder(struct lk_file *file)
{
    char text[16] = {0};
    long pid;

    if (lk_posix_read(file, 0, text, sizeof text - 1) <= 0)
        return 0;
    pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT32_MAX ? (int)pid : 0;
}

/* Only information: a full disk must not keep anyone out of the store. */
static void write_holder(struct lk_file *file)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (lk_posix_write(file, 0, text, (size_t)length) == 0)
        (void)lk_posix_truncate(file, (uint64_t)length);
}

/* 1 when `name` is still the file we locked: destroy may have removed it in between. */
static int still_named(struct lk_dir *dir, const char *name, struct lk_file *file)
{
    struct stat here, there;
    return fstat(file->fd, &here) == 0 && fstatat(dir->fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int lk_posix_lock(struct lk_dir *dir, const char *name, struct lk_file **out, int *holder_pid)
{
    *out = NULL;
    *holder_pid = 0;
    for (int attempt = 0; attempt < 16; attempt++) {
        struct lk_file *file;
        int rc = lk_posix_open_flags(dir, name, O_RDWR | O_CREAT, 0600, &file);

        if (rc < 0)
            return rc;
        rc = take_lock(file->fd);
        if (rc == 0 && still_named(dir, name, file)) {
            write_holder(file);
            *out = file;
            return 0;
        }
        if (rc == -EWOULDBLOCK)
            *holder_pid = read_holder(file);
        (void)lk_posix_close(file);
        if (rc < 0)
            return rc;
    }
    return -EWOULDBLOCK;
}
