/* The merge cursor against a model: sources are arrays, the model looks at every key of a small key space. */
#include "check.h"
#include "random.h"
#include "store/merge.h"
#include "util/alloc.h"

enum { SOURCES = 10, KEYS = 160, KEY_BYTES = 24, RANGES = 4 };

/* ---- a source that is an array ---------------------------------------------------------------- */

struct item {
    const uint8_t *key;
    size_t len;
    uint32_t stamp;
};

struct array_cursor {
    struct lk_cursor cursor;
    struct item items[KEYS];
    int count, at, fail_at; /* moving onto items[fail_at] fails; -1: never */
    uint8_t value[4];
};

static void stand(struct array_cursor *self, int at)
{
    struct lk_cursor *cursor = &self->cursor;

    self->at = at;
    cursor->valid = 0;
    if (at < 0 || at >= self->count || cursor->status)
        return;
    if (at == self->fail_at) {
        cursor->status = LSMKV_CORRUPT;
        return;
    }
    lk_store32(self->value, self->items[at].stamp);
    cursor->record = (struct lk_record){.key = lk_slice(self->items[at].key, self->items[at].len),
                                        .value = lk_slice(self->value, 4),
                                        .flags = self->items[at].stamp % 5 ? LK_PUT : LK_DELETE};
    if (self->items[at].stamp % 5 == 0)
        cursor->record.value.len = 0;
    cursor->head = lk_head(cursor->record.key, 0);
    cursor->valid = 1;
}

static struct array_cursor *of(struct lk_cursor *cursor)
{
    return (struct array_cursor *)cursor;
}

static void seek(struct lk_cursor *cursor, const struct lk_slice *key, int after)
{
    struct array_cursor *self = of(cursor);
    int at = 0;
    cursor->status = 0;
    while (key && at < self->count) {
        int order = lk_compare(lk_slice(self->items[at].key, self->items[at].len), *key);
        if (order > 0 || (order == 0 && !after))
            break;
        at++;
    }
    stand(self, at);
}

static void seek_back(struct lk_cursor *cursor, const struct lk_slice *key, int before)
{
    struct array_cursor *self = of(cursor);
    int at = self->count - 1;
    cursor->status = 0;
    while (key && at >= 0) {
        int order = lk_compare(lk_slice(self->items[at].key, self->items[at].len), *key);
        if (order < 0 || (order == 0 && !before))
            break;
        at--;
    }
    stand(self, at);
}

static void next(struct lk_cursor *cursor)
{
    stand(of(cursor), of(cursor)->at + 1);
}
static void prev(struct lk_cursor *cursor)
{
    stand(of(cursor), of(cursor)->at - 1);
}

static const struct lk_cursor_ops array_ops = {.seek = seek, .seek_back = seek_back, .next = next, .prev = prev};

/* ---- a world: key space, sources, and what the stream must be ---------------------------------- */

static struct world {
    uint8_t keys[KEYS][KEY_BYTES];
    size_t len[KEYS];
    struct array_cursor cursors[SOURCES];
    struct lk_ranges ranges[SOURCES];
    struct lk_merge_source sources[SOURCES];
    int source_count;
    int want_key[KEYS], want_source[KEYS], want_count;
} world;

static struct lk_slice key_of(int index)
{
    return lk_slice(world.keys[index], world.len[index]);
}

/* Ascending keys; the style decides where they differ: early, past the head, or only in length. */
static void make_keys(struct random *random)
{
    unsigned style = (unsigned)random_below(random, 4);
    for (int i = 0; i < KEYS; i++) {
        uint8_t *key = world.keys[i];
        memset(key, style == 3 ? 0 : 'p', KEY_BYTES);
        size_t at = style == 0 ? 0 : style == 1 ? 8 : 17;
        if (style == 3) { /* 00, 00 00, 00 00 00 ... then 01 .. */
            world.len[i] = (size_t)(i % 12);
            key[0] = (uint8_t)(i / 12);
            if (world.len[i] == 0)
                world.len[i] = 12, key[0] = (uint8_t)(i / 12);
            continue;
        }
        key[at] = (uint8_t)(i >> 8);
        key[at + 1] = (uint8_t)i;
        world.len[i] = at + 2 + (style == 1 ? (size_t)(i % 3) : 0);
    }
    if (style == 3) /* lengths ran 12, 1, 2 ...: put them in order */
        for (int i = 1; i < KEYS; i++)
            for (int j = i; j > 0 && lk_compare(key_of(j), key_of(j - 1)) < 0; j--) {
                uint8_t key[KEY_BYTES];
                size_t len = world.len[j];
                memcpy(key, world.keys[j], KEY_BYTES);
                memcpy(world.keys[j], world.keys[j - 1], KEY_BYTES);
                memcpy(world.keys[j - 1], key, KEY_BYTES);
                world.len[j] = world.len[j - 1];
                world.len[j - 1] = len;
            }
}

static void make_source(struct random *random, int index, unsigned density, int with_ranges)
{
    struct array_cursor *self = &world.cursors[index];
    *self = (struct array_cursor){.cursor = {.ops = &array_ops}, .fail_at = -1};
    for (int i = 0; i < KEYS; i++)
        if (random_below(random, 100) < density)
            self->items[self->count++] = (struct item){world.keys[i], world.len[i], (uint32_t)(index * 1000 + i)};
    lk_ranges_deinit(&world.ranges[index]);
    for (uint64_t i = 0; with_ranges && i < random_below(random, RANGES); i++) {
        struct lk_slice start = key_of((int)random_below(random, KEYS)), stop = key_of((int)random_below(random, KEYS));
        if (lk_compare(start, stop) < 0)
            CHECK_EQ(lk_ranges_add(&world.ranges[index], start, random_below(random, 6) ? &stop : NULL), 0);
    }
    world.sources[index] = (struct lk_merge_source){
        .cursor = &self->cursor, .ranges = random_below(random, 4) || with_ranges ? &world.ranges[index] : NULL};
}

static int holder(int key)
{
    for (int s = 0; s < world.source_count; s++)
        for (int i = 0; i < world.cursors[s].count; i++)
            if (world.cursors[s].items[i].key == world.keys[key])
                return s;
    return -1;
}

static int hidden(int key, int source)
{
    for (int s = 0; s < source; s++)
        if (lk_ranges_find(&world.ranges[s], key_of(key)))
            return 1;
    return 0;
}

static void make_world(struct random *random, int sources, int with_ranges)
{
    make_keys(random);
    world.source_count = sources;
    for (int s = 0; s < sources; s++)
        make_source(random, s, (unsigned)random_below(random, 100) + 1, with_ranges);
    world.want_count = 0;
    for (int key = 0; key < KEYS; key++) {
        int source = holder(key);
        if (source < 0 || hidden(key, source))
            continue;
        world.want_key[world.want_count] = key;
        world.want_source[world.want_count++] = source;
    }
}

static void end_world(void)
{
    for (int s = 0; s < SOURCES; s++)
        lk_ranges_deinit(&world.ranges[s]);
}

/* Is the stream's current record the model's entry? */
static int stands_on(const struct lk_merge *merge, int entry)
{
    const struct lk_cursor *cursor = lk_merge_current(merge);
    return merge->winner == (uint32_t)world.want_source[entry] && cursor->valid &&
           lk_equal(cursor->record.key, key_of(world.want_key[entry]));
}

/* Walk to the end from entry `from` in the direction of the seek; entries met. */
static int walk(struct lk_merge *merge, int from)
{
    int step = merge->backward ? -1 : 1, entry = from;
    for (; merge->valid; lk_merge_step(merge), entry += step)
        if (!CHECK(entry >= 0 && entry < world.want_count) || !CHECK(stands_on(merge, entry)))
            break;
    return entry;
}

/* ---- stories ---------------------------------------------------------------------------------- */

TEST(the_drawing_of_the_header)
{
    static uint8_t text[] = "abcdefg";
    struct lk_ranges deletes = {0};
    struct lk_slice e = lk_slice(text + 4, 1), g = lk_slice(text + 6, 1);
    static struct array_cursor rows[3];
    struct lk_merge merge;

    rows[0] = (struct array_cursor){
        .cursor = {.ops = &array_ops}, .fail_at = -1, .count = 2, .items = {{text + 1, 1, 1}, {text + 3, 1, 5}}};
    rows[1] = (struct array_cursor){
        .cursor = {.ops = &array_ops}, .fail_at = -1, .count = 2, .items = {{text + 1, 1, 11}, {text + 2, 1, 16}}};
    rows[2] = (struct array_cursor){.cursor = {.ops = &array_ops},
                                    .fail_at = -1,
                                    .count = 3,
                                    .items = {{text + 0, 1, 27}, {text + 3, 1, 24}, {text + 5, 1, 23}}};
    CHECK_EQ(lk_ranges_add(&deletes, e, &g), 0);
    struct lk_merge_source sources[] = {
        {.cursor = &rows[0].cursor}, {.cursor = &rows[1].cursor, .ranges = &deletes}, {.cursor = &rows[2].cursor}};

    lk_merge_init(&merge, sources, 3);
    merge.leap_after = UINT32_MAX;
    lk_merge_seek(&merge, NULL, 0);
    char seen[16] = "";
    for (; merge.valid; lk_merge_step(&merge)) {
        char one[3] = {(char)lk_merge_current(&merge)->record.key.at[0], (char)('0' + merge.winner), 0};
        strcat(seen, one);
    }
    CHECK_STR(seen, "a2b0c1d0");
    CHECK_EQ(merge.status, 0);
    CHECK_EQ(sources[1].passed, 1); /* b=0 */
    CHECK_EQ(sources[2].passed, 2); /* d=4 under d=del, f=3 hidden */
    lk_ranges_deinit(&deletes);
}

TEST(no_sources_and_empty_sources)
{
    struct lk_merge merge;
    struct random random = {1};

    lk_merge_init(&merge, NULL, 0);
    lk_merge_seek(&merge, NULL, 0);
    CHECK(!merge.valid && merge.status == 0);
    lk_merge_seek_back(&merge, NULL, 0);
    CHECK(!merge.valid && merge.status == 0);

    make_keys(&random);
    for (int s = 0; s < 3; s++)
        make_source(&random, s, 0, 0);
    lk_merge_init(&merge, world.sources, 3);
    lk_merge_seek(&merge, NULL, 0);
    CHECK(!merge.valid && merge.status == 0);
}

TEST(every_record_is_met_or_passed)
{
    struct random random = {2};
    for (int round = 0; round < 3000; round++) {
        make_world(&random, 1 + (int)random_below(&random, SOURCES), (int)random_below(&random, 2));
        struct lk_merge merge;
        uint64_t met[SOURCES] = {0};
        lk_merge_init(&merge, world.sources, (uint32_t)world.source_count);
        merge.leap_after = UINT32_MAX;
        if (round % 2)
            lk_merge_seek(&merge, NULL, 0);
        else
            lk_merge_seek_back(&merge, NULL, 0);
        for (; merge.valid; lk_merge_step(&merge))
            met[merge.winner]++;
        for (int s = 0; s < world.source_count; s++)
            CHECK_EQ(met[s] + world.sources[s].passed, world.cursors[s].count);
    }
    end_world();
}

TEST(both_directions_from_any_key)
{
    struct random random = {3};
    for (int round = 0; round < 6000; round++) {
        make_world(&random, 1 + (int)random_below(&random, SOURCES), (int)random_below(&random, 3) != 0);
        struct lk_merge merge;
        int first = 0, last = world.want_count - 1, exclude = (int)random_below(&random, 2);
        int from = (int)random_below(&random, KEYS);
        struct lk_slice key = key_of(from);

        lk_merge_init(&merge, world.sources, (uint32_t)world.source_count);
        lk_merge_seek(&merge, NULL, 0);
        CHECK_EQ(walk(&merge, 0), world.want_count);
        lk_merge_seek_back(&merge, NULL, 0);
        CHECK_EQ(walk(&merge, last), -1);

        while (first < world.want_count && world.want_key[first] < from + exclude)
            first++;
        lk_merge_seek(&merge, &key, exclude);
        CHECK_EQ(walk(&merge, first), world.want_count);
        while (last >= 0 && world.want_key[last] > from - exclude)
            last--;
        lk_merge_seek_back(&merge, &key, exclude);
        CHECK_EQ(walk(&merge, last), -1);
        CHECK_EQ(merge.status, 0);
    }
    end_world();
}

TEST(equal_keys_in_all_sources)
{
    struct random random = {4};
    for (int sources = 1; sources <= SOURCES; sources++) {
        struct lk_merge merge;
        make_keys(&random);
        world.source_count = sources;
        for (int s = 0; s < sources; s++)
            make_source(&random, s, 100, 0);
        lk_merge_init(&merge, world.sources, (uint32_t)sources);
        int seen = 0;
        for (lk_merge_seek(&merge, NULL, 0); merge.valid; lk_merge_step(&merge), seen++)
            CHECK_EQ(merge.winner, 0);
        CHECK_EQ(seen, KEYS);
        for (int s = 1; s < sources; s++)
            CHECK_EQ(world.sources[s].passed, KEYS);
    }
}

/* What a failing source gave before it failed is still delivered, and nothing after. */
TEST(a_failure_is_latched_and_takes_nothing_away)
{
    struct random random = {5};
    for (int round = 0; round < 4000; round++) {
        make_world(&random, 1 + (int)random_below(&random, SOURCES), (int)random_below(&random, 2));
        struct lk_merge merge;
        int bad = (int)random_below(&random, (uint64_t)world.source_count), backward = round % 2;
        struct array_cursor *victim = &world.cursors[bad];
        if (victim->count == 0)
            continue;
        victim->fail_at = (int)random_below(&random, (uint64_t)victim->count);
        int before = victim->fail_at + (backward ? 1 : -1); /* the last item it gives */

        lk_merge_init(&merge, world.sources, (uint32_t)world.source_count);
        merge.leap_after = UINT32_MAX;
        if (backward)
            lk_merge_seek_back(&merge, NULL, 0);
        else
            lk_merge_seek(&merge, NULL, 0);
        int seen = 0;
        for (; merge.valid; lk_merge_step(&merge), seen++)
            if (!CHECK(stands_on(&merge, backward ? world.want_count - 1 - seen : seen)))
                break;
        CHECK_EQ(merge.status, LSMKV_CORRUPT);
        CHECK_EQ(merge.failed, bad);

        int want = 0;
        for (int i = 0; i < world.want_count && before >= 0 && before < victim->count; i++) {
            int order =
                lk_compare(key_of(world.want_key[i]), lk_slice(victim->items[before].key, victim->items[before].len));
            want += backward ? order >= 0 : order <= 0;
        }
        CHECK_EQ(seen, want);
    }
    end_world();
}

/* A long hidden stretch is leapt over, or stepped through where leaps are dear. Either way: the same stream. */
TEST(a_hidden_stretch_is_leapt_over)
{
    struct random random = {6};
    for (int backward = 0; backward < 2; backward++)
        for (int open_end = 0; open_end < 2; open_end++) {
            struct lk_merge merge;
            random.state = 1; /* keys that differ early */
            do
                make_keys(&random);
            while (world.len[0] != 2);
            make_source(&random, 0, 0, 0);
            make_source(&random, 1, 100, 0);
            make_source(&random, 2, 100, 0);
            struct lk_slice start = key_of(10), stop = key_of(150);
            world.sources[0].ranges = &world.ranges[0];
            CHECK_EQ(lk_ranges_add(&world.ranges[0], start, open_end ? NULL : &stop), 0);
            for (int step_all = 0; step_all < 2; step_all++) {
                lk_merge_init(&merge, world.sources, 3);
                merge.leap_after = step_all ? UINT32_MAX : 16;
                int seen = 0;
                if (backward)
                    lk_merge_seek_back(&merge, NULL, 0);
                else
                    lk_merge_seek(&merge, NULL, 0);
                for (; merge.valid; lk_merge_step(&merge))
                    seen++;
                CHECK_EQ(seen, open_end ? 10 : 20);
                CHECK(step_all ? world.sources[1].passed == 140 + 10 * (uint64_t)open_end
                               : world.sources[1].passed < 40);
                CHECK_EQ(world.sources[1].leapt, !step_all);
            }
            lk_ranges_deinit(&world.ranges[0]);
        }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
