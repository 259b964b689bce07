"""What packing pages costs and saves on five kinds of data: python benchmarks/packing.py [--records N] [--rounds N]

    text      the lines of the standard library's sources; key: file and number of the line
    json      records of a user each
    numbers   16-byte readings of a sensor; key: time and sensor
    packed    bytes that were compressed before
    half      16-byte random keys, 100-byte values of which half is noise

Everything is deterministic. Each kind is loaded once for each choice of compression=, and settled (flush, compact).
Then the stores take turns: gets of random keys that are there, one whole scan. Shown are medians, as multiples of
compression="none" in the same run, and the files' bytes as a share of keys and values. With the module lmdb
installed, its gets of the same keys are in the run as well. Times are processor times of the thread: others may use the
machine meanwhile. The result is a table for docs/compression.md.
"""

import argparse
import json
import os
import random
import statistics
import struct
import tempfile
import time
import zlib
from pathlib import Path

import lsmkv

CHOICES = ("none", "auto", "lz4", "zstd")


def text(count):
    found = []
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        for at, line in enumerate(path.read_bytes().splitlines()):
            if line.strip():
                found.append((b"%s:%06d" % (path.name.encode(), at), line))
    return found[:count]


def records(count):
    draw = random.Random(1)
    for at in range(count):
        fields = {
            "id": at,
            "name": draw.choice(["ann", "bob", "cy", "dee"]) + str(draw.randrange(9999)),
            "email": f"u{draw.randrange(10**7)}@example.org",
            "active": draw.random() < 0.5,
            "score": round(draw.random() * 100, 2),
            "tags": draw.sample(["red", "green", "blue", "new", "old", "vip"], 2),
        }
        yield b"user:%010d" % at, json.dumps(fields).encode()


def numbers(count):
    draw, now = random.Random(2), 1_700_000_000
    for at in range(count):
        now += draw.randrange(1, 5)
        yield struct.pack(">QI", now, at % 50), struct.pack("<dd", 20 + draw.gauss(0, 2), 1013 + draw.gauss(0, 5))


def packed(count):
    draw = random.Random(3)
    for at in range(count):
        yield b"blob:%010d" % at, zlib.compress(draw.randbytes(90) + bytes(10), 9)


def half(count):
    draw = random.Random(4)
    for _ in range(count):
        yield draw.randbytes(16), draw.randbytes(50) + b"." * 50


KINDS = {"text": text, "json": records, "numbers": numbers, "packed": packed, "half": half}


class Ours:
    def __init__(self, folder, pairs, compression):
        self.db = lsmkv.open(Path(folder, compression), compression=compression)
        self.db.update(pairs)
        self.db.flush()
        self.db[pairs[0][0]] = pairs[0][1]  # so that even one run is merged, and "auto" may pack it
        self.db.compact()
        self.bytes = sum(level.bytes for level in self.db.levels if level.kind == "table")
        self.get, self.close = self.db.__getitem__, self.db.close

    def scan(self):
        return sum(1 for _ in self.db.items())


class Lmdb:
    def __init__(self, folder, pairs):
        import lmdb

        self.env = lmdb.open(str(Path(folder, "lmdb")), map_size=1 << 33, sync=False, writemap=True)
        with self.env.begin(write=True) as txn:
            txn.cursor().putmulti(pairs)
        stat = self.env.stat()
        self.bytes = stat["psize"] * (stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"])
        self.txn = self.env.begin()
        self.get = self.txn.get

    def scan(self):
        return sum(1 for _ in self.txn.cursor())

    def close(self):
        self.txn.abort()
        self.env.close()


def timed(act):
    began = time.thread_time_ns()
    act()
    return time.thread_time_ns() - began


def get_all(get, keys):
    for key in keys:
        get(key)


def measure(kind, count, rounds):
    pairs = list(KINDS[kind](count))
    payload = sum(len(key) + len(value) for key, value in pairs)
    keys = [key for key, _ in pairs]
    random.Random(5).shuffle(keys)
    keys = keys[:100_000]
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        choices = [name for name in CHOICES if name in ("none", "auto") or lsmkv.features()[name]]
        stores = {name: Ours(folder, pairs, name) for name in choices}
        try:
            stores["lmdb"] = Lmdb(folder, pairs)
        except ImportError:
            print("lmdb is not installed: left out")
        for store in stores.values():
            get_all(store.get, keys)  # everything verified and cached
        for _ in range(rounds):
            for name, store in stores.items():
                gets, scans, _ = figures.setdefault(name, ([], [], store.bytes / payload))
                gets.append(timed(lambda store=store: get_all(store.get, keys)) / len(keys))
                scans.append(timed(store.scan) / len(pairs))
        for store in stores.values():
            store.close()
    return {
        name: (statistics.median(gets), statistics.median(scans), share)
        for name, (gets, scans, share) in figures.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    args = parser.parse_args()
    print(f"lsmkv {lsmkv.features()['build_stamp']}, codecs {lsmkv.features()['codecs']}")
    print("| data | compression | bytes of payload | get | scan | lmdb's get / get |\n|---|---|---|---|---|---|")
    for kind in args.kinds:
        figures = measure(kind, args.records, args.rounds)
        base, peer = figures["none"], figures.get("lmdb")
        for name, (get, scan, share) in figures.items():
            ahead = f"{peer[0] / get:.2f}" if peer else "-"
            print(
                f"| {kind} | {name} | {share:.2f} | {get / base[0]:.2f} | {scan / base[1]:.2f} | {ahead} |", flush=True
            )


if __name__ == "__main__":
    main()
