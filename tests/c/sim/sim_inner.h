/* sim_inner: the simulator's state. Private to tests/c/sim/.
 *
 *   sim.c         life, clock, the table of operations, looking and planting
 *   sim_call.c    what every operation goes through: boundaries, faults, trace
 *   sim_blob.c    memory: content that images share, address ranges of caches
 *   sim_inode.c   one file's cache, disk and undecided versions
 *   sim_file.c    operations on files
 *   sim_map.c     mappings and anonymous address space
 *   sim_names.c   lists of names and the undecided operations on them
 *   sim_dir.c     operations on directories, names, locks
 *   sim_image.c   from a state to a crash image; hash
 *   sim_plan.c    which undecided things an image takes
 *   sim_order.c   the order checker
 *
 * Invariants:
 *  1. Bytes of the cache at and after `size` are zero, except what was stored there through a mapping;
 *     when the file grows they become zero again, as in a real kernel.
 *  2. After sim_capture, the cache of a sector equals its newest version or, without one, the disk.
 *  3. Operation numbers rise; every version, length step and name operation carries its own. */
#ifndef LK_TESTS_SIM_INNER_H
#define LK_TESTS_SIM_INNER_H

#include <stddef.h>

#include "sim/sim.h"

#define SECTOR 512u
#define SIM_PAGE 4096u
#define NAME_BYTES 64
#define PATH_BYTES 256
#define VERSIONS_MAX 6 /* kept of one sector: the newest and some older ones */
#define STEPS_MAX 16   /* lengths kept of one file */
#define FAULTS_MAX 8

/* ---- content shared by a simulator and its images ------------------------------------------- */

struct blob {
    unsigned refs;
    uint64_t bytes, room;
    uint64_t hash; /* valid when hashed */
    int hashed;
    unsigned char *at; /* bytes after `bytes` are zero up to room */
};

struct blob *sim_blob_new(uint64_t bytes); /* zeros; owned */
struct blob *sim_blob_ref(struct blob *blob);
void sim_blob_unref(struct blob *blob);
/* Make *blob `bytes` long and nobody else's; new bytes are zero. */
unsigned char *sim_blob_own(struct blob **blob, uint64_t bytes);
uint64_t sim_blob_hash(struct blob *blob);

/* Zeroed shared memory of `room` bytes, and its way back; touched: nothing but zeros from there on. */
unsigned char *sim_range_take(uint64_t room);
void sim_range_give(unsigned char *at, uint64_t room, uint64_t touched);

/* ---- a file --------------------------------------------------------------------------------- */

struct version { /* what a sector held at some operation, not yet on the disk */
    struct version *older;
    uint64_t op;
    int stored; /* by a plain store into a mapping: may tear inside the sector */
    unsigned char bytes[SECTOR];
};

enum sector_state { SECTOR_NORMAL, SECTOR_LOST, SECTOR_LIED }; /* LOST, LIED: the next sync passes it by */

struct sector {
    struct version *newest; /* owned chain; NULL: the cache equals the disk */
    enum sector_state state;
};

struct step {
    uint64_t op, size;
};

struct inode {
    struct inode *next; /* in order of number */
    struct sim *sim;    /* borrowed */
    uint64_t number;
    enum sim_type type;
    unsigned opens, maps, writable_maps;
    int locked;   /* by an open lock handle */
    int was_lock; /* a lock file: not part of hashes, content decided at once */
    int marked;   /* by the collector, and while an image is made */
    struct inode *twin; /* while an image is made: its copy there; borrowed */

    uint64_t size;
    unsigned char *cache; /* owned mapping of config.file_bytes; NULL: as the disk */
    uint64_t touched;     /* the cache is zero from here on */
    struct blob *disk;    /* shared */
    struct sector *sectors;
    uint64_t sector_count, dirty; /* allocated; with versions */
    struct step steps[STEPS_MAX]; /* lengths since the last that is on the disk; the last is `size` */
    unsigned step_count;
    uint64_t reserved_end; /* space from allocate reads as zero, never as rubbish */
    int late_errno;        /* positive: to be reported by the next call */
    struct blob *told;     /* what a lying sync called durable; NULL: none has */
};

struct inode *sim_inode_new(struct sim *sim, enum sim_type type);
void sim_inode_free(struct inode *inode);
const unsigned char *sim_inode_bytes(struct inode *inode); /* size bytes of cache; borrowed */
unsigned char *sim_inode_cache(struct inode *inode);       /* the cache, made if need be; borrowed */
void sim_inode_write(struct inode *inode, uint64_t offset, const void *from, uint64_t bytes);
void sim_inode_resize(struct inode *inode, uint64_t size);
void sim_inode_capture(struct inode *inode, int stored); /* versions for what changed in the cache */
void sim_inode_sync(struct inode *inode);
void sim_inode_sync_range(struct inode *inode, uint64_t offset, uint64_t bytes);
/* The same, failing as `kernel` does. bytes UINT64_MAX: the whole file. */
void sim_inode_fail_sync(struct inode *inode, uint64_t offset, uint64_t bytes, enum sim_kernel kernel);
/* 1 when the first `bytes` of the cache would survive a power cut, as far as syncs have said. */
int sim_inode_durable(struct inode *inode, uint64_t bytes);
void sim_inode_settle(struct inode *inode); /* make disk what the cache is, for planted files */
void sim_inode_copy_pending(struct inode *to, const struct inode *from);
/* What the disk certainly holds of a sector: SECTOR bytes, zeros beyond its end; borrowed. */
const unsigned char *sim_inode_disk_sector(const struct inode *inode, uint64_t sector);

/* ---- a directory ---------------------------------------------------------------------------- */

struct entry {
    char name[NAME_BYTES];
    struct inode *inode; /* shared: kept by the collector */
};

struct entries {
    struct entry *at; /* owned */
    unsigned count, room;
};

enum name_what { NAME_CREATE, NAME_REMOVE, NAME_RENAME };

struct name_op {
    uint64_t op;
    enum name_what what;
    enum sector_state state;
    char name[NAME_BYTES], to[NAME_BYTES]; /* to: of a rename */
    struct inode *inode;
};

struct directory {
    struct directory *next;
    char path[PATH_BYTES];
    uint64_t number;
    int exists, disk_exists; /* differ: undecided, since operation made_op */
    uint64_t made_op;
    struct entries now, disk;
    struct name_op *ops; /* owned; since the last sync */
    unsigned op_count, op_room;
    int late_errno;
    uint64_t log_begins; /* lower segments are in tables, as far as the engine has said */
};

struct entry *sim_entries_find(const struct entries *entries, const char *name);
void sim_entries_set(struct entries *entries, const char *name, struct inode *inode); /* NULL: erase */
void sim_entries_copy(struct entries *to, const struct entries *from);
/* Apply to `to` those of the directory's operations that are wanted and whose earlier operations on
 * the same names are applied too; applied[i] says which. */
void sim_names_apply(struct entries *to, const struct directory *dir, const unsigned char *wanted,
                     unsigned char *applied);
void sim_names_change(struct sim *sim, struct directory *dir, enum name_what what, const char *name, const char *to,
                      struct inode *inode);
/* A sync of the directory: what no failed sync has passed by becomes durable. */
void sim_names_settle(struct directory *dir);
/* 1 when the name would survive a power cut and mean the file it means now. */
int sim_name_durable(const struct directory *dir, const char *name);
struct directory *sim_directory(struct sim *sim, const char *path, int make);
void sim_collect(struct sim *sim); /* frees files that nothing can reach */

/* ---- handles -------------------------------------------------------------------------------- */

enum handle_kind { HANDLE_FILE, HANDLE_DIR, HANDLE_AREA };

struct handle { /* first member of all: lets sim_free name what was left open */
    struct handle *next, *previous;
    enum handle_kind kind;
    char what[24 + NAME_BYTES];
};

struct lk_dir {
    struct handle handle;
    struct sim *sim;
    struct directory *directory;
};

struct lk_file {
    struct handle handle;
    struct sim *sim;
    struct inode *inode;
    char name[NAME_BYTES];
    int writable, is_lock;
};

struct area { /* a mapping or a reservation */
    struct handle handle;
    struct inode *inode; /* NULL: anonymous */
    char name[NAME_BYTES];
    unsigned char *at;
    uint64_t bytes;
    int writable;
};

void sim_handle_add(struct sim *sim, struct handle *handle, enum handle_kind kind, const char *word, const char *name);
void sim_handle_drop(struct handle *handle);
void sim_area_free(struct area *area); /* its addresses */
void sim_area_protect(struct inode *inode); /* pages beyond the file's end fault, as in a real kernel */

struct pending {
    uint64_t op, sectors; /* how many undecided sector versions it made */
};

/* ---- the machine ---------------------------------------------------------------------------- */

struct sim {
    struct lk_env env; /* first: an environment is its simulator */
    struct sim_config config;
    uint64_t serial; /* of the process: the device number of its directories */
    struct inode *inodes, **inode_tail;
    struct directory *directories;
    uint64_t numbers; /* of inodes and directories */
    struct handle handles;
    uint64_t op; /* last number given */

    uint64_t boundary, calls[SIM_CALLS];
    uint64_t *states; /* op at each boundary; owned */
    uint64_t state_room;
    uint64_t stop_at;
    enum sim_stop stop_how;
    int stopped;

    struct {
        struct sim_fault fault;
        uint64_t seen;
    } faults[FAULTS_MAX];
    unsigned fault_count;
    uint64_t fired;

    uint64_t clock_ns, random_state;
    int resident;

    char *text; /* trace; owned */
    size_t text_count, text_room;
    char image_name[48];

    struct pending *ops; /* undecided operations in order; owned */
    uint64_t op_count, op_room;
    int ops_valid;

    /* The order checker's. */
    char violation[256];
    unsigned violations;
    int edit_open; /* an edit named a table and is not durable yet */
    unsigned char *said; /* by file number; owned */
    uint64_t said_count;
};

/* Begin an operation: 0, or -EIO when the power is gone. *hit: the fault to obey, or NULL. a and b only
 * for the trace. Every begin is ended by sim_leave, which gives `rc` back. */
int sim_enter(struct sim *sim, enum sim_call call, const char *name, uint64_t a, uint64_t b,
              const struct sim_fault **hit);
int64_t sim_leave(struct sim *sim, int64_t rc);
/* For operations that just fail: 0 or a negative errno that the caller returns through sim_leave. */
int sim_begin(struct sim *sim, enum sim_call call, const char *name, uint64_t a, uint64_t b);

void sim_capture(struct sim *sim); /* stores into writable mappings become versions */
uint64_t sim_next_op(struct sim *sim);
int sim_has_space(struct sim *sim, const struct inode *inode, uint64_t size);
void *sim_memory(size_t bytes);                   /* zeroed; aborts when there is none */
void *sim_grow(void *at, size_t bytes);           /* as realloc; aborts */
uint64_t sim_mix(uint64_t value);                 /* a well-mixed function of value */
void sim_violate(struct sim *sim, const char *format, ...) LK_PRINTF(2, 3);
int sim_name_check(struct sim *sim, const char *name); /* 0 or a negative errno */

/* Operations, by file. */
extern const struct lk_env_ops sim_ops;
int sim_dir_open(struct lk_env *env, const char *path, uint32_t create_mode, struct lk_dir **out);
void sim_dir_close(struct lk_dir *dir);
int sim_dir_sync(struct lk_dir *dir);
int sim_dir_list(struct lk_dir *dir, int (*each)(void *arg, const char *name), void *arg);
int sim_dir_id(struct lk_dir *dir, uint64_t id[2]);
int sim_dir_can_map(struct lk_dir *dir);
int sim_rename(struct lk_dir *dir, const char *from, const char *to);
int sim_remove(struct lk_dir *dir, const char *name);
int sim_dir_remove(struct lk_env *env, const char *path);
int sim_lock(struct lk_dir *dir, const char *name, struct lk_file **out, int *holder_pid);
int sim_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out);
int sim_close(struct lk_file *file);
int64_t sim_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes);
int sim_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes);
int sim_sync(struct lk_file *file);
int sim_size(struct lk_file *file, uint64_t *out);
int sim_allocate(struct lk_file *file, uint64_t offset, uint64_t bytes);
int sim_truncate(struct lk_file *file, uint64_t bytes);
void sim_will_need(struct lk_file *file, uint64_t offset, uint64_t bytes);
void sim_will_read(struct lk_file *file, enum lk_pattern how);
void sim_forget(struct lk_file *file, uint64_t offset, uint64_t bytes);
int sim_map(struct lk_file *file, uint64_t bytes, int writable, void **out);
void sim_unmap(struct lk_env *env, void *at, uint64_t bytes);
int sim_map_sync(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes);
int sim_map_prefault(struct lk_env *env, void *at, uint64_t bytes);
void sim_resident(struct lk_env *env, uint64_t *anonymous, uint64_t *files);
uint64_t sim_memory_limit(struct lk_env *env);
void sim_map_hot(struct lk_env *env, void *at, uint64_t bytes);
int64_t sim_map_resident(struct lk_env *env, const void *at, uint64_t bytes);
int sim_reserve(struct lk_env *env, uint64_t bytes, void **out);
void sim_unreserve(struct lk_env *env, void *at, uint64_t bytes);
int sim_discard(struct lk_env *env, void *at, uint64_t bytes);
uint64_t sim_page_bytes(struct lk_env *env);

/* The order checker's hooks. */
void sim_note(struct lk_env *env, int what, uint64_t a, uint64_t b);
void sim_order_remove(struct sim *sim, struct directory *dir, const char *name);
void sim_order_rename(struct sim *sim, struct directory *dir, const char *from, const char *to);

/* ---- plans: which undecided things an image takes -------------------------------------------- */

struct plan {
    struct sim *sim;
    enum sim_how how;
    uint64_t argument;
    uint64_t item;      /* number of the next item asked about */
    uint64_t base;      /* operations up to this number are taken; MIXED departs from it */
    uint64_t torn_op;   /* TORN: operation of which only some sectors arrived */
    uint64_t torn_left; /* TORN: how many of its sectors are still to be taken */
    /* MIXED: */
    uint64_t seed, odds; /* an item leaves the base with one chance in `odds` */
    uint64_t unit;       /* sectors that decide together */
    int tear_words;
    int rubbish; /* new space that was never written: 0 zeros, 1 rubbish, 2 other files' bytes */
};

int sim_plan_init(struct plan *plan, struct sim *sim, enum sim_how how, uint64_t argument); /* 0: out of range */
int sim_plan_name(struct plan *plan, const struct name_op *op);
int sim_plan_directory(struct plan *plan, const struct directory *dir); /* 1: as the cache has it */
uint64_t sim_plan_size(struct plan *plan, const struct inode *inode);
/* The version to take, NULL for the disk's content. *blend: mix the words of it with the next older. */
const struct version *sim_plan_sector(struct plan *plan, const struct inode *inode, uint64_t sector, int *blend);
void sim_plan_ops(struct sim *sim); /* fills sim->ops */
/* 1 when the file has, or may have after a power cut, a name; valid after sim_plan_ops. */
int sim_plan_counts(const struct inode *inode);

#endif
