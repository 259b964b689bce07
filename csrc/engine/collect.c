/* collect: counting what is live, choosing what is to be emptied. See engine/collect.h. */
#include "engine/collect.h"

#include <stdlib.h>

#include "engine/events.h"
#include "engine/install.h"
#include "util/alloc.h"

enum {
    LEFT_SHARE = 12,/* of what is live: so much garbage may stay */
    MOVE_SHARE = 24 /* of what is live: so much is moved by one merge */
};

struct segment_facts {
    struct lk_value_segment *segment; /* borrowed: only compared and marked under values->mutex */
    uint64_t bytes, live, likely;
    uint32_t number;
};

struct liveness {
    struct lk_value_uses live, likely;
};

/* ---- what is live ------------------------------------------------------------------------------- */

/* keep: the share of it that no newer record stands before. */
static int add_uses(struct liveness *to, const struct lk_value_uses *uses, double keep)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < uses->count; i++) {
        const struct lk_value_use *use = &uses->at[i];
        rc = lk_value_uses_add(&to->live, use->number, use->values, use->bytes);
        if (rc == 0)
            rc = lk_value_uses_add(&to->likely, use->number, use->values, (uint64_t)((double)use->bytes * keep));
    }
    return rc;
}

static double kept_of(const struct lk_table *table)
{
    uint64_t records = table->meta.records, gone = atomic_load_explicit(&table->shadowed, memory_order_relaxed);
    return gone < records ? 1 - (double)gone / (double)records : 0;
}

static int count_live(struct lk_db *db, const struct lk_version *version, struct liveness *out)
{
    int rc = 0;
    *out = (struct liveness){0};
    lk_mutex_lock(&db->write_mutex); /* the active memtable's list grows under it */
    for (uint32_t i = 0; rc == 0 && i < version->memtable_count; i++)
        rc = add_uses(out, &version->memtables[i]->uses, 1);
    lk_mutex_unlock(&db->write_mutex);
    for (uint32_t i = 0; i < version->run_count; i++)
        for (uint32_t j = 0; rc == 0 && j < version->runs[i]->count; j++)
            rc = add_uses(out, &version->runs[i]->tables[j]->uses, kept_of(version->runs[i]->tables[j]));
    return rc;
}

static void free_live(struct liveness *liveness)
{
    lk_value_uses_deinit(&liveness->live);
    lk_value_uses_deinit(&liveness->likely);
}

static uint64_t bytes_in(const struct lk_value_uses *uses, uint32_t number)
{
    const struct lk_value_use *use = lk_value_uses_find(uses, number);
    return use ? use->bytes : 0;
}

/* No more than lies there. In the middle of a merge the tables that it reads and those that it has written refer to the
 * same values, and both count; and a file may have lost its end. */
static uint64_t live_in(const struct lk_value_uses *uses, uint32_t number, uint64_t bytes)
{
    uint64_t live = bytes_in(uses, number), most = bytes > LK_FILE_HEAD ? bytes - LK_FILE_HEAD : 0;
    return live < most ? live : most;
}

/* Every segment that is open. values->mutex held. NULL: memory ran out. */
static struct segment_facts *list_segments(struct lk_values *values, const struct liveness *liveness, uint32_t *count)
{
    const struct lk_value_list *list = atomic_load(&values->list);
    struct segment_facts *facts = lk_alloc(((list ? list->count : 0) + 1) * sizeof *facts);
    *count = 0;
    for (uint32_t i = 0; facts && list && i < list->count; i++) {
        struct lk_value_segment *segment = list->at[i].segment;
        uint64_t bytes = segment ? atomic_load(&segment->end) : 0;
        if (segment)
            facts[(*count)++] = (struct segment_facts){.segment = segment,
                                                       .bytes = bytes,
                                                       .live = live_in(&liveness->live, segment->number, bytes),
                                                       .likely = bytes_in(&liveness->likely, segment->number),
                                                       .number = segment->number};
    }
    return facts;
}

/* What it holds beyond what is likely to stay. 0 for one that only older versions refer to: it goes with them. */
static uint64_t excess_of(const struct segment_facts *facts)
{
    uint64_t used = facts->likely + LK_FILE_HEAD;
    int ours = facts->live && !atomic_load(&facts->segment->damaged);
    return ours && facts->bytes > used ? facts->bytes - used : 0;
}

/* Of one that could be emptied. Lanes are looked at without their mutexes: whoever is mistaken leaves one out, or empties
 * one that still grows. */
static uint64_t garbage_of(const struct segment_facts *facts)
{
    const struct lk_value_segment *segment = facts->segment;
    return atomic_load(&segment->chosen) || atomic_load(&segment->current) ? 0 : excess_of(facts);
}

void lk_collect_facts(struct lk_db *db, const struct lk_version *version, struct lk_value_facts *out)
{
    struct liveness liveness;
    uint32_t count = 0;
    *out = (struct lk_value_facts){0};
    if (!atomic_load(&db->values.list))
        return;
    int rc = count_live(db, version, &liveness);
    lk_mutex_lock(&db->values.mutex);
    struct segment_facts *facts = rc == 0 ? list_segments(&db->values, &liveness, &count) : NULL;
    for (uint32_t i = 0; facts && i < count; i++) {
        out->files++;
        out->bytes += facts[i].bytes;
        out->live += facts[i].live;
        out->likely += facts[i].likely;
        out->garbage += garbage_of(&facts[i]);
        out->excess += excess_of(&facts[i]);
    }
    lk_mutex_unlock(&db->values.mutex);
    lk_free(facts);
    free_live(&liveness);
}

int lk_collect_files(struct lk_db *db, const struct lk_version *version, struct lk_value_file **out, uint32_t *count)
{
    struct liveness liveness;
    *out = NULL;
    *count = 0;
    if (!atomic_load(&db->values.list))
        return 0;
    int rc = count_live(db, version, &liveness);
    lk_mutex_lock(&db->values.mutex);
    struct segment_facts *facts = rc == 0 ? list_segments(&db->values, &liveness, count) : NULL;
    lk_mutex_unlock(&db->values.mutex);
    struct lk_value_file *files = facts ? lk_alloc((*count + 1) * sizeof *files) : NULL;
    for (uint32_t i = 0; files && i < *count; i++)
        files[i] = (struct lk_value_file){facts[i].number, facts[i].bytes, facts[i].live};
    lk_free(facts);
    free_live(&liveness);
    *out = files;
    return files ? 0 : lk_fail(LSMKV_NOMEM, "memory ran out while value segments were listed");
}

/* Whatever refers to such a segment already does so from a memtable or a table. */
static void settle(struct lk_values *values)
{
    lk_mutex_lock(&values->mutex);
    const struct lk_value_list *list = atomic_load(&values->list);
    for (uint32_t i = 0; i < list->count; i++) {
        struct lk_value_segment *segment = list->at[i].segment;
        if (segment && !atomic_load(&segment->current) && !atomic_load(&segment->writers))
            segment->settled = 1;
    }
    lk_mutex_unlock(&values->mutex);
}

void lk_collect_held(struct lk_db *db, const struct lk_version *version)
{
    struct liveness liveness;
    if (!atomic_load(&db->values.list))
        return;
    settle(&db->values); /* first: what a writer brings into a memtable meanwhile is in none that is counted */
    int rc = count_live(db, version, &liveness);
    lk_mutex_lock(&db->values.mutex);
    const struct lk_value_list *list = atomic_load(&db->values.list);
    for (uint32_t i = 0; rc == 0 && i < list->count; i++) {
        struct lk_value_segment *segment = list->at[i].segment;
        if (segment && segment->settled && !segment->held.sum && !bytes_in(&liveness.live, segment->number))
            lk_held_begin(&segment->held, &db->pinned_bytes, atomic_load(&segment->end));
    }
    lk_mutex_unlock(&db->values.mutex);
    free_live(&liveness);
}

/* ---- choosing ------------------------------------------------------------------------------------ */

/* Least live share first. */
static int by_share(const void *a, const void *b)
{
    const struct segment_facts *left = a, *right = b;
    double one = (double)left->likely / (double)left->bytes, other = (double)right->likely / (double)right->bytes;
    return one < other ? -1 : one > other ? 1 : left->number < right->number ? -1 : 1;
}

/* At least one, if there is any garbage: what was chosen does not count as garbage again, so asking comes to an end.
 * least: moving so much is not too much. values->mutex held. */
static uint32_t choose(struct lk_values *values, struct segment_facts *facts, uint32_t count, uint64_t least)
{
    uint64_t garbage = 0, live = 0, moved = 0;
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < count; i++) {
        garbage += garbage_of(&facts[i]);
        live += facts[i].likely;
    }
    uint64_t most = live / MOVE_SHARE > least ? live / MOVE_SHARE : least;
    qsort(facts, count, sizeof *facts, by_share);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t gain = garbage_of(&facts[i]);
        if (gain == 0)
            continue;
        if (chosen && (garbage <= live / LEFT_SHARE || moved + facts[i].likely > most))
            break;
        garbage -= gain;
        moved += facts[i].likely;
        atomic_store(&facts[i].segment->chosen, 1);
        chosen++;
    }
    atomic_fetch_add(&values->chosen, chosen);
    return chosen;
}

void lk_collect_choose(struct lk_db *db)
{
    struct lk_version *version = lk_install_present(db);
    struct liveness liveness;
    uint64_t tables = 0;
    uint32_t count = 0, chosen = 0;
    int rc = count_live(db, version, &liveness);
    for (uint32_t i = 0; i < version->run_count; i++)
        tables += lk_run_bytes(version->runs[i]);
    lk_mutex_lock(&db->values.mutex);
    struct segment_facts *facts = rc == 0 ? list_segments(&db->values, &liveness, &count) : NULL;
    if (facts)
        chosen = choose(&db->values, facts, count, tables);
    lk_mutex_unlock(&db->values.mutex);
    lk_event(db, "collect", "%u of %u value segments are to be emptied", chosen, count);
    lk_free(facts);
    free_live(&liveness);
    lk_version_unref(version);
}
