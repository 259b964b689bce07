"""What each store writes and keeps for what it is given: benchmarks/amplification.py [--records N] [--value-bytes N]

The same history for every store, each in a process of its own and in the words of stores.py:

    load       N records of 16 + 100 bytes (or of larger values), keys in random order
    overwrite  N puts to keys drawn at random
    delete     every second key
    empty      all the others

After each part the store is left to itself until nothing changes any more: no merge is asked for, what is told is what
it does on its own. Written are the bytes the process caused to be written to the disk (/proc/self/io: pages that were
made dirty count, also those of a mapping), kept is what the directory takes there, memory is what /proc says of the
process, less what the data of the benchmark itself takes.

    write amplification   bytes written since the part before settled / bytes of keys and values put in this part
    space                 bytes kept / bytes of the keys and values that are live

The folder must be on a disk: a file system in memory writes nothing.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import stores
from workloads import Data, directory_bytes, files, written_bytes

PEERS = "lsmkv,plyvel,rocksdict,lmdb 1000"
STILL = 4  # seconds without a change that count as settled
PATIENCE = 600


def memory():
    """Resident bytes of the process, {"RssAnon": ..., "RssFile": ...}."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssFile"))}


def settle(folder):
    """Seconds until the directory and what was written have stayed the same for a while."""
    began = since = time.monotonic()
    before = None
    while time.monotonic() - since < STILL and time.monotonic() - began < PATIENCE:
        time.sleep(0.5)
        now = (files(folder), written_bytes() >> 20)
        if now != before:
            before, since = now, time.monotonic()
    return time.monotonic() - began - STILL


def history(data, seed):
    """(part, what to do with the store, bytes it puts, bytes that are live afterwards)."""
    record = len(data.keys[0]) + len(data.values[0])
    n = len(data.keys)
    drawn = random.Random(seed).choices(data.keys, k=n)
    yield "load", lambda store: store.put(data.pairs(data.keys)), n * record, n * record
    yield "overwrite", lambda store: store.put(data.pairs(drawn)), n * record, n * record
    yield "delete", lambda store: store.delete(data.keys[::2]), 0, n // 2 * record
    yield "empty", lambda store: store.delete(data.keys[1::2]), 0, 0


def child(name, folder, asked):
    data = Data(asked.records, asked.value_bytes, asked.seed)
    own = memory()["RssAnon"]
    store = stores.STORES[name](folder)
    print(json.dumps({"version": stores.version(store), "options": store.options}), flush=True)
    before = written_bytes()
    for part, work, put, live in history(data, asked.seed):
        began = time.monotonic()
        work(store)
        took = time.monotonic() - began
        busy = memory()["RssAnon"] - own
        settled = settle(folder)
        written, held = written_bytes() - before, memory()
        before += written
        figures = {"part": part, "took": took, "settled": settled, "put": put, "live": live, "written": written}
        figures |= {"kept": directory_bytes(folder), "anonymous": max(busy, held["RssAnon"] - own)}
        figures |= {"files": held["RssFile"]}
        print(json.dumps(figures), flush=True)
    store.close()


def ratio(part, whole):
    return f"{part / whole:.2f}" if whole else ""


def line(name, figures):
    mib = 1 << 20
    return (
        f"{name:14}{figures['part']:11}{figures['took']:8.1f}{figures['settled']:9.1f}"
        f"{figures['written'] / mib:12.1f}{ratio(figures['written'], figures['put']):>8}"
        f"{figures['kept'] / mib:11.1f}{ratio(figures['kept'], figures['live']):>8}"
        f"{figures['anonymous'] / mib:11.1f}{figures['files'] / mib:9.1f}"
    )


def run(name, folder, asked):
    command = [sys.executable, __file__, "--child", name, "--folder", folder, "--records", str(asked.records)]
    command += ["--seed", str(asked.seed), "--value-bytes", str(asked.value_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for said in process.stdout:
            figures = json.loads(said)
            if "version" in figures:
                print(f"{name:14}{figures['version']}: {figures['options']}", flush=True)
            else:
                print(line(name, figures), flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    if process.returncode:
        print(f"{name:14}ended with status {process.returncode}", flush=True)


def main(asked):
    print(f"{asked.records} records of 16 + {asked.value_bytes} bytes, half of a value is noise, seed {asked.seed}")
    heads = ("took s", "settled", "written MiB", "/ put", "kept MiB", "/ live", "anon MiB", "files")
    widths = (8, 9, 12, 8, 11, 8, 11, 9)
    print(f"{'store':14}{'part':11}" + "".join(f"{head:>{w}}" for head, w in zip(heads, widths, strict=True)))
    for name in asked.stores.split(","):
        if stores.why_not(name):
            print(stores.why_not(name))
        else:
            with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
                run(name, f"{folder}/store", asked)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stores", default=PEERS, help=f"names from stores.py, default {PEERS}")
    parser.add_argument("--folder", help="a directory on a disk; default: the temporary one")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, Path(asked.folder), asked)
    else:
        main(asked)
