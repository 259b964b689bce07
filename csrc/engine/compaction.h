/* compaction: turns sources into tables. Two jobs, one mechanism (merge cursor, drop rule, table writer):
 *
 *   flush   all sealed segments -> one new newest run, in one edit. One edit, because then no segment is
 *           ever half consumed: after a power cut the tables either stand for the whole of those segments
 *           or for nothing, whatever of the unsynced log survived (scenario: tables overtake the log).
 *   merge   neighbouring runs -> one run, one output table at a time. Each step is one edit and one new
 *           version: inputs get a higher bound, the output run grows; it can be stopped between any two.
 *
 *      bound:            m                          after the step: t
 *      run 3   |.........|#####|#####|              |...............|##|####|        # still counts
 *      run 2   |.........|##|########|    -->       |...............|#######|        . moved to 9
 *      run 9   |##|##|###|                          |##|##|###|##|##|
 *
 * All functions: work_mutex held, no epoch slot, file access. A full disk or a cancel abandons the outputs and
 * leaves the version as it was. */
#ifndef LK_ENGINE_COMPACTION_H
#define LK_ENGINE_COMPACTION_H

#include "engine/db.h"
#include "engine/planner.h"

/* Flush every sealed memtable of the present version. 0; NOTFOUND when there is none. */
LK_MUST_CHECK int lk_flush_l0(struct lk_db *db, struct lsmkv_step *did);

/* One step of merging the runs job->first .. job->last of the present version (indices, newest first), or of
 * the merge that is under way among them. 0; NOTFOUND when nothing is left to do. A damaged input ends the
 * merge before the damage; that run is then left alone (quarantine): CORRUPT is recorded as an event, and
 * 0 is returned when a step up to the damage was possible. */
LK_MUST_CHECK int lk_merge_step_run(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did);

/* A job on the runs first .. last has failed. 1: lk_error names a table of theirs that could not be read; its run is merged no
 * more while the store is open, and an event tells it. 0: the failure is of another kind. */
int lk_quarantine(struct lk_db *db, const struct lk_version *version, uint32_t first, uint32_t last, int rc);

/* The runs job->first .. job->last, the oldest, leave the store with all their data, but for the names of
 * namespaces, which are written to a run of their own: one edit; drop_runs.c. */
LK_MUST_CHECK int lk_drop_runs(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did);

#endif
