/* pin: the list and its sweeper. See engine/pin.h. */
#include "engine/pin.h"

#include "engine/events.h"
#include "util/alloc.h"

enum { ENDED = 1 << 30, EXPIRED = 1 << 29, SWEEP_AFTER = 256 };

struct lk_pin {
    struct lk_pin *next;
    struct lk_db *db;           /* borrowed */
    struct lk_version *version; /* the snapshot's own reference */
    uint64_t lsn, taken_ns;
    _Atomic uint32_t state;     /* calls under way, and what has become of it */
};

/* ---- the list ---------------------------------------------------------------------------------- */

static void push(struct lk_db *db, struct lk_pin *pin)
{
    pin->next = atomic_load_explicit(&db->pins_new, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&db->pins_new, &pin->next, pin, memory_order_release,
                                                  memory_order_relaxed))
        ;
}

/* Take over what was pushed, free what has ended. pin_mutex held. */
static void sweep(struct lk_db *db)
{
    struct lk_pin *pushed = atomic_exchange_explicit(&db->pins_new, NULL, memory_order_acquire);
    while (pushed) {
        struct lk_pin *next = pushed->next;
        pushed->next = db->pins;
        db->pins = pushed;
        pushed = next;
    }
    for (struct lk_pin **link = &db->pins, *pin; (pin = *link) != NULL;) {
        if (!(atomic_load_explicit(&pin->state, memory_order_acquire) & ENDED)) {
            link = &pin->next;
            continue;
        }
        *link = pin->next;
        lk_free(pin);
    }
}

/* ---- the owner --------------------------------------------------------------------------------- */

struct lk_pin *lk_pin_new(struct lk_db *db, const struct lk_snapshot *at)
{
    struct lk_pin *pin = db->options.max_pinned_bytes ? lk_alloc_zero(sizeof *pin) : NULL;
    if (!pin)
        return NULL;
    *pin = (struct lk_pin){.db = db, .version = at->version, .lsn = at->lsn, .taken_ns = at->taken_ns};
    push(db, pin);
    return pin;
}

static int refuse(const struct lk_pin *pin)
{
    const struct lk_db *db = pin->db;
    uint64_t now = db->env->ops->monotonic_ns(db->env);
    return lk_fail(
        LSMKV_EXPIRED,
        "the snapshot at %u:%u, %.1f s old, has expired: it was the oldest when more than max_pinned_bytes=%llu "
        "were kept for snapshots, iterators and views; take a new one, end them sooner, or allow more",
        lk_lsn_number(pin->lsn), lk_lsn_offset(pin->lsn), (double)(now - pin->taken_ns) / 1e9,
        (unsigned long long)db->options.max_pinned_bytes);
}

int lk_pin_use(struct lk_pin *pin)
{
    if (!(atomic_fetch_add_explicit(&pin->state, 1, memory_order_acquire) & EXPIRED))
        return 0;
    lk_pin_unuse(pin);
    return refuse(pin);
}

void lk_pin_unuse(struct lk_pin *pin)
{
    atomic_fetch_sub_explicit(&pin->state, 1, memory_order_release);
}

int lk_pin_end(struct lk_pin *pin)
{
    struct lk_db *db = pin->db;
    int ours = !(atomic_fetch_or_explicit(&pin->state, ENDED, memory_order_acq_rel) & EXPIRED);
    /* From here on the pin may be gone. Where nobody works in the background, owners sweep too. */
    if (atomic_fetch_add_explicit(&db->pins_ended, 1, memory_order_relaxed) % SWEEP_AFTER == SWEEP_AFTER - 1 &&
        lk_mutex_try(&db->pin_mutex)) {
        sweep(db);
        lk_mutex_unlock(&db->pin_mutex);
    }
    return ours;
}

/* ---- who expires ------------------------------------------------------------------------------- */

/* The oldest in which no call goes on, and whose version is an old one; EXPIRED already. NULL: there is none. */
static struct lk_pin *take_oldest(struct lk_db *db)
{
    const struct lk_version *present = atomic_load(&db->version); /* to compare only */
    for (;;) {
        struct lk_pin *oldest = NULL;
        uint32_t idle = 0;
        for (struct lk_pin *pin = db->pins; pin; pin = pin->next)
            if (atomic_load_explicit(&pin->state, memory_order_relaxed) == 0 && pin->version != present &&
                (!oldest || pin->taken_ns < oldest->taken_ns))
                oldest = pin;
        if (!oldest || atomic_compare_exchange_strong_explicit(&oldest->state, &idle, EXPIRED, memory_order_acq_rel,
                                                               memory_order_relaxed))
            return oldest;
    }
}

void lk_pin_expire(struct lk_db *db)
{
    uint64_t most = db->options.max_pinned_bytes, pinned = atomic_load(&db->pinned_bytes);
    if (most == 0)
        return;
    lk_mutex_lock(&db->pin_mutex);
    sweep(db);
    struct lk_pin *oldest = pinned > most ? take_oldest(db) : NULL;
    struct lk_version *version = oldest ? oldest->version : NULL;
    if (oldest)
        lk_event(db, "snapshot expired", "at %u:%u: %llu bytes were pinned, %llu allowed", lk_lsn_number(oldest->lsn),
                 lk_lsn_offset(oldest->lsn), (unsigned long long)pinned, (unsigned long long)most);
    lk_mutex_unlock(&db->pin_mutex);
    if (!version)
        return;
    atomic_fetch_add_explicit(&db->counters.expired_snapshots, 1, memory_order_relaxed);
    lk_epoch_retire(&db->epochs, version, lk_version_release); /* a lent value may still lie in it */
    lk_epoch_reclaim(&db->epochs);
}

void lk_pin_deinit(struct lk_db *db)
{
    sweep(db); /* every live snapshot would have kept the engine in memory */
    lk_mutex_deinit(&db->pin_mutex);
}
