/* run_source: a run as a source of a scan, from its bound on.
 *
 *   run into another    | moved already: keys below the bound |bound  what is left ... |
 *   clipped                                                   |  seeks, steps back and forth within this
 *
 * While its smaller keys have moved to another run, it is seen through `clipped`, which begins at the bound.
 * One thread at a time. */
#ifndef LK_ENGINE_RUN_SOURCE_H
#define LK_ENGINE_RUN_SOURCE_H

#include "engine/version.h"
#include "store/table_cursor.h"

struct lk_run_source {
    struct lk_run_cursor run;
    struct lk_cursor clipped;
    struct lk_slice bound; /* borrowed from the run */
};

/* The cursor to use, borrowed from *source. A version pins the run. streaming: reads of its own, past the cache.
 * source->run.cursor.ops->deinit ends it. */
struct lk_cursor *lk_run_source_open(struct lk_run_source *source, const struct lk_run *run, int streaming);

#endif
