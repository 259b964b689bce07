/* values_move: a value from one segment to another, verified on its way. */
#include "include/lsmkv.h"
#include "store/values.h"
#include "util/checksum.h"

/* By number, for those who are in no epoch slot. What the caller's version pins stays open. */
static struct lk_value_segment *look(struct lk_values *values, uint32_t number)
{
    lk_mutex_lock(&values->mutex);
    struct lk_value_segment *segment = lk_values_find(values, number);
    lk_mutex_unlock(&values->mutex);
    return segment;
}

int lk_values_leaves(struct lk_values *values, uint32_t number)
{
    struct lk_value_segment *segment = look(values, number);
    return segment && atomic_load(&segment->chosen) && !atomic_load(&segment->damaged);
}

struct source {
    struct lk_value_segment *segment;
    const struct lk_reference *reference;
    uint32_t sum;
    int lost;
};

/* Pieces are asked for in order; the last one is given only when the whole verifies. */
static int piece_of(void *context, uint64_t offset, void *to, size_t bytes)
{
    struct source *source = context;
    struct lk_value_segment *segment = source->segment;
    uint64_t at = source->reference->offset + LK_VALUE_HEAD + offset;
    int rc = lk_io_read(segment->env, segment->file, segment->name, at, to, bytes);
    if (rc == 0)
        source->sum = lk_checksum(source->sum, to, bytes);
    if (rc == 0 && offset + bytes == source->reference->bytes && source->sum != source->reference->sum)
        rc = lk_fail_corrupt(segment->name, source->reference->offset,
                             "%s: the value of %u bytes at byte %llu fails verification", segment->name,
                             source->reference->bytes, (unsigned long long)source->reference->offset);
    source->lost |= rc == LSMKV_CORRUPT || rc == LSMKV_IO;
    return rc;
}

int lk_values_move(struct lk_values *values, struct lk_slice bytes, struct lk_value_uses *uses,
                   uint8_t to[LK_REFERENCE], int *lost)
{
    struct lk_reference reference = {0}, made;
    (void)lk_reference_get(bytes, &reference);
    struct source source = {.segment = look(values, reference.number), .reference = &reference};
    *lost = 0;
    if (!source.segment)
        return lk_fail(LSMKV_CORRUPT, "a record refers to value segment %u, which is not open", reference.number);
    source.sum = lk_value_seed(source.segment->identity, reference.offset);
    int rc = lk_value_segment_holds(source.segment, &reference);
    source.lost = rc < 0;
    if (rc == 0)
        rc = lk_values_write_far(values, LK_LANE_MOVED, reference.bytes, piece_of, &source, uses, &made);
    *lost = source.lost;
    if (source.lost)
        atomic_store(&source.segment->damaged, 1);
    if (rc == 0)
        lk_reference_put(to, &made);
    return rc;
}
