/* lab_kill: T8, kill -9 of a real process on a real file system.
 *
 *   lab_kill [kills [directory [first seed]]]
 *
 * A child process opens the store and writes with four threads while a fifth flushes, compacts, scans and syncs.
 * Each thread tells each acknowledgement through a pipe. The child dies at a random time, or kills itself at the
 * n-th call of some kind of the environment: often that is in the middle of opening what the last one left.
 *
 * Threads write keys of their own, and operation n of a thread is always the same, so what a thread left must be
 * what its operations up to the last acknowledged one lead to, or one more:
 *
 *     thread 2    acknowledged ... 1017 1018 1019    in flight 1020     content: after 1019, or after 1020
 *
 * The store is looked at through a reader, which changes nothing, so the next child recovers from the same ruins. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/open.h"
#include "model.h"

enum { WRITERS = 4, SLOTS = 96, VALUE_MOST = 1200, VIOLATIONS_MOST = 5 };

struct word { /* through the pipe; thread WRITERS: the child is about to open */
    uint32_t thread, status;
    uint64_t number;
};

/* ---- what thread t does as its operation n ------------------------------------------------------------ */

enum verb { PUT, DELETE, RANGE, BATCH };

struct deed {
    enum verb verb;
    unsigned slot, count; /* count: slots a batch or range covers, from slot on, around the end for a batch */
    int sync;
};

static struct deed deed_of(unsigned thread, uint64_t number)
{
    uint64_t dice = model_mix(number * WRITERS + thread);
    struct deed deed = {.slot = (unsigned)(dice >> 8) % SLOTS, .count = 1, .sync = (dice >> 48) % 64 == 0 ? 1 : -1};
    unsigned what = dice % 64;
    deed.verb = what < 44 ? PUT : what < 54 ? DELETE : what < 56 ? RANGE : BATCH;
    if (deed.verb >= RANGE)
        deed.count = 1 + (unsigned)(dice >> 32) % 12;
    if (deed.verb == RANGE && deed.slot + deed.count > SLOTS)
        deed.count = SLOTS - deed.slot;
    return deed;
}

static size_t key_of(unsigned thread, unsigned slot, char key[32])
{
    return (size_t)sprintf(key, "thread %u key %03u", thread, slot);
}

/* A value tells the operation that wrote it. */
static size_t value_of(unsigned thread, unsigned slot, uint64_t number, uint8_t value[VALUE_MOST])
{
    struct random random = {number * 1000003 + slot * WRITERS + thread};
    uint64_t dice = random_next(&random);
    size_t size = 8 + (dice % 16 == 0 ? (dice >> 8) % (VALUE_MOST - 8) : (dice >> 8) % 60);
    memcpy(value, &number, 8);
    for (size_t i = 8; i < size; i++)
        value[i] = (uint8_t)(dice >> i % 8 * 8);
    return size;
}

/* What the slots of a thread hold: numbers of operations, 0 for nothing. */
struct slots {
    uint64_t number; /* operations done */
    uint64_t written[SLOTS];
};

static void slots_do(struct slots *slots, unsigned thread)
{
    struct deed deed = deed_of(thread, ++slots->number);
    for (unsigned i = 0; i < deed.count; i++)
        slots->written[(deed.slot + i) % SLOTS] = deed.verb == DELETE || deed.verb == RANGE ? 0 : slots->number;
}

/* ---- the child ------------------------------------------------------------------------------------- */

static lsmkv *store;
static int words_fd;
static uint64_t next_number[WRITERS];

static void tell(uint32_t thread, uint32_t status, uint64_t number)
{
    struct word word = {thread, status, number};
    if (write(words_fd, &word, sizeof word) != sizeof word)
        _exit(4);
}

static int act(unsigned thread, uint64_t number, lsmkv_batch *batch)
{
    struct deed deed = deed_of(thread, number);
    uint8_t value[VALUE_MOST];
    char key[32], stop[32];
    size_t bytes = key_of(thread, deed.slot, key), size = value_of(thread, deed.slot, number, value);
    int rc = 0;
    if (deed.verb == PUT)
        return lsmkv_put(store, key, bytes, value, size, deed.sync, NULL);
    if (deed.verb == DELETE)
        return lsmkv_delete(store, key, bytes, deed.sync, NULL);
    if (deed.verb == RANGE) {
        struct lsmkv_slice from = {key, bytes}, to = {stop, key_of(thread, deed.slot + deed.count, stop)};
        return lsmkv_delete_range(store, &from, &to, deed.sync, NULL);
    }
    lsmkv_batch_reset(batch);
    for (unsigned i = 0; i < deed.count && rc == 0; i++) {
        unsigned slot = (deed.slot + i) % SLOTS;
        bytes = key_of(thread, slot, key);
        size = value_of(thread, slot, number, value);
        rc = lsmkv_batch_put(batch, key, bytes, value, size);
    }
    return rc == 0 ? lsmkv_write(store, batch, deed.sync, NULL) : rc;
}

static void *writer(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg;
    lsmkv_batch *batch = NULL;
    int rc = lsmkv_batch_new(&batch);
    for (uint64_t number = next_number[thread]; rc == 0; number++) {
        rc = act(thread, number, batch);
        tell(thread, rc == 0 ? 0 : 1, rc == 0 ? number : 0);
    }
    fprintf(stderr, "a writer failed: %s (%s)\n", lsmkv_status_name(rc), lsmkv_last_error()->text);
    return NULL;
}

static void scan_some(void)
{
    struct lsmkv_pair pairs[32];
    lsmkv_iter *iter = NULL;
    size_t count;
    if (lsmkv_iter_new(store, NULL, NULL, &iter) != 0)
        return;
    while (lsmkv_iter_begin(iter, 32, 1 << 16, pairs, &count) == 0)
        lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
}

static void upkeep(uint64_t seed)
{
    struct random random = {seed};
    for (;;) {
        struct timespec pause = {0, (long)random_below(&random, 3000000)};
        nanosleep(&pause, NULL);
        switch (random_below(&random, 4)) {
        case 0:
            (void)!lsmkv_flush(store);
            break;
        case 1:
            (void)!lsmkv_compact(store, NULL, NULL, NULL, NULL);
            break;
        case 2:
            (void)!lsmkv_sync(store);
            break;
        default:
            scan_some();
            break;
        }
    }
}

/* The environment of a child that ends at a named point: the n-th call of one kind. */
static struct lk_env_ops point_ops;
static struct lk_env point_env = {&point_ops};
static _Atomic int point_left;
static unsigned point_kind;

enum {
    POINT_SYNC,
    POINT_DIR_SYNC,
    POINT_RENAME,
    POINT_REMOVE,
    POINT_OPEN,
    POINT_WRITE,
    POINT_ALLOCATE,
    POINT_MAP_SYNC,
    POINTS
};

static void point(unsigned kind)
{
    if (kind == point_kind && --point_left == 0)
        kill(getpid(), SIGKILL);
}

static int point_sync(struct lk_file *file)
{
    point(POINT_SYNC);
    return lk_env_posix()->ops->sync(file);
}
static int point_dir_sync(struct lk_dir *dir)
{
    point(POINT_DIR_SYNC);
    return lk_env_posix()->ops->dir_sync(dir);
}
static int point_rename(struct lk_dir *dir, const char *from, const char *to)
{
    point(POINT_RENAME);
    return lk_env_posix()->ops->rename(dir, from, to);
}
static int point_remove(struct lk_dir *dir, const char *name)
{
    point(POINT_REMOVE);
    return lk_env_posix()->ops->remove(dir, name);
}
static int point_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    point(POINT_OPEN);
    return lk_env_posix()->ops->open(dir, name, how, mode, out);
}
/* Half of it is written. */
static int point_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes)
{
    if (point_kind == POINT_WRITE && point_left == 1 && bytes > 1)
        (void)lk_env_posix()->ops->write(file, offset, from, bytes / 2);
    point(POINT_WRITE);
    return lk_env_posix()->ops->write(file, offset, from, bytes);
}
static int point_allocate(struct lk_file *file, uint64_t offset, uint64_t bytes)
{
    point(POINT_ALLOCATE);
    return lk_env_posix()->ops->allocate(file, offset, bytes);
}
static int point_map_sync(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes)
{
    point(POINT_MAP_SYNC);
    return lk_env_posix()->ops->map_sync(file, at, offset, bytes);
}

static struct lk_env *env_with_point(unsigned kind, unsigned left)
{
    if (kind >= POINTS)
        return lk_env_posix();
    point_kind = kind;
    point_left = (int)left;
    point_ops = *lk_env_posix()->ops;
    point_ops.sync = point_sync;
    point_ops.dir_sync = point_dir_sync;
    point_ops.rename = point_rename;
    point_ops.remove = point_remove;
    point_ops.open = point_open;
    point_ops.write = point_write;
    point_ops.allocate = point_allocate;
    point_ops.map_sync = point_map_sync;
    return &point_env;
}

static void options_of(struct lsmkv_options *options, uint64_t seed)
{
    uint64_t dice = model_mix(seed ^ 0x0b7);
    lsmkv_options_init(options);
    options->durability = dice % 8 == 0 ? LSMKV_SYNC_ALWAYS : dice % 2 ? LSMKV_SYNC_OS : LSMKV_SYNC_INTERVAL;
    options->sync_interval_ms = 2;
    options->segment_bytes = 16384u << (dice >> 8) % 4;
    options->table_bytes = 8192u << (dice >> 16) % 4;
    options->page_bytes = 256;
    options->l0_segments = 1 + (uint32_t)(dice >> 24) % 3;
    options->run_count = 1 + (uint32_t)(dice >> 32) % 4;
    options->log_source = (int)((dice >> 40) % 3);
    options->table_source = (int)((dice >> 44) % 3);
}

/* child <path> <seed> <fd> <point> <count> <next number of each writer> */
static int child(char **argv)
{
    uint64_t seed = strtoull(argv[3], NULL, 10);
    struct lk_env *env = env_with_point((unsigned)atoi(argv[5]), (unsigned)atoi(argv[6]));
    struct lsmkv_options options;
    pthread_t threads[WRITERS];
    words_fd = atoi(argv[4]);
    for (unsigned i = 0; i < WRITERS; i++)
        next_number[i] = strtoull(argv[7 + i], NULL, 10);
    options_of(&options, seed);
    tell(WRITERS, 0, 0);
    int rc = lk_open_in(env, argv[2], &options, &store);
    if (rc != 0) {
        fprintf(stderr, "a child cannot open the store: %s (%s)\n", lsmkv_status_name(rc), lsmkv_last_error()->text);
        tell(WRITERS, 1, 0);
        return 5;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        if (pthread_create(&threads[i], NULL, writer, (void *)(uintptr_t)i) != 0)
            return 6;
    upkeep(seed);
    return 0;
}

/* ---- the parent ------------------------------------------------------------------------------------- */

static struct slots confirmed[WRITERS];
static uint64_t acknowledged[WRITERS];
static uint64_t violations, in_open, at_points, total_acknowledged;

__attribute__((format(printf, 2, 3))) static void wrong(uint64_t seed, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "kill with seed %" PRIu64 ": ", seed);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    violations++;
}

static pid_t start_child(const char *path, uint64_t seed, int fd, unsigned point_number, unsigned count)
{
    char words[7 + WRITERS][32], *argv[8 + WRITERS];
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    snprintf(words[3], 32, "%" PRIu64, seed);
    snprintf(words[4], 32, "%d", fd);
    snprintf(words[5], 32, "%u", point_number);
    snprintf(words[6], 32, "%u", count);
    for (unsigned i = 0; i < WRITERS; i++)
        snprintf(words[7 + i], 32, "%" PRIu64, confirmed[i].number + 1);
    argv[0] = "lab_kill";
    argv[1] = "child";
    argv[2] = (char *)(uintptr_t)path;
    for (unsigned i = 3; i < 7 + WRITERS; i++)
        argv[i] = words[i];
    argv[7 + WRITERS] = NULL;
    execv("/proc/self/exe", argv);
    _exit(7);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What has come through the pipe. 0 at its end. */
static int listen_once(int fd, uint64_t seed, int *began, int *acknowledges)
{
    struct word words[256];
    ssize_t bytes = read(fd, words, sizeof words);
    for (ssize_t i = 0; i < bytes / (ssize_t)sizeof words[0]; i++) {
        if (words[i].status)
            wrong(seed, "the child failed");
        else if (words[i].thread == WRITERS)
            *began = 1;
        else if (words[i].number)
            acknowledged[words[i].thread] = words[i].number, *acknowledges = 1;
    }
    return bytes > 0;
}

/* Let it live for `ns` from its first sign of life, then kill it. It may end itself before. */
static void watch(pid_t pid, int fd, uint64_t seed, uint64_t ns, int from_open)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    uint64_t deadline = now_ns() + 20000000000u;
    int began = 0, acknowledges = 0, counting = 0;
    while (now_ns() < deadline) {
        struct timespec left = {0, 0};
        uint64_t now = now_ns();
        if (!counting && (from_open ? began : acknowledges)) {
            counting = 1;
            deadline = now + ns;
        }
        if (deadline > now)
            left = (struct timespec){(time_t)((deadline - now) / 1000000000u), (long)((deadline - now) % 1000000000u)};
        if (ppoll(&waiting, 1, &left, NULL) > 0 && !listen_once(fd, seed, &began, &acknowledges))
            break;
    }
    in_open += !acknowledges;
    kill(pid, SIGKILL);
    while (listen_once(fd, seed, &began, &acknowledges))
        ;
}

/* ---- what is left ------------------------------------------------------------------------------------ */

static int slots_match(lsmkv *db, const struct slots *slots, unsigned thread, uint64_t seed)
{
    uint8_t wanted[VALUE_MOST];
    char key[32];
    for (unsigned i = 0; i < SLOTS; i++) {
        void *value = NULL;
        size_t size = 0, bytes = key_of(thread, i, key);
        int rc = lsmkv_get(db, NULL, key, bytes, &value, &size);
        size_t wanted_size = slots->written[i] ? value_of(thread, i, slots->written[i], wanted) : 0;
        int same = slots->written[i] ? rc == 0 && size == wanted_size && memcmp(value, wanted, size) == 0
                                     : rc == LSMKV_NOTFOUND;
        lsmkv_free(value);
        if (rc < 0)
            wrong(seed, "get: %s", lsmkv_last_error()->text);
        if (!same)
            return 0;
    }
    return 1;
}

static void check_thread(lsmkv *db, unsigned thread, uint64_t seed)
{
    struct slots *slots = &confirmed[thread];
    uint64_t before = slots->number;
    while (slots->number < acknowledged[thread])
        slots_do(slots, thread);
    total_acknowledged += slots->number - before;
    if (slots_match(db, slots, thread, seed))
        return;
    slots_do(slots, thread); /* the one in flight */
    if (!slots_match(db, slots, thread, seed))
        wrong(seed, "thread %u: not what %" PRIu64 " acknowledged operations lead to, nor one more", thread,
              slots->number - 1);
}

static uint64_t count_by_scan(lsmkv *db, int reverse)
{
    struct lsmkv_range range = {.reverse = reverse};
    struct lsmkv_pair pairs[64];
    lsmkv_iter *iter = NULL;
    uint64_t found = 0;
    size_t count;
    if (lsmkv_iter_new(db, NULL, &range, &iter) != 0)
        return UINT64_MAX;
    for (; lsmkv_iter_begin(iter, 64, 1 << 20, pairs, &count) == 0; found += count)
        lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    return found;
}

static void check_store(const char *path, uint64_t seed)
{
    struct lsmkv_options options;
    lsmkv *db = NULL;
    uint64_t there = 0;
    options_of(&options, seed + 1);
    options.flags = seed % 4 ? LSMKV_OPEN_READONLY : LSMKV_OPEN_CREATE;
    int rc = lsmkv_open(path, &options, &db);
    if (rc == LSMKV_ABSENT && acknowledged[0] + acknowledged[1] + acknowledged[2] + acknowledged[3] == 0)
        return;
    if (rc != 0) {
        wrong(seed, "open: %s (%s)", lsmkv_status_name(rc), lsmkv_last_error()->text);
        return;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        check_thread(db, i, seed);
        for (unsigned j = 0; j < SLOTS; j++)
            there += confirmed[i].written[j] != 0;
    }
    if (count_by_scan(db, 0) != there || count_by_scan(db, 1) != there)
        wrong(seed, "scans and gets differ");
    rc = lsmkv_close(db);
    if (rc != 0)
        wrong(seed, "close: %s (%s)", lsmkv_status_name(rc), lsmkv_last_error()->text);
    lsmkv_release(db);
}

static void one_kill(const char *path, uint64_t seed)
{
    struct random random = {seed};
    int pipes[2], from_open = random_below(&random, 3) == 0, status;
    uint64_t ns = random_below(&random, from_open ? 3000000 : 25000000);
    unsigned point_number = random_below(&random, 3) == 0 ? (unsigned)random_below(&random, POINTS) : POINTS;
    unsigned count = 1 + (unsigned)random_below(&random, random_below(&random, 2) ? 4 : 60);
    if (pipe(pipes) != 0)
        abort();
    fflush(stderr);
    pid_t pid = start_child(path, seed, pipes[1], point_number, count);
    close(pipes[1]);
    watch(pid, pipes[0], seed, ns, from_open);
    close(pipes[0]);
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        wrong(seed, "the child ended with status %x", (unsigned)status);
    at_points += point_number < POINTS;
    check_store(path, seed);
}

int main(int argc, char **argv)
{
    char path[256];
    if (argc == 7 + WRITERS && strcmp(argv[1], "child") == 0)
        return child(argv);
    uint64_t kills = argc > 1 ? strtoull(argv[1], NULL, 10) : 200, seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1,
             done = 0;
    snprintf(path, sizeof path, "%s/lsmkv-kill-%d", argc > 2 ? argv[2] : "/dev/shm", (int)getpid());
    uint64_t began = now_ns();
    for (; done < kills && violations < VIOLATIONS_MOST; done++)
        one_kill(path, seed + done);
    printf("%" PRIu64 " acknowledged operations, %" PRIu64 " children ended before the first one, %" PRIu64
           " had a named point, %.1f s\n",
           total_acknowledged, in_open, at_points, (double)(now_ns() - began) / 1e9);
    printf("T8: %" PRIu64 " cases, %" PRIu64 " violations\n", done, violations);
    if (violations)
        printf("the store is left in %s\n", path);
    else if (lsmkv_destroy(path) != 0)
        printf("%s stays: %s\n", path, lsmkv_last_error()->text);
    return violations != 0;
}
