/* snapshot: pinning a version with its LSN. */
#include "engine/read.h"

#include "engine/clock.h"

int lk_snapshot_take(struct lk_db *db, struct lk_snapshot *out)
{
    int slot = lk_read_enter(db);
    struct lk_present present = lk_read_present(db);
    lk_version_ref(present.version); /* it is still the engine's: its own reference goes only after this slot */
    lk_epoch_leave(&db->epochs, slot);
    *out = (struct lk_snapshot){.db = db,
                                .version = present.version,
                                .lsn = present.lsn,
                                .limit = present.limit,
                                .wall_ns = lk_wall_ns(db),
                                .taken_ns = db->env->ops->monotonic_ns(db->env)};
    return 0;
}

void lk_snapshot_share(const struct lk_snapshot *snapshot, struct lk_snapshot *out)
{
    *out = *snapshot;
    lk_version_ref(out->version);
    if (out->reads)
        lk_reads_ref(out->reads);
}

void lk_snapshot_drop(struct lk_snapshot *snapshot)
{
    lk_reads_unref(snapshot->reads);
    snapshot->reads = NULL;
    lk_version_unref(snapshot->version);
    snapshot->version = NULL;
}
