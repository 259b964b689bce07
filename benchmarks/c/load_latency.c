/* How long one put takes while the store is busy: RECORDS are loaded and flushed, then RECORDS others are loaded in
 * random order into the same store and timed one by one, with the compactor at work. load_latency FOLDER RECORDS
 *
 * Then: what the engine says its writer waited for, and how long the system kept this thread from a core, which no
 * store can help ("own" leaves it out; it is read after every put that was slow, and every thousand puts). */
#include "bench.h"

#include <fcntl.h>
#include <unistd.h>

enum { SLOW_NS = 500000, LOOK = 1000 };

/* Nanoseconds that this thread was ready and had no core. 0 where the system does not tell. */
static uint64_t waited_for_core(void)
{
    static int file = -1;
    char text[128] = {0};
    if (file == -1)
        file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    char *at = file >= 0 && pread(file, text, sizeof text - 1, 0) > 0 ? strchr(text, ' ') : NULL;
    return at ? strtoull(at, NULL, 10) : 0;
}

static void show(const char *column, uint64_t *each, uint64_t records)
{
    static const struct {
        const char *row;
        double share;
    } marks[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}};
    uint64_t late = 0;
    for (uint64_t i = 0; i < records; i++)
        late += each[i] > 5000000;
    qsort(each, records, sizeof *each, compare_u64);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        result("load latency", marks[i].row, column, (double)each[(uint64_t)((double)records * marks[i].share)]);
    result("load latency", "slowest", column, (double)each[records - 1]);
    result("load latency", "puts over 5 ms", column, (double)late);
}

static void show_stalls(lsmkv *db, const struct lsmkv_stats *before)
{
    struct lsmkv_stats stats;
    must(lsmkv_get_stats(db, &stats) == 0, "stats");
#define X(cause, words)                                                                                    \
    result("load latency, waits", #cause, "count", (double)(stats.stall_##cause - before->stall_##cause)); \
    result("load latency, waits", #cause, "ms",                                                            \
           (double)(stats.stall_##cause##_ns - before->stall_##cause##_ns) / 1e6);                         \
    result("load latency, waits", #cause, "longest ms", (double)stats.stall_##cause##_longest_ns / 1e6);
    LSMKV_STALL_TABLE(X)
#undef X
}

static void load(lsmkv *db, uint64_t records, uint64_t *each, uint64_t *own)
{
    uint64_t waited = waited_for_core(), last = now_ns();
    for (uint64_t i = 0; i < records; i++) {
        put(db, records + i);
        uint64_t now = now_ns();
        each[i] = own[i] = now - last;
        last = now;
        if (each[i] <= SLOW_NS && i % LOOK != 0)
            continue;
        uint64_t since = waited_for_core(), delay = since - waited;
        own[i] -= delay < own[i] ? delay : own[i];
        waited = since;
        last = now_ns();
    }
}

int main(int count, char **words)
{
    must(count == 3, "load_latency FOLDER RECORDS");
    uint64_t records = strtoull(words[2], NULL, 10);
    uint64_t *each = malloc(2 * records * sizeof *each);
    must(each != NULL, "memory");
    memset(each, 1, 2 * records * sizeof *each); /* no page fault later */
    lsmkv *db = open_store(words[1], "loaded", NULL);
    for (uint64_t i = 0; i < records; i++)
        put(db, i);
    must(lsmkv_flush(db) == 0, "flush");
    struct lsmkv_stats before;
    must(lsmkv_get_stats(db, &before) == 0, "stats");
    uint64_t began = now_ns();
    load(db, records, each, each + records);
    result("load latency", "mean", "lsmkv", (double)(now_ns() - began) / (double)records);
    show("lsmkv", each, records);
    show("own", each + records, records);
    show_stalls(db, &before);
    close_store(db);
    free(each);
    return 0;
}
