/* manifest_load: from CURRENT to plain values. Trusts nothing it reads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/manifest.h"
#include "format/codec_name.h"
#include "format/frame.h"
#include "store/table_writer.h"
#include "util/alloc.h"

static const char magic[8] = {'l', 's', 'm', 'k', 'v', 'M', 'A', 'N'};
static const uint64_t manifest_max = 1ull << 31;

/* ---- files ------------------------------------------------------------------------------- */

static int read_file(struct lk_env *env, struct lk_dir *dir, const char *name, uint64_t most, struct lk_buf *out)
{
    struct lk_file *file = NULL;
    uint64_t bytes = 0;
    int rc = lk_io_open(env, dir, name, LK_OPEN_READ, 0, &file);
    if (rc == 0)
        rc = lk_io_size(env, file, name, &bytes);
    if (rc == 0 && bytes > most)
        rc = lk_fail_corrupt(name, most, "%s has %llu bytes, more than it can need", name, (unsigned long long)bytes);
    if (rc == 0)
        rc = lk_buf_reserve(out, (size_t)bytes + 1);
    if (rc == 0)
        rc = lk_io_read(env, file, name, 0, out->at, (size_t)bytes);
    if (rc == 0)
        out->len = (size_t)bytes;
    if (file) {
        int closed = env->ops->close(file);
        if (rc == 0 && closed < 0)
            rc = lk_fail_os(-closed, "close", name);
    }
    return rc;
}

static int read_current(struct lk_env *env, struct lk_dir *dir, uint32_t *number)
{
    struct lk_buf text = {0};
    int rc = read_file(env, dir, "CURRENT", 4096, &text);
    if (rc == LSMKV_IO && lk_error()->os_errno == ENOENT)
        rc = LSMKV_NOTFOUND;
    if (rc == 0 && lk_current_get((const char *)text.at, text.len, number) < 0)
        rc = lk_fail_corrupt("CURRENT", 0,
                             "CURRENT does not name a manifest: without it the store cannot be opened; put that file "
                             "back, or restore a backup");
    lk_buf_deinit(&text);
    return rc;
}

/* ---- edits ------------------------------------------------------------------------------- */

static void runs_deinit(struct lk_manifest_state *state)
{
    for (uint32_t i = 0; i < state->run_count; i++)
        lk_free((void *)state->runs[i].bound.at);
    lk_free(state->runs);
    state->runs = NULL;
    state->run_count = 0;
}

static int apply_runs(struct lk_manifest_state *state, const struct lk_edit_field *field)
{
    runs_deinit(state);
    state->runs = lk_alloc_zero(((size_t)field->runs.count + 1) * sizeof *state->runs);
    if (!state->runs)
        return lk_fail(LSMKV_NOMEM, "memory ran out while the manifest was read");
    const uint8_t *at = field->runs.at;
    for (uint32_t i = 0; i < field->runs.count; i++) {
        struct lk_run_meta run;
        at = lk_edit_next_run(at, field->runs.end, &run);
        uint8_t *copy = lk_alloc(run.bound.len + 1);
        if (!copy)
            return lk_fail(LSMKV_NOMEM, "memory ran out while the manifest was read");
        if (run.bound.len)
            memcpy(copy, run.bound.at, run.bound.len);
        state->runs[i] = (struct lk_run_meta){.id = run.id, .into = run.into, .bound = lk_slice(copy, run.bound.len)};
        state->run_count = i + 1;
    }
    return 0;
}

static int apply_table(struct lk_manifest_state *state, const struct lk_table_meta *table)
{
    if (state->table_count == state->table_cap) {
        uint32_t cap = state->table_cap ? state->table_cap * 2 : 16;
        void *more = lk_realloc(state->tables, cap * sizeof *state->tables);
        if (!more)
            return lk_fail(LSMKV_NOMEM, "memory ran out while the manifest was read");
        state->tables = more;
        state->table_cap = cap;
    }
    int rc = lk_table_meta_copy(&state->tables[state->table_count], table);
    state->table_count += rc == 0;
    return rc;
}

/* 0, or 1 when no such table is there. */
static int apply_drop(struct lk_manifest_state *state, uint32_t number)
{
    for (uint32_t i = 0; i < state->table_count; i++)
        if (state->tables[i].number == number) {
            lk_table_meta_deinit(&state->tables[i]);
            state->tables[i] = state->tables[--state->table_count];
            return 0;
        }
    return 1;
}

/* 0, or 1 when no such table is there or the facts cannot be. They follow their table, mostly at once. */
static int apply_facts(struct lk_manifest_state *state, const struct lk_edit_field *field)
{
    for (uint32_t i = state->table_count; i-- > 0;)
        if (state->tables[i].number == field->facts.number) {
            state->tables[i].shadowed = field->facts.shadowed;
            state->tables[i].written_ns = field->facts.written_ns;
            return field->facts.shadowed > state->tables[i].records;
        }
    return 1;
}

/* Behind the default namespace, which comes first, the others ascend: so each takes its place without a search. */
static int is_next(const struct lk_tally *live, uint32_t space)
{
    uint32_t named = live->count;
    while (named && live->at[named - 1].space == LK_SPACE_DEFAULT)
        named--;
    return space != LK_SPACE_DEFAULT && (named == 0 || space > live->at[named - 1].space);
}

/* The first of an edit begins a new count; all of one edit are of one LSN. 0, a failure, or 1: they are not. */
static int apply_count(struct lk_manifest_state *state, const struct lk_edit_field *field, int first)
{
    if (first)
        lk_tally_deinit(&state->live);
    if (field->count.live > INT64_MAX / 2 || (!first && field->count.lsn != state->counted_lsn) ||
        (!first && !is_next(&state->live, field->count.space)))
        return 1;
    state->counted_lsn = field->count.lsn;
    state->counted_first = state->log_first;
    return lk_tally_add(&state->live, field->count.space, (int64_t)field->count.live);
}

static int apply_codec(char **name, struct lk_slice stored)
{
    if (!lk_codec_name_sound(stored))
        return 1;
    lk_free(*name);
    *name = lk_codec_name_copy(stored);
    return *name ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while the manifest was read");
}

static int apply_store(struct lk_manifest_state *state, const struct lk_edit_field *field)
{
    state->store = field->store.identity;
    state->seed = (struct lk_hash_seed){field->store.hash_a, field->store.hash_b};
    state->features = field->store.features;
    int rc = apply_codec(&state->key_codec, field->store.key_codec);
    return rc == 0 ? apply_codec(&state->value_codec, field->store.value_codec) : rc;
}

/* 0, a failure, or 1 when the field makes no sense here. */
static int apply_field(struct lk_manifest_state *state, const struct lk_edit_field *field, int *counts)
{
    switch (field->tag) {
    case LK_EDIT_STORE:
        return apply_store(state, field);
    case LK_EDIT_NEXT:
        state->next_number = field->next;
        return 0;
    case LK_EDIT_LOG:
        state->log_first = field->log.first;
        return field->log.into != 0; /* no segment is ever half consumed by this build */
    case LK_EDIT_DURABLE:
        state->durable_lsn = field->lsn;
        return 0;
    case LK_EDIT_RUNS:
        return apply_runs(state, field);
    case LK_EDIT_TABLE:
        return apply_table(state, &field->table);
    case LK_EDIT_DROP:
        return apply_drop(state, field->drop);
    case LK_EDIT_CLOSED:
        state->closed_lsn = field->lsn;
        return 0;
    case LK_EDIT_COUNT:
        return apply_count(state, field, ++*counts == 1);
    case LK_EDIT_FACTS:
        return apply_facts(state, field);
    }
    return 1;
}

static int apply_edit(struct lk_manifest_state *state, struct lk_slice edit, const char *name, uint64_t offset)
{
    const uint8_t *at = edit.at, *end = edit.at + edit.len;
    int counts = 0;
    state->closed_lsn = 0;
    while (at < end) {
        struct lk_edit_field field;
        at = lk_edit_get(at, end, &field);
        int rc = at ? apply_field(state, &field, &counts) : 1;
        if (rc < 0)
            return rc;
        if (rc > 0)
            return lk_fail_corrupt(name, offset, "the edit at byte %llu of %s makes no sense",
                                   (unsigned long long)offset, name);
    }
    return 0;
}

static int replay(struct lk_manifest_state *state, const struct lk_buf *bytes, uint64_t identity, const char *name)
{
    uint64_t at = LK_FILE_HEAD;
    struct lk_frame frame;
    enum lk_frame_verdict verdict;
    while ((verdict = lk_frame_get(bytes->at, bytes->len, at, identity, &frame)) == LK_FRAME_GOOD) {
        if (frame.kind != LK_FRAME_EDIT)
            return lk_fail_corrupt(name, at, "%s holds a frame that is no edit at byte %llu", name,
                                   (unsigned long long)at);
        int rc = apply_edit(state, frame.body, name, at);
        if (rc < 0)
            return rc;
        at += frame.total;
    }
    uint64_t later = lk_frame_resync(bytes->at, bytes->len, at + 8, identity);
    if (at == LK_FILE_HEAD || later < bytes->len)
        return lk_fail_corrupt(name, at,
                               "%s is damaged at byte %llu and goes on after it: the store was not touched; "
                               "restore a backup",
                               name, (unsigned long long)at);
    state->ended_cleanly = verdict == LK_FRAME_END && at == bytes->len;
    return 0;
}

/* Every table belongs to a run that is listed. */
static int check(const struct lk_manifest_state *state, const char *name)
{
    for (uint32_t i = 0; i < state->table_count; i++) {
        uint32_t at = 0;
        while (at < state->run_count && state->runs[at].id != state->tables[i].run)
            at++;
        if (at == state->run_count || state->tables[i].number >= state->next_number)
            return lk_fail_corrupt(name, 0, "%s names table %u but not its run", name, state->tables[i].number);
    }
    if (!state->store || !state->next_number)
        return lk_fail_corrupt(name, LK_FILE_HEAD, "%s does not begin with a complete edit", name);
    return 0;
}

/* The manifest that CURRENT names. A writer may replace both between the two looks: then CURRENT names another one. */
static int read_manifest(struct lk_env *env, struct lk_dir *dir, uint32_t *number, char *name, struct lk_buf *out)
{
    uint32_t before = 0;
    int rc = read_current(env, dir, number);
    while (rc == 0) {
        lk_file_name(name, LK_FILE_MANIFEST, *number);
        rc = read_file(env, dir, name, manifest_max, out);
        if (rc != LSMKV_IO || lk_error()->os_errno != ENOENT)
            return rc;
        if (*number == before)
            return lk_fail_corrupt(name, 0,
                                   "%s is missing, and CURRENT names it: without it the store cannot be opened; put "
                                   "that file back, or restore a backup, then run `lsmkv verify`",
                                   name);
        before = *number;
        rc = read_current(env, dir, number);
    }
    return rc;
}

static int load(struct lk_env *env, struct lk_dir *dir, struct lk_manifest_state *state)
{
    struct lk_buf bytes = {0};
    struct lk_file_head head;
    uint32_t version = 0;
    char name[24];
    int rc = read_manifest(env, dir, &state->manifest_number, name, &bytes);
    if (rc == 0) {
        int good = bytes.len < LK_FILE_HEAD ? -1 : lk_file_head_get(bytes.at, magic, &head, &version);
        if (good == -2)
            rc = lk_fail(LSMKV_FORMAT,
                         "%s has format %u; this build reads format %u: open it with the release that "
                         "wrote it",
                         name, version, LK_FORMAT_VERSION);
        else if (good != 1 || head.number != state->manifest_number)
            rc = lk_fail_corrupt(name, 0,
                                 "the head of %s fails verification: without it the store cannot be opened; put that "
                                 "file back, or restore a backup",
                                 name);
    }
    if (rc == 0)
        rc = replay(state, &bytes, head.identity, name);
    if (rc == 0 && head.store != state->store)
        rc = lk_fail_corrupt(name, 0, "%s belongs to another store", name);
    lk_buf_deinit(&bytes);
    return rc == 0 ? check(state, name) : rc;
}

int lk_manifest_load(struct lk_env *env, struct lk_dir *dir, struct lk_manifest_state *state)
{
    memset(state, 0, sizeof *state);
    int rc = load(env, dir, state);
    if (rc != 0) {
        struct lsmkv_error saved = *lk_error();
        lk_manifest_state_deinit(state);
        lk_error_restore(&saved);
    }
    return rc;
}

void lk_manifest_state_deinit(struct lk_manifest_state *state)
{
    runs_deinit(state);
    for (uint32_t i = 0; i < state->table_count; i++)
        lk_table_meta_deinit(&state->tables[i]);
    lk_free(state->tables);
    lk_tally_deinit(&state->live);
    lk_free(state->key_codec);
    lk_free(state->value_codec);
    memset(state, 0, sizeof *state);
}
