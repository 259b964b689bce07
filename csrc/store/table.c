/* table: opening one, checking that it is the one meant, counting its users.
 *
 * Opening reads the tail of the file only: footer, then checks and properties, each vouched for by a
 * checksum. After that nothing is believed for being sound: every number is held against every other
 * one it has to agree with, so that a crafted file is refused here or where it is looked at.
 *
 * Threads: open from one; ref, unref from any that holds a reference. */
#include "store/table.h"

#include <errno.h>
#include <stdio.h>

#include "store/table_writer.h"
#include "util/alloc.h"
#include "util/buf.h"
#include "util/checksum.h"

/* What follows from damage that is found when a table is opened, and what to do. */
#define CLOSED "without it the store cannot be opened; put that file back, or restore a backup"

int lk_table_corrupt(const struct lk_table *table, uint64_t offset, const char *what)
{
    int opened = table->granules.state != NULL;
    int rc = lk_fail_corrupt(table->name, offset, "%s: at offset %llu, %s; %s", table->name, (unsigned long long)offset,
                             what,
                             opened ? "other keys stay readable"
                                    : "without this table the store cannot be opened: put the file back, or restore a "
                                      "backup");
    lk_error()->recoverable = opened;
    return rc;
}

static uint64_t uses_at(const struct lk_footer *footer)
{
    return footer->file_bytes - LK_FOOTER - footer->milestone_bytes - footer->use_bytes;
}

int lk_table_refers(const struct lk_table *table, const struct lk_record *record)
{
    struct lk_reference reference;
    char name[LK_FILE_NAME], what[128];
    if (lk_reference_get(record->value, &reference) < 0)
        return lk_table_corrupt(table, table->footer.pages_end, "before it, a record refers to no value that can be");
    if (lk_value_uses_find(&table->uses, reference.number))
        return 0;
    lk_file_name(name, LK_FILE_VALUES, reference.number);
    snprintf(what, sizeof what, "the list of value segments does not name %s, which a record refers to", name);
    return lk_table_corrupt(table, uses_at(&table->footer), what);
}

/* ---- the tail ------------------------------------------------------------------------------- */

static int read_footer(struct lk_env *env, struct lk_file *file, const char *name, uint64_t bytes,
                       struct lk_footer *footer)
{
    uint8_t from[LK_FOOTER];
    const char *what = "";

    if (bytes < LK_FOOTER)
        return lk_fail_corrupt(name, bytes, "%s: %llu bytes are too few for a table: " CLOSED, name,
                               (unsigned long long)bytes);
    uint64_t at = bytes - LK_FOOTER;
    int rc = lk_io_read(env, file, name, at, from, sizeof from);
    if (rc < 0)
        return rc;
    rc = lk_footer_get(from, bytes, footer, &what);
    if (rc == -2)
        return lk_fail(LSMKV_FORMAT, "%s: %s; the file was not changed", name, what);
    return rc < 0 ? lk_fail_corrupt(name, at, "%s: %s, at offset %llu: " CLOSED, name, what, (unsigned long long)at)
                  : 0;
}

int lk_table_read_tail(struct lk_env *env, struct lk_file *file, const char *name, uint64_t bytes,
                       struct lk_footer *footer, struct lk_buf *tail)
{
    int rc = read_footer(env, file, name, bytes, footer);
    if (rc < 0)
        return rc;
    uint64_t at = footer->checks_at, length = bytes - LK_FOOTER - at; /* less than the file has */
    lk_buf_reset(tail);
    rc = lk_buf_reserve(tail, (size_t)length);
    if (rc == 0)
        rc = lk_io_read(env, file, name, at, tail->at, (size_t)length);
    if (rc < 0)
        return rc;
    tail->len = (size_t)length;
    if (lk_checksum(lk_checksum_seed(footer->identity, at), tail->at, tail->len) != footer->tail_sum)
        return lk_fail_corrupt(name, at, "%s: the checks and properties at offset %llu fail their checksum: " CLOSED,
                               name, (unsigned long long)at);
    return 0;
}

/* ---- agreement ------------------------------------------------------------------------------ */

static int inside(const struct lk_table_meta *meta, struct lk_slice key)
{
    return lk_compare(meta->lo, key) <= 0 && (meta->hi_open || lk_compare(key, meta->hi) < 0);
}

/* What the manifest says against what the file says. NULL, or what differs. */
static const char *meta_wrong(const struct lk_table_meta *meta, const struct lk_footer *footer)
{
    if (footer->number != meta->number || footer->identity != meta->identity)
        return "this is not the table the manifest means";
    if (footer->records != meta->records || footer->tombstones != meta->tombstones ||
        footer->range_deletes != meta->range_deletes || footer->payload != meta->payload ||
        footer->expiring != meta->expiring)
        return "the counts are not those in the manifest";
    if (footer->lsn_min != meta->lsn_min || footer->lsn_max != meta->lsn_max)
        return "the log positions are not those in the manifest";
    return NULL;
}

static const char *keys_wrong(const struct lk_table_meta *meta, const struct lk_footer *footer, struct lk_slice min,
                              struct lk_slice max)
{
    if (!lk_equal(min, meta->key_min) || !lk_equal(max, meta->key_max))
        return "the first and last key are not those in the manifest";
    if ((footer->records == 0) != (footer->fence_count == 0) || footer->fence_count > footer->records ||
        footer->tombstones > footer->records || footer->expiring > footer->records)
        return "the counts of records, pages, tombstones and expiries cannot be";
    if (footer->records == 0)
        return min.len || max.len || footer->prefix ? "a table without records has keys" : NULL;
    if (lk_compare(min, max) > 0 || !inside(meta, min) || !inside(meta, max))
        return "the first and last key are not in order or outside the table's interval";
    if (footer->prefix > min.len || footer->prefix > max.len ||
        (footer->prefix && memcmp(min.at, max.at, footer->prefix) != 0) ||
        (footer->prefix < min.len && footer->prefix < max.len && min.at[footer->prefix] == max.at[footer->prefix]))
        return "the common prefix is not one";
    return NULL;
}

/* ---- properties ----------------------------------------------------------------------------- */

static int ranges_inside(const struct lk_table *table)
{
    const struct lk_ranges *ranges = &table->ranges;
    if (ranges->count == 0)
        return 1;
    const struct lk_interval *last = &ranges->at[ranges->count - 1];
    int ends = table->meta.hi_open || (!last->open_end && lk_compare(last->stop, table->meta.hi) <= 0);
    return ends && lk_compare(table->meta.lo, ranges->at[0].start) <= 0;
}

/* Each has to lie after the one before, without touching it: so adding merges nothing, and as many
 * stand in the list as were read. */
static int read_ranges(struct lk_table *table, const uint8_t *at, const uint8_t *end)
{
    uint64_t offset = table->footer.file_bytes - LK_FOOTER - table->footer.milestone_bytes - table->footer.use_bytes -
                      table->footer.range_bytes;
    struct lk_slice before = {0};
    struct lk_record record;
    uint32_t count = 0;

    for (; at < end; count++) {
        at = lk_record_get(at, end, &record);
        if (at == NULL || (record.flags & ~LK_RECORD_OPEN_END) != LK_RANGE_DELETE ||
            (count && lk_compare(before, record.key) >= 0))
            return lk_table_corrupt(table, offset, "the list of range deletes is damaged");
        int open_end = record.flags & LK_RECORD_OPEN_END;
        int rc = lk_ranges_add(&table->ranges, record.key, open_end ? NULL : &record.value);
        if (rc < 0)
            return rc;
        before = record.key;
    }
    if (count != table->ranges.count || count != table->footer.range_deletes || !ranges_inside(table))
        return lk_table_corrupt(table, offset,
                                "the range deletes overlap, are not as many as counted or leave "
                                "the table's interval");
    return 0;
}

static int read_checks(const struct lk_footer *footer, const struct lk_buf *tail, uint32_t **out)
{
    uint32_t *checks = lk_alloc((size_t)footer->check_count * sizeof *checks);
    if (checks == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room for the checksums of table %u", footer->number);
    for (uint32_t i = 0; i < footer->check_count; i++)
        checks[i] = lk_load32(tail->at + (size_t)i * 4);
    *out = checks;
    return 0;
}

static int read_properties(struct lk_table *table, const struct lk_buf *tail)
{
    const struct lk_footer *footer = &table->footer;
    const uint8_t *at = tail->at + (size_t)footer->check_count * 4;
    struct lk_slice min = lk_slice(at, footer->key_min_bytes);
    struct lk_slice max = lk_slice(at + min.len, footer->key_max_bytes);

    const char *wrong = keys_wrong(&table->meta, footer, min, max);
    if (wrong)
        return lk_table_corrupt(table, footer->checks_at + (uint64_t)footer->check_count * 4, wrong);
    const uint8_t *ranges = max.at + max.len, *uses = ranges + footer->range_bytes, *miles = uses + footer->use_bytes;
    int rc = read_ranges(table, ranges, uses);
    if (rc == 0)
        rc = lk_value_uses_get(&table->uses, uses, footer->use_bytes);
    if (rc > 0)
        return lk_table_corrupt(table, uses_at(footer), "the list of value segments is damaged");
    return rc < 0 ? rc : lk_table_read_milestones(table, miles, miles + footer->milestone_bytes);
}

/* ---- open ----------------------------------------------------------------------------------- */

static int attach(struct lk_table *table, struct lk_cache *cache, const struct lk_buf *tail, int mapped)
{
    const struct lk_footer *footer = &table->footer;
    uint32_t *checks = NULL;
    int rc = read_checks(footer, tail, &checks);
    if (rc == 0)
        rc = lk_granules_open(&table->granules, cache, table->file, table->name, footer->identity, footer->checks_at,
                              checks, mapped);
    if (rc < 0)
        return rc;

    const uint8_t *base = table->granules.base;
    table->granules.index_from = (uint32_t)(footer->fences_at >> LK_GRANULE_SHIFT);
    table->granules.env->ops->will_read(table->file, LK_AT_RANDOM);
    if (table->granules.mapped) /* its lines, which every get looks at first */
        table->env->ops->map_hot(table->env, (void *)(uintptr_t)(base + footer->lines_at),
                                 footer->checks_at - footer->lines_at);
    const uint64_t *heads = (const uint64_t *)(const void *)(base + footer->fences_at);
    table->fences =
        (struct lk_fences){heads, (const uint32_t *)(const void *)(heads + footer->fence_count), footer->fence_count};
    table->lines = (const struct lk_line *)(const void *)(base + footer->lines_at);
    table->line_count = footer->line_count;
    table->pages_end = (uint32_t)footer->pages_end;
    table->raw_end = lk_footer_filtered(footer) ? LK_TABLE_FILTERED : footer->codec ? 0 : table->pages_end;
    table->reach = footer->records ? (uint32_t)(2 * (footer->payload / footer->records) + LK_RECORD_HEAD_MAX) : 0;
    table->head_min = footer->records ? lk_head(table->meta.key_min, 0) : 1;
    table->head_max = footer->records ? lk_head(table->meta.key_max, 0) : 0;
    table->head_lo = lk_head(table->meta.lo, 0);
    return 0;
}

static int check_seed(const struct lk_table *table)
{
    if (table->footer.hash_a == table->seed.a && table->footer.hash_b == table->seed.b)
        return 0;
    return lk_fail(LSMKV_FORMAT, "%s: the table was made for another store: its hash seed differs", table->name);
}

static int check_codec(const struct lk_table *table)
{
    uint32_t codec = table->footer.codec;
    if (lk_pack_version(codec))
        return 0;
    return lk_fail(LSMKV_FORMAT,
                   "%s: its pages are packed with %s, which this build of lsmkv was made without; the file was not "
                   "changed: open the store with a build that has it",
                   table->name, lk_pack_name(codec));
}

static int load(struct lk_table *table, struct lk_cache *cache, int mapped)
{
    struct lk_buf tail = {0};
    uint64_t bytes = 0;
    int rc = lk_io_size(table->env, table->file, table->name, &bytes);

    if (rc == 0 && bytes != table->meta.bytes)
        rc = lk_fail_corrupt(table->name, bytes < table->meta.bytes ? bytes : table->meta.bytes,
                             "%s: the file has %llu bytes, the manifest says %llu: " CLOSED, table->name,
                             (unsigned long long)bytes, (unsigned long long)table->meta.bytes);
    if (rc == 0)
        rc = lk_table_read_tail(table->env, table->file, table->name, bytes, &table->footer, &tail);
    if (rc == 0) {
        const char *wrong = meta_wrong(&table->meta, &table->footer);
        rc = wrong ? lk_table_corrupt(table, bytes - LK_FOOTER, wrong) : check_seed(table);
        if (rc == 0)
            rc = check_codec(table);
    }
    if (rc == 0)
        rc = read_properties(table, &tail);
    if (rc == 0)
        rc = attach(table, cache, &tail, mapped);
    lk_buf_deinit(&tail);
    return rc;
}

/* Give back everything but the file's name on the disk. */
static void release(struct lk_table *table)
{
    if (table->granules.state)
        lk_granules_close(&table->granules);
    if (table->file)
        (void)table->env->ops->close(table->file); /* nothing was written through it */
    lk_ranges_deinit(&table->ranges);
    lk_values_release_uses(&table->uses);
    lk_free(table->milestones);
    lk_table_meta_deinit(&table->meta);
    lk_free(table);
}

/* That it is not there is damage, and no word about the store as a whole. */
static int open_file(struct lk_table *table)
{
    int rc = lk_io_open(table->env, table->dir, table->name, LK_OPEN_READ, 0, &table->file);
    if (rc == LSMKV_IO && lk_error()->os_errno == ENOENT)
        rc = lk_fail_corrupt(table->name, 0,
                             "%s is missing, and the manifest names it: without it the store cannot be opened; put "
                             "that file back, or restore a backup, then run `lsmkv verify`",
                             table->name);
    return rc;
}

int lk_table_open(struct lk_env *env, struct lk_dir *dir, const struct lk_table_meta *meta, struct lk_hash_seed seed,
                  struct lk_cache *cache, int mapped, struct lk_table **out)
{
    struct lk_table *table = lk_alloc_aligned(64, sizeof *table);

    *out = NULL;
    if (table == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room to open table %u", meta->number);
    memset(table, 0, sizeof *table);
    table->env = env;
    table->dir = dir;
    table->seed = seed;
    atomic_init(&table->references, 1);
    lk_file_name(table->name, LK_FILE_TABLE, meta->number);

    int rc = lk_table_meta_copy(&table->meta, meta);
    atomic_init(&table->shadowed, meta->shadowed);
    if (rc == 0)
        rc = open_file(table);
    if (rc == 0)
        rc = load(table, cache, mapped);
    if (rc < 0) {
        release(table);
        return rc;
    }
    *out = table;
    return 0;
}

/* ---- users ---------------------------------------------------------------------------------- */

void lk_table_ref(struct lk_table *table)
{
    atomic_fetch_add_explicit(&table->references, 1, memory_order_relaxed);
}

/* The last one out removes the file of an obsolete table. A failure leaves a file that nobody names;
 * the next open removes or sets it aside. */
void lk_table_unref(struct lk_table *table)
{
    if (atomic_fetch_sub_explicit(&table->references, 1, memory_order_acq_rel) != 1)
        return;
    if (atomic_load_explicit(&table->obsolete, memory_order_relaxed)) {
        lk_env_note(table->env, LK_NOTE_REMOVE, table->meta.number, 0);
        (void)table->env->ops->remove(table->dir, table->name);
    }
    lk_held_end(&table->held);
    release(table);
}
