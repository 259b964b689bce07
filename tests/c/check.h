/* check: what the C tests stand on. One includer per test program.
 *
 *   TEST(keys_strictly_increase)
 *   {
 *       CHECK(lk_page_check(&page));
 *       CHECK_EQ(lk_page_count(&page), 3);
 *   }
 *   int main(int argc, char **argv)
 *   {
 *       return check_run(argc, argv);      // arguments: substrings of the test names to run
 *   }
 *
 * A failed check is printed and counted and the test goes on; NEED leaves the test's function.
 * Tests run in the order of the file. The last line is "N passed, M failed"; N and M count tests. */
#ifndef LK_TESTS_CHECK_H
#define LK_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned check_failures; /* failed checks of the running test */

static inline int check_that(int holds, const char *file, int line, const char *words)
{
    if (!holds) {
        check_failures++;
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, words);
    }
    return holds;
}

static inline int check_equal(int64_t got, int64_t want, const char *file, int line, const char *words)
{
    if (got != want) {
        check_failures++;
        fprintf(stderr, "%s:%d: %s: got %lld, want %lld\n", file, line, words, (long long)got, (long long)want);
    }
    return got == want;
}

static inline int check_text(const char *got, const char *want, const char *file, int line, const char *words)
{
    int same = got && want ? strcmp(got, want) == 0 : got == want;
    if (!same) {
        check_failures++;
        fprintf(stderr, "%s:%d: %s: got \"%s\", want \"%s\"\n", file, line, words, got ? got : "(null)",
                want ? want : "(null)");
    }
    return same;
}

#define CHECK(cond) check_that(!!(cond), __FILE__, __LINE__, #cond)
#define CHECK_EQ(got, want) check_equal((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got)
#define CHECK_STR(got, want) check_text((got), (want), __FILE__, __LINE__, #got)
#define CHECK_MEM(got, want, bytes) \
    check_that(memcmp((got), (want), (bytes)) == 0, __FILE__, __LINE__, #got " == " #want)
#define NEED(cond)        \
    do {                  \
        if (!CHECK(cond)) \
            return;       \
    } while (0)

struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
};

static struct check_test *check_first, **check_last = &check_first;

/* Constructors of one file run from top to bottom, so the registry is in the order of the file. */
#define TEST(title)                                                        \
    static void test_##title(void);                                        \
    static struct check_test entry_##title = {#title, test_##title, NULL}; \
    __attribute__((constructor)) static void register_##title(void)        \
    {                                                                      \
        *check_last = &entry_##title;                                      \
        check_last = &entry_##title.next;                                  \
    }                                                                      \
    static void test_##title(void)

static inline int check_wanted(const char *name, int argc, char **argv)
{
    int wanted = argc < 2;
    for (int i = 1; i < argc; i++)
        wanted |= strstr(name, argv[i]) != NULL;
    return wanted;
}

static inline int check_run(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    for (struct check_test *test = check_first; test; test = test->next) {
        if (!check_wanted(test->name, argc, argv))
            continue;
        check_failures = 0;
        test->run();
        if (check_failures)
            fprintf(stderr, "FAILED %s\n", test->name);
        passed += check_failures == 0;
        failed += check_failures != 0;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || passed == 0;
}

#endif
