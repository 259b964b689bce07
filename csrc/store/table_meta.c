/* table_meta: the facts about a table that the manifest keeps, with keys of their own. */
#include "store/table_writer.h"

int lk_table_meta_copy(struct lk_table_meta *to, const struct lk_table_meta *from)
{
    struct lk_table_meta copy = *from;
    copy.lo = copy.hi = copy.key_min = copy.key_max = (struct lk_slice){0};

    int rc = lk_key_copy(from->lo, &copy.lo);
    if (rc == 0)
        rc = lk_key_copy(from->hi, &copy.hi);
    if (rc == 0)
        rc = lk_key_copy(from->key_min, &copy.key_min);
    if (rc == 0)
        rc = lk_key_copy(from->key_max, &copy.key_max);
    if (rc == 0)
        *to = copy;
    else
        lk_table_meta_deinit(&copy);
    return rc;
}

void lk_table_meta_deinit(struct lk_table_meta *meta)
{
    lk_key_free(&meta->lo);
    lk_key_free(&meta->hi);
    lk_key_free(&meta->key_min);
    lk_key_free(&meta->key_max);
}
