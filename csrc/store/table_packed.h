/* table_packed: one page of a table with a codec, as it is stored (format/page.h). Between the table_....c files.
 *
 * What a fence and a page's head say is a claim: it is held against the pages' bounds before anything is looked at
 * or unpacked. */
#ifndef LK_STORE_TABLE_PACKED_H
#define LK_STORE_TABLE_PACKED_H

#include "store/table.h"

struct lk_packed_page {
    uint64_t start, end; /* in the file, the head included */
    uint32_t unpacked;   /* 0: the records as they are */
};

/* NULL, or what is wrong about the page's bounds / about its head. */
static inline const char *lk_packed_bounds_wrong(const struct lk_table *table, const struct lk_packed_page *page)
{
    int sound = page->start >= LK_TABLE_HEAD && page->start < page->end && page->end <= table->pages_end &&
                page->end - page->start > LK_PAGE_HEAD;
    return sound ? NULL : "a fence names no page";
}

static inline const char *lk_packed_head_wrong(const struct lk_packed_page *page)
{
    int sound = page->unpacked == 0 ||
                (page->unpacked <= LK_PAGE_MAX && page->end - page->start - LK_PAGE_HEAD < page->unpacked);
    return sound ? NULL : "a packed page does not say how large it was";
}

/* lk_table_find and lk_table_find_copy at a position that is none in a table of raw pages: the record of `key`
 * in a packed page, or CORRUPT when there is none. Otherwise as those. */
LK_MUST_CHECK int lk_packed_find(struct lk_table *table, uint32_t position, struct lk_slice key,
                                 struct lk_record *record, struct lk_missing *missing, struct lk_scratch *scratch,
                                 struct lk_probe_cost *cost);
LK_MUST_CHECK int lk_packed_find_copy(struct lk_table *table, uint32_t position, struct lk_slice key,
                                      struct lk_buf *bytes, struct lk_record *out);

/* The records of one page, wherever they stand. */
struct lk_page_view {
    const uint8_t *at;   /* borrowed; by private reads NULL: still in the file */
    uint64_t bytes, file; /* file: where they stand there, of an unpacked page what they were made of */
    int unpacked;
};
/* Those of the page between two offsets, in place or unpacked behind what is used of the scratch; of a page that is
 * one record larger than LK_PAGE_MAX not one byte is made ready. 0, WOULDBLOCK, CORRUPT. */
LK_MUST_CHECK int lk_packed_show(struct lk_table *table, const uint32_t offsets[2], struct lk_page_view *view,
                                 struct lk_missing *missing, struct lk_scratch *scratch, struct lk_probe_cost *cost);
/* The record between two addresses of an unpacked view is lent: it is moved to the front, and the rest let go of. */
void lk_packed_take(struct lk_scratch *scratch, const struct lk_page_view *view, const uint8_t *at,
                    const uint8_t *after, struct lk_record *record);
/* The same by private reads; an unpacked page into *bytes. */
LK_MUST_CHECK int lk_packed_show_copy(struct lk_table *table, const uint32_t offsets[2], struct lk_page_view *view,
                                      struct lk_buf *bytes);

/* The record at `position` of the file, whose page ends at `end`, when it is the one of `key`; in place, looking at no
 * byte before it is ready / by private reads. */
LK_MUST_CHECK int lk_table_compare_far(struct lk_table *table, uint64_t position, uint64_t end, struct lk_slice key,
                                       struct lk_record *record, struct lk_missing *missing);
LK_MUST_CHECK int lk_table_compare_copy(struct lk_table *table, uint64_t position, uint64_t end, struct lk_slice key,
                                        struct lk_buf *bytes, struct lk_record *out);

#endif
