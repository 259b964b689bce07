/* namespace: the catalog read and written. See engine/namespace.h. */
#include "engine/namespace.h"

#include <stdio.h>

#include "engine/events.h"
#include "engine/read.h"
#include "engine/scan.h"
#include "engine/write.h"
#include "format/catalog.h"
#include "util/alloc.h"

/* A name's key in the catalog; "" is that of the next number. */
struct key {
    uint8_t at[LK_SPACE_PREFIX_BYTES + LSMKV_NAME_MAX];
    size_t len;
};

static struct lk_slice key_of(struct lk_slice name, struct key *key)
{
    key->len = lk_space_prefix(LK_SPACE_CATALOG, name.at, name.len, key->at);
    if (name.len)
        memcpy(key->at + key->len, name.at, name.len);
    key->len += name.len;
    return lk_slice(key->at, key->len);
}

/* How much of a name goes into a text. */
static int shown(struct lk_slice name)
{
    return name.len < 64 ? (int)name.len : 64;
}

static int damaged(const struct lk_db *db, struct lk_slice name)
{
    return lk_fail_corrupt("", 0,
                           "%s: what the catalog says about namespace \"%.*s\" is damaged; `lsmkv verify` names the "
                           "place, other namespaces stay readable",
                           db->path, shown(name), (const char *)name.at);
}

/* *entry borrows from *bytes. 0, NOTFOUND or a failure. */
static int find(struct lk_db *db, struct lk_slice name, struct lk_buf *bytes, struct lk_catalog_entry *entry)
{
    struct key key;
    int rc = lk_read_copy(db, NULL, key_of(name, &key), bytes);
    if (rc == 0 && lk_catalog_get(lk_buf_slice(bytes), entry) < 0)
        rc = damaged(db, name);
    return rc;
}

static int next_id(struct lk_db *db, uint32_t *next)
{
    struct lk_buf bytes = {0};
    struct key key;
    int rc = lk_read_copy(db, NULL, key_of(lk_text(""), &key), &bytes);
    *next = LK_SPACE_CATALOG + 1;
    if (rc == 0 && lk_catalog_next_get(lk_buf_slice(&bytes), next) < 0)
        rc = damaged(db, lk_text(""));
    lk_buf_deinit(&bytes);
    if (rc == LSMKV_NOTFOUND)
        rc = 0; /* this is the first one */
    if (rc == 0 && *next >= LK_SPACE_DEFAULT)
        rc = lk_fail(LSMKV_FULL, "%s has given out all numbers for namespaces: nothing was made", db->path);
    return rc;
}

/* ---- making ----------------------------------------------------------------------------------- */

static int add_next(struct lk_batch *batch, uint32_t next)
{
    uint8_t value[LK_CATALOG_NEXT_BYTES];
    struct key key;
    lk_catalog_next_put(value, next);
    return lk_batch_add(
        batch,
        &(struct lk_record){.flags = LK_PUT, .key = key_of(lk_text(""), &key), .value = lk_slice(value, sizeof value)});
}

static int add_name(struct lk_batch *batch, struct lk_slice name, const struct lk_buf *value)
{
    struct key key;
    return lk_batch_add(batch,
                        &(struct lk_record){.flags = LK_PUT, .key = key_of(name, &key), .value = lk_buf_slice(value)});
}

/* Give out a number and write the record; *bytes and *entry become what find would yield. */
static int make(struct lk_db *db, const struct lk_namespace_wish *wish, struct lk_buf *bytes,
                struct lk_catalog_entry *entry)
{
    const struct lk_codec_names *codecs = &wish->codecs;
    struct lk_batch batch = {0};
    *entry = (struct lk_catalog_entry){.ttl_ms = wish->ttl_ms,
                                       .key_codec = lk_text(codecs->key ? codecs->key : LK_CODEC_NAME_DEFAULT),
                                       .value_codec = lk_text(codecs->value ? codecs->value : LK_CODEC_NAME_DEFAULT)};
    int rc = next_id(db, &entry->id);
    if (rc == 0)
        rc = lk_catalog_put(bytes, entry);
    if (rc == 0)
        rc = add_next(&batch, entry->id + 1);
    if (rc == 0)
        rc = add_name(&batch, wish->name, bytes);
    if (rc == 0)
        rc = lk_write_batch(db, &batch, db->options.durability == LSMKV_SYNC_ALWAYS, NULL);
    lk_batch_deinit(&batch);
    if (rc == 0)
        lk_event(db, "namespace", "\"%.*s\" made, number %u", shown(wish->name), (const char *)wish->name.at,
                 entry->id);
    return rc;
}

/* ---- opening ---------------------------------------------------------------------------------- */

static int agree(const struct lk_namespace_wish *wish, const struct lsmkv *handle)
{
    char what[96];
    snprintf(what, sizeof what, "namespace \"%.*s\"", shown(wish->name), (const char *)wish->name.at);
    return lk_codec_names_agree(what, &(struct lk_codec_names){handle->key_codec, handle->value_codec}, &wish->codecs);
}

static int open_entry(struct lsmkv *through, const struct lk_namespace_wish *wish, const struct lk_catalog_entry *entry,
                      struct lsmkv **out)
{
    int rc = lk_handle_share(through, entry, out);
    if (rc == 0)
        rc = agree(wish, *out);
    if (rc != 0 && *out) {
        struct lsmkv_error saved = *lk_error();
        (void)lk_handle_end(*out); /* not the last one: `through` is open */
        lk_error_restore(&saved);
        *out = NULL;
    }
    return rc;
}

int lk_namespace_open(struct lsmkv *through, const struct lk_namespace_wish *wish, struct lsmkv **out)
{
    struct lk_db *db = through->db;
    struct lk_buf bytes = {0};
    struct lk_catalog_entry entry;
    lk_mutex_lock(&db->namespace_mutex);
    int rc = find(db, wish->name, &bytes, &entry);
    if (rc == LSMKV_NOTFOUND && wish->make)
        rc = make(db, wish, &bytes, &entry);
    if (rc == 0)
        rc = open_entry(through, wish, &entry, out);
    lk_mutex_unlock(&db->namespace_mutex);
    lk_buf_deinit(&bytes);
    return rc;
}

/* ---- dropping --------------------------------------------------------------------------------- */

static int erase(struct lk_db *db, struct lk_slice name, uint32_t id, int sync)
{
    uint8_t start[LK_SPACE_PREFIX_BYTES], stop[LK_SPACE_PREFIX_BYTES];
    struct lk_batch batch = {0};
    struct key key;
    int rc = lk_batch_add(&batch, &(struct lk_record){.flags = LK_RANGE_DELETE,
                                                      .key = lk_slice(start, lk_space_start(id, start)),
                                                      .value = lk_slice(stop, lk_space_stop(id, stop))});
    if (rc == 0)
        rc = lk_batch_add(&batch, &(struct lk_record){.flags = LK_DELETE, .key = key_of(name, &key)});
    if (rc == 0)
        rc = lk_write_batch(db, &batch, sync, NULL);
    lk_batch_deinit(&batch);
    if (rc == 0)
        lk_event(db, "namespace", "\"%.*s\" dropped, number %u", shown(name), (const char *)name.at, id);
    return rc;
}

int lk_namespace_drop(struct lsmkv *through, struct lk_slice name, int sync)
{
    struct lk_db *db = through->db;
    struct lk_buf bytes = {0};
    struct lk_catalog_entry entry;
    lk_mutex_lock(&db->namespace_mutex);
    int rc = find(db, name, &bytes, &entry);
    if (rc == 0) {
        lk_handle_close_space(db, entry.id);
        rc = erase(db, name, entry.id, sync);
    }
    lk_mutex_unlock(&db->namespace_mutex);
    lk_buf_deinit(&bytes);
    return rc;
}

/* ---- listing ---------------------------------------------------------------------------------- */

/* A string behind what is filled already; the byte after it. */
static uint8_t *put_text(uint8_t *to, struct lk_slice from)
{
    if (from.len)
        memcpy(to, from.at, from.len);
    to[from.len] = 0;
    return to + from.len + 1;
}

/* One block a namespace: name, key codec, value codec. */
static int describe(struct lk_slice name, const struct lk_catalog_entry *entry, struct lsmkv_namespace_info *info)
{
    uint8_t *block = lk_alloc(name.len + entry->key_codec.len + entry->value_codec.len + 3);
    if (!block)
        return lk_fail(LSMKV_NOMEM, "memory ran out while namespaces were listed");
    uint8_t *key_codec = put_text(block, name), *value_codec = put_text(key_codec, entry->key_codec);
    put_text(value_codec, entry->value_codec);
    *info = (struct lsmkv_namespace_info){.name = {block, name.len},
                                          .key_codec = (const char *)key_codec,
                                          .value_codec = (const char *)value_codec,
                                          .ttl_ms = entry->ttl_ms,
                                          .id = entry->id};
    return 0;
}

struct listing {
    struct lsmkv_namespace_info *at; /* owned */
    size_t count, cap;
};

static int add(struct lk_db *db, struct listing *listing, const struct lsmkv_pair *pair)
{
    struct lk_slice name =
        lk_slice((const uint8_t *)pair->key.data + LK_SPACE_PREFIX_BYTES, pair->key.size - LK_SPACE_PREFIX_BYTES);
    struct lk_catalog_entry entry;
    if (lk_catalog_get(lk_slice(pair->value.data, pair->value.size), &entry) < 0)
        return damaged(db, name);
    if (listing->count == listing->cap) {
        size_t cap = listing->cap ? 2 * listing->cap : 16;
        void *more = lk_realloc(listing->at, cap * sizeof *listing->at);
        if (!more)
            return lk_fail(LSMKV_NOMEM, "memory ran out while namespaces were listed");
        listing->at = more;
        listing->cap = cap;
    }
    int rc = describe(name, &entry, &listing->at[listing->count]);
    listing->count += rc == 0;
    return rc;
}

static int walk(struct lk_db *db, struct lk_scan *scan, struct listing *listing)
{
    struct lsmkv_pair pairs[16];
    size_t count = 0;
    int rc = 0;
    while (rc == 0 && (rc = lk_scan_begin(scan, 1, 16, 1 << 16, pairs, &count)) == 0) {
        for (size_t i = 0; rc == 0 && i < count; i++)
            rc = add(db, listing, &pairs[i]);
        lk_scan_end(scan);
    }
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}

int lk_namespace_list(struct lk_db *db, struct lsmkv_namespace_info **out, size_t *count)
{
    uint8_t start[LK_SPACE_PREFIX_BYTES], stop[LK_SPACE_PREFIX_BYTES];
    struct lsmkv_range range = {.has_start = 1, .has_stop = 1, .exclude_start = 1}; /* which is the next number */
    struct listing listing = {0};
    struct lk_scan *scan = NULL;
    range.start = (struct lsmkv_slice){start, lk_space_start(LK_SPACE_CATALOG, start)};
    range.stop = (struct lsmkv_slice){stop, lk_space_stop(LK_SPACE_CATALOG, stop)};
    int rc = lk_scan_new(db, NULL, &range, &scan);
    if (rc == 0)
        rc = walk(db, scan, &listing);
    struct lsmkv_error saved = *lk_error();
    lk_scan_free(scan);
    lk_error_restore(&saved);
    if (rc < 0) {
        lsmkv_namespaces_free(listing.at, listing.count);
        return rc;
    }
    *out = listing.at;
    *count = listing.count;
    return 0;
}
