/* slice: which there are, and which is next. See engine/slice.h. */
#include "engine/slice.h"

/* How far each run has been walked, and what has been met since the last slice ended. */
struct walk {
    const struct lk_version *version;
    uint32_t at[LK_SHAPE_RUNS]; /* of each run: the first table not in the slice */
    uint64_t bytes;
    double garbage;
};

/* Has the table nothing at `key` and after it? */
static int ends_before(const struct lk_table *table, struct lk_slice key)
{
    const struct lk_ranges *ranges = &table->ranges;
    const struct lk_interval *last = ranges->count ? &ranges->at[ranges->count - 1] : NULL;

    return (table->meta.records == 0 || lk_compare(table->meta.key_max, key) < 0) &&
           (!last || (!last->open_end && lk_compare(last->stop, key) <= 0));
}

/* Has it nothing before `key`? */
static int begins_at(const struct lk_table *table, struct lk_slice key)
{
    const struct lk_ranges *ranges = &table->ranges;

    return (table->meta.records == 0 || lk_compare(table->meta.key_min, key) >= 0) &&
           (!ranges->count || lk_compare(ranges->at[0].start, key) >= 0);
}

/* What is shadowed goes; so do the tombstones of the bottom. Of the bytes only pages count: what else is in a file is little,
 * unless the tables are tiny. */
static void add(struct walk *walk, const struct lk_table *table, int bottom)
{
    const struct lk_table_meta *meta = &table->meta;
    double bytes = meta->records ? (double)(table->pages_end - LK_TABLE_HEAD) : 0;
    uint64_t gone = atomic_load_explicit(&table->shadowed, memory_order_relaxed) + (bottom ? meta->tombstones : 0);

    walk->bytes += (uint64_t)bytes;
    if (meta->records)
        walk->garbage += bytes * (gone < meta->records ? (double)gone / (double)meta->records : 1);
}

/* Take in what run `index` has before `key` (NULL: all of it). 1: no table of it reaches across. */
static int walk_run(struct walk *walk, uint32_t index, const struct lk_slice *key)
{
    const struct lk_run *run = walk->version->runs[index];
    int bottom = index + 1 == walk->version->run_count;
    uint32_t *at = &walk->at[index];

    for (; *at < run->count && (!key || ends_before(run->tables[*at], *key)); ++*at)
        add(walk, run->tables[*at], bottom);
    return *at == run->count || begins_at(run->tables[*at], *key);
}

static void offer(const struct walk *walk, uint32_t from, uint32_t to, struct lk_shape *shape)
{
    shape->slices++;
    if (walk->bytes == 0 || walk->garbage * (double)shape->slice_bytes < shape->slice_garbage * (double)walk->bytes)
        return;
    shape->slice_from = from;
    shape->slice_to = to;
    shape->slice_bytes = walk->bytes;
    shape->slice_garbage = walk->garbage;
}

void lk_slice_find(const struct lk_version *version, uint64_t least, uint64_t most, struct lk_shape *shape)
{
    struct walk walk = {.version = version};
    const struct lk_run *bottom = version->run_count ? version->runs[version->run_count - 1] : NULL;
    uint32_t from = 0;

    for (uint32_t i = 0; bottom && version->run_count <= LK_SHAPE_RUNS && i < bottom->count; i++) {
        const struct lk_slice *hi = bottom->tables[i]->meta.hi_open ? NULL : &bottom->tables[i]->meta.hi;
        int whole = 1;
        for (uint32_t j = 0; j < version->run_count; j++)
            whole &= walk_run(&walk, j, hi);
        if (!whole || (walk.bytes < least && i + 1 < bottom->count))
            continue;
        if (walk.bytes <= most)
            offer(&walk, from, i + 1, shape);
        walk.bytes = 0;
        walk.garbage = 0;
        from = i + 1;
    }
}
