/* env_posix_memory: how much memory there is, and how much of it this process has. Linux.
 *
 *   /proc/self/cgroup    8:memory:/jobs/17     version 1: ROOT/memory/jobs/17/memory.limit_in_bytes, and of each above
 *                        0::/jobs/17           version 2: ROOT/jobs/17/memory.max and memory.high, and of each above
 *
 * A group whose folder cannot be seen (of a container, that names it as the machine does) has no limit here; the root of
 * what can be seen has then the container's. Any thread. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/env_posix.h"

/* The text of a small file, 0 at its end; "" when it cannot be read. */
static void read_text(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, room - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number in a file; UINT64_MAX: "max", or there is none. */
static uint64_t limit_in(const char *root, const char *under, const char *group, const char *file)
{
    char path[PATH_MAX], text[32] = "";
    if (snprintf(path, sizeof path, "%s%s%s/%s", root, under, group, file) < (int)sizeof path)
        read_text(path, text, sizeof text);
    return text[0] >= '1' && text[0] <= '9' ? strtoull(text, NULL, 10) : UINT64_MAX;
}

/* Of a group and of all above it. `group` is cut off from the end. other: NULL, or a second file. */
static uint64_t limits_of(const char *root, const char *under, char *group, const char *file, const char *other)
{
    uint64_t limit = UINT64_MAX;
    for (char *slash = group; slash;) {
        limit = least(limit, limit_in(root, under, group, file));
        if (other)
            limit = least(limit, limit_in(root, under, group, other));
        slash = strrchr(group, '/');
        if (slash)
            *slash = 0;
    }
    return limit;
}

/* Is "memory" among them? */
static int is_memory(const char *controllers)
{
    for (const char *at = controllers; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "memory", 6) == 0 && (at[6] == ',' || at[6] == 0))
            return 1;
    }
    return 0;
}

uint64_t lk_posix_group_limit(const char *root, char *groups)
{
    uint64_t limit = UINT64_MAX;
    for (char *line = groups, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (!next) /* the last line ends as well, or was cut off */
            break;
        *next++ = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || group[1] != '/')
            continue;
        *group++ = 0;
        controllers++;
        if (!*controllers)
            limit = least(limit, limits_of(root, "", group, "memory.max", "memory.high"));
        else if (is_memory(controllers))
            limit = least(limit, limits_of(root, "/memory", group, "memory.limit_in_bytes", NULL));
    }
    return limit;
}

uint64_t lk_posix_memory_limit(struct lk_env *env)
{
    char groups[4096];
    long pages = sysconf(_SC_PHYS_PAGES);
    uint64_t machine = pages > 0 ? (uint64_t)pages * lk_posix_page_bytes(env) : UINT64_MAX;
    read_text("/proc/self/cgroup", groups, sizeof groups);
    return least(machine, lk_posix_group_limit("/sys/fs/cgroup", groups));
}
