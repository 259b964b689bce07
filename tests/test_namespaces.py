"""Namespaces: key spaces of their own in one store."""

import gc

import pytest

import lsmkv


@pytest.fixture
def db(path):
    with lsmkv.open(path, options="teach") as db:
        yield db


# ---- made, found, listed --------------------------------------------------------------------


def test_keys_of_one_meet_no_others(db):
    one, two = db.namespace("one"), db.namespace("two")
    for number, store in enumerate([db, one, two]):
        for key in (b"", b"k", b"\xff", b"\xff\x01"):
            store[key] = b"%d" % number
    for number, store in enumerate([db, one, two]):
        assert len(store) == 4 and set(store.values()) == {b"%d" % number}
        assert store.first()[0] == b"" and store.last()[0] == b"\xff\x01"
    one.clear()
    assert not one and len(db) == len(two) == 4
    assert [list(store) for store in (db, two)] == [sorted(store) for store in (db, two)]


def test_it_is_a_store(db):
    space = db.namespace("n")
    assert isinstance(space, lsmkv.LSM) and space.name == "n" and db.name is None and space.path == db.path
    assert repr(space).startswith(f"<lsmkv.LSM {db.path!r}, namespace 'n'")
    space[b"k"] = b"v"
    assert space.pop(b"k") == b"v" and space.incr(b"n") == 1 and not db


def test_codecs_and_ttl_are_its_own(path):
    clock = lsmkv.ManualClock()
    with lsmkv.open(path, key="str", clock=clock) as db:
        space = db.namespace("n", key="(str,i64)", value="json", ttl=60)
        space["a", 1] = [1, 2]
        assert dict(space) == {("a", 1): [1, 2]} and space.ttl(("a", 1)) == 60
        assert (space.key_codec, space.value_codec, db.key_codec) == ("(str,i64)", "json", "str")
        db["k"] = b"v"
        assert db.ttl("k") is None
        clock.advance(60)
        assert not space and db


def test_listing(db):
    assert db.namespaces() == {}
    db.namespace("b", key="str", ttl=1.5)
    space = db.namespace("a")
    listing = {
        "a": {"key": "bytes", "value": "bytes", "ttl": None, "id": 2},
        "b": {"key": "str", "value": "bytes", "ttl": 1.5, "id": 1},
    }
    assert db.namespaces() == space.namespaces() == listing and list(db.namespaces()) == ["a", "b"]


def test_they_stay(path):
    with lsmkv.open(path) as db:
        db.namespace("n", key="i64", value="str", ttl=9)[7] = "seven"
        listed = db.namespaces()
    with lsmkv.open(path) as db:
        assert db.namespaces() == listed
        assert dict(db.namespace("n", key="stored", value="stored")) == {7: "seven"}
    with lsmkv.open(path, "r") as db:
        space = db.namespace("n", key="i64", value="str")
        assert space[7] == "seven"
        for write in (lambda: space.put(8, ""), lambda: db.namespace("new"), lambda: db.drop_namespace("n")):
            with pytest.raises(lsmkv.ReadOnlyError):
                write()


def test_what_it_was_made_with_must_agree(db):
    db.namespace("n", key="str", ttl=5)
    for other in ({}, {"key": "i64"}, {"key": "str", "value": "json"}):
        with pytest.raises(lsmkv.CodecMismatchError, match='namespace "n" was made with'):
            db.namespace("n", **other)
    with pytest.raises(
        lsmkv.OptionsError, match="namespace 'n' of .* made with a ttl of 5 s; it is opened with ttl=6.5: "
    ):
        db.namespace("n", key="str", ttl=6.5)
    db.namespace("eternal")
    with pytest.raises(
        lsmkv.OptionsError, match="made without a ttl: its keys live for ever; it is opened with ttl=6: "
    ):
        db.namespace("eternal", ttl=6)
    assert db.namespace("n", key="str", ttl=5) is not db.namespace("n", key="str")


def test_create_false(db):
    with pytest.raises(KeyError) as caught:
        db.namespace("n", create=False)
    assert caught.value.args == ("n",) and db.namespaces() == {}
    db.namespace("n")
    assert db.namespace("n", create=False).name == "n"


@pytest.mark.parametrize(
    "name, error",
    [("", ValueError), ("a\0b", ValueError), ("x" * 256, ValueError), (b"n", TypeError), (None, TypeError)],
)
def test_names(db, name, error):
    with pytest.raises(error, match="name of a namespace"):
        db.namespace(name)
    with pytest.raises(error, match="name of a namespace"):
        db.drop_namespace(name)
    assert db.namespaces() == {}


@pytest.mark.parametrize("name", ["n", "x" * 255, "ü\U0001f600", " ", "\xff", "\n"])
def test_any_other_name(db, name):
    db.namespace(name)[b"k"] = b"v"
    assert list(db.namespaces()) == [name]
    db.drop_namespace(name)
    assert db.namespaces() == {}


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), "5"])
def test_a_ttl_that_is_none(db, ttl):
    with pytest.raises((ValueError, TypeError)):
        db.namespace("n", ttl=ttl)


# ---- across ---------------------------------------------------------------------------------


def test_a_batch_reaches_across(db):
    space = db.namespace("n", key="str", value="json")
    with db.batch() as batch:
        batch[b"k"] = b"v"
        batch.namespace(space)["k"] = [1]
        batch.namespace(space).put("other", 2)
        batch.namespace(db)[b"l"] = b"w"
        batch.namespace(space).delete("other")
        assert len(batch) == len(batch.namespace(space)) == 5 and not db and not space
    assert dict(db) == {b"k": b"v", b"l": b"w"} and dict(space) == {"k": [1]}
    with pytest.raises(ZeroDivisionError), db.batch() as batch:
        batch.namespace(space)["k"] = [2]
        raise ZeroDivisionError
    assert space["k"] == [1]


def test_a_batch_and_a_transaction_keep_the_namespaces_they_write_to(db):
    with db.batch() as batch:
        batch.namespace(db.namespace("n"))[b"k"] = b"v"
        gc.collect()
    with db.transaction() as tx:
        tx.namespace(db.namespace("n"))[b"l"] = b"w"
        gc.collect()
    db.transact(lambda tx: tx.namespace(db.namespace("n")).incr(b"n"))
    assert dict(db.namespace("n")) == {b"k": b"v", b"l": b"w", b"n": b"1"}


def test_a_snapshot_reaches_across(db):
    space = db.namespace("n")
    space[b"k"] = b"then"
    with db.snapshot() as snapshot, space.snapshot() as other:
        space[b"k"] = b"now"
        late = db.namespace("late")
        late[b"k"] = b"v"
        assert snapshot.namespace(space)[b"k"] == other[b"k"] == b"then" and not snapshot
        assert other.namespace(db).get(b"k") is None and not snapshot.namespace(late)
        seen = snapshot.namespace(space)
    assert seen.closed
    with pytest.raises(lsmkv.ClosedError):
        len(seen)


def test_a_transaction_reaches_across(db):
    space = db.namespace("n", value="json")
    with db.transaction() as tx:
        tx[b"k"] = b"v"
        inside = tx.namespace(space)
        assert inside.incr(b"n") == 1 and not space and len(tx) == 1 == len(inside) and tx.writes == inside.writes == 2
        with pytest.raises(ValueError, match="its block is the transaction's own"):
            inside.__enter__()
        with pytest.raises(ZeroDivisionError), tx:
            inside[b"n"] = 7
            raise ZeroDivisionError
    assert dict(db) == {b"k": b"v"} and dict(space) == {b"n": 1} and inside.closed
    with pytest.raises(lsmkv.ConflictError), db.transaction() as tx:
        tx[b"k"] = b"%d" % tx.namespace(space)[b"n"]
        space[b"n"] = 2
    assert db[b"k"] == b"v"


def test_a_transaction_of_a_namespace(db):
    space = db.namespace("n")
    with space.transaction() as tx:
        tx[b"k"] = b"v"
        tx.namespace(db)[b"l"] = b"w"
    assert dict(space) == {b"k": b"v"} and dict(db) == {b"l": b"w"}
    assert space.transact(lambda tx: tx[b"k"]) == b"v"


def test_what_is_no_namespace_of_this_store(db, tmp_path):
    with (
        lsmkv.open(tmp_path / "other") as other,
        db.snapshot() as snapshot,
        db.transaction() as tx,
        db.batch() as batch,
    ):
        for source in (snapshot, tx, batch):
            with pytest.raises(ValueError, match="belongs to another store object"):
                source.namespace(other)
            with pytest.raises(TypeError, match=r"a namespace as db.namespace\(\) gives it"):
                source.namespace("n")


# ---- dropped --------------------------------------------------------------------------------


def test_dropping(db):
    space = db.namespace("n", key="str")
    space.update({f"k{n}": b"v" for n in range(100)})
    db[b"k"] = b"v"
    db.flush()
    db.drop_namespace("n")
    assert db.namespaces() == {} and dict(db) == {b"k": b"v"}
    with pytest.raises(KeyError) as caught:
        db.drop_namespace("n")
    assert caught.value.args == ("n",)
    again = db.namespace("n", key="i64")
    assert not again and len(again) == 0
    again[1] = b"new"
    db.compact()
    assert dict(again) == {1: b"new"}


def test_what_stood_for_it_is_closed(db):
    space = db.namespace("n")
    space[b"k"] = b"v"
    with db.snapshot() as snapshot, db.transaction() as tx:
        held = [space, db.namespace("n"), snapshot.namespace(space), tx.namespace(space)]
        scan, cursor, view = iter(space), space.cursor(), space.get_view(b"k")
        db.drop_namespace("n")
        for source in held:
            assert source.closed
            for call in (lambda d: d[b"k"], len, list, lambda d: d.first(), lambda d: d.get_many([b"k"])):
                with pytest.raises(lsmkv.ClosedError, match="this namespace was dropped"):
                    call(source)
        for call in (lambda: space.put(b"k", b""), lambda: next(scan), cursor.first):
            with pytest.raises(lsmkv.ClosedError):
                call()
        assert view == b"v" and "closed" in repr(space)
        space.close()
        assert not snapshot and snapshot.namespace(db.namespace("n")).get(b"k") is None


def test_a_batch_into_what_was_dropped_is_refused_whole(db):
    space = db.namespace("n")
    with pytest.raises(lsmkv.ClosedError), db.batch() as batch:
        batch[b"k"] = b"v"
        batch.namespace(space)[b"k"] = b"v"
        db.drop_namespace("n")
    assert not db


def test_a_transaction_into_what_was_dropped_is_refused_whole(db):
    space = db.namespace("n")
    with pytest.raises(lsmkv.ClosedError), db.transaction() as tx:
        tx[b"k"] = b"v"
        tx.namespace(space)[b"k"] = b"v"
        db.drop_namespace("n")
    assert not db and not db.namespace("n")


def test_what_a_transaction_read_there_is_changed_by_dropping(db):
    space = db.namespace("n")
    space[b"k"] = b"v"
    with pytest.raises(lsmkv.ConflictError), db.transaction() as tx:
        tx[b"k"] = tx.namespace(space)[b"k"]
        db.drop_namespace("n")
    assert not db


# ---- closed ---------------------------------------------------------------------------------


def test_closing_one_leaves_the_others(db):
    with db.namespace("n") as space, db.namespace("n") as same:
        space[b"k"] = b"v"
        same.close()
        assert same.closed and not space.closed and space[b"k"] == b"v" and not db.closed
        with pytest.raises(lsmkv.ClosedError, match="namespace 'n' of .* is closed; open it again with namespace"):
            same[b"k"]
    assert db.namespace("n")[b"k"] == b"v"


def test_closing_the_store_closes_them(db):
    space = db.namespace("n")
    scan = iter(space)
    db.close()
    assert space.closed
    for call in (lambda: space[b"k"], lambda: list(scan), lambda: db.namespace("n"), db.namespaces, space.namespaces):
        with pytest.raises(lsmkv.ClosedError):
            call()


def test_one_that_is_forgotten_warns_nobody(db, recwarn):
    db.namespace("n")[b"k"] = b"v"
    gc.collect()
    assert not recwarn.list and db.namespace("n")[b"k"] == b"v"


def test_one_opened_from_another_is_of_the_same_store(db):
    inner = db.namespace("a").namespace("b")
    with db.transaction() as tx:
        tx.namespace(inner)[b"k"] = b"v"
    with inner.batch() as batch:
        batch.namespace(db)[b"l"] = b"w"
    with inner.snapshot() as snapshot:
        assert dict(snapshot) == {b"k": b"v"} and dict(snapshot.namespace(db)) == {b"l": b"w"}
