/* test_litmus: what the simulated disk may and must not do, one small case for each rule, and the
 * same scripts on the real environment for what both must agree on.
 *
 * Most cases ask one question of very many crash images: in which of them does a sentence hold?
 * SOME: in some it does and in some it does not. ALWAYS, NEVER: as they say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "os/env.h"
#include "sim/sim.h"

#define STORE "/store"
#define LSN(segment, offset) ((uint64_t)(segment) << 32 | (offset))

static struct sim *sim; /* of the running test */
static const struct lk_env_ops *ops;
static struct lk_env *env;
static struct lk_dir *dir;

static void start_with(const struct sim_config *config)
{
    sim = sim_new(config);
    env = sim_env(sim);
    ops = env->ops;
    CHECK_EQ(ops->dir_open(env, STORE, 0700, &dir), 0);
}

static void start(void)
{
    start_with(NULL);
}

static void finish(void)
{
    ops->dir_close(dir);
    CHECK_EQ(sim_free(sim), 0);
}

/* ---- verbs ---------------------------------------------------------------------------------- */

static struct lk_file *create(const char *name)
{
    struct lk_file *file = NULL;
    CHECK_EQ(ops->open(dir, name, LK_OPEN_CREATE, 0600, &file), 0);
    return file;
}

static struct lk_file *reopen(const char *name)
{
    struct lk_file *file = NULL;
    CHECK_EQ(ops->open(dir, name, LK_OPEN_WRITE, 0, &file), 0);
    return file;
}

static void write_text(struct lk_file *file, uint64_t offset, const char *text)
{
    CHECK_EQ(ops->write(file, offset, text, strlen(text)), 0);
}

static void write_many(struct lk_file *file, uint64_t offset, char letter, size_t count)
{
    char *bytes = malloc(count);
    memset(bytes, letter, count);
    CHECK_EQ(ops->write(file, offset, bytes, count), 0);
    free(bytes);
}

static void sync_file(struct lk_file *file)
{
    CHECK_EQ(ops->sync(file), 0);
}

static void sync_dir(void)
{
    CHECK_EQ(ops->dir_sync(dir), 0);
}

static void close_file(struct lk_file *file)
{
    CHECK_EQ(ops->close(file), 0);
}

/* A durable file with content, name and all. */
static void durable(const char *name, const char *text)
{
    struct lk_file *file = create(name);
    write_text(file, 0, text);
    sync_file(file);
    close_file(file);
    sync_dir();
}

/* A mapped file of `bytes` zeros, all of it durable. */
static struct lk_file *mapped(const char *name, uint64_t bytes, unsigned char **at)
{
    struct lk_file *file = create(name);
    void *map = NULL;
    CHECK_EQ(ops->allocate(file, 0, bytes), 0);
    sync_file(file);
    sync_dir();
    CHECK_EQ(ops->map(file, bytes, 1, &map), 0);
    *at = map;
    return file;
}

/* Any operation that changes nothing: a boundary where stores are seen. */
static void tick(struct lk_file *file)
{
    uint64_t size;
    CHECK_EQ(ops->size(file, &size), 0);
}

/* ---- questions ------------------------------------------------------------------------------ */

enum { NEVER = 1, ALWAYS = 2, SOME = 3 };

typedef int (*sentence)(struct sim *image);

static int ask(sentence holds)
{
    uint64_t count = sim_image_systematic(sim) + 400;
    int answers = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct sim *image = sim_image_at(sim, i, 7);
        answers |= holds(image) ? ALWAYS : NEVER;
        sim_free(image);
    }
    return answers;
}

static const unsigned char *look(struct sim *image, const char *name, uint64_t *bytes)
{
    return sim_look(image, STORE, name, bytes);
}

static int exists(struct sim *image, const char *name)
{
    uint64_t bytes;
    return look(image, name, &bytes) != NULL;
}

static int is_text(struct sim *image, const char *name, const char *text)
{
    uint64_t bytes;
    const unsigned char *at = look(image, name, &bytes);
    return at && bytes == strlen(text) && memcmp(at, text, bytes) == 0;
}

static int byte_at(struct sim *image, const char *name, uint64_t offset)
{
    uint64_t bytes;
    const unsigned char *at = look(image, name, &bytes);
    return at && offset < bytes ? at[offset] : -1;
}

static int size_of(struct sim *image, const char *name)
{
    uint64_t bytes;
    return look(image, name, &bytes) ? (int)bytes : -1;
}

static int a_exists(struct sim *image)
{
    return exists(image, "a");
}
static int b_exists(struct sim *image)
{
    return exists(image, "b");
}
static int a_is_old(struct sim *image)
{
    return is_text(image, "a", "old");
}
static int a_is_new(struct sim *image)
{
    return is_text(image, "a", "new");
}
static int a_is_old_or_new(struct sim *image)
{
    return a_is_old(image) || a_is_new(image);
}
static int a_begins_x(struct sim *image)
{
    return byte_at(image, "a", 0) == 'x';
}
static int b_begins_x(struct sim *image)
{
    return byte_at(image, "b", 0) == 'x';
}
static int page_two_x(struct sim *image)
{
    return byte_at(image, "a", 4096) == 'x';
}

/* ---- content -------------------------------------------------------------------------------- */

TEST(unsynced_write_may_vanish)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    CHECK_EQ(ask(a_is_new), SOME);
    CHECK_EQ(ask(a_is_old_or_new), ALWAYS);
    close_file(file);
    finish();
}

TEST(synced_write_must_stay)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    sync_file(file);
    CHECK_EQ(ask(a_is_new), ALWAYS);
    CHECK_EQ(sim_items(sim), 0);
    close_file(file);
    finish();
}

TEST(write_after_sync_may_vanish_again)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    sync_file(file);
    write_text(file, 0, "new");
    CHECK_EQ(ask(a_is_new), SOME);
    close_file(file);
    finish();
}

TEST(close_is_no_sync)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    close_file(file);
    CHECK_EQ(ask(a_is_new), SOME);
    finish();
}

TEST(sync_of_one_file_is_no_sync_of_another)
{
    start();
    durable("a", "old");
    durable("b", "old");
    struct lk_file *a = reopen("a"), *b = reopen("b");
    write_text(a, 0, "x");
    write_text(b, 0, "x");
    sync_file(b);
    CHECK_EQ(ask(a_begins_x), SOME);
    CHECK_EQ(ask(b_begins_x), ALWAYS);
    close_file(a);
    close_file(b);
    finish();
}

static int b_without_a(struct sim *image)
{
    return b_begins_x(image) && !a_begins_x(image);
}
static int a_without_b(struct sim *image)
{
    return a_begins_x(image) && !b_begins_x(image);
}

TEST(two_files_reach_the_disk_in_any_order)
{
    start();
    durable("a", "old");
    durable("b", "old");
    struct lk_file *a = reopen("a"), *b = reopen("b");
    write_text(a, 0, "x");
    write_text(b, 0, "x");
    CHECK_EQ(ask(b_without_a), SOME);
    CHECK_EQ(ask(a_without_b), SOME);
    close_file(a);
    close_file(b);
    finish();
}

static int second_without_first(struct sim *image)
{
    return byte_at(image, "a", 0) == 'o' && byte_at(image, "a", 600) == 'x';
}

TEST(sectors_of_a_file_reach_the_disk_in_any_order)
{
    start();
    struct lk_file *file = create("a");
    write_many(file, 0, 'o', 1024);
    sync_file(file);
    sync_dir();
    write_text(file, 0, "x");
    write_text(file, 600, "x");
    CHECK_EQ(ask(second_without_first), SOME);
    close_file(file);
    finish();
}

static int is_torn(struct sim *image)
{
    return byte_at(image, "a", 0) != byte_at(image, "a", 512);
}
static int tears_inside(struct sim *image)
{
    return byte_at(image, "a", 0) != byte_at(image, "a", 511);
}

TEST(a_write_tears_at_sectors)
{
    start();
    struct lk_file *file = create("a");
    write_many(file, 0, 'o', 1024);
    sync_file(file);
    sync_dir();
    write_many(file, 0, 'x', 1024);
    CHECK_EQ(ask(is_torn), SOME);
    close_file(file);
    finish();
}

TEST(a_write_does_not_tear_inside_a_sector)
{
    start();
    struct lk_file *file = create("a");
    write_many(file, 0, 'o', 1024);
    sync_file(file);
    sync_dir();
    write_many(file, 0, 'x', 1024);
    CHECK_EQ(ask(tears_inside), NEVER);
    close_file(file);
    finish();
}

TEST(torn_images_take_the_first_sectors)
{
    start();
    struct lk_file *file = create("a");
    write_many(file, 0, 'o', 2048);
    sync_file(file);
    sync_dir();
    write_many(file, 0, 'x', 2048);
    CHECK_EQ(sim_image_count(sim, SIM_TORN), 3);
    struct sim *image = sim_image(sim, SIM_TORN, 1);
    CHECK_EQ(byte_at(image, "a", 0), 'x');
    CHECK_EQ(byte_at(image, "a", 1023), 'x');
    CHECK_EQ(byte_at(image, "a", 1024), 'o');
    sim_free(image);
    close_file(file);
    finish();
}

static int a_is_middle(struct sim *image)
{
    return byte_at(image, "a", 0) == 'm';
}

TEST(a_sector_may_hold_an_older_unsynced_content)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "m");
    write_text(file, 0, "x");
    CHECK_EQ(ask(a_is_middle), SOME);
    sync_file(file);
    CHECK_EQ(ask(a_is_middle), NEVER);
    close_file(file);
    finish();
}

TEST(histories_are_bounded_and_keep_the_newest)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    for (int i = 0; i < 100; i++)
        write_text(file, 0, i == 99 ? "x" : i % 2 ? "m" : "n");
    struct sim *image = sim_image(sim, SIM_EVERYTHING, 0);
    CHECK_EQ(byte_at(image, "a", 0), 'x');
    CHECK_EQ(sim_items(sim), 1);
    CHECK(sim_image_count(sim, SIM_PREFIX) <= 6);
    sim_free(image);
    close_file(file);
    finish();
}

TEST(the_same_bytes_again_are_nothing_undecided)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "old");
    CHECK_EQ(sim_items(sim), 0);
    close_file(file);
    finish();
}

/* ---- lengths -------------------------------------------------------------------------------- */

static int long_but_zero(struct sim *image)
{
    return size_of(image, "a") == 600 && byte_at(image, "a", 599) == 0;
}
static int long_and_rubbish(struct sim *image)
{
    int byte = byte_at(image, "a", 599);
    return size_of(image, "a") == 600 && byte != 0 && byte != 'x';
}
static int still_short(struct sim *image)
{
    return size_of(image, "a") == 3;
}
static int long_and_right(struct sim *image)
{
    return size_of(image, "a") == 600 && byte_at(image, "a", 599) == 'x';
}

TEST(an_append_is_length_and_content_apart)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_many(file, 3, 'x', 597);
    CHECK_EQ(ask(long_but_zero), SOME);
    CHECK_EQ(ask(long_and_rubbish), SOME);
    CHECK_EQ(ask(still_short), SOME);
    CHECK_EQ(ask(long_and_right), SOME);
    close_file(file);
    finish();
}

static int head_is_old(struct sim *image)
{
    return byte_at(image, "a", 0) == 'o' && byte_at(image, "a", 2) == 'd';
}

TEST(rubbish_never_reaches_durable_bytes)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_many(file, 3, 'x', 2000);
    CHECK_EQ(ask(head_is_old), ALWAYS);
    close_file(file);
    finish();
}

TEST(a_synced_append_is_whole)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_many(file, 3, 'x', 597);
    sync_file(file);
    CHECK_EQ(ask(long_and_right), ALWAYS);
    close_file(file);
    finish();
}

static int grew(struct sim *image)
{
    return size_of(image, "a") == 8192;
}
static int grown_space_is_zero(struct sim *image)
{
    for (int at = 3; at < size_of(image, "a"); at++)
        if (byte_at(image, "a", (uint64_t)at) != 0)
            return 0;
    return 1;
}

TEST(allocated_length_is_undecided_and_reads_as_zero)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    CHECK_EQ(ops->allocate(file, 0, 8192), 0);
    CHECK_EQ(ask(grew), SOME);
    CHECK_EQ(ask(grown_space_is_zero), ALWAYS);
    sync_file(file);
    CHECK_EQ(ask(grew), ALWAYS);
    close_file(file);
    finish();
}

TEST(allocate_never_shortens)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    CHECK_EQ(ops->allocate(file, 0, 2), 0);
    CHECK_EQ(size_of(sim, "a"), 3);
    CHECK_EQ(sim_items(sim), 0);
    close_file(file);
    finish();
}

static int is_empty(struct sim *image)
{
    return size_of(image, "a") == 0;
}

TEST(a_truncation_is_undecided)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    CHECK_EQ(ops->truncate(file, 0), 0);
    CHECK_EQ(ask(is_empty), SOME);
    CHECK_EQ(ask(a_is_old), SOME);
    sync_file(file);
    CHECK_EQ(ask(is_empty), ALWAYS);
    close_file(file);
    finish();
}

TEST(what_a_truncation_cut_reads_as_zero_when_the_file_grows_again)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    CHECK_EQ(ops->truncate(file, 1), 0);
    CHECK_EQ(ops->truncate(file, 3), 0);
    CHECK_EQ(byte_at(sim, "a", 1), 0);
    sync_file(file);
    struct sim *image = sim_image(sim, SIM_NOTHING, 0);
    CHECK_EQ(byte_at(image, "a", 0), 'o');
    CHECK_EQ(byte_at(image, "a", 1), 0);
    sim_free(image);
    close_file(file);
    finish();
}

TEST(pages_that_a_truncation_cut_read_as_zero_too)
{
    start();
    struct lk_file *file = create("a");
    write_many(file, 0, 'x', 20000);
    CHECK_EQ(ops->truncate(file, 100), 0);
    CHECK_EQ(ops->truncate(file, 20000), 0);
    for (uint64_t at = 100; at < 20000; at += 999)
        CHECK_EQ(byte_at(sim, "a", at), 0);
    close_file(file);
    finish();
}

static int is_in_between(struct sim *image)
{
    int size = size_of(image, "a");
    return size == 1000;
}

TEST(a_length_in_between_is_possible)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_many(file, 3, 'x', 997);
    write_many(file, 1000, 'y', 1000);
    CHECK_EQ(ask(is_in_between), SOME);
    close_file(file);
    finish();
}

/* ---- names ---------------------------------------------------------------------------------- */

TEST(create_without_directory_sync_may_vanish)
{
    start();
    struct lk_file *file = create("a");
    write_text(file, 0, "new");
    sync_file(file); /* content is safe, the name is not */
    close_file(file);
    CHECK_EQ(ask(a_exists), SOME);
    sync_dir();
    CHECK_EQ(ask(a_is_new), ALWAYS);
    finish();
}

static int a_is_absent_empty_or_new(struct sim *image)
{
    return !a_exists(image) || size_of(image, "a") == 0 || a_is_new(image) || byte_at(image, "a", 0) == 0 ||
           size_of(image, "a") == 3;
}
static int a_is_empty_file(struct sim *image)
{
    return a_exists(image) && size_of(image, "a") == 0;
}

TEST(directory_sync_is_no_file_sync)
{
    start();
    struct lk_file *file = create("a");
    write_text(file, 0, "new");
    sync_dir();
    CHECK_EQ(ask(a_exists), ALWAYS);
    CHECK_EQ(ask(a_is_empty_file), SOME);
    CHECK_EQ(ask(a_is_absent_empty_or_new), ALWAYS);
    close_file(file);
    finish();
}

TEST(unlink_before_directory_sync_may_reappear)
{
    start();
    durable("a", "old");
    CHECK_EQ(ops->remove(dir, "a"), 0);
    CHECK(!exists(sim, "a"));
    CHECK_EQ(ask(a_exists), SOME);
    sync_dir();
    CHECK_EQ(ask(a_exists), NEVER);
    finish();
}

TEST(what_reappears_has_its_durable_content)
{
    start();
    durable("a", "old");
    CHECK_EQ(ops->remove(dir, "a"), 0);
    struct sim *image = sim_image(sim, SIM_NOTHING, 0);
    CHECK(a_is_old(image));
    sim_free(image);
    finish();
}

static int name_is_lost(struct sim *image)
{
    return !a_exists(image);
}

TEST(rename_over_shows_old_or_new_and_never_neither)
{
    start();
    durable("a", "old");
    durable("b", "new");
    CHECK_EQ(ops->rename(dir, "b", "a"), 0);
    CHECK_EQ(ask(a_is_old), SOME);
    CHECK_EQ(ask(a_is_new), SOME);
    CHECK_EQ(ask(name_is_lost), NEVER);
    CHECK_EQ(ask(a_is_old_or_new), ALWAYS);
    sync_dir();
    CHECK_EQ(ask(a_is_new), ALWAYS);
    finish();
}

static int both_or_neither(struct sim *image)
{
    return a_exists(image) == b_exists(image);
}

TEST(rename_is_one_step)
{
    start();
    durable("b", "new");
    CHECK_EQ(ops->rename(dir, "b", "a"), 0);
    CHECK_EQ(ask(both_or_neither), NEVER);
    finish();
}

TEST(rename_before_the_content_is_synced_may_show_an_empty_file)
{
    start();
    durable("a", "old");
    struct lk_file *file = create("b");
    write_text(file, 0, "new");
    close_file(file);
    CHECK_EQ(ops->rename(dir, "b", "a"), 0);
    CHECK_EQ(ask(is_empty), SOME);
    finish();
}

static int b_without_a_name(struct sim *image)
{
    return b_exists(image) && !a_exists(image);
}

TEST(names_reach_the_disk_in_any_order)
{
    start();
    close_file(create("a"));
    close_file(create("b"));
    CHECK_EQ(ask(b_without_a_name), SOME);
    finish();
}

TEST(operations_on_one_name_keep_their_order)
{
    start();
    durable("a", "old");
    CHECK_EQ(ops->remove(dir, "a"), 0);
    struct lk_file *file = create("a");
    write_text(file, 0, "new");
    sync_file(file);
    close_file(file);
    struct sim *image = sim_image(sim, SIM_DROP, 0); /* without the removal there is no creation */
    CHECK(a_is_old(image));
    sim_free(image);
    image = sim_image(sim, SIM_ONLY, 0);
    CHECK(!exists(image, "a"));
    sim_free(image);
    finish();
}

TEST(unlink_may_overtake_a_rename_of_another_name)
{
    start();
    durable("a", "old");
    durable("c", "1");
    durable("b", "new");
    CHECK_EQ(ops->rename(dir, "b", "a"), 0);
    CHECK_EQ(ops->remove(dir, "c"), 0);
    struct sim *image = sim_image(sim, SIM_NAMES, 3); /* removes alone */
    CHECK(a_is_old(image));
    CHECK(!exists(image, "c"));
    sim_free(image);
    finish();
}

TEST(a_removed_file_can_be_read_while_it_is_open)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    char text[4] = {0};
    CHECK_EQ(ops->remove(dir, "a"), 0);
    sync_dir();
    CHECK_EQ(ops->read(file, 0, text, 3), 3);
    CHECK_STR(text, "old");
    close_file(file);
    finish();
}

TEST(a_new_directory_is_durable_once_opened)
{
    start();
    struct sim *image = sim_image(sim, SIM_NOTHING, 0);
    struct lk_dir *again = NULL;
    CHECK_EQ(sim_env(image)->ops->dir_open(sim_env(image), STORE, 0, &again), 0);
    sim_env(image)->ops->dir_close(again);
    CHECK_EQ(sim_free(image), 0);
    finish();
}

static int dir_exists(struct sim *image)
{
    struct lk_dir *again;
    if (sim_env(image)->ops->dir_open(sim_env(image), STORE, 0, &again) != 0)
        return 0;
    sim_env(image)->ops->dir_close(again);
    return 1;
}

TEST(a_new_directory_is_undecided_until_its_parent_is_synced)
{
    struct lk_dir *none = NULL;
    sim = sim_new(NULL);
    env = sim_env(sim);
    ops = env->ops;
    sim_stop_at(sim, 2, SIM_POWER); /* open, make | sync of the parent */
    CHECK_EQ(ops->dir_open(env, STORE, 0700, &none), -EIO);
    CHECK(none == NULL);
    CHECK_EQ(ask(dir_exists), SOME);
    CHECK_EQ(sim_free(sim), 0);
}

TEST(a_failed_parent_sync_takes_the_directory_back)
{
    struct lk_dir *none = NULL;
    sim = sim_new(NULL);
    env = sim_env(sim);
    ops = env->ops;
    sim_fail(sim, &(struct sim_fault){.call = SIM_DIR_SYNC_PARENT, .nth = 1, .err = EIO});
    CHECK_EQ(ops->dir_open(env, STORE, 0700, &none), -EIO);
    CHECK_EQ(sim_fired(sim), 1);
    CHECK_EQ(ops->dir_open(env, STORE, 0, &none), -ENOENT);
    CHECK_EQ(sim_free(sim), 0);
}

TEST(a_removed_directory_may_come_back)
{
    start();
    ops->dir_close(dir);
    CHECK_EQ(ops->dir_remove(env, STORE), 0);
    CHECK_EQ(ask(dir_exists), SOME);
    CHECK_EQ(sim_free(sim), 0);
}

/* ---- mappings ------------------------------------------------------------------------------- */

TEST(a_store_is_seen_by_read_and_may_vanish)
{
    unsigned char *at, byte = 0;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    CHECK_EQ(ops->read(file, 0, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    CHECK_EQ(ask(a_begins_x), SOME);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(a_write_is_seen_by_the_mapping)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    write_text(file, 4096, "x");
    CHECK_EQ(at[4096], 'x');
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

static int second_store_only(struct sim *image)
{
    return !a_begins_x(image) && page_two_x(image);
}
static int first_store_only(struct sim *image)
{
    return a_begins_x(image) && !page_two_x(image);
}

TEST(dirty_pages_of_a_mapping_in_any_subset)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    at[4096] = 'x';
    CHECK_EQ(ask(second_store_only), SOME);
    CHECK_EQ(ask(first_store_only), SOME);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(sectors_of_one_mapped_page_in_any_subset)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'x';
    at[600] = 'x';
    CHECK_EQ(sim_items(sim), 2);
    struct sim *image = sim_image(sim, SIM_ONLY, 1);
    CHECK_EQ(byte_at(image, "a", 0), 0);
    CHECK_EQ(byte_at(image, "a", 600), 'x');
    sim_free(image);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

TEST(map_sync_of_one_range_is_no_sync_of_another)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    at[4096] = 'x';
    CHECK_EQ(ops->map_sync(file, at, 0, 1), 0);
    CHECK_EQ(ask(a_begins_x), ALWAYS);
    CHECK_EQ(ask(page_two_x), SOME);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(map_sync_covers_the_whole_page_of_its_range)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    CHECK_EQ(ops->map_sync(file, at, 4000, 10), 0);
    CHECK_EQ(ask(a_begins_x), ALWAYS);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

static int covers_page(struct sim *image)
{
    return size_of(image, "a") >= 4096;
}

TEST(map_sync_makes_a_length_durable_that_covers_it)
{
    void *map;
    start();
    struct lk_file *file = create("a");
    sync_dir();
    CHECK_EQ(ops->allocate(file, 0, 8192), 0);
    CHECK_EQ(ask(covers_page), SOME);
    CHECK_EQ(ops->map(file, 8192, 1, &map), 0);
    *(char *)map = 'x';
    CHECK_EQ(ops->map_sync(file, map, 0, 10), 0);
    CHECK_EQ(ask(covers_page), ALWAYS);
    CHECK_EQ(ask(a_begins_x), ALWAYS);
    CHECK_EQ(ask(grew), SOME);
    ops->unmap(env, map, 8192);
    close_file(file);
    finish();
}

TEST(a_later_file_sync_covers_stores)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    at[4096] = 'x';
    sync_file(file);
    CHECK_EQ(ask(a_begins_x), ALWAYS);
    CHECK_EQ(ask(page_two_x), ALWAYS);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(a_store_after_the_sync_is_not_covered)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'm';
    CHECK_EQ(ops->map_sync(file, at, 0, 4096), 0);
    at[0] = 'x';
    CHECK_EQ(ask(a_begins_x), SOME);
    CHECK_EQ(ask(a_is_middle), SOME);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

TEST(unmap_is_no_sync)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'x';
    ops->unmap(env, at, 4096);
    CHECK_EQ(byte_at(sim, "a", 0), 'x');
    CHECK_EQ(ask(a_begins_x), SOME);
    close_file(file);
    finish();
}

TEST(a_boundary_remembers_a_stale_mapped_sector)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'm';
    tick(file);
    at[0] = 'x';
    CHECK_EQ(ask(a_is_middle), SOME);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

static int words_differ(struct sim *image)
{
    return byte_at(image, "a", 0) != byte_at(image, "a", 504);
}

TEST(a_mapped_sector_tears_between_words_only_when_asked)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    memset(at, 'x', 512);
    CHECK_EQ(ask(words_differ), NEVER);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

TEST(a_mapped_sector_may_tear_between_words)
{
    unsigned char *at;
    start_with(&(struct sim_config){.tear_words = 1});
    struct lk_file *file = mapped("a", 4096, &at);
    memset(at, 'x', 512);
    CHECK_EQ(ask(words_differ), SOME);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

TEST(stores_beyond_the_end_never_reach_the_file)
{
    void *map;
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    CHECK_EQ(ops->map(file, 4096, 1, &map), 0);
    ((char *)map)[5] = 'x';
    CHECK_EQ(sim_items(sim), 0);
    CHECK_EQ(ops->truncate(file, 6), 0);
    CHECK_EQ(byte_at(sim, "a", 5), 0);
    ops->unmap(env, map, 4096);
    close_file(file);
    finish();
}

TEST(mappings_follow_the_growth_of_the_file)
{
    void *map;
    start();
    struct lk_file *file = create("a");
    CHECK_EQ(ops->map(file, 8192, 1, &map), 0); /* nothing of it may be touched yet */
    CHECK_EQ(ops->map_prefault(env, map, 4096), -EIO);
    CHECK_EQ(ops->allocate(file, 0, 8192), 0);
    CHECK_EQ(ops->map_prefault(env, map, 8192), 0);
    ((char *)map)[8191] = 'x';
    CHECK_EQ(byte_at(sim, "a", 8191), 'x');
    ops->unmap(env, map, 8192);
    close_file(file);
    finish();
}

TEST(a_file_opened_for_reading_is_not_mapped_for_writing)
{
    void *map;
    struct lk_file *file;
    start();
    durable("a", "old");
    CHECK_EQ(ops->open(dir, "a", LK_OPEN_READ, 0, &file), 0);
    CHECK_EQ(ops->map(file, 3, 1, &map), -EACCES);
    CHECK(map == NULL);
    CHECK_EQ(ops->map(file, 3, 0, &map), 0);
    CHECK_MEM(map, "old", 3);
    ops->unmap(env, map, 3);
    CHECK_EQ(ops->write(file, 0, "x", 1), -EBADF);
    close_file(file);
    finish();
}

TEST(residency_is_what_the_test_says)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    CHECK_EQ(ops->map_resident(env, at, 8192), 8192);
    sim_set_resident(sim, 0);
    CHECK_EQ(ops->map_resident(env, at, 8192), 0);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(anonymous_space_is_zero_and_zero_again_after_discard)
{
    void *at;
    start();
    CHECK_EQ(ops->reserve(env, 3 * 4096, &at), 0);
    memset(at, 'x', 3 * 4096);
    CHECK_EQ(ops->discard(env, at, 3 * 4096), 0);
    CHECK_EQ(*(char *)at, 0);
    memset(at, 'x', 3 * 4096);
    CHECK_EQ(ops->discard(env, (char *)at + 100, 4096), 0);
    CHECK_EQ(((char *)at)[99], 'x');
    CHECK_EQ(((char *)at)[100], 0);
    CHECK_EQ(((char *)at)[4195], 0);
    CHECK_EQ(((char *)at)[4196], 'x');
    ops->unreserve(env, at, 3 * 4096);
    finish();
}

/* ---- stops ---------------------------------------------------------------------------------- */

TEST(after_the_stop_every_call_fails_and_nothing_changes)
{
    unsigned char *at, byte;
    uint64_t size;
    struct lk_file *none;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'm';
    sim_stop_at(sim, sim_boundaries(sim), SIM_POWER);
    CHECK_EQ(ops->sync(file), -EIO);
    CHECK(sim_stopped(sim));
    at[0] = 'x';
    CHECK_EQ(ops->write(file, 0, "x", 1), -EIO);
    CHECK_EQ(ops->read(file, 0, &byte, 1), -EIO);
    CHECK_EQ(ops->size(file, &size), -EIO);
    CHECK_EQ(ops->open(dir, "a", LK_OPEN_READ, 0, &none), -EIO);
    CHECK_EQ(ops->remove(dir, "a"), -EIO);
    CHECK_EQ(ops->dir_sync(dir), -EIO);
    CHECK_EQ(ask(a_begins_x), NEVER);
    CHECK_EQ(ask(a_is_middle), SOME);
    ops->unmap(env, at, 4096);
    CHECK_EQ(ops->close(file), -EIO);
    finish();
}

TEST(the_operation_at_the_boundary_does_not_happen)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    sim_stop_at(sim, sim_boundaries(sim) + 1, SIM_POWER);
    write_text(file, 0, "new");
    CHECK_EQ(ops->sync(file), -EIO);
    CHECK_EQ(ask(a_is_new), SOME);
    CHECK_EQ(ops->close(file), -EIO);
    finish();
}

TEST(kill_keeps_everything_in_the_cache)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'x';
    close_file(create("b"));
    sim_stop_now(sim, SIM_KILL);
    struct sim *image = sim_kill_image(sim);
    CHECK_EQ(byte_at(image, "a", 0), 'x');
    CHECK(exists(image, "b"));
    sim_free(image);
    ops->unmap(env, at, 4096);
    CHECK_EQ(ops->close(file), -EIO);
    finish();
}

TEST(a_power_cut_after_a_kill_still_loses_what_was_not_synced)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    struct sim *original = sim, *killed = sim_kill_image(sim);
    sim = killed;
    CHECK_EQ(ask(a_is_new), SOME);
    sim_free(killed);
    sim = original;
    close_file(file);
    finish();
}

TEST(locks_do_not_survive_their_process)
{
    struct lk_file *lock, *again;
    struct lk_dir *there;
    int holder;
    start();
    CHECK_EQ(ops->lock(dir, "LOCK", &lock, &holder), 0);
    struct sim *image = sim_kill_image(sim);
    CHECK_EQ(ops->dir_open(sim_env(image), STORE, 0, &there), 0);
    CHECK_EQ(ops->lock(there, "LOCK", &again, &holder), 0);
    close_file(again);
    ops->dir_close(there);
    CHECK_EQ(sim_free(image), 0);
    close_file(lock);
    finish();
}

TEST(boundaries_without_a_change_have_the_same_state)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    uint64_t first = sim_boundaries(sim);
    tick(file);
    tick(file);
    write_text(file, 0, "new");
    tick(file);
    CHECK_EQ(sim_boundary_state(sim, first), sim_boundary_state(sim, first + 2));
    CHECK(sim_boundary_state(sim, first + 2) != sim_boundary_state(sim, first + 3));
    close_file(file);
    finish();
}

/* ---- images --------------------------------------------------------------------------------- */

static void some_mess(void)
{
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_many(file, 0, 'x', 3000);
    close_file(file);
    file = create("b");
    write_many(file, 0, 'y', 700);
    close_file(file);
    CHECK_EQ(ops->rename(dir, "b", "c"), 0);
}

TEST(the_same_seed_gives_the_same_image)
{
    start();
    some_mess();
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim *one = sim_image(sim, SIM_MIXED, seed), *two = sim_image(sim, SIM_MIXED, seed);
        CHECK_EQ(sim_image_hash(one), sim_image_hash(two));
        sim_free(one);
        sim_free(two);
    }
    finish();
}

TEST(seeds_give_many_distinct_images)
{
    uint64_t hashes[200];
    int distinct = 0;
    start();
    some_mess();
    for (int i = 0; i < 200; i++) {
        struct sim *image = sim_image_at(sim, (uint64_t)i, 1);
        hashes[i] = sim_image_hash(image);
        sim_free(image);
        int known = 0;
        for (int j = 0; j < i; j++)
            known |= hashes[j] == hashes[i];
        distinct += !known;
    }
    CHECK(distinct >= 60);
    finish();
}

TEST(the_hash_tells_names_lengths_and_content_apart)
{
    uint64_t hashes[5];
    const char *const texts[] = {"one", "two", "one\0", "one", "one"};
    const uint64_t counts[] = {3, 3, 4, 3, 3};
    for (int i = 0; i < 5; i++) {
        struct sim *image = sim_new(NULL);
        sim_put(image, STORE, i == 3 ? "b" : "a", texts[i], counts[i]);
        hashes[i] = sim_image_hash(image);
        sim_free(image);
    }
    CHECK(hashes[0] != hashes[1] && hashes[0] != hashes[2] && hashes[0] != hashes[3]);
    CHECK_EQ(hashes[0], hashes[4]);
}

TEST(nothing_and_everything_are_the_disk_and_the_cache)
{
    uint64_t bytes;
    start();
    some_mess();
    struct sim *nothing = sim_image(sim, SIM_NOTHING, 0), *everything = sim_image(sim, SIM_EVERYTHING, 0);
    struct sim *killed = sim_kill_image(sim);
    CHECK(a_is_old(nothing));
    CHECK(!exists(nothing, "c"));
    CHECK_EQ(sim_image_hash(everything), sim_image_hash(killed));
    CHECK_EQ(sim_image_hash(everything), sim_image_hash(sim));
    CHECK(sim_look_durable(sim, STORE, "c", &bytes) == NULL);
    sim_free(nothing);
    sim_free(everything);
    sim_free(killed);
    finish();
}

TEST(prefixes_follow_the_order_of_issue)
{
    start();
    durable("a", "old");
    durable("b", "old");
    struct lk_file *a = reopen("a"), *b = reopen("b");
    write_text(b, 0, "x");
    write_text(a, 0, "x");
    CHECK_EQ(sim_image_count(sim, SIM_PREFIX), 2);
    struct sim *image = sim_image(sim, SIM_PREFIX, 0);
    CHECK(b_begins_x(image) && !a_begins_x(image));
    sim_free(image);
    image = sim_image(sim, SIM_PREFIX, 1);
    CHECK(b_begins_x(image) && a_begins_x(image));
    sim_free(image);
    CHECK(sim_image(sim, SIM_PREFIX, 2) == NULL);
    close_file(a);
    close_file(b);
    finish();
}

TEST(drop_and_only_are_opposites)
{
    start();
    durable("a", "old");
    durable("b", "old");
    struct lk_file *a = reopen("a"), *b = reopen("b");
    write_text(a, 0, "x");
    write_text(b, 0, "x");
    CHECK_EQ(sim_items(sim), 2);
    struct sim *drop = sim_image(sim, SIM_DROP, 0), *only = sim_image(sim, SIM_ONLY, 0);
    CHECK(!a_begins_x(drop) && b_begins_x(drop));
    CHECK(a_begins_x(only) && !b_begins_x(only));
    sim_free(drop);
    sim_free(only);
    close_file(a);
    close_file(b);
    finish();
}

TEST(images_live_without_their_original)
{
    start();
    durable("a", "old");
    struct sim *image = sim_image(sim, SIM_EVERYTHING, 0);
    finish();
    sim = image;
    env = sim_env(image);
    CHECK_EQ(ops->dir_open(env, STORE, 0, &dir), 0);
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    sync_file(file);
    CHECK_EQ(ask(a_is_new), ALWAYS);
    close_file(file);
    finish();
}

TEST(an_image_does_not_change_its_original)
{
    struct lk_dir *there;
    struct lk_file *file;
    start();
    durable("a", "old");
    struct sim *image = sim_image(sim, SIM_EVERYTHING, 0);
    CHECK_EQ(ops->dir_open(sim_env(image), STORE, 0, &there), 0);
    CHECK_EQ(ops->open(there, "a", LK_OPEN_WRITE, 0, &file), 0);
    write_text(file, 0, "new");
    sync_file(file);
    close_file(file);
    ops->dir_close(there);
    CHECK_EQ(sim_free(image), 0);
    CHECK_EQ(ask(a_is_old), ALWAYS);
    finish();
}

TEST(images_can_be_crashed_again)
{
    struct lk_dir *there;
    struct lk_file *file;
    start();
    durable("a", "old");
    struct sim *original = sim, *image = sim_image(sim, SIM_EVERYTHING, 0);
    sim_stop_at(image, 3, SIM_POWER);
    CHECK_EQ(ops->dir_open(sim_env(image), STORE, 0, &there), 0);
    CHECK_EQ(ops->open(there, "a", LK_OPEN_WRITE, 0, &file), 0);
    write_text(file, 0, "new");
    CHECK_EQ(ops->sync(file), -EIO);
    CHECK_EQ(ops->close(file), -EIO);
    ops->dir_close(there);
    sim = image;
    CHECK_EQ(ask(a_is_new), SOME);
    CHECK_EQ(sim_free(image), 0);
    sim = original;
    finish();
}

/* ---- faults --------------------------------------------------------------------------------- */

TEST(a_fault_fires_exactly_once)
{
    start();
    struct lk_file *file = create("a");
    sim_fail(sim, &(struct sim_fault){.call = SIM_WRITE, .nth = 2, .err = ENOSPC});
    write_text(file, 0, "1");
    CHECK_EQ(ops->write(file, 1, "2", 1), -ENOSPC);
    write_text(file, 1, "3");
    CHECK_EQ(sim_fired(sim), 1);
    CHECK(is_text(sim, "a", "13"));
    close_file(file);
    finish();
}

TEST(a_fault_for_ever_fires_for_ever)
{
    start();
    struct lk_file *file = create("a");
    sim_fail(sim, &(struct sim_fault){.call = SIM_WRITE, .nth = 2, .err = EIO, .forever = 1});
    write_text(file, 0, "1");
    CHECK_EQ(ops->write(file, 1, "2", 1), -EIO);
    CHECK_EQ(ops->write(file, 1, "2", 1), -EIO);
    CHECK_EQ(sim_fired(sim), 2);
    sim_fail_none(sim);
    write_text(file, 1, "2");
    close_file(file);
    finish();
}

TEST(a_fault_can_be_about_one_file)
{
    start();
    struct lk_file *a = create("a.tbl"), *b = create("b.log");
    sim_fail(sim, &(struct sim_fault){.call = SIM_SYNC, .nth = 1, .err = EIO, .only = ".log"});
    sync_file(a);
    CHECK_EQ(ops->sync(b), -EIO);
    close_file(a);
    close_file(b);
    finish();
}

TEST(a_write_may_fail_half_done)
{
    start();
    struct lk_file *file = create("a");
    sim_fail(sim, &(struct sim_fault){.call = SIM_WRITE, .nth = 1, .err = ENOSPC, .part = 2});
    CHECK_EQ(ops->write(file, 0, "xyz", 3), -ENOSPC);
    CHECK(is_text(sim, "a", "xy"));
    close_file(file);
    finish();
}

TEST(a_read_may_be_short)
{
    char text[4] = {0};
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    sim_fail(sim, &(struct sim_fault){.call = SIM_READ, .nth = 1, .part = 1});
    CHECK_EQ(ops->read(file, 0, text, 3), 1);
    CHECK_EQ(ops->read(file, 0, text, 3), 3);
    close_file(file);
    finish();
}

TEST(every_kind_of_call_can_fail)
{
    unsigned char *at;
    void *more;
    uint64_t id[2];
    struct lk_file *none;
    int holder;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    sim_fail(sim, &(struct sim_fault){.call = SIM_CALLS, .nth = 1, .err = EMFILE, .forever = 1});
    CHECK_EQ(ops->open(dir, "a", LK_OPEN_READ, 0, &none), -EMFILE);
    CHECK_EQ(ops->open(dir, "b", LK_OPEN_CREATE, 0, &none), -EMFILE);
    CHECK_EQ(ops->lock(dir, "LOCK", &none, &holder), -EMFILE);
    CHECK_EQ(ops->read(file, 0, at, 1), -EMFILE);
    CHECK_EQ(ops->sync(file), -EMFILE);
    CHECK_EQ(ops->dir_sync(dir), -EMFILE);
    CHECK_EQ(ops->dir_list(dir, NULL, NULL), -EMFILE);
    CHECK_EQ(ops->dir_id(dir, id), -EMFILE);
    CHECK_EQ(ops->rename(dir, "a", "b"), -EMFILE);
    CHECK_EQ(ops->remove(dir, "a"), -EMFILE);
    CHECK_EQ(ops->allocate(file, 0, 1), -EMFILE);
    CHECK_EQ(ops->truncate(file, 0), -EMFILE);
    CHECK_EQ(ops->map(file, 1, 1, &more), -EMFILE);
    CHECK_EQ(ops->map_sync(file, at, 0, 1), -EMFILE);
    CHECK_EQ(ops->map_prefault(env, at, 1), -EMFILE);
    CHECK_EQ(ops->map_resident(env, at, 1), -EMFILE);
    CHECK_EQ(ops->reserve(env, 4096, &more), -EMFILE);
    CHECK_EQ(ops->random(env, id, 8), -EMFILE);
    sim_fail_none(sim);
    CHECK_EQ(sim_fired(sim), 18);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

static void fail_sync(enum sim_kernel kernel)
{
    sim_fail(sim, &(struct sim_fault){.call = SIM_SYNC, .nth = 1, .err = EIO, .kernel = kernel});
}

TEST(failed_sync_kept_a_second_sync_does_not_write_it)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    fail_sync(SIM_KEPT);
    CHECK_EQ(ops->sync(file), -EIO);
    CHECK(a_is_new(sim));
    sync_file(file); /* "succeeds" */
    CHECK_EQ(ask(a_is_new), SOME);
    CHECK_EQ(sim_fired(sim), 1);
    close_file(file);
    finish();
}

TEST(failed_sync_kept_writing_again_heals_it)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    fail_sync(SIM_KEPT);
    CHECK_EQ(ops->sync(file), -EIO);
    write_text(file, 0, "new");
    sync_file(file);
    CHECK_EQ(ask(a_is_new), ALWAYS);
    close_file(file);
    finish();
}

TEST(failed_sync_kept_a_store_into_the_page_heals_it)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    at[4096] = 'x';
    fail_sync(SIM_KEPT);
    CHECK_EQ(ops->sync(file), -EIO);
    at[1000] = 'y'; /* the first page is dirty again, the second is not */
    sync_file(file);
    CHECK_EQ(ask(a_begins_x), ALWAYS);
    CHECK_EQ(ask(page_two_x), SOME);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(failed_sync_reverted_the_cache_goes_back)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 4096, &at);
    at[0] = 'x';
    fail_sync(SIM_REVERTED);
    CHECK_EQ(ops->sync(file), -EIO);
    CHECK_EQ(at[0], 0);
    CHECK_EQ(ask(a_begins_x), NEVER);
    ops->unmap(env, at, 4096);
    close_file(file);
    finish();
}

TEST(failed_sync_late_the_next_call_fails)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    fail_sync(SIM_LATE);
    sync_file(file);
    CHECK_EQ(sim_fired(sim), 1);
    CHECK_EQ(ask(a_is_new), SOME);
    CHECK_EQ(ops->sync(file), -EIO);
    CHECK_EQ(ops->sync(file), 0);
    close_file(file);
    finish();
}

TEST(failed_sync_late_may_come_at_close)
{
    start();
    durable("a", "old");
    struct lk_file *file = reopen("a");
    write_text(file, 0, "new");
    fail_sync(SIM_LATE);
    sync_file(file);
    CHECK_EQ(ops->close(file), -EIO);
    finish();
}

TEST(failed_map_sync_is_about_its_range)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    at[0] = 'x';
    at[4096] = 'x';
    sim_fail(sim, &(struct sim_fault){.call = SIM_MAP_SYNC, .nth = 1, .err = EIO, .kernel = SIM_KEPT});
    CHECK_EQ(ops->map_sync(file, at, 0, 4096), -EIO);
    sync_file(file);
    CHECK_EQ(ask(a_begins_x), SOME);
    CHECK_EQ(ask(page_two_x), ALWAYS);
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

TEST(failed_directory_sync_passes_the_names_by)
{
    start();
    close_file(create("a"));
    sim_fail(sim, &(struct sim_fault){.call = SIM_DIR_SYNC, .nth = 1, .err = EIO});
    CHECK_EQ(ops->dir_sync(dir), -EIO);
    close_file(create("b"));
    sync_dir();
    CHECK_EQ(ask(a_exists), SOME);
    CHECK_EQ(ask(b_exists), ALWAYS);
    finish();
}

TEST(a_full_disk_says_so)
{
    start_with(&(struct sim_config){.space_bytes = 1000});
    struct lk_file *file = create("a");
    write_many(file, 0, 'x', 900);
    CHECK_EQ(ops->write(file, 900, "0123456789", 101), -ENOSPC);
    CHECK_EQ(ops->allocate(file, 0, 2000), -ENOSPC);
    write_many(file, 0, 'y', 900);
    CHECK_EQ(ops->truncate(file, 0), 0);
    write_many(file, 0, 'z', 1000);
    close_file(file);
    finish();
}

TEST(what_is_left_open_is_counted)
{
    unsigned char *at;
    void *space;
    start();
    mapped("a", 4096, &at);
    CHECK_EQ(ops->reserve(env, 4096, &space), 0);
    FILE *saved = stderr; /* the list itself is not wanted here */
    stderr = fopen("/dev/null", "w");
    unsigned held = sim_free(sim);
    fclose(stderr);
    stderr = saved;
    CHECK_EQ(held, 4); /* directory, file, mapping, reservation */
}

TEST(the_trace_tells_calls_and_results)
{
    start_with(&(struct sim_config){.trace = 1});
    struct lk_file *file = create("a");
    write_text(file, 0, "new");
    close_file(file);
    CHECK_EQ(ops->remove(dir, "b"), -ENOENT);
    CHECK(strstr(sim_trace(sim), "CREATE a 3 384 = 0\n"));
    CHECK(strstr(sim_trace(sim), "WRITE a 0 3 = 0\n"));
    CHECK(strstr(sim_trace(sim), "REMOVE b 0 0 = -2\n"));
    finish();
}

TEST(clock_and_chance_depend_on_nothing_but_the_seed)
{
    uint64_t one[2], two[2];
    struct sim *a = sim_new(&(struct sim_config){.seed = 9}), *b = sim_new(&(struct sim_config){.seed = 9});
    const struct lk_env_ops *table = sim_env(a)->ops;
    CHECK_EQ(table->random(sim_env(a), one, sizeof one), 0);
    CHECK_EQ(table->random(sim_env(b), two, sizeof two), 0);
    CHECK_MEM(one, two, sizeof one);
    uint64_t before = table->monotonic_ns(sim_env(a));
    table->sleep_ns(sim_env(a), 5000000);
    CHECK(table->monotonic_ns(sim_env(a)) >= before + 5000000);
    CHECK_EQ(table->monotonic_ns(sim_env(b)), before);
    sim_free(a);
    sim_free(b);
}

TEST(no_threads)
{
    struct lk_thread *thread;
    start();
    CHECK_EQ(ops->thread_start(env, "keeper", NULL, NULL, &thread), -EAGAIN);
    CHECK(thread == NULL);
    finish();
}

/* ---- the order checker ---------------------------------------------------------------------- */

static void note(int what, uint64_t a, uint64_t b)
{
    lk_env_note(env, what, a, b);
}

static int complains(const char *words)
{
    const char *text = sim_check(sim);
    return text && strstr(text, words);
}

TEST(order_right_from_creation_to_removal_is_silent)
{
    start();
    durable("MANIFEST-000001", "edits");
    struct lk_file *file = create("CURRENT.tmp");
    write_text(file, 0, "1");
    sync_file(file);
    close_file(file);
    CHECK_EQ(ops->rename(dir, "CURRENT.tmp", "CURRENT"), 0);
    sync_dir();
    struct lk_file *log = create("000002.log"), *manifest = reopen("MANIFEST-000001");
    sync_dir();
    note(LK_NOTE_SEGMENT_NEW, 2, 0);
    write_many(log, 0, 'x', 100);
    sync_file(log);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 100), 0);
    durable("000003.tbl", "table");
    note(LK_NOTE_EDIT_NAMES, 3, LSN(2, 100));
    write_text(manifest, 5, "+3");
    sync_file(manifest);
    note(LK_NOTE_EDIT_DURABLE, 1, 0);
    close_file(log);
    close_file(manifest);
    note(LK_NOTE_REMOVE, 2, 0);
    CHECK_EQ(ops->remove(dir, "000002.log"), 0);
    CHECK_STR(sim_check(sim), NULL);
    finish();
}

TEST(order_acknowledgement_before_the_sync)
{
    start();
    struct lk_file *log = create("000002.log");
    sync_dir();
    write_many(log, 0, 'x', 100);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 100), 0);
    CHECK(complains("the content of 000002.log"));
    close_file(log);
    finish();
}

TEST(order_acknowledgement_before_the_directory_sync)
{
    start();
    struct lk_file *log = create("000002.log");
    write_many(log, 0, 'x', 100);
    sync_file(log);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 100), 0);
    CHECK(complains("the name of 000002.log"));
    close_file(log);
    finish();
}

TEST(order_acknowledgement_with_an_unsynced_older_segment)
{
    start();
    struct lk_file *old = create("000002.log"), *log = create("000003.log");
    sync_dir();
    write_many(old, 0, 'x', 100);
    write_many(log, 0, 'x', 100);
    sync_file(log);
    note(LK_NOTE_ACK_SYNCED, LSN(3, 100), 0);
    CHECK(complains("the content of 000002.log"));
    close_file(old);
    close_file(log);
    finish();
}

TEST(order_acknowledgement_in_a_segment_that_is_not_there)
{
    start();
    note(LK_NOTE_ACK_SYNCED, LSN(7, 100), 0);
    CHECK(complains("the existence of file 000007"));
    finish();
}

TEST(order_stores_behind_the_acknowledged_end_do_not_matter)
{
    unsigned char *at;
    start();
    struct lk_file *log = mapped("000002.log", 4096, &at);
    memset(at, 'x', 100);
    CHECK_EQ(ops->map_sync(log, at, 0, 100), 0);
    at[100] = 'y'; /* the next, unsynced write, in the same sector */
    note(LK_NOTE_ACK_SYNCED, LSN(2, 100), 0);
    CHECK_STR(sim_check(sim), NULL);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 101), 0);
    CHECK(complains("the content of 000002.log"));
    ops->unmap(env, at, 4096);
    close_file(log);
    finish();
}

TEST(order_acknowledgement_on_a_lying_sync_is_not_the_engines_fault)
{
    start();
    struct lk_file *log = create("000002.log");
    sync_dir();
    write_many(log, 0, 'x', 100);
    fail_sync(SIM_LATE);
    sync_file(log);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 100), 0);
    CHECK_STR(sim_check(sim), NULL);
    CHECK_EQ(ops->close(log), -EIO);
    finish();
}

TEST(order_belief_in_a_lying_sync_outlasts_the_next_write)
{
    start();
    struct lk_file *log = create("000002.log");
    sync_dir();
    write_many(log, 0, 'x', 100);
    fail_sync(SIM_LATE);
    sync_file(log);
    CHECK_EQ(ops->write(log, 100, "y", 1), -EIO);
    write_text(log, 100, "y");
    note(LK_NOTE_ACK_SYNCED, LSN(2, 100), 0);
    CHECK_STR(sim_check(sim), NULL);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 101), 0);
    CHECK(complains("the content of 000002.log"));
    close_file(log);
    finish();
}

TEST(order_segment_before_its_name)
{
    start();
    close_file(create("000002.log"));
    note(LK_NOTE_SEGMENT_NEW, 2, 1);
    CHECK(complains("the name of 000002.log"));
    finish();
}

TEST(order_edit_before_the_table)
{
    start();
    struct lk_file *table = create("000003.tbl");
    write_text(table, 0, "table");
    sync_dir();
    note(LK_NOTE_EDIT_NAMES, 3, 0);
    CHECK(complains("the content of 000003.tbl"));
    close_file(table);
    finish();
}

TEST(order_edit_before_the_tables_name)
{
    start();
    struct lk_file *table = create("000003.tbl");
    write_text(table, 0, "table");
    sync_file(table);
    note(LK_NOTE_EDIT_NAMES, 3, 0);
    CHECK(complains("the name of 000003.tbl"));
    close_file(table);
    finish();
}

TEST(order_edit_before_the_tables_length)
{
    start();
    struct lk_file *table = create("000003.tbl");
    sync_dir();
    CHECK_EQ(ops->allocate(table, 0, 100), 0); /* zeros, as the disk has them, but no length */
    note(LK_NOTE_EDIT_NAMES, 3, 0);
    CHECK(complains("the content of 000003.tbl"));
    close_file(table);
    finish();
}

TEST(order_edit_before_the_log)
{
    start();
    struct lk_file *log = create("000002.log");
    write_many(log, 0, 'x', 100);
    sync_dir();
    durable("000003.tbl", "table");
    note(LK_NOTE_EDIT_NAMES, 3, LSN(2, 100));
    CHECK(complains("the content of 000002.log"));
    close_file(log);
    finish();
}

TEST(order_edit_called_durable_too_early)
{
    start();
    durable("MANIFEST-000001", "edits");
    struct lk_file *manifest = reopen("MANIFEST-000001");
    write_text(manifest, 5, "+1");
    note(LK_NOTE_EDIT_DURABLE, 1, 0);
    CHECK(complains("the content of MANIFEST-000001"));
    close_file(manifest);
    finish();
}

TEST(order_removal_before_the_manifest)
{
    start();
    durable("MANIFEST-000001", "edits");
    durable("000002.log", "records");
    struct lk_file *manifest = reopen("MANIFEST-000001");
    write_text(manifest, 5, "-2");
    note(LK_NOTE_REMOVE, 2, 0);
    CHECK_STR(sim_check(sim), NULL);
    CHECK_EQ(ops->remove(dir, "000002.log"), 0);
    CHECK(complains("000002.log was removed before the content of MANIFEST-000001"));
    close_file(manifest);
    finish();
}

TEST(order_removal_while_an_edit_is_under_way)
{
    start();
    durable("000002.log", "records");
    durable("000003.tbl", "table");
    note(LK_NOTE_EDIT_NAMES, 3, 0);
    note(LK_NOTE_REMOVE, 2, 0);
    CHECK_EQ(ops->remove(dir, "000002.log"), 0);
    CHECK(complains("while an edit was not durable yet"));
    finish();
}

TEST(order_giving_up_an_edit_that_was_never_written_is_allowed)
{
    start();
    durable("MANIFEST-000001", "edits");
    durable("000002.log", "records");
    durable("000003.tbl", "table");
    note(LK_NOTE_EDIT_NAMES, 3, 0);
    note(LK_NOTE_REMOVE, 3, 0);
    CHECK_EQ(ops->remove(dir, "000003.tbl"), 0);
    note(LK_NOTE_REMOVE, 2, 0);
    CHECK_EQ(ops->remove(dir, "000002.log"), 0);
    CHECK_STR(sim_check(sim), NULL);
    finish();
}

TEST(order_giving_up_an_edit_that_may_be_on_the_disk)
{
    start();
    durable("MANIFEST-000001", "edits");
    durable("000003.tbl", "table");
    struct lk_file *manifest = reopen("MANIFEST-000001");
    note(LK_NOTE_EDIT_NAMES, 3, 0);
    write_text(manifest, 5, "+3");
    fail_sync(SIM_KEPT);
    CHECK_EQ(ops->sync(manifest), -EIO);
    note(LK_NOTE_REMOVE, 3, 0);
    CHECK_EQ(ops->remove(dir, "000003.tbl"), 0);
    CHECK(complains("000003.tbl was removed before the content of MANIFEST-000001"));
    close_file(manifest);
    finish();
}

TEST(order_acknowledgement_of_what_is_in_tables_already)
{
    start();
    durable("000002.log", "records");
    note(LK_NOTE_REMOVE, 2, 0);
    CHECK_EQ(ops->remove(dir, "000002.log"), 0);
    note(LK_NOTE_ACK_SYNCED, LSN(2, 7), 0);
    CHECK_STR(sim_check(sim), NULL);
    finish();
}

TEST(order_giving_up_an_unannounced_table_is_allowed)
{
    start();
    close_file(create("000003.tbl"));
    CHECK_EQ(ops->remove(dir, "000003.tbl"), 0);
    CHECK_STR(sim_check(sim), NULL);
    finish();
}

TEST(order_current_before_its_content)
{
    start();
    close_file(create("CURRENT.tmp"));
    struct lk_file *file = reopen("CURRENT.tmp");
    write_text(file, 0, "1");
    CHECK_EQ(ops->rename(dir, "CURRENT.tmp", "CURRENT"), 0);
    CHECK(complains("renamed to CURRENT before its content"));
    close_file(file);
    finish();
}

TEST(order_current_before_the_manifests_name)
{
    start();
    struct lk_file *manifest = create("MANIFEST-000001");
    write_text(manifest, 0, "edits");
    sync_file(manifest);
    close_file(manifest);
    close_file(create("CURRENT.tmp"));
    CHECK_EQ(ops->rename(dir, "CURRENT.tmp", "CURRENT"), 0);
    CHECK(complains("CURRENT was put in place before the name of MANIFEST-000001"));
    finish();
}

TEST(order_old_manifest_removed_before_current_is_durable)
{
    start();
    durable("MANIFEST-000001", "edits");
    durable("MANIFEST-000002", "edits");
    durable("CURRENT", "1");
    durable("CURRENT.tmp", "2");
    CHECK_EQ(ops->rename(dir, "CURRENT.tmp", "CURRENT"), 0);
    CHECK_EQ(ops->remove(dir, "MANIFEST-000001"), 0);
    CHECK(complains("MANIFEST-000001 was removed before the name of CURRENT"));
    finish();
}

TEST(a_name_with_a_slash_is_a_violation)
{
    struct lk_file *file;
    start();
    CHECK_EQ(ops->open(dir, "../a", LK_OPEN_READ, 0, &file), -EINVAL);
    CHECK(complains("is a path"));
    finish();
}

TEST(unmap_of_something_else_is_a_violation)
{
    unsigned char *at;
    start();
    struct lk_file *file = mapped("a", 8192, &at);
    ops->unmap(env, at, 4096);
    CHECK(complains("unmap"));
    ops->unmap(env, at, 8192);
    close_file(file);
    finish();
}

/* ---- the same script on both environments ----------------------------------------------------- */

static char real_path[64];

static int add_name(void *arg, const char *name)
{
    char **names = arg;
    names[0][(unsigned char)name[0]] = 1; /* names are one letter here: a set is enough */
    return 0;
}

static void script_names(struct lk_env *on, const char *path, int64_t *log)
{
    char set[256] = {0}, *names = set;
    struct lk_dir *d;
    struct lk_file *f = NULL;
    *log++ = on->ops->dir_open(on, path, 0700, &d);
    *log++ = on->ops->open(d, "a", LK_OPEN_READ, 0, &f);
    *log++ = f == NULL;
    *log++ = on->ops->open(d, "a", LK_OPEN_WRITE, 0, &f);
    *log++ = on->ops->open(d, "a", LK_OPEN_CREATE, 0600, &f);
    *log++ = on->ops->close(f);
    *log++ = on->ops->open(d, "a", LK_OPEN_CREATE, 0600, &f);
    *log++ = on->ops->open(d, "b", LK_OPEN_CREATE, 0600, &f);
    *log++ = on->ops->close(f);
    *log++ = on->ops->rename(d, "b", "c");
    *log++ = on->ops->rename(d, "b", "d");
    *log++ = on->ops->remove(d, "b");
    *log++ = on->ops->remove(d, "a");
    *log++ = on->ops->dir_sync(d);
    *log++ = on->ops->dir_list(d, add_name, &names);
    *log++ = set['a'] | set['b'] << 1 | set['c'] << 2 | set['.'] << 3;
    *log++ = on->ops->dir_remove(on, path);
    *log++ = on->ops->remove(d, "c");
    on->ops->dir_close(d);
    *log++ = on->ops->dir_remove(on, path);
    *log++ = on->ops->dir_remove(on, path);
    *log++ = on->ops->dir_open(on, path, 0, &d);
}

static void script_content(struct lk_env *on, const char *path, int64_t *log)
{
    char text[16] = {0};
    uint64_t size;
    struct lk_dir *d;
    struct lk_file *f, *r;
    *log++ = on->ops->dir_open(on, path, 0700, &d);
    *log++ = on->ops->open(d, "a", LK_OPEN_CREATE, 0600, &f);
    *log++ = on->ops->write(f, 5, "hello", 5);
    *log++ = on->ops->size(f, &size);
    *log++ = (int64_t)size;
    *log++ = on->ops->read(f, 3, text, 16);
    *log++ = text[0] * 256 + text[2];
    *log++ = on->ops->read(f, 10, text, 16);
    *log++ = on->ops->read(f, 1000, text, 16);
    *log++ = on->ops->write(f, 0, "", 0);
    *log++ = on->ops->allocate(f, 0, 100);
    *log++ = on->ops->allocate(f, 0, 0);
    *log++ = on->ops->size(f, &size);
    *log++ = (int64_t)size;
    *log++ = on->ops->truncate(f, 7);
    *log++ = on->ops->truncate(f, 12);
    *log++ = on->ops->read(f, 5, text, 16);
    *log++ = text[1] * 65536 + text[2] * 256 + text[6];
    *log++ = on->ops->sync(f);
    *log++ = on->ops->open(d, "a", LK_OPEN_READ, 0, &r);
    *log++ = on->ops->write(r, 0, "x", 1);
    *log++ = on->ops->truncate(r, 0);
    *log++ = on->ops->allocate(r, 0, 100);
    *log++ = on->ops->sync(r);
    *log++ = on->ops->close(r);
    *log++ = on->ops->close(f);
    *log++ = on->ops->remove(d, "a");
    on->ops->dir_close(d);
}

static void script_maps(struct lk_env *on, const char *path, int64_t *log)
{
    char text[16] = {0};
    struct lk_dir *d;
    struct lk_file *f, *r;
    void *at, *again;
    *log++ = on->ops->dir_open(on, path, 0700, &d);
    *log++ = on->ops->open(d, "a", LK_OPEN_CREATE, 0600, &f);
    *log++ = on->ops->map(f, 0, 1, &at);
    *log++ = at == NULL;
    *log++ = on->ops->allocate(f, 0, 8192);
    *log++ = on->ops->map(f, 8192, 1, &at);
    *log++ = on->ops->map_prefault(on, at, 8192);
    memcpy((char *)at + 4094, "store", 5);
    *log++ = on->ops->read(f, 4094, text, 5);
    *log++ = memcmp(text, "store", 5) == 0;
    *log++ = on->ops->map_sync(f, at, 4094, 5);
    *log++ = on->ops->map_resident(on, at, 8192);
    *log++ = on->ops->map_resident(on, (char *)at + 100, 5000);
    *log++ = on->ops->open(d, "a", LK_OPEN_READ, 0, &r);
    *log++ = on->ops->map(r, 8192, 1, &again);
    *log++ = on->ops->map(r, 8192, 0, &again);
    *log++ = memcmp((char *)again + 4094, "store", 5) == 0;
    *log++ = on->ops->write(f, 0, "w", 1);
    *log++ = ((char *)again)[0];
    on->ops->unmap(on, again, 8192);
    on->ops->unmap(on, at, 8192);
    *log++ = on->ops->close(r);
    *log++ = on->ops->close(f);
    *log++ = on->ops->remove(d, "a");
    on->ops->dir_close(d);
}

static void script_lock(struct lk_env *on, const char *path, int64_t *log)
{
    struct lk_dir *d;
    struct lk_file *one, *two;
    int holder = 0;
    *log++ = on->ops->dir_open(on, path, 0700, &d);
    *log++ = on->ops->lock(d, "LOCK", &one, &holder);
    *log++ = on->ops->lock(d, "LOCK", &two, &holder);
    *log++ = holder == on->ops->pid(on);
    *log++ = two == NULL;
    *log++ = on->ops->close(one);
    *log++ = on->ops->lock(d, "LOCK", &two, &holder);
    *log++ = on->ops->close(two);
    *log++ = on->ops->remove(d, "LOCK");
    on->ops->dir_close(d);
}

static void script_strangers(struct lk_env *on, const char *path, int64_t *log)
{
    struct lk_dir *d;
    struct lk_file *f;
    int holder;
    *log++ = on->ops->dir_open(on, path, 0, &d);
    for (const char *name = "lpd"; *name; name++) {
        char text[2] = {*name, 0};
        *log++ = on->ops->open(d, text, LK_OPEN_READ, 0, &f);
        *log++ = on->ops->open(d, text, LK_OPEN_WRITE, 0, &f);
        *log++ = on->ops->open(d, text, LK_OPEN_CREATE, 0600, &f);
        *log++ = on->ops->lock(d, text, &f, &holder);
    }
    *log++ = on->ops->remove(d, "d");
    *log++ = on->ops->remove(d, "l");
    *log++ = on->ops->remove(d, "p");
    on->ops->dir_close(d);
}

#define LOG_LINES 48

static void compare(void (*script)(struct lk_env *on, const char *path, int64_t *log), struct sim *on)
{
    int64_t real[LOG_LINES], simulated[LOG_LINES];
    for (int i = 0; i < LOG_LINES; i++)
        real[i] = simulated[i] = INT64_MIN;
    script(lk_env_posix(), real_path, real);
    script(sim_env(on), STORE, simulated);
    for (int i = 0; i < LOG_LINES; i++)
        if (real[i] != simulated[i])
            fprintf(stderr, "line %d: real %lld, simulated %lld\n", i, (long long)real[i], (long long)simulated[i]);
    CHECK(memcmp(real, simulated, sizeof real) == 0);
    CHECK(real[1] != INT64_MIN);
    CHECK_STR(sim_check(on), NULL);
    CHECK_EQ(sim_free(on), 0);
}

static void real_directory(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(real_path, sizeof real_path, "%.40s/litmus-XXXXXX", base ? base : "/tmp");
    CHECK(mkdtemp(real_path) != NULL);
}

TEST(both_agree_on_names)
{
    real_directory();
    rmdir(real_path);
    compare(script_names, sim_new(NULL));
}

TEST(both_agree_on_content)
{
    real_directory();
    compare(script_content, sim_new(NULL));
    rmdir(real_path);
}

TEST(both_agree_on_mappings)
{
    real_directory();
    compare(script_maps, sim_new(NULL));
    rmdir(real_path);
}

TEST(both_agree_on_locks)
{
    real_directory();
    compare(script_lock, sim_new(NULL));
    rmdir(real_path);
}

TEST(both_refuse_what_is_no_regular_file)
{
    char name[80];
    struct sim *strange = sim_new(NULL);
    real_directory();
    snprintf(name, sizeof name, "%s/l", real_path);
    CHECK_EQ(symlink("/etc/hostname", name), 0);
    snprintf(name, sizeof name, "%s/p", real_path);
    CHECK_EQ(mkfifo(name, 0600), 0);
    snprintf(name, sizeof name, "%s/d", real_path);
    CHECK_EQ(mkdir(name, 0700), 0);
    sim_put_strange(strange, STORE, "l", SIM_SYMLINK);
    sim_put_strange(strange, STORE, "p", SIM_PIPE);
    sim_put_strange(strange, STORE, "d", SIM_DIRECTORY);
    compare(script_strangers, strange);
    rmdir(name);
    rmdir(real_path);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
