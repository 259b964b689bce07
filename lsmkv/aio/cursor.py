"""cursor: a place among keys. A move is awaited; what it came to stand at is there at once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lsmkv._core import Cursor
from lsmkv.aio.awaited import Across, Awaited, awaited, told_of
from lsmkv.aio.lane import Lane

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv.aio.source import AsyncSource

K = TypeVar("K")
V = TypeVar("V")


class AsyncCursor(Across, Generic[K, V]):
    """A place among the keys of a store at one moment: made by `async with db.cursor() as cursor`.

    Each move is awaited and returns whether there is a key to stand at; key, value and item are what the last one that
    has ended came to, and raise ValueError when there is none. Moves of several tasks happen one after another. It
    pins its moment until close(), or the end of its block."""

    def __init__(self, source: AsyncSource[K, V], cursor: Cursor[K, V], lane: Lane) -> None:
        self._source = source
        self._sync = cursor
        self._bridge = lane

    def __repr__(self) -> str:
        return f"<lsmkv.aio.AsyncCursor of {self._sync!r}>"

    def _is_closed(self) -> bool:
        return self._source.closed

    @property
    def valid(self) -> bool:
        """True while it stands at a key."""
        return bool(self._sync.valid)

    @property
    def key(self) -> K:
        """The key it stands at."""
        key: K = self._sync.key
        return key

    @property
    def value(self) -> V:
        """The value of that key."""
        value: V = self._sync.value
        return value

    @property
    def item(self) -> tuple[K, V]:
        """The (key, value) it stands at."""
        item: tuple[K, V] = self._sync.item
        return item

    first: Awaited[[], bool] = awaited(Cursor.first)
    last: Awaited[[], bool] = awaited(Cursor.last)
    seek: Awaited[[Any], bool] = awaited(Cursor.seek)
    seek_for_prev: Awaited[[Any], bool] = awaited(Cursor.seek_for_prev)
    next: Awaited[[], bool] = awaited(Cursor.next)
    prev: Awaited[[], bool] = awaited(Cursor.prev)

    async def close(self) -> None:
        await self._bridge.finish(self._sync.close)

    close.__doc__ = told_of(Cursor.close)

    async def __aenter__(self) -> Self:
        self._sync.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
