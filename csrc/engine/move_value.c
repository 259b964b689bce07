/* move_value: large values of records that are being rewritten, into value segments. See engine/collect.h. */
#include "engine/collect.h"
#include "engine/events.h"
#include "engine/rate.h"

enum { PAY_BYTES = 256 * 1024 };

/* The same few segments are asked for again and again; segments are chosen before a step, not during it. */
static int leaves(struct lk_rewrite *rewrite, struct lk_slice bytes)
{
    struct lk_values *values = &rewrite->db->values;
    struct lk_reference reference;
    if (atomic_load_explicit(&values->chosen, memory_order_relaxed) == 0 || lk_reference_get(bytes, &reference) < 0)
        return 0;
    uint64_t *known = &rewrite->leaving[reference.number % LK_LEAVING];
    if (*known / 2 != reference.number)
        *known = (uint64_t)reference.number * 2 + (uint64_t)lk_values_leaves(values, reference.number);
    return *known & 1;
}

int lk_move_wanted(struct lk_rewrite *rewrite, const struct lk_record *record)
{
    if (record->flags & LK_RECORD_APART)
        return leaves(rewrite, record->value);
    return lk_record_kind(record) == LK_PUT && lk_values_wants(&rewrite->db->values, record->value.len);
}

static int piece_of(void *context, uint64_t offset, void *to, size_t bytes)
{
    struct lk_cursor *cursor = context;
    return cursor->ops->value_piece(cursor, offset, to, bytes);
}

static int move_inline(struct lk_rewrite *rewrite, struct lk_cursor *cursor, uint8_t to[LK_REFERENCE])
{
    struct lk_values *values = &rewrite->db->values;
    struct lk_slice value = cursor->record.value;
    struct lk_reference made;
    int rc = value.at ? lk_values_write(values, LK_LANE_MOVED, value, &rewrite->moved, &made)
                      : lk_values_write_far(values, LK_LANE_MOVED, value.len, piece_of, cursor, &rewrite->moved, &made);
    if (rc == 0)
        lk_reference_put(to, &made);
    return rc;
}

void lk_move_pay(struct lk_rewrite *rewrite)
{
    if (rewrite->moved_owed)
        lk_rate_pay(rewrite->db, rewrite->moved_owed);
    rewrite->moved_owed = 0;
}

int lk_move(struct lk_rewrite *rewrite, struct lk_cursor *cursor, struct lk_moved *moved)
{
    struct lk_db *db = rewrite->db;
    struct lk_record *record = &moved->cursor.record;
    int lost = 0, rc;
    moved->cursor = *cursor;
    if (atomic_load_explicit(&db->closing, memory_order_relaxed))
        return lk_fail(LSMKV_CANCELLED, "the store closes: the job was given up and its tables are removed");
    rc = record->flags & LK_RECORD_APART
             ? lk_values_move(&db->values, record->value, &rewrite->moved, moved->reference, &lost)
             : move_inline(rewrite, cursor, moved->reference);
    if (lost) {
        lk_event(db, "value lost", "it stays where it is: %.160s", lk_error()->text);
        return 0;
    }
    if (rc < 0)
        return rc;
    struct lk_reference made = {0};
    record->value = lk_slice(moved->reference, LK_REFERENCE);
    record->flags |= LK_RECORD_APART;
    (void)lk_reference_get(record->value, &made);
    rewrite->moved_bytes += lk_value_footprint(made.bytes);
    rewrite->moved_owed += lk_value_footprint(made.bytes);
    if (rewrite->moved_owed >= PAY_BYTES)
        lk_move_pay(rewrite);
    return 0;
}
