"""Iterators: a snapshot taken at iter(), handed out in chunks."""

import gc
import sys
import threading
import weakref

import pytest

import lsmkv


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        yield db


def number(i):
    return b"%08d" % i


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 79, 80, 81, 335, 336, 337, 1000, 5000])
def test_every_length_around_the_chunks(db, count):
    pairs = [(number(i), b"v%d" % i) for i in range(count)]
    db.update(pairs)
    assert list(db.items()) == pairs
    assert list(db) == [key for key, _ in pairs]
    assert list(db.values()) == [value for _, value in pairs]
    assert list(reversed(db.items())) == pairs[::-1]
    assert len(db) == db.keys().count() == db[:].count() == count


def test_large_values_among_small_ones(db):
    sizes = [10, 70_000, 0, 200_000, 5, 65_536, 65_537, 3_000_000, 1]
    pairs = [(number(i), bytes([i]) * size) for i, size in enumerate(sizes * 3)]
    db.update(pairs)
    assert list(db.items()) == pairs and list(db.values()) == [value for _, value in pairs]
    assert list(reversed(db.items())) == pairs[::-1]


def test_what_is_written_meanwhile_is_not_seen(db):
    db.update((number(i), b"old") for i in range(1000))
    seen = []
    for key, value in db.items():
        seen.append((key, value))
        db[key] = b"new"
        db[key + b"+"] = b"new"
        db.delete(number(len(seen) + 500))
    assert seen == [(number(i), b"old") for i in range(1000)]


def test_the_state_is_that_of_iter_and_not_of_the_first_next(db):
    db[b"a"] = b"1"
    forwards, backwards, items = iter(db), reversed(db), iter(db.items())
    db[b"a"] = b"2"
    db[b"b"] = b"2"
    assert list(forwards) == [b"a"] == list(backwards) and list(items) == [(b"a", b"1")]


def test_exhausted_stays_exhausted(db):
    db[b"a"] = b"1"
    scan = iter(db.items())
    assert next(scan) == (b"a", b"1")
    db[b"b"] = b"1"
    assert next(scan, None) is None
    assert next(scan, None) is None and list(scan) == []


def test_it_is_an_iterator(db):
    scan = iter(db)
    assert iter(scan) is scan and isinstance(scan, lsmkv.Iterator)
    assert weakref.ref(scan)() is scan


def test_pairs_that_are_kept_are_not_overwritten(db):
    db.update((number(i), b"%d" % i) for i in range(500))
    kept = [pair for i, pair in enumerate(db.items()) if i % 3 == 0]
    assert kept == [(number(i), b"%d" % i) for i in range(0, 500, 3)]
    scan = iter(db.items())
    first = next(scan)
    second = next(scan)
    assert first == (number(0), b"0") and second == (number(1), b"1")


@pytest.mark.skipif(not hasattr(sys, "getrefcount"), reason="CPython")
def test_pairs_that_are_not_kept_are_recycled(db):
    db.update((number(i), b"%d" % i) for i in range(500))
    assert len({id(pair) for pair in db.items()}) <= 2, "the one in hand and the one before it"


def test_a_hash_is_never_that_of_an_earlier_pair(db):
    db.update((number(i), b"%d" % i) for i in range(100))
    assert all(hash(pair) == hash((pair[0], pair[1])) for pair in db.items())
    assert len({hash(pair) for pair in db.items()}) == 100


def test_exhaustion_lets_go_of_what_was_pinned(db):
    db.update((number(i), b"x") for i in range(100))
    live = db.stats()["live_iterators"]
    done, pending = iter(db), iter(db)
    next(pending)
    list(done)
    held = db.stats()["live_iterators"]
    assert held == live + 1, "the exhausted one holds nothing, the other one is counted"
    del pending
    gc.collect()
    assert db.stats()["live_iterators"] == live


def test_iterators_of_one_store_are_independent(db):
    db.update((number(i), b"x") for i in range(700))
    assert [(a, b) for a, b in zip(db, db, strict=True) if a != b] == []
    product = sum(1 for _ in (1 for a in db[: number(20)] for b in db[: number(20)]))
    assert product == 400


def test_sorted_set_tuple_and_star(db):
    db.update((number(i), b"%d" % (i % 7)) for i in range(300))
    keys = [number(i) for i in range(300)]
    assert sorted(db) == keys == [*db] and tuple(db) == tuple(keys) and set(db) == set(keys)
    assert max(db) == keys[-1] and dict(db.items()) == dict(zip(keys, db.values(), strict=True))


def test_two_threads_on_one_iterator_never_crash_and_lose_nothing(db):
    """Each pair goes to one of them; a thread that comes during the other's refill gets a RuntimeError."""
    count = 20_000
    db.update((number(i), b"x" * 50) for i in range(count))
    scan, seen, refused = iter(db), [], []

    def consume():
        while True:
            try:
                key = next(scan, None)
            except RuntimeError as error:
                assert "in use by another thread" in str(error)
                refused.append(error)
                continue
            if key is None:
                return
            seen.append(key)

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [number(i) for i in range(count)]


def test_iterating_while_others_write(db):
    db.update((number(i), b"0") for i in range(2000))
    stop = threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            i += 1
            db[number(i % 3000)] = b"%d" % i
            if i % 10 == 0:
                db.delete(number(i % 3001))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            forwards = list(db)
            assert forwards == sorted(set(forwards))
            with db.snapshot() as snapshot:
                assert list(snapshot.items()) == list(reversed(snapshot.items()))[::-1]
    finally:
        stop.set()
        writer.join()
