/* install: edit, then version. */
#include "engine/install.h"

#include "engine/apart.h"
#include "engine/collect.h"
#include "engine/commit.h"
#include "store/view.h"
#include "util/alloc.h"

/* ---- edits ------------------------------------------------------------------------------- */

static int put_runs(struct lk_buf *edit, struct lk_run *const *runs, uint32_t count)
{
    struct lk_run_meta *metas = lk_alloc((count + 1) * sizeof *metas);
    if (!metas)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a manifest edit was made");
    for (uint32_t i = 0; i < count; i++)
        metas[i] = (struct lk_run_meta){runs[i]->id, runs[i]->into, runs[i]->into ? runs[i]->bound : lk_slice("", 0)};
    int rc = lk_edit_runs(edit, metas, count);
    lk_free(metas);
    return rc;
}

/* The lowest segment that is still needed when those through `through` have left. */
static uint32_t log_first(const struct lk_db *db, const struct lk_version *version, uint32_t through)
{
    uint32_t first = atomic_load(&db->number_next);
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        uint32_t number = version->memtables[i]->segment->number;
        if (version->memtables[i]->segment->kind != LK_SEGMENT_NONE && number > through && number < first)
            first = number;
    }
    return first;
}

static int put_state(struct lk_db *db, struct lk_buf *edit, uint32_t through)
{
    lk_mutex_lock(&db->write_mutex); /* so that no rotation comes between the version and the number */
    uint32_t first = log_first(db, atomic_load(&db->version), through);
    uint32_t next = atomic_load(&db->number_next);
    lk_mutex_unlock(&db->write_mutex);
    int rc = lk_edit_next(edit, next);
    if (rc == 0)
        rc = lk_edit_log(edit, first, 0, 0, lk_slice("", 0));
    if (rc == 0)
        rc = lk_edit_durable(edit,
                             db->segment_kind == LK_SEGMENT_NONE ? db->lsn_recovered : atomic_load(&db->lsn_durable));
    return rc;
}

/* A table and what is known of it. */
static int put_table(struct lk_buf *edit, const struct lk_table *table)
{
    int rc = lk_edit_table(edit, &table->meta);
    uint64_t shadowed = atomic_load(&table->shadowed);
    return rc == 0 ? lk_edit_facts(edit, table->meta.number, shadowed, table->meta.written_ns) : rc;
}

static int edit_of(struct lk_db *db, const struct lk_change *change, struct lk_buf *edit)
{
    int rc = put_state(db, edit, change->memtables_through);
    if (rc == 0 && change->moved)
        rc = lk_edit_drop(edit, change->moved->meta.number); /* before it is added again */
    for (uint32_t i = 0; rc == 0 && i < change->added_count; i++) {
        rc = put_table(edit, change->added[i]);
        lk_env_note(db->env, LK_NOTE_EDIT_NAMES, change->added[i]->meta.number, change->lsn_named);
    }
    for (uint32_t i = 0; rc == 0 && i < change->dropped_count; i++)
        rc = lk_edit_drop(edit, change->dropped[i]->meta.number);
    if (rc == 0 && change->shadow)
        rc = lk_shadow_edit(change->shadow, edit);
    if (rc == 0 && change->loses)
        rc = lk_edit_count(edit, LK_SPACE_DEFAULT, 0, 0); /* what an earlier edit counted is there no more */
    if (rc == 0)
        rc = put_runs(edit, change->runs, change->run_count);
    return rc == 0 && change->memtables_through ? lk_counted_edit(db, change->memtables_through, edit) : rc;
}

int lk_install_complete(struct lk_db *db, struct lk_buf *out, int closed)
{
    struct lk_version *version = lk_install_present(db);
    int rc = lk_edit_store(out, db->store, db->seed.a, db->seed.b, 0, lk_text(db->key_codec), lk_text(db->value_codec));
    if (rc == 0)
        rc = put_state(db, out, 0);
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; rc == 0 && j < version->runs[i]->count; j++)
            rc = put_table(out, version->runs[i]->tables[j]);
    if (rc == 0)
        rc = put_runs(out, version->runs, version->run_count);
    if (rc == 0)
        rc = lk_counted_edit(db, 0, out);
    lk_version_unref(version);
    if (rc == 0 && closed)
        rc = lk_edit_closed(out, db->lsn_appended);
    return rc;
}

struct lk_version *lk_install_present(struct lk_db *db)
{
    lk_mutex_lock(&db->write_mutex); /* rotation replaces the version at any time */
    struct lk_version *version = atomic_load(&db->version);
    lk_version_ref(version);
    lk_mutex_unlock(&db->write_mutex);
    return version;
}

/* ---- versions ---------------------------------------------------------------------------- */

/* Build the version that the change makes of `old` and swap it in. write_mutex held. */
static int swap(struct lk_db *db, const struct lk_change *change, struct lk_version **out)
{
    struct lk_version *old = atomic_load(&db->version);
    uint32_t keep = old->memtable_count;
    while (keep > 1 && old->memtables[keep - 1]->segment->number <= change->memtables_through)
        keep--;
    struct lk_version *made = lk_version_new(old->memtables, keep, change->runs, change->run_count, old->installs + 1);
    if (!made)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a version was made");
    if (old->view && keep == old->memtable_count) {
        lk_view_ref(old->view);
        made->view = old->view;
        made->view_from = old->view_from;
    }
    for (uint32_t i = keep; i < old->memtable_count; i++) {
        atomic_store(&old->memtables[i]->segment->obsolete, 1);
        lk_held_begin(&old->memtables[i]->held, &db->pinned_bytes, lk_memtable_held_bytes(old->memtables[i]));
    }
    atomic_store_explicit(&db->version, made, memory_order_release);
    *out = old;
    return 0;
}

/* From now on only readers need the table. */
static void drop(struct lk_db *db, struct lk_table *table)
{
    atomic_store(&table->obsolete, 1);
    lk_held_begin(&table->held, &db->pinned_bytes, table->meta.bytes);
}

static void keep(struct lk_table *table)
{
    atomic_store(&table->obsolete, 0);
    lk_held_end(&table->held);
}

static int publish(struct lk_db *db, const struct lk_change *change)
{
    struct lk_version *old = NULL;
    for (uint32_t i = 0; i < change->dropped_count; i++)
        drop(db, change->dropped[i]);
    lk_mutex_lock(&db->write_mutex);
    int rc = swap(db, change, &old);
    lk_mutex_unlock(&db->write_mutex);
    if (rc < 0) {
        /* The edit is durable, memory is behind it: reading goes on, nothing further is installed. */
        for (uint32_t i = 0; i < change->dropped_count; i++)
            keep(change->dropped[i]);
        db->manifest.failed = rc;
        return rc;
    }
    if (change->dropped_count || change->memtables_through) { /* while the old version holds what it refers to */
        struct lk_version *present = lk_install_present(db);
        lk_collect_held(db, present);
        lk_version_unref(present);
    }
    lk_epoch_retire(&db->epochs, old, lk_version_release);
    lk_epoch_reclaim(&db->epochs);
    lk_values_shed(&db->values);
    return 0;
}

/* A manifest that has grown large begins anew. A failure costs nothing: the old one goes on. */
static void rewrite_manifest(struct lk_db *db)
{
    struct lk_buf complete = {0};
    uint32_t old = db->manifest.number, number = atomic_fetch_add(&db->number_next, 1);
    char name[24];
    if (lk_install_complete(db, &complete, 0) == 0 &&
        lk_manifest_create(&db->manifest, number, db->store, &complete) == 0) {
        lk_file_name(name, LK_FILE_MANIFEST, old);
        lk_env_note(db->env, LK_NOTE_REMOVE, old, 0);
        (void)db->env->ops->remove(db->dir, name);
    }
    lk_buf_deinit(&complete);
}

int lk_install(struct lk_db *db, const struct lk_change *change)
{
    struct lk_buf edit = {0};
    int rc = change->lsn_named ? lk_commit_through(db, change->lsn_named) : 0;
    if (rc == 0)
        rc = edit_of(db, change, &edit);
    if (rc == 0)
        rc = lk_manifest_append(&db->manifest, &edit);
    lk_buf_deinit(&edit);
    if (rc == 0 && change->memtables_through)
        lk_env_note(db->env, LK_NOTE_LOG_BEGINS, change->memtables_through + 1, 0);
    if (rc == 0 && change->shadow)
        lk_shadow_apply(change->shadow);
    if (rc == 0)
        rc = publish(db, change);
    if (rc == 0)
        lk_counted_repin(db);
    if (rc == 0 && lk_manifest_wants_rewrite(&db->manifest))
        rewrite_manifest(db);
    if (db->manifest.failed) /* nobody knows what it names */
        lk_apart_keep(db, 1);
    return rc;
}
