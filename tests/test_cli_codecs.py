"""Stores that were made with codecs: what is typed and shown follows them."""

import json
import os
import subprocess
import sys

import pytest

import lsmkv as library


def lsmkv(*argv, status=0, stdin=b""):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], input=stdin, capture_output=True, timeout=200
    )
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def numbers(path):
    """i64 keys, json values."""
    with library.open(path, key="i64", value="json") as db:
        db[-5], db[7] = {"name": "Ada"}, [1, None]
    return path


def content(path):
    with library.open(path, "r", key="stored", value="stored") as db:
        return dict(db.items())


def test_keys_and_values_are_shown_as_what_they_are(numbers):
    assert lsmkv("scan", numbers) == b'-5\t{"name":"Ada"}\n7\t[1,null]\n'
    assert lsmkv("get", numbers, "7") == b"[1,null]\n" and lsmkv("exists", numbers, "8", status=1) == b"no\n"
    assert lsmkv("keys", numbers, "--start", "-5", "--stop", "0") == b"-5\n"
    rows = [json.loads(line) for line in lsmkv("scan", numbers, "--json").splitlines()]
    assert rows == [{"key": -5, "value": {"name": "Ada"}}, {"key": 7, "value": [1, None]}]


def test_what_is_typed_is_read_as_it_is_shown(numbers):
    lsmkv("put", numbers, "8", '{"b": 2}')
    lsmkv("batch", numbers, stdin=b"put 9 true\ndelete -5\n")
    lsmkv("delete", numbers, "--start", "7", "--stop", "8", "--yes")
    assert content(numbers) == {8: {"b": 2}, 9: True}


@pytest.mark.parametrize("key, value", [("eight", "1"), ("8", "{")])
def test_what_does_not_fit_is_refused(numbers, key, value):
    before = content(numbers)
    lsmkv("put", numbers, key, value, status=2)
    lsmkv("batch", numbers, stdin=f"put {key} '{value}'\n".encode(), status=4)
    lsmkv("batch", numbers, "--dry-run", stdin=f"put {key} '{value}'\n".encode(), status=4)
    assert content(numbers) == before


def test_a_codec_without_a_format_is_one_by_its_name(path):
    with library.open(path, key="(str,i64)", value="str") as db:
        db["cat", 7] = "sat"
    shown = lsmkv("scan", path)
    assert shown == b'["cat",7]\tsat\n'
    assert lsmkv("get", path, shown.split(b"\t")[0].decode()) == b"sat"
    assert lsmkv("keys", path, "--key-format", "hex") == b"63617400" + b"8000000000000007\n"
    lsmkv("put", path, "cat", "x", status=2)
    assert content(path) == {("cat", 7): "sat"}


def test_the_format_asked_for_wins(numbers):
    assert lsmkv("keys", numbers, "--key-format", "hex", "--limit", "1") == b"7ffffffffffffffb\n"


def test_looking_inside_needs_no_codec(numbers):
    for command in (["info"], ["levels"], ["tables"], ["stat"], ["verify"], ["flush"], ["compact"], ["explain", "7"]):
        lsmkv(command[0], numbers, *command[1:])
    assert json.loads(lsmkv("options", numbers, "--json"))["codecs"] == {"key": "i64", "value": "json"}


def test_looking_inside_shows_keys_as_their_codecs_have_them(path):
    with library.open(path, key="i64") as db:
        db.update((at, b"v") for at in (-5, 7, 1000))
        db.namespace("people", key="(str,i64)")["ann", 3] = b"v"
        db.namespace("plain")[b"\xff\n"] = b"v"
        db.flush()
    for command in ("levels", "tables"):
        assert "-5 .. plain: \\xff\\n" in lsmkv(command, path).decode()
    lsmkv("delete", path, "--all", "--yes", "--namespace", "plain")
    lsmkv("compact", path)
    assert '-5 .. people: ["ann",3]' in lsmkv("tables", path).decode()
    (table,) = json.loads(lsmkv("tables", path, "--json"))
    assert (table["key_min"], table["key_max"]) == ("-5", 'people: ["ann",3]')
    assert lsmkv("explain", path, "7").startswith(b"get 7: is there")


def test_dump_and_load_keep_the_codecs(numbers, tmp_path):
    dump = lsmkv("dump", numbers)
    lsmkv("load", tmp_path / "copy", stdin=dump)
    assert content(tmp_path / "copy") == content(numbers)
    lsmkv("load", tmp_path / "copy", stdin=dump)
    lsmkv("put", tmp_path / "other", "k", "v")
    lsmkv("load", tmp_path / "other", stdin=dump, status=4)
    assert content(tmp_path / "other") == {b"k": b"v"}


def test_no_file_chooses_pickle(path, tmp_path):
    with library.open(path, value="pickle") as db:
        db[b"a"] = {1}
    dump = lsmkv("dump", path)
    lsmkv("load", tmp_path / "copy", stdin=dump, status=2)
    assert not (tmp_path / "copy").exists()
    library.open(tmp_path / "copy", value="pickle").close()
    lsmkv("load", tmp_path / "copy", stdin=dump)
    with library.open(tmp_path / "copy", value="pickle") as db:
        assert db[b"a"] == {1}


def test_export_and_import(numbers, tmp_path):
    with library.open(tmp_path / "copy", key="i64", value="json") as db:
        db.sync()
    lsmkv("import", tmp_path / "copy", "-", "--format", "jsonl", stdin=lsmkv("export", numbers))
    assert content(tmp_path / "copy") == content(numbers)
    assert lsmkv("diff", numbers, tmp_path / "copy") == b""
