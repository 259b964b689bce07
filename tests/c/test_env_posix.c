/* test_env_posix: the real environment, threads and statuses, in a directory of its own under TMPDIR. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "os/env.h"
#include "os/env_posix.h"
#include "os/thread.h"

static struct lk_env *env;
static const struct lk_env_ops *ops;
static struct lk_dir *dir;
static char path[64];
static int descriptors; /* open when the test began */

static int count_descriptors(void)
{
    DIR *stream = opendir("/proc/self/fd");
    int count = 0;
    while (stream && readdir(stream))
        count++;
    closedir(stream);
    return count;
}

static void start(void)
{
    const char *base = getenv("TMPDIR");
    env = lk_env_posix();
    ops = env->ops;
    descriptors = count_descriptors();
    snprintf(path, sizeof path, "%.40s/envposix-XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(path) != NULL);
    CHECK_EQ(ops->dir_open(env, path, 0, &dir), 0);
}

static int remove_entry(void *arg, const char *name)
{
    (void)arg;
    return ops->remove(dir, name);
}

static void finish(void)
{
    CHECK_EQ(ops->dir_list(dir, remove_entry, NULL), 0);
    ops->dir_close(dir);
    CHECK_EQ(ops->dir_remove(env, path), 0);
    CHECK_EQ(count_descriptors(), descriptors);
}

static struct lk_file *create(const char *name)
{
    struct lk_file *file = NULL;
    CHECK_EQ(ops->open(dir, name, LK_OPEN_CREATE, 0640, &file), 0);
    return file;
}

static const char *inside(const char *name)
{
    static char full[96];
    snprintf(full, sizeof full, "%s/%s", path, name);
    return full;
}

/* ---- files ---------------------------------------------------------------------------------- */

TEST(what_is_written_is_read)
{
    char text[8] = {0};
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->write(file, 3, "hello", 5), 0);
    CHECK_EQ(ops->read(file, 0, text, 8), 8);
    CHECK_MEM(text, "\0\0\0hello", 8);
    CHECK_EQ(ops->read(file, 6, text, 8), 2);
    CHECK_EQ(ops->read(file, 8, text, 8), 0);
    CHECK_EQ(ops->sync(file), 0);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(offsets_beyond_what_the_system_knows_are_refused)
{
    char byte = 0;
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->read(file, UINT64_MAX, &byte, 1), -EINVAL);
    CHECK_EQ(ops->write(file, UINT64_MAX - 3, &byte, 1), -EFBIG);
    CHECK_EQ(ops->write(file, INT64_MAX, &byte, 1), -EFBIG);
    CHECK_EQ(ops->allocate(file, INT64_MAX, 2), -EFBIG);
    CHECK_EQ(ops->truncate(file, UINT64_MAX), -EFBIG);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(create_is_exclusive_and_sets_the_mode)
{
    struct stat facts;
    struct lk_file *again = (struct lk_file *)&facts;
    start();
    umask(0);
    struct lk_file *file = create("a");
    CHECK_EQ(ops->open(dir, "a", LK_OPEN_CREATE, 0600, &again), -EEXIST);
    CHECK(again == NULL);
    CHECK_EQ(stat(inside("a"), &facts), 0);
    CHECK_EQ(facts.st_mode & 07777, 0640);
    CHECK_EQ(ops->close(file), 0);
    umask(022);
    finish();
}

TEST(files_close_on_exec)
{
    start();
    struct lk_file *file = create("a");
    for (int fd = 3; fd < 64; fd++) {
        char link[64], to[128] = {0};
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, to, sizeof to - 1) > 0 && strncmp(to, path, strlen(path)) == 0)
            CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(only_regular_files_are_opened)
{
    struct lk_file *file;
    int holder;
    start();
    CHECK_EQ(symlink("/etc/hostname", inside("link")), 0);
    CHECK_EQ(mkfifo(inside("pipe"), 0600), 0);
    CHECK_EQ(mkdir(inside("directory"), 0700), 0);
    CHECK_EQ(ops->open(dir, "link", LK_OPEN_READ, 0, &file), -ELOOP);
    CHECK_EQ(ops->open(dir, "pipe", LK_OPEN_READ, 0, &file), -ENODEV);
    CHECK_EQ(ops->open(dir, "pipe", LK_OPEN_WRITE, 0, &file), -ENODEV);
    CHECK_EQ(ops->open(dir, "directory", LK_OPEN_READ, 0, &file), -EISDIR);
    CHECK_EQ(ops->lock(dir, "link", &file, &holder), -ELOOP);
    CHECK_EQ(lk_io_open(env, dir, "pipe", LK_OPEN_READ, 0, &file), LSMKV_IO);
    CHECK(strstr(lk_error()->text, "regular files only"));
    CHECK_EQ(rmdir(inside("directory")), 0);
    finish();
}

static void nothing(int signal)
{
    (void)signal;
}

/* A timer that fires all the time: system calls are interrupted and must go on. */
TEST(interruptions_are_not_seen)
{
    struct sigaction action = {.sa_handler = nothing}, before;
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    char *bytes = malloc(4 << 20);
    start();
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    struct lk_file *file = create("a");
    memset(bytes, 'x', 4 << 20);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(ops->write(file, 0, bytes, 4 << 20), 0);
        CHECK_EQ(ops->read(file, 0, bytes, 4 << 20), 4 << 20);
        CHECK_EQ(ops->sync(file), 0);
        CHECK_EQ(ops->allocate(file, 0, 8 << 20), 0);
        CHECK_EQ(ops->truncate(file, 4 << 20), 0);
    }
    uint64_t then = ops->monotonic_ns(env);
    ops->sleep_ns(env, 20000000);
    CHECK(ops->monotonic_ns(env) - then >= 20000000);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    CHECK_EQ(ops->close(file), 0);
    free(bytes);
    finish();
}

TEST(a_short_write_is_continued_until_the_reason_shows)
{
    struct rlimit before, small;
    char bytes[8192] = {0};
    uint64_t size = 0;
    start();
    signal(SIGXFSZ, SIG_IGN);
    struct lk_file *file = create("a");
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 5000;
    setrlimit(RLIMIT_FSIZE, &small);
    CHECK_EQ(ops->write(file, 0, bytes, sizeof bytes), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK_EQ(ops->size(file, &size), 0);
    CHECK_EQ(size, 5000);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(allocate_reserves_and_extends)
{
    struct stat facts;
    uint64_t size;
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->allocate(file, 0, 100000), 0);
    CHECK_EQ(ops->size(file, &size), 0);
    CHECK_EQ(size, 100000);
    CHECK_EQ(stat(inside("a"), &facts), 0);
    CHECK(facts.st_blocks * 512 >= 100000);
    ops->will_need(file, 0, 100000);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(the_wrappers_speak)
{
    char bytes[8];
    struct lk_file *file;
    start();
    CHECK_EQ(lk_io_open(env, dir, "a", LK_OPEN_READ, 0, &file), LSMKV_IO);
    CHECK(file == NULL);
    CHECK_EQ(lk_error()->os_errno, ENOENT);
    CHECK_STR(lk_error()->text, "a: open: No such file or directory");
    CHECK_STR(lk_error()->file, "a");
    CHECK_EQ(lk_io_open(env, dir, "a", LK_OPEN_CREATE, 0600, &file), 0);
    CHECK_EQ(lk_io_write(env, file, "a", 0, "four", 4), 0);
    CHECK_EQ(lk_io_read(env, file, "a", 2, bytes, 2), 0);
    CHECK_EQ(lk_io_read(env, file, "a", 2, bytes, 8), LSMKV_CORRUPT);
    CHECK_EQ(lk_error()->offset, 4);
    CHECK_STR(lk_error()->text, "a: ends early: 8 bytes wanted at offset 2, 2 are there");
    CHECK_EQ(lk_io_sync(env, file, "a"), 0);
    CHECK_EQ(lk_io_dir_sync(env, dir), 0);
    CHECK_EQ(lk_io_rename(env, dir, "a", "b"), 0);
    CHECK_EQ(lk_io_rename(env, dir, "a", "b"), LSMKV_IO);
    CHECK_EQ(lk_io_remove(env, dir, "b"), 0);
    CHECK_EQ(lk_io_remove(env, dir, "b"), LSMKV_IO);
    CHECK_EQ(lk_io_close(env, file, "a"), 0);
    CHECK_EQ(lk_io_close(env, NULL, "a"), 0);
    finish();
}

/* ---- directories and locks ------------------------------------------------------------------ */

static int count_name(void *arg, const char *name)
{
    CHECK(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    ++*(int *)arg;
    return 0;
}

static int stop_at_once(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 42;
}

TEST(listing)
{
    int count = 0;
    start();
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "%06d.tbl", i);
        CHECK_EQ(ops->close(create(name)), 0);
    }
    CHECK_EQ(ops->dir_list(dir, count_name, &count), 0);
    CHECK_EQ(ops->dir_list(dir, count_name, &count), 0);
    CHECK_EQ(count, 600);
    CHECK_EQ(ops->dir_list(dir, stop_at_once, NULL), 42);
    finish();
}

TEST(directories_are_made_when_asked)
{
    struct lk_dir *sub = NULL;
    struct stat facts;
    uint64_t one[2], two[2];
    start();
    umask(0);
    CHECK_EQ(ops->dir_open(env, inside("sub"), 0, &sub), -ENOENT);
    CHECK(sub == NULL);
    CHECK_EQ(ops->dir_open(env, inside("sub/sub"), 0700, &sub), -ENOENT);
    CHECK_EQ(ops->dir_open(env, inside("sub/"), 0710, &sub), 0);
    CHECK_EQ(stat(inside("sub"), &facts), 0);
    CHECK_EQ(facts.st_mode & 07777, 0710);
    CHECK_EQ(ops->dir_id(sub, one), 0);
    CHECK_EQ(one[0], facts.st_dev);
    CHECK_EQ(one[1], facts.st_ino);
    ops->dir_close(sub);
    CHECK_EQ(ops->dir_open(env, inside("sub"), 0700, &sub), 0); /* there, and empty */
    CHECK_EQ(ops->dir_id(sub, two), 0);
    CHECK_MEM(one, two, sizeof one);
    ops->dir_close(sub);
    CHECK_EQ(ops->dir_remove(env, inside("sub")), 0);
    CHECK_EQ(ops->close(create("file")), 0);
    CHECK_EQ(ops->dir_open(env, inside("file"), 0700, &sub), -ENOTDIR);
    umask(022);
    finish();
}

TEST(can_map_knows_its_file_systems)
{
    struct lk_dir *other;
    struct statfs facts;
    start();
    statfs(path, &facts);
    if (facts.f_type == 0xEF53 || facts.f_type == 0x01021994)
        CHECK_EQ(ops->dir_can_map(dir), 1);
    CHECK_EQ(ops->dir_open(env, "/proc", 0, &other), 0);
    CHECK_EQ(ops->dir_can_map(other), 0);
    ops->dir_close(other);
    finish();
}

TEST(a_lock_excludes_and_names_its_holder)
{
    struct lk_file *lock, *second;
    char text[16] = {0};
    int holder = -1;
    start();
    CHECK_EQ(ops->lock(dir, "LOCK", &lock, &holder), 0);
    CHECK_EQ(holder, 0);
    CHECK(ops->read(lock, 0, text, 15) > 0);
    CHECK_EQ(atoi(text), getpid());
    CHECK_EQ(ops->lock(dir, "LOCK", &second, &holder), -EWOULDBLOCK);
    CHECK(second == NULL);
    CHECK_EQ(holder, getpid());
    CHECK_EQ(ops->close(lock), 0);
    CHECK_EQ(ops->lock(dir, "LOCK", &lock, &holder), 0);
    CHECK_EQ(ops->close(lock), 0);
    finish();
}

TEST(a_lock_is_not_lost_when_another_descriptor_closes)
{
    struct lk_file *lock, *second;
    int holder, fd;
    start();
    CHECK_EQ(ops->lock(dir, "LOCK", &lock, &holder), 0);
    fd = open(inside("LOCK"), O_RDWR | O_CLOEXEC);
    close(fd); /* would release a record lock */
    CHECK_EQ(ops->lock(dir, "LOCK", &second, &holder), -EWOULDBLOCK);
    CHECK_EQ(ops->close(lock), 0);
    finish();
}

TEST(a_lock_excludes_other_processes_and_ends_with_its_own)
{
    struct lk_file *lock;
    int holder, status = -1, ready[2], go[2];
    char byte = 0;
    start();
    CHECK_EQ(pipe(ready), 0);
    CHECK_EQ(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        int ok =
            ops->lock(dir, "LOCK", &lock, &holder) == 0 && write(ready[1], "r", 1) == 1 && read(go[0], &byte, 1) == 1;
        _exit(!ok);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(ops->lock(dir, "LOCK", &lock, &holder), -EWOULDBLOCK);
    CHECK_EQ(holder, child);
    CHECK_EQ(write(go[1], "g", 1), 1);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(ops->lock(dir, "LOCK", &lock, &holder), 0);
    CHECK_EQ(ops->close(lock), 0);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
    finish();
}

/* ---- mappings ------------------------------------------------------------------------------- */

TEST(stores_into_a_mapping_are_the_file)
{
    void *at = NULL;
    char text[8] = {0};
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->allocate(file, 0, 1 << 20), 0);
    CHECK_EQ(ops->map(file, 1 << 20, 1, &at), 0);
    CHECK_EQ(ops->map_prefault(env, at, 1 << 20), 0);
    CHECK_EQ(ops->map_resident(env, at, 1 << 20), 1 << 20);
    CHECK_EQ(ops->map_resident(env, (char *)at + 10, 100), 100);
    memcpy((char *)at + 5000, "store", 5);
    CHECK_EQ(ops->read(file, 5000, text, 5), 5);
    CHECK_STR(text, "store");
    CHECK_EQ(ops->map_sync(file, at, 5000, 5), 0); /* not on a page's start */
    CHECK_EQ(ops->map_sync(file, at, 5000, 0), 0);
    ops->unmap(env, at, 1 << 20);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

/* Is the mapping at that address marked as read at random? */
static int is_random(const void *at)
{
    char line[512];
    unsigned long from, to;
    int here = 0, found = -1;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)at >= from && (uintptr_t)at < to;
        if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " rr ") != NULL;
    }
    if (maps)
        fclose(maps);
    return found;
}

TEST(a_part_of_a_mapping_is_hot)
{
    struct lk_file *file;
    void *at;
    start();
    CHECK_EQ(ops->open(dir, "f", LK_OPEN_CREATE, 0600, &file), 0);
    CHECK_EQ(ops->allocate(file, 0, 1 << 20), 0);
    CHECK_EQ(ops->map(file, 1 << 20, 0, &at), 0);
    char *middle = (char *)at + (1 << 19);
    ops->map_hot(env, middle + 10, 100000); /* only whole pages of it */
    CHECK_EQ(is_random(at), 1);
    CHECK_EQ(is_random(middle), 1);
    CHECK_EQ(is_random(middle + 65536), 0);
    CHECK_EQ(is_random(middle + 131072), 1);
    ops->map_hot(env, at, 100); /* there is none */
    CHECK_EQ(is_random(at), 1);
    ops->unmap(env, at, 1 << 20);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(prefault_beyond_the_file_is_an_error_and_no_signal)
{
    void *at = NULL;
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->allocate(file, 0, 4096), 0);
    CHECK_EQ(ops->map(file, 16384, 1, &at), 0);
    CHECK_EQ(ops->map_prefault(env, at, 4096), 0);
    int rc = ops->map_prefault(env, at, 16384);
    CHECK_EQ(rc, -EIO);
    ops->unmap(env, at, 16384);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(mapping_what_cannot_be_mapped)
{
    void *at = (void *)1;
    struct lk_file *reader;
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->map(file, 0, 0, &at), -EINVAL);
    CHECK(at == NULL);
    CHECK_EQ(ops->open(dir, "a", LK_OPEN_READ, 0, &reader), 0);
    CHECK_EQ(ops->map(reader, 4096, 1, &at), -EACCES);
    CHECK_EQ(ops->close(reader), 0);
    CHECK_EQ(ops->close(file), 0);
    finish();
}

TEST(anonymous_space)
{
    unsigned char *at;
    void *space;
    start();
    CHECK_EQ(ops->reserve(env, 0, &space), -EINVAL);
    CHECK_EQ(ops->reserve(env, 1ull << 36, &space), 0); /* costs nothing until it is touched */
    at = space;
    memset(at, 'x', 20000);
    CHECK_EQ(ops->discard(env, at + 100, 12000), 0);
    CHECK_EQ(at[99], 'x');
    CHECK_EQ(at[100], 0);
    CHECK_EQ(at[8192], 0);
    CHECK_EQ(at[12099], 0);
    CHECK_EQ(at[12100], 'x');
    CHECK_EQ(ops->discard(env, at, 10), 0);
    CHECK_EQ(at[9], 0);
    CHECK_EQ(at[99], 'x');
    CHECK_EQ(ops->map_prefault(env, at + 65536, 5000), 0);
    CHECK_EQ(ops->map_resident(env, at + 65536, 5000), 5000);
    ops->unreserve(env, space, 1ull << 36);
    finish();
}

/* ---- memory ------------------------------------------------------------------------------------ */

TEST(what_is_forgotten_can_be_read_again)
{
    char text[8] = {0};
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->write(file, 0, "written", 8), 0);
    ops->forget(file, 0, 8); /* not synced */
    CHECK_EQ(ops->sync(file), 0);
    ops->forget(file, 0, 8);
    ops->forget(file, 4096, 1 << 20);
    ops->forget(file, UINT64_MAX, 2);
    ops->forget(file, 2, UINT64_MAX);
    CHECK_EQ(ops->read(file, 0, text, 8), 8);
    CHECK_STR(text, "written");
    CHECK_EQ(ops->close(file), 0);
    finish();
}

static void write_limit(const char *folder, const char *name, const char *text)
{
    char at[200];
    snprintf(at, sizeof at, "%s/%s", path, folder);
    mkdir(at, 0700);
    snprintf(at, sizeof at, "%s/%s/%s", path, folder, name);
    FILE *stream = fopen(at, "we");
    if (CHECK(stream != NULL)) {
        fputs(text, stream);
        fclose(stream);
    }
}

static uint64_t limit_of(const char *groups)
{
    char text[200];
    snprintf(text, sizeof text, "%s", groups);
    return lk_posix_group_limit(path, text);
}

TEST(a_group_has_the_least_of_what_it_and_those_above_it_may)
{
    static const char *const made[] = {"high/memory.max",
                                       "high/memory.high",
                                       "high",
                                       "jobs/17/memory.max",
                                       "jobs/memory.max",
                                       "memory/old/7/memory.limit_in_bytes",
                                       "memory/old/memory.limit_in_bytes",
                                       "memory/memory.limit_in_bytes",
                                       "jobs/17",
                                       "jobs",
                                       "memory/old/7",
                                       "memory/old",
                                       "memory"};
    char at[200];
    start();
    write_limit("jobs", "memory.max", "max\n");
    write_limit("jobs/17", "memory.max", "300\n");
    write_limit("high", "memory.max", "max\n");
    write_limit("high", "memory.high", "700\n");
    write_limit("memory", "memory.limit_in_bytes", "200\n");
    write_limit("memory/old", "memory.limit_in_bytes", "100\n");
    write_limit("memory/old/7", "memory.limit_in_bytes", "9223372036854771712\n");
    CHECK_EQ(limit_of("0::/jobs/17\n"), 300);
    CHECK_EQ(limit_of("0::/jobs\n"), UINT64_MAX);
    CHECK_EQ(limit_of("0::/\n"), UINT64_MAX);
    CHECK_EQ(limit_of("9:cpu,cpuacct:/x\n8:memory:/old/7\n0::/\n"), 100);
    CHECK_EQ(limit_of("0::/high\n"), 700);
    CHECK_EQ(limit_of("8:memory:/\n"), 200);
    CHECK_EQ(limit_of("4:cpu,memory:/\n"), 200);
    CHECK_EQ(limit_of("4:memory,cpu:/\n4:memoryless,cpu:/\n"), 200);
    CHECK_EQ(limit_of("4:memoryless,cpu,:/\n"), UINT64_MAX);
    CHECK_EQ(limit_of("8:memory:/old"), UINT64_MAX); /* the list was cut off */
    CHECK_EQ(limit_of("8:memory:/not/to/be/seen\n"), 200); /* a container: its own is at the root */
    CHECK_EQ(limit_of("8:memory:/old\n0::/jobs/17\n"), 100);
    CHECK_EQ(limit_of(""), UINT64_MAX);
    CHECK_EQ(limit_of("no colons\n1:memory\n1:memory:none\n::\n\n"), UINT64_MAX);
    CHECK(ops->memory_limit(env) > 1 << 20);
    for (uint32_t i = 0; i < sizeof made / sizeof *made; i++) {
        snprintf(at, sizeof at, "%s/%s", path, made[i]);
        CHECK_EQ(remove(at), 0);
    }
    finish();
}

/* ---- clock, chance, threads ----------------------------------------------------------------- */

TEST(clocks_and_chance)
{
    unsigned char bytes[300] = {0}, others[300] = {0};
    start();
    uint64_t then = ops->monotonic_ns(env);
    ops->sleep_ns(env, 1000000);
    CHECK(ops->monotonic_ns(env) - then >= 1000000);
    CHECK(ops->wall_ns(env) > 1600000000000000000ull);
    CHECK_EQ(ops->random(env, bytes, sizeof bytes), 0);
    CHECK_EQ(ops->random(env, others, sizeof others), 0);
    CHECK(memcmp(bytes, others, sizeof bytes) != 0);
    CHECK_EQ(ops->pid(env), getpid());
    finish();
}

struct meeting {
    struct lk_mutex mutex;
    struct lk_cond cond;
    int arrived, released, masked;
    char name[16];
};

static void visit(void *arg)
{
    struct meeting *meeting = arg;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    lk_mutex_lock(&meeting->mutex);
    meeting->masked = sigismember(&now, SIGALRM) && sigismember(&now, SIGINT) && sigismember(&now, SIGTERM);
    pthread_getname_np(pthread_self(), meeting->name, sizeof meeting->name);
    meeting->arrived = 1;
    lk_cond_wake_all(&meeting->cond);
    while (!meeting->released)
        lk_cond_wait(&meeting->cond, &meeting->mutex);
    lk_mutex_unlock(&meeting->mutex);
}

TEST(threads_have_a_name_and_no_signals)
{
    struct meeting meeting = {.arrived = 0};
    struct lk_thread *thread = NULL;
    sigset_t before, after;
    start();
    lk_mutex_init(&meeting.mutex);
    lk_cond_init(&meeting.cond);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_EQ(ops->thread_start(env, "lsmkv-keeper-with-a-long-name", visit, &meeting, &thread), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
    lk_mutex_lock(&meeting.mutex);
    CHECK_EQ(lk_mutex_try(&meeting.mutex), 0);
    while (!meeting.arrived)
        lk_cond_wait(&meeting.cond, &meeting.mutex);
    CHECK_EQ(lk_cond_wait_ns(&meeting.cond, &meeting.mutex, 1000000), 1);
    meeting.released = 1;
    lk_cond_wake_all(&meeting.cond);
    lk_mutex_unlock(&meeting.mutex);
    ops->thread_join(thread);
    CHECK_EQ(lk_mutex_try(&meeting.mutex), 1);
    lk_mutex_unlock(&meeting.mutex);
    CHECK_EQ(meeting.masked, 1);
    CHECK_STR(meeting.name, "lsmkv-keeper-wi");
    lk_cond_deinit(&meeting.cond);
    lk_mutex_deinit(&meeting.mutex);
    finish();
}

static volatile int handled;

static void in_child(void)
{
    handled++;
}

TEST(forks_are_counted_in_the_child)
{
    int status = -1;
    uint32_t before = lk_fork_generation;
    CHECK_EQ(lk_fork_watch(in_child), 0);
    CHECK_EQ(lk_fork_watch(in_child), 0); /* registered once */
    pid_t child = fork();
    if (child == 0)
        _exit(!(handled == 1 && lk_fork_generation == before + 1));
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(lk_fork_generation, before);
    CHECK_EQ(handled, 0);
}

/* ---- statuses ------------------------------------------------------------------------------- */

TEST(failures_carry_their_words)
{
    CHECK_EQ(lk_fail(LSMKV_INVALID, "key of %d bytes", 70000), LSMKV_INVALID);
    CHECK_STR(lsmkv_last_error()->text, "key of 70000 bytes");
    CHECK_EQ(lk_fail(LSMKV_OPTIONS, "open: %s", lk_error()->text), LSMKV_OPTIONS); /* its own text inside */
    CHECK_STR(lsmkv_last_error()->text, "open: key of 70000 bytes");
    CHECK_EQ(lk_fail_corrupt("000014.tbl", 4096, "granule %d fails", 1), LSMKV_CORRUPT);
    CHECK_STR(lsmkv_last_error()->file, "000014.tbl");
    CHECK_EQ(lsmkv_last_error()->offset, 4096);
    struct lsmkv_error saved = *lk_error();
    CHECK_EQ(lk_fail_os(ENOSPC, "write", "000012.log"), LSMKV_FULL);
    CHECK_STR(lsmkv_last_error()->text,
              "000012.log: write: No space left on device; what was stored can still be read: "
              "make room on that disk, then try again");
    CHECK_EQ(lk_fail_os(ENOSPC, "sync", "000012.log"), LSMKV_FULL); /* which is not to be tried again */
    CHECK_STR(lsmkv_last_error()->text, "000012.log: sync: No space left on device");
    CHECK_EQ(lk_fail_os(EDQUOT, "write", "000012.log"), LSMKV_FULL);
    CHECK_EQ(lk_fail_os(ENOMEM, "map", "000012.log"), LSMKV_NOMEM);
    CHECK_EQ(lk_fail_os(EIO, "sync", ""), LSMKV_IO);
    CHECK_STR(lsmkv_last_error()->text, "the store's directory: sync: Input/output error");
    CHECK_EQ(lsmkv_last_error()->os_errno, EIO);
    CHECK_EQ(lsmkv_last_error()->offset, 0);
    CHECK_EQ(lk_fail_corrupt(lk_error()->file, 1, "%s again", saved.text), LSMKV_CORRUPT);
    lk_error_restore(&saved);
    CHECK_STR(lsmkv_last_error()->text, "granule 1 fails");
    CHECK_STR(lsmkv_status_name(LSMKV_NOTFOUND), "NOTFOUND");
    CHECK_STR(lsmkv_status_words(LSMKV_OK), "success");
    CHECK_STR(lsmkv_status_name(77), "UNKNOWN");
}

static void fail_elsewhere(void *arg)
{
    *(int *)arg = lsmkv_last_error()->text[0];
    (void)lk_fail(LSMKV_BUSY, "in another thread");
}

TEST(failures_are_per_thread)
{
    struct lk_thread *thread;
    int first = -1;
    start();
    (void)lk_fail(LSMKV_CLOSED, "here");
    CHECK_EQ(ops->thread_start(env, "other", fail_elsewhere, &first, &thread), 0);
    ops->thread_join(thread);
    CHECK_EQ(first, 0);
    CHECK_STR(lsmkv_last_error()->text, "here");
    finish();
}

/* ---- scarcity ------------------------------------------------------------------------------- */

TEST(running_out_of_descriptors_leaks_nothing)
{
    struct rlimit before, small;
    struct lk_dir *other;
    struct lk_file *file;
    int holder;
    start();
    getrlimit(RLIMIT_NOFILE, &before);
    small = before;
    for (rlim_t most = 0; most < 12; most++) {
        small.rlim_cur = most;
        setrlimit(RLIMIT_NOFILE, &small);
        if (ops->dir_open(env, path, 0700, &other) == 0)
            ops->dir_close(other);
        if (ops->open(dir, "a", LK_OPEN_CREATE, 0600, &file) == 0)
            CHECK_EQ(ops->close(file), 0);
        if (ops->lock(dir, "LOCK", &file, &holder) == 0)
            CHECK_EQ(ops->close(file), 0);
        (void)ops->remove(dir, "a");
    }
    setrlimit(RLIMIT_NOFILE, &before);
    finish();
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
