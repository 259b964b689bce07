/* tally: sorted, looked up by halving. */
#include "engine/tally.h"

#include <string.h>

#include "util/alloc.h"

void lk_tally_deinit(struct lk_tally *tally)
{
    lk_free(tally->at);
    *tally = (struct lk_tally){0};
}

/* The first that is not below `space`. */
static uint32_t rank(const struct lk_tally *tally, uint32_t space)
{
    uint32_t low = 0, high = tally->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (tally->at[middle].space < space)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int reserve(struct lk_tally *tally, uint32_t more)
{
    if (more <= tally->cap - tally->count)
        return 0;
    uint32_t cap = tally->cap * 2 < tally->count + more ? tally->count + more : tally->cap * 2;
    void *grown = lk_realloc(tally->at, cap * sizeof *tally->at);
    if (!grown)
        return lk_fail(LSMKV_NOMEM, "memory ran out while the keys of %u namespaces were counted", cap);
    tally->at = grown;
    tally->cap = cap;
    return 0;
}

int lk_tally_add(struct lk_tally *tally, uint32_t space, int64_t keys)
{
    if (tally->last >= tally->count || tally->at[tally->last].space != space) {
        uint32_t at = rank(tally, space);
        if (at == tally->count || tally->at[at].space != space) {
            int rc = reserve(tally, 1);
            if (rc < 0)
                return rc;
            memmove(tally->at + at + 1, tally->at + at, (tally->count - at) * sizeof *tally->at);
            tally->at[at] = (struct lk_tally_space){.space = space};
            tally->count++;
        }
        tally->last = at;
    }
    tally->at[tally->last].keys += keys;
    return 0;
}

int64_t lk_tally_of(const struct lk_tally *tally, uint32_t space)
{
    uint32_t at = rank(tally, space);
    return at < tally->count && tally->at[at].space == space ? tally->at[at].keys : 0;
}

int lk_tally_join(struct lk_tally *to, const struct lk_tally *from, int64_t times)
{
    int rc = reserve(to, from->count);
    for (uint32_t i = 0; rc == 0 && i < from->count; i++)
        rc = lk_tally_add(to, from->at[i].space, times * from->at[i].keys);
    return rc;
}
