/* budget: what memory_bytes is divided into. Anonymous memory alone: pages of files are the system's.
 *
 *   memory_bytes   | a table under construction 1/4        | read source 3/8 | the log: what is left |
 *                  | 1/16 of it all: what is read for it |   ^ mapped tables: none
 *   the log        lines and key lists of the active segment and of L0, their orders, views over them, and the log
 *                  itself where it is not a mapped file
 *
 * One segment gets so much of the log's part that l0_segments can be flushed, orders and all, while writers fill as
 * many again; engine/pace.h slows writers down as the part fills, and stops them at its end. Only one flush or merge
 * runs at a time. Beside the budget stand what a caller asks for (a batch, a transaction, a copy of a value), 5 bytes for
 * each 4 KiB of tables, and what each thread that reads packed pages keeps. Pure: any thread. */
#ifndef LK_ENGINE_BUDGET_H
#define LK_ENGINE_BUDGET_H

#include "include/lsmkv.h"
#include "util/status.h"

#define LK_MEMORY_LEAST (4u << 20)

struct lk_budget {
    uint64_t writer;  /* a table under construction: its records' places and its lines */
    uint64_t sources; /* the windows of all that is merged into it */
    uint64_t cache;   /* the read source */
    uint64_t log;
    uint64_t segment; /* of that: lines and key list of one segment */
};

struct lk_budget lk_budget_of(const struct lsmkv_options *options, int map_tables);
/* Of one of so many sources: how much it reads at once, a multiple of 4 KiB. */
uint32_t lk_budget_window(const struct lk_budget *budget, uint32_t count);

#endif
