/* env: the one door to the kernel. Files, directories, locks, mappings, clock, random, threads.
 *
 * An environment is a table of functions. env_posix.c is the real one; the simulator in tests/c
 * is another, which keeps what is synced apart from what is not. Nothing else in the engine
 * includes a system header for I/O.
 *
 * Every operation returns 0 (or a count) on success and a negative errno on failure; nothing here
 * writes error text. `lk_io_...` at the end wrap them for the engine and do.
 * Names are names inside a directory, never paths; every open is relative to a directory handle,
 * refuses symbolic links and anything but a regular file, and closes on exec.
 * Short reads and writes, and EINTR, are dealt with below this door. */
#ifndef LK_OS_ENV_H
#define LK_OS_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "util/status.h"

struct lk_env;
struct lk_dir;    /* an open directory; implementation's own */
struct lk_file;   /* an open file; implementation's own */
struct lk_thread; /* a running thread; implementation's own */

enum lk_open {
    LK_OPEN_READ = 0,
    LK_OPEN_WRITE = 1,  /* read and write */
    LK_OPEN_CREATE = 3  /* read and write, must not exist yet (O_EXCL) */
};

enum lk_pattern {
    LK_AT_RANDOM = 0, /* the system need not guess: who walks says will_need, or opens the file anew */
    LK_IN_ORDER = 1 /* from front to back: the system reads on, further than it would by itself */
};

struct lk_env_ops {
    /* Directories. create: 0 open only; otherwise the mode to make it with when it is missing (the
     * parent directory is then synced). -ENOENT, -ENOTDIR, -EACCES ... */
    int (*dir_open)(struct lk_env *env, const char *path, uint32_t create_mode, struct lk_dir **out);
    void (*dir_close)(struct lk_dir *dir);
    int (*dir_sync)(struct lk_dir *dir);
    /* Calls each(arg, name) for every entry but . and ..; stops at a non-zero answer and returns it. */
    int (*dir_list)(struct lk_dir *dir, int (*each)(void *arg, const char *name), void *arg);
    int (*dir_id)(struct lk_dir *dir, uint64_t id[2]); /* device, inode */
    /* 1 where fallocate is a promise and mappings are coherent (ext4, xfs, tmpfs, overlay over a known
     * one of these), 0 where not known. */
    int (*dir_can_map)(struct lk_dir *dir);
    int (*rename)(struct lk_dir *dir, const char *from, const char *to); /* replaces */
    int (*remove)(struct lk_dir *dir, const char *name);
    int (*dir_remove)(struct lk_env *env, const char *path); /* the empty directory itself */
    /* An exclusive whole-file lock (OFD or flock) on `name`, created when missing. -EWOULDBLOCK and
     * *holder_pid (0 unknown) when another process has it. The file returned holds the lock until
     * closed; content: the holder's pid in decimal and a newline. */
    int (*lock)(struct lk_dir *dir, const char *name, struct lk_file **out, int *holder_pid);

    /* Files. mode applies to CREATE. */
    int (*open)(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out);
    int (*close)(struct lk_file *file);
    /* Bytes read, fewer than asked only at the end of the file. */
    int64_t (*read)(struct lk_file *file, uint64_t offset, void *to, size_t bytes);
    int (*write)(struct lk_file *file, uint64_t offset, const void *from, size_t bytes); /* all or error */
    int (*sync)(struct lk_file *file); /* data and what is needed to read it back (fdatasync) */
    int (*size)(struct lk_file *file, uint64_t *out);
    int (*allocate)(struct lk_file *file, uint64_t offset, uint64_t bytes); /* reserves and extends; zeros */
    int (*truncate)(struct lk_file *file, uint64_t bytes);
    void (*will_need)(struct lk_file *file, uint64_t offset, uint64_t bytes); /* read-ahead hint */
    void (*will_read)(struct lk_file *file, enum lk_pattern how); /* of the reads to come; a hint */

    /* Of a part of the file that need not stay in memory: clean pages leave it, dirty ones are written out. Those that a
     * mapping shows stay. A hint. */
    void (*forget)(struct lk_file *file, uint64_t offset, uint64_t bytes);

    /* Shared mappings of a file's first `bytes`. They are read at random: a page that is not in memory comes alone, and
     * that it is looked at is no reason for the system to keep it. map_hot, for whole pages of a part: it is one, and
     * neighbours come along. */
    int (*map)(struct lk_file *file, uint64_t bytes, int writable, void **out);
    void (*map_hot)(struct lk_env *env, void *at, uint64_t bytes);
    void (*unmap)(struct lk_env *env, void *at, uint64_t bytes);
    int (*map_sync)(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes); /* only this range */
    int (*map_prefault)(struct lk_env *env, void *at, uint64_t bytes); /* writable pages, ready to store */
    /* Number of bytes of the range that are in memory now. */
    int64_t (*map_resident)(struct lk_env *env, const void *at, uint64_t bytes);

    /* Anonymous address space, zero, committed on touch. */
    int (*reserve)(struct lk_env *env, uint64_t bytes, void **out);
    void (*unreserve)(struct lk_env *env, void *at, uint64_t bytes);
    int (*discard)(struct lk_env *env, void *at, uint64_t bytes); /* give pages back; they read as zero */
    uint64_t (*page_bytes)(struct lk_env *env); /* in which memory comes and goes; constant */
    /* Of this process, as the system counts: its own memory, and pages of files it maps. 0 and 0: it does not tell. */
    void (*resident)(struct lk_env *env, uint64_t *anonymous, uint64_t *files);
    /* Bytes that this process and what it reads may have: the machine's, or what its control groups leave of them.
     * UINT64_MAX: not known. */
    uint64_t (*memory_limit)(struct lk_env *env);

    /* Clock and chance. */
    uint64_t (*monotonic_ns)(struct lk_env *env);
    uint64_t (*wall_ns)(struct lk_env *env);
    void (*sleep_ns)(struct lk_env *env, uint64_t ns);
    int (*random)(struct lk_env *env, void *to, size_t bytes);
    int (*pid)(struct lk_env *env);

    /* Threads: all signals blocked in them; name of at most 15 bytes. */
    int (*thread_start)(struct lk_env *env, const char *name, void (*run)(void *arg), void *arg,
                        struct lk_thread **out);
    void (*thread_join)(struct lk_thread *thread);

    /* Told by the engine, for the order checker of the tests; NULL in the real environment.
     * `what` is one of the LK_NOTE_... below. */
    void (*note)(struct lk_env *env, int what, uint64_t a, uint64_t b);
};

struct lk_env {
    const struct lk_env_ops *ops; /* constant */
};

/* What the engine tells the order checker, at the moment it relies on it. */
enum lk_note {
    LK_NOTE_ACK_SYNCED = 1, /* a synced write is acknowledged; a = LSN of its frame's end */
    LK_NOTE_SEGMENT_NEW = 2, /* a = segment number now active, b = its predecessor */
    LK_NOTE_EDIT_NAMES = 3, /* an edit about to be synced names table a, log data up to LSN b */
    LK_NOTE_EDIT_DURABLE = 4, /* the manifest edit is durable; a = edit count */
    LK_NOTE_REMOVE = 5, /* file number a is about to be unlinked */
    LK_NOTE_LOG_BEGINS = 6 /* the durable manifest needs no segment below number a */
};

/* The real environment. One per process, never freed. */
struct lk_env *lk_env_posix(void);

static inline void lk_env_note(struct lk_env *env, int what, uint64_t a, uint64_t b)
{
    if (env->ops->note)
        env->ops->note(env, what, a, b);
}

/* ---- the same with error text, for the engine. `name` is used in messages and may be "". -------- */

/* Exactly `bytes` or a failure: CORRUPT ("ends early") when the file is shorter. */
LK_MUST_CHECK int lk_io_read(struct lk_env *env, struct lk_file *file, const char *name, uint64_t offset, void *to,
                             size_t bytes);
LK_MUST_CHECK int lk_io_write(struct lk_env *env, struct lk_file *file, const char *name, uint64_t offset,
                              const void *from, size_t bytes);
LK_MUST_CHECK int lk_io_sync(struct lk_env *env, struct lk_file *file, const char *name);
LK_MUST_CHECK int lk_io_dir_sync(struct lk_env *env, struct lk_dir *dir);
LK_MUST_CHECK int lk_io_open(struct lk_env *env, struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode,
                             struct lk_file **out);
LK_MUST_CHECK int lk_io_close(struct lk_env *env, struct lk_file *file, const char *name); /* NULL file is fine */
LK_MUST_CHECK int lk_io_size(struct lk_env *env, struct lk_file *file, const char *name, uint64_t *out);
LK_MUST_CHECK int lk_io_remove(struct lk_env *env, struct lk_dir *dir, const char *name);
LK_MUST_CHECK int lk_io_rename(struct lk_env *env, struct lk_dir *dir, const char *from, const char *to);

#endif
