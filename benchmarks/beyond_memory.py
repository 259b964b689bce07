"""Data four times as large as the memory allowed: python benchmarks/beyond_memory.py [--memory MIB] [--gets N]

One store of 16 + 100 byte records in random order, settled, is read by processes that may not keep it:

    read      table_source="read" with memory_bytes = MEMORY, three eighths of which are its cache
    mapped    mapped tables, in a control group whose memory is limited to MEMORY

Reads of the device are what /proc/self/io tells (read_bytes); of the read source also what the engine reads from its
files, which the system may still have. Each process first makes its gets once, so that what answers them is where it
belongs, then counts. Before a scan the system is told to drop the pages of the store's files, and the same files are
then read in order, 1 MiB at a time, in the same way: the device's own rate in that process. Both take turns, after
one reading of the device that is not counted, because the system has to find memory for it first. What a thread waited
for a core is left out of the seconds of both (/proc/thread-self/schedstat): others may use the machine. Numbers of
operations belong to the store, seconds to the machine.
"""

import argparse
import collections
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import lsmkv

MIB, PAGE = 1 << 20, 4096
VALUE = bytes(50) + random.Random(1).randbytes(50)
TIMES = 4
TURNS = 5
GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")  # version 1, version 2


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    x = (x ^ x >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return x ^ x >> 31


def key_of(number):
    """Another key for each number, in random order; those of negative numbers are in no store."""
    high = mix(number + (1 << 40))
    return struct.pack(">QQ", high, mix(high))


def proc(file, name):
    for line in Path(f"/proc/self/{file}").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def clock():
    """Seconds that pass for this thread while it has a core or waits for something else than a core."""
    return time.perf_counter() - int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


def resident():
    return {"anonymous": proc("status", "RssAnon") / 1024, "of files": proc("status", "RssFile") / 1024}


@contextmanager
def limited(limit):
    """The procs file of a control group with so much memory; None when there is no leave to make one."""
    for root in GROUPS:
        group, name = root / f"lsmkv_{os.getpid()}", "memory.limit_in_bytes" if root.name == "memory" else "memory.max"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / name).write_text(str(limit))
            yield group / "cgroup.procs"
        except OSError:
            yield None
        finally:
            group.rmdir()
        return
    yield None


# ---- in the process that reads -------------------------------------------------------------------


class Counted:
    """with Counted(db) as it: ...; it.device and it.engine are reads of 4 KiB, it.seconds is time."""

    def __init__(self, db):
        self.db = db

    def now(self):
        return proc("io", "read_bytes"), self.db.stats()["read_bytes"], clock()

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        device, engine, self.seconds = (b - a for a, b in zip(self.before, self.now(), strict=True))
        self.device, self.engine = device / PAGE, engine / PAGE


def forget(folder):
    os.sync()
    for file in folder.iterdir():
        with open(file, "rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_in_order(folder):
    """MB a second of the tables, cold."""
    forget(folder)
    total, began = 0, clock()
    for file in folder.glob("*.tbl"):
        with open(file, "rb", buffering=0) as opened:
            while piece := opened.read(MIB):
                total += len(piece)
    return total / 1e6 / (clock() - began)


def look_up(db, numbers, expected):
    with Counted(db) as it:
        for number in numbers:
            assert (db.get(key_of(number)) is not None) == expected
    return {
        "device": it.device / len(numbers),
        "engine": it.engine / len(numbers),
        "us": it.seconds / len(numbers) * 1e6,
    }


def scan(db, folder):
    forget(folder)
    processor = time.thread_time()
    with Counted(db) as it:
        collections.deque(db.items(), maxlen=0)
    processor = time.thread_time() - processor
    return {"MB/s": db.stats()["table_bytes"] / 1e6 / it.seconds, "processor": processor / it.seconds}


def child(folder, options, records, gets):
    rng = random.Random(3)
    forget(folder)
    figures = {}
    with lsmkv.open(folder, **options) as db:
        everywhere = [rng.randrange(records) for _ in range(gets)]
        absent = [-1 - rng.randrange(records) for _ in range(gets)]
        hot = [rng.randrange(records) for _ in range(gets // 20)]
        look_up(db, everywhere, True), look_up(db, absent, False)
        rng.shuffle(everywhere)
        figures["hit"] = look_up(db, [rng.randrange(records) for _ in range(gets)], True)
        figures["miss"] = look_up(db, [-1 - rng.randrange(records) for _ in range(gets)], False)
        for _ in range(4):
            look_up(db, hot, True)
        figures["hot"] = look_up(db, hot, True)
        db.update((key_of(records + i), VALUE) for i in range(records // 20))
        db.flush()
        figures["hot, after a flush"] = look_up(db, hot, True)
        read_in_order(folder)  # whose memory the system has to find first
        figures["scan"] = [measured for _ in range(TURNS) for measured in (scan(db, folder), read_in_order(folder))]
        figures["resident"] = resident()
        figures["told"] = {k: db.stats()[f"resident_{k}_bytes"] / MIB for k in ("anonymous", "file")}
    print(json.dumps(figures))


# ---- in the process that asks --------------------------------------------------------------------


def load(folder, wanted):
    """A settled store whose tables take `wanted` bytes; how many records that are."""
    records = wanted // 131
    with lsmkv.open(folder, durability="os") as db:
        db.update((key_of(i), VALUE) for i in range(records))
        db.compact()
        size = db.stats()["table_bytes"]
    print(f"{records} records, {size / MIB:.0f} MiB of tables, settled")
    return records


def run(name, folder, options, asked, records, group):
    copy = folder.with_name(name)
    shutil.copytree(folder, copy)
    command = [sys.executable, __file__, "--child", json.dumps(options), "--folder", str(copy)]
    command += ["--records", str(records), "--gets", str(asked.gets)]
    enter = (lambda: group.write_text(str(os.getpid()))) if group else None
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, preexec_fn=enter)
    shutil.rmtree(copy)
    if done.returncode:
        print(f"{name}: ended with status {done.returncode}")
        return
    show(name, json.loads(done.stdout))


def show(name, figures):
    print(name)
    for what in ("hit", "miss", "hot", "hot, after a flush"):
        its = figures[what]
        reads = f"{its['device']:6.3f} reads of the device, {its['engine']:6.3f} of the engine"
        print(f"  get, {what:20}{reads} a get, {its['us']:7.1f} us")
    turns = list(zip(figures["scan"][::2], figures["scan"][1::2], strict=True))
    for turn, (its, device) in enumerate(turns, 1):
        rate, busy = its["MB/s"], 100 * its["processor"]
        print(f"  full scan {turn}: {rate:6.0f} MB/s ({busy:.0f} % of its time at work), ", end="")
        print(f"the device in order {device:6.0f}: {100 * rate / device:4.0f} %")
    print(
        f"  scans: {100 * statistics.median(its['MB/s'] / device for its, device in turns):.0f} % of the device, median"
    )
    for what in ("resident", "told"):
        print(f"  {what}: " + ", ".join(f"{value:.1f} MiB {key}" for key, value in figures[what].items()))


def main(asked):
    limit = asked.memory * MIB
    print(f"{asked.memory} MiB of memory, data of {TIMES * asked.memory} MiB, {asked.gets} gets")
    with tempfile.TemporaryDirectory(dir=asked.folder) as room:
        folder = Path(room) / "store"
        records = load(folder, TIMES * limit)
        run("read", folder, {"table_source": "read", "memory_bytes": limit}, asked, records, None)
        with limited(limit) as group:
            if group:
                run("mapped", folder, {"table_source": "mapped", "memory_bytes": limit // 8}, asked, records, group)
            else:
                print("mapped: skipped, no leave to make a control group")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", type=int, default=64, help="MiB allowed, default 64")
    parser.add_argument("--gets", type=int, default=20_000)
    parser.add_argument("--folder", help="a directory on a disk; default: the temporary one")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--records", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(Path(asked.folder), json.loads(asked.child), asked.records, asked.gets)
    else:
        main(asked)
