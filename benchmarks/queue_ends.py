"""Queues: benchmarks/queue_ends.py [--records N] [--stores NAMES] [--folder FOLDER]

N records of 16 + 100 bytes are put in ascending order, and then the first is looked up and deleted until none is left:
a queue, whose consumed part is full of deleted keys. Told is what one such step takes by the clock, for each quarter of
the way. The stores are those of stores.py, one after the other; one that takes longer than the limit is given up.
"""

import argparse
import tempfile
import time
from pathlib import Path

import stores

PARTS, LIMIT = 4, 120  # seconds


def first_key(store):
    """The first key, the way a user of that store gets it."""
    if isinstance(store, stores.Lsmkv):
        return store.db.first()[0]
    if isinstance(store, stores.Rocksdict):
        return next(iter(store.db.keys()))
    if isinstance(store, stores.Plyvel):
        with store.db.iterator(include_value=False) as keys:
            return next(keys)
    with store.txn.cursor() as cursor:
        cursor.first()
        return cursor.key()


def drain(store, count):
    """Microseconds a step, by part; fewer when it takes too long."""
    began, found = time.perf_counter(), []
    for _ in range(PARTS):
        part = time.perf_counter()
        for _ in range(count // PARTS):
            store.delete([first_key(store)])
            if time.perf_counter() - began > LIMIT:
                return found
        found.append((time.perf_counter() - part) / (count // PARTS) * 1e6)
    return found


def main(asked):
    pairs = [(b"%016d" % number, b"v" * 100) for number in range(asked.records)]
    print(f"{asked.records} records, microseconds for each taken, by quarters of the way")
    for name in asked.stores.split(","):
        if stores.why_not(name):
            print(stores.why_not(name))
            continue
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            store = stores.STORES[name](Path(folder) / "store")
            store.put(pairs)
            found = drain(store, asked.records)
            store.close()
        late = "" if len(found) == PARTS else f"   given up after {LIMIT} s"
        print(f"{name:14}" + "".join(f"{part:10.1f}" for part in found) + late, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--stores", default="lsmkv,plyvel,rocksdict,lmdb endless")
    parser.add_argument("--folder", help="a directory; default: the temporary one")
    main(parser.parse_args())
