/* The planner, case by case: tests/data/planner. Facts, one line each, all but runs optional:
 *
 *   l0 3 of 3, 96 MiB, full 32       sealed segments, due at how many, their size, size of a full one
 *   limit 4                          runs allowed
 *   wanted flush merge               what somebody asked for
 *   runs 30 32>9 31!>9 9:40 12t7     newest first, sizes in MiB; >9 is being merged into run 9, ! is damaged,
 *                                    9: has this id, t7 holds seven tombstones, v700 refers to 700 MiB of values
 *   garbage 20                       MiB of value segments that nothing refers to
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
    while (*word) {
        char mark = *word++;
        if (mark == '!')
            run->damaged = 1;
        else if (mark == '>')
            run->into = (uint32_t)strtoul(word, &word, 10);
        else if (mark == 't')
            run->tombstones = strtoul(word, &word, 10);
        else if (mark == 'v')
            run->values = (uint64_t)strtoul(word, &word, 10) << 20;
        else
            CHECK(!"a mark that means something");
    }
}

static void parse_line(char *line, struct lk_shape *shape)
{
    double mib = 0, full = 32;
    if (strncmp(line, "l0 ", 3) == 0) {
        CHECK(sscanf(line, "l0 %u of %u, %lf MiB, full %lf", &shape->sealed, &shape->l0_segments, &mib, &full) >= 3);
        shape->sealed_bytes = (uint64_t)(mib * (1 << 20));
        shape->segment_bytes = (uint64_t)(full * (1 << 20));
    } else if (strncmp(line, "garbage ", 8) == 0) {
        shape->value_garbage = (uint64_t)atoi(line + 8) << 20;
    } else if (strncmp(line, "limit ", 6) == 0) {
        shape->run_limit = (uint32_t)atoi(line + 6);
    } else if (strncmp(line, "wanted ", 7) == 0) {
        shape->flush_wanted = strstr(line, "flush") != NULL;
        shape->merge_wanted = strstr(line, "merge") != NULL;
    } else {
        CHECK(strncmp(line, "runs", 4) == 0);
        char *rest = NULL;
        for (char *word = strtok_r(line + 4, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
            parse_run(word, shape);
    }
}

static void plan_case(const char *facts, char answer[SCRIPT_TEXT])
{
    struct lk_shape shape = {.segment_bytes = 32 << 20, .l0_segments = 3, .run_limit = 4};
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
    snprintf(answer, SCRIPT_TEXT, "%s: %s\n", what, job.why);
}

TEST(the_scripts)
{
    script_run("planner", plan_case);
}

static void random_shape(struct random *random, struct lk_shape *shape)
{
    *shape = (struct lk_shape){.segment_bytes = 32 << 20, .l0_segments = 3};
    shape->run_limit = 1 + (uint32_t)random_below(random, 6);
    shape->sealed = (uint32_t)random_below(random, 12);
    shape->sealed_bytes = shape->sealed * random_below(random, 64 << 20);
    shape->flush_wanted = random_below(random, 4) == 0;
    shape->merge_wanted = random_below(random, 4) == 0;
    shape->run_count = (uint32_t)random_below(random, LK_SHAPE_RUNS / 2);
    for (uint32_t i = 0; i < shape->run_count; i++)
        shape->runs[i] = (struct lk_shape_run){.id = 100 + i,
                                               .bytes = 1 + (random_below(random, 1000) << random_below(random, 24)),
                                               .tombstones = random_below(random, 2),
                                               .damaged = random_below(random, 12) == 0};
    if (shape->run_count > 3 && random_below(random, 2)) {
        uint32_t first = (uint32_t)random_below(random, shape->run_count - 2), last = first;
        last += (uint32_t)random_below(random, shape->run_count - 1 - first);
        for (uint32_t i = first; i <= last; i++)
            shape->runs[i].into = 101 + last;
    }
}

/* Never a damaged run, an output under construction, half of a group, or a run of its own without a reason. */
TEST(what_every_answer_keeps_to)
{
    struct random random = {7};
    struct lk_shape shape;
    for (int round = 0; round < 200000; round++) {
        random_shape(&random, &shape);
        struct lk_job job = lk_plan(&shape);
        CHECK(job.why[0] != 0 && strlen(job.why) < sizeof job.why - 1);
        if (job.kind == LK_JOB_FLUSH)
            CHECK(shape.sealed > 0);
        if (job.kind != LK_JOB_MERGE)
            continue;
        if (!CHECK(job.first <= job.last && job.last < shape.run_count))
            break;
        uint32_t into = shape.runs[job.first].into;
        for (uint32_t i = job.first; i <= job.last; i++) {
            CHECK(!shape.runs[i].damaged && shape.runs[i].into == into);
            for (uint32_t j = 0; j < shape.run_count; j++)
                CHECK(shape.runs[j].into != shape.runs[i].id);
        }
        CHECK(into || job.last > job.first || shape.runs[job.first].tombstones);
        if (into)
            CHECK(job.last + 1 < shape.run_count && shape.runs[job.last + 1].id == into);
    }
}

/* Doing what the planner says ends: with a flush now and then, and with everything asked for. */
TEST(following_it_comes_to_rest)
{
    struct random random = {8};
    struct lk_shape shape;
    for (int round = 0; round < 2000; round++) {
        random_shape(&random, &shape);
        shape.sealed = 0;
        for (uint32_t i = 0; i < shape.run_count; i++)
            shape.runs[i].into = 0;
        int jobs = 0;
        for (struct lk_job job = lk_plan(&shape); job.kind && jobs < 100; job = lk_plan(&shape), jobs++) {
            struct lk_shape_run *to = &shape.runs[job.first];
            for (uint32_t i = job.first + 1; i <= job.last; i++)
                to->bytes += shape.runs[i].bytes;
            to->tombstones = job.last + 1 == shape.run_count ? 0 : to->tombstones;
            shape.run_count -= job.last - job.first;
            memmove(to + 1, to + 1 + job.last - job.first, (shape.run_count - job.first - 1) * sizeof *to);
        }
        CHECK(jobs < 100);
    }
}

/* A load: flushes of one size. Runs stay few and each byte is rewritten a few times only. */
TEST(a_load_of_many_flushes)
{
    struct lk_shape shape = {.segment_bytes = 32 << 20, .l0_segments = 3, .run_limit = 4};
    double written = 0;
    uint32_t most = 0, flushes = 200;
    for (uint32_t flush = 0; flush < flushes; flush++) {
        memmove(shape.runs + 1, shape.runs, shape.run_count++ * sizeof *shape.runs);
        shape.runs[0] = (struct lk_shape_run){.id = 1000 + flush, .bytes = 96 << 20};
        for (struct lk_job job; (job = lk_plan(&shape)).kind != LK_JOB_NONE;) {
            struct lk_shape_run *to = &shape.runs[job.first];
            for (uint32_t i = job.first + 1; i <= job.last; i++)
                to->bytes += shape.runs[i].bytes;
            written += (double)to->bytes / (96 << 20);
            shape.run_count -= job.last - job.first;
            memmove(to + 1, to + 1 + job.last - job.first, (shape.run_count - job.first - 1) * sizeof *to);
        }
        most = shape.run_count > most ? shape.run_count : most;
    }
    printf("each byte merged %.2f times, at most %u runs\n", written / flushes, most);
    CHECK(most <= shape.run_limit);
    CHECK(written / flushes < 6);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
