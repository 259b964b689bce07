/* Gets over 1, 4 and 18 runs of the same records, everything cached. runs FOLDER RECORDS */
#include "bench.h"

static void measure(const char *folder, uint64_t records, uint64_t runs)
{
    char column[32];
    snprintf(column, sizeof column, "%u run%s", (unsigned)runs, runs == 1 ? "" : "s");
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    options.run_count = 32;
    options.l0_segments = 8;
    lsmkv *db = open_store(folder, column, &options);
    for (uint64_t run = 0; run < runs; run++) {
        /* Record i belongs to run i % runs: keys of every run lie all over the key space. */
        for (uint64_t i = run; i < records; i += runs)
            put(db, i);
        must(lsmkv_flush(db) == 0, "flush");
    }
    if (runs == 1)
        must(lsmkv_compact(db, NULL, NULL, NULL, NULL) == 0, "compact");
    struct lsmkv_stats stats;
    must(lsmkv_get_stats(db, &stats) == 0, "stats");
    result("gets by runs", "runs found", column, (double)stats.runs);
    uint64_t sum = 0, found = 0, began;
    must(walk(db, &sum) == records, "walk");

    for (int warm = 1; warm >= 0; warm--) {
        began = now_ns(), found = 0;
        for (uint64_t i = 0; i < records; i++)
            found += (uint64_t)get(db, shuffled(i, records), &sum);
    }
    result("gets by runs", "get hit", column, (double)(now_ns() - began) / (double)records);
    must(found == records, "hits");

    began = now_ns(), found = 0;
    for (uint64_t i = 0; i < records; i++)
        found += (uint64_t)get(db, records + i, &sum);
    result("gets by runs", "get miss", column, (double)(now_ns() - began) / (double)records);
    must(found == 0, "misses");

    uint64_t seeks = records / 10;
    began = now_ns();
    for (uint64_t i = 0; i < seeks; i++)
        seek(db, shuffled(i * 7, records), 10, &sum);
    result("gets by runs", "seek + 10", column, (double)(now_ns() - began) / (double)seeks);

    began = now_ns();
    walk(db, &sum);
    result("gets by runs", "full scan, per record", column, (double)(now_ns() - began) / (double)records);
    close_store(db);
}

int main(int count, char **words)
{
    must(count == 3, "runs FOLDER RECORDS");
    static const uint64_t runs[] = {1, 4, 18};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        measure(words[1], strtoull(words[2], NULL, 10), runs[i]);
    return 0;
}
