/* span_install: the version that a step of settling a range leads to. */
#include "engine/install.h"
#include "engine/span_parts.h"
#include "util/alloc.h"

/* The run with its pieces in the place of the tables that leave. *out NULL: nothing is left of it. */
static int run_after(const struct lk_span_parts *step, uint32_t index, struct lk_run **out)
{
    const struct lk_run *run = step->version->runs[index];
    const struct lk_span_cut *cut = &step->cuts[index - step->first];
    uint32_t count = 0, room = run->count;

    *out = NULL;
    for (uint32_t i = 0; i < cut->piece_count; i++)
        room += cut->pieces[i].rewrite.table_count;
    struct lk_table **tables = lk_alloc((room + 1) * sizeof *tables);
    if (!tables)
        return LSMKV_NOMEM;
    for (uint32_t i = 0; i < cut->from; i++)
        tables[count++] = run->tables[i];
    for (uint32_t i = 0; i < cut->piece_count; i++)
        for (uint32_t j = 0; j < cut->pieces[i].rewrite.table_count; j++)
            tables[count++] = cut->pieces[i].rewrite.tables[j];
    for (uint32_t i = cut->to; i < run->count; i++)
        tables[count++] = run->tables[i];
    if (count)
        *out = lk_run_new(run->id, tables, count, 0, lk_slice("", 0));
    lk_free(tables);
    return count == 0 || *out ? 0 : LSMKV_NOMEM;
}

struct lists {
    struct lk_run **runs;
    struct lk_table **added, **dropped; /* all three owned arrays; of the runs those of first..last are references */
    uint32_t run_count, fresh_from, fresh_to, added_count, dropped_count;
};

static int make_lists(const struct lk_span_parts *step, struct lists *lists)
{
    const struct lk_version *version = step->version;
    uint32_t added = 0, dropped = 0;
    int rc = 0;

    for (uint32_t i = 0; i <= step->last - step->first; i++) {
        dropped += step->cuts[i].to - step->cuts[i].from;
        for (uint32_t j = 0; j < step->cuts[i].piece_count; j++)
            added += step->cuts[i].pieces[j].rewrite.table_count;
    }
    lists->runs = lk_alloc((version->run_count + 1) * sizeof *lists->runs);
    lists->added = lk_alloc((added + 1) * sizeof *lists->added);
    lists->dropped = lk_alloc((dropped + 1) * sizeof *lists->dropped);
    if (!lists->runs || !lists->added || !lists->dropped)
        return LSMKV_NOMEM;
    for (uint32_t i = 0; i < step->first; i++)
        lists->runs[lists->run_count++] = version->runs[i];
    lists->fresh_from = lists->fresh_to = lists->run_count;
    for (uint32_t i = step->first; rc == 0 && i <= step->last; i++) {
        const struct lk_span_cut *cut = &step->cuts[i - step->first];
        struct lk_run *made = NULL;
        rc = run_after(step, i, &made);
        if (made)
            lists->runs[lists->run_count++] = made;
        lists->fresh_to = lists->run_count;
        for (uint32_t j = cut->from; j < cut->to; j++)
            lists->dropped[lists->dropped_count++] = version->runs[i]->tables[j];
        for (uint32_t j = 0; j < cut->piece_count; j++)
            for (uint32_t k = 0; k < cut->pieces[j].rewrite.table_count; k++)
                lists->added[lists->added_count++] = cut->pieces[j].rewrite.tables[k];
    }
    for (uint32_t i = step->last + 1; rc == 0 && i < version->run_count; i++)
        lists->runs[lists->run_count++] = version->runs[i];
    return rc;
}

int lk_span_install(const struct lk_span_parts *step)
{
    struct lists lists = {0};
    int rc = make_lists(step, &lists);

    if (rc < 0)
        lk_fail(rc, "memory ran out before a merged range could be installed");
    else
        rc = lk_install(step->db, &(struct lk_change){.runs = lists.runs,
                                                      .run_count = lists.run_count,
                                                      .added = lists.added,
                                                      .added_count = lists.added_count,
                                                      .dropped = lists.dropped,
                                                      .dropped_count = lists.dropped_count});
    for (uint32_t i = lists.fresh_from; i < lists.fresh_to; i++)
        lk_run_unref(lists.runs[i]);
    lk_free(lists.runs);
    lk_free(lists.added);
    lk_free(lists.dropped);
    return rc;
}
