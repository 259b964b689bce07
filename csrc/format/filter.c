/* filter: how large one is. See format/filter.h. */
#include "format/filter.h"

enum { SHARE = 16, LINE_BITS = 512, BITS_LEAST = 8, BITS_MOST = 20 };

uint32_t lk_filter_lines(uint64_t records, uint64_t bytes)
{
    uint64_t least = (records * BITS_LEAST + LINE_BITS - 1) / LINE_BITS;
    uint64_t most = (records * BITS_MOST + LINE_BITS - 1) / LINE_BITS;
    uint64_t lines = bytes / (SHARE * LK_FILTER_LINE);

    lines = lines < least ? least : lines > most ? most : lines;
    return (uint32_t)(lines ? lines : 1);
}
