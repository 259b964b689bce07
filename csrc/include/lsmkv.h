/* lsmkv: an embedded, ordered, persistent key-value store. The one public header.
 *
 * Results.  Every call returns an int: zero is success, a positive status is an ordinary
 * negative answer ("not there", "would have to wait"), a negative one is a failure. The text
 * behind a failure is lsmkv_last_error(): per thread, valid until that thread's next failure.
 *
 * Ownership.  A slice is borrowed. What a `..._begin` call lends stays valid until the matching
 * `..._end` and not a moment longer. What a `..._new` or `..._open` call returns is owned.
 *
 * Waiting.  A `lsmkv_try_...` call touches memory only. It returns LSMKV_WOULDBLOCK, before any
 * side effect, whenever it would have to wait: for a lock, a file, a page that has not been
 * verified, a full memtable, a sync. The call of the same name without `try_` then does it.
 *
 * Short.  A call without `try_` may wait, but those that make or end a snapshot or an iterator touch memory
 * only and never wait for a file or for work that is going on.
 *
 * Threads.  Every call may be made from any thread. A batch or an iterator serves one thread at
 * a time. Nothing has thread affinity, and no call exits, prints or calls back unless it says so.
 *
 * Limits.  Keys of 0 to 65 535 bytes, values of 0 to 1 GiB, one atomic batch of up to 1.5 GiB. */
#ifndef LSMKV_H
#define LSMKV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LSMKV_API __attribute__((visibility("default")))
#define LSMKV_MUST_CHECK __attribute__((warn_unused_result))
#else
#define LSMKV_API
#define LSMKV_MUST_CHECK
#endif

#define LSMKV_VERSION "0.1.0"
#define LSMKV_KEY_MAX 65535u
#define LSMKV_VALUE_MAX (1u << 30)
#define LSMKV_BATCH_MAX (3u << 29)

/* ---- statuses ------------------------------------------------------------------------- */

#define LSMKV_STATUS_TABLE(X)                                                  \
    X(CONFLICT, 3, "what the write rests on has changed meanwhile")            \
    X(WOULDBLOCK, 2, "the call would have to wait")                            \
    X(NOTFOUND, 1, "the key is absent")                                        \
    X(OK, 0, "success")                                                        \
    X(NOMEM, -1, "memory ran out")                                             \
    X(IO, -2, "the file system reported an error")                             \
    X(FULL, -3, "no space is left for the store")                              \
    X(CORRUPT, -4, "stored bytes fail verification")                           \
    X(FORMAT, -5, "the files are not a store this build can read")             \
    X(LOCKED, -6, "another process writes to the store")                       \
    X(READONLY, -7, "the store was opened for reading only")                   \
    X(CLOSED, -8, "the store is closed")                                       \
    X(FORKED, -9, "the store was opened in the parent of this process")        \
    X(INVALID, -10, "an argument is out of bounds")                            \
    X(OPTIONS, -11, "an option is invalid or in conflict with an open handle") \
    X(ABSENT, -12, "there is no store at this path")                           \
    X(EXISTS, -13, "the path is taken by something that is not a store")       \
    X(BUSY, -14, "the object is in use by another thread")                     \
    X(FAILED, -15, "an earlier sync failed: the handle takes no more writes")  \
    X(CANCELLED, -16, "the operation was cancelled")                           \
    X(MISMATCH, -17, "the store was written with another codec")               \
    X(EXPIRED, -18, "the snapshot was given up: too much was kept for old ones")

enum lsmkv_status {
#define X(name, number, words) LSMKV_##name = number,
    LSMKV_STATUS_TABLE(X)
#undef X
};

/* Name and words of a status; "UNKNOWN" for a number that is none. Static storage. */
LSMKV_API const char *lsmkv_status_name(int status);
LSMKV_API const char *lsmkv_status_words(int status);

struct lsmkv_error {
    int status;
    int os_errno;       /* 0 when the system was not involved */
    int pid;            /* LSMKV_LOCKED: the holder, when known */
    int recoverable;    /* LSMKV_CORRUPT: other keys stay readable */
    uint64_t offset;    /* LSMKV_CORRUPT: where in the file */
    char file[64];      /* name inside the store's directory, or "" */
    char text[512];     /* what happened, where, in what state things are, what to do next */
};

/* The calling thread's latest failure. Never NULL. */
LSMKV_API const struct lsmkv_error *lsmkv_last_error(void);

/* ---- values passed -------------------------------------------------------------------- */

typedef struct lsmkv lsmkv;                   /* a handle on an open store */
typedef struct lsmkv_snapshot lsmkv_snapshot; /* a frozen state */
typedef struct lsmkv_iter lsmkv_iter;         /* a scan of a range at a snapshot */
typedef struct lsmkv_batch lsmkv_batch;       /* writes that are applied whole or not at all */
typedef struct lsmkv_txn lsmkv_txn;           /* reads and writes that take effect together, or not at all */

struct lsmkv_slice {
    const void *data; /* borrowed */
    size_t size;
};

struct lsmkv_pair {
    struct lsmkv_slice key, value;
};

/* Progress of a long call: done of about total, in bytes (lsmkv_count: in keys). Called without any lock of the
 * engine and without anything lsmkv_close waits for; a non-zero answer cancels (LSMKV_CANCELLED) and leaves the
 * store sound. It may close the store: the call then answers CLOSED. */
typedef int (*lsmkv_progress)(void *context, uint64_t done, uint64_t total);

/* ---- options -------------------------------------------------------------------------- */

enum lsmkv_durability {
    LSMKV_SYNC_NONE = 0,     /* no log: flush() is the checkpoint */
    LSMKV_SYNC_OS = 1,       /* survives a killed process, not a power cut */
    LSMKV_SYNC_INTERVAL = 2, /* a power cut loses at most the interval and one sync (default) */
    LSMKV_SYNC_ALWAYS = 3    /* acknowledged means on the disk */
};

enum lsmkv_open_flags {
    LSMKV_OPEN_READONLY = 1, /* no lock, no file is written */
    LSMKV_OPEN_CREATE = 2,   /* make the store when there is none */
    LSMKV_OPEN_ANEW = 4      /* remove an existing store first; needs CREATE */
};

enum lsmkv_source { LSMKV_SOURCE_AUTO = 0, LSMKV_SOURCE_MAPPED = 1, LSMKV_SOURCE_READ = 2 };

/* What is merged without being asked. A store may be opened with another policy than before. */
enum lsmkv_merge_policy {
    LSMKV_MERGE_DEFAULT = 0, /* by measured garbage, by what reads pay for runs, by their number */
    LSMKV_MERGE_LEVELED = 1, /* each run at least eight times the next newer one: fewest runs, most writing */
    LSMKV_MERGE_TIERED = 2,  /* only when there are more than run_count runs: least writing, most space */
    LSMKV_MERGE_FIFO = 3,    /* the oldest runs leave, with their data: fifo_bytes, fifo_age_ms */
    LSMKV_MERGE_NONE = 4     /* nothing before there are 48 runs */
};

/* How the pages of tables are packed. A store may hold tables of every kind; a table is read as it was written. */
enum lsmkv_compression {
    LSMKV_COMPRESSION_NONE = 0,
    LSMKV_COMPRESSION_AUTO =
        1, /* merged tables without older data below, by LZ4, where a sample shrinks by a quarter */
    LSMKV_COMPRESSION_LZ4 = 2,  /* every table */
    LSMKV_COMPRESSION_ZSTD = 3  /* every table: half the size of LZ4's, several times slower to read */
};

#define LSMKV_LARGE_NEVER UINT32_MAX

/* lsmkv_options_init fills in the defaults; a zero in a byte or count field means its default. */
struct lsmkv_options {
    size_t struct_bytes;       /* sizeof(struct lsmkv_options) of the caller's build */
    uint32_t flags;            /* enum lsmkv_open_flags */
    int durability;            /* enum lsmkv_durability */
    uint32_t sync_interval_ms; /* INTERVAL: from the first unsynced write; default 1000 */
    int threads; /* background threads: 2 (keeper, compactor; 1 means the same) or 0 (all work inline) */
    uint64_t segment_bytes; /* ceiling of a log segment; 4 KiB .. 1 GiB, default 32 MiB */
    uint64_t table_bytes; /* target of a table file; 512 B .. 64 MiB, default 64 MiB */
    uint32_t page_bytes; /* target of a page; 64 B .. 64 KiB, default 2 KiB */
    uint32_t l0_segments; /* sealed segments that trigger a flush; 1 .. 8, default 3 */
    uint32_t
        run_count; /* sorted runs above which some are merged; 1 .. 32, default 8. DEFAULT allows four times as many,
                           48 at most, while nobody scans and few get */
    int merge_policy; /* enum lsmkv_merge_policy */
    double space_limit; /* default, leveled: bytes in tables per byte that lives there; 1.05 .. 1000, default 1.25 */
    /* FIFO deletes data: what the oldest runs hold is gone when tables, with the values they refer to, are more than
     * fifo_bytes together, or when a run was written more than fifo_age_ms ago. 0: no limit; with FIFO one of them is
     * needed. The newest run is never too large. A run leaves as a whole: after lsmkv_compact that is everything. */
    uint64_t fifo_bytes, fifo_age_ms;
    /* Anonymous memory of the engine: what indexes the log, its order, tables under construction, the READ source. Pages of
     * files are the system's and not in it, nor is what a batch, a transaction or a copy of a value needs. Writers wait for
     * a flush rather than pass it. At least 4 MiB, default 44 MiB. */
    uint64_t memory_bytes;
    uint64_t
        cache_bytes; /* READ source: for table bytes, beside memory_bytes; at least 64 KiB; 0 (default): 3/8 of it */
    int log_source; /* enum lsmkv_source for the log; AUTO asks the file system */
    int table_source; /* enum lsmkv_source for tables */
    uint32_t mode; /* directory permissions at creation; default 0700 (files follow) */
    /* Values of so many bytes and more are written once, into files of their own that log and tables refer to; at least
     * 16, LSMKV_LARGE_NEVER (default): none are. May differ from open to open. */
    uint32_t large_value_bytes;
    /* Names of the codecs keys and values were encoded with by the caller; the engine orders bytes and only keeps
     * the names. NULL: whatever the store says ("bytes" when it is new). Another name than the store's is MISMATCH. */
    const char *key_codec, *value_codec; /* borrowed during the call */
    uint64_t ttl_ms; /* puts that name no expiry live so long; 0 (default): for ever. Per handle */
    /* The wall clock, in ns since 1970, that expiry goes by; NULL: the system's. Called from any thread, background
     * threads included; it must not block. wall_context must outlive the engine. */
    uint64_t (*wall_ns)(void *context);
    void *wall_context;
    uint64_t
        background_bytes_per_second; /* of tables, and values moved, by flushes and merges of the compactor; 0: no limit */
    uint64_t max_pinned_bytes; /* kept for readers alone; beyond it the oldest snapshot expires; 0: no limit */
    int compression; /* enum lsmkv_compression, of tables that are written from now on; default NONE */
};

LSMKV_API void lsmkv_options_init(struct lsmkv_options *options);

/* ---- open, close ---------------------------------------------------------------------- */

/* Open the store in directory `path`. The same process may open it again: both handles share one
 * engine, found by device and inode. options may be NULL. *out is NULL on failure.
 * Fails with ABSENT, EXISTS, LOCKED, FORMAT, CORRUPT, OPTIONS, IO, NOMEM.
 * Cost: linear in the number of files and in the bytes of log that no table holds yet. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_open(const char *path, const struct lsmkv_options *options, lsmkv **out);

/* Wait for calls in flight, make everything acknowledged durable, end the handle; the engine ends
 * with its last handle. Idempotent; every later call answers CLOSED. The handle's memory stays
 * until lsmkv_release, which closes first if need be and never reports. */
LSMKV_API int lsmkv_close(lsmkv *db);
LSMKV_API void lsmkv_release(lsmkv *db);
LSMKV_API int lsmkv_is_closed(const lsmkv *db);

/* The effective options of the engine behind the handle. */
LSMKV_API void lsmkv_get_options(const lsmkv *db, struct lsmkv_options *out);

/* The codec names in effect for the handle (of its namespace). Valid as long as the handle. */
LSMKV_API const char *lsmkv_key_codec(const lsmkv *db);
LSMKV_API const char *lsmkv_value_codec(const lsmkv *db);
/* The wall clock of the engine, ns since 1970. */
LSMKV_API uint64_t lsmkv_wall_ns(const lsmkv *db);

/* Remove every file of the store at `path`, then the directory. EXISTS when a stranger's file lies
 * in it (nothing is removed then), LOCKED when it is open anywhere. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_destroy(const char *path);

/* ---- write ---------------------------------------------------------------------------- */

/* sync: -1 as the store says, 0 not for this write, 1 for this write. lsn may be NULL.
 * INVALID for a key or value out of bounds; READONLY, CLOSED, FORKED, FAILED, FULL, IO, NOMEM. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_put(lsmkv *db, const void *key, size_t key_bytes, const void *value,
                                             size_t value_bytes, int sync, uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_put(lsmkv *db, const void *key, size_t key_bytes, const void *value,
                                         size_t value_bytes, int sync, uint64_t *lsn);
/* The same with an expiry: wall clock ns from which on the key is absent; LSMKV_EXPIRY_DEFAULT as the handle's
 * ttl_ms says, LSMKV_EXPIRY_NEVER. What has expired is as deleted, at once for readers and in the files after merges. */
#define LSMKV_EXPIRY_DEFAULT ((uint64_t)0)
#define LSMKV_EXPIRY_NEVER UINT64_MAX
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_put_until(lsmkv *db, const void *key, size_t key_bytes, const void *value,
                                                   size_t value_bytes, uint64_t expiry_ns, int sync, uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_put_until(lsmkv *db, const void *key, size_t key_bytes, const void *value,
                                               size_t value_bytes, uint64_t expiry_ns, int sync, uint64_t *lsn);
/* Conditional writes: only if nobody has written the key since `seen` (struct lsmkv_read and struct lsmkv_answer
 * tell it). CONFLICT: somebody has, or it can no longer be told, and nothing was written: read again. One such write
 * is atomic against every other writer; compare-and-set, pop, increment and the like are a read, a thought and one. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_put_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes,
                                                const void *value, size_t value_bytes, uint64_t expiry_ns, int sync,
                                                uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_put_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes,
                                            const void *value, size_t value_bytes, uint64_t expiry_ns, int sync,
                                            uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_delete_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes,
                                                   int sync, uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_delete_if(lsmkv *db, uint64_t seen, const void *key, size_t key_bytes, int sync,
                                               uint64_t *lsn);
/* Blind: writes a tombstone whether or not the key is there. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_delete(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_delete(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn);
/* Deletes only what is there: NOTFOUND (and nothing written) when the key is absent. One
 * conditional write: atomic against every other writer. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_remove(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_remove(lsmkv *db, const void *key, size_t key_bytes, int sync, uint64_t *lsn);
/* Delete start <= key < stop. stop NULL: to the end of the key space. One record, whatever it covers. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_delete_range(lsmkv *db, const struct lsmkv_slice *start,
                                                  const struct lsmkv_slice *stop, int sync, uint64_t *lsn);

/* A batch copies what it is given. add calls: 0, INVALID, NOMEM. write empties nothing: the caller
 * may write a batch again or reset it. An empty batch writes nothing and succeeds. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_batch_new(lsmkv_batch **out);
LSMKV_API void lsmkv_batch_free(lsmkv_batch *batch);
LSMKV_API void lsmkv_batch_reset(lsmkv_batch *batch); /* empties, keeps memory */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_batch_put(lsmkv_batch *batch, const void *key, size_t key_bytes, const void *value,
                                               size_t value_bytes);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_batch_put_until(lsmkv_batch *batch, const void *key, size_t key_bytes,
                                                     const void *value, size_t value_bytes, uint64_t expiry_ns);
/* What is added from now on goes through `db`: into its namespace, with its default time to live. A batch that used
 * none has the default namespace and no time to live. All handles of one batch belong to one store (INVALID), and must
 * still be open when it is written (CLOSED). Keeps `db` in memory until the batch is reset or freed. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_batch_use(lsmkv_batch *batch, lsmkv *db);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_batch_delete(lsmkv_batch *batch, const void *key, size_t key_bytes);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_batch_delete_range(lsmkv_batch *batch, const struct lsmkv_slice *start,
                                                        const struct lsmkv_slice *stop);
LSMKV_API size_t lsmkv_batch_count(const lsmkv_batch *batch);
LSMKV_API size_t lsmkv_batch_bytes(const lsmkv_batch *batch);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_write(lsmkv *db, const lsmkv_batch *batch, int sync, uint64_t *lsn);

/* Everything acknowledged so far is on the disk when this returns 0. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_sync(lsmkv *db);

/* ---- read ----------------------------------------------------------------------------- */

/* A value lent in place, or the key's existence when the caller ignores the value. */
struct lsmkv_read {
    struct lsmkv_slice value; /* borrowed until lsmkv_read_end */
    uint64_t expiry_ns; /* LSMKV_EXPIRY_NEVER when it has none */
    uint64_t seen; /* the LSN at which the answer held, for conditional writes; set for NOTFOUND as well */
    void *hold; /* the engine's */
};

/* Memory only. 0: read->value is lent and lsmkv_read_end must follow soon: between the two the
 * caller neither blocks nor calls into the store. NOTFOUND, WOULDBLOCK and failures lend nothing.
 * snapshot NULL: the present. Cost: two dependent cache misses, however many tables there are. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_read_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key,
                                                size_t key_bytes, struct lsmkv_read *read);
LSMKV_API void lsmkv_read_end(struct lsmkv_read *read);

/* May wait for files. *value is owned by the caller and given back with lsmkv_free; NULL unless 0. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_get(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key, size_t key_bytes,
                                         void **value, size_t *value_bytes);
/* The same with what else is known of the record. *out is zero but for `seen` unless 0. */
struct lsmkv_answer {
    void *value; /* owned: lsmkv_free */
    size_t value_bytes;
    uint64_t expiry_ns, seen; /* as in struct lsmkv_read */
};
LSMKV_MUST_CHECK LSMKV_API int lsmkv_get_answer(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key,
                                                size_t key_bytes, struct lsmkv_answer *out);
/* A value lent without a copy for as long as the caller likes: it stays what and where it is through merges, closing
 * and the end of the handle, until lsmkv_view_end; it pins what holds it, on the disk too. The bytes are verified.
 * May wait for files. Values of tables that are read and not mapped, and records of the log of another process, are
 * private copies. */
typedef struct lsmkv_view lsmkv_view;
LSMKV_MUST_CHECK LSMKV_API int lsmkv_view_begin(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key,
                                                size_t key_bytes, struct lsmkv_slice *value, lsmkv_view **out);
LSMKV_API void lsmkv_view_end(lsmkv_view *view);
/* 0 or NOTFOUND. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_exists(lsmkv *db, const lsmkv_snapshot *snapshot, const void *key,
                                            size_t key_bytes);
LSMKV_API void lsmkv_free(void *owned);

/* Up to LSMKV_READ_MANY keys with their cache misses in flight together. results[i] is 0, NOTFOUND,
 * WOULDBLOCK (ask for that key with lsmkv_get) or a failure; values[i] is lent where it is 0. One
 * lsmkv_read_end ends them all. The call itself fails only with CLOSED, FORKED or what a transaction's snapshot
 * refuses with, or answers WOULDBLOCK. */
#define LSMKV_READ_MANY 16
LSMKV_MUST_CHECK LSMKV_API int lsmkv_read_many_begin(lsmkv *db, const lsmkv_snapshot *snapshot,
                                                     const struct lsmkv_slice *keys, size_t count,
                                                     struct lsmkv_slice *values, int *results, struct lsmkv_read *read);

/* A snapshot pins what it sees until it is closed, or until it expires (options.max_pinned_bytes): reads then answer
 * EXPIRED, while iterators and views made from it go on. It may outlive the handle's close: reads then
 * answer CLOSED. free: any time, any thread; also ends it. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_snapshot_new(lsmkv *db, lsmkv_snapshot **out);
LSMKV_API void lsmkv_snapshot_free(lsmkv_snapshot *snapshot);
LSMKV_API uint64_t lsmkv_snapshot_lsn(const lsmkv_snapshot *snapshot);
LSMKV_API uint64_t lsmkv_snapshot_taken_ns(const lsmkv_snapshot *snapshot); /* monotonic clock */

/* ---- scan ----------------------------------------------------------------------------- */

struct lsmkv_range {
    struct lsmkv_slice start, stop;
    int has_start, has_stop; /* 0: unbounded on that side */
    int exclude_start, include_stop; /* both 0: start <= key < stop */
    int reverse;
    int keys_only; /* values are lent as empty: what they are is not looked at */
};

/* A scan of `range` (NULL: everything) at `snapshot` (NULL: the present, pinned now). Copies the
 * bounds. Does no file access: the first fill does. May outlive the handle's close: fills then
 * answer CLOSED. BUSY when two threads use it at once. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_iter_new(lsmkv *db, const lsmkv_snapshot *snapshot,
                                              const struct lsmkv_range *range, lsmkv_iter **out);
LSMKV_API void lsmkv_iter_free(lsmkv_iter *iter);

/* The next pairs in order, at most `most` of them and not many more than `most_bytes` of payload
 * (at least one pair). 0 with *count > 0: pairs[] is lent until lsmkv_iter_end. NOTFOUND: the scan
 * is over. A failure is latched: every later fill repeats it. `try` answers WOULDBLOCK instead of
 * reading files; the plain call copies into memory of the iterator and never answers WOULDBLOCK. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_iter_begin(lsmkv_iter *iter, size_t most, size_t most_bytes,
                                                    struct lsmkv_pair *pairs, size_t *count);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_iter_begin(lsmkv_iter *iter, size_t most, size_t most_bytes,
                                                struct lsmkv_pair *pairs, size_t *count);
LSMKV_API void lsmkv_iter_end(lsmkv_iter *iter);

/* ---- count ---------------------------------------------------------------------------- */

/* The exact number of keys of the handle's namespace at `snapshot` (NULL: the present). The store keeps a count in
 * the manifest once it was asked for: what was written since is resolved, and nothing else is looked at; a store
 * that holds records with an expiry is walked over. try: when hardly any work is needed. `progress` as for compaction,
 * and more often. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_try_count(lsmkv *db, const lsmkv_snapshot *snapshot, uint64_t *out);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_count(lsmkv *db, const lsmkv_snapshot *snapshot, lsmkv_progress progress,
                                           void *context, uint64_t *out);

/* ---- transactions --------------------------------------------------------------------- */

/* Optimistic and serializable. Begins at the present; nothing is locked. lsmkv_txn_snapshot is to be passed to the
 * read calls and to lsmkv_iter_new: they see the transaction's own writes over the state of its beginning, and what
 * they looked at is remembered (keys, and ranges as far as they were walked). Borrowed: it lives as long as the
 * transaction. A transaction serves one thread at a time (BUSY otherwise), its iterators see the writes that were
 * there when they began. When it is over they and its snapshot answer INVALID.
 *
 * commit: 0 and everything takes effect at once, in one frame; CONFLICT when something that was looked at has been
 * changed by somebody else, and nothing takes effect. Either way the transaction is over: free it. Blind writes never
 * conflict, and what the transaction's own writes answer is not remembered when a key is looked up; a range that is
 * walked is remembered whole. Conflicts are found after merges and flushes too: by the log while it is there, else by
 * comparing values, and when others write so much that the commit cannot catch up, that is a conflict too.
 * Writes go through a handle of the same store (its namespace, its time to live), which must still be open at the
 * commit (CLOSED). Cost: a put is a copy into private memory;
 * a commit is one batch and a look at each key that was read. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_new(lsmkv *db, lsmkv_txn **out);
LSMKV_API void lsmkv_txn_free(lsmkv_txn *txn);
LSMKV_API const lsmkv_snapshot *lsmkv_txn_snapshot(const lsmkv_txn *txn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_put(lsmkv_txn *txn, lsmkv *db, const void *key, size_t key_bytes,
                                             const void *value, size_t value_bytes, uint64_t expiry_ns);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_delete(lsmkv_txn *txn, lsmkv *db, const void *key, size_t key_bytes);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_delete_range(lsmkv_txn *txn, lsmkv *db, const struct lsmkv_slice *start,
                                                      const struct lsmkv_slice *stop);
/* Everything in the batch, in its order; the batch stays as it is. After NOMEM the transaction may hold a part of it:
 * undo to a savepoint, or free the transaction. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_write(lsmkv_txn *txn, const lsmkv_batch *batch);
/* Savepoints nest: begin, then either keep (the writes stay part of the transaction) or undo (as if they had not been made; what
 * was read stays remembered). INVALID when there is none. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_save(lsmkv_txn *txn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_keep(lsmkv_txn *txn);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_undo(lsmkv_txn *txn);
LSMKV_API size_t lsmkv_txn_writes(const lsmkv_txn *txn); /* records to be written */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_txn_commit(lsmkv_txn *txn, int sync, uint64_t *lsn);

/* ---- namespaces ----------------------------------------------------------------------- */

/* A namespace is a key space of its own in the same store, with its own codec names and time to live. Batches,
 * snapshots and transactions reach across. *out is a handle like any other: every call that takes keys works in the
 * namespace; flush, stats and the like are the store's. It keeps the engine open until it is closed. */
struct lsmkv_namespace_options {
    size_t struct_bytes;
    const char *key_codec, *value_codec; /* NULL: as stored, "bytes" when new; another than stored: MISMATCH */
    uint64_t ttl_ms; /* at creation: stored with it; 0: for ever */
    int create; /* make it when it is not there; else NOTFOUND */
};
#define LSMKV_NAME_MAX 255u
LSMKV_MUST_CHECK LSMKV_API int lsmkv_namespace_open(lsmkv *db, const char *name, size_t name_bytes,
                                                    const struct lsmkv_namespace_options *options, lsmkv **out);
/* One atomic batch: a range delete and the name. Handles on it, in this process, are closed first. NOTFOUND. The space
 * comes back when runs are merged. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_namespace_drop(lsmkv *db, const char *name, size_t name_bytes, int sync);

struct lsmkv_namespace_info {
    struct lsmkv_slice name; /* owned by the listing, like the strings */
    const char *key_codec, *value_codec;
    uint64_t ttl_ms;
    uint32_t id; /* never used again */
};
LSMKV_MUST_CHECK LSMKV_API int lsmkv_namespaces(lsmkv *db, struct lsmkv_namespace_info **out, size_t *count);
LSMKV_API void lsmkv_namespaces_free(struct lsmkv_namespace_info *list, size_t count);

/* ---- key codecs ----------------------------------------------------------------------- */

/* Keys that are not bytes, as bytes in the same order. The engine orders bytes and knows nothing of this. The name says it
 * all; docs/format.md has the bytes:
 *
 *   bytes str i64 u64 f64 bool uuid datetime     one element; plain bytes and str are stored as they are
 *   (a,b,...)                                    a tuple of one or more, compared from the left
 *   desc(x)                                      x in descending order
 *
 * "(str,desc(datetime),i64)" has four fields in this order: the tuple, then its three elements. A key is written and read
 * field by field; a tuple takes no bytes itself. A codec never changes: any thread may use it. Nothing here waits. */
typedef struct lsmkv_codec lsmkv_codec;
#define LSMKV_CODEC_NAME_MAX 1024u /* bytes of a name */
#define LSMKV_CODEC_FIELDS_MAX 64u /* elements and tuples */
#define LSMKV_CODEC_DEPTH_MAX 8u /* parentheses in parentheses */

enum lsmkv_field_type {
    LSMKV_FIELD_TUPLE = 1,
    LSMKV_FIELD_BYTES,
    LSMKV_FIELD_STR,
    LSMKV_FIELD_I64,
    LSMKV_FIELD_U64,
    LSMKV_FIELD_F64,
    LSMKV_FIELD_BOOL,
    LSMKV_FIELD_UUID,
    LSMKV_FIELD_DATETIME
};

union lsmkv_element {
    struct lsmkv_slice bytes; /* BYTES; STR: valid UTF-8; UUID: its 16 bytes */
    int64_t i64; /* I64; DATETIME: microseconds since 1970 UTC, of the years 1 to 9999 */
    uint64_t u64; /* U64; BOOL: 0 or 1 */
    double f64; /* no NaN; -0.0 is 0.0 */
};

/* The name may have spaces between its parts; lsmkv_codec_name is without. INVALID says what is wrong and where; NOMEM. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_codec_new(const char *name, size_t name_bytes, lsmkv_codec **out);
LSMKV_API void lsmkv_codec_free(lsmkv_codec *codec);
LSMKV_API const char *lsmkv_codec_name(const lsmkv_codec *codec);

/* Number of fields; the type of one (0: there is no such field); of how many fields a tuple directly consists (else 0). */
LSMKV_API size_t lsmkv_codec_fields(const lsmkv_codec *codec);
LSMKV_API int lsmkv_codec_field(const lsmkv_codec *codec, size_t field, size_t *of);

/* Write `field` to key[*at] and move *at behind it. Beginning at field 0 and *at 0, all fields in order make a key; the
 * first few of them make what all keys with these values begin with. INVALID, and nothing written: the element is out of
 * bounds, or does not fit into `room`. 2 * bytes.size + 16 is always enough for one. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_codec_put(const lsmkv_codec *codec, size_t field,
                                               const union lsmkv_element *element, void *key, size_t room, size_t *at);
/* Read `field` from key[*at] and move *at behind it. A slice in *out points into the key or into `scratch`, which has
 * room for key_bytes - *at bytes. INVALID when no call of lsmkv_codec_put has written these bytes, or when bytes are left
 * behind the last field. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_codec_get(const lsmkv_codec *codec, size_t field, const void *key,
                                               size_t key_bytes, size_t *at, void *scratch, union lsmkv_element *out);

/* ---- upkeep --------------------------------------------------------------------------- */

/* Turn the memtable and all sealed segments into a table run. Returns once that is durable. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_flush(lsmkv *db);
/* Flush, then merge runs until one is left. With start or stop: until what lies in start <= key < stop is in the oldest
 * run, and only tables whose interval meets the range are written. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_compact(lsmkv *db, const struct lsmkv_slice *start, const struct lsmkv_slice *stop,
                                             lsmkv_progress progress, void *context);

/* What one unit of background work did. */
struct lsmkv_step {
    char what[32]; /* "flush step", "merge step", "slice step", "range step", "move step", "drop runs", "scan view" */
    char why[160]; /* the planner's reason, with its numbers */
    uint64_t bytes_in, bytes_out, records_in, records_out, nanoseconds;
};

/* Run one ready job in the caller's thread. NOTFOUND: there is none. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_step(lsmkv *db, struct lsmkv_step *did);
/* Number of jobs ready to run. */
LSMKV_API uint32_t lsmkv_pending(lsmkv *db);

/* No merges from here on, and no runs dropped; flushes go on, and so do merges that are asked for (lsmkv_compact). One
 * that is under way ends with its present table and goes on later. Pauses of all handles are counted; those of a
 * handle end with it. A pause that lasts lets runs pile up. resume: INVALID when this handle has paused nothing. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_pause(lsmkv *db);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_resume(lsmkv *db);

/* Read and verify every byte of every file of the open store's newest state; the first damage fails
 * with CORRUPT. found, when given, is called once for each damaged place, and then verification goes
 * on to the end. Of value segments the head and what the newest state refers to is read: garbage, and what only older
 * readers see, is not. It is what value_file_bytes of the stats has beyond value_live_bytes, and 64 bytes a file. */
typedef void (*lsmkv_found)(void *context, const struct lsmkv_error *damage);
LSMKV_MUST_CHECK LSMKV_API int lsmkv_verify(lsmkv *db, lsmkv_found found, lsmkv_progress progress, void *context);

/* ---- inspect -------------------------------------------------------------------------- */

/* What a write may wait for, each with what is counted of it: how often, how long altogether, and the longest once. */
#define LSMKV_STALL_TABLE(X)                                                            \
    X(pacing, "a pause of less than a millisecond, so that flushes and merges keep up") \
    X(memtable, "L0 was full: a flush had to come first")                               \
    X(segment, "no spare log segment was ready: the writer made one")                   \
    X(prefault, "the pages of the log were not ready: the writer prefaulted some")      \
    X(lock, "another thread had the writer lock")                                       \
    X(sync, "a sync, of this write or of one before it")

struct lsmkv_stats {
    uint64_t lsn_visible, lsn_durable; /* segment number << 32 | offset */
    uint64_t puts, deletes, range_deletes, gets, gets_missed, scans; /* calls since open, this engine */
    uint64_t leaps; /* of scans, over deleted and expired keys that an earlier one has met */
    uint64_t memtable_bytes, memtable_keys; /* active segment */
    uint64_t sealed_segments, sealed_bytes; /* L0 */
    uint64_t runs, tables, table_bytes, table_records, table_tombstones;
    uint64_t value_files, value_file_bytes, value_live_bytes; /* large values; live: what is referred to */
    uint64_t value_bytes, value_moved_bytes; /* bytes written to value segments: by writers, by flushes and merges */
    uint64_t user_bytes; /* keys and values accepted */
    uint64_t log_bytes, flush_bytes, merge_bytes, manifest_bytes, recovery_bytes; /* written, by cause */
    uint64_t read_bytes; /* read from table files */
    uint64_t syncs;
    uint64_t stalls, stall_ns; /* waits of writers that they did not ask for: of every cause but sync */
#define X(cause, words) uint64_t stall_##cause, stall_##cause##_ns, stall_##cause##_longest_ns;
    LSMKV_STALL_TABLE(X)
#undef X
    uint64_t limited_ns; /* background work slept, to keep to background_bytes_per_second */
    uint64_t anonymous_bytes; /* lines, order, views, buffers, read source: what the engine counts of its own */
    /* Of the whole process, as the system counts: memory of its own, and pages of files that it maps. 0: not known. */
    uint64_t resident_anonymous_bytes, resident_file_bytes;
    uint64_t live_snapshots, live_iterators, expired_snapshots;
    /* Of files and memory kept only for snapshots, iterators, transactions and views; what a flush or merge has just
     * replaced counts until the background gives it back, moments later. */
    uint64_t pinned_bytes;
    uint64_t recovered_bytes, recovered_records; /* replayed at open */
    int clean_open, failed; /* failed: a sync failed, no more writes */
};

LSMKV_MUST_CHECK LSMKV_API int lsmkv_get_stats(lsmkv *db, struct lsmkv_stats *out);

enum lsmkv_level_kind {
    LSMKV_LEVEL_MEMTABLE = 0,
    LSMKV_LEVEL_SEGMENT = 1,
    LSMKV_LEVEL_TABLE = 2,
    LSMKV_LEVEL_VALUES = 3
};

/* One place where records live, newest first, and after them the value segments, which hold what records refer to;
 * `run` groups tables (1 newest), 0 for the others. */
struct lsmkv_level {
    int kind;
    uint32_t run, number; /* file number: 000012.log, 000014.tbl, 000013.val */
    uint64_t bytes, records, tombstones, range_deletes;
    uint64_t lsn_min, lsn_max;
    /* As stored: keys of namespaces, and those that begin with FF, with their prefix. Owned by the listing. */
    struct lsmkv_slice key_min, key_max;
    /* Of tables: how pages are packed ("raw", "lz4", "zstd"; static storage; "" for others), bytes of all records, and
     * of the pages that hold them. */
    const char *codec;
    uint64_t record_bytes, stored_bytes;
    const char *layout; /* of the index: "lines", or in a table of small records "filter"; "" for value segments */
    /* Bytes of value segments: those that its records refer to; of a value segment those that any record refers to. What
     * it has beyond that is garbage, or kept for older readers. */
    uint64_t value_bytes;
};

/* A listing of the present version; lsmkv_levels_free gives it back. No file access. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_get_levels(lsmkv *db, struct lsmkv_level **out, size_t *count);
LSMKV_API void lsmkv_levels_free(struct lsmkv_level *levels, size_t count);

/* One thing the engine did. Kept in a bounded ring; old ones are overwritten. */
struct lsmkv_event {
    uint64_t number; /* counts up for ever */
    uint64_t at_ns; /* wall clock */
    char what[32], detail[224];
};

/* Copy up to `most` events with number >= from, oldest first. */
LSMKV_MUST_CHECK LSMKV_API int lsmkv_get_events(lsmkv *db, uint64_t from, struct lsmkv_event *out, size_t most,
                                                size_t *count);

/* How one get went: every place that was asked, newest first. */
struct lsmkv_probe {
    int kind; /* enum lsmkv_level_kind */
    uint32_t run, number;
    int verdict; /* 0 not in its range, 1 line says no, 2 tag matched another key, 3 value, 4 tombstone,
                              5 covered by a range delete, 6 bytes not verified yet, 7 expired,
                              8 filter says no, 9 the filter let another key pass */
    uint32_t lines, records; /* cache lines of the index read; records compared */
    uint32_t pages, unpacked; /* packed pages that were unpacked, as far as needed; bytes that came out */
    const char *layout; /* of the index, as in a level; static storage */
};
LSMKV_MUST_CHECK LSMKV_API int lsmkv_explain(lsmkv *db, const void *key, size_t key_bytes, struct lsmkv_probe *out,
                                             size_t most, size_t *count, int *found);

/* "mapped", "read"; which checksum and compression libraries this build has. Static storage. */
LSMKV_API const char *lsmkv_feature(const char *name);

#ifdef __cplusplus
}
#endif
#endif
