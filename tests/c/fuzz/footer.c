/* fuzz footer: 192 bytes as the footer of a table. What is accepted must describe a file whose sections
 * lie inside it, in order: shown here with sums too wide to wrap.
 *
 *   | footer:192 | [file_bytes:8] |       without the last field the file is as long as the footer says */
#include "fuzz.h"

#include "format/footer.h"
#include "format/line.h"
#include "format/space.h"
#include "util/checksum.h"

typedef unsigned __int128 wide;

static void footer_check(const struct lk_footer *f, uint64_t file_bytes)
{
    wide properties = (wide)f->checks_at + (wide)4 * f->check_count;

    FUZZ_CHECK(f->file_bytes == file_bytes);
    FUZZ_CHECK(f->pages_end >= LK_TABLE_HEAD && f->pages_end <= f->fences_at && f->pages_end <= UINT32_MAX);
    FUZZ_CHECK((wide)f->fences_at + (wide)12 * f->fence_count + 4 <= f->lines_at);
    FUZZ_CHECK((wide)f->lines_at + (wide)64 * f->line_count <= f->checks_at);
    FUZZ_CHECK(f->fences_at % 64 == 0 && f->lines_at % 64 == 0 && f->checks_at % LK_GRANULE == 0);
    FUZZ_CHECK((uint64_t)f->check_count * LK_GRANULE == f->checks_at);
    FUZZ_CHECK(properties + f->key_min_bytes + f->key_max_bytes + f->range_bytes + f->use_bytes + f->milestone_bytes +
                   LK_FOOTER ==
               file_bytes);
    FUZZ_CHECK(f->line_count > 0 && (f->features || f->records <= (wide)f->line_count * LK_LINE_SLOTS));
    FUZZ_CHECK((f->features & LK_FEATURE_FILTER) == (f->milestone_bytes != 0));
    FUZZ_CHECK((f->fence_count == 0) == (f->pages_end == LK_TABLE_HEAD));
    FUZZ_CHECK(f->codec == 0 && (f->features & ~(uint32_t)LK_FEATURE_FILTER) == 0 && f->lsn_min <= f->lsn_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct lk_footer footer;
    uint8_t again[LK_FOOTER];
    const char *what = NULL;

    if (bytes < LK_FOOTER)
        return 0;
    uint64_t file_bytes = lk_load64(bytes >= LK_FOOTER + 8 ? data + LK_FOOTER : data + 24);
    int rc = lk_footer_get(data, file_bytes, &footer, &what);
    FUZZ_CHECK(rc == 0 || (rc >= -2 && rc < 0 && what != NULL));
    if (rc != 0)
        return 0;
    fuzz_accepted++;
    footer_check(&footer, file_bytes);
    lk_footer_put(again, &footer);
    FUZZ_CHECK(memcmp(again, data, LK_FOOTER) == 0);
    return 0;
}

size_t fuzz_seed(struct random *random, uint8_t *to, size_t room)
{
    uint64_t pages = random_below(random, 1u << random_below(random, 27));
    struct lk_footer f = {.identity = random_next(random), .number = 3, .lsn_max = 5};

    FUZZ_CHECK(room >= LK_FOOTER + 8);
    f.pages_end = LK_TABLE_HEAD + pages;
    f.fence_count = (uint32_t)((pages + 2047) / 2048);
    f.fences_at = (f.pages_end + 63) & ~63ull;
    f.lines_at = (f.fences_at + 12ull * f.fence_count + 4 + 63) & ~63ull;
    f.line_count = 1 + (uint32_t)(pages / 1160);
    f.records = pages / 116;
    f.checks_at = (f.lines_at + 64ull * f.line_count + 4095) & ~4095ull;
    f.check_count = (uint32_t)(f.checks_at / LK_GRANULE);
    f.key_min_bytes = (uint32_t)random_below(random, LK_KEY_MAX + 1);
    f.key_max_bytes = (uint32_t)random_below(random, 20);
    f.range_bytes = (uint32_t)random_below(random, 100);
    f.use_bytes = (uint32_t)random_below(random, 100);
    f.features = (uint32_t)random_below(random, 2);
    f.milestone_bytes = f.features ? 1 + (uint32_t)random_below(random, 100) : 0;
    f.file_bytes = f.checks_at + 4ull * f.check_count + f.key_min_bytes + f.key_max_bytes + f.range_bytes +
                   f.use_bytes + f.milestone_bytes + LK_FOOTER;
    lk_footer_put(to, &f);
    lk_store64(to + LK_FOOTER, f.file_bytes);
    return LK_FOOTER + (random_below(random, 4) ? 0 : 8);
}

void fuzz_repair(uint8_t *data, size_t bytes)
{
    if (bytes < LK_FOOTER)
        return;
    uint64_t file_bytes = lk_load64(bytes >= LK_FOOTER + 8 ? data + LK_FOOTER : data + 24);
    uint32_t seed = lk_checksum_seed(lk_load64(data + 16), file_bytes);
    lk_store32(data + 188, lk_checksum(seed, data, 188));
}
