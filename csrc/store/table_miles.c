/* table_miles: which pages of a table can hold a key: by its fences alone, or with a filter by its milestones first.
 *
 *   milestones (in memory)   | aard | cat | emu | ... |      the last one that is not behind the key
 *   fences of that one                | 64 heads |           and there as in any table
 *
 * Constant after open: any thread. */
#include "store/table.h"

#include "util/alloc.h"

/* ---- reading -------------------------------------------------------------------------------- */

static int corrupt(const struct lk_table *table)
{
    uint64_t offset = table->footer.file_bytes - LK_FOOTER - table->footer.milestone_bytes;
    return lk_table_corrupt(table, offset, "the milestones are damaged");
}

/* Each above the one before, the first being key_min, none above key_max. */
static int in_order(const struct lk_table *table, uint32_t count)
{
    const struct lk_milestone *at = table->milestones;
    for (uint32_t i = 1; i < count; i++)
        if (lk_compare(at[i - 1].key, at[i].key) >= 0)
            return 0;
    return lk_equal(at[0].key, table->meta.key_min) && lk_compare(at[count - 1].key, table->meta.key_max) <= 0;
}

int lk_table_read_milestones(struct lk_table *table, const uint8_t *at, const uint8_t *end)
{
    uint32_t count = lk_milestones_of(table->footer.fence_count);
    size_t bytes = (size_t)(end - at);

    if (!lk_footer_filtered(&table->footer))
        return 0;
    if (count == 0 || bytes < count) /* so what is allocated is bounded by the file */
        return corrupt(table);
    table->milestones = lk_alloc(count * (sizeof *table->milestones + sizeof *table->miles.head) + bytes);
    if (table->milestones == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: no room for the milestones of %s", table->name);
    uint64_t *heads = (uint64_t *)(void *)(table->milestones + count);
    const uint8_t *from = memcpy(heads + count, at, bytes), *stop = from + bytes;

    for (uint32_t i = 0; i < count; i++) {
        from = lk_milestone_get(from, stop, &table->milestones[i]);
        if (from == NULL)
            return corrupt(table);
        heads[i] = lk_head(table->milestones[i].key, table->footer.prefix);
    }
    if (from != stop || !in_order(table, count))
        return corrupt(table);
    table->miles = (struct lk_fences){heads, NULL, count};
    return 0;
}

/* ---- finding -------------------------------------------------------------------------------- */

/* The last milestone whose key is <= the key. */
static uint32_t mile_of(const struct lk_table *table, struct lk_slice key)
{
    uint32_t high, low = lk_fences_find(&table->miles, lk_head(key, table->footer.prefix), &high);
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (lk_compare(table->milestones[middle].key, key) <= 0)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

void lk_table_mile(const struct lk_table *table, struct lk_slice key, struct lk_mile *out)
{
    uint32_t mile = mile_of(table, key), left = table->footer.fence_count - mile * LK_MILE;
    *out = (struct lk_mile){&table->milestones[mile], mile * LK_MILE, left < LK_MILE ? left : LK_MILE};
}

uint32_t lk_table_pages(const struct lk_table *table, const struct lk_fences *fences, struct lk_slice key,
                        uint32_t *through)
{
    struct lk_mile mile;
    if (!lk_table_filtered(table))
        return lk_fences_find(fences, lk_head(key, table->footer.prefix), through);
    lk_table_mile(table, key, &mile);
    struct lk_fences some = {fences->head + mile.first, NULL, mile.pages};
    uint32_t from = lk_milestone_find(mile.milestone, &some, key, through);
    *through += mile.first;
    return mile.first + from;
}
