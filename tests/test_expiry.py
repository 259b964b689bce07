"""Expiry: a key with a time to live is gone when it is over, at once for readers and in the files after merges."""

import math

import pytest

import lsmkv


@pytest.fixture
def clock():
    return lsmkv.ManualClock()


@pytest.fixture
def db(path, clock):
    with lsmkv.open(path, options="teach", clock=clock) as db:
        yield db


# ---- the clock ------------------------------------------------------------------------------


def test_a_manual_clock():
    clock = lsmkv.ManualClock(5)
    assert clock.time() == 5 and repr(clock) == "lsmkv.ManualClock(5.0)"
    clock.advance(2.5)
    assert clock.time() == 7.5
    clock.set(100)
    clock.advance(-1)
    assert clock.time() == 99 and lsmkv.ManualClock().time() == 1e9


@pytest.mark.parametrize("seconds", [0, -1, 1e10, math.nan, math.inf])
def test_a_time_that_is_none(seconds):
    clock = lsmkv.ManualClock()
    for call in (lambda: lsmkv.ManualClock(seconds), lambda: clock.set(seconds), lambda: clock.advance(seconds - 1e9)):
        with pytest.raises(ValueError, match="seconds since 1970"):
            call()
    assert clock.time() == 1e9


def test_only_a_manual_clock_is_taken(path):
    for wrong in (lambda: 7, 7, "now"):
        with pytest.raises(TypeError, match="clock must be an lsmkv.ManualClock or None"):
            lsmkv.open(path, clock=wrong)
    with lsmkv.open(path, clock=None) as db:
        db.put(b"k", b"v", ttl=1000)
        assert 900 < db.ttl(b"k") <= 1000, "the system's"


# ---- put(ttl=) ------------------------------------------------------------------------------


def test_gone_when_it_is_over_and_not_before(db, clock):
    db.put(b"k", b"v", ttl=5)
    clock.advance(4.5)
    assert db[b"k"] == b"v" and db.ttl(b"k") == 0.5
    clock.advance(0.5)
    assert b"k" not in db


def test_gone_for_everybody_at_once(db, clock):
    db.update({b"a": b"1", b"z": b"2"})
    db.put(b"k", b"v", ttl=5)
    assert len(db) == 3
    clock.advance(5)
    assert db.get(b"k") is None and b"k" not in db and db.get_many([b"k"]) == [None] and db.get_view(b"k") is None
    assert len(db) == db[b"a":].count() == 2 and list(db) == list(db.range()) == [b"a", b"z"]
    assert list(reversed(db)) == [b"z", b"a"]
    assert db.ceiling(b"k") == db.last() == (b"z", b"2") and db.floor(b"k") == (b"a", b"1")
    cursor = db.cursor()
    assert cursor.seek(b"b") and cursor.key == b"z" and cursor.prev() and cursor.key == b"a"
    for missing in (lambda: db[b"k"], lambda: db.pop(b"k"), lambda: db.ttl(b"k"), lambda: db.__delitem__(b"k")):
        with pytest.raises(KeyError):
            missing()
    assert not db.discard(b"k") and not db.touch(b"k", 5) and not db.persist(b"k") and db.add(b"k", b"new")


def test_an_empty_store(db, clock):
    db.put(b"k", b"v", ttl=1)
    clock.advance(1)
    assert not db and len(db) == 0 and db.first() is None and list(db) == []
    with pytest.raises(KeyError):
        db.popitem()


@pytest.mark.parametrize("settle", ["memtable", "flush", "compact", "reopen"])
def test_wherever_it_lies(path, clock, settle):
    def settled(db):
        if settle == "reopen":
            db.close()
            return lsmkv.open(path, options="teach", clock=clock)
        if settle != "memtable":
            getattr(db, settle)()
        return db

    db = lsmkv.open(path, options="teach", clock=clock)
    db.update({b"%03d" % n: b"old" for n in range(300)})
    db = settled(db)
    for n in range(0, 300, 2):
        db.put(b"%03d" % n, b"new", ttl=5)
    db = settled(db)
    assert len(db) == 300 and db[b"000"] == b"new" and db.ttl(b"000") == 5
    clock.advance(5)
    assert len(db) == 150 and set(db.values()) == {b"old"}, "what it was written over does not come back"
    db = settled(db)
    assert len(db) == 150 and list(db) == [b"%03d" % n for n in range(1, 300, 2)]
    db[b"one more"] = b""  # a single run is not merged with itself
    db.compact()
    assert len(db) == 151 and sum(level.records for level in db.levels) == 151, "a merge leaves nothing of it"
    db.close()


def test_another_write_ends_it(db, clock):
    for again in (
        lambda: db.put(b"k", b"w"),
        lambda: db.__setitem__(b"k", b"w"),
        lambda: db.update({b"k": b"w"}),
        lambda: db.put(b"k", b"w", ttl=math.inf),
        lambda: db.compare_and_set(b"k", b"v", b"w"),
    ):
        db.put(b"k", b"v", ttl=5)
        again()
        assert db.ttl(b"k") is None
        clock.advance(10)
        assert db[b"k"] == b"w"


@pytest.mark.parametrize("ttl", [0, -1, -0.5, math.nan, -math.inf])
def test_a_ttl_that_is_not_above_zero(db, ttl):
    db[b"k"] = b"v"
    for call in (
        lambda: db.put(b"k", b"", ttl=ttl),
        lambda: db.add(b"l", b"", ttl=ttl),
        lambda: db.compare_and_set(b"k", b"v", b"", ttl=ttl),
        lambda: db.touch(b"k", ttl),
    ):
        with pytest.raises(ValueError, match="a number of seconds above 0; math.inf is for ever"):
            call()
    assert dict(db) == {b"k": b"v"}


def test_a_ttl_of_another_type(db):
    for wrong in ("5", b"5", [5]):
        with pytest.raises(TypeError):
            db.put(b"k", b"", ttl=wrong)
    with pytest.raises(TypeError, match=r"persist\(\) lets a key live for ever"):
        db.touch(b"k", None)


def test_very_long_is_for_ever(db, clock):
    for ttl in (math.inf, 1e30, 1e10):
        db.put(b"k", b"v", ttl=ttl)
        assert db.ttl(b"k") is None
    db.put(b"k", b"v", ttl=8e9)
    assert db.ttl(b"k") == 8e9
    clock.set(9e9)
    assert b"k" not in db


# ---- ttl, touch, persist --------------------------------------------------------------------


def test_ttl(db, clock):
    db[b"for ever"] = b""
    db.put(b"k", b"", ttl=2.5)
    assert db.ttl(b"for ever") is None and db.ttl(b"k") == 2.5 and type(db.ttl(b"k")) is float
    clock.advance(1)
    assert db.ttl(b"k") == 1.5
    with pytest.raises(KeyError) as caught:
        db.ttl(b"nobody")
    assert caught.value.args == (b"nobody",)


def test_touch_and_persist_leave_the_value(db, clock):
    db.put(b"k", b"v", ttl=5)
    assert db.touch(b"k", 50) is True and db.ttl(b"k") == 50 and db[b"k"] == b"v"
    clock.advance(49)
    assert db.persist(b"k") is True and db.ttl(b"k") is None
    clock.advance(1e6)
    assert db[b"k"] == b"v"
    assert db.touch(b"k", math.inf) and db.ttl(b"k") is None and db.touch(b"k", 1) and db.ttl(b"k") == 1
    assert db.touch(b"nobody", 5) is False and db.persist(b"nobody") is False and len(db) == 1


def test_after_close(db):
    db.close()
    for call in (
        lambda: db.ttl(b"k"),
        lambda: db.touch(b"k", 1),
        lambda: db.persist(b"k"),
        lambda: db.put(b"k", b"", ttl=1),
    ):
        with pytest.raises(lsmkv.ClosedError):
            call()


# ---- the store's default --------------------------------------------------------------------


def test_a_default_for_the_store(path, clock):
    with lsmkv.open(path, ttl=10, clock=clock) as db:
        db[b"a"] = b""
        db.update({b"b": b""})
        with db.batch() as batch:
            batch[b"c"] = b""
            batch.put(b"own", b"", ttl=20)
            batch.put(b"never", b"", ttl=math.inf)
        with db.transaction() as tx:
            tx[b"d"] = b""
        db.setdefault(b"e", b"")
        assert [db.ttl(key) for key in (b"a", b"b", b"c", b"d", b"e", b"own", b"never")] == [10] * 5 + [20, None]
        with lsmkv.open(path) as other:
            other[b"f"] = b""
            assert other.ttl(b"f") is None, "it belongs to the handle"
        clock.advance(10)
        assert list(db) == [b"f", b"never", b"own"]
    with lsmkv.open(path, clock=clock) as db:
        assert db.ttl(b"own") == 10
        clock.advance(10)
        assert list(db) == [b"f", b"never"]


@pytest.mark.parametrize("ttl", ["x", True, b"5", [1]])
def test_a_ttl_that_is_no_number_is_shown(db, ttl):
    for write in (lambda: db.put(b"k", b"v", ttl=ttl), lambda: db.touch(b"k", ttl), lambda: db.namespace("n", ttl=ttl)):
        with pytest.raises(TypeError, match="ttl=.*: it is a number of seconds above 0; .* is for ever"):
            write()
    assert list(db) == [] and db.namespaces() == {}


@pytest.mark.parametrize("ttl", [0, -1, "5", 1e12, math.inf])
def test_a_default_that_is_none(path, ttl):
    with pytest.raises(lsmkv.OptionsError, match="ttl="):
        lsmkv.open(path, ttl=ttl)


# ---- what is frozen -------------------------------------------------------------------------


def test_a_snapshot_stands_in_its_own_time(db, clock):
    db.put(b"k", b"v", ttl=5)
    with db.snapshot() as snapshot:
        scan, cursor = iter(db.items()), db.cursor()
        clock.advance(5)
        db.compact()
        assert not db and snapshot[b"k"] == b"v" and len(snapshot) == 1 and list(snapshot) == [b"k"]
        assert list(scan) == [(b"k", b"v")] and cursor.first() and cursor.key == b"k"
        assert snapshot.ttl(b"k") == 0.0


def test_a_transaction_stands_in_its_own_time(db, clock):
    db.put(b"k", b"v", ttl=5)
    with db.transaction() as tx:
        clock.advance(4)
        tx.put(b"mine", b"1", ttl=2)
        clock.advance(4)
        assert tx[b"k"] == b"v" and tx[b"mine"] == b"1"
        tx[b"other"] = b"2"
    assert dict(db) == {b"other": b"2"}, "that k has only expired is no conflict; what it wrote lives from then on"


def test_a_clock_that_goes_back(db, clock):
    db.put(b"k", b"v", ttl=5)
    clock.advance(6)
    assert not db
    clock.advance(-3)
    assert db[b"k"] == b"v" and db.ttl(b"k") == 2 and len(db) == 1
