/* fuzz: what the targets in this folder share.
 *
 * A target file holds three functions:
 *   LLVMFuzzerTestOneInput   looks at the bytes as the engine would; aborts when a promise is broken
 *   fuzz_seed                makes a sound input for mutation to start from; returns its bytes
 *   fuzz_repair              makes the checksums of a mutated input hold again, so that what lies
 *                            behind them is reached
 * Under libFuzzer each file is a program of its own (it uses the first function only). tests/c/lab_fuzz.c
 * includes them all, each under other names. */
#ifndef LK_FUZZ_H
#define LK_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

enum { FUZZ_ROOM = 4096 }; /* bytes a seed may take */

/* Inputs, or parts of inputs, that got through: a fuzzer that stops at the checksum shows here. */
static uint64_t fuzz_accepted;

#define FUZZ_CHECK(holds)                                                               \
    do {                                                                                \
        if (!(holds)) {                                                                 \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                                    \
        }                                                                               \
    } while (0)

#endif
