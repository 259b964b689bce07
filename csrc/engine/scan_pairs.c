/* scan_pairs: walking a chunk, and the pairs that come of it. */
#include <string.h>

#include "engine/scan_inner.h"
#include "store/visible.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { PATIENCE_STEPS = 16384 };

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
    int rc = lk_buf_reserve(shelf, record->key.len + record->value.len + 1); /* an empty pair stands somewhere, too */
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

/* The index-th pair, of a record that does not lie where it may be lent from as it is. */
static __attribute__((noinline)) int fetch_pair(struct lk_scan *scan, const struct lk_cursor *cursor, int defer,
                                                struct lsmkv_pair *pairs, size_t index, struct lk_slice *key,
                                                size_t *bytes)
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
    int kept = cursor->fleeting ? shelve(scan, &record, pairs, index, key) : 0;
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

/* The index-th pair. A value that lives apart and is not in memory: WOULDBLOCK, or, `defer`, its reference stands in the
 * pair until lk_scan_fetch has read it. *key: where its key stays; *bytes: of the pair as it will be. */
static inline int take(struct lk_scan *scan, const struct lk_cursor *cursor, int defer, struct lsmkv_pair *pairs,
                       size_t index, struct lk_slice *key, size_t *bytes)
{
    const struct lk_record *record = &cursor->record;
    if (UNLIKELY(cursor->fleeting || (record->flags & LK_RECORD_APART && !scan->keys_only)))
        return fetch_pair(scan, cursor, defer, pairs, index, key, bytes);
    struct lk_slice value = scan->keys_only ? lk_slice("", 0) : record->value;
    pairs[index] = (struct lsmkv_pair){{record->key.at, record->key.len}, {value.at, value.len}};
    *bytes = record->key.len + value.len;
    *key = record->key;
    return 0;
}

int lk_scan_collect(struct lk_scan *scan, struct lk_merge *merge, int defer, size_t most, size_t most_bytes,
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
            if (UNLIKELY(scan->row.count))
                lk_scan_row_ends(scan, &record->key, last);
            scan->over = 1;
            break;
        }
        int lives = lk_record_visible(record, scan->at.wall_ns);
        if (lives) {
            taken = take(scan, cursor, defer, pairs, found, &last, &more);
            if (UNLIKELY(taken != 0))
                break;
            if (UNLIKELY(scan->row.count || scan->row.marked))
                lk_scan_row_ends(scan, &last, last);
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
        if (!lives && lk_scan_leap(scan, merge))
            continue;
        if (found < most && bytes < most_bytes)
            lk_merge_step(merge);
    }
    if (!merge->valid && merge->status == 0) {
        if (scan->row.count)
            lk_scan_row_ends(scan, NULL, any ? last : lk_buf_slice(&scan->last));
        scan->over = 1;
    }
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

/* ---- pairs that are to last ---------------------------------------------------------------- */

int lk_scan_keep(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t count)
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

int lk_scan_fetch(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t *found)
{
    size_t count = scan->apart.len / sizeof(uint32_t), total = 0;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        const struct lsmkv_slice *value = &pairs[lk_load32(scan->apart.at + 4 * i)].value;
        total += lk_values_expect(&scan->db->values, lk_slice(value->data, value->size));
    }
    lk_buf_reset(&scan->fetched);
    if (count)
        rc = lk_buf_reserve(&scan->fetched, total); /* so that what was read does not move */
    for (size_t i = 0; rc == 0 && i < count; i++) {
        uint32_t index = lk_load32(scan->apart.at + 4 * i);
        struct lsmkv_slice *value = &pairs[index].value;
        size_t from = scan->fetched.len;
        rc = lk_values_read(&scan->db->values, lk_slice(value->data, value->size), &scan->fetched);
        if (rc < 0 && index > 0) { /* what stands before it is shown first; the next chunk begins with the failure */
            *found = index;
            scan->over = 0;
            lk_scan_row_begins(scan);
            return lk_buf_copy(&scan->last, lk_slice(pairs[index - 1].key.data, pairs[index - 1].key.size));
        }
        *value = (struct lsmkv_slice){scan->fetched.at + from, scan->fetched.len - from};
    }
    return rc;
}
