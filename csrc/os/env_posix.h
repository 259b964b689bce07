/* env_posix: what the files of the real environment share. Private to csrc/os/env_posix*.c.
 *
 *   env_posix.c        the table of operations, clock, random, threads
 *   env_posix_dir.c    directories, and the lock file in them
 *   env_posix_mount.c  which file system a directory lies on
 *   env_posix_memory.c how much memory this process may have
 *   env_posix_file.c   files
 *   env_posix_map.c    mappings and anonymous address space */
#ifndef LK_OS_ENV_POSIX_H
#define LK_OS_ENV_POSIX_H

#include "os/env.h"

struct lk_dir {
    int fd; /* owned */
};

struct lk_file {
    int fd; /* owned */
};

/* Directories: env_posix_dir.c. */
int lk_posix_dir_open(struct lk_env *env, const char *path, uint32_t create_mode, struct lk_dir **out);
void lk_posix_dir_close(struct lk_dir *dir);
int lk_posix_dir_sync(struct lk_dir *dir);
int lk_posix_dir_list(struct lk_dir *dir, int (*each)(void *arg, const char *name), void *arg);
int lk_posix_dir_id(struct lk_dir *dir, uint64_t id[2]);
int lk_posix_rename(struct lk_dir *dir, const char *from, const char *to);
int lk_posix_remove(struct lk_dir *dir, const char *name);
int lk_posix_dir_remove(struct lk_env *env, const char *path);
int lk_posix_lock(struct lk_dir *dir, const char *name, struct lk_file **out, int *holder_pid);

/* env_posix_mount.c */
int lk_posix_dir_can_map(struct lk_dir *dir);

/* Files: env_posix_file.c. */
int lk_posix_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out);
int lk_posix_close(struct lk_file *file);
int64_t lk_posix_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes);
int lk_posix_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes);
int lk_posix_sync(struct lk_file *file);
int lk_posix_size(struct lk_file *file, uint64_t *out);
int lk_posix_allocate(struct lk_file *file, uint64_t offset, uint64_t bytes);
int lk_posix_truncate(struct lk_file *file, uint64_t bytes);
void lk_posix_will_need(struct lk_file *file, uint64_t offset, uint64_t bytes);
void lk_posix_will_read(struct lk_file *file, enum lk_pattern how);
void lk_posix_forget(struct lk_file *file, uint64_t offset, uint64_t bytes);

/* Open `name` with `flags`: no symbolic links, regular files only, closed on exec. *out owned. */
int lk_posix_open_flags(struct lk_dir *dir, const char *name, int flags, uint32_t mode, struct lk_file **out);

/* Mappings: env_posix_map.c. */
int lk_posix_map(struct lk_file *file, uint64_t bytes, int writable, void **out);
void lk_posix_unmap(struct lk_env *env, void *at, uint64_t bytes);
int lk_posix_map_sync(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes);
int lk_posix_map_prefault(struct lk_env *env, void *at, uint64_t bytes);
void lk_posix_map_hot(struct lk_env *env, void *at, uint64_t bytes);
int64_t lk_posix_map_resident(struct lk_env *env, const void *at, uint64_t bytes);
int lk_posix_reserve(struct lk_env *env, uint64_t bytes, void **out);
void lk_posix_unreserve(struct lk_env *env, void *at, uint64_t bytes);
int lk_posix_discard(struct lk_env *env, void *at, uint64_t bytes);
uint64_t lk_posix_page_bytes(struct lk_env *env);
void lk_posix_resident(struct lk_env *env, uint64_t *anonymous, uint64_t *files);

/* env_posix_memory.c. */
uint64_t lk_posix_memory_limit(struct lk_env *env);
/* What the groups listed (as in /proc/self/cgroup; the text is used up) may have, by the files under root. */
uint64_t lk_posix_group_limit(const char *root, char *groups);

#endif
