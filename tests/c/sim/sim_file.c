/* sim_file: operations on files of the simulated disk. */
#include <errno.h>
#include <string.h>

#include "sim/sim_inner.h"

int sim_close(struct lk_file *file)
{
    struct sim *sim = file->sim;
    int rc = sim_begin(sim, SIM_CLOSE, file->name, 0, 0);

    if (rc == 0 && file->inode->late_errno) {
        rc = -file->inode->late_errno;
        file->inode->late_errno = 0;
    }
    file->inode->opens--;
    if (file->is_lock)
        file->inode->locked = 0;
    sim_handle_drop(&file->handle);
    sim_collect(sim);
    return (int)sim_leave(sim, rc);
}

int64_t sim_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    struct sim *sim = file->sim;
    const struct sim_fault *hit;
    int rc = sim_enter(sim, SIM_READ, file->name, offset, bytes, &hit);
    uint64_t rest = file->inode->size > offset ? file->inode->size - offset : 0;

    if (rc == 0 && hit && hit->err != 0)
        rc = -hit->err;
    if (rc < 0)
        return sim_leave(sim, rc);
    if (rest > bytes)
        rest = bytes;
    if (hit && hit->part < rest)
        rest = hit->part;
    if (rest > 0)
        memcpy(to, sim_inode_bytes(file->inode) + offset, rest);
    return sim_leave(sim, (int64_t)rest);
}

/* Why this file cannot be changed up to `end`, as a negative errno, or 0. */
static int check_change(struct lk_file *file, uint64_t end)
{
    if (!file->writable)
        return -EBADF;
    if (end > file->sim->config.file_bytes)
        return -EFBIG;
    return sim_has_space(file->sim, file->inode, end) ? 0 : -ENOSPC;
}

static int take_late_errno(struct inode *inode)
{
    int rc = -inode->late_errno;
    inode->late_errno = 0;
    return rc;
}

int sim_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes)
{
    struct sim *sim = file->sim;
    const struct sim_fault *hit;
    int rc = sim_enter(sim, SIM_WRITE, file->name, offset, bytes, &hit);

    if (rc == 0)
        rc = take_late_errno(file->inode);
    if (rc == 0)
        rc = check_change(file, offset + bytes < offset ? UINT64_MAX : offset + bytes);
    if (rc == 0 && hit) {
        if (hit->part > 0)
            sim_inode_write(file->inode, offset, from, hit->part < bytes ? hit->part : bytes);
        rc = -hit->err;
    }
    if (rc == 0)
        sim_inode_write(file->inode, offset, from, bytes);
    if (file->inode->was_lock && !sim->stopped)
        sim_inode_settle(file->inode);
    return (int)sim_leave(sim, rc);
}

int sim_sync(struct lk_file *file)
{
    struct sim *sim = file->sim;
    const struct sim_fault *hit;
    int rc = sim_enter(sim, SIM_SYNC, file->name, 0, 0, &hit);

    if (rc == 0)
        rc = take_late_errno(file->inode);
    if (rc == 0 && hit) {
        sim_inode_fail_sync(file->inode, 0, UINT64_MAX, hit->kernel);
        if (hit->kernel == SIM_LATE)
            file->inode->late_errno = hit->err;
        else
            rc = -hit->err;
    } else if (rc == 0) {
        sim_inode_sync(file->inode);
        sim_next_op(sim);
    }
    return (int)sim_leave(sim, rc);
}

int sim_size(struct lk_file *file, uint64_t *out)
{
    int rc = sim_begin(file->sim, SIM_SIZE, file->name, 0, 0);
    *out = file->inode->size;
    return (int)sim_leave(file->sim, rc);
}

int sim_allocate(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    struct sim *sim = file->sim;
    uint64_t end = offset + bytes < offset ? UINT64_MAX : offset + bytes;
    int rc = sim_begin(sim, SIM_ALLOCATE, file->name, offset, bytes);

    if (rc == 0)
        rc = bytes == 0 ? -EINVAL : check_change(file, end);
    if (rc == 0 && file->inode->reserved_end < end)
        file->inode->reserved_end = end;
    if (rc == 0 && end > file->inode->size)
        sim_inode_resize(file->inode, end);
    return (int)sim_leave(sim, rc);
}

int sim_truncate(struct lk_file *file, uint64_t bytes)
{
    struct sim *sim = file->sim;
    int rc = sim_begin(sim, SIM_TRUNCATE, file->name, bytes, 0);

    if (rc == 0)
        rc = !file->writable ? -EINVAL : check_change(file, bytes);
    if (rc == 0 && file->inode->reserved_end > bytes)
        file->inode->reserved_end = bytes;
    if (rc == 0)
        sim_inode_resize(file->inode, bytes);
    return (int)sim_leave(sim, rc);
}

void sim_will_read(struct lk_file *file, enum lk_pattern how)
{
    (void)file;
    (void)how;
}

void sim_forget(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    (void)file;
    (void)offset;
    (void)bytes;
}

void sim_will_need(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    (void)file;
    (void)offset;
    (void)bytes;
}
