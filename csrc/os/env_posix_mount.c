/* env_posix_mount: may files of this directory be mapped and written by plain stores?
 *
 * That needs a file system where reserved space is a promise and a mapping shows the same bytes
 * as read and write. It is a list of known ones; on any other the engine writes instead. An
 * overlay stores what we create in its upper directory, so that one decides, if it can be seen:
 *
 *   /proc/self/mountinfo:  36 35 0:52 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=...,upperdir=/up,...
 *                                dev              optional fields ^ type          options            ^^^^^^^^^^^^ */
#include "os/env_posix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "util/alloc.h"

enum { MAGIC_EXT4 = 0xEF53, MAGIC_XFS = 0x58465342, MAGIC_TMPFS = 0x01021994, MAGIC_OVERLAY = 0x794C7630 };

#define LINE_BYTES 16384 /* an overlay names every one of its layers; a longer line is not understood */

static int is_known(const struct statfs *facts)
{
    uint32_t magic = (uint32_t)facts->f_type;
    return magic == MAGIC_EXT4 || magic == MAGIC_XFS || magic == MAGIC_TMPFS;
}

/* Undo \040 for a space and its like, and a backslash before any other byte, in place. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
            from[3] <= '7') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            from += from[0] == '\\' && from[1] != 0;
            *to = *from++;
        }
    }
    *to = 0;
}

/* The upper directory of the overlay that `line` describes, when its device is `device`; borrowed
 * from the line, which is changed. NULL when the line is about something else. */
static char *upper_of(char *line, dev_t device)
{
    unsigned major_number, minor_number;
    char *type = strstr(line, " - overlay "), *upper, *end;

    if (!type || sscanf(line, "%*u %*u %u:%u", &major_number, &minor_number) != 2)
        return NULL;
    if (major_number != major(device) || minor_number != minor(device))
        return NULL;
    upper = strstr(type, ",upperdir=");
    if (!upper)
        return NULL;
    upper += strlen(",upperdir=");
    end = upper + strcspn(upper, ",\n");
    *end = 0;
    unescape(upper);
    return upper;
}

static int overlay_is_known(FILE *mounts, char *line, dev_t device)
{
    while (fgets(line, LINE_BYTES, mounts)) {
        struct statfs facts;
        char *upper = upper_of(line, device);
        if (upper && statfs(upper, &facts) == 0 && is_known(&facts))
            return 1;
    }
    return 0;
}

/* An upper directory outside our view of the file tree (most containers) stays unknown. */
static int overlay_can_map(dev_t device)
{
    char *line = lk_alloc(LINE_BYTES);
    FILE *mounts = line ? fopen("/proc/self/mountinfo", "re") : NULL;
    int known = mounts && overlay_is_known(mounts, line, device);

    if (mounts)
        fclose(mounts);
    lk_free(line);
    return known;
}

int lk_posix_dir_can_map(struct lk_dir *dir)
{
    struct statfs facts;
    struct stat place;

    if (fstatfs(dir->fd, &facts) < 0)
        return 0;
    if ((uint32_t)facts.f_type == MAGIC_OVERLAY)
        return fstat(dir->fd, &place) == 0 && overlay_can_map(place.st_dev);
    return is_known(&facts);
}
