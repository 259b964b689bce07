/* call: how a method enters the store, and what it may do while it is inside.
 *
 * A binding method has four beats. It turns its arguments into bytes (Python code may run), enters
 * (is the store open, and ours?), makes one call that cannot block and, only if that answers
 * WOULDBLOCK, the same call without the interpreter lock; then it converts what came back.
 *
 * Everything here is guarded by the interpreter lock. Handles are used from any thread. */
#ifndef LSM_PY_CALL_H
#define LSM_PY_CALL_H

#include "py/module.h"

enum lsm_state { LSM_NEVER_OPENED, LSM_OPENING, LSM_OPEN, LSM_CLOSED };

struct lsm_codec;

/* What a read needs, and the head of the three objects that offer one: LSM, Snapshot and Transaction. A snapshot or a
 * transaction may be looked at through a namespace: another object with the same `snapshot`, which its base owns. */
struct lsm_source {
    PyObject_HEAD struct lsm_module *module; /* borrowed */
    struct lsm_store *store;   /* LSM: itself, borrowed; else owned. Its handle says which namespace */
    struct lsm_source *base;   /* owned: whose snapshot and txn these are; NULL: its own */
    lsmkv_snapshot *snapshot;  /* owned, or txn's; NULL: the present */
    lsmkv_txn *txn;            /* owned; NULL: writes go to the store, if anywhere */
    PyObject *reached;         /* owned: set of the namespaces that txn may write to, or NULL */
    uint32_t pins;             /* calls without the interpreter lock and iterators that use `snapshot` */
    int state;                 /* enum lsm_state */
    PyObject *weakrefs;
};

struct lsm_store {
    struct lsm_source head;
    int readonly;                     /* this handle was opened with flag "r"; its engine may be shared */
    lsmkv *db;                        /* owned; NULL before it was opened; valid until the object dies */
    unsigned generation;              /* lsm_fork_generation when it was opened */
    PyObject *path;                   /* owned: str or bytes, as it was given */
    PyObject *temporary;              /* owned: bytes, the directory to be removed at close, or NULL */
    PyObject *options;                /* owned: dict, as they are in effect */
    PyObject *name;                   /* owned: str of the namespace, or NULL */
    struct lsm_store *parent; /* owned: the store a namespace was opened from, or NULL; closing it closes this */
    struct lsm_codec *key_codec, *value_codec; /* owned; NULL: bytes */
    const char *durability; /* static: one of them, for repr */
    struct lsm_store *before, *after; /* borrowed: the module's open stores */
};

static inline int lsm_is_ours(const struct lsm_store *store)
{
    return store->generation == lsm_fork_generation;
}

static inline int lsm_is_usable(const struct lsm_source *source)
{
    return source->state == LSM_OPEN && source->store->head.state == LSM_OPEN && lsm_is_ours(source->store) &&
           (!source->base || source->base->state == LSM_OPEN);
}

/* Raises what is wrong with a source that is not usable. Always -1. */
int lsm_raise_unusable(const struct lsm_source *source);

/* 0 when calls may be made, else -1 with ClosedError or ForkedError. */
static inline int lsm_enter(const struct lsm_source *source)
{
    return lsm_is_usable(source) ? 0 : lsm_raise_unusable(source);
}

/* Raises what the engine's last answer to this thread means. Always NULL. */
PyObject *lsm_fail(const struct lsm_source *source, int status);

/* A snapshot or transaction somebody else may close meanwhile stays valid between the two. */
static inline void lsm_pin(struct lsm_source *source)
{
    source->pins++;
    if (source->base)
        source->base->pins++;
}
void lsm_unpin(struct lsm_source *source);

/* Closes a Snapshot or a Transaction: what it holds goes now, or with the last pin. Idempotent. */
void lsm_source_end(struct lsm_source *source);

/* One pacer per loop, zero-filled. At least every 5 ms of work: let other threads run. Always: let
 * signal handlers run; they may close the store. 0, or -1 with their exception. */
struct lsm_pacer {
    int64_t since_ns;
    int started; /* a loop of one round never looks at the clock */
};
int lsm_pace(struct lsm_pacer *pacer);
int64_t lsm_now_ns(void);

#endif
