/* handles: see lobby.h. A batch or a transaction seldom goes through more than two. */
#include "lobby/lobby.h"

int lk_lobby_handles_agree(const struct lk_lobby_handles *handles, const struct lsmkv *db)
{
    return handles->count && handles->at[0]->db != db->db
               ? lk_fail(LSMKV_INVALID, "one batch or transaction belongs to one store, %s: %s needs one of its own",
                         handles->at[0]->db->path, db->db->path)
               : 0;
}

int lk_lobby_handles_add(struct lk_lobby_handles *handles, struct lsmkv *db)
{
    int rc = lk_lobby_handles_agree(handles, db);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < handles->count; i++)
        if (handles->at[i] == db)
            return 0;
    if (handles->count == handles->cap) {
        uint32_t cap = handles->cap ? 2 * handles->cap : 4;
        void *more = lk_realloc(handles->at, cap * sizeof *handles->at);
        if (!more)
            return lk_fail(LSMKV_NOMEM, "memory ran out while a batch or transaction took up a handle");
        handles->at = more;
        handles->cap = cap;
    }
    lk_handle_ref(db);
    handles->at[handles->count++] = db;
    return 0;
}

int lk_lobby_handles_check(const struct lk_lobby_handles *handles)
{
    for (uint32_t i = 0; i < handles->count; i++) {
        int rc = lk_handle_check(handles->at[i]);
        if (rc != 0)
            return lk_handle_refuse(handles->at[i], rc);
    }
    return 0;
}

int lk_lobby_handles_enter(const struct lk_lobby_handles *handles, uint32_t *entered)
{
    int rc = 0;
    for (*entered = 0; rc == 0 && *entered < handles->count; *entered += rc == 0)
        rc = lk_handle_enter(handles->at[*entered]);
    return rc;
}

void lk_lobby_handles_leave(const struct lk_lobby_handles *handles, uint32_t entered)
{
    while (entered > 0)
        lk_handle_leave(handles->at[--entered]);
}

void lk_lobby_handles_drop(struct lk_lobby_handles *handles)
{
    for (uint32_t i = 0; i < handles->count; i++)
        lk_handle_unref(handles->at[i]);
    handles->count = 0;
}

void lk_lobby_handles_deinit(struct lk_lobby_handles *handles)
{
    lk_lobby_handles_drop(handles);
    lk_free(handles->at);
    *handles = (struct lk_lobby_handles){0};
}
