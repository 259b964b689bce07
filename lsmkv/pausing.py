"""What LSM.compaction_paused() returns."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Any, final

from lsmkv._core import ClosedError


@final
class Paused:
    """Merges rest from the beginning of the `with` block to its end, or until the store is closed. Several at a time
    are counted, and one may be entered again when it has ended."""

    __slots__ = ("_store",)

    def __init__(self, store: Any) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<no merges of {self._store.path!r} within its block>"

    def __enter__(self) -> None:
        self._store._pause()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with suppress(ClosedError):  # closed meanwhile: it has resumed already
            self._store._resume()
