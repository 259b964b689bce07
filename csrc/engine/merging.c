/* merging: the version that a step of a merge leads to. */
#include "engine/merging.h"

#include "engine/install.h"
#include "util/alloc.h"

struct next_version {
    struct lk_run **runs;      /* owned array; [fresh_from, fresh_to) are owned references */
    uint32_t count, fresh_from, fresh_to;
    struct lk_table **dropped; /* owned array of borrowed */
    uint32_t dropped_count;
};

static int is_behind(const struct lk_merging *merging, const struct lk_table *table)
{
    if (merging->moved && table == merging->movable)
        return 1; /* though its old interval may reach further: no record of it does */
    return merging->ended || (!table->meta.hi_open && lk_compare(table->meta.hi, lk_buf_slice(&merging->next)) <= 0);
}

/* What is left of an input. Its tables that lie wholly behind the bound are dropped. */
static int shrink_input(const struct lk_merging *merging, const struct lk_run *run, struct next_version *made)
{
    uint32_t behind = 0;

    while (behind < run->count && is_behind(merging, run->tables[behind])) {
        if (!merging->moved || run->tables[behind] != merging->movable)
            made->dropped[made->dropped_count++] = run->tables[behind];
        behind++;
    }
    if (merging->ended)
        return 0;
    struct lk_run *left = lk_run_new(run->id, run->tables + behind, run->count - behind, merging->output_id,
                                     lk_buf_slice(&merging->next));
    if (!left)
        return LSMKV_NOMEM;
    made->runs[made->count++] = left;
    return 0;
}

/* The output with its new table at the end. A merge of which nothing survived has none. */
static int grow_output(const struct lk_merging *merging, struct next_version *made)
{
    uint32_t before = merging->output ? merging->output->count : 0, added = merging->rewrite.table_count;

    if (before + added == 0)
        return 0;
    struct lk_table **tables = lk_alloc((before + added) * sizeof *tables);
    if (!tables)
        return LSMKV_NOMEM;
    for (uint32_t i = 0; i < before; i++)
        tables[i] = merging->output->tables[i];
    for (uint32_t i = 0; i < added; i++)
        tables[before + i] = merging->rewrite.tables[i];
    struct lk_run *run = lk_run_new(merging->output_id, tables, before + added, 0, lk_slice("", 0));
    lk_free(tables);
    if (!run)
        return LSMKV_NOMEM;
    made->runs[made->count++] = run;
    return 0;
}

static int make_version(const struct lk_merging *merging, struct next_version *made)
{
    struct lk_run *const *runs = merging->version->runs;
    uint32_t after = merging->last + 1 + (merging->output != NULL), tables = 0;
    int rc = 0;

    for (uint32_t i = merging->first; i <= merging->last; i++)
        tables += runs[i]->count;
    made->runs = lk_alloc((merging->version->run_count + 1) * sizeof *made->runs);
    made->dropped = lk_alloc((tables + 1) * sizeof *made->dropped);
    if (!made->runs || !made->dropped)
        return LSMKV_NOMEM;
    while (made->count < merging->first) {
        made->runs[made->count] = runs[made->count];
        made->count++;
    }
    made->fresh_from = made->fresh_to = made->count;
    for (uint32_t i = merging->first; rc == 0 && i <= merging->last; i++)
        rc = shrink_input(merging, runs[i], made);
    if (rc == 0)
        rc = grow_output(merging, made);
    made->fresh_to = made->count;
    for (uint32_t i = after; rc == 0 && i < merging->version->run_count; i++)
        made->runs[made->count++] = runs[i];
    return rc;
}

int lk_merging_install(const struct lk_merging *merging)
{
    struct next_version made = {0};
    int rc = make_version(merging, &made);

    if (rc < 0) {
        lk_fail(rc, "memory ran out before a merge could be installed");
    } else {
        if (!merging->output)
            merging->db->run_id_next++;
        rc = lk_install(merging->db, &(struct lk_change){.runs = made.runs,
                                                         .run_count = made.count,
                                                         .added = merging->rewrite.tables,
                                                         .added_count = merging->rewrite.table_count,
                                                         .dropped = made.dropped,
                                                         .dropped_count = made.dropped_count,
                                                         .moved = merging->moved ? merging->movable : NULL});
    }
    for (uint32_t i = made.fresh_from; i < made.fresh_to; i++)
        lk_run_unref(made.runs[i]);
    lk_free(made.runs);
    lk_free(made.dropped);
    return rc;
}
