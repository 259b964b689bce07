"""The commands on data: put, get, delete, exists, scan. Success, --json, a negative answer, formats, odd bytes."""

import json
import os
import subprocess
import sys

import pytest

import lsmkv as library

ODD = b"\xff\x00\n\t\x1b[31m\xc3"  # not UTF-8, and nothing a terminal should be sent


@pytest.fixture
def lsmkv(tmp_path):
    """lsmkv(*argv, status=0, stdin=b"") -> stdout as bytes, or the finished process for whole=True."""

    def call(*argv, status=0, stdin=b"", whole=False, env=None):
        done = subprocess.run(
            [sys.executable, "-m", "lsmkv", *argv],
            input=stdin,
            capture_output=True,
            timeout=200,
            cwd=tmp_path,
            env={**os.environ, **(env or {})},
        )
        assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr
        return done if whole else done.stdout

    return call


@pytest.fixture
def store(path):
    """A store with apple, banana, cherry and date."""
    with library.open(path) as db:
        db.update({b"apple": b"red", b"banana": b"yellow", b"cherry": b"dark red", b"date": b"brown"})
    return path


def objects(data):
    return [json.loads(line) for line in data.splitlines()]


def test_put_then_get_in_another_process(lsmkv, path):
    assert lsmkv("put", path, "greeting", "hello, world") == b""
    assert lsmkv("get", path, "greeting") == b"hello, world"


@pytest.mark.parametrize("put, get, delete", [("insert", "retrieve", "rm"), ("set", "get", "delete")])
def test_commands_have_second_names(lsmkv, path, put, get, delete):
    lsmkv(put, path, "k", "v")
    assert lsmkv(get, path, "k") == b"v"
    lsmkv(delete, path, "k")
    lsmkv("exists", path, "k", status=1)


def test_put_replaces(lsmkv, store):
    lsmkv("put", store, "apple", "green", "--sync")
    assert lsmkv("get", store, "apple") == b"green"


def test_put_in_json_names_key_and_position(lsmkv, path):
    (told,) = objects(lsmkv("put", path, "k", "four", "--json"))
    assert told["stored"] is True and told["key"] == "k" and told["bytes"] == 4 and told["lsn"]


def test_a_value_comes_from_standard_input_unchanged(lsmkv, path):
    lsmkv("put", path, "odd", stdin=ODD)
    assert lsmkv("get", path, "odd") == ODD


def test_a_value_goes_into_a_pipe_without_a_line_end(lsmkv, store):
    assert lsmkv("get", store, "apple") == b"red"
    assert lsmkv("get", store, "apple", "--value-format", "hex") == b"726564\n"


def test_empty_key_and_empty_value_are_ordinary(lsmkv, path):
    lsmkv("put", path, "", "")
    assert lsmkv("get", path, "") == b""
    assert lsmkv("exists", path, "") == b"yes\n"


def test_get_of_what_is_not_there_is_a_negative_answer(lsmkv, store):
    done = lsmkv("get", store, "nothing", status=1, whole=True)
    assert done.stdout == b"" and done.stderr == b"lsmkv get: nothing is not there\n"
    assert objects(lsmkv("get", store, "nothing", "--json", status=1)) == [{"key": "nothing", "found": False}]


def test_get_of_several_keys(lsmkv, store):
    assert lsmkv("get", store, "date", "apple") == b"date\tbrown\napple\tred\n"
    found = objects(lsmkv("get", store, "apple", "nothing", "--json", status=1))
    assert found == [{"key": "apple", "found": True, "value": "red"}, {"key": "nothing", "found": False}]


def test_exists(lsmkv, store):
    assert lsmkv("exists", store, "apple") == b"yes\n"
    assert lsmkv("exists", store, "nothing", status=1) == b"no\n"
    assert objects(lsmkv("exists", store, "apple", "--json")) == [{"key": "apple", "exists": True}]


def test_delete_tells_which_keys_were_not_there(lsmkv, store):
    done = lsmkv("delete", store, "apple", "nothing", status=1, whole=True)
    assert done.stderr == b"lsmkv delete: nothing is not there\n"
    lsmkv("exists", store, "apple", status=1)
    told = {"deleted": 1, "missing": [{"key": "apple"}], "dry_run": False}
    assert objects(lsmkv("rm", store, "apple", "date", "--json", status=1)) == [told]


def test_delete_dry_run_deletes_nothing(lsmkv, store):
    assert lsmkv("delete", store, "apple", "--dry-run") == b"would delete 1 key\n"
    assert lsmkv("delete", store, "--all", "--dry-run") == b"would delete 4 keys\n"
    assert lsmkv("scan", store, "--count") == b"4\n"


def test_a_range_is_deleted_only_with_consent(lsmkv, store):
    done = lsmkv("delete", store, "--start", "b", "--stop", "d", status=2, whole=True)
    assert b"nothing was done" in done.stderr and b"--yes" in done.stderr
    assert lsmkv("keys", store) == b"apple\nbanana\ncherry\ndate\n"
    assert lsmkv("delete", store, "--start", "b", "--stop", "d", "--yes") == b"deleted 2 keys\n"
    assert lsmkv("keys", store) == b"apple\ndate\n"
    assert objects(lsmkv("delete", store, "--all", "--yes", "--json")) == [{"deleted": 2, "dry_run": False}]


@pytest.mark.parametrize("argv", [[], ["apple", "--all"], ["apple", "--prefix", "b"], ["--all", "--prefix", "b"]])
def test_delete_wants_keys_or_one_range(lsmkv, store, argv):
    lsmkv("delete", store, *argv, status=2)
    assert lsmkv("scan", store, "--count") == b"4\n"


def test_scan_is_in_key_order(lsmkv, store):
    assert lsmkv("scan", store) == b"apple\tred\nbanana\tyellow\ncherry\tdark red\ndate\tbrown\n"
    assert lsmkv("keys", store) == lsmkv("ls", store) == lsmkv("scan", store, "--keys-only")


@pytest.mark.parametrize(
    "argv, keys",
    [
        (["--start", "banana"], "banana cherry date"),
        (["--stop", "cherry"], "apple banana"),
        (["--start", "b", "--stop", "d"], "banana cherry"),
        (["--prefix", "ch"], "cherry"),
        (["--prefix", "ch", "--start", "d"], ""),
        (["--reverse"], "date cherry banana apple"),
        (["--reverse", "--limit", "2"], "date cherry"),
        (["--start", "b", "--stop", "d", "--reverse"], "cherry banana"),
        (["--limit", "0"], ""),
    ],
)
def test_scan_of_a_part(lsmkv, store, argv, keys):
    assert lsmkv("keys", store, *argv).decode().split() == keys.split()
    assert lsmkv("scan", store, *argv, "--count").decode().split() == [str(len(keys.split()))]


def test_scan_in_json_is_an_object_a_line(lsmkv, store):
    assert objects(lsmkv("scan", store, "--json", "--limit", "1")) == [{"key": "apple", "value": "red"}]
    assert objects(lsmkv("keys", store, "--json", "--limit", "1")) == [{"key": "apple"}]
    assert objects(lsmkv("scan", store, "--count", "--json")) == [{"count": 4}]


def test_odd_bytes_stay_exact_in_a_pipe_and_are_flagged_in_json(lsmkv, path):
    lsmkv("put", path, "ff00", "--key-format", "hex", stdin=ODD)
    assert lsmkv("scan", path) == b"\xff\x00\t" + ODD + b"\n"
    (told,) = objects(lsmkv("scan", path, "--json"))
    assert told == {"key_base64": "/wA=", "value_base64": "/wAKCRtbMzFtww=="}


def test_prefix_of_ff_bytes_has_no_end(lsmkv, path):
    for key in ("fe", "ff", "ffff01"):
        lsmkv("put", path, key, "v", "--key-format", "hex")
    assert lsmkv("keys", path, "--prefix", "ff", "--key-format", "hex") == b"ff\nffff01\n"


@pytest.mark.parametrize(
    "name, given, stored",
    [
        ("utf8", "é", "é".encode()),
        ("raw", "é", "é".encode()),
        ("hex", "00ff", b"\x00\xff"),
        ("base64", "AP8=", b"\x00\xff"),
        ("json", '{"b": [1, null]}', b'{"b":[1,null]}'),
        ("i64", "-1", b"\x7f" + b"\xff" * 7),
        ("u64", "258", b"\0\0\0\0\0\0\1\2"),
    ],
)
def test_formats_of_keys_and_values(lsmkv, path, name, given, stored):
    lsmkv("put", path, given, given, "--key-format", name, "--value-format", name)
    assert lsmkv("keys", path) == stored + b"\n"
    assert lsmkv("get", path, given, "--key-format", name) == stored
    shown = lsmkv("scan", path, "--key-format", name, "--value-format", name)
    assert shown == b"\t".join([given.replace(" ", "").encode()] * 2) + b"\n"
    (told,) = objects(lsmkv("scan", path, "--json", "--key-format", name, "--value-format", name))
    assert told["key"] == told["value"] == (json.loads(given) if name in ("json", "i64", "u64") else given)


def test_numbers_sort_as_numbers(lsmkv, path):
    for number in ("10", "-3", "9", "-200"):
        lsmkv("put", path, number, "v", "--key-format", "i64")
    assert lsmkv("keys", path, "--key-format", "i64").split() == [b"-200", b"-3", b"9", b"10"]


@pytest.mark.parametrize(
    "name, given", [("hex", "0g"), ("base64", "?"), ("json", "{"), ("i64", "one"), ("u64", "-1"), ("i64", str(1 << 63))]
)
def test_a_key_that_does_not_fit_its_format_is_a_usage_error(lsmkv, store, name, given):
    done = lsmkv("get", store, given, "--key-format", name, status=2, whole=True)
    assert done.stderr.count(b"\n") == 1 and given.encode() in done.stderr


def test_a_stored_value_that_does_not_fit_the_format_asked_for(lsmkv, store):
    for name in ("json", "i64"):
        done = lsmkv("get", store, "apple", "--value-format", name, status=4, whole=True)
        assert done.stdout == b"" and b"--value-format hex" in done.stderr


def test_keys_that_look_like_options_follow_two_dashes(lsmkv, path):
    lsmkv("put", path, "--", "--strange", "-v")
    assert lsmkv("get", path, "--", "--strange") == b"-v"


def test_at_stands_for_the_environment(lsmkv, path):
    lsmkv("put", "@", "k", "v", env={"LSMKV_DB": str(path)})
    assert lsmkv("get", path, "k") == b"v"
    done = lsmkv("get", "@", "k", status=2, env={"LSMKV_DB": ""}, whole=True)
    assert b"LSMKV_DB" in done.stderr


def test_a_path_that_is_not_utf8(lsmkv, tmp_path):
    odd = os.fsencode(tmp_path) + b"/st\xffre"
    lsmkv("put", odd, "k", "v")
    assert lsmkv("get", odd, "k") == b"v"
    assert b"bytes" in lsmkv("info", odd, "--json")
    lsmkv("info", odd)
