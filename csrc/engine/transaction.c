/* transaction: the stack, savepoints, the commit. */
#include "engine/transaction.h"

#include "engine/conflict.h"
#include "engine/leave.h"
#include "engine/write.h"
#include "store/view.h"
#include "util/alloc.h"

enum {
    FIRST_BYTES = 16 * 1024, /* of the first memtable after the beginning or a savepoint */
    MOST_BYTES = 64 << 20,   /* of one, unless its first record is larger */
    GROWTH = 4,
    RECORD_GUESS = 64,
    KEYS_MAX = 512 * 1024,
    STACK_MOST = 8,          /* memtables above the last savepoint before some are folded */
    ROUNDS = 16              /* snapshots a commit catches up with before it gives in */
};

/* ---- life -------------------------------------------------------------------------------------- */

int lk_transaction_begin(struct lk_db *db, struct lk_snapshot *at, struct lk_transaction *out)
{
    struct lk_reads *reads = NULL;
    *out = (struct lk_transaction){.db = db, .at = at};
    int rc = lk_reads_new(&reads);
    if (rc == 0)
        rc = lk_snapshot_take(db, &out->base);
    if (rc < 0) {
        lk_reads_unref(reads);
        return rc;
    }
    lk_snapshot_share(&out->base, at);
    at->reads = reads;
    return 0;
}

void lk_transaction_end(struct lk_transaction *transaction)
{
    atomic_store(&transaction->at->reads->over, 1);
    lk_leave_snapshot(transaction->at);
    lk_leave_snapshot(&transaction->base);
    lk_free(transaction->saved);
}

/* ---- the stack --------------------------------------------------------------------------------- */

static uint64_t end_of(const struct lk_memtable *memtable)
{
    return atomic_load_explicit(&memtable->segment->end, memory_order_relaxed);
}

/* Put `fresh` (NULL: nothing) in the place of the newest `drop` memtables. */
static int replace(struct lk_transaction *transaction, struct lk_memtable *fresh, uint32_t drop)
{
    struct lk_snapshot *at = transaction->at;
    struct lk_version *old = at->version, *made = NULL;
    uint32_t more = fresh != NULL, keep = old->memtable_count - drop;
    struct lk_memtable **list = lk_alloc((keep + more) * sizeof *list);
    if (list) {
        if (fresh)
            list[0] = fresh;
        for (uint32_t i = 0; i < keep; i++)
            list[more + i] = old->memtables[drop + i];
        made = lk_version_new(list, keep + more, old->runs, old->run_count, old->installs);
    }
    lk_free(list);
    if (!made)
        return lk_fail(LSMKV_NOMEM, "memory ran out in a transaction of %llu writes",
                       (unsigned long long)transaction->writes);
    if (old->view) {
        lk_view_ref(old->view);
        made->view = old->view;
        made->view_from = old->view_from - drop + more;
    }
    at->version = made;
    at->own = at->own - drop + more;
    at->own_limit = at->own ? end_of(made->memtables[0]) : 0;
    lk_epoch_retire(&transaction->db->epochs, old, lk_version_release);
    return 0;
}

static int make(struct lk_db *db, uint64_t capacity, uint64_t keys, struct lk_memtable **out)
{
    struct lk_segment *segment = NULL;
    int rc = lk_segment_create(db->env, db->dir, 0, (capacity + 4095) & ~(uint64_t)4095, LK_SEGMENT_NONE, 0, &segment);
    return rc < 0 ? rc : lk_memtable_new(segment, db->seed, (uint32_t)keys, &db->epochs, out);
}

static uint32_t floor_of(const struct lk_transaction *transaction)
{
    return transaction->saved_count ? transaction->saved[transaction->saved_count - 1].depth : 0;
}

/* The memtable writes go to; NULL after the beginning or a savepoint. */
static struct lk_memtable *top_of(const struct lk_transaction *transaction)
{
    return transaction->at->own > floor_of(transaction) ? transaction->at->version->memtables[0] : NULL;
}

/* Stack a memtable that has room for the record, and is larger than the one it follows. */
static int stack(struct lk_transaction *transaction, const struct lk_record *record)
{
    const struct lk_memtable *top = top_of(transaction);
    uint64_t capacity = top ? top->segment->capacity * GROWTH : FIRST_BYTES;
    uint64_t need = LK_FILE_HEAD + lk_record_bytes(record) + LK_RECORD_LINK_BYTES + 128; /* and alignment */
    capacity = capacity > MOST_BYTES ? MOST_BYTES : capacity;
    capacity = capacity < need ? need : capacity;
    uint64_t keys = capacity / RECORD_GUESS;
    struct lk_memtable *fresh = NULL;
    int rc = make(transaction->db, capacity, keys > KEYS_MAX ? KEYS_MAX : keys, &fresh);
    if (rc == 0)
        rc = replace(transaction, fresh, 0);
    lk_memtable_unref(fresh); /* the version holds it now */
    return rc;
}

/* 0; WOULDBLOCK: it takes no more, nothing was changed; NOMEM. */
static int add(struct lk_memtable *memtable, struct lk_record *record, uint64_t hash)
{
    struct lk_segment *segment = memtable->segment;
    uint64_t end = end_of(memtable);
    if (lk_memtable_room(memtable, record) > segment->capacity - end || lk_memtable_full(memtable, 1))
        return LSMKV_WOULDBLOCK;
    uint8_t *after = lk_memtable_add(memtable, segment->base + end, record, hash);
    if (!after)
        return lk_error()->status;
    atomic_store_explicit(&segment->end, (uint64_t)(after - segment->base), memory_order_release);
    return 0;
}

int lk_transaction_write(struct lk_transaction *transaction, struct lk_record *record)
{
    uint64_t hash = lk_hash(transaction->db->seed, record->key.at, record->key.len);
    struct lk_memtable *top = top_of(transaction);
    int rc = top ? add(top, record, hash) : LSMKV_WOULDBLOCK;
    while (rc == LSMKV_WOULDBLOCK) {
        rc = stack(transaction, record);
        if (rc == 0)
            rc = add(top_of(transaction), record, hash);
    }
    if (rc < 0)
        return rc;
    transaction->at->own_limit = end_of(transaction->at->version->memtables[0]);
    transaction->writes++;
    return 0;
}

/* Visit the records of one memtable in the order they were written, without their links. Stops at the first result
 * that is not 0. */
static int for_each(const struct lk_memtable *memtable, int (*visit)(void *context, struct lk_record *record),
                    void *context)
{
    const uint8_t *at = memtable->segment->base + LK_FILE_HEAD, *end = memtable->segment->base + end_of(memtable);
    int rc = 0;
    while (rc == 0 && at < end) {
        struct lk_record record;
        if (*at == 0) { /* padding */
            at++;
            continue;
        }
        at = lk_record_get(at, end, &record);
        if (!at)
            return lk_fail(LSMKV_CORRUPT, "memory of a transaction was overwritten: nothing of it is committed");
        record.flags &= (uint8_t)~LK_RECORD_LINK;
        rc = visit(context, &record);
    }
    return rc;
}

/* ---- savepoints -------------------------------------------------------------------------------- */

int lk_transaction_save(struct lk_transaction *transaction)
{
    if (transaction->saved_count == transaction->saved_cap) {
        uint32_t cap = transaction->saved_cap ? 2 * transaction->saved_cap : 4;
        struct lk_savepoint *saved = lk_realloc(transaction->saved, cap * sizeof *saved);
        if (!saved)
            return lk_fail(LSMKV_NOMEM, "memory ran out while a savepoint was set");
        transaction->saved = saved;
        transaction->saved_cap = cap;
    }
    transaction->saved[transaction->saved_count++] = (struct lk_savepoint){transaction->at->own, transaction->writes};
    return 0;
}

static int none(void)
{
    return lk_fail(LSMKV_INVALID, "the transaction has no savepoint: each is kept or undone once");
}

static int copy_into(void *memtable, struct lk_record *record)
{
    return add(memtable, record, lk_hash(((struct lk_memtable *)memtable)->seed, record->key.at, record->key.len));
}

/* Many small memtables become one: the newest, and those before them that are no larger than twice what was gathered
 * so far, so that a record is copied a few times only. What does not fit into one stays as it is. */
static int fold(struct lk_transaction *transaction)
{
    struct lk_memtable **own = transaction->at->version->memtables, *fresh = NULL;
    uint32_t most = transaction->at->own - floor_of(transaction), some = 0;
    uint64_t bytes = 0, keys = 0;
    if (most <= STACK_MOST)
        return 0;
    while (some < most && (some < 2 || end_of(own[some]) <= 2 * bytes) && end_of(own[some]) < MOST_BYTES / 4) {
        bytes += end_of(own[some]) + (uint64_t)atomic_load(&own[some]->records) * LK_RECORD_LINK_BYTES;
        keys += atomic_load(&own[some++]->key_count);
    }
    if (some < 2)
        return 0;
    int rc = make(transaction->db, 2 * bytes + FIRST_BYTES, 2 * keys + FIRST_BYTES / RECORD_GUESS, &fresh);
    for (uint32_t i = some; rc == 0 && i-- > 0;)
        rc = for_each(own[i], copy_into, fresh);
    if (rc == 0)
        rc = replace(transaction, fresh, some);
    lk_memtable_unref(fresh);
    return rc == LSMKV_WOULDBLOCK ? 0 : rc;
}

int lk_transaction_keep(struct lk_transaction *transaction)
{
    if (transaction->saved_count == 0)
        return none();
    struct lk_savepoint last = transaction->saved[--transaction->saved_count];
    int rc = fold(transaction);
    if (rc < 0)
        transaction->saved[transaction->saved_count++] = last;
    return rc;
}

int lk_transaction_undo(struct lk_transaction *transaction)
{
    if (transaction->saved_count == 0)
        return none();
    struct lk_savepoint last = transaction->saved[transaction->saved_count - 1];
    int rc = transaction->at->own > last.depth ? replace(transaction, NULL, transaction->at->own - last.depth) : 0;
    if (rc < 0)
        return rc;
    transaction->saved_count--;
    transaction->writes = last.writes;
    return 0;
}

/* ---- the commit -------------------------------------------------------------------------------- */

static int gather(void *batch, struct lk_record *record)
{
    return lk_batch_add(batch, record);
}

/* Append the batch, catching up with what others write meanwhile. */
static int append(struct lk_transaction *transaction, const struct lk_batch *batch, int sync, uint64_t *lsn)
{
    struct lk_db *db = transaction->db;
    struct lk_conflict conflict = {transaction->at->reads, &transaction->base, transaction->base.lsn};
    struct lk_guard guard = {lk_conflict_guard, &conflict};
    int blind = lk_reads_nothing(conflict.reads);
    for (int round = 0; round < ROUNDS; round++) {
        int rc = lk_write_batch_if(db, batch, blind ? NULL : &guard, sync, lsn);
        if (rc != LSMKV_WOULDBLOCK)
            return rc;
        rc = lk_conflict_resolve(db, &conflict);
        if (rc != 0)
            return rc;
    }
    return LSMKV_CONFLICT;
}

int lk_transaction_commit(struct lk_transaction *transaction, int sync, uint64_t *lsn)
{
    const struct lk_snapshot *at = transaction->at;
    struct lk_batch batch = {0};
    int rc = 0;
    atomic_store(&at->reads->over, 1);
    if (transaction->writes == 0) { /* all it looked at was one snapshot */
        if (lsn)
            *lsn = at->lsn;
        return 0;
    }
    for (uint32_t i = at->own; rc == 0 && i-- > 0;)
        rc = for_each(at->version->memtables[i], gather, &batch);
    if (rc == 0)
        rc = append(transaction, &batch, sync, lsn);
    lk_batch_deinit(&batch);
    return rc;
}
