"""import and export: every format, exact counts, malformed lines with their place, and no loss on the way round."""

import json
import os
import subprocess
import sys

import pytest

ODD = [
    (b"", b""),
    (b" lead", b"trail "),
    (b"\x00", b"\x00\x01"),
    (b"\xff\xfe", b"\xc3("),
    (b'"quoted"', b'say "hi", twice'),
    (b"base64", b"key"),
    (b"line\nend", b"a\r\nb\rc"),
    (b"tab\tkey", b"t\ta\tb"),
    ("ключ".encode(), "\u2028 \U0001f600".encode()),
    (b"z" * 300, bytes(range(256)) * 3),
]


def lsmkv(*argv, status=0, stdin=b""):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], input=stdin, capture_output=True, timeout=200
    )
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done


def content(path):
    """{key: value} as bytes."""
    import lsmkv as library

    with library.open(path, "r") as db:
        return dict(db.items())


def load(path, tmp_path, name, data, *argv, status=0):
    file = tmp_path / name
    file.write_bytes(data)
    return lsmkv("import", path, file, *argv, status=status)


def test_txt_the_line_is_the_key(path, tmp_path):
    done = load(path, tmp_path, "words.txt", b"one\ntwo\r\nth\xffree")
    assert content(path) == {b"one": b"1", b"two": b"2", b"th\xffree": b"3"}
    assert done.stdout.startswith(b"stored 3 pairs") and not done.stderr


def test_txt_the_number_is_the_key(path, tmp_path):
    load(path, tmp_path, "words.txt", b"one\n\ntwo\n", "--key", "lineno")
    assert content(path) == {b"1": b"one", b"2": b"", b"3": b"two"}
    load(path, tmp_path, "words.txt", b"one\n", "--key", "lineno", "--key-format", "u64", "--key-prefix", "n/")
    assert content(path)[b"n/\0\0\0\0\0\0\0\1"] == b"one"


def test_jsonl_key_and_value_fields(path, tmp_path):
    rows = (
        b'{"key": "a", "value": "text"}\n\n{"value": {"n": 1}, "key": 5}\n{"key_base64": "/w==", "value_base64": ""}\n'
    )
    done = load(path, tmp_path, "rows.jsonl", rows, "--json")
    assert content(path) == {b"a": b"text", b"5": b'{"n":1}', b"\xff": b""}
    told = json.loads(done.stdout)
    assert (told["stored"], told["skipped"], told["files"]) == (3, 0, 1)


def test_jsonl_a_chosen_field_is_the_key(path, tmp_path):
    rows = b'{"id": 7, "name": "sieben", "x": null}\n'
    load(path, tmp_path, "rows.ndjson", rows, "--key", "name")
    assert content(path) == {b"sieben": b'{"id":7,"name":"sieben","x":null}'}
    load(path, tmp_path, "rows.ndjson", rows, "--key", "id", "--value", "name", "--key-format", "i64")
    assert content(path)[b"\x80\0\0\0\0\0\0\7"] == b"sieben"


def test_csv_whole_row_under_the_first_column(path, tmp_path):
    load(path, tmp_path, "t.csv", b'\xef\xbb\xbfname,note\nada,"a ""b"", c\nd"\n\nbob,\n')
    assert content(path) == {
        b"ada": json.dumps({"name": "ada", "note": 'a "b", c\nd'}, separators=(",", ":")).encode(),
        b"bob": b'{"name":"bob","note":""}',
    }


def test_csv_chosen_columns_and_no_header(path, tmp_path):
    load(path, tmp_path, "t.csv", b"a,b,c\n1,2,3\n", "--key", "c", "--value", "a")
    load(path, tmp_path, "t.csv", b"x,y\n", "--no-header", "--key", "2", "--value", "1")
    assert content(path) == {b"3": b"1", b"y": b"x"}


def test_tsv_and_encoding(path, tmp_path):
    load(path, tmp_path, "t.tsv", b'k\tv\n"caf\xe9\tx"\n', "--value", "v", "--encoding", "latin-1")
    assert content(path) == {'"café'.encode(): b'x"'}


def test_several_files_and_standard_input(path, tmp_path):
    one = tmp_path / "one.txt"
    one.write_bytes(b"a\n")
    done = lsmkv("import", path, one, "-", "--format", "txt", stdin=b"b\nc\n")
    assert done.stdout.startswith(b"stored 3 pairs") and b"from 2 files" in done.stdout


BAD = {
    "rows.jsonl": (
        b'{"key": "a"}\n{"key": \n{"key": "c"}\n[1]\n{"k": 1}\n{"key": "\xff"}\n',
        [2, 4, 5, 6],
        [b"a", b"c"],
    ),
    "rows.csv": (b'k,v\na,1\nb\n"c\nc",3\nd,1,2\ne,\xff\nf,6\n', [3, 6, 7], [b"a", b"c\nc", b"f"]),
    "rows.tsv": (b"k\tv\na\t1\nb\nc\t3\n\xff\t4\n", [3, 5], [b"a", b"c"]),
    "rows.txt": (b"a\n" + b"x" * 65_536 + b"\nc\n", [2], [b"a", b"c"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_line_ends_the_import_and_is_named(path, tmp_path, name):
    data, lines, _ = BAD[name]
    done = load(path, tmp_path, name, data, status=4)
    assert done.stderr.count(b"\n") == 1 and b"--skip-bad" in done.stderr
    assert f"{tmp_path / name}:{lines[0]}: ".encode() in done.stderr
    assert list(content(path)) == [b"a"]  # what came before it is stored, as the message says
    assert b"stored before it: 1 pair" in done.stderr


@pytest.mark.parametrize("name", BAD)
def test_malformed_lines_are_skipped_and_counted(path, tmp_path, name):
    data, lines, keys = BAD[name]
    done = load(path, tmp_path, name, data, "--skip-bad", "--json")
    assert sorted(content(path)) == keys
    told = json.loads(done.stdout)
    assert (told["stored"], told["skipped"]) == (len(keys), len(lines))
    for line in lines:
        assert f"{name}:{line}: ".encode() in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["words.ids"],
        ["-"],
        ["words.txt", "--key", "name"],
        ["words.txt", "--value", "x"],
        ["words.csv", "--encoding", "klingon"],
    ],
    ids=" ".join,
)
def test_bad_usage_stores_nothing(path, tmp_path, argv):
    for name in ("words.ids", "words.txt", "words.csv"):
        (tmp_path / name).write_bytes(b"a\n")
    file = argv[0] if argv[0] == "-" else tmp_path / argv[0]
    lsmkv("import", path, file, *argv[1:], status=2)
    assert not path.exists()


def test_a_missing_file_is_noticed_before_anything_is_stored(path, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\n")
    done = lsmkv("import", path, tmp_path / "a.txt", tmp_path / "gone.txt", status=3)
    assert b"gone.txt" in done.stderr and not path.exists()


@pytest.fixture
def odd(path):
    import lsmkv as library

    with library.open(path) as db:
        db.update(ODD)
    return path


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv"])
def test_export_and_import_lose_nothing(odd, tmp_path, form):
    file, again = tmp_path / f"out.{form}", tmp_path / "again"
    done = lsmkv("export", odd, file)
    assert done.stdout.startswith(f"wrote {len(ODD)} pairs".encode())
    file.read_bytes().decode()  # valid UTF-8, whatever was stored
    lsmkv("import", again, file)
    assert content(again) == content(odd) == dict(ODD)
    assert lsmkv("export", odd, "--format", form).stdout == file.read_bytes()


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv"])
@pytest.mark.parametrize("name", ["hex", "base64", "raw"])
def test_export_in_other_formats_comes_back(odd, tmp_path, form, name):
    file, again = tmp_path / f"out.{form}", tmp_path / "again"
    formats = ["--key-format", name, "--value-format", name]
    lsmkv("export", odd, file, *formats)
    lsmkv("import", again, file, *formats)
    assert content(again) == dict(ODD)


def test_jsonl_says_what_is_base64(odd):
    rows = [json.loads(line) for line in lsmkv("export", odd).stdout.splitlines()]
    assert {"key_base64": "//4=", "value_base64": "wyg="} in rows and {"key": "", "value": ""} in rows


def test_csv_is_read_by_other_programs(path, tmp_path):
    import csv

    load(path, tmp_path, "t.jsonl", b'{"key": "a,b", "value": "say \\"hi\\"\\nnow"}\n')
    rows = list(csv.reader(lsmkv("export", path, "--format", "csv").stdout.decode().splitlines(keepends=True)))
    assert rows == [["key", "value", "base64"], ["a,b", 'say "hi"\nnow', ""]]


def test_export_of_a_part_and_of_json_values(path, tmp_path):
    load(path, tmp_path, "t.jsonl", b'{"key": "a", "value": {"n": 1}}\n{"key": "b", "value": 2}\n')
    done = lsmkv("export", path, "--start", "a", "--stop", "b", "--value-format", "json")
    assert json.loads(done.stdout) == {"key": "a", "value": {"n": 1}}
    assert lsmkv("export", path, "--limit", "1", "--json").stdout == b'{"key": "a", "value": "{\\"n\\":1}"}\n'


def test_export_replaces_a_file_only_when_told(odd, tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("precious")
    lsmkv("export", odd, file, status=2)
    assert file.read_text() == "precious"
    told = json.loads(lsmkv("export", odd, file, "--yes", "--json").stdout)
    assert told["exported"] == len(ODD) and told["bytes"] == file.stat().st_size
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "store"]


def test_export_that_fails_leaves_no_half_a_file(odd, tmp_path):
    lsmkv("export", odd, tmp_path / "out.jsonl", "--value-format", "json", status=4)
    assert not (tmp_path / "out.jsonl").exists() and os.listdir(tmp_path) == ["store"]


def test_a_large_import_in_chunks_is_exact(path, tmp_path):
    number = 30_000
    data = b"".join(b"%07d\n" % at for at in range(number))
    told = json.loads(load(path, tmp_path, "n.txt", data, "--json").stdout)
    assert told["stored"] == number
    assert content(path) == {b"%07d" % at: b"%d" % (at + 1) for at in range(number)}
