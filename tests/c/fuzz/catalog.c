/* fuzz catalog: bytes as the value of a namespace's record, and as that of the next number. What is accepted says the
 * same when it is written again, in the same bytes. */
#include "fuzz.h"

#include "format/catalog.h"
#include "format/codec_name.h"

static void check_entry(struct lk_slice value)
{
    struct lk_catalog_entry entry;
    struct lk_buf again = {0};
    if (lk_catalog_get(value, &entry) < 0)
        return;
    fuzz_accepted++;
    FUZZ_CHECK(entry.id > 0 && entry.id < LK_SPACE_DEFAULT);
    FUZZ_CHECK(lk_codec_name_sound(entry.key_codec) && lk_codec_name_sound(entry.value_codec));
    FUZZ_CHECK(lk_catalog_put(&again, &entry) == 0);
    FUZZ_CHECK(lk_equal(lk_buf_slice(&again), value));
    lk_buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t again[LK_CATALOG_NEXT_BYTES];
    uint32_t next = 0;
    check_entry(lk_slice(data, bytes));
    if (lk_catalog_next_get(lk_slice(data, bytes), &next) == 0) {
        fuzz_accepted++;
        lk_catalog_next_put(again, next);
        FUZZ_CHECK(next > 0 && bytes == sizeof again && memcmp(again, data, bytes) == 0);
    }
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    static char name[LK_CODEC_NAME_MAX + 8];
    struct lk_catalog_entry entry = {.id = (uint32_t)random_next(random), .ttl_ms = random_next(random)};
    struct lk_buf buf = {0};
    if (random_below(random, 8) == 0) {
        lk_catalog_next_put(to, entry.id);
        return LK_CATALOG_NEXT_BYTES;
    }
    memset(name, 'a' + (int)random_below(random, 26), sizeof name);
    entry.key_codec = lk_slice(name, random_below(random, random_below(random, 8) ? 20 : sizeof name));
    entry.value_codec = lk_slice(name, random_below(random, random_below(random, 8) ? 20 : sizeof name));
    FUZZ_CHECK(lk_catalog_put(&buf, &entry) == 0 && buf.len <= room);
    memcpy(to, buf.at, buf.len);
    size_t bytes = buf.len;
    lk_buf_deinit(&buf);
    return bytes;
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data; /* the frame or granule around a record has the checksum */
    (void)bytes;
}
