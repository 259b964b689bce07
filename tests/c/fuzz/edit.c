/* fuzz edit: bytes as the fields of a manifest edit. What decodes must lie inside and encode to the same
 * bytes again. */
#include "fuzz.h"

#include "format/edit.h"

static int edit_encode_runs(struct lk_buf *out, const struct lk_edit_field *field)
{
    static struct lk_run_meta runs[FUZZ_ROOM];
    const uint8_t *at = field->runs.at;

    FUZZ_CHECK(field->runs.count <= FUZZ_ROOM);
    for (uint32_t i = 0; i < field->runs.count; i++) {
        at = lk_edit_next_run(at, field->runs.end, &runs[i]);
        FUZZ_CHECK(at != NULL);
    }
    FUZZ_CHECK(at == field->runs.end);
    return lk_edit_runs(out, runs, field->runs.count);
}

static int edit_encode(struct lk_buf *out, const struct lk_edit_field *field)
{
    switch (field->tag) {
    case LK_EDIT_STORE:
        return lk_edit_store(out, field->store.identity, field->store.hash_a, field->store.hash_b,
                             field->store.features, field->store.key_codec, field->store.value_codec);
    case LK_EDIT_NEXT:
        return lk_edit_next(out, field->next);
    case LK_EDIT_LOG:
        return lk_edit_log(out, field->log.first, field->log.last_bound, field->log.into, field->log.bound);
    case LK_EDIT_DURABLE:
        return lk_edit_durable(out, field->lsn);
    case LK_EDIT_RUNS:
        return edit_encode_runs(out, field);
    case LK_EDIT_TABLE:
        return lk_edit_table(out, &field->table);
    case LK_EDIT_DROP:
        return lk_edit_drop(out, field->drop);
    case LK_EDIT_CLOSED:
        return lk_edit_closed(out, field->lsn);
    case LK_EDIT_FACTS:
        return lk_edit_facts(out, field->facts.number, field->facts.shadowed, field->facts.written_ns);
    default:
        FUZZ_CHECK(field->tag == LK_EDIT_COUNT);
        return lk_edit_count(out, field->count.space, field->count.live, field->count.lsn);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *at = data, *end = data + bytes, *after;
    struct lk_edit_field field;
    struct lk_buf again = {0};

    for (; at < end && (after = lk_edit_get(at, end, &field)) != NULL; at = after) {
        FUZZ_CHECK(after > at && after <= end);
        fuzz_accepted++;
        lk_buf_reset(&again);
        int rc = edit_encode(&again, &field);
        FUZZ_CHECK(rc == 0);
        FUZZ_CHECK(lk_equal(lk_buf_slice(&again), lk_slice(at, (size_t)(after - at))));
    }
    lk_buf_deinit(&again);
    return 0;
}

static struct lk_slice edit_key(struct random *random)
{
    return lk_slice("abcdefghijklmnopqrstuvwxyz", random_below(random, 27));
}

static int edit_any_field(struct lk_buf *buf, struct random *random)
{
    struct lk_run_meta runs[5];
    struct lk_table_meta table = {.run = 1,
                                  .number = 2,
                                  .identity = random_next(random),
                                  .bytes = 4,
                                  .records = 5,
                                  .hi_open = random_below(random, 2) != 0,
                                  .lo = edit_key(random),
                                  .hi = edit_key(random),
                                  .key_min = edit_key(random),
                                  .key_max = edit_key(random)};

    for (uint32_t i = 0; i < 5; i++)
        runs[i] = (struct lk_run_meta){i, i + 1, edit_key(random)};
    switch (random_below(random, 10)) {
    case 0:
        return lk_edit_store(buf, 1, 2, 3, 4, edit_key(random), edit_key(random));
    case 1:
        return lk_edit_next(buf, (uint32_t)random_next(random));
    case 2:
        return lk_edit_log(buf, 1, 2, 3, edit_key(random));
    case 3:
        return lk_edit_durable(buf, random_next(random));
    case 4:
        return lk_edit_runs(buf, runs, (uint32_t)random_below(random, 6));
    case 5:
        return lk_edit_drop(buf, 3);
    case 6:
        return lk_edit_closed(buf, random_next(random));
    case 7:
        return lk_edit_count(buf, (uint32_t)random_next(random), random_next(random), random_next(random));
    case 8:
        return lk_edit_facts(buf, (uint32_t)random_next(random), random_next(random), random_next(random));
    default:
        return lk_edit_table(buf, &table);
    }
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    struct lk_buf buf = {0};
    for (uint64_t left = 1 + random_below(random, 5); left > 0; left--)
        FUZZ_CHECK(edit_any_field(&buf, random) == 0);
    FUZZ_CHECK(buf.len <= room);
    memcpy(to, buf.at, buf.len);
    size_t bytes = buf.len;
    lk_buf_deinit(&buf);
    return bytes;
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data; /* the frame around an edit carries its checksum */
    (void)bytes;
}
