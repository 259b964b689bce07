/* value_segment: making, appending to and reading one file of values. */
#include "store/value_segment.h"

#include <errno.h>

#include "format/frame.h"
#include "include/lsmkv.h"
#include "util/alloc.h"
#include "util/checksum.h"

static const char magic[8] = {'l', 's', 'm', 'k', 'v', 'V', 'A', 'L'};

/* ---- life --------------------------------------------------------------------------------- */

static int map_file(struct lk_value_segment *segment, uint64_t bytes)
{
    void *at = NULL;
    int rc = segment->env->ops->map(segment->file, bytes, 0, &at);
    if (rc < 0)
        return lk_fail_os(-rc, "map", segment->name);
    segment->base = at;
    segment->mapped = bytes;
    segment->known = lk_alloc_zero((size_t)(bytes / (LK_VALUE_UNIT * 64) + 1) * sizeof *segment->known);
    return segment->known ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while %s was opened", segment->name);
}

static struct lk_value_segment *blank(struct lk_env *env, struct lk_dir *dir, uint32_t number)
{
    struct lk_value_segment *segment = lk_alloc_zero(sizeof *segment);
    if (!segment) {
        (void)lk_fail(LSMKV_NOMEM, "memory ran out while value segment %u was opened", number);
        return NULL;
    }
    segment->env = env;
    segment->dir = dir;
    segment->number = number;
    atomic_store(&segment->references, 1);
    lk_file_name(segment->name, LK_FILE_VALUES, number);
    return segment;
}

static int write_head(struct lk_value_segment *segment, uint64_t store)
{
    uint8_t raw[LK_FILE_HEAD];
    struct lk_file_head head = {.store = store, .capacity = segment->capacity, .number = segment->number};
    int rc = segment->env->ops->random(segment->env, &segment->identity, sizeof segment->identity);
    if (rc < 0)
        return lk_fail_os(-rc, "draw an identity for", segment->name);
    head.identity = segment->identity;
    lk_file_head_put(raw, magic, &head);
    return lk_io_write(segment->env, segment->file, segment->name, 0, raw, sizeof raw);
}

static int give_up(struct lk_value_segment *segment, int rc)
{
    struct lsmkv_error saved = *lk_error();
    lk_value_segment_free(segment);
    lk_error_restore(&saved);
    return rc;
}

int lk_value_segment_create(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t capacity, uint64_t store,
                            int mapped, uint32_t mode, struct lk_value_segment **out)
{
    *out = NULL;
    struct lk_value_segment *segment = blank(env, dir, number);
    if (!segment)
        return LSMKV_NOMEM;
    segment->capacity = capacity;
    int rc = lk_io_open(env, dir, segment->name, LK_OPEN_CREATE, mode, &segment->file);
    segment->obsolete = rc == 0; /* ours: O_EXCL made it */
    if (rc == 0)
        rc = write_head(segment, store);
    if (rc == 0 && mapped)
        rc = map_file(segment, capacity);
    if (rc < 0)
        return give_up(segment, rc);
    atomic_store(&segment->end, LK_FILE_HEAD);
    atomic_store(&segment->obsolete, 0);
    *out = segment;
    return 0;
}

static int read_head(struct lk_value_segment *segment, uint64_t bytes, uint64_t store)
{
    uint8_t raw[LK_FILE_HEAD] = {0};
    struct lk_file_head head;
    uint32_t version = 0;
    int rc = lk_io_read(segment->env, segment->file, segment->name, 0, raw, bytes < sizeof raw ? bytes : sizeof raw);
    if (rc < 0)
        return rc;
    int good = lk_file_head_get(raw, magic, &head, &version);
    if (good == -2)
        return lk_fail(LSMKV_FORMAT,
                       "%s has format %u; this build reads format %u: open it with the release that wrote it",
                       segment->name, version, LK_FORMAT_VERSION);
    if (good != 1 || head.number != segment->number || head.store != store)
        return lk_fail_corrupt(segment->name, 0,
                               "the head of value segment %s fails verification, or is another's: the store cannot be "
                               "opened; put that file back, or restore a backup",
                               segment->name);
    segment->identity = head.identity;
    segment->capacity = 0; /* nothing is appended to it */
    return 0;
}

int lk_value_segment_load(struct lk_env *env, struct lk_dir *dir, uint32_t number, uint64_t store, int mapped,
                          struct lk_value_segment **out)
{
    uint64_t bytes = 0;
    *out = NULL;
    struct lk_value_segment *segment = blank(env, dir, number);
    if (!segment)
        return LSMKV_NOMEM;
    int rc = lk_io_open(env, dir, segment->name, LK_OPEN_READ, 0, &segment->file);
    if (rc < 0 && lk_error()->os_errno == ENOENT) {
        (void)lk_fail_corrupt(segment->name, 0, "%s is missing, and records refer to it: restore a backup",
                              segment->name);
        return give_up(segment, LSMKV_NOTFOUND);
    }
    if (rc == 0)
        rc = lk_io_size(env, segment->file, segment->name, &bytes);
    if (rc == 0)
        rc = read_head(segment, bytes, store);
    if (rc == 0 && mapped)
        rc = map_file(segment, bytes);
    if (rc < 0)
        return give_up(segment, rc);
    atomic_store(&segment->end, bytes);
    *out = segment;
    return 0;
}

void lk_value_segment_free(struct lk_value_segment *segment)
{
    struct lk_env *env = segment->env;
    if (segment->base)
        env->ops->unmap(env, (void *)segment->base, segment->mapped);
    if (segment->file)
        (void)env->ops->close(segment->file); /* what had to reach it was synced, with its own check */
    if (atomic_load(&segment->obsolete)) {
        lk_env_note(env, LK_NOTE_REMOVE, segment->number, 0);
        (void)env->ops->remove(segment->dir, segment->name);
    }
    lk_free(segment->known);
    lk_free(segment);
}

/* ---- what is known ------------------------------------------------------------------------ */

static void know(struct lk_value_segment *segment, uint64_t offset)
{
    uint64_t unit = offset / LK_VALUE_UNIT;
    if (segment->known)
        atomic_fetch_or_explicit(&segment->known[unit / 64], (uint64_t)1 << unit % 64, memory_order_release);
}

static int is_known(const struct lk_value_segment *segment, uint64_t offset)
{
    uint64_t unit = offset / LK_VALUE_UNIT;
    return (int)(atomic_load_explicit(&segment->known[unit / 64], memory_order_acquire) >> unit % 64 & 1);
}

/* ---- appending ---------------------------------------------------------------------------- */

static int write_at(struct lk_value_segment *segment, uint64_t at, const void *from, size_t bytes)
{
    return bytes ? lk_io_write(segment->env, segment->file, segment->name, at, from, bytes) : 0;
}

/* The value counts from now on. */
static void append_end(struct lk_value_segment *segment, const struct lk_reference *reference)
{
    know(segment, reference->offset);
    atomic_store_explicit(&segment->end, reference->offset + lk_value_footprint(reference->bytes),
                          memory_order_release);
}

static struct lk_reference reference_of(const struct lk_value_segment *segment, uint64_t bytes)
{
    return (struct lk_reference){.offset = atomic_load_explicit(&segment->end, memory_order_relaxed),
                                 .number = segment->number,
                                 .bytes = (uint32_t)bytes};
}

/* Head and the first bytes by one call, the middle from where it lies, the last bytes and the padding by one. */
int lk_value_segment_append(struct lk_value_segment *segment, struct lk_slice value, uint8_t *scratch,
                            struct lk_reference *out)
{
    struct lk_reference made = reference_of(segment, value.len);
    uint64_t whole = lk_value_footprint(value.len), first = LK_VALUE_SCRATCH - LK_VALUE_HEAD;
    size_t ahead = value.len < first ? value.len : (size_t)first;
    made.sum = lk_checksum(lk_value_seed(segment->identity, made.offset), value.at, value.len);
    lk_value_head_put(scratch, segment->identity, &made);
    memcpy(scratch + LK_VALUE_HEAD, value.at, ahead);
    uint64_t filled = LK_VALUE_HEAD + ahead, left = value.len - ahead, middle = left & ~(uint64_t)(LK_VALUE_UNIT - 1);
    if (left == 0 && filled < whole) {
        memset(scratch + filled, 0, whole - filled);
        filled = whole;
    }
    int rc = write_at(segment, made.offset, scratch, filled);
    if (rc == 0)
        rc = write_at(segment, made.offset + filled, value.at + ahead, middle);
    if (rc == 0 && left) {
        memset(scratch, 0, LK_VALUE_UNIT);
        memcpy(scratch, value.at + ahead + middle, left - middle);
        rc = write_at(segment, made.offset + filled + middle, scratch, whole - filled - middle);
    }
    if (rc < 0)
        return rc;
    append_end(segment, &made);
    *out = made;
    return 0;
}

/* One that fits into scratch, head and padding with it: one call. */
static int append_near(struct lk_value_segment *segment, int (*piece)(void *, uint64_t, void *, size_t), void *context,
                       uint8_t *scratch, struct lk_reference *made)
{
    uint64_t whole = lk_value_footprint(made->bytes), filled = LK_VALUE_HEAD + made->bytes;
    uint8_t *at = scratch + LK_VALUE_HEAD;
    int rc = made->bytes ? piece(context, 0, at, made->bytes) : 0;
    if (rc < 0)
        return rc;
    made->sum = lk_checksum(lk_value_seed(segment->identity, made->offset), at, made->bytes);
    lk_value_head_put(scratch, segment->identity, made);
    memset(scratch + filled, 0, whole - filled);
    return write_at(segment, made->offset, scratch, whole);
}

/* The head last, when all pieces have come. */
static int append_pieces(struct lk_value_segment *segment, int (*piece)(void *, uint64_t, void *, size_t),
                         void *context, uint8_t *scratch, struct lk_reference *made)
{
    uint64_t whole = lk_value_footprint(made->bytes), at = made->offset + LK_VALUE_HEAD;
    uint64_t bytes = made->bytes;
    int rc = 0;
    made->sum = lk_value_seed(segment->identity, made->offset);
    for (uint64_t done = 0; rc == 0 && done < bytes;) {
        size_t some = bytes - done < LK_VALUE_SCRATCH ? (size_t)(bytes - done) : LK_VALUE_SCRATCH;
        rc = piece(context, done, scratch, some);
        if (rc == 0) {
            made->sum = lk_checksum(made->sum, scratch, some);
            rc = write_at(segment, at + done, scratch, some);
        }
        done += some;
    }
    if (rc == 0) {
        memset(scratch, 0, LK_VALUE_UNIT);
        rc = write_at(segment, at + bytes, scratch, whole - LK_VALUE_HEAD - bytes);
    }
    if (rc == 0) {
        lk_value_head_put(scratch, segment->identity, made);
        rc = write_at(segment, made->offset, scratch, LK_VALUE_HEAD);
    }
    return rc;
}

int lk_value_segment_append_far(struct lk_value_segment *segment, uint64_t bytes,
                                int (*piece)(void *, uint64_t, void *, size_t), void *context, uint8_t *scratch,
                                struct lk_reference *out)
{
    struct lk_reference made = reference_of(segment, bytes);
    int near = lk_value_footprint(bytes) <= LK_VALUE_SCRATCH;
    int rc = near ? append_near(segment, piece, context, scratch, &made)
                  : append_pieces(segment, piece, context, scratch, &made);
    if (rc < 0)
        return rc;
    append_end(segment, &made);
    *out = made;
    return 0;
}

int lk_value_segment_sync(struct lk_value_segment *segment)
{
    return lk_io_sync(segment->env, segment->file, segment->name);
}

/* ---- reading ------------------------------------------------------------------------------ */

int lk_value_segment_holds(const struct lk_value_segment *segment, const struct lk_reference *reference)
{
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_acquire);
    if (reference->offset <= end && end - reference->offset >= LK_VALUE_HEAD &&
        end - reference->offset - LK_VALUE_HEAD >= reference->bytes)
        return 0;
    return lk_fail_corrupt(segment->name, reference->offset,
                           "a record refers to %u bytes at byte %llu of %s, which ends at %llu: the value is lost; "
                           "other keys can be read",
                           reference->bytes, (unsigned long long)reference->offset, segment->name,
                           (unsigned long long)end);
}

const uint8_t *lk_value_segment_lend(const struct lk_value_segment *segment, const struct lk_reference *reference)
{
    uint64_t end = atomic_load_explicit(&segment->end, memory_order_acquire), at = reference->offset;
    if (!segment->base || at > end || end - at < LK_VALUE_HEAD || end - at - LK_VALUE_HEAD < reference->bytes ||
        !is_known(segment, at))
        return NULL;
    const uint8_t *head = segment->base + at; /* another record may speak of another value there */
    return lk_value_head_is(head, segment->identity, reference) ? head + LK_VALUE_HEAD : NULL;
}

static int wrong(const struct lk_value_segment *segment, const struct lk_reference *reference)
{
    return lk_fail_corrupt(segment->name, reference->offset,
                           "%s: the value of %u bytes at byte %llu fails verification; other keys can be read",
                           segment->name, reference->bytes, (unsigned long long)reference->offset);
}

int lk_value_segment_read(struct lk_value_segment *segment, const struct lk_reference *reference, struct lk_buf *to)
{
    uint32_t sum = lk_value_seed(segment->identity, reference->offset);
    int rc = lk_value_segment_holds(segment, reference);
    if (rc == 0)
        rc = lk_buf_reserve(to, reference->bytes);
    for (uint64_t done = 0; rc == 0 && done < reference->bytes;) { /* while it is in the processor's cache */
        size_t some = reference->bytes - done < LK_VALUE_SCRATCH ? reference->bytes - done : LK_VALUE_SCRATCH;
        uint8_t *at = to->at + to->len + done;
        rc = lk_io_read(segment->env, segment->file, segment->name, reference->offset + LK_VALUE_HEAD + done, at, some);
        sum = rc == 0 ? lk_checksum(sum, at, some) : sum;
        done += some;
    }
    if (rc == 0 && sum != reference->sum)
        rc = wrong(segment, reference);
    if (rc < 0)
        return rc;
    to->len += reference->bytes;
    know(segment, reference->offset);
    return 0;
}

int lk_value_segment_check(struct lk_value_segment *segment, const struct lk_reference *reference)
{
    uint32_t sum = lk_value_seed(segment->identity, reference->offset);
    uint64_t at = reference->offset + LK_VALUE_HEAD;
    uint8_t *scratch = lk_alloc(LK_VALUE_SCRATCH);
    int rc = scratch ? lk_value_segment_holds(segment, reference)
                     : lk_fail(LSMKV_NOMEM, "memory ran out while a value of %s was verified", segment->name);
    if (rc == 0)
        rc = lk_io_read(segment->env, segment->file, segment->name, reference->offset, scratch, LK_VALUE_HEAD);
    if (rc == 0 && !lk_value_head_is(scratch, segment->identity, reference))
        rc = wrong(segment, reference);
    for (uint64_t done = 0; rc == 0 && done < reference->bytes;) {
        size_t some = reference->bytes - done < LK_VALUE_SCRATCH ? reference->bytes - done : LK_VALUE_SCRATCH;
        rc = lk_io_read(segment->env, segment->file, segment->name, at + done, scratch, some);
        sum = rc == 0 ? lk_checksum(sum, scratch, some) : sum;
        done += some;
    }
    if (rc == 0 && sum != reference->sum)
        rc = wrong(segment, reference);
    if (rc == 0)
        know(segment, reference->offset);
    lk_free(scratch);
    return rc;
}
