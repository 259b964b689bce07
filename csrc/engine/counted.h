/* counted: the newest state of which the number of live keys is known, and that number. What a count costs is what was
 * written since; so the state follows the present.
 *
 *      manifest, or a first count        each flush (before it)              each count
 *      ------------*------------------------------*-----------------------------*---------- - - ->   log
 *                  state: version, lsn, keys of each namespace
 *
 * The version here is one of its own: the memtables through `lsn` and no newer ones, the runs of the present. A flush
 * first moves the state to the end of what it flushes, a flush or merge then puts it onto the version it has made: the
 * content at `lsn` is the same there. So old files are not kept for it. A state that cannot follow is dropped, and the
 * next count begins anew: it is never wrong.
 *
 * While the first count is under way the state is there already, COUNTED_SINCE: the tally then holds the change since, and
 * whoever began adds what was there before. Changes are added, so both come out whatever happens first.
 *
 * Stores with records that have an expiry keep no state: their count changes without a write. Nor do those under the policy
 * "fifo": data leaves them, so that two states at one LSN are not the same.
 *
 * Threads: `mutex` guards everything and is held for loads and stores, never across file access. It is taken after
 * work_mutex and before none. Not waited for inside an epoch slot. */
#ifndef LK_ENGINE_COUNTED_H
#define LK_ENGINE_COUNTED_H

#include "engine/tally.h"
#include "engine/version.h"
#include "os/thread.h"

struct lk_db;
struct lk_snapshot;
struct lk_manifest_state;

enum lk_counted_known {
    LK_COUNTED_NOT,   /* nobody has asked yet, or the state was dropped */
    LK_COUNTED_SINCE, /* live: the change since the state in which a count began */
    LK_COUNTED_WHOLE  /* live: the keys at lsn */
};

struct lk_counted_state {
    enum lk_counted_known known;
    uint64_t turn;              /* rises whenever what is known does not follow from what was known before */
    struct lk_version *version; /* owned reference */
    uint64_t lsn;               /* in the version's first memtable */
    struct lk_tally live;       /* owned */
};

struct lk_counted {
    struct lk_mutex mutex;
    struct lk_counted_state now;
};

void lk_counted_init(struct lk_counted *counted);
void lk_counted_deinit(struct lk_counted *counted);
void lk_counted_state_deinit(struct lk_counted_state *state);

/* Does the content follow from the log, so that a count can? Not where records expire or the oldest runs leave. */
int lk_counted_follows(const struct lk_db *db, const struct lk_version *version);

/* A copy. 0, NOTFOUND (not known), NOMEM. */
LK_MUST_CHECK int lk_counted_copy(struct lk_db *db, struct lk_counted_state *out);
/* From the state that was copied to `from` the keys changed by `change` up to `lsn`. Forgotten when another has moved it
 * meanwhile, or when the present version does not hold that segment any more. */
void lk_counted_move(struct lk_db *db, const struct lk_counted_state *from, uint64_t lsn,
                     const struct lk_tally *change);
/* A first count at `at` begins. Its turn, for the end of it; 0: somebody else is at it, it is known, or it cannot be kept. */
uint64_t lk_counted_begin(struct lk_db *db, const struct lk_snapshot *at);
/* live: what was counted; NULL: the count has failed. */
void lk_counted_end(struct lk_db *db, uint64_t turn, const struct lk_tally *live);
/* Known anew: the keys at `at`. Forgotten when a newer state is known. */
void lk_counted_set(struct lk_db *db, const struct lk_snapshot *at, const struct lk_tally *live);
void lk_counted_drop(struct lk_db *db);

/* After the present version was replaced by one with other runs: onto it. work_mutex held. */
void lk_counted_repin(struct lk_db *db);
/* Append the count to an edit after which memtables through that segment number are in tables. Nothing when it is not
 * known, or a state that could not be found again. */
LK_MUST_CHECK int lk_counted_edit(struct lk_db *db, uint32_t through, struct lk_buf *edit);
/* At open, when the version is there: what the manifest says, if the log as it was replayed bears it out. */
void lk_counted_recover(struct lk_db *db, const struct lk_manifest_state *state);

#endif
