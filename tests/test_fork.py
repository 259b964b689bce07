"""The child of a fork: every method says so, nothing of the parent's is touched, and it may open its own."""

import multiprocessing
import os
import signal
import traceback
import warnings

import pytest

import lsmkv

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def in_child(check):
    """Runs check() in a forked child and fails with its traceback."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(20)
            check()
            os._exit(0)
        except BaseException:
            os.write(write, traceback.format_exc().encode()[:60_000])
            os._exit(1)
    os.close(write)
    said = b""
    while part := os.read(read, 65536):
        said += part
    os.close(read)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"status {status}\n{said.decode()}"


@pytest.fixture
def db(path):
    with lsmkv.open(path) as db:
        db.update((b"%04d" % i, b"v") for i in range(1000))
        yield db


def test_scenario_32_every_use_in_a_child_is_refused(db):
    snapshot, scan, view, batch = db.snapshot(), iter(db.items()), db[b"0":], db.batch()
    next(scan)
    uses = [
        lambda: db[b"0001"],
        lambda: db.get(b"0001"),
        lambda: b"0001" in db,
        lambda: db.get_many([b"0001"]),
        lambda: db.put(b"k", b"v"),
        lambda: db.__delitem__(b"0001"),
        lambda: db.delete(b"0001"),
        lambda: db.delete_range(None, None),
        lambda: db.update({b"k": b"v"}),
        lambda: len(db),
        lambda: bool(db),
        lambda: iter(db),
        lambda: db.keys(),
        lambda: db.snapshot(),
        lambda: db.batch(),
        lambda: db.flush(),
        lambda: db.sync(),
        lambda: db.compact(),
        lambda: db.verify(),
        lambda: db.step(),
        lambda: db.pending(),
        lambda: db.stats(),
        lambda: db.levels,
        lambda: db.events(),
        lambda: db.explain(b"0001"),
        lambda: db.lsn,
        lambda: db.close(),
        lambda: db.__enter__(),
        lambda: snapshot[b"0001"],
        lambda: snapshot.close(),
        lambda: next(scan),
        lambda: list(view),
        lambda: batch.__enter__(),
    ]

    def check():
        for number, use in enumerate(uses):
            try:
                use()
            except lsmkv.ForkedError as error:
                assert "parent" in str(error), number
            else:
                raise AssertionError(f"use {number} went through")
        assert db.closed and "parent" in repr(db)

    in_child(check)
    batch.__enter__()
    assert db[b"0001"] == b"v" and next(scan) == (b"0001", b"v") and snapshot[b"0001"] == b"v"


def test_scenario_32_the_death_of_a_child_is_silent_and_harmless(path):
    db = lsmkv.open(path, threads=0)
    db.update((b"%04d" % i, b"v") for i in range(1000))
    things = {"snapshot": db.snapshot(), "scan": iter(db), "batch": db.batch(), "view": db.keys()}
    next(things["scan"])
    before = sorted(os.listdir(path))

    def check():
        import gc

        nonlocal db
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            things.clear()
            db = None
            gc.collect()
        assert sorted(os.listdir(path)) == before

    in_child(check)
    db[b"k"] = b"v"
    assert db[b"k"] == b"v" and len(db) == 1001
    db.close()


def test_scenario_32_an_ordinary_exit_of_a_child(run_python, path):
    """The child runs the exit hooks, finalizers and all."""
    code = """
import lsmkv, os, sys
db = lsmkv.open(sys.argv[1])
db.update((b"%d" % i, b"v") for i in range(1000))
keep = [iter(db), db.snapshot(), db.batch()]
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    sys.exit(0)
_, status = os.waitpid(pid, 0)
assert status == 0, status
db[b"after"] = b"v"
assert len(db) == 1001
"""
    done = run_python(code, path)
    assert done.stderr.replace("DeprecationWarning", "") == "" or "multi-threaded" in done.stderr
    with lsmkv.open(path) as db:
        assert len(db) == 1001 and db.stats()["clean_open"]


def test_scenario_32_a_child_may_have_its_own_store(db, tmp_path):
    def check():
        with lsmkv.open(tmp_path / "child") as mine:
            mine.update((b"%d" % i, b"v") for i in range(1000))
            mine.flush()
            assert len(mine) == 1000
        try:
            lsmkv.open(db.path)
        except lsmkv.LockedError as error:
            assert error.pid == os.getppid()
        else:
            raise AssertionError("the parent still writes to it")

    in_child(check)
    with lsmkv.open(tmp_path / "child") as child:
        assert len(child) == 1000


def test_scenario_32_the_lock_does_not_survive_in_a_child(path):
    """The parent closes while a child of it lives on: others may open it at once."""
    db = lsmkv.open(path)
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    try:
        assert os.read(ready[0], 1) == b"x"
        db[b"k"] = b"v"
        db.close()
        with lsmkv.open(path) as again:
            assert again[b"k"] == b"v"
        in_child(lambda: lsmkv.open(path).close())
    finally:
        os.write(go[1], b"x")
        os.waitpid(pid, 0)
        for end in (*ready, *go):
            os.close(end)


def test_scenario_32_fork_while_threads_are_at_work(path):
    import threading

    stop = threading.Event()
    with lsmkv.open(path, options="teach", threads=2) as db:

        def work(seed):
            i = 0
            while not stop.is_set():
                i += 1
                db[b"%d-%d" % (seed, i % 500)] = b"x" * 100
                list(db[b"%d" % seed :].limit(50))

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
        for worker in workers:
            worker.start()

        def check():
            with pytest.raises(lsmkv.ForkedError):
                db[b"k"]

        try:
            for _ in range(20):
                in_child(check)
        finally:
            stop.set()
            for worker in workers:
                worker.join()
        assert len(db) <= 1500
        db.verify()


def grandchild(path):
    with lsmkv.open(path) as db:
        return len(db)


def test_scenario_32_multiprocessing(tmp_path):
    with lsmkv.open(tmp_path / "mine") as db:
        db[b"k"] = b"v"
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(grandchild, [tmp_path / "a", tmp_path / "b"]) == [0, 0]
        assert db[b"k"] == b"v"
