"""batch: operations from lines, all of them or none; a bad line is named by its number."""

import io
import json
import os
import subprocess
import sys

import pytest

from lsmkv.cli.operations import operations
from lsmkv.cli.readers import BadLine


def lsmkv(*argv, status=0, stdin=b""):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], input=stdin, capture_output=True, timeout=200
    )
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done


def content(path):
    import lsmkv as library

    with library.open(path, "r") as db:
        return dict(db.items())


def read(data, form="lines", key_format="utf8", value_format="utf8"):
    found = operations(form, io.BytesIO(data), key_format, value_format)
    return [(one.line, one.reason) if isinstance(one, BadLine) else one for one in found]


def test_operations_are_applied_in_their_order(path):
    lsmkv("batch", path, stdin=b"put a 1\nput b 2\nput c 3\n")
    done = lsmkv("batch", path, stdin=b"delete-range a c\nput b 'two words'\nrm c\n\n# the end\n")
    assert done.stdout == b"applied 3 operations: 1 put, 1 delete, 1 range delete\n" and not done.stderr
    assert content(path) == {b"b": b"two words"}


def test_a_bad_line_is_named_and_nothing_is_applied(path):
    lsmkv("put", path, "a", "old")
    done = lsmkv("batch", path, stdin=b"put a new\n\nput b\ndelete a\n", status=4)
    assert done.stdout == b""
    assert done.stderr == (
        b"lsmkv batch: standard input:3: put takes a key and a value; 1 word follows; nothing was applied.\n"
    )
    assert content(path) == {b"a": b"old"}
    told = json.loads(lsmkv("batch", path, "--json", stdin=b"nonsense\n", status=4).stderr)
    assert told["line"] == 1 and told["applied"] is False


def test_a_bad_line_makes_no_store(path):
    lsmkv("batch", path, stdin=b"put a 1\nput 'b 2\n", status=4)
    assert not path.exists()


def test_from_a_file_in_json(path, tmp_path):
    (tmp_path / "ops").write_bytes(b"put a 1\ndelete a\n")
    told = json.loads(lsmkv("batch", path, tmp_path / "ops", "--sync", "--json").stdout)
    lsn = told.pop("lsn")
    counts = {"operations": 2, "puts": 1, "deletes": 1, "range_deletes": 0}
    assert told == {"applied": True, "dry_run": False, **counts} and lsn > 0
    assert b"No such file" in lsmkv("batch", path, tmp_path / "absent", status=3).stderr


def test_dry_run_reads_and_counts(path):
    done = lsmkv("batch", path, "--dry-run", stdin=b"put a 1\n")
    assert done.stdout == b"would apply 1 operation: 1 put\n" and not path.exists()


def test_what_export_wrote_is_a_batch(path, tmp_path):
    lsmkv("batch", path, stdin=b"put a 1\nput b ''\n")
    lsmkv("batch", path, "--key-format", "hex", "--value-format", "base64", stdin=b"put ff00 /wA=\n")
    exported = lsmkv("export", path).stdout
    lsmkv("batch", tmp_path / "copy", "--format", "jsonl", stdin=exported)
    assert content(tmp_path / "copy") == content(path) == {b"a": b"1", b"b": b"", b"\xff\0": b"\xff\0"}


def test_lines():
    assert read(b"insert k v\nset k v\nput '' ''\r\ndelete k\nrm k\ndelete-range a b\n  # x\n \n") == [
        ("put", b"k", b"v"),
        ("put", b"k", b"v"),
        ("put", b"", b""),
        ("delete", b"k"),
        ("delete", b"k"),
        ("delete-range", b"a", b"b"),
    ]


def test_lines_keep_bytes_that_are_not_utf8():
    assert read(b"put \xff\xfe \xc3\n") == [("put", b"\xff\xfe", b"\xc3")]


def test_lines_in_other_formats():
    assert read(b"put 258 00ff\ndelete 1\n", key_format="u64", value_format="hex") == [
        ("put", b"\0\0\0\0\0\0\1\2", b"\0\xff"),
        ("delete", b"\0\0\0\0\0\0\0\1"),
    ]


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"get k", "no operation 'get'"),
        (b"put k", "1 word follows"),
        (b"put", "no words follow"),
        (b"put k v w", "quote what holds spaces"),
        (b"delete k v", "delete takes a key"),
        (b"delete-range a", "the one to stop before"),
        (b"put 'k v", "a quote is not closed"),
        (b"put " + b"k" * 65536 + b" v", "65,535 is the limit"),
        (b"put \x1b[31mk", "1 word follows"),
    ],
)
def test_lines_that_make_no_sense(line, reason):
    (found, good) = read(line + b"\nput k v\n")
    assert found[0] == 1 and reason in found[1] and good == ("put", b"k", b"v")


def test_objects():
    lines = (
        b'{"op": "put", "key": "a", "value": 1}\n\n{"key_base64": "/w==", "value": ""}\n{"op": "rm", "key": "b"}\n'
        b'{"op": "delete-range", "start": null, "stop": "c"}\n'
        b'{"op": "delete-range", "start_base64": "/w==", "stop": null}'
    )
    assert read(lines, "jsonl") == [
        ("put", b"a", b"1"),
        ("put", b"\xff", b""),
        ("delete", b"b"),
        ("delete-range", None, b"c"),
        ("delete-range", b"\xff", None),
    ]


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"[1]", "not a JSON object"),
        (b"{", "not JSON"),
        (b'{"op": "get", "key": "a"}', "no operation 'get'"),
        (b'{"op": 1, "key": "a"}', "no operation '1'"),
        (b'{"op": "put", "key": "a"}', "no field 'value'"),
        (b'{"op": "delete-range", "start": "a"}', "no field 'stop'"),
        (b'{"key_base64": "?", "value": ""}', "not base64"),
        (b"\xff", "not utf-8"),
    ],
)
def test_objects_that_make_no_sense(line, reason):
    ((number, found),) = read(line + b"\n", "jsonl")
    assert number == 1 and reason in found
