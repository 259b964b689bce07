/* table_build: a table under construction, as table_writer.c fills and table_finish.c ends it. Nobody
 * else includes this.
 *
 * Of each page only what a fence needs is kept: its offset, how many bytes its first key shares with
 * the table's first key, and the eight bytes after those. Keys ascend, so what a key shares with the
 * first one can only shrink; the table's common prefix is therefore no longer than what any page's first
 * key shares, and every fence head is found again in these two parts:
 *
 *   key_min  user:0001:name        page's key  user:0417:mail     shared 6, next eight "417:mail"
 *   key_max  user:9999:name        prefix "user:" (5)             fence head "0417:mai" */
#ifndef LK_STORE_TABLE_BUILD_H
#define LK_STORE_TABLE_BUILD_H

#include "store/table.h"
#include "store/table_output.h"
#include "store/table_writer.h"

struct lk_page_start {
    uint64_t next;             /* eight bytes of the first key after the shared ones, as lk_head has them */
    uint64_t local;            /* its head behind what the keys of its milestone share, when that is known */
    uint32_t offset, shared;   /* offset in the file; of a page that is still held: in `held` */
};

struct lk_table_writer {
    struct lk_table_plan plan;
    char name[24];
    struct lk_file *file;      /* owned */
    struct lk_table_output output;
    int status;                /* the failure that every call repeats */
    struct lsmkv_error error;  /* its words */
    struct lk_page_start *pages;  /* owned */
    uint32_t page_count, page_cap;
    uint32_t page_bytes;       /* target of a page */
    uint32_t codec, page_shift; /* raw: 0, 0 */
    int sampling;              /* whether to pack is not decided: pages are held until it is */
    int page_closed;           /* the next record begins a page */
    uint32_t held_from;        /* the first page that is held */
    struct lk_buf held;        /* records of the pages that are not in the file yet */
    struct lk_buf packed;      /* room for one packed page */
    struct lk_packer packer;
    uint64_t unpacked;         /* record bytes of all pages that left `held` */
    struct lk_line_item *items; /* owned; one a record, room for item_most */
    uint32_t item_count, item_most;
    struct lk_buf milestones;  /* as they will be in the table, but for the present one */
    struct lk_buf mile_keys;   /* first keys of its pages, one behind the other */
    uint32_t mile_lens[LK_MILE];
    struct lk_buf key_min, key_last;
    uint64_t key_head;         /* of key_last */
    uint64_t tombstones, expiring, payload;
    struct lk_value_uses uses;  /* what the records refer to; nothing attached */
    uint8_t *piece;            /* owned; where far values pass through */
};

/* How many leading bytes are the same. */
static inline uint32_t lk_shared_bytes(struct lk_slice a, struct lk_slice b)
{
    size_t both = a.len < b.len ? a.len : b.len, i = 0;
    while (i + 8 <= both && lk_load64(a.at + i) == lk_load64(b.at + i))
        i += 8;
    while (i < both && a.at[i] == b.at[i])
        i++;
    return (uint32_t)i;
}

/* Latch the first failure. Returns rc. */
static inline int lk_table_build_fail(struct lk_table_writer *writer, int rc)
{
    if (rc < 0 && writer->status == 0) {
        writer->status = rc;
        writer->error = *lk_error();
    }
    return rc;
}

/* The latched failure, words and all. */
static inline int lk_table_build_repeat(const struct lk_table_writer *writer)
{
    lk_error_restore(&writer->error);
    return writer->status;
}

void lk_table_build_release(struct lk_table_writer *writer); /* memory only */

/* ---- table_pages.c: pages of a table with a codec ---------------------------------------------- */

/* Where a record of `bytes` bytes goes: its page is noted, *position is its position. 0 or a failure. */
LK_MUST_CHECK int lk_pages_place(struct lk_table_writer *writer, struct lk_slice key, uint64_t bytes,
                                 uint32_t *position);
/* Let go of what is held: to the file, packed or not. With records that are all of the table. */
LK_MUST_CHECK int lk_pages_end(struct lk_table_writer *writer);
/* Could the next record find no position any more? */
int lk_pages_full(const struct lk_table_writer *writer);
/* A page begins with `key`. */
LK_MUST_CHECK int lk_pages_note(struct lk_table_writer *writer, struct lk_slice key, uint64_t offset);

/* ---- table_index.c: lines, or a filter and milestones ------------------------------------------ */

/* Target of the present page, when all records so far take `bytes`. */
uint32_t lk_index_page_bytes(const struct lk_table_writer *writer, uint64_t bytes);
/* A page will begin with `key`, and key_last was the last one before it. 0 or NOMEM. */
LK_MUST_CHECK int lk_index_page(struct lk_table_writer *writer, struct lk_slice key);
/* All pages are written: fill features and milestone_bytes / put the section and fill line_count. */
LK_MUST_CHECK int lk_index_choose(struct lk_table_writer *writer, struct lk_footer *footer);
LK_MUST_CHECK int lk_index_put(struct lk_table_writer *writer, struct lk_footer *footer);

#endif
