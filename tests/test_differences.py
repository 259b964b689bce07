"""lsmkv.diff() and `lsmkv diff`: what changed from one store to another."""

import itertools
import json
import os
import subprocess
import sys

import pytest

import lsmkv
from lsmkv import Difference

OLD = {b"": b"same", b"a": b"1", b"b": b"2", b"d": b"4", b"\xff": b"\xff"}
NEW = {b"": b"same", b"b": b"two", b"c": b"3", b"d": b"4", b"\xff": b""}
CHANGES = [
    Difference("removed", b"a", b"1", None),
    Difference("changed", b"b", b"2", b"two"),
    Difference("added", b"c", None, b"3"),
    Difference("changed", b"\xff", b"\xff", b""),
]


def made(path, pairs):
    with lsmkv.open(path, "n") as db:
        db.update(pairs)
    return path


@pytest.fixture
def stores(tmp_path):
    return made(tmp_path / "old", OLD), made(tmp_path / "new", NEW)


def test_paths(stores):
    old, new = stores
    assert list(lsmkv.diff(old, new)) == CHANGES
    assert list(lsmkv.diff(os.fsencode(old), old)) == []
    kinds = {"added": "removed", "removed": "added", "changed": "changed"}
    assert list(lsmkv.diff(new, old)) == [(kinds[kind], key, new, old) for kind, key, old, new in CHANGES]


def test_stores_snapshots_and_ranges(stores):
    old, new = stores
    with lsmkv.open(old) as a, lsmkv.open(new, "r") as b:
        assert list(lsmkv.diff(a, b)) == CHANGES
        with a.snapshot() as before:
            a[b"e"] = b"5"
            assert list(lsmkv.diff(before, a)) == [("added", b"e", None, b"5")]
        assert list(lsmkv.diff(a[b"b":b"d"], b[b"b":b"d"])) == CHANGES[1:3]
        assert not a.closed and not b.closed


def test_both_sides_are_seen_as_they_were(stores):
    with lsmkv.open(stores[0]) as db:
        found = lsmkv.diff(db, stores[1])
        db.clear()
        assert list(found) == CHANGES


def test_a_path_is_opened_at_once(stores, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        lsmkv.diff(stores[0], tmp_path / "nowhere")


def test_a_store_is_let_go_when_the_iterator_is(stores):
    for used in (0, 1):
        found = lsmkv.diff(*stores)
        list(itertools.islice(found, used))
        del found
        with lsmkv.open(stores[0], "r") as db:
            assert db.stats()["live_iterators"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_against_dicts(tmp_path, seed):
    import random

    chance = random.Random(seed)
    a, b = ({b"%d" % chance.randrange(300): b"%d" % chance.randrange(2) for _ in range(300)} for _ in range(2))
    wanted = [
        ("added" if key not in a else "removed" if key not in b else "changed", key, a.get(key), b.get(key))
        for key in sorted(a.keys() | b.keys())
        if a.get(key) != b.get(key)
    ]
    assert list(lsmkv.diff(made(tmp_path / "a", a), made(tmp_path / "b", b))) == wanted


def command(*argv, status):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", "diff", *map(os.fspath, argv)], capture_output=True, timeout=200
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_the_command(stores):
    assert command(*stores, status=1) == b"- a\t1\n~ b\t2\ttwo\n+ c\t3\n~ \xff\t\xff\t\n"
    assert command(*stores, "--keys-only", status=1) == b"- a\n~ b\n+ c\n~ \xff\n"
    assert command(*stores, "--start", "c", "--stop", "d", status=1) == b"+ c\t3\n"
    assert command(*stores, "--prefix", "d", status=0) == b""
    assert command(stores[0], stores[0], status=0) == b""


def test_the_command_in_json(stores):
    assert [json.loads(line) for line in command(*stores, "--json", status=1).splitlines()] == [
        {"kind": "removed", "key": "a", "old": "1"},
        {"kind": "changed", "key": "b", "old": "2", "new": "two"},
        {"kind": "added", "key": "c", "new": "3"},
        {"kind": "changed", "key_base64": "/w==", "old_base64": "/w==", "new": ""},
    ]
    keys = [json.loads(line) for line in command(*stores, "--json", "--keys-only", status=1).splitlines()]
    assert keys[0] == {"kind": "removed", "key": "a"} and len(keys) == 4


def test_the_command_without_a_second_store(stores, tmp_path):
    assert command(stores[0], tmp_path / "nowhere", status=3) == b""


def test_the_order_is_the_stores():
    with lsmkv.open(None, key="desc(i64)") as a, lsmkv.open(None, key="desc(i64)") as b:
        a.update({1: b"", 2: b""})
        b.update({1: b"", 2: b"", 3: b""})
        assert list(lsmkv.diff(a, b)) == [("added", 3, None, b"")]
        with pytest.raises(ValueError, match="backwards"):
            list(lsmkv.diff(a.range(reverse=True), b.range(reverse=True)))


def test_sides_of_different_codecs():
    with lsmkv.open(None, key="i64") as a, lsmkv.open(None, key="str") as b:
        a[1] = b["x"] = b""
        with pytest.raises(ValueError, match="i64 and str"):
            list(lsmkv.diff(a, b))
