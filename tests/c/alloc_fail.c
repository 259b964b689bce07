/* alloc_fail: the failing, counting allocator of the tests; see alloc_fail.h.
 *
 *   | slack for alignment | struct block | what the caller sees ... |
 *   ^ base                                ^ aligned
 *
 * One mutex guards everything. A block that is freed twice or whose head was overwritten aborts. */
#include "alloc_fail.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/alloc.h"

#define LIVE_MARK 0x6C6B2D616C697665ull
#define DEAD_MARK 0x6C6B2D2064656164ull

struct block {
    struct block *next, *previous;
    void *base;
    size_t bytes;
    uint64_t sequence; /* which allocation of the process */
    uint64_t mark;     /* last: right before the caller's first byte */
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct block live = {.next = &live, .previous = &live};
static size_t live_count, live_bytes;
static uint64_t sequence, calls, fired, fail_nth;
static int fail_forever;
static size_t most = SIZE_MAX;

/* 1 when this allocation has to fail. */
static int must_fail_locked(size_t bytes)
{
    int hit;
    calls++;
    hit = bytes > most || (fail_nth != 0 && (calls == fail_nth || (fail_forever && calls > fail_nth)));
    fired += (uint64_t)hit;
    return hit;
}

static void link_locked(struct block *block)
{
    block->sequence = ++sequence;
    block->next = live.next;
    block->previous = &live;
    live.next->previous = block;
    live.next = block;
    live_count++;
    live_bytes += block->bytes;
}

static void unlink_locked(struct block *block)
{
    block->next->previous = block->previous;
    block->previous->next = block->next;
    live_count--;
    live_bytes -= block->bytes;
}

static struct block *block_of(void *at)
{
    struct block *block = (struct block *)at - 1;
    if (block->mark != LIVE_MARK) {
        fprintf(stderr, "alloc_fail: %p is not a live block\n", at);
        abort();
    }
    return block;
}

static void *give(size_t align, size_t bytes, int fill)
{
    size_t head = sizeof(struct block), slack = head + align;
    struct block *block = NULL;
    char *base, *at;

    pthread_mutex_lock(&guard);
    base = must_fail_locked(bytes) || bytes > SIZE_MAX / 2 ? NULL : malloc(slack + bytes);
    if (base) {
        at = (char *)(((uintptr_t)base + head + align - 1) & ~(uintptr_t)(align - 1));
        block = (struct block *)(void *)at - 1;
        block->base = base;
        block->bytes = bytes;
        block->mark = LIVE_MARK;
        link_locked(block);
        memset(at, fill, bytes);
    }
    pthread_mutex_unlock(&guard);
    return block ? block + 1 : NULL;
}

void *lk_alloc(size_t bytes)
{
    return give(16, bytes, 0xA5);
}

void *lk_alloc_zero(size_t bytes)
{
    return give(16, bytes, 0);
}

void *lk_alloc_aligned(size_t align, size_t bytes)
{
    return give(align < 16 ? 16 : align, bytes, 0xA5);
}

/* Always moves: a stale pointer into the old block shows. */
void *lk_realloc(void *at, size_t bytes)
{
    size_t old = at ? block_of(at)->bytes : 0;
    void *to = give(16, bytes, 0xA5);

    if (!to)
        return NULL;
    if (at)
        memcpy(to, at, old < bytes ? old : bytes);
    lk_free(at);
    return to;
}

void lk_free(void *at)
{
    struct block *block;

    if (!at)
        return;
    block = block_of(at);
    pthread_mutex_lock(&guard);
    unlink_locked(block);
    pthread_mutex_unlock(&guard);
    block->mark = DEAD_MARK;
    memset(at, 0x5A, block->bytes);
    free(block->base);
}

void alloc_fail_above(size_t bytes)
{
    pthread_mutex_lock(&guard);
    most = bytes ? bytes : SIZE_MAX;
    pthread_mutex_unlock(&guard);
}

void alloc_fail_at(uint64_t nth, int forever)
{
    pthread_mutex_lock(&guard);
    fail_nth = nth;
    fail_forever = forever;
    calls = 0;
    fired = 0;
    pthread_mutex_unlock(&guard);
}

uint64_t alloc_fail_calls(void)
{
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

uint64_t alloc_fail_fired(void)
{
    return __atomic_load_n(&fired, __ATOMIC_RELAXED);
}

size_t alloc_fail_live(void)
{
    return __atomic_load_n(&live_count, __ATOMIC_RELAXED);
}

size_t alloc_fail_live_bytes(void)
{
    return __atomic_load_n(&live_bytes, __ATOMIC_RELAXED);
}

void alloc_fail_list(FILE *to)
{
    pthread_mutex_lock(&guard);
    for (struct block *block = live.previous; block != &live; block = block->previous)
        fprintf(to, "alloc_fail: %zu bytes of allocation %llu were never freed\n", block->bytes,
                (unsigned long long)block->sequence);
    pthread_mutex_unlock(&guard);
}
