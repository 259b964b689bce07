/* What opening a scan costs after some writes since the last one, beside memtables of different sizes: seek + 10,
 * medians, nanoseconds. Opening should cost by the writes since the last scan, not by the memtable.
 * scan_open FOLDER RECORDS: no more than RECORDS keys lie in the memtable before. */
#include "bench.h"

enum { MOST = 201 };

static void measure(const char *folder, uint64_t before, uint64_t writes, int times)
{
    static int number;
    char name[32], row[64], column[32];
    uint64_t each[MOST], sum = 0, next = 0;
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    options.segment_bytes = 256u << 20; /* large enough for all: nothing is flushed meanwhile */
    options.l0_segments = 8;
    snprintf(name, sizeof name, "store%d", number++);
    lsmkv *db = open_store(folder, name, &options);
    while (next < before)
        put(db, next++);
    seek(db, 0, 10, &sum);
    for (int i = 0; i < times; i++) {
        for (uint64_t stop = next + writes; next < stop; next++)
            put(db, next);
        uint64_t began = now_ns();
        seek(db, mix(next) % next, 10, &sum);
        each[i] = now_ns() - began;
    }
    qsort(each, (size_t)times, sizeof *each, compare_u64);
    snprintf(row, sizeof row, "%llu records before", (unsigned long long)before);
    snprintf(column, sizeof column, "%llu write%s", (unsigned long long)writes, writes == 1 ? "" : "s");
    result("opening a scan after writes", row, column, (double)each[times / 2]);
    close_store(db);
}

int main(int count, char **words)
{
    must(count == 3, "scan_open FOLDER RECORDS");
    uint64_t most = strtoull(words[2], NULL, 10);
    for (uint64_t before = 1000; before <= most; before *= 10) {
        measure(words[1], before, 0, MOST);
        measure(words[1], before, 1, MOST);
        measure(words[1], before, 1000, 21);
        measure(words[1], before, 200000, 3);
    }
    return 0;
}
