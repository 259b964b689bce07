/* read: looking one key up. */
#include "engine/read.h"

#include <string.h>

#include "engine/clock.h"
#include "store/visible.h"
#include "util/alloc.h"

enum { FILLS_BEFORE_COPY = 8 };

int lk_read_enter(struct lk_db *db)
{
    int slot;
    while ((slot = lk_epoch_enter(&db->epochs)) < 0)
        db->env->ops->sleep_ns(db->env, 20000);
    return slot;
}

void lk_read_prefetch(const struct lk_present *present, struct lk_slice key, uint64_t hash)
{
    const struct lk_version *version = present->version;
    for (uint32_t i = 0; i < version->memtable_count; i++)
        lk_memtable_prefetch(version->memtables[i], hash);
    for (uint32_t i = 0; i < version->run_count; i++) {
        struct lk_table *table = lk_run_table(version->runs[i], key);
        if (table)
            lk_table_prefetch(table, hash);
    }
}

/* The newest record of any kind, wherever it is. A key under a newer range delete comes back as a delete. */
static int find_newest(const struct lk_present *present, struct lk_slice key, uint64_t hash, struct lk_record *record,
                       struct lk_missing *missing)
{
    const struct lk_version *version = present->version;
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        uint64_t limit = lk_present_limit(present, i);
        if (lk_memtable_find(version->memtables[i], hash, key, limit, record, NULL, NULL) == 0)
            return 0;
    }
    for (uint32_t i = 0; i < version->run_count; i++) {
        struct lk_table *table = lk_run_table(version->runs[i], key);
        if (!table)
            continue;
        int rc = lk_table_spans(table, key) ? lk_table_find(table, hash, key, record, missing, present->scratch, NULL)
                                            : LSMKV_NOTFOUND;
        if (rc != LSMKV_NOTFOUND)
            return rc;
        if (table->ranges.count && lk_ranges_find(&table->ranges, key))
            return LSMKV_NOTFOUND;
    }
    return LSMKV_NOTFOUND;
}

static int alive(struct lk_db *db, const struct lk_present *present, const struct lk_record *record)
{
    uint64_t now = present->wall_ns;
    if (record->expiry && !now)
        now = lk_wall_ns(db);
    return lk_record_visible(record, now);
}

/* Remember that the key was looked up, unless what the transaction wrote itself answers for it. */
static int remember(const struct lk_present *present, struct lk_slice key, uint64_t hash)
{
    struct lk_record record;
    for (uint32_t i = 0; i < present->own; i++)
        if (lk_memtable_find(present->version->memtables[i], hash, key, lk_present_limit(present, i), &record, NULL,
                             NULL) == 0)
            return 0;
    return lk_reads_key(present->reads, key, hash);
}

int lk_read_find(struct lk_db *db, const struct lk_present *present, struct lk_slice key, uint64_t hash,
                 struct lk_record *record, struct lk_missing *missing)
{
    int rc = present->reads ? remember(present, key, hash) : 0;
    if (rc == 0)
        rc = find_newest(present, key, hash, record, missing);
    return rc == 0 && !alive(db, present, record) ? LSMKV_NOTFOUND : rc;
}

/* ---- waiting ------------------------------------------------------------------------------ */

/* By private reads: the sources in memory have said no, the runs are asked without the cache. */
static int find_private(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key, uint64_t hash,
                        struct lk_buf *bytes, struct lk_record *record)
{
    struct lk_present present = lk_present_of(snapshot);
    for (uint32_t i = 0; i < snapshot->version->run_count; i++) {
        struct lk_table *table = lk_run_table(snapshot->version->runs[i], key);
        if (!table)
            continue;
        int rc = lk_table_spans(table, key) ? lk_table_find_copy(table, hash, key, bytes, record) : LSMKV_NOTFOUND;
        if (rc == 0)
            return alive(db, &present, record) ? 0 : LSMKV_NOTFOUND;
        if (rc != LSMKV_NOTFOUND)
            return rc;
        if (table->ranges.count && lk_ranges_find(&table->ranges, key))
            return LSMKV_NOTFOUND;
    }
    return LSMKV_NOTFOUND;
}

/* Copy the value of a record, or, of one whose value lives apart, what refers to it. out NULL: neither. */
static int copy_value(const struct lk_record *record, struct lk_buf *out, uint8_t reference[LK_REFERENCE])
{
    if (!out)
        return 0;
    if (!(record->flags & LK_RECORD_APART))
        return lk_buf_copy(out, record->value);
    memcpy(reference, record->value.at, LK_REFERENCE);
    return 0;
}

/* Look up in a pinned state, filling in what is missing. out NULL: only whether it is there. *expiry: 0 for never. */
static int find_pinned(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key, struct lk_buf *out,
                       uint64_t *expiry)
{
    uint64_t hash = lk_hash(db->seed, key.at, key.len);
    struct lk_present present = lk_present_of(snapshot);
    struct lk_missing missing = {0};
    struct lk_record record = {0};
    uint8_t reference[LK_REFERENCE];
    int rc = LSMKV_WOULDBLOCK;
    for (int tries = 0; tries < FILLS_BEFORE_COPY && rc == LSMKV_WOULDBLOCK; tries++) {
        int slot = lk_read_enter(db);
        present.scratch = lk_read_scratch(db, slot);
        rc = lk_read_find(db, &present, key, hash, &record, &missing);
        if (rc == 0)
            rc = copy_value(&record, out, reference);
        lk_epoch_leave(&db->epochs, slot);
        if (rc != LSMKV_WOULDBLOCK || missing.bytes > db->budget.cache / 8)
            break;
        int filled = lk_table_fill(&missing);
        if (filled < 0)
            return filled;
    }
    struct lk_buf bytes = {0};
    if (rc == LSMKV_WOULDBLOCK) {
        rc = find_private(db, snapshot, key, hash, &bytes, &record);
        if (rc == 0)
            rc = copy_value(&record, out, reference);
    }
    if (rc == 0 && out && (record.flags & LK_RECORD_APART)) {
        lk_buf_reset(out);
        rc = lk_values_read(&db->values, lk_slice(reference, sizeof reference), out);
    }
    *expiry = rc == 0 ? record.expiry : 0;
    lk_buf_deinit(&bytes);
    return rc;
}

int lk_read_answer(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key, struct lk_buf *out,
                   struct lk_answer *answer)
{
    struct lk_snapshot now;
    *answer = (struct lk_answer){0};
    int rc = snapshot ? 0 : lk_snapshot_take(db, &now);
    if (rc < 0)
        return rc;
    const struct lk_snapshot *at = snapshot ? snapshot : &now;
    answer->seen = at->lsn;
    rc = find_pinned(db, at, key, out, &answer->expiry);
    if (!snapshot)
        lk_snapshot_drop(&now);
    return rc;
}

int lk_read_copy(struct lk_db *db, const struct lk_snapshot *snapshot, struct lk_slice key, struct lk_buf *out)
{
    struct lk_answer answer;
    return lk_read_answer(db, snapshot, key, out, &answer);
}

int lk_read_same(struct lk_db *db, const struct lk_snapshot *a, const struct lk_snapshot *b, struct lk_slice key)
{
    struct lk_buf left = {0}, right = {0};
    uint64_t expiry[2] = {0};
    int rc = find_pinned(db, a, key, &left, &expiry[0]), other = 0;
    if (rc >= 0)
        other = find_pinned(db, b, key, &right, &expiry[1]);
    int same =
        rc == other && (rc != 0 || (expiry[0] == expiry[1] && lk_equal(lk_buf_slice(&left), lk_buf_slice(&right))));
    lk_buf_deinit(&left);
    lk_buf_deinit(&right);
    return rc < 0 ? rc : other < 0 ? other : same;
}

int lk_read_exists_try(struct lk_db *db, int slot, struct lk_slice key, uint64_t *seen)
{
    struct lk_present present = lk_read_present(db);
    present.scratch = lk_read_scratch(db, slot);
    struct lk_missing missing;
    struct lk_record record;
    *seen = present.lsn;
    return lk_read_find(db, &present, key, lk_hash(db->seed, key.at, key.len), &record, &missing);
}

int lk_read_exists_wait(struct lk_db *db, struct lk_slice key, uint64_t *seen)
{
    struct lk_answer answer;
    int rc = lk_read_answer(db, NULL, key, NULL, &answer);
    *seen = answer.seen;
    return rc;
}
