/* buf: an owned byte buffer that grows. */
#ifndef LK_UTIL_BUF_H
#define LK_UTIL_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"
#include "util/status.h"

struct lk_buf {
    uint8_t *at;
    size_t len, cap;
}; /* owned; zero-filled is empty; lk_buf_deinit */

void lk_buf_deinit(struct lk_buf *buf);
static inline void lk_buf_reset(struct lk_buf *buf)
{
    buf->len = 0;
}
/* Room for `more` bytes after len. 0 or NOMEM (buf unchanged). */
LK_MUST_CHECK int lk_buf_reserve(struct lk_buf *buf, size_t more);
LK_MUST_CHECK int lk_buf_append(struct lk_buf *buf, const void *at, size_t len);
/* Becomes a copy of the slice. */
LK_MUST_CHECK int lk_buf_copy(struct lk_buf *buf, struct lk_slice from);
static inline struct lk_slice lk_buf_slice(const struct lk_buf *buf)
{
    return lk_slice(buf->at, buf->len);
}

#endif
