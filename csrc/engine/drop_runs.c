/* drop_runs: the oldest runs leave the store, and their data with them. What the policy "fifo" does instead of merging.
 *
 *      runs   r9  r8  r7  r4        -->     r9  r8           one edit; snapshots keep what they hold
 *
 * Only the oldest may go: a tombstone that leaves then has nothing below it to bring back. work_mutex held. */
#include <stdio.h>

#include "engine/compaction.h"
#include "engine/install.h"
#include "util/alloc.h"

/* The tables of the runs from `first` on, borrowed. *out is owned. */
static int collect(const struct lk_version *version, uint32_t first, struct lk_table ***out, uint32_t *count)
{
    uint32_t room = 0;

    for (uint32_t i = first; i < version->run_count; i++)
        room += version->runs[i]->count;
    *count = 0;
    *out = lk_alloc((room + 1) * sizeof **out);
    if (!*out)
        return lk_fail(LSMKV_NOMEM, "memory ran out before %u runs could be dropped", version->run_count - first);
    for (uint32_t i = first; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++)
            (*out)[(*count)++] = version->runs[i]->tables[j];
    return 0;
}

static void report(const struct lk_version *version, const struct lk_job *job, struct lsmkv_step *did)
{
    snprintf(did->what, sizeof did->what, "drop runs");
    snprintf(did->why, sizeof did->why, "%s", job->why);
    did->bytes_in = did->records_in = 0;
    for (uint32_t i = job->first; i < version->run_count; i++) {
        did->bytes_in += lk_run_bytes(version->runs[i]);
        did->records_in += version->runs[i]->records;
    }
}

int lk_drop_runs(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did)
{
    struct lk_version *version = lk_install_present(db);
    struct lk_table **dropped = NULL;
    uint32_t count = 0;
    uint64_t began = db->env->ops->monotonic_ns(db->env);
    int rc = job->first < version->run_count ? collect(version, job->first, &dropped, &count) : LSMKV_NOTFOUND;

    if (rc == 0)
        rc = lk_install(db, &(struct lk_change){.runs = version->runs,
                                                .run_count = job->first,
                                                .dropped = dropped,
                                                .dropped_count = count,
                                                .loses = 1});
    if (rc == 0) {
        report(version, job, did);
        did->nanoseconds = db->env->ops->monotonic_ns(db->env) - began;
    }
    lk_free(dropped);
    lk_version_unref(version);
    return rc;
}
