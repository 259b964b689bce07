/* listing: what lies in a directory. */
#include <stdio.h>
#include <string.h>

#include "engine/recovery.h"
#include "util/alloc.h"

int lk_numbers_add(struct lk_numbers *numbers, uint32_t number)
{
    if (numbers->count == numbers->cap) {
        uint32_t cap = numbers->cap ? numbers->cap * 2 : 16;
        void *more = lk_realloc(numbers->at, cap * sizeof *numbers->at);
        if (!more)
            return lk_fail(LSMKV_NOMEM, "memory ran out while a directory was read");
        numbers->at = more;
        numbers->cap = cap;
    }
    uint32_t at = numbers->count++;
    for (; at > 0 && numbers->at[at - 1] > number; at--)
        numbers->at[at] = numbers->at[at - 1];
    numbers->at[at] = number;
    return 0;
}

static int note(void *arg, const char *name)
{
    struct lk_listing *listing = arg;
    uint32_t number = 0;
    enum lk_file_type type = lk_file_name_get(name, &number);
    if (number > listing->highest)
        listing->highest = number;
    switch (type) {
    case LK_FILE_NONE:
        listing->strangers++;
        snprintf(listing->stranger, sizeof listing->stranger, "%s", name);
        return 0;
    case LK_FILE_CURRENT:
        listing->current = 1;
        return 0;
    case LK_FILE_MANIFEST:
        return lk_numbers_add(&listing->manifests, number);
    case LK_FILE_LOG:
        return lk_numbers_add(&listing->logs, number);
    case LK_FILE_TABLE:
        return lk_numbers_add(&listing->tables, number);
    case LK_FILE_VALUES:
        return lk_numbers_add(&listing->values, number);
    case LK_FILE_TEMP:
        return lk_numbers_add(&listing->temps, number);
    case LK_FILE_LOCK:
    case LK_FILE_ASIDE:
        return 0;
    }
    return 0;
}

int lk_listing_read(struct lk_env *env, struct lk_dir *dir, struct lk_listing *out)
{
    memset(out, 0, sizeof *out);
    int rc = env->ops->dir_list(dir, note, out);
    if (rc < 0 && rc != LSMKV_NOMEM)
        rc = lk_fail_os(-rc, "list", "");
    else if (rc == LSMKV_NOMEM)
        rc = lk_fail(LSMKV_NOMEM, "memory ran out while a directory was read");
    return rc;
}

void lk_listing_deinit(struct lk_listing *listing)
{
    lk_free(listing->logs.at);
    lk_free(listing->tables.at);
    lk_free(listing->values.at);
    lk_free(listing->manifests.at);
    lk_free(listing->temps.at);
    memset(listing, 0, sizeof *listing);
}
