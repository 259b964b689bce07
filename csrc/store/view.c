/* view: merging the orders of sealed memtables, and walking the result. */
#include "store/view.h"

#include "os/large.h"
#include "util/alloc.h"

enum { AHEAD = 8 };

static struct lk_slice key_at(const struct lk_memtable *memtable, uint32_t position)
{
    const struct lk_segment *segment = memtable->segment;
    uint64_t offset = (uint64_t)position << segment->shift;
    struct lk_record record = {0};
    if (offset < segment->capacity)
        (void)lk_record_get(segment->base + offset, segment->base + segment->capacity, &record);
    return record.key;
}

/* ---- making ------------------------------------------------------------------------------ */

/* The chunks of one memtable's order, read as one sorted list. */
struct source {
    const struct lk_order *order;
    const struct lk_memtable *memtable;
    uint32_t index[LK_ORDER_CHUNKS];
    const struct lk_entry *least; /* NULL: exhausted */
    int chunk;
};

static int before(const struct source *a, const struct lk_entry *x, const struct source *b, const struct lk_entry *y,
                  int *equal)
{
    *equal = 0;
    if (x->head != y->head)
        return x->head < y->head;
    int order = lk_compare(key_at(a->memtable, x->position), key_at(b->memtable, y->position));
    *equal = order == 0;
    return order < 0;
}

static void find_least(struct source *source)
{
    int equal;
    source->least = NULL;
    for (int i = 0; i < LK_ORDER_CHUNKS; i++) {
        const struct lk_chunk *chunk = source->order->chunk[i];
        if (!chunk || source->index[i] >= chunk->count)
            continue;
        const struct lk_entry *entry = &chunk->at[source->index[i]];
        if (!source->least || before(source, entry, source, source->least, &equal)) {
            source->least = entry;
            source->chunk = i;
        }
    }
}

static void advance(struct source *source)
{
    source->index[source->chunk]++;
    find_least(source);
}

static void merge(struct lk_view *view, struct source *sources)
{
    for (;;) {
        uint32_t best = view->memtable_count;
        for (uint32_t i = 0; i < view->memtable_count; i++) {
            int equal;
            if (!sources[i].least)
                continue;
            if (best == view->memtable_count) {
                best = i;
            } else if (before(&sources[i], sources[i].least, &sources[best], sources[best].least, &equal)) {
                best = i;
            } else if (equal) {
                advance(&sources[i]); /* an older version of a key that the winner has */
            }
        }
        if (best == view->memtable_count)
            return;
        const struct lk_entry *entry = sources[best].least;
        view->at[view->count++] = (struct lk_view_entry){
            .head = entry->head, .position = entry->position, .slot = entry->extra, .memtable = best & 15};
        advance(&sources[best]);
    }
}

static int fill(struct lk_view *view)
{
    struct source sources[LK_VIEW_MEMTABLES];
    uint64_t total = 0;
    for (uint32_t i = 0; i < view->memtable_count; i++) {
        int rc = lk_order_seal(view->memtables[i]);
        if (rc == 0)
            rc = lk_memtable_ranges(view->memtables[i], UINT64_MAX, &view->ranges);
        if (rc < 0)
            return rc;
        sources[i] = (struct source){.order = atomic_load(&view->memtables[i]->order), .memtable = view->memtables[i]};
        total += sources[i].order->covered;
        find_least(&sources[i]);
    }
    if (total >= UINT32_MAX)
        return lk_fail(LSMKV_INVALID, "%llu keys are more than a view holds", (unsigned long long)total);
    view->cap = (uint32_t)total + 1;
    view->at = lk_large_new(view->env, (uint64_t)view->cap * sizeof *view->at);
    if (!view->at)
        return lk_fail(LSMKV_NOMEM, "memory ran out while %llu keys were put in order", (unsigned long long)total);
    merge(view, sources);
    return 0;
}

int lk_view_new(struct lk_memtable *const *memtables, uint32_t count, struct lk_view **out)
{
    *out = NULL;
    struct lk_view *view = lk_alloc_zero(sizeof *view);
    if (!view || count > LK_VIEW_MEMTABLES) {
        lk_free(view);
        return lk_fail(LSMKV_NOMEM, "memory ran out while a scan view was made");
    }
    atomic_store(&view->references, 1);
    view->env = count ? memtables[0]->segment->env : NULL;
    for (; view->memtable_count < count; view->memtable_count++)
        view->memtables[view->memtable_count] = memtables[view->memtable_count];
    int rc = fill(view);
    if (rc < 0) {
        lk_view_unref(view);
        return rc;
    }
    *out = view;
    return 0;
}

void lk_view_ref(struct lk_view *view)
{
    atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
}

void lk_view_unref(struct lk_view *view)
{
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) != 1)
        return;
    lk_ranges_deinit(&view->ranges);
    if (view->cap)
        lk_large_free(view->env, view->at, (uint64_t)view->cap * sizeof *view->at);
    lk_free(view);
}

uint64_t lk_view_memory(const struct lk_view *view)
{
    return view ? (uint64_t)view->count * sizeof *view->at : 0;
}

/* ---- walking ----------------------------------------------------------------------------- */

/* Take the entry at `index` as the current record; 0 when a range delete of the view hides it. */
static int take(struct lk_view_cursor *cursor, uint32_t index)
{
    const struct lk_view *view = cursor->view;
    const struct lk_view_entry *entry = &view->at[index];
    struct lk_memtable *memtable = view->memtables[entry->memtable];
    struct lk_record *record = &cursor->cursor.record;
    uint64_t at = 0;
    uint32_t slot = entry->slot;
    uint32_t place = atomic_load_explicit(&memtable->lines[slot >> 4].place[slot & 15], memory_order_acquire);
    if (lk_memtable_version(memtable, lk_place_position(place), UINT64_MAX, record, &at) != 0)
        return 0;
    if (view->ranges.count && lk_ranges_find(&view->ranges, record->key)) {
        if (lk_memtable_covered(memtable, record->key, at, UINT64_MAX))
            return 0;
        for (uint32_t newer = 0; newer < entry->memtable; newer++)
            if (lk_memtable_covered(view->memtables[newer], record->key, 0, UINT64_MAX))
                return 0;
    }
    cursor->cursor.head = entry->head;
    return 1;
}

/* always_inline: a function that only prefetches has no effect the compiler believes in, and calls to it go. */
__attribute__((always_inline)) static inline void prefetch(const struct lk_view *view, uint32_t index)
{
    const struct lk_view_entry *entry = &view->at[index];
    const struct lk_memtable *memtable = view->memtables[entry->memtable];
    __builtin_prefetch(&memtable->lines[entry->slot >> 4]);
    const uint8_t *record = memtable->segment->base + ((uint64_t)entry->position << memtable->segment->shift);
    __builtin_prefetch(record);
    __builtin_prefetch(record + 64);
}

static void walk_on(struct lk_view_cursor *cursor)
{
    for (; cursor->index < cursor->view->count; cursor->index++) {
        if (cursor->index + AHEAD < cursor->view->count)
            prefetch(cursor->view, cursor->index + AHEAD);
        if (take(cursor, cursor->index)) {
            cursor->cursor.valid = 1;
            return;
        }
    }
    cursor->cursor.valid = 0;
}

/* index is one more than the entry to look at. */
static void walk_back(struct lk_view_cursor *cursor)
{
    for (; cursor->index > 0; cursor->index--) {
        if (cursor->index > AHEAD)
            prefetch(cursor->view, cursor->index - AHEAD);
        if (take(cursor, cursor->index - 1)) {
            cursor->cursor.valid = 1;
            return;
        }
    }
    cursor->cursor.valid = 0;
}

/* Number of entries before `key` (`past`: or equal to it). */
static uint32_t rank(const struct lk_view *view, struct lk_slice key, int past)
{
    uint64_t head = lk_head(key, 0);
    uint32_t low = 0, high = view->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct lk_view_entry *entry = &view->at[middle];
        int smaller = entry->head < head;
        if (entry->head == head) {
            int order = lk_compare(key_at(view->memtables[entry->memtable], entry->position), key);
            smaller = order < 0 || (past && order == 0);
        }
        if (smaller)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void seek(struct lk_cursor *base, const struct lk_slice *key, int after)
{
    struct lk_view_cursor *cursor = (struct lk_view_cursor *)base;
    cursor->index = key ? rank(cursor->view, *key, after) : 0;
    walk_on(cursor);
}

static void seek_back(struct lk_cursor *base, const struct lk_slice *key, int before)
{
    struct lk_view_cursor *cursor = (struct lk_view_cursor *)base;
    cursor->index = key ? rank(cursor->view, *key, !before) : cursor->view->count;
    walk_back(cursor);
}

static void next(struct lk_cursor *base)
{
    ((struct lk_view_cursor *)base)->index++;
    walk_on((struct lk_view_cursor *)base);
}

static void prev(struct lk_cursor *base)
{
    ((struct lk_view_cursor *)base)->index--;
    walk_back((struct lk_view_cursor *)base);
}

static void deinit(struct lk_cursor *base)
{
    (void)base;
}

void lk_view_cursor_init(struct lk_view_cursor *cursor, const struct lk_view *view)
{
    static const struct lk_cursor_ops ops = {
        .seek = seek, .seek_back = seek_back, .next = next, .prev = prev, .deinit = deinit};
    *cursor = (struct lk_view_cursor){.cursor = {.ops = &ops}, .view = view};
}
