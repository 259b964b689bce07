/* buf: growth by doubling, so that n appends cost n bytes of copying and not n squared. */
#include "util/buf.h"

#include "util/alloc.h"

enum { FIRST_BYTES = 64 };

void lk_buf_deinit(struct lk_buf *buf)
{
    lk_free(buf->at);
    *buf = (struct lk_buf){0};
}

int lk_buf_reserve(struct lk_buf *buf, size_t more)
{
    if (more <= buf->cap - buf->len)
        return 0;
    if (more > SIZE_MAX / 2 - buf->len)
        return lk_fail(LSMKV_NOMEM, "memory ran out: a buffer cannot grow by %zu bytes", more);

    size_t cap = buf->cap ? 2 * buf->cap : FIRST_BYTES;
    if (cap < buf->len + more)
        cap = buf->len + more;
    uint8_t *at = lk_realloc(buf->at, cap);
    if (at == NULL)
        return lk_fail(LSMKV_NOMEM, "memory ran out: a buffer could not grow to %zu bytes", cap);
    buf->at = at;
    buf->cap = cap;
    return 0;
}

int lk_buf_append(struct lk_buf *buf, const void *at, size_t len)
{
    int rc = lk_buf_reserve(buf, len);
    if (rc == 0 && len) {
        memcpy(buf->at + buf->len, at, len);
        buf->len += len;
    }
    return rc;
}

int lk_buf_copy(struct lk_buf *buf, struct lk_slice from)
{
    /* `from` may be a part of this buffer: then it fits, nothing moves, and the bytes may overlap. */
    if (from.len > buf->cap) {
        size_t len = buf->len;
        buf->len = 0;
        int rc = lk_buf_reserve(buf, from.len);
        if (rc < 0) {
            buf->len = len;
            return rc;
        }
    }
    if (from.len)
        memmove(buf->at, from.at, from.len);
    buf->len = from.len;
    return 0;
}
