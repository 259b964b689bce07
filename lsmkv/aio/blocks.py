"""blocks: what is opened by `async with` or by `await`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar


class Closable(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closable)


class Opening(Generic[C]):
    """What open(), snapshot(), cursor() and namespace() return: `async with` it, or await it and close() what comes."""

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
