/* One settled run, cached: tables mapped, tables read into memory, and LMDB when it was built in.
 * sources FOLDER RECORDS */
#include "bench.h"

#define TABLE "one settled run"

static void row(const char *name, const char *column, uint64_t began, uint64_t count)
{
    result(TABLE, name, column, (double)(now_ns() - began) / (double)count);
}

static void get_many(lsmkv *db, uint64_t records, uint64_t *sum)
{
    uint8_t keys[LSMKV_READ_MANY][KEY_BYTES];
    struct lsmkv_slice slices[LSMKV_READ_MANY], values[LSMKV_READ_MANY];
    int results[LSMKV_READ_MANY];
    struct lsmkv_read read;
    for (uint64_t i = 0; i + LSMKV_READ_MANY <= records; i += LSMKV_READ_MANY) {
        for (uint64_t at = 0; at < LSMKV_READ_MANY; at++) {
            key_of(shuffled(i + at, records), keys[at]);
            slices[at] = (struct lsmkv_slice){keys[at], KEY_BYTES};
        }
        must(lsmkv_read_many_begin(db, NULL, slices, LSMKV_READ_MANY, values, results, &read) == 0, "get_many");
        for (uint64_t at = 0; at < LSMKV_READ_MANY; at++) {
            must(results[at] == 0, "a key of get_many");
            *sum += *(const uint8_t *)values[at].data;
        }
        lsmkv_read_end(&read);
    }
}

static void measure(const char *folder, const char *column, int source, uint64_t records)
{
    struct lsmkv_options options;
    lsmkv_options_init(&options);
    options.table_source = source;
    options.cache_bytes = 4ull << 30;
    lsmkv *db = open_store(folder, column, &options);
    uint64_t sum = 0, began = now_ns();
    for (uint64_t i = 0; i < records; i++)
        put(db, i);
    row("random put", column, began, records);
    must(lsmkv_flush(db) == 0 && lsmkv_compact(db, NULL, NULL, NULL, NULL) == 0, "settle");
    row("random put, until settled", column, began, records);

    began = now_ns();
    must(walk(db, &sum) == records, "walk");
    row("full scan, first time", column, began, records);
    began = now_ns();
    walk(db, &sum);
    row("full scan", column, began, records);

    for (int warm = 1; warm >= 0; warm--) {
        began = now_ns();
        for (uint64_t i = 0; i < records; i++)
            must(get(db, shuffled(i, records), &sum), "hit");
    }
    row("get hit", column, began, records);
    began = now_ns();
    for (uint64_t i = 0; i < records; i++)
        must(!get(db, records + i, &sum), "miss");
    row("get miss", column, began, records);
    began = now_ns();
    get_many(db, records, &sum);
    row("get_many of 16, per key", column, began, records);

    uint64_t seeks = records / 5;
    began = now_ns();
    for (uint64_t i = 0; i < seeks; i++)
        seek(db, shuffled(i * 7, records), 10, &sum);
    row("seek + 10", column, began, seeks);
    began = now_ns();
    for (uint64_t i = 0; i < seeks; i++)
        seek(db, shuffled(i * 7, records), 1, &sum);
    row("seek + 1", column, began, seeks);
    close_store(db);
}

#ifdef WITH_LMDB
/* A cursor for each seek, in one transaction; `fresh`: a snapshot of its own for each, as lsmkv takes. */
static void peer_seeks(struct peer *peer, uint64_t records, uint64_t seeks, int most, int fresh, uint64_t *sum)
{
    uint8_t key[KEY_BYTES];
    MDB_cursor *cursor;
    for (uint64_t i = 0; i < seeks; i++) {
        if (fresh) {
            mdb_txn_reset(peer->txn);
            must(mdb_txn_renew(peer->txn) == 0, "lmdb renew");
        }
        key_of(shuffled(i * 7, records), key);
        MDB_val k = {sizeof key, key}, v;
        must(mdb_cursor_open(peer->txn, peer->dbi, &cursor) == 0, "lmdb cursor");
        int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
        for (int at = 0; rc == 0 && at < most; at++) {
            *sum += *(const uint8_t *)v.mv_data;
            rc = at + 1 < most ? mdb_cursor_get(cursor, &k, &v, MDB_NEXT) : 0;
        }
        mdb_cursor_close(cursor);
    }
}

static void measure_peer(const char *folder, uint64_t records)
{
    const char *column = "lmdb endless";
    struct peer peer;
    uint64_t sum = 0, walked = 0;
    peer_open(&peer, folder);
    uint64_t began = now_ns();
    for (uint64_t i = 0; i < records; i++)
        peer_put(&peer, i);
    row("random put", column, began, records);
    must(mdb_txn_commit(peer.txn) == 0 && mdb_txn_begin(peer.env, NULL, MDB_RDONLY, &peer.txn) == 0, "lmdb commit");
    row("random put, until settled", column, began, records);

    for (int warm = 1; warm >= 0; warm--) {
        MDB_cursor *cursor;
        MDB_val k, v;
        began = now_ns(), walked = 0;
        must(mdb_cursor_open(peer.txn, peer.dbi, &cursor) == 0, "lmdb cursor");
        while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
            sum += *(const uint8_t *)v.mv_data;
            walked++;
        }
        mdb_cursor_close(cursor);
        row(warm ? "full scan, first time" : "full scan", column, began, records);
    }
    must(walked == records, "lmdb walk");
    for (int warm = 1; warm >= 0; warm--) {
        began = now_ns();
        for (uint64_t i = 0; i < records; i++)
            must(peer_get(&peer, shuffled(i, records), &sum), "lmdb hit");
    }
    row("get hit", column, began, records);
    began = now_ns();
    for (uint64_t i = 0; i < records; i++)
        must(!peer_get(&peer, records + i, &sum), "lmdb miss");
    row("get miss", column, began, records);
    began = now_ns();
    for (uint64_t i = 0; i < records; i++)
        must(peer_get(&peer, shuffled(i, records), &sum), "lmdb hit");
    row("get_many of 16, per key", column, began, records);
    uint64_t seeks = records / 5;
    began = now_ns();
    peer_seeks(&peer, records, seeks, 10, 1, &sum);
    row("seek + 10", column, began, seeks);
    began = now_ns();
    peer_seeks(&peer, records, seeks, 1, 1, &sum);
    row("seek + 1", column, began, seeks);
    began = now_ns();
    peer_seeks(&peer, records, seeks, 10, 0, &sum);
    row("seek + 10, one snapshot for all", column, began, seeks);
    peer_close(&peer);
}
#endif

int main(int count, char **words)
{
    must(count == 3, "sources FOLDER RECORDS");
    uint64_t records = strtoull(words[2], NULL, 10);
    measure(words[1], "lsmkv", LSMKV_SOURCE_MAPPED, records);
    measure(words[1], "lsmkv read", LSMKV_SOURCE_READ, records);
#ifdef WITH_LMDB
    measure_peer(words[1], records);
#endif
    return 0;
}
