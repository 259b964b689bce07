/* views: values lent without a copy for as long as the caller likes. */
#include "engine/leave.h"
#include "engine/lend.h"
#include "lobby/lobby.h"

struct lsmkv_view {
    struct lsmkv *handle; /* shared: what the version needs of the engine stays in memory with it, closed or not */
    struct lk_snapshot at; /* own reference to the version; none when the value is a copy */
    struct lk_buf copy;   /* owned */
};

static int pin(lsmkv *db, const lsmkv_snapshot *snapshot, struct lk_snapshot *out)
{
    if (!snapshot)
        return lk_snapshot_take(db->db, out);
    lk_snapshot_share(&snapshot->at, out);
    return 0;
}

static void unpin(lsmkv_view *view)
{
    if (view->at.version)
        lk_leave_snapshot(&view->at);
}

static int fill(lsmkv_view *view, lsmkv *db, const lsmkv_snapshot *snapshot, struct lk_slice key,
                struct lsmkv_slice *value)
{
    struct lk_slice found = {0};
    int copied = 0, rc = pin(db, snapshot, &view->at);
    if (rc == 0)
        rc = lk_lend(db->db, &view->at, key, &found, &view->copy, &copied);
    if (rc != 0)
        return rc;
    if (copied || found.len == 0)
        unpin(view);
    *value = found.len ? (struct lsmkv_slice){found.at, found.len} : (struct lsmkv_slice){"", 0};
    return 0;
}

static void view_free(lsmkv_view *view)
{
    unpin(view);
    lk_buf_deinit(&view->copy);
    lk_free(view);
}

static int begin(lsmkv *db, const lsmkv_snapshot *snapshot, struct lk_slice key, struct lsmkv_slice *value,
                 lsmkv_view **out)
{
    lsmkv_view *view = lk_alloc_zero(sizeof *view);
    if (!view)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a value was lent");
    int rc = fill(view, db, snapshot, key, value);
    if (rc != 0) {
        struct lsmkv_error saved = *lk_error();
        view_free(view);
        lk_error_restore(&saved);
        return rc;
    }
    lk_handle_ref(db);
    view->handle = db;
    *out = view;
    return 0;
}

int lsmkv_view_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes,
                     struct lsmkv_slice *value, lsmkv_view **out)
{
    struct lk_lobby_key wanted;
    *out = NULL;
    *value = (struct lsmkv_slice){0};
    int rc = lk_lobby_key_take(db, key, key_bytes, &wanted);
    if (rc != 0)
        return rc;
    rc = lk_handle_enter(db);
    if (rc == 0) {
        rc = lk_lobby_look(snapshot);
        if (rc == 0) {
            rc = begin(db, snapshot, wanted.key, value, out);
            lk_lobby_looked(snapshot);
        }
        lk_handle_leave(db);
    }
    lk_lobby_key_drop(&wanted);
    return rc;
}

void lsmkv_view_end(lsmkv_view *view)
{
    if (!view || view->handle->db->fork_generation != lk_fork_generation)
        return; /* in the child of a fork nothing of the parent's is touched */
    struct lsmkv *handle = view->handle;
    view_free(view);
    lk_handle_unref(handle); /* after the version, which needs the engine's struct */
}
