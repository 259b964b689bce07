/* cache: the budget of the read source, and what leaves when it is spent.
 *
 * Under the mutex the hand walks round all read sources. A touched granule loses its bit and stays;
 * an untouched one goes from ready to evicting, by exchange, because a reader may touch it at the same
 * moment. A batch of these gets one stamp. Order that matters, in the two threads:
 *
 *      reader                             evictor
 *      claim slot  (full fence)           ready -> evicting
 *      load state: ready?                 stamp (full fence first), later passed(stamp)?
 *      read bytes                         give the pages back
 *      leave slot (release)               evicting -> absent (release)
 *
 * Either the reader's load comes after the exchange and it does not see ready, or its slot is seen by
 * the stamp and passed() waits for it. Invariant: all granules of a unit leave together or not at all,
 * absent ones included, so nobody fills beside a page that is being given back. */
#include "store/granules.h"

enum {
    ROOM_TRIES = 32,
    INDEX_LEAVES = 4 /* of the budget: what at least is for records */,
    LENT_MOST = 4 /* likewise */
};

int lk_cache_init(struct lk_cache *cache, struct lk_env *env, uint64_t budget, uint64_t (*stamp)(void *),
                  int (*passed)(void *, uint64_t), void *context)
{
    *cache = (struct lk_cache){
        .env = env, .budget = budget, .unit = 1, .stamp = stamp, .passed = passed, .context = context};
    lk_mutex_init(&cache->mutex);
    lk_cond_init(&cache->filled);
    return 0;
}

void lk_cache_deinit(struct lk_cache *cache)
{
    lk_cond_deinit(&cache->filled);
    lk_mutex_deinit(&cache->mutex);
}

/* ---- waiting for another thread's fill ------------------------------------------------------ */

void lk_cache_wait(struct lk_cache *cache, struct lk_granules *granules, uint32_t index)
{
    lk_mutex_lock(&cache->mutex);
    cache->waiting++;
    while (lk_granule_state(granules, index) == LK_GRANULE_FILLING)
        lk_cond_wait(&cache->filled, &cache->mutex);
    cache->waiting--;
    lk_mutex_unlock(&cache->mutex);
}

/* The state was stored before: who has not seen it holds the mutex or waits. */
void lk_cache_wake(struct lk_cache *cache)
{
    lk_mutex_lock(&cache->mutex);
    if (cache->waiting)
        lk_cond_wake_all(&cache->filled);
    lk_mutex_unlock(&cache->mutex);
}

/* ---- the sources ---------------------------------------------------------------------------- */

void lk_cache_join(struct lk_cache *cache, struct lk_granules *granules)
{
    lk_mutex_lock(&cache->mutex);
    granules->next = cache->sources;
    if (cache->sources)
        cache->sources->prev = granules;
    cache->sources = granules;
    lk_mutex_unlock(&cache->mutex);
}

static void set_state(struct lk_granules *granules, uint32_t index, uint8_t state)
{
    atomic_store_explicit(&granules->state[index], state, memory_order_release);
}

static void forget_locked(struct lk_cache *cache, uint32_t entry)
{
    cache->evicting[entry] = cache->evicting[--cache->evicting_count];
}

/* Granules of an entry: the last unit of a table may be shorter. */
static uint32_t count_in(const struct lk_cache *cache, const struct lk_evicting *evicting)
{
    uint32_t left = evicting->granules->count - evicting->first;
    return left < cache->unit ? left : cache->unit;
}

/* Back to what the granules of the entry were. */
static void restore_locked(struct lk_cache *cache, uint32_t entry)
{
    struct lk_evicting *evicting = &cache->evicting[entry];

    for (uint32_t i = 0; i < count_in(cache, evicting); i++)
        set_state(evicting->granules, evicting->first + i,
                  evicting->was_ready >> i & 1 ? LK_GRANULE_READY : LK_GRANULE_ABSENT);
    forget_locked(cache, entry);
}

static void count_out(struct lk_cache *cache, uint64_t ready, uint64_t index)
{
    atomic_fetch_sub_explicit(&cache->used, ready << LK_GRANULE_SHIFT, memory_order_relaxed);
    atomic_fetch_sub_explicit(&cache->used_index, index << LK_GRANULE_SHIFT, memory_order_relaxed);
}

void lk_cache_leave(struct lk_cache *cache, struct lk_granules *granules)
{
    uint64_t ready = 0, index = 0;

    lk_mutex_lock(&cache->mutex);
    for (uint32_t i = cache->evicting_count; i-- > 0;)
        if (cache->evicting[i].granules == granules)
            restore_locked(cache, i);
    for (uint32_t i = 0; i < granules->count; i++) {
        ready += lk_granule_state(granules, i) == LK_GRANULE_READY;
        index += lk_granule_state(granules, i) == LK_GRANULE_READY && i >= granules->index_from;
    }
    count_out(cache, ready, index);

    if (cache->hand == granules)
        cache->hand = granules->next;
    if (granules->next)
        granules->next->prev = granules->prev;
    if (granules->prev)
        granules->prev->next = granules->next;
    else
        cache->sources = granules->next;
    lk_mutex_unlock(&cache->mutex);
}

void lk_cache_rescue(struct lk_cache *cache, struct lk_granules *granules, uint32_t index)
{
    uint32_t first = index & ~(cache->unit - 1);

    lk_mutex_lock(&cache->mutex);
    for (uint32_t i = 0; i < cache->evicting_count; i++)
        if (cache->evicting[i].granules == granules && cache->evicting[i].first == first) {
            restore_locked(cache, i);
            break;
        }
    lk_mutex_unlock(&cache->mutex);
}

/* ---- eviction ------------------------------------------------------------------------------- */

/* The newest entry and those before it that lie side by side with it: the system takes them back at once. */
static void give_back_locked(struct lk_cache *cache)
{
    const struct lk_evicting *last = &cache->evicting[cache->evicting_count - 1], *first = last;
    struct lk_granules *granules = last->granules;
    uint64_t index = 0, ready = 0;

    while (first > cache->evicting && first[-1].granules == granules && first[-1].first + cache->unit == first->first)
        first--;
    uint8_t *at = (uint8_t *)(uintptr_t)granules->base + ((uint64_t)first->first << LK_GRANULE_SHIFT);
    uint64_t count = last->first + count_in(cache, last) - first->first;
    /* A refusal costs memory and nothing else: the bytes will be written anew before they are ready. */
    (void)cache->env->ops->discard(cache->env, at, count << LK_GRANULE_SHIFT);
    for (const struct lk_evicting *entry = first; entry <= last; entry++) {
        ready += (uint64_t)__builtin_popcount(entry->was_ready);
        for (uint32_t i = 0; i < count_in(cache, entry); i++) {
            index += entry->was_ready >> i & 1 && entry->first + i >= granules->index_from;
            set_state(granules, entry->first + i, LK_GRANULE_ABSENT);
        }
    }
    count_out(cache, ready, index);
    cache->evicting_count = (uint32_t)(first - cache->evicting);
}

/* Give back what no reader can still see. 1 when nothing waits for readers any more. */
static int reap_locked(struct lk_cache *cache)
{
    if (cache->evicting_count == 0)
        return 1;
    if (!cache->passed(cache->context, cache->evicting_stamp))
        return 0;
    while (cache->evicting_count)
        give_back_locked(cache);
    return 1;
}

/* 1 when the granule may leave; a touched one loses its bit and may not. */
static int idle(struct lk_granules *granules, uint32_t index)
{
    uint8_t hot = LK_GRANULE_HOT;
    if (atomic_compare_exchange_strong_explicit(&granules->state[index], &hot, LK_GRANULE_READY, memory_order_relaxed,
                                                memory_order_relaxed))
        return 0;
    return hot == LK_GRANULE_READY || hot == LK_GRANULE_ABSENT;
}

/* A unit may leave when nothing in it is in use and something in it is ready. */
static int unit_idle(struct lk_granules *granules, uint32_t first, uint32_t count)
{
    int all = 1, any = 0;
    for (uint32_t i = 0; i < count; i++) {
        all &= idle(granules, first + i);
        any |= lk_granule_state(granules, first + i) == LK_GRANULE_READY;
    }
    return all && any;
}

/* Mark the unit evicting, wholly or not at all. Returns how many of its granules were ready. */
static uint32_t take_unit_locked(struct lk_cache *cache, struct lk_granules *granules, uint32_t first)
{
    uint32_t left = granules->count - first, count = left < cache->unit ? left : cache->unit;
    struct lk_evicting *evicting = &cache->evicting[cache->evicting_count];

    if (!unit_idle(granules, first, count))
        return 0;
    *evicting = (struct lk_evicting){granules, first, 0};
    for (uint32_t i = 0; i < count; i++) {
        uint8_t seen = (uint8_t)lk_granule_state(granules, first + i);
        int ours = (seen == LK_GRANULE_READY || seen == LK_GRANULE_ABSENT) &&
                   atomic_compare_exchange_strong_explicit(&granules->state[first + i], &seen, LK_GRANULE_EVICTING,
                                                           memory_order_acq_rel, memory_order_relaxed);
        if (!ours) { /* touched or claimed since */
            while (i-- > 0)
                set_state(granules, first + i, evicting->was_ready >> i & 1 ? LK_GRANULE_READY : LK_GRANULE_ABSENT);
            return 0;
        }
        evicting->was_ready |= (uint32_t)(seen == LK_GRANULE_READY) << i;
    }
    cache->evicting_count++; /* ready or absent, nobody else takes either away: some granule was ready */
    return (uint32_t)__builtin_popcount(evicting->was_ready);
}

/* Move the hand round, twice at most, until `bytes` are on their way out. 1 when any are. */
static int sweep_locked(struct lk_cache *cache, uint64_t bytes)
{
    uint64_t steps = 0, taken = 0, index = atomic_load_explicit(&cache->used_index, memory_order_relaxed);
    index += atomic_load_explicit(&cache->lent, memory_order_relaxed); /* what is lent cannot be taken from */
    int spare = index <= cache->budget - cache->budget / INDEX_LEAVES;

    for (const struct lk_granules *source = cache->sources; source; source = source->next)
        steps += 2 * ((uint64_t)source->count / cache->unit + 2);
    while (steps-- > 0 && taken < bytes && cache->evicting_count < LK_EVICTING_MAX) {
        struct lk_granules *hand = cache->hand ? cache->hand : cache->sources;
        if (hand->clock < hand->count && !(spare && hand->clock >= hand->index_from)) {
            taken += (uint64_t)take_unit_locked(cache, hand, hand->clock) << LK_GRANULE_SHIFT;
            hand->clock += cache->unit;
            cache->hand = hand;
        } else {
            hand->clock = 0;
            cache->hand = hand->next;
        }
    }
    cache->evicting_stamp = cache->stamp(cache->context);
    return cache->evicting_count != 0;
}

/* One try. 1 when there is room or nothing more can leave, 0 when readers stand in the way. */
static int make_room_locked(struct lk_cache *cache, uint64_t bytes)
{
    for (;;) {
        int readers_left = reap_locked(cache);
        uint64_t used = atomic_load_explicit(&cache->used, memory_order_relaxed);
        if (!readers_left)
            return used + bytes <= cache->budget;
        if (used + bytes <= cache->budget || !sweep_locked(cache, used + bytes - cache->budget))
            return 1;
    }
}

/* A reader leaves its slot within microseconds unless the system stopped it: give it a chance to, and go
 * past the budget rather than wait without bound. */
void lk_cache_make_room(struct lk_cache *cache, uint64_t bytes)
{
    for (int tries = 0; tries < ROOM_TRIES; tries++) {
        if (atomic_load_explicit(&cache->used, memory_order_relaxed) + bytes <= cache->budget)
            return;
        lk_mutex_lock(&cache->mutex);
        int done = make_room_locked(cache, bytes);
        lk_mutex_unlock(&cache->mutex);
        if (done)
            return;
        lk_thread_yield();
    }
}

/* ---- windows of long walks ------------------------------------------------------------------ */

int lk_cache_lend(struct lk_cache *cache, uint64_t bytes)
{
    uint64_t lent = atomic_fetch_add_explicit(&cache->lent, bytes, memory_order_relaxed);
    if (lent + bytes > cache->budget / LENT_MOST) {
        atomic_fetch_sub_explicit(&cache->lent, bytes, memory_order_relaxed);
        return 0;
    }
    lk_cache_make_room(cache, bytes);
    atomic_fetch_add_explicit(&cache->used, bytes, memory_order_relaxed);
    return 1;
}

void lk_cache_take_back(struct lk_cache *cache, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&cache->used, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&cache->lent, bytes, memory_order_relaxed);
}
