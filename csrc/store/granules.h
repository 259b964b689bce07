/* granules: the one door to the bytes of a table.
 *
 * A table is one contiguous address range plus a state for each granule of 4096 bytes:
 *
 *      absent --claim--> filling --verified--> ready --clock hand--> evicting --grace--> absent
 *                           |                    ^                      |             (read source only)
 *                           |                    +---wanted again-------+
 *                           +-- unreadable or wrong: back to absent, the reader gets the failure
 *
 * Every access first asks lk_granules_ready: ready means plain loads, nothing else. Otherwise the
 * slow path (lk_granules_fill, may block) reads the granule with a read call, so that a media error is an error
 * and not a signal, verifies it, and only then marks it:
 *   mapped source: reads into scratch; the bytes that are marked are the file's own pages, mapped read-only;
 *   read source: reads to where they belong, anonymous memory of the same length, which nobody looks at before.
 * Two threads never fill one granule: the claim decides, the other waits for the state to change.
 *
 * The read source keeps to a budget shared by all tables of an engine (struct lk_cache). Before a fill
 * would pass it, a clock hand sweeps: ready granules that were not touched since the last sweep become
 * evicting; no reader that comes after sees them as ready; their pages are given back (in units of
 * max(4 KiB, page size)) only after every reader that may have seen them ready has moved on, which the
 * engine's epochs tell through `stamp` and `passed`. What is wanted again before that is ready again.
 * The budget can be passed by one fill a thread, and by what readers still hold. Fences and lines leave last: each
 * serves hundreds of gets, and a get that finds its line reads one granule, or none when there is nothing. They are
 * kept from the hand while they take at most three quarters of the budget, with what is lent to long walks.
 *
 * Threads: ready from any thread inside an epoch slot, fill and copy from any thread outside one. */
#ifndef LK_STORE_GRANULES_H
#define LK_STORE_GRANULES_H

#include <stdatomic.h>

#include "format/footer.h"
#include "os/env.h"
#include "os/thread.h"

struct lk_granules;

enum { LK_GRANULE_ABSENT, LK_GRANULE_FILLING, LK_GRANULE_READY, LK_GRANULE_EVICTING, LK_GRANULE_TOUCHED = 4 };
enum { LK_GRANULE_STATE = 3, LK_GRANULE_HOT = LK_GRANULE_READY | LK_GRANULE_TOUCHED, LK_GRANULE_SHIFT = 12 };

/* Granules that leave together: `first` and those after it in its unit. */
struct lk_evicting {
    struct lk_granules *granules; /* borrowed */
    uint32_t first;
    uint32_t was_ready;           /* bit i: granule first + i was ready, otherwise absent */
};
enum { LK_EVICTING_MAX = 64 };

/* The budget, and where threads wait for a granule another one fills. One per engine. */
struct lk_cache {
    struct lk_env *env;
    uint64_t budget;               /* constant; bytes of ready granules of read sources */
    uint32_t unit;                 /* constant while in use; granules given back at once, 1 to 32, a power of
                                      two: page size / 4096 where that is more than one; init sets 1 */
    _Atomic uint64_t used;
    _Atomic uint64_t used_index;   /* of that: granules from their table's index_from on */
    _Atomic uint64_t lent;         /* of that: windows of long walks */
    /* Epoch seam: `stamp` names the present moment; `passed` tells whether every reader that was
     * inside a slot at that stamp has left. Both cheap, any thread, called under the mutex; stamp begins
     * with a full fence. */
    uint64_t (*stamp)(void *context);
    int (*passed)(void *context, uint64_t stamp);
    void *context;
    struct lk_mutex mutex;         /* all below but the last */
    struct lk_cond filled;         /* some granule is no longer filling */
    uint32_t waiting;
    struct lk_granules *sources;   /* borrowed list */
    struct lk_granules *hand;
    struct lk_evicting evicting[LK_EVICTING_MAX];
    uint32_t evicting_count;
    uint64_t evicting_stamp;
    _Atomic uint64_t read_bytes;   /* bytes read from table files, both sources */
};
LK_MUST_CHECK int lk_cache_init(struct lk_cache *cache, struct lk_env *env, uint64_t budget, uint64_t (*stamp)(void *),
                                int (*passed)(void *, uint64_t), void *context);
void lk_cache_deinit(struct lk_cache *cache);

struct lk_granules {
    const uint8_t *base;            /* contiguous; valid where ready */
    uint64_t bytes;                 /* of the covered part: checks_at of the table */
    _Atomic uint8_t *state;         /* owned; one a granule; low bits the state, one bit "touched" */
    /* the rest is the business of granules.c and cache.c */
    struct lk_cache *cache;
    struct lk_env *env;
    struct lk_file *file;           /* borrowed */
    const char *name;               /* borrowed, for messages */
    uint64_t identity;
    uint32_t *checks;               /* owned */
    uint64_t mapped_bytes;          /* 0: nothing to give back */
    uint32_t count;
    uint32_t index_from;            /* granules from here on say where records are: they leave last */
    int mapped;                     /* source */
    struct lk_granules *next, *prev;/* the cache's list */
    uint32_t clock;                 /* where the hand stands in here */
};

/* bytes: a multiple of a granule. checks: takes ownership (lk_alloc'd array, one a granule), on failure
 * too. mapped: wished; where the file cannot be mapped it is read. 0, NOMEM, IO. */
/* index_from is then the caller's to set: where the table's fences begin; as it is, at the end. */
LK_MUST_CHECK int lk_granules_open(struct lk_granules *granules, struct lk_cache *cache, struct lk_file *file,
                                   const char *name, uint64_t identity, uint64_t bytes, uint32_t *checks, int mapped);
void lk_granules_close(struct lk_granules *granules); /* nobody reads or fills any more */

int lk_granules_ready_slow(struct lk_granules *granules, uint64_t first, uint64_t last);

/* 1 when [offset, offset + bytes) may be read with plain loads until the epoch slot is left. The bytes,
 * at least one, must lie inside. The common case of one or two granules is two loads. */
static inline int lk_granules_ready(struct lk_granules *granules, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> LK_GRANULE_SHIFT, last = (offset + bytes - 1) >> LK_GRANULE_SHIFT;
    int hot = atomic_load_explicit(&granules->state[first], memory_order_acquire) == LK_GRANULE_HOT &&
              atomic_load_explicit(&granules->state[last], memory_order_acquire) == LK_GRANULE_HOT;
    return __builtin_expect(hot && last - first < 2, 1) || lk_granules_ready_slow(granules, first, last);
}

/* Make it so; may block. 0; CORRUPT with file and offset; IO. With a small budget the caller must
 * be ready to find it gone again. */
LK_MUST_CHECK int lk_granules_fill(struct lk_granules *granules, uint64_t offset, uint64_t bytes);
/* Read and verify into private memory, whatever the states; may block. For merges, verify and large
 * values: leaves the states and the budget alone. */
LK_MUST_CHECK int lk_granules_copy(struct lk_granules *granules, uint64_t offset, uint64_t bytes, void *to);
/* The same through another open file of the table. */
LK_MUST_CHECK int lk_granules_copy_through(struct lk_granules *granules, struct lk_file *file, uint64_t offset,
                                           uint64_t bytes, void *to);

/* A long walk reads beside the cache, which would be emptied for what nobody asks for twice, into a window of its own. The
 * window is of the same budget: 1 when so many bytes of it may be had, then give them back. At most a quarter goes. */
LK_MUST_CHECK int lk_cache_lend(struct lk_cache *cache, uint64_t bytes);
void lk_cache_take_back(struct lk_cache *cache, uint64_t bytes);

/* ---- between granules.c and cache.c --------------------------------------------------------- */

static inline unsigned lk_granule_state(const struct lk_granules *granules, uint32_t index)
{
    return atomic_load_explicit(&granules->state[index], memory_order_acquire) & LK_GRANULE_STATE;
}

void lk_cache_join(struct lk_cache *cache, struct lk_granules *granules);
void lk_cache_leave(struct lk_cache *cache, struct lk_granules *granules);
/* Evict, as far as readers allow, until `bytes` more fit the budget. */
void lk_cache_make_room(struct lk_cache *cache, uint64_t bytes);
/* A granule seen evicting is wanted: its unit is ready again, unless it is gone by now. */
void lk_cache_rescue(struct lk_cache *cache, struct lk_granules *granules, uint32_t index);
/* Wait until the granule is not filling / tell those who wait. */
void lk_cache_wait(struct lk_cache *cache, struct lk_granules *granules, uint32_t index);
void lk_cache_wake(struct lk_cache *cache);

#endif
