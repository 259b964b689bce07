/* page, fence: sorted records, and what finds the right page.
 *
 *   page   | record | record | ... |          records of format/record.h without links, keys strictly
 *                                            increasing, about page_bytes together; a record larger
 *                                            than that is a page alone. Pages follow one another
 *                                            without gaps from the table's head on. No range deletes.
 *   fence  | head:8 x n | offset:4 x (n + 1) | one fence a page: the head of its first key after the
 *                                            table's common prefix, big-endian order kept by storing
 *                                            the number lk_head(key, prefix) little-endian; and the
 *                                            page's offset in units of bytes from the start of the
 *                                            file. offset[n] is the end of the last page.
 *
 * Heads are ascending, equal heads are possible. A page ends where the next one begins. In a table with a filter
 * heads are taken behind what the keys from one milestone to the next share (format/milestone.h), and ascend there.
 *
 * In a table with a codec (format/footer.h) what stands between two offsets is a page as it is stored:
 *
 *   | unpacked:4 | bytes |    unpacked 0: the records as they are. Otherwise they were that many bytes,
 *                             at most LK_PAGE_MAX, and the codec made these of them. A page of one
 *                             record that is larger than LK_PAGE_MAX is never packed.
 *
 * There a record's position, in lines and elsewhere, is page number << shift | offset among the page's
 * unpacked records; the shift stands in the footer. Only the first record of a page may reach past
 * 1 << shift bytes. */
#ifndef LK_FORMAT_PAGE_H
#define LK_FORMAT_PAGE_H

#include "format/record.h"

enum {
    LK_PAGE_MAX = 64 * 1024, /* a page with more bytes than this is one record */
    LK_PAGE_HEAD = 4,        /* of a page as it is stored in a table with a codec */
    LK_PAGE_SHIFT_MIN = 6,
    LK_PAGE_SHIFT_MAX = 16
};

/* A view of the fences of a table: borrowed memory. head is 8-aligned. */
struct lk_fences {
    const uint64_t *head;
    const uint32_t *offset;
    uint32_t count;
};

/* Index of the last page whose head is < `head` (strictly), or 0; the wanted key can be in that page
 * or any later one whose head is <= `head`. *through is the last page whose head is <= head (>= the
 * returned one). Cost: log2(count) probes of the head array. */
uint32_t lk_fences_find(const struct lk_fences *fences, uint64_t head, uint32_t *through);

/* 1 when sound: heads ascending within each `stretch` of fences, offsets strictly ascending from `first` and ending at
 * `end`. */
int lk_fences_sound(const struct lk_fences *fences, uint32_t first, uint32_t end, uint32_t stretch);

#endif
