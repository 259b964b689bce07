/* fuzz names: bytes as the content of CURRENT, and as the name of a file. What is taken for the
 * engine's must be exactly what the engine would have written. */
#include "fuzz.h"

#include "format/edit.h"
#include "util/checksum.h"

static void name_check(const char *name)
{
    char plain[LK_FILE_NAME], aside[LK_FILE_NAME_ASIDE];
    uint32_t number = 77;
    enum lk_file_type type = lk_file_name_get(name, &number);

    FUZZ_CHECK(type <= LK_FILE_ASIDE);
    FUZZ_CHECK((number > 0) == (type >= LK_FILE_MANIFEST));
    if (type == LK_FILE_NONE)
        return;
    fuzz_accepted++;
    if (type != LK_FILE_ASIDE) {
        lk_file_name(plain, type, number);
        FUZZ_CHECK(strcmp(plain, name) == 0);
        return;
    }
    int alike = 0;
    for (type = LK_FILE_MANIFEST; type <= LK_FILE_TEMP; type++) {
        lk_file_name_aside(aside, type, number);
        alike += strcmp(aside, name) == 0;
    }
    FUZZ_CHECK(alike == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char again[LK_CURRENT_BYTES], *name;
    uint32_t number = 0;

    if (lk_current_get((const char *)data, bytes, &number) == 0) {
        fuzz_accepted++;
        FUZZ_CHECK(number > 0 && bytes == sizeof again);
        lk_current_put(again, number);
        FUZZ_CHECK(memcmp(again, data, sizeof again) == 0);
    }
    name = malloc(bytes + 1); /* ends where the name ends, for the sanitizer */
    FUZZ_CHECK(name != NULL);
    memcpy(name, data, bytes);
    name[bytes] = 0;
    name_check(name);
    free(name);
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    char name[LK_FILE_NAME_ASIDE] = "";
    uint32_t number = (uint32_t)(random_next(random) >> (32 + random_below(random, 32)));

    FUZZ_CHECK(room >= sizeof name);
    if (random_below(random, 3) == 0) {
        lk_current_put(name, number);
        memcpy(to, name, LK_CURRENT_BYTES);
        return LK_CURRENT_BYTES;
    }
    enum lk_file_type type = (enum lk_file_type)(1 + random_below(random, LK_FILE_TEMP));
    if (random_below(random, 3))
        lk_file_name(name, type, number);
    else
        lk_file_name_aside(name, type, number);
    memcpy(to, name, sizeof name);
    return strlen(name);
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    char sum[9];
    if (bytes != LK_CURRENT_BYTES)
        return;
    snprintf(sum, sizeof sum, "%08x", lk_checksum(0, data, 20));
    memcpy(data + 20, sum, 8);
}
