/* lab_crash: T1, crash points, and T1b, crashes in the recovery from crashes.
 *
 *   lab_crash T1  [images [processes [at most so many seconds]]]
 *   lab_crash T1b [images [processes [at most so many seconds]]]
 *   lab_crash again story boundary image [stop image]     one case once more; TRACE=1 shows the machine's log
 *   lab_crash list                                        the stories
 *   SET=words lab_crash ...                               only those of sets whose name has these words
 *
 * T1: every story is stopped at every boundary of the simulated machine; there, what a power cut or a kill may
 * leave is made, in many ways, and each image must pass image.h's check. An image counts when no earlier one had the
 * same files. T1b: the image's own recovery is stopped at each of its boundaries, and images are made there.
 *
 * Stories are dealt out to the processes; what each found comes back through a pipe. */
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crash/image.h"

enum { IMAGES_LEAST = 24, VIOLATIONS_SHOWN = 10, SECOND_EACH = 3, STORY_YIELD = 900 };

struct tally {
    uint64_t stories, boundaries, images, distinct, most, violations, unfinished;
    uint64_t slices; /* merged in stories */
};

static struct tally tally;
static uint64_t deadline_ns; /* 0: none */

/* ---- a set of hashes --------------------------------------------------------------------------- */

static uint64_t *slots;
static uint64_t slot_count, slot_used;

static int slot_add(uint64_t *at, uint64_t count, uint64_t hash)
{
    uint64_t i = hash % count;
    while (at[i] && at[i] != hash)
        i = i + 1 == count ? 0 : i + 1;
    int fresh = at[i] == 0;
    at[i] = hash;
    return fresh;
}

/* 1 when the hash was not in it. */
static int is_new(uint64_t hash)
{
    hash |= 1;
    if (slot_used * 2 >= slot_count) {
        uint64_t count = slot_count ? slot_count * 2 : 1 << 16, *more = calloc(count, sizeof *more);
        if (!more)
            abort();
        for (uint64_t i = 0; i < slot_count; i++)
            if (slots[i])
                slot_add(more, count, slots[i]);
        free(slots);
        slots = more;
        slot_count = count;
    }
    int fresh = slot_add(slots, slot_count, hash);
    slot_used += (uint64_t)fresh;
    return fresh;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int too_late(void)
{
    if (deadline_ns == 0 || now_ns() < deadline_ns)
        return 0;
    tally.unfinished = 1;
    return 1;
}

/* ---- one case --------------------------------------------------------------------------------- */

struct place {
    const struct story *story;
    unsigned number;
    uint64_t boundary, image, stop, second; /* stop: UINT64_MAX in T1 */
};

static void report(const struct place *place, const char *wrong, const char *kind)
{
    if (tally.violations++ >= VIOLATIONS_SHOWN)
        return;
    fprintf(stderr, "story %u (%s | %s), boundary %" PRIu64 ", image %" PRIu64, place->number, place->story->set->name,
            place->story->script, place->boundary, place->image);
    if (place->stop != UINT64_MAX)
        fprintf(stderr, ", stopped again at %" PRIu64 ", image %" PRIu64, place->stop, place->second);
    fprintf(stderr, " (%s): %s\n    again: lab_crash again %u %" PRIu64 " %" PRIu64, kind, wrong, place->number,
            place->boundary, place->image);
    if (place->stop != UINT64_MAX)
        fprintf(stderr, " %" PRIu64 " %" PRIu64, place->stop, place->second);
    fputc('\n', stderr);
}

static uint64_t seed_of(const struct place *place)
{
    return model_mix(place->number * 100003u + place->boundary) >> 8;
}

/* Make, count and check one image. 1 when its files were new. */
static int check_first(const struct place *place)
{
    const struct story *story = place->story;
    unsigned from = image_from(story, &story->timeline, place->image == 0);
    struct sim *image = image_make(story->sim, place->image, seed_of(place));
    char kind[64];
    uint64_t hash = sim_image_hash(image);
    snprintf(kind, sizeof kind, "%.60s", sim_image_name(image));
    int fresh = is_new(hash);
    if (!is_new(model_mix(hash) ^ (from + 1))) { /* the same files with the same duties */
        (void)sim_free(image);
        return fresh;
    }
    const char *wrong = image_check(story, image, &story->timeline, from, (unsigned)(hash >> 7 & 0xffff));
    tally.images++;
    if (wrong)
        report(place, wrong, kind);
    return fresh;
}

/* ---- T1 ------------------------------------------------------------------------------------------ */

/* The images of one boundary: all systematic ones, or as many evenly chosen ones as are wanted, then random ones. */
static uint64_t boundary_images(struct place *place, uint64_t wanted, uint64_t skip)
{
    uint64_t systematic = 1 + sim_image_systematic(place->story->sim), fresh = 0, tries = 2 * wanted; /* some are old */
    uint64_t most = wanted - wanted / 4, regular = systematic < most ? systematic : most;
    for (uint64_t i = skip ? regular : 0; i < tries && fresh < wanted && tally.violations < VIOLATIONS_SHOWN; i++) {
        place->image = i < regular ? i * systematic / regular : systematic + 2 * skip + i;
        fresh += (uint64_t)check_first(place);
    }
    return fresh;
}

static uint64_t count_boundaries(struct story *story)
{
    story_play(story, UINT64_MAX);
    uint64_t count = sim_boundaries(story->sim);
    story_end(story);
    return count;
}

static uint64_t one_pass(struct story *story, struct place *place, uint64_t boundaries, uint64_t wanted, uint64_t skip)
{
    uint64_t fresh = 0, last_state = UINT64_MAX;
    unsigned last_from = 0;
    for (place->boundary = 0; place->boundary <= boundaries && !too_late(); place->boundary++) {
        story_play(story, place->boundary);
        uint64_t state = sim_boundary_state(story->sim, UINT64_MAX);
        tally.boundaries += skip == 0;
        if (state != last_state || story->timeline.durable + story->timeline.acknowledged != last_from)
            fresh += boundary_images(place, wanted, skip);
        last_state = state;
        last_from = story->timeline.durable + story->timeline.acknowledged;
        story_end(story);
        if (story->wrong[0])
            report(place, story->wrong, "the story itself");
        if (tally.violations >= VIOLATIONS_SHOWN)
            break;
    }
    return fresh;
}

static void crash_story(unsigned number, uint64_t quota)
{
    static struct story story;
    struct place place = {.story = &story, .number = number, .stop = UINT64_MAX};
    story_init(&story, number);
    uint64_t boundaries = count_boundaries(&story), fresh = 0, skip = 0;
    uint64_t wanted = quota / (boundaries + 1) + 1, slices = story.slices;
    wanted = wanted < IMAGES_LEAST ? IMAGES_LEAST : wanted;
    if (story.wrong[0])
        report(&place, story.wrong, "the story itself");
    for (int pass = 0; pass < 6 && (pass == 0 || fresh < quota) && !too_late(); pass++) {
        if (tally.violations >= VIOLATIONS_SHOWN)
            return;
        fresh += one_pass(&story, &place, boundaries, wanted, skip);
        skip += wanted;
        wanted = fresh < quota ? (quota - fresh) / (boundaries + 1) + 1 : 0;
    }
    tally.stories++;
    tally.slices += slices;
    tally.distinct += fresh;
    tally.most = fresh > tally.most ? fresh : tally.most;
}

/* ---- T1b ----------------------------------------------------------------------------------------- */

/* Stop the recovery of this image at that boundary of its own, make an image there, check it. */
static int check_second(struct place *place, const struct timeline *middle, struct sim *stopped)
{
    unsigned from = image_from(place->story, middle, place->second == 0);
    struct sim *image = image_make(stopped, place->second, seed_of(place) + place->stop);
    char kind[64];
    uint64_t hash = sim_image_hash(image);
    snprintf(kind, sizeof kind, "%.60s", sim_image_name(image));
    int fresh = is_new(hash);
    if (!is_new(model_mix(hash) ^ model_mix(middle->states[from]) ^ middle->count)) {
        (void)sim_free(image);
        return fresh;
    }
    const char *wrong = image_check(place->story, image, middle, from, (unsigned)(hash >> 7 & 0xffff));
    tally.images++;
    if (wrong)
        report(place, wrong, kind);
    return fresh;
}

static const char *play_second(struct place *place, struct timeline *middle, struct sim **out)
{
    const struct story *story = place->story;
    struct sim *image = image_make(story->sim, place->image, seed_of(place));
    unsigned from = image_from(story, &story->timeline, place->image == 0);
    sim_stop_at(image, place->stop, SIM_POWER);
    const char *wrong = session(story, image, &story->timeline, from, 5, middle);
    sim_stop_now(image, SIM_POWER);
    *out = image;
    return wrong;
}

static uint64_t crash_recovery(struct place *place)
{
    uint64_t fresh = 0;
    struct timeline middle;
    struct sim *stopped;
    int more = 1;
    for (place->stop = 0; more && tally.violations < VIOLATIONS_SHOWN; place->stop++) {
        const char *wrong = play_second(place, &middle, &stopped);
        if (wrong)
            report(place, wrong, "the first recovery");
        tally.boundaries++;
        uint64_t systematic = 1 + sim_image_systematic(stopped);
        for (unsigned i = 0; i < SECOND_EACH; i++) {
            uint64_t dice = model_mix(seed_of(place) + place->stop * 16 + i);
            place->second = i == 0   ? dice % systematic
                            : i == 1 ? dice % 4 == 0 ? 0 : systematic + dice % 1000
                                     : dice % systematic;
            fresh += (uint64_t)check_second(place, &middle, stopped);
        }
        more = sim_boundaries(stopped) == place->stop;
        if (sim_free(stopped))
            report(place, "files were left open", "the first recovery");
    }
    return fresh;
}

static void crash_twice(unsigned number, uint64_t quota)
{
    static struct story story;
    struct place place = {.story = &story, .number = number};
    struct random random = {number};
    story_init(&story, number);
    uint64_t boundaries = count_boundaries(&story), fresh = 0;
    for (int tries = 0; tries < 200 && fresh < quota && !too_late() && tally.violations < VIOLATIONS_SHOWN; tries++) {
        place.boundary = random_below(&random, boundaries + 1);
        story_play(&story, place.boundary);
        uint64_t systematic = 1 + sim_image_systematic(story.sim);
        place.image =
            random_below(&random, 2) ? random_below(&random, systematic) : systematic + random_below(&random, 100);
        fresh += crash_recovery(&place);
        story_end(&story);
    }
    tally.stories++;
    tally.distinct += fresh;
    tally.most = fresh > tally.most ? fresh : tally.most;
}

/* ---- processes ----------------------------------------------------------------------------------- */

static void work(int second, unsigned worker, unsigned workers, unsigned stories, uint64_t quota)
{
    const char *only = getenv("SET");
    for (unsigned i = worker; i < stories && !too_late() && tally.violations < VIOLATIONS_SHOWN; i += workers) {
        if (only && !strstr(story_sets[i % STORY_SETS].name, only))
            continue;
        if (second)
            crash_twice(i, quota);
        else
            crash_story(i, quota);
    }
}

static void gather(const struct tally *part)
{
    tally.stories += part->stories;
    tally.boundaries += part->boundaries;
    tally.images += part->images;
    tally.distinct += part->distinct;
    tally.most = part->most > tally.most ? part->most : tally.most;
    tally.violations += part->violations;
    tally.unfinished += part->unfinished;
    tally.slices += part->slices;
}

/* A story has about a thousand legal states that are found at once and a few more that are found slowly: who wants more
 * images gets more stories. They are many more random ones; the written ones come first. */
static unsigned stories_for(int second, uint64_t images)
{
    uint64_t wanted = second ? 0 : images / STORY_YIELD;
    return wanted > STORIES ? (unsigned)wanted : STORIES;
}

/* Short stories have not that many legal states, so the others get more, but none more than 1 % of the whole. */
static uint64_t quota_of(uint64_t images, unsigned stories)
{
    uint64_t share = images / stories + 1;
    return share < images / 100 ? share : images / 100 + 1;
}

static int run(int second, uint64_t images, unsigned workers, uint64_t seconds)
{
    int pipes[2], status, lost = 0;
    uint64_t began = now_ns();
    struct tally part;
    unsigned stories = stories_for(second, images);
    deadline_ns = seconds ? began + seconds * 1000000000u : 0;
    if (pipe(pipes) != 0)
        return 1;
    for (unsigned i = 0; i < workers; i++)
        if (fork() == 0) {
            work(second, i, workers, stories, quota_of(images, stories));
            exit(write(pipes[1], &tally, sizeof tally) != sizeof tally); /* and leaks are looked for */
        }
    close(pipes[1]);
    while (read(pipes[0], &part, sizeof part) == sizeof part)
        gather(&part);
    while (wait(&status) > 0)
        lost += status != 0;
    double took = (double)(now_ns() - began) / 1e9;
    printf("%" PRIu64 " of %u stories, %" PRIu64 " boundaries, %" PRIu64 " images checked, %" PRIu64
           " distinct, at most %" PRIu64 " of one story, %" PRIu64
           " slices merged, %.1f s, %.0f images/s by %u processes%s\n",
           tally.stories, stories, tally.boundaries, tally.images, tally.distinct, tally.most, tally.slices, took,
           (double)tally.images / took, workers, tally.unfinished ? ", ended by the clock" : "");
    if (lost)
        printf("%d processes did not end well\n", lost);
    if (!second && tally.distinct >= 100000 && tally.most * 100 > tally.distinct)
        printf("one story counts for more than 1 %%\n");
    if (!second && tally.slices == 0 && !tally.unfinished)
        printf("no story merges a slice\n"), lost++;
    printf("%s: %" PRIu64 " cases, %" PRIu64 " violations\n", second ? "T1b" : "T1", tally.distinct,
           tally.violations + (uint64_t)lost);
    return tally.violations != 0 || lost != 0;
}

static int again(int argc, char **argv)
{
    static struct story story;
    struct place place = {.story = &story,
                          .number = (unsigned)atoi(argv[2]),
                          .boundary = strtoull(argv[3], NULL, 10),
                          .image = strtoull(argv[4], NULL, 10),
                          .stop = UINT64_MAX};
    story_init(&story, place.number);
    story_play(&story, place.boundary);
    printf("%s%s\ntimeline: %u states, durable %u, acknowledged %u\n", sim_trace(story.sim), story.wrong,
           story.timeline.count, story.timeline.durable, story.timeline.acknowledged);
    if (argc > 6) {
        struct timeline middle;
        struct sim *stopped;
        place.stop = strtoull(argv[5], NULL, 10);
        place.second = strtoull(argv[6], NULL, 10);
        const char *wrong = play_second(&place, &middle, &stopped);
        printf("%s%s\nmiddle: %u states, durable %u, acknowledged %u\n", sim_trace(stopped), wrong ? wrong : "",
               middle.count, middle.durable, middle.acknowledged);
        check_second(&place, &middle, stopped);
        (void)sim_free(stopped);
    } else {
        check_first(&place);
    }
    story_end(&story);
    return tally.violations != 0;
}

static int list(void)
{
    static struct story story;
    for (unsigned i = 0; i < STORIES; i++) {
        story_init(&story, i);
        uint64_t boundaries = count_boundaries(&story);
        printf("%3u %-30s %5" PRIu64 " boundaries %3u slices  %s\n", i, story.set->name, boundaries, story.slices,
               story.script);
        if (story.wrong[0])
            printf("    %s\n", story.wrong);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "T1";
    if (strcmp(what, "list") == 0)
        return list();
    if (strcmp(what, "again") == 0 && argc > 4)
        return again(argc, argv);
    int second = strcmp(what, "T1b") == 0;
    uint64_t images = argc > 2 ? strtoull(argv[2], NULL, 10) : second ? 2000 : 20000;
    unsigned workers = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    return run(second, images, workers ? workers : 1, argc > 4 ? strtoull(argv[4], NULL, 10) : 0);
}
