/* version: making and sharing versions and runs. */
#include "engine/version.h"

#include <string.h>

#include "store/view.h"
#include "util/alloc.h"

/* ---- runs -------------------------------------------------------------------------------- */

static int collect_ranges(struct lk_run *run)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < run->count; i++)
        if (run->tables[i]->ranges.count)
            rc =
                lk_ranges_clip(&run->tables[i]->ranges, run->into ? run->bound : lk_slice(NULL, 0), NULL, &run->ranges);
    return rc;
}

struct lk_run *lk_run_new(uint32_t id, struct lk_table *const *tables, uint32_t count, uint32_t into,
                          struct lk_slice bound)
{
    struct lk_run *run = lk_alloc_zero(sizeof *run);
    if (!run)
        return NULL;
    atomic_store(&run->references, 1);
    run->id = id;
    run->into = into;
    run->tables = lk_alloc((count + 1) * sizeof *run->tables);
    run->heads = lk_alloc((count + 1) * sizeof *run->heads);
    uint8_t *copy = lk_alloc(bound.len + 1);
    run->bound = lk_slice(copy, bound.len);
    if (run->tables && run->heads && copy) {
        if (bound.len)
            memcpy(copy, bound.at, bound.len);
        for (; run->count < count; run->count++) {
            run->tables[run->count] = tables[run->count];
            run->heads[run->count] = lk_head(tables[run->count]->meta.lo, 0);
            run->records += tables[run->count]->meta.records;
            run->tombstones += tables[run->count]->meta.tombstones;
            run->expiring += tables[run->count]->meta.expiring;
            lk_table_ref(tables[run->count]);
        }
        if (collect_ranges(run) == 0)
            return run;
    }
    lk_run_unref(run);
    return NULL;
}

void lk_run_ref(struct lk_run *run)
{
    atomic_fetch_add_explicit(&run->references, 1, memory_order_relaxed);
}

void lk_run_unref(struct lk_run *run)
{
    if (!run || atomic_fetch_sub_explicit(&run->references, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < run->count; i++)
        lk_table_unref(run->tables[i]);
    lk_ranges_deinit(&run->ranges);
    lk_free(run->tables);
    lk_free(run->heads);
    lk_free((void *)run->bound.at);
    lk_free(run);
}

uint64_t lk_run_bytes(const struct lk_run *run)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < run->count; i++)
        bytes += run->tables[i]->meta.bytes;
    return bytes;
}

uint64_t lk_run_value_bytes(const struct lk_run *run)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < run->count; i++)
        bytes += lk_value_uses_bytes(&run->tables[i]->uses);
    return bytes;
}

/* ---- versions ---------------------------------------------------------------------------- */

struct lk_version *lk_version_new(struct lk_memtable *const *memtables, uint32_t memtable_count,
                                  struct lk_run *const *runs, uint32_t run_count, uint64_t installs)
{
    struct lk_version *version = lk_alloc_zero(sizeof *version);
    if (!version)
        return NULL;
    atomic_store(&version->references, 1);
    version->installs = installs;
    version->memtables = lk_alloc((memtable_count + 1) * sizeof *version->memtables);
    version->runs = lk_alloc((run_count + 1) * sizeof *version->runs);
    if (!version->memtables || !version->runs) {
        lk_version_unref(version);
        return NULL;
    }
    for (; version->memtable_count < memtable_count; version->memtable_count++) {
        lk_memtable_ref(memtables[version->memtable_count]);
        version->memtables[version->memtable_count] = memtables[version->memtable_count];
    }
    for (; version->run_count < run_count; version->run_count++) {
        lk_run_ref(runs[version->run_count]);
        version->runs[version->run_count] = runs[version->run_count];
    }
    return version;
}

struct lk_version *lk_version_from(const struct lk_version *version, uint32_t index)
{
    return lk_version_new(version->memtables + index, version->memtable_count - index, version->runs,
                          version->run_count, version->installs);
}

uint32_t lk_version_find(const struct lk_version *version, uint32_t segment)
{
    uint32_t at = 0;
    while (at < version->memtable_count && version->memtables[at]->segment->number != segment)
        at++;
    return at;
}

int lk_version_expires(const struct lk_version *version)
{
    for (uint32_t i = 0; i < version->memtable_count; i++)
        if (atomic_load_explicit(&version->memtables[i]->expiring, memory_order_relaxed))
            return 1;
    for (uint32_t i = 0; i < version->run_count; i++)
        if (version->runs[i]->expiring)
            return 1;
    return 0;
}

void lk_version_ref(struct lk_version *version)
{
    atomic_fetch_add_explicit(&version->references, 1, memory_order_relaxed);
}

int lk_version_let_go(struct lk_version *version)
{
    return version && atomic_fetch_sub_explicit(&version->references, 1, memory_order_acq_rel) == 1;
}

void lk_version_unref(struct lk_version *version)
{
    if (lk_version_let_go(version))
        lk_version_free(version);
}

void lk_version_free(struct lk_version *version)
{
    for (uint32_t i = 0; i < version->memtable_count; i++)
        lk_memtable_unref(version->memtables[i]);
    for (uint32_t i = 0; i < version->run_count; i++)
        lk_run_unref(version->runs[i]);
    lk_view_unref(version->view);
    lk_free(version->memtables);
    lk_free(version->runs);
    lk_free(version);
}

void lk_version_release(void *version)
{
    lk_version_unref(version);
}

/* ---- self-examination -------------------------------------------------------------------- */

static int check_run(const struct lk_run *run)
{
    for (uint32_t i = 0; i < run->count; i++) {
        const struct lk_table_meta *meta = &run->tables[i]->meta,
                                   *next = i + 1 < run->count ? &run->tables[i + 1]->meta : NULL;
        if (!meta->hi_open && lk_compare(meta->lo, meta->hi) >= 0)
            return lk_fail(LSMKV_CORRUPT, "table %u of run %u has an empty interval", meta->number, run->id);
        if (next && (meta->hi_open || !lk_equal(meta->hi, next->lo)))
            return lk_fail(LSMKV_CORRUPT, "tables %u and %u of run %u do not tile", meta->number, next->number,
                           run->id);
    }
    return 0;
}

static const struct lk_run *run_by_id(const struct lk_version *version, uint32_t id)
{
    for (uint32_t i = 0; i < version->run_count; i++)
        if (version->runs[i]->id == id)
            return version->runs[i];
    return NULL;
}

/* The run that took over an input's smaller keys must end exactly at the bound. */
static int check_move(const struct lk_version *version, const struct lk_run *run)
{
    const struct lk_run *into = run_by_id(version, run->into);
    if (!into)
        return lk_fail(LSMKV_CORRUPT, "run %u has moved into run %u, which is not there", run->id, run->into);
    const struct lk_table_meta *last = into->count ? &into->tables[into->count - 1]->meta : NULL;
    if (!last || last->hi_open || !lk_equal(last->hi, run->bound))
        return lk_fail(LSMKV_CORRUPT, "run %u does not end where run %u goes on", run->into, run->id);
    return 0;
}

int lk_version_check(const struct lk_version *version)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < version->run_count; i++) {
        const struct lk_run *run = version->runs[i];
        for (uint32_t j = 0; j < i; j++)
            if (version->runs[j]->id == run->id)
                return lk_fail(LSMKV_CORRUPT, "two runs have the number %u", run->id);
        rc = check_run(run);
        if (rc == 0 && run->into)
            rc = check_move(version, run);
    }
    return rc;
}
