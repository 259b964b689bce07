"""How long `db[key] = value` takes while the store is busy: python benchmarks/put_latency.py [--records N]
[--path FOLDER].

N records are loaded and flushed, then N others are put one by one in random order into the same store, each of them
timed, with the compactor at work: the program `load_latency` in benchmarks/c from Python. Then: what the engine says
its writer waited for. "own" leaves out the time for which Linux kept this thread from a core (schedstat), which beside
other programs is most of the slowest puts; it is read after each put over 0.5 ms, and every thousand puts."""

import argparse
import os
import random
import sys
import tempfile
import time
from array import array

import lsmkv

SLOW, LOOK = 500_000, 1000
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999, "max": 1}


def waited_for_core():
    try:
        with open("/proc/thread-self/schedstat") as opened:
            return int(opened.read().split()[1])
    except OSError:  # another system
        return 0


def load(db, records, key):
    """Nanoseconds of each put, as measured and without the waits for a core."""
    each, own, value, now = array("Q"), array("Q"), b"." * 100, time.perf_counter_ns
    waited = waited_for_core()
    for i in range(records):
        name = key()
        before = now()
        db[name] = value
        took = now() - before
        each.append(took)
        if took > SLOW or i % LOOK == 0:
            since = waited_for_core()
            took, waited = max(took - (since - waited), 0), since
        own.append(took)
    return each, own


def show(name, figures):
    ordered = sorted(figures)
    row = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] / 1e3 for share in SHARES.values())
    print(f"{name:10}" + "".join(f"{figure:12.1f}" for figure in row) + f"{sum(f > 5e6 for f in ordered):12}")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--records", type=int, default=1_000_000, help="default: %(default)s")
    words.add_argument("--path", default=None, help="where the store goes (default: the folder for temporary files)")
    asked = words.parse_args()
    random.seed(7)

    def key():
        return random.randbytes(16)

    with tempfile.TemporaryDirectory(dir=asked.path) as folder, lsmkv.open(f"{folder}/store.db") as db:
        db.update((key(), bytes(100)) for _ in range(asked.records))
        db.flush()
        before = db.stats()
        began = time.perf_counter()
        each, own = load(db, asked.records, key)
        took, stats = time.perf_counter() - began, db.stats()
        print(f"{asked.records} records in {took:.1f} s, {before['runs']} runs before; microseconds")
        print(f"Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{'':10}" + "".join(f"{name:>12}" for name in SHARES) + f"{'> 5 ms':>12}")
        show("put", each)
        show("own", own)
        print(f"{'waits':10}{'count':>12}{'ms':>12}{'longest':>12}")
        for name in before:
            if name.startswith("stall_") and not name.endswith("_ns") and name != "stall_ns":
                milliseconds = (stats[f"{name}_ns"] - before[f"{name}_ns"]) / 1e6
                longest = stats[f"{name}_longest_ns"] / 1e6
                print(f"{name[6:]:10}{stats[name] - before[name]:12}{milliseconds:12.1f}{longest:12.1f}")


if __name__ == "__main__":
    main()
