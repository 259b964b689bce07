/* A table's whole life with the N-th allocation, then the N-th file call, failing: the failure is told as
 * what it is, nothing leaks, no half-written file stays, and what is answered is right. */
#include <errno.h>

#include "alloc_fail.h"
#include "table_kit.h"

enum { ROWS = 400 };

static struct model model_of_rows(void)
{
    struct model model = {0};
    for (unsigned i = 0; i < ROWS; i++) {
        char key[16];
        snprintf(key, sizeof key, "row%05u", i);
        model_add(&model, key, 8, i == 100 ? 300000 : i % 50);
    }
    return model;
}

/* ---- an environment whose N-th call fails ------------------------------------------------------ */

static struct lk_env_ops failing_ops;
static struct lk_env failing = {&failing_ops};
static unsigned calls, fail_at, files_open;

static int fails(void)
{
    return ++calls == fail_at;
}

static int64_t failing_read(struct lk_file *file, uint64_t offset, void *to, size_t bytes)
{
    return fails() ? -EIO : lk_env_posix()->ops->read(file, offset, to, bytes);
}

static int failing_write(struct lk_file *file, uint64_t offset, const void *from, size_t bytes)
{
    return fails() ? -ENOSPC : lk_env_posix()->ops->write(file, offset, from, bytes);
}

static int failing_sync(struct lk_file *file)
{
    return fails() ? -EIO : lk_env_posix()->ops->sync(file);
}

static int failing_open(struct lk_dir *dir, const char *name, enum lk_open how, uint32_t mode, struct lk_file **out)
{
    *out = NULL;
    if (fails())
        return -EMFILE;
    int rc = lk_env_posix()->ops->open(dir, name, how, mode, out);
    files_open += rc == 0;
    return rc;
}

static int failing_close(struct lk_file *file)
{
    int rc = lk_env_posix()->ops->close(file);
    files_open--;
    return fails() ? -EIO : rc;
}

static int failing_size(struct lk_file *file, uint64_t *out)
{
    return fails() ? -EIO : lk_env_posix()->ops->size(file, out);
}

static int failing_map(struct lk_file *file, uint64_t bytes, int writable, void **out)
{
    return fails() ? -ENODEV : lk_env_posix()->ops->map(file, bytes, writable, out);
}

static int failing_reserve(struct lk_env *env, uint64_t bytes, void **out)
{
    return fails() ? -ENOMEM : lk_env_posix()->ops->reserve(env, bytes, out);
}

static int failing_random(struct lk_env *env, void *to, size_t bytes)
{
    return fails() ? -ENOSYS : lk_env_posix()->ops->random(env, to, bytes);
}

static struct lk_env *failing_env(void)
{
    failing_ops = *lk_env_posix()->ops;
    failing_ops.read = failing_read;
    failing_ops.write = failing_write;
    failing_ops.sync = failing_sync;
    failing_ops.open = failing_open;
    failing_ops.close = failing_close;
    failing_ops.size = failing_size;
    failing_ops.map = failing_map;
    failing_ops.reserve = failing_reserve;
    failing_ops.random = failing_random;
    return &failing;
}

/* ---- a life ---------------------------------------------------------------------------------------- */

static int walk(struct lk_table *table, const struct model *model, int streaming, int back)
{
    struct lk_table_cursor cursor;
    lk_table_cursor_init(&cursor, table, streaming);
    struct drive drive = {&cursor.cursor, &cursor.missing, {0}};
    size_t seen = 0;
    int rc = lk_buf_reserve(&drive.last, 64); /* so that the driver needs no memory later */
    if (rc == 0)
        drive_seek(&drive, NULL, 0, back);
    for (; rc == 0 && cursor.cursor.valid; seen++) {
        CHECK(row_is(&model->rows[back ? ROWS - 1 - seen : seen], &cursor.cursor.record));
        drive_move(&drive, back);
    }
    if (rc == 0)
        rc = cursor.cursor.status;
    if (rc == 0)
        CHECK_EQ(seen, ROWS);
    cursor.cursor.ops->deinit(&cursor.cursor);
    lk_buf_deinit(&drive.last);
    return rc;
}

static int ask(struct lk_table *table, const struct model *model)
{
    struct lk_buf bytes = {0};
    struct lk_record record;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ROWS; i += 9) {
        struct lk_slice key = model->rows[i].key;
        rc = kit_find(table, key, &record);
        if (rc == 0)
            CHECK(row_is(&model->rows[i], &record));
        if (rc == 0)
            rc = lk_table_find_copy(table, kit_hash(key), key, &bytes, &record);
        if (rc == 0)
            CHECK(row_is(&model->rows[i], &record));
    }
    lk_buf_deinit(&bytes);
    for (int how = 0; rc == 0 && how < 4; how++)
        rc = walk(table, model, how & 1, how >> 1);
    if (rc == 0)
        rc = lk_table_verify(table, NULL, NULL, NULL);
    return rc;
}

static int live(struct kit *kit, const struct model *model)
{
    struct lk_slice stop = lk_slice("zz", 2);
    struct lk_ranges all = {0}, clipped = {0};
    struct lk_table_meta meta;
    struct lk_table *table = NULL;
    int rc = lk_ranges_add(&all, lk_slice("a", 1), &stop);
    if (rc == 0)
        rc = lk_ranges_add(&all, lk_slice("zzz", 3), NULL);
    if (rc == 0)
        rc = lk_ranges_clip(&all, lk_slice("b", 1), NULL, &clipped);
    if (rc == 0)
        rc = kit_write_part(kit, model, 0, ROWS, lk_slice("b", 1), NULL, &clipped, &meta);
    lk_ranges_deinit(&all);
    lk_ranges_deinit(&clipped);
    if (rc < 0)
        return rc;
    rc = kit_load(kit, &meta, &table);
    CHECK((rc == 0) == (table != NULL));
    lk_table_meta_deinit(&meta);
    if (rc == 0)
        rc = ask(table, model);
    lk_scratch_deinit(&kit_scratch);
    if (table) {
        atomic_store(&table->obsolete, 1);
        lk_table_unref(table);
    }
    return rc;
}

static int count_one(void *arg, const char *name)
{
    ++*(unsigned *)arg;
    (void)name;
    return 0;
}

TEST(every_allocation_may_fail)
{
    struct model model = model_of_rows();
    for (int mapped = 0; mapped < 2; mapped++) {
        struct kit kit;
        kit_open(&kit, 1u << 20);
        kit.mapped = mapped;
        size_t before = alloc_fail_live();
        for (uint64_t n = 1;; n++) {
            alloc_fail_at(n, 0);
            int rc = live(&kit, &model);
            uint64_t fired = alloc_fail_fired();
            alloc_fail_at(0, 0);
            CHECK(rc == 0 || rc == LSMKV_NOMEM); /* a fill does without its large buffer */
            if (!CHECK_EQ(alloc_fail_live(), before) || fired == 0)
                break;
        }
        kit_close(&kit);
    }
    model_free(&model);
}

TEST(every_file_call_may_fail)
{
    struct model model = model_of_rows();
    for (int mapped = 0; mapped < 2; mapped++) {
        struct kit kit;
        kit_open(&kit, 1u << 20);
        kit.mapped = mapped;
        kit.env = kit.cache.env = failing_env();
        size_t before = alloc_fail_live();
        unsigned failed = 0;
        for (fail_at = 1;; fail_at++) {
            unsigned files = 0;
            calls = 0;
            files_open = 0;
            int rc = live(&kit, &model);
            CHECK(rc == 0 || rc == LSMKV_IO || rc == LSMKV_FULL || rc == LSMKV_NOMEM);
            failed += rc != 0;
            CHECK_EQ(alloc_fail_live(), before);
            CHECK_EQ(files_open, 0);
            if (calls < fail_at)
                break;
            CHECK_EQ(lk_env_posix()->ops->dir_list(kit.dir, count_one, &files), 0);
            if (rc < 0 && files)
                CHECK_EQ(files, 1); /* made whole, but never opened: the engine's to remove */
            lk_env_posix()->ops->dir_list(kit.dir, kit_remove_one, &kit);
        }
        CHECK(failed > 30);
        kit.env = lk_env_posix();
        kit_close(&kit);
    }
    model_free(&model);
}

int main(int argc, char **argv)
{
    return kit_check_run(argc, argv, LK_PACK_ZSTD);
}
