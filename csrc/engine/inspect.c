/* inspect: statistics, levels, events, and how one get goes. */
#include "engine/inspect.h"

#include <string.h>

#include "engine/clock.h"
#include "engine/collect.h"
#include "store/view.h"
#include "store/visible.h"
#include "util/alloc.h"

/* ---- statistics ---------------------------------------------------------------------------- */

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit((_Atomic uint64_t *)counter, memory_order_relaxed);
}

static void add_stalls(const struct lk_counters *counters, struct lsmkv_stats *out)
{
#define X(cause, words)                                                    \
    out->stall_##cause = get(&counters->stalls[LK_STALL_##cause].count);   \
    out->stall_##cause##_ns = get(&counters->stalls[LK_STALL_##cause].ns); \
    out->stall_##cause##_longest_ns = get(&counters->stalls[LK_STALL_##cause].longest_ns);
    LSMKV_STALL_TABLE(X)
#undef X
    for (int cause = 0; cause < LK_STALL_CAUSES; cause++) {
        out->stalls += cause == LK_STALL_sync ? 0 : get(&counters->stalls[cause].count);
        out->stall_ns += cause == LK_STALL_sync ? 0 : get(&counters->stalls[cause].ns);
    }
}

static void add_counters(struct lk_db *db, struct lsmkv_stats *out)
{
    struct lk_counters *counters = &db->counters;
    out->scans = get(&counters->scans);
    out->leaps = get(&counters->leaps);
    out->puts = get(&counters->puts);
    out->deletes = get(&counters->deletes);
    out->range_deletes = get(&counters->range_deletes);
    out->user_bytes = get(&counters->user_bytes);
    out->log_bytes = get(&counters->log_bytes);
    out->flush_bytes = get(&counters->flush_bytes);
    out->merge_bytes = get(&counters->merge_bytes);
    out->recovery_bytes = get(&counters->recovery_bytes);
    out->syncs = get(&counters->syncs);
    add_stalls(counters, out);
    out->limited_ns = get(&counters->limited_ns);
    out->live_snapshots = get(&counters->live_snapshots);
    out->expired_snapshots = get(&counters->expired_snapshots);
    out->live_iterators = get(&counters->live_iterators);
    out->recovered_bytes = get(&counters->recovered_bytes);
    out->recovered_records = get(&counters->recovered_records);
    for (int i = 0; i < LK_EPOCH_SLOTS; i++) {
        out->gets += get(&db->epochs.slots[i].gets);
        out->gets_missed += get(&db->epochs.slots[i].misses);
    }
}

static void add_version(const struct lk_version *version, struct lsmkv_stats *out)
{
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        struct lk_memtable *memtable = version->memtables[i];
        uint64_t bytes = get(&memtable->segment->end);
        out->anonymous_bytes += lk_memtable_memory(memtable);
        if (i == 0) {
            out->memtable_bytes = bytes;
            out->memtable_keys = atomic_load(&memtable->key_count);
        } else {
            out->sealed_segments++;
            out->sealed_bytes += bytes;
        }
    }
    out->anonymous_bytes += lk_view_memory(version->view);
    out->runs = version->run_count;
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++) {
            const struct lk_table_meta *meta = &version->runs[i]->tables[j]->meta;
            out->tables++;
            out->table_bytes += meta->bytes;
            out->table_records += meta->records;
            out->table_tombstones += meta->tombstones;
        }
}

void lk_inspect_stats(struct lk_db *db, struct lsmkv_stats *out)
{
    struct lk_snapshot now;
    memset(out, 0, sizeof *out);
    add_counters(db, out);
    out->lsn_visible = get(&db->lsn_visible);
    out->lsn_durable = get(&db->lsn_durable);
    out->manifest_bytes = db->manifest.bytes;
    out->read_bytes = get(&db->cache.read_bytes);
    out->anonymous_bytes = get(&db->cache.used);
    out->value_bytes = get(&db->values.written);
    out->value_moved_bytes = get(&db->values.moved);
    out->pinned_bytes = get(&db->pinned_bytes);
    db->env->ops->resident(db->env, &out->resident_anonymous_bytes, &out->resident_file_bytes);
    out->clean_open = db->clean_open;
    out->failed = atomic_load(&db->failed) != 0;
    if (lk_snapshot_take(db, &now) == 0) {
        add_version(now.version, out);
        struct lk_value_facts values;
        lk_collect_facts(db, now.version, &values);
        out->value_files = values.files;
        out->value_file_bytes = values.bytes;
        out->value_live_bytes = values.live;
        lk_snapshot_drop(&now);
    }
}

/* ---- levels --------------------------------------------------------------------------------- */

static const char *layout_of(const struct lk_table *table)
{
    return table && lk_table_filtered(table) ? "filter" : "lines";
}

static int copy_key(struct lsmkv_slice *to, struct lk_slice from)
{
    uint8_t *copy = lk_alloc(from.len + 1);
    if (!copy)
        return lk_fail(LSMKV_NOMEM, "memory ran out while levels were listed");
    if (from.len)
        memcpy(copy, from.at, from.len);
    *to = (struct lsmkv_slice){copy, from.len};
    return 0;
}

static int of_memtable(const struct lk_memtable *memtable, int active, struct lsmkv_level *level)
{
    const struct lk_segment *segment = memtable->segment;
    const struct lk_mem_ranges *ranges = atomic_load((_Atomic(struct lk_mem_ranges *) *)&memtable->ranges);
    uint64_t end = get(&segment->end);
    *level = (struct lsmkv_level){.kind = active ? LSMKV_LEVEL_MEMTABLE : LSMKV_LEVEL_SEGMENT,
                                  .number = segment->number,
                                  .bytes = end,
                                  .records = get(&memtable->records),
                                  .tombstones = get(&memtable->tombstones),
                                  .range_deletes = ranges ? ranges->count : 0,
                                  .lsn_min = lk_lsn(segment->number, LK_FILE_HEAD),
                                  .lsn_max = lk_lsn(segment->number, end),
                                  .codec = "",
                                  .layout = layout_of(NULL),
                                  .value_bytes = get(&memtable->value_bytes)};
    int rc = copy_key(&level->key_min, lk_slice("", 0)); /* a hash knows no least key */
    return rc == 0 ? copy_key(&level->key_max, lk_slice("", 0)) : rc;
}

static int of_table(const struct lk_table *table, uint32_t run, struct lsmkv_level *level)
{
    const struct lk_table_meta *meta = &table->meta;
    *level = (struct lsmkv_level){.kind = LSMKV_LEVEL_TABLE,
                                  .run = run,
                                  .number = meta->number,
                                  .bytes = meta->bytes,
                                  .records = meta->records,
                                  .tombstones = meta->tombstones,
                                  .range_deletes = meta->range_deletes,
                                  .lsn_min = meta->lsn_min,
                                  .lsn_max = meta->lsn_max,
                                  .codec = lk_pack_name(table->footer.codec),
                                  .stored_bytes = table->footer.pages_end - LK_TABLE_HEAD,
                                  .layout = layout_of(table),
                                  .value_bytes = lk_value_uses_bytes(&table->uses)};
    level->record_bytes = table->footer.codec ? table->footer.unpacked : level->stored_bytes;
    int rc = copy_key(&level->key_min, meta->key_min);
    return rc == 0 ? copy_key(&level->key_max, meta->key_max) : rc;
}

static int of_values(const struct lk_value_file *file, struct lsmkv_level *level)
{
    *level = (struct lsmkv_level){.kind = LSMKV_LEVEL_VALUES,
                                  .number = file->number,
                                  .bytes = file->bytes,
                                  .codec = "",
                                  .layout = "",
                                  .value_bytes = file->live};
    int rc = copy_key(&level->key_min, lk_slice("", 0));
    return rc == 0 ? copy_key(&level->key_max, lk_slice("", 0)) : rc;
}

static int list(const struct lk_version *version, struct lsmkv_level *levels, size_t *count)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < version->memtable_count; i++)
        rc = of_memtable(version->memtables[i], i == 0, &levels[(*count)++]);
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; rc == 0 && j < version->runs[i]->count; j++)
            rc = of_table(version->runs[i]->tables[j], i + 1, &levels[(*count)++]);
    return rc;
}

int lk_inspect_levels(struct lk_db *db, struct lsmkv_level **out, size_t *count)
{
    struct lk_snapshot now;
    struct lk_value_file *files = NULL;
    uint32_t file_count = 0;
    *out = NULL;
    *count = 0;
    int rc = lk_snapshot_take(db, &now);
    if (rc < 0)
        return rc;
    rc = lk_collect_files(db, now.version, &files, &file_count);
    size_t most = now.version->memtable_count + file_count;
    for (uint32_t i = 0; i < now.version->run_count; i++)
        most += now.version->runs[i]->count;
    struct lsmkv_level *levels = lk_alloc_zero((most + 1) * sizeof *levels);
    if (rc == 0 && !levels)
        rc = lk_fail(LSMKV_NOMEM, "memory ran out while levels were listed");
    int slot = lk_read_enter(db); /* lists of range deletes are replaced at any time */
    if (rc == 0)
        rc = list(now.version, levels, count);
    lk_epoch_leave(&db->epochs, slot);
    for (uint32_t i = 0; rc == 0 && i < file_count; i++)
        rc = of_values(&files[i], &levels[(*count)++]);
    lk_free(files);
    lk_snapshot_drop(&now);
    if (rc < 0)
        lsmkv_levels_free(levels, *count);
    else
        *out = levels;
    return rc;
}

size_t lk_inspect_events(struct lk_db *db, uint64_t from, struct lsmkv_event *out, size_t most)
{
    size_t count = 0;
    lk_mutex_lock(&db->event_mutex);
    uint64_t oldest = db->event_count > LK_EVENTS ? db->event_count - LK_EVENTS : 0;
    for (uint64_t at = from > oldest ? from : oldest; at < db->event_count && count < most; at++)
        out[count++] = db->events[at % LK_EVENTS];
    lk_mutex_unlock(&db->event_mutex);
    return count;
}

/* ---- explain -------------------------------------------------------------------------------- */

enum verdict {
    NOT_IN_RANGE,
    LINE_SAYS_NO,
    OTHER_KEY,
    VALUE,
    TOMBSTONE,
    COVERED,
    NOT_VERIFIED,
    EXPIRED,
    FILTER_SAYS_NO,
    FILTER_ERRED
};

static int judge(const struct lk_record *record, uint64_t now)
{
    return lk_record_kind(record) != LK_PUT ? TOMBSTONE : lk_record_visible(record, now) ? VALUE : EXPIRED;
}

static int probe_memtable(const struct lk_memtable *memtable, int active, struct lk_slice key, uint64_t hash,
                          uint64_t limit, uint64_t now, struct lsmkv_probe *probe)
{
    struct lk_record record;
    *probe = (struct lsmkv_probe){.kind = active ? LSMKV_LEVEL_MEMTABLE : LSMKV_LEVEL_SEGMENT,
                                  .number = memtable->segment->number,
                                  .layout = layout_of(NULL)};
    int rc = lk_memtable_find(memtable, hash, key, limit, &record, &probe->lines, &probe->records);
    /* A range delete comes back as a delete with the key that was asked for, not one that is stored. */
    probe->verdict = rc != 0                   ? (probe->records ? OTHER_KEY : LINE_SAYS_NO)
                     : record.key.at == key.at ? COVERED
                                               : judge(&record, now);
    return rc == 0;
}

/* The table says that it does not hold the key. */
static int judge_absence(const struct lk_table *table, struct lk_slice key, const struct lk_probe_cost *cost)
{
    if (!lk_table_spans(table, key))
        return NOT_IN_RANGE;
    if (lk_table_filtered(table))
        return cost->records ? FILTER_ERRED : FILTER_SAYS_NO;
    return cost->records ? OTHER_KEY : LINE_SAYS_NO;
}

static int probe_table(struct lk_table *table, uint32_t run, struct lk_slice key, uint64_t hash, uint64_t now,
                       struct lk_scratch *scratch, struct lsmkv_probe *probe)
{
    struct lk_record record;
    struct lk_missing missing;
    struct lk_probe_cost cost = {0};
    *probe = (struct lsmkv_probe){
        .kind = LSMKV_LEVEL_TABLE, .run = run, .number = table->meta.number, .layout = layout_of(table)};
    int rc = lk_table_spans(table, key) ? lk_table_find(table, hash, key, &record, &missing, scratch, &cost)
                                        : LSMKV_NOTFOUND;
    probe->lines = cost.lines;
    probe->records = cost.records;
    probe->pages = cost.pages;
    probe->unpacked = cost.unpacked;
    if (rc == 0)
        probe->verdict = judge(&record, now);
    else if (rc == LSMKV_NOTFOUND && table->ranges.count && lk_ranges_find(&table->ranges, key))
        probe->verdict = COVERED;
    else if (rc == LSMKV_NOTFOUND)
        probe->verdict = judge_absence(table, key, &cost);
    else
        probe->verdict = NOT_VERIFIED;
    return probe->verdict == VALUE || probe->verdict == TOMBSTONE || probe->verdict == EXPIRED ||
           probe->verdict == COVERED;
}

int lk_inspect_explain(struct lk_db *db, struct lk_slice key, struct lsmkv_probe *out, size_t most, size_t *count,
                       int *found)
{
    uint64_t hash = lk_hash(db->seed, key.at, key.len), now = lk_wall_ns(db);
    int slot = lk_epoch_enter(&db->epochs), done = 0;
    if (slot < 0)
        return LSMKV_WOULDBLOCK;
    struct lk_present present = lk_read_present(db);
    const struct lk_version *version = present.version;
    *count = 0;
    for (uint32_t i = 0; !done && i < version->memtable_count && *count < most; i++)
        done = probe_memtable(version->memtables[i], i == 0, key, hash, lk_present_limit(&present, i), now,
                              &out[(*count)++]);
    for (uint32_t i = 0; !done && i < version->run_count && *count < most; i++) {
        struct lk_table *table = lk_run_table(version->runs[i], key);
        if (table)
            done = probe_table(table, i + 1, key, hash, now, lk_read_scratch(db, slot), &out[(*count)++]);
        else
            out[(*count)++] = (struct lsmkv_probe){.kind = LSMKV_LEVEL_TABLE, .run = i + 1, .layout = layout_of(NULL)};
    }
    *found = done && out[*count - 1].verdict == VALUE;
    lk_epoch_leave(&db->epochs, slot);
    return 0;
}
