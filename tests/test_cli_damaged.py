"""A damaged store: export and dump stop at the damage, or with --skip-damaged go past it and say what is left out."""

import json
import os
import random
import shutil
import subprocess
import sys

import pytest

import lsmkv
from lsmkv.cli import salvage

GRANULE = 4096


def command(*argv, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], capture_output=True, timeout=200, text=True
    )
    assert done.returncode == status, (argv, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def spoil(file, *places):
    stored = bytearray(file.read_bytes())
    for place in places:
        stored[place] ^= 0x10
    file.write_bytes(stored)


def readable(db, keys):
    """Those of the keys that a scan can begin at."""
    found = set()
    for key in keys:
        try:
            found.update(db.range(key, key + b"\0"))
        except lsmkv.CorruptionError:
            pass
    return found


def made(path, runs=3, records=300, key=lambda draw: b"key%06d" % draw.randrange(10**6)):
    """{key: value} of a store with some runs, whose newer ones overwrite a part of the older."""
    draw, wanted = random.Random(1), {}
    with lsmkv.open(path, merge_policy="none") as db:
        for _ in range(runs):
            written = {key(draw): draw.randbytes(60) for _ in range(records)}
            written |= dict.fromkeys(draw.sample(sorted(wanted), len(wanted) // 3), b"newer" * 12)
            db.update(written)
            wanted |= written
            db.flush()
    return wanted


KEYS = {
    "counted": lambda draw: b"key%06d" % draw.randrange(10**6),
    "any bytes": lambda draw: draw.randbytes(draw.randrange(24)),
    "zeros": lambda draw: draw.choice([b"", b"a", b"a\0", b"b"]) + draw.randbytes(2) + bytes(draw.randrange(3)),
}


@pytest.mark.parametrize("kind", KEYS)
def test_each_damaged_granule_hides_no_more_than_it_must(path, tmp_path, kind):
    wanted = made(path, key=KEYS[kind])
    gaps = 0
    for name in sorted(file.name for file in path.glob("*.tbl")):
        for place in range(0, (path / name).stat().st_size, GRANULE):
            copy = tmp_path / "copy"
            shutil.copytree(path, copy)
            spoil(copy / name, place + 100 if place + 100 < (path / name).stat().st_size else place)
            try:
                db = lsmkv.open(copy, "r")
            except (lsmkv.CorruptionError, lsmkv.FormatError):
                shutil.rmtree(copy)
                continue  # without its end a table is not opened at all
            with db:
                met = []
                found = list(salvage.pairs(db, met.append))
                assert found == sorted(found) and dict(found).items() <= wanted.items()
                assert {key for key, _ in found} == readable(db, wanted)
                lost = wanted.keys() - {key for key, _ in found}
                assert all(
                    any((g.after or b"") <= key and (g.before is None or key < g.before) for g in met) for key in lost
                )
                gaps += len(met)
            shutil.rmtree(copy)
    assert gaps > 10


def test_several_damaged_places_and_a_range(path):
    wanted = made(path, records=1000)
    for file in path.glob("*.tbl"):
        spoil(file, 3 * GRANULE + 7, 9 * GRANULE + 7)
    with lsmkv.open(path, "r") as db:
        met = []
        found = dict(salvage.pairs(db, met.append, b"key1", b"key9"))
        inside = {key for key in wanted if b"key1" <= key < b"key9"}
        assert found.keys() == readable(db, inside) and len(met) > 1 and len(found) < len(inside)


def test_a_value_apart_that_cannot_be_read_is_one_key(path):
    with lsmkv.open(path, large_value_bytes=1000) as db:
        db.update((b"key%02d" % at, bytes([at]) * 5000) for at in range(20))
    (values,) = path.glob("*.val")
    spoil(values, values.read_bytes().index(bytes([7]) * 5000) + 100)
    done = command("export", path, "--skip-damaged", status=4)
    assert len(done.stdout.splitlines()) == 19 and "left out: the value of key 'key07': " in done.stderr


def test_export_stops_or_goes_past(path, tmp_path):
    wanted = made(path, runs=1)
    (table,) = path.glob("*.tbl")
    spoil(table, 2 * GRANULE + 5)
    target = tmp_path / "out.jsonl"
    stopped = command("export", path, target, status=4)
    assert "Try: lsmkv verify" in stopped.stderr and not target.exists()
    advice = command("verify", path, status=4).stderr
    assert f"Try: lsmkv dump {path} FILE --skip-damaged, then lsmkv load NEW FILE" in advice
    told = json.loads(command("export", path, target, "--skip-damaged", "--json", status=4).stdout)
    (gap,) = told["left_out"]
    assert (gap["file"], gap["offset"], gap["namespace"]) == (table.name, 2 * GRANULE, None)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert told["exported"] == len(rows) and 200 < len(rows) < len(wanted)
    missing = sorted({key.decode() for key in wanted} - {row["key"] for row in rows})
    assert gap["after"] < missing[0] and missing[-1] < gap["before"]
    sides = f"left out: all keys after '{gap['after']}' and before '{gap['before']}': {path}: {table.name}: "
    done = command("export", path, "--skip-damaged", status=4)
    assert sides in done.stderr and done.stderr.endswith(f"{path}: 1 gap; all other keys were written\n")
    assert len(command("export", path, "--skip-damaged", "--limit", "3").stdout.splitlines()) == 3


def test_a_dump_past_damage_makes_a_new_store(path, tmp_path):
    made(path, runs=1)
    with lsmkv.open(path) as db:
        numbers = db.namespace("numbers", key="i64", value="json")
        numbers.update((at, {"square": at * at}) for at in range(2000))
        db.put(b"soon", b"gone", ttl=1000)
        db.compact()
    (table,) = path.glob("*.tbl")
    spoil(table, GRANULE + 5, 12 * GRANULE + 5)
    saved, new = tmp_path / "saved", tmp_path / "new"
    done = command("dump", path, saved, "--skip-damaged", status=4)
    assert "left out: all keys after 'key" in done.stderr and "2 gaps; all other keys were written" in done.stderr
    assert " of namespace numbers: " in done.stderr and "\\x" not in done.stderr  # numbers, not their bytes
    command("load", new, saved)
    with lsmkv.open(new) as db, lsmkv.open(path, "r") as old:
        found = db.namespace("numbers", key="i64", value="json")
        assert 1000 < len(found) < 2000 and all(value == {"square": key * key} for key, value in found.items())
        assert 100 < len(db) < 301 and all(old[key] == value for key, value in db.items())
    mdb = command("dump", path, "--format", "mdb", "--skip-damaged", status=4)
    assert mdb.stdout.endswith("DATA=END\n") and mdb.stderr.count("left out: all keys") == 1


def test_a_key_whose_expiry_cannot_be_read_stays(path, tmp_path):
    with lsmkv.open(path, ttl=5000) as db:
        db.update((b"key%04d" % at, b"v" * 100) for at in range(5000))
        db.flush()
    (table,) = path.glob("*.tbl")
    with lsmkv.open(path, "r") as db:
        (level,) = [level for level in db.levels if level.kind == "table"]
    spoil(table, (level.stored_bytes + level.bytes) // 2)  # the lines, which a lookup needs and a scan does not
    done = command("dump", path, tmp_path / "saved", "--skip-damaged", "--json", status=4)
    told = json.loads(done.stdout)
    assert told["pairs"] == 5000 and told["left_out"] == [] and 0 < told["without_expiry"] < 5000
    done = command("dump", path, "--skip-damaged", status=4)
    assert f"{told['without_expiry']} keys without the time to expire" in done.stderr


def test_what_keeps_a_store_from_being_opened_is_said_with_a_remedy_that_works(path, tmp_path):
    made(path, runs=1)
    (table,) = path.glob("*.tbl")
    table.rename(tmp_path / "away")
    remedy = f"Try: putting {table.name} back, or restoring all of {path}, from a backup\n"
    found = command("verify", path, status=4)
    assert found.stdout.startswith(f"damaged: {path}: {table.name} is missing")
    assert "1 damaged place; the store cannot be opened" in found.stderr and found.stderr.endswith(remedy)
    for asked in (("dump", path, "--skip-damaged"), ("get", path, "key"), ("diff", path, path)):
        assert command(*asked, status=4).stderr.endswith(remedy)
    (tmp_path / "away").rename(table)
    command("verify", path)


@pytest.mark.parametrize("damaged", ["old", "new"])
@pytest.mark.parametrize("place", [GRANULE + 7, 7])
def test_diff_names_the_store_that_is_damaged(tmp_path, damaged, place):
    made(tmp_path / "old", runs=1)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    (table,) = (tmp_path / damaged).glob("*.tbl")
    spoil(table, place)
    failed = command("diff", tmp_path / "old", tmp_path / "new", status=4)
    assert failed.stderr.endswith(f"Try: lsmkv verify {tmp_path / damaged}\n")
