/* scan_leap: a walk over dead keys leaps over known gaps (store/gaps.h), and tells of what it has walked.
 *
 *      x x x x x x x x x x x x x x x x x x x x x x x x x x x x x 7
 *      '-a few-'  leap ------------------------> '-- walked ---'        then told: from the first leap on, up to 7
 *            ^ from
 *
 * Where there is nothing to leap over, the row must be longer before it is worth telling (gap_least).
 *
 * The gaps are the writer's, under write_mutex. A reader only ever tries that mutex, for a few comparisons, and without
 * it goes on step by step: he waits for nobody, and who waits for him waits as long as for a small put. */
#include "engine/scan_inner.h"
#include "store/visible.h"

/* Dead keys in a row after which a walk asks. */
enum { ASK = 4 };

static uint32_t a_few(const struct lk_scan *scan)
{
    return scan->db->gap_least < ASK ? scan->db->gap_least : ASK;
}

/* A transaction's own writes are in no list, a part of a state (LSN 0, engine/count.c) is none, and a store that is
 * only read has no writer to keep a list. */
static int may_leap(const struct lk_scan *scan)
{
    return scan->at.own == 0 && scan->at.lsn != 0 && !scan->db->readonly;
}

static struct lk_gap_view view_of(const struct lk_scan *scan, uint64_t wall_ns)
{
    return (struct lk_gap_view){scan->at.lsn, scan->at.version->installs, wall_ns};
}

/* Where to, into row.to. 0: nowhere. */
static int find(struct lk_scan *scan, struct lk_slice key)
{
    struct lk_db *db = scan->db;
    struct lk_dead_row *row = &scan->row;
    int found = 0;
    if (!lk_mutex_try(&db->write_mutex))
        return 0;
    const struct lk_gap *gap = lk_gaps_find(&db->gaps, view_of(scan, scan->at.wall_ns), key);
    if (gap && lk_buf_copy(&row->to, lk_gap_key(scan->reverse ? &gap->from : &gap->to)) == 0) {
        found = 1;
        if (gap->wall_ns)
            row->wall_ns = scan->at.wall_ns;
    }
    lk_mutex_unlock(&db->write_mutex);
    return found;
}

int lk_scan_leap(struct lk_scan *scan, struct lk_merge *merge)
{
    struct lk_dead_row *row = &scan->row;
    const struct lk_record *record = &lk_merge_current(merge)->record;
    if (lk_record_kind(record) != LK_DELETE)
        row->wall_ns = scan->at.wall_ns;
    if (++row->count < row->ask_at)
        return 0;
    row->ask_at = 2 * row->count < scan->db->gap_least ? scan->db->gap_least : 2 * row->count;
    if (!may_leap(scan) || (!row->marked && lk_buf_copy(&row->from, record->key) < 0))
        return 0;
    row->marked = 1;
    if (!find(scan, record->key))
        return 0;
    struct lk_slice to = lk_buf_slice(&row->to);
    row->leapt = 1;
    row->count = 0;
    row->ask_at = a_few(scan);
    atomic_fetch_add_explicit(&scan->db->counters.leaps, 1, memory_order_relaxed);
    if (scan->reverse)
        lk_merge_seek_back(merge, &to, 1);
    else
        lk_merge_seek(merge, &to, 0);
    return 1;
}

void lk_scan_row_begins(struct lk_scan *scan)
{
    struct lk_dead_row *row = &scan->row;
    row->wall_ns = 0;
    row->count = 0;
    row->ask_at = a_few(scan);
    row->marked = row->leapt = 0;
}

static void tell(struct lk_scan *scan, struct lk_slice from, struct lk_slice to)
{
    struct lk_db *db = scan->db;
    if (!lk_mutex_try(&db->write_mutex))
        return;
    lk_gaps_walked(&db->gaps, view_of(scan, scan->row.wall_ns), from, to, db->lsn_appended);
    lk_mutex_unlock(&db->write_mutex);
}

/* Forward [from, key), backward (key, from], which is [just after key, just after from). */
static void tell_row(struct lk_scan *scan, const struct lk_slice *key, struct lk_slice last)
{
    struct lk_dead_row *row = &scan->row;
    int rc;
    lk_buf_reset(&row->to);
    if (!scan->reverse) {
        rc = key ? lk_scan_bound(&row->to, *key, 0) : lk_scan_bound(&row->to, last, 1);
        if (rc == 0)
            tell(scan, lk_buf_slice(&row->from), lk_buf_slice(&row->to));
    } else {
        rc = key ? lk_scan_bound(&row->to, *key, 1) : 0;
        if (rc == 0)
            rc = lk_buf_append(&row->from, "", 1);
        if (rc == 0)
            tell(scan, lk_buf_slice(&row->to), lk_buf_slice(&row->from));
    }
}

void lk_scan_row_ends(struct lk_scan *scan, const struct lk_slice *key, struct lk_slice last)
{
    struct lk_dead_row *row = &scan->row;
    if (row->marked && row->count >= (row->leapt ? a_few(scan) : scan->db->gap_least))
        tell_row(scan, key, last);
    lk_scan_row_begins(scan);
}
