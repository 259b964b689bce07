/* layer: keys of the layer in groups, each looked up below; then what range deletes took away. */
#include "engine/layer.h"

#include "store/table_cursor.h"

/* ---- a group of keys ------------------------------------------------------------------------- */

static struct lk_slice key_at(const struct lk_layer *layer, size_t offset, uint32_t index)
{
    return lk_slice(layer->keys.at + offset, layer->group[index].bytes);
}

static int is_covered(const struct lk_layer *layer, struct lk_slice key)
{
    return layer->ranges && layer->ranges->count && lk_ranges_find(layer->ranges, key) != NULL;
}

/* Live in the segment at the layer's end? It has a record there. Inside a slot. */
static int is_live(const struct lk_layer *layer, struct lk_slice key, uint64_t hash)
{
    struct lk_record record;
    return lk_memtable_find(layer->memtable, hash, key, layer->limit, &record, NULL, NULL) == 0 &&
           lk_record_kind(&record) == LK_PUT;
}

/* Inside a slot. 0 or a failure. */
static int look_in_memory(struct lk_layer *layer)
{
    struct lk_present below = lk_present_of(&layer->below);
    struct lk_scratch scratch = {0};
    size_t offset = 0;
    int rc = 0;
    below.scratch = &scratch;
    for (uint32_t i = 0; i < layer->count; offset += layer->group[i++].bytes)
        lk_read_prefetch(&below, key_at(layer, offset, i), layer->group[i].hash);
    offset = 0;
    for (uint32_t i = 0; rc >= 0 && i < layer->count; offset += layer->group[i++].bytes) {
        struct lk_layer_key *entry = &layer->group[i];
        struct lk_slice key = key_at(layer, offset, i);
        struct lk_missing missing;
        struct lk_record record;
        if (layer->memtable)
            entry->above = is_live(layer, key, entry->hash);
        scratch.used = 0;
        rc = is_covered(layer, key) ? LSMKV_NOTFOUND
                                    : lk_read_find(layer->db, &below, key, entry->hash, &record, &missing);
        entry->below = rc == LSMKV_WOULDBLOCK ? rc : rc == 0;
    }
    lk_scratch_deinit(&scratch);
    return rc < 0 ? rc : 0;
}

/* Those of which bytes were missing, one after the other. */
static int look_in_files(struct lk_layer *layer)
{
    size_t offset = 0;
    for (uint32_t i = 0; i < layer->count; offset += layer->group[i++].bytes) {
        struct lk_layer_key *entry = &layer->group[i];
        if (entry->below != LSMKV_WOULDBLOCK)
            continue;
        int rc =
            layer->watch ? lk_read_copy(layer->db, &layer->below, key_at(layer, offset, i), NULL) : LSMKV_WOULDBLOCK;
        if (rc < 0 || rc == LSMKV_WOULDBLOCK)
            return rc;
        entry->below = rc == 0;
    }
    return 0;
}

static int add_up(struct lk_layer *layer)
{
    size_t offset = 0;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < layer->count; offset += layer->group[i++].bytes)
        rc = lk_tally_key(layer->change, key_at(layer, offset, i), layer->group[i].above - layer->group[i].below);
    return rc;
}

static int resolve(struct lk_layer *layer)
{
    int slot = layer->watch ? lk_read_enter(layer->db) : -1;
    int rc = look_in_memory(layer);
    if (slot >= 0)
        lk_epoch_leave(&layer->db->epochs, slot);
    if (rc == 0)
        rc = look_in_files(layer);
    if (rc == 0)
        rc = add_up(layer);
    if (rc == 0 && layer->watch)
        rc = lk_watch_tell(layer->watch, layer->count);
    layer->count = 0;
    lk_buf_reset(&layer->keys);
    return rc;
}

static int add_key(struct lk_layer *layer, struct lk_slice key, int above)
{
    int rc = lk_buf_append(&layer->keys, key.at, key.len);
    if (rc < 0)
        return rc;
    layer->group[layer->count++] =
        (struct lk_layer_key){.bytes = key.len, .hash = lk_hash(layer->db->seed, key.at, key.len), .above = above};
    return layer->count == LK_LAYER_GROUP ? resolve(layer) : 0;
}

/* ---- range deletes ----------------------------------------------------------------------------- */

/* Is the interval all keys of one namespace, or all keys there are? Then *all or *space tells which. */
static int is_whole(const struct lk_interval *interval, uint32_t *space, int *all)
{
    uint8_t bytes[LK_SPACE_PREFIX_BYTES];
    size_t prefix;
    *all = interval->start.len == 0 && interval->open_end;
    *space = lk_space_of(interval->start, &prefix);
    if (*all || interval->open_end || *space == LK_SPACE_CATALOG)
        return *all;
    struct lk_slice edge = lk_slice(bytes, lk_space_start(*space, bytes));
    if (!lk_equal(edge, interval->start))
        return 0;
    edge = lk_slice(bytes, lk_space_stop(*space, bytes));
    return lk_equal(edge, interval->stop);
}

/* What was live below in the interval is not any more. */
static int take_away(struct lk_layer *layer, const struct lk_interval *interval)
{
    uint32_t space;
    int all;
    if (layer->known && is_whole(interval, &space, &all))
        return all ? lk_tally_join(layer->change, layer->known, -1)
                   : lk_tally_add(layer->change, space, -lk_tally_of(layer->known, space));
    struct lsmkv_range range = {.has_start = 1,
                                .has_stop = !interval->open_end,
                                .start = {interval->start.at, interval->start.len},
                                .stop = {interval->stop.at, interval->stop.len}};
    return lk_walk(layer->db, &layer->below, &range, -1, layer->change, layer->watch);
}

static int take_away_all(struct lk_layer *layer)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && layer->ranges && i < layer->ranges->count; i++)
        rc = take_away(layer, &layer->ranges->at[i]);
    return rc;
}

static int finish(struct lk_layer *layer, int rc)
{
    if (rc == 0 && layer->count)
        rc = resolve(layer);
    if (rc == 0)
        rc = take_away_all(layer);
    lk_buf_deinit(&layer->keys);
    layer->ranges = NULL;
    return rc;
}

/* ---- a stretch of the log ---------------------------------------------------------------------- */

/* The range deletes in it. Inside a slot. WOULDBLOCK: there are some, and nothing may wait. */
static int collect_ranges(const struct lk_layer *layer, uint64_t from, struct lk_ranges *out)
{
    const struct lk_mem_ranges *list = atomic_load_explicit(&layer->memtable->ranges, memory_order_acquire);
    int rc = 0;
    for (uint32_t i = 0; list && rc == 0 && i < list->count; i++) {
        const struct lk_mem_range *range = &list->at[i];
        if (range->position >= from && range->position < layer->limit)
            rc = layer->watch ? lk_ranges_add(out, range->start, range->open_end ? NULL : &range->stop)
                              : LSMKV_WOULDBLOCK;
    }
    return rc;
}

/* A key is looked at where it stands first in the stretch: from there a link leads out of it, or nowhere. */
static int add_frame(struct lk_layer *layer, const struct lk_frame *frame, uint64_t from)
{
    const uint8_t *at = frame->body.at, *end = at + frame->body.len;
    int rc = 0;
    while (rc == 0 && at < end) {
        struct lk_record record;
        if (*at == 0) {
            at++;
            continue;
        }
        at = lk_record_get(at, end, &record);
        if (!at)
            return lk_fail_corrupt(layer->memtable->segment->name, from,
                                   "%s holds bytes that are no record, although it did not when it was indexed",
                                   layer->memtable->segment->name);
        if (lk_record_kind(&record) != LK_RANGE_DELETE && !((record.flags & LK_RECORD_LINK) && record.prev >= from))
            rc = add_key(layer, record.key, 0);
    }
    return rc;
}

static int add_frames(struct lk_layer *layer, uint64_t from)
{
    const struct lk_segment *segment = layer->memtable->segment;
    int rc = 0;
    for (uint64_t at = from; rc == 0 && at < layer->limit;) {
        struct lk_frame frame;
        if (!lk_frame_peek(segment->base, layer->limit, at, &frame))
            return lk_fail_corrupt(segment->name, at, "a frame of %s runs past where it ended", segment->name);
        if (frame.kind == LK_FRAME_RECORDS)
            rc = add_frame(layer, &frame, from);
        at += frame.total;
    }
    return rc;
}

int lk_layer_log(struct lk_layer *layer, struct lk_memtable *memtable, uint64_t from, uint64_t to)
{
    struct lk_ranges ranges = {0};
    layer->memtable = memtable;
    layer->limit = to;
    layer->ranges = &ranges;
    int slot = layer->watch ? lk_read_enter(layer->db) : -1;
    int rc = collect_ranges(layer, from, &ranges);
    if (slot >= 0)
        lk_epoch_leave(&layer->db->epochs, slot);
    if (rc == 0)
        rc = add_frames(layer, from);
    rc = finish(layer, rc);
    lk_ranges_deinit(&ranges);
    return rc;
}

/* ---- a run ------------------------------------------------------------------------------------- */

int lk_layer_run(struct lk_layer *layer, const struct lk_run *run)
{
    struct lk_run_cursor walk;
    struct lk_cursor *cursor = &walk.cursor;
    int rc = 0;
    layer->memtable = NULL;
    layer->ranges = &run->ranges;
    lk_run_cursor_init(&walk, run->tables, run->count, 1);
    for (cursor->ops->seek(cursor, run->into ? &run->bound : NULL, 0); rc == 0 && cursor->valid;
         cursor->ops->next(cursor))
        rc = add_key(layer, cursor->record.key, lk_record_kind(&cursor->record) == LK_PUT);
    if (rc == 0)
        rc = cursor->status;
    cursor->ops->deinit(cursor);
    return finish(layer, rc);
}
