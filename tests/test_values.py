"""Values in files of their own: option, reads, what keeps them, and what collects them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

import lsmkv

TINY = {"threads": 0, "segment_bytes": 16384, "table_bytes": 8192, "page_bytes": 256, "l0_segments": 1, "run_count": 2}
SOURCES = ("mapped", "read")


def value(number, size):
    return random.Random(number).randbytes(size)


def value_files(path):
    return sorted(name for name in os.listdir(path) if name.endswith(".val"))


def used(path):
    return sum(os.stat(os.path.join(path, name)).st_blocks * 512 for name in os.listdir(path))


@pytest.mark.parametrize("source", SOURCES)
def test_around_the_threshold(path, source):
    sizes = [0, 1, 62, 63, 64, 65, 127, 4095, 4096, 4097, 70_000]
    wanted = {b"%03d" % size: value(size, size) for size in sizes}
    with lsmkv.open(path, large_value_bytes=64, table_source=source, **TINY) as db:
        db.update(wanted)
        for step in (lambda: None, db.flush, db.compact):
            step()
            assert dict(db.items()) == wanted and list(db.values()) == list(db.get_many(db.keys()))
            assert dict(reversed(db.items())) == wanted
    assert value_files(path)
    with lsmkv.open(path, flag="r") as db:
        assert dict(db) == wanted and db.verify() is None


@pytest.mark.parametrize("durability", ["none", "os", "interval", "always"])
def test_every_durability(path, durability):
    with lsmkv.open(path, durability=durability, large_value_bytes=100, **TINY) as db:
        for number in range(60):
            db[number.to_bytes(2, "big")] = value(number, 50 + number * 20)
        with db.batch() as batch:
            batch[b"batch"] = value(1, 5000)
        with db.transaction() as txn:
            txn[b"txn"] = value(2, 5000)
            assert txn[b"txn"] == value(2, 5000)
    with lsmkv.open(path, large_value_bytes=0) as db:  # it may be something else, or nothing, the next time
        assert [db[number.to_bytes(2, "big")] for number in range(60)] == [value(n, 50 + n * 20) for n in range(60)]
        assert db[b"batch"] == value(1, 5000) and db[b"txn"] == value(2, 5000)
        db[b"inline"] = value(3, 9000)
        db.compact()
        assert db[b"inline"] == value(3, 9000) and db.verify() is None


def test_keys_do_not_read_values(path):
    with lsmkv.open(path, large_value_bytes=100, table_source="read", **TINY) as db:
        db.update((b"%04d" % number, value(number, 1000)) for number in range(200))
        db.flush()
    with lsmkv.open(path, table_source="read", **TINY) as db:
        for name in value_files(path):
            os.truncate(os.path.join(path, name), 64)
        assert list(db) == [b"%04d" % number for number in range(200)] and len(db) == 200
        assert b"0007" in db
        with pytest.raises(lsmkv.CorruptionError) as caught:
            db[b"0007"]
        assert caught.value.file in value_files(path)
        with pytest.raises(lsmkv.CorruptionError):
            list(db.items())


def spoil(file, *places):
    stored = bytearray(file.read_bytes())
    for place in places:
        stored[place] ^= 0x10
    file.write_bytes(stored)


def test_a_damaged_value_is_one_key(path):
    with lsmkv.open(path, large_value_bytes=1000) as db:
        db.update((b"%02d" % number, value(number, 5000)) for number in range(20))
        db.flush()
    (file,) = path.glob("*.val")
    spoil(file, file.read_bytes().index(value(7, 5000)) + 10)
    with lsmkv.open(path, "r") as db:
        for read in (lambda: db[b"07"], lambda: db.get_view(b"07"), lambda: list(db.items()), db.verify):
            with pytest.raises(lsmkv.CorruptionError) as caught:
                read()
            assert caught.value.recoverable is True and "other keys can be read" in str(caught.value)
        assert [error.recoverable for error in caught.value.damage] == [True]
        assert db[b"08"] == value(8, 5000)


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_verify_finds_damaged_values_behind_a_damaged_page(path, compression):
    with lsmkv.open(path, large_value_bytes=1000, compression=compression, page_bytes=4096) as db:
        db.update((b"%04d" % number, value(number, 2000 if number % 10 == 0 else 300)) for number in range(1000))
        db.flush()
        table = next(level for level in db.levels if level.kind == "table")
    (file,) = path.glob("*.val")
    stored = file.read_bytes()
    numbers = [0, 300, 600, 990]
    spoil(file, *(stored.index(value(number, 2000)) + 10 for number in numbers))
    (pages,) = path.glob("*.tbl")
    spoil(pages, *(int(table.stored_bytes * part) for part in (0.2, 0.5, 0.52, 0.8)))
    with pytest.raises(lsmkv.CorruptionError) as caught:
        lsmkv.verify(path)
    found = [error.file for error in caught.value.damage]
    assert found.count(file.name) == len(numbers)
    assert found.count(pages.name) == len(found) - len(numbers) >= 3


@pytest.mark.parametrize("source", SOURCES)
def test_a_view_outlives_collection_and_close(path, source):
    with lsmkv.open(path, large_value_bytes=100, table_source=source, **TINY) as db:
        db[b"kept"] = value(7, 3000)
        db.update((b"%04d" % number, value(number, 1000)) for number in range(50))
        db.flush()
        view = db.get_view(b"kept")
        for turn in range(3):
            db[b"kept"] = value(8 + turn, 3000)
            db.update((b"%04d" % number, value(number + turn, 1000)) for number in range(50))
            db.compact()
        assert bytes(view) == value(7, 3000)
    assert bytes(view) == value(7, 3000)
    del view
    with lsmkv.open(path) as db:
        assert db[b"kept"] == value(10, 3000) and db.verify() is None


def test_a_snapshot_reads_what_was_collected_since(path):
    with lsmkv.open(path, large_value_bytes=100, **TINY) as db:
        wanted = {b"%04d" % number: value(number, 1000) for number in range(50)}
        db.update(wanted)
        with db.snapshot() as snapshot:
            for turn in range(3):
                db.update((key, value(turn, 1000)) for key in wanted)
                db.compact()
            assert dict(snapshot.items()) == wanted
            files = len(value_files(path))
        db.compact()
        assert len(value_files(path)) < files


def test_value_files_that_only_a_reader_keeps_are_pinned_bytes(path):
    with lsmkv.open(path, large_value_bytes=100, durability="os", threads=0) as db:
        db.update((b"%04d" % number, value(number, 5000)) for number in range(400))
        db.compact()
        with db.snapshot():
            assert db.stats()["pinned_bytes"] == 0
            db.clear()
            db.compact()
            assert db.stats()["pinned_bytes"] >= 1_000_000
        db.compact()
        assert db.stats()["pinned_bytes"] == 0
        assert db.stats()["value_files"] <= 1  # the one that is being written


@pytest.mark.parametrize("threads", [0, 2])
def test_overwriting_takes_a_third_more_space_at_most(path, threads):
    """1000 values of 4 KiB, each overwritten about six times; the log and what is being written come on top."""
    options = {"segment_bytes": 1 << 18, "l0_segments": 1, "threads": threads, "durability": "os"}
    chance = random.Random(5)
    live = 1000 * (4096 + 64)
    with lsmkv.open(path, large_value_bytes=1024, **options) as db:
        for turn in range(7):
            for _ in range(1000):
                db[b"%06d" % chance.randrange(1000)] = bytes([turn]) * 4096
        db.flush()
        while db.step():
            pass
        stats = db.stats()
        assert stats["value_file_bytes"] <= 1.3 * stats["value_live_bytes"] + 4 * (1 << 18)
        assert stats["value_live_bytes"] <= 1.25 * live and stats["value_moved_bytes"] > 0
        db.compact()
        assert db.stats()["value_file_bytes"] <= 1.1 * live + 2 * (1 << 18)
        assert db.verify() is None
    assert used(path) <= 1.3 * live


def test_the_counters_say_where_large_values_went(path):
    with lsmkv.open(path, large_value_bytes=1024, durability="os") as db:
        for number in range(100):
            db[b"%d" % number] = value(number, 5000)
        db.flush()
        stats = db.stats()
        assert stats["value_files"] == 1 and stats["value_bytes"] == stats["value_live_bytes"] >= 500_000
        assert stats["log_bytes"] + stats["flush_bytes"] < 50_000


def test_no_more_is_live_than_there_is_also_in_the_middle_of_a_merge(path):
    """What a merge reads and what it has written refer to the same values, as long as both are there."""
    seen = []
    options = {"large_value_bytes": 100, "durability": "os", "threads": 0, "merge_policy": "none"}
    with lsmkv.open(path, page_bytes=256, table_bytes=8192, **options) as db:
        for half in range(2):
            db.update((b"%05d" % number, value(number, 300)) for number in range(half, 3000, 2))
            db.flush()

        def look(*_):
            stats = db.stats()
            garbage = stats["value_file_bytes"] - 64 * stats["value_files"] - stats["value_live_bytes"]
            seen.append((garbage, *(file.bytes - file.value_bytes for file in db.levels if file.kind == "values")))

        db.compact(progress=look)
    assert len(seen) > 3 and min(map(min, seen)) >= 0


def test_what_is_live_in_a_value_file_that_has_lost_its_end(path):
    with lsmkv.open(path, large_value_bytes=100) as db:
        db.update((b"%02d" % number, value(number, 5000)) for number in range(20))
        db.flush()
    (file,) = path.glob("*.val")
    os.truncate(file, 20_000)
    with lsmkv.open(path, "r") as db:
        stats = db.stats()
        assert stats["value_live_bytes"] == 20_000 - 64 == stats["value_file_bytes"] - 64


def test_value_files_are_shown_wherever_a_store_shows_what_it_holds(path):
    with lsmkv.open(path, large_value_bytes=1024, threads=0, durability="os") as db:
        for number in range(100):
            db[b"%d" % number] = value(number, 5000)
        assert db.levels[0].value_bytes == 100 * 5056 and db.levels[-1].kind == "values"
        db.flush()
        db.clear()
        for number in range(40):
            db[b"%d" % number] = value(number, 5000)
        db.flush()
        db.compact()
        files = [level for level in db.levels if level.kind == "values"]
        stats = db.stats()
        assert [f"{file.number:06}.val" for file in files] == value_files(path)
        assert sum(file.bytes for file in files) == stats["value_file_bytes"]
        assert sum(file.value_bytes for file in files) == stats["value_live_bytes"] == 40 * 5056
        assert all(file.records == 0 and file.key_min == b"" for file in files)
        tables = [level for level in db.levels if level.kind == "table"]
        assert sum(table.value_bytes for table in tables) == 40 * 5056
        share = 1 - stats["value_live_bytes"] / stats["value_file_bytes"]
        assert f"{files[0].number:06}.val" in repr(db.levels) and "% garbage" in repr(db.levels)
        said = f"{share:.0%} garbage"
        assert f"Not drawn: {len(files)} value file" in db.levels.svg() and said in db.levels.svg()
        card = db._repr_html_()
        assert said in card and "of it in the bottom run and its values" in card
        held = sum(level.bytes for level in db.levels)
        bottom = sum(table.bytes + table.value_bytes for table in tables)
        assert f"at most {held / bottom:.1f}x" in card
    for command, words in (
        ("levels", "% garbage"),
        ("tables", "values"),
        ("info", said),
        ("stat", "value_live_bytes"),
    ):
        told = subprocess.run(
            [sys.executable, "-m", "lsmkv", command, path], capture_output=True, text=True, timeout=100, check=True
        ).stdout
        assert words in told, command


def verified(path, *options, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", "verify", path, *options], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == status, done
    return done.stdout


def test_verify_says_how_much_of_the_value_files_it_did_not_read(path):
    """An overwritten value that is damaged is no damage; one that is referred to is."""
    with lsmkv.open(path, large_value_bytes=1024, threads=0, durability="os") as db:
        db[b"whole"] = value(1, 5000)
    told = json.loads(verified(path, "--json"))
    assert told["sound"] and told["unread"] == 0 and "not read" not in verified(path)
    with lsmkv.open(path, large_value_bytes=1024, threads=0, durability="os") as db:
        for turn in range(4):
            db[b"key"] = value(turn, 5000)
        db.flush()
    assert json.loads(verified(path, "--json"))["unread"] == 3 * 5056
    assert "not read: 14.8 KiB of value files that nothing refers to" in verified(path)
    file = os.path.join(path, value_files(path)[-1])
    for offset, status in ((64 + 100, 0), (64 + 3 * 5056 + 100, 4)):
        with open(file, "r+b") as opened:
            opened.seek(offset)
            opened.write(b"damage")
        verified(path, status=status)


@pytest.mark.parametrize("wrong", [-1, 1, 15, (1 << 30) + 1, 4096.0, "4 KiB", True])
def test_wrong_thresholds(path, wrong):
    with pytest.raises(lsmkv.OptionsError, match="large_value_bytes"):
        lsmkv.open(path, large_value_bytes=wrong)


GIB = """
import hashlib, sys, threading, time
from pathlib import Path
import lsmkv

def anonymous():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024

class Peak(threading.Thread):
    def __enter__(self):
        self.on, self.before = True, anonymous()
        self.most = self.before
        self.start()
        return self

    def run(self):
        while self.on:
            self.most = max(self.most, anonymous())
            time.sleep(0.002)

    def __exit__(self, *raised):
        self.on = False
        self.join()
        print(self.most - self.before, flush=True)

path, size = sys.argv[1], 1 << 30
given = bytes(range(256)) * (size // 256 - 1) + bytes(256)
wanted = hashlib.sha1(given).digest()
options = {"large_value_bytes": 4096, "durability": "os"}
db = lsmkv.open(path, **options)
with Peak():
    db[b"large"] = given
    db.flush()
    view = db.get_view(b"large")
    assert len(view) == size and hashlib.sha1(view).digest() == wanted
    view.release()
    db.compact()
    db.close()
del given
db = lsmkv.open(path, **options)
with Peak():
    view = db.get_view(b"large")
    assert len(view) == size and hashlib.sha1(view).digest() == wanted
    view.release()
with Peak():
    value = db.get(b"large")
assert hashlib.sha1(value).digest() == wanted
del value
db.close()
db = lsmkv.open(path, **options)
with Peak():
    value = db.get(b"large")
assert hashlib.sha1(value).digest() == wanted
db.close()
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not os.path.exists("/proc/self/status") or "RssAnon" not in open("/proc/self/status").read(),
    reason="this system does not tell how much anonymous memory a process holds",
)
def test_a_gibibyte_goes_in_and_is_lent_without_a_copy(path):
    """Beside the bytes object that is given, nothing is in memory of the process's own, and nothing for a view. get()
    makes a bytes object; the first one of an opened store reads and verifies the value into as much again."""
    gib = 1 << 30
    done = subprocess.run([sys.executable, "-c", GIB, path], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    whole, lent, known, first = map(int, done.stdout.split())
    assert whole < 32 << 20 and lent < 32 << 20
    assert known < gib + (32 << 20) and first < 2 * gib + (32 << 20)
