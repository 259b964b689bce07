"""Everything that has a life, and everything that may happen to it: one cell each.

              store iterator view snapshot batch buffer transaction cursor namespace
    closes      .      .       .      .      .     .         .         .       .
    del         .      .       .      ...
    ...

A thing says how it is made, used and ended; an event is a function that is played with each thing. What a thing does
otherwise than the rest is written where it happens. Nothing may crash, hang, or leave something pinned.

The store has int keys and values that go through Python code, so that a key's __index__, encode() and decode() can do
what the event wants in the middle of a call.
"""

import copy
import gc
import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
import weakref

import pytest

import lsmkv
from lsmkv import codecs

COUNT = 300
LARGE = "x" * 100_000  # above what is copied while the interpreter lock is held


class Hook:
    """What the next callback does, once."""

    def __init__(self):
        self.action = None

    def __call__(self):
        action, self.action = self.action, None
        if action:
            action()


hook = Hook()


def encode(value):
    hook()
    return value.encode()


def decode(data):
    hook()
    return data.decode()


VALUES = codecs.ValueCodec("calls back", encode, decode)


class Key:
    """An int to whoever asks, and the hook is called."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        hook()
        return self.number


def open_store(path, kind=lsmkv.LSM, **options):
    return kind(path, key="i64", value=VALUES, threads=0, **options)


def fill(db):
    db.update((i, f"value {i}") for i in range(COUNT))
    db[1000] = LARGE
    db.flush()
    db[7] = "seven"


# ---- the things ----------------------------------------------------------------------------------


class Store:
    """Another handle on the same engine."""

    make = staticmethod(lambda db: open_store(db.path))
    use = staticmethod(lambda it: it[7])
    use_with_callback = staticmethod(lambda it: it[Key(7)])
    answer = "seven"
    end = staticmethod(lambda it: it.close())
    over = lsmkv.ClosedError
    kind = lsmkv.LSM


class Iterator:
    @staticmethod
    def make(db):
        scan = iter(db.items())
        assert next(scan) == (0, "value 0")
        return scan

    use = staticmethod(lambda it: next(it)[1][:5])
    use_with_callback = use  # decode()
    answer = "value"
    end = staticmethod(lambda it: all(it))  # walks to its end
    over = StopIteration
    kind = lsmkv.Iterator


class View:
    make = staticmethod(lambda db: db[7:100].items())
    use = staticmethod(lambda it: it.first()[1])
    use_with_callback = use
    answer = "seven"
    end = None  # describes, holds nothing
    kind = lsmkv.ItemsView


class Snapshot:
    make = staticmethod(lambda db: db.snapshot())
    use = staticmethod(lambda it: it[7])
    use_with_callback = staticmethod(lambda it: it[Key(7)])
    answer = "seven"
    end = staticmethod(lambda it: it.close())
    over = lsmkv.ClosedError
    kind = lsmkv.Snapshot


class Batch:
    make = staticmethod(lambda db: db.batch().__enter__())
    use = staticmethod(lambda it: it.put(5000, "new"))
    use_with_callback = staticmethod(lambda it: it.put(Key(5000), "new"))
    answer = None
    end = staticmethod(lambda it: it.__exit__(None, None, None))
    over = ValueError
    kind = lsmkv.WriteBatch


class Buffer:
    """What get_view() lends: it outlives everything."""

    make = staticmethod(lambda db: db.get_view(1000))
    use = staticmethod(lambda it: bytes(it[:3]))
    use_with_callback = None
    answer = b"xxx"
    end = staticmethod(lambda it: it.release())
    over = ValueError
    kind = memoryview


class Transaction:
    make = staticmethod(lambda db: db.transaction().__enter__())
    use = staticmethod(lambda it: it[7])
    use_with_callback = staticmethod(lambda it: it[Key(7)])
    answer = "seven"
    end = staticmethod(lambda it: it.__exit__(None, None, None))
    over = lsmkv.ClosedError
    kind = lsmkv.Transaction


class Cursor:
    @staticmethod
    def make(db):
        cursor = db.cursor()
        assert cursor.seek(7)
        return cursor

    use = staticmethod(lambda it: it.seek(7) and it.value)
    use_with_callback = staticmethod(lambda it: it.seek(Key(7)) and it.value)
    answer = "seven"
    end = staticmethod(lambda it: it.close())
    over = ValueError
    kind = lsmkv.Cursor


class Namespace:
    @staticmethod
    def make(db):
        ns = db.namespace("fruit", key="i64", value=VALUES)
        ns[7] = "seven"
        return ns

    use = staticmethod(lambda it: it[7])
    use_with_callback = staticmethod(lambda it: it[Key(7)])
    answer = "seven"
    end = staticmethod(lambda it: it.close())
    over = lsmkv.ClosedError
    kind = lsmkv.LSM


THINGS = {
    "store": Store,
    "iterator": Iterator,
    "view": View,
    "snapshot": Snapshot,
    "batch": Batch,
    "buffer": Buffer,
    "transaction": Transaction,
    "cursor": Cursor,
    "namespace": Namespace,
}


# ---- the table -------------------------------------------------------------------------------------

CELLS = {}


def event(*things, without=()):
    """The function is played with each of the things, or with all of them."""

    def register(play):
        for name in things or THINGS:
            if name not in without:
                CELLS[f"{name}-{play.__name__}"] = (THINGS[name], play)
        return play

    return register


@pytest.fixture
def db(path):
    with open_store(path) as db:
        fill(db)
        yield db
    hook.action = None


def pins(db):
    stats = db.stats()
    return {name: stats[name] for name in ("live_snapshots", "live_iterators", "pinned_bytes")}


def is_sound(db):
    """Whatever happened to the thing, its store works."""
    assert db[7] == "seven" and len(db) >= COUNT + 1
    db[2000] = "after"
    assert db.pop(2000) == "after"


def meets_a_closed_store(thing, it):
    """The hook closes it. What was fetched before it is decoded comes out; everything else is ClosedError."""
    if thing in (Iterator, View):
        assert thing.use_with_callback(it) == thing.answer
    else:
        with pytest.raises(lsmkv.ClosedError):
            thing.use_with_callback(it)
    assert hook.action is None, "the callback was called"
    refuses(thing, it, lsmkv.ClosedError)


def refuses(thing, it, error):
    with pytest.raises(error):
        thing.use(it)
    assert thing is Buffer or repr(it)


# ---- ends ------------------------------------------------------------------------------------------


@event()
def its_store_is_closed(thing, db):
    with open_store(db.path) as other:
        it = thing.make(other)
        if thing is Store:
            it.close()
    if thing is Buffer:
        assert thing.use(it) == thing.answer, "what is lent stays"
    else:
        refuses(thing, it, lsmkv.ClosedError)
    del it
    gc.collect()
    is_sound(db)
    assert not any(pins(db).values())


@event(without=["view"])
def it_ends(thing, db):
    it = thing.make(db)
    thing.end(it)
    refuses(thing, it, thing.over)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            thing.end(it)  # again
        except (ValueError, lsmkv.ClosedError):
            assert thing in (Batch, Transaction), "close() again is fine"
    assert not any(pins(db).values())
    is_sound(db)


@event()
def it_is_dropped(thing, db):
    it = thing.make(db)
    reference = weakref.ref(it)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        del it
        words = [str(one.message) for one in said]
        said.clear()  # a ResourceWarning keeps its source
    assert reference() is None, "at once: no cycle of its own keeps it"
    assert len(words) == (thing is Store), words
    assert not any(pins(db).values())
    is_sound(db)


@event()
def it_is_in_a_cycle(thing, db):
    class Holder:
        pass

    holder = Holder()
    holder.myself, holder.it = holder, thing.make(db)
    reference = weakref.ref(holder.it)
    del holder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert reference() is None and not any(pins(db).values())
    is_sound(db)


class Sub(lsmkv.LSM):
    """A subclass has a __dict__, and so can be in a cycle with what it made."""


@event()
def it_is_an_attribute_of_its_own_store(thing, db):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        mine = open_store(db.path, Sub)
        mine.it = thing.make(mine)
        assert thing.use(mine.it) == thing.answer
        reference, inner = weakref.ref(mine), weakref.ref(mine.it)
        del mine
        gc.collect()
    assert reference() is None and inner() is None and not any(pins(db).values())
    is_sound(db)


# ---- threads, processes, interpreters ----------------------------------------------------------------


def in_thread(call):
    answers = []

    def run():
        try:
            answers.append(call())
        except BaseException as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers.pop()


@event()
def another_thread_uses_and_drops_it(thing, db):
    held = [in_thread(lambda: thing.make(db))]
    assert thing.use(held[0]) == thing.answer
    assert in_thread(lambda: thing.use(held[0])) == thing.answer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        in_thread(held.clear)
    assert not any(pins(db).values())
    is_sound(db)


@event(without=["buffer"])
def another_thread_closes_the_store_in_a_callback(thing, db):
    """The thread that calls back waits for one that closes: nothing it holds may keep that from ending."""
    other = open_store(db.path)
    it = thing.make(other)
    hook.action = lambda: in_thread(it.close if thing is Store else other.close)
    meets_a_closed_store(thing, it)
    other.close()
    is_sound(db)


def in_child(check):
    """Runs check() in a forked child and fails with its traceback."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(60)
            check()
            os._exit(0)
        except BaseException:
            os.write(write, traceback.format_exc().encode()[:60_000])
            os._exit(1)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"status {status}\n{said.decode()}"


@event()
def it_is_inherited_by_a_child(thing, db):
    held = [thing.make(db)]
    if thing is Iterator:
        list(zip(range(15), held[0], strict=False))  # what is left has to be fetched

    def check():
        if thing is Buffer:
            held[0].tobytes()
        else:
            refuses(thing, held[0], lsmkv.ForkedError)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            held.clear()
            gc.collect()

    in_child(check)
    assert thing.use(held[0]) == thing.answer, "it is unharmed here"
    if thing is Store:
        held[0].close()
    is_sound(db)


@event(without=["buffer"])
def a_callback_forks(thing, db):
    """The call goes on in both processes: rightly here, with ForkedError there, unless it was done with the store."""
    it = thing.make(db)
    child = []

    def fork():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child.append(os.fork())

    hook.action = fork
    status = 1
    try:
        answer = thing.use_with_callback(it)
        status = 0 if answer == thing.answer else 2
    except lsmkv.ForkedError:
        status = 0
    finally:
        if child == [0]:
            os._exit(status)
    assert answer == thing.answer
    assert os.waitpid(child[0], 0)[1] == 0
    if thing is Store:
        it.close()
    is_sound(db)


PRELUDE = """
import sys
sys.path[:] = {path!r}
import lsmkv, test_lifetimes_matrix as matrix
thing = matrix.THINGS[{name!r}]
"""


def prelude(thing):
    (name,) = [name for name, one in THINGS.items() if one is thing]
    return PRELUDE.format(path=[os.path.dirname(__file__), *sys.path], name=name)


@event()
def the_interpreter_exits(thing, path, run_python):
    """In the middle: the thing is in use, and in a module that is torn down last."""
    code = """
db = matrix.open_store(sys.argv[1])
matrix.fill(db)
it = thing.make(db)
assert thing.use(it) == thing.answer
sys.modules["kept"] = (db, it)
"""
    done = run_python(prelude(thing) + code, path)
    assert done.stderr == ""
    with open_store(path) as db:
        assert db.stats()["clean_open"]
        is_sound(db)


@event()
def another_interpreter_ends(thing, path, run_python):
    """It has a module of its own: its end does nothing to the thing here."""
    code = f"""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
db = matrix.open_store(sys.argv[1])
matrix.fill(db)
it = thing.make(db)
other = interpreters.create()
interpreters.run_string(other, '''{prelude(thing)}
db = matrix.open_store(PLACE)
matrix.fill(db)
it = thing.make(db)
assert thing.use(it) == thing.answer
kept = db, it
'''.replace("PLACE", repr(sys.argv[1] + "-other")))
interpreters.destroy(other)
assert thing.use(it) == thing.answer
if thing is matrix.Store:
    it.close()
db.close()
with matrix.open_store(sys.argv[1] + "-other") as db:
    matrix.is_sound(db)
"""
    try:
        import _interpreters  # noqa: F401
    except ImportError:
        pytest.importorskip("_xxsubinterpreters", reason="no sub-interpreters in this Python")
    run_python(prelude(thing) + code, path)


# ---- callbacks ---------------------------------------------------------------------------------------


class Interrupted(BaseException):
    pass


@pytest.fixture
def on_interrupt():
    def handler(*_):
        raise Interrupted

    before = signal.signal(signal.SIGINT, handler)
    yield
    signal.signal(signal.SIGINT, before)


@event(without=["buffer"])
def control_c_in_a_callback(thing, db, on_interrupt):
    it = thing.make(db)
    hook.action = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.raises(Interrupted):
        thing.use_with_callback(it)
    assert thing.use(it) == thing.answer, "it is as it was"
    if thing is Store:
        it.close()
    is_sound(db)


@event(without=["buffer"])
def a_callback_raises(thing, db):
    it = thing.make(db)
    hook.action = lambda: 1 // 0
    with pytest.raises((ZeroDivisionError, lsmkv.DecodeError)) as caught:
        thing.use_with_callback(it)
    assert ZeroDivisionError in (caught.type, type(caught.value.__cause__))
    assert thing.use(it) == thing.answer, "it is as it was"
    if thing is Store:
        it.close()
    is_sound(db)


@event(without=["buffer"])
def a_callback_closes_the_store(thing, db):
    other = open_store(db.path)
    it = thing.make(other)
    hook.action = it.close if thing is Store else other.close
    meets_a_closed_store(thing, it)
    other.close()
    del it
    is_sound(db)
    assert not any(pins(db).values())


@event(without=["buffer"])
def a_callback_uses_the_store(thing, db):
    it = thing.make(db)
    seen = []

    def use():
        db[3000] = "from the callback"
        seen.append((db[3000], len(db), db.floor(7), list(db[5:8]), db.get_view(7).tobytes()))
        with db.transaction() as tx, db.snapshot() as snapshot, db.batch() as batch:
            batch[3001] = tx[3000] + snapshot[3000]
        db.flush()

    hook.action = use
    assert thing.use_with_callback(it) == thing.answer
    assert seen == [("from the callback", COUNT + 2, (7, "seven"), [5, 6, 7], b"seven")]
    assert db[3001] == "from the callback" * 2
    if thing is Store:
        it.close()
    is_sound(db)


@event(without=["buffer"])
def a_callback_uses_the_thing(thing, db):
    """It answers as ever, or says that it is in use."""
    it = thing.make(db)
    inner = []

    def use():
        try:
            inner.append(thing.use(it))
        except RuntimeError as error:
            inner.append(error)

    hook.action = use
    try:
        assert thing.use_with_callback(it) == thing.answer
    except RuntimeError as error:
        assert "in use" in str(error)
    assert inner[0] == thing.answer or "in use" in str(inner[0])
    assert thing.use(it) == thing.answer
    if thing is Store:
        it.close()
    is_sound(db)


@event(without=["buffer", "view"])
def a_callback_ends_the_thing(thing, db):
    it = thing.make(db)

    def end():
        try:
            thing.end(it)  # it is deleted further down
        except RuntimeError as error:
            assert "in use" in str(error)

    hook.action = end
    try:
        assert thing.use_with_callback(it) == thing.answer
    except (thing.over, RuntimeError):
        pass
    it = None
    assert not any(pins(db).values())
    is_sound(db)


@event(without=["buffer"])
def a_callback_drops_the_last_reference(thing, db):
    """Of everything: what the call needs is held by it."""
    held = {"store": open_store(db.path)}
    held["it"] = thing.make(held["store"])
    hook.action = held.clear
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        thing.use_with_callback(held["it"])
        gc.collect()
    assert not any(pins(db).values())
    is_sound(db)


@event("store", "namespace", "transaction")
def a_merge_closes_the_store(thing, db):
    other = open_store(db.path)
    it = thing.make(other)

    def close(value, operand):
        (it if thing is Store else other).close()
        return operand

    with pytest.raises(lsmkv.ClosedError):
        it.merge(7, "eight", op=close)
    other.close()
    is_sound(db)


@event("store", "namespace", "transaction")
def a_merge_uses_the_thing(thing, db):
    it = thing.make(db)

    def use(value, operand):
        it[4008] = "eight"
        return value + it.pop(4008) + it.merge(4009, operand, op=lambda a, b: b)

    assert it.merge(7, "nine", op=use) == "seveneightnine" == it[7] and 4008 not in it
    it[7] = "seven"
    if thing is Store:
        it.close()
    is_sound(db)


@event("store", "namespace")
def a_transact_function_closes_the_store(thing, db):
    other = open_store(db.path)
    it = thing.make(other)
    with pytest.raises(lsmkv.ClosedError):
        it.transact(lambda tx: (it if thing is Store else other).close())
    other.close()
    is_sound(db)


@event("store", "namespace")
def a_transact_function_uses_the_store(thing, db):
    it = thing.make(db)

    def nested(tx):
        it[4008] = "eight"
        tx[4009] = it.transact(lambda inner: inner.setdefault(4010, "ten"))
        return tx[4009]

    assert it.transact(nested) == "ten" == it[4009] == it[4010]
    if thing is Store:
        it.close()
    is_sound(db)


@event("transaction")
def a_transact_function_keeps_it(thing, db):
    """Then it is over, as any transaction after its block."""
    kept = []
    db.transact(kept.append)
    refuses(thing, kept[0], lsmkv.ClosedError)
    with pytest.raises(lsmkv.ClosedError):
        kept[0].popitem()
    is_sound(db)


@event("transaction")
def a_transact_function_leaves_the_block(thing, db):
    with pytest.raises(lsmkv.ClosedError):
        db.transact(lambda tx: tx.__exit__(None, None, None))
    is_sound(db)


@event("transaction")
def it_never_begins(thing, db):
    """Nothing of it reaches the store."""
    tx = db.transaction()
    for use in (tx.popitem, lambda: tx.pop(7), lambda: tx.update({1: "x"}), tx.clear, lambda: list(tx)):
        with pytest.raises(lsmkv.ClosedError):
            use()
    assert len(db) == COUNT + 1
    is_sound(db)


@event("batch")
def a_merge_leaves_the_block(thing, db):
    """It is applied while Python code runs: the batch says it is in use, and nothing is freed under it."""

    def leave(value, operand):
        batch.__exit__(ValueError, None, None)
        with pytest.raises(RuntimeError, match="in use"):
            batch.put(1, "x")
        with pytest.raises(RuntimeError, match="in use"):
            batch.__exit__(None, None, None)
        return value

    with db.batch() as batch:
        batch[8] = "eight"
        for _ in range(20):
            batch.merge(7, "x", op=leave)
        batch[9] = "nine"
    assert (db[8], db[9]) == ("eight", "nine")
    is_sound(db)


@event("batch")
def a_merge_closes_the_store_of_a_batch(thing, db):
    other = open_store(db.path)

    def close(value, operand):
        other.close()
        return value

    with pytest.raises(lsmkv.ClosedError), other.batch() as batch:
        batch[8] = "eight"
        batch.merge(7, "x", op=close)
    assert db[8] == "value 8"
    is_sound(db)


@event("batch", "transaction")
def a_namespace_is_named_only_there(thing, db):
    """What was written through it is applied though nobody else has it."""
    block = db.batch() if thing is Batch else db.transaction()
    with block as it:
        it.namespace(db.namespace("fruit"))[b"apple"] = b"red"
        gc.collect()
    assert db.namespace("fruit")[b"apple"] == b"red"
    is_sound(db)


@event("cursor")
def a_key_closes_the_only_one_who_has_the_store(thing, db):
    """The codec that encodes the key belongs to a store that nobody has any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        cursor = open_store(db.path).cursor()
        hook.action = cursor.close
        with pytest.raises(ValueError, match="closed"):
            cursor.seek(Key(7))
    is_sound(db)
    assert not any(pins(db).values())


@event("cursor")
def a_collection_closes_it(thing, db):
    """A move makes an iterator, that may start a collection, and a finalizer closes the cursor."""

    class Closer:
        def __init__(self, cursor):
            self.myself, self.cursor = self, cursor

        def __del__(self):
            self.cursor.close()

    before = gc.get_threshold()
    cursor = db.cursor()
    gc.collect()
    try:
        gc.set_threshold(1, 1000, 1000)
        with pytest.raises(ValueError, match="closed"):
            for move in range(50):
                cursor.seek(move)
                if move == 10:
                    Closer(cursor)
    finally:
        gc.set_threshold(*before)
    is_sound(db)
    assert not any(pins(db).values())


@event("buffer")
def a_key_that_calls_back_closes_the_store(thing, db):
    other = open_store(db.path)
    hook.action = other.close
    with pytest.raises(lsmkv.ClosedError):
        other.get_view(Key(1000))
    is_sound(db)


@event("buffer")
def control_c_while_it_is_lent(thing, db, on_interrupt):
    hook.action = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.raises(Interrupted):
        db.get_view(Key(1000))
    assert not any(pins(db).values())
    is_sound(db)


@event("buffer")
def it_outlives_what_it_came_from(thing, db):
    """The value is overwritten, merged away, its file removed, its store closed: the bytes stay."""
    with open_store(db.path) as other, other.snapshot() as snapshot:
        views = [other.get_view(1000), snapshot.get_view(1000), other.transact(lambda tx: tx.get_view(1000))]
        slices = [memoryview(one)[5:10] for one in views]
        del db[1000]
        db.flush()
        db.compact()
    assert all(one == LARGE.encode() for one in views) and all(one == b"xxxxx" for one in slices)
    for one in views:
        with pytest.raises(TypeError):
            one[0] = 1
    db[1000] = LARGE
    is_sound(db)


# ---- without the front door ----------------------------------------------------------------------------


@event()
def it_is_made_without_init(thing, db):
    kind = type(db.get_view(1000).obj) if thing is Buffer else thing.kind
    if kind is not lsmkv.LSM:
        for make in (kind, lambda: kind.__new__(kind), lambda: object.__new__(kind)):
            with pytest.raises(TypeError):
                make()
        return
    bare = kind.__new__(kind)
    if thing is Namespace:
        with pytest.raises(lsmkv.ClosedError, match="never opened"):
            bare.namespace("fruit")
        with pytest.raises(lsmkv.ClosedError), db.snapshot() as snapshot:
            snapshot.namespace(bare)
        with pytest.raises(lsmkv.ClosedError), db.transaction() as tx:
            tx.namespace(bare)
    else:
        with pytest.raises(lsmkv.ClosedError, match="never opened"):
            bare[b"key"]
    is_sound(db)


@event()
def it_is_subclassed(thing, db):
    if thing in (Store, Namespace):
        with open_store(db.path, Sub) as mine:
            assert Store.use(mine) == "seven"
            namespace = Namespace.make(mine)
            assert type(namespace) is lsmkv.LSM and Namespace.use(namespace) == "seven"
    else:
        kind = type(db.get_view(1000).obj) if thing is Buffer else thing.kind
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Mine", (kind,), {})
    is_sound(db)


@event()
def it_is_pickled_or_copied(thing, db):
    it = thing.make(db)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            attempt(it)
    assert thing.use(it) == thing.answer
    if thing is Store:
        it.close()
    is_sound(db)


# ---- buffers that change ---------------------------------------------------------------------------


@event()
def a_bytearray_is_resized_meanwhile(thing, tmp_path):
    """As a key, and as a value: what is stored is what it held when it was asked."""
    key, value = bytearray(b"the key"), bytearray(b"the value")

    class Resizes:
        """Converted before the key, or after it: while a buffer is exported it could not be resized."""

        def __float__(self):
            key.extend(b"!" * 10_000)
            value.extend(b"!" * 10_000)
            del key[7:], value[9:]
            return 1e6

    with lsmkv.open(tmp_path / "bytes", threads=0) as db:
        db.put(key, value, ttl=Resizes())
        writers = {Batch: db.batch, Transaction: db.transaction}
        if thing in writers:
            with writers[thing]() as it:
                it.put(key, value, ttl=Resizes())
                it.put(key + b"2", value, ttl=Resizes())
        ns = db.namespace("fruit")
        ns.put(key, value, ttl=Resizes())
        made = {
            Store: lambda: db,
            Namespace: lambda: ns,
            Snapshot: db.snapshot,
            Batch: lambda: db,
            Transaction: lambda: db,
            Iterator: lambda: iter(db[key:].items()),
            View: lambda: db[key:],
            Cursor: db.cursor,
            Buffer: lambda: db.get_view(key),
        }[thing]()
        if thing is Cursor:
            assert made.seek(key)
        key.clear()
        value.clear()
        key.extend(b"z" * 100_000)
        found = {
            Iterator: lambda made: next(made)[1],
            Cursor: lambda made: made.value,
            Buffer: lambda made: bytes(made),
        }.get(thing, lambda made: made[b"the key"])(made)
        assert found == b"the value"


# ---- all of it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_cell(name, request):
    thing, play = CELLS[name]
    wanted = play.__code__.co_varnames[1 : play.__code__.co_argcount]
    play(thing, *(request.getfixturevalue(one) for one in wanted))


def test_the_matrix_is_full():
    assert len(CELLS) >= 90
    by_thing = {name: sum(cell.startswith(f"{name}-") for cell in CELLS) for name in THINGS}
    assert min(by_thing.values()) >= 10, by_thing
