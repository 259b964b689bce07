/* keeper: keeps things ready. The next segment made, named and prefaulted before it is needed; the log brought to the
 * disk while it is written, and synced when the interval is over; what readers have left behind released. One thread.
 *
 * Everything that may take long is done in steps, and the segment comes first in each turn: a writer who overtakes the
 * keeper has to do that himself. */
#include "engine/background.h"
#include "engine/commit.h"
#include "engine/events.h"
#include "engine/leave.h"
#include "engine/pin.h"
#include "engine/spare.h"
#include "engine/wake.h"

enum { NAP_MAX_NS = 500000000, SYNC_STEP = 4 << 20 };

static uint64_t nap(const struct lk_db *db)
{
    uint64_t interval = (uint64_t)db->options.sync_interval_ms * 500000; /* half of it */
    return db->options.durability == LSMKV_SYNC_INTERVAL && interval < NAP_MAX_NS ? interval : NAP_MAX_NS;
}

/* Under "interval" everything must be synced soon: a part of it now. Only with a few MiB there is anything to do. */
static int sync_ahead(struct lk_db *db)
{
    return db->options.durability == LSMKV_SYNC_INTERVAL ? lk_commit_ahead(db, SYNC_STEP) : LSMKV_NOTFOUND;
}

void lk_keeper_run(void *arg)
{
    struct lk_db *db = arg;
    int complained = 0;
    atomic_store(&db->keeping, 1);
    while (!atomic_load(&db->closing)) {
        int prepared = lk_spare_step(db); /* on a full disk the writer finds out itself */
        int ahead = prepared == 0 ? LSMKV_NOTFOUND : sync_ahead(db);
        int rc = ahead < 0 ? ahead : lk_background_sync_due(db);
        lk_epoch_reclaim(&db->epochs);
        lk_leave_free(db);
        lk_pin_expire(db);
        if ((rc < 0 || prepared < 0) && !complained)
            lk_event(db, "failure", "%.200s", lk_error()->text);
        complained = rc < 0 || prepared < 0;
        if (prepared != 0 && ahead != 0)
            lk_wake_wait(db, nap(db));
    }
    atomic_store(&db->keeping, 0);
}
