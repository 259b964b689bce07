/* scratch: memory that unpacked pages stand in. Who owns it says how long they stay:
 *
 *   an epoch slot       what a lookup lends, until the slot is left (store/epoch.h); bounded, so that a lookup
 *                       which finds no room is answered like one whose bytes are not there: come again, waiting
 *   a table cursor      the present page, until the cursor moves to another one
 *   a call              what it does not show to anybody
 *
 * Zero-filled is empty. Several records may stand in one scratch, one behind the other: what was taken stays where
 * it is until `used` is set back to 0. One thread at a time. */
#ifndef LK_STORE_SCRATCH_H
#define LK_STORE_SCRATCH_H

#include "store/pack.h"

struct lk_scratch {
    uint8_t *at;         /* owned */
    uint32_t used, room; /* bytes that are taken; of all */
    struct lk_packer packer;
};

/* What a slot has room for: one page of any size behind a page's worth of records. */
enum { LK_SCRATCH_BYTES = 128 * 1024 };

void lk_scratch_deinit(struct lk_scratch *scratch);
/* Room for `bytes` behind what is used. 0 and *to; WOULDBLOCK when something is used and the room is too small
 * (nothing moves); NOMEM. The first room has at least `first` bytes. */
LK_MUST_CHECK int lk_scratch_room(struct lk_scratch *scratch, uint32_t bytes, uint32_t first, uint8_t **to);

#endif
