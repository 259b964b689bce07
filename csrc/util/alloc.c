/* alloc: heap memory from the C library. Any thread.
 *
 * A size of zero is asked for as one byte: NULL always means that memory ran out. */
#include "util/alloc.h"

#include <stdlib.h>

void *lk_alloc(size_t bytes)
{
    return malloc(bytes ? bytes : 1);
}

void *lk_alloc_zero(size_t bytes)
{
    return calloc(1, bytes ? bytes : 1);
}

void *lk_alloc_aligned(size_t align, size_t bytes)
{
    void *at = NULL;
    if (align < sizeof(void *))
        align = sizeof(void *);
    if (posix_memalign(&at, align, bytes ? bytes : 1) != 0)
        return NULL;
    return at;
}

void *lk_realloc(void *at, size_t bytes)
{
    return realloc(at, bytes ? bytes : 1);
}

void lk_free(void *at)
{
    free(at);
}
