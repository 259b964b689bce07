/* visible: the reader's rule. Of the newest record of a key, is there anything to show?
 *
 *      time      ------------- expiry -------------->
 *      put       |################|.................|      # shown   . as if deleted
 *      put, no expiry   |###########################|
 *      delete           |...........................|
 *
 * A tombstone is an answer: it hides every older record of its key and shows nothing. An expired record is
 * a tombstone from the very nanosecond it names, so nothing older comes back through it. The reader brings
 * the time: the wall clock now, or the moment its snapshot was taken.
 *
 * The other half of the rule, that only the newest record counts and that newer range deletes hide it, is the
 * merge cursor's (store/merge.h) and, for single keys, the read path's. Pure: any thread. */
#ifndef LK_STORE_VISIBLE_H
#define LK_STORE_VISIBLE_H

#include "format/record.h"

static inline int lk_record_expired(const struct lk_record *record, uint64_t now_ns)
{
    return record->expiry != 0 && record->expiry <= now_ns;
}

/* 1: the record is a value to show. 0: its key is absent. */
static inline int lk_record_visible(const struct lk_record *record, uint64_t now_ns)
{
    return lk_record_kind(record) == LK_PUT && !lk_record_expired(record, now_ns);
}

#endif
