"""lsmkv.dbm against what the documentation of dbm promises, against CPython's own tests where the interpreter ships
them, under shelve, and in the way a crawler's cache uses whatever dbm module it is told."""

import dbm
import doctest
import gc
import importlib
import io
import os
import pickle
import shelve
import time
import unittest
import warnings

import pytest

import lsmkv
import lsmkv.dbm


@pytest.fixture
def db(path):
    with lsmkv.dbm.open(path, "c") as db:
        yield db


# ---- the module ----------------------------------------------------------------------------------


def test_examples():
    assert doctest.testmod(lsmkv.dbm).failed == 0


def test_it_is_not_loaded_until_asked_for(run_python):
    run_python("import sys, lsmkv; assert not {'lsmkv.dbm', 'dbm'} & set(sys.modules)")


def test_error_is_an_os_error_as_dbm_wants_it():
    assert issubclass(lsmkv.dbm.error, OSError)
    assert lsmkv.dbm.library == "lsmkv"


@pytest.mark.parametrize("as_what", [str, os.fsencode, lambda path: path, lambda path: os.fspath(path).encode()])
def test_open_takes_any_kind_of_path(path, as_what):
    lsmkv.dbm.open(as_what(path), "c").close()
    assert lsmkv.dbm.whichdb(as_what(path)) == "lsmkv.dbm"


@pytest.mark.parametrize("flag", ["r", "w"])
def test_read_and_write_need_a_database(path, flag):
    with pytest.raises(lsmkv.dbm.error) as caught:
        lsmkv.dbm.open(path, flag)
    assert isinstance(caught.value.__cause__, lsmkv.StoreNotFoundError)
    assert caught.value.errno == caught.value.__cause__.errno
    assert not path.exists()


def test_read_is_the_default_and_refuses_writes(path):
    with lsmkv.dbm.open(path, "c") as db:
        db["k"] = "v"
    with lsmkv.dbm.open(path) as db:
        assert db["k"] == b"v"
        for write in (lambda: db.__setitem__("k", "w"), lambda: db.__delitem__("k"), db.clear):
            with pytest.raises(lsmkv.dbm.error, match="reading only"):
                write()
        db.sync()
        assert db["k"] == b"v"


def test_write_and_create_keep_what_is_there_and_new_does_not(path):
    for flag, expected in (("c", [b"c"]), ("w", [b"c", b"w"]), ("c", [b"c", b"w"]), ("n", [b"n"])):
        with lsmkv.dbm.open(path, flag) as db:
            db[flag] = b""
            assert db.keys() == expected, flag


@pytest.mark.parametrize("flag", ["x", "", "rw", "cf", None])
def test_another_flag_is_a_value_error(path, flag):
    with pytest.raises(ValueError, match="'r', 'w', 'c' and 'n'"):
        lsmkv.dbm.open(path, flag)
    assert not path.exists()


def test_new_takes_the_place_of_an_empty_file_only(path):
    path.write_bytes(b"")
    with lsmkv.dbm.open(path, "n") as db:
        assert len(db) == 0
    other = path.with_name("letter")
    other.write_bytes(b"dear")
    for flag in ("n", "c", "r"):
        with pytest.raises(lsmkv.dbm.error, match="not a directory"):
            lsmkv.dbm.open(other, flag)
    assert other.read_bytes() == b"dear"


def test_mode_is_of_the_files_and_the_directory_can_be_entered(path):
    before = os.umask(0o022)
    try:
        lsmkv.dbm.open(path, "c").close()
        private = path.with_name("private")
        lsmkv.dbm.open(private, "c", 0o600).close()
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777, (path / "CURRENT").stat().st_mode & 0o777] == [0o755, 0o644]
    assert [private.stat().st_mode & 0o777, (private / "CURRENT").stat().st_mode & 0o777] == [0o700, 0o600]


def test_whichdb_knows_a_store_and_leaves_the_rest_to_dbm(path, tmp_path):
    assert lsmkv.dbm.whichdb(path) is None
    lsmkv.open(path).close()
    assert lsmkv.dbm.whichdb(path) == "lsmkv.dbm"
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "CURRENT").write_text("affairs")
    assert lsmkv.dbm.whichdb(stranger) is None
    (tmp_path / "text").write_text("this is no database at all")
    assert lsmkv.dbm.whichdb(tmp_path / "text") == ""


def test_it_is_the_store_that_lsmkv_opens(path):
    with lsmkv.dbm.open(path, "c") as db, lsmkv.open(path) as store:
        db["k"] = "v"
        assert store[b"k"] == b"v"


def test_a_writer_in_another_process_is_an_error(path, run_python):
    with lsmkv.dbm.open(path, "c"):
        run_python(
            """if True:
            import sys, lsmkv.dbm
            try:
                lsmkv.dbm.open(sys.argv[1], "w")
            except lsmkv.dbm.error as caught:
                assert isinstance(caught.__cause__, lsmkv.LockedError), caught
            else:
                sys.exit("not refused")
            """,
            path,
        )


# ---- the mapping ---------------------------------------------------------------------------------


def test_str_is_utf8_and_bytes_come_back(db):
    db["ключ"] = "значение"
    assert db["ключ".encode()] == "значение".encode()
    assert "ключ" in db and "ключ".encode() in db and "key" not in db
    assert db.get("ключ") == db.setdefault("ключ", "other") == "значение".encode()
    assert db.get("nothing") is None and db.get("nothing", 7) == 7
    assert db.pop("ключ") == "значение".encode()
    with pytest.raises(KeyError):
        db["ключ"]
    with pytest.raises(KeyError):
        del db["ключ"]


@pytest.mark.parametrize("key", [None, 1, 1.5, ("a",)])
def test_another_key_is_a_type_error(db, key):
    for use in (db.__getitem__, db.__delitem__, db.__contains__, db.get, lambda key: db.__setitem__(key, b"")):
        with pytest.raises(TypeError):
            use(key)
    with pytest.raises(TypeError):
        db[b"k"] = key


def test_setdefault(db):
    assert db.setdefault("a") == b"" and db.setdefault("b", None) == b"" and db.setdefault("c", "x") == b"x"
    assert db.setdefault("c", "y") == b"x"


def test_setdefault_never_replaces(db):
    """Somebody writes the key after it was found missing."""

    class Late(str):
        def encode(self, *unused):
            db["k"] = "theirs"
            return b"ours"

    assert db.setdefault("k", Late()) == db["k"] == b"theirs"


def test_keys_are_a_list_and_everything_else_is_in_their_order(db):
    db.update({b"b": b"2", b"a": b"1"}, c=b"3")
    assert db.keys() == list(db) == [b"a", b"b", b"c"]
    assert list(db.values()) == [b"1", b"2", b"3"]
    assert list(db.items()) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]
    assert ("a", b"1") in db.items() and b"3" in db.values() and len(db.items()) == len(db) == 3
    assert db.popitem() == (b"a", b"1") and db
    db.clear()
    assert not db and db.keys() == [] and db.firstkey() is None


def test_walking_by_firstkey_and_nextkey_while_deleting(db):
    keys = [b"%03d" % i for i in range(100)]
    db.update(dict.fromkeys(keys, b""))
    seen, key = [], db.firstkey()
    while key is not None:
        seen.append(key)
        del db[key]
        key = db.nextkey(key)
    assert seen == keys and len(db) == 0
    assert db.nextkey("anything") is None


def test_deleting_while_iterating(db):
    db.update({b"%04d" % i: b"%d" % i for i in range(1000)})
    for key in db:
        del db[key]
    assert len(db) == 0


def test_sync_and_reorganize(path, taken):
    with lsmkv.dbm.open(path, "c") as db:
        db.update({b"%04d" % i: os.urandom(1000) for i in range(2000)})
        db.reorganize()
        full = taken(path)
        for key in db.keys()[100:]:
            del db[key]
        db.sync()
        db.reorganize()
        assert len(db) == 100
    assert taken(path) < full / 4


# ---- the end -------------------------------------------------------------------------------------

USES = {
    "getitem": lambda db: db["k"],
    "setitem": lambda db: db.__setitem__("k", "v"),
    "delitem": lambda db: db.__delitem__("k"),
    "contains": lambda db: "k" in db,
    "get": lambda db: db.get("k"),
    "setdefault": lambda db: db.setdefault("k"),
    "len": len,
    "bool": bool,
    "keys": lambda db: db.keys(),
    "iter": list,
    "items": lambda db: list(db.items()),
    "values": lambda db: list(db.values()),
    "firstkey": lambda db: db.firstkey(),
    "nextkey": lambda db: db.nextkey("k"),
    "clear": lambda db: db.clear(),
    "sync": lambda db: db.sync(),
    "reorganize": lambda db: db.reorganize(),
    "with": lambda db: db.__enter__(),
}


@pytest.mark.parametrize("use", USES)
def test_use_after_close_is_an_error(path, use):
    db = lsmkv.dbm.open(path, "c")
    db.close()
    db.close()
    with pytest.raises(lsmkv.dbm.error, match="closed"):
        USES[use](db)


def test_closing_ends_an_iteration_with_an_error(path):
    with lsmkv.dbm.open(path, "c") as db:
        db.update({b"%04d" % i: b"" for i in range(1000)})
        walk = iter(db)
        next(walk)
    with pytest.raises(lsmkv.dbm.error, match="closed"):
        list(walk)


def test_every_public_name_was_used_after_close():
    named = {name for name in vars(lsmkv.dbm.Database) if not name.startswith("_")} - {"close"}
    assert named <= set(USES)


# ---- shelve --------------------------------------------------------------------------------------


@pytest.mark.parametrize("writeback", [False, True])
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_shelf(path, writeback, protocol):
    with shelve.Shelf(lsmkv.dbm.open(path, "c"), protocol=protocol, writeback=writeback) as shelf:
        shelf["numbers"] = [1, 2]
        shelf["numbers"].append(3)  # seen only by a shelf that writes back
        shelf["gone"] = object
        del shelf["gone"]
        shelf.sync()
        assert sorted(shelf) == ["numbers"] and "numbers" in shelf and len(shelf) == 1
    with pytest.raises(ValueError, match="closed shelf"):
        shelf["numbers"]
    with shelve.Shelf(lsmkv.dbm.open(path, "w" if writeback else "r"), writeback=writeback) as shelf:
        assert shelf["numbers"] == ([1, 2, 3] if writeback else [1, 2])
        assert shelf.get("gone") is None


def test_a_forgotten_shelf_keeps_what_it_was_given(path):
    shelf = shelve.Shelf(lsmkv.dbm.open(path, "c"), writeback=True)
    shelf["k"] = {}
    shelf["k"]["deep"] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # shelve closes what it is given
        del shelf
        gc.collect()
    with shelve.Shelf(lsmkv.dbm.open(path)) as shelf:
        assert shelf["k"] == {"deep": 1}


# ---- a crawler's cache -----------------------------------------------------------------------------


class PageCache:
    """Pages by fingerprint in whatever dbm module is named: two entries a page, one of them a time as text."""

    def __init__(self, module_name, directory, name, expires_after):
        self.db = importlib.import_module(module_name).open(os.path.join(directory, f"{name}.db"), "c")
        self.expires_after = expires_after

    def store(self, fingerprint, page, now):
        self.db[f"{fingerprint}_data"] = pickle.dumps(page, protocol=4)
        self.db[f"{fingerprint}_time"] = str(now)

    def load(self, fingerprint, now):
        if f"{fingerprint}_time" not in self.db:
            return None
        if 0 < self.expires_after < now - float(self.db[f"{fingerprint}_time"]):
            return None
        return pickle.loads(self.db[f"{fingerprint}_data"])


def test_a_crawlers_cache(tmp_path):
    page = {"status": 200, "url": "http://host/", "headers": {b"Server": [b"x"]}, "body": os.urandom(1 << 20)}
    now = time.time()
    cache = PageCache("lsmkv.dbm", tmp_path, "spider", 3600)
    for i in range(50):
        cache.store(f"{i:040x}", {**page, "url": f"http://host/{i}"}, now)
    cache.db.close()
    cache = PageCache("lsmkv.dbm", tmp_path, "spider", 3600)
    assert cache.load(f"{7:040x}", now) == {**page, "url": "http://host/7"}
    assert cache.load(f"{7:040x}", now + 3601) is None
    assert cache.load("unknown", now) is None
    assert f"{7:040x}_data".encode() in cache.db
    cache.db.close()


# ---- CPython's own -------------------------------------------------------------------------------

try:
    from test import mapping_tests
    from test.test_dbm import AnyDBMTestCase
except ImportError:  # many distributions leave the package `test` out
    AnyDBMTestCase = mapping_tests = None

SHIPPED = "needs the package `test` of CPython, which this interpreter does not ship"


def names_in(case):
    return [name for name in dir(case) if name.startswith("test_")] if case else [pytest.param("", marks=skipped)]


skipped = pytest.mark.skip(reason=SHIPPED)


def run_case(case, name):
    said = io.StringIO()
    result = unittest.TextTestRunner(said).run(unittest.TestSuite([case(name)]))
    assert result.testsRun == 1 and result.wasSuccessful(), said.getvalue()


@pytest.mark.parametrize("name", names_in(AnyDBMTestCase))
def test_cpython_dbm(name, tmp_path, monkeypatch):
    """Their tests go through dbm.open(), which asks whichdb() and then a table of modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dbm, "whichdb", lsmkv.dbm.whichdb)
    monkeypatch.setitem(dbm._modules, "lsmkv.dbm", lsmkv.dbm)
    run_case(type("OurCase", (AnyDBMTestCase, unittest.TestCase), {"module": lsmkv.dbm}), name)


def mapping_case(tmp_path, make, reference):
    """CPython's tests of any mapping, on mappings that make(database) returns."""
    made = []

    class Case(mapping_tests.BasicTestMappingProtocol):
        def _reference(self):
            return reference

        def _empty_mapping(self):
            made.append(lsmkv.dbm.open(tmp_path / str(len(made)), "c"))
            return make(made[-1])

        def tearDown(self):
            for database in made:
                database.close()

    return Case


@pytest.mark.parametrize("name", names_in(mapping_tests and mapping_tests.BasicTestMappingProtocol))
def test_cpython_mapping(name, tmp_path):
    run_case(mapping_case(tmp_path, lambda db: db, {b"1": b"2", b"key1": b"value1", b"key2": b"abc"}), name)


@pytest.mark.parametrize("writeback", [False, True])
@pytest.mark.parametrize("name", names_in(mapping_tests and mapping_tests.BasicTestMappingProtocol))
def test_cpython_shelf(name, tmp_path, writeback):
    reference = {"1": "2", "key1": "value1", "key2": (1, 2, 3)}
    run_case(mapping_case(tmp_path, lambda db: shelve.Shelf(db, writeback=writeback), reference), name)
