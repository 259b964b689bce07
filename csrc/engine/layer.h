/* layer: by how many keys the newest part of a state changes what lies below it.
 *
 *      layer    put a   put b   del c   del d                       range delete [x, z), older than put x
 *      below    -       put b   put c   -      put f                put x   put y
 *      change   +1      0       -1      0                           x: 0    y: -1
 *
 * So for each key of the layer: is it live in the layer, and was it below? Keys of the layer that its own range deletes cover
 * had better not be looked for below: a walk over those intervals below takes all of them away at once. When the interval is
 * a whole namespace and its number of keys is known, not even that.
 *
 * A layer is a stretch of a log segment, read from the log itself in its order, or a run. Lookups go in groups of sixteen,
 * on their way together. */
#ifndef LK_ENGINE_LAYER_H
#define LK_ENGINE_LAYER_H

#include "engine/walk.h"
#include "store/ranges.h"

enum { LK_LAYER_GROUP = 16 };

struct lk_layer {
    /* The caller's. */
    struct lk_db *db;
    struct lk_snapshot below;     /* borrowed version */
    const struct lk_tally *known; /* borrowed: the live keys below; NULL: not known */
    struct lk_tally *change;      /* borrowed: added to */
    struct lk_watch *watch;       /* borrowed; NULL: the caller is in an epoch slot, and nothing may wait */
    /* layer.c's. */
    const struct lk_ranges *ranges;
    struct lk_memtable *memtable; /* NULL: a run */
    uint64_t limit;
    struct lk_buf keys; /* owned: those of the group */
    struct lk_layer_key {
        size_t bytes;
        uint64_t hash;
        int above, below; /* live there? below WOULDBLOCK: bytes are missing */
    } group[LK_LAYER_GROUP];
    uint32_t count;
};

/* The frames in [from, to) of a segment, of which `below` sees what ends at `from`. 0; WOULDBLOCK without a watch; a
 * failure. What was added to *change is then worth nothing. */
LK_MUST_CHECK int lk_layer_log(struct lk_layer *layer, struct lk_memtable *memtable, uint64_t from, uint64_t to);
/* A run, from its bound on. Needs a watch. */
LK_MUST_CHECK int lk_layer_run(struct lk_layer *layer, const struct lk_run *run);

#endif
