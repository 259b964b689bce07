/* edit: one change of the manifest, a frame of kind 3 (format/frame.h). Integers and keys only,
 * never a path. Fields are optional; the first edit of a manifest file is complete.
 *
 *   edit   = { field }                field = | tag:1 | ... |
 *     1 store      identity:8 hash_a:8 hash_b:8 features:8 | key_codec:str | value_codec:str
 *     2 next       number:4                the lowest file number never used
 *     3 log        first:4 last_bound:4 into:4 | bound:str
 *                                          segments below `first` are dead; when into is not 0, records of
 *                                          segments first..last_bound with keys < bound already live in run `into`
 *     4 durable    lsn:8                   the log is known to be on the disk through lsn
 *     5 runs       count:varint { id:4 into:4 bound:str }
 *                                          all runs, newest first; into != 0: keys < bound of this run
 *                                          have moved to run `into`
 *     6 table      add: run:4 number:4 identity:8 bytes:8 records:8 tombstones:8 range_deletes:4 payload:8
 *                  expiring:8 lsn_min:8 lsn_max:8 hi_open:1 (0 or 1; 1: hi is empty)
 *                  | lo:str | hi:str | key_min:str | key_max:str
 *     7 drop       number:4                that table leaves the store
 *     8 closed     lsn:8                   the store was closed cleanly; its log ended at lsn
 *     9 count      space:4 live:8 lsn:8    number of live keys of a namespace at lsn; offset 64: in the tables alone, as
 *                                          of this edit. The fields of one edit are one count, the default namespace
 *                                          first, the others ascending: those not named have no keys
 *    16 facts      number:4 shadowed:8 written:8
 *                                          what is known of a table that this or an earlier edit adds: records that a newer
 *                                          run holds too or deletes, at most all; when it was written, ns since 1970
 *   codecs: printable ASCII, at most 1024 bytes (format/codec_name.h)
 *   str  = bytes:varint then that many bytes; varints in their shortest form, a str at most 65 541 bytes
 * The interval of a table is lo <= key < hi (hi_open: no upper end). Intervals of a run's tables, in the
 * order of lo, tile the key space the run covers. */
#ifndef LK_FORMAT_EDIT_H
#define LK_FORMAT_EDIT_H

#include "util/buf.h"

struct lk_table_meta {
    uint32_t run, number, range_deletes;
    uint64_t identity, bytes, records, tombstones, payload, lsn_min, lsn_max;
    uint64_t expiring; /* records with an expiry */
    uint64_t shadowed, written_ns; /* facts, as they were when the table was opened */
    uint8_t hi_open;
    struct lk_slice lo, hi, key_min, key_max; /* borrowed or owned as the holder says */
};

struct lk_run_meta {
    uint32_t id, into;
    struct lk_slice bound; /* meaningful when into != 0 */
};

/* Encoders append one field to *out. 0 or NOMEM. */
LK_MUST_CHECK int lk_edit_store(struct lk_buf *out, uint64_t identity, uint64_t hash_a, uint64_t hash_b,
                                uint64_t features, struct lk_slice key_codec, struct lk_slice value_codec);
LK_MUST_CHECK int lk_edit_next(struct lk_buf *out, uint32_t number);
LK_MUST_CHECK int lk_edit_log(struct lk_buf *out, uint32_t first, uint32_t last_bound, uint32_t into,
                              struct lk_slice bound);
LK_MUST_CHECK int lk_edit_durable(struct lk_buf *out, uint64_t lsn);
LK_MUST_CHECK int lk_edit_runs(struct lk_buf *out, const struct lk_run_meta *runs, uint32_t count);
LK_MUST_CHECK int lk_edit_table(struct lk_buf *out, const struct lk_table_meta *table);
LK_MUST_CHECK int lk_edit_drop(struct lk_buf *out, uint32_t number);
LK_MUST_CHECK int lk_edit_closed(struct lk_buf *out, uint64_t lsn);
LK_MUST_CHECK int lk_edit_count(struct lk_buf *out, uint32_t space, uint64_t live, uint64_t lsn);
LK_MUST_CHECK int lk_edit_facts(struct lk_buf *out, uint32_t number, uint64_t shadowed, uint64_t written_ns);

enum lk_edit_tag {
    LK_EDIT_STORE = 1,
    LK_EDIT_NEXT,
    LK_EDIT_LOG,
    LK_EDIT_DURABLE,
    LK_EDIT_RUNS,
    LK_EDIT_TABLE,
    LK_EDIT_DROP,
    LK_EDIT_CLOSED,
    LK_EDIT_COUNT,
    LK_EDIT_FACTS = 16
};

/* One decoded field; slices are borrowed from the edit's bytes. */
struct lk_edit_field {
    enum lk_edit_tag tag;
    union {
        struct {
            uint64_t identity, hash_a, hash_b, features;
            struct lk_slice key_codec, value_codec;
        } store;
        uint32_t next;
        struct {
            uint32_t first, last_bound, into;
            struct lk_slice bound;
        } log;
        uint64_t lsn; /* durable, closed */
        struct {
            const uint8_t *at, *end;
            uint32_t count;
        } runs; /* walk with lk_edit_next_run */
        struct lk_table_meta table;
        uint32_t drop;
        struct {
            uint32_t space;
            uint64_t live, lsn;
        } count;
        struct {
            uint32_t number;
            uint64_t shadowed, written_ns;
        } facts;
    };
};

/* Decode the field at `at`, trusting nothing. The byte after it; NULL when the bytes are no field
 * (unknown tags included). */
const uint8_t *lk_edit_get(const uint8_t *at, const uint8_t *end, struct lk_edit_field *out);
/* The next run of a decoded runs field, from runs.at on, runs.count times; cannot fail after lk_edit_get
 * accepted it. NULL at the end. */
const uint8_t *lk_edit_next_run(const uint8_t *at, const uint8_t *end, struct lk_run_meta *out);

/* CURRENT: one line of 29 bytes that names the live manifest.
 *
 *   | name, padded with spaces:20 | checksum of those 20, seed 0, as hex digits:8 | newline:1 |
 *
 *   "MANIFEST-000007     e47b06bb\n"
 *
 * put: nothing but the bytes. get: 0 or -1. */
enum { LK_CURRENT_BYTES = 29 };
void lk_current_put(char to[LK_CURRENT_BYTES], uint32_t number);
int lk_current_get(const char *from, size_t len, uint32_t *number);

/* File names, made of integers: LOCK  CURRENT  MANIFEST-000007  000012.log  000013.val  000014.tbl  000015.tmp, and any
 * of the numbered ones with .aside appended (set aside: the engine made it, does not use it, keeps it).
 * Numbers begin at 1, have at least six digits and no needless zeros, so one file has one name.
 *
 * put: the name of a file of that type, "" for NONE and ASIDE; number is ignored for LOCK and CURRENT.
 * name_aside: the same with .aside. get: LK_FILE_NONE (0) when the name is none of the engine's; *number
 * is 0 for LOCK and CURRENT. */
enum lk_file_type {
    LK_FILE_NONE = 0,
    LK_FILE_LOCK,
    LK_FILE_CURRENT,
    LK_FILE_MANIFEST,
    LK_FILE_LOG,
    LK_FILE_TABLE,
    LK_FILE_VALUES,
    LK_FILE_TEMP,
    LK_FILE_ASIDE
};
enum { LK_FILE_NAME = 24, LK_FILE_NAME_ASIDE = 32 };
void lk_file_name(char to[LK_FILE_NAME], enum lk_file_type type, uint32_t number);
void lk_file_name_aside(char to[LK_FILE_NAME_ASIDE], enum lk_file_type type, uint32_t number);
enum lk_file_type lk_file_name_get(const char *name, uint32_t *number);

#endif
