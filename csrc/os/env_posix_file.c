/* env_posix_file: regular files by descriptor. Any thread; a file is closed once, by its owner.
 *
 * Interrupted calls and short transfers are continued here. A failed sync is reported once and
 * never repeated: the kernel may have marked the pages clean. */
#include "os/env_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/alloc.h"

#define OFFSET_MAX ((uint64_t)INT64_MAX)
#define TRANSFER_MAX ((size_t)1 << 30) /* the kernel moves at most 2 GiB - 4 KiB at once */

/* 0 when fd is a regular file. */
static int check_regular(int fd)
{
    struct stat facts;
    if (fstat(fd, &facts) < 0)
        return -errno;
    if (S_ISDIR(facts.st_mode))
        return -EISDIR;
    return S_ISREG(facts.st_mode) ? 0 : -ENODEV;
}

int lk_posix_open_flags(struct lk_dir *dir, const char *name, int flags, uint32_t mode, struct lk_file **out)
{
    struct lk_file *file = lk_alloc(sizeof *file);
    int rc;

    *out = NULL;
    if (!file)
        return -ENOMEM;
    /* Not blocking and no terminal: a stranger's pipe or device must not stop us before the check. */
    flags |= O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    do
        file->fd = openat(dir->fd, name, flags, (mode_t)mode);
    while (file->fd < 0 && errno == EINTR);
    rc = file->fd < 0 ? -errno : check_regular(file->fd);
    if (rc == 0) {
        *out = file;
        return 0;
    }
    if (file->fd >= 0)
        close(file->fd);
    lk_free(file);
    return rc;
}

int lk_posix_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    switch (how) {
    case LK_OPEN_READ:
        return lk_posix_open_flags(dir, name, O_RDONLY, 0, out);
    case LK_OPEN_WRITE:
        return lk_posix_open_flags(dir, name, O_RDWR, 0, out);
    case LK_OPEN_CREATE:
        return lk_posix_open_flags(dir, name, O_RDWR | O_CREAT | O_EXCL, mode, out);
    }
    *out = NULL;
    return -EINVAL;
}

/* EINTR is no reason to close again: Linux has let go of the descriptor by then. */
int lk_posix_close(struct lk_file *file)
{
    int rc = close(file->fd) < 0 && errno != EINTR ? -errno : 0;
    lk_free(file);
    return rc;
}

int64_t lk_posix_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    char *at = to;
    size_t done = 0;

    if (offset > OFFSET_MAX || bytes > OFFSET_MAX - offset)
        return -EINVAL;
    while (done < bytes) {
        size_t want = bytes - done < TRANSFER_MAX ? bytes - done : TRANSFER_MAX;
        ssize_t got = pread(file->fd, at + done, want, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break; /* the end of the file */
        done += (size_t)got;
    }
    return (int64_t)done;
}

int lk_posix_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes)
{
    const char *at = from;
    size_t done = 0;

    if (offset > OFFSET_MAX || bytes > OFFSET_MAX - offset)
        return -EFBIG;
    while (done < bytes) {
        size_t want = bytes - done < TRANSFER_MAX ? bytes - done : TRANSFER_MAX;
        ssize_t put = pwrite(file->fd, at + done, want, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        if (put == 0)
            return -EIO; /* neither progress nor a reason: do not turn for ever */
        done += (size_t)put;
    }
    return 0;
}

int lk_posix_sync(struct lk_file *file)
{
    while (fdatasync(file->fd) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int lk_posix_size(struct lk_file *file, uint64_t *out)
{
    struct stat facts;
    if (fstat(file->fd, &facts) < 0)
        return -errno;
    *out = (uint64_t)facts.st_size;
    return 0;
}

/* -EOPNOTSUPP where the file system cannot reserve: writing zeros instead would be no promise. */
int lk_posix_allocate(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    if (offset > OFFSET_MAX || bytes > OFFSET_MAX - offset)
        return -EFBIG;
    while (fallocate(file->fd, 0, (off_t)offset, (off_t)bytes) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int lk_posix_truncate(struct lk_file *file, uint64_t bytes)
{
    if (bytes > OFFSET_MAX)
        return -EFBIG;
    while (ftruncate(file->fd, (off_t)bytes) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

void lk_posix_will_need(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    if (offset <= OFFSET_MAX && bytes <= OFFSET_MAX - offset)
        (void)posix_fadvise(file->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

void lk_posix_will_read(struct lk_file *file, enum lk_pattern how)
{
    int advice = how == LK_IN_ORDER ? POSIX_FADV_SEQUENTIAL : POSIX_FADV_RANDOM;
    (void)posix_fadvise(file->fd, 0, 0, advice);
}

void lk_posix_forget(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    if (bytes && offset <= OFFSET_MAX && bytes <= OFFSET_MAX - offset) /* 0 bytes would be all of them */
        (void)posix_fadvise(file->fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}
