"""close() while others are in the middle of ordinary calls, transactions, cursors, values in place and namespaces.

LSMKV_ROUNDS rounds: each call answers rightly or says that it is closed; nothing hangs or stays behind. Daemon threads
are in the same calls while an interpreter goes away.
"""

import os
import random
import threading
import time

import pytest

import lsmkv

FULL = os.environ.get("LSMKV_FULL") == "1"
ROUNDS = int(os.environ.get("LSMKV_ROUNDS", "10000" if FULL else "60"))
THREADS = 8
KEYS = [b"%08d" % i for i in range(100)]
VALUE, LARGE = b"x" * 100, b"y" * 100_000

pytestmark = pytest.mark.timeout(3600 if FULL else 300)


def increment(tx):
    tx[b"sum"] = b"%d" % (int(tx.get(b"sum", b"0")) + 1)
    return True


def in_transaction(db, key):
    try:
        with db.transaction() as tx:
            assert tx[key] == VALUE
            tx[key] = VALUE
            with tx:
                tx.popitem()
                raise KeyError
    except (KeyError, lsmkv.ConflictError):
        pass


def in_large_transaction(db, key):
    try:
        with db.transaction() as tx:
            tx[b"large"] = LARGE
            assert tx[b"large"] == LARGE and tx.cursor().first() and tx.get_view(b"large") == LARGE
    except lsmkv.ConflictError:
        pass


def with_cursor(db, key):
    with db.cursor() as cursor:
        assert cursor.seek(key) and cursor.key == key
        for _ in range(20):
            cursor.next()
        assert cursor.last() and cursor.seek_for_prev(key) and cursor.value == VALUE


def with_view(db, key):
    assert db.get_view(key) == VALUE


kept = threading.local()


def with_large_view(db, key):
    """One is kept until the next is there, through the closing and after it."""
    before = getattr(kept, "view", None)
    kept.view = db.get_view(b"large")
    assert kept.view == LARGE and before in (None, LARGE)


def with_namespace(db, key):
    ns = db.namespace("n")
    ns[key] = key
    assert ns[key] == key
    with db.batch() as batch:
        batch.namespace(ns)[key] = key
        batch.merge(b"merged", b"", op="concat")


CALLS = {
    "calls": [
        lambda db, key: db[key] == VALUE,
        lambda db, key: db.get(key) == VALUE,
        lambda db, key: key in db,
        lambda db, key: db.get_many([key] * 20),
        lambda db, key: list(db[key:].items()),
        lambda db, key: db.put(key, VALUE),
        lambda db, key: db.snapshot()[key],
        lambda db, key: len(db),
        lambda db, key: db.update({key: VALUE}),
        lambda db, key: db.stats(),
        lambda db, key: db.first(),
    ],
    "transactions": [
        in_transaction,
        in_large_transaction,
        lambda db, key: db.transact(increment, 1000),
        lambda db, key: db.merge(key, VALUE, op=lambda a, b: b),
        lambda db, key: db.incr(b"count"),
    ],
    "cursors": [with_cursor, lambda db, key: with_cursor(db.snapshot(), key), lambda db, key: db.floor(key)[0] == key],
    "get_view": [with_view, with_large_view, lambda db, key: db.snapshot().get_view(key)],
    "namespaces": [with_namespace, lambda db, key: db.namespaces(), lambda db, key: len(db.namespace("n"))],
}


@pytest.fixture
def store(tmp_path):
    place = tmp_path / "store"
    with lsmkv.open(place) as db:
        db.update(dict.fromkeys(KEYS, VALUE))
        db[b"large"] = LARGE
        db.flush()
    return place


@pytest.mark.parametrize("name", CALLS)
def test_close_racing(store, name):
    db, errors, over = None, [], False
    start, end = threading.Barrier(THREADS + 1), threading.Barrier(THREADS + 1)

    def use(seed):
        chance = random.Random(seed)
        while True:
            start.wait()
            if over:
                return
            try:
                while True:
                    chance.choice(CALLS[name])(db, chance.choice(KEYS))
            except lsmkv.ClosedError:
                pass
            except BaseException as error:
                errors.append(error)
            end.wait()

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    chance = random.Random(0)
    for _ in range(ROUNDS):
        db = lsmkv.open(store)
        start.wait()
        if chance.random() < 0.7:
            time.sleep(chance.random() * 0.003)
        db.close()
        end.wait()
        if errors:
            break
    over = True
    start.wait()
    for thread in threads:
        thread.join()
    assert errors == []
    with lsmkv.open(store) as db:
        assert all(db[key] == VALUE for key in KEYS) and db[b"large"] == LARGE
        assert not any(db.stats()[pins] for pins in ("live_snapshots", "live_iterators"))
        db.verify()


@pytest.mark.parametrize("name", CALLS)
def test_exit_in_the_middle(store, run_python, name):
    code = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import lsmkv, test_lifetimes_races as races, threading, time
db = lsmkv.open(sys.argv[1], options="teach", threads=2)
inside = threading.Barrier({THREADS} + 1)
def work(number):
    inside.wait()
    try:
        while True:
            for call in races.CALLS[{name!r}]:
                call(db, races.KEYS[number])
    except lsmkv.ClosedError:
        pass
for number in range({THREADS}):
    threading.Thread(target=work, args=(number,), daemon=True).start()
inside.wait()
time.sleep(0.05)
"""
    run_python(code, store, timeout=200)
    with lsmkv.open(store) as db:
        db.verify()
        assert db[b"large"] == LARGE
