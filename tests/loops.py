"""What tests of lsmkv.aio need: a loop that notices what is left over, and gates that hold the threads of a store."""

import asyncio
import contextlib
import functools
import gc
import threading


def in_a_loop(test):
    """Runs an `async def` test, and looks for tasks and threads that outlive it and for what nobody was told."""

    async def body(args, kwargs):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        await test(*args, **kwargs)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()
        await asyncio.sleep(0)
        assert told == []

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(body(args, kwargs))
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("lsmkv-aio")] == []

    return run


class Gate:
    """Holds the threads of a store. `work` is what one of them does until open() is called."""

    def __init__(self):
        self.reached, self._open = threading.Event(), threading.Event()

    def work(self, *unused):
        self.reached.set()
        assert self._open.wait(200)

    def open(self):
        self._open.set()

    async def wait_until_reached(self):
        while not self.reached.is_set():
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def held(db, workers=1):
    """All threads of db at a gate."""
    gates = [Gate() for _ in range(workers)]
    for gate in gates:
        db._bridge.submit(gate.work, lambda answer, failure: None)
        await gate.wait_until_reached()
    try:
        yield
    finally:
        for gate in gates:
            gate.open()


async def settle(db):
    """Everything that the threads of db were asked to do is done, and told."""
    async with held(db, db._bridge._workers):
        pass
    while db._bridge._draining:
        await asyncio.sleep(0)
    await asyncio.sleep(0)


def pairs(count):
    return [(b"%06d" % i, b"v%d" % i) for i in range(count)]
