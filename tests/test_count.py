"""len(): the number of keys is exact, whatever happens, and costs what was written since it was asked for."""

import random
import threading

import pytest

import lsmkv

TINY = {"threads": 0, "segment_bytes": 4096, "table_bytes": 1024, "page_bytes": 128, "l0_segments": 1, "run_count": 3}


def key(number):
    return (b"k%03d", b"\xff%03d", b"a long key that has the number %03d in it")[number % 3] % number


def change(db, model, dice):
    """One random change, to both."""
    a, b, what = key(dice.randrange(300)), key(dice.randrange(300)), dice.randrange(100)
    if what < 55:
        db[a] = model[a] = bytes(dice.randrange(60))
    elif what < 80:
        db.delete(a)
        model.pop(a, None)
    elif what < 90:
        more = {key(dice.randrange(300)): b"x" for _ in range(20)}
        db.update(more)
        model.update(more)
    elif what < 98:
        a, b = sorted((a, b))
        del db[a:b]
        for gone in [k for k in model if a <= k < b]:
            del model[gone]
    elif what == 98:
        db.clear()
        model.clear()
    else:
        with db.batch() as batch:
            batch[a] = model[a] = b"1"
            batch.delete(b)
        model.pop(b, None)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("options", [TINY, {**TINY, "threads": 2}, {**TINY, "table_source": "read"}], ids=str)
def test_scenario_20_len_is_that_of_a_dict(path, options, seed):
    dice, model = random.Random(seed), {}
    db = lsmkv.open(path, **options)
    for _ in range(1500):
        change(db, model, dice)
        what = dice.randrange(120)
        if what < 30:
            assert len(db) == len(model)
        elif what == 30:
            db.flush()
        elif what == 31:
            db.step()
        elif what == 32:
            db.close()
            db = lsmkv.open(path, **options)
        elif what == 33:
            db.compact()
    assert len(db) == len(model) == sum(1 for _ in db) == db.range().count()
    db.close()
    with lsmkv.open(path, "r") as reader:
        assert len(reader) == len(model)


def test_snapshots_keep_their_number(path):
    dice, model, held = random.Random(7), {}, []
    with lsmkv.open(path, **TINY) as db:
        for turn in range(600):
            change(db, model, dice)
            if turn % 60 == 0:
                held.append((db.snapshot(), len(model)))
            if turn % 7 == 0:
                assert len(db) == len(model)
            snapshot, number = dice.choice(held)
            assert len(snapshot) == number
        for snapshot, number in held:
            assert len(snapshot.keys()) == number == len(list(snapshot))


def test_list_is_one_scan(path):
    with lsmkv.open(path, **TINY) as db:
        db.update((key(n), b"x") for n in range(300))
        len(db)
        db.flush()
        before = db.stats()["scans"]
        assert len(list(db)) == len(db) == 300
        assert db.stats()["scans"] == before + 1


def test_a_settled_len_reads_nothing(path):
    options = {**TINY, "table_source": "read"}
    with lsmkv.open(path, **options) as db:
        db.update((b"%06d" % n, b"x" * 50) for n in range(5000))
        assert len(db) == 5000
        db.compact()
    with lsmkv.open(path, **options) as db:
        before = db.stats()["read_bytes"]
        assert len(db) == len(db.keys()) == 5000
        assert db.stats()["read_bytes"] == before


def test_scenario_20_expiry_changes_it_without_a_write(path):
    clock = lsmkv.ManualClock(1e9)
    with lsmkv.open(path, clock=clock, **TINY) as db:
        db[b"a"] = b"1"
        assert len(db) == 1
        db.put(b"b", b"2", ttl=10)
        assert len(db) == 2
        db.flush()
        snapshot = db.snapshot()
        clock.advance(20)
        assert len(db) == 1 and len(snapshot) == 2


def test_namespaces_have_numbers_of_their_own(path):
    dice = random.Random(3)
    with lsmkv.open(path, **TINY) as db:
        stores = [(db, {}), (db.namespace("one"), {}), (db.namespace("two"), {})]
        for turn in range(1000):
            change(*dice.choice(stores), dice)
            if turn % 100 == 50:
                db.flush()
            if turn % 5 == 0:
                assert [len(store) for store, _ in stores] == [len(model) for _, model in stores]


def test_a_transaction_counts_its_own_writes_and_remembers_that_it_has_counted(path):
    with lsmkv.open(path, **TINY) as db:
        db.update((key(n), b"x") for n in range(50))
        assert len(db) == 50
        with db.transaction() as txn:
            txn[b"new"] = b"1"
            del txn[key(1)]
            assert len(txn) == 50 and len(db) == 50
        assert len(db) == 50
        with pytest.raises(lsmkv.ConflictError):
            with db.transaction() as txn:
                txn[b"number"] = b"%d" % len(txn)
                db[b"another"] = b"1"
        assert len(db) == 51


def test_a_store_is_closed_while_others_count(path):
    db = lsmkv.open(path, threads=2, segment_bytes=65536)
    db.update((b"%06d" % n, b"x" * 20) for n in range(20000))
    db.put(b"makes every len walk", b"", ttl=1e6)
    counted, ended = threading.Barrier(4), []

    def count():
        assert len(db) == 20001
        counted.wait()
        with pytest.raises(lsmkv.ClosedError):
            while True:
                len(db)
        ended.append(1)

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    counted.wait()
    db.close()
    for thread in threads:
        thread.join()
    assert len(ended) == 3


def test_len_beside_writers_is_a_number_that_was_true_once(path):
    """Keys are only ever added, so no len is below the one before it."""
    with lsmkv.open(path, threads=2, segment_bytes=16384, table_bytes=8192, l0_segments=1) as db:
        done = threading.Event()

        def write():
            for n in range(20000):
                db[b"%08d" % (n * 7919 % 20011)] = b"x" * 20
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        before = 0
        while not done.is_set():
            now = len(db)
            assert now >= before
            before = now
        writer.join()
        assert len(db) == 20000 == db.range().count()
