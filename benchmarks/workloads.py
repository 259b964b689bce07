"""The named workloads, one store, one round: python workloads.py STORE FOLDER --records N --value-bytes N --seed N

A round has a process of its own, so the bytes it writes and the memory it takes are its own. It prints one JSON
object: nanoseconds per operation by workload, by the clock and of processor time of all threads, and what the store
left behind. Answers are checked outside the timed parts, and a wrong one ends the round with an error.
"""

import argparse
import contextlib
import gc
import json
import random
import threading
import time
from itertools import cycle
from pathlib import Path

import stores

BATCH = 1000  # records in an update
MANY = 100  # keys in a get_many
RANGE = 100  # records in a range
ALONE_SECONDS, BESIDE_SECONDS = 0.3, 2.0


class Data:
    """Keys in the order of the load, the same in another order, keys that are not there, values by turns."""

    def __init__(self, records, value_bytes, seed):
        draw = random.Random(seed)
        self.keys = [draw.randbytes(16) for _ in range(records)]
        self.missing = [draw.randbytes(16) for _ in range(records // 2)]
        self.shuffled = draw.sample(self.keys, records)
        # Half of a value is noise: what a compressor finds in many a real one.
        noise = value_bytes - value_bytes // 2
        self.values = [draw.randbytes(noise) + b"." * (value_bytes - noise) for _ in range(4096)]
        ordered = sorted(self.keys)
        starts = [draw.randrange(records - RANGE) for _ in range(min(10_000, records // 20))]
        self.ranges = [(ordered[at], ordered[at + RANGE]) for at in starts]
        self.first = ordered[0]

    def pairs(self, keys):
        return zip(keys, cycle(self.values), strict=False)

    def value_of(self, place):
        return self.values[place % len(self.values)]


def chunks(sequence, size):
    return [sequence[at : at + size] for at in range(0, len(sequence), size)]


def per_operation(count, work, *given):
    """Nanoseconds by the clock, and of processor time, the threads of the store included."""
    gc.collect()
    busy, began = time.process_time_ns(), time.perf_counter_ns()
    work(*given)
    took, worked = time.perf_counter_ns() - began, time.process_time_ns() - busy
    return took / count, worked / count


def walk(pairs):
    for _ in pairs:
        pass


def take_ranges(store, ranges):
    take = store.range
    for first, stop in ranges:
        take(first, stop, RANGE)


def gets_for(store, keys, seconds):
    """Nanoseconds of one get, from as many as fit into the time."""
    done, place, began = 0, 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        store.get(keys[place : place + 100])
        done += 100
        place = (place + 100) % (len(keys) - 100)
    return took * 1e9 / done


def beside_a_busy_thread(store, keys):
    """A get alone, and while another thread computes in Python and never waits."""
    alone = gets_for(store, keys, ALONE_SECONDS)
    stop = []

    def compute():
        number = 0
        while not stop:
            number = (number * 31 + 7) & 0xFFFF

    thread = threading.Thread(target=compute)
    thread.start()
    beside = gets_for(store, keys, BESIDE_SECONDS)
    stop.append(True)
    thread.join()
    return alone, beside


def anonymous_bytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024


def written_bytes():
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])


def files(folder):
    """{path: bytes on the disk}; a file may go while one looks."""
    found = {}
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file():
                found[file] = file.stat().st_blocks * 512
    return found


def directory_bytes(folder):
    return sum(files(folder).values())


def reads(store, data, when):
    n = len(data.keys)
    yield f"get hit, {when}", per_operation(n, store.get, data.shuffled)
    yield f"get miss, {when}", per_operation(len(data.missing), store.miss, data.missing)
    yield f"`in`, {when}", per_operation(n, store.contains, data.shuffled)
    if hasattr(store, "get_many"):
        yield f"get_many, {when}", per_operation(n, store.get_many, chunks(data.shuffled, MANY))
    yield f"items(), {when}", per_operation(n, lambda: walk(store.items()))
    if store.range:
        yield f"range of {RANGE}, {when}", per_operation(len(data.ranges), take_ranges, store, data.ranges)


def check(store, data):
    """A wrong answer is not fast."""
    n = len(data.keys)
    held = sum(1 for _ in store.items())
    assert held == n, f"{held} records, not {n}"
    if store.range:
        first, stop = data.ranges[0]
        found = store.range(first, stop, RANGE)
        assert len(found) == RANGE and found[0][0] == first
        assert next(iter(store.items()))[0] == data.first
    if isinstance(store, stores.Calls):
        read = store.read
    else:
        read = store.db.get
    for place in range(0, n, max(1, n // 1000)):
        found = read(data.keys[place])
        found = found[0] if isinstance(found, tuple) else found
        assert found == data.value_of(place)
    assert all(read(key) is None for key in data.missing[:1000])


def round_of(name, folder, data):
    """Yields (workload, its two figures)."""
    n, kind = len(data.keys), stores.STORES[name]
    before, io_before = anonymous_bytes(), written_bytes()
    store = kind(folder / "one")
    told = {"version": stores.version(store), "options": store.options}

    yield "put", per_operation(n, store.put, data.pairs(data.keys))
    memory = anonymous_bytes() - before
    yield from reads(store, data, "after the load")
    check(store, data)
    yield "settle", per_operation(n, store.settle)
    yield "items(), settled, first time", per_operation(n, lambda: walk(store.items()))
    yield from reads(store, data, "settled")
    check(store, data)
    payload = n * (len(data.keys[0]) + len(data.values[0]))
    told |= {
        "anonymous MiB after the load": memory / 2**20,
        "written by load and settling / payload": (written_bytes() - io_before) / payload,
        "directory, settled / payload": directory_bytes(folder / "one") / payload,
    }
    alone, beside = beside_a_busy_thread(store, data.shuffled)
    yield "get alone", (alone, None)
    yield "get beside a busy thread", (beside, None)
    yield "overwrite", per_operation(n, store.put, data.pairs(data.shuffled))
    yield "del", per_operation(n // 2, store.delete, data.shuffled[: n // 2])
    assert sum(1 for _ in store.items()) == n - n // 2
    store.close()
    told["directory at the end, MiB"] = directory_bytes(folder / "one") / 2**20
    told["written in all, MiB"] = (written_bytes() - io_before) / 2**20

    store = kind(folder / "two")
    load = chunks(list(data.pairs(data.keys)), BATCH)
    yield f"update of {BATCH}", per_operation(n, store.update, load)
    check(store, data)
    store.close()
    yield "told", told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", choices=stores.STORES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    data = Data(given.records, given.value_bytes, given.seed)
    gc.disable()
    gc.freeze()
    figures = dict(round_of(given.store, given.folder, data))
    print(json.dumps({"told": figures.pop("told"), "figures": figures}))


if __name__ == "__main__":
    main()
