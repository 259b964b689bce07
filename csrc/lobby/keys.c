/* keys: the slow half of lk_lobby_key_in, and ranges: what a bound that nobody named means in a space. */
#include "lobby/lobby.h"

#include <string.h>

int lk_lobby_key_prefix(uint32_t space, const void *key, size_t key_bytes, struct lk_lobby_key *out)
{
    uint8_t prefix[LK_SPACE_PREFIX_BYTES], *to = out->small;
    size_t prefix_bytes = lk_space_prefix(space, key, key_bytes, prefix), bytes = prefix_bytes + key_bytes;

    if (bytes > sizeof out->small)
        to = out->large = lk_alloc(bytes);
    if (!to)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a key of %zu bytes was copied", key_bytes);
    memcpy(to, prefix, prefix_bytes);
    if (key_bytes)
        memcpy(to + prefix_bytes, key, key_bytes);
    out->key = lk_slice(to, bytes);
    return 0;
}

int lk_lobby_range_take(uint32_t space, const struct lsmkv_slice *start, const struct lsmkv_slice *stop,
                        struct lk_lobby_range *out)
{
    out->record = (struct lk_record){.flags = LK_RANGE_DELETE};
    out->stop.large = NULL;
    int rc = lk_lobby_key_in(space, start ? start->data : "", start ? start->size : 0, &out->start);
    if (rc == 0 && stop)
        rc = lk_lobby_key_in(space, stop->data, stop->size, &out->stop);
    else if (rc == 0)
        out->stop.key = lk_slice(out->stop.small, lk_space_stop(space, out->stop.small));
    if (rc != 0) {
        lk_lobby_key_drop(&out->start);
        return rc;
    }
    out->record.key = out->start.key;
    out->record.value = out->stop.key;
    return 0;
}

void lk_lobby_range_drop(struct lk_lobby_range *range)
{
    lk_lobby_key_drop(&range->start);
    lk_lobby_key_drop(&range->stop);
}
