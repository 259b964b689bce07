/* env_posix: the real environment: its table, clock, chance and threads. The rest is listed in
 * env_posix.h. Nothing in it has state: any thread, any number of engines. */
#include "os/env_posix.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "util/alloc.h"

#define SECOND_NS 1000000000ull

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint64_t monotonic_ns(struct lk_env *env)
{
    (void)env;
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t wall_ns(struct lk_env *env)
{
    (void)env;
    return read_clock(CLOCK_REALTIME);
}

/* Until a moment and not for a while: an interrupted sleep then neither shrinks nor grows. */
static void sleep_ns(struct lk_env *env, uint64_t ns)
{
    uint64_t until = monotonic_ns(env) + ns;
    struct timespec moment = {.tv_sec = (time_t)(until / SECOND_NS), .tv_nsec = (long)(until % SECOND_NS)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) == EINTR)
        continue;
}

static int fill_random(struct lk_env *env, void *to, size_t bytes)
{
    char *at = to;

    (void)env;
    for (size_t done = 0; done < bytes;) {
        ssize_t got = getrandom(at + done, bytes - done, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int process_id(struct lk_env *env)
{
    (void)env;
    return (int)getpid(); /* the C library's getpid is not cached: right after a fork too */
}

/* ---- threads ------------------------------------------------------------------------------ */

struct lk_thread {
    pthread_t native;
    void (*run)(void *arg);
    void *arg;     /* borrowed */
    char name[16]; /* with its end: what the kernel has room for */
};

static void *enter_thread(void *arg)
{
    struct lk_thread *thread = arg;
    (void)pthread_setname_np(pthread_self(), thread->name);
    thread->run(thread->arg);
    return NULL;
}

/* A thread inherits the mask of its maker: block everything for the moment of its making, so that
 * no handler of the host ever runs in it. */
static int thread_start(struct lk_env *env, const char *name, void (*run)(void *arg), void *arg, struct lk_thread **out)
{
    struct lk_thread *thread = lk_alloc_zero(sizeof *thread);
    sigset_t all, before;
    int rc;

    (void)env;
    *out = NULL;
    if (!thread)
        return -ENOMEM;
    thread->run = run;
    thread->arg = arg;
    snprintf(thread->name, sizeof thread->name, "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread->native, NULL, enter_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        lk_free(thread);
        return -rc;
    }
    *out = thread;
    return 0;
}

static void thread_join(struct lk_thread *thread)
{
    pthread_join(thread->native, NULL);
    lk_free(thread);
}

/* ---- the table ---------------------------------------------------------------------------- */

static const struct lk_env_ops posix_ops = {
    .dir_open = lk_posix_dir_open,
    .dir_close = lk_posix_dir_close,
    .dir_sync = lk_posix_dir_sync,
    .dir_list = lk_posix_dir_list,
    .dir_id = lk_posix_dir_id,
    .dir_can_map = lk_posix_dir_can_map,
    .rename = lk_posix_rename,
    .remove = lk_posix_remove,
    .dir_remove = lk_posix_dir_remove,
    .lock = lk_posix_lock,
    .open = lk_posix_open,
    .close = lk_posix_close,
    .read = lk_posix_read,
    .write = lk_posix_write,
    .sync = lk_posix_sync,
    .size = lk_posix_size,
    .allocate = lk_posix_allocate,
    .truncate = lk_posix_truncate,
    .will_need = lk_posix_will_need,
    .will_read = lk_posix_will_read,
    .forget = lk_posix_forget,
    .map = lk_posix_map,
    .map_hot = lk_posix_map_hot,
    .unmap = lk_posix_unmap,
    .map_sync = lk_posix_map_sync,
    .map_prefault = lk_posix_map_prefault,
    .map_resident = lk_posix_map_resident,
    .reserve = lk_posix_reserve,
    .unreserve = lk_posix_unreserve,
    .discard = lk_posix_discard,
    .page_bytes = lk_posix_page_bytes,
    .resident = lk_posix_resident,
    .memory_limit = lk_posix_memory_limit,
    .monotonic_ns = monotonic_ns,
    .wall_ns = wall_ns,
    .sleep_ns = sleep_ns,
    .random = fill_random,
    .pid = process_id,
    .thread_start = thread_start,
    .thread_join = thread_join,
    .note = NULL,
};

static struct lk_env posix_env = {.ops = &posix_ops};

struct lk_env *lk_env_posix(void)
{
    return &posix_env;
}
