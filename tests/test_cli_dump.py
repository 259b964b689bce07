"""dump and load: nothing is lost, damage is noticed, and Berkeley DB's and LMDB's text is understood."""

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys

import pytest

from lsmkv.cli import dumpfile, mdbfile
from lsmkv.cli.dumpfile import Space

PAIRS = {
    b"": b"",
    b" ": b"\n\r\t\0",
    b"\\": b"\\\\00\\",
    b"DATA=END": b"HEADER=END",
    b"\xff\xfe\x00": bytes(range(256)),
    "ключ".encode(): "\u2028\U0001f600".encode(),
    b"k" * 65535: b"v" * 100_000,
}
BYTEVALUE = b"""VERSION=3
format=bytevalue
type=btree
mapsize=1048576
maxreaders=126
db_pagesize=4096
HEADER=END
 61
 31
 ff005C
\x20
DATA=END
"""
PRINT = b"""VERSION=3
format=print
type=hash
h_nelem=2
db_pagesize=4096
HEADER=END
 a
 one \\5c\\\\ \\0a
 \\ff\\00
\x20
DATA=END
"""


def lsmkv(*argv, status=0, stdin=b""):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], input=stdin, capture_output=True, timeout=200
    )
    assert done.returncode == status, (argv, done.returncode, done.stdout[:2000], done.stderr)
    assert b"Traceback" not in done.stderr
    return done


def made(path, pairs):
    import lsmkv as library

    with library.open(path, "c") as db:
        db.update(pairs)
    return path


def content(path):
    import lsmkv as library

    with library.open(path, "r") as db:
        return dict(db.items())


@pytest.fixture
def store(path):
    return made(path, PAIRS)


@pytest.mark.parametrize("form", ["lsmkv", "mdb"])
def test_nothing_is_lost(store, tmp_path, form):
    text = lsmkv("dump", store, "--format", form).stdout
    done = lsmkv("load", tmp_path / "copy", stdin=text)
    assert content(tmp_path / "copy") == PAIRS and done.stdout.startswith(b"stored 7 pairs; ")
    assert lsmkv("dump", tmp_path / "copy", "--format", form).stdout == text


def test_a_dump_is_json_lines_with_a_head_and_an_end(path):
    made(path, {b"a": b"1", b"\xff": b""})
    lines = [json.loads(line) for line in lsmkv("dump", path, "--json").stdout.splitlines()]
    end = lines.pop()
    head = {"lsmkv_dump": 1, "key_codec": "bytes", "value_codec": "bytes"}
    assert lines == [head, {"key": "a", "value": "1"}, {"key_base64": "/w==", "value": ""}]
    assert end["pairs"] == 2 and re.fullmatch("[0-9a-f]{8}", end["crc32"])


def test_dump_to_a_file(store, tmp_path):
    target = tmp_path / "dump"
    assert lsmkv("dump", store, target).stdout.startswith(b"wrote 7 pairs (")
    before = target.read_bytes()
    assert b"--yes replaces it" in lsmkv("dump", store, target, status=2).stderr and target.read_bytes() == before
    told = json.loads(lsmkv("dump", store, target, "--yes", "--format", "mdb", "--json").stdout)
    size = target.stat().st_size
    assert told == {"file": str(target), "format": "mdb", "pairs": 7, "bytes": size}
    told = json.loads(lsmkv("load", tmp_path / "copy", target, "--json").stdout)
    assert (told["stored"], told["format"]) == (7, "mdb") and content(tmp_path / "copy") == PAIRS
    assert [name for name in os.listdir(tmp_path) if "part" in name] == []
    lsmkv("dump", store, "--format", "mdb", "--json", status=2)


def test_an_empty_store(path, tmp_path):
    made(path, {})
    for form in ("lsmkv", "mdb"):
        lsmkv("load", tmp_path / form, stdin=lsmkv("dump", path, "--format", form).stdout)
        assert content(tmp_path / form) == {}


def test_load_adds_to_what_is_there(path):
    made(path, {b"a": b"old", b"z": b"kept"})
    lsmkv("load", path, stdin=BYTEVALUE)
    assert content(path) == {b"a": b"1", b"\xff\0\\": b"", b"z": b"kept"}


@pytest.mark.parametrize("data", [b"", b"key,value\n", b'{"key": "a", "value": "b"}\n', b"\xff\xfe"])
def test_what_is_no_dump(path, data):
    done = lsmkv("load", path, stdin=data, status=4)
    assert b"is not a dump" in done.stderr and b"nothing was stored" in done.stderr and not path.exists()


def test_a_dump_in_another_format_than_asked_for(path):
    done = lsmkv("load", path, "--format", "lsmkv", stdin=BYTEVALUE, status=4)
    assert b"in the format mdb" in done.stderr and not path.exists()
    lsmkv("load", path, "--database", "x", stdin=dumped([])[0], status=2)


def test_a_damaged_dump_is_named_by_file_and_line(path, tmp_path):
    (tmp_path / "cut").write_bytes(BYTEVALUE[:-9])
    done = lsmkv("load", path, tmp_path / "cut", status=4)
    assert done.stderr.startswith(f"lsmkv load: {tmp_path / 'cut'}:12: the dump ends without DATA=END".encode())
    assert b"nothing was stored" in done.stderr and not path.exists()


def test_what_was_stored_before_the_damage_is_told(path):
    pairs = "".join(f" {at:06}\n 00\n" for at in range(5000))
    head = "VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n"
    done = lsmkv("load", path, "--json", stdin=f"{head}{pairs}nonsense\n".encode(), status=4)
    told = json.loads(done.stderr)
    assert told["stored"] == len(content(path)) == 4096 and told["line"] == 10_005


def test_the_holder_of_a_store_is_named(path):
    import lsmkv as library

    with library.open(path):
        assert str(os.getpid()).encode() in lsmkv("load", path, stdin=BYTEVALUE, status=5).stderr


# ---- our own text -------------------------------------------------------------------------------


BYTES = Space(None, "bytes", "bytes", None)


def dumped(pairs):
    """The lines of a dump of pairs that never expire."""
    return [*dumpfile.write([BYTES, *((*pair, None) for pair in pairs)])]


def why(read, lines):
    with pytest.raises(dumpfile.Malformed) as found:
        list(read(iter(lines)))
    return found.value.line, found.value.reason


def test_own_text_round_trip():
    chance = random.Random(5)
    pairs = {chance.randbytes(chance.randrange(9)): chance.randbytes(chance.randrange(40)) for _ in range(500)}
    content = [BYTES, *((key, pairs[key], chance.choice([None, 1, 2**63 - 1])) for key in sorted(pairs))]
    content += [Space("a\n\u2028", "(str,i64)", "mine", 0.5), (b"k", b"", None), Space("b", "bytes", "json", None)]
    assert list(dumpfile.read(dumpfile.write(content))) == content


def space_line(**facts):
    return json.dumps({"namespace": "a", "key_codec": "str", "value_codec": "str", **facts}).encode() + b"\n"


@pytest.mark.parametrize(
    "change, line, reason",
    [
        (lambda lines: lines[:-1], 4, "ends before its last line"),
        (lambda lines: [*lines[:-1], lines[-1][:-6]], 4, "not JSON"),
        (lambda lines: [lines[0], lines[2], lines[3]], 3, "counts 2 pairs, and 1 are there"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 4, "CRC-32"),
        (lambda lines: [lines[0], lines[1].replace(b"1", b"2"), *lines[2:]], 4, "it was changed"),
        (lambda lines: [*lines, *lines], 5, "more lines follow"),
        (lambda lines: [lines[0].replace(b"1", b"2"), *lines[1:]], 1, "version 2"),
        (lambda lines: [lines[0], b"[]\n", *lines[2:]], 2, "not a JSON object"),
        (lambda lines: [lines[0], b"[" * 100_000 + b"\n"], 2, "not JSON"),
        (lambda lines: [lines[0], b'{"key": "a"}\n'], 2, "no field 'value'"),
        (lambda lines: [lines[0], b'{"key": "%b", "value": ""}\n' % (b"k" * 65536)], 2, "65,535"),
        (lambda lines: [lines[0], b"\xff\n"], 2, "not JSON"),
        (lambda lines: [lines[0], lines[1][:-2] + b', "expires_ns": 0}\n'], 2, "nanoseconds"),
        (lambda lines: [lines[0], lines[1][:-2] + b', "expires_ns": 1.5}\n'], 2, "nanoseconds"),
        (lambda lines: [lines[0], b'{"namespace": "a", "key_codec": "str"}\n'], 2, "two codecs"),
        (lambda lines: [lines[0], space_line(ttl=-1)], 2, "seconds above 0"),
        (lambda lines: [lines[0], space_line(ttl=True)], 2, "seconds above 0"),
        (lambda lines: [lines[0], space_line(ttl=2), *lines[1:]], 5, "CRC-32"),
    ],
)
def test_own_text_that_was_changed(change, line, reason):
    found = why(dumpfile.read, change(dumped([(b"a", b"1"), (b"b", b"2")])))
    assert found[0] == line and reason in found[1], found


# ---- the text of Berkeley DB and LMDB ------------------------------------------------------------


def mdb(text, database=None):
    return list(mdbfile.read(io.BytesIO(text), database))


def test_bytevalue_and_print():
    assert mdb(BYTEVALUE) == [(b"a", b"1"), (b"\xff\0\\", b"")]
    assert mdb(PRINT) == [(b"a", b"one \\\\ \n"), (b"\xff\0", b"")]
    assert mdb(PRINT.replace(b"\n", b"\r\n")) == mdb(PRINT)


def test_mdb_text_round_trip():
    chance = random.Random(6)
    pairs = {chance.randbytes(chance.randrange(9)): chance.randbytes(chance.randrange(40)) for _ in range(500)}
    pairs = sorted(pairs.items())
    assert mdb(b"".join(mdbfile.write(pairs, 1 << 20))) == pairs


def test_one_of_several_databases():
    def named(name, text):
        return text.replace(b"type=", b"database=%b\ntype=" % name)

    both = named(b"first", BYTEVALUE) + named(b"second", PRINT)
    assert mdb(both, "first") == mdb(BYTEVALUE) and mdb(both, "second") == mdb(PRINT)
    assert why(lambda lines: mdbfile.read(lines, "third"), both.splitlines(True)) == (
        1,
        "no database 'third' (there are: first, second) in this dump",
    )
    line, reason = why(mdbfile.read, both.splitlines(True))
    assert line == 20 and "second" in reason and "--database" in reason


@pytest.mark.parametrize(
    "old, new, line, reason",
    [
        (b"VERSION=3", b"VERSION=2", 7, "VERSION=2 is not 3"),
        (b"format=bytevalue", b"format=json", 7, "format=json is not bytevalue or print"),
        (b"type=btree", b"type=recno", 7, "type=recno is not btree or hash"),
        (b"type=btree\n", b"", 6, "type= is not btree or hash"),
        (b"mapsize=1048576", b"nonsense", 4, "the head of a dump"),
        (b"HEADER=END\n 61", b"HEADER=END\n61", 8, "begin with a space"),
        (b" 31", b" 3", 9, "not bytes in hex"),
        (b" 31", b" 3g", 9, "not bytes in hex"),
        (b" 31", b" 3 31", 9, "not bytes in hex"),
        (b" ff005C", b" 61", 10, "one value a key"),
        (b" \nDATA=END\n", b"DATA=END\n", 11, "the last key has no value"),
        (b"DATA=END\n", b"", 12, "without DATA=END"),
        (b" ff005C", b" " + b"6b" * 65536, 11, "65,535"),
        (b"HEADER=END", b"HEADER=EN", 8, "the head of a dump"),
    ],
)
def test_mdb_text_that_makes_no_sense(old, new, line, reason):
    assert BYTEVALUE.count(old) == 1
    found = why(mdbfile.read, BYTEVALUE.replace(old, new).splitlines(True))
    assert found[0] == line and reason in found[1], found


def test_mdb_text_that_ends_with_its_head():
    head = BYTEVALUE.splitlines(True)[:7]
    assert head[-1] == b"HEADER=END\n"
    assert why(mdbfile.read, head) == (8, "the dump ends without DATA=END, so some of it is missing")


def test_a_head_that_is_cut_short():
    assert why(mdbfile.read, BYTEVALUE.splitlines(True)[:4]) == (4, "the dump ends inside its head")


def test_a_bare_backslash_is_not_guessed_at():
    line, reason = why(mdbfile.read, PRINT.replace(b"\\\\ ", b"\\ ").splitlines(True))
    assert line == 8 and "without -p" in reason


def test_keys_that_lmdb_does_not_take_are_told(store):
    done = lsmkv("dump", store, "--format", "mdb")
    assert done.stderr == (
        b"lsmkv dump: 2 keys will be refused by mdb_load, the first of them with 0 bytes: LMDB takes keys of 1 to 511 "
        b"bytes. The dump is complete; db_load and lsmkv load take it.\n"
    )


needs_lmdb = pytest.mark.skipif(
    not (shutil.which("mdb_load") and shutil.which("mdb_dump")), reason="needs mdb_load and mdb_dump (lmdb-utils)"
)


@needs_lmdb
def test_through_lmdb_and_back(path, tmp_path, run):
    chance = random.Random(7)
    sizes = [0, 1, 100, 2040, 2050, 4096, 40_000, 1 << 20]
    pairs = {chance.randbytes(chance.randrange(1, 512)): chance.randbytes(chance.choice(sizes)) for _ in range(300)}
    pairs |= {key: value for key, value in PAIRS.items() if 0 < len(key) <= 511}
    made(path, pairs)
    done = lsmkv("dump", path, tmp_path / "dump", "--format", "mdb")
    assert not done.stderr
    assert not run("mdb_load", "-n", "-f", "dump", "map").stderr
    lsmkv("load", tmp_path / "copy", stdin=run("mdb_dump", "-n", "map", text=False).stdout)
    assert content(tmp_path / "copy") == pairs


@needs_lmdb
def test_the_map_is_large_enough_for_many_small_pairs(path, tmp_path, run):
    made(path, ((b"%08d" % at, b"") for at in range(200_000)))
    lsmkv("dump", path, tmp_path / "dump", "--format", "mdb")
    run("mdb_load", "-n", "-f", "dump", "map")
    assert "Entries: 200000" in run("mdb_stat", "-n", "map").stdout


@needs_lmdb
def test_what_mdb_dump_prints(path, tmp_path, run):
    made(path, {b"a b": b"\0\xff\n", "é".encode(): b"plain"})
    lsmkv("dump", path, tmp_path / "dump", "--format", "mdb")
    run("mdb_load", "-n", "-f", "dump", "map")
    lsmkv("load", tmp_path / "copy", stdin=run("mdb_dump", "-n", "-p", "map", text=False).stdout)
    assert content(tmp_path / "copy") == content(path)
