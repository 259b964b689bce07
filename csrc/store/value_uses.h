/* value_uses: which value segments a table or memtable refers to, and with how much. Sorted by number.
 *
 *      number   values   bytes     segment (shared; NULL until lk_values_attach)
 *          13        4   16640     -> 000013.val
 *          17        1   65600     -> 000017.val
 *
 * A plain value; one thread at a time. */
#ifndef LK_STORE_VALUE_USES_H
#define LK_STORE_VALUE_USES_H

#include "util/buf.h"

struct lk_value_segment;
struct lk_values;

struct lk_value_use {
    uint32_t number;
    uint64_t values, bytes;           /* bytes: of the file, heads and padding included */
    struct lk_value_segment *segment; /* shared, or NULL */
};

struct lk_value_uses {
    struct lk_value_use *at; /* owned */
    uint32_t count, cap;
    struct lk_values *values; /* borrowed: whose references they are; NULL: there are none */
    int writing;              /* they came with values that were written: counted as the segments' writers */
};

enum { LK_USE_BYTES = 20 }; /* | number:4 | values:8 | bytes:8 | */

/* So many further values of that segment. 0 or NOMEM (unchanged). */
LK_MUST_CHECK int lk_value_uses_add(struct lk_value_uses *uses, uint32_t number, uint64_t values, uint64_t bytes);
/* NULL: none. */
struct lk_value_use *lk_value_uses_find(const struct lk_value_uses *uses, uint32_t number);
int lk_value_uses_equal(const struct lk_value_uses *a, const struct lk_value_uses *b); /* in what they count */
uint64_t lk_value_uses_bytes(const struct lk_value_uses *uses);
LK_MUST_CHECK int lk_value_uses_put(const struct lk_value_uses *uses, struct lk_buf *out);
/* From [at, at + bytes) into an empty list. 0, NOMEM, or 1: they are none. */
LK_MUST_CHECK int lk_value_uses_get(struct lk_value_uses *uses, const uint8_t *at, uint64_t bytes);
/* Memory only; what was attached is released with lk_values_release first. */
void lk_value_uses_deinit(struct lk_value_uses *uses);

#endif
