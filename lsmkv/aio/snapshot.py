"""snapshot: the content of one moment."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from lsmkv._core import Snapshot
from lsmkv.aio.awaited import told_of, twin_of
from lsmkv.aio.bridge import Way
from lsmkv.aio.source import AsyncSource, K, V

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv.aio.store import AsyncLSM

K2 = TypeVar("K2")
V2 = TypeVar("V2")


class AsyncSnapshot(AsyncSource[K, V]):
    """The content of one moment, to be read at leisure: made by `async with db.snapshot() as snapshot`."""

    _sync: Snapshot[K, V]

    def __init__(self, snapshot: Snapshot[K, V], bridge: Way) -> None:
        self._sync = snapshot  # pyright: ignore[reportIncompatibleVariableOverride]
        self._bridge = bridge

    @property
    def lsn(self) -> int:
        """The position in the log up to which writes are seen."""
        return self._sync.lsn

    @property
    def age(self) -> float:
        """Seconds since it was taken."""
        return self._sync.age

    def namespace(self, ns: AsyncLSM[K2, V2], /) -> AsyncSnapshot[K2, V2]:
        seen: Snapshot[Any, Any] = self._sync.namespace(twin_of(ns))
        return AsyncSnapshot(seen, self._bridge)

    async def close(self) -> None:
        await self._bridge.finish(self._sync.close)

    namespace.__doc__, close.__doc__ = told_of(Snapshot.namespace), told_of(Snapshot.close)

    async def __aenter__(self) -> Self:
        self._sync.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
