"""source: what can be read: a store, a snapshot, a transaction. One line a name; what needs more is written out."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from lsmkv._core import LSM, RangeView
from lsmkv.aio.awaited import Across, Awaited, awaited, dressed, refused, told_of
from lsmkv.aio.blocks import Opening
from lsmkv.aio.bridge import ignore
from lsmkv.aio.cursor import AsyncCursor
from lsmkv.aio.feed import Parts, plain
from lsmkv.aio.lane import Lane
from lsmkv.aio.scan import AsyncIterator
from lsmkv.aio.views import AsyncItemsView, AsyncKeysView, AsyncRangeView, AsyncValuesView

if TYPE_CHECKING:
    from lsmkv._core import Snapshot, Transaction

D = TypeVar("D")
K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


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
    """What can be read: a store, a snapshot or a transaction."""

    _sync: LSM[K, V] | Snapshot[K, V] | Transaction[K, V]

    def _is_closed(self) -> bool:
        return self._sync.closed

    def __repr__(self) -> str:
        return f"<lsmkv.aio.{type(self).__name__} of {self._sync!r}>"

    @property
    def closed(self) -> bool:
        """True once it cannot be used any more."""
        return self._sync.closed

    @property
    def key_codec(self) -> str:
        """The name of the codec of keys."""
        return self._sync.key_codec

    @property
    def value_codec(self) -> str:
        """The name of the codec of values."""
        return self._sync.value_codec

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

    async def length(self) -> int:
        """The exact number of keys, as len() has it: it looks only at what was written since it was asked last."""
        return await self._call(partial(len, self._sync))

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
    get_view = awaited(LSM[K, V].get_view)
    ttl = awaited(LSM[K, V].ttl)

    # ---- near a key ----

    first: Awaited[[], tuple[K, V] | None] = awaited(LSM.first)
    last: Awaited[[], tuple[K, V] | None] = awaited(LSM.last)
    floor: Awaited[[K], tuple[K, V] | None] = awaited(LSM.floor)
    lower: Awaited[[K], tuple[K, V] | None] = awaited(LSM.lower)
    ceiling: Awaited[[K], tuple[K, V] | None] = awaited(LSM.ceiling)
    higher: Awaited[[K], tuple[K, V] | None] = awaited(LSM.higher)

    def cursor(self) -> Opening[AsyncCursor[K, V]]:
        return Opening(self._cursor)

    async def _cursor(self) -> AsyncCursor[K, V]:
        way = self._bridge
        lane = way if isinstance(way, Lane) else Lane(cast("Any", way))
        taken = await self._call(self._sync.cursor, lambda cursor: lane.submit(cursor.close, ignore))
        return AsyncCursor(self, taken, lane)

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

    cursor.__doc__ = told_of(LSM.cursor)
    keys.__doc__, values.__doc__, items.__doc__ = told_of(LSM.keys), told_of(LSM.values), told_of(LSM.items)
    range = ranged(LSM[K, V].range)
    prefix = ranged(LSM[K, V].prefix)

    # ---- what Python's syntax cannot await ----

    __iter__ = refused("`async for key in db`")
    __len__ = refused("`await db.length()`")
    __bool__ = refused("`await db.first() is not None`")
    __contains__ = refused("`await db.contains(key)`")
    __setitem__ = refused("`await db.put(key, value)`")
    __delitem__ = refused("`await db.delete(key)`")
    __ior__ = refused("`await db.update(other)`")
    __enter__ = refused("`async with`")
    __exit__ = refused("`async with`")
