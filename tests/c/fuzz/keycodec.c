/* fuzz keycodec: a byte, that many bytes as the name of a codec, the rest as a key of it. What is taken for a name has
 * one spelling that means the same; what is taken for a key is exactly what its elements are written as. */
#include "fuzz.h"

#include "format/keycodec.h"

static void key_check(const struct lk_keycodec *codec, const uint8_t *data, size_t bytes)
{
    const struct lk_slice key = lk_slice(data, bytes);
    size_t at = 0, again_at = 0;
    const size_t room = 2 * bytes + 16;
    uint8_t *scratch = NULL, *again = malloc(room);
    int rc = 0;

    FUZZ_CHECK(again != NULL);
    for (size_t i = 0; rc == 0 && i < codec->count; i++) {
        union lsmkv_element element;
        scratch = malloc(bytes - at + 1); /* ends where it may end, for the sanitizer */
        FUZZ_CHECK(scratch != NULL);
        rc = lk_keycodec_get(codec, i, key, &at, scratch, &element);
        FUZZ_CHECK(rc == 0 || rc == LSMKV_INVALID);
        if (rc == 0)
            FUZZ_CHECK(lk_keycodec_put(codec, i, &element, again, room, &again_at) == 0);
        FUZZ_CHECK(rc < 0 || (again_at == at && memcmp(again, data, at) == 0));
        free(scratch);
    }
    FUZZ_CHECK(rc < 0 || at == bytes);
    fuzz_accepted += rc == 0;
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct lk_keycodec codec, again;
    if (bytes == 0 || data[0] > bytes - 1)
        return 0;
    char *name = malloc(data[0] + 1u);
    FUZZ_CHECK(name != NULL);
    memcpy(name, data + 1, data[0]);
    if (lk_keycodec_parse(&codec, name, data[0]) == 0) {
        FUZZ_CHECK(codec.count > 0 && strlen(codec.name) <= data[0]);
        FUZZ_CHECK(lk_keycodec_parse(&again, codec.name, strlen(codec.name)) == 0);
        FUZZ_CHECK(strcmp(again.name, codec.name) == 0 && again.count == codec.count);
        FUZZ_CHECK(memcmp(again.fields, codec.fields, codec.count * sizeof *codec.fields) == 0);
        key_check(&codec, data + 1 + data[0], bytes - 1 - data[0]);
    }
    free(name);
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    static const char *const names[] = {"bytes",     "str",          "i64",
                                        "f64",       "datetime",     "desc(bytes)",
                                        "(str,i64)", "(bytes,uuid)", "(desc(str),(bool,bytes),u64)",
                                        "(str)",     "desc(f64)",    "desc((bytes,desc((str,bool))))"};
    static struct lk_keycodec codec;
    const char *name = names[random_below(random, sizeof names / sizeof *names)];
    size_t at = 1 + strlen(name);

    FUZZ_CHECK(room > 512 && lk_keycodec_parse(&codec, name, at - 1) == 0);
    to[0] = (uint8_t)(at - 1);
    memcpy(to + 1, name, at - 1);
    for (size_t i = 0; i < codec.count; i++) {
        uint8_t payload[16];
        const int type = codec.fields[i].type;
        union lsmkv_element element = {.u64 = random_below(random, 2)};
        random_fill(random, payload, sizeof payload);
        for (size_t n = 0; type == LSMKV_FIELD_STR && n < sizeof payload; n++)
            payload[n] &= 0x7f;
        if (type == LSMKV_FIELD_STR || type == LSMKV_FIELD_BYTES || type == LSMKV_FIELD_UUID)
            element.bytes =
                (struct lsmkv_slice){payload, type == LSMKV_FIELD_UUID ? 16 : random_below(random, sizeof payload)};
        else if (type == LSMKV_FIELD_F64)
            element.f64 = (double)(int64_t)random_next(random);
        FUZZ_CHECK(lk_keycodec_put(&codec, i, &element, to, room, &at) == 0);
    }
    return at;
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data; /* keys carry no checksum of their own */
    (void)bytes;
}
