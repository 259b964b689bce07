/* collect: counting what is live, choosing what is to be emptied. See engine/collect.h. */
#include "engine/collect.h"

#include <stdlib.h>

#include "engine/events.h"
#include "engine/install.h"
#include "util/alloc.h"

enum { LEFT_SHARE = 16 }; /* of what is live: so much garbage may stay */

struct segment_facts {
    struct lk_value_segment *segment; /* borrowed: only compared and marked under values->mutex */
    uint64_t bytes, live;
    uint32_t number;
};

/* ---- what is live ------------------------------------------------------------------------------- */

static int add_uses(struct lk_value_uses *live, const struct lk_value_uses *uses)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < uses->count; i++)
        rc = lk_value_uses_add(live, uses->at[i].number, uses->at[i].values, uses->at[i].bytes);
    return rc;
}

static int count_live(struct lk_db *db, const struct lk_version *version, struct lk_value_uses *live)
{
    int rc = 0;
    lk_mutex_lock(&db->write_mutex); /* the active memtable's list grows under it */
    for (uint32_t i = 0; rc == 0 && i < version->memtable_count; i++)
        rc = add_uses(live, &version->memtables[i]->uses);
    lk_mutex_unlock(&db->write_mutex);
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; rc == 0 && j < version->runs[i]->count; j++)
            rc = add_uses(live, &version->runs[i]->tables[j]->uses);
    return rc;
}

/* Every segment that is open. values->mutex held. NULL: memory ran out. */
static struct segment_facts *list_segments(struct lk_values *values, const struct lk_value_uses *live, uint32_t *count)
{
    const struct lk_value_list *list = atomic_load(&values->list);
    struct segment_facts *facts = lk_alloc(((list ? list->count : 0) + 1) * sizeof *facts);
    *count = 0;
    for (uint32_t i = 0; facts && list && i < list->count; i++) {
        struct lk_value_segment *segment = list->at[i].segment;
        if (!segment)
            continue;
        const struct lk_value_use *use = lk_value_uses_find(live, segment->number);
        facts[(*count)++] = (struct segment_facts){.segment = segment,
                                                   .bytes = atomic_load(&segment->end),
                                                   .live = use ? use->bytes : 0,
                                                   .number = segment->number};
    }
    return facts;
}

/* Could it be emptied? Lanes are looked at without their mutexes: whoever is mistaken leaves one out, or empties one that
 * still grows. */
static int is_eligible(const struct lk_value_segment *segment)
{
    return !atomic_load(&segment->chosen) && !atomic_load(&segment->damaged) && !atomic_load(&segment->current);
}

static uint64_t garbage_of(const struct segment_facts *facts)
{
    uint64_t used = facts->live + LK_FILE_HEAD;
    return is_eligible(facts->segment) && facts->bytes > used ? facts->bytes - used : 0;
}

uint64_t lk_collect_garbage(struct lk_db *db, const struct lk_version *version)
{
    struct lk_value_uses live = {0};
    uint64_t garbage = 0;
    uint32_t count = 0;
    if (!atomic_load(&db->values.list))
        return 0;
    int rc = count_live(db, version, &live);
    lk_mutex_lock(&db->values.mutex);
    struct segment_facts *facts = rc == 0 ? list_segments(&db->values, &live, &count) : NULL;
    for (uint32_t i = 0; facts && i < count; i++)
        garbage += garbage_of(&facts[i]);
    lk_mutex_unlock(&db->values.mutex);
    lk_free(facts);
    lk_value_uses_deinit(&live);
    return garbage;
}

void lk_collect_facts(struct lk_db *db, const struct lk_version *version, struct lk_value_facts *out)
{
    struct lk_value_uses live = {0};
    uint32_t count = 0;
    *out = (struct lk_value_facts){0};
    if (!atomic_load(&db->values.list))
        return;
    int rc = count_live(db, version, &live);
    lk_mutex_lock(&db->values.mutex);
    struct segment_facts *facts = rc == 0 ? list_segments(&db->values, &live, &count) : NULL;
    for (uint32_t i = 0; facts && i < count; i++) {
        out->files++;
        out->bytes += facts[i].bytes;
        out->live += facts[i].live;
    }
    lk_mutex_unlock(&db->values.mutex);
    lk_free(facts);
    lk_value_uses_deinit(&live);
}

/* ---- choosing ------------------------------------------------------------------------------------ */

/* Least live share first. */
static int by_share(const void *a, const void *b)
{
    const struct segment_facts *left = a, *right = b;
    double one = (double)left->live / (double)left->bytes, other = (double)right->live / (double)right->bytes;
    return one < other ? -1 : one > other ? 1 : left->number < right->number ? -1 : 1;
}

/* At least one, if there is any garbage: what was chosen does not count as garbage again, so asking comes to an end.
 * values->mutex held. */
static uint32_t choose(struct lk_values *values, struct segment_facts *facts, uint32_t count)
{
    uint64_t garbage = 0, live = 0;
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < count; i++) {
        garbage += garbage_of(&facts[i]);
        live += facts[i].live;
    }
    qsort(facts, count, sizeof *facts, by_share);
    for (uint32_t i = 0; i < count && (chosen == 0 || garbage > live / LEFT_SHARE); i++) {
        uint64_t gain = garbage_of(&facts[i]);
        if (gain == 0)
            continue;
        garbage -= gain;
        atomic_store(&facts[i].segment->chosen, 1);
        chosen++;
    }
    atomic_fetch_add(&values->chosen, chosen);
    return chosen;
}

void lk_collect_choose(struct lk_db *db)
{
    struct lk_version *version = lk_install_present(db);
    struct lk_value_uses live = {0};
    uint32_t count = 0, chosen = 0;
    int rc = count_live(db, version, &live);
    lk_mutex_lock(&db->values.mutex);
    struct segment_facts *facts = rc == 0 ? list_segments(&db->values, &live, &count) : NULL;
    if (facts)
        chosen = choose(&db->values, facts, count);
    lk_mutex_unlock(&db->values.mutex);
    lk_event(db, "collect", "%u of %u value segments are to be emptied", chosen, count);
    lk_free(facts);
    lk_value_uses_deinit(&live);
    lk_version_unref(version);
}
