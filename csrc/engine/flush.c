/* flush: all sealed segments -> one new newest run, in one edit.
 *
 *      memtables   12*  11  10  9                 12*                    * active: stays
 *      runs        r3  r1            -->          r4  r3  r1             r4 holds 9, 10 and 11 whole
 *
 * One edit, because then no segment is ever half consumed; and no log needs to be durable for it: the tables
 * stand for the whole of those segments, and what is newer is in the log still. The cursors read in place:
 * a sealed memtable is constant and the version pins it. See engine/compaction.h; work_mutex held. */
#include "engine/compaction.h"

#include <stdio.h>

#include "engine/count.h"
#include "engine/install.h"
#include "engine/rewrite.h"
#include "store/order.h"
#include "util/alloc.h"

struct flush {
    struct lk_db *db;                   /* borrowed */
    struct lk_version *version;         /* owned reference */
    struct lk_memtable *const *sealed;  /* borrowed from the version, newest first */
    uint32_t count;
    struct lk_memtable_cursor *cursors; /* owned, one for each */
    struct lk_ranges *ranges;           /* owned, one for each */
    struct lk_rewrite rewrite;
    struct lk_shadow shadow;            /* over the runs of the version */
    uint64_t bytes_in;
};

static uint64_t end_of(const struct lk_memtable *memtable)
{
    return atomic_load_explicit(&memtable->segment->end, memory_order_acquire);
}

/* Everything in a sealed segment is visible, so its end is the limit. */
static int prepare_source(struct flush *flush, uint32_t index)
{
    struct lk_memtable *memtable = flush->sealed[index];
    uint64_t end = end_of(memtable);
    int rc = lk_order_seal(memtable);

    if (rc == 0)
        rc = lk_memtable_ranges(memtable, end, &flush->ranges[index]);
    if (rc != 0)
        return rc;
    lk_memtable_cursor_init(&flush->cursors[index], memtable, end);
    flush->rewrite.sources[index] =
        (struct lk_merge_source){.cursor = &flush->cursors[index].cursor, .ranges = &flush->ranges[index]};
    flush->bytes_in += end - LK_FILE_HEAD;
    return 0;
}

static int prepare(struct flush *flush)
{
    struct lk_rewrite *rewrite = &flush->rewrite;
    const struct lk_memtable *newest = flush->sealed[0], *oldest = flush->sealed[flush->count - 1];
    int rc = lk_rewrite_begin(rewrite, flush->db, flush->count);

    flush->cursors = lk_alloc_zero(flush->count * sizeof *flush->cursors);
    flush->ranges = lk_alloc_zero(flush->count * sizeof *flush->ranges);
    if (rc == 0 && (!flush->cursors || !flush->ranges))
        rc = lk_fail(LSMKV_NOMEM, "memory ran out before %u segments could be flushed", flush->count);
    for (uint32_t i = 0; rc == 0 && i < flush->count; i++)
        rc = prepare_source(flush, i);
    if (rc == 0)
        rc = lk_shadow_begin(&flush->shadow, &flush->db->epochs, flush->db->seed, flush->version->runs,
                             flush->version->run_count);
    rewrite->shadow = &flush->shadow;
    rewrite->written_ns = rewrite->now_ns;
    rewrite->older = flush->version->runs;
    rewrite->older_count = flush->version->run_count;
    rewrite->run = flush->db->run_id_next;
    rewrite->young = 1;
    rewrite->lsn_min = lk_lsn(oldest->segment->number, LK_FILE_HEAD);
    rewrite->lsn_max = lk_lsn(newest->segment->number, end_of(newest));
    return rc;
}

/* A memtable gives a record for each of its keys, but for those its own range deletes hide. */
static int check_sources(const struct flush *flush)
{
    int rc = lk_rewrite_check(&flush->rewrite);

    for (uint32_t i = 0; rc == 0 && i < flush->count; i++) {
        uint64_t keys = atomic_load_explicit(&flush->sealed[i]->key_count, memory_order_acquire);
        rc = lk_rewrite_check_source(&flush->rewrite, i, flush->ranges[i].count ? 0 : keys, keys);
    }
    return rc;
}

static int write_tables(struct flush *flush)
{
    struct lk_buf bounds[2] = {{0}, {0}}; /* where this table begins, where the next one will */
    int rc = 0, ended = 0;

    lk_rewrite_seek(&flush->rewrite, lk_slice("", 0));
    for (unsigned turn = 0; rc == 0 && !ended; turn ^= 1)
        rc = lk_rewrite_table(&flush->rewrite, lk_buf_slice(&bounds[turn]), flush->rewrite.meta_count != 0,
                              &bounds[turn ^ 1], &ended);
    lk_buf_deinit(&bounds[0]);
    lk_buf_deinit(&bounds[1]);
    for (uint32_t i = 0; rc == 0 && i < flush->count; i++)
        lk_shadow_cover(&flush->shadow, &flush->ranges[i]);
    return rc == 0 ? check_sources(flush) : rc;
}

static int install(struct flush *flush)
{
    const struct lk_version *version = flush->version;
    struct lk_rewrite *rewrite = &flush->rewrite;
    struct lk_run **runs = lk_alloc((version->run_count + 1) * sizeof *runs), *made = NULL;
    uint32_t count = 0;
    int rc = runs ? 0 : LSMKV_NOMEM;

    if (rc == 0 && rewrite->table_count) {
        made = lk_run_new(rewrite->run, rewrite->tables, rewrite->table_count, 0, lk_slice("", 0));
        rc = made ? 0 : LSMKV_NOMEM;
        runs[count++] = made;
    }
    for (uint32_t i = 0; rc == 0 && i < version->run_count; i++)
        runs[count++] = version->runs[i];
    if (rc < 0) {
        lk_fail(rc, "memory ran out before a flush could be installed");
    } else {
        flush->db->run_id_next++;
        rc = lk_install(flush->db, &(struct lk_change){.memtables_through = flush->sealed[0]->segment->number,
                                                       .runs = runs,
                                                       .run_count = count,
                                                       .added = rewrite->tables,
                                                       .added_count = rewrite->table_count,
                                                       .shadow = &flush->shadow});
    }
    lk_run_unref(made);
    lk_free(runs);
    return rc;
}

static void report(const struct flush *flush, struct lsmkv_step *did)
{
    snprintf(did->what, sizeof did->what, "flush step");
    snprintf(did->why, sizeof did->why, "%u sealed segment%s (%.1f %s) into a new run", flush->count,
             flush->count == 1 ? "" : "s", LK_SHOWN(flush->bytes_in));
    did->bytes_in = flush->bytes_in;
    lk_rewrite_report(&flush->rewrite, did);
    atomic_fetch_add_explicit(&flush->db->counters.flush_bytes, flush->rewrite.bytes_out, memory_order_relaxed);
}

static void release(struct flush *flush, int installed)
{
    lk_rewrite_end(&flush->rewrite, installed);
    lk_shadow_deinit(&flush->shadow);
    for (uint32_t i = 0; flush->ranges && i < flush->count; i++)
        lk_ranges_deinit(&flush->ranges[i]);
    lk_free(flush->ranges);
    lk_free(flush->cursors);
    lk_version_unref(flush->version);
}

int lk_flush_l0(struct lk_db *db, struct lsmkv_step *did)
{
    if (db->manifest.failed) /* what would be written could not be named */
        return lk_fail(db->manifest.failed,
                       "the manifest could not be written: no more flushes and merges until the store "
                       "is opened again");
    struct flush flush = {.db = db, .version = lk_install_present(db)};
    int rc = flush.version->memtable_count > 1 ? 0 : LSMKV_NOTFOUND;

    flush.sealed = flush.version->memtables + 1;
    flush.count = flush.version->memtable_count - 1;
    if (rc == 0)
        lk_count_before_flush(db, flush.version);
    if (rc == 0)
        rc = prepare(&flush);
    if (rc == 0)
        rc = write_tables(&flush);
    if (rc == 0)
        rc = lk_rewrite_seal(&flush.rewrite);
    if (rc == 0)
        rc = install(&flush);
    if (rc == 0)
        report(&flush, did);
    /* When the manifest has failed, nobody knows what it names: nothing is removed then. */
    release(&flush, rc == 0 || db->manifest.failed);
    return rc;
}
