"""views: descriptions of what to read. Making and narrowing one is done at once; whatever reads is awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, SupportsIndex, TypeVar, overload

from lsmkv._core import ItemsView, KeysView, RangeView, ValuesView
from lsmkv.aio.awaited import Across, awaited, refused
from lsmkv.aio.scan import AsyncIterator, take_pairs, take_single

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

    from lsmkv.aio.store import AsyncSource

T = TypeVar("T")


class AsyncView(Across, Generic[T]):
    """What the four views have in common."""

    _take: ClassVar[Any] = staticmethod(take_single)

    def __init__(self, mapping: AsyncSource, sync: Any) -> None:
        self._mapping = mapping
        self._sync = sync
        self._bridge = mapping._bridge

    def _is_closed(self) -> bool:
        return self._mapping.closed

    def __repr__(self) -> str:
        return f"<lsmkv.aio.{type(self).__name__} of {self._sync!r}>"

    @property
    def mapping(self) -> AsyncSource:
        """The store or snapshot this is a view of."""
        return self._mapping

    def __aiter__(self) -> AsyncIterator[T]:
        return AsyncIterator(self._bridge, partial(iter, self._sync), self._take)

    def __reversed__(self) -> AsyncIterator[T]:
        return AsyncIterator(self._bridge, partial(reversed, self._sync), self._take)

    def limit(self, n: SupportsIndex, /) -> Self:
        return type(self)(self._mapping, self._sync.limit(n))

    async def contains(self, item: object, /) -> bool:
        """Whether item is in the view: one lookup, but a scan in the case of values."""
        return await self._call(partial(self._sync.__contains__, item))

    count = awaited(RangeView.count)
    limit.__doc__ = RangeView.limit.__doc__

    __iter__ = refused("`async for ... in view`")
    __len__ = refused("`await view.count()`")
    __bool__ = refused("`await view.first() is not None`")
    __contains__ = refused("`await view.contains(item)`")


class AsyncKeysView(AsyncView[bytes]):
    """The keys of a store, a snapshot or a range of them, in order."""

    first = awaited(KeysView.first)
    last = awaited(KeysView.last)
    isdisjoint = awaited(KeysView.isdisjoint)


class AsyncValuesView(AsyncView[bytes]):
    """The values of a store, a snapshot or a range of them, in the order of their keys."""

    first = awaited(ValuesView.first)
    last = awaited(ValuesView.last)


class AsyncItemsView(AsyncView[tuple[bytes, bytes]]):
    """The (key, value) pairs of a store, a snapshot or a range of them, in order."""

    _take = staticmethod(take_pairs)

    first = awaited(ItemsView.first)
    last = awaited(ItemsView.last)
    isdisjoint = awaited(ItemsView.isdisjoint)


class AsyncRangeView(AsyncView[bytes]):
    """A range of keys: db[a:b], db.range(...), db.prefix(p). It is a description and holds no data: each `async for`
    over it sees the content of that moment.

    `async for` yields keys; .items() and .values() follow. view[a:b] narrows by key, `await view[k]` looks up,
    .limit(n) bounds, `await view.count()` counts."""

    @overload
    def __getitem__(self, key: slice, /) -> AsyncRangeView: ...
    @overload
    def __getitem__(self, key: Buffer, /) -> Coroutine[Any, Any, bytes]: ...
    def __getitem__(self, key: slice | Buffer, /) -> AsyncRangeView | Coroutine[Any, Any, bytes]:
        if isinstance(key, slice):
            return AsyncRangeView(self._mapping, self._sync[key])
        return self._call(partial(self._sync.__getitem__, key))

    def keys(self) -> AsyncKeysView:
        return AsyncKeysView(self._mapping, self._sync.keys())

    def values(self) -> AsyncValuesView:
        return AsyncValuesView(self._mapping, self._sync.values())

    def items(self) -> AsyncItemsView:
        return AsyncItemsView(self._mapping, self._sync.items())

    first = awaited(RangeView.first)
    last = awaited(RangeView.last)
    keys.__doc__, values.__doc__, items.__doc__ = (
        RangeView.keys.__doc__,
        RangeView.values.__doc__,
        RangeView.items.__doc__,
    )
