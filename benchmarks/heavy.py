"""Ten million random puts, a SIGKILL in the middle, and every record counted: python benchmarks/heavy.py [--records N]

    1. A child process loads records and acknowledges every thousandth through a pipe. At 60 % it is killed.
    2. A new process opens the store, reads every acknowledged key, and walks the store forward and in reverse.
    3. A third process loads the rest and closes; a fourth checks everything again.

Key number i is a permutation of i, so nobody keeps a list of keys: a walk turns each key back into its number. What a
walk finds must be in strict order, each key must be one that was written, with its own value, and the count must be
the count that was written. Then it is exactly the first so many records: nothing lost, nothing torn, nothing doubled.

Anonymous memory of the children is sampled from /proc and held against the bound in docs/architecture.md#memory.
The exit code is 1 when a record is lost or wrong, or the bound is passed.
"""

import argparse
import json
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEP = 1000  # puts for each acknowledgement
BOUND = 128  # MiB, README.md and docs/architecture.md#memory
WORD = (1 << 64) - 1
# An odd factor and its inverse modulo 2**64.
FACTOR = 0x9E3779B97F4A7C15
BACK = pow(FACTOR, -1, 1 << 64)
TWO, ONE = struct.Struct(">QQ"), struct.Struct(">Q")


def key_of(number):
    high = (number + 1) * FACTOR & WORD
    high ^= high >> 32
    high = high * FACTOR & WORD
    high ^= high >> 32
    return TWO.pack(high, high * BACK & WORD ^ number)


def number_of(key):
    """The number whose key this is; it is for the caller to see that key_of agrees."""
    high = ONE.unpack_from(key)[0]
    high ^= high >> 32
    high = high * BACK & WORD
    high ^= high >> 32
    return (high * BACK & WORD) - 1


def value_of(key):
    """A hundred bytes that only this key has."""
    return (key * 7)[:100]


# ---- what the children do ---------------------------------------------------------------------


def tell(**facts):
    print(json.dumps(facts), flush=True)


def load(folder, first, stop):
    """Puts records first to stop; a line for every STEP that put() has returned from."""
    import lsmkv

    out = sys.stdout.fileno()
    db = lsmkv.open(folder)
    began = time.perf_counter()
    for at in range(first, stop, STEP):
        for number in range(at, min(at + STEP, stop)):
            key = key_of(number)
            db[key] = value_of(key)
        os.write(out, b'{"acknowledged": %d}\n' % min(at + STEP, stop))
    loaded = time.perf_counter()
    stats = db.stats()
    db.close()
    closed = time.perf_counter()
    names = ("log_bytes", "flush_bytes", "merge_bytes", "user_bytes", "stalls", "stall_ns", "runs", "tables")
    tell(load=loaded - began, close=closed - loaded, stats={name: stats[name] for name in names})


def check(folder, least, most):
    """Opens the store, reads the first `least` keys, then walks it both ways. It may hold up to `most` records."""
    import lsmkv

    began = time.perf_counter()
    db = lsmkv.open(folder)
    opened = time.perf_counter()
    lost = 0
    for number in range(least):
        key = key_of(number)
        lost += db.get(key) != value_of(key)
    read = time.perf_counter()
    forward = walk(db.items(), most, backward=False)
    walked = time.perf_counter()
    reverse = walk(reversed(db.items()), most, backward=True)
    ended = time.perf_counter()
    stats = db.stats()
    db.close()
    tell(
        lost=lost,
        forward=forward,
        reverse=reverse,
        seconds={"open": opened - began, "gets": read - opened, "forward": walked - read, "reverse": ended - walked},
        recovered=stats["recovered_records"],
        clean=bool(stats["clean_open"]),
        levels={name: stats[name] for name in ("runs", "tables", "sealed_segments", "memtable_keys")},
    )


def walk(pairs, most, backward):
    """What is wrong in the order, the keys and the values; how many there are, and the largest number among them."""
    count = disorder = strange = wrong = highest = 0
    before = None
    for key, value in pairs:
        if before is not None and (key >= before if backward else key <= before):
            disorder += 1
        before = key
        number = number_of(key)
        if not 0 <= number < most or key_of(number) != key:
            strange += 1
        elif number > highest:
            highest = number
        if value != value_of(key):
            wrong += 1
        count += 1
    return {"count": count, "disorder": disorder, "strange": strange, "wrong": wrong, "highest": highest}


# ---- the parent -------------------------------------------------------------------------------


class Child:
    """One part of this file in a process of its own, its memory watched."""

    def __init__(self, part, folder, *numbers):
        command = [sys.executable, __file__, "--child", part, str(folder), *map(str, numbers)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.acknowledged, self.told, self.rest = 0, {}, b""
        self.peak = self.baseline = 0
        self.take()  # it says that it has imported what it needs
        self.baseline = self.peak = self.anonymous()
        self.process.stdin.write(b"go\n")

    def anonymous(self):
        try:
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    return int(line.split()[1]) / 1024
        except OSError:
            pass
        return 0

    def take(self):
        """What it said since; False when it has ended."""
        said = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self.rest = (self.rest + said).split(b"\n")
        for line in lines:
            facts = json.loads(line)
            self.acknowledged = facts.pop("acknowledged", self.acknowledged)
            self.told |= facts
        return bool(said)

    def watch(self, until=None):
        """Follows it to its end, or kills it once so much is acknowledged. What it had said by then counts."""
        due = 0.0
        while True:
            ready, _, _ = select.select([self.process.stdout], [], [], 0.01)
            if time.monotonic() >= due:
                self.peak = max(self.peak, self.anonymous())
                due = time.monotonic() + 0.01
            if ready and not self.take():
                break
            if until is not None and self.acknowledged >= until:
                self.process.send_signal(signal.SIGKILL)
                until = None
        self.process.wait()
        return self

    def memory(self):
        return {"baseline": self.baseline, "added": self.peak - self.baseline}


def faults(child, least, most):
    """What is wrong with what a check found; [] when nothing is."""
    if child.process.returncode != 0:
        return [f"the check ended with {child.process.returncode}"]
    told, found = child.told, []
    if told["lost"]:
        found.append(f"{told['lost']:,} acknowledged records are lost or wrong")
    for way in ("forward", "reverse"):
        walked = told[way]
        for what in ("disorder", "strange", "wrong"):
            if walked[what]:
                found.append(f"{way}: {walked[what]:,} records: {what}")
        if not least <= walked["count"] <= most:
            found.append(f"{way}: {walked['count']:,} records, not {least:,} to {most:,}")
        if walked["count"] and walked["highest"] != walked["count"] - 1:
            found.append(f"{way}: {walked['count']:,} records, but the last is number {walked['highest']:,}")
    if told["forward"] != told["reverse"]:
        found.append("forward and reverse differ")
    return found


def size_of(folder):
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir()) / 2**20


class Table:
    def __init__(self):
        self.failed = False

    def row(self, what, said):
        print(f"| {what:<34} | {said:<74} |", flush=True)

    def memory(self, what, child):
        memory = child.memory()
        good = memory["added"] <= BOUND
        self.failed |= not good
        words = f"{memory['added']:.1f} MiB of {BOUND}, beside {memory['baseline']:.1f} MiB of the interpreter"
        self.row(f"anonymous memory, {what}", words + ("" if good else "  TOO MUCH"))

    def verdict(self, what, found, good):
        self.failed |= bool(found)
        self.row(what, "; ".join(found) or good)

    def checked(self, what, child, least, most):
        self.verdict(what, faults(child, least, most), "every one there, in order, with its own value")
        if child.process.returncode == 0:
            times, told = child.told["seconds"], child.told
            count = told["forward"]["count"]
            self.row("  records found", f"{count:,}; acknowledged {least:,}; replayed at open {told['recovered']:,}")
            self.row(
                "  seconds",
                f"open {times['open']:.2f}, {least:,} gets {times['gets']:.1f}, forward {times['forward']:.1f}, "
                f"reverse {times['reverse']:.1f}",
            )
        self.memory("checking", child)


def main(records, folder):
    table, store = Table(), folder / "store"
    print(f"{records:,} puts of 16 + 100 bytes in random order, default options\n")
    table.row("", "")
    print(f"|{'-' * 36}|{'-' * 76}|")
    began = time.perf_counter()
    child = Child("load", store, 0, records).watch(until=records * 6 // 10)
    took = time.perf_counter() - began
    kept = child.acknowledged
    killed = child.process.returncode == -signal.SIGKILL
    early = [] if killed else [f"it ended with {child.process.returncode} before it was killed"]
    table.verdict("loaded, and killed by SIGKILL", early, f"{kept:,} acknowledged in {took:.1f} s")
    table.row("  directory", f"{size_of(store):,.0f} MiB")
    table.memory("loading", child)
    second = Child("check", store, kept, records).watch()
    table.checked("read back after the kill", second, kept, min(records, kept + STEP))
    if "forward" not in second.told:
        return 1
    third = Child("load", store, second.told["forward"]["count"], records).watch()
    status = third.process.returncode
    table.verdict("the rest loaded", [f"it ended with {status}"] if status else [], "and closed")
    if status == 0:
        told, stats = third.told, third.told["stats"]
        amplification = sum(stats[name] for name in ("log_bytes", "flush_bytes", "merge_bytes")) / stats["user_bytes"]
        table.row(
            "  seconds", f"load {told['load']:.1f}, close {told['close']:.2f}; stalled {stats['stall_ns'] / 1e9:.2f}"
        )
        table.row("  written / payload, this part", f"{amplification:.2f}; {size_of(store):,.0f} MiB on disk")
    table.memory("loading the rest", third)
    fourth = Child("check", store, records, records).watch()
    table.checked("read back at the end", fourth, records, records)
    print("\nFAILED" if table.failed else "\nok: nothing lost")
    return int(table.failed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        import lsmkv  # noqa: F401  the baseline has it

        tell()
        sys.stdin.readline()
        part, path, *numbers = sys.argv[2:]
        {"load": load, "check": check}[part](path, *map(int, numbers))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the store is made and left (default: a temporary one)")
    given = parser.parse_args()
    if given.folder:
        given.folder.mkdir(parents=True, exist_ok=True)
        sys.exit(main(given.records, given.folder))
    with tempfile.TemporaryDirectory(prefix="lsmkv-heavy-") as temporary:
        sys.exit(main(given.records, Path(temporary)))
