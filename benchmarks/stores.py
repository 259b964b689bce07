"""The stores that are compared: a few lines each, in the words of its own binding.

The loops stand in here, so that a store pays its own way of making one call and nothing else. Nobody syncs: lsmkv runs
with its default, which survives a killed process at once and a power cut after a second; the peers survive at most
the killed process. Caches and filters of the peers are set so that everything is cached.
"""

import importlib
import importlib.metadata
from itertools import islice

CACHE = 512 << 20


class Mapping:
    """A store that is used as a dict."""

    options = "default options"

    def put(self, pairs):
        db = self.db
        for key, value in pairs:
            db[key] = value

    def get(self, keys):
        db = self.db
        for key in keys:
            db[key]

    def miss(self, keys):
        get = self.db.get
        for key in keys:
            get(key)

    def contains(self, keys):
        db = self.db
        for key in keys:
            key in db  # noqa: B015

    def delete(self, keys):
        db = self.db
        for key in keys:
            del db[key]

    def items(self):
        return self.db.items()

    def settle(self):
        pass

    def close(self):
        pass


class Calls(Mapping):
    """A store with a function for each verb: the store sets write, read and erase when it opens."""

    def put(self, pairs):
        write = self.write
        for key, value in pairs:
            write(key, value)

    def get(self, keys):
        read = self.read
        for key in keys:
            read(key)

    miss = get

    def contains(self, keys):
        read = self.read
        for key in keys:
            read(key) is not None  # noqa: B015

    def delete(self, keys):
        erase = self.erase
        for key in keys:
            erase(key)


class Lsmkv(Mapping):
    module = "lsmkv"
    options = 'default options (durability "interval")'

    asked = {}

    def __init__(self, folder):
        import lsmkv

        self.db = lsmkv.open(folder, **self.asked)
        self.version = f"{lsmkv.__version__} ({lsmkv.features()['build_stamp']})"

    def update(self, chunks):
        update = self.db.update
        for chunk in chunks:
            update(chunk)

    def get_many(self, chunks):
        get_many = self.db.get_many
        for chunk in chunks:
            get_many(chunk)

    def range(self, first, stop, count):
        return list(self.db[first:stop].items())

    def settle(self):
        self.db.flush()
        self.db.compact()

    def close(self):
        self.db.close()


class LsmkvPacked(Lsmkv):
    options = 'compression="lz4"'
    asked = {"compression": "lz4"}


class Plyvel(Calls):
    module = "plyvel"
    options = "write buffer 32 MiB, cache 512 MiB, bloom filter 10 bits, log not synced"

    def __init__(self, folder):
        import plyvel

        self.db = plyvel.DB(
            str(folder), create_if_missing=True, write_buffer_size=32 << 20, lru_cache_size=CACHE, bloom_filter_bits=10
        )
        self.write, self.read, self.erase = self.db.put, self.db.get, self.db.delete

    def update(self, chunks):
        for chunk in chunks:
            with self.db.write_batch() as batch:
                put = batch.put
                for key, value in chunk:
                    put(key, value)

    def items(self):
        return self.db.iterator()

    def range(self, first, stop, count):
        return list(self.db.iterator(start=first, stop=stop))

    def settle(self):
        self.db.compact_range()

    def close(self):
        self.db.close()


class LmdbEndless(Calls):
    """Everything in one write transaction, which is not there for anybody else, or after a crash, until it ends."""

    module = "lmdb"
    options = "writemap, sync off, one endless write transaction"

    def __init__(self, folder):
        import lmdb

        self.env = lmdb.open(str(folder), map_size=64 << 30, writemap=True, map_async=True, sync=False, metasync=False)
        self.version = f"{lmdb.__version__} (LMDB {'.'.join(map(str, lmdb.version()))})"
        self.begin(write=True)

    def begin(self, write):
        self.txn = self.env.begin(write=write)
        self.read = self.txn.get
        if write:
            self.write, self.erase = self.txn.put, self.txn.delete

    def update(self, chunks):
        for chunk in chunks:
            with self.txn.cursor() as cursor:
                cursor.putmulti(chunk)

    def get_many(self, chunks):
        with self.txn.cursor() as cursor:
            for chunk in chunks:
                cursor.getmulti(chunk)

    def items(self):
        return self.txn.cursor()

    def range(self, first, stop, count):
        with self.txn.cursor() as cursor:
            cursor.set_range(first)
            return list(islice(cursor, count))

    def close(self):
        self.txn.commit()
        self.env.close()


class LmdbThousand(LmdbEndless):
    """A write transaction for every thousand records; reads in one read transaction."""

    options = "writemap, sync off, a write transaction per 1000"

    def begin(self, write):
        super().begin(write=False)

    def put(self, pairs):
        self.txn.abort()
        pairs = iter(pairs)
        while chunk := list(islice(pairs, 1000)):
            with self.env.begin(write=True) as txn:
                put = txn.put
                for key, value in chunk:
                    put(key, value)
        self.begin(write=False)

    def update(self, chunks):
        self.txn.abort()
        for chunk in chunks:
            with self.env.begin(write=True) as txn, txn.cursor() as cursor:
                cursor.putmulti(chunk)
        self.begin(write=False)

    def delete(self, keys):
        self.txn.abort()
        keys = iter(keys)
        while chunk := list(islice(keys, 1000)):
            with self.env.begin(write=True) as txn:
                delete = txn.delete
                for key in chunk:
                    delete(key)
        self.begin(write=False)


class Rocksdict(Mapping):
    module = "rocksdict"
    options = "raw mode, WAL on and not synced, cache 512 MiB, bloom filter 10 bits"

    def __init__(self, folder):
        import rocksdict

        tables = rocksdict.BlockBasedOptions()
        tables.set_block_cache(rocksdict.Cache(CACHE))
        tables.set_bloom_filter(10, False)
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(tables)
        self.db = rocksdict.Rdict(str(folder), options)

    def update(self, chunks):
        import rocksdict

        for chunk in chunks:
            batch = rocksdict.WriteBatch(raw_mode=True)
            put = batch.put
            for key, value in chunk:
                put(key, value)
            self.db.write(batch)

    def get_many(self, chunks):
        db = self.db
        for chunk in chunks:
            db[chunk]

    def range(self, first, stop, count):
        return list(islice(self.db.items(from_key=first), count))

    def settle(self):
        self.db.flush()
        self.db.compact_range(None, None)

    def close(self):
        self.db.close()


class Tkrzw(Calls):
    module = "tkrzw"
    options = "TreeDBM, default options"

    def __init__(self, folder):
        import tkrzw

        self.db = tkrzw.DBM()
        folder.mkdir()
        self.db.Open(str(folder / "store.tkt"), True).OrDie()
        self.write, self.read, self.erase = self.db.Set, self.db.Get, self.db.Remove

    def update(self, chunks):
        for chunk in chunks:
            for key, value in chunk:
                self.db.Set(key, value)

    def items(self):
        return iter(self.db)

    def range(self, first, stop, count):
        cursor, found = self.db.MakeIterator(), []
        cursor.Jump(first)
        while len(found) < count:
            found.append(cursor.Get())
            cursor.Next()
        return found

    def close(self):
        self.db.Close()


class Sqlite(Calls):
    module = "sqlite3"
    options = "WITHOUT ROWID, journal off, synchronous off, one endless transaction, cache 512 MiB"

    def __init__(self, folder):
        import sqlite3

        folder.mkdir()
        self.db = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
        self.version = sqlite3.sqlite_version
        run = self.db.execute
        for pragma in ("journal_mode=off", "synchronous=off", f"cache_size=-{CACHE >> 10}"):
            run(f"PRAGMA {pragma}")
        run("CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID")
        run("BEGIN")
        self.write = lambda key, value: run("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))
        self.read = lambda key: run("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
        self.erase = lambda key: run("DELETE FROM kv WHERE k = ?", (key,))

    def update(self, chunks):
        for chunk in chunks:
            self.db.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", chunk)

    def items(self):
        return self.db.execute("SELECT k, v FROM kv ORDER BY k")

    def range(self, first, stop, count):
        return self.db.execute("SELECT k, v FROM kv WHERE k >= ? AND k < ? ORDER BY k", (first, stop)).fetchall()

    def close(self):
        self.db.execute("COMMIT")
        self.db.close()


class Dict(Mapping):
    """What it costs to keep nothing: memory only, no order, references instead of copies."""

    module = "builtins"
    options = "memory, not ordered, keeps references"
    range = None

    def __init__(self, folder):
        self.db = {}

    def update(self, chunks):
        for chunk in chunks:
            self.db.update(chunk)


STORES = {
    "lsmkv": Lsmkv,
    "lsmkv lz4": LsmkvPacked,
    "plyvel": Plyvel,
    "lmdb endless": LmdbEndless,
    "lmdb 1000": LmdbThousand,
    "rocksdict": Rocksdict,
    "tkrzw tree": Tkrzw,
    "sqlite3": Sqlite,
    "dict": Dict,
}


def why_not(name):
    """Why this store cannot be measured here; "" when it can."""
    try:
        importlib.import_module(STORES[name].module)
    except ImportError as reason:
        return f"{name}: {reason}"
    return ""


def version(store):
    given = getattr(store, "version", None)
    if given is None and store.module != "builtins":
        given = importlib.metadata.version(store.module)
    return given or ""
