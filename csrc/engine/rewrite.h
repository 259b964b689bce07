/* rewrite: sources in, new tables out. What flush and merge share.
 *
 *      cursors --merge--> newest records --drop rule--> survivors --writer--> table --open--> verified table
 *                 |                          |                                  |
 *                 range deletes of all sources, united and clipped -------------+   (not into the bottom)
 *
 * One table at a time; it ends at the first survivor that does not fit, whose key is the `next` table's first
 * and this one's upper end. So a table's interval ends where the next survivor begins, and what was dropped in
 * between belongs to the table before it.
 *
 * What lies above a bottom ends its tables where the bottom's end, as far as they do not become small by it, and a first run is
 * of small tables: so the key space falls into slices that can be merged one by one (engine/slice.h).
 *
 * Nothing depends on an output before lk_rewrite_seal: it syncs the directory and opens the tables, so that
 * what was written has been read back. Unless lk_rewrite_end is told that they were installed, the outputs'
 * files are removed.
 *
 * The account (a merge must not lose records): every record a source gives is met or stepped over (or leapt
 * over, where a range delete hides thousands: then at most so many), every record met is written or dropped,
 * every record written stands in a table. One thread, work_mutex held. */
#ifndef LK_ENGINE_REWRITE_H
#define LK_ENGINE_REWRITE_H

#include "engine/db.h"
#include "engine/shadow.h"
#include "store/merge.h"

enum { LK_LEAVING = 64 };

struct lk_rewrite {
    struct lk_db *db;                /* borrowed */
    /* What to do: the caller's, between begin and the first table. */
    struct lk_merge_source *sources; /* owned array, newest first; cursors and ranges are the caller's */
    uint32_t source_count;
    struct lk_run *const *older;     /* borrowed: the runs below the output. None: the output is the bottom */
    uint32_t older_count, run;       /* run: id of the output */
    uint64_t lsn_min, lsn_max;       /* of the sources */
    uint64_t written_ns;             /* the newest moment at which a source was written */
    struct lk_shadow *shadow;        /* borrowed: told of every key that is written; NULL: nobody */
    const struct lk_slice *stop;     /* borrowed: end the table before a key >= this; NULL: none */
    int leaves;                      /* the store is larger than memory: see beyond.h */
    int young;                       /* a flush: what it writes is soon written again */
    const struct lk_run
        *guide;      /* borrowed: the bottom, below the output; NULL: none. Tables end where its tables end */
    const struct lk_slice *end;      /* borrowed: where the last table's interval ends; NULL: the key space's end */
    uint64_t most;                   /* end the table before a further record when so many have been met */
    /* What was done. */
    struct lk_merge merge;
    uint64_t now_ns;                 /* the moment that decides about expiry: one for the whole job */
    uint64_t *met;                   /* owned: records met, by source */
    uint64_t seen;                   /* records looked at, the one that failed among them */
    uint64_t written, dropped, bytes_out;
    uint32_t guided;                 /* the table of the bottom at whose end the table under construction may end */
    uint64_t asked, paid; /* payload since the writer was asked; bytes of its table paid for (engine/rate.h) */
    struct lk_table_meta *metas; /* owned: the tables made, ascending */
    struct lk_table **tables; /* owned: the same, opened (lk_rewrite_seal) */
    uint32_t meta_count, table_count, cap;
    int borrowed;                    /* the one table is an old one taken over: its file stays, whatever happens */
    uint64_t began_ns;
    struct lk_value_uses moved;      /* owned: holds the segments that values were moved to */
    uint64_t moved_bytes;            /* for the table under construction */
    uint64_t moved_owed;             /* not told to engine/rate.h yet */
    uint64_t leaving[LK_LEAVING];    /* value segments asked for: number * 2, and 1 when it is to be emptied */
};

/* Room for source_count sources. 0 or NOMEM. lk_rewrite_end in either case. */
LK_MUST_CHECK int lk_rewrite_begin(struct lk_rewrite *rewrite, struct lk_db *db, uint32_t source_count);
/* Position the sources on the first key >= from. Before the first table. */
void lk_rewrite_seek(struct lk_rewrite *rewrite, struct lk_slice from);
/* Write one table from where the sources stand; its interval begins at lo (not in *next). No table is made when
 * nothing survives and there is no range delete to keep, unless `close` asks for one: then it closes a run that
 * ends too early. *ended: the sources are exhausted; otherwise *next is the first key that was left. */
LK_MUST_CHECK int lk_rewrite_table(struct lk_rewrite *rewrite, struct lk_slice lo, int close, struct lk_buf *next,
                                   int *ended);
/* The sources speak for the run's log positions and time too. */
void lk_rewrite_note_age(struct lk_rewrite *rewrite, const struct lk_run *run);
/* Records that source `index` gave so far: met or stepped over. */
uint64_t lk_rewrite_given(const struct lk_rewrite *rewrite, uint32_t index);
/* Does the account hold, and did source `index` give between least and most records? 0 or CORRUPT. */
LK_MUST_CHECK int lk_rewrite_check(const struct lk_rewrite *rewrite);
LK_MUST_CHECK int lk_rewrite_check_source(const struct lk_rewrite *rewrite, uint32_t index, uint64_t least,
                                          uint64_t most);
/* Make the outputs durable by name and open them. */
LK_MUST_CHECK int lk_rewrite_seal(struct lk_rewrite *rewrite);
/* Tell in *did what was done: records, bytes written, time. */
void lk_rewrite_report(const struct lk_rewrite *rewrite, struct lsmkv_step *did);
/* Give everything back. installed: the outputs are in a version (or may be in the manifest, when that failed);
 * otherwise their files are removed. Keeps lk_error. */
void lk_rewrite_end(struct lk_rewrite *rewrite, int installed);

#endif
