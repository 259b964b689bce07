"""Snapshots: every read method, at one moment."""

import threading

import pytest

import lsmkv

BEFORE = {b"%03d" % i: b"old" for i in range(100)}


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        db.update(BEFORE)
        yield db


@pytest.fixture
def snapshot(db):
    with db.snapshot() as snapshot:
        db.delete_range(b"010", b"020")
        db.update((key, b"new") for key in list(BEFORE)[30:40])
        db[b"later"] = b"new"
        yield snapshot


def test_it_reads_as_the_store_did(snapshot):
    assert dict(snapshot) == BEFORE and len(snapshot) == 100 and snapshot
    assert snapshot[b"015"] == b"old" == snapshot.get(b"035") and snapshot.get(b"later") is None
    assert b"015" in snapshot and b"later" not in snapshot
    assert snapshot.get_many([b"015", b"later", b"035"]) == [b"old", None, b"old"]
    assert list(snapshot) == sorted(BEFORE) == list(snapshot.keys())
    assert list(reversed(snapshot)) == sorted(BEFORE, reverse=True)
    assert list(snapshot[b"005":b"015"]) == [b"%03d" % i for i in range(5, 15)]
    assert list(snapshot.prefix(b"01").items()) == [(b"01%d" % i, b"old") for i in range(10)]
    assert list(snapshot.range(reverse=True).limit(2)) == [b"099", b"098"]
    assert snapshot.first() == (b"000", b"old") and snapshot.last() == (b"099", b"old")
    assert snapshot.keys() == BEFORE.keys() and snapshot.items() == BEFORE.items()
    with pytest.raises(KeyError):
        snapshot[b"later"]


def test_it_survives_flush_and_compact(db, snapshot):
    db.flush()
    assert dict(snapshot) == BEFORE
    db.compact()
    assert dict(snapshot) == BEFORE and snapshot[b"015"] == b"old"
    assert b"015" not in db and db[b"later"] == b"new"


def test_it_cannot_write(snapshot):
    for name in ("put", "delete", "update", "flush", "batch", "clear"):
        assert not hasattr(snapshot, name)
    with pytest.raises(TypeError):
        snapshot[b"k"] = b"v"


def test_many_of_them(db):
    taken = []
    for i in range(20):
        db[b"000"] = b"%d" % i
        taken.append((db.snapshot(), b"%d" % i))
    db.flush()
    for snapshot, value in taken:
        assert snapshot[b"000"] == value
    lsns = [snapshot.lsn for snapshot, _ in taken]
    assert lsns == sorted(lsns) and lsns[-1] <= db.lsn
    for snapshot, _ in taken:
        snapshot.close()


def test_close_ends_it_and_its_iterators(db):
    snapshot = db.snapshot()
    scan, view = iter(snapshot.items()), snapshot.keys()
    next(scan)
    assert not snapshot.closed and snapshot.age >= 0
    snapshot.close()
    snapshot.close()
    assert snapshot.closed and "closed" in repr(snapshot)
    for use in (
        lambda: snapshot[b"000"],
        lambda: snapshot.get(b"000"),
        lambda: b"000" in snapshot,
        lambda: len(snapshot),
        lambda: bool(snapshot),
        lambda: iter(snapshot),
        lambda: snapshot.lsn,
        lambda: snapshot.age,
        lambda: snapshot.__enter__(),
        lambda: next(scan),
        lambda: list(view),
        lambda: view.count(),
        lambda: b"000" in view,
        lambda: list(reversed(view.limit(2))),
    ):
        with pytest.raises(lsmkv.ClosedError, match="snapshot"):
            use()
    assert dict(db) == BEFORE, "the store goes on"


def test_what_is_pinned_is_let_go(db):
    before = db.stats()["live_snapshots"]
    snapshot = db.snapshot()
    assert db.stats()["live_snapshots"] == before + 1
    snapshot.close()
    assert db.stats()["live_snapshots"] == before
    with db.snapshot():
        assert db.stats()["live_snapshots"] == before + 1
    assert db.stats()["live_snapshots"] == before
    db.snapshot()
    assert db.stats()["live_snapshots"] == before, "dropped, not closed"


def test_closing_while_others_read_from_it(db):
    for _ in range(100):
        snapshot = db.snapshot()
        started, errors = threading.Barrier(4), []

        def read(snapshot=snapshot, started=started, errors=errors):
            started.wait()
            try:
                while True:
                    assert snapshot[b"050"] == b"old"
                    assert len(list(snapshot[b"040":b"060"])) == 20
            except lsmkv.ClosedError:
                pass
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        started.wait()
        snapshot.close()
        for reader in readers:
            reader.join()
        assert errors == []


def test_it_is_of_its_store(path, tmp_path):
    db = lsmkv.open(path)
    db[b"k"] = b"v"
    snapshot = db.snapshot()
    db.close()
    assert snapshot.closed
    with pytest.raises(lsmkv.ClosedError, match="store"):
        snapshot[b"k"]
    snapshot.close()


def test_scenario_30_the_oldest_expires(path):
    with lsmkv.open(path, options="teach", max_pinned_bytes=300_000) as db:
        taken, walks = [], []
        for generation in range(20):
            db.update((b"%03d" % i, b"%d" % generation * 400) for i in range(100))
            db.compact()
            taken.append(db.snapshot())
            if generation == 0:
                walks.append(iter(taken[0].items()))
                next(walks[0])
        stats = db.stats()
        assert 0 < stats["expired_snapshots"] < 19 and 0 < stats["pinned_bytes"] < 400_000
        with pytest.raises(lsmkv.SnapshotExpiredError, match="max_pinned_bytes=300000"):
            taken[0][b"000"]
        for use in (len, list, dict, lambda s: b"x" in s, lambda s: s.get_many([b"000"]), lambda s: s.first()):
            with pytest.raises(lsmkv.SnapshotExpiredError):
                use(taken[0])
        assert taken[-1][b"000"] == b"19" * 400
        assert next(walks[0])[1] == b"0" * 400  # begun before, it goes on
        assert repr(taken[0]) and taken[0].lsn and not taken[0].closed
        walks.clear()
        for snapshot in taken:
            snapshot.close()
        assert db.stats()["pinned_bytes"] == 0 and db.stats()["live_snapshots"] == 0
