/* mem_kit: a memtable over a segment that is memory alone, and frames put into it by hand.
 *
 *   struct mem mem;
 *   mem_new(&mem, 1 << 20, 1000);
 *   mem_put(&mem, "a", "1");                 one frame, one record
 *   mem_begin(&mem); mem_put(...); mem_put(...); mem_end(&mem);      one frame, two records
 *   mem_begin(&mem); mem_put(...); mem_undo(&mem);                   as if its commit had failed
 *   mem_free(&mem);
 *
 * One writer, as in the engine. Readers bring an epoch slot and a limit of their own. */
#ifndef LK_TESTS_MEM_KIT_H
#define LK_TESTS_MEM_KIT_H

#include <stdlib.h>

#include "check.h"
#include "os/env.h"
#include "store/memtable.h"
#include "store/order.h"

struct mem {
    struct lk_epochs *epochs;
    struct lk_memtable *table;
    uint8_t *at;  /* where the next record of the open frame goes; NULL: no frame is open */
    int full;     /* a record found no place */
    int own_epochs;
};

static const struct lk_hash_seed mem_seed = {3, 4};

static inline uint64_t mem_hash(struct lk_slice key)
{
    return lk_hash(mem_seed, key.at, key.len);
}

static inline uint64_t mem_end_of(const struct mem *mem)
{
    return atomic_load_explicit(&mem->table->segment->end, memory_order_acquire);
}

/* epochs NULL: its own. */
static inline void mem_new_in(struct mem *mem, struct lk_epochs *epochs, uint32_t number, uint64_t capacity,
                              uint32_t keys)
{
    struct lk_segment *segment = NULL;
    memset(mem, 0, sizeof *mem);
    mem->own_epochs = epochs == NULL;
    mem->epochs = epochs ? epochs : aligned_alloc(64, sizeof *epochs);
    if (!epochs)
        lk_epochs_init(mem->epochs);
    CHECK_EQ(lk_segment_create(lk_env_posix(), NULL, number, capacity, LK_SEGMENT_NONE, 0600, &segment), 0);
    CHECK_EQ(lk_segment_start(segment, 1, 0, 0), 0);
    CHECK_EQ(lk_memtable_new(segment, mem_seed, keys, mem->epochs, &mem->table), 0);
}

static inline void mem_new(struct mem *mem, uint64_t capacity, uint32_t keys)
{
    mem_new_in(mem, NULL, 1, capacity, keys);
}

static inline void mem_free(struct mem *mem)
{
    lk_memtable_unref(mem->table);
    if (!mem->own_epochs)
        return;
    lk_epochs_deinit(mem->epochs);
    free(mem->epochs);
}

/* ---- frames ------------------------------------------------------------------------------------- */

static inline void mem_begin(struct mem *mem)
{
    mem->at = lk_segment_body(mem->table->segment);
    mem->full = 0;
}

static inline void mem_end(struct mem *mem)
{
    struct lk_segment *segment = mem->table->segment;
    uint32_t bytes = (uint32_t)(mem->at - lk_segment_body(segment));
    CHECK_EQ(lk_segment_commit(segment, LK_FRAME_RECORDS, bytes), 0);
    lk_segment_advance(segment, bytes);
    mem->at = NULL;
}

/* Take the open frame back, wait for readers, and leave zeros, as the engine does. */
static inline void mem_undo(struct mem *mem)
{
    struct lk_segment *segment = mem->table->segment;
    uint8_t *body = lk_segment_body(segment);
    uint64_t from = (uint64_t)(body - segment->base), to = (uint64_t)(mem->at - segment->base);
    CHECK_EQ(lk_memtable_undo(mem->table, from, to, 1), 0);
    lk_segment_erase(segment, (uint32_t)(to - from));
    mem->at = NULL;
}

/* Into the open frame, or as a frame of its own. The record's byte offset; 0: its lines are full. */
static inline uint64_t mem_add(struct mem *mem, struct lk_record record)
{
    int alone = mem->at == NULL;
    uint64_t unit = (uint64_t)1 << mem->table->segment->shift;
    if (alone)
        mem_begin(mem);
    uint64_t from = (uint64_t)(mem->at - mem->table->segment->base), at = (from + unit - 1) & ~(unit - 1);
    uint8_t *end = lk_memtable_add(mem->table, mem->at, &record, mem_hash(record.key));
    mem->full = end == NULL;
    if (end)
        mem->at = end;
    if (alone && end)
        mem_end(mem);
    else if (alone)
        mem->at = NULL;
    return end ? at : 0;
}

static inline uint64_t mem_put(struct mem *mem, const char *key, const char *value)
{
    return mem_add(mem, (struct lk_record){.flags = LK_PUT,
                                           .key = lk_slice(key, strlen(key)),
                                           .value = lk_slice(value, strlen(value))});
}

static inline uint64_t mem_delete(struct mem *mem, const char *key)
{
    return mem_add(mem, (struct lk_record){.flags = LK_DELETE, .key = lk_slice(key, strlen(key))});
}

/* stop NULL: to the end. */
static inline uint64_t mem_delete_range(struct mem *mem, const char *start, const char *stop)
{
    struct lk_record record = {.flags = LK_RANGE_DELETE, .key = lk_slice(start, strlen(start))};
    if (stop)
        record.value = lk_slice(stop, strlen(stop));
    else
        record.flags |= LK_RECORD_OPEN_END;
    return mem_add(mem, record);
}

/* ---- questions ---------------------------------------------------------------------------------- */

/* The value as text, "-" for a delete, NULL for NOTFOUND. Valid until the next call of this thread. */
static inline const char *mem_get(const struct mem *mem, const char *key, uint64_t limit)
{
    static _Thread_local char text[256];
    struct lk_record record;
    struct lk_slice name = lk_slice(key, strlen(key));
    int slot = lk_epoch_enter(mem->epochs);
    int rc = lk_memtable_find(mem->table, mem_hash(name), name, limit, &record, NULL, NULL);
    if (rc == 0 && lk_record_kind(&record) == LK_PUT)
        snprintf(text, sizeof text, "%.*s", (int)record.value.len, (const char *)record.value.at);
    else
        strcpy(text, "-");
    lk_epoch_leave(mem->epochs, slot);
    return rc == 0 ? text : NULL;
}

#endif
