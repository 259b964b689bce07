/* status: the failing half of every call's result, with the words that go with it.
 *
 * A function that fails calls one of these where the facts are known and returns the status it
 * gets back; callers pass it up unchanged or add to it. The text lives per thread, like errno. */
#ifndef LK_UTIL_STATUS_H
#define LK_UTIL_STATUS_H

#include "include/lsmkv.h"

#define LK_MUST_CHECK __attribute__((warn_unused_result))
#define LK_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Record a failure and return `status`. */
int lk_fail(int status, const char *format, ...) LK_PRINTF(2, 3);

/* The same for damaged or unreadable bytes: file is a name inside the store's directory. Always
 * CORRUPT. The one place where a debugger can stop on any detected corruption. */
int lk_fail_corrupt(const char *file, uint64_t offset, const char *format, ...) LK_PRINTF(3, 4);

/* The same for a system call: positive errno `err`, what was tried ("open", "sync"), on which file.
 * ENOSPC and EDQUOT become FULL, ENOMEM becomes NOMEM, everything else IO. */
int lk_fail_os(int err, const char *what, const char *file);

/* The thread's latest failure, to copy, adjust (pid, recoverable) or put back. */
struct lsmkv_error *lk_error(void);
void lk_error_restore(const struct lsmkv_error *saved);

#endif
