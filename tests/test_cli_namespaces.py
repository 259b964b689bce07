"""Namespaces and expiry on the command line: --namespace, --ttl, incr, and dumps that keep both."""

import json
import os
import subprocess
import sys

import pytest

import lsmkv as library
from lsmkv import _core
from lsmkv.cli import dumpfile
from lsmkv.cli.dumpfile import Space


def lsmkv(*argv, status=0, stdin=b"", whole=False):
    done = subprocess.run(
        [sys.executable, "-m", "lsmkv", *map(os.fspath, argv)], input=stdin, capture_output=True, timeout=200
    )
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done if whole else done.stdout


def in_guests(*argv, **more):
    return lsmkv(*argv, "--namespace", "guests", **more)


# ---- --namespace --------------------------------------------------------------------------------


def test_a_namespace_has_keys_of_its_own(path):
    lsmkv("put", path, "a", "outside")
    in_guests("put", path, "a", "inside")
    in_guests("put", path, "b", "too")
    assert in_guests("get", path, "a") == b"inside" and lsmkv("get", path, "a") == b"outside"
    assert in_guests("scan", path) == b"a\tinside\nb\ttoo\n" and lsmkv("keys", path) == b"a\n"
    assert in_guests("scan", path, "--prefix", "b", "--count") == b"1\n"
    assert in_guests("exists", path, "b") == b"yes\n" and lsmkv("exists", path, "b", status=1) == b"no\n"
    in_guests("delete", path, "a")
    in_guests("delete", path, "--all", "--yes")
    assert in_guests("scan", path) == b"" and lsmkv("keys", path) == b"a\n"


def test_a_namespace_that_is_not_there(path):
    lsmkv("put", path, "a", "1")
    for command in (["get", "a"], ["exists", "a"], ["scan"], ["delete", "a"], ["export"]):
        done = in_guests(command[0], path, *command[1:], status=3, whole=True)
        assert b"there is no namespace 'guests'" in done.stderr and b"lsmkv info" in done.stderr
    with library.open(path, "r") as db:
        assert db.namespaces() == {}
    lsmkv("put", path, "a", "1", "--namespace", "", status=2)


def test_what_is_typed_wrongly_makes_no_namespace(path):
    in_guests("put", path, "x", "1", "--key-format", "i64", status=2)
    assert not path.exists()
    lsmkv("put", path, "a", "1")
    in_guests("put", path, "x", "1", "--key-format", "i64", status=2)
    with library.open(path, "r") as db:
        assert db.namespaces() == {}


def test_formats_follow_the_codecs_of_the_namespace(path):
    with library.open(path) as db:
        db.namespace("guests", key="i64", value="json")[-7] = {"name": "Ada"}
    assert in_guests("scan", path) == b'-7\t{"name":"Ada"}\n'
    in_guests("put", path, "8", "[]")
    in_guests("put", path, "eight", "[]", status=2)
    assert in_guests("get", path, "8") == b"[]\n"


def test_export_and_import(path, tmp_path):
    in_guests("put", path, "a", "1")
    in_guests("import", tmp_path / "copy", "-", "--format", "jsonl", stdin=in_guests("export", path))
    assert in_guests("scan", tmp_path / "copy") == b"a\t1\n" and lsmkv("scan", tmp_path / "copy") == b""


def test_namespaces_are_told(path):
    with library.open(path) as db:
        db.namespace("rooms", key="(str,i64)", value="json", ttl=3600.5)
        db.namespace("guests")[b"key"] = b"value"
        db[b"k"] = b"v"
    facts = {
        "guests": {"key": "bytes", "value": "bytes", "ttl": None, "id": 2},
        "rooms": {"key": "(str,i64)", "value": "json", "ttl": 3600.5, "id": 1},
    }
    for command in ("info", "options"):
        assert json.loads(lsmkv(command, path, "--json"))["namespaces"] == facts
        text = lsmkv(command, path).decode()
        assert "rooms" in text and "(str,i64) keys, json values; a key lives 3,600.5 s" in text
    told = json.loads(lsmkv("info", path, "--count", "--json"))
    assert (told["keys"], told["live_bytes"]) == (2, 10)


# ---- --ttl --------------------------------------------------------------------------------------


def test_put_with_an_expiry(path):
    lsmkv("put", path, "a", "1", "--ttl", "1000")
    lsmkv("put", path, "b", "1")
    with library.open(path, "r") as db:
        assert 900 < db.ttl(b"a") <= 1000 and db.ttl(b"b") is None
    for wrong in ("0", "-1", "nan", "soon"):
        assert lsmkv("put", path, "c", "1", f"--ttl={wrong}", status=2, whole=True).stderr
    assert lsmkv("exists", path, "c", status=1) == b"no\n"


def test_a_namespace_decides_what_no_ttl_means(path):
    with library.open(path) as db:
        db.namespace("guests", ttl=500)
    in_guests("put", path, "a", "1")
    in_guests("put", path, "b", "1", "--ttl", "inf")
    with library.open(path, "r") as db, db.namespace("guests", create=False) as guests:
        assert 400 < guests.ttl(b"a") <= 500 and guests.ttl(b"b") is None


# ---- incr ---------------------------------------------------------------------------------------


def test_incr(path):
    assert lsmkv("incr", path, "n") == b"1\n"
    assert lsmkv("incr", path, "n", "41") == b"42\n"
    assert lsmkv("incr", path, "n", "-50") == b"-8\n"
    assert lsmkv("get", path, "n") == b"-8"
    assert json.loads(lsmkv("incr", path, "n", "8", "--json")) == {"key": "n", "value": 0}
    assert in_guests("incr", path, "n") == b"1\n" and lsmkv("get", path, "n") == b"0"


def test_incr_goes_by_the_codecs(path):
    with library.open(path, key="i64", value="json") as db:
        db[7], db[8] = 1.5, "text"
    assert lsmkv("incr", path, "7", "0.25") == b"1.75\n" and lsmkv("incr", path, "9") == b"1\n"
    assert b"8 was not changed" in lsmkv("incr", path, "8", status=4, whole=True).stderr
    assert lsmkv("get", path, "8") == b'"text"\n'


def test_incr_in_a_namespace_goes_by_its_codecs_alone(path):
    with library.open(path, value="pickle") as db:
        db.namespace("guests", key="i64", value="json")[7] = 1
    assert in_guests("incr", path, "7") == b"2\n"
    assert b"pickle" in lsmkv("incr", path, "k", status=4, whole=True).stderr


@pytest.mark.parametrize("delta, status", [("1", 4), ("1.5", 2), ("much", 2), ("nan", 2), ("inf", 2)])
def test_incr_refuses(path, delta, status):
    lsmkv("put", path, "word", "hello")
    assert lsmkv("incr", path, "word", delta, status=status, whole=True).stderr
    assert lsmkv("get", path, "word") == b"hello"


def test_incr_that_makes_no_sense_makes_no_store(path):
    lsmkv("incr", path, "k", "much", status=2)
    assert not path.exists()


# ---- the moment of an expiry, exactly -------------------------------------------------------------

MOMENT = 1_999_999_999_123_456_789  # a float of seconds cannot hold it


def test_an_expiry_comes_back_to_the_nanosecond(path):
    with library.open(path) as db:
        _core.put_until(db, b"k", b"v", MOMENT)
        _core.put_until(db, b"for ever", b"v", None)
        with db.snapshot() as frozen, db.transaction() as tx:
            _core.put_until(db, b"k", b"w", MOMENT + 1)
            _core.put_until(tx, b"t", b"v", MOMENT)
            assert _core.expires_at(frozen, b"k") == _core.expires_at(tx, b"t") == MOMENT
        assert _core.expires_at(db, b"k") == MOMENT + 1 and _core.expires_at(db, b"for ever") is None
        _core.put_until(db, b"k", b"gone", 1)
        assert b"k" not in db
        with pytest.raises(KeyError):
            _core.expires_at(db, b"k")


@pytest.mark.parametrize(
    "moment, error", [(0, ValueError), (2**64 - 1, ValueError), (-1, OverflowError), (1.5, TypeError)]
)
def test_a_moment_that_is_none(path, moment, error):
    with library.open(path) as db, pytest.raises(error):
        _core.put_until(db, b"k", b"v", moment)


def test_who_is_asked_for_an_expiry(path):
    with library.open(path) as db, db.snapshot() as frozen:
        for call in (
            lambda: _core.expires_at(7, b"k"),
            lambda: _core.expires_at(db),
            lambda: _core.put_until(frozen, b"k", b"v", None),
            lambda: _core.put_until(db, b"k", b"v"),
        ):
            with pytest.raises(TypeError, match="takes a store"):
                call()


def test_a_ttl_in_milliseconds_is_kept_as_it_is():
    """Multiplied by 1000, 2.007 is a little more than 2007."""
    with library.open(None) as db:
        for milliseconds in (1, 2007, 2011, 8_200, 999_999_999_999):
            db.namespace(f"n{milliseconds}", ttl=milliseconds / 1e3)
            assert db.namespaces()[f"n{milliseconds}"]["ttl"] == milliseconds / 1e3
        db.namespace("between", ttl=0.0011)
        assert db.namespaces()["between"]["ttl"] == 0.002


# ---- dump and load ------------------------------------------------------------------------------


@pytest.fixture
def hotel(path):
    """Two namespaces, one of them with a lifetime, an empty one, and a key that expires in each kind of place."""
    with library.open(path, key="str") as db:
        db["a"] = b"1"
        _core.put_until(db, "b", b"2", MOMENT)
        rooms = db.namespace("rooms", key="(str,i64)", value="json", ttl=2.007)
        _core.put_until(rooms, ("x", 1), {"beds": 2}, MOMENT + 1)
        _core.put_until(rooms, ("x", 2), [], None)
        db.namespace("guests").update((b"%d" % at, b"") for at in range(10_000))
        db.namespace("empty", value=library.codecs.ValueCodec("mine", bytes, bytes))
    return path


def everything(path):
    with library.open(path, "r", key="raw", value="raw") as db:
        found = {None: [*db.items(), *(_core.expires_at(db, key) for key in db)], "": {}}
        for name, about in db.namespaces().items():
            del about["id"]  # a copy makes them in the order of their names
            found[""][name] = about
            space = db.namespace(name, key="raw", value="raw", create=False)
            found[name] = [*space.items(), *(_core.expires_at(space, key) for key in space)]
        return found


def test_a_dump_loses_nothing(hotel, tmp_path):
    text = lsmkv("dump", hotel)
    assert lsmkv("load", tmp_path / "copy", stdin=text).startswith(b"stored 10,004 pairs")
    assert everything(tmp_path / "copy") == everything(hotel) and lsmkv("dump", tmp_path / "copy") == text
    lsmkv("load", tmp_path / "copy", stdin=text)
    assert everything(tmp_path / "copy") == everything(hotel)


def test_what_has_expired_since_the_dump_is_gone(path):
    content = [Space(None, "bytes", "bytes", None), (b"gone", b"", 1), (b"stays", b"", None)]
    lsmkv("put", path, "gone", "before")
    lsmkv("load", path, stdin=b"".join(dumpfile.write(content)))
    assert lsmkv("keys", path) == b"stays\n"


def test_a_namespace_with_other_codecs_stays_as_it_is(hotel, tmp_path):
    with library.open(tmp_path / "copy", key="str") as db:
        db.namespace("guests", key="str")["kept"] = b"1"
    done = lsmkv("load", tmp_path / "copy", stdin=lsmkv("dump", hotel), status=4, whole=True)
    assert b"the namespace guests of" in done.stderr and b"the first 2 pairs are stored" in done.stderr
    with library.open(tmp_path / "copy", "r", key="str") as db:
        assert dict(db.namespace("guests", key="str", create=False).items()) == {"kept": b"1"}


def test_pairs_that_never_expire_do_so_in_a_namespace_with_a_lifetime(path, tmp_path):
    with library.open(path) as db:
        db.namespace("n")[b"k"] = b"v"
    with library.open(tmp_path / "copy") as db:
        db.namespace("n", ttl=60)
    lsmkv("load", tmp_path / "copy", stdin=lsmkv("dump", path))
    with library.open(tmp_path / "copy", "r") as db:
        assert db.namespace("n", create=False).ttl(b"k") is None


def test_no_dump_chooses_pickle_for_a_namespace(path, tmp_path):
    with library.open(path) as db:
        db.namespace("n", value="pickle")[b"k"] = 7
    text = lsmkv("dump", path)
    assert b"which no file may choose" in lsmkv("load", tmp_path / "copy", stdin=text, status=2, whole=True).stderr
    with library.open(tmp_path / "copy") as db:
        db.namespace("n", value="pickle")
    lsmkv("load", tmp_path / "copy", stdin=text)
    with library.open(tmp_path / "copy") as db:
        assert db.namespace("n", value="pickle")[b"k"] == 7


def test_the_format_mdb_says_what_it_loses(hotel, tmp_path):
    done = lsmkv("dump", hotel, "--format", "mdb", whole=True)
    assert done.stderr == (
        b"lsmkv dump: the format mdb leaves out 3 namespaces (empty, guests, rooms) and writes 1 key without the time "
        b"at which they expire. --format lsmkv keeps everything.\n"
    )
    lsmkv("load", tmp_path / "copy", stdin=done.stdout)
    assert everything(tmp_path / "copy") == {None: [(b"a", b"1"), (b"b", b"2"), None, None], "": {}}
