/* db: what an open engine is. Only the struct; every verb has a file of its own:
 *
 *   open.c registry.c recovery.c   from a path to a running engine and back
 *   write.c commit.c rotate.c      frame, index, publish; group commit; the next segment
 *   spare.c pace.c                 the segment after that; how fast writers may write
 *   read.c scan.c snapshot.c       one key; a range; a frozen state
 *   scan_leap.c                    a range of deleted keys is walked once
 *   apart.c                        large values: into value segments, and whether they are there
 *   namespace.c                    key spaces of their own: made, opened, dropped
 *   transaction.c reads.c conflict.c   a private version; what it looked at; whether that still stands
 *   flush.c compaction.c drop_runs.c   L0 into a run; runs into one; the oldest runs out of the store
 *   planner.c policy.c shape.c     which of these, and why; from which facts
 *   shadow.c                       how much of the older runs is garbage
 *   collect.c move_value.c planner_values.c   garbage in value segments: how much, what to do, moving what is not
 *   count.c counted.c layer.c      how many keys there are; a count that follows the present
 *   background.c keeper.c wake.c   who does it, and when
 *   leave.c pin.c                  what a reader was the last to hold; snapshots that hold too much
 *   stall.c rate.c                 what writers waited for; how fast background work may write
 *   install.c                      manifest edit, then the new version
 *   inspect.c events.c             what can be seen from outside
 *
 * Locks, in the order in which they may be taken: namespace_mutex > work_mutex > counted.mutex > write_mutex >
 * sync_mutex > state_mutex; those of `values` come after write_mutex, and are held with none after it. None is waited for by a thread that holds the interpreter lock, and none but the first two
 * is held across
 * file access other than the log's own. */
#ifndef LK_ENGINE_DB_H
#define LK_ENGINE_DB_H

#include "engine/budget.h"
#include "engine/counted.h"
#include "engine/manifest.h"
#include "engine/version.h"
#include "os/thread.h"
#include "store/epoch.h"
#include "store/gaps.h"
#include "store/values.h"

enum { LK_EVENTS = 256 };

enum lk_stall_cause {
#define X(cause, words) LK_STALL_##cause,
    LSMKV_STALL_TABLE(X)
#undef X
        LK_STALL_CAUSES
};

struct lk_stalls {
    _Atomic uint64_t count, ns, longest_ns;
};

struct lk_counters { /* relaxed; any thread */
    _Atomic uint64_t puts, deletes, range_deletes, scans, leaps; /* gets are counted in the epoch slots */
    _Atomic uint64_t user_bytes, log_bytes, flush_bytes, merge_bytes, recovery_bytes;
    _Atomic uint64_t syncs;
    struct lk_stalls stalls[LK_STALL_CAUSES]; /* engine/stall.h */
    _Atomic uint64_t limited_ns;              /* background work slept, engine/rate.h */
    _Atomic uint64_t live_snapshots, live_iterators, expired_snapshots, recovered_bytes, recovered_records;
};

struct lk_db {
    /* Constant after open: any thread, no lock. */
    struct lk_env *env;
    struct lk_dir *dir;             /* owned */
    struct lk_file *lock;           /* owned; NULL when read-only */
    struct lsmkv_options options;
    struct lk_budget budget;
    uint64_t memory_limit;          /* of the machine or of the control group, in bytes */
    uint64_t segment_most;          /* segment_bytes, or less where a log is anonymous memory */
    struct lk_hash_seed seed;
    uint64_t store;                 /* identity */
    char *key_codec, *value_codec;  /* owned; options names these too */
    uint64_t id[2];                 /* device, inode: the registry's key */
    char *path;                     /* owned, for messages */
    uint32_t fork_generation;
    enum lk_segment_kind segment_kind;
    int map_tables, readonly, clean_open;
    uint32_t gap_least;          /* LK_GAP_LEAST: dead keys in a row that are worth telling of; tests ask for fewer */

    /* Published with release, read with acquire inside an epoch slot. */
    struct lk_epochs epochs;
    _Atomic(struct lk_version *) version; /* shared: replaced by install.c, retired through the epochs */
    _Atomic uint64_t lsn_visible;

    /* The writer's: only under write_mutex. */
    struct lk_mutex write_mutex;
    struct lk_memtable *active;     /* borrowed from the version */
    uint64_t lsn_appended;          /* end of the newest frame */
    uint64_t lsn_sync_wanted;       /* end of the newest frame that must be synced before it is visible */
    uint64_t lsn_marked;            /* newest LSN a sync mark in the log names */
    uint64_t segment_bytes_next;    /* capacity of the next ordinary segment */
    uint32_t record_bytes_average;  /* sizes the lines of the next segment */
    uint64_t pace_credit;           /* bytes that have been paid for; engine/pace.h */
    uint64_t pace_since_ns;         /* when some were bought last */
    struct lk_memtable *void_spare; /* owned: came too late for its number; freed after the mutex is given back */
    int rotated;                    /* the background is to be told, after the mutex is given back */
    uint32_t batch_keys_factor;     /* more lines for the next segment, after a batch did not fit */
    struct lk_gaps gaps;             /* where nothing lives; readers try the mutex for it (engine/scan_leap.c) */
    _Atomic uint32_t pace_space;    /* space debt in thousandths, as engine/pace.h counts; set by background.c */
    _Atomic uint64_t pace_unit;     /* ns that a KiB of log costs a flush; 0: not known yet; set by background.c */

    /* Group commit: under sync_mutex; the leader syncs with it released. */
    struct lk_mutex sync_mutex;
    struct lk_cond sync_done;
    int syncing;
    _Atomic uint64_t lsn_durable;
    _Atomic int failed;             /* sticky status of a failed sync */
    struct lsmkv_error failure;     /* its text */
    _Atomic uint64_t last_sync_ns;          /* when the newest sync began (threads=0: asked on each write) */
    _Atomic int unsettled;          /* recovered segments not yet rewritten: before any claim of durability */
    uint64_t lsn_recovered;         /* constant: proven durable at open */
    uint64_t lsn_settled;           /* constant: durable once the recovered segments have been rewritten */

    /* Background work: one job at a time, under work_mutex (held across file access). */
    struct lk_mutex work_mutex;
    struct lk_manifest manifest;
    struct lk_cache cache;
    uint32_t run_id_next;
    struct lk_counted counted;      /* the number of live keys: under its own mutex */
    struct lk_values values;        /* value segments: has mutexes of its own */
    uint64_t rate_free_ns;          /* when what background work wrote is paid for; engine/rate.h */
    int work_limited;               /* who holds work_mutex is the compactor */
    _Atomic uint32_t hurry;         /* callers that wait for work_mutex; any thread */

    struct lk_mutex namespace_mutex; /* making and dropping namespaces: one at a time */

    /* Small things many touch: under state_mutex, held for a few loads and stores. */
    struct lk_mutex state_mutex;
    struct lk_cond state_changed;   /* work appeared, a job ended, the engine closes */
    _Atomic uint32_t number_next;   /* next file number */
    _Atomic(struct lk_memtable *)
        spare; /* owned reference; made by the keeper, its file's name durable (engine/spare.h) */
    int spare_making; /* the keeper makes one just now */
    uint64_t work_generation; /* rises with every wake */
    struct lk_version *left; /* owned: let go by their last reader, for the keeper to free (engine/leave.h) */
    struct lk_left_file *left_files; /* owned: opened by readers that have ended, for the keeper to close; the same */
    uint64_t inline_seen; /* threads=0: the generation that was looked at last */
    _Atomic int closing; /* background work stops within 100 ms */
    struct lk_thread *keeper, *compactor;
    _Atomic int keeping; /* the keeper is at work */
    _Atomic uint32_t scans_since_seal;
    _Atomic uint64_t scans_at_merge, gets_at_merge; /* how many there had been when a merge last ended */
    _Atomic uint64_t quiet_lsn,
        quiet_since_ns; /* where the log ended when the planner last looked; since when it does */
    _Atomic uint32_t pauses;        /* callers that want no merges now */
    uint32_t handles;               /* open handles; registry.c's, under the registry mutex */
    struct lsmkv *namespaces;       /* borrowed: those of them that are on a namespace; the same */
    int dying;                      /* its last handle is being closed; the same */
    _Atomic uint32_t references;    /* handles not released, snapshots, scans: the struct's memory */
    struct lk_db *registry_next;

    _Atomic uint64_t pinned_bytes;  /* of files and memory in no version any more, kept by readers; any thread */
    _Atomic(struct lk_pin *) pins_new; /* owned: snapshots that may expire, pushed by their makers (engine/pin.h) */
    _Atomic uint32_t pins_ended;
    struct lk_mutex pin_mutex;      /* taken under no other lock; its holders wait for nothing but event_mutex */
    struct lk_pin *pins;            /* owned: the rest of them, under it */

    struct lk_counters counters;
    struct lk_mutex event_mutex;
    struct lsmkv_event events[LK_EVENTS];
    uint64_t event_count;
};

#endif
