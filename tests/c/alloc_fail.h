/* alloc_fail: stands in for util/alloc.c at link time. The N-th allocation can be made to fail,
 * live blocks are counted, and fresh memory is filled with rubbish so that nothing depends on its
 * being zero. Link exactly one of the two. Any thread.
 *
 *   for (uint64_t n = 1;; n++) {
 *       alloc_fail_at(n, 0);
 *       int rc = scenario();
 *       if (alloc_fail_fired() == 0)
 *           break;                            // the scenario needs fewer than n allocations
 *       CHECK_EQ(rc, LSMKV_NOMEM);
 *       CHECK_EQ(alloc_fail_live(), 0);
 *   } */
#ifndef LK_TESTS_ALLOC_FAIL_H
#define LK_TESTS_ALLOC_FAIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Fail the nth allocation from now (1: the next; 0: none), and with `forever` all after it. Also
 * sets the counts of calls and fired to zero. */
void alloc_fail_at(uint64_t nth, int forever);

/* From now on fail every allocation of more bytes; 0: none. */
void alloc_fail_above(size_t bytes);

uint64_t alloc_fail_calls(void); /* allocations asked for since alloc_fail_at */
uint64_t alloc_fail_fired(void); /* how many of them were made to fail */
size_t alloc_fail_live(void);    /* blocks not freed yet */
size_t alloc_fail_live_bytes(void);

/* One line for each live block: its size and which allocation of the process it was. */
void alloc_fail_list(FILE *to);

#endif
