/* compaction: one step of merging neighbouring runs. The picture is in engine/compaction.h.
 *
 *   group    the input runs: neighbours, either none of them merged before (a new group) or all of them
 *            moved into the same run up to the same bound, and that run follows them (a merge under way)
 *   step     [bound, t) of all inputs -> one table, the last of the output run; then `bound` is t
 *   end      the inputs are exhausted: they leave, and the output takes their place
 *
 * Damage. An input that cannot be read at one place would stop the merge there again and again. So its table
 * is marked, the step is done once more, up to the last record that was met before the damage, and installed;
 * from then on the group is left alone: its keys below the bound in the output, the rest in the inputs. The mark
 * lives in memory only, so the next open tries once more. Keys around the damage stay readable, those in it
 * stay an error.
 *
 * work_mutex held; the inputs are read through private buffers, so the budget of cached granules is not touched. */
#include "engine/compaction.h"

#include <stdio.h>

#include "engine/background.h"
#include "engine/collect.h"
#include "engine/events.h"
#include "engine/install.h"
#include "engine/merging.h"
#include "util/alloc.h"

enum { TRIES = 3 }; /* of one step, each ending before the damage the one before met */

/* ---- which runs ------------------------------------------------------------------------------- */

static int is_damaged(const struct lk_run *run)
{
    for (uint32_t i = 0; i < run->count; i++)
        if (atomic_load_explicit(&run->tables[i]->damaged, memory_order_relaxed))
            return 1;
    return 0;
}

/* The group under way among the runs first..last, whole; otherwise those runs. */
static void find_group(struct lk_merging *merge)
{
    struct lk_run *const *runs = merge->version->runs;
    uint32_t at = merge->first;

    while (at < merge->last && runs[at]->into == 0)
        at++;
    if (runs[at]->into == 0)
        return;
    merge->output_id = runs[at]->into;
    merge->bound = runs[at]->bound;
    merge->first = at;
    while (merge->first > 0 && runs[merge->first - 1]->into == merge->output_id)
        merge->first--;
    merge->last = at;
    while (merge->last + 1 < merge->version->run_count && runs[merge->last + 1]->into == merge->output_id)
        merge->last++;
}

/* Nothing may be done to a run that belongs to another merge, or past damage. */
static int group_is_free(const struct lk_merging *merge)
{
    const struct lk_version *version = merge->version;

    for (uint32_t i = merge->first; i <= merge->last; i++) {
        if (is_damaged(version->runs[i]) || version->runs[i]->into != merge->output_id)
            return 0;
        for (uint32_t j = 0; j < version->run_count; j++)
            if (version->runs[j]->into == version->runs[i]->id)
                return 0;
    }
    return 1;
}

/* 0; NOTFOUND: there is nothing to merge. */
static int choose(struct lk_merging *merge, const struct lk_job *job)
{
    const struct lk_version *version = merge->version;

    if (job->first > job->last || job->last >= version->run_count)
        return LSMKV_NOTFOUND;
    merge->first = job->first;
    merge->last = job->last;
    find_group(merge);
    if (!group_is_free(merge))
        return LSMKV_NOTFOUND;
    if (merge->output_id == 0) {
        merge->output_id = merge->db->run_id_next;
        return 0;
    }
    if (merge->last + 1 == version->run_count || version->runs[merge->last + 1]->id != merge->output_id)
        return lk_fail(LSMKV_CORRUPT, "run %u is being merged into run %u, which does not follow it",
                       version->runs[merge->last]->id, merge->output_id);
    merge->output = version->runs[merge->last + 1];
    return 0;
}

/* ---- one try of a step ------------------------------------------------------------------------ */

static int prepare(struct lk_merging *merge, uint64_t most)
{
    struct lk_rewrite *rewrite = &merge->rewrite;
    uint32_t count = merge->last - merge->first + 1, older = merge->last + 1 + (merge->output != NULL);
    int rc = lk_rewrite_begin(rewrite, merge->db, count);

    if (rc == 0)
        merge->cursors = lk_alloc_zero(count * sizeof *merge->cursors);
    if (rc == 0 && !merge->cursors)
        rc = lk_fail(LSMKV_NOMEM, "memory ran out before %u runs could be merged", count);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        const struct lk_run *run = merge->version->runs[merge->first + i];
        lk_run_cursor_init(&merge->cursors[i], run->tables, run->count, 1);
        merge->cursors[i].inner.leaves = rewrite->leaves;
        merge->cursors[i].inner.window_most = lk_budget_window(&merge->db->budget, count);
        merge->open_count++;
        rewrite->sources[i] = (struct lk_merge_source){.cursor = &merge->cursors[i].cursor, .ranges = &run->ranges};
        lk_rewrite_note_age(rewrite, run);
    }
    if (rc == 0)
        rc = lk_shadow_begin(&merge->shadow, &merge->db->epochs, merge->db->seed, merge->version->runs, merge->first);
    rewrite->shadow = &merge->shadow;
    rewrite->older = merge->version->runs + older;
    rewrite->older_count = merge->version->run_count - older;
    rewrite->run = merge->output_id;
    rewrite->stop = merge->movable ? &merge->movable->meta.key_min : NULL;
    rewrite->most = most;
    return rc;
}

static void undo(struct lk_merging *merge, int installed)
{
    lk_rewrite_end(&merge->rewrite, installed);
    lk_shadow_deinit(&merge->shadow);
    for (; merge->open_count; merge->open_count--) {
        struct lk_cursor *cursor = &merge->cursors[merge->open_count - 1].cursor;
        cursor->ops->deinit(cursor);
    }
    lk_free(merge->cursors);
    merge->cursors = NULL;
}

/* How many records of the new table newer runs hold or delete. */
static void count_shadowed(struct lk_merging *merge)
{
    struct lk_table_meta *meta = &merge->rewrite.metas[0];
    const struct lk_shadow *shadow = &merge->shadow;

    meta->shadowed = shadow->total < meta->records ? shadow->total : meta->records;
    for (uint32_t i = 0; meta->records && i < shadow->run_count; i++) {
        const struct lk_interval *interval = lk_ranges_find(&shadow->runs[i]->ranges, meta->key_min);
        if (interval && (interval->open_end || lk_compare(meta->key_max, interval->stop) < 0))
            meta->shadowed = meta->records;
    }
}

static int write_table(struct lk_merging *merge, uint64_t most)
{
    int rc = prepare(merge, most);

    if (rc == 0) {
        lk_rewrite_seek(&merge->rewrite, merge->bound);
        rc = lk_rewrite_table(&merge->rewrite, merge->bound, merge->output != NULL, &merge->next, &merge->ended);
    }
    if (rc == 0 && merge->rewrite.meta_count)
        count_shadowed(merge);
    return rc;
}

/* ---- damage ----------------------------------------------------------------------------------- */

int lk_quarantine(struct lk_db *db, const struct lk_version *version, uint32_t first, uint32_t last, int rc)
{
    for (uint32_t i = first; (rc == LSMKV_CORRUPT || rc == LSMKV_IO) && i <= last; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++) {
            struct lk_table *table = version->runs[i]->tables[j];
            if (strcmp(lk_error()->file, table->name) != 0)
                continue;
            if (!atomic_exchange_explicit(&table->damaged, lk_error()->offset + 1, memory_order_relaxed))
                lk_event(db, "merge stopped", "the damaged run is left alone until the store is opened anew: %.160s",
                         lk_error()->text);
            return 1;
        }
    return 0;
}

/* Write the step's table, ending before damage if there is any. 0 with rewrite.meta_count 0 and not ended:
 * the damage lies before the first record. */
static int write_sound(struct lk_merging *merge)
{
    uint64_t most = UINT64_MAX;
    int rc = 0;

    for (int tries = 0; tries < TRIES; tries++) {
        rc = write_table(merge, most);
        if (!lk_quarantine(merge->db, merge->version, merge->first, merge->last, rc))
            return rc;
        /* The record looked at last may be the damaged one: it is the first that is left out. */
        most = merge->rewrite.seen ? merge->rewrite.seen - 1 : 0;
        undo(merge, 0);
        if (most == 0)
            return lk_rewrite_begin(&merge->rewrite, merge->db, 0); /* nothing was done, and that is the account */
    }
    return rc;
}

/* ---- the account ------------------------------------------------------------------------------ */

/* Did the step take all of a table, none of it, or some? */
static int taken_whole(const struct lk_merging *merge, const struct lk_table_meta *meta)
{
    return lk_compare(meta->lo, merge->bound) >= 0 &&
           (merge->ended || (!meta->hi_open && lk_compare(meta->hi, lk_buf_slice(&merge->next)) <= 0));
}

static int taken_not(const struct lk_merging *merge, const struct lk_table_meta *meta)
{
    return !merge->ended && lk_compare(meta->lo, lk_buf_slice(&merge->next)) >= 0;
}

/* Input `index` gave the records of all tables taken whole, and no more than those of the others it touched. */
static int check_input(const struct lk_merging *merge, uint32_t index)
{
    const struct lk_run *run = merge->version->runs[merge->first + index];
    uint64_t least = 0, most = 0;

    for (uint32_t i = 0; i < run->count; i++) {
        const struct lk_table_meta *meta = &run->tables[i]->meta;
        least += taken_whole(merge, meta) ? meta->records : 0;
        most += taken_not(merge, meta) ? 0 : meta->records;
    }
    return lk_rewrite_check_source(&merge->rewrite, index, least, most);
}

static int check(const struct lk_merging *merge)
{
    int rc = lk_rewrite_check(&merge->rewrite);

    for (uint32_t i = 0; rc == 0 && i < merge->rewrite.source_count; i++)
        rc = check_input(merge, i);
    return rc;
}

/* ---- the step --------------------------------------------------------------------------------- */

/* Bytes of the inputs that the step took, by their share of records. */
static uint64_t bytes_taken(const struct lk_merging *merge)
{
    uint64_t taken = 0;

    for (uint32_t i = 0; i < merge->rewrite.source_count; i++) {
        const struct lk_run *run = merge->version->runs[merge->first + i];
        uint64_t records = 0;
        for (uint32_t j = 0; j < run->count; j++)
            records += run->tables[j]->meta.records;
        double share = records ? (double)lk_rewrite_given(&merge->rewrite, i) / (double)records : 1;
        taken += (uint64_t)((double)lk_run_bytes(run) * share);
    }
    return taken;
}

static void report(const struct lk_merging *merge, const struct lk_job *job, struct lsmkv_step *did)
{
    snprintf(did->what, sizeof did->what, merge->moved ? "move step" : "merge step");
    snprintf(did->why, sizeof did->why, "%s", job->why);
    did->bytes_in = bytes_taken(merge) + (merge->moved ? merge->movable->meta.bytes : 0);
    lk_rewrite_report(&merge->rewrite, did);
    if (merge->moved) {
        did->records_in += merge->movable->meta.records;
        did->records_out = merge->movable->meta.records;
    }
    atomic_fetch_add_explicit(&merge->db->counters.merge_bytes, merge->rewrite.bytes_out, memory_order_relaxed);
}

/* Up to the movable table nothing survived, so that it is next. */
static int stopped_before_it(const struct lk_merging *merge)
{
    return merge->movable && !merge->ended && merge->rewrite.stop && merge->rewrite.meta_count == 0 &&
           lk_equal(lk_buf_slice(&merge->next), merge->movable->meta.key_min);
}

static int step(struct lk_merging *merge)
{
    lk_move_find(merge);
    int next = lk_move_is_next(merge), rc = next ? lk_rewrite_begin(&merge->rewrite, merge->db, 0) : write_sound(merge);

    if (rc == 0 && !next)
        next = stopped_before_it(merge);
    if (rc < 0 || (!next && !merge->ended && merge->rewrite.meta_count == 0))
        return rc; /* failed, or damaged at its very beginning: nothing to install */
    rc = check(merge);
    if (rc == 0)
        rc = next ? lk_move_take(merge) : lk_rewrite_seal(&merge->rewrite);
    return rc == 0 ? lk_merging_install(merge) : rc;
}

int lk_merge_step_run(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did)
{
    if (db->manifest.failed) /* what would be written could not be named */
        return lk_fail(db->manifest.failed,
                       "the manifest could not be written: no more flushes and merges until the store "
                       "is opened again");
    struct lk_merging merge = {.db = db, .version = lk_install_present(db), .bound = lk_slice("", 0)};
    int rc = choose(&merge, job);

    if (rc == 0 && job->collect)
        lk_collect_choose(db);
    if (rc == 0)
        rc = step(&merge);
    if (rc == 0)
        report(&merge, job, did);
    if (rc == 0 && merge.ended)
        lk_shape_merged(db);
    /* When the manifest has failed, nobody knows what it names: nothing is removed then. */
    undo(&merge, rc == 0 || db->manifest.failed);
    lk_buf_deinit(&merge.next);
    lk_version_unref(merge.version);
    return rc;
}
