/* env_posix_map: shared mappings of files, and anonymous address space. Any thread.
 *
 * A range given by the engine need not begin or end on a page; it is widened or narrowed here, in
 * the direction that is safe. */
#include "os/env_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static uintptr_t page_bytes(void)
{
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

static uintptr_t round_down(uintptr_t value)
{
    return value & ~(page_bytes() - 1);
}

static uintptr_t round_up(uintptr_t value)
{
    return round_down(value + page_bytes() - 1);
}

int lk_posix_map(struct lk_file *file, uint64_t bytes, int writable, void **out)
{
    int protection = PROT_READ | (writable ? PROT_WRITE : 0);
    void *at;

    *out = NULL;
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return -EINVAL;
    at = mmap(NULL, (size_t)bytes, protection, MAP_SHARED, file->fd, 0);
    if (at == MAP_FAILED)
        return -errno;
    (void)madvise(at, (size_t)bytes, MADV_RANDOM); /* a get wants one page, not its neighbours */
    *out = at;
    return 0;
}

/* A refusal leaves it as it was. */
void lk_posix_map_hot(struct lk_env *env, void *at, uint64_t bytes)
{
    uintptr_t from = round_up((uintptr_t)at), to = round_down((uintptr_t)at + bytes);

    (void)env;
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_NORMAL);
}

void lk_posix_unmap(struct lk_env *env, void *at, uint64_t bytes)
{
    (void)env;
    munmap(at, (size_t)bytes);
}

int lk_posix_map_sync(struct lk_file *file, void *at, uint64_t offset, uint64_t bytes)
{
    uintptr_t from = round_down((uintptr_t)at + offset), to = round_up((uintptr_t)at + offset + bytes);

    (void)file;
    if (bytes == 0)
        return 0;
    while (msync((void *)from, to - from, MS_SYNC) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* For kernels that cannot be asked: write every page's own byte back to it. Exchanged and not
 * stored, because another thread may be storing beside us. */
static void touch(uintptr_t from, uintptr_t to)
{
    for (uintptr_t page = from; page < to; page += page_bytes()) {
        volatile unsigned char *byte = (volatile unsigned char *)page;
        unsigned char same = *byte;
        (void)__atomic_compare_exchange_n(byte, &same, same, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

int lk_posix_map_prefault(struct lk_env *env, void *at, uint64_t bytes)
{
    uintptr_t from = round_down((uintptr_t)at), to = round_up((uintptr_t)at + bytes);

    (void)env;
    if (bytes == 0)
        return 0;
    while (madvise((void *)from, to - from, MADV_POPULATE_WRITE) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EFAULT)
            return -EIO; /* what a store would have met as a signal */
        if (errno != EINVAL)
            return -errno;
        touch(from, to);
        break;
    }
    return 0;
}

/* Bytes of [at, end) that lie in the page. */
static int64_t overlap(uintptr_t page, uintptr_t at, uintptr_t end)
{
    uintptr_t from = page > at ? page : at, to = page + page_bytes();
    return (int64_t)((to < end ? to : end) - from);
}

int64_t lk_posix_map_resident(struct lk_env *env, const void *at, uint64_t bytes)
{
    unsigned char pages[512];
    uintptr_t from = round_down((uintptr_t)at), end = (uintptr_t)at + bytes;
    int64_t resident = 0;

    (void)env;
    while (from < end) {
        uintptr_t length = round_up(end) - from, most = sizeof pages * page_bytes();
        if (length > most)
            length = most;
        if (mincore((void *)from, length, pages) < 0)
            return -errno;
        for (uintptr_t i = 0; i < length / page_bytes(); i++)
            if (pages[i] & 1)
                resident += overlap(from + i * page_bytes(), (uintptr_t)at, end);
        from += length;
    }
    return resident;
}

int lk_posix_reserve(struct lk_env *env, uint64_t bytes, void **out)
{
    void *at;

    (void)env;
    *out = NULL;
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return -EINVAL;
    at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return -errno;
    *out = at;
    return 0;
}

void lk_posix_unreserve(struct lk_env *env, void *at, uint64_t bytes)
{
    (void)env;
    munmap(at, (size_t)bytes);
}

/* Whole pages go back to the system; what shares a page with its neighbours is cleared by hand. */
int lk_posix_discard(struct lk_env *env, void *at, uint64_t bytes)
{
    uintptr_t start = (uintptr_t)at, end = start + bytes, from = round_up(start), to = round_down(end);

    (void)env;
    if (from >= to) {
        memset(at, 0, (size_t)bytes);
        return 0;
    }
    memset(at, 0, from - start);
    memset((void *)to, 0, end - to);
    return madvise((void *)from, to - from, MADV_DONTNEED) < 0 ? -errno : 0;
}

uint64_t lk_posix_page_bytes(struct lk_env *env)
{
    long bytes = sysconf(_SC_PAGESIZE);
    (void)env;
    return bytes > 0 ? (uint64_t)bytes : 4096;
}

/* Linux: pages of size, resident, shared, ... in one line. */
void lk_posix_resident(struct lk_env *env, uint64_t *anonymous, uint64_t *files)
{
    char line[128];
    unsigned long long size, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, line, sizeof line - 1);

    if (fd >= 0)
        close(fd);
    line[got > 0 ? got : 0] = 0;
    *anonymous = *files = 0;
    if (sscanf(line, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident)
        return;
    *anonymous = (resident - shared) * lk_posix_page_bytes(env);
    *files = shared * lk_posix_page_bytes(env);
}
