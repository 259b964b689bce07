/* namespaces: key spaces of their own in one store. */
#include "engine/namespace.h"
#include "format/catalog.h"
#include "lobby/lobby.h"

static int check_name(struct lk_slice name)
{
    return lk_catalog_name_sound(name)
               ? 0
               : lk_fail(LSMKV_INVALID, "the name of a namespace is 1 to %u bytes without a NUL; this one has %zu",
                         LSMKV_NAME_MAX, name.len);
}

static int check_options(const struct lsmkv_namespace_options *options)
{
    if (options->struct_bytes != sizeof *options)
        return lk_fail(LSMKV_OPTIONS,
                       "the options of a namespace are %zu bytes, this build's are %zu: header and "
                       "library differ",
                       options->struct_bytes, sizeof *options);
    return lk_codec_names_check(&(struct lk_codec_names){options->key_codec, options->value_codec});
}

static int open_entered(lsmkv *through, const struct lk_namespace_wish *wish, lsmkv **out)
{
    struct lk_namespace_wish possible = *wish;
    possible.make &= !through->readonly;
    int rc = lk_namespace_open(through, &possible, out);
    return rc == LSMKV_NOTFOUND && wish->make ? lk_lobby_writable(through) : rc;
}

int lsmkv_namespace_open(lsmkv *db, const char *name, size_t name_bytes, const struct lsmkv_namespace_options *options,
                         lsmkv **out)
{
    static const struct lsmkv_namespace_options standard = {.struct_bytes = sizeof standard};
    lsmkv *through = NULL;
    *out = NULL;
    options = options ? options : &standard;
    struct lk_namespace_wish wish = {.name = lk_slice(name, name_bytes),
                                     .codecs = {options->key_codec, options->value_codec},
                                     .ttl_ms = options->ttl_ms,
                                     .make = options->create != 0};
    int rc = check_name(wish.name);
    if (rc == 0)
        rc = check_options(options);
    if (rc == 0)
        rc = lk_handle_enter_store(db, &through);
    if (rc != 0)
        return rc;
    return lk_handle_leave_store(db, through, open_entered(through, &wish, out));
}

int lsmkv_namespace_drop(lsmkv *db, const char *name, size_t name_bytes, int sync)
{
    struct lk_slice wanted = lk_slice(name, name_bytes);
    lsmkv *through = NULL;
    int rc = check_name(wanted);
    if (rc == 0)
        rc = lk_handle_enter_store(db, &through);
    if (rc != 0)
        return rc;
    rc = lk_lobby_writable(through);
    if (rc == 0)
        rc = lk_namespace_drop(through, wanted, lk_lobby_syncs(through, sync));
    return lk_handle_leave_store(db, through, rc);
}

int lsmkv_namespaces(lsmkv *db, struct lsmkv_namespace_info **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_namespace_list(db->db, out, count);
    lk_handle_leave(db);
    return rc;
}

void lsmkv_namespaces_free(struct lsmkv_namespace_info *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        lk_free((void *)list[i].name.data); /* the strings are in the same block */
    lk_free(list);
}
