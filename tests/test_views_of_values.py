"""get_view(): a value lent in place, for as long as somebody holds it."""

import gc

import pytest

import lsmkv


@pytest.fixture
def db(path):
    with lsmkv.open(path, options="teach") as db:
        yield db


@pytest.mark.parametrize("size", [0, 1, 100, 5000, 200_000])
@pytest.mark.parametrize("place", ["memtable", "table"])
def test_it_is_the_value(db, size, place):
    value = bytes(range(256)) * (size // 256 + 1)
    db[b"k"] = value[:size]
    if place == "table":
        db.flush()
    view = db.get_view(b"k")
    assert type(view) is memoryview and view == value[:size] and len(view) == view.nbytes == size
    assert view.readonly and view.format == "B" and view.ndim == 1 and view.contiguous
    if size:
        with pytest.raises(TypeError):
            view[0] = 1


def test_absent_is_none(db):
    assert db.get_view(b"k") is None
    db[b"k"] = b"v"
    del db[b"k"]
    assert db.get_view(b"k") is None


def test_expired_is_none_and_what_is_held_stays(path):
    clock = lsmkv.ManualClock()
    with lsmkv.open(path, clock=clock) as db:
        db.put(b"k", b"v", ttl=5)
        view = db.get_view(b"k")
        clock.advance(5)
        assert db.get_view(b"k") is None and view == b"v"


def test_it_stays_whatever_happens(db):
    """Written over, flushed, merged away, closed: the bytes that were lent are the bytes that were lent."""
    held = []
    for turn in range(60):
        for key in (b"a", b"b"):
            db[key] = b"%s%d" % (key, turn) * 30
            held.append((db.get_view(key), b"%s%d" % (key, turn) * 30))
        if turn % 7 == 0:
            db.flush()
        if turn % 20 == 0:
            db.compact()
    db.clear()
    db.compact()
    assert all(view == value for view, value in held)
    db.close()
    gc.collect()
    assert all(view == value for view, value in held)
    last, value = held.pop()
    held.clear()
    gc.collect()
    assert last == value


def test_of_snapshots_transactions_and_namespaces(db):
    space = db.namespace("n")
    space[b"k"] = b"theirs"
    db[b"k"] = b"then"
    with db.snapshot() as snapshot:
        db[b"k"] = b"now"
        views = [
            snapshot.get_view(b"k"),
            db.get_view(b"k"),
            space.get_view(b"k"),
            snapshot.namespace(space).get_view(b"k"),
        ]
    with db.transaction() as tx:
        tx[b"k"] = b"mine"
        views.append(tx.get_view(b"k"))
    assert views == [b"then", b"now", b"theirs", b"theirs", b"mine"]


def test_in_a_transaction_it_is_a_read(db):
    db[b"k"] = b"v"
    with pytest.raises(lsmkv.ConflictError), db.transaction() as tx:
        view = tx.get_view(b"k")
        db[b"k"] = b"other"
        tx[b"mine"] = b""
    assert view == b"v"


def test_it_shows_stored_bytes_whatever_the_codec(path):
    with lsmkv.open(path, key="str", value="json") as db:
        db["k"] = {"a": [1]}
        assert lsmkv.codecs.json.decode(db.get_view("k")) == {"a": [1]}
        with pytest.raises(TypeError):
            db.get_view(b"k")


def test_a_view_keeps_the_files_and_gives_them_back(db, path):
    def tables():
        while db.step():
            pass
        return {file.name for file in path.glob("*.tbl")}

    db.update({b"%03d" % n: bytes(100) for n in range(200)})
    db.compact()
    lent_from = tables()
    view = db.get_view(b"100")
    db.clear()
    db.compact()
    assert lent_from <= tables()
    view.release()
    del view
    gc.collect()
    assert not lent_from & tables()


def test_what_it_may_be_used_for(db):
    db[b"k"] = b"some words of text"
    view = db.get_view(b"k")
    assert bytes(view[5:10]) == b"words" and view.tobytes().split() and hash(view) == hash(b"some words of text")
    db[b"copy"] = view
    db[view] = b"a view is a key too"
    assert db[b"copy"] == view and db[bytes(view)]
    with view, pytest.raises(ValueError):
        view.release()
        view[0]


def test_after_close(db):
    db.close()
    with pytest.raises(lsmkv.ClosedError):
        db.get_view(b"k")


def test_a_view_keeps_all_files_of_its_moment_and_not_only_its_own(path):
    with lsmkv.open(path, threads=0, merge_policy="none") as db:
        for part in range(4):
            db.update((b"%d%05d" % (part, i), bytes(100)) for i in range(2000))
            db.flush()
        files = [level.bytes for level in db.levels if level.kind == "table"]
        view = db.get_view(b"000000")
        db.clear()
        db.compact()
        assert len(files) == 4 and db.stats()["pinned_bytes"] >= sum(files) > 3 * max(files)
        del view
        gc.collect()
        db.compact()
        assert db.stats()["pinned_bytes"] == 0
