/* catalog: both pens of the drawing in format/catalog.h. */
#include "format/catalog.h"

#include "format/codec_name.h"

enum { FIXED = 12 }; /* id, ttl_ms */

int lk_catalog_name_sound(struct lk_slice name)
{
    return name.len > 0 && name.len <= LSMKV_NAME_MAX && !memchr(name.at, 0, name.len);
}

static int id_sound(uint32_t id)
{
    return id > LK_SPACE_CATALOG && id < LK_SPACE_DEFAULT;
}

static uint8_t *put_name(uint8_t *to, struct lk_slice name)
{
    to = lk_varint_put(to, (uint32_t)name.len);
    if (name.len)
        memcpy(to, name.at, name.len);
    return to + name.len;
}

int lk_catalog_put(struct lk_buf *out, const struct lk_catalog_entry *entry)
{
    size_t most = FIXED + 5 + entry->key_codec.len + 5 + entry->value_codec.len;
    int rc = lk_buf_reserve(out, most);
    if (rc < 0)
        return rc;
    uint8_t *at = out->at + out->len;
    lk_store32(at, entry->id);
    lk_store64(at + 4, entry->ttl_ms);
    at = put_name(at + FIXED, entry->key_codec);
    at = put_name(at, entry->value_codec);
    out->len = (size_t)(at - out->at);
    return 0;
}

/* The byte after the name; NULL when there is none. */
static const uint8_t *get_name(const uint8_t *at, const uint8_t *end, struct lk_slice *out)
{
    uint32_t bytes = 0;
    const uint8_t *after = lk_varint_get(at, end, &bytes);
    if (!after || (size_t)(after - at) != lk_varint_bytes(bytes) || (size_t)(end - after) < bytes)
        return NULL;
    *out = lk_slice(after, bytes);
    return lk_codec_name_sound(*out) ? after + bytes : NULL;
}

int lk_catalog_get(struct lk_slice value, struct lk_catalog_entry *out)
{
    const uint8_t *at = value.at, *end = value.at + value.len;
    struct lk_catalog_entry entry;
    if (value.len < FIXED)
        return -1;
    entry.id = lk_load32(at);
    entry.ttl_ms = lk_load64(at + 4);
    at = get_name(at + FIXED, end, &entry.key_codec);
    if (at)
        at = get_name(at, end, &entry.value_codec);
    if (at != end || !id_sound(entry.id))
        return -1;
    *out = entry;
    return 0;
}

void lk_catalog_next_put(uint8_t to[LK_CATALOG_NEXT_BYTES], uint32_t next)
{
    lk_store32(to, next);
}

int lk_catalog_next_get(struct lk_slice value, uint32_t *next)
{
    if (value.len != LK_CATALOG_NEXT_BYTES || lk_load32(value.at) <= LK_SPACE_CATALOG)
        return -1;
    *next = lk_load32(value.at);
    return 0;
}
