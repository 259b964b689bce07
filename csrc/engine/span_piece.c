/* span_piece: tables written anew for one run, from clipped sources. See engine/span_parts.h. */
#include "engine/span_parts.h"
#include "util/alloc.h"

int lk_span_begin_piece(struct lk_span_parts *step, struct lk_span_piece *piece, uint32_t run, uint32_t sources)
{
    const struct lk_version *version = step->version;
    struct lk_rewrite *rewrite = &piece->rewrite;
    int rc = lk_rewrite_begin(rewrite, step->db, sources);

    piece->clips = lk_alloc_zero((sources + 1) * sizeof *piece->clips);
    piece->ranges = lk_alloc_zero((sources + 1) * sizeof *piece->ranges);
    if (rc == 0 && (!piece->clips || !piece->ranges))
        rc = lk_fail(LSMKV_NOMEM, "memory ran out before a range could be merged");
    rewrite->run = version->runs[run]->id;
    rewrite->older = version->runs + run + 1;
    rewrite->older_count = version->run_count - run - 1;
    return rc;
}

int lk_span_add_source(struct lk_span_piece *piece, const struct lk_run *run, struct lk_slice from,
                       const struct lk_slice *to)
{
    uint32_t index = piece->open_count;
    struct lk_rewrite *rewrite = &piece->rewrite;
    int rc = lk_ranges_clip(&run->ranges, from, to, &piece->ranges[index]);

    lk_clip_cursor_init(&piece->clips[index], run->tables, run->count, from, to);
    piece->clips[index].inner.inner.leaves = rewrite->leaves;
    piece->clips[index].inner.inner.window_most = lk_budget_window(&rewrite->db->budget, rewrite->source_count);
    piece->open_count++;
    rewrite->sources[index] =
        (struct lk_merge_source){.cursor = &piece->clips[index].cursor, .ranges = &piece->ranges[index]};
    lk_rewrite_note_age(rewrite, run);
    return rc;
}

int lk_span_write_piece(struct lk_span_piece *piece, struct lk_slice lo, const struct lk_slice *hi, int close)
{
    struct lk_buf bounds[2] = {{0}, {0}};
    int rc = lk_buf_copy(&bounds[0], lo), ended = 0;

    piece->rewrite.end = hi;
    lk_rewrite_seek(&piece->rewrite, lk_slice("", 0));
    for (unsigned turn = 0; rc == 0 && !ended; turn ^= 1)
        rc = lk_rewrite_table(&piece->rewrite, lk_buf_slice(&bounds[turn]), close || piece->rewrite.meta_count,
                              &bounds[turn ^ 1], &ended);
    lk_buf_deinit(&bounds[0]);
    lk_buf_deinit(&bounds[1]);
    if (rc == 0)
        rc = lk_rewrite_check(&piece->rewrite);
    return rc == 0 ? lk_rewrite_seal(&piece->rewrite) : rc;
}

void lk_span_end_piece(struct lk_span_piece *piece, int installed)
{
    if (!piece->clips && !piece->ranges && !piece->rewrite.sources)
        return;
    lk_rewrite_end(&piece->rewrite, installed);
    for (uint32_t i = 0; i < piece->open_count; i++) {
        piece->clips[i].cursor.ops->deinit(&piece->clips[i].cursor);
        lk_ranges_deinit(&piece->ranges[i]);
    }
    lk_free(piece->clips);
    lk_free(piece->ranges);
}

void lk_span_carry_shadowed(const struct lk_run *run, const struct lk_span_cut *cut, struct lk_rewrite *rewrite,
                            uint64_t gone)
{
    uint64_t shadowed = 0;

    for (uint32_t i = cut->from; i < cut->to; i++)
        shadowed += atomic_load(&run->tables[i]->shadowed);
    shadowed = shadowed > gone ? shadowed - gone : 0;
    for (uint32_t i = 0; i < rewrite->table_count; i++) {
        uint64_t records = rewrite->metas[i].records, here = shadowed < records ? shadowed : records;
        atomic_store(&rewrite->tables[i]->shadowed, here);
        shadowed -= here;
    }
}
