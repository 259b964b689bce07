/* space: both directions of the drawing in format/space.h. */
#include "format/space.h"

enum { OWN = 0x00, NAMED = 0x01, BEHIND = 0x02 };

static void store_id(uint8_t to[4], uint32_t id)
{
    to[0] = (uint8_t)(id >> 24);
    to[1] = (uint8_t)(id >> 16);
    to[2] = (uint8_t)(id >> 8);
    to[3] = (uint8_t)id;
}

static size_t named(uint8_t to[LK_SPACE_PREFIX_BYTES], uint32_t id)
{
    to[0] = LK_SPACE_ESCAPE;
    to[1] = NAMED;
    store_id(to + 2, id);
    return LK_SPACE_PREFIX_BYTES;
}

size_t lk_space_prefix(uint32_t space, const void *key, size_t key_bytes, uint8_t to[LK_SPACE_PREFIX_BYTES])
{
    if (space != LK_SPACE_DEFAULT)
        return named(to, space);
    if (key_bytes == 0 || *(const uint8_t *)key != LK_SPACE_ESCAPE)
        return 0;
    to[0] = LK_SPACE_ESCAPE;
    to[1] = OWN;
    return LK_SPACE_DEFAULT_BYTES;
}

uint32_t lk_space_of(struct lk_slice stored, size_t *prefix_bytes)
{
    const uint8_t *at = stored.at;
    *prefix_bytes = 0;
    if (stored.len == 0 || at[0] != LK_SPACE_ESCAPE)
        return LK_SPACE_DEFAULT;
    if (stored.len > LK_SPACE_DEFAULT_BYTES && at[1] == OWN) {
        *prefix_bytes = LK_SPACE_DEFAULT_BYTES;
        return LK_SPACE_DEFAULT;
    }
    if (stored.len >= LK_SPACE_PREFIX_BYTES && at[1] == NAMED) {
        uint32_t id = (uint32_t)at[2] << 24 | (uint32_t)at[3] << 16 | (uint32_t)at[4] << 8 | at[5];
        *prefix_bytes = id == LK_SPACE_DEFAULT ? stored.len : LK_SPACE_PREFIX_BYTES;
        return id == LK_SPACE_DEFAULT ? LK_SPACE_CATALOG : id;
    }
    *prefix_bytes = stored.len;
    return LK_SPACE_CATALOG;
}

size_t lk_space_start(uint32_t space, uint8_t to[LK_SPACE_PREFIX_BYTES])
{
    return space == LK_SPACE_DEFAULT ? 0 : named(to, space);
}

size_t lk_space_stop(uint32_t space, uint8_t to[LK_SPACE_PREFIX_BYTES])
{
    if (space != LK_SPACE_DEFAULT && space + 1 != LK_SPACE_DEFAULT)
        return named(to, space + 1);
    to[0] = LK_SPACE_ESCAPE;
    to[1] = space == LK_SPACE_DEFAULT ? NAMED : BEHIND;
    return 2;
}
