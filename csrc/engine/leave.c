/* leave: a list under the state mutex, which is only tried for: a reader never waits. */
#include "engine/leave.h"

#include "engine/reads.h"

enum { TRIES = 64 };

/* 1 when the keeper has it now. */
static int hand_over(struct lk_db *db, struct lk_version *version)
{
    int held = 0, tries = 0;
    if (db->options.threads == 0)
        return 0;
    while (!held && tries++ < TRIES)
        held = lk_mutex_try(&db->state_mutex);
    if (!held)
        return 0;
    int takes = db->keeper && !atomic_load(&db->closing);
    if (takes) {
        version->left_next = db->left;
        db->left = version;
        lk_cond_wake_all(&db->state_changed);
    }
    lk_mutex_unlock(&db->state_mutex);
    return takes;
}

void lk_leave_snapshot(struct lk_snapshot *snapshot)
{
    struct lk_version *version = snapshot->version;
    snapshot->version = NULL;
    if (lk_version_let_go(version) && !hand_over(snapshot->db, version))
        lk_version_free(version);
    lk_snapshot_drop(snapshot); /* the rest of it */
}

void lk_leave_free(struct lk_db *db)
{
    lk_mutex_lock(&db->state_mutex);
    struct lk_version *version = db->left;
    db->left = NULL;
    lk_mutex_unlock(&db->state_mutex);
    while (version) {
        struct lk_version *next = version->left_next;
        lk_version_free(version);
        version = next;
    }
}
