/* large: memory for what is made and let go as a whole: orders, views, tables under construction.
 *
 *   below LK_LARGE    from the heap (util/alloc.h)
 *   from there on     pages of its own, which come when they are touched and go back to the system at once
 *
 * A heap keeps what was freed for the next who asks; after blocks of many MiB, in threads that take turns, that was half
 * of what a process held after a load. Whoever frees says how much it was, so no head stands before the bytes. Any
 * thread. */
#ifndef LK_OS_LARGE_H
#define LK_OS_LARGE_H

#include "os/env.h"

enum { LK_LARGE = 128 * 1024 };

void *lk_large_new(struct lk_env *env, uint64_t bytes); /* owned; NULL when memory ran out; not cleared */
void lk_large_free(struct lk_env *env, void *at, uint64_t bytes); /* NULL is fine */

#endif
