"""store: a store and a snapshot whose waiting calls are awaited. One line a name; what needs more is written out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Generator, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from lsmkv._core import LSM, RangeView, Snapshot, WriteBatch
from lsmkv.aio.awaited import Across, Awaited, awaited, dressed, refused, told_of
from lsmkv.aio.bridge import Bridge, ignore
from lsmkv.aio.feed import Parts, pairs_of, plain
from lsmkv.aio.scan import AsyncIterator
from lsmkv.aio.views import AsyncItemsView, AsyncKeysView, AsyncRangeView, AsyncValuesView

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv.report.levels import Levels


D = TypeVar("D")
K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")

WORKERS = 4


class Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class Opening(Generic[C]):
    """What open() and snapshot() return: `async with` it, or await it and close() what comes."""

    def __init__(self, obtain: Callable[[], Coroutine[Any, Any, C]]) -> None:
        self._obtain = obtain
        self._opened: C | None = None

    def __await__(self) -> Generator[Any, Any, C]:
        return self._obtain().__await__()

    async def __aenter__(self) -> C:
        if self._opened is not None:
            raise RuntimeError("this is open already: a block opens one, so take another one for another block")
        self._opened = await self._obtain()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()


class AsyncBatch(Across, Generic[K, V]):
    """What batch() returns: `async with db.batch() as b:` gives an lsmkv.WriteBatch, whose methods only collect in
    memory and so are called as they are. At a clean end of the block a thread applies them, all or none; on an
    exception they are dropped. A task cancelled while they are applied has them applied whole or not at all."""

    def __init__(self, db: AsyncLSM[K, V], batch: WriteBatch[K, V]) -> None:
        self._db = db
        self._sync = batch
        self._bridge = db._bridge

    def _is_closed(self) -> bool:
        return self._db.closed

    async def __aenter__(self) -> WriteBatch[K, V]:
        return cast("WriteBatch[K, V]", self._sync.__enter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sync.__exit__(kind, error, trace)
        else:
            await self._call(partial(self._sync.__exit__, None, None, None))


class _Ranged(Generic[P, K, V]):
    """The type of what ranged() makes; at run time it is a plain function."""

    @overload
    def __get__(self, it: None, owner: type) -> _Ranged[P, K, V]: ...
    @overload
    def __get__(self, it: object, owner: type) -> Callable[P, AsyncRangeView[K, V]]: ...
    def __get__(self, it: object, owner: type) -> Any:
        raise NotImplementedError


def ranged(method: Callable[Concatenate[Any, P], RangeView[K, V]]) -> _Ranged[P, K, V]:
    """A method that only describes a range, so nothing is awaited."""
    name = method.__name__

    def call(self: AsyncSource[Any, Any], /, *args: Any, **kwargs: Any) -> AsyncRangeView[Any, Any]:
        return AsyncRangeView(self, getattr(self._sync, name)(*args, **kwargs))

    return cast("_Ranged[P, K, V]", dressed(call, method))


class AsyncSource(Across, Generic[K, V]):
    """What can be read: a store or a snapshot."""

    _sync: LSM[K, V] | Snapshot[K, V]

    def _is_closed(self) -> bool:
        return self._sync.closed

    def __repr__(self) -> str:
        return f"<lsmkv.aio.{type(self).__name__} of {self._sync!r}>"

    @property
    def closed(self) -> bool:
        """True once it cannot be used any more."""
        return self._sync.closed

    @property
    def lsn(self) -> int:
        """The position in the log up to which writes are visible: segment << 32 | offset."""
        return self._sync.lsn

    # ---- one key, many keys ----

    @overload
    def __getitem__(self, key: slice, /) -> AsyncRangeView[K, V]: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self, key: K, /) -> Coroutine[Any, Any, V]: ...
    def __getitem__(self, key: slice | K, /) -> AsyncRangeView[K, V] | Coroutine[Any, Any, V]:
        if isinstance(key, slice):
            return AsyncRangeView(self, self._sync[key])
        return self._call(lambda: self._sync[key])

    @overload
    async def get(self, key: K, default: None = None, /) -> V | None: ...
    @overload
    async def get(self, key: K, default: V | D, /) -> V | D: ...
    async def get(self, key: K, default: Any = None, /) -> Any:
        return await self._call(partial(self._sync.get, key, default))

    async def contains(self, key: K, /) -> bool:
        """Whether the key is there: one lookup, no copy of the value."""
        return await self._call(partial(self._sync.__contains__, key))

    @overload
    async def get_many(self, keys: Iterable[K] | AsyncIterable[K], default: None = None) -> list[V | None]: ...
    @overload
    async def get_many(self, keys: Iterable[K] | AsyncIterable[K], default: D) -> list[V | D]: ...
    async def get_many(self, keys: Iterable[K] | AsyncIterable[K], default: Any = None) -> list[Any]:
        known = plain(keys)
        if known is not None:
            return await self._call(partial(self._sync.get_many, known, default))
        values: list[Any] = []
        async for part in Parts(keys):
            values += await self._call(partial(self._sync.get_many, part, default))
        return values

    get.__doc__, get_many.__doc__ = told_of(LSM.get), told_of(LSM.get_many)
    first: Awaited[[], tuple[K, V] | None] = awaited(LSM.first)
    last: Awaited[[], tuple[K, V] | None] = awaited(LSM.last)

    # ---- ranges ----

    def __aiter__(self) -> AsyncIterator[K]:
        return self.keys().__aiter__()

    def __reversed__(self) -> AsyncIterator[K]:
        return self.keys().__reversed__()

    def keys(self) -> AsyncKeysView[K]:
        return AsyncKeysView(self, self._sync.keys())

    def values(self) -> AsyncValuesView[V]:
        return AsyncValuesView(self, self._sync.values())

    def items(self) -> AsyncItemsView[K, V]:
        return AsyncItemsView(self, self._sync.items())

    keys.__doc__, values.__doc__, items.__doc__ = told_of(LSM.keys), told_of(LSM.values), told_of(LSM.items)
    range = ranged(LSM[K, V].range)
    prefix = ranged(LSM[K, V].prefix)

    # ---- what Python's syntax cannot await ----

    __iter__ = refused("`async for key in db`")
    __len__ = refused("`await db.keys().count()`")
    __bool__ = refused("`await db.first() is not None`")
    __contains__ = refused("`await db.contains(key)`")
    __setitem__ = refused("`await db.put(key, value)`")
    __delitem__ = refused("`await db.delete(key)`")
    __enter__ = refused("`async with`")
    __exit__ = refused("`async with`")


class AsyncSnapshot(AsyncSource[K, V]):
    """The content of one moment, to be read at leisure: made by `async with db.snapshot() as snapshot`."""

    _sync: Snapshot[K, V]

    def __init__(self, snapshot: Snapshot[K, V], bridge: Bridge) -> None:
        self._sync = snapshot  # pyright: ignore[reportIncompatibleVariableOverride]
        self._bridge = bridge

    @property
    def age(self) -> float:
        """Seconds since it was taken."""
        return self._sync.age

    async def close(self) -> None:
        await self._call(self._sync.close)

    close.__doc__ = told_of(Snapshot.close)

    async def __aenter__(self) -> Self:
        self._sync.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncLSM(AsyncSource[K, V]):
    """A store for one event loop: the names of lsmkv.LSM, awaited.

    lsmkv.aio.open() makes one; AsyncLSM(store) takes an open lsmkv.LSM, which it closes when it is closed. It belongs
    to the loop that first uses it; when that loop has been closed, to the next.

    Whatever may wait is done by at most `workers` threads of its own, which end with close(). What only describes or
    collects is not awaited: db[a:b], range(), prefix(), keys(), values(), items(), the methods of a batch, and the
    properties.

    Calls of one task happen in their order. Those of several tasks happen in any order: who needs one awaits the first.

    A cancelled task gets no answer, but what it asked for may have begun: a write then happens whole or not at all,
    compact() and verify() stop at their next report, and snapshots and iterators let go of what they pin.
    progress is called in the loop's thread. Sources that are not plain data (generators, `async` ones too) are read
    there as well, in parts, each written before the next is read.

    Raises what lsmkv.LSM raises; RuntimeError when another loop, still open, uses it."""

    _sync: LSM[K, V]

    def __init__(self, store: LSM[K, V], *, workers: int = WORKERS) -> None:
        self._attach(store, Bridge(workers))

    def _attach(self, store: LSM[K, V], bridge: Bridge) -> None:
        self._sync = store  # pyright: ignore[reportIncompatibleVariableOverride]
        self._bridge = bridge
        self._ending: asyncio.Future[None] | None = None

    @property
    def path(self) -> str | bytes:
        """The directory, as it was given."""
        return self._sync.path

    @property
    def options(self) -> dict[str, int | str | float | None]:
        """The options in effect: a dict, as they were when it was opened."""
        return self._sync.options

    @property
    def levels(self) -> Levels:
        """Where records live, newest first: a list of Level. No file access."""
        return self._sync.levels

    # ---- writing ----

    put = awaited(LSM[K, V].put)
    delete = awaited(LSM[K, V].delete)
    delete_range = awaited(LSM[K, V].delete_range)
    clear = awaited(LSM.clear)

    async def update(
        self,
        other: Mapping[K, V]
        | Iterable[tuple[K, V]]
        | AsyncIterable[tuple[K, V]]
        | RangeView[K, V]
        | AsyncSource[K, V]
        | AsyncRangeView[K, V] = (),
        /,
    ) -> None:
        await self._feed(self._sync.update, other if plain(other) is not None else pairs_of(other))

    async def set_many(self, pairs: Iterable[tuple[K, V]] | AsyncIterable[tuple[K, V]], /) -> None:
        await self._feed(self._sync.set_many, pairs)

    update.__doc__, set_many.__doc__ = told_of(LSM.update), told_of(LSM.set_many)

    async def _feed(self, write: Callable[[Any], None], source: Any) -> None:
        known = plain(source)
        if known is not None or self._is_closed():
            return await self._call(partial(write, known if known is not None else ()))
        async for part in Parts(source):
            await self._call(partial(write, part))

    def batch(self, *, sync: bool | None = None) -> AsyncBatch[K, V]:
        """A context manager that collects writes: `async with db.batch() as b: b[k] = v`. They are applied all
        together on a clean exit and dropped on an exception. sync as for put()."""
        return AsyncBatch(self, self._sync.batch(sync=sync))

    # ---- the content of one moment ----

    def snapshot(self) -> Opening[AsyncSnapshot[K, V]]:
        return Opening(self._snapshot)

    snapshot.__doc__ = told_of(LSM.snapshot)

    async def _snapshot(self) -> AsyncSnapshot[K, V]:
        bridge = self._bridge
        taken = await self._call(self._sync.snapshot, lambda snapshot: bridge.submit(snapshot.close, ignore))
        return AsyncSnapshot(taken, bridge)

    # ---- upkeep and insight ----

    flush = awaited(LSM.flush)
    sync = awaited(LSM.sync)
    compact = awaited(LSM[K, V].compact)
    verify = awaited(LSM.verify)
    step = awaited(LSM.step)
    pending = awaited(LSM.pending)
    stats = awaited(LSM.stats)
    events = awaited(LSM.events)
    explain = awaited(LSM[K, V].explain)

    # ---- the end ----

    async def close(self) -> None:
        """Wait for calls in flight, make everything acknowledged durable, end the handle and the threads. Again is
        fine. Raises StorageError when the last sync fails. A cancelled close() still closes."""
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
