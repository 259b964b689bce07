"""lsmkv.aio: every name of the synchronous store, the same answers, a loop that is never held, and nothing left over
whenever a task is cancelled. A thread is held where a test wants it by a gate, never by time."""

import asyncio
import contextlib
import doctest
import functools
import gc
import inspect
import pydoc
import threading
import weakref

import pytest
from loops import Gate, held, in_a_loop, pairs, settle

import lsmkv
import lsmkv.aio
from lsmkv.aio import bridge, scan
from lsmkv.aio.awaited import Across, awaited
from lsmkv.aio.feed import PART_ENTRIES

TWINS = {
    lsmkv.aio.AsyncLSM: lsmkv.LSM,
    lsmkv.aio.AsyncSnapshot: lsmkv.Snapshot,
    lsmkv.aio.AsyncRangeView: lsmkv.RangeView,
    lsmkv.aio.AsyncKeysView: lsmkv.KeysView,
    lsmkv.aio.AsyncValuesView: lsmkv.ValuesView,
    lsmkv.aio.AsyncItemsView: lsmkv.ItemsView,
    lsmkv.aio.AsyncTransaction: lsmkv.Transaction,
    lsmkv.aio.AsyncCursor: lsmkv.Cursor,
    lsmkv.aio.AsyncWriteBatch: lsmkv.WriteBatch,
}
LEFT_OUT = {  # name of a class, name of a method: why it is not awaited
}
AT_ONCE = {
    *("keys", "values", "items", "range", "prefix", "limit", "chunks"),  # describe
    *("batch", "snapshot", "transaction", "cursor", "namespace", "compaction_paused"),  # open
    *(f"AsyncWriteBatch.{name}" for name in ("put", "delete", "delete_range", "merge")),  # collect
}
INSTEAD_OF_SYNTAX = {"contains", "length"}


def public(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


# ---- names -----------------------------------------------------------------------------------------


def test_examples():
    done = doctest.testmod(lsmkv.aio)
    assert done.attempted > 0 and done.failed == 0


def test_asyncio_is_not_loaded_until_asked_for(run_python):
    run_python("import sys, lsmkv, lsmkv.dbm; assert not {'lsmkv.aio', 'asyncio'} & set(sys.modules)")


@pytest.mark.parametrize("cls", TWINS, ids=lambda cls: cls.__name__)
def test_every_name_is_there(cls):
    """A method that is new in lsmkv is one line here: `name = awaited(LSM.name)` in its class in lsmkv/aio, or, when
    it cannot be that, a reason in LEFT_OUT."""
    left_out = {name for of, name in LEFT_OUT if of == cls.__name__}
    assert public(TWINS[cls]) - public(cls) == left_out
    assert public(cls) - public(TWINS[cls]) <= INSTEAD_OF_SYNTAX


def methods():
    for cls, twin in TWINS.items():
        for name in sorted(public(cls) & public(twin)):
            if inspect.isfunction(inspect.getattr_static(cls, name)):
                yield pytest.param(getattr(cls, name), getattr(twin, name), id=f"{cls.__name__}.{name}")


@pytest.mark.parametrize("method, original", [*methods()])
def test_a_method_looks_like_its_original(method, original):
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in [*inspect.signature(it).parameters.values()][1:]]
        for it in (method, original)
    )
    assert ours == theirs
    assert method.__doc__ and method.__name__ == original.__name__
    assert inspect.iscoroutinefunction(method) == AT_ONCE.isdisjoint([method.__name__, method.__qualname__])


def test_help_reads_well():
    text = pydoc.plain(pydoc.render_doc(lsmkv.aio.AsyncLSM))
    for line in (
        "async flush(self, /)",
        "async compact(self, /, start=None, stop=None, *, progress=None)",
        "async put(self, key, value, /, *, ttl=None, sync=None)",
        "async pop(self, key, default=Ellipsis, /)",
    ):
        assert line in text


# ---- the same answers ------------------------------------------------------------------------------

PLAIN_CALLS = {
    "get": (b"000003",),
    "get_many": ([b"000003", b"none"], 7),
    "first": (),
    "last": (),
    "pending": (),
    "explain": (b"000003",),
    "verify": (),
    "events": (),
}


@in_a_loop
async def test_calls_answer_as_their_originals(path):
    with lsmkv.open(path) as store:
        store.update(pairs(1000))
        store.flush()
        async with lsmkv.aio.open(path) as db:
            for name, args in PLAIN_CALLS.items():
                assert await getattr(db, name)(*args) == getattr(store, name)(*args), name
            assert (await db.stats()).keys() == store.stats().keys()
            assert (db.path, db.closed, db.lsn, db.levels) == (path.__fspath__(), False, store.lsn, store.levels)
            assert db.options == store.options
            assert await db[b"000003"] == b"v3" and await db.contains(b"000003") and not await db.contains(b"x")
            with pytest.raises(KeyError):
                await db[b"x"]
            with pytest.raises(TypeError, match="encode"):
                await db.get("000003")


@in_a_loop
async def test_writing():
    async with lsmkv.aio.open(None, threads=0) as db:
        first = await db.put(b"a", b"1")
        assert await db.put(b"b", b"2", sync=True) > first
        await db.put(b"c", b"3")
        await db.delete(b"a")
        assert [pair async for pair in db.items()] == [(b"b", b"2"), (b"c", b"3")]
        await db.delete_range(b"c", None)
        assert [key async for key in db] == [b"b"]
        await db.sync()
        await db.flush()
        while await db.step():
            pass
        await db.clear()
        assert await db.first() is None


@in_a_loop
async def test_ranges_and_views():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(1000))
        with lsmkv.open(db.path) as store:
            for ours, theirs in (
                (db, store),
                (db.keys(), store.keys()),
                (db.values(), store.values()),
                (db.items(), store.items()),
                (db[b"0001":b"0002"], store[b"0001":b"0002"]),
                (db[b"0001":][:b"0005"].items(), store[b"0001":][:b"0005"].items()),
                (db.prefix(b"00099").values(), store.prefix(b"00099").values()),
                (db.range(b"0003", reverse=True).keys(), store.range(b"0003", reverse=True).keys()),
                (db.items().limit(7), store.items().limit(7)),
                (db[b"x":b"y"], store[b"x":b"y"]),
            ):
                assert [entry async for entry in ours] == list(theirs), theirs
                assert [entry async for entry in reversed(ours)] == list(reversed(theirs)), theirs
                assert await ours.first() == theirs.first() and await ours.last() == theirs.last()
        part = db[b"0001":b"0002"]
        assert await part.count() == 100 and part.mapping is db
        assert await part[b"000150"] == b"v150" and await part.contains(b"000150")
        assert not await part.contains(b"000300")
        with pytest.raises(KeyError):
            await part[b"000300"]
        assert await part.items().contains((b"000150", b"v150")) and await part.values().contains(b"v150")
        assert await part.keys().isdisjoint([b"x"]) and not await part.items().isdisjoint([(b"000150", b"v150")])


REFUSED = {
    "iter": (iter, "async for"),
    "len": (len, "await .*(length|count)"),
    "bool": (bool, "first"),
    "in": (lambda it: b"k" in it, "await .*contains"),
    "set": (lambda it: it.__setitem__(b"k", b"v"), "await db.put"),
    "del": (lambda it: it.__delitem__(b"k"), "await db.delete"),
    "or": (lambda it: it.__ior__({}), "await db.update"),
    "with": (lambda it: it.__enter__(), "async with"),
}


@pytest.mark.parametrize("use", REFUSED)
@in_a_loop
async def test_what_cannot_be_awaited_names_what_can(use):
    action, instead = REFUSED[use]
    async with lsmkv.aio.open(None) as db:
        for it in (db,) if use in ("set", "del", "or", "with") else (db, db[:], db.keys()):
            with pytest.raises(TypeError, match=instead):
                action(it)


@in_a_loop
async def test_snapshot():
    async with lsmkv.aio.open(None) as db:
        await db.put(b"k", b"old")
        async with db.snapshot() as before:
            await db.put(b"k", b"new")
            assert await before[b"k"] == await before.get(b"k") == b"old" and await db[b"k"] == b"new"
            assert [pair async for pair in before[b"a":].items()] == [(b"k", b"old")]
            assert before.age >= 0 and before.lsn < db.lsn and not before.closed
        assert before.closed
        with pytest.raises(lsmkv.ClosedError):
            await before.get(b"k")
        held = await db.snapshot()
        assert (await db.stats())["live_snapshots"] == 1
        await held.close()
        await held.close()
        assert (await db.stats())["live_snapshots"] == 0


@in_a_loop
async def test_batch_is_applied_whole_or_dropped():
    async with lsmkv.aio.open(None) as db:
        async with db.batch() as batch:
            batch[b"a"], batch[b"b"] = b"1", b"2"
            del batch[b"a"]
            assert len(batch) == 3 and await db.first() is None
        assert [pair async for pair in db.items()] == [(b"b", b"2")]
        with pytest.raises(ZeroDivisionError):
            async with db.batch(sync=True) as batch:
                batch[b"c"] = b"3"
                raise ZeroDivisionError
        assert not await db.contains(b"c")
        with pytest.raises(ValueError, match="over"):
            batch[b"d"] = b"4"
        with pytest.raises(TypeError):
            db.batch(True)


# ---- scans -----------------------------------------------------------------------------------------


def chunks(count):
    """The lengths in which a scan over small entries fetches them: 16, 64, 256, 256 ... The last is not full."""
    lengths, most = [], scan.CHUNK_FIRST
    while count >= most:
        lengths.append(most)
        count, most = count - most, min(most * scan.CHUNK_GROWTH, scan.CHUNK_MAX)
    lengths.append(count)
    return lengths


@pytest.fixture
def fetches(monkeypatch):
    """The lengths of the chunks that crossed, in order."""
    lengths = []

    def counted(*args):
        answer = fetch(*args)
        lengths.append(len(answer[1][0]))
        return answer

    fetch = scan.fetch
    monkeypatch.setattr(scan, "fetch", counted)
    return lengths


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 80, 335, 336, 337, 5000])
def test_a_scan_fetches_in_growing_chunks(count, fetches):
    @in_a_loop
    async def test():
        async with lsmkv.aio.open(None) as db:
            await db.update(pairs(count))
            assert [pair async for pair in db.items()] == pairs(count)

    test()
    assert fetches == chunks(count)


def test_the_loop_runs_between_chunks(fetches):
    seen = set()

    async def others():
        while True:
            seen.add(len(fetches))
            await asyncio.sleep(0)

    @in_a_loop
    async def test():
        async with lsmkv.aio.open(None) as db:
            await db.update(pairs(10_000))
            task = asyncio.create_task(others())
            assert len([key async for key in db]) == 10_000
            task.cancel()
            await asyncio.wait([task])

    test()
    assert len(seen) >= len(chunks(10_000)) // 2  # a turn that falls while a chunk is on its way may count it or not


def test_large_values_make_small_chunks(fetches):
    @in_a_loop
    async def test():
        async with lsmkv.aio.open(None) as db:
            for i in range(40):
                await db.put(b"%d" % i, bytes(100_000))
            assert [len(value) async for value in db.values()] == [100_000] * 40
            assert [len(value) async for _, value in db.items()] == [100_000] * 40

    test()
    assert max(fetches) <= scan.CHUNK_BYTES // 100_000 + 1


@in_a_loop
async def test_a_scan_does_not_see_later_writes_and_nothing_stays_pinned():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(1000))
        async for key in db:
            await db.delete(key)
        assert await db.first() is None
        await db.update(pairs(1000))
        async for _ in db:
            break
        await asyncio.sleep(0)  # the thread that lets go is asked
        await settle(db)
        assert (await db.stats())["live_iterators"] == 0


@in_a_loop
async def test_an_iterator_can_be_closed_early():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(1000))
        walk = db.items().__aiter__()
        assert await walk.__anext__() == (b"000000", b"v0")
        assert (await db.stats())["live_iterators"] == 1
        await walk.aclose()
        await walk.aclose()
        assert (await db.stats())["live_iterators"] == 0
        with pytest.raises(StopAsyncIteration):
            await walk.__anext__()


@pytest.mark.parametrize("how", ["break", "close", "exhaust", "cancel"])
@in_a_loop
async def test_what_an_iterator_pins_is_let_go_in_a_thread(how):
    dropped = []

    class Pins:
        def __init__(self):
            self.left = 100

        def __iter__(self):
            return self

        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return b"entry"

        def __del__(self):
            dropped.append(threading.current_thread().name)

    async def walk():
        it = scan.AsyncIterator(db._bridge, Pins, scan.take_single)
        async for _ in it:
            if how == "close":
                await it.aclose()
            elif how == "break":
                break

    async with lsmkv.aio.open(None, workers=1) as db:
        task = asyncio.ensure_future(walk())
        if how == "cancel":
            async with held(db):
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
        else:
            await task
        del task
        while not dropped:
            await asyncio.sleep(0)
    assert len(dropped) == 1 and dropped[0].startswith("lsmkv-aio")


@in_a_loop
async def test_an_iterator_serves_one_task():
    async with lsmkv.aio.open(None, workers=1) as db:
        await db.update(pairs(1000))
        walk = db.keys().__aiter__()
        async with held(db):
            first = asyncio.ensure_future(walk.__anext__())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task"):
                await walk.__anext__()
        assert await first == b"000000"


@in_a_loop
async def test_a_cancelled_step_loses_no_entry():
    async with lsmkv.aio.open(None, workers=1) as db:
        await db.update(pairs(1000))
        walk = db.keys().__aiter__()
        seen = []
        for _ in range(5):
            async with held(db):
                step = asyncio.ensure_future(walk.__anext__())
                await asyncio.sleep(0)
                step.cancel()
                await asyncio.wait([step])
            seen.append(await walk.__anext__()) if step.cancelled() else seen.append(step.result())
        seen += [key async for key in walk]
        assert seen == [key for key, _ in pairs(1000)]


@in_a_loop
async def test_a_scan_dropped_on_its_way_pins_nothing():
    async with lsmkv.aio.open(None, workers=1) as db:
        await db.update(pairs(1000))

        async def walk():
            async for _ in db:
                pass

        async with held(db):
            task = asyncio.create_task(walk())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        del task
        await settle(db)  # the fetch is over and the iterator is dropped
        await asyncio.sleep(0)
        await settle(db)
        assert (await db.stats())["live_iterators"] == 0


@in_a_loop
async def test_closing_ends_a_scan_with_an_error():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(1000))
        walk = db.keys().__aiter__()
        await walk.__anext__()
    with pytest.raises(lsmkv.ClosedError):
        async for _ in walk:
            pass


# ---- cancelling --------------------------------------------------------------------------------------


@in_a_loop
async def test_a_write_cancelled_before_it_began_never_happens():
    async with lsmkv.aio.open(None, workers=1) as db:
        async with held(db):
            write = asyncio.ensure_future(db.put(b"k", b"v"))
            await asyncio.sleep(0)
            write.cancel()
            with pytest.raises(asyncio.CancelledError):
                await write
        assert not await db.contains(b"k")


@in_a_loop
async def test_a_write_cancelled_after_it_began_happens():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=1) as db:

        def write():
            gate.work()
            db._sync[b"k"] = b"v"

        task = asyncio.ensure_future(db._call(write))
        await gate.wait_until_reached()
        task.cancel()
        await asyncio.wait([task])
        gate.open()
        assert await db.get(b"k") == b"v"


@in_a_loop
async def test_a_snapshot_that_nobody_waits_for_is_closed():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=1) as db:
        take = db._sync.snapshot

        class Twin:
            closed = False

            def snapshot(self):
                gate.work()
                taken.append(take())
                return taken[0]

        taken, sync, db._sync = [], db._sync, Twin()
        task = asyncio.ensure_future(db.snapshot().__aenter__())
        await gate.wait_until_reached()
        task.cancel()
        await asyncio.wait([task])
        db._sync = sync
        gate.open()
        while not (taken and taken[0].closed):
            await asyncio.sleep(0)


@in_a_loop
async def test_a_store_that_nobody_waits_for_is_closed(path, monkeypatch):
    gate, opened = Gate(), []

    def slow(*args, **kwargs):
        gate.work()
        opened.append(lsmkv.LSM(*args, **kwargs))
        return opened[0]

    monkeypatch.setattr("lsmkv.aio.opening.LSM", slow)
    task = asyncio.ensure_future(lsmkv.aio.open(path).__aenter__())
    await gate.wait_until_reached()
    task.cancel()
    await asyncio.wait([task])
    gate.open()
    while not (opened and opened[0].closed):
        await asyncio.sleep(0)
    while any(thread.name.startswith("lsmkv-aio") for thread in threading.enumerate()):
        await asyncio.sleep(0)


class Labourer:
    """Stands in for a store whose work only ends when it is told to."""

    closed = False

    def __init__(self):
        self.ended_by = None
        self.began = threading.Event()

    def toil(self, *, progress=None):
        """Toil."""
        try:
            while True:
                progress(1, 2, "bytes", "toil")
                self.began.set()
        except BaseException as caught:
            self.ended_by = type(caught)
            raise


class AsyncLabourer(Across):
    toil = awaited(Labourer.toil)

    def __init__(self):
        self._sync = Labourer()
        self._bridge = bridge.Bridge(1)

    def _is_closed(self):
        return self._sync.closed


@in_a_loop
async def test_long_work_ends_when_its_task_is_cancelled():
    it = AsyncLabourer()
    task = asyncio.ensure_future(it.toil())
    while not it._sync.began.is_set():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    it._bridge.shutdown()
    assert it._sync.ended_by is asyncio.CancelledError


@in_a_loop
async def test_long_work_ends_when_its_callback_raises():
    it = AsyncLabourer()

    def progress(*report):
        assert threading.current_thread() is threading.main_thread() and report == (1, 2, "bytes", "toil")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await it.toil(progress=progress)
    it._bridge.shutdown()
    assert it._sync.ended_by is ZeroDivisionError


@in_a_loop
async def test_progress_of_a_store_arrives_in_the_loop():
    reports = []
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(1000))
        await db.flush()
        loop = asyncio.get_running_loop()
        await db.compact(progress=lambda *report: reports.append((asyncio.get_running_loop() is loop, *report)))
        assert reports and all(report[0] for report in reports) and reports[-1][1] == reports[-1][2]
        with pytest.raises(ZeroDivisionError):  # also from the last report, when the work is done
            await db.verify(progress=lambda *report: 1 / 0)
        with pytest.raises(TypeError, match="progress"):
            await db.compact(progress=3)


# ---- many at once --------------------------------------------------------------------------------------


@in_a_loop
async def test_many_calls_share_few_threads():
    names = set()
    async with lsmkv.aio.open(None, workers=3) as db:
        await db.update(pairs(500))

        def get(i):
            names.add(threading.current_thread().name)
            return db._sync[b"%06d" % i]

        answers = await asyncio.gather(*(db._call(functools.partial(get, i)) for i in range(500)))
        assert answers == [value for _, value in pairs(500)]
        assert 1 <= len(names) <= 3


@in_a_loop
async def test_one_call_that_waits_does_not_hold_the_others():
    async with lsmkv.aio.open(None, workers=2) as db, held(db):
        assert await db.get(b"k") is None


@pytest.mark.parametrize("workers", [0, -1])
@in_a_loop
async def test_workers_are_at_least_one(workers):
    with pytest.raises(ValueError, match="workers"):
        await lsmkv.aio.open(None, workers=workers)


@in_a_loop
async def test_update_takes_whatever_a_dict_takes_and_more():
    class Odd:
        def keys(self):
            return [b"m"]

        def __getitem__(self, key):
            return b"odd"

    async def later():
        for pair in pairs(3000):
            yield pair

    async with lsmkv.aio.open(None) as db, lsmkv.aio.open(None) as other:
        await db.update({b"a": b"1"})
        await db.update(Odd())
        await db.update(iter([(b"i", b"2")]))
        await db.update()
        assert [pair async for pair in db.items()] == [(b"a", b"1"), (b"i", b"2"), (b"m", b"odd")]
        await other.update(later())
        assert await other.keys().count() == 3000
        await db.clear()
        for source in (other, other[:b"0001"], other.items(), other._sync, other._sync.items()):
            await db.update(source)
        await db.set_many(other.items())
        assert [pair async for pair in db.items()] == pairs(3000)
        with pytest.raises(TypeError):
            await db.update(5)
        with pytest.raises(TypeError, match="element #0"):
            await db.set_many([5])
        for source in ({"k1": "one"}, Odd(), other):
            with pytest.raises(TypeError, match=r"update\(\)"):
                await db.set_many(source)
        assert [pair async for pair in db.items()] == pairs(3000)


@in_a_loop
async def test_a_generator_runs_in_the_loop_and_is_not_read_ahead():
    async with lsmkv.aio.open(None) as db:

        def source():
            for i, pair in enumerate(pairs(3 * PART_ENTRIES)):
                assert threading.current_thread() is threading.main_thread()
                if i == PART_ENTRIES:
                    assert db._sync[b"%06d" % 0]  # the part before is written
                yield pair

        await db.set_many(source())
        assert await db.keys().count() == 3 * PART_ENTRIES

        async def keys():
            for key, _ in pairs(2000):
                yield key

        expected = [value for _, value in pairs(2000)]
        assert await db.get_many(keys()) == await db.get_many(key for key, _ in pairs(2000)) == expected
        assert await db.get_many((b"x", b"000001"), default=b"") == [b"", b"v1"]


@in_a_loop
async def test_a_source_that_raises_keeps_the_parts_before():
    def source():
        yield from pairs(PART_ENTRIES)
        raise ZeroDivisionError

    async with lsmkv.aio.open(None) as db:
        with pytest.raises(ZeroDivisionError):
            await db.update(source())


# ---- the end -------------------------------------------------------------------------------------------


@in_a_loop
async def test_after_close_everything_says_so():
    async with lsmkv.aio.open(None) as db:
        view = db[b"a":]
    await db.close()
    assert db.closed
    for call in (
        db.get(b"k"),
        db[b"k"],
        db.put(b"k", b"v"),
        db.update({}),
        db.update(iter([])),
        db.get_many([]),
        db.compact(),
        view.count(),
        view[b"k"],
        db.snapshot().__aenter__(),
        db.__aenter__(),
    ):
        with pytest.raises(lsmkv.ClosedError):
            await call
    with pytest.raises(lsmkv.ClosedError):
        db.batch()


@in_a_loop
async def test_closing_at_the_same_time_and_while_calls_are_in_flight():
    db = await lsmkv.aio.open(None, workers=2)
    writes = [asyncio.ensure_future(db.put(b"%d" % i, b"v")) for i in range(200)]
    await asyncio.sleep(0)
    await asyncio.gather(db.close(), db.close(), db.close())
    ends = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(end) for end in ends} <= {int, lsmkv.ClosedError}


@in_a_loop
async def test_a_cancelled_close_still_closes():
    db = await lsmkv.aio.open(None, workers=1)
    async with held(db):
        closing = asyncio.ensure_future(db.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
    await db.close()
    assert db.closed


@in_a_loop
async def test_a_close_that_fails_says_so_to_everybody():
    class Twin:
        closed = False

        def close(self):
            raise OSError("the last sync failed")

    db = lsmkv.aio.AsyncLSM(Twin())
    ends = await asyncio.gather(db.close(), db.close(), return_exceptions=True)
    assert [str(end) for end in ends] == ["the last sync failed"] * 2


@in_a_loop
async def test_a_store_closed_behind_its_back():
    store = lsmkv.open(None)
    db = lsmkv.aio.AsyncLSM(store)
    assert await db.first() is None
    store.close()
    with pytest.raises(lsmkv.ClosedError):
        await db.first()
    await db.close()


@in_a_loop
async def test_opening_that_fails(path):
    with pytest.raises(FileNotFoundError):
        async with lsmkv.aio.open(path, "r"):
            raise AssertionError
    with pytest.raises(lsmkv.OptionsError):
        await lsmkv.aio.open(path, nonsense=1)


@in_a_loop
async def test_one_opening_one_block():
    opening = lsmkv.aio.open(None)
    async with opening as db:
        with pytest.raises(RuntimeError, match="open already"):
            await opening.__aenter__()
        assert await db.first() is None
    async with opening as again:
        assert again is not db


@in_a_loop
async def test_an_exception_and_its_frames_are_freed_without_a_collection():
    class Canary:
        pass

    async def fail(begin):
        canary = Canary()
        seen.append(weakref.ref(canary))
        with contextlib.suppress(KeyError, TypeError, ValueError):
            await begin()

    seen = []
    async with lsmkv.aio.open(None) as db:

        def broken_scan():
            return scan.AsyncIterator(db._bridge, lambda: map(int, "x"), scan.take_single).__anext__()

        gc.disable()
        try:
            for begin in (lambda: db[b"x"], lambda: db.get("text"), lambda: db.explain(7), broken_scan):
                await fail(begin)
                await asyncio.sleep(0)
                assert seen.pop()() is None, begin
        finally:
            gc.enable()


@in_a_loop
async def test_stop_iteration_cannot_end_a_coroutine():
    async with lsmkv.aio.open(None) as db:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await db._call(lambda: next(iter(())))


# ---- loops ---------------------------------------------------------------------------------------------


def test_loops_one_after_another(path):
    async def add(i):
        async with lsmkv.aio.open(path) as db:
            await db.put(b"%d" % i, b"")
            return await db.keys().count()

    assert [asyncio.run(add(i)) for i in range(4)] == [1, 2, 3, 4]


def test_an_object_is_bound_when_used_and_free_when_its_loop_is_closed():
    db = lsmkv.aio.AsyncLSM(lsmkv.open(None))  # no loop is there

    async def add(i):
        await db.put(b"%d" % i, b"")
        return [key async for key in db[:].keys()]

    assert asyncio.run(add(0)) == [b"0"] and asyncio.run(add(1)) == [b"0", b"1"]
    asyncio.run(db.close())


def test_another_loop_at_the_same_time_is_refused():
    db = lsmkv.aio.AsyncLSM(lsmkv.open(None))
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first.run_until_complete(db.put(b"k", b"v"))
        walk = db.keys().__aiter__()
        for call in (db.get(b"k"), db.snapshot().__aenter__(), walk.__anext__(), db.close()):
            with pytest.raises(RuntimeError, match="another event loop"):
                second.run_until_complete(call)
        assert first.run_until_complete(db.get(b"k")) == b"v"
        first.run_until_complete(db.close())
    finally:
        first.close()
        second.close()


def test_a_loop_that_ends_in_the_middle(run_python):
    """A call whose loop is gone ends in its thread, is told to nobody, and the store serves the next loop."""
    run_python(
        """if True:
        import asyncio, threading, lsmkv, lsmkv.aio
        db = lsmkv.aio.AsyncLSM(lsmkv.open(None), workers=1)
        reached, gate = threading.Event(), threading.Event()

        def wait():
            reached.set()
            gate.wait(200)

        async def leave(walk):
            assert await walk.__anext__() == b"a"
            task = asyncio.ensure_future(db._call(wait))
            while not reached.is_set():
                await asyncio.sleep(0)
            step = asyncio.ensure_future(lost.__anext__())
            await asyncio.sleep(0)

        async def go_on(walk):
            gate.set()
            await db.put(b"k", b"v")
            assert [key async for key in walk] == []
            try:
                await lost.__anext__()
            except RuntimeError as caught:
                assert "begin another" in str(caught)
            else:
                raise AssertionError
            await db.close()

        db._sync[b"a"] = b""
        walk, lost = db.keys().__aiter__(), db.keys().__aiter__()
        asyncio.run(leave(walk))
        asyncio.run(go_on(walk))
        """
    )


def test_the_child_of_a_fork_is_told(run_python):
    run_python(
        """if True:
        import asyncio, os, sys, lsmkv, lsmkv.aio
        db = lsmkv.aio.AsyncLSM(lsmkv.open(None))
        asyncio.run(db.put(b"k", b"v"))

        async def child():
            for call in (db.get(b"k"), db.put(b"k", b"w"), db.close()):
                try:
                    await call
                except lsmkv.ForkedError:
                    continue
                os._exit(1)
            os._exit(0)

        pid = os.fork()
        if pid == 0:
            asyncio.run(child())
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        asyncio.run(db.close())
        """
    )


def test_what_can_be_written_to():
    """A store and a transaction offer the same, for functions that take either."""
    assert issubclass(lsmkv.aio.AsyncLSM, lsmkv.aio.AsyncTarget)
    assert issubclass(lsmkv.aio.AsyncTransaction, lsmkv.aio.AsyncTarget)
    assert not issubclass(lsmkv.aio.AsyncSnapshot, lsmkv.aio.AsyncTarget)
