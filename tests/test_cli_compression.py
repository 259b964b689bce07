"""Commands that write tables go on with what the store's tables are; only --compression makes others."""

import json
import os
import subprocess
import sys

import pytest

import lsmkv
from lsmkv.cli.arguments.shared import COMPRESSIONS
from lsmkv.options import WORDS

HERE = [name for name in ("lz4", "zstd") if lsmkv.features()[name]]
PACKED = [
    pytest.param(name, marks=pytest.mark.skipif(name not in HERE, reason=f"this build has no {name}"))
    for name in ("lz4", "zstd")
]
VALUE = b"the same words " * 8


def command(*argv, given=None):
    words = [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)]
    done = subprocess.run(words, capture_output=True, timeout=200, text=True, input=given)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done


def made(path, compression, runs=2):
    """A store of some runs, as a program that asks for packed tables leaves it."""
    with lsmkv.open(path, compression=compression, merge_policy="none") as db:
        for run in range(runs):
            db.update((b"key%05d" % at, VALUE) for at in range(run, 3000, run + 1))
            db.flush()


def codecs(path):
    with lsmkv.open(path, "r") as db:
        return [level.codec for level in db.levels if level.kind == "table"]


def test_the_words_are_those_of_the_option():
    assert COMPRESSIONS == WORDS["compression"]


@pytest.mark.parametrize("name", PACKED)
def test_compact_leaves_a_packed_store_packed(path, name):
    made(path, name)
    told = json.loads(command("compact", path, "--json").stdout)
    assert told["compression"] == name and [level["codec"] for level in told["after"] if level["codec"]] == [name]
    assert codecs(path) == [name]


@pytest.mark.parametrize("name", PACKED)
def test_what_is_imported_and_flushed_is_packed_too(path, name):
    made(path, name, runs=1)
    command("import", path, "-", "--format", "jsonl", given=json.dumps({"key": "new", "value": "1" * 500}) + "\n")
    shown = command("flush", path).stdout
    assert f"compression {name}, as the tables had it" in shown
    assert codecs(path) == [name, name]


@pytest.mark.skipif("lz4" not in HERE, reason="this build has no lz4")
def test_raw_tables_above_packed_ones_are_auto(path):
    made(path, "lz4", runs=1)
    with lsmkv.open(path) as db:
        db[b"key00001"] = b"new"
        db.flush()
    assert codecs(path) == ["raw", "lz4"]
    told = json.loads(command("compact", path, "--json").stdout)
    assert told["compression"] == "auto" and codecs(path) == ["lz4"]


def test_a_store_that_packs_nothing_stays_raw(path):
    made(path, "none")
    assert "compression none, as the tables had it" in command("compact", path).stdout
    assert codecs(path) == ["raw"]


@pytest.mark.skipif("lz4" not in HERE, reason="this build has no lz4")
def test_compression_says_otherwise(path):
    made(path, "lz4")
    done = command("compact", path, "--compression", "none")
    assert "compression none\n" in done.stdout and not done.stderr and codecs(path) == ["raw"]
    done = command("compact", path, "--compression", "lz4")  # one run already: nothing to merge
    assert codecs(path) == ["raw"] and "1 table not lz4" in done.stderr
    assert "| lsmkv load NEW --compression lz4 && lsmkv compact NEW --compression lz4" in done.stderr
    copy = path.with_name("copy")
    command("load", copy, "--compression", "lz4", given=command("dump", path).stdout)
    assert not command("compact", copy, "--compression", "lz4").stderr and codecs(copy) == ["lz4"]


def test_large_values_go_apart_when_asked(path):
    row = json.dumps({"key": "photo", "value": "x" * 9000}) + "\n"
    command("import", path, "-", "--format", "jsonl", "--large-value-bytes", "4096", given=row)
    command("compact", path)  # without the option, what is apart stays there
    with lsmkv.open(path, "r") as db:
        assert db.stats()["value_files"] >= 1 and db[b"photo"] == b"x" * 9000
