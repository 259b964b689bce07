/* test_env_fail_alloc: the real environment when memory runs out, and the allocator of the tests
 * itself: linked with alloc_fail.c in the place of util/alloc.c. */
#include <errno.h>
#include <string.h>

#include "alloc_fail.h"
#include "check.h"
#include "os/env.h"
#include "util/alloc.h"

TEST(the_nth_allocation_fails)
{
    alloc_fail_at(2, 0);
    void *one = lk_alloc(10), *two = lk_alloc(10), *three = lk_alloc_zero(10);
    CHECK(one && !two && three);
    CHECK_EQ(alloc_fail_calls(), 3);
    CHECK_EQ(alloc_fail_fired(), 1);
    alloc_fail_at(1, 1);
    CHECK(lk_realloc(one, 20) == NULL);
    CHECK(lk_alloc_aligned(64, 64) == NULL);
    CHECK_EQ(alloc_fail_fired(), 2);
    alloc_fail_at(0, 0);
    CHECK_EQ(alloc_fail_live(), 2);
    CHECK_EQ(alloc_fail_live_bytes(), 20);
    lk_free(one);
    lk_free(two);
    lk_free(three);
    CHECK_EQ(alloc_fail_live(), 0);
}

TEST(blocks_are_aligned_kept_and_cleared)
{
    unsigned char *at = lk_alloc_aligned(4096, 100), *zero = lk_alloc_zero(100);
    CHECK_EQ((uintptr_t)at % 4096, 0);
    CHECK_EQ(at[0], 0xA5);
    CHECK_EQ(zero[99], 0);
    memcpy(at, "kept", 4);
    at = lk_realloc(at, 1000);
    CHECK_MEM(at, "kept", 4);
    at = lk_realloc(at, 0);
    CHECK(at != NULL);
    lk_free(at);
    lk_free(zero);
    lk_free(NULL);
    at = lk_realloc(NULL, 5);
    CHECK(at != NULL);
    lk_free(at);
    CHECK_EQ(alloc_fail_live(), 0);
}

static void nothing(void *arg)
{
    (void)arg;
}

TEST(every_allocation_of_the_environment_can_fail)
{
    struct lk_env *env = lk_env_posix();
    const struct lk_env_ops *ops = env->ops;
    char any = 0;
    struct lk_dir *dir, *other = (struct lk_dir *)&any;
    struct lk_file *file = (struct lk_file *)&any, *lock = file;
    struct lk_thread *thread = (struct lk_thread *)&any;
    int holder;

    CHECK_EQ(ops->dir_open(env, "/tmp", 0, &dir), 0);
    alloc_fail_at(1, 1);
    CHECK_EQ(ops->dir_open(env, "/tmp", 0, &other), -ENOMEM);
    CHECK_EQ(ops->open(dir, "no such file", LK_OPEN_READ, 0, &file), -ENOMEM);
    CHECK_EQ(ops->lock(dir, "no such lock", &lock, &holder), -ENOMEM);
    CHECK_EQ(ops->thread_start(env, "x", nothing, NULL, &thread), -ENOMEM);
    CHECK(!other && !file && !lock && !thread);
    CHECK_EQ(alloc_fail_fired(), 4);
    alloc_fail_at(0, 0);
    CHECK_EQ(ops->thread_start(env, "x", nothing, NULL, &thread), 0);
    ops->thread_join(thread);
    ops->dir_close(dir);
    CHECK_EQ(alloc_fail_live(), 0);
}

int main(int argc, char **argv)
{
    return check_run(argc, argv);
}
