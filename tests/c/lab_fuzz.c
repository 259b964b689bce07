/* lab_fuzz: drives the targets of tests/c/fuzz without libFuzzer.
 *
 *   lab_fuzz [--seed N] [--target NAME] EXECUTIONS      every target in turn, that many each
 *   lab_fuzz [--seed N] --target NAME --only K          execution K of one target again, for a debugger
 *   lab_fuzz --canary                                   a target with a fault in it, which must be found
 *
 * Execution K of a target depends on the seed, the target and K only: a sound input is made, mutated a
 * few times, mostly repaired (fuzz/fuzz.h), and copied to memory of exactly its size. Each target runs
 * in a child of its own; one that dies is a finding, reported with the command that repeats it. Exits
 * non-zero on any finding, and when the canary survives, which is asked before every run. Build it with
 * SAN=address,undefined: only then is a byte read too far a death. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LLVMFuzzerTestOneInput record_target
#define fuzz_seed record_seed
#define fuzz_repair record_repair
#include "fuzz/record.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput frame_target
#define fuzz_seed frame_seed
#define fuzz_repair frame_repair
#include "fuzz/frame.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput page_target
#define fuzz_seed page_seed
#define fuzz_repair page_repair
#include "fuzz/page.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput line_target
#define fuzz_seed line_seed
#define fuzz_repair line_repair
#include "fuzz/line.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput footer_target
#define fuzz_seed footer_seed
#define fuzz_repair footer_repair
#include "fuzz/footer.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput edit_target
#define fuzz_seed edit_seed
#define fuzz_repair edit_repair
#include "fuzz/edit.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput names_target
#define fuzz_seed names_seed
#define fuzz_repair names_repair
#include "fuzz/names.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput space_target
#define fuzz_seed space_seed
#define fuzz_repair space_repair
#include "fuzz/space.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput keycodec_target
#define fuzz_seed keycodec_seed
#define fuzz_repair keycodec_repair
#include "fuzz/keycodec.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput catalog_target
#define fuzz_seed catalog_seed
#define fuzz_repair catalog_repair
#include "fuzz/catalog.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput milestone_target
#define fuzz_seed milestone_seed
#define fuzz_repair milestone_repair
#include "fuzz/milestone.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput value_target
#define fuzz_seed value_seed
#define fuzz_repair value_repair
#include "fuzz/value.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

#define LLVMFuzzerTestOneInput pack_target
#define fuzz_seed pack_seed
#define fuzz_repair pack_repair
#include "fuzz/pack.c"
#undef LLVMFuzzerTestOneInput
#undef fuzz_seed
#undef fuzz_repair

struct target {
    const char *name;
    int (*run)(const uint8_t *data, size_t bytes);
    size_t (*seed)(struct random *random, uint8_t *to, size_t room);
    void (*repair)(uint8_t *data, size_t bytes);
};

static const struct target targets[] = {
    {"record", record_target, record_seed, record_repair},
    {"frame", frame_target, frame_seed, frame_repair},
    {"page", page_target, page_seed, page_repair},
    {"line", line_target, line_seed, line_repair},
    {"footer", footer_target, footer_seed, footer_repair},
    {"edit", edit_target, edit_seed, edit_repair},
    {"names", names_target, names_seed, names_repair},
    {"space", space_target, space_seed, space_repair},
    {"keycodec", keycodec_target, keycodec_seed, keycodec_repair},
    {"catalog", catalog_target, catalog_seed, catalog_repair},
    {"milestone", milestone_target, milestone_seed, milestone_repair},
    {"value", value_target, value_seed, value_repair},
    {"pack", pack_target, pack_seed, pack_repair},
};

enum { TARGETS = sizeof targets / sizeof *targets };

/* ---- the canary ------------------------------------------------------------------------------ */

/* Believes a length. Under the sanitizer the read itself is the death. */
static int canary_target(const uint8_t *data, size_t bytes)
{
    volatile uint8_t last;
    if (bytes == 0)
        return 0;
#ifndef __SANITIZE_ADDRESS__
    FUZZ_CHECK(data[0] < bytes);
#endif
    last = data[data[0]];
    fuzz_accepted += last != 0;
    return 0;
}

static size_t canary_seed(struct random *random, uint8_t *to, size_t room)
{
    size_t bytes = 8 + random_below(random, room > 64 ? 64 : room - 8);
    memset(to, 'c', bytes);
    to[0] = (uint8_t)(bytes - 1);
    return bytes;
}

static const struct target canary = {"canary", canary_target, canary_seed, record_repair};

/* ---- mutation -------------------------------------------------------------------------------- */

enum { INPUT_MAX = 2 * FUZZ_ROOM };

struct input {
    uint8_t at[INPUT_MAX];
    size_t len;
};

static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 7,
                                 8,
                                 12,
                                 13,
                                 63,
                                 64,
                                 127,
                                 128,
                                 255,
                                 256,
                                 4095,
                                 4096,
                                 16383,
                                 16384,
                                 65535,
                                 65536,
                                 65541,
                                 65542,
                                 0x3fffffff,
                                 0x40000000,
                                 0x7fffff00,
                                 0x7fffffff,
                                 0x80000000,
                                 0xfffffff0,
                                 0xffffffff,
                                 0x100000000,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 0xfffffffffffffffc,
                                 ~0ull};

/* Write an edge value, a value close to what is there, or a number of bytes to the end. */
static void edit_number(struct input *input, struct random *random)
{
    size_t width = (size_t)1 << random_below(random, 4);
    if (input->len < width)
        return;
    size_t at = random_below(random, input->len - width + 1);
    uint64_t value = 0;
    memcpy(&value, input->at + at, width);
    switch (random_below(random, 4)) {
    case 0:
        value += random_below(random, 17) - 8;
        break;
    case 1:
        value = input->len - at - random_below(random, 24);
        break;
    default:
        value = edges[random_below(random, sizeof edges / sizeof *edges)] + random_below(random, 3) - 1;
        break;
    }
    memcpy(input->at + at, &value, width);
}

/* Copy a piece of the input, or of another one, over or into it. */
static void splice(struct input *input, struct random *random, const struct target *target)
{
    static struct input other;
    other.len = random_below(random, 2) ? target->seed(random, other.at, FUZZ_ROOM) : input->len;
    if (other.len == input->len)
        memcpy(other.at, input->at, input->len);
    if (other.len == 0)
        return;
    size_t from = random_below(random, other.len), bytes = 1 + random_below(random, other.len - from);
    size_t to = random_below(random, input->len + 1);
    if (random_below(random, 2) && bytes <= INPUT_MAX - input->len) { /* insert */
        memmove(input->at + to + bytes, input->at + to, input->len - to);
        input->len += bytes;
    } else if (bytes > input->len - to) {
        bytes = input->len - to;
    }
    memcpy(input->at + to, other.at + from, bytes);
}

static void erase(struct input *input, struct random *random)
{
    size_t from = random_below(random, input->len + 1), bytes = random_below(random, input->len - from + 1);
    memmove(input->at + from, input->at + from + bytes, input->len - from - bytes);
    input->len -= bytes;
}

static void mutate(struct input *input, struct random *random, const struct target *target)
{
    if (input->len == 0)
        return;
    uint8_t *any = &input->at[random_below(random, input->len)];
    switch (random_below(random, 8)) {
    case 0:
    case 1:
        *any ^= (uint8_t)(1u << random_below(random, 8));
        break;
    case 2:
        *any = (uint8_t)random_next(random);
        break;
    case 3:
    case 4:
        edit_number(input, random);
        break;
    case 5:
        splice(input, random, target);
        break;
    case 6:
        erase(input, random);
        break;
    default:
        input->len = random_below(random, input->len + 1);
        break;
    }
}

/* ---- running --------------------------------------------------------------------------------- */

/* In memory shared with the child, so that its last words need no luck. */
struct progress {
    uint64_t executions, accepted;
};

static void run_one(const struct target *target, uint64_t seed, uint64_t number)
{
    static struct input input;
    struct random random = {seed * 0x9e3779b97f4a7c15u ^ number};

    for (const char *c = target->name; *c; c++)
        random.state = (random.state ^ (uint8_t)*c) * 0x100000001b3u;
    input.len = target->seed(&random, input.at, FUZZ_ROOM);
    for (uint64_t left = random_below(&random, 8); left > 0; left--)
        mutate(&input, &random, target);
    if (random_below(&random, 8))
        target->repair(input.at, input.len);

    uint8_t *exact = malloc(input.len ? input.len : 1);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, input.at, input.len);
    target->run(exact, input.len);
    free(exact);
}

static void child(const struct target *target, uint64_t seed, uint64_t executions, struct progress *progress)
{
    for (uint64_t k = 0; k < executions; k++) {
        progress->executions = k;
        run_one(target, seed, k);
        progress->accepted = fuzz_accepted;
    }
    progress->executions = executions;
}

/* 1 when the target lived through all executions. */
static int survives(const struct target *target, uint64_t seed, uint64_t executions, int quiet,
                    struct progress *progress)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (quiet && freopen("/dev/null", "w", stderr) == NULL)
            _exit(0); /* counts as a canary that survived */
        alarm(quiet ? 60 : 0);
        child(target, seed, executions, progress);
        exit(0); /* through the leak checker */
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("lab_fuzz");
        exit(2);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int canary_dies(struct progress *progress)
{
    *progress = (struct progress){0};
    if (survives(&canary, 1, 10000, 1, progress)) {
        printf("canary: survived %llu executions: this fuzzer finds nothing\n",
               (unsigned long long)progress->executions);
        return 0;
    }
    printf("canary: died at execution %llu, as it must\n", (unsigned long long)progress->executions);
    return 1;
}

static int run_target(const struct target *target, uint64_t seed, uint64_t executions, struct progress *progress)
{
    *progress = (struct progress){0};
    int lived = survives(target, seed, executions, 0, progress);
    printf("%-8s %12llu executions %12llu accepted %s\n", target->name, (unsigned long long)progress->executions,
           (unsigned long long)progress->accepted, lived ? "" : "FINDING");
    if (!lived)
        printf("  again: lab_fuzz --seed %llu --target %s --only %llu\n", (unsigned long long)seed, target->name,
               (unsigned long long)progress->executions);
    if (lived && executions >= 1000 && progress->accepted == 0) {
        printf("  nothing was accepted: the fuzzer stops at the door\n");
        lived = 0;
    }
    return lived;
}

struct arguments {
    uint64_t seed, executions, only;
    const char *target;
    int has_only, canary;
};

static int parse(int argc, char **argv, struct arguments *arguments)
{
    for (int i = 1; i < argc; i++) {
        int more = i + 1 < argc;
        if (strcmp(argv[i], "--canary") == 0)
            arguments->canary = 1;
        else if (strcmp(argv[i], "--seed") == 0 && more)
            arguments->seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--target") == 0 && more)
            arguments->target = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && more)
            arguments->has_only = 1, arguments->only = strtoull(argv[++i], NULL, 0);
        else if (argv[i][0] >= '0' && argv[i][0] <= '9')
            arguments->executions = strtoull(argv[i], NULL, 0);
        else
            return 0;
    }
    if (arguments->has_only)
        return arguments->target != NULL;
    return arguments->canary || arguments->executions > 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seed = 1};
    struct progress *progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t executions = 0, findings = 0, chosen = 0;

    if (progress == MAP_FAILED || !parse(argc, argv, &arguments)) {
        fprintf(stderr, "usage: lab_fuzz [--seed N] [--target NAME] EXECUTIONS | --target NAME --only K | --canary\n");
        return 2;
    }
    if (!arguments.has_only && !canary_dies(progress))
        return 1;
    if (arguments.canary)
        return 0;
    for (size_t i = 0; i < TARGETS; i++) {
        if (arguments.target && strcmp(arguments.target, targets[i].name) != 0)
            continue;
        chosen++;
        if (arguments.has_only) {
            run_one(&targets[i], arguments.seed, arguments.only);
            continue;
        }
        findings += !run_target(&targets[i], arguments.seed, arguments.executions, progress);
        executions += progress->executions;
    }
    printf("%llu targets, %llu executions, %llu findings\n", (unsigned long long)chosen, (unsigned long long)executions,
           (unsigned long long)findings);
    return chosen == 0 || findings != 0;
}
