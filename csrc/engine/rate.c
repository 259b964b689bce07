/* rate: a bucket of time. See engine/rate.h. */
#include "engine/rate.h"

#include "engine/install.h"
#include "engine/pace.h"
#include "engine/stall.h"

enum { BURST_NS = 50000000, NAP_NS = 5000000 };

/* L0 is half full, as writers count: from there on they pay more than the limit is worth. */
static int memory_is_short(struct lk_db *db)
{
    struct lk_version *version = lk_install_present(db);
    struct lk_l0 l0 = lk_pace_l0(db, version);
    lk_version_unref(version);
    return lk_pace_fullness(&db->options, &l0) >= 0.5;
}

static int hurried(struct lk_db *db)
{
    return atomic_load_explicit(&db->hurry, memory_order_relaxed) ||
           atomic_load_explicit(&db->closing, memory_order_relaxed) || memory_is_short(db);
}

void lk_rate_pay(struct lk_db *db, uint64_t bytes)
{
    uint64_t rate = db->options.background_bytes_per_second;
    if (rate == 0 || !db->work_limited)
        return;
    uint64_t began = lk_stall_now(db), now = began, least = now > BURST_NS ? now - BURST_NS : 0;
    db->rate_free_ns = db->rate_free_ns > least ? db->rate_free_ns : least;
    db->rate_free_ns += (uint64_t)((double)bytes * 1e9 / (double)rate);
    while (now < db->rate_free_ns && !hurried(db)) {
        uint64_t left = db->rate_free_ns - now;
        db->env->ops->sleep_ns(db->env, left < NAP_NS ? left : NAP_NS);
        now = lk_stall_now(db);
    }
    if (now < db->rate_free_ns)
        db->rate_free_ns = now; /* what was let go is not asked for later */
    atomic_fetch_add_explicit(&db->counters.limited_ns, now - began, memory_order_relaxed);
}

void lk_rate_lock_work(struct lk_db *db)
{
    atomic_fetch_add_explicit(&db->hurry, 1, memory_order_relaxed);
    lk_mutex_lock(&db->work_mutex);
    atomic_fetch_sub_explicit(&db->hurry, 1, memory_order_relaxed);
}

void lk_rate_lock_work_limited(struct lk_db *db)
{
    lk_mutex_lock(&db->work_mutex);
    db->work_limited = 1;
}

void lk_rate_unlock_work(struct lk_db *db)
{
    db->work_limited = 0;
    lk_mutex_unlock(&db->work_mutex);
}
