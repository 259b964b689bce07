"""What the family plays. A scenario is a few lines that use the binding; family.py does the rest.

    @on_store                      it is given an open store that holds world.CONTENT
    def pop(db):
        assert db.pop(KEY) == VALUE

    @on_path                       it is given the path of that store, closed
    def open_for_reading(path):
        with lsmkv.open(path, "r") as db:
            assert db[KEY] == VALUE

A scenario that changes the content more than once yields in between: what fails in a step must leave the content
as it was before that step or as it is after it. An error that is expected goes through refused(kind); what is
injected then still comes out. Objects in capitals are shared by all, and their reference counts are watched.
`prepare` works on the path first, unwatched; `sound=False` says that it leaves a store that cannot be used;
`partial=True` that a step adds keys and may stop half way; `quiet=True` that it swallows every failure by contract.
scenarios_typed.py and scenarios_atomic.py have more.
"""

import atexit
import collections
import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import weakref

from world import CONTENT, LARGE, OPTIONS, faults, load, lsmkv

Scenario = collections.namedtuple(
    "Scenario", "play opened prepare sound partial quiet", defaults=(None, True, False, False)
)
ALL = {}


def register(opened, play=None, **rest):
    if play is None:
        return lambda play: register(opened, play, **rest)
    assert play.__name__ not in ALL, f"there is another {play.__name__}"
    ALL[play.__name__] = Scenario(play, opened, **rest)
    return play


def on_store(play=None, **rest):
    return register(True, play, **rest)


def on_path(play=None, **rest):
    return register(False, play, **rest)


def is_injected(error):
    """The exception that was injected, or the MemoryError that stands for a failure without words. What a codec's own
    code raises is the cause of a DecodeError."""
    if type(error) is lsmkv.DecodeError:
        error = error.__cause__
    return error is not None and (str(error).startswith("injected into ") or type(error) is MemoryError)


@contextlib.contextmanager
def refused(kind):
    try:
        yield
    except kind as error:
        if is_injected(error):
            raise
        return
    raise AssertionError(f"no {kind}")


@contextlib.contextmanager
def replaced(module, name, answer):
    """The function answers something else than it promises."""
    before = getattr(module, name)
    setattr(module, name, lambda *_: answer)
    try:
        yield
    finally:
        setattr(module, name, before)


KEY, VALUE, ABSENT = b"key 007", CONTENT[b"key 007"], b"nobody"
NEW, BIG = bytearray(b"key 500"), bytearray(LARGE)
KEYS = [*sorted(CONTENT)[:40], ABSENT, bytearray(b"key 003"), b"large"]
PAIRS = [(b"key %d" % i, bytearray(b"v")) for i in range(700, 720)]
WORDS, NUMBER = "text " * 3, 7_000_007
DEFAULT = ["default"]


def shared_objects():
    """The objects in capitals and what they hold."""
    kept = {
        name: value
        for module in (sys.modules[__name__], scenarios_typed, scenarios_atomic)
        for name, value in vars(module).items()
        if name.isupper() and name not in ("ALL", "CONTENT", "OPTIONS")
    }
    named = list(kept.values())
    inner = [one for value in named if isinstance(value, list) for one in value]
    deeper = [one for value in inner if isinstance(value, tuple) for one in value]
    return named + inner + deeper


# ---- canaries: each makes a mistake that must be noticed ----------------------------------------

for _how in ("swallows", "nothing", "both", "other", "reference", "memory", "descriptor", "crash"):

    def _canary(db, how=_how):
        faults.canary(CANARIES[how])

    _canary.__name__ = f"canary_{_how}"
    on_store(_canary)
CANARIES = {name.partition("_")[2]: name.partition("_")[2] for name in ALL}
REFERENCE = CANARIES["reference"]

# ---- reading -------------------------------------------------------------------------------------


@on_store
def get(db):
    assert db[KEY] == db.get(KEY) == db[bytearray(KEY)] == VALUE
    assert db.get(ABSENT) is None and db.get(ABSENT, DEFAULT) is DEFAULT
    assert KEY in db and ABSENT not in db and bytearray(KEY) in db


@on_store
def get_large(db):
    assert db[b"large"] == LARGE and db.get(memoryview(b"large too")) == LARGE[::-1]


@on_store
def get_refused(db):
    with refused(KeyError):
        db[ABSENT]
    with refused(TypeError):
        db[WORDS]
    with refused(TypeError):
        db[NUMBER]
    with refused(TypeError):
        assert WORDS in db
    with refused(TypeError):
        db.get()


@on_store
def get_many(db):
    assert db.get_many(KEYS) == [CONTENT.get(bytes(key)) for key in KEYS]
    assert db.get_many(iter(KEYS), default=DEFAULT)[40] is DEFAULT


@on_store
def get_many_refused(db):
    with refused(TypeError):
        db.get_many([KEY, WORDS])
    with refused(TypeError):
        db.get_many(NUMBER)
    with refused(ZeroDivisionError):
        db.get_many(1 // 0 for _ in KEYS)
    with refused(TypeError):
        db.get_many()
    with refused(TypeError):
        db.get_many(KEYS, keys=KEYS)
    with refused(TypeError):
        db.get_many(KEYS, other=KEYS)
    with refused(TypeError):
        db.get_many(KEYS, None, None)


@on_path
def get_from_files(path):
    """Nothing is in memory: every answer waits for a file."""
    with lsmkv.open(path, "r", table_source="read") as db:
        assert db[KEY] == VALUE and KEY in db
    with lsmkv.open(path, "r", table_source="read") as db:
        assert b"key 005" in db and db.get_many(KEYS)[3] == CONTENT[KEYS[3]]
    with lsmkv.open(path, "r", table_source="read") as db:
        assert db[b"large too"] == LARGE[::-1]
    with lsmkv.open(path, "r", table_source="read") as db, db.snapshot() as snapshot:
        assert snapshot[KEY] == VALUE and b"key 001" in snapshot
        assert list(snapshot.items()) == sorted(CONTENT.items())


# ---- writing -------------------------------------------------------------------------------------


@on_store
def put(db):
    db[KEY] = VALUE
    yield
    db[NEW] = bytearray(b"v")
    yield
    assert db.put(bytearray(b"x"), memoryview(b"y")) <= db.lsn
    yield
    assert db.put(b"x", b"z", sync=True) == db.lsn
    yield
    db.put(b"x", b"z", sync=DEFAULT)


@on_store
def put_large(db):
    db[NEW] = BIG
    yield
    db.put(b"l", LARGE, sync=False)
    with refused(TypeError):
        db.put(b"l", LARGE, sync="no")


@on_store
def put_refused(db):
    with refused(TypeError):
        db.put(KEY)
    with refused(TypeError):
        db.put(KEY, VALUE, VALUE)
    with refused(TypeError):
        db.put(KEY, WORDS)
    with refused(TypeError):
        db[KEY] = NUMBER
    with refused(TypeError):
        db[b"a":b"b"] = VALUE
    with refused(ValueError):
        db[LARGE] = VALUE


@on_store
def delete(db):
    del db[KEY]
    yield
    assert db.delete(bytearray(b"key 009")) == db.lsn
    yield
    del db[bytearray(b"key 010")]
    yield
    with refused(KeyError):
        del db[ABSENT]
    with refused(TypeError):
        del db[WORDS]
    with refused(TypeError):
        db.delete()
    with refused(TypeError):
        db.delete(WORDS)


@on_store
def delete_ranges(db):
    del db[b"key 010" : bytearray(b"key 020")]
    yield
    assert db.delete_range(bytearray(b"key 020"), b"key 025") == db.lsn
    yield
    db.delete_range(None, bytearray(b"key 003"), sync=True)
    yield
    with refused(TypeError):
        db.delete_range(KEY, WORDS)
    with refused(TypeError):
        db.delete_range(KEY)
    with refused(ValueError):
        del db[b"a":b"b":2]
    with refused(TypeError):
        del db[b"a":NUMBER]
    yield
    db.clear()


@on_store
def update(db):
    db.update({b"a": b"1", b"b": bytearray(b"2")})
    yield
    db.update(PAIRS)
    yield
    db.update([[b"c", b"3"], [NEW, VALUE]])
    yield
    db.update([[b"d", BIG]])
    yield
    db |= {KEY: b"other"}
    yield
    db.set_many(iter(PAIRS))
    db.update()
    db.update(())


@on_store(partial=True)
def update_in_chunks(db):
    db.update((b"chunk %02d" % i, bytes(60_000)) for i in range(18))
    yield
    db.update([(b"one", LARGE), (b"two", VALUE), (b"three", BIG)])


@on_store
def update_from_mappings(db):
    db.update(db)
    with db.snapshot() as snapshot:
        db.update(snapshot)
        db.update(snapshot[b"key 01":b"key 02"])
    yield
    db.update(collections.UserDict({KEY: b"from a mapping", b"k": b"v"}))
    yield
    db.update(collections.OrderedDict({KEY: b"from another", b"o": b"v"}))


class Keys:
    """A mapping that is none."""

    def keys(self):
        return [KEY]

    def __getitem__(self, key):
        return WORDS


@on_store
def update_refused(db):
    with refused(TypeError):
        db.update({KEY: WORDS})
    with refused(TypeError):
        db.update({WORDS: VALUE})
    with refused(TypeError):
        db.update([NUMBER])
    with refused(ValueError):
        db.update([[KEY]])
    with refused(TypeError):
        db.update(NUMBER)
    with refused(TypeError):
        db.update(Keys())
    with refused(TypeError):
        db.update(key=VALUE)
    with refused(TypeError):
        db.update(PAIRS, PAIRS)
    with refused(ZeroDivisionError):
        db.update((KEY, 1 // 0) for _ in KEYS)
    with refused(ZeroDivisionError):
        db.set_many([(KEY, VALUE), [1 // 0 for _ in KEYS]])
    with refused(TypeError):
        db.set_many(CONTENT)
    with refused(TypeError):
        db.set_many([b"kv"])
    with refused(TypeError):
        db |= NUMBER


# ---- batches -------------------------------------------------------------------------------------


@on_store
def batch(db):
    with db.batch() as batch:
        batch[KEY] = VALUE
        batch[NEW] = BIG
        batch.put(b"k", bytearray(b"v"))
        del batch[bytearray(b"key 002")]
        batch.delete(b"key 003")
        del batch[b"key 01" : bytearray(b"key 02")]
        batch.delete_range(b"key 03", bytearray(b"key 04"))
        assert len(batch) == 7 and batch.nbytes > len(BIG) and "collecting" in repr(batch)
    yield
    with db.batch(sync=True) as batch:
        batch[b"k"] = b"w"
    yield
    with refused(ZeroDivisionError), db.batch() as batch:
        batch[KEY] = b"never written"
        raise ZeroDivisionError


@on_store
def batch_refused(db):
    batch = db.batch()
    with refused(ValueError):
        batch[KEY] = VALUE
    with batch:
        with refused(TypeError):
            batch[KEY] = WORDS
        with refused(TypeError):
            batch[WORDS] = VALUE
        with refused(TypeError):
            del batch[WORDS]
        with refused(TypeError):
            batch[b"a":b"b"] = VALUE
        with refused(TypeError):
            del batch[b"a":WORDS]
        with refused(TypeError):
            batch.put(KEY)
        with refused(TypeError):
            batch.delete_range(KEY)
        with refused(TypeError):
            batch.delete_range(bytearray(KEY), WORDS)
        with refused(ValueError):
            batch[LARGE] = VALUE
    with refused(ValueError):
        batch[KEY] = VALUE
    with refused(ValueError), batch:
        pass
    with refused(TypeError):
        db.batch(NUMBER)


@on_store
def batch_of_two_threads(db):
    with db.batch() as batch:
        faults.meanwhile(lambda: batch.put(KEY, VALUE))
        batch[NEW] = LARGE
        with refused(RuntimeError):
            faults.result()


# ---- iterating -----------------------------------------------------------------------------------


@on_store
def iterate(db):
    assert list(db) == list(db.keys()) == sorted(CONTENT)
    assert list(reversed(db)) == sorted(CONTENT, reverse=True)
    assert list(db.values()) == [CONTENT[key] for key in sorted(CONTENT)]
    assert list(db.items()) == sorted(CONTENT.items())
    assert sum(len(value) for _, value in db.items()) == sum(map(len, CONTENT.values()))
    assert list(reversed(db.items()))[0][0] == b"large too"


@on_store
def iterators(db):
    scan = db.items().__iter__()
    assert next(scan) == min(CONTENT.items()) and "pairs" in repr(scan)
    empty = iter(db[b"b":b"a"])
    assert next(empty, DEFAULT) is DEFAULT and "exhausted" in repr(empty)
    db[NEW] = VALUE
    assert len(list(scan)) == len(CONTENT) - 1
    with refused(TypeError):
        pickle.dumps(scan)


def meets_another_thread(scan, left):
    """Both want the next of the iterator, which has `left`. False: on a slow machine the interpreter lock was given up
    between two chunks, where the other one may."""
    faults.meanwhile(lambda: next(scan))
    count = len([*scan])
    try:
        faults.result()
    except RuntimeError as error:
        if is_injected(error):
            raise
        assert count == left
        return True
    return False


@on_store
def iterator_of_two_threads(db):
    met = False
    while not met:
        scan = iter(db.values())
        for _ in range(59):
            next(scan)
        met = meets_another_thread(scan, 3)


@on_store
def iterate_until_it_is_closed(db):
    scan = iter(db.items())
    next(scan)
    with db.snapshot() as snapshot:
        other = iter(snapshot)
        next(other)
    with refused(lsmkv.ClosedError):
        next(other)
    db.close()
    with refused(lsmkv.ClosedError):
        next(scan)


def many(path):
    with lsmkv.open(path, **OPTIONS) as db:
        db.update((b"many %05d" % i, b"v") for i in range(2000))


@on_store(prepare=many)
def count_many(db):
    assert len(db) == len(db.keys()) == 2000 + len(CONTENT)
    assert db.prefix(b"many").count() == 2000
    assert db.prefix(b"many").limit(1500).count() == 1500


@on_store
def count(db):
    assert len(db) == len(CONTENT) and db
    assert db.prefix(b"key").count() == 60 and db[b"x":b"y"].count() == 0
    assert db.prefix(b"key").items().limit(5).count() == 5
    with refused(TypeError):
        len(db.prefix(b"key"))
    with db.snapshot() as snapshot:
        assert len(snapshot) == len(snapshot.items()) == len(CONTENT)


# ---- views ---------------------------------------------------------------------------------------


@on_store
def ranges(db):
    view = db[b"key 010" : bytearray(b"key 020")]
    assert list(view) == [b"key %03d" % i for i in range(10, 20)]
    assert view[b"key 015"] == CONTENT[b"key 015"] and b"key 020" not in view and bytearray(b"key 011") in view
    assert list(view[b"key 018":]) == [b"key 018", b"key 019"]
    assert list(view.items().limit(1)) == [(b"key 010", CONTENT[b"key 010"])]
    assert view.first() == (b"key 010", CONTENT[b"key 010"]) and view.last()[0] == b"key 019"
    assert view.values().first() == CONTENT[b"key 010"] and view.keys().last() == b"key 019" and bool(view)
    closed = db.range(bytearray(b"key 010"), b"key 012", include_start=False, include_stop=True, reverse=DEFAULT)
    assert list(closed) == [b"key 012", b"key 011"]
    assert db.first()[0] == b"key 000" and db.last()[0] == b"large too"
    assert db[b"b":b"a"].first() is None and view.mapping is db
    assert list(db.prefix(bytearray(b"key 05"))) == [b"key %03d" % i for i in range(50, 60)]
    assert not db.prefix(b"\xff\xff").count()


@on_store
def limits(db):
    limited = db.prefix(b"key").limit(10)
    assert b"key 009" in limited and b"key 010" not in limited and limited[b"key 003"]
    assert list(reversed(limited))[0] == b"key 009" and limited.last()[0] == b"key 009"
    assert list(reversed(limited.items().limit(3))) == [(key, CONTENT[key]) for key in sorted(CONTENT)[2::-1]]
    backwards = db.range(b"key 010", b"key 020", reverse=True).limit(NUMBER).limit(2)
    assert list(backwards) == [b"key 019", b"key 018"] and b"key 018" in backwards
    assert list(reversed(backwards)) == [b"key 018", b"key 019"]
    assert not limited.limit(0) and list(reversed(limited.limit(0))) == []
    with db.snapshot() as snapshot:
        assert list(reversed(snapshot.keys().limit(2))) == [b"key 001", b"key 000"]


@on_store
def ranges_refused(db):
    view = db[b"key 010":b"key 020"]
    with refused(KeyError):
        view[b"key 030"]
    with refused(TypeError):
        view[WORDS]
    with refused(ValueError):
        view.limit(3)[b"a":]
    with refused(ValueError):
        view.limit(-1)
    with refused(TypeError):
        view.limit(WORDS)
    with refused(ValueError):
        db[b"a":b"b":b"c"]
    with refused(TypeError):
        db[b"a":WORDS]
    with refused(TypeError):
        db[bytearray(b"a") : WORDS]
    with refused(TypeError):
        view[bytearray(b"a") : WORDS]
    with refused(TypeError):
        db.range(bytearray(KEY), WORDS)
    with refused(TypeError):
        db.prefix(WORDS)
    with refused(TypeError):
        db.range(KEY, KEY, KEY)


@on_store
def view_texts(db):
    view = db.range(KEY, b"key 010", include_start=False, reverse=True)
    assert "after" in repr(view) and "reversed" in repr(view)
    assert "limit 3" in repr(view.limit(3).items()) and "the first" in repr(db.values())


@on_store
def sets(db):
    keys, view = db.keys(), db[b"key 01":b"key 02"].keys()
    assert keys & {KEY, ABSENT} == {KEY} and [KEY, ABSENT] & keys == {KEY} and view - keys == set()
    assert view | {ABSENT} == {ABSENT, *view} and view ^ {b"key 010", ABSENT} == {ABSENT, *list(view)[1:]}
    assert [ABSENT] - keys == {ABSENT} and view.isdisjoint([KEY]) and not view.isdisjoint(view)
    assert db[b"large":].items() & {(b"large", LARGE)} == {(b"large", LARGE)}


@on_store
def set_comparisons(db):
    keys, view = db.keys(), db[b"key 01":b"key 02"].keys()
    assert keys == set(CONTENT) and view < keys and keys > view and view <= keys and keys >= view and view != keys
    assert keys == CONTENT.keys() and keys != NUMBER and view == OtherSet(view)
    assert not keys == {KEY} and keys != dict.fromkeys(sorted(CONTENT)[1:] + [ABSENT]).keys()


class OtherSet(collections.abc.Set):
    def __init__(self, items):
        self.items = frozenset(items)

    def __contains__(self, item):
        return item in self.items

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


@on_store
def pairs_and_values(db):
    pairs = db.items()
    assert (KEY, VALUE) in pairs and (KEY, b"") not in pairs and NUMBER not in pairs and (ABSENT, VALUE) not in pairs
    assert VALUE in db.values() and ABSENT not in db[b"key 05":b"key 06"].values()
    assert pairs == CONTENT.items()


@on_store
def sets_refused(db):
    keys = db.keys()
    for operate in (keys.__and__, keys.__or__, keys.__sub__, keys.__xor__):
        assert operate(NUMBER) is NotImplemented
    with refused(TypeError):
        keys & NUMBER
    with refused(TypeError):
        keys & [WORDS]
    with refused(TypeError):
        keys | [[KEY]]
    with refused(TypeError):
        keys - [[KEY]]
    with refused(TypeError):
        keys ^ [[KEY]]
    with refused(TypeError):
        assert keys < NUMBER
    with refused(TypeError):
        keys.isdisjoint(NUMBER)


# ---- snapshots -----------------------------------------------------------------------------------


@on_store
def snapshots(db):
    with db.snapshot() as snapshot:
        db[KEY] = b"later"
        assert snapshot[KEY] == VALUE and snapshot.get(ABSENT) is None and KEY in snapshot
        assert list(snapshot.items()) == sorted(CONTENT.items()) and list(reversed(snapshot))[-1] == b"key 000"
        assert snapshot.lsn < db.lsn and snapshot.age >= 0 and " at " in repr(snapshot) and snapshot
        assert snapshot.get_many(KEYS)[0] == CONTENT[KEYS[0]] and snapshot.first() and snapshot[b"key 05":].count()
    assert snapshot.closed and "closed" in repr(snapshot)
    with refused(lsmkv.ClosedError):
        snapshot[KEY]
    with refused(lsmkv.ClosedError):
        assert snapshot.age


# ---- upkeep --------------------------------------------------------------------------------------


@on_store
def upkeep(db):
    db[NEW] = VALUE
    yield
    db.flush()
    db.sync()
    db.compact(b"a", bytearray(b"z"))
    db.compact(progress=lambda *_: None)
    db.verify(progress=lambda *_: None)
    db.verify()
    assert db.pending() >= 0
    db.step()
    with db.compaction_paused():
        assert db.pending() >= 0


def due(path):
    with lsmkv.open(path, **OPTIONS) as db:
        for _ in range(4):
            db.update(CONTENT)
            db.flush()


@on_path(prepare=due)
def step(path):
    with lsmkv.open(path, **{**OPTIONS, "run_count": 2}) as db:
        while db.pending():
            assert db.step()["nanoseconds"] >= 0
        assert db.step() is None


@on_store
def upkeep_refused(db):
    with refused(TypeError):
        db.compact(progress=NUMBER)
    with refused(TypeError):
        db.verify(progress=WORDS)
    with refused(TypeError):
        db.compact(bytearray(KEY), WORDS)
    with refused(ZeroDivisionError):
        db.verify(progress=lambda *_: 1 // 0)
    with refused(ZeroDivisionError):
        db.compact(progress=lambda *_: 1 // 0)


@on_store
def inspect(db):
    assert db.stats()["lsn_visible"] == db.lsn and db.levels[0].kind and db.events() and db.events(from_=NUMBER) == []
    assert db.explain(KEY)[-1].verdict and db.explain(bytearray(ABSENT)) is not None
    assert db.options["threads"] == 0 and db.path and not db.closed and OPTIONS["durability"] in repr(db)
    with refused(TypeError):
        db.explain(WORDS)
    with refused(TypeError):
        db.events(WORDS)
    with refused(ValueError):
        db.events(-1)


@on_store
def refuse_to_be_pickled(db):
    with refused(TypeError):
        pickle.dumps(db)


# ---- opening and closing -------------------------------------------------------------------------


@on_path
def open_and_close(path):
    with lsmkv.open(path) as db:
        assert db[KEY] == VALUE
    with lsmkv.open(str(path), "r", options="teach") as db:
        assert db.options["page_bytes"] and "reading only" in repr(db)
    with lsmkv.open(path, space_limit=1.5) as db:
        assert db.options["space_limit"] == 1.5
    db = lsmkv.LSM(path=os.fsencode(path), flag="w", options=lsmkv.Options(page_bytes=1024), threads=0)
    assert db.path == os.fsencode(path)
    db.close()
    db.close()
    assert "closed" in repr(db) and db.closed


@on_path
def open_anew(path):
    with lsmkv.open(path, "n", **OPTIONS) as db:
        assert len(db) == 0


@on_path
def open_another(path):
    with lsmkv.open(path.parent / "another", **OPTIONS) as db:
        db[KEY] = VALUE
    lsmkv.destroy(path.parent / "another")


@on_path
def open_temporary(path):
    with lsmkv.open(None) as db:
        db[KEY] = VALUE
    with refused(lsmkv.OptionsError):
        lsmkv.open(None, page_bytes=1)
    with replaced(tempfile, "mkdtemp", WORDS), refused(TypeError):
        lsmkv.open(None)


@on_path
def open_refused(path):
    with refused(TypeError):
        lsmkv.LSM()
    with refused(TypeError):
        lsmkv.LSM(path, "r", WORDS)
    with refused(TypeError):
        lsmkv.LSM(path, path=path)
    with refused(TypeError):
        lsmkv.LSM(NUMBER)
    with refused(ValueError):
        lsmkv.LSM("with a \0")
    with refused(lsmkv.OptionsError):
        lsmkv.LSM(path, "x")
    with refused(lsmkv.OptionsError):
        lsmkv.LSM(path, bogus=1)
    with refused(lsmkv.StoreNotFoundError):
        lsmkv.LSM(path / "nobody", "w")
    with refused(lsmkv.StoreNotADirectoryError):
        lsmkv.LSM(path / "CURRENT")
    with refused(RuntimeError), lsmkv.LSM(path) as db:
        db.__init__(path)


@on_path
def open_with_a_wrong_policy(path):
    for answer in ({"bogus": 1}, {"durability": WORDS}, {"durability": 1}, {"threads": 1 << 40}):
        with replaced(lsmkv.options, "resolve", answer), refused(lsmkv.OptionsError):
            lsmkv.LSM(path, options="default")
    with replaced(lsmkv.options, "resolve", {"threads": WORDS}), refused(TypeError):
        lsmkv.LSM(path, options="default")
    with replaced(lsmkv.options, "resolve", NUMBER), refused(TypeError):
        lsmkv.LSM(path, options="default")


@on_path
def read_only(path):
    with lsmkv.open(path, "r") as db:
        with refused(lsmkv.ReadOnlyError):
            db[KEY] = VALUE
        with refused(lsmkv.ReadOnlyError):
            db.update(PAIRS)


@on_path
def destroy(path):
    with refused(FileNotFoundError):
        lsmkv.destroy(path / "nobody")
    with refused(TypeError):
        lsmkv.destroy(NUMBER)
    lsmkv.destroy(str(path))


@on_path
def used_when_it_is_closed(path):
    bare = lsmkv.LSM.__new__(lsmkv.LSM)
    assert "never opened" in repr(bare)
    with refused(lsmkv.ClosedError):
        bare[KEY]
    with refused(lsmkv.ClosedError):
        bare.path  # noqa: B018
    with lsmkv.open(path) as db:
        view, snapshot, batch = db.keys(), db.snapshot(), db.batch()
    for use in (lambda: db[KEY], lambda: len(view), lambda: snapshot[KEY], batch.__enter__, lambda: db.put(KEY, VALUE)):
        with refused(lsmkv.ClosedError):
            use()
    with refused(lsmkv.ClosedError):
        next(iter(view))


@on_path
def dropped_when_it_is_open(path):
    """The finalizer closes; the warning it raises then is shown."""
    db = lsmkv.open(path, **OPTIONS)
    alive = weakref.ref(db)
    scan = iter(db)
    next(scan)
    del db, scan
    assert alive() is None
    with lsmkv.open(path, **OPTIONS) as db:
        assert db[KEY] == VALUE


class Sub(lsmkv.LSM):
    def __init__(self, path, note):
        super().__init__(path, **OPTIONS)
        self.note = note


@on_path
def subclass(path):
    with Sub(path, DEFAULT) as db:
        db.myself = db
        assert db[KEY] == VALUE and "Sub" in repr(db) and db.note is DEFAULT and Sub[bytes, bytes]
    db.myself = None


class NoBase(type):
    """Leaves everything but itself out of what the interpreter looks through."""

    def mro(cls):
        return [cls, object]


@on_path
def a_class_that_hides_its_base(path):
    hidden = NoBase("hidden", (lsmkv.LSM,), {})
    with refused(TypeError):
        hidden.__call__(path)


# ---- other processes, other interpreters ---------------------------------------------------------

HOLD = "import sys, lsmkv; db = lsmkv.open(sys.argv[1], threads=0); print('held', flush=True); sys.stdin.read()"
holders = []


def hold(path):
    """A process that has another store open, for as long as this one lives."""
    if holders:
        return
    place = f"{path}-held"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": os.environ["LSMKV_FAULTS_LIB"]}
    holder = subprocess.Popen([sys.executable, "-c", HOLD, place], env=environment, **pipes)
    assert holder.stdout.readline() == "held\n"
    holders.append((holder, place))


@on_path(prepare=hold)
def locked(path):
    with refused(lsmkv.LockedError):
        lsmkv.open(holders[0][1], "w")


def in_child(check):
    """check() in a forked child; what it raises is raised here."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            check()
            os._exit(0)
        except BaseException as error:
            os.write(write, f"{type(error).__name__}\n{error}".encode())
            os._exit(1)
    os.close(write)
    with open(read) as pipe:
        kind, _, text = pipe.read().partition("\n")
    _, status = os.waitpid(pid, 0)
    if status:
        raise {"InjectedError": faults.InjectedError, "MemoryError": MemoryError}.get(kind, AssertionError)(text)


@on_store
def forked(db):
    def check():
        assert "parent" in repr(db)
        with refused(lsmkv.ForkedError):
            db[KEY]
        with refused(lsmkv.ForkedError):
            db.close()

    in_child(check)
    assert db[KEY] == VALUE


@on_path
def import_it(path):
    """A second module object, its exit hook, and the end of it."""
    core = load("lsmkv._core")
    with core.LSM(path, **OPTIONS) as db:
        assert db[KEY] == VALUE
    kept = core.LSM(path, **OPTIONS)
    atexit._run_exitfuncs()
    assert kept.closed
    assert core.feature("checksum") and core.feature("nothing") is None
    with refused(TypeError):
        core.feature(KEY)


# ---- damage --------------------------------------------------------------------------------------


def damage_tables(path):
    """Every fourth page of every table."""
    for table in path.glob("*.tbl"):
        data = bytearray(table.read_bytes())
        for at in range(100, len(data) - 4096, 2048):
            data[at] ^= 0x10
        table.write_bytes(data)


@on_path(prepare=damage_tables, sound=False)
def damaged(path):
    with lsmkv.open(path, "r") as db:
        with refused(lsmkv.CorruptionError):
            db.verify()
        with refused(lsmkv.CorruptionError):
            list(db.items())
        with refused(lsmkv.CorruptionError):
            db.get_many(KEYS)
        with refused(lsmkv.CorruptionError):
            b"large" in db and [db[key] for key in CONTENT]


# ---- the others --------------------------------------------------------------------------------------

import scenarios_atomic  # noqa: E402
import scenarios_typed  # noqa: E402
