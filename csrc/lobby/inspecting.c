/* inspecting: stats, levels, events, explain, features. */
#include "lobby/lobby.h"

#include <string.h>

#include "engine/inspect.h"
#include "store/pack.h"
#include "util/checksum.h"

int lsmkv_get_stats(lsmkv *db, struct lsmkv_stats *out)
{
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    lk_inspect_stats(db->db, out);
    lk_handle_leave(db);
    return 0;
}

int lsmkv_get_levels(lsmkv *db, struct lsmkv_level **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    rc = lk_inspect_levels(db->db, out, count);
    lk_handle_leave(db);
    return rc;
}

void lsmkv_levels_free(struct lsmkv_level *levels, size_t count)
{
    for (size_t i = 0; levels && i < count; i++) {
        lk_free((void *)levels[i].key_min.data);
        lk_free((void *)levels[i].key_max.data);
    }
    lk_free(levels);
}

int lsmkv_get_events(lsmkv *db, uint64_t from, struct lsmkv_event *out, size_t most, size_t *count)
{
    *count = 0;
    int rc = lk_handle_enter(db);
    if (rc != 0)
        return rc;
    *count = lk_inspect_events(db->db, from, out, most);
    lk_handle_leave(db);
    return 0;
}

int lsmkv_explain(lsmkv *db, const void *key, size_t key_bytes, struct lsmkv_probe *out, size_t most, size_t *count,
                  int *found)
{
    *count = 0;
    *found = 0;
    struct lk_lobby_key wanted;
    int rc = lk_lobby_key_take(db, key, key_bytes, &wanted);
    if (rc != 0)
        return rc;
    rc = lk_handle_enter(db);
    if (rc == 0) {
        rc = lk_inspect_explain(db->db, wanted.key, out, most, count, found);
        lk_handle_leave(db);
    }
    lk_lobby_key_drop(&wanted);
    return rc;
}

static const char *codecs(void)
{
    static const char *const names[] = {"raw", "raw, lz4", "raw, zstd", "raw, lz4, zstd"};
    return names[(lk_pack_version(LK_PACK_LZ4) != NULL) + 2 * (lk_pack_version(LK_PACK_ZSTD) != NULL)];
}

const char *lsmkv_feature(const char *name)
{
    if (strcmp(name, "version") == 0)
        return LSMKV_VERSION;
    if (strcmp(name, "checksum") == 0)
        return lk_checksum_kind();
    if (strcmp(name, "mapped") == 0)
        return "ext4, xfs, tmpfs, overlay over one of these";
    if (strcmp(name, "read") == 0)
        return "every file system";
    if (strcmp(name, "lz4") == 0)
        return lk_pack_version(LK_PACK_LZ4);
    if (strcmp(name, "zstd") == 0)
        return lk_pack_version(LK_PACK_ZSTD);
    if (strcmp(name, "codecs") == 0)
        return codecs();
#ifdef LSMKV_BUILD_STAMP
    if (strcmp(name, "build") == 0)
        return LSMKV_BUILD_STAMP;
#endif
    return NULL;
}
