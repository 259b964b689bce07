/* sim_dir: operations on directories of the simulated disk, on names in them, and locks.
 *
 * Directories are known by path; what contains a directory is not modelled but for its sync. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_inner.h"

/* ---- directories ---------------------------------------------------------------------------- */

struct directory *sim_directory(struct sim *sim, const char *path, int make)
{
    size_t length = strlen(path);
    struct directory *dir, **link = &sim->directories;

    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length >= PATH_BYTES)
        abort();
    for (; *link; link = &(*link)->next)
        if (strncmp((*link)->path, path, length) == 0 && (*link)->path[length] == 0)
            return *link;
    if (!make)
        return NULL;
    dir = *link = sim_memory(sizeof *dir);
    memcpy(dir->path, path, length);
    dir->number = ++sim->numbers;
    return dir;
}

static int sync_parent(struct sim *sim, struct directory *dir)
{
    int rc = sim_begin(sim, SIM_DIR_SYNC_PARENT, dir->path, 0, 0);
    if (rc == 0) {
        dir->disk_exists = dir->exists;
        sim_next_op(sim);
    }
    return (int)sim_leave(sim, rc);
}

static int make_directory(struct sim *sim, struct directory *dir)
{
    int rc = sim_begin(sim, SIM_DIR_MAKE, dir->path, 0, 0);
    if (rc == 0) {
        dir->exists = 1;
        dir->made_op = sim_next_op(sim);
    }
    sim_leave(sim, rc);
    if (rc == 0) {
        rc = sync_parent(sim, dir);
        if (rc < 0 && !sim->stopped) {
            dir->exists = 0;
            dir->made_op = sim_next_op(sim);
        }
    }
    return rc;
}

int sim_dir_open(struct lk_env *env, const char *path, uint32_t create_mode, struct lk_dir **out)
{
    struct sim *sim = (struct sim *)env;
    int rc = sim_begin(sim, SIM_DIR_OPEN, path, create_mode != 0, 0);
    struct directory *dir = sim_directory(sim, path, create_mode != 0);

    *out = NULL;
    if (rc == 0 && (!dir || !dir->exists) && create_mode == 0)
        rc = -ENOENT;
    sim_leave(sim, rc);
    if (rc == 0 && !dir->exists)
        rc = make_directory(sim, dir);
    else if (rc == 0 && create_mode != 0 && dir->now.count == 0)
        rc = sync_parent(sim, dir); /* as the real one: whoever made it may have died before */
    if (rc < 0)
        return rc;
    *out = sim_memory(sizeof **out);
    (*out)->sim = sim;
    (*out)->directory = dir;
    sim_handle_add(sim, &(*out)->handle, HANDLE_DIR, "directory", dir->path);
    return 0;
}

void sim_dir_close(struct lk_dir *dir)
{
    sim_handle_drop(&dir->handle);
}

int sim_dir_sync(struct lk_dir *handle)
{
    struct sim *sim = handle->sim;
    struct directory *dir = handle->directory;
    const struct sim_fault *hit;
    int rc = sim_enter(sim, SIM_DIR_SYNC, "", 0, 0, &hit);

    if (rc == 0) {
        rc = -dir->late_errno;
        dir->late_errno = 0;
    }
    if (rc == 0 && hit) {
        for (unsigned i = 0; i < dir->op_count; i++)
            dir->ops[i].state = hit->kernel == SIM_LATE ? SECTOR_LIED : SECTOR_LOST;
        if (hit->kernel == SIM_LATE)
            dir->late_errno = hit->err;
        else
            rc = -hit->err;
    } else if (rc == 0) {
        sim_names_settle(dir);
        sim_next_op(sim);
        sim_collect(sim);
    }
    return (int)sim_leave(sim, rc);
}

int sim_dir_list(struct lk_dir *dir, int (*each)(void *arg, const char *name), void *arg)
{
    int rc = sim_begin(dir->sim, SIM_DIR_LIST, "", 0, 0);
    struct entries names;

    sim_leave(dir->sim, rc);
    if (rc < 0)
        return rc;
    sim_entries_copy(&names, &dir->directory->now); /* the callback may change the directory */
    for (unsigned i = 0; i < names.count && rc == 0; i++)
        rc = each(arg, names.at[i].name);
    free(names.at);
    return rc;
}

int sim_dir_id(struct lk_dir *dir, uint64_t id[2])
{
    id[0] = dir->sim->serial << 20 | 0x51;
    id[1] = dir->directory->number;
    return (int)sim_leave(dir->sim, sim_begin(dir->sim, SIM_DIR_ID, "", 0, 0));
}

int sim_dir_can_map(struct lk_dir *dir)
{
    return !dir->sim->config.cannot_map;
}

int sim_dir_remove(struct lk_env *env, const char *path)
{
    struct sim *sim = (struct sim *)env;
    struct directory *dir = sim_directory(sim, path, 0);
    int rc = sim_begin(sim, SIM_DIR_REMOVE, path, 0, 0);

    if (rc == 0 && (!dir || !dir->exists))
        rc = -ENOENT;
    if (rc == 0 && dir->now.count > 0)
        rc = -ENOTEMPTY;
    if (rc == 0) {
        dir->exists = 0;
        dir->made_op = sim_next_op(sim);
    }
    return (int)sim_leave(sim, rc);
}

/* ---- names ---------------------------------------------------------------------------------- */

static int rename_in(struct sim *sim, struct directory *dir, const char *from, const char *to)
{
    struct entry *entry = sim_entries_find(&dir->now, from), *target = sim_entries_find(&dir->now, to);

    if (!entry)
        return -ENOENT;
    if (target && target->inode->type == SIM_DIRECTORY)
        return -EISDIR;
    if (strcmp(from, to) == 0)
        return 0;
    sim_order_rename(sim, dir, from, to);
    sim_names_change(sim, dir, NAME_RENAME, from, to, entry->inode);
    return 0;
}

int sim_rename(struct lk_dir *dir, const char *from, const char *to)
{
    struct sim *sim = dir->sim;
    char both[2 * NAME_BYTES];
    int rc;

    snprintf(both, sizeof both, "%.63s>%.63s", from, to);
    rc = sim_begin(sim, SIM_RENAME, both, 0, 0);
    if (rc == 0)
        rc = sim_name_check(sim, from);
    if (rc == 0)
        rc = sim_name_check(sim, to);
    if (rc == 0)
        rc = rename_in(sim, dir->directory, from, to);
    return (int)sim_leave(sim, rc);
}

int sim_remove(struct lk_dir *dir, const char *name)
{
    struct sim *sim = dir->sim;
    struct entry *entry = sim_entries_find(&dir->directory->now, name);
    int rc = sim_begin(sim, SIM_REMOVE, name, 0, 0);

    if (rc == 0)
        rc = sim_name_check(sim, name);
    if (rc == 0 && !entry)
        rc = -ENOENT;
    if (rc == 0 && entry->inode->type == SIM_DIRECTORY)
        rc = -EISDIR;
    if (rc == 0) {
        sim_order_remove(sim, dir->directory, name);
        sim_names_change(sim, dir->directory, NAME_REMOVE, name, "", entry->inode);
    }
    return (int)sim_leave(sim, rc);
}

static int check_type(const struct inode *inode)
{
    switch (inode->type) {
    case SIM_SYMLINK:
        return -ELOOP;
    case SIM_DIRECTORY:
        return -EISDIR;
    case SIM_PIPE:
        return -ENODEV;
    case SIM_FILE:
        break;
    }
    return 0;
}

static int open_inode(struct lk_dir *dir, const char *name, int create, int exclusive, struct inode **out)
{
    struct entry *entry = sim_entries_find(&dir->directory->now, name);

    if (entry && exclusive)
        return -EEXIST;
    if (entry) {
        *out = entry->inode;
        return check_type(entry->inode);
    }
    if (!create || !dir->directory->exists)
        return -ENOENT;
    *out = sim_inode_new(dir->sim, SIM_FILE);
    sim_names_change(dir->sim, dir->directory, NAME_CREATE, name, "", *out);
    return 0;
}

static struct lk_file *open_file(struct lk_dir *dir, const char *name, struct inode *inode, const char *word)
{
    struct lk_file *file = sim_memory(sizeof *file);
    file->sim = dir->sim;
    file->inode = inode;
    file->writable = 1;
    snprintf(file->name, sizeof file->name, "%s", name);
    inode->opens++;
    sim_handle_add(dir->sim, &file->handle, HANDLE_FILE, word, name);
    return file;
}

int sim_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    int create = how == LK_OPEN_CREATE;
    struct inode *inode = NULL;
    int rc = sim_begin(dir->sim, create ? SIM_CREATE : SIM_OPEN, name, how, mode);

    *out = NULL;
    if (rc == 0)
        rc = sim_name_check(dir->sim, name);
    if (rc == 0)
        rc = open_inode(dir, name, create, create, &inode);
    if (rc == 0) {
        *out = open_file(dir, name, inode, "file");
        (*out)->writable = how != LK_OPEN_READ;
    }
    return (int)sim_leave(dir->sim, rc);
}

static int holder_of(struct inode *inode)
{
    char text[16] = {0};
    uint64_t count = inode->size < sizeof text - 1 ? inode->size : sizeof text - 1;
    memcpy(text, sim_inode_bytes(inode), count);
    return atoi(text);
}

/* The name is undecided as any other; the content, which only informs, is on the disk at once. */
int sim_lock(struct lk_dir *dir, const char *name, struct lk_file **out, int *holder_pid)
{
    struct inode *inode = NULL;
    char text[16];
    int rc = sim_begin(dir->sim, SIM_LOCK, name, 0, 0);

    *out = NULL;
    *holder_pid = 0;
    if (rc == 0)
        rc = sim_name_check(dir->sim, name);
    if (rc == 0)
        rc = open_inode(dir, name, 1, 0, &inode);
    if (rc == 0 && inode->locked) {
        *holder_pid = holder_of(inode);
        rc = -EWOULDBLOCK;
    }
    if (rc == 0) {
        *out = open_file(dir, name, inode, "lock");
        (*out)->is_lock = 1;
        inode->locked = inode->was_lock = 1;
        snprintf(text, sizeof text, "%d\n", dir->sim->config.pid);
        sim_inode_resize(inode, 0);
        sim_inode_write(inode, 0, text, strlen(text));
        sim_inode_settle(inode);
    }
    return (int)sim_leave(dir->sim, rc);
}
