"""Batches: applied whole on a clean exit, dropped on an exception."""

import gc
import os
import threading

import pytest

import lsmkv


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        db.update({b"a": b"1", b"b": b"2", b"c": b"3"})
        yield db


def test_a_clean_exit_applies_everything(db):
    with db.batch() as batch:
        batch[b"d"] = b"4"
        batch.put(b"e", b"5")
        del batch[b"a"]
        batch.delete(b"nobody")
        assert len(batch) == 4 and batch.nbytes > 0
        assert dict(db) == {b"a": b"1", b"b": b"2", b"c": b"3"}, "nothing is visible before the end"
    assert dict(db) == {b"b": b"2", b"c": b"3", b"d": b"4", b"e": b"5"}


def test_an_exception_drops_everything(db):
    before = dict(db), db.lsn
    with pytest.raises(ZeroDivisionError), db.batch() as batch:
        batch[b"d"] = b"4"
        batch.delete_range(None, None)
        1 / 0  # noqa: B018
    assert (dict(db), db.lsn) == before


def test_order_inside_a_batch(db):
    with db.batch() as batch:
        batch[b"x"] = b"1"
        batch.delete_range(b"b", b"z")
        batch[b"c"] = b"after"
        batch[b"y"] = b"1"
        batch[b"y"] = b"2"
        del batch[b"a"]
        batch[b"a"] = b"back"
    assert dict(db) == {b"a": b"back", b"c": b"after", b"y": b"2"}


@pytest.mark.parametrize("bounds", [(None, None), (b"b", None), (None, b"b"), (b"b", b"c"), (b"c", b"b")])
def test_range_deletes_in_a_batch(db, bounds):
    start, stop = bounds
    with db.batch() as batch:
        del batch[start:stop]
    gone = {k for k in (b"a", b"b", b"c") if (start is None or k >= start) and (stop is None or k < stop)}
    assert set(db) == {b"a", b"b", b"c"} - gone


def test_an_empty_batch(db):
    before = db.lsn
    with db.batch() as batch:
        assert len(batch) == 0
    assert db.lsn == before


@pytest.mark.parametrize("sync", [None, True, False])
def test_sync(db, sync):
    with db.batch(sync=sync) as batch:
        batch[b"k"] = b"v"
    assert db[b"k"] == b"v"


def test_a_large_batch_and_large_values(db):
    pairs = {os.urandom(12): os.urandom(500) for _ in range(10_000)}
    pairs[b"large"] = os.urandom(2 << 20)
    with db.batch() as batch:
        for key, value in pairs.items():
            batch[key] = value
    assert db.get_many(pairs) == list(pairs.values())


def test_outside_its_block_a_batch_refuses(db):
    batch = db.batch()
    with pytest.raises(ValueError, match="with"):
        batch[b"k"] = b"v"
    with batch:
        batch[b"k"] = b"v"
        with pytest.raises(ValueError), batch:
            pass
    for late in (lambda: batch.put(b"l", b"v"), lambda: batch.delete(b"l"), lambda: batch.delete_range(b"l", None)):
        with pytest.raises(ValueError, match="over"):
            late()
    with pytest.raises(ValueError), batch:
        pass
    assert set(db) == {b"a", b"b", b"c", b"k"}


def test_wrong_arguments_leave_the_batch_usable(db):
    with db.batch() as batch:
        for wrong in (
            lambda: batch.put(b"k"),
            lambda: batch.put("k", b"v"),
            lambda: batch.put(b"k", 7),
            lambda: batch.delete(7),
            lambda: batch.delete_range(b"a"),
            lambda: batch.__setitem__(slice(b"a", b"b"), b""),
        ):
            with pytest.raises(TypeError):
                wrong()
        with pytest.raises(ValueError, match="step|reversed"):
            del batch[b"a":b"b":2]
        assert len(batch) == 0
        batch[b"k"] = b"v"
    assert db[b"k"] == b"v"


def test_readers_see_a_batch_whole_or_not_at_all(db):
    stop, torn = threading.Event(), []

    def read():
        while not stop.is_set():
            with db.snapshot() as snapshot:
                seen = set(snapshot[b"pair":b"paiz"].values())
            if len(seen) > 1:
                torn.append(seen)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(300):
        with db.batch() as batch:
            for j in range(20):
                batch[b"pair%d" % j] = b"%d" % i
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_a_batch_on_a_closed_store(path):
    db = lsmkv.open(path)
    batch = db.batch()
    with pytest.raises(lsmkv.ClosedError), batch:
        batch[b"k"] = b"v"
        db.close()
    with pytest.raises(lsmkv.ClosedError):
        batch.put(b"k", b"v")
    with lsmkv.open(path) as db:
        assert not db


def test_repr(db):
    batch = db.batch()
    assert "not entered" in repr(batch)
    with batch:
        batch[b"k"] = b"v"
        assert "1 writes" in repr(batch)
    assert "over" in repr(batch)


def test_the_end_of_a_block_within_its_end(path):
    """What a merge calls while the batch is applied drops nothing of it."""
    with lsmkv.open(path) as db:
        db.update({b"a": b"", b"b": b"", b"c": b""})

        def op(old, new):
            batch.__exit__(ValueError, None, None)
            return new

        with db.batch() as batch:
            for key in (b"a", b"b", b"c"):
                batch.merge(key, b"merged", op=op)
                batch[key + b"'"] = b"put"
        assert [*db.values()] == [b"merged", b"put"] * 3


# ---- merges run any code ----------------------------------------------------------------------


def test_a_merge_cannot_end_its_batch_meanwhile(db):
    batch = db.batch()

    def op(value, operand):
        batch.__exit__(ValueError, ValueError(), None)  # used to free the step that was running
        junk = [b"\xdd" * 600 + b"%d" % i for i in range(1000)]
        with pytest.raises(RuntimeError):
            batch[b"x"] = b"y"
        return value + operand + junk[0][:0]

    key = b"key" * 200
    db[key] = b"1"
    with batch:
        batch[b"before"] = b"1"
        batch.merge(bytes(bytearray(key)), bytes(bytearray(b"2" * 600)), op=op)
        batch[b"after"] = b"1"
    assert db[key] == b"1" + b"2" * 600 and b"before" in db and b"after" in db and len(db) == 6


def test_a_batch_that_merges_itself_is_collected(db):
    def count():
        gc.collect()
        return sum(isinstance(one, lsmkv.WriteBatch) for one in gc.get_objects())

    before = count()
    for operand, op in (((), min), (b"", None)):
        batch = db.batch()
        batch.__enter__()
        batch.merge(b"k", (*operand, batch) if op else operand, op=op or batch.put)
        del batch
    assert count() == before
