"""batch: writes are collected at once, in memory; a thread applies them."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lsmkv._core import WriteBatch
from lsmkv.aio.awaited import Across, at_once, told_of, twin_of
from lsmkv.aio.bridge import Way

if TYPE_CHECKING:
    from typing_extensions import Self

    from lsmkv.aio.store import AsyncLSM

K = TypeVar("K")
V = TypeVar("V")
K2 = TypeVar("K2")
V2 = TypeVar("V2")


class AsyncWriteBatch(Across, Generic[K, V]):
    """Writes that are applied all together or not at all: `async with db.batch() as b: b[k] = v`.

    Its methods only collect in memory, so nothing of them is awaited. At a clean end of the block a thread applies
    them, and calls what merge() was given; on an exception they are dropped. A task cancelled while they are applied
    has them applied whole or not at all."""

    def __init__(self, db: AsyncLSM[Any, Any], batch: WriteBatch[K, V], bridge: Way) -> None:
        self._db = db
        self._sync = batch
        self._bridge = bridge

    def __repr__(self) -> str:
        return f"<lsmkv.aio.AsyncWriteBatch of {self._sync!r}>"

    def _is_closed(self) -> bool:
        return self._db.closed

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values collected."""
        return int(self._sync.nbytes)

    def __len__(self) -> int:
        return len(self._sync)

    def __setitem__(self, key: K, value: V, /) -> None:
        self._sync[key] = value

    def __delitem__(self, key: K | slice, /) -> None:
        del self._sync[key]

    put = at_once(WriteBatch[K, V].put)
    delete = at_once(WriteBatch[K, V].delete)
    delete_range = at_once(WriteBatch[K, V].delete_range)
    merge = at_once(WriteBatch[K, V].merge)

    def namespace(self, ns: AsyncLSM[K2, V2], /) -> AsyncWriteBatch[K2, V2]:
        return AsyncWriteBatch(self._db, self._sync.namespace(twin_of(ns)), self._bridge)

    namespace.__doc__ = told_of(WriteBatch.namespace)

    async def __aenter__(self) -> Self:
        self._sync.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sync.__exit__(kind, error, trace)
        else:
            await self._call(partial(self._sync.__exit__, None, None, None))
