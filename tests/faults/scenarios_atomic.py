"""What the family plays, third part: what reads and writes at once, and what stands at a place."""

import pickle

from scenarios import (
    ABSENT,
    BIG,
    CONTENT,
    DEFAULT,
    KEY,
    NEW,
    NUMBER,
    OPTIONS,
    PAIRS,
    VALUE,
    WORDS,
    meets_another_thread,
    on_path,
    on_store,
    refused,
)
from world import LARGE, lsmkv

FIRST, LAST = b"key 000", b"large too"
ONE = b"1"


def concat(value, operand):
    return value + operand


def fails(*_):
    return 1 // 0


# ---- one key ---------------------------------------------------------------------------------------


@on_store
def pop_and_the_like(db):
    assert db.pop(KEY) == VALUE
    yield
    assert db.pop(ABSENT, DEFAULT) is DEFAULT and db.setdefault(b"key 001", VALUE) == CONTENT[b"key 001"]
    assert db.setdefault(NEW, VALUE) == VALUE
    yield
    assert db.discard(NEW) and not db.discard(NEW)
    yield
    assert db.add(NEW, BIG) and not db.add(NEW, VALUE)
    yield
    assert db.popitem() == (LAST, CONTENT[LAST])
    yield
    assert db.popitem(last=False) == (FIRST, CONTENT[FIRST])
    yield
    db.delete_many([NEW, b"key 010", bytearray(b"key 011")])
    yield
    db.delete_many(iter([b"key 0%02d" % i for i in range(12, 30)]))


@on_store
def compare_and_set(db):
    assert db.compare_and_set(KEY, VALUE, ONE) and not db.compare_and_set(KEY, VALUE, b"2")
    yield
    assert db.compare_and_set(NEW, lsmkv.ABSENT, VALUE, ttl=100) and not db.compare_and_set(KEY, lsmkv.ABSENT, VALUE)
    yield
    assert db.compare_and_set(NEW, VALUE, lsmkv.ABSENT) and db.compare_and_set(NEW, lsmkv.ABSENT, lsmkv.ABSENT)
    assert not db.compare_and_set(ABSENT, VALUE, ONE)


@on_store
def merge(db):
    assert db.merge(KEY, b"+", op="concat") == VALUE + b"+"
    yield
    assert db.merge(NEW, ONE, op=concat) == ONE
    yield
    assert db.merge(NEW, b"2", op=concat) == b"12"
    yield
    assert db.incr(b"n") == 1
    yield
    assert db.incr(b"n", 4) == 5
    yield
    ns = db.namespace("numbers", value="json")
    assert ns.incr(b"n", 2) == 2 and ns.incr(b"n", 2.5) == 4.5 and ns.merge(b"l", [1], op="add") == [1]
    assert ns.merge(b"l", [2], op="add") == [1, 2] and ns.compare_and_set(b"l", [1, 2], [3]) and ns.pop(b"l") == [3]
    assert ns.setdefault(b"l", []) == [] and ns.setdefault(b"l", 1) == [] and ns.popitem() == (b"n", 4.5)
    assert ns.add(b"m", 1) and ns.discard(b"m") and ns.get_many([b"l", b"m"]) == [[], None]
    db.drop_namespace("numbers")


@on_store
def merge_refused(db):
    with refused(ZeroDivisionError):
        db.merge(KEY, ONE, op=fails)
    with refused(TypeError):
        db.merge(KEY, ONE, op=NUMBER)
    with refused(ValueError):
        db.merge(KEY, ONE, op=WORDS)
    with refused(TypeError):
        db.merge(KEY, ONE)
    with refused(TypeError):
        db.merge(KEY, ONE, op=lambda *_: NUMBER)
    with refused(TypeError):
        db.merge(WORDS, ONE, op=concat)
    with refused(ValueError):
        db.incr(KEY)
    with refused(TypeError):
        db.incr(KEY, 1.5)
    with refused(TypeError):
        db.incr()


@on_store
def atomic_refused(db):
    with refused(KeyError):
        db.pop(ABSENT)
    for call in (db.pop, db.setdefault, db.add, db.compare_and_set, db.delete_many):
        with refused(TypeError):
            call()
    with refused(TypeError):
        db.popitem(first=True)
    with refused(TypeError):
        db.setdefault(NEW, None)
    with refused(TypeError):
        db.discard(WORDS)
    with refused(TypeError):
        db.delete_many([WORDS])
    with refused(TypeError):
        db.delete_many(NUMBER)
    with refused(ZeroDivisionError):
        db.delete_many(1 // 0 for _ in PAIRS)
    with refused(ValueError):
        db.add(NEW, VALUE, ttl=-1)
    with refused(ValueError):
        db.compare_and_set(KEY, VALUE, ONE, ttl=-1)
    with refused(TypeError):
        db.compare_and_set(KEY, VALUE, NUMBER)
    empty = db.namespace("empty")
    with refused(KeyError):
        empty.popitem()
    db.drop_namespace("empty")


@on_path
def atomic_from_files(path):
    """Nothing is in memory: every read waits for a file."""
    with lsmkv.open(path, table_source="read", **OPTIONS) as db:
        assert not db.add(KEY, ONE) and db.compare_and_set(b"key 005", CONTENT[b"key 005"], CONTENT[b"key 005"])
    with lsmkv.open(path, "r", table_source="read") as db:
        assert db.ttl(KEY) is None
    with lsmkv.open(path, "r", table_source="read") as db:
        assert db.get_view(b"large too") == LARGE[::-1]


# ---- transactions ----------------------------------------------------------------------------------


@on_store
def transaction(db):
    with db.transaction() as tx:
        tx[KEY] = ONE
        tx.update([(NEW, BIG)])
        del tx[b"key 010"]
        del tx[b"key 02":b"key 03"]
        tx.delete_range(b"key 03", b"key 04")
        tx |= {b"x": b"y"}
        assert tx[KEY] == ONE and len(tx) == 43 and tx.writes and "open" in repr(tx) and not tx.closed
        assert list(tx.items())[0][0] == FIRST and tx.first() and tx.get_view(KEY) == ONE
        assert tx.pop(b"x") == b"y" and tx.setdefault(b"s", b"t") == b"t" and tx.popitem()[0] == b"s"
        assert tx.incr(b"n") == 1 and tx.merge(b"n", b"0", op=concat) == b"10" and tx.discard(b"n")
        assert tx.put(b"p", VALUE, ttl=9) == 0 and tx.ttl(b"p") > 0 and tx.delete(b"p") == 0
        tx.delete_many([b"key 055"])
        tx.set_many([(b"m", b"n")])
    yield
    with db.transaction(sync=True) as tx:
        tx[b"k"] = b"v"
        with refused(ZeroDivisionError), tx:
            tx[b"never"] = b"written"
            raise ZeroDivisionError
        with tx:
            tx[b"l"] = b"w"
    yield
    with refused(ZeroDivisionError), db.transaction() as tx:
        tx[b"never"] = b"written"
        raise ZeroDivisionError
    with db.transaction() as tx:
        tx.clear()


@on_store(partial=True)
def transact(db):
    runs = []

    def once_more(tx):
        runs.append(tx.get(b"met"))
        if len(runs) == 1:
            db[b"met"] = VALUE
        tx[b"x"] = VALUE
        return runs

    assert db.transact(once_more, retries=1) is runs and len(runs) == 2
    yield
    assert db.transact(lambda tx: tx.incr(b"n"), sync=False) == 1


@on_store(partial=True)
def transactions_that_conflict(db):
    with refused(lsmkv.ConflictError), db.transaction() as tx:
        tx.get(b"met")
        db[b"met"] = VALUE
        tx[b"x"] = VALUE
    yield

    def never(tx):
        raise lsmkv.ConflictError

    with refused(lsmkv.ConflictError):
        db.transact(never, 2)


@on_store
def transactions_refused(db):
    tx = db.transaction()
    for use in (lambda: tx[KEY], tx.popitem, lambda: tx.pop(KEY), lambda: len(tx), lambda: tx.__exit__(None)):
        with refused(lsmkv.ClosedError):
            use()
    assert "not begun" in repr(tx)
    with tx:
        with refused(TypeError):
            tx[KEY] = NUMBER
        with refused(KeyError):
            del tx[ABSENT]
        with refused(TypeError):
            pickle.dumps(tx)
    for use in (lambda: tx[KEY], tx.popitem, tx.__enter__, lambda: tx.update(PAIRS)):
        with refused(lsmkv.ClosedError):
            use()
    assert "over" in repr(tx) and tx.closed and tx.writes == 0
    with refused(TypeError):
        db.transaction(NUMBER)
    with refused(TypeError):
        db.transact(fails, WORDS)
    with refused(ValueError):
        db.transact(fails, -1)
    with refused(TypeError):
        db.transact()
    with refused(ZeroDivisionError):
        db.transact(fails)


@on_store
def batches_that_merge(db):
    with db.batch() as batch:
        batch[b"before"] = VALUE
        for _ in range(6):
            batch.merge(NEW, ONE, op=concat)
        batch.merge(KEY, b"+", op="concat")
        batch[b"after"] = VALUE
        assert len(batch) == 9 and batch.nbytes
        with refused(TypeError):
            batch.merge(NEW, ONE, op=NUMBER)
        with refused(TypeError):
            batch.merge(NEW)
    assert db[NEW] == ONE * 6
    yield
    with refused(ZeroDivisionError), db.batch() as batch:
        batch[b"never"] = VALUE
        batch.merge(KEY, ONE, op=fails)
    held = []

    def leave(value, operand):
        with refused(RuntimeError):
            held[0][KEY] = VALUE
        return value

    with db.batch() as batch:
        held.append(batch)
        batch.merge(KEY, ONE, op=leave)
    held.clear()


# ---- cursors ---------------------------------------------------------------------------------------


@on_store
def cursors(db):
    with db.cursor() as cursor:
        assert "no key" in repr(cursor) and not cursor.valid and not cursor.next()
        assert (
            cursor.first() and cursor.key == FIRST and cursor.value == CONTENT[FIRST] and FIRST.decode() in repr(cursor)
        )
        assert cursor.last() and cursor.item == (LAST, CONTENT[LAST]) and cursor.prev() and cursor.key == b"large"
        assert cursor.seek(bytearray(b"key 0055")) and cursor.key == b"key 006" and cursor.next() and cursor.prev()
        assert cursor.seek_for_prev(b"key 0055") and cursor.key == b"key 005" and cursor.next() and cursor.valid
        assert cursor.seek(b"") and cursor.key == FIRST and not cursor.prev() and not cursor.seek(b"z")
        with refused(ValueError):
            cursor.key  # noqa: B018
        for wrong in (WORDS, None):
            with refused(TypeError):
                cursor.seek(wrong)
        with refused(TypeError):
            pickle.dumps(cursor)
    with refused(ValueError):
        cursor.first()
    assert "closed" in repr(cursor)
    with db.snapshot() as snapshot, db.transaction() as tx:
        assert snapshot.cursor().first() and tx.cursor().last()


@on_store
def nearest(db):
    pair = b"key 007", VALUE
    assert db.floor(b"key 0075") == db.floor(KEY) == db.lower(b"key 008") == db.ceiling(KEY) == pair
    assert db.higher(bytearray(b"key 006")) == pair and db.lower(FIRST) is None and db.higher(LAST) is None
    for call in (db.floor, db.ceiling, db.lower, db.higher):
        with refused(TypeError):
            call(WORDS)
        with refused(TypeError):
            call(None)


# ---- values in place -------------------------------------------------------------------------------


@on_store
def views_of_values(db):
    small, large = db.get_view(bytearray(KEY)), db.get_view(b"large")
    assert small == VALUE and large == LARGE and db.get_view(ABSENT) is None and large.readonly
    with db.snapshot() as snapshot:
        kept = snapshot.get_view(KEY)
    assert kept == VALUE and bytes(kept[:3]) == VALUE[:3]
    with refused(TypeError):
        db.get_view(WORDS)
    large.release()


@on_store
def pieces(db):
    view = db.prefix(b"key")
    assert [len(chunk) for chunk in view.chunks(25)] == [25, 25, 10] and len(view.split(3)) == 3
    assert list(view.items().limit(3).chunks(2))[1][0][0] == b"key 002"
    backwards = db.range(b"key 010", b"key 020", reverse=True)
    assert [key for part in backwards.split(2) for key in part] == list(backwards)
    with refused(ValueError):
        view.limit(3).split(2)
    with refused(ValueError):
        view.split(0)
    with refused(ValueError):
        view.chunks(0)


@on_store
def iterator_of_two_threads_with_codecs(db):
    ns = db.namespace("n", value="str")
    ns.update((b"%04d" % i, WORDS * 400) for i in range(100))
    met = False
    while not met:
        scan = iter(ns.values())
        next(scan)
        met = meets_another_thread(scan, 99)
    db.drop_namespace("n")


@on_store(quiet=True)
def for_a_notebook(db):
    """A repr raises nothing: it says less."""
    card, keys = db._repr_html_(), db._ipython_key_completions_()
    assert card is None or "lsmkv" in card
    assert keys == [] or len(keys) > 50
    db.close()
    db._repr_html_()
    assert db._ipython_key_completions_() == []
