/* sim: a disk and a kernel in memory, behind the same table of functions as the real environment.
 *
 * What it keeps apart, for every file and directory:
 *
 *     the engine's stores and writes --> cache (what reads and mappings see)
 *                                          |  sync of the file, of a range, of the directory
 *                                          v
 *                                        disk (what a power cut leaves for certain)
 *
 *  - Content: whatever differs between cache and disk is undecided, sector by sector (512 bytes). A
 *    sector may also hold an older unsynced content that it had at an earlier boundary.
 *  - Length is undecided apart from content. A file sync decides content and length, and not the name.
 *  - Names: every create, rename and remove is undecided until the directory is synced. Operations on
 *    one name keep their order; a rename is atomic.
 *  - map_sync decides the given range, widened to whole 4 KiB pages, and a length that covers it.
 *
 * Boundaries.  Every operation on a file, directory or mapping that can fail is a boundary, numbered
 * from 0. sim_stop_at(sim, n, how) lets operations 0 .. n-1 happen; n and every later one answer -EIO
 * and nothing changes any more, whatever the engine still stores into mappings. After the stop a
 * mapped log still "acknowledges": ask sim_stopped before believing an acknowledgement.
 *
 * Images.  A stopped simulator (or one at rest) yields legal disk states, each a new simulator on
 * which an engine can be opened. Same simulator state, same arguments: same image.
 *
 * Rules.  Single-threaded: one simulator and its images belong to one thread; thread_start answers
 * -EAGAIN, so engines run with threads=0. A file has at most config.file_bytes of room. Time moves by
 * a microsecond when somebody looks at it, and by sleeps. Running out of test memory aborts. */
#ifndef LK_TESTS_SIM_H
#define LK_TESTS_SIM_H

#include <stdint.h>

#include "os/env.h"

struct sim;

struct sim_config {
    uint64_t seed;        /* of the random operation */
    uint64_t file_bytes;  /* room of one file; 0: 64 MiB */
    uint64_t space_bytes; /* sum of all lengths, then -ENOSPC; 0: no limit */
    int pid;              /* 0: 4242 */
    int cannot_map;       /* dir_can_map answers 0, and so the engine writes instead of mapping */
    int trace;            /* keep sim_trace's text */
    int tear_words;       /* MIXED images may tear sectors of mappings between 8-byte words: the kernel may
                             write a page back in the middle of a store. Stricter than a disk's promise */
    int no_history;       /* do not look for stores at each boundary: for mappings of many MiB */
};

struct sim *sim_new(const struct sim_config *config); /* owned; NULL: all zero */
/* The number of files, directories, mappings, reservations and locks still held, each also named on
 * stderr; their memory goes too. */
unsigned sim_free(struct sim *sim);
struct lk_env *sim_env(struct sim *sim); /* borrowed */

/* ---- boundaries ----------------------------------------------------------------------------- */

/* clang-format off */
#define SIM_CALL_TABLE(X) \
    X(DIR_OPEN) X(DIR_MAKE) X(DIR_SYNC_PARENT) X(DIR_SYNC) X(DIR_LIST) X(DIR_ID) X(RENAME) X(REMOVE) \
    X(DIR_REMOVE) X(LOCK) X(OPEN) X(CREATE) X(CLOSE) X(READ) X(WRITE) X(SYNC) X(SIZE) X(ALLOCATE) \
    X(TRUNCATE) X(MAP) X(MAP_SYNC) X(MAP_PREFAULT) X(MAP_RESIDENT) X(RESERVE) X(DISCARD) X(RANDOM) \
    X(THREAD_START)
/* clang-format on */

enum sim_call {
#define X(name) SIM_##name,
    SIM_CALL_TABLE(X)
#undef X
        SIM_CALLS, /* how many kinds there are; in a fault: any of them */
};
const char *sim_call_name(enum sim_call call); /* "DIR_OPEN" */

enum sim_stop { SIM_POWER, SIM_KILL }; /* only a word for the trace: the image decides what is lost */

uint64_t sim_boundaries(const struct sim *sim);                /* operations so far */
uint64_t sim_calls(const struct sim *sim, enum sim_call call); /* of that kind */
void sim_stop_at(struct sim *sim, uint64_t boundary, enum sim_stop how);
void sim_stop_now(struct sim *sim, enum sim_stop how);
int sim_stopped(const struct sim *sim);
/* A number that is the same for two boundaries when nothing on the simulated machine changed between
 * them: their images are the same too. */
uint64_t sim_boundary_state(const struct sim *sim, uint64_t boundary);

/* ---- faults --------------------------------------------------------------------------------- */

/* What a failed sync does. KEPT: the cache keeps the content but thinks it is clean: no later sync
 * writes it until the page is written to again. REVERTED: the cache goes back to the disk's content.
 * LATE: as KEPT, but the sync reports success and the next write, sync or close of that file fails (a
 * kernel that lies: what was acknowledged on its word may be lost by a power cut). A directory's names
 * cannot revert: REVERTED is KEPT there. */
enum sim_kernel { SIM_KEPT, SIM_REVERTED, SIM_LATE };

struct sim_fault {
    enum sim_call call; /* SIM_CALLS: any */
    uint64_t nth;       /* 1: the next such call */
    int err;            /* positive errno. Zero, for READ: no error, only `part` bytes arrive */
    int forever;        /* the nth and all after it */
    enum sim_kernel kernel;
    uint64_t part;      /* WRITE: bytes that reach the cache before the error */
    const char *only;   /* borrowed: only calls on names that contain this; NULL: all */
};

void sim_fail(struct sim *sim, const struct sim_fault *fault); /* copied; up to 8 at a time */
void sim_fail_none(struct sim *sim);                           /* forgets faults, keeps the count */
uint64_t sim_fired(const struct sim *sim);                     /* how often any fault fired */

/* ---- crash images --------------------------------------------------------------------------- */

enum sim_how {
    SIM_NOTHING,    /* nothing that is undecided; the argument is 0 */
    SIM_EVERYTHING, /* all of it; 0 */
    SIM_DROP,       /* everything but item i */
    SIM_ONLY,       /* nothing but item i */
    SIM_PREFIX,     /* what was issued first, up to and including the k-th undecided operation */
    SIM_TORN,       /* a prefix whose last operation reached only its first sectors */
    SIM_LENGTHS,    /* names and lengths without content; new space 0: zeros, 1: rubbish, 2: other files' bytes */
    SIM_CONTENTS,   /* names and content without lengths; 0 */
    SIM_NAMES,      /* 0: names alone, 1: all but names, 2: creates and renames but no removes, 3: removes alone */
    SIM_MIXED,      /* any mixture, by seed */
    SIM_HOWS
};

uint64_t sim_items(struct sim *sim); /* undecided: dirty sectors, lengths, name operations */
/* How many arguments 0 .. count-1 the way has for this state; UINT64_MAX for SIM_MIXED. */
uint64_t sim_image_count(struct sim *sim, enum sim_how how);
/* An image; owned. NULL when argument is out of range. */
struct sim *sim_image(struct sim *sim, enum sim_how how, uint64_t argument);
/* All systematic ones in a row, then random ones (seed + index) without end. Never NULL. */
struct sim *sim_image_at(struct sim *sim, uint64_t index, uint64_t seed);
uint64_t sim_image_systematic(struct sim *sim); /* how many come before the random ones */
/* What a killed process leaves: cache and disk as they are, no handles, no locks. Of a simulator
 * that is not stopped: a copy. */
struct sim *sim_kill_image(struct sim *sim);
/* Directories, names, lengths and content as the engine would see them; lock files do not count. */
uint64_t sim_image_hash(struct sim *sim);
/* "DROP 3": how an image was made; "" for others. */
const char *sim_image_name(const struct sim *sim);

/* ---- the order checker (always on) ------------------------------------------------------------ */

/* The first violation of the order of durability, or of the environment's own rules (unmap of what is
 * not mapped, name with a slash); NULL: none. Borrowed. */
const char *sim_check(const struct sim *sim);
unsigned sim_violations(const struct sim *sim);

/* ---- looking and planting ------------------------------------------------------------------- */

enum sim_type { SIM_FILE, SIM_SYMLINK, SIM_DIRECTORY, SIM_PIPE };

/* Make a durable file (replacing one of that name) or something stranger; also the directory. */
void sim_put(struct sim *sim, const char *path, const char *name, const void *bytes, uint64_t count);
void sim_put_strange(struct sim *sim, const char *path, const char *name, enum sim_type type);
/* What the cache holds, borrowed until the next call; NULL: no such file. */
const unsigned char *sim_look(struct sim *sim, const char *path, const char *name, uint64_t *count);
/* What a power cut would leave for certain; NULL: no such durable name. */
const unsigned char *sim_look_durable(struct sim *sim, const char *path, const char *name, uint64_t *count);
const char *sim_trace(const struct sim *sim); /* one line for each operation; "" unless asked for */
void sim_advance(struct sim *sim, uint64_t ns); /* both clocks */
void sim_set_resident(struct sim *sim, int resident); /* what map_resident answers: all (default) or nothing */

#endif
