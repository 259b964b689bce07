/* Epochs: nothing is released while somebody who may look at it is inside. */
#include <pthread.h>
#include <stdlib.h>

#include "check.h"
#include "random.h"
#include "store/epoch.h"

static struct lk_epochs *begin(void)
{
    struct lk_epochs *epochs = aligned_alloc(64, sizeof *epochs);
    lk_epochs_init(epochs);
    return epochs;
}

static void end(struct lk_epochs *epochs)
{
    lk_epochs_deinit(epochs);
    free(epochs);
}

static int released; /* of the small tests, which have one thread */

static void note_release(void *object)
{
    released += *(int *)object;
}

/* ---- one thread --------------------------------------------------------------------------------- */

TEST(a_stamp_passes_when_those_inside_have_left)
{
    struct lk_epochs *epochs = begin();
    CHECK(lk_epoch_passed(epochs, lk_epoch_stamp(epochs)));
    int first = lk_epoch_enter(epochs);
    uint64_t stamp = lk_epoch_stamp(epochs);
    CHECK(!lk_epoch_passed(epochs, stamp));
    int second = lk_epoch_enter(epochs); /* came after: does not matter to the first stamp */
    CHECK(first != second);
    uint64_t later = lk_epoch_stamp(epochs);
    CHECK(later > stamp);
    lk_epoch_leave(epochs, first);
    CHECK(lk_epoch_passed(epochs, stamp));
    CHECK(!lk_epoch_passed(epochs, later));
    lk_epoch_leave(epochs, second);
    CHECK(lk_epoch_passed(epochs, later));
    lk_epoch_wait(epochs, later); /* returns */
    end(epochs);
}

TEST(all_slots_taken)
{
    struct lk_epochs *epochs = begin();
    int slots[LK_EPOCH_SLOTS], seen[LK_EPOCH_SLOTS] = {0};
    for (int i = 0; i < LK_EPOCH_SLOTS; i++) {
        slots[i] = lk_epoch_enter(epochs);
        if (CHECK(slots[i] >= 0 && slots[i] < LK_EPOCH_SLOTS))
            CHECK_EQ(seen[slots[i]]++, 0);
    }
    CHECK_EQ(lk_epoch_enter(epochs), -1);
    CHECK_EQ(lk_epoch_enter(epochs), -1);
    uint64_t stamp = lk_epoch_stamp(epochs);
    for (int i = 0; i < LK_EPOCH_SLOTS; i++) {
        CHECK(!lk_epoch_passed(epochs, stamp));
        lk_epoch_leave(epochs, slots[i]);
        CHECK_EQ(lk_epoch_enter(epochs), slots[i]); /* the only free one */
    }
    CHECK(lk_epoch_passed(epochs, stamp)); /* all of them left; who is inside now came later */
    for (int i = 0; i < LK_EPOCH_SLOTS; i++)
        lk_epoch_leave(epochs, slots[i]);
    end(epochs);
}

TEST(retired_objects_go_when_they_may)
{
    struct lk_epochs *epochs = begin();
    int one = 1, ten = 10, hundred = 100;
    released = 0;
    lk_epoch_retire(epochs, &one, note_release);
    CHECK_EQ(released, 1); /* nobody is inside: at once */
    int first = lk_epoch_enter(epochs);
    lk_epoch_retire(epochs, &ten, note_release);
    int second = lk_epoch_enter(epochs);
    lk_epoch_retire(epochs, &hundred, note_release);
    CHECK_EQ(atomic_load(&epochs->retired_count), 2);
    lk_epoch_reclaim(epochs);
    CHECK_EQ(released, 1);
    lk_epoch_leave(epochs, first);
    lk_epoch_reclaim(epochs);
    CHECK_EQ(released, 11);
    lk_epoch_reclaim(epochs);
    CHECK_EQ(released, 11);
    lk_epoch_leave(epochs, second);
    lk_epoch_reclaim(epochs);
    CHECK_EQ(released, 111);
    CHECK_EQ(atomic_load(&epochs->retired_count), 0);
    end(epochs);
}

TEST(the_end_releases_the_rest)
{
    struct lk_epochs *epochs = begin();
    int one = 1, two = 2;
    released = 0;
    int slot = lk_epoch_enter(epochs);
    lk_epoch_retire(epochs, &one, note_release);
    lk_epoch_retire(epochs, &two, note_release);
    lk_epoch_leave(epochs, slot);
    CHECK_EQ(released, 0);
    end(epochs);
    CHECK_EQ(released, 3);
}

/* What is released may retire, wait and reclaim in its turn: no lock is held. */
static struct lk_epochs *nested;

static void release_in_turn(void *object)
{
    int *left = object;
    released++;
    lk_epoch_wait(nested, lk_epoch_stamp(nested));
    if (--*left > 0) {
        lk_epoch_retire(nested, object, release_in_turn);
        lk_epoch_reclaim(nested);
    }
}

TEST(release_may_wait_and_retire)
{
    int left = 5, other = 1;
    nested = begin();
    released = 0;
    int slot = lk_epoch_enter(nested);
    lk_epoch_retire(nested, &left, release_in_turn);
    lk_epoch_retire(nested, &other, release_in_turn);
    lk_epoch_leave(nested, slot);
    lk_epoch_reclaim(nested);
    CHECK_EQ(released, 6);
    end(nested);
}

TEST(counters_are_the_slots_own)
{
    struct lk_epochs *epochs = begin();
    int slot = lk_epoch_enter(epochs);
    lk_epoch_count(&epochs->slots[slot].gets);
    lk_epoch_count(&epochs->slots[slot].gets);
    lk_epoch_leave(epochs, slot);
    CHECK_EQ(atomic_load(&epochs->slots[slot].gets), 2);
    CHECK_EQ(sizeof epochs->slots[0] % 64, 0);
    end(epochs);
}

/* ---- many threads ------------------------------------------------------------------------------- */

/* Objects are never given back to the allocator, only poisoned: a reader that sees the poison, now or when it looks
 * again later in its slot, has been betrayed. */
enum { OBJECTS = 4096, READERS = 4, SWAPS = 12000, WORDS = 8 };

struct object {
    volatile uint64_t words[WORDS]; /* all the same while it lives; plain, so that the thread sanitizer judges too */
    _Atomic int in_use;
};

static struct {
    struct lk_epochs *epochs;
    struct object pool[OBJECTS];
    _Atomic(struct object *) present;
    _Atomic int over;
    _Atomic uint64_t looks, betrayed, refused, poisoned;
} race;

static void poison(void *at)
{
    struct object *object = at;
    for (int i = 0; i < WORDS; i++)
        object->words[i] = UINT64_MAX - (uint64_t)i;
    atomic_fetch_add_explicit(&race.poisoned, 1, memory_order_relaxed);
    atomic_store_explicit(&object->in_use, 0, memory_order_release);
}

static struct object *make(struct random *random, uint64_t word)
{
    for (uint32_t at = (uint32_t)random_below(random, OBJECTS), tried = 0; tried < OBJECTS;
         tried++, at = (at + 1) % OBJECTS) {
        struct object *object = &race.pool[at];
        int free_one = 0;
        if (!atomic_compare_exchange_strong(&object->in_use, &free_one, 1))
            continue;
        for (int i = 0; i < WORDS; i++)
            object->words[i] = word;
        return object;
    }
    return NULL;
}

static int is_whole(struct object *object, uint64_t word)
{
    for (int i = 0; i < WORDS; i++)
        if (object->words[i] != word)
            return 0;
    return 1;
}

static void *look(void *seed)
{
    struct random random = {(uintptr_t)seed};
    while (!atomic_load_explicit(&race.over, memory_order_relaxed)) {
        int slot = lk_epoch_enter(race.epochs);
        if (slot < 0) {
            atomic_fetch_add(&race.refused, 1);
            continue;
        }
        struct object *object = atomic_load_explicit(&race.present, memory_order_acquire);
        uint64_t word = object->words[0];
        int good = word < UINT64_MAX - WORDS && is_whole(object, word);
        if (random_below(&random, 64) == 0)
            lk_thread_yield(); /* inside: the writer goes on meanwhile */
        good &= is_whole(object, word);
        lk_epoch_leave(race.epochs, slot);
        if (!good)
            atomic_fetch_add(&race.betrayed, 1);
        atomic_fetch_add_explicit(&race.looks, 1, memory_order_relaxed);
    }
    return NULL;
}

static void *swap_on(void *seed)
{
    struct random random = {(uintptr_t)seed};
    for (uint64_t i = 0; i < SWAPS; i++) {
        struct object *made = make(&random, (uint64_t)(uintptr_t)seed << 32 | i);
        if (!made) { /* more are waiting than there are */
            lk_epoch_wait(race.epochs, lk_epoch_stamp(race.epochs));
            lk_epoch_reclaim(race.epochs);
            continue;
        }
        struct object *old = atomic_exchange_explicit(&race.present, made, memory_order_acq_rel);
        switch (random_below(&random, 8)) {
        case 0:
            lk_epoch_wait(race.epochs, lk_epoch_stamp(race.epochs));
            poison(old);
            break;
        case 1:
            lk_epoch_reclaim(race.epochs);
            /* fall through */
        default:
            lk_epoch_retire(race.epochs, old, poison);
        }
    }
    return NULL;
}

static void run_race(int writers)
{
    pthread_t readers[READERS], swappers[2];
    struct random random = {5};
    memset(&race, 0, sizeof race);
    race.epochs = begin();
    atomic_store(&race.present, make(&random, 1));
    for (uintptr_t i = 0; i < READERS; i++)
        CHECK_EQ(pthread_create(&readers[i], NULL, look, (void *)(i + 10)), 0);
    for (uintptr_t i = 0; i < (uintptr_t)writers; i++)
        CHECK_EQ(pthread_create(&swappers[i], NULL, swap_on, (void *)(i + 1)), 0);
    for (int i = 0; i < writers; i++)
        pthread_join(swappers[i], NULL);
    while (atomic_load(&race.looks) < 1000)
        lk_thread_yield();
    atomic_store(&race.over, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    CHECK_EQ(atomic_load(&race.betrayed), 0);
    lk_epoch_reclaim(race.epochs);
    CHECK_EQ(atomic_load(&race.epochs->retired_count), 0);
    CHECK(atomic_load(&race.poisoned) > SWAPS / 2);
    end(race.epochs);
    for (int i = 0, in_use = 0; i < OBJECTS; i++) {
        in_use += atomic_load(&race.pool[i].in_use);
        CHECK(in_use <= 1); /* the present one alone */
    }
}

TEST(readers_beside_a_writer)
{
    run_race(1);
}

TEST(readers_beside_two_writers)
{
    run_race(2);
}

/* With more threads than slots, a claim fails and later succeeds; no slot has two owners. */
enum { CROWD = 6, TURNS = 100000 };
static struct lk_epochs *crowded;
static _Atomic int owners[LK_EPOCH_SLOTS];
static _Atomic uint64_t shared, claims;

static void *claim(void *unused)
{
    for (int turn = 0; turn < TURNS; turn++) {
        int slot = lk_epoch_enter(crowded);
        if (slot < 0)
            continue; /* and at once again: the claims meet */
        if (atomic_fetch_add(&owners[slot], 1) != 0)
            atomic_fetch_add(&shared, 1);
        atomic_fetch_sub(&owners[slot], 1);
        atomic_fetch_add_explicit(&claims, 1, memory_order_relaxed);
        lk_epoch_leave(crowded, slot);
        for (volatile int pause = 0; pause < turn % 64; pause++)
            ; /* not always the same thread again */
    }
    return unused;
}

TEST(a_slot_has_one_owner)
{
    pthread_t threads[CROWD];
    int held[LK_EPOCH_SLOTS - 1];
    crowded = begin();
    for (unsigned i = 0; i < LK_EPOCH_SLOTS - 1; i++)
        held[i] = lk_epoch_enter(crowded);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, claim, NULL), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&shared), 0);
    CHECK(atomic_load(&claims) > 1000);
    for (unsigned i = 0; i < LK_EPOCH_SLOTS - 1; i++)
        lk_epoch_leave(crowded, held[i]);
    end(crowded);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
