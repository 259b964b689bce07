/* scan: cursors, chunks, bounds. */
#include "engine/scan.h"

#include <string.h>

#include "engine/leave.h"
#include "store/order.h"
#include "store/table_cursor.h"
#include "store/view.h"
#include "store/visible.h"
#include "util/alloc.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { PATIENCE_KEYS = 4096, PATIENCE_STEPS = 16384, FILLS_BEFORE_STREAM = 8 };

/* A run as a source. While its smaller keys have moved to another run, it is seen through `clipped`, which
 * begins at the bound. */
struct run_source {
    struct lk_run_cursor run;
    struct lk_cursor clipped;
    struct lk_slice bound;
};

struct lk_scan {
    struct lk_db *db;
    struct lk_snapshot at;            /* own reference to the version */
    struct lk_buf start, stop, last;  /* owned */
    int has_start, has_stop, exclude_start, include_stop, reverse, keys_only;
    int started, ordered, over, status, slot;
    struct lsmkv_error error;         /* with status */
    struct lk_memtable_cursor *memtables; /* owned */
    struct lk_view_cursor view;
    struct run_source *runs;          /* owned */
    struct lk_merge_source *sources;  /* owned */
    struct lk_ranges *ranges;         /* owned: one for each memtable cursor */
    struct lk_merge merge;
    uint32_t memtable_count, run_count, source_count;
    struct lk_buf copy;               /* owned: pairs of a waiting chunk */
    struct lk_buf apart, fetched;     /* owned: indices of its pairs that are references yet; what they refer to */
    struct lk_buf shelf;              /* owned: pairs of the present chunk that did not stay where they were */
    struct lk_buf from, to;           /* owned: what was walked, for a transaction to remember */
};

/* ---- a run from its bound on --------------------------------------------------------------- */

static struct run_source *source_of(struct lk_cursor *clipped)
{
    return (struct run_source *)((char *)clipped - offsetof(struct run_source, clipped));
}

static void reflect(struct run_source *source)
{
    const struct lk_cursor *inner = &source->run.cursor;
    source->clipped.valid = inner->valid && lk_compare(inner->record.key, source->bound) >= 0;
    source->clipped.status = inner->status;
    source->clipped.head = inner->head;
    source->clipped.fleeting = inner->fleeting;
    source->clipped.record = inner->record;
}

static void clipped_seek(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    struct run_source *source = source_of(cursor);
    int below = !key || lk_compare(*key, source->bound) < 0;
    source->run.cursor.ops->seek(&source->run.cursor, below ? &source->bound : key, below ? 0 : after);
    reflect(source);
}

static void clipped_seek_back(struct lk_cursor *cursor, const struct lk_slice *key, int before)
{
    struct run_source *source = source_of(cursor);
    source->run.cursor.ops->seek_back(&source->run.cursor, key, before);
    reflect(source);
}

static void clipped_next(struct lk_cursor *cursor)
{
    struct run_source *source = source_of(cursor);
    source->run.cursor.ops->next(&source->run.cursor);
    reflect(source);
}

static void clipped_prev(struct lk_cursor *cursor)
{
    struct run_source *source = source_of(cursor);
    source->run.cursor.ops->prev(&source->run.cursor);
    reflect(source);
}

static int clipped_piece(struct lk_cursor *cursor, uint64_t offset, void *to, size_t bytes)
{
    struct run_source *source = source_of(cursor);
    return source->run.cursor.ops->value_piece(&source->run.cursor, offset, to, bytes);
}

static void clipped_deinit(struct lk_cursor *cursor)
{
    struct run_source *source = source_of(cursor);
    source->run.cursor.ops->deinit(&source->run.cursor);
}

static const struct lk_cursor_ops clipped_ops = {.seek = clipped_seek,
                                                 .seek_back = clipped_seek_back,
                                                 .next = clipped_next,
                                                 .prev = clipped_prev,
                                                 .value_piece = clipped_piece,
                                                 .deinit = clipped_deinit};

static struct lk_cursor *open_run(struct run_source *source, const struct lk_run *run, int streaming)
{
    lk_run_cursor_init(&source->run, run->tables, run->count, streaming);
    source->run.inner.tells = 1;
    if (!run->into)
        return &source->run.cursor;
    source->bound = run->bound;
    source->clipped = (struct lk_cursor){.ops = &clipped_ops};
    return &source->clipped;
}

/* ---- sources ------------------------------------------------------------------------------- */

static int allocate(struct lk_scan *scan)
{
    const struct lk_version *version = scan->at.version;
    uint32_t memtables = version->view ? version->view_from : version->memtable_count;
    scan->memtables = lk_alloc_zero((memtables + 1) * sizeof *scan->memtables);
    scan->ranges = lk_alloc_zero((memtables + 1) * sizeof *scan->ranges);
    scan->runs = lk_alloc_zero((version->run_count + 1) * sizeof *scan->runs);
    scan->sources = lk_alloc_zero((memtables + version->run_count + 2) * sizeof *scan->sources);
    if (!scan->memtables || !scan->ranges || !scan->runs || !scan->sources)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    scan->memtable_count = memtables;
    return 0;
}

static void add_source(struct lk_scan *scan, struct lk_cursor *cursor, const struct lk_ranges *ranges)
{
    scan->sources[scan->source_count++] =
        (struct lk_merge_source){.cursor = cursor, .ranges = ranges && ranges->count ? ranges : NULL};
}

static int open_sources(struct lk_scan *scan)
{
    const struct lk_version *version = scan->at.version;
    const struct lk_present present = lk_present_of(&scan->at);
    int rc = allocate(scan), slot = lk_read_enter(scan->db); /* lists of range deletes are replaced at any time */
    for (uint32_t i = 0; rc == 0 && i < scan->memtable_count; i++) {
        uint64_t limit = lk_present_limit(&present, i);
        struct lk_memtable *memtable = version->memtables[i];
        if (atomic_load_explicit(&memtable->key_count, memory_order_relaxed) == 0 &&
            !atomic_load_explicit(&memtable->ranges, memory_order_relaxed))
            continue;
        rc = lk_memtable_ranges(memtable, limit, &scan->ranges[i]);
        lk_memtable_cursor_init(&scan->memtables[i], memtable, limit);
        add_source(scan, &scan->memtables[i].cursor, &scan->ranges[i]);
    }
    lk_epoch_leave(&scan->db->epochs, slot);
    if (rc == 0 && version->view) {
        lk_view_cursor_init(&scan->view, version->view);
        add_source(scan, &scan->view.cursor, &version->view->ranges);
    }
    for (uint32_t i = 0; rc == 0 && i < version->run_count; i++, scan->run_count++)
        add_source(scan, open_run(&scan->runs[i], version->runs[i], 0), &version->runs[i]->ranges);
    lk_merge_init(&scan->merge, scan->sources, scan->source_count);
    return rc;
}

static int copy_bounds(struct lk_scan *scan, const struct lsmkv_range *range)
{
    if (!range)
        return 0;
    scan->has_start = range->has_start;
    scan->has_stop = range->has_stop;
    scan->exclude_start = range->exclude_start;
    scan->include_stop = range->include_stop;
    scan->reverse = range->reverse;
    scan->keys_only = range->keys_only;
    int rc = range->has_start ? lk_buf_copy(&scan->start, lk_slice(range->start.data, range->start.size)) : 0;
    if (rc == 0 && range->has_stop)
        rc = lk_buf_copy(&scan->stop, lk_slice(range->stop.data, range->stop.size));
    return rc;
}

int lk_scan_new(struct lk_db *db, const struct lk_snapshot *snapshot, const struct lsmkv_range *range,
                struct lk_scan **out)
{
    *out = NULL;
    struct lk_scan *scan = lk_alloc_zero(sizeof *scan);
    if (!scan)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a scan was opened");
    scan->db = db;
    scan->slot = -1;
    int rc = 0;
    if (snapshot) {
        lk_snapshot_share(snapshot, &scan->at);
    } else {
        rc = lk_snapshot_take(db, &scan->at);
    }
    if (rc == 0)
        rc = copy_bounds(scan, range);
    if (rc == 0)
        rc = open_sources(scan);
    if (rc < 0) {
        lk_scan_free(scan);
        return rc;
    }
    *out = scan;
    return 0;
}

void lk_scan_free(struct lk_scan *scan)
{
    if (!scan)
        return;
    lk_scan_end(scan);
    for (uint32_t i = 0; i < scan->run_count; i++)
        scan->runs[i].run.cursor.ops->deinit(&scan->runs[i].run.cursor);
    for (uint32_t i = 0; scan->ranges && i < scan->memtable_count; i++)
        lk_ranges_deinit(&scan->ranges[i]);
    lk_free(scan->memtables);
    lk_free(scan->ranges);
    lk_free(scan->runs);
    lk_free(scan->sources);
    lk_buf_deinit(&scan->start);
    lk_buf_deinit(&scan->stop);
    lk_buf_deinit(&scan->last);
    lk_buf_deinit(&scan->copy);
    lk_buf_deinit(&scan->apart);
    lk_buf_deinit(&scan->fetched);
    lk_buf_deinit(&scan->shelf);
    lk_buf_deinit(&scan->from);
    lk_buf_deinit(&scan->to);
    if (scan->at.version)
        lk_leave_snapshot(&scan->at);
    lk_free(scan);
}

uint64_t lk_scan_lsn(const struct lk_scan *scan)
{
    return scan->at.lsn;
}

/* ---- a chunk ------------------------------------------------------------------------------- */

/* Bring the orders of all memtables of the scan up to its snapshot. Not inside a slot. */
static int order(struct lk_scan *scan, int wait)
{
    for (uint32_t i = 0; !scan->ordered && i < scan->memtable_count; i++) {
        int rc = lk_order_update(scan->at.version->memtables[i], wait ? UINT32_MAX : PATIENCE_KEYS, wait);
        if (rc != 0)
            return rc;
    }
    scan->ordered = 1;
    return 0;
}

static void seek(struct lk_scan *scan, struct lk_merge *merge)
{
    struct lk_slice last = lk_buf_slice(&scan->last), start = lk_buf_slice(&scan->start),
                    stop = lk_buf_slice(&scan->stop);
    const struct lk_slice *near = scan->started ? &last : scan->reverse ? &stop : &start;
    const struct lk_version *version = scan->at.version;
    for (uint32_t i = 0;
         i < version->run_count && (scan->started || (scan->reverse ? scan->has_stop : scan->has_start)); i++)
        lk_run_prefetch(version->runs[i]->tables, version->runs[i]->count, *near); /* all seeks on their way together */
    if (!scan->reverse)
        lk_merge_seek(merge,
                      scan->started     ? &last
                      : scan->has_start ? &start
                                        : NULL,
                      scan->started || scan->exclude_start);
    else
        lk_merge_seek_back(merge,
                           scan->started    ? &last
                           : scan->has_stop ? &stop
                                            : NULL,
                           scan->started || !scan->include_stop);
}

/* Is the key past the far end of the range? */
static int beyond(const struct lk_scan *scan, struct lk_slice key)
{
    if (!scan->reverse) {
        int order = scan->has_stop ? lk_compare(key, lk_buf_slice(&scan->stop)) : -1;
        return order > 0 || (order == 0 && !scan->include_stop);
    }
    int order = scan->has_start ? lk_compare(key, lk_buf_slice(&scan->start)) : 1;
    return order < 0 || (order == 0 && scan->exclude_start);
}

/* Put a record that goes when its cursor moves onto the shelf, as pairs[count]; *key is its key there. The shelf grows;
 * what stands on it and is lent already moves along. 0 or NOMEM. */
static __attribute__((noinline)) int shelve(struct lk_scan *scan, const struct lk_record *record,
                                            struct lsmkv_pair *pairs, size_t count, struct lk_slice *key)
{
    struct lk_buf *shelf = &scan->shelf;
    uintptr_t before = (uintptr_t)shelf->at;
    int rc = lk_buf_reserve(shelf, record->key.len + record->value.len);
    if (rc < 0)
        return rc;
    for (size_t i = 0; (uintptr_t)shelf->at != before && i < count * 2; i++) {
        struct lsmkv_slice *part = i & 1 ? &pairs[i / 2].value : &pairs[i / 2].key;
        uintptr_t offset = (uintptr_t)part->data - before;
        if ((uintptr_t)part->data >= before && offset <= shelf->len)
            part->data = shelf->at + offset;
    }
    pairs[count].key = (struct lsmkv_slice){shelf->at + shelf->len, record->key.len};
    rc = lk_buf_append(shelf, record->key.at, record->key.len);
    pairs[count].value = (struct lsmkv_slice){shelf->at + shelf->len, record->value.len};
    *key = lk_slice(pairs[count].key.data, record->key.len);
    return rc < 0 ? rc : lk_buf_append(shelf, record->value.at, record->value.len);
}

/* The index-th pair. A value that lives apart and is not in memory: WOULDBLOCK, or, `defer`, its reference stands in the
 * pair until fetch() has read it. *key: where its key stays; *bytes: of the pair as it will be. */
static int take(struct lk_scan *scan, const struct lk_cursor *cursor, int defer, struct lsmkv_pair *pairs, size_t index,
                struct lk_slice *key, size_t *bytes)
{
    struct lk_record record = cursor->record;
    struct lk_reference reference;
    uint32_t number = (uint32_t)index;
    if (scan->keys_only) {
        record.value = lk_slice("", 0);
        record.flags &= (uint8_t)~LK_RECORD_APART;
    }
    struct lk_record shown = record;
    int rc = lk_values_show(&scan->db->values, &shown);
    if (rc == LSMKV_WOULDBLOCK && !defer)
        return rc;
    pairs[index] = (struct lsmkv_pair){{record.key.at, record.key.len}, {record.value.at, record.value.len}};
    *bytes = record.key.len + shown.value.len;
    *key = record.key;
    int kept = UNLIKELY(cursor->fleeting) ? shelve(scan, &record, pairs, index, key) : 0;
    if (kept < 0 || !(record.flags & LK_RECORD_APART))
        return kept;
    if (rc == 0) { /* what is shown stays where it is */
        pairs[index].value = (struct lsmkv_slice){shown.value.at, shown.value.len};
        return 0;
    }
    if (lk_reference_get(record.value, &reference) == 0)
        *bytes = record.key.len + reference.bytes;
    return lk_buf_append(&scan->apart, &number, sizeof number);
}

/* Walk on from where the last chunk ended. 0: *count pairs, perhaps none when patience ran out; NOTFOUND: over;
 * WOULDBLOCK: nothing found and a source needs bytes; a failure. Inside a slot. */
static int collect(struct lk_scan *scan, struct lk_merge *merge, int defer, size_t most, size_t most_bytes,
                   struct lsmkv_pair *pairs, size_t *count)
{
    size_t found = 0, bytes = 0, steps = 0, more = 0;
    struct lk_slice last = {0};
    int any = 0, taken = 0, rc = 0;
    lk_buf_reset(&scan->apart);
    lk_buf_reset(&scan->shelf);
    seek(scan, merge);
    for (; merge->valid && found < most && bytes < most_bytes && steps < PATIENCE_STEPS; steps++) {
        const struct lk_cursor *cursor = lk_merge_current(merge);
        const struct lk_record *record = &cursor->record;
        if (beyond(scan, record->key)) {
            scan->over = 1;
            break;
        }
        if (lk_record_visible(record, scan->at.wall_ns)) {
            taken = take(scan, cursor, defer, pairs, found, &last, &more);
            if (UNLIKELY(taken != 0))
                break;
            found++;
            bytes += more;
        } else if (UNLIKELY(cursor->fleeting)) {
            rc = lk_buf_copy(&scan->last, record->key);
            last = lk_buf_slice(&scan->last);
        } else {
            last = record->key;
        }
        if (UNLIKELY(rc < 0))
            return rc;
        any = 1;
        if (found < most && bytes < most_bytes)
            lk_merge_step(merge);
    }
    if (!merge->valid && merge->status == 0)
        scan->over = 1;
    if (any && last.at != scan->last.at)
        rc = lk_buf_copy(&scan->last, last);
    scan->started |= any;
    *count = found;
    if (rc == 0 && (taken < 0 || (taken > 0 && found == 0)))
        rc = taken;
    if (rc == 0 && !merge->valid && merge->status != 0 && found == 0)
        rc = merge->status;
    return rc == 0 && found == 0 && scan->over ? LSMKV_NOTFOUND : rc;
}

static int latch(struct lk_scan *scan, int rc)
{
    if (rc < 0) {
        scan->status = rc;
        scan->error = *lk_error();
    }
    return rc;
}

static int begin_try(struct lk_scan *scan, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    int rc = order(scan, 0);
    if (rc != 0)
        return rc;
    scan->slot = lk_epoch_enter(&scan->db->epochs);
    if (scan->slot < 0)
        return LSMKV_WOULDBLOCK;
    rc = collect(scan, &scan->merge, 0, most, most_bytes, pairs, count);
    if (rc == 0 && *count > 0)
        return 0;
    lk_scan_end(scan);
    return rc == 0 ? LSMKV_WOULDBLOCK : rc; /* a long stretch of deleted keys goes on without the caller's locks */
}

/* Copy lent pairs into the scan's own memory. */
static int keep(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += pairs[i].key.size + pairs[i].value.size;
    lk_buf_reset(&scan->copy);
    int rc = lk_buf_reserve(&scan->copy, bytes + 1);
    for (size_t i = 0; rc == 0 && i < count * 2; i++) {
        struct lsmkv_slice *part = i & 1 ? &pairs[i / 2].value : &pairs[i / 2].key;
        if (part->size)
            memcpy(scan->copy.at + scan->copy.len, part->data, part->size);
        part->data = scan->copy.at + scan->copy.len;
        scan->copy.len += part->size;
    }
    return rc;
}

/* What stopped the merge: its failed source, which is a run. */
static struct lk_table_cursor *stopped(struct lk_scan *scan)
{
    uint32_t first_run = scan->source_count - scan->run_count;
    return &scan->runs[scan->merge.failed - first_run].run.inner;
}

/* One pair through private reads, when the cache cannot hold what the scan needs. The slot is held over those
 * reads, because the active memtable's order is looked at meanwhile: reclaiming waits for it, nothing else does. */
static int collect_private(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t *count)
{
    const struct lk_version *version = scan->at.version;
    struct run_source *runs = lk_alloc_zero((scan->run_count + 1) * sizeof *runs);
    struct lk_merge_source *sources = lk_alloc_zero((scan->source_count + 1) * sizeof *sources);
    struct lk_merge merge;
    uint32_t first_run = scan->source_count - scan->run_count, opened = 0;
    int rc = runs && sources ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while a scan went on");
    for (uint32_t i = 0; rc == 0 && i < scan->source_count; i++) {
        sources[i] = scan->sources[i];
        if (i >= first_run)
            sources[i].cursor = open_run(&runs[opened], version->runs[opened], 1), opened++;
    }
    if (rc == 0) {
        lk_merge_init(&merge, sources, scan->source_count);
        rc = collect(scan, &merge, 1, 1, 1, pairs, count);
    }
    if (rc == 0 && *count && pairs->value.size && !pairs->value.data) {
        struct lk_cursor *cursor = lk_merge_current(&merge);
        lk_buf_reset(&scan->copy);
        rc = lk_buf_reserve(&scan->copy, pairs->key.size + pairs->value.size);
        if (rc == 0)
            rc = cursor->ops->value_piece(cursor, 0, scan->copy.at + pairs->key.size, pairs->value.size);
        if (rc == 0 && pairs->key.size)
            memcpy(scan->copy.at, pairs->key.data, pairs->key.size);
        if (rc == 0)
            *pairs = (struct lsmkv_pair){{scan->copy.at, pairs->key.size},
                                         {scan->copy.at + pairs->key.size, pairs->value.size}};
    } else if (rc == 0) {
        rc = keep(scan, pairs, *count);
    }
    for (uint32_t i = 0; i < opened; i++)
        runs[i].run.cursor.ops->deinit(&runs[i].run.cursor);
    lk_free(runs);
    lk_free(sources);
    return rc;
}

/* Read what the references among the kept pairs refer to. No slot held. */
static int fetch(struct lk_scan *scan, struct lsmkv_pair *pairs)
{
    size_t count = scan->apart.len / sizeof(uint32_t), total = 0;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        const struct lsmkv_slice *value = &pairs[lk_load32(scan->apart.at + 4 * i)].value;
        struct lk_reference reference = {0};
        (void)lk_reference_get(lk_slice(value->data, value->size), &reference);
        total += reference.bytes;
    }
    lk_buf_reset(&scan->fetched);
    if (count)
        rc = lk_buf_reserve(&scan->fetched, total); /* so that what was read does not move */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct lsmkv_slice *value = &pairs[lk_load32(scan->apart.at + 4 * i)].value;
        size_t from = scan->fetched.len;
        rc = lk_values_read(&scan->db->values, lk_slice(value->data, value->size), &scan->fetched);
        *value = (struct lsmkv_slice){scan->fetched.at + from, scan->fetched.len - from};
    }
    return rc;
}

/* Advice is good for a walk and never needed for one. After each the walk begins anew where something was last found,
 * perhaps in the table before, and would ask again: so the chunk does without, once there was enough of it. */
static void advise(struct lk_scan *scan, uint32_t times)
{
    lk_table_cursor_advise(stopped(scan));
    for (uint32_t i = 0; times > 2 * scan->run_count && i < scan->run_count; i++)
        scan->runs[i].run.inner.tells = 0;
}

static int begin_wait(struct lk_scan *scan, size_t most, size_t most_bytes, struct lsmkv_pair *pairs, size_t *count)
{
    int rc = order(scan, 1), fills = 0;
    uint32_t told = 0;
    if (rc != 0)
        return rc;
    for (;;) {
        int slot = lk_read_enter(scan->db);
        rc = collect(scan, &scan->merge, 1, most, most_bytes, pairs, count);
        struct lk_missing missing = rc == LSMKV_WOULDBLOCK ? stopped(scan)->missing : (struct lk_missing){0};
        if (rc == 0 && *count)
            rc = keep(scan, pairs, *count);
        lk_epoch_leave(&scan->db->epochs, slot);
        if (rc == 0 && *count == 0)
            continue; /* deleted keys only: go on */
        if (rc != LSMKV_WOULDBLOCK)
            return rc == 0 ? fetch(scan, pairs) : rc;
        if (lk_table_wants_advice(&missing)) {
            advise(scan, ++told);
            continue;
        }
        if (++fills > FILLS_BEFORE_STREAM || missing.bytes > scan->db->budget.cache / 8) {
            slot = lk_read_enter(scan->db);
            rc = collect_private(scan, pairs, count);
            lk_epoch_leave(&scan->db->epochs, slot);
            if (rc == 0 && *count)
                rc = fetch(scan, pairs);
            if (rc != 0 || *count)
                return rc;
            fills = 0;
            continue;
        }
        rc = lk_table_fill(&missing);
        if (rc < 0)
            return rc;
    }
}

/* The key, or the first one after it. */
static int bound(struct lk_buf *to, const struct lk_buf *key, int after)
{
    int rc = lk_buf_copy(to, lk_buf_slice(key));
    return rc == 0 && after ? lk_buf_append(to, "", 1) : rc;
}

/* Tell the transaction how far its range was walked. */
static int remember(struct lk_scan *scan)
{
    int forward = !scan->reverse, open_end = scan->over || !forward ? !scan->has_stop : 0, rc = 0;
    if (!scan->over && !scan->started)
        return 0;
    lk_buf_reset(&scan->from);
    if (!forward && !scan->over)
        rc = bound(&scan->from, &scan->last, 0);
    else if (scan->has_start)
        rc = bound(&scan->from, &scan->start, scan->exclude_start);
    if (rc == 0 && forward && !scan->over)
        rc = bound(&scan->to, &scan->last, 1);
    else if (rc == 0 && scan->has_stop)
        rc = bound(&scan->to, &scan->stop, scan->include_stop);
    struct lk_slice stop = lk_buf_slice(&scan->to);
    return rc == 0 ? lk_reads_range(scan->at.reads, lk_buf_slice(&scan->from), open_end ? NULL : &stop) : rc;
}

/* A chunk of a transaction's range. */
static int begin_remembered(struct lk_scan *scan, int wait, size_t most, size_t most_bytes, struct lsmkv_pair *pairs,
                            size_t *count)
{
    int rc = wait ? begin_wait(scan, most, most_bytes, pairs, count) : begin_try(scan, most, most_bytes, pairs, count);
    int kept = rc == 0 || rc == LSMKV_NOTFOUND ? remember(scan) : 0;
    if (kept == 0)
        return rc;
    lk_scan_end(scan); /* what is not remembered is not shown */
    *count = 0;
    return kept;
}

int lk_scan_begin(struct lk_scan *scan, int wait, size_t most, size_t most_bytes, struct lsmkv_pair *pairs,
                  size_t *count)
{
    *count = 0;
    if (scan->status < 0) {
        lk_error_restore(&scan->error);
        return scan->status;
    }
    if (scan->over)
        return LSMKV_NOTFOUND;
    for (uint32_t i = 0; i < scan->run_count; i++)
        scan->runs[i].run.inner.tells = 1;
    if (scan->at.reads) {
        int rc = lk_reads_enter(scan->at.reads);
        if (rc < 0)
            return rc;
        rc = latch(scan, begin_remembered(scan, wait, most, most_bytes, pairs, count));
        lk_reads_leave(scan->at.reads);
        return rc;
    }
    return latch(scan, wait ? begin_wait(scan, most, most_bytes, pairs, count)
                            : begin_try(scan, most, most_bytes, pairs, count));
}

void lk_scan_end(struct lk_scan *scan)
{
    if (scan->slot >= 0)
        lk_epoch_leave(&scan->db->epochs, scan->slot);
    scan->slot = -1;
}
