/* The planner, case by case: tests/data/planner. Facts, one line each, all but runs optional:
 *
 *   l0 3 of 3, 96 MiB, full 32       sealed segments, due at how many, their size, size of a full one
 *   limit 4                          runs allowed
 *   space 1.25                       bytes allowed for each that lives
 *   policy fifo, 100 MiB, 60 s       the last two for fifo
 *   scans 5000                       since a merge last ended
 *   gets 0                           the same; unless it is said, so many that they have paid for few runs
 *   quiet                            nobody writes
 *   slices 20, 3..5 hold 90, 40      slices of the key space, and the best of them: tables of the bottom, its MiB in all
 *                                    runs, and those of them that are garbage
 *   paused
 *   wanted flush merge               what somebody asked for
 *   runs 30 32>9 31!>9 9:40 12t7     newest first, sizes in MiB; >9 is being merged into run 9, ! is damaged,
 *                                    9: has this id, t7 holds seven tombstones; d50 half of the records are tombstones,
 *                                    s50 half of them are shadowed, v80 they refer to 80 MiB of values, w90 was written
 *                                    ninety seconds ago
 *   garbage 20 beside 900            MiB in value segments: likely garbage, likely live
 *   values 20 sealed, portion 16     MiB that sealed segments refer to, and how large a value segment is
 *
 * And random shapes, against what must hold of every answer. */
#include "engine/planner.h"
#include "random.h"
#include "script.h"

static void parse_run(char *word, struct lk_shape *shape)
{
    struct lk_shape_run *run = &shape->runs[shape->run_count++];
    char *colon = strchr(word, ':');

    run->id = colon ? (uint32_t)atoi(word) : 100 + shape->run_count;
    run->bytes = (uint64_t)(strtod(colon ? colon + 1 : word, &word) * (1 << 20));
    run->records = run->bytes / 128;
    run->written_ns = shape->now_ns;
    while (*word) {
        char mark = *word++;
        if (mark == '!')
            run->damaged = 1;
        else if (mark == '>')
            run->into = (uint32_t)strtoul(word, &word, 10);
        else if (mark == 't')
            run->tombstones = strtoul(word, &word, 10);
        else if (mark == 'v')
            run->value_bytes = (uint64_t)strtoul(word, &word, 10) << 20;
        else if (mark == 'd')
            run->tombstones = run->records * strtoul(word, &word, 10) / 100;
        else if (mark == 's')
            run->shadowed = run->records * strtoul(word, &word, 10) / 100;
        else if (mark == 'w')
            run->written_ns = shape->now_ns - strtoul(word, &word, 10) * 1000000000;
        else
            CHECK(!"a mark that means something");
    }
}

static void parse_policy(const char *line, struct lk_shape *shape)
{
    static const char *const words[] = {"default", "leveled", "tiered", "fifo", "none"};
    double mib = 0, seconds = 0;
    char word[16];

    CHECK(sscanf(line, "%15[a-z], %lf MiB, %lf s", word, &mib, &seconds) >= 1);
    for (int i = 0; i < 5; i++)
        if (strcmp(word, words[i]) == 0)
            shape->policy = i;
    CHECK(strcmp(word, words[shape->policy]) == 0);
    shape->fifo_bytes = (uint64_t)(mib * (1 << 20));
    shape->fifo_age_ns = (uint64_t)(seconds * 1e9);
}

static void parse_line(char *line, struct lk_shape *shape)
{
    double mib = 0, full = 32;
    if (strncmp(line, "l0 ", 3) == 0) {
        CHECK(sscanf(line, "l0 %u of %u, %lf MiB, full %lf", &shape->sealed, &shape->l0_segments, &mib, &full) >= 3);
        shape->sealed_bytes = (uint64_t)(mib * (1 << 20));
        shape->segment_bytes = (uint64_t)(full * (1 << 20));
    } else if (strncmp(line, "garbage ", 8) == 0) {
        double live = 0;
        CHECK(sscanf(line, "garbage %lf beside %lf", &mib, &live) == 2);
        shape->value_garbage = (uint64_t)(mib * (1 << 20));
        shape->value_live = (uint64_t)(live * (1 << 20));
    } else if (strncmp(line, "values ", 7) == 0) {
        double portion = 0;
        CHECK(sscanf(line, "values %lf sealed, portion %lf", &mib, &portion) == 2);
        shape->sealed_values = (uint64_t)(mib * (1 << 20));
        shape->value_portion = (uint64_t)(portion * (1 << 20));
    } else if (strncmp(line, "limit ", 6) == 0) {
        shape->run_limit = (uint32_t)atoi(line + 6);
    } else if (strncmp(line, "wanted ", 7) == 0) {
        shape->flush_wanted = strstr(line, "flush") != NULL;
        shape->merge_wanted = strstr(line, "merge") != NULL;
    } else if (strncmp(line, "policy ", 7) == 0) {
        parse_policy(line + 7, shape);
    } else if (strncmp(line, "space ", 6) == 0) {
        shape->space_limit = strtod(line + 6, NULL);
    } else if (strncmp(line, "scans ", 6) == 0) {
        shape->scans = strtoul(line + 6, NULL, 10);
    } else if (strncmp(line, "gets ", 5) == 0) {
        shape->gets = strtoul(line + 5, NULL, 10);
    } else if (strncmp(line, "slices ", 7) == 0) {
        double garbage = 0;
        CHECK(sscanf(line, "slices %u, %u..%u hold %lf, %lf", &shape->slices, &shape->slice_from, &shape->slice_to,
                     &mib, &garbage) == 5);
        shape->slice_bytes = (uint64_t)(mib * (1 << 20));
        shape->slice_garbage = garbage * (1 << 20);
    } else if (strcmp(line, "quiet") == 0) {
        shape->quiet = 1;
    } else if (strcmp(line, "paused") == 0) {
        shape->paused = 1;
    } else {
        CHECK(strncmp(line, "runs", 4) == 0);
        char *rest = NULL;
        for (char *word = strtok_r(line + 4, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
            parse_run(word, shape);
    }
}

static void plan_case(const char *facts, char answer[SCRIPT_TEXT])
{
    struct lk_shape shape = {.segment_bytes = 32 << 20,
                             .l0_segments = 3,
                             .run_limit = 4,
                             .space_limit = 1.25,
                             .now_ns = 1000000000000,
                             .gets = UINT32_MAX};
    char text[SCRIPT_TEXT], *rest = NULL;

    strcpy(text, facts);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        parse_line(line, &shape);
    struct lk_job job = lk_plan(&shape);
    char what[32] = "nothing";
    if (job.kind == LK_JOB_FLUSH)
        strcpy(what, "flush");
    if (job.kind == LK_JOB_MERGE)
        snprintf(what, sizeof what, "merge %u..%u", job.first, job.last);
    if (job.kind == LK_JOB_SLICE)
        snprintf(what, sizeof what, "slice %u..%u", job.first, job.last);
    if (job.kind == LK_JOB_DROP)
        snprintf(what, sizeof what, "drop %u..%u", job.first, job.last);
    snprintf(answer, SCRIPT_TEXT, "%s: %s\n", what, job.why);
}

TEST(the_scripts)
{
    script_run("planner", plan_case);
}

static void random_shape(struct random *random, struct lk_shape *shape)
{
    *shape = (struct lk_shape){.segment_bytes = 32 << 20, .l0_segments = 3, .now_ns = (uint64_t)1 << 50};
    shape->run_limit = 1 + (uint32_t)random_below(random, 6);
    shape->policy = (int)random_below(random, 5);
    shape->space_limit = 1.05 + (double)random_below(random, 100) / 50;
    shape->fifo_bytes = random_below(random, 2) ? random_below(random, (uint64_t)1 << 36) : 0;
    shape->fifo_age_ns = random_below(random, 2) ? random_below(random, (uint64_t)1 << 50) : 0;
    shape->scans = random_below(random, 2) ? 0 : (uint64_t)1 << random_below(random, 40);
    shape->gets = random_below(random, 2) ? 0 : (uint64_t)1 << random_below(random, 40);
    shape->quiet = random_below(random, 2) == 0;
    shape->sealed = (uint32_t)random_below(random, 12);
    shape->sealed_bytes = shape->sealed * random_below(random, 64 << 20);
    shape->flush_wanted = random_below(random, 4) == 0;
    shape->merge_wanted = random_below(random, 4) == 0;
    shape->paused = random_below(random, 8) == 0;
    shape->run_count = (uint32_t)random_below(random, LK_SHAPE_RUNS / 2);
    for (uint32_t i = 0; i < shape->run_count; i++) {
        struct lk_shape_run *run = &shape->runs[i];
        run->id = 100 + i;
        run->bytes = 1 + (random_below(random, 1000) << random_below(random, 24));
        run->records = run->bytes / (1 + random_below(random, 200));
        run->tombstones = random_below(random, 2) && run->records ? random_below(random, run->records) : 0;
        run->shadowed = i && run->records ? random_below(random, run->records) : 0;
        run->written_ns = random_below(random, shape->now_ns);
        run->damaged = random_below(random, 12) == 0;
    }
    if (shape->run_count > 3 && random_below(random, 2)) {
        uint32_t first = (uint32_t)random_below(random, shape->run_count - 2), last = first;
        last += (uint32_t)random_below(random, shape->run_count - 1 - first);
        for (uint32_t i = first; i <= last; i++)
            shape->runs[i].into = 101 + last;
    }
}

static int is_being_merged(const struct lk_shape *shape, uint32_t run)
{
    for (uint32_t i = 0; i < shape->run_count; i++)
        if (shape->runs[i].into == shape->runs[run].id)
            return 1;
    return shape->runs[run].into != 0;
}

static void check_merge(const struct lk_shape *shape, const struct lk_job *job)
{
    uint32_t into = shape->runs[job->first].into;
    for (uint32_t i = job->first; i <= job->last; i++) {
        CHECK(!shape->runs[i].damaged && shape->runs[i].into == into);
        CHECK(into || !is_being_merged(shape, i));
    }
    /* A run of its own is merged for its tombstones, and only as the bottom, where they can go. */
    if (!into && job->last == job->first)
        CHECK(job->last + 1 == shape->run_count &&
              (shape->runs[job->first].tombstones || !shape->runs[job->first].records));
    if (into)
        CHECK(job->last + 1 < shape->run_count && shape->runs[job->last + 1].id == into);
}

static void add_slices(struct random *random, struct lk_shape *shape)
{
    shape->slices = (uint32_t)random_below(random, 30);
    shape->slice_from = (uint32_t)random_below(random, 30);
    shape->slice_to = shape->slice_from + 1 + (uint32_t)random_below(random, 3);
    shape->slice_bytes = 1 + random_below(random, 256 << 20);
    shape->slice_garbage = (double)random_below(random, shape->slice_bytes);
}

/* Of all runs, and none of them is damaged or being merged. */
static void check_slice(const struct lk_shape *shape, const struct lk_job *job)
{
    CHECK(job->first == shape->slice_from && job->last == shape->slice_to && shape->slice_garbage > 0);
    CHECK(shape->policy == LSMKV_MERGE_DEFAULT || shape->policy == LSMKV_MERGE_LEVELED);
    for (uint32_t i = 0; i < shape->run_count; i++)
        CHECK(!shape->runs[i].damaged && !is_being_merged(shape, i));
}

/* Never a damaged run, an output under construction, half of a group, or a run of its own without a reason. */
TEST(what_every_answer_keeps_to)
{
    struct random random = {7};
    struct lk_shape shape;
    for (int round = 0; round < 200000; round++) {
        random_shape(&random, &shape);
        add_slices(&random, &shape);
        struct lk_job job = lk_plan(&shape);
        CHECK(job.why[0] != 0 && strlen(job.why) < sizeof job.why - 1);
        if (job.kind == LK_JOB_FLUSH)
            CHECK(shape.sealed > 0);
        if (job.kind == LK_JOB_NONE || job.kind == LK_JOB_FLUSH)
            continue;
        CHECK(!shape.paused);
        if (job.kind == LK_JOB_SLICE) {
            check_slice(&shape, &job);
            continue;
        }
        if (!CHECK(job.first <= job.last && job.last < shape.run_count))
            break;
        if (job.kind == LK_JOB_MERGE)
            check_merge(&shape, &job);
        if (job.kind == LK_JOB_DROP)
            CHECK(shape.policy == LSMKV_MERGE_FIFO && job.last + 1 == shape.run_count);
        for (uint32_t i = job.first; job.kind == LK_JOB_DROP && i <= job.last; i++)
            CHECK(!is_being_merged(&shape, i));
    }
}

/* ---- following it ------------------------------------------------------------------------------ */

/* Do to the shape what the job does to a store. The keys of a run are as many as its records. */
static void play(struct lk_shape *shape, const struct lk_job *job)
{
    struct lk_shape_run *to = &shape->runs[job->first];
    uint64_t above = 0;
    int bottom = job->last + 1 == shape->run_count;

    for (uint32_t i = 0; i < job->first; i++)
        above += shape->runs[i].records;
    uint32_t gone = job->last - job->first + (job->kind == LK_JOB_DROP);
    if (job->kind == LK_JOB_MERGE) {
        uint64_t records = 0, bytes = 0, shadowed = 0, tombstones = 0;
        for (uint32_t i = job->first; i <= job->last; i++) {
            const struct lk_shape_run *run = &shape->runs[i];
            uint64_t dead = (i > job->first ? run->shadowed : 0) + (bottom ? run->tombstones : 0);
            uint64_t left = dead < run->records ? run->records - dead : 0;
            records += left;
            bytes += run->records ? (uint64_t)((double)run->bytes * (double)left / (double)run->records) : 0;
            shadowed += run->shadowed;
            tombstones += bottom ? 0 : run->tombstones;
        }
        to->records = records;
        to->bytes = bytes;
        to->shadowed = shadowed < above ? shadowed : above;
        to->shadowed = to->shadowed < records ? to->shadowed : records;
        to->tombstones = tombstones < records ? tombstones : records;
        gone += records == 0;
        shape->scans = shape->gets = 0;
    }
    memmove(shape->runs + job->last + 1 - gone, shape->runs + job->last + 1,
            (shape->run_count - job->last - 1) * sizeof *to);
    shape->run_count -= gone;
}

/* Doing what the planner says ends, whatever the policy, and with everything asked for; and then runs and space are
 * within their bounds, as far as damage allows. */
TEST(following_it_comes_to_rest_within_its_bounds)
{
    struct random random = {8};
    struct lk_shape shape;
    for (int round = 0; round < 20000; round++) {
        random_shape(&random, &shape);
        int damage = 0, jobs = 0;
        shape.sealed = 0;
        shape.paused = 0;
        for (uint32_t i = 0; i < shape.run_count; i++) {
            shape.runs[i].into = 0;
            shape.runs[i].damaged &= round % 2;
            damage |= shape.runs[i].damaged;
        }
        for (struct lk_job job = lk_plan(&shape); job.kind && jobs < 100; job = lk_plan(&shape), jobs++)
            play(&shape, &job);
        CHECK(jobs < 100);
        if (damage)
            continue;
        double garbage = 0, bytes = 0;
        for (uint32_t i = 0; i < shape.run_count; i++) {
            const struct lk_shape_run *run = &shape.runs[i];
            uint64_t dead = run->shadowed + (i + 1 == shape.run_count ? run->tombstones : 0);
            bytes += (double)run->bytes;
            if (i > 0 && run->records)
                garbage +=
                    (double)run->bytes * (double)(dead < run->records ? dead : run->records) / (double)run->records;
        }
        CHECK(shape.run_count <= lk_policy_limit(&shape));
        if (shape.policy == LSMKV_MERGE_DEFAULT || shape.policy == LSMKV_MERGE_LEVELED)
            CHECK(garbage <= 1 << 20 || bytes <= 1.001 * shape.space_limit * (bytes - garbage));
    }
}

/* Flushes of one size. Runs stay few and each byte is rewritten a few times only. overwrite: the part of each flush
 * that overwrites what lies below. */
static double load(int policy, uint32_t limit, double overwrite, uint32_t *most, double *space)
{
    struct lk_shape shape = {.segment_bytes = 32 << 20, .l0_segments = 3, .run_limit = limit, .space_limit = 1.25};
    const uint64_t size = 96 << 20, records = size / 128;
    double written = 0;

    shape.policy = policy;
    *most = 0;
    *space = 0;
    for (uint32_t flush = 0; flush < 200; flush++) {
        double below = 0, all = 0, live = 0;
        for (uint32_t i = 0; i < shape.run_count; i++)
            below += (double)(shape.runs[i].records - shape.runs[i].shadowed);
        for (uint32_t i = 0; i < shape.run_count; i++) {
            struct lk_shape_run *run = &shape.runs[i];
            double hit = overwrite * (double)records * (double)(run->records - run->shadowed) / below;
            run->shadowed +=
                hit < (double)(run->records - run->shadowed) ? (uint64_t)hit : run->records - run->shadowed;
        }
        memmove(shape.runs + 1, shape.runs, shape.run_count++ * sizeof *shape.runs);
        shape.runs[0] = (struct lk_shape_run){.id = 1000 + flush, .bytes = size, .records = records};
        for (struct lk_job job; (job = lk_plan(&shape)).kind != LK_JOB_NONE;) {
            play(&shape, &job);
            written += (double)shape.runs[job.first].bytes / (double)size;
        }
        *most = shape.run_count > *most ? shape.run_count : *most;
        for (uint32_t i = 0; i < shape.run_count; i++) {
            all += (double)shape.runs[i].bytes;
            live += (double)shape.runs[i].bytes * (1 - (double)shape.runs[i].shadowed / (double)shape.runs[i].records);
        }
        *space = all / live > *space ? all / live : *space;
    }
    return written / 200;
}

TEST(loads_under_each_policy)
{
    static const char *const names[] = {"default", "leveled", "tiered"};
    static const double bounds[] = {13, 12, 6}; /* the first without slices, which this shape has none of */

    for (int policy = LSMKV_MERGE_DEFAULT; policy <= LSMKV_MERGE_TIERED; policy++)
        for (int half = 0; half < 2; half++) {
            uint32_t most = 0;
            double space = 0, times = load(policy, 4, half / 2.0, &most, &space);
            printf("%s, %s: each byte merged %.2f times, at most %u runs, %.2f times what lives\n", names[policy],
                   half ? "half overwrites" : "new keys", times, most, space);
            CHECK(most <= (policy == LSMKV_MERGE_DEFAULT ? 16 : 4)); /* nobody reads */
            CHECK(times < bounds[policy]);
            if (policy != LSMKV_MERGE_TIERED)
                CHECK(space <= 1.26);
        }
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
