/* walk: a scan of which nothing but the keys is looked at. */
#include "engine/walk.h"

#include "engine/scan.h"

enum { PAIRS = 256, PAIR_BYTES = 64 << 10 };

int lk_watch_tell(struct lk_watch *watch, uint64_t more)
{
    watch->done += more;
    if (watch->total <= watch->done)
        watch->total = watch->done + 1;
    return watch->went_on(watch->context, watch->done, watch->total);
}

/* In place where that is possible, for it copies nothing. */
static int begin(struct lk_scan *scan, struct lsmkv_pair *pairs, size_t *count)
{
    int rc = lk_scan_begin(scan, 0, PAIRS, PAIR_BYTES, pairs, count);
    return rc == LSMKV_WOULDBLOCK ? lk_scan_begin(scan, 1, PAIRS, PAIR_BYTES, pairs, count) : rc;
}

int lk_walk(struct lk_db *db, const struct lk_snapshot *at, const struct lsmkv_range *range, int64_t times,
            struct lk_tally *tally, struct lk_watch *watch)
{
    struct lsmkv_pair pairs[PAIRS];
    struct lsmkv_range keys = range ? *range : (struct lsmkv_range){0};
    struct lk_scan *scan = NULL;
    keys.keys_only = 1;
    int rc = lk_scan_new(db, at, &keys, &scan);
    while (rc == 0) {
        size_t count = 0;
        rc = begin(scan, pairs, &count);
        if (rc != 0)
            break;
        for (size_t i = 0; rc == 0 && i < count; i++)
            rc = lk_tally_key(tally, lk_slice(pairs[i].key.data, pairs[i].key.size), times);
        lk_scan_end(scan);
        if (rc == 0)
            rc = lk_watch_tell(watch, count);
    }
    lk_scan_free(scan);
    return rc == LSMKV_NOTFOUND ? 0 : rc;
}
