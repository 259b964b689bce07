/* milestone: both pens of the drawing in format/milestone.h, and the search behind one. */
#include "format/milestone.h"

#include "format/space.h"

uint8_t *lk_milestone_put(uint8_t *to, uint32_t shared, uint32_t key_bytes)
{
    to = lk_varint_put(to, shared);
    return lk_varint_put(to, key_bytes);
}

const uint8_t *lk_milestone_get(const uint8_t *at, const uint8_t *end, struct lk_milestone *out)
{
    uint32_t bytes;
    at = lk_varint_get(at, end, &out->shared);
    if (at)
        at = lk_varint_get(at, end, &bytes);
    if (at == NULL || bytes > LK_KEY_MAX || out->shared > bytes || (size_t)(end - at) < bytes)
        return NULL;
    out->key = lk_slice(at, bytes);
    return at + bytes;
}

uint32_t lk_milestone_find(const struct lk_milestone *milestone, const struct lk_fences *fences, struct lk_slice key,
                           uint32_t *through)
{
    uint32_t shared = milestone->shared, last = fences->count - 1;
    size_t both = key.len < shared ? key.len : shared;
    int order = both ? memcmp(key.at, milestone->key.at, both) : 0;

    if (order == 0 && key.len >= shared)
        return lk_fences_find(fences, lk_head(key, shared), through);
    /* It shares less than all keys here do, and so is below or above them all. */
    *through = order > 0 ? last : 0;
    return *through;
}
