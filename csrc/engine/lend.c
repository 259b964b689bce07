/* lend: see engine/lend.h. */
#include "engine/lend.h"

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

/* Memory only, within a slot: what lk_read_find answers. */
static int look(struct lk_db *db, int slot, const struct lk_snapshot *at, struct lk_slice key, uint64_t hash,
                struct lk_slice *value, struct lk_buf *copy, int *copied, struct lk_missing *missing)
{
    struct lk_present present = lk_present_of(at);
    struct lk_record record;
    present.scratch = lk_read_scratch(db, slot);
    int rc = lk_read_find(db, &present, key, hash, &record, missing);
    if (rc != 0)
        return rc;
    *value = record.value;
    *copied = !stays(at->version, key, record.value);
    return *copied ? lk_buf_copy(copy, record.value) : 0;
}

int lk_lend(struct lk_db *db, const struct lk_snapshot *at, struct lk_slice key, struct lk_slice *value,
            struct lk_buf *copy, int *copied)
{
    uint64_t hash = lk_hash(db->seed, key.at, key.len);
    struct lk_missing missing = {0};
    int rc;
    for (;;) { /* what is filled of a mapped table stays, so each turn comes nearer */
        int slot = lk_read_enter(db);
        rc = look(db, slot, at, key, hash, value, copy, copied, &missing);
        lk_epoch_leave(&db->epochs, slot);
        if (rc != LSMKV_WOULDBLOCK || !missing.table->granules.mapped)
            break;
        rc = lk_table_fill(&missing);
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
