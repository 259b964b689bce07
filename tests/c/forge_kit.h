/* forge_kit: files whose every checksum is right again after somebody changed them who means harm. */
#ifndef LK_TESTS_FORGE_KIT_H
#define LK_TESTS_FORGE_KIT_H

#include "format/footer.h"
#include "util/checksum.h"

/* A table of `length` bytes, with that footer. */
static inline void forge_table(uint8_t *bytes, uint64_t length, const struct lk_footer *footer)
{
    uint64_t identity = footer->identity;
    struct lk_footer sealed = *footer;
    if (footer->checks_at <= length - LK_FOOTER &&
        footer->checks_at / LK_GRANULE * 4 <= length - LK_FOOTER - footer->checks_at) {
        for (uint64_t i = 0; i < footer->checks_at / LK_GRANULE; i++)
            lk_store32(bytes + footer->checks_at + 4 * i,
                       lk_checksum(lk_checksum_seed(identity, i), bytes + i * LK_GRANULE, LK_GRANULE));
        sealed.tail_sum = lk_checksum(lk_checksum_seed(identity, footer->checks_at), bytes + footer->checks_at,
                                      length - LK_FOOTER - footer->checks_at);
    }
    lk_footer_put(bytes + length - LK_FOOTER, &sealed);
}

#endif
