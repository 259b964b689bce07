/* verify: reads every byte of every file of the present version with private reads, and checks it: of value segments
 * every value that a record refers to. Garbage in them is left out: after a crash it may be half a value, or a place that
 * was never written, and nothing tells that from damage. */
#include <string.h>

#include "engine/inspect.h"
#include "format/frame.h"
#include "store/table_cursor.h"

struct verify {
    struct lk_db *db;
    lsmkv_found found;
    int (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
    uint64_t done, total;
    int first; /* the first damage's status */
    struct lsmkv_error error;
};

static int advance(void *arg, uint64_t bytes)
{
    struct verify *verify = arg;
    verify->done += bytes;
    return verify->progress ? verify->progress(verify->context, verify->done, verify->total) : 0;
}

/* Report damage; go on only when somebody collects it. */
static int damage(struct verify *verify, int rc)
{
    if (rc != LSMKV_CORRUPT && rc != LSMKV_FORMAT)
        return rc;
    if (!verify->first) {
        verify->first = rc;
        verify->error = *lk_error();
    }
    if (!verify->found)
        return rc;
    verify->found(verify->context, lk_error());
    return 0;
}

static void found_one(void *arg, const struct lsmkv_error *error)
{
    struct verify *verify = arg;
    if (!verify->first) {
        verify->first = error->status;
        verify->error = *error;
    }
    if (verify->found)
        verify->found(verify->context, error);
}

/* The value of a record that lives apart. */
static int verify_value(struct verify *verify, const struct lk_record *record)
{
    struct lk_reference reference = {0};
    if (!(record->flags & LK_RECORD_APART))
        return 0;
    (void)lk_reference_get(record->value, &reference);
    int rc = damage(verify, lk_values_check(&verify->db->values, record->value));
    return rc < 0 ? rc : advance(verify, lk_value_footprint(reference.bytes)) ? LSMKV_CANCELLED : 0;
}

/* The values that the records of one page, and of those behind it, refer to: up to the end, or to damage in the table. */
static int verify_walk(struct verify *verify, struct lk_table_cursor *cursor, uint32_t page)
{
    int rc = 0;
    for (lk_table_cursor_seek_page(cursor, &cursor->cursor, page); rc == 0 && cursor->cursor.valid;) {
        rc = verify_value(verify, &cursor->cursor.record);
        if (rc == 0)
            lk_table_cursor_next(cursor, &cursor->cursor);
    }
    return rc;
}

/* The values that a table refers to, from every page that can be read. sound: whatever ends a walk is news. */
static int verify_uses(struct verify *verify, struct lk_table *table, int sound)
{
    struct lk_table_cursor cursor;
    if (table->uses.count == 0)
        return 0;
    lk_table_cursor_init(&cursor, table, 1);
    int rc = verify_walk(verify, &cursor, 0);
    while (rc == 0 && cursor.cursor.status == LSMKV_CORRUPT && cursor.fences.offset) {
        if (sound)
            rc = damage(verify, cursor.cursor.status);
        if (rc == 0)
            rc = verify_walk(verify, &cursor, cursor.page + 1);
    }
    if (rc == 0 && (sound || cursor.cursor.status != LSMKV_CORRUPT))
        rc = damage(verify, cursor.cursor.status);
    lk_table_cursor_release(&cursor);
    return rc;
}

static int verify_table(struct verify *verify, struct lk_table *table)
{
    int rc = lk_table_verify(table, verify->found ? found_one : NULL, advance, verify);
    if (rc == 0 || (rc == LSMKV_CORRUPT && verify->found)) /* the table's own damage is told by now */
        return verify_uses(verify, table, rc == 0);
    return damage(verify, rc);
}

static int verify_frame(struct verify *verify, const struct lk_frame *frame)
{
    const uint8_t *at = frame->body.at, *end = at + frame->body.len;
    int rc = 0;
    while (rc == 0 && frame->kind == LK_FRAME_RECORDS && at < end) {
        struct lk_record record = {0};
        const uint8_t *next = *at ? lk_record_get(at, end, &record) : at + 1;
        if (!next)
            return damage(verify, lk_fail(LSMKV_CORRUPT, "a frame of the log holds bytes that are no record"));
        rc = verify_value(verify, &record);
        at = next;
    }
    return rc;
}

/* The frames of a log file up to where this engine wrote. */
static int verify_log(struct verify *verify, const struct lk_segment *segment)
{
    struct lk_segment *copy = NULL;
    uint64_t end = atomic_load(&segment->end), at = LK_FILE_HEAD;
    if (segment->kind == LK_SEGMENT_NONE || end == LK_FILE_HEAD)
        return 0;
    int rc = lk_segment_load(verify->db->env, verify->db->dir, segment->number, verify->db->store, 0, &copy);
    struct lk_frame frame;
    while (rc == 0 && at < end) {
        if (lk_frame_get(copy->base, copy->capacity, at, copy->identity, &frame) != LK_FRAME_GOOD)
            rc = lk_fail_corrupt(copy->name, at, "%s: the frame at byte %llu fails verification", copy->name,
                                 (unsigned long long)at);
        else
            rc = verify_frame(verify, &frame), at += frame.total;
    }
    if (rc > 0)
        rc = lk_fail_corrupt(segment->name, 0, "%s has lost its head", segment->name);
    rc = damage(verify, rc);
    lk_segment_free(copy);
    return rc < 0 ? rc : advance(verify, end) ? LSMKV_CANCELLED : 0;
}

static int verify_manifest(struct verify *verify)
{
    struct lk_manifest_state state;
    int rc = lk_manifest_load(verify->db->env, verify->db->dir, &state);
    if (rc == 0)
        lk_manifest_state_deinit(&state);
    return damage(verify, rc == LSMKV_NOTFOUND ? lk_fail_corrupt("CURRENT", 0, "CURRENT is missing") : rc);
}

static int verify_all(struct verify *verify, const struct lk_version *version)
{
    int rc = verify_manifest(verify);
    for (uint32_t i = 0; rc == 0 && i < version->memtable_count; i++)
        rc = verify_log(verify, version->memtables[i]->segment);
    for (uint32_t i = 0; rc == 0 && i < version->run_count; i++)
        for (uint32_t j = 0; rc == 0 && j < version->runs[i]->count; j++)
            rc = verify_table(verify, version->runs[i]->tables[j]);
    return rc;
}

int lk_verify(struct lk_db *db, lsmkv_found found, int (*progress)(void *, uint64_t, uint64_t), void *context)
{
    struct verify verify = {.db = db, .found = found, .progress = progress, .context = context};
    struct lk_snapshot now;
    int rc = lk_snapshot_take(db, &now);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < now.version->memtable_count; i++)
        verify.total += atomic_load(&now.version->memtables[i]->segment->end) +
                        atomic_load(&now.version->memtables[i]->value_bytes);
    for (uint32_t i = 0; i < now.version->run_count; i++)
        verify.total += lk_run_bytes(now.version->runs[i]) + lk_run_value_bytes(now.version->runs[i]);
    rc = verify_all(&verify, now.version);
    if (rc == 0 && verify.first) {
        lk_error_restore(&verify.error);
        rc = verify.first;
    }
    struct lsmkv_error saved = *lk_error();
    lk_snapshot_drop(&now);
    lk_error_restore(&saved);
    return rc;
}
