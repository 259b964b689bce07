"""Ctrl-C in calls that are long, or would never end: it is heard early, comes out, and leaves the store sound."""

import pytest

import lsmkv

COUNT = 300_000
PAIRS = [(b"%08d" % i, b"v" * 20) for i in range(COUNT)]


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        yield db


def in_transaction(db, action):
    with db.transaction() as tx:
        action(tx)
        raise KeyError  # nothing of it is written


TRANSACTIONS = {
    "update": lambda tx: tx.update(PAIRS),
    "delete_many": lambda tx: tx.delete_many([key for key, _ in PAIRS]),
    "list": lambda tx: list(tx.items()),
    "len": len,
    "count": lambda tx: tx[b"0":].count(),
}


@pytest.mark.parametrize("name", TRANSACTIONS)
def test_in_a_transaction(db, heard, name):
    db.update(PAIRS)

    def action():
        with pytest.raises(KeyError):
            in_transaction(db, TRANSACTIONS[name])

    heard(action)
    assert len(db) == COUNT and db.stats()["live_snapshots"] == 0


BULK = {
    "delete_many": lambda db: db.delete_many([key for key, _ in PAIRS]),
    "set_many": lambda db: db.set_many(PAIRS),
    "walk backwards": lambda db: list(reversed(db)),
    "snapshot": lambda db: list(db.snapshot().values()),
    "reversed and limited": lambda db: list(reversed(db[b"0":].limit(250_000))),
    "chunks": lambda db: list(db[b"0":].chunks(1000)),
}


@pytest.mark.parametrize("name", BULK)
def test_in_bulk(db, heard, name):
    db.update(PAIRS)
    heard(lambda: BULK[name](db))
    db.update(PAIRS)
    assert len(db) == COUNT and db.stats()["live_iterators"] == 0


def test_in_compact(path, heard):
    """Between two steps: one writes a table at most, so they are small here."""
    with lsmkv.open(path, threads=0, segment_bytes=1 << 20, table_bytes=1 << 19) as db:

        def action():
            for _ in range(6):
                db.update(PAIRS[:100_000])
                db.compact()

        heard(action)
        db.compact()
        db.verify()
        assert len(db) == 100_000


@pytest.mark.slow
def test_in_len_where_keys_expire(path, heard):
    """The number changes by itself, so every len() looks at every record."""
    with lsmkv.open(path, ttl=1e6) as db:
        db.update((b"%08d" % i, b"v") for i in range(4 * COUNT))
        heard(lambda: len(db))
        assert len(db) == 4 * COUNT


def meddle(db):
    """Somebody writes the key each time it has been looked at: what rests on it is tried again for ever."""
    db.put(b"key", b"meddled with")


class Meddler:
    """Equal to nothing."""

    def __init__(self, db):
        self.db = db

    def __eq__(self, other):
        meddle(self.db)
        return True

    __hash__ = None


def batch_that_merges(db):
    with db.batch() as batch:
        batch.merge(b"key", b"v", op=lambda value, operand: meddle(db) or operand)


ENDLESS = {
    "transact": lambda db: db.transact(lambda tx: tx.put(b"key", tx[b"key"]) or meddle(db), retries=1 << 40),
    "a function that asks for another run": lambda db: db.transact(conflicting, retries=1 << 40),
    "merge": lambda db: db.merge(b"key", b"v", op=lambda value, operand: meddle(db) or operand),
    "compare_and_set": lambda db: db.compare_and_set(b"key", Meddler(db), b"v"),
    "batch that merges": batch_that_merges,
}


def conflicting(tx):
    raise lsmkv.ConflictError


@pytest.mark.parametrize("name", ENDLESS)
def test_in_what_is_tried_again_for_ever(db, heard, name):
    db[b"key"] = b"first"
    heard(lambda: ENDLESS[name](db), endless=True)
    assert db[b"key"] in (b"first", b"meddled with") and db.stats()["live_snapshots"] == 0
