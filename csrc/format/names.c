/* names: of files, and the file that names the live manifest. Decoders accept exactly what the encoders
 * write: they read a number, encode it again, and compare. Pure bytes: any thread. */
#include "format/edit.h"

#include "util/checksum.h"

#include <stdio.h>

static const char MANIFEST[] = "MANIFEST-", ASIDE[] = ".aside";

enum { MANIFEST_BYTES = sizeof MANIFEST - 1, ASIDE_BYTES = sizeof ASIDE - 1, CURRENT_NAME = 20 };

/* ---- file names ----------------------------------------------------------------------------- */

void lk_file_name(char to[LK_FILE_NAME], enum lk_file_type type, uint32_t number)
{
    switch (type) {
    case LK_FILE_LOCK:
        snprintf(to, LK_FILE_NAME, "LOCK");
        break;
    case LK_FILE_CURRENT:
        snprintf(to, LK_FILE_NAME, "CURRENT");
        break;
    case LK_FILE_MANIFEST:
        snprintf(to, LK_FILE_NAME, "%s%06u", MANIFEST, number);
        break;
    case LK_FILE_LOG:
        snprintf(to, LK_FILE_NAME, "%06u.log", number);
        break;
    case LK_FILE_TABLE:
        snprintf(to, LK_FILE_NAME, "%06u.tbl", number);
        break;
    case LK_FILE_VALUES:
        snprintf(to, LK_FILE_NAME, "%06u.val", number);
        break;
    case LK_FILE_TEMP:
        snprintf(to, LK_FILE_NAME, "%06u.tmp", number);
        break;
    case LK_FILE_NONE:
    case LK_FILE_ASIDE:
        to[0] = 0;
        break;
    }
}

void lk_file_name_aside(char to[LK_FILE_NAME_ASIDE], enum lk_file_type type, uint32_t number)
{
    char name[LK_FILE_NAME];
    lk_file_name(name, type, number);
    snprintf(to, LK_FILE_NAME_ASIDE, "%s%s", name, ASIDE);
}

/* The decimal number at the start of the text; 0 (no file's number) when there is none or it is over
 * 32 bits. What follows it is the caller's to judge. */
static uint32_t number_get(const char *text)
{
    uint64_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > UINT32_MAX)
            return 0;
    }
    return (uint32_t)number;
}

static int is_name_of(const char *name, size_t len, enum lk_file_type type, uint32_t number)
{
    char wanted[LK_FILE_NAME];
    lk_file_name(wanted, type, number);
    return strlen(wanted) == len && memcmp(name, wanted, len) == 0;
}

enum lk_file_type lk_file_name_get(const char *name, uint32_t *number)
{
    size_t len = strlen(name);
    uint32_t found = number_get(strncmp(name, MANIFEST, MANIFEST_BYTES) == 0 ? name + MANIFEST_BYTES : name);
    int aside = len > ASIDE_BYTES && strcmp(name + len - ASIDE_BYTES, ASIDE) == 0;

    *number = 0;
    if (!aside && is_name_of(name, len, LK_FILE_LOCK, 0))
        return LK_FILE_LOCK;
    if (!aside && is_name_of(name, len, LK_FILE_CURRENT, 0))
        return LK_FILE_CURRENT;
    if (found == 0)
        return LK_FILE_NONE;
    for (enum lk_file_type type = LK_FILE_MANIFEST; type <= LK_FILE_TEMP; type++) {
        if (is_name_of(name, aside ? len - ASIDE_BYTES : len, type, found)) {
            *number = found;
            return aside ? LK_FILE_ASIDE : type;
        }
    }
    return LK_FILE_NONE;
}

/* ---- CURRENT -------------------------------------------------------------------------------- */

void lk_current_put(char to[LK_CURRENT_BYTES], uint32_t number)
{
    char name[LK_FILE_NAME], line[LK_CURRENT_BYTES + 1];

    lk_file_name(name, LK_FILE_MANIFEST, number);
    snprintf(line, sizeof line, "%-20s", name);
    snprintf(line + CURRENT_NAME, sizeof line - CURRENT_NAME, "%08x\n", lk_checksum(0, line, CURRENT_NAME));
    memcpy(to, line, LK_CURRENT_BYTES);
}

int lk_current_get(const char *from, size_t len, uint32_t *number)
{
    char name[CURRENT_NAME + 1] = "", again[LK_CURRENT_BYTES];

    if (len != LK_CURRENT_BYTES || memcmp(from, MANIFEST, MANIFEST_BYTES) != 0)
        return -1;
    memcpy(name, from, CURRENT_NAME);
    uint32_t found = number_get(name + MANIFEST_BYTES);
    lk_current_put(again, found);
    if (found == 0 || memcmp(again, from, LK_CURRENT_BYTES) != 0)
        return -1;
    *number = found;
    return 0;
}
