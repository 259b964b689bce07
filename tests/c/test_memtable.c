/* The memtable: what a reader with a limit sees, whatever the writer does meanwhile. */
#include <pthread.h>
#include <unistd.h>

#include "mem_kit.h"
#include "random.h"

static const uint64_t always = UINT64_MAX;

/* ---- small stories ------------------------------------------------------------------------------ */

TEST(newest_below_the_limit)
{
    struct mem mem;
    mem_new(&mem, 1 << 16, 100);
    CHECK_STR(mem_get(&mem, "a", always), NULL);
    uint64_t first = mem_put(&mem, "a", "1"), second = mem_put(&mem, "a", "2"), third = mem_delete(&mem, "a");
    uint64_t fourth = mem_put(&mem, "a", "");
    CHECK_STR(mem_get(&mem, "a", first), NULL);
    CHECK_STR(mem_get(&mem, "a", first + 1), "1");
    CHECK_STR(mem_get(&mem, "a", second), "1");
    CHECK_STR(mem_get(&mem, "a", third), "2");
    CHECK_STR(mem_get(&mem, "a", fourth), "-");
    CHECK_STR(mem_get(&mem, "a", always), "");
    CHECK_STR(mem_get(&mem, "b", always), NULL);
    CHECK_EQ(atomic_load(&mem.table->key_count), 1);
    CHECK_EQ(atomic_load(&mem.table->records), 4);
    CHECK_EQ(atomic_load(&mem.table->tombstones), 1);
    mem_free(&mem);
}

TEST(keys_of_every_length)
{
    struct mem mem;
    static char key[65535 + 1], value[65535 + 1];
    struct lk_record record;
    static const size_t lengths[] = {0, 1, 7, 8, 9, 16, 17, 127, 128, 300, 65535};
    enum { LENGTHS = sizeof lengths / sizeof lengths[0] };
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    mem_new(&mem, 1 << 20, 100);
    for (unsigned i = 0; i < LENGTHS; i++)
        CHECK(mem_add(&mem, (struct lk_record){.flags = LK_PUT,
                                               .key = lk_slice(key, lengths[i]),
                                               .value = lk_slice(value, lengths[i])}) > 0);
    for (unsigned i = 0; i < LENGTHS; i++) {
        struct lk_slice name = lk_slice(key, lengths[i]);
        CHECK_EQ(lk_memtable_find(mem.table, mem_hash(name), name, always, &record, NULL, NULL), 0);
        CHECK_EQ(record.value.len, lengths[i]);
        name.len++;
        if (i + 1 < LENGTHS && lengths[i] + 1 != lengths[i + 1])
            CHECK_EQ(lk_memtable_find(mem.table, mem_hash(name), name, always, &record, NULL, NULL), LSMKV_NOTFOUND);
    }
    mem_free(&mem);
}

TEST(range_deletes)
{
    struct mem mem;
    struct lk_ranges ranges = {0};
    mem_new(&mem, 1 << 16, 100);
    mem_put(&mem, "b", "1");
    mem_put(&mem, "d", "1");
    uint64_t before = mem_end_of(&mem);
    uint64_t deletes = mem_delete_range(&mem, "b", "d");
    uint64_t again = mem_put(&mem, "c", "2");
    uint64_t rest = mem_delete_range(&mem, "x", NULL);
    CHECK_STR(mem_get(&mem, "b", before), "1");
    CHECK_STR(mem_get(&mem, "b", deletes), "1");
    CHECK_STR(mem_get(&mem, "b", deletes + 1), "-");
    CHECK_STR(mem_get(&mem, "bb", always), "-"); /* never written: deleted all the same, for older sources */
    CHECK_STR(mem_get(&mem, "bb", deletes), NULL);
    CHECK_STR(mem_get(&mem, "c", always), "2");
    CHECK_STR(mem_get(&mem, "c", again), "-");
    CHECK_STR(mem_get(&mem, "d", always), "1");
    CHECK_STR(mem_get(&mem, "zzz", always), "-");
    CHECK_STR(mem_get(&mem, "zzz", rest), NULL);
    CHECK_EQ(lk_memtable_covered(mem.table, lk_slice("c", 1), 0, always), 1);
    CHECK_EQ(lk_memtable_covered(mem.table, lk_slice("c", 1), again, always), 0);
    CHECK_EQ(lk_memtable_changed(mem.table, mem_hash(lk_slice("d", 1)), lk_slice("d", 1), before, always), 0);
    CHECK_EQ(lk_memtable_changed(mem.table, mem_hash(lk_slice("b", 1)), lk_slice("b", 1), before, always), 1);
    CHECK_EQ(lk_memtable_changed(mem.table, mem_hash(lk_slice("b", 1)), lk_slice("b", 1), before, deletes), 0);
    CHECK_EQ(lk_memtable_changed(mem.table, mem_hash(lk_slice("c", 1)), lk_slice("c", 1), again, always), 1);
    CHECK_EQ(lk_memtable_changed(mem.table, mem_hash(lk_slice("c", 1)), lk_slice("c", 1), again + 1, always), 0);
    CHECK_EQ(lk_memtable_ranges(mem.table, rest, &ranges), 0);
    CHECK_EQ(ranges.count, 1);
    CHECK_EQ(lk_memtable_ranges(mem.table, always, &ranges), 0);
    CHECK_EQ(ranges.count, 2);
    CHECK(ranges.at[1].open_end);
    lk_ranges_deinit(&ranges);
    mem_free(&mem);
}

TEST(too_many_range_deletes_seal)
{
    struct mem mem;
    mem_new(&mem, 1 << 20, 100);
    for (int i = 0; i < LK_MEM_RANGES_MAX; i++) {
        CHECK_EQ(lk_memtable_full(mem.table, 1), 0);
        char start[16], stop[16];
        snprintf(start, sizeof start, "%05d", i * 2);
        snprintf(stop, sizeof stop, "%05d", i * 2 + 1);
        mem_delete_range(&mem, start, stop);
    }
    CHECK_EQ(lk_memtable_full(mem.table, 1), 1);
    CHECK_STR(mem_get(&mem, "00002", always), "-");
    CHECK_STR(mem_get(&mem, "00001", always), NULL);
    mem_free(&mem);
}

/* ---- taking back -------------------------------------------------------------------------------- */

TEST(what_is_taken_back_never_was)
{
    struct mem mem;
    mem_new(&mem, 1 << 16, 100);
    mem_put(&mem, "old", "1");
    mem_put(&mem, "old", "2");
    mem_delete_range(&mem, "p", "q");
    uint64_t end = mem_end_of(&mem);
    mem_begin(&mem);
    mem_put(&mem, "old", "3");
    mem_put(&mem, "new", "1");
    mem_put(&mem, "old", "4");
    mem_put(&mem, "new", "2");
    mem_put(&mem, "other", "1");
    mem_delete_range(&mem, "a", "z");
    mem_delete(&mem, "p");
    mem_undo(&mem);
    CHECK_EQ(mem_end_of(&mem), end);
    CHECK_STR(mem_get(&mem, "old", always), "2");
    CHECK_STR(mem_get(&mem, "new", always), NULL);
    CHECK_STR(mem_get(&mem, "other", always), NULL);
    CHECK_STR(mem_get(&mem, "m", always), NULL);
    CHECK_STR(mem_get(&mem, "p", always), "-");
    CHECK_EQ(atomic_load(&mem.table->key_count), 1);
    for (uint64_t at = end; at < end + 1024; at++)
        if (mem.table->segment->base[at])
            CHECK(!"zeros again");
    mem_put(&mem, "new", "5"); /* in the same places */
    mem_put(&mem, "old", "5");
    CHECK_STR(mem_get(&mem, "new", always), "5");
    CHECK_STR(mem_get(&mem, "old", always), "5");
    CHECK_STR(mem_get(&mem, "old", end), "2");
    mem_free(&mem);
}

/* Bytes that a reader may be looking at are not erased under him. */
static struct mem waiting;
static _Atomic int undone;

static void *undo_it(void *unused)
{
    mem_undo(&waiting);
    atomic_store(&undone, 1);
    return unused;
}

TEST(taking_back_waits_for_readers)
{
    pthread_t thread;
    struct lk_record record;
    struct lk_slice key = lk_slice("new", 3);
    mem_new(&waiting, 1 << 16, 100);
    atomic_store(&undone, 0);
    mem_begin(&waiting);
    mem_put(&waiting, "new", "1");
    int slot = lk_epoch_enter(waiting.epochs);
    CHECK_EQ(lk_memtable_find(waiting.table, mem_hash(key), key, always, &record, NULL, NULL), 0);
    CHECK_EQ(pthread_create(&thread, NULL, undo_it, NULL), 0);
    for (int i = 0; i < 20; i++) {
        usleep(1000);
        CHECK_EQ(atomic_load(&undone), 0);
        CHECK_MEM(record.value.at, "1", 1);
    }
    lk_epoch_leave(waiting.epochs, slot);
    pthread_join(thread, NULL);
    CHECK_STR(mem_get(&waiting, "new", always), NULL);
    mem_free(&waiting);
}

TEST(all_range_deletes_taken_back)
{
    struct mem mem;
    mem_new(&mem, 1 << 16, 100);
    mem_begin(&mem);
    mem_delete_range(&mem, "a", "z");
    mem_undo(&mem);
    CHECK_STR(mem_get(&mem, "m", always), NULL);
    CHECK(atomic_load(&mem.table->ranges) == NULL);
    mem_free(&mem);
}

/* ---- sizes -------------------------------------------------------------------------------------- */

static void number_key(char to[32], uint64_t number)
{
    snprintf(to, 32, "key%09llu", (unsigned long long)number);
}

/* Keys go in until the memtable says it is full, or finds a key's lines full: at no more than 60 % load. */
TEST(full_at_sixty_per_cent)
{
    struct mem mem;
    char key[32];
    uint64_t count = 0;
    mem_new(&mem, 8 << 20, 10000);
    CHECK_EQ(lk_memtable_full(mem.table, 1u << 31), 1);
    while (!lk_memtable_full(mem.table, 1)) {
        number_key(key, count++);
        CHECK(mem_put(&mem, key, "v") > 0);
    }
    CHECK(count >= 10000);
    CHECK(count * 100 <= (uint64_t)mem.table->line_count * LK_LINE_SLOTS * 60);
    for (uint64_t i = 0; i < count; i++) {
        number_key(key, i);
        if (!CHECK_STR(mem_get(&mem, key, always), "v"))
            break;
    }
    CHECK(lk_memtable_memory(mem.table) >= (uint64_t)mem.table->line_count * 64);
    mem_free(&mem);
}

/* A key whose lines are full: nothing was changed, and its neighbours are there still. */
TEST(crowded_lines)
{
    struct mem mem;
    char key[32], value[32];
    uint64_t crowd = 0, refused = 0;
    static uint32_t taken[64];
    mem_new(&mem, 1 << 20, 200); /* some thirty lines: choose keys of one line */
    uint32_t lines = mem.table->line_count, line = lines - 2; /* the spill goes around the end */
    for (uint64_t i = 0; refused == 0 && i < 1000000; i++) {
        number_key(key, i);
        if (lk_line_first(mem_hash(lk_slice(key, strlen(key))), lines) != line)
            continue;
        snprintf(value, sizeof value, "%llu", (unsigned long long)i);
        uint32_t keys = atomic_load(&mem.table->key_count);
        if (mem_put(&mem, key, value)) {
            taken[crowd++] = (uint32_t)i;
        } else {
            refused = i;
            CHECK_EQ(lk_error()->status, LSMKV_WOULDBLOCK);
            CHECK_EQ(atomic_load(&mem.table->key_count), keys);
            CHECK_STR(mem_get(&mem, key, always), NULL);
        }
    }
    CHECK_EQ(crowd, (uint64_t)LK_LINE_SLOTS * LK_LINE_SPILL);
    for (uint64_t i = 0; i < crowd; i++) {
        number_key(key, taken[i]);
        snprintf(value, sizeof value, "%u", taken[i]);
        CHECK_STR(mem_get(&mem, key, always), value);
    }
    number_key(key, taken[7]);
    CHECK(mem_put(&mem, key, "again") > 0); /* a key that is there needs no room */
    CHECK_STR(mem_get(&mem, key, always), "again");
    mem_free(&mem);
}

/* Beyond 64 MiB positions count larger units; records are aligned to them. */
TEST(oversize_segments_shift)
{
    struct mem mem;
    char key[32];
    mem_new(&mem, (uint64_t)300 << 20, 1000);
    CHECK_EQ(mem.table->segment->shift, 3);
    CHECK_EQ(lk_segment_shift((uint64_t)64 << 20), 0);
    CHECK_EQ(lk_segment_shift(((uint64_t)64 << 20) + 1), 1);
    for (int i = 0; i < 300; i++) {
        number_key(key, (uint64_t)i % 100);
        mem_begin(&mem);
        uint64_t at = mem_put(&mem, key, i < 200 ? "early" : "late");
        CHECK_EQ(at % 8, 0);
        mem_put(&mem, "x", "");
        mem_delete(&mem, "y");
        mem_end(&mem);
    }
    uint64_t end = mem_end_of(&mem);
    atomic_store(&mem.table->segment->end, (uint64_t)290 << 20); /* far out: positions of more than 26 bits in bytes */
    mem_put(&mem, "far", "out");
    mem_put(&mem, "key000000007", "far out");
    CHECK_STR(mem_get(&mem, "far", always), "out");
    CHECK_STR(mem_get(&mem, "key000000007", always), "far out");
    CHECK_STR(mem_get(&mem, "key000000007", end), "late");
    CHECK_STR(mem_get(&mem, "key000000042", always), "late");
    CHECK_STR(mem_get(&mem, "y", always), "-");
    mem_free(&mem);
}

/* ---- replay ------------------------------------------------------------------------------------- */

/* Index every record of `from` in `to`, which borrows the same bytes by copy. 0 or what index said. */
static int replay(const struct mem *from, struct mem *to, int64_t flip_at)
{
    struct lk_segment *source = from->table->segment, *segment = to->table->segment;
    uint64_t end = mem_end_of(from);
    memcpy(segment->base, source->base, end);
    atomic_store(&segment->end, end);
    if (flip_at >= 0)
        segment->base[flip_at] ^= 1;
    for (uint64_t at = LK_FILE_HEAD; at < end;) {
        struct lk_frame frame;
        if (lk_frame_get(source->base, source->capacity, at, source->identity, &frame) != LK_FRAME_GOOD)
            return -99;
        const uint8_t *record_at = segment->base + at + LK_FRAME_HEAD, *stop = record_at + frame.body.len;
        while (record_at < stop) {
            struct lk_record record;
            const uint8_t *next = lk_record_get(record_at, stop, &record);
            int rc = next ? lk_memtable_index(to->table, record_at, &record, mem_hash(record.key)) : LSMKV_CORRUPT;
            if (rc != 0)
                return rc;
            record_at = next;
        }
        at += frame.total;
    }
    return 0;
}

static void write_history(struct mem *mem, int count)
{
    struct random random = {11};
    char key[32], value[32];
    for (int i = 0; i < count; i++) {
        number_key(key, random_below(&random, 150));
        snprintf(value, sizeof value, "%d", i);
        if (random_below(&random, 40) == 0)
            mem_delete_range(mem, key, NULL);
        else if (random_below(&random, 5) == 0)
            mem_delete(mem, key);
        else
            mem_put(mem, key, value);
    }
}

TEST(replay_gives_the_same_answers)
{
    struct mem mem, copy;
    struct random random = {12};
    char key[32], was[64];
    mem_new(&mem, 1 << 20, 1000);
    mem_new(&copy, 1 << 20, 20); /* too few lines */
    write_history(&mem, 3000);
    CHECK_EQ(replay(&mem, &copy, -1), LSMKV_WOULDBLOCK);
    CHECK_EQ(lk_memtable_restart(copy.table, 1000), 0);
    CHECK_EQ(atomic_load(&copy.table->key_count), 0);
    CHECK(atomic_load(&copy.table->ranges) == NULL);
    CHECK_EQ(replay(&mem, &copy, -1), 0);
    CHECK_EQ(atomic_load(&copy.table->key_count), atomic_load(&mem.table->key_count));
    CHECK_EQ(atomic_load(&copy.table->records), atomic_load(&mem.table->records));
    CHECK_EQ(atomic_load(&copy.table->payload), atomic_load(&mem.table->payload));
    for (int i = 0; i < 3000; i++) {
        uint64_t limit = random_below(&random, mem_end_of(&mem) + 100);
        number_key(key, random_below(&random, 160));
        const char *answer = mem_get(&mem, key, limit);
        snprintf(was, sizeof was, "%s", answer ? answer : "none");
        answer = mem_get(&copy, key, limit);
        CHECK_STR(answer ? answer : "none", was);
    }
    mem_free(&mem);
    mem_free(&copy);
}

/* Frames that verify may still hold links no writer of ours makes. */
TEST(replay_refuses_links_that_lie)
{
    struct mem mem;
    uint64_t at[6];
    mem_new(&mem, 1 << 16, 100);
    for (int i = 0; i < 6; i++)
        at[i] = mem_put(&mem, "k", "v");
    for (int i = 1; i < 6; i++)
        for (uint64_t byte = 0; byte < LK_RECORD_LINK_BYTES; byte++) {
            struct mem copy;
            mem_new(&copy, 1 << 16, 100);
            CHECK_EQ(replay(&mem, &copy, (int64_t)(at[i] + 3 + byte)), LSMKV_CORRUPT);
            CHECK_STR(lk_error()->file, "000001.log");
            CHECK_EQ(lk_error()->offset, at[i]);
            mem_free(&copy);
        }
    mem_free(&mem);
}

/* ---- links -------------------------------------------------------------------------------------- */

enum { VERSIONS = 1000000, BATCH = 100 };

/* Steps of the walk that the links promise: jump when that is still not below the limit, else one back. */
static unsigned walk(const struct lk_segment *segment, uint64_t at, uint64_t limit, uint64_t *found, uint64_t *path)
{
    unsigned steps = 0;
    for (;; steps++) {
        struct lk_record record;
        if (path)
            path[steps] = at;
        if (!lk_record_get(segment->base + at, segment->base + segment->capacity, &record))
            return UINT32_MAX;
        if (at < limit)
            break;
        if (!(record.flags & LK_RECORD_LINK))
            return UINT32_MAX;
        at = record.jump >= limit ? record.jump : record.prev;
    }
    *found = at;
    return steps;
}

TEST(scenario_18_a_million_versions_of_one_key)
{
    struct mem mem;
    struct random random = {18};
    static uint32_t at[VERSIONS];
    unsigned most = 0;
    mem_new(&mem, (uint64_t)60 << 20, 100);
    for (uint32_t i = 0; i < VERSIONS; i++) {
        uint8_t value[4];
        if (i % BATCH == 0)
            mem_begin(&mem);
        lk_store32(value, i);
        at[i] = (uint32_t)mem_add(
            &mem, (struct lk_record){.flags = LK_PUT, .key = lk_slice("hot", 3), .value = lk_slice(value, 4)});
        if (i % BATCH == BATCH - 1)
            mem_end(&mem);
    }
    CHECK_EQ(atomic_load(&mem.table->key_count), 1);
    struct lk_slice key = lk_slice("hot", 3);
    for (int i = 0; i < 20000; i++) {
        uint32_t version = (uint32_t)random_below(&random, i % 2 ? VERSIONS : 1000);
        uint64_t limit = (uint64_t)at[version] + 1 + random_below(&random, 9), found = 0;
        struct lk_record record;
        if (!CHECK_EQ(lk_memtable_find(mem.table, mem_hash(key), key, limit, &record, NULL, NULL), 0) ||
            !CHECK_EQ(lk_load32(record.value.at), version))
            break;
        unsigned steps = walk(mem.table->segment, at[VERSIONS - 1], limit, &found, NULL);
        CHECK_EQ(found, at[version]);
        most = steps > most ? steps : most;
    }
    CHECK(most > 20 && most <= 20 * 21 / 2); /* 2^20 versions: log of them squared, halved */
    CHECK_STR(mem_get(&mem, "hot", at[0]), NULL);
    mem_free(&mem);
}

/* The lookup looks at no other version than those of that walk: all others can be rubbish. */
TEST(scenario_18_a_lookup_touches_few_versions)
{
    enum { COUNT = 5000 };
    struct random random = {19};
    static uint64_t at[COUNT], path[COUNT + 1];
    for (int round = 0; round < 20; round++) {
        struct mem mem;
        char value[32];
        mem_new(&mem, 1 << 20, 100);
        for (int i = 0; i < COUNT; i++) {
            snprintf(value, sizeof value, "%d", i);
            at[i] = mem_put(&mem, "hot", value);
        }
        uint64_t version = random_below(&random, COUNT - 1), found = 0;
        unsigned steps = walk(mem.table->segment, at[COUNT - 1], at[version] + 1, &found, path);
        CHECK(steps <= 13 * 14 / 2);
        for (unsigned i = 0, step = steps + 1; i < COUNT; i++) {
            int visited = step > 0 && path[step - 1] == at[i];
            step -= (unsigned)visited;
            if (!visited)
                mem.table->segment->base[at[i]] = 0xff;
        }
        snprintf(value, sizeof value, "%llu", (unsigned long long)version);
        CHECK_STR(mem_get(&mem, "hot", at[version] + 1), value);
        mem_free(&mem);
    }
}

/* ---- one writer, many readers ------------------------------------------------------------------- */

/* Write i is the same for everybody: what it does, and to which of a few keys. */
enum { WRITES = 12000, KEYS = 24, READERS = 3, RARE = 500 };
enum what { PUT, DELETE, DELETE_RANGE };

struct deed {
    enum what what;
    uint32_t key, stop;
};

static struct deed deed_of(uint32_t i)
{
    struct random random = {i * 7919u};
    uint64_t dice = random_next(&random);
    struct deed deed = {PUT, (uint32_t)(dice >> 8) % KEYS, KEYS};
    if (dice % RARE == 0) {
        deed.what = DELETE_RANGE;
        deed.stop = deed.key + 1 + (uint32_t)(dice >> 40) % 4;
    } else if (dice % 5 == 0) {
        deed.what = DELETE;
    }
    return deed;
}

static void race_key(char to[32], uint32_t number)
{
    snprintf(to, 32, "race%02u", number);
}

static struct {
    struct mem mem;
    uint32_t end_of[WRITES + 1]; /* the limit that shows the first i writes; constant below `written` */
    _Atomic uint32_t written;
    _Atomic int over;
    _Atomic uint64_t looked, wrong;
} race;

/* What a reader of the first n writes must see: the number of a write, or a delete, or nothing. */
static int64_t expected(uint32_t n, uint32_t key)
{
    while (n-- > 0) {
        struct deed deed = deed_of(n);
        if (deed.what == DELETE_RANGE ? key >= deed.key && key < deed.stop : key == deed.key)
            return deed.what == PUT ? (int64_t)n : -1;
    }
    return -2;
}

static int64_t seen(uint32_t limit, uint32_t key)
{
    struct lk_record record;
    char name[32];
    race_key(name, key);
    struct lk_slice slice = lk_slice(name, strlen(name));
    int rc = lk_memtable_find(race.mem.table, mem_hash(slice), slice, limit, &record, NULL, NULL);
    if (rc != 0)
        return -2;
    return lk_record_kind(&record) == LK_PUT ? (int64_t)lk_load32(record.value.at) : -1;
}

static void *read_on(void *seed)
{
    struct random random = {(uintptr_t)seed};
    while (!atomic_load_explicit(&race.over, memory_order_relaxed)) {
        uint32_t n = atomic_load_explicit(&race.written, memory_order_acquire),
                 key = (uint32_t)random_below(&random, KEYS);
        if (n && random_below(&random, 4) == 0)
            n -= (uint32_t)random_below(&random, n < 300 ? n : 300); /* an older snapshot */
        int slot = lk_epoch_enter(race.mem.epochs);
        int64_t got = seen(race.end_of[n], key);
        lk_epoch_leave(race.mem.epochs, slot);
        if (got != expected(n, key))
            atomic_fetch_add(&race.wrong, 1);
        atomic_fetch_add_explicit(&race.looked, 1, memory_order_relaxed);
    }
    return NULL;
}

static void race_add(uint32_t i, struct deed deed)
{
    char key[32], stop[32];
    uint8_t value[4];
    struct lk_record record = {.flags = LK_PUT, .value = lk_slice(value, 4)};
    lk_store32(value, i);
    race_key(key, deed.key);
    race_key(stop, deed.stop);
    record.key = lk_slice(key, strlen(key));
    if (deed.what == DELETE)
        record = (struct lk_record){.flags = LK_DELETE, .key = record.key};
    else if (deed.what == DELETE_RANGE)
        record = (struct lk_record){.flags = LK_RANGE_DELETE, .key = record.key, .value = lk_slice(stop, strlen(stop))};
    CHECK(mem_add(&race.mem, record) > 0);
}

TEST(readers_beside_the_writer)
{
    pthread_t threads[READERS];
    memset(&race, 0, sizeof race);
    mem_new(&race.mem, 8 << 20, 4 * KEYS);
    race.end_of[0] = LK_FILE_HEAD;
    for (uintptr_t i = 0; i < READERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, read_on, (void *)(i + 1)), 0);
    uint32_t ranges = 0;
    for (uint32_t i = 0; i < WRITES; i++) {
        if (i % 64 == 13) { /* a frame that fails, with things that no reader may ever see */
            mem_begin(&race.mem);
            for (uint32_t j = 0; j < 4; j++)
                race_add(0x40000000 + j, (struct deed){j == 3 ? DELETE_RANGE : PUT, (i + j * 5) % (KEYS + 8), 99});
            mem_undo(&race.mem);
        }
        race_add(i, deed_of(i));
        ranges += deed_of(i).what == DELETE_RANGE;
        race.end_of[i + 1] = (uint32_t)mem_end_of(&race.mem);
        atomic_store_explicit(&race.written, i + 1, memory_order_release);
    }
    while (atomic_load(&race.looked) < 1000) /* on a busy machine the readers may come late */
        lk_thread_yield();
    atomic_store(&race.over, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&race.wrong), 0);
    CHECK(ranges > 8);
    for (uint32_t key = 0; key < KEYS; key++)
        CHECK_EQ(seen(race.end_of[WRITES], key), expected(WRITES, key));
    mem_free(&race.mem);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
