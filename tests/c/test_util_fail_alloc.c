/* test_util_fail_alloc: buffers, and edits made in them, when the N-th allocation fails. */
#include "alloc_fail.h"
#include "check.h"

#include "format/edit.h"
#include "util/buf.h"

/* Four fields, some larger than a doubling; each must be there whole or not at all. */
static int write_edit(struct lk_buf *buf, size_t *whole)
{
    static uint8_t bound[3000];
    struct lk_slice key = lk_slice(bound, sizeof bound);
    struct lk_run_meta runs[3] = {{.id = 1, .into = 2, .bound = key}, {.id = 2, .into = 3, .bound = key}, {.id = 3}};
    struct lk_table_meta table = {.run = 1, .number = 2, .lo = key, .hi = key, .key_min = key, .key_max = key};

    int rc = lk_edit_next(buf, 7);
    *whole = rc == 0 ? buf->len : *whole;
    if (rc == 0)
        rc = lk_edit_log(buf, 1, 2, 3, key);
    *whole = rc == 0 ? buf->len : *whole;
    if (rc == 0)
        rc = lk_edit_runs(buf, runs, 3);
    *whole = rc == 0 ? buf->len : *whole;
    if (rc == 0)
        rc = lk_edit_table(buf, &table);
    *whole = rc == 0 ? buf->len : *whole;
    return rc;
}

TEST(an_edit_that_runs_out_of_memory_keeps_whole_fields_only)
{
    uint64_t n = 1;
    for (;; n++) {
        struct lk_buf buf = {0};
        size_t whole = 0;
        alloc_fail_at(n, 0);
        int rc = write_edit(&buf, &whole);
        uint64_t fired = alloc_fail_fired();
        CHECK_EQ(rc, fired ? LSMKV_NOMEM : 0);
        CHECK_EQ(buf.len, whole);
        struct lk_edit_field field;
        const uint8_t *at = buf.at, *end = buf.at + buf.len;
        while (at != end) {
            at = lk_edit_get(at, end, &field);
            NEED(at != NULL);
        }
        lk_buf_deinit(&buf);
        CHECK_EQ(alloc_fail_live(), 0);
        if (!fired)
            break;
    }
    CHECK(n > 4); /* the loop did meet failures */
    alloc_fail_at(0, 0);
}

TEST(a_copy_that_runs_out_of_memory_leaves_the_buffer_as_it_was)
{
    struct lk_buf buf = {0};
    static uint8_t large[1000];
    NEED(lk_buf_append(&buf, "abc", 3) == 0);
    alloc_fail_at(1, 0);
    CHECK_EQ(lk_buf_copy(&buf, lk_slice(large, sizeof large)), LSMKV_NOMEM);
    CHECK_EQ(alloc_fail_fired(), 1);
    CHECK(lk_equal(lk_buf_slice(&buf), lk_slice("abc", 3)));
    alloc_fail_at(1, 0);
    CHECK_EQ(lk_buf_append(&buf, large, sizeof large), LSMKV_NOMEM);
    CHECK_EQ(alloc_fail_fired(), 1);
    CHECK(lk_equal(lk_buf_slice(&buf), lk_slice("abc", 3)));
    alloc_fail_at(0, 0);
    CHECK_EQ(lk_buf_copy(&buf, lk_slice(large, sizeof large)), 0);
    CHECK_EQ(buf.len, 1000);
    lk_buf_deinit(&buf);
    CHECK_EQ(alloc_fail_live(), 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
