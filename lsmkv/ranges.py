"""Views in pieces: what RangeView.chunks and RangeView.split do."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, SupportsIndex


def chunks(entries: Iterable[Any], size: SupportsIndex) -> Iterator[list[Any]]:
    """Lists of `size` entries, the last one perhaps shorter; one scan."""
    count = operator.index(size)
    if count < 1:
        raise ValueError(f"chunks({size}): a chunk has at least one entry")
    return _chunks(iter(entries), count)


def _chunks(entries: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(entries, size)):
        yield chunk


def split(view: Any, parts: int) -> list[Any]:
    """At most `parts` views in the order of `view`, one after another, of about as many keys each."""
    wanted = operator.index(parts)
    if wanted < 1:
        raise ValueError(f"split({parts}): there is at least one part")
    total = view.count()
    wanted = min(wanted, total)
    if wanted < 2:
        return [view]
    firsts = [total * part // wanted for part in range(1, wanted)]
    bounds = []
    keys = iter(view)
    begin, at = next(keys, None), 1
    for first in firsts:  # the key each part but the first begins with
        for key in islice(keys, first - at, first - at + 1):
            bounds.append(key)
        at = first + 1
    if not bounds or begin not in view[bounds[0] :]:  # the store's order, which need not be Python's
        edges = [None, *bounds, None]
        return [view[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]
    return _split_backwards(view, bounds)


def _split_backwards(view: Any, bounds: list[Any]) -> list[Any]:
    """A reversed view goes down: a part holds its first key, the largest, and ends above the next part's."""
    views, rest = [], view
    for bound in bounds:
        above = view.mapping.higher(bound)
        edge = bound if above is None else above[0]
        views.append(rest[edge:])
        rest = rest[:edge]
    return [*views, rest]
