"""feed: what many keys or pairs are read from, cut into parts that a thread can take.

What is plain data, or lsmkv's own, goes to the thread whole. Anything else may be a generator whose code belongs to
the loop: it is read there, a part at a time, each applied before the next is read; an `async` one is awaited, and so
is a transaction, which serves one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from lsmkv._core import LSM, ItemsView, KeysView, RangeView, Snapshot, ValuesView
from lsmkv.aio.awaited import Across
from lsmkv.aio.lane import Lane

PART_ENTRIES, PART_SECONDS = 1024, 0.001
PLAIN = (dict, list, tuple, set, frozenset, LSM, Snapshot, RangeView, KeysView, ValuesView, ItemsView)


def plain(source: Any) -> Any | None:
    """What a thread may read by itself in place of source, or None."""
    if isinstance(source, Across):
        return None if isinstance(source._bridge, Lane) else source._sync
    return source if type(source) in PLAIN or isinstance(source, LSM) else None


def pairs_of(source: Any) -> Any:
    """An iterable of pairs, as dict.update() understands a mapping."""
    if isinstance(source, Across):
        items = getattr(source, "items", None)
        return source if items is None else items()
    if not hasattr(source, "keys") or hasattr(source, "__aiter__"):
        return source
    return ((key, source[key]) for key in source.keys())


class Parts:
    """Lists of what source yields, by `async for`. Nothing is read ahead."""

    def __init__(self, source: Any) -> None:
        self._awaited = source.__aiter__() if hasattr(source, "__aiter__") else None
        self._scan: Iterator[Any] = iter(()) if self._awaited is not None else iter(source)

    def __aiter__(self) -> Parts:
        return self

    async def __anext__(self) -> list[Any]:
        part = self._read() if self._awaited is None else await self._read_awaited(self._awaited)
        if not part:
            raise StopAsyncIteration
        return part

    def _read(self) -> list[Any]:
        return take_for(self._scan)

    async def _read_awaited(self, source: Any) -> list[Any]:
        part: list[Any] = []
        until = time.monotonic() + PART_SECONDS
        try:
            while len(part) < PART_ENTRIES and (not part or time.monotonic() < until):
                part.append(await source.__anext__())
        except StopAsyncIteration:
            pass
        return part


def take_for(scan: Iterable[Any]) -> list[Any]:
    """A part of scan: no more entries than fit in a millisecond, but one."""
    part: list[Any] = []
    until = time.monotonic() + PART_SECONDS
    for entry in scan:
        part.append(entry)
        if len(part) == PART_ENTRIES or time.monotonic() > until:
            break
    return part
