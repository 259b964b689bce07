/* table_output: a file written from front to back through a buffer, with the checksum of each granule
 * taken on the way. What the table writer writes pages, fences and lines to.
 *
 *   | granule | granule | ... | filling |        buffer: 256 KiB, starts at a multiple of a granule
 *   ^ flushed                           ^ flushed + len: the next byte's offset in the file
 *
 * One thread. Failures are returned; nothing is latched here. */
#ifndef LK_STORE_TABLE_OUTPUT_H
#define LK_STORE_TABLE_OUTPUT_H

#include "format/footer.h"
#include "os/env.h"

enum { LK_OUTPUT_BUFFER = 64 * LK_GRANULE };

struct lk_table_output {
    struct lk_env *env;
    struct lk_file *file; /* borrowed */
    const char *name;     /* borrowed, for messages */
    uint64_t identity, flushed;
    int leaves;           /* what is written leaves memory; begin with 0 */
    uint8_t *buffer;      /* owned */
    size_t len;
    uint32_t *checks;     /* owned; of every granule flushed */
    uint32_t check_count, check_cap;
};

/* 0 or NOMEM. */
LK_MUST_CHECK int lk_table_output_init(struct lk_table_output *output, struct lk_env *env, struct lk_file *file,
                                       const char *name, uint64_t identity);
void lk_table_output_deinit(struct lk_table_output *output);

static inline uint64_t lk_table_output_offset(const struct lk_table_output *output)
{
    return output->flushed + output->len;
}

/* Where to put `bytes` without a copy, NULL when they do not fit before the next flush: use put then.
 * Counted as written at once. */
static inline uint8_t *lk_table_output_place(struct lk_table_output *output, uint64_t bytes)
{
    if (bytes >= LK_OUTPUT_BUFFER - output->len)
        return NULL;
    output->len += (size_t)bytes;
    return output->buffer + output->len - bytes;
}

LK_MUST_CHECK int lk_table_output_put(struct lk_table_output *output, const void *at, uint64_t bytes);
/* Zeros up to the next multiple of `alignment`, a power of two. */
LK_MUST_CHECK int lk_table_output_pad(struct lk_table_output *output, uint64_t alignment);
/* Write what is buffered; the offset is a multiple of a granule. */
LK_MUST_CHECK int lk_table_output_flush(struct lk_table_output *output);

#endif
