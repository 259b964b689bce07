/* recovery: replay. */
#include "engine/recovery.h"

#include "engine/apart.h"

#include <string.h>

#include "util/alloc.h"

/* ---- one segment ---------------------------------------------------------------------------- */

/* What is learned of one segment. */
struct survey {
    struct lk_db *db;
    uint64_t arrived, records, *proven;
    uint64_t closed;           /* up to here the log was closed cleanly */
    struct lk_value_uses uses; /* owned: what its records refer to */
    int value_lost;            /* it ends before a frame whose value is not there; `loss` tells */
    struct lsmkv_error loss;
};

/* Is the value of that record there? 0, 1, or a failure. */
static int check_value(struct survey *survey, const struct lk_segment *segment, const struct lk_record *record,
                       uint64_t frame_end)
{
    int trusted = lk_lsn(segment->number, frame_end) <= survey->closed;
    int rc = lk_apart_replayed(survey->db, record, trusted, &survey->uses);
    if (rc <= 0)
        return rc;
    survey->value_lost = 1;
    survey->loss = *lk_error();
    return trusted ? LSMKV_CORRUPT : 1;
}

/* The records of one frame, checked for shape. 0; 1: a value of it is not there; CORRUPT: the frame verifies but holds
 * nonsense; a failure. */
static int count_records(struct survey *survey, const struct lk_segment *segment, const struct lk_frame *frame)
{
    const uint8_t *at = frame->body.at, *end = at + frame->body.len;
    while (at < end) {
        struct lk_record record;
        if (*at == 0) {
            at++;
            continue;
        }
        const uint8_t *next = lk_record_get(at, end, &record);
        if (!next)
            return lk_fail_corrupt(segment->name, (uint64_t)(at - segment->base), "%s holds bytes that are no record",
                                   segment->name);
        at = next;
        survey->records++;
        int rc =
            record.flags & LK_RECORD_APART ? check_value(survey, segment, &record, survey->arrived + frame->total) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void note_mark(const struct lk_frame *frame, uint64_t *proven)
{
    uint64_t lsn = frame->body.len == 8 ? lk_load64(frame->body.at) : 0;
    if (lsn > *proven)
        *proven = lsn;
}

/* Walk the good frames from the head on. survey->arrived is where they end. */
static int walk(struct survey *survey, const struct lk_segment *segment)
{
    struct lk_frame frame;
    uint64_t records = 0;
    int rc = 0;
    survey->arrived = LK_FILE_HEAD;
    while (lk_frame_get(segment->base, segment->capacity, survey->arrived, segment->identity, &frame) ==
           LK_FRAME_GOOD) {
        if (frame.kind == LK_FRAME_RECORDS)
            rc = count_records(survey, segment, &frame);
        else if (frame.kind == LK_FRAME_SYNC_MARK)
            note_mark(&frame, survey->proven);
        else
            break;
        if (rc != 0)
            break;
        survey->arrived += frame.total;
        records = survey->records;
    }
    survey->records = records; /* without those of a frame that does not count */
    return rc < 0 ? rc : 0;
}

/* Marks behind a place where replay stopped. */
static void search_marks(const struct lk_segment *segment, uint64_t from, uint64_t *proven)
{
    struct lk_frame frame;
    for (uint64_t at = lk_frame_resync(segment->base, segment->capacity, from, segment->identity);
         at < segment->capacity; at = lk_frame_resync(segment->base, segment->capacity, at + 8, segment->identity))
        if (lk_frame_get(segment->base, segment->capacity, at, segment->identity, &frame) == LK_FRAME_GOOD &&
            frame.kind == LK_FRAME_SYNC_MARK)
            note_mark(&frame, proven);
}

static int index_frame(struct lk_memtable *memtable, const struct lk_frame *frame)
{
    const uint8_t *at = frame->body.at, *end = at + frame->body.len;
    while (at < end) {
        struct lk_record record;
        if (*at == 0) {
            at++;
            continue;
        }
        const uint8_t *next = lk_record_get(at, end, &record);
        int rc = lk_memtable_index(memtable, at, &record, lk_hash(memtable->seed, record.key.at, record.key.len));
        if (rc != 0)
            return rc;
        at = next;
    }
    return 0;
}

/* 0, WOULDBLOCK (more lines are needed), or a failure. */
static int index_all(struct lk_memtable *memtable, uint64_t end)
{
    struct lk_segment *segment = memtable->segment;
    struct lk_frame frame;
    int rc = 0;
    for (uint64_t at = LK_FILE_HEAD; rc == 0 && at < end; at += frame.total) {
        if (lk_frame_get(segment->base, segment->capacity, at, segment->identity, &frame) != LK_FRAME_GOOD)
            return lk_fail_corrupt(segment->name, at, "%s changed while it was read", segment->name);
        if (frame.kind == LK_FRAME_RECORDS)
            rc = index_frame(memtable, &frame);
    }
    return rc;
}

/* The writer had lines for as many keys as the segment had room for, or for some hundred times the keys of a batch
 * that collided (engine/write.c); how many is not written down. So many are tried here: address space, mostly. */
enum { LINES_FOR_MOST = 1 << 26, FACTOR_MOST = 512 };

/* Takes the segment over. */
static int make_memtable(struct lk_db *db, struct lk_segment *segment, uint64_t arrived, uint64_t records,
                         struct lk_memtable **out)
{
    uint64_t keys = records < 16 ? 16 : records > UINT32_MAX / 8 ? UINT32_MAX / 8 : records;
    atomic_store(&segment->end, arrived);
    int rc = lk_memtable_new(segment, db->seed, (uint32_t)keys, &db->epochs, out);
    if (rc < 0)
        return rc;
    while ((rc = index_all(*out, arrived)) == LSMKV_WOULDBLOCK) {
        if ((keys > LINES_FOR_MOST && keys > records * FACTOR_MOST) || keys > UINT32_MAX / 4)
            return lk_fail_corrupt(segment->name, 0, "the keys of %s collide beyond what its index can hold",
                                   segment->name);
        keys *= 2;
        rc = lk_memtable_restart(*out, (uint32_t)keys);
        if (rc < 0)
            return rc;
    }
    atomic_store(&(*out)->sealed, 1);
    return rc;
}

/* ---- the chain ------------------------------------------------------------------------------- */

struct chain {
    struct lk_db *db;
    struct lk_recovered *out;
    const struct lk_listing *listing;
    uint32_t log_first;
    uint32_t torn; /* the newest segment whose head is half there; 0: none */
    char stop_name[24];
    uint64_t closed;         /* the log was closed cleanly up to here; 0: not */
    int value_lost;          /* replay stopped before a frame whose value is not there */
    struct lsmkv_error loss;
};

static int follows(const struct chain *chain, const struct lk_segment *segment)
{
    if (chain->out->last_number == 0)
        return segment->number == chain->log_first || segment->prev < chain->log_first;
    return segment->prev == chain->out->last_number && segment->prev_end == chain->out->last_end;
}

static int keep(struct chain *chain, struct lk_memtable *memtable)
{
    struct lk_recovered *out = chain->out;
    void *more = lk_realloc(out->memtables, (out->count + 1) * sizeof *out->memtables);
    if (!more) {
        lk_memtable_unref(memtable);
        return lk_fail(LSMKV_NOMEM, "memory ran out while the log was replayed");
    }
    out->memtables = more;
    out->memtables[out->count++] = memtable;
    return 0;
}

/* Takes the segment over. */
static int replay(struct chain *chain, struct lk_segment *segment)
{
    struct lk_recovered *out = chain->out;
    struct lk_memtable *memtable = NULL;
    struct survey survey = {.db = chain->db, .proven = &out->proven, .closed = chain->closed};
    int rc = walk(&survey, segment);
    if (rc < 0) {
        struct lsmkv_error saved = *lk_error();
        lk_values_release_uses(&survey.uses);
        lk_segment_free(segment);
        lk_error_restore(&saved);
        return rc;
    }
    uint64_t arrived = survey.arrived, records = survey.records;
    chain->value_lost = survey.value_lost;
    chain->loss = survey.loss;
    search_marks(segment, arrived, &out->proven);
    out->last_number = segment->number;
    out->last_end = (uint32_t)arrived;
    if (arrived > LK_FILE_HEAD)
        out->data_end = lk_lsn(segment->number, arrived);
    out->bytes += arrived - LK_FILE_HEAD;
    out->records += records;
    memcpy(chain->stop_name, segment->name, sizeof chain->stop_name);
    rc = make_memtable(chain->db, segment, arrived, records, &memtable);
    if (rc < 0) {
        struct lsmkv_error saved = *lk_error();
        lk_values_release_uses(&survey.uses);
        if (memtable)
            lk_memtable_unref(memtable);
        lk_error_restore(&saved);
        return rc;
    }
    memtable->uses = survey.uses;
    atomic_store(&memtable->value_bytes, lk_value_uses_bytes(&survey.uses));
    return keep(chain, memtable);
}

static int is_among(const struct lk_numbers *numbers, uint32_t number)
{
    for (uint32_t i = 0; i < numbers->count; i++)
        if (numbers->at[i] == number)
            return 1;
    return 0;
}

static int is_listed(const struct lk_listing *listing, uint32_t number)
{
    return is_among(&listing->logs, number);
}

/* A segment leaves only after the edit that raises log_first is durable: one that is counted on and gone shows that
 * such an edit has been lost. */
static int check_prev(const struct chain *chain, const struct lk_segment *segment)
{
    char name[24];
    if (segment->prev < chain->log_first || is_listed(chain->listing, segment->prev))
        return 0;
    lk_file_name(name, LK_FILE_LOG, segment->prev);
    return lk_fail_corrupt(name, 0,
                           "%s is missing although %s follows it: the end of the manifest or the file itself was "
                           "lost; nothing was changed; restore a backup",
                           name, segment->name);
}

static int visit(struct chain *chain, uint32_t number)
{
    struct lk_segment *segment = NULL;
    int mapped = !chain->db->readonly && chain->db->segment_kind == LK_SEGMENT_MAPPED;
    int rc = lk_segment_load(chain->db->env, chain->db->dir, number, chain->db->store, mapped, &segment);
    if (rc == LSMKV_NOTFOUND)
        return lk_numbers_add(&chain->out->unused, number);
    if (rc == LSMKV_WOULDBLOCK) {
        chain->torn = number;
        return lk_numbers_add(&chain->out->stale, number);
    }
    if (rc < 0)
        return rc;
    if (follows(chain, segment))
        return replay(chain, segment);
    rc = check_prev(chain, segment);
    search_marks(segment, LK_FILE_HEAD, &chain->out->proven);
    lk_segment_free(segment);
    return rc < 0 ? rc : lk_numbers_add(&chain->out->stale, number);
}

/* The manifest says where the log begins. Unless the store was closed (an empty segment goes then) or no segment was
 * begun since, that file exists; when it does not, the edit that let it go has been lost. */
static int check_first(const struct lk_manifest_state *state, const struct lk_listing *listing)
{
    char name[24];
    if (state->closed_lsn || state->log_first >= state->next_number)
        return 0;
    if (is_listed(listing, state->log_first))
        return 0;
    lk_file_name(name, LK_FILE_LOG, state->log_first);
    return lk_fail_corrupt(name, 0,
                           "%s is missing although the manifest counts on it: the end of the manifest or the file "
                           "itself was lost; nothing was changed; restore a backup",
                           name);
}

/* Is the segment that was durable gone, or its head? Then nothing is wrong where replay ended. */
static int is_lost(const struct chain *chain)
{
    uint64_t proven = chain->out->proven;
    uint32_t number = lk_lsn_number(proven);
    return number != chain->out->last_number && lk_lsn_offset(proven) > LK_FILE_HEAD &&
           (!is_listed(chain->listing, number) || is_among(&chain->out->unused, number) || chain->torn == number);
}

static int fail_lost(const struct chain *chain)
{
    uint64_t proven = chain->out->proven;
    uint32_t number = lk_lsn_number(proven);
    char name[24];
    lk_file_name(name, LK_FILE_LOG, number);
    return lk_fail_corrupt(name, 0,
                           "%s %s: the log was on the disk through %u:%u once; nothing was changed, and the store is "
                           "not opened; put that file back, or restore a backup",
                           name, is_listed(chain->listing, number) ? "has lost its head" : "is missing", number,
                           lk_lsn_offset(proven));
}

int lk_recover(struct lk_db *db, const struct lk_manifest_state *state, const struct lk_listing *listing,
               struct lk_recovered *out)
{
    struct chain chain = {
        .db = db, .out = out, .listing = listing, .log_first = state->log_first, .closed = state->closed_lsn};
    memset(out, 0, sizeof *out);
    out->data_end = LK_FILE_HEAD;
    out->proven = state->durable_lsn > state->closed_lsn ? state->durable_lsn : state->closed_lsn;
    int rc = check_first(state, listing);
    for (uint32_t i = 0; rc == 0 && i < listing->logs.count; i++)
        if (listing->logs.at[i] >= state->log_first)
            rc = visit(&chain, listing->logs.at[i]);
    uint64_t arrived = out->last_number ? lk_lsn(out->last_number, out->last_end) : lk_lsn(state->log_first, 0);
    if (out->last_number == 0) /* its head is gone, or all of it */
        lk_file_name(chain.stop_name, LK_FILE_LOG, lk_lsn_number(out->proven));
    int damaged = rc == 0 && out->proven > arrived && lk_lsn_number(out->proven) >= state->log_first;
    if (damaged && chain.value_lost)
        rc = lk_fail_corrupt(chain.loss.file, chain.loss.offset,
                             "%.300s; the record that refers to it was on the disk once (byte %u of %s): nothing was "
                             "changed; restore a backup",
                             chain.loss.text, out->last_end, chain.stop_name);
    else if (damaged && is_lost(&chain))
        rc = fail_lost(&chain);
    else if (damaged)
        rc = lk_fail_corrupt(chain.stop_name, out->last_end,
                             "the log is damaged at byte %u of %s: it was on the disk through %u:%u once; nothing was "
                             "changed, and the store is not opened; put that file back, or restore a backup",
                             out->last_end, chain.stop_name, lk_lsn_number(out->proven), lk_lsn_offset(out->proven));
    out->value_lost = chain.value_lost;
    if (rc < 0) {
        struct lsmkv_error saved = *lk_error();
        lk_recovered_deinit(out);
        lk_error_restore(&saved);
    }
    return rc;
}

void lk_recovered_deinit(struct lk_recovered *recovered)
{
    for (uint32_t i = 0; i < recovered->count; i++)
        lk_memtable_unref(recovered->memtables[i]);
    lk_free(recovered->memtables);
    lk_free(recovered->stale.at);
    lk_free(recovered->unused.at);
    memset(recovered, 0, sizeof *recovered);
}
