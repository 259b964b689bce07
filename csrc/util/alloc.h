/* alloc: the only door to heap memory. Tests link another implementation of these three in its
 * place (tests/c/alloc_fail.c), so the N-th allocation can be made to fail without a hook here.
 * Raw malloc, calloc, realloc and free are not used anywhere else in csrc/ outside py/. */
#ifndef LK_UTIL_ALLOC_H
#define LK_UTIL_ALLOC_H

#include <stddef.h>

void *lk_alloc(size_t bytes);               /* owned; NULL when memory ran out; not cleared */
void *lk_alloc_zero(size_t bytes);          /* owned; cleared */
void *lk_alloc_aligned(size_t align, size_t bytes); /* owned; align a power of two; lk_free as usual */
void *lk_realloc(void *at, size_t bytes);   /* as realloc: on NULL the old block stays */
void lk_free(void *at);                     /* NULL is fine */

#endif
