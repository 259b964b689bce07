"""A cursor: a place among the keys of one moment."""

import gc

import pytest

import lsmkv

LETTERS = {b"%c" % letter: b"%c" % (letter - 32) for letter in b"bdfhj"}


@pytest.fixture
def db(path):
    with lsmkv.open(path, options="teach") as db:
        db.update(LETTERS)
        yield db


def test_it_begins_at_no_key(db):
    cursor = db.cursor()
    assert not cursor.valid and not cursor.next() and not cursor.prev()
    for name in ("key", "value", "item"):
        with pytest.raises(ValueError, match="stands at no key: move it with first"):
            getattr(cursor, name)


def test_there_and_back_again(db):
    cursor = db.cursor()
    assert cursor.first() and cursor.item == (b"b", b"B") and cursor.key == b"b" and cursor.value == b"B"
    keys = [cursor.key]
    while cursor.next():
        keys.append(cursor.key)
    assert keys == sorted(LETTERS) and not cursor.valid and not cursor.prev(), "off the end there is no way back"
    assert cursor.last() and cursor.key == b"j"
    assert cursor.prev() and cursor.prev() and cursor.key == b"f"
    assert cursor.next() and cursor.key == b"h" and cursor.prev() and cursor.key == b"f", "it may turn at any key"


@pytest.mark.parametrize(
    "key, above, below", [(b"d", b"d", b"d"), (b"e", b"f", b"d"), (b"", b"b", None), (b"z", None, b"j")]
)
def test_seek(db, key, above, below):
    cursor = db.cursor()
    assert cursor.seek(key) == (above is not None) and (not above or cursor.key == above)
    assert cursor.seek_for_prev(key) == (below is not None) and (not below or cursor.key == below)


def test_it_sees_one_moment(db):
    cursor = db.cursor()
    cursor.first()
    db[b"c"] = b"new"
    del db[b"d"]
    db.flush()
    db.compact()
    assert cursor.next() and cursor.key == b"d"
    assert cursor.seek(b"c") and cursor.key == b"d" and cursor.seek(b"d") and cursor.value == b"D"
    assert db.cursor().seek(b"c")


def test_in_a_snapshot_and_in_a_transaction(db):
    with db.snapshot() as snapshot, snapshot.cursor() as cursor:
        db.clear()
        assert cursor.last() and cursor.key == b"j"
    with db.transaction() as tx:
        tx[b"mine"] = b"1"
        cursor = tx.cursor()
        assert cursor.first() and cursor.item == (b"mine", b"1") and not cursor.next()
    with pytest.raises(lsmkv.ClosedError):
        cursor.first()


def test_what_a_cursor_walked_a_transaction_has_read(db):
    with pytest.raises(lsmkv.ConflictError), db.transaction() as tx:
        cursor = tx.cursor()
        assert cursor.seek(b"c") and cursor.key == b"d"
        db[b"c"] = b"between what was sought and what was found"
        tx[b"k"] = b""


def test_typed_keys(path):
    with lsmkv.open(path, key="(str,desc(i64))", value="json") as db:
        db.update({("a", 1): 1, ("a", 2): 2, ("b", 1): 3})
        cursor = db.cursor()
        assert cursor.seek(("a", 5)) and cursor.item == (("a", 2), 2)
        assert cursor.next() and cursor.next() and cursor.item == (("b", 1), 3)
        with pytest.raises(TypeError):
            cursor.seek("a")


def test_a_key_of_another_type(db):
    cursor = db.cursor()
    cursor.first()
    for wrong in ("b", 7):
        with pytest.raises(TypeError):
            cursor.seek(wrong)
    assert cursor.key == b"b", "it stays where it was"


def test_seeking_no_key(db):
    cursor = db.cursor()
    for seek in (cursor.seek, cursor.seek_for_prev):
        with pytest.raises(TypeError):
            seek(None)


def test_its_end(db):
    with db.cursor() as cursor:
        cursor.first()
    cursor.close()
    assert not cursor.valid and repr(cursor) == "<lsmkv.Cursor, closed>"
    calls = [cursor.first, cursor.last, cursor.next, cursor.prev, cursor.__enter__]
    calls += [lambda: cursor.seek(b""), lambda: cursor.seek_for_prev(b""), lambda: cursor.key, lambda: cursor.item]
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_after_the_store_is_closed(db):
    cursor = db.cursor()
    cursor.first()
    db.close()
    assert not cursor.valid
    for call in (cursor.first, cursor.next, lambda: cursor.seek(b""), lambda: cursor.key, db.cursor):
        with pytest.raises(lsmkv.ClosedError):
            call()


def test_it_pins_its_moment_only_while_it_lives(db):
    before = db.stats()["live_snapshots"]
    cursor = db.cursor()
    cursor.first()
    assert db.stats()["live_snapshots"] == before + 1
    del cursor
    gc.collect()
    assert db.stats()["live_snapshots"] == before


def test_repr_and_type(db):
    cursor = db.cursor()
    assert "at no key" in repr(cursor)
    cursor.first()
    assert repr(cursor).endswith("at b'b'>") and isinstance(cursor, lsmkv.Cursor)
    with pytest.raises(TypeError):
        lsmkv.Cursor()
