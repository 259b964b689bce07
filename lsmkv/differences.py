"""What changed from one store to another: a merge of two scans in key order.

    old   a b   d       diff(old, new)   - a
    new     b c d'                       + c
                                         ~ d

Both scans stream: memory does not grow with the stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike
from typing import Literal, NamedTuple, TypeAlias

from lsmkv._core import LSM, RangeView, Snapshot

Path: TypeAlias = "str | bytes | PathLike[str] | PathLike[bytes]"
Pairs: TypeAlias = "Iterator[tuple[bytes, bytes]]"


class Difference(NamedTuple):
    """One key that is not the same on both sides. kind: "added", "removed" or "changed"; old, new: the values."""

    kind: Literal["added", "removed", "changed"]
    key: bytes
    old: bytes | None
    """The value in `a`; None when the key was added."""
    new: bytes | None
    """The value in `b`; None when the key was removed."""


def diff(a: Path | LSM | Snapshot | RangeView, b: Path | LSM | Snapshot | RangeView, /) -> Iterator[Difference]:
    """What has to be done to `a` to make it `b`: a Difference for each key that differs, in key order.

        for kind, key, old, new in lsmkv.diff("monday.db", "tuesday.db"):
            print(kind, key)

    a, b: paths, open stores, snapshots, or ranges of either (db["a":"b"]). A path is opened for reading at once, also
    while another process writes to it, as the bytes that lie in it whatever its codecs, and closed when the iterator
    ends or is dropped. Keys and values of open stores come as those give them. Both sides are seen as they are
    when diff() is called. Equal sides give nothing. Costs one scan of each and constant memory.
    """
    with ExitStack() as stack:
        olds, news = (iter(opened(side, stack).items()) for side in (a, b))
        return merged(olds, news, stack.pop_all())


def opened(side: Path | LSM | Snapshot | RangeView, stack: ExitStack) -> LSM | Snapshot | RangeView:
    if isinstance(side, LSM | Snapshot | RangeView):
        return side
    return stack.enter_context(LSM(side, "r", key="raw", value="raw"))


def merged(olds: Pairs, news: Pairs, stack: ExitStack) -> Iterator[Difference]:
    with stack:
        old, new = next(olds, None), next(news, None)
        while old and new:
            if old[0] < new[0]:
                yield removed(old)
                old = next(olds, None)
            elif new[0] < old[0]:
                yield added(new)
                new = next(news, None)
            else:
                if old[1] != new[1]:
                    yield Difference("changed", old[0], old[1], new[1])
                old, new = next(olds, None), next(news, None)
        if old:
            yield removed(old)
            yield from map(removed, olds)
        if new:
            yield added(new)
            yield from map(added, news)


def removed(pair: tuple[bytes, bytes]) -> Difference:
    return Difference("removed", pair[0], pair[1], None)


def added(pair: tuple[bytes, bytes]) -> Difference:
    return Difference("added", pair[0], None, pair[1])
