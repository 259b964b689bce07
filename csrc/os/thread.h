/* thread: mutex, condition, once; thin over pthreads. No failure is possible or reported: the
 * attributes are the defaults, and misuse is a bug that aborts in the checked build. */
#ifndef LK_OS_THREAD_H
#define LK_OS_THREAD_H

#include <pthread.h>
#include <stdint.h>

struct lk_mutex {
    pthread_mutex_t native;
};
struct lk_cond {
    pthread_cond_t native;
}; /* on the monotonic clock */

void lk_mutex_init(struct lk_mutex *mutex);
void lk_mutex_deinit(struct lk_mutex *mutex);
void lk_mutex_lock(struct lk_mutex *mutex);
int lk_mutex_try(struct lk_mutex *mutex); /* 1 when taken */
void lk_mutex_unlock(struct lk_mutex *mutex);

void lk_cond_init(struct lk_cond *cond);
void lk_cond_deinit(struct lk_cond *cond);
void lk_cond_wait(struct lk_cond *cond, struct lk_mutex *mutex);
int lk_cond_wait_ns(struct lk_cond *cond, struct lk_mutex *mutex, uint64_t ns); /* 1 when time ran out */
void lk_cond_wake_all(struct lk_cond *cond);

void lk_thread_yield(void); /* let another thread run */

/* Rises by one in the child of every fork; an engine remembers the value it was opened under.
 * lk_fork_watch() registers the handlers once; on_child runs in the child (async-signal-safe only). */
extern volatile uint32_t lk_fork_generation;
int lk_fork_watch(void (*on_child)(void));

#endif
