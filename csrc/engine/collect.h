/* collect: garbage in value segments.
 *
 *      16.val  live  3 of 32 MiB    chosen: merges move its values      -> 21.val, and with its last reference it goes
 *      17.val  live 30 of 32 MiB    left
 *      20.val  being written        left
 *
 * Live is what tables and memtables of the present version refer to, and likely what will be left of it once records that
 * newer ones stand before have been merged away: each table knows how many of its records those are (engine/shadow.h), and
 * so large a part of every segment it refers to is taken for garbage. Which segments are chosen is remembered in memory
 * only. work_mutex held. */
#ifndef LK_ENGINE_COLLECT_H
#define LK_ENGINE_COLLECT_H

#include "engine/rewrite.h"

struct lk_value_facts {
    uint64_t files, bytes; /* of all that are open */
    uint64_t live;         /* what the present version refers to: of each file at most what it holds */
    uint64_t likely;       /* the same without what newer records stand before */
    uint64_t garbage;      /* likely garbage in those that could be emptied */
    uint64_t excess; /* bytes less likely, of those that the present version refers to: collecting makes it less */
};
/* Any thread, no lock held but perhaps work_mutex. All zero without value segments, or when memory ran out. */
void lk_collect_facts(struct lk_db *db, const struct lk_version *version, struct lk_value_facts *out);
/* One value segment that is open. */
struct lk_value_file {
    uint32_t number;
    uint64_t bytes, live; /* as above */
};
/* By number; *out is owned. 0 or NOMEM. Any thread, no lock or slot held. */
LK_MUST_CHECK int lk_collect_files(struct lk_db *db, const struct lk_version *version, struct lk_value_file **out,
                                   uint32_t *count);
/* Segments that the present version no longer refers to count as pinned until their readers let go; work_mutex held, so that
 * no value is on its way into a table. */
void lk_collect_held(struct lk_db *db, const struct lk_version *version);
/* Choose the segments with the largest share of garbage: until what is left of it is little, or emptying them writes a
 * good part of what is live, or as much as the tables of the version. What they hold stays twice until the merge ends. */
void lk_collect_choose(struct lk_db *db);

/* ---- move_value.c: what a merge or flush does with one record's value ---- */

/* End a table when so much was moved for it, so that a step stays short. */
enum { LK_MOVED_MOST = 64 << 20 };

struct lk_moved {
    struct lk_cursor cursor; /* the record as it is to be written; valid while this struct is */
    uint8_t reference[LK_REFERENCE];
};

/* Is its value large and inline, or in a chosen segment? */
int lk_move_wanted(struct lk_rewrite *rewrite, const struct lk_record *record);
/* Write the value to its new place. A value that cannot be read stays where it is: moved->cursor is then as given. */
LK_MUST_CHECK int lk_move(struct lk_rewrite *rewrite, struct lk_cursor *cursor, struct lk_moved *moved);
/* A table ends: what was moved counts as written in the background, to the last byte. */
void lk_move_pay(struct lk_rewrite *rewrite);

#endif
