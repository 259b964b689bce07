/* move: a table that a merge can take over as it is. No byte of it is read or written: the edit drops it from its run
 * and adds it to the output, under a new interval.
 *
 *      bound:    m                                   after the step: t
 *      run 3     |  |= T ====|        |####|         |                |####|
 *      run 2     |                 |####|            |             |####|
 *      run 9  |##|                                   |##|= T =======|           [m, t): to the next key of any input
 *
 * A table is movable when no other input has a table whose keys overlap its own, when no input deletes ranges, when
 * into the bottom it carries no tombstone and no expiry, when none of its values is to be moved elsewhere, and when it is not so small that writing it together with its
 * neighbours is the better bargain. All of that stands in memory. What lies before it is written by steps that end
 * where it begins. So runs that do not overlap, as a load in ascending order leaves them, are merged for a few edits.
 *
 * The table is opened anew, for the interval belongs to the opened table and versions in use go on with the old one.
 * Both are the same file; it leaves with whichever is dropped last, and it stays when the step fails. */
#include "engine/merging.h"

#include "store/table_writer.h"
#include "util/alloc.h"

enum { SMALL_PART = 4 }; /* a table below this part of a full one is written */

/* The first table of the run that has a key >= `key`; run->count: none. */
static uint32_t first_with(const struct lk_run *run, struct lk_slice key)
{
    uint32_t low = 0, high = run->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        const struct lk_table_meta *meta = &run->tables[middle]->meta;
        if (!meta->hi_open && lk_compare(meta->hi, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < run->count &&
           (run->tables[low]->meta.records == 0 || lk_compare(run->tables[low]->meta.key_max, key) < 0))
        low++;
    return low;
}

static int overlaps(const struct lk_run *run, const struct lk_table_meta *meta)
{
    uint32_t at = first_with(run, meta->key_min);
    return at < run->count && lk_compare(run->tables[at]->meta.key_min, meta->key_max) <= 0;
}

static int is_movable(const struct lk_merging *merge, uint32_t run, const struct lk_table *table)
{
    const struct lk_table_meta *meta = &table->meta;
    int bottom = merge->last + 1 + (merge->output != NULL) == merge->version->run_count;

    if (meta->records == 0 || meta->range_deletes || meta->bytes * SMALL_PART < merge->db->options.table_bytes ||
        lk_compare(meta->key_min, merge->bound) < 0 || (bottom && (meta->tombstones || meta->expiring)))
        return 0;
    for (uint32_t i = 0; i < table->uses.count; i++)
        if (atomic_load(&table->uses.at[i].segment->chosen))
            return 0; /* its values are to go elsewhere */
    for (uint32_t i = merge->first; i <= merge->last; i++)
        if (i != run && overlaps(merge->version->runs[i], meta))
            return 0;
    return 1;
}

void lk_move_find(struct lk_merging *merge)
{
    merge->movable = NULL;
    for (uint32_t i = merge->first; i <= merge->last; i++)
        if (merge->version->runs[i]->ranges.count)
            return;
    for (uint32_t i = merge->first; i <= merge->last; i++) {
        const struct lk_run *run = merge->version->runs[i];
        for (uint32_t j = first_with(run, merge->bound); j < run->count; j++) {
            struct lk_table *table = run->tables[j];
            if (table->meta.records && merge->movable &&
                lk_compare(table->meta.key_min, merge->movable->meta.key_min) > 0)
                break;
            if (!is_movable(merge, i, table))
                continue;
            merge->movable = table;
            merge->movable_of = i;
            break;
        }
    }
}

int lk_move_is_next(const struct lk_merging *merge)
{
    for (uint32_t i = merge->first; merge->movable && i <= merge->last; i++) {
        const struct lk_run *run = merge->version->runs[i];
        uint32_t at = first_with(run, merge->bound);
        if (at < run->count && lk_compare(run->tables[at]->meta.key_min, merge->movable->meta.key_min) < 0)
            return 0;
    }
    return merge->movable != NULL;
}

/* The smallest key of any input behind the table; NULL: there is none. */
static const struct lk_slice *key_behind(const struct lk_merging *merge)
{
    const struct lk_slice *least = NULL, last = merge->movable->meta.key_max;

    for (uint32_t i = merge->first; i <= merge->last; i++) {
        const struct lk_run *run = merge->version->runs[i];
        uint32_t at = first_with(run, last);
        while (at < run->count && (run->tables[at]->meta.records == 0 || run->tables[at] == merge->movable))
            at++;
        if (at < run->count && (!least || lk_compare(run->tables[at]->meta.key_min, *least) < 0))
            least = &run->tables[at]->meta.key_min;
    }
    return least;
}

/* The account of the step has room for the one table it takes over. */
static int reserve(struct lk_rewrite *rewrite)
{
    rewrite->metas = lk_alloc_zero(sizeof *rewrite->metas);
    rewrite->tables = lk_alloc_zero(sizeof *rewrite->tables);
    rewrite->cap = 1;
    return rewrite->metas && rewrite->tables ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out before a table was moved");
}

int lk_move_take(struct lk_merging *merge)
{
    struct lk_db *db = merge->db;
    struct lk_rewrite *rewrite = &merge->rewrite;
    const struct lk_slice *behind = key_behind(merge);
    struct lk_table_meta meta = merge->movable->meta; /* its slices are the table's */
    int rc = behind ? lk_buf_copy(&merge->next, *behind) : 0;

    if (rc == 0 && rewrite->cap == 0)
        rc = reserve(rewrite);
    if (rc < 0)
        return rc;
    meta.run = merge->output_id;
    meta.shadowed = atomic_load(&merge->movable->shadowed);
    meta.lo = merge->bound;
    meta.hi_open = behind == NULL;
    meta.hi = behind ? *behind : lk_slice("", 0);
    rc = lk_table_meta_copy(&rewrite->metas[0], &meta);
    if (rc < 0)
        return rc;
    rewrite->borrowed = 1;
    rewrite->meta_count = 1;
    rc = lk_table_open(db->env, db->dir, &rewrite->metas[0], db->seed, &db->cache, db->map_tables, &rewrite->tables[0]);
    rewrite->table_count = rc == 0;
    if (rc == 0)
        rc = lk_values_attach(&db->values, &rewrite->tables[0]->uses, 0);
    merge->moved = rc == 0;
    merge->ended = behind == NULL;
    return rc;
}
