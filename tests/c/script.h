/* script: readable test cases in text files. A file is a row of cases, divided by empty lines:
 *
 *   # words about the case, as many lines as it takes
 *   the facts
 *   ----
 *   what they lead to
 *
 * Every file *.txt of a folder of tests/data is run. Programs run anywhere below the root of the sources, or
 * with its tests/data in LSMKV_TEST_DATA. */
#ifndef LK_TESTS_SCRIPT_H
#define LK_TESTS_SCRIPT_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

enum { SCRIPT_TEXT = 4096 };

/* facts: the lines above the divider. Write into answer what must equal the lines below it. */
typedef void (*script_case)(const char *facts, char answer[SCRIPT_TEXT]);

static inline int script_folder(const char *name, char path[SCRIPT_TEXT])
{
    const char *given = getenv("LSMKV_TEST_DATA");
    char up[64] = "";

    if (given) {
        snprintf(path, SCRIPT_TEXT, "%s/%s", given, name);
        return access(path, R_OK) == 0;
    }
    for (int level = 0; level < 8; level++, strcat(up, "../")) {
        snprintf(path, SCRIPT_TEXT, "%stests/data/%s", up, name);
        if (access(path, R_OK) == 0)
            return 1;
    }
    return 0;
}

static inline void script_check(const char *file, int line, const char *facts, const char *want, script_case run)
{
    char answer[SCRIPT_TEXT] = "";

    run(facts, answer);
    if (strcmp(answer, want) != 0) {
        check_failures++;
        fprintf(stderr, "%s:%d:\n%s----\ngot:  %swant: %s", file, line, facts, answer, want);
    }
}

/* Returns the number of cases in the file. */
static inline unsigned script_file(const char *path, script_case run)
{
    char facts[SCRIPT_TEXT] = "", want[SCRIPT_TEXT] = "", line[SCRIPT_TEXT], *part = facts;
    FILE *file = fopen(path, "r");
    unsigned cases = 0;
    int more = 1;

    if (!CHECK(file != NULL))
        return 0;
    for (int number = 1; more; number++) {
        more = fgets(line, sizeof line, file) != NULL;
        if (!more || line[0] == '\n') {
            if (part == want) {
                script_check(path, number, facts, want, run);
                cases++;
            }
            facts[0] = want[0] = 0;
            part = facts;
        } else if (strcmp(line, "----\n") == 0) {
            part = want;
        } else if (line[0] != '#' && CHECK(strlen(part) + strlen(line) < SCRIPT_TEXT)) {
            strcat(part, line);
        }
    }
    fclose(file);
    return cases;
}

static inline void script_run(const char *folder, script_case run)
{
    char path[SCRIPT_TEXT], file[2 * SCRIPT_TEXT];
    unsigned cases = 0;
    DIR *dir;

    if (!CHECK(script_folder(folder, path)) || !CHECK((dir = opendir(path)) != NULL))
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 4, ".txt") != 0)
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        cases += script_file(file, run);
    }
    closedir(dir);
    CHECK(cases > 0);
}

#endif
