/* codec_name: the name of the codec that keys or values were encoded with, as a store or a namespace keeps it. The
 * engine orders bytes and reads nothing into a name: it stores it, and compares it when somebody opens.
 *
 *   0 to 1024 bytes of printable ASCII (20 to 7e); "bytes" where nobody named one
 *
 * Pure: any thread. */
#ifndef LK_FORMAT_CODEC_NAME_H
#define LK_FORMAT_CODEC_NAME_H

#include "util/bytes.h"
#include "util/status.h"

enum { LK_CODEC_NAME_MAX = 1024 };
#define LK_CODEC_NAME_DEFAULT "bytes"

/* Names travel in pairs. Borrowed; NULL: not named. */
struct lk_codec_names {
    const char *key, *value;
};

int lk_codec_name_sound(struct lk_slice name);
/* Owned (lk_free), ends with a NUL. NULL: memory ran out. */
char *lk_codec_name_copy(struct lk_slice name);
/* Both, as a caller gave them: 0, or OPTIONS when one is empty, too long or not printable. */
LK_MUST_CHECK int lk_codec_names_check(const struct lk_codec_names *given);
/* 0 when what was named is what is stored; else MISMATCH. `what` tells whose names they are. */
LK_MUST_CHECK int lk_codec_names_agree(const char *what, const struct lk_codec_names *stored,
                                       const struct lk_codec_names *given);

#endif
