/* bench: what the C benchmarks share: a clock, keys, and result lines for the reader in test_c_workloads.py. */
#ifndef LSMKV_BENCH_H
#define LSMKV_BENCH_H

#include <lsmkv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY_BYTES 16
#define VALUE_BYTES 100

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A bijection of 64 bits. */
static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Key number i: in random order, all different. */
static inline void key_of(uint64_t i, uint8_t key[KEY_BYTES])
{
    uint64_t high = mix(i + 1), low = mix(high);
    memcpy(key, &high, 8);
    memcpy(key + 8, &low, 8);
}

static inline void value_of(uint64_t i, uint8_t value[VALUE_BYTES])
{
    memset(value, '.', VALUE_BYTES);
    memcpy(value, &i, sizeof i);
}

/* Call number i of `records` takes another record each time: a walk in steps of a large prime. */
static inline uint64_t shuffled(uint64_t i, uint64_t records)
{
    return (uint64_t)((unsigned __int128)i * 2654435761u % records);
}

static inline void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, lsmkv_last_error()->text);
    exit(1);
}

static inline void result(const char *table, const char *row, const char *column, double figure)
{
    printf("%s\t%s\t%s\t%.3f\n", table, row, column, figure);
    fflush(stdout);
}

static inline lsmkv *open_store(const char *folder, const char *name, const struct lsmkv_options *wanted)
{
    char path[4096];
    struct lsmkv_options options;
    if (wanted != NULL)
        options = *wanted;
    else
        lsmkv_options_init(&options);
    options.flags |= LSMKV_OPEN_CREATE;
    lsmkv *db;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    must(lsmkv_open(path, &options, &db) == 0, "open");
    return db;
}

static inline void close_store(lsmkv *db)
{
    must(lsmkv_close(db) == 0, "close");
    lsmkv_release(db);
}

static inline void put(lsmkv *db, uint64_t i)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    key_of(i, key);
    value_of(i, value);
    must(lsmkv_put(db, key, sizeof key, value, sizeof value, -1, NULL) == 0, "put");
}

/* As a binding does it: lent in place, and the waiting call only when needed. Whether the key is there. */
static inline int get(lsmkv *db, uint64_t i, uint64_t *sum)
{
    uint8_t key[KEY_BYTES];
    key_of(i, key);
    struct lsmkv_read read;
    int rc = lsmkv_read_begin(db, NULL, key, sizeof key, &read);
    if (rc == 0) {
        *sum += *(const uint8_t *)read.value.data;
        lsmkv_read_end(&read);
    } else if (rc == LSMKV_WOULDBLOCK) {
        void *value;
        size_t bytes;
        rc = lsmkv_get(db, NULL, key, sizeof key, &value, &bytes);
        lsmkv_free(value);
    }
    must(rc >= 0, "get");
    return rc == 0;
}

/* Seek to key i and take up to `most` pairs: how many there were. */
static inline size_t seek(lsmkv *db, uint64_t i, size_t most, uint64_t *sum)
{
    uint8_t key[KEY_BYTES];
    struct lsmkv_pair pairs[64];
    struct lsmkv_range range = {.start = {key, sizeof key}, .has_start = 1};
    lsmkv_iter *iter;
    size_t count = 0;
    key_of(i, key);
    must(lsmkv_iter_new(db, NULL, &range, &iter) == 0, "iter_new");
    int rc = lsmkv_try_iter_begin(iter, most, SIZE_MAX, pairs, &count);
    if (rc == LSMKV_WOULDBLOCK)
        rc = lsmkv_iter_begin(iter, most, SIZE_MAX, pairs, &count);
    must(rc >= 0, "iter_begin");
    for (size_t at = 0; rc == 0 && at < count; at++)
        *sum += *(const uint8_t *)pairs[at].value.data;
    if (rc == 0)
        lsmkv_iter_end(iter);
    lsmkv_iter_free(iter);
    return rc == 0 ? count : 0;
}

static inline uint64_t walk(lsmkv *db, uint64_t *sum)
{
    enum { CHUNK = 256 };
    struct lsmkv_pair pairs[CHUNK];
    lsmkv_iter *iter;
    uint64_t walked = 0;
    must(lsmkv_iter_new(db, NULL, NULL, &iter) == 0, "iter_new");
    for (;;) {
        size_t count = 0;
        int rc = lsmkv_try_iter_begin(iter, CHUNK, SIZE_MAX, pairs, &count);
        if (rc == LSMKV_WOULDBLOCK)
            rc = lsmkv_iter_begin(iter, CHUNK, SIZE_MAX, pairs, &count);
        must(rc >= 0, "iter_begin");
        if (rc != 0)
            break;
        for (size_t at = 0; at < count; at++)
            *sum += *(const uint8_t *)pairs[at].value.data;
        walked += count;
        lsmkv_iter_end(iter);
    }
    lsmkv_iter_free(iter);
    return walked;
}

static inline int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

#ifdef WITH_LMDB
#include <lmdb.h>
#include <sys/stat.h>

/* The peer: unsynced, writemap, everything in one write transaction. */
struct peer {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

static inline void peer_open(struct peer *peer, const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lmdb", folder);
    mkdir(path, 0700);
    must(mdb_env_create(&peer->env) == 0 && mdb_env_set_mapsize(peer->env, (size_t)64 << 30) == 0 &&
             mdb_env_open(peer->env, path, MDB_WRITEMAP | MDB_NOSYNC | MDB_MAPASYNC, 0600) == 0 &&
             mdb_txn_begin(peer->env, NULL, 0, &peer->txn) == 0 && mdb_dbi_open(peer->txn, NULL, 0, &peer->dbi) == 0,
         "lmdb open");
}

static inline void peer_put(struct peer *peer, uint64_t i)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    key_of(i, key);
    value_of(i, value);
    MDB_val k = {sizeof key, key}, v = {sizeof value, value};
    must(mdb_put(peer->txn, peer->dbi, &k, &v, 0) == 0, "lmdb put");
}

static inline int peer_get(struct peer *peer, uint64_t i, uint64_t *sum)
{
    uint8_t key[KEY_BYTES];
    key_of(i, key);
    MDB_val k = {sizeof key, key}, v;
    if (mdb_get(peer->txn, peer->dbi, &k, &v) != 0)
        return 0;
    *sum += *(const uint8_t *)v.mv_data;
    return 1;
}

static inline void peer_close(struct peer *peer)
{
    mdb_txn_abort(peer->txn);
    mdb_env_close(peer->env);
}
#endif

#endif
