/* What memory a load takes, as the system counts it: RECORDS are put in random order while another thread looks at
 * /proc/self/smaps_rollup. Anonymous memory is the process's own; the rest of what is resident are pages of files, which
 * the system takes back when it needs them. load_memory FOLDER RECORDS */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic int over;
static _Atomic uint64_t most_anonymous, most_files, most_told;
static lsmkv *db;

/* KiB behind `name` in the text. */
static uint64_t line(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void look(uint64_t *anonymous, uint64_t *files)
{
    static char text[8192];
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    *anonymous = *files = 0;
    if (!file)
        return; /* another system */
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    *anonymous = line(text, "\nAnonymous:") << 10;
    *files = (line(text, "\nRss:") << 10) - *anonymous;
}

static void raise_to(_Atomic uint64_t *most, uint64_t value)
{
    if (value > atomic_load(most))
        atomic_store(most, value);
}

static void *watch(void *unused)
{
    struct timespec nap = {0, 20000000};
    (void)unused;
    while (!atomic_load(&over)) {
        uint64_t anonymous, files;
        struct lsmkv_stats stats;
        look(&anonymous, &files);
        raise_to(&most_anonymous, anonymous);
        raise_to(&most_files, files);
        must(lsmkv_get_stats(db, &stats) == 0, "stats");
        raise_to(&most_told, stats.anonymous_bytes);
        nanosleep(&nap, NULL);
    }
    return NULL;
}

int main(int count, char **words)
{
    must(count == 3, "load_memory FOLDER RECORDS");
    uint64_t records = strtoull(words[2], NULL, 10), before, anonymous, files;
    pthread_t watcher;
    look(&before, &files);
    db = open_store(words[1], "memory", NULL);
    must(pthread_create(&watcher, NULL, watch, NULL) == 0, "thread");
    uint64_t began = now_ns();
    for (uint64_t i = 0; i < records; i++)
        put(db, i);
    result("load memory", "seconds", "lsmkv", (double)(now_ns() - began) / 1e9);
    must(lsmkv_flush(db) == 0, "flush");
    atomic_store(&over, 1);
    pthread_join(watcher, NULL);
    look(&anonymous, &files);
    result("load memory", "anonymous MiB, at most", "lsmkv", (double)(most_anonymous - before) / (1 << 20));
    result("load memory", "anonymous MiB, at the end", "lsmkv", (double)(anonymous - before) / (1 << 20));
    result("load memory", "of files MiB, at most", "lsmkv", (double)most_files / (1 << 20));
    result("load memory", "told by stats() MiB, at most", "lsmkv", (double)most_told / (1 << 20));
    close_store(db);
    return 0;
}
