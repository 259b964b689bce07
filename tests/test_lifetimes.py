"""Who outlives whom: stores, snapshots, iterators, views and batches in every order of their deaths."""

import copy
import gc
import inspect
import itertools
import os
import pickle
import sys
import threading
import tracemalloc
import warnings
import weakref

import pytest

import lsmkv


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        db.update((b"%04d" % i, b"v") for i in range(500))
        yield db


# ---- use after close: every public name, so that a new one cannot be forgotten ----------------

ARGUMENTS = {
    "__getitem__": (b"k",),
    "__setitem__": (b"k", b"v"),
    "__delitem__": (b"k",),
    "__contains__": (b"k",),
    "__ior__": ({b"k": b"v"},),
    "get": (b"k",),
    "get_many": ([b"k"],),
    "put": (b"k", b"v"),
    "delete": (b"k",),
    "delete_range": (b"a", b"b"),
    "update": ({b"k": b"v"},),
    "set_many": ([(b"k", b"v")],),
    "prefix": (b"k",),
    "explain": (b"k",),
    "limit": (3,),
    "chunks": (3,),
    "split": (3,),
    "add": (b"k", b"v"),
    "ceiling": (b"k",),
    "compare_and_set": (b"k", b"v", b"w"),
    "delete_many": ([b"k"],),
    "discard": (b"k",),
    "drop_namespace": ("n",),
    "floor": (b"k",),
    "get_view": (b"k",),
    "higher": (b"k",),
    "incr": (b"k",),
    "lower": (b"k",),
    "namespace": ("n",),
    "persist": (b"k",),
    "pop": (b"k",),
    "setdefault": (b"k", b"v"),
    "touch": (b"k", 3),
    "transact": (lambda tx: None,),
    "ttl": (b"k",),
    "seek": (b"k",),
    "seek_for_prev": (b"k",),
    "isdisjoint": ([b"k"],),
    "__and__": ({b"k"},),
    "__rand__": ({b"k"},),
    "__or__": ({b"k"},),
    "__ror__": ({b"k"},),
    "__sub__": ({b"k"},),
    "__rsub__": ({b"k"},),
    "__xor__": ({b"k"},),
    "__rxor__": ({b"k"},),
    "__eq__": ({b"k"},),
    "__ne__": ({b"k"},),
    "__lt__": ({b"k"},),
    "__le__": ({b"k"},),
    "__gt__": ({b"k"},),
    "__ge__": ({b"k"},),
}

# What still answers on a closed store, and why.
ANSWERS = {
    "close",  # again is fine
    "closed",
    "path",
    "options",  # as they were
    "mapping",
    "name",
    "nbytes",
    "writes",  # none
    "valid",  # it is not
    "_repr_html_",  # never raises
    "_ipython_key_completions_",  # never raises
    "__len__ of WriteBatch",
    "__rsub__",  # set(other) - view: only the elements of other are looked at when the other side is empty
}
# What object and type give to everything.
INHERITED = set(dir(object)) | {"__class_getitem__", "__module__", "__hash__", "__del__"}
SET_NAMES = {name for name in ARGUMENTS if name in ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")}


def names(kind):
    own = {name for name in dir(kind) if name not in INHERITED}
    if kind in (lsmkv.KeysView, lsmkv.ItemsView):
        own |= SET_NAMES
    return sorted(own - {"__exit__", "__reduce__"})


def uses(kind):
    return [(kind, name) for name in names(kind)]


MAKE = {
    lsmkv.LSM: lambda db: db,
    lsmkv.Snapshot: lambda db: db.snapshot(),
    lsmkv.RangeView: lambda db: db[b"a":],
    lsmkv.KeysView: lambda db: db.keys(),
    lsmkv.ValuesView: lambda db: db.values(),
    lsmkv.ItemsView: lambda db: db.items(),
    lsmkv.Iterator: lambda db: iter(db),
    lsmkv.WriteBatch: lambda db: db.batch(),
    lsmkv.Transaction: lambda db: db.transaction().__enter__(),
    lsmkv.Cursor: lambda db: db.cursor(),
}
EVERY_USE = list(itertools.chain.from_iterable(uses(kind) for kind in MAKE))


def use(thing, name, db=None):
    attribute = getattr(type(thing), name)
    if not callable(attribute):
        return getattr(thing, name)  # a property
    arguments = ARGUMENTS.get(name, ())
    if name == "merge":
        return thing.merge(b"k", b"v", op="concat")
    if name == "namespace" and not isinstance(thing, lsmkv.LSM):
        arguments = (db,)
    if isinstance(thing, lsmkv.RangeView | lsmkv.ItemsView) and name == "__contains__":
        arguments = ((b"k", b"v"),) if isinstance(thing, lsmkv.ItemsView) else (b"k",)
    return getattr(thing, name)(*arguments)


@pytest.mark.parametrize("kind, name", EVERY_USE, ids=lambda part: getattr(part, "__name__", part))
def test_use_after_close(db, kind, name):
    thing = MAKE[kind](db)
    db.close()
    if name in ANSWERS - {"__rsub__"} or f"{name} of {kind.__name__}" in ANSWERS:
        use(thing, name, db)
        return
    if name == "__len__" and kind is lsmkv.RangeView:
        with pytest.raises(TypeError):
            len(thing)
        return
    if name == "__iter__" and kind is lsmkv.Iterator:
        assert iter(thing) is thing
        return
    with pytest.raises(lsmkv.ClosedError, match="closed"):
        use(thing, name, db)


def test_every_method_was_met():
    """The list above is made by introspection; this is what it must at least contain."""
    assert {"get", "put", "compact", "levels", "lsn", "snapshot", "batch", "__iter__", "__len__"} <= set(
        names(lsmkv.LSM)
    )
    assert {"get", "first", "age", "__bool__"} <= set(names(lsmkv.Snapshot))
    assert {"__and__", "__eq__", "count"} <= set(names(lsmkv.KeysView))
    assert "__next__" in names(lsmkv.Iterator) and "delete_range" in names(lsmkv.WriteBatch)


@pytest.mark.parametrize("name", names(lsmkv.LSM))
def test_new_without_init(name):
    bare = lsmkv.LSM.__new__(lsmkv.LSM)
    if name == "closed":
        assert bare.closed
        return
    if name in ("name", "_repr_html_", "_ipython_key_completions_"):
        use(bare, name)
        return
    with pytest.raises(lsmkv.ClosedError, match="never opened"):
        use(bare, name)


def test_new_without_init_is_harmless_otherwise():
    bare = lsmkv.LSM.__new__(lsmkv.LSM)
    assert "never opened" in repr(bare) and hash(bare) == hash(bare)
    with pytest.raises(lsmkv.ClosedError), bare:
        pass
    del bare
    gc.collect()


@pytest.mark.parametrize("kind", [kind for kind in MAKE if kind is not lsmkv.LSM], ids=lambda kind: kind.__name__)
def test_only_stores_are_made_by_hand(kind):
    with pytest.raises(TypeError):
        kind()
    with pytest.raises(TypeError):
        object.__new__(kind)
    with pytest.raises(TypeError):
        type("Sub", (kind,), {})


def test_init_twice(db, tmp_path):
    with pytest.raises(RuntimeError, match="before"):
        db.__init__(tmp_path / "other")
    assert len(db) == 500 and not (tmp_path / "other").exists()
    db.close()
    with pytest.raises(RuntimeError):
        db.__init__(db.path)


def test_init_after_a_failed_init(tmp_path):
    store = lsmkv.LSM.__new__(lsmkv.LSM)
    with pytest.raises(FileNotFoundError):
        store.__init__(tmp_path / "nobody", "w")
    store.__init__(tmp_path / "somebody")
    store[b"k"] = b"v"
    store.close()


def test_init_after_one_that_failed_late(tmp_path):
    """The engine was open already: the file's codec is one that no file may choose."""
    with lsmkv.open(tmp_path, value="pickle") as db:
        db[b"k"] = {1}
    store = lsmkv.LSM.__new__(lsmkv.LSM)
    with pytest.raises(lsmkv.CodecMismatchError):
        store.__init__(tmp_path, value="stored")
    with pytest.raises(lsmkv.ClosedError, match="never opened"):
        store[b"k"]
    store.__init__(tmp_path, value="pickle")
    assert store[b"k"] == {1}
    store.close()


# ---- death ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(["store", "snapshot", "scan", "view", "batch"])))
def test_any_order_of_deaths(path, order):
    db = lsmkv.open(path)
    db.update((b"%04d" % i, b"v") for i in range(100))
    snapshot = db.snapshot()
    alive = {"store": db, "snapshot": snapshot, "scan": iter(snapshot.items()), "view": db[b"":], "batch": db.batch()}
    next(alive["scan"])
    db.close()
    del db, snapshot
    for name in order:
        del alive[name]
    gc.collect()
    with lsmkv.open(path) as db:
        assert len(db) == 100


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_weak_references(db, kind):
    thing = MAKE[kind](db)
    died = []
    reference = weakref.ref(thing, died.append)
    assert reference() is thing
    if kind is not lsmkv.LSM:
        del thing
        gc.collect()
        assert reference() is None and died == [reference]


def test_an_unclosed_store_warns_and_is_closed(path):
    db = lsmkv.open(path)
    db[b"k"] = b"v"
    with pytest.warns(ResourceWarning, match="unclosed store"):
        del db
        gc.collect()
    with lsmkv.open(path) as db:
        assert db[b"k"] == b"v"


def test_a_closed_store_does_not_warn(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        db = lsmkv.open(path)
        db.close()
        del db
        with lsmkv.open(path):
            pass
        gc.collect()


def test_children_keep_their_store_open(path):
    with lsmkv.open(path) as db:
        db[b"k"] = b"v"
    scan = iter(lsmkv.open(path).items())
    gc.collect()
    assert next(scan) == (b"k", b"v")
    with pytest.warns(ResourceWarning, match="unclosed"):
        assert list(scan) == []  # at its end it lets go of the store, and nobody else has it
        gc.collect()


class Sub(lsmkv.LSM):
    """A subclass has a __dict__, and with it cycles."""

    def __init__(self, path, note="", **options):
        super().__init__(path, **options)
        self.note = note


def test_subclasses(path):
    with Sub(path, "mine", page_bytes=1024) as db:
        db[b"k"] = b"v"
        assert db.note == "mine" and db[b"k"] == b"v" and "Sub" in repr(db) and db.options["page_bytes"] == 1024
        assert list(db.items()) == [(b"k", b"v")] and db.keys().mapping is db


def test_a_subclass_whose_init_never_calls_ours(path):
    class Lazy(lsmkv.LSM):
        def __init__(self):
            pass

    with pytest.raises(lsmkv.ClosedError, match="never opened"):
        Lazy()[b"k"]


def test_cycles_are_collected(path):
    db = Sub(path)
    db.update((b"%04d" % i, b"v") for i in range(100))
    db.children = [db.snapshot(), iter(db.items()), db.keys(), db[b"a":], db.batch()]
    db.children.append(iter(db.children[0].items()))
    next(db.children[1])
    reference = weakref.ref(db)
    with pytest.warns(ResourceWarning):
        del db
        gc.collect()
    assert reference() is None
    with lsmkv.open(path) as db:
        assert len(db) == 100


def test_a_finalizer_that_brings_it_back(path):
    saved = []

    class Phoenix(Sub):
        def __del__(self):
            saved.append(self)

    db = Phoenix(path)
    db[b"k"] = b"v"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del db
        gc.collect()
        assert len(saved) == 1
        store = saved.pop()
        try:
            assert store[b"k"] == b"v"
            store.close()
        except lsmkv.ClosedError:
            pass
        del store
        gc.collect()


def test_a_store_that_lives_until_exit_is_closed(run_python, path):
    run_python(
        "import lsmkv, sys; db = lsmkv.open(sys.argv[1]); db[b'k'] = b'v'; it = iter(db.items()); s = db.snapshot();"
        "sys.modules['keep'] = (db, it, s)",
        path,
    )
    with lsmkv.open(path) as db:
        assert db[b"k"] == b"v" and db.stats()["clean_open"]


def test_exit_in_the_middle_of_everything(run_python, path):
    """Daemon threads are inside calls while the interpreter goes away."""
    code = """
import lsmkv, sys, threading, time
db = lsmkv.open(sys.argv[1], options="teach", threads=2)
def work(i):
    try:
        while True:
            db[b"%d" % i] = b"x" * 100
            list(db.items())
            db.update((b"%d-%d" % (i, j), b"y") for j in range(100))
            if i == 0:
                db.compact(progress=lambda *_: time.sleep(0))
    except lsmkv.ClosedError:
        pass
for i in range(4):
    threading.Thread(target=work, args=(i,), daemon=True).start()
time.sleep(0.2)
"""
    for _ in range(3):
        run_python(code, path, timeout=200)
    with lsmkv.open(path) as db:
        db.verify()


def test_exit_with_a_temporary_store(run_python):
    done = run_python("import lsmkv; db = lsmkv.open(None); db[b'k'] = b'v'; print(db.path)")
    assert not os.path.exists(done.stdout.strip())


# ---- what they refuse ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_pickling_and_copying_are_refused(db, kind):
    thing = MAKE[kind](db)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle or copy"):
            attempt(thing)


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_types_are_immutable(kind):
    with pytest.raises(TypeError):
        kind.anything = 1


def test_generic_aliases():
    assert lsmkv.LSM[bytes, bytes].__origin__ is lsmkv.LSM
    assert lsmkv.Snapshot[bytes, bytes].__args__ == (bytes, bytes)


@pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)
def test_every_public_method_is_documented_and_has_a_signature(kind):
    assert kind.__doc__ and kind.__module__ == "lsmkv"
    for name in dir(kind):
        if name.startswith("_") or not callable(getattr(kind, name)):
            continue
        method = getattr(kind, name)
        assert method.__doc__, name
        parameters = list(inspect.signature(method).parameters)
        assert parameters[0] == "self", name
    assert inspect.signature(lsmkv.LSM).parameters.keys() >= {"path", "flag", "options"}


# ---- leaks ---------------------------------------------------------------------------------------


def everything(path):
    with lsmkv.open(path) as db:
        db.update({b"%d" % i: b"v" * i for i in range(300)})
        db[bytearray(b"k")] = bytearray(b"v")
        for call in (
            lambda: db[b"nobody"],
            lambda: db["text"],
            lambda: db.__setitem__(b"k", 7),
            lambda: db.update([(b"a", b"b"), 7]),
            lambda: db.put(b"k"),
            lambda: db.put(b"k", b"v", sync=True, other=1),
            lambda: db.range(b"a", "b"),
            lambda: db.get_many([b"a", "b"]),
            lambda: lsmkv.open(path, bogus=1),
            lambda: lsmkv.open(path, "x"),
            lambda: lsmkv.open(path / "no" / "no", "w"),
        ):
            with pytest.raises((KeyError, TypeError, ValueError, OSError)):
                call()
        list(db.items()), list(reversed(db)), db.get_many(db.keys(), 7), len(db)
        half = iter(db.items())
        next(half), next(half)
        kept = [db.snapshot(), db[b"1":].limit(3), db.first(), db.last()]
        kept.append(list(kept[0].prefix(b"1").items()))
        kept.append(list(reversed(kept[1].items())))
        kept.append(db.keys() & {b"1"}), kept.append(db.items() == {}), kept.append((b"1", b"v") in db.items())
        with db.batch() as batch:
            batch[b"a"] = b"b"
            del batch[b"1":b"2"]
        db.stats(), db.levels, db.events(), db.explain(b"1"), db.options, db.path, repr(db), repr(kept)
        db.step(), db.pending(), db.flush(), db.sync(), db.verify()
        del db[b"5":b"6"]
        db.clear()


def test_nothing_leaks(tmp_path):
    """Python blocks and objects settle: the second hundred rounds keep no more than the first few."""
    for _ in range(5):
        everything(tmp_path / "store")
    gc.collect()
    tracemalloc.start()
    try:
        everything(tmp_path / "store")
        gc.collect()
        objects, (bytes_before, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
        blocks = sys.getallocatedblocks()
        for _ in range(10):
            everything(tmp_path / "store")
        gc.collect()
        bytes_after, _ = tracemalloc.get_traced_memory()
        assert len(gc.get_objects()) - objects < 10
        assert sys.getallocatedblocks() - blocks < 60, "six blocks a round and something leaks"
        assert bytes_after - bytes_before < 20_000
    finally:
        tracemalloc.stop()


def test_descriptors_do_not_leak(tmp_path):
    everything(tmp_path / "store")
    before = set(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    for _ in range(5):
        everything(tmp_path / "store")
    assert len(os.listdir("/proc/self/fd")) == len(before) and threading.active_count() == threads


# ---- several interpreters -----------------------------------------------------------------------


def test_in_another_interpreter(run_python, path):
    """Each has its own module state; a store of one is not touched by the end of the other."""
    code = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:
        sys.exit(0)
import lsmkv
db = lsmkv.open(sys.argv[1])
db[b"k"] = b"v"
for i in range(3):
    other = interpreters.create()
    interpreters.run_string(other, f'''
import sys
sys.path[:] = {sys.path!r}
import lsmkv
db = lsmkv.open({sys.argv[1] + "-other"!r})
db[b"k%d" % {i}] = b"v"
list(db.items())
keep = iter(db)
''')
    interpreters.destroy(other)
assert db[b"k"] == b"v"
db.close()
with lsmkv.open(sys.argv[1] + "-other") as db:
    assert len(db) == 3, list(db)
"""
    run_python(code, path)
