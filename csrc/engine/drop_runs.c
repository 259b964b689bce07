/* drop_runs: the oldest runs leave the store, and their data with them. What the policy "fifo" does instead of merging.
 *
 *      runs   r9  r8  r7  r4        -->     r9  r8  r10      one edit; snapshots keep what they hold
 *                                                 |
 *                          what r7 and r4 say of namespaces: their names stay, and no number is given out twice
 *
 * Only the oldest may go: a tombstone that leaves then has nothing below it to bring back. work_mutex held. */
#include <stdio.h>

#include "engine/compaction.h"
#include "engine/install.h"
#include "engine/rewrite.h"
#include "format/space.h"
#include "store/clip_cursor.h"
#include "util/alloc.h"

/* ---- the catalog ------------------------------------------------------------------------------- */

struct catalog {
    struct lk_rewrite rewrite;
    struct lk_clip_cursor *clips; /* owned, one for each run that leaves */
    struct lk_ranges *ranges; /* owned, the same */
    uint32_t open_count;
    uint8_t start[LK_SPACE_PREFIX_BYTES], stop[LK_SPACE_PREFIX_BYTES];
};

static int add_run(struct catalog *catalog, const struct lk_run *run, struct lk_slice from, struct lk_slice to)
{
    struct lk_rewrite *rewrite = &catalog->rewrite;
    uint32_t index = catalog->open_count++;

    lk_clip_cursor_init(&catalog->clips[index], run->tables, run->count, from, &to);
    rewrite->sources[index] =
        (struct lk_merge_source){.cursor = &catalog->clips[index].cursor, .ranges = &catalog->ranges[index]};
    lk_rewrite_note_age(rewrite, run);
    return lk_ranges_clip(&run->ranges, from, &to, &catalog->ranges[index]);
}

static int write_tables(struct lk_rewrite *rewrite)
{
    struct lk_buf bounds[2] = {{0}, {0}};
    int rc = 0, ended = 0;

    lk_rewrite_seek(rewrite, lk_slice("", 0));
    for (unsigned turn = 0; rc == 0 && !ended; turn ^= 1)
        rc =
            lk_rewrite_table(rewrite, lk_buf_slice(&bounds[turn]), rewrite->meta_count != 0, &bounds[turn ^ 1], &ended);
    lk_buf_deinit(&bounds[0]);
    lk_buf_deinit(&bounds[1]);
    if (rc == 0)
        rc = lk_rewrite_check(rewrite);
    return rc == 0 ? lk_rewrite_seal(rewrite) : rc;
}

/* Write what the runs from `first` on say of namespaces. No table when that is nothing. */
static int carry(struct lk_db *db, const struct lk_version *version, uint32_t first, struct catalog *catalog)
{
    uint32_t count = version->run_count - first;
    struct lk_slice from = lk_slice(catalog->start, lk_space_start(LK_SPACE_CATALOG, catalog->start));
    struct lk_slice to = lk_slice(catalog->stop, lk_space_stop(LK_SPACE_CATALOG, catalog->stop));
    int rc = lk_rewrite_begin(&catalog->rewrite, db, count);

    catalog->clips = lk_alloc_zero((count + 1) * sizeof *catalog->clips);
    catalog->ranges = lk_alloc_zero((count + 1) * sizeof *catalog->ranges);
    if (rc == 0 && (!catalog->clips || !catalog->ranges))
        rc = lk_fail(LSMKV_NOMEM, "memory ran out before %u runs could be dropped", count);
    catalog->rewrite.run = db->run_id_next;
    for (uint32_t i = first; rc == 0 && i < version->run_count; i++)
        rc = add_run(catalog, version->runs[i], from, to);
    return rc == 0 ? write_tables(&catalog->rewrite) : rc;
}

static void release(struct catalog *catalog, int installed)
{
    lk_rewrite_end(&catalog->rewrite, installed);
    for (uint32_t i = 0; i < catalog->open_count; i++) {
        catalog->clips[i].cursor.ops->deinit(&catalog->clips[i].cursor);
        lk_ranges_deinit(&catalog->ranges[i]);
    }
    lk_free(catalog->clips);
    lk_free(catalog->ranges);
}

/* ---- the runs ---------------------------------------------------------------------------------- */

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

/* The version without them, behind its runs that of the catalog. */
static int install(struct lk_db *db, const struct lk_version *version, uint32_t first, const struct lk_rewrite *kept)
{
    struct lk_run **runs = lk_alloc((first + 1) * sizeof *runs), *made = NULL;
    struct lk_table **dropped = NULL;
    uint32_t count = 0;
    int rc = runs ? collect(version, first, &dropped, &count)
                  : lk_fail(LSMKV_NOMEM, "memory ran out before %u runs could be dropped", version->run_count - first);

    for (uint32_t i = 0; rc == 0 && i < first; i++)
        runs[i] = version->runs[i];
    if (rc == 0 && kept->table_count) {
        made = lk_run_new(db->run_id_next, kept->tables, kept->table_count, 0, lk_slice("", 0));
        runs[first] = made;
        rc = made ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out before a run could be made");
    }
    db->run_id_next += made != NULL;
    if (rc == 0)
        rc = lk_install(db, &(struct lk_change){.runs = runs,
                                                .run_count = first + (made != NULL),
                                                .added = kept->tables,
                                                .added_count = kept->table_count,
                                                .dropped = dropped,
                                                .dropped_count = count,
                                                .loses = 1});
    lk_run_unref(made);
    lk_free(runs);
    lk_free(dropped);
    return rc;
}

int lk_drop_runs(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did)
{
    struct lk_version *version = lk_install_present(db);
    struct catalog catalog = {0};
    int rc = job->first < version->run_count ? carry(db, version, job->first, &catalog) : LSMKV_NOTFOUND;

    if (rc == 0)
        rc = install(db, version, job->first, &catalog.rewrite);
    if (rc == 0) {
        report(version, job, did);
        did->records_out = catalog.rewrite.written;
        did->bytes_out = catalog.rewrite.bytes_out;
        did->nanoseconds = db->env->ops->monotonic_ns(db->env) - catalog.rewrite.began_ns;
        atomic_fetch_add_explicit(&db->counters.merge_bytes, did->bytes_out, memory_order_relaxed);
    }
    /* When the manifest has failed, nobody knows what it names: nothing is removed then. */
    release(&catalog, rc == 0 || db->manifest.failed);
    lk_version_unref(version);
    return rc;
}
