"""opening: how a store for one event loop comes to be. The overloads are those of LSM, whose stub explains them; a name
other than "bytes" and "str" makes both types Any here."""

from __future__ import annotations

from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lsmkv._core import LSM
from lsmkv.aio.blocks import Opening
from lsmkv.aio.bridge import Bridge
from lsmkv.aio.store import WORKERS, AsyncLSM

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from lsmkv._core import KeyCodec, ManualClock, ValueCodec
    from lsmkv.options import Options, Overrides, Preset

K = TypeVar("K")
V = TypeVar("V")


@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: Literal["bytes"] = "bytes",
    value: Literal["bytes"] = "bytes",
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[bytes, bytes]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: Literal["bytes"] = "bytes",
    value: Literal["str"],
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[bytes, str]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: Literal["bytes"] = "bytes",
    value: ValueCodec[V],
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[bytes, V]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: Literal["str"],
    value: Literal["bytes"] = "bytes",
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[str, bytes]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: Literal["str"],
    value: Literal["str"],
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[str, str]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: Literal["str"],
    value: ValueCodec[V],
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[str, V]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: KeyCodec[K],
    value: Literal["bytes"] = "bytes",
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[K, bytes]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: KeyCodec[K],
    value: Literal["str"],
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[K, str]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: KeyCodec[K],
    value: ValueCodec[V],
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[K, V]]: ...
@overload
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: KeyCodec[Any] | str = "bytes",
    value: ValueCodec[Any] | str = "bytes",
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[Any, Any]]: ...
def open(
    path: str | bytes | PathLike[str] | PathLike[bytes] | None,
    flag: Literal["r", "w", "c", "n"] = "c",
    *,
    key: KeyCodec[Any] | str = "bytes",
    value: ValueCodec[Any] | str = "bytes",
    workers: int = WORKERS,
    options: Options | Preset | None = None,
    clock: ManualClock | None = None,
    **overrides: Unpack[Overrides],
) -> Opening[AsyncLSM[Any, Any]]:
    """Open the store in the directory `path`: `async with open(path) as db`, or `db = await open(path)` and
    `await db.close()`.

    workers: how many threads may wait at the same time. The rest is as for lsmkv.open().
    """
    found = partial(LSM, path, flag, key=key, value=value, options=options, clock=clock, **overrides)
    return Opening(partial(obtain, found, workers))


async def obtain(find: Callable[[], LSM[Any, Any]], workers: int) -> AsyncLSM[Any, Any]:
    bridge = Bridge(workers)

    def close_unwanted(store: LSM[Any, Any]) -> None:
        bridge.submit(store.close, lambda answer, failure: bridge.shutdown())

    try:
        store = await bridge.call(find, close_unwanted)
    except Exception:
        bridge.shutdown()
        raise
    opened: AsyncLSM[Any, Any] = AsyncLSM.__new__(AsyncLSM)
    opened._attach(store, bridge)
    return opened
