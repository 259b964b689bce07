/* drop: the rewriter's rule. What becomes of a record when its sources are written anew?
 *
 * Tables keep no history: snapshots pin whole versions, so nobody needs two records of one key from one
 * rewrite. What is left to decide is when absence already says "deleted":
 *
 *      newest -> oldest      inputs of the rewrite          below the output            written
 *                            put k=2   put k=1              k=0                         k=2       (1)
 *                            del k     put k=1              k=0                         del k     (2)
 *                            del k     put k=1              nothing holds k             nothing   (3)
 *                            put k=2 expired                k=0                         del k     (4)
 *                            put k=2 expired                nothing holds k             nothing   (3)
 *
 *   (1) the newest record of a key only; the merge cursor steps over the others.
 *   (2) a tombstone still hides something: dropping it would bring k=0 back.
 *   (3) into the bottom, or into a place below which no older run can hold the key, a tombstone has nothing
 *       left to hide.
 *   (4) expired is deleted, and a delete is smaller.
 *
 * "Below the output" means runs older than the output only. Other inputs are the merge cursor's; newer
 * sources do not matter. Pure: any thread. */
#ifndef LK_STORE_DROP_H
#define LK_STORE_DROP_H

#include "store/visible.h"

enum lk_fate {
    LK_FATE_WRITE,  /* as it is */
    LK_FATE_DELETE, /* as a tombstone of its key */
    LK_FATE_DROP    /* not at all */
};

/* Of the newest record of a key. older_may_hold: could a run below the output hold the key? Not asked (pass
 * anything) for a record that is visible at now_ns. */
static inline enum lk_fate lk_drop_fate(const struct lk_record *newest, uint64_t now_ns, int older_may_hold)
{
    if (lk_record_visible(newest, now_ns))
        return LK_FATE_WRITE;
    if (!older_may_hold)
        return LK_FATE_DROP;
    return lk_record_kind(newest) == LK_PUT ? LK_FATE_DELETE : LK_FATE_WRITE;
}

#endif
