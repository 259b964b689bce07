/* apart: see engine/apart.h. */
#include "engine/apart.h"

static int write_apart(struct lk_db *db, struct lk_record *record, uint8_t to[LK_REFERENCE], struct lk_value_uses *uses)
{
    struct lk_reference reference;
    int rc = lk_values_write(&db->values, LK_LANE_USER, record->value, uses, &reference);
    if (rc < 0)
        return rc;
    lk_reference_put(to, &reference);
    record->value = lk_slice(to, LK_REFERENCE);
    record->flags |= LK_RECORD_APART;
    return 0;
}

int lk_apart_record(struct lk_db *db, const struct lk_record *record, int sync, struct lk_apart *apart)
{
    *apart = (struct lk_apart){.record = *record};
    if (!lk_apart_wanted(db, record->value.len) || lk_record_kind(record) != LK_PUT ||
        (sync && record->value.len <= LK_APART_SYNCED))
        return 0;
    return write_apart(db, &apart->record, apart->reference, &apart->uses);
}

int lk_apart_batch(struct lk_db *db, const struct lk_batch *batch, int sync, struct lk_apart *apart)
{
    const uint8_t *at = batch->bytes.at, *end = at + batch->bytes.len;
    int rc = 0;
    *apart = (struct lk_apart){.batch = batch};
    if (!lk_apart_wanted(db, batch->largest) || (sync && batch->payload <= LK_APART_SYNCED))
        return 0;
    apart->batch = &apart->made;
    while (rc == 0 && at < end) {
        struct lk_record record;
        at = lk_record_get(at, end, &record);
        if (lk_record_kind(&record) == LK_PUT && lk_apart_wanted(db, record.value.len))
            rc = write_apart(db, &record, apart->reference, &apart->uses);
        if (rc == 0)
            rc = lk_batch_add(&apart->made, &record);
    }
    return rc;
}

void lk_apart_end(struct lk_apart *apart)
{
    struct lsmkv_error saved = *lk_error();
    lk_values_release_uses(&apart->uses);
    lk_batch_deinit(&apart->made);
    lk_error_restore(&saved);
}

/* ---- replay --------------------------------------------------------------------------------- */

static int hold(struct lk_db *db, const struct lk_reference *reference, int trusted, struct lk_value_uses *uses)
{
    const struct lk_value_use *use = lk_value_uses_find(uses, reference->number);
    struct lk_value_segment *segment = NULL;
    int rc = use && use->segment ? 0 : lk_values_take(&db->values, reference->number, !trusted, &segment);
    if (rc != 0)
        return rc;
    rc = lk_value_uses_add(uses, reference->number, 1, lk_value_footprint(reference->bytes));
    uses->values = &db->values;
    if (segment && rc == 0)
        lk_value_uses_find(uses, reference->number)->segment = segment;
    else if (segment)
        lk_values_release(&db->values, segment);
    if (rc == 0 && !trusted) {
        segment = lk_value_uses_find(uses, reference->number)->segment;
        rc = lk_values_note(&db->values, segment);
        /* What a failed sync left in the cache is called clean, and no sync of the same file makes it durable: the flush
         * that settles the log writes the value anew. */
        if (!atomic_exchange(&segment->chosen, 1))
            atomic_fetch_add(&db->values.chosen, 1);
    }
    return rc;
}

int lk_apart_replayed(struct lk_db *db, const struct lk_record *record, int trusted, struct lk_value_uses *uses)
{
    struct lk_reference reference = {0};
    if (lk_reference_get(record->value, &reference) < 0)
        return lk_fail(LSMKV_CORRUPT, "a record refers to no value that can be"); /* records are decoded before */
    int rc = hold(db, &reference, trusted, uses);
    if (rc == 0) {
        struct lk_value_segment *segment = lk_value_uses_find(uses, reference.number)->segment;
        rc = trusted ? lk_value_segment_holds(segment, &reference) : lk_value_segment_check(segment, &reference);
    }
    return rc == LSMKV_CORRUPT || rc == LSMKV_NOTFOUND ? 1 : rc;
}

void lk_apart_keep(struct lk_db *db, int keep)
{
    atomic_store(&db->values.keep, keep || db->readonly);
}
