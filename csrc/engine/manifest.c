/* manifest: making and appending. Reading is manifest_load.c. */
#include "engine/manifest.h"

#include <string.h>

#include "format/frame.h"
#include "util/alloc.h"

static const char magic[8] = {'l', 's', 'm', 'k', 'v', 'M', 'A', 'N'};

/* The edit as a frame that is to stand at `offset`. */
static int frame_of(struct lk_buf *out, const struct lk_buf *edit, uint64_t identity, uint64_t offset)
{
    if (edit->len > LK_FRAME_BODY_MAX)
        return lk_fail(LSMKV_INVALID, "a manifest edit of %zu bytes is too large", edit->len);
    size_t total = (size_t)lk_frame_bytes(edit->len);
    int rc = lk_buf_reserve(out, total);
    if (rc < 0)
        return rc;
    memcpy(out->at + out->len + LK_FRAME_HEAD, edit->at, edit->len);
    lk_frame_seal(out->at + out->len, LK_FRAME_EDIT, (uint32_t)edit->len, identity, offset);
    out->len += total;
    return 0;
}

/* CURRENT names the manifest `number`, durably. */
static int point_current(struct lk_manifest *manifest, uint32_t number)
{
    struct lk_env *env = manifest->env;
    char text[LK_CURRENT_BYTES], temp[24];
    struct lk_file *file = NULL;
    lk_current_put(text, number);
    lk_file_name(temp, LK_FILE_TEMP, number);
    int rc = lk_io_open(env, manifest->dir, temp, LK_OPEN_CREATE, manifest->mode, &file);
    if (rc == 0)
        rc = lk_io_write(env, file, temp, 0, text, sizeof text);
    if (rc == 0)
        rc = lk_io_sync(env, file, temp);
    int closed = file ? lk_io_close(env, file, temp) : 0;
    rc = rc == 0 ? closed : rc;
    if (rc < 0)
        return rc; /* CURRENT is untouched */
    rc = lk_io_rename(env, manifest->dir, temp, "CURRENT");
    if (rc == 0)
        rc = lk_io_dir_sync(env, manifest->dir);
    if (rc < 0)
        manifest->failed = rc; /* which manifest is named now is unknown: nothing may be added to either */
    return rc;
}

static int write_new(struct lk_manifest *manifest, uint32_t number, uint64_t store, const struct lk_buf *complete,
                     struct lk_manifest *fresh)
{
    struct lk_env *env = manifest->env;
    struct lk_buf bytes = {0};
    char name[24];
    lk_file_name(name, LK_FILE_MANIFEST, number);
    int rc = env->ops->random(env, &fresh->identity, sizeof fresh->identity);
    if (rc < 0)
        return lk_fail_os(-rc, "draw an identity for", name);
    rc = lk_buf_reserve(&bytes, LK_FILE_HEAD);
    if (rc == 0) {
        lk_file_head_put(bytes.at, magic,
                         &(struct lk_file_head){.identity = fresh->identity, .store = store, .number = number});
        bytes.len = LK_FILE_HEAD;
        rc = frame_of(&bytes, complete, fresh->identity, LK_FILE_HEAD);
    }
    if (rc == 0)
        rc = lk_io_open(env, manifest->dir, name, LK_OPEN_CREATE, manifest->mode, &fresh->file);
    if (rc == 0)
        rc = lk_io_write(env, fresh->file, name, 0, bytes.at, bytes.len);
    if (rc == 0)
        rc = lk_io_sync(env, fresh->file, name);
    if (rc == 0)
        rc = lk_io_dir_sync(env, manifest->dir);
    fresh->end = fresh->first_bytes = bytes.len;
    lk_buf_deinit(&bytes);
    return rc;
}

int lk_manifest_create(struct lk_manifest *manifest, uint32_t number, uint64_t store, const struct lk_buf *complete)
{
    struct lk_manifest fresh = {0};
    int rc = write_new(manifest, number, store, complete, &fresh);
    if (rc == 0)
        rc = point_current(manifest, number);
    if (rc < 0) {
        struct lsmkv_error saved = *lk_error();
        if (fresh.file)
            (void)manifest->env->ops->close(fresh.file); /* nothing in it counts */
        if (fresh.file && !manifest->failed) { /* nothing names it */
            char name[24];
            lk_file_name(name, LK_FILE_MANIFEST, number);
            (void)manifest->env->ops->remove(manifest->dir, name);
        }
        lk_error_restore(&saved);
        return rc;
    }
    if (manifest->file)
        rc = lk_io_close(manifest->env, manifest->file, "MANIFEST");
    manifest->file = fresh.file;
    manifest->identity = fresh.identity;
    manifest->end = fresh.end;
    manifest->first_bytes = fresh.first_bytes;
    manifest->number = number;
    manifest->bytes += fresh.end;
    lk_env_note(manifest->env, LK_NOTE_EDIT_DURABLE, ++manifest->edits, 0);
    return rc;
}

int lk_manifest_append(struct lk_manifest *manifest, const struct lk_buf *edit)
{
    struct lk_buf frame = {0};
    char name[24];
    if (manifest->failed)
        return lk_fail(manifest->failed, "an earlier write of the manifest failed: the store is only read until it is "
                                         "opened again");
    lk_file_name(name, LK_FILE_MANIFEST, manifest->number);
    int rc = frame_of(&frame, edit, manifest->identity, manifest->end);
    if (rc == 0) {
        rc = lk_io_write(manifest->env, manifest->file, name, manifest->end, frame.at, frame.len);
        if (rc == LSMKV_FULL) {
            /* Nothing of it counts: it is not whole. Take it back, and the next append goes to the same place. */
            if (manifest->env->ops->truncate(manifest->file, manifest->end) < 0)
                manifest->failed = rc;
        } else if (rc == 0) {
            rc = lk_io_sync(manifest->env, manifest->file, name);
            if (rc < 0)
                manifest->failed = rc;
        } else {
            manifest->failed = rc;
        }
    }
    if (rc == 0) {
        manifest->end += frame.len;
        manifest->bytes += frame.len;
        lk_env_note(manifest->env, LK_NOTE_EDIT_DURABLE, ++manifest->edits, 0);
    }
    lk_buf_deinit(&frame);
    return rc;
}

int lk_manifest_wants_rewrite(const struct lk_manifest *manifest)
{
    return manifest->end > (1u << 20) && manifest->end > 4 * manifest->first_bytes;
}

void lk_manifest_close(struct lk_manifest *manifest)
{
    if (manifest->file)
        (void)manifest->env->ops->close(manifest->file); /* every edit was synced with its own check */
    manifest->file = NULL;
}
