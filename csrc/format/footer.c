/* footer: both pens of the drawing in format/footer.h. Pure bytes: any thread. */
#include "format/footer.h"

#include "format/frame.h"
#include "format/line.h"
#include "format/space.h"
#include "util/checksum.h"

static const char HEAD_MAGIC[8] = "lsmkvTBL", MAGIC[8] = "lsmkvTBF";

enum { FENCE_BYTES = 12, FENCE_LAST = 4, LINE_BYTES = 64, SUM_BYTES = 4, RECORD_LEAST = 3 };

/* Where each field of the drawing begins. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_NUMBER = 12,
    AT_IDENTITY = 16,
    AT_FILE_BYTES = 24,
    AT_CODEC = 32,
    AT_FEATURES = 36,
    AT_PREFIX = 40,
    AT_FENCE_COUNT = 44,
    AT_PAGES_END = 48,
    AT_FENCES_AT = 56,
    AT_LINES_AT = 64,
    AT_LINE_COUNT = 72,
    AT_PAGE_SHIFT = 76,
    AT_CHECKS_AT = 80,
    AT_CHECK_COUNT = 88,
    AT_KEY_MIN = 92,
    AT_KEY_MAX = 96,
    AT_RANGE_BYTES = 100,
    AT_RECORDS = 104,
    AT_TOMBSTONES = 112,
    AT_RANGE_DELETES = 120,
    AT_UNPACKED = 124,
    AT_LSN_MIN = 128,
    AT_LSN_MAX = 136,
    AT_HASH_A = 144,
    AT_HASH_B = 152,
    AT_PAYLOAD = 160,
    AT_EXPIRING = 168,
    AT_USES = 176,
    AT_MILESTONES = 180,
    AT_TAIL_SUM = 184,
    AT_CHECK = 188
};

/* ---- encode --------------------------------------------------------------------------------- */

void lk_table_head_put(uint8_t to[LK_TABLE_HEAD], uint32_t number, uint64_t identity)
{
    memset(to, 0, LK_TABLE_HEAD);
    memcpy(to, HEAD_MAGIC, 8);
    lk_store32(to + 8, LK_FORMAT_VERSION);
    lk_store32(to + 12, number);
    lk_store64(to + 16, identity);
}

void lk_footer_put(uint8_t to[LK_FOOTER], const struct lk_footer *footer)
{
    memset(to, 0, LK_FOOTER);
    memcpy(to + AT_MAGIC, MAGIC, 8);
    lk_store32(to + AT_VERSION, LK_FORMAT_VERSION);
    lk_store32(to + AT_NUMBER, footer->number);
    lk_store64(to + AT_IDENTITY, footer->identity);
    lk_store64(to + AT_FILE_BYTES, footer->file_bytes);
    lk_store32(to + AT_CODEC, footer->codec);
    lk_store32(to + AT_FEATURES, footer->features);
    lk_store32(to + AT_PREFIX, footer->prefix);
    lk_store32(to + AT_FENCE_COUNT, footer->fence_count);
    lk_store64(to + AT_PAGES_END, footer->pages_end);
    lk_store64(to + AT_FENCES_AT, footer->fences_at);
    lk_store64(to + AT_LINES_AT, footer->lines_at);
    lk_store32(to + AT_LINE_COUNT, footer->line_count);
    lk_store32(to + AT_PAGE_SHIFT, footer->page_shift);
    lk_store64(to + AT_CHECKS_AT, footer->checks_at);
    lk_store32(to + AT_CHECK_COUNT, footer->check_count);
    lk_store32(to + AT_KEY_MIN, footer->key_min_bytes);
    lk_store32(to + AT_KEY_MAX, footer->key_max_bytes);
    lk_store32(to + AT_RANGE_BYTES, footer->range_bytes);
    lk_store64(to + AT_RECORDS, footer->records);
    lk_store64(to + AT_TOMBSTONES, footer->tombstones);
    lk_store32(to + AT_RANGE_DELETES, footer->range_deletes);
    lk_store32(to + AT_UNPACKED, footer->unpacked);
    lk_store64(to + AT_LSN_MIN, footer->lsn_min);
    lk_store64(to + AT_LSN_MAX, footer->lsn_max);
    lk_store64(to + AT_HASH_A, footer->hash_a);
    lk_store64(to + AT_HASH_B, footer->hash_b);
    lk_store64(to + AT_PAYLOAD, footer->payload);
    lk_store64(to + AT_EXPIRING, footer->expiring);
    lk_store32(to + AT_USES, footer->use_bytes);
    lk_store32(to + AT_MILESTONES, footer->milestone_bytes);
    lk_store32(to + AT_TAIL_SUM, footer->tail_sum);
    lk_store32(to + AT_CHECK, lk_checksum(lk_checksum_seed(footer->identity, footer->file_bytes), to, AT_CHECK));
}

/* ---- decode --------------------------------------------------------------------------------- */

static void fields_get(const uint8_t *from, struct lk_footer *out)
{
    out->number = lk_load32(from + AT_NUMBER);
    out->identity = lk_load64(from + AT_IDENTITY);
    out->file_bytes = lk_load64(from + AT_FILE_BYTES);
    out->codec = lk_load32(from + AT_CODEC);
    out->features = lk_load32(from + AT_FEATURES);
    out->prefix = lk_load32(from + AT_PREFIX);
    out->fence_count = lk_load32(from + AT_FENCE_COUNT);
    out->pages_end = lk_load64(from + AT_PAGES_END);
    out->fences_at = lk_load64(from + AT_FENCES_AT);
    out->lines_at = lk_load64(from + AT_LINES_AT);
    out->line_count = lk_load32(from + AT_LINE_COUNT);
    out->page_shift = lk_load32(from + AT_PAGE_SHIFT);
    out->checks_at = lk_load64(from + AT_CHECKS_AT);
    out->check_count = lk_load32(from + AT_CHECK_COUNT);
    out->key_min_bytes = lk_load32(from + AT_KEY_MIN);
    out->key_max_bytes = lk_load32(from + AT_KEY_MAX);
    out->range_bytes = lk_load32(from + AT_RANGE_BYTES);
    out->records = lk_load64(from + AT_RECORDS);
    out->tombstones = lk_load64(from + AT_TOMBSTONES);
    out->range_deletes = lk_load32(from + AT_RANGE_DELETES);
    out->unpacked = lk_load32(from + AT_UNPACKED);
    out->lsn_min = lk_load64(from + AT_LSN_MIN);
    out->lsn_max = lk_load64(from + AT_LSN_MAX);
    out->hash_a = lk_load64(from + AT_HASH_A);
    out->hash_b = lk_load64(from + AT_HASH_B);
    out->payload = lk_load64(from + AT_PAYLOAD);
    out->expiring = lk_load64(from + AT_EXPIRING);
    out->use_bytes = lk_load32(from + AT_USES);
    out->milestone_bytes = lk_load32(from + AT_MILESTONES);
    out->tail_sum = lk_load32(from + AT_TAIL_SUM);
}

/* Does `at` follow `end` after no more padding than its alignment asks for? */
static int follows(uint64_t at, uint64_t end, uint64_t alignment)
{
    return at >= end && at - end < alignment && at % alignment == 0;
}

/* Each section in its place, from the front: what was shown before bounds what comes next. */
static const char *sections_wrong(const struct lk_footer *f)
{
    if (f->file_bytes < LK_TABLE_HEAD + LK_FOOTER)
        return "the file is too short for a table";
    uint64_t body_end = f->file_bytes - LK_FOOTER;
    if (f->checks_at > body_end || f->checks_at % LK_GRANULE != 0)
        return "the checks lie outside the file";
    if (f->pages_end < LK_TABLE_HEAD || f->pages_end > f->checks_at || f->pages_end > UINT32_MAX)
        return "the pages lie outside the file";
    if (f->fences_at > f->checks_at || !follows(f->fences_at, f->pages_end, 64))
        return "the fences do not follow the pages";
    if (f->lines_at > f->checks_at || f->lines_at < f->fences_at || f->lines_at - f->fences_at < FENCE_LAST ||
        f->fence_count > (f->lines_at - f->fences_at - FENCE_LAST) / FENCE_BYTES ||
        !follows(f->lines_at, f->fences_at + (uint64_t)f->fence_count * FENCE_BYTES + FENCE_LAST, 64))
        return "the lines do not follow the fences";
    if (f->line_count > (f->checks_at - f->lines_at) / LINE_BYTES ||
        !follows(f->checks_at, f->lines_at + (uint64_t)f->line_count * LINE_BYTES, LK_GRANULE))
        return "the checks do not follow the lines";

    uint64_t left = body_end - f->checks_at;
    if (f->check_count != f->checks_at / LK_GRANULE || f->check_count > left / SUM_BYTES)
        return "the number of checks is not that of the granules";
    left -= (uint64_t)f->check_count * SUM_BYTES;
    if ((uint64_t)f->key_min_bytes + f->key_max_bytes + f->range_bytes + f->use_bytes + f->milestone_bytes != left)
        return "the properties do not fill the space before the footer";
    return NULL;
}

static const char *counts_wrong(const struct lk_footer *f)
{
    if (f->line_count == 0)
        return "there is no line";
    if (lk_footer_filtered(f) ? f->milestone_bytes == 0 : f->milestone_bytes != 0)
        return "milestones belong to a filter, and a filter to milestones";
    if (!lk_footer_filtered(f) && f->records > (uint64_t)f->line_count * LK_LINE_SLOTS)
        return "there are more records than slots";
    if ((f->fence_count == 0) != (f->pages_end == LK_TABLE_HEAD) || f->fence_count > f->pages_end - LK_TABLE_HEAD)
        return "the number of fences is not that of the pages";
    if (f->key_min_bytes > LK_KEY_MAX || f->key_max_bytes > LK_KEY_MAX || f->prefix > LK_KEY_MAX)
        return "a key is too long";
    if (f->lsn_min > f->lsn_max)
        return "the log positions are in the wrong order";
    return NULL;
}

/* Raw pages say nothing of packing; packed ones have room for every page among the positions of a line. */
static const char *packing_wrong(const struct lk_footer *f)
{
    if (f->codec == 0)
        return f->page_shift || f->unpacked ? "a table of raw pages tells how they are packed" : NULL;
    if (f->page_shift < LK_PAGE_SHIFT_MIN || f->page_shift > LK_PAGE_SHIFT_MAX || f->fence_count == 0 ||
        f->fence_count > (LK_LINE_POSITION_MAX + 1) >> f->page_shift)
        return "the pages have more positions than a line can name";
    return NULL;
}

/* A packed page unpacks to LK_PAGE_MAX bytes at most, any other has as many as it takes; a record has a head of
 * RECORD_LEAST bytes at least, and its key and value. */
static const char *records_wrong(const struct lk_footer *f)
{
    uint64_t stored = f->pages_end - LK_TABLE_HEAD, room = f->codec ? f->unpacked : stored;
    if (f->codec && room > stored + (uint64_t)f->fence_count * LK_PAGE_MAX)
        return "the pages do not unpack to so many bytes";
    if (f->records > room / RECORD_LEAST || f->payload > room - f->records * RECORD_LEAST)
        return "the pages have no room for so many records";
    return NULL;
}

int lk_footer_get(const uint8_t from[LK_FOOTER], uint64_t file_bytes, struct lk_footer *out, const char **what)
{
    struct lk_footer footer;
    uint32_t seed = lk_checksum_seed(lk_load64(from + AT_IDENTITY), file_bytes);

    *what = "there is no table footer";
    if (memcmp(from + AT_MAGIC, MAGIC, 8) != 0)
        return -1;
    *what = "the footer's checksum does not hold";
    if (lk_load32(from + AT_CHECK) != lk_checksum(seed, from, AT_CHECK))
        return -1;

    fields_get(from, &footer);
    *what = "the table is of another format version";
    if (lk_load32(from + AT_VERSION) != LK_FORMAT_VERSION)
        return -2;
    *what = "the table uses a codec this build does not know";
    if (footer.codec > LK_CODEC_MAX)
        return -2;
    *what = "the table uses a feature this build does not know";
    if (footer.features & ~(uint32_t)LK_FEATURE_FILTER)
        return -2;

    *what = "the footer names another file size";
    if (footer.file_bytes != file_bytes)
        return -1;
    if ((*what = sections_wrong(&footer)) != NULL || (*what = counts_wrong(&footer)) != NULL ||
        (*what = packing_wrong(&footer)) != NULL || (*what = records_wrong(&footer)) != NULL)
        return -1;
    *out = footer;
    return 0;
}
