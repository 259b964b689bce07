"""Queues: whose first or last pair is taken again and again, so that walks meet more dead keys than living ones."""

import heapq
import random
from collections import deque

import pytest

import lsmkv

SMALL = {"segment_bytes": 65536, "table_bytes": 65536, "page_bytes": 1024}


@pytest.fixture(params=[{}, SMALL], ids=["usual", "small"])
def db(path, request):
    with lsmkv.open(path, key="i64", value="json", **request.param) as db:
        yield db


def test_first_in_first_out(db):
    number, twin, rng = 0, deque(), random.Random(1)
    for _ in range(3000):
        for _ in range(rng.randrange(3)):
            db[number] = -number
            twin.append(number)
            number += 1
        if twin and rng.randrange(8):
            key = twin.popleft()
            assert db.popitem(last=False) == (key, -key)
    assert list(db) == list(twin) and db.stats()["leaps"] > 1000


def test_last_in_first_out(db):
    db.update((key, -key) for key in range(2000))
    for key in reversed(range(2000)):
        assert db.popitem() == (key, -key)
        if key % 100 == 50:
            db[key] = 0  # comes again
            assert db.popitem() == (key, 0)
    assert not db and db.stats()["leaps"] > 1000


def test_the_least_first(db):
    twin, rng = [], random.Random(2)
    for _ in range(3000):
        if rng.randrange(5) < 3:
            key = rng.randrange(1 << 20)
            if db.add(key, -key):
                heapq.heappush(twin, key)
        elif twin:
            key = heapq.heappop(twin)
            assert db.first() == (key, -key)
            del db[key]
    assert list(db) == sorted(twin)
    while twin:
        assert db.popitem(last=False)[0] == heapq.heappop(twin)
    assert db.first() is None and db.last() is None and db.stats()["leaps"] > 1000


def test_ends_of_a_range(db):
    db.update((key, 0) for key in range(4000))
    for key in range(1000, 2000):
        assert db.ceiling(1000) == db[1000:3000].first() == (key, 0)
        assert db.higher(999) == (key, 0) and db.lower(key) == (999, 0)
        del db[key]
    assert db[:2000].last() == db.floor(1999) == (999, 0)
    assert db[1000:2000].first() is None and list(db[990:2010]) == [*range(990, 1000), *range(2000, 2010)]
    assert db.stats()["leaps"] > 2000
