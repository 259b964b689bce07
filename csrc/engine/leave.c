/* leave: lists under the state mutex, which is only tried for: a reader never waits. */
#include "engine/leave.h"

#include "engine/reads.h"
#include "util/alloc.h"

enum { TRIES = 64 };

struct lk_left_file {
    struct lk_file *file; /* owned */
    struct lk_left_file *next;
};

/* 1, and the state mutex is held, when the keeper takes what is put into its lists now. */
static int lock_lists(struct lk_db *db)
{
    int held = 0, tries = 0;
    if (db->options.threads == 0)
        return 0;
    while (!held && tries++ < TRIES)
        held = lk_mutex_try(&db->state_mutex);
    if (!held)
        return 0;
    if (db->keeper && !atomic_load(&db->closing))
        return 1;
    lk_mutex_unlock(&db->state_mutex);
    return 0;
}

static void unlock_lists(struct lk_db *db)
{
    lk_cond_wake_all(&db->state_changed);
    lk_mutex_unlock(&db->state_mutex);
}

/* 1 when the keeper has it now. */
static int hand_over(struct lk_db *db, struct lk_version *version)
{
    if (!lock_lists(db))
        return 0;
    version->left_next = db->left;
    db->left = version;
    unlock_lists(db);
    return 1;
}

void lk_leave_snapshot(struct lk_snapshot *snapshot)
{
    struct lk_version *version = snapshot->version;
    snapshot->version = NULL;
    if (lk_version_let_go(version) && !hand_over(snapshot->db, version))
        lk_version_free(version);
    lk_snapshot_drop(snapshot); /* the rest of it */
}

void lk_leave_file(struct lk_db *db, struct lk_file *file)
{
    struct lk_left_file *left = lk_alloc(sizeof *left); /* none: at once, then */
    if (left && lock_lists(db)) {
        *left = (struct lk_left_file){file, db->left_files};
        db->left_files = left;
        unlock_lists(db);
        return;
    }
    lk_free(left);
    (void)db->env->ops->close(file); /* it was read: there is nothing that closing could lose */
}

void lk_leave_free(struct lk_db *db)
{
    lk_mutex_lock(&db->state_mutex);
    struct lk_version *version = db->left;
    struct lk_left_file *file = db->left_files;
    db->left = NULL;
    db->left_files = NULL;
    lk_mutex_unlock(&db->state_mutex);
    while (file) {
        struct lk_left_file *next = file->next;
        (void)db->env->ops->close(file->file);
        lk_free(file);
        file = next;
    }
    while (version) {
        struct lk_version *next = version->left_next;
        lk_version_free(version);
        version = next;
    }
}
