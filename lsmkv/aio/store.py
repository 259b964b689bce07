"""store: the store, and what is made from it. One line a name; what needs more is written out.

    AsyncLSM --owns--> Bridge <--shares-- AsyncLSM of a namespace, AsyncSnapshot, AsyncWriteBatch, Lane of a transaction

Whoever owns the bridge ends its threads when it is closed; the others only end their twin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeVar, overload

from lsmkv._core import LSM, Transaction
from lsmkv.aio.awaited import at_once, awaited, told_of
from lsmkv.aio.batch import AsyncWriteBatch
from lsmkv.aio.blocks import Opening
from lsmkv.aio.bridge import Bridge, ignore
from lsmkv.aio.lane import Lane
from lsmkv.aio.snapshot import AsyncSnapshot
from lsmkv.aio.source import K, V
from lsmkv.aio.target import AsyncTarget
from lsmkv.aio.transaction import AsyncTransaction, is_asynchronous, transact, waiting

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv._core import KeyCodec, ValueCodec
    from lsmkv.report.levels import Levels

K2 = TypeVar("K2")
V2 = TypeVar("V2")
T = TypeVar("T")

WORKERS = 4


class AsyncLSM(AsyncTarget[K, V]):
    """A store for one event loop: the names of lsmkv.LSM, awaited.

    lsmkv.aio.open() makes one; AsyncLSM(store) takes an open lsmkv.LSM, which it closes when it is closed. It belongs
    to the loop that first uses it; when that loop has been closed, to the next.

    Whatever may wait is done by at most `workers` threads of its own, which end with close(). What only describes or
    collects is not awaited: db[a:b], range(), prefix(), keys(), values(), items(), transaction(), batch() and what is
    done with a batch, and the properties. What is passed in to be called (op of merge(), a plain function given to
    transact(), codecs of your own) is called in those threads.

    Calls of one task happen in their order. Those of several tasks happen in any order: who needs one awaits the first.
    In a transaction and on a cursor they happen one after another.

    A cancelled task gets no answer, but what it asked for may have begun: a write then happens whole or not at all,
    compact() and verify() stop at their next report, a transaction is dropped, and snapshots, cursors and iterators let
    go of what they pin. progress is called in the loop's thread. Sources that are not plain data (generators, `async`
    ones too) are read there as well, in parts, each written before the next is read.

    Raises what lsmkv.LSM raises; RuntimeError when another loop, still open, uses it."""

    _sync: LSM[K, V]
    _bridge: Bridge

    def __init__(self, store: LSM[K, V], *, workers: int = WORKERS) -> None:
        self._attach(store, Bridge(workers))

    def _attach(self, store: LSM[K, V], bridge: Bridge, owns_bridge: bool = True) -> None:
        self._sync = store  # pyright: ignore[reportIncompatibleVariableOverride]
        self._bridge = bridge  # pyright: ignore[reportIncompatibleVariableOverride]
        self._owns_bridge = owns_bridge
        self._ending: asyncio.Future[None] | None = None

    @property
    def path(self) -> str | bytes:
        """The directory, as it was given."""
        return self._sync.path

    @property
    def name(self) -> str | None:
        """The name of the namespace; None: the default one."""
        return self._sync.name

    @property
    def options(self) -> dict[str, int | str | float | None]:
        """The options in effect: a dict, as they were when it was opened."""
        return self._sync.options

    @property
    def levels(self) -> Levels:
        """Where records live, newest first: a list of Level. No file access."""
        return self._sync.levels

    @property
    def lsn(self) -> int:
        """The position in the log up to which writes are visible: segment << 32 | offset."""
        return self._sync.lsn

    # ---- several at once ----

    def batch(self, *, sync: bool | None = None) -> AsyncWriteBatch[K, V]:
        """A context manager that collects writes: `async with db.batch() as b: b[k] = v`. They are applied all
        together on a clean exit and dropped on an exception. sync as for put()."""
        return AsyncWriteBatch(self, self._sync.batch(sync=sync), self._bridge)

    def transaction(self, *, sync: bool | None = None) -> AsyncTransaction[K, V]:
        """A context manager: `async with db.transaction() as tx` reads and writes through tx, all or nothing, as if
        alone. ConflictError at its end when another writer has changed what it read. sync as for put()."""
        return AsyncTransaction(self._sync.transaction(sync=sync), Lane(self._bridge))

    @overload
    async def transact(
        self,
        fn: Callable[[AsyncTransaction[K, V]], Coroutine[Any, Any, T]],
        /,
        retries: SupportsIndex = 8,
        *,
        sync: bool | None = None,
    ) -> T: ...
    @overload
    async def transact(
        self, fn: Callable[[Transaction[K, V]], T], /, retries: SupportsIndex = 8, *, sync: bool | None = None
    ) -> T: ...
    async def transact(
        self, fn: Callable[[Any], Any], /, retries: SupportsIndex = 8, *, sync: bool | None = None
    ) -> Any:
        """Run fn(tx) in a transaction and return what it returns; run it again, up to retries times, when another
        writer came between. Raises ConflictError when that was not enough, and what fn raises: nothing is written
        then. fn may run several times, so it must have no other effect.

        An `async def` gets an AsyncTransaction and runs in the loop. Any other function gets an lsmkv.Transaction and
        runs in a thread, commit and all: one hop instead of one for each call, when it needs nothing of the loop."""
        if is_asynchronous(fn):
            return await transact(self, fn, retries, sync)
        return await self._call(partial(self._sync.transact, waiting(fn), retries, sync=sync))

    # ---- the content of one moment ----

    def snapshot(self) -> Opening[AsyncSnapshot[K, V]]:
        return Opening(self._snapshot)

    snapshot.__doc__ = told_of(LSM.snapshot)

    async def _snapshot(self) -> AsyncSnapshot[K, V]:
        bridge = self._bridge
        taken = await self._call(self._sync.snapshot, lambda snapshot: bridge.submit(snapshot.close, ignore))
        return AsyncSnapshot(taken, bridge)

    # ---- namespaces ----

    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: Literal["bytes"] = "bytes",
        value: Literal["bytes"] = "bytes",
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[bytes, bytes]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: Literal["bytes"] = "bytes",
        value: Literal["str"],
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[bytes, str]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: Literal["bytes"] = "bytes",
        value: ValueCodec[V2],
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[bytes, V2]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: Literal["str"],
        value: Literal["bytes"] = "bytes",
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[str, bytes]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: Literal["str"],
        value: Literal["str"],
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[str, str]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: Literal["str"],
        value: ValueCodec[V2],
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[str, V2]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: KeyCodec[K2],
        value: Literal["bytes"] = "bytes",
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[K2, bytes]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: KeyCodec[K2],
        value: Literal["str"],
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[K2, str]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: KeyCodec[K2],
        value: ValueCodec[V2],
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[K2, V2]]: ...
    @overload
    def namespace(
        self,
        name: str,
        /,
        *,
        key: KeyCodec[Any] | str = "bytes",
        value: ValueCodec[Any] | str = "bytes",
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[Any, Any]]: ...
    def namespace(
        self,
        name: str,
        /,
        *,
        key: KeyCodec[Any] | str = "bytes",
        value: ValueCodec[Any] | str = "bytes",
        ttl: float | None = None,
        create: bool = True,
    ) -> Opening[AsyncLSM[Any, Any]]:
        namespace: Any = self._sync.namespace  # which of its overloads, only the caller's types tell
        return Opening(partial(self._namespace, partial(namespace, name, key=key, value=value, ttl=ttl, create=create)))

    async def _namespace(self, find: Callable[[], LSM[Any, Any]]) -> AsyncLSM[Any, Any]:
        bridge = self._bridge
        found = await self._call(find, lambda space: bridge.submit(space.close, ignore))
        opened: AsyncLSM[Any, Any] = AsyncLSM.__new__(AsyncLSM)
        opened._attach(found, bridge, owns_bridge=False)
        return opened

    namespace.__doc__ = told_of(LSM.namespace)
    namespaces = awaited(LSM.namespaces)
    drop_namespace = awaited(LSM.drop_namespace)

    # ---- upkeep and insight ----

    flush = awaited(LSM.flush)
    sync = awaited(LSM.sync)
    compact = awaited(LSM[K, V].compact)
    verify = awaited(LSM.verify)
    step = awaited(LSM.step)
    compaction_paused = at_once(LSM.compaction_paused)
    pending = awaited(LSM.pending)
    stats = awaited(LSM.stats)
    events = awaited(LSM.events)
    explain = awaited(LSM[K, V].explain)

    # ---- the end ----

    async def close(self) -> None:
        """Wait for calls in flight, make everything acknowledged durable, end the handle, and the threads unless it is
        a namespace's. Again is fine. Raises StorageError when the last sync fails. A cancelled close() still closes."""
        if not self._owns_bridge:
            return await self._bridge.finish(self._sync.close)
        loop = self._bridge.here().loop
        if self._ending is None or self._ending.get_loop() is not loop:
            if self._sync.closed:
                self._sync.close()  # nothing, or ForkedError
                return self._bridge.shutdown()
            self._ending = loop.create_future()
            self._bridge.submit(self._sync.close, partial(self._end, self._ending))
        if not self._ending.done():
            await asyncio.wait([self._ending])
            self._ending.result()

    def _end(self, ending: asyncio.Future[None], answer: None, failure: BaseException | None) -> None:
        self._bridge.shutdown()
        if failure is None:
            ending.set_result(None)
        else:
            ending.set_exception(failure)
            ending.exception()  # told to whoever waits; nobody may

    async def __aenter__(self) -> Self:
        self._sync.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
