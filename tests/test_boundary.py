"""Python code that runs in the middle of a call: signal handlers, callbacks, finalizers, generators, other threads.

The rule behind all of it: nothing that close() waits for is held while Python can run.
"""

import gc
import os
import signal
import threading
import time

import pytest

import lsmkv

FULL = os.environ.get("LSMKV_FULL") == "1"


@pytest.fixture
def db(path):
    """A store that never merges by itself: a compact() of it has something to do."""
    db = lsmkv.open(path, options="teach", threads=0, l0_segments=8, run_count=32)
    yield db
    db.close()


def fill(db, count, value=b"x" * 100):
    db.update((b"%08d" % i, value) for i in range(count))


def several_runs(db, count=3000):
    for _ in range(4):
        fill(db, count)
        db.flush()


@pytest.fixture
def on_alarm(handlers_may_raise):
    """on_alarm(handler, seconds): calls handler() from a signal handler, once."""
    before = signal.getsignal(signal.SIGALRM)

    def arm(handler, seconds):
        signal.signal(signal.SIGALRM, lambda *_: handler())
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield arm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# ---- close() from inside a call -------------------------------------------------------------


def test_scenario_34_close_from_a_progress_callback(db):
    several_runs(db)
    calls = []

    def close(*report):
        calls.append(report)
        db.close()

    with pytest.raises(lsmkv.ClosedError):
        db.compact(progress=close)
    assert len(calls) == 1 and db.closed
    with lsmkv.open(db.path) as again:
        assert len(again) == 3000


def test_scenario_34_close_from_a_progress_callback_of_verify(db):
    fill(db, 3000)
    db.flush()
    with pytest.raises(lsmkv.ClosedError):
        db.verify(progress=lambda *_: db.close())


def test_scenario_34_close_from_a_signal_handler_inside_compact(db, on_alarm):
    """The handler runs in the thread that compacts, in the middle of it."""
    several_runs(db)
    main, where = threading.get_ident(), []

    def slow(done, total, unit, phase):
        time.sleep(0.01)

    def close():
        where.append(threading.get_ident())
        db.close()

    on_alarm(close, 0.02)
    with pytest.raises(lsmkv.ClosedError):
        while True:  # more merges than the timer has patience for
            several_runs(db, 1000)
            db.compact(progress=slow)
    assert where == [main] and db.closed


def test_scenario_34_close_from_a_finalizer_while_items_are_iterated(db):
    """A collection may start wherever a tuple is made, and finalizers run in it."""

    class Closer:
        def __init__(self):
            self.myself = self

        def __del__(self):
            db.close()

    fill(db, 2000)
    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        kept = []
        with pytest.raises(lsmkv.ClosedError):
            for i, pair in enumerate(db.items()):
                kept.append([pair])
                if i == 700:
                    Closer()
        assert 700 <= len(kept) < 2000
    finally:
        gc.set_threshold(*before)


def test_scenario_34_close_from_a_key_iterable(db):
    fill(db, 100)

    def keys():
        for i in range(100):
            if i == 50:
                db.close()
            yield b"%08d" % i

    with pytest.raises(lsmkv.ClosedError):
        db.get_many(keys())


def test_scenario_34_close_while_an_argument_is_converted(db):
    class Closes:
        def __bool__(self):
            db.close()
            return True

    with pytest.raises(lsmkv.ClosedError):
        db.put(b"k", b"v", sync=Closes())


@pytest.mark.parametrize("how", ["signal", "progress"])
def test_an_exception_in_the_middle_stops_a_merge_and_leaves_the_store_sound(db, on_alarm, how):
    several_runs(db)

    def interrupt(*_):
        raise KeyboardInterrupt

    if how == "signal":
        with pytest.raises(KeyboardInterrupt):
            on_alarm(interrupt, 0.02)
            while True:
                several_runs(db, 1000)
                db.compact(progress=lambda *_: time.sleep(0.01))
    else:
        with pytest.raises(KeyboardInterrupt):
            db.compact(progress=interrupt)
    assert len(db) == 3000
    db.compact()
    assert len(db) == 3000
    db.verify()


def test_progress_reports_four_things_and_grows(db):
    several_runs(db)
    reports = []
    db.compact(progress=lambda *report: reports.append(report))
    assert reports and all(unit == "bytes" and phase == "compact" for _, _, unit, phase in reports)
    done = [report[0] for report in reports]
    assert done == sorted(done) and done[-1] <= reports[-1][1]
    reports.clear()
    db.verify(progress=lambda *report: reports.append(report))
    assert reports and reports[-1][3] == "verify"
    for wrong in (7, "bar", b""):
        with pytest.raises(TypeError, match="callable"):
            db.compact(progress=wrong)
        with pytest.raises(TypeError, match="callable"):
            db.verify(progress=wrong)


def test_a_callback_may_use_the_store(db):
    several_runs(db)

    def use(*_):
        db[b"from the callback"] = b"v"
        assert db[b"%08d" % 7]
        assert len(list(db[b"%08d" % 5 : b"%08d" % 10])) == 5

    db.compact(progress=use)
    assert db[b"from the callback"] == b"v"


# ---- update from a source that uses the store -----------------------------------------------


def test_scenario_35_update_from_a_generator_that_reads_and_writes(db):
    fill(db, 500)

    def source():
        for key, value in db.items():
            db[b"seen" + key] = value
            assert db[b"seen" + key] == value
            db.delete(key)
            yield b"copy" + key, db.get(b"seen" + key)

    db.update(source())
    assert db.prefix(b"copy").count() == 500 == db.prefix(b"seen").count() and not db.prefix(b"0")


def test_scenario_35_update_from_a_generator_that_closes(db):
    def source():
        for i in range(50):
            if i == 25:
                db.close()
            yield b"%d" % i, b"v"

    with pytest.raises(lsmkv.ClosedError):
        db.update(source())
    with lsmkv.open(db.path) as again:
        assert not again, "the chunk was not written"


def test_scenario_35_update_from_a_generator_that_updates(db):
    def source(depth):
        for i in range(50):
            yield b"%d-%d" % (depth, i), b"v"
        if depth < 20:
            db.update(source(depth + 1))

    db.update(source(0))
    assert len(db) == 21 * 50


def test_scenario_35_other_writers_go_on_while_a_source_is_read(db):
    waiting, gone = threading.Event(), threading.Event()

    def source():
        yield b"a", b"1"
        waiting.set()
        assert gone.wait(100), "the other thread could not write"
        yield b"b", b"2"

    def write():
        waiting.wait()
        db[b"other"] = b"v"
        with db.batch() as batch:
            batch[b"another"] = b"v"
        gone.set()

    writer = threading.Thread(target=write)
    writer.start()
    db.update(source())
    writer.join()
    assert set(db) == {b"a", b"b", b"other", b"another"}


# ---- buffers that others change -------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 5000, 300_000])
def test_scenario_07_a_bytearray_rewritten_during_put(path, size):
    """What is stored is some mixture, but sound: everything written before and after it survives a reopen."""
    stop = threading.Event()
    buffer = bytearray(size)

    def rewrite():
        i = 0
        while not stop.is_set():
            i = (i + 1) % 256
            buffer[:] = bytes([i]) * size

    writer = threading.Thread(target=rewrite)
    writer.start()
    rounds = 2000 if size < 100_000 else 100
    try:
        with lsmkv.open(path) as db:
            for i in range(rounds):
                db[b"%06d" % i] = buffer
                db.put(b"k" + bytes(buffer[:1]), buffer)
                if i % 50 == 0:
                    db[buffer[:8]] = b"key"
                    db.update({b"u%06d" % i: buffer})
                    with db.batch() as batch:
                        batch[b"b%06d" % i] = buffer
            db[b"last"] = b"here"
    finally:
        stop.set()
        writer.join()
    with lsmkv.open(path) as db:
        db.verify()
        assert db[b"last"] == b"here"
        assert all(len(db[b"%06d" % i]) == size for i in range(rounds))


def test_a_bytearray_can_be_resized_as_soon_as_the_call_is_over(db):
    buffer = bytearray(b"abc")
    db[b"k"] = buffer
    with db.batch() as batch:
        batch[b"l"] = buffer
        buffer.extend(b"def")
    view = db[buffer:]
    buffer.clear()
    assert db[b"k"] == db[b"l"] == b"abc" and list(view) == [b"k", b"l"]


# ---- Ctrl-C ---------------------------------------------------------------------------------


ACTIONS = {
    "list of items": lambda db: list(db.items()),
    "list of keys": list,
    "len": lambda db: db[b"":].count(),
    "sum": lambda db: sum(map(len, db.values())),
    "value in values": lambda db: b"nobody" in db.values(),
    "get_many": lambda db: db.get_many(db.keys()),
    "set operation": lambda db: db.keys().isdisjoint([b"nobody"] * 300_000),
    "update": lambda db: db.update(db.items().limit(100_000)),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_control_c_is_heard_early(path, heard, action):
    with lsmkv.open(path) as db:
        fill(db, 300_000, b"v" * 20)
        heard(lambda: ACTIONS[action](db))
        assert len(db) == 300_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not FULL, reason="LSMKV_FULL=1 runs it")
def test_control_c_within_10_million_records(path, heard):
    with lsmkv.open(path, options="bulk") as db:
        fill(db, 10_000_000, b"v" * 20)
        heard(lambda: list(db.items()))


def test_long_loops_let_other_threads_run(path):
    """A list() over many pairs is one C call: it still gives way again and again. Around a call, between two steps of
    the interpreter, the other thread runs too, but not ten times."""
    with lsmkv.open(path) as db:
        fill(db, 300_000, b"v" * 20)
        stop, ticks = threading.Event(), [0]

        def tick():
            while not stop.is_set():
                ticks[0] += 1
                time.sleep(0)

        def ticks_during(action):
            before = ticks[0]
            action()
            return ticks[0] - before

        ticker = threading.Thread(target=tick)
        ticker.start()
        try:
            for action in (lambda: list(db.items()), lambda: db.get_many(db.keys())):
                while ticks_during(action) < 10:  # a busy machine may not let it; pytest-timeout ends this
                    pass
        finally:
            stop.set()
            ticker.join()


# ---- close() from another thread ------------------------------------------------------------


def test_closing_from_many_threads_at_once(path):
    for _ in range(50):
        db = lsmkv.open(path)
        db[b"k"] = b"v"
        threads = [threading.Thread(target=db.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert db.closed


def test_close_while_another_thread_compacts(db):
    started, outcome = threading.Event(), []

    def compact():
        try:
            while True:
                several_runs(db)
                db.compact(progress=lambda *_: started.set())
        except lsmkv.ClosedError as error:
            outcome.append(error)

    thread = threading.Thread(target=compact)
    thread.start()
    assert started.wait(100)
    db.close()
    thread.join()
    assert len(outcome) == 1
