/* The late order of a memtable against a sorted array, by hand and beside a writer. */
#include <pthread.h>

#include "mem_kit.h"
#include "random.h"

/* ---- the model ---------------------------------------------------------------------------------- */

/* Keys are small numbers spread over text, so that many share their first eight bytes. */
enum { KEYS = 1500 };

struct version {
    uint64_t at;
    int put;
    uint32_t salt;
};

static struct {
    struct version versions[KEYS][40]; /* oldest first; a range delete counts for each of its keys */
    uint8_t count[KEYS], hidden[KEYS][40];
} model;

static void key_text(char to[32], uint32_t key)
{
    snprintf(to, 32, key % 3 ? "%04u" : "%04u/and/more", key);
}

static void remember(uint32_t key, uint64_t at, int put, uint32_t salt, int hidden)
{
    uint8_t n = model.count[key];
    if (n == 40)
        return;
    model.versions[key][n] = (struct version){at, put, salt};
    model.hidden[key][n] = (uint8_t)hidden;
    model.count[key]++;
}

/* Write one random record; the model follows. */
static void write_one(struct mem *mem, struct random *random, uint32_t salt)
{
    char key[32], stop[32];
    uint8_t value[4];
    uint32_t number = (uint32_t)random_below(random, KEYS);
    struct lk_record record = {.flags = LK_PUT, .value = lk_slice(value, 4)};
    int what = (int)random_below(random, 50);
    while (model.count[number] == 40)
        number = (number + 1) % KEYS;
    lk_store32(value, salt);
    key_text(key, number);
    record.key = lk_slice(key, strlen(key));
    if (what == 0) {
        uint32_t end = number + 1 + (uint32_t)random_below(random, 20);
        key_text(stop, end);
        record = (struct lk_record){.flags = LK_RANGE_DELETE, .key = record.key, .value = lk_slice(stop, strlen(stop))};
        uint64_t at = mem_add(mem, record);
        for (; number < end && number < KEYS; number++)
            if (model.count[number])
                remember(number, at, 0, 0, 1);
        return;
    }
    if (what < 8)
        record = (struct lk_record){.flags = LK_DELETE, .key = record.key};
    remember(number, mem_add(mem, record), what >= 8, salt, 0);
}

/* What a walk with this limit must bring for a key: its newest version, or NULL. */
static const struct version *wanted(uint32_t key, uint64_t limit)
{
    for (uint32_t i = model.count[key]; i-- > 0;)
        if (model.versions[key][i].at < limit)
            return model.hidden[key][i] ? NULL : &model.versions[key][i];
    return NULL;
}

/* ---- walks -------------------------------------------------------------------------------------- */

static int agrees(const struct lk_cursor *cursor, uint32_t key, const struct version *version)
{
    char text[32];
    key_text(text, key);
    return CHECK(cursor->valid) && CHECK(lk_equal(cursor->record.key, lk_slice(text, strlen(text)))) &&
           CHECK_EQ(lk_record_kind(&cursor->record), version->put ? LK_PUT : LK_DELETE) &&
           CHECK(!version->put || lk_load32(cursor->record.value.at) == version->salt) &&
           CHECK_EQ(cursor->head, lk_head(cursor->record.key, 0));
}

/* Walk from `from` (KEYS: from the far end), exclusive or not, as far as it goes. */
static void walk(struct mem *mem, uint64_t limit, uint32_t from, int skip, int backward)
{
    struct lk_memtable_cursor cursor;
    struct lk_cursor *base = &cursor.cursor;
    char text[32];
    key_text(text, from);
    struct lk_slice key = lk_slice(text, strlen(text));
    int slot = lk_epoch_enter(mem->epochs);
    lk_memtable_cursor_init(&cursor, mem->table, limit);
    if (backward)
        base->ops->seek_back(base, from == KEYS ? NULL : &key, skip);
    else
        base->ops->seek(base, from == KEYS ? NULL : &key, skip);
    int64_t at = from == KEYS ? (backward ? KEYS - 1 : 0) : (int64_t)from + (skip ? (backward ? -1 : 1) : 0);
    for (; at >= 0 && at < KEYS; at += backward ? -1 : 1) {
        const struct version *version = wanted((uint32_t)at, limit);
        if (!version)
            continue;
        if (!agrees(base, (uint32_t)at, version))
            break;
        backward ? base->ops->prev(base) : base->ops->next(base);
    }
    CHECK(!base->valid);
    CHECK_EQ(base->status, 0);
    base->ops->deinit(base);
    lk_epoch_leave(mem->epochs, slot);
}

static const struct lk_order *order_of(const struct mem *mem)
{
    return atomic_load(&mem->table->order);
}

static void check_chunks(const struct mem *mem)
{
    const struct lk_order *order = order_of(mem);
    uint32_t most[LK_ORDER_CHUNKS] = {UINT32_MAX, 16 * 1024, 512}, total = 0;
    for (int i = 0; i < LK_ORDER_CHUNKS; i++) {
        const struct lk_chunk *chunk = order->chunk[i];
        total += chunk ? chunk->count : 0;
        CHECK(!chunk || chunk->count <= most[i]);
    }
    CHECK_EQ(total, order->covered);
}

TEST(walks_agree_with_a_sorted_array)
{
    struct random random = {21};
    struct mem mem;
    memset(&model, 0, sizeof model);
    mem_new(&mem, 4 << 20, 4 * KEYS);
    walk(&mem, UINT64_MAX, KEYS, 0, 0); /* no order yet: nothing */
    CHECK_EQ(lk_order_update(mem.table, 0, 0), 0);
    walk(&mem, UINT64_MAX, KEYS, 0, 0); /* an order of nothing */
    for (uint32_t salt = 0, round = 0; salt < 20000; round++) {
        for (uint64_t some = 1 + random_below(&random, round % 4 ? 30 : 2500); some; some--)
            write_one(&mem, &random, salt++);
        CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
        CHECK_EQ(order_of(&mem)->covered, atomic_load(&mem.table->key_count));
        check_chunks(&mem);
        uint64_t limits[3] = {UINT64_MAX, mem_end_of(&mem), random_below(&random, mem_end_of(&mem))};
        for (int i = 0; i < 3; i++) {
            walk(&mem, limits[i], KEYS, 0, 0);
            walk(&mem, limits[i], KEYS, 0, 1);
            walk(&mem, limits[i], (uint32_t)random_below(&random, KEYS), (int)random_below(&random, 2), 0);
            walk(&mem, limits[i], (uint32_t)random_below(&random, KEYS), (int)random_below(&random, 2), 1);
        }
        if (check_failures)
            break;
    }
    atomic_store(&mem.table->sealed, 1);
    CHECK_EQ(lk_order_seal(mem.table), 0);
    walk(&mem, UINT64_MAX, KEYS, 0, 0);
    walk(&mem, UINT64_MAX, KEYS, 0, 1);
    mem_free(&mem);
}

/* ---- what opening a scan costs ------------------------------------------------------------------ */

static void put_numbers(struct mem *mem, uint32_t from, uint32_t to)
{
    mem_begin(mem);
    for (uint32_t i = from; i < to; i++) {
        char key[32];
        uint32_t mixed = i * 2654435761u;
        snprintf(key, sizeof key, "%08x", mixed);
        if (!CHECK(mem_put(mem, key, "v") > 0))
            return;
    }
    mem_end(mem);
}

/* Every key there, in order, none twice. */
static void check_order(struct mem *mem, uint32_t count)
{
    struct lk_memtable_cursor cursor;
    uint64_t last = 0;
    uint32_t seen = 0;
    int slot = lk_epoch_enter(mem->epochs);
    lk_memtable_cursor_init(&cursor, mem->table, UINT64_MAX);
    for (cursor.cursor.ops->seek(&cursor.cursor, NULL, 0); cursor.cursor.valid;
         cursor.cursor.ops->next(&cursor.cursor)) {
        if (seen++ && !CHECK(cursor.cursor.head > last))
            break;
        last = cursor.cursor.head;
    }
    lk_epoch_leave(mem->epochs, slot);
    CHECK_EQ(seen, count);
}

/* New keys are sorted into the small chunks; the large one is shared, not copied. */
TEST(after_one_a_thousand_two_hundred_thousand)
{
    struct mem mem;
    uint32_t count = 200000;
    mem_new(&mem, 32 << 20, 260000);
    put_numbers(&mem, 0, count);
    CHECK_EQ(lk_order_update(mem.table, 4096, 0), LSMKV_WOULDBLOCK);
    CHECK(order_of(&mem) == NULL);
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
    const struct lk_chunk *base = order_of(&mem)->chunk[0];
    CHECK_EQ(base->count, count);
    check_order(&mem, count);

    put_numbers(&mem, count, count + 1);
    count += 1;
    CHECK_EQ(lk_order_update(mem.table, 0, 0), LSMKV_WOULDBLOCK);
    CHECK_EQ(lk_order_update(mem.table, 1, 0), 0);
    CHECK(order_of(&mem)->chunk[0] == base);
    CHECK(order_of(&mem)->chunk[1] == NULL);
    CHECK_EQ(order_of(&mem)->chunk[2]->count, 1);
    check_order(&mem, count);

    put_numbers(&mem, count, count + 511);
    count += 511;
    CHECK_EQ(lk_order_update(mem.table, 4096, 0), 0);
    CHECK_EQ(order_of(&mem)->chunk[2]->count, 512);
    const struct lk_chunk *top = order_of(&mem)->chunk[2];
    put_numbers(&mem, count, count + 1);
    count += 1;
    CHECK_EQ(lk_order_update(mem.table, 4096, 0), 0);
    CHECK(order_of(&mem)->chunk[0] == base && order_of(&mem)->chunk[2] == NULL);
    CHECK_EQ(order_of(&mem)->chunk[1]->count, 513);

    put_numbers(&mem, count, count + 1000);
    count += 1000;
    CHECK_EQ(lk_order_update(mem.table, 4096, 0), 0);
    CHECK(order_of(&mem)->chunk[0] == base);
    CHECK(order_of(&mem)->chunk[2] != top);
    CHECK(order_of(&mem)->chunk[1] && order_of(&mem)->chunk[1]->count >= 1000);
    check_chunks(&mem);
    check_order(&mem, count);

    for (int round = 0; round < 40; round++) { /* the middle fills, and goes into the base once */
        put_numbers(&mem, count, count + 1000);
        count += 1000;
        CHECK_EQ(lk_order_update(mem.table, 4096, 0), 0);
        check_chunks(&mem);
    }
    CHECK(order_of(&mem)->chunk[0] != base);
    check_order(&mem, count);
    const struct lk_order *same = order_of(&mem);
    CHECK_EQ(lk_order_update(mem.table, 0, 0), 0); /* nothing new */
    CHECK(order_of(&mem) == same);
    mem_free(&mem);
}

TEST(sealed_order_is_one_chunk)
{
    struct mem mem;
    mem_new(&mem, 4 << 20, 20000);
    put_numbers(&mem, 0, 5000);
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
    put_numbers(&mem, 5000, 5100);
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
    put_numbers(&mem, 5100, 5200);
    CHECK_EQ(lk_order_seal(mem.table), 0);
    CHECK_EQ(order_of(&mem)->chunk[0]->count, 5200);
    CHECK(order_of(&mem)->chunk[1] == NULL && order_of(&mem)->chunk[2] == NULL);
    check_order(&mem, 5200);
    mem_free(&mem);
}

/* An old version of the order stays good for whoever holds a slot. */
TEST(an_order_lives_as_long_as_its_readers)
{
    struct mem mem;
    struct lk_memtable_cursor cursor;
    uint32_t seen = 0;
    mem_new(&mem, 4 << 20, 20000);
    put_numbers(&mem, 0, 1000);
    uint64_t limit = mem_end_of(&mem);
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
    int slot = lk_epoch_enter(mem.epochs);
    lk_memtable_cursor_init(&cursor, mem.table, limit);
    cursor.cursor.ops->seek(&cursor.cursor, NULL, 0);
    for (uint32_t i = 1; i < 10; i++) {
        put_numbers(&mem, i * 1000, i * 1000 + 1000);
        CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
        lk_epoch_reclaim(mem.epochs);
    }
    for (; cursor.cursor.valid; cursor.cursor.ops->next(&cursor.cursor))
        seen++;
    lk_epoch_leave(mem.epochs, slot);
    CHECK_EQ(seen, 1000);
    mem_free(&mem);
}

/* ---- taking back -------------------------------------------------------------------------------- */

/* A scan orders the keys while a frame is not complete; the frame fails. Nobody's walk may lose a key for it, and
 * a walk that was ordered before must not find itself without an order. */
TEST(an_order_names_only_complete_frames)
{
    struct mem mem;
    mem_new(&mem, 1 << 20, 5000);
    put_numbers(&mem, 0, 100);
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
    mem_begin(&mem);
    mem_put(&mem, "new", "1");
    mem_put(&mem, "newer", "1");
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0); /* another thread's, at this moment */
    check_order(&mem, 100);
    mem_undo(&mem);
    check_order(&mem, 100);
    put_numbers(&mem, 100, 200); /* in the places of those */
    CHECK_EQ(lk_order_update(mem.table, UINT32_MAX, 1), 0);
    check_order(&mem, 200);
    mem_free(&mem);
}

/* ---- beside a writer ---------------------------------------------------------------------------- */

enum { WRITES = 2500, SCANNERS = 2 };
static struct {
    struct mem mem;
    uint32_t keys[WRITES + 1], end_of[WRITES + 1]; /* after i writes: distinct keys, limit */
    _Atomic uint32_t written;
    _Atomic int over;
    _Atomic uint64_t scans, wrong;
} race;

static uint32_t scan_once(uint64_t limit, int backward, int *ordered)
{
    struct lk_memtable_cursor cursor;
    uint32_t seen = 0;
    uint64_t last = 0;
    int slot = lk_epoch_enter(race.mem.epochs);
    lk_memtable_cursor_init(&cursor, race.mem.table, limit);
    struct lk_cursor *base = &cursor.cursor;
    backward ? base->ops->seek_back(base, NULL, 0) : base->ops->seek(base, NULL, 0);
    for (*ordered = 1; base->valid; backward ? base->ops->prev(base) : base->ops->next(base)) {
        *ordered &= seen == 0 || (backward ? base->head < last : base->head > last);
        last = base->head;
        seen++;
    }
    lk_epoch_leave(race.mem.epochs, slot);
    return seen;
}

static void *scan_on(void *seed)
{
    struct random random = {(uintptr_t)seed};
    while (!atomic_load_explicit(&race.over, memory_order_relaxed)) {
        uint32_t n = atomic_load_explicit(&race.written, memory_order_acquire);
        int ordered, rc = lk_order_update(race.mem.table, UINT32_MAX, (int)random_below(&random, 2));
        if (rc != 0)
            continue;
        for (int walks = 0; walks < 2; walks++) {
            uint32_t seen = scan_once(race.end_of[n], walks, &ordered);
            if (seen != race.keys[n] || !ordered)
                atomic_fetch_add(&race.wrong, 1);
        }
        atomic_fetch_add_explicit(&race.scans, 1, memory_order_relaxed);
    }
    return NULL;
}

TEST(scans_beside_the_writer)
{
    struct random random = {31};
    pthread_t threads[SCANNERS];
    char key[32];
    static uint8_t there[1200];
    memset(&race, 0, sizeof race);
    memset(there, 0, sizeof there);
    mem_new(&race.mem, 4 << 20, 8000);
    race.end_of[0] = LK_FILE_HEAD;
    for (uintptr_t i = 0; i < SCANNERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, scan_on, (void *)(i + 1)), 0);
    for (uint32_t i = 0; i < WRITES; i++) {
        uint32_t number = (uint32_t)random_below(&random, sizeof there);
        if (i % 32 == 5) {
            mem_begin(&race.mem);
            for (uint32_t j = 0; j < 3; j++) {
                snprintf(key, sizeof key, "%08x", (number + 1200 * j) * 2654435761u);
                mem_put(&race.mem, key, "never");
                if (j == 1 && i % 64 == 5)
                    lk_thread_yield();
            }
            mem_undo(&race.mem);
        }
        snprintf(key, sizeof key, "%08x", number * 2654435761u);
        mem_put(&race.mem, key, "v");
        race.keys[i + 1] = race.keys[i] + !there[number];
        there[number] = 1;
        race.end_of[i + 1] = (uint32_t)mem_end_of(&race.mem);
        atomic_store_explicit(&race.written, i + 1, memory_order_release);
    }
    while (atomic_load(&race.scans) < 20)
        lk_thread_yield();
    atomic_store(&race.over, 1);
    for (int i = 0; i < SCANNERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&race.wrong), 0);
    mem_free(&race.mem);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
