/* collect: garbage in value segments.
 *
 *      16.val  live  3 of 32 MiB    chosen: merges move its values      -> 21.val, and with its last reference it goes
 *      17.val  live 30 of 32 MiB    left
 *      20.val  being written        left
 *
 * Live is what tables and memtables of the present version refer to; a value whose newer version no merge has met yet
 * counts as live. Which segments are chosen is remembered in memory only. work_mutex held. */
#ifndef LK_ENGINE_COLLECT_H
#define LK_ENGINE_COLLECT_H

#include "engine/rewrite.h"

/* Bytes of value segments that nothing refers to, of those that are neither being written, nor chosen or damaged. */
uint64_t lk_collect_garbage(struct lk_db *db, const struct lk_version *version);
/* Choose the segments with the largest share of garbage, until what is left of it is little. */
void lk_collect_choose(struct lk_db *db);

/* Value bytes of all open segments, and live ones of the present version: for statistics. */
struct lk_value_facts {
    uint64_t files, bytes, live;
};
void lk_collect_facts(struct lk_db *db, const struct lk_version *version, struct lk_value_facts *out);

/* ---- move_value.c: what a merge or flush does with one record's value ---- */

/* End a table when so much was moved for it, so that a step stays short. */
enum { LK_MOVED_MOST = 64 << 20 };

struct lk_moved {
    struct lk_cursor cursor; /* the record as it is to be written; valid while this struct is */
    uint8_t reference[LK_REFERENCE];
};

/* Is its value large and inline, or in a chosen segment? */
int lk_move_wanted(struct lk_db *db, const struct lk_record *record);
/* Write the value to its new place. A value that cannot be read stays where it is: moved->cursor is then as given. */
LK_MUST_CHECK int lk_move(struct lk_rewrite *rewrite, struct lk_cursor *cursor, struct lk_moved *moved);

#endif
