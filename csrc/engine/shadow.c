/* shadow: asking the lines of other runs. See engine/shadow.h. */
#include "engine/shadow.h"

#include "format/filter.h"
#include "util/alloc.h"

enum { SAMPLED = 1 << 20, ONE_IN = 16, AHEAD = 128 << 10 };

static const uint32_t no_table = UINT32_MAX;
static const uint64_t unreadable = UINT64_MAX;

int lk_shadow_begin(struct lk_shadow *shadow, struct lk_epochs *epochs, struct lk_hash_seed seed,
                    struct lk_run *const *runs, uint32_t run_count)
{
    uint64_t records = 0;
    uint32_t tables = 0;

    *shadow = (struct lk_shadow){.epochs = epochs, .seed = seed, .runs = runs, .run_count = run_count};
    for (uint32_t i = 0; i < run_count; i++) {
        tables += runs[i]->count;
        records += runs[i]->records;
    }
    shadow->every = records > SAMPLED ? ONE_IN : 1;
    shadow->at = lk_alloc_zero((run_count + 1) * sizeof *shadow->at);
    shadow->first = lk_alloc_zero((run_count + 1) * sizeof *shadow->first);
    shadow->hits = lk_alloc_zero((tables + 1) * sizeof *shadow->hits);
    shadow->tables = lk_alloc_zero((LK_SHADOW_BATCH * run_count + 1) * sizeof *shadow->tables);
    if (!shadow->at || !shadow->first || !shadow->hits || !shadow->tables)
        return lk_fail(LSMKV_NOMEM, "memory ran out before records could be counted in %u runs", run_count);
    for (uint32_t i = 0; i < run_count; i++)
        shadow->first[i + 1] = shadow->first[i] + runs[i]->count;
    return 0;
}

void lk_shadow_deinit(struct lk_shadow *shadow)
{
    lk_free(shadow->at);
    lk_free(shadow->first);
    lk_free(shadow->hits);
    lk_free(shadow->tables);
    *shadow = (struct lk_shadow){0};
}

/* ---- keys -------------------------------------------------------------------------------------- */

/* Make the line ready, and those after it that the next keys will want. No slot held. 0: it cannot be read. */
static int fill(struct lk_table *table, uint64_t offset)
{
    struct lsmkv_error saved = *lk_error();
    uint64_t end = (uint64_t)((const uint8_t *)(table->lines + table->line_count) - table->granules.base);
    uint64_t rest = end - offset - sizeof(struct lk_line);
    int rc = lk_table_fill(&(struct lk_missing){table, offset, sizeof(struct lk_line), rest < AHEAD ? rest : AHEAD});

    lk_error_restore(&saved);
    return rc == 0;
}

/* Do the lines hold the hash? 1, 0, or -1 with the offset of a line that is not ready. Inside a slot. */
static int ask(struct lk_table *table, uint64_t hash, uint64_t *offset)
{
    uint32_t index = lk_line_first(hash, table->line_count);

    for (int second = 0;; second = 1) {
        const struct lk_line *line = &table->lines[index];
        *offset = (uint64_t)((const uint8_t *)line - table->granules.base);
        if (!lk_granules_ready(&table->granules, *offset, sizeof *line))
            return -1;
        if (lk_table_filtered(table))
            return lk_filter_has((const uint8_t *)line, hash);
        if (lk_line_match(line, hash, atomic_load_explicit(&line->count, memory_order_relaxed)))
            return 1;
        if (second || !(atomic_load_explicit(&line->marks, memory_order_relaxed) & LK_LINE_MARK))
            return 0;
        index = lk_line_second(hash, table->line_count);
    }
}

/* The same, with as many fills as that takes. The slot is left and claimed again around them. */
static int holds(struct lk_shadow *shadow, uint32_t run, uint32_t index, uint64_t hash, int *slot)
{
    struct lk_table *table = shadow->runs[run]->tables[index];
    uint64_t *hits = &shadow->hits[shadow->first[run] + index], offset = 0;

    for (int tries = 0; *hits != unreadable && *slot >= 0 && tries < 4; tries++) {
        int found = ask(table, hash, &offset);
        if (found >= 0)
            return found;
        lk_epoch_leave(shadow->epochs, *slot);
        if (!fill(table, offset))
            *hits = unreadable;
        *slot = lk_epoch_enter(shadow->epochs);
    }
    return 0;
}

void lk_shadow_drain(struct lk_shadow *shadow)
{
    int slot = shadow->pending ? lk_epoch_enter(shadow->epochs) : -1;

    for (uint32_t key = 0; key < shadow->pending; key++)
        for (uint32_t run = 0; run < shadow->run_count; run++) {
            uint32_t index = shadow->tables[key * shadow->run_count + run];
            if (index == no_table || !holds(shadow, run, index, shadow->hashes[key], &slot))
                continue;
            shadow->hits[shadow->first[run] + index] += shadow->every;
            shadow->total += shadow->every;
            break;
        }
    shadow->pending = 0;
    if (slot >= 0)
        lk_epoch_leave(shadow->epochs, slot);
}

/* Which table of the run might hold the key: the cursors only move on. */
static uint32_t table_for(struct lk_shadow *shadow, uint32_t run_index, struct lk_slice key)
{
    const struct lk_run *run = shadow->runs[run_index];
    uint32_t *at = &shadow->at[run_index];

    if (run->count == 0 || (run->into && lk_compare(key, run->bound) < 0))
        return no_table;
    while (*at + 1 < run->count && lk_compare(run->tables[*at + 1]->meta.lo, key) <= 0)
        ++*at;
    return lk_table_spans(run->tables[*at], key) ? *at : no_table;
}

void lk_shadow_note(struct lk_shadow *shadow, struct lk_slice key)
{
    if (shadow->run_count == 0)
        return;
    uint64_t hash = lk_hash(shadow->seed, key.at, key.len);
    if ((hash >> 32) * shadow->every >> 32)
        return;
    for (uint32_t run = 0; run < shadow->run_count; run++) {
        uint32_t index = table_for(shadow, run, key);
        shadow->tables[shadow->pending * shadow->run_count + run] = index;
        if (index != no_table)
            lk_table_prefetch(shadow->runs[run]->tables[index], hash);
    }
    shadow->hashes[shadow->pending++] = hash;
    if (shadow->pending == LK_SHADOW_BATCH)
        lk_shadow_drain(shadow);
}

/* ---- range deletes ----------------------------------------------------------------------------- */

/* Pages of the table before the key's, its fences being ready. */
static uint32_t pages_before(const struct lk_table *table, struct lk_slice key)
{
    uint32_t through = 0;

    if (lk_compare(key, table->meta.key_min) <= 0)
        return 0;
    if (lk_compare(key, table->meta.key_max) > 0)
        return table->fences.count;
    (void)lk_table_pages(table, &table->fences, key, &through);
    return through;
}

/* The part of a table's pages that an interval covers; the page where it begins or ends does not count. */
static double part_covered(struct lk_shadow *shadow, struct lk_table *table, const struct lk_interval *interval)
{
    uint64_t from = table->footer.fences_at, bytes = table->footer.lines_at - from;
    struct lsmkv_error saved = *lk_error();
    double part = 0;

    if (lk_granules_fill(&table->granules, from, bytes) < 0) {
        lk_error_restore(&saved);
        return 0;
    }
    int slot = lk_epoch_enter(shadow->epochs);
    if (slot >= 0 && lk_granules_ready(&table->granules, from, bytes)) {
        uint32_t first = pages_before(table, interval->start) + (lk_compare(interval->start, table->meta.key_min) > 0);
        uint32_t last = interval->open_end ? table->fences.count : pages_before(table, interval->stop);
        part = last > first ? (double)(last - first) / (double)table->fences.count : 0;
    }
    if (slot >= 0)
        lk_epoch_leave(shadow->epochs, slot);
    return part;
}

static uint64_t covered_in(struct lk_shadow *shadow, struct lk_table *table, const struct lk_ranges *ranges)
{
    double part = 0;

    for (uint32_t i = 0; table->meta.records && i < ranges->count; i++) {
        const struct lk_interval *interval = &ranges->at[i];
        int from_start = lk_compare(interval->start, table->meta.key_min) <= 0;
        int to_end = interval->open_end || lk_compare(interval->stop, table->meta.key_max) > 0;
        if (from_start && to_end)
            return table->meta.records;
        if (lk_compare(interval->start, table->meta.key_max) <= 0 &&
            (interval->open_end || lk_compare(interval->stop, table->meta.key_min) > 0))
            part += part_covered(shadow, table, interval);
    }
    return (uint64_t)((double)table->meta.records * part);
}

void lk_shadow_cover(struct lk_shadow *shadow, const struct lk_ranges *ranges)
{
    for (uint32_t run = 0; ranges->count && run < shadow->run_count; run++)
        for (uint32_t i = 0; i < shadow->runs[run]->count; i++) {
            struct lk_table *table = shadow->runs[run]->tables[i];
            uint64_t *hits = &shadow->hits[shadow->first[run] + i], covered = covered_in(shadow, table, ranges);
            if (*hits != unreadable)
                *hits += covered;
        }
}

/* ---- the account ------------------------------------------------------------------------------- */

/* What the table's count becomes; 0: it stays as it is. */
static uint64_t count_after(const struct lk_shadow *shadow, uint32_t run, uint32_t index)
{
    const struct lk_table *table = shadow->runs[run]->tables[index];
    uint64_t hits = shadow->hits[shadow->first[run] + index], before = atomic_load(&table->shadowed);

    if (hits == 0 || hits == unreadable)
        return 0;
    return hits < table->meta.records - before ? before + hits : table->meta.records;
}

int lk_shadow_edit(const struct lk_shadow *shadow, struct lk_buf *edit)
{
    int rc = 0;

    for (uint32_t run = 0; run < shadow->run_count; run++)
        for (uint32_t i = 0; rc == 0 && i < shadow->runs[run]->count; i++) {
            const struct lk_table_meta *meta = &shadow->runs[run]->tables[i]->meta;
            uint64_t count = count_after(shadow, run, i);
            rc = count ? lk_edit_facts(edit, meta->number, count, meta->written_ns) : 0;
        }
    return rc;
}

void lk_shadow_apply(const struct lk_shadow *shadow)
{
    for (uint32_t run = 0; run < shadow->run_count; run++)
        for (uint32_t i = 0; i < shadow->runs[run]->count; i++) {
            uint64_t count = count_after(shadow, run, i);
            if (count)
                atomic_store(&shadow->runs[run]->tables[i]->shadowed, count);
        }
}
