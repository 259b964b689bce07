/* fuzz space: the bytes are an id and two user's keys. Where they are stored must keep their order, stay inside the
 * space's interval and lead back; and any bytes at all, taken for a stored key, belong to one space. */
#include "fuzz.h"

#include "format/space.h"

enum { HEAD = 5 }; /* which kind of space, id */

struct stored {
    uint8_t at[FUZZ_ROOM * 2 + LK_SPACE_PREFIX_BYTES];
    size_t len;
};

static void store(uint32_t space, struct lk_slice key, struct stored *out)
{
    out->len = lk_space_prefix(space, key.at, key.len, out->at);
    if (key.len)
        memcpy(out->at + out->len, key.at, key.len);
    out->len += key.len;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static void check_key(uint32_t space, struct lk_slice key, const struct stored *stored)
{
    uint8_t start[LK_SPACE_PREFIX_BYTES], stop[LK_SPACE_PREFIX_BYTES];
    struct lk_slice found = lk_slice(stored->at, stored->len);
    size_t prefix;
    FUZZ_CHECK(lk_space_of(found, &prefix) == space);
    FUZZ_CHECK(lk_equal(lk_slice(found.at + prefix, found.len - prefix), key));
    FUZZ_CHECK(lk_compare(lk_slice(start, lk_space_start(space, start)), found) <= 0);
    FUZZ_CHECK(lk_compare(found, lk_slice(stop, lk_space_stop(space, stop))) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct stored first, second;
    size_t prefix;
    uint32_t space = lk_space_of(lk_slice(data, bytes), &prefix);
    FUZZ_CHECK(prefix <= bytes && (space != LK_SPACE_DEFAULT || prefix <= LK_SPACE_DEFAULT_BYTES));
    if (bytes < HEAD || bytes > FUZZ_ROOM * 2)
        return 0;
    fuzz_accepted++;
    space = data[0] & 1 ? LK_SPACE_DEFAULT : lk_load32(data + 1);
    size_t rest = bytes - HEAD, half = rest / 2;
    struct lk_slice a = lk_slice(data + HEAD, half), b = lk_slice(data + HEAD + half, rest - half);
    store(space, a, &first);
    store(space, b, &second);
    check_key(space, a, &first);
    check_key(space, b, &second);
    FUZZ_CHECK(sign(lk_compare(lk_slice(first.at, first.len), lk_slice(second.at, second.len))) ==
               sign(lk_compare(a, b)));
    return 0;
}

/* Two keys that share much, often beginning with FF. */
size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    size_t half = random_below(random, 12);
    FUZZ_CHECK(room >= HEAD + 24);
    to[0] = (uint8_t)random_below(random, 2);
    lk_store32(to + 1, random_below(random, 3) ? (uint32_t)random_below(random, 4) : (uint32_t)random_next(random));
    for (size_t i = 0; i < half; i++)
        to[HEAD + i] = to[HEAD + half + i] = (uint8_t)(random_below(random, 3) ? 0xff : random_below(random, 3));
    if (half)
        to[HEAD + half + random_below(random, half)] = (uint8_t)random_below(random, 256);
    return HEAD + 2 * half;
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    (void)data; /* keys carry no checksum */
    (void)bytes;
}
