"""Keys of a store that is not of bytes, on the command line: typed as what they are, and refused when they are none."""

import json
import subprocess
import sys

import pytest

import lsmkv
from lsmkv.cli import typed

KEYS = {
    "(str,i64)": (("Ada", 7), '["Ada",7]'),
    "(str,desc((bool,bytes)))": (("x", (True, b"y")), '["x",[true,"y"]]'),
    "f64": (2.5, "2.5"),
    "desc(i64)": (-3, "-3"),
    "str": ("text", "text"),
    "datetime": (None, "2026-01-31T12:00:00+00:00"),
    "uuid": (None, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
}


def lsmkv_(*words):
    return subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(str, words)], capture_output=True, text=True, timeout=200
    )


@pytest.mark.parametrize("codec", KEYS)
def test_there_and_back(codec):
    key, text = KEYS[codec]
    data = typed.parse(codec, text)
    document = typed.document_of(codec, data)
    assert (document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))) == text
    if key is not None:
        assert lsmkv.codecs.key(codec).decode(data) == key


def test_a_store_of_tuples(path):
    with lsmkv.open(path, key="(str,i64)", value="json") as db:
        db["Bo", 1] = 1
    assert lsmkv_("put", path, '["Ada",7]', "2").returncode == 0
    assert lsmkv_("scan", path).stdout == '["Ada",7]\t2\n["Bo",1]\t1\n'
    assert lsmkv_("get", path, '["Bo",1]').stdout.strip() == "1"
    assert lsmkv_("scan", path, "--prefix", '["Bo"]').stdout == '["Bo",1]\t1\n'
    with lsmkv.open(path, key="(str,i64)", value="json") as db:
        assert dict(db) == {("Ada", 7): 2, ("Bo", 1): 1}


@pytest.mark.parametrize(
    "words", [["41"], ["nonsense"], ['["Zed"]'], ['["Zed",5,6]'], ['["Zed","5"]'], ["41", "--key-format", "hex"]]
)
def test_what_is_no_key_is_not_stored(path, words):
    with lsmkv.open(path, key="(str,i64)", value="json") as db:
        db["Bo", 1] = 1
    done = lsmkv_("put", path, words[0], "2", *words[1:])
    assert done.returncode == 2 and "codec (str,i64)" in done.stderr
    with lsmkv.open(path, key="(str,i64)", value="json") as db:
        assert dict(db) == {("Bo", 1): 1}


def test_export_and_import(path, tmp_path):
    with lsmkv.open(path, key="(str,i64)", value="json") as db:
        db["Bo", 1] = {"x": [1]}
    rows, other = tmp_path / "rows.jsonl", tmp_path / "other"
    assert lsmkv_("export", path, rows).returncode == 0
    assert json.loads(rows.read_text()) == {"key": ["Bo", 1], "value": {"x": [1]}}
    with lsmkv.open(other, key="(str,i64)", value="json"):
        pass
    assert lsmkv_("import", other, rows).returncode == 0
    with lsmkv.open(other, key="(str,i64)", value="json") as db:
        assert dict(db) == {("Bo", 1): {"x": [1]}}
