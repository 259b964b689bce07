"""transaction: an lsmkv.Transaction whose calls go along a lane, for it serves one thread at a time.

    async with db.transaction() as tx:      thread: begin
        await tx.get(k)                     thread: look                  one after another,
        async with tx:                      thread: mark a savepoint      also when several tasks ask
            await tx.put(k, v)              thread: write into memory
        <-- clean end                       thread: keep, or undo what was written since
    <-- clean end                           thread: commit, or ConflictError

Whatever ends a block but its last line undoes or drops it, a cancelled task too. Blocks of the twin and of this object
begin and end in pairs: what was begun for a task that is gone is ended before anything else on the lane. The one end
that may be left out is a commit that has not begun: then the transaction is dropped."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from operator import index
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar

from lsmkv._core import ConflictError, Transaction
from lsmkv.aio.awaited import told_of, twin_of
from lsmkv.aio.bridge import ignore
from lsmkv.aio.lane import Lane
from lsmkv.aio.source import K, V
from lsmkv.aio.target import AsyncTarget

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv.aio.store import AsyncLSM

K2 = TypeVar("K2")
V2 = TypeVar("V2")
T = TypeVar("T")


class AsyncTransaction(AsyncTarget[K, V]):
    """Reads and writes that take effect together or not at all: `async with db.transaction() as tx: ...`

    The names of lsmkv.Transaction, awaited. Every read sees the state of its beginning and its own writes over it. At
    a clean end of the block all writes are applied at once, unless something it read has been changed by another
    writer: then nothing is, and ConflictError is raised (transact() runs it again). An exception in the block, a
    cancelled task's too, drops it. `async with tx:` within its block makes a savepoint: an exception in the inner
    block undoes what was written there, and only that.

    Calls happen one after another in the order they are made, whichever tasks make them. Nothing is locked meanwhile,
    so the shorter the block, the rarer a conflict."""

    _sync: Transaction[K, V]
    _bridge: Lane

    def __init__(self, transaction: Transaction[K, V], lane: Lane) -> None:
        self._sync = transaction  # pyright: ignore[reportIncompatibleVariableOverride]
        self._bridge = lane  # pyright: ignore[reportIncompatibleVariableOverride]
        self._depth = 0

    @property
    def writes(self) -> int:
        """The number of records it would write now."""
        return self._sync.writes

    def namespace(self, ns: AsyncLSM[K2, V2], /) -> AsyncTransaction[K2, V2]:
        seen: Transaction[Any, Any] = self._sync.namespace(twin_of(ns))
        return AsyncTransaction(seen, self._bridge)

    namespace.__doc__ = told_of(Transaction.namespace)

    async def __aenter__(self) -> Self:
        entered: list[object] = []
        try:
            await self._bridge.call(lambda: entered.append(self._sync.__enter__()))
        except asyncio.CancelledError:
            self._bridge.submit(partial(leave_again, self._sync, entered), ignore)
            raise
        self._depth += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if kind is not None or self._depth > 0:
            return await self._bridge.finish(partial(leave, self._sync, kind))
        try:
            await self._bridge.call(partial(leave, self._sync, None))
        except asyncio.CancelledError:
            self._bridge.submit(partial(drop, self._sync), ignore)
            raise


def leave(transaction: Transaction[Any, Any], kind: type[BaseException] | None) -> None:
    transaction.__exit__(kind, None, None)


def leave_again(transaction: Transaction[Any, Any], entered: list[object]) -> None:
    """For a task that is gone: unless the block was not even entered."""
    if entered:
        leave(transaction, asyncio.CancelledError)


def drop(transaction: Transaction[Any, Any]) -> None:
    """End it, unless it was committed after all."""
    if not transaction.closed:
        leave(transaction, asyncio.CancelledError)


# ---- transact ------------------------------------------------------------------------------------


def is_asynchronous(fn: object) -> bool:
    return inspect.iscoroutinefunction(fn) or (callable(fn) and inspect.iscoroutinefunction(type(fn).__call__))


def waiting(fn: Callable[[Transaction[K, V]], T]) -> Callable[[Transaction[K, V]], T]:
    """fn, which runs in a thread, where nobody could await what it returns."""

    def run(tx: Transaction[K, V]) -> T:
        answer = fn(tx)
        if isinstance(answer, Awaitable):
            if inspect.iscoroutine(answer):
                answer.close()
            raise TypeError(
                f"{fn!r} returned something to await: make it an `async def`, and it gets an AsyncTransaction"
            )
        return answer

    return run


async def transact(
    db: AsyncLSM[K, V],
    fn: Callable[[AsyncTransaction[K, V]], Awaitable[T]],
    retries: SupportsIndex,
    sync: bool | None,
) -> T:
    """LSM.transact() for an `async def`."""
    left = index(retries)
    if left < 0:
        raise ValueError("retries is a number of further runs, 0 or more")
    for _ in range(left + 1):
        try:
            async with db.transaction(sync=sync) as tx:
                return await fn(tx)
        except ConflictError:
            continue
    raise ConflictError(
        f"the transaction on {db.path!r} met another writer in each of {left + 1} runs; nothing of it was written"
    )
