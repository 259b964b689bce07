"""views: descriptions of what to read. Making and narrowing one is done at once; whatever reads is awaited."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, SupportsIndex, TypeVar, overload

from lsmkv._core import ItemsView, KeysView, RangeView, ValuesView
from lsmkv.aio.awaited import Across, Awaited, awaited, dressed, refused, told_of, twin_of
from lsmkv.aio.scan import AsyncIterator, take_chunk, take_pairs, take_single
from lsmkv.ranges import chunks

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv.aio.source import AsyncSource

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class AsyncView(Across, Generic[T]):
    """What the four views have in common."""

    _take: ClassVar[Any] = staticmethod(take_single)

    def __init__(self, mapping: AsyncSource[Any, Any], sync: Any) -> None:
        self._mapping = mapping
        self._sync = sync
        self._bridge = mapping._bridge

    def _is_closed(self) -> bool:
        return self._mapping.closed

    def __repr__(self) -> str:
        return f"<lsmkv.aio.{type(self).__name__} of {self._sync!r}>"

    @property
    def mapping(self) -> AsyncSource[Any, Any]:
        """The store, snapshot or transaction this is a view of."""
        return self._mapping

    def __aiter__(self) -> AsyncIterator[T]:
        return AsyncIterator(self._bridge, partial(iter, self._sync), self._take)

    def __reversed__(self) -> AsyncIterator[T]:
        return AsyncIterator(self._bridge, partial(reversed, self._sync), self._take)

    def limit(self, n: SupportsIndex, /) -> Self:
        return type(self)(self._mapping, self._sync.limit(n))

    def chunks(self, n: SupportsIndex, /) -> AsyncIterator[list[T]]:
        """An asynchronous iterator over lists of n entries each, the last one perhaps shorter."""
        chunks((), n)  # says what is wrong with n
        return AsyncIterator(self._bridge, partial(self._sync.chunks, n), take_chunk)

    async def contains(self, item: object, /) -> bool:
        """Whether item is in the view: one lookup, but a scan in the case of values."""
        return await self._call(partial(self._sync.__contains__, item))

    count = awaited(RangeView.count)
    limit.__doc__ = told_of(RangeView.limit)

    __iter__ = refused("`async for ... in view`")
    __len__ = refused("`await view.count()`")
    __bool__ = refused("`await view.first() is not None`")
    __contains__ = refused("`await view.contains(item)`")


class SetView(AsyncView[T]):
    """Keys, and pairs: no two are equal."""

    async def isdisjoint(self, other: Iterable[object] | Across, /) -> bool:
        return await self._call(partial(self._sync.isdisjoint, twin_of(other)))

    dressed(isdisjoint, KeysView.isdisjoint)


class AsyncKeysView(SetView[K]):
    """The keys of a store, a snapshot or a range of them, in order."""

    first: Awaited[[], K | None] = awaited(KeysView.first)
    last: Awaited[[], K | None] = awaited(KeysView.last)


class AsyncValuesView(AsyncView[V]):
    """The values of a store, a snapshot or a range of them, in the order of their keys."""

    first: Awaited[[], V | None] = awaited(ValuesView.first)
    last: Awaited[[], V | None] = awaited(ValuesView.last)


class AsyncItemsView(SetView[tuple[K, V]]):
    """The (key, value) pairs of a store, a snapshot or a range of them, in order."""

    _take = staticmethod(take_pairs)

    first: Awaited[[], tuple[K, V] | None] = awaited(ItemsView.first)
    last: Awaited[[], tuple[K, V] | None] = awaited(ItemsView.last)


class AsyncRangeView(AsyncView[K], Generic[K, V]):
    """A range of keys: db[a:b], db.range(...), db.prefix(p). It is a description and holds no data: each `async for`
    over it sees the content of that moment.

    `async for` yields keys; .items() and .values() follow. view[a:b] narrows by key, `await view[k]` looks up,
    .limit(n) bounds, `await view.count()` counts."""

    @overload
    def __getitem__(self, key: slice, /) -> AsyncRangeView[K, V]: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self, key: K, /) -> Coroutine[Any, Any, V]: ...
    def __getitem__(self, key: slice | K, /) -> AsyncRangeView[K, V] | Coroutine[Any, Any, V]:
        if isinstance(key, slice):
            return AsyncRangeView(self._mapping, self._sync[key])
        return self._call(partial(self._sync.__getitem__, key))

    def keys(self) -> AsyncKeysView[K]:
        return AsyncKeysView(self._mapping, self._sync.keys())

    def values(self) -> AsyncValuesView[V]:
        return AsyncValuesView(self._mapping, self._sync.values())

    def items(self) -> AsyncItemsView[K, V]:
        return AsyncItemsView(self._mapping, self._sync.items())

    async def split(self, n: SupportsIndex, /) -> list[AsyncRangeView[K, V]]:
        parts = await self._call(partial(self._sync.split, n))
        return [AsyncRangeView(self._mapping, part) for part in parts]

    first: Awaited[[], tuple[K, V] | None] = awaited(RangeView.first)
    last: Awaited[[], tuple[K, V] | None] = awaited(RangeView.last)
    keys.__doc__, values.__doc__, items.__doc__ = (
        told_of(RangeView.keys),
        told_of(RangeView.values),
        told_of(RangeView.items),
    )
    split.__doc__ = told_of(RangeView.split)
