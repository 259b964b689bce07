/* segment: making, appending to, syncing and loading one log file. */
#include "store/segment.h"

#include <string.h>

#include "format/edit.h"
#include "format/line.h"
#include "util/alloc.h"
#include "util/checksum.h"

static const char magic[8] = {'l', 's', 'm', 'k', 'v', 'L', 'O', 'G'};
enum { PIECE = 256 * 1024, SECTOR = 4096 };

uint8_t lk_segment_shift(uint64_t capacity)
{
    uint8_t shift = 0;
    while ((capacity >> shift) > ((uint64_t)LK_LINE_POSITION_MAX + 1))
        shift++;
    return shift;
}

static struct lk_segment *blank(struct lk_env *env, struct lk_dir *dir, uint32_t number, enum lk_segment_kind kind)
{
    struct lk_segment *segment = lk_alloc_zero(sizeof *segment);
    if (!segment)
        return NULL;
    segment->env = env;
    segment->dir = dir;
    segment->number = number;
    segment->kind = kind;
    lk_file_name(segment->name, LK_FILE_LOG, number);
    return segment;
}

/* Reserve the file's space and, mapped, its address range. */
static int reserve(struct lk_segment *segment, uint32_t mode)
{
    struct lk_env *env = segment->env;
    void *at = NULL;
    int rc = 0;
    if (segment->kind != LK_SEGMENT_NONE) {
        rc = lk_io_open(env, segment->dir, segment->name, LK_OPEN_CREATE, mode, &segment->file);
        if (rc < 0)
            return rc;
        rc = env->ops->allocate(segment->file, 0, segment->capacity);
        if (rc < 0 && (segment->kind == LK_SEGMENT_MAPPED || rc == -28 /* ENOSPC */))
            return lk_fail_os(-rc, "reserve space for", segment->name);
    }
    rc = segment->kind == LK_SEGMENT_MAPPED ? env->ops->map(segment->file, segment->capacity, 1, &at)
                                            : env->ops->reserve(env, segment->capacity, &at);
    if (rc < 0)
        return lk_fail_os(-rc, "map", segment->name);
    segment->base = at;
    segment->file_mapped = segment->kind == LK_SEGMENT_MAPPED;
    return 0;
}

int lk_segment_create(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t capacity,
                      enum lk_segment_kind kind, uint32_t mode, struct lk_segment **out)
{
    *out = NULL;
    struct lk_segment *segment = blank(env, dir, number, kind);
    if (!segment)
        return lk_fail(LSMKV_NOMEM, "memory ran out while log segment %u was made", number);
    segment->capacity = capacity & ~(uint64_t)7;
    segment->shift = lk_segment_shift(capacity);
    int rc = env->ops->random(env, &segment->identity, sizeof segment->identity);
    rc = rc < 0 ? lk_fail_os(-rc, "draw an identity for", segment->name) : reserve(segment, mode);
    if (rc < 0) {
        struct lsmkv_error saved = *lk_error();
        segment->obsolete = segment->file != NULL; /* ours: O_EXCL made it */
        lk_segment_free(segment);
        lk_error_restore(&saved);
        return rc;
    }
    atomic_store(&segment->end, LK_FILE_HEAD);
    atomic_store(&segment->ready, kind == LK_SEGMENT_MAPPED ? 0 : segment->capacity);
    *out = segment;
    return 0;
}

int lk_segment_prefault(struct lk_segment *segment, uint64_t wanted)
{
    uint64_t from = atomic_load_explicit(&segment->ready, memory_order_relaxed);
    wanted = wanted > segment->capacity ? segment->capacity : wanted;
    if (wanted <= from)
        return 0;
    uint64_t page = from & ~(uint64_t)(SECTOR - 1);
    int rc = segment->env->ops->map_prefault(segment->env, segment->base + page, wanted - page);
    if (rc < 0)
        return lk_fail_os(-rc, "prefault", segment->name);
    while (from < wanted && !atomic_compare_exchange_weak_explicit(&segment->ready, &from, wanted, memory_order_release,
                                                                   memory_order_relaxed))
        ; /* another thread may have come further; below `from` all was ready before either began */
    return 0;
}

int lk_segment_start(struct lk_segment *segment, uint64_t store, uint32_t prev, uint32_t prev_end)
{
    segment->prev = prev;
    segment->prev_end = prev_end;
    lk_file_head_put(segment->base, magic,
                     &(struct lk_file_head){.identity = segment->identity,
                                            .store = store,
                                            .capacity = segment->capacity,
                                            .number = segment->number,
                                            .prev = prev,
                                            .prev_end = prev_end,
                                            .shift = segment->shift});
    if (segment->kind == LK_SEGMENT_WRITTEN)
        return lk_io_write(segment->env, segment->file, segment->name, 0, segment->base, LK_FILE_HEAD);
    return 0;
}

int lk_segment_commit(struct lk_segment *segment, enum lk_frame_kind kind, uint32_t body_bytes)
{
    uint64_t at = atomic_load_explicit(&segment->end, memory_order_relaxed);
    lk_frame_seal(segment->base + at, kind, body_bytes, segment->identity, at);
    if (segment->kind != LK_SEGMENT_WRITTEN)
        return 0;
    return lk_io_write(segment->env, segment->file, segment->name, at, segment->base + at, lk_frame_bytes(body_bytes));
}

void lk_segment_advance(struct lk_segment *segment, uint32_t body_bytes)
{
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_relaxed) + lk_frame_bytes(body_bytes);
    atomic_store_explicit(&segment->end, end, memory_order_release);
}

void lk_segment_erase(struct lk_segment *segment, uint32_t body_bytes)
{
    uint64_t at = atomic_load_explicit(&segment->end, memory_order_relaxed), bytes = lk_frame_bytes(body_bytes);
    memset(segment->base + at, 0, bytes);
    if (segment->kind == LK_SEGMENT_WRITTEN) /* sixteen zero bytes end the log, whatever stands behind them */
        (void)segment->env->ops->write(segment->file, at, segment->base + at, LK_FRAME_HEAD);
}

int lk_segment_sync(struct lk_segment *segment, uint64_t through)
{
    uint64_t from = atomic_load_explicit(&segment->synced, memory_order_relaxed);
    if (segment->kind == LK_SEGMENT_NONE || segment->kind == LK_SEGMENT_LOADED || through <= from)
        return 0;
    int rc;
    if (segment->kind == LK_SEGMENT_MAPPED) {
        uint64_t page = from & ~(uint64_t)(SECTOR - 1);
        rc = segment->env->ops->map_sync(segment->file, segment->base, page, through - page);
    } else {
        rc = segment->env->ops->sync(segment->file);
    }
    if (rc < 0)
        return lk_fail_os(-rc, "sync", segment->name);
    atomic_store_explicit(&segment->synced, through, memory_order_release);
    return 0;
}

void lk_segment_shrink(struct lk_segment *segment)
{
    if (segment->file && segment->kind != LK_SEGMENT_LOADED && !segment->obsolete)
        (void)segment->env->ops->truncate(segment->file, atomic_load(&segment->end));
}

/* ---- loading ---------------------------------------------------------------------------- */

/* A head that is stored into a mapping may reach the disk half: each aligned word of it new, or still zero. In a
 * whole head only the word at 48 (upper half of the capacity, reserved bytes) may be zero. */
static int is_torn(const uint8_t raw[LK_FILE_HEAD])
{
    for (int at = 0; at < LK_FILE_HEAD; at += 8)
        if (lk_load64(raw + at) == 0 && at != 48)
            return 1;
    return 0;
}

/* A damaged head may look like a torn one. Frames that verify under the identity it still shows decide: a head
 * is on the disk before any frame that was synced, and only a sync leaves a mark. */
static int has_marks(struct lk_segment *segment, uint64_t bytes, uint64_t identity)
{
    if (!identity || bytes > UINT32_MAX)
        return 0;
    uint8_t *copy = lk_alloc(bytes + 1);
    if (!copy)
        return lk_fail(LSMKV_NOMEM, "memory ran out while %s was read", segment->name);
    struct lk_frame frame;
    int found = lk_io_read(segment->env, segment->file, segment->name, 0, copy, (size_t)bytes);
    if (found == 0)
        for (uint64_t at = LK_FILE_HEAD; !found && (at = lk_frame_resync(copy, bytes, at, identity)) < bytes; at += 8)
            found =
                lk_frame_get(copy, bytes, at, identity, &frame) == LK_FRAME_GOOD && frame.kind == LK_FRAME_SYNC_MARK;
    lk_free(copy);
    return found;
}

static int read_head(struct lk_segment *segment, uint64_t bytes, uint64_t store)
{
    uint8_t raw[LK_FILE_HEAD] = {0};
    struct lk_file_head head;
    uint32_t version = 0;
    size_t some = bytes < sizeof raw ? (size_t)bytes : sizeof raw;
    int rc = lk_io_read(segment->env, segment->file, segment->name, 0, raw, some);
    if (rc < 0)
        return rc;
    switch (lk_file_head_get(raw, magic, &head, &version)) {
    case 0:
        return LSMKV_NOTFOUND;
    case -2:
        return lk_fail(LSMKV_FORMAT,
                       "%s has log format %u; this build reads format %u: open it with the release "
                       "that wrote it",
                       segment->name, version, LK_FORMAT_VERSION);
    case 1:
        break;
    default:
        if (is_torn(raw)) {
            int marks = has_marks(segment, bytes, lk_load64(raw + 16));
            if (marks <= 0) /* nothing behind it was ever durable, or a later proof says otherwise */
                return marks < 0 ? marks : LSMKV_WOULDBLOCK;
        }
        return lk_fail_corrupt(segment->name, 0,
                               "the head of log segment %s fails verification: the store cannot be opened; put that "
                               "file back, or restore a backup",
                               segment->name);
    }
    if (head.number != segment->number || head.store != store)
        return lk_fail_corrupt(segment->name, 0, "%s is a segment of another store or place (it says number %u)",
                               segment->name, head.number);
    if (head.capacity > UINT32_MAX || head.shift != lk_segment_shift(head.capacity))
        return lk_fail_corrupt(segment->name, 0, "%s has an impossible capacity", segment->name);
    segment->identity = head.identity;
    segment->prev = head.prev;
    segment->prev_end = head.prev_end;
    segment->shift = head.shift;
    return 0;
}

/* Read every byte once, into `to` or only past the eyes. */
static int read_all(struct lk_segment *segment, uint8_t *to, uint64_t bytes)
{
    uint8_t *scratch = to ? NULL : lk_alloc(PIECE);
    if (!to && !scratch)
        return lk_fail(LSMKV_NOMEM, "memory ran out while %s was read", segment->name);
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < bytes; at += PIECE) {
        size_t piece = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;
        rc = lk_io_read(segment->env, segment->file, segment->name, at, to ? to + at : scratch, piece);
    }
    lk_free(scratch);
    return rc;
}

static int load(struct lk_segment *segment, uint64_t store, int mapped)
{
    uint64_t bytes = 0;
    void *at = NULL;
    int rc = lk_io_open(segment->env, segment->dir, segment->name, LK_OPEN_READ, 0, &segment->file);
    if (rc == 0)
        rc = lk_io_size(segment->env, segment->file, segment->name, &bytes);
    if (rc == 0)
        rc = read_head(segment, bytes, store);
    if (rc != 0)
        return rc;
    if (bytes > UINT32_MAX)
        return lk_fail_corrupt(segment->name, UINT32_MAX, "%s is larger than any log segment", segment->name);
    rc = mapped ? segment->env->ops->map(segment->file, bytes, 0, &at)
                : segment->env->ops->reserve(segment->env, bytes, &at);
    if (rc < 0)
        return lk_fail_os(-rc, "map", segment->name);
    segment->base = at;
    segment->file_mapped = mapped;
    segment->capacity = bytes;
    atomic_store(&segment->ready, bytes);
    atomic_store(&segment->end, LK_FILE_HEAD);
    return read_all(segment, mapped ? NULL : segment->base, bytes);
}

int lk_segment_load(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t store, int mapped,
                    struct lk_segment **out)
{
    *out = NULL;
    struct lk_segment *segment = blank(env, dir, number, LK_SEGMENT_LOADED);
    if (!segment)
        return lk_fail(LSMKV_NOMEM, "memory ran out while log segment %u was opened", number);
    int rc = load(segment, store, mapped);
    if (rc != 0) {
        struct lsmkv_error saved = *lk_error();
        lk_segment_free(segment);
        lk_error_restore(&saved);
        return rc;
    }
    *out = segment;
    return 0;
}

void lk_segment_free(struct lk_segment *segment)
{
    if (!segment)
        return;
    struct lk_env *env = segment->env;
    if (segment->base && segment->file_mapped)
        env->ops->unmap(env, segment->base, segment->capacity);
    else if (segment->base)
        env->ops->unreserve(env, segment->base, segment->capacity);
    if (segment->file)
        (void)env->ops->close(segment->file); /* everything that had to reach it was synced, with its own check */
    if (segment->file && atomic_load(&segment->obsolete)) {
        lk_env_note(env, LK_NOTE_REMOVE, segment->number, 0);
        (void)env->ops->remove(segment->dir, segment->name);
    }
    lk_free(segment);
}
