/* edit: both pens of the drawing in format/edit.h. Pure bytes: any thread.
 *
 * A pen appends a field piece by piece and remembers the first failure; a field that failed is taken
 * back, so the buffer holds whole fields only. An eye reads one piece after another; a piece that is
 * not there or not allowed blinds it, everything read later is zero, and the field's end asks once. */
#include "format/edit.h"

#include "format/space.h"
#include "include/lsmkv.h"

enum { RUN_BYTES_MIN = 4 + 4 + 1 }; /* id, into, an empty bound */

/* ---- encode --------------------------------------------------------------------------------- */

struct pen {
    struct lk_buf *out; /* borrowed */
    size_t start;
    int rc;
};

static void put(struct pen *pen, const void *at, size_t bytes)
{
    if (pen->rc == 0)
        pen->rc = lk_buf_append(pen->out, at, bytes);
}

static void put8(struct pen *pen, uint8_t v)
{
    put(pen, &v, 1);
}

static void put32(struct pen *pen, uint32_t v)
{
    uint8_t bytes[4];
    lk_store32(bytes, v);
    put(pen, bytes, 4);
}

static void put64(struct pen *pen, uint64_t v)
{
    uint8_t bytes[8];
    lk_store64(bytes, v);
    put(pen, bytes, 8);
}

static void put_varint(struct pen *pen, uint32_t v)
{
    uint8_t bytes[5];
    put(pen, bytes, (size_t)(lk_varint_put(bytes, v) - bytes));
}

static void put_str(struct pen *pen, struct lk_slice str)
{
    if (str.len > LK_KEY_MAX) {
        pen->rc = lk_fail(LSMKV_INVALID, "a string of %zu bytes does not fit into the manifest", str.len);
        return;
    }
    put_varint(pen, (uint32_t)str.len);
    put(pen, str.at, str.len);
}

static struct pen begin(struct lk_buf *out, enum lk_edit_tag tag)
{
    struct pen pen = {out, out->len, 0};
    put8(&pen, (uint8_t)tag);
    return pen;
}

static int end(struct pen *pen)
{
    if (pen->rc < 0)
        pen->out->len = pen->start;
    return pen->rc;
}

int lk_edit_store(struct lk_buf *out, uint64_t identity, uint64_t hash_a, uint64_t hash_b, uint64_t features,
                  struct lk_slice key_codec, struct lk_slice value_codec)
{
    struct pen pen = begin(out, LK_EDIT_STORE);
    put64(&pen, identity);
    put64(&pen, hash_a);
    put64(&pen, hash_b);
    put64(&pen, features);
    put_str(&pen, key_codec);
    put_str(&pen, value_codec);
    return end(&pen);
}

int lk_edit_next(struct lk_buf *out, uint32_t number)
{
    struct pen pen = begin(out, LK_EDIT_NEXT);
    put32(&pen, number);
    return end(&pen);
}

int lk_edit_log(struct lk_buf *out, uint32_t first, uint32_t last_bound, uint32_t into, struct lk_slice bound)
{
    struct pen pen = begin(out, LK_EDIT_LOG);
    put32(&pen, first);
    put32(&pen, last_bound);
    put32(&pen, into);
    put_str(&pen, bound);
    return end(&pen);
}

int lk_edit_durable(struct lk_buf *out, uint64_t lsn)
{
    struct pen pen = begin(out, LK_EDIT_DURABLE);
    put64(&pen, lsn);
    return end(&pen);
}

int lk_edit_runs(struct lk_buf *out, const struct lk_run_meta *runs, uint32_t count)
{
    struct pen pen = begin(out, LK_EDIT_RUNS);
    put_varint(&pen, count);
    for (uint32_t i = 0; i < count; i++) {
        put32(&pen, runs[i].id);
        put32(&pen, runs[i].into);
        put_str(&pen, runs[i].bound);
    }
    return end(&pen);
}

int lk_edit_table(struct lk_buf *out, const struct lk_table_meta *table)
{
    struct pen pen = begin(out, LK_EDIT_TABLE);
    put32(&pen, table->run);
    put32(&pen, table->number);
    put64(&pen, table->identity);
    put64(&pen, table->bytes);
    put64(&pen, table->records);
    put64(&pen, table->tombstones);
    put32(&pen, table->range_deletes);
    put64(&pen, table->payload);
    put64(&pen, table->expiring);
    put64(&pen, table->lsn_min);
    put64(&pen, table->lsn_max);
    put8(&pen, table->hi_open != 0);
    put_str(&pen, table->lo);
    put_str(&pen, table->hi_open ? lk_slice(NULL, 0) : table->hi);
    put_str(&pen, table->key_min);
    put_str(&pen, table->key_max);
    return end(&pen);
}

int lk_edit_drop(struct lk_buf *out, uint32_t number)
{
    struct pen pen = begin(out, LK_EDIT_DROP);
    put32(&pen, number);
    return end(&pen);
}

int lk_edit_closed(struct lk_buf *out, uint64_t lsn)
{
    struct pen pen = begin(out, LK_EDIT_CLOSED);
    put64(&pen, lsn);
    return end(&pen);
}

int lk_edit_count(struct lk_buf *out, uint32_t space, uint64_t live, uint64_t lsn)
{
    struct pen pen = begin(out, LK_EDIT_COUNT);
    put32(&pen, space);
    put64(&pen, live);
    put64(&pen, lsn);
    return end(&pen);
}

int lk_edit_facts(struct lk_buf *out, uint32_t number, uint64_t shadowed, uint64_t written_ns)
{
    struct pen pen = begin(out, LK_EDIT_FACTS);
    put32(&pen, number);
    put64(&pen, shadowed);
    put64(&pen, written_ns);
    return end(&pen);
}

/* ---- decode --------------------------------------------------------------------------------- */

struct eye {
    const uint8_t *at; /* borrowed; NULL when blind */
    const uint8_t *end;
};

/* The next `bytes` bytes, NULL when fewer are left. */
static const uint8_t *take(struct eye *eye, size_t bytes)
{
    const uint8_t *taken = eye->at;
    if (taken == NULL || (size_t)(eye->end - taken) < bytes)
        return eye->at = NULL;
    eye->at = taken + bytes;
    return taken;
}

static uint8_t get8(struct eye *eye)
{
    const uint8_t *at = take(eye, 1);
    return at ? *at : 0;
}

static uint32_t get32(struct eye *eye)
{
    const uint8_t *at = take(eye, 4);
    return at ? lk_load32(at) : 0;
}

static uint64_t get64(struct eye *eye)
{
    const uint8_t *at = take(eye, 8);
    return at ? lk_load64(at) : 0;
}

static uint32_t get_varint(struct eye *eye)
{
    uint32_t v = 0;
    const uint8_t *after = eye->at ? lk_varint_get(eye->at, eye->end, &v) : NULL;
    if (after && (size_t)(after - eye->at) != lk_varint_bytes(v))
        after = NULL;
    eye->at = after;
    return after ? v : 0;
}

static struct lk_slice get_str(struct eye *eye)
{
    uint32_t bytes = get_varint(eye);
    if (bytes > LK_KEY_MAX)
        eye->at = NULL;
    const uint8_t *at = take(eye, bytes);
    return lk_slice(at, at ? bytes : 0);
}

static void get_store(struct eye *eye, struct lk_edit_field *out)
{
    out->store.identity = get64(eye);
    out->store.hash_a = get64(eye);
    out->store.hash_b = get64(eye);
    out->store.features = get64(eye);
    out->store.key_codec = get_str(eye);
    out->store.value_codec = get_str(eye);
}

static void get_log(struct eye *eye, struct lk_edit_field *out)
{
    out->log.first = get32(eye);
    out->log.last_bound = get32(eye);
    out->log.into = get32(eye);
    out->log.bound = get_str(eye);
}

static void get_run(struct eye *eye, struct lk_run_meta *out)
{
    out->id = get32(eye);
    out->into = get32(eye);
    out->bound = get_str(eye);
}

static void get_runs(struct eye *eye, struct lk_edit_field *out)
{
    struct lk_run_meta run;

    out->runs.count = get_varint(eye);
    /* The smallest run bounds the count before anybody loops or allocates by it. */
    if (eye->at == NULL || out->runs.count > (size_t)(eye->end - eye->at) / RUN_BYTES_MIN) {
        eye->at = NULL;
        return;
    }
    out->runs.at = eye->at;
    for (uint32_t i = 0; eye->at && i < out->runs.count; i++)
        get_run(eye, &run);
    out->runs.end = eye->at;
}

static void get_table(struct eye *eye, struct lk_edit_field *out)
{
    struct lk_table_meta *table = &out->table;

    table->run = get32(eye);
    table->number = get32(eye);
    table->identity = get64(eye);
    table->bytes = get64(eye);
    table->records = get64(eye);
    table->tombstones = get64(eye);
    table->range_deletes = get32(eye);
    table->payload = get64(eye);
    table->expiring = get64(eye);
    table->lsn_min = get64(eye);
    table->lsn_max = get64(eye);
    table->hi_open = get8(eye);
    table->lo = get_str(eye);
    table->hi = get_str(eye);
    table->key_min = get_str(eye);
    table->key_max = get_str(eye);
    if (table->hi_open > 1 || (table->hi_open && table->hi.len))
        eye->at = NULL;
}

const uint8_t *lk_edit_get(const uint8_t *at, const uint8_t *end, struct lk_edit_field *out)
{
    struct eye eye = {at, end};

    memset(out, 0, sizeof *out);
    out->tag = (enum lk_edit_tag)get8(&eye);
    switch (out->tag) {
    case LK_EDIT_STORE:
        get_store(&eye, out);
        break;
    case LK_EDIT_NEXT:
        out->next = get32(&eye);
        break;
    case LK_EDIT_LOG:
        get_log(&eye, out);
        break;
    case LK_EDIT_DURABLE:
    case LK_EDIT_CLOSED:
        out->lsn = get64(&eye);
        break;
    case LK_EDIT_RUNS:
        get_runs(&eye, out);
        break;
    case LK_EDIT_TABLE:
        get_table(&eye, out);
        break;
    case LK_EDIT_DROP:
        out->drop = get32(&eye);
        break;
    case LK_EDIT_COUNT:
        out->count.space = get32(&eye);
        out->count.live = get64(&eye);
        out->count.lsn = get64(&eye);
        break;
    case LK_EDIT_FACTS:
        out->facts.number = get32(&eye);
        out->facts.shadowed = get64(&eye);
        out->facts.written_ns = get64(&eye);
        break;
    default:
        return NULL;
    }
    return eye.at;
}

const uint8_t *lk_edit_next_run(const uint8_t *at, const uint8_t *end, struct lk_run_meta *out)
{
    struct eye eye = {at, end};
    get_run(&eye, out);
    return eye.at;
}
