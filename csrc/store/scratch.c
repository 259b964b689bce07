/* scratch: see store/scratch.h. */
#include "store/scratch.h"

#include "util/alloc.h"

void lk_scratch_deinit(struct lk_scratch *scratch)
{
    lk_free(scratch->at);
    lk_packer_deinit(&scratch->packer);
    *scratch = (struct lk_scratch){0};
}

int lk_scratch_room(struct lk_scratch *scratch, uint32_t bytes, uint32_t first, uint8_t **to)
{
    if (bytes > scratch->room - scratch->used) {
        if (scratch->used)
            return LSMKV_WOULDBLOCK;
        uint32_t room = bytes > first ? bytes : first;
        uint8_t *at = lk_alloc(room);
        if (!at)
            return lk_fail(LSMKV_NOMEM, "memory ran out: no room for an unpacked page of %u bytes", bytes);
        lk_free(scratch->at);
        scratch->at = at;
        scratch->room = room;
    }
    *to = scratch->at + scratch->used;
    return 0;
}
