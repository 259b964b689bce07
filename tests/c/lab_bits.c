/* lab_bits: T3, corruption. Every bit of every file of small stores, and other damage.
 *
 *   lab_bits [other cases [processes [at most so many seconds, 0: no limit [and regular cases]]]]
 *   lab_bits again case          one case once more
 *
 * Stores with every type of file are made by stories on the simulated disk. A case is one of them with one thing
 * damaged: it is opened, every key is asked for, it is scanned both ways, verified, sometimes compacted.
 *
 *   allowed     what was written; a state the store once had (a shorter log); an error that names a file, and
 *               right answers for all that gives none. Of the catalog an error that names the namespace will do
 *   a violation a wrong value, a key that is missing or there against every such state, an error of another kind, one
 *               bit that takes back what was proven durable, a damaged table that verify passes, a crash, a hang
 *
 * Cases are numbered: first every bit, every length, every sector, every wrong type of file, for each store and
 * both ways to read files; then random ones. */
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crash/story.h"

enum { FILES_MOST = 24, VIOLATIONS_SHOWN = 12, HANG_SECONDS = 120, SECTOR = 512, GRANULE = 4096 };

struct kept_file {
    char name[40];
    uint8_t *bytes; /* owned */
    uint64_t count;
    uint8_t *older; /* owned; what it held earlier in the story; NULL: it was not there */
    uint64_t older_count;
};

struct store {
    const char *name, *script;
    unsigned set; /* of story_sets */
    int killed;
    struct story story;
    struct content contents[TIMELINE_MOST];
    unsigned states, proven; /* proven: damage to the log alone leaves this state or a newer one, or an error */
    struct kept_file files[FILES_MOST];
    unsigned file_count;
    uint64_t bytes, sectors;
};

/* Between them they have namespaces, made and dropped, records that expire and have expired, counts in the manifest. */
static struct store stores[] = {
    {.name = "closed, small records", .script = "60p f 30p c 8d f 6p l", .set = 3},
    {.name = "closed, values apart", .script = "6p 3v f 8h 2v M 3u f r c 3p l", .set = 9},
    {.name = "killed, values apart", .script = "6p v f 6h y 3p v 2p", .set = 9, .killed = 1},
    {.name = "closed, tables and log", .script = "8p M 4u r 2s l f 6h 2j f R l 4p b T s 2d", .set = 6},
    {.name = "killed, tables and log",
     .script = "8p M 2E 3u r 2e f 4p e E k k k r 3s 2j 3p S h p",
     .set = 6,
     .killed = 1},
    {.name = "closed, log only", .script = "5s M 2u b r 3p a T l m", .set = 4},
    {.name = "killed, log only", .script = "5p M u b y e E 4p a h D y p p", .set = 4, .killed = 1},
    {.name = "closed, merged", .script = "12p M 6u f 12p l f 10p r c D 4d f l 6p t", .set = 6},
    {.name = "no log", .script = "10p M 3u l r f 8p j l f 5p", .set = 3},
    {.name = "closed, lz4", .script = "30p M 9u f 12p l f 10p r c D 4d f l 6p t", .set = 7},
    {.name = "closed, zstd", .script = "40p M 9u f 12p l f 10p r c D 4d f l 6p t", .set = 8},
};
enum { STORES = sizeof stores / sizeof stores[0], WAYS = 2 };

/* ---- making the stores ---------------------------------------------------------------------------- */

static int keep_name(void *arg, const char *name)
{
    struct store *store = arg;
    if (store->file_count == FILES_MOST)
        abort();
    snprintf(store->files[store->file_count++].name, sizeof store->files[0].name, "%s", name);
    return 0;
}

static uint8_t *copy_of(struct sim *sim, const char *name, uint64_t *count)
{
    const unsigned char *bytes = sim_look(sim, STORE, name, count);
    uint8_t *copy = bytes ? malloc(*count + 1) : NULL;
    return copy ? memcpy(copy, bytes, *count) : NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct kept_file *)a)->name, ((const struct kept_file *)b)->name);
}

static void keep_files(struct store *store, struct sim *sim)
{
    struct lk_env *env = sim_env(sim);
    struct lk_dir *dir;
    if (env->ops->dir_open(env, STORE, 0, &dir) != 0)
        abort();
    (void)env->ops->dir_list(dir, keep_name, store);
    env->ops->dir_close(dir);
    qsort(store->files, store->file_count, sizeof store->files[0], by_name);
    for (unsigned i = 0; i < store->file_count; i++) {
        struct kept_file *file = &store->files[i];
        file->bytes = copy_of(sim, file->name, &file->count);
        store->bytes += file->count;
        store->sectors += (file->count + SECTOR - 1) / SECTOR;
    }
}

/* What files of the same names held a while before the end. */
static void keep_older(struct store *store, uint64_t boundaries)
{
    struct story *story = &store->story;
    story_play(story, boundaries - boundaries / 5 - 2);
    for (unsigned i = 0; i < store->file_count; i++)
        store->files[i].older = copy_of(story->sim, store->files[i].name, &store->files[i].older_count);
    story_end(story);
}

static uint64_t make_files(struct store *store)
{
    struct story *story = &store->story;
    story_play(story, UINT64_MAX);
    uint64_t boundaries = sim_boundaries(story->sim);
    struct sim *image = sim_kill_image(story->sim);
    keep_files(store, image);
    (void)sim_free(image);
    store->states = story->timeline.count;
    store->proven = store->killed ? story->proven : store->states - 1;
    story_end(story);
    return boundaries;
}

static void make_store(struct store *store)
{
    static struct content scratch[TIMELINE_MOST];
    struct story *story = &store->story;
    story_init(story, store->set);
    story->script = store->script;
    story->stays_open = store->killed;
    story->contents = store->contents;
    uint64_t boundaries = make_files(store);
    story->contents = scratch; /* the same again; what counts has been kept */
    keep_older(store, boundaries);
    story->contents = NULL;
}

/* ---- damage ------------------------------------------------------------------------------------- */

struct scene { /* the files of one case */
    const struct store *store;
    uint8_t *bytes[FILES_MOST]; /* owned */
    uint64_t counts[FILES_MOST];
    int strange[FILES_MOST]; /* enum sim_type; SIM_FILE: none */
    int gone[FILES_MOST];
    unsigned file; /* the one that is damaged */
    char what[120]; /* was done */
    int is_flip; /* one bit of one file */
};

static void scene_init(struct scene *scene, const struct store *store)
{
    memset(scene, 0, sizeof *scene);
    scene->store = store;
    for (unsigned i = 0; i < store->file_count; i++) {
        scene->counts[i] = store->files[i].count;
        scene->bytes[i] = malloc(scene->counts[i] + 2 * GRANULE);
        memcpy(scene->bytes[i], store->files[i].bytes, scene->counts[i]);
    }
}

static void scene_deinit(struct scene *scene)
{
    for (unsigned i = 0; i < scene->store->file_count; i++)
        free(scene->bytes[i]);
}

__attribute__((format(printf, 3, 4))) static void did(struct scene *scene, unsigned file, const char *format, ...)
{
    va_list args;
    int at = snprintf(scene->what, sizeof scene->what, "%s: ", scene->store->files[file].name);
    scene->file = file;
    va_start(args, format);
    vsnprintf(scene->what + at, sizeof scene->what - (size_t)at, format, args);
    va_end(args);
}

/* The file in which the number falls when each counts for so many. */
static unsigned locate(const struct store *store, uint64_t *number, uint64_t (*weight)(const struct kept_file *file))
{
    unsigned i = 0;
    for (; *number >= weight(&store->files[i]); i++)
        *number -= weight(&store->files[i]);
    return i;
}

static uint64_t weight_bits(const struct kept_file *file)
{
    return file->count * 8;
}
static uint64_t weight_bytes(const struct kept_file *file)
{
    return file->count;
}
static uint64_t weight_sectors(const struct kept_file *file)
{
    return (file->count + SECTOR - 1) / SECTOR;
}

static void flip(struct scene *scene, uint64_t number)
{
    unsigned i = locate(scene->store, &number, weight_bits);
    scene->bytes[i][number / 8] ^= (uint8_t)(1u << number % 8);
    scene->is_flip = 1;
    did(scene, i, "bit %" PRIu64 " of byte %" PRIu64 " flipped", number % 8, number / 8);
}

static void cut(struct scene *scene, uint64_t number)
{
    unsigned i = locate(scene->store, &number, weight_bytes);
    scene->counts[i] = number;
    did(scene, i, "cut to %" PRIu64 " bytes", number);
}

static void blank(struct scene *scene, uint64_t number)
{
    unsigned i = locate(scene->store, &number, weight_sectors);
    uint64_t from = number * SECTOR, left = scene->counts[i] - from;
    memset(scene->bytes[i] + from, 0, left < SECTOR ? left : SECTOR);
    did(scene, i, "sector %" PRIu64 " zeroed", number);
}

static void estrange(struct scene *scene, uint64_t number)
{
    static const char *const words[] = {"gone", "a symbolic link", "a directory", "a pipe"};
    unsigned i = (unsigned)(number / 4), kind = number % 4;
    scene->gone[i] = kind == 0;
    scene->strange[i] = kind == 1 ? SIM_SYMLINK : kind == 2 ? SIM_DIRECTORY : kind == 3 ? SIM_PIPE : SIM_FILE;
    did(scene, i, "%s", words[kind]);
}

static void scribble(struct scene *scene, struct random *random, unsigned i)
{
    uint64_t times = 1 + random_below(random, 6);
    for (uint64_t n = 0; n < times && scene->counts[i]; n++)
        scene->bytes[i][random_below(random, scene->counts[i])] = (uint8_t)random_next(random);
    did(scene, i, "%" PRIu64 " bytes overwritten", times);
}

static void overwrite_stretch(struct scene *scene, struct random *random, unsigned i)
{
    uint64_t from = random_below(random, scene->counts[i] + 1), most = scene->counts[i] - from;
    uint64_t count = random_below(random, (most < 600 ? most : 600) + 1);
    int zeros = random_below(random, 2) != 0;
    for (uint64_t n = 0; n < count; n++)
        scene->bytes[i][from + n] = zeros ? 0 : (uint8_t)random_next(random);
    did(scene, i, "%" PRIu64 " bytes from %" PRIu64 " are %s", count, from, zeros ? "zeros" : "rubbish");
}

/* One unit lies where another belongs; swap: and the other way round. Across files, too. */
static void misplace(struct scene *scene, struct random *random, unsigned i)
{
    static const uint64_t units[] = {8, 64, 512, 4096};
    uint64_t unit = units[random_below(random, 4)];
    unsigned j = random_below(random, 3) ? i : (unsigned)random_below(random, scene->store->file_count);
    if (scene->counts[i] < unit || scene->counts[j] < unit) {
        scribble(scene, random, i);
        return;
    }
    uint64_t a = random_below(random, scene->counts[i] / unit) * unit,
             b = random_below(random, scene->counts[j] / unit) * unit;
    int swap = random_below(random, 2) != 0;
    uint8_t *kept = malloc(unit);
    memcpy(kept, scene->bytes[i] + a, unit);
    memmove(scene->bytes[i] + a, scene->bytes[j] + b, unit);
    if (swap)
        memcpy(scene->bytes[j] + b, kept, unit);
    free(kept);
    did(scene, i, "%" PRIu64 " bytes at %" PRIu64 " %s those of %s at %" PRIu64, unit, a, swap ? "swapped with" : "are",
        scene->store->files[j].name, b);
}

static void append(struct scene *scene, struct random *random, unsigned i)
{
    uint64_t count = 1 + random_below(random, GRANULE);
    int zeros = random_below(random, 2) != 0;
    for (uint64_t n = 0; n < count; n++)
        scene->bytes[i][scene->counts[i] + n] = zeros ? 0 : (uint8_t)random_next(random);
    scene->counts[i] += count;
    did(scene, i, "%" PRIu64 " bytes of %s appended", count, zeros ? "zeros" : "rubbish");
}

static void replace(struct scene *scene, const uint8_t *bytes, uint64_t count, unsigned i)
{
    free(scene->bytes[i]);
    scene->bytes[i] = malloc(count + 2 * GRANULE);
    if (count)
        memcpy(scene->bytes[i], bytes, count);
    scene->counts[i] = count;
}

static void make_stale(struct scene *scene, struct random *random, unsigned i)
{
    const struct kept_file *file = &scene->store->files[i];
    unsigned j = (unsigned)random_below(random, scene->store->file_count);
    if (file->older && random_below(random, 2)) {
        replace(scene, file->older, file->older_count, i);
        did(scene, i, "an older state of itself");
    } else {
        replace(scene, scene->store->files[j].bytes, scene->store->files[j].count, i);
        did(scene, i, "the content of %s", scene->store->files[j].name);
    }
}

static void damage_at_random(struct scene *scene, uint64_t seed)
{
    struct random random = {seed};
    for (uint64_t times = random_below(&random, 8) ? 1 : 2; times > 0; times--) {
        unsigned i = (unsigned)random_below(&random, scene->store->file_count);
        switch (random_below(&random, 8)) {
        case 0:
        case 1:
        case 2:
            scribble(scene, &random, i);
            break;
        case 3:
            overwrite_stretch(scene, &random, i);
            break;
        case 4:
        case 5:
            misplace(scene, &random, i);
            break;
        case 6:
            append(scene, &random, i);
            break;
        default:
            make_stale(scene, &random, i);
            break;
        }
    }
}

/* ---- what can be seen -------------------------------------------------------------------------------- */

#define UNREADABLE UINT64_MAX

struct space_sight {
    int asked; /* else nothing is known of this namespace */
    uint64_t gets[MODEL_KEYS]; /* hash, 0, or UNREADABLE */
    uint64_t forward[MODEL_KEYS], back[MODEL_KEYS]; /* what scans brought ... */
    unsigned forward_to, back_from; /* ... of keys below, and from: beyond these they failed */
    uint64_t count; /* or UNREADABLE */
};

struct sight {
    struct space_sight spaces[SPACES];
    uint32_t side; /* number of the other namespace; 0: it is not there */
    int side_known;
};

static const char *wrong_error(int rc, const char *when)
{
    static char text[700];
    const struct lsmkv_error *error = lsmkv_last_error();
    if (error->file[0] && (rc == LSMKV_CORRUPT || (rc == LSMKV_IO && error->os_errno == ENOENT)))
        return NULL; /* ENOENT: an older manifest names a file that is gone */
    snprintf(text, sizeof text, "%s answers %s for file \"%s\" (%s)", when, lsmkv_status_name(rc), error->file,
             error->text);
    return text;
}

static const char *see_scan(lsmkv *db, const struct model_universe *universe, int reverse, uint64_t *values,
                            unsigned *reached)
{
    int failure = 0;
    const char *wrong = scan_space(db, universe, reverse, values, &failure);
    *reached = reverse ? 0 : MODEL_KEYS;
    if (failure == 0)
        return wrong;
    wrong = wrong_error(failure, "a scan");
    if (!reverse)
        for (*reached = MODEL_KEYS; *reached > 0 && !values[*reached - 1];)
            --*reached;
    else
        for (*reached = 0; *reached < MODEL_KEYS && !values[*reached];)
            ++*reached;
    return wrong;
}

/* plain: hashes of the values as scans bring them, without expiries. */
static const char *see_gets(lsmkv *db, const struct model_universe *universe, uint64_t *gets, uint64_t *plain)
{
    const char *wrong = NULL;
    for (unsigned i = 0; i < MODEL_KEYS && !wrong; i++) {
        struct lsmkv_answer answer;
        if (i % 3 == 2)
            continue;
        int rc = lsmkv_get_answer(db, NULL, universe->keys[i].bytes, universe->keys[i].size, &answer);
        plain[i] = rc == 0 ? value_hash(answer.value, answer.value_bytes) : rc == LSMKV_NOTFOUND ? 0 : UNREADABLE;
        gets[i] = rc == 0 ? expiring_hash(plain[i], answer.expiry_ns) : plain[i];
        if (rc < 0)
            wrong = wrong_error(rc, "a get");
        lsmkv_free(answer.value);
    }
    return wrong;
}

/* Scans do not bring expiries: where a get brought the same value, its expiry goes with it. */
static void add_expiries(struct space_sight *sight, const uint64_t *plain)
{
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        if (i % 3 == 2 || plain[i] == UNREADABLE)
            continue;
        if (sight->forward[i] == plain[i])
            sight->forward[i] = sight->gets[i];
        if (sight->back[i] == plain[i])
            sight->back[i] = sight->gets[i];
    }
}

static const char *see_space(lsmkv *db, const struct model_universe *universe, struct space_sight *sight)
{
    uint64_t plain[MODEL_KEYS] = {0};
    sight->asked = 1;
    const char *wrong = see_gets(db, universe, sight->gets, plain);
    if (!wrong)
        wrong = see_scan(db, universe, 0, sight->forward, &sight->forward_to);
    if (!wrong)
        wrong = see_scan(db, universe, 1, sight->back, &sight->back_from);
    if (wrong)
        return wrong;
    add_expiries(sight, plain);
    int rc = lsmkv_count(db, NULL, NULL, NULL, &sight->count);
    if (rc == 0)
        return NULL;
    sight->count = UNREADABLE;
    return wrong_error(rc, "a count");
}

/* The other namespace, as far as the catalog can be read. */
static const char *see_side(lsmkv *db, const struct model_universe *universe, struct sight *sight)
{
    lsmkv *side = NULL;
    int failure = 0;
    const char *wrong = side_described(db, &sight->side, &failure);
    sight->side_known = failure == 0;
    if (failure)
        return wrong_error(failure, "the list of namespaces");
    if (wrong || sight->side == 0)
        return wrong;
    int rc = lsmkv_namespace_open(db, SIDE, strlen(SIDE), NULL, &side);
    if (rc != 0)
        return wrong_error(rc, "a namespace");
    wrong = see_space(side, universe, &sight->spaces[1]);
    lsmkv_release(side);
    return wrong;
}

static const char *see(lsmkv *db, const struct model_universe *universe, struct sight *sight)
{
    memset(sight, 0, sizeof *sight);
    const char *wrong = codecs_kept(db);
    if (!wrong)
        wrong = see_space(db, universe, &sight->spaces[0]);
    return wrong ? wrong : see_side(db, universe, sight);
}

static int space_fits(const struct space_sight *sight, const uint64_t *values)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        count += values[i] != 0;
        if (i % 3 != 2 && sight->gets[i] != UNREADABLE && sight->gets[i] != values[i])
            return 0;
        if (i < sight->forward_to && sight->forward[i] != values[i])
            return 0;
        if (i >= sight->back_from && sight->back[i] != values[i])
            return 0;
    }
    return sight->count == UNREADABLE || sight->count == count;
}

static int sight_fits(const struct sight *sight, const struct content *content)
{
    if (sight->side_known && sight->side != content->side)
        return 0;
    for (unsigned space = 0; space < SPACES; space++)
        if (sight->spaces[space].asked && !space_fits(&sight->spaces[space], content->values[space]))
            return 0;
    return 1;
}

/* Nothing failed. */
static int sight_whole(const struct sight *sight)
{
    int whole = sight->side_known && (!sight->side || sight->spaces[1].asked);
    for (unsigned space = 0; space < SPACES; space++) {
        const struct space_sight *one = &sight->spaces[space];
        if (one->asked)
            whole &= one->forward_to == MODEL_KEYS && one->back_from == 0 && one->count != UNREADABLE;
    }
    return whole;
}

/* The newest state that fits, or -1. */
static int sight_state(const struct store *store, const struct sight *sight)
{
    int state = (int)store->states - 1;
    while (state >= 0 && !sight_fits(sight, &store->contents[state]))
        state--;
    return state;
}

static const char *describe_misfit(const struct store *store, const struct sight *sight)
{
    static char text[300];
    const struct content *last = &store->contents[store->states - 1];
    unsigned gets = 0, scans = 0;
    for (unsigned n = 0; n < SPACES * MODEL_KEYS; n++) {
        const struct space_sight *one = &sight->spaces[n / MODEL_KEYS];
        unsigned i = n % MODEL_KEYS;
        uint64_t wanted = last->values[n / MODEL_KEYS][i];
        gets += one->asked && i % 3 != 2 && one->gets[i] != UNREADABLE && one->gets[i] != wanted;
        scans += one->asked && i < one->forward_to && one->forward[i] != wanted;
    }
    snprintf(text, sizeof text,
             "no state the store ever had: against the last one %u gets and %u keys of a scan differ; counts %" PRIu64
             " and %" PRIu64 ", namespace %u of %u",
             gets, scans, sight->spaces[0].count, sight->spaces[1].count, sight->side, last->side);
    return text;
}

/* ---- one case ------------------------------------------------------------------------------------- */

struct tally {
    uint64_t cases, same, older, refused, partly, violations, unfinished;
};
static struct tally tally;

static int ends_with(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

static int is_table(const char *name)
{
    return ends_with(name, ".tbl");
}
/* Of the log, or of values that it refers to. */
static int is_log(const char *name)
{
    return ends_with(name, ".log") || ends_with(name, ".val");
}

static const char *look_and_verify(const struct scene *scene, lsmkv *db, uint64_t number, int readonly)
{
    const struct store *store = scene->store;
    struct sight sight;
    const char *wrong = see(db, &store->story.universe, &sight);
    int state = wrong ? -1 : sight_state(store, &sight);
    if (!wrong && state < 0)
        wrong = describe_misfit(store, &sight);
    if (wrong)
        return wrong;
    if (scene->is_flip && state < (int)(is_log(store->files[scene->file].name) ? store->proven : store->states - 1))
        return "one bit takes back what was durable";
    int whole = sight_whole(&sight);
    tally.partly += !whole;
    tally.same += whole && state == (int)store->states - 1;
    tally.older += whole && state < (int)store->states - 1;
    int rc = lsmkv_verify(db, NULL, NULL, NULL);
    if (rc < 0 && (wrong = wrong_error(rc, "verify")))
        return wrong;
    if (rc == 0 && (!whole || (scene->is_flip && is_table(store->files[scene->file].name))))
        return "verify does not find the damage";
    if (readonly || number % 4)
        return NULL;
    rc = lsmkv_compact(db, NULL, NULL, NULL, NULL);
    if (rc < 0 && (wrong = wrong_error(rc, "compact")))
        return wrong;
    wrong = see(db, &store->story.universe, &sight);
    if (!wrong && !sight_fits(&sight, &store->contents[state]))
        wrong = "compaction changed what is seen";
    return wrong;
}

static struct sim *set_scene(const struct scene *scene)
{
    struct sim_config config = {.seed = 77, .file_bytes = 1 << 20, .no_history = 1};
    struct sim *sim = sim_new(&config);
    for (unsigned i = 0; i < scene->store->file_count; i++) {
        if (scene->strange[i] != SIM_FILE)
            sim_put_strange(sim, STORE, scene->store->files[i].name, (enum sim_type)scene->strange[i]);
        else if (!scene->gone[i])
            sim_put(sim, STORE, scene->store->files[i].name, scene->bytes[i], scene->counts[i]);
    }
    return sim;
}

static int is_strange(const struct scene *scene)
{
    return scene->gone[scene->file] || scene->strange[scene->file] != SIM_FILE;
}

static const char *play_scene(const struct scene *scene, uint64_t number, int way)
{
    static char text[700];
    const struct store *store = scene->store;
    struct lsmkv_options options = store->story.options;
    struct sim *sim = set_scene(scene);
    lsmkv *db = NULL;
    const char *wrong = NULL;
    int readonly = number % 8 == 5;
    options.log_source = options.table_source = way ? LSMKV_SOURCE_READ : LSMKV_SOURCE_MAPPED;
    options.flags = readonly ? LSMKV_OPEN_READONLY : 0;
    int rc = lk_open_in(sim_env(sim), STORE, &options, &db);
    if (rc == 0) {
        wrong = look_and_verify(scene, db, number, readonly);
        (void)lsmkv_close(db); /* may fail: the store is damaged */
        lsmkv_release(db);
    } else {
        tally.refused++;
        if (is_strange(scene) ? rc == LSMKV_NOMEM || rc > 0 : rc != LSMKV_FORMAT || scene->is_flip)
            wrong = is_strange(scene) ? "an odd answer" : wrong_error(rc, "open");
    }
    if (wrong)
        snprintf(text, sizeof text, "%s", wrong);
    if (!wrong && sim_check(sim))
        snprintf(text, sizeof text, "%s", wrong = sim_check(sim));
    if (sim_free(sim) && !wrong)
        return "files were left open";
    return wrong ? text : NULL;
}

/* Each store's bits, lengths, sectors and types, twice; then random ones. */
static void damage(struct scene *scene, uint64_t number, int *way)
{
    for (unsigned s = 0; s < STORES; s++)
        for (*way = 0; *way < WAYS; ++*way) {
            const struct store *store = &stores[s];
            uint64_t counts[] = {store->bytes * 8, store->bytes, store->sectors, store->file_count * 4u};
            void (*const kinds[])(struct scene *, uint64_t) = {flip, cut, blank, estrange};
            for (unsigned kind = 0; kind < 4; number -= counts[kind++])
                if (number < counts[kind]) {
                    scene_init(scene, store);
                    kinds[kind](scene, number);
                    return;
                }
        }
    *way = (int)(number % WAYS);
    scene_init(scene, &stores[number / WAYS % STORES]);
    damage_at_random(scene, model_mix(number));
}

/* How many of them are not random. */
static uint64_t regular_cases(void)
{
    uint64_t count = 0;
    for (unsigned s = 0; s < STORES; s++)
        count += WAYS * (stores[s].bytes * 9 + stores[s].sectors + stores[s].file_count * 4u);
    return count;
}

static uint64_t running; /* the case, for the alarm */

static void on_alarm(int signal)
{
    static const char words[] = "a case hangs\n";
    (void)signal;
    (void)!write(2, words, sizeof words - 1);
    fprintf(stderr, "    again: lab_bits again %" PRIu64 "\n", running); /* the process ends here anyway */
    _exit(3);
}

static void play_case(uint64_t number)
{
    struct scene scene;
    int way;
    running = number;
    alarm(HANG_SECONDS);
    damage(&scene, number, &way);
    const char *wrong = play_scene(&scene, number, way);
    tally.cases++;
    if (wrong && tally.violations++ < VIOLATIONS_SHOWN)
        fprintf(stderr, "%s, %s: %s: %s\n    again: lab_bits again %" PRIu64 "\n", scene.store->name,
                way ? "read" : "mapped", scene.what, wrong, number);
    scene_deinit(&scene);
}

/* ---- processes ----------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* All kinds take turns, so that also a short run meets each: a permutation of the regular cases. */
static uint64_t shuffled(uint64_t i, uint64_t regular)
{
    return (uint64_t)((unsigned __int128)i * 15485863u % regular);
}

/* `taken` of the regular cases, then the others. */
static void work(unsigned worker, unsigned workers, uint64_t taken, uint64_t others, uint64_t deadline_ns)
{
    uint64_t regular = regular_cases();
    if (regular % 15485863u == 0)
        abort(); /* the factor is a prime: else no permutation */
    for (uint64_t i = worker; i < taken + others && tally.violations < VIOLATIONS_SHOWN * 100; i += workers) {
        if (deadline_ns && now_ns() > deadline_ns) {
            tally.unfinished = 1;
            return;
        }
        play_case(i < taken ? shuffled(i, regular) : regular + i - taken);
    }
}

static void gather(const struct tally *part)
{
    tally.cases += part->cases;
    tally.same += part->same;
    tally.older += part->older;
    tally.refused += part->refused;
    tally.partly += part->partly;
    tally.violations += part->violations;
    tally.unfinished += part->unfinished;
}

static int run(uint64_t others, unsigned workers, uint64_t seconds, uint64_t most)
{
    int pipes[2], status, lost = 0;
    uint64_t began = now_ns(), regular = regular_cases(), taken = regular < most ? regular : most;
    struct tally part;
    if (pipe(pipes) != 0)
        return 1;
    for (unsigned i = 0; i < workers; i++)
        if (fork() == 0) {
            work(i, workers, taken, others, seconds ? began + seconds * 1000000000u : 0);
            exit(write(pipes[1], &tally, sizeof tally) != sizeof tally);
        }
    close(pipes[1]);
    while (read(pipes[0], &part, sizeof part) == sizeof part)
        gather(&part);
    while (wait(&status) > 0)
        lost += status != 0;
    double took = (double)(now_ns() - began) / 1e9;
    printf("%d stores, %" PRIu64 " of %" PRIu64 " regular cases and %" PRIu64 " others: %" PRIu64
           " looked the same, %" PRIu64 " older, %" PRIu64 " were refused, %" PRIu64
           " read in part, %.1f s, %.0f cases/s by %u processes%s\n",
           STORES, taken, regular, others, tally.same, tally.older, tally.refused, tally.partly, took,
           (double)tally.cases / took, workers, tally.unfinished ? ", ended by the clock" : "");
    if (lost)
        printf("%d processes did not end well\n", lost);
    printf("T3: %" PRIu64 " cases, %" PRIu64 " violations\n", tally.cases, tally.violations + (uint64_t)lost);
    return tally.violations != 0 || lost != 0;
}

static void forget_stores(void)
{
    for (unsigned s = 0; s < STORES; s++)
        for (unsigned i = 0; i < stores[s].file_count; i++) {
            free(stores[s].files[i].bytes);
            free(stores[s].files[i].older);
        }
}

int main(int argc, char **argv)
{
    int rc;
    signal(SIGALRM, on_alarm);
    for (unsigned s = 0; s < STORES; s++) {
        make_store(&stores[s]);
        if (argc > 1 && strcmp(argv[1], "list") == 0)
            for (unsigned i = 0; i < stores[s].file_count; i++)
                printf("%s: %s, %" PRIu64 " bytes, older %" PRIu64 "\n", stores[s].name, stores[s].files[i].name,
                       stores[s].files[i].count, stores[s].files[i].older_count);
    }
    if (argc > 2 && strcmp(argv[1], "again") == 0) {
        play_case(strtoull(argv[2], NULL, 10));
        rc = tally.violations != 0;
    } else {
        rc = run(argc > 1 ? strtoull(argv[1], NULL, 10) : 20000, argc > 2 ? (unsigned)atoi(argv[2]) : 1,
                 argc > 3 ? strtoull(argv[3], NULL, 10) : 0, argc > 4 ? strtoull(argv[4], NULL, 10) : UINT64_MAX);
    }
    forget_stores();
    return rc;
}
