"""What changed from one store to another: a merge of two scans in key order.

    old   a b   d       diff(old, new)   - a
    new     b c d'                       + c
                                         ~ d

Both scans stream: memory does not grow with the stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from os import PathLike
from typing import Any, Literal, NamedTuple, TypeAlias

from lsmkv._core import LSM, CorruptionError, RangeView, Snapshot

Path: TypeAlias = "str | bytes | PathLike[str] | PathLike[bytes]"
Pairs: TypeAlias = "Iterator[tuple[bytes, Any, Any]]"


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
    ends or is dropped. Keys and values of open stores come as those give them, so both must have the same codecs.
    Namespaces are not looked at: give them one by one. Both sides are seen as they are when diff() is called. Equal
    sides give nothing. Costs one scan of each and constant memory. ValueError for sides of different codecs, and for a
    range that goes backwards.
    """
    with ExitStack() as stack:
        sides = [opened(side, stack) for side in (a, b)]
        encode = order_of(*sides)
        olds, news = (ascending(side, encode) for side in sides)
        return merged(olds, news, stack.pop_all())


def order_of(*sides: Any) -> Callable[[Any], bytes]:
    """What tells the place of a key: its stored bytes."""
    from lsmkv import codecs

    kinds = {type(key) for side in sides for key in first(side)}
    names = {side.mapping.key_codec if isinstance(side, RangeView) else side.key_codec for side in sides}
    if all(kind is bytes for kind in kinds):  # opened raw, or bytes
        return bytes
    if len(names) > 1 or len(kinds) > 1:
        raise ValueError(f"diff() needs sides of one key codec, not {' and '.join(sorted(names))}: open both alike")
    return codecs.key(names.pop()).encode


def first(side: Any) -> list[Any]:
    """The first key, if there is any."""
    with blamed(side):
        return list(islice(side, 1))


def ascending(side: Any, encode: Callable[[Any], bytes]) -> Pairs:
    """(place, key, value) of each pair, as they are now."""
    with blamed(side):
        pairs = iter(side.items())
    return in_order(side, pairs, encode)


def in_order(side: Any, pairs: Iterator[Any], encode: Callable[[Any], bytes]) -> Pairs:
    before: bytes | None = None
    with blamed(side):
        for key, value in pairs:
            place = encode(key)
            if before is not None and place < before:
                raise ValueError("diff() needs ranges in key order: this one goes backwards")
            before = place
            yield place, key, value


@contextmanager
def blamed(side: Any) -> Iterator[None]:
    """Damage says which of the two stores it is in: file names alone do not."""
    try:
        yield
    except CorruptionError as error:
        told: Any = error
        told.store = getattr(getattr(side, "mapping", side), "path", None)
        raise


def opened(side: Path | LSM | Snapshot | RangeView, stack: ExitStack) -> LSM | Snapshot | RangeView:
    if isinstance(side, LSM | Snapshot | RangeView):
        return side
    if not isinstance(side, str | bytes | PathLike):
        raise TypeError(f"diff() takes paths, stores, snapshots and ranges of these, not {type(side).__name__}")
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
                if old[2] != new[2]:
                    yield Difference("changed", old[1], old[2], new[2])
                old, new = next(olds, None), next(news, None)
        if old:
            yield removed(old)
            yield from map(removed, olds)
        if new:
            yield added(new)
            yield from map(added, news)


def removed(entry: tuple[bytes, Any, Any]) -> Difference:
    return Difference("removed", entry[1], entry[2], None)


def added(entry: tuple[bytes, Any, Any]) -> Difference:
    return Difference("added", entry[1], None, entry[2])
