/* manifest: the durable account of which files are the store. CURRENT names the live MANIFEST-n; that is a
 * file head (format/frame.h) followed by edit frames (format/edit.h), the first of them complete.
 *
 *      make MANIFEST-8 -> sync -> directory -> CURRENT.tmp -> sync -> rename over CURRENT -> directory
 *
 * An edit is durable when lk_manifest_append returns 0. A failure there is sticky: whether the edit is on
 * the disk is then unknown, so nothing is removed and nothing further is written.
 *
 * Threads: one at a time, under the engine's work mutex. */
#ifndef LK_ENGINE_MANIFEST_H
#define LK_ENGINE_MANIFEST_H

#include <stdatomic.h>

#include "engine/tally.h"
#include "format/edit.h"
#include "os/env.h"
#include "util/hash.h"

struct lk_manifest {
    struct lk_env *env;
    struct lk_dir *dir;     /* borrowed */
    struct lk_file *file;   /* owned; NULL before create */
    uint64_t identity, end; /* of the file */
    uint64_t first_bytes;   /* size of its complete first edit: rewritten when end outgrows it */
    uint32_t number, mode;
    uint64_t edits;         /* appended since open */
    _Atomic uint64_t bytes; /* written since open; any thread may ask */
    _Atomic int failed;     /* sticky status; any thread may ask */
};

/* What replaying a manifest yields: plain values. Owned slices; lk_manifest_state_deinit. */
struct lk_manifest_state {
    uint64_t store, features;
    char *key_codec, *value_codec;    /* owned */
    struct lk_hash_seed seed;
    uint32_t manifest_number, next_number, log_first;
    uint64_t durable_lsn, closed_lsn; /* closed_lsn 0: not closed cleanly */
    struct lk_run_meta *runs;         /* owned, newest first */
    uint32_t run_count;
    struct lk_table_meta *tables;     /* owned, in no order */
    uint32_t table_count, table_cap;
    /* The newest count of live keys; of what is for lk_counted_recover to say. */
    struct lk_tally live;
    uint64_t counted_lsn;             /* 0: none */
    uint32_t counted_first;           /* log_first as it was with it */
    int ended_cleanly;                /* the last frame was whole: nothing torn behind it */
};

/* Read CURRENT and replay the manifest it names. NOTFOUND when there is no CURRENT. CORRUPT with file and
 * offset when a bad frame is followed by a good one; FORMAT; IO. */
LK_MUST_CHECK int lk_manifest_load(struct lk_env *env, struct lk_dir *dir, struct lk_manifest_state *state);
void lk_manifest_state_deinit(struct lk_manifest_state *state);

/* Make MANIFEST-number with `complete` as its first edit and point CURRENT at it; durable on 0. An older
 * manifest file that `manifest` had open is closed (and removed by the caller when it likes). */
LK_MUST_CHECK int lk_manifest_create(struct lk_manifest *manifest, uint32_t number, uint64_t store,
                                     const struct lk_buf *complete);
/* Append one edit and sync. Sticky on failure. */
LK_MUST_CHECK int lk_manifest_append(struct lk_manifest *manifest, const struct lk_buf *edit);
int lk_manifest_wants_rewrite(const struct lk_manifest *manifest); /* end > 1 MiB and > 4 x first_bytes */
void lk_manifest_close(struct lk_manifest *manifest);

#endif
