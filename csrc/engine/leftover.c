/* leftover: removing, or setting aside. */
#include "engine/leftover.h"

#include <stdio.h>
#include <string.h>

#include "engine/events.h"

/* Remove or rename one file. Nothing depends on it: a failure is an event, not an error. */
static void put_away(struct lk_db *db, enum lk_file_type type, uint32_t number, int remove)
{
    char name[24], aside[40];
    lk_file_name(name, type, number);
    lk_env_note(db->env, LK_NOTE_REMOVE, number, 0);
    int rc;
    if (remove) {
        rc = db->env->ops->remove(db->dir, name);
    } else {
        snprintf(aside, sizeof aside, "%s.aside", name);
        rc = db->env->ops->rename(db->dir, name, aside);
        lk_event(db, "set aside", "%s is kept as %s", name, aside);
    }
    if (rc < 0 && rc != -2 /* ENOENT */)
        lk_event(db, "leftover", "%s could not be put away (errno %d)", name, -rc);
}

static int has(const struct lk_numbers *numbers, uint32_t number)
{
    for (uint32_t i = 0; i < numbers->count; i++)
        if (numbers->at[i] == number)
            return 1;
    return 0;
}

static int table_is_used(const struct lk_version *version, uint32_t number)
{
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; j < version->runs[i]->count; j++)
            if (version->runs[i]->tables[j]->meta.number == number)
                return 1;
    return 0;
}

static int log_is_used(const struct lk_version *version, uint32_t number)
{
    for (uint32_t i = 0; i < version->memtable_count; i++)
        if (version->memtables[i]->segment->number == number)
            return 1;
    return 0;
}

/* Its tables and its log hold what they refer to. */
static int value_is_used(struct lk_db *db, uint32_t number)
{
    return lk_values_find(&db->values, number) != NULL;
}

/* Segments that were not reached, the newest first and one at a time: each one left names its predecessor in its
 * head, and recovery takes a missing predecessor for damage. */
static int set_stale_aside(struct lk_db *db, const struct lk_recovered *recovered)
{
    int rc = 0;
    for (uint32_t i = recovered->stale.count; rc == 0 && i-- > 0;) {
        put_away(db, LK_FILE_LOG, recovered->stale.at[i], 0);
        rc = lk_io_dir_sync(db->env, db->dir);
    }
    return rc;
}

int lk_leftover_tidy(struct lk_db *db, const struct lk_listing *listing, const struct lk_recovered *recovered,
                     int ended_cleanly)
{
    const struct lk_version *version = atomic_load(&db->version);
    int rc = set_stale_aside(db, recovered);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < listing->manifests.count; i++)
        if (listing->manifests.at[i] != db->manifest.number)
            put_away(db, LK_FILE_MANIFEST, listing->manifests.at[i], ended_cleanly);
    for (uint32_t i = 0; i < listing->temps.count; i++)
        put_away(db, LK_FILE_TEMP, listing->temps.at[i], 1); /* never named by anything */
    for (uint32_t i = 0; i < listing->tables.count; i++)
        if (!table_is_used(version, listing->tables.at[i]))
            put_away(db, LK_FILE_TABLE, listing->tables.at[i], ended_cleanly);
    for (uint32_t i = 0; i < listing->values.count; i++) /* with log segments set aside, what they refer to is too */
        if (!value_is_used(db, listing->values.at[i]))
            put_away(db, LK_FILE_VALUES, listing->values.at[i], ended_cleanly && !recovered->stale.count);
    for (uint32_t i = 0; i < listing->logs.count; i++) {
        uint32_t number = listing->logs.at[i];
        if (!has(&recovered->stale, number) && !log_is_used(version, number))
            put_away(db, LK_FILE_LOG, number, ended_cleanly || has(&recovered->unused, number));
    }
    return lk_io_dir_sync(db->env, db->dir);
}

static int remove_all(struct lk_env *env, struct lk_dir *dir, enum lk_file_type type, const struct lk_numbers *numbers)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < numbers->count; i++) {
        char name[24];
        lk_file_name(name, type, numbers->at[i]);
        rc = lk_io_remove(env, dir, name);
    }
    return rc;
}

/* Files set aside have the engine's names too. */
static int remove_aside(void *arg, const char *name)
{
    struct {
        struct lk_env *env;
        struct lk_dir *dir;
    } *where = arg;
    uint32_t number;
    return lk_file_name_get(name, &number) == LK_FILE_ASIDE ? where->env->ops->remove(where->dir, name) : 0;
}

int lk_leftover_clear(struct lk_env *env, struct lk_dir *dir, const char *path, const struct lk_listing *listing)
{
    struct {
        struct lk_env *env;
        struct lk_dir *dir;
    } where = {env, dir};
    if (listing->strangers)
        return lk_fail(LSMKV_EXISTS,
                       "%s holds files that are not lsmkv's (%s, for one): nothing was removed; move them away "
                       "first",
                       path, listing->stranger);
    int rc = listing->current ? lk_io_remove(env, dir, "CURRENT") : 0;
    if (rc == 0)
        rc = lk_io_dir_sync(env, dir); /* from here on it is no store, whatever happens to the rest */
    if (rc == 0)
        rc = remove_all(env, dir, LK_FILE_LOG, &listing->logs);
    if (rc == 0)
        rc = remove_all(env, dir, LK_FILE_TABLE, &listing->tables);
    if (rc == 0)
        rc = remove_all(env, dir, LK_FILE_VALUES, &listing->values);
    if (rc == 0)
        rc = remove_all(env, dir, LK_FILE_MANIFEST, &listing->manifests);
    if (rc == 0)
        rc = remove_all(env, dir, LK_FILE_TEMP, &listing->temps);
    if (rc == 0)
        rc = env->ops->dir_list(dir, remove_aside, &where) < 0 ? lk_fail(LSMKV_IO, "files set aside in %s stay", path)
                                                               : 0;
    return rc == 0 ? lk_io_dir_sync(env, dir) : rc;
}
