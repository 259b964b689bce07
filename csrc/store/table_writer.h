/* table_writer: makes one table file from records in key order.
 *
 *      add, add, ... -> pages -> 256 KiB buffer -> file        (checksums of granules on the way)
 *      finish: fences, lines (or, of small records, a filter), checks, properties, footer; sync
 *
 * One thread. Every function after a failure repeats the failure; abandon then removes the file. */
#ifndef LK_STORE_TABLE_WRITER_H
#define LK_STORE_TABLE_WRITER_H

#include "format/edit.h"
#include "os/env.h"
#include "store/cursor.h"
#include "store/ranges.h"
#include "util/hash.h"

struct lk_table_writer; /* owned by the caller of open, ended by finish or abandon */

struct lk_table_plan {
    struct lk_env *env;
    struct lk_dir *dir;
    uint32_t number, run, file_mode;
    uint64_t table_bytes; /* target */
    uint64_t memory_bytes; /* bounds the records of a table, 24 bytes each; 0: 1 M records, which is always the bound */
    uint32_t page_bytes;
    struct lk_hash_seed seed;
    uint32_t codec; /* enum lk_pack_codec */
    int leaves; /* pages of records leave memory when they are written */
    int sample; /* raw after all, when the first pages do not shrink by a quarter */
    /* A filter instead of lines, when records are smaller than this on the average (0: never), and at least so many. */
    uint32_t small_bytes, small_records;
};
/* Where lines would be an eighth of the table and more, and something worth saving. */
enum { LK_SMALL_BYTES = 48, LK_SMALL_RECORDS = 16 };

LK_MUST_CHECK int lk_table_writer_open(const struct lk_table_plan *plan, struct lk_table_writer **out);
/* Append cursor's current record (links and flags of a log are dropped, expiry is kept). Far values are
 * copied piece by piece. Keys must ascend: a breach is CORRUPT naming nothing on disk, and stops the merge. */
LK_MUST_CHECK int lk_table_writer_add(struct lk_table_writer *writer, struct lk_cursor *cursor);
/* 1 when the next add of `record_bytes` belongs into another table (full, or its position would pass
 * 26 bits, or 1 M records). Never before the first record. */
int lk_table_writer_full(const struct lk_table_writer *writer, uint64_t record_bytes);
uint64_t lk_table_writer_bytes(const struct lk_table_writer *writer); /* so far */
uint64_t lk_table_writer_records(const struct lk_table_writer *writer);
/* Complete the file: interval [lo, hi) (hi NULL: open), range deletes already clipped to it, LSNs of the
 * sources. Synced when this returns 0; the caller syncs the directory. meta's slices are owned by
 * the caller afterwards (lk_table_meta_deinit). Frees the writer on success; on failure abandon it. */
LK_MUST_CHECK int lk_table_writer_finish(struct lk_table_writer *writer, struct lk_slice lo, const struct lk_slice *hi,
                                         const struct lk_ranges *ranges, uint64_t lsn_min, uint64_t lsn_max,
                                         struct lk_table_meta *meta);
/* Remove the half-written file (best effort) and free. NULL is fine. */
void lk_table_writer_abandon(struct lk_table_writer *writer);

/* Copy *from with slices of its own (0, or NOMEM with *to unchanged), and give them back. In store/table_meta.c. */
LK_MUST_CHECK int lk_table_meta_copy(struct lk_table_meta *to, const struct lk_table_meta *from);
void lk_table_meta_deinit(struct lk_table_meta *meta);

#endif
