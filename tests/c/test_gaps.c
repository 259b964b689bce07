/* Gaps against every state that there was: whatever a reader is told, at his LSN and by his clock, must be so. */
#include "check.h"
#include "random.h"
#include "store/gaps.h"

enum { KEYS = 60, STATES = 12, LONG = 4 };

/* A record: until when it lives (0: there is none), its name, and the install that took it away (the oldest data leave a
 * store so): who sees an older one still has it. */
struct fact {
    uint64_t until, born, lost;
};

struct state {
    struct fact facts[KEYS];
};

static struct state states[STATES]; /* of the newest LSNs: states[lsn % STATES] */
static uint64_t lsn, installs, now;
static struct lk_gaps gaps;
static uint8_t key_bytes[KEYS][LK_GAP_KEY + 8];
static size_t key_size[KEYS];

/* Ascending: the empty key, prefixes of one another, and around the length of a bound some with a prefix of that. */
static void make_keys(void)
{
    for (unsigned i = 0; i < KEYS; i++) {
        uint8_t *to = key_bytes[i];
        memset(to, 7, sizeof key_bytes[i]);
        to[0] = (uint8_t)(i / 4);
        to[1] = 0;
        key_size[i] = i == 0 ? 0 : 1 + i % 4;
        if (i % 4 > 1 && i / 4 % 2)
            key_size[i] = (size_t)LK_GAP_KEY - 2 + i / 8 % LONG + (i % 4 == 3 ? 2 : 0);
    }
}

static struct lk_slice key(unsigned i)
{
    return lk_slice(key_bytes[i], key_size[i]);
}

static int lives(struct lk_gap_view view, unsigned i)
{
    const struct fact *fact = &states[view.lsn % STATES].facts[i];
    return fact->until > view.wall_ns && fact->lost > view.installs;
}

static struct fact *next_fact(unsigned i)
{
    struct state *before = &states[lsn % STATES], *after = &states[(lsn + 1) % STATES];
    *after = *before;
    lsn++;
    return &after->facts[i];
}

static void put(unsigned i, uint64_t until)
{
    lk_gaps_put(&gaps, key(i)); /* before it can be seen */
    *next_fact(i) = (struct fact){until, lsn, UINT64_MAX};
}

static void erase(unsigned i)
{
    *next_fact(i) = (struct fact){0};
}

/* The newest record of the key, at no LSN of its own. */
static void lose(unsigned i)
{
    uint64_t born = states[lsn % STATES].facts[i].born;
    installs++;
    for (unsigned j = 0; j < STATES; j++)
        if (states[j].facts[i].born == born && states[j].facts[i].lost == UINT64_MAX)
            states[j].facts[i].lost = installs;
}

/* A walk over dead keys as far as they go; what it has met is told. */
static void walk(struct random *random, struct lk_gap_view view)
{
    unsigned from = (unsigned)random_below(random, KEYS), to = from;
    uint64_t wall = 0;
    while (to < KEYS && !lives(view, to)) {
        const struct fact *fact = &states[view.lsn % STATES].facts[to];
        if (fact->until && fact->lost > view.installs) /* it meets the record, and that has expired */
            wall = view.wall_ns;
        to++;
    }
    if (to > from && to < KEYS)
        lk_gaps_walked(&gaps, (struct lk_gap_view){view.lsn, view.installs, wall}, key(from), key(to), lsn);
}

/* Whatever is found holds for that reader, for all keys. */
static int check_reader(struct lk_gap_view view)
{
    int found = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        const struct lk_gap *gap = lk_gaps_find(&gaps, view, key(i));
        if (!gap)
            continue;
        found++;
        for (unsigned j = 0; j < KEYS; j++) {
            int inside =
                lk_compare(key(j), lk_gap_key(&gap->from)) >= 0 && lk_compare(key(j), lk_gap_key(&gap->to)) < 0;
            if (inside && lives(view, j)) {
                fprintf(stderr, "  key %u lives at LSN %u, install %u, %u, in the gap found for key %u\n", j,
                        (unsigned)view.lsn, (unsigned)view.installs, (unsigned)view.wall_ns, i);
                CHECK(0);
                return found;
            }
        }
    }
    return found;
}

TEST(keys_ascend)
{
    make_keys();
    for (unsigned i = 1; i < KEYS; i++)
        CHECK(lk_compare(key(i - 1), key(i)) < 0);
}

static uint64_t late(struct random *random, uint64_t newest, uint64_t most)
{
    uint64_t behind = random_below(random, 3) ? 0 : random_below(random, most);
    return behind < newest ? newest - behind : newest;
}

/* A reader who may be late. */
static struct lk_gap_view any_view(struct random *random)
{
    return (struct lk_gap_view){late(random, lsn, STATES - 1), late(random, installs, 4), late(random, now, 8)};
}

TEST(no_reader_is_told_of_a_gap_that_is_none_for_him)
{
    uint64_t found = 0;
    make_keys();
    for (uint64_t seed = 0; seed < 100 && check_failures == 0; seed++) {
        struct random random = {seed};
        unsigned puts = 1 + (unsigned)(seed % 4);
        memset(states, 0, sizeof states);
        memset(&gaps, 0, sizeof gaps);
        lsn = STATES;
        installs = now = 100;
        for (unsigned step = 0; step < 1500 && check_failures == 0; step++) {
            unsigned i = (unsigned)random_below(&random, KEYS);
            uint64_t what = random_below(&random, 24);
            if (what < puts)
                put(i, seed % 2 ? UINT64_MAX : now + random_below(&random, 12));
            else if (what < 11)
                erase(i);
            else if (what < 12)
                lose(i);
            else if (what < 13)
                now++;
            else
                walk(&random, any_view(&random));
            found += (uint64_t)check_reader(any_view(&random));
        }
    }
    CHECK(found > 50000);
}

static void walked(uint64_t at, unsigned from, unsigned to, uint64_t written)
{
    lk_gaps_walked(&gaps, (struct lk_gap_view){at, 0, 0}, key(from), key(to), written);
}

static int has(unsigned i, uint64_t at)
{
    return lk_gaps_find(&gaps, (struct lk_gap_view){at, 0, 0}, key(i)) != NULL;
}

TEST(a_gap_grows_at_both_ends_as_long_as_nothing_is_put_there)
{
    make_keys();
    memset(&gaps, 0, sizeof gaps);
    walked(10, 20, 30, 10);
    walked(11, 25, 40, 11);
    walked(12, 10, 21, 12);
    CHECK_EQ(gaps.count, 1);
    CHECK(has(10, 12) && has(39, 12) && !has(40, 12) && !has(9, 12));
    CHECK(!has(25, 11)); /* somebody may have died since */
    lk_gaps_put(&gaps, key(42));
    walked(13, 35, 42, 13);
    CHECK(has(41, 13) && gaps.count == 1);
    lk_gaps_put(&gaps, key(43));
    walked(13, 35, 43, 14); /* that walk did not see what was put meanwhile */
    CHECK(has(41, 14) && !has(42, 14));
}

TEST(while_others_write_the_next_walk_fills_what_the_first_began)
{
    make_keys();
    memset(&gaps, 0, sizeof gaps);
    walked(10, 20, 30, 15); /* five writes later */
    CHECK_EQ(gaps.count, 1);
    CHECK(!has(25, 20));
    lk_gaps_put(&gaps, key(50));
    walked(12, 20, 30, 16); /* too early still */
    CHECK(!has(25, 20) && gaps.count == 1);
    walked(16, 20, 34, 18);
    CHECK(has(25, 16) && has(33, 16) && !has(25, 15));
}

TEST(a_put_cuts_and_a_walk_over_the_place_joins)
{
    make_keys();
    memset(&gaps, 0, sizeof gaps);
    walked(10, 20, 40, 10);
    lk_gaps_put(&gaps, key(33));
    CHECK_EQ(gaps.count, 2);
    CHECK(has(32, 11) && !has(33, 11) && has(34, 11));
    walked(12, 25, 41, 12); /* it was deleted again */
    CHECK(has(33, 12) && has(40, 12));
    lk_gaps_put(&gaps, key(31)); /* too long to say what comes after it */
    CHECK(has(29, 13) && !has(31, 13) && !has(32, 13));
    lk_gaps_put(&gaps, key(20));
    CHECK(!has(20, 13) && has(21, 13));
}

TEST(one_gap_takes_the_place_of_those_that_lie_in_it)
{
    make_keys();
    for (unsigned last = 0; last < 2; last++) { /* the one that grows stands before the others, or behind them */
        memset(&gaps, 0, sizeof gaps);
        if (!last)
            walked(10, 0, 2, 10);
        for (unsigned i = 1; i < 5; i++) {
            lk_gaps_put(&gaps, key(8 * i - 1));
            walked(10 + i, 8 * i, 8 * i + 2, 10 + i);
        }
        CHECK_EQ(gaps.count, last ? 4 : 5);
        walked(20, 0, 50, 20);
        CHECK_EQ(gaps.count, 1);
        CHECK(has(0, 20) && has(49, 20) && !has(50, 20));
    }
}

TEST(a_walk_that_has_gone_back_tells_nothing)
{
    make_keys();
    memset(&gaps, 0, sizeof gaps);
    walked(10, 20, 10, 10);
    walked(10, 20, 20, 10);
    CHECK_EQ(gaps.count, 0);
}

TEST(what_nobody_asks_for_is_given_up)
{
    make_keys();
    memset(&gaps, 0, sizeof gaps);
    walked(10, 20, 40, 10);
    for (unsigned i = 0; i < LK_GAP_UNUSED; i++)
        lk_gaps_put(&gaps, key(50));
    CHECK(has(30, 11)); /* just in time */
    for (unsigned i = 0; i < LK_GAP_UNUSED; i++)
        lk_gaps_put(&gaps, key(50));
    CHECK_EQ(gaps.count, 1);
    lk_gaps_put(&gaps, key(50));
    CHECK_EQ(gaps.count, 0);
}

TEST(of_many_gaps_those_stay_that_are_of_use)
{
    make_keys();
    memset(&gaps, 0, sizeof gaps);
    for (unsigned i = 0; i < 2 * LK_GAPS; i++) {
        lk_gaps_put(&gaps, key(3 * i + 2)); /* so that no gap reaches over it */
        walked(10 + i, 3 * i, 3 * i + 1, 10 + i);
        CHECK(has(0, 10 + i));
    }
    CHECK_EQ(gaps.count, LK_GAPS);
    CHECK(has(0, 100) && has(3 * (2 * LK_GAPS - 1), 100));
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
