"""lsmkv.aio: transactions, cursors, namespaces, batches, expiry: what happens in which order, what a cancelled task
leaves, and that nothing is held or left over."""

import asyncio
import functools
import math
import threading

import pytest
from loops import Gate, held, in_a_loop, pairs, settle

import lsmkv
import lsmkv.aio
from lsmkv import codecs
from lsmkv.aio.lane import Lane


async def content(db):
    return [pair async for pair in db.items()]


async def keys_of(view):
    return [key async for key in view]


async def step(awaitable):
    """A task that has gone as far as it can without the threads."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def cancelled(task):
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def nothing_is_open(db):
    await settle(db)
    stats = await db.stats()
    assert (stats["live_snapshots"], stats["live_iterators"]) == (0, 0)


# ---- a key at a time ------------------------------------------------------------------------------


@in_a_loop
async def test_a_look_and_a_write():
    async with lsmkv.aio.open(None) as db:
        assert await db.setdefault(b"a", b"1") == b"1" == await db.setdefault(b"a", b"2")
        assert await db.add(b"b", b"2") and not await db.add(b"b", b"3")
        assert await db.compare_and_set(b"b", b"2", b"4") and not await db.compare_and_set(b"b", b"2", b"5")
        assert await db.compare_and_set(b"c", lsmkv.ABSENT, b"6")
        assert await db.merge(b"a", b"!", op="concat") == b"1!"
        assert await db.merge(b"a", b"?", op=lambda old, new: old + new) == b"1!?"
        assert await db.incr(b"n") == 1 and await db.incr(b"n", 41) == 42
        assert await db.pop(b"n") == b"42" and await db.pop(b"n", None) is None and await db.pop(b"n", ...) is ...
        with pytest.raises(KeyError):
            await db.pop(b"n")
        assert await db.popitem() == (b"c", b"6") and await db.popitem(last=False) == (b"a", b"1!?")
        assert await db.discard(b"b") and not await db.discard(b"b")
        assert await db.length() == 0
        with pytest.raises(KeyError):
            await db.popitem()


@in_a_loop
async def test_many_tasks_count_together():
    async with lsmkv.aio.open(None) as db:
        sums = await asyncio.gather(*(db.incr(b"n") for _ in range(500)))
        assert sorted(sums) == [*range(1, 501)] and await db[b"n"] == b"500"


@in_a_loop
async def test_near_a_key():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(10))
        one, two = pairs(10)[4:6]
        assert await db.floor(one[0]) == one == await db.lower(two[0]) == await db.ceiling(one[0])
        assert await db.higher(one[0]) == two and await db.lower(b"") is None
        view = await db.get_view(one[0])
        assert bytes(view) == one[1] and await db.get_view(b"x") is None
        assert await db.length() == 10


@in_a_loop
async def test_expiry(path):
    clock = lsmkv.ManualClock()
    async with lsmkv.aio.open(path, clock=clock, ttl=100) as db:
        await db.put(b"a", b"1")
        await db.put(b"b", b"1", ttl=math.inf)
        await db.add(b"c", b"1", ttl=5)
        assert (await db.ttl(b"a"), await db.ttl(b"b"), await db.ttl(b"c")) == (100, None, 5)
        assert await db.touch(b"c", 7) and await db.persist(b"a") and not await db.touch(b"x", 1)
        async with db.batch() as batch:
            batch.put(b"d", b"1", ttl=3)
        clock.advance(50)
        assert [key async for key in db] == [b"a", b"b"]


@in_a_loop
async def test_many_keys_at_once():
    async def later(keys):
        for key in keys:
            yield key

    async with lsmkv.aio.open(None, key="str", value="str") as db:
        await db.update({"a": "1"}, b="2", c="3")
        await db.update(later([("d", "4")]), e="5")
        await db.delete_many(later(["a", "nothing"]))
        await db.delete_many(key for key in ("b",))
        await db.delete_many(["c"])
        assert await content(db) == [("d", "4"), ("e", "5")]


# ---- views ----------------------------------------------------------------------------------------


@in_a_loop
async def test_chunks_and_split():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(1000))
        lists = [part async for part in db.items().chunks(300)]
        assert [len(part) for part in lists] == [300, 300, 300, 100] and sum(lists, []) == pairs(1000)
        assert [part async for part in db[b"x":].chunks(3)] == []
        with pytest.raises(ValueError, match="at least one"):
            db.keys().chunks(0)
        parts = await db[b"0001":b"0009"].split(3)
        assert [part.mapping for part in parts] == [db] * 3
        assert sum([await keys_of(part) for part in parts], []) == [key for key, _ in pairs(900)[100:]]
        async for _ in db.keys().chunks(2):
            break
        await asyncio.sleep(0)
        await nothing_is_open(db)
        assert not await db.keys().isdisjoint(db.keys()) and await db.keys().isdisjoint(db[:b""])


# ---- cursors --------------------------------------------------------------------------------------


@in_a_loop
async def test_a_cursor_walks_over_one_moment():
    async with lsmkv.aio.open(None) as db:
        await db.update(pairs(100))
        async with db.cursor() as cursor:
            await db.clear()
            assert not cursor.valid
            with pytest.raises(ValueError, match="no key"):
                assert cursor.key
            assert await cursor.first() and cursor.item == pairs(100)[0] and cursor.valid
            assert await cursor.next() and cursor.key == b"000001"
            assert await cursor.seek(b"00005") and (cursor.key, cursor.value) == (b"000050", b"v50")
            assert await cursor.prev() and cursor.key == b"000049"
            assert await cursor.seek_for_prev(b"000070x") and cursor.key == b"000070"
            assert await cursor.last() and not await cursor.next() and not cursor.valid
        with pytest.raises(ValueError, match="closed"):
            await cursor.first()
        await cursor.close()
        await nothing_is_open(db)
    with pytest.raises(lsmkv.ClosedError):
        await db.cursor()


@in_a_loop
async def test_moves_of_several_tasks_do_not_meet():
    async with lsmkv.aio.open(None, workers=4) as db:
        await db.update(pairs(100))
        async with db.cursor() as cursor:
            await cursor.first()
            assert await asyncio.gather(*(cursor.next() for _ in range(50))) == [True] * 50
            assert cursor.key == b"000050"


@pytest.mark.parametrize("when", ["before", "after"])
@in_a_loop
async def test_a_cursor_that_nobody_waits_for_is_closed(when):
    async with lsmkv.aio.open(None, workers=1) as db:
        await db.put(b"k", b"v")
        async with held(db):
            task = await step(db.cursor().__aenter__())
            if when == "before":
                await cancelled(task)
        if when == "after":  # it has begun, and the answer is on its way
            await db._bridge.finish(int)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                await task.result().close()
        await nothing_is_open(db)


@in_a_loop
async def test_a_cursor_of_a_transaction_that_is_not_wanted_any_more_is_not_made():
    async with lsmkv.aio.open(None, workers=1) as db:
        async with db.transaction() as tx:
            async with held(db):
                await cancelled(await step(tx.cursor().__aenter__()))
            await tx.put(b"k", b"v")
        await nothing_is_open(db)


@in_a_loop
async def test_a_cursor_is_closed_also_when_its_end_is_cancelled():
    async with lsmkv.aio.open(None, workers=1) as db:
        await db.put(b"k", b"v")
        cursor, snapshot = await db.cursor(), await db.snapshot()
        await cursor.first()
        async with held(db):
            for task in [await step(cursor.close()), await step(snapshot.close())]:
                await cancelled(task)
        await nothing_is_open(db)


# ---- transactions ---------------------------------------------------------------------------------


@in_a_loop
async def test_a_transaction_is_whole_and_sees_one_moment():
    async with lsmkv.aio.open(None) as db:
        await db.update({b"a": b"1", b"b": b"2"})
        tx = db.transaction(sync=True)
        assert tx.closed
        with pytest.raises((ValueError, lsmkv.ClosedError)):
            await tx.get(b"a")
        async with tx:
            assert not tx.closed and await tx[b"a"] == b"1"
            await tx.put(b"c", b"3")
            await tx.delete(b"b")
            assert await tx.length() == 2 and tx.writes == 2
            assert await content(tx) == [(b"a", b"1"), (b"c", b"3")] and await content(db) == [
                (b"a", b"1"),
                (b"b", b"2"),
            ]
            assert [key async for key in reversed(tx[b"b":])] == [b"c"] and await tx[b"b":].count() == 1
            async with tx.cursor() as cursor:
                assert await cursor.last() and cursor.key == b"c"
        assert tx.closed and await content(db) == [(b"a", b"1"), (b"c", b"3")]
        with pytest.raises(lsmkv.ClosedError):
            await tx.put(b"x", b"")
        with pytest.raises(lsmkv.ClosedError):
            await tx.__aenter__()
        await nothing_is_open(db)


@in_a_loop
async def test_an_exception_drops_a_transaction():
    async with lsmkv.aio.open(None) as db:
        with pytest.raises(ZeroDivisionError):
            async with db.transaction() as tx:
                await tx.put(b"a", b"1")
                raise ZeroDivisionError
        assert tx.closed and await db.length() == 0
        await nothing_is_open(db)


@in_a_loop
async def test_a_conflict_is_told_at_the_end():
    async with lsmkv.aio.open(None) as db:
        with pytest.raises(lsmkv.ConflictError, match="transact"):
            async with db.transaction() as tx:
                await tx.put(b"copy", await tx.get(b"k", b"none"))
                await db.put(b"k", b"meanwhile")
        assert tx.closed and await content(db) == [(b"k", b"meanwhile")]
        await nothing_is_open(db)


@in_a_loop
async def test_savepoints():
    async with lsmkv.aio.open(None) as db:
        async with db.transaction() as tx:
            await tx.put(b"a", b"1")
            async with tx as same:
                assert same is tx
                await tx.put(b"b", b"2")
                with pytest.raises(ZeroDivisionError):
                    async with tx:
                        await tx.put(b"c", b"3")
                        await tx.delete(b"a")
                        raise ZeroDivisionError
                assert await tx.length() == 2
            with pytest.raises(ZeroDivisionError):
                async with tx:
                    await tx.clear()
                    raise ZeroDivisionError
        assert await content(db) == [(b"a", b"1"), (b"b", b"2")]


@in_a_loop
async def test_calls_of_a_transaction_happen_one_after_another():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=4) as db:
        async with db.transaction() as tx:
            await tx.put(b"k", b"1")
            slow = await step(tx.merge(b"k", b"2", op=lambda old, new: gate.work() or new))
            await gate.wait_until_reached()
            quick = await step(asyncio.gather(*(tx.put(b"k", b"%d" % i) for i in range(100))))
            await asyncio.gather(*(db._bridge.call(int) for _ in range(100)))  # other threads are free
            assert not quick.done() and tx._sync[b"k"] == b"1"
            gate.open()
            assert await slow == b"2"
            await quick
        assert await db[b"k"] == b"99"


@in_a_loop
async def test_a_transaction_is_read_in_its_own_lane():
    """As a source for others, views of it too."""
    async with lsmkv.aio.open(None) as db, lsmkv.aio.open(None) as other:
        async with db.transaction() as tx:
            await tx.update(pairs(3000))
            await other.update(tx)
            assert await content(other) == pairs(3000)
            await other.clear()
            await other.update(tx[b"000100":])
            await other.set_many(tx[:b"000100"].items())
            assert await content(other) == pairs(3000) and await other.get_many(tx) == [
                value for _, value in pairs(3000)
            ]
            await other.delete_many(tx.keys())
            await tx.update((key + b"'", value) async for key, value in tx.items())
        assert await other.length() == 0 and await db.length() == 6000


@in_a_loop
async def test_a_task_cancelled_in_a_block_drops_the_transaction():
    async def work():
        async with db.transaction() as tx:
            await tx.put(b"a", b"1")
            async with tx:
                await tx.put(b"b", b"2")
                reached.set()
                await asyncio.Event().wait()

    async with lsmkv.aio.open(None) as db:
        reached = asyncio.Event()
        task = asyncio.ensure_future(work())
        await reached.wait()
        await cancelled(task)
        assert await db.length() == 0
        await nothing_is_open(db)


@in_a_loop
async def test_a_task_cancelled_in_a_call_drops_the_transaction():
    gate = Gate()

    async def work():
        async with db.transaction() as tx:
            await tx.put(b"a", b"1")
            await tx.merge(b"a", b"2", op=lambda old, new: gate.work() or new)

    async with lsmkv.aio.open(None, workers=2) as db:
        task = asyncio.ensure_future(work())
        await gate.wait_until_reached()
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()  # its end waits for the call that has begun
        gate.open()
        await asyncio.wait([task])
        assert task.cancelled() and await db.length() == 0
        await nothing_is_open(db)


@in_a_loop
async def test_a_task_cancelled_twice_still_ends_its_transaction():
    gate = Gate()

    async def work():
        async with db.transaction() as tx:
            transactions.append(tx)
            await tx.put(b"a", b"1")
            await tx.merge(b"a", b"2", op=lambda old, new: gate.work() or new)

    async with lsmkv.aio.open(None, workers=2) as db:
        transactions = []
        task = asyncio.ensure_future(work())
        await gate.wait_until_reached()
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        await cancelled(task)
        gate.open()
        while not transactions[0].closed:
            await asyncio.sleep(0)
        assert await db.length() == 0
        await nothing_is_open(db)


class SlowToEnter:
    """Stands for the twin of a transaction: its block begins when the gate is opened."""

    closed = False

    def __init__(self, tx, gate):
        self.tx, self.gate = tx, gate

    def __enter__(self):
        self.gate.work()
        return self.tx.__enter__()


async def entered_for_nobody(tx, gate):
    """A task that enters tx is cancelled when that has begun in its thread. It goes on there when gate is opened."""
    sync, tx._sync = tx._sync, SlowToEnter(tx._sync, gate)
    entering = await step(tx.__aenter__())
    await gate.wait_until_reached()
    tx._sync = sync
    await cancelled(entering)


@in_a_loop
async def test_a_transaction_that_was_entered_for_nobody_ends():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=1) as db:
        tx = db.transaction()
        async with held(db):
            await cancelled(await step(tx.__aenter__()))
        await settle(db)
        assert "not begun" in repr(tx)
        await entered_for_nobody(tx, gate)
        gate.open()
        await settle(db)
        assert tx.closed and "over" in repr(tx)
        await nothing_is_open(db)


@in_a_loop
async def test_a_savepoint_that_was_entered_for_nobody_ends_before_the_next_call():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=1) as db:
        async with db.transaction() as tx:
            await entered_for_nobody(tx, gate)
            put = await step(tx.put(b"a", b"1"))
            gate.open()
            await put
        assert await content(db) == [(b"a", b"1")]


@in_a_loop
async def test_a_savepoint_entered_for_nobody_undoes_nothing_of_others():
    async with lsmkv.aio.open(None, workers=1) as db:
        async with db.transaction() as tx:
            async with held(db):
                entering = await step(tx.__aenter__())
                entering.cancel()
                put = await step(tx.put(b"a", b"1"))
            await asyncio.wait([entering, put])
        assert await content(db) == [(b"a", b"1")]


@in_a_loop
async def test_a_commit_cancelled_before_it_began_never_happens():
    async with lsmkv.aio.open(None, workers=1) as db:
        tx = await db.transaction().__aenter__()
        await tx.put(b"k", b"v")
        async with held(db):
            await cancelled(await step(tx.__aexit__(None, None, None)))
        await settle(db)
        assert tx.closed and await db.length() == 0
        await nothing_is_open(db)


@in_a_loop
async def test_a_commit_cancelled_after_it_began_happens():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=1) as db:
        tx = await db.transaction().__aenter__()
        await tx.put(b"k", b"v")

        class Twin:
            closed = False

            def __exit__(self, *args):
                if args[0] is None:
                    gate.work()
                ends.append(args[0])
                return sync.__exit__(*args)

        ends, sync, tx._sync = [], tx._sync, Twin()
        end = await step(tx.__aexit__(None, None, None))
        await gate.wait_until_reached()
        await cancelled(end)
        Twin.closed = True  # as the twin itself is, once it has committed
        gate.open()
        await settle(db)
        assert ends == [None] and sync.closed and await db[b"k"] == b"v"


@in_a_loop
async def test_closing_the_store_in_a_block():
    async with lsmkv.aio.open(None) as db:
        with pytest.raises(lsmkv.ClosedError):
            async with db.transaction() as tx:
                await tx.put(b"k", b"v")
                await db.close()
        with pytest.raises(lsmkv.ClosedError):
            async with db.transaction():
                raise AssertionError


@in_a_loop
async def test_many_calls_that_wait_for_a_lane_end_with_the_store():
    async with lsmkv.aio.open(None, workers=1) as db:
        tx = await db.transaction().__aenter__()
        async with held(db):
            calls = [asyncio.ensure_future(tx.put(b"%d" % i, b"")) for i in range(5000)]
            await asyncio.sleep(0)
            closing = await step(db.close())
        await closing
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} <= {int, lsmkv.ClosedError}


def test_a_lane_whose_loop_is_gone():
    """A call that is on its way when its loop is closed is told to nobody; the next loop is told to begin anew."""
    db = lsmkv.aio.AsyncLSM(lsmkv.open(None), workers=1)
    gate = Gate()
    lane = Lane(db._bridge)

    async def leave():
        lane.submit(gate.work, lambda answer, failure: None)
        await gate.wait_until_reached()

    async def go_on():
        gate.open()
        with pytest.raises(RuntimeError, match="begin another"):
            await lane.call(int)
        async with db.transaction() as tx:
            await tx.put(b"k", b"v")
        await db.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()
    asyncio.run(go_on())


# ---- transact -------------------------------------------------------------------------------------


@in_a_loop
async def test_transact_runs_a_coroutine_again():
    async def work(tx):
        runs.append(type(tx))
        seen = int(await tx.get(b"n", b"0"))
        if len(runs) < 3:
            await db.put(b"n", b"%d" % len(runs))
        await tx.put(b"n", b"%d" % (seen + 10))
        return seen

    async with lsmkv.aio.open(None) as db:
        runs = []
        assert await db.transact(work) == 2
        assert runs == [lsmkv.aio.AsyncTransaction] * 3 and await db[b"n"] == b"12"
        await nothing_is_open(db)


@in_a_loop
async def test_transact_runs_a_function_in_a_thread():
    def work(tx):
        runs.append((type(tx), threading.current_thread().name[:9]))
        tx[b"n"] = b"%d" % (int(tx.get(b"n", b"0")) + 1)
        if len(runs) == 1:
            db._sync[b"n"] = b"5"
        return len(runs)

    async with lsmkv.aio.open(None) as db:
        runs = []
        assert await db.transact(work, sync=True) == 2 and await db[b"n"] == b"6"
        assert runs == [(lsmkv.Transaction, "lsmkv-aio")] * 2


@in_a_loop
async def test_transact_gives_up():
    async def restless(tx):
        runs.append(await tx.get(b"k"))
        await db.put(b"k", b"%d" % len(runs))
        await tx.put(b"mine", b"")

    async with lsmkv.aio.open(None) as db:
        for retries in (0, 2):
            runs = []
            with pytest.raises(lsmkv.ConflictError, match=f"each of {retries + 1} runs"):
                await db.transact(restless, retries)
            assert len(runs) == retries + 1
        assert not await db.contains(b"mine")
        for wrong, error in ((-1, ValueError), ("8", TypeError)):
            with pytest.raises(error):
                await db.transact(restless, wrong)
        with pytest.raises(TypeError):
            await db.transact(7)
        await nothing_is_open(db)


@in_a_loop
async def test_transact_keeps_nothing_of_a_function_that_raises():
    async def fails(tx):
        await tx.put(b"k", b"v")
        raise ZeroDivisionError

    def fails_at_once(tx):
        tx[b"k"] = b"v"
        raise ZeroDivisionError

    async with lsmkv.aio.open(None) as db:
        for fn in (fails, fails_at_once):
            with pytest.raises(ZeroDivisionError):
                await db.transact(fn)
        assert await db.length() == 0


@in_a_loop
async def test_what_counts_as_asynchronous():
    class Asynchronous:
        async def __call__(self, tx):
            return await tx.get(b"k")

    async def with_more(more, tx):
        return await tx.get(b"k"), more

    async with lsmkv.aio.open(None) as db:
        await db.put(b"k", b"v")
        assert await db.transact(Asynchronous()) == b"v"
        assert await db.transact(functools.partial(with_more, 7)) == (b"v", 7)
        with pytest.raises(TypeError, match="async def"):
            await db.transact(lambda tx: with_more(7, tx))
        assert await db.transact(lambda tx: tx[b"k"]) == b"v"


@in_a_loop
async def test_transact_that_is_cancelled():
    async def work(tx):
        await tx.put(b"k", b"v")
        reached.set()
        await asyncio.Event().wait()

    async with lsmkv.aio.open(None) as db:
        reached = asyncio.Event()
        task = asyncio.ensure_future(db.transact(work))
        await reached.wait()
        await cancelled(task)
        assert await db.length() == 0
        await nothing_is_open(db)


# ---- namespaces -----------------------------------------------------------------------------------


@in_a_loop
async def test_namespaces():
    async with lsmkv.aio.open(None) as db:
        async with db.namespace("rooms", key="(str,i64)", value="json", ttl=60) as rooms:
            await rooms.put(("x", 1), {"beds": 2})
            assert (rooms.name, rooms.key_codec, rooms.value_codec) == ("rooms", "(str,i64)", "json")
            assert await rooms.ttl(("x", 1)) > 50 and await content(rooms.prefix(("x",))) == [(("x", 1), {"beds": 2})]
        assert rooms.closed and not db.closed and db.name is None
        with pytest.raises(lsmkv.ClosedError):
            await rooms.first()
        guests = await db.namespace("guests")
        await guests.put(b"k", b"v")
        assert await db.length() == 0 and [*await db.namespaces()] == ["guests", "rooms"]
        with pytest.raises(KeyError):
            await db.namespace("none", create=False)
        with pytest.raises(lsmkv.CodecMismatchError):
            await db.namespace("rooms")
        await db.drop_namespace("guests")
        with pytest.raises((lsmkv.ClosedError, KeyError)):
            await guests.get(b"k")
        with pytest.raises(KeyError):
            await db.drop_namespace("guests")
        left = await db.namespace("left")
    assert left.closed
    await left.close()


@in_a_loop
async def test_groups_reach_across_namespaces():
    async with lsmkv.aio.open(None, key="str", value="str") as db, db.namespace("n", key="i64") as space:
        async with db.batch() as batch:
            batch["a"] = "1"
            there = batch.namespace(space)
            there[7] = b"seven"
            there.merge(7, b"!", op="concat")
            assert len(batch) == len(there) == 3 and batch.nbytes > 0
            batch.put("b", "2")
            batch.delete("b")
            del there[8]
        assert await content(db) == [("a", "1")] and await content(space) == [(7, b"seven!")]
        async with db.snapshot() as before, db.transaction() as tx:
            await tx.namespace(space).put(8, b"eight")
            await tx.put("b", "2")
            assert await content(tx.namespace(space)) == [(7, b"seven!"), (8, b"eight")]
            assert await before.namespace(space).length() == 1
            with pytest.raises(ValueError, match="block"):
                await tx.namespace(space).__aenter__()
            with pytest.raises(TypeError, match="namespace"):
                tx.namespace("n")
        assert await space.length() == 2 and await db.length() == 2
        async with space.batch() as batch, space.transaction() as tx:
            batch[9] = b"nine"
            await tx.put(10, b"ten")
        assert await space.length() == 4


@in_a_loop
async def test_a_namespace_that_nobody_waits_for_is_closed():
    gate = Gate()
    async with lsmkv.aio.open(None, workers=1) as db:
        find = db._sync.namespace

        class Twin:
            closed = False

            def namespace(self, *args, **kwargs):
                gate.work()
                found.append(find(*args, **kwargs))
                return found[0]

        found, sync, db._sync = [], db._sync, Twin()
        task = asyncio.ensure_future(db.namespace("n").__aenter__())
        await gate.wait_until_reached()
        await cancelled(task)
        db._sync = sync
        gate.open()
        while not (found and found[0].closed):
            await asyncio.sleep(0)


# ---- codecs ---------------------------------------------------------------------------------------


@in_a_loop
async def test_a_store_with_codecs(path):
    async with lsmkv.aio.open(path, key=codecs.i64, value="json") as db:
        await db.put(-1, {"a": 1})
        await db.merge(-1, {"b": 2}, op="or")
        assert await db.setdefault(5, []) == [] and await db.incr(7) == 1
        assert await content(db[:6]) == [(-1, {"a": 1, "b": 2}), (5, [])]
    async with lsmkv.aio.open(path, "r", key="stored", value="stored") as db:
        assert await db.keys().first() == -1
    with pytest.raises(lsmkv.CodecMismatchError):
        await lsmkv.aio.open(path)


@in_a_loop
async def test_codecs_run_in_threads():
    def decode(data):
        names.add(threading.current_thread().name[:9])
        return data

    names = set()
    async with lsmkv.aio.open(None, value=codecs.ValueCodec("named", bytes, decode)) as db:
        await db.put(b"k", b"v")
        await db.get(b"k")
        await content(db)
        async with db.cursor() as cursor, db.transaction() as tx:
            assert await cursor.first() and cursor.value == b"v" == await tx[b"k"]
    assert names == {"lsmkv-aio"}
