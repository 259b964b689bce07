"""bridge: calls that may wait go from an event loop to a few threads; their answers come back in bursts.

    the loop's thread                                        at most `workers` threads
    submit(work, done) --append--> | job job job | --pop-->  job.run()
    done(answer, failure) <--one wake-up for many-- | job job | <--append--

A thread stays with the queue until it is empty and a wake-up carries all that is ready, so a hop costs its switches
once for a burst and not once for each call. No order holds between jobs: who wants one awaits the first.

A Way is what a caller sees of it: the bridge itself, or a lane on it (lane.py) for what one thread at a time may use.

Invariants:
  1. The loop's thread never waits here: it appends, and takes what is there.
  2. A job that began always ends, and its `done` runs in the loop that submitted it, whatever became of the task that
     asked; one that was abandoned before it began never runs.
  3. A bridge belongs to the loop that uses it. When that loop has been closed, another may take it over; answers for
     the closed one are dropped.
  4. A thread gives up the interpreter lock at least every millisecond while the loop has answers to collect.

`submit`, `call`, `finish`, `shutdown`: the loop's thread. `_drain`, `_Inbox.put`: the others. `let_go`: any."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")

Done = Callable[[Any, "BaseException | None"], object]
BURST = 256
"""Answers handed out before other callbacks of the loop have their turn."""
HOLD_SECONDS = 0.001


class _Inbox:
    """Where the answers for one loop arrive."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.ready: deque[Job] = deque()
        self.woken = False

    def put(self, job: Job) -> None:
        self.ready.append(job)
        if self.woken:  # deliver() lowers the flag before it looks
            return
        self.woken = True
        try:
            self.loop.call_soon_threadsafe(self.deliver)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self.ready.clear()

    def deliver(self) -> None:
        self.woken = False
        for _ in range(BURST):
            if not self.ready:
                return
            self.ready.popleft().land()
        self.woken = True
        self.loop.call_soon(self.deliver)


class Job:
    """One call on its way: `work` for a thread, `done(answer, failure)` for the loop."""

    __slots__ = ("_answer", "_done", "_failure", "_work", "abandoned", "inbox")

    def __init__(self, inbox: _Inbox, work: Callable[[], object], done: Done) -> None:
        self.inbox = inbox
        self.abandoned = False
        self._work: Callable[[], object] | None = work
        self._done: Done | None = done
        self._answer: object = None
        self._failure: BaseException | None = None

    def run(self) -> None:
        work, self._work = self._work, None
        assert work is not None
        try:
            self._answer = work()
        except StopIteration as caught:  # a future cannot carry it
            self._failure = RuntimeError("a call raised StopIteration")
            self._failure.__cause__ = caught
        except BaseException as caught:
            self._failure = caught

    def land(self) -> None:
        """Lets go of everything first: a failure's traceback leads back to this job."""
        done, answer, failure = self._done, self._answer, self._failure
        self._done = self._answer = self._failure = None
        assert done is not None
        try:
            done(answer, failure)
        finally:
            del answer, failure


def settle(
    future: asyncio.Future[Any],
    unwanted: Callable[[Any], object] | None,
    answer: Any,
    failure: BaseException | None,
) -> None:
    if not future.done():
        future.set_result(answer) if failure is None else future.set_exception(failure)
    elif failure is None and unwanted is not None:
        unwanted(answer)


def ignore(answer: object, failure: BaseException | None) -> None:
    """The end of a call whose answer nobody waits for."""


class Way:
    """To have work done in a thread."""

    def here(self) -> _Inbox:
        """The inbox of the running loop. RuntimeError when the bridge belongs to another."""
        raise NotImplementedError

    def submit(self, work: Callable[[], object], done: Done) -> Job:
        """Have work() called in a thread and then done(answer, failure) in this loop."""
        raise NotImplementedError

    def let_go(self, held: list[Any]) -> None:
        """Have what the list holds dropped in a thread. For any thread and for finalizers, so it takes no lock."""
        raise NotImplementedError

    async def call(self, work: Callable[[], _T], unwanted: Callable[[_T], object] | None = None) -> _T:
        """What work() returns. When the task that asked is cancelled, it does not begin any more; if it has begun,
        unwanted(answer) is called in the loop."""
        future = self.here().loop.create_future()
        job = self.submit(work, partial(settle, future, unwanted))
        try:
            answer: _T = await future
            return answer
        except asyncio.CancelledError:
            job.abandoned = True
            raise
        finally:
            del future  # it carries the exception whose traceback holds this frame

    async def finish(self, work: Callable[[], _T]) -> _T:
        """The same for what must be done, as closing is: when the task is cancelled, only the waiting ends."""
        future = self.here().loop.create_future()
        self.submit(work, partial(settle, future, None))
        try:
            answer: _T = await future
            return answer
        finally:
            del future


class Bridge(Way):
    """The threads of one store, and the loop that uses them."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers={workers!r}: it is a number of threads, 1 or more")
        self._workers = workers
        self._inbox: _Inbox | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()  # held for a few instructions: the next two
        self._jobs: deque[Job] = deque()
        self._draining = 0
        self._over = False

    def here(self) -> _Inbox:
        loop = asyncio.get_running_loop()
        if self._inbox is None or self._inbox.loop.is_closed():
            self._inbox = _Inbox(loop)
        elif self._inbox.loop is not loop:
            raise RuntimeError(
                "this store is in use by another event loop, which is still open: open the store once in each loop "
                "(the handles share one engine), or close that loop first"
            )
        return self._inbox

    def submit(self, work: Callable[[], object], done: Done) -> Job:
        job = Job(self.here(), work, done)
        if self._over:  # only what cleans up comes after the end, and it finds nothing to wait for
            job.run()
            job.land()
            return job
        with self._lock:
            self._jobs.append(job)
            is_served = self._draining == self._workers
            self._draining += not is_served
        if not is_served:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._workers, thread_name_prefix="lsmkv-aio")
            self._executor.submit(self._drain)
        return job

    def let_go(self, held: list[Any], way: Way | None = None) -> None:
        inbox = self._inbox
        if inbox is None or self._over:
            return
        with suppress(RuntimeError):  # the loop is closed: it is dropped here
            inbox.loop.call_soon_threadsafe(lambda: self._over or (way or self).submit(held.clear, ignore))

    def shutdown(self) -> None:
        """End the threads, which have nothing left to do but what closing has already cut short."""
        self._over = True
        if self._executor is not None:
            self._executor.shutdown(wait=True)

    def _drain(self) -> None:
        since = time.monotonic()
        while True:
            with self._lock:
                if not self._jobs:
                    self._draining -= 1
                    return
                job = self._jobs.popleft()
            if not job.abandoned:
                job.run()
                job.inbox.put(job)
            del job  # it may be the last to hold a store, and the queue may be empty for long
            if time.monotonic() - since > HOLD_SECONDS:
                time.sleep(0)
                since = time.monotonic()
