/* thread: mutex and condition over pthreads, and the count of forks.
 *
 * Any thread. A call that pthreads says it refuses is misuse: it aborts unless NDEBUG is set. */
#include "os/thread.h"

#include <sched.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static void must(int rc)
{
#ifdef NDEBUG
    (void)rc;
#else
    if (rc != 0)
        abort();
#endif
}

void lk_mutex_init(struct lk_mutex *mutex)
{
    must(pthread_mutex_init(&mutex->native, NULL));
}

void lk_mutex_deinit(struct lk_mutex *mutex)
{
    must(pthread_mutex_destroy(&mutex->native));
}

void lk_mutex_lock(struct lk_mutex *mutex)
{
    must(pthread_mutex_lock(&mutex->native));
}

int lk_mutex_try(struct lk_mutex *mutex)
{
    int rc = pthread_mutex_trylock(&mutex->native);
    if (rc != EBUSY)
        must(rc);
    return rc == 0;
}

void lk_mutex_unlock(struct lk_mutex *mutex)
{
    must(pthread_mutex_unlock(&mutex->native));
}

void lk_cond_init(struct lk_cond *cond)
{
    pthread_condattr_t attributes;

    must(pthread_condattr_init(&attributes));
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
    must(pthread_cond_init(&cond->native, &attributes));
    must(pthread_condattr_destroy(&attributes));
}

void lk_cond_deinit(struct lk_cond *cond)
{
    must(pthread_cond_destroy(&cond->native));
}

void lk_cond_wait(struct lk_cond *cond, struct lk_mutex *mutex)
{
    must(pthread_cond_wait(&cond->native, &mutex->native));
}

int lk_cond_wait_ns(struct lk_cond *cond, struct lk_mutex *mutex, uint64_t ns)
{
    struct timespec until;
    uint64_t fraction;
    int rc;

    clock_gettime(CLOCK_MONOTONIC, &until);
    fraction = (uint64_t)until.tv_nsec + ns % 1000000000u;
    until.tv_sec += (time_t)(ns / 1000000000u + fraction / 1000000000u);
    until.tv_nsec = (long)(fraction % 1000000000u);
    rc = pthread_cond_timedwait(&cond->native, &mutex->native, &until);
    if (rc != ETIMEDOUT)
        must(rc);
    return rc == ETIMEDOUT;
}

void lk_cond_wake_all(struct lk_cond *cond)
{
    must(pthread_cond_broadcast(&cond->native));
}

/* ---- forks: written by the child's only thread, read by everyone --------------------------- */

volatile uint32_t lk_fork_generation;

static void (*_Atomic child_handler)(void);
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static int watch_result; /* written inside watch_once */

static void in_child(void)
{
    void (*handler)(void) = atomic_load(&child_handler);
    lk_fork_generation = lk_fork_generation + 1;
    if (handler)
        handler();
}

static void watch(void)
{
    watch_result = -pthread_atfork(NULL, NULL, in_child);
}

/* 0, or -ENOMEM: then no fork is noticed. The handler given last is the one that runs. */
int lk_fork_watch(void (*on_child)(void))
{
    atomic_store(&child_handler, on_child);
    pthread_once(&watch_once, watch);
    return watch_result;
}

void lk_thread_yield(void)
{
    sched_yield();
}
