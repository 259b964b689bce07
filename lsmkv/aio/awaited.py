"""awaited: makes the method that is awaited from the method that waits.

    class AsyncLSM:
        flush = awaited(LSM.flush)      # also at_once(), for what never waits

is all there is to a name: signature, types and documentation come from the original. The object has `_sync`, its twin
that waits, `_bridge`, and `_is_closed()`. A twin that is closed answers at once, by raising; it needs no thread."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, cast, overload

from lsmkv.aio.bridge import Way

P = ParamSpec("P")
T = TypeVar("T")


class Across:
    """Has a twin on the other side of the bridge."""

    _sync: Any
    _bridge: Way

    def _is_closed(self) -> bool:
        raise NotImplementedError

    async def _call(self, work: Callable[[], T], unwanted: Callable[[T], object] | None = None) -> T:
        return work() if self._is_closed() else await self._bridge.call(work, unwanted)


class Awaited(Generic[P, T]):
    """The type of what awaited() makes; at run time it is a plain function."""

    @overload
    def __get__(self, it: None, owner: type) -> Awaited[P, T]: ...
    @overload
    def __get__(self, it: object, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, it: object, owner: type) -> Any:
        raise NotImplementedError


def told_of(method: Callable[..., Any]) -> str | None:
    """What `method` of the twin says of itself, without the examples, which await nothing."""
    return method.__doc__ and method.__doc__.partition("\n\n>>> ")[0]


def dressed(function: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """function, looking like `method` of the twin."""
    function.__name__ = method.__name__
    function.__qualname__ = f"Async{method.__qualname__}"
    function.__doc__ = told_of(method)
    function.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
    return function


def awaited(method: Callable[Concatenate[Any, P], T]) -> Awaited[P, T]:
    """`method` of the twin, called in a thread."""
    name = method.__name__

    async def call(self: Across, /, *args: Any, **kwargs: Any) -> Any:
        return await self._call(partial(getattr(self._sync, name), *args, **kwargs))

    async def call_with_progress(self: Across, /, *args: Any, **kwargs: Any) -> Any:
        return await with_progress(self, getattr(self._sync, name), args, kwargs)

    has_progress = "progress" in inspect.signature(method).parameters
    return cast("Awaited[P, T]", dressed(call_with_progress if has_progress else call, method))


class AtOnce(Generic[P, T]):
    """The type of what at_once() makes."""

    @overload
    def __get__(self, it: None, owner: type) -> AtOnce[P, T]: ...
    @overload
    def __get__(self, it: object, owner: type) -> Callable[P, T]: ...
    def __get__(self, it: object, owner: type) -> Any:
        raise NotImplementedError


def at_once(method: Callable[Concatenate[Any, P], T]) -> AtOnce[P, T]:
    """`method` of the twin, which never waits, called as it is."""
    name = method.__name__

    def call(self: Across, /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._sync, name)(*args, **kwargs)

    return cast("AtOnce[P, T]", dressed(call, method))


def twin_of(it: Any) -> Any:
    """What lsmkv itself takes in place of an object of lsmkv.aio."""
    return it._sync if isinstance(it, Across) else it


class _Reports:
    """Progress on its way to the loop, where the callback runs; and the wish to stop, on its way to the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[..., object] | None) -> None:
        self._loop = loop
        self._callback = callback
        self.failure: BaseException | None = None

    def __call__(self, *report: Any) -> None:
        if self.failure is not None:
            raise self.failure
        if self._callback is not None:
            self._loop.call_soon_threadsafe(self._tell, self._callback, report)

    def _tell(self, callback: Callable[..., object], report: tuple[Any, ...]) -> None:
        if self.failure is not None:
            return
        try:
            callback(*report)
        except Exception as caught:
            self.failure = caught


async def with_progress(it: Across, method: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    """A long call: it ends early when the callback raises or the task is cancelled."""
    callback = kwargs.pop("progress", None)
    if callback is not None and not callable(callback):
        return await it._call(partial(method, *args, progress=callback, **kwargs))
    reports = _Reports(asyncio.get_running_loop(), callback)
    try:
        answer = await it._call(partial(method, *args, progress=reports, **kwargs))
    except asyncio.CancelledError as caught:
        reports.failure = caught
        raise
    if reports.failure is not None:  # raised by the last report
        raise reports.failure
    return answer


def refused(instead: str) -> Callable[..., NoReturn]:
    """For what Python's syntax cannot await."""

    def call(self: object, *unused: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is asynchronous: use {instead}")

    return call
