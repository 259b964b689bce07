/* codec_name: checking and comparing. */
#include "format/codec_name.h"

#include "util/alloc.h"

int lk_codec_name_sound(struct lk_slice name)
{
    if (name.len > LK_CODEC_NAME_MAX)
        return 0;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < 0x20 || name.at[i] > 0x7e)
            return 0;
    return 1;
}

char *lk_codec_name_copy(struct lk_slice name)
{
    char *copy = lk_alloc(name.len + 1);
    if (copy) {
        memcpy(copy, name.at, name.len);
        copy[name.len] = 0;
    }
    return copy;
}

static int check(const char *kind, const char *name)
{
    if (!name || (*name && lk_codec_name_sound(lk_text(name))))
        return 0;
    return lk_fail(LSMKV_OPTIONS, "the name of a %s codec is 1 to %d characters of printable ASCII", kind,
                   LK_CODEC_NAME_MAX);
}

int lk_codec_names_check(const struct lk_codec_names *given)
{
    int rc = check("key", given->key);
    return rc == 0 ? check("value", given->value) : rc;
}

static int agree(const char *what, const char *kind, const char *stored, const char *given)
{
    if (!given || strcmp(stored, given) == 0)
        return 0;
    return lk_fail(LSMKV_MISMATCH,
                   "%s was made with %s=\"%.100s\", and is opened with %s=\"%.100s\": open it as it was made, or with "
                   "%s=\"stored\"; nothing was changed",
                   what, kind, stored, kind, given, kind);
}

int lk_codec_names_agree(const char *what, const struct lk_codec_names *stored, const struct lk_codec_names *given)
{
    int rc = agree(what, "key", stored->key, given->key);
    return rc == 0 ? agree(what, "value", stored->value, given->value) : rc;
}
