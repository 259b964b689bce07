/* lend: a value in place, for as long as a version is pinned.
 *
 *   where the record lies            pinned by the version, the bytes stay     lent
 *   segment: active, sealed, read    yes, until its memtable goes              in place
 *   table, mapped                    yes: verified granules never leave        in place
 *   table, read into the cache       no: granules are evicted                  a private copy
 *   table, mapped, packed page       no: it stands in the slot's scratch       a private copy
 *   value segment, mapped            yes: table or memtable hold it            in place, once verified
 *   value segment, read by calls     no                                        a private copy
 *
 * Closing the engine takes nothing away: it drops its own reference to the version, cuts log files behind their last
 * frame only, and removes names; mappings and anonymous memory go with the last reference. */
#ifndef LK_ENGINE_LEND_H
#define LK_ENGINE_LEND_H

#include "engine/read.h"

/* May wait. 0: *value lies in memory that at->version pins, or, when *copied, in *copy. NOTFOUND; a failure. */
LK_MUST_CHECK int lk_lend(struct lk_db *db, const struct lk_snapshot *at, struct lk_slice key, struct lk_slice *value,
                          struct lk_buf *copy, int *copied);

#endif
