/* gate_kit: the real environment, with a gate before every sync of a file. While it is closed, whoever wants to
 * sync waits there; it may open into a failure.
 *
 *   store.env = gate_env();
 *   gate_close(); ... gate_await(1); ... gate_open(0);        0: the syncs go on; else they fail with that errno */
#ifndef LK_TESTS_GATE_KIT_H
#define LK_TESTS_GATE_KIT_H

#include <pthread.h>
#include <stdatomic.h>

#include "os/env.h"
#include "os/thread.h"

static struct {
    struct lk_env_ops ops;
    struct lk_env env;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int closed, waiting, failure;
    _Atomic uint64_t syncs; /* that went through */
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* 0, or the errno to fail with. */
static inline int gate_pass(void)
{
    pthread_mutex_lock(&gate.mutex);
    gate.waiting++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.closed)
        pthread_cond_wait(&gate.changed, &gate.mutex);
    gate.waiting--;
    int failure = gate.failure;
    pthread_mutex_unlock(&gate.mutex);
    if (!failure)
        atomic_fetch_add(&gate.syncs, 1);
    return failure;
}

static inline int gate_sync(struct lk_file *file)
{
    int failure = gate_pass();
    return failure ? -failure : lk_env_posix()->ops->sync(file);
}

static inline int gate_map_sync(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes)
{
    int failure = gate_pass();
    return failure ? -failure : lk_env_posix()->ops->map_sync(file, at, offset, bytes);
}

static inline struct lk_env *gate_env(void)
{
    gate.ops = *lk_env_posix()->ops;
    gate.ops.sync = gate_sync;
    gate.ops.map_sync = gate_map_sync;
    gate.env.ops = &gate.ops;
    gate.closed = gate.failure = 0;
    return &gate.env;
}

static inline void gate_close(void)
{
    pthread_mutex_lock(&gate.mutex);
    gate.closed = 1;
    pthread_mutex_unlock(&gate.mutex);
}

/* Until so many wait before it. */
static inline void gate_await(int many)
{
    pthread_mutex_lock(&gate.mutex);
    while (gate.waiting < many)
        pthread_cond_wait(&gate.changed, &gate.mutex);
    pthread_mutex_unlock(&gate.mutex);
}

static inline void gate_open(int failure)
{
    pthread_mutex_lock(&gate.mutex);
    gate.closed = 0;
    gate.failure = failure;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.mutex);
}

#endif
