/* Value segments and tables by somebody who means harm, and who repairs every checksum: each answer is a typed failure
 * that names the file, nothing is read that is not there, and no memory is asked for because a file says so. Linked with
 * alloc_fail.c in the place of util/alloc.c. */
#include "alloc_fail.h"
#include "check.h"
#include "forge_kit.h"
#include "format/value.h"
#include "store_kit.h"

enum { BYTES = 3000 }; /* of a value: one fills a value segment of this store */

static char bytes_of_value[BYTES];

static void put_large(const char *key)
{
    memset(bytes_of_value, *key, sizeof bytes_of_value);
    CHECK_EQ(lsmkv_put(store.db, key, strlen(key), bytes_of_value, sizeof bytes_of_value, -1, NULL), 0);
}

/* "banana" in a table, "apple" in the log, each value in a segment of its own. */
static void store_forgeable(void)
{
    store_new(LSMKV_SYNC_OS);
    store.options.large_value_bytes = 1000;
    store_open();
    put_large("banana");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    put_large("apple");
    store_close();
}

/* What refers to the first value of a segment. */
static struct lk_reference first_value(const char *name)
{
    uint64_t bytes = 0;
    struct lk_reference made = {.offset = LK_FILE_HEAD};
    const uint8_t *at = sim_look(store.sim, store.path, name, &bytes);
    enum lk_file_type type = lk_file_name_get(name, &made.number);
    CHECK(type == LK_FILE_VALUES && at != NULL);
    made.sum = lk_load32(at + LK_FILE_HEAD + 4);
    made.bytes = lk_load32(at + LK_FILE_HEAD + 8);
    return made;
}

/* The one table's record of `key` refers to something else. */
static void forge_reference(const char *key, const struct lk_reference *reference)
{
    struct store_names tables = store_names(".tbl");
    uint64_t length = 0;
    struct lk_footer footer;
    const char *what;
    CHECK_EQ(tables.count, 1);
    const uint8_t *at = sim_look(store.sim, store.path, tables.at[0], &length);
    uint8_t *copy = malloc(length);
    memcpy(copy, at, length);
    CHECK_EQ(lk_footer_get(copy + length - LK_FOOTER, length, &footer, &what), 0);
    uint8_t *found = memmem(copy, footer.pages_end, key, strlen(key));
    if (CHECK(found != NULL)) {
        lk_reference_put(found + strlen(key), reference);
        forge_table(copy, length, &footer);
        sim_put(store.sim, store.path, tables.at[0], copy, length);
    }
    free(copy);
}

static int is_refused(int rc, const char *file)
{
    const struct lsmkv_error *error = lsmkv_last_error();
    int refused = CHECK_EQ(rc, LSMKV_CORRUPT) && CHECK(strstr(error->file, file) != NULL) && CHECK(error->offset > 0);
    if (!refused)
        fprintf(stderr, "  %s at %llu: %s\n", error->file, (unsigned long long)error->offset, error->text);
    return refused;
}

/* Every way there is to the value of one key, the last one of the store. */
static void all_refuse(const char *key, const char *file)
{
    void *got = NULL;
    size_t size = 0;
    lsmkv_view *view = NULL;
    struct lsmkv_slice value;
    int64_t pairs;
    CHECK(is_refused(lsmkv_get(store.db, NULL, key, strlen(key), &got, &size), file));
    CHECK(is_refused(lsmkv_view_begin(store.db, NULL, key, strlen(key), &value, &view), file));
    for (int reverse = 0; reverse < 2; reverse++) {
        pairs = count_pairs(NULL, reverse);
        CHECK(pairs < 0 && is_refused((int)pairs, file));
    }
}

static void verify_refuses(const char *file)
{
    CHECK(is_refused(lsmkv_verify(store.db, NULL, NULL, NULL), file));
}

/* Somebody else's snapshot has the segment open; who reads through the table has nothing that keeps it so. */
TEST(a_value_is_lent_from_segments_that_the_table_lists_only)
{
    lsmkv_snapshot *snapshot = NULL;
    lsmkv_view *view = NULL;
    struct lsmkv_slice value = {0};
    store_forgeable();
    struct store_names segments = store_names(".val");
    NEED(CHECK_EQ(segments.count, 2));
    struct lk_reference apple = first_value(segments.at[1]);
    forge_reference("banana", &apple);
    store_open();
    CHECK_EQ(lsmkv_snapshot_new(store.db, &snapshot), 0);
    put_large("apple");
    CHECK_EQ(lsmkv_flush(store.db), 0);
    int rc = lsmkv_view_begin(store.db, NULL, "banana", 6, &value, &view);
    lsmkv_snapshot_free(snapshot);
    if (rc == 0) { /* with nothing left to keep the segment, this is where it would be read */
        CHECK_EQ(((const char *)value.data)[value.size - 1], 'a');
        lsmkv_view_end(view);
    }
    CHECK(is_refused(rc, ".tbl"));
    all_refuse("banana", ".tbl");
    verify_refuses(".tbl");
    store_free();
}

/* A reference that is right but for its place or its length. */
static void forged_claim(uint64_t offset, uint32_t bytes)
{
    store_forgeable();
    struct lk_reference forged = first_value("000003.val");
    forged.offset = offset ? offset : forged.offset;
    forged.bytes = bytes ? bytes : forged.bytes;
    forge_reference("banana", &forged);
    store_open();
    alloc_fail_above(16 << 20);
    all_refuse("banana", "000003.val");
    CHECK_EQ(lsmkv_last_error()->offset, forged.offset);
    verify_refuses(bytes ? ".tbl" : "000003.val"); /* the table counts the bytes that its references speak of */
    alloc_fail_above(0);
    store_free();
}

TEST(no_memory_is_reserved_by_the_length_that_a_reference_claims)
{
    forged_claim(0, 1 << 30);
    forged_claim(0, BYTES + 64);
}

TEST(a_place_behind_the_end_of_a_value_segment_is_refused)
{
    forged_claim((uint64_t)1 << 40, 0);
    forged_claim(64 * 1024, 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
