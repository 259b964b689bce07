/* lend: see engine/lend.h. */
#include "engine/lend.h"

#include <string.h>

static int inside(const uint8_t *base, uint64_t bytes, struct lk_slice value)
{
    return base && (uintptr_t)value.at >= (uintptr_t)base && (uintptr_t)value.at - (uintptr_t)base < bytes;
}

/* Does the version alone keep these bytes where and what they are? */
static int stays(const struct lk_version *version, struct lk_slice key, struct lk_slice value)
{
    for (uint32_t i = 0; i < version->memtable_count; i++) {
        const struct lk_segment *segment = version->memtables[i]->segment;
        if (inside(segment->base, segment->capacity, value))
            return 1;
    }
    for (uint32_t i = 0; i < version->run_count; i++) {
        const struct lk_table *table = lk_run_table(version->runs[i], key);
        if (table && inside(table->granules.base, table->granules.bytes, value))
            return table->granules.mapped;
    }
    return 0;
}

/* What a look has to wait for. */
struct wanted {
    struct lk_missing missing;
    int apart; /* a value that is not known to be sound: its reference */
    uint8_t reference[LK_REFERENCE];
};

/* Memory only, within a slot: what lk_read_find answers. */
static int look(struct lk_db *db, int slot, const struct lk_snapshot *at, struct lk_slice key, uint64_t hash,
                struct lk_slice *value, struct lk_buf *copy, int *copied, struct wanted *wanted)
{
    struct lk_present present = lk_present_of(at);
    struct lk_record record;
    present.scratch = lk_read_scratch(db, slot);
    int rc = lk_read_find(db, &present, key, hash, &record, &wanted->missing);
    wanted->apart = rc == 0 && (record.flags & LK_RECORD_APART);
    if (rc != 0)
        return rc;
    if (wanted->apart) {
        memcpy(wanted->reference, record.value.at, LK_REFERENCE);
        *copied = 0; /* the version pins its segment too */
        rc = lk_values_show(&db->values, &record);
        *value = record.value;
        return rc;
    }
    *value = record.value;
    *copied = !stays(at->version, key, record.value);
    return *copied ? lk_buf_copy(copy, record.value) : 0;
}

int lk_lend(struct lk_db *db, const struct lk_snapshot *at, struct lk_slice key, struct lk_slice *value,
            struct lk_buf *copy, int *copied)
{
    uint64_t hash = lk_hash(db->seed, key.at, key.len);
    struct wanted wanted = {0};
    int rc;
    for (;;) { /* what is filled of a mapped table stays, so each turn comes nearer */
        int slot = lk_read_enter(db);
        rc = look(db, slot, at, key, hash, value, copy, copied, &wanted);
        lk_epoch_leave(&db->epochs, slot);
        if (rc != LSMKV_WOULDBLOCK || !(wanted.apart ? db->values.mapped : wanted.missing.table->granules.mapped))
            break;
        rc = wanted.apart ? lk_values_check(&db->values, lk_slice(wanted.reference, LK_REFERENCE))
                          : lk_table_fill(&wanted.missing);
        if (rc < 0)
            return rc;
    }
    if (rc == LSMKV_WOULDBLOCK) {
        *copied = 1;
        rc = lk_read_copy(db, at, key, copy);
    }
    if (rc == 0 && *copied)
        *value = lk_buf_slice(copy);
    return rc;
}
