/* tally: how many keys each namespace has, or by how many that has changed.
 *
 *      space       3    7    default        ascending; a namespace that is not named has 0
 *      keys       12   -1    1000000
 *
 * Keys of the engine's own catalog are not counted: nobody asks for them. A plain value: one thread at a time. */
#ifndef LK_ENGINE_TALLY_H
#define LK_ENGINE_TALLY_H

#include "format/space.h"
#include "util/status.h"

struct lk_tally_space {
    uint32_t space;
    int64_t keys;
};

struct lk_tally {
    struct lk_tally_space *at; /* owned */
    uint32_t count, cap, last; /* last: the one that was looked for last; keys of a namespace come together */
};

void lk_tally_deinit(struct lk_tally *tally); /* leaves an empty one */
/* 0 or NOMEM (unchanged). */
LK_MUST_CHECK int lk_tally_add(struct lk_tally *tally, uint32_t space, int64_t keys);
int64_t lk_tally_of(const struct lk_tally *tally, uint32_t space);
/* Add `times` times what `from` holds. 0 or NOMEM (unchanged). */
LK_MUST_CHECK int lk_tally_join(struct lk_tally *to, const struct lk_tally *from, int64_t times);

/* The same for the namespace of a stored key. */
LK_MUST_CHECK static inline int lk_tally_key(struct lk_tally *tally, struct lk_slice stored, int64_t keys)
{
    size_t prefix;
    uint32_t space = lk_space_of(stored, &prefix);
    return keys == 0 || space == LK_SPACE_CATALOG ? 0 : lk_tally_add(tally, space, keys);
}

#endif
