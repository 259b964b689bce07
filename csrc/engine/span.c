/* span: one step. See engine/span.h. */
#include "engine/span.h"

#include <stdio.h>

#include "engine/compaction.h"
#include "engine/install.h"
#include "engine/span_parts.h"
#include "util/alloc.h"

enum { TABLES = 4 }; /* of the oldest run, in one step of a range that was asked for */

/* ---- what lies where -------------------------------------------------------------------------- */

static int before(struct lk_slice key, struct lk_slice end, int open)
{
    return open || lk_compare(key, end) < 0;
}

/* The smallest key of the span at which the table has something. 0: it has nothing there. */
static int first_in(const struct lk_table *table, struct lk_slice start, struct lk_slice stop, int open,
                    struct lk_slice *out)
{
    const struct lk_table_meta *meta = &table->meta;
    int found = meta->records && before(meta->key_min, stop, open) && lk_compare(meta->key_max, start) >= 0;

    if (found)
        *out = lk_compare(meta->key_min, start) > 0 ? meta->key_min : start;
    for (uint32_t i = 0; i < table->ranges.count; i++) {
        const struct lk_interval *gone = &table->ranges.at[i];
        struct lk_slice at = lk_compare(gone->start, start) > 0 ? gone->start : start;
        if (!before(at, stop, open) || !before(at, gone->stop, gone->open_end))
            continue;
        if (!found || lk_compare(at, *out) < 0)
            *out = at;
        found = 1;
    }
    return found;
}

int lk_span_meets(const struct lk_span *span, const struct lk_table *table)
{
    struct lk_slice at;
    return first_in(table, span->start, span->stop, span->open_end, &at);
}

/* The tables [*from, *to) of the run whose interval meets [start, stop). */
static void meeting(const struct lk_run *run, struct lk_slice start, struct lk_slice stop, int open, uint32_t *from,
                    uint32_t *to)
{
    *from = 0;
    while (*from < run->count && !run->tables[*from]->meta.hi_open &&
           lk_compare(run->tables[*from]->meta.hi, start) <= 0)
        ++*from;
    *to = *from;
    while (*to < run->count && before(run->tables[*to]->meta.lo, stop, open))
        ++*to;
}

/* The first key at which there is something to do. */
static int find_work(const struct lk_span_parts *step, struct lk_slice *at)
{
    const struct lk_span *span = step->span;
    int found = 0;

    for (uint32_t i = step->first; i < step->last; i++) {
        const struct lk_run *run = step->version->runs[i];
        struct lk_slice here;
        for (uint32_t j = 0; j < run->count; j++)
            if (first_in(run->tables[j], span->start, span->stop, span->open_end, &here)) {
                *at = !found || lk_compare(here, *at) < 0 ? here : *at;
                found = 1;
                break;
            }
    }
    const struct lk_run *oldest = step->version->runs[step->last];
    for (uint32_t j = 0; !found && step->last + 1 == step->version->run_count && j < oldest->count; j++)
        found = oldest->tables[j]->meta.tombstones &&
                first_in(oldest->tables[j], span->start, span->stop, span->open_end, at);
    return found;
}

/* The tables of the oldest run around that key, and what of the range lies in their interval. */
static void choose(struct lk_span_parts *step, struct lk_slice at)
{
    const struct lk_run *run = step->version->runs[step->last];
    const struct lk_span *span = step->span;
    struct lk_span_cut *cut = &step->cuts[step->last - step->first];
    uint32_t end;

    meeting(run, at, span->stop, span->open_end, &cut->from, &end);
    cut->from -= cut->from == run->count;
    cut->to = end > cut->from + step->tables ? cut->from + step->tables : end > cut->from ? end : cut->from + 1;
    step->lo = cut->from ? run->tables[cut->from]->meta.lo : lk_slice("", 0);
    step->hi_open = cut->to == run->count;
    step->hi = run->tables[cut->to - 1]->meta.hi;
    step->from = lk_compare(step->lo, span->start) > 0 ? step->lo : span->start;
    step->to_open = step->hi_open && span->open_end;
    step->to = step->hi_open || (!span->open_end && lk_compare(span->stop, step->hi) < 0) ? span->stop : step->hi;
}

/* ---- newer runs -------------------------------------------------------------------------------- */

/* Has the run anything outside [from, to) in the tables that are cut: below, or above? */
static int has_below(const struct lk_span_parts *step, const struct lk_table *table)
{
    struct lk_slice at;
    return first_in(table, lk_slice("", 0), step->from, 0, &at);
}

static int has_above(const struct lk_span_parts *step, const struct lk_table *table)
{
    struct lk_slice at;
    return !step->to_open && first_in(table, step->to, lk_slice(NULL, 0), 1, &at);
}

/* A part of a run, from `from` to `to`, takes the interval [lo, hi). */
static int keep(struct lk_span_parts *step, uint32_t run, struct lk_slice from, const struct lk_slice *to,
                struct lk_slice lo, const struct lk_slice *hi)
{
    struct lk_span_cut *cut = &step->cuts[run - step->first];
    struct lk_span_piece *piece = &cut->pieces[cut->piece_count++];
    int rc = lk_span_begin_piece(step, piece, run, 1);

    if (rc == 0)
        rc = lk_span_add_source(piece, step->version->runs[run], from, to);
    if (rc == 0)
        rc = lk_span_write_piece(piece, lo, hi, 1);
    if (rc == 0)
        lk_span_carry_shadowed(step->version->runs[run], cut, &piece->rewrite, 0);
    return rc;
}

static int has_nothing(const struct lk_table *table)
{
    return table->meta.records == 0 && table->ranges.count == 0;
}

/* The tables [cut->from, cut->to) of a newer run that have something in [from, to). 0: none has. */
static int find_cut(const struct lk_span_parts *step, const struct lk_run *run, struct lk_span_cut *cut)
{
    struct lk_slice at;

    meeting(run, step->from, step->to, step->to_open, &cut->from, &cut->to);
    while (cut->from < cut->to && !first_in(run->tables[cut->from], step->from, step->to, step->to_open, &at))
        cut->from++;
    while (cut->from < cut->to && !first_in(run->tables[cut->to - 1], step->from, step->to, step->to_open, &at))
        cut->to--;
    return cut->from < cut->to;
}

/* Nothing of the tables is left: with them goes what closes the gaps beside them, and with the last the run. */
static void widen_cut(const struct lk_run *run, struct lk_span_cut *cut)
{
    while (cut->from > 0 && has_nothing(run->tables[cut->from - 1]))
        cut->from--;
    while (cut->to < run->count && has_nothing(run->tables[cut->to]))
        cut->to++;
}

/* The run without what it has in [from, to). Where nothing is left of the tables, an empty one closes the gap. */
static int cut_run(struct lk_span_parts *step, uint32_t index)
{
    const struct lk_run *run = step->version->runs[index];
    struct lk_span_cut *cut = &step->cuts[index - step->first];
    int rc = 0;

    if (!find_cut(step, run, cut))
        return 0;
    int below = has_below(step, run->tables[cut->from]), above = has_above(step, run->tables[cut->to - 1]);
    if (!below && !above)
        widen_cut(run, cut);
    const struct lk_table *low = run->tables[cut->from], *high = run->tables[cut->to - 1];
    const struct lk_slice *hi = high->meta.hi_open ? NULL : &high->meta.hi;
    int others = cut->from > 0 || cut->to < run->count;
    if (below || (!above && others))
        rc = keep(step, index, low->meta.lo, &step->from, low->meta.lo, above ? &step->to : hi);
    if (rc == 0 && above)
        rc = keep(step, index, step->to, hi, below ? step->to : low->meta.lo, hi);
    return rc;
}

/* ---- the step ---------------------------------------------------------------------------------- */

static int merge(struct lk_span_parts *step)
{
    const struct lk_run *oldest = step->version->runs[step->last];
    struct lk_span_cut *cut = &step->cuts[step->last - step->first];
    struct lk_span_piece *piece = &cut->pieces[cut->piece_count++];
    const struct lk_slice *to = step->to_open ? NULL : &step->to, *hi = step->hi_open ? NULL : &step->hi;
    uint32_t count = step->last - step->first + 1;
    int rc = lk_span_begin_piece(step, piece, step->last, count);

    for (uint32_t i = step->first; rc == 0 && i < step->last; i++)
        rc = lk_span_add_source(piece, step->version->runs[i], step->from, to);
    if (rc == 0)
        rc = lk_span_add_source(piece, oldest, step->lo, hi);
    if (rc == 0)
        rc = lk_span_write_piece(piece, step->lo, hi, cut->from > 0 || cut->to < oldest->count);
    if (rc == 0)
        lk_span_carry_shadowed(oldest, cut, &piece->rewrite,
                               step->first ? piece->rewrite.sources[count - 1].passed : UINT64_MAX);
    return rc;
}

static void report(const struct lk_span_parts *step, struct lsmkv_step *did)
{
    uint32_t tables = 0;

    *did = (struct lsmkv_step){.nanoseconds = 0};
    for (uint32_t i = step->first; i <= step->last; i++) {
        const struct lk_span_cut *cut = &step->cuts[i - step->first];
        tables += cut->to - cut->from;
        for (uint32_t j = cut->from; j < cut->to; j++) {
            did->bytes_in += step->version->runs[i]->tables[j]->meta.bytes;
            did->records_in += step->version->runs[i]->tables[j]->meta.records;
        }
        for (uint32_t j = 0; j < cut->piece_count; j++) {
            struct lsmkv_step part = {0};
            lk_rewrite_report(&cut->pieces[j].rewrite, &part);
            did->bytes_out += part.bytes_out;
            did->records_out += part.records_out;
            did->nanoseconds += part.nanoseconds;
        }
    }
    snprintf(did->what, sizeof did->what, "range step");
    snprintf(did->why, sizeof did->why, "a range was asked for: %u tables of %u runs, %.1f %s", tables,
             step->last - step->first + 1, LK_SHOWN(did->bytes_in));
    atomic_fetch_add_explicit(&step->db->counters.merge_bytes, did->bytes_out, memory_order_relaxed);
}

static void release(struct lk_span_parts *step, int installed)
{
    for (uint32_t i = 0; step->cuts && i <= step->last - step->first; i++)
        for (uint32_t j = 0; j < 2; j++)
            lk_span_end_piece(&step->cuts[i].pieces[j], installed);
    lk_free(step->cuts);
    lk_version_unref(step->version);
}

static int run_step(struct lk_span_parts *step)
{
    struct lk_slice at = {0};
    int rc = find_work(step, &at) ? 0 : LSMKV_NOTFOUND;

    if (rc == 0) {
        step->cuts = lk_alloc_zero((step->last - step->first + 1) * sizeof *step->cuts);
        rc = step->cuts ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out before a range could be merged");
    }
    if (rc == 0) {
        choose(step, at);
        rc = merge(step);
    }
    for (uint32_t i = step->first; rc == 0 && i < step->last; i++)
        rc = cut_run(step, i);
    if (rc == 0)
        rc = lk_span_install(step);
    return rc;
}

int lk_span_step(struct lk_db *db, const struct lk_span *span, uint32_t first, uint32_t last, struct lsmkv_step *did)
{
    struct lk_span_parts step = {
        .db = db, .span = span, .version = lk_install_present(db), .first = first, .last = last, .tables = TABLES};
    int rc = run_step(&step);

    if (rc == 0)
        report(&step, did);
    /* When the manifest has failed, nobody knows what it names: nothing is removed then. */
    release(&step, rc == 0 || db->manifest.failed);
    return rc;
}

/* Nothing newer has anything there: what is told of garbage in these tables is not so. */
static void forget_garbage(const struct lk_run *bottom, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        atomic_store(&bottom->tables[i]->shadowed, 0);
}

int lk_span_slice(struct lk_db *db, const struct lk_job *job, struct lsmkv_step *did)
{
    struct lk_version *version = lk_install_present(db);
    const struct lk_run *bottom = version->run_count ? version->runs[version->run_count - 1] : NULL;

    if (!bottom || job->first >= job->last || job->last > bottom->count) {
        lk_version_unref(version);
        return LSMKV_NOTFOUND;
    }
    const struct lk_table_meta *low = &bottom->tables[job->first]->meta, *high = &bottom->tables[job->last - 1]->meta;
    struct lk_span span = {job->first ? low->lo : lk_slice("", 0), high->hi, high->hi_open};
    struct lk_span_parts step = {
        .db = db, .span = &span, .version = version, .last = version->run_count - 1, .tables = job->last - job->first};
    int rc = run_step(&step);

    (void)lk_quarantine(db, version, step.first, step.last, rc); /* or the planner would ask for the same for ever */
    if (rc == LSMKV_NOTFOUND)
        forget_garbage(bottom, job->first, job->last);
    if (rc == 0)
        report(&step, did);
    if (rc == 0) {
        snprintf(did->what, sizeof did->what, "slice step");
        snprintf(did->why, sizeof did->why, "%s", job->why);
    }
    release(&step, rc == 0 || db->manifest.failed);
    return rc;
}
