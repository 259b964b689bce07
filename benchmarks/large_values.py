"""What large_value_bytes costs and saves: python benchmarks/large_values.py [--megabytes N] [--overwrites N]

A store of values of 4 KiB of noise is filled, overwritten at random, settled (flush, compact), read at random twice
and scanned: once with the values in the tables ("inline"), once in files of their own ("apart"). Space is what the
file system gives to the whole directory, for each byte of keys and values that lives. Rates are by the clock,
processor times those of all threads. Below some hundred megabytes the log, of which up to 32 MiB are reserved at
once, is most of the space. The result is a table as in docs/value-segments.md. Fixed seeds.
"""

import argparse
import os
import random
import tempfile
import time

import lsmkv

VALUE_BYTES = 4096
LOOKS = 12  # at the space, while overwriting


def allocated(path):
    total = 0
    for name in os.listdir(path):
        try:
            total += os.stat(os.path.join(path, name)).st_blocks * 512
        except FileNotFoundError:  # the engine has removed it meanwhile
            continue
    return total


def measure(path, count, overwrites, apart):
    """The figures of one store, by name."""
    keys = [b"%016d" % number for number in range(count)]
    payload, draw, found, seen = count * (16 + VALUE_BYTES), random.Random(1), {}, []

    def timed(name, work, calls):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        found[name] = calls / (time.perf_counter() - wall)
        found[name + ", processor"] = calls / (time.process_time() - processor)

    with lsmkv.open(path, "n", large_value_bytes=VALUE_BYTES if apart else 0) as db:

        def fill():
            for key in keys:
                db[key] = draw.randbytes(VALUE_BYTES)

        def overwrite():
            for number in range(count * overwrites):
                db[draw.choice(keys)] = draw.randbytes(VALUE_BYTES)
                if number % max(count * overwrites // LOOKS, 1) == 0:
                    seen.append(allocated(path) / payload)

        def settle():
            db.flush()
            db.compact()
            time.sleep(1)  # what was replaced is removed in the background

        def get():
            for key in draw.sample(keys, len(keys)):
                db[key]

        def scan():
            for _ in db.items():
                pass

        timed("fill", fill, count)
        timed("overwrite", overwrite, count * overwrites)
        settle()
        found["space"] = allocated(path) / payload
        timed("first get", get, count)  # what it reads is verified
        timed("get again", get, count)
        timed("scan", scan, count)
        found["space while overwriting"] = max(seen)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--overwrites", type=int, default=3, help="times that each value is overwritten, on average")
    parser.add_argument("--folder", help="where the stores go (default: in the directory for temporary files)")
    args = parser.parse_args()
    count = max(args.megabytes * 1_000_000 // (16 + VALUE_BYTES), 1)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        inline = measure(os.path.join(folder, "inline"), count, args.overwrites, apart=False)
        apart = measure(os.path.join(folder, "apart"), count, args.overwrites, apart=True)
    print(f"lsmkv {lsmkv.features()['build_stamp']}, {count} values of {VALUE_BYTES} bytes")
    print("| | inline | apart |\n|---|---|---|")
    for name in ("space while overwriting", "space"):
        print(f"| {name} | {inline[name]:.2f} | {apart[name]:.2f} |")
    for name in ("fill", "overwrite", "first get", "get again", "scan"):
        print(f"| {name}, rate | 1 | {apart[name] / inline[name]:.2f} |")
        name += ", processor"
        print(f"| {name} time | 1 | {inline[name] / apart[name]:.2f} |")


if __name__ == "__main__":
    main()
