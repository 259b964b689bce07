"""target: what can be written too: a store, a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from lsmkv._core import LSM
from lsmkv.aio.awaited import Awaited, awaited, dressed, told_of
from lsmkv.aio.feed import Parts, pairs_of, plain
from lsmkv.aio.source import AsyncSource, D, K, V

if TYPE_CHECKING:
    from lsmkv._core import RangeView, Transaction
    from lsmkv.aio.views import AsyncRangeView


class AsyncTarget(AsyncSource[K, V]):
    """What can be read and written: a store or a transaction."""

    _sync: LSM[K, V] | Transaction[K, V]  # pyright: ignore[reportIncompatibleVariableOverride]

    # ---- one key ----

    put = awaited(LSM[K, V].put)
    delete = awaited(LSM[K, V].delete)
    discard = awaited(LSM[K, V].discard)
    touch = awaited(LSM[K, V].touch)
    persist = awaited(LSM[K, V].persist)

    # ---- a look and a write, with nothing between ----

    add = awaited(LSM[K, V].add)
    setdefault: Awaited[[K, V], V] = awaited(LSM.setdefault)
    compare_and_set = awaited(LSM[K, V].compare_and_set)
    incr = awaited(LSM[K, V].incr)

    async def merge(
        self, key: K, operand: V, /, *, op: Callable[[V, V], V] | Literal["add", "concat", "min", "max", "or"]
    ) -> V:
        return await self._call(partial(self._sync.merge, key, operand, op=op))

    async def popitem(self, *, last: bool = True) -> tuple[K, V]:
        return await self._call(partial(self._sync.popitem, last=last))

    @overload
    async def pop(self, key: K, /) -> V: ...
    @overload
    async def pop(self, key: K, default: V | D, /) -> V | D: ...
    async def pop(self, key: K, /, *default: Any) -> Any:
        return await self._call(partial(self._sync.pop, key, *default))

    dressed(merge, LSM.merge)
    dressed(popitem, LSM.popitem)
    dressed(pop, LSM.pop)

    # ---- many keys ----

    delete_range = awaited(LSM[K, V].delete_range)
    clear: Awaited[[], None] = awaited(LSM.clear)

    async def update(
        self,
        other: Mapping[K, V]
        | Iterable[tuple[K, V]]
        | AsyncIterable[tuple[K, V]]
        | RangeView[K, V]
        | AsyncSource[K, V]
        | AsyncRangeView[K, V] = (),
        /,
        **names: V,
    ) -> None:
        await self._feed(self._sync.update, other if plain(other) is not None else pairs_of(other), **names)

    async def set_many(self, pairs: Iterable[tuple[K, V]] | AsyncIterable[tuple[K, V]], /) -> None:
        given: Any = pairs
        if hasattr(given, "keys"):  # refused, before its keys are read as pairs
            await self._call(partial(self._sync.set_many, given))
        await self._feed(self._sync.set_many, pairs)

    async def delete_many(self, keys: Iterable[K] | AsyncIterable[K], /) -> None:
        await self._feed(self._sync.delete_many, keys)

    update.__doc__ = told_of(LSM.update)
    set_many.__doc__, delete_many.__doc__ = told_of(LSM.set_many), told_of(LSM.delete_many)

    async def _feed(self, write: Callable[..., None], source: Any, **names: Any) -> None:
        known = plain(source)
        if known is not None or self._is_closed():
            return await self._call(partial(write, known if known is not None else (), **names))
        async for part in Parts(source):
            await self._call(partial(write, part))
        if names:
            await self._call(partial(write, (), **names))
