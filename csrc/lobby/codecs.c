/* codecs: names of key codecs, and keys field by field. */
#include "format/keycodec.h"
#include "include/lsmkv.h"
#include "util/alloc.h"

struct lsmkv_codec {
    struct lk_keycodec codec;
};

int lsmkv_codec_new(const char *name, size_t name_bytes, lsmkv_codec **out)
{
    *out = lk_alloc(sizeof **out);
    if (!*out)
        return lk_fail(LSMKV_NOMEM, "memory ran out while a key codec was made");
    int rc = lk_keycodec_parse(&(*out)->codec, name, name_bytes);
    if (rc < 0) {
        lk_free(*out);
        *out = NULL;
    }
    return rc;
}

void lsmkv_codec_free(lsmkv_codec *codec)
{
    lk_free(codec);
}

const char *lsmkv_codec_name(const lsmkv_codec *codec)
{
    return codec->codec.name;
}

size_t lsmkv_codec_fields(const lsmkv_codec *codec)
{
    return codec->codec.count;
}

int lsmkv_codec_field(const lsmkv_codec *codec, size_t field, size_t *of)
{
    const int known = field < codec->codec.count;
    *of = known ? codec->codec.fields[field].of : 0;
    return known ? codec->codec.fields[field].type : 0;
}

int lsmkv_codec_put(const lsmkv_codec *codec, size_t field, const union lsmkv_element *element, void *key, size_t room,
                    size_t *at)
{
    return lk_keycodec_put(&codec->codec, field, element, key, room, at);
}

int lsmkv_codec_get(const lsmkv_codec *codec, size_t field, const void *key, size_t key_bytes, size_t *at,
                    void *scratch, union lsmkv_element *out)
{
    return lk_keycodec_get(&codec->codec, field, lk_slice(key, key_bytes), at, scratch, out);
}
