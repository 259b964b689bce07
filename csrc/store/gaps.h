/* gaps: stretches of the key space in which walks met nothing but deleted and expired keys; later walks leap over them.
 *
 *      a queue     x x x x x x x x x x x x x x x x x 5 6 7 8           x deleted, and still there until a merge
 *                    [ gap: nothing lives here )     ^ first()
 *      below |-------------- watched --------------------------| above
 *
 * Why. Who takes the first key again and again walks over all that were taken before: the n-th of them costs n steps,
 * until a merge takes the tombstones away. So a walk that has met LK_GAP_LEAST dead keys in a row tells what it has
 * walked, and later ones leap.
 *
 * Why it is true. A gap says of [from, to): nothing lives there, as readers see it from LSN `proved` on who do not look
 * at older runs than the walk that has shown it (`installs`). Since then nobody has put a key there: every put is told
 * here before it can be seen, and cuts the gap in two. Deletes, flushes and merges bring nothing to life; but what they
 * take away, at no LSN of its own (what had expired, the oldest runs), older versions still show. What has expired
 * stays so for readers whose clock is not behind wall_ns.
 *
 * A walk sees the state at its own LSN, and meanwhile others write. So a gap also watches what lies around it: from LSN
 * `since` on nothing was put between `below` and `above` but what has cut it. A walk whose LSN is at least `since`, and
 * that stays between the two, makes it longer. A walk that has seen all that was written begins a gap at once; any
 * other begins an empty one, which watches, and the next walk fills it.
 *
 * Constant memory, no allocation: longer keys are rounded so that less is claimed. A gap that is of no use while
 * LK_GAP_UNUSED records are put is given up, so that writers do not pay for what nobody walks over.
 *
 * Under the owner's mutex. */
#ifndef LK_STORE_GAPS_H
#define LK_STORE_GAPS_H

#include "util/buf.h"

enum { LK_GAPS = 8, LK_GAP_LEAST = 32, LK_GAP_KEY = 255, LK_GAP_UNUSED = 1 << 16 };

struct lk_gap_bound {
    uint16_t bytes;
    uint8_t set; /* 0: there is none */
    uint8_t at[LK_GAP_KEY];
};

struct lk_gap {
    struct lk_gap_bound from, to; /* [from, to); equal: it only watches */
    struct lk_gap_bound below,
        above; /* outside, nothing was put from `below` and before `above`; none: nothing at all there */
    uint64_t since, proved; /* LSNs */
    uint64_t installs; /* as `proved`, of the version (engine/version.h) */
    uint64_t wall_ns; /* some of it had expired by then; 0: all of it is deleted */
    uint32_t unused; /* records put since it was last of use */
};

struct lk_gaps {
    uint32_t count;
    struct lk_gap at[LK_GAPS];
};

/* What a walk sees. */
struct lk_gap_view {
    uint64_t lsn, installs, wall_ns;
};

/* The key was put. Before anybody can see it. */
void lk_gaps_put(struct lk_gaps *gaps, struct lk_slice key);
/* The gap with `key` in it, if it is one for `view`, lent until the next call; NULL: none. */
const struct lk_gap *lk_gaps_find(struct lk_gaps *gaps, struct lk_gap_view view, struct lk_slice key);
/* A walk at view.lsn has met no living key in [from, to). view.wall_ns: 0 when all that it met were deleted. written:
 * the LSN of the newest put that was told. */
void lk_gaps_walked(struct lk_gaps *gaps, struct lk_gap_view view, struct lk_slice from, struct lk_slice to,
                    uint64_t written);

static inline struct lk_slice lk_gap_key(const struct lk_gap_bound *bound)
{
    return lk_slice(bound->at, bound->bytes);
}

#endif
