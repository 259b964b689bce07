/* Full scans of a store that is not in memory, beside the device: scan_beyond FOLDER RECORDS
 *
 * One settled run, its files dropped from the system's cache before each scan, and before they are read in order, 1 MiB at
 * a time; both take turns. FOLDER must be on a disk. What the same takes from Python is benchmarks/beyond_memory.py. */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

enum { TURNS = 5, PIECE = 1 << 20, PAIRS = 1024, MEMORY = 64 << 20 };

/* Calls `each` for the tables in the folder, open for reading. The sum of its answers. */
static uint64_t for_tables(const char *path, uint64_t (*each)(int file))
{
    uint64_t sum = 0;
    DIR *folder = opendir(path);
    must(folder != NULL, path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".tbl") != 0)
            continue;
        int file = openat(dirfd(folder), entry->d_name, O_RDONLY | O_CLOEXEC);
        must(file >= 0, entry->d_name);
        sum += each(file);
        close(file);
    }
    closedir(folder);
    return sum;
}

static uint64_t forget(int file)
{
    return (uint64_t)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static uint64_t read_in_order(int file)
{
    static uint8_t piece[PIECE];
    uint64_t sum = 0;
    ssize_t got;
    while ((got = read(file, piece, sizeof piece)) > 0)
        sum += (uint64_t)got;
    return sum;
}

/* MB a second. */
static double device(const char *path)
{
    sync();
    for_tables(path, forget);
    uint64_t began = now_ns(), bytes = for_tables(path, read_in_order);
    return (double)bytes * 1e3 / (double)(now_ns() - began);
}

static double scan(lsmkv *db, const char *path, uint64_t records)
{
    static struct lsmkv_pair pairs[PAIRS];
    struct lsmkv_range all = {0};
    struct lsmkv_stats stats;
    lsmkv_iter *iter;
    size_t count;
    uint64_t found = 0, sum = 0;
    int rc;
    sync();
    for_tables(path, forget);
    uint64_t began = now_ns();
    must(lsmkv_iter_new(db, NULL, &all, &iter) == 0, "iter_new");
    while ((rc = lsmkv_iter_begin(iter, PAIRS, 256 << 10, pairs, &count)) == 0) {
        for (size_t i = 0; i < count; i++)
            sum += ((const uint8_t *)pairs[i].value.data)[0] + ((const uint8_t *)pairs[i].key.data)[0];
        found += count;
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    uint64_t took = now_ns() - began;
    must(rc == LSMKV_NOTFOUND && found == records && sum > 0, "a full scan");
    must(lsmkv_get_stats(db, &stats) == 0, "stats");
    return (double)stats.table_bytes * 1e3 / (double)took;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *folder, const char *path, const char *column, uint32_t source, uint64_t records)
{
    double shares[TURNS], rates[TURNS];
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    options.table_source = source;
    options.memory_bytes = MEMORY;
    lsmkv *db = open_store(folder, "store", &options);
    device(path); /* whose memory the system has to find first */
    for (int turn = 0; turn < TURNS; turn++) {
        rates[turn] = scan(db, path, records);
        shares[turn] = 100 * rates[turn] / device(path);
    }
    qsort(rates, TURNS, sizeof *rates, compare_double);
    qsort(shares, TURNS, sizeof *shares, compare_double);
    result("a scan beyond memory", "MB/s", column, rates[TURNS / 2]);
    result("a scan beyond memory", "% of the device", column, shares[TURNS / 2]);
    close_store(db);
}

int main(int count, char **words)
{
    char path[4096];
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    must(count == 3, "scan_beyond FOLDER RECORDS");
    uint64_t records = strtoull(words[2], NULL, 10);
    lsmkv *db = open_store(words[1], "store", NULL);
    for (uint64_t i = 0; i < records; i++) {
        key_of(i, key);
        value_of(i, value);
        must(lsmkv_put(db, key, sizeof key, value, sizeof value, -1, NULL) == 0, "put");
    }
    must(lsmkv_flush(db) == 0 && lsmkv_compact(db, NULL, NULL, NULL, NULL) == 0, "settle");
    close_store(db);
    snprintf(path, sizeof path, "%s/store", words[1]);
    measure(words[1], path, "read", LSMKV_SOURCE_READ, records);
    measure(words[1], path, "mapped", LSMKV_SOURCE_MAPPED, records);
    return 0;
}
