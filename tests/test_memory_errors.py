"""The n-th allocation of a call fails, for every n until the call succeeds: MemoryError, and the store is sound.

In a process of its own each, because allocations fail in every thread of it: those of whoever runs these tests would
fail as well, and with them the run."""

import gc
import sys
from pathlib import Path

import pytest

import lsmkv

_testcapi = pytest.importorskip("_testcapi")
if not hasattr(_testcapi, "set_nomemory"):
    pytest.skip("this interpreter cannot fail allocations", allow_module_level=True)

KEYS = [b"key %04d" % i for i in range(400)]
VALUE = b"v" * 100


def batch(db):
    with db.batch() as batch:
        batch[bytearray(b"k")] = VALUE
        batch.delete_range(b"x", b"y")


def refused(call, *arguments):
    """Not pytest.raises, which makes many objects of its own."""
    try:
        call(*arguments)
    except (KeyError, ValueError, OSError):
        pass


def report(done, total, unit, phase):
    pass


# Little Python code of their own: interpreters have flaws of this kind too.
CALLS = {
    "get": lambda db: db[KEYS[7]],
    "get of a buffer": lambda db: db.get(bytearray(KEYS[7])),
    "a missing key": lambda db: refused(db.__getitem__, b"nobody"),
    "put": lambda db: db.put(bytearray(b"k"), bytearray(b"v")),
    "large value": lambda db: (db.put(b"large", bytes(100_000)), db[b"large"], db.delete(b"large")),
    "get_many": lambda db: db.get_many(KEYS[:50]),
    "items": lambda db: list(db.items()),
    "keys": lambda db: list(db),
    "reversed": lambda db: list(reversed(db.values())),
    "range": lambda db: list(db.range(b"key 01", b"key 02", include_stop=True).items().limit(20)),
    "reversed limit": lambda db: list(reversed(db.keys().limit(20))),
    "prefix": lambda db: db.prefix(b"key 00").count(),
    "first": lambda db: (db.first(), db.last(), bool(db), len(db)),
    "sets": lambda db: (db.keys() & {b"k"}, db.keys().limit(9) | {b"k"}, db.keys() >= {b"k"}, KEYS[0] in db.keys()),
    "snapshot": lambda db: list(db.snapshot().items().limit(40)),
    "batch": batch,
    "update": lambda db: db.update([(KEYS[0], VALUE), (bytearray(b"k"), VALUE)]),
    "inside": lambda db: (db.stats(), db.levels, db.events(), db.explain(KEYS[0]), db.options),
    "repr": lambda db: (repr(db), repr(db.keys()), repr(db.snapshot()), repr(db[b"a":]), repr(iter(db))),
    "flush and step": lambda db: (db.put(b"k", VALUE), db.flush(), db.step(), db.pending(), db.lsn),
    "verify": lambda db: db.verify(progress=report),
    "an error": lambda db: refused(db.put, bytes(70_000), b""),
    "open and close": lambda db: lsmkv.LSM(db.path).close(),
    "a path that is not there": lambda db: refused(lsmkv.LSM, "/no/such/directory", "w"),
}


def every_allocation_fails_once(db, name):
    call, failed = CALLS[name], 0
    call(db)  # imports, caches
    gc.disable()
    try:
        for nth in range(3000):
            done = error = None
            _testcapi.set_nomemory(nth, nth + 1)
            try:
                call(db)
                done = True
            except MemoryError:
                failed += 1
            except BaseException as other:
                error = other
            finally:
                _testcapi.remove_mem_hooks()
            # A SystemError would be a NULL without an exception; a wrong error hides the right one.
            assert error is None or isinstance(error, lsmkv.LsmkvError | ImportError | AttributeError), (nth, error)
            if done and nth > 3 and not fails_later(call, db, nth):
                break
    finally:
        gc.enable()
    assert failed, "no allocation of it ever failed"
    db.delete(b"k")
    assert [(key, VALUE) for key in KEYS] == list(db.items()), "the store is sound"


def fails_later(call, db, nth):
    """Some failures are swallowed (a cache that does without): go on while any of the next ones shows."""
    for later in range(nth + 1, nth + 20):
        _testcapi.set_nomemory(later, later + 1)
        try:
            call(db)
        except BaseException:
            return True
        finally:
            _testcapi.remove_mem_hooks()
    return False


def reference_counts_survive(db):
    """What fails gives back what it took."""
    key, value = bytearray(b"some key"), bytearray(b"some value")
    before = sys.getrefcount(key), sys.getrefcount(value)
    for nth in range(60):
        _testcapi.set_nomemory(nth, nth + 1)
        try:
            db.put(key, value)
            db.update([(key, value)])
            db.get_many([key, key])
        except MemoryError:
            pass
        finally:
            _testcapi.remove_mem_hooks()
    assert (sys.getrefcount(key), sys.getrefcount(value)) == before
    key.extend(b"is no longer exported")


def play(path, name):
    with lsmkv.open(path, threads=0) as db:
        db.update((key, VALUE) for key in KEYS)
        every_allocation_fails_once(db, name) if name else reference_counts_survive(db)


@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_fails_once(run, path, name):
    run(sys.executable, Path(__file__), path, name)


def test_reference_counts_survive(run, path):
    run(sys.executable, Path(__file__), path, "")


if __name__ == "__main__":
    play(*sys.argv[1:])
