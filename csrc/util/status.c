/* status: the latest failure of each thread, and the table of names.
 *
 * The text lives in thread-local storage that needs no initialisation and no end: recording a
 * failure allocates nothing and cannot fail. Any thread. */
#include "util/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct lsmkv_error latest;

/* Clear all but the text: its arguments may point into the failure that is being replaced. */
static void begin(int status)
{
    latest.status = status;
    latest.os_errno = 0;
    latest.pid = 0;
    latest.recoverable = 0;
    latest.offset = 0;
}

static void name_file(const char *file)
{
    char name[sizeof latest.file]; /* `file` may be latest.file itself */
    snprintf(name, sizeof name, "%s", file ? file : "");
    memcpy(latest.file, name, sizeof name);
}

static void LK_PRINTF(1, 0) put_text(const char *format, va_list arguments)
{
    char text[sizeof latest.text];
    vsnprintf(text, sizeof text, format, arguments);
    memcpy(latest.text, text, sizeof text);
}

int lk_fail(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_text(format, arguments);
    va_end(arguments);
    begin(status);
    latest.file[0] = 0;
    return status;
}

int lk_fail_corrupt(const char *file, uint64_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_text(format, arguments);
    va_end(arguments);
    begin(LSMKV_CORRUPT);
    latest.offset = offset;
    name_file(file);
    return LSMKV_CORRUPT;
}

static int status_of_errno(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return LSMKV_FULL;
    case ENOMEM:
        return LSMKV_NOMEM;
    default:
        return LSMKV_IO;
    }
}

/* Of a full disk, whoever met it; but a sync that failed is not tried again. */
#define FULL_ADVICE "; what was stored can still be read: make room on that disk, then try again"

int lk_fail_os(int err, const char *what, const char *file)
{
    char reason[96];
    const char *named = file && file[0] ? file : "the store's directory";
    char text[sizeof latest.text];

    /* The GNU variant: it may answer with its own storage instead of filling `reason`. */
    snprintf(text, sizeof text, "%s: %s: %s%s", named, what, strerror_r(err, reason, sizeof reason),
             status_of_errno(err) == LSMKV_FULL && !strstr(what, "sync") ? FULL_ADVICE : "");
    memcpy(latest.text, text, sizeof text);
    begin(status_of_errno(err));
    latest.os_errno = err;
    name_file(file);
    return latest.status;
}

struct lsmkv_error *lk_error(void)
{
    return &latest;
}

void lk_error_restore(const struct lsmkv_error *saved)
{
    latest = *saved;
}

const struct lsmkv_error *lsmkv_last_error(void)
{
    return &latest;
}

const char *lsmkv_status_name(int status)
{
    switch (status) {
#define X(name, number, words) \
    case number:               \
        return #name;
        LSMKV_STATUS_TABLE(X)
#undef X
    default:
        return "UNKNOWN";
    }
}

const char *lsmkv_status_words(int status)
{
    switch (status) {
#define X(name, number, words) \
    case number:               \
        return words;
        LSMKV_STATUS_TABLE(X)
#undef X
    default:
        return "UNKNOWN";
    }
}
