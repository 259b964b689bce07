/* pace: how fast writers may write, from how much work they have left behind them.
 *
 *   fullness   0 or less            0.1       0.5             0.9      0.99         1
 *   a writer   is left alone      9 times   as fast as a     a ninth  a hundredth  waits for a flush
 *                                           flush: 100 MB/s                        (engine/rotate.h)
 *                                           or less
 *
 * Fullness is the largest of some debts, each 0 where it begins to matter and 1 where it must not grow: what L0 holds
 * in bytes, in memory and in segments, what a settled store would have to merge, how far the sync is behind, and how
 * full the active segment is when none is ready to follow it. So a flush that is late slows writers a little more with
 * every byte, they meet it where both are equally fast. From half full on the flush goes before merges. What is left then
 * takes writers longer to fill than a flush takes, however fast the device is, because the unit of price is what flushes
 * took: nobody reaches 1 while background work goes on (test_pace.c has both on paper, from 5 to 1280 MB/s).
 *
 * Writers buy bytes together, with the time that passes; who has not enough pauses for half a millisecond at most and
 * asks again, so a pause that the system makes longer buys more. It sleeps with no lock held. Everything but lk_pace_wait is memory only. */
#ifndef LK_ENGINE_PACE_H
#define LK_ENGINE_PACE_H

#include "engine/db.h"
#include "engine/planner.h"

struct lk_l0 {
    uint32_t sealed;
    uint64_t bytes,
        memory; /* of sealed segments: log; lines, key lists, orders (those to come too), view, and log that is no file */
    uint64_t active_bytes, active_memory;
    uint64_t memory_most; /* of both: the log's part of the budget (engine/budget.h) */
};

/* What the version's L0 holds. */
struct lk_l0 lk_pace_l0(const struct lk_db *db, const struct lk_version *version);

/* Of L0, for writers: with what is in the active segment. Pure. */
double lk_pace_fullness(const struct lsmkv_options *options, const struct lk_l0 *l0);
/* Should the flush go before any merge? Pure. */
int lk_pace_wants_flush(const struct lsmkv_options *options, const struct lk_l0 *l0);
/* Must a writer who wants another segment wait for a flush? Pure. */
int lk_pace_l0_is_full(const struct lsmkv_options *options, const struct lk_l0 *l0);
/* Of the runs: what stands above the bottom, how much of them is garbage, and how many they are; of value segments: what is
 * not live. Pure. */
double lk_pace_space(const struct lk_shape *shape);

/* Of the segment that follows, while there is none yet. write_mutex held. */
double lk_pace_spare(const struct lk_db *db);

/* Nanoseconds that a KiB costs. unit: what one costs a flush, 0: not known. Pure. */
uint64_t lk_pace_price(double fullness, uint64_t unit);
/* The unit after a flush of so many bytes of log that took so long. Pure. */
uint64_t lk_pace_unit(uint64_t unit, uint64_t bytes, uint64_t ns);

/* The writer's, under write_mutex. 0: a write that owes so many bytes may go on, it has been paid for. Else: wait so many
 * nanoseconds and ask again. What there is is paid at once and *owed is the rest, so that a large write comes forward beside
 * small ones. */
LK_MUST_CHECK uint64_t lk_pace_due(struct lk_db *db, uint64_t *owed);
/* The same for a writer who cannot wait: 1: paid; 0: nothing was. */
LK_MUST_CHECK int lk_pace_try(struct lk_db *db, uint64_t bytes);
/* One pause, counted; no lock held. */
void lk_pace_wait(struct lk_db *db, uint64_t ns);

#endif
