/* opening: options, open, close, destroy. */
#include "engine/engine.h"
#include "engine/open.h"
#include "lobby/lobby.h"

void lsmkv_options_init(struct lsmkv_options *options)
{
    *options = (struct lsmkv_options){.struct_bytes = sizeof *options,
                                      .flags = LSMKV_OPEN_CREATE,
                                      .durability = LSMKV_SYNC_INTERVAL,
                                      .sync_interval_ms = 1000,
                                      .threads = 2,
                                      .segment_bytes = 32u << 20,
                                      .table_bytes = 64u << 20,
                                      .page_bytes = 2048,
                                      .l0_segments = 3,
                                      .run_count = 8,
                                      .space_limit = 1.25,
                                      .memory_bytes = 44u << 20,
                                      .mode = 0700,
                                      .large_value_bytes = LSMKV_LARGE_NEVER};
}

int lsmkv_open(const char *path, const struct lsmkv_options *options, lsmkv **out)
{
    return lk_open_in(lk_env_posix(), path, options, out);
}

void lsmkv_release(lsmkv *db)
{
    if (!db)
        return;
    if (db->db->fork_generation == lk_fork_generation && !lsmkv_is_closed(db))
        (void)lsmkv_close(db);
    lk_handle_unref(db);
}

int lsmkv_is_closed(const lsmkv *db)
{
    return atomic_load(&db->state) != LK_HANDLE_OPEN;
}

void lsmkv_get_options(const lsmkv *db, struct lsmkv_options *out)
{
    *out = db->db->options;
    out->ttl_ms = db->ttl_ns / 1000000;
    out->key_codec = db->key_codec;
    out->value_codec = db->value_codec;
}

const char *lsmkv_key_codec(const lsmkv *db)
{
    return db->key_codec;
}

const char *lsmkv_value_codec(const lsmkv *db)
{
    return db->value_codec;
}

uint64_t lsmkv_wall_ns(const lsmkv *db)
{
    struct lk_env *env = db->db->env;
    return lk_handle_check(db) == 0 ? lk_wall_ns(db->db)
                                    : env->ops->wall_ns(env); /* the caller's ends with the engine */
}

int lsmkv_destroy(const char *path)
{
    return lk_destroy(lk_env_posix(), path);
}
