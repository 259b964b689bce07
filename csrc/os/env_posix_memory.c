/* env_posix_memory: how much memory there is, and how much of it this process has. Linux.
 *
 *   /proc/self/cgroup    8:memory:/jobs/17     version 1: ROOT/memory/jobs/17/memory.limit_in_bytes, and of each above
 *                        0::/jobs/17           version 2: ROOT/jobs/17/memory.max, and of each above
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

/* Of a group and of all above it. `group` is cut off from the end. */
static uint64_t limit_of(const char *root, const char *under, char *group, const char *file)
{
    uint64_t limit = UINT64_MAX;
    char path[PATH_MAX], text[32], *slash = group;
    while (slash) {
        if (snprintf(path, sizeof path, "%s%s%s/%s", root, under, group, file) < (int)sizeof path) {
            read_text(path, text, sizeof text);
            if (text[0] >= '0' && text[0] <= '9') /* else "max", or there is none */
                limit = least(limit, strtoull(text, NULL, 10));
        }
        slash = strrchr(group, '/');
        if (slash)
            *slash = 0;
    }
    return limit;
}

uint64_t lk_posix_group_limit(const char *root, char *groups)
{
    uint64_t limit = UINT64_MAX;
    for (char *line = groups, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || group[1] != '/')
            continue;
        *group++ = 0;
        controllers++;
        if (!*controllers)
            limit = least(limit, limit_of(root, "", group, "memory.max"));
        else if (strcmp(controllers, "memory") == 0)
            limit = least(limit, limit_of(root, "/memory", group, "memory.limit_in_bytes"));
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
