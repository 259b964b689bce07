/* How long one put takes, and how long the slowest take: the log in mapped memory, the log written by a system call
 * for each put, and LMDB when it was built in. put_latency FOLDER RECORDS
 *
 * Every put is timed; what reading the clock costs (a row of its own) is in each figure. */
#include "bench.h"

static void show(const char *column, uint64_t *each, uint64_t records, uint64_t took)
{
    static const struct {
        const char *row;
        double share;
    } marks[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
    qsort(each, records, sizeof *each, compare_u64);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        result("put latency", marks[i].row, column, (double)each[(uint64_t)((double)records * marks[i].share)]);
    result("put latency", "slowest", column, (double)each[records - 1]);
    result("put latency", "mean", column, (double)took / (double)records);
}

static void measure(const char *folder, const char *column, int source, uint64_t *each, uint64_t records)
{
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    options.log_source = source;
    lsmkv *db = open_store(folder, column, &options);
    uint64_t began = now_ns(), last = began;
    for (uint64_t i = 0; i < records; i++) {
        put(db, i);
        uint64_t now = now_ns();
        each[i] = now - last;
        last = now;
    }
    show(column, each, records, last - began);
    struct lsmkv_stats stats;
    must(lsmkv_get_stats(db, &stats) == 0, "stats");
    result("put latency", "stalls counted by the engine", column, (double)stats.stalls);
    result("put latency", "of these at a full memtable", column, (double)stats.stall_memtable);
    result("put latency", "milliseconds stalled", column, (double)stats.stall_ns / 1e6);
    must(lsmkv_flush(db) == 0 && lsmkv_compact(db, NULL, NULL, NULL, NULL) == 0, "settle");
    must(lsmkv_get_stats(db, &stats) == 0, "stats");
    result("put latency", "write amplification, settled", column,
           (double)(stats.log_bytes + stats.flush_bytes + stats.merge_bytes) / (double)stats.user_bytes);
    close_store(db);
}

int main(int count, char **words)
{
    must(count == 3, "put_latency FOLDER RECORDS");
    uint64_t records = strtoull(words[2], NULL, 10);
    uint64_t *each = malloc(records * sizeof *each);
    must(each != NULL, "memory");
    memset(each, 1, records * sizeof *each); /* no page fault later */
    measure(words[1], "lsmkv", LSMKV_SOURCE_MAPPED, each, records);
    measure(words[1], "lsmkv written", LSMKV_SOURCE_READ, each, records);
#ifdef WITH_LMDB
    struct peer peer;
    peer_open(&peer, words[1]);
    uint64_t began = now_ns(), last = began;
    for (uint64_t i = 0; i < records; i++) {
        peer_put(&peer, i);
        uint64_t now = now_ns();
        each[i] = now - last;
        last = now;
    }
    show("lmdb endless", each, records, last - began);
    peer_close(&peer);
#endif
    uint64_t first = now_ns(), latest = first;
    for (int i = 0; i < 100000; i++)
        latest = now_ns();
    result("put latency", "reading the clock", "lsmkv", (double)(latest - first) / 100000);
    free(each);
    return 0;
}
