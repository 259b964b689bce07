"""scan: entries cross the bridge in chunks and leave the iterator one by one.

    thread                        loop
    iterator of lsmkv  --chunk-->  ready: e e e e e e --anext--> e
                       16, 64, then 256 entries, at most about 256 KiB

A hop is paid once a chunk, and each chunk lets the loop run. Nothing is fetched before it is asked for.

At most one fetch is on its way. When the task that waits for it is cancelled the chunk still arrives and is kept for
whoever asks next, so no entry is lost; when the iterator itself is dropped the chunk and all that it pins go too.

Letting go of what an iterator pins may remove files, so that is done in a thread as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from sys import getsizeof
from typing import Any, Generic, TypeVar

from lsmkv.aio.bridge import Way

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

CHUNK_FIRST, CHUNK_GROWTH, CHUNK_MAX = 16, 4, 256
CHUNK_BYTES = 256 << 10


Chunk = tuple[list[T], bool]
"""The next entries, and whether they are the last."""
Take = Callable[[Iterator[T], int], Chunk[T]]


def take_single(scan: Iterator[T], most: int) -> Chunk[T]:
    """Of an iterator over keys or values."""
    taken: list[T] = []
    room = CHUNK_BYTES
    for entry in islice(scan, most):
        taken.append(entry)
        room -= getsizeof(entry)
        if room < 0:
            return taken, False
    return taken, len(taken) < most


def take_pairs(scan: Iterator[tuple[K, V]], most: int) -> Chunk[tuple[K, V]]:
    """Of an iterator over pairs."""
    taken: list[tuple[K, V]] = []
    room = CHUNK_BYTES
    for entry in islice(scan, most):
        taken.append(entry)
        room -= getsizeof(entry[0]) + getsizeof(entry[1])
        if room < 0:
            return taken, False
    return taken, len(taken) < most


def take_chunk(scan: Iterator[list[T]], most: int) -> Chunk[list[T]]:
    """Of an iterator over lists, which are chunks already: one of them."""
    taken = [*islice(scan, 1)]
    return taken, not taken


class AsyncIterator(Generic[T]):
    """What `async for` walks along. It sees the content of the moment its first entry is asked for, whatever is written
    meanwhile, and pins it until it is exhausted, closed or dropped. It serves one task at a time."""

    def __init__(self, bridge: Way, begin: Callable[[], Iterator[T]], take: Take[T]) -> None:
        self._bridge = bridge
        self._take = take
        self._begin: Callable[[], Iterator[T]] | None = begin
        self._scan: Iterator[T] | None = None
        self._most = CHUNK_FIRST
        self._ready: Iterator[T] = iter(())
        self._is_over = self._is_fetching = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._inbox: object = None  # where the fetch on its way will arrive

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        for entry in self._ready:
            return entry
        while not self._is_over or self._is_fetching:
            await self._refill()
            for entry in self._ready:
                return entry
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it: what it pins is let go, now or when the fetch on its way ends. Again is fine."""
        scan, self._ready = [self._scan], iter(())
        self._end()
        if scan[0] is not None:
            await self._bridge.call(scan.clear)

    def __del__(self) -> None:
        if self._scan is not None:
            self._bridge.let_go([self._scan])

    # ---- in the loop ----

    def _end(self) -> None:
        self._is_over = True
        self._begin = self._scan = None

    async def _refill(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("this iterator is in use by another task: make one per task")
        inbox = self._bridge.here()
        if not self._is_fetching:
            self._inbox = inbox
            work = partial(fetch, self._begin, self._scan, self._take, self._most)
            self._is_fetching, self._scan = True, None  # the thread has it now
            self._bridge.submit(work, self._arrive)
            del work
        elif self._inbox is not inbox:
            raise RuntimeError("the loop that fetched for this iterator was closed meanwhile: begin another iteration")
        if not self._is_fetching:  # it was there at once
            return self._raise()
        self._waiter = inbox.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        self._raise()

    def _raise(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure

    def _arrive(self, answer: Any, failure: BaseException | None) -> None:
        self._is_fetching = False
        if failure is not None:
            self._failure = failure
            self._end()
        elif not self._is_over:
            self._begin = None
            self._scan, (entries, is_last) = answer
            self._ready = iter(entries)
            self._most = min(self._most * CHUNK_GROWTH, CHUNK_MAX)
            if is_last:
                self._end()
        else:
            self._bridge.let_go([answer[0]])
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def fetch(
    begin: Callable[[], Iterator[T]] | None, scan: Iterator[T] | None, take: Take[T], most: int
) -> tuple[Iterator[T] | None, Chunk[T]]:
    """In a thread: the scan, begun if it was not, and a chunk of it. A scan that is over stays here."""
    if scan is None:
        assert begin is not None
        scan = begin()
    entries, is_last = take(scan, most)
    return None if is_last else scan, (entries, is_last)
