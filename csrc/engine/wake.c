/* wake: the condition and its generation. */
#include "engine/wake.h"

void lk_wake(struct lk_db *db)
{
    lk_mutex_lock(&db->state_mutex);
    db->work_generation++;
    lk_mutex_unlock(&db->state_mutex);
    lk_cond_wake_all(&db->state_changed);
}

void lk_wake_try(struct lk_db *db)
{
    if (!lk_mutex_try(&db->state_mutex))
        return; /* whoever has it wakes them, or they look again within a second */
    db->work_generation++;
    lk_cond_wake_all(&db->state_changed);
    lk_mutex_unlock(&db->state_mutex);
}

void lk_wake_wait(struct lk_db *db, uint64_t ns)
{
    lk_mutex_lock(&db->state_mutex);
    if (!atomic_load(&db->closing))
        (void)lk_cond_wait_ns(&db->state_changed, &db->state_mutex, ns);
    lk_mutex_unlock(&db->state_mutex);
}

void lk_wake_hurry(struct lk_db *db)
{
    lk_mutex_lock(&db->state_mutex);
    atomic_store(&db->closing, 1);
    lk_cond_wake_all(&db->state_changed);
    lk_mutex_unlock(&db->state_mutex);
}
