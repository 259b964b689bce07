/* shape: the facts the planner goes by, as they are now. Any thread, no lock held but perhaps work_mutex. */
#include <string.h>

#include "engine/background.h"
#include "engine/clock.h"
#include "engine/collect.h"
#include "engine/install.h"
#include "engine/pace.h"
#include "engine/slice.h"
#include "engine/stall.h"
#include "format/space.h"

enum { QUIET_NS = 1000000000 };

static void add_table(struct lk_shape_run *out, const struct lk_table *table)
{
    const struct lk_table_meta *meta = &table->meta;

    out->records += meta->records;
    out->tombstones += meta->tombstones;
    out->shadowed += atomic_load_explicit(&table->shadowed, memory_order_relaxed);
    out->written_ns = meta->written_ns > out->written_ns ? meta->written_ns : out->written_ns;
    out->damaged |= atomic_load_explicit(&table->damaged, memory_order_relaxed) != 0;
}

/* The names of namespaces, and nothing else? */
static int is_catalog(const struct lk_run *run)
{
    size_t prefix;
    int only = run->records && !run->ranges.count;

    for (uint32_t i = 0; only && i < run->count; i++) {
        const struct lk_table_meta *meta = &run->tables[i]->meta;
        only = meta->records == 0 || (lk_space_of(meta->key_min, &prefix) == LK_SPACE_CATALOG &&
                                      lk_space_of(meta->key_max, &prefix) == LK_SPACE_CATALOG);
    }
    return only;
}

static void take_options(const struct lk_db *db, struct lk_shape *shape)
{
    shape->segment_bytes = db->segment_most;
    shape->l0_segments = db->options.l0_segments;
    shape->run_limit = db->options.run_count;
    shape->policy = db->options.merge_policy;
    shape->space_limit = db->options.space_limit;
    shape->fifo_bytes = db->options.fifo_bytes;
    shape->fifo_age_ns = db->options.fifo_age_ms * 1000000;
}

static void take_values(struct lk_db *db, const struct lk_version *version, struct lk_shape *shape)
{
    struct lk_value_facts facts;

    lk_collect_facts(db, version, &facts);
    shape->value_garbage = facts.garbage;
    shape->value_live = facts.likely;
    shape->value_excess = facts.excess;
    shape->value_portion = facts.files ? lk_values_portion(&db->values) : 0;
    for (uint32_t i = 1; i < version->memtable_count; i++)
        shape->sealed_values += atomic_load_explicit(&version->memtables[i]->value_bytes, memory_order_relaxed);
}

static uint64_t count_gets(const struct lk_db *db)
{
    uint64_t gets = 0;
    for (uint32_t i = 0; i < LK_EPOCH_SLOTS; i++)
        gets += atomic_load_explicit(&db->epochs.slots[i].gets, memory_order_relaxed);
    return gets;
}

/* What readers have done since a merge last ended. */
static void take_reads(struct lk_db *db, struct lk_shape *shape)
{
    shape->scans = atomic_load(&db->counters.scans) - atomic_load(&db->scans_at_merge);
    shape->gets = count_gets(db) - atomic_load(&db->gets_at_merge);
}

/* Nobody has written for so long. Who sees first that the log is longer says so; the compactor looks every second. Since
 * when it is as long is stored before how long it is, so that nobody sees the new end with the time of the old one; and
 * who was stopped after he had looked at the clock may find a time that is later than his. */
static void take_quiet(struct lk_db *db, const struct lk_version *version, struct lk_shape *shape)
{
    const struct lk_segment *segment = version->memtables[0]->segment;
    uint64_t lsn = lk_lsn(segment->number, atomic_load(&segment->end)), now = lk_stall_now(db);

    if (atomic_load(&db->quiet_lsn) != lsn) {
        atomic_store(&db->quiet_since_ns, now);
        atomic_store(&db->quiet_lsn, lsn);
    }
    uint64_t since = atomic_load(&db->quiet_since_ns);
    shape->quiet = now > since && now - since >= QUIET_NS;
}

void lk_shape_merged(struct lk_db *db)
{
    atomic_store(&db->scans_at_merge, atomic_load(&db->counters.scans));
    atomic_store(&db->gets_at_merge, count_gets(db));
}

/* Two policies merge them. */
static void take_slices(const struct lk_db *db, const struct lk_version *version, struct lk_shape *shape)
{
    uint32_t tables = version->run_count < 4 ? version->run_count : 4;

    if (shape->policy == LSMKV_MERGE_DEFAULT || shape->policy == LSMKV_MERGE_LEVELED)
        lk_slice_find(version, db->options.table_bytes / 2, tables * db->options.table_bytes, shape);
}

void lk_background_shape(struct lk_db *db, int slices, struct lk_shape *shape)
{
    struct lk_version *version = lk_install_present(db);

    memset(shape, 0, sizeof *shape);
    take_options(db, shape);
    shape->now_ns = lk_wall_ns(db);
    shape->paused = atomic_load(&db->pauses) != 0;
    take_reads(db, shape);
    take_quiet(db, version, shape);
    shape->sealed = version->memtable_count - 1;
    shape->sealed_bytes = lk_background_l0_bytes(db, version);
    struct lk_l0 l0 = lk_pace_l0(db, version);
    shape->flush_wanted = lk_pace_wants_flush(&db->options, &l0);
    for (uint32_t i = 0; i < version->run_count && i < LK_SHAPE_RUNS; i++) {
        const struct lk_run *run = version->runs[i];
        struct lk_shape_run *out = &shape->runs[shape->run_count++];
        *out = (struct lk_shape_run){
            .id = run->id, .into = run->into, .bytes = lk_run_bytes(run), .value_bytes = lk_run_value_bytes(run)};
        for (uint32_t j = 0; j < run->count; j++)
            add_table(out, run->tables[j]);
        out->catalog = is_catalog(run);
    }
    if (slices)
        take_slices(db, version, shape);
    take_values(db, version, shape);
    lk_version_unref(version);
}
