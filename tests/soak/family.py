"""A store under everything at once, for as long as one likes: python tests/soak/family.py [--minutes N] [--svg FILE]

Round after round: load, overwrite evenly, overwrite a few hot keys, delete here and there, delete whole ranges, scan,
get, hold snapshots over all of it, close and open again; values of no bytes to megabytes. Every answer is held against
a model (history.py). Each second what can be seen from outside is noted: bytes on the disk, bytes that are live, memory
by /proc, runs, stalls; at the end of a round the store is left to itself until it has nothing more to do, and then its
space must be within --space times the live bytes, and what the log always takes. The last line is the result; the SVG
shows it all over time.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import picture
from history import History, Violation

SLACK = 80 << 20  # the log segment that is written and the next, 32 MiB each whatever the store holds; manifests
ANONYMOUS = 96 << 20  # memory_bytes and what a flush takes beside it; six models of 8 bytes a key, values in flight
STILL, PATIENCE = 2, 300


# ---- what can be seen ----------------------------------------------------------------------------


def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssFile"))}


def files(folder):
    """{name: bytes on the disk}; a file may go while one looks."""
    found = {}
    for file in folder.iterdir():
        try:
            found[file.name] = file.stat().st_blocks * 512
        except FileNotFoundError:
            pass
    return found


def kept(folder):
    return sum(files(folder).values())


class Watch:
    """A row each second, from a thread of its own."""

    def __init__(self, history, folder, own):
        self.history, self.folder, self.own, self.rows = history, folder, own, []
        self.began, self.over = time.monotonic(), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def look(self):
        try:
            stats = self.history.db.stats()
        except Exception:  # between a close and an open
            return
        held = memory()
        self.rows.append(
            {
                "second": time.monotonic() - self.began,
                "kept": kept(self.folder),
                "live": self.history.live,
                "anonymous": max(held["RssAnon"] - self.own, 0),
                "files": held["RssFile"],
                "runs": stats["runs"],
                "segments": stats["sealed_segments"],
                "stalls": stats["stalls"],
                "stalled": stats["stall_ns"],
                "done": self.history.done,
            }
        )

    def run(self):
        while not self.over.wait(1):
            self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()


# ---- what is done --------------------------------------------------------------------------------


def somewhere(history, count):
    return [history.draw.randrange(history.records) for _ in range(count)]


def load(history):
    start = history.draw.randrange(history.records)
    history.put_many([(start + i) % history.records for i in range(500)])


def overwrite(history):
    for number in somewhere(history, 300):
        history.put(number)


def hot(history):
    start = history.draw.randrange(history.records)
    for _ in range(300):
        history.put((start + int(history.draw.expovariate(0.1))) % history.records)


def delete(history):
    for number in somewhere(history, 200):
        history.delete(number)
    history.batch(somewhere(history, 50))


def clear(history):
    start = history.draw.randrange(history.records)
    history.delete_range(start, min(start + history.records // 200, history.records))


def look(history):
    for number in somewhere(history, 200):
        history.get(number)
    for number in somewhere(history, 10):
        history.scan(history.db, history.model, number, 100)


PARTS = {"load": load, "overwrite": overwrite, "hot keys": hot, "delete": delete, "look": look}


def mixed(history, seconds):
    """One of the parts most of the time, and a little of all others."""
    for name, part in PARTS.items():
        until = time.monotonic() + seconds / len(PARTS)
        while time.monotonic() < until:
            part(history)
            look(history)
            if history.draw.random() < 0.02:
                clear(history)
            if history.draw.random() < 0.02:
                history.hold()
            if history.draw.random() < 0.02 or len(history.held) > 4:
                history.let_go()
        yield name


def settle(history, folder):
    """Nothing is held, and nothing is left to do: no job waits, and no file has come or gone for a while."""
    while history.held:
        history.let_go()
    history.db.flush()
    until, since, before = time.monotonic() + PATIENCE, time.monotonic(), None
    while time.monotonic() - since < STILL:
        time.sleep(0.1)
        now = history.db.pending(), files(folder)
        if now != before or now[0]:
            before, since = now, time.monotonic()
        if time.monotonic() > until:
            raise Violation(f"still {history.db.pending()} jobs after {PATIENCE} s")


def bounds(history, folder, asked):
    """What does not hold; nothing when all does."""
    bound, takes = asked.space * history.live + SLACK, kept(folder)
    if takes > bound:
        yield f"{takes >> 20} MiB are kept for {history.live >> 20} MiB that are live: the bound is {bound / 2**20:.0f}"


def soak(asked, folder):
    history, broken = History(folder, asked.records, asked.seed, **asked.options), []
    own = memory()["RssAnon"]
    until, round_number = time.monotonic() + 60 * asked.minutes, 0
    with Watch(history, folder, own) as watch:
        while time.monotonic() < until:
            round_number += 1
            for _ in mixed(history, min(asked.round, max(until - time.monotonic(), 5))):
                pass
            settle(history, folder)
            broken += bounds(history, folder, asked)
            history.whole()
            history.reopen()
            watch.look()
            print(
                f"round {round_number}: {history.done:,} writes, {history.checked:,} answers checked, "
                f"{history.live >> 20} MiB live, {kept(folder) >> 20} MiB kept, {history.db.stats()['runs']} runs",
                flush=True,
            )
        history.db.verify()
    history.db.close()
    most = max(row["anonymous"] for row in watch.rows)
    if most > ANONYMOUS:
        broken.append(f"{most >> 20} MiB of anonymous memory: the bound is {ANONYMOUS >> 20}")
    return history, watch.rows, broken


def main(asked):
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        try:
            history, rows, broken = soak(asked, Path(folder) / "store")
        except Violation as found:
            print(found)
            print("soak: 0 cases, 1 violations")
            return 1
    for line in broken:
        print(line)
    if asked.rows:
        Path(asked.rows).write_text("".join(json.dumps(row) + "\n" for row in rows))
    if asked.svg:
        Path(asked.svg).write_text(picture.draw(rows, asked.space))
    print(f"soak: {history.checked} cases, {len(broken)} violations")
    return bool(broken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--round", type=float, default=60, help="seconds of a round before it settles")
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--space", type=float, default=1.3, help="bytes kept for each live one when settled")
    parser.add_argument("--options", type=json.loads, default={"large_value_bytes": 4096}, help="of open(), as JSON")
    parser.add_argument("--folder", help="a directory on a disk; default: the temporary one")
    parser.add_argument("--rows", help="a file for the measurements, a JSON object a second")
    parser.add_argument("--svg", help="a file for the picture")
    sys.exit(main(parser.parse_args()))
