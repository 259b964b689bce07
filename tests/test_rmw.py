"""What reads, thinks and writes in one step: pop, popitem, setdefault, add, discard, compare_and_set, merge, incr."""

import math
import pickle
import threading

import pytest

import lsmkv
from lsmkv import ABSENT


@pytest.fixture(params=["a store", "a namespace", "a transaction"])
def d(request, path):
    """Wherever these methods are."""
    with lsmkv.open(path, threads=0) as db:
        if request.param == "a transaction":
            with db.transaction() as tx:
                yield tx
        else:
            yield db if request.param == "a store" else db.namespace("n")


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        yield db


def in_threads(count, work):
    """work(number) in so many threads at once; what any of them raises is raised here."""
    wrong, start = [], threading.Barrier(count)

    def run(number):
        try:
            start.wait(200)
            work(number)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]


# ---- pop, popitem, setdefault ---------------------------------------------------------------


def test_pop(d):
    d[b"k"] = b"v"
    assert d.pop(b"k") == b"v" and b"k" not in d
    assert d.pop(b"k", None) is None and d.pop(b"k", 7) == 7
    with pytest.raises(KeyError) as caught:
        d.pop(b"k")
    assert caught.value.args == (b"k",)


@pytest.mark.parametrize("call", ["pop()", "pop(b'a', 1, 2)", "pop(key=b'a')", "pop('a')", "pop(None)"])
def test_pop_with_wrong_arguments(d, call):
    with pytest.raises(TypeError):
        eval(f"d.{call}", {"d": d})


def test_popitem_takes_from_both_ends(d):
    d.update({b"a": b"1", b"b": b"2", b"c": b"3"})
    assert d.popitem() == (b"c", b"3")
    assert d.popitem(last=False) == (b"a", b"1")
    assert d.popitem(last=True) == (b"b", b"2")
    with pytest.raises(KeyError, match="nothing is stored"):
        d.popitem()
    with pytest.raises(TypeError):
        d.popitem(True)


def test_popitem_of_desc_keys(path):
    with lsmkv.open(path, key="desc(i64)") as db:
        db.update({1: b"", 2: b"", 3: b""})
        assert db.popitem()[0] == 1, "the last in the store's order"
        assert db.popitem(last=False)[0] == 3


def test_setdefault(d):
    assert d.setdefault(b"k", b"v") == b"v" == d[b"k"]
    assert d.setdefault(b"k", b"w") == b"v" == d[b"k"]
    with pytest.raises(TypeError):
        d.setdefault(b"nobody")  # None is no value of a store of bytes
    assert b"nobody" not in d


def test_setdefault_may_have_none_where_none_is_a_value(path):
    with lsmkv.open(path, value="json") as db:
        assert db.setdefault(b"k") is None and db[b"k"] is None and b"k" in db


# ---- add, discard, compare_and_set ----------------------------------------------------------


def test_add(d):
    assert d.add(b"k", b"v") is True
    assert d.add(b"k", b"w") is False and d[b"k"] == b"v"
    del d[b"k"]
    assert d.add(b"k", b"w") is True and d[b"k"] == b"w"


def test_discard(d):
    d[b"k"] = b"v"
    assert d.discard(b"k") is True and d.discard(b"k") is False and b"k" not in d


def test_compare_and_set(d):
    assert not d.compare_and_set(b"k", b"old", b"new"), "it is absent"
    assert d.compare_and_set(b"k", ABSENT, b"one") and d[b"k"] == b"one"
    assert not d.compare_and_set(b"k", ABSENT, b"two"), "it is there"
    assert not d.compare_and_set(b"k", b"other", b"two") and d[b"k"] == b"one"
    assert d.compare_and_set(b"k", b"one", b"two") and d[b"k"] == b"two"
    assert not d.compare_and_set(b"k", b"one", ABSENT)
    assert d.compare_and_set(b"k", b"two", ABSENT) and b"k" not in d
    assert d.compare_and_set(b"k", ABSENT, ABSENT), "nothing is what it shall be"


def test_compare_and_set_compares_as_python_does(path):
    with lsmkv.open(path, value="json") as db:
        db[b"k"] = {"a": 1}
        assert db.compare_and_set(b"k", {"a": 1.0}, [1])
        assert db.compare_and_set(b"k", [True], None)
        assert db.compare_and_set(b"k", None, ABSENT) and b"k" not in db


def test_absent_is_one_object():
    assert repr(ABSENT) == "lsmkv.ABSENT" and pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    with pytest.raises(TypeError):
        type(ABSENT)()


def test_absent_is_no_value(d):
    with pytest.raises(TypeError):
        d[b"k"] = ABSENT


# ---- merge ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "op, first, second, result",
    [
        ("add", 2, 3, 5),
        ("concat", [1], [2], [1, 2]),
        ("min", 2, 3, 2),
        ("max", 2, 3, 3),
        ("or", {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        (lambda value, operand: value * 10 + operand, 2, 3, 23),
    ],
)
def test_merge(path, op, first, second, result):
    with lsmkv.open(path, value="json") as db:
        assert db.merge(b"k", first, op=op) == first, "the operand, when there is nothing yet"
        assert db.merge(b"k", second, op=op) == result == db[b"k"]


def test_merge_of_bytes(d):
    assert d.merge(b"k", b"one", op="concat") == b"one"
    assert d.merge(b"k", b"two", op="concat") == b"onetwo" == d[b"k"]


@pytest.mark.parametrize("op, error", [("nonsense", ValueError), (7, TypeError), (None, TypeError)])
def test_merge_with_no_operation(d, op, error):
    with pytest.raises(error, match="op"):
        d.merge(b"k", b"", op=op)
    with pytest.raises(TypeError):
        d.merge(b"k", b"")


def test_merge_lists_the_operations_it_knows(d):
    with pytest.raises(ValueError, match="add, concat, min, max, or"):
        d.merge(b"k", b"", op="plus")


def test_an_operation_that_raises_leaves_the_value(d):
    d[b"k"] = b"v"
    with pytest.raises(ZeroDivisionError):
        d.merge(b"k", b"", op=lambda value, operand: 1 / 0)
    with pytest.raises(TypeError):
        d.merge(b"k", b"", op=lambda value, operand: 7)
    assert d[b"k"] == b"v"


def test_the_operation_is_called_again_when_another_writer_came_between(db):
    db[b"k"] = b"one"
    seen = []

    def op(value, operand):
        seen.append(value)
        if len(seen) == 1:
            db[b"k"] = b"two"
        return value + operand

    assert db.merge(b"k", b"!", op=op) == b"two!" == db[b"k"] and seen == [b"one", b"two"]


def test_the_operation_may_use_the_store_even_close_it(db):
    db[b"k"] = b"v"
    db.merge(b"k", b"x", op=lambda value, operand: db.get(b"other", operand))
    assert db[b"k"] == b"x"
    with pytest.raises(lsmkv.ClosedError):
        db.merge(b"k", b"", op=lambda value, operand: db.close() or operand)


# ---- incr -----------------------------------------------------------------------------------


def test_incr_keeps_decimal_text_in_bytes_and_str(d, tmp_path):
    assert d.incr(b"n") == 1 and d.incr(b"n", 41) == 42 and d[b"n"] == b"42"
    assert d.incr(b"n", delta=-50) == -8 and d[b"n"] == b"-8"
    assert d.incr(b"n", 1 << 80) == (1 << 80) - 8
    with lsmkv.open(tmp_path / "text", key="str", value="str") as db:
        assert db.incr("n", 5) == 5 and db["n"] == "5"


def test_incr_takes_numbers_from_other_codecs(path):
    with lsmkv.open(path, value="json") as db:
        assert db.incr(b"n", 0.5) == 0.5 and db.incr(b"n") == 1.5 and db[b"n"] == 1.5
        db[b"n"] = "text"
        with pytest.raises(TypeError):
            db.incr(b"n")


@pytest.mark.parametrize("text", [b"", b"x", b"1.5", b"1\0", b"\xff"])
def test_incr_of_what_is_no_number(d, text):
    d[b"n"] = text
    with pytest.raises(ValueError, match="b'n' is not a whole number in decimal text: it stays as it is"):
        d.incr(b"n")
    assert d[b"n"] == text


@pytest.mark.parametrize("delta", [1.5, "1", None, b"1"])
def test_incr_by_what_is_no_int(d, delta):
    with pytest.raises(TypeError, match="delta must be an int"):
        d.incr(b"n", delta)
    assert b"n" not in d


# ---- expiry ---------------------------------------------------------------------------------


def test_what_becomes_of_an_expiry(path):
    clock = lsmkv.ManualClock()
    with lsmkv.open(path, clock=clock, ttl=100) as db:
        db.put(b"k", b"1", ttl=5)
        db.incr(b"k")
        db.merge(b"k", b"0", op="concat")
        assert db.ttl(b"k") == 5, "incr and merge keep it"
        assert db.setdefault(b"k", b"") == b"20" and db.ttl(b"k") == 5
        assert db.compare_and_set(b"k", b"20", b"x") and db.ttl(b"k") == 100, "a new value follows the store"
        assert db.compare_and_set(b"k", b"x", b"y", ttl=7) and db.ttl(b"k") == 7
        assert not db.add(b"k", b"", ttl=1) and db.ttl(b"k") == 7
        clock.advance(7)
        assert db.add(b"k", b"z", ttl=math.inf) and db.ttl(b"k") is None
        clock.advance(200)
        assert db.incr(b"n") == 1 and db.ttl(b"n") == 100


# ---- many at once ---------------------------------------------------------------------------

THREADS, TIMES = 4, 300


@pytest.mark.parametrize("options", [{}, {"threads": 2, "segment_bytes": 4096, "l0_segments": 1}], ids=["", "tiny"])
def test_no_increment_is_lost(path, options):
    with lsmkv.open(path, **options) as db:
        seen = [[] for _ in range(THREADS)]

        def work(number):
            for _ in range(TIMES):
                seen[number].append(db.incr(b"n"))

        in_threads(THREADS, work)
        assert db[b"n"] == b"%d" % (THREADS * TIMES)
        assert sorted(sum(seen, [])) == list(range(1, THREADS * TIMES + 1)), "each sum was given once"
        assert all(own == sorted(own) for own in seen)


def test_one_of_many_adds_wins(db):
    won = [0] * THREADS

    def work(number):
        for turn in range(TIMES):
            won[number] += db.add(b"%d" % turn, b"%d" % number)

    in_threads(THREADS, work)
    assert sum(won) == TIMES == len(db)
    assert [list(db.values()).count(b"%d" % number) for number in range(THREADS)] == won


@pytest.mark.parametrize("way", ["popitem", "pop", "discard"])
def test_each_entry_is_taken_once(db, way):
    db.update({b"%04d" % n: b"%d" % n for n in range(TIMES)})
    taken = [[] for _ in range(THREADS)]

    def work(number):
        if way == "popitem":
            try:
                while True:
                    taken[number].append(db.popitem(last=number % 2 == 0)[0])
            except KeyError:
                return
        for n in range(TIMES):
            key = b"%04d" % n
            if db.discard(key) if way == "discard" else db.pop(key, None):
                taken[number].append(key)

    in_threads(THREADS, work)
    assert sorted(sum(taken, [])) == [b"%04d" % n for n in range(TIMES)] and not db


def test_compare_and_set_loses_no_turn(path):
    """Each thread may write only when it is its turn, and passes the turn on."""
    with lsmkv.open(path, value="json") as db:
        db[b"turn"] = 0

        def work(number):
            for turn in range(number, THREADS * 20, THREADS):
                while not db.compare_and_set(b"turn", turn, turn + 1):
                    threading.Event().wait(0)

        in_threads(THREADS, work)
        assert db[b"turn"] == THREADS * 20


def test_merge_of_threads_loses_nothing(path):
    with lsmkv.open(path, value="json") as db:
        in_threads(THREADS, lambda number: [db.merge(b"k", [number], op="concat") for _ in range(50)])
        assert sorted(db[b"k"]) == sorted(list(range(THREADS)) * 50)


# ---- where it cannot be done ----------------------------------------------------------------

CALLS = {
    "pop": lambda d: d.pop(b"k"),
    "pop with a default": lambda d: d.pop(b"k", None),
    "popitem": lambda d: d.popitem(),
    "setdefault": lambda d: d.setdefault(b"other", b""),
    "add": lambda d: d.add(b"other", b""),
    "discard": lambda d: d.discard(b"k"),
    "compare_and_set": lambda d: d.compare_and_set(b"k", b"1", b"2"),
    "merge": lambda d: d.merge(b"k", b"", op="concat"),
    "incr": lambda d: d.incr(b"k"),
    "touch": lambda d: d.touch(b"k", 1),
    "persist": lambda d: d.persist(b"k"),
    "delete_many": lambda d: d.delete_many([b"k"]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_after_close_and_read_only(path, call):
    with lsmkv.open(path) as db:
        db[b"k"] = b"1"
        tx = db.transaction()
        with pytest.raises(lsmkv.ClosedError, match="inside its block"):
            call(tx)
        with tx:
            pass
        with pytest.raises(lsmkv.ClosedError, match="over"):
            call(tx)
        space = db.namespace("n")
        space[b"k"] = b"1"
    for closed in (db, space):
        with pytest.raises(lsmkv.ClosedError):
            call(closed)
    with lsmkv.open(path, "r") as db:
        with pytest.raises(lsmkv.ReadOnlyError):
            call(db)
        assert db[b"k"] == b"1"


def test_update_with_keywords_it_cannot_take_writes_nothing(path):
    with lsmkv.open(path) as db:
        with pytest.raises(TypeError, match="keyword arguments"):
            db.update({b"a": b"1"}, b=b"2")
        assert not db


def test_discard_does_not_look_at_the_value(path):
    def never(data):
        raise AssertionError

    with lsmkv.open(path, value=lsmkv.codecs.ValueCodec("blind", bytes, never)) as db:
        db[b"k"] = b"v"
        assert db.discard(b"k") is True and db.discard(b"k") is False and not db
        with db.transaction() as tx:
            tx[b"k"] = b"v"
            assert tx.discard(b"k") is True and tx.discard(b"k") is False
